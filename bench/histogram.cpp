#include "bench/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace pli::bench {
namespace {

constexpr unsigned steps_shift = 7;  // 128 steps to a doubling
constexpr std::uint64_t steps = 1U << steps_shift;
constexpr std::uint64_t longest = 3600ULL * 1'000'000'000;

/// Values below 2·steps have a bucket each; above, the leading steps_shift + 1 bits choose it.
std::size_t bucket_of(std::uint64_t value) {
  if (value < 2 * steps) return value;
  const auto shift = static_cast<unsigned>(std::bit_width(value)) - steps_shift - 1;
  return static_cast<std::size_t>(shift * steps + (value >> shift));
}

std::uint64_t upper_end(std::size_t bucket) {
  if (bucket < 2 * steps) return bucket;
  const std::uint64_t shift = bucket / steps - 1;
  return ((bucket - shift * steps + 1) << shift) - 1;
}

double micros(std::chrono::nanoseconds time) { return static_cast<double>(time.count()) / 1000; }

}  // namespace

Histogram::Histogram() : counts_(bucket_of(longest) + 1) {}

void Histogram::add(std::chrono::nanoseconds time) {
  const auto value = std::min(static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0)), longest);
  ++counts_[bucket_of(value)];
  ++count_;
  max_ = std::max(max_, std::chrono::nanoseconds(value));
}

void Histogram::add(const Histogram& other) {
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

std::chrono::nanoseconds Histogram::percentile(double part) const {
  if (count_ == 0) return {};
  const auto wanted = static_cast<std::uint64_t>(std::ceil(part * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= std::max<std::uint64_t>(wanted, 1)) return std::min(std::chrono::nanoseconds(upper_end(i)), max_);
  }
  return max_;
}

nlohmann::json Histogram::to_json() const {
  return {{"count", count_},
          {"p50_us", micros(percentile(0.5))},
          {"p90_us", micros(percentile(0.9))},
          {"p99_us", micros(percentile(0.99))},
          {"p999_us", micros(percentile(0.999))},
          {"max_us", micros(max_)}};
}

nlohmann::json Histogram::steps() const {
  nlohmann::json out = nlohmann::json::array();
  for (std::size_t i = 0; i < counts_.size(); ++i)
    if (counts_[i] != 0) out.push_back({micros(std::chrono::nanoseconds(upper_end(i))), counts_[i]});
  return out;
}

std::string Histogram::to_text() const {
  return "p50 " + duration_text(percentile(0.5)) + "   p90 " + duration_text(percentile(0.9)) + "   p99 " +
         duration_text(percentile(0.99)) + "   p99.9 " + duration_text(percentile(0.999)) + "   max " +
         duration_text(max_);
}

std::string duration_text(std::chrono::nanoseconds time) {
  char text[32];
  const double us = micros(time);
  if (us < 1000)
    std::snprintf(text, sizeof text, "%.0f us", us);
  else if (us < 1'000'000)
    std::snprintf(text, sizeof text, "%.2f ms", us / 1000);
  else
    std::snprintf(text, sizeof text, "%.2f s", us / 1'000'000);
  return text;
}

}  // namespace pli::bench
