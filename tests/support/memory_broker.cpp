#include "tests/support/memory_broker.hpp"

#include <algorithm>
#include <stdexcept>

#include "audit/checkpoint.hpp"
#include "audit/cosignature.hpp"
#include "audit/queue_chain.hpp"
#include "crypto/hash.hpp"
#include "crypto/statement.hpp"
#include "protocol/limits.hpp"
#include "protocol/policy.hpp"

namespace pli::testing {
namespace {

using protocol::Code;
using protocol::Refusal;
using protocol::ReplyBody;

Refusal refusal(Code code, std::string subject = {}) { return {code, std::move(subject), 0}; }

const std::vector<std::string_view> sender_fields = {
    "actor", "person", "role",     "organisation", "act",  "exchange",  "case", "reply_to", "queue",
    "kind",  "code",   "handling", "outcome",      "rule", "directory", "key",  "signature"};
const std::vector<std::string_view> member_fields = {"act",     "exchange",  "case",   "queue", "kind",
                                                     "outcome", "directory", "number", "head"};
const std::vector<std::string_view> hidden_fields = {"act",        "exchange", "queue", "outcome",
                                                     "recipients", "number",   "head"};
const std::vector<std::string_view> opener_fields = {
    "actor", "person",     "role",    "organisation", "act",       "exchange", "case",      "queue",    "kind",
    "motif", "recipients", "outcome", "rule",         "directory", "key",      "statement", "signature"};
const std::vector<std::string_view> directory_fields = {"act", "outcome", "directory"};

}  // namespace

MemoryBroker::MemoryBroker(const SmallWorld& world, const Clock& clock, const SignedVersion& first)
    : world_(&world), clock_(&clock) {
  release_[epoch_] = std::make_shared<const crypto::BoxPair>(crypto::BoxPair::generate());
  audit::Record start = audit::new_record();
  start.add("act", "init");
  start.add("outcome", "ok");
  add_record(audit::LeafType::registre, std::move(start), std::nullopt, "first leaf of " + origin());
  publish(first);
}

LeafIndex MemoryBroker::add_record(audit::LeafType type, audit::Record record,
                                   std::optional<audit::DirectoryReference> directory,
                                   std::optional<std::string> statement) {
  audit::Leaf leaf{type, clock_->now() + leaves_ahead, audit::record_digest(record), directory, std::move(statement)};
  leaves_.push_back(audit::encode(leaf));
  records_.push_back(std::move(record));
  return tree_.append(as_bytes(leaves_.back()));
}

void MemoryBroker::add_noise_leaf() {
  audit::Record record = audit::new_record();
  record.add("act", "input");
  record.add("outcome", "ok");
  record.add("count", "1");
  add_record(audit::LeafType::refus, std::move(record));
}

void MemoryBroker::publish(const SignedVersion& version) {
  auto entries =
      protocol::apply_bundle(directory_ ? directory_->entries() : std::vector<protocol::Entry>(), version.changed);
  if (!entries) throw std::logic_error(entries.error().detail);
  auto verified = protocol::verify_directory_note(version.note, world_->authority_set(),
                                                  directory_ ? &*directory_->verified() : nullptr);
  if (!verified) throw std::logic_error(verified.error().detail);
  const auto number = verified->head().number;
  const auto digest = verified->digest();
  auto built = protocol::Directory::build(std::move(*entries), std::move(*verified));
  if (!built) throw std::logic_error(built.error().detail);
  directory_ = std::move(*built);
  for (const Bytes& bytes : version.changed) {
    auto entry = protocol::decode_entry(bytes);
    changed_in_[{entry->type, entry->id}] = number.value;
  }
  audit::Record record = audit::new_record();
  record.add("act", "publish_directory");
  record.add("outcome", "ok");
  record.add("directory", std::to_string(number.value));
  directory_leaf_ =
      add_record(audit::LeafType::habilitation, std::move(record), audit::DirectoryReference{number, digest});
}

std::string MemoryBroker::checkpoint() const {
  return audit::sign_checkpoint({origin(), tree_.size(), tree_.root()}, world_->log_key);
}

const MemoryBroker::Publication& MemoryBroker::published() {
  const std::size_t answering = std::min(witnesses_answering, world_->witnesses.size());
  if (published_ && answering == 0 && !world_->witnesses.empty()) return *published_;
  published_ = Publication{tree_.size(), cosigned(checkpoint())};
  return *published_;
}

std::string MemoryBroker::cosigned(const std::string& checkpoint) const {
  auto note = audit::parse_note(checkpoint);
  for (std::size_t i = 0; i < std::min(witnesses_answering, world_->witnesses.size()); ++i) {
    const SmallWorld::Witness& witness = world_->witnesses[i];
    note->signatures.push_back(audit::cosign(note->text, "temoin.exemple.fr/" + witness.name, witness.key,
                                             audit::to_seconds(clock_->now() + witnesses_ahead)));
  }
  return audit::to_text(*note);
}

void MemoryBroker::cosign_ended() {
  for (EndedShard& ended : ended_) ended.closed = cosigned(ended.closed);
}

std::vector<Digest> MemoryBroker::consistency(TreeSize known, TreeSize shown) const {
  if (known.value == 0 || known > shown) return {};
  auto proof = audit::consistency_proof(known, shown, tree_.source());
  return proof ? *proof : std::vector<Digest>();
}

protocol::LeafProof MemoryBroker::prove(LeafIndex index, const std::vector<std::string_view>& shown,
                                        const Publication* under) const {
  protocol::LeafProof out;
  out.leaf = leaves_[index.value];
  out.disclosure = audit::encode(audit::disclose(records_[index.value], shown));
  out.index = index;
  out.proof = *audit::inclusion_proof(index, under == nullptr ? tree_.size() : under->size, tree_.source());
  out.checkpoint = under == nullptr ? checkpoint() : under->note;
  return out;
}

protocol::LeafProof MemoryBroker::prove_in(const std::string& origin, LeafIndex index,
                                           const std::vector<std::string_view>& shown) const {
  for (const EndedShard& ended : ended_) {
    if (ended.origin != origin) continue;
    protocol::LeafProof out;
    out.leaf = ended.leaves[index.value];
    out.disclosure = audit::encode(audit::disclose(ended.records[index.value], shown));
    out.index = index;
    out.proof = *audit::inclusion_proof(index, ended.tree.size(), ended.tree.source());
    out.checkpoint = ended.closed;
    return out;
  }
  return prove(index, shown);
}

namespace {

protocol::TreeMark mark_of(const std::string& checkpoint) {
  const auto head = audit::parse_tree_head(audit::parse_note(checkpoint)->text);
  return {head->size, head->root};
}

}  // namespace

protocol::RollbackOrder MemoryBroker::order_over(const std::string& lost, const std::string& next) const {
  protocol::RollbackOrder order;
  order.contract = world_->contract;
  order.log = world_->log;
  order.closes = origin();
  order.last = mark_of(lost);
  order.restored = {tree_.size(), tree_.root()};
  order.opens = world_->log + "/" + next;
  order.created = clock_->now();
  return order;
}

void MemoryBroker::end_shard(const std::string& next) { open_shard(next, {}, {}); }

void MemoryBroker::roll_back(const std::string& lost, const std::string& order, const std::string& next) {
  open_shard(next, lost, order);
}

void MemoryBroker::open_shard(const std::string& next, const std::string& lost, const std::string& order) {
  protocol::ShardOpening opening{origin(), {tree_.size(), tree_.root()}, {}};
  if (!lost.empty())
    opening.lost = protocol::ShardOpening::Lost{mark_of(lost), protocol::order_digest(audit::parse_note(order)->text)};
  ended_.push_back({origin(), checkpoint(), lost, order, world_->log + "/" + next, std::move(leaves_),
                    std::move(records_), std::move(tree_)});
  leaves_.clear();
  records_.clear();
  tree_ = {};
  published_.reset();
  shard_ = next;
  audit::Record record = audit::new_record();
  record.add("act", "init");
  record.add("outcome", "ok");
  const audit::DirectoryReference reference{directory_->number(), directory_->verified()->digest()};
  directory_leaf_ = add_record(audit::LeafType::registre, std::move(record), reference, protocol::to_text(opening));
}

std::size_t MemoryBroker::accepted(const protocol::ExchangeId& id) const {
  std::size_t times = 0;
  for (const auto& [queue, ids] : queues_) times += static_cast<std::size_t>(std::count(ids.begin(), ids.end(), id));
  return times;
}

std::size_t MemoryBroker::staged_bytes(const Digest& part) const {
  std::size_t bytes = 0;
  if (const auto found = staged_.find(part); found != staged_.end())
    for (const auto& [index, chunk] : found->second.chunks) bytes += chunk.size();
  return bytes;
}

const protocol::Member& MemoryBroker::member(const Peer& peer) const {
  const protocol::Member* found = directory_->member_by_curve(peer);
  if (found == nullptr) throw std::logic_error("a peer that is not enrolled");
  return *found;
}

audit::Record MemoryBroker::act(const protocol::Member& member, std::string_view verb) const {
  audit::Record record = audit::new_record();
  record.add("actor", member.id);
  record.add("person", member.person);
  std::string roles;
  for (std::size_t i = 0; i < protocol::role_count; ++i)
    if (member.roles.has(static_cast<protocol::Role>(i)))
      roles += (roles.empty() ? "" : ",") + std::string(protocol::text_of(static_cast<protocol::Role>(i)));
  record.add("role", roles);
  record.add("organisation", member.organisation);
  record.add("act", verb);
  return record;
}

ReplyBody MemoryBroker::handle(const crypto::CurvePublic& peer, const protocol::Request& request) {
  request_ = request.id;
  if (std::holds_alternative<protocol::Submit>(request.body)) ++submits;
  if (std::holds_alternative<protocol::PutChunk>(request.body)) ++chunks;
  std::optional<ReplyBody> reply;
  if (instead) reply = instead(request);
  if (!reply && directory_->member_by_curve(peer) == nullptr) reply = refusal(Code::unknown_key);
  if (!reply && member(peer).revoked_at) reply = refusal(Code::revoked);
  if (!reply) reply = std::visit([&](const auto& body) { return on(peer, body); }, request.body);
  if (bend) bend(request, *reply);
  return std::move(*reply);
}

ReplyBody MemoryBroker::on(const Peer& peer, const protocol::Hello& body) {
  if (release_.empty()) release_[epoch_] = std::make_shared<const crypto::BoxPair>(crypto::BoxPair::generate());
  protocol::HelloReply out;
  out.member = member(peer).id;
  out.time = clock_->now();
  out.directory = directory_->number();
  out.directory_digest = directory_->verified()->digest();
  out.checkpoint = published().note;
  if (body.known_origin.empty() || body.known_origin == origin())
    out.consistency = consistency(body.known_size, published_->size);
  out.release_epoch = release_.rbegin()->first;
  out.release_key = release_.rbegin()->second->public_key();
  out.exchange_bytes_max = protocol::exchange_bytes_max;
  return out;
}

ReplyBody MemoryBroker::on(const Peer&, const protocol::PutChunk& body) {
  Staged& staged = staged_[body.part];
  staged.size = body.part_size;
  staged.chunks[body.index] = body.bytes;
  protocol::ChunkStored out;
  for (const auto& [index, bytes] : staged.chunks) out.received_bytes += bytes.size();
  out.credit = static_cast<std::uint32_t>(protocol::chunk_credit);
  out.complete = out.received_bytes == staged.size;
  return out;
}

std::optional<Bytes> MemoryBroker::take_staged(const Digest& part) const {
  const auto found = staged_.find(part);
  if (found == staged_.end()) return std::nullopt;
  Bytes out;
  for (const auto& [index, bytes] : found->second.chunks) append(out, bytes);
  if (out.size() != found->second.size || crypto::sha256(out) != part) return std::nullopt;
  return out;
}

ReplyBody MemoryBroker::on(const Peer& peer, const protocol::Submit& body) {
  const protocol::Member& sender = member(peer);
  auto address = protocol::decode_address(body.envelope.address);
  if (!address) return refusal(Code::invalid, address.error().detail);
  auto seal = protocol::decode_seal(body.envelope.seal);
  if (!seal) return refusal(Code::invalid, seal.error().detail);
  if (address->sender != sender.id) return refusal(Code::forbidden, "expediteur");
  const protocol::ExchangeId id = protocol::exchange_id(body.envelope.address, body.envelope.seal);
  if (address->sender_key != sender.keys.sign) return refusal(Code::revoked);  // a key since replaced
  if (!crypto::verify_statement_digest(address->sender_key, crypto::StatementName::exchange, id,
                                       body.envelope.signature))
    return refusal(Code::bad_signature);
  if (const auto found = exchanges_.find(id); found != exchanges_.end())
    return protocol::Accepted{id, prove_in(found->second.origin, found->second.leaf, sender_fields), true};
  for (const auto& [other, stored] : exchanges_)
    if (stored.address.sender == address->sender && stored.address.nonce == address->nonce)
      return refusal(Code::conflict);
  if (address->created_at > clock_->now() + protocol::clock_skew_max) return refusal(Code::clock_skew);
  const protocol::Queue* queue = directory_->queue(address->queue);
  if (queue == nullptr) return refusal(Code::not_found);
  for (const Digest& named : {address->case_id, address->in_reply_to})
    if (named != Digest{} && exchanges_.count(named) == 0) return refusal(Code::not_found);
  if (protocol::roster_digest(*queue) != address->roster) return refusal(Code::stale_directory);
  if (refuse_submit)
    if (auto refused = refuse_submit(*address)) return *std::move(refused);

  Stored stored;
  stored.envelope = body.envelope;
  const bool access = address->kind == static_cast<std::uint16_t>(protocol::Kind::acces);
  if (stored.envelope.locked.empty()) {
    auto staged = take_staged(seal->locked);
    if (!staged) return refusal(Code::invalid, "locked");
    stored.envelope.locked = std::move(*staged);
  }
  if (stored.envelope.payload.empty() && !access) {
    auto staged = take_staged(seal->payload);
    if (!staged) return refusal(Code::invalid, "payload");
    stored.envelope.payload = std::move(*staged);
  }
  if (crypto::sha256(stored.envelope.locked) != seal->locked) return refusal(Code::invalid, "locked");
  if (!access && crypto::sha256(stored.envelope.payload) != seal->payload) return refusal(Code::invalid, "payload");
  auto release = protocol::decode_release(body.envelope.release);
  if (!release) return refusal(Code::invalid, "release");
  const protocol::ReleaseShare& share = release->shares.front();
  const auto pair = release_.find(share.epoch);
  if (pair == release_.end()) return refusal(Code::stale_directory);
  auto shared = pair->second->shared_with(share.session);
  if (!shared) return refusal(Code::invalid, "release");
  auto release_key = crypto::open_share(share.box, *shared);
  if (!release_key) return refusal(Code::invalid, "release");
  if (crypto::release_commitment(protocol::address_digest(body.envelope.address), *release_key) !=
      seal->release_commitment)
    return refusal(Code::invalid, "release");
  stored.release_key = std::make_shared<const crypto::ReleaseKey>(std::move(*release_key));
  stored.address = *address;
  stored.seal = *seal;
  stored.roster = queue->keys;
  stored.at = clock_->now();
  std::vector<protocol::ExchangeId>& chain = queues_[address->queue];
  const audit::QueueHead last =
      chain.empty() ? audit::queue_start(world_->log, address->queue) : exchanges_.at(chain.back()).head;
  stored.head = audit::queue_next(last, id);

  const protocol::KindRow* row = protocol::row_of_number(address->kind);
  if (row == nullptr) return refusal(Code::invalid, "kind");
  audit::Record record = act(sender, "submit");
  record.add("exchange", id);
  if (row->opens_case || address->case_id != Digest{}) record.add("case", row->opens_case ? id : address->case_id);
  if (address->in_reply_to != Digest{}) record.add("reply_to", address->in_reply_to);
  record.add("queue", address->queue);
  record.add("kind", row->name);
  for (const auto& [name, value] : address->attributes) record.add(name, value);
  record.add("handling", protocol::handling_text(address->handling));
  record.add("recipients", address->roster);
  record.add("outcome", "ok");
  record.add("rule", "depot");
  record.add("directory", std::to_string(directory_->number().value));
  record.add("number", std::to_string(stored.head.number.value));
  record.add("head", stored.head.head);
  record.add("key", address->sender_key.bytes);
  record.add("signature", body.envelope.signature);
  stored.leaf = add_record(row->act, std::move(record));
  stored.origin = origin();
  chain.push_back(id);
  const LeafIndex leaf = stored.leaf;
  exchanges_.emplace(id, std::move(stored));
  return protocol::Accepted{id, prove(leaf, sender_fields), false};
}

bool MemoryBroker::on_roster(const Stored& part, const protocol::Member& member) {
  const auto has = [&](const crypto::AgePublic& key) {
    return std::find(part.roster.begin(), part.roster.end(), key) != part.roster.end();
  };
  return has(member.keys.age) || std::any_of(member.former_age.begin(), member.former_age.end(), has);
}

std::vector<protocol::ExchangeId> MemoryBroker::ways_in(const protocol::ExchangeId& id) const {
  std::vector<protocol::ExchangeId> out = {id};
  for (const auto& [other, part] : exchanges_)
    if (part.address.kind == static_cast<std::uint16_t>(protocol::Kind::acces) && part.address.in_reply_to == id)
      out.push_back(other);
  return out;
}

bool MemoryBroker::may_read(const protocol::ExchangeId& id, const protocol::Member& member) const {
  const auto ways = ways_in(id);
  return std::any_of(ways.begin(), ways.end(),
                     [&](const protocol::ExchangeId& way) { return on_roster(exchanges_.at(way), member); });
}

protocol::QueueItem MemoryBroker::item(const Stored& stored, const protocol::ExchangeId& id,
                                       const protocol::Member& viewer) const {
  protocol::QueueItem out;
  out.queue = stored.address.queue;
  out.head = stored.head;
  out.exchange = id;
  out.visible = may_read(id, viewer);
  if (!out.visible) return out;
  out.address = stored.envelope.address;
  out.seal = stored.envelope.seal;
  out.signature = stored.envelope.signature;
  out.accepted_at = stored.at;
  out.leaf = stored.leaf;
  return out;
}

std::vector<protocol::QueueItem> MemoryBroker::items_after(const std::string& queue, std::uint64_t after,
                                                           const protocol::Member& viewer) const {
  std::vector<protocol::QueueItem> out;
  const auto found = queues_.find(queue);
  if (found == queues_.end()) return out;
  for (const protocol::ExchangeId& id : found->second) {
    const Stored& stored = exchanges_.at(id);
    if (stored.head.number.value > after) out.push_back(item(stored, id, viewer));
  }
  return out;
}

ReplyBody MemoryBroker::on(const Peer& peer, const protocol::List& body) {
  const protocol::Member& viewer = member(peer);
  if (std::find(viewer.seats.begin(), viewer.seats.end(), body.queue) == viewer.seats.end())
    return refusal(Code::not_found);
  protocol::Items out;
  out.items = items_after(body.queue, body.after.value, viewer);
  const std::size_t page = std::min<std::size_t>(items_a_page, body.items_max);
  out.more = out.items.size() > page;
  if (out.more) out.items.resize(page);
  out.acknowledged = QueueNumber{cursors_[{viewer.id, body.queue}]};
  const auto found = queues_.find(body.queue);
  out.head =
      found == queues_.end() ? audit::queue_start(world_->log, body.queue) : exchanges_.at(found->second.back()).head;
  return out;
}

ReplyBody MemoryBroker::on(const Peer&, const protocol::ListCases&) {
  ++case_lists;
  protocol::Cases out;
  for (const auto& [id, stored] : exchanges_) {
    const protocol::KindRow* row = protocol::row_of_number(stored.address.kind);
    if (row == nullptr || !row->opens_case) continue;
    protocol::CaseItem item;
    item.case_id = id;
    item.kind = stored.address.kind;
    item.queue = stored.address.queue;
    item.state = "recu";
    item.opened_at = item.updated_at = stored.at;
    item.exchanges = 1;
    out.items.push_back(std::move(item));
  }
  return out;
}

ReplyBody MemoryBroker::on(const Peer& peer, const protocol::Open& body) {
  const protocol::Member& opener = member(peer);
  auto request = protocol::decode_opening_request(body.request);
  if (!request) return refusal(Code::invalid, request.error().detail);
  if (!crypto::verify_statement(request->opener_key, crypto::StatementName::open, body.request, body.signature))
    return refusal(Code::bad_signature);
  if (request->motif == 0) return refusal(Code::motif_required);
  if (request->directory > directory_->number()) return refusal(Code::stale_directory);
  if (!body.note.empty() && crypto::sha256(body.note) != request->note) return refusal(Code::invalid, "note");
  const auto found = exchanges_.find(request->exchange);
  if (found == exchanges_.end()) return refusal(Code::not_found);
  const Stored& stored = found->second;
  if (!may_read(request->exchange, opener)) return refusal(Code::forbidden, "acces.absent");
  const protocol::OpeningId id = protocol::opening_id(body.request);

  audit::Record record = act(opener, "open");
  record.add("exchange", request->exchange);
  record.add("queue", stored.address.queue);
  record.add("kind", protocol::row_of_number(stored.address.kind)->name);
  record.add("motif", protocol::text_of(*protocol::motif_of_number(request->motif)));
  if (!body.note.empty()) record.add("note", body.note);
  record.add("recipients", stored.address.roster);
  record.add("outcome", "ok");
  record.add("rule", "ouverture");
  record.add("directory", std::to_string(directory_->number().value));
  record.add("key", request->opener_key.bytes);
  record.add("statement", body.request);
  record.add("signature", body.signature);

  Opening opening;
  opening.whole.exchange = request->exchange;
  const std::uint32_t month = release_.rbegin()->first;
  const auto& pair = release_.rbegin()->second;
  auto shared = pair->shared_with(request->session);
  if (!shared) return refusal(Code::invalid, "session");
  const auto add_part = [&](const protocol::ExchangeId& part_id, const Stored& part) {
    protocol::AccessPart out;
    out.exchange = part_id;
    out.address = part.envelope.address;
    out.seal = part.envelope.seal;
    out.signature = part.envelope.signature;
    out.locked = part.envelope.locked;
    out.release_epoch = month;
    out.release_key = pair->public_key();
    out.grant = crypto::box_grant(*part.release_key, *shared);
    opening.whole.access.push_back(std::move(out));
  };
  for (const protocol::ExchangeId& way : ways_in(request->exchange))
    if (on_roster(exchanges_.at(way), opener)) add_part(way, exchanges_.at(way));
  opening.whole.payload = stored.envelope.payload;
  if (!on_roster(stored, opener))
    opening.whole.header = {stored.envelope.address, stored.envelope.seal, stored.envelope.signature, stored.at};
  const LeafIndex leaf = add_record(audit::LeafType::consultation, std::move(record));
  opening.whole.proof = prove(leaf, opener_fields);
  protocol::Opened reply = opening.whole;
  std::size_t inside = reply.payload.size();
  for (const protocol::AccessPart& part : reply.access) inside += part.locked.size();
  if (inside > protocol::inline_bytes_max) {
    reply.payload.clear();
    inside = 0;
    for (const protocol::AccessPart& part : reply.access) inside += part.locked.size();
    if (inside > protocol::inline_bytes_max)
      for (protocol::AccessPart& part : reply.access) part.locked.clear();
  }
  openings_[id] = std::move(opening);
  return reply;
}

ReplyBody MemoryBroker::on(const Peer&, const protocol::GetChunk& body) {
  const auto found = openings_.find(body.opening);
  if (found == openings_.end()) return refusal(Code::not_found);
  const protocol::Opened& whole = found->second.whole;
  if (body.access >= whole.access.size()) return refusal(Code::not_found);
  const Bytes& part = body.part == protocol::PartKind::payload ? whole.payload : whole.access[body.access].locked;
  const std::size_t from = std::size_t{body.index} * protocol::chunk_bytes_max;
  if (from >= part.size()) return refusal(Code::not_found);
  const std::size_t size = std::min(protocol::chunk_bytes_max, part.size() - from);
  return protocol::Chunk{body.index, part.size(), to_bytes(ByteView(part).subspan(from, size))};
}

ReplyBody MemoryBroker::on(const Peer& peer, const protocol::Acknowledge& body) {
  std::uint64_t& cursor = cursors_[{member(peer).id, body.queue}];
  cursor = std::max(cursor, body.number.value);
  return protocol::Acknowledged{QueueNumber{cursor}};
}

ReplyBody MemoryBroker::on(const Peer& peer, const protocol::Follow& body) {
  Subscription& subscription = following_[peer];
  subscription = {request_, {}};
  for (const protocol::FollowFrom& from : body.queues) subscription.after[from.queue] = from.after.value;
  auto pushes = take_pushes(peer);
  return pushes.empty() ? protocol::Pushed{} : std::get<protocol::Pushed>(pushes.front().body);
}

std::vector<protocol::Reply> MemoryBroker::take_pushes(const crypto::CurvePublic& peer) {
  std::vector<protocol::Reply> out;
  const auto found = following_.find(peer);
  if (found == following_.end()) return out;
  protocol::Pushed push;
  for (auto& [queue, after] : found->second.after)
    for (protocol::QueueItem& item : items_after(queue, after, member(peer))) {
      after = item.head.number.value;
      if (item.visible || pushes_invisible) push.items.push_back(std::move(item));
    }
  if (!push.items.empty()) out.push_back({found->second.request, std::move(push)});
  return out;
}

ReplyBody MemoryBroker::on(const Peer& peer, const protocol::GetDirectory& body) {
  const protocol::Member& viewer = member(peer);
  protocol::DirectoryPage out;
  out.note = directory_->verified()->note();
  out.leaf = prove(directory_leaf_, directory_fields);
  for (std::size_t i = body.after_position; i < directory_->entries().size(); ++i) {
    const protocol::Entry& entry = directory_->entries()[i];
    if (!protocol::may_see_entry(*directory_, viewer, entry)) continue;
    if (out.items.size() == entries_a_page) {
      out.more = true;
      out.next = i;
      break;
    }
    const bool unchanged = body.known.value != 0 && changed_in_.at({entry.type, entry.id}) <= body.known.value;
    out.items.push_back({i, unchanged ? Bytes() : directory_->entry_bytes(i), *directory_->prove(i)});
  }
  return out;
}

ReplyBody MemoryBroker::on(const Peer&, const protocol::PublishDirectory& body) {
  Bytes bundle = body.bundle;
  if (bundle.empty()) {
    auto staged = take_staged(body.bundle_digest);
    if (!staged) return refusal(Code::invalid, "bundle");
    bundle = std::move(*staged);
  }
  auto changed = protocol::decode_bundle(bundle);
  if (!changed) return refusal(Code::invalid, "bundle");
  publish({body.note, std::move(*changed)});
  return protocol::Published{directory_->number(), prove(directory_leaf_, directory_fields)};
}

ReplyBody MemoryBroker::on(const Peer&, const protocol::GetCheckpoint& body) {
  const Publication& shown = published();
  return protocol::CheckpointReply{shown.note, consistency(body.known_size, shown.size)};
}

ReplyBody MemoryBroker::on(const Peer& peer, const protocol::Prove& body) {
  if (body.published) ++upgrades;
  if (body.leaf) {
    if (!member(peer).roles.has(protocol::Role::auditeur)) return refusal(Code::forbidden, "journal.lecture");
    if (body.leaf->value >= leaves_.size()) return refusal(Code::not_found);
    std::vector<std::string_view> all;
    for (const audit::Field& field : records_[body.leaf->value].fields) all.push_back(field.name);
    protocol::Proven out{prove(*body.leaf, all)};
    audit::Record record = act(member(peer), "prove");
    record.add("outcome", "ok");
    record.add("range", std::to_string(body.leaf->value) + "," + std::to_string(body.leaf->value + 1));
    add_record(audit::LeafType::verification, std::move(record));
    return out;
  }
  const auto found = exchanges_.find(body.exchange);
  if (found == exchanges_.end()) return refusal(Code::not_found);
  const std::vector<std::string>& seats = member(peer).seats;
  const bool seated = std::find(seats.begin(), seats.end(), found->second.address.queue) != seats.end();
  const bool hidden = seated && !may_read(body.exchange, member(peer));
  const std::vector<std::string_view>& fields = hidden ? hidden_fields : seated ? member_fields : sender_fields;
  const std::vector<crypto::AgePublic> sealed_to = hidden ? found->second.roster : std::vector<crypto::AgePublic>();
  const Stored& stored = found->second;
  if (stored.origin != origin() || !body.published)
    return protocol::Proven{prove_in(stored.origin, stored.leaf, fields), sealed_to};
  const Publication& shown = published();
  if (found->second.leaf.value >= shown.size.value) return refusal(Code::not_found);
  return protocol::Proven{prove(found->second.leaf, fields, &shown), sealed_to};
}

ReplyBody MemoryBroker::on(const Peer& peer, const protocol::GetRecords& body) {
  if (!member(peer).roles.has(protocol::Role::auditeur)) return refusal(Code::forbidden, "journal.lecture");
  protocol::Records out;
  const std::vector<std::string>* leaves = &leaves_;
  const std::vector<audit::Record>* records = &records_;
  for (const EndedShard& ended : ended_) {
    if (ended.origin != body.shard) continue;
    leaves = &ended.leaves;
    records = &ended.records;
  }
  if (leaves == &leaves_ && !body.shard.empty() && body.shard != origin()) return refusal(Code::not_found);
  const std::uint64_t end = std::min<std::uint64_t>(leaves->size(), body.from.value + body.items_max);
  std::size_t bytes = 0;
  for (std::uint64_t i = body.from.value; i < end && bytes < protocol::records_bytes_max / 2; ++i) {
    out.items.push_back({LeafIndex{i}, (*leaves)[i], audit::encode(audit::disclose_all((*records)[i]))});
    bytes += out.items.back().leaf.size() + out.items.back().disclosure.size();
  }
  out.size = TreeSize{leaves->size()};
  audit::Record record = act(member(peer), "records");
  record.add("outcome", "ok");
  if (leaves != &leaves_) record.add("shard", body.shard);
  record.add("range", std::to_string(body.from.value) + "," + std::to_string(end));
  add_record(audit::LeafType::verification, std::move(record));
  return out;
}

ReplyBody MemoryBroker::on(const Peer&, const protocol::GetHealth&) {
  protocol::Health out;
  out.state = "ok";
  return out;
}

ReplyBody MemoryBroker::on(const Peer&, const protocol::GetShard& body) {
  for (const EndedShard& ended : ended_) {
    if (ended.origin != body.origin) continue;
    protocol::ShardReply out;
    out.closed = ended.closed;
    out.last_known = ended.last_known;
    if (body.known_size.value != 0 && body.known_size <= ended.tree.size())
      out.consistency = *audit::consistency_proof(body.known_size, ended.tree.size(), ended.tree.source());
    out.first = prove_in(ended.next, LeafIndex{0}, {"act", "outcome"});
    out.order = ended.order;
    return out;
  }
  return refusal(Code::not_found);
}

// ---- connection ------------------------------------------------------------------------------------------------

namespace {

client::Failure lost() { return {protocol::LocalCode::unreachable, "the test cut the connection"}; }

}  // namespace

client::Outcome<std::uint64_t> MemoryConnection::post(protocol::RequestBody body) {
  if (lost_) return lost();
  const protocol::Request request{++last_, std::move(body)};
  const Bytes wire = protocol::encode(request);
  if (wire.size() > protocol::message_bytes_max) throw std::logic_error("a request larger than one message");
  auto decoded = protocol::decode_request(wire);
  if (!decoded) throw std::logic_error("a request the broker would not decode: " + decoded.error().detail);
  ReplyBody answer = broker_->handle(peer_, *decoded);
  if (left_ && --*left_ == 0) {
    lost_ = true;
    return request.id;
  }
  const Bytes reply = protocol::encode(protocol::Reply{request.id, std::move(answer)});
  if (reply.size() > protocol::message_bytes_max) throw std::logic_error("a reply larger than one message");
  auto back = protocol::decode_reply(reply);
  if (!back) throw std::logic_error("a reply the client would not decode: " + back.error().detail);
  replies_.emplace(request.id, std::move(back->body));
  in_flight_most = std::max(in_flight_most, replies_.size());
  return request.id;
}

client::Outcome<ReplyBody> MemoryConnection::take(std::uint64_t request, std::chrono::milliseconds) {
  const auto found = replies_.find(request);
  if (found == replies_.end()) return lost();
  ReplyBody body = std::move(found->second);
  replies_.erase(found);
  return body;
}

client::Outcome<std::optional<protocol::Pushed>> MemoryConnection::take_push(std::chrono::milliseconds) {
  if (lost_) return lost();
  for (int attempt = 0; attempt < 2; ++attempt) {
    for (protocol::Reply& reply : broker_->take_pushes(peer_)) {
      if (broker_->bend) broker_->bend({reply.id, protocol::Follow{}}, reply.body);
      pushes_.push_back(std::get<protocol::Pushed>(std::move(reply.body)));
    }
    if (!pushes_.empty()) {
      protocol::Pushed push = std::move(pushes_.front());
      pushes_.erase(pushes_.begin());
      return std::optional<protocol::Pushed>(std::move(push));
    }
    if (attempt == 0 && while_waiting) while_waiting();
  }
  return std::optional<protocol::Pushed>();
}

}  // namespace pli::testing
