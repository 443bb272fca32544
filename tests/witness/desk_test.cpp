#include "witness/desk.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "base/file.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/witness/growing_log.hpp"
#include "witness/witness_key.hpp"

namespace pli::witness {
namespace {

using audit::WitnessAnswer;
using pli::testing::GrowingLog;

template <class T>
T take(Result<T> result) {
  if (result) return *std::move(result);
  ADD_FAILURE() << result.error().detail;
  std::abort();
}

class DeskTest : public ::testing::Test {
 protected:
  DeskTest() : key_(take(create_witness_key(folder_.path(), "witness.example/w1"))) {
    EXPECT_TRUE(WitnessStore::create(folder_.path()));
    log_.grow(64);
    open();
  }
  void open() { open(log_line(log_.key())); }
  void open(const std::string& logs) {
    desk_.reset();
    desk_.emplace(take(WitnessStore::open(folder_.path(), key_)), take(WatchedLogs::parse(logs)),
                  take(load_witness(folder_.path())), clock_,
                  [this](DeskEvent event) { ++events_[static_cast<std::size_t>(event)]; });
  }
  std::size_t told(DeskEvent event) const { return events_[static_cast<std::size_t>(event)]; }
  WitnessAnswer ask(std::uint64_t old, std::uint64_t size) { return desk_->add_checkpoint(log_.body(old, size)); }
  std::uint64_t size_served() {
    const auto note = desk_->checkpoint(audit::monitoring_path(log_.origin()));
    return note ? take(audit::verify_checkpoint(*note, log_.key())).size().value : 0;
  }
  /// The time of its own line under what it serves.
  std::uint64_t time_served() {
    const audit::Note note = take(audit::parse_note(*desk_->checkpoint(audit::monitoring_path(log_.origin()))));
    return take(audit::verify_cosignature(note.text, note.signatures.back(), key_, audit::to_seconds(clock_.now())))
        .value;
  }

  pli::testing::TemporaryFolder folder_;
  audit::VerifierKey key_;
  GrowingLog log_;
  ManualClock clock_{UnixMillis{1'700'000'000'000}};
  std::array<std::atomic<std::size_t>, 3> events_{};
  std::optional<Desk> desk_;
};

TEST_F(DeskTest, WhatWasKeptButNotAnsweredIsKnownAfterARestart) {
  ASSERT_EQ(ask(0, 7).status, 200);  // the process dies before the log has the answer
  open();
  EXPECT_EQ(size_served(), 7U);
  const WitnessAnswer again = ask(0, 7);
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(again.body, "7\n");
  clock_.advance(std::chrono::seconds(5));
  EXPECT_EQ(ask(7, 7).status, 200) << "the same tree is cosigned again";
  EXPECT_EQ(time_served(), 1'700'000'005U);
}

TEST_F(DeskTest, OfManyThreadsAtOnceEachAnsweredTreeIsTheStartOfTheNext) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  constexpr std::size_t threads = 8;
  std::atomic<std::uint64_t> largest{0};
  std::atomic<std::size_t> answered{0};
  std::vector<std::thread> crew;
  for (std::size_t t = 0; t < threads; ++t)
    crew.emplace_back([&, t] {
      std::mt19937_64 random(seed + t);
      for (int i = 0; i < 12; ++i) {
        const std::uint64_t before = largest;
        const std::uint64_t size = 1 + random() % 64;
        if (size < before) continue;
        const WitnessAnswer answer = ask(before, size);
        ASSERT_TRUE(answer.status == 200 || answer.status == 409) << answer.status;
        if (answer.status == 409) {
          // Never behind what somebody has been answered already.
          EXPECT_GE(std::stoull(answer.body), before);
          continue;
        }
        ++answered;
        std::uint64_t seen = largest;
        while (seen < size && !largest.compare_exchange_weak(seen, size)) {
        }
      }
    });
  for (std::thread& thread : crew) thread.join();
  EXPECT_GT(answered, 0U);
  EXPECT_EQ(size_served(), largest);
  open();
  EXPECT_EQ(size_served(), largest);
}

TEST_F(DeskTest, ASecondTreeIsRefusedKeptAndTold) {
  ASSERT_EQ(ask(0, 7).status, 200);
  GrowingLog forked(log_.origin(), 1, "other leaf ");
  forked.grow(9);
  EXPECT_EQ(desk_->add_checkpoint(forked.body(7, 7)).status, 422);
  EXPECT_EQ(told(DeskEvent::evidence_kept), 1U);
  EXPECT_EQ(desk_->add_checkpoint(forked.body(7, 7)).status, 422);
  EXPECT_EQ(told(DeskEvent::evidence_kept), 1U) << "known already";
  EXPECT_EQ(desk_->add_checkpoint(forked.body(7, 9)).status, 422);
  EXPECT_EQ(told(DeskEvent::evidence_kept), 1U) << "a bad proof proves nothing";
  EXPECT_EQ(size_served(), 7U);
  EXPECT_EQ(WitnessStore::list_evidence(folder_.path()).size(), 1U);
}

TEST_F(DeskTest, AnEmptyTreeIsCosignedAndTakesNoPlace) {
  EXPECT_EQ(ask(0, 0).status, 200);
  EXPECT_FALSE(desk_->checkpoint(audit::monitoring_path(log_.origin())));
  EXPECT_EQ(ask(0, 5).status, 200);
  EXPECT_EQ(ask(0, 0).status, 409) << "with the size it knows";
  EXPECT_EQ(ask(0, 0).body, "5\n");
  EXPECT_EQ(size_served(), 5U);
}

TEST_F(DeskTest, EvidenceThatCannotBeWrittenIsToldAndTheTreeRefusedAllTheSame) {
  ASSERT_EQ(ask(0, 7).status, 200);
  std::filesystem::remove(folder_.path() / "evidence");
  std::filesystem::create_symlink("nowhere", folder_.path() / "evidence");
  GrowingLog forked(log_.origin(), 1, "other leaf ");
  forked.grow(7);
  EXPECT_EQ(desk_->add_checkpoint(forked.body(7, 7)).status, 422);
  EXPECT_EQ(told(DeskEvent::evidence_lost), 1U);
  EXPECT_EQ(ask(7, 8).status, 200);
}

TEST_F(DeskTest, WhatItCannotKeepItDoesNotSign) {
  ASSERT_EQ(ask(0, 7).status, 200);
  const auto aside = folder_.path().string() + "-aside";
  std::filesystem::rename(folder_.path(), aside);
  const WitnessAnswer answer = ask(7, 9);
  std::filesystem::rename(aside, folder_.path());
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.body.find("\xE2\x80\x94"), std::string::npos) << "no line";
  EXPECT_EQ(told(DeskEvent::store_failed), 1U);
  EXPECT_EQ(ask(7, 9).status, 500) << "until it is started again";
  EXPECT_EQ(size_served(), 7U);
  open();
  EXPECT_EQ(ask(7, 9).status, 200);
}

TEST_F(DeskTest, WithAClockBeforeTheEpochItSignsNothing) {
  clock_.set(UnixMillis{999});
  EXPECT_EQ(ask(0, 7).status, 500);
  clock_.set(UnixMillis{1000});
  EXPECT_EQ(ask(0, 7).status, 200);
}

TEST_F(DeskTest, WithNoRoomForAnotherOriginItSignsNothingForIt) {
  const audit::Witness witness = take(load_witness(folder_.path()));
  const auto shard = [](std::size_t number) {
    GrowingLog log("log.example/all/2026-" + std::to_string(number));
    log.grow(1);
    return log;
  };
  CosignedTrees trees;
  for (std::size_t number = 1; number < origins_max; ++number) {
    const GrowingLog log = shard(number);
    audit::Note note = take(audit::parse_note(log.checkpoint(0)));
    note.signatures.push_back(audit::cosign(note.text, witness.name, witness.key, {1}));
    trees.emplace(audit::monitoring_path(log.origin()),
                  CosignedTree{log.origin(), audit::first_witness_state(), {1}, audit::to_text(note)});
  }
  ASSERT_TRUE(write_file_durably(folder_.path() / "state", as_bytes(to_text(trees)), FileMode::owner_only));
  open(log_key_line("log.example/all", log_.key().key));
  EXPECT_EQ(desk_->add_checkpoint(shard(origins_max).body(0, 1)).status, 200);
  EXPECT_EQ(desk_->add_checkpoint(shard(origins_max + 1).body(0, 1)).status, 503);
  EXPECT_EQ(desk_->add_checkpoint(shard(origins_max + 1).body(0, 0)).status, 200) << "an empty tree takes no place";
  EXPECT_EQ(desk_->add_checkpoint(shard(1).body(0, 1)).status, 200);
}

}  // namespace
}  // namespace pli::witness
