// The contract and the registry of tools, as the broker holds senders to them: what they do not cover is refused and
// recorded; what was begun within them ends.
#include <chrono>

#include "tests/broker/core_fixture.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;
using protocol::Kind;
using protocol::Volet;

class CoreContract : public CoreTest {
 protected:
  void put_in_force(const protocol::Contract& contract) {
    ASSERT_EQ(refusal_in(publish(department.change_contract(contract))), "");
  }
  /// Ends it a second from now, so that the directory outlives it.
  void end_soon() {
    protocol::Contract contract = department.contract();
    contract.ends = house.now + 1s;
    put_in_force(contract);
  }
  std::string said_to(Kind kind, const std::string& sender, const std::string& queue, const Digest& case_id = {}) {
    return refusal_in(submit(department.seal(step(kind, sender, queue, case_id))));
  }
};

TEST_F(CoreContract, TakesASignalementOfItsLastMomentAndRefusesOneOfTheNext) {
  end_soon();
  house.now = house.now + 999ms;
  accept({});
  house.now = house.now + 1ms;
  EXPECT_EQ(said_to(Kind::signalement_individuel, "referent.auxerre", "ged/89"), "FORBIDDEN(interdit.apres.contrat)");
  const JournalLine line = last_line();
  EXPECT_EQ(line.leaf.type, audit::LeafType::refus);
  EXPECT_EQ(line.text("actor"), "referent.auxerre");
  EXPECT_EQ(line.text("rule"), "interdit.apres.contrat");
  EXPECT_EQ(said_to(Kind::information_de_volet, "outil.transport", "ged/89"), "FORBIDDEN(interdit.apres.contrat)");
  expect_whole();
}

TEST_F(CoreContract, RefusesUntilItsFirstMoment) {
  protocol::Contract contract = department.contract();
  contract.starts = house.now + 1s;
  put_in_force(contract);
  house.now = house.now + 999ms;
  EXPECT_EQ(said_to(Kind::signalement_individuel, "referent.auxerre", "ged/89"), "FORBIDDEN(interdit.avant.contrat)");
  house.now = house.now + 1ms;
  accept({});
}

TEST_F(CoreContract, ACaseOpenAtItsEndGoesOnToItsClosing) {
  const Sealed report = accept({});
  end_soon();
  house.now = house.now + 1s;
  const std::string home = department.organisation_queue("referent.auxerre");
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "");
  accept(step(Kind::demande_de_complement, "secretariat", home, report.id));
  accept(step(Kind::complement, "referent.auxerre", "ged/89", report.id));
  decide(report.id);
  const Sealed back = accept(step(Kind::retour, "secretariat", home, report.id));
  EXPECT_EQ(refusal_in(open("referent.auxerre", back.id)), "");
  accept(step(Kind::cloture, "secretariat", "ged/89", report.id));
  EXPECT_EQ(said_to(Kind::signalement_individuel, "referent.auxerre", "ged/89"), "FORBIDDEN(interdit.apres.contrat)");
  expect_whole();
}

TEST_F(CoreContract, ReceiptsAgainAfterItsEndWhatItTookBefore) {
  const Sealed report = accept({});
  end_soon();
  house.now = house.now + 1s;
  EXPECT_EQ(refusal_in(submit(report)), "");
}

TEST_F(CoreContract, TakesFromACommuneItCoversAndRefusesFromTheNext) {
  const Sealed before = accept(step(Kind::signalement_individuel, "referent.sens", "ged/89", {}));
  protocol::Contract contract = department.contract();
  contract.communes = {department.member("referent.auxerre").territory};
  put_in_force(contract);
  accept({});
  EXPECT_EQ(said_to(Kind::signalement_individuel, "referent.sens", "ged/89"), "FORBIDDEN(interdit.hors.territoire)");
  EXPECT_EQ(last_line().text("rule"), "interdit.hors.territoire");
  accept(step(Kind::complement, "referent.sens", "ged/89", before.id));
}

TEST_F(CoreContract, RefusesAQueueThatItsTerritoryDoesNotCover) {
  ASSERT_EQ(refusal_in(publish(department.change_contract(house.now, house.now + std::chrono::hours(1), "89024"))), "");
  EXPECT_EQ(said_to(Kind::signalement_individuel, "referent.auxerre", "ged/89"), "FORBIDDEN(interdit.hors.territoire)");
}

// ---- the registry of tools ---------------------------------------------------------------------------------------

class CoreTools : public CoreContract {
 protected:
  const std::string home = department.organisation_queue("outil.transport");

  void put_in_force(const protocol::Tool& tool) { ASSERT_EQ(refusal_in(publish(department.register_tool(tool))), ""); }
  [[nodiscard]] protocol::Tool registered() const { return *department.directory()->tool("outil.transport"); }
  /// An information, and the answer to it.
  Sealed answered() {
    information = accept(step(Kind::information_de_volet, "outil.transport", "ged/89", {})).id;
    EXPECT_EQ(refusal_in(open("ged.1", information)), "");
    decide(information);
    return accept(step(Kind::retour, "secretariat", home, information));
  }
  std::size_t cases_shown() {
    return std::get<protocol::Cases>(house.ask("outil.transport", protocol::ListCases{})).items.size();
  }

  Digest information{};
};

TEST_F(CoreTools, PostOnlyTheKindsTheirRegistrationNames) {
  const Sealed sent = accept(step(Kind::information_de_volet, "outil.transport", "ged/89", {}));
  accept(step(Kind::complement, "outil.transport", "ged/89", sent.id));
  protocol::Tool tool = registered();
  tool.kinds = {Kind::information_de_volet};
  put_in_force(tool);
  accept(step(Kind::information_de_volet, "outil.transport", "ged/89", {}));
  EXPECT_EQ(said_to(Kind::complement, "outil.transport", "ged/89", sent.id), "FORBIDDEN(interdit.hors.registre)");
  EXPECT_EQ(last_line().text("rule"), "interdit.hors.registre");
}

TEST_F(CoreTools, PostOnlyToTheQueuesTheirRegistrationNames) {
  accept(step(Kind::information_de_volet, "outil.transport", "clir/89", {}));
  protocol::Tool tool = registered();
  tool.posts = {"ged/89"};
  put_in_force(tool);
  accept(step(Kind::information_de_volet, "outil.transport", "ged/89", {}));
  EXPECT_EQ(said_to(Kind::information_de_volet, "outil.transport", "clir/89"), "FORBIDDEN(interdit.hors.registre)");
  EXPECT_EQ(cases_shown(), 1U) << "nor does it follow what the CLIR holds";
}

TEST_F(CoreTools, ListFollowAndOpenWhatTheirRegistrationLetsThemReadAndNothingAfterIt) {
  const Sealed back = answered();
  const auto motif = protocol::Motif::lecture_du_retour;
  const auto asked = [&](broker::VerifiedBody body) {
    return refusal_in(house.ask("outil.transport", std::move(body)));
  };
  EXPECT_EQ(asked(protocol::List{home, {}, 10}), "");
  EXPECT_EQ(asked(protocol::Follow{{{home, {}}}, 10}), "");
  EXPECT_EQ(asked(department.open("outil.transport", back.id, house.now, motif)), "");
  EXPECT_EQ(cases_shown(), 1U);

  // Its volet is taken out of the contract: the registration stands, and lets it do nothing any more.
  protocol::Contract contract = department.contract();
  contract.volets = {Volet::radicalisation_separatisme, Volet::justice};
  CoreContract::put_in_force(contract);
  house.now = house.now + 1s;
  const std::string refused = "FORBIDDEN(interdit.hors.volet)";
  EXPECT_EQ(asked(protocol::List{home, {}, 10}), refused);
  EXPECT_EQ(asked(protocol::Follow{{{home, {}}}, 10}), refused);
  EXPECT_EQ(asked(department.open("outil.transport", back.id, house.now, motif)), refused);
  EXPECT_EQ(last_line().text("rule"), "interdit.hors.volet");
  EXPECT_EQ(said_to(Kind::information_de_volet, "outil.transport", "ged/89"), refused);
  EXPECT_EQ(cases_shown(), 0U);

  contract.volets.push_back(Volet::transport);
  CoreContract::put_in_force(contract);
  EXPECT_EQ(asked(protocol::List{home, {}, 10}), "");
  accept(step(Kind::information_de_volet, "outil.transport", "ged/89", {}));
  expect_whole();
}

TEST_F(CoreTools, WithoutARegistrationMayDoNothingButReport) {
  ASSERT_EQ(refusal_in(publish(department.enrol("outil.nu", department.member("outil.transport").organisation,
                                                {protocol::Role::outil}, {home}))),
            "");
  const Sealed back = answered();
  const std::string refused = "FORBIDDEN(interdit.hors.registre)";
  EXPECT_EQ(said_to(Kind::information_de_volet, "outil.nu", "ged/89"), refused);
  EXPECT_EQ(refusal_in(house.ask("outil.nu", protocol::List{home, {}, 10})), refused);
  EXPECT_EQ(refusal_in(house.ask("outil.nu", protocol::Follow{{{home, {}}}, 10})), refused);
  EXPECT_EQ(refusal_in(open("outil.nu", back.id)), refused);
  EXPECT_TRUE(std::get<protocol::Cases>(house.ask("outil.nu", protocol::ListCases{})).items.empty());
}

TEST_F(CoreTools, AFollowersRegistrationIsThatOfTheMoment) {
  std::vector<broker::VerifiedRequest> batch;
  batch.push_back(house.request("outil.transport", protocol::Follow{{{home, {}}}, 10}));
  ASSERT_TRUE(house.apply(std::move(batch)).has_value());
  information = accept(step(Kind::information_de_volet, "outil.transport", "ged/89", {})).id;
  ASSERT_EQ(refusal_in(open("ged.1", information)), "");
  decide(information);
  protocol::Contract contract = department.contract();
  contract.volets = {Volet::radicalisation_separatisme};
  CoreContract::put_in_force(contract);
  batch.clear();
  batch.push_back(
      house.request("secretariat", department.seal(step(Kind::retour, "secretariat", home, information)).verified()));
  const auto outcome = house.apply(std::move(batch));
  ASSERT_TRUE(outcome.has_value());
  for (const broker::Outgoing& out : outcome->outgoing)
    EXPECT_FALSE(std::holds_alternative<protocol::Pushed>(out.reply.body));
}

}  // namespace
}  // namespace pli::testing
