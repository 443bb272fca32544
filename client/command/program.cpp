#include "client/command/program.hpp"

#include <CLI/CLI.hpp>
#include <exception>

#include "client/command/screen.hpp"
#include "client/command/sitting.hpp"
#include "crypto/random.hpp"

namespace pli::client::command {
namespace {

constexpr const char* epilogue =
    "Danger immédiat : appelez le 17 ou le 112. Pli ne transporte ni document classifié ni « Diffusion restreinte ».\n"
    "Codes de sortie : 0 fait, 1 refusé par le serveur, 2 commande incorrecte, 3 serveur injoignable ou envoi en "
    "attente,\n"
    "4 vérification en échec, 5 erreur locale. Aide d'une commande : pli COMMANDE --help";

/// What CLI11 found wrong, for an officer; its own words follow in brackets.
std::string french(const CLI::ParseError& error) {
  std::string name = error.get_name();
  if (name == "RequiredError") return "il manque une commande, un argument ou une option.";
  if (name == "ExtrasError") return "un mot est de trop ou une option n'existe pas.";
  if (name == "ArgumentMismatch") return "une option n'a pas la valeur qu'elle attend.";
  if (name == "ConversionError" || name == "ValidationError") return "une valeur n'est pas acceptée.";
  if (name == "ExcludesError") return "deux options s'excluent.";
  return "elle ne peut pas être comprise.";
}

int parse_and_run(CLI::App& app, Verdict& verdict, const std::function<void()>& parse) {
  try {
    parse();
    return verdict.exit_code;
  } catch (const CLI::ParseError& asked) {
    if (asked.get_exit_code() == 0) return app.exit(asked);  // --help
    warn("Commande incorrecte : " + french(asked) + " Voir --help. [" + asked.what() + "]");
    return static_cast<int>(ExitClass::usage);
  }
}

void add_verbs(CLI::App& app, Sitting& sitting, Verdict& verdict, bool in_shell) {
  app.require_subcommand(1);
  app.footer(epilogue);
  app.fallthrough();
  app.add_flag("--json", sitting.options().json, "Sortie JSON, un objet par ligne / JSON, one object a line");
  add_identity(app, sitting, verdict);
  add_send(app, sitting, verdict);
  add_outbox(app, sitting, verdict);
  add_receipt(app, sitting, verdict);
  add_inbox(app, sitting, verdict);
  add_open(app, sitting, verdict);
  add_ack(app, sitting, verdict);
  add_case(app, sitting, verdict);
  add_audit(app, sitting, verdict);
  add_directory(app, sitting, verdict);
  if (in_shell) return;
  add_init(app, sitting, verdict);
  add_age(app, sitting, verdict);
  add_shell(app, sitting, verdict);
}

}  // namespace

int run_words(const std::vector<std::string>& words, Sitting& sitting) {
  CLI::App app{"Pli, échanges scellés", ""};
  Verdict verdict;
  bool json = sitting.options().json;
  add_verbs(app, sitting, verdict, true);
  std::vector<std::string> reversed(words.rbegin(), words.rend());
  int code = parse_and_run(app, verdict, [&] { app.parse(reversed); });
  sitting.options().json = json;
  return code;
}

int run_program(int argc, char** argv) {
  try {
    crypto::initialise();
    Sitting sitting;
    Verdict verdict;
    CLI::App app{"Pli : échanges scellés entre collectivités, GED et CLIR", "pli"};
    app.add_option("--home", sitting.options().home, "Dossier du profil (défaut : $PLI_HOME, sinon ~/.pli)");
    app.add_option("--passphrase-file", sitting.options().passphrase_file,
                   "Fichier de la phrase de passe, lisible de vous seul (chmod 600)");
    add_verbs(app, sitting, verdict, false);
    return parse_and_run(app, verdict, [&] { app.parse(argc, argv); });
  } catch (const std::exception& problem) {
    warn(std::string("pli: internal error: ") + problem.what());
    return static_cast<int>(ExitClass::local_error);
  }
}

}  // namespace pli::client::command
