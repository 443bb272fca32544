#include "protocol/seances.hpp"

#include <algorithm>
#include <functional>

namespace pli::protocol {
namespace {

constexpr Day first_day{std::chrono::year(1970) / 1 / 1};
constexpr Day last_day{std::chrono::year(2199) / 12 / 31};

bool holds(const std::vector<Day>& days, Day day) { return std::binary_search(days.begin(), days.end(), day); }

bool is_strictly_ascending(const std::vector<Day>& days) {
  return std::adjacent_find(days.begin(), days.end(), std::greater_equal<>()) == days.end();
}

bool is_of_cadence(const SeanceCalendar& calendar, Day day) {
  return day >= calendar.first && (day - calendar.first).count() % static_cast<int>(calendar.every_days) == 0;
}

Day next_of_cadence(const SeanceCalendar& calendar, Day after) {
  if (after < calendar.first) return calendar.first;
  const auto every = static_cast<int>(calendar.every_days);
  return calendar.first + std::chrono::days(((after - calendar.first).count() / every + 1) * every);
}

void put_in(std::vector<Day>& days, Day day) {
  if (!holds(days, day)) days.insert(std::lower_bound(days.begin(), days.end(), day), day);
}

void take_out(std::vector<Day>& days, Day day) { days.erase(std::remove(days.begin(), days.end(), day), days.end()); }

}  // namespace

bool has_seances(QueueKind kind) {
  return kind == QueueKind::ged || kind == QueueKind::clir || kind == QueueKind::cpraf;
}

std::optional<std::uint32_t> usual_cadence(QueueKind kind) {
  if (kind == QueueKind::ged) return 15;
  if (kind == QueueKind::clir) return 30;
  return std::nullopt;
}

std::string flaw_of(const SeanceCalendar& calendar) {
  if (calendar.every_days == 0 || calendar.every_days > seance_cadence_days_max)
    return "a cadence is of 1 to " + std::to_string(seance_cadence_days_max) + " days";
  if (calendar.added.size() > seances_added_max)
    return "at most " + std::to_string(seances_added_max) + " days added to a calendar";
  if (calendar.struck.size() > seances_struck_max)
    return "at most " + std::to_string(seances_struck_max) + " days struck out of a calendar";
  const auto counted = [](Day day) { return day >= first_day && day <= last_day; };
  if (!counted(calendar.first) || !std::all_of(calendar.added.begin(), calendar.added.end(), counted) ||
      !std::all_of(calendar.struck.begin(), calendar.struck.end(), counted))
    return "a day is from 1970 to 2199";
  if (!is_strictly_ascending(calendar.added) || !is_strictly_ascending(calendar.struck))
    return "days in ascending order, each once";
  const auto of_cadence = [&](Day day) { return is_of_cadence(calendar, day); };
  if (!std::all_of(calendar.struck.begin(), calendar.struck.end(), of_cadence))
    return "a day struck out that is none of the cadence";
  if (std::any_of(calendar.added.begin(), calendar.added.end(), of_cadence))
    return "a day added that is one of the cadence";
  return {};
}

bool is_seance(const SeanceCalendar& calendar, Day day) {
  return holds(calendar.added, day) || (is_of_cadence(calendar, day) && !holds(calendar.struck, day));
}

std::optional<Day> next_seance(const SeanceCalendar& calendar, Day after) {
  if (after >= last_day) return std::nullopt;
  Day next = next_of_cadence(calendar, after);
  while (holds(calendar.struck, next)) next = next_of_cadence(calendar, next);
  const auto added = std::upper_bound(calendar.added.begin(), calendar.added.end(), after);
  if (added != calendar.added.end()) next = std::min(next, *added);
  if (next > last_day) return std::nullopt;
  return next;
}

std::vector<Day> seances_between(const SeanceCalendar& calendar, Day from, Day to) {
  std::vector<Day> out;
  for (auto day = next_seance(calendar, from - std::chrono::days(1)); day && *day <= to;
       day = next_seance(calendar, *day))
    out.push_back(*day);
  return out;
}

void add_seance(SeanceCalendar& calendar, Day day) {
  if (is_of_cadence(calendar, day))
    take_out(calendar.struck, day);
  else
    put_in(calendar.added, day);
}

void strike_seance(SeanceCalendar& calendar, Day day) {
  if (is_of_cadence(calendar, day))
    put_in(calendar.struck, day);
  else
    take_out(calendar.added, day);
}

}  // namespace pli::protocol
