#include <algorithm>

#include "audit/evidence.hpp"
#include "base/file.hpp"
#include "tests/client/sitting.hpp"

namespace pli::testing {
namespace {

using SessionTest = Sitting;

/// As whoever is handed the file reads it.
audit::Evidence evidence_of(const Failure& failure) {
  auto bytes = read_file(failure.evidence, audit::evidence_bytes_max);
  if (!bytes) return {};
  auto evidence = audit::parse_evidence(as_text(*bytes));
  EXPECT_TRUE(evidence);
  return evidence ? *evidence : audit::Evidence{};
}

TEST_F(SessionTest, LearnsWhoItIsAndWhereItSits) {
  auto desk = connected("r.bellerive");
  EXPECT_EQ(desk->session->member_id(), "r.bellerive");
  EXPECT_EQ(desk->session->seats(), std::vector<std::string>{"org/219900001"});
  EXPECT_EQ(desk->session->directory().number(), DirectoryNumber{1});
  EXPECT_NE(desk->session->directory().queue("ged/89"), nullptr);
  EXPECT_EQ(desk->session->log().known_size(), broker_.size());
}

TEST_F(SessionTest, ShowsASenderTheQueueItWritesToAndNobodySeatedThere) {
  auto desk = connected("r.bellerive");
  EXPECT_EQ(desk->session->directory().queue("ged/89")->keys.size(), 3U);
  EXPECT_EQ(desk->session->directory().member("ged.un"), nullptr);
  EXPECT_NE(desk->session->directory().member("m.bellerive"), nullptr);
}

TEST_F(SessionTest, RemembersTheLogAndTheDirectory) {
  auto desk = connected("ged.un");
  const TreeSize first = desk->session->log().known_size();
  broker_.add_noise_leaf();
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_GT(desk->session->log().known_size(), first);
  EXPECT_EQ(desk->session->log().last()->note(), broker_.checkpoint());
  auto known = client::last_directory(desk->profile);
  ASSERT_TRUE(known.has_value()) << why(known);
  EXPECT_EQ(known->number(), DirectoryNumber{1});
  EXPECT_NE(known->member("ged.deux"), nullptr);
}

// P7: every client checks consistency on every connection.
TEST_F(SessionTest, P7RefusesALogThatForked) {
  auto desk = connected("ged.un");
  MemoryBroker forked = broker_;
  broker_.add_noise_leaf();
  ASSERT_TRUE(connect(*desk).has_value());
  forked.add_noise_leaf();  // another leaf at the same place
  forked.add_noise_leaf();
  shown_ = &forked;
  auto refused = connect(*desk);
  EXPECT_FAILS_WITH(refused, LocalCode::log_forked);
  const audit::Evidence kept{broker_.checkpoint(), forked.checkpoint()};
  EXPECT_EQ(evidence_of(refused.error()), kept);
}

TEST_F(SessionTest, P7RefusesAForkOfTheSameSize) {
  auto desk = connected("ged.un");
  MemoryBroker forked = broker_;
  broker_.add_noise_leaf();
  forked.add_noise_leaf();
  ASSERT_TRUE(connect(*desk).has_value());
  shown_ = &forked;
  auto refused = connect(*desk);
  EXPECT_FAILS_WITH(refused, LocalCode::log_forked);
  const audit::Evidence kept{broker_.checkpoint(), forked.checkpoint()};
  EXPECT_EQ(evidence_of(refused.error()), kept);
}

TEST_F(SessionTest, P7RefusesAConsistencyProofOfAnotherTree) {
  auto desk = connected("ged.un");
  broker_.add_noise_leaf();
  broker_.bend = [](const protocol::Request&, protocol::ReplyBody& reply) {
    if (auto* hello = std::get_if<protocol::HelloReply>(&reply); hello && !hello->consistency.empty())
      hello->consistency[0][0] ^= 1;
  };
  EXPECT_FAILS_WITH(connect(*desk), LocalCode::log_forked);
}

// P10: rollback is noticed, by whoever was here before.
TEST_F(SessionTest, P10RefusesALogThatShrank) {
  MemoryBroker yesterday = broker_;
  broker_.add_noise_leaf();
  auto desk = connected("ged.un");
  shown_ = &yesterday;
  auto refused = connect(*desk);
  EXPECT_FAILS_WITH(refused, LocalCode::log_shrunk);
  EXPECT_EQ(evidence_of(refused.error()).second, yesterday.checkpoint());
}

TEST_F(SessionTest, P10NoticesARollbackBehindAReceipt) {
  auto desk = connected("r.bellerive");
  MemoryBroker yesterday = broker_;
  // The last thing this client sees is a receipt: the connection breaks before the log could be compared.
  desk->connection->lose_after(2);
  client::Outbox outbox(desk->profile, clock_);
  ASSERT_TRUE(outbox.put(client::draft_of(report(), "ged/89"), desk->keys).has_value());
  auto flushed = outbox.flush(*desk->session);
  ASSERT_TRUE(flushed.has_value()) << why(flushed);
  ASSERT_EQ(flushed->done.size(), 1U);
  EXPECT_EQ(flushed->done[0].item.state, client::OutboxState::receipted);
  EXPECT_TRUE(flushed->stopped.has_value());
  shown_ = &yesterday;
  ASSERT_TRUE(connect(*desk).has_value()) << "a receipt may be ahead of what is published, for a moment";
  clock_.advance(client::foreign_grace + std::chrono::seconds(1));
  EXPECT_FAILS_WITH(connect(*desk), LocalCode::log_shrunk);
}

/// Asked from no more than what is published, the broker shows that; ours is larger by a leaf.
class PublishedBehindTest : public SessionTest {
 protected:
  PublishedBehindTest() {
    const std::string met = broker_.checkpoint();
    broker_.add_noise_leaf();
    published_ = std::make_unique<MemoryBroker>(broker_);
    broker_.add_noise_leaf();
    desk_ = connected("ged.un");
    EXPECT_TRUE(desk_->session->log().note_foreign(met, clock_.now()).has_value());
    broker_.instead = [this](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
      const auto* asked = std::get_if<protocol::GetCheckpoint>(&request.body);
      if (asked == nullptr || published_->size() < asked->known_size) return std::nullopt;
      return published_->handle(desk_->keys.current.public_identity().curve, request);
    };
  }
  [[nodiscard]] std::size_t waiting() const { return desk_->profile.store().foreign_checkpoints()->size(); }

  std::unique_ptr<MemoryBroker> published_;
  std::unique_ptr<Desk> desk_;
};

TEST_F(PublishedBehindTest, P10WaitsForWhatIsPublishedBeforeItCallsTheLogShrunk) {
  EXPECT_TRUE(desk_->session->check_log().has_value());
  EXPECT_EQ(waiting(), 1U);
  clock_.advance(client::foreign_grace);
  EXPECT_TRUE(desk_->session->check_log().has_value());
  EXPECT_EQ(waiting(), 1U) << "not compared yet";
  clock_.advance(std::chrono::milliseconds(1));
  auto refused = desk_->session->check_log();
  EXPECT_FAILS_WITH(refused, LocalCode::log_shrunk);
  const audit::Evidence kept{broker_.checkpoint(), published_->checkpoint()};
  EXPECT_EQ(evidence_of(refused.error()), kept);
}

TEST_F(PublishedBehindTest, P7ComparesOnceWhatIsPublishedHasCaughtUp) {
  EXPECT_TRUE(desk_->session->check_log().has_value());
  broker_.instead = nullptr;
  EXPECT_TRUE(desk_->session->check_log().has_value());
  EXPECT_EQ(waiting(), 0U);
}

TEST_F(PublishedBehindTest, P10FindsAtOnceThatTheLogShrankByWhatIsAskedFromOurs) {
  shown_ = published_.get();
  EXPECT_FAILS_WITH(desk_->session->check_log(), LocalCode::log_shrunk);
}

TEST_F(SessionTest, P7ComparesEveryReceiptWithTheLogEverybodySees) {
  auto desk = connected("r.bellerive");
  MemoryBroker aside = broker_;
  shown_ = &aside;  // a receipt from a log nobody else sees
  desk->connection->lose_after(2);
  client::Outbox outbox(desk->profile, clock_);
  ASSERT_TRUE(outbox.put(client::draft_of(report(), "ged/89"), desk->keys).has_value());
  ASSERT_TRUE(outbox.flush(*desk->session).has_value());
  shown_ = &broker_;
  for (int i = 0; i < 5; ++i) broker_.add_noise_leaf();
  EXPECT_FAILS_WITH(connect(*desk), LocalCode::log_forked);
}

TEST_F(SessionTest, RefusesACheckpointTheLogDidNotSign) {
  auto desk = this->desk("ged.un");
  world_.log_key = crypto::SigningKey::generate();  // the invitation in the profile names the old one
  EXPECT_FAILS_WITH(connect(*desk), LocalCode::receipt_invalid);
}

TEST_F(SessionTest, RefusesAnotherShardWithoutAnOrder) {
  auto desk = connected("ged.un");
  broker_.bend = [&](const protocol::Request&, protocol::ReplyBody& reply) {
    if (auto* hello = std::get_if<protocol::HelloReply>(&reply))
      hello->checkpoint = audit::sign_checkpoint({world_.log + "/2026-2", broker_.size(), Digest{1}}, world_.log_key);
  };
  EXPECT_FAILS_WITH(connect(*desk), LocalCode::log_forked);
}

TEST_F(SessionTest, RefusesAnotherLogsCheckpoint) {
  auto desk = this->desk("ged.un");
  broker_.bend = [&](const protocol::Request&, protocol::ReplyBody& reply) {
    if (auto* hello = std::get_if<protocol::HelloReply>(&reply))
      hello->checkpoint =
          audit::sign_checkpoint({"pli.exemple.fr/pli/21/2026-1", broker_.size(), Digest{1}}, world_.log_key);
  };
  EXPECT_FAILS_WITH(connect(*desk), LocalCode::receipt_invalid);
}

TEST_F(SessionTest, RefusesABrokerThatKnowsItUnderAnotherName) {
  auto desk = this->desk("ged.un");
  broker_.bend = [](const protocol::Request&, protocol::ReplyBody& reply) {
    if (auto* hello = std::get_if<protocol::HelloReply>(&reply)) hello->member = "ged.deux";
  };
  EXPECT_FAILS_WITH(connect(*desk), LocalCode::no_invitation);
}

TEST_F(SessionTest, TellsARevokedMember) {
  ASSERT_TRUE(world_.draft().revoke("ged.un", spring).has_value());
  broker_.publish(world_.sign_version(spring));
  auto desk = this->desk("ged.un");
  EXPECT_FAILS_WITH(connect(*desk), Code::revoked);
}

// ---- directory -------------------------------------------------------------------------------------------------

TEST_F(SessionTest, FetchesOnlyWhatChangedAndShowsItUntilAcknowledged) {
  auto desk = connected("ged.un");
  world_.enrol("ged.trois", {protocol::Role::membre_ged}, "douanes-89", "89", {"ged/89"});
  broker_.publish(world_.sign_version(spring));
  std::size_t travelled = 0;
  broker_.bend = [&](const protocol::Request&, protocol::ReplyBody& reply) {
    if (auto* page = std::get_if<protocol::DirectoryPage>(&reply))
      for (const protocol::DirectoryItem& item : page->items) travelled += item.entry.empty() ? 0 : 1;
  };
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_EQ(travelled, 2U);  // the queue and its new member
  EXPECT_EQ(desk->session->directory().number(), DirectoryNumber{2});
  EXPECT_EQ(desk->session->directory().queue("ged/89")->keys.size(), 4U);
  auto changes = desk->profile.store().directory_changes();
  ASSERT_TRUE(changes.has_value());
  ASSERT_EQ(changes->size(), 2U);
  EXPECT_EQ((*changes)[0].what, client::DirectoryChange::What::appeared);
  EXPECT_EQ((*changes)[0].id, "ged.trois");
  ASSERT_TRUE(desk->profile.store().acknowledge_directory_changes(DirectoryNumber{2}).has_value());
  EXPECT_TRUE(desk->profile.store().directory_changes()->empty());
}

TEST_F(SessionTest, ShowsEverybodyThatTheContractChangedAndAnInstanceWhichToolPostsThere) {
  auto desk = connected("ged.un");
  ASSERT_TRUE(world_.draft().add_queue("org/regie", "89", "regie").has_value());
  world_.enrol("outil.transport", {protocol::Role::outil}, "regie", "89", {"org/regie"});
  broker_.publish(world_.sign_version(spring));
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_TRUE(desk->profile.store().directory_changes()->empty()) << "it may do nothing yet";

  ASSERT_TRUE(world_.draft()
                  .register_tool({"outil.transport",
                                  protocol::Volet::transport,
                                  {protocol::Kind::information_de_volet},
                                  {"ged/89"},
                                  {"org/regie"}})
                  .has_value());
  broker_.publish(world_.sign_version(spring));
  ASSERT_TRUE(connect(*desk).has_value());
  auto changes = desk->profile.store().directory_changes();
  ASSERT_TRUE(changes.has_value());
  ASSERT_EQ(changes->size(), 1U);
  EXPECT_EQ((*changes)[0].id, "outil.transport");

  protocol::Contract contract = *world_.draft().directory().contract();
  contract.parties = {"Préfecture inventée", "Commune inventée"};
  contract.engagements = {"retour 10"};
  ASSERT_TRUE(world_.draft().change_contract(contract).has_value());
  broker_.publish(world_.sign_version(spring));
  ASSERT_TRUE(connect(*desk).has_value());
  changes = desk->profile.store().directory_changes();
  ASSERT_TRUE(changes.has_value());
  ASSERT_EQ(changes->size(), 2U);
  EXPECT_EQ((*changes)[1].type, protocol::EntryType::contrat);
  EXPECT_EQ((*changes)[1].id, contract.id);
}

TEST_F(SessionTest, KeepsEachVersionItVerifiedWithItsProof) {
  auto desk = connected("ged.un");
  const auto publish = [&](const char* who) {
    world_.enrol(who, {protocol::Role::membre_ged}, "douanes-89", "89", {"ged/89"});
    broker_.publish(world_.sign_version(spring));
  };
  publish("ged.trois");
  ASSERT_TRUE(connect(*desk).has_value());
  publish("ged.quatre");
  publish("ged.cinq");  // the one between is never shown to this desk
  clock_.advance(std::chrono::hours(1));
  ASSERT_TRUE(connect(*desk).has_value());
  auto versions = client::directory_history(desk->profile);
  ASSERT_TRUE(versions.has_value()) << why(versions);
  ASSERT_EQ(versions->size(), 3U);
  const std::vector<std::uint64_t> numbers = {1, 2, 4};
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const client::HistoricVersion& version = (*versions)[i];
    EXPECT_EQ(version.number.value, numbers[i]);
    EXPECT_TRUE(version.proven) << i;
    EXPECT_EQ(version.follows, i != 2) << i;
    EXPECT_EQ(version.origin, broker_.origin());
    EXPECT_LT(version.leaf.value, version.size.value);
  }
  EXPECT_EQ((*versions)[2].digest, desk->session->directory().verified().digest());
  EXPECT_EQ((*versions)[2].verified_at, spring + std::chrono::hours(1));
  EXPECT_EQ((*versions)[0].verified_at, spring);
}

TEST_F(SessionTest, AVersionKeptThatDoesNotVerifyIsNotCalledProven) {
  auto desk = connected("ged.un");
  const auto kept = desk->profile.store().directory_versions();
  ASSERT_TRUE(kept.has_value());
  ASSERT_EQ(kept->size(), 1U);
  client::KnownVersion lie = kept->front();
  lie.number = DirectoryNumber{7};
  ASSERT_TRUE(desk->profile.store()
                  .set_directory_place(DirectoryNumber{1}, *(*desk->profile.store().directory())->place, lie)
                  .has_value());
  auto versions = client::directory_history(desk->profile);
  ASSERT_TRUE(versions.has_value());
  ASSERT_EQ(versions->size(), 2U);
  EXPECT_TRUE((*versions)[0].proven);
  EXPECT_FALSE((*versions)[1].proven) << "the note and the leaf say another number";
}

TEST_F(SessionTest, AsksForEverythingWhenAnUnchangedEntryIsNew) {
  auto desk = connected("ged.deux");
  // The CLIR's entry has not changed, but only from now on is it this member's to see.
  ASSERT_TRUE(world_.draft().change_seats("ged.deux", {"ged/89"}).has_value());
  ASSERT_TRUE(world_.draft().add_queue("cpraf/89", "89", "").has_value());
  broker_.publish(world_.sign_version(spring));
  bool hidden_once = false;
  broker_.bend = [&](const protocol::Request& request, protocol::ReplyBody& reply) {
    auto* page = std::get_if<protocol::DirectoryPage>(&reply);
    if (page == nullptr || std::get<protocol::GetDirectory>(request.body).known.value == 0) return;
    for (protocol::DirectoryItem& item : page->items)
      if (!item.entry.empty()) {
        item.entry.clear();  // "unchanged", to somebody who never saw it
        hidden_once = true;
      }
  };
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_TRUE(hidden_once);
  EXPECT_EQ(desk->session->directory().number(), DirectoryNumber{2});
}

TEST_F(SessionTest, RefusesADirectoryWithTooFewSignatures) {
  auto desk = connected("ged.un");
  world_.enrol("intrus", {protocol::Role::membre_ged}, "douanes-89", "89", {"ged/89"});
  const SignedVersion weak = world_.sign_version(spring, 1);
  broker_.bend = [&](const protocol::Request&, protocol::ReplyBody& reply) {
    if (auto* hello = std::get_if<protocol::HelloReply>(&reply)) hello->directory = DirectoryNumber{2};
    if (auto* page = std::get_if<protocol::DirectoryPage>(&reply)) page->note = weak.note;
  };
  EXPECT_FAILS_WITH(connect(*desk), LocalCode::directory_unproven);
}

TEST_F(SessionTest, RefusesAnEntryThatIsNotInTheSignedVersion) {
  for (const int damage : {0, 1, 2}) {
    auto desk = this->desk("ged.un");
    broker_.bend = [&](const protocol::Request&, protocol::ReplyBody& reply) {
      auto* page = std::get_if<protocol::DirectoryPage>(&reply);
      if (page == nullptr) return;
      protocol::DirectoryItem& item = page->items.back();
      if (damage == 0) item.entry.back() ^= 1;
      if (damage == 1) item.proof.pop_back();
      if (damage == 2) item.position += 1;
    };
    EXPECT_FAILS_WITH(connect(*desk), LocalCode::directory_unproven);
  }
}

TEST_F(SessionTest, RefusesAVersionTheLogDoesNotName) {
  auto desk = this->desk("ged.un");
  broker_.bend = [&](const protocol::Request&, protocol::ReplyBody& reply) {
    if (auto* page = std::get_if<protocol::DirectoryPage>(&reply)) page->leaf = broker_.prove(LeafIndex{0}, {"act"});
  };
  EXPECT_FAILS_WITH(connect(*desk), LocalCode::directory_unproven);
}

TEST_F(SessionTest, RefusesADirectoryThatGoesBack) {
  MemoryBroker before = broker_;
  world_.enrol("ged.trois", {protocol::Role::membre_ged}, "douanes-89", "89", {"ged/89"});
  broker_.publish(world_.sign_version(spring));
  auto desk = connected("ged.un");
  broker_.bend = [](const protocol::Request&, protocol::ReplyBody& reply) {
    if (auto* hello = std::get_if<protocol::HelloReply>(&reply)) hello->directory = DirectoryNumber{1};
  };
  EXPECT_FAILS_WITH(connect(*desk), LocalCode::directory_unproven);
}

TEST_F(SessionTest, RefusesAnotherVersionUnderTheSameNumber) {
  auto desk = connected("ged.un");
  broker_.bend = [](const protocol::Request&, protocol::ReplyBody& reply) {
    if (auto* hello = std::get_if<protocol::HelloReply>(&reply)) hello->directory_digest[0] ^= 1;
  };
  EXPECT_FAILS_WITH(connect(*desk), LocalCode::directory_unproven);
}

TEST_F(SessionTest, RefusesADirectoryWithoutWhatItWorksBy) {
  for (const char* missing : {"ged.un", "ged/89", "audit/89"}) {
    auto desk = this->desk("ged.un");
    broker_.bend = [&](const protocol::Request&, protocol::ReplyBody& reply) {
      auto* page = std::get_if<protocol::DirectoryPage>(&reply);
      if (page == nullptr) return;
      page->items.erase(std::remove_if(page->items.begin(), page->items.end(),
                                       [&](const protocol::DirectoryItem& item) {
                                         auto entry = protocol::decode_entry(item.entry);
                                         return entry && entry->id == missing;
                                       }),
                        page->items.end());
    };
    EXPECT_FAILS_WITH(connect(*desk), LocalCode::directory_unproven) << missing;
    EXPECT_FALSE(desk->profile.store().directory()->has_value()) << missing;
    broker_.bend = {};
    EXPECT_TRUE(connect(*desk).has_value()) << missing;
  }
}

TEST_F(SessionTest, P5WhoMissedAChangeOfAuthoritiesNeedsALaterInvitation) {
  auto desk = connected("ged.un");
  static_cast<void>(world_.sign_version(spring));  // the one that changed them, never seen here
  for (auto& key : world_.authorities) key = crypto::SigningKey::generate();
  broker_.publish(world_.sign_version(spring));
  EXPECT_FAILS_WITH(connect(*desk), LocalCode::directory_unproven);
  auto invitation = world_.invitation("ged.un");
  invitation.directory = DirectoryNumber{1};  // of the version held: it says nothing new
  ASSERT_TRUE(desk->profile.accept_invitation(protocol::to_text(invitation)).has_value());
  EXPECT_FAILS_WITH(connect(*desk), LocalCode::directory_unproven);
  invitation.directory = DirectoryNumber{3};
  ASSERT_TRUE(desk->profile.accept_invitation(protocol::to_text(invitation)).has_value());
  const auto done = connect(*desk);
  ASSERT_TRUE(done.has_value()) << why(done);
  EXPECT_EQ(desk->session->directory().number(), DirectoryNumber{3});
}

TEST_F(SessionTest, RefusesADirectoryThatHasOtherKeysForIt) {
  auto desk = this->desk("ged.un");
  desk->keys.former.push_back(std::move(desk->keys.current));
  desk->keys.current = crypto::Identity::generate();
  const auto other = connected("ged.deux");
  const client::KnownDirectory& directory = other->session->directory();
  const auto ours = desk->keys.former[0].public_identity().sign;
  EXPECT_TRUE(directory.check_shows("ged.un", {desk->keys.current.public_identity().sign, ours}).has_value());
  EXPECT_FAILS_WITH(directory.check_shows("ged.un", {desk->keys.current.public_identity().sign}),
                    LocalCode::directory_unproven);
}

TEST_F(SessionTest, AnOperatorWorksWithoutAnAuditorsQueue) {
  auto desk = this->desk("operateur");
  EXPECT_TRUE(connect(*desk).has_value());
}

TEST_F(SessionTest, RefusesAVersionOlderThanTheInvitation) {
  auto desk = this->desk("ged.un");
  protocol::Invitation invitation = world_.invitation("ged.un");
  invitation.directory = DirectoryNumber{2};
  ASSERT_TRUE(desk->profile.accept_invitation(protocol::to_text(invitation)).has_value());
  EXPECT_FAILS_WITH(connect(*desk), LocalCode::directory_unproven);
}

TEST_F(SessionTest, StartsAgainWhenAVersionIsPublishedBetweenTwoPages) {
  auto desk = this->desk("secretariat");
  bool published = false;
  broker_.bend = [&](const protocol::Request& request, protocol::ReplyBody&) {
    const auto* asked = std::get_if<protocol::GetDirectory>(&request.body);
    if (asked == nullptr || published) return;
    published = true;
    world_.enrol("ged.trois", {protocol::Role::membre_ged}, "douanes-89", "89", {"ged/89"});
    broker_.publish(world_.sign_version(spring));
  };
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_EQ(desk->session->directory().number(), DirectoryNumber{2});
  EXPECT_NE(desk->session->directory().member("ged.trois"), nullptr);
}

TEST_F(SessionTest, WarnsBeforeTheDirectoryExpires) {
  auto desk = connected("ged.un");
  const client::KnownDirectory& directory = desk->session->directory();
  const UnixMillis end = directory.not_after();
  EXPECT_FALSE(directory.expires_soon_at(end - std::chrono::hours(24 * 10) - std::chrono::seconds(1)));
  EXPECT_TRUE(directory.expires_soon_at(end - std::chrono::hours(24 * 10)));
  EXPECT_FALSE(directory.expired_at(end - std::chrono::milliseconds(1)));
  EXPECT_TRUE(directory.expired_at(end));
}

TEST_F(SessionTest, SaysThatItIsLostUntilItHasDialledAgain) {
  auto desk = connected("ged.un");
  EXPECT_FALSE(desk->session->lost());
  desk->connection->lose_after(1);
  EXPECT_FAILS_WITH(desk->session->check_log(), LocalCode::unreachable);
  EXPECT_TRUE(desk->session->lost());
  desk->dials_to_fail = 1;
  EXPECT_FAILS_WITH(desk->session->reconnect(), LocalCode::unreachable);
  EXPECT_TRUE(desk->session->lost());
  ASSERT_TRUE(desk->session->reconnect().has_value());
  EXPECT_FALSE(desk->session->lost());
  EXPECT_TRUE(desk->session->check_log().has_value());
}

// ---- alarms ----------------------------------------------------------------------------------------------------

TEST_F(SessionTest, P7ReportsAForkMetAtConnectionOnceTheLogIsHonestAgain) {
  static_cast<void>(somebody_sends("r.bellerive", report()));
  auto desk = connected("ged.un");
  ASSERT_TRUE(client::Inbox(*desk->session).refresh("ged/89").has_value());
  MemoryBroker forked = broker_;
  broker_.add_noise_leaf();
  ASSERT_TRUE(connect(*desk).has_value());
  forked.add_noise_leaf();
  forked.add_noise_leaf();
  shown_ = &forked;
  EXPECT_FAILS_WITH(connect(*desk), LocalCode::log_forked);
  EXPECT_FAILS_WITH(connect(*desk), LocalCode::log_forked);
  shown_ = &broker_;
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_TRUE(anomalies().empty());
  auto view = client::Inbox(*desk->session).look();
  ASSERT_TRUE(view.has_value()) << why(view);
  ASSERT_EQ(view->alarms.size(), 1U);
  EXPECT_TRUE(client::is(view->alarms[0], LocalCode::log_forked));
  EXPECT_EQ(anomalies(), std::vector<std::string>{"log_forked"});
}

TEST_F(SessionTest, P10ReportsALogThatShrankWithWhatIsSentNext) {
  auto desk = connected("r.bellerive");
  static_cast<void>(send_report(*desk, report()));
  MemoryBroker yesterday = broker_;
  broker_.add_noise_leaf();
  ASSERT_TRUE(connect(*desk).has_value());
  shown_ = &yesterday;
  EXPECT_FAILS_WITH(connect(*desk), LocalCode::log_shrunk);
  shown_ = &broker_;
  ASSERT_TRUE(connect(*desk).has_value());
  static_cast<void>(send_report(*desk, report()));
  EXPECT_EQ(anomalies(), std::vector<std::string>{"log_forked"}) << "reported as one of two logs";
}

TEST_F(SessionTest, AnAlarmWaitsForAnExchangeItsReportCanName) {
  auto desk = connected("r.bellerive");
  static_cast<void>(client::raise_alarm(desk->profile, {LocalCode::log_forked, "invented"}));
  client::Outbox outbox(desk->profile, clock_);
  EXPECT_EQ(*client::report_alarms(outbox, *desk->session), 0U);
  static_cast<void>(send_report(*desk, report()));
  EXPECT_EQ(*client::report_alarms(outbox, *desk->session), 1U);
  EXPECT_EQ(*client::report_alarms(outbox, *desk->session), 0U);
}

TEST_F(SessionTest, AnAuditorReportsToNobody) {
  auto desk = connected("auditeur");
  static_cast<void>(client::raise_alarm(desk->profile, {LocalCode::log_forked, "invented"}, {"", false, Digest{1}}));
  client::Outbox outbox(desk->profile, clock_);
  EXPECT_EQ(*client::report_alarms(outbox, *desk->session), 0U);
}

TEST_F(SessionTest, SurvivesEachConnectionThatBreaks) {
  auto desk = this->desk("secretariat");
  for (std::size_t requests = 1; requests < 20; ++requests) {
    auto connection = std::make_unique<MemoryConnection>(shown_, desk->keys.current.public_identity().curve);
    connection->lose_after(requests);
    auto session = client::Session::open(desk->profile, desk->keys, clock_, std::move(connection));
    if (session) return;  // enough requests to get through
    EXPECT_FAILS_WITH(session, LocalCode::unreachable);
  }
  ADD_FAILURE() << "never got through";
}

}  // namespace
}  // namespace pli::testing
