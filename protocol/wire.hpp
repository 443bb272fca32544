// Requests and replies, one verb each (design §6). Plain structures; protobuf stays behind protocol/codec.cpp.
// Whatever is signed or hashed is opaque bytes here and is never re-serialised.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "audit/queue_chain.hpp"
#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/id.hpp"
#include "base/result.hpp"
#include "crypto/keys.hpp"
#include "crypto/release_share.hpp"
#include "protocol/error_catalogue.hpp"
#include "protocol/exchange.hpp"

namespace pli::protocol {

inline constexpr std::uint32_t protocol_version = 1;

// ---- requests --------------------------------------------------------------------------------------------------

struct Hello {
  std::uint32_t version_min = protocol_version;
  std::uint32_t version_max = protocol_version;
  TreeSize known_size{};       ///< of the client's last verified checkpoint; 0 = none
  std::string known_origin{};  ///< of that checkpoint; empty = none
  bool operator==(const Hello&) const = default;
};
/// One chunk of a part named by its SHA-256; chunks of chunk_bytes_max, the last shorter; any order, any number of
/// times.
struct PutChunk {
  Digest part{};
  std::uint64_t part_size = 0;
  std::uint32_t index = 0;
  Bytes bytes;
  bool operator==(const PutChunk&) const = default;
};
struct Submit {
  Envelope envelope;  ///< locked or payload empty = staged under the digest the seal names
  bool operator==(const Submit&) const = default;
};
/// Headers of one queue after a number; or, with an empty queue, of every case of mine (Cases).
struct List {
  std::string queue;
  QueueNumber after{};
  std::uint32_t items_max = 64;
  bool operator==(const List&) const = default;
};
struct ListCases {
  Digest after{};  ///< `next` of the page before, or a case of mine to start after; zeros = from the first
  std::uint32_t items_max = 64;
  bool operator==(const ListCases&) const = default;
};
struct Open {
  Bytes request;  ///< opening request, signed
  crypto::Signature signature{};
  Bytes note;  ///< age file to the auditors, or empty
  bool operator==(const Open&) const = default;
};
enum class PartKind : std::uint8_t { payload = 1, locked = 2 };
/// After an `open`, within its replay window: the parts that did not ride inside.
struct GetChunk {
  Digest opening{};
  PartKind part = PartKind::payload;
  std::uint32_t access = 0;  ///< which access part, for `locked`
  std::uint32_t index = 0;
  bool operator==(const GetChunk&) const = default;
};
struct Acknowledge {
  std::string queue;
  QueueNumber number{};  ///< cumulative
  bool operator==(const Acknowledge&) const = default;
};
struct FollowFrom {
  std::string queue;
  QueueNumber after{};
  bool operator==(const FollowFrom&) const = default;
};
/// Replaces this connection's subscriptions; `credit` headers may be pushed before the next `follow`.
struct Follow {
  std::vector<FollowFrom> queues;
  std::uint32_t credit = 0;
  bool operator==(const Follow&) const = default;
};
struct GetDirectory {
  DirectoryNumber known{};           ///< version the client holds; entries unchanged since travel without their bytes
  std::uint64_t after_position = 0;  ///< 0 = from the first visible; else `next` of the page before
  bool operator==(const GetDirectory&) const = default;
};
struct PublishDirectory {
  std::string note;
  Bytes bundle;  ///< changed entries; empty = staged under bundle_digest
  Digest bundle_digest{};
  std::uint64_t bundle_size = 0;
  bool operator==(const PublishDirectory&) const = default;
};
struct GetCheckpoint {
  TreeSize known_size{};
  bool operator==(const GetCheckpoint&) const = default;
};
/// The proof of one acceptance, as far as the caller may see its record; or of any leaf, for auditors.
struct Prove {
  ExchangeId exchange{};  ///< zeros when `leaf` is given
  std::optional<LeafIndex> leaf{};
  std::string shard{};     ///< with `leaf`: the origin it stands in; empty = the current one
  bool published = false;  ///< against the newest published checkpoint, cosignatures included
  bool erasure = false;    ///< of `exchange`: not its acceptance but its erasure, a certificate
  bool operator==(const Prove&) const = default;
};
/// The journal, for auditors: records [from, from + items_max).
struct GetRecords {
  LeafIndex from{};
  std::uint32_t items_max = 64;
  std::string shard{};  ///< origin; empty = the current one
  bool operator==(const GetRecords&) const = default;
};
struct GetHealth {
  bool operator==(const GetHealth&) const = default;
};
/// How the shard `origin` was closed, and which one follows.
struct GetShard {
  std::string origin;
  TreeSize known_size{};  ///< of the client's last verified checkpoint in it
  bool operator==(const GetShard&) const = default;
};

using RequestBody = std::variant<Hello, PutChunk, Submit, List, ListCases, Open, GetChunk, Acknowledge, Follow,
                                 GetDirectory, PublishDirectory, GetCheckpoint, Prove, GetRecords, GetHealth, GetShard>;
struct Request {
  std::uint64_t id = 0;  ///< chosen by the client; the reply carries it
  RequestBody body;
  bool operator==(const Request&) const = default;
};

// ---- replies ---------------------------------------------------------------------------------------------------

/// Where a leaf stands, with what the caller may see of its record. Becomes a receipt file.
struct LeafProof {
  std::string leaf;  ///< encoded leaf
  Bytes disclosure;  ///< encoded disclosure
  LeafIndex index{};
  std::vector<Digest> proof;
  std::string checkpoint;  ///< signed note
  bool operator==(const LeafProof&) const = default;
};
struct HelloReply {
  std::uint32_t version = protocol_version;
  std::string member;  ///< who the transport key says the caller is
  UnixMillis time{};
  DirectoryNumber directory{};
  Digest directory_digest{};
  std::string checkpoint;
  std::vector<Digest> consistency;  ///< from known_size to the checkpoint
  std::uint32_t release_epoch = 0;
  crypto::BoxPublic release_key;
  std::uint64_t exchange_bytes_max = 0;
  bool operator==(const HelloReply&) const = default;
};
struct ChunkStored {
  std::uint64_t received_bytes = 0;
  std::uint32_t credit = 0;
  bool complete = false;
  bool operator==(const ChunkStored&) const = default;
};
struct Accepted {
  ExchangeId exchange{};
  LeafProof proof;
  bool duplicate = false;  ///< already stood there; the same leaf
  bool operator==(const Accepted&) const = default;
};
/// One header, as a queue's member is shown it.
struct QueueItem {
  std::string queue;
  audit::QueueHead head;  ///< number and chain value after this exchange
  ExchangeId exchange{};
  Bytes address;
  Bytes seal;
  crypto::Signature signature{};
  UnixMillis accepted_at{};
  LeafIndex leaf{};
  bool visible = true;  ///< false: only number, head and exchange id are shown (not on its roster), so the chain holds
  bool operator==(const QueueItem&) const = default;
};
struct Items {
  std::vector<QueueItem> items;
  bool more = false;
  QueueNumber acknowledged{};  ///< the caller's cursor in the queue asked for
  audit::QueueHead head;       ///< the queue's newest
  bool operator==(const Items&) const = default;
};
/// Where a case was passed on to: the queue, the linked case that stands there, since when.
struct Transmitted {
  std::string queue;
  Digest case_id{};
  UnixMillis at{};
  bool operator==(const Transmitted&) const = default;
};
struct CaseItem {
  Digest case_id{};
  std::uint16_t kind = 0;  ///< of the first exchange
  std::string queue;       ///< the instance
  std::string state;       ///< commune_view for a collectivité, the state for the instance
  UnixMillis opened_at{};
  UnixMillis updated_at{};
  std::uint32_t exchanges = 0;
  bool commune = false;      ///< whether `state` is a commune_view
  UnixMillis term{};         ///< when what the caller is shown of it is erased, as things stand; 0 = not counted yet
  bool noticed = false;      ///< its erasure is announced
  bool held = false;         ///< two persons hold it; never said to a collectivité
  bool read = false;         ///< somebody of the instance has opened what was reported; likewise
  std::uint8_t urgency = 0;  ///< of the first exchange; 0 once that is erased
  UnixMillis answered_at{};  ///< from when on its retour is shown, 0 = none yet; to the instance alone
  Digest origin{};           ///< the case it is linked to, which was passed on to this queue; zeros = none; likewise
  std::vector<Transmitted> transmitted{};  ///< what it was passed on as; likewise
  std::string origin_queue{};              ///< the instance that case is of: where this one is answered
  bool operator==(const CaseItem&) const = default;
};
/// A page may hold fewer items than were asked for, even none, while there are more.
struct Cases {
  std::vector<CaseItem> items;
  bool more = false;
  Digest next{};  ///< with `more`: the case id to ask after; else zeros
  bool operator==(const Cases&) const = default;
};
struct AccessPart {
  ExchangeId exchange{};  ///< the exchange itself, or the `acces` exchange that made this part
  Bytes address;          ///< of that exchange
  Bytes seal;
  crypto::Signature signature{};
  Bytes locked;  ///< empty = fetch with get_chunk
  std::uint32_t release_epoch = 0;
  crypto::BoxPublic release_key;  ///< the broker's key the grant was boxed with
  crypto::BoxedRelease grant{};
  bool operator==(const AccessPart&) const = default;
};
/// The header of an exchange that its reader's queues do not hold: signed by its author like any other.
struct OriginalHeader {
  Bytes address;
  Bytes seal;
  crypto::Signature signature{};
  UnixMillis accepted_at{};
  bool operator==(const OriginalHeader&) const = default;
};
struct Opened {
  ExchangeId exchange{};
  std::vector<AccessPart> access;
  Bytes payload;                           ///< empty = fetch with get_chunk
  LeafProof proof;                         ///< of this very opening
  std::optional<OriginalHeader> header{};  ///< where the exchange's own part is not among `access`
  bool operator==(const Opened&) const = default;
};
struct Chunk {
  std::uint32_t index = 0;
  std::uint64_t part_size = 0;
  Bytes bytes;
  bool operator==(const Chunk&) const = default;
};
struct Acknowledged {
  QueueNumber number{};
  bool operator==(const Acknowledged&) const = default;
};
/// Answers `follow`, then pushed without a request (request id = the follow's) as headers arrive.
struct Pushed {
  std::vector<QueueItem> items;
  bool operator==(const Pushed&) const = default;
};
struct DirectoryItem {
  std::uint64_t position = 0;
  Bytes entry;  ///< empty = unchanged since `known`
  std::vector<Digest> proof;
  bool operator==(const DirectoryItem&) const = default;
};
/// A page may hold no item while there are more.
struct DirectoryPage {
  std::string note;
  std::vector<DirectoryItem> items;
  bool more = false;
  LeafProof leaf;          ///< the version's own leaf in the log
  std::uint64_t next = 0;  ///< with `more`: the `after_position` to go on from; else 0
  bool operator==(const DirectoryPage&) const = default;
};
struct Published {
  DirectoryNumber number{};
  LeafProof proof;
  bool operator==(const Published&) const = default;
};
struct CheckpointReply {
  std::string checkpoint;
  std::vector<Digest> consistency;
  bool operator==(const CheckpointReply&) const = default;
};
struct Proven {
  LeafProof proof;
  std::vector<crypto::AgePublic> roster{};  ///< of a place hidden from a seated caller: whom it was sealed to, sorted
  bool operator==(const Proven&) const = default;
};
struct RecordItem {
  LeafIndex index{};
  std::string leaf;
  Bytes disclosure;
  bool operator==(const RecordItem&) const = default;
};
struct Records {
  std::vector<RecordItem> items;
  TreeSize size{};  ///< of the newest committed tree
  bool operator==(const Records&) const = default;
};
struct Health {
  std::string state;  ///< "ok", "LOG_UNAVAILABLE"…
  std::uint64_t tree_size = 0;
  std::uint64_t exchanges = 0;
  DirectoryNumber directory{};
  UnixMillis directory_not_after{};
  UnixMillis started_at{};
  std::uint64_t free_disk_bytes = 0;
  UnixMillis published_at{};        ///< newest publication (all its witnesses had signed); 0 = none since the start
  UnixMillis swept_at{};            ///< end of the last complete self-audit; 0 = none since the start
  std::string damage;               ///< what the self-audit found, by its invariant; empty = nothing
  std::uint64_t terms_noticed = 0;  ///< cases whose erasure is announced
  bool operator==(const Health&) const = default;
};
/// The end of one shard and the beginning of the next (docs/protocol.md, "Shards").
struct ShardReply {
  std::string closed;      ///< the shard's last checkpoint that stands: complete, or the one restored
  std::string last_known;  ///< of a shard rolled back: the checkpoint beyond `closed` that was lost; else empty
  std::vector<Digest> consistency;  ///< from known_size to `closed`; empty when known_size is beyond it
  LeafProof first;                  ///< leaf 0 of the next shard, under that shard's newest published checkpoint
  std::string order;                ///< of a shard rolled back: the authority's signed order; else empty
  bool operator==(const ShardReply&) const = default;
};

using ReplyBody = std::variant<Refusal, HelloReply, ChunkStored, Accepted, Items, Cases, Opened, Chunk, Acknowledged,
                               Pushed, DirectoryPage, Published, CheckpointReply, Proven, Records, Health, ShardReply>;
struct Reply {
  std::uint64_t id = 0;
  ReplyBody body;
  bool operator==(const Reply&) const = default;
};

/// Protobuf bytes of one message (protocol/wire.proto). Thread-safe. Checks nothing: what is outside the limits is
/// written all the same, and refused by whoever decodes it.
[[nodiscard]] Bytes encode(const Request& request);
[[nodiscard]] Bytes encode(const Reply& reply);
/// Checks sizes and closed lists, so that what decodes is within protocol/limits.hpp. Exactly one verb; a field that
/// wire.proto does not list is refused. Safe on hostile input. Errors: invalid_input, over_limit (also a message over
/// message_bytes_max); `detail` names the field at fault, in our own words.
[[nodiscard]] Result<Request> decode_request(ByteView bytes);
[[nodiscard]] Result<Reply> decode_reply(ByteView bytes);
/// The id of a message that does not decode or is too large, so that the refusal finds its asker; 0 when it cannot be
/// told. Reads the first bytes only. Safe on hostile input.
[[nodiscard]] std::uint64_t request_id_of(ByteView bytes);

}  // namespace pli::protocol
