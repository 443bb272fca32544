#include "broker/gate_verify.hpp"

#include <algorithm>
#include <chrono>

#include "broker/key_ring.hpp"
#include "crypto/hash.hpp"
#include "crypto/statement.hpp"
#include "protocol/limits.hpp"
#include "protocol/policy.hpp"
#include "protocol/suspension.hpp"

namespace pli::broker {
namespace {

using protocol::Code;
using protocol::Refusal;

constexpr std::uint32_t busy_retry_ms = 200;

Refusal refusal(Code code, std::string subject = {}) { return {code, std::move(subject), 0}; }
Refusal busy() { return {Code::busy, "", busy_retry_ms}; }

/// A decoder's refusal of a field, as the caller is told of it.
Refusal of_field(const Error& error) {
  return refusal(error.code == Errc::over_limit ? Code::too_large : Code::invalid, error.detail);
}

VerifiedBody refuse(Refusal why, const char* act, std::optional<Digest> object = std::nullopt) {
  return GateRefusal{std::move(why), act, object};
}

struct ActName {
  const char* operator()(const protocol::Hello&) const { return "hello"; }
  const char* operator()(const protocol::PutChunk&) const { return "put_chunk"; }
  const char* operator()(const protocol::Submit&) const { return "submit"; }
  const char* operator()(const protocol::List&) const { return "list"; }
  const char* operator()(const protocol::ListCases&) const { return "list_cases"; }
  const char* operator()(const protocol::Open&) const { return "open"; }
  const char* operator()(const protocol::GetChunk&) const { return "get_chunk"; }
  const char* operator()(const protocol::Acknowledge&) const { return "acknowledge"; }
  const char* operator()(const protocol::Follow&) const { return "follow"; }
  const char* operator()(const protocol::GetDirectory&) const { return "directory"; }
  const char* operator()(const protocol::PublishDirectory&) const { return "publish_directory"; }
  const char* operator()(const protocol::GetCheckpoint&) const { return "checkpoint"; }
  const char* operator()(const protocol::Prove&) const { return "prove"; }
  const char* operator()(const protocol::GetRecords&) const { return "records"; }
  const char* operator()(const protocol::GetHealth&) const { return "health"; }
  const char* operator()(const protocol::GetShard&) const { return "shard"; }
};

/// The gate's may_submit: equality today; a relay broker would be one more case here.
bool may_submit(const protocol::Member& caller, const std::string& sender) { return caller.id == sender; }

bool is_former(const protocol::Member& member, const crypto::SignPublic& key) {
  return std::find(member.former_sign.begin(), member.former_sign.end(), key) != member.former_sign.end();
}

/// Whether a signed act's key is its signer's current one.
std::optional<Refusal> check_key(const protocol::Member& member, const crypto::SignPublic& key, const char* field) {
  if (key == member.keys.sign) return std::nullopt;
  return is_former(member, key) ? refusal(Code::revoked) : refusal(Code::invalid, field);
}

bool is_of(const Bytes& part, std::uint64_t size, const Digest& digest) {
  return part.size() == size && equal(crypto::sha256(part), digest);
}

/// What counts as staged; small parts are bounded by the requests under way.
std::uint64_t staged_bytes(std::uint64_t bytes) { return bytes > protocol::inline_bytes_max ? bytes : 0; }

/// The field names of the codec are tokens; anything else it says is about the message as a whole.
bool names_field(std::string_view detail) {
  return !detail.empty() && detail != "message" &&
         std::all_of(detail.begin(), detail.end(), [](char c) { return c == '_' || (c >= 'a' && c <= 'z'); });
}

}  // namespace

struct Verifier::Caller {
  const protocol::Directory& directory;
  const protocol::Member& member;
  const crypto::CurvePublic& key;
};

Verdict Verifier::verify(Incoming message) {
  const Peer& peer = message.peer;
  const std::uint64_t id = message.frames.empty() ? 0 : protocol::request_id_of(message.frames.front());
  auto to_core = [&](VerifiedBody body) {
    Verdict out;
    out.to_core = VerifiedRequest{peer, id, std::move(body)};
    return out;
  };
  auto unattributed = [&](Refusal answer, Unattributed::Reason reason) {
    Verdict out = to_core(Unattributed{reason});
    out.answer = Outgoing{peer, {id, std::move(answer)}, true};
    return out;
  };

  const auto directory = directory_.get();
  const protocol::Member* member = directory->member_by_curve(peer.key);
  // ZAP let it in, so a version has lost it since, which no version does; or enforcement is broken.
  if (member == nullptr) return unattributed(refusal(Code::unknown_key), Unattributed::Reason::unknown_key);
  if (message.over_limit) return to_core(refuse(refusal(Code::too_large, "request"), "message"));
  if (message.frames.size() != 1)
    return unattributed(refusal(Code::invalid, "request"), Unattributed::Reason::undecodable);
  auto request = protocol::decode_request(message.frames.front());
  if (!request) {
    if (!names_field(request.error().detail))
      return unattributed(refusal(Code::invalid, "request"), Unattributed::Reason::undecodable);
    return to_core(refuse(of_field(request.error()), "message"));
  }
  // ZAP admits former and revoked keys so that their holders hear why; here is where.
  if (member->keys.curve != peer.key || !member->valid_at(clock_.now()))
    return to_core(refuse(refusal(Code::revoked), std::visit(ActName{}, request->body)));

  Outcome outcome = decide(Caller{*directory, *member, peer.key}, std::move(request->body));
  if (auto* body = std::get_if<VerifiedBody>(&outcome)) return to_core(std::move(*body));
  Verdict out;
  out.answer = Outgoing{peer, {id, std::get<protocol::ReplyBody>(std::move(outcome))}, true};
  return out;
}

Verifier::Outcome Verifier::decide(const Caller& caller, protocol::RequestBody&& body) {
  return std::visit(
      [&](auto&& request) -> Outcome {
        using T = std::decay_t<decltype(request)>;
        if constexpr (std::is_same_v<T, protocol::PutChunk>) {
          return put_chunk(caller, request);
        } else if constexpr (std::is_same_v<T, protocol::Submit>) {
          return submit(caller, std::move(request));
        } else if constexpr (std::is_same_v<T, protocol::Open>) {
          return open(caller, std::move(request));
        } else if constexpr (std::is_same_v<T, protocol::PublishDirectory>) {
          return publish(caller, std::move(request));
        } else {
          return VerifiedBody(
              std::move(request));  // nothing to verify: CURVE says who asks, the core what they may see
        }
      },
      std::move(body));
}

Verifier::Outcome Verifier::put_chunk(const Caller& caller, const protocol::PutChunk& chunk) {
  // A directory's bundle may be larger than this deployment's exchanges; only those who may publish stage one.
  protocol::Question question;
  question.act = protocol::Act::publish_directory;
  question.roles = caller.member.roles;
  std::uint64_t part_bytes_max = exchange_bytes_max_;
  if (protocol::decide(question))
    part_bytes_max = std::max<std::uint64_t>(part_bytes_max, protocol::directory_bundle_bytes_max);
  auto stored = spool_.put(caller.key, chunk, part_bytes_max, std::chrono::steady_clock::now());
  if (auto* done = std::get_if<protocol::ChunkStored>(&stored)) return protocol::ReplyBody(*done);
  Refusal& why = std::get<Refusal>(stored);
  if (why.code == Code::busy) return protocol::ReplyBody(std::move(why));
  return refuse(std::move(why), "put_chunk");
}

std::optional<Refusal> Verifier::fetch_part(const Caller& caller, const char* name, std::uint64_t size,
                                            const Digest& digest, Bytes& part) {
  if (!part.empty()) {  // inline
    if (is_of(part, size, digest)) return std::nullopt;
    return refusal(Code::invalid, name);
  }
  auto staged = spool_.read(caller.key, digest, size);
  if (!staged && staged.error().code == Errc::not_found) return refusal(Code::not_found, name);
  if (!staged) return busy();
  if (!is_of(*staged, size, digest)) {
    spool_.drop(caller.key, digest);  // what was sent is not what its name says: let it be sent again
    return refusal(Code::invalid, name);
  }
  part = *std::move(staged);
  return std::nullopt;
}

Verifier::Outcome Verifier::submit(const Caller& caller, protocol::Submit&& request) {
  constexpr const char* act = "submit";
  protocol::Envelope& envelope = request.envelope;
  auto address = protocol::decode_address(envelope.address);
  if (!address) return refuse(of_field(address.error()), act);
  auto seal = protocol::decode_seal(envelope.seal);
  if (!seal) return refuse(of_field(seal.error()), act);
  const protocol::ExchangeId id = protocol::exchange_id(envelope.address, envelope.seal);
  auto release = protocol::decode_release(envelope.release);
  if (!release) return refuse(refusal(Code::invalid, "release"), act, id);
  if (seal->payload_size > exchange_bytes_max_ || seal->locked_size > exchange_bytes_max_ - seal->payload_size)
    return refuse(refusal(Code::too_large, "payload_size"), act, id);

  if (!may_submit(caller.member, address->sender)) return refuse(refusal(Code::invalid, "sender"), act, id);
  if (auto why = check_key(caller.member, address->sender_key, "sender_key")) return refuse(*std::move(why), act, id);
  // The id is the digest the statement signs.
  if (!crypto::verify_statement_digest(address->sender_key, crypto::StatementName::exchange, id, envelope.signature))
    return refuse(refusal(Code::bad_signature), act, id);

  const protocol::ReleaseShare& share = release->shares.front();
  if (release->threshold != 1 || release->shares.size() != 1 || share.trustee != "broker")
    return refuse(refusal(Code::invalid, "release"), act, id);
  // X25519 passes over this bit: with it set, the same share would have a second spelling (docs/protocol.md,
  // "Notation").
  if ((share.session.bytes.back() & 0x80U) != 0) return refuse(refusal(Code::invalid, "release"), act, id);
  auto session = sessions_.shared(share.epoch, share.session);
  if (!session) {
    const bool gone = session.error().code == Errc::not_found;
    return refuse(gone ? refusal(Code::stale_directory) : refusal(Code::invalid, "release"), act, id);
  }
  auto release_key = crypto::open_share(share.box, *session);
  if (!release_key || !equal(crypto::release_commitment(protocol::address_digest(envelope.address), *release_key),
                             seal->release_commitment))
    return refuse(refusal(Code::invalid, "release"), act, id);

  const std::uint64_t bytes = staged_bytes(seal->locked_size + seal->payload_size);
  if (staged_bytes_.fetch_add(bytes) + bytes > staged_bytes_under_way_max) {
    staged_bytes_ -= bytes;
    return protocol::ReplyBody(busy());
  }
  auto missing = fetch_part(caller, "locked", seal->locked_size, seal->locked, envelope.locked);
  // An access part's payload is the one of the exchange it names, which the core holds.
  const bool own_payload = address->kind != static_cast<std::uint16_t>(protocol::Kind::acces);
  if (!missing && own_payload)
    missing = fetch_part(caller, "payload", seal->payload_size, seal->payload, envelope.payload);
  if (missing) {
    staged_bytes_ -= bytes;
    if (missing->code == Code::busy) return protocol::ReplyBody(*std::move(missing));
    return refuse(*std::move(missing), act, id);
  }

  VerifiedSubmit verified;
  verified.envelope = std::move(envelope);
  verified.envelope.release.clear();  // the received share is never written
  verified.address = *std::move(address);
  verified.seal = *seal;
  verified.id = id;
  verified.release_key = *std::move(release_key);
  return VerifiedBody(std::move(verified));
}

Verifier::Outcome Verifier::open(const Caller& caller, protocol::Open&& request) {
  constexpr const char* act = "open";
  auto opening = protocol::decode_opening_request(request.request);
  if (!opening) return refuse(of_field(opening.error()), act);
  auto refuse_it = [&](Refusal why) { return Outcome(refuse(std::move(why), act, opening->exchange)); };
  if (!may_submit(caller.member, opening->opener)) return refuse_it(refusal(Code::invalid, "opener"));
  if (auto why = check_key(caller.member, opening->opener_key, "opener_key")) return refuse_it(*std::move(why));
  if (opening->motif == 0) return refuse_it(refusal(Code::motif_required));
  const protocol::OpeningId id = protocol::opening_id(request.request);
  if (!crypto::verify_statement_digest(opening->opener_key, crypto::StatementName::open, id, request.signature))
    return refuse_it(refusal(Code::bad_signature));
  const Digest note = request.note.empty() ? Digest{} : crypto::sha256(request.note);
  if (!equal(note, opening->note)) return refuse_it(refusal(Code::invalid, "note"));

  // In the first moments of a month the core may not have made its key yet: the last month's still stands.
  const UnixMillis now = clock_.now();
  VerifiedOpen verified;
  verified.release_epoch = month_of(now);
  auto release_key = sessions_.public_key(verified.release_epoch);
  if (!release_key) {
    const std::uint32_t month = verified.release_epoch;
    verified.release_epoch = month % 100 == 1 ? month - 100 + 11 : month - 1;
    release_key = sessions_.public_key(verified.release_epoch);
  }
  if (!release_key) return protocol::ReplyBody(busy());
  auto session = sessions_.shared(verified.release_epoch, opening->session);
  if (!session) return refuse_it(refusal(Code::invalid, "session"));

  verified.bytes = std::move(request.request);
  verified.request = *std::move(opening);
  verified.id = id;
  verified.signature = request.signature;
  verified.note = std::move(request.note);
  verified.release_key = *release_key;
  verified.session = *std::move(session);
  return VerifiedBody(std::move(verified));
}

Verifier::Outcome Verifier::publish(const Caller& caller, protocol::PublishDirectory&& request) {
  constexpr const char* act = "publish_directory";
  protocol::Question question;
  question.act = protocol::Act::publish_directory;
  question.roles = caller.member.roles;
  if (auto decision = protocol::decide(question); !decision)
    return refuse(refusal(Code::forbidden, std::string(decision.rule)), act);

  if (request.note.size() > protocol::directory_note_bytes_max) return refuse(refusal(Code::too_large, "note"), act);
  const auto& current = caller.directory.verified();
  PLI_INVARIANT(current.has_value());  // what is in force was verified
  const protocol::AuthoritySet trusted{current->head().threshold, current->head().authorities};
  if (protocol::is_suspension(request.note)) {
    const auto suspension = protocol::verify_suspension_note(request.note, trusted);
    if (!suspension) {
      switch (suspension.error().code) {
        case Errc::authentication_failed: return refuse(refusal(Code::bad_signature), act);
        case Errc::over_limit: return refuse(refusal(Code::too_large, "note"), act);
        default: return refuse(refusal(Code::invalid, "note"), act);
      }
    }
    if (request.bundle_size != 0 || !request.bundle.empty()) return refuse(refusal(Code::invalid, "bundle"), act);
    return VerifiedBody(VerifiedSuspension{std::move(request.note)});
  }
  auto note = protocol::verify_directory_note(request.note, trusted, &*current);
  if (!note) {
    switch (note.error().code) {
      case Errc::authentication_failed: return refuse(refusal(Code::bad_signature), act);
      case Errc::conflict: return refuse(refusal(Code::conflict), act);
      default: return refuse(refusal(Code::invalid, "note"), act);
    }
  }
  if (auto missing = fetch_part(caller, "bundle", request.bundle_size, request.bundle_digest, request.bundle)) {
    if (missing->code == Code::busy) return protocol::ReplyBody(*std::move(missing));
    return refuse(*std::move(missing), act, note->digest());
  }
  auto changed = protocol::decode_bundle(request.bundle);
  if (!changed) return refuse(refusal(Code::invalid, "bundle"), act, note->digest());
  return VerifiedBody(VerifiedPublish{std::move(request.note), *std::move(changed)});
}

std::uint64_t Verifier::staged_bytes_of(const VerifiedRequest& request) {
  const auto* submit = std::get_if<VerifiedSubmit>(&request.body);
  return submit == nullptr ? 0 : staged_bytes(submit->seal.locked_size + submit->seal.payload_size);
}

}  // namespace pli::broker
