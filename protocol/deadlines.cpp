#include "protocol/deadlines.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include "base/paris_time.hpp"
#include "protocol/case_life.hpp"
#include "protocol/contract.hpp"

namespace pli::protocol {
namespace {

/// 31 December 2199, as day_of(): beyond it no calendar of ours counts, and no sum of ours overflows.
constexpr UnixMillis counted_until{7'258'032'000'000};

/// 31 January and one month is the last of February.
Day months_after(Day day, std::uint32_t months) {
  using namespace std::chrono;
  const year_month_day date(day);
  const year_month_day later = date + std::chrono::months(static_cast<int>(months));
  return later.ok() ? Day(later) : Day(later.year() / later.month() / last);
}

UnixMillis end_of(Day day) { return paris_midnight(day + std::chrono::days(1)); }

void promise(Delay& delay, std::uint32_t days) {
  delay.days = delay.promised ? std::min(delay.days, days) : days;
  delay.promised = true;
}

/// Ended: by `ended`, or not at all.
DutyState state_of(UnixMillis due, const std::optional<Moment>& ended, UnixMillis now) {
  if (!ended) return now < due ? DutyState::running : DutyState::late;
  if (ended->at.value == 0) return DutyState::done;
  return ended->at < due ? DutyState::kept : DutyState::missed;
}

Deadline counted(Duty duty, const Moment& started, UnixMillis due, bool promised, const std::optional<Moment>& ended,
                 UnixMillis now) {
  return {duty, started, due, promised, {}, ended, state_of(due, ended, now)};
}

/// Whatever was not done when its case was taken back is owed no more; what was late by then stays missed.
void withdraw(Deadline& deadline, const std::optional<Moment>& withdrawn) {
  if (!withdrawn || deadline.ended) return;
  deadline.ended = withdrawn;
  deadline.state = withdrawn->at < deadline.due ? DutyState::lapsed : DutyState::missed;
}

/// case_life.cpp has no such step of a case that nobody has read.
bool needs_opening(Kind kind) {
  return kind == Kind::recevabilite || kind == Kind::demande_de_complement || kind == Kind::inscription ||
         kind == Kind::mise_en_evaluation || kind == Kind::decision;
}

void add_receipt(UnixMillis sent_at, const Moment& received, const Delays& delays, UnixMillis now,
                 std::vector<Deadline>& out) {
  if (sent_at.value == 0 || delays.accuse_de_reception.days == 0) return;
  out.push_back(counted(Duty::accuse_de_reception, {sent_at, {}}, late_from(sent_at, delays.accuse_de_reception),
                        delays.accuse_de_reception.promised, received, now));
}

}  // namespace

std::string_view text_of(Duty duty) {
  switch (duty) {
    case Duty::accuse_de_reception: return "accuse_de_reception";
    case Duty::premiere_lecture: return "premiere_lecture";
    case Duty::decision: return "decision";
    case Duty::retour: return "retour";
    case Duty::examen: return "examen";
    case Duty::point_de_situation: return "point_de_situation";
    case Duty::charte: return "charte";
  }
  return {};
}

std::string_view french(Duty duty) {
  switch (duty) {
    case Duty::accuse_de_reception: return "accusé de réception";
    case Duty::premiere_lecture: return "première lecture";
    case Duty::decision: return "décision";
    case Duty::retour: return "retour à la collectivité";
    case Duty::examen: return "examen et retour";
    case Duty::point_de_situation: return "point de situation";
    case Duty::charte: return "charte en vigueur";
  }
  return {};
}

std::string_view text_of(DutyState state) {
  switch (state) {
    case DutyState::running: return "running";
    case DutyState::late: return "late";
    case DutyState::kept: return "kept";
    case DutyState::missed: return "missed";
    case DutyState::done: return "done";
    case DutyState::lapsed: return "lapsed";
  }
  return {};
}

std::string_view french(DutyState state) {
  switch (state) {
    case DutyState::running: return "en cours";
    case DutyState::late: return "EN RETARD";
    case DutyState::kept: return "tenu";
    case DutyState::missed: return "manqué";
    case DutyState::done: return "fait";
    case DutyState::lapsed: return "sans objet";
  }
  return {};
}

UnixMillis late_from(UnixMillis start, const Delay& delay) {
  if (delay.days == 0 && delay.months == 0) return {};
  if (start.value < 0 || start > counted_until) return start;
  const Day day = paris_time(start).day;
  const UnixMillis by_days = end_of(day + std::chrono::days(static_cast<int>(delay.days)));
  const UnixMillis by_months = end_of(months_after(day, delay.months));
  if (delay.months == 0) return by_days;
  return delay.days == 0 ? by_months : std::min(by_days, by_months);
}

UnixMillis end_of_day(UnixMillis moment) {
  return moment.value < 0 || moment > counted_until ? moment : end_of(paris_time(moment).day);
}

Delays delays_of(std::span<const std::string> engagements) {
  Delays out;
  struct Row {
    std::string_view name;
    Delay Delays::*delay;
  };
  static constexpr std::array<Row, 6> rows = {{{"accuse_de_reception", &Delays::accuse_de_reception},
                                               {"premiere_lecture", &Delays::premiere_lecture},
                                               {"premiere_lecture_urgente", &Delays::premiere_lecture_urgente},
                                               {"decision", &Delays::decision},
                                               {"retour", &Delays::retour},
                                               {"point_de_situation", &Delays::point_de_situation}}};
  for (const std::string& line : engagements) {
    const auto engagement = engagement_of(line);
    if (!engagement || engagement->days == 0 || engagement->days > engagement_days_max) continue;
    for (const Row& row : rows)
      if (row.name == engagement->name) promise(out.*row.delay, static_cast<std::uint32_t>(engagement->days));
  }
  if (out.point_de_situation.promised) out.point_de_situation.months = Delays::situation_months_max;
  if (out.premiere_lecture.days < out.premiere_lecture_urgente.days)
    out.premiere_lecture_urgente = out.premiere_lecture;
  return out;
}

bool is_escalated(const Deadline& deadline, UnixMillis now) {
  return deadline.escalates.value != 0 && !deadline.ended && now >= deadline.escalates;
}

CaseRoad road_of(std::span<const CaseAct> acts) {
  CaseRoad out;
  bool received = false;
  const auto earliest = [](std::optional<Moment>& slot, const Moment& moment) {
    if (!slot || moment.at < slot->at) slot = moment;
  };
  for (const CaseAct& act : acts) {
    if (act.opening) {
      earliest(out.opened, act.moment);
      continue;
    }
    // What passes a case on is an act of the linked case it opens, and no step of it.
    const bool passes_on = is_transmission(act.kind);
    if ((row_of(act.kind)->opens_case || passes_on) && (!received || act.moment.at < out.received.at)) {
      out.received = act.moment;
      received = true;
    }
    if (needs_opening(act.kind) && !passes_on) earliest(out.opened_by, act.moment);
    if (act.kind == Kind::decision) earliest(out.decided, act.moment);
    if (act.kind == Kind::retour) earliest(out.answered, act.moment);
    if (act.kind == Kind::retrait) earliest(out.withdrawn, act.moment);
    if (act.kind == Kind::report_du_retour)
      if (const auto day = day_of(act.date)) out.deferrals.push_back({act.moment.at, end_of_day(*day)});
  }
  std::sort(out.deferrals.begin(), out.deferrals.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
  return out;
}

std::vector<Deadline> case_deadlines(const CaseRoad& road, const Delays& delays, UnixMillis now) {
  std::vector<Deadline> out;
  add_receipt(road.sent_at, road.received, delays, now, out);

  const bool urgent = road.urgency == Urgency::urgente;
  const Delay& reading = urgent ? delays.premiere_lecture_urgente : delays.premiere_lecture;
  const UnixMillis read_by = late_from(road.received.at, reading);
  const bool shown_in_time =
      road.opened && road.opened->at.value == 0 && road.opened_by && road.opened_by->at < read_by;
  Deadline opened = counted(Duty::premiere_lecture, road.received, read_by, reading.promised,
                            shown_in_time ? road.opened_by : road.opened, now);
  // Half-way: late enough for whoever reads first to have done so, early enough for another to keep the promise.
  if (urgent) opened.escalates = opened.started.at + (opened.due - opened.started.at) / 2;
  out.push_back(std::move(opened));

  out.push_back(counted(Duty::decision, road.received, late_from(road.received.at, delays.decision),
                        delays.decision.promised, road.decided, now));
  // Not counted from a decision of which nobody said when it was taken.
  if (road.decided && road.decided->at.value != 0) {
    UnixMillis due = late_from(road.decided->at, delays.retour);
    for (const CaseRoad::Deferral& deferral : road.deferrals)
      if (deferral.at >= road.decided->at && deferral.at < due) due = std::max(due, deferral.until);
    out.push_back(counted(Duty::retour, *road.decided, due, delays.retour.promised, road.answered, now));
  }
  for (Deadline& deadline : out) withdraw(deadline, road.withdrawn);
  return out;
}

std::vector<Deadline> party_deadlines(const PartyRoad& road, const Delays& delays, UnixMillis now) {
  std::vector<Deadline> out;
  add_receipt(road.sent_at, road.received, delays, now, out);
  const UnixMillis decided_by = late_from(road.received.at, delays.decision) - std::chrono::milliseconds(1);
  out.push_back(counted(Duty::examen, road.received, late_from(decided_by, delays.retour),
                        delays.decision.promised && delays.retour.promised, road.told, now));
  for (Deadline& deadline : out) withdraw(deadline, road.withdrawn);
  return out;
}

std::vector<Deadline> situation_deadlines(UnixMillis from, UnixMillis ends, std::vector<Moment> points,
                                          const Delays& delays, UnixMillis now) {
  if (!delays.point_de_situation.promised) return {};
  std::sort(points.begin(), points.end(), [](const Moment& a, const Moment& b) { return a.at < b.at; });
  std::vector<Deadline> out;
  Moment last{from, {}};
  for (const Moment& point : points) {
    if (point.at < from || point.at >= ends) continue;
    out.push_back(counted(Duty::point_de_situation, last, late_from(last.at, delays.point_de_situation),
                          delays.point_de_situation.promised, point, now));
    last = point;
  }
  if (now < from) return out;
  Deadline open = counted(Duty::point_de_situation, last, late_from(last.at, delays.point_de_situation),
                          delays.point_de_situation.promised, std::nullopt, now);
  if (now >= ends) withdraw(open, Moment{ends, {}});
  out.push_back(std::move(open));
  return out;
}

std::vector<CharterDeadline> charter_deadlines(std::vector<CharterTerm> charters, UnixMillis now) {
  std::sort(charters.begin(), charters.end(), [](const CharterTerm& a, const CharterTerm& b) {
    return a.territory != b.territory ? a.territory < b.territory : a.from < b.from;
  });
  std::vector<CharterDeadline> out;
  for (const CharterTerm& charter : charters) {
    if (charter.from > now) continue;
    if (out.empty() || out.back().territory != charter.territory)
      out.push_back({charter.territory, {Duty::charte, {charter.from, {}}, charter.to, true, {}, {}, {}}});
    Deadline& known = out.back().deadline;
    if (charter.from > known.due) known.started.at = charter.from;  // after a gap
    known.due = std::max(known.due, charter.to);
  }
  for (CharterDeadline& each : out) each.deadline.state = state_of(each.deadline.due, std::nullopt, now);
  return out;
}

std::string second_person(std::vector<std::string> persons, const Digest& case_id) {
  if (persons.empty()) return {};
  std::sort(persons.begin(), persons.end());
  persons.erase(std::unique(persons.begin(), persons.end()), persons.end());
  std::uint64_t drawn = 0;
  for (std::size_t i = 0; i < sizeof drawn; ++i) drawn = drawn << 8 | case_id[i];
  return persons[static_cast<std::size_t>(drawn % persons.size())];
}

}  // namespace pli::protocol
