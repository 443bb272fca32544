// pli contract show: what was signed and whom to call. pli directory contract|tool: the authority's gestures that
// change it.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/paris_time.hpp"
#include "client/authority.hpp"
#include "client/command/contract_screen.hpp"
#include "client/command/program.hpp"
#include "client/command/screen.hpp"
#include "client/command/tool_options.hpp"
#include "protocol/contract.hpp"

namespace pli::client::command {
namespace {

namespace fs = std::filesystem;
using protocol::Language;

int failed(const Sitting& sitting, const Failure& failure) { return report(sitting, failure, Language::english); }
int misused(const Sitting& sitting, std::string_view words) { return usage_error(sitting, words, Language::english); }

int show(Sitting& sitting) {
  auto profile = sitting.profile();
  if (!profile) return report(sitting, profile.error());
  // Whom to call must be told when the broker does not answer: the last version verified says it.
  auto directory = last_directory(**profile);
  if (!directory) {
    auto session = sitting.session();
    if (!session) return report(sitting, session.error());
    directory = last_directory(**profile);
    if (!directory) return report(sitting, directory.error());
  }
  const protocol::Contract* contract = directory->contract();
  if (contract == nullptr)
    return report(sitting, Failure(protocol::LocalCode::directory_unproven, "no contract entry is shown"));
  show_contract(sitting, *contract, sitting.clock().now());
  if (!sitting.json()) say("  D'après l'annuaire n° " + std::to_string(directory->number().value) + ".");
  return 0;
}

struct ContractOptions {
  fs::path authority;
  std::optional<std::string> title, starts, ends;
  std::vector<std::string> parties, communes, volets, engagements, referents;
  bool whole_departement = false;

  [[nodiscard]] bool change() const {
    return title || starts || ends || whole_departement || !parties.empty() || !communes.empty() || !volets.empty() ||
           !engagements.empty() || !referents.empty();
  }
};

int change_contract(Sitting& sitting, const ContractOptions& options) {
  auto authority = Authority::open(options.authority);
  if (!authority) return failed(sitting, authority.error());
  const protocol::Contract* held = authority->directory().contract();
  if (held == nullptr) return misused(sitting, "this directory has no contract");
  protocol::Contract contract = *held;
  if (options.title) contract.title = *options.title;
  for (const auto& [text, time] :
       {std::pair{&options.starts, &contract.starts}, std::pair{&options.ends, &contract.ends}}) {
    if (!*text) continue;
    const auto day = parse_day(**text);
    if (!day) return misused(sitting, "a day is written 2026-01-01");
    *time = {std::chrono::duration_cast<std::chrono::milliseconds>(day->time_since_epoch()).count()};
  }
  if (!options.parties.empty()) contract.parties = options.parties;
  if (options.whole_departement) contract.communes.clear();
  if (!options.communes.empty()) contract.communes = options.communes;
  for (const std::string& commune : options.communes) {
    auto known = is_known_territory(commune);
    if (!known) return failed(sitting, known.error());
    if (!*known) return misused(sitting, "INSEE knows no such commune: " + commune);
  }
  if (!options.volets.empty()) contract.volets.clear();
  for (const std::string& name : options.volets) {
    const auto volet = protocol::volet_of(name);
    if (!volet) return misused(sitting, "unknown volet: " + name);
    contract.volets.push_back(*volet);
  }
  if (!options.engagements.empty()) contract.engagements = options.engagements;
  if (!options.referents.empty()) contract.referents = options.referents;
  if (options.change()) {
    if (const std::string flaw = protocol::flaw_of(contract); !flaw.empty()) return misused(sitting, flaw);
    if (auto changed = authority->draft().change_contract(contract); !changed) return failed(sitting, changed.error());
    if (auto saved = authority->save(); !saved) return failed(sitting, saved.error());
  }
  show_contract(sitting, contract, sitting.clock().now());
  if (options.change() && !sitting.json()) say("In force once signed and published.");
  return 0;
}

struct RegisterOptions {
  fs::path authority;
  std::string id;
  ToolOptions tool;
};

int register_tool(Sitting& sitting, const RegisterOptions& options) {
  auto authority = Authority::open(options.authority);
  if (!authority) return failed(sitting, authority.error());
  const protocol::Member* member = authority->directory().member(options.id);
  if (member == nullptr || !member->roles.has(protocol::Role::outil)) return misused(sitting, "no tool of that id");
  auto tool = tool_of(options.tool, *member, *authority->directory().contract());
  if (!tool) return misused(sitting, tool.error().detail);
  if (auto done = authority->draft().register_tool(*tool); !done) return failed(sitting, done.error());
  if (auto saved = authority->save(); !saved) return failed(sitting, saved.error());
  if (sitting.json())
    JsonObject().boolean("done", true).print();
  else
    say("Registered " + options.id + ". In force once signed and published.");
  return 0;
}

}  // namespace

void add_contract(CLI::App& app, Sitting& sitting, Verdict& verdict) {
  auto* group = app.add_subcommand("contract", "Le contrat : signataires, territoire, dates, engagements, qui appeler");
  group->require_subcommand(1);
  group->footer("Exemple : pli contract show");
  auto* verb = group->add_subcommand("show", "Montrer le contrat, d'après le dernier annuaire vérifié");
  verb->footer("Exemple : pli contract show");
  verb->callback([&sitting, &verdict] { verdict.exit_code = show(sitting); });
  add_contract_report(*group, sitting, verdict);
}

void add_directory_contract(CLI::App& group, Sitting& sitting, Verdict& verdict) {
  auto options = std::make_shared<ContractOptions>();
  auto* verb = group.add_subcommand("contract", "Show the contract, or change what it says");
  verb->footer(
      "Example: pli directory contract --authority yonne/authority --ends 2032-01-01 --engagement \"decision 90\"\n"
      "An option that may be given several times replaces the whole list.");
  verb->add_option("--authority", options->authority, "The authority's folder")->required();
  verb->add_option("--title", options->title, "What it is called");
  verb->add_option("--party", options->parties,
                   "\"SIREN Name\", or the name of one that sends nothing itself; two or more")
      ->allow_extra_args(false);
  verb->add_option("--starts", options->starts, "First day, 2026-01-01 (UTC)");
  verb->add_option("--ends", options->ends, "Day from which no case is opened any more, 2031-01-01 (UTC)");
  auto* communes = verb->add_option("--commune", options->communes, "INSEE code of a commune it is limited to")
                       ->allow_extra_args(false);
  verb->add_flag("--whole-departement", options->whole_departement, "No such limit")->excludes(communes);
  verb->add_option(
          "--volet", options->volets,
          "radicalisation_separatisme (always), securite_interieure, justice, prevention_delinquance, transport")
      ->allow_extra_args(false);
  verb->add_option("--engagement", options->engagements,
                   "\"name days\": accuse_de_reception, premiere_lecture, premiere_lecture_urgente, decision, retour, "
                   "point_de_situation")
      ->allow_extra_args(false);
  verb->add_option("--referent", options->referents, "Whom members call: one line")->allow_extra_args(false);
  verb->callback([&sitting, &verdict, options] { verdict.exit_code = change_contract(sitting, *options); });

  auto registered = std::make_shared<RegisterOptions>();
  verb = group.add_subcommand("tool", "Say what a tool enrolled may post and read");
  verb->footer(
      "Example: pli directory tool outil.transport --authority yonne/authority --volet transport --post ged/89");
  verb->add_option("tool", registered->id, "Member id of the tool")->required();
  verb->add_option("--authority", registered->authority, "The authority's folder")->required();
  add_tool_options(*verb, registered->tool);
  verb->add_option("--read", registered->tool.reads, "Queue it sits in and reads (default: where it sits)")
      ->allow_extra_args(false);
  verb->callback([&sitting, &verdict, registered] { verdict.exit_code = register_tool(sitting, *registered); });
}

}  // namespace pli::client::command
