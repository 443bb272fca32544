#include "protocol/case_life.hpp"

#include <algorithm>

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
  }
  return "aucun";
}

std::optional<CaseState> case_state_of_number(std::uint8_t number) {
  if (number > static_cast<std::uint8_t>(CaseState::efface)) return std::nullopt;
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
  }
  return "aucun";
}

const std::vector<CaseRow>& case_table() {
  // `soumis` has no row: it is what a sender's outbox holds. The broker's durable acceptance is the automatic
  // receipt, so a case that exists at all is at least `recu`.
  static const std::vector<CaseRow> table = [] {
    std::vector<CaseRow> rows{
        {CaseState::none, Kind::signalement_individuel, CaseState::recu, false},
        {CaseState::none, Kind::signalement_de_structure, CaseState::recu, false},
        {CaseState::none, Kind::information_de_volet, CaseState::recu, false},
        // Accepted before and after the decision alike: a refusal would tell that one was made.
        {CaseState::recu, Kind::complement, CaseState::recu, false},
        {CaseState::decide, Kind::complement, CaseState::decide, false},
        {CaseState::recu, Kind::decision, CaseState::decide, true},
        {CaseState::decide, Kind::retour, CaseState::retour_effectue, false},
    };
    // No step of the case: giving a newcomer of the instance access, and a word on how long it is kept. Not after
    // erasure: nothing is left of it.
    for (auto number = static_cast<std::uint8_t>(CaseState::soumis);
         number < static_cast<std::uint8_t>(CaseState::efface); ++number) {
      auto state = static_cast<CaseState>(number);
      for (const Kind kind : {Kind::acces, Kind::maintien, Kind::demande_effacement})
        rows.push_back({state, kind, state, false});
    }
    return rows;
  }();
  return table;
}

std::optional<CaseState> next_state(const CaseFacts& facts, Kind kind) {
  for (const CaseRow& row : case_table()) {
    if (row.from != facts.state || row.kind != kind) continue;
    if (row.needs_opening && !facts.opened) return std::nullopt;
    return row.to;
  }
  return std::nullopt;
}

std::vector<Kind> possible_kinds(const CaseFacts& facts) {
  std::vector<Kind> out;
  for (const CaseRow& row : case_table())
    if (row.from == facts.state && (facts.opened || !row.needs_opening)) out.push_back(row.kind);
  return out;
}

CommuneView commune_view(CaseState state) {
  switch (state) {
    case CaseState::none:  // no case to speak of: the answer that tells least
    case CaseState::soumis:
    case CaseState::recu: return CommuneView::recu;
    case CaseState::complement_demande: return CommuneView::complement_demande;
    // Out of scope, taken up or put on an agenda: one answer for all, until the retour.
    case CaseState::recevable:
    case CaseState::hors_perimetre:
    case CaseState::a_l_ordre_du_jour:
    case CaseState::en_evaluation:
    case CaseState::decide: return CommuneView::en_cours_d_examen;
    case CaseState::retour_effectue:
    case CaseState::clos:
    case CaseState::efface: return CommuneView::examen_termine;
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
