// When an instance sits: a first day, a cadence, and the days struck out of it or added to it. It stands in the
// instance's queue entry, so it is signed by k authorities like everything else. Pure: days in, days out, all of them
// as the calendar shows them in Paris (base/paris_time.hpp). docs/protocol.md, "Séances"; docs/decisions/0021.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/paris_time.hpp"
#include "protocol/vocabulary.hpp"

namespace pli::protocol {

inline constexpr std::uint32_t seance_cadence_days_max = 366;
inline constexpr std::size_t seances_added_max = 64;
inline constexpr std::size_t seances_struck_max = 64;

struct SeanceCalendar {
  Day first{};
  std::uint32_t every_days = 1;
  std::vector<Day> added = {};   ///< ascending; none of the cadence
  std::vector<Day> struck = {};  ///< ascending; each of the cadence
  bool operator==(const SeanceCalendar&) const = default;
};
/// GED, CLIR and CPRAF sit; other queues have no calendar.
[[nodiscard]] bool has_seances(QueueKind kind);
/// What an authority that names no cadence gets: 15 days for a GED (circular of 14 December 2018), 30 for a CLIR.
/// Nothing for a CPRAF: no text has a number.
[[nodiscard]] std::optional<std::uint32_t> usual_cadence(QueueKind kind);
/// Why it cannot be written or read, in English; empty when it can. One calendar has one spelling.
[[nodiscard]] std::string flaw_of(const SeanceCalendar& calendar);

[[nodiscard]] bool is_seance(const SeanceCalendar& calendar, Day day);
/// The first after this day, itself not included. Nothing beyond 2199, where no date in clear goes.
[[nodiscard]] std::optional<Day> next_seance(const SeanceCalendar& calendar, Day after);
/// From one day to another, both included.
[[nodiscard]] std::vector<Day> seances_between(const SeanceCalendar& calendar, Day from, Day to);

/// Has it sit on that day, or not: by taking back what says the contrary, else by an exception. Either may leave it
/// with too many (flaw_of).
void add_seance(SeanceCalendar& calendar, Day day);
void strike_seance(SeanceCalendar& calendar, Day day);

}  // namespace pli::protocol
