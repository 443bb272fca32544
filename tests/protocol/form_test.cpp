#include "protocol/form.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "config/commune_table.hpp"
#include "protocol/form_lists.hpp"
#include "protocol/limits.hpp"
#include "protocol/printable.hpp"

namespace pli::protocol {
namespace {

namespace fs = std::filesystem;

const fs::path source(PLI_SOURCE_DIR);

std::string file_text(const fs::path& path) {
  auto bytes = read_file(path, 1 << 20);
  EXPECT_TRUE(bytes) << path;
  return bytes ? std::string(as_text(*bytes)) : std::string();
}

std::vector<fs::path> json_files(const char* folder) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(source / "config" / folder))
    if (entry.path().extension() == ".json") out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

const config::CommuneTable& communes() {
  static const config::CommuneTable table = [] {
    auto loaded = config::CommuneTable::load(source / "config" / config::commune_table_file);
    PLI_INVARIANT(loaded.has_value());
    return *std::move(loaded);
  }();
  return table;
}

bool is_real_commune(void* context, std::string_view code) {
  return static_cast<const config::CommuneTable*>(context)->find_by_code(code) != nullptr;
}

// The middle of 2025-06-15, UTC.
constexpr UnixMillis noon{1'749'988'800'000};

Result<Form, std::vector<FormProblem>> read_form(std::string_view json, std::optional<UnixMillis> now = std::nullopt) {
  return Form::from_json(json, is_real_commune, const_cast<config::CommuneTable*>(&communes()), now);
}

std::vector<FormProblem> problems_of(std::string_view json, std::optional<UnixMillis> now = std::nullopt) {
  auto form = read_form(json, now);
  if (!form) {
    EXPECT_FALSE(form.error().empty());
    return form.error();
  }
  return {};
}

std::string all_fields(const std::vector<FormProblem>& problems) {
  std::string out;
  for (const FormProblem& problem : problems) out += (out.empty() ? "" : " ") + problem.field;
  return out;
}

/// A form with a hole for each part, so that a test writes only what it is about.
struct Parts {
  std::string type = R"("signalement_individuel")";
  std::string sender = R"({"service": "Police municipale", "origine": "habitant"})";
  std::string persons = R"([{"categorie": "personne_signalee", "nom": "Corvelle", "commune": "89024"}])";
  std::string facts = R"([{"date": "2025-03-12", "connaissance": "rapporte", "description": "Un fait."}])";
  std::string more;

  [[nodiscard]] std::string json() const {
    return R"({"type": )" + type + R"(, "emetteur": )" + sender + R"(, "personnes": )" + persons + R"(, "faits": )" +
           facts + more + "}";
  }
};

Parts with_fact(const std::string& fact) {
  Parts parts;
  parts.facts = "[" + fact + "]";
  return parts;
}

Parts with_person(const std::string& person) {
  Parts parts;
  parts.persons = "[" + person + "]";
  return parts;
}

std::string structure_form(const std::string& structure) {
  return R"({"type": "signalement_de_structure", "emetteur": {"service": "Vie associative"}, "structure": )" +
         structure + R"(, "faits": [{"date": "2025-03-12", "connaissance": "document", "description": "Un fait."}]})";
}

Form good() {
  auto form = read_form(Parts().json());
  PLI_INVARIANT(form.has_value());
  return *std::move(form);
}

// ---- examples ----------------------------------------------------------------------------------------------------

TEST(FormExamples, EachIsAcceptedAndComesBackAsItWasWritten) {
  for (const char* folder : {"forms", "demo"})
    for (const fs::path& path : json_files(folder)) {
      const std::string text = file_text(path);
      auto form = read_form(text, noon);
      ASSERT_TRUE(form) << path << ": " << all_fields(problems_of(text, noon));
      EXPECT_EQ(form->to_json(), text) << path;
      auto sealed = Form::decode(form->encode());
      ASSERT_TRUE(sealed) << path << ": " << sealed.error().detail;
      EXPECT_EQ(*sealed, *form) << path;
      EXPECT_EQ(sealed->encode(), form->encode()) << path;
      EXPECT_EQ(sealed->to_json(), text) << path;
    }
  EXPECT_GE(json_files("forms").size(), 12U);
  EXPECT_EQ(json_files("demo").size(), 30U);
}

TEST(FormExamples, EveryTypeHasOne) {
  std::set<Kind> kinds;
  for (const fs::path& path : json_files("forms")) {
    auto form = read_form(file_text(path));
    ASSERT_TRUE(form) << path;
    kinds.insert(form->kind());
  }
  EXPECT_EQ(kinds, std::set<Kind>(form_kinds().begin(), form_kinds().end()));
}

TEST(FormExamples, EveryKindButAccessAndAnomalyHasAForm) {
  for (const KindRow& row : kind_table()) {
    const bool has = std::count(form_kinds().begin(), form_kinds().end(), row.kind) == 1;
    EXPECT_EQ(has, row.kind != Kind::acces && row.kind != Kind::anomalie) << row.name;
    EXPECT_EQ(route_of(row.kind).empty(), !has) << row.name;
    EXPECT_EQ(blank_form(row.kind, Comments::with).empty(), !has) << row.name;
  }
}

TEST(FormExamples, EachOfTheFourOtherVoletsHasOne) {
  std::set<std::string> volets_seen;
  for (const fs::path& path : json_files("forms")) {
    const auto json = nlohmann::json::parse(file_text(path));
    if (json["type"] == "information_de_volet") volets_seen.insert(json["volet"]);
  }
  EXPECT_EQ(volets_seen,
            (std::set<std::string>{"securite_interieure", "justice", "prevention_delinquance", "transport"}));
}

TEST(FormExamples, TheCommentedTemplateOfEachTypeIsAForm) {
  const std::string readme = file_text(source / "config/forms/README.md");
  std::set<Kind> kinds;
  for (std::size_t at = readme.find("```jsonc\n"); at != std::string::npos; at = readme.find("```jsonc\n", at)) {
    at += 9;
    const std::size_t end = readme.find("```", at);
    ASSERT_NE(end, std::string::npos);
    const std::string json = readme.substr(at, end - at);
    auto form = read_form(json, noon);
    ASSERT_TRUE(form) << all_fields(problems_of(json, noon)) << "\n" << json;
    EXPECT_TRUE(kinds.insert(form->kind()).second);
    at = end;
  }
  EXPECT_EQ(kinds, std::set<Kind>(form_kinds().begin(), form_kinds().end()));
}

TEST(FormExamples, TheReadmeListsEveryValueThatExists) {
  const std::string readme = file_text(source / "config/forms/README.md");
  const std::vector<Choices> lists = {connaissances,
                                      frequences,
                                      temoins,
                                      domaines,
                                      urgences,
                                      categories,
                                      tranches_age,
                                      oui_non,
                                      natures,
                                      liens_municipaux,
                                      origines,
                                      demarches,
                                      autres_canaux,
                                      fondements,
                                      codes_retour,
                                      issues,
                                      volets,
                                      motifs_retrait,
                                      besoins,
                                      demandes,
                                      motifs_rectification,
                                      cas_nominatifs,
                                      themes,
                                      destinations,
                                      motifs_orientation,
                                      motifs_transmission,
                                      qualites,
                                      avis_agrement,
                                      instances,
                                      motifs_cloture,
                                      motifs_report,
                                      avis_de_recevabilite,
                                      motifs_hors_perimetre,
                                      motifs_recusation,
                                      causes_maintien,
                                      causes_effacement};
  for (const Choices& list : lists)
    for (const Choice& choice : list) {
      EXPECT_NE(readme.find("`" + std::string(choice.name) + "`"), std::string::npos) << choice.name;
      EXPECT_FALSE(choice.french.empty());
      EXPECT_EQ(find_name(list, choice.name), &choice) << "a name given twice";
    }
}

TEST(FormBlank, IsWhatSendAcceptsOnceWhatIsObligatoryIsFilled) {
  for (Kind kind : form_kinds()) {
    const std::string blank = blank_form(kind, Comments::with);
    const auto problems = problems_of(blank, noon);
    EXPECT_FALSE(problems.empty()) << blank << "nobody has filled anything";
    for (const FormProblem& problem : problems) {
      EXPECT_EQ(problem.field.find("(champ"), std::string::npos) << problem.field << "\n" << blank;
      EXPECT_EQ(problem.french.find("JSON"), std::string::npos) << blank;
      // A field at fault stands there obligatory and empty, or is the whole (a dated fact, a person signalled).
      const std::string name = problem.field.substr(problem.field.rfind('.') + 1);
      const bool left_empty = blank.find("\"" + name + "\": \"\"") != std::string::npos ||
                              blank.find("\"" + name + "\": []") != std::string::npos;
      const bool whole = name == "faits" || name == "personnes" || problem.field.empty();
      EXPECT_TRUE(left_empty || whole) << problem.field << "\n" << blank;
    }
  }
}

TEST(FormBlank, HasEveryFieldOfTheExamplesAndSaysTheSameWithoutComments) {
  for (const char* folder : {"forms", "demo"})
    for (const fs::path& path : json_files(folder)) {
      const auto json = nlohmann::ordered_json::parse(file_text(path));
      const std::string blank = blank_form(*kind_of(json["type"].get<std::string>()), Comments::with);
      for (const auto& [name, value] : json.items())
        EXPECT_NE(blank.find("\"" + name + "\""), std::string::npos) << path << ": " << name;
    }
  for (Kind kind : form_kinds()) {
    const std::string bare = blank_form(kind, Comments::without);
    EXPECT_EQ(nlohmann::ordered_json::parse(bare),
              nlohmann::ordered_json::parse(blank_form(kind, Comments::with), nullptr, true, true));
    EXPECT_EQ(bare.find("//"), std::string::npos) << bare;
  }
}

TEST(FormBlank, IsSentWithItsCommentsOnceFilled) {
  std::string filled = blank_form(Kind::signalement_de_structure, Comments::with);
  for (const auto& [empty, value] :
       std::vector<std::pair<std::string, std::string>>{{R"("service": "")", R"("service": "Vie associative")"},
                                                        {R"("nature": "")", R"("nature": "autre_commerce")"},
                                                        {R"("date": "inconnu")", R"("date": "2025-03-12")"},
                                                        {R"("connaissance": "")", R"("connaissance": "rapporte")"},
                                                        {R"("description": "")", R"("description": "Un fait.")"}}) {
    const std::size_t at = filled.find(empty);
    ASSERT_NE(at, std::string::npos) << empty << "\n" << filled;
    filled.replace(at, empty.size(), value);
  }
  EXPECT_EQ(all_fields(problems_of(filled, noon)), "");
}

TEST(FormBlank, WarnsBesideEachFreeText) {
  for (Kind kind : {Kind::signalement_individuel, Kind::retrait, Kind::decision, Kind::point_de_situation})
    EXPECT_NE(blank_form(kind, Comments::with).find("ni religion"), std::string::npos) << row_of(kind)->name;
  EXPECT_EQ(blank_form(Kind::retour, Comments::with).find("ni religion"), std::string::npos) << "it has no free text";
}

TEST(DemoPlan, NamesEachFormOnceAndOnlyFilesThatAreThere) {
  std::ifstream plan(source / "config/demo/plan.tsv");
  std::set<std::string> forms;
  std::set<std::string> pieces;
  std::set<std::string> senders;
  int with = 0;
  for (std::string line; std::getline(plan, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::vector<std::string> columns;
    std::stringstream fields(line + "\t");
    for (std::string column; std::getline(fields, column, '\t');) columns.push_back(column);
    ASSERT_EQ(columns.size(), 3U) << line;
    EXPECT_TRUE(forms.insert(columns[0]).second);
    senders.insert(columns[1]);
    EXPECT_NE(columns[0].find(columns[1]), std::string::npos);
    auto form = read_form(file_text(source / "config/demo" / columns[0]), noon);
    ASSERT_TRUE(form) << columns[0];
    std::stringstream names(columns[2]);
    for (std::string name; std::getline(names, name, ',');) {
      auto bytes = read_file(source / "config/demo/pieces" / name, 1 << 20);
      ASSERT_TRUE(bytes) << name;
      EXPECT_TRUE(form->attach({name, "application/octet-stream", *bytes})) << name;
      pieces.insert(name);
    }
    with += form->attachments().empty() ? 0 : 1;
  }
  EXPECT_EQ(forms.size(), 30U);
  EXPECT_EQ(senders, (std::set<std::string>{"auxerre", "avallon", "sens"}));
  EXPECT_GE(with, 10);
  EXPECT_LE(with, 20);
  std::size_t there = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(source / "config/demo/pieces")) ++there;
  EXPECT_EQ(pieces.size(), there) << "a piece nobody sends";
}

TEST(DemoForms, ArePersonsAndStructuresOfTheYonneSomeUrgent) {
  int urgent = 0;
  std::map<Kind, int> kinds;
  for (const fs::path& path : json_files("demo")) {
    auto form = read_form(file_text(path), noon);
    ASSERT_TRUE(form) << path;
    ++kinds[form->kind()];
    urgent += form->urgency() == Urgency::urgente ? 1 : 0;
    if (!form->commune().empty()) {
      EXPECT_EQ(form->commune().substr(0, 2), "89") << path;
    }
  }
  EXPECT_GE(urgent, 5);
  EXPECT_LE(urgent, 15);
  EXPECT_GE(kinds[Kind::signalement_individuel], 8);
  EXPECT_GE(kinds[Kind::signalement_de_structure], 8);
}

TEST(FormSchema, HasNoFieldForReligionEthnicityHealthJudicialHistoryOrScore) {
  std::string schema = file_text(source / "protocol/form.proto");
  std::string fields;
  std::stringstream lines(schema);
  for (std::string line; std::getline(lines, line);) {
    const std::string code = line.substr(0, line.find("//"));
    fields += code + "\n";
  }
  std::transform(fields.begin(), fields.end(), fields.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (Kind kind : form_kinds()) fields += blank_form(kind, Comments::without);  // and none under another name in JSON
  ASSERT_NE(fields.find("date_naissance"), std::string::npos);
  for (const char* forbidden : {"religi", "confession", "croyance", "pratique",   "ethni",  "nationalit",  "race",
                                "sante",  "medical",    "psych",    "judiciaire", "casier", "condamn",     "antecedent",
                                "score",  "note_",      "niveau",   "rang",       "fsprt",  "chef_de_file"})
    EXPECT_EQ(fields.find(forbidden), std::string::npos) << forbidden;
}

// ---- what is refused before sealing ------------------------------------------------------------------------------

TEST(FormCheck, AcceptsTheLeastAFormCanBe) {
  const Form form = good();
  EXPECT_EQ(form.kind(), Kind::signalement_individuel);
  EXPECT_EQ(form.commune(), "89024");
  EXPECT_EQ(form.urgency(), Urgency::normale);
  EXPECT_TRUE(form.attachments().empty());
}

struct Refused {
  std::string json;
  std::string field;
  LocalCode code = LocalCode::bad_form;
};

TEST(FormCheck, NamesTheFieldAtFault) {
  const std::string long_text(free_text_chars_max + 1, 'x');
  const std::string long_line(line_chars_max + 1, 'x');
  auto fact = [](const std::string& fields) {
    return with_fact(R"({"date": "2025-03-12", "connaissance": "rapporte", "description": "Un fait.", )" + fields + "}")
        .json();
  };
  auto person = [](const std::string& fields) {
    return with_person(R"({"categorie": "personne_signalee", )" + fields + "}").json();
  };
  auto sender = [](const std::string& object) {
    Parts parts;
    parts.sender = object;
    return parts.json();
  };
  auto type = [](const std::string& value) {
    Parts parts;
    parts.type = value;
    return parts.json();
  };
  const std::vector<Refused> cases = {
      // the form as a whole
      {"", ""},
      {"[]", ""},
      {"{", ""},
      {"{}", "type"},
      {type("5"), "type"},
      {type(R"("signalement")"), "type"},
      {type(R"("acces")"), "type"},
      {R"({"type": "retour", "type": "retour", "code": "examen_termine"})", ""},
      {"\xff", ""},
      // facts
      {fact(R"("date": "2025-03-12")"), ""},  // twice
      {with_fact("5").json(), "faits[0]"},
      {with_fact(R"({"date": "2025-03-12", "description": "Un fait."})").json(), "faits[0].connaissance"},
      {with_fact(R"({"date": "2025-03-12", "connaissance": "rapporte"})").json(), "faits[0].description"},
      {with_fact(R"({"date": "2025-03-12", "connaissance": "inconnu", "description": "x"})").json(),
       "faits[0].connaissance"},
      {with_fact(R"({"date": "2025-03-12", "connaissance": "Rapporte", "description": "x"})").json(),
       "faits[0].connaissance"},
      {with_fact(R"({"date": "2025-03-12", "connaissance": "rapporte", "description": "  \n "})").json(),
       "faits[0].description"},
      {with_fact(R"({"date": "2025-03-12", "connaissance": "rapporte", "description": ")" + long_text + "\"}").json(),
       "faits[0].description"},
      {with_fact(R"({"date": "2025-03-12", "connaissance": "rapporte", "description": 3})").json(),
       "faits[0].description"},
      {with_fact(R"({"date": "2025-03-12", "connaissance": "rapporte", "description": null})").json(),
       "faits[0].description"},
      {fact(R"("frequence": "souvent")"), "faits[0].frequence"},
      {fact(R"("temoin": "M. Untel")"), "faits[0].temoin"},
      {fact(R"("lieu": ")" + long_line + "\""), "faits[0].lieu"},
      {fact(R"("lieu": "a\nb")"), "faits[0].lieu"},
      {fact(R"("lieu": "a\u001b[31mb")"), "faits[0].lieu"},
      {fact(R"("lieu": "a\u202eb")"), "faits[0].lieu"},
      {fact(R"("commune": "89999")"), "faits[0].commune", LocalCode::unknown_commune},
      {fact(R"("religion": "x")"), "faits[0].(champ 4)"},
      // persons
      {person(R"("nom": ")" + long_line + "\""), "personnes[0].nom"},
      {person(R"("date_naissance": "12/03/1990")"), "personnes[0].date_naissance"},
      {person(R"("date_naissance": "1990-02-30")"), "personnes[0].date_naissance"},
      {person(R"("date_naissance": "1890-02-03")"), "personnes[0].date_naissance"},
      {person(R"("date_naissance": "1990-01-01", "tranche_age": "26_40")"), "personnes[0].tranche_age"},
      {person(R"("tranche_age": "13_17", "mineur": "non")"), "personnes[0].mineur"},
      {person(R"("tranche_age": "18_25", "mineur": "oui")"), "personnes[0].mineur"},
      {person(R"("mineur": true)"), "personnes[0].mineur"},
      {person(R"("commune": "Auxerre")"), "personnes[0].commune", LocalCode::unknown_commune},
      {person(R"("commune": "89000")"), "personnes[0].commune", LocalCode::unknown_commune},  // a postal code
      {person(R"("commune": "89024 ")"), "personnes[0].commune", LocalCode::unknown_commune},
      {with_person(R"({"nom": "Corvelle"})").json(), "personnes[0].categorie"},
      {with_person(R"({"categorie": "temoin"})").json(), "personnes"},
      {with_person(R"({"categorie": "personne_signalee"}, {"categorie": "personne_signalee"})").json(), "personnes"},
      {with_person("").json(), "personnes"},
      // the sender
      {sender("{}"), "emetteur.service"},
      {sender(R"({"service": "inconnu"})"), "emetteur.service"},
      {sender("[]"), "emetteur"},
      {sender(R"({"service": "S", "demarches": ["courrier", "courrier"]})"), "emetteur.demarches"},
      {sender(R"({"service": "S", "demarches": ["courrier", "aucune"]})"), "emetteur.demarches"},
      {sender(R"({"service": "S", "demarches": "courrier"})"), "emetteur.demarches"},
      {sender(R"({"service": "S", "demarches": [1]})"), "emetteur.demarches[0]"},
      {R"({"type": "signalement_individuel"})", "emetteur"},
      // structures
      {structure_form("{}"), "structure.nature"},
      {structure_form(R"({"nature": "association"})"), "structure.nature"},
      {structure_form(R"({"nature": "autre_commerce", "siren": "12345"})"), "structure.siren"},
      {structure_form(R"({"nature": "autre_commerce", "siren": "123456789"})"), "structure.siren"},
      {structure_form(R"({"nature": "autre_commerce", "rna": "X123456789"})"), "structure.rna"},
      {structure_form(R"({"nature": "autre_commerce", "commune": "00000"})"), "structure.commune",
       LocalCode::unknown_commune},
      {structure_form(R"({"nature": "autre_commerce", "liens_municipaux": ["aucun", "subvention"]})"),
       "structure.liens_municipaux"},
      {R"({"type": "signalement_de_structure", "emetteur": {"service": "S"}})", "structure"},
      // the others
      {R"({"type": "retour"})", "code"},
      {R"({"type": "retour", "code": "pris_en_compte"})", "code"},
      {R"({"type": "retour", "code": "examen_termine", "commentaire": "x"})", "(champ 3)"},
      {R"({"type": "decision", "issue": "sans_suite"})", "motif"},
      {R"({"type": "decision", "motif": "x"})", "issue"},
      {R"({"type": "retrait"})", "motif"},
      {R"({"type": "retrait", "motif": "inconnu"})", "motif"},
      {R"({"type": "retrait", "motif": "doublon", "commentaire": "x"})", "(champ 3)"},
      {R"({"type": "rectification", "motif": "erreur_de_saisie"})", "echange"},
      {R"({"type": "rectification", "echange": "3f9a2c71"})", "echange"},
      {R"({"type": "rectification", "echange": ")" + std::string(64, 'G') + "\"}", "echange"},
      {R"({"type": "rectification", "echange": "x"})", ""},  // no content
      {R"({"type": "rectification", "complement": {}, "signalement_de_structure": {}})", ""},
      {R"({"type": "rectification", "complement": {}})", "complement.faits", LocalCode::missing_dated_fact},
      {R"({"type": "rectification", "signalement_individuel": {"emetteur": {}}})",
       "signalement_individuel.emetteur.service"},
      {R"({"type": "rectification", "signalement_individuel": {"personnes": []}})", "signalement_individuel.personnes"},
      {R"({"type": "rectification", "signalement_individuel": {"type": "signalement_individuel"}})",
       "signalement_individuel.(champ 1)"},
      {R"({"type": "rectification", "retour": {"code": "examen_termine"}})", "(champ 2)"},
      {R"({"type": "proposition_accompagnement"})", "emetteur"},
      {R"({"type": "proposition_accompagnement", "personnes": []})", "personnes"},
      {R"({"type": "proposition_accompagnement", "besoins": ["soins"]})", "besoins[0]"},
      {R"({"type": "proposition_accompagnement"})", "faits", LocalCode::missing_dated_fact},
      {R"({"type": "demande_de_complement"})", "demandes"},
      {R"({"type": "demande_de_complement", "demandes": []})", "demandes"},
      {R"({"type": "information_nominative"})", "cas"},
      {R"({"type": "information_nominative"})", "personnes"},
      {R"({"type": "information_nominative"})", "valable_jusqu_au"},
      {R"({"type": "information_nominative"})", "faits", LocalCode::missing_dated_fact},
      {R"({"type": "information_nominative", "valable_jusqu_au": "inconnu"})", "valable_jusqu_au"},
      {R"({"type": "information_nominative", "personnes": [{"categorie": "temoin"}], "structure": {"nature": "autre_commerce"}})",
       "personnes"},
      {R"({"type": "information_nominative", "appreciation": {}})", "(champ 2)"},
      {R"({"type": "point_de_situation", "personnes": []})", "(champ 2)"},
      {R"({"type": "point_de_situation", "structure": {}})", "(champ 2)"},
      {R"({"type": "point_de_situation"})", "texte"},
      {R"({"type": "point_de_situation", "du": "2025-02-01", "au": "2025-01-31"})", "au"},
      {R"({"type": "transmission", "vers": "cpraf"})", "vers"},
      {R"({"type": "transmission", "vers": "autre_departement"})", "departement"},
      {R"({"type": "transmission", "vers": "ged", "departement": "21"})", "departement"},
      {R"({"type": "transmission", "departement": "21231"})", "departement"},
      {R"({"type": "transmission", "departement": "Côte-d'Or"})", "departement"},
      {R"({"type": "orientation_cpraf", "motif": "autre"})", "motif"},
      {R"({"type": "agrement", "qualite": "maire"})", "qualite"},
      {R"({"type": "agrement", "avis": "inconnu"})", "avis"},
      {R"({"type": "agrement"})", "echange"},
      {R"({"type": "agrement", "avis": "refus", "jusqu_au": "2025-08-31"})", "jusqu_au"},
      {R"({"type": "inscription", "instance": "ged"})", "seance"},
      {R"({"type": "inscription", "seance": "2025-06-26"})", "instance"},
      {R"({"type": "mise_en_evaluation"})", "seance"},
      {R"({"type": "cloture", "motif": "retour_differe"})", "reexamen_le"},
      {R"({"type": "cloture", "motif": "sans_suite", "reexamen_le": "2025-08-31"})", "reexamen_le"},
      {R"({"type": "recevabilite"})", "avis"},
      {R"({"type": "recevabilite", "avis": "hors_perimetre"})", "motif"},
      {R"({"type": "recevabilite", "avis": "recevable", "motif": "litige_prive"})", "motif"},
      {R"({"type": "report_du_retour", "motif": "attente_d_un_accord"})", "reexamen_le"},
      {R"({"type": "report_du_retour", "reexamen_le": "2025-08-31"})", "motif"},
      {R"({"type": "recusation"})", "motif"},
      {R"({"type": "maintien"})", "cause"},
      {R"({"type": "maintien", "cause": "droit_des_personnes"})", "cause"},
      {R"({"type": "demande_effacement", "cause": "recours"})", "cause"},
      {R"({"type": "recusation", "motif": "lien_personnel", "precision": "x"})", "(champ 3)"},
      {R"({"type": "information_de_volet", "objet": "x"})", "volet"},
      {R"({"type": "information_de_volet", "volet": "transport"})", "objet"},
      {R"({"type": "information_de_volet", "volet": "transport", "objet": "x", "reference": "a b"})", "reference"},
  };
  for (const Refused& refused : cases) {
    const auto problems = problems_of(refused.json);
    ASSERT_FALSE(problems.empty()) << refused.json;
    const auto found = std::find_if(problems.begin(), problems.end(),
                                    [&](const FormProblem& problem) { return problem.field == refused.field; });
    ASSERT_NE(found, problems.end()) << refused.json << " reports " << all_fields(problems);
    EXPECT_EQ(found->code, refused.code) << refused.json;
    EXPECT_FALSE(found->french.empty());
  }
}

TEST(FormCheck, OneFactMustBeDatedAndAnAppraisalAloneIsNothing) {
  auto code = [](const std::string& json) {
    const auto problems = problems_of(json);
    for (const FormProblem& problem : problems)
      if (problem.field == "faits") return problem.code;
    return LocalCode::usage;
  };
  Parts parts;
  parts.facts = "[]";
  EXPECT_EQ(code(parts.json()), LocalCode::missing_dated_fact);
  parts.facts = R"([{"date": "inconnu", "connaissance": "rapporte", "description": "x"}])";
  EXPECT_EQ(code(parts.json()), LocalCode::missing_dated_fact);
  parts.facts = "[]";
  parts.more = R"(, "appreciation": {"domaines": ["discours"], "commentaire": "inquiétant"})";
  EXPECT_EQ(code(parts.json()), LocalCode::missing_dated_fact);
  EXPECT_EQ(code(R"({"type": "complement", "appreciation": {"commentaire": "x"}})"), LocalCode::missing_dated_fact);
  EXPECT_EQ(code(R"({"type": "complement", "faits": []})"), LocalCode::missing_dated_fact);
  EXPECT_EQ(code(R"({"type": "information_de_volet", "volet": "justice", "objet": "x"})"),
            LocalCode::missing_dated_fact);
  EXPECT_TRUE(
      read_form(R"({"type": "complement", "personnes": [{"categorie": "personne_signalee", "nom": "Corvelle"}]})"));
}

TEST(FormCheck, ReportsEveryProblemAndNotOnlyTheFirst) {
  Parts parts;
  parts.sender = R"({"origine": "x"})";
  parts.persons = R"([{"categorie": "personne_signalee", "commune": "00000", "taille": 1}])";
  parts.facts = R"([{"date": "hier", "connaissance": "vu", "description": ""}])";
  EXPECT_EQ(all_fields(problems_of(parts.json())),
            "emetteur.origine personnes[0].(champ 3) faits[0].date faits[0].connaissance emetteur.service "
            "personnes[0].commune "
            "faits[0].description faits");
}

TEST(FormCheck, NeverRepeatsWhatWasTyped) {
  const std::string secret = "Xyzzy-Quelconque";
  Parts parts;
  parts.type = R"("signalement_individuel", ")" + secret + R"(": ")" + secret + "\"";
  parts.sender = R"({"service": 1, ")" + secret + R"(": "x"})";
  parts.persons = R"([{"categorie": ")" + secret + R"(", "nom": ")" + secret + secret + std::string(300, 'x') +
                  R"(", "commune": ")" + secret + R"(", "date_naissance": ")" + secret + "\"}]";
  parts.facts = R"([{"date": ")" + secret + R"(", "description": ")" + secret + std::string(2000, 'x') +
                R"(", "temoin": ")" + secret + "\"}]";
  const auto problems = problems_of(parts.json());
  EXPECT_GE(problems.size(), 9U);
  for (const FormProblem& problem : problems) {
    EXPECT_EQ(problem.field.find("Xyzzy"), std::string::npos) << problem.field;
    EXPECT_EQ(problem.french.find("Xyzzy"), std::string::npos) << problem.french;
  }
}

TEST(FormCheck, CountsCharactersNotBytes) {
  std::string text;
  for (std::size_t i = 0; i < free_text_chars_max; ++i) text += "é";
  auto json = [](const std::string& description) {
    return with_fact(R"({"date": "2025-03-12", "connaissance": "rapporte", "description": ")" + description + "\"}")
        .json();
  };
  EXPECT_TRUE(read_form(json(text)));
  EXPECT_FALSE(read_form(json(text + "é")));
}

TEST(FormCheck, CountsStopOneAboveTheirLimits) {
  auto repeated = [](const std::string& item, std::size_t count) {
    std::string out = "[";
    for (std::size_t i = 0; i < count; ++i) out += (i == 0 ? "" : ",") + item;
    return out + "]";
  };
  const std::string fact = R"({"date": "2025-03-12", "connaissance": "rapporte", "description": "Un fait."})";
  Parts parts;
  parts.facts = repeated(fact, form_facts_max);
  EXPECT_TRUE(read_form(parts.json()));
  parts.facts = repeated(fact, form_facts_max + 1);
  EXPECT_EQ(all_fields(problems_of(parts.json())).substr(0, 5), "faits");
  parts = {};
  const std::string signalled = R"({"categorie": "personne_signalee"},)";
  parts.persons = "[" + signalled + repeated(R"({"categorie": "temoin"})", form_persons_max - 1).substr(1);
  EXPECT_TRUE(read_form(parts.json()));
  parts.persons = "[" + signalled + repeated(R"({"categorie": "temoin"})", form_persons_max).substr(1);
  EXPECT_NE(all_fields(problems_of(parts.json())).find("personnes"), std::string::npos);
  EXPECT_EQ(all_fields(problems_of(std::string(form_bytes_max + 1, ' '))), "");
}

TEST(FormCheck, NestingWithoutEndIsRefusedWithoutHarm) {
  EXPECT_FALSE(read_form(std::string(form_bytes_max, '[')));
  EXPECT_FALSE(read_form(std::string(100'000, '[') + std::string(100'000, ']')));
  std::string deep = R"({"type": "retour", "code": "examen_termine", "x": )";
  for (int i = 0; i < 20'000; ++i) deep += R"({"x":)";
  EXPECT_FALSE(read_form(deep + "1" + std::string(20'000, '}') + "}"));
}

TEST(FormCheck, NoFactIsDatedAfterTodayAnywhere) {
  auto dated = [](const std::string& date) {
    return with_fact(R"({"date": ")" + date + R"(", "connaissance": "rapporte", "description": "Un fait."})").json();
  };
  const UnixMillis morning{noon.value - 3 * 3'600'000};  // 09:00 UTC on the 15th: still the 15th everywhere
  EXPECT_TRUE(read_form(dated("2025-06-15"), morning));
  EXPECT_EQ(all_fields(problems_of(dated("2025-06-16"), morning)), "faits[0].date");
  EXPECT_TRUE(read_form(dated("2025-06-16"), noon)) << "the 16th has begun at UTC+12";
  EXPECT_EQ(all_fields(problems_of(dated("2025-06-17"), noon)), "faits[0].date");
  EXPECT_TRUE(read_form(dated("2030-01-01"))) << "without a clock only the calendar is checked";
  EXPECT_EQ(all_fields(problems_of(
                with_person(R"({"categorie": "personne_signalee", "date_naissance": "2025-06-17"})").json(), noon)),
            "personnes[0].date_naissance");
}

TEST(FormCheck, CommentsAreLetPassAndContentInThemIsNot) {
  EXPECT_TRUE(read_form("// un mot\n{\"type\": \"retour\", // son code :\n\"code\": \"examen_termine\"}\n"));
  EXPECT_FALSE(read_form("{\"type\": \"retour\" // \"code\": \"examen_termine\"\n}"));
  auto form =
      read_form(with_fact(R"({"date": "2025-03-12", "connaissance": "rapporte", "description": "a // b"})").json());
  ASSERT_TRUE(form);
  EXPECT_NE(form->to_json().find("a // b"), std::string::npos) << "no comment within quotes";
}

TEST(FormCheck, CorsicaMayBeTypedSmall) {
  auto form = read_form(with_person(R"({"categorie": "personne_signalee", "commune": "2a004"})").json());
  ASSERT_TRUE(form);
  EXPECT_EQ(form->commune(), "2A004");
  form =
      read_form(R"({"type": "transmission", "vers": "autre_departement", "departement": "2A", "motif": "residence"})");
  ASSERT_TRUE(form);
  EXPECT_NE(form->to_json().find(R"("departement": "2a")"), std::string::npos);
}

TEST(FormCheck, WithoutATableAnyWellFormedCodePasses) {
  EXPECT_TRUE(Form::from_json(with_person(R"({"categorie": "personne_signalee", "commune": "99999"})").json(), nullptr,
                              nullptr));
  EXPECT_FALSE(Form::from_json(with_person(R"({"categorie": "personne_signalee", "commune": "9999"})").json(), nullptr,
                               nullptr));
}

TEST(FormRouting, APersonGoesByResidenceAStructureByAddressAndNothingElse) {
  // A witness's or a fact's commune does not route.
  auto form = read_form(R"({"type": "signalement_individuel", "emetteur": {"service": "S"},
    "personnes": [{"categorie": "temoin", "commune": "89387"}, {"categorie": "personne_signalee", "commune": "89025"}],
    "faits": [{"date": "2025-01-01", "commune": "21231", "connaissance": "rapporte", "description": "x"}]})");
  ASSERT_TRUE(form);
  EXPECT_EQ(form->commune(), "89025");
  form = read_form(R"({"type": "signalement_individuel", "emetteur": {"service": "S"},
    "personnes": [{"categorie": "temoin", "commune": "89387"}, {"categorie": "personne_signalee"}],
    "faits": [{"date": "2025-01-01", "commune": "21231", "connaissance": "rapporte", "description": "x"}]})");
  ASSERT_TRUE(form);
  EXPECT_EQ(form->commune(), "");
  form = read_form(structure_form(R"({"nature": "autre_commerce", "commune": "89206"})"));
  ASSERT_TRUE(form);
  EXPECT_EQ(form->commune(), "89206");
  form = read_form(R"({"type": "proposition_accompagnement", "emetteur": {"service": "S"},
    "personnes": [{"categorie": "personne_signalee", "commune": "89025"}, {"categorie": "temoin", "commune": "89387"}],
    "faits": [{"date": "2025-01-01", "commune": "21231", "connaissance": "rapporte", "description": "x"}]})");
  ASSERT_TRUE(form);
  EXPECT_EQ(form->commune(), "89025");
}

TEST(FormUrgency, IsTheSendersSense) {
  Parts parts;
  parts.more = R"(, "appreciation": {"urgence": "urgente"})";
  auto form = read_form(parts.json());
  ASSERT_TRUE(form);
  EXPECT_EQ(form->urgency(), Urgency::urgente);
}

// ---- retour and decision -----------------------------------------------------------------------------------------

TEST(FormRetour, IsOneClosedCodeAndNothingElse) {
  for (std::string_view code : retour_codes()) {
    auto form = Form::retour(code);
    ASSERT_TRUE(form) << code;
    EXPECT_EQ(form->kind(), Kind::retour);
    auto back = Form::decode(form->encode());
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, *form);
    EXPECT_LT(form->encode().size(), 64U);
  }
  for (std::string_view code : {"", "pris_en_compte", "sans_suite", "EXAMEN_TERMINE", "examen_termine "}) {
    auto form = Form::retour(code);
    ASSERT_FALSE(form) << code;
    EXPECT_EQ(form.error().code, Errc::invalid_input);
  }
}

TEST(FormRetour, NoCodeTellsTheOutcome) {
  for (std::string_view code : retour_codes())
    for (std::string_view outcome : decision_outcomes()) EXPECT_EQ(code.find(outcome), std::string_view::npos);
}

TEST(FormDecision, IsAClosedOutcomeWithAShortReason) {
  for (std::string_view outcome : decision_outcomes()) {
    auto form = Form::decision(outcome, "Motif de l'instance.\nSeconde ligne.");
    ASSERT_TRUE(form) << outcome;
    auto back = Form::decode(form->encode());
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, *form);
    EXPECT_NE(back->to_json().find(outcome), std::string::npos);
  }
  EXPECT_FALSE(Form::decision("fiche", "x"));
  EXPECT_FALSE(Form::decision("sans_suite", ""));
  EXPECT_FALSE(Form::decision("sans_suite", "a\x1b[2Jb"));
  EXPECT_FALSE(Form::decision("sans_suite", "\xff"));
  EXPECT_TRUE(Form::decision("sans_suite", std::string(free_text_chars_max, 'x')));
  EXPECT_FALSE(Form::decision("sans_suite", std::string(free_text_chars_max + 1, 'x')));
}

// ---- the other types ---------------------------------------------------------------------------------------------

std::string nominative(const std::string& until, std::size_t persons = 1, std::size_t facts = 1) {
  std::string out = R"({"type": "information_nominative", "cas": "commerce", "personnes": [)";
  for (std::size_t i = 0; i < persons; ++i)
    out += std::string(i == 0 ? "" : ",") + R"({"categorie": "personne_signalee"})";
  out += R"(], "faits": [)";
  for (std::size_t i = 0; i < facts; ++i)
    out += std::string(i == 0 ? "" : ",") +
           R"({"date": "2025-03-12", "connaissance": "rapporte", "description": "Un fait."})";
  return out + R"(], "valable_jusqu_au": ")" + until + "\"}";
}

TEST(FormNominative, NamesOnePersonWithAFewFactsForAtMostNinetyDays) {
  EXPECT_EQ(nominative_life_max, std::chrono::hours(24 * 90));
  EXPECT_EQ(all_fields(problems_of(nominative("2025-09-14"), noon)), "") << "90 days on, where it is the 16th already";
  EXPECT_EQ(all_fields(problems_of(nominative("2025-09-15"), noon)), "valable_jusqu_au");
  EXPECT_EQ(all_fields(problems_of(nominative("2025-06-15"), noon)), "");
  EXPECT_EQ(all_fields(problems_of(nominative("2025-06-14"), noon)), "valable_jusqu_au");
  EXPECT_EQ(all_fields(problems_of(nominative("2025-07-01", nominative_persons_max, nominative_facts_max))), "");
  EXPECT_EQ(all_fields(problems_of(nominative("2025-07-01", nominative_persons_max + 1, 1))), "personnes");
  EXPECT_EQ(all_fields(problems_of(nominative("2025-07-01", 1, nominative_facts_max + 1))), "faits");
}

TEST(FormBrief, IsATextOfTwoHundredAndFortyBytes) {
  auto retrait = [](const std::string& detail) {
    return R"({"type": "retrait", "motif": "doublon", "precision": ")" + detail + "\"}";
  };
  EXPECT_EQ(all_fields(problems_of(retrait(std::string(line_chars_max, 'x')))), "");
  std::string detail;
  while (detail.size() < form_brief_bytes_max) detail += "é";
  EXPECT_EQ(all_fields(problems_of(retrait(detail))), "");
  detail.replace(0, 2, "xyz");
  ASSERT_EQ(detail.size(), form_brief_bytes_max + 1);
  EXPECT_EQ(all_fields(problems_of(retrait(detail))), "precision");
  EXPECT_EQ(all_fields(problems_of(retrait("a\\nb"))), "precision") << "one line";
}

TEST(FormDates, WhatIsToComeIsNotInThePastAnywhere) {
  auto inscribed = [](const std::string& date) {
    return R"({"type": "inscription", "instance": "clir", "seance": ")" + date + "\"}";
  };
  const UnixMillis morning{noon.value - 3 * 3'600'000};  // 09:00 UTC on the 15th: still the 14th at UTC-12
  EXPECT_EQ(all_fields(problems_of(inscribed("2025-06-14"), morning)), "");
  EXPECT_EQ(all_fields(problems_of(inscribed("2025-06-13"), morning)), "seance");
  EXPECT_EQ(all_fields(problems_of(inscribed("2025-06-13"))), "") << "without a clock only the calendar is checked";
  EXPECT_EQ(all_fields(problems_of(inscribed("inconnu"))), "seance");
  EXPECT_EQ(all_fields(problems_of(inscribed("1970-01-01"))), "");
  EXPECT_EQ(all_fields(problems_of(inscribed("1969-12-31"))), "seance") << "no address could say it";
  auto taken_up = [](const std::string& date) {
    return R"({"type": "mise_en_evaluation", "seance": ")" + date + "\"}";
  };
  EXPECT_EQ(all_fields(problems_of(taken_up("2025-06-15"), morning)), "");
  EXPECT_EQ(all_fields(problems_of(taken_up("2025-06-16"), morning)), "seance");
}

TEST(FormAddress, SaysInClearWhatItsKindMustAndNothingMore) {
  std::map<Kind, std::vector<std::pair<std::string, std::string>>> said;
  for (const fs::path& path : json_files("forms")) {
    auto form = read_form(file_text(path));
    ASSERT_TRUE(form) << path;
    for (const auto& [name, value] : form->attributes())
      EXPECT_TRUE(is_attribute(form->kind(), name, value)) << path << ": " << name << "=" << value;
    EXPECT_EQ(form->attributes().empty(), attribute_name(form->kind()).empty()) << path;
    said[form->kind()] = form->attributes();
  }
  using Said = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(said[Kind::inscription], (Said{{"date", "2025-06-26"}}));
  EXPECT_EQ(said[Kind::report_du_retour], (Said{{"date", "2025-07-10"}}));
  EXPECT_EQ(said[Kind::recevabilite], (Said{{"avis", "recevable"}}));
  const std::string agreement =
      R"({"type": "agrement", "echange": ")" + std::string(64, 'a') + R"(", "qualite": "service", "avis": )";
  EXPECT_EQ(read_form(agreement + R"("accord", "jusqu_au": "2199-08-31"})")->attributes(),
            (Said{{"avis", "accord"}, {"date", "2199-08-31"}}));
  EXPECT_EQ(read_form(agreement + R"("refus"})")->attributes(), (Said{{"avis", "refus"}}));
}

TEST(FormAddress, NamesTheExchangeItsAuthorNamed) {
  const std::string id = "00ff" + std::string(60, 'a');
  auto form = read_form(R"({"type": "agrement", "echange": ")" + id + R"(", "qualite": "service", "avis": "accord"})");
  ASSERT_TRUE(form);
  ASSERT_TRUE(form->named_exchange());
  EXPECT_EQ(to_hex(*form->named_exchange()), id);
  form = read_form(R"({"type": "transmission", "vers": "ged", "motif": "concerne_une_personne"})");
  ASSERT_TRUE(form);
  EXPECT_EQ(form->named_exchange(), std::nullopt) << "the whole case";
  EXPECT_EQ(good().named_exchange(), std::nullopt);
}

Form rectified(const std::string& content) {
  auto form = read_form(R"({"type": "rectification", "echange": ")" + std::string(64, 'a') +
                        R"(", "motif": "erreur_de_saisie", )" + content + "}");
  PLI_INVARIANT(form.has_value());
  return *std::move(form);
}

TEST(FormRectification, CarriesTheWholeContentAndRoutesAndPressesAsIt) {
  const Form form = rectified(
      R"("signalement_individuel": {"emetteur": {"service": "S"}, "personnes": [{"categorie": "personne_signalee", "commune": "89025"}],
         "faits": [{"date": "2025-01-01", "connaissance": "rapporte", "description": "x"}], "appreciation": {"urgence": "urgente"}})");
  EXPECT_EQ(form.commune(), "89025");
  EXPECT_EQ(form.urgency(), Urgency::urgente);
  const std::string text = form.to_french_text();
  EXPECT_LT(text.find("FAITS"), text.find("APPRÉCIATIONS")) << text;
}

TEST(FormRectification, ShowsWhatItChangesFieldByField) {
  const Form before = good();
  const Form after = rectified(
      R"("signalement_individuel": {"emetteur": {"service": "Police municipale", "origine": "habitant"},
         "personnes": [{"categorie": "personne_signalee", "nom": "Corveille", "commune": "89024"}, {"categorie": "temoin"}],
         "faits": [{"date": "2025-03-13", "connaissance": "rapporte", "description": "Un fait.\nUn détail."}]})");
  const auto changes = after.changes_from(before);
  ASSERT_TRUE(changes);
  std::map<std::string, FormChange> by_field;
  for (const FormChange& change : *changes) by_field[change.field] = change;
  EXPECT_EQ(by_field["personnes[0].nom"],
            (FormChange{"personnes[0].nom", "Personnes 1, Nom", "Corvelle", "Corveille"}));
  EXPECT_EQ(by_field["faits[0].date"].before, "12 mars 2025");
  EXPECT_EQ(by_field["faits[0].date"].after, "13 mars 2025");
  EXPECT_EQ(by_field["personnes[1].categorie"].before, std::nullopt);
  EXPECT_EQ(by_field.count("emetteur.service"), 0U) << "what stays is not shown";
  EXPECT_EQ(changes->size(), 3U + 7U) << "name, date, description, and each field of the person added";
  const std::string text = to_french_text(*changes);
  EXPECT_NE(text.find("  Personnes 1, Nom\n    avant | Corvelle\n    après | Corveille\n"), std::string::npos) << text;
  EXPECT_NE(text.find("    après | Un fait.\n    après | Un détail.\n"), std::string::npos) << text;
  EXPECT_NE(text.find("avant | (n'y était pas)"), std::string::npos) << text;
  // Of an earlier rectification, and back.
  const Form back =
      rectified(R"("signalement_individuel": {"emetteur": {"service": "Police municipale", "origine": "habitant"},
         "personnes": [{"categorie": "personne_signalee", "nom": "Corveille", "commune": "89024"}],
         "faits": [{"date": "2025-03-13", "connaissance": "rapporte", "description": "Un fait.\nUn détail."}]})");
  const auto removed = back.changes_from(after);
  ASSERT_TRUE(removed);
  ASSERT_EQ(removed->size(), 7U);
  EXPECT_EQ(removed->front().after, std::nullopt);
  EXPECT_EQ(to_french_text({}), "CE QUI CHANGE\n  rien\n");
}

TEST(FormRectification, ComparesFormsOfOneTypeOnly) {
  const Form complement =
      rectified(R"("complement": {"faits": [{"date": "2025-01-01", "connaissance": "rapporte", "description": "x"}]})");
  EXPECT_FALSE(complement.changes_from(good()));
  EXPECT_FALSE(good().changes_from(good())) << "it corrects nothing";
  const auto none = complement.changes_from(complement);
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->empty());
}

TEST(FormLists, AreFoundByTheFieldThatTakesThem) {
  EXPECT_EQ(choices_of(Kind::demande_de_complement, "demandes").size(), demandes.size());
  EXPECT_EQ(choices_of(Kind::agrement, "avis"), (std::vector<std::string_view>{"accord", "refus"}));
  EXPECT_TRUE(choices_of(Kind::agrement, "echange").empty());
  EXPECT_TRUE(choices_of(Kind::acces, "motif").empty());
}

// ---- attachments -------------------------------------------------------------------------------------------------

TEST(FormAttachments, RideInTheContentAndComeBack) {
  Form form = good();
  ASSERT_TRUE(form.attach({"courrier reçu.pdf", "application/pdf", Bytes(5000, 7)}));
  ASSERT_TRUE(form.attach({"vide.txt", "text/plain", {}}));
  auto back = Form::decode(form.encode());
  ASSERT_TRUE(back) << back.error().detail;
  EXPECT_EQ(*back, form);
  ASSERT_EQ(back->attachments().size(), 2U);
  EXPECT_EQ(back->attachments()[0].bytes, Bytes(5000, 7));
  EXPECT_NE(back->to_french_text().find("courrier reçu.pdf (application/pdf, 5000 octets)"), std::string::npos);
  EXPECT_EQ(back->to_json(), good().to_json());
}

TEST(FormAttachments, ANameIsOneFileOnAnySystem) {
  const std::vector<std::string> bad = {"",
                                        ".",
                                        "..",
                                        ".cache",
                                        "-rf",
                                        " a",
                                        "a ",
                                        "a.",
                                        "a/b",
                                        "/etc/passwd",
                                        "..\\b",
                                        "a\\b",
                                        "c:d",
                                        "a*",
                                        "a?",
                                        "a|b",
                                        "a<b",
                                        "a\"b",
                                        std::string("a\0b", 3),
                                        "a\nb",
                                        "a\x1b[2Jb",
                                        "a\u202egpj.exe",
                                        "a\x7f",
                                        "\xff",
                                        std::string(attachment_name_bytes_max + 1, 'x')};
  for (const std::string& name : bad) {
    Form form = good();
    auto done = form.attach({name, "text/plain", {}});
    ASSERT_FALSE(done) << name;
    EXPECT_EQ(done.error().code, Errc::invalid_input);
    EXPECT_EQ(form, good()) << "a refused attachment leaves the form as it was";
  }
  for (const char* type :
       {"", "text", "/plain", "text/", "text/plain; charset=utf-8", "Text/Plain", "a/b/c", "te xt/plain"}) {
    Form form = good();
    EXPECT_FALSE(form.attach({"a.txt", type, {}})) << type;
  }
  Form form = good();
  ASSERT_TRUE(form.attach({std::string(attachment_name_bytes_max, 'x'), "text/plain", {}}));
  EXPECT_FALSE(form.attach({std::string(attachment_name_bytes_max, 'x'), "text/plain", {}})) << "the same name twice";
}

TEST(FormAttachments, AreAtMostFive) {
  Form form = good();
  for (std::size_t i = 0; i < attachments_max; ++i)
    ASSERT_TRUE(form.attach({"piece-" + std::to_string(i), "text/plain", {}}));
  auto sixth = form.attach({"piece-de-trop", "text/plain", {}});
  ASSERT_FALSE(sixth);
  EXPECT_EQ(sixth.error().code, Errc::over_limit);
}

TEST(FormAttachments, StopBeforeTheExchangeWouldPassItsLimit) {
  Form form = good();
  auto whole = form.attach({"grand.bin", "application/octet-stream", Bytes(exchange_bytes_max, 1)});
  ASSERT_FALSE(whole);
  EXPECT_EQ(whole.error().code, Errc::over_limit);
  EXPECT_TRUE(form.attach({"grand.bin", "application/octet-stream", Bytes(exchange_bytes_max * 7 / 8, 1)}));
}

// ---- hostile content ---------------------------------------------------------------------------------------------

TEST(FormDecode, RefusesEveryTruncation) {
  Form form = good();
  ASSERT_TRUE(form.attach({"a.txt", "text/plain", Bytes(30, 1)}));
  const Bytes& whole = form.encode();
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(Form::decode(ByteView(whole).first(size))) << size;
  Bytes longer = whole;
  longer.push_back(0);
  EXPECT_FALSE(Form::decode(longer));
}

TEST(FormDecode, AFlippedBitIsRefusedOrReadAsWhatItSays) {
  Form form = good();
  ASSERT_TRUE(form.attach({"a.txt", "text/plain", Bytes(30, 1)}));
  for (std::size_t bit = 0; bit < form.encode().size() * 8; ++bit) {
    Bytes flipped = form.encode();
    flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ 1U << (bit % 8));
    auto other = Form::decode(flipped);
    if (!other) continue;
    EXPECT_EQ(other->encode(), flipped);
    EXPECT_FALSE(other->to_json().empty());
    EXPECT_FALSE(other->to_french_text().empty());
  }
}

TEST(FormDecode, RefusesAnotherVersionAndKindsThatAreNoForms) {
  Bytes bytes = good().encode();
  bytes[0] = 2;
  EXPECT_FALSE(Form::decode(bytes));
  for (const KindRow& row : kind_table()) {
    bytes = good().encode();
    bytes[1] = static_cast<std::uint8_t>(static_cast<unsigned>(row.kind) >> 8);
    bytes[2] = static_cast<std::uint8_t>(static_cast<unsigned>(row.kind));
    auto form = Form::decode(bytes);
    if (row.kind == Kind::signalement_individuel) {
      EXPECT_TRUE(form);
    } else {
      EXPECT_FALSE(form) << row.name << " read from a signalement_individuel";
    }
  }
  bytes[1] = 0xff;
  EXPECT_FALSE(Form::decode(bytes));
}

/// Content with this protobuf, whatever it is.
Bytes content_of(Kind kind, ByteView protobuf) {
  ByteWriter out;
  out.u8(1);
  out.u16(static_cast<std::uint16_t>(kind));
  out.bytes32(protobuf);
  out.u8(0);
  return out.take();
}

Bytes protobuf_of(const Form& form) {
  ByteReader in(form.encode());
  static_cast<void>(in.raw(3));
  return to_bytes(in.bytes32());
}

TEST(FormDecode, RefusesAFieldOrAValueItDoesNotKnow) {
  Bytes protobuf = protobuf_of(*Form::retour("examen_termine"));
  ASSERT_EQ(protobuf, (Bytes{0x08, 0x01}));
  EXPECT_TRUE(Form::decode(content_of(Kind::retour, protobuf)));
  EXPECT_FALSE(Form::decode(content_of(Kind::retour, Bytes{0x08, 0x03}))) << "a code that does not exist";
  EXPECT_FALSE(Form::decode(content_of(Kind::retour, Bytes{}))) << "no code";
  EXPECT_FALSE(Form::decode(content_of(Kind::retour, Bytes{0x08, 0x01, 0x12, 0x01, 'x'}))) << "a second field";
  // One field more at the end of a signalement, and inside its first fact.
  protobuf = protobuf_of(good());
  Bytes more = protobuf;
  append(more, Bytes{0x7a, 0x01, 'x'});
  EXPECT_FALSE(Form::decode(content_of(Kind::signalement_individuel, more)));
}

TEST(FormDecode, HoldsWhatArrivesToTheRulesOfWhatIsTyped) {
  // Facts without a date: field 3 of a complement, holding connaissance = 1 and a description.
  const Bytes undated = {0x1a, 0x05, 0x20, 0x01, 0x2a, 0x01, 'x'};
  EXPECT_FALSE(Form::decode(content_of(Kind::complement, undated)));
  // The same dated on a day that does not exist (2025-02-30), then on one that does.
  Bytes dated = {0x1a, 0x0a, 0x08, 0, 0, 0, 0, 0x20, 0x01, 0x2a, 0x01, 'x'};
  auto put_date = [&](std::uint32_t date) {
    for (std::size_t i = 0; i < 4; ++i)
      dated[3 + i] = static_cast<std::uint8_t>((date >> (7 * i) & 0x7f) | (i < 3 ? 0x80 : 0));
  };
  put_date(20250228);
  EXPECT_TRUE(Form::decode(content_of(Kind::complement, dated)));
  put_date(20250230);
  EXPECT_FALSE(Form::decode(content_of(Kind::complement, dated)));
}

TEST(FormDecode, AMillionEmptyFactsAreRefusedBeforeTheyAreRead) {
  Bytes flood;
  for (std::size_t i = 0; i < 1'000'000; ++i) append(flood, Bytes{0x1a, 0x00});
  EXPECT_FALSE(Form::decode(content_of(Kind::complement, flood)));
  flood.resize(form_bytes_max);
  EXPECT_FALSE(Form::decode(content_of(Kind::complement, flood)));
}

// ---- on a screen -------------------------------------------------------------------------------------------------

/// A sealed form as a hostile program would make it: `typed` replaced in the content by `hostile` of the same length.
Form tampered(const std::string& json, const std::string& typed, const std::string& hostile) {
  PLI_INVARIANT(typed.size() == hostile.size());
  auto form = read_form(json);
  PLI_INVARIANT(form.has_value());
  Bytes bytes = form->encode();
  bool replaced = false;
  for (auto at = bytes.begin(); (at = std::search(at, bytes.end(), typed.begin(), typed.end())) != bytes.end();) {
    at = std::copy(hostile.begin(), hostile.end(), at);
    replaced = true;
  }
  PLI_INVARIANT(replaced);
  auto back = Form::decode(bytes);
  PLI_INVARIANT(back.has_value());
  return *std::move(back);
}

bool steers(const std::string& text) {
  for (std::string_view rest = text; !rest.empty();) {
    const auto character = take_character(rest);
    if (!character || (*character != U'\n' && steers_display(*character))) return true;
  }
  return false;
}

TEST(FormOnScreen, NoEscapeSequenceOfAHostileSenderReachesTheTerminal) {
  Parts parts;
  parts.sender = R"({"service": "AAAAAAAA"})";
  parts.persons = R"([{"categorie": "personne_signalee", "nom": "AAAAAAAA", "prenoms": "AAAAAAAA"}])";
  parts.facts =
      R"([{"date": "2025-03-12", "lieu": "AAAAAAAA", "connaissance": "rapporte", "description": "AAAAAAAA"}])";
  parts.more = R"(, "appreciation": {"commentaire": "AAAAAAAA"})";
  for (const std::string& hostile : {std::string("\x1b[2J\x1b[1m"), std::string("\x1b]0;a\a\b\r"),
                                     std::string("\xc2\x9b"
                                                 "31mabc"),
                                     std::string("\xe2\x80\xae"
                                                 "abcde"),
                                     std::string("\0\0\0\0\0\0\0\0", 8), std::string("\x7f\x7f\x7f\x7f\r\r\r\r"),
                                     std::string("\xf3\xa0\x81\x81"
                                                 "abcd"),
                                     std::string("\x1bPabcdef")}) {
    const Form form = tampered(parts.json(), "AAAAAAAA", hostile);
    EXPECT_FALSE(steers(form.to_french_text())) << form.to_french_text();
    EXPECT_FALSE(steers(form.to_json()));
    // The JSON still says what was sent, escaped.
    auto again = Form::from_json(form.to_json(), nullptr, nullptr);
    EXPECT_FALSE(again) << "and nobody may send it on as if typed";
  }
}

TEST(FormOnScreen, NoEscapeSequenceReachesTheTerminalByWhatARectificationChanges) {
  const auto complement = [](const std::string& description) {
    return R"({"date": "2025-01-01", "lieu": "AAAAAAAA", "connaissance": "rapporte", "description": ")" + description +
           "\"}";
  };
  const std::string json = R"({"type": "rectification", "echange": ")" + std::string(64, 'a') +
                           R"(", "motif": "erreur_de_saisie", "complement": {"faits": [)" + complement("AAAAAAAA") +
                           "]}}";
  const Form plain = read_form(R"({"type": "complement", "faits": [)" + complement("x") + "]}").value();
  for (const std::string& hostile :
       {std::string("\x1b[2J\x1b[1m"), std::string("\xe2\x80\xae\nCE Q"), std::string("\n  Nom\n\r")}) {
    const auto changes = tampered(json, "AAAAAAAA", hostile).changes_from(plain);
    ASSERT_TRUE(changes);
    ASSERT_EQ(changes->size(), 2U);
    const std::string text = to_french_text(*changes);
    EXPECT_FALSE(steers(text)) << text;
    std::stringstream lines(text);
    int ours = 0;  // the title, and one heading for each field
    for (std::string line; std::getline(lines, line);)
      if (line.find(" | ") == std::string::npos) ++ours;
    EXPECT_EQ(ours, 3) << text;
  }
}

TEST(FormOnScreen, NoTextOfASenderPassesForAHeading) {
  const std::string json =
      with_fact(
          R"({"date": "2025-03-12", "connaissance": "rapporte", "description": "Un fait.\n\nAPPRÉCIATIONS DE L'ÉMETTEUR\n  Domaines : ruptures"})")
          .json();
  auto form = read_form(json);
  ASSERT_TRUE(form);
  std::stringstream lines(form->to_french_text());
  int quoted = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("APPRÉCIATIONS") == std::string::npos && line.find("Domaines") == std::string::npos) continue;
    ++quoted;
    EXPECT_NE(line.find("| "), std::string::npos) << line;
  }
  EXPECT_EQ(quoted, 2);
}

TEST(FormOnScreen, FactsComeBeforeAppraisalsUnderHeadingsOfTheirOwn) {
  auto form = read_form(file_text(source / "config/forms/signalement-individuel-complet.json"));
  ASSERT_TRUE(form);
  const std::string text = form->to_french_text();
  const std::size_t facts = text.find("\nFAITS\n");
  const std::size_t appraisals = text.find("\nAPPRÉCIATIONS DE L'ÉMETTEUR (ce ne sont pas des faits)\n");
  ASSERT_NE(facts, std::string::npos) << text;
  ASSERT_NE(appraisals, std::string::npos) << text;
  EXPECT_LT(facts, appraisals);
  for (const char* shown :
       {"Signalement d'une personne", "Nom : Trémière", "Date de naissance : 21 juin 1999", "Date : 10 février 2025",
        "Comment le fait est connu : constaté directement", "Date : inconnu",
        "Démarches déjà faites : entretien avec la personne", "Domaines : ruptures, environnement personnel, discours"})
    EXPECT_NE(text.find(shown), std::string::npos) << shown << "\n" << text;
  EXPECT_GT(text.find("Domaines"), appraisals);
}

TEST(FormOnScreen, EveryTypedWordIsShown) {
  for (const char* folder : {"forms", "demo"})
    for (const fs::path& path : json_files(folder)) {
      auto form = read_form(file_text(path));
      ASSERT_TRUE(form);
      const std::string text = form->to_french_text();
      EXPECT_FALSE(steers(text));
      // Every free text of the JSON, as a value between quotes with a space or an accent in it, stands in the text.
      const std::string json = form->to_json();
      for (std::size_t at = json.find("\": \""); at != std::string::npos; at = json.find("\": \"", at + 1)) {
        const std::size_t start = at + 4;
        const std::size_t end = json.find("\"", start);
        const std::string value = json.substr(start, end - start);
        if (value.find(' ') == std::string::npos) continue;
        EXPECT_NE(text.find(value), std::string::npos) << path << ": " << value;
      }
    }
}

}  // namespace
}  // namespace pli::protocol
