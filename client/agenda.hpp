// What stands on which séance of an instance, from headers alone: the day that an inscription names in clear. Pure.
// What is decided there is sealed: client/minutes.hpp. docs/decisions/0021.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/paris_time.hpp"
#include "client/case_duties.hpp"
#include "client/inbox.hpp"
#include "protocol/seances.hpp"

namespace pli::client {

struct Inscription {
  Day day{};
  UnixMillis accepted_at{};
};
/// What the headers of one case say of its way to a decision, each list in the order of its queue.
struct CaseCourse {
  std::vector<Inscription> inscriptions;
  std::vector<protocol::ExchangeId> evaluations;
  std::vector<std::pair<protocol::ExchangeId, UnixMillis>> decisions;  ///< with when each was accepted
  std::vector<std::string> recused;                                    ///< member ids, each once
  std::optional<Day> review;                                           ///< of a retour put off: the day named last
  /// The newest inscription counts; nothing where there is none.
  [[nodiscard]] std::optional<Day> seance() const;
};
/// Of one instance's queue, by case; hidden and superseded headers say nothing.
[[nodiscard]] std::map<Digest, CaseCourse> courses_of(const std::vector<InboxItem>& headers, std::string_view instance);
/// Whether the case stood on the agenda of that day: an inscription names it that no other had replaced when the day
/// began. So a case put off at a séance stays in its relevé, one moved before it does not.
[[nodiscard]] bool stood_on(const CaseCourse& course, Day seance);

enum class AgendaStanding : std::uint8_t { to_inscribe, inscribed, taken_up, decided };
[[nodiscard]] std::string_view text_of(AgendaStanding standing);
[[nodiscard]] std::string_view french(AgendaStanding standing);

struct AgendaCase {
  protocol::CaseItem item;
  AgendaStanding standing = AgendaStanding::inscribed;
  std::optional<Day> seance;  ///< none: nothing is inscribed
  UnixMillis decision_due{};  ///< the first moment at which its decision is too late; 0: it is decided
};
/// The two séances that follow a day.
struct NextSeances {
  std::optional<Day> next, second;
};
[[nodiscard]] NextSeances next_seances(const std::optional<protocol::SeanceCalendar>& calendar, Day today);

struct Agenda {
  std::vector<AgendaCase> cases;  ///< inscribed, by their day; then to be inscribed, the most pressing first
  std::size_t waiting = 0;        ///< neither inscribed nor pressing
};
/// Of the cases the broker lists and what is owed in them (duties_of). A case with nothing inscribed is to be inscribed
/// when its decision is owed before `next.second` begins: the next séance is its last. Cases taken back or erased, and
/// those of which we are a party, are left out.
[[nodiscard]] Agenda agenda_of(const std::vector<CaseDuties>& cases, const std::map<Digest, CaseCourse>& courses,
                               std::string_view instance, const NextSeances& next);

}  // namespace pli::client
