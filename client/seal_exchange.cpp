#include "client/seal_exchange.hpp"

#include <algorithm>
#include <limits>

#include "crypto/age_seal.hpp"
#include "crypto/hash.hpp"
#include "crypto/header_lock.hpp"
#include "crypto/random.hpp"
#include "crypto/statement.hpp"
#include "protocol/limits.hpp"

namespace pli::client {
namespace {

using protocol::LocalCode;

constexpr std::uint8_t draft_format = 1;

Failure bad_form(const char* words) { return {LocalCode::bad_form, words}; }
Failure unproven(const char* words) { return {LocalCode::directory_unproven, words}; }

/// Clear text leaves memory with the call that made it.
struct Wiped {
  Bytes bytes;
  Wiped() = default;
  explicit Wiped(Bytes clear) : bytes(std::move(clear)) {}
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;
  ~Wiped() { crypto::wipe(bytes); }
};

Outcome<void> check_case(const Draft& draft) {
  const protocol::KindRow* row = protocol::row_of(draft.kind);
  if (row == nullptr) return bad_form("unknown kind");
  const bool names_case = draft.case_id != Digest{};
  if (row->opens_case && names_case) return bad_form("this kind opens a case of its own");
  if (row->names_case && !names_case) return bad_form("this kind belongs to a case, and none is named");
  return {};
}

Outcome<const protocol::Queue*> find_roster(const Draft& draft, const SealContext& context) {
  if (context.directory.expired_at(context.now)) return unproven("the directory has expired");
  const protocol::Queue* queue = context.directory.queue(draft.queue);
  if (queue == nullptr) return Failure(LocalCode::queue_unknown, "this queue is not among the proven entries");
  if (queue->keys.empty()) return Failure(LocalCode::queue_vacant, "nobody would be able to read it");
  if (queue->keys.size() > protocol::recipients_max) return unproven("a roster larger than allowed");
  return queue;
}

protocol::Address make_address(const Draft& draft, const SealContext& context, const protocol::Queue& queue) {
  protocol::Address address;
  address.contract = context.invitation.contract;
  address.log = context.invitation.log;
  address.kind = static_cast<std::uint16_t>(draft.kind);
  address.sender = context.invitation.member;
  address.sender_key = context.identity.public_identity().sign;
  address.queue = draft.queue;
  address.case_id = draft.case_id;
  address.in_reply_to = draft.in_reply_to;
  address.urgency = static_cast<std::uint8_t>(draft.urgency);
  address.handling = draft.handling;
  address.attributes = draft.attributes;
  address.directory = context.directory.number();
  address.roster = protocol::roster_digest(queue);
  address.created_at = context.now;
  address.nonce = crypto::random_array<16>();
  return address;
}

/// The address's bytes, read back as the broker will: what it would refuse is refused here.
Outcome<Bytes> encode_checked(const protocol::Address& address) {
  const auto fits = [](std::size_t count) { return count <= std::numeric_limits<std::uint8_t>::max(); };
  const auto short_text = [&](const std::string& text) { return fits(text.size()); };
  const bool encodable =
      fits(address.handling.size()) && fits(address.attributes.size()) && short_text(address.queue) &&
      std::all_of(address.handling.begin(), address.handling.end(), short_text) &&
      std::all_of(address.attributes.begin(), address.attributes.end(),
                  [&](const auto& attribute) { return short_text(attribute.first) && short_text(attribute.second); });
  if (!encodable) return bad_form("a field longer than allowed");
  Bytes bytes = protocol::encode(address);
  if (auto decoded = protocol::decode_address(bytes); !decoded) return local(LocalCode::bad_form, decoded.error());
  return bytes;
}

/// Address ‖ content ‖ news of the log, padded. News give way where the bucket is fixed and small.
Outcome<Bytes> make_plaintext(const Draft& draft, const SealContext& context, const Bytes& address) {
  protocol::Plaintext plaintext{address, draft.content, context.checkpoint, context.heads};
  if (plaintext.heads.size() > protocol::gossip_heads_max) plaintext.heads.resize(protocol::gossip_heads_max);
  while (true) {
    Wiped clear(protocol::encode(plaintext));
    auto padded = crypto::pad_to(clear.bytes, protocol::bucket_for(draft.kind, clear.bytes.size()));
    const bool done = padded.has_value() || plaintext.heads.empty();
    if (done) crypto::wipe(plaintext.content);
    if (padded) return std::move(*padded);
    if (done) return bad_form("the content is larger than its kind allows");
    plaintext.heads.pop_back();
  }
}

/// Header, lock, share, seal, signature: what an exchange and an access part have in common.
Outcome<SealedExchange> finish(const SealContext& context, protocol::Address address, Bytes address_bytes,
                               const protocol::Queue& queue, const crypto::FileKey& file_key, protocol::Seal seal,
                               Bytes payload) {
  auto header = crypto::make_age_header(file_key, queue.keys);
  if (!header) return local(LocalCode::directory_unproven, header.error());
  const Digest digest = protocol::address_digest(address_bytes);
  const crypto::ReleaseKey release_key = crypto::ReleaseKey::random();
  SealedExchange out;
  out.envelope.locked = crypto::lock_header(*header, release_key, {digest, seal.payload});
  seal.locked_size = out.envelope.locked.size();
  seal.locked = crypto::sha256(out.envelope.locked);
  seal.release_commitment = crypto::release_commitment(digest, release_key);
  seal.file_key_commitment = crypto::file_key_commitment(file_key);
  if (seal.locked_size > protocol::locked_bytes_max ||
      seal.payload_size > protocol::exchange_bytes_max - seal.locked_size)
    return bad_form("larger than an exchange may be");
  out.envelope.seal = protocol::encode(seal);
  out.envelope.release = protocol::encode(context.release.share(release_key));
  out.envelope.payload = std::move(payload);
  Bytes statement = address_bytes;
  append(statement, out.envelope.seal);
  out.envelope.signature =
      crypto::sign_statement(context.identity.signing_key(), crypto::StatementName::exchange, statement);
  out.id = protocol::exchange_id(address_bytes, out.envelope.seal);
  out.envelope.address = std::move(address_bytes);
  out.address = std::move(address);
  out.seal = seal;
  return out;
}

}  // namespace

Draft draft_of(const protocol::Form& form, std::string queue) {
  Draft draft;
  draft.kind = form.kind();
  draft.content = form.encode();
  draft.queue = std::move(queue);
  draft.urgency = form.urgency();
  draft.in_reply_to = form.named_exchange().value_or(Digest{});
  draft.attributes = form.attributes();
  return draft;
}

Bytes encode(const Draft& draft) {
  PLI_INVARIANT(draft.handling.size() <= protocol::handling_max && draft.attributes.size() <= protocol::attributes_max);
  ByteWriter out;
  out.u8(draft_format);
  out.u16(static_cast<std::uint16_t>(draft.kind));
  out.string8(draft.queue);
  out.raw(draft.case_id);
  out.raw(draft.in_reply_to);
  out.u8(static_cast<std::uint8_t>(draft.urgency));
  out.u8(static_cast<std::uint8_t>(draft.handling.size()));
  for (const std::string& condition : draft.handling) out.string8(condition);
  out.u8(static_cast<std::uint8_t>(draft.attributes.size()));
  for (const auto& [name, value] : draft.attributes) {
    out.string8(name);
    out.string8(value);
  }
  out.bytes32(draft.content);
  return out.take();
}

Result<Draft> decode_draft(ByteView bytes) {
  ByteReader in(bytes);
  const std::uint8_t format = in.u8();
  Draft draft;
  const protocol::KindRow* kind = protocol::row_of_number(in.u16());
  draft.queue = in.string8();
  draft.case_id = in.array<32>();
  draft.in_reply_to = in.array<32>();
  draft.urgency = static_cast<protocol::Urgency>(in.u8());
  const std::size_t conditions = in.u8();
  for (std::size_t i = 0; i < conditions && in.ok(); ++i) draft.handling.push_back(in.string8());
  const std::size_t attributes = in.u8();
  for (std::size_t i = 0; i < attributes && in.ok(); ++i) {
    std::string name = in.string8();
    draft.attributes.emplace_back(std::move(name), in.string8());
  }
  draft.content = to_bytes(in.bytes32());
  if (!in.at_end() || format != draft_format || kind == nullptr || protocol::text_of(draft.urgency).empty())
    return Error{Errc::invalid_input, "not a draft"};
  draft.kind = kind->kind;
  return draft;
}

Outcome<void> check_draft(const Draft& draft) {
  if (auto fits = check_case(draft); !fits) return fits;
  if (!protocol::queue_kind_of(draft.queue)) return bad_form("not a queue");
  if (draft.content.size() > protocol::exchange_bytes_max) return bad_form("larger than an exchange may be");
  if (draft.handling.size() > protocol::handling_max ||
      !std::all_of(draft.handling.begin(), draft.handling.end(), protocol::is_handling))
    return bad_form("unknown handling");
  if (draft.attributes.size() > protocol::attributes_max ||
      !std::all_of(draft.attributes.begin(), draft.attributes.end(), [&](const auto& attribute) {
        return protocol::is_attribute(draft.kind, attribute.first, attribute.second);
      }))
    return bad_form("unknown attribute");
  return {};
}

Outcome<SealedExchange> seal_exchange(const Draft& draft, const SealContext& context) {
  if (auto checked = check_draft(draft); !checked) return checked.error();
  auto queue = find_roster(draft, context);
  if (!queue) return queue.error();
  protocol::Address address = make_address(draft, context, **queue);
  auto address_bytes = encode_checked(address);
  if (!address_bytes) return address_bytes.error();
  auto padded = make_plaintext(draft, context, *address_bytes);
  if (!padded) return padded.error();
  const Wiped clear(std::move(*padded));
  const crypto::FileKey file_key = crypto::FileKey::random();
  Bytes payload = crypto::seal_payload(file_key, clear.bytes);
  protocol::Seal seal;
  seal.payload_size = payload.size();
  seal.payload = crypto::sha256(payload);
  return finish(context, std::move(address), std::move(*address_bytes), **queue, file_key, seal, std::move(payload));
}

Outcome<SealedExchange> seal_access(const Draft& draft, const protocol::Seal& original, const crypto::FileKey& file_key,
                                    const SealContext& context) {
  if (auto checked = check_draft(draft); !checked) return checked.error();
  if (draft.kind != protocol::Kind::acces || draft.in_reply_to == Digest{})
    return bad_form("an access part names the exchange it gives access to");
  if (crypto::file_key_commitment(file_key) != original.file_key_commitment)
    return Failure(LocalCode::file_key_mismatch, "this is not the key the exchange was sealed with");
  auto queue = find_roster(draft, context);
  if (!queue) return queue.error();
  protocol::Address address = make_address(draft, context, **queue);
  auto address_bytes = encode_checked(address);
  if (!address_bytes) return address_bytes.error();
  protocol::Seal seal;
  seal.payload_size = original.payload_size;
  seal.payload = original.payload;
  return finish(context, std::move(address), std::move(*address_bytes), **queue, file_key, seal, {});
}

}  // namespace pli::client
