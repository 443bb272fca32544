#include "broker/failure.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>
#include <nlohmann/json.hpp>

#include "broker/disk_space.hpp"
#include "broker/log.hpp"

namespace pli::broker {
namespace {

/// What a start writes at least: less is a full disk, whatever else was met.
constexpr std::uint64_t start_bytes_min = 1 << 20;

constexpr std::string_view restore_next =
    "Keep the files. `pli-broker check` says what is broken; if it is the database, bring back the newest whole "
    "backup: "
    "`pli-broker restore FILE`.";

/// 0, or why this process may not write there.
int why_not_writable(const std::filesystem::path& path) {
  return ::faccessat(AT_FDCWD, path.c_str(), R_OK | W_OK, AT_EACCESS) == 0 ? 0 : errno;
}

}  // namespace

Failure failure(int code, std::string_view state, const Error& error, std::string_view next) {
  return {code, state, error.detail, std::string(next)};
}

int report(const Failure& failure, bool json) {
  log(LogLevel::error, "not started", {{"state", LocalText{failure.state}}, {"cause", LocalText{failure.cause}}});
  if (json) {
    std::cout << nlohmann::json{{"state", failure.state},
                                {"code", failure.code},
                                {"cause", failure.cause},
                                {"next", failure.next}}
                     .dump()
              << std::endl;
  } else {
    std::cerr << "pli-broker: " << failure.state << ": " << failure.cause << "\n  next: " << failure.next << std::endl;
  }
  return failure.code;
}

Failure outside_failure(const Error& error) {
  switch (error.code) {
    case Errc::not_found:
      return failure(exit_verification_failed, "OUTSIDE_CHECKPOINT_MISSING", error,
                     "Bring the file back from its disk: without it a rollback cannot be noticed. `outside_checkpoint` "
                     "in the configuration says where it is looked for.");
    case Errc::unavailable: return failure(exit_local_error, "ALREADY_RUNNING", error, "Stop the other broker first.");
    case Errc::corruption:
      return failure(exit_verification_failed, "OUTSIDE_CHECKPOINT_DAMAGED", error,
                     "Bring the file back from its disk's mirror. The members' clients hold checkpoints too.");
    default:
      return failure(exit_local_error, "OUTSIDE_CHECKPOINT_UNREADABLE", error, "Check the disk and the file's owner.");
  }
}

Failure keys_failure(const Error& error) {
  if (error.code == Errc::conflict)
    return failure(exit_local_error, "RELEASE_KEY", error,
                   "Bring the file back from its copy. If it is lost or does not belong there, move it out of "
                   "`key_folder`: what was sealed under that month and not yet accepted is sealed anew by its sender.");
  return failure(exit_local_error, "KEYS", error,
                 "Check `key_folder`, `leases` and that the start-up secret is the one they were made under.");
}

Failure schema_failure(const Error& error) {
  return failure(exit_local_error, "DATABASE_SCHEMA", error,
                 "Use the program that wrote it, or a newer one: `run` brings an older schema up to date, and nothing "
                 "goes back.");
}

Failure order_failure(const Error& error, const std::filesystem::path& database) {
  switch (error.code) {
    case Errc::authentication_failed:
      return failure(exit_verification_failed, "ORDER_NOT_SIGNED", error,
                     "Have as many authorities sign it as a directory version needs: `pli directory rollback`.");
    case Errc::conflict:
      return failure(exit_verification_failed, "ORDER_OF_ANOTHER_ROLLBACK", error,
                     "Write a request for this database with `pli-broker rollback-request` and have that signed.");
    case Errc::invalid_input:
    case Errc::over_limit:
      return failure(exit_local_error, "ORDER", error, "Give the note that `pli directory rollback` wrote.");
    default: return database_failure(error, database);
  }
}

Failure unreadable(const Error& error) {
  const bool damaged = error.code == Errc::corruption;
  return failure(damaged ? exit_verification_failed : exit_local_error, "DATABASE_UNREADABLE", error, restore_next);
}

Failure database_failure(const Error& error, const std::filesystem::path& database) {
  if (error.code == Errc::corruption) return unreadable(error);
  const auto next = [&]() -> std::string {
    const std::string folder = database.parent_path().string();
    std::error_code problem;
    if (std::filesystem::is_directory(database.parent_path(), problem) &&
        free_bytes_beside(database.parent_path())() < start_bytes_min)
      return "Make room on the disk of " + folder + ", then start again. Nothing that was accepted is lost.";
    int why = why_not_writable(database.parent_path());
    if (why == 0) why = why_not_writable(database);
    switch (why) {
      case ENOENT:
      case ENOTDIR:
        return "If its disk is not mounted, mount it. If it is lost, bring back the newest backup: `pli-broker restore "
               "FILE`. Leases, their copy and the outside checkpoint stay as they are: no backup opens without them.";
      case EACCES:
      case EPERM:
        return "Give " + database.string() + ", its -wal and -shm and " + folder +
               " back to the user the broker runs as (chown), mode 0600 and 0700.";
      case EROFS:
        return "The disk of " + folder + " is mounted read-only: look why (dmesg), then mount it for writing.";
      default:
        return "Check the disk of " + folder +
               ": room, errors (dmesg), owner. If the database is lost, bring back the "
               "newest backup: `pli-broker restore FILE`.";
    }
  }();
  return failure(exit_local_error, "DATABASE", error, next);
}

Failure standing_failure(const Compared& compared) {
  switch (compared.standing) {
    case Standing::rolled_back:
      return {
          exit_verification_failed, "ROLLED_BACK", compared.cause,
          "Bring back the newest database: an older backup stands in its place. If it is lost, "
          "`pli-broker rollback-request` writes what the authority is asked to sign (`pli directory rollback`), and "
          "`run --accept-rollback` takes its order."};
    case Standing::before_its_shard:
      return {exit_verification_failed, "ROLLED_BACK", compared.cause,
              "Bring back a database copied since then. No order accepts this one, for a whole shard would be missing; "
              "if there is no newer copy, this log has ended: docs/decisions/0010-no-order-gives-up-a-whole-shard.md "
              "says what remains."};
    case Standing::other_history:
      return {
          exit_verification_failed, "OTHER_HISTORY", compared.cause,
          "Bring back the database that was served last, or a backup of it: this one was written to apart from it."};
    default:
      return {exit_verification_failed, "FOREIGN_CHECKPOINT", compared.cause,
              "Check `log`, `key_folder` and `outside_checkpoint` in the configuration."};
  }
}

Failure rolled_back(std::string cause) {
  return {exit_verification_failed, "ROLLED_BACK", std::move(cause),
          "Bring back the newest database and outside checkpoint: older ones, or others, stand in their place."};
}

Failure tiles_differ(std::string cause) {
  return {exit_verification_failed, "TILES_DIFFER", std::move(cause),
          "Keep the folder for whoever investigates, then give `tiles_folder` an empty one: it is made anew from the "
          "database."};
}

}  // namespace pli::broker
