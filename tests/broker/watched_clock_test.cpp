#include "broker/watched_clock.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "broker/check_store.hpp"
#include "broker/log.hpp"
#include "protocol/limits.hpp"
#include "tests/support/broker_house.hpp"
#include "tests/support/temporary_folder.hpp"

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

TEST_F(WatchedClockTest, TellsTheOperatorWhichWayItJumpedHowFarAndWhenItIsRightAgain) {
  const testing::TemporaryFolder folder;
  ASSERT_TRUE(open_log({folder.path(), false}));
  for (const std::chrono::milliseconds jump : {std::chrono::milliseconds(26h), -std::chrono::milliseconds(90min)}) {
    const UnixMillis right = clock.now();
    machine.advance(jump);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(clock.now(), right);
    machine.set(right);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(clock.now(), right);
  }
  close_log();
  std::ifstream file(folder.path() / "pli-broker.log");
  std::vector<nlohmann::json> said;
  for (std::string line; std::getline(file, line);) {
    said.push_back(nlohmann::json::parse(line));
    said.back().erase("time");
  }
  constexpr const char* jumped = "the machine's clock jumped and is not followed: set it right, or start again";
  const nlohmann::json back_again = {{"level", "info"}, {"event", "the machine's clock is right again"}};
  EXPECT_EQ(said, (std::vector<nlohmann::json>{
                      {{"level", "error"}, {"event", jumped}, {"way", "forward"}, {"seconds", 26 * 3600}},
                      back_again,
                      {{"level", "error"}, {"event", jumped}, {"way", "back"}, {"seconds", 90 * 60}},
                      back_again,
                  }));
}

/// A machine whose clock is set back and forward all day, by seconds and by years.
TEST(JumpingClock, LeavesNeverGoBackInTimeAndWorkGoesOn) {
  constexpr std::uint64_t seed = 20'260'112;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const testing::Department department;
  testing::BrokerHouse house(department);
  ManualClock machine(department.now());
  std::chrono::milliseconds elapsed{0};
  const WatchedClock clock(machine, [&] { return elapsed; });
  constexpr std::chrono::milliseconds jumps[] = {7s, 40min, clock_jump_max, clock_jump_max + 1ms, 26h, 24h * 400};
  UnixMillis newest = house.now;
  int opened = 0;
  for (int step = 0; step < 120; ++step) {
    const std::chrono::milliseconds passed(random() % 60'000);
    machine.advance(passed);
    elapsed += passed;
    const UnixMillis before = house.now;
    switch (random() % 4) {
      case 0: machine.advance(jumps[random() % std::size(jumps)]); break;
      case 1: machine.advance(-jumps[random() % std::size(jumps)]); break;
      case 2: machine.set(before + passed); break;
      default: break;
    }
    house.now = clock.now();
    EXPECT_LE(house.now - before, passed + clock_jump_max);
    EXPECT_LE(before - house.now, clock_jump_max);
    testing::Draft draft;
    draft.created_at = house.now;
    const testing::Sealed sealed = department.seal(draft);
    ASSERT_EQ(testing::refusal_in(house.ask(draft.sender, sealed.verified())), "");
    // By the log's time, which does not go back.
    newest = std::max(newest, house.now);
    const bool too_old = house.now < newest - protocol::opening_age_max;
    ASSERT_EQ(testing::refusal_in(house.ask("ged.1", department.open("ged.1", sealed.id, house.now))),
              too_old ? "CLOCK_SKEW" : "");
    opened += too_old ? 0 : 1;
    if (step % 10 == 0) house.tick();
    if (step % 40 == 39) house.restart();
  }
  EXPECT_GT(opened, 20);
  UnixMillis last{};
  for (std::uint64_t i = 0; i < house.store().tree_size().value; ++i) {
    const auto leaf = house.store().leaf({{i}, {0}});
    ASSERT_TRUE(leaf.has_value());
    EXPECT_GE(leaf->leaf.time, last);
    last = leaf->leaf.time;
  }
  CheckOptions options;
  options.log = department.log();
  const auto report = check_store(house.database(), house.keys(), options);
  ASSERT_TRUE(report.has_value());
  for (const StoreProblem& problem : report->problems) ADD_FAILURE() << problem.name << " " << problem.where;
}

TEST(TimeSinceBoot, NeverGoesBack) {
  const auto first = time_since_boot();
  EXPECT_GT(first.count(), 0);
  EXPECT_GE(time_since_boot(), first);
}

}  // namespace
}  // namespace pli::broker
