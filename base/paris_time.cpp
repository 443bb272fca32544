#include "base/paris_time.hpp"

#include <array>
#include <cstdio>

namespace pli {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::sys_days;

using Instant = std::chrono::sys_time<milliseconds>;

Instant instant_of(UnixMillis time) { return Instant(milliseconds(time.value)); }
UnixMillis millis_of(Instant instant) { return {instant.time_since_epoch().count()}; }

sys_days last_sunday(std::chrono::year year, std::chrono::month month) {
  return sys_days(year / month / std::chrono::Sunday[std::chrono::last]);
}

/// Directive 2000/84/EC: from the last Sunday of March to the last of October, at 01:00 UTC.
hours offset_at(Instant instant) {
  const std::chrono::year year = std::chrono::year_month_day(std::chrono::floor<days>(instant)).year();
  const Instant begins = last_sunday(year, std::chrono::March) + hours(1);
  const Instant ends = last_sunday(year, std::chrono::October) + hours(1);
  return hours(begins <= instant && instant < ends ? 2 : 1);
}

std::optional<int> take_digits(std::string_view& text, std::size_t least, std::size_t most) {
  std::size_t count = 0;
  int value = 0;
  while (count < most && count < text.size() && text[count] >= '0' && text[count] <= '9')
    value = value * 10 + (text[count++] - '0');
  if (count < least) return std::nullopt;
  text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

std::string format_day(Day day, const char* pattern, bool year_first) {
  const std::chrono::year_month_day date(day);
  const int year = static_cast<int>(date.year());
  const auto month = static_cast<unsigned>(date.month());
  const auto of_month = static_cast<unsigned>(date.day());
  std::array<char, 48> out{};
  if (year_first)
    std::snprintf(out.data(), out.size(), pattern, year, month, of_month);
  else
    std::snprintf(out.data(), out.size(), pattern, of_month, month, year);
  return out.data();
}

}  // namespace

ParisTime paris_time(UnixMillis time) {
  const Instant instant = instant_of(time);
  const Instant local = instant + offset_at(instant);
  const sys_days day = std::chrono::floor<days>(local);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(local - day));
  return {day, static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
          static_cast<int>(clock.seconds().count())};
}

UnixMillis paris_midnight(Day day) {
  const Instant utc_midnight = day;
  // Two hours before, no change of this day has come, and those of the day before are over.
  return millis_of(utc_midnight - offset_at(utc_midnight - hours(2)));
}

UnixMillis next_paris_hour(UnixMillis time, int hour) {
  for (Day day = paris_time(time).day;; day += days(1)) {
    // Of an hour that is shown twice the first, and of one that is skipped the one after it.
    UnixMillis at = paris_midnight(day) + hours(hour);
    const UnixMillis moved = at + hours(hour - paris_time(at).hour);
    if (paris_time(moved).hour == hour) at = moved;
    if (at > time) return at;
  }
}

std::optional<Day> parse_day(std::string_view text) {
  const auto year = take_digits(text, 4, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2, 2);
  if (!day || !text.empty()) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return Day(date);
}

std::string iso_day(Day day) { return format_day(day, "%04d-%02u-%02u", true); }
std::string french_day(Day day) { return format_day(day, "%02u/%02u/%04d", false); }

std::string french_time(UnixMillis time) {
  const ParisTime local = paris_time(time);
  std::array<char, 16> clock{};
  std::snprintf(clock.data(), clock.size(), " %02d:%02d:%02d", local.hour, local.minute, local.second);
  return french_day(local.day) + clock.data();
}

/// The Gregorian computus of Meeus, Jones and Butcher.
Day easter_sunday(std::chrono::year year) {
  const int y = static_cast<int>(year);
  const int a = y % 19;
  const int b = y / 100;
  const int c = y % 100;
  const int h = (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30;
  const int l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
  const int m = (a + 11 * h + 22 * l) / 451;
  const int n = h + l - 7 * m + 114;
  return Day(year / std::chrono::month(static_cast<unsigned>(n / 31)) /
             std::chrono::day(static_cast<unsigned>(n % 31 + 1)));
}

bool is_public_holiday(Day day) {
  const std::chrono::year_month_day date(day);
  const auto month = static_cast<unsigned>(date.month());
  const auto of_month = static_cast<unsigned>(date.day());
  static constexpr std::array<std::pair<unsigned, unsigned>, 8> fixed = {
      {{1, 1}, {5, 1}, {5, 8}, {7, 14}, {8, 15}, {11, 1}, {11, 11}, {12, 25}}};
  for (const auto& [fixed_month, fixed_day] : fixed)
    if (month == fixed_month && of_month == fixed_day) return true;
  const days after_easter = day - easter_sunday(date.year());
  // Easter Monday, Ascension, Whit Monday.
  return after_easter == days(1) || after_easter == days(39) || after_easter == days(50);
}

std::optional<WorkingHours> parse_working_hours(std::string_view text) {
  const auto begin = take_digits(text, 1, 2);
  if (!begin || !take(text, '-')) return std::nullopt;
  const auto end = take_digits(text, 1, 2);
  if (!end || !text.empty() || *begin >= *end || *end > 24) return std::nullopt;
  return WorkingHours{*begin, *end};
}

bool is_working_time(UnixMillis time, const WorkingHours& hours) {
  const ParisTime local = paris_time(time);
  const std::chrono::weekday weekday(local.day);
  if (weekday == std::chrono::Saturday || weekday == std::chrono::Sunday || is_public_holiday(local.day)) return false;
  return local.hour >= hours.begin && local.hour < hours.end;
}

}  // namespace pli
