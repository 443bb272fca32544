// submit: an exchange becomes durable, numbered, logged and receipted; or nothing of it stays but the refusal.
// Every check stands before the first write, so that a refused submit changes nothing.
#include <algorithm>

#include "broker/core_state.hpp"
#include "crypto/hash.hpp"
#include "crypto/secret_box.hpp"
#include "protocol/limits.hpp"
#include "protocol/retention.hpp"

namespace pli::broker {
namespace {

using protocol::Act;
using protocol::CaseState;
using protocol::Code;
using protocol::Kind;
using protocol::QueueKind;
using protocol::Relation;

Digest nonce_hash(const protocol::Address& address) {
  ByteWriter out;
  out.raw(as_bytes("pli-nonce/1"));
  out.string8(address.sender);
  out.raw(address.nonce);
  return crypto::sha256(out.bytes());
}

bool is_zero(const Digest& digest) { return digest == Digest{}; }

bool is_instance(QueueKind kind) {
  return kind == QueueKind::ged || kind == QueueKind::clir || kind == QueueKind::cpraf;
}

/// What the step that an accepted exchange takes leaves behind.
/// `attribute`: in clear, where its kind has one. `shown_at`: when its collectivité sees it.
void take_step(const protocol::CaseRow& step, std::string_view attribute, UnixMillis now, UnixMillis shown_at,
               CaseRow& row) {
  using protocol::CaseEffect;
  const auto day = [&] { return protocol::day_of(attribute).value_or(UnixMillis{}); };
  const bool waited = step.from == CaseState::complement_demande && step.to != CaseState::complement_demande;
  if (waited) row.resumes = 0;
  switch (step.effect) {
    case CaseEffect::nothing:
    case CaseEffect::transmits: break;
    case CaseEffect::asks: row.resumes = row.state; break;
    case CaseEffect::scopes: row.out_of_scope = step.to == CaseState::hors_perimetre; break;
    case CaseEffect::schedules: row.session_at = day(); break;
    case CaseEffect::decides: row.decided_at = now; break;
    case CaseEffect::answers: row.told_at = shown_at; break;
    case CaseEffect::defers: row.review_at = day(); break;
    case CaseEffect::recuses: ++row.recused; break;
  }
  row.state = static_cast<std::uint8_t>(step.to);
}

}  // namespace

Outcome CoreState::submit(Batch& batch, const Caller& caller, VerifiedSubmit& request, Asked& asked) {
  const protocol::Address& address = request.address;
  const protocol::Member& member = caller.member;
  asked.exchange = request.id;
  asked.queue = address.queue;
  asked.recipients = address.roster;
  if (!is_zero(address.case_id)) asked.case_id = address.case_id;
  if (!is_zero(address.in_reply_to)) asked.reply_to = address.in_reply_to;
  const protocol::KindRow* kind_row = protocol::row_of_number(address.kind);
  if (kind_row != nullptr) asked.kind = kind_row->name;
  asked.created_at = address.created_at;
  if (address.urgency == static_cast<std::uint8_t>(protocol::Urgency::urgente))
    asked.urgency = protocol::text_of(protocol::Urgency::urgente);

  // Who: the sender is the caller, and signs with today's key.
  if (address.sender != member.id) return deny(Code::invalid, "sender");
  if (address.sender_key != member.keys.sign) {
    const auto& former = member.former_sign;
    const bool was = std::find(former.begin(), former.end(), address.sender_key) != former.end();
    return was ? deny(Code::revoked) : deny(Code::invalid, "sender_key");
  }

  asked.key = address.sender_key;
  asked.signature = &request.envelope.signature;

  // What stands already is receipted again, whatever the directory says today.
  if (const auto row = store_.find_exchange(request.id)) {
    auto proof = stored_proof(row->leaf, Shown::sender);
    if (!proof) return deny(Code::erased, "journal");
    return Answer{protocol::Accepted{request.id, *std::move(proof), true}, row->leaf, {}, {}, {}};
  }

  // Is there room. What is refused here leaves its refusal, which the reserve is there for.
  const std::uint64_t body_bytes = request.envelope.locked.size() + request.envelope.payload.size();
  if (auto refused = refuse_for_room(batch, body_bytes)) return *std::move(refused);
  if (auto refused = refuse_for_quota(batch, member, body_bytes)) return *std::move(refused);

  // What and where to.
  const auto& head = directory_->verified()->head();
  if (address.contract != head.contract) return deny(Code::invalid, "contract");
  if (address.log != settings_.log) return deny(Code::invalid, "log");
  if (kind_row == nullptr) return deny(Code::invalid, "kind");
  const Kind kind = kind_row->kind;
  std::string_view attribute;  // that without which its kind says nothing
  UnixMillis good_until{};     // of an agreement; 0 = without a term
  for (const auto& [name, value] : address.attributes) {
    if (!protocol::is_attribute(kind, name, value)) return deny(Code::invalid, "attributes");
    if (name == protocol::attribute_name(kind)) attribute = value;
    if (kind == Kind::agrement && name == "date") good_until = protocol::nominative_until(value);
    if (name == "code" || name == "terme") asked.code = value;
    if (name == "date") asked.date = value;
  }
  if (attribute.empty() && !protocol::attribute_name(kind).empty()) return deny(Code::invalid, "attributes");
  if (kind == Kind::anomalie && !asked.reply_to) return deny(Code::invalid, "attributes");
  if (!std::all_of(address.handling.begin(), address.handling.end(), protocol::is_handling))
    return deny(Code::invalid, "handling");
  const protocol::Queue* queue = directory_->queue(address.queue);
  if (queue == nullptr || !sees_entry(member, protocol::EntryType::queue, address.queue)) {
    // Alike, and at the same point, for a queue that is not there and one that is not for the sender to know of.
    ExchangeFacts facts;
    facts.queue = queue;
    facts.kind = kind;
    const protocol::Decision decision = decide(Act::submit, member, facts, relations(member, facts));
    Denial denial = deny(Code::invalid, "queue");
    if (queue != nullptr) denial.rule = decision.rule;
    return denial;
  }
  const protocol::Seal& seal = request.seal;
  const bool is_access = kind == Kind::acces;
  if (seal.locked_size > settings_.exchange_bytes_max ||
      seal.payload_size > settings_.exchange_bytes_max - seal.locked_size)
    return deny(Code::too_large, "payload_size");
  if (request.envelope.locked.size() != seal.locked_size) return deny(Code::invalid, "locked");
  if (request.envelope.payload.size() != (is_access ? 0 : seal.payload_size)) return deny(Code::invalid, "payload");

  // Its size must not tell what the retour says (design §10).
  if (kind == Kind::retour && seal.payload_size != protocol::retour_payload_bytes)
    return deny(Code::invalid, "payload_size");

  // When: old is fine, an outbox may have waited for weeks.
  if (address.created_at > batch.now + protocol::clock_skew_max) return deny(Code::clock_skew);
  if (address.directory.value == 0 || address.directory > head.number) return deny(Code::invalid, "directory");
  if (directory_expired(batch.now)) return deny(Code::forbidden, "annuaire.expire");

  // Which case. Only a party may name it; anybody else's answer is that of a case that is not there.
  if (kind_row->opens_case && asked.case_id) return deny(Code::invalid, "case");
  if (kind_row->names_case && !asked.case_id) return deny(Code::invalid, "case");
  if (!kind_row->opens_case && !kind_row->names_case && asked.case_id) return deny(Code::invalid, "case");
  std::optional<ExchangeRow> first;
  ExchangeFacts facts;
  facts.queue = queue;
  facts.kind = kind;
  facts.handling = address.handling;
  facts.contract = protocol::contract_conditions(*directory_->contract(), member, *queue, batch.now);
  if (asked.case_id) {
    first = store_.find_exchange(address.case_id);
    if (first && first->case_number == first->number) facts.case_row = store_.case_file(first->number);
    if (facts.case_row) facts.case_queue = queue_name(facts.case_row->queue);
  }
  protocol::Relations standing = relations(member, facts);
  const bool party = standing.has(Relation::case_party);
  const bool instance = standing.has(Relation::case_instance);
  if (asked.case_id && !party && !instance) return not_found();

  // What it answers: something the sender has sent or may read.
  std::optional<ExchangeRow> answered;
  ExchangeFacts answered_facts;
  if (asked.reply_to) {
    answered = store_.find_exchange(address.in_reply_to);
    bool seen = false;
    if (answered) {
      answered_facts = facts_for(member, *answered, Act::deliver);
      const protocol::Relations to_it = relations(member, answered_facts);
      seen = sent_by_organisation_of(member, *answered) || decide(Act::deliver, member, answered_facts, to_it).allowed;
    }
    if (!seen) return not_found();
    if (facts.case_row && !is_access && answered->case_number != facts.case_row->number &&
        !is_read_in(*answered, *facts.case_row))
      return deny(Code::invalid, "in_reply_to");
  }
  // An access part opens its exchange where it is sent: in the case's own instance, or in one that the case was passed
  // on to. Who may make it is asked of where he reads it himself.
  const bool transmits = protocol::is_transmission(kind);
  const bool gives = is_access && queue->kind == QueueKind::person;  // to a maire in person
  const bool passes_on = is_access && !gives && facts.case_row && queue->id != facts.case_queue;
  bool answers_here = false;  // it opens what a linked case sent to the one that passed it on
  if (is_access) {
    if (!answered) return deny(Code::invalid, "in_reply_to");
    if (answered->erased) return deny(Code::erased, "terme");
    const bool read_here = is_read_in(*answered, *facts.case_row);
    answers_here = !passes_on && answered->queue == facts.case_row->queue && answered_facts.case_row &&
                   answered_facts.case_row->origin == facts.case_row->number;
    if (!read_here && !answers_here) return deny(Code::invalid, "in_reply_to");
    const ExchangeFacts here =
        facts_in(*answered, facts.case_row->queue, answers_here ? answered->case_number : facts.case_row->number);
    facts.queue = gives ? queue : here.queue;
    facts.rosters = here.rosters;
    facts.handling = here.handling;
    standing = relations(member, facts);
  }
  const UnixMillis now = std::max(batch.now, last_leaf_time_);
  if (transmits || passes_on) {
    Asks asks = asks_of(*facts.case_row, now);
    if (answered && is_access) add_asks(*answered, now, asks);
    for (const std::string& condition : address.handling)
      if (std::find(asks.handling.begin(), asks.handling.end(), condition) == asks.handling.end())
        asks.handling.push_back(condition);
    facts.handling = std::move(asks.handling);
    facts.passing = asks.conditions;
  }

  asked.handling = protocol::handling_text(facts.handling);

  // May they: the one policy function.
  const protocol::Decision decision = decide(Act::submit, member, facts, standing);
  if (!decision)
    return deny(decision.rule == "interdit.sans.accord" ? Code::agreement_missing : Code::forbidden, decision.rule);
  // To another instance nobody gives a report but who could have transmitted it there.
  if (passes_on) {
    ExchangeFacts there = facts;
    there.queue = queue;
    there.kind = queue->kind == QueueKind::cpraf ? Kind::orientation_cpraf : Kind::transmission;
    const protocol::Decision passing = decide(Act::submit, member, there, standing);
    if (!passing) return deny(Code::forbidden, passing.rule);
  }

  // The destination fits the case: its instance, or the organisation that opened it; of a linked case, for what answers
  // or asks, the instance that passed it on.
  if (transmits) {
    if (auto refused = refuse_transmission(*facts.case_row, kind, *queue)) return *std::move(refused);
  } else if (passes_on) {
    const Kind original = static_cast<Kind>(answered->kind);
    if (!protocol::says_what_is_reported(original) && !protocol::is_transmission(original))
      return deny(Code::invalid, "in_reply_to");
    auto there = linked_in(*facts.case_row, queue->id);
    if (!there) return deny(Code::invalid, "queue");
    facts.case_row = std::move(there);
  } else if (facts.case_row && queue->kind != QueueKind::audit) {
    const bool passed_here = facts.case_row->origin.value != 0;
    std::string_view addressee = facts.case_queue;
    if (passed_here && (kind == Kind::retour || kind == Kind::demande_de_complement)) {
      const auto origin = store_.case_file(facts.case_row->origin);
      addressee = origin ? queue_name(origin->queue) : std::string_view();
    }
    const bool to_party =
        !passed_here && (queue->kind != QueueKind::org || queue->organisation == facts.case_row->organisation);
    if (is_instance(queue->kind) ? queue->id != addressee : !to_party) return deny(Code::invalid, "queue");
    // What answers it is of the linked case, and so is what lets others read it.
    if (answers_here) facts.case_row = answered_facts.case_row;
  }
  if (gives)
    if (auto refused = refuse_nominative(*answered, *facts.case_row, *queue, now)) return *std::move(refused);
  const auto side = party && !instance ? protocol::CaseSide::partie : protocol::CaseSide::instance;
  if (kind == Kind::agrement)
    if (auto refused = refuse_agreement(member, answered, side)) return *std::move(refused);
  if (is_access) {
    facts.queue = queue;
    facts.case_queue = queue_name(facts.case_row->queue);
    const auto of = store_.exchange(facts.case_row->number);
    if (of) asked.case_id = of->id;
  }

  // Sealed to whom the directory names today.
  if (queue->keys.empty()) return deny(Code::invalid, "roster");
  if (queue->keys.size() > protocol::recipients_max) return deny(Code::too_large, "recipients");
  const Digest roster_digest = current_roster_digest(*queue);
  if (address.roster != roster_digest) return deny(Code::stale_directory);

  // A nonce serves once, a payload belongs to one exchange.
  const Digest nonce = nonce_hash(address);
  if (store_.find_nonce(nonce)) return deny(Code::conflict);
  if (is_access) {
    const auto original = protocol::decode_seal(answered->seal);
    if (!original || static_cast<Kind>(answered->kind) == Kind::acces) return deny(Code::invalid, "in_reply_to");
    if (seal.payload != original->payload || seal.payload_size != original->payload_size)
      return deny(Code::invalid, "payload");
    if (seal.file_key_commitment != original->file_key_commitment) return deny(Code::invalid, "seal");
    const auto original_address = protocol::decode_address(answered->address);
    if (!address.handling.empty() && (!original_address || address.handling != original_address->handling))
      return deny(Code::invalid, "handling");
    // Of one queue and case: what was passed on elsewhere takes no place here.
    std::vector<Part> parts = parts_of(*answered);
    const QueueState* there = find_queue(queue->id);
    parts.erase(std::remove_if(parts.begin(), parts.end(),
                               [&](const Part& part) {
                                 return !there || part.exchange.queue != there->key ||
                                        part.exchange.case_number != facts.case_row->number;
                               }),
                parts.end());
    if (parts.size() >= protocol::access_parts_max) return deny(Code::too_large, "recipients");
    // Nobody here can tell a part that opens nothing: whoever makes many must not use up the others' places.
    const auto own = std::count_if(parts.begin(), parts.end(), [&](const Part& part) {
      if (part.access.number == answered->number) return false;
      const auto its_address = protocol::decode_address(part.exchange.address);
      return its_address && its_address->sender == member.id;
    });
    if (static_cast<std::size_t>(own) >= protocol::access_parts_per_sender_max)
      return deny(Code::too_large, "recipients");
  } else if (store_.find_payload(seal.payload)) {
    return deny(Code::invalid, "release");
  }

  // The step is in the case table.
  const protocol::CaseRow* step = nullptr;
  if (kind_row->opens_case || kind_row->names_case) {
    protocol::CaseFacts at = facts.case_row ? case_facts(*facts.case_row, batch.now) : protocol::CaseFacts{};
    // An answer outlives its case: who comes later is given it while the case that it went to stands.
    if (answers_here && at.state == CaseState::efface)
      if (const auto origin = store_.case_file(facts.case_row->origin)) at = case_facts(*origin, batch.now);
    const std::string_view finding = kind == Kind::recevabilite ? attribute : std::string_view();
    step = protocol::step_of(at, kind, finding, kind == Kind::agrement ? std::optional(side) : std::nullopt);
    if (step == nullptr) {
      const auto told_as = party ? protocol::CaseSide::partie : protocol::CaseSide::instance;
      const bool told = facts.case_row && is_told(*facts.case_row, batch.now);
      return deny(Code::illegal_transition, protocol::illegal_step(at, kind, finding, told_as, told));
    }
    if (kind == Kind::information_nominative) {
      const UnixMillis until = protocol::nominative_until(attribute);
      if (until <= now || until > now + protocol::nominative_ahead_max) return deny(Code::invalid, "attributes");
    }
    if (step->effect == protocol::CaseEffect::defers) {
      const UnixMillis review = protocol::day_of(attribute).value_or(UnixMillis{});
      if (review <= batch.now || review > batch.now + protocol::review_ahead_max)
        return deny(Code::invalid, "attributes");
    }
  }

  // Accepted. From here on nothing refuses.
  QueueState& linked = queue_state(batch, queue->id);
  const audit::QueueHead head_before = linked.head;
  linked.head = audit::queue_next(linked.head, request.id);

  ExchangeRow row;
  row.number = {store_.exchange_count() + 1};
  row.id = request.id;
  row.nonce = nonce;
  row.accepted_at = batch.now;
  row.queue = linked.key;
  row.head = linked.head;
  row.kind = address.kind;
  if (facts.case_row) row.case_number = facts.case_row->number;
  if (kind_row->opens_case || transmits) row.case_number = row.number;
  row.roster = current_roster(batch, *queue, roster_digest);
  row.body_bytes = body_bytes;
  batch.free_bytes -= std::min(batch.free_bytes, 2 * body_bytes);
  usage_of(batch, member).bytes += body_bytes;
  if (kind_row->opens_case) asked.case_id = request.id;
  // The answer of a linked case goes to an instance, which waits for no hour.
  const bool answers = step != nullptr && step->effect == protocol::CaseEffect::answers && !is_instance(queue->kind);
  const UnixMillis seen_at = answers ? shown_at(batch.now) : batch.now;
  const bool withheld = seen_at > batch.now;
  if (withheld) asked.shown_at = seen_at;

  const Decided decided{"ok", decision.rule, head.number, linked.head, {}, {}};
  const audit::Record record = make_record(&member, asked, decided);
  const Logged logged = log(batch, kind_row->act, record);
  row.leaf = logged.place;
  row.signature = request.envelope.signature;
  row.seal = std::move(request.envelope.seal);
  row.address = std::move(request.envelope.address);
  batch.tx.add_exchange(row, is_access ? std::nullopt : std::optional<Digest>(seal.payload));
  batch.tx.add_body(row.number, request.envelope.locked, request.envelope.payload);
  batch.tx.add_access({row.number, is_access ? answered->number : row.number, batch.lease.id,
                       crypto::lease_release_key(request.release_key, request.id, batch.lease.key)});
  if (kind == Kind::agrement)
    batch.tx.add_agreement({row.number, answered->number, member.person, member.organisation,
                            capacities_of(member, side), attribute == protocol::opinion_words().front(), good_until});
  if (gives) batch.tx.add_nominative_release({row.number, answered->number, nominative_ends(*answered)});
  if (withheld) {
    linked.withheld.push_back({row.number, head_before, seen_at});
    withholding_.insert(queue->id);
    batch.tx.withhold({row.number, seen_at});
  }
  if (kind_row->opens_case) {
    CaseRow opened;
    opened.number = row.number;
    opened.queue = linked.key;
    opened.kind = address.kind;
    opened.state = static_cast<std::uint8_t>(step->to);
    opened.person = member.person;
    opened.organisation = member.organisation;
    opened.opened_at = opened.updated_at = opened.party_updated_at = batch.now;
    opened.exchanges = opened.party_exchanges = 1;
    batch.tx.add_case(opened);
    facts.case_row = std::move(opened);
    facts.case_queue = queue->id;
  } else if (transmits) {
    // Nothing else of the case moves: to its collectivité nothing happened.
    CaseRow opened;
    opened.number = row.number;
    opened.origin = facts.case_row->number;
    opened.queue = row.queue;
    opened.kind = address.kind;
    opened.state = static_cast<std::uint8_t>(protocol::linked_case_begins);
    opened.person = facts.case_row->person;
    opened.organisation = facts.case_row->organisation;
    opened.opened_at = opened.updated_at = batch.now;
    opened.exchanges = 1;
    batch.tx.add_case(opened);
    facts.case_row->updated_at = batch.now;
    batch.tx.update_case(*facts.case_row);
    facts.case_row = std::move(opened);
    facts.case_queue = queue->id;
  } else if (facts.case_row) {
    CaseRow& changed = *facts.case_row;
    const auto state_before = static_cast<CaseState>(changed.state);
    const auto before = view_of(changed, batch.now);
    if (step->effect == protocol::CaseEffect::recuses) batch.tx.add_recusal(changed.number, member.person);
    if (state_before != CaseState::efface) take_step(*step, attribute, batch.now, seen_at, changed);
    changed.updated_at = batch.now;
    ++changed.exchanges;
    // What the first sender's organisation may know moves only with its own acts, with what is sent to it, and with
    // what it is told of the state.
    // What its maire is given in person is not the organisation's to know.
    const bool to_party = queue->kind == QueueKind::org;
    if (withheld || changed.origin.value != 0) {
      // Nothing: until its hour, release_withheld(); and of a linked case ever.
    } else if (member.organisation == changed.organisation || to_party) {
      ++changed.party_exchanges;
      changed.party_updated_at = batch.now;
    } else if (view_of(changed, batch.now) != before) {
      changed.party_updated_at = batch.now;
    }
    count_terms(batch, changed, state_before, address, member);
    batch.tx.update_case(changed);
  }

  Answer answer{
      protocol::Accepted{request.id, proof_of(logged, record, Shown::sender), false}, logged.place, {}, {}, {}};
  const auto followed = followed_.find(queue->id);
  if (followed != followed_.end() && !followed->second.empty() && linked.withheld.empty()) {
    if (is_access || transmits)
      facts = facts_of(row);
    else
      facts.rosters = {roster(row.roster)};
    facts.queue = queue;
    protocol::QueueItem item;
    item.queue = queue->id;
    item.head = row.head;
    item.exchange = row.id;
    item.address = std::move(row.address);
    item.seal = std::move(row.seal);
    item.signature = row.signature;
    item.accepted_at = row.accepted_at;
    item.leaf = row.leaf.index;
    batch.arrived[queue->id].push_back({std::move(item), std::move(facts)});
  }
  return answer;
}

std::optional<Denial> CoreState::refuse_transmission(const CaseRow& row, Kind kind, const protocol::Queue& to) const {
  const protocol::Queue* from = directory_->queue(queue_name(row.queue));
  if (from == nullptr || to.id == from->id) return deny(Code::invalid, "queue");
  if (kind == Kind::orientation_cpraf && to.territory != from->territory) return deny(Code::invalid, "queue");
  // What stands there is added to by access parts; a second case about the same report would be evaluated twice,
  // whichever way it came.
  const std::vector<CaseRow> origins = origins_of(row);
  if (stands_in(origins.empty() ? row : origins.back(), to.id)) return deny(Code::invalid, "queue");
  if (linked_to(row).size() >= protocol::case_transmissions_max || origins.size() >= protocol::transfers_chain_max)
    return deny(Code::too_large, "transfers");
  return std::nullopt;
}

std::optional<CaseRow> CoreState::linked_in(const CaseRow& row, std::string_view queue) const {
  for (CaseRow& linked : linked_to(row))
    if (queue_name(linked.queue) == queue) return std::move(linked);
  return std::nullopt;
}

}  // namespace pli::broker
