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
enum class Line { any, commune, siren, rna, reference };  ///< what a line of text must look like
enum class When { fact, birth };

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

// ---- to a collectivité -------------------------------------------------------------------------------------------

/// No code tells the outcome: "sans suite" and "pris en compte" look alike until released (design §10).
struct Retour {
  static constexpr Kind kind = Kind::retour;
  int code = 0;
};
template <class V>
void visit(V& v, Retour& form) {
  v.choice({1, "code", "Retour"}, form.code, codes_retour, Need::required);
}

// ---- within the instance -----------------------------------------------------------------------------------------

struct Decision {
  static constexpr Kind kind = Kind::decision;
  int outcome = 0;
  std::string reason;
};
template <class V>
void visit(V& v, Decision& form) {
  v.choice({1, "issue", "Issue"}, form.outcome, issues, Need::required);
  v.text({2, "motif", "Motif"}, form.reason, Need::required);
}

// ---- from another volet of the contract --------------------------------------------------------------------------

struct InformationDeVolet {
  static constexpr Kind kind = Kind::information_de_volet;
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

// ---- all of them -------------------------------------------------------------------------------------------------

/// In the order of their kinds' numbers.
using Content =
    std::variant<SignalementIndividuel, SignalementDeStructure, Complement, Retour, Decision, InformationDeVolet>;

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

}  // namespace pli::protocol
