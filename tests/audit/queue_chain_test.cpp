#include "audit/queue_chain.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/hash.hpp"
#include "support.hpp"

namespace pli::audit::test {
namespace {

Digest exchange(int number) { return crypto::sha256(as_bytes("exchange " + std::to_string(number))); }

/// The heads 0..count of a queue that received exchanges 1..count in order.
std::vector<QueueHead> chain_of(int count) {
  std::vector<QueueHead> heads = {queue_start("broker.example/pli/89", "ged/89")};
  for (int i = 1; i <= count; ++i) heads.push_back(queue_next(heads.back(), exchange(i)));
  return heads;
}

TEST(QueueChain, HasTheHeadsOfTheVector) {
  const std::vector<QueueHead> heads = chain_of(2);
  for (std::size_t i = 0; i < heads.size(); ++i) {
    EXPECT_EQ(heads[i].number, QueueNumber{i});
    EXPECT_EQ(to_bytes(heads[i].head), own_format("queue_head_" + std::to_string(i)));
  }
}

TEST(QueueChain, P8FollowsLinkByLink) {
  const std::vector<QueueHead> heads = chain_of(20);
  for (int i = 1; i <= 20; ++i) {
    const auto at = static_cast<std::size_t>(i);
    EXPECT_TRUE(verify_link(heads[at - 1], exchange(i), heads[at]));
  }
}

TEST(QueueChain, P8WithheldExchangeShows) {
  const std::vector<QueueHead> heads = chain_of(5);
  // Number 3 is kept back: neither its number nor its head can be made up for.
  EXPECT_EQ(verify_link(heads[2], exchange(4), heads[4]).error().code, Errc::authentication_failed);
  EXPECT_FALSE(verify_link(heads[2], exchange(4), {QueueNumber{3}, heads[4].head}));
  // A member served a shortened chain ends with another head than the others compare.
  QueueHead shortened = heads[2];
  for (const int i : {4, 5}) shortened = queue_next(shortened, exchange(i));
  EXPECT_NE(shortened.head, heads[5].head);
  EXPECT_NE(shortened.head, heads[4].head);
}

TEST(QueueChain, P8ReorderedExchangeShows) {
  std::vector<int> order = {1, 2, 3, 4, 5};
  const Digest honest = chain_of(5).back().head;
  while (std::next_permutation(order.begin(), order.end())) {
    QueueHead head = queue_start("broker.example/pli/89", "ged/89");
    for (const int i : order) head = queue_next(head, exchange(i));
    EXPECT_EQ(head.number, QueueNumber{5});
    EXPECT_NE(head.head, honest);
  }
}

TEST(QueueChain, RefusesAnotherExchangeNumberOrHead) {
  const std::vector<QueueHead> heads = chain_of(2);
  ASSERT_TRUE(verify_link(heads[1], exchange(2), heads[2]));
  EXPECT_FALSE(verify_link(heads[1], exchange(3), heads[2]));
  EXPECT_FALSE(verify_link(heads[1], exchange(2), {QueueNumber{3}, heads[2].head}));
  EXPECT_FALSE(verify_link(heads[0], exchange(2), heads[2]));
  EXPECT_FALSE(verify_link(heads[2], exchange(2), heads[2]));
  for (std::size_t i = 0; i < 32; ++i) {
    QueueHead flipped = heads[2];
    flipped.head[i] ^= 0x40;
    EXPECT_FALSE(verify_link(heads[1], exchange(2), flipped));
    flipped = heads[1];
    flipped.head[i] ^= 0x40;
    EXPECT_FALSE(verify_link(flipped, exchange(2), heads[2]));
  }
}

TEST(QueueChain, OfTheHighestNumberHasNoNext) {
  const QueueHead last{QueueNumber{~std::uint64_t{0}}, Digest{}};
  EXPECT_EQ(verify_link(last, exchange(1), {QueueNumber{0}, Digest{}}).error().code, Errc::authentication_failed);
  EXPECT_DEATH((void)queue_next(last, exchange(1)), "broken invariant");
}

TEST(QueueChain, StartsElsewhereForAnotherLogOrQueue) {
  const QueueHead start = queue_start("broker.example/pli/89", "ged/89");
  EXPECT_EQ(start.number, QueueNumber{0});
  EXPECT_NE(start, queue_start("broker.example/pli/21", "ged/89"));
  EXPECT_NE(start, queue_start("broker.example/pli/89", "clir/89"));
  EXPECT_NE(queue_start("a", "b/c"), queue_start("a/b", "c"));
  EXPECT_NE(queue_start("ab", "c"), queue_start("a", "bc"));
}

}  // namespace
}  // namespace pli::audit::test
