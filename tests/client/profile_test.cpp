#include "client/profile.hpp"

#include <sys/stat.h>

#include "base/file.hpp"
#include "tests/client/sitting.hpp"
#include "tests/support/old_state.hpp"

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
  put_back_to_format_2(file);
  {
    auto profile = open();
    EXPECT_EQ(profile.store().unproven_hidden("ged/89", 8)->size(), 1U) << "what was there stays";
    ASSERT_TRUE(profile.store().set_hidden("ged/89", QueueNumber{1}, client::HiddenProof::proven).has_value());
  }
  EXPECT_TRUE(open().store().unproven_hidden("ged/89", 8)->empty());
  set_format(file, 99);
  EXPECT_FAILS_WITH(client::Profile::open(folder_.path() / "profil"), LocalCode::local_store);
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
