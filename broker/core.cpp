#include "broker/core.hpp"

#include <algorithm>
#include <type_traits>

#include "audit/note.hpp"
#include "broker/core_state.hpp"
#include "crypto/hash.hpp"
#include "crypto/secret_box.hpp"
#include "protocol/limits.hpp"
#include "protocol/suspension.hpp"

namespace pli::broker {
namespace {

using protocol::Code;

constexpr std::chrono::milliseconds minute = std::chrono::minutes(1);
constexpr std::chrono::milliseconds day = std::chrono::hours(24);
constexpr std::chrono::milliseconds strays_saved_every = std::chrono::seconds(1);
/// Ways in looked at by one tick: 2,000 a minute re-encrypt 20 million in a week.
constexpr std::size_t rotation_step = 2000;
/// What an `open` reply may hold of parts, so that the message stays under message_bytes_max. One part alone rides
/// along up to inline_bytes_max, as in `submit`: no decoder takes a longer one.
constexpr std::size_t opened_bytes_max = 56 * 1024;

std::string_view name_of(Unattributed::Reason reason) {
  return reason == Unattributed::Reason::undecodable ? "undecodable" : "unknown_key";
}

struct VerbName {
  std::string_view operator()(const protocol::Hello&) const { return "hello"; }
  std::string_view operator()(const VerifiedSubmit&) const { return "submit"; }
  std::string_view operator()(const protocol::List&) const { return "list"; }
  std::string_view operator()(const protocol::ListCases&) const { return "list_cases"; }
  std::string_view operator()(const VerifiedOpen&) const { return "open"; }
  std::string_view operator()(const protocol::GetChunk&) const { return "get_chunk"; }
  std::string_view operator()(const protocol::Acknowledge&) const { return "acknowledge"; }
  std::string_view operator()(const protocol::Follow&) const { return "follow"; }
  std::string_view operator()(const protocol::GetDirectory&) const { return "directory"; }
  std::string_view operator()(const VerifiedPublish&) const { return "publish_directory"; }
  std::string_view operator()(const VerifiedSuspension&) const { return "publish_directory"; }
  std::string_view operator()(const protocol::GetCheckpoint&) const { return "checkpoint"; }
  std::string_view operator()(const protocol::Prove&) const { return "prove"; }
  std::string_view operator()(const protocol::GetRecords&) const { return "records"; }
  std::string_view operator()(const protocol::GetHealth&) const { return "health"; }
  std::string_view operator()(const protocol::GetShard&) const { return "shard"; }
  std::string_view operator()(const GateRefusal& refusal) const { return refusal.act; }
  std::string_view operator()(const Unattributed&) const { return "input"; }
};

protocol::LeafProof* proof_in(protocol::ReplyBody& body) {
  if (auto* accepted = std::get_if<protocol::Accepted>(&body)) return &accepted->proof;
  if (auto* opened = std::get_if<protocol::Opened>(&body)) return &opened->proof;
  if (auto* page = std::get_if<protocol::DirectoryPage>(&body)) return &page->leaf;
  if (auto* published = std::get_if<protocol::Published>(&body)) return &published->proof;
  if (auto* proven = std::get_if<protocol::Proven>(&body)) return &proven->proof;
  if (auto* shard = std::get_if<protocol::ShardReply>(&body)) return &shard->first;
  return nullptr;
}

/// Of a connection's follows in one batch only the last stands; the others are answered without a header.
void drop_replaced_follows(std::vector<Pending>& batch) {
  std::set<Peer> standing;
  for (auto it = batch.rbegin(); it != batch.rend(); ++it)
    if (it->answer.follow && !standing.insert(it->peer).second) it->answer.follow.reset();
}

Result<audit::TreeHead> read_checkpoint(std::string_view note) {
  auto parsed = audit::parse_note(note);
  if (!parsed) return parsed.error();
  return audit::parse_tree_head(parsed->text);
}

}  // namespace

CoreState::CoreState(Store& store, KeyRing& keys, CoreSettings settings)
    : store_(store), keys_(keys), settings_(std::move(settings)) {}

Result<void> CoreState::load_shards() {
  if (store_.origin().empty()) return Error{Errc::not_found, "the store was never initialised"};
  origin_ = store_.origin();
  shard_ = store_.shard();
  std::vector<ShardRow> rows = store_.shards();
  if (rows.size() != shard_.value + 1) return Error{Errc::corruption, "the store's shards are not all there"};
  if (rows.front().origin != settings_.log + "/" + settings_.shard)
    return Error{Errc::corruption, "the store is of another log or begins with another shard"};
  rows.pop_back();
  for (ShardRow& row : rows) {
    auto head =
        audit::verify_checkpoint(row.end.closed, {row.origin, audit::KeyType::ed25519, keys_.log_key().public_key()});
    if (!head || row.number.value != closed_.size())
      return Error{Errc::corruption, "a closed shard's checkpoint is not of this log's key"};
    closed_.push_back({std::move(row), head->head()});
  }
  return {};
}

Result<void> CoreState::load() {
  if (auto shards = load_shards(); !shards) return shards;
  auto tree = CoreTree::load(store_);
  if (!tree) return tree.error();
  tree_ = *std::move(tree);
  checkpoint_ = store_.checkpoint();
  const auto head =
      audit::verify_checkpoint(checkpoint_, {origin_, audit::KeyType::ed25519, keys_.log_key().public_key()});
  if (!head) return Error{Errc::corruption, "the stored checkpoint is not of this log's key"};
  if (head->size() != tree_.size() || head->root() != tree_.root())
    return Error{Errc::corruption, "the stored tree is not the one the checkpoint signs"};
  if (const auto last = store_.leaf(here(tree_.size().value - 1))) last_leaf_time_ = last->leaf.time;

  for (Store::QueueRow& row : store_.queues()) {
    queue_names_.emplace(row.key, row.name);
    if (row.head.number.value == 0) row.head = audit::queue_start(settings_.log, row.name);
    queues_.emplace(std::move(row.name), QueueState{row.key, row.head});
  }
  load_withheld();
  for (const OpeningRow& opening : store_.openings()) {
    openings_.emplace(opening.id, opening.leaf);
    opening_times_.emplace_back(opening.at, opening.id);
  }
  strays_ = store_.stray_counts();

  const std::optional<DirectoryRow> version = store_.newest_directory();
  if (!version) return Error{Errc::corruption, "the store holds no directory"};
  const auto note = audit::parse_note(version->note);
  if (!note) return Error{Errc::corruption, "the stored directory's note is not one"};
  const auto text = protocol::parse_directory_head(note->text);
  if (!text) return Error{Errc::corruption, "the stored directory's note is not one"};
  // Who may sign it was checked when it was accepted; that it is whole and unaltered is checked here.
  auto verified = protocol::verify_directory_note(version->note, protocol::authorities_of(*text), nullptr);
  if (!verified) return Error{Errc::corruption, "the stored directory does not verify"};
  std::vector<protocol::Entry> entries;
  for (const EntryRow& row : store_.entries()) {
    auto entry = protocol::decode_entry(row.bytes);
    if (!entry) return Error{Errc::corruption, "a stored directory entry is not one"};
    entry_versions_[{static_cast<std::uint8_t>(entry->type), entry->id}] = row.changed;
    entries.push_back(*std::move(entry));
  }
  auto directory = protocol::Directory::build(std::move(entries), *std::move(verified));
  if (!directory) return Error{Errc::corruption, "the stored directory is not the one signed"};
  // A version accepted in an earlier shard is named again by the first leaf of this one.
  take_directory(*std::move(directory), version->leaf.shard == shard_ ? version->leaf : here(0), {});
  for (const SuspensionRow& row : store_.suspensions()) {
    const auto suspension_note = audit::parse_note(row.note);
    const auto suspension = suspension_note ? protocol::parse_suspension(suspension_note->text)
                                            : Result<protocol::Suspension>(suspension_note.error());
    if (!suspension) return Error{Errc::corruption, "a stored suspension is not one"};
    suspended_[row.member] = {row.directory, suspension->lapses_at()};
  }
  if (auto leases = demand_leases(); !leases) return leases;
  if (auto fault = store_.fault()) return *fault;
  return {};
}

Result<void> CoreState::demand_leases() const {
  constexpr std::uint64_t newest = 8;  // one damaged R says nothing of the file; several together do
  const std::uint64_t count = store_.exchange_count();
  std::size_t known = 0;
  std::size_t opened = 0;
  for (const AccessRow& row : store_.access_after({count > newest ? count - newest : 0}, newest)) {
    // Going on would make another key under a number that R stands under already.
    if (row.lease > keys_.newest_lease())
      return Error{Errc::corruption, "the lease file is older than the store: put its newest copy back"};
    if (!keys_.lease(row.lease)) continue;
    ++known;
    if (release_key_of(row)) ++opened;
  }
  if (known > 1 && opened == 0)
    return Error{Errc::corruption, "the lease file holds other keys than the store was written under"};
  return {};
}

Result<std::unique_ptr<Batch>> CoreState::begin(UnixMillis now) {
  auto tx = store_.begin();
  if (!tx) return tx.error();
  auto batch = std::make_unique<Batch>(*std::move(tx), now);
  // Nothing is written under a key that is not on both copies of the lease file.
  auto lease = keys_.current_lease(now);
  if (!lease) return lease.error();
  // By the log's time, so that months follow one another along it.
  auto record_key = keys_.current_record_key(std::max(now, last_leaf_time_));
  if (!record_key) return record_key.error();
  // Asked for again: making the one may have moved the other.
  lease = keys_.current_lease(now);
  if (!lease) return lease.error();
  batch->lease = *lease;
  batch->record_key = *record_key;
  batch->tree_before = tree_.size();
  batch->free_bytes = store_.free_bytes();
  tree_.begin_batch();
  return batch;
}

Result<BatchOutcome> CoreState::apply(std::vector<VerifiedRequest> requests, UnixMillis now) {
  if (dead_) return *dead_;
  auto outcome = apply_batch(requests, now);
  if (!outcome) dead_ = outcome.error();
  return outcome;
}

Result<BatchOutcome> CoreState::tick(UnixMillis now) {
  if (dead_) return *dead_;
  auto outcome = tick_batch(now);
  if (!outcome) dead_ = outcome.error();
  return outcome;
}

// Life of an exchange, from here to its receipt; docs/architecture.md tells the whole road.
Result<BatchOutcome> CoreState::apply_batch(std::vector<VerifiedRequest>& requests, UnixMillis now) {
  auto batch = begin(now);
  if (!batch) return batch.error();
  release_withheld(**batch);
  // Transport key → member; rules; idempotence; store; queue link; case step; record, leaf, tree nodes.
  for (VerifiedRequest& request : requests) decide_one(**batch, request);
  // Batch checkpoint; COMMIT; receipts; wake-ups.
  return commit(**batch);
}

void CoreState::decide_one(Batch& batch, VerifiedRequest& request) {
  if (const auto* stray = std::get_if<Unattributed>(&request.body)) return count_stray(batch, stray->reason);
  const auto answer = [&](protocol::Refusal refusal) {
    batch.pending.push_back({request.peer, request.request_id, Answer{std::move(refusal), {}, {}, {}, {}}});
  };
  // A version accepted by this very request must not pull the caller's entry from under it.
  const std::shared_ptr<const protocol::Directory> held = directory_;
  const protocol::Member* member = held->member_by_curve(request.peer.key);
  if (member == nullptr) {
    count_stray(batch, Unattributed::Reason::unknown_key);
    return answer({Code::unknown_key, {}, 0});
  }
  Conduct& conduct = conduct_[request.peer.key];
  if (batch.now - conduct.minute_start >= minute || batch.now < conduct.minute_start)
    conduct = {batch.now, 0, conduct.connection_recorded};
  if (conduct.refusals >= protocol::refusals_per_minute_max) {
    const auto wait = conduct.minute_start + minute - batch.now;
    return answer({Code::busy, {}, static_cast<std::uint32_t>(wait.count())});
  }

  const Caller caller{*member, request.peer, request.request_id};
  Asked asked;
  asked.act = std::visit(VerbName{}, request.body);
  const bool current = member->keys.curve == request.peer.key && member->valid_at(batch.now);
  const bool suspended = current && is_suspended(*member, batch.now);
  const TreeSize before = tree_.size();
  Outcome outcome = !current    ? Outcome(deny(Code::revoked))
                    : suspended ? Outcome(deny(Code::revoked, "suspension"))
                                : std::visit(
                                      [&](auto& body) -> Outcome {
                                        using Body = std::decay_t<decltype(body)>;
                                        if constexpr (std::is_same_v<Body, VerifiedSubmit>)
                                          return submit(batch, caller, body, asked);
                                        else if constexpr (std::is_same_v<Body, VerifiedOpen>)
                                          return open(batch, caller, body, asked);
                                        else if constexpr (std::is_same_v<Body, protocol::GetChunk>)
                                          return get_chunk(batch, caller, body, asked);
                                        else if constexpr (std::is_same_v<Body, protocol::List>)
                                          return list(batch, caller, body, asked);
                                        else if constexpr (std::is_same_v<Body, protocol::ListCases>)
                                          return list_cases(batch, caller, body, asked);
                                        else if constexpr (std::is_same_v<Body, protocol::Acknowledge>)
                                          return acknowledge(batch, caller, body, asked);
                                        else if constexpr (std::is_same_v<Body, protocol::Follow>)
                                          return follow(batch, caller, body, asked);
                                        else if constexpr (std::is_same_v<Body, protocol::Hello>)
                                          return hello(batch, caller, body, asked);
                                        else if constexpr (std::is_same_v<Body, protocol::GetDirectory>)
                                          return get_directory(batch, caller, body, asked);
                                        else if constexpr (std::is_same_v<Body, VerifiedPublish>)
                                          return publish(batch, caller, body, asked);
                                        else if constexpr (std::is_same_v<Body, VerifiedSuspension>)
                                          return suspend(batch, caller, body, asked);
                                        else if constexpr (std::is_same_v<Body, protocol::GetCheckpoint>)
                                          return get_checkpoint(batch, caller, body, asked);
                                        else if constexpr (std::is_same_v<Body, protocol::Prove>)
                                          return prove(batch, caller, body, asked);
                                        else if constexpr (std::is_same_v<Body, protocol::GetRecords>)
                                          return get_records(batch, caller, body, asked);
                                        else if constexpr (std::is_same_v<Body, protocol::GetHealth>)
                                          return get_health(batch, caller, asked);
                                        else if constexpr (std::is_same_v<Body, protocol::GetShard>)
                                          return get_shard(batch, caller, body, asked);
                                        else if constexpr (std::is_same_v<Body, GateRefusal>)
                                          return refused_by_gate(batch, caller, body, asked);
                                        else
                                          return deny(Code::invalid, "request");
                                      },
                                      request.body);
  // BUSY judges nobody: it is neither recorded nor counted.
  if (!outcome && outcome.error().refusal.code != Code::busy) refuse(batch, caller, asked, outcome.error());
  usage_of(batch, *member).acts += tree_.size().value - before.value;
  if (outcome) {
    batch.pending.push_back({request.peer, request.request_id, *std::move(outcome)});
    return;
  }
  answer(outcome.error().refusal);
}

CoreState::Usage& CoreState::usage_of(const Batch& batch, const protocol::Member& member) {
  Usage& usage = usage_[member.id];
  if (batch.now - usage.day_start >= day || batch.now < usage.day_start) usage = {batch.now, 0, 0};
  return usage;
}

std::optional<Denial> CoreState::refuse_for_quota(const Batch& batch, const protocol::Member& member,
                                                  std::uint64_t body_bytes) {
  const Usage& usage = usage_of(batch, member);
  if (usage.acts < settings_.acts_per_day_max && usage.bytes + body_bytes <= settings_.bytes_per_day_max)
    return std::nullopt;
  Denial denial = deny(Code::busy);
  denial.refusal.retry_after_ms = static_cast<std::uint32_t>((usage.day_start + day - batch.now).count());
  return denial;
}

std::optional<Denial> CoreState::refuse_for_room(Batch& batch, std::uint64_t body_bytes) {
  // Once in the WAL, once in the database.
  const std::uint64_t written = 2 * body_bytes;
  if (batch.free_bytes >= settings_.disk_reserve_bytes + written) return std::nullopt;
  return deny(Code::log_unavailable);
}

Outcome CoreState::refused_by_gate(Batch& /*batch*/, const Caller& caller, GateRefusal& request, Asked& asked) {
  asked.exchange = request.object;
  // What was accepted before its staged parts or its release epoch went is receipted again.
  const Code code = request.refusal.code;
  if (asked.act == "submit" && request.object && (code == Code::not_found || code == Code::stale_directory)) {
    if (const auto row = store_.find_exchange(*request.object); row) {
      const protocol::Member* sender = sender_of(*row);
      if (sender != nullptr && sender->id == caller.member.id) {
        auto proof = stored_proof(row->leaf, Shown::sender);
        if (!proof) return deny(Code::erased, "journal");
        return Answer{protocol::Accepted{row->id, *std::move(proof), true}, row->leaf, {}, {}, {}};
      }
    }
  }
  return Denial{request.refusal, {}};
}

void CoreState::refuse(Batch& batch, const Caller& caller, const Asked& asked, const Denial& denial) {
  ++conduct_[caller.peer.key].refusals;
  Decided decided;
  decided.outcome = protocol::text_of(denial.refusal.code);
  decided.rule = denial.rule.empty() ? std::string_view(denial.refusal.subject) : denial.rule;
  decided.directory = directory_->number();
  log(batch, audit::LeafType::refus, make_record(&caller.member, asked, decided));
}

void CoreState::count_stray(Batch& batch, Unattributed::Reason reason) {
  const bool undecodable = reason == Unattributed::Reason::undecodable;
  UnixMillis& began = stray_minute_[undecodable ? 0 : 1];
  std::uint64_t& count = undecodable ? strays_.undecodable : strays_.unknown_key;
  const bool running = began.value != 0 && batch.now >= began && batch.now - began < minute;
  if (running || count != 0) {
    ++count;
    return;
  }
  began = batch.now;
  log_strays(batch, reason, 1);
}

void CoreState::log_strays(Batch& batch, Unattributed::Reason reason, std::uint64_t count) {
  Asked asked;
  asked.act = "input";
  const bool undecodable = reason == Unattributed::Reason::undecodable;
  const Decided decided{
      protocol::text_of(undecodable ? Code::invalid : Code::unknown_key), name_of(reason), {}, {}, {}, count};
  log(batch, audit::LeafType::refus, make_record(nullptr, asked, decided));
}

Result<BatchOutcome> CoreState::commit(Batch& batch) {
  BatchOutcome outcome;
  if (tree_.size() != batch.tree_before) {
    checkpoint_ = audit::sign_checkpoint({origin_, tree_.size(), tree_.root()}, keys_.log_key());
    batch.tx.set_checkpoint(checkpoint_);
    outcome.checkpoint = checkpoint_;
    outcome.first_leaf = {batch.tree_before.value};
    outcome.leaves = std::move(batch.leaves);
  }
  for (const auto& [reader, number] : batch.cursors) batch.tx.set_cursor(reader.first, reader.second, number);
  if (strays_ != store_.stray_counts() &&
      (batch.tx.dirty() || !strays_saved_ || batch.now - *strays_saved_ >= strays_saved_every)) {
    strays_saved_ = batch.now;
    batch.tx.set_stray_counts(strays_);
  }
  if (auto committed = batch.tx.commit(); !committed) return committed.error();
  // Durable from here: a crash now is recovered by open(), and every sender may ask again.

  outcome.outgoing.reserve(batch.pending.size());
  drop_replaced_follows(batch.pending);
  std::size_t headers_left = protocol::follow_batch_headers_max;
  for (Pending& pending : batch.pending)
    if (auto failed = complete(batch, pending, headers_left, outcome.outgoing)) return *failed;
  push_arrived(batch, outcome.outgoing);
  if (auto failed = store_.fault()) return *failed;
  outcome.new_directory = std::move(batch.new_directory);
  return outcome;
}

std::optional<Error> CoreState::complete(Batch& batch, Pending& pending, std::size_t& headers_left,
                                         std::vector<Outgoing>& out) {
  Answer& answer = pending.answer;
  if (answer.follow) {
    start_following(pending, *answer.follow, batch.now, headers_left, out);
    return std::nullopt;
  }
  if (answer.proof_of) {
    protocol::LeafProof* proof = proof_in(answer.body);
    PLI_INVARIANT(proof != nullptr);
    if (auto finished = finish_proof(*answer.proof_of, answer.published, *proof); !finished) return finished.error();
  }
  if (answer.extends) {
    // What is published is what a witness may have seen; who knows more has it from a receipt.
    const bool newer = published_.empty() || *answer.extends > published_size_;
    auto proof = consistency(*answer.extends, newer ? tree_.size() : published_size_);
    if (!proof) return proof.error();
    const std::string& checkpoint = newer ? checkpoint_ : published_;
    if (auto* hello = std::get_if<protocol::HelloReply>(&answer.body)) {
      hello->checkpoint = checkpoint;
      hello->consistency = *std::move(proof);
    } else if (auto* reply = std::get_if<protocol::CheckpointReply>(&answer.body)) {
      reply->checkpoint = checkpoint;
      reply->consistency = *std::move(proof);
    }
  }
  if (answer.release) {
    if (auto failed = release(*answer.release, std::get<protocol::Opened>(answer.body))) return failed;
  }
  out.push_back({std::move(pending.peer), {pending.request_id, std::move(answer.body)}, true});
  return std::nullopt;
}

std::optional<Error> CoreState::release(const ReleaseOrder& order, protocol::Opened& opened) {
  // Nor is it handed out when the disk gives other bytes than were sealed: nothing of it can be believed then.
  const Error broken{Errc::corruption, "an exchange cannot be read back"};
  std::size_t bytes = 0;
  std::vector<protocol::Seal> seals;
  for (const AccessRow& row : order.parts) {
    const auto exchange = store_.exchange(row.number);
    const auto release_key = release_key_of(row);
    if (!exchange || exchange->erased || !release_key) return broken;
    const auto seal = protocol::decode_seal(exchange->seal);
    if (!seal || protocol::exchange_id(exchange->address, exchange->seal) != exchange->id) return broken;
    protocol::AccessPart part;
    part.exchange = exchange->id;
    part.address = exchange->address;
    part.seal = exchange->seal;
    part.signature = exchange->signature;
    part.release_epoch = order.epoch;
    part.release_key = order.release_key;
    part.grant = crypto::box_grant(*release_key, order.session);
    bytes += part.address.size() + part.seal.size() + 320;
    seals.push_back(*seal);
    opened.access.push_back(std::move(part));
  }
  if (opened.header) bytes += opened.header->address.size() + opened.header->seal.size() + 96;
  // What fits rides along; the rest is fetched with get_chunk.
  const auto rides = [&](std::uint64_t size) {
    return size <= protocol::inline_bytes_max && bytes + size <= opened_bytes_max;
  };
  for (std::size_t i = 0; i < opened.access.size(); ++i) {
    if (!rides(seals[i].locked_size)) continue;
    bytes += seals[i].locked_size;
    opened.access[i].locked = store_.body(order.parts[i].number, 0, seals[i].locked_size);
    if (crypto::sha256(opened.access[i].locked) != seals[i].locked) return broken;
  }
  const auto own = store_.exchange(order.exchange);
  const auto own_seal = own ? protocol::decode_seal(own->seal) : Result<protocol::Seal>(broken);
  if (!own_seal) return broken;
  if (rides(own_seal->payload_size)) {
    opened.payload = store_.body(order.exchange, own_seal->locked_size, own_seal->payload_size);
    if (crypto::sha256(opened.payload) != own_seal->payload) return broken;
  }
  return std::nullopt;
}

Result<BatchOutcome> CoreState::tick_batch(UnixMillis now) {
  if (auto kept = keep_directory_proof(now); !kept) return kept.error();
  // The month's release key is there before anybody says hello: whose session is older than the month opens all the
  // same. Where it cannot be written `hello` says so, and what needs no new key goes on.
  no_release_key_ = !keys_.current_release(now);
  auto begun = begin(now);
  if (!begun) return begun.error();
  Batch& batch = **begun;
  release_withheld(batch);
  for (const auto reason : {Unattributed::Reason::undecodable, Unattributed::Reason::unknown_key}) {
    const bool undecodable = reason == Unattributed::Reason::undecodable;
    std::uint64_t& count = undecodable ? strays_.undecodable : strays_.unknown_key;
    if (count != 0) log_strays(batch, reason, count);
    count = 0;
    stray_minute_[undecodable ? 0 : 1] = {};
  }

  state_closed(batch);
  state_month(batch);
  if (auto erased = erase_journal(batch); !erased) return erased.error();
  record_terms(batch);
  if (auto expired = expire(batch); !expired) return expired.error();

  const UnixMillis spent = std::max(now, last_leaf_time_) - protocol::opening_replay_window;
  bool dropped = false;
  while (!opening_times_.empty() && opening_times_.front().first < spent) {
    openings_.erase(opening_times_.front().second);
    opening_times_.pop_front();
    dropped = true;
  }
  if (dropped) batch.tx.drop_openings(spent);
  std::erase_if(conduct_, [&](const auto& entry) {
    const Conduct& conduct = entry.second;
    return now - conduct.minute_start >= minute &&
           (!conduct.connection_recorded || now - *conduct.connection_recorded >= std::chrono::hours(1));
  });

  std::erase_if(usage_, [&](const auto& entry) { return now - entry.second.day_start >= day; });

  // A new lease: every R under an older one is encrypted anew, some at each tick; then the old key may go.
  if (rotating_to_ != batch.lease.id) {
    rotating_to_ = batch.lease.id;
    rotated_through_ = {};
    all_rotated_ = false;
    damaged_.clear();
  }
  std::vector<ExchangeNumber> damaged;
  if (!all_rotated_) {
    const auto rows = store_.access_after(rotated_through_, rotation_step);
    for (const AccessRow& row : rows) {
      rotated_through_ = row.number;
      if (row.lease == batch.lease.id) continue;
      const auto release_key = release_key_of(row);
      const auto exchange = store_.exchange(row.number);
      if (!release_key || !exchange) {
        // One that cannot be read any more must not keep all others from being read: skipped, shown, not written over.
        damaged_.emplace(row.number, row.lease);
        damaged.push_back(row.number);
        continue;
      }
      batch.tx.release_under(row.number, batch.lease.id,
                             crypto::lease_release_key(*release_key, exchange->id, batch.lease.key));
    }
    all_rotated_ = rows.size() < rotation_step;
  }
  const std::uint32_t lease_still_used = all_rotated_ ? batch.lease.id : 0;
  // With its row mended from a backup, a damaged R needs the lease it was under, and that one alone.
  std::set<std::uint32_t> kept;
  for (const auto& [number, lease] : damaged_) kept.insert(lease);
  auto outcome = commit(batch);
  if (!outcome) return outcome;
  outcome->damaged = std::move(damaged);
  outcome->erased = erased_now_;
  outcome->terms_left = terms_through_.value != 0 || loose_left_;
  forget_erased();
  if (auto retired = keys_.retire(now, lease_still_used, kept); !retired) return retired.error();
  return outcome;
}

void CoreState::published(const std::string& checkpoint) {
  const auto head = read_checkpoint(checkpoint);
  if (!head || head->size > tree_.size()) return;
  published_ = checkpoint;
  published_size_ = head->size;
}

std::string CoreState::state_text() const {
  if (dead_ || store_.fault()) return std::string(protocol::text_of(Code::log_unavailable));
  if (store_.free_bytes() < settings_.disk_reserve_bytes) return "DISK_RESERVE";
  if (!damaged_.empty()) return "RELEASE_DAMAGED " + std::to_string(damaged_.size());
  if (no_release_key_) return "RELEASE_KEY_UNWRITTEN";
  return "ok";
}

protocol::Health CoreState::health(UnixMillis /*now*/) const {
  protocol::Health health;
  health.state = state_text();
  health.tree_size = tree_.size().value;
  health.exchanges = store_.exchange_count();
  health.directory = directory_->number();
  health.directory_not_after = directory_->verified()->head().not_after;
  health.free_disk_bytes = store_.free_bytes();
  health.terms_noticed = noticed_;
  return health;
}

Result<void> CoreState::initialise(const VerifiedPublish& directory, const protocol::AuthoritySet& trusted,
                                   UnixMillis now) {
  if (!store_.origin().empty()) return Error{Errc::conflict, "the store is initialised already"};
  origin_ = settings_.log + "/" + settings_.shard;
  if (!protocol::is_log_name(settings_.log) || !audit::is_key_name(origin_))
    return Error{Errc::invalid_input, "not a log's name"};
  if (directory.note.size() > protocol::directory_note_bytes_max) return Error{Errc::over_limit, "note"};
  auto verified = protocol::verify_directory_note(directory.note, trusted, nullptr);
  if (!verified) return verified.error();
  const protocol::DirectoryHead head = verified->head();
  const Digest digest = verified->digest();
  if (head.number.value != 1) return Error{Errc::invalid_input, "the first directory version is number 1"};
  auto entries = protocol::apply_bundle({}, directory.changed);
  if (!entries) return entries.error();
  auto built = protocol::Directory::build(*std::move(entries), *std::move(verified));
  if (!built) return built.error();

  auto begun = begin(now);
  if (!begun) return begun.error();
  Batch& batch = **begun;
  batch.tx.set_origin(origin_);
  Asked asked;
  asked.act = act_init;
  log(batch, audit::LeafType::registre, make_record(nullptr, asked, {}), std::nullopt, "first leaf of " + origin_);
  const Logged logged =
      log(batch, audit::LeafType::habilitation, make_record(nullptr, asked, {"ok", {}, head.number, {}, {}, {}}),
          audit::DirectoryReference{head.number, digest});
  std::vector<DirectoryEntryRow> changed;
  for (const Bytes& bytes : directory.changed) {
    const auto entry = protocol::decode_entry(bytes);
    PLI_INVARIANT(entry.has_value());
    changed.push_back({static_cast<std::uint8_t>(entry->type), entry->id, bytes});
  }
  batch.tx.add_directory({head.number, directory.note, logged.place}, changed);
  take_directory(*std::move(built), logged.place, changed);
  auto outcome = commit(batch);
  if (!outcome) return outcome.error();
  return {};
}

// ---- shards ------------------------------------------------------------------------------------------------------

Result<void> CoreState::open_next_shard(std::string_view opens, const std::string& closing,
                                        const std::optional<Lost>& lost, UnixMillis now) {
  auto begun = begin(now);
  if (!begun) return begun.error();
  Batch& batch = **begun;
  protocol::ShardOpening opening{origin_, {tree_.size(), tree_.root()}, {}};
  ShardEnd end{closing, {}, {}};
  if (lost) {
    opening.lost = lost->named;
    end.last_known = lost->rollback.last_known;
    end.order = lost->rollback.order;
  }
  batch.tx.open_shard(opens, end);
  closed_.push_back({{shard_, origin_, end}, {origin_, tree_.size(), tree_.root()}});
  origin_ = opens;
  shard_ = store_.shard();
  tree_ = CoreTree();
  tree_.begin_batch();
  batch.tree_before = tree_.size();

  Asked asked;
  asked.act = act_init;
  const protocol::VerifiedDirectory& directory = *directory_->verified();
  const DirectoryNumber number = directory.head().number;
  log(batch, audit::LeafType::registre, make_record(nullptr, asked, {"ok", {}, number, {}, {}, {}}),
      audit::DirectoryReference{number, directory.digest()}, protocol::to_text(opening));
  auto outcome = commit(batch);
  if (!outcome) return outcome.error();
  return {};
}

Result<void> CoreState::open_next_shard(const std::string& closing, UnixMillis now) {
  const auto head = audit::verify_checkpoint(closing, {origin_, audit::KeyType::ed25519, keys_.log_key().public_key()});
  if (!head || head->size() != tree_.size() || head->root() != tree_.root())
    return Error{Errc::conflict, "another checkpoint than the newest"};
  const auto name = protocol::shard_of(origin_, settings_.log);
  const auto next = name ? protocol::shard_after(*name, month_of(now) / 100) : std::nullopt;
  if (!next) return Error{Errc::over_limit, "no shard can follow this one"};
  return open_next_shard(settings_.log + "/" + protocol::to_text(*next), closing, std::nullopt, now);
}

Result<void> CoreState::confirm_ended(const std::string& closed) {
  if (dead_) return *dead_;
  const auto head = read_checkpoint(closed);
  const auto shard = head ? shard_named(head->origin) : std::nullopt;
  if (!shard || *shard == shard_ || *head != closed_[shard->value].head ||
      !audit::verify_checkpoint(closed, {head->origin, audit::KeyType::ed25519, keys_.log_key().public_key()}))
    return Error{Errc::conflict, "how no shard of this log ended"};
  auto tx = store_.begin();
  if (tx) tx->set_closed(*shard, closed);
  auto committed = tx ? tx->commit() : Result<void>(tx.error());
  if (!committed) {
    dead_ = committed.error();
    return committed;
  }
  closed_[shard->value].row.end.closed = closed;
  return {};
}

Result<protocol::RollbackRequest> CoreState::rollback_request(std::string_view last_known, UnixMillis now) const {
  const auto last =
      audit::verify_checkpoint(last_known, {origin_, audit::KeyType::ed25519, keys_.log_key().public_key()});
  if (!last) return Error{Errc::conflict, "the last known checkpoint is not of this shard"};
  if (last->size() <= tree_.size()) return Error{Errc::conflict, "nothing was lost"};
  const auto name = protocol::shard_of(origin_, settings_.log);
  const auto next = name ? protocol::shard_after(*name, name->year) : std::nullopt;
  if (!next) return Error{Errc::over_limit, "no shard can follow this one"};
  protocol::RollbackRequest request;
  request.newest = last_leaf_time_;
  request.order.contract = directory_->verified()->head().contract;
  request.order.log = settings_.log;
  request.order.closes = origin_;
  request.order.last = {last->size(), last->root()};
  request.order.restored = {tree_.size(), tree_.root()};
  request.order.opens = settings_.log + "/" + protocol::to_text(*next);
  request.order.created = now;
  return request;
}

Result<void> CoreState::accept_rollback(const Rollback& rollback, UnixMillis now) {
  const auto wanted = rollback_request(rollback.last_known, now);
  if (!wanted) return wanted.error();
  const auto order =
      protocol::verify_order_note(rollback.order, protocol::authorities_of(directory_->verified()->head()));
  if (!order) return order.error();
  protocol::RollbackOrder named = order->order();
  named.created = wanted->order.created;
  if (named != wanted->order) return Error{Errc::conflict, "the order is of another rollback"};
  const Lost lost{rollback, {named.last, order->digest()}};
  return open_next_shard(named.opens, checkpoint_, lost, now);
}

Result<std::unique_ptr<Core>> Core::open(Store& store, KeyRing& keys, CoreSettings settings) {
  auto core = std::make_unique<CoreState>(store, keys, std::move(settings));
  if (auto loaded = core->load(); !loaded) return loaded.error();
  return std::unique_ptr<Core>(std::move(core));
}

Result<void> initialise_store(Store& store, KeyRing& keys, const CoreSettings& settings,
                              const VerifiedPublish& directory, const protocol::AuthoritySet& trusted, UnixMillis now) {
  return CoreState(store, keys, settings).initialise(directory, trusted, now);
}

Result<protocol::RollbackRequest> rollback_request(Store& store, KeyRing& keys, const CoreSettings& settings,
                                                   std::string_view last_known, UnixMillis now) {
  CoreState core(store, keys, settings);
  if (auto loaded = core.load(); !loaded) return loaded.error();
  return core.rollback_request(last_known, now);
}

Result<void> accept_rollback(Store& store, KeyRing& keys, const CoreSettings& settings, const Rollback& rollback,
                             UnixMillis now) {
  CoreState core(store, keys, settings);
  if (auto loaded = core.load(); !loaded) return loaded;
  return core.accept_rollback(rollback, now);
}

Result<void> open_next_shard(Store& store, KeyRing& keys, const CoreSettings& settings, const std::string& closing,
                             UnixMillis now) {
  CoreState core(store, keys, settings);
  if (auto loaded = core.load(); !loaded) return loaded;
  return core.open_next_shard(closing, now);
}

}  // namespace pli::broker
