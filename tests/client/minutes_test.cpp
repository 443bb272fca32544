#include "client/minutes.hpp"

#include <nlohmann/json.hpp>

#include "crypto/age_open.hpp"
#include "protocol/case_life.hpp"
#include "tests/client/sitting.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;
using client::Answered;
using client::Minutes;
using client::MinutesCase;
using protocol::CaseState;
using protocol::Kind;

Day on(const char* text) { return parse_day(text).value(); }
UnixMillis at(const char* text) { return paris_midnight(on(text)) + 10h; }

class MinutesTest : public Sitting {
 protected:
  MinutesTest() : desk_(connected("secretariat")) {}
  [[nodiscard]] const client::KnownDirectory& directory() const { return desk_->session->directory(); }
  static protocol::CaseItem item(CaseState state) {
    protocol::CaseItem out;
    out.case_id[0] = 0x3f;
    out.kind = static_cast<std::uint16_t>(Kind::signalement_individuel);
    out.queue = "ged/89";
    out.state = protocol::text_of(state);
    out.opened_at = at("2026-11-02");
    return out;
  }
  static client::CaseCourse course(std::vector<client::Inscription> inscriptions) {
    client::CaseCourse out;
    out.inscriptions = std::move(inscriptions);
    return out;
  }
  static protocol::Form decision(const std::string& reason) {
    auto form = protocol::Form::decision("pris_en_compte", reason);
    EXPECT_TRUE(form.has_value());
    return std::move(*form);
  }
  Minutes some() {
    Minutes out;
    out.contract = "Contrat inventé";
    out.instance = "ged/89";
    out.seance = on("2026-12-03");
    out.directory = DirectoryNumber{4};
    out.drawn_at = at("2026-12-04");
    out.drawn_by = "Mme Inventée, secrétariat";
    MinutesCase each = client::minutes_of(item(CaseState::decide), course({{on("2026-12-03"), at("2026-11-20")}}),
                                          out.seance, directory());
    each.taken_up = out.seance;
    each.decided = client::read_decision(decision("suivi par la cellule\nRetour : à la ligne"), at("2026-12-03"));
    out.cases.push_back(std::move(each));
    return out;
  }
  static nlohmann::json last_line(const std::string& text) {
    const std::size_t end = text.size() - 1;  // its own line feed
    return nlohmann::json::parse(text.substr(text.rfind('\n', end - 1) + 1), nullptr, false);
  }
  std::unique_ptr<Desk> desk_;
};

TEST_F(MinutesTest, SayTheDecisionInWordsAndAgainForPrograms) {
  const std::string text = client::to_text(some());
  for (const char* words : {"RELEVÉ DE DÉCISIONS", "ged/89", "du 03/12/2026", "1. Dossier 3f000000", "pris en compte",
                            "Présents  (à compléter", "     | suivi par la cellule\n", "à la séance du jour",
                            "Retour à la collectivité : à faire", "annuaire n° 4"})
    EXPECT_NE(text.find(words), std::string::npos) << words << "\n" << text;
  EXPECT_NE(text.find("     | Retour : à la ligne\n"), std::string::npos)
      << "what somebody wrote does not pass for a line of ours";
  const auto said = last_line(text);
  ASSERT_TRUE(said.is_object()) << text;
  EXPECT_EQ(said["format"], client::minutes_format);
  EXPECT_EQ(said["seance"], "2026-12-03");
  EXPECT_TRUE(said["present"].is_null());
  ASSERT_EQ(said["cases"].size(), 1U);
  EXPECT_EQ(said["cases"][0]["outcome"], "decided");
  EXPECT_EQ(said["cases"][0]["decision"]["outcome"], "pris_en_compte");
  EXPECT_EQ(said["cases"][0]["decision"]["reason"], "suivi par la cellule\nRetour : à la ligne");
  EXPECT_EQ(said["cases"][0]["taken_up_on"], "2026-12-03");
  EXPECT_EQ(said["cases"][0]["retour"], "due");
}

TEST_F(MinutesTest, TellWhatBecameOfTheRetour) {
  const auto of = [&](CaseState state, const client::CaseCourse& course, UnixMillis answered_at = {}) {
    protocol::CaseItem each = item(state);
    each.answered_at = answered_at;
    return client::minutes_of(each, course, on("2026-12-03"), directory());
  };
  client::CaseCourse plain = course({{on("2026-12-03"), at("2026-11-20")}});
  EXPECT_EQ(of(CaseState::en_evaluation, plain).answered, Answered::nothing_due);
  EXPECT_EQ(of(CaseState::decide, plain).answered, Answered::due);
  EXPECT_EQ(of(CaseState::clos, plain, at("2026-12-05")).answered, Answered::given);
  EXPECT_EQ(of(CaseState::retour_effectue, plain).answered, Answered::given);
  client::CaseCourse put_off = plain;
  put_off.review = on("2027-01-15");
  const MinutesCase waiting = of(CaseState::decide, put_off);
  EXPECT_EQ(waiting.answered, Answered::put_off);
  EXPECT_EQ(waiting.review, on("2027-01-15"));
  EXPECT_EQ(of(CaseState::clos, put_off, at("2027-01-15")).answered, Answered::given) << "given after all";
}

TEST_F(MinutesTest, SayWhereACaseWasPassedOnToAndWhoIsAnsweredOfOneThatCameSo) {
  protocol::CaseItem each = item(CaseState::decide);
  each.transmitted.push_back({"clir/89", {}, at("2026-12-03")});
  each.origin_queue = "ged/21";
  const client::CaseCourse plain = course({{on("2026-12-03"), at("2026-11-20")}});
  Minutes all = some();
  all.cases = {client::minutes_of(each, plain, on("2026-12-03"), directory())};
  const std::string text = client::to_text(all);
  EXPECT_NE(text.find("Transmis à : clir/89\n"), std::string::npos) << text;
  EXPECT_NE(text.find("Retour à ged/21 qui a transmis : à faire"), std::string::npos) << text;
  EXPECT_EQ(text.find("collectivité"), std::string::npos) << "which is no party of it";
  EXPECT_EQ(last_line(text)["cases"][0]["transmitted_to"], nlohmann::json({"clir/89"}));
  EXPECT_EQ(last_line(text)["cases"][0]["answered_to"], "ged/21");
}

TEST_F(MinutesTest, OfACasePutOffTellNothingThatCameLater) {
  client::CaseCourse moved = course({{on("2026-12-03"), at("2026-11-20")}, {on("2026-12-18"), at("2026-12-04")}});
  moved.review = on("2027-01-15");
  const MinutesCase each = client::minutes_of(item(CaseState::clos), moved, on("2026-12-03"), directory());
  EXPECT_EQ(each.moved_to, on("2026-12-18"));
  EXPECT_EQ(each.answered, Answered::nothing_due);
  MinutesCase taken_up = each;
  client::set_taken_up(taken_up, on("2026-12-18"), on("2026-12-03"));
  EXPECT_EQ(taken_up.taken_up, std::nullopt);
  client::set_taken_up(taken_up, on("2026-12-03"), on("2026-12-03"));
  EXPECT_EQ(taken_up.taken_up, on("2026-12-03"));
  EXPECT_EQ(client::minutes_of(item(CaseState::clos), moved, on("2026-12-18"), directory()).moved_to, std::nullopt);
  Minutes all = some();
  all.cases = {each};
  EXPECT_NE(client::to_text(all).find("Reporté à la séance du 18/12/2026"), std::string::npos);
  EXPECT_EQ(last_line(client::to_text(all))["cases"][0]["outcome"], "put_off");
}

TEST_F(MinutesTest, CountWhoWithdrewAndNameWhomTheDirectoryShows) {
  client::CaseCourse recused = course({{on("2026-12-03"), at("2026-11-20")}});
  recused.recused = {"ged.un", "inconnu"};
  Minutes all = some();
  all.cases = {client::minutes_of(item(CaseState::a_l_ordre_du_jour), recused, on("2026-12-03"), directory())};
  const std::string label = directory().member("ged.un")->label;
  EXPECT_NE(client::to_text(all).find("Récusations : 2 (" + label + ", inconnu)"), std::string::npos)
      << client::to_text(all);
  EXPECT_EQ(last_line(client::to_text(all))["cases"][0]["recused"], 2);
  EXPECT_EQ(client::to_text(all).find("n'y figurent pas"), std::string::npos);
  all.recused_himself = true;
  EXPECT_NE(client::to_text(all).find("n'y figurent pas"), std::string::npos);
}

TEST_F(MinutesTest, ReadDecisionsAndEvaluationsAloneOfTheirKinds) {
  EXPECT_EQ(client::read_decision(report(), spring), std::nullopt);
  EXPECT_EQ(client::read_evaluation(report()), std::nullopt);
  EXPECT_EQ(client::read_evaluation(decision("x")), std::nullopt);
  auto taken_up =
      protocol::Form::from_json(R"({"type": "mise_en_evaluation", "seance": "2026-12-03"})", nullptr, nullptr);
  ASSERT_TRUE(taken_up.has_value());
  EXPECT_EQ(client::read_evaluation(*taken_up), on("2026-12-03"));
}

TEST_F(MinutesTest, AreSealedToEverySecretariatOfTheInstanceAndToNobodyElse) {
  using protocol::Role;
  world_.enrol("secretariat.deux", {Role::secretariat}, "prefecture-89", "89", {"ged/89"});
  world_.enrol("secretariat.clir", {Role::secretariat}, "prefecture-89", "89", {"clir/89"});
  broker_.publish(world_.sign_version(spring));
  ASSERT_TRUE(connect(*desk_).has_value());
  const auto recipients = client::secretariat_keys(directory(), "ged/89", spring);
  std::vector<crypto::AgePublic> wanted;
  for (const char* who : {"secretariat", "secretariat.deux"})
    wanted.push_back(world_.keys(who).current.public_identity().age);
  std::sort(wanted.begin(), wanted.end());
  EXPECT_EQ(recipients, wanted);
  const auto sealed = client::seal_minutes(some(), recipients);
  ASSERT_TRUE(sealed.has_value()) << why(sealed);
  const auto opened_by = [&](const char* who) -> std::string {
    const client::Keys keys = world_.keys(who);
    const crypto::SecretKey& secret = keys.current.age_secret();
    const auto opened = crypto::opening::open_bytes(*sealed, {{&secret, 1}, nullptr});
    return opened ? std::string(as_text(*opened)) : std::string();
  };
  EXPECT_EQ(opened_by("secretariat"), client::to_text(some()));
  EXPECT_EQ(opened_by("secretariat.deux"), client::to_text(some()));
  for (const char* who : {"secretariat.clir", "ged.un", "r.bellerive", "auditeur"})
    EXPECT_EQ(opened_by(who), "") << who;
}

TEST_F(MinutesTest, AreSealedToNobodyWhoWithdrewFromACaseOfThemNorToItsAuthorsOffice) {
  using protocol::Role;
  world_.enrol("secretariat.deux", {Role::secretariat}, "prefecture-89", "89", {"ged/89"});
  world_.enrol("secretariat.mairie", {Role::secretariat}, "mairie-x", "89", {"ged/89"});
  broker_.publish(world_.sign_version(spring));
  ASSERT_TRUE(connect(*desk_).has_value());
  const auto key = [&](const char* who) { return world_.keys(who).current.public_identity().age; };
  const std::vector<std::string> recused = {"ged.un", "secretariat.deux"};
  const std::vector<std::string> authors = {"mairie-x"};
  const auto some_of = [&](std::span<const std::string> out, std::span<const std::string> from) {
    return client::secretariat_keys(directory(), "ged/89", spring, out, from);
  };
  EXPECT_EQ(some_of({}, {}).size(), 3U);
  EXPECT_EQ(some_of(recused, authors), std::vector<crypto::AgePublic>{key("secretariat")});
  EXPECT_EQ(some_of(recused, {}).size(), 2U);
  EXPECT_EQ(some_of({}, authors).size(), 2U);
}

TEST_F(MinutesTest, AreSealedToNobodyWhoIsRevokedAndNotAtAllToNobody) {
  ASSERT_TRUE(world_.draft().revoke("secretariat", spring).has_value());
  broker_.publish(world_.sign_version(spring));
  auto other = connected("ged.un");
  const auto recipients = client::secretariat_keys(other->session->directory(), "ged/89", spring);
  EXPECT_TRUE(recipients.empty());
  EXPECT_FAILS_WITH(client::seal_minutes(some(), recipients), LocalCode::directory_unproven);
}

}  // namespace
}  // namespace pli::testing
