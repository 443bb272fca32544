// The real core and the real store on a disk that fails at each call in turn, and loses at a power cut what was not
// synced (P2, P3, P8). Whatever happens: what left the broker is there afterwards, once, with its record; and what did
// not can be sent again.
#include <gtest/gtest.h>

#include <iostream>
#include <optional>

#include "broker/standing.hpp"
#include "protocol/limits.hpp"
#include "tests/crash/scripted_broker.hpp"
#include "tests/support/faulty_disk.hpp"

namespace pli::testing {
namespace {

enum class Ending { process_killed, unsynced_lost, unsynced_kept, unsynced_some };

struct OnItsDisk {
  FaultyDisk disk_{seed()};
};

class FailingDisk : protected OnItsDisk, public ScriptedBroker {
 protected:
  FailingDisk() : ScriptedBroker(disk_.name()), base_(disk_.image()) {}

  void begin_again() {
    house_.close();
    disk_.put(base_);
    held_ = found_;
    resending_ = false;
  }

  void end(Ending ending) {
    house_.close();
    switch (ending) {
      case Ending::process_killed: disk_.kill_process(); break;
      case Ending::unsynced_lost: disk_.power_cut(Unsynced::lost); break;
      case Ending::unsynced_kept: disk_.power_cut(Unsynced::kept); break;
      case Ending::unsynced_some: disk_.power_cut(Unsynced::some); break;
    }
  }

  const DiskImage base_;
};

/// Each write, truncate, sync and delete from a start to the next.
TEST_F(FailingDisk, P2P3P8NoFaultAtAnyCallLosesDoublesOrUnrecordsWhatLeftTheBroker) {
  begin_again();
  const std::uint64_t before = disk_.changes();
  ASSERT_TRUE(run_script());
  const std::uint64_t calls = disk_.changes() - before;
  ASSERT_GT(calls, 60U);

  struct Trial {
    const char* name;
    DiskFault::Kind kind;
    bool done_anyway;
    bool lasting;
  };
  static constexpr Trial trials[] = {
      {"EIO", DiskFault::Kind::io_error, false, false},
      {"EIO, done anyway", DiskFault::Kind::io_error, true, false},
      {"EIO from here on", DiskFault::Kind::io_error, false, true},
      {"ENOSPC", DiskFault::Kind::full, false, false},
      {"ENOSPC, done anyway", DiskFault::Kind::full, true, false},
      {"ENOSPC from here on", DiskFault::Kind::full, false, true},
      {"torn", DiskFault::Kind::torn, false, false},
      {"power cut before or within it", DiskFault::Kind::power_cut, false, false},
      {"power cut after it", DiskFault::Kind::power_cut, true, false},
  };
  static constexpr Ending endings[] = {Ending::unsynced_some, Ending::unsynced_lost, Ending::unsynced_some,
                                       Ending::unsynced_kept, Ending::process_killed};
  const std::uint64_t cuts_before = disk_.power_cuts();
  std::uint64_t faults = 0;
  std::uint64_t turn = 0;
  for (std::uint64_t at = 0; at < calls && !HasFatalFailure(); ++at) {
    for (std::size_t which = at % points_stride; which < std::size(trials); which += points_stride) {
      const Trial& trial = trials[which];
      SCOPED_TRACE(std::string(trial.name) + " at call " + std::to_string(at) + ", seed " + std::to_string(seed()));
      begin_again();
      disk_.fail({.at = at, .kind = trial.kind, .done_anyway = trial.done_anyway, .lasting = trial.lasting});
      const bool failed = !run_script();
      ASSERT_TRUE(disk_.failed());
      ++faults;
      if (failed) expect_closed_for_good();
      Ending ending = endings[turn++ % std::size(endings)];
      if (trial.kind == DiskFault::Kind::power_cut && ending == Ending::process_killed) ending = Ending::unsynced_some;
      end(ending);
      disk_.heal();
      expect_nothing_lost();
      if (HasFatalFailure()) break;
      if (turn % 4 == 0) expect_all_is_taken_once();
    }
  }
  const std::uint64_t cuts = disk_.power_cuts() - cuts_before;
  std::cout << calls << " calls, " << faults << " faults, " << cuts << " power cuts\n";
  RecordProperty("power_cuts", static_cast<int>(cuts));
  EXPECT_GE(cuts, 1000U / points_stride);
}

/// A read that fails closes the store, or is told at the start, and what stands on the disk is as it was.
TEST_F(FailingDisk, P2P8AFailedReadLosesNothing) {
  begin_again();
  const std::uint64_t before = disk_.reads();
  ASSERT_TRUE(run_script());
  const std::uint64_t calls = disk_.reads() - before;
  ASSERT_GT(calls, 20U);
  std::uint64_t noticed = 0;
  for (std::uint64_t at = 0; at < calls; ++at) {
    SCOPED_TRACE("EIO at read " + std::to_string(at));
    begin_again();
    disk_.fail({.at = at, .calls = DiskFault::Calls::reads});
    const bool failed = !run_script();
    noticed += failed ? 1 : 0;
    if (failed) expect_closed_for_good();
    end(at % 2 == 0 ? Ending::process_killed : Ending::unsynced_lost);
    expect_nothing_lost();
    if (HasFatalFailure()) return;
  }
  std::cout << calls << " failed reads, " << noticed << " of them closed the store\n";
  EXPECT_GT(noticed, calls / 2);
}

/// A read that finds the file shorter than it is gives zeros, which nothing tells from what was written: what is made
/// of them may be written. It is noticed by SQLite, at a start, or by `pli-broker check`.
TEST_F(FailingDisk, P8WhatAShortReadHasSpoiltIsNoticed) {
  begin_again();
  const std::uint64_t before = disk_.reads();
  ASSERT_TRUE(run_script());
  const std::uint64_t calls = disk_.reads() - before;
  std::uint64_t at_once = 0;
  std::uint64_t later = 0;
  for (std::uint64_t at = 0; at < calls; ++at) {
    SCOPED_TRACE("short read " + std::to_string(at) + ", seed " + std::to_string(seed()));
    begin_again();
    disk_.fail({.at = at, .kind = DiskFault::Kind::short_read, .calls = DiskFault::Calls::reads});
    if (!run_script()) {
      ++at_once;
      expect_closed_for_good();
    }
    end(Ending::process_killed);
    const auto opened = house_.open();
    if (!opened) {
      EXPECT_EQ(opened.error().code, Errc::corruption) << opened.error().detail;
      ++later;
      continue;
    }
    const auto report = checked();
    if (!report || !report->problems.empty()) {
      ++later;
      continue;
    }
    house_.close();
    expect_nothing_lost();
    if (HasFatalFailure()) return;
  }
  std::cout << calls << " short reads, " << at_once << " of them closed the store, " << later << " were found after\n";
  EXPECT_GT(at_once, 0U);
}

/// A sync that says it is done and is not takes with it what was receipted: no program can know before the power goes.
/// The next start does, from the checkpoint kept outside; or, where the lie tore the database, SQLite or
/// `pli-broker check`. Never does a loss go by unsaid.
TEST_F(FailingDisk, P10WhatASyncThatLiedHasLostIsNoticed) {
  begin_again();
  const std::uint64_t before = disk_.syncs();
  ASSERT_TRUE(run_script());
  const std::uint64_t syncs = disk_.syncs() - before;
  std::uint64_t harmless = 0, at_start = 0, rolled_back = 0, by_check = 0;
  for (const bool lasting : {false, true}) {
    for (std::uint64_t at = 0; at < syncs; ++at) {
      for (const Unsynced left : {Unsynced::lost, Unsynced::some, Unsynced::some}) {
        SCOPED_TRACE("sync " + std::to_string(at) + (lasting ? " and all after it" : "") + ", seed " +
                     std::to_string(seed()));
        begin_again();
        disk_.fail({.at = at, .kind = DiskFault::Kind::lies, .lasting = lasting, .calls = DiskFault::Calls::syncs});
        ASSERT_TRUE(run_script()) << "nothing shows yet";
        ASSERT_TRUE(disk_.failed());
        const audit::OutsideSlot outside{1, house_.core().newest_checkpoint()};
        house_.close();
        disk_.power_cut(left);
        if (const auto opened = house_.open(); !opened) {
          EXPECT_EQ(opened.error().code, Errc::corruption) << opened.error().detail;
          ++at_start;
          continue;
        }
        const auto compared = broker::compare_with_outside(outside, department_.log(),
                                                           house_.keys().log_key().public_key(), house_.store());
        if (!compared) {
          ++at_start;
          continue;
        }
        if (compared->standing != broker::Standing::extends) {
          EXPECT_EQ(compared->standing, broker::Standing::rolled_back);
          ++rolled_back;
          continue;
        }
        const auto report = checked();
        if (!report || !report->problems.empty()) {
          ++by_check;
          continue;
        }
        for (const auto& [id, leaf] : held_.receipts)
          EXPECT_TRUE(house_.store().find_exchange(id).has_value()) << "lost, and nobody says so";
        ++harmless;
      }
    }
  }
  std::cout << "after " << 6 * syncs << " lies: " << harmless << " harmless, " << at_start << " refused at start, "
            << rolled_back << " ROLLED_BACK, " << by_check << " found by check\n";
  EXPECT_GT(rolled_back, 0U);
}

/// A disk that others fill: what is new is refused while the reserve is all there is, what is there is read on and
/// recorded, and room is used as soon as it is back. Only when the reserve is gone too does the store close.
TEST(FullDisk, P2IsSaidByNameReadOnFromItsReserveAndServedAgainOnceThereIsRoom) {
  FaultyDisk disk(seed());
  broker::StoreOptions options;
  options.vfs = disk.name();
  options.background_writeback = false;
  options.free_bytes = [&] { return disk.bytes_left(); };
  const Department department;
  BrokerHouse house(department, options);
  const auto held = [&] {
    std::uint64_t sum = 0;
    for (const auto& [name, bytes] : disk.image()) sum += bytes.size();
    return sum;
  };
  const auto submit = [&](const Sealed& sealed) {
    return refusal_in(house.ask(sealed.address.sender, sealed.verified()));
  };
  const auto open = [&](const Sealed& sealed) {
    return refusal_in(house.ask("ged.1", department.open("ged.1", sealed.id, house.now)));
  };
  const Sealed first = department.seal({});
  const Sealed second = department.seal({});
  ASSERT_EQ(submit(first), "");

  disk.hold_at_most(held() + protocol::disk_reserve_bytes);
  EXPECT_EQ(submit(second), "LOG_UNAVAILABLE");
  EXPECT_EQ(house.core().health(house.now).state, "DISK_RESERVE");
  EXPECT_EQ(open(first), "") << "what the reserve is for";
  disk.hold_at_most(UINT64_MAX);
  EXPECT_EQ(submit(second), "") << "without a start";
  EXPECT_EQ(house.core().health(house.now).state, "ok");

  disk.hold_at_most(0);
  std::optional<Sealed> refused;
  for (int i = 0; i < 100 && !refused; ++i) {
    std::vector<broker::VerifiedRequest> batch;
    batch.push_back(house.request("ged.2", department.open("ged.2", first.id, house.now)));
    if (!house.apply(std::move(batch))) refused = department.seal({});
  }
  ASSERT_TRUE(refused.has_value()) << "the WAL never grew";
  EXPECT_EQ(house.store().fault()->code, Errc::io_error);
  EXPECT_EQ(house.core().health(house.now).state, "LOG_UNAVAILABLE");
  disk.hold_at_most(UINT64_MAX);
  house.restart();
  for (const Sealed* sealed : {&first, &second}) EXPECT_TRUE(house.store().find_exchange(sealed->id).has_value());
  EXPECT_EQ(submit(*refused), "");
  broker::CheckOptions check;
  check.log = department.log();
  check.vfs = disk.name();
  const auto report = broker::check_store(house.database(), house.keys(), check);
  ASSERT_TRUE(report.has_value()) << report.error().detail;
  EXPECT_TRUE(report->problems.empty());
}

}  // namespace
}  // namespace pli::testing
