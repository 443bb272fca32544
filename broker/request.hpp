// What passes between the broker's stages: transport → gate → core → transport. Plain values; each is owned by one
// stage at a time and handed over whole.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "crypto/keys.hpp"
#include "crypto/secret.hpp"
#include "protocol/directory.hpp"
#include "protocol/exchange.hpp"
#include "protocol/opening_request.hpp"
#include "protocol/wire.hpp"

namespace pli::broker {

/// A connection as the transport knows it. The routing id is ZeroMQ's; the key is what CURVE proved on this message.
struct Peer {
  Bytes routing_id;
  crypto::CurvePublic key;
  // Spelt out: g++ 12 at -O3 misreads the library's comparison of byte vectors.
  std::strong_ordering operator<=>(const Peer& other) const {
    int order = as_text(routing_id).compare(as_text(other.routing_id));
    return order != 0 ? order <=> 0 : key <=> other.key;
  }
  bool operator==(const Peer& other) const { return (*this <=> other) == 0; }
};

/// A message as it came in.
struct Incoming {
  Peer peer;
  std::vector<Bytes> frames;
  bool over_limit = false;  ///< longer than message_bytes_max or more frames than allowed: dropped but for the first
                            ///< frame's first bytes, which hold the request's id
};

/// A submit whose signature, digests and release share the gate has checked.
struct VerifiedSubmit {
  protocol::Envelope envelope;  ///< locked and payload present, whether they came inline or staged
  protocol::Address address;
  protocol::Seal seal;
  protocol::ExchangeId id{};
  crypto::ReleaseKey release_key;  ///< R; the received share is dropped in the gate
};
/// An opening request whose signature the gate has checked.
struct VerifiedOpen {
  Bytes bytes;
  protocol::OpeningRequest request;
  protocol::OpeningId id{};
  crypto::Signature signature{};
  Bytes note;
  std::uint32_t release_epoch = 0;  ///< whose key `session` was computed with
  crypto::BoxPublic release_key;
  crypto::BoxKey session;  ///< for the grant
};
/// A directory version whose note has k signatures; entries are applied by the core.
struct VerifiedPublish {
  std::string note;
  std::vector<Bytes> changed;
};
/// A suspension in place of a version, whose note one authority has signed.
struct VerifiedSuspension {
  std::string note;
};
/// An enrolled identity asked for something the gate refuses; the core records it, then answers `refusal`.
/// Exception, for idempotence: a submit whose staged parts or release epoch are gone (NOT_FOUND, STALE_DIRECTORY; its
/// signature was checked) and whose `object` the caller has already had accepted is answered with that leaf again.
struct GateRefusal {
  protocol::Refusal refusal;
  std::string act;               ///< the verb, for the record: "submit", "open"…
  std::optional<Digest> object;  ///< exchange id when it is known
};
/// Undecodable input or an unknown key: counted, not recorded one by one (P3). The gate or the transport has answered
/// it already, where there was anybody to answer: the core answers nothing.
struct Unattributed {
  enum class Reason { undecodable, unknown_key } reason = Reason::undecodable;
};

using VerifiedBody =
    std::variant<protocol::Hello, VerifiedSubmit, protocol::List, protocol::ListCases, VerifiedOpen, protocol::GetChunk,
                 protocol::Acknowledge, protocol::Follow, protocol::GetDirectory, VerifiedPublish, VerifiedSuspension,
                 protocol::GetCheckpoint, protocol::Prove, protocol::GetRecords, protocol::GetHealth,
                 protocol::GetShard, GateRefusal, Unattributed>;
/// The core answers each exactly once (`answers`), Unattributed excepted.
struct VerifiedRequest {
  Peer peer;
  std::uint64_t request_id = 0;
  VerifiedBody body;
};

/// A reply or a push, ready to be encoded and sent.
struct Outgoing {
  Peer peer;
  protocol::Reply reply;
  bool answers = true;  ///< false for a push: it frees no in-flight place
};

}  // namespace pli::broker
