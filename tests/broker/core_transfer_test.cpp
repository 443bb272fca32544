// A case that one instance passes on to another (docs/decisions/0020): the linked case there, who opens what through
// the access parts it was given, what its collectivité goes on not knowing, and how both are erased.
#include <algorithm>
#include <map>
#include <set>

#include "broker/store_terms.hpp"
#include "crypto/statement.hpp"
#include "protocol/case_life.hpp"
#include "protocol/limits.hpp"
#include "protocol/statistics.hpp"
#include "tests/broker/core_fixture.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;
using protocol::Kind;
using protocol::month_start;
using protocol::Role;

constexpr std::chrono::milliseconds day = 24h;

/// The Yonne, and next to it the Côte-d'Or: a secretariat and two members of its GED, and "elu", of Auxerre's town
/// hall, who sits there as well.
class Transfers : public CoreTest {
 protected:
  Transfers() : CoreTest(small()) {
    for (const char* instance : {"ged/21", "cpraf/21"}) department.add_instance(instance);
    const auto enrol = [&](const std::string& id, const std::string& organisation, std::vector<Role> roles,
                           std::vector<std::string> where, const std::string& territory) {
      EXPECT_EQ(refusal_in(publish(department.enrol(id, organisation, roles, where, territory))), "") << id;
    };
    enrol("ged21.secretariat", "prefecture-21", {Role::secretariat}, {"ged/21"}, "21");
    enrol("ged21.1", "service-21", {Role::membre_ged}, {"ged/21"}, "21");
    enrol("elu", auxerre(), {Role::maire, Role::membre_ged}, {org(), "ged/21"}, "89024");
    enrol("parquet.1", "parquet-89", {Role::parquet}, {"ged/89", "clir/89"}, "89");
    enrol("cpraf.1", "caf-89", {Role::membre_cpraf}, {"cpraf/89"}, "89");
  }
  std::vector<std::string> seats(std::vector<std::string> instances) const {
    instances.push_back(department.organisation_queue("secretariat"));
    return instances;
  }
  std::string auxerre() const { return department.member("referent.auxerre").organisation; }
  std::string org() const { return department.organisation_queue("referent.auxerre"); }

  /// A report that somebody of the GED has read.
  Sealed report(std::vector<std::string> handling = {}) {
    Draft draft;
    draft.handling = std::move(handling);
    Sealed sealed = accept(draft);
    EXPECT_EQ(refusal_in(open("ged.1", sealed.id)), "");
    return sealed;
  }
  Draft transmission(const Digest& case_id, const std::string& to = "ged/21") {
    return step(to.substr(0, 5) == "cpraf" ? Kind::orientation_cpraf : Kind::transmission, "secretariat", to, case_id);
  }
  std::string refused(const Draft& draft) { return refusal_in(submit(department.seal(draft))); }
  std::string pass_on(const Sealed& original, const Digest& case_id, const std::string& to = "ged/21",
                      const std::string& sender = "secretariat") {
    return refusal_in(submit(department.seal_access_to(to, case_id, sender, original, house.now)));
  }
  /// The report, and the case that it was passed on as, with the report in it.
  struct Passed {
    Sealed report, transmission;
  };
  Passed passed(const std::string& to = "ged/21") {
    Passed out{report(), {}};
    out.transmission = accept(transmission(out.report.id, to));
    EXPECT_EQ(pass_on(out.report, out.report.id, to), "");
    return out;
  }
  std::optional<protocol::CaseItem> listed(const std::string& member, const Digest& id) {
    const auto reply = house.ask(member, protocol::ListCases{});
    EXPECT_EQ(refusal_in(reply), "");
    for (const protocol::CaseItem& item : std::get<protocol::Cases>(reply).items)
      if (item.case_id == id) return item;
    return std::nullopt;
  }
  std::vector<protocol::QueueItem> items(const std::string& member, const std::string& queue) {
    const auto reply = house.ask(member, protocol::List{queue, {}, protocol::list_items_max});
    EXPECT_EQ(refusal_in(reply), "");
    return std::get<protocol::Items>(reply).items;
  }
  /// Everything a member of the collectivité can be told without naming anything, as it travels.
  std::vector<Bytes> told(const std::string& member) {
    std::vector<Bytes> out;
    out.push_back(protocol::encode(protocol::Reply{1, house.ask(member, protocol::ListCases{})}));
    out.push_back(protocol::encode(protocol::Reply{1, house.ask(member, protocol::List{org(), {}, 64})}));
    return out;
  }
  std::uint8_t state_of(const Digest& case_id) {
    return house.store().case_file(house.store().find_exchange(case_id)->number)->state;
  }
  bool is_erased(const Digest& id) { return house.store().find_exchange(id)->erased; }
  void at(UnixMillis time) {
    while (house.now + 7 * day < time) {
      house.now = house.now + 7 * day;
      house.tick();
    }
    house.now = time;
    house.tick();
    EXPECT_EQ(refusal_in(publish(department.renew_term(house.now + 29 * day))), "");
  }
  void close(const Digest& case_id, const std::string& secretariat, const std::string& instance,
             const std::string& answered_to) {
    for (const Kind kind : {Kind::recevabilite, Kind::inscription, Kind::mise_en_evaluation, Kind::decision})
      accept(step(kind, secretariat, instance, case_id));
    Draft retour = step(Kind::retour, secretariat, answered_to, case_id);
    retour.content = Bytes(100);
    accept(retour);
    Draft closing = step(Kind::cloture, secretariat, instance, case_id);
    closing.attributes = {{"terme", "court"}};
    accept(closing);
  }
};

TEST_F(Transfers, ATransmissionOpensALinkedCaseThereAndMovesNothingHere) {
  const Sealed first = report();
  const auto before = listed("secretariat", first.id).value();
  house.now = house.now + 1min;
  const Sealed sent = accept(transmission(first.id));

  const auto there = listed("ged21.secretariat", sent.id);
  ASSERT_TRUE(there.has_value());
  EXPECT_EQ(there->state, "recu");
  EXPECT_EQ(there->queue, "ged/21");
  EXPECT_EQ(there->origin, first.id);
  EXPECT_EQ(there->origin_queue, "ged/89");
  EXPECT_EQ(there->exchanges, 1U);
  EXPECT_FALSE(there->read);
  EXPECT_FALSE(there->commune);

  auto here = listed("secretariat", first.id).value();
  EXPECT_EQ(here.transmitted, (std::vector<protocol::Transmitted>{{"ged/21", sent.id, house.now}}));
  EXPECT_EQ(here.updated_at, house.now);
  here.transmitted.clear();
  here.updated_at = before.updated_at;
  EXPECT_EQ(here, before);
  EXPECT_EQ(listed("ged.1", sent.id), std::nullopt) << "who sits here is not shown what is there";

  const JournalLine line = last_line();
  EXPECT_EQ(line.leaf.type, audit::LeafType::transfert);
  EXPECT_EQ(line.text("rule"), "depot.transmission");
  EXPECT_EQ(line.text("case"), std::string(as_text(first.id)));
  EXPECT_EQ(line.text("queue"), "ged/21");
  expect_whole();
  house.restart();
  EXPECT_EQ(listed("ged21.secretariat", sent.id)->origin, first.id);
  expect_whole();
}

TEST_F(Transfers, ThroughAnAccessPartTheReportIsOpenedAsItsAuthorSignedItByThoseItWasSealedToAndNoOther) {
  const Sealed first = report();
  const Sealed sent = accept(transmission(first.id));
  EXPECT_EQ(refusal_in(open("ged21.1", first.id)), "NOT_FOUND") << "passed on, and not yet given";
  ASSERT_EQ(pass_on(first, first.id), "");

  const auto reply = open("ged21.1", first.id);
  ASSERT_EQ(refusal_in(reply), "");
  const auto& opened = std::get<protocol::Opened>(reply);
  ASSERT_TRUE(opened.header.has_value());
  EXPECT_EQ(protocol::exchange_id(opened.header->address, opened.header->seal), first.id);
  EXPECT_TRUE(crypto::verify_statement_digest(first.address.sender_key, crypto::StatementName::exchange, first.id,
                                              opened.header->signature));
  EXPECT_EQ(opened.header->accepted_at, house.store().find_exchange(first.id)->accepted_at);
  const auto read = department.read("ged21.1", opened);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->content, to_bytes("faits invented for a test"));
  EXPECT_EQ(read->address, first.envelope.address);
  const JournalLine line = last_line();
  EXPECT_EQ(line.text("rule"), "ouverture.transmis");
  EXPECT_EQ(line.text("queue"), "ged/21");
  EXPECT_EQ(line.text("case"), std::string(as_text(sent.id)));
  EXPECT_TRUE(listed("ged21.secretariat", sent.id)->read) << "what was reported has been read there";

  // An access part is a way into another exchange, here as there; and who sits in neither queue finds nothing.
  EXPECT_EQ(refusal_in(open("ged21.1", items("ged21.1", "ged/21")[1].exchange)), "INVALID(exchange)");
  EXPECT_EQ(refusal_in(open("clir.1", first.id)), "NOT_FOUND");
  EXPECT_EQ(refusal_in(open("referent.sens", first.id)), "NOT_FOUND");

  // A newcomer there is on no part of it until one who is present gives him access there.
  EXPECT_EQ(refusal_in(publish(department.enrol("ged21.2", "bureau-21", {Role::membre_ged}, {"ged/21"}, "21"))), "");
  EXPECT_EQ(refusal_in(open("ged21.2", first.id)), "FORBIDDEN(defaut)");
  EXPECT_EQ(pass_on(first, sent.id, "ged/21", "ged21.2"), "NOT_FOUND");
  EXPECT_EQ(pass_on(first, sent.id, "ged/21", "ged21.1"), "");
  EXPECT_EQ(refusal_in(open("ged21.2", first.id)), "");
  // Who sat there all along is given both parts, and none of the other instance's.
  EXPECT_EQ(std::get<protocol::Opened>(open("ged21.1", first.id)).access.size(), 2U);
  EXPECT_EQ(std::get<protocol::Opened>(open("ged.1", first.id)).access.size(), 1U);
  EXPECT_FALSE(std::get<protocol::Opened>(open("ged.1", first.id)).header.has_value());
  expect_whole();
}

TEST_F(Transfers, WhoSitsInBothHasReadItInBothButOnlyWhereHeMightHaveOpenedIt) {
  const Passed dossier = passed("clir/89");
  accept(transmission(dossier.report.id, "cpraf/89"));
  const auto read = [&](const Digest& id) { return listed("secretariat", id)->read; };
  ASSERT_EQ(refusal_in(open("ged.2", dossier.report.id)), "");
  EXPECT_FALSE(read(dossier.transmission.id)) << "he does not sit there";
  ASSERT_EQ(refusal_in(open("secretariat", dossier.transmission.id)), "");
  EXPECT_FALSE(read(dossier.transmission.id)) << "nothing of the report";
  accept(step(Kind::recusation, "parquet.1", "clir/89", dossier.transmission.id));
  ASSERT_EQ(refusal_in(open("parquet.1", dossier.report.id)), "");
  EXPECT_FALSE(read(dossier.transmission.id)) << "not by who withdrew there";
  ASSERT_EQ(refusal_in(open("secretariat", dossier.report.id)), "");
  EXPECT_EQ(last_line().text("case"), std::string(as_text(dossier.report.id)));
  EXPECT_TRUE(read(dossier.transmission.id));
  const auto oriented = listed("secretariat", dossier.report.id)->transmitted[1];
  EXPECT_EQ(oriented.queue, "cpraf/89");
  EXPECT_FALSE(read(oriented.case_id)) << "the report was not given there";
  expect_whole();
}

TEST_F(Transfers, ALargeReportIsFetchedInChunksThroughTheAccessPart) {
  Draft draft;
  draft.content = Bytes(protocol::inline_bytes_max + 1, 7);
  const Sealed first = accept(draft);
  EXPECT_EQ(refusal_in(open("ged.1", first.id)), "");
  accept(transmission(first.id));
  const Sealed part = department.seal_access_to("ged/21", first.id, "secretariat", first, house.now);
  ASSERT_EQ(refusal_in(submit(part)), "");
  const broker::VerifiedOpen asked = department.open("ged21.1", first.id, house.now);
  const Digest opening = asked.id;
  ASSERT_EQ(refusal_in(house.ask("ged21.1", department.open_again(asked))), "");
  const auto chunk = [&](protocol::PartKind what) {
    protocol::GetChunk get;
    get.opening = opening;
    get.part = what;
    const auto reply = house.ask("ged21.1", get);
    EXPECT_EQ(refusal_in(reply), "");
    return std::get<protocol::Chunk>(reply).bytes;
  };
  EXPECT_EQ(chunk(protocol::PartKind::locked), part.envelope.locked);
  EXPECT_TRUE(
      equal(chunk(protocol::PartKind::payload), ByteView(first.envelope.payload).first(protocol::chunk_bytes_max)));
}

TEST_F(Transfers, TheAuthorsColleagueWhoSitsThereIsShownAndOpensNothingOfIt) {
  const Passed dossier = passed();
  Draft complement = step(Kind::complement, "referent.auxerre", "ged/89", dossier.report.id);
  const Sealed more = accept(complement);
  ASSERT_EQ(pass_on(more, dossier.report.id), "");
  for (const protocol::QueueItem& item : items("elu", "ged/21")) {
    EXPECT_FALSE(item.visible);
    EXPECT_EQ(refusal_in(open("elu", item.exchange)), "FORBIDDEN(interdit.auteur)");
    EXPECT_EQ(refusal_in(house.ask("elu", protocol::Prove{item.exchange})), "FORBIDDEN(interdit.auteur)");
  }
  for (const char* member : {"elu", "referent.auxerre", "maire.auxerre"}) {
    EXPECT_EQ(refusal_in(open(member, dossier.report.id)), "FORBIDDEN(interdit.auteur)") << member;
    EXPECT_EQ(listed(member, dossier.transmission.id), std::nullopt) << member;
    EXPECT_EQ(listed(member, dossier.report.id)->commune, true) << member;
    protocol::ListCases after;
    after.after = dossier.transmission.id;
    Draft named = step(Kind::complement, member, "ged/21", dossier.transmission.id);
    const std::string said = refused(named);
    EXPECT_EQ(said, std::string(member) == "elu" ? "FORBIDDEN(defaut)" : "INVALID(queue)") << member;
    if (std::string(member) == "elu") continue;
    EXPECT_EQ(refusal_in(house.ask(member, after)), "NOT_FOUND") << member;
    named.queue = "ged/89";
    EXPECT_EQ(refused(named), "NOT_FOUND") << member;
    EXPECT_EQ(refusal_in(open(member, dossier.transmission.id)), "NOT_FOUND") << member;
    EXPECT_EQ(refusal_in(house.ask(member, protocol::Prove{dossier.transmission.id})), "NOT_FOUND") << member;
  }
}

TEST_F(Transfers, ACollectiviteIsToldTheSameBytesWhateverBecomesOfWhatWasPassedOn) {
  const Sealed first = report();
  const std::vector<std::string> members = {"referent.auxerre", "maire.auxerre", "elu"};
  std::vector<std::vector<Bytes>> before;
  for (const auto& member : members) before.push_back(told(member));
  const auto expect_same = [&](const char* after) {
    for (std::size_t i = 0; i < members.size(); ++i) EXPECT_EQ(told(members[i]), before[i]) << members[i] << after;
  };
  const Sealed sent = accept(transmission(first.id));
  expect_same(" after the transmission");
  ASSERT_EQ(pass_on(first, first.id), "");
  ASSERT_EQ(refusal_in(open("ged21.1", first.id)), "");
  expect_same(" after the access part");
  accept(step(Kind::demande_de_complement, "ged21.secretariat", "ged/89", sent.id));
  close(sent.id, "ged21.secretariat", "ged/21", "ged/89");
  expect_same(" after its answer and its closing");
  house.restart();
  expect_same(" after a start");
  at(month_start(202607) - 14 * day);
  at(month_start(202607));
  ASSERT_TRUE(is_erased(sent.id));
  expect_same(" after its erasure");
}

TEST_F(Transfers, WhoRecusedHimselfHereOpensNothingOfItThere) {
  EXPECT_EQ(refusal_in(publish(department.seat("ged.2", {"ged/89", "ged/21"}))), "");
  const Passed dossier = passed();
  EXPECT_EQ(refusal_in(open("ged.2", dossier.report.id)), "");
  EXPECT_EQ(refusal_in(open("ged.2", dossier.transmission.id)), "");
  accept(step(Kind::recusation, "ged.2", "ged/89", dossier.report.id));
  EXPECT_EQ(refusal_in(open("ged.2", dossier.report.id)), "FORBIDDEN(interdit.recuse)");
  EXPECT_EQ(refusal_in(open("ged.2", dossier.transmission.id)), "FORBIDDEN(interdit.recuse)");
  for (const protocol::QueueItem& item : items("ged.2", "ged/21")) EXPECT_FALSE(item.visible);
  EXPECT_EQ(listed("ged.2", dossier.transmission.id), std::nullopt);
  // And the other way about he is free: what he withdrew from is the other instance's evaluation.
  accept(step(Kind::recusation, "ged21.1", "ged/21", dossier.transmission.id));
  EXPECT_EQ(refusal_in(open("ged21.1", dossier.report.id)), "FORBIDDEN(interdit.recuse)");
  EXPECT_EQ(refusal_in(open("ged.1", dossier.report.id)), "");
  expect_whole();
}

TEST_F(Transfers, EachConditionOfTheReportIsKeptAtTransmissionAndAtOrientation) {
  const std::string prefecture = department.member("secretariat").organisation;
  const std::vector<std::pair<std::string, std::string>> conditions = {
      {"ged-only", "FORBIDDEN(interdit.hors.ged)"},
      {"eyes-only", "FORBIDDEN(interdit.lecteurs)"},
      {"no-copy-to:" + prefecture, "FORBIDDEN(interdit.copie)"},
      {"ask-before-transfer", "AGREEMENT_MISSING(interdit.sans.accord)"}};
  for (const auto& [condition, refusal] : conditions) {
    const Sealed first = report({condition});
    for (const char* to : {"ged/21", "clir/89", "cpraf/89"})
      EXPECT_EQ(refused(transmission(first.id, to)), refusal) << condition << " " << to;
  }
  expect_whole();
}

TEST_F(Transfers, EachConditionOfWhatIsAddedLaterIsKeptWhenItIsPassedOn) {
  const Passed dossier = passed();
  const std::string prefecture = department.member("secretariat").organisation;
  const std::vector<std::pair<std::string, std::string>> conditions = {
      {"ged-only", "FORBIDDEN(interdit.hors.ged)"},
      {"eyes-only", "FORBIDDEN(interdit.lecteurs)"},
      {"no-copy-to:" + prefecture, "NOT_FOUND"},  // it is not even shown to who would pass it on
      {"ask-before-transfer", "AGREEMENT_MISSING(interdit.sans.accord)"}};
  for (const auto& [condition, refusal] : conditions) {
    Draft draft = step(Kind::complement, "referent.auxerre", "ged/89", dossier.report.id);
    draft.handling = {condition};
    const Sealed more = accept(draft);
    EXPECT_EQ(pass_on(more, dossier.report.id), refusal) << condition;
  }
}

TEST_F(Transfers, WhoIsToHaveNoCopyIsShownAndOpensNothingOfItThereEither) {
  const Sealed first = report({"no-copy-to:service-21"});
  const Sealed sent = accept(transmission(first.id));
  ASSERT_EQ(pass_on(first, first.id), "");
  for (const protocol::QueueItem& item : items("ged21.1", "ged/21")) EXPECT_FALSE(item.visible);
  EXPECT_EQ(refusal_in(open("ged21.1", first.id)), "FORBIDDEN(interdit.copie)");
  EXPECT_EQ(refusal_in(open("ged21.1", sent.id)), "FORBIDDEN(interdit.copie)");
  EXPECT_EQ(refusal_in(house.ask("ged21.1", protocol::Prove{sent.id})), "") << "and the record shows why";
  EXPECT_EQ(refusal_in(open("ged21.secretariat", first.id)), "");
  expect_whole();
}

TEST_F(Transfers, ItsAnswerAndItsQuestionsGoToTheInstanceThatPassedItOnAndNowhereElse) {
  const Passed dossier = passed();
  ASSERT_EQ(refusal_in(open("ged21.1", dossier.report.id)), "");
  const auto of_commune = listed("referent.auxerre", dossier.report.id);
  const Digest& linked = dossier.transmission.id;
  const Sealed asks = accept(step(Kind::demande_de_complement, "ged21.secretariat", "ged/89", linked));
  EXPECT_EQ(refusal_in(open("ged.1", asks.id)), "");
  EXPECT_EQ(last_line().text("rule"), "ouverture.transmis");
  for (const Kind kind : {Kind::recevabilite, Kind::inscription, Kind::mise_en_evaluation, Kind::decision})
    accept(step(kind, "ged21.secretariat", "ged/21", linked));
  Draft retour = step(Kind::retour, "ged21.secretariat", "ged/89", linked);
  for (const char* elsewhere : {"ged/21", "clir/89", "cpraf/89"}) {
    retour.queue = elsewhere;
    EXPECT_EQ(refused(retour), "INVALID(queue)") << elsewhere;
  }
  retour.queue = "ged/89";
  const Sealed answer = accept(retour);
  EXPECT_EQ(house.store().find_exchange(answer.id)->case_number, house.store().find_exchange(linked)->number);
  EXPECT_EQ(refusal_in(open("ged.1", answer.id)), "") << "it waits for no hour";
  EXPECT_TRUE(items("secretariat", "ged/89").back().visible);
  EXPECT_EQ(listed("ged21.secretariat", linked)->state, "retour_effectue");
  EXPECT_EQ(listed("referent.auxerre", dossier.report.id), of_commune);
  EXPECT_EQ(refusal_in(open("referent.auxerre", answer.id)), "NOT_FOUND");
  // A newcomer here is given access to the answer like to anything in this queue.
  EXPECT_EQ(refusal_in(publish(department.enrol("ged.9", "service-9", {Role::membre_ged}, {"ged/89"}))), "");
  EXPECT_EQ(refusal_in(open("ged.9", answer.id)), "FORBIDDEN(defaut)");
  EXPECT_EQ(pass_on(answer, dossier.report.id, "ged/89", "ged.1"), "");
  EXPECT_EQ(refusal_in(open("ged.9", answer.id)), "");
  // Nothing of it is answered by who holds the report itself.
  EXPECT_EQ(refused(step(Kind::retour, "secretariat", "ged/89", dossier.report.id)), "FORBIDDEN(defaut)");
  expect_whole();
}

TEST_F(Transfers, ALinkedCaseIsNeverAnsweredToTheCollectivite) {
  // The CLIR's secretariat is shown the commune's queue, and may write to it in cases of its own.
  const Passed dossier = passed("clir/89");
  ASSERT_EQ(refusal_in(open("clir.1", dossier.report.id)), "");
  for (const Kind kind : {Kind::demande_de_complement, Kind::retour}) {
    Draft draft = step(kind, "secretariat", org(), dossier.transmission.id);
    EXPECT_EQ(refused(draft), "INVALID(queue)");
  }
}

TEST_F(Transfers, NobodyPassesOnWhatNobodyHasRead) {
  const Sealed first = accept({});
  EXPECT_EQ(refused(transmission(first.id)).substr(0, 23), "ILLEGAL_TRANSITION(recu");
  EXPECT_EQ(refusal_in(open("ged.1", first.id)), "");
  Draft by_member = transmission(first.id);
  by_member.sender = "ged.1";
  EXPECT_EQ(refused(by_member), "FORBIDDEN(defaut)");
  Draft by_stranger = transmission(first.id, "ged/89");
  by_stranger.sender = "ged21.secretariat";
  EXPECT_EQ(refused(by_stranger), "NOT_FOUND");
  EXPECT_EQ(refused(transmission(first.id)), "");
}

TEST_F(Transfers, NobodyButTheSecretariatGivesAReportToAnotherInstance) {
  const Sealed sealed = report();
  accept(transmission(sealed.id));
  EXPECT_EQ(pass_on(sealed, sealed.id, "ged/21", "ged.1"), "FORBIDDEN(defaut)");
  EXPECT_EQ(pass_on(sealed, sealed.id), "");
}

TEST_F(Transfers, GoesToAnotherInstanceOnceWhileItStandsThereAndToTheCprafOfItsDepartement) {
  const Passed dossier = passed();
  EXPECT_EQ(refused(transmission(dossier.report.id)), "INVALID(queue)") << "what stands there is added to";
  EXPECT_EQ(refused(transmission(dossier.report.id, "ged/89")), "INVALID(queue)");
  EXPECT_EQ(refused(transmission(dossier.report.id, "cpraf/21")), "INVALID(queue)");
  EXPECT_EQ(pass_on(dossier.report, dossier.report.id, "clir/89"), "INVALID(queue)") << "it was not passed on there";
  const Sealed oriented = accept(transmission(dossier.report.id, "cpraf/89"));
  EXPECT_EQ(last_line().text("rule"), "depot.orientation");
  ASSERT_EQ(pass_on(dossier.report, dossier.report.id, "cpraf/89"), "");
  EXPECT_EQ(refusal_in(open("cpraf.1", dossier.report.id)), "");
  EXPECT_EQ(refusal_in(open("cpraf.1", oriented.id)), "");
  EXPECT_EQ(listed("secretariat", dossier.report.id)->transmitted.size(), 2U);
  // Only what was reported goes along.
  const Sealed finding = accept(step(Kind::recevabilite, "secretariat", "ged/89", dossier.report.id));
  EXPECT_EQ(pass_on(finding, dossier.report.id), "INVALID(in_reply_to)");
  EXPECT_EQ(pass_on(dossier.transmission, dossier.report.id, "cpraf/89"), "INVALID(in_reply_to)");
  expect_whole();
}

TEST_F(Transfers, AReportGoesOnFromThereThroughThePartThatWasGiven) {
  const Passed dossier = passed("clir/89");
  ASSERT_EQ(refusal_in(open("clir.1", dossier.report.id)), "");
  Draft on = transmission(dossier.transmission.id);
  const Sealed further = accept(on);
  ASSERT_EQ(pass_on(dossier.report, dossier.transmission.id), "");
  ASSERT_EQ(pass_on(dossier.transmission, dossier.transmission.id), "") << "and why it came here";
  EXPECT_EQ(refusal_in(open("ged21.1", dossier.report.id)), "");
  EXPECT_EQ(last_line().text("case"), std::string(as_text(further.id)));
  EXPECT_EQ(refusal_in(open("ged21.1", dossier.transmission.id)), "");
  for (const protocol::QueueItem& item : items("elu", "ged/21")) EXPECT_FALSE(item.visible);
  accept(step(Kind::recusation, "parquet.1", "ged/89", dossier.report.id));
  EXPECT_EQ(refusal_in(open("parquet.1", dossier.transmission.id)), "FORBIDDEN(interdit.recuse)");
  expect_whole();
}

TEST_F(Transfers, AReportStandsOnceInAnInstanceWhicheverWayItCameThere) {
  const Passed dossier = passed();
  ASSERT_EQ(refusal_in(open("ged21.secretariat", dossier.report.id)), "");
  const auto sent_on = [&](const std::string& to) {
    return step(Kind::transmission, "ged21.secretariat", to, dossier.transmission.id);
  };
  EXPECT_EQ(refused(sent_on("ged/89")), "INVALID(queue)") << "back to where it came from";
  const Sealed further = accept(sent_on("clir/89"));
  EXPECT_EQ(refused(transmission(dossier.report.id, "clir/89")), "INVALID(queue)") << "it stands there by another way";
  accept(transmission(dossier.report.id, "cpraf/89"));
  EXPECT_EQ(pass_on(dossier.report, dossier.report.id, "clir/89"), "INVALID(queue)");
  // Once that is erased it may come again.
  for (const char* member : {"secretariat", "parquet.1"}) {
    Draft draft = step(Kind::demande_effacement, member, "clir/89", further.id);
    draft.attributes = {{"code", "droit_des_personnes"}};
    accept(draft);
  }
  house.tick();
  ASSERT_TRUE(is_erased(further.id));
  EXPECT_EQ(refused(transmission(dossier.report.id, "clir/89")), "");
  EXPECT_EQ(refused(sent_on("clir/89")), "INVALID(queue)");
  expect_whole();
}

TEST_F(Transfers, AnAccessPartOpensNothingForACaseThatItDoesNotStandIn) {
  const Sealed first = report();
  const Sealed other = report();
  EXPECT_EQ(refusal_in(publish(department.enrol("ged.9", "service-9", {Role::membre_ged}, {"ged/89"}, "89"))), "");
  const Sealed part = department.seal_access_to("ged/89", first.id, "ged.1", first, house.now);
  ASSERT_EQ(refusal_in(submit(part)), "");
  ASSERT_EQ(refusal_in(open("ged.9", first.id)), "");
  const std::uint64_t made = house.store().find_exchange(part.id)->number.value;
  const std::uint64_t elsewhere = house.store().find_exchange(other.id)->number.value;
  house.close();
  run_sql(house.database(),
          "UPDATE exchange SET case_number = " + std::to_string(elsewhere) + " WHERE number = " + std::to_string(made));
  house.restart();
  EXPECT_EQ(refusal_in(open("ged.9", first.id)), "FORBIDDEN(defaut)");
  EXPECT_EQ(std::get<protocol::Opened>(open("ged.1", first.id)).access.size(), 1U);
  for (std::size_t i = 0; i < protocol::access_parts_per_sender_max; ++i)
    EXPECT_EQ(pass_on(first, first.id, "ged/89", "ged.1"), "") << "nor does it take a place in this one";
  EXPECT_EQ(pass_on(first, first.id, "ged/89", "ged.1"), "TOO_LARGE(recipients)");
}

TEST_F(Transfers, OneInstanceTakesNoPlacesOfAnotherAmongTheAccessPartsOfAReport) {
  const Passed dossier = passed();
  accept(transmission(dossier.report.id, "clir/89"));
  for (std::size_t i = 0; i < protocol::access_parts_per_sender_max; ++i)
    EXPECT_EQ(pass_on(dossier.report, dossier.report.id, "clir/89"), "");
  EXPECT_EQ(pass_on(dossier.report, dossier.report.id, "clir/89"), "TOO_LARGE(recipients)");
  EXPECT_EQ(pass_on(dossier.report, dossier.report.id), "") << "the second there";
  EXPECT_EQ(pass_on(dossier.report, dossier.report.id), "TOO_LARGE(recipients)");
}

TEST_F(Transfers, AFollowerIsPushedWhatAListShows) {
  const Sealed first = report({"no-copy-to:service-21"});
  for (const char* member : {"ged21.1", "ged21.secretariat"})
    EXPECT_EQ(refusal_in(house.ask(member, protocol::Follow{{{"ged/21", {}}}, 16})), "");
  std::vector<broker::VerifiedRequest> batch;
  batch.push_back(house.request("secretariat", department.seal(transmission(first.id)).verified()));
  const auto outcome = house.apply(std::move(batch));
  ASSERT_TRUE(outcome.has_value());
  std::map<bool, int> pushed;
  for (const broker::Outgoing& each : outcome->outgoing)
    if (const auto* items = std::get_if<protocol::Pushed>(&each.reply.body))
      for (const protocol::QueueItem& item : items->items) ++pushed[item.visible];
  EXPECT_EQ(pushed[true], 1);
  EXPECT_EQ(pushed[false], 1);
}

// ---- erasure -----------------------------------------------------------------------------------------------------

TEST_F(Transfers, P9AtTheTermOfALinkedCaseItsAccessPartsAreDeadAndTheReportStandsWhereItWasSent) {
  const Passed dossier = passed();
  ASSERT_EQ(refusal_in(open("ged21.1", dossier.report.id)), "");
  close(dossier.transmission.id, "ged21.secretariat", "ged/21", "ged/89");
  at(month_start(202607) - 14 * day);
  EXPECT_TRUE(listed("ged21.secretariat", dossier.transmission.id)->noticed);
  at(month_start(202607));
  EXPECT_TRUE(is_erased(dossier.transmission.id));
  EXPECT_EQ(refusal_in(open("ged21.1", dossier.report.id)), "NOT_FOUND");
  EXPECT_EQ(refusal_in(open("ged21.1", dossier.transmission.id)), "ERASED(terme)");
  EXPECT_EQ(refusal_in(open("ged.1", dossier.report.id)), "");
  EXPECT_TRUE(listed("secretariat", dossier.report.id)->transmitted.empty());
  expect_whole();
  EXPECT_EQ(refused(transmission(dossier.report.id)), "") << "and it may be passed on there anew";
  house.restart();
  house.tick();
  expect_whole();
}

TEST_F(Transfers, P9ACaseWaitsAtItsTermForTheOneLinkedToItButNotItsCollectivitesCopies) {
  const Passed dossier = passed();
  const Sealed alone = report();
  ASSERT_EQ(refusal_in(open("ged21.1", dossier.report.id)), "");
  close(dossier.report.id, "secretariat", "ged/89", org());
  close(alone.id, "secretariat", "ged/89", org());
  EXPECT_EQ(listed("referent.auxerre", dossier.report.id)->term, listed("referent.auxerre", alone.id)->term);
  EXPECT_EQ(listed("secretariat", alone.id)->term, month_start(202607));
  EXPECT_EQ(listed("secretariat", dossier.report.id)->term, month_start(203101)) << "as long as what is open there";
  at(month_start(202607) - 14 * day);
  at(month_start(202607));
  EXPECT_TRUE(is_erased(alone.id));
  EXPECT_FALSE(is_erased(dossier.report.id));
  const auto lines = broker::read_terms(house.database(), house.settings().terms, house.now);
  ASSERT_TRUE(lines.has_value());
  ASSERT_EQ(lines->lines.size(), 1U);
  EXPECT_EQ(lines->lines[0].case_id, dossier.report.id);
  EXPECT_FALSE(lines->lines[0].due);
  EXPECT_EQ(lines->lines[0].erased_at, month_start(203101));
  EXPECT_EQ(refusal_in(open("ged21.1", dossier.report.id)), "") << "it lives on there";
  // Both are told the same of their own copies, which go on the same day.
  auto waiting = listed("referent.auxerre", dossier.report.id).value();
  auto erased = listed("referent.auxerre", alone.id).value();
  waiting.case_id = erased.case_id = {};
  EXPECT_EQ(waiting, erased);
  for (const auto& item : items("referent.auxerre", org())) EXPECT_FALSE(item.visible);

  close(dossier.transmission.id, "ged21.secretariat", "ged/21", "ged/89");
  at(month_start(202701) - 14 * day);
  EXPECT_EQ(listed("secretariat", dossier.report.id)->term, month_start(202701));
  at(month_start(202701));
  house.tick();
  EXPECT_TRUE(is_erased(dossier.transmission.id));
  EXPECT_TRUE(is_erased(dossier.report.id));
  expect_whole();
}

TEST_F(Transfers, P9ACaseWaitsForAllThatCameOfItAndSaysUntilWhen) {
  const Passed dossier = passed("clir/89");
  ASSERT_EQ(refusal_in(open("clir.1", dossier.report.id)), "");
  const Sealed further = accept(transmission(dossier.transmission.id));
  ASSERT_EQ(pass_on(dossier.report, dossier.transmission.id), "");
  ASSERT_EQ(refusal_in(open("ged21.1", dossier.report.id)), "");
  close(dossier.report.id, "secretariat", "ged/89", org());
  close(dossier.transmission.id, "secretariat", "clir/89", "ged/89");
  const std::vector<Digest> near = {dossier.report.id, dossier.transmission.id};
  const auto expect_until = [&](UnixMillis end) {
    const auto lines = broker::read_terms(house.database(), house.settings().terms, house.now);
    ASSERT_TRUE(lines.has_value());
    for (const Digest& id : near) {
      EXPECT_EQ(listed("secretariat", id)->term, end);
      const auto line = std::find_if(lines->lines.begin(), lines->lines.end(),
                                     [&](const broker::TermLine& each) { return each.case_id == id; });
      ASSERT_NE(line, lines->lines.end());
      EXPECT_EQ(line->erased_at, end);
      EXPECT_FALSE(line->due);
    }
  };
  at(month_start(202607) - 14 * day);
  expect_until(month_start(203101));
  at(month_start(202607));
  for (const Digest& id : near) EXPECT_FALSE(is_erased(id));
  close(further.id, "ged21.secretariat", "ged/21", "clir/89");
  at(month_start(202701) - 14 * day);
  expect_until(month_start(202701));
  at(month_start(202701));
  for (int look = 0; look < 2; ++look) house.tick();  // each waits for the one below it
  for (const Digest& id : near) EXPECT_TRUE(is_erased(id));
  EXPECT_TRUE(is_erased(further.id));
  expect_whole();
}

TEST_F(Transfers, P9AnAnswerOutlivesItsCaseWithTheInstanceItWentToAndGoesWithTheCaseThere) {
  const auto ask_erasure = [&](const Digest& id, const std::string& queue) {
    for (const char* member : {"secretariat", "parquet.1"}) {
      Draft draft = step(Kind::demande_effacement, member, queue, id);
      draft.attributes = {{"code", "droit_des_personnes"}};
      accept(draft);
    }
    house.tick();
  };
  for (const bool early : {false, true}) {
    SCOPED_TRACE(early ? "asked for" : "at its term");
    const Passed dossier = passed("clir/89");
    const Digest& linked = dossier.transmission.id;
    ASSERT_EQ(refusal_in(open("clir.1", dossier.report.id)), "");
    const Sealed asks = accept(step(Kind::demande_de_complement, "secretariat", "ged/89", linked));
    for (const Kind kind : {Kind::recevabilite, Kind::inscription, Kind::mise_en_evaluation, Kind::decision})
      accept(step(kind, "secretariat", "clir/89", linked));
    const Sealed answer = accept(step(Kind::retour, "secretariat", "ged/89", linked));
    Draft closing = step(Kind::cloture, "secretariat", "clir/89", linked);
    closing.attributes = {{"terme", "court"}};
    accept(closing);
    if (early) {
      ask_erasure(linked, "clir/89");
    } else {
      at(month_start(202607) - 14 * day);
      at(month_start(202607));
    }
    ASSERT_TRUE(is_erased(linked));
    ASSERT_EQ(state_of(linked), static_cast<std::uint8_t>(protocol::CaseState::efface));
    for (const Sealed* each : {&asks, &answer}) {
      EXPECT_FALSE(is_erased(each->id));
      EXPECT_EQ(refusal_in(open("ged.1", each->id)), "");
    }
    expect_whole();

    // Who comes later is given it all the same, and nothing of its own case is so brought back.
    const std::string late = early ? "ged.8" : "ged.9";
    EXPECT_EQ(refusal_in(publish(department.enrol(late, "service-9", {Role::membre_ged}, {"ged/89"}, "89"))), "");
    EXPECT_EQ(refusal_in(open(late, answer.id)), "FORBIDDEN(defaut)");
    const Sealed part = department.seal_access_to("ged/89", dossier.report.id, "ged.1", answer, house.now);
    EXPECT_EQ(refusal_in(submit(part)), "");
    EXPECT_EQ(refusal_in(open(late, answer.id)), "");
    EXPECT_EQ(state_of(linked), static_cast<std::uint8_t>(protocol::CaseState::efface));
    house.restart();
    house.tick();
    EXPECT_EQ(refusal_in(open("ged.1", answer.id)), "");
    expect_whole();

    ask_erasure(dossier.report.id, "ged/89");
    for (const Digest& id : {dossier.report.id, asks.id, answer.id, part.id}) EXPECT_TRUE(is_erased(id));
    EXPECT_EQ(last_line().text("rule"), "demande");
    EXPECT_EQ(refusal_in(open("ged.1", answer.id)), "ERASED(terme)");
    expect_whole();
  }
}

TEST_F(Transfers, P9AtItsCeilingACaseTakesWhatWasPassedOnOfItWithIt) {
  const Passed dossier = passed("clir/89");
  ASSERT_EQ(refusal_in(open("clir.1", dossier.report.id)), "");
  at(month_start(202901));
  const Sealed further = accept(transmission(dossier.transmission.id));
  ASSERT_EQ(pass_on(dossier.report, dossier.transmission.id), "");
  at(month_start(203101) - 1ms);
  EXPECT_FALSE(is_erased(dossier.report.id));
  const auto lines = broker::read_terms(house.database(), house.settings().terms, month_start(203101));
  ASSERT_TRUE(lines.has_value());
  EXPECT_EQ(std::count_if(lines->lines.begin(), lines->lines.end(), [](const auto& line) { return line.due; }), 3);
  house.now = month_start(203101);
  house.tick();
  for (const Digest& id : {dossier.report.id, dossier.transmission.id, further.id}) EXPECT_TRUE(is_erased(id));
  EXPECT_EQ(state_of(further.id), static_cast<std::uint8_t>(protocol::CaseState::efface));
  const auto rules = [&] {
    std::vector<std::string> out;
    for (const JournalLine& line : journal({house.store().tree_size().value - 8}))
      if (line.text("act") == "erase_exchange") out.push_back(line.text("rule"));
    return out;
  }();
  EXPECT_FALSE(rules.empty());
  for (const std::string& rule : rules) EXPECT_EQ(rule, "plafond");
  expect_whole();
}

TEST_F(Transfers, P9AnAgreedRequestTakesWhatWasPassedOnWithItUnlessThatIsHeldAndLeavesWhatItCameFrom) {
  const auto ask = [&](Kind kind, const char* code, const Digest& id, const std::string& queue) {
    for (const char* member : {"secretariat", "parquet.1"}) {
      Draft draft = step(kind, member, queue, id);
      draft.attributes = {{"code", code}};
      accept(draft);
    }
  };
  const Passed dossier = passed("clir/89");
  ASSERT_EQ(refusal_in(open("clir.1", dossier.report.id)), "");
  // Of the linked one alone: the report stands.
  const Passed other = passed("clir/89");
  ask(Kind::demande_effacement, "droit_des_personnes", other.transmission.id, "clir/89");
  house.tick();
  EXPECT_TRUE(is_erased(other.transmission.id));
  EXPECT_FALSE(is_erased(other.report.id));
  EXPECT_EQ(refusal_in(open("clir.1", other.report.id)), "NOT_FOUND");
  // Held there, it stays here too.
  ask(Kind::maintien, "procedure", dossier.transmission.id, "clir/89");
  ask(Kind::demande_effacement, "droit_des_personnes", dossier.report.id, "ged/89");
  house.tick();
  EXPECT_FALSE(is_erased(dossier.report.id));
  EXPECT_FALSE(is_erased(dossier.transmission.id));
  expect_whole();
  const Passed free = passed("clir/89");
  ask(Kind::demande_effacement, "droit_des_personnes", free.report.id, "ged/89");
  house.tick();
  EXPECT_TRUE(is_erased(free.report.id));
  EXPECT_TRUE(is_erased(free.transmission.id));
  EXPECT_EQ(refusal_in(open("clir.1", free.transmission.id)), "ERASED(terme)");
  EXPECT_EQ(refusal_in(open("clir.1", free.report.id)), "NOT_FOUND");
  expect_whole();
}

TEST_F(Transfers, CheckFindsALinkThatTheLogDoesNotHave) {
  const Passed dossier = passed();
  report();
  house.close();
  const auto found = [&](const char* sql) {
    const std::filesystem::path copy = house.folder() / "whole.db";
    copy_database(house.database(), copy);
    run_sql(house.database(), sql);
    broker::CheckOptions options;
    options.log = department.log();
    const auto keys = broker::KeyRing::open(house.key_paths(), test_startup_secret(), house.now);
    const auto checked = broker::check_store(house.database(), **keys, options);
    std::set<std::string> names;
    if (checked)
      for (const broker::StoreProblem& problem : checked->problems) names.insert(problem.name);
    copy_database(copy, house.database());
    return names;
  };
  EXPECT_EQ(found("UPDATE meta SET undecodable = undecodable"), std::set<std::string>{});
  EXPECT_TRUE(found("DELETE FROM case_origin").contains("case.origin")) << "so that its collectivité is its party";
  EXPECT_TRUE(found("UPDATE case_origin SET origin = 4").contains("case.origin"));
  EXPECT_TRUE(found("UPDATE case_file SET organisation = 'bureau-1' WHERE number = 2").contains("case.party"));
  EXPECT_TRUE(found("UPDATE case_file SET state = 3 WHERE number = 2").contains("case.state"));
}

// ---- limits ------------------------------------------------------------------------------------------------------

class ManyInstances : public Transfers {
 protected:
  static std::string name(std::size_t i) { return "ged/" + std::to_string(10 + i); }
  ManyInstances() {
    std::vector<std::string> all = {"ged/89", "clir/89", "cpraf/89"};
    for (std::size_t i = 0; i <= protocol::transfers_chain_max; ++i) {
      department.add_instance(name(i));
      all.push_back(name(i));
    }
    EXPECT_EQ(refusal_in(publish(department.seat("secretariat", seats(all)))), "");
  }
};

TEST_F(ManyInstances, AReportGoesThroughEightTransmissionsAndNoMore) {
  const Sealed first = report();
  Digest at_last = first.id;
  for (std::size_t i = 0; i < protocol::transfers_chain_max; ++i) {
    const Sealed sent = accept(transmission(at_last, name(i)));
    ASSERT_EQ(pass_on(first, at_last, name(i)), "") << i;
    ASSERT_EQ(refusal_in(open("secretariat", first.id)), "");
    at_last = sent.id;
  }
  EXPECT_EQ(refused(transmission(at_last, name(protocol::transfers_chain_max))), "TOO_LARGE(transfers)");
  EXPECT_EQ(refused(transmission(first.id, name(protocol::transfers_chain_max - 1))), "INVALID(queue)");
  EXPECT_EQ(refused(transmission(at_last, "ged/89")), "INVALID(queue)");
  expect_whole();
}

TEST_F(ManyInstances, ACaseIsPassedOnToEightInstancesAndNoMore) {
  const Sealed first = report();
  for (std::size_t i = 0; i < protocol::case_transmissions_max; ++i) accept(transmission(first.id, name(i)));
  EXPECT_EQ(refused(transmission(first.id, name(protocol::case_transmissions_max))), "TOO_LARGE(transfers)");
  EXPECT_EQ(listed("secretariat", first.id)->transmitted.size(), protocol::case_transmissions_max);
  expect_whole();
}

}  // namespace
}  // namespace pli::testing
