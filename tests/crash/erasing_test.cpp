// An erasure cut short at each of its steps (P9): the lease file's first copy, its second, every call of the disk in
// the commit and in the emptying of the WAL. Whatever happens, the next start finishes it: nothing of what was due is
// left in any file, what was not due is all there, and the log says once of each what became of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "base/file.hpp"
#include "broker/record_fields.hpp"
#include "protocol/case_life.hpp"
#include "tests/crash/scripted_broker.hpp"
#include "tests/support/faulty_disk.hpp"

namespace pli::testing {
namespace {

namespace fs = std::filesystem;
using protocol::Kind;

constexpr std::size_t file_bytes_max = 64U << 20U;

class Erasing : public ::testing::Test {
 protected:
  Erasing() {
    draft_.kind = Kind::retrait;
    draft_.case_id = due_.id;
    retrait_ = department_.seal(draft_);
    ask(due_);
    ask(kept_);
    // Taken back, and so due at the next tick.
    ask(retrait_);
    house_.close();
    base_ = disk_.image();
    leases_ = *read_file(house_.key_paths().leases, file_bytes_max);
  }
  void ask(const Sealed& sealed) { EXPECT_EQ(refusal_in(house_.ask(sealed.address.sender, sealed.verified())), ""); }
  void put_leases(const Bytes& first, const Bytes& second) {
    ASSERT_TRUE(write_file_durably(house_.key_paths().leases, first, FileMode::owner_only).has_value());
    ASSERT_TRUE(write_file_durably(house_.key_paths().leases_copy, second, FileMode::owner_only).has_value());
  }
  void begin_again() {
    house_.close();
    disk_.put(base_);
    put_leases(leases_, leases_);
  }
  /// As far as the disk lets it.
  bool erase() { return house_.open().has_value() && house_.core().tick(house_.now).has_value(); }

  bool disk_holds(const Sealed& sealed) const {
    const ByteView needle = ByteView(sealed.envelope.payload).subspan(32, 48);
    for (const auto& [name, bytes] : disk_.image())
      if (std::search(bytes.begin(), bytes.end(), needle.begin(), needle.end()) != bytes.end()) return true;
    return false;
  }
  std::size_t effacements(const Digest& id) {
    std::size_t count = 0;
    for (std::uint64_t i = 0; i < house_.store().tree_size().value; ++i) {
      const auto row = house_.store().leaf({{i}, {}});
      if (!row || row->leaf.type != audit::LeafType::effacement) continue;
      const auto record = broker::unpack(row->record);
      const Bytes* exchange = record ? record->find("exchange") : nullptr;
      if (exchange != nullptr && equal(*exchange, id)) ++count;
    }
    return count;
  }
  void expect_whole() {
    broker::CheckOptions options;
    options.log = department_.log();
    options.vfs = disk_.name();
    const auto report = broker::check_store(house_.database(), house_.keys(), options);
    ASSERT_TRUE(report.has_value()) << report.error().detail;
    for (const broker::StoreProblem& problem : report->problems) ADD_FAILURE() << problem.name << " " << problem.where;
  }
  /// As any start does.
  void expect_finished_by_the_next_start() {
    house_.close();
    ASSERT_TRUE(house_.open().has_value());
    expect_whole();
    house_.tick();
    for (const Sealed* gone : {&due_, &retrait_}) {
      const auto row = house_.store().find_exchange(gone->id);
      ASSERT_TRUE(row.has_value());
      EXPECT_TRUE(row->erased);
      EXPECT_EQ(effacements(gone->id), 1U);
    }
    EXPECT_EQ(house_.store().case_file({1})->state, static_cast<std::uint8_t>(protocol::CaseState::efface));
    EXPECT_EQ(refusal_in(house_.ask("ged.1", department_.open("ged.1", kept_.id, house_.now))), "");
    EXPECT_EQ(house_.keys().erased().size(), 2U) << "each named once";
    expect_whole();
    EXPECT_FALSE(disk_holds(due_));
    EXPECT_FALSE(disk_holds(retrait_));
    EXPECT_TRUE(disk_holds(kept_)) << "the search is one that finds";
  }

  static DepartmentOptions small() {
    DepartmentOptions options;
    options.ged_members = 1;
    options.clir_members = 1;
    return options;
  }
  static broker::StoreOptions on(const FaultyDisk& disk) {
    broker::StoreOptions options;
    options.vfs = disk.name();
    options.background_writeback = false;
    return options;
  }
  FaultyDisk disk_{seed()};
  Department department_{small()};
  BrokerHouse house_{department_, on(disk_)};
  Draft draft_;
  Sealed due_ = department_.seal({});
  Sealed kept_ = department_.seal({});
  Sealed retrait_;
  DiskImage base_;
  Bytes leases_;
};

TEST_F(Erasing, P9NoFaultAtAnyCallBringsBackWhatWasErasedOrLosesWhatWasNot) {
  begin_again();
  const std::uint64_t before = disk_.changes();
  ASSERT_TRUE(erase());
  const std::uint64_t calls = disk_.changes() - before;
  ASSERT_GT(calls, 10U);
  static constexpr struct {
    const char* name;
    DiskFault::Kind kind;
    bool done_anyway;
    bool lasting;
  } trials[] = {{"EIO", DiskFault::Kind::io_error, false, false},
                {"EIO, done anyway", DiskFault::Kind::io_error, true, false},
                {"ENOSPC from here on", DiskFault::Kind::full, false, true},
                {"torn", DiskFault::Kind::torn, false, false},
                {"power cut before or within it", DiskFault::Kind::power_cut, false, false},
                {"power cut after it", DiskFault::Kind::power_cut, true, false}};
  static constexpr Unsynced left[] = {Unsynced::some, Unsynced::lost, Unsynced::kept};
  std::size_t turn = 0;
  for (std::uint64_t at = 0; at < calls && !HasFatalFailure(); ++at)
    for (const auto& trial : trials) {
      SCOPED_TRACE(std::string(trial.name) + " at call " + std::to_string(at) + ", seed " + std::to_string(seed()));
      begin_again();
      disk_.fail({.at = at, .kind = trial.kind, .done_anyway = trial.done_anyway, .lasting = trial.lasting});
      (void)erase();
      house_.close();
      disk_.power_cut(left[turn++ % std::size(left)]);
      disk_.heal();
      expect_finished_by_the_next_start();
      if (HasFailure()) return;
    }
  std::cout << calls << " calls, " << turn << " faults\n";
}

TEST_F(Erasing, P9AStopBetweenTheTwoCopiesOfTheLeaseFileIsMadeUpFor) {
  begin_again();
  ASSERT_TRUE(erase());
  house_.close();
  const Bytes after = *read_file(house_.key_paths().leases, file_bytes_max);
  ASSERT_NE(after, leases_);
  // The first copy names what is to be erased, the second does not yet, and nothing is committed; and the other way.
  for (const bool first : {true, false}) {
    disk_.put(base_);
    put_leases(first ? after : leases_, first ? leases_ : after);
    expect_finished_by_the_next_start();
  }
}

TEST_F(Erasing, P9NothingIsErasedThatTheLeaseFileCouldNotName) {
  for (const auto& path : {house_.key_paths().leases, house_.key_paths().leases_copy}) {
    begin_again();
    ASSERT_TRUE(house_.open().has_value());
    // What cannot be replaced.
    fs::remove(path);
    fs::create_directories(path / "in the way");
    EXPECT_FALSE(house_.core().tick(house_.now).has_value());
    house_.close();
    fs::remove_all(path);
    ASSERT_TRUE(disk_holds(due_)) << "not before it is named in both";
    expect_finished_by_the_next_start();
  }
}

}  // namespace
}  // namespace pli::testing
