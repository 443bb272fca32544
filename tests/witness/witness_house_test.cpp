// The witness that other tests are lied to by: each conduct, over HTTP, as the log's side reads it.
#include "tests/support/witness_house.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "tests/witness/growing_log.hpp"
#include "tests/witness/http_talk.hpp"

namespace pli::testing {
namespace {

using Conduct = WitnessHouse::Conduct;

class WitnessHouseTest : public ::testing::Test {
 protected:
  WitnessHouseTest() { log_.grow(20); }
  /// What a log makes of the answer.
  Result<audit::WitnessReply> ask(std::uint64_t old, std::uint64_t size) {
    const audit::AddCheckpoint request = log_.request(old, size);
    const auto got = HttpTalk(house_.port()).post("/add-checkpoint", audit::to_text(request));
    if (!got) return Error{Errc::unavailable, "no answer"};
    return audit::read_witness_answer(request, log_.size(), {got->status, got->headers.at("content-type"), got->body},
                                      house_.key(), audit::to_seconds(SystemClock().now()));
  }
  GrowingLog log_;
  WitnessHouse house_{{log_.key()}};
};

TEST_F(WitnessHouseTest, HonestlyCosignsAndServesWhatItCosigned) {
  const auto reply = ask(0, 7);
  ASSERT_TRUE(reply) << reply.error().detail;
  ASSERT_TRUE(std::holds_alternative<audit::Cosigned>(*reply));
  audit::Note note = audit::parse_note(log_.checkpoint(7)).value();
  note.signatures.push_back(std::get<audit::Cosigned>(*reply).line);
  EXPECT_EQ(house_.checkpoint(log_.origin()), audit::to_text(note));
  EXPECT_EQ(house_.asked(), 1U);
}

TEST_F(WitnessHouseTest, MisbehavesAsTold) {
  house_.claim_size(TreeSize{21});
  house_.behave(Conduct::ahead);
  EXPECT_EQ(std::get<audit::WitnessAlarm>(ask(0, 7).value()), audit::WitnessAlarm::rolled_back);
  house_.behave(Conduct::saw_another);
  EXPECT_EQ(std::get<audit::WitnessAlarm>(ask(0, 7).value()), audit::WitnessAlarm::two_trees);
  house_.behave(Conduct::failing);
  EXPECT_EQ(ask(0, 7).error().code, Errc::unavailable);
  EXPECT_FALSE(house_.checkpoint(log_.origin()));
  house_.behave(Conduct::forging);
  EXPECT_EQ(ask(0, 7).error().code, Errc::authentication_failed);
  house_.behave(Conduct::signing_less);
  EXPECT_FALSE(ask(7, 8));
  house_.behave(Conduct::honest);
  EXPECT_EQ(std::get<audit::StandsAt>(ask(0, 9).value()).size.value, 8U);
}

TEST_F(WitnessHouseTest, IsSilentUntilToldOtherwiseAndKeepsWhatItDecided) {
  house_.behave(Conduct::silent);
  std::thread asking([this] { EXPECT_TRUE(std::holds_alternative<audit::Cosigned>(ask(0, 7).value())); });
  while (!house_.checkpoint(log_.origin())) std::this_thread::yield();
  house_.behave(Conduct::honest);
  asking.join();
}

TEST_F(WitnessHouseTest, StopsAndStartsAtTheSamePortWithTheSameState) {
  ASSERT_TRUE(ask(0, 7));
  const std::string url = house_.url();
  house_.stop();
  EXPECT_EQ(ask(7, 9).error().code, Errc::unavailable);
  house_.start();
  EXPECT_EQ(house_.url(), url);
  EXPECT_TRUE(std::holds_alternative<audit::Cosigned>(ask(7, 9).value()));
}

TEST_F(WitnessHouseTest, SignsTheTimeItIsGiven) {
  house_.set_now(UnixMillis{1'700'000'000'999});
  EXPECT_EQ(std::get<audit::Cosigned>(ask(0, 7).value()).time.value, 1'700'000'000U);
}

TEST(WitnessHouseOfAWholeLog, WatchesEveryShard) {
  GrowingLog second(std::string(watched_log) + "/2027-2");
  second.grow(3);
  WitnessHouse house(WitnessHouse::every_shard(watched_log, second.key().key));
  EXPECT_EQ(HttpTalk(house.port()).post("/add-checkpoint", second.body(0, 3))->status, 200);
}

}  // namespace
}  // namespace pli::testing
