#include "broker/broker_programs.hpp"

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "broker/core.hpp"
#include "broker/program_opening.hpp"
#include "broker/store_terms.hpp"
#include "crypto/random.hpp"
#include "protocol/statistics.hpp"

namespace pli::broker {
namespace {

/// Each tick erases some hundreds and looks at as many cases; beyond so many something else is wrong.
constexpr int ticks_max = 100'000;

std::string day_of(UnixMillis time) {
  const std::chrono::year_month_day date(std::chrono::floor<std::chrono::days>(
      std::chrono::sys_time<std::chrono::milliseconds>(std::chrono::milliseconds(time.value))));
  const auto day = static_cast<unsigned>(date.day());
  return protocol::month_text(month_of(time)) + (day < 10 ? "-0" : "-") + std::to_string(day);
}

int print_terms(const TermList& terms, UnixMillis now, bool json) {
  const auto due = std::count_if(terms.lines.begin(), terms.lines.end(), [](const TermLine& line) { return line.due; });
  if (json) {
    nlohmann::json lines = nlohmann::json::array();
    for (const TermLine& line : terms.lines)
      lines.push_back({{"case", to_hex(line.case_id)},
                       {"queue", line.queue},
                       {"erased_at", line.erased_at.value},
                       {"noticed_at", line.noticed_at.value},
                       {"held", line.held_until > now},
                       {"exchanges", line.exchanges}});
    std::cout << nlohmann::json{{"state", "terms"}, {"cases", terms.cases}, {"due", due}, {"announced", lines}}.dump()
              << std::endl;
    return exit_done;
  }
  for (const TermLine& line : terms.lines)
    std::cout << to_hex(line.case_id).substr(0, 8) << "  " << line.queue << "  exchanges " << line.exchanges
              << "  erased from " << day_of(line.erased_at)
              << (line.noticed_at.value == 0 ? "  (to be announced)" : "  announced " + day_of(line.noticed_at))
              << (line.held_until > now ? "  held until " + day_of(line.held_until) : "") << "\n";
  std::cout << "pli-broker: " << terms.cases << " cases kept, " << terms.lines.size() << " announced, " << due
            << " due; a running broker erases what is due within its next minutes" << std::endl;
  return exit_done;
}

}  // namespace

int erase_due(const ProgramOptions& options) {
  crypto::initialise();
  auto config = read_config(options);
  if (!config) return report(config.error(), options.json);
  const UnixMillis now = SystemClock().now();
  if (options.dry_run) {
    auto terms = read_terms(config->database(), config->terms, now);
    if (!terms) return report(opening_failure(terms.error(), config->database()), options.json);
    return print_terms(*terms, now, options.json);
  }
  auto opened = open_compared(*config, Standing::extends);
  if (!opened) return report(opened.error(), options.json);
  auto& [outside, keys, store] = *opened;
  if (auto plausible = demand_clock(now, *keys, *store, *config, options.accept_clock); !plausible)
    return report(plausible.error(), options.json);
  if (auto ready = keys->prepare(now); !ready) return report(keys_failure(ready.error()), options.json);
  std::uint64_t erased = 0;
  bool left = true;
  {
    auto core = Core::open(*store, *keys, core_settings(*config));
    if (!core) return report(unreadable(core.error()), options.json);
    for (int ticks = 0; left && ticks < ticks_max; ++ticks) {
      auto outcome = (*core)->tick(now);
      if (!outcome) return report(database_failure(outcome.error(), config->database()), options.json);
      erased += outcome->erased;
      left = outcome->terms_left || outcome->erased != 0;
      if (keys->erasure_room() == 0) break;
    }
  }
  // Cut short here, the outside checkpoint is one that the store extends.
  if (auto written = outside.write(store->checkpoint()); !written)
    return report(outside_failure(written.error()), options.json);
  if (auto written = store->write_back_all(); !written)
    return report(database_failure(written.error(), config->database()), options.json);
  if (options.json)
    std::cout << nlohmann::json{{"state", "erased"}, {"exchanges", erased}, {"left", left}}.dump() << std::endl;
  else
    std::cout << "pli-broker: erased " << erased << " exchanges"
              << (left ? "; more may be due, and goes once a lease key has been destroyed" : "") << std::endl;
  return exit_done;
}

}  // namespace pli::broker
