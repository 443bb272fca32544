#include "broker/broker_programs.hpp"

#include <iostream>
#include <nlohmann/json.hpp>

#include "broker/program_opening.hpp"
#include "broker/store_statistics.hpp"
#include "crypto/random.hpp"

namespace pli::broker {
namespace {

std::string day_text(UnixMillis time) {
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(
      std::chrono::sys_time<std::chrono::milliseconds>(std::chrono::milliseconds(time.value))));
  const auto number = static_cast<unsigned>(day.day());
  return protocol::month_text(month_of(time)) + (number < 10 ? "-0" : "-") + std::to_string(number);
}

/// The month whose statistics the current shard makes next. A month without a leaf has none, and is passed over.
std::uint32_t next_month_of(const StatedMonths& stated) {
  std::uint32_t next = month_of(stated.first);
  for (const StatedMonth& month : stated.months)
    if (month.origin == stated.origin) next = std::max(next, protocol::month_after(month.statement.month));
  return next;
}

int print_months(const StatedMonths& stated, UnixMillis now, bool json) {
  const std::uint32_t next = next_month_of(stated);
  const UnixMillis due = protocol::month_start(protocol::month_after(next));
  if (json) {
    nlohmann::json months = nlohmann::json::array();
    for (const StatedMonth& month : stated.months)
      months.push_back({{"month", protocol::month_text(month.statement.month)},
                        {"origin", month.origin},
                        {"from", month.statement.from.value},
                        {"to", month.statement.to.value},
                        {"stated_in", month.stated_in},
                        {"leaf", month.leaf.value},
                        {"stated_at", month.at.value}});
    std::cout << nlohmann::json{{"state", "statistics"},
                                {"months", std::move(months)},
                                {"next",
                                 {{"month", protocol::month_text(next)}, {"due", due.value}, {"late", now >= due}}}}
                     .dump()
              << std::endl;
    return exit_done;
  }
  for (const StatedMonth& month : stated.months)
    std::cout << protocol::month_text(month.statement.month) << "  " << month.origin << "  leaves "
              << month.statement.from.value << " to " << month.statement.to.value << "  stated " << day_text(month.at)
              << " at leaf " << month.leaf.value << (month.stated_in == month.origin ? "" : " of " + month.stated_in)
              << "\n";
  std::cout << "pli-broker: " << stated.months.size() << " stated; next " << protocol::month_text(next) << ", due "
            << day_text(due)
            << (now >= due ? ", which has passed: made by a running broker's next minutes, none if it had no act" : "")
            << std::endl;
  return exit_done;
}

int print_month(const StatedMonths& stated, std::uint32_t month, bool json) {
  nlohmann::json parts = nlohmann::json::array();
  std::string texts;
  for (const StatedMonth& one : stated.months) {
    if (one.statement.month != month) continue;
    parts.push_back(
        {{"origin", one.origin}, {"leaf", one.leaf.value}, {"stated_in", one.stated_in}, {"text", one.text}});
    texts += (texts.empty() ? "" : "\n") + one.text;
  }
  if (texts.empty())
    return report({exit_local_error, "NOT_STATED", "nothing is stated of " + protocol::month_text(month),
                   "`pli-broker statistics` lists the months that are, and when the next is due."},
                  json);
  if (json)
    std::cout
        << nlohmann::json{{"state", "statistics"}, {"month", protocol::month_text(month)}, {"parts", parts}}.dump()
        << std::endl;
  else
    std::cout << texts << std::flush;
  return exit_done;
}

}  // namespace

int show_statistics(const ProgramOptions& options) {
  const auto month = options.month.empty() ? std::nullopt : protocol::month_of_text(options.month);
  if (!options.month.empty() && !month)
    return report({exit_usage, "USAGE", "--month is not YYYY-MM", "For example --month 2026-11."}, options.json);
  crypto::initialise();
  auto config = read_config(options);
  if (!config) return report(config.error(), options.json);
  auto stated = read_stated_months(config->database());
  if (!stated) return report(opening_failure(stated.error(), config->database()), options.json);
  return month ? print_month(*stated, *month, options.json) : print_months(*stated, SystemClock().now(), options.json);
}

}  // namespace pli::broker
