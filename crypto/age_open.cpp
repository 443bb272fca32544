#include "crypto/age_open.hpp"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "crypto/age_format.hpp"
#include "crypto/base64.hpp"
#include "crypto/chunk_crew.hpp"
#include "crypto/hash.hpp"
#include "crypto/identity.hpp"
#include "crypto/random.hpp"

namespace pli::crypto::opening {
namespace {

constexpr std::size_t armor_white_space_max = 1024;  // on each side of the block
constexpr std::size_t scrypt_salt_bytes = 16;

// ---- Armor ----

bool is_white_space(std::uint8_t byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }

/// Whether a file is meant to be armored, whatever state its armor is in: damaged armor must fail as armor.
bool looks_armored(ByteView start) {
  start = start.first(std::min(start.size(), age_header_bytes_max));  // as much as a stream sees of it
  const std::string_view text = as_text(start);
  if (text.starts_with(age_version_line.substr(0, age_version_line.find('/')))) return false;
  const auto first = std::find_if_not(start.begin(), start.end(), is_white_space);
  if (text.substr(static_cast<std::size_t>(first - start.begin())).starts_with("-----")) return true;
  return text.substr(0, armor_white_space_max + armor_begin.size()).find(armor_begin) != std::string_view::npos;
}

/// The bytes of an age file as one stream, freed of their armor if they wear one.
class Input {
 public:
  explicit Input(const Source& source) : source_(source) {}

  /// Looks at the beginning and decides whether it is armor. Call first.
  AgeResult<void> start() {
    text_.resize(age_header_bytes_max);
    if (auto got = read(text_); !got) {
      return got.error();
    } else {
      text_.resize(*got);
    }
    if (!looks_armored(text_)) {
      ahead_ = std::move(text_);
      return {};
    }
    armored_ = true;
    const auto begin = std::find_if_not(text_.begin(), text_.end(), is_white_space);
    at_ = static_cast<std::size_t>(begin - text_.begin());
    if (at_ > armor_white_space_max || (at_ > 0 && text_[at_ - 1] != '\n')) return AgeFailure::armor;
    const auto label = next_line();
    if (!label) return label.error();
    if (*label != armor_begin) return AgeFailure::armor;
    return {};
  }

  /// Fills `out`; gives less only at the end.
  AgeResult<std::size_t> fill(std::span<std::uint8_t> out) {
    std::size_t size = take_ahead(out);
    if (!armored_) {
      const auto got = read(out.subspan(size));
      if (!got) return got.error();
      return size + *got;
    }
    while (size < out.size() && !armor_ended_) {
      const auto line = decode_line(out.subspan(size));
      if (!line) return line.error();
      size += *line;
    }
    return size;
  }

  /// Gives back what was read too far.
  void unread(ByteView bytes) {
    Bytes joined = to_bytes(bytes);
    append(joined, ByteView(ahead_).subspan(ahead_at_));
    ahead_ = std::move(joined);
    ahead_at_ = 0;
  }

 private:
  AgeResult<std::size_t> read(std::span<std::uint8_t> out) {
    if (ended_) return std::size_t{0};  // a terminal would have to be told twice
    const auto got = fill_from(source_, out);
    if (!got) return AgeFailure::input;
    ended_ = *got < out.size();
    return *got;
  }

  std::size_t take_ahead(std::span<std::uint8_t> out) {
    const std::size_t size = std::min(out.size(), ahead_.size() - ahead_at_);
    std::copy_n(ahead_.begin() + static_cast<std::ptrdiff_t>(ahead_at_), size, out.begin());
    ahead_at_ += size;
    return size;
  }

  /// One line without its LF or CRLF. Valid until the next call.
  AgeResult<std::string_view> next_line() {
    constexpr std::size_t line_bytes_max = armor_columns + 2;
    if (text_.size() - at_ < line_bytes_max) {
      if (auto more = read_more_text(); !more) return more.error();
    }
    const std::string_view rest = as_text(ByteView(text_).subspan(at_));
    if (rest.empty()) return AgeFailure::armor;
    const std::string_view window = rest.substr(0, line_bytes_max);
    const std::size_t end = window.find('\n');
    if (end == std::string_view::npos && window.size() < rest.size()) return AgeFailure::armor;  // too long
    std::string_view line = window.substr(0, end);
    at_ += end == std::string_view::npos ? window.size() : end + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }

  AgeResult<void> read_more_text() {
    if (ended_) return {};
    text_.erase(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at_));
    at_ = 0;
    const std::size_t kept = text_.size();
    text_.resize(age_header_bytes_max);
    const auto got = read(std::span(text_).subspan(kept));
    if (!got) return got.error();
    text_.resize(kept + *got);
    return {};
  }

  /// The next line's bytes into `out`, with what does not fit left in `ahead_`; none at the end of the armor.
  AgeResult<std::size_t> decode_line(std::span<std::uint8_t> out) {
    const auto line = next_line();
    if (!line) return line.error();
    if (*line == armor_end) return ended(0);
    if (line->empty() || line->size() > armor_columns) return AgeFailure::armor;
    const bool fits = out.size() >= armor_line_bytes;
    if (!fits) ahead_.resize(armor_line_bytes);
    const auto decoded = from_base64_into(*line, fits ? out.first(armor_line_bytes) : std::span(ahead_));
    if (!decoded) return AgeFailure::armor;
    std::size_t size = *decoded;
    if (!fits) {
      ahead_.resize(size);
      ahead_at_ = 0;
      size = take_ahead(out);
    }
    if (*decoded == armor_line_bytes) return size;
    // A short line is the last.
    const auto label = next_line();
    if (!label) return label.error();
    if (*label != armor_end) return AgeFailure::armor;
    return ended(size);
  }

  /// After the last label: white space and nothing else. Passes `size` on.
  AgeResult<std::size_t> ended(std::size_t size) {
    armor_ended_ = true;
    if (auto more = read_more_text(); !more) return more.error();
    const ByteView rest = ByteView(text_).subspan(at_);
    if (rest.size() > armor_white_space_max || !std::all_of(rest.begin(), rest.end(), is_white_space)) {
      return AgeFailure::armor;
    }
    return size;
  }

  const Source& source_;
  bool ended_ = false;  // the source is
  bool armored_ = false;
  bool armor_ended_ = false;
  Bytes text_;  // armored text not decoded yet, from at_ on
  std::size_t at_ = 0;
  Bytes ahead_;  // bytes of the file read but not taken, from ahead_at_ on
  std::size_t ahead_at_ = 0;
};

// ---- Header ----

struct Stanza {
  std::vector<std::string_view> arguments;  // the type first; they point into the header's bytes
  Bytes body;
};

struct Header {
  std::vector<Stanza> stanzas;
  ByteArray<32> mac{};
  std::size_t authenticated_bytes = 0;  // through the third dash
  std::size_t bytes = 0;
};

/// The grammar of formats §2.2, at the beginning of `start`, which may go on after the header.
class HeaderParser {
 public:
  explicit HeaderParser(ByteView start) : text_(as_text(start.first(std::min(start.size(), age_header_bytes_max)))) {}

  AgeResult<Header> parse() {
    if (next_line() != age_version_line) return AgeFailure::header;
    for (;;) {
      const std::size_t line_at = at_;
      const auto line = next_line();
      if (!line) return AgeFailure::header;
      if (line->starts_with(age_mac_mark)) {
        header_.authenticated_bytes = line_at + age_mac_mark.size();
        if (header_.stanzas.empty() || !parse_mac(line->substr(age_mac_mark.size()))) return AgeFailure::header;
        header_.bytes = at_;
        return std::move(header_);
      }
      if (header_.stanzas.size() == age_stanzas_max || !parse_stanza(*line)) return AgeFailure::header;
    }
  }

 private:
  std::optional<std::string_view> next_line() {
    const std::size_t end = text_.find('\n', at_);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = text_.substr(at_, end - at_);
    at_ = end + 1;
    return line;
  }

  bool parse_mac(std::string_view after_mark) {
    if (!after_mark.starts_with(' ')) return false;
    const auto bytes = from_base64_unpadded(after_mark.substr(1));
    const auto mac = bytes ? to_array<32>(*bytes) : std::nullopt;
    if (mac) header_.mac = *mac;
    return mac.has_value();
  }

  bool parse_stanza(std::string_view argument_line) {
    constexpr std::string_view mark = "->";
    if (argument_line.size() > age_argument_line_bytes_max || !argument_line.starts_with(mark)) return false;
    Stanza stanza;
    std::string_view rest = argument_line.substr(mark.size());
    do {
      if (!rest.starts_with(' ')) return false;
      rest.remove_prefix(1);
      const std::string_view argument = rest.substr(0, rest.find(' '));
      const auto visible = [](char c) { return c >= 0x21 && c <= 0x7e; };
      if (argument.empty() || !std::all_of(argument.begin(), argument.end(), visible)) return false;
      stanza.arguments.push_back(argument);
      rest.remove_prefix(argument.size());
    } while (!rest.empty());
    for (;;) {
      const auto line = next_line();
      if (!line || line->size() > armor_columns) return false;
      const auto bytes = from_base64_unpadded(*line);
      if (!bytes) return false;
      append(stanza.body, *bytes);
      if (line->size() < armor_columns) break;
    }
    header_.stanzas.push_back(std::move(stanza));
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Header header_;
};

/// A whole header and nothing after it.
AgeResult<Header> parse_exactly(ByteView age_header) {
  auto header = HeaderParser(age_header).parse();
  if (header && header->bytes != age_header.size()) return AgeFailure::header;
  return header;
}

using WrappedKey = ByteArray<age_wrapped_key_bytes>;

struct X25519Stanza {
  ByteArray<32> share;
  WrappedKey body;
};

struct ScryptStanza {
  ByteArray<scrypt_salt_bytes> salt;
  int work_factor;
  WrappedKey body;
};

/// The stanzas of the types we know, their shape checked before anything is decrypted.
struct KnownStanzas {
  std::vector<X25519Stanza> x25519;
  std::optional<ScryptStanza> scrypt;
};

template <std::size_t N>
std::optional<ByteArray<N>> decode_argument(std::string_view argument) {
  const auto bytes = from_base64_unpadded(argument);
  return bytes ? to_array<N>(*bytes) : std::nullopt;
}

/// `[1-9][0-9]*` and within what we are willing to compute.
std::optional<int> decode_work_factor(std::string_view text) {
  if (text.empty() || text.size() > 2 || text[0] == '0') return std::nullopt;
  int value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  if (value > scrypt_work_factor_max) return std::nullopt;
  return value;
}

AgeResult<KnownStanzas> check_shapes(const Header& header) {
  KnownStanzas known;
  for (const Stanza& stanza : header.stanzas) {
    const std::string_view type = stanza.arguments[0];
    if (type == age_x25519_type) {
      const auto share = stanza.arguments.size() == 2 ? decode_argument<32>(stanza.arguments[1]) : std::nullopt;
      const auto body = to_array<age_wrapped_key_bytes>(stanza.body);
      if (!share || !body) return AgeFailure::header;
      known.x25519.push_back({*share, *body});
    } else if (type == age_scrypt_type) {
      // Whoever knows a passphrase could otherwise pass for every other recipient.
      if (header.stanzas.size() != 1 || stanza.arguments.size() != 3) return AgeFailure::header;
      const auto salt = decode_argument<scrypt_salt_bytes>(stanza.arguments[1]);
      const auto work_factor = decode_work_factor(stanza.arguments[2]);
      const auto body = to_array<age_wrapped_key_bytes>(stanza.body);
      if (!salt || !work_factor || !body) return AgeFailure::header;
      known.scrypt = ScryptStanza{*salt, *work_factor, *body};
    }
  }
  return known;
}

std::optional<FileKey> unwrap(const WrappedKey& body, const Transient<32>& wrap_key) {
  static constexpr ChunkNonce zero_nonce{};
  FileKey file_key;
  if (crypto_aead_chacha20poly1305_ietf_decrypt(file_key.expose_for_writing().data(), nullptr, nullptr, body.data(),
                                                body.size(), nullptr, 0, zero_nonce.data(),
                                                wrap_key.expose().data()) != 0) {
    return std::nullopt;
  }
  return file_key;
}

/// Nothing when the memory for it was not to be had.
std::optional<Transient<32>> scrypt_wrap_key(const SecretKey& passphrase, ByteView salt, int work_factor) {
  Bytes whole_salt = to_bytes(age_scrypt_salt_prefix);
  append(whole_salt, salt);
  Transient<32> out;
  if (crypto_pwhash_scryptsalsa208sha256_ll(passphrase.expose().data(), passphrase.size(), whole_salt.data(),
                                            whole_salt.size(), std::uint64_t{1} << work_factor, 8, 1,
                                            out.expose_for_writing().data(), out.expose().size()) != 0) {
    return std::nullopt;
  }
  return out;
}

AgeResult<FileKey> find_file_key(const KnownStanzas& known, const AgeKeys& keys) {
  std::vector<ByteArray<32>> publics;
  for (const SecretKey& identity : keys.identities) publics.push_back(x25519_public(identity));
  for (const X25519Stanza& stanza : known.x25519) {
    for (std::size_t i = 0; i < publics.size(); ++i) {
      Transient<32> shared;
      if (crypto_scalarmult(shared.expose_for_writing().data(), keys.identities[i].expose().data(),
                            stanza.share.data()) != 0) {
        return AgeFailure::header;  // low order: the secret would be known to everybody
      }
      Bytes salt = to_bytes(stanza.share);
      append(salt, publics[i]);
      if (auto file_key = unwrap(stanza.body, hkdf_sha256(shared.expose(), salt, age_x25519_info))) {
        return std::move(*file_key);
      }
    }
  }
  if (known.scrypt && keys.passphrase != nullptr && !keys.passphrase->empty()) {
    const auto wrap_key = scrypt_wrap_key(*keys.passphrase, known.scrypt->salt, known.scrypt->work_factor);
    if (!wrap_key) return AgeFailure::memory;
    if (auto file_key = unwrap(known.scrypt->body, *wrap_key)) return std::move(*file_key);
  }
  return AgeFailure::no_match;
}

/// `bytes` begins with the header that `header` was parsed from.
AgeResult<FileKey> unwrap_header(ByteView bytes, const Header& header, const AgeKeys& keys) {
  const auto known = check_shapes(header);
  if (!known) return known.error();
  auto file_key = find_file_key(*known, keys);
  if (!file_key) return file_key.error();
  // Before any payload: ChaCha20-Poly1305 does not commit to its key, this MAC does.
  if (!same_secret(age_header_mac(*file_key, bytes.first(header.authenticated_bytes)), header.mac)) {
    return AgeFailure::hmac;
  }
  return file_key;
}

// ---- Payload ----

/// `out` holds exactly the plaintext. A chunk that fails leaves `sealed` as it was, so that it can be tried
/// again.
bool open_chunk(std::span<std::uint8_t> out, ByteView sealed, const BoxKey& key, std::uint64_t counter, bool last) {
  const ChunkNonce nonce = chunk_nonce(counter, last);
  return crypto_aead_chacha20poly1305_ietf_decrypt(out.data(), nullptr, nullptr, sealed.data(), sealed.size(), nullptr,
                                                   0, nonce.data(), key.expose().data()) == 0;
}

struct OpenBatch {
  Bytes sealed;
  std::size_t size = 0;
  SecretKey opened;
  ByteArray<age_batch_chunks> authentic{};  // whether each full chunk opened as one that is not the last
  ChunkCrew::Run run;
};

/// Reads the next batch, if there is any, and has its full chunks opened as inner ones.
AgeResult<void> start_opening(OpenBatch& batch, Input& input, const BoxKey& key, std::uint64_t first_counter,
                              ChunkCrew& crew) {
  batch.sealed.resize(age_batch_chunks * age_sealed_chunk_bytes);
  const auto got = input.fill(batch.sealed);
  if (!got) return got.error();
  batch.size = *got;
  if (batch.size > 0 && batch.opened.empty()) batch.opened = SecretKey(age_batch_chunks * age_chunk_bytes);
  crew.start(batch.run, batch.size / age_sealed_chunk_bytes, [&batch, &key, first_counter](std::size_t i) {
    batch.authentic[i] = open_chunk(batch.opened.expose_for_writing().subspan(i * age_chunk_bytes, age_chunk_bytes),
                                    ByteView(batch.sealed).subspan(i * age_sealed_chunk_bytes, age_sealed_chunk_bytes),
                                    key, first_counter + i, false);
  });
  return {};
}

AgeResult<void> open_payload_stream(Input& input, const Sink& out, const FileKey& file_key) {
  ByteArray<age_payload_nonce_bytes> nonce{};
  if (auto got = input.fill(nonce); !got) {
    return got.error();
  } else if (*got < nonce.size()) {
    return AgeFailure::header;
  }
  const BoxKey key = derive_payload_key(file_key, nonce);
  std::array<OpenBatch, 2> batches;  // one is released and read anew while the other is worked on
  ChunkCrew crew;
  if (auto started = start_opening(batches[0], input, key, 0, crew); !started) return started.error();
  for (std::uint64_t counter = 0;; counter += age_batch_chunks) {
    OpenBatch& batch = batches[counter / age_batch_chunks % batches.size()];
    OpenBatch& next = batches[(counter / age_batch_chunks + 1) % batches.size()];
    if (auto started = start_opening(next, input, key, counter + age_batch_chunks, crew); !started) {
      return started.error();
    }
    crew.finish(batch.run);
    const auto release = [&](std::size_t offset, std::size_t size) -> AgeResult<void> {
      if (size > 0 && !out(batch.opened.expose().subspan(offset, size))) return AgeFailure::output;
      return {};
    };
    const std::size_t full = batch.size / age_sealed_chunk_bytes;
    const auto failure =
        std::find(batch.authentic.begin(), batch.authentic.begin() + static_cast<std::ptrdiff_t>(full), 0);
    const auto good = static_cast<std::size_t>(failure - batch.authentic.begin());
    if (auto released = release(0, good * age_chunk_bytes); !released) return released.error();
    if (good == age_batch_chunks) continue;

    // What follows the chunks that opened as inner ones must be the last one, full or not.
    const ByteView rest = ByteView(batch.sealed).first(batch.size).subspan(good * age_sealed_chunk_bytes);
    const ByteView last = rest.first(std::min(rest.size(), age_sealed_chunk_bytes));
    if (last.size() < age_tag_bytes) return AgeFailure::payload;
    const std::size_t size = last.size() - age_tag_bytes;
    if (size == 0 && counter + good > 0) return AgeFailure::payload;  // only an empty payload ends with nothing
    const auto plaintext = batch.opened.expose_for_writing().subspan(good * age_chunk_bytes, size);
    if (!open_chunk(plaintext, last, key, counter + good, true)) return AgeFailure::payload;
    if (auto released = release(good * age_chunk_bytes, size); !released) return released.error();
    if (rest.size() > last.size() || next.size > 0) return AgeFailure::payload;
    return {};
  }
}

Source from_memory(ByteView bytes) {
  return [bytes](std::span<std::uint8_t> out) mutable -> Result<std::size_t> {
    const std::size_t size = std::min(out.size(), bytes.size());
    std::copy_n(bytes.begin(), size, out.begin());
    bytes = bytes.subspan(size);
    return size;
  };
}

AgeResult<Bytes> open_binary(ByteView age_file, const AgeKeys& keys) {
  const auto header = HeaderParser(age_file).parse();
  if (!header) return header.error();
  const auto file_key = unwrap_header(age_file, *header, keys);
  if (!file_key) return file_key.error();
  return open_payload(*file_key, age_file.subspan(header->bytes));
}

}  // namespace

const char* name_of(AgeFailure failure) {
  switch (failure) {
    case AgeFailure::armor: return "armor failure";
    case AgeFailure::header: return "header failure";
    case AgeFailure::no_match: return "no match";
    case AgeFailure::hmac: return "HMAC failure";
    case AgeFailure::payload: return "payload failure";
    case AgeFailure::output: return "output failure";
    case AgeFailure::input: return "input failure";
    case AgeFailure::memory: return "not enough memory";
  }
  return "unknown";
}

AgeResult<FileKey> unwrap_file_key(ByteView age_header, const AgeKeys& keys) {
  const auto header = parse_exactly(age_header);
  if (!header) return header.error();
  return unwrap_header(age_header, *header, keys);
}

AgeResult<HeaderShape> header_shape(ByteView age_header) {
  const auto header = parse_exactly(age_header);
  if (!header) return header.error();
  const auto known = check_shapes(*header);
  if (!known) return known.error();
  return HeaderShape{known->x25519.size(), known->x25519.size() == header->stanzas.size()};
}

AgeResult<Bytes> open_payload(const FileKey& file_key, ByteView payload) {
  if (payload.size() < age_payload_nonce_bytes) return AgeFailure::header;
  const BoxKey key = derive_payload_key(file_key, payload.first(age_payload_nonce_bytes));
  const ByteView chunks = payload.subspan(age_payload_nonce_bytes);
  const std::size_t inner = chunks.empty() ? 0 : (chunks.size() - 1) / age_sealed_chunk_bytes;
  const std::size_t last_bytes = chunks.size() - inner * age_sealed_chunk_bytes;
  if (last_bytes < age_tag_bytes || (last_bytes == age_tag_bytes && inner > 0)) return AgeFailure::payload;
  Bytes out(chunks.size() - (inner + 1) * age_tag_bytes);
  for (std::size_t i = 0; i <= inner; ++i) {
    const std::size_t size = i < inner ? age_chunk_bytes : last_bytes - age_tag_bytes;
    if (!open_chunk(std::span(out).subspan(i * age_chunk_bytes, size),
                    chunks.subspan(i * age_sealed_chunk_bytes, size + age_tag_bytes), key, i, i == inner)) {
      wipe(out);
      return AgeFailure::payload;
    }
  }
  return out;
}

AgeResult<void> open_file(const Source& in, const Sink& out, const AgeKeys& keys) {
  Input input(in);
  if (auto started = input.start(); !started) return started.error();
  Bytes start(age_header_bytes_max);
  const auto got = input.fill(start);
  if (!got) return got.error();
  start.resize(*got);
  const auto header = HeaderParser(start).parse();
  if (!header) return header.error();
  const auto file_key = unwrap_header(start, *header, keys);
  if (!file_key) return file_key.error();
  input.unread(ByteView(start).subspan(header->bytes));
  return open_payload_stream(input, out, *file_key);
}

AgeResult<Bytes> open_bytes(ByteView age_file, const AgeKeys& keys) {
  if (!looks_armored(age_file)) return open_binary(age_file, keys);
  const Source source = from_memory(age_file);
  Input input(source);
  if (auto started = input.start(); !started) return started.error();
  Bytes binary(age_file.size());  // armor is never shorter than what it holds
  const auto got = input.fill(binary);
  if (!got) return got.error();
  binary.resize(*got);
  return open_binary(binary, keys);
}

Result<void> seal_file_with_passphrase(const Source& in, const Sink& out, const SecretKey& passphrase, int work_factor,
                                       bool armor) {
  if (passphrase.empty()) return Error{Errc::invalid_input, "empty passphrase"};
  if (work_factor < 1 || work_factor > scrypt_work_factor_max) {
    return Error{Errc::invalid_input, "scrypt work factor outside 1..20"};
  }
  const auto file_key = FileKey::random();
  const auto salt = random_array<scrypt_salt_bytes>();
  const auto wrap_key = scrypt_wrap_key(passphrase, salt, work_factor);
  if (!wrap_key) return Error{Errc::unavailable, "not enough memory for scrypt"};
  Bytes header = to_bytes(age_version_line);
  append(header, "\n");
  append_stanza(header,
                std::string(age_scrypt_type) + " " + to_base64_unpadded(salt) + " " + std::to_string(work_factor),
                wrap_file_key(file_key, *wrap_key));
  append_header_end(header, file_key);
  return seal_stream(file_key, header, in, out, armor);
}

}  // namespace pli::crypto::opening
