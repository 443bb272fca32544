// What pli-bench can do, each on a broker of its own. Each prints its table, or returns it as JSON.
#pragma once

#include <chrono>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace pli::bench {

struct ScenarioOptions {
  bool json = false;  ///< nothing but the JSON object on standard output
  std::uint64_t seed = 1;
};

struct FloorOptions {
  std::size_t count = 16'000;
  std::size_t senders = 16;
  std::size_t in_flight = 64;
  std::size_t bytes = 2048;
  std::size_t paced_per_second = 500;
  std::size_t paced_seconds = 10;
  bool with_tiles = true;
};
/// The floors of the design: accepted, one in flight, opened, followed, paced, memory and disk.
[[nodiscard]] nlohmann::json measure_floors(const FloorOptions& floors, const ScenarioOptions& options);

/// Submissions at a rate: latency from when each was due, CPU.
[[nodiscard]] nlohmann::json measure_paced(std::size_t per_second, std::size_t seconds, std::size_t bytes,
                                           const ScenarioOptions& options);

/// An office day's mix at `times` the national average (office_day.cpp has the rates).
[[nodiscard]] nlohmann::json measure_office_day(std::size_t minutes, double times, const ScenarioOptions& options);
/// `average` times the average day, twenty times that, and back.
[[nodiscard]] nlohmann::json measure_spike(std::size_t seconds_each, double average, const ScenarioOptions& options);

/// Exchanges of `bytes`, staged in chunks and submitted, then opened and fetched.
[[nodiscard]] nlohmann::json measure_large(std::size_t bytes, std::size_t count, const ScenarioOptions& options);

/// `clients` connections that say nothing, and one référent among them.
[[nodiscard]] nlohmann::json measure_idle_clients(std::size_t clients, const ScenarioOptions& options);

/// Fifty quiet offices, alone and beside each kind of peer that does not behave, `seconds_each` each.
[[nodiscard]] nlohmann::json measure_hostile(std::size_t seconds_each, const ScenarioOptions& options);

/// A file of `mib` sealed and opened by `pli`, by Debian's age, and by the cipher alone.
[[nodiscard]] nlohmann::json measure_files(std::size_t mib, const std::filesystem::path& pli,
                                           const ScenarioOptions& options);

/// A broker with `leaves` in its log: how long until it is ready, file in the page cache or not.
[[nodiscard]] nlohmann::json measure_start(std::size_t leaves, const ScenarioOptions& options);

// What bench/peers/run asks for, as JSON only.

/// Start, accepted, resident, disk, one in flight, at a rate, followed by one and by ten.
[[nodiscard]] nlohmann::json measure_peers_turn(const FloorOptions& floors);
/// SIGKILL under load; then every exchange that had its receipt is looked for in the queue.
[[nodiscard]] nlohmann::json measure_kill(std::chrono::duration<double> after, const FloorOptions& floors);
/// One in flight and nothing else, for whoever traces the broker meanwhile.
[[nodiscard]] nlohmann::json measure_trickle(const FloorOptions& floors);

}  // namespace pli::bench
