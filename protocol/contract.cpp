#include "protocol/contract.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "audit/text_lines.hpp"
#include "protocol/limits.hpp"
#include "protocol/policy.hpp"

namespace pli::protocol {
namespace {

constexpr std::size_t siren_bytes = 9;

// Sources: the circular of 13 November 2018 (systematic return, information at least twice a year), the doctrine of the
// GED (evaluation within four months). The first two have no text: a contract sets them.
constexpr std::array<EngagementRow, 6> engagements = {{
    {"accuse_de_reception", "Accusé de réception d'un signalement", 31},
    {"premiere_lecture", "Première lecture par l'instance", 31},
    {"premiere_lecture_urgente", "Première lecture d'un cas urgent", 31},
    {"decision", "Décision de l'instance", 120},
    {"retour", "Retour à la collectivité, après la décision", 120},
    {"point_de_situation", "Point de situation général, l'un après l'autre", 184},
}};

bool related(std::string_view a, std::string_view b) { return covers(a, b) || covers(b, a); }

}  // namespace

bool is_siren(std::string_view text) {
  return text.size() == siren_bytes &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Party party_of(std::string_view line) {
  if (line.size() > siren_bytes + 1 && line[siren_bytes] == ' ' && is_siren(line.substr(0, siren_bytes)))
    return {std::string(line.substr(0, siren_bytes)), std::string(line.substr(siren_bytes + 1))};
  return {{}, std::string(line)};
}

std::optional<bool> is_party(const Contract& contract, std::string_view organisation) {
  std::optional<bool> out;
  for (const std::string& line : contract.parties) {
    const Party party = party_of(line);
    if (party.siren.empty()) continue;
    out = out.value_or(false) || party.siren == organisation;
  }
  return out;
}

std::span<const EngagementRow> engagement_table() { return engagements; }

std::optional<Engagement> engagement_of(std::string_view line) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto days = audit::parse_decimal(line.substr(space + 1));
  if (!days) return std::nullopt;
  return Engagement{std::string(line.substr(0, space)), *days};
}

std::string flaw_of(const Contract& contract) {
  if (const auto read = read_contract(write_contract(contract, {})); !read) return read.error().detail;
  if (contract.parties.size() < 2) return "a contract has two parties at least";
  std::set<std::string> sirens;
  for (const std::string& line : contract.parties)
    if (const Party party = party_of(line); !party.siren.empty() && !sirens.insert(party.siren).second)
      return "two parties with one SIREN: " + party.siren;
  std::set<std::string> named;
  for (const std::string& line : contract.engagements) {
    const auto engagement = engagement_of(line);
    const auto row = std::find_if(engagements.begin(), engagements.end(), [&](const EngagementRow& each) {
      return engagement && each.name == engagement->name;
    });
    if (row == engagements.end()) {
      std::string known;
      for (const EngagementRow& each : engagements) known += (known.empty() ? "" : ", ") + std::string(each.name);
      return "an engagement is one of " + known + ", and its days: " + line;
    }
    if (engagement->days > row->days_max)
      return "at most " + std::to_string(row->days_max) + " days for " + std::string(row->name);
    if (!named.insert(engagement->name).second) return "an engagement stands twice: " + engagement->name;
  }
  return {};
}

ContractState state_at(const Contract& contract, UnixMillis now) {
  if (now < contract.starts) return ContractState::to_come;
  return now < contract.ends ? ContractState::in_force : ContractState::over;
}

bool is_within(const Contract& contract, std::string_view territory) {
  if (!covers(contract.territory, territory)) return false;
  return contract.communes.empty() ||
         std::any_of(contract.communes.begin(), contract.communes.end(),
                     [&](const std::string& commune) { return covers(territory, commune); });
}

bool is_within(const Contract& contract, std::string_view sender_territory, std::string_view queue_territory) {
  if (!covers(contract.territory, queue_territory)) return false;
  return contract.communes.empty() ||
         std::any_of(contract.communes.begin(), contract.communes.end(),
                     [&](const std::string& commune) { return related(commune, sender_territory); });
}

bool has_volet(const Contract& contract, Volet volet) {
  return contract.volets.empty() ||
         std::find(contract.volets.begin(), contract.volets.end(), volet) != contract.volets.end();
}

}  // namespace pli::protocol
