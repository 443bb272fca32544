// The helpers that share an age payload's chunks. Apart, so that ThreadSanitizer can watch it.
#include "crypto/chunk_crew.hpp"

#include <gtest/gtest.h>

#include <array>
#include <numeric>

namespace pli::crypto {
namespace {

TEST(ChunkCrew, DoesEachChunkOfEachRunOnce) {
  constexpr std::size_t chunks = 64;
  constexpr int rounds = 50;
  std::vector<int> first(chunks);
  std::vector<int> second(chunks);
  ChunkCrew crew;
  for (int round = 0; round < rounds; ++round) {
    ChunkCrew::Run one;
    ChunkCrew::Run other;
    crew.start(one, chunks, [&](std::size_t i) { first[i] += static_cast<int>(i); });
    crew.start(other, chunks, [&](std::size_t i) { second[i] += 1; });
    crew.finish(one);
    // What a finished run wrote is the owner's to read, though helpers are at the next one.
    EXPECT_EQ(std::accumulate(first.begin(), first.end(), 0), (round + 1) * int{chunks * (chunks - 1) / 2});
    crew.finish(other);
    EXPECT_EQ(second, std::vector<int>(chunks, round + 1));
  }
}

TEST(ChunkCrew, EndsWithARunUnderWay) {
  std::array<std::size_t, 1000> done{};
  ChunkCrew::Run run;
  {
    ChunkCrew crew;
    crew.start(run, done.size(), [&](std::size_t i) { done[i] = 1; });
  }
  EXPECT_LE(std::accumulate(done.begin(), done.end(), std::size_t{0}), done.size());
}

}  // namespace
}  // namespace pli::crypto
