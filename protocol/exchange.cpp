#include "protocol/exchange.hpp"

#include <algorithm>
#include <limits>

#include "crypto/age_seal.hpp"
#include "crypto/hash.hpp"
#include "protocol/limits.hpp"

namespace pli::protocol {
namespace {

constexpr std::uint8_t format = 1;
constexpr std::uint32_t epoch_year_min = 2000;
constexpr std::uint32_t epoch_year_max = 9999;

Error invalid(const char* field) { return {Errc::invalid_input, field}; }

void write_count(ByteWriter& out, std::size_t count) {
  PLI_INVARIANT(count <= std::numeric_limits<std::uint8_t>::max());
  out.u8(static_cast<std::uint8_t>(count));
}

/// Times and numbers are kept in signed 64-bit columns; nothing honest comes near the last bit.
bool fits_signed(std::uint64_t value) { return value >> 63 == 0; }

template <class Range>
bool all_distinct(const Range& range) {
  for (auto i = range.begin(); i != range.end(); ++i)
    if (std::find(range.begin(), i, *i) != i) return false;
  return true;
}

/// The attributes a kind has in clear: those of its closed list, each once. Anything else could carry content past the
/// seal.
bool has_its_attributes(const Address& address) {
  const KindRow* row = row_of_number(address.kind);
  const auto& attributes = address.attributes;
  if (row == nullptr) return attributes.empty();
  for (auto each = attributes.begin(); each != attributes.end(); ++each) {
    const auto same_name = [&](const auto& other) { return other.first == each->first; };
    if (!is_attribute(row->kind, each->first, each->second) || std::any_of(attributes.begin(), each, same_name))
      return false;
  }
  // An anomaly without its cause would tell the auditors nothing, an inscription without its day the instance nothing.
  if (!attribute_name(row->kind).empty() && (attributes.empty() || attributes[0].first != attribute_name(row->kind)))
    return false;
  return attributes.size() < 2 || attributes[0].second == opinion_words().front();  // a refusal has no term
}

/// Year · 100 + month.
bool is_epoch(std::uint32_t epoch) {
  const std::uint32_t year = epoch / 100;
  const std::uint32_t month = epoch % 100;
  return year >= epoch_year_min && year <= epoch_year_max && month >= 1 && month <= 12;
}

}  // namespace

Bytes encode(const Address& address) {
  ByteWriter out;
  out.u8(format);
  out.string8(address.contract);
  out.string8(address.log);
  out.u16(address.kind);
  out.string8(address.sender);
  out.raw(address.sender_key.bytes);
  out.string8(address.queue);
  out.raw(address.case_id);
  out.raw(address.in_reply_to);
  out.u8(address.urgency);
  write_count(out, address.handling.size());
  for (const std::string& condition : address.handling) out.string8(condition);
  write_count(out, address.attributes.size());
  for (const auto& [name, value] : address.attributes) {
    out.string8(name);
    out.string8(value);
  }
  out.u64(address.directory.value);
  out.raw(address.roster);
  out.u64(static_cast<std::uint64_t>(address.created_at.value));
  out.raw(address.nonce);
  return out.take();
}

Result<Address> decode_address(ByteView bytes) {
  if (bytes.size() > address_bytes_max) return invalid("address");
  ByteReader in(bytes);
  const std::uint8_t version = in.u8();
  Address address;
  address.contract = in.string8();
  address.log = in.string8();
  address.kind = in.u16();
  address.sender = in.string8();
  address.sender_key.bytes = in.array<32>();
  address.queue = in.string8();
  address.case_id = in.array<32>();
  address.in_reply_to = in.array<32>();
  address.urgency = in.u8();
  const std::size_t handling_count = in.u8();
  for (std::size_t i = 0; i < handling_count && in.ok(); ++i) address.handling.push_back(in.string8());
  const std::size_t attribute_count = in.u8();
  for (std::size_t i = 0; i < attribute_count && in.ok(); ++i) {
    std::string name = in.string8();
    address.attributes.emplace_back(std::move(name), in.string8());
  }
  address.directory.value = in.u64();
  address.roster = in.array<32>();
  const std::uint64_t created = in.u64();
  address.nonce = in.array<16>();
  if (!in.at_end() || version != format) return invalid("address");

  if (!is_token(address.contract)) return invalid("contract");
  if (!is_log_name(address.log)) return invalid("log");
  if (!is_token(address.sender)) return invalid("sender");
  if (!queue_kind_of(address.queue)) return invalid("queue");
  if (text_of(static_cast<Urgency>(address.urgency)).empty()) return invalid("urgency");
  if (address.handling.size() > handling_max || !all_distinct(address.handling) ||
      !std::all_of(address.handling.begin(), address.handling.end(), is_handling))
    return invalid("handling");
  if (address.attributes.size() > attributes_max || !has_its_attributes(address)) return invalid("attributes");
  if (address.directory.value == 0 || !fits_signed(address.directory.value)) return invalid("directory");
  if (!fits_signed(created)) return invalid("created_at");
  address.created_at.value = static_cast<std::int64_t>(created);
  return address;
}

Bytes encode(const Seal& seal) {
  ByteWriter out;
  out.u8(format);
  out.u64(seal.locked_size);
  out.raw(seal.locked);
  out.u64(seal.payload_size);
  out.raw(seal.payload);
  out.raw(seal.release_commitment);
  out.raw(seal.file_key_commitment);
  return out.take();
}

Result<Seal> decode_seal(ByteView bytes) {
  ByteReader in(bytes);
  const std::uint8_t version = in.u8();
  Seal seal;
  seal.locked_size = in.u64();
  seal.locked = in.array<32>();
  seal.payload_size = in.u64();
  seal.payload = in.array<32>();
  seal.release_commitment = in.array<32>();
  seal.file_key_commitment = in.array<32>();
  if (!in.at_end() || version != format) return invalid("seal");

  if (seal.locked_size == 0) return invalid("locked_size");
  if (seal.payload_size == 0) return invalid("payload_size");
  if (seal.locked_size > locked_bytes_max) return Error{Errc::over_limit, "locked_size"};
  if (seal.payload_size > exchange_bytes_max - seal.locked_size) return Error{Errc::over_limit, "payload_size"};
  return seal;
}

Bytes encode(const Release& release) {
  ByteWriter out;
  out.u8(release.threshold);
  write_count(out, release.shares.size());
  for (const ReleaseShare& share : release.shares) {
    out.string8(share.trustee);
    out.u32(share.epoch);
    out.raw(share.session.bytes);
    out.raw(share.box);
  }
  return out.take();
}

Result<Release> decode_release(ByteView bytes) {
  ByteReader in(bytes);
  Release release;
  release.threshold = in.u8();
  const std::size_t count = in.u8();
  if (count == 0 || count > release_shares_max || release.threshold == 0 || release.threshold > count)
    return invalid("release");
  release.shares.resize(count);
  for (ReleaseShare& share : release.shares) {
    share.trustee = in.string8();
    share.epoch = in.u32();
    share.session.bytes = in.array<32>();
    share.box = in.array<std::tuple_size_v<crypto::BoxedRelease>>();
    if (!is_token(share.trustee) || !is_epoch(share.epoch)) return invalid("release");
  }
  if (!in.at_end()) return invalid("release");
  // A trustee counts once towards the threshold.
  for (auto share = release.shares.begin(); share != release.shares.end(); ++share)
    if (std::any_of(release.shares.begin(), share,
                    [&](const ReleaseShare& other) { return other.trustee == share->trustee; }))
      return invalid("release");
  return release;
}

Digest address_digest(ByteView address) { return crypto::sha256(address); }

ExchangeId exchange_id(ByteView address, ByteView seal) { return crypto::sha256({address, seal}); }

Bytes encode(const Plaintext& plaintext) {
  ByteWriter out;
  out.bytes32(plaintext.address);
  out.bytes32(plaintext.content);
  out.bytes16(as_bytes(plaintext.checkpoint));
  write_count(out, plaintext.heads.size());
  for (const GossipHead& gossip : plaintext.heads) {
    out.string8(gossip.queue);
    out.u64(gossip.head.number.value);
    out.raw(gossip.head.head);
  }
  return out.take();
}

Result<Plaintext> decode_plaintext(ByteView bytes) {
  // Views first: a length that lies must not cost an allocation.
  ByteReader in(bytes);
  const ByteView address = in.bytes32();
  const ByteView content = in.bytes32();
  const ByteView checkpoint = in.bytes16();
  const std::size_t count = in.u8();
  if (!in.ok()) return invalid("plaintext");
  if (address.size() > address_bytes_max) return invalid("address");
  if (content.size() > exchange_bytes_max) return invalid("content");
  if (count > gossip_heads_max) return invalid("heads");
  Plaintext plaintext;
  plaintext.heads.resize(count);
  for (GossipHead& gossip : plaintext.heads) {
    gossip.queue = in.string8();
    gossip.head.number.value = in.u64();
    gossip.head.head = in.array<32>();
    if (!in.ok()) return invalid("plaintext");
    if (!queue_kind_of(gossip.queue) || !fits_signed(gossip.head.number.value)) return invalid("heads");
  }
  if (!in.at_end()) return invalid("plaintext");
  plaintext.address = to_bytes(address);
  plaintext.content = to_bytes(content);
  plaintext.checkpoint = std::string(as_text(checkpoint));
  return plaintext;
}

std::size_t bucket_for(Kind kind, std::size_t size) {
  return kind == Kind::retour ? retour_bucket_bytes : crypto::padding_bucket(size);
}

}  // namespace pli::protocol
