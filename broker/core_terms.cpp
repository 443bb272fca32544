// The terms of cases: what counts them, what announces an erasure, and the erasure itself, some at each tick.
// docs/storage.md, "Erasure of cases"; protocol/retention.hpp has the rules.
#include <algorithm>

#include "broker/core_state.hpp"
#include "protocol/retention.hpp"

namespace pli::broker {
namespace {

using protocol::CaseState;
using protocol::Code;
using protocol::Kind;

/// Cases looked at by one tick: 720,000 in a day.
constexpr std::size_t cases_step = 500;
/// Erased by one tick, at most: each makes a leaf, and the zeros written over it go through the WAL.
constexpr std::size_t erased_step = 256;
constexpr std::uint64_t erased_bytes_step = 32ULL * 1024 * 1024;

protocol::CaseTimes times_of(const CaseRow& row, const CaseTermRow& term) {
  protocol::CaseTimes times;
  times.opened_at = row.opened_at;
  times.examined_at = row.told_at;
  times.closed_at = term.closed_at;
  times.term = row.out_of_scope ? protocol::TermClass::bref
                                : protocol::term_class_of_number(term.term).value_or(protocol::TermClass::ordinaire);
  times.noticed_at = term.noticed_at;
  times.read = row.opened;
  if (static_cast<CaseState>(row.state) == CaseState::retire) times.withdrawn_at = row.updated_at;
  return times;
}

std::vector<protocol::Voice> voices_on(VoiceOn what, const std::vector<CaseVoiceRow>& rows) {
  std::vector<protocol::Voice> out;
  for (const CaseVoiceRow& row : rows)
    if (row.what == what) out.push_back({row.person, row.at});
  return out;
}

}  // namespace

void CoreState::count_terms(Batch& batch, CaseRow& row, CaseState before, const protocol::Address& address,
                            const protocol::Member& sender) const {
  const auto kind = static_cast<Kind>(address.kind);
  const auto state = static_cast<CaseState>(row.state);
  const CaseTermRow known = store_.case_term(row.number);
  CaseTermRow term = known;
  if (kind == Kind::maintien) {
    batch.tx.set_case_voice({row.number, VoiceOn::hold, sender.person, batch.now});
    term.held_until = protocol::held_until(voices_on(VoiceOn::hold, store_.case_voices(row.number)));
  }
  if (kind == Kind::demande_effacement)
    batch.tx.set_case_voice({row.number, VoiceOn::erasure, sender.person, batch.now});
  if (state == CaseState::clos && before != CaseState::clos) {
    term.closed_at = batch.now;
    term.term = static_cast<std::uint8_t>(protocol::TermClass::ordinaire);
    for (const auto& [name, value] : address.attributes)
      if (const auto named = protocol::term_class_of(value); named && name == "terme")
        term.term = static_cast<std::uint8_t>(*named);
  } else if (state != CaseState::clos && before == CaseState::clos) {
    term.closed_at = term.noticed_at = {};
  }
  if (term != known) batch.tx.set_case_term(term);
}

void CoreState::show_terms(const CaseRow& row, UnixMillis now, protocol::CaseItem& item) const {
  const CaseTermRow term = store_.case_term(row.number);
  protocol::CaseTimes times = times_of(row, term);
  if (item.commune) {
    if (!is_told(row, now)) times.examined_at = {};
    item.term = protocol::party_term_of(times, settings_.terms);
    item.noticed = item.term.value != 0 && now >= item.term - protocol::term_notice;
    return;
  }
  item.term = stands_until(row);
  item.noticed = times.noticed_at.value != 0;
  item.held = term.held_until > now;
}

UnixMillis CoreState::stands_until(const CaseRow& row) const {
  const CaseTermRow term = store_.case_term(row.number);
  UnixMillis until = protocol::erased_at(times_of(row, term), settings_.terms, term.held_until);
  for (const CaseRow& linked : linked_to(row)) until = std::max(until, stands_until(linked));
  return std::min(until, protocol::ceiling_of(row.opened_at));
}

void CoreState::record_terms(Batch& batch) {
  if (terms_recorded_) return;
  terms_recorded_ = true;
  std::string rule = protocol::text_of(settings_.terms);
  if (!settings_.legal_act.empty()) rule += " act " + settings_.legal_act;
  const std::string recorded = store_.term_rule();
  if (rule == (recorded.empty() ? protocol::text_of(protocol::Terms()) : recorded)) return;
  Asked asked;
  asked.act = act_terms;
  asked.terms = rule;
  batch.tx.set_term_rule(log(batch, audit::LeafType::modification, make_record(nullptr, asked, {})).place, rule);
}

Result<void> CoreState::expire(Batch& batch) {
  std::vector<Due> due;
  erased_now_ = 0;
  if (!unfinished_) {
    unfinished_ = keys_.erased();
    content_in_wal_ = !unfinished_->empty();
  }
  take_unfinished(due);
  const std::size_t listed = due.size();
  due_max_ = std::min(erased_step, listed + keys_.erasure_room());

  take_nominative(std::max(batch.now, last_leaf_time_), due);
  const std::vector<CaseRow> rows = store_.cases_after(terms_through_, cases_step);
  bool room = true;
  for (const CaseRow& row : rows) {
    room = take_case(batch, row, due);
    if (!room) break;
    terms_through_ = row.number;
  }
  if (room && rows.size() < cases_step) {
    terms_through_ = {};
    noticed_ = noticed_counted_;
    noticed_counted_ = 0;
    take_loose(batch.now, due);
  }
  if (due.empty()) return {};

  // Named in both copies of the lease file first. Should we stop before the commit, the next start finds them there and
  // goes on; a backup put back meanwhile has them erased by `restore`.
  std::vector<Digest> named;
  for (std::size_t i = listed; i < due.size(); ++i) named.push_back(due[i].row.id);
  if (!named.empty())
    if (auto written = keys_.record_erased(named, batch.now); !written) return written;
  for (const Due& each : due) erase_exchange(batch, each);
  erased_now_ = due.size();
  content_in_wal_ = true;
  return {};
}

void CoreState::take_unfinished(std::vector<Due>& due) {
  while (!unfinished_->empty() && due.size() < erased_step) {
    const LeaseFile::Erased named = unfinished_->back();
    unfinished_->pop_back();
    const auto row = store_.find_exchange(named.exchange);
    // None where a rollback gave it up.
    if (row && !(row->erased && store_.erasure(row->number))) due.push_back({*row, "reprise", named.at});
  }
}

bool CoreState::take_case(Batch& batch, const CaseRow& row, std::vector<Due>& due) {
  const CaseTermRow known = store_.case_term(row.number);
  if (known.gone) return true;
  CaseTermRow term = known;
  const auto requests = voices_on(VoiceOn::erasure, store_.case_voices(row.number));
  const bool early = protocol::is_erasure_agreed(requests, batch.now) && !is_held(row, batch.now);
  const bool last = batch.now >= protocol::ceiling_of(row.opened_at);
  const Due as{{}, early ? "demande" : last ? "plafond" : "terme", batch.now};
  bool erased = static_cast<CaseState>(row.state) == CaseState::efface;
  bool room = true;
  if (!erased) {
    if (protocol::is_notice_void(times_of(row, term), settings_.terms, batch.now)) term.noticed_at = {};
    if (protocol::is_notice_due(times_of(row, term), settings_.terms, batch.now)) term.noticed_at = batch.now;
    const UnixMillis at = protocol::erased_at(times_of(row, term), settings_.terms, term.held_until);
    const bool unannounced = static_cast<CaseState>(row.state) == CaseState::retire;
    const bool at_term = (unannounced || term.noticed_at.value != 0) && batch.now >= at && linked_to(row).empty();
    if (early || last || at_term) {
      room = erased = take_instance(batch, row, as, due);
    } else if (term.noticed_at.value != 0) {
      ++noticed_counted_;
    }
  }
  if (row.origin.value != 0) {
    term.gone = erased;  // nothing of it was sent to a collectivité
  } else if (room && (early || protocol::is_party_due(times_of(row, term), settings_.terms, batch.now))) {
    room = take_side(row, Side::party, as, due);
    term.gone = room && erased;
  }
  if (term != known) batch.tx.set_case_term(term);
  return room;
}

bool CoreState::take_instance(Batch& batch, const CaseRow& row, const Due& as, std::vector<Due>& due) const {
  for (const CaseRow& linked : linked_to(row))
    if (!take_instance(batch, linked, as, due)) return false;
  if (!take_side(row, Side::instance, as, due) || !take_answers(row, as, due)) return false;
  CaseRow changed = row;
  changed.state = static_cast<std::uint8_t>(CaseState::efface);
  // Closed without a retour, its collectivité is told `examen_termine` from here on, and its copies count from it.
  if (changed.told_at.value == 0) changed.told_at = batch.now;
  batch.tx.update_case(changed);
  return true;
}

bool CoreState::is_held(const CaseRow& row, UnixMillis now) const {
  if (store_.case_term(row.number).held_until > now) return true;
  const std::vector<CaseRow> linked = linked_to(row);
  return std::any_of(linked.begin(), linked.end(), [&](const CaseRow& each) { return is_held(each, now); });
}

bool CoreState::take_side(const CaseRow& row, Side side, const Due& as, std::vector<Due>& due) const {
  const auto origin = row.origin.value == 0 ? std::nullopt : store_.case_file(row.origin);
  return take_exchanges(row, as, due, [&](const ExchangeRow& exchange) {
    if (origin && exchange.queue == origin->queue) return false;  // goes with the case that it was an answer to
    const bool party = protocol::is_party_copy(queue_name(exchange.queue), static_cast<Kind>(exchange.kind));
    return party == (side == Side::party);
  });
}

bool CoreState::take_answers(const CaseRow& row, const Due& as, std::vector<Due>& due) const {
  // Erased ones too: what they sent here has waited for this.
  for (const ExchangeNumber number : store_.linked_cases(row.number)) {
    const auto linked = store_.case_file(number);
    const auto stands_here = [&](const ExchangeRow& exchange) { return exchange.queue == row.queue; };
    if (linked && !take_exchanges(*linked, as, due, stands_here)) return false;
  }
  return true;
}

bool CoreState::take_exchanges(const CaseRow& row, const Due& as, std::vector<Due>& due,
                               const std::function<bool(const ExchangeRow&)>& goes) const {
  std::uint64_t bytes = 0;
  for (const Due& each : due) bytes += each.row.body_bytes;
  const auto take = [&](ExchangeNumber number) {
    auto exchange = store_.exchange(number);
    if (!exchange || exchange->erased || !goes(*exchange)) return true;
    const bool taken = std::any_of(due.begin(), due.end(), [&](const Due& each) { return each.row.number == number; });
    if (taken) return true;
    if (due.size() >= due_max_ || (bytes >= erased_bytes_step && !due.empty())) return false;
    bytes += exchange->body_bytes;
    due.push_back({*std::move(exchange), as.rule, as.at});
    return true;
  };
  if (!take(row.number)) return false;
  for (ExchangeNumber after = row.number;;) {
    const auto numbers = store_.exchanges_of_case(row.number, after, erased_step);
    for (const ExchangeNumber number : numbers)
      if (!take(number)) return false;
    if (numbers.size() < erased_step) return true;
    after = numbers.back();
  }
}

void CoreState::take_nominative(UnixMillis now, std::vector<Due>& due) const {
  for (const NominativeRow& given : store_.nominative_due(now, erased_step)) {
    if (due.size() >= due_max_) return;
    auto part = store_.exchange(given.part);
    if (!part || part->erased) continue;
    const bool taken =
        std::any_of(due.begin(), due.end(), [&](const Due& each) { return each.row.number == given.part; });
    if (!taken) due.push_back({*std::move(part), "terme", now});
  }
}

void CoreState::take_loose(UnixMillis now, std::vector<Due>& due) {
  loose_left_ = false;
  for (ExchangeNumber after{};;) {
    const auto numbers = store_.exchanges_of_case({0}, after, erased_step);
    for (const ExchangeNumber number : numbers) {
      auto row = store_.exchange(number);
      if (!row || row->erased) continue;
      if (now < protocol::loose_term_of(row->accepted_at, settings_.terms)) return;
      loose_left_ = due.size() >= due_max_;
      if (loose_left_) return;
      due.push_back({*std::move(row), "terme", now});
    }
    if (numbers.size() < erased_step) return;
    after = numbers.back();
  }
}

void CoreState::erase_exchange(Batch& batch, const Due& due) {
  Asked asked;
  asked.act = act_erase_exchange;
  asked.exchange = due.row.id;
  asked.case_id = case_id_of(due.row);
  asked.erased_at = due.at;
  asked.backups_at = due.at + protocol::lease_life;
  const Logged logged =
      log(batch, audit::LeafType::effacement, make_record(nullptr, asked, {"ok", due.rule, {}, {}, {}, {}}));
  batch.tx.erase_exchange(due.row.number, logged.place);
  damaged_.erase(due.row.number);
}

}  // namespace pli::broker
