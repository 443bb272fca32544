#include "protocol/case_life.hpp"

#include <algorithm>
#include <array>

#include "base/result.hpp"

namespace pli::protocol {

std::string_view text_of(CaseState state) {
  switch (state) {
    case CaseState::none: return "aucun";
    case CaseState::soumis: return "soumis";
    case CaseState::recu: return "recu";
    case CaseState::complement_demande: return "complement_demande";
    case CaseState::recevable: return "recevable";
    case CaseState::hors_perimetre: return "hors_perimetre";
    case CaseState::a_l_ordre_du_jour: return "a_l_ordre_du_jour";
    case CaseState::en_evaluation: return "en_evaluation";
    case CaseState::decide: return "decide";
    case CaseState::retour_effectue: return "retour_effectue";
    case CaseState::clos: return "clos";
    case CaseState::efface: return "efface";
    case CaseState::retire: return "retire";
  }
  return "aucun";
}

std::optional<CaseState> case_state_of_number(std::uint8_t number) {
  if (number > static_cast<std::uint8_t>(CaseState::retire)) return std::nullopt;
  return static_cast<CaseState>(number);
}

std::optional<CaseState> case_state_of(std::string_view text) {
  for (std::uint8_t number = 0; const auto state = case_state_of_number(number); ++number)
    if (text_of(*state) == text) return state;
  return std::nullopt;
}

std::string_view french(CaseState state) {
  switch (state) {
    case CaseState::none: return "aucun";
    case CaseState::soumis: return "soumis";
    case CaseState::recu: return "reçu";
    case CaseState::complement_demande: return "complément demandé";
    case CaseState::recevable: return "recevable";
    case CaseState::hors_perimetre: return "hors périmètre";
    case CaseState::a_l_ordre_du_jour: return "à l'ordre du jour";
    case CaseState::en_evaluation: return "en évaluation";
    case CaseState::decide: return "décidé";
    case CaseState::retour_effectue: return "retour effectué";
    case CaseState::clos: return "clos";
    case CaseState::efface: return "effacé";
    case CaseState::retire: return "retiré";
  }
  return "aucun";
}

namespace {

using S = CaseState;

// What a case can be, in the order of its road; complement_demande stands beside it.
constexpr std::array road = {S::recu,          S::recevable, S::hors_perimetre,  S::a_l_ordre_du_jour,
                             S::en_evaluation, S::decide,    S::retour_effectue, S::clos};
/// From where the sender can be asked for more.
constexpr std::array asked_from = {S::recu, S::recevable, S::hors_perimetre, S::a_l_ordre_du_jour, S::en_evaluation};
constexpr std::string_view in_scope = "recevable";
constexpr std::string_view out_of_scope = "hors_perimetre";

// `soumis` has no row: it is what a sender's outbox holds. The broker's durable acceptance is the automatic receipt, so
// a case that exists at all is at least `recu`. `efface` has none either: it comes of a term and not of an exchange.
void add_beginnings(std::vector<CaseRow>& rows) {
  for (const Kind kind : {Kind::signalement_individuel, Kind::signalement_de_structure,
                          Kind::proposition_accompagnement, Kind::information_de_volet})
    rows.push_back({S::none, kind, S::recu, CaseSide::partie});
}

/// Accepted alike whatever the case came to: a refusal would tell.
void add_senders_acts(std::vector<CaseRow>& rows) {
  rows.push_back({S::recu, Kind::retrait, S::retire, CaseSide::partie, CaseNeed::no_opening});
  for (const S state : road)
    for (const Kind kind : {Kind::complement, Kind::rectification})
      rows.push_back({state, kind, state, CaseSide::partie, CaseNeed::in_time});
  for (const S state : road) rows.push_back({state, Kind::agrement, state, CaseSide::partie, CaseNeed::in_time});
  for (const Kind kind : {Kind::complement, Kind::agrement})
    for (const S before : asked_from)
      rows.push_back(
          {S::complement_demande, kind, before, CaseSide::partie, CaseNeed::nothing, CaseEffect::nothing, before});
  rows.push_back({S::complement_demande, Kind::rectification, S::complement_demande, CaseSide::partie});
}

/// What leads from the receipt to the decision. Silence stops nothing: it is possible from `complement_demande` too,
/// if it is from where that came from.
void add_examination(std::vector<CaseRow>& rows) {
  constexpr auto opening = CaseNeed::opening;
  std::vector<CaseRow> steps;
  for (const S from : {S::recu, S::hors_perimetre})
    steps.push_back(
        {from, Kind::recevabilite, S::recevable, CaseSide::instance, opening, CaseEffect::scopes, S::none, in_scope});
  for (const S from : {S::recu, S::recevable})
    steps.push_back({from, Kind::recevabilite, S::hors_perimetre, CaseSide::instance, opening, CaseEffect::scopes,
                     S::none, out_of_scope});
  for (const S from : {S::recevable, S::hors_perimetre, S::a_l_ordre_du_jour})
    steps.push_back(
        {from, Kind::inscription, S::a_l_ordre_du_jour, CaseSide::instance, opening, CaseEffect::schedules});
  steps.push_back(
      {S::en_evaluation, Kind::inscription, S::en_evaluation, CaseSide::instance, opening, CaseEffect::schedules});
  steps.push_back({S::a_l_ordre_du_jour, Kind::mise_en_evaluation, S::en_evaluation, CaseSide::instance, opening});
  steps.push_back({S::en_evaluation, Kind::decision, S::decide, CaseSide::instance, opening, CaseEffect::decides});
  for (const S from : asked_from)
    rows.push_back(
        {from, Kind::demande_de_complement, S::complement_demande, CaseSide::instance, opening, CaseEffect::asks});
  rows.insert(rows.end(), steps.begin(), steps.end());
  for (CaseRow step : steps) {
    step.resumes = step.from;
    step.from = S::complement_demande;
    rows.push_back(step);
  }
}

/// No closing without a retour, or a day on which the deferred one is looked at again.
void add_end(std::vector<CaseRow>& rows) {
  rows.push_back(
      {S::decide, Kind::retour, S::retour_effectue, CaseSide::instance, CaseNeed::no_retour, CaseEffect::answers});
  rows.push_back(
      {S::decide, Kind::report_du_retour, S::decide, CaseSide::instance, CaseNeed::no_retour, CaseEffect::defers});
  rows.push_back({S::decide, Kind::cloture, S::clos, CaseSide::instance, CaseNeed::deferral});
  rows.push_back({S::retour_effectue, Kind::cloture, S::clos, CaseSide::instance});
  rows.push_back({S::clos, Kind::retour, S::clos, CaseSide::instance, CaseNeed::no_retour, CaseEffect::answers});
  rows.push_back(
      {S::clos, Kind::report_du_retour, S::clos, CaseSide::instance, CaseNeed::no_retour, CaseEffect::defers});
}

/// No step of the case: giving a newcomer of the instance access, taking no further part, and a word on how long it is
/// kept. Not once nothing opens.
void add_standing(std::vector<CaseRow>& rows) {
  std::vector<S> states(road.begin(), road.end());
  states.push_back(S::complement_demande);
  for (const S state : states) {
    for (const Kind kind : {Kind::acces, Kind::maintien, Kind::demande_effacement})
      rows.push_back({state, kind, state, CaseSide::instance});
    rows.push_back({state, Kind::recusation, state, CaseSide::instance, CaseNeed::nothing, CaseEffect::recuses});
  }
}

/// Nor is passing it on to another instance, which leads a case of its own there: nobody passes on what he has not
/// read.
void add_transmissions(std::vector<CaseRow>& rows) {
  std::vector<S> states(road.begin(), road.end());
  states.push_back(S::complement_demande);
  for (const S state : states)
    for (const Kind kind : {Kind::transmission, Kind::orientation_cpraf})
      rows.push_back({state, kind, state, CaseSide::instance, CaseNeed::opening, CaseEffect::transmits});
}

/// Nor is telling the maire in person, and agreeing to that: of what was found in scope or out of it, once read.
void add_nominative(std::vector<CaseRow>& rows) {
  for (const S state : road)
    if (state != S::recu)
      for (const Kind kind : {Kind::information_nominative, Kind::agrement})
        rows.push_back({state, kind, state, CaseSide::instance, CaseNeed::opening});
  for (const S before : asked_from)
    if (before != S::recu)
      for (const Kind kind : {Kind::information_nominative, Kind::agrement})
        rows.push_back({S::complement_demande, kind, S::complement_demande, CaseSide::instance, CaseNeed::opening,
                        CaseEffect::nothing, before});
}

bool holds(const CaseFacts& facts, CaseNeed need) {
  switch (need) {
    case CaseNeed::nothing: return true;
    case CaseNeed::opening: return facts.opened;
    case CaseNeed::no_opening: return !facts.opened;
    case CaseNeed::deferral: return facts.deferred && !facts.answered;
    case CaseNeed::no_retour: return !facts.answered;
    case CaseNeed::in_time: return !facts.late;
  }
  return false;
}

bool is_standing(Kind kind) {
  return kind == Kind::acces || kind == Kind::recusation || kind == Kind::maintien ||
         kind == Kind::demande_effacement || kind == Kind::information_nominative || kind == Kind::agrement ||
         is_transmission(kind);
}

/// Acts of a case that leave it where it is: a refusal names the kind, for there is no state to come to.
bool is_beside(Kind kind) {
  return is_transmission(kind) || kind == Kind::information_nominative || kind == Kind::agrement;
}

bool starts_at(const CaseRow& row, const CaseFacts& facts) {
  return row.from == facts.state && (row.resumes == S::none || row.resumes == facts.resumes) && holds(facts, row.need);
}

}  // namespace

const std::vector<CaseRow>& case_table() {
  static const std::vector<CaseRow> table = [] {
    std::vector<CaseRow> rows;
    add_beginnings(rows);
    add_senders_acts(rows);
    add_examination(rows);
    add_end(rows);
    add_standing(rows);
    add_transmissions(rows);
    add_nominative(rows);
    return rows;
  }();
  return table;
}

bool is_transmission(Kind kind) { return kind == Kind::transmission || kind == Kind::orientation_cpraf; }

bool says_what_is_reported(Kind kind) {
  return kind != Kind::retrait && kind != Kind::agrement &&
         std::any_of(case_table().begin(), case_table().end(),
                     [&](const CaseRow& row) { return row.kind == kind && row.side == CaseSide::partie; });
}

const CaseRow* step_of(const CaseFacts& facts, Kind kind, std::string_view finding, std::optional<CaseSide> side) {
  for (const CaseRow& row : case_table())
    if (row.kind == kind && row.finding == finding && side.value_or(row.side) == row.side && starts_at(row, facts))
      return &row;
  return nullptr;
}

std::vector<Kind> possible_kinds(const CaseFacts& facts, CaseSide side) {
  std::vector<Kind> out;
  for (const CaseRow& row : case_table()) {
    if (row.side != side || is_standing(row.kind) || !starts_at(row, facts)) continue;
    if (std::find(out.begin(), out.end(), row.kind) == out.end()) out.push_back(row.kind);
  }
  return out;
}

bool was_a_step(CaseState from, Kind kind) { return from == CaseState::recu && kind == Kind::decision; }

std::string illegal_step(const CaseFacts& facts, Kind kind, std::string_view finding, CaseSide side, bool told) {
  CaseState to = CaseState::none;
  for (const CaseRow& row : case_table()) {
    if (row.kind != kind || row.finding != finding || is_standing(kind) || is_beside(kind)) continue;
    to = row.to;
    break;
  }
  const bool commune = side == CaseSide::partie;
  std::string out(commune ? text_of(commune_view(facts.state, told)) : text_of(facts.state));
  out += ',';
  out += to == CaseState::none ? row_of(kind)->name : commune ? text_of(commune_view(to, false)) : text_of(to);
  if (facts.state == CaseState::none) return out;
  for (const Kind possible : possible_kinds(facts, side)) {
    out += ',';
    out += row_of(possible)->name;
  }
  return out;
}

CommuneView commune_view(CaseState state, bool told) {
  switch (state) {
    case CaseState::none:  // no case to speak of: the answer that tells least
    case CaseState::soumis:
    case CaseState::recu: return CommuneView::recu;
    case CaseState::complement_demande: return CommuneView::complement_demande;
    // Out of scope, taken up, decided or closed: one answer for all, until the retour is shown.
    case CaseState::recevable:
    case CaseState::hors_perimetre:
    case CaseState::a_l_ordre_du_jour:
    case CaseState::en_evaluation:
    case CaseState::decide:
    case CaseState::retour_effectue:
    case CaseState::clos: return told ? CommuneView::examen_termine : CommuneView::en_cours_d_examen;
    case CaseState::efface:
    case CaseState::retire: return CommuneView::examen_termine;
  }
  return CommuneView::recu;
}

std::string_view text_of(CommuneView view) {
  switch (view) {
    case CommuneView::recu: return "recu";
    case CommuneView::en_cours_d_examen: return "en_cours_d_examen";
    case CommuneView::complement_demande: return "complement_demande";
    case CommuneView::examen_termine: return "examen_termine";
  }
  return "recu";
}

std::string_view french(CommuneView view) {
  switch (view) {
    case CommuneView::recu: return "reçu";
    case CommuneView::en_cours_d_examen: return "en cours d'examen";
    case CommuneView::complement_demande: return "complément demandé";
    case CommuneView::examen_termine: return "examen terminé";
  }
  return "reçu";
}

}  // namespace pli::protocol
