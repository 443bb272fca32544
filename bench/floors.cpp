// pli-bench floors: the table of floors, each beside what the machine itself can do in the same run.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench/closed_loop.hpp"
#include "bench/machine_limits.hpp"
#include "bench/open_loop.hpp"
#include "bench/scenarios.hpp"
#include "bench/sealer.hpp"

namespace pli::bench {
namespace {

constexpr std::size_t one_in_flight_count = 2000;

nlohmann::json to_json(const ClosedLoopResult& result) {
  nlohmann::json out = result.times.to_json();
  out["per_second"] = result.per_second();
  out["cpu_s_per_10k"] = result.cpu_per_10k;
  return out;
}

void print(const char* what, const ClosedLoopResult& result) {
  std::printf("%-32s %8.0f/s   %s\n%-32s broker CPU %.2f s per 10,000\n", what, result.per_second(),
              result.times.to_text().c_str(), "", result.cpu_per_10k);
}

struct Paced {
  LoadReport report;
  double cpu_per_10k = 0;
};

/// Submissions by four référents.
Paced run_paced(BenchHouse& house, std::size_t per_second, std::size_t seconds, std::size_t bytes,
                const ScenarioOptions& options) {
  constexpr std::size_t senders = 4;
  constexpr std::size_t warm_up_seconds = 2;
  OpenLoop load(house, {{"warm-up", std::chrono::seconds(warm_up_seconds)}, {"", std::chrono::seconds(seconds)}},
                options.seed);
  std::vector<Sealer> sealers;
  for (std::size_t i = 0; i < senders; ++i) sealers.emplace_back(house, BenchHouse::sender(i));
  for (std::size_t i = 0; i < senders; ++i)
    load.add(BenchHouse::sender(i), {{"submit", static_cast<double>(per_second) / senders, [&sealers, i, bytes] {
                                        return std::optional<protocol::RequestBody>(sealers[i].next(bytes));
                                      }}});
  double cpu = 0;
  auto reports = load.run([&](std::size_t second) {
    if (second == warm_up_seconds) cpu = house.broker().cpu_seconds();
  });
  Paced out{std::move(reports[1]), 0};
  out.cpu_per_10k = cpu_per_10k(house.broker(), cpu, out.report.acts());
  return out;
}

/// What an exchange costs on disk beyond the bytes its sender sealed: followed and acknowledged by ten, opened by
/// nobody, tiles included; the broker stopped, so that no write-ahead log is counted.
double disk_beyond_sealed(const FloorOptions& floors) {
  BenchHouse house({floors.senders, floors.bytes, floors.with_tiles});
  const std::size_t count = floors.count / floors.senders * floors.senders;
  const protocol::Envelope sample = Sealer(house, BenchHouse::sender(0)).next(floors.bytes).envelope;
  const std::size_t sealed = sample.address.size() + sample.seal.size() + sample.signature.size() +
                             sample.locked.size() + sample.payload.size();
  house.broker().stop();
  const std::uint64_t before = house.broker().disk_bytes();
  house.broker().start();
  (void)submit_followed(house, floors.senders, count, floors.in_flight, floors.bytes, 10);
  house.broker().stop();
  const std::uint64_t after = house.broker().disk_bytes();
  return static_cast<double>(after - before) / static_cast<double>(count) - static_cast<double>(sealed);
}

}  // namespace

nlohmann::json measure_floors(const FloorOptions& floors, const ScenarioOptions& options) {
  BenchHouse house({floors.senders, floors.bytes, floors.with_tiles});
  const MachineLimits limits = measure_machine(house.broker().data());
  const ClosedLoopResult one = submit_all(house, 1, one_in_flight_count, 1, floors.bytes);
  const ClosedLoopResult accepted = submit_all(house, floors.senders, floors.count, floors.in_flight, floors.bytes);
  const ClosedLoopResult opened = open_all(house, accepted.accepted, floors.in_flight);
  const ClosedLoopResult followed =
      submit_followed(house, floors.senders, floors.count, floors.in_flight, floors.bytes, 10);
  const Paced paced = run_paced(house, floors.paced_per_second, floors.paced_seconds, floors.bytes, options);
  const double resident = static_cast<double>(house.broker().resident_bytes()) / bytes_per_mib;
  const double idle = static_cast<double>(house.idle_bytes()) / bytes_per_mib;
  const double disk = disk_beyond_sealed(floors);

  const double one_bound = limits.fdatasync_us + limits.ed25519_verify_us + limits.curve_round_trip_us;
  const double one_ratio = static_cast<double>(one.times.percentile(0.5).count()) / 1000 / one_bound;
  const double accepted_ratio = accepted.per_second() * limits.ed25519_verify_us / 1e6;
  const auto& submit = paced.report.times.at("submit");
  const nlohmann::json out = {{"limits",
                               {{"fdatasync_p50_us", limits.fdatasync_us},
                                {"ed25519_verify_us", limits.ed25519_verify_us},
                                {"curve_round_trip_p50_us", limits.curve_round_trip_us}}},
                              {"one_in_flight", to_json(one)},
                              {"one_in_flight_ratio", one_ratio},
                              {"accepted", to_json(accepted)},
                              {"accepted_ratio", accepted_ratio},
                              {"opened", to_json(opened)},
                              {"followed_by_10", to_json(followed)},
                              {"paced",
                               {{"per_second", floors.paced_per_second},
                                {"submit", submit.to_json()},
                                {"errors", paced.report.errors()},
                                {"cpu_s_per_10k", paced.cpu_per_10k}}},
                              {"resident_idle_mib", idle},
                              {"resident_after_mib", resident},
                              {"disk_bytes_beyond_sealed", disk}};
  if (options.json) return out;
  std::printf("machine: append + fdatasync %.0f us, Ed25519 verification %.1f us, CURVE round trip %.0f us\n",
              limits.fdatasync_us, limits.ed25519_verify_us, limits.curve_round_trip_us);
  print("accepted, one in flight", one);
  std::printf("%-32s %.2f x (fdatasync + verification + round trip)\n", "", one_ratio);
  print("accepted, senders x in flight", accepted);
  std::printf("%-32s %.2f x one core's verification rate\n", "", accepted_ratio);
  print("opened and recorded", opened);
  print("followed by 10, acknowledged", followed);
  std::printf("%-32s %8zu/s   %s\n%-32s broker CPU %.2f s per 10,000; %llu errors\n", "accepted at a rate",
              floors.paced_per_second, submit.to_text().c_str(), "", paced.cpu_per_10k,
              static_cast<unsigned long long>(paced.report.errors()));
  std::printf("resident %.0f MiB idle, %.0f MiB after; disk %.0f bytes per exchange beyond the sealed bytes\n", idle,
              resident, disk);
  return out;
}

nlohmann::json measure_paced(std::size_t per_second, std::size_t seconds, std::size_t bytes,
                             const ScenarioOptions& options) {
  BenchHouse house({4, bytes, true});
  const Paced paced = run_paced(house, per_second, seconds, bytes, options);
  const auto& submit = paced.report.times.at("submit");
  if (!options.json)
    std::printf("submitted at %zu/s   %s\nbroker CPU %.2f s per 10,000; %llu errors\n", per_second,
                submit.to_text().c_str(), paced.cpu_per_10k, static_cast<unsigned long long>(paced.report.errors()));
  return {{"per_second", per_second},
          {"submit", submit.to_json()},
          {"errors", paced.report.errors()},
          {"cpu_s_per_10k", paced.cpu_per_10k}};
}

}  // namespace pli::bench
