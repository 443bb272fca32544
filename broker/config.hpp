// The broker's configuration: read once from TOML, checked whole, then immutable.
// config/examples/broker.example.toml is its manual; a test loads it and compares the defaults.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>

#include "base/result.hpp"
#include "broker/core.hpp"
#include "broker/health_page.hpp"
#include "protocol/limits.hpp"

namespace pli::broker {

/// Where the start-up secret is read from.
struct SecretDescriptor {
  int fd = -1;
  bool operator==(const SecretDescriptor&) const = default;
};
struct SecretFile {
  std::filesystem::path path;
  bool operator==(const SecretFile&) const = default;
};
struct SecretCredential {
  std::string name;  ///< a file of this name in $CREDENTIALS_DIRECTORY
  bool operator==(const SecretCredential&) const = default;
};
using SecretSource = std::variant<SecretDescriptor, SecretFile, SecretCredential>;

struct ConfigLimits {
  std::uint64_t exchange_bytes_max = protocol::exchange_bytes_max;
  std::size_t in_flight_max = protocol::in_flight_max;
  std::size_t refusals_per_minute_max = protocol::refusals_per_minute_max;
  std::uint64_t spool_bytes_max = std::uint64_t{1} << 30;
  std::uint64_t disk_reserve_bytes = protocol::disk_reserve_bytes;
  std::uint64_t bytes_per_day_max = protocol::bytes_per_day_max;
  std::uint64_t acts_per_day_max = protocol::acts_per_day_max;
  std::chrono::seconds log_unavailable{60};
  std::uint32_t journal_months = journal_months_default;
  std::chrono::hours self_audit{24};
};

struct Config {
  std::string endpoint;
  std::string log;    ///< origin without its shard
  std::string shard;  ///< the log's first: "2026-1"
  std::filesystem::path data_folder;
  std::filesystem::path key_folder;
  std::filesystem::path leases;
  std::filesystem::path leases_copy;
  std::filesystem::path outside_checkpoint;
  std::filesystem::path tiles_folder;      ///< empty: no tiles are written
  std::filesystem::path witnesses_policy;  ///< empty: nobody is asked
  std::filesystem::path log_folder;        ///< empty: standard error
  std::optional<SecretSource> startup_secret;
  std::optional<LoopbackAddress> health_listen;  ///< nothing: there is no page
  std::size_t threads = 0;                       ///< 0: one for each core
  ConfigLimits limits;
  protocol::Terms terms;
  std::optional<int> retour_hour = retour_hour_default;  ///< 0 to 23; nothing: each is shown as it is accepted
  std::string legal_act;                                 ///< by which a term is longer than its default; empty: none is

  [[nodiscard]] std::string first_origin() const { return log + "/" + shard; }
  [[nodiscard]] std::filesystem::path database() const { return data_folder / "pli.db"; }
  /// Where the newest published checkpoint is kept when no tiles folder keeps it.
  [[nodiscard]] std::filesystem::path published_note() const { return data_folder / "published.note"; }
  [[nodiscard]] std::filesystem::path spool() const { return data_folder / "spool"; }
};

/// Errors: not_found, over_limit, io_error (the file); invalid_input (TOML, an unknown or missing key, a value out of
/// range, a secret's folder inside the data folder or inside the tiles folder), whose detail names line or key and is
/// the operator's to read.
[[nodiscard]] Result<Config> load_config(const std::filesystem::path& path);

}  // namespace pli::broker
