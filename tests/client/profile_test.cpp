#include "client/profile.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "base/file.hpp"
#include "client/store_formats.hpp"
#include "tests/client/sitting.hpp"
#include "tests/support/old_state.hpp"
#include "tests/support/store_surgery.hpp"

namespace pli::testing {
namespace {

class ProfileTest : public ::testing::Test {
 protected:
  ProfileTest() { people_it(world_); }
  client::Profile open() {
    auto profile = client::Profile::open(folder_.path() / "profil");
    EXPECT_TRUE(profile.has_value());
    return std::move(*profile);
  }
  SmallWorld world_;
  ScratchFolder folder_;
};

TEST_F(ProfileTest, IsItsOwnersAlone) {
  auto profile = open();
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(profile.folder()).permissions() & (perms::group_all | perms::others_all),
            perms::none);
}

TEST_F(ProfileTest, ItsDatabaseIsItsOwnersAloneWhateverTheUmask) {
  const mode_t before = ::umask(0);
  auto profile = open();
  static_cast<void>(client::raise_alarm(profile, {protocol::LocalCode::log_forked, "invented"}));
  ::umask(before);
  using std::filesystem::perms;
  for (const char* name : {"state.db", "state.db-wal", "state.db-shm"}) {
    const auto mode = std::filesystem::status(profile.folder() / name).permissions();
    EXPECT_EQ(mode & (perms::group_all | perms::others_all), perms::none) << name;
  }
}

TEST_F(ProfileTest, ClosesAFolderThatWasOpenToOthers) {
  const auto folder = folder_.path() / "profil";
  using std::filesystem::perms;
  for (const auto& part : {folder, folder / "receipts"}) {
    std::filesystem::create_directory(part);
    std::filesystem::permissions(part, perms::owner_all | perms::group_read | perms::others_exec);
  }
  auto profile = open();
  for (const auto& part : {folder, folder / "receipts"})
    EXPECT_EQ(std::filesystem::status(part).permissions(), perms::owner_all) << part;
}

TEST_F(ProfileTest, UnlocksWithItsPassphraseOnly) {
  auto profile = open();
  const auto identity = crypto::Identity::generate();
  ASSERT_TRUE(profile.write_identity(identity, passphrase(), 2).has_value());
  auto keys = profile.unlock(passphrase());
  ASSERT_TRUE(keys.has_value());
  EXPECT_EQ(keys->current.public_identity(), identity.public_identity());
  EXPECT_FAILS_WITH(profile.unlock(crypto::SecretKey::copy_of(as_bytes("autre"))), LocalCode::wrong_passphrase);
}

TEST_F(ProfileTest, NeverOverwritesAnIdentity) {
  auto profile = open();
  ASSERT_TRUE(profile.write_identity(crypto::Identity::generate(), passphrase(), 2).has_value());
  EXPECT_FAILS_WITH(profile.write_identity(crypto::Identity::generate(), passphrase(), 2), LocalCode::usage);
}

TEST_F(ProfileTest, KeepsTheIdentitiesItReplaced) {
  auto profile = open();
  const auto first = crypto::Identity::generate();
  const auto second = crypto::Identity::generate();
  ASSERT_TRUE(profile.write_identity(first, passphrase(), 2).has_value());
  ASSERT_TRUE(profile.replace_identity(second, passphrase(), 2).has_value());
  ASSERT_TRUE(profile.replace_identity(crypto::Identity::generate(), passphrase(), 2).has_value());
  auto keys = profile.unlock(passphrase());
  ASSERT_TRUE(keys.has_value());
  ASSERT_EQ(keys->former.size(), 2U);
  EXPECT_EQ(keys->former[0].public_identity(), first.public_identity());
  EXPECT_EQ(keys->former[1].public_identity(), second.public_identity());
}

TEST_F(ProfileTest, WithoutIdentityOrInvitationItSaysSo) {
  auto profile = open();
  EXPECT_FALSE(profile.has_identity());
  EXPECT_FAILS_WITH(profile.unlock(passphrase()), LocalCode::usage);
  EXPECT_FAILS_WITH(profile.invitation(), LocalCode::no_invitation);
  EXPECT_FAILS_WITH(profile.accept_invitation("pli-invitation/1\n"), LocalCode::no_invitation);
}

TEST_F(ProfileTest, BelongsToOneContractAndLog) {
  auto profile = open();
  const protocol::Invitation invitation = world_.invitation("ged.un");
  ASSERT_TRUE(profile.accept_invitation(protocol::to_text(invitation)).has_value());
  protocol::Invitation other = invitation;
  other.endpoint = "tcp://ailleurs.exemple.fr:7789";
  EXPECT_TRUE(profile.accept_invitation(protocol::to_text(other)).has_value()) << "a broker may move";
  other.log_key = crypto::SigningKey::generate().public_key();
  EXPECT_FAILS_WITH(profile.accept_invitation(protocol::to_text(other)), LocalCode::no_invitation);
  EXPECT_EQ(profile.invitation()->log_key, invitation.log_key);
}

TEST_F(ProfileTest, OneHoldsTheLock) {
  auto profile = open();
  auto other = open();
  {
    auto held = profile.lock();
    ASSERT_TRUE(held.has_value());
    EXPECT_FAILS_WITH(other.lock(), LocalCode::local_store);
  }
  EXPECT_TRUE(other.lock().has_value());
}

TEST_F(ProfileTest, EvidenceNeverReplacesEvidence) {
  auto profile = open();
  const auto first = profile.keep_evidence("log-forked", "un");
  const auto second = profile.keep_evidence("log-forked", "deux");
  EXPECT_NE(first, second);
  EXPECT_EQ(as_text(*read_file(first, 64)), "un");
  EXPECT_EQ(profile.keep_evidence("log-forked", "un"), first) << "what is kept already stands once";
  EXPECT_NE(profile.keep_evidence("log-shrunk", "un"), first);
}

TEST_F(ProfileTest, AStateFileThatIsNotOursIsLeftAlone) {
  static_cast<void>(open());
  ASSERT_TRUE(write_file_durably(folder_.path() / "profil" / "state.db",
                                 as_bytes("not a database, but somebody's file"), FileMode::owner_only)
                  .has_value());
  std::error_code ignored;
  std::filesystem::remove(folder_.path() / "profil" / "state.db-wal", ignored);
  std::filesystem::remove(folder_.path() / "profil" / "state.db-shm", ignored);
  EXPECT_FAILS_WITH(client::Profile::open(folder_.path() / "profil"), LocalCode::local_store);
  EXPECT_EQ(as_text(*read_file(folder_.path() / "profil" / "state.db", 64)), "not a database, but somebody's file");
}

TEST_F(ProfileTest, AnOlderStateFileIsBroughtUpToDateAndALaterOneLeftAlone) {
  const auto file = folder_.path() / "profil" / "state.db";
  const auto start = audit::queue_start(world_.log, "ged/89");
  protocol::QueueItem item;
  item.queue = "ged/89";
  item.exchange = Digest{1};
  item.head = audit::queue_next(start, item.exchange);
  item.visible = false;
  {
    auto profile = open();
    ASSERT_TRUE(profile.store().add_received("ged/89", start, {item}, {client::SenderStatus::unproven}).has_value());
  }
  put_back_to_format(file, 2);
  {
    auto profile = open();
    EXPECT_EQ(profile.store().unproven_hidden("ged/89", 8)->size(), 1U) << "what was there stays";
    ASSERT_TRUE(profile.store().set_hidden("ged/89", QueueNumber{1}, client::HiddenProof::proven).has_value());
  }
  EXPECT_TRUE(open().store().unproven_hidden("ged/89", 8)->empty());
  set_format(file, 99);
  EXPECT_FAILS_WITH(client::Profile::open(folder_.path() / "profil"), LocalCode::profile_later);
}

TEST_F(ProfileTest, AStateFileOfEachEarlierFormatIsBroughtUpToDateAndACopyOfItKept) {
  const auto file = folder_.path() / "profil" / "state.db";
  const auto start = audit::queue_start(world_.log, "ged/89");
  protocol::QueueItem item;
  item.queue = "ged/89";
  item.exchange = Digest{1};
  item.head = audit::queue_next(start, item.exchange);
  item.visible = true;
  {
    auto profile = open();
    client::ClientStore& store = profile.store();
    ASSERT_TRUE(store.set_checkpoint(std::nullopt, "one").has_value());
    ASSERT_TRUE(store.add_received("ged/89", start, {item}, {client::SenderStatus::current}).has_value());
  }
  run_sql(file,
          "UPDATE queue SET acknowledged = 1; INSERT INTO outbox (id, state, kind, queue, case_id, created_at, form) "
          "VALUES (7, 1, 1, 'ged/89', zeroblob(32), 5, x'616765'); INSERT INTO replaced VALUES (7, 0, zeroblob(32))");
  std::vector<std::string> todays = columns_of(file);
  std::sort(todays.begin(), todays.end());  // a column that was added stands last
  const int todays_format = format_of(file);
  const std::filesystem::path whole = folder_.path() / "whole.db";
  copy_database(file, whole);
  for (int format = 1; format < todays_format; ++format) {
    SCOPED_TRACE(format);
    copy_database(whole, file);
    put_back_to_format(file, format);
    ASSERT_EQ(format_of(file), format);
    ASSERT_NE(columns_of(file), columns_of(whole));
    {
      auto profile = open();
      client::ClientStore& store = profile.store();
      EXPECT_EQ(*store.checkpoint(), "one");
      EXPECT_EQ((*store.queue("ged/89"))->head, item.head);
      EXPECT_EQ((*store.queue("ged/89"))->acknowledged.value, 1U);
      ASSERT_EQ(store.received("ged/89")->size(), 1U);
      EXPECT_EQ(store.received("ged/89")->front().sender, client::SenderStatus::current);
      EXPECT_TRUE(store.directory_versions()->empty()) << "the table is there";
    }
    std::vector<std::string> now = columns_of(file);
    std::sort(now.begin(), now.end());
    EXPECT_EQ(now, todays);
    EXPECT_EQ(format_of(file), todays_format);
    EXPECT_EQ(query_number(file, "SELECT count(*) FROM outbox WHERE id = 7 AND state = 1 AND form = x'616765'"), 1);
    EXPECT_EQ(query_number(file, "SELECT count(*) FROM replaced"), 1);
    EXPECT_EQ(query_number(file, "SELECT seq FROM sqlite_sequence WHERE name = 'outbox'"), 7) << "never given twice";
    EXPECT_EQ(query_number(file, "SELECT count(*) FROM pragma_foreign_key_check"), 0);

    const auto kept = client::kept_copy(file, format);
    ASSERT_TRUE(std::filesystem::exists(kept));
    EXPECT_EQ(std::filesystem::status(kept).permissions() & std::filesystem::perms::mask, std::filesystem::perms(0600));
    EXPECT_EQ(format_of(kept), format);
    // It holds a form, so it does not stay for ever.
    const auto now_in_files = std::filesystem::file_time_type::clock::now();
    std::filesystem::last_write_time(kept, now_in_files - client::kept_copy_time + std::chrono::hours(1));
    static_cast<void>(open());
    EXPECT_TRUE(std::filesystem::exists(kept));
    std::filesystem::last_write_time(kept, now_in_files - client::kept_copy_time - std::chrono::hours(1));
    static_cast<void>(open());
    EXPECT_FALSE(std::filesystem::exists(kept));
  }
}

TEST_F(ProfileTest, WhatFormatSixHeldForHiddenByRightIsAskedOnceMore) {
  const auto file = folder_.path() / "profil" / "state.db";
  const auto start = audit::queue_start(world_.log, "ged/89");
  protocol::QueueItem item;
  item.queue = "ged/89";
  item.exchange = Digest{1};
  item.head = audit::queue_next(start, item.exchange);
  item.visible = false;
  {
    auto profile = open();
    ASSERT_TRUE(profile.store().add_received("ged/89", start, {item}, {client::SenderStatus::unproven}).has_value());
    ASSERT_TRUE(profile.store().set_hidden("ged/89", QueueNumber{1}, client::HiddenProof::proven).has_value());
  }
  put_back_to_format(file, 6);
  auto profile = open();
  EXPECT_EQ(profile.store().unproven_hidden("ged/89", 8)->size(), 1U);
  EXPECT_FALSE(*profile.store().has_hidden_own_before("ged/89", QueueNumber{2}));
  ASSERT_TRUE(profile.store().set_hidden("ged/89", QueueNumber{1}, client::HiddenProof::own).has_value());
  EXPECT_TRUE(*profile.store().has_hidden_own_before("ged/89", QueueNumber{2}));
  EXPECT_FALSE(*profile.store().has_hidden_own_before("ged/89", QueueNumber{1}));
}

TEST_F(ProfileTest, AStateFileOfALaterFormatIsLeftAsItIs) {
  const auto file = folder_.path() / "profil" / "state.db";
  static_cast<void>(open());
  const int later = format_of(file) + 1;
  set_format(file, later);
  EXPECT_EQ(client::bring_up_to_date(file).error().code, Errc::conflict);
  EXPECT_EQ(format_of(file), later);
  set_format(file, -1);
  EXPECT_EQ(client::bring_up_to_date(file).error().code, Errc::corruption);
}

// ---- the store's guards against going back ---------------------------------------------------------------------

TEST_F(ProfileTest, TheCheckpointMovesOnlyFromWhereItWasRead) {
  auto profile = open();
  client::ClientStore& store = profile.store();
  ASSERT_TRUE(store.set_checkpoint(std::nullopt, "one").has_value());
  EXPECT_EQ(store.set_checkpoint(std::nullopt, "two").error().code, Errc::conflict);
  EXPECT_EQ(store.set_checkpoint("zero", "two").error().code, Errc::conflict);
  ASSERT_TRUE(store.set_checkpoint("one", "two").has_value());
  EXPECT_EQ(*store.checkpoint(), "two");
}

TEST_F(ProfileTest, AQueueMovesOnlyFromItsHead) {
  auto profile = open();
  client::ClientStore& store = profile.store();
  const auto start = audit::queue_start(world_.log, "ged/89");
  protocol::QueueItem item;
  item.queue = "ged/89";
  item.exchange = Digest{1};
  item.head = audit::queue_next(start, item.exchange);
  item.visible = false;
  ASSERT_TRUE(store.add_received("ged/89", start, {item}, {client::SenderStatus::unproven}).has_value());
  EXPECT_EQ(store.add_received("ged/89", start, {item}, {client::SenderStatus::unproven}).error().code, Errc::conflict);
  EXPECT_EQ((*store.queue("ged/89"))->head, item.head);
  EXPECT_EQ(store.received("ged/89")->size(), 1U);
}

TEST_F(ProfileTest, TwoProgramsShareAProfile) {
  auto profile = open();
  auto other = open();
  ASSERT_TRUE(profile.store().set_checkpoint(std::nullopt, "one").has_value());
  EXPECT_EQ(*other.store().checkpoint(), "one");
}

// ---- failures --------------------------------------------------------------------------------------------------

TEST(FailureTest, HasAnExitCodeByClass) {
  using client::ExitClass;
  EXPECT_EQ(exit_class(Failure(protocol::Refusal{Code::forbidden, "depot", 0})), ExitClass::refused);
  EXPECT_EQ(exit_class(Failure(protocol::Refusal{Code::log_unavailable, {}, 0})), ExitClass::unreachable_or_queued);
  EXPECT_EQ(exit_class(Failure(LocalCode::usage, "")), ExitClass::usage);
  EXPECT_EQ(exit_class(Failure(LocalCode::unreachable, "")), ExitClass::unreachable_or_queued);
  EXPECT_EQ(exit_class(Failure(LocalCode::log_forked, "")), ExitClass::verification_failed);
  EXPECT_EQ(exit_class(Failure(LocalCode::wrong_broker_key, "")), ExitClass::verification_failed);
  EXPECT_EQ(exit_class(Failure(LocalCode::local_store, "")), ExitClass::local_error);
  EXPECT_EQ(client::code_text(Failure(protocol::Refusal{Code::forbidden, "depot", 0})), "FORBIDDEN(depot)");
}

}  // namespace
}  // namespace pli::testing
