#include "broker/store_copy.hpp"

#include "base/file.hpp"
#include "broker/backup.hpp"
#include "tests/broker/core_fixture.hpp"
#include "tests/support/faulty_disk.hpp"

namespace pli::testing {
namespace {

class StoreCopy : public CoreTest {
 protected:
  StoreCopy() { first_ = accept({}); }
  [[nodiscard]] std::filesystem::path target() const { return house.folder() / "copy.db"; }
  Sealed first_;
};

TEST_F(StoreCopy, HoldsWhatWasCommittedWhenItWasBegun) {
  accept({});
  ASSERT_TRUE(broker::copy_store(house.database(), target()).has_value());
  const auto now = table_digests(house.database());
  EXPECT_EQ(table_digests(target()), now);
  accept({});
  EXPECT_NE(table_digests(house.database()), now);
  EXPECT_EQ(table_digests(target()), now);
  EXPECT_FALSE(std::filesystem::exists(target().string() + "-wal"));
  EXPECT_GE(*broker::store_bytes(house.database()), std::filesystem::file_size(target()));
}

TEST_F(StoreCopy, LeavesWhatStoodThereWhereverTheDiskFails) {
  house.close();
  const std::string file = house.database().string();
  ASSERT_FALSE(std::filesystem::exists(file + "-wal")) << "all of it is in the one file";
  const DiskImage whole = {{file, *read_file(file, 64 << 20)}};
  ASSERT_TRUE(write_file_durably(target(), as_bytes("of last week"), FileMode::owner_only).has_value());
  FaultyDisk disk;
  bool done = false;
  for (std::uint64_t at = 0; !done; ++at) {
    SCOPED_TRACE(at);
    disk.put(whole);
    disk.fail({.at = at, .kind = DiskFault::Kind::full, .lasting = true});
    done = broker::copy_store(file, target(), disk.name()).has_value();
    ASSERT_TRUE(done || disk.failed());
    disk.heal();
    ASSERT_FALSE(std::filesystem::exists(target().string() + ".unfinished"));
    if (!done) {
      ASSERT_EQ(as_text(*read_file(target(), 64)), "of last week");
    }
    ASSERT_LT(at, 10'000U);
  }
  EXPECT_EQ(disk.image().at(target().string() + ".unfinished").size() % 8192, 0U) << "written to that disk";
}

TEST_F(StoreCopy, OfWhatIsNoDatabaseIsRefused) {
  for (const std::string& absent : {std::string("absent.db"), std::string(300, 'x')}) {
    EXPECT_EQ(broker::copy_store(house.folder() / absent, target()).error().code, Errc::not_found);
    EXPECT_EQ(broker::store_bytes(house.folder() / absent).error().code, Errc::not_found);
  }
  ASSERT_TRUE(write_file_durably(house.folder() / "other", Bytes(9000, 7), FileMode::owner_only).has_value());
  EXPECT_EQ(broker::copy_store(house.folder() / "other", target()).error().code, Errc::corruption);
  EXPECT_FALSE(std::filesystem::exists(target()));
}

TEST_F(StoreCopy, ErasedAgainIsATombstoneAndTheRestIsWhole) {
  const Sealed second = accept({});
  // Only what the lease file names may be gone without a leaf.
  ASSERT_TRUE(house.keys().record_erased({first_.id}, house.now).has_value());
  house.close();
  ASSERT_TRUE(broker::copy_store(house.database(), target()).has_value());
  EXPECT_EQ(*broker::erase_again(target(), {}), 0U);
  EXPECT_EQ(*broker::erase_again(target(), {first_.id, Digest{9}}), 1U);
  EXPECT_EQ(*broker::erase_again(target(), {first_.id}), 0U) << "once";
  EXPECT_EQ(query_number(target(), "SELECT count(*) FROM piece WHERE key >> 12 = 1"), 0);
  EXPECT_EQ(query_number(target(), "SELECT count(*) FROM access_part"), 1);
  copy_database(target(), house.database());
  ASSERT_TRUE(house.open().has_value());
  broker::CheckOptions options;
  options.log = department.log();
  const auto report = broker::check_store(house.database(), house.keys(), options);
  ASSERT_TRUE(report.has_value());
  EXPECT_TRUE(report->problems.empty()) << report->problems.front().name;
  EXPECT_EQ(refusal_in(open("ged.1", first_.id)), "ERASED(terme)");
  EXPECT_EQ(refusal_in(open("ged.1", second.id)), "");
}

TEST(LastBackup, IsReadAsItWasWrittenAndNothingElse) {
  const broker::LastBackup last{{1772366400000}, 42};
  const std::string text = broker::to_text(last);
  EXPECT_EQ(text, "pli-backup/1\ntime 1772366400000\nleaves 42\n");
  EXPECT_EQ(broker::parse_last_backup(text), last);
  EXPECT_EQ(broker::time_stamp(last.at), "20260301T120000Z");
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_FALSE(broker::parse_last_backup(std::string_view(text).substr(0, size)).has_value()) << size;
  EXPECT_FALSE(broker::parse_last_backup(text + "x").has_value());
  EXPECT_FALSE(broker::parse_last_backup("pli-backup/1\ntime -5\nleaves 42\n").has_value());
}

}  // namespace
}  // namespace pli::testing
