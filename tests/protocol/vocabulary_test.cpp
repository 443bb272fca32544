#include "protocol/vocabulary.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "protocol/error_catalogue.hpp"
#include "protocol/form_lists.hpp"

namespace pli::protocol {
namespace {

using audit::LeafType;

TEST(Vocabulary, GivesEveryRoleANameThatReadsBack) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < role_count; ++i) {
    const auto role = static_cast<Role>(i);
    EXPECT_EQ(role_of(text_of(role)), role);
    names.insert(text_of(role));
  }
  EXPECT_EQ(names.size(), role_count);
  EXPECT_EQ(names.count(""), 0U);
  EXPECT_EQ(role_of("administrateur"), std::nullopt);
  EXPECT_EQ(role_of(""), std::nullopt);
  EXPECT_EQ(text_of(static_cast<Role>(role_count)), "");
}

TEST(Vocabulary, GivesEveryQueueKindANameThatReadsBack) {
  for (std::size_t i = 0; i < queue_kind_count; ++i) {
    const auto kind = static_cast<QueueKind>(i);
    EXPECT_EQ(queue_kind_of(std::string(text_of(kind)) + "/89"), kind);
  }
  EXPECT_EQ(text_of(static_cast<QueueKind>(queue_kind_count)), "");
}

TEST(Vocabulary, TakesOnlyWellFormedQueueIds) {
  EXPECT_EQ(queue_kind_of("org/210890240"), QueueKind::org);
  EXPECT_EQ(queue_kind_of("person/m.durand"), QueueKind::person);
  EXPECT_EQ(queue_kind_of("ged/" + std::string(64, 'x')), QueueKind::ged);
  for (const char* bad :
       {"", "ged", "ged/", "/89", "GED/89", "ged/8 9", "ged/A", "ged/89/1", "parquet/89", "ged\\89", "ged/é"})
    EXPECT_EQ(queue_kind_of(bad), std::nullopt) << bad;
  EXPECT_EQ(queue_kind_of("ged/" + std::string(65, 'x')), std::nullopt);
  EXPECT_EQ(queue_kind_of(std::string("ged/89\0", 7)), std::nullopt);
  EXPECT_EQ(queue_subject("person/m.durand"), "m.durand");
  EXPECT_EQ(queue_subject("ged"), "");
}

TEST(Vocabulary, TakesOnlyTokensOfOneToSixtyFourBytes) {
  for (const char* good : {"a", "0", "m.durand", "csi-yonne_2", "210890240"}) EXPECT_TRUE(is_token(good)) << good;
  EXPECT_TRUE(is_token(std::string(64, 'a')));
  EXPECT_FALSE(is_token(std::string(65, 'a')));
  for (const char* bad : {"", ".a", "-a", "_a", "A", "a b", "a/b", "a\n", "é"}) EXPECT_FALSE(is_token(bad)) << bad;
}

TEST(Vocabulary, TakesOnlyLogNamesOfADomainAndADepartement) {
  for (const char* good : {"pli.yonne.example/pli/89", "localhost/pli/2a", "a-b.example/pli/971"})
    EXPECT_TRUE(is_log_name(good)) << good;
  for (const char* bad : {"", "pli.example", "pli.example/pli", "pli.example/pli/", "pli.example/pli/2A",
                          "pli.example/log/89", "pli.example/pli/89/2026-1", "/pli/89", "-a.example/pli/89",
                          "a-.example/pli/89", "a..b/pli/89", ".a/pli/89", "a./pli/89", "pli.example/pli/1",
                          "pli.example/pli/123", "pli.example/pli/97", "pli_example/pli/89", "pli.example:1/pli/89"})
    EXPECT_FALSE(is_log_name(bad)) << bad;
  const std::string label(63, 'a');
  EXPECT_TRUE(is_log_name(label + ".example/pli/89"));
  EXPECT_FALSE(is_log_name(label + "a.example/pli/89"));
  const std::string longest = label + "." + std::string(9, 'b') + "/pli/89";
  ASSERT_EQ(longest.size(), 80U);
  EXPECT_TRUE(is_log_name(longest));
  EXPECT_FALSE(is_log_name("b" + longest));
  EXPECT_FALSE(is_log_name(label + "." + std::string(10, 'b') + "/pli/89"));
}

TEST(Vocabulary, NamesTheFiveVoletsAndTheFormsNameTheOtherFour) {
  std::set<std::string_view> others;
  for (std::size_t i = 0; i < volet_count; ++i) {
    const auto volet = static_cast<Volet>(i);
    EXPECT_EQ(volet_of(text_of(volet)), volet);
    EXPECT_FALSE(french(volet).empty());
    if (volet != Volet::radicalisation_separatisme) others.insert(text_of(volet));
  }
  EXPECT_FALSE(volet_of("voirie"));
  std::set<std::string_view> in_forms;
  for (const auto& choice : volets) in_forms.insert(choice.name);
  EXPECT_EQ(others, in_forms);
}

TEST(Vocabulary, TakesOnlyTerritoriesOfInseeShape) {
  for (const char* good : {"89", "2a", "2b", "971", "988", "89024", "2a004", "97105"})
    EXPECT_TRUE(is_territory(good)) << good;
  for (const char* bad :
       {"", "8", "2A", "2c", "97", "98", "123", "8902", "890244", "2a00x", "2a0044", "89 24", "france"})
    EXPECT_FALSE(is_territory(bad)) << bad;
}

TEST(Vocabulary, TakesOnlyPlainTextThatShowsWhatItSays) {
  EXPECT_TRUE(is_plain_text("Mairie de Valbrune, « accueil » – 2ᵉ étage", 100));
  EXPECT_TRUE(is_plain_text("\xF0\x9F\x93\xAE", 4));
  EXPECT_TRUE(is_plain_text(std::string(10, 'a'), 10));
  EXPECT_FALSE(is_plain_text(std::string(11, 'a'), 10));
  for (const char* bad : {"", "a\nb", "a\tb", "a\x1b[2J", "a\x7f", "\xC2\x85", "a\x80", "\xC3", "\xC0\xAF",
                          "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF0\x80\x80\xAF", "\xFF",
                          "\xE2\x80\xAE"
                          "abc",
                          "\xE2\x80\x8F", "\xE2\x80\xA8", "\xE2\x81\xA6", "\xD8\x9C"})
    EXPECT_FALSE(is_plain_text(bad, 100)) << bad;
}

TEST(Vocabulary, NamesEveryKindOnceAndSaysHowTheJournalCallsIt) {
  const std::map<std::string_view, std::pair<int, LeafType>> expected = {
      {"signalement_individuel", {1, LeafType::collecte}},
      {"signalement_de_structure", {2, LeafType::collecte}},
      {"complement", {3, LeafType::modification}},
      {"retrait", {4, LeafType::modification}},
      {"rectification", {5, LeafType::modification}},
      {"proposition_accompagnement", {6, LeafType::collecte}},
      {"demande_de_complement", {10, LeafType::modification}},
      {"retour", {11, LeafType::communication}},
      {"information_nominative", {12, LeafType::communication}},
      {"point_de_situation", {13, LeafType::communication}},
      {"report_du_retour", {14, LeafType::modification}},
      {"transmission", {20, LeafType::transfert}},
      {"orientation_cpraf", {21, LeafType::transfert}},
      {"agrement", {22, LeafType::agrement}},
      {"inscription", {23, LeafType::modification}},
      {"decision", {24, LeafType::modification}},
      {"cloture", {25, LeafType::modification}},
      {"recevabilite", {26, LeafType::modification}},
      {"mise_en_evaluation", {27, LeafType::modification}},
      {"recusation", {28, LeafType::modification}},
      {"acces", {30, LeafType::communication}},
      {"anomalie", {31, LeafType::verification}},
      {"maintien", {32, LeafType::modification}},
      {"demande_effacement", {33, LeafType::modification}},
      {"information_de_volet", {40, LeafType::collecte}},
  };
  ASSERT_EQ(kind_table().size(), expected.size());
  for (const KindRow& row : kind_table()) {
    const auto found = expected.find(row.name);
    ASSERT_NE(found, expected.end()) << row.name;
    EXPECT_EQ(static_cast<int>(row.kind), found->second.first);
    EXPECT_EQ(row.act, found->second.second) << row.name;
    EXPECT_EQ(kind_of(row.name), row.kind);
    EXPECT_EQ(row_of(row.kind), &row);
    EXPECT_EQ(row_of_number(static_cast<std::uint16_t>(row.kind)), &row);
    EXPECT_FALSE(row.french.empty());
  }
  EXPECT_EQ(row_of_number(0), nullptr);
  EXPECT_EQ(row_of_number(65535), nullptr);
  EXPECT_EQ(kind_of("Retour"), std::nullopt);
}

TEST(Vocabulary, LetsEveryKindButTwoEitherOpenACaseOrNameOne) {
  const std::set<Kind> opening = {Kind::signalement_individuel, Kind::signalement_de_structure,
                                  Kind::proposition_accompagnement, Kind::information_de_volet};
  for (const KindRow& row : kind_table()) {
    const bool of_no_case = row.kind == Kind::anomalie || row.kind == Kind::point_de_situation;
    EXPECT_EQ(row.opens_case != row.names_case, !of_no_case) << row.name;
    EXPECT_EQ(row.opens_case, opening.count(row.kind) == 1) << row.name;
  }
}

TEST(Vocabulary, ReadsBackUrgenciesAndMotifs) {
  for (Urgency urgency : {Urgency::normale, Urgency::urgente}) EXPECT_EQ(urgency_of(text_of(urgency)), urgency);
  EXPECT_EQ(urgency_of("immédiate"), std::nullopt);
  EXPECT_EQ(text_of(static_cast<Urgency>(2)), "");

  std::set<std::string_view> french_names;
  ASSERT_EQ(all_motifs().size(), 8U);
  for (std::size_t i = 0; i < all_motifs().size(); ++i) {
    const Motif motif = all_motifs()[i];
    EXPECT_EQ(static_cast<std::size_t>(motif), i + 1);
    EXPECT_EQ(motif_of(text_of(motif)), motif);
    EXPECT_EQ(motif_of_number(static_cast<std::uint8_t>(motif)), motif);
    french_names.insert(french(motif));
  }
  EXPECT_EQ(french_names.size(), 8U);
  EXPECT_EQ(french_names.count(""), 0U);
  EXPECT_EQ(motif_of_number(0), std::nullopt);
  EXPECT_EQ(motif_of_number(9), std::nullopt);
  EXPECT_EQ(motif_of("curiosite"), std::nullopt);
}

TEST(Vocabulary, HasOneAttributeForEachOfNineKindsAndNoneForTheOthersButTheTermOfAnAgreement) {
  const std::map<Kind, std::pair<std::string_view, std::string_view>> expected = {
      {Kind::anomalie, {"code", "address_mismatch"}},
      {Kind::recevabilite, {"avis", "recevable"}},
      {Kind::inscription, {"date", "2026-03-12"}},
      {Kind::report_du_retour, {"date", "2026-03-12"}},
      {Kind::information_nominative, {"date", "2026-03-12"}},
      {Kind::agrement, {"avis", "accord"}},
      {Kind::maintien, {"code", "recours"}},
      {Kind::demande_effacement, {"code", "erreur"}},
      {Kind::cloture, {"terme", "court"}}};
  for (const KindRow& row : kind_table()) {
    const auto own = expected.find(row.kind);
    EXPECT_EQ(attribute_name(row.kind), own == expected.end() ? "" : own->second.first) << row.name;
    for (const auto& [kind, attribute] : expected)
      EXPECT_EQ(is_attribute(row.kind, attribute.first, attribute.second),
                own != expected.end() &&
                    (own->second == attribute || (row.kind == Kind::agrement && attribute.first == "date")))
          << row.name << " " << attribute.first;
    EXPECT_FALSE(is_attribute(row.kind, "", "")) << row.name;
  }
  // A closing says how long, and not why.
  for (const KindRow& row : kind_table())
    for (const std::string_view term : closing_terms())
      EXPECT_EQ(is_attribute(row.kind, "terme", term), row.kind == Kind::cloture) << row.name;
  for (const char* bad : {"", "bref", "sans_suite", "6"})
    EXPECT_FALSE(is_attribute(Kind::cloture, "terme", bad)) << bad;
  EXPECT_FALSE(is_attribute(Kind::cloture, "code", "court"));
  for (const std::string_view code : hold_codes()) EXPECT_TRUE(is_attribute(Kind::maintien, "code", code));
  for (const std::string_view code : erasure_codes()) EXPECT_TRUE(is_attribute(Kind::demande_effacement, "code", code));
  EXPECT_FALSE(is_attribute(Kind::maintien, "code", "droit_des_personnes"));
  EXPECT_TRUE(is_attribute(Kind::recevabilite, "avis", "hors_perimetre"));
  for (const char* bad : {"", "Recevable", "sans_suite", "recevable "})
    EXPECT_FALSE(is_attribute(Kind::recevabilite, "avis", bad)) << bad;
  EXPECT_TRUE(is_attribute(Kind::agrement, "avis", "refus"));
  for (const char* bad : {"", "Accord", "recevable", "accord "})
    EXPECT_FALSE(is_attribute(Kind::agrement, "avis", bad)) << bad;
  for (const char* bad :
       {"", "2026-3-12", "2026-02-29", "2026-13-01", "2026-00-10", "2026-01-00", "2026-01-32", "1969-12-31",
        "2200-01-01", "2026/01/01", "20260101", "2026-01-01 ", "+026-01-01", "2026-01--1", "demain"})
    for (const Kind kind : {Kind::inscription, Kind::agrement}) EXPECT_FALSE(is_attribute(kind, "date", bad)) << bad;
}

TEST(Vocabulary, ReadsADayOfTheCalendarAsItsMidnight) {
  EXPECT_EQ(day_of("1970-01-01"), UnixMillis{0});
  EXPECT_EQ(day_of("1970-01-02"), UnixMillis{86'400'000});
  EXPECT_EQ(day_of("2024-02-29"), UnixMillis{1'709'164'800'000});
  EXPECT_EQ(day_of("2199-12-31"), UnixMillis{7'258'032'000'000});
}

TEST(Vocabulary, KnowsTheCausesOfAnAnomalyAsFailuresOfTheClient) {
  for (const KindRow& row : kind_table())
    for (std::string_view code : anomaly_codes()) {
      EXPECT_EQ(is_attribute(row.kind, "code", code), row.kind == Kind::anomalie) << row.name;
      EXPECT_FALSE(is_attribute(row.kind, "cause", code));
    }
  EXPECT_FALSE(is_attribute(Kind::anomalie, "code", "Mme X"));
  // Each is a failure the recipient's own client names.
  for (std::string_view code : anomaly_codes()) {
    bool known = false;
    for (int i = 0; i <= static_cast<int>(LocalCode::usage); ++i)
      known = known || text_of(static_cast<LocalCode>(i)) == code;
    EXPECT_TRUE(known) << code;
  }
}

TEST(Vocabulary, TakesOnlyListedHandlingConditions) {
  for (const char* good : {"ged-only", "ask-before-transfer", "eyes-only", "no-copy-to:210890240"})
    EXPECT_TRUE(is_handling(good)) << good;
  for (const char* bad : {"", "ged-only ", "GED-only", "no-copy-to:", "no-copy-to:A", "no-copy-to", "no-forward"})
    EXPECT_FALSE(is_handling(bad)) << bad;
}

}  // namespace
}  // namespace pli::protocol
