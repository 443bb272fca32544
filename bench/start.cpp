// pli-bench start: how long a broker with a long log takes from its start to its ready line.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "bench/closed_loop.hpp"
#include "bench/median.hpp"
#include "bench/page_cache.hpp"
#include "bench/scenarios.hpp"
#include "tests/support/store_surgery.hpp"

namespace pli::bench {
namespace {

constexpr std::size_t starts = 5;
constexpr std::size_t exchanges = 1024;
constexpr std::size_t openings_a_round = 65'536;

}  // namespace

nlohmann::json measure_start(std::size_t leaves, const ScenarioOptions& options) {
  BenchHouse house({4, 2048, true});
  const auto accepted = submit_all(house, 4, exchanges, 64, 2048).accepted;
  std::size_t written = accepted.size();
  while (written < leaves) {
    std::vector<protocol::ExchangeId> round;
    for (std::size_t i = 0; i < std::min(openings_a_round, leaves - written); ++i)
      round.push_back(accepted[i % accepted.size()]);
    (void)open_all(house, round, 64);
    written += round.size();
    std::fprintf(stderr, "%zu of %zu leaves\n", written, leaves);
  }
  // Whoever asks again within ten minutes gets the same answer, so a start reads the openings of the last ten. Here all
  // were made within these minutes; a log of this length is a year's: drop them, as the broker's own tick does later.
  house.broker().stop();
  testing::run_sql(house.broker().data() / "pli.db", "DELETE FROM opening");
  house.broker().start();
  const auto time_starts = [&](bool cold) {
    std::vector<double> times;
    for (std::size_t i = 0; i < starts; ++i) {
      house.broker().stop();
      if (cold)
        for (const auto& entry : std::filesystem::recursive_directory_iterator(house.broker().data()))
          if (entry.is_regular_file()) drop_from_page_cache(entry.path());
      const auto start = clock::now();
      house.broker().start();
      times.push_back(std::chrono::duration<double, std::milli>(clock::now() - start).count());
    }
    return median(times);
  };
  const double cold = time_starts(true);
  const double warm = time_starts(false);
  if (!options.json)
    std::printf(
        "%zu leaves: ready in %.0f ms with its files out of the page cache, %.0f ms with them in it (median of %zu)\n",
        written, cold, warm, starts);
  return {{"leaves", written}, {"ready_cold_ms", cold}, {"ready_warm_ms", warm}};
}

}  // namespace pli::bench
