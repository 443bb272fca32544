// The store and the thread that writes its WAL back, at work together. Small, so that ThreadSanitizer can watch it.
#include <gtest/gtest.h>

#include "broker/check_store.hpp"
#include "tests/support/broker_house.hpp"

namespace pli::testing {
namespace {

TEST(StoreThreads, CommitsAndTheirWriteBackMeetWithoutLosingAnything) {
  const Department department;
  broker::StoreOptions options;
  options.wal_pages_max = 512;
  BrokerHouse house(department, options);
  Draft draft;
  draft.content = Bytes(16'000, 1);
  draft.openable = false;
  constexpr std::uint64_t count = 200;
  for (std::uint64_t i = 0; i < count; ++i) {
    const Sealed sealed = department.seal(draft);
    ASSERT_EQ(refusal_in(house.ask(sealed.address.sender, sealed.verified())), "");
  }
  EXPECT_GT(std::filesystem::file_size(house.database()), count * draft.content.size() / 2) << "written back meanwhile";
  ASSERT_TRUE(house.store().write_back_all().has_value());
  house.restart();
  EXPECT_EQ(house.store().exchange_count(), count);
  broker::CheckOptions check;
  check.log = department.log();
  const auto report = broker::check_store(house.database(), house.keys(), check);
  ASSERT_TRUE(report.has_value()) << report.error().detail;
  EXPECT_TRUE(report->problems.empty());
}

}  // namespace
}  // namespace pli::testing
