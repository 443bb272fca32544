// The département pli-bench measures: invented people and a real broker on loopback.
#pragma once

#include <string>
#include <vector>

#include "bench/histogram.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/real_broker.hpp"

namespace pli::bench {

using clock = std::chrono::steady_clock;

inline constexpr double bytes_per_mib = 1024 * 1024;

struct HouseOptions {
  std::size_t senders = 16;  ///< référents, each of a commune
  std::size_t bytes = 2048;  ///< of an exchange's payload, about
  bool with_tiles = true;
};

class BenchHouse {
 public:
  explicit BenchHouse(const HouseOptions& options);

  [[nodiscard]] testing::RealBroker& broker() { return broker_; }
  [[nodiscard]] testing::Department& department() { return department_; }
  [[nodiscard]] std::uint64_t idle_bytes() const { return idle_bytes_; }  ///< resident, just started
  [[nodiscard]] const HouseOptions& options() const { return options_; }

  [[nodiscard]] static std::string sender(std::size_t i) { return "referent." + std::to_string(i); }
  /// The ten who sit in the GED: the secretariat and nine members.
  [[nodiscard]] static std::vector<std::string> ged_members();

  /// Connected and through the handshake. Throws std::runtime_error when the broker is not there.
  [[nodiscard]] testing::RawClient connect(const std::string& member) const;
  [[nodiscard]] protocol::Open opening(const std::string& member, const protocol::ExchangeId& exchange) const;

 private:
  HouseOptions options_;
  testing::Department department_;
  testing::RealBroker broker_;
  std::uint64_t idle_bytes_ = 0;
};

/// Broker's CPU seconds per 10,000 of `count` since the reading `before`.
[[nodiscard]] double cpu_per_10k(const testing::RealBroker& broker, double before, std::uint64_t count);

/// Ends the bench: a refusal means the load is wrong or a limit was met, and the figure would mean nothing.
[[noreturn]] void end_on_refusal(const protocol::Refusal& refusal);

}  // namespace pli::bench
