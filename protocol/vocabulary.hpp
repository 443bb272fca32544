// The field's closed lists: roles, queues, kinds, motifs. Numbers are fixed for ever; names are what people type.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "audit/leaf.hpp"
#include "base/clock.hpp"

namespace pli::protocol {

/// Design §4. A member holds one or several; an auditor holds that one alone.
enum class Role : std::uint8_t {
  referent,
  maire,
  secretariat,
  membre_ged,
  membre_clir,
  membre_cpraf,
  parquet,
  service,
  auditeur,
  operateur,
  outil,
};
inline constexpr std::size_t role_count = 11;
[[nodiscard]] std::string_view text_of(Role role);
[[nodiscard]] std::optional<Role> role_of(std::string_view text);

/// Roles as a set.
struct Roles {
  std::uint16_t bits = 0;
  [[nodiscard]] bool has(Role role) const { return (bits >> static_cast<unsigned>(role) & 1U) != 0; }
  void add(Role role) { bits = static_cast<std::uint16_t>(bits | 1U << static_cast<unsigned>(role)); }
  [[nodiscard]] bool empty() const { return bits == 0; }
  bool operator==(const Roles&) const = default;
};

/// The volets of a contrat de sécurité intégrée. Pli is made for the first; tools of the others post and receive beside
/// it.
enum class Volet : std::uint8_t {
  radicalisation_separatisme,
  securite_interieure,
  justice,
  prevention_delinquance,
  transport,
};
inline constexpr std::size_t volet_count = 5;
[[nodiscard]] std::string_view text_of(Volet volet);
[[nodiscard]] std::optional<Volet> volet_of(std::string_view text);
[[nodiscard]] std::string_view french(Volet volet);

/// The first part of a queue id: "ged/89", "clir/89", "cpraf/89", "org/210890240", "person/m.durand", "audit/89".
enum class QueueKind : std::uint8_t { ged, clir, cpraf, org, person, audit };
inline constexpr std::size_t queue_kind_count = 6;
[[nodiscard]] std::string_view text_of(QueueKind kind);
/// The kind of a well-formed queue id: kind "/" [a-z0-9._-]{1,64}.
[[nodiscard]] std::optional<QueueKind> queue_kind_of(std::string_view queue_id);
/// What follows the slash.
[[nodiscard]] std::string_view queue_subject(std::string_view queue_id);

/// Ids of members, organisations, contracts: [a-z0-9][a-z0-9._-]{0,63}.
[[nodiscard]] bool is_token(std::string_view text);
/// The log's origin without its shard: "<dns>/pli/<département, lower case>", a key name of at most 80 bytes.
[[nodiscard]] bool is_log_name(std::string_view text);
/// A département ("89", "2a", "971") or an INSEE commune code ("89024", "2a004"), lower case. Shape, not existence.
[[nodiscard]] bool is_territory(std::string_view text);
/// One line for people: 1 to `bytes_max` bytes of UTF-8 in which no character steers_display (printable.hpp).
[[nodiscard]] bool is_plain_text(std::string_view text, std::size_t bytes_max);

/// What an exchange is. One row of `kind_table` each.
enum class Kind : std::uint16_t {
  signalement_individuel = 1,
  signalement_de_structure = 2,
  complement = 3,
  retrait = 4,
  rectification = 5,
  proposition_accompagnement = 6,
  demande_de_complement = 10,
  retour = 11,
  information_nominative = 12,
  point_de_situation = 13,
  report_du_retour = 14,  ///< the retour waits, with a reason and the day that is looked at again
  transmission = 20,
  orientation_cpraf = 21,
  agrement = 22,
  inscription = 23,
  decision = 24,
  cloture = 25,
  recevabilite = 26,          ///< in or out of scope
  mise_en_evaluation = 27,    ///< the séance has taken it up (docs/decisions/0013)
  recusation = 28,            ///< a member takes no further part in the case
  acces = 30,                 ///< an access part: a new header around the same file key (design §5)
  anomalie = 31,              ///< a recipient reports what he had to refuse (docs/decisions/0004)
  maintien = 32,              ///< one person's word that the case is to be held; two hold it (docs/decisions/0014)
  demande_effacement = 33,    ///< one person's word that it is to be erased before its term; two erase it
  information_de_volet = 40,  ///< posted by a tool of another volet
};

struct KindRow {
  Kind kind;
  std::string_view name;    ///< "signalement_individuel"
  audit::LeafType act;      ///< how the journal names its acceptance
  bool opens_case;          ///< `case` is empty in its address, and its id becomes the case id
  bool names_case;          ///< `case` must name an existing case
  std::string_view french;  ///< for officers and members
};
[[nodiscard]] std::span<const KindRow> kind_table();
[[nodiscard]] const KindRow* row_of(Kind kind);
[[nodiscard]] const KindRow* row_of_number(std::uint16_t number);  ///< nullptr for an unknown kind
[[nodiscard]] std::optional<Kind> kind_of(std::string_view name);

enum class Urgency : std::uint8_t { normale = 0, urgente = 1 };
[[nodiscard]] std::string_view text_of(Urgency urgency);
[[nodiscard]] std::optional<Urgency> urgency_of(std::string_view text);

/// Why somebody opens. `extraction` is the class of its own that `--out` asks for.
enum class Motif : std::uint8_t {
  evaluation = 1,
  preparation_de_seance = 2,
  suivi = 3,
  reponse_a_la_collectivite = 4,
  lecture_du_retour = 5,
  transmission = 6,
  droit_des_personnes = 7,
  extraction = 8,
};
[[nodiscard]] std::string_view text_of(Motif motif);
[[nodiscard]] std::optional<Motif> motif_of(std::string_view text);
[[nodiscard]] std::optional<Motif> motif_of_number(std::uint8_t number);
[[nodiscard]] std::span<const Motif> all_motifs();
[[nodiscard]] std::string_view french(Motif motif);

/// What stands in clear beside the address, a closed list for each kind: `anomalie` has "code", one of anomaly_codes();
/// `recevabilite` "avis", one of admissibility_words(); `inscription` "date", the day of the séance; `report_du_retour`
/// "date", the day that it is looked at again; `information_nominative` "date", the last day on which it is good;
/// `agrement` "avis", one of opinion_words(), and after an `accord`, where it has a term, "date", the last day on which
/// it is good; `maintien` and `demande_effacement` "code", one of hold_codes() and of
/// erasure_codes(); `cloture` "terme", one of closing_terms().
[[nodiscard]] bool is_attribute(Kind kind, std::string_view name, std::string_view value);
/// The attribute without which an exchange of this kind says nothing; empty for a kind that has none.
[[nodiscard]] std::string_view attribute_name(Kind kind);
[[nodiscard]] std::span<const std::string_view> anomaly_codes();
[[nodiscard]] std::span<const std::string_view> admissibility_words();  ///< "recevable", "hors_perimetre"
[[nodiscard]] std::span<const std::string_view> opinion_words();        ///< "accord", "refus"
[[nodiscard]] std::span<const std::string_view> hold_codes();
[[nodiscard]] std::span<const std::string_view> erasure_codes();
[[nodiscard]] std::span<const std::string_view> closing_terms();  ///< how long, not why: "ordinaire", "court"
/// Midnight, UTC, of a day of the calendar from 1970 to 2199 written YYYY-MM-DD.
[[nodiscard]] std::optional<UnixMillis> day_of(std::string_view text);

/// Sender's conditions, in clear in the address (design §5): "ged-only", "ask-before-transfer", "eyes-only",
/// "no-copy-to:<organisation>".
[[nodiscard]] bool is_handling(std::string_view text);

}  // namespace pli::protocol
