// The self-audit: beside a broker at work it finds nothing, in a damaged store it names the row. Small, so that
// ThreadSanitizer can watch it.
#include "broker/self_audit.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>

#include "protocol/limits.hpp"
#include "tests/support/broker_house.hpp"
#include "tests/support/store_surgery.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;
using broker::SelfAudit;
using broker::StoreProblem;
using broker::StoreSweep;

/// What an audit told, for the test's thread to wait for.
class Heard {
 public:
  broker::SelfAuditSinks sinks() {
    return {[this](UnixMillis) { tell([&] { ++sweeps_; }); },
            [this](const StoreProblem& problem) { tell([&] { problems_.push_back(problem); }); },
            [this](const Error& error) { tell([&] {
                                           problems_.push_back({"unreadable", error.detail});
                                         }); }};
  }
  std::vector<StoreProblem> wait_for_sweeps(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 60s, [&] { return sweeps_ >= count || !problems_.empty(); });
    if (sweeps_ < count && problems_.empty()) problems_.push_back({"too slow", ""});
    return problems_;
  }

 private:
  template <class Change>
  void tell(Change change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  int sweeps_ = 0;
  std::vector<StoreProblem> problems_;
};

class SelfAuditTest : public ::testing::Test {
 protected:
  SelfAuditTest()
      : house(department, {}, [](broker::CoreSettings& out) { out.journal_months = broker::journal_months_min; }) {}
  Sealed accept(const Draft& draft = {}) {
    Sealed sealed = department.seal(draft);
    EXPECT_EQ(refusal_in(house.ask(sealed.address.sender, sealed.verified())), "");
    return sealed;
  }
  /// Without a pause.
  broker::SelfAuditSettings at_once() { return {house.database(), department.log(), 0ms, {}}; }
  /// The whole store in steps of so many rows: the first problem, or "".
  std::string sweep(std::size_t rows) {
    auto begun = StoreSweep::open(house.database(), keys(), department.log());
    if (!begun) return begun.error().detail;
    for (;;) {
      const auto step = (*begun)->step(rows, broker::self_audit_bytes);
      if (!step) return step.error().detail;
      if (step->problem) return step->problem->name + " " + step->problem->where;
      if (step->done) return "";
    }
  }
  StoreSweep::Keys keys() {
    return [this] { return (held_ ? *held_ : house.keys()).for_checking(); };
  }

  Department department;
  BrokerHouse house;
  std::unique_ptr<broker::KeyRing> held_;  ///< when the house is closed
};

TEST_F(SelfAuditTest, FlagsNothingOfAWholeStoreWhateverItsSteps) {
  const Sealed first = accept();
  Draft large;
  large.content = Bytes(100'000, 7);
  accept(large);
  EXPECT_EQ(refusal_in(house.ask("ged.1", department.open("ged.1", first.id, house.now))), "");
  for (const std::size_t rows : {1U, 2U, 3U, 64U}) EXPECT_EQ(sweep(rows), "") << rows;
  EXPECT_EQ((*StoreSweep::open(house.database(), keys(), department.log()))->rows().value(),
            house.store().tree_size().value + house.store().exchange_count());
}

TEST_F(SelfAuditTest, CountsWhatItHasLookedAt) {
  accept();
  accept();
  auto sweep = *StoreSweep::open(house.database(), keys(), department.log());
  const std::uint64_t leaves = house.store().tree_size().value;
  EXPECT_EQ(sweep->looked_at(), 0U);
  ASSERT_TRUE(sweep->step(1, broker::self_audit_bytes));
  EXPECT_EQ(sweep->looked_at(), 1U);
  ASSERT_TRUE(sweep->step(leaves, broker::self_audit_bytes));
  EXPECT_EQ(sweep->looked_at(), leaves);
  for (bool done = false; !done;) done = sweep->step(1, broker::self_audit_bytes).value().done;
  EXPECT_EQ(sweep->looked_at(), leaves + 2);
  EXPECT_EQ(sweep->rows().value(), leaves + 2);
}

TEST_F(SelfAuditTest, FindsAFlippedByteAndNamesWhereItStands) {
  for (int i = 0; i < 3; ++i) accept();
  house.close();
  held_ = *broker::KeyRing::open(house.key_paths(), test_startup_secret(), house.now);
  const auto flip = [](const std::string& column, const std::string& table, const std::string& row, int byte) {
    const std::string at = std::to_string(byte);
    return "UPDATE " + table + " SET " + column + " = CAST(substr(" + column + ", 1, " + std::to_string(byte - 1) +
           ") || iif(substr(" + column + ", " + at + ", 1) = x'00', x'01', x'00') || substr(" + column + ", " +
           std::to_string(byte + 1) + ") AS BLOB) WHERE " + row;
  };
  const std::pair<std::string, std::string> damages[] = {
      {flip("digest", "leaf", "key = 2", 9), "record.digest leaf 2"},
      {"UPDATE leaf SET time = time + 1 WHERE key = (SELECT max(key) FROM leaf)", "checkpoint.tree newest"},
      {"UPDATE leaf SET time = 1 WHERE key = 3", "leaf.time leaf 3"},
      {flip("nodes", "leaf", "key = 3", 40), "leaf.nodes leaf 3"},
      {flip("record", "leaf", "key = 2", 100), "record.box leaf 2"},
      {"UPDATE leaf SET record = NULL WHERE key = 2", "record.missing leaf 2"},
      {flip("bytes", "piece", "key = 2 << 12", 50), "body.locked exchange 2"},
      {flip("bytes", "piece", "key = (2 << 12) + 1", 100), "body.payload exchange 2"},
      {flip("signature", "exchange", "number = 2", 12), "exchange.signature exchange 2"},
      {flip("id", "exchange", "number = 2", 12), "queue.chain exchange 2"},
      {flip("leased", "access_part", "number = 2", 30), "access.release access 2"},
      {"DELETE FROM access_part WHERE number = 2", "access.missing exchange 2"},
      {"DELETE FROM leaf WHERE key = 2", "leaf.order leaf 2"},
  };
  const std::filesystem::path kept = house.folder() / "whole.db";
  copy_database(house.database(), kept);
  for (const auto& [sql, problem] : damages) {
    for (const std::size_t rows : {1U, 64U}) {
      run_sql(house.database(), sql);
      EXPECT_EQ(sweep(rows), problem) << sql;
      copy_database(kept, house.database());
    }
  }
  EXPECT_EQ(sweep(64), "");
}

TEST_F(SelfAuditTest, TellsTheFirstBreachOnceAndLooksNoFurther) {
  accept();
  house.close();
  held_ = *broker::KeyRing::open(house.key_paths(), test_startup_secret(), house.now);
  run_sql(house.database(), "UPDATE piece SET bytes = zeroblob(length(bytes)) WHERE key = 1 << 12");
  const ManualClock clock(house.now);
  Heard heard;
  std::vector<StoreProblem> problems;
  {
    const SelfAudit audit(at_once(), keys(), clock, heard.sinks());
    problems = heard.wait_for_sweeps(1);
  }
  ASSERT_EQ(heard.wait_for_sweeps(0).size(), 1U);
  EXPECT_EQ(problems[0], (StoreProblem{"body.locked", "exchange 1"}));
}

TEST_F(SelfAuditTest, FindsNothingBesideABrokerAtWork) {
  const ManualClock clock(house.now);
  Heard heard;
  const SelfAudit audit(at_once(), keys(), clock, heard.sinks());
  // Each of it changes rows and keys that a sweep may be looking at: new leases and records, R re-encrypted, records
  // erased, the WAL begun anew.
  Draft draft;
  draft.openable = false;
  for (int week = 0; week < 40; ++week) {
    house.now = house.now + 24h * 7;
    EXPECT_EQ(refusal_in(house.ask("operateur", department.renew_term(house.now + protocol::directory_validity_max))),
              "");
    for (int i = 0; i < 3; ++i) accept(draft);
    house.tick();
    house.tick();
  }
  const auto problems = heard.wait_for_sweeps(3);
  for (const StoreProblem& problem : problems) ADD_FAILURE() << problem.name << " " << problem.where;
}

TEST_F(SelfAuditTest, StopsAtOnceWhileItWaits) {
  const ManualClock clock(house.now);
  Heard heard;
  broker::SelfAuditSettings settings = at_once();
  settings.period = 24h;
  const auto began = std::chrono::steady_clock::now();
  { const SelfAudit audit(settings, keys(), clock, heard.sinks()); }
  EXPECT_LT(std::chrono::steady_clock::now() - began, 30s);
}

TEST(SelfAuditPause, IsOneSecondUntilThePeriodAsksForMore) {
  using broker::self_audit_pause;
  EXPECT_EQ(self_audit_pause(24h, 0), 1000ms);
  EXPECT_EQ(self_audit_pause(24h, 1'000'000), 1000ms);
  // 100 million rows in a day: all of them, in nine tenths of it.
  const auto pause = self_audit_pause(24h, 100'000'000);
  EXPECT_LT(pause, 60ms);
  EXPECT_LE(pause * (100'000'000 / 64), std::chrono::milliseconds(24h) * 9 / 10);
}

}  // namespace
}  // namespace pli::testing
