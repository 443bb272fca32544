#include "broker/config.hpp"

#include <toml++/toml.h>
#include <algorithm>
#include <array>
#include <string_view>

#include "base/file.hpp"
#include "protocol/shard_order.hpp"
#include "protocol/vocabulary.hpp"

namespace pli::broker {
namespace {

constexpr std::size_t config_bytes_max = 64 * 1024;
constexpr std::size_t threads_max = 256;
constexpr std::uint64_t retour_at_once = 24;
/// What one batch of staged parts may take, in the WAL and in the database.
constexpr std::uint64_t disk_reserve_bytes_min = 128ULL * 1024 * 1024;
constexpr std::uint64_t bytes_end = std::uint64_t{1} << 40;
constexpr std::uint64_t acts_per_day_end = 1'000'000'000;
constexpr std::size_t legal_act_bytes_max = 200;
constexpr std::string_view credential_prefix = "credential:";

Error wrong(std::string_view key, std::string_view what) {
  return {Errc::invalid_input, std::string(key) + ": " + std::string(what)};
}

/// Takes keys out of a table one by one, so that what is left over is unknown. The first failure stays; what is
/// missing is named last.
class Keys {
 public:
  Keys(const toml::table& table, std::string prefix) : table_(table), prefix_(std::move(prefix)) {}

  std::string text(std::string_view key, bool required) {
    const toml::node* node = take(key, required);
    if (node == nullptr) return {};
    auto value = node->value_exact<std::string>();
    if (!value || value->empty()) return refuse(key, "must be a text that is not empty"), std::string();
    return *value;
  }

  std::uint64_t integer(std::string_view key, std::uint64_t fallback, std::uint64_t low, std::uint64_t high) {
    const toml::node* node = take(key, false);
    if (node == nullptr) return fallback;
    auto value = node->value_exact<std::int64_t>();
    if (!value || *value < 0 || static_cast<std::uint64_t>(*value) < low || static_cast<std::uint64_t>(*value) > high) {
      refuse(key, "must be a whole number from " + std::to_string(low) + " to " + std::to_string(high));
      return fallback;
    }
    return static_cast<std::uint64_t>(*value);
  }

  const toml::node* take(std::string_view key, bool required) {
    known_.emplace_back(key);
    const toml::node* node = table_.get(key);
    if (node == nullptr && required && !missing_) missing_ = wrong(prefix_ + std::string(key), "is missing");
    return node;
  }

  void refuse(std::string_view key, std::string_view what) {
    if (!error_) error_ = wrong(prefix_ + std::string(key), what);
  }

  [[nodiscard]] std::optional<Error> finish() const {
    if (error_) return error_;
    for (auto&& [key, node] : table_) {
      if (std::find(known_.begin(), known_.end(), key.str()) == known_.end()) {
        // Misspelt, it is what is missing, too.
        return wrong(prefix_ + std::string(key.str()), "unknown key, line " + std::to_string(node.source().begin.line) +
                                                           (missing_ ? "; " + missing_->detail : std::string()));
      }
    }
    return missing_;
  }

 private:
  const toml::table& table_;
  std::string prefix_;
  std::vector<std::string> known_;
  std::optional<Error> error_;
  std::optional<Error> missing_;
};

bool lies_in(const std::filesystem::path& path, const std::filesystem::path& folder) {
  const auto inner = path.lexically_normal();
  const auto outer = (folder / "").lexically_normal().parent_path();
  const auto differs = std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
  return differs.first == outer.end();
}

std::optional<SecretSource> secret_source(Keys& keys, const std::filesystem::path& base) {
  const toml::node* node = keys.take("startup_secret", false);
  if (node == nullptr) return std::nullopt;
  if (auto fd = node->value_exact<std::int64_t>()) {
    // 0 to 2 are the terminal's.
    if (*fd >= 3 && *fd <= 1023) return SecretDescriptor{static_cast<int>(*fd)};
  } else if (auto text = node->value_exact<std::string>(); text && !text->empty()) {
    if (text->compare(0, credential_prefix.size(), credential_prefix) != 0) return SecretFile{base / *text};
    std::string name = text->substr(credential_prefix.size());
    if (!name.empty() && name.find('/') == std::string::npos && name != "." && name != "..")
      return SecretCredential{name};
  }
  keys.refuse("startup_secret", "must be a descriptor from 3 to 1023, \"credential:NAME\" or a path");
  return std::nullopt;
}

void read_limits(Keys& keys, const toml::node* node, ConfigLimits& limits, std::optional<Error>& error) {
  if (node == nullptr) return;
  const toml::table* table = node->as_table();
  if (table == nullptr) return keys.refuse("limits", "must be a table");
  Keys inner(*table, "limits.");
  limits.exchange_bytes_max =
      inner.integer("exchange_bytes_max", limits.exchange_bytes_max, 1024, protocol::exchange_bytes_max);
  limits.in_flight_max = inner.integer("in_flight_max", limits.in_flight_max, 1, protocol::in_flight_max);
  limits.refusals_per_minute_max =
      inner.integer("refusals_per_minute_max", limits.refusals_per_minute_max, 1, protocol::refusals_per_minute_max);
  limits.spool_bytes_max =
      inner.integer("spool_bytes_max", limits.spool_bytes_max, 2 * protocol::exchange_bytes_max, bytes_end);
  limits.disk_reserve_bytes =
      inner.integer("disk_reserve_bytes", limits.disk_reserve_bytes, disk_reserve_bytes_min, bytes_end);
  limits.bytes_per_day_max =
      inner.integer("bytes_per_day_max", limits.bytes_per_day_max, protocol::exchange_bytes_max, bytes_end);
  limits.acts_per_day_max = inner.integer("acts_per_day_max", limits.acts_per_day_max, 100, acts_per_day_end);
  limits.log_unavailable = std::chrono::seconds(
      inner.integer("log_unavailable_seconds", static_cast<std::uint64_t>(limits.log_unavailable.count()), 0, 3600));
  limits.journal_months = static_cast<std::uint32_t>(
      inner.integer("journal_months", limits.journal_months, journal_months_min, journal_months_max));
  limits.self_audit = std::chrono::hours(
      inner.integer("self_audit_hours", static_cast<std::uint64_t>(limits.self_audit.count()), 1, 168));
  error = inner.finish();
}

void read_terms(Keys& keys, const toml::node* node, Config& config, std::optional<Error>& error) {
  if (node == nullptr) return;
  const toml::table* table = node->as_table();
  if (table == nullptr) return keys.refuse("terms", "must be a table");
  Keys inner(*table, "terms.");
  const auto months = [&](std::string_view key, std::uint32_t usual) {
    return static_cast<std::uint32_t>(inner.integer(key, usual, 1, protocol::term_months_max));
  };
  config.terms.bref = months("bref_months", config.terms.bref);
  config.terms.court = months("court_months", config.terms.court);
  config.terms.ordinaire = months("ordinaire_months", config.terms.ordinaire);
  config.terms.party = months("party_months", config.terms.party);
  if (config.terms.party < protocol::party_months_min)
    inner.refuse("party_months", "must be 3 at least: a collectivité may add to a case for 30 days after its retour");
  config.legal_act = inner.text("legal_act", false);
  if (!config.legal_act.empty() && !protocol::is_plain_text(config.legal_act, legal_act_bytes_max))
    inner.refuse("legal_act", "must be one line of at most 200 bytes");
  if (config.legal_act.empty() && protocol::is_lengthened(config.terms))
    inner.refuse("legal_act", "is missing: by which act a term is longer than its default");
  error = inner.finish();
}

void read_witnesses(Keys& keys, const toml::node* node, const std::filesystem::path& base, Config& config,
                    std::optional<Error>& error) {
  if (node == nullptr) return;
  const toml::table* table = node->as_table();
  if (table == nullptr) return keys.refuse("witnesses", "must be a table");
  Keys inner(*table, "witnesses.");
  const std::string policy = inner.text("policy", true);
  if (!policy.empty()) config.witnesses_policy = (base / policy).lexically_normal();
  error = inner.finish();
}

/// Anybody may fetch what lies there.
std::optional<Error> check_tiles_folder(const Config& config) {
  constexpr std::string_view key = "tiles_folder";
  const std::filesystem::path& tiles = config.tiles_folder;
  if (lies_in(tiles, config.data_folder)) return wrong(key, "must lie outside data_folder");
  if (lies_in(tiles, config.key_folder)) return wrong(key, "must lie outside key_folder");
  const std::array<std::pair<std::string_view, const std::filesystem::path*>, 5> apart{{
      {"data_folder", &config.data_folder},
      {"key_folder", &config.key_folder},
      {"leases", &config.leases},
      {"leases_copy", &config.leases_copy},
      {"outside_checkpoint", &config.outside_checkpoint},
  }};
  for (const auto& [other, path] : apart)
    if (lies_in(*path, tiles)) return wrong(other, "must lie outside tiles_folder");
  return std::nullopt;
}

std::optional<Error> check_paths(const Config& config) {
  const std::array<std::pair<std::string_view, const std::filesystem::path*>, 4> apart{{
      {"key_folder", &config.key_folder},
      {"leases", &config.leases},
      {"leases_copy", &config.leases_copy},
      {"outside_checkpoint", &config.outside_checkpoint},
  }};
  for (const auto& [key, path] : apart)
    if (lies_in(*path, config.data_folder)) return wrong(key, "must lie outside data_folder");
  if (lies_in(config.data_folder, config.key_folder)) return wrong("data_folder", "must lie outside key_folder");
  if (config.leases.lexically_normal() == config.leases_copy.lexically_normal())
    return wrong("leases_copy", "must be another file than leases");
  if (!config.tiles_folder.empty()) return check_tiles_folder(config);
  return std::nullopt;
}

Result<Config> read(const toml::table& table, const std::filesystem::path& base) {
  Keys keys(table, "");
  auto path = [&](std::string_view key, bool required) {
    std::string text = keys.text(key, required);
    return text.empty() ? std::filesystem::path() : (base / text).lexically_normal();
  };
  Config config;
  config.endpoint = keys.text("endpoint", true);
  config.log = keys.text("log", true);
  config.shard = keys.text("shard", true);
  config.data_folder = path("data_folder", true);
  config.key_folder = path("key_folder", true);
  config.leases = path("leases", true);
  config.leases_copy = path("leases_copy", true);
  config.outside_checkpoint = path("outside_checkpoint", true);
  config.tiles_folder = path("tiles_folder", false);
  if (table.contains("log_folder") && table.get("log_folder")->value_exact<std::string>() == "")
    (void)keys.take("log_folder", false);
  else
    config.log_folder = path("log_folder", false);
  config.startup_secret = secret_source(keys, base);
  if (const std::string listen = keys.text("health_listen", false); !listen.empty()) {
    config.health_listen = parse_loopback(listen);
    if (!config.health_listen) keys.refuse("health_listen", "must be 127.0.0.1:port or [::1]:port");
  }
  config.threads = keys.integer("threads", 0, 0, threads_max);
  const std::uint64_t hour = keys.integer("retour_hour", retour_hour_default, 0, retour_at_once);
  config.retour_hour = hour == retour_at_once ? std::nullopt : std::optional(static_cast<int>(hour));
  std::optional<Error> limits_error;
  read_limits(keys, keys.take("limits", false), config.limits, limits_error);
  std::optional<Error> terms_error;
  read_terms(keys, keys.take("terms", false), config, terms_error);
  std::optional<Error> witnesses_error;
  read_witnesses(keys, keys.take("witnesses", false), base, config, witnesses_error);
  if (auto error = keys.finish()) return *error;
  if (limits_error) return *limits_error;
  if (terms_error) return *terms_error;
  if (witnesses_error) return *witnesses_error;

  if (config.endpoint.compare(0, 6, "tcp://") != 0) return wrong("endpoint", "must be tcp://address:port");
  if (!protocol::is_log_name(config.log)) return wrong("log", "must be <dns>/pli/<département>, in lower case");
  if (!protocol::parse_shard_name(config.shard)) return wrong("shard", "must be <year>-<n>");
  if (auto error = check_paths(config)) return *error;
  return config;
}

}  // namespace

Result<Config> load_config(const std::filesystem::path& path) {
  auto bytes = read_file(path, config_bytes_max);
  if (!bytes) return bytes.error();
  std::error_code problem;
  const auto whole = std::filesystem::absolute(path, problem);
  if (problem) return Error{Errc::io_error, "the configuration's folder cannot be found"};
  try {
    return read(toml::parse(as_text(*bytes)), whole.parent_path());
  } catch (const toml::parse_error& error) {
    return Error{Errc::invalid_input, "line " + std::to_string(error.source().begin.line) +
                                          ": not TOML: " + std::string(error.description())};
  }
}

}  // namespace pli::broker
