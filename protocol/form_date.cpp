#include "protocol/form_date.hpp"

#include <array>
#include <chrono>

namespace pli::protocol {
namespace {

std::chrono::year_month_day date_of(std::uint32_t number) {
  return {std::chrono::year(static_cast<int>(number / 10000)), std::chrono::month(number / 100 % 100),
          std::chrono::day(number % 100)};
}

std::uint32_t number_of(std::chrono::year_month_day date) {
  return static_cast<std::uint32_t>(static_cast<int>(date.year())) * 10000 + static_cast<unsigned>(date.month()) * 100 +
         static_cast<unsigned>(date.day());
}

std::uint32_t date_at(UnixMillis now, std::chrono::hours offset) {
  using namespace std::chrono;
  return number_of(year_month_day(floor<days>(sys_time<milliseconds>{milliseconds(now.value) + offset})));
}

}  // namespace

bool is_date(std::uint32_t number) { return number >= 1900'00'00 && number < 2200'00'00 && date_of(number).ok(); }

std::uint32_t parse_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return 0;
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i == 4 || i == 7) continue;
    if (text[i] < '0' || text[i] > '9') return 0;
    number = number * 10 + static_cast<std::uint32_t>(text[i] - '0');
  }
  return is_date(number) ? number : 0;
}

std::string typed_date(std::uint32_t number) {
  std::string digits = std::to_string(number);
  return digits.substr(0, 4) + "-" + digits.substr(4, 2) + "-" + digits.substr(6, 2);
}

std::string french_date(std::uint32_t number) {
  static constexpr std::array<std::string_view, 12> months = {"janvier",   "février", "mars",     "avril",
                                                              "mai",       "juin",    "juillet",  "août",
                                                              "septembre", "octobre", "novembre", "décembre"};
  const unsigned day = number % 100;
  std::string out = day == 1 ? "1er" : std::to_string(day);
  out += " ";
  out += months[number / 100 % 100 - 1];
  return out + " " + std::to_string(number / 10000);
}

std::uint32_t latest_date(UnixMillis now) { return date_at(now, std::chrono::hours(14)); }
std::uint32_t earliest_date(UnixMillis now) { return date_at(now, -std::chrono::hours(12)); }

}  // namespace pli::protocol
