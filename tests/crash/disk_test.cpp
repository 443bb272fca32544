// The faulty disk itself: what the crash tests believe of it.
#include <gtest/gtest.h>

#include <set>

#include "broker/store.hpp"
#include "tests/support/faulty_disk.hpp"
#include "tests/support/store_surgery.hpp"
#include "tests/support/temporary_folder.hpp"

namespace pli::testing {
namespace {

class Disk : public ::testing::Test {
 protected:
  static constexpr std::size_t queues = 40;

  broker::StoreOptions on(const FaultyDisk& disk) const {
    broker::StoreOptions options;
    options.vfs = disk.name();
    options.background_writeback = false;
    options.create = true;
    return options;
  }
  std::unique_ptr<broker::Store> open(const FaultyDisk& disk) const {
    auto store = broker::Store::open(file_, on(disk));
    EXPECT_TRUE(store.has_value()) << (store ? "" : store.error().detail);
    return store ? *std::move(store) : nullptr;
  }
  static Result<void> add_queue(broker::Store& store, const std::string& name) {
    auto transaction = store.begin();
    if (!transaction) return transaction.error();
    (void)transaction->add_queue(name);
    return transaction->commit();
  }
  /// Many rows that nobody synced.
  void write_carelessly(const FaultyDisk& disk) const {
    std::string sql = "PRAGMA synchronous = OFF;";
    for (std::size_t i = 0; i < queues; ++i)
      sql += "INSERT INTO roster (digest, keys) VALUES (randomblob(32), zeroblob(4000));";
    run_sql(file_, sql, disk.name());
  }
  std::int64_t rosters(const FaultyDisk& disk) const {
    return query_number(file_, "SELECT count(*) FROM roster", disk.name());
  }

  TemporaryFolder folder_;
  std::filesystem::path file_ = folder_.path() / "pli.db";
};

TEST_F(Disk, LosesAtAPowerCutWhatWasNotSyncedAndNothingElse) {
  FaultyDisk disk;
  auto store = open(disk);
  ASSERT_TRUE(add_queue(*store, "ged/89").has_value());
  disk.power_cut(Unsynced::lost);
  EXPECT_FALSE(add_queue(*store, "clir/89").has_value()) << "a connection from before is dead";
  store = open(disk);
  EXPECT_EQ(store->queues().size(), 1U);
  store.reset();
  write_carelessly(disk);
  EXPECT_EQ(rosters(disk), std::int64_t{queues});
  disk.kill_process();
  EXPECT_EQ(rosters(disk), std::int64_t{queues}) << "the machine stayed up";
  disk.power_cut(Unsynced::kept);
  EXPECT_EQ(rosters(disk), std::int64_t{queues});
  write_carelessly(disk);
  disk.power_cut(Unsynced::lost);
  EXPECT_EQ(rosters(disk), std::int64_t{queues});
  EXPECT_EQ(disk.power_cuts(), 3U);
}

TEST_F(Disk, LeavesAnyPartOfItAndTheSamePartForTheSameSeed) {
  std::set<DiskImage> left;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    DiskImage images[2];
    for (DiskImage& image : images) {
      FaultyDisk disk(seed);
      open(disk).reset();
      std::string sql = "PRAGMA synchronous = OFF;";
      for (int i = 0; i < 10; ++i)
        sql += "INSERT INTO roster (digest, keys) VALUES (zeroblob(" + std::to_string(i + 1) + "), zeroblob(4000));";
      run_sql(file_, sql, disk.name());
      disk.power_cut(Unsynced::some);
      image = disk.image();
    }
    EXPECT_EQ(images[0], images[1]) << "seed " << seed;
    left.insert(images[0]);
  }
  EXPECT_GT(left.size(), 15U);
}

TEST_F(Disk, LiesAboutASync) {
  FaultyDisk disk;
  auto store = open(disk);
  ASSERT_TRUE(add_queue(*store, "ged/89").has_value());
  disk.fail({.kind = DiskFault::Kind::lies, .lasting = true, .calls = DiskFault::Calls::syncs});
  ASSERT_TRUE(add_queue(*store, "clir/89").has_value());
  EXPECT_TRUE(disk.failed());
  disk.power_cut(Unsynced::lost);
  EXPECT_EQ(open(disk)->queues().size(), 1U);
}

TEST_F(Disk, ALaterSyncDoesNotMendOneThatFailed) {
  FaultyDisk disk;
  auto store = open(disk);
  disk.fail({.calls = DiskFault::Calls::syncs});
  EXPECT_FALSE(add_queue(*store, "ged/89").has_value());
  EXPECT_TRUE(disk.failed());
  store.reset();
  disk.kill_process();
  store = open(disk);
  const std::size_t seen = store->queues().size();  // what the page cache says
  ASSERT_TRUE(add_queue(*store, "clir/89").has_value());
  disk.power_cut(Unsynced::lost);
  auto opened = broker::Store::open(file_, on(disk));
  EXPECT_EQ(seen, 1U);
  EXPECT_TRUE(!opened || (*opened)->queues().size() < 2) << "what the failed sync left out is nowhere";
}

TEST_F(Disk, FillsUpAndHasRoomAgain) {
  FaultyDisk disk;
  auto store = open(disk);
  ASSERT_TRUE(add_queue(*store, "ged/89").has_value());
  EXPECT_GT(disk.bytes_left(), std::uint64_t{1} << 60U);
  disk.hold_at_most(0);
  EXPECT_EQ(disk.bytes_left(), 0U);
  ASSERT_FALSE(add_queue(*store, "clir/89").has_value());
  disk.hold_at_most(UINT64_MAX);
  store.reset();
  store = open(disk);
  EXPECT_TRUE(add_queue(*store, "clir/89").has_value());
}

TEST_F(Disk, FailsTheCallItWasToldToFail) {
  for (const DiskFault::Kind kind :
       {DiskFault::Kind::io_error, DiskFault::Kind::full, DiskFault::Kind::torn, DiskFault::Kind::power_cut}) {
    for (const bool done_anyway : {false, true}) {
      FaultyDisk disk;
      auto store = open(disk);
      const std::uint64_t before = disk.changes();
      disk.fail({.at = 1, .kind = kind, .done_anyway = done_anyway});
      EXPECT_FALSE(add_queue(*store, "ged/89").has_value());
      EXPECT_TRUE(disk.failed());
      EXPECT_GE(disk.changes(), before + 2);
    }
  }
  FaultyDisk disk;
  open(disk).reset();
  disk.fail({.calls = DiskFault::Calls::reads});
  EXPECT_FALSE(broker::Store::open(file_, on(disk)).has_value());
  EXPECT_GT(disk.reads(), 0U);
}

}  // namespace
}  // namespace pli::testing
