#include <google/protobuf/arena.h>
#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "audit/leaf.hpp"
#include "audit/note.hpp"
#include "protocol/case_life.hpp"
#include "protocol/limits.hpp"
#include "protocol/wire.hpp"
#include "wire.pb.h"

namespace pli::protocol {
namespace {

constexpr std::size_t address_field_max = address_bytes_max;
constexpr std::size_t queue_id_bytes_max = 6 + 1 + 64;  // "person" "/" subject
constexpr std::size_t state_bytes_max = 64;
constexpr std::uint64_t number_max = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
constexpr std::size_t release_bytes_max = 2 + release_shares_max * (1 + 255 + 4 + 32 + 73);

// ---- out ---------------------------------------------------------------------------------------------------------

const char* chars(const std::uint8_t* bytes) { return reinterpret_cast<const char*>(bytes); }

std::string to_string(ByteView bytes) { return std::string(as_text(bytes)); }

std::uint64_t time_out(UnixMillis time) { return static_cast<std::uint64_t>(time.value); }

void write(const Hello& in, wire::Hello& out) {
  out.set_version_min(in.version_min);
  out.set_version_max(in.version_max);
  out.set_known_size(in.known_size.value);
  if (!in.known_origin.empty()) out.set_known_origin(in.known_origin);
}

void write(const PutChunk& in, wire::PutChunk& out) {
  out.set_part(to_string(in.part));
  out.set_part_size(in.part_size);
  out.set_index(in.index);
  out.set_bytes(chars(in.bytes.data()), in.bytes.size());
}

void write(const Submit& in, wire::Submit& out) {
  const Envelope& envelope = in.envelope;
  out.set_address(chars(envelope.address.data()), envelope.address.size());
  out.set_seal(chars(envelope.seal.data()), envelope.seal.size());
  out.set_signature(chars(envelope.signature.data()), envelope.signature.size());
  out.set_locked(chars(envelope.locked.data()), envelope.locked.size());
  out.set_payload(chars(envelope.payload.data()), envelope.payload.size());
  out.set_release(chars(envelope.release.data()), envelope.release.size());
}

void write(const List& in, wire::List& out) {
  out.set_queue(in.queue);
  out.set_after(in.after.value);
  out.set_items_max(in.items_max);
}

void write(const ListCases& in, wire::ListCases& out) {
  out.set_after(to_string(in.after));
  out.set_items_max(in.items_max);
}

void write(const Open& in, wire::Open& out) {
  out.set_request(chars(in.request.data()), in.request.size());
  out.set_signature(chars(in.signature.data()), in.signature.size());
  out.set_note(chars(in.note.data()), in.note.size());
}

void write(const GetChunk& in, wire::GetChunk& out) {
  out.set_opening(to_string(in.opening));
  out.set_part(static_cast<std::uint32_t>(in.part));
  out.set_access(in.access);
  out.set_index(in.index);
}

void write(const Acknowledge& in, wire::Acknowledge& out) {
  out.set_queue(in.queue);
  out.set_number(in.number.value);
}

void write(const Follow& in, wire::Follow& out) {
  for (const FollowFrom& from : in.queues) {
    wire::FollowFrom* item = out.add_queues();
    item->set_queue(from.queue);
    item->set_after(from.after.value);
  }
  out.set_credit(in.credit);
}

void write(const GetDirectory& in, wire::GetDirectory& out) {
  out.set_known(in.known.value);
  out.set_after_position(in.after_position);
}

void write(const PublishDirectory& in, wire::PublishDirectory& out) {
  out.set_note(in.note);
  out.set_bundle(chars(in.bundle.data()), in.bundle.size());
  out.set_bundle_digest(to_string(in.bundle_digest));
  out.set_bundle_size(in.bundle_size);
}

void write(const GetCheckpoint& in, wire::GetCheckpoint& out) { out.set_known_size(in.known_size.value); }

void write(const Prove& in, wire::Prove& out) {
  if (in.leaf)
    out.set_leaf(in.leaf->value);
  else
    out.set_exchange(to_string(in.exchange));
  if (!in.shard.empty()) out.set_shard(in.shard);
  if (in.published) out.set_published(true);
  if (in.erasure) out.set_erasure(true);
}

void write(const GetShard& in, wire::GetShard& out) {
  out.set_origin(in.origin);
  out.set_known_size(in.known_size.value);
}

void write(const GetRecords& in, wire::GetRecords& out) {
  out.set_from(in.from.value);
  out.set_items_max(in.items_max);
  if (!in.shard.empty()) out.set_shard(in.shard);
}

void write(const Refusal& in, wire::Refusal& out) {
  out.set_code(static_cast<std::uint32_t>(in.code));
  out.set_subject(in.subject);
  out.set_retry_after_ms(in.retry_after_ms);
}

template <class Repeated>
void write_digests(const std::vector<Digest>& in, Repeated* out) {
  out->Reserve(static_cast<int>(in.size()));
  for (const Digest& digest : in) out->Add(to_string(digest));
}

void write(const LeafProof& in, wire::LeafProof& out) {
  out.set_leaf(in.leaf);
  out.set_disclosure(chars(in.disclosure.data()), in.disclosure.size());
  out.set_index(in.index.value);
  write_digests(in.proof, out.mutable_proof());
  out.set_checkpoint(in.checkpoint);
}

void write(const HelloReply& in, wire::HelloReply& out) {
  out.set_version(in.version);
  out.set_member(in.member);
  out.set_time(time_out(in.time));
  out.set_directory(in.directory.value);
  out.set_directory_digest(to_string(in.directory_digest));
  out.set_checkpoint(in.checkpoint);
  write_digests(in.consistency, out.mutable_consistency());
  out.set_release_epoch(in.release_epoch);
  out.set_release_key(to_string(in.release_key.bytes));
  out.set_exchange_bytes_max(in.exchange_bytes_max);
}

void write(const ChunkStored& in, wire::ChunkStored& out) {
  out.set_received_bytes(in.received_bytes);
  out.set_credit(in.credit);
  out.set_complete(in.complete);
}

void write(const Accepted& in, wire::Accepted& out) {
  out.set_exchange(to_string(in.exchange));
  write(in.proof, *out.mutable_proof());
  out.set_duplicate(in.duplicate);
}

void write(const audit::QueueHead& in, wire::QueueHead& out) {
  out.set_number(in.number.value);
  out.set_head(to_string(in.head));
}

void write(const QueueItem& in, wire::QueueItem& out) {
  out.set_queue(in.queue);
  write(in.head, *out.mutable_head());
  out.set_exchange(to_string(in.exchange));
  if (in.visible) {
    out.set_address(chars(in.address.data()), in.address.size());
    out.set_seal(chars(in.seal.data()), in.seal.size());
    out.set_signature(chars(in.signature.data()), in.signature.size());
  }
  out.set_accepted_at(time_out(in.accepted_at));
  out.set_leaf(in.leaf.value);
  out.set_visible(in.visible);
}

void write(const Items& in, wire::Items& out) {
  for (const QueueItem& item : in.items) write(item, *out.add_items());
  out.set_more(in.more);
  out.set_acknowledged(in.acknowledged.value);
  write(in.head, *out.mutable_head());
}

void write(const CaseItem& in, wire::CaseItem& out) {
  out.set_case_id(to_string(in.case_id));
  out.set_kind(in.kind);
  out.set_queue(in.queue);
  out.set_state(in.state);
  out.set_opened_at(time_out(in.opened_at));
  out.set_updated_at(time_out(in.updated_at));
  out.set_exchanges(in.exchanges);
  out.set_commune(in.commune);
  if (in.term.value != 0) out.set_term(time_out(in.term));
  if (in.noticed) out.set_noticed(true);
  if (in.held) out.set_held(true);
  if (in.read) out.set_read(true);
  if (in.urgency != 0) out.set_urgency(in.urgency);
  if (in.answered_at.value != 0) out.set_answered_at(time_out(in.answered_at));
  if (in.origin != Digest{}) out.set_origin(to_string(in.origin));
  if (!in.origin_queue.empty()) out.set_origin_queue(in.origin_queue);
  for (const Transmitted& passed : in.transmitted) {
    wire::Transmitted* one = out.add_transmitted();
    one->set_queue(passed.queue);
    one->set_case_id(to_string(passed.case_id));
    one->set_at(time_out(passed.at));
  }
}

void write(const Cases& in, wire::Cases& out) {
  for (const CaseItem& item : in.items) write(item, *out.add_items());
  out.set_more(in.more);
  if (in.more) out.set_next(to_string(in.next));
}

void write(const AccessPart& in, wire::AccessPart& out) {
  out.set_exchange(to_string(in.exchange));
  out.set_address(chars(in.address.data()), in.address.size());
  out.set_seal(chars(in.seal.data()), in.seal.size());
  out.set_signature(chars(in.signature.data()), in.signature.size());
  out.set_locked(chars(in.locked.data()), in.locked.size());
  out.set_release_epoch(in.release_epoch);
  out.set_release_key(to_string(in.release_key.bytes));
  out.set_grant(to_string(in.grant));
}

void write(const Opened& in, wire::Opened& out) {
  out.set_exchange(to_string(in.exchange));
  for (const AccessPart& part : in.access) write(part, *out.add_access());
  out.set_payload(chars(in.payload.data()), in.payload.size());
  write(in.proof, *out.mutable_proof());
  if (in.header) {
    wire::OriginalHeader& header = *out.mutable_header();
    header.set_address(chars(in.header->address.data()), in.header->address.size());
    header.set_seal(chars(in.header->seal.data()), in.header->seal.size());
    header.set_signature(chars(in.header->signature.data()), in.header->signature.size());
    header.set_accepted_at(time_out(in.header->accepted_at));
  }
}

void write(const Chunk& in, wire::Chunk& out) {
  out.set_index(in.index);
  out.set_part_size(in.part_size);
  out.set_bytes(chars(in.bytes.data()), in.bytes.size());
}

void write(const Pushed& in, wire::Pushed& out) {
  for (const QueueItem& item : in.items) write(item, *out.add_items());
}

void write(const DirectoryPage& in, wire::DirectoryPage& out) {
  out.set_note(in.note);
  for (const DirectoryItem& item : in.items) {
    wire::DirectoryItem* one = out.add_items();
    one->set_position(item.position);
    one->set_entry(chars(item.entry.data()), item.entry.size());
    write_digests(item.proof, one->mutable_proof());
  }
  out.set_more(in.more);
  if (in.more) out.set_next(in.next);
  write(in.leaf, *out.mutable_leaf());
}

void write(const Published& in, wire::Published& out) {
  out.set_number(in.number.value);
  write(in.proof, *out.mutable_proof());
}

void write(const CheckpointReply& in, wire::CheckpointReply& out) {
  out.set_checkpoint(in.checkpoint);
  write_digests(in.consistency, out.mutable_consistency());
}

void write(const Records& in, wire::Records& out) {
  for (const RecordItem& item : in.items) {
    wire::RecordItem* one = out.add_items();
    one->set_index(item.index.value);
    one->set_leaf(item.leaf);
    one->set_disclosure(chars(item.disclosure.data()), item.disclosure.size());
  }
  out.set_size(in.size.value);
}

void write(const Health& in, wire::Health& out) {
  out.set_state(in.state);
  out.set_tree_size(in.tree_size);
  out.set_exchanges(in.exchanges);
  out.set_directory(in.directory.value);
  out.set_directory_not_after(time_out(in.directory_not_after));
  out.set_started_at(time_out(in.started_at));
  out.set_free_disk_bytes(in.free_disk_bytes);
  if (in.published_at.value != 0) out.set_published_at(time_out(in.published_at));
  if (in.swept_at.value != 0) out.set_swept_at(time_out(in.swept_at));
  if (!in.damage.empty()) out.set_damage(in.damage);
  if (in.terms_noticed != 0) out.set_terms_noticed(in.terms_noticed);
}

void write(const Proven& in, wire::Proven& out) {
  write(in.proof, *out.mutable_proof());
  for (const crypto::AgePublic& key : in.roster) out.add_roster(to_string(key.bytes));
}

void write(const ShardReply& in, wire::ShardReply& out) {
  out.set_closed(in.closed);
  out.set_last_known(in.last_known);
  write_digests(in.consistency, out.mutable_consistency());
  write(in.first, *out.mutable_first());
  out.set_order(in.order);
}

/// Which field of the oneof a body is written to.
struct RequestWriter {
  wire::Request& out;
  void operator()(const Hello& body) { write(body, *out.mutable_hello()); }
  void operator()(const PutChunk& body) { write(body, *out.mutable_put_chunk()); }
  void operator()(const Submit& body) { write(body, *out.mutable_submit()); }
  void operator()(const List& body) { write(body, *out.mutable_list()); }
  void operator()(const ListCases& body) { write(body, *out.mutable_list_cases()); }
  void operator()(const Open& body) { write(body, *out.mutable_open()); }
  void operator()(const GetChunk& body) { write(body, *out.mutable_get_chunk()); }
  void operator()(const Acknowledge& body) { write(body, *out.mutable_acknowledge()); }
  void operator()(const Follow& body) { write(body, *out.mutable_follow()); }
  void operator()(const GetDirectory& body) { write(body, *out.mutable_directory()); }
  void operator()(const PublishDirectory& body) { write(body, *out.mutable_publish_directory()); }
  void operator()(const GetCheckpoint& body) { write(body, *out.mutable_checkpoint()); }
  void operator()(const Prove& body) { write(body, *out.mutable_prove()); }
  void operator()(const GetRecords& body) { write(body, *out.mutable_records()); }
  void operator()(const GetHealth&) { out.mutable_health(); }
  void operator()(const GetShard& body) { write(body, *out.mutable_shard()); }
};

struct ReplyWriter {
  wire::Reply& out;
  void operator()(const Refusal& body) { write(body, *out.mutable_refusal()); }
  void operator()(const HelloReply& body) { write(body, *out.mutable_hello()); }
  void operator()(const ChunkStored& body) { write(body, *out.mutable_chunk_stored()); }
  void operator()(const Accepted& body) { write(body, *out.mutable_accepted()); }
  void operator()(const Items& body) { write(body, *out.mutable_items()); }
  void operator()(const Cases& body) { write(body, *out.mutable_cases()); }
  void operator()(const Opened& body) { write(body, *out.mutable_opened()); }
  void operator()(const Chunk& body) { write(body, *out.mutable_chunk()); }
  void operator()(const Acknowledged& body) { out.mutable_acknowledged()->set_number(body.number.value); }
  void operator()(const Pushed& body) { write(body, *out.mutable_pushed()); }
  void operator()(const DirectoryPage& body) { write(body, *out.mutable_directory()); }
  void operator()(const Published& body) { write(body, *out.mutable_published()); }
  void operator()(const CheckpointReply& body) { write(body, *out.mutable_checkpoint()); }
  void operator()(const Proven& body) { write(body, *out.mutable_proven()); }
  void operator()(const Records& body) { write(body, *out.mutable_records()); }
  void operator()(const Health& body) { write(body, *out.mutable_health()); }
  void operator()(const ShardReply& body) { write(body, *out.mutable_shard()); }
};

template <class Wire>
Bytes serialise(const Wire& message) {
  Bytes out(message.ByteSizeLong());
  message.SerializeWithCachedSizesToArray(out.data());
  return out;
}

// ---- in ----------------------------------------------------------------------------------------------------------

/// Reads fields with their checks. The first failure is kept and the rest is read to no effect, so that a reader says
/// everything it expects of a message in one piece.
class Checker {
 public:
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] Error error() const { return {code_, field_}; }

  void fail(Errc code, const char* field) {
    if (!ok_) return;
    ok_ = false;
    code_ = code;
    field_ = field;
  }
  void demand(bool condition, const char* field) {
    if (!condition) fail(Errc::invalid_input, field);
  }
  void at_most(std::uint64_t value, std::uint64_t limit, const char* field) {
    if (value > limit) fail(Errc::over_limit, field);
  }
  template <class Wire>
  void known_fields(const Wire& in) {
    demand(in.unknown_fields().empty(), "unknown field");
  }

  template <std::size_t N>
  void fixed(const std::string& in, ByteArray<N>& out, const char* field) {
    if (in.size() != N) return fail(Errc::invalid_input, field);
    std::copy(in.begin(), in.end(), out.begin());
  }
  void bytes(const std::string& in, std::size_t limit, Bytes& out, const char* field) {
    if (in.size() > limit) return fail(Errc::over_limit, field);
    out.assign(in.begin(), in.end());
  }
  void text(const std::string& in, std::size_t limit, std::string& out, const char* field) {
    if (in.size() > limit) return fail(Errc::over_limit, field);
    out = in;
  }
  /// Visible ASCII: shown on terminals and written to logs as it is.
  void visible(const std::string& in, std::size_t limit, std::string& out, const char* field) {
    demand(std::all_of(in.begin(), in.end(), [](char c) { return c > ' ' && c < 0x7f; }), field);
    text(in, limit, out, field);
  }
  /// A log's name with its shard, as checkpoints carry it.
  void origin(const std::string& in, std::string& out, const char* field) {
    if (in.size() > audit::key_name_bytes_max) return fail(Errc::over_limit, field);
    demand(audit::is_key_name(in), field);
    out = in;
  }
  void queue(const std::string& in, std::string& out) {
    if (in.size() > queue_id_bytes_max) return fail(Errc::over_limit, "queue");
    demand(queue_kind_of(in).has_value(), "queue");
    out = in;
  }
  /// Both ends keep numbers in SQLite, which knows no larger ones; nothing honest ever counts so far.
  std::uint64_t number(std::uint64_t in, const char* field) {
    demand(in <= number_max, field);
    return in <= number_max ? in : 0;
  }
  void time(std::uint64_t in, UnixMillis& out, const char* field) {
    out.value = static_cast<std::int64_t>(number(in, field));
  }
  template <class Repeated>
  void digests(const Repeated& in, std::vector<Digest>& out, const char* field) {
    at_most(static_cast<std::uint64_t>(in.size()), proof_digests_max, field);
    if (!ok_) return;
    out.resize(static_cast<std::size_t>(in.size()));
    for (int i = 0; i < in.size(); ++i) fixed(in.Get(i), out[static_cast<std::size_t>(i)], field);
  }

 private:
  bool ok_ = true;
  Errc code_ = Errc::invalid_input;
  const char* field_ = "";
};

/// Reads a list of messages after its count was checked, so that a count alone makes nobody allocate.
template <class Repeated, class Item>
void read_list(Checker& check, const Repeated& in, std::size_t limit, std::vector<Item>& out, const char* field) {
  check.at_most(static_cast<std::uint64_t>(in.size()), limit, field);
  if (!check.ok()) return;
  out.resize(static_cast<std::size_t>(in.size()));
  for (int i = 0; i < in.size(); ++i) read(check, in.Get(i), out[static_cast<std::size_t>(i)]);
}

void read(Checker& check, const wire::Hello& in, Hello& out) {
  check.known_fields(in);
  out.version_min = in.version_min();
  out.version_max = in.version_max();
  out.known_size = {check.number(in.known_size(), "known_size")};
  if (in.has_known_origin()) check.origin(in.known_origin(), out.known_origin, "known_origin");
}

void read(Checker& check, const wire::PutChunk& in, PutChunk& out) {
  check.known_fields(in);
  check.fixed(in.part(), out.part, "part");
  out.part_size = check.number(in.part_size(), "part_size");
  out.index = in.index();
  check.bytes(in.bytes(), chunk_bytes_max, out.bytes, "bytes");
}

void read(Checker& check, const wire::Submit& in, Submit& out) {
  check.known_fields(in);
  check.bytes(in.address(), address_field_max, out.envelope.address, "address");
  check.demand(in.seal().size() == seal_bytes, "seal");
  check.bytes(in.seal(), seal_bytes, out.envelope.seal, "seal");
  check.fixed(in.signature(), out.envelope.signature, "signature");
  check.at_most(in.locked().size() + in.payload().size(), inline_bytes_max, "payload");
  check.bytes(in.locked(), inline_bytes_max, out.envelope.locked, "locked");
  check.bytes(in.payload(), inline_bytes_max, out.envelope.payload, "payload");
  check.bytes(in.release(), release_bytes_max, out.envelope.release, "release");
}

void read(Checker& check, const wire::List& in, List& out) {
  check.known_fields(in);
  if (!in.queue().empty()) check.queue(in.queue(), out.queue);
  out.after = {check.number(in.after(), "after")};
  check.at_most(in.items_max(), list_items_max, "items_max");
  out.items_max = in.items_max();
}

void read(Checker& check, const wire::ListCases& in, ListCases& out) {
  check.known_fields(in);
  check.fixed(in.after(), out.after, "after");
  check.at_most(in.items_max(), list_items_max, "items_max");
  out.items_max = in.items_max();
}

void read(Checker& check, const wire::Open& in, Open& out) {
  check.known_fields(in);
  check.bytes(in.request(), opening_bytes_max, out.request, "request");
  check.fixed(in.signature(), out.signature, "signature");
  check.bytes(in.note(), sealed_note_bytes_max, out.note, "note");
}

void read(Checker& check, const wire::GetChunk& in, GetChunk& out) {
  check.known_fields(in);
  check.fixed(in.opening(), out.opening, "opening");
  switch (in.part()) {
    case static_cast<std::uint32_t>(PartKind::payload): out.part = PartKind::payload; break;
    case static_cast<std::uint32_t>(PartKind::locked): out.part = PartKind::locked; break;
    default: check.fail(Errc::invalid_input, "part");
  }
  out.access = in.access();
  out.index = in.index();
}

void read(Checker& check, const wire::Acknowledge& in, Acknowledge& out) {
  check.known_fields(in);
  check.queue(in.queue(), out.queue);
  out.number = {check.number(in.number(), "number")};
}

void read(Checker& check, const wire::FollowFrom& in, FollowFrom& out) {
  check.known_fields(in);
  check.queue(in.queue(), out.queue);
  out.after = {check.number(in.after(), "after")};
}

void read(Checker& check, const wire::Follow& in, Follow& out) {
  check.known_fields(in);
  read_list(check, in.queues(), follow_queues_max, out.queues, "queues");
  check.at_most(in.credit(), follow_credit_max, "credit");
  out.credit = in.credit();
}

void read(Checker& check, const wire::GetDirectory& in, GetDirectory& out) {
  check.known_fields(in);
  out.known = {check.number(in.known(), "known")};
  out.after_position = check.number(in.after_position(), "after_position");
}

void read(Checker& check, const wire::PublishDirectory& in, PublishDirectory& out) {
  check.known_fields(in);
  check.text(in.note(), audit::note_bytes_max, out.note, "note");
  check.bytes(in.bundle(), inline_bytes_max, out.bundle, "bundle");
  check.fixed(in.bundle_digest(), out.bundle_digest, "bundle_digest");
  check.at_most(in.bundle_size(), directory_bundle_bytes_max, "bundle_size");
  out.bundle_size = check.number(in.bundle_size(), "bundle_size");
}

void read(Checker& check, const wire::GetCheckpoint& in, GetCheckpoint& out) {
  check.known_fields(in);
  out.known_size = {check.number(in.known_size(), "known_size")};
}

void read(Checker& check, const wire::Prove& in, Prove& out) {
  check.known_fields(in);
  check.demand(in.has_exchange() != in.has_leaf(), "exchange");
  check.demand(in.has_leaf() || !in.has_shard(), "shard");
  if (in.has_leaf())
    out.leaf = LeafIndex{check.number(in.leaf(), "leaf")};
  else
    check.fixed(in.exchange(), out.exchange, "exchange");
  if (in.has_shard()) check.origin(in.shard(), out.shard, "shard");
  out.published = in.published();
  check.demand(in.has_exchange() || !in.has_erasure(), "erasure");
  out.erasure = in.erasure();
}

void read(Checker& check, const wire::GetRecords& in, GetRecords& out) {
  check.known_fields(in);
  out.from = {check.number(in.from(), "from")};
  check.at_most(in.items_max(), records_items_max, "items_max");
  out.items_max = in.items_max();
  if (in.has_shard()) check.origin(in.shard(), out.shard, "shard");
}

void read(Checker& check, const wire::GetHealth& in, GetHealth&) { check.known_fields(in); }

void read(Checker& check, const wire::GetShard& in, GetShard& out) {
  check.known_fields(in);
  check.origin(in.origin(), out.origin, "origin");
  out.known_size = {check.number(in.known_size(), "known_size")};
}

void read(Checker& check, const wire::Refusal& in, Refusal& out) {
  check.known_fields(in);
  auto code = in.code() <= 0xff ? code_of_number(static_cast<std::uint8_t>(in.code())) : std::nullopt;
  check.demand(code.has_value(), "code");
  if (code) out.code = *code;
  check.text(in.subject(), refusal_subject_bytes_max, out.subject, "subject");
  check.demand(in.subject().empty() || is_subject(in.subject()), "subject");
  out.retry_after_ms = in.retry_after_ms();
}

void read(Checker& check, const wire::LeafProof& in, LeafProof& out) {
  check.known_fields(in);
  check.text(in.leaf(), audit::leaf_bytes_max, out.leaf, "leaf");
  check.bytes(in.disclosure(), message_bytes_max, out.disclosure, "disclosure");
  out.index = {check.number(in.index(), "index")};
  check.digests(in.proof(), out.proof, "proof");
  check.text(in.checkpoint(), checkpoint_bytes_max, out.checkpoint, "checkpoint");
}

void read(Checker& check, const wire::HelloReply& in, HelloReply& out) {
  check.known_fields(in);
  out.version = in.version();
  check.demand(is_token(in.member()), "member");
  out.member = in.member();
  check.time(in.time(), out.time, "time");
  out.directory = {check.number(in.directory(), "directory")};
  check.fixed(in.directory_digest(), out.directory_digest, "directory_digest");
  check.text(in.checkpoint(), checkpoint_bytes_max, out.checkpoint, "checkpoint");
  check.digests(in.consistency(), out.consistency, "consistency");
  out.release_epoch = in.release_epoch();
  check.fixed(in.release_key(), out.release_key.bytes, "release_key");
  out.exchange_bytes_max = check.number(in.exchange_bytes_max(), "exchange_bytes_max");
}

void read(Checker& check, const wire::ChunkStored& in, ChunkStored& out) {
  check.known_fields(in);
  out.received_bytes = check.number(in.received_bytes(), "received_bytes");
  out.credit = in.credit();
  out.complete = in.complete();
}

void read(Checker& check, const wire::Accepted& in, Accepted& out) {
  check.known_fields(in);
  check.fixed(in.exchange(), out.exchange, "exchange");
  read(check, in.proof(), out.proof);
  out.duplicate = in.duplicate();
}

void read(Checker& check, const wire::QueueHead& in, audit::QueueHead& out) {
  check.known_fields(in);
  out.number = {check.number(in.number(), "number")};
  check.fixed(in.head(), out.head, "head");
}

void read(Checker& check, const wire::QueueItem& in, QueueItem& out) {
  check.known_fields(in);
  check.queue(in.queue(), out.queue);
  read(check, in.head(), out.head);
  check.fixed(in.exchange(), out.exchange, "exchange");
  out.visible = in.visible();
  if (in.visible()) {
    check.demand(!in.address().empty(), "address");
    check.bytes(in.address(), address_field_max, out.address, "address");
    check.demand(in.seal().size() == seal_bytes, "seal");
    check.bytes(in.seal(), seal_bytes, out.seal, "seal");
    check.fixed(in.signature(), out.signature, "signature");
  } else {
    check.demand(in.address().empty() && in.seal().empty() && in.signature().empty(), "visible");
  }
  check.time(in.accepted_at(), out.accepted_at, "accepted_at");
  out.leaf = {check.number(in.leaf(), "leaf")};
}

void read(Checker& check, const wire::Items& in, Items& out) {
  check.known_fields(in);
  read_list(check, in.items(), list_items_max, out.items, "items");
  out.more = in.more();
  out.acknowledged = {check.number(in.acknowledged(), "acknowledged")};
  read(check, in.head(), out.head);
}

/// A collectivité is told a commune_view, an instance the state: one list or the other, never a free word.
bool is_state(const std::string& text, bool commune) {
  if (commune) {
    for (CommuneView view : {CommuneView::recu, CommuneView::en_cours_d_examen, CommuneView::complement_demande,
                             CommuneView::examen_termine})
      if (text == text_of(view)) return true;
    return false;
  }
  for (std::uint8_t number = 0;; ++number) {
    auto state = case_state_of_number(number);
    if (!state) return false;
    if (text == text_of(*state)) return true;
  }
}

void read(Checker& check, const wire::Transmitted& in, Transmitted& out) {
  check.known_fields(in);
  check.queue(in.queue(), out.queue);
  check.fixed(in.case_id(), out.case_id, "case_id");
  check.time(in.at(), out.at, "at");
}

void read(Checker& check, const wire::CaseItem& in, CaseItem& out) {
  check.known_fields(in);
  check.fixed(in.case_id(), out.case_id, "case_id");
  bool known = in.kind() <= 0xffff && row_of_number(static_cast<std::uint16_t>(in.kind())) != nullptr;
  check.demand(known, "kind");
  out.kind = known ? static_cast<std::uint16_t>(in.kind()) : std::uint16_t{0};
  check.queue(in.queue(), out.queue);
  check.demand(is_state(in.state(), in.commune()), "state");
  check.text(in.state(), state_bytes_max, out.state, "state");
  check.time(in.opened_at(), out.opened_at, "opened_at");
  check.time(in.updated_at(), out.updated_at, "updated_at");
  out.exchanges = in.exchanges();
  out.commune = in.commune();
  check.time(in.term(), out.term, "term");
  out.noticed = in.noticed();
  out.held = in.held();
  check.demand(!in.commune() || !in.held(), "held");
  out.read = in.read();
  check.demand(!in.commune() || !in.read(), "read");
  const bool urgency = in.urgency() <= static_cast<std::uint32_t>(Urgency::urgente);
  check.demand(urgency, "urgency");
  out.urgency = urgency ? static_cast<std::uint8_t>(in.urgency()) : std::uint8_t{0};
  check.time(in.answered_at(), out.answered_at, "answered_at");
  check.demand(!in.commune() || in.answered_at() == 0, "answered_at");
  if (in.has_origin()) {
    check.fixed(in.origin(), out.origin, "origin");
    check.demand(!in.commune() && out.origin != Digest{}, "origin");
  }
  check.demand(in.has_origin() || !in.has_origin_queue(), "origin_queue");
  if (in.has_origin_queue()) check.queue(in.origin_queue(), out.origin_queue);
  check.demand(!in.commune() || in.transmitted().empty(), "transmitted");
  read_list(check, in.transmitted(), case_transmissions_max, out.transmitted, "transmitted");
}

void read(Checker& check, const wire::Cases& in, Cases& out) {
  check.known_fields(in);
  read_list(check, in.items(), list_items_max, out.items, "items");
  out.more = in.more();
  if (out.more)
    check.fixed(in.next(), out.next, "next");
  else
    check.demand(!in.has_next(), "next");
}

void read(Checker& check, const wire::AccessPart& in, AccessPart& out) {
  check.known_fields(in);
  check.fixed(in.exchange(), out.exchange, "exchange");
  check.bytes(in.address(), address_field_max, out.address, "address");
  check.demand(in.seal().size() == seal_bytes, "seal");
  check.bytes(in.seal(), seal_bytes, out.seal, "seal");
  check.fixed(in.signature(), out.signature, "signature");
  check.bytes(in.locked(), inline_bytes_max, out.locked, "locked");
  out.release_epoch = in.release_epoch();
  check.fixed(in.release_key(), out.release_key.bytes, "release_key");
  check.fixed(in.grant(), out.grant, "grant");
}

void read(Checker& check, const wire::OriginalHeader& in, OriginalHeader& out) {
  check.known_fields(in);
  check.bytes(in.address(), address_field_max, out.address, "address");
  check.demand(in.seal().size() == seal_bytes, "seal");
  check.bytes(in.seal(), seal_bytes, out.seal, "seal");
  check.fixed(in.signature(), out.signature, "signature");
  check.time(in.accepted_at(), out.accepted_at, "accepted_at");
}

void read(Checker& check, const wire::Opened& in, Opened& out) {
  check.known_fields(in);
  check.fixed(in.exchange(), out.exchange, "exchange");
  read_list(check, in.access(), access_parts_max, out.access, "access");
  check.bytes(in.payload(), inline_bytes_max, out.payload, "payload");
  read(check, in.proof(), out.proof);
  if (!in.has_header()) return;
  read(check, in.header(), out.header.emplace());
  for (const AccessPart& part : out.access) check.demand(part.exchange != out.exchange, "header");
}

void read(Checker& check, const wire::Chunk& in, Chunk& out) {
  check.known_fields(in);
  out.index = in.index();
  out.part_size = check.number(in.part_size(), "part_size");
  check.bytes(in.bytes(), chunk_bytes_max, out.bytes, "bytes");
}

void read(Checker& check, const wire::Acknowledged& in, Acknowledged& out) {
  check.known_fields(in);
  out.number = {check.number(in.number(), "number")};
}

void read(Checker& check, const wire::Pushed& in, Pushed& out) {
  check.known_fields(in);
  read_list(check, in.items(), list_items_max, out.items, "items");
}

void read(Checker& check, const wire::DirectoryItem& in, DirectoryItem& out) {
  check.known_fields(in);
  out.position = check.number(in.position(), "position");
  check.bytes(in.entry(), entry_bytes_max, out.entry, "entry");
  check.digests(in.proof(), out.proof, "proof");
}

void read(Checker& check, const wire::DirectoryPage& in, DirectoryPage& out) {
  check.known_fields(in);
  check.text(in.note(), audit::note_bytes_max, out.note, "note");
  // The message's own size is the limit here: entries differ in size a thousandfold.
  read_list(check, in.items(), message_bytes_max / 2, out.items, "items");
  out.more = in.more();
  read(check, in.leaf(), out.leaf);
  check.demand(out.more == in.has_next(), "next");
  out.next = check.number(in.next(), "next");
}

void read(Checker& check, const wire::Published& in, Published& out) {
  check.known_fields(in);
  out.number = {check.number(in.number(), "number")};
  read(check, in.proof(), out.proof);
}

void read(Checker& check, const wire::CheckpointReply& in, CheckpointReply& out) {
  check.known_fields(in);
  check.text(in.checkpoint(), checkpoint_bytes_max, out.checkpoint, "checkpoint");
  check.digests(in.consistency(), out.consistency, "consistency");
}

void read(Checker& check, const wire::Proven& in, Proven& out) {
  check.known_fields(in);
  read(check, in.proof(), out.proof);
  check.at_most(static_cast<std::uint64_t>(in.roster_size()), recipients_max, "roster");
  if (!check.ok()) return;
  out.roster.resize(static_cast<std::size_t>(in.roster_size()));
  for (int i = 0; i < in.roster_size(); ++i)
    check.fixed(in.roster(i), out.roster[static_cast<std::size_t>(i)].bytes, "roster");
}

void read(Checker& check, const wire::ShardReply& in, ShardReply& out) {
  check.known_fields(in);
  check.text(in.closed(), checkpoint_bytes_max, out.closed, "closed");
  check.text(in.last_known(), checkpoint_bytes_max, out.last_known, "last_known");
  check.digests(in.consistency(), out.consistency, "consistency");
  read(check, in.first(), out.first);
  check.text(in.order(), order_bytes_max, out.order, "order");
}

void read(Checker& check, const wire::RecordItem& in, RecordItem& out) {
  check.known_fields(in);
  out.index = {check.number(in.index(), "index")};
  check.text(in.leaf(), audit::leaf_bytes_max, out.leaf, "leaf");
  check.bytes(in.disclosure(), message_bytes_max, out.disclosure, "disclosure");
}

void read(Checker& check, const wire::Records& in, Records& out) {
  check.known_fields(in);
  read_list(check, in.items(), records_items_max, out.items, "items");
  out.size = {check.number(in.size(), "size")};
}

void read(Checker& check, const wire::Health& in, Health& out) {
  check.known_fields(in);
  check.visible(in.state(), state_bytes_max, out.state, "state");
  out.tree_size = check.number(in.tree_size(), "tree_size");
  out.exchanges = check.number(in.exchanges(), "exchanges");
  out.directory = {check.number(in.directory(), "directory")};
  check.time(in.directory_not_after(), out.directory_not_after, "directory_not_after");
  check.time(in.started_at(), out.started_at, "started_at");
  out.free_disk_bytes = check.number(in.free_disk_bytes(), "free_disk_bytes");
  check.time(in.published_at(), out.published_at, "published_at");
  check.time(in.swept_at(), out.swept_at, "swept_at");
  check.visible(in.damage(), refusal_subject_bytes_max, out.damage, "damage");
  out.terms_noticed = check.number(in.terms_noticed(), "terms_noticed");
}

template <class Body, class Wire, class Variant>
void read_body(Checker& check, const Wire& in, Variant& out) {
  Body body;
  read(check, in, body);
  out = std::move(body);
}

void read_request(Checker& check, const wire::Request& in, RequestBody& out) {
  check.known_fields(in);
  switch (in.body_case()) {
    case wire::Request::kHello: return read_body<Hello>(check, in.hello(), out);
    case wire::Request::kPutChunk: return read_body<PutChunk>(check, in.put_chunk(), out);
    case wire::Request::kSubmit: return read_body<Submit>(check, in.submit(), out);
    case wire::Request::kList: return read_body<List>(check, in.list(), out);
    case wire::Request::kListCases: return read_body<ListCases>(check, in.list_cases(), out);
    case wire::Request::kOpen: return read_body<Open>(check, in.open(), out);
    case wire::Request::kGetChunk: return read_body<GetChunk>(check, in.get_chunk(), out);
    case wire::Request::kAcknowledge: return read_body<Acknowledge>(check, in.acknowledge(), out);
    case wire::Request::kFollow: return read_body<Follow>(check, in.follow(), out);
    case wire::Request::kDirectory: return read_body<GetDirectory>(check, in.directory(), out);
    case wire::Request::kPublishDirectory: return read_body<PublishDirectory>(check, in.publish_directory(), out);
    case wire::Request::kCheckpoint: return read_body<GetCheckpoint>(check, in.checkpoint(), out);
    case wire::Request::kProve: return read_body<Prove>(check, in.prove(), out);
    case wire::Request::kRecords: return read_body<GetRecords>(check, in.records(), out);
    case wire::Request::kHealth: return read_body<GetHealth>(check, in.health(), out);
    case wire::Request::kShard: return read_body<GetShard>(check, in.shard(), out);
    case wire::Request::BODY_NOT_SET: break;
  }
  check.fail(Errc::invalid_input, "verb");
}

void read_reply(Checker& check, const wire::Reply& in, ReplyBody& out) {
  check.known_fields(in);
  switch (in.body_case()) {
    case wire::Reply::kRefusal: return read_body<Refusal>(check, in.refusal(), out);
    case wire::Reply::kHello: return read_body<HelloReply>(check, in.hello(), out);
    case wire::Reply::kChunkStored: return read_body<ChunkStored>(check, in.chunk_stored(), out);
    case wire::Reply::kAccepted: return read_body<Accepted>(check, in.accepted(), out);
    case wire::Reply::kItems: return read_body<Items>(check, in.items(), out);
    case wire::Reply::kCases: return read_body<Cases>(check, in.cases(), out);
    case wire::Reply::kOpened: return read_body<Opened>(check, in.opened(), out);
    case wire::Reply::kChunk: return read_body<Chunk>(check, in.chunk(), out);
    case wire::Reply::kAcknowledged: return read_body<Acknowledged>(check, in.acknowledged(), out);
    case wire::Reply::kPushed: return read_body<Pushed>(check, in.pushed(), out);
    case wire::Reply::kDirectory: return read_body<DirectoryPage>(check, in.directory(), out);
    case wire::Reply::kPublished: return read_body<Published>(check, in.published(), out);
    case wire::Reply::kCheckpoint: return read_body<CheckpointReply>(check, in.checkpoint(), out);
    case wire::Reply::kProven: return read_body<Proven>(check, in.proven(), out);
    case wire::Reply::kRecords: return read_body<Records>(check, in.records(), out);
    case wire::Reply::kHealth: return read_body<Health>(check, in.health(), out);
    case wire::Reply::kShard: return read_body<ShardReply>(check, in.shard(), out);
    case wire::Reply::BODY_NOT_SET: break;
  }
  check.fail(Errc::invalid_input, "verb");
}

/// Protobuf takes the last of several bodies and merges two of one sort, silently. Here a message has an id at most
/// once and a body exactly once, whichever it is.
bool has_one_body(ByteView bytes) {
  google::protobuf::io::CodedInputStream in(bytes.data(), static_cast<int>(bytes.size()));
  int ids = 0;
  int bodies = 0;
  while (!in.ExpectAtEnd() && in.CurrentPosition() < static_cast<int>(bytes.size())) {
    std::uint32_t tag = in.ReadTag();
    if (tag == (1U << 3)) {
      std::uint64_t id = 0;
      if (!in.ReadVarint64(&id)) return false;
      ++ids;
    } else if ((tag & 7U) == 2 && (tag >> 3) > 1) {
      std::uint32_t size = 0;
      if (!in.ReadVarint32(&size) || size > bytes.size() || !in.Skip(static_cast<int>(size))) return false;
      ++bodies;
    } else {
      return false;
    }
  }
  return ids <= 1 && bodies == 1;
}

template <class Wire>
Result<const Wire*> parse(ByteView bytes, google::protobuf::Arena& arena) {
  if (bytes.size() > message_bytes_max) return Error{Errc::over_limit, "message"};
  if (!has_one_body(bytes)) return Error{Errc::invalid_input, "message"};
  auto* message = google::protobuf::Arena::CreateMessage<Wire>(&arena);
  if (!message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return Error{Errc::invalid_input, "message"};
  return static_cast<const Wire*>(message);
}

}  // namespace

Bytes encode(const Request& request) {
  google::protobuf::Arena arena;
  auto* message = google::protobuf::Arena::CreateMessage<wire::Request>(&arena);
  message->set_id(request.id);
  std::visit(RequestWriter{*message}, request.body);
  return serialise(*message);
}

Bytes encode(const Reply& reply) {
  google::protobuf::Arena arena;
  auto* message = google::protobuf::Arena::CreateMessage<wire::Reply>(&arena);
  message->set_id(reply.id);
  std::visit(ReplyWriter{*message}, reply.body);
  return serialise(*message);
}

Result<Request> decode_request(ByteView bytes) {
  google::protobuf::Arena arena;
  auto message = parse<wire::Request>(bytes, arena);
  if (!message) return message.error();
  Checker check;
  Request out;
  out.id = (*message)->id();
  read_request(check, **message, out.body);
  if (!check.ok()) return check.error();
  return out;
}

Result<Reply> decode_reply(ByteView bytes) {
  google::protobuf::Arena arena;
  auto message = parse<wire::Reply>(bytes, arena);
  if (!message) return message.error();
  Checker check;
  Reply out;
  out.id = (*message)->id();
  read_reply(check, **message, out.body);
  if (!check.ok()) return check.error();
  return out;
}

std::uint64_t request_id_of(ByteView bytes) {
  ByteView head = bytes.first(std::min<std::size_t>(bytes.size(), 11));  // tag and the longest varint
  google::protobuf::io::CodedInputStream in(head.data(), static_cast<int>(head.size()));
  std::uint64_t id = 0;
  if (in.ReadTag() != (1U << 3) || !in.ReadVarint64(&id)) return 0;
  return id;
}

}  // namespace pli::protocol
