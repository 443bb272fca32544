// Rights that depend on more than a role: the author of a case who also sits in its instance, what the sender asked
// for, who was revoked, who carries a directory version.
#include <algorithm>

#include "protocol/limits.hpp"
#include "tests/broker/core_fixture.hpp"

namespace pli::testing {
namespace {

using protocol::Kind;
using protocol::Role;

class Rights : public CoreTest {
 protected:
  Sealed accept_with(std::vector<std::string> handling, std::uint8_t mark) {
    Draft draft;
    draft.handling = std::move(handling);
    draft.content = Bytes(100, mark);
    return accept(draft);
  }
  std::string organisation(const char* member) { return department.member(member).organisation; }
  void enrol(const char* id, const std::string& of, std::vector<Role> roles, std::vector<std::string> seats) {
    ASSERT_EQ(refusal_in(publish(department.enrol(id, of, std::move(roles), std::move(seats)))), "");
  }
  bool sees(const std::string& member, const Digest& exchange) {
    const auto reply = house.ask(member, protocol::List{"ged/89", {}, 64});
    const auto* items = std::get_if<protocol::Items>(&reply);
    if (items == nullptr) return false;
    for (const protocol::QueueItem& item : items->items)
      if (item.exchange == exchange) return item.visible;
    return false;
  }
};

// ---- the author of a case ------------------------------------------------------------------------------------------

TEST_F(Rights, P6TheAuthorsColleagueInTheSecretariatDoesNotAnswerHisOwnCase) {
  enrol("sec.elu", organisation("referent.auxerre"), {Role::secretariat}, {"ged/89"});
  const Sealed report = accept({});
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "");
  const std::string home = department.organisation_queue("referent.auxerre");
  EXPECT_EQ(refusal_in(submit(department.seal(step(Kind::decision, "sec.elu", "ged/89", report.id)))),
            "FORBIDDEN(interdit.auteur)");
  decide(report.id);
  EXPECT_EQ(refusal_in(submit(department.seal(step(Kind::retour, "sec.elu", home, report.id)))),
            "FORBIDDEN(interdit.auteur)");
  accept(step(Kind::retour, "secretariat", home, report.id));
  expect_whole();
}

TEST_F(Rights, ASeatedMemberOfThePartyIsToldOfItsCaseInTheCommunesWordsAlone) {
  enrol("elu", organisation("referent.auxerre"), {Role::referent, Role::membre_ged}, {"ged/89"});
  const Sealed report = accept({});
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "");
  decide(report.id);
  accept(step(Kind::retour, "secretariat", department.organisation_queue("referent.auxerre"), report.id));
  EXPECT_EQ(refusal_in(submit(department.seal(step(Kind::retrait, "elu", "ged/89", report.id)))),
            "ILLEGAL_TRANSITION(examen_termine,examen_termine,complement,rectification)");
}

// ---- places hidden from a seat -------------------------------------------------------------------------------------

TEST_F(Rights, P8ANewcomerIsProvenWhomAPlaceWasSealedToAndNothingElse) {
  const Sealed report = accept({});
  enrol("ged.neuf", organisation("ged.1"), {Role::membre_ged}, {"ged/89"});
  EXPECT_FALSE(sees("ged.neuf", report.id));
  const auto reply = house.ask("ged.neuf", protocol::Prove{report.id});
  ASSERT_EQ(refusal_in(reply), "");
  const auto& proven = std::get<protocol::Proven>(reply);
  const audit::Receipt receipt = verified(proven.proof);
  protocol::Queue queue;
  queue.id = "ged/89";
  queue.keys = proven.roster;
  EXPECT_EQ(*receipt.record.find("recipients"), to_bytes(ByteView(protocol::roster_digest(queue))));
  EXPECT_TRUE(std::is_sorted(proven.roster.begin(), proven.roster.end()));
  EXPECT_EQ(std::count(proven.roster.begin(), proven.roster.end(), department.member("ged.neuf").keys.age), 0);
  EXPECT_EQ(std::count(proven.roster.begin(), proven.roster.end(), department.member("ged.1").keys.age), 1);
  for (const char* shown : {"act", "exchange", "queue", "outcome", "recipients", "number", "head"})
    EXPECT_NE(receipt.record.find(shown), nullptr) << shown;
  for (const char* kept : {"actor", "person", "organisation", "case", "kind", "handling", "directory", "signature"})
    EXPECT_EQ(receipt.record.find(kept), nullptr) << kept;
}

TEST_F(Rights, P8APlaceHiddenByItsSendersConditionShowsTheConditionAndNothingElse) {
  const Sealed report = accept_with({"ged-only", "no-copy-to:" + organisation("ged.2")}, 1);
  const auto reply = house.ask("ged.2", protocol::Prove{report.id});
  ASSERT_EQ(refusal_in(reply), "");
  EXPECT_TRUE(std::get<protocol::Proven>(reply).roster.empty());
  const audit::Receipt receipt = verified(std::get<protocol::Proven>(reply).proof);
  EXPECT_EQ(as_text(*receipt.record.find("handling")), "ged-only,no-copy-to:" + organisation("ged.2"));
  for (const char* kept : {"actor", "person", "organisation", "case", "kind", "directory", "signature"})
    EXPECT_EQ(receipt.record.find(kept), nullptr) << kept;
  const Sealed plain = accept_with({}, 2);
  const auto mine = house.ask(plain.address.sender, protocol::Prove{plain.id});
  EXPECT_EQ(as_text(*verified(std::get<protocol::Proven>(mine).proof).record.find("handling")), "-");
  expect_whole();
}

TEST_F(Rights, P8WhatAnAuthorsSideSentIsProvenToItAndWhatTheInstanceDoesIsRefusedByItsRule) {
  enrol("elu", organisation("referent.auxerre"), {Role::referent, Role::membre_ged}, {"ged/89"});
  const Sealed report = accept({});
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "");
  const Sealed decision = decide(report.id);
  EXPECT_FALSE(sees("elu", report.id));
  const auto own = house.ask("elu", protocol::Prove{report.id});
  ASSERT_EQ(refusal_in(own), "");
  const audit::Receipt receipt = verified(std::get<protocol::Proven>(own).proof);
  EXPECT_EQ(as_text(*receipt.record.find("organisation")), organisation("referent.auxerre"));
  EXPECT_EQ(as_text(*receipt.record.find("number")), "1");
  EXPECT_EQ(refusal_in(house.ask("elu", protocol::Prove{decision.id})), "FORBIDDEN(interdit.auteur)");
  const JournalLine refusal = last_line();
  EXPECT_EQ(refusal.text("act"), "prove");
  EXPECT_EQ(refusal.text("rule"), "interdit.auteur");
}

TEST_F(Rights, P8WhatAPersonSentUnderAnotherEntryIsProvenToHimInTheInstance) {
  enrol("referent.auxerre.bis", "service-elu", {Role::membre_ged}, {"ged/89"});
  const Sealed report = accept({});
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "");
  const Sealed decision = decide(report.id);
  EXPECT_FALSE(sees("referent.auxerre.bis", report.id));
  const auto own = house.ask("referent.auxerre.bis", protocol::Prove{report.id});
  ASSERT_EQ(refusal_in(own), "");
  const audit::Receipt receipt = verified(std::get<protocol::Proven>(own).proof);
  EXPECT_EQ(as_text(*receipt.record.find("person")), department.member("referent.auxerre").person);
  EXPECT_EQ(as_text(*receipt.record.find("person")), department.member("referent.auxerre.bis").person);
  EXPECT_NE(as_text(*receipt.record.find("organisation")), organisation("referent.auxerre.bis"));
  EXPECT_NE(receipt.record.find("signature"), nullptr);
  EXPECT_EQ(refusal_in(house.ask("referent.auxerre.bis", protocol::Prove{decision.id})), "FORBIDDEN(interdit.auteur)");
  // In a queue where he has no seat he is one of his organisation, and no more.
  const Sealed structure = accept(step(Kind::signalement_de_structure, "referent.auxerre", "clir/89", {}));
  EXPECT_EQ(refusal_in(house.ask("referent.auxerre.bis", protocol::Prove{structure.id})), "NOT_FOUND");
}

// ---- what the sender asked for -------------------------------------------------------------------------------------

TEST_F(Rights, P6WhoIsOfAnOrganisationNamedByNoCopyToIsShownNothingAndOpensNothing) {
  const std::string kept_out = organisation("ged.2");
  ASSERT_NE(kept_out, organisation("ged.1"));
  ASSERT_EQ(refusal_in(house.ask("ged.2", protocol::Follow{{{"ged/89", {}}}, 8})), "");
  const Sealed report = accept_with({"no-copy-to:" + kept_out}, 1);
  const Sealed plain = accept_with({}, 2);
  EXPECT_TRUE(sees("ged.1", report.id));
  EXPECT_FALSE(sees("ged.2", report.id));
  EXPECT_TRUE(sees("ged.2", plain.id));
  EXPECT_EQ(refusal_in(open("ged.2", report.id)), "FORBIDDEN(interdit.copie)");
  EXPECT_EQ(last_line().text("rule"), "interdit.copie");
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "");
  // He passes nothing on, and another's access part gives him no way in.
  EXPECT_NE(refusal_in(submit(department.seal_access("ged.2", report))), "");
  const Sealed way_in = department.seal_access("ged.1", report);
  ASSERT_EQ(refusal_in(submit(way_in)), "");
  EXPECT_FALSE(sees("ged.2", way_in.id));
  EXPECT_TRUE(sees("ged.3", way_in.id));
  EXPECT_EQ(refusal_in(open("ged.2", report.id)), "FORBIDDEN(interdit.copie)");
  expect_whole();
}

TEST_F(Rights, WhatIsPushedToAFollowerKeepsToTheSendersConditions) {
  std::vector<broker::VerifiedRequest> batch;
  batch.push_back(house.request("ged.2", protocol::Follow{{{"ged/89", {}}}, 8}));
  ASSERT_TRUE(house.apply(std::move(batch)).has_value());
  Draft draft;
  draft.handling = {"no-copy-to:" + organisation("ged.2")};
  batch.clear();
  batch.push_back(house.request(draft.sender, department.seal(draft).verified()));
  const auto outcome = house.apply(std::move(batch));
  ASSERT_TRUE(outcome.has_value());
  std::size_t pushed = 0;
  for (const broker::Outgoing& out : outcome->outgoing)
    if (const auto* headers = std::get_if<protocol::Pushed>(&out.reply.body))
      for (const protocol::QueueItem& item : headers->items) {
        ++pushed;
        EXPECT_FALSE(item.visible);
        EXPECT_TRUE(item.address.empty());
      }
  EXPECT_EQ(pushed, 1U);
}

TEST_F(Rights, P6NobodyIsAddedToTheReadersOfAnEyesOnlyExchange) {
  const Sealed report = accept_with({"eyes-only"}, 1);
  EXPECT_EQ(refusal_in(submit(department.seal_access("ged.1", report))), "FORBIDDEN(interdit.lecteurs)");
  EXPECT_EQ(refusal_in(open("ged.1", report.id)), "");
}

TEST_F(Rights, P6AGedOnlyExchangeIsTakenInTheGedAlone) {
  Draft draft;
  draft.kind = Kind::signalement_de_structure;
  draft.queue = "clir/89";
  draft.handling = {"ged-only"};
  EXPECT_EQ(refusal_in(submit(department.seal(draft))), "FORBIDDEN(interdit.hors.ged)");
  const Sealed report = accept_with({"ged-only"}, 1);
  EXPECT_EQ(refusal_in(open("ged.1", report.id)), "");
  EXPECT_EQ(refusal_in(submit(department.seal_access("ged.1", report))), "");
}

// ---- access parts --------------------------------------------------------------------------------------------------

TEST_F(Rights, OneMemberDoesNotUseUpTheAccessPartsOfAnExchange) {
  const Sealed report = accept({});
  for (std::size_t i = 0; i < protocol::access_parts_per_sender_max; ++i)
    EXPECT_EQ(refusal_in(submit(department.seal_access("ged.1", report))), "") << i;
  EXPECT_EQ(refusal_in(submit(department.seal_access("ged.1", report))), "TOO_LARGE(recipients)");
  // The others' places are still there, and so are his own for another exchange.
  EXPECT_EQ(refusal_in(submit(department.seal_access("ged.2", report))), "");
  EXPECT_EQ(refusal_in(submit(department.seal_access("ged.1", accept_with({}, 9)))), "");
}

TEST_F(Rights, AccessPartsEndAtTheirLimit) {
  const Sealed report = accept({});
  std::vector<std::string> members = {"ged.1", "ged.2", "ged.3", "secretariat"};
  while (members.size() * protocol::access_parts_per_sender_max < protocol::access_parts_max) {
    members.push_back("ged.neuf." + std::to_string(members.size()));
    enrol(members.back().c_str(), "service-neuf", {Role::membre_ged}, {"ged/89"});
  }
  std::size_t parts = 1;  // its own header
  for (const std::string& member : members)
    for (std::size_t i = 0; i < protocol::access_parts_per_sender_max && parts < protocol::access_parts_max;
         ++i, ++parts)
      ASSERT_EQ(refusal_in(submit(department.seal_access(member, report))), "") << member << " " << parts;
  EXPECT_EQ(refusal_in(submit(department.seal_access(members.back(), report))), "TOO_LARGE(recipients)");
}

// ---- revocation, and who carries a version
// ---------------------------------------------------------------------------

TEST_F(Rights, P4ARevokedMemberDoesNotOpenWhatHeHadNeverOpened) {
  const Sealed before = accept_with({}, 1);
  const Sealed unread = accept_with({}, 2);
  ASSERT_EQ(refusal_in(open("ged.1", before.id)), "");
  ASSERT_EQ(refusal_in(publish(department.revoke("ged.1", house.now))), "");
  // His key still fits the stanza; R is refused, and the refusal is a leaf.
  const std::uint64_t leaves = house.store().tree_size().value;
  EXPECT_EQ(refusal_in(open("ged.1", unread.id)), "REVOKED");
  EXPECT_EQ(house.store().tree_size().value, leaves + 1);
  const JournalLine line = last_line();
  EXPECT_EQ(line.leaf.type, audit::LeafType::refus);
  EXPECT_EQ(line.text("actor"), "ged.1");
  EXPECT_EQ(line.text("act"), "open");
  EXPECT_EQ(line.text("outcome"), "REVOKED");
  EXPECT_EQ(refusal_in(open("ged.1", before.id)), "REVOKED") << "nor again what he had";
  EXPECT_EQ(refusal_in(open("ged.2", unread.id)), "");
}

TEST_F(Rights, AnyMemberCarriesASignedVersionButNoAuditor) {
  // The last operator is gone: what mends it must still find a way in.
  ASSERT_EQ(refusal_in(publish(department.revoke("operateur", house.now))), "");
  const auto version = department.enrol("operateur.2", "prefecture", {Role::operateur}, {});
  EXPECT_EQ(refusal_in(house.ask("operateur", version)), "REVOKED");
  EXPECT_EQ(refusal_in(house.ask("auditeur", version)), "FORBIDDEN(interdit.auditeur)");
  EXPECT_EQ(refusal_in(house.ask("ged.1", version)), "");
  const JournalLine line = last_line();
  EXPECT_EQ(line.text("actor"), "ged.1");
  EXPECT_EQ(line.text("rule"), "annuaire.publication");
  EXPECT_EQ(refusal_in(house.ask("operateur.2", department.renew("ged.2"))), "");
}

}  // namespace
}  // namespace pli::testing
