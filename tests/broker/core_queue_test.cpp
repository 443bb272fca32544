#include <algorithm>

#include "protocol/limits.hpp"
#include "tests/broker/core_fixture.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;
using protocol::Kind;

class Queues : public CoreTest {
 protected:
  protocol::Items list(const std::string& member, const std::string& queue, QueueNumber after = {},
                       std::uint32_t items_max = 64) {
    const auto reply = house.ask(member, protocol::List{queue, after, items_max});
    EXPECT_EQ(refusal_in(reply), "");
    return refusal_in(reply).empty() ? std::get<protocol::Items>(reply) : protocol::Items{};
  }
  /// Pushes and answers for one peer, in order.
  static std::vector<protocol::Pushed> pushed_to(const broker::BatchOutcome& outcome, const broker::Peer& peer) {
    std::vector<protocol::Pushed> out;
    for (const broker::Outgoing& each : outcome.outgoing)
      if (each.peer == peer && std::holds_alternative<protocol::Pushed>(each.reply.body))
        out.push_back(std::get<protocol::Pushed>(each.reply.body));
    return out;
  }
  broker::BatchOutcome apply_one(const std::string& member, broker::VerifiedBody body, int connection = 0) {
    std::vector<broker::VerifiedRequest> batch;
    batch.push_back(house.request(member, std::move(body), connection));
    auto outcome = house.apply(std::move(batch));
    EXPECT_TRUE(outcome.has_value());
    return *std::move(outcome);
  }
  protocol::Follow following(std::uint32_t credit, QueueNumber after = {}) { return {{{"ged/89", after}}, credit}; }
};

TEST_F(Queues, P8EachIsAChainItsMembersCanWalk) {
  std::vector<Sealed> sent;
  for (int i = 0; i < 5; ++i) sent.push_back(accept({}));
  const protocol::Items items = list("ged.1", "ged/89");
  ASSERT_EQ(items.items.size(), 5U);
  audit::QueueHead head = audit::queue_start(department.log(), "ged/89");
  for (std::size_t i = 0; i < sent.size(); ++i) {
    const protocol::QueueItem& item = items.items[i];
    EXPECT_EQ(item.exchange, sent[i].id);
    EXPECT_EQ(item.address, sent[i].envelope.address);
    EXPECT_EQ(item.seal, sent[i].envelope.seal);
    EXPECT_TRUE(audit::verify_link(head, item.exchange, item.head));
    head = item.head;
  }
  EXPECT_EQ(items.head, head);
  EXPECT_FALSE(items.more);
}

TEST_F(Queues, AMembersProofNamesTheSameNumberAndHead) {
  const Sealed sent = accept({});
  const auto reply = house.ask("ged.1", protocol::Prove{sent.id});
  const audit::Receipt receipt = verified(std::get<protocol::Proven>(reply).proof);
  const protocol::QueueItem item = list("ged.1", "ged/89").items.front();
  EXPECT_EQ(as_text(*receipt.record.find("number")), std::to_string(item.head.number.value));
  EXPECT_EQ(*receipt.record.find("head"), to_bytes(ByteView(item.head.head)));
  EXPECT_EQ(*receipt.record.find("exchange"), to_bytes(ByteView(sent.id)));
  EXPECT_EQ(receipt.record.find("person"), nullptr);
}

TEST_F(Queues, TheSendersProofIsTheReceiptAgainAndAnAuditorsIsWhole) {
  const Sealed sent = accept({});
  const auto mine = house.ask("maire.auxerre", protocol::Prove{sent.id});
  EXPECT_EQ(verified(std::get<protocol::Proven>(mine).proof).record.find("number"), nullptr);
  const auto whole = house.ask("auditeur", protocol::Prove{sent.id});
  const audit::Receipt receipt = verified(std::get<protocol::Proven>(whole).proof);
  EXPECT_NE(receipt.record.find("recipients"), nullptr);
  EXPECT_EQ(last_line().leaf.type, audit::LeafType::verification);
  EXPECT_EQ(refusal_in(house.ask("clir.1", protocol::Prove{sent.id})), "NOT_FOUND");
  EXPECT_EQ(refusal_in(house.ask("clir.1", protocol::Prove{Digest{}})), "NOT_FOUND");
}

TEST_F(Queues, AreListedInPages) {
  for (int i = 0; i < 7; ++i) accept({});
  const protocol::Items first = list("ged.1", "ged/89", {}, 3);
  EXPECT_EQ(first.items.size(), 3U);
  EXPECT_TRUE(first.more);
  const protocol::Items rest = list("ged.1", "ged/89", first.items.back().head.number);
  EXPECT_EQ(rest.items.size(), 4U);
  EXPECT_EQ(rest.items.front().head.number.value, 4U);
  EXPECT_FALSE(rest.more);
}

TEST_F(Queues, WhatWasSealedBeforeAMemberCameIsAPlaceInTheChainAndNoMore) {
  const Sealed before = accept({});
  ASSERT_EQ(refusal_in(publish(department.enrol("ged.neuf", "service-9", {protocol::Role::membre_ged}, {"ged/89"}))),
            "");
  const Sealed after = accept({});
  const protocol::Items items = list("ged.neuf", "ged/89");
  ASSERT_EQ(items.items.size(), 2U);
  EXPECT_FALSE(items.items[0].visible);
  EXPECT_TRUE(items.items[0].address.empty());
  EXPECT_TRUE(items.items[0].seal.empty());
  EXPECT_EQ(items.items[0].exchange, before.id);
  EXPECT_TRUE(items.items[1].visible);
  EXPECT_EQ(items.items[1].exchange, after.id);
  EXPECT_TRUE(audit::verify_link(items.items[0].head, after.id, items.items[1].head));
}

TEST_F(Queues, NobodyListsAQueueHeHasNoSeatIn) {
  accept({});
  EXPECT_EQ(refusal_in(house.ask("referent.auxerre", protocol::List{"ged/89", {}, 1})), "FORBIDDEN(defaut)");
  const std::string prefecture = department.organisation_queue("secretariat");
  EXPECT_EQ(refusal_in(house.ask("referent.auxerre", protocol::List{prefecture, {}, 1})), "NOT_FOUND");
  EXPECT_EQ(refusal_in(house.ask("clir.1", protocol::List{"ged/58", {}, 1})), "NOT_FOUND");
  // Instances know of each other, to pass cases on.
  EXPECT_EQ(refusal_in(house.ask("clir.1", protocol::List{"ged/89", {}, 1})), "FORBIDDEN(defaut)");
  EXPECT_EQ(refusal_in(house.ask("clir.1", protocol::Acknowledge{"ged/89", {1}})), "FORBIDDEN(defaut)");
  EXPECT_EQ(refusal_in(house.ask("clir.1", following(10))), "FORBIDDEN(defaut)");
  EXPECT_EQ(last_line().text("act"), "follow");
}

TEST_F(Queues, ACursorIsCumulativeAndSurvivesARestart) {
  for (int i = 0; i < 4; ++i) accept({});
  EXPECT_EQ(list("ged.1", "ged/89").acknowledged.value, 0U);
  EXPECT_EQ(std::get<protocol::Acknowledged>(house.ask("ged.1", protocol::Acknowledge{"ged/89", {3}})).number.value,
            3U);
  EXPECT_EQ(std::get<protocol::Acknowledged>(house.ask("ged.1", protocol::Acknowledge{"ged/89", {2}})).number.value,
            3U);
  EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::Acknowledge{"ged/89", {5}})), "INVALID(number)");
  house.restart();
  EXPECT_EQ(list("ged.1", "ged/89").acknowledged.value, 3U);
  EXPECT_EQ(list("ged.2", "ged/89").acknowledged.value, 0U);
  // Many in one batch are one row.
  std::vector<broker::VerifiedRequest> batch;
  for (std::uint64_t n = 1; n <= 4; ++n) batch.push_back(house.request("ged.2", protocol::Acknowledge{"ged/89", {n}}));
  ASSERT_TRUE(house.apply(std::move(batch)).has_value());
  EXPECT_EQ(list("ged.2", "ged/89").acknowledged.value, 4U);
  expect_whole();
}

TEST_F(Queues, AFollowerIsCaughtUpAndThenToldAsThingsArrive) {
  const Sealed first = accept({});
  const broker::BatchOutcome caught_up = apply_one("ged.1", following(100));
  ASSERT_EQ(pushed_to(caught_up, department.peer("ged.1")).size(), 1U);
  EXPECT_EQ(pushed_to(caught_up, department.peer("ged.1"))[0].items.at(0).exchange, first.id);
  EXPECT_TRUE(caught_up.outgoing.front().answers);

  const Sealed second = department.seal({});
  const broker::BatchOutcome arrived = apply_one("referent.auxerre", second.verified());
  const auto pushed = pushed_to(arrived, department.peer("ged.1"));
  ASSERT_EQ(pushed.size(), 1U);
  EXPECT_EQ(pushed[0].items.at(0).exchange, second.id);
  EXPECT_EQ(pushed[0].items.at(0).address, second.envelope.address);
  const auto push = std::find_if(arrived.outgoing.begin(), arrived.outgoing.end(),
                                 [&](const broker::Outgoing& out) { return out.peer == department.peer("ged.1"); });
  EXPECT_FALSE(push->answers);
  EXPECT_EQ(push->reply.id, caught_up.outgoing.front().reply.id);
  // What is listed and what is pushed are the same header.
  const protocol::QueueItem listed = list("ged.1", "ged/89", {1}).items.at(0);
  EXPECT_EQ(listed.head, pushed[0].items[0].head);
  EXPECT_EQ(listed.leaf, pushed[0].items[0].leaf);
  EXPECT_EQ(listed.accepted_at, pushed[0].items[0].accepted_at);
}

TEST_F(Queues, AFollowerIsSentNoMoreThanItsCredit) {
  apply_one("ged.1", following(2));
  std::vector<broker::VerifiedRequest> batch;
  for (int i = 0; i < 5; ++i) batch.push_back(house.request("referent.auxerre", department.seal({}).verified()));
  const auto outcome = house.apply(std::move(batch));
  const auto pushed = pushed_to(*outcome, department.peer("ged.1"));
  ASSERT_EQ(pushed.size(), 1U);
  EXPECT_EQ(pushed[0].items.size(), 2U);
  // Nothing more without credit; a new follow goes on from where it stands.
  EXPECT_TRUE(
      pushed_to(apply_one("referent.auxerre", department.seal({}).verified()), department.peer("ged.1")).empty());
  const auto rest = pushed_to(apply_one("ged.1", following(100, {2})), department.peer("ged.1"));
  ASSERT_EQ(rest.size(), 1U);
  EXPECT_EQ(rest[0].items.size(), 4U);
  EXPECT_EQ(rest[0].items.front().head.number.value, 3U);
}

TEST_F(Queues, ManyHeadersGoInOneMessageAndNoMessageIsTooLarge) {
  std::vector<broker::VerifiedRequest> batch;
  Draft draft;
  draft.openable = false;
  for (int i = 0; i < 150; ++i) batch.push_back(house.request("referent.auxerre", department.seal(draft).verified()));
  ASSERT_TRUE(house.apply(std::move(batch)).has_value());
  broker::BatchOutcome outcome = apply_one("ged.1", following(1000));
  while (house.core().behind()) {
    auto slice = house.core().catch_up(house.now);
    ASSERT_TRUE(slice.has_value());
    for (broker::Outgoing& push : *slice) outcome.outgoing.push_back(std::move(push));
  }
  const auto pushed = pushed_to(outcome, department.peer("ged.1"));
  EXPECT_LE(pushed.size(), 4U);
  std::uint64_t number = 0;
  for (const protocol::Pushed& each : pushed) {
    EXPECT_LE(protocol::encode(protocol::Reply{1, each}).size(), protocol::message_bytes_max);
    for (const protocol::QueueItem& item : each.items) EXPECT_EQ(item.head.number.value, ++number);
  }
  EXPECT_EQ(number, 150U);
  EXPECT_EQ(
      std::count_if(outcome.outgoing.begin(), outcome.outgoing.end(), [](const auto& out) { return out.answers; }), 1);
}

TEST_F(Queues, AFollowersRightsAreThoseOfTheMoment) {
  apply_one("ged.1", following(100));
  apply_one("ged.2", following(100));
  ASSERT_EQ(refusal_in(publish(department.revoke("ged.1", house.now))), "");
  const broker::BatchOutcome outcome = apply_one("referent.auxerre", department.seal({}).verified());
  EXPECT_TRUE(pushed_to(outcome, department.peer("ged.1")).empty());
  EXPECT_EQ(pushed_to(outcome, department.peer("ged.2")).size(), 1U);
}

TEST_F(Queues, WhoseKeyOrSeatGoesInTheSameBatchIsCaughtUpOnNothing) {
  accept({});
  const broker::Peer former = department.peer("ged.1");
  const broker::Peer unseated = department.peer("ged.2");
  std::vector<broker::VerifiedRequest> batch;
  batch.push_back(house.request("ged.1", following(100)));
  batch.push_back(house.request("ged.2", following(100)));
  batch.push_back(house.request("operateur", department.renew("ged.1")));
  batch.push_back(house.request("operateur", department.seat("ged.2", {})));
  const auto outcome = house.apply(std::move(batch));
  ASSERT_TRUE(outcome.has_value());
  for (const broker::Peer& peer : {former, unseated}) {
    const auto answer = pushed_to(*outcome, peer);
    ASSERT_EQ(answer.size(), 1U);
    EXPECT_TRUE(answer[0].items.empty());
  }
  const broker::BatchOutcome later = apply_one("referent.auxerre", department.seal({}).verified());
  EXPECT_TRUE(pushed_to(later, former).empty());
  EXPECT_TRUE(pushed_to(later, unseated).empty());
}

TEST_F(Queues, UnderADirectoryPastItsTermNothingIsDeliveredAndTheLogGoesOn) {
  const Sealed sent = accept({});
  const UnixMillis term = department.directory()->verified()->head().not_after;
  const std::vector<std::pair<const char*, broker::VerifiedBody (*)(const Digest&)>> delivery = {
      {"list",
       [](const Digest&) -> broker::VerifiedBody {
         return protocol::List{"ged/89", {}, 10};
       }},
      {"list_cases", [](const Digest&) -> broker::VerifiedBody { return protocol::ListCases{}; }},
      {"follow",
       [](const Digest&) -> broker::VerifiedBody {
         return protocol::Follow{{{"ged/89", {}}}, 10};
       }},
      {"acknowledge",
       [](const Digest&) -> broker::VerifiedBody {
         return protocol::Acknowledge{"ged/89", {1}};
       }},
      {"prove", [](const Digest& id) -> broker::VerifiedBody { return protocol::Prove{id}; }},
  };
  house.now = term - 1ms;
  const broker::VerifiedOpen opening = department.open("ged.1", sent.id, house.now);
  const protocol::GetChunk chunk{opening.id, protocol::PartKind::payload, 0, 0};
  EXPECT_EQ(refusal_in(house.ask("ged.1", department.open_again(opening))), "");
  EXPECT_EQ(refusal_in(house.ask("ged.1", chunk)), "");
  for (const auto& [name, ask] : delivery) EXPECT_EQ(refusal_in(house.ask("ged.1", ask(sent.id))), "") << name;
  house.now = term;
  for (const auto& [name, ask] : delivery)
    EXPECT_EQ(refusal_in(house.ask("ged.1", ask(sent.id))), "FORBIDDEN(annuaire.expire)") << name;
  EXPECT_EQ(refusal_in(house.ask("ged.1", chunk)), "FORBIDDEN(annuaire.expire)");
  EXPECT_EQ(refusal_in(house.ask("ged.1", department.open_again(opening))), "FORBIDDEN(annuaire.expire)");
  // What one has sent oneself, the log, the directory and what mends it.
  EXPECT_EQ(refusal_in(house.ask("referent.auxerre", protocol::Prove{sent.id})), "");
  EXPECT_EQ(refusal_in(house.ask("auditeur", protocol::Prove{sent.id})), "");
  EXPECT_EQ(refusal_in(house.ask("auditeur", protocol::GetRecords{})), "");
  EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::Hello{})), "");
  EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::GetCheckpoint{})), "");
  EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::GetDirectory{})), "");
  EXPECT_EQ(refusal_in(publish(department.renew_term(house.now + std::chrono::hours(24 * 29)))), "");
  for (const auto& [name, ask] : delivery) EXPECT_EQ(refusal_in(house.ask("ged.1", ask(sent.id))), "") << name;
}

TEST_F(Queues, EachConnectionFollowsForItselfUntilItIsGone) {
  apply_one("ged.1", following(100), 1);
  apply_one("ged.1", following(100), 2);
  house.core().forget(department.peer("ged.1", 1), std::nullopt);
  const broker::BatchOutcome outcome = apply_one("referent.auxerre", department.seal({}).verified());
  EXPECT_TRUE(pushed_to(outcome, department.peer("ged.1", 1)).empty());
  EXPECT_EQ(pushed_to(outcome, department.peer("ged.1", 2)).size(), 1U);
}

TEST_F(Queues, AFollowInTheSameBatchMissesNothingAndSeesNothingTwice) {
  std::vector<broker::VerifiedRequest> batch;
  batch.push_back(house.request("referent.auxerre", department.seal({}).verified()));
  batch.push_back(house.request("ged.1", following(100)));
  batch.push_back(house.request("referent.auxerre", department.seal({}).verified()));
  const auto outcome = house.apply(std::move(batch));
  std::vector<std::uint64_t> numbers;
  for (const protocol::Pushed& each : pushed_to(*outcome, department.peer("ged.1")))
    for (const protocol::QueueItem& item : each.items) numbers.push_back(item.head.number.value);
  EXPECT_EQ(numbers, (std::vector<std::uint64_t>{1, 2}));
}

TEST_F(Queues, LimitsOfFollowAreRefused) {
  protocol::Follow many;
  many.queues.resize(protocol::follow_queues_max + 1, {"ged/89", {}});
  EXPECT_EQ(refusal_in(house.ask("ged.1", many)), "TOO_LARGE(queues)");
  EXPECT_EQ(refusal_in(house.ask("ged.1", following(protocol::follow_credit_max + 1))), "TOO_LARGE(credit)");
}

TEST_F(Queues, CasesAreListedInPagesInTheirOrder) {
  std::vector<Digest> opened;
  Draft draft;
  draft.openable = false;
  for (int i = 0; i < 9; ++i) {
    draft.sender = i % 3 == 0 ? "referent.sens" : "referent.auxerre";
    opened.push_back(accept(draft).id);
  }
  std::vector<Digest> seen;
  Digest after{};
  while (true) {
    const auto reply = house.ask("secretariat", protocol::ListCases{after, 4});
    const auto& cases = std::get<protocol::Cases>(reply);
    for (const protocol::CaseItem& item : cases.items) seen.push_back(item.case_id);
    if (!cases.more) break;
    EXPECT_EQ(cases.next, seen.back());
    after = cases.next;
  }
  EXPECT_EQ(seen, opened);
  const auto mine = house.ask("referent.sens", protocol::ListCases{});
  EXPECT_EQ(std::get<protocol::Cases>(mine).items.size(), 3U);
}

TEST_F(Queues, ANewcomerHasTheCoreReadABoundedNumberOfCasesForEachRequest) {
  Draft draft;
  draft.openable = false;
  std::vector<broker::VerifiedRequest> batch;
  std::vector<Digest> hidden;
  for (std::size_t i = 0; i < protocol::case_rows_scanned_max; ++i) {
    const Sealed sealed = department.seal(draft);
    hidden.push_back(sealed.id);
    batch.push_back(house.request(draft.sender, sealed.verified()));
  }
  ASSERT_TRUE(house.apply(std::move(batch)).has_value());
  ASSERT_EQ(refusal_in(publish(department.enrol("ged.neuf", "service-9", {protocol::Role::membre_ged}, {"ged/89"}))),
            "");
  const Sealed shown = accept(draft);
  std::vector<Digest> seen;
  std::size_t pages = 0;
  Digest after{};
  while (true) {
    const auto reply = house.ask("ged.neuf", protocol::ListCases{after, 64});
    ASSERT_EQ(refusal_in(reply), "");
    const auto& cases = std::get<protocol::Cases>(reply);
    EXPECT_TRUE(protocol::decode_reply(protocol::encode(protocol::Reply{1, cases})).has_value());
    for (const protocol::CaseItem& item : cases.items) seen.push_back(item.case_id);
    ++pages;
    if (!cases.more) break;
    // As far as it has looked, which is half the rows: one source is his organisation, the other his instance.
    EXPECT_EQ(cases.next, hidden.at(pages * protocol::case_rows_scanned_max / 2 - 1));
    after = cases.next;
  }
  EXPECT_EQ(seen, std::vector<Digest>{shown.id});
  EXPECT_EQ(pages, 3U);
  // Where to go on is for those whose cases they are.
  EXPECT_EQ(refusal_in(house.ask("clir.1", protocol::ListCases{hidden[0], 64})), "NOT_FOUND");
  EXPECT_EQ(refusal_in(house.ask("clir.1", protocol::ListCases{Digest{7}, 64})), "NOT_FOUND");
}

}  // namespace
}  // namespace pli::testing
