// The real core and the real store on a disk that fails at each call in turn, and loses at a power cut what was not
// synced (P2, P3, P8). Whatever happens: what left the broker is there afterwards, once, with its record; and what did
// not can be sent again.
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <variant>

#include "audit/checkpoint.hpp"
#include "audit/inclusion.hpp"
#include "broker/check_store.hpp"
#include "broker/standing.hpp"
#include "tests/support/broker_house.hpp"
#include "tests/support/faulty_disk.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;
using protocol::Kind;

/// PLI_SEED makes a run again, or another one.
std::uint64_t seed() {
  static const std::uint64_t one = [] {
    const char* given = std::getenv("PLI_SEED");
    const std::uint64_t value = given == nullptr ? 20'260'112 : std::strtoull(given, nullptr, 10);
    std::cout << "seed " << value << " (PLI_SEED)\n";
    return value;
  }();
  return one;
}

/// What left the broker, in the hands of those it went to.
struct Held {
  std::map<protocol::ExchangeId, LeafIndex> receipts;
  std::map<Digest, LeafIndex> openings;
  std::map<std::uint64_t, std::string> checkpoints;  ///< by size
  std::map<std::uint64_t, std::string> leaves;       ///< by index
  DirectoryNumber directory{1};
  QueueNumber acknowledged{};
};

struct Act {
  std::string member;
  std::function<broker::VerifiedBody()> body;
  std::string answer;  ///< the refusal wanted; "" = done
};
using Batch = std::vector<Act>;
using Upkeep = std::function<bool(BrokerHouse&)>;  ///< false: the disk failed
using Step = std::variant<Batch, Upkeep>;

enum class Ending { process_killed, unsynced_lost, unsynced_kept, unsynced_some };

class FailingDisk : public ::testing::Test {
 protected:
  static broker::StoreOptions on(const FaultyDisk& disk) {
    broker::StoreOptions options;
    options.vfs = disk.name();
    options.background_writeback = false;
    return options;
  }

  FailingDisk() {
    take(house_.apply([&] {
      std::vector<broker::VerifiedRequest> batch;
      batch.push_back(house_.request("referent.auxerre", first_.verified()));
      return batch;
    }()));
    found_ = held_;
    base_ = disk_.image();
    write_script();
  }

  /// Every sort of thing that is written: receipts, openings, cursors, refusals, a case's steps, a version of the
  /// directory, a suspension, counts of strays; the WAL emptied, and a stop and a start.
  void write_script() {
    const auto submits = [&](const Draft& draft, std::string answer = {}) {
      auto sealed = std::make_shared<Sealed>(department_.seal(draft));
      submitted_.push_back(sealed->id);
      return Act{draft.sender, [sealed] { return sealed->verified(); }, std::move(answer)};
    };
    Draft plain;
    Draft large;
    large.sender = "referent.sens";
    large.content = Bytes(50'000, 7);
    const Act report = submits(plain);
    script_.emplace_back(Batch{report});
    script_.emplace_back(Batch{submits(plain), submits(large), report});

    // Signed under the version then in force.
    auto opening = std::make_shared<broker::VerifiedOpen>(department_.open("ged.1", first_.id, house_.now));
    auto foreign = std::make_shared<broker::VerifiedOpen>(department_.open("clir.1", first_.id, house_.now));
    script_.emplace_back(Batch{{"ged.1", [this, opening] { return department_.open_again(*opening); }, {}}});
    script_.emplace_back(Batch{{"ged.1",
                                [] {
                                  return protocol::Acknowledge{"ged/89", {2}};
                                },
                                {}},
                               {"clir.1", [this, foreign] { return department_.open_again(*foreign); }, "NOT_FOUND"},
                               {"referent.sens", [] { return protocol::Hello{}; }, {}},
                               {"", [] { return broker::Unattributed{}; }, {}}});
    script_.emplace_back(Upkeep([](BrokerHouse& house) { return house.store().write_back_all().has_value(); }));

    Draft step;
    step.sender = "secretariat";
    step.kind = Kind::decision;
    step.case_id = first_.id;
    script_.emplace_back(Batch{submits(step)});
    step.kind = Kind::retour;
    step.queue = department_.organisation_queue("referent.auxerre");
    Draft forged;
    forged.queue = "clir/89";
    auto refused = std::make_shared<Sealed>(department_.seal(forged));
    script_.emplace_back(
        Batch{submits(step), {"referent.auxerre", [refused] { return refused->verified(); }, "FORBIDDEN(defaut)"}});
    script_.emplace_back(Upkeep([](BrokerHouse& house) {
      house.close();
      return house.open().has_value();
    }));

    const broker::VerifiedPublish version = department_.renew_term(house_.now + 24h * 20);
    script_.emplace_back(Batch{{"operateur", [version] { return version; }, {}}});
    const protocol::Suspension suspension{
        department_.directory()->verified()->head().contract, "ged.3", {2}, house_.now};
    const std::string note = department_.sign_suspension(suspension, 0);
    script_.emplace_back(Batch{{"operateur", [note] { return broker::VerifiedSuspension{note}; }, {}}, submits(plain)});
    script_.emplace_back(Upkeep([this](BrokerHouse& house) { return take(house.core().tick(house.now)); }));
    script_.emplace_back(Upkeep([](BrokerHouse& house) { return house.store().truncate_wal(); }));
    script_.emplace_back(Batch{submits(plain)});
  }

  /// What a batch lets out is from here on in other people's hands.
  bool take(Result<broker::BatchOutcome> outcome) {
    if (!outcome) return false;
    for (std::size_t i = 0; i < outcome->leaves.size(); ++i)
      held_.leaves[outcome->first_leaf.value + i] = outcome->leaves[i];
    if (outcome->checkpoint) {
      const auto checkpoint = audit::verify_checkpoint(*outcome->checkpoint, house_.log_key());
      EXPECT_TRUE(checkpoint.has_value());
      if (checkpoint) held_.checkpoints[checkpoint->size().value] = *outcome->checkpoint;
    }
    for (const broker::Outgoing& out : outcome->outgoing) {
      if (const auto* accepted = std::get_if<protocol::Accepted>(&out.reply.body)) {
        const auto [place, fresh] = held_.receipts.emplace(accepted->exchange, accepted->proof.index);
        EXPECT_EQ(place->second, accepted->proof.index) << "one exchange, two leaves";
        EXPECT_TRUE(!fresh || !accepted->duplicate || resending_) << "receipted before anybody was";
      }
      if (const auto* opened = std::get_if<protocol::Opened>(&out.reply.body)) {
        const auto [place, fresh] = held_.openings.emplace(opened->exchange, opened->proof.index);
        EXPECT_EQ(place->second, opened->proof.index) << "one opening, two leaves";
      }
      if (const auto* acknowledged = std::get_if<protocol::Acknowledged>(&out.reply.body))
        held_.acknowledged = acknowledged->number;
      if (std::holds_alternative<protocol::Published>(out.reply.body)) held_.directory = {2};
    }
    return true;
  }

  /// False once the disk has failed it.
  bool run(const Step& step) {
    if (const auto* upkeep = std::get_if<Upkeep>(&step)) return (*upkeep)(house_);
    const Batch& acts = std::get<Batch>(step);
    std::vector<broker::VerifiedRequest> batch;
    for (const Act& act : acts)
      batch.push_back(house_.request(act.member.empty() ? "auditeur" : act.member, act.body()));
    std::map<std::uint64_t, std::string> wanted;
    for (std::size_t i = 0; i < acts.size(); ++i) wanted[batch[i].request_id] = acts[i].answer;
    auto outcome = house_.apply(std::move(batch));
    if (!outcome) return false;
    for (const broker::Outgoing& out : outcome->outgoing) {
      if (resending_ || !out.answers) continue;
      EXPECT_EQ(refusal_in(out.reply.body), wanted.at(out.reply.id));
    }
    return take(std::move(outcome));
  }

  /// The start is part of it. False once the disk has failed it.
  bool run_script() {
    if (!house_.open()) return false;
    for (const Step& step : script_)
      if (!run(step)) return false;
    return true;
  }

  void begin_again() {
    house_.close();
    disk_.put(base_);
    held_ = found_;
    resending_ = false;
  }

  /// After the disk has failed it: nothing more is decided, and nothing leaves.
  void expect_closed_for_good() {
    if (!house_.is_open()) return;  // it did not start
    EXPECT_TRUE(house_.store().fault().has_value());
    std::vector<broker::VerifiedRequest> batch;
    batch.push_back(house_.request("ged.2", protocol::Hello{}));
    EXPECT_FALSE(house_.apply(std::move(batch)).has_value());
    EXPECT_FALSE(house_.core().tick(house_.now).has_value());
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

  /// `signatures`: most of the time it takes.
  void expect_whole(bool signatures) {
    broker::CheckOptions options;
    options.log = department_.log();
    options.signatures = signatures;
    options.vfs = disk_.name();
    const auto report = broker::check_store(house_.database(), house_.keys(), options);
    ASSERT_TRUE(report.has_value()) << report.error().detail;
    for (const broker::StoreProblem& problem : report->problems) ADD_FAILURE() << problem.name << " " << problem.where;
  }

  /// The next start, and what whoever holds something finds of it.
  void expect_nothing_lost() {
    const auto opened = house_.open();
    ASSERT_TRUE(opened.has_value()) << opened.error().detail;
    const broker::Store& store = house_.store();
    for (const auto& [index, leaf] : held_.leaves) {
      const auto row = store.leaf({{index}, {0}});
      ASSERT_TRUE(row.has_value()) << "leaf " << index;
      EXPECT_EQ(audit::encode(row->leaf), leaf);
      EXPECT_FALSE(row->record.empty());
    }
    for (const auto& [id, leaf] : held_.receipts) {
      const auto row = store.find_exchange(id);
      ASSERT_TRUE(row.has_value()) << "a receipt without its exchange";
      EXPECT_EQ(row->leaf.index, leaf);
    }
    for (const auto& [size, note] : held_.checkpoints) {
      const auto older = audit::verify_checkpoint(note, house_.log_key());
      const auto newer = audit::verify_checkpoint(store.checkpoint(), house_.log_key());
      ASSERT_TRUE(older && newer);
      ASSERT_LE(size, newer->size().value);
      const auto root = audit::root_at(older->size(), store.nodes(store.shard()));
      ASSERT_TRUE(root.has_value());
      EXPECT_EQ(*root, older->root()) << "the log does not extend a checkpoint that was seen";
    }
    EXPECT_GE(store.newest_directory()->number, held_.directory);
    for (const broker::Store::QueueRow& queue : store.queues())
      EXPECT_TRUE(queue.name != "ged/89" || store.cursor("ged.1", queue.key) >= held_.acknowledged);
    expect_whole(false);
  }

  /// Everybody sends again whatever he sent, answered or not.
  void expect_all_is_taken_once() {
    resending_ = true;
    for (const Step& step : script_) {
      if (std::holds_alternative<Upkeep>(step)) continue;
      ASSERT_TRUE(run(step));
    }
    for (const protocol::ExchangeId& id : submitted_) EXPECT_TRUE(held_.receipts.contains(id));
    EXPECT_EQ(house_.store().exchange_count(), submitted_.size() + 1);
    EXPECT_EQ(held_.openings.size(), 1U);
    EXPECT_EQ(house_.store().newest_directory()->number.value, 2U);
    expect_whole(true);
  }

  static constexpr DepartmentOptions small() {
    DepartmentOptions options;
    options.ged_members = 3;
    options.clir_members = 1;
    return options;
  }

  FaultyDisk disk_{seed()};
  Department department_{small()};
  const Sealed first_ = department_.seal({});
  BrokerHouse house_{department_, on(disk_)};
  Held held_;
  Held found_;  ///< held before the script begins
  DiskImage base_;
  std::vector<Step> script_;
  std::vector<protocol::ExchangeId> submitted_;
  bool resending_ = false;
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
    for (const Trial& trial : trials) {
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
  EXPECT_GE(cuts, 1000U);
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
    broker::CheckOptions options;
    options.log = department_.log();
    options.vfs = disk_.name();
    const auto opened = house_.open();
    if (!opened) {
      EXPECT_EQ(opened.error().code, Errc::corruption) << opened.error().detail;
      ++later;
      continue;
    }
    const auto report = broker::check_store(house_.database(), house_.keys(), options);
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
        broker::CheckOptions options;
        options.log = department_.log();
        options.vfs = disk_.name();
        const auto report = broker::check_store(house_.database(), house_.keys(), options);
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

}  // namespace
}  // namespace pli::testing
