// pli form list|show: what there is to fill, and a commented blank to begin from. Needs neither identity nor network.
#include <CLI/CLI.hpp>

#include "client/command/program.hpp"
#include "client/command/screen.hpp"
#include "client/command/sitting.hpp"
#include "protocol/form.hpp"

namespace pli::client::command {
namespace {

int list(const Sitting& sitting) {
  std::vector<std::vector<std::string>> rows;
  for (const protocol::Kind kind : protocol::form_kinds()) {
    const auto* row = protocol::row_of(kind);
    const std::string_view route = protocol::route_of(kind);
    if (sitting.json())
      JsonObject()
          .text("type", row->name)
          .text("french", row->french)
          .text("route", route)
          .boolean("case", row->names_case)
          .print();
    else
      rows.push_back({std::string(row->name), std::string(row->french), std::string(route)});
  }
  print_table({{"Type"}, {"Nature"}, {"De → vers"}}, rows);
  return 0;
}

int show(const Sitting& sitting, const std::string& type) {
  const auto kind = protocol::kind_of(type);
  const std::string blank = kind ? protocol::blank_form(*kind, protocol::Comments::with) : "";
  if (blank.empty()) return usage_error(sitting, "ce type de formulaire n'existe pas : pli form list");
  if (sitting.json())
    JsonObject().text("type", type).raw("form", protocol::blank_form(*kind, protocol::Comments::without)).print();
  else
    say(std::string_view(blank).substr(0, blank.size() - 1));
  return 0;
}

}  // namespace

void add_form(CLI::App& app, Sitting& sitting, Verdict& verdict) {
  auto* group = app.add_subcommand("form", "Formulaires : les types qu'il y a, et un formulaire vide à remplir");
  group->require_subcommand(1);
  group->footer("Exemple : pli form show complement > complement.json");
  auto* verb = group->add_subcommand(
      "list", "Lister les types de formulaires : s'ils sont admis du serveur, de qui à qui ils vont");
  verb->footer("Exemple : pli form list");
  verb->callback([&sitting, &verdict] { verdict.exit_code = list(sitting); });
  auto type = std::make_shared<std::string>();
  verb = group->add_subcommand("show", "Afficher un formulaire vide, commenté : chaque champ, ce qu'il admet");
  verb->footer(
      "Exemple : pli form show signalement_individuel > signalement.json\n"
      "Remplissez-le dans un éditeur de texte, puis pli send signalement.json : les commentaires (//) peuvent rester.");
  verb->add_option("type", *type, "Type, dans la liste de pli form list")->required();
  verb->callback([&sitting, &verdict, type] { verdict.exit_code = show(sitting, *type); });
}

}  // namespace pli::client::command
