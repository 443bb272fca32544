#include "protocol/statistics.hpp"

#include <functional>

#include "protocol/vocabulary.hpp"
#include "tests/protocol/support.hpp"

namespace pli::protocol {
namespace {

using audit::LeafType;

constexpr const char* origin = "pli.yonne.example/pli/89/2026-1";

/// So many leaves alike.
struct Acts {
  std::uint64_t count = 0;
  LeafType type = LeafType::connexion;
  CountedFields fields;
  bool erased = false;
};
Acts accepted(std::uint64_t count, Kind kind, std::string_view queue) {
  const KindRow* row = row_of(kind);
  return {count, row->act, {"submit", "ok", queue, row->name, {}}};
}
Acts opened(std::uint64_t count, Motif motif, std::string_view queue) {
  return {count, LeafType::consultation, {"open", "ok", queue, "signalement_individuel", text_of(motif)}};
}
Acts refused(std::uint64_t count, std::string_view outcome, std::string_view queue) {
  return {count, LeafType::refus, {"open", outcome, queue, {}, {}}};
}
Acts connections(std::uint64_t count) { return {count, LeafType::connexion, {"hello", "ok", {}, {}, {}}}; }

std::string text_of_month(const std::vector<Acts>& month, std::uint64_t from = 100) {
  MonthlyStatistics statistics(origin, 202601, {from});
  for (const Acts& acts : month)
    for (std::uint64_t i = 0; i < acts.count; ++i) statistics.add(acts.type, acts.erased ? nullptr : &acts.fields);
  return statistics.text();
}

TEST(Statistics, CountsActsByInstanceAndKind) {
  EXPECT_EQ(text_of_month({accepted(12, Kind::signalement_individuel, "ged/89"),
                           accepted(5, Kind::decision, "ged/89"),
                           accepted(6, Kind::retour, "org/210890240"),
                           opened(33, Motif::evaluation, "ged/89"),
                           refused(7, "FORBIDDEN", "ged/89"),
                           {4, LeafType::refus, {"input", "INVALID", {}, {}, {}}},
                           {9, LeafType::collecte, {}, true},
                           connections(40)}),
            "pli-statistics/1\n"
            "log pli.yonne.example/pli/89/2026-1\n"
            "month 2026-01\n"
            "leaves 100 216\n"
            "records 107 erased 9\n"
            "accepted ged/89 decision 5\n"
            "accepted ged/89 signalement_individuel 12\n"
            "accepted org/* retour 6\n"
            "act collecte 21\n"
            "act communication 6\n"
            "act consultation 33\n"
            "act modification 5\n"
            "act refus 11\n"
            "cases ged/89 12\n"
            "decisions ged/89 5\n"
            "opened ged/89 evaluation 33\n"
            "refused ged/89 FORBIDDEN 7\n"
            "returns 6\n");
}

TEST(Statistics, NameNoCommuneAndNoPerson) {
  const std::string text = text_of_month(
      {accepted(20, Kind::retour, "org/210890240"), accepted(20, Kind::retour, "person/m.durand"),
       accepted(20, Kind::signalement_individuel, "ged/89024"), accepted(20, Kind::anomalie, "audit/89"),
       accepted(20, Kind::signalement_individuel, "nulle part"), accepted(20, Kind::decision, "cpraf/89")});
  EXPECT_NE(text.find("accepted org/* retour 20\n"), std::string::npos) << text;
  EXPECT_NE(text.find("accepted person/* retour 20\n"), std::string::npos);
  EXPECT_NE(text.find("accepted ged/* signalement_individuel 20\n"), std::string::npos);
  EXPECT_NE(text.find("accepted - signalement_individuel 20\n"), std::string::npos);
  EXPECT_NE(text.find("accepted cpraf/89 decision 20\n"), std::string::npos);
  EXPECT_NE(text.find("accepted audit/* anomalie 20\n"), std::string::npos);
  for (const char* never : {"210890240", "durand", "89024"}) EXPECT_EQ(text.find(never), std::string::npos) << never;
}

TEST(Statistics, PrintOnlyWordsOfTheirOwn) {
  const CountedFields hostile{"submit", "ok", "ged/89", "accepted ged/89 decision 5\nact", {}};
  MonthlyStatistics statistics(origin, 202601, {0});
  for (int i = 0; i < 9; ++i) statistics.add(LeafType::collecte, &hostile);
  EXPECT_NE(statistics.text().find("\naccepted ged/89 - 9\nact collecte 9\n"), std::string::npos) << statistics.text();
}

TEST(Statistics, HideACellFromOneToFourAndShowFive) {
  for (std::uint64_t count = 1; count <= 6; ++count) {
    const std::string text = text_of_month(
        {opened(count, Motif::suivi, "ged/89"), opened(40, Motif::evaluation, "ged/89"), connections(50)});
    const std::string said = count < statistics_shown_from ? "<5" : std::to_string(count);
    EXPECT_NE(text.find("opened ged/89 suivi " + said + "\n"), std::string::npos) << text;
    // Nor is it found by taking away: the sum is not told either.
    EXPECT_NE(text.find("act consultation " + (count < 5 ? std::string("~") : std::to_string(40 + count)) + "\n"),
              std::string::npos)
        << text;
  }
  EXPECT_EQ(text_of_month({connections(50)}).find("opened"), std::string::npos);
}

TEST(Statistics, WithholdTheCasesOfAnInstanceWhenOneKindOfThemIsHidden) {
  const std::string text = text_of_month({accepted(12, Kind::signalement_individuel, "ged/89"),
                                          accepted(2, Kind::information_de_volet, "ged/89"),
                                          accepted(3, Kind::signalement_de_structure, "clir/89"), connections(50)});
  EXPECT_NE(text.find("cases ged/89 ~\n"), std::string::npos) << text;
  EXPECT_NE(text.find("cases clir/89 <5\n"), std::string::npos);  // one kind alone: the cell itself
}

TEST(Statistics, SayNothingWhenTheNumberOfLeavesWouldTellWhatIsHidden) {
  // One hidden count and 3 leaves more than what is told: 1, 2, 3 or 4 of them.
  const auto month = [](std::uint64_t others) {
    return text_of_month(
        {opened(40, Motif::evaluation, "ged/89"), accepted(1, Kind::retrait, "ged/89"), connections(others)});
  };
  EXPECT_EQ(month(3).find("withheld"), std::string::npos) << month(3);
  EXPECT_NE(month(2).find("records 43 erased 0\ncounts withheld\n"), std::string::npos) << month(2);
}

/// Whoever knows the text, the rules and the number of leaves can take no hidden count for less than the four it may
/// be.
TEST(Statistics, LeaveEachHiddenCountFourValues) {
  test::Seeded seeded;
  for (int round = 0; round < 300; ++round) {
    std::vector<Acts> month = {connections(seeded.below(12))};
    const auto some = [&] { return seeded.below(3) == 0 ? 0 : 1 + seeded.below(9); };
    for (const char* queue : {"ged/89", "clir/89"}) {
      month.push_back(accepted(some(), Kind::signalement_individuel, queue));
      month.push_back(accepted(some(), Kind::information_de_volet, queue));
      month.push_back(accepted(some(), Kind::decision, queue));
      month.push_back(opened(some(), Motif::suivi, queue));
      month.push_back(refused(some(), "FORBIDDEN", queue));
    }
    month.push_back({some(), LeafType::habilitation, {"publish_directory", "ok", {}, {}, {}}});
    const std::string text = text_of_month(month);
    if (text.find("withheld") != std::string::npos) continue;
    for (std::size_t i = 1; i < month.size(); ++i) {
      if (month[i].count == 0 || month[i].count >= statistics_shown_from) continue;
      for (std::uint64_t value = 1; value < statistics_shown_from; ++value) {
        // All other hidden counts at their least, and the acts that are never told make up the difference.
        std::vector<Acts> other = month;
        std::uint64_t freed = other[0].count;
        std::uint64_t needed = 0;
        for (std::size_t j = 1; j < other.size(); ++j) {
          if (other[j].count == 0 || other[j].count >= statistics_shown_from) continue;
          freed += other[j].count;
          other[j].count = j == i ? value : 1;
          needed += other[j].count;
        }
        ASSERT_GE(freed, needed) << text;
        other[0].count = freed - needed;
        EXPECT_EQ(text_of_month(other), text);
      }
    }
  }
}

TEST(Statistics, MonthsFollowTheCalendar) {
  EXPECT_EQ(month_start(197001), UnixMillis{0});
  EXPECT_EQ(month_start(202601), (UnixMillis{1'767'225'600'000}));
  EXPECT_EQ(month_start(200003) - month_start(200002), std::chrono::hours(29 * 24));
  EXPECT_EQ(month_before(202601), 202512U);
  EXPECT_EQ(month_before(202612), 202611U);
  EXPECT_EQ(month_after(202512), 202601U);
  EXPECT_FALSE(is_month(202600));
  EXPECT_FALSE(is_month(202613));
  EXPECT_FALSE(is_month(196912));
  EXPECT_TRUE(is_month(999912));
  EXPECT_FALSE(is_month(1'000'001));
}

TEST(Statistics, TheStatementIsReadStrictly) {
  StatisticsStatement statement{202601, {3}, {40}, {}};
  statement.text.fill(0xab);
  const std::string text = to_text(statement);
  EXPECT_EQ(text, "statistics 2026-01 3 40 " + to_hex(statement.text));
  ASSERT_TRUE(parse_statistics_statement(text));
  EXPECT_EQ(*parse_statistics_statement(text), statement);
  const std::string hex = to_hex(statement.text);
  for (const std::string& bad :
       {"statistics 2026-13 3 40 " + hex, "statistics 202601 3 40 " + hex, "statistics 2026-01 41 40 " + hex,
        "statistics 2026-01 03 40 " + hex, "statistics 2026-01 3 40 " + hex + "0",
        "statistics 2026-01 3 40 " + hex + " ", "statistics 2026-01 3  40 " + hex, "statistics 2026-01 3 " + hex,
        "first leaf of " + std::string(origin), "statistics 0026-01 3 40 " + hex, std::string()})
    EXPECT_FALSE(parse_statistics_statement(bad)) << bad;
  for (std::size_t cut = 0; cut < text.size(); ++cut)
    EXPECT_FALSE(parse_statistics_statement(std::string_view(text).substr(0, cut))) << cut;
}

TEST(Statistics, TheStatementOfAClosedShardNamesIt) {
  StatisticsStatement statement{202601, {3}, {40}, {}, std::string(origin)};
  const std::string text = to_text(statement);
  EXPECT_EQ(text, "statistics 2026-01 3 40 " + to_hex(statement.text) + " " + std::string(origin));
  ASSERT_TRUE(parse_statistics_statement(text));
  EXPECT_EQ(*parse_statistics_statement(text), statement);
  for (const std::string& bad : {text + " ", text + " x", text + "\n", text + "\x7f"})
    EXPECT_FALSE(parse_statistics_statement(bad)) << bad;
}

}  // namespace
}  // namespace pli::protocol
