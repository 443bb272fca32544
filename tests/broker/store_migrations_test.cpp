#include "broker/store_migrations.hpp"

#include "base/file.hpp"
#include "broker/store_schema.hpp"
#include "tests/broker/core_fixture.hpp"
#include "tests/support/faulty_disk.hpp"

namespace pli::testing {
namespace {

class StoreMigrations : public CoreTest {
 protected:
  StoreMigrations() {
    const Sealed first = accept({});
    accept({});
    EXPECT_EQ(refusal_in(open("ged.1", first.id)), "");
    EXPECT_EQ(refusal_in(submit(department.seal_access("ged.1", first))), "");
    EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::Acknowledge{"ged/89", {2}})), "");
    house.close();
  }
  void suspend() {
    ASSERT_TRUE(house.open().has_value());
    const protocol::Suspension suspension{department.directory()->verified()->head().contract, "ged.3", {1}, house.now};
    EXPECT_EQ(refusal_in(house.ask("operateur", broker::VerifiedSuspension{department.sign_suspension(suspension, 0)})),
              "");
    house.close();
  }
  std::vector<std::string> problems() {
    broker::CheckOptions options;
    options.log = department.log();
    const auto report = broker::check_store(house.database(), house.keys(), options);
    if (!report) return {"error: " + report.error().detail};
    std::vector<std::string> names;
    for (const auto& problem : report->problems) names.push_back(problem.name);
    return names;
  }
  void expect_brought_up_to_date(const char* name, int schema = 1) {
    const std::string todays = schema_text(house.database());
    const auto before = table_digests(house.database());
    put_back_to_schema(house.database(), name, schema);
    ASSERT_NE(schema_text(house.database()), todays);
    const std::string then = schema_text(house.database());

    ASSERT_TRUE(house.open().has_value());
    EXPECT_EQ(problems(), std::vector<std::string>{});
    EXPECT_EQ(schema_text(house.database()), todays);
    EXPECT_EQ(query_number(house.database(), "PRAGMA user_version"), broker::store_schema_version);
    auto after = table_digests(house.database());
    after["meta"] = before.at("meta");  // the writer epoch
    EXPECT_EQ(after, before);

    const auto kept = broker::kept_copy(house.database(), schema);
    EXPECT_EQ(std::filesystem::status(kept).permissions() & std::filesystem::perms::mask, std::filesystem::perms(0600));
    EXPECT_EQ(query_number(kept, "PRAGMA user_version"), schema);
    EXPECT_EQ(schema_text(kept), then) << "the copy is of before";
    EXPECT_EQ(table_digests(kept).at("exchange"), before.at("exchange"));
    accept({});
    EXPECT_EQ(problems(), std::vector<std::string>{});
  }
};

TEST_F(StoreMigrations, BringASchemaWithoutSuspensionsUpToDate) { expect_brought_up_to_date("broker-1.sql"); }

TEST_F(StoreMigrations, BringASchemaWithSuspensionsUpToDateAndKeepThem) {
  suspend();
  expect_brought_up_to_date("broker-1-suspension.sql");
  EXPECT_EQ(query_number(house.database(), "SELECT count(*) FROM suspension"), 1);
}

TEST_F(StoreMigrations, BringASchemaWithoutTheRoadOfACaseUpToDate) { expect_brought_up_to_date("broker-2.sql", 2); }

TEST_F(StoreMigrations, BringASchemaWithoutErasuresUpToDate) { expect_brought_up_to_date("broker-3.sql", 3); }

TEST_F(StoreMigrations, BringASchemaWithoutLinkedCasesUpToDate) { expect_brought_up_to_date("broker-4.sql", 4); }

TEST_F(StoreMigrations, FindTheExchangesOfACaseThatWereIndexedBefore) {
  put_back_to_schema(house.database(), "broker-3.sql", 3);
  run_sql(house.database(), "UPDATE meta SET indexed_through = 2; DELETE FROM finger WHERE what = 5");
  ASSERT_TRUE(broker::migrate_store(house.database()).has_value());
  EXPECT_EQ(query_number(house.database(), "SELECT count(*) FROM finger WHERE what = 5"), 0) << "the access part is 3";
  put_back_to_schema(house.database(), "broker-3.sql", 3);
  run_sql(house.database(), "UPDATE meta SET indexed_through = 3");
  ASSERT_TRUE(broker::migrate_store(house.database()).has_value());
  EXPECT_EQ(query_number(house.database(), "SELECT number FROM finger WHERE what = 5 AND key = 1"), 3);
}

TEST_F(StoreMigrations, TakeAnAnsweredCaseAsOneWhoseCollectiviteHasBeenTold) {
  run_sql(house.database(), "UPDATE case_file SET state = 9, party_updated_at = 1234567 WHERE number = 1");
  put_back_to_schema(house.database(), "broker-2.sql", 2);
  ASSERT_TRUE(broker::migrate_store(house.database()).has_value());
  EXPECT_EQ(query_number(house.database(), "SELECT told_at FROM case_file WHERE number = 1"), 1234567);
  EXPECT_EQ(query_number(house.database(), "SELECT told_at FROM case_file WHERE number = 2"), 0);
}

TEST_F(StoreMigrations, LeaveALaterSchemaAlone) {
  run_sql(house.database(), "PRAGMA user_version = 99");
  EXPECT_EQ(broker::migrate_store(house.database()).error().code, Errc::conflict);
  EXPECT_EQ(broker::Store::open(house.database(), {}).error().code, Errc::conflict);
  EXPECT_EQ(query_number(house.database(), "PRAGMA user_version"), 99);
  EXPECT_FALSE(std::filesystem::exists(broker::kept_copy(house.database(), 99)));
}

TEST_F(StoreMigrations, RefuseASchemaThatNeverWas) {
  for (const char* sql : {"PRAGMA user_version = 0", "PRAGMA user_version = -1"}) {
    run_sql(house.database(), sql);
    EXPECT_EQ(broker::migrate_store(house.database()).error().code, Errc::corruption) << sql;
  }
}

TEST_F(StoreMigrations, AreDoneOnceAndThenNotAtAll) {
  put_back_to_schema(house.database(), "broker-1.sql", 1);
  ASSERT_TRUE(broker::migrate_store(house.database()).has_value());
  std::filesystem::remove(broker::kept_copy(house.database(), 1));
  ASSERT_TRUE(broker::migrate_store(house.database()).has_value());
  EXPECT_FALSE(std::filesystem::exists(broker::kept_copy(house.database(), 1)));
}

TEST_F(StoreMigrations, ADiskThatFailsLeavesTheOldSchemaOrTheNewOne) {
  put_back_to_schema(house.database(), "broker-1-suspension.sql", 1);
  const std::string file = house.database().string();
  ASSERT_FALSE(std::filesystem::exists(file + "-wal")) << "all of it is in the one file";
  const DiskImage then = {{file, *read_file(file, 64 << 20)}};
  FaultyDisk disk;
  bool done = false;
  for (std::uint64_t at = 0; !done; ++at) {
    for (const bool done_anyway : {false, true}) {
      SCOPED_TRACE(at);
      disk.put(then);
      disk.fail({.at = at, .done_anyway = done_anyway, .lasting = true});
      done = broker::migrate_store(file, disk.name()).has_value();
      const bool failed = disk.failed();
      disk.heal();
      ASSERT_TRUE(done || failed);
      const std::int64_t version = query_number(file, "PRAGMA user_version", disk.name());
      ASSERT_EQ(query_number(file, "SELECT count(*) FROM pragma_table_info('shard')", disk.name()),
                version == 1 ? 2 : 5);
      ASSERT_EQ(query_number(file, "SELECT count(*) FROM exchange", disk.name()), 3);
      if (done) {
        ASSERT_EQ(version, broker::store_schema_version);
      }
      ASSERT_FALSE(std::filesystem::exists(broker::kept_copy(file, 1).string() + ".unfinished"));
    }
    ASSERT_LT(at, 10'000U);
  }
}

}  // namespace
}  // namespace pli::testing
