// One morning of a broker, for crash tests: work of every sort, from a start to the next; what of it left, in the hands
// of those it went to; and what they find of it after a crash.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "audit/checkpoint.hpp"
#include "audit/inclusion.hpp"
#include "broker/check_store.hpp"
#include "tests/support/broker_house.hpp"

namespace pli::testing {

/// Under sanitizers, which are several times slower, each third point is tried; `./check release` tries them all.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr std::size_t points_stride = 3;
#else
inline constexpr std::size_t points_stride = 1;
#endif

/// PLI_SEED makes a run again, or another one.
inline std::uint64_t seed() {
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

class ScriptedBroker : public ::testing::Test {
 protected:
  /// On a disk of tests, by the name of its VFS.
  explicit ScriptedBroker(const std::string& vfs) : vfs_(vfs) {
    take(house_.apply([&] {
      std::vector<broker::VerifiedRequest> batch;
      batch.push_back(house_.request("referent.auxerre", first_.verified()));
      return batch;
    }()));
    found_ = held_;
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
    step.case_id = first_.id;
    for (const auto& [kind, attribute] : std::vector<std::pair<protocol::Kind, std::pair<std::string, std::string>>>{
             {protocol::Kind::recevabilite, {"avis", "recevable"}},
             {protocol::Kind::inscription, {"date", "2026-12-03"}},
             {protocol::Kind::mise_en_evaluation, {}}}) {
      step.kind = kind;
      step.attributes.clear();
      if (!attribute.first.empty()) step.attributes = {attribute};
      script_.emplace_back(Batch{submits(step)});
    }
    step.kind = protocol::Kind::decision;
    script_.emplace_back(Batch{submits(step)});
    step.kind = protocol::Kind::retour;
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

    const broker::VerifiedPublish version = department_.renew_term(house_.now + std::chrono::hours(24 * 20));
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

  virtual void left() {}  ///< What was decided has left the broker.
  /// The start is part of it. False once the disk has failed it.
  bool run_script() {
    if (!house_.open()) return false;
    for (const Step& step : script_) {
      if (!run(step)) return false;
      left();
    }
    return true;
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

  /// As `pli-broker check` looks. `signatures`: most of the time it takes.
  Result<broker::CheckReport> checked(bool signatures = true) {
    broker::CheckOptions options;
    options.log = department_.log();
    options.signatures = signatures;
    options.vfs = vfs_;
    return broker::check_store(house_.database(), house_.keys(), options);
  }

  void expect_whole(bool signatures) {
    const auto report = checked(signatures);
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

  static DepartmentOptions small() {
    DepartmentOptions options;
    options.ged_members = 3;
    options.clir_members = 1;
    return options;
  }

  const std::string vfs_;
  Department department_{small()};
  const Sealed first_ = department_.seal({});
  BrokerHouse house_{department_, [this] {
                       broker::StoreOptions options;
                       options.vfs = vfs_;
                       options.background_writeback = false;
                       return options;
                     }()};
  Held held_;
  Held found_;  ///< held before the script begins
  std::vector<Step> script_;
  std::vector<protocol::ExchangeId> submitted_;
  bool resending_ = false;
};

}  // namespace pli::testing
