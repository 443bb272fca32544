// Days and hours as the law counts them in mainland France: legal time (Europe/Paris, with the European summer time in
// force since 1996) and the national holidays of article L3133-1 of the Code du travail. Pure: the machine's own zone
// and its tables are never asked, so that two auditors read the same page. Overseas départements have other hours.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace pli {

/// A day, as the calendar shows it in Paris.
using Day = std::chrono::sys_days;

struct ParisTime {
  Day day{};
  int hour = 0;
  int minute = 0;
  int second = 0;
  bool operator==(const ParisTime&) const = default;
};
[[nodiscard]] ParisTime paris_time(UnixMillis time);
/// When the day begins in Paris. Clocks change at 01:00 UTC, so every day has one midnight.
[[nodiscard]] UnixMillis paris_midnight(Day day);
/// The next time after `time` that clocks in Paris show this full hour, 0 to 23.
[[nodiscard]] UnixMillis next_paris_hour(UnixMillis time, int hour);

/// "2026-11-23" and nothing else, a day that exists.
[[nodiscard]] std::optional<Day> parse_day(std::string_view text);
[[nodiscard]] std::string iso_day(Day day);              ///< "2026-11-23"
[[nodiscard]] std::string french_day(Day day);           ///< "23/11/2026"
[[nodiscard]] std::string french_time(UnixMillis time);  ///< "23/11/2026 21:17:03", in Paris

[[nodiscard]] Day easter_sunday(std::chrono::year year);
[[nodiscard]] bool is_public_holiday(Day day);

/// Hours of Monday to Friday, holidays apart.
struct WorkingHours {
  int begin = 8;
  int end = 19;  ///< excluded
  bool operator==(const WorkingHours&) const = default;
};
/// "8-19": whole hours, 0 <= begin < end <= 24.
[[nodiscard]] std::optional<WorkingHours> parse_working_hours(std::string_view text);
[[nodiscard]] bool is_working_time(UnixMillis time, const WorkingHours& hours);

}  // namespace pli
