#include "broker/standing.hpp"

#include <gtest/gtest.h>

#include "audit/checkpoint.hpp"
#include "audit/tree.hpp"

namespace pli::broker {
namespace {

constexpr const char* log_name = "pli.essai.example/pli/89";

class StandingTest : public ::testing::Test {
 protected:
  StandingTest() {
    for (int i = 0; i < 20; ++i) tree_.append(as_bytes("leaf " + std::to_string(i)));
  }
  [[nodiscard]] std::string note(const char* shard, std::uint64_t size) const {
    return sign(shard, size, audit::root_at({size}, tree_.source()).value());
  }
  [[nodiscard]] std::string sign(const char* shard, std::uint64_t size, const Digest& root) const {
    return audit::sign_checkpoint({std::string(log_name) + "/" + shard, {size}, root}, key_);
  }
  /// Closed at twelve leaves, rolled back from what `lost` says; then one open with five.
  [[nodiscard]] std::vector<StoredShard> two(const std::string& lost = {}) const {
    const std::string log = log_name;
    return {{{{0}, log + "/2026-1", {note("2026-1", 12), lost, lost.empty() ? "" : "order"}}, {12}},
            {{{1}, log + "/2026-2", {}}, {5}}};
  }
  [[nodiscard]] Standing of(const std::string& outside, const std::vector<StoredShard>& shards) const {
    const auto compared =
        compare_with_outside({1, outside}, log_name, key_.public_key(), shards,
                             [&](ShardNumber, TreeSize size) { return audit::root_at(size, tree_.source()); });
    EXPECT_TRUE(compared.has_value());
    EXPECT_EQ(compared->cause.empty(), compared->standing == Standing::extends);
    return compared->standing;
  }
  crypto::SigningKey key_ = crypto::SigningKey::generate();
  audit::MemoryTree tree_;
};

TEST_F(StandingTest, ExtendsWhatWasPublishedOfTheCurrentShard) {
  EXPECT_EQ(of(note("2026-2", 5), two()), Standing::extends);
  EXPECT_EQ(of(note("2026-2", 1), two()), Standing::extends);
  EXPECT_EQ(of(note("2026-2", 6), two()), Standing::rolled_back);
  EXPECT_EQ(of(sign("2026-2", 5, Digest{}), two()), Standing::other_history);
  EXPECT_EQ(of(sign("2026-2", 3, Digest{}), two()), Standing::other_history);
}

TEST_F(StandingTest, ExtendsWhatWasPublishedOfAShardItClosedComplete) {
  EXPECT_EQ(of(note("2026-1", 12), two()), Standing::extends);
  EXPECT_EQ(of(note("2026-1", 3), two()), Standing::extends);
  // More of a closed shard than its end was published by somebody else.
  EXPECT_EQ(of(note("2026-1", 13), two()), Standing::other_history);
}

TEST_F(StandingTest, ExtendsTheVeryCheckpointAnOrderGaveUpAndNoOtherBeyondTheEnd) {
  EXPECT_EQ(of(note("2026-1", 15), two(note("2026-1", 15))), Standing::extends);
  EXPECT_EQ(of(note("2026-1", 14), two(note("2026-1", 15))), Standing::other_history);
  EXPECT_EQ(of(note("2026-1", 16), two(note("2026-1", 15))), Standing::other_history);
  EXPECT_EQ(of(sign("2026-1", 15, Digest{}), two(note("2026-1", 15))), Standing::other_history);
}

TEST_F(StandingTest, TellsACopyFromBeforeAShardFromAnotherLogs) {
  EXPECT_EQ(of(note("2026-3", 1), two()), Standing::before_its_shard);
  EXPECT_EQ(of(note("2027-1", 1), two()), Standing::before_its_shard);
  EXPECT_EQ(of(note("2025-1", 1), two()), Standing::foreign);
  EXPECT_EQ(of("not a note", two()), Standing::foreign);
  EXPECT_EQ(of(audit::sign_checkpoint({"pli.essai.example/pli/58/2026-2", {5}, tree_.root()}, key_), two()),
            Standing::foreign);
  const std::string forged =
      audit::sign_checkpoint({std::string(log_name) + "/2026-2", {6}, Digest{}}, crypto::SigningKey::generate());
  EXPECT_EQ(of(forged, two()), Standing::foreign);
}

}  // namespace
}  // namespace pli::broker
