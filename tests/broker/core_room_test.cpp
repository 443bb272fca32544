// What the disk still holds and what one identity may take of it in a day.
#include "protocol/limits.hpp"
#include "tests/broker/core_fixture.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;

DepartmentOptions small_department() {
  DepartmentOptions options;
  options.ged_members = 3;
  options.clir_members = 1;
  return options;
}

class DiskReserve : public ::testing::Test {
 protected:
  broker::StoreOptions on_this_disk() {
    broker::StoreOptions options;
    options.free_bytes = [this] { return free_; };
    return options;
  }
  std::string submit(const Sealed& sealed) { return refusal_in(house_.ask(sealed.address.sender, sealed.verified())); }
  static std::uint64_t needed(const Sealed& sealed) {
    return 2 * (sealed.envelope.locked.size() + sealed.envelope.payload.size());
  }

  std::uint64_t free_ = UINT64_MAX / 2;
  Department department_{small_department()};
  BrokerHouse house_{department_, on_this_disk()};
};

TEST_F(DiskReserve, BelowItASubmissionIsRefusedAndRecordedAndNothingElseIsWritten) {
  const Sealed before = department_.seal({});
  ASSERT_EQ(submit(before), "");
  const Sealed sealed = department_.seal({});
  free_ = protocol::disk_reserve_bytes + needed(sealed) - 1;
  auto tables = table_digests(house_.database());
  EXPECT_EQ(submit(sealed), "LOG_UNAVAILABLE");
  auto after = table_digests(house_.database());
  for (const char* log : {"leaf", "meta"}) {
    EXPECT_NE(after[log], tables[log]) << log;
    after[log] = tables[log];
  }
  EXPECT_EQ(after, tables);
  free_ = protocol::disk_reserve_bytes + needed(sealed);
  EXPECT_EQ(submit(sealed), "");
}

TEST_F(DiskReserve, InItWhatIsThereIsReadOnAndRecorded) {
  const Sealed sealed = department_.seal({});
  ASSERT_EQ(submit(sealed), "");
  EXPECT_EQ(house_.core().health(house_.now).state, "ok");
  free_ = protocol::disk_reserve_bytes - 1;
  EXPECT_EQ(house_.core().health(house_.now).state, "DISK_RESERVE");
  EXPECT_EQ(house_.core().health(house_.now).free_disk_bytes, protocol::disk_reserve_bytes - 1);
  EXPECT_EQ(submit(department_.seal({})), "LOG_UNAVAILABLE");
  EXPECT_EQ(submit(sealed), "") << "what stands already is receipted again";
  const std::uint64_t leaves = house_.store().tree_size().value;
  EXPECT_EQ(refusal_in(house_.ask("ged.1", department_.open("ged.1", sealed.id, house_.now))), "");
  EXPECT_EQ(house_.store().tree_size().value, leaves + 1);
  EXPECT_EQ(refusal_in(house_.ask("ged.1", protocol::List{"ged/89", {}, 10})), "");
  EXPECT_EQ(refusal_in(house_.ask("operateur", protocol::GetHealth{})), "");
  // The directory can be changed, or an office that fills the disk could not be revoked.
  EXPECT_EQ(refusal_in(house_.ask("operateur", department_.revoke("referent.auxerre", house_.now))), "");
  house_.restart();
  house_.tick();
  free_ = 0;
  EXPECT_EQ(house_.core().health(house_.now).state, "DISK_RESERVE");
}

TEST_F(DiskReserve, IsNotEatenByOneBatchEither) {
  const Sealed first = department_.seal({});
  const Sealed second = department_.seal({});
  free_ = protocol::disk_reserve_bytes + needed(first) + needed(second) - 1;
  std::vector<broker::VerifiedRequest> batch;
  batch.push_back(house_.request("referent.auxerre", first.verified()));
  batch.push_back(house_.request("referent.auxerre", second.verified()));
  const auto outcome = house_.apply(std::move(batch));
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(refusal_in(outcome->outgoing.at(0).reply.body), "");
  EXPECT_EQ(refusal_in(outcome->outgoing.at(1).reply.body), "LOG_UNAVAILABLE");
}

class DailyQuota : public ::testing::Test {
 protected:
  Sealed seal(const std::string& sender) {
    Draft draft;
    draft.sender = sender;
    draft.created_at = house_.now;
    return department_.seal(draft);
  }
  protocol::ReplyBody submit(const Sealed& sealed) { return house_.ask(sealed.address.sender, sealed.verified()); }
  static std::uint64_t size_of(const Sealed& sealed) {
    return sealed.envelope.locked.size() + sealed.envelope.payload.size();
  }

  Department department_{small_department()};
  const std::uint64_t one_ = size_of(department_.seal({}));
  BrokerHouse house_{department_, {}, [this](broker::CoreSettings& settings) {
                       settings.bytes_per_day_max = 3 * one_;
                       settings.acts_per_day_max = 5;
                     }};
};

TEST_F(DailyQuota, HoldsTheReadingOfTheJournalTooWhichIsALeafEachTime) {
  const auto read = [&] { return refusal_in(house_.ask("auditeur", protocol::GetRecords{{}, 1})); };
  for (int i = 0; i < 5; ++i) ASSERT_EQ(read(), "");
  const std::uint64_t leaves = house_.store().tree_size().value;
  EXPECT_EQ(read().substr(0, 4), "BUSY");
  EXPECT_EQ(house_.store().tree_size().value, leaves);
  house_.now = house_.now + 24h;
  EXPECT_EQ(read(), "");
}

TEST_F(DailyQuota, OfBytesIsBusyToTheEndOfTheDayUnrecordedAndForNobodyElse) {
  const Sealed first = seal("referent.auxerre");
  for (int i = 0; i < 2; ++i) ASSERT_EQ(refusal_in(submit(seal("referent.auxerre"))), "");
  ASSERT_EQ(refusal_in(submit(first)), "");  // the last byte
  house_.now = house_.now + 1h;
  const std::uint64_t leaves = house_.store().tree_size().value;
  const auto reply = submit(seal("referent.auxerre"));
  ASSERT_TRUE(std::holds_alternative<protocol::Refusal>(reply));
  EXPECT_EQ(std::get<protocol::Refusal>(reply).code, protocol::Code::busy);
  EXPECT_EQ(std::get<protocol::Refusal>(reply).retry_after_ms, 23U * 3600U * 1000U);
  EXPECT_EQ(house_.store().tree_size().value, leaves);
  EXPECT_EQ(refusal_in(submit(first)), "") << "what stands already is receipted again";
  EXPECT_EQ(refusal_in(submit(seal("referent.sens"))), "");
  house_.now = house_.now + 23h;
  EXPECT_EQ(refusal_in(submit(seal("referent.auxerre"))), "");
}

TEST_F(DailyQuota, OfActsCountsWhatTheLogHoldsOfAnIdentity) {
  const Sealed report = seal("referent.auxerre");
  ASSERT_EQ(refusal_in(submit(report)), "");
  const auto open = [&] { return house_.ask("ged.1", department_.open("ged.1", report.id, house_.now)); };
  ASSERT_EQ(refusal_in(house_.ask("ged.1", protocol::Hello{})), "");
  ASSERT_NE(refusal_in(house_.ask("ged.1", protocol::Acknowledge{"ged/89", {9}})), "");  // a refusal counts
  for (int i = 0; i < 3; ++i) EXPECT_EQ(refusal_in(open()), "");
  const auto reply = open();
  ASSERT_TRUE(std::holds_alternative<protocol::Refusal>(reply));
  EXPECT_EQ(std::get<protocol::Refusal>(reply).code, protocol::Code::busy);
  EXPECT_EQ(refusal_in(house_.ask("ged.1", protocol::List{"ged/89", {}, 10})), "");
  EXPECT_EQ(refusal_in(house_.ask("ged.2", department_.open("ged.2", report.id, house_.now))), "");
  house_.now = house_.now + 24h;
  EXPECT_EQ(refusal_in(open()), "");
}

}  // namespace
}  // namespace pli::testing
