#include "client/command/help_format.hpp"

#include <CLI/CLI.hpp>

namespace pli::client::command {
namespace {

class FrenchFormatter : public CLI::Formatter {
 public:
  FrenchFormatter() {
    label("Usage", "Emploi ");
    label("OPTIONS", "OPTIONS");
    label("SUBCOMMAND", "COMMANDE");
    label("SUBCOMMANDS", "COMMANDES");
    label("Positionals", "Arguments ");
  }
  std::string make_group(std::string group, bool is_positional,
                         std::vector<const CLI::Option*> options) const override {
    return CLI::Formatter::make_group(group == "Options" ? "Options " : group, is_positional, std::move(options));
  }
  std::string make_option_opts(const CLI::Option* option) const override {
    if (option->get_type_size() == 0 || option->get_expected_max() == 0) return "";  // a flag
    std::string out = option->get_type_name().rfind("INT", 0) == 0 || option->get_type_name().rfind("UINT", 0) == 0
                          ? " NOMBRE"
                          : " TEXTE";
    if (option->get_expected_max() == CLI::detail::expected_max_vector_size) out += " ...";
    if (option->get_required()) out += " (obligatoire)";
    return out;
  }
};

}  // namespace

void speak_french(CLI::App& app) {
  app.formatter(std::make_shared<FrenchFormatter>());
  app.set_help_flag("-h,--help", "Afficher cette aide");
}

void speak_english(CLI::App& app) {
  app.formatter(std::make_shared<CLI::Formatter>());
  app.set_help_flag("-h,--help", "Print this help");
  for (CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) speak_english(*verb);
}

void title_verbs(CLI::App& app, protocol::Language language) {
  for (CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    verb->group(language == protocol::Language::french ? "Commandes " : "Verbs");
    title_verbs(*verb, language);
  }
}

}  // namespace pli::client::command
