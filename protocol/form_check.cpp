#include "protocol/form_check.hpp"

#include <algorithm>
#include <utility>

#include "protocol/form_date.hpp"
#include "protocol/printable.hpp"

namespace pli::protocol {
namespace {

constexpr std::size_t reference_chars_max = 64;
constexpr std::size_t exchange_text_chars = 2 * sizeof(Digest);

// ---- field by field ----------------------------------------------------------------------------------------------

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

  void choice(const Field& field, int& value, Choices list, Need need) {
    if (value == 0 && need == Need::optional) return;
    if (find_number(list, value) == nullptr)
      add(field.name, "champ obligatoire ; valeurs possibles : " + values_of(list, need) + ".");
  }

  void choices(const Field& field, std::vector<int>& values, Choices list, Need need) {
    if (values.empty() && need == Need::required)
      add(field.name, "une valeur au moins est attendue ; valeurs possibles : " + values_of(list, need) + ".");
    std::vector<int> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
      add(field.name, "une même valeur est donnée deux fois.");
    for (int value : sorted)
      if (find_number(list, value) == nullptr) add(field.name, "valeur hors liste.");
  }

  void line(const Field& field, std::string& value, Line line, Need need) {
    if (!check_text(field.name, value, line_chars_max, need, false) || value.empty()) return;
    switch (line) {
      case Line::any: break;
      case Line::brief:
        if (value.size() > form_brief_bytes_max)
          add(field.name,
              "texte trop long : " + std::to_string(form_brief_bytes_max) + " octets au plus, soit deux lignes.");
        break;
      case Line::commune:
        if (!is_commune_code(value) ||
            (options_.is_known_commune != nullptr && !options_.is_known_commune(options_.context, value)))
          problems_.add(LocalCode::unknown_commune, join(path_, field.name),
                        "commune inconnue ; donnez son code INSEE à cinq caractères (ni le code postal, ni le nom), ou "
                        "inconnu.");
        break;
      case Line::departement:
        if (value.size() > 3 || !is_territory(value))
          add(field.name, "un numéro de département est attendu (« 21 », « 2a », « 971 »), ou inconnu.");
        break;
      case Line::exchange:
        if (value.size() != exchange_text_chars || !from_hex(value))
          add(field.name, "le numéro entier de l'envoi est attendu : 64 chiffres et lettres de a à f.");
        break;
      case Line::siren:
        if (!is_siren(value))
          add(field.name, "un numéro SIREN de neuf chiffres est attendu ; vérifiez-le, ou mettez inconnu.");
        break;
      case Line::rna:
        if (value.size() != 10 || value[0] != 'W' || !all_digits(std::string_view(value).substr(1)))
          add(field.name, "un numéro RNA (W et neuf chiffres) est attendu, ou inconnu.");
        break;
      case Line::reference:
        if (value.size() > reference_chars_max || !std::all_of(value.begin(), value.end(), [](char c) {
              return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                     c == '_' || c == '-' || c == '/';
            }))
          add(field.name, "64 lettres sans accent, chiffres ou signes . _ - / au plus.");
        break;
    }
  }

  void text(const Field& field, std::string& value, Need need) {
    static_cast<void>(check_text(field.name, value, free_text_chars_max, need, true));
  }

  void date(const Field& field, std::uint32_t& value, When when, Need need) {
    if (value == 0) {
      if (need == Need::required) add(field.name, "une date AAAA-MM-JJ est attendue ici.");
      return;
    }
    const bool of_an_act = when == When::coming || when == When::past;
    if (!is_date(value) || (of_an_act && !day_of(typed_date(value)))) {  // an address may have to say it
      add(field.name, "une date AAAA-MM-JJ qui existe est attendue, ou inconnu.");
    } else if (options_.now && when == When::coming) {
      if (value < earliest_date(*options_.now)) add(field.name, "cette date est passée ; donnez une date à venir.");
    } else if (options_.now && value > latest_date(*options_.now)) {
      add(field.name, when == When::fact    ? "un fait ne peut pas être daté d'après aujourd'hui."
                      : when == When::birth ? "une naissance ne peut pas être datée d'après aujourd'hui."
                                            : "cette date n'est pas encore passée.");
    }
  }

  template <class T>
  void object(const Field& field, std::optional<T>& value, Need need) {
    if (value) {
      within(join(path_, field.name), *value);
    } else if (need == Need::required) {
      add(field.name, "champ obligatoire.");
    }
  }

  template <class T>
  void list(const Field& field, std::vector<T>& values, std::size_t limit) {
    const std::string path = join(path_, field.name);
    if (values.size() > limit) {
      add(field.name, "trop d'éléments : " + std::to_string(limit) + " au plus.");
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

// ---- what no field can say by itself -----------------------------------------------------------------------------

constexpr int signalled = number_of(categories, "personne_signalee");
constexpr int no_steps = number_of(demarches, "aucune");
constexpr int no_links = number_of(liens_municipaux, "aucun");

void check_person(const Person& person, const std::string& path, Problems& problems) {
  if (person.birth != 0 && person.age_band != 0)
    problems.add(path + ".tranche_age", "donnez la date de naissance ou la tranche d'âge, pas les deux.");
  const bool young =
      person.age_band == number_of(tranches_age, "moins_de_13") || person.age_band == number_of(tranches_age, "13_17");
  const int contrary = number_of(oui_non, young ? "non" : "oui");
  if (person.age_band != 0 && person.minor == contrary)
    problems.add(path + ".mineur",
                 "ne s'accorde pas avec la tranche d'âge ; corrigez l'un ou l'autre, ou mettez inconnu.");
}

bool contains_with_others(const std::vector<int>& values, int alone) {
  return values.size() > 1 && std::find(values.begin(), values.end(), alone) != values.end();
}

/// Where the form stands ("" or the field of a rectification), and where what is wrong with it goes.
struct Place {
  std::string_view path;
  const CheckOptions& options;
  Problems& problems;
  void add(std::string_view field, std::string french) const { problems.add(join(path, field), std::move(french)); }
};

void check_dated(const std::vector<Fact>& facts, const Place& at) {
  if (std::none_of(facts.begin(), facts.end(), [](const Fact& fact) { return fact.date != 0; }))
    at.problems.add(LocalCode::missing_dated_fact, join(at.path, "faits"),
                    "au moins un fait daté est nécessaire ; une appréciation seule ne peut pas être envoyée.");
}

void check_one_signalled(const std::vector<Person>& persons, const Place& at) {
  if (std::count_if(persons.begin(), persons.end(),
                    [](const Person& person) { return person.category == signalled; }) != 1)
    at.add("personnes", "une personne signalée, et une seule, est attendue ; faites un envoi pour chacune.");
}

void check_form(const SignalementIndividuel& form, const Place& at) {
  check_one_signalled(form.persons, at);
  check_dated(form.facts, at);
}

void check_form(const SignalementDeStructure& form, const Place& at) { check_dated(form.facts, at); }

/// A complément may only correct an identity. An appraisal never travels alone.
void check_form(const Complement& form, const Place& at) {
  if (form.persons.empty() && !form.structure) check_dated(form.facts, at);
}

void check_form(const PropositionAccompagnement& form, const Place& at) {
  check_one_signalled(form.persons, at);
  check_dated(form.facts, at);
}

void check_form(const InformationDeVolet& form, const Place& at) { check_dated(form.facts, at); }

void check_form(const Retrait&, const Place&) {}
void check_form(const DemandeDeComplement&, const Place&) {}
void check_form(const Retour&, const Place&) {}

void check_form(const InformationNominative& form, const Place& at) {
  if (form.persons.empty() == !form.structure)
    at.add("personnes", "une personne ou une structure est attendue, et une seule ; faites un envoi pour chacune.");
  check_dated(form.facts, at);
  if (at.options.now && form.until > latest_date({at.options.now->value + nominative_life_max.count()}))
    at.add("valable_jusqu_au", "une information nominative vaut 90 jours au plus.");
}

void check_form(const PointDeSituation& form, const Place& at) {
  if (form.from > form.to && form.to != 0) at.add("au", "la période finit avant de commencer.");
}

void check_form(const ReportDuRetour&, const Place&) {}

void check_form(const Transmission& form, const Place& at) {
  const bool elsewhere = form.destination == number_of(destinations, "autre_departement");
  if (elsewhere == form.departement.empty())
    at.add("departement",
           elsewhere ? "dites vers quel département." : "ne se donne que vers un autre département ; mettez inconnu.");
}

void check_form(const OrientationCpraf&, const Place&) {}

void check_form(const Agrement& form, const Place& at) {
  if (form.until != 0 && form.answer != number_of(avis_agrement, "accord"))
    at.add("jusqu_au", "seul un accord a un terme ; mettez inconnu.");
}

void check_form(const Inscription&, const Place&) {}
void check_form(const Decision&, const Place&) {}

void check_form(const Cloture& form, const Place& at) {
  const bool deferred = form.motif == number_of(motifs_cloture, "retour_differe");
  if (deferred == (form.review == 0))
    at.add("reexamen_le", deferred ? "un retour différé a une date de réexamen."
                                   : "ne se donne que pour un retour différé ; mettez inconnu.");
}

void check_form(const Recevabilite& form, const Place& at) {
  const bool outside = form.answer == number_of(avis_de_recevabilite, "hors_perimetre");
  if (outside == (form.motif == 0))
    at.add("motif",
           outside ? "dites pourquoi ; valeurs possibles : " + values_of(motifs_hors_perimetre, Need::required) + "."
                   : "ne se donne que hors périmètre ; mettez inconnu.");
}

void check_form(const MiseEnEvaluation&, const Place&) {}
void check_form(const Recusation&, const Place&) {}
void check_form(const Maintien&, const Place&) {}
void check_form(const DemandeEffacement&, const Place&) {}

template <class T>
void check_whole(const T& form, const Place& at);

void check_form(const Rectification& form, const Place& at) {
  int contents = 0;
  const auto within = [&](std::string_view name, const auto& content) {
    if (!content) return;
    ++contents;
    check_whole(*content, {name, at.options, at.problems});
  };
  within("signalement_individuel", form.individuel);
  within("signalement_de_structure", form.de_structure);
  within("complement", form.complement);
  within("proposition_accompagnement", form.accompagnement);
  within("information_de_volet", form.de_volet);
  if (contents != 1)
    at.add("",
           "une rectification porte le contenu corrigé entier d'un envoi, et d'un seul : gardez l'un de "
           "signalement_individuel, signalement_de_structure, complement, proposition_accompagnement, "
           "information_de_volet.");
}

/// The parts are held to the same rules wherever they stand, then the form to its own.
template <class T>
void check_whole(const T& form, const Place& at) {
  if constexpr (requires { form.persons; })
    for (std::size_t i = 0; i < form.persons.size(); ++i)
      check_person(form.persons[i], element(join(at.path, "personnes"), i), at.problems);
  if constexpr (requires { form.sender; })
    if (form.sender && contains_with_others(form.sender->steps, no_steps))
      at.add("emetteur.demarches", "aucune ne va pas avec d'autres démarches.");
  if constexpr (requires { form.structure; })
    if (form.structure && contains_with_others(form.structure->municipal_links, no_links))
      at.add("structure.liens_municipaux", "aucun ne va pas avec d'autres liens.");
  check_form(form, at);
}

}  // namespace

std::string join(std::string_view path, std::string_view name) {
  std::string out(path);
  if (!out.empty() && !name.empty()) out += '.';
  out += name;
  return out;
}

std::string element(std::string_view path, std::size_t position) {
  return std::string(path) + "[" + std::to_string(position) + "]";
}

std::string values_of(Choices list, Need need) {
  std::string out;
  for (const Choice& choice : list) {
    if (!out.empty()) out += ", ";
    out += choice.name;
  }
  if (need == Need::optional) out += ", inconnu";
  return out;
}

void check(Content& content, const CheckOptions& options, Problems& problems) {
  Checker checker(options, problems);
  visit(checker, content);
  std::visit([&](const auto& form) { check_whole(form, {"", options, problems}); }, content);
}

}  // namespace pli::protocol
