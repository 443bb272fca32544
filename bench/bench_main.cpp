// pli-bench: loads a broker of its own on loopback and ends it. Everything is on: CURVE, each signature verified,
// fsync, leaf and tree, recorded openings. What each figure means: docs/performance.md.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/command_line.hpp"
#include "base/version.hpp"
#include "bench/scenarios.hpp"
#include "crypto/random.hpp"
#include "protocol/limits.hpp"

namespace {

using pli::bench::ScenarioOptions;
using Run = std::function<nlohmann::json(const ScenarioOptions&)>;

void add_floors(CLI::App& app, pli::bench::FloorOptions& floors) {
  app.add_option("--count", floors.count, "Exchanges in each throughput measure")->check(CLI::Range(16, 1000000));
  app.add_option("--senders", floors.senders, "Senders at once")->check(CLI::Range(4, 64));
  app.add_option("--in-flight", floors.in_flight, "Requests each keeps in flight")->check(CLI::Range(1, 256));
  app.add_option("--bytes", floors.bytes, "Sealed payload of an exchange, about")->check(CLI::Range(512, 40000));
  app.add_option("--rate", floors.paced_per_second, "Submissions a second where a rate is held")
      ->check(CLI::Range(4, 20000));
  app.add_option("--seconds", floors.paced_seconds, "How long it is held")->check(CLI::Range(1, 3600));
  app.add_flag_callback(
      "--no-tiles", [&floors] { floors.with_tiles = false; }, "Without the log's tiles on disk: what they cost");
}

}  // namespace

int main(int argc, char** argv) {
  namespace bench = pli::bench;
  ScenarioOptions options;
  bench::FloorOptions floors;
  std::size_t seconds = 30;
  std::size_t minutes = 60;
  double times = 20;
  double average = 1;
  double kill_after = 1;
  std::size_t megabytes = 4;
  std::size_t count = 50;
  std::size_t clients = 1000;
  std::size_t mib = 256;
  std::size_t leaves = 1'000'000;
  std::filesystem::path pli = std::filesystem::path(PLI_BROKER_PROGRAM).parent_path() / "pli";

  CLI::App app{"Measures a broker of its own on loopback, beside this machine's limits"};
  app.footer(
      "Examples:\n  pli-bench --count 16000 --json\n  pli-bench office-day --minutes 60 --times 20\n"
      "Each subcommand has --help; without one, the floors are measured.");
  app.set_version_flag("--version", pli::version_line("pli-bench"), "The program's version");
  app.require_subcommand(0, 1);
  app.fallthrough();
  app.add_flag("--json", options.json, "One JSON object");
  app.add_option("--seed", options.seed, "Of the chance arrivals: the same seed, the same load");
  add_floors(app, floors);
  Run run = [&](const ScenarioOptions& o) { return bench::measure_floors(floors, o); };

  auto* paced = app.add_subcommand("paced", "Submissions at a rate (--rate, --seconds, --bytes)");
  paced->footer("Example: pli-bench paced --rate 500 --seconds 30");
  paced->callback([&] {
    run = [&](const ScenarioOptions& o) {
      return bench::measure_paced(floors.paced_per_second, floors.paced_seconds, floors.bytes, o);
    };
  });

  auto* day = app.add_subcommand("office-day", "Everything members do, by chance arrivals, for an hour");
  day->footer("Example: pli-bench office-day --minutes 60 --times 20");
  day->add_option("--minutes", minutes, "How long")->check(CLI::Range(1, 24 * 60));
  day->add_option("--times", times, "So many times the average")->check(CLI::Range(0.1, 1000.0));
  day->callback([&] { run = [&](const ScenarioOptions& o) { return bench::measure_office_day(minutes, times, o); }; });

  auto* spike = app.add_subcommand("spike", "The average, twenty times it, the average again");
  spike->footer("Example: pli-bench spike --each 30");
  spike->add_option("--each", seconds, "Seconds of each of the three")->check(CLI::Range(1, 3600));
  spike->add_option("--average", average, "So many times the average day, before and after")
      ->check(CLI::Range(0.1, 100.0));
  spike->callback([&] { run = [&](const ScenarioOptions& o) { return bench::measure_spike(seconds, average, o); }; });

  auto* large = app.add_subcommand("large", "Exchanges with large attachments");
  large->footer("Example: pli-bench large --mib 4 --exchanges 50");
  large->add_option("--mib", megabytes, "Of each")->check(CLI::Range(1, 7));
  large->add_option("--exchanges", count, "How many")->check(CLI::Range(1, 10000));
  large->callback(
      [&] { run = [&](const ScenarioOptions& o) { return bench::measure_large(megabytes * 1024 * 1024, count, o); }; });

  auto* idle = app.add_subcommand("idle-clients", "Many clients that are connected and silent");
  idle->footer("Example: pli-bench idle-clients --clients 1000");
  idle->add_option("--clients", clients, "How many")->check(CLI::Range(1, 3000));
  idle->callback([&] { run = [&](const ScenarioOptions& o) { return bench::measure_idle_clients(clients, o); }; });

  auto* hostile =
      app.add_subcommand("hostile", "Fifty quiet offices beside floods, half-open connections, a greedy one");
  hostile->footer("Example: pli-bench hostile --each 30");
  hostile->add_option("--each", seconds, "Seconds of each of the six phases")->check(CLI::Range(2, 3600));
  hostile->callback([&] { run = [&](const ScenarioOptions& o) { return bench::measure_hostile(seconds, o); }; });

  auto* files = app.add_subcommand("files", "A large file sealed and opened, beside age and the cipher alone");
  files->footer("Example: pli-bench files --mib 256");
  files->add_option("--mib", mib, "Size of the file")->check(CLI::Range(1, 4096));
  files->add_option("--pli", pli, "The pli program")->check(CLI::ExistingFile);
  files->callback([&] { run = [&](const ScenarioOptions& o) { return bench::measure_files(mib, pli, o); }; });

  auto* start = app.add_subcommand("start", "How long a broker with a long log takes to be ready");
  start->footer("Example: pli-bench start --leaves 1000000");
  start->add_option("--leaves", leaves, "Leaves of the log")->check(CLI::Range(1024, 20'000'000));
  start->callback([&] { run = [&](const ScenarioOptions& o) { return bench::measure_start(leaves, o); }; });

  auto* turn = app.add_subcommand("peers-turn", "What bench/peers/run compares (--count, --seconds); JSON");
  turn->footer("Example: pli-bench --json peers-turn --count 100000 --seconds 5");
  turn->callback([&] { run = [&](const ScenarioOptions&) { return bench::measure_peers_turn(floors); }; });
  auto* kill = app.add_subcommand("kill", "kill -9 under load, and what was lost; JSON");
  kill->footer("Example: pli-bench --json kill --after 1.5");
  kill->add_option("--after", kill_after, "Seconds of load before it")->check(CLI::Range(0.2, 60.0));
  kill->callback([&] {
    run = [&](const ScenarioOptions&) {
      return bench::measure_kill(std::chrono::duration<double>(kill_after), floors);
    };
  });
  auto* trickle = app.add_subcommand("trickle", "One in flight and nothing else (--count); JSON");
  trickle->footer("Example: pli-bench --json trickle --count 1000");
  trickle->callback([&] { run = [&](const ScenarioOptions&) { return bench::measure_trickle(floors); }; });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& asked) {
    if (asked.get_exit_code() == 0) return app.exit(asked);  // --help, --version
    const auto parsed = app.get_subcommands();
    const std::string verb = parsed.empty() ? "" : parsed.front()->get_name();
    std::fputs(pli::misused("pli-bench", asked.what(), verb, app.remaining(true)).c_str(), stderr);
    return 2;
  }
  pli::crypto::initialise();
  try {
    const nlohmann::json figures = run(options);
    if (options.json) std::printf("%s\n", figures.dump().c_str());
    return 0;
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "pli-bench: %s\n", problem.what());
    return 1;
  }
}
