// What the simulator itself must be able to do: find what is planted, repeat itself exactly, make a failure small. That
// the broker keeps its promises over thousands of seeds is run by pli-sim (CMakeLists.txt).
#include <gtest/gtest.h>

#include <sstream>

#include "tests/simulator/planted.hpp"
#include "tests/simulator/simulation.hpp"

namespace pli::testing {
namespace {

/// A bug that this many seeds do not find is not looked for.
constexpr std::uint64_t seeds_to_find_one = 400;

class Planted : public ::testing::TestWithParam<std::string> {
 protected:
  ~Planted() override { wake({}); }
  std::optional<std::uint64_t> seed_that_finds(const std::string& bug) {
    wake(bug);
    for (std::uint64_t seed = 1; seed <= seeds_to_find_one; ++seed)
      if (simulate(seed, make_plan(seed)).breach) return seed;
    return std::nullopt;
  }
};

TEST_P(Planted, IsFoundAndSleepingItIsNot) {
  const auto seed = seed_that_finds(GetParam());
  ASSERT_TRUE(seed.has_value()) << seeds_to_find_one << " seeds did not find " << GetParam();
  const Outcome awake = simulate(*seed, make_plan(*seed));
  ASSERT_TRUE(awake.breach.has_value()) << "seed " << *seed << " does not find it again";
  std::cout << "  seed " << *seed << ": " << awake.breach->promise << ", " << awake.breach->what << '\n';
  wake({});
  const Outcome asleep = simulate(*seed, make_plan(*seed));
  EXPECT_FALSE(asleep.breach.has_value()) << asleep.breach->promise << ": " << asleep.breach->what;
}
INSTANTIATE_TEST_SUITE_P(Each, Planted, ::testing::ValuesIn(planted_bugs()), [](const auto& bug) { return bug.param; });

TEST(Simulator, ReplaysASeedExactlyToTheLastEvent) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    std::ostringstream first;
    std::ostringstream second;
    const Outcome once = simulate(seed, make_plan(seed), &first);
    const Outcome again = simulate(seed, make_plan(seed), &second);
    EXPECT_EQ(first.str(), second.str());
    EXPECT_EQ(once.trace_digest, again.trace_digest);
    EXPECT_FALSE(once.breach.has_value()) << once.breach->promise << ": " << once.breach->what;
  }
}

TEST(Simulator, AnotherSeedIsAnotherStory) {
  EXPECT_NE(simulate(1, make_plan(1)).trace_digest, simulate(2, make_plan(2)).trace_digest);
}

/// A simulation in which nothing is sent, cut off or read breaks no promise either.
TEST(Simulator, MeetsEverythingItCountsWithinFortySeeds) {
  constexpr std::uint64_t seeds = 40;
  Tally sum;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) sum.add(simulate(seed, make_plan(seed)).tally);
  EXPECT_GT(sum.receipted, seeds);
  EXPECT_GT(sum.read, seeds);
  EXPECT_GT(sum.refusals, seeds);
  EXPECT_GT(sum.crashes, seeds / 2);
  EXPECT_GT(sum.cut_in_commit, 0U);
  EXPECT_GT(sum.unsure, 0U) << "a batch that stood though nobody was told";
  EXPECT_GT(sum.versions, 2 * seeds);
  EXPECT_GT(sum.shards, seeds) << "a shard that was closed";
}

class Shrinking : public Planted {};

TEST_F(Shrinking, LeavesAPlanFromWhichNothingMoreCanBeTaken) {
  const auto seed = seed_that_finds("refused_unrecorded");
  ASSERT_TRUE(seed.has_value());
  const Plan least = shrink(*seed, make_plan(*seed));
  EXPECT_LT(least.size(), make_plan(*seed).size() / 2);
  ASSERT_TRUE(simulate(*seed, least).breach.has_value());
  for (std::size_t i = 0; i < least.size(); ++i) {
    Plan shorter = least;
    shorter.erase(shorter.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_FALSE(simulate(*seed, shorter).breach.has_value()) << "without " << to_text(least[i]);
  }
}

}  // namespace
}  // namespace pli::testing
