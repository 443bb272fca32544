// The life of a case as one table (design §10). This road: soumis → recu → decide → retour_effectue; later issues add
// rows. Towards a collectivité everything comes from `commune_view`, and from nothing else.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "protocol/vocabulary.hpp"

namespace pli::protocol {

enum class CaseState : std::uint8_t {
  none = 0,  ///< before the first exchange
  soumis = 1,
  recu = 2,
  complement_demande = 3,
  recevable = 4,
  hors_perimetre = 5,
  a_l_ordre_du_jour = 6,
  en_evaluation = 7,
  decide = 8,
  retour_effectue = 9,
  clos = 10,
  efface = 11,
};
[[nodiscard]] std::string_view text_of(CaseState state);
[[nodiscard]] std::optional<CaseState> case_state_of_number(std::uint8_t number);
[[nodiscard]] std::optional<CaseState> case_state_of(std::string_view text);
/// For members of the instance; a collectivité is told french(CommuneView) and nothing else.
[[nodiscard]] std::string_view french(CaseState state);

struct CaseFacts {
  CaseState state = CaseState::none;
  bool opened = false;  ///< somebody of the instance has opened an exchange of the case
};

struct CaseRow {
  CaseState from;
  Kind kind;
  CaseState to;
  bool needs_opening;  ///< refused until somebody has read the case: no decision without a recorded opening
};
[[nodiscard]] const std::vector<CaseRow>& case_table();

/// The state after an exchange of this kind, or nothing when the step is illegal.
[[nodiscard]] std::optional<CaseState> next_state(const CaseFacts& facts, Kind kind);
/// Kinds possible from here, for the error's text.
[[nodiscard]] std::vector<Kind> possible_kinds(const CaseFacts& facts);

/// The only four things a collectivité is ever told.
enum class CommuneView : std::uint8_t { recu = 1, en_cours_d_examen, complement_demande, examen_termine };
[[nodiscard]] CommuneView commune_view(CaseState state);
[[nodiscard]] std::string_view text_of(CommuneView view);
[[nodiscard]] std::string_view french(CommuneView view);

}  // namespace pli::protocol
