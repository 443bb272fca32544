#include "crypto/age_seal.hpp"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "crypto/age_format.hpp"
#include "crypto/base64.hpp"
#include "crypto/chunk_crew.hpp"
#include "crypto/hash.hpp"
#include "crypto/random.hpp"

namespace pli::crypto {
namespace {

constexpr std::size_t recipients_max = 512;
constexpr std::size_t padding_prefix_bytes = 4;
constexpr std::size_t padding_bucket_min = 1024;

/// `out` holds the chunk and its tag exactly.
void seal_chunk_into(std::span<std::uint8_t> out, ByteView plaintext, const BoxKey& key, std::uint64_t counter,
                     bool last) {
  PLI_INVARIANT(plaintext.size() <= age_chunk_bytes && out.size() == plaintext.size() + age_tag_bytes);
  const ChunkNonce nonce = chunk_nonce(counter, last);
  crypto_aead_chacha20poly1305_ietf_encrypt(out.data(), nullptr, plaintext.data(), plaintext.size(), nullptr, 0,
                                            nullptr, nonce.data(), key.expose().data());
}

/// An empty payload still has its one, last, chunk.
std::size_t chunks_of(std::size_t plaintext_bytes) {
  return std::max<std::size_t>(1, (plaintext_bytes + age_chunk_bytes - 1) / age_chunk_bytes);
}

/// The text form, line by line.
class ArmorWriter {
 public:
  explicit ArmorWriter(const Sink& out) : out_(out) { add_line(armor_begin); }

  Result<void> write(ByteView bytes) {
    const std::size_t missing = std::min(bytes.size(), armor_line_bytes - pending_.size());
    append(pending_, bytes.first(missing));
    bytes = bytes.subspan(missing);
    if (pending_.size() < armor_line_bytes) return {};
    add_base64_line(pending_);
    pending_.clear();
    for (; bytes.size() >= armor_line_bytes; bytes = bytes.subspan(armor_line_bytes)) {
      add_base64_line(bytes.first(armor_line_bytes));
    }
    append(pending_, bytes);
    return flush();
  }

  Result<void> finish() {
    if (!pending_.empty()) add_base64_line(pending_);
    add_line(armor_end);
    return flush();
  }

 private:
  void add_line(std::string_view line) {
    text_ += line;
    text_ += '\n';
  }
  void add_base64_line(ByteView bytes) {
    append_base64(text_, bytes);
    text_ += '\n';
  }
  Result<void> flush() {
    auto written = out_(as_bytes(text_));
    text_.clear();
    return written;
  }

  const Sink& out_;
  Bytes pending_;
  std::string text_;
};

struct SealBatch {
  SecretKey plaintext;
  std::size_t size = 0;
  Bytes sealed;
  ChunkCrew::Run run;
};

Result<void> read_batch(const Source& in, SealBatch& batch) {
  if (batch.plaintext.empty()) batch.plaintext = SecretKey(age_batch_chunks * age_chunk_bytes);
  const auto got = fill_from(in, batch.plaintext.expose_for_writing());
  if (!got) return got.error();
  batch.size = *got;
  return {};
}

void start_sealing(SealBatch& batch, const BoxKey& key, std::uint64_t first_counter, bool ends, ChunkCrew& crew) {
  const std::size_t count = chunks_of(batch.size);
  batch.sealed.resize(batch.size + count * age_tag_bytes);
  crew.start(batch.run, count, [&batch, &key, first_counter, ends, count](std::size_t i) {
    const ByteView rest = batch.plaintext.expose().first(batch.size).subspan(i * age_chunk_bytes);
    const ByteView chunk = rest.first(std::min(rest.size(), age_chunk_bytes));
    const auto sealed = std::span(batch.sealed).subspan(i * age_sealed_chunk_bytes, chunk.size() + age_tag_bytes);
    seal_chunk_into(sealed, chunk, key, first_counter + i, ends && i + 1 == count);
  });
}

Result<void> seal_binary_stream(const FileKey& file_key, ByteView header, const Source& in, const Sink& out) {
  Bytes head = to_bytes(header);
  const auto nonce = random_array<age_payload_nonce_bytes>();
  append(head, nonce);
  if (auto written = out(head); !written) return written.error();

  const BoxKey key = derive_payload_key(file_key, nonce);
  std::array<SealBatch, 3> batches;  // written, worked on, read
  ChunkCrew crew;
  const auto write_batch = [&](std::size_t n) {
    SealBatch& batch = batches[n % batches.size()];
    crew.finish(batch.run);
    return out(batch.sealed);
  };
  if (auto got = read_batch(in, batches[0]); !got) return got.error();
  for (std::size_t n = 0;; ++n) {
    SealBatch& batch = batches[n % batches.size()];
    bool ends = batch.size < batch.plaintext.size();
    if (!ends) {
      // Only the next read tells whether the last chunk of a full batch is the last of all.
      SealBatch& next = batches[(n + 1) % batches.size()];
      if (auto got = read_batch(in, next); !got) return got.error();
      ends = next.size == 0;
    }
    start_sealing(batch, key, n * age_batch_chunks, ends, crew);
    if (n > 0) {
      if (auto written = write_batch(n - 1); !written) return written.error();
    }
    if (ends) return write_batch(n);
  }
}

}  // namespace

ChunkNonce chunk_nonce(std::uint64_t counter, bool last) {
  ChunkNonce out{};
  for (std::size_t i = 0; i < 8; ++i) out[10 - i] = static_cast<std::uint8_t>(counter >> (8 * i));
  out[11] = last ? 1 : 0;
  return out;
}

BoxKey derive_payload_key(const FileKey& file_key, ByteView payload_nonce) {
  return hkdf_sha256(file_key.expose(), payload_nonce, "payload");
}

Digest age_header_mac(const FileKey& file_key, ByteView authenticated) {
  const Transient<32> mac_key = hkdf_sha256(file_key.expose(), {}, "header");
  return hmac_sha256(mac_key.expose(), {authenticated});
}

void append_stanza(Bytes& header, std::string_view arguments, ByteView body) {
  append(header, "-> ");
  append(header, arguments);
  append(header, "\n");
  // Full lines of 64, then one shorter line that ends the stanza, empty if need be.
  for (; body.size() >= armor_line_bytes; body = body.subspan(armor_line_bytes)) {
    append(header, to_base64_unpadded(body.first(armor_line_bytes)));
    append(header, "\n");
  }
  append(header, to_base64_unpadded(body));
  append(header, "\n");
}

void append_header_end(Bytes& header, const FileKey& file_key) {
  append(header, age_mac_mark);
  const Digest mac = age_header_mac(file_key, header);
  append(header, " ");
  append(header, to_base64_unpadded(mac));
  append(header, "\n");
}

ByteArray<age_wrapped_key_bytes> wrap_file_key(const FileKey& file_key, const Transient<32>& wrap_key) {
  static constexpr ChunkNonce zero_nonce{};
  ByteArray<age_wrapped_key_bytes> out;
  crypto_aead_chacha20poly1305_ietf_encrypt(out.data(), nullptr, file_key.expose().data(), file_key.expose().size(),
                                            nullptr, 0, nullptr, zero_nonce.data(), wrap_key.expose().data());
  return out;
}

Result<std::size_t> fill_from(const Source& in, std::span<std::uint8_t> out) {
  std::size_t size = 0;
  while (size < out.size()) {
    const auto got = in(out.subspan(size));
    if (!got) return got.error();
    PLI_INVARIANT(*got <= out.size() - size);
    if (*got == 0) break;
    size += *got;
  }
  return size;
}

Result<void> seal_stream(const FileKey& file_key, ByteView header, const Source& in, const Sink& out, bool armor) {
  if (!armor) return seal_binary_stream(file_key, header, in, out);
  ArmorWriter text(out);
  if (auto sealed = seal_binary_stream(file_key, header, in, [&](ByteView bytes) { return text.write(bytes); });
      !sealed) {
    return sealed.error();
  }
  return text.finish();
}

Result<Bytes> make_age_header(const FileKey& file_key, std::span<const AgePublic> recipients) {
  if (recipients.empty()) return Error{Errc::invalid_input, "no recipient"};
  if (recipients.size() > recipients_max) return Error{Errc::invalid_input, "more than 512 recipients"};
  Bytes out = to_bytes(age_version_line);
  append(out, "\n");
  for (const AgePublic& recipient : recipients) {
    const auto ephemeral = Transient<32>::random();
    ByteArray<32> share;
    PLI_INVARIANT(crypto_scalarmult_base(share.data(), ephemeral.expose().data()) == 0);
    Transient<32> shared;
    if (crypto_scalarmult(shared.expose_for_writing().data(), ephemeral.expose().data(), recipient.bytes.data()) != 0) {
      return Error{Errc::invalid_input, "low-order recipient key"};
    }
    Bytes salt = to_bytes(share);
    append(salt, recipient.bytes);
    const auto wrap_key = hkdf_sha256(shared.expose(), salt, age_x25519_info);
    append_stanza(out, std::string(age_x25519_type) + " " + to_base64_unpadded(share),
                  wrap_file_key(file_key, wrap_key));
  }
  append_header_end(out, file_key);
  return out;
}

Bytes seal_payload(const FileKey& file_key, ByteView plaintext) {
  const std::size_t count = chunks_of(plaintext.size());
  Bytes out(age_payload_nonce_bytes + plaintext.size() + count * age_tag_bytes);
  const std::span<std::uint8_t> view(out);
  random_bytes(view.first(age_payload_nonce_bytes));
  const BoxKey key = derive_payload_key(file_key, view.first(age_payload_nonce_bytes));
  for (std::size_t i = 0; i < count; ++i) {
    const ByteView rest = plaintext.subspan(i * age_chunk_bytes);
    const ByteView chunk = rest.first(std::min(rest.size(), age_chunk_bytes));
    const std::size_t at = age_payload_nonce_bytes + i * age_sealed_chunk_bytes;
    seal_chunk_into(view.subspan(at, chunk.size() + age_tag_bytes), chunk, key, i, i + 1 == count);
  }
  return out;
}

PayloadSealer::PayloadSealer(const FileKey& file_key) {
  random_bytes(nonce_);
  key_ = derive_payload_key(file_key, nonce_);
  pending_.reserve(age_chunk_bytes);  // never grows beyond, so no plaintext stays behind in a freed block
}

PayloadSealer::~PayloadSealer() { wipe(pending_); }

void PayloadSealer::update(ByteView plaintext, Bytes& out) {
  // A chunk leaves only when at least one byte follows it: the last one is sealed otherwise.
  while (pending_.size() + plaintext.size() > age_chunk_bytes) {
    const std::size_t missing = age_chunk_bytes - pending_.size();
    if (pending_.empty()) {
      seal_chunk(plaintext.first(missing), false, out);
    } else {
      append(pending_, plaintext.first(missing));
      seal_chunk(pending_, false, out);
      wipe(pending_);
      pending_.clear();
    }
    plaintext = plaintext.subspan(missing);
  }
  append(pending_, plaintext);
}

void PayloadSealer::finish(Bytes& out) {
  PLI_INVARIANT(!finished_);
  finished_ = true;
  seal_chunk(pending_, true, out);
}

void PayloadSealer::seal_chunk(ByteView plaintext, bool last, Bytes& out) {
  if (!nonce_written_) append(out, nonce_);
  nonce_written_ = true;
  const std::size_t before = out.size();
  out.resize(before + plaintext.size() + age_tag_bytes);
  seal_chunk_into(std::span(out).subspan(before), plaintext, key_, counter_++, last);
}

Result<void> seal_file(const Source& in, const Sink& out, std::span<const AgePublic> recipients, bool armor) {
  const auto file_key = FileKey::random();
  const auto header = make_age_header(file_key, recipients);
  if (!header) return header.error();
  return seal_stream(file_key, *header, in, out, armor);
}

Result<Bytes> seal_bytes(ByteView plaintext, std::span<const AgePublic> recipients) {
  const auto file_key = FileKey::random();
  auto file = make_age_header(file_key, recipients);
  if (!file) return file.error();
  append(*file, seal_payload(file_key, plaintext));
  return file;
}

Result<Bytes> pad_to(ByteView data, std::size_t bucket) {
  if (data.size() > std::numeric_limits<std::uint32_t>::max() || bucket < padding_prefix_bytes ||
      data.size() > bucket - padding_prefix_bytes) {
    return Error{Errc::over_limit, "data does not fit its bucket"};
  }
  Bytes out;
  out.reserve(bucket);
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(data.size() >> shift));
  append(out, data);
  out.resize(bucket);
  return out;
}

std::size_t padding_bucket(std::size_t size) {
  // Padmé (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files", PETS 2019): lengths keep only as
  // many leading bits as the exponent has, so O(log log n) bits of a length show.
  const auto floor_log2 = [](std::size_t value) {
    std::size_t log = 0;
    while (value >>= 1) ++log;
    return log;
  };
  if (size > std::numeric_limits<std::size_t>::max() / 2) return size;  // not addressable, and pad_to refuses it
  const std::size_t length = std::max(size + padding_prefix_bytes, padding_bucket_min);
  const std::size_t exponent = floor_log2(length);
  const std::size_t mask = (std::size_t{1} << (exponent - (floor_log2(exponent) + 1))) - 1;
  return (length + mask) & ~mask;
}

Result<Bytes> unpad(ByteView padded) {
  ByteReader reader(padded);
  const std::uint32_t size = reader.u32();
  const ByteView data = reader.raw(size);
  if (!reader.ok()) return Error{Errc::invalid_input, "padding is cut short"};
  const ByteView filler = reader.rest();
  if (std::any_of(filler.begin(), filler.end(), [](std::uint8_t byte) { return byte != 0; })) {
    return Error{Errc::invalid_input, "padding is not zero"};
  }
  return to_bytes(data);
}

}  // namespace pli::crypto
