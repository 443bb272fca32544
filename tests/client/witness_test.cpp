// Witnesses, as the client meets them: how long their word lasts, what stops without it, and receipts they confirm.
#include <algorithm>

#include "base/file.hpp"
#include "client/auditor.hpp"
#include "client/receipts.hpp"
#include "protocol/limits.hpp"
#include "tests/client/sitting.hpp"
#include "tests/support/old_state.hpp"

namespace pli::testing {
namespace {

using client::OutboxItem;
using client::OutboxState;
using client::Standing;
using std::chrono::milliseconds;

constexpr milliseconds a_moment{1};

class WitnessTest : public Sitting {
 protected:
  WitnessTest() { world_.add_witnesses(3, 2); }

  [[nodiscard]] Standing standing(const Desk& desk) const {
    return desk.session->log().witnesses().standing(clock_.now());
  }
  OutboxItem put(Desk& desk, const std::string& name = "Corvelle") {
    auto item = client::Outbox(desk.profile, clock_).put(client::draft_of(report(name), "ged/89"), desk.keys);
    EXPECT_TRUE(item.has_value()) << why(item);
    return item ? std::move(*item) : OutboxItem{};
  }
  client::FlushReport flush(Desk& desk) {
    auto report = client::Outbox(desk.profile, clock_).flush(*desk.session);
    EXPECT_TRUE(report.has_value()) << why(report);
    return report ? std::move(*report) : client::FlushReport{};
  }
  OutboxItem find(Desk& desk, std::int64_t id) {
    auto found = client::Outbox(desk.profile, clock_).find(id);
    EXPECT_TRUE(found.has_value() && *found);
    return found && *found ? **found : OutboxItem{};
  }
  /// Receipted while no witness answered.
  OutboxItem receipted_unseen(Desk& desk) {
    const OutboxItem item = put(desk);
    broker_.witnesses_answering = 0;
    const auto report = flush(desk);
    EXPECT_FALSE(report.stopped) << why(*report.stopped);
    EXPECT_EQ(find(desk, item.id).state, OutboxState::receipted);
    return find(desk, item.id);
  }
  client::Cosignatures cosignatures_of(const OutboxItem& item) {
    auto receipt = client::verify_receipt_file(item.receipt, world_.log, world_.log_key.public_key());
    EXPECT_TRUE(receipt.has_value()) << why(receipt);
    auto read = client::read_cosignatures(receipt->receipt.checkpoint,
                                          client::log_verifier(receipt->origin, world_.log_key.public_key()),
                                          audit::WitnessPolicy::parse(world_.witness_lines()).value(), clock_.now());
    EXPECT_TRUE(read.has_value()) << why(read);
    return read ? std::move(*read) : client::Cosignatures{};
  }
  bool has_envelope(Desk& desk, std::int64_t id) {
    return (*desk.profile.store().outbox_row(id))->envelope.has_value();
  }
};

// ---- how long their word lasts ---------------------------------------------------------------------------------

TEST_F(WitnessTest, LastsTenMinutesInSilenceADayWithAWarningAndNoLonger) {
  auto desk = connected("r.bellerive");
  EXPECT_EQ(standing(*desk), Standing::fresh);
  clock_.advance(protocol::cosigned_age_warned);
  EXPECT_EQ(standing(*desk), Standing::fresh);
  clock_.advance(a_moment);
  EXPECT_EQ(standing(*desk), Standing::ageing);
  clock_.set(spring + protocol::cosigned_age_max);
  EXPECT_EQ(standing(*desk), Standing::ageing);
  clock_.advance(a_moment);
  EXPECT_EQ(standing(*desk), Standing::stale);
  ASSERT_TRUE(desk->session->refresh().has_value());
  EXPECT_EQ(standing(*desk), Standing::fresh) << "the same tree, cosigned anew";
}

TEST_F(WitnessTest, IsAskedOfNobodyWhereTheInvitationNamesNone) {
  world_.witnesses.clear();
  auto desk = connected("r.bellerive");
  EXPECT_EQ(standing(*desk), Standing::unwitnessed);
  clock_.advance(protocol::cosigned_age_max + a_moment);
  EXPECT_EQ(put(*desk).state, OutboxState::sealed);
}

TEST_F(WitnessTest, IsKeptInTheProfile) {
  auto desk = connected("r.bellerive");
  clock_.advance(std::chrono::hours(1));
  broker_.witnesses_answering = 0;
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_EQ(standing(*desk), Standing::ageing);
  ASSERT_TRUE(desk->session->log().witnesses().kept().has_value());
  EXPECT_EQ(desk->session->log().witnesses().kept()->at, spring);
}

TEST_F(WitnessTest, IsNotWorthWhatOneOfTwoSays) {
  broker_.witnesses_answering = 1;
  auto desk = connected("r.bellerive");
  EXPECT_EQ(standing(*desk), Standing::stale);
  EXPECT_FALSE(desk->session->log().witnesses().kept().has_value());
}

TEST_F(WitnessTest, CountsUpToFiveMinutesFromTheFutureAndNotBeyond) {
  broker_.witnesses_ahead = std::chrono::seconds(audit::cosignature_ahead_seconds_max);
  auto desk = connected("r.bellerive");
  EXPECT_EQ(standing(*desk), Standing::fresh);
  broker_.witnesses_ahead += std::chrono::seconds(1);
  auto other = connected("ged.un");
  EXPECT_EQ(standing(*other), Standing::stale);
}

TEST_F(WitnessTest, ThatDoesNotVerifyIsRefusedAndKept) {
  auto desk = this->desk("r.bellerive");
  std::string shown;
  broker_.bend = [&](const protocol::Request&, protocol::ReplyBody& reply) {
    auto* hello = std::get_if<protocol::HelloReply>(&reply);
    if (hello == nullptr) return;
    auto note = audit::parse_note(hello->checkpoint);
    note->signatures.at(2).signature.back() ^= 1;
    hello->checkpoint = shown = audit::to_text(*note);
  };
  auto refused = connect(*desk);
  EXPECT_FAILS_WITH(refused, LocalCode::receipt_invalid);
  auto evidence = read_file(refused.error().evidence, 1 << 20);
  ASSERT_TRUE(evidence.has_value());
  EXPECT_EQ(as_text(*evidence), shown);
  EXPECT_FALSE(*desk->profile.store().checkpoint()) << "nothing was taken from it";
}

TEST_F(WitnessTest, OfALaterInvitationReplacesTheFormerOnes) {
  auto desk = connected("r.bellerive");
  EXPECT_EQ(standing(*desk), Standing::fresh);
  world_.witnesses.clear();
  world_.add_witnesses(2, 2);
  ASSERT_TRUE(desk->profile.accept_invitation(protocol::to_text(world_.invitation("r.bellerive"))).has_value());
  broker_.witnesses_answering = 0;
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_EQ(standing(*desk), Standing::stale) << "what others cosigned is nothing to the new ones";
  broker_.witnesses_answering = 2;
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_EQ(standing(*desk), Standing::fresh);
}

// ---- what stops without it -------------------------------------------------------------------------------------

TEST_F(WitnessTest, WithoutItNothingIsSealedAndNothingIsLost) {
  broker_.witnesses_answering = 1;
  auto desk = connected("r.bellerive");
  const OutboxItem item = put(*desk);
  EXPECT_EQ(item.state, OutboxState::queued);
  auto report = flush(*desk);
  EXPECT_FALSE(report.stopped);
  ASSERT_EQ(report.done.size(), 1U);
  ASSERT_TRUE(report.done[0].failure.has_value());
  EXPECT_TRUE(client::is(*report.done[0].failure, LocalCode::log_stale));
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::queued);
  EXPECT_EQ(broker_.submits, 0U);
  broker_.witnesses_answering = 2;
  ASSERT_TRUE(desk->session->refresh().has_value());
  report = flush(*desk);
  EXPECT_FALSE(report.done.at(0).failure);
  EXPECT_EQ(broker_.accepted(*find(*desk, item.id).exchange), 1U);
}

TEST_F(WitnessTest, WithoutItWhatWasSealedBeforeIsSentAndReceiptsAndReadingGoOn) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = put(*desk);
  ASSERT_EQ(item.state, OutboxState::sealed);
  broker_.witnesses_answering = 0;
  clock_.advance(protocol::cosigned_age_max + a_moment);
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_EQ(standing(*desk), Standing::stale);
  EXPECT_FALSE(flush(*desk).stopped);
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::receipted);
  auto reader = connected("ged.un");
  auto headers = client::Inbox(*reader->session).refresh("ged/89");
  ASSERT_TRUE(headers.has_value()) << why(headers);
  EXPECT_EQ(headers->size(), 1U);
  auto opened = client::open_exchange(*reader->session, *item.exchange, {});
  EXPECT_TRUE(opened.has_value()) << why(opened);
}

TEST_F(WitnessTest, SealsWithoutAConnectionForADayAfterTheLastCosignature) {
  auto desk = connected("r.bellerive");
  desk->session.reset();
  clock_.advance(protocol::cosigned_age_max);
  EXPECT_EQ(put(*desk).state, OutboxState::sealed);
  clock_.advance(a_moment);
  const OutboxItem late = put(*desk);
  EXPECT_EQ(late.state, OutboxState::queued);
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_FALSE(flush(*desk).stopped);
  EXPECT_EQ(broker_.accepted(*find(*desk, late.id).exchange), 1U);
}

TEST_F(WitnessTest, SealsToNoVersionOfTheDirectoryTheWitnessesHaveNotSeen) {
  auto desk = connected("r.bellerive");
  broker_.witnesses_answering = 0;
  world_.enrol("ged.trois", {protocol::Role::membre_ged}, "douanes-89", "89", {"ged/89"});
  broker_.publish(world_.sign_version(clock_.now()));
  ASSERT_TRUE(connect(*desk).has_value());
  ASSERT_EQ(desk->session->directory().number(), DirectoryNumber{2});
  EXPECT_EQ(standing(*desk), Standing::fresh);
  EXPECT_FAILS_WITH(desk->session->check_sealing(milliseconds(0)), LocalCode::log_stale);
  EXPECT_EQ(put(*desk).state, OutboxState::queued);
  broker_.witnesses_answering = 3;
  EXPECT_TRUE(desk->session->check_sealing(milliseconds(200)).has_value()) << "asks again while they answer";
  EXPECT_EQ(put(*desk).state, OutboxState::sealed);
}

TEST_F(WitnessTest, SealsToNoVersionOfAShardTheWitnessesHaveNotSeen) {
  auto desk = connected("r.bellerive");
  broker_.witnesses_answering = 0;
  broker_.end_shard("2027-1");
  world_.enrol("ged.trois", {protocol::Role::membre_ged}, "douanes-89", "89", {"ged/89"});
  broker_.publish(world_.sign_version(clock_.now()));
  ASSERT_TRUE(connect(*desk).has_value());
  ASSERT_EQ(desk->session->directory().number(), DirectoryNumber{2});
  EXPECT_FAILS_WITH(desk->session->check_sealing(milliseconds(0)), LocalCode::log_stale);
  EXPECT_EQ(put(*desk).state, OutboxState::queued);
}

TEST_F(WitnessTest, SealsToNoVersionThatOnlyAForkedLogProved) {
  auto desk = connected("r.bellerive");
  MemoryBroker aside = broker_;
  world_.enrol("ged.trois", {protocol::Role::membre_ged}, "douanes-89", "89", {"ged/89"});
  const SignedVersion second = world_.sign_version(clock_.now());
  aside.publish(second);
  // The directory comes from a log nobody else sees; its checkpoint stays to be compared.
  broker_.instead = [&](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    if (!std::holds_alternative<protocol::GetDirectory>(request.body)) return std::nullopt;
    return aside.handle(desk->keys.current.public_identity().curve, request);
  };
  broker_.bend = [&](const protocol::Request&, protocol::ReplyBody& reply) {
    auto* hello = std::get_if<protocol::HelloReply>(&reply);
    if (hello == nullptr) return;
    hello->directory = DirectoryNumber{2};
    hello->directory_digest = protocol::directory_digest(audit::parse_note(second.note)->text);
  };
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_FAILS_WITH(desk->session->check_sealing(milliseconds(0)), LocalCode::log_stale);
  for (int i = 0; i < 3; ++i) broker_.add_noise_leaf();
  EXPECT_FAILS_WITH(desk->session->check_log(), LocalCode::log_forked);
  broker_.instead = {};
  EXPECT_EQ(put(*desk).state, OutboxState::queued) << "the fork is known, and the version stands in no log";
}

// ---- a late log and one put back -------------------------------------------------------------------------------

TEST_F(WitnessTest, AwayMakesALogLateAndNotRolledBack) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = receipted_unseen(*desk);
  clock_.advance(std::chrono::hours(2));
  auto done = connect(*desk);
  ASSERT_TRUE(done.has_value()) << why(done);
  EXPECT_FALSE((*desk->profile.store().outbox_row(item.id))->form.empty()) << "not compared yet";
  broker_.witnesses_answering = 3;
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_TRUE((*desk->profile.store().outbox_row(item.id))->form.empty());
}

TEST_F(WitnessTest, P10ThatCosignASmallerTreeLaterShowThatTheLogWasRolledBack) {
  auto desk = connected("r.bellerive");
  MemoryBroker yesterday = broker_;
  const OutboxItem item = receipted_unseen(*desk);
  shown_ = &yesterday;
  clock_.advance(client::foreign_grace + std::chrono::seconds(audit::cosignature_ahead_seconds_max));
  ASSERT_TRUE(connect(*desk).has_value()) << "by the witnesses' clocks this may be before the receipt";
  clock_.advance(std::chrono::seconds(1));
  EXPECT_FAILS_WITH(connect(*desk), LocalCode::log_shrunk);
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::sealed) << "it waits for another receipt";
}

// ---- receipts --------------------------------------------------------------------------------------------------

TEST_F(WitnessTest, ConfirmsAReceiptAtALaterFlush) {
  auto desk = connected("r.bellerive");
  const OutboxItem before = receipted_unseen(*desk);
  EXPECT_EQ(broker_.upgrades, 0U) << "what is not published yet is not asked for";
  EXPECT_FALSE(cosignatures_of(before).quorum_at.has_value());
  auto old = client::verify_receipt_file(before.receipt, world_.log, world_.log_key.public_key());
  clock_.advance(std::chrono::minutes(5));
  broker_.witnesses_answering = 2;
  ASSERT_TRUE(connect(*desk).has_value());
  const auto report = flush(*desk);
  EXPECT_FALSE(report.stopped);
  ASSERT_EQ(report.cosigned.size(), 1U);
  const OutboxItem after = find(*desk, before.id);
  EXPECT_EQ(after.state, OutboxState::cosigned);
  EXPECT_EQ(after.receipt, before.receipt);
  EXPECT_EQ(after.cosigned_at, clock_.now());
  const client::Cosignatures seen = cosignatures_of(after);
  EXPECT_EQ(seen.quorum_at, clock_.now());
  ASSERT_EQ(seen.by.size(), 2U);
  EXPECT_EQ(seen.by[0].witness, "w1");
  auto now = client::verify_receipt_file(after.receipt, world_.log, world_.log_key.public_key());
  ASSERT_TRUE(old.has_value() && now.has_value());
  EXPECT_EQ(now->exchange, before.exchange);
  EXPECT_EQ(now->receipt.record, old->receipt.record);
  EXPECT_EQ(now->receipt.index, old->receipt.index);
  EXPECT_TRUE(flush(*desk).cosigned.empty()) << "once";
  EXPECT_EQ(broker_.upgrades, 1U);
}

TEST_F(WitnessTest, ConfirmsNothingWithoutTheQuorum) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = receipted_unseen(*desk);
  broker_.witnesses_answering = 1;
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_TRUE(flush(*desk).cosigned.empty());
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::receipted);
  // Nor where only what is proven lacks it.
  broker_.witnesses_answering = 3;
  ASSERT_TRUE(connect(*desk).has_value());
  broker_.bend = [](const protocol::Request&, protocol::ReplyBody& reply) {
    auto* proven = std::get_if<protocol::Proven>(&reply);
    if (proven == nullptr) return;
    auto note = audit::parse_note(proven->proof.checkpoint);
    note->signatures.resize(2);
    proven->proof.checkpoint = audit::to_text(*note);
  };
  EXPECT_TRUE(flush(*desk).cosigned.empty());
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::receipted);
}

TEST_F(WitnessTest, ConfirmsAReceiptOfAShardThatEndedFirst) {
  auto desk = connected("r.bellerive");
  const OutboxItem late = receipted_unseen(*desk);
  const OutboxItem later = receipted_unseen(*desk);
  broker_.end_shard("2027-1");
  broker_.witnesses_answering = 3;
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_TRUE(flush(*desk).cosigned.empty()) << "the new shard's witnesses say nothing of how the old one ended";
  EXPECT_EQ(broker_.upgrades, 0U) << "and no receipt is asked for";
  broker_.witnesses_answering = 2;
  broker_.cosign_ended();
  // Whatever the current shard has by now: it is as large as the other's first leaves only.
  broker_.witnesses_answering = 0;
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_EQ(flush(*desk).cosigned.size(), 2U);
  for (const OutboxItem& each : {late, later}) {
    const OutboxItem after = find(*desk, each.id);
    EXPECT_EQ(after.state, OutboxState::cosigned);
    auto receipt = client::verify_receipt_file(after.receipt, world_.log, world_.log_key.public_key());
    ASSERT_TRUE(receipt.has_value()) << why(receipt);
    EXPECT_EQ(receipt->origin, world_.log + "/2026-1");
    EXPECT_TRUE(cosignatures_of(after).quorum_at.has_value());
  }
  EXPECT_EQ(broker_.upgrades, 2U);
}

TEST_F(WitnessTest, SaysWhichReceiptsARollbackKeepsFromBeingConfirmed) {
  auto desk = connected("r.bellerive");
  const OutboxItem standing = receipted_unseen(*desk);
  MemoryBroker backup = broker_;
  const OutboxItem lost = receipted_unseen(*desk);
  const std::string last = broker_.checkpoint();
  backup.roll_back(last, world_.sign_order(backup.order_over(last, "2026-2"), 2), "2026-2");
  shown_ = &backup;
  backup.witnesses_answering = 3;
  ASSERT_TRUE(connect(*desk).has_value());
  static_cast<void>(flush(*desk));
  ASSERT_TRUE(connect(*desk).has_value());
  static_cast<void>(flush(*desk));
  EXPECT_EQ(find(*desk, standing.id).state, OutboxState::receipted);
  EXPECT_EQ(find(*desk, lost.id).state, OutboxState::cosigned) << "sent again, into the shard that follows";
  EXPECT_EQ(client::Outbox(desk->profile, clock_).kept_from_a_rollback().value(), 1U);
  // Where a quorum saw no more than what stands, it confirms that.
  backup.cosign_ended();
  EXPECT_EQ(flush(*desk).cosigned.size(), 1U);
  EXPECT_EQ(client::Outbox(desk->profile, clock_).kept_from_a_rollback().value(), 0U);
}

TEST_F(WitnessTest, OnAnEndedShardThatDoesNotVerifyIsKept) {
  auto desk = connected("r.bellerive");
  static_cast<void>(receipted_unseen(*desk));
  broker_.end_shard("2027-1");
  broker_.witnesses_answering = 3;
  ASSERT_TRUE(connect(*desk).has_value());
  broker_.cosign_ended();
  broker_.bend = [](const protocol::Request&, protocol::ReplyBody& reply) {
    auto* shard = std::get_if<protocol::ShardReply>(&reply);
    if (shard == nullptr) return;
    auto note = audit::parse_note(shard->closed);
    note->signatures.back().signature[20] ^= 1;
    shard->closed = audit::to_text(*note);
  };
  const auto report = flush(*desk);
  ASSERT_TRUE(report.stopped);
  EXPECT_TRUE(is(*report.stopped, LocalCode::receipt_invalid));
  EXPECT_TRUE(std::filesystem::exists(report.stopped->evidence));
}

TEST_F(WitnessTest, ConfirmsManyReceiptsInOneGo) {
  auto desk = connected("r.bellerive");
  for (int i = 0; i < 40; ++i) (void)put(*desk, "Corvelle " + std::string(1, static_cast<char>('a' + i % 26)));
  broker_.witnesses_answering = 0;
  EXPECT_EQ(flush(*desk).done.size(), 40U);
  broker_.witnesses_answering = 3;
  auto upgraded = client::Outbox(desk->profile, clock_).upgrade(*desk->session);
  ASSERT_TRUE(upgraded.has_value()) << why(upgraded);
  EXPECT_EQ(upgraded->size(), 40U);
  EXPECT_GT(desk->connection->in_flight_most, 8U);
}

TEST_F(WitnessTest, AsksOnAfterAFewRefusalsAndNotAfterMany) {
  auto desk = connected("r.bellerive");
  for (int i = 0; i < 40; ++i) (void)put(*desk, "Corvelle " + std::string(1, static_cast<char>('a' + i % 26)));
  broker_.witnesses_answering = 0;
  EXPECT_EQ(flush(*desk).done.size(), 40U);
  broker_.witnesses_answering = 3;
  std::size_t refusals = 0;
  std::size_t refused = 0;
  broker_.bend = [&](const protocol::Request& request, protocol::ReplyBody& reply) {
    if (!std::holds_alternative<protocol::Prove>(request.body) || refused == refusals) return;
    ++refused;
    reply = protocol::Refusal{Code::not_found, {}, 0};
  };
  refusals = 100;
  auto upgraded = client::Outbox(desk->profile, clock_).upgrade(*desk->session);
  ASSERT_TRUE(upgraded.has_value()) << why(upgraded);
  EXPECT_TRUE(upgraded->empty());
  EXPECT_LT(refused, protocol::refusals_per_minute_max);
  refused = 0;
  refusals = 3;
  upgraded = client::Outbox(desk->profile, clock_).upgrade(*desk->session);
  ASSERT_TRUE(upgraded.has_value()) << why(upgraded);
  EXPECT_EQ(upgraded->size(), 37U);
}

TEST_F(WitnessTest, KeepsWhatTheSenderWasShownOfTheRecord) {
  auto desk = connected("ged.un");  // sits in the queue it writes to: asked now it would be shown other fields
  const OutboxItem item = receipted_unseen(*desk);
  broker_.witnesses_answering = 3;
  ASSERT_TRUE(connect(*desk).has_value());
  ASSERT_EQ(flush(*desk).cosigned.size(), 1U);
  auto receipt = client::verify_receipt_file(find(*desk, item.id).receipt, world_.log, world_.log_key.public_key());
  ASSERT_TRUE(receipt.has_value());
  EXPECT_NE(receipt->receipt.record.find("actor"), nullptr);
  EXPECT_EQ(receipt->receipt.record.find("number"), nullptr);
}

TEST_F(WitnessTest, RefusesASecondLeafForWhatWasReceipted) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = receipted_unseen(*desk);
  const std::uint64_t leaf = broker_.size().value - 1;
  const LeafIndex second = broker_.add_record(audit::LeafType::collecte, broker_.record(leaf));
  broker_.witnesses_answering = 3;
  broker_.bend = [&](const protocol::Request&, protocol::ReplyBody& reply) {
    if (auto* proven = std::get_if<protocol::Proven>(&reply)) {
      proven->proof = broker_.prove(second, {"act", "outcome", "exchange"}, &broker_.published());
    }
  };
  ASSERT_TRUE(connect(*desk).has_value());
  const auto report = flush(*desk);
  ASSERT_TRUE(report.stopped.has_value());
  EXPECT_TRUE(client::is(*report.stopped, LocalCode::receipt_invalid));
  EXPECT_TRUE(std::filesystem::exists(report.stopped->evidence));
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::receipted);
}

TEST_F(WitnessTest, ThatDoesNotVerifyConfirmsNoReceiptAndIsKept) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = receipted_unseen(*desk);
  broker_.witnesses_answering = 3;
  ASSERT_TRUE(connect(*desk).has_value());
  broker_.bend = [](const protocol::Request&, protocol::ReplyBody& reply) {
    auto* proven = std::get_if<protocol::Proven>(&reply);
    if (proven == nullptr) return;
    auto note = audit::parse_note(proven->proof.checkpoint);
    note->signatures.at(3).signature.back() ^= 1;
    proven->proof.checkpoint = audit::to_text(*note);
  };
  const auto report = flush(*desk);
  ASSERT_TRUE(report.stopped.has_value());
  EXPECT_TRUE(client::is(*report.stopped, LocalCode::receipt_invalid));
  EXPECT_TRUE(std::filesystem::exists(report.stopped->evidence));
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::receipted);
}

TEST_F(WitnessTest, WritesAnewAReceiptFileThatIsGone) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = receipted_unseen(*desk);
  std::filesystem::remove(item.receipt);
  broker_.witnesses_answering = 3;
  ASSERT_TRUE(connect(*desk).has_value());
  ASSERT_EQ(flush(*desk).cosigned.size(), 1U);
  EXPECT_TRUE(cosignatures_of(find(*desk, item.id)).quorum_at.has_value());
}

TEST_F(WitnessTest, KeepsTheEnvelopeForFiveWeeksMore) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = receipted_unseen(*desk);
  broker_.witnesses_answering = 3;
  ASSERT_TRUE(connect(*desk).has_value());
  ASSERT_EQ(flush(*desk).cosigned.size(), 1U);
  clock_.advance(protocol::cosigned_envelope_life);
  (void)flush(*desk);
  EXPECT_TRUE(has_envelope(*desk, item.id));
  clock_.advance(a_moment);
  (void)flush(*desk);
  EXPECT_FALSE(has_envelope(*desk, item.id));
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::cosigned);
}

TEST_F(WitnessTest, NeverConfirmedKeepsTheEnvelope) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = receipted_unseen(*desk);
  clock_.advance(2 * protocol::cosigned_envelope_life);
  (void)flush(*desk);
  EXPECT_TRUE(has_envelope(*desk, item.id));
}

// ---- a profile of an older program -----------------------------------------------------------------------------

TEST_F(WitnessTest, ComesIntoAProfileOfFormatTwoWithNothingLost) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = receipted_unseen(*desk);
  broker_.witnesses_answering = 3;
  ASSERT_TRUE(connect(*desk).has_value());
  clock_.advance(std::chrono::hours(24 * 15));  // April: the month's key is not known
  const OutboxItem waiting = put(*desk, "Attente");
  ASSERT_EQ(waiting.state, OutboxState::queued);
  clock_.set(spring);
  // Nobody holds it open while it is put back.
  desk->session.reset();
  ScratchFolder elsewhere;
  const std::filesystem::path file = elsewhere.path() / "state.db";
  std::filesystem::copy(desk->folder.path(), elsewhere.path(),
                        std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing);
  const std::vector<std::string> todays = columns_of(file);
  const int todays_format = format_of(file);
  put_back_to_format(file, 2);
  ASSERT_EQ(format_of(file), 2);
  ASSERT_NE(columns_of(file), todays);

  auto profile = client::Profile::open(elsewhere.path());
  ASSERT_TRUE(profile.has_value()) << why(profile);
  EXPECT_EQ(format_of(file), todays_format);
  EXPECT_EQ(columns_of(file), todays);
  client::Outbox outbox(*profile, clock_);
  EXPECT_EQ((*outbox.find(item.id))->state, OutboxState::receipted);
  EXPECT_EQ((*outbox.find(item.id))->exchange, item.exchange);
  EXPECT_EQ((*outbox.find(waiting.id))->state, OutboxState::queued);
  EXPECT_EQ(outbox.put(client::draft_of(report(), "ged/89"), desk->keys)->state, OutboxState::queued)
      << "nothing tells where its directory stands in the log";

  auto session =
      client::Session::open(*profile, desk->keys, clock_,
                            std::make_unique<MemoryConnection>(shown_, desk->keys.current.public_identity().curve));
  ASSERT_TRUE(session.has_value()) << why(session);
  auto flushed = outbox.flush(**session);
  ASSERT_TRUE(flushed.has_value() && !flushed->stopped);
  const auto listed = outbox.list();
  ASSERT_TRUE(listed.has_value());
  for (const OutboxItem& each : *listed) EXPECT_EQ(each.state, OutboxState::cosigned) << each.id;
  EXPECT_EQ(broker_.exchange_count(), 3U);
}

TEST_F(WitnessTest, RefusesAProfileOfALaterFormat) {
  auto desk = this->desk("r.bellerive");
  ScratchFolder elsewhere;
  std::filesystem::copy(desk->folder.path(), elsewhere.path(),
                        std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing);
  set_format(elsewhere.path() / "state.db", 99);
  auto profile = client::Profile::open(elsewhere.path());
  EXPECT_FAILS_WITH(profile, LocalCode::profile_later);
}

// ---- what an auditor asks of the newest checkpoint -------------------------------------------------------------

class HeartbeatTest : public WitnessTest {
 protected:
  Outcome<void> heartbeat(Desk& desk, milliseconds age_max = protocol::cosigned_age_warned) {
    if (auto checked = desk.session->check_log(); !checked) return checked;
    return desk.session->log().witnesses().check_shown(age_max, clock_.now());
  }
};

TEST_F(HeartbeatTest, IsGoodWhileTheQuorumSigns) {
  auto desk = connected("auditeur");
  EXPECT_TRUE(heartbeat(*desk).has_value());
  clock_.advance(std::chrono::hours(5));
  EXPECT_TRUE(heartbeat(*desk).has_value());
}

TEST_F(HeartbeatTest, FailsWithoutACosignature) {
  broker_.witnesses_answering = 0;
  auto desk = connected("auditeur");
  EXPECT_FAILS_WITH(heartbeat(*desk), LocalCode::log_stale);
}

TEST_F(HeartbeatTest, FailsOnAnOldCosignature) {
  auto desk = connected("auditeur");
  broker_.witnesses_answering = 0;
  clock_.advance(protocol::cosigned_age_warned);
  EXPECT_TRUE(heartbeat(*desk).has_value());
  clock_.advance(a_moment);
  EXPECT_FAILS_WITH(heartbeat(*desk), LocalCode::log_stale);
  EXPECT_TRUE(heartbeat(*desk, std::chrono::hours(1)).has_value());
}

TEST_F(HeartbeatTest, FailsOnACosignatureFromTheFuture) {
  broker_.witnesses_ahead = std::chrono::seconds(audit::cosignature_ahead_seconds_max + 1);
  auto desk = connected("auditeur");
  EXPECT_FAILS_WITH(heartbeat(*desk), LocalCode::log_stale);
}

TEST_F(HeartbeatTest, FailsWithOneOfAQuorumOfTwo) {
  auto desk = connected("auditeur");
  broker_.witnesses_answering = 1;
  EXPECT_FAILS_WITH(heartbeat(*desk), LocalCode::log_stale) << "though an earlier one was cosigned by both";
}

TEST_F(HeartbeatTest, ListsWhatNoTreeCommitsToYet) {
  auto desk = connected("auditeur");
  const std::uint64_t published = broker_.size().value;
  broker_.witnesses_answering = 0;
  for (std::size_t i = 0; i <= protocol::records_items_max; ++i) broker_.add_noise_leaf();
  ASSERT_TRUE(desk->session->check_log().has_value());
  auto tail = client::read_unproven(*desk->session);
  ASSERT_TRUE(tail.has_value()) << why(tail);
  EXPECT_EQ(tail->count, protocol::records_items_max + 1);
  ASSERT_FALSE(tail->records.empty());
  EXPECT_LE(tail->records.size(), protocol::records_items_max);
  EXPECT_EQ(tail->records.front().index, LeafIndex{published});
  EXPECT_EQ(tail->records.front().leaf.type, audit::LeafType::refus);
}

}  // namespace
}  // namespace pli::testing
