// The life of a case as one table (design §10; docs/decisions/0013), on what stands in clear alone. Towards a
// collectivité everything comes from `commune_view`, and from nothing else.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
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
  retire = 12,  ///< taken back before anybody had opened it
};
[[nodiscard]] std::string_view text_of(CaseState state);
[[nodiscard]] std::optional<CaseState> case_state_of_number(std::uint8_t number);
[[nodiscard]] std::optional<CaseState> case_state_of(std::string_view text);
/// For members of the instance; a collectivité is told french(CommuneView) and nothing else.
[[nodiscard]] std::string_view french(CaseState state);

/// What a step depends on, besides who asks (policy.hpp).
struct CaseFacts {
  CaseState state = CaseState::none;
  bool opened = false;                  ///< somebody of the instance has read it: says_what_is_reported()
  CaseState resumes = CaseState::none;  ///< where an awaited complement leads back to
  bool deferred = false;                ///< the day on which a deferred retour is looked at again lies ahead
  bool answered = false;                ///< a retour was accepted, shown to the collectivité or not yet
  bool late = false;  ///< party_adds_time (retention.hpp) has passed since the collectivité was shown it
};

/// Whose act it is. The policy says which roles; this says who is told of it as possible.
enum class CaseSide : std::uint8_t { partie, instance };

/// What must be so for the step besides the state.
enum class CaseNeed : std::uint8_t {
  nothing,
  opening,     ///< somebody has read the case: no decision without a recorded opening
  no_opening,  ///< nobody has
  deferral,    ///< no retour, but a day ahead on which it is looked at again
  no_retour,   ///< none was given yet
  in_time,     ///< not late
};

/// What the step sets off, besides the state.
enum class CaseEffect : std::uint8_t {
  nothing,
  asks,       ///< the state to come back to is kept
  scopes,     ///< whether it is in scope is kept
  schedules,  ///< the day of its séance is kept
  decides,    ///< the hour of the decision is kept
  answers,    ///< the collectivité is shown the retour, and is told `examen_termine`
  defers,     ///< the day of the review is kept
  recuses,    ///< the sender is shown and opens nothing more of the case
  transmits,  ///< another instance gets a case of its own, linked to this one
};

struct CaseRow {
  CaseState from;
  Kind kind;
  CaseState to;
  CaseSide side;
  CaseNeed need = CaseNeed::nothing;
  CaseEffect effect = CaseEffect::nothing;
  CaseState resumes = CaseState::none;  ///< of a case that waits for a complement: what it came from
  std::string_view finding{};           ///< recevabilite: the attribute in clear
};
[[nodiscard]] const std::vector<CaseRow>& case_table();
/// The state of a case that a transmission opens (docs/decisions/0020).
inline constexpr CaseState linked_case_begins = CaseState::recu;
/// Kinds that open such a case.
[[nodiscard]] bool is_transmission(Kind kind);
/// What its collectivité says in a case: opening that is reading the case. What the instance itself wrote in it is not,
/// or whoever has not read a report, or may not, could open his own word and so let a decision through.
[[nodiscard]] bool says_what_is_reported(Kind kind);

/// How far ahead the day of a deferred retour's review may lie.
inline constexpr std::chrono::milliseconds review_ahead_max = std::chrono::hours(366 * 24);

/// The step that an exchange of this kind takes, or nullptr when it is illegal. `finding`: recevabilite's.
/// `side`: of an `agrement`, which either side may give; of any other kind its own.
[[nodiscard]] const CaseRow* step_of(const CaseFacts& facts, Kind kind, std::string_view finding = {},
                                     std::optional<CaseSide> side = std::nullopt);
/// Kinds that move the case from here, or add to it, for the refusal of another: each once, in the table's order. What
/// leads nowhere (acces, recusation, maintien, demande_effacement, transmission, orientation_cpraf,
/// information_nominative, agrement) is not among them.
[[nodiscard]] std::vector<Kind> possible_kinds(const CaseFacts& facts, CaseSide side);
/// What a program of before took at once, for who replays a log: a decision on a case just received.
[[nodiscard]] bool was_a_step(CaseState from, Kind kind);
/// "from,to,kind,kind…" of a step that is not possible. A collectivité is told of its own view of both, and of nothing
/// else; `told`: as commune_view takes it.
[[nodiscard]] std::string illegal_step(const CaseFacts& facts, Kind kind, std::string_view finding, CaseSide side,
                                       bool told);

/// The only four things a collectivité is ever told.
enum class CommuneView : std::uint8_t { recu = 1, en_cours_d_examen, complement_demande, examen_termine };
/// `told`: the hour has come at which the collectivité is shown the retour.
[[nodiscard]] CommuneView commune_view(CaseState state, bool told);
[[nodiscard]] std::string_view text_of(CommuneView view);
[[nodiscard]] std::string_view french(CommuneView view);

}  // namespace pli::protocol
