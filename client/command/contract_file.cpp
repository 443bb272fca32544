#include "client/command/contract_file.hpp"

#include <toml++/toml.h>
#include <algorithm>
#include <chrono>
#include <set>
#include <sstream>

#include "base/file.hpp"
#include "protocol/contract.hpp"
#include "protocol/limits.hpp"

namespace pli::client::command {
namespace {

constexpr std::size_t contract_file_bytes_max = 64 * 1024;
constexpr std::size_t list_items_max =
    protocol::contract_communes_max;  // the longest; protocol::flaw_of() has the others

Error refuse(const std::string& key, const char* why) { return {Errc::invalid_input, "« " + key + " » : " + why}; }

std::int64_t days_from_civil(const toml::date& date) {
  return std::chrono::sys_days(std::chrono::year(date.year) / std::chrono::month(date.month) /
                               std::chrono::day(date.day))
      .time_since_epoch()
      .count();
}

std::string in_lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

constexpr std::int64_t day_ms = 24LL * 3600 * 1000;

Result<UnixMillis> date_of(const toml::table& table, const char* key) {
  auto date = table[key].value<toml::date>();
  if (!date) return refuse(key, "il faut une date, par exemple 2026-01-01");
  return UnixMillis{days_from_civil(*date) * day_ms};
}

Result<std::string> text_of(const toml::table& table, const char* key) {
  auto value = table[key].value<std::string>();
  if (!value || value->empty() || value->size() > 200) return refuse(key, "il faut un texte de 1 à 200 caractères");
  return *value;
}

Result<std::vector<std::string>> texts_of(const toml::table& table, const char* key, std::size_t min) {
  const toml::array* list = table[key].as_array();
  if (list == nullptr || list->size() < min || list->size() > list_items_max)
    return refuse(key, "il faut une liste de textes, 256 au plus");
  std::vector<std::string> out;
  for (const auto& node : *list) {
    auto value = node.value<std::string>();
    if (!value || value->empty() || value->size() > 200) return refuse(key, "chaque élément est un texte");
    out.push_back(*value);
  }
  return out;
}

std::string iso_date(UnixMillis time) {
  std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(time.value / day_ms))};
  char buffer[16];
  std::snprintf(buffer, sizeof buffer, "%04d-%02u-%02u", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  return buffer;
}

std::string toml_text(const std::string& text) {
  std::ostringstream out;
  out << toml::value<std::string>(text);
  return out.str();
}

std::string toml_text(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (std::size_t i = 0; i < texts.size(); ++i) out += (i == 0 ? "" : ", ") + toml_text(texts[i]);
  return out + "]";
}

}  // namespace

Result<ContractFile> load_contract_file(const std::filesystem::path& path) {
  auto bytes = read_file(path, contract_file_bytes_max);
  if (!bytes) return bytes.error();
  toml::table table;
  try {
    table = toml::parse(as_text(*bytes));
  } catch (const toml::parse_error& problem) {
    return Error{Errc::invalid_input,
                 "ligne " + std::to_string(problem.source().begin.line) + " : ce n'est pas du TOML"};
  }
  static const std::set<std::string, std::less<>> known = {"contrat",  "titre",     "parties", "departement",
                                                           "communes", "debut",     "fin",     "engagements",
                                                           "volets",   "referents", "domaine", "adresse"};
  for (const auto& [key, value] : table)
    if (known.find(key.str()) == known.end()) return refuse(std::string(key.str()), "clé inconnue");

  ContractFile out;
  auto id = text_of(table, "contrat");
  auto title = text_of(table, "titre");
  auto parties = texts_of(table, "parties", 2);
  auto territory = text_of(table, "departement");
  auto starts = date_of(table, "debut");
  auto ends = date_of(table, "fin");
  auto engagements = texts_of(table, "engagements", 0);
  auto communes = texts_of(table, "communes", 0);
  auto volets = texts_of(table, "volets", 1);
  auto referents = texts_of(table, "referents", 0);
  auto domain = text_of(table, "domaine");
  auto endpoint = text_of(table, "adresse");
  if (!id) return id.error();
  if (!title) return title.error();
  if (!parties) return parties.error();
  if (!territory) return territory.error();
  if (!starts) return starts.error();
  if (!ends) return ends.error();
  if (!engagements) return engagements.error();
  if (!communes) return communes.error();
  if (!volets) return volets.error();
  if (!referents) return referents.error();
  if (!domain) return domain.error();
  if (!endpoint) return endpoint.error();
  if (!protocol::is_token(*id)) return refuse("contrat", "lettres minuscules, chiffres, point et tirets, 64 au plus");
  *territory = in_lower_case(*territory);
  for (std::string& commune : *communes) commune = in_lower_case(commune);
  out.log = *domain + "/pli/" + *territory;
  if (!protocol::is_log_name(out.log))
    return refuse("departement", "un numéro de département (« 89 », « 2a ») et un nom de domaine sont attendus");
  if (*ends <= *starts) return refuse("fin", "la fin doit suivre le début");
  if (endpoint->rfind("tcp://", 0) != 0)
    return refuse("adresse", "elle commence par tcp://, par exemple tcp://10.0.0.5:7410");
  out.endpoint = *endpoint;
  out.contract = {*id, *title, *parties, *territory, *starts, *ends, *engagements, *communes, {}, *referents};
  for (const std::string& name : *volets) {
    const auto volet = protocol::volet_of(name);
    if (!volet) return refuse("volets", "volet inconnu");
    out.contract.volets.push_back(*volet);
  }
  if (const std::string flaw = protocol::flaw_of(out.contract); !flaw.empty()) return Error{Errc::invalid_input, flaw};
  for (const char* kind : {"ged/", "clir/", "cpraf/", "audit/"}) out.queues.push_back(kind + *territory);
  return out;
}

std::string to_toml(const ContractFile& file) {
  const protocol::Contract& contract = file.contract;
  std::string domain = file.log.substr(0, file.log.find("/pli/"));
  std::vector<std::string> volets;
  for (const protocol::Volet volet : contract.volets) volets.emplace_back(protocol::text_of(volet));
  return "# Contrat de sécurité intégrée, volet « radicalisation et séparatisme ». Écrit par « pli init ».\n"
         "contrat = " +
         toml_text(contract.id) + "\ntitre = " + toml_text(contract.title) +
         "\nparties = " + toml_text(contract.parties) + "\ndepartement = " + toml_text(contract.territory) +
         "\ncommunes = " + toml_text(contract.communes) + "\ndebut = " + iso_date(contract.starts) +
         "\nfin = " + iso_date(contract.ends) + "\nengagements = " + toml_text(contract.engagements) +
         "\nvolets = " + toml_text(volets) + "\nreferents = " + toml_text(contract.referents) +
         "\ndomaine = " + toml_text(domain) + "\nadresse = " + toml_text(file.endpoint) + "\n";
}

}  // namespace pli::client::command
