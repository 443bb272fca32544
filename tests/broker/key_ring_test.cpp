#include "broker/key_ring.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/file.hpp"
#include "broker/log.hpp"
#include "protocol/limits.hpp"
#include "tests/support/broker_house.hpp"

namespace pli::broker {
namespace {

using namespace std::chrono_literals;
using testing::make_test_keys;
using testing::monday_morning;
using testing::test_startup_secret;

constexpr auto day = std::chrono::hours(24);

class KeyRingTest : public ::testing::Test {
 protected:
  KeyRingTest() {
    crypto::initialise();
    paths = make_test_keys(folder.path(), monday_morning);
  }
  std::unique_ptr<KeyRing> open(UnixMillis now = monday_morning) {
    auto ring = KeyRing::open(paths, test_startup_secret(), now);
    EXPECT_TRUE(ring.has_value()) << (ring ? "" : ring.error().detail);
    return ring ? *std::move(ring) : nullptr;
  }
  static Bytes key_of(ByteView key) { return to_bytes(key); }
  testing::TemporaryFolder folder;
  KeyPaths paths;
};

TEST_F(KeyRingTest, OpensWithItsStartUpSecretAlone) {
  crypto::SecretKey wrong = test_startup_secret();
  wrong.expose_for_writing()[0] ^= 1;
  EXPECT_EQ(KeyRing::open(paths, std::move(wrong), monday_morning).error().code, Errc::authentication_failed);
  auto ring = open();
  EXPECT_EQ(ring->curve_secret().size(), 32U);
}

TEST_F(KeyRingTest, IsMadeOnce) {
  EXPECT_EQ(KeyRing::create(paths, test_startup_secret(), monday_morning).error().code, Errc::conflict);
}

TEST_F(KeyRingTest, NoKeyOfItStandsInClearOnDisk) {
  auto ring = open();
  const auto lease = ring->current_lease(monday_morning);
  const auto record = ring->current_record_key(monday_morning);
  ASSERT_TRUE(lease && record);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
    if (!entry.is_regular_file()) continue;
    const Bytes bytes = read_file(entry.path(), 1 << 20).value();
    for (const ByteView key : {lease->key, record->key, ring->curve_secret().expose()})
      EXPECT_EQ(std::search(bytes.begin(), bytes.end(), key.begin(), key.end()), bytes.end()) << entry.path();
    EXPECT_EQ(std::filesystem::status(entry.path()).permissions() & std::filesystem::perms::mask,
              std::filesystem::perms(0600));
  }
}

TEST_F(KeyRingTest, LosingOneCopyOfTheLeasesLosesNothing) {
  const Bytes key = key_of(open()->current_lease(monday_morning)->key);
  for (const auto& lost : {paths.leases, paths.leases_copy}) {
    std::filesystem::remove(lost);
    EXPECT_EQ(key_of(open()->current_lease(monday_morning)->key), key);
    EXPECT_TRUE(std::filesystem::exists(lost));  // mended
  }
  ASSERT_TRUE(write_file_durably(paths.leases, as_bytes("pli-key/1 leases\nAAAA\n"), FileMode::owner_only));
  EXPECT_EQ(key_of(open()->current_lease(monday_morning)->key), key);
  std::filesystem::remove(paths.leases);
  std::filesystem::remove(paths.leases_copy);
  EXPECT_EQ(KeyRing::open(paths, test_startup_secret(), monday_morning).error().code, Errc::not_found);
}

TEST_F(KeyRingTest, ReadingMendsNothingAndMakesNothing) {
  const Bytes key = key_of(open()->current_lease(monday_morning)->key);
  std::filesystem::remove(paths.leases_copy);
  std::filesystem::remove(paths.folder / "release-202601.key");
  const auto ring = KeyRing::read(paths, test_startup_secret());
  ASSERT_TRUE(ring.has_value());
  EXPECT_EQ(key_of(*(*ring)->lease(1)), key);
  EXPECT_FALSE(std::filesystem::exists(paths.leases_copy));
  EXPECT_FALSE(std::filesystem::exists(paths.folder / "release-202601.key"));
  ASSERT_TRUE((*ring)->prepare(monday_morning));
  EXPECT_TRUE(std::filesystem::exists(paths.leases_copy));
  EXPECT_TRUE(std::filesystem::exists(paths.folder / "release-202601.key"));
}

TEST_F(KeyRingTest, APipeInAFilesPlaceIsRefusedAndNotWaitedFor) {
  for (const auto& path : {paths.leases, paths.leases_copy}) {
    const auto good = read_file(path, 1 << 20).value();
    std::filesystem::remove(path);
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    EXPECT_NE(open(), nullptr) << "the other copy serves, and mends this one";
    EXPECT_TRUE(std::filesystem::is_regular_file(path));
    EXPECT_EQ(read_file(path, 1 << 20).value().size(), good.size());
  }
  std::filesystem::remove(paths.folder / "log.key");
  ASSERT_EQ(::mkfifo((paths.folder / "log.key").c_str(), 0600), 0);
  EXPECT_EQ(KeyRing::read(paths, test_startup_secret()).error().code, Errc::corruption);
}

TEST_F(KeyRingTest, AReleaseKeyThatIsNoneOfOursIsNamedAndNothingIsMadeInItsPlace) {
  const auto stray = paths.folder / "release-202512.key";
  for (const Bytes& bytes : {Bytes(), Bytes(100, 'x'), read_file(paths.folder / "release-202601.key", 4096).value()}) {
    ASSERT_TRUE(write_file_durably(stray, bytes, FileMode::owner_only));
    const auto refused = KeyRing::open(paths, test_startup_secret(), monday_morning);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, Errc::conflict);
    EXPECT_NE(refused.error().detail.find("release-202512.key"), std::string::npos);
    EXPECT_EQ(read_file(stray, 4096).value(), bytes);
  }
  std::filesystem::remove(stray);
  // Whatever is named otherwise is nobody's business here.
  ASSERT_TRUE(write_file_durably(paths.folder / "release-old.key", Bytes(100, 'x'), FileMode::owner_only));
  EXPECT_NE(open(), nullptr);
}

TEST_F(KeyRingTest, ALostReleaseKeyAndAReplacedLeaseCopyAreNamedInTheLog) {
  {
    auto ring = open();
    ASSERT_TRUE(ring->current_record_key(monday_morning).has_value());
  }
  const std::filesystem::path log_folder = folder.path() / "log";
  std::filesystem::create_directory(log_folder);
  const auto logged = [&] {
    const auto bytes = read_file(log_folder / "pli-broker.log", 1 << 20);
    return bytes ? std::string(as_text(*bytes)) : std::string();
  };
  ASSERT_TRUE(broker::open_log({log_folder, false}).has_value());
  EXPECT_NE(open(), nullptr);
  std::filesystem::remove(paths.folder / "release-202601.key");
  ASSERT_TRUE(write_file_durably(paths.leases_copy, Bytes(100, 'x'), FileMode::owner_only));
  EXPECT_NE(open(), nullptr);
  std::filesystem::remove(paths.leases);
  EXPECT_NE(open(), nullptr);
  // A month that begins has its key made without a word.
  EXPECT_NE(open(monday_morning + 35 * day), nullptr);
  broker::close_log();
  const std::string log = logged();
  EXPECT_NE(log.find((paths.folder / "release-202601.key").native()), std::string::npos) << log;
  EXPECT_EQ(log.find("release-202602.key"), std::string::npos) << log;
  EXPECT_NE(log.find(paths.leases_copy.native() + "\",\"was\":\"damaged\""), std::string::npos) << log;
  EXPECT_NE(log.find(paths.leases.native() + "\",\"was\":\"missing\""), std::string::npos) << log;
}

TEST_F(KeyRingTest, P9NamesSoManyErasuresAndIsReadBackAndNotOneMore) {
  std::vector<Digest> many(broker::erasures_named_max);
  for (std::size_t i = 0; i < many.size(); ++i)
    for (std::size_t byte = 0; byte < 4; ++byte) many[i][byte] = static_cast<std::uint8_t>(i >> (8 * byte));
  {
    auto ring = open();
    EXPECT_EQ(ring->erasure_room(), many.size());
    many.emplace_back();
    EXPECT_EQ(ring->record_erased(many, monday_morning).error().code, Errc::over_limit);
    EXPECT_TRUE(ring->erased().empty());
    many.pop_back();
    ASSERT_TRUE(ring->record_erased(many, monday_morning).has_value());
    EXPECT_EQ(ring->erasure_room(), 0U);
    EXPECT_EQ(ring->record_erased({Digest{}}, monday_morning).error().code, Errc::over_limit);
  }
  for (const auto& lost : {paths.leases, paths.leases_copy}) {
    std::filesystem::remove(lost);
    const auto ring = open();
    ASSERT_EQ(ring->erased().size(), many.size()) << "from one copy";
    EXPECT_EQ(ring->erased().back().exchange, many.back());
  }
}

TEST_F(KeyRingTest, TheNewerCopyWins) {
  const Bytes older = read_file(paths.leases, 1 << 20).value();
  Bytes newest;
  {
    auto ring = open();
    newest = key_of(ring->current_lease(monday_morning + 8 * day)->key);
  }
  // A crash between the two copies.
  ASSERT_TRUE(write_file_durably(paths.leases_copy, older, FileMode::owner_only));
  EXPECT_EQ(key_of(open()->current_lease(monday_morning + 8 * day)->key), newest);
  ASSERT_TRUE(write_file_durably(paths.leases, older, FileMode::owner_only));
  EXPECT_EQ(key_of(open()->current_lease(monday_morning + 8 * day)->key), newest);
}

TEST_F(KeyRingTest, TwoCopiesOfOneGenerationThatDifferAreRefusedAndLeftAsTheyAre) {
  const broker::KeyPaths other{paths.folder, paths.folder / "other", paths.folder / "other-copy"};
  std::filesystem::remove(paths.folder / "release-202601.key");
  ASSERT_TRUE(broker::KeyRing::create(other, testing::test_startup_secret(), monday_morning).has_value());
  std::filesystem::copy_file(other.leases, paths.leases_copy, std::filesystem::copy_options::overwrite_existing);
  const Bytes before = read_file(paths.leases, 1 << 20).value();
  const auto ring = broker::KeyRing::open(paths, testing::test_startup_secret(), monday_morning);
  ASSERT_FALSE(ring.has_value());
  EXPECT_EQ(ring.error().code, Errc::corruption);
  EXPECT_EQ(read_file(paths.leases, 1 << 20).value(), before);
}

TEST_F(KeyRingTest, ALeaseLastsAWeekAndANewOneIsOnBothCopiesBeforeItIsUsed) {
  auto ring = open();
  const auto first = ring->current_lease(monday_morning).value();
  EXPECT_EQ(ring->current_lease(monday_morning + 7 * day - 1ms)->id, first.id);
  const auto second = ring->current_lease(monday_morning + 7 * day).value();
  EXPECT_EQ(second.id, first.id + 1);
  EXPECT_NE(key_of(second.key), key_of(first.key));
  for (const auto& gone : {paths.leases, paths.leases_copy}) {
    const Bytes kept = read_file(gone, 1 << 20).value();
    std::filesystem::remove(gone);
    EXPECT_EQ(key_of(*open(monday_morning + 7 * day)->lease(second.id)), key_of(second.key));
  }
}

TEST_F(KeyRingTest, AKeyThatCannotBeWrittenTwiceIsNotUsed) {
  auto ring = open();
  const std::uint32_t first = ring->current_lease(monday_morning)->id;
  paths.leases_copy = folder.path() / "nowhere" / "leases";
  std::filesystem::remove_all(folder.path() / "leases-copy");
  std::filesystem::create_directory(folder.path() / "leases-copy");  // cannot be replaced by a file
  EXPECT_FALSE(ring->current_lease(monday_morning + 8 * day).has_value());
  EXPECT_FALSE(ring->lease(first + 1).has_value());
}

TEST_F(KeyRingTest, LeasesAreDestroyedFiveWeeksAfterTheyWereMadeUnlessStillUsed) {
  auto ring = open();
  const std::uint32_t first = ring->current_lease(monday_morning)->id;
  const std::uint32_t newest = ring->current_lease(monday_morning + 35 * day)->id;
  ASSERT_TRUE(ring->retire(monday_morning + 35 * day - 1ms, newest));
  EXPECT_TRUE(ring->lease(first).has_value());
  ASSERT_TRUE(ring->retire(monday_morning + 35 * day, first));
  EXPECT_TRUE(ring->lease(first).has_value());
  ASSERT_TRUE(ring->retire(monday_morning + 35 * day, newest));
  EXPECT_FALSE(ring->lease(first).has_value());
  EXPECT_TRUE(ring->lease(newest).has_value());
  EXPECT_FALSE(open(monday_morning + 35 * day)->lease(first).has_value());
}

TEST_F(KeyRingTest, EachMonthHasAReleasePairThatGoesFiveWeeksAfterItsEnd) {
  auto ring = open();
  const auto january = ring->current_release(monday_morning).value();
  EXPECT_EQ(january.epoch, 202601U);
  const UnixMillis february{1'769'904'000'000};  // 1 February 2026, 00:00 UTC
  EXPECT_EQ(ring->current_release(february - 1ms)->epoch, 202601U);
  EXPECT_EQ(ring->newest_release_ends_at(), february + 35 * day);
  EXPECT_EQ(ring->current_release(february)->epoch, 202602U);
  EXPECT_EQ(ring->newest_release_ends_at(), february + (28 + 35) * day);
  const crypto::BoxPair session = crypto::BoxPair::generate();
  const auto shared = ring->release_shared(202601, session.public_key());
  ASSERT_TRUE(shared.has_value());
  EXPECT_TRUE(equal(shared->expose(), session.shared_with(january.public_key)->expose()));
  ASSERT_TRUE(ring->retire(february + 35 * day - 1ms, 0));
  EXPECT_TRUE(ring->release_public(202601).has_value());
  ASSERT_TRUE(ring->retire(february + 35 * day, 0));
  EXPECT_EQ(ring->release_shared(202601, session.public_key()).error().code, Errc::not_found);
  EXPECT_FALSE(std::filesystem::exists(paths.folder / "release-202601.key"));
  EXPECT_FALSE(open(february + 35 * day)->release_public(202601).has_value());
  EXPECT_TRUE(open(february + 35 * day)->release_public(202602).has_value());
}

TEST_F(KeyRingTest, ADestroyedMonthsNumberIsNeverMadeAgainWithAnotherKey) {
  const UnixMillis year_2099{4'070'908'800'000};
  {
    auto ring = open();
    EXPECT_EQ(ring->current_release(monday_morning)->epoch, 202601U);
    ASSERT_TRUE(ring->retire(year_2099, 0));  // the operator accepted a wrong clock
    EXPECT_FALSE(ring->release_public(202601).has_value());
    EXPECT_EQ(ring->current_release(monday_morning)->epoch, 202602U);
  }
  auto ring = open();
  const crypto::BoxPair session = crypto::BoxPair::generate();
  EXPECT_EQ(ring->release_shared(202601, session.public_key()).error().code, Errc::not_found);
  EXPECT_EQ(ring->current_release(monday_morning)->epoch, 202602U);
  EXPECT_FALSE(std::filesystem::exists(paths.folder / "release-202601.key"));
}

TEST_F(KeyRingTest, ACrashWhileAReleaseKeyIsDestroyedDestroysIt) {
  { (void)open(); }
  // The mark is durable, the key still there.
  ASSERT_TRUE(write_file_durably(paths.folder / "release-202601.gone", {}, FileMode::owner_only));
  auto ring = open();
  EXPECT_FALSE(ring->release_public(202601).has_value());
  EXPECT_FALSE(std::filesystem::exists(paths.folder / "release-202601.key"));
  EXPECT_EQ(ring->current_release(monday_morning)->epoch, 202602U);
}

TEST_F(KeyRingTest, AMonthUsedUpInDecemberIsFollowedByJanuary) {
  const UnixMillis december{1'797'000'000'000};
  ASSERT_TRUE(write_file_durably(paths.folder / "release-202612.gone", {}, FileMode::owner_only));
  EXPECT_EQ(open(december)->current_release(december)->epoch, 202701U);
}

TEST_F(KeyRingTest, ALeaseOfTheFutureIsReplaced) {
  const UnixMillis year_2099{4'070'908'800'000};
  auto ring = open();
  const std::uint32_t ahead = ring->current_lease(year_2099)->id;
  EXPECT_EQ(ring->newest_lease_made_at(), year_2099);
  const auto mended = ring->current_lease(monday_morning).value();
  EXPECT_EQ(mended.id, ahead + 1);
  EXPECT_EQ(ring->newest_lease_made_at(), monday_morning);
  EXPECT_EQ(ring->current_lease(monday_morning + day)->id, mended.id);
  EXPECT_EQ(ring->current_lease(monday_morning + 7 * day)->id, mended.id + 1);
  // It goes with its time as any other: five weeks after it was replaced.
  ASSERT_TRUE(ring->retire(monday_morning + 35 * day - 1ms, mended.id + 1));
  EXPECT_TRUE(ring->lease(ahead).has_value());
  ASSERT_TRUE(ring->retire(monday_morning + 35 * day, mended.id + 1));
  EXPECT_FALSE(ring->lease(ahead).has_value());
}

TEST_F(KeyRingTest, ALeaseALittleAheadIsTheSameClock) {
  auto ring = open();
  const std::uint32_t id = ring->current_lease(monday_morning)->id;
  EXPECT_EQ(ring->current_lease(monday_morning - protocol::clock_back_max)->id, id);
  EXPECT_EQ(ring->current_lease(monday_morning - protocol::clock_back_max - 1ms)->id, id + 1);
}

TEST_F(KeyRingTest, EachMonthHasARecordKeyThatSurvives) {
  Bytes january;
  {
    auto ring = open();
    january = key_of(ring->current_record_key(monday_morning)->key);
    EXPECT_EQ(ring->current_record_key(monday_morning + 40 * day)->month, 202602U);
  }
  auto ring = open(monday_morning + 40 * day);
  EXPECT_EQ(key_of(*ring->record_key(202601)), january);
  EXPECT_TRUE(ring->record_key(202602).has_value());
  EXPECT_FALSE(ring->record_key(202603).has_value());
}

TEST(LeaseFile, RoundTripsAndRefusesWhatIsNotOne) {
  crypto::initialise();
  LeaseFile file;
  file.generation = 9;
  file.leases.push_back({3, {1000}, crypto::SecretKey::random(32)});
  file.leases.push_back({4, {2000}, crypto::SecretKey::random(32)});
  file.record_keys.push_back({202601, crypto::SecretKey::random(32)});
  file.erased.push_back({Digest{7}, {1500}});
  const crypto::SecretKey encoded = encode(file);
  const auto decoded = decode_lease_file(encoded.expose());
  ASSERT_TRUE(decoded.has_value());
  EXPECT_TRUE(equal(encode(*decoded).expose(), encoded.expose()));
  EXPECT_EQ(decoded->leases[1].id, 4U);
  EXPECT_EQ(decoded->erased[0].at.value, 1500);
  for (std::size_t size = 0; size < encoded.size(); ++size)
    EXPECT_FALSE(decode_lease_file(encoded.expose().first(size)).has_value()) << size;
  Bytes longer = to_bytes(encoded.expose());
  longer.push_back(0);
  EXPECT_FALSE(decode_lease_file(longer).has_value());
}

TEST(Months, AreTheCalendars) {
  EXPECT_EQ(month_of({0}), 197001U);
  EXPECT_EQ(month_of({951'782'400'000}), 200002U);  // 29 February 2000
  EXPECT_EQ(month_of({951'868'799'999}), 200002U);
  EXPECT_EQ(month_of({951'868'800'000}), 200003U);
  EXPECT_EQ(month_of({1'767'225'599'999}), 202512U);
  EXPECT_EQ(month_of({1'767'225'600'000}), 202601U);
  EXPECT_EQ(month_of({4'107'542'400'000}), 210003U);  // 2100 has no 29 February
  EXPECT_EQ(month_of({-1}), 196912U);
}

TEST(StartUpSecret, IsExactlyThirtyTwoBytes) {
  crypto::initialise();
  const auto read_through = [](std::size_t size) {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const Bytes bytes(size, 9);
    EXPECT_EQ(::write(ends[1], bytes.data(), bytes.size()), static_cast<ssize_t>(size));
    ::close(ends[1]);
    return read_startup_secret(ends[0]);
  };
  EXPECT_TRUE(equal(read_through(32).value().expose(), Bytes(32, 9)));
  for (const std::size_t size : {0U, 31U, 33U, 64U})
    EXPECT_EQ(read_through(size).error().code, Errc::invalid_input) << size;
  EXPECT_EQ(read_startup_secret(-1).error().code, Errc::io_error);
}

}  // namespace
}  // namespace pli::broker
