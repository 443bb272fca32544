#include "client/agenda.hpp"

#include <algorithm>
#include <iterator>
#include <tuple>

#include "protocol/case_life.hpp"

namespace pli::client {
namespace {

using protocol::CaseState;
using protocol::Kind;

std::optional<Day> day_named(const protocol::Address& address) {
  for (const auto& [name, value] : address.attributes)
    if (name == "date" && protocol::day_of(value)) return parse_day(value);
  return std::nullopt;
}

void take_in(CaseCourse& course, const InboxItem& item) {
  const protocol::KindRow* row = protocol::row_of_number(item.address.kind);
  if (row == nullptr) return;
  const auto day = day_named(item.address);
  if (row->kind == Kind::inscription && day) course.inscriptions.push_back({*day, item.accepted_at});
  if (row->kind == Kind::mise_en_evaluation) course.evaluations.push_back(item.exchange);
  if (row->kind == Kind::decision) course.decisions.emplace_back(item.exchange, item.accepted_at);
  if (row->kind == Kind::report_du_retour) course.review = day;
  if (row->kind == Kind::recusation &&
      std::find(course.recused.begin(), course.recused.end(), item.address.sender) == course.recused.end())
    course.recused.push_back(item.address.sender);
}

bool is_decided(CaseState state) {
  return state == CaseState::decide || state == CaseState::retour_effectue || state == CaseState::clos;
}

AgendaStanding standing_of(CaseState state, const CaseCourse& course) {
  if (is_decided(state) || !course.decisions.empty()) return AgendaStanding::decided;
  if (state == CaseState::en_evaluation || !course.evaluations.empty()) return AgendaStanding::taken_up;
  // Who came later is not shown the header of an inscription before.
  return course.inscriptions.empty() && state != CaseState::a_l_ordre_du_jour ? AgendaStanding::to_inscribe
                                                                              : AgendaStanding::inscribed;
}

UnixMillis decision_due(const CaseDuties& duties) {
  for (const protocol::Deadline& each : duties.deadlines)
    if (each.duty == protocol::Duty::decision && !each.ended) return each.due;
  return {};
}

}  // namespace

std::optional<Day> CaseCourse::seance() const {
  if (inscriptions.empty()) return std::nullopt;
  return inscriptions.back().day;
}

std::map<Digest, CaseCourse> courses_of(const std::vector<InboxItem>& headers, std::string_view instance) {
  std::vector<const InboxItem*> own;
  for (const InboxItem& item : headers)
    if (item.visible && !item.superseded && item.queue == instance) own.push_back(&item);
  std::sort(own.begin(), own.end(),
            [](const InboxItem* a, const InboxItem* b) { return a->head.number < b->head.number; });
  std::map<Digest, CaseCourse> out;
  for (const InboxItem* item : own)
    take_in(out[item->address.case_id == Digest{} ? item->exchange : item->address.case_id], *item);
  return out;
}

bool stood_on(const CaseCourse& course, Day seance) {
  const UnixMillis begins = paris_midnight(seance);
  for (auto each = course.inscriptions.begin(); each != course.inscriptions.end(); ++each) {
    const auto later = std::next(each);
    const bool held = later == course.inscriptions.end() || later->accepted_at >= begins;
    if (each->day == seance && held) return true;
  }
  return false;
}

std::string_view text_of(AgendaStanding standing) {
  switch (standing) {
    case AgendaStanding::to_inscribe: return "to_inscribe";
    case AgendaStanding::inscribed: return "inscribed";
    case AgendaStanding::taken_up: return "taken_up";
    case AgendaStanding::decided: return "decided";
  }
  return {};
}

std::string_view french(AgendaStanding standing) {
  switch (standing) {
    case AgendaStanding::to_inscribe: return "à inscrire";
    case AgendaStanding::inscribed: return "inscrit";
    case AgendaStanding::taken_up: return "pris en évaluation";
    case AgendaStanding::decided: return "décidé";
  }
  return {};
}

NextSeances next_seances(const std::optional<protocol::SeanceCalendar>& calendar, Day today) {
  NextSeances out;
  if (calendar) out.next = protocol::next_seance(*calendar, today);
  if (out.next) out.second = protocol::next_seance(*calendar, *out.next);
  return out;
}

Agenda agenda_of(const std::vector<CaseDuties>& cases, const std::map<Digest, CaseCourse>& courses,
                 std::string_view instance, const NextSeances& next) {
  static const CaseCourse unknown;
  Agenda out;
  for (const CaseDuties& duties : cases) {
    const protocol::CaseItem& item = duties.item;
    const auto state = protocol::case_state_of(item.state).value_or(CaseState::none);
    if (item.commune || item.queue != instance || state == CaseState::retire || state == CaseState::efface) continue;
    const auto found = courses.find(item.case_id);
    const CaseCourse& course = found == courses.end() ? unknown : found->second;
    const AgendaCase each{item, standing_of(state, course), course.seance(), decision_due(duties)};
    if (each.standing != AgendaStanding::to_inscribe) {
      // The headers shown do not say on which séance it stands: it is listed under none.
      if (each.seance) out.cases.push_back(each);
      continue;
    }
    if (next.second && each.decision_due.value != 0 && each.decision_due <= paris_midnight(*next.second))
      out.cases.push_back(each);
    else
      ++out.waiting;
  }
  std::stable_sort(out.cases.begin(), out.cases.end(), [](const AgendaCase& a, const AgendaCase& b) {
    if (a.seance.has_value() != b.seance.has_value()) return a.seance.has_value();
    if (a.seance) return std::tie(*a.seance, a.item.opened_at) < std::tie(*b.seance, b.item.opened_at);
    return std::tie(a.decision_due, a.item.opened_at) < std::tie(b.decision_due, b.item.opened_at);
  });
  return out;
}

}  // namespace pli::client
