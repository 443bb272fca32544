#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <utility>

#include "form.pb.h"
#include "protocol/exchange.hpp"
#include "protocol/form.hpp"
#include "protocol/limits.hpp"
#include "protocol/printable.hpp"

// A form lives in three shapes: what people type (JSON), what is sealed (protobuf) and the structures of this file.
// `visit` lists each structure's fields once, with the name people type and the label they read; reading JSON, writing
// it, checking and showing on a screen are visitors, so that none can forget a field.

namespace pli::protocol {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint8_t content_version = 1;
constexpr std::size_t reference_chars_max = 64;
constexpr int json_depth_max = 8;
constexpr std::string_view unknown_text = "inconnu";

// ---- closed lists ------------------------------------------------------------------------------------------------

struct Choice {
  int number;
  std::string_view name;    ///< as typed
  std::string_view french;  ///< as read
};
using Choices = std::span<const Choice>;

constexpr std::array<Choice, 3> connaissances = {{
    {form::CONSTATE_DIRECTEMENT, "constate_directement", "constaté directement"},
    {form::RAPPORTE, "rapporte", "rapporté par un tiers"},
    {form::DOCUMENT, "document", "connu par un document"},
}};
constexpr std::array<Choice, 3> frequences = {{
    {form::UNIQUE, "unique", "une seule fois"},
    {form::REPETE, "repete", "plusieurs fois"},
    {form::HABITUEL, "habituel", "habituellement"},
}};
constexpr std::array<Choice, 10> temoins = {{
    {form::AGENT_MUNICIPAL, "agent_municipal", "agent municipal"},
    {form::ELU, "elu", "élu"},
    {form::HABITANT, "habitant", "habitant"},
    {form::COMMERCANT, "commercant", "commerçant"},
    {form::ENSEIGNANT, "enseignant", "enseignant ou personnel scolaire"},
    {form::GARDIEN_OU_BAILLEUR, "gardien_ou_bailleur", "gardien ou agent d'un bailleur"},
    {form::AGENT_DE_TRANSPORT, "agent_de_transport", "agent d'un transporteur"},
    {form::BENEVOLE_ASSOCIATIF, "benevole_associatif", "bénévole ou salarié d'une association"},
    {form::PROCHE_TEMOIN, "proche", "proche de la personne"},
    {form::AUTRE_TEMOIN, "autre", "autre"},
}};
constexpr std::array<Choice, 4> domaines = {{
    {form::RUPTURES, "ruptures", "ruptures"},
    {form::ENVIRONNEMENT_PERSONNEL, "environnement_personnel", "environnement personnel"},
    {form::DISCOURS, "discours", "discours"},
    {form::FREQUENTATIONS_ET_TECHNIQUES, "frequentations_et_techniques", "fréquentations et techniques"},
}};
constexpr std::array<Choice, 2> urgences = {{
    {form::NORMALE, "normale", "normale"},
    {form::URGENTE, "urgente", "urgente"},
}};
constexpr std::array<Choice, 4> categories = {{
    {form::PERSONNE_SIGNALEE, "personne_signalee", "personne signalée"},
    {form::VICTIME_POSSIBLE, "victime_possible", "victime possible"},
    {form::TEMOIN, "temoin", "témoin"},
    {form::PROCHE, "proche", "proche"},
}};
constexpr std::array<Choice, 6> tranches_age = {{
    {form::MOINS_DE_13, "moins_de_13", "moins de 13 ans"},
    {form::DE_13_A_17, "13_17", "de 13 à 17 ans"},
    {form::DE_18_A_25, "18_25", "de 18 à 25 ans"},
    {form::DE_26_A_40, "26_40", "de 26 à 40 ans"},
    {form::DE_41_A_60, "41_60", "de 41 à 60 ans"},
    {form::PLUS_DE_60, "plus_de_60", "plus de 60 ans"},
}};
constexpr std::array<Choice, 2> oui_non = {{
    {form::OUI, "oui", "oui"},
    {form::NON, "non", "non"},
}};
constexpr std::array<Choice, 7> natures = {{
    {form::DEBIT_DE_BOISSONS, "debit_de_boissons", "débit de boissons"},
    {form::AUTRE_COMMERCE, "autre_commerce", "autre commerce"},
    {form::LIEU_DE_CULTE, "lieu_de_culte", "lieu de culte"},
    {form::ETABLISSEMENT_SPORTIF, "etablissement_sportif", "établissement sportif"},
    {form::LIEU_CULTUREL_OU_ASSOCIATIF, "lieu_culturel_ou_associatif", "lieu culturel ou associatif"},
    {form::ACCUEIL_COLLECTIF_DE_MINEURS, "accueil_collectif_de_mineurs", "accueil collectif de mineurs"},
    {form::ECOLE_HORS_CONTRAT, "ecole_hors_contrat", "école hors contrat"},
}};
constexpr std::array<Choice, 4> liens_municipaux = {{
    {form::SUBVENTION, "subvention", "subvention"},
    {form::MISE_A_DISPOSITION_DE_LOCAUX, "mise_a_disposition_de_locaux", "mise à disposition de locaux"},
    {form::AUTORISATION, "autorisation", "autorisation"},
    {form::AUCUN_LIEN, "aucun", "aucun"},
}};
constexpr std::array<Choice, 10> origines = {{
    {form::ORIGINE_AGENT_MUNICIPAL, "agent_municipal", "agent municipal"},
    {form::ORIGINE_ELU, "elu", "élu"},
    {form::ORIGINE_POLICE_MUNICIPALE, "police_municipale", "police municipale"},
    {form::ORIGINE_POLICE_OU_GENDARMERIE, "police_ou_gendarmerie", "police nationale ou gendarmerie"},
    {form::ORIGINE_BAILLEUR, "bailleur", "bailleur"},
    {form::ORIGINE_ECOLE, "ecole", "école, collège ou lycée"},
    {form::ORIGINE_TRANSPORTEUR, "transporteur", "transporteur"},
    {form::ORIGINE_ASSOCIATION, "association", "association"},
    {form::ORIGINE_HABITANT, "habitant", "habitant"},
    {form::ORIGINE_AUTRE_ADMINISTRATION, "autre_administration", "autre administration"},
}};
constexpr std::array<Choice, 8> demarches = {{
    {form::ENTRETIEN_AVEC_LA_PERSONNE, "entretien_avec_la_personne", "entretien avec la personne"},
    {form::CONTACT_AVEC_LA_FAMILLE, "contact_avec_la_famille", "contact avec la famille"},
    {form::RAPPEL_AU_REGLEMENT, "rappel_au_reglement", "rappel au règlement"},
    {form::COURRIER, "courrier", "courrier"},
    {form::VISITE_SUR_PLACE, "visite_sur_place", "visite sur place"},
    {form::ORIENTATION_SERVICE_SOCIAL, "orientation_service_social", "orientation vers un service social"},
    {form::SAISINE_DU_BAILLEUR, "saisine_du_bailleur", "saisine du bailleur"},
    {form::AUCUNE_DEMARCHE, "aucune", "aucune"},
}};
constexpr std::array<Choice, 3> autres_canaux = {{
    {form::CNAPR, "cnapr", "CNAPR (numéro vert ou formulaire national)"},
    {form::POLICE, "police", "police ou gendarmerie"},
    {form::AUCUN_CANAL, "aucun", "aucun"},
}};
constexpr std::array<Choice, 4> fondements = {{
    {form::CSI_L132_5, "csi_l132_5", "code de la sécurité intérieure, art. L. 132-5"},
    {form::CSI_L132_13, "csi_l132_13", "code de la sécurité intérieure, art. L. 132-13"},
    {form::CONTRAT_DE_SECURITE_INTEGREE, "contrat_de_securite_integree", "contrat de sécurité intégrée"},
    {form::CONVENTION_ETAT_AMF, "convention_etat_amf", "convention État-AMF du 19 mai 2016"},
}};
constexpr std::array<Choice, 2> codes_retour = {{
    {form::EXAMEN_TERMINE, "examen_termine", "l'examen de votre signalement est terminé"},
    {form::EXAMEN_TERMINE_CONTACT_PREVU, "examen_termine_contact_prevu",
     "l'examen de votre signalement est terminé ; votre interlocuteur de la préfecture vous appellera"},
}};
constexpr std::array<Choice, 9> issues = {{
    {form::PRIS_EN_COMPTE, "pris_en_compte", "pris en compte"},
    {form::ORIENTE_CPRAF, "oriente_cpraf", "orienté vers la CPRAF"},
    {form::TRANSMIS_CLIR, "transmis_clir", "transmis à la CLIR"},
    {form::TRANSMIS_AU_PARQUET, "transmis_au_parquet", "transmis au parquet"},
    {form::SANS_SUITE, "sans_suite", "sans suite"},
    {form::CONTROLE_PROPOSE, "controle_propose", "contrôle proposé"},
    {form::SUIVI, "suivi", "suivi"},
    {form::TRANSMIS_GED, "transmis_ged", "transmis au GED"},
    {form::TRANSMIS_A_UN_SERVICE, "transmis_a_un_service", "transmis à un service"},
}};
constexpr std::array<Choice, 4> volets = {{
    {form::SECURITE_INTERIEURE, "securite_interieure", "sécurité intérieure"},
    {form::JUSTICE, "justice", "justice"},
    {form::PREVENTION_DELINQUANCE, "prevention_delinquance", "prévention de la délinquance"},
    {form::TRANSPORT, "transport", "transport"},
}};

const Choice* find_number(Choices list, int number) {
  for (const Choice& choice : list)
    if (choice.number == number) return &choice;
  return nullptr;
}

const Choice* find_name(Choices list, std::string_view name) {
  for (const Choice& choice : list)
    if (choice.name == name) return &choice;
  return nullptr;
}

constexpr std::array<Kind, 6> form_kinds = {
    Kind::signalement_individuel, Kind::signalement_de_structure, Kind::complement, Kind::retour, Kind::decision,
    Kind::information_de_volet};

bool has_form(Kind kind) { return std::find(form_kinds.begin(), form_kinds.end(), kind) != form_kinds.end(); }

// ---- the structures ----------------------------------------------------------------------------------------------

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

struct Appraisal {
  std::vector<int> domains;
  int urgency = 0;
  std::string comment;
};

struct Person {
  int category = 0;
  std::string name;
  std::string first_names;
  std::uint32_t birth = 0;
  int age_band = 0;
  int minor = 0;
  std::string commune;
};

struct Structure {
  std::string name;
  int nature = 0;
  std::string address;
  std::string commune;
  std::string siren;
  std::string rna;
  std::vector<int> municipal_links;
};

struct Sender {
  std::string service;
  int origin = 0;
  std::vector<int> steps;
  int other_channel = 0;
  int ground = 0;
};

struct Content {
  Kind kind = Kind::complement;
  std::optional<Sender> sender;
  std::vector<Person> persons;
  std::optional<Structure> structure;
  std::vector<Fact> facts;
  std::optional<Appraisal> appraisal;
  int retour_code = 0;
  int outcome = 0;
  std::string reason;
  int volet = 0;
  std::string subject;
  std::string reference;
  std::string commune;
  std::string service;
};

enum class Need { required, optional };
enum class Line { any, commune, siren, rna, reference };  ///< what a line of text must look like
enum class When { fact, birth };

template <class V>
void visit(V& v, Fact& fact) {
  v.date("date", "Date", fact.date, When::fact);
  v.line("lieu", "Lieu", fact.place, Line::any, Need::optional);
  v.line("commune", "Commune", fact.commune, Line::commune, Need::optional);
  v.choice("connaissance", "Comment le fait est connu", fact.known_by, connaissances, Need::required);
  v.text("description", "Description", fact.description, Need::required);
  v.choice("frequence", "Fréquence", fact.frequency, frequences, Need::optional);
  v.choice("temoin", "Vu par", fact.witness, temoins, Need::optional);
}

template <class V>
void visit(V& v, Appraisal& appraisal) {
  v.choices("domaines", "Domaines", appraisal.domains, domaines);
  v.choice("urgence", "Sentiment d'urgence", appraisal.urgency, urgences, Need::optional);
  v.text("commentaire", "Commentaire", appraisal.comment, Need::optional);
}

template <class V>
void visit(V& v, Person& person) {
  v.choice("categorie", "Catégorie", person.category, categories, Need::required);
  v.line("nom", "Nom", person.name, Line::any, Need::optional);
  v.line("prenoms", "Prénoms", person.first_names, Line::any, Need::optional);
  v.date("date_naissance", "Date de naissance", person.birth, When::birth);
  v.choice("tranche_age", "Tranche d'âge", person.age_band, tranches_age, Need::optional);
  v.choice("mineur", "Mineur", person.minor, oui_non, Need::optional);
  v.line("commune", "Commune de résidence", person.commune, Line::commune, Need::optional);
}

template <class V>
void visit(V& v, Structure& structure) {
  v.line("nom", "Nom", structure.name, Line::any, Need::optional);
  v.choice("nature", "Nature", structure.nature, natures, Need::required);
  v.line("adresse", "Adresse", structure.address, Line::any, Need::optional);
  v.line("commune", "Commune", structure.commune, Line::commune, Need::optional);
  v.line("siren", "SIREN", structure.siren, Line::siren, Need::optional);
  v.line("rna", "RNA", structure.rna, Line::rna, Need::optional);
  v.choices("liens_municipaux", "Liens avec la commune", structure.municipal_links, liens_municipaux);
}

template <class V>
void visit(V& v, Sender& sender) {
  v.line("service", "Service", sender.service, Line::any, Need::required);
  v.choice("origine", "Origine de l'information", sender.origin, origines, Need::optional);
  v.choices("demarches", "Démarches déjà faites", sender.steps, demarches);
  v.choice("autre_canal", "Autre canal déjà utilisé", sender.other_channel, autres_canaux, Need::optional);
  v.choice("fondement", "Fondement de l'échange", sender.ground, fondements, Need::optional);
}

constexpr std::string_view facts_label = "FAITS";
constexpr std::string_view appraisal_label = "APPRÉCIATIONS DE L'ÉMETTEUR (ce ne sont pas des faits)";

template <class V>
void visit(V& v, Content& content) {
  switch (content.kind) {
    case Kind::signalement_individuel:
      v.object("emetteur", "Émetteur", content.sender, Need::required);
      v.list("personnes", "Personnes", content.persons, form_persons_max);
      v.list("faits", facts_label, content.facts, form_facts_max);
      v.object("appreciation", appraisal_label, content.appraisal, Need::optional);
      break;
    case Kind::signalement_de_structure:
      v.object("emetteur", "Émetteur", content.sender, Need::required);
      v.object("structure", "Structure", content.structure, Need::required);
      v.list("faits", facts_label, content.facts, form_facts_max);
      v.object("appreciation", appraisal_label, content.appraisal, Need::optional);
      break;
    case Kind::complement:
      v.list("personnes", "Personnes", content.persons, form_persons_max);
      v.object("structure", "Structure", content.structure, Need::optional);
      v.list("faits", facts_label, content.facts, form_facts_max);
      v.object("appreciation", appraisal_label, content.appraisal, Need::optional);
      break;
    case Kind::retour: v.choice("code", "Retour", content.retour_code, codes_retour, Need::required); break;
    case Kind::decision:
      v.choice("issue", "Issue", content.outcome, issues, Need::required);
      v.text("motif", "Motif", content.reason, Need::required);
      break;
    case Kind::information_de_volet:
      v.choice("volet", "Volet", content.volet, volets, Need::required);
      v.line("objet", "Objet", content.subject, Line::any, Need::required);
      v.line("reference", "Référence de l'outil", content.reference, Line::reference, Need::optional);
      v.line("commune", "Commune", content.commune, Line::commune, Need::optional);
      v.line("service", "Service", content.service, Line::any, Need::optional);
      v.list("personnes", "Personnes", content.persons, form_persons_max);
      v.object("structure", "Structure", content.structure, Need::optional);
      v.list("faits", facts_label, content.facts, form_facts_max);
      v.object("appreciation", appraisal_label, content.appraisal, Need::optional);
      break;
    default: PLI_INVARIANT(false);
  }
}

// ---- dates -------------------------------------------------------------------------------------------------------

std::chrono::year_month_day date_of(std::uint32_t number) {
  return {std::chrono::year(static_cast<int>(number / 10000)), std::chrono::month(number / 100 % 100),
          std::chrono::day(number % 100)};
}

std::uint32_t number_of(std::chrono::year_month_day date) {
  return static_cast<std::uint32_t>(static_cast<int>(date.year())) * 10000 + static_cast<unsigned>(date.month()) * 100 +
         static_cast<unsigned>(date.day());
}

bool is_date(std::uint32_t number) { return number >= 1900'00'00 && number < 2200'00'00 && date_of(number).ok(); }

/// "2026-03-12", or 0.
std::uint32_t parse_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return 0;
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i == 4 || i == 7) continue;
    if (text[i] < '0' || text[i] > '9') return 0;
    number = number * 10 + static_cast<std::uint32_t>(text[i] - '0');
  }
  return is_date(number) ? number : 0;
}

std::string typed_date(std::uint32_t number) {
  std::string digits = std::to_string(number);
  return digits.substr(0, 4) + "-" + digits.substr(4, 2) + "-" + digits.substr(6, 2);
}

std::string french_date(std::uint32_t number) {
  static constexpr std::array<std::string_view, 12> months = {"janvier",   "février", "mars",     "avril",
                                                              "mai",       "juin",    "juillet",  "août",
                                                              "septembre", "octobre", "novembre", "décembre"};
  const unsigned day = number % 100;
  std::string out = day == 1 ? "1er" : std::to_string(day);
  out += " ";
  out += months[number / 100 % 100 - 1];
  return out + " " + std::to_string(number / 10000);
}

/// The latest date it can be anywhere: no clock is more than 14 hours ahead of UTC, and Pli serves offices overseas.
std::uint32_t latest_date(UnixMillis now) {
  using namespace std::chrono;
  const sys_time<milliseconds> ahead{milliseconds(now.value) + 14h};
  return number_of(year_month_day(floor<days>(ahead)));
}

// ---- problems ----------------------------------------------------------------------------------------------------

class Problems {
 public:
  /// The first of a field stays: "missing" after "not a text" would only confuse.
  void add(LocalCode code, std::string field, std::string french) {
    if (fields_.insert(field).second) list_.push_back({code, std::move(field), std::move(french)});
  }
  void add(std::string field, std::string french) { add(LocalCode::bad_form, std::move(field), std::move(french)); }
  [[nodiscard]] bool empty() const { return list_.empty(); }
  [[nodiscard]] std::vector<FormProblem> take() { return std::move(list_); }

 private:
  std::set<std::string> fields_;
  std::vector<FormProblem> list_;
};

std::string join(std::string_view path, std::string_view name) {
  std::string out(path);
  if (!out.empty()) out += '.';
  out += name;
  return out;
}

std::string element(std::string path, std::size_t position) { return path + "[" + std::to_string(position) + "]"; }

std::string values_of(Choices list, Need need) {
  std::string out;
  for (const Choice& choice : list) {
    if (!out.empty()) out += ", ";
    out += choice.name;
  }
  if (need == Need::optional) out += ", inconnu";
  return out;
}

// ---- from JSON ---------------------------------------------------------------------------------------------------

/// Takes the fields of one JSON object; what is left at the end nobody asked for.
class JsonReader {
 public:
  JsonReader(const Json& object, std::string path, Problems& problems)
      : object_(object), path_(std::move(path)), problems_(problems) {}

  void choice(std::string_view name, std::string_view, int& out, Choices list, Need need) {
    const auto text = take_text(name);
    if (!text || (need == Need::optional && *text == unknown_text)) return;
    if (const Choice* found = find_name(list, *text)) {
      out = found->number;
    } else {
      problems_.add(join(path_, name), "valeur hors liste ; valeurs possibles : " + values_of(list, need) + ".");
    }
  }

  void choices(std::string_view name, std::string_view, std::vector<int>& out, Choices list) {
    const Json* value = take(name);
    if (value == nullptr) return;
    const std::string path = join(path_, name);
    if (!value->is_array()) {
      problems_.add(path, "une liste [ ] est attendue.");
      return;
    }
    for (std::size_t i = 0; i < value->size(); ++i) {
      const Json& item = (*value)[i];
      const Choice* found = item.is_string() ? find_name(list, item.get_ref<const std::string&>()) : nullptr;
      if (found == nullptr) {
        problems_.add(element(path, i),
                      "valeur hors liste ; valeurs possibles : " + values_of(list, Need::required) + ".");
      } else {
        out.push_back(found->number);
      }
      if (i > list.size()) return;  // a long list is refused as such by the checks
    }
  }

  void line(std::string_view name, std::string_view, std::string& out, Line line, Need) {
    const auto text = take_text(name);
    if (!text || *text == unknown_text) return;
    out = *text;
    if (line == Line::commune)  // Corsica's letter, typed small
      for (char& c : out)
        if (c == 'a' || c == 'b') c = static_cast<char>(c - 'a' + 'A');
  }

  void text(std::string_view name, std::string_view, std::string& out, Need) {
    const auto text = take_text(name);
    if (!text) return;
    for (std::size_t i = 0; i < text->size(); ++i)
      if ((*text)[i] != '\r' || i + 1 == text->size() || (*text)[i + 1] != '\n') out += (*text)[i];
  }

  void date(std::string_view name, std::string_view, std::uint32_t& out, When) {
    const auto text = take_text(name);
    if (!text || *text == unknown_text) return;
    out = parse_date(*text);
    if (out == 0) problems_.add(join(path_, name), "une date AAAA-MM-JJ qui existe est attendue, ou inconnu.");
  }

  template <class T>
  void object(std::string_view name, std::string_view, std::optional<T>& out, Need) {
    if (const Json* value = take(name)) read_object(*value, join(path_, name), problems_, out.emplace());
  }

  template <class T>
  void list(std::string_view name, std::string_view, std::vector<T>& out, std::size_t limit) {
    const Json* value = take(name);
    if (value == nullptr) return;
    const std::string path = join(path_, name);
    if (!value->is_array()) {
      problems_.add(path, "une liste [ ] est attendue.");
      return;
    }
    if (value->size() > limit) {
      problems_.add(path, "trop d'éléments : " + std::to_string(limit) + " au plus.");
      return;
    }
    out.resize(value->size());
    for (std::size_t i = 0; i < out.size(); ++i) read_object((*value)[i], element(path, i), problems_, out[i]);
  }

  template <class T>
  static void read_object(const Json& value, const std::string& path, Problems& problems, T& out) {
    if (!value.is_object()) {
      problems.add(path, "un objet { } est attendu.");
      return;
    }
    JsonReader reader(value, path, problems);
    visit(reader, out);
    reader.finish();
  }

  const Json* take(std::string_view name) {
    expected_.push_back(name);
    const auto found = object_.find(name);
    return found == object_.end() ? nullptr : &*found;
  }

  std::optional<std::string> take_text(std::string_view name) {
    const Json* value = take(name);
    if (value == nullptr) return std::nullopt;
    if (value->is_string()) return value->get<std::string>();
    problems_.add(join(path_, name), "un texte entre guillemets est attendu.");
    return std::nullopt;
  }

  /// Names the place of an unknown field, never what was typed there: a misplaced quotation mark turns content into
  /// names.
  void finish() {
    std::size_t position = 0;
    for (auto field = object_.begin(); field != object_.end(); ++field) {
      ++position;
      if (std::find(expected_.begin(), expected_.end(), field.key()) != expected_.end()) continue;
      std::string names;
      for (std::string_view name : expected_) names += (names.empty() ? "" : ", ") + std::string(name);
      problems_.add(join(path_, "(champ " + std::to_string(position) + ")"),
                    "ce champ n'existe pas ici ; champs possibles : " + names + ".");
    }
  }

 private:
  const Json& object_;
  std::string path_;
  Problems& problems_;
  std::vector<std::string_view> expected_;
};

/// Parses, and finds what a parser would let pass: a name given twice, nesting without end.
Json parse_json(std::string_view text, Problems& problems) {
  std::vector<std::set<std::string>> names;
  bool twice = false;
  bool deep = false;
  auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    switch (event) {
      case Json::parse_event_t::object_start: names.emplace_back(); break;
      case Json::parse_event_t::object_end: names.pop_back(); break;
      case Json::parse_event_t::key:
        if (!names.back().insert(parsed.get<std::string>()).second) twice = true;
        break;
      default: break;
    }
    if (depth > json_depth_max) deep = true;
    return true;
  };
  Json out = Json::parse(text, watch, /*allow_exceptions=*/false);
  if (out.is_discarded()) {
    problems.add("", "ce n'est pas du JSON lisible ; vérifiez virgules, guillemets et encodage UTF-8.");
  } else if (twice) {
    problems.add("", "un même champ est donné deux fois ; n'en gardez qu'un.");
  } else if (deep) {
    problems.add("", "trop d'objets les uns dans les autres.");
  } else if (!out.is_object()) {
    problems.add("", "un objet { } est attendu.");
  }
  return out;
}

// ---- checks ------------------------------------------------------------------------------------------------------

struct CheckOptions {
  Form::KnownCommune is_known_commune = nullptr;  ///< null: any well-formed code
  void* context = nullptr;
  std::uint32_t latest = 0;  ///< no date after it; 0: no limit
  bool typed = false;        ///< by one of our users, who is there to correct it
};

bool all_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Nine figures whose check digit (Luhn) is right.
bool is_siren(std::string_view text) {
  if (text.size() != 9 || !all_digits(text)) return false;
  int sum = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    int digit = text[i] - '0';
    if (i % 2 == 1) digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  return sum % 10 == 0;
}

bool is_commune_code(std::string_view text) {
  return text.size() == 5 && all_digits(text.substr(0, 1)) && all_digits(text.substr(2)) &&
         (all_digits(text.substr(1, 1)) || (text[0] == '2' && (text[1] == 'A' || text[1] == 'B')));
}

class Checker {
 public:
  Checker(const CheckOptions& options, Problems& problems) : options_(options), problems_(problems) {}

  void choice(std::string_view name, std::string_view, int& value, Choices list, Need need) {
    if (value == 0 && need == Need::optional) return;
    if (find_number(list, value) == nullptr)
      add(name, "champ obligatoire ; valeurs possibles : " + values_of(list, need) + ".");
  }

  void choices(std::string_view name, std::string_view, std::vector<int>& values, Choices list) {
    std::vector<int> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
      add(name, "une même valeur est donnée deux fois.");
    for (int value : sorted)
      if (find_number(list, value) == nullptr) add(name, "valeur hors liste.");
  }

  void line(std::string_view name, std::string_view, std::string& value, Line line, Need need) {
    if (!check_text(name, value, line_chars_max, need, false) || value.empty()) return;
    switch (line) {
      case Line::any: break;
      case Line::commune:
        if (!is_commune_code(value) ||
            (options_.is_known_commune != nullptr && !options_.is_known_commune(options_.context, value)))
          problems_.add(LocalCode::unknown_commune, join(path_, name),
                        "commune inconnue ; donnez son code INSEE à cinq caractères (ni le code postal, ni le nom), ou "
                        "inconnu.");
        break;
      case Line::siren:
        if (!is_siren(value))
          add(name, "un numéro SIREN de neuf chiffres est attendu ; vérifiez-le, ou mettez inconnu.");
        break;
      case Line::rna:
        if (value.size() != 10 || value[0] != 'W' || !all_digits(std::string_view(value).substr(1)))
          add(name, "un numéro RNA (W et neuf chiffres) est attendu, ou inconnu.");
        break;
      case Line::reference:
        if (value.size() > reference_chars_max || !std::all_of(value.begin(), value.end(), [](char c) {
              return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                     c == '_' || c == '-' || c == '/';
            }))
          add(name, "64 lettres sans accent, chiffres ou signes . _ - / au plus.");
        break;
    }
  }

  void text(std::string_view name, std::string_view, std::string& value, Need need) {
    static_cast<void>(check_text(name, value, free_text_chars_max, need, true));
  }

  void date(std::string_view name, std::string_view, std::uint32_t& value, When when) {
    if (value == 0) return;
    if (!is_date(value)) {
      add(name, "une date AAAA-MM-JJ qui existe est attendue, ou inconnu.");
    } else if (options_.latest != 0 && value > options_.latest) {
      add(name, when == When::fact ? "un fait ne peut pas être daté d'après aujourd'hui."
                                   : "une naissance ne peut pas être datée d'après aujourd'hui.");
    }
  }

  template <class T>
  void object(std::string_view name, std::string_view, std::optional<T>& value, Need need) {
    if (value) {
      within(join(path_, name), *value);
    } else if (need == Need::required) {
      add(name, "champ obligatoire.");
    }
  }

  template <class T>
  void list(std::string_view name, std::string_view, std::vector<T>& values, std::size_t limit) {
    const std::string path = join(path_, name);
    if (values.size() > limit) {
      add(name, "trop d'éléments : " + std::to_string(limit) + " au plus.");
      return;
    }
    for (std::size_t i = 0; i < values.size(); ++i) within(element(path, i), values[i]);
  }

 private:
  void add(std::string_view name, std::string french) { problems_.add(join(path_, name), std::move(french)); }

  template <class T>
  void within(std::string path, T& value) {
    std::string outer = std::exchange(path_, std::move(path));
    visit(*this, value);
    path_ = std::move(outer);
  }

  [[nodiscard]] bool check_text(std::string_view name, std::string_view value, std::size_t limit, Need need,
                                bool several_lines) {
    std::size_t count = 0;
    bool something = false;
    for (std::string_view rest = value; !rest.empty(); ++count) {
      const auto character = take_character(rest);
      if (!character) {
        add(name, "ce texte n'est pas de l'UTF-8.");
        return false;
      }
      if (*character != U' ' && *character != U'\n' && *character != U'\t') something = true;
      const bool plain = !steers_display(*character) || (several_lines && (*character == U'\n' || *character == U'\t'));
      // What arrives sealed is shown with such characters replaced: a stray one must not make a signalement unreadable.
      if (options_.typed && !plain) {
        add(name, "ce texte contient un caractère invisible ou de commande ; effacez-le et retapez-le.");
        return false;
      }
    }
    if (need == Need::required && !something) {
      add(name, "champ obligatoire.");
      return false;
    }
    if (count > limit) {
      add(name, "texte trop long : " + std::to_string(limit) + " caractères au plus.");
      return false;
    }
    return true;
  }

  const CheckOptions& options_;
  Problems& problems_;
  std::string path_;
};

void check_person(const Person& person, const std::string& path, Problems& problems) {
  if (person.birth != 0 && person.age_band != 0)
    problems.add(path + ".tranche_age", "donnez la date de naissance ou la tranche d'âge, pas les deux.");
  const bool young = person.age_band == form::MOINS_DE_13 || person.age_band == form::DE_13_A_17;
  if (person.age_band != 0 && ((young && person.minor == form::NON) || (!young && person.minor == form::OUI)))
    problems.add(path + ".mineur",
                 "ne s'accorde pas avec la tranche d'âge ; corrigez l'un ou l'autre, ou mettez inconnu.");
}

bool contains_with_others(const std::vector<int>& values, int alone) {
  return values.size() > 1 && std::find(values.begin(), values.end(), alone) != values.end();
}

/// What no field can say by itself.
void check_whole(const Content& content, Problems& problems) {
  const auto& persons = content.persons;
  for (std::size_t i = 0; i < persons.size(); ++i) check_person(persons[i], element("personnes", i), problems);
  if (content.kind == Kind::signalement_individuel &&
      std::count_if(persons.begin(), persons.end(),
                    [](const Person& person) { return person.category == form::PERSONNE_SIGNALEE; }) != 1)
    problems.add("personnes",
                 "une personne signalée, et une seule, est attendue ; faites un signalement pour chacune.");
  if (content.sender && contains_with_others(content.sender->steps, form::AUCUNE_DEMARCHE))
    problems.add("emetteur.demarches", "aucune ne va pas avec d'autres démarches.");
  if (content.structure && contains_with_others(content.structure->municipal_links, form::AUCUN_LIEN))
    problems.add("structure.liens_municipaux", "aucun ne va pas avec d'autres liens.");

  const bool needs_fact = content.kind != Kind::retour && content.kind != Kind::decision;
  const bool dated =
      std::any_of(content.facts.begin(), content.facts.end(), [](const Fact& fact) { return fact.date != 0; });
  // A complément may only correct an identity. An appraisal never travels alone.
  const bool corrects = content.kind == Kind::complement && (!persons.empty() || content.structure);
  if (needs_fact && !dated && !corrects)
    problems.add(LocalCode::missing_dated_fact, "faits",
                 "au moins un fait daté est nécessaire ; une appréciation seule ne peut pas être envoyée.");
}

void check(Content& content, const CheckOptions& options, Problems& problems) {
  Checker checker(options, problems);
  visit(checker, content);
  check_whole(content, problems);
}

// ---- to JSON -----------------------------------------------------------------------------------------------------

class JsonWriter {
 public:
  void choice(std::string_view name, std::string_view, int& value, Choices list, Need) {
    const Choice* found = find_number(list, value);
    put(name, found == nullptr ? unknown_text : found->name);
  }
  void choices(std::string_view name, std::string_view, std::vector<int>& values, Choices list) {
    Json names = Json::array();
    for (int value : values)
      if (const Choice* found = find_number(list, value)) names.push_back(std::string(found->name));
    put(name, std::move(names));
  }
  void line(std::string_view name, std::string_view, std::string& value, Line, Need) {
    put(name, value.empty() ? unknown_text : std::string_view(value));
  }
  void text(std::string_view name, std::string_view, std::string& value, Need) { put(name, value); }
  void date(std::string_view name, std::string_view, std::uint32_t& value, When) {
    put(name, value == 0 ? std::string(unknown_text) : typed_date(value));
  }
  template <class T>
  void object(std::string_view name, std::string_view, std::optional<T>& value, Need) {
    if (value) put(name, written(*value));
  }
  template <class T>
  void list(std::string_view name, std::string_view, std::vector<T>& values, std::size_t) {
    Json items = Json::array();
    for (T& value : values) items.push_back(written(value));
    put(name, std::move(items));
  }
  template <class Value>
  void put(std::string_view name, Value&& value) {
    out_[std::string(name)] = std::forward<Value>(value);
  }
  [[nodiscard]] const Json& json() const { return out_; }

 private:
  template <class T>
  static Json written(T& value) {
    JsonWriter writer;
    visit(writer, value);
    return std::move(writer.out_);
  }
  Json out_ = Json::object();
};

/// JSON whose reading aloud on a terminal is safe: what steers a display is written as \uXXXX. Valid, since such
/// characters stand only inside strings; line feeds between fields are ours.
std::string escape_steering(const std::string& json) {
  static constexpr std::string_view hex = "0123456789abcdef";
  std::string out;
  out.reserve(json.size());
  auto unit = [&](unsigned value) {
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out += hex[value >> shift & 15U];
  };
  for (std::string_view rest = json; !rest.empty();) {
    const std::string_view before = rest;
    const auto character = take_character(rest);
    PLI_INVARIANT(character.has_value());  // the JSON library writes only UTF-8
    if (*character == U'\n' || !steers_display(*character)) {
      out += before.substr(0, before.size() - rest.size());
    } else if (*character < 0x10000) {
      unit(static_cast<unsigned>(*character));
    } else {
      unit(0xd800U + ((static_cast<unsigned>(*character) - 0x10000U) >> 10));
      unit(0xdc00U + (static_cast<unsigned>(*character) & 0x3ffU));
    }
  }
  return out;
}

// ---- to a screen -------------------------------------------------------------------------------------------------

/// Every line that holds what a sender wrote begins with our own label or with "| ", so that no text can pass for one
/// of our headings.
class ScreenWriter {
 public:
  explicit ScreenWriter(std::string& out, std::string margin) : out_(out), margin_(std::move(margin)) {}

  void choice(std::string_view, std::string_view label, int& value, Choices list, Need) {
    const Choice* found = find_number(list, value);
    field(label, found == nullptr ? unknown_text : found->french);
  }
  void choices(std::string_view, std::string_view label, std::vector<int>& values, Choices list) {
    std::string names;
    for (int value : values)
      if (const Choice* found = find_number(list, value))
        names += (names.empty() ? "" : ", ") + std::string(found->french);
    field(label, names.empty() ? "non précisé" : names);
  }
  void line(std::string_view, std::string_view label, std::string& value, Line, Need) {
    field(label, value.empty() ? std::string(unknown_text) : printable(value));
  }
  void text(std::string_view, std::string_view label, std::string& value, Need) {
    if (value.empty()) return field(label, "rien");
    start_line();
    out_ += label;
    out_ += " :\n";
    const std::string shown = printable(value, Newlines::keep);
    for (std::size_t start = 0; start <= shown.size();) {
      const std::size_t end = std::min(shown.find('\n', start), shown.size());
      out_ += margin_ + "  | " + shown.substr(start, end - start) + "\n";
      start = end + 1;
    }
  }
  void date(std::string_view, std::string_view label, std::uint32_t& value, When) {
    field(label, value == 0 ? std::string(unknown_text) : french_date(value));
  }
  template <class T>
  void object(std::string_view, std::string_view label, std::optional<T>& value, Need) {
    if (!value) return;
    heading(label);
    ScreenWriter inner(out_, margin_ + "  ");
    visit(inner, *value);
  }
  template <class T>
  void list(std::string_view, std::string_view label, std::vector<T>& values, std::size_t) {
    if (values.empty()) return;
    heading(label);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::string number = std::to_string(i + 1) + ". ";
      ScreenWriter inner(out_, margin_ + "  " + std::string(number.size(), ' '));
      inner.first_margin_ = margin_ + "  " + number;
      visit(inner, values[i]);
    }
  }

 private:
  void heading(std::string_view label) {
    out_ += "\n" + margin_;
    out_ += label;
    out_ += "\n";
  }
  void field(std::string_view label, std::string_view value) {
    start_line();
    out_ += label;
    out_ += " : ";
    out_ += value;
    out_ += "\n";
  }
  void start_line() {
    out_ += first_margin_.empty() ? margin_ : first_margin_;
    first_margin_.clear();
  }
  std::string& out_;
  std::string margin_;
  std::string first_margin_;
};

// ---- protobuf ----------------------------------------------------------------------------------------------------

template <class Enum, class Repeated>
void write_numbers(const std::vector<int>& in, Repeated* out) {
  for (int number : in) out->Add(static_cast<Enum>(number));
}

template <class Repeated>
std::vector<int> read_numbers(const Repeated& in) {
  return {in.begin(), in.end()};
}

void write(const Fact& in, form::Fait& out) {
  if (in.date != 0) out.set_date(in.date);
  if (!in.place.empty()) out.set_lieu(in.place);
  if (!in.commune.empty()) out.set_commune(in.commune);
  if (in.known_by != 0) out.set_connaissance(static_cast<form::Connaissance>(in.known_by));
  if (!in.description.empty()) out.set_description(in.description);
  if (in.frequency != 0) out.set_frequence(static_cast<form::Frequence>(in.frequency));
  if (in.witness != 0) out.set_temoin(static_cast<form::Temoin>(in.witness));
}

void write(const Appraisal& in, form::Appreciation& out) {
  write_numbers<form::Domaine>(in.domains, out.mutable_domaines());
  if (in.urgency != 0) out.set_urgence(static_cast<form::SentimentUrgence>(in.urgency));
  if (!in.comment.empty()) out.set_commentaire(in.comment);
}

void write(const Person& in, form::Personne& out) {
  if (in.category != 0) out.set_categorie(static_cast<form::Categorie>(in.category));
  if (!in.name.empty()) out.set_nom(in.name);
  if (!in.first_names.empty()) out.set_prenoms(in.first_names);
  if (in.birth != 0) out.set_date_naissance(in.birth);
  if (in.age_band != 0) out.set_tranche_age(static_cast<form::TrancheAge>(in.age_band));
  if (in.minor != 0) out.set_mineur(static_cast<form::OuiNon>(in.minor));
  if (!in.commune.empty()) out.set_commune(in.commune);
}

void write(const Structure& in, form::Structure& out) {
  if (!in.name.empty()) out.set_nom(in.name);
  if (in.nature != 0) out.set_nature(static_cast<form::Nature>(in.nature));
  if (!in.address.empty()) out.set_adresse(in.address);
  if (!in.commune.empty()) out.set_commune(in.commune);
  if (!in.siren.empty()) out.set_siren(in.siren);
  if (!in.rna.empty()) out.set_rna(in.rna);
  write_numbers<form::LienMunicipal>(in.municipal_links, out.mutable_liens_municipaux());
}

void write(const Sender& in, form::Emetteur& out) {
  if (!in.service.empty()) out.set_service(in.service);
  if (in.origin != 0) out.set_origine(static_cast<form::Origine>(in.origin));
  write_numbers<form::Demarche>(in.steps, out.mutable_demarches());
  if (in.other_channel != 0) out.set_autre_canal(static_cast<form::AutreCanal>(in.other_channel));
  if (in.ground != 0) out.set_fondement(static_cast<form::Fondement>(in.ground));
}

template <class Message>
void write_facts_and_appraisal(const Content& in, Message& out) {
  for (const Fact& fact : in.facts) write(fact, *out.add_faits());
  if (in.appraisal) write(*in.appraisal, *out.mutable_appreciation());
}
template <class Message>
void write_persons(const Content& in, Message& out) {
  for (const Person& person : in.persons) write(person, *out.add_personnes());
}
template <class Message>
void write_structure(const Content& in, Message& out) {
  if (in.structure) write(*in.structure, *out.mutable_structure());
}
template <class Message>
void write_sender(const Content& in, Message& out) {
  if (in.sender) write(*in.sender, *out.mutable_emetteur());
}

std::string to_protobuf(const Content& in) {
  switch (in.kind) {
    case Kind::signalement_individuel: {
      form::SignalementIndividuel out;
      write_sender(in, out);
      write_persons(in, out);
      write_facts_and_appraisal(in, out);
      return out.SerializeAsString();
    }
    case Kind::signalement_de_structure: {
      form::SignalementDeStructure out;
      write_sender(in, out);
      write_structure(in, out);
      write_facts_and_appraisal(in, out);
      return out.SerializeAsString();
    }
    case Kind::complement: {
      form::Complement out;
      write_persons(in, out);
      write_structure(in, out);
      write_facts_and_appraisal(in, out);
      return out.SerializeAsString();
    }
    case Kind::retour: {
      form::Retour out;
      out.set_code(static_cast<form::CodeRetour>(in.retour_code));
      return out.SerializeAsString();
    }
    case Kind::decision: {
      form::Decision out;
      out.set_issue(static_cast<form::Issue>(in.outcome));
      out.set_motif(in.reason);
      return out.SerializeAsString();
    }
    default: break;
  }
  PLI_INVARIANT(in.kind == Kind::information_de_volet);
  form::InformationDeVolet out;
  out.set_volet(static_cast<form::Volet>(in.volet));
  out.set_objet(in.subject);
  if (!in.reference.empty()) out.set_reference(in.reference);
  if (!in.commune.empty()) out.set_commune(in.commune);
  if (!in.service.empty()) out.set_service(in.service);
  write_persons(in, out);
  write_structure(in, out);
  write_facts_and_appraisal(in, out);
  return out.SerializeAsString();
}

/// Every reader returns whether it knew all fields and values it met.
template <class Message>
bool all_known(const Message& in) {
  return in.unknown_fields().empty();
}

bool read(const form::Fait& in, Fact& out) {
  out = {in.date(),
         in.lieu(),
         in.commune(),
         in.has_connaissance() ? in.connaissance() : 0,
         in.description(),
         in.has_frequence() ? in.frequence() : 0,
         in.has_temoin() ? in.temoin() : 0};
  return all_known(in);
}

bool read(const form::Appreciation& in, Appraisal& out) {
  out = {read_numbers(in.domaines()), in.has_urgence() ? in.urgence() : 0, in.commentaire()};
  return all_known(in);
}

bool read(const form::Personne& in, Person& out) {
  out = {in.has_categorie() ? in.categorie() : 0,
         in.nom(),
         in.prenoms(),
         in.date_naissance(),
         in.has_tranche_age() ? in.tranche_age() : 0,
         in.has_mineur() ? in.mineur() : 0,
         in.commune()};
  return all_known(in);
}

bool read(const form::Structure& in, Structure& out) {
  out = {in.nom(), in.has_nature() ? in.nature() : 0,  in.adresse(), in.commune(), in.siren(),
         in.rna(), read_numbers(in.liens_municipaux())};
  return all_known(in);
}

bool read(const form::Emetteur& in, Sender& out) {
  out = {in.service(), in.has_origine() ? in.origine() : 0, read_numbers(in.demarches()),
         in.has_autre_canal() ? in.autre_canal() : 0, in.has_fondement() ? in.fondement() : 0};
  return all_known(in);
}

template <class Message>
bool read_facts_and_appraisal(const Message& in, Content& out) {
  bool known = all_known(in);
  for (const form::Fait& fact : in.faits()) known = read(fact, out.facts.emplace_back()) && known;
  if (in.has_appreciation()) known = read(in.appreciation(), out.appraisal.emplace()) && known;
  return known;
}
template <class Message>
bool read_persons(const Message& in, Content& out) {
  bool known = true;
  for (const form::Personne& person : in.personnes()) known = read(person, out.persons.emplace_back()) && known;
  return known;
}
template <class Message>
bool read_structure(const Message& in, Content& out) {
  return !in.has_structure() || read(in.structure(), out.structure.emplace());
}
template <class Message>
bool read_sender(const Message& in, Content& out) {
  return !in.has_emetteur() || read(in.emetteur(), out.sender.emplace());
}

template <class Message>
bool parse(ByteView bytes, Message& out) {
  return out.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

/// Nothing when the bytes are not a form of this kind, or hold a field or value this version does not know.
std::optional<Content> from_protobuf(Kind kind, ByteView bytes) {
  if (bytes.size() > form_bytes_max) return std::nullopt;
  Content out;
  out.kind = kind;
  bool known = false;
  switch (kind) {
    case Kind::signalement_individuel: {
      form::SignalementIndividuel in;
      known = parse(bytes, in) && read_sender(in, out) && read_persons(in, out) && read_facts_and_appraisal(in, out);
      break;
    }
    case Kind::signalement_de_structure: {
      form::SignalementDeStructure in;
      known = parse(bytes, in) && read_sender(in, out) && read_structure(in, out) && read_facts_and_appraisal(in, out);
      break;
    }
    case Kind::complement: {
      form::Complement in;
      known = parse(bytes, in) && read_persons(in, out) && read_structure(in, out) && read_facts_and_appraisal(in, out);
      break;
    }
    case Kind::retour: {
      form::Retour in;
      known = parse(bytes, in) && all_known(in);
      if (in.has_code()) out.retour_code = in.code();
      break;
    }
    case Kind::decision: {
      form::Decision in;
      known = parse(bytes, in) && all_known(in);
      if (in.has_issue()) out.outcome = in.issue();
      out.reason = in.motif();
      break;
    }
    case Kind::information_de_volet: {
      form::InformationDeVolet in;
      known = parse(bytes, in) && read_persons(in, out) && read_structure(in, out) && read_facts_and_appraisal(in, out);
      if (in.has_volet()) out.volet = in.volet();
      out.subject = in.objet();
      out.reference = in.reference();
      out.commune = in.commune();
      out.service = in.service();
      break;
    }
    default: break;
  }
  if (!known) return std::nullopt;
  return out;
}

// ---- sealed content: u8 1 ‖ u16 kind ‖ u32-prefixed protobuf ‖ u8 n ‖ n × (string8 name ‖ string8 type ‖
// u32-prefixed) -

constexpr std::size_t protobuf_at = 1 + 2 + 4;

Bytes to_content(const Content& content) {
  ByteWriter out;
  out.u8(content_version);
  out.u16(static_cast<std::uint16_t>(content.kind));
  out.bytes32(as_bytes(to_protobuf(content)));
  out.u8(0);
  return out.take();
}

/// Of bytes we made or checked ourselves.
Content reread(Kind kind, const Bytes& bytes) {
  ByteReader in(bytes);
  static_cast<void>(in.raw(1 + 2));
  auto content = from_protobuf(kind, in.bytes32());
  PLI_INVARIANT(content.has_value());
  return *std::move(content);
}

/// A name that is one file in whatever folder it is written to, on any system, and that no shell takes for an option.
bool is_attachment_name(std::string_view name) {
  static constexpr std::string_view forbidden = "/\\<>:\"|?*";
  if (name.empty() || name.size() > attachment_name_bytes_max) return false;
  if (name.front() == '.' || name.front() == '-' || name.front() == ' ') return false;
  if (name.back() == '.' || name.back() == ' ') return false;
  for (std::string_view rest = name; !rest.empty();) {
    const auto character = take_character(rest);
    if (!character || steers_display(*character)) return false;
    if (*character < 0x80 && forbidden.find(static_cast<char>(*character)) != std::string_view::npos) return false;
  }
  return true;
}

bool is_media_type(std::string_view text) {
  if (text.size() > media_type_bytes_max) return false;
  const std::size_t slash = text.find('/');
  if (slash == 0 || slash == std::string_view::npos || slash + 1 == text.size()) return false;
  return std::all_of(text.begin(), text.end(), [slash, &text](const char& c) {
    if (c == '/') return &c == text.data() + slash;
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '+' || c == '-';
  });
}

Result<void> check_attachment(const std::vector<Attachment>& present, const Attachment& attachment) {
  if (present.size() >= attachments_max) return Error{Errc::over_limit, "attachments_max"};
  if (!is_attachment_name(attachment.name)) return Error{Errc::invalid_input, "attachment name"};
  if (!is_media_type(attachment.media_type)) return Error{Errc::invalid_input, "attachment media type"};
  for (const Attachment& other : present)
    if (other.name == attachment.name) return Error{Errc::invalid_input, "attachment name given twice"};
  return {};
}

/// Whether content of this size, with all that surrounds it at its largest, still makes an exchange.
bool fits_exchange(Kind kind, std::size_t content_bytes) {
  constexpr std::size_t age_nonce = 16;
  constexpr std::size_t age_chunk = 64 * 1024;
  constexpr std::size_t age_tag = 16;
  const std::size_t around =
      4 + address_bytes_max + 4 + 2 + checkpoint_bytes_max + 1 + gossip_heads_max * (1 + 71 + 8 + 32);
  const std::size_t padded = bucket_for(kind, content_bytes + around);
  return locked_bytes_max + age_nonce + padded + (padded / age_chunk + 1) * age_tag <= exchange_bytes_max;
}

Result<Bytes> made(Content content) {
  Problems problems;
  CheckOptions options;
  options.typed = true;
  check(content, options, problems);
  if (!problems.empty()) return Error{Errc::invalid_input, "form field " + problems.take().front().field};
  return to_content(content);
}

std::vector<std::string_view> names_of(Choices list) {
  std::vector<std::string_view> out;
  for (const Choice& choice : list) out.push_back(choice.name);
  return out;
}

const Person* signalled(const Content& content) {
  for (const Person& person : content.persons)
    if (person.category == form::PERSONNE_SIGNALEE) return &person;
  return nullptr;
}

}  // namespace

Result<Form, std::vector<FormProblem>> Form::from_json(std::string_view json, KnownCommune is_known_commune,
                                                       void* context, std::optional<UnixMillis> now) {
  Problems problems;
  if (json.size() > form_bytes_max) {
    problems.add("", "formulaire trop long : " + std::to_string(form_bytes_max / 1024) + " Kio au plus.");
    return problems.take();
  }
  const Json parsed = parse_json(json, problems);
  if (!problems.empty()) return problems.take();

  JsonReader reader(parsed, "", problems);
  const auto type = reader.take_text("type");
  const auto kind = type ? kind_of(*type) : std::nullopt;
  if (!kind || !has_form(*kind)) {
    std::string names;
    for (Kind known : form_kinds) names += (names.empty() ? "" : ", ") + std::string(row_of(known)->name);
    problems.add("type", "champ obligatoire ; valeurs possibles : " + names + ".");
    return problems.take();
  }
  Content content;
  content.kind = *kind;
  visit(reader, content);
  reader.finish();

  CheckOptions options{is_known_commune, context, now ? latest_date(*now) : 0, true};
  check(content, options, problems);
  if (!problems.empty()) return problems.take();
  return Form(*kind, to_content(content), {});
}

Result<Form> Form::retour(std::string_view code) {
  Content content;
  content.kind = Kind::retour;
  if (const Choice* found = find_name(codes_retour, code)) content.retour_code = found->number;
  auto bytes = made(std::move(content));
  if (!bytes) return bytes.error();
  return Form(Kind::retour, *std::move(bytes), {});
}

Result<Form> Form::decision(std::string_view outcome, std::string_view reason) {
  Content content;
  content.kind = Kind::decision;
  if (const Choice* found = find_name(issues, outcome)) content.outcome = found->number;
  content.reason = reason;
  auto bytes = made(std::move(content));
  if (!bytes) return bytes.error();
  return Form(Kind::decision, *std::move(bytes), {});
}

Result<Form> Form::decode(ByteView bytes) {
  const Error wrong{Errc::invalid_input, "form"};
  if (bytes.size() > exchange_bytes_max) return wrong;
  ByteReader in(bytes);
  const std::uint8_t version = in.u8();
  const KindRow* row = row_of_number(in.u16());
  const ByteView protobuf = in.bytes32();
  const std::uint8_t count = in.u8();
  if (!in.ok() || count > attachments_max) return wrong;
  if (version != content_version) return Error{Errc::invalid_input, "form of another version"};
  if (row == nullptr || !has_form(row->kind)) return Error{Errc::invalid_input, "form of an unknown kind"};
  std::vector<Attachment> attachments;
  for (std::uint8_t i = 0; i < count; ++i) {
    Attachment attachment;
    attachment.name = in.string8();
    attachment.media_type = in.string8();
    attachment.bytes = to_bytes(in.bytes32());
    if (!in.ok()) return wrong;
    if (auto checked = check_attachment(attachments, attachment); !checked)
      return Error{Errc::invalid_input, checked.error().detail};
    attachments.push_back(std::move(attachment));
  }
  if (!in.at_end()) return wrong;

  auto content = from_protobuf(row->kind, protobuf);
  if (!content) return Error{Errc::invalid_input, "form of a newer program, or damaged"};
  Problems problems;
  check(*content, {}, problems);
  if (!problems.empty()) return Error{Errc::invalid_input, "form field " + problems.take().front().field};
  return Form(row->kind, to_bytes(bytes), std::move(attachments));
}

std::string Form::to_json() const {
  Content content = reread(kind_, bytes_);
  JsonWriter writer;
  writer.put("type", row_of(kind_)->name);
  visit(writer, content);
  return escape_steering(writer.json().dump(2)) + "\n";
}

std::string Form::to_french_text() const {
  Content content = reread(kind_, bytes_);
  std::string out(row_of(kind_)->french);
  out += "\n";
  ScreenWriter writer(out, "");
  visit(writer, content);
  if (attachments_.empty()) return out;
  out += "\nPièces jointes\n";
  for (const Attachment& attachment : attachments_)
    out += "  " + printable(attachment.name) + " (" + printable(attachment.media_type) + ", " +
           std::to_string(attachment.bytes.size()) + " octets)\n";
  return out;
}

std::string Form::commune() const {
  const Content content = reread(kind_, bytes_);
  if (const Person* person = signalled(content); person != nullptr && !person->commune.empty()) return person->commune;
  if (content.structure && !content.structure->commune.empty()) return content.structure->commune;
  return content.commune;
}

Urgency Form::urgency() const {
  const Content content = reread(kind_, bytes_);
  return content.appraisal && content.appraisal->urgency == form::URGENTE ? Urgency::urgente : Urgency::normale;
}

Result<void> Form::attach(Attachment attachment) {
  if (auto checked = check_attachment(attachments_, attachment); !checked) return checked.error();
  ByteWriter more;
  more.string8(attachment.name);
  more.string8(attachment.media_type);
  if (attachment.bytes.size() > exchange_bytes_max ||
      !fits_exchange(kind_, bytes_.size() + more.bytes().size() + 4 + attachment.bytes.size()))
    return Error{Errc::over_limit, "exchange_bytes_max"};
  more.bytes32(attachment.bytes);
  ByteReader in(bytes_);
  static_cast<void>(in.raw(1 + 2));
  const std::size_t count_at = protobuf_at + in.bytes32().size();
  ++bytes_[count_at];
  append(bytes_, more.bytes());
  attachments_.push_back(std::move(attachment));
  return {};
}

std::vector<std::string_view> retour_codes() { return names_of(codes_retour); }
std::vector<std::string_view> decision_outcomes() { return names_of(issues); }

}  // namespace pli::protocol
