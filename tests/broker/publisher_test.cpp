#include "broker/publisher.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include "base/file.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/witness_house.hpp"

namespace pli::broker {
namespace {

using namespace std::chrono_literals;
using testing::eventually;
using testing::WitnessHouse;
using Conduct = WitnessHouse::Conduct;

constexpr const char* origin = "pli.essai.example/pli/89/2026-1";

std::string leaf_of(std::uint64_t index) { return "leaf " + std::to_string(index); }

/// What the publisher told, and when it stopped.
struct Told {
  std::mutex mutex;
  std::vector<std::string> published;
  std::vector<std::pair<PublisherStop, std::string>> stopped;

  [[nodiscard]] std::size_t count() {
    const std::lock_guard lock(mutex);
    return published.size();
  }
  [[nodiscard]] std::string last() {
    const std::lock_guard lock(mutex);
    return published.empty() ? std::string() : published.back();
  }
  [[nodiscard]] std::optional<std::pair<PublisherStop, std::string>> stop() {
    const std::lock_guard lock(mutex);
    if (stopped.empty()) return std::nullopt;
    return stopped.front();
  }
};

class Publishes : public ::testing::Test {
 protected:
  Publishes() {
    for (std::uint64_t i = 0; i < 700; ++i) tree_.append(as_bytes(leaf_of(i)));
  }
  [[nodiscard]] audit::VerifierKey verifier() const { return {origin, audit::KeyType::ed25519, key_.public_key()}; }
  [[nodiscard]] std::string note(std::uint64_t size) const {
    return audit::sign_checkpoint({origin, {size}, audit::root_at({size}, tree_.source()).value()}, key_);
  }
  [[nodiscard]] static HandedLeaves leaves(std::uint64_t from, std::uint64_t to) {
    HandedLeaves out{{from}, {}};
    for (std::uint64_t i = from; i < to; ++i) out.leaves.push_back(leaf_of(i));
    return out;
  }
  [[nodiscard]] Publication outside_only(std::uint64_t size = 1) const {
    return {OutsideFile::create(path_, note(size)).value()};
  }
  [[nodiscard]] TileFolder tiles() const {
    return TileFolder::open({tiles_, verifier(), {}}, tree_.size(),
                            {[](LeafIndex first, std::size_t count) -> Result<std::vector<std::string>> {
                               return leaves(first.value, first.value + count).leaves;
                             },
                             tree_.source()})
        .value();
  }
  [[nodiscard]] audit::WitnessPolicy policy(const std::vector<const WitnessHouse*>& houses,
                                            const std::string& threshold) const {
    std::string text = "log " + audit::to_text(verifier()) + "\n";
    std::string names;
    for (std::size_t i = 0; i < houses.size(); ++i) {
      const std::string name = "temoin-" + std::to_string(i + 1);
      text += "witness " + name + " " + houses[i]->vkey() + " " + houses[i]->url() + "\n";
      names += " " + name;
    }
    text += "group enough " + threshold + names + "\nquorum enough\n";
    return audit::WitnessPolicy::parse(text).value();
  }
  [[nodiscard]] std::unique_ptr<Witnesses> witnesses(const std::vector<const WitnessHouse*>& houses,
                                                     const std::string& threshold) const {
    WitnessTimes times;
    times.pause = 10ms;
    times.pause_max = 50ms;
    return Witnesses::create(
               policy(houses, threshold),
               [this](TreeSize older, TreeSize newer) {
                 return audit::consistency_proof(older, newer, tree_.source());
               },
               clock_, times)
        .value();
  }
  [[nodiscard]] static PublisherTimes quick() {
    PublisherTimes times;
    times.between = 10ms;
    return times;
  }
  [[nodiscard]] PublisherSinks sinks() {
    return {[this](std::string published) {
              const std::lock_guard lock(told_.mutex);
              told_.published.push_back(std::move(published));
            },
            [this](PublisherStop why, std::string detail) {
              const std::lock_guard lock(told_.mutex);
              told_.stopped.emplace_back(why, std::move(detail));
            }};
  }
  [[nodiscard]] std::string outside() const { return OutsideFile::read(path_)->note; }
  [[nodiscard]] std::uint64_t size_of(const std::string& published) const {
    const auto checkpoint = audit::verify_checkpoint(published, verifier());
    return checkpoint ? checkpoint->size().value : 0;
  }
  [[nodiscard]] std::vector<audit::Cosigner> cosigners(const audit::WitnessPolicy& by, const std::string& note) const {
    const auto checkpoint = audit::verify_checkpoint_by(by, note, audit::to_seconds(clock_.now()));
    if (!checkpoint) ADD_FAILURE() << checkpoint.error().detail;
    return checkpoint ? checkpoint->cosigners() : std::vector<audit::Cosigner>();
  }

  testing::TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path() / "outside";
  std::filesystem::path tiles_ = folder_.path() / "tiles" / "2026-1";
  crypto::SigningKey key_ = crypto::SigningKey::generate();
  audit::MemoryTree tree_;
  SystemClock clock_;
  Told told_;
};

TEST_F(Publishes, OnlyOnceDurableAndTheNewestOfEachMoment) {
  {
    PublisherTimes times;
    times.between = 200ms;
    PublisherSinks durable = sinks();
    durable.published = [this, tell = durable.published](std::string checkpoint) {
      EXPECT_EQ(outside(), checkpoint) << "already on the disk when anybody hears of it";
      tell(std::move(checkpoint));
    };
    Publisher publisher(outside_only(), note(1), times, durable);
    publisher.offer(note(2), {});
    ASSERT_TRUE(eventually([&] { return told_.count() == 1; }));
    for (std::uint64_t size = 3; size <= 15; ++size) publisher.offer(note(size), {});
    EXPECT_EQ(told_.count(), 1U) << "not twice within the interval";
    publisher.finish();
  }
  EXPECT_EQ(told_.published, (std::vector<std::string>{note(2), note(15)}));
  EXPECT_EQ(outside(), note(15));
}

TEST_F(Publishes, NothingThatDoesNotFitOutside) {
  Publisher publisher(outside_only(), note(1), quick(), sinks());
  publisher.offer(std::string(audit::outside_note_bytes_max + 1, 'x'), {});
  ASSERT_TRUE(eventually([&] { return publisher.state() == Publishing::not_written; }));
  EXPECT_EQ(told_.count(), 0U);
  publisher.offer(note(2), {});
  ASSERT_TRUE(eventually([&] { return publisher.state() == Publishing::going_on && told_.count() == 1; }));
}

TEST_F(Publishes, AgainAtEachHeartbeatWhenNothingIsNew) {
  PublisherTimes times = quick();
  times.heartbeat = 50ms;
  Publisher publisher(outside_only(), note(1), times, sinks());
  ASSERT_TRUE(eventually([&] { return told_.count() >= 3; }));
  publisher.finish();
  EXPECT_EQ(told_.last(), note(1));
  EXPECT_GE(OutsideFile::read(path_)->sequence, 3U) << "the slots are written in turn";
}

TEST_F(Publishes, P7TheTilesBeforeTheCheckpointThatNeedsThem) {
  Publication publication = outside_only();
  publication.tiles.emplace(tiles());
  PublisherSinks served = sinks();
  served.published = [this, tell = served.published](std::string checkpoint) {
    EXPECT_EQ(as_text(read_file(tiles_ / "checkpoint", 4096).value()), checkpoint);
    tell(std::move(checkpoint));
  };
  Publisher publisher(std::move(publication), note(1), quick(), served);
  ASSERT_TRUE(eventually([&] { return told_.last() == note(1); })) << "what an earlier process had not published";
  publisher.offer(note(300), leaves(1, 300));
  publisher.offer(note(700), leaves(300, 700));
  ASSERT_TRUE(eventually([&] { return told_.last() == note(700); }));
  publisher.finish();
  const auto read = [&](const audit::TileId& id) { return read_file(tiles_ / audit::to_path(id), 65536); };
  const auto whole = audit::CheckedTiles::open({700}, tree_.root(), read);
  EXPECT_TRUE(whole) << whole.error().detail;
}

TEST_F(Publishes, NothingMoreOnceAFullTileHoldsOtherBytes) {
  Publication publication = outside_only();
  publication.tiles.emplace(tiles());
  ASSERT_TRUE(create_private_folder(tiles_ / "tile" / "0"));
  ASSERT_TRUE(write_file_durably(tiles_ / "tile" / "0" / "000", Bytes(8192, 1), FileMode::world_readable));
  Publisher publisher(std::move(publication), note(1), quick(), sinks());
  publisher.offer(note(300), leaves(1, 300));
  ASSERT_TRUE(eventually([&] { return told_.stop().has_value(); }));
  EXPECT_EQ(told_.stop()->first, PublisherStop::tiles_differ);
  EXPECT_NE(told_.stop()->second.find("tile/0/000"), std::string::npos);
  publisher.offer(note(400), leaves(300, 400));
  publisher.finish();
  EXPECT_NE(told_.last(), note(400));
}

TEST_F(Publishes, P7WhatTheQuorumHasCosignedAndServesItWithTheTiles) {
  WitnessHouse one({verifier()}, "witness.example/1");
  WitnessHouse two({verifier()}, "witness.example/2");
  Publication publication = outside_only();
  publication.tiles.emplace(tiles());
  publication.witnesses = witnesses({&one, &two}, "all");
  Publisher publisher(std::move(publication), note(1), quick(), sinks());
  publisher.offer(note(300), leaves(1, 300));
  ASSERT_TRUE(eventually([&] { return size_of(told_.last()) == 300; }));
  publisher.offer(note(301), leaves(300, 301));
  ASSERT_TRUE(eventually([&] { return size_of(told_.last()) == 301; }));
  EXPECT_EQ(cosigners(policy({&one, &two}, "all"), told_.last()).size(), 2U);
  EXPECT_EQ(as_text(read_file(tiles_ / "checkpoint", 4096).value()), told_.last());
  EXPECT_EQ(outside(), note(301));
  EXPECT_EQ(publisher.state(), Publishing::going_on);
}

TEST_F(Publishes, AWitnessThatStandsElsewhereIsProvenToFromThere) {
  WitnessHouse one({verifier()});
  for (const std::uint64_t size : {3U, 200U}) {
    Publication publication{OutsideFile::create(folder_.path() / std::to_string(size), note(size)).value()};
    publication.witnesses = witnesses({&one}, "all");
    Publisher publisher(std::move(publication), note(size), quick(), sinks());
    ASSERT_TRUE(eventually([&] { return size_of(told_.last()) == size; })) << "it is asked from 0 and says otherwise";
  }
}

TEST_F(Publishes, ASilentWitnessKeepsNobodyWaitingWhereTheOthersAreEnough) {
  WitnessHouse one({verifier()}, "witness.example/1");
  WitnessHouse two({verifier()}, "witness.example/2");
  two.behave(Conduct::silent);
  Publication publication = outside_only();
  publication.witnesses = witnesses({&one, &two}, "any");
  Publisher publisher(std::move(publication), note(1), quick(), sinks());
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t size = 2; size <= 4; ++size) {
    publisher.offer(note(size), {});
    ASSERT_TRUE(eventually([&] { return size_of(told_.last()) == size; }));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, WitnessLineTimes().answer);
  two.behave(Conduct::honest);
}

TEST_F(Publishes, NothingNewerWhileWitnessesAreMissingAndTheNewestOnceTheyAreBack) {
  WitnessHouse one({verifier()}, "witness.example/1");
  WitnessHouse two({verifier()}, "witness.example/2");
  Publication publication = outside_only();
  publication.witnesses = witnesses({&one, &two}, "all");
  Publisher publisher(std::move(publication), note(1), quick(), sinks());
  ASSERT_TRUE(eventually([&] { return size_of(told_.last()) == 1; }));
  two.stop();
  publisher.offer(note(2), {});
  ASSERT_TRUE(eventually([&] { return publisher.state() == Publishing::witnesses_missing; }));
  publisher.offer(note(9), {});
  ASSERT_TRUE(eventually([&] { return outside() == note(9); })) << "a rollback is noticed all the same";
  EXPECT_EQ(size_of(told_.last()), 1U);
  two.start();
  ASSERT_TRUE(eventually([&] { return size_of(told_.last()) == 9; }));
  EXPECT_TRUE(eventually([&] { return publisher.state() == Publishing::going_on; }));
  EXPECT_EQ(cosigners(policy({&one, &two}, "all"), told_.last()).size(), 2U);
}

TEST_F(Publishes, ForgedOrMissingLinesDoNotCount) {
  for (const Conduct conduct : {Conduct::forging, Conduct::signing_less, Conduct::failing}) {
    WitnessHouse one({verifier()});
    one.behave(conduct);
    std::filesystem::remove(path_);
    Publication publication = outside_only();
    publication.witnesses = witnesses({&one}, "all");
    Publisher publisher(std::move(publication), note(1), quick(), sinks());
    ASSERT_TRUE(eventually([&] { return publisher.state() == Publishing::witnesses_missing; }));
    EXPECT_EQ(told_.count(), 0U);
    EXPECT_FALSE(told_.stop());
  }
}

TEST_F(Publishes, TheHeartbeatIsCosignedAnewWithALaterTime) {
  WitnessHouse one({verifier()});
  const UnixMillis before = clock_.now() - std::chrono::hours(1);
  one.set_now(before);
  Publication publication = outside_only();
  publication.witnesses = witnesses({&one}, "all");
  PublisherTimes times = quick();
  times.heartbeat = 100ms;
  Publisher publisher(std::move(publication), note(1), times, sinks());
  ASSERT_TRUE(eventually([&] { return told_.count() >= 1; }));
  const auto by = policy({&one}, "all");
  EXPECT_EQ(cosigners(by, told_.last()).front().time, audit::to_seconds(before));
  one.set_now(before + std::chrono::minutes(1));
  ASSERT_TRUE(eventually(
      [&] { return cosigners(by, told_.last()).front().time == audit::to_seconds(before + std::chrono::minutes(1)); }));
  EXPECT_EQ(size_of(told_.last()), 1U);
}

TEST_F(Publishes, P10AWitnessThatKnowsMoreOrOtherStopsIt) {
  for (const Conduct conduct : {Conduct::ahead, Conduct::saw_another}) {
    WitnessHouse one({verifier()});
    one.claim_size({701});
    one.behave(conduct);
    std::filesystem::remove(path_);
    Publication publication = outside_only();
    publication.witnesses = witnesses({&one}, "all");
    Publisher publisher(std::move(publication), note(1), quick(), sinks());
    ASSERT_TRUE(eventually([&] { return told_.stop().has_value(); }));
    EXPECT_EQ(told_.stop()->first, PublisherStop::rolled_back);
    EXPECT_NE(told_.stop()->second.find("temoin-1"), std::string::npos) << "by the name the policy gives it";
    told_.stopped.clear();
  }
  EXPECT_EQ(told_.count(), 0U);
}

TEST_F(Publishes, P7InTheNextShardUnderThePolicyThatNamesTheOneBefore) {
  audit::VerifierKey next = verifier();
  next.name = next.name.substr(0, next.name.rfind('/')) + "/2027-1";
  const auto note_of_next = [&](std::uint64_t size) {
    return audit::sign_checkpoint({next.name, {size}, audit::root_at({size}, tree_.source()).value()}, key_);
  };
  WitnessHouse one({verifier(), next});
  Publication publication{OutsideFile::create(path_, note_of_next(1)).value()};
  publication.witnesses = witnesses({&one}, "all");
  Publisher publisher(std::move(publication), note_of_next(1), quick(), sinks());
  publisher.offer(note_of_next(9), {});
  const std::string text = next.name + "\n9\n";
  EXPECT_TRUE(eventually([&] { return told_.count() > 0 && told_.last().compare(0, text.size(), text) == 0; }))
      << "the key is that of every shard";
}

TEST_F(Publishes, P10AReceiptsCheckpointThatSomebodyHadCosignedFirstIsNoRollback) {
  for (const bool committed : {true, false}) {
    WitnessHouse one({verifier()});
    one.claim_size({20});
    one.behave(Conduct::ahead);
    const auto asked = witnesses({&one}, "all");
    asked->committed({committed ? 20U : 19U});
    asked->ask(note(9), {9}, false);
    ASSERT_TRUE(eventually([&] { return asked->round().settled; }));
    EXPECT_EQ(asked->round().alarm.has_value(), !committed) << "what is not in the tree was lost from it";
  }
}

TEST_F(Publishes, P10TheWitnessesAreComparedWithBeforeAnythingIsServed) {
  WitnessHouse one({verifier()}, "witness.example/1");
  WitnessHouse two({verifier()}, "witness.example/2");
  const auto compare = [&](std::uint64_t outside, std::uint64_t own) {
    return witnesses({&one, &two}, "any")->compare(note(outside), {own}, {});
  };
  EXPECT_FALSE(compare(5, 9)) << "they have seen nothing";
  {
    Publication publication = outside_only();
    publication.witnesses = witnesses({&one, &two}, "all");
    Publisher publisher(std::move(publication), note(1), quick(), sinks());
    publisher.offer(note(9), {});
    ASSERT_TRUE(eventually([&] { return size_of(told_.last()) == 9; }));
  }
  EXPECT_FALSE(compare(9, 9));
  EXPECT_FALSE(compare(5, 12)) << "a crash between two commits";
  EXPECT_FALSE(compare(12, 12));
  one.stop();
  const auto alarm = compare(5, 8);
  ASSERT_TRUE(alarm) << "one of them is enough";
  EXPECT_EQ(alarm->name, "temoin-2");
  EXPECT_EQ(alarm->what, audit::WitnessAlarm::rolled_back);
  two.stop();
  EXPECT_FALSE(compare(5, 8)) << "nobody there: checked at the first answer";
}

TEST_F(Publishes, P7ALostTileIsMadeAnewWhileItRunsAndAnAlteredOneStopsIt) {
  Publication publication = outside_only(700);
  publication.tiles = tiles();
  PublisherTimes times = quick();
  times.heartbeat = 20ms;
  times.tiles_round = 40ms;
  Publisher publisher(std::move(publication), note(700), times, sinks());
  ASSERT_TRUE(eventually([&] { return size_of(told_.last()) == 700; }));
  const auto lost = tiles_ / "tile/0/001";
  const Bytes bytes = read_file(lost, audit::tile_bytes_max).value();
  std::filesystem::remove(lost);
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(lost); }));
  EXPECT_EQ(read_file(lost, audit::tile_bytes_max).value(), bytes);
  Bytes other = bytes;
  other.front() ^= 1;
  ASSERT_TRUE(write_file_durably(lost, other, FileMode::world_readable));
  ASSERT_TRUE(eventually([&] { return told_.stop().has_value(); }));
  EXPECT_EQ(told_.stop()->first, PublisherStop::tiles_differ);
}

TEST_F(Publishes, P7TheTilesOfAClosedShardAreCompletedBesideWhatIsPublished) {
  const audit::VerifierKey closed{std::string(origin).substr(0, std::string(origin).size() - 1) + "0",
                                  audit::KeyType::ed25519, key_.public_key()};
  const std::string closing =
      audit::sign_checkpoint({closed.name, {700}, audit::root_at({700}, tree_.source()).value()}, key_);
  const auto folder = folder_.path() / "closed";
  const auto open_closed = [&] {
    return TileFolder::open({folder, closed, {}}, {700},
                            {[](LeafIndex first, std::size_t count) -> Result<std::vector<std::string>> {
                               return leaves(first.value, first.value + count).leaves;
                             },
                             tree_.source()})
        .value();
  };
  const std::string short_of_it =
      audit::sign_checkpoint({closed.name, {300}, audit::root_at({300}, tree_.source()).value()}, key_);
  {
    TileFolder begun = open_closed();
    ASSERT_TRUE(begun.grow({300}, {}));
    ASSERT_TRUE(begun.publish(short_of_it));
  }
  const auto served = [&] { return std::string(as_text(read_file(folder / "checkpoint", 4096).value())); };
  Publication publication = outside_only();
  publication.tiles = tiles();
  publication.closed_tiles.push_back({open_closed(), {700}, closing});
  Publisher publisher(std::move(publication), note(1), quick(), sinks());
  EXPECT_TRUE(eventually([&] { return served() == closing; }));
  const auto whole = audit::CheckedTiles::open(
      {700}, audit::root_at({700}, tree_.source()).value(),
      [&](const audit::TileId& id) { return read_file(folder / audit::to_path(id), audit::tile_bytes_max); });
  EXPECT_TRUE(whole);
  EXPECT_TRUE(std::filesystem::exists(folder / "tile/entries/002.p/188"));
  EXPECT_TRUE(eventually([&] { return size_of(told_.last()) == 1; })) << "and nobody waited";
}

TEST_F(Publishes, WhatIsNewThoughTheTilesOfAClosedShardCannotBeCompleted) {
  const audit::VerifierKey closed{std::string(origin).substr(0, std::string(origin).size() - 1) + "0",
                                  audit::KeyType::ed25519, key_.public_key()};
  const std::string closing =
      audit::sign_checkpoint({closed.name, {700}, audit::root_at({700}, tree_.source()).value()}, key_);
  const auto folder = folder_.path() / "closed";
  std::atomic<int> tries{0};
  auto unfinished = TileFolder::open({folder, closed, {}}, {700},
                                     {[&](LeafIndex first, std::size_t count) -> Result<std::vector<std::string>> {
                                        ++tries;
                                        return leaves(first.value, first.value + count).leaves;
                                      },
                                      tree_.source()})
                        .value();
  const auto in_the_way = folder / "tile/entries/002.p/188";
  std::filesystem::create_directories(in_the_way);
  Publication publication = outside_only();
  publication.tiles = tiles();
  publication.closed_tiles.push_back({std::move(unfinished), {700}, closing});
  Publisher publisher(std::move(publication), note(1), quick(), sinks());
  ASSERT_TRUE(eventually([&] { return size_of(told_.last()) == 1 && tries >= 3; }));
  EXPECT_EQ(publisher.state(), Publishing::going_on);
  publisher.offer(note(2), leaves(1, 2));
  EXPECT_TRUE(eventually([&] { return size_of(told_.last()) == 2; }));
  std::filesystem::remove(in_the_way);
  EXPECT_TRUE(eventually([&] {
    const auto served = read_file(folder / "checkpoint", 4096);
    return served && as_text(*served) == closing;
  }));
}

TEST_F(Publishes, P10AWitnessIsAskedWhetherItKnowsALaterShard) {
  const std::string log = std::string(origin).substr(0, std::string(origin).rfind('/'));
  const auto empty_of = [&](const std::string& shard) {
    return audit::sign_checkpoint({log + "/" + shard, {}, audit::empty_root()}, key_);
  };
  const std::vector<std::string> later = {empty_of("2026-2"), empty_of("2027-1")};
  WitnessHouse one(WitnessHouse::every_shard(log, key_.public_key()), "witness.example/1");
  WitnessHouse of_this_one({verifier()}, "witness.example/2");
  const auto compare = [&] { return witnesses({&one, &of_this_one}, "any")->compare(note(5), {9}, later); };
  EXPECT_FALSE(compare()) << "they have seen nothing, or do not know those origins";
  EXPECT_FALSE(one.checkpoint(log + "/2026-2")) << "no place is taken by what nobody has opened";
  EXPECT_EQ(of_this_one.asked(), 3U);
  {
    const auto asked = witnesses({&one}, "all");
    const std::string first = audit::sign_checkpoint({log + "/2027-1", {1}, audit::leaf_hash(as_bytes("a"))}, key_);
    asked->ask(first, {1}, false);
    ASSERT_TRUE(eventually([&] { return asked->round().quorum; }));
  }
  const auto alarm = compare();
  ASSERT_TRUE(alarm);
  EXPECT_EQ(alarm->later, log + "/2027-1");
  EXPECT_EQ(alarm->what, audit::WitnessAlarm::rolled_back);
  EXPECT_NE(to_text(*alarm).find(log + "/2027-1"), std::string::npos);
  EXPECT_EQ(one.evidence_kept(), 0U) << "an empty tree contradicts nothing";
  // Nobody there: then the first answer says so, and what it says counts before its cosignature.
  one.stop();
  const auto asked = witnesses({&one}, "all");
  EXPECT_FALSE(asked->compare(note(5), {9}, later));
  one.start();
  ASSERT_TRUE(eventually([&] {
    asked->ask(note(9), {9}, false);
    return asked->round().alarm.has_value();
  }));
  EXPECT_EQ(asked->round().alarm->later, log + "/2027-1");
}

TEST_F(Publishes, WhatIsPublishedIsKeptForTheNextStartWhereNoTilesKeepIt) {
  WitnessHouse one({verifier()});
  Publication publication = outside_only();
  publication.witnesses = witnesses({&one}, "all");
  publication.note_file = folder_.path() / "published.note";
  Publisher publisher(std::move(publication), note(1), quick(), sinks());
  ASSERT_TRUE(eventually([&] { return told_.count() == 1; }));
  publisher.finish();
  EXPECT_EQ(as_text(read_file(folder_.path() / "published.note", 4096).value()), told_.last());
}

TEST_F(Publishes, TheEndWaitsOnlyAMomentForAWitness) {
  WitnessHouse one({verifier()});
  Publication publication = outside_only();
  publication.witnesses = witnesses({&one}, "all");
  PublisherTimes times;
  times.end = 100ms;
  const auto start = std::chrono::steady_clock::now();
  {
    Publisher publisher(std::move(publication), note(1), times, sinks());
    ASSERT_TRUE(eventually([&] { return size_of(told_.last()) == 1; }));
    one.behave(Conduct::silent);
    publisher.offer(note(2), {});
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, WitnessLineTimes().answer);
  EXPECT_EQ(outside(), note(2));
  one.behave(Conduct::honest);
}

}  // namespace
}  // namespace pli::broker
