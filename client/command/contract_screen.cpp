#include "client/command/contract_screen.hpp"

#include <algorithm>
#include <chrono>

#include "base/paris_time.hpp"
#include "client/command/screen.hpp"
#include "config/commune_table.hpp"
#include "config/data_folder.hpp"
#include "protocol/contract.hpp"
#include "protocol/printable.hpp"

namespace pli::client::command {
namespace {

/// The day a time lies in: a contract's days are counted in UTC (docs/protocol.md, "Contract").
Day day_at(UnixMillis time) {
  return std::chrono::floor<std::chrono::days>(
      std::chrono::sys_time<std::chrono::milliseconds>(std::chrono::milliseconds(time.value)));
}

std::string_view text_of(protocol::ContractState state) {
  switch (state) {
    case protocol::ContractState::to_come: return "a_venir";
    case protocol::ContractState::in_force: return "en_vigueur";
    case protocol::ContractState::over: return "termine";
  }
  return {};
}

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + text;
  return out;
}

std::string engagement_text(const std::string& line) {
  const auto engagement = protocol::engagement_of(line);
  if (!engagement) return line;
  const auto& table = protocol::engagement_table();
  const auto row = std::find_if(table.begin(), table.end(),
                                [&](const protocol::EngagementRow& each) { return each.name == engagement->name; });
  return (row == table.end() ? engagement->name : std::string(row->french)) + " : " + std::to_string(engagement->days) +
         (engagement->days == 1 ? " jour" : " jours") + " au plus";
}

std::string party_text(const std::string& line) {
  const protocol::Party party = protocol::party_of(line);
  return protocol::printable(party.name) + (party.siren.empty() ? "" : " (SIREN " + party.siren + ")");
}

}  // namespace

void show_contract(const Sitting& sitting, const protocol::Contract& contract, UnixMillis now) {
  const protocol::ContractState state = protocol::state_at(contract, now);
  std::vector<std::string> names;
  std::vector<std::string> volets;
  for (const protocol::Volet volet : contract.volets) {
    names.emplace_back(protocol::text_of(volet));
    volets.emplace_back(protocol::french(volet));
  }
  if (sitting.json()) {
    JsonObject()
        .text("contract", contract.id)
        .text("title", contract.title)
        .texts("parties", contract.parties)
        .text("territory", contract.territory)
        .texts("communes", contract.communes)
        .text("starts", iso_day(day_at(contract.starts)))
        .text("ends", iso_day(day_at(contract.ends)))
        .text("state", text_of(state))
        .texts("volets", names)
        .texts("engagements", contract.engagements)
        .texts("referents", contract.referents)
        .print();
    return;
  }
  say("Contrat " + contract.id + " : " + protocol::printable(contract.title));
  say("  Territoire : département " + contract.territory +
      (contract.communes.empty() ? ", toutes ses communes" : ", communes " + joined(contract.communes)));
  const UnixMillis last{contract.ends.value - 1};
  say("  Du " + french_day(day_at(contract.starts)) + " au " + french_day(day_at(last)) + " inclus : " +
      (state == protocol::ContractState::in_force  ? "en vigueur"
       : state == protocol::ContractState::to_come ? "pas encore en vigueur, aucun dossier ne s'ouvre"
                                                   : "terminé ; les dossiers ouverts vont à leur terme"));
  say("  Volets : " + (volets.empty() ? "non précisés, tous admis" : joined(volets)));
  say("  Signataires :");
  for (const std::string& party : contract.parties) say("    " + party_text(party));
  if (!contract.engagements.empty()) say("  Engagements :");
  for (const std::string& engagement : contract.engagements) say("    " + engagement_text(engagement));
  if (!contract.referents.empty()) say("  Qui appeler :");
  for (const std::string& referent : contract.referents) say("    " + protocol::printable(referent));
}

void show_tools(const std::vector<ShownTool>& tools) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [member, tool] : tools) {
    if (tool == nullptr) {
      rows.push_back({member->id, "non inscrit : ne dépose et ne lit rien", "", "", ""});
      continue;
    }
    std::vector<std::string> kinds;
    for (const protocol::Kind kind : tool->kinds) kinds.emplace_back(protocol::row_of(kind)->name);
    rows.push_back({tool->id, std::string(protocol::french(tool->volet)), joined(kinds), joined(tool->posts),
                    joined(tool->reads)});
  }
  print_table({{"Outil"}, {"Volet"}, {"Dépose"}, {"Vers"}, {"Lit"}}, rows);
}

Outcome<bool> is_known_territory(std::string_view code) {
  auto table = config::CommuneTable::load(config::data_folder() / config::commune_table_file);
  if (!table) return local(protocol::LocalCode::local_store, table.error());
  std::string upper(code);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  if (!protocol::is_territory(code)) return false;
  const auto& communes = table->all();
  return table->find_by_code(upper) != nullptr ||
         std::any_of(communes.begin(), communes.end(),
                     [&](const config::Commune& commune) { return commune.departement == upper; });
}

}  // namespace pli::client::command
