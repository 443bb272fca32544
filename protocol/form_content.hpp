// What each form holds, and by which rules: one structure for each type, and beside it `visit`, which lists its fields
// once: the number it is sealed under (protocol/form.proto), the name people type, the label they read, what is
// allowed. Reading JSON, writing it, checking, sealing and showing on a screen are visitors, so that none can forget a
// field. What no field can say by itself stands in form_check.cpp. Internal to the forms: others use protocol/form.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "protocol/form_lists.hpp"
#include "protocol/limits.hpp"
#include "protocol/vocabulary.hpp"

namespace pli::protocol {

struct Field {
  int number;              ///< in the protobuf message, ascending
  std::string_view name;   ///< as typed
  std::string_view label;  ///< as read
};
enum class Need { required, optional };
/// What a line of text must look like. `brief` is the short free line beside a closed list (form_brief_bytes_max).
enum class Line { any, brief, commune, departement, siren, rna, reference, exchange };
enum class When { fact, birth, past, coming };

// ---- the parts that forms share ----------------------------------------------------------------------------------

// 0 and empty stand for *inconnu* throughout. Dates are year * 10000 + month * 100 + day.

struct Fact {
  std::uint32_t date = 0;
  std::string place;
  std::string commune;
  int known_by = 0;
  std::string description;
  int frequency = 0;
  int witness = 0;
};
template <class V>
void visit(V& v, Fact& fact) {
  v.date({1, "date", "Date"}, fact.date, When::fact, Need::optional);
  v.line({2, "lieu", "Lieu"}, fact.place, Line::any, Need::optional);
  v.line({3, "commune", "Commune"}, fact.commune, Line::commune, Need::optional);
  v.choice({4, "connaissance", "Comment le fait est connu"}, fact.known_by, connaissances, Need::required);
  v.text({5, "description", "Description"}, fact.description, Need::required);
  v.choice({6, "frequence", "Fréquence"}, fact.frequency, frequences, Need::optional);
  v.choice({7, "temoin", "Vu par"}, fact.witness, temoins, Need::optional);
}

struct Appraisal {
  std::vector<int> domains;
  int urgency = 0;
  std::string comment;
};
template <class V>
void visit(V& v, Appraisal& appraisal) {
  v.choices({1, "domaines", "Domaines"}, appraisal.domains, domaines, Need::optional);
  v.choice({2, "urgence", "Sentiment d'urgence"}, appraisal.urgency, urgences, Need::optional);
  v.text({3, "commentaire", "Commentaire"}, appraisal.comment, Need::optional);
}

struct Person {
  int category = 0;
  std::string name;
  std::string first_names;
  std::uint32_t birth = 0;
  int age_band = 0;
  int minor = 0;
  std::string commune;
};
template <class V>
void visit(V& v, Person& person) {
  v.choice({1, "categorie", "Catégorie"}, person.category, categories, Need::required);
  v.line({2, "nom", "Nom"}, person.name, Line::any, Need::optional);
  v.line({3, "prenoms", "Prénoms"}, person.first_names, Line::any, Need::optional);
  v.date({4, "date_naissance", "Date de naissance"}, person.birth, When::birth, Need::optional);
  v.choice({5, "tranche_age", "Tranche d'âge"}, person.age_band, tranches_age, Need::optional);
  v.choice({6, "mineur", "Mineur"}, person.minor, oui_non, Need::optional);
  v.line({7, "commune", "Commune de résidence"}, person.commune, Line::commune, Need::optional);
}

struct Structure {
  std::string name;
  int nature = 0;
  std::string address;
  std::string commune;
  std::string siren;
  std::string rna;
  std::vector<int> municipal_links;
};
template <class V>
void visit(V& v, Structure& structure) {
  v.line({1, "nom", "Nom"}, structure.name, Line::any, Need::optional);
  v.choice({2, "nature", "Nature"}, structure.nature, natures, Need::required);
  v.line({3, "adresse", "Adresse"}, structure.address, Line::any, Need::optional);
  v.line({4, "commune", "Commune"}, structure.commune, Line::commune, Need::optional);
  v.line({5, "siren", "SIREN"}, structure.siren, Line::siren, Need::optional);
  v.line({6, "rna", "RNA"}, structure.rna, Line::rna, Need::optional);
  v.choices({7, "liens_municipaux", "Liens avec la commune"}, structure.municipal_links, liens_municipaux,
            Need::optional);
}

struct Sender {
  std::string service;
  int origin = 0;
  std::vector<int> steps;
  int other_channel = 0;
  int ground = 0;
};
template <class V>
void visit(V& v, Sender& sender) {
  v.line({1, "service", "Service"}, sender.service, Line::any, Need::required);
  v.choice({2, "origine", "Origine de l'information"}, sender.origin, origines, Need::optional);
  v.choices({3, "demarches", "Démarches déjà faites"}, sender.steps, demarches, Need::optional);
  v.choice({4, "autre_canal", "Autre canal déjà utilisé"}, sender.other_channel, autres_canaux, Need::optional);
  v.choice({5, "fondement", "Fondement de l'échange"}, sender.ground, fondements, Need::optional);
}

inline constexpr std::string_view facts_label = "FAITS";
inline constexpr std::string_view appraisal_label = "APPRÉCIATIONS DE L'ÉMETTEUR (ce ne sont pas des faits)";

// ---- from a collectivité -----------------------------------------------------------------------------------------

struct SignalementIndividuel {
  static constexpr Kind kind = Kind::signalement_individuel;
  static constexpr std::string_view route = "collectivité → GED";
  std::optional<Sender> sender;
  std::vector<Person> persons;
  std::vector<Fact> facts;
  std::optional<Appraisal> appraisal;
};
template <class V>
void visit(V& v, SignalementIndividuel& form) {
  v.object({1, "emetteur", "Émetteur"}, form.sender, Need::required);
  v.list({2, "personnes", "Personnes"}, form.persons, form_persons_max);
  v.list({3, "faits", facts_label}, form.facts, form_facts_max);
  v.object({4, "appreciation", appraisal_label}, form.appraisal, Need::optional);
}

struct SignalementDeStructure {
  static constexpr Kind kind = Kind::signalement_de_structure;
  static constexpr std::string_view route = "collectivité → CLIR";
  std::optional<Sender> sender;
  std::optional<Structure> structure;
  std::vector<Fact> facts;
  std::optional<Appraisal> appraisal;
};
template <class V>
void visit(V& v, SignalementDeStructure& form) {
  v.object({1, "emetteur", "Émetteur"}, form.sender, Need::required);
  v.object({2, "structure", "Structure"}, form.structure, Need::required);
  v.list({3, "faits", facts_label}, form.facts, form_facts_max);
  v.object({4, "appreciation", appraisal_label}, form.appraisal, Need::optional);
}

struct Complement {
  static constexpr Kind kind = Kind::complement;
  static constexpr std::string_view route = "collectivité → instance qui tient le dossier";
  std::vector<Person> persons;
  std::optional<Structure> structure;
  std::vector<Fact> facts;
  std::optional<Appraisal> appraisal;
};
template <class V>
void visit(V& v, Complement& form) {
  v.list({1, "personnes", "Personnes"}, form.persons, form_persons_max);
  v.object({2, "structure", "Structure"}, form.structure, Need::optional);
  v.list({3, "faits", facts_label}, form.facts, form_facts_max);
  v.object({4, "appreciation", appraisal_label}, form.appraisal, Need::optional);
}

struct PropositionAccompagnement {
  static constexpr Kind kind = Kind::proposition_accompagnement;
  static constexpr std::string_view route = "collectivité → CPRAF";
  std::optional<Sender> sender;
  std::vector<Person> persons;
  std::vector<int> needs;
  int informed = 0;
  int agrees = 0;
  std::vector<Fact> facts;
  std::optional<Appraisal> appraisal;
};
template <class V>
void visit(V& v, PropositionAccompagnement& form) {
  v.object({1, "emetteur", "Émetteur"}, form.sender, Need::required);
  v.list({2, "personnes", "Personnes"}, form.persons, form_persons_max);
  v.choices({3, "besoins", "Besoins"}, form.needs, besoins, Need::optional);
  v.choice({4, "personne_informee", "La personne ou sa famille est informée de la proposition"}, form.informed, oui_non,
           Need::optional);
  v.choice({5, "personne_d_accord", "Elle est d'accord"}, form.agrees, oui_non, Need::optional);
  v.list({6, "faits", facts_label}, form.facts, form_facts_max);
  v.object({7, "appreciation", appraisal_label}, form.appraisal, Need::optional);
}

// ---- from another volet of the contract --------------------------------------------------------------------------

struct InformationDeVolet {
  static constexpr Kind kind = Kind::information_de_volet;
  static constexpr std::string_view route = "outil d'un autre volet → GED ou CLIR";
  int volet = 0;
  std::string subject;
  std::string reference;  ///< the posting tool's own
  std::string commune;    ///< what it is about, when neither person nor structure says it
  std::string service;
  std::vector<Person> persons;
  std::optional<Structure> structure;
  std::vector<Fact> facts;
  std::optional<Appraisal> appraisal;
};
template <class V>
void visit(V& v, InformationDeVolet& form) {
  v.choice({1, "volet", "Volet"}, form.volet, volets, Need::required);
  v.line({2, "objet", "Objet"}, form.subject, Line::any, Need::required);
  v.line({3, "reference", "Référence de l'outil"}, form.reference, Line::reference, Need::optional);
  v.line({4, "commune", "Commune"}, form.commune, Line::commune, Need::optional);
  v.line({5, "service", "Service"}, form.service, Line::any, Need::optional);
  v.list({6, "personnes", "Personnes"}, form.persons, form_persons_max);
  v.object({7, "structure", "Structure"}, form.structure, Need::optional);
  v.list({8, "faits", facts_label}, form.facts, form_facts_max);
  v.object({9, "appreciation", appraisal_label}, form.appraisal, Need::optional);
}

// ---- about what was sent -----------------------------------------------------------------------------------------

struct Retrait {
  static constexpr Kind kind = Kind::retrait;
  static constexpr std::string_view route = "auteur → instance qui tient le dossier";
  int motif = 0;
  std::string detail;
};
template <class V>
void visit(V& v, Retrait& form) {
  v.choice({1, "motif", "Motif"}, form.motif, motifs_retrait, Need::required);
  v.line({2, "precision", "Précision"}, form.detail, Line::brief, Need::optional);
}

/// The whole content as it should have been, by the rules of its own type, and not the changed fields alone: who reads
/// the case later needs nothing else, and what changed is shown to whoever may open both (Form::changes_from). Exactly
/// one content.
struct Rectification {
  static constexpr Kind kind = Kind::rectification;
  static constexpr std::string_view route = "auteur → ceux qui ont reçu l'envoi corrigé";
  std::string exchange;
  int motif = 0;
  std::optional<SignalementIndividuel> individuel;
  std::optional<SignalementDeStructure> de_structure;
  std::optional<Complement> complement;
  std::optional<PropositionAccompagnement> accompagnement;
  std::optional<InformationDeVolet> de_volet;
};
template <class V>
void visit(V& v, Rectification& form) {
  v.line({1, "echange", "Envoi corrigé"}, form.exchange, Line::exchange, Need::required);
  v.choice({2, "motif", "Motif"}, form.motif, motifs_rectification, Need::required);
  v.object({3, "signalement_individuel", "SIGNALEMENT D'UNE PERSONNE, CORRIGÉ"}, form.individuel, Need::optional);
  v.object({4, "signalement_de_structure", "SIGNALEMENT D'UNE STRUCTURE, CORRIGÉ"}, form.de_structure, Need::optional);
  v.object({5, "complement", "COMPLÉMENT CORRIGÉ"}, form.complement, Need::optional);
  v.object({6, "proposition_accompagnement", "PROPOSITION D'ACCOMPAGNEMENT CORRIGÉE"}, form.accompagnement,
           Need::optional);
  v.object({7, "information_de_volet", "INFORMATION D'UN AUTRE VOLET, CORRIGÉE"}, form.de_volet, Need::optional);
}

// ---- to a collectivité -------------------------------------------------------------------------------------------

/// What is asked for, by category. The free line goes to the collectivité: it says nothing of the examination.
struct DemandeDeComplement {
  static constexpr Kind kind = Kind::demande_de_complement;
  static constexpr std::string_view route = "secrétariat → collectivité";
  std::vector<int> asked;
  std::string detail;
  std::uint32_t before = 0;
};
template <class V>
void visit(V& v, DemandeDeComplement& form) {
  v.choices({1, "demandes", "Ce qui est demandé"}, form.asked, demandes, Need::required);
  v.line({2, "precision", "Précision"}, form.detail, Line::brief, Need::optional);
  v.date({3, "avant_le", "Réponse souhaitée avant le"}, form.before, When::coming, Need::optional);
}

/// No code tells the outcome: "sans suite" and "pris en compte" look alike until released (design §10).
struct Retour {
  static constexpr Kind kind = Kind::retour;
  static constexpr std::string_view route = "secrétariat → collectivité";
  int code = 0;
};
template <class V>
void visit(V& v, Retour& form) {
  v.choice({1, "code", "Retour"}, form.code, codes_retour, Need::required);
}

/// For the maire in person, in its instance's queue until both agreements are there (docs/decisions/0019): one person
/// or one structure, a few facts, a term. No appraisal.
struct InformationNominative {
  static constexpr Kind kind = Kind::information_nominative;
  static constexpr std::string_view route = "secrétariat → instance, puis maire en personne";
  int ground = 0;
  std::vector<Person> persons;
  std::optional<Structure> structure;
  std::vector<Fact> facts;
  std::uint32_t until = 0;
};
template <class V>
void visit(V& v, InformationNominative& form) {
  v.choice({1, "cas", "Cas qui la permet"}, form.ground, cas_nominatifs, Need::required);
  v.list({2, "personnes", "Personne"}, form.persons, nominative_persons_max);
  v.object({3, "structure", "Structure"}, form.structure, Need::optional);
  v.list({4, "faits", facts_label}, form.facts, nominative_facts_max);
  v.date({5, "valable_jusqu_au", "Valable jusqu'au"}, form.until, When::coming, Need::required);
}

/// General: neither a person nor a structure has a field here.
struct PointDeSituation {
  static constexpr Kind kind = Kind::point_de_situation;
  static constexpr std::string_view route = "secrétariat → collectivité";
  std::uint32_t from = 0;
  std::uint32_t to = 0;
  std::vector<int> subjects;
  std::string words;
  std::string contact;
  std::uint32_t next = 0;
};
template <class V>
void visit(V& v, PointDeSituation& form) {
  v.date({1, "du", "Du"}, form.from, When::past, Need::required);
  v.date({2, "au", "Au"}, form.to, When::past, Need::required);
  v.choices({3, "themes", "Thèmes"}, form.subjects, themes, Need::required);
  v.text({4, "texte", "Situation générale"}, form.words, Need::required);
  v.line({5, "interlocuteur", "Interlocuteur de proximité"}, form.contact, Line::any, Need::optional);
  v.date({6, "prochain_le", "Prochain point le"}, form.next, When::coming, Need::optional);
}

// ---- within the instance -----------------------------------------------------------------------------------------

struct Recevabilite {
  static constexpr Kind kind = Kind::recevabilite;
  static constexpr std::string_view route = "secrétariat → membres de l'instance";
  int answer = 0;
  int motif = 0;
};
template <class V>
void visit(V& v, Recevabilite& form) {
  v.choice({1, "avis", "Avis"}, form.answer, avis_de_recevabilite, Need::required);
  v.choice({2, "motif", "Motif, hors périmètre"}, form.motif, motifs_hors_perimetre, Need::optional);
}

struct Inscription {
  static constexpr Kind kind = Kind::inscription;
  static constexpr std::string_view route = "secrétariat → membres de l'instance";
  int instance = 0;
  std::uint32_t sitting = 0;
  std::string detail;
};
template <class V>
void visit(V& v, Inscription& form) {
  v.choice({1, "instance", "Instance"}, form.instance, instances, Need::required);
  v.date({2, "seance", "Séance du"}, form.sitting, When::coming, Need::required);
  v.line({3, "precision", "Précision"}, form.detail, Line::brief, Need::optional);
}

struct MiseEnEvaluation {
  static constexpr Kind kind = Kind::mise_en_evaluation;
  static constexpr std::string_view route = "secrétariat → membres de l'instance";
  std::uint32_t sitting = 0;
  std::string detail;
};
template <class V>
void visit(V& v, MiseEnEvaluation& form) {
  v.date({1, "seance", "Séance du"}, form.sitting, When::past, Need::required);
  v.line({2, "precision", "Précision"}, form.detail, Line::brief, Need::optional);
}

/// Why the member takes no further part, and nothing of the case.
struct Recusation {
  static constexpr Kind kind = Kind::recusation;
  static constexpr std::string_view route = "membre → instance";
  int motif = 0;
};
template <class V>
void visit(V& v, Recusation& form) {
  v.choice({1, "motif", "Motif"}, form.motif, motifs_recusation, Need::required);
}

struct Decision {
  static constexpr Kind kind = Kind::decision;
  static constexpr std::string_view route = "secrétariat → membres de l'instance";
  int outcome = 0;
  std::string reason;
};
template <class V>
void visit(V& v, Decision& form) {
  v.choice({1, "issue", "Issue"}, form.outcome, issues, Need::required);
  v.text({2, "motif", "Motif"}, form.reason, Need::required);
}

/// The retour waits: why, for the instance alone, and until when.
struct ReportDuRetour {
  static constexpr Kind kind = Kind::report_du_retour;
  static constexpr std::string_view route = "secrétariat → membres de l'instance";
  int motif = 0;
  std::uint32_t review = 0;
};
template <class V>
void visit(V& v, ReportDuRetour& form) {
  v.choice({1, "motif", "Motif"}, form.motif, motifs_report, Need::required);
  v.date({2, "reexamen_le", "Réexamen le"}, form.review, When::coming, Need::required);
}

/// Chain of custody: why the file changes hands. What is handed over rides in `acces` exchanges.
struct Transmission {
  static constexpr Kind kind = Kind::transmission;
  static constexpr std::string_view route = "secrétariat → GED, CLIR, ou instance d'un autre département";
  int destination = 0;
  std::string departement;
  int motif = 0;
  std::string exchange;  ///< empty: the whole case
  std::string detail;
};
template <class V>
void visit(V& v, Transmission& form) {
  v.choice({1, "vers", "Vers"}, form.destination, destinations, Need::required);
  v.line({2, "departement", "Département"}, form.departement, Line::departement, Need::optional);
  v.choice({3, "motif", "Motif"}, form.motif, motifs_transmission, Need::required);
  v.line({4, "echange", "Envoi transmis"}, form.exchange, Line::exchange, Need::optional);
  v.line({5, "precision", "Précision"}, form.detail, Line::brief, Need::optional);
}

struct OrientationCpraf {
  static constexpr Kind kind = Kind::orientation_cpraf;
  static constexpr std::string_view route = "secrétariat → CPRAF";
  int motif = 0;
  std::vector<int> needs;
  std::string detail;
};
template <class V>
void visit(V& v, OrientationCpraf& form) {
  v.choice({1, "motif", "Motif"}, form.motif, motifs_orientation, Need::required);
  v.choices({2, "besoins", "Besoins"}, form.needs, besoins, Need::optional);
  v.line({3, "precision", "Précision"}, form.detail, Line::brief, Need::optional);
}

/// One of the two without which an information nominative is not given, or its sender's word on passing a report on. It
/// names that exchange and no other.
struct Agrement {
  static constexpr Kind kind = Kind::agrement;
  static constexpr std::string_view route = "service, parquet ou collectivité → instance";
  std::string exchange;
  int capacity = 0;
  int answer = 0;
  std::uint32_t until = 0;
};
template <class V>
void visit(V& v, Agrement& form) {
  v.line({1, "echange", "Envoi concerné"}, form.exchange, Line::exchange, Need::required);
  v.choice({2, "qualite", "Au titre du"}, form.capacity, qualites, Need::required);
  v.choice({3, "avis", "Avis"}, form.answer, avis_agrement, Need::required);
  v.date({4, "jusqu_au", "Valable jusqu'au"}, form.until, When::coming, Need::optional);
}

struct Cloture {
  static constexpr Kind kind = Kind::cloture;
  static constexpr std::string_view route = "secrétariat → membres de l'instance";
  int motif = 0;
  std::uint32_t review = 0;
};
template <class V>
void visit(V& v, Cloture& form) {
  v.choice({1, "motif", "Motif"}, form.motif, motifs_cloture, Need::required);
  v.date({2, "reexamen_le", "Réexamen le"}, form.review, When::coming, Need::optional);
}

/// One person's word that the case is held beyond its term.
struct Maintien {
  static constexpr Kind kind = Kind::maintien;
  static constexpr std::string_view route = "secrétariat ou parquet → instance";
  int cause = 0;
  std::string detail;
};
template <class V>
void visit(V& v, Maintien& form) {
  v.choice({1, "cause", "Cause"}, form.cause, causes_maintien, Need::required);
  v.line({2, "precision", "Précision"}, form.detail, Line::brief, Need::optional);
}

/// One person's word that it is to go before its term.
struct DemandeEffacement {
  static constexpr Kind kind = Kind::demande_effacement;
  static constexpr std::string_view route = "secrétariat ou parquet → instance";
  int cause = 0;
  std::string detail;
};
template <class V>
void visit(V& v, DemandeEffacement& form) {
  v.choice({1, "cause", "Cause"}, form.cause, causes_effacement, Need::required);
  v.line({2, "precision", "Précision"}, form.detail, Line::brief, Need::optional);
}

// ---- all of them -------------------------------------------------------------------------------------------------

/// In the order of their kinds' numbers.
using Content =
    std::variant<SignalementIndividuel, SignalementDeStructure, Complement, Retrait, Rectification,
                 PropositionAccompagnement, DemandeDeComplement, Retour, InformationNominative, PointDeSituation,
                 ReportDuRetour, Transmission, OrientationCpraf, Agrement, Inscription, Decision, Cloture, Recevabilite,
                 MiseEnEvaluation, Recusation, Maintien, DemandeEffacement, InformationDeVolet>;

template <class V>
void visit(V& v, Content& content) {
  std::visit([&v](auto& form) { visit(v, form); }, content);
}

[[nodiscard]] inline Kind kind_of(const Content& content) {
  return std::visit([](const auto& form) { return form.kind; }, content);
}

/// An empty form of this kind. Nothing: the kind has no form.
[[nodiscard]] std::optional<Content> content_of(Kind kind);

// The other shapes of a form, each behind its seam.

/// The protobuf message of the form's kind. Ascending fields, nothing twice: what libprotobuf itself would write.
[[nodiscard]] Bytes to_protobuf(Content content);
/// Nothing when the bytes are not a form of this kind, or hold a field or value this version does not know. Safe on
/// hostile input. Not yet checked.
[[nodiscard]] std::optional<Content> from_protobuf(Kind kind, ByteView bytes);
[[nodiscard]] std::string to_json(Content content);
[[nodiscard]] std::string to_french_text(Content content);

struct FormChange;
/// Field by field, in the order they are read; forms of one kind.
[[nodiscard]] std::vector<FormChange> changes_between(Content before, Content after);

}  // namespace pli::protocol
