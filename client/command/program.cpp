#include "client/command/program.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>

#include "base/version.hpp"
#include "client/command/help_format.hpp"
#include "client/command/screen.hpp"
#include "client/command/sitting.hpp"
#include "crypto/random.hpp"
#include "protocol/printable.hpp"

namespace pli::client::command {
namespace {

using protocol::Language;

constexpr const char* epilogue =
    "Exemple : pli send signalement.json, puis pli case list\n"
    "Danger immédiat : appelez le 17 ou le 112. Pli ne transporte ni document classifié ni « Diffusion restreinte ».\n"
    "Codes de sortie : 0 fait, 1 refusé par le serveur, 2 commande incorrecte, 3 serveur injoignable ou envoi en "
    "attente,\n"
    "4 vérification en échec, 5 erreur locale. Aide d'une commande : pli COMMANDE --help";

/// Verbs of operators and authorities, and age's two: theirs is English.
constexpr std::array<std::string_view, 4> english_verbs = {"init", "directory", "seal", "unseal"};

bool is_english(std::string_view verb) {
  return std::find(english_verbs.begin(), english_verbs.end(), verb) != english_verbs.end();
}

/// Of the first verb among the words typed; French before any.
Language language_of(const CLI::App& app, const std::vector<std::string>& words) {
  for (const std::string& word : words)
    for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; }))
      if (verb->get_name() == word) return is_english(word) ? Language::english : Language::french;
  return Language::french;
}

constexpr std::string_view no_such_verb = "no such verb";

/// What CLI11 found wrong, in its kind; or no_such_verb.
std::string cause_of(std::string_view kind, Language language) {
  struct Row {
    std::string_view name, french, english;
  };
  static constexpr std::array<Row, 7> rows = {{
      {no_such_verb, "cette commande n'existe pas", "there is no such verb"},
      {"RequiredError", "il manque une commande, un argument ou une option",
       "a verb, an argument or an option is missing"},
      {"ExtrasError", "un mot est de trop ou une option n'existe pas", "a word too many, or an unknown option"},
      {"ArgumentMismatch", "une option n'a pas la valeur qu'elle attend", "an option lacks its value"},
      {"ConversionError", "une valeur n'est pas acceptée", "a value is not accepted"},
      {"ValidationError", "une valeur n'est pas acceptée", "a value is not accepted"},
      {"ExcludesError", "deux options s'excluent", "two options exclude each other"},
  }};
  for (const Row& row : rows)
    if (row.name == kind) return std::string(language == Language::french ? row.french : row.english);
  return language == Language::french ? "elle ne peut pas être comprise" : "it cannot be understood";
}

/// How far the words typed lead: the verb they stop at, as it is typed, and the word that is none of its own.
struct Reached {
  std::string verb;
  std::string stranger;
  bool wants_verb = false;  ///< where they stop, only a verb can follow
};
Reached reached(const CLI::App& app, const std::vector<std::string>& words) {
  Reached out;
  const CLI::App* at = &app;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool has_value = words[i] == "--home" || words[i] == "--passphrase-file";
    if (has_value) ++i;
    if (has_value || words[i].substr(0, 1) == "-") continue;
    const auto below = at->get_subcommands([&](const CLI::App* each) { return each->get_name() == words[i]; });
    if (below.empty()) {
      out.stranger = words[i];
      out.wants_verb = at->get_require_subcommand_min() > 0;
      return out;
    }
    at = below.front();
    out.verb += at->get_name() + " ";
  }
  return out;
}

/// An option nobody knows, even where something else is missing too: most often it is what was misspelt.
std::string unknown_option(const CLI::App& app) {
  for (const std::string& word : app.remaining(true))
    if (word.size() > 1 && word.front() == '-') return word;
  return {};
}

bool lacks_verb(const CLI::ParseError& error) { return std::string_view(error.what()) == "A subcommand is required"; }

/// CLI11 names this one after the verb.
bool is_extra(const CLI::ParseError& error) {
  return error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError);
}

/// The option or the words CLI11's message is about ("--outcome is required", "…not expected: zut"), or the word that
/// stands where a verb should.
std::string culprit_of(const CLI::ParseError& error, const Reached& where) {
  const std::string_view said = error.what();
  if (said.substr(0, 1) == "-") return std::string(said.substr(0, said.find_first_of(" :")));
  if (is_extra(error)) {
    const std::size_t colon = said.find(": ");
    return colon == said.npos ? std::string() : std::string(said.substr(colon + 2));
  }
  return lacks_verb(error) ? where.stranger : std::string();
}

/// `kind`: as cause_of() takes it; `detail`: what CLI11 said.
int say_wrong_line(const CLI::App& app, const Reached& where, std::string_view kind, const std::string& culprit,
                   std::string_view detail, Language language, bool json) {
  const std::string help = (app.get_name().empty() ? "" : app.get_name() + " ") + where.verb + "--help";
  const bool french = language == Language::french;
  const std::string what = cause_of(kind, language);
  const std::string cause =
      french ? "Commande incorrecte : " + what + (culprit.empty() ? "" : " (« " + culprit + " »)") + "."
             : "Wrong command line: " + what + (culprit.empty() ? "" : " (" + culprit + ")") + ".";
  const std::string next = (french ? "Voir : " : "See: ") + help;
  if (json)
    JsonObject().text("error", "usage").text("cause", cause).text("next_step", next).text("detail", detail).print();
  else
    warn(cause + " " + next);
  return static_cast<int>(ExitClass::usage);
}

int report_parse_error(const CLI::App& app, const CLI::ParseError& error, const std::vector<std::string>& words,
                       Language language, bool json) {
  const Reached where = reached(app, words);
  const std::string option = unknown_option(app);
  const std::string culprit = protocol::printable(option.empty() ? culprit_of(error, where) : option);
  const bool extra = !option.empty() || is_extra(error);
  const std::string kind = lacks_verb(error) && !extra && !culprit.empty() ? std::string(no_such_verb)
                           : extra                                         ? "ExtrasError"
                                                                           : error.get_name();
  return say_wrong_line(app, where, kind, culprit, error.what(), language, json);
}

int parse_and_run(CLI::App& app, Verdict& verdict, const std::vector<std::string>& words, bool json,
                  const std::function<void()>& parse) {
  try {
    parse();
    return verdict.exit_code;
  } catch (const CLI::ParseError& asked) {
    json = json || std::find(words.begin(), words.end(), "--json") != words.end();
    if (asked.get_exit_code() == 0) {  // --help, --version
      // CLI11 answers these before it looks at a word: help on a verb that is none would pass for its help.
      const Reached where = reached(app, words);
      if (!where.wants_verb) return app.exit(asked);
      const std::string stranger = protocol::printable(where.stranger);
      return say_wrong_line(app, where, no_such_verb, stranger, std::string(no_such_verb) + ": " + stranger,
                            language_of(app, words), json);
    }
    return report_parse_error(app, asked, words, language_of(app, words), json);
  }
}

void add_verbs(CLI::App& app, Sitting& sitting, Verdict& verdict, bool in_shell) {
  speak_french(app);
  app.require_subcommand(1);
  app.footer(epilogue);
  app.fallthrough();
  app.add_flag("--json", sitting.options().json, "Sortie JSON, un objet par ligne");
  app.add_flag("--debug", sitting.options().debug, "Ajouter aux erreurs leur précision technique");
  add_identity(app, sitting, verdict);
  add_form(app, sitting, verdict);
  add_send(app, sitting, verdict);
  add_outbox(app, sitting, verdict);
  add_receipt(app, sitting, verdict);
  add_inbox(app, sitting, verdict);
  add_open(app, sitting, verdict);
  add_ack(app, sitting, verdict);
  add_case(app, sitting, verdict);
  add_contract(app, sitting, verdict);
  add_audit(app, sitting, verdict);
  add_directory(app, sitting, verdict);
  if (!in_shell) {
    add_init(app, sitting, verdict);
    add_age(app, sitting, verdict);
    add_shell(app, sitting, verdict);
  }
  title_verbs(app, Language::french);
  for (CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!is_english(verb->get_name())) continue;
    speak_english(*verb);
    title_verbs(*verb, Language::english);
    verb->group("Opérateurs et autorité (en anglais) ");
  }
}

// AddressSanitizer looks for leaks with ptrace, which a process that cannot be dumped refuses.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool looked_over_by_leak_checker = true;
#elif defined(__has_feature)
constexpr bool looked_over_by_leak_checker = __has_feature(address_sanitizer);
#else
constexpr bool looked_over_by_leak_checker = false;
#endif

/// What is in clear here reaches neither other users nor a crash dump.
void keep_to_ourselves() {
  ::umask(0077);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  if (!looked_over_by_leak_checker) ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/// A result that did not reach its file or pipe was not given.
int with_output_checked(int exit_code) {
  const bool lost = std::fflush(stdout) != 0 || std::ferror(stdout) != 0;
  if (!lost || exit_code != 0) return exit_code;
  warn(
      "Erreur : la sortie n'a pas pu être écrite en entier (disque plein ?) ; ce qui était demandé est fait. / "
      "Standard "
      "output could not be written; what was asked is done.");
  return static_cast<int>(ExitClass::local_error);
}

}  // namespace

int run_words(const std::vector<std::string>& words, Sitting& sitting) {
  CLI::App app{"Pli, échanges scellés", ""};
  Verdict verdict;
  const GlobalOptions before = sitting.options();
  add_verbs(app, sitting, verdict, true);
  std::vector<std::string> reversed(words.rbegin(), words.rend());
  int code = parse_and_run(app, verdict, words, before.json, [&] { app.parse(reversed); });
  sitting.options() = before;
  return code;
}

int run_program(int argc, char** argv) {
  try {
    keep_to_ourselves();
    crypto::initialise();
    Sitting sitting;
    Verdict verdict;
    CLI::App app{"Pli : échanges scellés entre collectivités, GED et CLIR", "pli"};
    add_verbs(app, sitting, verdict, false);
    app.set_version_flag("--version", version_line("pli"), "Afficher la version du programme");
    app.add_option("--home", sitting.options().home, "Dossier du profil (défaut : $PLI_HOME, sinon ~/.pli)");
    app.add_option("--passphrase-file", sitting.options().passphrase_file,
                   "Fichier de la phrase de passe, lisible de vous seul (chmod 600)");
    const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
    return with_output_checked(parse_and_run(app, verdict, words, false, [&] { app.parse(argc, argv); }));
  } catch (const std::exception& problem) {
    warn(std::string("pli: internal error: ") + problem.what());
    return static_cast<int>(ExitClass::local_error);
  }
}

}  // namespace pli::client::command
