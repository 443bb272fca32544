#include "broker/watched_clock.hpp"

#include <gtest/gtest.h>

#include "protocol/limits.hpp"

namespace pli::broker {
namespace {

using namespace std::chrono_literals;
using protocol::clock_back_max;
using protocol::clock_jump_max;
using protocol::clock_leap_max;

constexpr UnixMillis monday{1'767'600'000'000};
constexpr UnixMillis year_2099{4'070'908'800'000};

TEST(PlausibleClock, MayBeAsFarAheadAsALongStop) {
  EXPECT_TRUE(demand_plausible_clock(monday, monday, monday));
  EXPECT_TRUE(demand_plausible_clock(monday + clock_leap_max, monday, monday));
  EXPECT_EQ(demand_plausible_clock(monday + clock_leap_max + 1ms, monday, monday).error().code, Errc::over_limit);
  // The newer of the two counts: a quiet log has its weekly lease, a fresh lease its log.
  EXPECT_TRUE(demand_plausible_clock(monday + clock_leap_max + 1ms, monday, monday + 1ms));
  EXPECT_TRUE(demand_plausible_clock(monday + clock_leap_max + 1ms, monday + 1ms, {}));
  EXPECT_EQ(demand_plausible_clock(year_2099, monday, monday).error().code, Errc::over_limit);
}

TEST(PlausibleClock, MayBeALittleBehind) {
  EXPECT_TRUE(demand_plausible_clock(monday - clock_back_max, monday, monday));
  EXPECT_EQ(demand_plausible_clock(monday - clock_back_max - 1ms, monday, monday).error().code, Errc::conflict);
  EXPECT_EQ(demand_plausible_clock({0}, monday, monday).error().code, Errc::conflict);
}

TEST(PlausibleClock, IsNotMeasuredByALeafDatedAhead) {
  EXPECT_TRUE(demand_plausible_clock(monday, monday, year_2099));
  EXPECT_EQ(demand_plausible_clock(monday + clock_leap_max + 1ms, monday, year_2099).error().code, Errc::over_limit);
}

class WatchedClockTest : public ::testing::Test {
 protected:
  void pass(std::chrono::milliseconds time) {
    machine.advance(time);
    elapsed += time;
  }
  ManualClock machine{monday};
  std::chrono::milliseconds elapsed{77};
  WatchedClock clock{machine, [this] { return elapsed; }};
};

TEST_F(WatchedClockTest, MovesWithTheMachines) {
  EXPECT_EQ(clock.now(), monday);
  pass(3h);
  EXPECT_EQ(clock.now(), monday + 3h);
  machine.advance(-clock_jump_max);  // what NTP may do
  EXPECT_EQ(clock.now(), monday + 3h - clock_jump_max);
  machine.advance(clock_jump_max);
  EXPECT_EQ(clock.now(), monday + 3h);
}

TEST_F(WatchedClockTest, DoesNotFollowAJumpForward) {
  machine.set(year_2099);
  EXPECT_EQ(clock.now(), monday);
  pass(40h);
  EXPECT_EQ(clock.now(), monday + 40h);
  machine.set(monday + 40h + 5s);  // set right
  EXPECT_EQ(clock.now(), monday + 40h + 5s);
}

TEST_F(WatchedClockTest, DoesNotFollowAJumpBack) {
  pass(1h);
  machine.set({0});
  EXPECT_EQ(clock.now(), monday + 1h);
  pass(2h);
  EXPECT_EQ(clock.now(), monday + 3h);
}

TEST_F(WatchedClockTest, FollowsAStepAtTheLimitAndNotOneAboveIt) {
  machine.advance(clock_jump_max + 1ms);
  EXPECT_EQ(clock.now(), monday);
  machine.set(monday + clock_jump_max);
  EXPECT_EQ(clock.now(), monday + clock_jump_max);
  machine.set(monday + clock_jump_max - clock_jump_max - 1ms);
  EXPECT_EQ(clock.now(), monday + clock_jump_max);
}

TEST_F(WatchedClockTest, RunsOnOverASleepOfTheMachine) {
  pass(72h);  // both clocks count it
  EXPECT_EQ(clock.now(), monday + 72h);
}

TEST(TimeSinceBoot, NeverGoesBack) {
  const auto first = time_since_boot();
  EXPECT_GT(first.count(), 0);
  EXPECT_GE(time_since_boot(), first);
}

}  // namespace
}  // namespace pli::broker
