#include "broker/broker_programs.hpp"

#include <iostream>
#include <nlohmann/json.hpp>

#include "broker/core.hpp"
#include "broker/program_opening.hpp"
#include "broker/program_publication.hpp"
#include "crypto/random.hpp"
#include "protocol/shard_order.hpp"

namespace pli::broker {
namespace {

void print_next_shard(std::string_view closed, std::uint64_t leaves, const Closing& closing, const Store& store,
                      bool json) {
  if (json) {
    nlohmann::json out = {
        {"state", "shard_opened"}, {"closed", closed}, {"leaves", leaves}, {"origin", store.origin()}};
    if (closing.demanded) out["cosigned"] = closing.cosigned;
    std::cout << out.dump() << std::endl;
    return;
  }
  std::cout << "pli-broker: closed " << closed << " at " << leaves << " leaves, opened " << store.origin();
  if (closing.demanded)
    std::cout << (closing.cosigned ? "\n  the witnesses' quorum has cosigned how it ended"
                                   : "\n  too few witnesses answered: `pli-broker run` goes on asking them");
  std::cout << "\n  next: make a backup: no copy from before can be put back and accepted." << std::endl;
}

}  // namespace

int request_rollback(const ProgramOptions& options) {
  crypto::initialise();
  auto config = read_config(options);
  if (!config) return report(config.error(), options.json);
  auto opened = open_compared(*config, Standing::rolled_back);
  if (!opened) return report(opened.error(), options.json);
  const SystemClock clock;
  const auto last = last_known(*config, *opened->keys, *opened->store, opened->outside, clock);
  if (!last) return report(last.error(), options.json);
  auto request = rollback_request(*opened->store, *opened->keys, core_settings(*config), *last, clock.now());
  if (!request) return report(order_failure(request.error(), config->database()), options.json);
  const std::string text = protocol::to_text(*request);
  if (options.json)
    std::cout << nlohmann::json{{"state", "rolled_back"}, {"request", text}}.dump() << std::endl;
  else
    std::cout << text << std::flush;
  return exit_done;
}

int open_next_shard(const ProgramOptions& options) {
  crypto::initialise();
  auto config = read_config(options);
  if (!config) return report(config.error(), options.json);
  auto opened = open_compared(*config, Standing::extends);
  if (!opened) return report(opened.error(), options.json);
  auto& [outside, keys, store] = *opened;
  const UnixMillis now = SystemClock().now();
  if (auto plausible = demand_clock(now, *keys, *store, *config, options.accept_clock); !plausible)
    return report(plausible.error(), options.json);
  if (auto ready = keys->prepare(now); !ready) return report(keys_failure(ready.error()), options.json);
  if (auto none = demand_no_later_shard(*config, *keys, *store, SystemClock()); !none)
    return report(none.error(), options.json);
  const std::string closed = store->origin();
  const std::uint64_t leaves = store->tree_size().value;
  const auto closing = gather_closing(*config, *keys, *store);
  if (!closing) return report(closing.error(), options.json);
  if (auto open = open_next_shard(*store, *keys, core_settings(*config), closing->note, now); !open)
    return report(database_failure(open.error(), config->database()), options.json);
  // Cut short here, the outside checkpoint is one of the shard that was closed, which the store extends.
  if (auto written = outside.write(store->checkpoint()); !written)
    return report(outside_failure(written.error()), options.json);
  if (auto written = store->write_back_all(); !written)
    return report(database_failure(written.error(), config->database()), options.json);
  print_next_shard(closed, leaves, *closing, *store, options.json);
  return exit_done;
}

}  // namespace pli::broker
