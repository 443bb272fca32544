#include "broker/program_opening.hpp"

#include <algorithm>
#include <chrono>

#include "audit/note.hpp"
#include "broker/backup.hpp"
#include "broker/log.hpp"
#include "broker/startup_secret.hpp"
#include "broker/watched_clock.hpp"
#include "protocol/limits.hpp"
#include "protocol/statistics.hpp"

namespace pli::broker {
namespace {

Outcome<std::unique_ptr<KeyRing>> read_keys(const Config& config) {
  auto secret = read_secret(config);
  if (!secret) return secret.error();
  auto keys = KeyRing::read(key_paths(config), *std::move(secret));
  if (!keys) return keys_failure(keys.error());
  return *std::move(keys);
}

Outcome<void> demand_first_shard(const Config& config, const std::string& first) {
  if (first == config.first_origin()) return {};
  return Failure{exit_usage, "CONFIGURATION",
                 "shard: the log began with " + first + ", the configuration says " + config.first_origin(),
                 "`shard` is the log's first one and never changes, whichever is open now: correct it."};
}

Outcome<void> demand_standing(Standing wanted, const Config& config, const KeyRing& keys, const Store& store,
                              const OutsideFile& outside) {
  const auto compared = compare_with_outside(outside.newest(), config.log, keys.log_key().public_key(), store);
  if (!compared) return unreadable(compared.error());
  if (compared->standing == wanted || compared->standing == Standing::extends)
    return demand_first_shard(config, store.shards().front().origin);
  if (compared->standing != Standing::extends) {
    Failure failed = standing_failure(*compared);
    if (const std::string asides = asides_next(config); !asides.empty() && failed.state == "ROLLED_BACK")
      failed.next += " Look for it" + asides + ".";
    return failed;
  }
  return standing_failure(*compared);
}

struct Ending {
  std::uint64_t leases = 0;
  std::uint64_t record_months = 0;
  std::uint64_t release_months = 0;
};

std::uint32_t months_before(std::uint32_t month, std::uint32_t count) {
  const std::uint32_t months = month / 100 * 12 + month % 100 - 1 - count;
  return months / 12 * 100 + months % 12 + 1;
}

/// The keys that are past their time at `now`: what a broker going by it destroys within the hour.
Ending ending_at(UnixMillis now, const KeyRing& keys, std::uint32_t journal_months) {
  const std::shared_ptr<const LeaseFile> file = keys.for_checking().leases;
  Ending out;
  for (const LeaseFile::Lease& lease : file->leases)
    if (now - lease.made_at >= protocol::lease_life) ++out.leases;
  const std::uint32_t first_kept = months_before(month_of(now), journal_months);
  for (const LeaseFile::RecordKey& key : file->record_keys)
    if (key.month < first_kept) ++out.record_months;
  // No release key is older than the oldest record key: it is the shorter-lived.
  for (std::uint32_t month = file->oldest_record_month(); month <= month_of(now); month = protocol::month_after(month))
    if (keys.release_public(month) && now - protocol::month_start(protocol::month_after(month)) >= protocol::lease_life)
      ++out.release_months;
  return out;
}

}  // namespace

Outcome<Config> read_config(const ProgramOptions& options) {
  auto config = load_config(options.config);
  if (!config) {
    // A file that cannot be read may be there at the next try; one that is wrong is as wrong then.
    const bool is_wrong = config.error().code == Errc::invalid_input || config.error().code == Errc::over_limit;
    return failure(is_wrong ? exit_usage : exit_local_error, "CONFIGURATION",
                   {config.error().code, options.config.native() + ": " + config.error().detail},
                   "Compare the file with config/examples/broker.example.toml.");
  }
  if (options.startup_secret_fd) config->startup_secret = SecretDescriptor{*options.startup_secret_fd};
  return *std::move(config);
}

Outcome<crypto::SecretKey> read_secret(const Config& config) {
  constexpr std::string_view next = "Set `startup_secret`, or give `--startup-secret-fd N`: 32 bytes.";
  if (!config.startup_secret)
    return Failure{exit_local_error, "STARTUP_SECRET", "no start-up secret is configured", std::string(next)};
  auto secret = load_startup_secret(*config.startup_secret);
  if (!secret) return failure(exit_local_error, "STARTUP_SECRET", secret.error(), next);
  return *std::move(secret);
}

KeyPaths key_paths(const Config& config) { return {config.key_folder, config.leases, config.leases_copy}; }

CoreSettings core_settings(const Config& config) {
  return {config.log,
          config.shard,
          config.limits.exchange_bytes_max,
          config.limits.disk_reserve_bytes,
          config.limits.bytes_per_day_max,
          config.limits.acts_per_day_max,
          config.limits.journal_months,
          config.terms,
          config.legal_act,
          config.retour_hour};
}

Failure opening_failure(const Error& error, const std::filesystem::path& database) {
  return error.code == Errc::conflict ? schema_failure(error) : database_failure(error, database);
}

Outcome<std::unique_ptr<Store>> open_store(const Config& config, bool create) {
  StoreOptions options;
  options.create = create;
  auto store = Store::open(config.database(), options);
  if (!store) return opening_failure(store.error(), config.database());
  return *std::move(store);
}

std::string asides_next(const Config& config) {
  const auto asides = asides_of(config.database());
  if (asides.empty()) return {};
  const std::string newest = asides.back().string();
  return ", " +
         std::string(asides.size() > 1 ? "among what was kept aside too, of which the last is "
                                       : "such as what was kept aside, ") +
         newest + " (its -wal and -shm stay beside it): `pli-broker restore " + newest + "`";
}

Outcome<Opened> open_compared(const Config& config, Standing wanted) {
  auto outside = OutsideFile::open(config.outside_checkpoint);
  if (!outside) return outside_failure(outside.error());
  auto keys = read_keys(config);
  if (!keys) return keys.error();
  auto store = open_store(config, false);
  if (!store) return store.error();
  if (auto stands = demand_standing(wanted, config, **keys, **store, *outside); !stands) return stands.error();
  return Opened{*std::move(outside), *std::move(keys), *std::move(store)};
}

Outcome<void> demand_clock(UnixMillis now, const KeyRing& keys, const Store& store, const Config& config,
                           bool accepted) {
  constexpr std::string_view next =
      "First look whether the date is right: `date -u`, another clock, NTP (`timedatectl`); set it right where it is "
      "not. Only where it is right, because the broker stood still for long or ran under a wrong clock before, start "
      "once with --accept-clock=YYYY-MM-DD, today's date in UTC.";
  UnixMillis newest_leaf;
  if (const std::uint64_t leaves = store.tree_size().value; leaves > 0)
    if (const auto last = store.leaf({{leaves - 1}, store.shard()})) newest_leaf = last->leaf.time;
  const UnixMillis newest_lease = keys.newest_lease_made_at();
  auto plausible = demand_plausible_clock(now, newest_lease, newest_leaf);
  if (plausible) return {};
  const bool ahead = plausible.error().code == Errc::over_limit;
  const UnixMillis last_act = ahead && newest_leaf <= now ? std::max(newest_leaf, newest_lease) : newest_lease;
  const auto apart = ahead ? now - last_act : last_act - now;
  const auto days = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::hours>(apart).count() / 24);
  const Ending ending = ending_at(now, keys, config.limits.journal_months);
  if (accepted) {
    log(LogLevel::warning, "clock accepted",
        {{"way", ahead ? Word("ahead") : Word("behind")},
         {"days", days},
         {"leases_ending", ending.leases},
         {"record_months_ending", ending.record_months},
         {"release_months_ending", ending.release_months}});
    return {};
  }
  if (!ahead)
    return Failure{exit_local_error, "CLOCK_BEHIND",
                   "the machine's date is " + utc_date(now) + ", " + std::to_string(days) +
                       " days before the newest lease key was made",
                   std::string(next)};
  return Failure{exit_local_error, "CLOCK_AHEAD",
                 "the machine's date is " + utc_date(now) + ", " + std::to_string(days) +
                     " days ahead of the log's last act. Going by it destroys at once and for ever " +
                     std::to_string(ending.leases) + " lease keys, the record keys of " +
                     std::to_string(ending.record_months) + " months and the release keys of " +
                     std::to_string(ending.release_months) +
                     " months: what is under them is read by nobody again, from no backup either; and the cases whose "
                     "term has come by it are erased",
                 std::string(next)};
}

Outcome<Checked> check_file(const Config& config, const std::filesystem::path& file, crypto::SecretKey secret,
                            const audit::OutsideSlot& outside, CheckOptions wanted) {
  wanted.log = config.log;
  if (const auto note = audit::parse_note(outside.note))
    if (const auto head = audit::parse_tree_head(note->text)) {
      wanted.origin_wanted = head->origin;
      wanted.root_wanted = head->size;
    }
  std::shared_ptr<const KeyRing> keys;
  std::optional<Failure> no_keys;
  const auto read_keys = [&]() -> Result<std::shared_ptr<const KeyRing>> {
    auto ring = KeyRing::read(key_paths(config), std::move(secret));
    if (!ring) {
      no_keys = keys_failure(ring.error());
      return ring.error();
    }
    keys = *std::move(ring);
    return keys;
  };
  auto found = check_store(file, read_keys, wanted);
  if (no_keys) return *no_keys;
  if (!found) return opening_failure(found.error(), file);
  const auto root_at = [&](ShardNumber, TreeSize) {
    return found->root ? Result<Digest>(*found->root) : Result<Digest>(Error{Errc::corruption, "no such tree"});
  };
  std::vector<StoredShard> shards;
  for (const CheckReport::Shard& shard : found->shards) shards.push_back({shard.row, shard.size});
  auto compared = compare_with_outside(outside, config.log, keys->log_key().public_key(), shards, root_at);
  if (found->problems.empty() && compared && compared->standing != Standing::foreign)
    if (auto first = demand_first_shard(config, shards.front().row.origin); !first) return first.error();
  return Checked{*std::move(found), keys, std::move(compared)};
}

}  // namespace pli::broker
