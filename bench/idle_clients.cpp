// pli-bench idle-clients: a thousand people logged in, one of whom sends.
#include <sys/resource.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "bench/closed_loop.hpp"
#include "bench/scenarios.hpp"
#include "bench/sealer.hpp"
#include "protocol/limits.hpp"

namespace pli::bench {
namespace {

constexpr std::size_t submits = 1000;

/// Four descriptors to each of our clients.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

nlohmann::json measure_idle_clients(std::size_t clients, const ScenarioOptions& options) {
  raise_descriptor_limit();
  const std::size_t per_member = protocol::connections_per_identity_max;
  BenchHouse house({clients / per_member + 2, 2048, true});
  const ClosedLoopResult alone = submit_all(house, 1, submits, 1, 2048);
  const std::uint64_t before = house.broker().resident_bytes();
  std::vector<testing::RawClient> idle;
  const auto start = clock::now();
  for (std::size_t i = 0; i < clients; ++i) {
    testing::RawClient::Options raw;
    raw.beside = idle.empty() ? nullptr : &idle.front();
    auto& client =
        idle.emplace_back(house.broker().endpoint(), house.broker().curve(),
                          house.department().identity(BenchHouse::sender(i / per_member + 1)).curve_secret(), raw);
    if (client.handshake(std::chrono::seconds(20)) != testing::RawClient::Handshake::succeeded)
      throw std::runtime_error("client " + std::to_string(i) + " was not let in");
    const auto hello = client.ask(protocol::Hello{});
    if (!hello || !std::holds_alternative<protocol::HelloReply>(*hello)) throw std::runtime_error("no hello");
  }
  const double connecting = std::chrono::duration<double>(clock::now() - start).count();
  const std::uint64_t after = house.broker().resident_bytes();
  const double cpu = house.broker().cpu_seconds();
  const auto quiet = clock::now();
  std::this_thread::sleep_for(std::chrono::seconds(5));
  const double idle_cpu =
      (house.broker().cpu_seconds() - cpu) / std::chrono::duration<double>(clock::now() - quiet).count() * 100;
  const ClosedLoopResult among = submit_all(house, 1, submits, 1, 2048);
  if (!options.json) {
    std::printf(
        "%zu clients connected in %.1f s; broker resident %.1f MiB before, %.1f MiB after (%.1f KiB each); idle CPU "
        "%.1f %%\n",
        clients, connecting, static_cast<double>(before) / bytes_per_mib, static_cast<double>(after) / bytes_per_mib,
        static_cast<double>(after - before) / 1024 / static_cast<double>(clients), idle_cpu);
    std::printf("one in flight, alone         %s\n", alone.times.to_text().c_str());
    std::printf("one in flight, among them    %s\n", among.times.to_text().c_str());
  }
  return {{"clients", clients},
          {"connecting_s", connecting},
          {"resident_before_mib", static_cast<double>(before) / bytes_per_mib},
          {"resident_after_mib", static_cast<double>(after) / bytes_per_mib},
          {"idle_cpu_percent", idle_cpu},
          {"alone", alone.times.to_json()},
          {"among_them", among.times.to_json()}};
}

}  // namespace pli::bench
