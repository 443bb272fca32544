#include <array>
#include <functional>

#include "broker/store_vitals.hpp"
#include "crypto/hash.hpp"
#include "crypto/random.hpp"
#include "crypto/statement.hpp"
#include "protocol/case_life.hpp"
#include "protocol/limits.hpp"
#include "protocol/retention.hpp"
#include "tests/broker/core_fixture.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;
using protocol::Kind;

class Submit : public CoreTest {};

TEST_F(Submit, IsReceiptedWithAProofThatVerifiesOffline) {
  const Sealed sealed = department.seal({});
  const auto reply = submit(sealed);
  const auto* accepted = std::get_if<protocol::Accepted>(&reply);
  ASSERT_NE(accepted, nullptr) << refusal_in(reply);
  EXPECT_EQ(accepted->exchange, sealed.id);
  EXPECT_FALSE(accepted->duplicate);
  const audit::Receipt receipt = verified(accepted->proof);
  EXPECT_EQ(receipt.leaf.type, audit::LeafType::collecte);
  EXPECT_EQ(receipt.leaf.time, house.now);
  EXPECT_EQ(*receipt.record.find("exchange"), to_bytes(ByteView(sealed.id)));
  EXPECT_EQ(as_text(*receipt.record.find("actor")), "referent.auxerre");
  EXPECT_EQ(as_text(*receipt.record.find("rule")), "depot.signalement");
  expect_whole();
}

TEST_F(Submit, P5TheRecordAloneProvesWhoSigned) {
  const Sealed sealed = accept({});
  const JournalLine line = last_line();
  const auto key = to_array<32>(*line.record.find("key"));
  const auto signature = to_array<64>(*line.record.find("signature"));
  const auto statement = to_array<32>(*line.record.find("exchange"));
  EXPECT_TRUE(
      crypto::verify_statement_digest({*key}, crypto::StatementName::exchange, *statement, *signature).has_value());
}

TEST_F(Submit, ShowsTheSenderNeitherQueueNumberNorRecipients) {
  const auto reply = submit(department.seal({}));
  const audit::Receipt receipt = verified(std::get<protocol::Accepted>(reply).proof);
  for (const char* hidden : {"number", "head", "recipients"}) EXPECT_EQ(receipt.record.find(hidden), nullptr) << hidden;
  const JournalLine line = last_line();
  for (const char* shown : {"number", "head", "recipients", "queue"})
    EXPECT_NE(line.record.find(shown), nullptr) << shown;
}

TEST_F(Submit, P8TheSameBytesAgainGiveTheSameLeafAndNoSecondOne) {
  const Sealed sealed = department.seal({});
  const auto first = submit(sealed);
  const TreeSize size = house.store().tree_size();
  const auto again = submit(sealed);
  ASSERT_EQ(refusal_in(again), "");
  EXPECT_TRUE(std::get<protocol::Accepted>(again).duplicate);
  EXPECT_EQ(std::get<protocol::Accepted>(again).proof.index, std::get<protocol::Accepted>(first).proof.index);
  EXPECT_EQ(std::get<protocol::Accepted>(again).proof.disclosure, std::get<protocol::Accepted>(first).proof.disclosure);
  verified(std::get<protocol::Accepted>(again).proof);
  house.restart();
  EXPECT_TRUE(std::get<protocol::Accepted>(submit(sealed)).duplicate);
  EXPECT_EQ(house.store().tree_size(), size);
  EXPECT_EQ(house.store().exchange_count(), 1U);
}

TEST_F(Submit, P8TwiceInOneBatchIsAcceptedOnce) {
  const Sealed sealed = department.seal({});
  std::vector<broker::VerifiedRequest> batch;
  batch.push_back(house.request("referent.auxerre", sealed.verified()));
  batch.push_back(house.request("referent.auxerre", sealed.verified()));
  const auto outcome = house.apply(std::move(batch));
  ASSERT_TRUE(outcome.has_value());
  ASSERT_EQ(outcome->outgoing.size(), 2U);
  const auto& first = std::get<protocol::Accepted>(outcome->outgoing[0].reply.body);
  const auto& second = std::get<protocol::Accepted>(outcome->outgoing[1].reply.body);
  EXPECT_FALSE(first.duplicate);
  EXPECT_TRUE(second.duplicate);
  EXPECT_EQ(first.proof.index, second.proof.index);
  EXPECT_EQ(house.store().exchange_count(), 1U);
}

TEST_F(Submit, IsReceiptedAgainAfterTheRosterChangedOrTheStagedPartsWent) {
  const Sealed sealed = accept({});
  ASSERT_EQ(refusal_in(publish(department.enrol("ged.neuf", "service-9", {protocol::Role::membre_ged}, {"ged/89"}))),
            "");
  EXPECT_TRUE(std::get<protocol::Accepted>(submit(sealed)).duplicate);
  for (const auto code : {protocol::Code::not_found, protocol::Code::stale_directory}) {
    const auto again = house.ask("referent.auxerre", broker::GateRefusal{{code, {}, 0}, "submit", sealed.id});
    ASSERT_EQ(refusal_in(again), "");
    EXPECT_TRUE(std::get<protocol::Accepted>(again).duplicate);
    verified(std::get<protocol::Accepted>(again).proof);
    // Another identity's exchange is not shown this way.
    EXPECT_NE(refusal_in(house.ask("referent.sens", broker::GateRefusal{{code, {}, 0}, "submit", sealed.id})), "");
  }
}

TEST_F(Submit, AnsweredTogetherEachHasItsOwnProofInOneCheckpoint) {
  std::vector<broker::VerifiedRequest> batch;
  for (int i = 0; i < 21; ++i) batch.push_back(house.request("referent.auxerre", department.seal({}).verified()));
  const auto outcome = house.apply(std::move(batch));
  ASSERT_TRUE(outcome.has_value());
  ASSERT_TRUE(outcome->checkpoint.has_value());
  ASSERT_EQ(outcome->outgoing.size(), 21U);
  for (const broker::Outgoing& out : outcome->outgoing) {
    const auto& accepted = std::get<protocol::Accepted>(out.reply.body);
    EXPECT_EQ(accepted.proof.checkpoint, *outcome->checkpoint);
    verified(accepted.proof);
  }
  expect_whole();
}

/// Something a sender, or whoever speaks for him, might do wrong; and what he is told.
struct Fault {
  const char* name;
  std::string expected;
  std::function<void(Sealed&)> spoil;
};

class SubmitFault : public CoreTest {
 protected:
  std::vector<Fault> faults() {
    return {
        {"another person's sender id", "INVALID(sender)", [](Sealed& s) { s.address.sender = "maire.auxerre"; }},
        {"a key that is not the sender's", "INVALID(sender_key)",
         [](Sealed& s) { s.address.sender_key.bytes = crypto::random_array<32>(); }},
        {"another contract", "INVALID(contract)", [](Sealed& s) { s.address.contract = "csi-58"; }},
        {"another log", "INVALID(log)", [](Sealed& s) { s.address.log = "pli.nievre.exemple/pli/58"; }},
        {"an unknown kind", "INVALID(kind)", [](Sealed& s) { s.address.kind = 999; }},
        {"a queue that is not there", "INVALID(queue)", [](Sealed& s) { s.address.queue = "ged/58"; }},
        {"a queue the rules forbid", "FORBIDDEN(defaut)", [](Sealed& s) { s.address.queue = "clir/89"; }},
        {"a clock that runs ahead", "CLOCK_SKEW", [this](Sealed& s) { s.address.created_at = house.now + 300'001ms; }},
        {"a directory to come", "INVALID(directory)", [](Sealed& s) { s.address.directory.value = 2; }},
        {"no directory", "INVALID(directory)", [](Sealed& s) { s.address.directory.value = 0; }},
        {"a case where one is opened", "INVALID(case)", [this](Sealed& s) { s.address.case_id = known.id; }},
        {"no case where one is named", "INVALID(case)",
         [](Sealed& s) { s.address.kind = static_cast<std::uint16_t>(Kind::complement); }},
        {"a case that is not there", "NOT_FOUND",
         [](Sealed& s) {
           s.address.kind = static_cast<std::uint16_t>(Kind::complement);
           s.address.case_id = crypto::random_array<32>();
         }},
        {"a case of others", "NOT_FOUND",
         [this](Sealed& s) {
           s.address.kind = static_cast<std::uint16_t>(Kind::complement);
           s.address.case_id = others.id;
         }},
        {"an answer to nothing", "NOT_FOUND", [](Sealed& s) { s.address.in_reply_to = crypto::random_array<32>(); }},
        {"an answer to something of others", "NOT_FOUND", [this](Sealed& s) { s.address.in_reply_to = others.id; }},
        {"a roster that is not today's", "STALE_DIRECTORY", [](Sealed& s) { s.address.roster[0] ^= 1; }},
        {"a nonce used before", "CONFLICT", [this](Sealed& s) { s.address.nonce = known.address.nonce; }},
        {"another exchange's payload", "INVALID(release)",
         [this](Sealed& s) {
           s.envelope.payload = known.envelope.payload;
           s.seal.payload = known.seal.payload;
           s.seal.payload_size = known.seal.payload_size;
         }},
        {"a locked part of another size", "INVALID(locked)", [](Sealed& s) { s.envelope.locked.pop_back(); }},
        {"a payload of another size", "INVALID(payload)", [](Sealed& s) { s.envelope.payload.push_back(0); }},
        {"one byte too many", "TOO_LARGE(payload_size)",
         [](Sealed& s) { s.seal.payload_size = protocol::exchange_bytes_max - s.seal.locked_size + 1; }},
        {"an attribute", "INVALID(attributes)",
         [](Sealed& s) {
           s.address.attributes = {{"commune", "89024"}};
         }},
        {"an unknown handling", "INVALID(handling)", [](Sealed& s) { s.address.handling = {"burn-after-reading"}; }},
    };
  }
  Sealed known = accept({});
  Sealed others = [this] {
    Draft draft;
    draft.sender = "referent.sens";
    return accept(draft);
  }();
};

TEST_F(SubmitFault, P6IsRefusedByNameRecordedAndChangesNothingElse) {
  auto before = table_digests(house.database());
  for (const Fault& fault : faults()) {
    SCOPED_TRACE(fault.name);
    house.now = house.now + 61s;  // each in a minute of its own
    Draft draft;
    draft.created_at = house.now;
    Sealed sealed = department.seal(draft);
    fault.spoil(sealed);
    department.sign(sealed);
    const std::uint64_t size = house.store().tree_size().value;
    // Whoever the address names, it is the référent of Auxerre who hands it in.
    const auto reply = house.ask("referent.auxerre", sealed.verified());
    EXPECT_EQ(refusal_in(reply), fault.expected);
    ASSERT_EQ(house.store().tree_size().value, size + 1);

    auto after = table_digests(house.database());
    for (const char* log : {"leaf", "meta"}) {
      EXPECT_NE(after[log], before[log]) << log;
      before[log] = after[log];
    }
    EXPECT_EQ(after, before);

    const JournalLine line = last_line();
    EXPECT_EQ(line.leaf.type, audit::LeafType::refus);
    EXPECT_EQ(line.text("actor"), "referent.auxerre");
    EXPECT_EQ(line.text("act"), "submit");
    EXPECT_EQ(line.text("outcome"), fault.expected.substr(0, fault.expected.find('(')));
    EXPECT_EQ(*line.record.find("exchange"), to_bytes(ByteView(sealed.id)));
    before = table_digests(house.database());
  }
  expect_whole();
}

TEST_F(Submit, AnotherMembersCaseAndNoCaseAtAllAreAnsweredAlike) {
  Draft draft;
  draft.sender = "referent.sens";
  const Sealed others = accept(draft);
  const Sealed to_others = department.seal(step(Kind::complement, "referent.auxerre", "ged/89", others.id));
  const Sealed to_nothing =
      department.seal(step(Kind::complement, "referent.auxerre", "ged/89", crypto::random_array<32>()));
  EXPECT_EQ(refusal_in(submit(to_others)), "NOT_FOUND");
  EXPECT_EQ(refusal_in(submit(to_nothing)), "NOT_FOUND");
}

TEST_F(Submit, AQueueOfOthersAndNoQueueAtAllAreAnsweredAlike) {
  const std::string others = department.organisation_queue("referent.sens");
  struct Case {
    std::string queue;
    const char* rule;  ///< what the journal keeps of it
  };
  for (const Case& each : {Case{others, "defaut"}, Case{"org/999999999", "queue"}}) {
    SCOPED_TRACE(each.queue);
    // Whatever else is wrong with it: an answer that came from further on would tell.
    for (int fault = 0; fault < 4; ++fault) {
      Sealed sealed = department.seal({});
      sealed.address.queue = each.queue;
      if (fault == 1) sealed.address.created_at = house.now + 1h;
      if (fault == 2) sealed.address.roster[0] ^= 1;
      if (fault == 3) sealed.envelope.payload.pop_back();
      department.sign(sealed);
      EXPECT_EQ(refusal_in(submit(sealed)), "INVALID(queue)");
      EXPECT_EQ(last_line().text("rule"), each.rule);
    }
  }
}

TEST_F(Submit, AnOldDateIsFineAndFiveMinutesAheadToo) {
  Draft draft;
  draft.created_at = house.now - std::chrono::hours(24 * 20);
  accept(draft);
  draft.created_at = house.now + 300s;
  accept(draft);
}

TEST_F(Submit, IsStaleOnlyWhenItsOwnRosterChanged) {
  const Sealed to_ged = department.seal({});
  ASSERT_EQ(refusal_in(publish(department.enrol("clir.neuf", "bureau-9", {protocol::Role::membre_clir}, {"clir/89"}))),
            "");
  EXPECT_EQ(refusal_in(submit(to_ged)), "");
  const Sealed later = department.seal({});
  ASSERT_EQ(refusal_in(publish(department.renew("ged.1"))), "");
  EXPECT_EQ(refusal_in(submit(later)), "STALE_DIRECTORY");
  EXPECT_EQ(refusal_in(submit(department.seal({}))), "");
}

TEST_F(Submit, IsRefusedUnderADirectoryPastItsTerm) {
  house.now = house.now + std::chrono::hours(24 * 29);
  EXPECT_EQ(refusal_in(submit(department.seal({}))), "FORBIDDEN(annuaire.expire)");
  ASSERT_EQ(refusal_in(publish(department.renew_term(house.now + std::chrono::hours(24 * 30)))), "");
  EXPECT_EQ(refusal_in(submit(department.seal({}))), "");
}

TEST_F(Submit, P6RefusesAnEmptyRoster) {
  ASSERT_EQ(refusal_in(publish(department.revoke("clir.1", house.now))), "");
  ASSERT_EQ(refusal_in(publish(department.revoke("clir.2", house.now))), "");
  ASSERT_EQ(refusal_in(publish(department.revoke("secretariat", house.now))), "");
  Draft draft;
  draft.kind = Kind::signalement_de_structure;
  draft.queue = "clir/89";
  draft.openable = false;
  EXPECT_EQ(refusal_in(submit(department.seal(draft))), "INVALID(roster)");
}

TEST_F(Submit, RefusesAKeyRenewedAwayAsRevoked) {
  Sealed sealed = department.seal({});
  ASSERT_EQ(refusal_in(publish(department.renew("referent.auxerre"))), "");
  // The new transport key, the old signature.
  EXPECT_EQ(refusal_in(house.ask("referent.auxerre", sealed.verified())), "REVOKED");
}

// ---- the road of a case ------------------------------------------------------------------------------------------

class CaseRoad : public CoreTest {
 protected:
  Sealed report = accept({});
  std::string home = department.organisation_queue("referent.auxerre");

  protocol::CaseItem seen_by_id(const std::string& member, const Digest& case_id) {
    const auto reply = house.ask(member, protocol::ListCases{});
    for (const protocol::CaseItem& item : std::get<protocol::Cases>(reply).items)
      if (item.case_id == case_id) return item;
    return {};
  }
  protocol::CaseItem seen_by(const std::string& member) {
    const auto reply = house.ask(member, protocol::ListCases{});
    const auto& cases = std::get<protocol::Cases>(reply);
    return cases.items.empty() ? protocol::CaseItem{} : cases.items.front();
  }
};

TEST_F(CaseRoad, GoesFromAMairieToTheGedAndBack) {
  EXPECT_EQ(seen_by("referent.auxerre").state, "recu");
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "");
  decide(report.id);
  EXPECT_EQ(seen_by("secretariat").state, "decide");
  EXPECT_EQ(seen_by("referent.auxerre").state, "en_cours_d_examen");
  const Sealed back = accept(step(Kind::retour, "secretariat", home, report.id));
  EXPECT_EQ(seen_by("maire.auxerre").state, "examen_termine");
  const auto opened = house.ask(
      "referent.auxerre", department.open("referent.auxerre", back.id, house.now, protocol::Motif::lecture_du_retour));
  ASSERT_EQ(refusal_in(opened), "");
  const auto plaintext = department.read("referent.auxerre", std::get<protocol::Opened>(opened));
  ASSERT_TRUE(plaintext.has_value());
  EXPECT_EQ(plaintext->address, back.envelope.address);
  expect_whole();
}

TEST_F(CaseRoad, TheInstanceAloneIsToldWhetherItWasReadAndWhenItWasAnswered) {
  Draft urgent;
  urgent.urgency = static_cast<std::uint8_t>(protocol::Urgency::urgente);
  const Sealed second = accept(urgent);
  const auto of_second = [&](const std::string& member) {
    const auto reply = house.ask(member, protocol::ListCases{});
    for (const protocol::CaseItem& item : std::get<protocol::Cases>(reply).items)
      if (item.case_id == second.id) return item;
    return protocol::CaseItem{};
  };
  EXPECT_EQ(of_second("ged.1").urgency, 1);
  EXPECT_EQ(of_second("referent.auxerre").urgency, 1) << "its own word";
  EXPECT_EQ(seen_by("ged.1").urgency, 0);
  EXPECT_FALSE(of_second("ged.1").read);
  ASSERT_EQ(refusal_in(open("ged.1", second.id)), "");
  EXPECT_TRUE(of_second("ged.2").read);
  EXPECT_FALSE(seen_by("ged.2").read);
  EXPECT_FALSE(of_second("referent.auxerre").read);
  EXPECT_EQ(of_second("ged.2").answered_at, UnixMillis{});
  decide(second.id);
  house.now = house.now + 3600s;
  accept(step(Kind::retour, "secretariat", home, second.id));
  EXPECT_GE(of_second("ged.2").answered_at, house.now) << "at the hour its collectivité is shown it";
  EXPECT_EQ(of_second("referent.auxerre").answered_at, UnixMillis{});
}

TEST_F(CaseRoad, ItsRecordSaysWhatDeadlinesAreCountedBy) {
  Draft urgent;
  urgent.urgency = static_cast<std::uint8_t>(protocol::Urgency::urgente);
  const Sealed second = accept(urgent);
  JournalLine line = last_line();  // reading it is one more
  EXPECT_EQ(line.text("urgency"), "urgente");
  EXPECT_EQ(line.text("created"), std::to_string(second.address.created_at.value));
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "");
  decide(report.id);
  line = last_line();
  EXPECT_EQ(line.text("kind"), "decision");
  EXPECT_EQ(line.text("date"), "");
  EXPECT_EQ(line.record.find("urgency"), nullptr) << "said of what is urgent alone";
  accept(step(Kind::report_du_retour, "secretariat", "ged/89", report.id));
  EXPECT_EQ(last_line().text("date"), "2026-12-31");
  expect_whole();
}

TEST_F(CaseRoad, NoDecisionWithoutARecordedOpening) {
  for (const Kind kind : {Kind::demande_de_complement, Kind::recevabilite, Kind::decision}) {
    const std::string queue = kind == Kind::demande_de_complement ? home : "ged/89";
    EXPECT_EQ(refusal_in(submit(department.seal(step(kind, "secretariat", queue, report.id)))).substr(0, 23),
              "ILLEGAL_TRANSITION(recu");
  }
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "");
  EXPECT_EQ(refusal_in(submit(department.seal(step(Kind::decision, "secretariat", "ged/89", report.id)))),
            "ILLEGAL_TRANSITION(recu,decide,demande_de_complement,recevabilite)");
  decide(report.id);
  EXPECT_EQ(refusal_in(submit(department.seal(step(Kind::decision, "secretariat", "ged/89", report.id)))),
            "ILLEGAL_TRANSITION(decide,decide,retour,report_du_retour)");
}

TEST_F(CaseRoad, OpeningOnesOwnWordIsNoReadingOfTheReport) {
  const auto undecided = [&] {
    return refusal_in(submit(department.seal(step(Kind::recevabilite, "secretariat", "ged/89", report.id))));
  };
  Draft kept = step(Kind::maintien, "secretariat", "ged/89", report.id);
  kept.attributes = {{"code", "recours"}};
  ASSERT_EQ(refusal_in(open("secretariat", accept(kept).id)), "");
  EXPECT_EQ(undecided().substr(0, 23), "ILLEGAL_TRANSITION(recu");
  // Nor is that of one who takes no part in it, and reads nothing of it but this.
  const Sealed recusal = accept(step(Kind::recusation, "ged.1", "ged/89", report.id));
  ASSERT_EQ(refusal_in(open("ged.1", recusal.id)), "");
  EXPECT_EQ(undecided().substr(0, 23), "ILLEGAL_TRANSITION(recu");
  EXPECT_FALSE(seen_by("secretariat").read);
  // What its collectivité adds is.
  const Sealed more = accept(step(Kind::complement, "referent.auxerre", "ged/89", report.id));
  ASSERT_EQ(refusal_in(open("ged.2", more.id)), "");
  EXPECT_TRUE(seen_by("secretariat").read);
  EXPECT_EQ(undecided(), "");
  expect_whole();
}

TEST_F(CaseRoad, NobodyStopsARetraitByOpeningHisOwnWord) {
  const Sealed recusal = accept(step(Kind::recusation, "ged.1", "ged/89", report.id));
  ASSERT_EQ(refusal_in(open("ged.2", recusal.id)), "");
  accept(step(Kind::retrait, "referent.auxerre", "ged/89", report.id));
  expect_whole();
}

TEST_F(CaseRoad, GoesTheWholeWayAndIsClosed) {
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "");
  accept(step(Kind::demande_de_complement, "secretariat", home, report.id));
  EXPECT_EQ(seen_by("secretariat").state, "complement_demande");
  EXPECT_EQ(seen_by("referent.auxerre").state, "complement_demande");
  accept(step(Kind::complement, "referent.auxerre", "ged/89", report.id));
  EXPECT_EQ(seen_by("secretariat").state, "recu");
  accept(step(Kind::recevabilite, "secretariat", "ged/89", report.id));
  accept(step(Kind::inscription, "secretariat", "ged/89", report.id));
  Draft later = step(Kind::inscription, "secretariat", "ged/89", report.id);
  later.attributes = {{"date", "2026-12-17"}};
  accept(later);
  EXPECT_EQ(house.store().case_file({1})->session_at, protocol::day_of("2026-12-17"));
  accept(step(Kind::mise_en_evaluation, "secretariat", "ged/89", report.id));
  accept(step(Kind::demande_de_complement, "secretariat", home, report.id));
  EXPECT_EQ(refusal_in(submit(department.seal(step(Kind::recevabilite, "secretariat", "ged/89", report.id)))),
            "ILLEGAL_TRANSITION(complement_demande,recevable,inscription,decision)")
      << "from where it was asked, nothing else";
  accept(step(Kind::complement, "maire.auxerre", "ged/89", report.id));
  EXPECT_EQ(seen_by("secretariat").state, "en_evaluation");
  accept(step(Kind::decision, "secretariat", "ged/89", report.id));
  EXPECT_EQ(house.store().case_file({1})->decided_at, house.now);
  EXPECT_EQ(refusal_in(submit(department.seal(step(Kind::cloture, "secretariat", "ged/89", report.id)))),
            "ILLEGAL_TRANSITION(decide,clos,retour,report_du_retour)");
  accept(step(Kind::retour, "secretariat", home, report.id));
  accept(step(Kind::cloture, "secretariat", "ged/89", report.id));
  EXPECT_EQ(seen_by("secretariat").state, "clos");
  EXPECT_EQ(seen_by("referent.auxerre").state, "examen_termine");
  EXPECT_EQ(refusal_in(submit(department.seal(step(Kind::decision, "secretariat", "ged/89", report.id)))),
            "ILLEGAL_TRANSITION(clos,decide)");
  expect_whole();
}

TEST_F(CaseRoad, AToolsInformationGoesTheSameWayAndIsAnswered) {
  const Sealed information = accept(step(Kind::information_de_volet, "outil.transport", "ged/89", {}));
  ASSERT_EQ(refusal_in(open("ged.1", information.id)), "");
  decide(information.id);
  const std::string queue = department.organisation_queue("outil.transport");
  const Sealed back = accept(step(Kind::retour, "secretariat", queue, information.id));
  EXPECT_EQ(refusal_in(house.ask("outil.transport", department.open("outil.transport", back.id, house.now,
                                                                    protocol::Motif::lecture_du_retour))),
            "");
  accept(step(Kind::cloture, "secretariat", "ged/89", information.id));
  expect_whole();
}

TEST_F(CaseRoad, SilenceAboutAComplementStopsNothing) {
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "");
  accept(step(Kind::demande_de_complement, "secretariat", home, report.id));
  decide(report.id);
  EXPECT_EQ(seen_by("secretariat").state, "decide");
  expect_whole();
}

TEST_F(CaseRoad, OutOfScopeGoesTheSameWayAndWaitsForItsReturnLikeTheOthers) {
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "");
  Draft finding = step(Kind::recevabilite, "secretariat", "ged/89", report.id);
  finding.attributes = {{"avis", "hors_perimetre"}};
  accept(finding);
  EXPECT_TRUE(house.store().case_file({1})->out_of_scope);
  EXPECT_EQ(seen_by("referent.auxerre").state, "en_cours_d_examen");
  for (const Kind kind : {Kind::cloture, Kind::retour}) {
    const std::string queue = kind == Kind::retour ? home : "ged/89";
    EXPECT_EQ(refusal_in(submit(department.seal(step(kind, "secretariat", queue, report.id)))).substr(0, 33),
              "ILLEGAL_TRANSITION(hors_perimetre");
  }
  accept(step(Kind::recevabilite, "secretariat", "ged/89", report.id));
  EXPECT_FALSE(house.store().case_file({1})->out_of_scope) << "found otherwise since";
  finding.created_at = house.now;
  accept(finding);
  accept(step(Kind::inscription, "secretariat", "ged/89", report.id));
  accept(step(Kind::mise_en_evaluation, "secretariat", "ged/89", report.id));
  accept(step(Kind::decision, "secretariat", "ged/89", report.id));
  EXPECT_TRUE(house.store().case_file({1})->out_of_scope);
  accept(step(Kind::retour, "secretariat", home, report.id));
  accept(step(Kind::cloture, "secretariat", "ged/89", report.id));
  expect_whole();
}

TEST_F(CaseRoad, IsTakenBackBeforeAnybodyHasReadItAndThenOpensNoMore) {
  accept(step(Kind::rectification, "referent.auxerre", "ged/89", report.id));
  const Sealed word = accept(step(Kind::retrait, "maire.auxerre", "ged/89", report.id));
  EXPECT_EQ(seen_by("secretariat").state, "retire");
  const auto unread = broker::StoreVitals(house.database()).unread();
  ASSERT_TRUE(unread.has_value());
  for (const auto& each : *unread) EXPECT_EQ(each.cases, 0U) << "nobody has to read it any more";
  EXPECT_EQ(seen_by("referent.auxerre").state, "examen_termine");
  EXPECT_EQ(refusal_in(open("ged.1", report.id)), "ERASED(retrait)");
  EXPECT_EQ(refusal_in(open("ged.1", word.id)), "");
  EXPECT_EQ(refusal_in(submit(department.seal(step(Kind::retrait, "referent.auxerre", "ged/89", report.id)))),
            "ILLEGAL_TRANSITION(examen_termine,examen_termine)");
  EXPECT_EQ(refusal_in(submit(department.seal(step(Kind::recevabilite, "secretariat", "ged/89", report.id)))),
            "ILLEGAL_TRANSITION(retire,recevable)");
  expect_whole();
}

TEST_F(CaseRoad, OnceReadItIsPutRightAndNotTakenBack) {
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "");
  EXPECT_EQ(refusal_in(submit(department.seal(step(Kind::retrait, "referent.auxerre", "ged/89", report.id)))),
            "ILLEGAL_TRANSITION(recu,examen_termine,complement,rectification)");
  const Sealed right = accept(step(Kind::rectification, "referent.auxerre", "ged/89", report.id));
  EXPECT_EQ(refusal_in(open("ged.2", right.id)), "");
}

TEST_F(CaseRoad, OfAReadingAndARetraitThatRaceTheLogsOrderDecides) {
  for (const bool reader_first : {true, false}) {
    const Sealed raced = accept({});
    std::vector<broker::VerifiedRequest> both;
    both.push_back(house.request("ged.1", department.open("ged.1", raced.id, house.now)));
    both.push_back(house.request(
        "referent.auxerre", department.seal(step(Kind::retrait, "referent.auxerre", "ged/89", raced.id)).verified()));
    if (!reader_first) std::swap(both[0], both[1]);
    const auto outcome = house.apply(std::move(both));
    ASSERT_TRUE(outcome.has_value());
    ASSERT_EQ(outcome->outgoing.size(), 2U);
    EXPECT_EQ(refusal_in(outcome->outgoing[0].reply.body), "");
    EXPECT_EQ(refusal_in(outcome->outgoing[1].reply.body),
              reader_first ? "ILLEGAL_TRANSITION(recu,examen_termine,complement,rectification)" : "ERASED(retrait)");
  }
  expect_whole();
}

TEST_F(CaseRoad, OfTwoStepsThatRaceTheLogsOrderDecides) {
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "");
  Draft out = step(Kind::recevabilite, "secretariat", "ged/89", report.id);
  out.attributes = {{"avis", "hors_perimetre"}};
  std::vector<broker::VerifiedRequest> both;
  both.push_back(house.request("secretariat", department.seal(out).verified()));
  both.push_back(house.request(
      "secretariat", department.seal(step(Kind::demande_de_complement, "secretariat", home, report.id)).verified()));
  both.push_back(house.request("secretariat", department.seal(out).verified()));
  const auto outcome = house.apply(std::move(both));
  ASSERT_TRUE(outcome.has_value());
  ASSERT_EQ(outcome->outgoing.size(), 3U);
  EXPECT_EQ(refusal_in(outcome->outgoing[0].reply.body), "");
  EXPECT_EQ(refusal_in(outcome->outgoing[1].reply.body), "");
  EXPECT_EQ(refusal_in(outcome->outgoing[2].reply.body),
            "ILLEGAL_TRANSITION(complement_demande,hors_perimetre,recevabilite,inscription)");
  expect_whole();
}

TEST_F(CaseRoad, WithoutAReturnItIsClosedOnlyWhileTheDayOfAReviewLiesAhead) {
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "");
  decide(report.id);
  const auto defer_to = [&](const std::string& day) {
    Draft draft = step(Kind::report_du_retour, "secretariat", "ged/89", report.id);
    draft.attributes = {{"date", day}};
    return refusal_in(submit(department.seal(draft)));
  };
  EXPECT_EQ(defer_to("2025-12-31"), "INVALID(attributes)") << "past";
  EXPECT_EQ(defer_to("2199-01-01"), "INVALID(attributes)") << "further than a year";
  EXPECT_EQ(protocol::review_ahead_max, std::chrono::hours(366 * 24));
  house.now = *protocol::day_of("2027-01-31") - protocol::review_ahead_max - 1ms;
  EXPECT_EQ(defer_to("2027-01-31"), "INVALID(attributes)") << "one above";
  house.now = house.now + 1ms;
  EXPECT_EQ(defer_to("2027-01-31"), "") << "at the limit";
  EXPECT_EQ(defer_to("2026-01-30"), "INVALID(attributes)") << "this very moment is not ahead";
  EXPECT_EQ(defer_to("2026-02-01"), "");
  house.now = *protocol::day_of("2026-02-01");
  EXPECT_EQ(refusal_in(submit(department.seal(step(Kind::cloture, "secretariat", "ged/89", report.id)))),
            "ILLEGAL_TRANSITION(decide,clos,retour,report_du_retour)")
      << "the day has come: look at it again";
  house.now = house.now - 1ms;
  accept(step(Kind::cloture, "secretariat", "ged/89", report.id));
  EXPECT_EQ(seen_by("secretariat").state, "clos");
  EXPECT_EQ(seen_by("referent.auxerre").state, "en_cours_d_examen") << "closed without a word is not told";
  accept(step(Kind::complement, "referent.auxerre", "ged/89", report.id));
  accept(step(Kind::retour, "secretariat", home, report.id));
  EXPECT_EQ(seen_by("referent.auxerre").state, "examen_termine");
  EXPECT_EQ(refusal_in(submit(department.seal(step(Kind::retour, "secretariat", home, report.id)))),
            "ILLEGAL_TRANSITION(clos,retour_effectue)");
  expect_whole();
}

TEST_F(CaseRoad, ThirtyDaysAfterTheReturnNothingIsAddedWhateverTheCaseCameTo) {
  const Sealed other = accept({});
  for (const Sealed* each : std::array<const Sealed*, 2>{&report, &other}) {
    ASSERT_EQ(refusal_in(open("ged.1", each->id)), "");
    decide(each->id);
    accept(step(Kind::retour, "secretariat", home, each->id));
  }
  accept(step(Kind::cloture, "secretariat", "ged/89", other.id));
  const UnixMillis shown = house.now;
  house.now = shown + protocol::party_adds_time / 2;
  ASSERT_EQ(refusal_in(publish(department.renew_term(house.now + std::chrono::hours(24 * 29)))), "");
  house.now = shown + protocol::party_adds_time - 1ms;
  for (const Sealed* each : std::array<const Sealed*, 2>{&report, &other})
    for (const Kind kind : {Kind::complement, Kind::rectification})
      accept(step(kind, "referent.auxerre", "ged/89", each->id));
  house.now = house.now + 1ms;
  for (const Sealed* each : std::array<const Sealed*, 2>{&report, &other})
    for (const Kind kind : {Kind::complement, Kind::rectification})
      EXPECT_EQ(refusal_in(submit(department.seal(step(kind, "referent.auxerre", "ged/89", each->id)))),
                "ILLEGAL_TRANSITION(examen_termine,recu)");
}

TEST_F(CaseRoad, WhoRecusesIsShownAndOpensNothingMoreOfTheCase) {
  const Sealed other = accept({});
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "");
  accept(step(Kind::recusation, "ged.1", "ged/89", report.id));
  EXPECT_EQ(refusal_in(open("ged.1", report.id)), "FORBIDDEN(interdit.recuse)");
  EXPECT_EQ(refusal_in(submit(department.seal(step(Kind::recusation, "ged.1", "ged/89", report.id)))),
            "FORBIDDEN(interdit.recuse)");
  EXPECT_EQ(refusal_in(submit(department.seal_access("ged.1", report))), "NOT_FOUND");
  accept(step(Kind::complement, "referent.auxerre", "ged/89", report.id));
  house.restart();
  const auto shown_to = [&](const std::string& member) {
    std::size_t shown = 0;
    const auto reply = house.ask(member, protocol::List{"ged/89", {}, 64});
    for (const protocol::QueueItem& item : std::get<protocol::Items>(reply).items) shown += item.visible ? 1 : 0;
    return shown;
  };
  EXPECT_EQ(shown_to("ged.1"), 2U) << "the other case's report, and what he recused himself by";
  EXPECT_EQ(shown_to("ged.2"), 4U);
  const auto cases = house.ask("ged.1", protocol::ListCases{});
  ASSERT_EQ(std::get<protocol::Cases>(cases).items.size(), 1U);
  EXPECT_EQ(std::get<protocol::Cases>(cases).items.front().case_id, other.id);
  EXPECT_EQ(refusal_in(open("ged.2", report.id)), "");
  EXPECT_EQ(refusal_in(open("ged.1", other.id)), "");
  expect_whole();
}

TEST_F(CaseRoad, OnlyTheSecretariatInstructsAndOnlyTheSendersSideTakesBack) {
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "");
  for (const Kind kind : {Kind::recevabilite, Kind::inscription, Kind::mise_en_evaluation, Kind::decision,
                          Kind::report_du_retour, Kind::cloture}) {
    EXPECT_EQ(refusal_in(submit(department.seal(step(kind, "ged.1", "ged/89", report.id)))), "FORBIDDEN(defaut)");
    EXPECT_EQ(refusal_in(submit(department.seal(step(kind, "referent.auxerre", "ged/89", report.id)))),
              "FORBIDDEN(interdit.auteur)");
  }
  for (const Kind kind : {Kind::complement, Kind::retrait, Kind::rectification})
    EXPECT_EQ(refusal_in(submit(department.seal(step(kind, "secretariat", "ged/89", report.id)))), "FORBIDDEN(defaut)");
}

TEST_F(CaseRoad, AnAnomalyBelongsToNoCase) {
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "");
  Draft draft = step(Kind::anomalie, "ged.1", "audit/89", report.id);
  draft.in_reply_to = report.id;
  draft.attributes = {{"code", "bad_padding"}};
  const protocol::CaseItem before = seen_by("secretariat");
  EXPECT_EQ(refusal_in(submit(department.seal(draft))), "INVALID(case)");
  draft.case_id = {};
  accept(draft);
  EXPECT_EQ(seen_by("secretariat"), before);
  expect_whole();
}

TEST_F(CaseRoad, AnAccompanimentIsProposedToTheCprafAndGoesTheSameWay) {
  const Sealed proposed = accept(step(Kind::proposition_accompagnement, "maire.auxerre", "cpraf/89", {}));
  EXPECT_EQ(seen_by_id("referent.auxerre", proposed.id).state, "recu");
  EXPECT_EQ(seen_by_id("ged.1", proposed.id).state, "") << "the GED knows nothing of it";
  EXPECT_EQ(refusal_in(submit(department.seal(step(Kind::proposition_accompagnement, "maire.auxerre", "ged/89", {})))),
            "FORBIDDEN(defaut)");
  ASSERT_EQ(refusal_in(publish(department.enrol("cpraf.1", "ccas-89", {protocol::Role::membre_cpraf}, {"cpraf/89"}))),
            "");
  EXPECT_EQ(refusal_in(open("cpraf.1", proposed.id)), "FORBIDDEN(defaut)") << "he came after";
  accept([&] {
    Draft added = step(Kind::complement, "referent.auxerre", "cpraf/89", proposed.id);
    added.in_reply_to = proposed.id;
    return added;
  }());
  ASSERT_EQ(refusal_in(submit(department.seal_access("secretariat", proposed, house.now))), "");
  ASSERT_EQ(refusal_in(open("cpraf.1", proposed.id)), "");
  EXPECT_EQ(seen_by_id("cpraf.1", proposed.id).state, "recu");
  decide(proposed.id, "cpraf/89");
  accept(step(Kind::retour, "secretariat", home, proposed.id));
  EXPECT_EQ(seen_by_id("maire.auxerre", proposed.id).state, "examen_termine");
  accept(step(Kind::cloture, "secretariat", "cpraf/89", proposed.id));
  expect_whole();
}

TEST_F(CaseRoad, APointDeSituationBelongsToNoCaseAndIsReadByItsCollectiviteAlone) {
  const Sealed point = accept(step(Kind::point_de_situation, "secretariat", home, {}));
  EXPECT_EQ(last_line().leaf.type, audit::LeafType::communication);
  for (const char* member : {"referent.auxerre", "maire.auxerre"}) EXPECT_EQ(refusal_in(open(member, point.id)), "");
  for (const char* member : {"referent.sens", "maire.sens", "ged.1"})
    EXPECT_EQ(refusal_in(open(member, point.id)), "NOT_FOUND") << member;
  EXPECT_EQ(refusal_in(submit(department.seal(step(Kind::point_de_situation, "secretariat", home, report.id)))),
            "INVALID(case)");
  for (const char* sender : {"ged.1", "referent.auxerre"})
    EXPECT_EQ(refusal_in(submit(department.seal(step(Kind::point_de_situation, sender, home, {})))),
              "FORBIDDEN(defaut)")
        << sender;
  EXPECT_EQ(refusal_in(submit(department.seal(step(Kind::point_de_situation, "secretariat", "ged/89", {})))),
            "FORBIDDEN(defaut)");
  EXPECT_EQ(seen_by_id("secretariat", point.id).state, "") << "no case";
  EXPECT_EQ(seen_by("referent.auxerre").exchanges, 1U) << "nor is it of theirs";
  expect_whole();
}

TEST_F(CaseRoad, ARetourIsOneBucketWhateverItSays) {
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "");
  decide(report.id);
  Sealed exact = department.seal(step(Kind::retour, "secretariat", home, report.id));
  ASSERT_EQ(exact.envelope.payload.size(), protocol::retour_payload_bytes);
  for (const int more : {-1, 1}) {
    Sealed other = exact.clone();
    other.envelope.payload.resize(protocol::retour_payload_bytes + static_cast<std::size_t>(more));
    other.seal.payload_size = other.envelope.payload.size();
    other.seal.payload = crypto::sha256(other.envelope.payload);
    department.sign(other);
    EXPECT_EQ(refusal_in(submit(other)), "INVALID(payload_size)");
  }
  EXPECT_EQ(refusal_in(submit(exact)), "");
}

TEST_F(CaseRoad, NoReturnWithoutADecision) {
  EXPECT_EQ(refusal_in(submit(department.seal(step(Kind::retour, "secretariat", home, report.id)))),
            "ILLEGAL_TRANSITION(recu,retour_effectue)")
      << "nobody has read it: nothing is possible";
}

TEST_F(CaseRoad, ACollectiviteIsNeverToldTheInnerState) {
  // Every act of its side, at every step of two roads: out of scope and closed, in scope and not.
  const Sealed other = accept({});
  for (const Sealed* each : std::array<const Sealed*, 2>{&report, &other})
    ASSERT_EQ(refusal_in(open("ged.1", each->id)), "");
  const auto answers = [&](const Sealed& about) {
    house.now = house.now + 61s;  // past its refusals an identity is busy
    std::vector<std::string> out;
    for (const Kind kind : {Kind::retrait, Kind::complement, Kind::rectification, Kind::decision, Kind::retour,
                            Kind::cloture, Kind::recevabilite, Kind::recusation, Kind::acces}) {
      Draft draft = step(kind, "referent.auxerre", kind == Kind::retour ? home : "ged/89", about.id);
      if (kind == Kind::acces) draft.in_reply_to = about.id;
      out.push_back(refusal_in(submit(department.seal(draft))));
    }
    out.push_back(seen_by_id("referent.auxerre", about.id).state);
    out.push_back(std::to_string(seen_by_id("referent.auxerre", about.id).exchanges));
    return out;
  };
  const auto expect_alike = [&](const char* where) {
    const auto first = answers(report);
    EXPECT_EQ(first, answers(other)) << where;
    for (const std::string& each : first)
      for (const char* word : {"perimetre", "recevable", "ordre", "evaluation", "decide", "clos", "retour_effectue"})
        EXPECT_EQ(each.find(word), std::string::npos) << each;
  };
  Draft out = step(Kind::recevabilite, "secretariat", "ged/89", report.id);
  out.attributes = {{"avis", "hors_perimetre"}};
  accept(out);
  accept(step(Kind::recevabilite, "secretariat", "ged/89", other.id));
  expect_alike("found in and out of scope");
  accept(step(Kind::inscription, "secretariat", "ged/89", report.id));
  expect_alike("one on an agenda");
  accept(step(Kind::mise_en_evaluation, "secretariat", "ged/89", report.id));
  accept(step(Kind::decision, "secretariat", "ged/89", report.id));
  expect_alike("one decided");
  for (const Kind kind : {Kind::inscription, Kind::mise_en_evaluation, Kind::decision})
    accept(step(kind, "secretariat", "ged/89", other.id));
  for (const Sealed* each : std::array<const Sealed*, 2>{&report, &other})
    accept(step(Kind::retour, "secretariat", home, each->id));
  expect_alike("both answered");
  accept(step(Kind::cloture, "secretariat", "ged/89", report.id));
  expect_alike("one closed");
}

TEST_F(CaseRoad, ACollectivitesCaseMovesOnlyWithWhatItMayKnow) {
  const protocol::CaseItem before = seen_by("referent.auxerre");
  EXPECT_TRUE(before.commune);
  house.now = house.now + 3600s;
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "");
  EXPECT_EQ(seen_by("referent.auxerre").updated_at, before.updated_at);
  EXPECT_EQ(seen_by("referent.auxerre").exchanges, 1U);
  accept(step(Kind::complement, "maire.auxerre", "ged/89", report.id));
  EXPECT_EQ(seen_by("referent.auxerre").exchanges, 2U);
  decide(report.id);
  EXPECT_EQ(seen_by("referent.auxerre").exchanges, 2U);
  EXPECT_EQ(seen_by("ged.2").exchanges, 6U);
  EXPECT_FALSE(seen_by("ged.2").commune);
}

TEST_F(CaseRoad, AReturnGoesOnlyToTheOrganisationThatReported) {
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "");
  decide(report.id);
  const Sealed astray =
      department.seal(step(Kind::retour, "secretariat", department.organisation_queue("referent.sens"), report.id));
  EXPECT_EQ(refusal_in(submit(astray)), "INVALID(queue)");
}

TEST_F(CaseRoad, AnotherInstanceKnowsNothingOfIt) {
  EXPECT_EQ(seen_by("clir.1").state, "");
  EXPECT_EQ(seen_by("referent.sens").state, "");
  EXPECT_EQ(seen_by("auditeur").state, "");
  EXPECT_EQ(seen_by("ged.3").state, "recu");
}

TEST_F(CaseRoad, ANewcomerReadsOnlyWhatAPresentMemberGivesHim) {
  ASSERT_EQ(refusal_in(publish(department.enrol("ged.neuf", "service-9", {protocol::Role::membre_ged}, {"ged/89"}))),
            "");
  EXPECT_EQ(refusal_in(open("ged.neuf", report.id)), "FORBIDDEN(defaut)");
  EXPECT_EQ(seen_by("ged.neuf").state, "");

  const Sealed way_in = department.seal_access("ged.1", report);
  Sealed spoilt = way_in.clone();
  spoilt.envelope.payload = report.envelope.payload;
  EXPECT_EQ(refusal_in(submit(spoilt)), "INVALID(payload)");
  spoilt = way_in.clone();
  spoilt.seal.file_key_commitment[0] ^= 1;
  department.sign(spoilt);
  EXPECT_EQ(refusal_in(submit(spoilt)), "INVALID(seal)");
  spoilt = way_in.clone();
  spoilt.seal.payload[0] ^= 1;
  department.sign(spoilt);
  EXPECT_EQ(refusal_in(submit(spoilt)), "INVALID(payload)");
  // Who has no seat, or whose own case it is, gives nothing.
  EXPECT_NE(refusal_in(submit(department.seal_access("referent.auxerre", report))), "");
  EXPECT_NE(refusal_in(submit(department.seal_access("clir.1", report))), "");

  ASSERT_EQ(refusal_in(submit(way_in)), "");
  EXPECT_EQ(seen_by("ged.neuf").state, "recu");
  const auto opened = open("ged.neuf", report.id);
  ASSERT_EQ(refusal_in(opened), "");
  ASSERT_EQ(std::get<protocol::Opened>(opened).access.size(), 1U);
  EXPECT_EQ(std::get<protocol::Opened>(opened).access[0].exchange, way_in.id);
  const auto plaintext = department.read("ged.neuf", std::get<protocol::Opened>(opened));
  ASSERT_TRUE(plaintext.has_value());
  EXPECT_EQ(plaintext->address, report.envelope.address);
  // A present member now has two ways in; either opens it.
  const auto both = open("ged.2", report.id);
  ASSERT_EQ(refusal_in(both), "");
  EXPECT_EQ(std::get<protocol::Opened>(both).access.size(), 2U);
  EXPECT_EQ(refusal_in(open("ged.2", way_in.id)), "INVALID(exchange)");
  expect_whole();
}

TEST_F(CaseRoad, AnAnomalyIsRecordedWithItsCode) {
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "");
  Draft draft = step(Kind::anomalie, "ged.1", "audit/89", {});
  draft.in_reply_to = report.id;
  draft.attributes = {{"code", "bad_padding"}};
  accept(draft);
  const JournalLine line = last_line();
  EXPECT_EQ(line.leaf.type, audit::LeafType::verification);
  EXPECT_EQ(line.text("code"), "bad_padding");
  EXPECT_EQ(*line.record.find("reply_to"), to_bytes(ByteView(report.id)));
  draft.attributes.clear();
  EXPECT_EQ(refusal_in(submit(department.seal(draft))), "INVALID(attributes)");
}

}  // namespace
}  // namespace pli::testing
