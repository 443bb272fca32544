// What several verbs do: append to the log, prove, and find out who stands how to an exchange.
#include <algorithm>

#include "base/paris_time.hpp"
#include "broker/core_state.hpp"
#include "broker/record_fields.hpp"
#include "crypto/secret_box.hpp"
#include "protocol/retention.hpp"

namespace pli::broker {

using protocol::Act;
using protocol::QueueKind;
using protocol::Relation;

namespace {

template <class Keys>
bool holds(const Keys& sorted, const crypto::AgePublic& key) {
  return std::binary_search(sorted.begin(), sorted.end(), key);
}

}  // namespace

Denial deny(protocol::Code code, std::string_view subject) { return {{code, std::string(subject), 0}, {}}; }
bool sits_in(const protocol::Member& member, std::string_view queue) {
  return std::find(member.seats.begin(), member.seats.end(), queue) != member.seats.end();
}

Denial not_found(std::string_view rule) { return {{protocol::Code::not_found, {}, 0}, rule}; }

protocol::CaseFacts case_facts(const CaseRow& row, UnixMillis now) {
  protocol::CaseFacts facts;
  facts.state = static_cast<protocol::CaseState>(row.state);
  facts.opened = row.opened;
  facts.resumes = static_cast<protocol::CaseState>(row.resumes);
  facts.deferred = row.review_at > now;
  facts.answered = row.told_at.value != 0;
  facts.late = is_told(row, now) && now >= row.told_at + protocol::party_adds_time;
  return facts;
}

bool is_told(const CaseRow& row, UnixMillis now) { return row.told_at.value != 0 && row.told_at <= now; }

protocol::CommuneView view_of(const CaseRow& row, UnixMillis now) {
  return protocol::commune_view(static_cast<protocol::CaseState>(row.state), is_told(row, now));
}

Logged CoreState::log(Batch& batch, audit::LeafType type, const audit::Record& record,
                      std::optional<audit::DirectoryReference> reference, std::optional<std::string> statement) {
  Logged logged;
  logged.place = here(tree_.size().value);
  logged.commitments = audit::field_commitments(record);
  LeafRow row;
  row.place = logged.place;
  row.leaf.type = type;
  // The clock may jump back; the log's time never does.
  last_leaf_time_ = std::max(last_leaf_time_, batch.now);
  row.leaf.time = last_leaf_time_;
  row.leaf.record = audit::record_digest(logged.commitments);
  row.leaf.directory = reference;
  row.leaf.statement = std::move(statement);
  logged.leaf = audit::encode(row.leaf);
  row.nodes = tree_.append(audit::leaf_hash(as_bytes(logged.leaf)));
  if (is_kept_in_clear(record)) {
    row.month = record_in_clear;
    row.record = pack(record);
  } else {
    row.month = batch.record_key.month;
    const Bytes bound = record_binding(logged.place);
    row.record = crypto::seal_box(pack(record), {bound}, batch.record_key.key);
  }
  batch.tx.add_leaf(row);
  batch.leaves.push_back(logged.leaf);
  return logged;
}

protocol::LeafProof CoreState::proof_of(const Logged& logged, const audit::Record& record, Shown party) {
  protocol::LeafProof proof;
  proof.leaf = logged.leaf;
  proof.index = logged.place.index;
  proof.disclosure = audit::encode(audit::disclose(record, logged.commitments, shown_to(party)));
  return proof;
}

std::optional<audit::Record> CoreState::stored_record(const LeafRow& row) const {
  if (row.record.empty()) return std::nullopt;
  auto record = open_record(row.month, record_binding(row.place), row.record, keys_.record_key(row.month));
  if (!record) return std::nullopt;
  return *std::move(record);
}

std::optional<audit::Record> CoreState::accepted_record(const ExchangeRow& row) const {
  const std::optional<LeafRow> leaf = store_.leaf(row.leaf);
  return leaf ? stored_record(*leaf) : std::nullopt;
}

std::optional<protocol::LeafProof> CoreState::stored_proof(const LeafPlace& place, std::optional<Shown> party) const {
  const std::optional<LeafRow> row = store_.leaf(place);
  if (!row) return std::nullopt;
  protocol::LeafProof proof;
  proof.leaf = audit::encode(row->leaf);
  proof.index = place.index;
  if (party == Shown::directory_holder && row->month == record_in_clear)
    if (const auto kept = unpack_disclosure(row->record)) {
      proof.disclosure = audit::encode(*kept);
      return proof;
    }
  const std::optional<audit::Record> record = stored_record(*row);
  if (!record) return std::nullopt;
  proof.disclosure = audit::encode(party ? audit::disclose(*record, shown_to(*party)) : audit::disclose_all(*record));
  return proof;
}

Result<void> CoreState::finish_proof(const LeafPlace& place, bool published, protocol::LeafProof& proof) const {
  const bool current = place.shard == shard_;
  const bool by_published = current && published && place.index.value < published_size_.value;
  const audit::NodeSource nodes = current ? tree_.nodes(store_) : store_.nodes(place.shard);
  auto path = audit::inclusion_proof(place.index, by_published ? published_size_ : size_of(place.shard), nodes);
  if (!path) return path.error();
  proof.proof = *std::move(path);
  proof.checkpoint = by_published ? published_ : current ? checkpoint_ : closed_[place.shard.value].row.end.closed;
  return {};
}

std::optional<ShardNumber> CoreState::shard_named(std::string_view origin) const {
  if (origin.empty() || origin == origin_) return shard_;
  for (const Closed& closed : closed_)
    if (closed.row.origin == origin) return closed.row.number;
  return std::nullopt;
}

TreeSize CoreState::size_of(ShardNumber shard) const {
  return shard == shard_ ? tree_.size() : closed_[shard.value].head.size;
}

Result<std::vector<Digest>> CoreState::consistency(TreeSize known, TreeSize size) const {
  // A client that knows a longer log than ours has its proof in our checkpoint: we were rolled back.
  if (known > size) return std::vector<Digest>{};
  return audit::consistency_proof(known, size, tree_.nodes(store_));
}

ExchangeFacts CoreState::facts_of(const ExchangeRow& row) const { return facts_in(row, row.queue, row.case_number); }

ExchangeFacts CoreState::facts_in(const ExchangeRow& row, QueueKey queue, ExchangeNumber of_case) const {
  ExchangeFacts facts;
  facts.queue = directory_->queue(queue_name(queue));
  facts.opens_in = queue;
  if (const auto holding = withholding_.find(queue_name(queue)); holding != withholding_.end() && queue == row.queue)
    facts.withheld = row.head.number > find_queue(*holding)->shown_head().number;
  if (const protocol::KindRow* kind = protocol::row_of_number(row.kind)) facts.kind = kind->kind;
  if (of_case.value != 0) facts.case_row = store_.case_file(of_case);
  if (facts.case_row) facts.case_queue = queue_name(facts.case_row->queue);
  if (queue == row.queue && of_case == row.case_number) facts.rosters.push_back(roster(row.roster));
  for (const AccessRow& part : store_.access(row.number)) {
    if (part.number == row.number) continue;
    const auto added = store_.exchange(part.number);
    if (added && added->queue == queue && added->case_number == of_case) facts.rosters.push_back(roster(added->roster));
  }
  facts.handling = handling_of(row);
  // What the report's sender asked for binds whoever is told that it was passed on.
  if (facts.kind && protocol::is_transmission(*facts.kind) && facts.case_row)
    facts.handling = asks_of(*facts.case_row, last_leaf_time_).handling;  // at any time the same
  return facts;
}

std::vector<CoreState::Part> CoreState::parts_of(const ExchangeRow& row) const {
  std::vector<Part> out;
  for (AccessRow& part : store_.access(row.number)) {
    auto exchange = part.number == row.number ? row : store_.exchange(part.number);
    if (exchange) out.push_back({std::move(part), *std::move(exchange)});
  }
  return out;
}

ExchangeFacts CoreState::facts_for(const protocol::Member& member, const ExchangeRow& row, Act act) const {
  ExchangeFacts own = facts_of(row);
  if (decide(act, member, own, relations(member, own))) return own;
  std::optional<ExchangeFacts> known;
  for (const Part& part : parts_of(row)) {
    if (part.exchange.queue == row.queue || !sits_in(member, queue_name(part.exchange.queue))) continue;
    ExchangeFacts door = facts_in(row, part.exchange.queue, part.exchange.case_number);
    if (decide(act, member, door, relations(member, door))) return door;
    if (!known) known = std::move(door);
  }
  return known && !may_know(member, row, own) ? *std::move(known) : std::move(own);
}

bool CoreState::lets_in(const protocol::Member& member, const Part& part, const ExchangeFacts& facts) const {
  const ExchangeNumber of_case = facts.case_row ? facts.case_row->number : ExchangeNumber{};
  if (part.exchange.queue != facts.opens_in || part.exchange.case_number != of_case) return false;
  const auto readers = roster(part.exchange.roster);
  return readers && on_roster(member, *readers);
}

std::vector<CaseRow> CoreState::origins_of(const CaseRow& row) const {
  std::vector<CaseRow> out;
  for (ExchangeNumber origin = row.origin; origin.value != 0; origin = out.back().origin) {
    auto before = store_.case_file(origin);
    if (!before) break;
    out.push_back(*std::move(before));
  }
  return out;
}

std::vector<CaseRow> CoreState::linked_to(const CaseRow& row) const {
  std::vector<CaseRow> out;
  for (const ExchangeNumber number : store_.linked_cases(row.number))
    if (auto linked = store_.case_file(number);
        linked && static_cast<protocol::CaseState>(linked->state) != protocol::CaseState::efface)
      out.push_back(*std::move(linked));
  return out;
}

bool CoreState::stands_in(const CaseRow& row, std::string_view queue) const {
  if (queue_name(row.queue) == queue) return true;
  const std::vector<CaseRow> linked = linked_to(row);
  return std::any_of(linked.begin(), linked.end(), [&](const CaseRow& each) { return stands_in(each, queue); });
}

bool CoreState::is_read_in(const ExchangeRow& row, const CaseRow& of_case) const {
  if (row.queue == of_case.queue && row.case_number == of_case.number) return true;
  const auto parts = parts_of(row);
  return std::any_of(parts.begin(), parts.end(), [&](const Part& part) {
    return part.exchange.queue == of_case.queue && part.exchange.case_number == of_case.number;
  });
}

void CoreState::add_asks(const ExchangeRow& row, UnixMillis now, Asks& asks) const {
  const std::vector<std::string> handling = handling_of(row);
  asks.conditions.add(protocol::passing_conditions(handling, has_party_agreement(row, now)));
  for (const std::string& condition : handling)
    if (std::find(asks.handling.begin(), asks.handling.end(), condition) == asks.handling.end())
      asks.handling.push_back(condition);
}

CoreState::Asks CoreState::asks_of(const CaseRow& row, UnixMillis now) const {
  Asks out;
  if (const auto first = store_.exchange(row.number)) add_asks(*first, now, out);
  for (const CaseRow& before : origins_of(row))
    if (const auto first = store_.exchange(before.number)) add_asks(*first, now, out);
  return out;
}

std::vector<std::string> CoreState::handling_of(const ExchangeRow& row) const {
  if (row.erased) {
    const auto record = accepted_record(row);
    const Bytes* handling = record ? record->find("handling") : nullptr;
    return handling == nullptr ? std::vector<std::string>() : protocol::handling_of_text(as_text(*handling));
  }
  auto address = protocol::decode_address(row.address);
  if (!address) return {};
  if (static_cast<protocol::Kind>(row.kind) == protocol::Kind::acces)
    if (const auto original = store_.find_exchange(address->in_reply_to)) return handling_of(*original);
  return std::move(address->handling);
}

bool CoreState::on_roster(const protocol::Member& member, const RosterRow& readers) const {
  return holds(readers.keys, member.keys.age) ||
         std::any_of(member.former_age.begin(), member.former_age.end(),
                     [&](const crypto::AgePublic& key) { return holds(readers.keys, key); });
}

protocol::Relations CoreState::relations(const protocol::Member& member, const ExchangeFacts& facts) const {
  protocol::Relations out;
  if (facts.queue != nullptr) {
    const protocol::Queue& queue = *facts.queue;
    if (sits_in(member, queue.id)) {
      // A submission has no roster yet: the sender's seat is what counts.
      const bool listed = facts.rosters.empty() ||
                          std::any_of(facts.rosters.begin(), facts.rosters.end(),
                                      [&](const auto& readers) { return readers && on_roster(member, *readers); });
      if (listed) out.add(Relation::seated);
    }
    const bool own_organisation = queue.kind == QueueKind::org && queue.organisation == member.organisation;
    const bool own_person = queue.kind == QueueKind::person && protocol::queue_subject(queue.id) == member.person;
    if (own_organisation || own_person) out.add(Relation::addressee_org);
    if (protocol::covers(member.territory, queue.territory) || protocol::covers(queue.territory, member.territory))
      out.add(Relation::same_territory);
  }
  if (facts.case_row) {
    const bool linked = facts.case_row->origin.value != 0;
    if (linked) out.add(Relation::linked);
    if (facts.case_row->organisation == member.organisation) {
      if (!linked) out.add(Relation::case_party);  // its collectivité is told nothing of where its report went
      out.add(Relation::author);
    }
    if (facts.case_row->person == member.person) out.add(Relation::author);
    if (sits_in(member, facts.case_queue)) out.add(Relation::case_instance);
    if (is_recused(member, *facts.case_row)) out.add(Relation::recused);
  }
  return out;
}

bool CoreState::is_recused(const protocol::Member& member, const CaseRow& row) const {
  const auto from = [&](const CaseRow& one) {
    if (one.recused == 0) return false;
    const std::vector<std::string> recused = store_.recused(one.number);
    return std::find(recused.begin(), recused.end(), member.person) != recused.end();
  };
  if (from(row)) return true;
  const std::vector<CaseRow> before = origins_of(row);
  return std::any_of(before.begin(), before.end(), from);
}

protocol::Decision CoreState::decide(Act act, const protocol::Member& member, const ExchangeFacts& facts,
                                     const protocol::Relations& standing) const {
  protocol::Question question;
  question.act = act;
  question.roles = member.roles;
  question.relations = standing;
  question.kind = facts.kind;
  if (facts.queue != nullptr) question.queue = facts.queue->kind;
  question.conditions = protocol::conditions_of(facts.handling, member.organisation);
  question.conditions.add(facts.contract);
  question.conditions.add(facts.passing);
  const std::string_view to = facts.queue != nullptr ? std::string_view(facts.queue->id) : std::string_view();
  question.conditions.add(
      protocol::tool_conditions(*directory_, member, act, facts.kind, act == Act::follow_case ? facts.case_queue : to));
  if (facts.withheld) question.conditions.add(protocol::Condition::withheld);
  return protocol::decide(question);
}

const protocol::Member* CoreState::sender_of(const ExchangeRow& row) const {
  if (row.erased) {
    const auto record = accepted_record(row);
    const Bytes* actor = record ? record->find("actor") : nullptr;
    return actor == nullptr ? nullptr : directory_->member(as_text(*actor));
  }
  const auto address = protocol::decode_address(row.address);
  return address ? directory_->member(address->sender) : nullptr;
}

bool CoreState::sent_by_organisation_of(const protocol::Member& member, const ExchangeRow& row) const {
  const protocol::Member* sender = sender_of(row);
  return sender != nullptr && sender->organisation == member.organisation;
}

bool CoreState::sent_by_party_of(const protocol::Member& member, const ExchangeRow& row) const {
  const protocol::Member* sender = sender_of(row);
  return sender != nullptr && (sender->organisation == member.organisation || sender->person == member.person);
}

bool CoreState::may_know(const protocol::Member& member, const ExchangeRow& row, const ExchangeFacts& facts) const {
  if (facts.queue != nullptr && sits_in(member, facts.queue->id)) return true;
  return sent_by_organisation_of(member, row);
}

std::optional<Digest> CoreState::case_id_of(const ExchangeRow& row) const {
  if (row.case_number.value == 0) return std::nullopt;
  if (row.case_number == row.number) return row.id;
  const auto first = store_.exchange(row.case_number);
  if (!first) return std::nullopt;
  return first->id;
}

std::optional<Denial> CoreState::refuse_queue(const protocol::Member& member, std::string_view queue,
                                              UnixMillis now) const {
  const protocol::Queue* found = directory_->queue(queue);
  if (found != nullptr && sits_in(member, queue)) {
    if (directory_expired(now)) return deny(protocol::Code::forbidden, "annuaire.expire");
    // What the registry keeps from a tool would else be a queue of hidden places.
    if (may_read(member, queue)) return std::nullopt;
    ExchangeFacts facts;
    facts.queue = found;
    return deny(protocol::Code::forbidden, decide(Act::deliver, member, facts, {}).rule);
  }
  if (found == nullptr) return not_found();
  const bool known = sees_entry(member, protocol::EntryType::queue, queue);
  ExchangeFacts facts;
  facts.queue = found;
  const protocol::Decision decision = decide(Act::deliver, member, facts, relations(member, facts));
  return known ? deny(protocol::Code::forbidden, decision.rule) : not_found(decision.rule);
}

bool CoreState::may_read(const protocol::Member& member, std::string_view queue) const {
  return protocol::tool_conditions(*directory_, member, Act::deliver, std::nullopt, queue) == protocol::Conditions{};
}

bool CoreState::sees_entry(const protocol::Member& member, protocol::EntryType type, std::string_view id) const {
  const auto position = directory_->position_of(type, id);
  return position && protocol::may_see_entry(*directory_, member, directory_->entries()[*position]);
}

protocol::QueueItem CoreState::item_of(const ExchangeRow& row, std::string_view queue, bool visible) const {
  protocol::QueueItem item;
  item.queue = queue;
  item.head = row.head;
  item.exchange = row.id;
  item.visible = visible && !row.erased;
  if (!item.visible) return item;
  item.address = row.address;
  item.seal = row.seal;
  item.signature = row.signature;
  item.accepted_at = row.accepted_at;
  item.leaf = row.leaf.index;
  return item;
}

std::shared_ptr<const RosterRow> CoreState::roster(RosterKey key) const {
  if (key.value == 0) return nullptr;
  if (const auto known = rosters_.find(key); known != rosters_.end()) return known->second;
  std::optional<RosterRow> row = store_.roster(key);
  if (!row) return nullptr;
  return rosters_.emplace(key, std::make_shared<const RosterRow>(*std::move(row))).first->second;
}

std::optional<crypto::ReleaseKey> CoreState::release_key_of(const AccessRow& row) const {
  const auto exchange = store_.exchange(row.number);
  const auto lease = keys_.lease(row.lease);
  if (!exchange || !lease) return std::nullopt;
  auto release_key = crypto::unlease_release_key(row.leased, exchange->id, *lease);
  if (!release_key) return std::nullopt;
  return *std::move(release_key);
}

UnixMillis CoreState::shown_at(UnixMillis now) const {
  return settings_.retour_hour ? next_paris_hour(now, *settings_.retour_hour) : now;
}

void CoreState::load_withheld() {
  for (const WithheldRow& row : store_.withheld()) {
    const auto exchange = store_.exchange(row.number);
    const auto queue = exchange ? queues_.find(queue_name(exchange->queue)) : queues_.end();
    if (queue == queues_.end()) continue;  // `check` names it
    audit::QueueHead before = audit::queue_start(settings_.log, queue->first);
    if (exchange->head.number.value > 1) {
      const auto links = store_.links(exchange->queue, {exchange->head.number.value - 2}, 1);
      if (!links.empty()) before = links.front().head;
    }
    queue->second.withheld.push_back({row.number, before, row.until});
    withholding_.insert(queue->first);
  }
}

void CoreState::release_withheld(Batch& batch) {
  for (auto name = withholding_.begin(); name != withholding_.end();) {
    QueueState& queue = queues_.find(*name)->second;
    const std::size_t before = queue.withheld.size();
    while (!queue.withheld.empty() && queue.withheld.front().until <= batch.now) {
      const Withheld held = queue.withheld.front();
      queue.withheld.pop_front();
      batch.tx.release_withheld(held.number);
      const auto row = store_.exchange(held.number);
      auto of_case = row ? store_.case_file(row->case_number) : std::nullopt;
      if (!of_case) continue;
      ++of_case->party_exchanges;
      of_case->party_updated_at = std::max(of_case->party_updated_at, held.until);
      batch.tx.update_case(*of_case);
    }
    if (queue.withheld.size() != before)
      if (const auto followed = followed_.find(*name); followed != followed_.end())
        for (const Peer& peer : followed->second)
          if (has_backlog(followers_.find(peer)->second)) behind_.insert(peer);
    name = queue.withheld.empty() ? withholding_.erase(name) : std::next(name);
  }
}

bool CoreState::directory_expired(UnixMillis now) const { return now >= directory_->verified()->head().not_after; }

CoreState::QueueState& CoreState::queue_state(Batch& batch, const std::string& name) {
  if (const auto known = queues_.find(name); known != queues_.end()) return known->second;
  const QueueKey key = batch.tx.add_queue(name);
  queue_names_.emplace(key, name);
  return queues_.emplace(name, QueueState{key, audit::queue_start(settings_.log, name)}).first->second;
}

const CoreState::QueueState* CoreState::find_queue(std::string_view name) const {
  const auto known = queues_.find(name);
  return known == queues_.end() ? nullptr : &known->second;
}

std::string_view CoreState::queue_name(QueueKey key) const {
  const auto known = queue_names_.find(key);
  return known == queue_names_.end() ? std::string_view{} : std::string_view(known->second);
}

Digest CoreState::current_roster_digest(const protocol::Queue& queue) const {
  const auto known = roster_digests_.find(queue.id);
  PLI_INVARIANT(known != roster_digests_.end());
  return known->second;
}

RosterKey CoreState::current_roster(Batch& batch, const protocol::Queue& queue, const Digest& digest) {
  if (const auto known = current_rosters_.find(queue.id); known != current_rosters_.end()) return known->second;
  RosterKey key;
  if (const auto row = store_.find_roster(digest))
    key = row->key;
  else
    key = batch.tx.add_roster(digest, queue.keys);
  current_rosters_.emplace(queue.id, key);
  return key;
}

void CoreState::take_directory(std::shared_ptr<const protocol::Directory> directory, const LeafPlace& leaf,
                               const std::vector<DirectoryEntryRow>& changed) {
  directory_ = std::move(directory);
  directory_leaf_ = leaf;
  for (const DirectoryEntryRow& entry : changed) entry_versions_[{entry.type, entry.id}] = directory_->number();
  entry_changed_.clear();
  for (const protocol::Entry& entry : directory_->entries()) {
    const auto version = entry_versions_.find({static_cast<std::uint8_t>(entry.type), entry.id});
    PLI_INVARIANT(version != entry_versions_.end());
    entry_changed_.push_back(version->second);
  }
  roster_digests_.clear();
  current_rosters_.clear();
  for (const protocol::Queue* queue : directory_->queues())
    roster_digests_.emplace(queue->id, protocol::roster_digest(*queue));
}

}  // namespace pli::broker
