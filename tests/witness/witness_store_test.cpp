#include "witness/witness_store.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "audit/evidence.hpp"
#include "base/file.hpp"
#include "crypto/base64.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/witness/growing_log.hpp"

namespace pli::witness {
namespace {

using audit::WitnessState;
using pli::testing::GrowingLog;
using pli::testing::key_of;

constexpr std::string_view witness_name = "witness.example/w1";

audit::VerifierKey witness_key(std::uint8_t seed = 2) {
  return {std::string(witness_name), audit::KeyType::cosignature, key_of(seed).public_key()};
}

/// What the desk would have kept for the tree of this size.
audit::WitnessDecision::Update update_of(const GrowingLog& log, std::uint64_t size,
                                         std::uint64_t time = 1'700'000'000) {
  audit::Note note = audit::parse_note(log.checkpoint(size)).value();
  note.signatures.push_back(audit::cosign(note.text, witness_name, key_of(2), {time}));
  const auto head = audit::parse_tree_head(note.text).value();
  return {{head.size, head.root}, audit::to_text(note)};
}

CosignedTree tree_of(const GrowingLog& log, std::uint64_t size) {
  const auto update = update_of(log, size);
  return {log.origin(), update.state, {1'700'000'000}, update.checkpoint};
}

CosignedTrees trees_of(std::size_t count) {
  CosignedTrees trees;
  for (std::size_t i = 0; i < count; ++i) {
    GrowingLog log("log.example/" + std::to_string(i));
    trees.emplace(audit::monitoring_path(log.origin()), tree_of(log, 0));
  }
  return trees;
}

class WitnessStoreTest : public ::testing::Test {
 protected:
  WitnessStoreTest() {
    EXPECT_TRUE(WitnessStore::create(folder_.path()));
    log_.grow(20);
  }
  WitnessStore open() {
    auto store = WitnessStore::open(folder_.path(), witness_key());
    if (!store) {
      ADD_FAILURE() << store.error().detail;
      std::abort();
    }
    return *std::move(store);
  }
  Errc error_of_open() { return WitnessStore::open(folder_.path(), witness_key()).error().code; }
  std::filesystem::path state() const { return folder_.path() / "state"; }
  std::string state_text() const { return std::string(as_text(read_file(state(), state_bytes_max).value())); }
  void write_state(std::string_view text) {
    ASSERT_TRUE(write_file_durably(state(), as_bytes(text), FileMode::owner_only));
  }
  WitnessState at(std::uint64_t size) const { return update_of(log_, size).state; }

  pli::testing::TemporaryFolder folder_;
  GrowingLog log_;
};

TEST_F(WitnessStoreTest, KeepsWhatWasCosignedLastOfEachOrigin) {
  GrowingLog other("log.example/other");
  other.grow(3);
  {
    WitnessStore store = open();
    EXPECT_EQ(store.last(log_.origin()), audit::first_witness_state());
    ASSERT_TRUE(store.advance(log_.origin(), audit::first_witness_state(), update_of(log_, 7)));
    ASSERT_TRUE(store.advance(other.origin(), audit::first_witness_state(), update_of(other, 3)));
    ASSERT_TRUE(store.advance(log_.origin(), at(7), update_of(log_, 9, 1'700'000'060)));
  }
  const WitnessStore again = open();
  EXPECT_EQ(again.last(log_.origin()), at(9));
  EXPECT_EQ(again.last(other.origin()), update_of(other, 3).state);
  const CosignedTree& tree = again.trees().at(audit::monitoring_path(log_.origin()));
  EXPECT_EQ(tree.checkpoint, update_of(log_, 9, 1'700'000'060).checkpoint);
  EXPECT_EQ(tree.time.value, 1'700'000'060U);
  EXPECT_EQ(again.trees().size(), 2U);
}

TEST_F(WitnessStoreTest, AnOriginNeverGoesBackAndMovesOnlyFromWhereItStands) {
  WitnessStore store = open();
  ASSERT_TRUE(store.advance(log_.origin(), audit::first_witness_state(), update_of(log_, 7)));
  const std::string before = state_text();
  EXPECT_EQ(store.advance(log_.origin(), audit::first_witness_state(), update_of(log_, 9)).error().code,
            Errc::conflict);
  EXPECT_EQ(store.advance(log_.origin(), at(6), update_of(log_, 9)).error().code, Errc::conflict);
  EXPECT_EQ(store.advance(log_.origin(), at(7), update_of(log_, 6)).error().code, Errc::conflict);
  EXPECT_EQ(store.advance(log_.origin(), at(7), update_of(log_, 0)).error().code, Errc::conflict);
  GrowingLog forked(log_.origin(), 1, "other leaf ");
  forked.grow(7);
  EXPECT_EQ(store.advance(log_.origin(), at(7), update_of(forked, 7)).error().code, Errc::conflict);
  EXPECT_EQ(store.last(log_.origin()), at(7));
  EXPECT_EQ(state_text(), before);
  EXPECT_TRUE(store.advance(log_.origin(), at(7), update_of(log_, 7, 1'800'000'000)))
      << "the same tree, cosigned again";
}

TEST_F(WitnessStoreTest, IsHeldByOneProcessAndCreatedOnce) {
  {
    const WitnessStore store = open();
    EXPECT_EQ(error_of_open(), Errc::unavailable);
    EXPECT_TRUE(WitnessStore::read(folder_.path(), witness_key())) << "show reads beside it";
  }
  EXPECT_EQ(WitnessStore::create(folder_.path()).error().code, Errc::conflict);
  (void)open();
}

TEST_F(WitnessStoreTest, AMissingStateIsNotAnEmptyOne) {
  std::filesystem::remove(state());
  EXPECT_EQ(error_of_open(), Errc::not_found);
  EXPECT_FALSE(std::filesystem::exists(state()));
}

TEST_F(WitnessStoreTest, EveryTornAndEveryAlteredStateIsRefused) {
  {
    WitnessStore store = open();
    ASSERT_TRUE(store.advance(log_.origin(), audit::first_witness_state(), update_of(log_, 7)));
  }
  const std::string good = state_text();
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(parse_cosigned_trees(good.substr(0, size), witness_key()).error().code, Errc::corruption) << size;
    for (const int bit : {1, 32, 128}) {
      std::string altered = good;
      altered[size] = static_cast<char>(altered[size] ^ bit);
      EXPECT_FALSE(parse_cosigned_trees(altered, witness_key())) << size;
    }
  }
  EXPECT_EQ(parse_cosigned_trees(good + '\n', witness_key()).error().code, Errc::corruption);
  // And so at start.
  for (const std::string& damaged : {std::string(), good.substr(0, good.size() / 2), good + 'x'}) {
    write_state(damaged);
    EXPECT_EQ(error_of_open(), Errc::corruption);
    EXPECT_EQ(state_text(), damaged) << "left as it was, to be looked at";
  }
  write_state(good);
  EXPECT_EQ(open().last(log_.origin()), at(7));
}

TEST_F(WitnessStoreTest, AWellFormedStateThatThisWitnessDidNotSignIsRefused) {
  CosignedTrees trees;
  trees.emplace(audit::monitoring_path(log_.origin()), tree_of(log_, 7));
  const std::string good = to_text(trees);
  ASSERT_TRUE(parse_cosigned_trees(good, witness_key()));
  EXPECT_EQ(parse_cosigned_trees(good, witness_key(3)).error().code, Errc::corruption) << "another witness's";
  trees.begin()->second.checkpoint = log_.checkpoint(7);
  EXPECT_EQ(parse_cosigned_trees(to_text(trees), witness_key()).error().code, Errc::corruption) << "without our line";
  // A smaller tree under the line of a larger one: what a rollback by hand would write.
  audit::Note seven = audit::parse_note(tree_of(log_, 7).checkpoint).value();
  seven.text = audit::parse_note(log_.checkpoint(6)).value().text;
  trees.begin()->second.checkpoint = audit::to_text(seven);
  EXPECT_EQ(parse_cosigned_trees(to_text(trees), witness_key()).error().code, Errc::corruption);
}

TEST_F(WitnessStoreTest, AClockPutBackDoesNotMakeItsOwnStateWrong) {
  CosignedTrees trees;
  const auto update = update_of(log_, 7, audit::cosignature_time_limit - 1);
  trees.emplace(audit::monitoring_path(log_.origin()),
                CosignedTree{log_.origin(), update.state, {audit::cosignature_time_limit - 1}, update.checkpoint});
  EXPECT_TRUE(parse_cosigned_trees(to_text(trees), witness_key()));
}

TEST_F(WitnessStoreTest, WhatItReadsItWouldWriteTheSame) {
  const std::string text = to_text(trees_of(5));
  const auto parsed = parse_cosigned_trees(text, witness_key());
  ASSERT_TRUE(parsed);
  EXPECT_EQ(to_text(*parsed), text);
}

TEST_F(WitnessStoreTest, HoldsOriginsMaxAndNotOneMore) {
  write_state(to_text(trees_of(origins_max)));
  WitnessStore store = open();
  EXPECT_EQ(store.trees().size(), origins_max);
  const std::string before = state_text();
  EXPECT_EQ(store.advance(log_.origin(), audit::first_witness_state(), update_of(log_, 7)).error().code,
            Errc::over_limit);
  EXPECT_EQ(state_text(), before);
  EXPECT_EQ(store.last(log_.origin()), audit::first_witness_state());
  GrowingLog known("log.example/7");
  known.grow(2);
  EXPECT_TRUE(store.advance(known.origin(), audit::first_witness_state(), update_of(known, 2)));
  EXPECT_EQ(parse_cosigned_trees(to_text(trees_of(origins_max + 1)), witness_key()).error().code, Errc::corruption);
}

TEST_F(WitnessStoreTest, AStateAboveItsSizeIsRefused) {
  std::ofstream(state(), std::ios::app) << std::string(state_bytes_max, 'x');
  EXPECT_EQ(error_of_open(), Errc::corruption);
}

TEST_F(WitnessStoreTest, AfterAFailedWriteItRefusesUntilOpenedAgain) {
  const auto aside = folder_.path().parent_path() / (folder_.path().filename().string() + "-aside");
  {
    WitnessStore store = open();
    ASSERT_TRUE(store.advance(log_.origin(), audit::first_witness_state(), update_of(log_, 7)));
    std::filesystem::rename(folder_.path(), aside);
    EXPECT_EQ(store.advance(log_.origin(), at(7), update_of(log_, 9)).error().code, Errc::io_error);
    std::filesystem::rename(aside, folder_.path());
    EXPECT_EQ(store.advance(log_.origin(), at(7), update_of(log_, 9)).error().code, Errc::io_error);
    EXPECT_EQ(store.last(log_.origin()), at(7));
  }
  WitnessStore again = open();
  EXPECT_TRUE(again.advance(log_.origin(), at(7), update_of(log_, 9)));
}

// ---- evidence ----------------------------------------------------------------------------------------------------

/// A request that shows a second tree of this size.
std::string second_tree(const GrowingLog& log, std::uint64_t size, const std::string& leaf) {
  GrowingLog forked(log.origin(), 1, leaf);
  forked.grow(size);
  return audit::to_text(audit::AddCheckpoint{TreeSize{size}, {}, forked.checkpoint(size)});
}

TEST_F(WitnessStoreTest, EvidenceIsTheCosignedCheckpointAndTheOneThatContradictsIt) {
  WitnessStore store = open();
  ASSERT_TRUE(store.advance(log_.origin(), audit::first_witness_state(), update_of(log_, 7)));
  EXPECT_TRUE(store.keep_evidence(log_.origin(), second_tree(log_, 7, "other ")).value());
  const auto files = WitnessStore::list_evidence(folder_.path());
  ASSERT_EQ(files.size(), 1U);
  const Bytes bytes = read_file(files[0], audit::evidence_bytes_max).value();
  const auto evidence = audit::parse_evidence(as_text(bytes));
  ASSERT_TRUE(evidence) << evidence.error().detail;
  const auto first = audit::verify_checkpoint(evidence->first, log_.key());
  const auto second = audit::verify_checkpoint(evidence->second, log_.key());
  ASSERT_TRUE(first && second);
  EXPECT_EQ(evidence->first, update_of(log_, 7).checkpoint);
  EXPECT_EQ(audit::compare(first->head(), second->head()), audit::Finding::two_trees);
}

TEST_F(WitnessStoreTest, EvidenceOfAnEmptyTreeWithAnotherRootIsThatCheckpointAlone) {
  WitnessStore store = open();
  audit::Note signed_note{log_.origin() + "\n0\n" + crypto::to_base64(at(7).root) + '\n', {}};
  audit::sign_note(signed_note, log_.origin(), key_of(1));
  const std::string note = audit::to_text(signed_note);
  EXPECT_TRUE(store.keep_evidence(log_.origin(), audit::to_text(audit::AddCheckpoint{{}, {}, note})).value());
  const auto files = WitnessStore::list_evidence(folder_.path());
  ASSERT_EQ(files.size(), 1U);
  EXPECT_EQ(as_text(read_file(files[0], audit::evidence_bytes_max).value()), note);
}

TEST_F(WitnessStoreTest, TheSameTwoTreesAreKeptOnceWhateverElseIsSent) {
  WitnessStore store = open();
  ASSERT_TRUE(store.advance(log_.origin(), audit::first_witness_state(), update_of(log_, 7)));
  const std::string request = second_tree(log_, 7, "other ");
  EXPECT_TRUE(store.keep_evidence(log_.origin(), request).value());
  audit::AddCheckpoint varied = audit::parse_add_checkpoint(request).value();
  varied.proof.emplace_back();
  EXPECT_FALSE(store.keep_evidence(log_.origin(), audit::to_text(varied)).value());
  EXPECT_EQ(WitnessStore::list_evidence(folder_.path()).size(), 1U);
}

TEST_F(WitnessStoreTest, EvidenceStopsAtItsLimitsByOriginAndInAll) {
  WitnessStore store = open();
  std::size_t kept = 0;
  for (std::size_t origin = 0; origin * evidence_of_an_origin_max < evidence_max; ++origin) {
    const GrowingLog log("log.example/" + std::to_string(origin));
    for (std::size_t i = 0; i < evidence_of_an_origin_max; ++i)
      kept += store.keep_evidence(log.origin(), second_tree(log, 1, std::to_string(i))).value() ? 1 : 0;
    const bool one_more = store.keep_evidence(log.origin(), second_tree(log, 1, "more")).value();
    EXPECT_FALSE(one_more) << origin;
  }
  EXPECT_EQ(kept, evidence_max);
  const GrowingLog last("log.example/last");
  EXPECT_FALSE(store.keep_evidence(last.origin(), second_tree(last, 1, "0")).value());
  EXPECT_EQ(WitnessStore::list_evidence(folder_.path()).size(), evidence_max);
}

}  // namespace
}  // namespace pli::witness
