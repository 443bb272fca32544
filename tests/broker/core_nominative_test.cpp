// What a maire is told in person, and what it takes: two agreements, a charter, a day; and what nobody of his office,
// and he himself before, is told of it (design §10, docs/decisions/0019).
#include <chrono>

#include "protocol/retention.hpp"
#include "tests/broker/core_fixture.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;
using protocol::Kind;
using protocol::Role;

constexpr const char* maire = "maire.auxerre";
constexpr const char* his_queue = "person/p.maire.auxerre";

class Nominative : public CoreTest {
 protected:
  Nominative() {
    publish(department.enrol("service.un", "dgsi-89", {Role::service}, {"ged/89"}));
    publish(department.enrol("service.deux", "sdrt-89", {Role::service}, {"ged/89"}));
    publish(department.enrol("procureur", "tj-auxerre", {Role::parquet}, {"ged/89"}));
    publish(department.give_own_queue(maire));
    publish(department.give_own_queue("maire.sens"));
    charter.not_before = house.now - 1h;
    charter.not_after = house.now + 24h * 365;
    publish(department.enter_charter(charter));
    report = accept({});
    EXPECT_EQ(refusal_in(open("secretariat", report.id)), "");
    accept(step(Kind::recevabilite, "secretariat", "ged/89", report.id));
    information = accept(step(Kind::information_nominative, "secretariat", "ged/89", report.id));
  }

  Draft word_of(const std::string& member, const std::string& opinion, const Digest& about) {
    Draft draft = step(Kind::agrement, member, "ged/89", report.id);
    draft.attributes = {{"avis", opinion}};
    draft.in_reply_to = about;
    return draft;
  }
  std::string agree(const std::string& member, const std::string& opinion = "accord") {
    return refusal_in(submit(department.seal(word_of(member, opinion, information.id))));
  }
  void agree_both() {
    EXPECT_EQ(agree("service.un"), "");
    EXPECT_EQ(agree("procureur"), "");
  }
  Sealed part_for(const std::string& queue, const std::string& sender = "secretariat") {
    return department.seal_access_to(queue, report.id, sender, information, house.now);
  }
  std::string release(const std::string& queue = his_queue, const std::string& sender = "secretariat") {
    return refusal_in(submit(part_for(queue, sender)));
  }
  /// Given to the maire. The access part.
  Sealed given() {
    agree_both();
    Sealed part = part_for(his_queue);
    EXPECT_EQ(refusal_in(submit(part)), "");
    return part;
  }
  /// To the first moment after the information's day, with the directory renewed on the way.
  void after_the_day(std::chrono::milliseconds more = 0ms) {
    while (house.now < until + more) {
      house.now = std::min(until + more, house.now + 24h * 7);
      EXPECT_EQ(refusal_in(publish(department.renew_term(house.now + 24h * 29))), "");
      if (house.now < until) house.tick();
    }
  }
  std::size_t rows(const std::string& table) {
    return static_cast<std::size_t>(query_number(house.database(), "SELECT count(*) FROM " + table));
  }
  protocol::CaseItem listed(const std::string& member) {
    const auto reply = house.ask(member, protocol::ListCases{});
    const auto& items = std::get<protocol::Cases>(reply).items;
    return items.empty() ? protocol::CaseItem{} : items.front();
  }
  /// Everything that a member of the maire's office is answered about the case and the information.
  std::string told(const std::string& member) {
    std::string out;
    const protocol::CaseItem item = listed(member);
    out += item.state + " " + std::to_string(item.updated_at.value) + " " + std::to_string(item.exchanges) + " " +
           std::to_string(item.term.value) + std::to_string(item.noticed) + std::to_string(item.held) + "; ";
    const auto home = house.ask(member, protocol::List{department.organisation_queue(member), {}, 100});
    out += std::to_string(std::get<protocol::Items>(home).items.size()) + "; ";
    out += refusal_in(house.ask(member, protocol::List{"ged/89", {}, 100})) + "; ";
    out += refusal_in(open(member, information.id)) + "; ";
    out += refusal_in(house.ask(member, protocol::Prove{information.id})) + "; ";
    out += refusal_in(house.ask(member, protocol::Prove{information.id, std::nullopt, {}, false, true})) + "; ";
    Draft reply = step(Kind::complement, member, "ged/89", report.id);
    reply.in_reply_to = information.id;
    out += refusal_in(house.ask(member, department.seal(reply).verified()));
    return out;
  }

  protocol::Charter charter{"charte-auxerre", "89024", {"Préfet", "Maire", "Procureur"}, {}, {}};
  Sealed report;
  Sealed information;
  const UnixMillis until = protocol::nominative_until("2026-02-15");
};

TEST_F(Nominative, WithBothAgreementsItIsGivenAndTheMaireOpensWhatItsAuthorSigned) {
  const Sealed part = given();
  const JournalLine released = last_line();
  EXPECT_EQ(released.text("rule"), "depot.remise");
  EXPECT_EQ(released.leaf.type, audit::LeafType::communication);
  const auto items = house.ask(maire, protocol::List{his_queue, {}, 10});
  ASSERT_EQ(std::get<protocol::Items>(items).items.size(), 1U);
  EXPECT_TRUE(std::get<protocol::Items>(items).items.front().visible);
  EXPECT_EQ(refusal_in(open(maire, part.id)), "INVALID(exchange)") << "a way in, and not what it leads to";

  const auto reply = open(maire, information.id);
  ASSERT_EQ(refusal_in(reply), "");
  const auto& opened = std::get<protocol::Opened>(reply);
  const auto plaintext = department.read(maire, opened);
  ASSERT_TRUE(plaintext.has_value());
  EXPECT_EQ(plaintext->address, information.envelope.address);
  ASSERT_TRUE(opened.header.has_value());
  EXPECT_EQ(opened.header->address, information.envelope.address);
  EXPECT_EQ(opened.header->seal, information.envelope.seal);
  EXPECT_EQ(opened.header->signature, information.envelope.signature);
  const JournalLine line = last_line();
  EXPECT_EQ(line.text("rule"), "ouverture.nominative");
  EXPECT_EQ(line.text("queue"), his_queue);
  EXPECT_EQ(line.text("actor"), maire);
  expect_whole();
}

TEST_F(Nominative, P6OneAgreementIsNotTwoWhoeverGivesItHoweverOften) {
  EXPECT_EQ(release(), "AGREEMENT_MISSING");
  EXPECT_EQ(agree("service.un"), "");
  EXPECT_EQ(release(), "AGREEMENT_MISSING");
  EXPECT_EQ(agree("service.un"), "");
  EXPECT_EQ(release(), "AGREEMENT_MISSING") << "twice the same person";
  EXPECT_EQ(agree("service.deux"), "");
  EXPECT_EQ(release(), "AGREEMENT_MISSING") << "two of one role";
  EXPECT_EQ(agree("procureur"), "");
  EXPECT_EQ(release(), "");
  expect_whole();
}

TEST_F(Nominative, P6TwoOfOneOrganisationAndOnePersonOfBothRolesAreOneAgreement) {
  publish(department.enrol("parquet.dgsi", "dgsi-89", {Role::parquet}, {"ged/89"}));
  publish(department.enrol("double", "cabinet-89", {Role::parquet, Role::service}, {"ged/89"}));
  // In the roster only of what comes after them.
  information = accept(step(Kind::information_nominative, "secretariat", "ged/89", report.id));
  EXPECT_EQ(agree("service.un"), "");
  EXPECT_EQ(agree("parquet.dgsi"), "");
  EXPECT_EQ(release(), "AGREEMENT_MISSING") << "one organisation";
  information = accept(step(Kind::information_nominative, "secretariat", "ged/89", report.id));
  EXPECT_EQ(agree("double"), "");
  EXPECT_EQ(agree("double"), "");
  EXPECT_EQ(release(), "AGREEMENT_MISSING") << "one person, two roles";
  EXPECT_EQ(agree("service.un"), "");
  EXPECT_EQ(release(), "") << "for the parquet, where another is of a service";
  expect_whole();
}

TEST_F(Nominative, P6ItsAuthorsWordAndThatOfHisOfficeDoNotCount) {
  publish(department.enrol("service.prefecture", department.member("secretariat").organisation, {Role::service},
                           {"ged/89"}));
  information = accept(step(Kind::information_nominative, "secretariat", "ged/89", report.id));
  EXPECT_EQ(agree("service.prefecture"), "");
  EXPECT_EQ(agree("procureur"), "");
  EXPECT_EQ(release(), "AGREEMENT_MISSING");
  EXPECT_EQ(agree("service.un"), "");
  EXPECT_EQ(release(), "");
}

TEST_F(Nominative, P6ARefusalStandsUntilThePersonTakesItBack) {
  agree_both();
  EXPECT_EQ(agree("service.deux", "refus"), "");
  EXPECT_EQ(release(), "AGREEMENT_MISSING") << "of a third";
  EXPECT_EQ(agree("service.deux"), "");
  EXPECT_EQ(agree("procureur", "refus"), "");
  EXPECT_EQ(release(), "AGREEMENT_MISSING") << "his last word counts";
  EXPECT_EQ(agree("procureur"), "");
  EXPECT_EQ(release(), "");
  expect_whole();
}

TEST_F(Nominative, P6TheWordOfWhoRecusesHimselfCountsNoMore) {
  agree_both();
  accept(step(Kind::recusation, "procureur", "ged/89", report.id));
  EXPECT_EQ(release(), "AGREEMENT_MISSING");
  EXPECT_EQ(agree("procureur"), "NOT_FOUND") << "nor can he see what he would agree to";
}

TEST_F(Nominative, P6AnAccordCountsWhileItsAuthorSitsThereForAService) {
  agree_both();
  EXPECT_EQ(refusal_in(publish(department.seat("service.un", {}))), "");
  EXPECT_EQ(release(), "AGREEMENT_MISSING") << "sits there no more";
  // "x.bis" is the person of "x".
  EXPECT_EQ(refusal_in(publish(department.enrol("service.un.bis", "dgsi-89", {Role::membre_ged}, {"ged/89"}))), "");
  EXPECT_EQ(release(), "AGREEMENT_MISSING") << "sits there for no service";
  EXPECT_EQ(refusal_in(publish(department.seat("service.un", {"ged/89"}))), "");
  EXPECT_EQ(release(), "");
  expect_whole();
}

TEST_F(Nominative, P6TheAccordOfWhoIsSuspendedOrRevokedCountsNoMore) {
  agree_both();
  const protocol::Suspension suspension{department.contract().id, "procureur", department.directory()->number(),
                                        house.now};
  ASSERT_EQ(refusal_in(house.ask("operateur", broker::VerifiedSuspension{department.sign_suspension(suspension, 0)})),
            "");
  EXPECT_EQ(release(), "AGREEMENT_MISSING") << "suspended";
  EXPECT_EQ(refusal_in(publish(department.revoke("procureur", house.now))), "");
  EXPECT_EQ(release(), "AGREEMENT_MISSING") << "revoked";
  EXPECT_EQ(refusal_in(publish(department.enrol("procureur.bis", "tj-auxerre", {Role::parquet}, {"ged/89"}))), "");
  EXPECT_EQ(release(), "") << "the same person, of the same parquet, under another entry";
  expect_whole();
}

TEST_F(Nominative, P6AnAccordCountsUntilItsDayEnds) {
  const UnixMillis ends = protocol::nominative_until("2026-01-13");
  const auto until_then = [&](const Digest& about) {
    Draft word = word_of("service.un", "accord", about);
    word.attributes.emplace_back("date", "2026-01-13");
    return word;
  };
  const Sealed other = accept(step(Kind::information_nominative, "secretariat", "ged/89", report.id));
  accept(until_then(other.id));
  accept(word_of("procureur", "accord", other.id));
  accept(until_then(information.id));
  EXPECT_EQ(agree("procureur"), "");
  house.now = ends - 1ms;
  EXPECT_EQ(release(), "");
  house.now = ends;
  const Sealed late = department.seal_access_to(his_queue, report.id, "secretariat", other, house.now);
  EXPECT_EQ(refusal_in(submit(late)), "AGREEMENT_MISSING");
  EXPECT_EQ(refusal_in(open(maire, information.id)), "") << "what was released in time has its own day";
  accept(word_of("service.un", "accord", other.id));
  EXPECT_EQ(refusal_in(submit(late)), "") << "his last word has none";
  expect_whole();
}

TEST_F(Nominative, P6ARefusalOutlivesItsAuthor) {
  agree_both();
  EXPECT_EQ(agree("service.deux", "refus"), "");
  EXPECT_EQ(refusal_in(publish(department.revoke("service.deux", house.now))), "");
  EXPECT_EQ(release(), "AGREEMENT_MISSING");
}

TEST_F(Nominative, P6ARefusalAfterTheReleaseShutsWhatWasGivenUntilItIsTakenBack) {
  given();
  const auto first = department.open(maire, information.id, house.now);
  const Digest opening = first.id;
  ASSERT_EQ(refusal_in(house.ask(maire, department.open_again(first))), "");
  EXPECT_EQ(agree("procureur", "refus"), "");
  EXPECT_EQ(refusal_in(open(maire, information.id)), "AGREEMENT_MISSING");
  EXPECT_EQ(refusal_in(house.ask(maire, protocol::GetChunk{opening, protocol::PartKind::payload, 0, 0})),
            "AGREEMENT_MISSING");
  EXPECT_EQ(refusal_in(open("ged.1", information.id)), "") << "the instance's own reading asks for none";
  EXPECT_EQ(agree("procureur"), "");
  EXPECT_EQ(refusal_in(open(maire, information.id)), "");
  expect_whole();
}

TEST_F(Nominative, P6AnAgreementNamesThisInformationAndNoOther) {
  const Sealed other = accept(step(Kind::information_nominative, "secretariat", "ged/89", report.id));
  accept(word_of("service.un", "accord", other.id));
  accept(word_of("procureur", "accord", other.id));
  EXPECT_EQ(release(), "AGREEMENT_MISSING");
  for (const Digest& about : {report.id, Digest{}})
    EXPECT_EQ(refusal_in(submit(department.seal(word_of("service.un", "accord", about)))), "INVALID(in_reply_to)");
  const Sealed elsewhere = accept({});
  Draft of_another_case = word_of("service.un", "accord", information.id);
  of_another_case.case_id = elsewhere.id;
  EXPECT_EQ(refusal_in(submit(department.seal(of_another_case))), "INVALID(in_reply_to)");
  for (const char* member : {"ged.1", "secretariat"}) EXPECT_EQ(agree(member), "FORBIDDEN(defaut)") << member;
  EXPECT_EQ(agree(maire), "NOT_FOUND") << "he does not know of it";
}

TEST_F(Nominative, P6WithoutACharterOfHisCommuneInForceNothingIsGiven) {
  agree_both();
  protocol::Charter other = charter;
  other.id = "charte-sens";
  other.territory = "89387";
  publish(department.enter_charter(other));
  charter.not_after = house.now + 1s;
  publish(department.enter_charter(charter));
  house.now = house.now + 1s;
  EXPECT_EQ(release(), "CHARTER_REQUIRED") << "lapsed; that of another commune is none";
  charter.not_before = house.now + 1s;
  charter.not_after = house.now + 24h;
  publish(department.enter_charter(charter));
  EXPECT_EQ(release(), "CHARTER_REQUIRED") << "not yet";
  house.now = house.now + 1s;
  EXPECT_EQ(release(), "");
}

TEST_F(Nominative, P6LapsedSinceTheCharterShutsItAgain) {
  given();
  charter.not_after = house.now + 1s;
  publish(department.enter_charter(charter));
  EXPECT_EQ(refusal_in(open(maire, information.id)), "");
  const auto first = department.open(maire, information.id, house.now);
  const Digest opening = first.id;
  ASSERT_EQ(refusal_in(house.ask(maire, department.open_again(first))), "");
  house.now = house.now + 1s;
  EXPECT_EQ(refusal_in(open(maire, information.id)), "CHARTER_REQUIRED");
  EXPECT_EQ(refusal_in(house.ask(maire, protocol::GetChunk{opening, protocol::PartKind::payload, 0, 0})),
            "CHARTER_REQUIRED");
  EXPECT_EQ(refusal_in(open("ged.1", information.id)), "") << "the instance's own reading asks for none";
}

TEST_F(Nominative, P6ItGoesToTheMaireOfThatCommuneAndToNobodyElse) {
  agree_both();
  protocol::Charter everywhere = charter;
  everywhere.id = "charte-sens";
  everywhere.territory = "89387";
  publish(department.enter_charter(everywhere));
  EXPECT_EQ(release("person/p.maire.sens"), "INVALID(queue)") << "of another commune";
  publish(department.give_own_queue("referent.auxerre"));
  EXPECT_EQ(release("person/p.referent.auxerre"), "INVALID(queue)") << "no maire";
  EXPECT_EQ(release(department.organisation_queue(maire)), "FORBIDDEN(defaut)") << "his office is no instance";
  EXPECT_EQ(release(his_queue, "ged.1"), "INVALID(queue)") << "whom the directory does not show it";
  // Somebody else seated in his queue would read it.
  publish(department.seat("referent.auxerre", {department.organisation_queue(maire), his_queue}));
  EXPECT_EQ(release(), "INVALID(queue)");
  publish(department.seat("referent.auxerre", {department.organisation_queue(maire)}));
  // Nothing else is given that way.
  EXPECT_EQ(refusal_in(submit(department.seal_access_to(his_queue, report.id, "secretariat", report, house.now))),
            "INVALID(in_reply_to)");
  EXPECT_EQ(
      refusal_in(submit(department.seal(step(Kind::information_nominative, "secretariat", his_queue, report.id)))),
      "FORBIDDEN(defaut)");
  EXPECT_EQ(release(), "");
  EXPECT_EQ(refusal_in(open("maire.sens", information.id)), "NOT_FOUND");
  EXPECT_EQ(refusal_in(open("referent.auxerre", information.id)), "NOT_FOUND");
  expect_whole();
}

TEST_F(Nominative, P6EachAgreementServesOnce) {
  given();
  EXPECT_EQ(release(), "AGREEMENT_MISSING(accord.servi)");
  agree_both();
  EXPECT_EQ(release(), "AGREEMENT_MISSING(accord.servi)") << "another information takes other agreements";
}

TEST_F(Nominative, P6BeforeItIsGivenTheMairesOfficeIsAnsweredAsIfNothingWereThereAndHisCollaboratorsEver) {
  const Sealed other = accept({});
  const std::string before_referent = told("referent.auxerre");
  const std::string before_maire = told(maire);
  EXPECT_NE(before_maire.find("NOT_FOUND; NOT_FOUND; NOT_FOUND; NOT_FOUND"), std::string::npos) << before_maire;
  const auto his = [&] { return house.ask(maire, protocol::List{his_queue, {}, 10}); };
  EXPECT_TRUE(std::get<protocol::Items>(his()).items.empty());
  house.now = house.now + 61s;
  agree_both();
  accept(step(Kind::information_nominative, "secretariat", "ged/89", report.id));
  EXPECT_EQ(told("referent.auxerre"), before_referent);
  EXPECT_EQ(told(maire), before_maire);
  EXPECT_TRUE(std::get<protocol::Items>(his()).items.empty());
  house.now = house.now + 61s;
  EXPECT_EQ(release(), "");
  EXPECT_EQ(told("referent.auxerre"), before_referent);
  EXPECT_EQ(refusal_in(open("referent.auxerre", information.id)), "NOT_FOUND");
  EXPECT_EQ(refusal_in(house.ask("referent.auxerre", protocol::List{his_queue, {}, 10})), "NOT_FOUND");
  EXPECT_EQ(refusal_in(open(maire, information.id)), "");
  house.now = house.now + 61s;
  EXPECT_EQ(told("referent.auxerre"), before_referent) << "nor does his opening it move anything";
}

TEST_F(Nominative, P9AfterItsDayNothingOpensAndItsKeyIsDestroyed) {
  const Sealed part = given();
  after_the_day(-1ms);
  EXPECT_EQ(refusal_in(open(maire, information.id)), "");
  EXPECT_EQ(rows("nominative_release"), 1U);
  after_the_day();
  EXPECT_EQ(refusal_in(open(maire, information.id)), "FORBIDDEN(interdit.delai)") << "before any tick";
  EXPECT_EQ(release(), "FORBIDDEN(interdit.delai)");
  house.tick();
  EXPECT_EQ(refusal_in(open(maire, information.id)), "NOT_FOUND");
  EXPECT_EQ(refusal_in(open(maire, part.id)), "ERASED(terme)");
  const auto proof = house.ask(maire, protocol::Prove{part.id, std::nullopt, {}, false, true});
  ASSERT_EQ(refusal_in(proof), "");
  EXPECT_EQ(verified(std::get<protocol::Proven>(proof).proof).leaf.type, audit::LeafType::effacement);
  EXPECT_EQ(query_number(house.database(),
                         "SELECT count(*) FROM access_part a JOIN exchange e ON e.number = a.number "
                         "JOIN queue q ON q.id = e.queue WHERE q.name = '" +
                             std::string(his_queue) + "'"),
            0);
  EXPECT_EQ(rows("nominative_release"), 0U);
  EXPECT_EQ(refusal_in(open("ged.1", information.id)), "") << "the instance's goes at the case's term";
  expect_whole();
}

TEST_F(Nominative, TakesADayAheadAndAtMostAsFarAsAFormMay) {
  const auto said_of = [&](const char* date) {
    Draft draft = step(Kind::information_nominative, "secretariat", "ged/89", report.id);
    draft.attributes = {{"date", date}};
    return refusal_in(submit(department.seal(draft)));
  };
  // Monday 12 January 2026, 08:00 UTC; ninety days on it is 12 April, somewhere on Earth the 13th at most.
  EXPECT_EQ(said_of("2026-01-11"), "INVALID(attributes)");
  EXPECT_EQ(said_of("2026-01-12"), "") << "until midnight";
  EXPECT_EQ(said_of("2026-04-13"), "");
  EXPECT_EQ(said_of("2026-04-14"), "INVALID(attributes)");
  Draft nothing = step(Kind::information_nominative, "secretariat", "ged/89", report.id);
  nothing.attributes.clear();
  EXPECT_EQ(refusal_in(submit(department.seal(nothing))), "INVALID(attributes)");
  const Sealed unread = accept({});
  EXPECT_EQ(refusal_in(submit(department.seal(step(Kind::information_nominative, "secretariat", "ged/89", unread.id)))),
            "ILLEGAL_TRANSITION(recu,information_nominative)")
      << "of a case not found in scope or out of it";
}

TEST_F(Nominative, P9AnEarlyErasureTakesWhatWasGivenAlong) {
  const Sealed part = given();
  for (const char* member : {"secretariat", "procureur"}) {
    Draft draft = step(Kind::demande_effacement, member, "ged/89", report.id);
    draft.attributes = {{"code", "droit_des_personnes"}};
    accept(draft);
  }
  house.tick();
  EXPECT_EQ(refusal_in(open(maire, part.id)), "ERASED(terme)");
  EXPECT_EQ(rows("agreement") + rows("nominative_release"), 0U);
  expect_whole();
}

TEST_F(Nominative, AStoreWhoseAgreementsWereChangedIsNotWhole) {
  given();
  const auto problem_after = [&](const std::string& sql) {
    run_sql(house.database(), sql);
    broker::CheckOptions options;
    options.log = department.log();
    const auto found = broker::check_store(house.database(), house.keys(), options);
    return found && found->problems.size() == 1 ? found->problems.front().name : std::string("none, or more");
  };
  EXPECT_EQ(problem_after("UPDATE agreement SET person = 'p.x' WHERE quality = 1"), "agreement.row");
  EXPECT_EQ(problem_after("DELETE FROM agreement WHERE quality = 1"), "agreement.missing");
}

TEST_F(Nominative, AStoreWhoseAgreementLostItsTermIsNotWhole) {
  Draft word = word_of("service.un", "accord", information.id);
  word.attributes.emplace_back("date", "2026-01-20");
  accept(word);
  expect_whole();
  run_sql(house.database(), "UPDATE agreement SET until = 0");
  broker::CheckOptions options;
  options.log = department.log();
  const auto found = broker::check_store(house.database(), house.keys(), options);
  ASSERT_TRUE(found.has_value());
  ASSERT_EQ(found->problems.size(), 1U);
  EXPECT_EQ(found->problems.front().name, "agreement.row");
}

TEST_F(Nominative, AStoreWhoseReleaseWasMovedIsNotWhole) {
  given();
  run_sql(house.database(), "UPDATE nominative_release SET until = until + 86400000");
  broker::CheckOptions options;
  options.log = department.log();
  const auto found = broker::check_store(house.database(), house.keys(), options);
  ASSERT_TRUE(found.has_value());
  ASSERT_EQ(found->problems.size(), 1U);
  EXPECT_EQ(found->problems.front().name, "nominative.row");
}

// ---- a report whose sender asked to be asked -----------------------------------------------------------------------

class AskFirst : public CoreTest {
 protected:
  AskFirst() {
    department.add_instance("ged/21");
    publish(department.enrol("secretariat.21", "prefecture-21", {Role::secretariat}, {"ged/21"}, "21"));
    Draft draft;
    draft.handling = {"ask-before-transfer"};
    report = accept(draft);
    EXPECT_EQ(refusal_in(open("secretariat", report.id)), "");
  }
  std::string say(const std::string& member, const std::string& opinion, const Digest& about) {
    Draft draft = step(Kind::agrement, member, "ged/89", report.id);
    draft.attributes = {{"avis", opinion}};
    draft.in_reply_to = about;
    return refusal_in(submit(department.seal(draft)));
  }
  std::string transmit() {
    return refusal_in(submit(department.seal(step(Kind::transmission, "secretariat", "ged/21", report.id))));
  }
  Sealed report;
};

TEST_F(AskFirst, P6IsPassedOnOnlyWhileItsSendersAgreementStands) {
  EXPECT_EQ(transmit(), "AGREEMENT_MISSING(interdit.sans.accord)");
  EXPECT_EQ(say("maire.auxerre", "refus", report.id), "");
  EXPECT_EQ(transmit(), "AGREEMENT_MISSING(interdit.sans.accord)");
  EXPECT_EQ(say("referent.auxerre", "accord", report.id), "") << "of the same office: its last word counts";
  EXPECT_EQ(say("maire.auxerre", "refus", report.id), "");
  EXPECT_EQ(transmit(), "AGREEMENT_MISSING(interdit.sans.accord)");
  EXPECT_EQ(say("maire.auxerre", "accord", report.id), "");
  EXPECT_EQ(transmit(), "");
  expect_whole();
}

TEST_F(AskFirst, AgreeingAnswersTheQuestionLikeAComplement) {
  const std::string home = department.organisation_queue("referent.auxerre");
  accept(step(Kind::recevabilite, "secretariat", "ged/89", report.id));
  accept(step(Kind::demande_de_complement, "secretariat", home, report.id));
  const auto state = [&](const char* member) {
    return std::get<protocol::Cases>(house.ask(member, protocol::ListCases{})).items.front().state;
  };
  EXPECT_EQ(state("secretariat"), "complement_demande");
  EXPECT_EQ(say("maire.auxerre", "accord", report.id), "");
  EXPECT_EQ(state("secretariat"), "recevable");
  EXPECT_EQ(state("maire.auxerre"), "en_cours_d_examen");
  EXPECT_EQ(refusal_in(open("ged.1", report.id)), "");
  expect_whole();
}

TEST_F(AskFirst, P6OnlyItsOwnOfficeAgreesAndOnlyToWhatAsks) {
  const Sealed plain = accept({});
  Draft draft = step(Kind::agrement, "maire.auxerre", "ged/89", plain.id);
  draft.in_reply_to = plain.id;
  EXPECT_EQ(refusal_in(submit(department.seal(draft))), "INVALID(in_reply_to)") << "nobody asked to be asked";
  EXPECT_EQ(say("maire.auxerre", "accord", plain.id), "INVALID(in_reply_to)") << "of another case";
  EXPECT_EQ(say("maire.sens", "accord", report.id), "NOT_FOUND");
  // Whoever sits in the instance as well leaves it to a colleague.
  publish(department.seat("maire.auxerre", {department.organisation_queue("maire.auxerre"), "ged/89"}));
  EXPECT_EQ(say("maire.auxerre", "accord", report.id), "FORBIDDEN(interdit.auteur)");
  EXPECT_EQ(say("referent.auxerre", "accord", report.id), "");
}

TEST_F(AskFirst, P6ItsAgreementCountsUntilItsDayEnds) {
  Draft draft = step(Kind::agrement, "maire.auxerre", "ged/89", report.id);
  draft.attributes = {{"avis", "accord"}, {"date", "2026-01-13"}};
  draft.in_reply_to = report.id;
  accept(draft);
  house.now = protocol::nominative_until("2026-01-13");
  EXPECT_EQ(transmit(), "AGREEMENT_MISSING(interdit.sans.accord)");
  EXPECT_EQ(say("referent.auxerre", "accord", report.id), "") << "of the same office, without a term";
  EXPECT_EQ(transmit(), "");
}

TEST_F(AskFirst, P6TheAccordOfWhoHasLeftTheOfficeCountsNoMore) {
  EXPECT_EQ(say("referent.auxerre", "accord", report.id), "");
  EXPECT_EQ(refusal_in(publish(department.revoke("referent.auxerre", house.now))), "");
  EXPECT_EQ(transmit(), "AGREEMENT_MISSING(interdit.sans.accord)");
  EXPECT_EQ(say("maire.auxerre", "accord", report.id), "");
  EXPECT_EQ(transmit(), "");
}

TEST_F(AskFirst, P6AToolConsentsToNothing) {
  protocol::Tool tool = *department.directory()->tool("outil.transport");
  tool.kinds.push_back(Kind::agrement);
  publish(department.register_tool(tool));
  Draft draft = step(Kind::information_de_volet, "outil.transport", "ged/89", {});
  draft.handling = {"ask-before-transfer"};
  report = accept(draft);
  EXPECT_EQ(say("outil.transport", "accord", report.id), "FORBIDDEN(defaut)");
}

TEST_F(AskFirst, OpeningTheAgreementIsNoReadingOfTheReport) {
  Draft draft;
  draft.handling = {"ask-before-transfer"};
  report = accept(draft);
  Draft word = step(Kind::agrement, "maire.auxerre", "ged/89", report.id);
  word.in_reply_to = report.id;
  const Sealed agreed = accept(word);
  EXPECT_EQ(refusal_in(open("ged.1", agreed.id)), "");
  EXPECT_EQ(refusal_in(submit(department.seal(step(Kind::recevabilite, "secretariat", "ged/89", report.id)))),
            "ILLEGAL_TRANSITION(recu,recevable)");
}

}  // namespace
}  // namespace pli::testing
