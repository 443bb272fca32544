// What followers cost and get when they are behind: slices, turns, and whose conduct is whose.
#include <gtest/gtest.h>

#include "protocol/limits.hpp"
#include "tests/broker/core_fixture.hpp"

namespace pli::testing {
namespace {

class Followers : public CoreTest {
 protected:
  using Numbers = std::vector<std::uint64_t>;

  static Numbers numbers_for(const std::vector<broker::Outgoing>& outgoing, const broker::Peer& peer) {
    Numbers out;
    for (const broker::Outgoing& each : outgoing) {
      const auto* pushed = std::get_if<protocol::Pushed>(&each.reply.body);
      if (pushed == nullptr || each.peer != peer) continue;
      for (const protocol::QueueItem& item : pushed->items) out.push_back(item.head.number.value);
    }
    return out;
  }
  static std::size_t headers_in(const std::vector<broker::Outgoing>& outgoing) {
    std::size_t out = 0;
    for (const broker::Outgoing& each : outgoing)
      if (const auto* pushed = std::get_if<protocol::Pushed>(&each.reply.body)) out += pushed->items.size();
    return out;
  }
  static Numbers up_to(std::uint64_t last) {
    Numbers out;
    for (std::uint64_t i = 1; i <= last; ++i) out.push_back(i);
    return out;
  }
  std::vector<broker::Outgoing> apply(std::vector<broker::VerifiedRequest> batch) {
    auto outcome = house.apply(std::move(batch));
    EXPECT_TRUE(outcome.has_value());
    return std::move(outcome->outgoing);
  }
  std::vector<broker::Outgoing> follow(const std::string& member, std::uint32_t credit, int connection = 0) {
    std::vector<broker::VerifiedRequest> batch;
    batch.push_back(house.request(member, protocol::Follow{{{"ged/89", {}}}, credit}, connection));
    return apply(std::move(batch));
  }
  std::vector<broker::Outgoing> catch_up() {
    auto pushes = house.core().catch_up(house.now);
    EXPECT_TRUE(pushes.has_value());
    return *std::move(pushes);
  }
  void arrive(std::size_t count) {
    Draft draft;
    draft.openable = false;
    std::vector<broker::VerifiedRequest> batch;
    for (std::size_t i = 0; i < count; ++i)
      batch.push_back(house.request("referent.auxerre", department.seal(draft).verified()));
    (void)apply(std::move(batch));
  }
};

TEST_F(Followers, GetOnePageWithTheAnswerAndTheRestInTurns) {
  constexpr std::size_t backlog = 2 * protocol::list_items_max + 1;
  arrive(backlog);
  const broker::Peer peer = department.peer("ged.1");
  Numbers seen = numbers_for(follow("ged.1", 1000), peer);
  EXPECT_EQ(seen.size(), protocol::list_items_max);
  int slices = 0;
  for (; house.core().behind(); ++slices) {
    const auto pushes = catch_up();
    for (const broker::Outgoing& push : pushes) EXPECT_FALSE(push.answers);
    for (const std::uint64_t number : numbers_for(pushes, peer)) seen.push_back(number);
  }
  EXPECT_EQ(slices, 2);
  EXPECT_EQ(seen, up_to(backlog));
  EXPECT_TRUE(catch_up().empty());
}

TEST_F(Followers, AreNotBehindWithOnePageOrWithoutCredit) {
  arrive(protocol::list_items_max);
  (void)follow("ged.1", 1000);
  EXPECT_FALSE(house.core().behind());
  arrive(1);
  EXPECT_FALSE(house.core().behind()) << "what arrives is pushed at once";
  (void)follow("ged.1", protocol::list_items_max);
  EXPECT_FALSE(house.core().behind()) << "65 wait, credit for 64";
  (void)follow("ged.1", protocol::list_items_max + 1);
  EXPECT_TRUE(house.core().behind());
}

TEST_F(Followers, MissNothingAndSeeNothingTwiceWhenExchangesArriveWhileTheyAreBehind) {
  arrive(2 * protocol::list_items_max);
  const broker::Peer peer = department.peer("ged.1");
  Numbers seen = numbers_for(follow("ged.1", 1000), peer);
  const auto take = [&](const std::vector<broker::Outgoing>& outgoing) {
    for (const std::uint64_t number : numbers_for(outgoing, peer)) seen.push_back(number);
  };
  for (int i = 0; i < 6; ++i) {
    std::vector<broker::VerifiedRequest> batch;
    batch.push_back(house.request("referent.auxerre", department.seal({}).verified()));
    take(apply(std::move(batch)));
    if (i % 2 == 1) take(catch_up());
  }
  while (house.core().behind()) take(catch_up());
  EXPECT_EQ(seen, up_to(2 * protocol::list_items_max + 6));
}

TEST_F(Followers, AskingAgainAndAgainInOneBatchGetsOnePage) {
  arrive(2 * protocol::list_items_max);
  std::vector<broker::VerifiedRequest> batch;
  for (std::size_t i = 0; i < protocol::in_flight_max; ++i)
    batch.push_back(house.request("ged.1", protocol::Follow{{{"ged/89", {}}}, protocol::follow_credit_max}));
  const std::uint64_t last = batch.back().request_id;
  const auto outgoing = apply(std::move(batch));
  EXPECT_EQ(headers_in(outgoing), protocol::list_items_max);
  std::size_t answers = 0;
  for (const broker::Outgoing& each : outgoing) {
    answers += each.answers ? 1 : 0;
    const bool has_page = !std::get<protocol::Pushed>(each.reply.body).items.empty();
    EXPECT_EQ(has_page, each.reply.id == last);
  }
  EXPECT_EQ(answers, protocol::in_flight_max);
  EXPECT_EQ(headers_in(catch_up()), protocol::list_items_max) << "one follower, one turn";
}

TEST_F(Followers, TogetherGetNoMoreThanABatchGivesAndEachHasItsTurn) {
  arrive(protocol::list_items_max);
  constexpr int pages = protocol::follow_batch_headers_max / protocol::list_items_max;
  const auto all_follow = [&](int connections) {
    std::vector<broker::VerifiedRequest> batch;
    for (int i = 0; i < connections; ++i)
      batch.push_back(house.request("ged.1", protocol::Follow{{{"ged/89", {}}}, 1000}, i));
    return apply(std::move(batch));
  };
  EXPECT_EQ(headers_in(all_follow(pages)), protocol::follow_batch_headers_max);
  EXPECT_FALSE(house.core().behind()) << "at the limit all are served";
  EXPECT_EQ(headers_in(all_follow(pages + 1)), protocol::follow_batch_headers_max);
  EXPECT_TRUE(house.core().behind()) << "one above waits";
  EXPECT_EQ(numbers_for(catch_up(), department.peer("ged.1", pages)), up_to(protocol::list_items_max));
  EXPECT_FALSE(house.core().behind());
}

TEST_F(Followers, WhoAreBehindAreJudgedAtEachSlice) {
  arrive(2 * protocol::list_items_max);
  (void)follow("ged.1", 1000);
  ASSERT_TRUE(house.core().behind());
  ASSERT_EQ(refusal_in(publish(department.revoke("ged.1", house.now))), "");
  EXPECT_TRUE(catch_up().empty());
  EXPECT_FALSE(house.core().behind());
}

TEST_F(Followers, ASubscriptionEndedForSlownessIsNotTheNewOne) {
  std::vector<broker::VerifiedRequest> batch;
  batch.push_back(house.request("ged.1", protocol::Follow{{{"ged/89", {}}}, 100}));
  const std::uint64_t old = batch.front().request_id;
  (void)apply(std::move(batch));
  (void)follow("ged.1", 100);
  house.core().forget(department.peer("ged.1"), old);
  const auto push_one = [&] {
    std::vector<broker::VerifiedRequest> submit;
    submit.push_back(house.request("referent.auxerre", department.seal({}).verified()));
    return numbers_for(apply(std::move(submit)), department.peer("ged.1")).size();
  };
  EXPECT_EQ(push_one(), 1U);
  house.core().forget(department.peer("ged.1"), old + 1);
  EXPECT_EQ(push_one(), 0U);
}

TEST_F(Followers, AFormerKeysRefusalsDoNotSilenceItsOwner) {
  const broker::Peer former = department.peer("ged.1");
  ASSERT_EQ(refusal_in(publish(department.renew("ged.1"))), "");
  const auto ask_as_former = [&] {
    std::vector<broker::VerifiedRequest> batch;
    batch.push_back(house.request("ged.1", protocol::Hello{}));
    batch.front().peer = former;
    return refusal_in(apply(std::move(batch)).front().reply.body);
  };
  for (std::size_t i = 0; i < protocol::refusals_per_minute_max; ++i) ASSERT_EQ(ask_as_former(), "REVOKED");
  EXPECT_EQ(ask_as_former().substr(0, 4), "BUSY");
  EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::Hello{})), "");
}

}  // namespace
}  // namespace pli::testing
