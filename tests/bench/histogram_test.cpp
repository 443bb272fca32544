#include "bench/histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

namespace pli::bench {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::nanoseconds;

TEST(Histogram, PercentilesAreThoseOfTheSortedTimesToEightInAThousand) {
  for (const unsigned seed : {1U, 2U, 3U}) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::lognormal_distribution<double> times(13, 2);
    Histogram histogram;
    std::vector<std::int64_t> sorted;
    for (int i = 0; i < 50'000; ++i) {
      const auto value = static_cast<std::int64_t>(times(random));
      sorted.push_back(value);
      histogram.add(nanoseconds(value));
    }
    std::sort(sorted.begin(), sorted.end());
    for (const double part : {0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      const auto at = static_cast<std::size_t>(std::ceil(part * 50'000)) - 1;
      const auto exact = static_cast<double>(sorted[at]);
      const auto found = static_cast<double>(histogram.percentile(part).count());
      EXPECT_GE(found, exact) << part;
      EXPECT_LE(found, exact * 1.008 + 1) << part;
    }
    EXPECT_EQ(histogram.max().count(), sorted.back());
  }
}

TEST(Histogram, EmptyOneHasNoTimes) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.percentile(0.5), nanoseconds(0));
  EXPECT_EQ(histogram.to_json()["max_us"], 0.0);
}

TEST(Histogram, SumOfTwoIsTheHistogramOfAllTimes) {
  Histogram left;
  Histogram right;
  Histogram all;
  for (int i = 1; i <= 1000; ++i) {
    (i % 3 == 0 ? left : right).add(microseconds(i));
    all.add(microseconds(i));
  }
  left.add(right);
  EXPECT_EQ(left.to_json(), all.to_json());
}

TEST(Histogram, StepsRiseAndCountEachTimeOnce) {
  Histogram histogram;
  for (int i = 0; i < 1000; ++i) histogram.add(microseconds(i * i));
  std::uint64_t count = 0;
  double before = -1;
  for (const auto& step : histogram.steps()) {
    EXPECT_GT(step.at(0).get<double>(), before);
    before = step.at(0).get<double>();
    count += step.at(1).get<std::uint64_t>();
  }
  EXPECT_EQ(count, 1000U);
  EXPECT_EQ(Histogram().steps().size(), 0U);
}

TEST(Histogram, TimesBeyondAnHourAndBelowZeroCountAtTheEnds) {
  Histogram histogram;
  histogram.add(hours(2));
  histogram.add(nanoseconds(-5));
  EXPECT_EQ(histogram.count(), 2U);
  EXPECT_EQ(histogram.max(), hours(1));
  EXPECT_EQ(histogram.percentile(0.5), nanoseconds(0));
}

}  // namespace
}  // namespace pli::bench
