// Times of a run as counts in buckets 1/128 wide relative to their value (the layout of HdrHistogram): bounded memory
// for an hour of load, percentiles right to 0.8 %.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace pli::bench {

class Histogram {
 public:
  Histogram();

  /// Negative times count as zero, those beyond an hour as an hour.
  void add(std::chrono::nanoseconds time);
  void add(const Histogram& other);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::chrono::nanoseconds max() const { return max_; }
  /// The least bucket that `part` (0 to 1) of the times do not exceed, as its upper end; 0 when empty.
  [[nodiscard]] std::chrono::nanoseconds percentile(double part) const;

  /// {"count", "p50_us", "p90_us", "p99_us", "p999_us", "max_us"}
  [[nodiscard]] nlohmann::json to_json() const;
  /// [[upper end of a bucket in microseconds, how many], …], rising: what another program can add up or read off.
  [[nodiscard]] nlohmann::json steps() const;
  [[nodiscard]] std::string to_text() const;  ///< "p50 1.20 ms  p90 …"

 private:
  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  std::chrono::nanoseconds max_{};
};

[[nodiscard]] std::string duration_text(std::chrono::nanoseconds time);  ///< "640 us", "12.3 ms", "1.40 s"

}  // namespace pli::bench
