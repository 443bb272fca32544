// Load at a rate, whatever the broker does: acts fall due by chance (Poisson arrivals, a seed repeats them) and each
// time counts from when the act was due, so that a stall is charged to every act it kept waiting (no coordinated
// omission).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bench/bench_house.hpp"

namespace pli::bench {

struct Phase {
  std::string name;
  std::chrono::seconds length{};
  double times = 1;  ///< every rate is multiplied by this
};

/// Sent and answered on one connection, many in flight.
struct QuickAct {
  std::string name;
  double per_second = 0;
  std::function<std::optional<protocol::RequestBody>()> make;  ///< nothing: not possible yet, skipped
  bool refused_by_right = false;                               ///< a refusal is the answer wanted
};

/// Several round trips, one after the other, on a thread of its own; false when it failed.
struct SlowAct {
  std::string name;
  double per_second = 0;
  std::function<bool()> perform;
};

struct LoadReport {
  std::map<std::string, Histogram> times;         ///< by act
  std::map<std::string, std::uint64_t> refusals;  ///< by act and code, those not wanted
  std::uint64_t skipped = 0;                      ///< acts that were not possible yet
  std::uint64_t unanswered = 0;                   ///< at the end of the last phase and 30 s after
  [[nodiscard]] std::uint64_t errors() const;
  [[nodiscard]] std::uint64_t acts() const;
  void add(const LoadReport& other);
};

class OpenLoop {
 public:
  OpenLoop(BenchHouse& house, std::vector<Phase> phases, std::uint64_t seed);

  void add(const std::string& member, std::vector<QuickAct> acts);
  void add(SlowAct act);
  /// What each accepted exchange is told to; any thread.
  std::function<void(const protocol::ExchangeId&)> accepted = [](const protocol::ExchangeId&) {};

  /// Runs all phases; `each_second` is called meanwhile with the seconds gone. One report for each phase.
  [[nodiscard]] std::vector<LoadReport> run(const std::function<void(std::size_t)>& each_second);

 private:
  struct Client {
    std::string member;
    std::vector<QuickAct> acts;
  };
  void run_client(const Client& client, std::uint64_t seed, clock::time_point start, std::vector<LoadReport>& out);
  void run_slow(const SlowAct& act, std::uint64_t seed, clock::time_point start, std::vector<LoadReport>& out) const;

  BenchHouse& house_;
  std::vector<Phase> phases_;
  std::uint64_t seed_;
  std::vector<Client> clients_;
  std::vector<SlowAct> slow_;
};

}  // namespace pli::bench
