// How an ended shard gets the witnesses' word after its end (design §8).
#include "broker/ended_shards.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "base/file.hpp"
#include "broker/log.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/witness_house.hpp"

namespace pli::broker {
namespace {

using namespace std::chrono_literals;
using testing::eventually;
using testing::WitnessHouse;
using Conduct = WitnessHouse::Conduct;

constexpr std::uint64_t closed_size = 300;
const std::string log_name = "pli.essai.example/pli/89";
const std::string origin = log_name + "/2026-1";

std::string leaf_of(std::uint64_t index) { return "leaf " + std::to_string(index); }

class Ended : public ::testing::Test {
 protected:
  Ended() {
    for (std::uint64_t i = 0; i < closed_size; ++i) tree_.append(as_bytes(leaf_of(i)));
  }
  ~Ended() override { asking_.reset(); }

  [[nodiscard]] audit::VerifierKey key(const std::string& of = origin) const {
    return {of, audit::KeyType::ed25519, key_.public_key()};
  }
  [[nodiscard]] std::string note(std::uint64_t size = closed_size) const {
    return audit::sign_checkpoint({origin, {size}, audit::root_at({size}, tree_.source()).value()}, key_);
  }
  /// All of them are needed. Its log line is that of a later shard.
  [[nodiscard]] audit::WitnessPolicy policy(const std::vector<const WitnessHouse*>& houses) const {
    std::string text = "log " + audit::to_text(key(log_name + "/2027-1")) + "\n";
    std::string names;
    for (std::size_t i = 0; i < houses.size(); ++i) {
      const std::string name = "temoin-" + std::to_string(i + 1);
      text += "witness " + name + " " + houses[i]->vkey() + " " + houses[i]->url() + "\n";
      names += " " + name;
    }
    return audit::WitnessPolicy::parse(text + "group enough all" + names + "\nquorum enough\n").value();
  }
  void ask(const std::vector<const WitnessHouse*>& houses, const std::string& closed, TreeSize known = {closed_size}) {
    EndedShardsSettings settings{{{origin, closed, {closed_size}, known}},
                                 policy(houses),
                                 key_.public_key(),
                                 [this](const std::string& of) -> Result<LogSource> {
                                   if (of != origin) return Error{Errc::not_found, "another shard"};
                                   return LogSource{
                                       [](LeafIndex first, std::size_t count) -> Result<std::vector<std::string>> {
                                         std::vector<std::string> out;
                                         for (std::size_t i = 0; i < count; ++i)
                                           out.push_back(leaf_of(first.value + i));
                                         return out;
                                       },
                                       tree_.source()};
                                 },
                                 tiles_};
    settings.pause = 10ms;
    settings.pause_max = 50ms;
    asking_ = std::make_unique<EndedShards>(std::move(settings), clock_,
                                            EndedShardsSinks{[this](std::string text) {
                                                               const std::lock_guard lock(mutex_);
                                                               confirmed_.push_back(std::move(text));
                                                             },
                                                             [this](std::string detail) {
                                                               const std::lock_guard lock(mutex_);
                                                               stopped_.push_back(std::move(detail));
                                                             }});
  }
  [[nodiscard]] std::vector<std::string> confirmed() const {
    const std::lock_guard lock(mutex_);
    return confirmed_;
  }
  [[nodiscard]] std::vector<std::string> stopped() const {
    const std::lock_guard lock(mutex_);
    return stopped_;
  }
  [[nodiscard]] bool is_good(const std::vector<const WitnessHouse*>& houses, const std::string& text) const {
    return audit::verify_checkpoint_by(policy(houses), text, audit::to_seconds(clock_.now())).has_value();
  }
  /// The shard's folder as the publisher left it, before its last leaves.
  void keep_tiles(std::uint64_t size, const std::string& text) const {
    auto folder = TileFolder::open({tiles_ / "2026-1", key(), {}}, {closed_size},
                                   {[](LeafIndex first, std::size_t count) -> Result<std::vector<std::string>> {
                                      std::vector<std::string> out;
                                      for (std::size_t i = 0; i < count; ++i) out.push_back(leaf_of(first.value + i));
                                      return out;
                                    },
                                    tree_.source()});
    ASSERT_TRUE(folder.has_value());
    ASSERT_TRUE(folder->grow({size}, {}).has_value());
    ASSERT_TRUE(folder->publish(text).has_value());
  }
  [[nodiscard]] std::string served() const {
    const auto bytes = read_file(tiles_ / "2026-1" / "checkpoint", audit::note_bytes_max);
    return bytes ? std::string(as_text(*bytes)) : std::string();
  }

  testing::TemporaryFolder folder_;
  std::filesystem::path tiles_ = folder_.path() / "tiles";
  crypto::SigningKey key_ = crypto::SigningKey::generate();
  audit::MemoryTree tree_;
  SystemClock clock_;
  mutable std::mutex mutex_;
  std::vector<std::string> confirmed_;
  std::vector<std::string> stopped_;
  std::unique_ptr<EndedShards> asking_;
};

TEST_F(Ended, AreConfirmedByTheQuorumOnceAndServedSoBesideTheirTiles) {
  WitnessHouse one({key()}, "witness.example/1");
  WitnessHouse two({key()}, "witness.example/2");
  keep_tiles(250, note(250));
  ask({&one, &two}, note());
  ASSERT_TRUE(eventually([&] { return confirmed().size() == 1; }));
  EXPECT_TRUE(is_good({&one, &two}, confirmed().front()));
  EXPECT_EQ(served(), note(250)) << "not before the tiles it needs are there";
  keep_tiles(closed_size, note());  // as the publisher completes them
  EXPECT_TRUE(eventually([&] { return served() == confirmed().front(); }));
  // The next start finds nothing to ask.
  const std::size_t asked = one.asked();
  const std::string closed = confirmed().front();
  asking_.reset();
  ask({&one, &two}, closed);
  asking_.reset();
  EXPECT_EQ(confirmed().size(), 1U);
  EXPECT_EQ(one.asked(), asked);
}

TEST_F(Ended, AreAskedAboutUntilEverybodyNeededHasAnsweredOnce) {
  WitnessHouse one({key()}, "witness.example/1");
  WitnessHouse two({key()}, "witness.example/2");
  two.behave(Conduct::failing);
  ask({&one, &two}, note());
  ASSERT_TRUE(eventually([&] { return two.asked() >= 3; }));
  EXPECT_TRUE(confirmed().empty()) << "one of two is not enough";
  // Never both at one time: what the first one gave is kept.
  one.stop();
  two.behave(Conduct::honest);
  ASSERT_TRUE(eventually([&] { return !confirmed().empty(); }));
  EXPECT_TRUE(is_good({&one, &two}, confirmed().front()));
  EXPECT_TRUE(served().empty()) << "no folder is made for a shard that has none";
}

TEST_F(Ended, WhoseLastCheckpointWasPublishedBeforeTheEndNeedNobody) {
  WitnessHouse one({key()});
  ask({&one}, note());
  ASSERT_TRUE(eventually([&] { return !confirmed().empty(); }));
  const std::string published = confirmed().front();
  asking_.reset();
  confirmed_.clear();
  one.stop();
  keep_tiles(closed_size, published);
  ask({&one}, note());
  ASSERT_TRUE(eventually([&] { return !confirmed().empty(); }));
  EXPECT_EQ(confirmed().front(), published);
}

TEST_F(Ended, P10AWitnessThatKnowsMoreOrOtherStopsTheBroker) {
  for (const Conduct conduct : {Conduct::ahead, Conduct::saw_another}) {
    WitnessHouse one({key()});
    one.claim_size({closed_size + 1});
    one.behave(conduct);
    ask({&one}, note());
    ASSERT_TRUE(eventually([&] { return !stopped().empty(); }));
    EXPECT_NE(stopped().front().find("temoin-1"), std::string::npos);
    asking_.reset();
    stopped_.clear();
  }
  EXPECT_TRUE(confirmed().empty());
}

TEST_F(Ended, ByAnOrderShortOfWhatAWitnessSawStayWithoutItsWordAndStopNothing) {
  WitnessHouse one({key()});
  one.behave(Conduct::ahead);
  keep_tiles(closed_size, note());
  const std::string before = served();
  ASSERT_TRUE(open_log({folder_.path() / "log", false}));
  for (const std::uint64_t seen : {closed_size + 20, closed_size + 21}) {
    one.claim_size({seen});
    const std::size_t asked = one.asked();
    ask({&one}, note(), {closed_size + 20});
    ASSERT_TRUE(eventually([&] { return one.asked() >= asked + 3; }));
    asking_.reset();
  }
  close_log();
  EXPECT_TRUE(confirmed().empty());
  EXPECT_TRUE(stopped().empty()) << "the order stands";
  std::ifstream lines(folder_.path() / "log" / "pli-broker.log");
  std::size_t told = 0;
  for (std::string line; std::getline(lines, line);)
    told += line.find("more of an ended shard than its order gave up") == std::string::npos ? 0 : 1;
  EXPECT_EQ(told, 1U) << "once in a run, and only of one that saw more than is known";
  EXPECT_EQ(served(), before);
  // One that saw no more than what stands confirms it as ever.
  one.behave(Conduct::honest);
  ask({&one}, note(), {closed_size + 20});
  EXPECT_TRUE(eventually([&] { return !confirmed().empty(); }));
}

TEST_F(Ended, AWitnessThatIsSilentDelaysNoEnd) {
  WitnessHouse one({key()});
  one.behave(Conduct::silent);
  ask({&one}, note());
  ASSERT_TRUE(eventually([&] { return one.asked() == 1; }));
  const auto began = std::chrono::steady_clock::now();
  asking_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - began, 4s) << "less than a witness is waited for";
}

TEST(WithCosignatures, AddsLinesOfTheSameTextAndTakesTheNewerOfOneWitness) {
  const auto log = crypto::SigningKey::generate();
  const auto witness = crypto::SigningKey::generate();
  audit::MemoryTree tree;
  tree.append(as_bytes("a leaf"));
  const std::string base = audit::sign_checkpoint({origin, tree.size(), tree.root()}, log);
  const auto signed_at = [&](const std::string& name, std::uint64_t time) {
    auto note = audit::parse_note(base).value();
    note.signatures.push_back(audit::cosign(note.text, name, witness, {time}));
    return audit::to_text(note);
  };
  const std::string first = with_cosignatures(base, signed_at("w.example/1", 1700000000));
  EXPECT_EQ(first, signed_at("w.example/1", 1700000000));
  EXPECT_EQ(with_cosignatures(first, signed_at("w.example/1", 1700000099)), signed_at("w.example/1", 1700000099));
  EXPECT_EQ(audit::parse_note(with_cosignatures(first, signed_at("w.example/2", 1700000000)))->signatures.size(), 3U);
  tree.append(as_bytes("another"));
  const std::string other = audit::sign_checkpoint({origin, tree.size(), tree.root()}, log);
  EXPECT_EQ(with_cosignatures(first, other), first);
  EXPECT_EQ(with_cosignatures(first, "no note"), first);
}

}  // namespace
}  // namespace pli::broker
