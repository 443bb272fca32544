#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <set>

#include "base/file.hpp"
#include "client/receipts.hpp"
#include "client/upload_part.hpp"
#include "crypto/hash.hpp"
#include "protocol/limits.hpp"
#include "tests/client/sitting.hpp"

namespace pli::testing {
namespace {

using client::OutboxItem;
using client::OutboxState;

class OutboxTest : public Sitting {
 protected:
  OutboxItem put(Desk& desk, const protocol::Form& form = report(), const std::string& queue = "ged/89") {
    client::Outbox outbox(desk.profile, clock_);
    auto item = outbox.put(client::draft_of(form, queue), desk.keys);
    EXPECT_TRUE(item.has_value()) << why(item);
    return item ? *item : OutboxItem{};
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
  void change_ged() {
    world_.enrol("ged.trois", {protocol::Role::membre_ged}, "douanes-89", "89", {"ged/89"});
    broker_.publish(world_.sign_version(clock_.now()));
  }
};

TEST_F(OutboxTest, SendsAndKeepsAReceiptThatVerifiesOffline) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = put(*desk);
  EXPECT_EQ(item.state, OutboxState::sealed);
  const auto report = flush(*desk);
  ASSERT_FALSE(report.stopped);
  ASSERT_EQ(report.done.size(), 1U);
  EXPECT_EQ(broker_.accepted(*item.exchange), 1U);
  const OutboxItem sent = find(*desk, item.id);
  EXPECT_EQ(sent.state, OutboxState::receipted);
  auto receipt = client::verify_receipt_file(sent.receipt, world_.log, world_.log_key.public_key());
  ASSERT_TRUE(receipt.has_value()) << why(receipt);
  EXPECT_EQ(receipt->exchange, item.exchange);
  EXPECT_EQ(receipt->receipt.record.find("recipients"), nullptr) << "a sender's receipt does not show the recipients";
}

TEST_F(OutboxTest, DestroysTheFormOnceTheReceiptIsVerified) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = put(*desk);
  EXPECT_FALSE((*desk->profile.store().outbox_row(item.id))->form.empty());
  static_cast<void>(flush(*desk));
  EXPECT_TRUE((*desk->profile.store().outbox_row(item.id))->form.empty());
  EXPECT_TRUE((*desk->profile.store().outbox_row(item.id))->envelope.has_value()) << "a later shard may lack it";
}

TEST_F(OutboxTest, KeepsNothingInClearOnTheDisk) {
  auto desk = connected("r.bellerive");
  static_cast<void>(put(*desk, report("Nomtresreconnaissable")));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(desk->folder.path())) {
    if (!entry.is_regular_file()) continue;
    auto bytes = read_file(entry.path(), 64 << 20);
    ASSERT_TRUE(bytes.has_value());
    EXPECT_EQ(as_text(*bytes).find("Nomtresreconnaissable"), std::string_view::npos) << entry.path();
    EXPECT_EQ(as_text(*bytes).find("Un fait"), std::string_view::npos) << entry.path();
  }
}

TEST_F(OutboxTest, SealsOfflineFromWhatWasLastVerified) {
  auto desk = connected("r.bellerive");
  desk->session.reset();
  const OutboxItem item = put(*desk);
  EXPECT_EQ(item.state, OutboxState::sealed);
  EXPECT_EQ(broker_.submits, 0U);
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_EQ(flush(*desk).done.at(0).item.exchange, item.exchange);
}

TEST_F(OutboxTest, QueuesTheFormOnFirstUseOfflineAndSealsItLater) {
  auto desk = this->desk("r.bellerive");  // nothing was ever fetched
  const OutboxItem item = put(*desk);
  EXPECT_EQ(item.state, OutboxState::queued);
  EXPECT_FALSE(item.exchange.has_value());
  ASSERT_TRUE(connect(*desk).has_value());
  const auto report = flush(*desk);
  ASSERT_EQ(report.done.size(), 1U);
  EXPECT_EQ(report.done[0].item.state, OutboxState::receipted);
  EXPECT_EQ(broker_.accepted(*find(*desk, item.id).exchange), 1U);
}

TEST_F(OutboxTest, QueuesTheFormWhenTheMonthsReleaseKeyIsNotKnown) {
  auto desk = connected("r.bellerive");
  clock_.advance(std::chrono::hours(24 * 15));  // April; the directory is still in force
  EXPECT_EQ(put(*desk).state, OutboxState::queued);
}

TEST_F(OutboxTest, QueuesTheFormWhenTheDirectoryHasExpired) {
  auto desk = connected("r.bellerive");
  desk->session.reset();
  clock_.advance(std::chrono::hours(24 * 31));
  EXPECT_EQ(put(*desk).state, OutboxState::queued);
}

TEST_F(OutboxTest, KeepsTheFormForAQueueThatIsNotShownEvenConnected) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = put(*desk, report(), "ged/21");  // a queue not in sight: kept as a form
  EXPECT_EQ(item.state, OutboxState::queued);
  const auto report = flush(*desk);
  ASSERT_EQ(report.done.size(), 1U);
  ASSERT_TRUE(report.done[0].failure.has_value());
  EXPECT_TRUE(client::is(*report.done[0].failure, LocalCode::queue_unknown));
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::queued) << "nothing queued is ever lost";
}

TEST(DraftOfAForm, SaysInItsAddressWhatTheFormSaysOfIt) {
  auto form = protocol::Form::from_json(
      R"({"type": "agrement", "qualite": "service", "avis": "accord", "echange": ")" + to_hex(Digest{7}) + "\"}",
      nullptr, nullptr);
  ASSERT_TRUE(form);
  EXPECT_EQ(client::draft_of(*form, "ged/89").in_reply_to, Digest{7});
  using Attributes = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(client::draft_of(*form, "ged/89").attributes, (Attributes{{"avis", "accord"}}));
  form = protocol::Form::from_json(
      R"({"type": "information_nominative", "cas": ")" +
          std::string(protocol::choices_of(protocol::Kind::information_nominative, "cas").front()) +
          R"(", "valable_jusqu_au": "2026-03-12", "personnes": [{"categorie": "personne_signalee"}],
            "faits": [{"date": "2025-01-01", "connaissance": "rapporte", "description": "x"}]})",
      nullptr, nullptr);
  ASSERT_TRUE(form);
  EXPECT_EQ(client::draft_of(*form, "ged/89").attributes, (Attributes{{"date", "2026-03-12"}}));
  form = protocol::Form::from_json(R"({"type": "recevabilite", "avis": "recevable"})", nullptr, nullptr);
  ASSERT_TRUE(form);
  const client::Draft draft = client::draft_of(*form, "ged/89");
  EXPECT_EQ(draft.in_reply_to, Digest{});
  EXPECT_EQ(draft.attributes, (Attributes{{"avis", "recevable"}}));
}

TEST_F(OutboxTest, RefusesADraftThatCouldNeverBeSent) {
  auto desk = connected("r.bellerive");
  client::Outbox outbox(desk->profile, clock_);
  client::Draft draft = client::draft_of(report(), "ged/89");
  draft.case_id = Digest{1};
  EXPECT_FAILS_WITH(outbox.put(draft, desk->keys), LocalCode::bad_form);
  draft = client::draft_of(report(), "nowhere");
  EXPECT_FAILS_WITH(outbox.put(draft, desk->keys), LocalCode::bad_form);
  draft = client::draft_of(report(), "ged/89");
  draft.handling = {"burn-after-reading"};
  EXPECT_FAILS_WITH(outbox.put(draft, desk->keys), LocalCode::bad_form);
  draft = client::draft_of(report(), "ged/89");
  draft.kind = protocol::Kind::complement;
  EXPECT_FAILS_WITH(outbox.put(draft, desk->keys), LocalCode::bad_form);
  EXPECT_TRUE(outbox.list()->empty());
}

// ---- receipts and the log everybody sees -----------------------------------------------------------------------

TEST_F(OutboxTest, P7KeepsTheFormUntilTheReceiptsCheckpointIsCompared) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = put(*desk);
  desk->connection->lose_after(2);  // the receipt comes, the log does not
  EXPECT_TRUE(flush(*desk).stopped.has_value());
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::receipted);
  EXPECT_FALSE((*desk->profile.store().outbox_row(item.id))->form.empty());
  broker_.add_noise_leaf();
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_TRUE((*desk->profile.store().outbox_row(item.id))->form.empty());
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::receipted);
}

TEST_F(OutboxTest, P7KeepsTheFormWhileTheReceiptIsAheadOfWhatIsPublished) {
  auto desk = connected("r.bellerive");
  const std::string published = broker_.checkpoint();
  const OutboxItem item = put(*desk);
  broker_.bend = [&](const protocol::Request&, protocol::ReplyBody& reply) {
    if (auto* shown = std::get_if<protocol::CheckpointReply>(&reply)) *shown = {published, {}};
  };
  EXPECT_FALSE(flush(*desk).stopped);
  EXPECT_FALSE((*desk->profile.store().outbox_row(item.id))->form.empty());
  broker_.bend = {};
  ASSERT_TRUE(desk->session->check_log().has_value());
  EXPECT_TRUE((*desk->profile.store().outbox_row(item.id))->form.empty());
}

TEST_F(OutboxTest, P7PutsBackWhatWasReceiptedByALogNobodyElseSees) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = put(*desk);
  MemoryBroker aside = broker_;
  aside.bend = [&](const protocol::Request&, protocol::ReplyBody& reply) {
    if (std::holds_alternative<protocol::Accepted>(reply)) shown_ = &broker_;
  };
  for (int i = 0; i < 5; ++i) broker_.add_noise_leaf();
  shown_ = &aside;
  const auto report = flush(*desk);
  ASSERT_TRUE(report.stopped.has_value());
  EXPECT_TRUE(client::is(*report.stopped, LocalCode::log_forked)) << why(*report.stopped);
  EXPECT_TRUE(std::filesystem::exists(report.stopped->evidence));
  ASSERT_EQ(report.done.size(), 1U);
  EXPECT_EQ(report.done[0].item.state, OutboxState::sealed);
  EXPECT_TRUE(report.done[0].failure.has_value());
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::sealed);
  EXPECT_FALSE((*desk->profile.store().outbox_row(item.id))->form.empty());
  const auto first = read_file(client::receipt_path(desk->profile, *item.exchange), protocol::receipt_bytes_max);
  ASSERT_TRUE(connect(*desk).has_value()) << "the alarm stands, the log goes on";
  const auto again = flush(*desk);
  EXPECT_FALSE(again.stopped);
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::receipted);
  EXPECT_EQ(find(*desk, item.id).exchange, item.exchange);
  EXPECT_EQ(broker_.accepted(*item.exchange), 1U);
  EXPECT_TRUE((*desk->profile.store().outbox_row(item.id))->form.empty());
  // The receipt of the other log still proves that there was one.
  bool kept = false;
  for (const auto& file : std::filesystem::directory_iterator(desk->folder.path() / "evidence")) {
    const auto bytes = read_file(file.path(), 1 << 20);
    kept = kept || (bytes && *bytes == *first);
  }
  EXPECT_TRUE(kept);
}

TEST_F(OutboxTest, TellsAReceiptFromTheProofOfAnythingElse) {
  auto desk = connected("r.bellerive");
  const protocol::ExchangeId id = send_report(*desk, report());
  auto receipt =
      client::verify_receipt_file(client::receipt_path(desk->profile, id), world_.log, world_.log_key.public_key());
  ASSERT_TRUE(receipt.has_value()) << why(receipt);
  EXPECT_TRUE(receipt->of_submission());
  auto reader = connected("ged.un");
  auto opened = client::open_exchange(*reader->session, id, {});
  ASSERT_TRUE(opened.has_value()) << why(opened);
  auto written = client::write_receipt(reader->profile, id, opened->opening.receipt);
  ASSERT_TRUE(written.has_value()) << why(written);
  auto other = client::verify_receipt_file(*written, world_.log, world_.log_key.public_key());
  ASSERT_TRUE(other.has_value()) << "an opening is proven likewise: " << why(other);
  EXPECT_FALSE(other->of_submission());
}

// ---- what became stale -----------------------------------------------------------------------------------------

TEST_F(OutboxTest, SealsAgainWhatTheRosterOutran) {
  auto desk = connected("r.bellerive");
  desk->session.reset();
  const OutboxItem item = put(*desk);
  change_ged();
  ASSERT_TRUE(connect(*desk).has_value());
  const auto report = flush(*desk);
  ASSERT_FALSE(report.stopped);
  ASSERT_EQ(report.done.size(), 1U);
  EXPECT_TRUE(report.done[0].resealed);
  const OutboxItem sent = find(*desk, item.id);
  EXPECT_EQ(sent.state, OutboxState::receipted);
  EXPECT_NE(sent.exchange, item.exchange);
  EXPECT_EQ(sent.replaced, std::vector<protocol::ExchangeId>{*item.exchange});
  EXPECT_EQ(broker_.accepted(*item.exchange), 0U);
  EXPECT_EQ(broker_.accepted(*sent.exchange), 1U);
  EXPECT_EQ(broker_.exchange_count(), 1U);
  // The newcomer reads it.
  auto reader = connected("ged.trois");
  auto opened = client::open_exchange(*reader->session, *sent.exchange, {});
  ASSERT_TRUE(opened.has_value()) << why(opened);
}

protocol::Form complement() {
  auto form = protocol::Form::from_json(
      R"({"type": "complement", "personnes": [], "faits": [{"date": "2025-03-14", "connaissance": "rapporte",)"
      R"( "description": "Un fait de plus, inventé."}]})",
      nullptr, nullptr);
  EXPECT_TRUE(form.has_value());
  return std::move(*form);
}

TEST_F(OutboxTest, P8AComplementFollowsItsReportEvenUnderTheIdAResealingGaveIt) {
  auto desk = connected("r.bellerive");
  desk->session.reset();
  const OutboxItem first = put(*desk);
  client::Draft draft = client::draft_of(complement(), "ged/89");
  draft.case_id = *first.exchange;
  draft.in_reply_to = *first.exchange;
  auto second = client::Outbox(desk->profile, clock_).put(draft, desk->keys);
  ASSERT_TRUE(second.has_value()) << why(second);
  ASSERT_EQ(second->state, OutboxState::sealed);
  change_ged();
  ASSERT_TRUE(connect(*desk).has_value());
  const auto report = flush(*desk);
  ASSERT_FALSE(report.stopped);
  const OutboxItem opened = find(*desk, first.id);
  const OutboxItem followed = find(*desk, second->id);
  ASSERT_EQ(opened.state, OutboxState::receipted);
  ASSERT_EQ(followed.state, OutboxState::receipted);
  ASSERT_NE(opened.exchange, first.exchange);
  EXPECT_EQ(followed.case_id, *opened.exchange);
  const auto row = desk->profile.store().outbox_row(second->id);
  const auto address = protocol::decode_address((*row)->envelope->address);
  ASSERT_TRUE(address.has_value());
  EXPECT_EQ(address->case_id, *opened.exchange);
  EXPECT_EQ(address->in_reply_to, *opened.exchange);
  EXPECT_EQ(broker_.submits, 3U) << "the report, the report sealed again, and only then the complément";
}

TEST_F(OutboxTest, WhatDependsOnAReportThatCannotLeaveWaitsWithIt) {
  auto desk = connected("r.bellerive");
  const OutboxItem first = put(*desk);
  client::Draft draft = client::draft_of(complement(), "ged/89");
  draft.case_id = *first.exchange;
  auto second = client::Outbox(desk->profile, clock_).put(draft, desk->keys);
  ASSERT_TRUE(second.has_value());
  broker_.refuse_submit = [](const protocol::Address&) { return protocol::Refusal{Code::clock_skew, "", 0}; };
  const auto report = flush(*desk);
  ASSERT_EQ(report.done.size(), 2U);
  EXPECT_TRUE(client::is(*report.done[1].failure, LocalCode::awaits_case)) << why(*report.done[1].failure);
  EXPECT_EQ(broker_.submits, 1U);
  broker_.refuse_submit = {};
  ASSERT_FALSE(flush(*desk).stopped);
  EXPECT_EQ(find(*desk, first.id).state, OutboxState::receipted);
  EXPECT_EQ(find(*desk, second->id).state, OutboxState::receipted);
}

TEST_F(OutboxTest, SaysOfAnInstanceWithoutMembersThatNobodySitsThere) {
  ASSERT_TRUE(world_.draft().change_seats("clir.un", {}).has_value());
  ASSERT_TRUE(world_.draft().change_seats("secretariat", {"ged/89"}).has_value());
  broker_.publish(world_.sign_version(clock_.now()));
  auto desk = connected("r.bellerive");
  const OutboxItem vacant = put(*desk, report(), "clir/89");
  EXPECT_EQ(vacant.state, OutboxState::queued) << "kept, and nothing sealed to nobody";
  const OutboxItem unknown = put(*desk, report(), "ged/21");
  const auto report = flush(*desk);
  ASSERT_FALSE(report.stopped);
  ASSERT_EQ(report.done.size(), 2U);
  EXPECT_TRUE(client::is(*report.done[0].failure, LocalCode::queue_vacant)) << why(*report.done[0].failure);
  EXPECT_TRUE(client::is(*report.done[1].failure, LocalCode::queue_unknown)) << why(*report.done[1].failure);
  ASSERT_TRUE(client::Outbox(desk->profile, clock_).discard(unknown.id).has_value());
  ASSERT_TRUE(world_.draft().change_seats("clir.un", {"clir/89"}).has_value());
  broker_.publish(world_.sign_version(clock_.now()));
  ASSERT_TRUE(connect(*desk).has_value());
  ASSERT_FALSE(flush(*desk).stopped);
  EXPECT_EQ(find(*desk, vacant.id).state, OutboxState::receipted) << "it goes once somebody sits there";
}

TEST_F(OutboxTest, SealsAgainWhenTheReleaseKeyIsGone) {
  auto desk = connected("r.bellerive");
  desk->session.reset();
  const OutboxItem item = put(*desk);
  broker_.drop_release_key();
  ASSERT_TRUE(connect(*desk).has_value());
  const auto report = flush(*desk);
  ASSERT_EQ(report.done.size(), 1U);
  EXPECT_TRUE(report.done[0].resealed);
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::receipted);
}

TEST_F(OutboxTest, SealsAgainOnceWhenTheReleaseKeyIsAnother) {
  auto desk = connected("r.bellerive");
  int refusals = 1;
  broker_.instead = [&](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    if (!std::holds_alternative<protocol::Submit>(request.body) || refusals-- <= 0) return std::nullopt;
    return protocol::Refusal{Code::invalid, "release", 0};
  };
  const OutboxItem mended = put(*desk);
  const auto report = flush(*desk);
  ASSERT_EQ(report.done.size(), 1U);
  EXPECT_TRUE(report.done[0].resealed);
  EXPECT_EQ(find(*desk, mended.id).state, OutboxState::receipted);
  // A broker that goes on saying so is told apart from a key that was lost.
  refusals = 2;
  const OutboxItem refused = put(*desk);
  static_cast<void>(flush(*desk));
  EXPECT_EQ(find(*desk, refused.id).state, OutboxState::refused);
  broker_.instead = {};
}

TEST_F(OutboxTest, NeverSealsAgainWhatWasAccepted) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = put(*desk);
  desk->connection->lose_after(1);  // accepted, but the receipt is lost on the way
  const auto cut = flush(*desk);
  EXPECT_TRUE(cut.stopped.has_value());
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::sent);
  EXPECT_EQ(broker_.accepted(*item.exchange), 1U);
  change_ged();
  ASSERT_TRUE(connect(*desk).has_value());
  const auto report = flush(*desk);
  ASSERT_EQ(report.done.size(), 1U);
  EXPECT_TRUE(report.done[0].duplicate);
  EXPECT_FALSE(report.done[0].resealed);
  EXPECT_EQ(find(*desk, item.id).exchange, item.exchange);
  EXPECT_EQ(broker_.exchange_count(), 1U);
}

TEST_F(OutboxTest, DoesNotSealForEverForABrokerThatCallsEverythingStale) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = put(*desk);
  broker_.instead = [](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    if (std::holds_alternative<protocol::Submit>(request.body)) return protocol::Refusal{Code::stale_directory, {}, 0};
    return std::nullopt;
  };
  const auto report = flush(*desk);
  EXPECT_LE(broker_.submits, 6U);
  ASSERT_EQ(report.done.size(), 1U);
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::queued);
  broker_.instead = {};
  ASSERT_EQ(flush(*desk).done.size(), 1U);
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::receipted);
}

TEST_F(OutboxTest, ReadsTheFormWithTheKeyItWasSealedTo) {
  auto desk = this->desk("r.bellerive");
  const OutboxItem item = put(*desk);  // as a form, to the present key
  crypto::Identity renewed = crypto::Identity::generate();
  ASSERT_TRUE(world_.draft().renew(protocol::make_card(renewed, spring, &desk->keys.current)).has_value());
  broker_.publish(world_.sign_version(spring));
  desk->keys.former.push_back(std::move(desk->keys.current));
  desk->keys.current = std::move(renewed);
  ASSERT_TRUE(connect(*desk).has_value());
  static_cast<void>(flush(*desk));
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::receipted);
}

/// Gives this desk new keys, as after a renewal published.
class RenewedTest : public OutboxTest {
 protected:
  void renew(Desk& desk) {
    crypto::Identity renewed = crypto::Identity::generate();
    ASSERT_TRUE(world_.draft().renew(protocol::make_card(renewed, spring, &desk.keys.current)).has_value());
    broker_.publish(world_.sign_version(spring));
    desk.keys.former.push_back(std::move(desk.keys.current));
    desk.keys.current = std::move(renewed);
    ASSERT_TRUE(connect(desk).has_value());
  }
};

TEST_F(RenewedTest, SealsAgainWhatAFormerKeySigned) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = put(*desk);
  renew(*desk);
  static_cast<void>(flush(*desk));
  const OutboxItem sent = find(*desk, item.id);
  EXPECT_EQ(sent.state, OutboxState::receipted);
  EXPECT_EQ(sent.replaced, std::vector<protocol::ExchangeId>{*item.exchange});
  EXPECT_EQ(broker_.exchange_count(), 1U);
}

TEST_F(RenewedTest, DoesNotSendTwiceWhatWasAcceptedBeforeTheRenewal) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = put(*desk);
  desk->connection->lose_after(1);  // accepted; the receipt is lost on the way
  EXPECT_TRUE(flush(*desk).stopped.has_value());
  renew(*desk);
  const auto report = flush(*desk);
  ASSERT_EQ(report.done.size(), 1U);
  EXPECT_TRUE(report.done[0].duplicate);
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::receipted);
  EXPECT_EQ(find(*desk, item.id).exchange, item.exchange);
  EXPECT_EQ(broker_.exchange_count(), 1U);
}

TEST_F(RenewedTest, StopsWhenTheMemberIsRevoked) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = put(*desk);
  ASSERT_TRUE(world_.draft().revoke("r.bellerive", spring).has_value());
  broker_.publish(world_.sign_version(spring));
  const auto report = flush(*desk);
  ASSERT_TRUE(report.stopped.has_value());
  EXPECT_TRUE(client::is(*report.stopped, Code::revoked));
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::sealed);
}

// ---- refusals --------------------------------------------------------------------------------------------------

TEST_F(OutboxTest, KeepsWhatTheBrokerRefusesUntilItIsDiscarded) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = put(*desk);
  broker_.instead = [](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    if (std::holds_alternative<protocol::Submit>(request.body)) return protocol::Refusal{Code::forbidden, "depot", 0};
    return std::nullopt;
  };
  const auto report = flush(*desk);
  ASSERT_EQ(report.done.size(), 1U);
  EXPECT_TRUE(client::is(*report.done[0].failure, Code::forbidden));
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::refused);
  EXPECT_EQ(find(*desk, item.id).last_refusal->subject, "depot");
  broker_.instead = {};
  EXPECT_TRUE(flush(*desk).done.empty()) << "what was refused is not sent again by itself";
  client::Outbox outbox(desk->profile, clock_);
  ASSERT_TRUE(outbox.discard(item.id).has_value());
  EXPECT_TRUE(outbox.list()->empty());
}

TEST_F(OutboxTest, SendsARefusedItemAgainWhenTold) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = put(*desk);
  broker_.instead = [](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    if (std::holds_alternative<protocol::Submit>(request.body)) return protocol::Refusal{Code::forbidden, "depot", 0};
    return std::nullopt;
  };
  client::Outbox outbox(desk->profile, clock_);
  EXPECT_FAILS_WITH(outbox.retry(item.id), LocalCode::usage);
  static_cast<void>(flush(*desk));
  broker_.instead = {};
  auto again = outbox.retry(item.id);
  ASSERT_TRUE(again.has_value()) << why(again);
  EXPECT_EQ(again->state, OutboxState::queued);
  static_cast<void>(flush(*desk));
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::receipted);
  EXPECT_EQ(find(*desk, item.id).replaced.size(), 1U);
}

TEST_F(OutboxTest, WaitsForAnAuthorityThatIsLate) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = put(*desk);
  broker_.instead = [](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    if (std::holds_alternative<protocol::Submit>(request.body))
      return protocol::Refusal{Code::forbidden, "annuaire.expire", 0};
    return std::nullopt;
  };
  EXPECT_TRUE(flush(*desk).stopped.has_value());
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::sealed);
}

TEST_F(OutboxTest, NeverDiscardsWhatMayHaveBeenAccepted) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = put(*desk);
  EXPECT_FAILS_WITH(client::Outbox(desk->profile, clock_).discard(item.id), LocalCode::usage);
}

TEST_F(OutboxTest, StopsWhereTheBrokerCannotAndGoesOnLater) {
  auto desk = connected("r.bellerive");
  const OutboxItem first = put(*desk);
  const OutboxItem second = put(*desk);
  broker_.instead = [](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    if (std::holds_alternative<protocol::Submit>(request.body)) return protocol::Refusal{Code::log_unavailable, {}, 0};
    return std::nullopt;
  };
  const auto report = flush(*desk);
  ASSERT_TRUE(report.stopped.has_value());
  EXPECT_TRUE(client::is(*report.stopped, Code::log_unavailable));
  broker_.instead = {};
  EXPECT_EQ(flush(*desk).done.size(), 2U);
  EXPECT_EQ(find(*desk, first.id).state, OutboxState::receipted);
  EXPECT_EQ(find(*desk, second.id).exchange, second.exchange);
}

TEST_F(OutboxTest, WaitsOutABusyBroker) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = put(*desk);
  int busy = 3;
  broker_.instead = [&](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    if (std::holds_alternative<protocol::Submit>(request.body) && busy-- > 0)
      return protocol::Refusal{Code::busy, {}, 1};
    return std::nullopt;
  };
  static_cast<void>(flush(*desk));
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::receipted);
  EXPECT_EQ(broker_.submits, 4U);
}

TEST_F(OutboxTest, DatesAnewWhatWasSealedUnderAWrongClock) {
  auto desk = connected("r.bellerive");
  desk->session.reset();
  clock_.advance(std::chrono::hours(2));
  const OutboxItem item = put(*desk);
  clock_.set(spring);  // the clock was two hours ahead
  ASSERT_TRUE(connect(*desk).has_value());
  const auto first = flush(*desk);
  ASSERT_EQ(first.done.size(), 1U);
  EXPECT_TRUE(client::is(*first.done[0].failure, Code::clock_skew));
  static_cast<void>(flush(*desk));
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::receipted);
}

// ---- receipts that are none ------------------------------------------------------------------------------------

TEST_F(OutboxTest, ForgetsNothingForAReceiptThatProvesNothing) {
  const std::vector<std::function<void(MemoryBroker&, protocol::Accepted&)>> lies = {
      [](MemoryBroker&, protocol::Accepted& accepted) { accepted.proof.disclosure.back() ^= 1; },
      [](MemoryBroker&, protocol::Accepted& accepted) { accepted.proof.proof.pop_back(); },
      [](MemoryBroker&, protocol::Accepted& accepted) { accepted.proof.index = LeafIndex{0}; },
      [](MemoryBroker&, protocol::Accepted& accepted) { accepted.proof.checkpoint[2] ^= 1; },
      [](MemoryBroker& broker, protocol::Accepted& accepted) { accepted.proof = broker.prove(LeafIndex{1}, {"act"}); },
      [](MemoryBroker&, protocol::Accepted& accepted) { accepted.exchange[0] ^= 1; },
      [](MemoryBroker& broker, protocol::Accepted& accepted) {
        accepted.proof = broker.prove(accepted.proof.index, {"act", "outcome"});  // hides what it is for
      },
      [](MemoryBroker& broker, protocol::Accepted& accepted) {  // hides under which conditions it was taken
        accepted.proof = broker.prove(accepted.proof.index, {"act", "exchange", "outcome"});
      },
      [](MemoryBroker& broker, protocol::Accepted& accepted) {
        audit::Record record = audit::new_record();  // and claims one its sender never asked for
        record.add("act", "submit");
        record.add("exchange", accepted.exchange);
        record.add("handling", "no-copy-to:douanes-89");
        record.add("outcome", "ok");
        accepted.proof = broker.prove(broker.add_record(audit::LeafType::collecte, record),
                                      {"act", "exchange", "outcome", "handling"});
      },
      [](MemoryBroker& broker, protocol::Accepted& accepted) {
        audit::Record refusal = audit::new_record();  // the proof of a refusal, for the same exchange
        refusal.add("act", "submit");
        refusal.add("exchange", accepted.exchange);
        refusal.add("outcome", "FORBIDDEN");
        accepted.proof =
            broker.prove(broker.add_record(audit::LeafType::refus, refusal), {"act", "exchange", "outcome"});
      },
  };
  for (std::size_t i = 0; i < lies.size(); ++i) {
    auto desk = connected("r.bellerive");
    const OutboxItem item = put(*desk);
    broker_.bend = [&](const protocol::Request&, protocol::ReplyBody& reply) {
      if (auto* accepted = std::get_if<protocol::Accepted>(&reply)) lies[i](broker_, *accepted);
    };
    const auto report = flush(*desk);
    ASSERT_TRUE(report.stopped.has_value()) << i;
    EXPECT_TRUE(client::is(*report.stopped, LocalCode::receipt_invalid)) << i << why(*report.stopped);
    EXPECT_EQ(find(*desk, item.id).state, OutboxState::sent) << i;
    EXPECT_FALSE((*desk->profile.store().outbox_row(item.id))->form.empty()) << i;
    EXPECT_FALSE(std::filesystem::exists(client::receipt_path(desk->profile, *item.exchange))) << i;
    broker_.bend = {};
    static_cast<void>(flush(*desk));
    EXPECT_EQ(find(*desk, item.id).state, OutboxState::receipted) << i;
  }
}

TEST_F(OutboxTest, P8BelievesNoReceiptThatSaysOtherwiseThanWasSentOrByWhom) {
  // The record as it ought to be, but for one field by which a place could be hidden from whom it concerns.
  for (const auto& [field, value] :
       std::vector<std::pair<std::string, std::string>>{{"", ""},
                                                        {"actor", "ged.un"},
                                                        {"person", "ged.un"},
                                                        {"organisation", "police-89"},
                                                        {"queue", "clir/89"},
                                                        {"kind", "complement"},
                                                        {"handling", "no-copy-to:police-89"}}) {
    auto desk = connected("r.bellerive");
    const OutboxItem item = put(*desk);
    broker_.bend = [&, name = field, other = value](const protocol::Request&, protocol::ReplyBody& reply) {
      auto* accepted = std::get_if<protocol::Accepted>(&reply);
      if (accepted == nullptr) return;
      audit::Record record = broker_.record(accepted->proof.index.value);
      std::vector<std::string_view> shown;
      for (audit::Field& each : record.fields) {
        if (each.name == name) each.value = to_bytes(other);
        if (each.name != "number" && each.name != "head" && each.name != "recipients") shown.push_back(each.name);
      }
      accepted->proof = broker_.prove(broker_.add_record(audit::LeafType::collecte, record), shown);
    };
    const auto report = flush(*desk);
    broker_.bend = {};
    if (field.empty()) {
      EXPECT_FALSE(report.stopped.has_value()) << "the same record again: " << why(*report.stopped);
      continue;
    }
    ASSERT_TRUE(report.stopped.has_value()) << field;
    EXPECT_TRUE(client::is(*report.stopped, LocalCode::receipt_invalid)) << field << " " << why(*report.stopped);
    EXPECT_TRUE(std::filesystem::exists(report.stopped->evidence)) << field;
    EXPECT_EQ(find(*desk, item.id).state, OutboxState::sent) << field;
  }
}

TEST_F(OutboxTest, AReceiptFileWithAnyByteChangedDoesNotVerify) {
  auto desk = connected("r.bellerive");
  const protocol::ExchangeId id = send_report(*desk, report());
  const auto path = client::receipt_path(desk->profile, id);
  auto bytes = read_file(path, protocol::receipt_bytes_max);
  ASSERT_TRUE(bytes.has_value());
  for (std::size_t i = 0; i < bytes->size(); ++i) {
    Bytes damaged = *bytes;
    damaged[i] ^= 1;
    ASSERT_TRUE(write_file_durably(path, damaged, FileMode::owner_only).has_value());
    EXPECT_FALSE(client::verify_receipt_file(path, world_.log, world_.log_key.public_key()).has_value()) << i;
  }
}

TEST_F(OutboxTest, AReceiptOfAnotherLogDoesNotVerify) {
  auto desk = connected("r.bellerive");
  const auto path = client::receipt_path(desk->profile, send_report(*desk, report()));
  EXPECT_FAILS_WITH(client::verify_receipt_file(path, "pli.exemple.fr/pli/21", world_.log_key.public_key()),
                    LocalCode::receipt_invalid);
  EXPECT_FAILS_WITH(client::verify_receipt_file(path, world_.log, crypto::SigningKey::generate().public_key()),
                    LocalCode::receipt_invalid);
}

// ---- many and large --------------------------------------------------------------------------------------------

TEST_F(OutboxTest, KeepsManyInFlight) {
  auto desk = connected("r.bellerive");
  for (int i = 0; i < 50; ++i) static_cast<void>(put(*desk));
  const auto report = flush(*desk);
  EXPECT_EQ(report.done.size(), 50U);
  EXPECT_GT(desk->connection->in_flight_most, 8U);
  EXPECT_EQ(broker_.exchange_count(), 50U);
}

TEST_F(OutboxTest, SendsALargeAttachmentInChunks) {
  auto desk = connected("r.bellerive");
  const protocol::ExchangeId id = send_report(*desk, report("Corvelle", 3'000'000));
  EXPECT_GT(broker_.chunks, 60U);
  auto reader = connected("ged.un");
  auto opened = client::open_exchange(*reader->session, id, {});
  ASSERT_TRUE(opened.has_value()) << why(opened);
  ASSERT_TRUE(opened->form.has_value());
  ASSERT_EQ(opened->form->attachments().size(), 1U);
  EXPECT_EQ(opened->form->attachments()[0].bytes.size(), 3'000'000U);
}

TEST_F(OutboxTest, ResumesAnUploadWhereItBroke) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = put(*desk, report("Corvelle", 3'000'000));
  desk->connection->lose_after(30);
  EXPECT_TRUE(flush(*desk).stopped.has_value());
  const std::size_t before = broker_.chunks;
  ASSERT_TRUE(connect(*desk).has_value());
  static_cast<void>(flush(*desk));
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::receipted);
  const std::size_t whole = (item.bytes + protocol::chunk_bytes_max - 1) / protocol::chunk_bytes_max;
  EXPECT_LE(broker_.chunks - before, whole - before + 2) << "what the broker has is not sent again";
}

TEST_F(OutboxTest, TellsHowFarALargeOneHasCome) {
  auto desk = connected("r.bellerive");
  static_cast<void>(put(*desk, report("Corvelle", 500'000)));
  std::vector<std::uint64_t> seen;
  std::uint64_t whole = 0;
  auto flushed =
      client::Outbox(desk->profile, clock_).flush(*desk->session, [&](std::uint64_t sent, std::uint64_t total) {
        seen.push_back(sent);
        whole = total;
      });
  ASSERT_TRUE(flushed.has_value());
  ASSERT_GT(seen.size(), 5U);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_EQ(seen.back(), whole);
}

TEST_F(OutboxTest, OneProgramSendsAtATime) {
  auto desk = connected("r.bellerive");
  static_cast<void>(put(*desk));
  auto held = desk->profile.lock();
  ASSERT_TRUE(held.has_value());
  EXPECT_FAILS_WITH(client::Outbox(desk->profile, clock_).flush(*desk->session), LocalCode::queued);
}

TEST_F(OutboxTest, ALockThatCannotBeTakenIsNoOtherProgram) {
  auto desk = connected("r.bellerive");
  const OutboxItem item = put(*desk);
  std::filesystem::remove(desk->folder.path() / "lock");
  std::filesystem::create_directory(desk->folder.path() / "lock");
  EXPECT_FAILS_WITH(client::Outbox(desk->profile, clock_).flush(*desk->session), LocalCode::local_store);
  EXPECT_EQ(find(*desk, item.id).state, OutboxState::sealed);
}

// ---- kill -9 ---------------------------------------------------------------------------------------------------

/// Runs `work` in another process and kills it after so many bytes it wrote to its pipe; what it wrote.
std::string run_and_kill(std::size_t after_bytes, const std::function<void(int)>& work) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    work(ends[1]);
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string text;
  char byte = 0;
  while (text.size() < after_bytes && ::read(ends[0], &byte, 1) == 1) text += byte;
  ::kill(child, SIGKILL);
  while (::read(ends[0], &byte, 1) == 1) text += byte;
  int status = 0;
  ::waitpid(child, &status, 0);
  ::close(ends[0]);
  return text;
}

TEST_F(OutboxTest, P8KeepsEveryItemItSaidOkToThroughKill9) {
  auto desk = connected("r.bellerive");
  desk->session.reset();
  std::size_t promised = 0;
  for (int round = 0; round < 5; ++round) {
    const std::string lines = run_and_kill(7 + static_cast<std::size_t>(round) * 9, [&](int out) {
      auto profile = client::Profile::open(desk->folder.path());
      client::Outbox outbox(*profile, clock_);
      while (true) {
        auto item = outbox.put(client::draft_of(report(), "ged/89"), desk->keys);
        if (!item) return;
        const std::string line = std::to_string(item->id) + "\n";
        if (::write(out, line.data(), line.size()) < 0) return;
      }
    });
    auto items = client::Outbox(desk->profile, clock_).list();
    ASSERT_TRUE(items.has_value()) << why(items);
    std::set<std::int64_t> kept;
    for (const OutboxItem& item : *items) kept.insert(item.id);
    std::size_t from = 0;
    for (std::size_t end; (end = lines.find('\n', from)) != std::string::npos; from = end + 1) {
      EXPECT_EQ(kept.count(std::stoll(lines.substr(from, end - from))), 1U);
      ++promised;
    }
  }
  EXPECT_GT(promised, 5U);
  ASSERT_TRUE(connect(*desk).has_value());
  const auto report = flush(*desk);
  EXPECT_FALSE(report.stopped);
  EXPECT_GE(report.done.size(), promised);
  EXPECT_EQ(broker_.exchange_count(), report.done.size()) << "each once";
}

}  // namespace
}  // namespace pli::testing
