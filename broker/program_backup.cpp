#include "broker/broker_programs.hpp"

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "broker/backup.hpp"
#include "broker/disk_space.hpp"
#include "broker/owner.hpp"
#include "broker/program_opening.hpp"
#include "broker/store_copy.hpp"
#include "broker/store_migrations.hpp"
#include "broker/store_schema.hpp"
#include "crypto/random.hpp"

namespace pli::broker {
namespace {

/// Restores within one second, each with its own name.
constexpr int asides_a_second_max = 1000;

/// A file that goes again unless it is kept.
class Unkept {
 public:
  explicit Unkept(std::filesystem::path path) : path_(std::move(path)) {}
  ~Unkept() {
    std::error_code ignored;
    for (const char* suffix : {"", "-wal", "-shm", "-journal"})
      std::filesystem::remove(path_.string() + suffix, ignored);
  }
  Unkept(const Unkept&) = delete;
  Unkept& operator=(const Unkept&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

Failure target_failure(const Error& error) {
  if (error.code == Errc::conflict)
    return failure(exit_local_error, "BACKUP_EXISTS", error, "Name a file that is not there yet, or a folder.");
  return failure(exit_local_error, "BACKUP_TARGET", error,
                 "Name a folder that is there, on another disk: not the data's, the keys', the leases', the outside "
                 "checkpoint's or the tiles' own.");
}

Failure copy_failure(const Error& error) {
  if (error.code == Errc::corruption) return unreadable(error);
  return failure(exit_local_error, "BACKUP_FAILED", error,
                 "Check the target's disk and owner; nothing was left there.");
}

Outcome<void> demand_room(const std::filesystem::path& source, const std::filesystem::path& target,
                          const Config& config) {
  const auto bytes = store_bytes(source);
  if (!bytes) return copy_failure(bytes.error());
  const std::uint64_t free = free_bytes_beside(target.parent_path())();
  if (free >= *bytes + config.limits.disk_reserve_bytes) return {};
  return Failure{exit_local_error, "BACKUP_NO_SPACE",
                 std::to_string(*bytes) + " bytes and the reserve are needed beside " + target.string() + ", " +
                     std::to_string(free) + " are free",
                 "Make room, or name another disk. Nothing was written."};
}

std::string names_of(const CheckReport& found) {
  std::string out;
  for (std::size_t i = 0; i < std::min<std::size_t>(found.problems.size(), 3); ++i)
    out += (i == 0 ? "" : ", ") + found.problems[i].name + " (" + found.problems[i].where + ")";
  return out;
}

/// Twice: a key that was retired between the copy and the look at the keys is no damage, and not there the second time.
Outcome<CheckReport> copy_verified(const Config& config, const std::filesystem::path& unverified) {
  auto secret = read_secret(config);
  if (!secret) return secret.error();
  for (int look = 0;; ++look) {
    auto outside = OutsideFile::read(config.outside_checkpoint);
    if (!outside) return outside_failure(outside.error());
    if (auto copied = copy_store(config.database(), unverified); !copied) return copy_failure(copied.error());
    auto checked = check_file(config, unverified, secret->clone(), *outside);
    if (!checked) return checked.error();
    if (!checked->found.problems.empty()) {
      if (look == 0) continue;
      return Failure{exit_verification_failed, "BACKUP_BROKEN", names_of(checked->found),
                     "Nothing was kept of it. Run `pli-broker check`: what is broken is broken in the database."};
    }
    if (!checked->compared) return unreadable(checked->compared.error());
    if (checked->compared->standing != Standing::extends) return standing_failure(*checked->compared);
    return std::move(checked->found);
  }
}

Failure damaged_backup(std::string cause) {
  return {exit_verification_failed, "BACKUP_DAMAGED", std::move(cause),
          "Nothing was changed. Try an older backup: `pli-broker restore`."};
}

/// Under other leases the records are shut, and what follows from them is amiss; pages, tree and bodies are sound, as a
/// broken disk would not leave them.
bool is_of_other_keys(const CheckReport& found) {
  std::uint64_t shut = 0;
  for (const StoreProblem& problem : found.problems) {
    shut += problem.name == "record.box" || problem.name == "record.key" ? 1 : 0;
    for (const std::string_view sound : {"pages", "checkpoint.", "leaf.nodes", "body."})
      if (problem.name.starts_with(sound)) return false;
  }
  // Directory versions and what is disclosed stand in clear.
  return shut > 1 && 2 * shut >= std::min<std::uint64_t>(found.leaves, CheckOptions().problems_max);
}

Failure backup_of_other_keys(const CheckReport& found) {
  return {exit_verification_failed, "BACKUP_OF_OTHER_KEYS",
          "none of its records opens under these leases: " + names_of(found),
          "Nothing was changed, and no other backup will fare better. Bring back the leases (or their copy) and the "
          "`key_folder` under which it was written: docs/operations.md, \"Disaster\"."};
}

struct Restored {
  Compared compared;
  std::uint64_t leaves = 0;
  std::uint64_t erased_again = 0;
  std::uint64_t unreadable = 0;  ///< whose lease has been destroyed since
  std::filesystem::path aside;   ///< empty: nothing stood there
};

/// Whether the copy may be put in place: all of it is whole, but for R under leases that have had their time.
Outcome<Restored> judge(const Checked& checked) {
  Restored out;
  if (is_of_other_keys(checked.found)) return backup_of_other_keys(checked.found);
  if (!checked.found.problems.empty()) return damaged_backup(names_of(checked.found));
  out.unreadable = checked.found.leases_gone;
  if (!checked.compared) return damaged_backup(checked.compared.error().detail);
  out.compared = *checked.compared;
  if (out.compared.standing != Standing::extends && out.compared.standing != Standing::rolled_back)
    return standing_failure(out.compared);
  out.leaves = checked.found.leaves;
  return out;
}

/// A name that nothing stands under: the database kept aside a second ago may be the newest there is. Whoever asks
/// holds the outside file, so that nobody takes it meanwhile.
std::filesystem::path free_aside(const std::filesystem::path& database, UnixMillis now) {
  const std::string stamped = aside_prefix(database) + time_stamp(now);
  std::string aside = stamped;
  const auto is_taken = [&] {
    return std::any_of(database_suffixes.begin(), database_suffixes.end(), [&](const char* suffix) {
      std::error_code problem;
      return std::filesystem::symlink_status(aside + suffix, problem).type() != std::filesystem::file_type::not_found;
    });
  };
  for (int count = 2; is_taken() && count <= asides_a_second_max; ++count)
    aside = stamped + "-" + std::to_string(count);
  return is_taken() ? std::filesystem::path() : std::filesystem::path(aside);
}

/// What stands in the database's place, under another name beside it.
Outcome<std::filesystem::path> keep_aside(const std::filesystem::path& database, UnixMillis now) {
  std::error_code problem;
  const Failure failed{exit_local_error, "RESTORE_FAILED", "what stands there cannot be kept aside",
                       "Check `data_folder`, its disk and its owner, then restore again."};
  if (!std::filesystem::exists(database, problem)) return std::filesystem::path();
  const std::filesystem::path aside = free_aside(database, now);
  if (aside.empty()) return failed;
  for (const char* suffix : database_suffixes) {
    const std::filesystem::path from = database.string() + suffix;
    if (!std::filesystem::exists(from, problem)) continue;
    if (auto given = give_to_owner_of(database.parent_path(), from); !given) return failed;
    std::filesystem::rename(from, aside.string() + suffix, problem);
    if (problem) return failed;
  }
  return aside;
}

/// A whole database that holds more than the backup is not put away unasked: it may be the one that was served last.
Outcome<void> demand_nothing_newer(const Config& config, const crypto::SecretKey& secret, const OutsideFile& outside,
                                   const CheckReport& backup) {
  std::error_code problem;
  if (!std::filesystem::exists(config.database(), problem)) return {};
  CheckOptions options;
  options.leases_may_be_gone = true;
  const auto there = check_file(config, config.database(), secret.clone(), outside.newest(), options);
  if (!there && there.error().state == "DATABASE_SCHEMA")
    return Failure{
        exit_local_error, "DATABASE_NEWER",
        "the database there is of another schema than this program's: whether it holds more is not known",
        "Nothing was changed. Start the broker: `run` brings an older schema up to date, and a newer one asks "
        "for the program that wrote it. To put the backup there all the same: `restore --over-newer`."};
  if (!there || !there->found.problems.empty() || !there->compared) return {};
  const Standing standing = there->compared->standing;
  if (standing != Standing::extends && standing != Standing::rolled_back) return {};
  const auto reach = [](const CheckReport& found) {
    return std::pair(found.shards.size(), found.shards.back().size.value);
  };
  if (reach(there->found) <= reach(backup)) return {};
  return Failure{exit_local_error, "DATABASE_NEWER",
                 "the database there is whole and holds " + std::to_string(there->found.leaves) +
                     " leaves, the backup " + std::to_string(backup.leaves),
                 standing == Standing::extends
                     ? "Nothing was changed. Start the broker: the database holds all that was published. To put the "
                       "older backup there all the same: `restore --over-newer`."
                     : "Nothing was changed. The database there lacks less than the backup: go on with it, or bring a "
                       "newer backup. To put this one there all the same: `restore --over-newer`."};
}

/// Holds the outside file: no broker runs meanwhile.
Outcome<Restored> put_in_place(const Config& config, const std::filesystem::path& backup, const OutsideFile& outside,
                               crypto::SecretKey secret, bool over_newer, UnixMillis now) {
  if (auto room = demand_room(backup, config.database(), config); !room) {
    Failure failure = room.error();
    return failure.state == "DATABASE_UNREADABLE" ? damaged_backup(failure.cause) : failure;
  }
  const Unkept working(config.database().string() + ".restoring");
  if (auto copied = copy_store(backup, working.path()); !copied)
    return copied.error().code == Errc::corruption ? damaged_backup(copied.error().detail)
                                                   : copy_failure(copied.error());
  auto migrated = migrate_store(working.path());
  std::error_code ignored;  // the backup itself is the copy of before
  for (std::int64_t schema = 1; schema < store_schema_version; ++schema)
    std::filesystem::remove(kept_copy(working.path(), schema), ignored);
  if (!migrated)
    return migrated.error().code == Errc::conflict ? schema_failure(migrated.error())
                                                   : damaged_backup(migrated.error().detail);
  CheckOptions old;
  old.leases_may_be_gone = true;
  auto checked = check_file(config, working.path(), secret.clone(), outside.newest(), old);
  if (!checked)
    return checked.error().state == "DATABASE_UNREADABLE" ? damaged_backup(checked.error().cause) : checked.error();
  auto restored = judge(*checked);
  if (!restored) return restored;
  if (!over_newer)
    if (auto none = demand_nothing_newer(config, secret, outside, checked->found); !none) return none.error();
  std::vector<Digest> erased;
  for (const LeaseFile::Erased& gone : checked->keys->for_checking().leases->erased) erased.push_back(gone.exchange);
  auto again = erase_again(working.path(), erased);
  if (!again) return copy_failure(again.error());
  restored->erased_again = *again;
  if (auto given = give_to_owner_of(config.data_folder, working.path()); !given) return copy_failure(given.error());
  auto aside = keep_aside(config.database(), now);
  if (!aside) return aside.error();
  restored->aside = *aside;
  // Cut short before this there is no database, and no start: the same command goes on.
  if (auto named = rename_durably(working.path(), config.database()); !named) return copy_failure(named.error());
  return restored;
}

}  // namespace

int back_up(const ProgramOptions& options) {
  crypto::initialise();
  auto config = read_config(options);
  if (!config) return report(config.error(), options.json);
  const UnixMillis now = SystemClock().now();
  auto file = backup_file(options.backup, *config, now);
  if (!file) return report(target_failure(file.error()), options.json);
  if (auto room = demand_room(config->database(), *file, *config); !room) return report(room.error(), options.json);
  const Unkept unverified(file->string() + ".unverified");
  auto found = copy_verified(*config, unverified.path());
  if (!found) return report(found.error(), options.json);
  if (auto given = give_to_owner_of(file->parent_path(), unverified.path()); !given)
    return report(copy_failure(given.error()), options.json);
  if (auto named = rename_durably(unverified.path(), *file); !named)
    return report(copy_failure(named.error()), options.json);
  // The backup is there from here on; what is remembered of it is for `health` alone.
  if (auto remembered = remember_backup(*config, {now, found->leaves}); !remembered)
    return report(failure(exit_local_error, "BACKUP_NOT_REMEMBERED", remembered.error(),
                          "The backup is whole, but `health` does not know of it: check `data_folder`."),
                  options.json);
  if (options.json)
    std::cout << nlohmann::json{{"state", "backed_up"},
                                {"file", file->string()},
                                {"origin", found->shards.back().row.origin},
                                {"leaves", found->leaves},
                                {"exchanges", found->exchanges}}
                     .dump()
              << std::endl;
  else
    std::cout << "pli-broker: backed up " << found->shards.back().row.origin << " leaves " << found->leaves
              << " exchanges " << found->exchanges << " to " << file->string() << std::endl;
  return exit_done;
}

int restore(const ProgramOptions& options) {
  crypto::initialise();
  auto config = read_config(options);
  if (!config) return report(config.error(), options.json);
  std::error_code problem;
  if (!std::filesystem::is_regular_file(options.backup, problem))
    return report({exit_local_error, "BACKUP_MISSING", options.backup.string() + " is no file",
                   "Give the file that `pli-broker backup` wrote."},
                  options.json);
  auto secret = read_secret(*config);
  if (!secret) return report(secret.error(), options.json);
  auto outside = OutsideFile::open(config->outside_checkpoint);
  if (!outside) return report(outside_failure(outside.error()), options.json);
  // The keys are the service's, whose folder this has to be.
  const bool is_new = !std::filesystem::exists(config->data_folder, problem);
  auto made = create_private_folder(config->data_folder);
  if (made && is_new) made = give_to_owner_of(config->key_folder, config->data_folder);
  if (!made)
    return report(failure(exit_local_error, "FOLDER", made.error(), "Check `data_folder` and its disk."), options.json);
  auto done =
      put_in_place(*config, options.backup, *outside, *std::move(secret), options.over_newer, SystemClock().now());
  if (!done) return report(done.error(), options.json);
  const bool extends = done->compared.standing == Standing::extends;
  const std::string next =
      extends ? "Start the broker: it holds all that was published."
              : "It is older than what was published, and no start serves it so. Bring a newer backup if there is one" +
                    asides_next(*config) +
                    "; else write `pli-broker rollback-request`, have the authority sign it (`pli directory "
                    "rollback`), and start with `run --accept-rollback`.";
  if (options.json) {
    std::cout << nlohmann::json{{"state", "restored"},
                                {"standing", extends ? "extends" : "rolled_back"},
                                {"leaves", done->leaves},
                                {"erased_again", done->erased_again},
                                {"unreadable", done->unreadable},
                                {"aside", done->aside.string()},
                                {"next", next}}
                     .dump()
              << std::endl;
    return exit_done;
  }
  std::cout << "pli-broker: restored leaves " << done->leaves << " erased again " << done->erased_again
            << " unreadable for ever " << done->unreadable << "\n";
  if (!done->aside.empty()) std::cout << "  what stood there is kept: " << done->aside.string() << "\n";
  std::cout << "  next: " << next << std::endl;
  return exit_done;
}

}  // namespace pli::broker
