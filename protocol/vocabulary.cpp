#include "protocol/vocabulary.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "audit/note.hpp"
#include "base/paris_time.hpp"
#include "protocol/printable.hpp"

namespace pli::protocol {
namespace {

constexpr std::size_t token_bytes_max = 64;
constexpr std::size_t log_name_bytes_max = 80;
constexpr std::size_t dns_label_bytes_max = 63;
constexpr int last_year = 2199;

constexpr std::array<std::string_view, role_count> role_names = {
    "referent", "maire",   "secretariat", "membre_ged", "membre_clir", "membre_cpraf",
    "parquet",  "service", "auditeur",    "operateur",  "outil"};

constexpr std::array<std::string_view, queue_kind_count> queue_kind_names = {"ged", "clir",   "cpraf",
                                                                             "org", "person", "audit"};

using audit::LeafType;
constexpr bool opens = true;  // the two ways a kind stands to a case
constexpr bool names = true;
constexpr bool no = false;
constexpr std::array<KindRow, 25> kinds = {{
    {Kind::signalement_individuel, "signalement_individuel", LeafType::collecte, opens, no,
     "Signalement d'une personne"},
    {Kind::signalement_de_structure, "signalement_de_structure", LeafType::collecte, opens, no,
     "Signalement d'une structure"},
    {Kind::complement, "complement", LeafType::modification, no, names, "Complément"},
    {Kind::retrait, "retrait", LeafType::modification, no, names, "Retrait"},
    {Kind::rectification, "rectification", LeafType::modification, no, names, "Rectification"},
    {Kind::proposition_accompagnement, "proposition_accompagnement", LeafType::collecte, opens, no,
     "Proposition d'accompagnement"},
    {Kind::demande_de_complement, "demande_de_complement", LeafType::modification, no, names, "Demande de complément"},
    {Kind::retour, "retour", LeafType::communication, no, names, "Retour d'information"},
    {Kind::information_nominative, "information_nominative", LeafType::communication, no, names,
     "Information nominative"},
    {Kind::point_de_situation, "point_de_situation", LeafType::communication, no, no, "Point de situation"},
    {Kind::report_du_retour, "report_du_retour", LeafType::modification, no, names, "Report du retour d'information"},
    {Kind::transmission, "transmission", LeafType::transfert, no, names, "Transmission"},
    {Kind::orientation_cpraf, "orientation_cpraf", LeafType::transfert, no, names, "Orientation vers la CPRAF"},
    {Kind::agrement, "agrement", LeafType::agrement, no, names, "Accord ou refus"},
    {Kind::inscription, "inscription", LeafType::modification, no, names, "Inscription à l'ordre du jour"},
    {Kind::decision, "decision", LeafType::modification, no, names, "Décision"},
    {Kind::cloture, "cloture", LeafType::modification, no, names, "Clôture"},
    {Kind::recevabilite, "recevabilite", LeafType::modification, no, names, "Avis de recevabilité"},
    {Kind::mise_en_evaluation, "mise_en_evaluation", LeafType::modification, no, names, "Mise en évaluation"},
    {Kind::recusation, "recusation", LeafType::modification, no, names, "Récusation d'un membre"},
    {Kind::acces, "acces", LeafType::communication, no, names, "Accès donné à un autre membre"},
    {Kind::anomalie, "anomalie", LeafType::verification, no, no, "Anomalie constatée à l'ouverture"},
    {Kind::maintien, "maintien", LeafType::modification, no, names, "Maintien du dossier au-delà de son terme"},
    {Kind::demande_effacement, "demande_effacement", LeafType::modification, no, names,
     "Demande d'effacement avant terme"},
    {Kind::information_de_volet, "information_de_volet", LeafType::collecte, opens, no,
     "Information d'un autre volet du contrat"},
}};

constexpr std::array<std::string_view, volet_count> volet_names = {"radicalisation_separatisme", "securite_interieure",
                                                                   "justice", "prevention_delinquance", "transport"};
constexpr std::array<std::string_view, volet_count> volet_words = {
    "radicalisation et séparatisme", "sécurité intérieure", "justice", "prévention de la délinquance", "transport"};

struct MotifRow {
  Motif motif;
  std::string_view name;
  std::string_view french;
};
constexpr std::array<MotifRow, 8> motif_rows = {{
    {Motif::evaluation, "evaluation", "Évaluation de la situation"},
    {Motif::preparation_de_seance, "preparation_de_seance", "Préparation d'une séance"},
    {Motif::suivi, "suivi", "Suivi d'un dossier en cours"},
    {Motif::reponse_a_la_collectivite, "reponse_a_la_collectivite", "Réponse à la collectivité"},
    {Motif::lecture_du_retour, "lecture_du_retour", "Lecture du retour d'information"},
    {Motif::transmission, "transmission", "Transmission à une instance ou à un service"},
    {Motif::droit_des_personnes, "droit_des_personnes", "Exercice des droits d'une personne"},
    {Motif::extraction, "extraction", "Extraction vers un fichier"},
}};
constexpr std::array<Motif, motif_rows.size()> motifs = [] {
  std::array<Motif, motif_rows.size()> out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = motif_rows[i].motif;
  return out;
}();

// The client's own refusals after opening (error_catalogue.hpp, LocalCode), as they stand in an anomaly's address.
constexpr std::array<std::string_view, 12> anomalies = {"address_mismatch", "no_stanza_for_me",  "bad_padding",
                                                        "release_mismatch", "file_key_mismatch", "payload_mismatch",
                                                        "sender_unproven",  "log_forked",        "queue_withheld",
                                                        "queue_reordered",  "queue_hidden",      "directory_stale"};

constexpr std::array<std::string_view, 2> opinions = {"accord", "refus"};
constexpr std::array<std::string_view, 2> admissibility = {"recevable", "hors_perimetre"};

// Why a case is held, and why it goes early.
constexpr std::array<std::string_view, 3> holds = {"procedure", "recours", "controle"};
constexpr std::array<std::string_view, 2> early_erasures = {"droit_des_personnes", "erreur"};
constexpr std::array<std::string_view, 2> terms_of_closing = {"ordinaire", "court"};

constexpr std::array<std::string_view, 3> plain_handling = {"ged-only", "ask-before-transfer", "eyes-only"};
constexpr std::string_view no_copy_prefix = "no-copy-to:";

constexpr bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_token_char(char c) { return is_lower(c) || is_digit(c) || c == '.' || c == '_' || c == '-'; }

/// Position of `text` in a list whose enumerators are its positions.
template <class Enum, std::size_t N>
std::optional<Enum> find_name(const std::array<std::string_view, N>& list, std::string_view text) {
  const auto found = std::find(list.begin(), list.end(), text);
  if (found == list.end()) return std::nullopt;
  return static_cast<Enum>(found - list.begin());
}

bool is_dns_name(std::string_view text) {
  while (true) {
    const std::string_view label = text.substr(0, text.find('.'));
    const auto allowed = [](char c) { return is_lower(c) || is_digit(c) || c == '-'; };
    if (label.empty() || label.size() > dns_label_bytes_max || label.front() == '-' || label.back() == '-' ||
        !std::all_of(label.begin(), label.end(), allowed))
      return false;
    if (label.size() == text.size()) return true;
    text.remove_prefix(label.size() + 1);
  }
}

/// Two digits, "2a" and "2b", three digits overseas (971 to 989).
bool is_departement(std::string_view text) {
  if (text == "2a" || text == "2b") return true;
  if (!std::all_of(text.begin(), text.end(), is_digit)) return false;
  const bool overseas = text.substr(0, 2) == "97" || text.substr(0, 2) == "98";
  return text.size() == (overseas ? 3U : 2U);
}

}  // namespace

std::string_view text_of(Role role) {
  const auto position = static_cast<std::size_t>(role);
  return position < role_names.size() ? role_names[position] : std::string_view{};
}

std::optional<Role> role_of(std::string_view text) { return find_name<Role>(role_names, text); }

std::string_view text_of(Volet volet) {
  const auto position = static_cast<std::size_t>(volet);
  return position < volet_names.size() ? volet_names[position] : std::string_view{};
}

std::optional<Volet> volet_of(std::string_view text) { return find_name<Volet>(volet_names, text); }

std::string_view french(Volet volet) {
  const auto position = static_cast<std::size_t>(volet);
  return position < volet_words.size() ? volet_words[position] : std::string_view{};
}

std::string_view text_of(QueueKind kind) {
  const auto position = static_cast<std::size_t>(kind);
  return position < queue_kind_names.size() ? queue_kind_names[position] : std::string_view{};
}

std::optional<QueueKind> queue_kind_of(std::string_view queue_id) {
  const std::size_t slash = queue_id.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view subject = queue_id.substr(slash + 1);
  if (subject.empty() || subject.size() > token_bytes_max ||
      !std::all_of(subject.begin(), subject.end(), is_token_char))
    return std::nullopt;
  return find_name<QueueKind>(queue_kind_names, queue_id.substr(0, slash));
}

std::string_view queue_subject(std::string_view queue_id) {
  const std::size_t slash = queue_id.find('/');
  return slash == std::string_view::npos ? std::string_view{} : queue_id.substr(slash + 1);
}

bool is_token(std::string_view text) {
  return !text.empty() && text.size() <= token_bytes_max && (is_lower(text.front()) || is_digit(text.front())) &&
         std::all_of(text.begin(), text.end(), is_token_char);
}

bool is_log_name(std::string_view text) {
  if (text.size() > log_name_bytes_max || !audit::is_key_name(text)) return false;
  const std::size_t first = text.find('/');
  if (first == std::string_view::npos) return false;
  const std::size_t second = text.find('/', first + 1);
  if (second == std::string_view::npos) return false;
  return is_dns_name(text.substr(0, first)) && text.substr(first + 1, second - first - 1) == "pli" &&
         is_departement(text.substr(second + 1));
}

bool is_territory(std::string_view text) {
  if (is_departement(text)) return true;
  if (text.size() != 5 || (!is_departement(text.substr(0, 2)) && !is_departement(text.substr(0, 3)))) return false;
  return std::all_of(text.begin() + 2, text.end(), is_digit);
}

bool is_plain_text(std::string_view text, std::size_t bytes_max) {
  if (text.empty() || text.size() > bytes_max) return false;
  while (!text.empty()) {
    const auto character = take_character(text);
    if (!character || steers_display(*character)) return false;
  }
  return true;
}

std::span<const KindRow> kind_table() { return kinds; }

const KindRow* row_of(Kind kind) { return row_of_number(static_cast<std::uint16_t>(kind)); }

const KindRow* row_of_number(std::uint16_t number) {
  for (const KindRow& row : kinds)
    if (static_cast<std::uint16_t>(row.kind) == number) return &row;
  return nullptr;
}

std::optional<Kind> kind_of(std::string_view name) {
  for (const KindRow& row : kinds)
    if (row.name == name) return row.kind;
  return std::nullopt;
}

std::string_view text_of(Urgency urgency) {
  switch (urgency) {
    case Urgency::normale: return "normale";
    case Urgency::urgente: return "urgente";
  }
  return {};
}

std::optional<Urgency> urgency_of(std::string_view text) {
  for (Urgency urgency : {Urgency::normale, Urgency::urgente})
    if (text_of(urgency) == text) return urgency;
  return std::nullopt;
}

std::string_view text_of(Motif motif) {
  for (const MotifRow& row : motif_rows)
    if (row.motif == motif) return row.name;
  return {};
}

std::optional<Motif> motif_of(std::string_view text) {
  for (const MotifRow& row : motif_rows)
    if (row.name == text) return row.motif;
  return std::nullopt;
}

std::optional<Motif> motif_of_number(std::uint8_t number) {
  for (const MotifRow& row : motif_rows)
    if (static_cast<std::uint8_t>(row.motif) == number) return row.motif;
  return std::nullopt;
}

std::span<const Motif> all_motifs() { return motifs; }

std::string_view french(Motif motif) {
  for (const MotifRow& row : motif_rows)
    if (row.motif == motif) return row.french;
  return {};
}

std::span<const std::string_view> anomaly_codes() { return anomalies; }

std::span<const std::string_view> admissibility_words() { return admissibility; }

std::span<const std::string_view> opinion_words() { return opinions; }

std::span<const std::string_view> hold_codes() { return holds; }

std::span<const std::string_view> erasure_codes() { return early_erasures; }

std::span<const std::string_view> closing_terms() { return terms_of_closing; }

std::string_view attribute_name(Kind kind) {
  switch (kind) {
    case Kind::anomalie:
    case Kind::maintien:
    case Kind::demande_effacement: return "code";
    case Kind::cloture: return "terme";
    case Kind::recevabilite:
    case Kind::agrement: return "avis";
    case Kind::information_nominative:
    case Kind::inscription:
    case Kind::report_du_retour: return "date";
    default: return {};
  }
}

bool is_attribute(Kind kind, std::string_view name, std::string_view value) {
  const auto listed = [&](const auto& list) { return std::find(list.begin(), list.end(), value) != list.end(); };
  if (kind == Kind::agrement && name == "date") return day_of(value).has_value();
  if (name.empty() || name != attribute_name(kind)) return false;
  if (kind == Kind::anomalie) return listed(anomalies);
  if (kind == Kind::recevabilite) return listed(admissibility);
  if (kind == Kind::agrement) return listed(opinions);
  if (kind == Kind::cloture) return listed(terms_of_closing);
  if (kind == Kind::maintien) return listed(holds);
  if (kind == Kind::demande_effacement) return listed(early_erasures);
  return day_of(value).has_value();
}

std::optional<UnixMillis> day_of(std::string_view text) {
  const auto day = parse_day(text);
  if (!day) return std::nullopt;
  const int year = static_cast<int>(std::chrono::year_month_day(*day).year());
  if (year < 1970 || year > last_year) return std::nullopt;
  return UnixMillis{std::chrono::duration_cast<std::chrono::milliseconds>(day->time_since_epoch()).count()};
}

bool is_handling(std::string_view text) {
  if (std::find(plain_handling.begin(), plain_handling.end(), text) != plain_handling.end()) return true;
  return text.substr(0, no_copy_prefix.size()) == no_copy_prefix && is_token(text.substr(no_copy_prefix.size()));
}

}  // namespace pli::protocol
