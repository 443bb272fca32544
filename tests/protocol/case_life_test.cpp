#include "protocol/case_life.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "protocol/error_catalogue.hpp"
#include "protocol/policy.hpp"

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
          S::efface,
          S::retire};
}

// ---- the whole life, by hand: who may do what from where -----------------------------------------------------------

using K = Kind;
using Q = QueueKind;
using R = Role;
using Rel = Relation;

const std::set<S> live = {S::recu,           S::complement_demande, S::recevable,
                          S::hors_perimetre, S::a_l_ordre_du_jour,  S::en_evaluation,
                          S::decide,         S::retour_effectue,    S::clos};
const std::set<S> examined = {S::recu, S::recevable, S::hors_perimetre, S::a_l_ordre_du_jour, S::en_evaluation};

/// What the table must say, written without it.
std::optional<S> expected_step(const CaseFacts& at, K kind, std::string_view finding, CaseSide side) {
  // A case that waits for a complement is examined as it was before.
  const S before = at.state == S::complement_demande ? at.resumes : at.state;
  switch (kind) {
    case K::signalement_individuel:
    case K::signalement_de_structure:
    case K::proposition_accompagnement:
    case K::information_de_volet: return at.state == S::none ? std::optional(S::recu) : std::nullopt;
    case K::acces:
    case K::maintien:
    case K::demande_effacement:
    case K::recusation: return live.contains(at.state) ? std::optional(at.state) : std::nullopt;
    case K::rectification:
      if (at.state == S::complement_demande) return at.state;
      return live.contains(at.state) && !at.late ? std::optional(at.state) : std::nullopt;
    case K::complement:
      if (at.state == S::complement_demande) return examined.contains(before) ? std::optional(before) : std::nullopt;
      return live.contains(at.state) && !at.late ? std::optional(at.state) : std::nullopt;
    case K::agrement:
      if (side == CaseSide::partie) {
        if (at.state == S::complement_demande) return examined.contains(before) ? std::optional(before) : std::nullopt;
        return live.contains(at.state) && !at.late ? std::optional(at.state) : std::nullopt;
      }
      [[fallthrough]];
    case K::information_nominative:
      if (!at.opened || !live.contains(at.state) || before == S::recu) return std::nullopt;
      return at.state != S::complement_demande || examined.contains(before) ? std::optional(at.state) : std::nullopt;
    case K::transmission:
    case K::orientation_cpraf: return live.contains(at.state) && at.opened ? std::optional(at.state) : std::nullopt;
    case K::retrait: return at.state == S::recu && !at.opened ? std::optional(S::retire) : std::nullopt;
    case K::demande_de_complement:
      return examined.contains(at.state) && at.opened ? std::optional(S::complement_demande) : std::nullopt;
    case K::recevabilite:
      if (!at.opened || (before != S::recu && before != S::recevable && before != S::hors_perimetre))
        return std::nullopt;
      if (finding == "recevable" && before != S::recevable) return S::recevable;
      if (finding == "hors_perimetre" && before != S::hors_perimetre) return S::hors_perimetre;
      return std::nullopt;
    case K::inscription:
      if (!at.opened) return std::nullopt;
      if (before == S::recevable || before == S::hors_perimetre || before == S::a_l_ordre_du_jour)
        return S::a_l_ordre_du_jour;
      return before == S::en_evaluation ? std::optional(S::en_evaluation) : std::nullopt;
    case K::mise_en_evaluation:
      return before == S::a_l_ordre_du_jour && at.opened ? std::optional(S::en_evaluation) : std::nullopt;
    case K::decision: return before == S::en_evaluation && at.opened ? std::optional(S::decide) : std::nullopt;
    case K::retour:
      if (at.answered) return std::nullopt;
      if (at.state == S::decide) return S::retour_effectue;
      return at.state == S::clos ? std::optional(S::clos) : std::nullopt;
    case K::report_du_retour:
      return (at.state == S::decide || at.state == S::clos) && !at.answered ? std::optional(at.state) : std::nullopt;
    case K::cloture:
      if (at.state == S::retour_effectue) return S::clos;
      return at.state == S::decide && at.deferred && !at.answered ? std::optional(S::clos) : std::nullopt;
    default: return std::nullopt;
  }
}

std::vector<std::string_view> findings_of(K kind) {
  if (kind != K::recevabilite) return {""};
  return {"", "recevable", "hors_perimetre"};
}

/// Whose act it may be.
std::vector<CaseSide> sides_of(K kind) {
  if (kind == K::agrement) return {CaseSide::partie, CaseSide::instance};
  for (const CaseRow& row : case_table())
    if (row.kind == kind) return {row.side};
  return {CaseSide::instance};
}

/// Every set of facts that can be written down, possible or not.
template <class Visit>
void for_all_facts(Visit visit) {
  for (S state : all_states())
    for (S resumes : all_states()) {
      if (state != S::complement_demande && resumes != S::none) continue;
      for (unsigned bits = 0; bits < 16; ++bits) {
        CaseFacts facts;
        facts.state = state;
        facts.resumes = resumes;
        facts.opened = (bits & 1U) != 0;
        facts.deferred = (bits & 2U) != 0;
        facts.answered = (bits & 4U) != 0;
        facts.late = (bits & 8U) != 0;
        visit(facts);
      }
    }
}

std::string words(const CaseFacts& facts) {
  std::string out(text_of(facts.state));
  if (facts.resumes != S::none) out += " of " + std::string(text_of(facts.resumes));
  for (const auto& [is, word] : {std::pair{facts.opened, " opened"},
                                 {facts.deferred, " deferred"},
                                 {facts.answered, " answered"},
                                 {facts.late, " late"}})
    if (is) out += word;
  return out;
}

/// Who may post this kind about a case, and where: nobody else, whatever the state.
struct Mover {
  std::set<R> roles;
  std::set<Q> queues;
  Rel relation;
  bool linked = false;  ///< only of a case that was transmitted to the instance
};
const std::set<R> seats = {R::secretariat, R::membre_ged, R::membre_clir, R::membre_cpraf, R::parquet, R::service};
const std::set<K> evaluating = {K::demande_de_complement,
                                K::retour,
                                K::recevabilite,
                                K::inscription,
                                K::mise_en_evaluation,
                                K::decision,
                                K::report_du_retour,
                                K::cloture,
                                K::recusation,
                                K::acces,
                                K::maintien,
                                K::demande_effacement,
                                K::transmission,
                                K::orientation_cpraf,
                                K::information_nominative};
/// What is always possible, and leads nowhere.
const std::set<K> standing_kinds = {K::acces,
                                    K::recusation,
                                    K::maintien,
                                    K::demande_effacement,
                                    K::transmission,
                                    K::orientation_cpraf,
                                    K::information_nominative,
                                    K::agrement};
bool may_move(R role, Q queue, Relations standing, K kind) {
  if (evaluating.contains(kind) && (standing.has(Rel::author) || standing.has(Rel::recused))) return false;
  // An agreement: nobody's who recused, and an author's only where he does not sit.
  if (kind == K::agrement &&
      (standing.has(Rel::recused) || (standing.has(Rel::author) && standing.has(Rel::case_instance))))
    return false;
  std::vector<Mover> movers;
  const std::set<Q> both = {Q::ged, Q::clir};
  const std::set<Q> instances = {Q::ged, Q::clir, Q::cpraf};
  switch (kind) {
    case K::signalement_individuel: movers = {{{R::referent, R::maire}, {Q::ged}, Rel::same_territory}}; break;
    case K::signalement_de_structure: movers = {{{R::referent, R::maire}, {Q::clir}, Rel::same_territory}}; break;
    case K::proposition_accompagnement: movers = {{{R::referent, R::maire}, {Q::cpraf}, Rel::same_territory}}; break;
    case K::information_de_volet: movers = {{{R::outil}, both, Rel::same_territory}}; break;
    case K::complement:
    case K::retrait:
    case K::rectification: movers = {{{R::referent, R::maire, R::outil}, instances, Rel::case_party}}; break;
    case K::recevabilite:
    case K::inscription:
    case K::mise_en_evaluation:
    case K::decision:
    case K::report_du_retour:
    case K::cloture: movers = {{{R::secretariat}, instances, Rel::case_instance}}; break;
    case K::demande_de_complement:
    case K::retour:
      movers = {{{R::secretariat}, {Q::org}, Rel::case_instance},
                {{R::secretariat}, {Q::ged, Q::clir, Q::cpraf}, Rel::case_instance, true}};
      break;
    case K::transmission: movers = {{{R::secretariat}, both, Rel::case_instance}}; break;
    case K::orientation_cpraf: movers = {{{R::secretariat}, {Q::cpraf}, Rel::case_instance}}; break;
    case K::information_nominative: movers = {{{R::secretariat}, both, Rel::case_instance}}; break;
    case K::agrement:
      movers = {{{R::service, R::parquet}, both, Rel::case_instance},
                {{R::referent, R::maire}, instances, Rel::case_party}};
      break;
    case K::maintien:
    case K::demande_effacement: movers = {{{R::secretariat, R::parquet}, instances, Rel::case_instance}}; break;
    case K::recusation: movers = {{seats, instances, Rel::case_instance}}; break;
    case K::acces:
      movers = {{{R::membre_ged, R::secretariat}, {Q::ged}, Rel::seated},
                {{R::membre_clir, R::secretariat}, {Q::clir}, Rel::seated},
                {{R::membre_cpraf, R::secretariat}, {Q::cpraf}, Rel::seated},
                {{R::secretariat}, {Q::person}, Rel::case_instance}};
      break;
    default: break;
  }
  return std::any_of(movers.begin(), movers.end(), [&](const Mover& mover) {
    return mover.roles.contains(role) && mover.queues.contains(queue) && standing.has(mover.relation) &&
           (!mover.linked || standing.has(Rel::linked));
  });
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

TEST(CaseLife, TakesExactlyTheListedStepsFromEveryStateByEveryKindInEveryCircumstance) {
  std::size_t taken = 0;
  for_all_facts([&](const CaseFacts& facts) {
    for (const KindRow& kind : kind_table())
      for (const CaseSide side : sides_of(kind.kind))
        for (const std::string_view finding : findings_of(kind.kind)) {
          const CaseRow* step = step_of(facts, kind.kind, finding, side);
          const auto expected = expected_step(facts, kind.kind, finding, side);
          ASSERT_EQ(step != nullptr, expected.has_value()) << words(facts) << " by " << kind.name << " " << finding;
          if (step == nullptr) continue;
          ASSERT_EQ(step->to, *expected) << words(facts) << " by " << kind.name << " " << finding;
          ASSERT_EQ(step->side, side);
          ++taken;
        }
  });
  EXPECT_GT(taken, 1000U);
}

TEST(CaseLife, P6EveryStateActRoleAndRelationHasTheResultWrittenByHandAndNoOther) {
  std::vector<CaseFacts> circumstances;
  for_all_facts([&](const CaseFacts& facts) { circumstances.push_back(facts); });
  std::size_t allowed = 0;
  for (const KindRow& kind : kind_table()) {
    if (kind.kind == K::anomalie || kind.kind == K::point_de_situation) continue;  // belong to no case
    std::size_t legal = 0;  // and what by hand is legal, of all circumstances
    std::size_t legal_by_hand = 0;
    for (const CaseFacts& facts : circumstances)
      for (const CaseSide side : sides_of(kind.kind))
        for (const std::string_view finding : findings_of(kind.kind)) {
          legal += step_of(facts, kind.kind, finding, side) != nullptr ? 1 : 0;
          legal_by_hand += expected_step(facts, kind.kind, finding, side) ? 1 : 0;
        }
    ASSERT_EQ(legal, legal_by_hand) << kind.name;
    for (std::size_t role = 0; role < role_count; ++role)
      for (std::size_t queue = 0; queue < queue_kind_count; ++queue)
        for (unsigned bits = 0; bits < 1U << relation_count; ++bits) {
          Question question;
          question.act = Act::submit;
          question.roles.add(static_cast<R>(role));
          question.relations.bits = static_cast<std::uint16_t>(bits);
          question.kind = kind.kind;
          question.queue = static_cast<Q>(queue);
          const bool may = may_move(static_cast<R>(role), static_cast<Q>(queue), question.relations, kind.kind);
          // A right that no state has a step for, or a step that nobody has a right to, is one too many.
          ASSERT_EQ(decide(question).allowed, may) << kind.name << " by " << text_of(static_cast<R>(role)) << " to "
                                                   << text_of(static_cast<Q>(queue)) << " relations " << bits;
          if (may) allowed += legal;
          ASSERT_TRUE(!may || legal > 0) << kind.name;
        }
  }
  EXPECT_GT(allowed, 0U);
}

TEST(CaseLife, NoStepIsThereThatNobodyHasARightTo) {
  for (const CaseRow& row : case_table()) {
    bool somebody = false;
    for (std::size_t role = 0; role < role_count; ++role)
      for (std::size_t queue = 0; queue < queue_kind_count; ++queue)
        for (unsigned bits = 0; bits < 1U << relation_count; ++bits)
          somebody = somebody || may_move(static_cast<R>(role), static_cast<Q>(queue),
                                          {static_cast<std::uint16_t>(bits)}, row.kind);
    EXPECT_TRUE(somebody) << row_of(row.kind)->name;
  }
}

TEST(CaseLife, NoDecisionBeforeSomebodyHasReadTheCase) {
  for_all_facts([](const CaseFacts& facts) {
    if (!facts.opened) {
      EXPECT_EQ(step_of(facts, Kind::decision), nullptr) << words(facts);
    }
  });
}

TEST(CaseLife, NothingIsClosedWithoutARetourOrADayAheadOnWhichItIsLookedAtAgain) {
  for_all_facts([](const CaseFacts& facts) {
    if (step_of(facts, Kind::cloture) == nullptr) return;
    EXPECT_TRUE(facts.state == S::retour_effectue || (facts.state == S::decide && facts.deferred)) << words(facts);
  });
}

TEST(CaseLife, ListsTheKindsThatArePossibleForEachSideAndNoOther) {
  for_all_facts([](const CaseFacts& facts) {
    std::map<CaseSide, std::set<Kind>> possible;
    for (const CaseRow& row : case_table())
      if (!standing_kinds.contains(row.kind) && step_of(facts, row.kind, row.finding) != nullptr)
        possible[row.side].insert(row.kind);
    for (CaseSide side : {CaseSide::partie, CaseSide::instance}) {
      const auto listed = possible_kinds(facts, side);
      EXPECT_EQ(std::set<Kind>(listed.begin(), listed.end()), possible[side]) << words(facts);
      EXPECT_EQ(listed.size(), possible[side].size()) << "a kind listed twice from " << words(facts);
    }
  });
}

TEST(CaseLife, RefusesInWordsThatFitAndGivesACollectiviteItsFourAndItsOwnKindsAlone) {
  const std::set<std::string_view> own = {
      "recu", "en_cours_d_examen", "complement_demande", "examen_termine", "complement", "rectification", "retrait"};
  std::set<Kind> in_the_table;
  for (const CaseRow& row : case_table()) in_the_table.insert(row.kind);
  for_all_facts([&](const CaseFacts& facts) {
    for (const KindRow& kind : kind_table())
      for (const std::string_view finding : findings_of(kind.kind))
        for (CaseSide side : {CaseSide::partie, CaseSide::instance})
          for (bool told : {false, true}) {
            if (!in_the_table.contains(kind.kind)) continue;
            const std::string text = illegal_step(facts, kind.kind, finding, side, told);
            ASSERT_TRUE(is_subject(text)) << text;
            if (side == CaseSide::instance) continue;
            for (std::size_t at = 0, end = 0; at <= text.size(); at = end + 1) {
              end = std::min(text.find(',', at), text.size());
              const std::string word = text.substr(at, end - at);
              ASSERT_TRUE(own.contains(word) || word == kind.name) << text;
            }
          }
  });
}

/// The flags that a collectivité knows of: what it did itself, and that it was read.
bool alike_for_a_commune(const CaseFacts& a, const CaseFacts& b, bool told_a, bool told_b) {
  return commune_view(a.state, told_a) == commune_view(b.state, told_b) && a.late == b.late && a.opened == b.opened;
}

TEST(CaseLife, ACollectiviteHasTheSameStepsAndTheSameRefusalsInEveryStateThatLooksTheSameToIt) {
  std::vector<std::pair<CaseFacts, bool>> all;
  for_all_facts([&](const CaseFacts& facts) {
    // What can be: past the receipt somebody has read it; what waits came from somewhere; told and late only if
    // answered.
    const bool waits = facts.state == S::complement_demande;
    if (!live.contains(facts.state) || (facts.state != S::recu && !facts.opened)) return;
    if (waits && !examined.contains(facts.resumes)) return;
    if (facts.answered != (facts.state == S::retour_effectue) && facts.state != S::clos) return;
    for (bool told : {false, true})
      if ((!told || facts.answered) && (!facts.late || told)) all.emplace_back(facts, told);
  });
  std::size_t compared = 0;
  for (const auto& [a, told_a] : all)
    for (const auto& [b, told_b] : all) {
      if (!alike_for_a_commune(a, b, told_a, told_b)) continue;
      ++compared;
      for (const Kind kind : {K::complement, K::rectification, K::retrait, K::agrement}) {
        const auto side = CaseSide::partie;
        ASSERT_EQ(step_of(a, kind, {}, side) == nullptr, step_of(b, kind, {}, side) == nullptr)
            << words(a) << " / " << words(b);
        ASSERT_EQ(illegal_step(a, kind, {}, CaseSide::partie, told_a),
                  illegal_step(b, kind, {}, CaseSide::partie, told_b))
            << words(a) << " / " << words(b);
      }
    }
  EXPECT_GT(compared, 100U);
}

TEST(CaseLife, HasOneRowForEachStateKindAndCircumstance) {
  std::set<std::tuple<S, Kind, S, std::string_view, CaseSide>> seen;
  for (const CaseRow& row : case_table())
    EXPECT_TRUE(seen.insert({row.from, row.kind, row.resumes, row.finding, row.side}).second)
        << text_of(row.from) << " " << row_of(row.kind)->name;
}

TEST(CaseLife, EveryKindThatOpensACaseStartsFromNothingAndNoOtherDoes) {
  for (const CaseRow& row : case_table())
    EXPECT_EQ(row.from == S::none, row_of(row.kind)->opens_case) << row_of(row.kind)->name;
}

TEST(CaseLife, EveryStateIsReachedButTheTwoThatNoExchangeMakes) {
  std::set<S> reached;
  for (const CaseRow& row : case_table()) reached.insert(row.to);
  for (S state : all_states())
    EXPECT_EQ(reached.contains(state), state != S::none && state != S::soumis && state != S::efface) << text_of(state);
}

TEST(CaseLife, ADecisionOnACaseJustReceivedWasAStepBeforeAndNothingElseWas) {
  for (S state : all_states())
    for (const KindRow& kind : kind_table())
      EXPECT_EQ(was_a_step(state, kind.kind), state == S::recu && kind.kind == K::decision);
}

std::string in_quotes(std::string_view word) { return "`" + std::string(word) + "`"; }

std::string need_text(CaseNeed need) {
  switch (need) {
    case CaseNeed::nothing: return "";
    case CaseNeed::opening: return "somebody of the instance has opened it";
    case CaseNeed::no_opening: return "nobody has opened it";
    case CaseNeed::deferral: return "a review lies ahead";
    case CaseNeed::no_retour: return "no retour was given";
    case CaseNeed::in_time: return "at most 30 days after the retour was shown";
  }
  return "?";
}

std::string effect_text(CaseEffect effect) {
  switch (effect) {
    case CaseEffect::nothing: return "";
    case CaseEffect::asks: return "where it came from is kept";
    case CaseEffect::scopes: return "the finding is kept";
    case CaseEffect::schedules: return "the day of the séance is kept";
    case CaseEffect::decides: return "the hour of the decision is kept";
    case CaseEffect::answers: return "the collectivité is shown the retour";
    case CaseEffect::defers: return "the day of the review is kept";
    case CaseEffect::recuses: return "its sender is shown and opens no more of the case";
    case CaseEffect::transmits: return "a case of its own is opened there, linked to this one";
  }
  return "?";
}

/// The table as docs/protocol.md prints it: rows that differ in where they start alone are one line.
std::vector<std::string> printed_table() {
  std::vector<std::pair<std::string, std::string>> lines;  // from, the rest
  for (const CaseRow& row : case_table()) {
    std::string to = row.to == row.from ? "the same" : in_quotes(text_of(row.to));
    if (row.resumes != S::none && row.to != row.from)
      to = row.to == row.resumes ? "where it came from" : "as from where it came from";
    std::string kind = in_quotes(row_of(row.kind)->name);
    if (!row.finding.empty()) kind += " " + in_quotes(row.finding);
    const std::string rest = " | " + kind + " | " + to + " | " +
                             (row.side == CaseSide::partie ? "sender" : "instance") + " | " + need_text(row.need) +
                             " | " + effect_text(row.effect) + " |";
    const std::string from = row.from == S::none ? "nothing" : in_quotes(text_of(row.from));
    const auto known = std::find_if(lines.begin(), lines.end(), [&](const auto& line) { return line.second == rest; });
    if (known == lines.end())
      lines.emplace_back(from, rest);
    else if (known->first.find(from) == std::string::npos)
      known->first += ", " + from;
  }
  std::vector<std::string> out;
  for (const auto& [from, rest] : lines) {
    std::string line = "| " + from + rest;
    for (std::size_t at = line.find("|  |"); at != std::string::npos; at = line.find("|  |"))
      line.replace(at, 4, "| |");
    out.push_back(line);
  }
  return out;
}

TEST(CaseLife, IsTheTableThatTheProtocolPrints) {
  std::ifstream document(PLI_SOURCE_DIR "/docs/protocol.md");
  std::vector<std::string> printed;
  bool inside = false;
  for (std::string line; std::getline(document, line);) {
    if (line.substr(0, 1) == "#") inside = line == "## Cases";
    if (inside && line.substr(0, 2) == "| " && line.substr(0, 6) != "| from") printed.push_back(line);
  }
  EXPECT_EQ(printed, printed_table());
}

TEST(CommuneView, TellsOneOfFourThingsWhateverTheState) {
  const std::map<S, std::pair<CommuneView, CommuneView>> expected = {
      {S::none, {CommuneView::recu, CommuneView::recu}},
      {S::soumis, {CommuneView::recu, CommuneView::recu}},
      {S::recu, {CommuneView::recu, CommuneView::recu}},
      {S::complement_demande, {CommuneView::complement_demande, CommuneView::complement_demande}},
      {S::recevable, {CommuneView::en_cours_d_examen, CommuneView::examen_termine}},
      {S::hors_perimetre, {CommuneView::en_cours_d_examen, CommuneView::examen_termine}},
      {S::a_l_ordre_du_jour, {CommuneView::en_cours_d_examen, CommuneView::examen_termine}},
      {S::en_evaluation, {CommuneView::en_cours_d_examen, CommuneView::examen_termine}},
      {S::decide, {CommuneView::en_cours_d_examen, CommuneView::examen_termine}},
      {S::retour_effectue, {CommuneView::en_cours_d_examen, CommuneView::examen_termine}},
      {S::clos, {CommuneView::en_cours_d_examen, CommuneView::examen_termine}},
      {S::efface, {CommuneView::examen_termine, CommuneView::examen_termine}},
      {S::retire, {CommuneView::examen_termine, CommuneView::examen_termine}},
  };
  for (S state : all_states()) {
    EXPECT_EQ(commune_view(state, false), expected.at(state).first) << text_of(state);
    EXPECT_EQ(commune_view(state, true), expected.at(state).second) << text_of(state);
  }
}

TEST(CaseState, NumbersAndNamesAreDistinctAndReadBack) {
  std::set<std::string_view> names;
  for (S state : all_states()) {
    EXPECT_EQ(case_state_of_number(static_cast<std::uint8_t>(state)), state);
    EXPECT_TRUE(names.insert(text_of(state)).second);
  }
  EXPECT_EQ(case_state_of_number(13), std::nullopt);
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
