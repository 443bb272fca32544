#include "protocol/case_life.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

namespace pli::protocol {
namespace {

using S = CaseState;

std::vector<S> all_states() {
  return {S::none,
          S::soumis,
          S::recu,
          S::complement_demande,
          S::recevable,
          S::hors_perimetre,
          S::a_l_ordre_du_jour,
          S::en_evaluation,
          S::decide,
          S::retour_effectue,
          S::clos,
          S::efface};
}

/// The whole life on this road, by hand: from, kind, to, and whether somebody must have read the case before.
std::map<std::pair<S, Kind>, std::pair<S, bool>> expected_steps() {
  std::map<std::pair<S, Kind>, std::pair<S, bool>> out = {
      {{S::none, Kind::signalement_individuel}, {S::recu, false}},
      {{S::none, Kind::signalement_de_structure}, {S::recu, false}},
      {{S::none, Kind::information_de_volet}, {S::recu, false}},
      {{S::recu, Kind::complement}, {S::recu, false}},
      {{S::decide, Kind::complement}, {S::decide, false}},
      {{S::recu, Kind::decision}, {S::decide, true}},
      {{S::decide, Kind::retour}, {S::retour_effectue, false}},
  };
  for (S state : all_states())
    if (state != S::none && state != S::efface)
      for (const Kind kind : {Kind::acces, Kind::maintien, Kind::demande_effacement})
        out[{state, kind}] = {state, false};
  return out;
}

TEST(CaseLife, HasAFrenchWordForEveryStateAndNoTwoAlike) {
  std::set<std::string_view> words;
  for (S state : all_states()) {
    EXPECT_EQ(case_state_of(text_of(state)), state);
    EXPECT_EQ(french(state).find('_'), std::string_view::npos) << french(state);
    words.insert(french(state));
  }
  EXPECT_EQ(words.size(), all_states().size());
  EXPECT_EQ(french(S::hors_perimetre), "hors périmètre");
  EXPECT_EQ(case_state_of("zut"), std::nullopt);
  EXPECT_EQ(case_state_of(""), std::nullopt);
}

TEST(CaseLife, TakesExactlyTheListedStepsFromEveryStateByEveryKindReadOrNot) {
  const auto expected = expected_steps();
  for (S state : all_states())
    for (const KindRow& row : kind_table())
      for (bool opened : {false, true}) {
        std::optional<S> want;
        if (auto step = expected.find({state, row.kind}); step != expected.end() && (opened || !step->second.second))
          want = step->second.first;
        EXPECT_EQ(next_state({state, opened}, row.kind), want)
            << text_of(state) << " by " << row.name << (opened ? ", opened" : ", unopened");
      }
}

TEST(CaseLife, ListsTheKindsThatArePossibleAndNoOther) {
  for (S state : all_states())
    for (bool opened : {false, true}) {
      std::set<Kind> possible;
      for (const KindRow& row : kind_table())
        if (next_state({state, opened}, row.kind)) possible.insert(row.kind);
      const auto listed = possible_kinds({state, opened});
      EXPECT_EQ(std::set<Kind>(listed.begin(), listed.end()), possible) << text_of(state);
      EXPECT_EQ(listed.size(), possible.size()) << "a kind listed twice from " << text_of(state);
    }
}

TEST(CaseLife, NoDecisionBeforeSomebodyHasReadTheCase) {
  EXPECT_EQ(next_state({S::recu, false}, Kind::decision), std::nullopt);
  EXPECT_EQ(next_state({S::recu, true}, Kind::decision), S::decide);
}

TEST(CaseLife, HasOneRowForEachStateAndKind) {
  std::set<std::pair<S, Kind>> seen;
  for (const CaseRow& row : case_table()) EXPECT_TRUE(seen.insert({row.from, row.kind}).second) << text_of(row.from);
}

TEST(CaseLife, EveryKindThatOpensACaseStartsFromNothingAndNoOtherDoes) {
  for (const CaseRow& row : case_table())
    EXPECT_EQ(row.from == S::none, row_of(row.kind)->opens_case) << row_of(row.kind)->name;
}

/// Every word between backquotes.
std::vector<std::string> words_in_quotes(const std::string& cell) {
  std::vector<std::string> out;
  for (std::size_t at = cell.find('`'); at != std::string::npos; at = cell.find('`', at)) {
    const std::size_t end = cell.find('`', at + 1);
    if (end == std::string::npos) break;
    out.push_back(cell.substr(at + 1, end - at - 1));
    at = end + 1;
  }
  return out;
}

TEST(CaseLife, IsTheTableThatTheProtocolPrints) {
  std::ifstream document(PLI_SOURCE_DIR "/docs/protocol.md");
  std::set<std::string> printed;
  bool inside = false;
  for (std::string line; std::getline(document, line);) {
    if (line.substr(0, 1) == "#") inside = line == "## Cases";
    if (!inside || line.substr(0, 2) != "| ") continue;
    std::vector<std::string> cells;
    for (std::size_t at = 1, end = 0; (end = line.find('|', at)) != std::string::npos; at = end + 1)
      cells.push_back(line.substr(at, end - at));
    ASSERT_EQ(cells.size(), 4U) << line;
    for (const std::string& kind : words_in_quotes(cells[1])) {
      // "any but efface": held by the table above.
      if (kind == "acces" || kind == "maintien" || kind == "demande_effacement") continue;
      const auto from = words_in_quotes(cells[0]);
      const auto to = words_in_quotes(cells[2]);
      ASSERT_EQ(to.size(), 1U) << line;
      printed.insert((from.empty() ? "aucun" : from[0]) + " " + kind + " " + to[0]);
    }
  }
  std::set<std::string> ours;
  for (const CaseRow& row : case_table())
    if (row.kind != Kind::acces && row.kind != Kind::maintien && row.kind != Kind::demande_effacement)
      ours.insert(std::string(text_of(row.from)) + " " + std::string(row_of(row.kind)->name) + " " +
                  std::string(text_of(row.to)));
  EXPECT_EQ(printed, ours);
}

TEST(CommuneView, TellsOneOfFourThingsWhateverTheState) {
  const std::map<S, CommuneView> expected = {
      {S::none, CommuneView::recu},
      {S::soumis, CommuneView::recu},
      {S::recu, CommuneView::recu},
      {S::complement_demande, CommuneView::complement_demande},
      {S::recevable, CommuneView::en_cours_d_examen},
      {S::hors_perimetre, CommuneView::en_cours_d_examen},
      {S::a_l_ordre_du_jour, CommuneView::en_cours_d_examen},
      {S::en_evaluation, CommuneView::en_cours_d_examen},
      {S::decide, CommuneView::en_cours_d_examen},
      {S::retour_effectue, CommuneView::examen_termine},
      {S::clos, CommuneView::examen_termine},
      {S::efface, CommuneView::examen_termine},
  };
  for (S state : all_states()) EXPECT_EQ(commune_view(state), expected.at(state)) << text_of(state);
}

TEST(CommuneView, DoesNotTellWhetherACaseIsInOrOutOfScope) {
  EXPECT_EQ(commune_view(S::recevable), commune_view(S::hors_perimetre));
  EXPECT_EQ(commune_view(S::en_evaluation), commune_view(S::decide));
}

TEST(CaseState, NumbersAndNamesAreDistinctAndReadBack) {
  std::set<std::string_view> names;
  for (S state : all_states()) {
    EXPECT_EQ(case_state_of_number(static_cast<std::uint8_t>(state)), state);
    EXPECT_TRUE(names.insert(text_of(state)).second);
  }
  EXPECT_EQ(case_state_of_number(12), std::nullopt);
  EXPECT_EQ(case_state_of_number(255), std::nullopt);
}

TEST(CommuneView, HasANameAndFrenchWordsForEach) {
  std::set<std::string_view> names;
  std::set<std::string_view> words;
  for (CommuneView view : {CommuneView::recu, CommuneView::en_cours_d_examen, CommuneView::complement_demande,
                           CommuneView::examen_termine}) {
    names.insert(text_of(view));
    words.insert(french(view));
  }
  EXPECT_EQ(names, (std::set<std::string_view>{"recu", "en_cours_d_examen", "complement_demande", "examen_termine"}));
  EXPECT_EQ(words.size(), 4U);
}

}  // namespace
}  // namespace pli::protocol
