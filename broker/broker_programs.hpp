// What `pli-broker` does, without its command line: run, init, check, backup, restore, health, rollback-request,
// next-shard, erase-due, statistics (design §12). Each prints for an operator, in English, or one JSON object, and
// returns an exit code by class.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace pli::broker {

inline constexpr int exit_done = 0;
inline constexpr int exit_usage = 2;                ///< the command line, or what the configuration says
inline constexpr int exit_verification_failed = 4;  ///< a supervisor must not try again: somebody has to look
inline constexpr int exit_local_error = 5;          ///< the log failed, a file is missing, the endpoint is taken…

struct ProgramOptions {
  std::filesystem::path config;
  std::optional<int> startup_secret_fd;  ///< instead of the configuration's startup_secret
  bool json = false;
  bool accept_clock = false;              ///< run, next-shard: the operator typed the date of the machine's clock
  std::filesystem::path accept_rollback;  ///< run: the authority's order, for a database older than what was published
  std::filesystem::path directory;        ///< init: the first version's signed note
  std::filesystem::path bundle;           ///< init: its entries
  std::filesystem::path backup;           ///< backup: a file or a folder to write to; restore: the file
  bool dry_run = false;                   ///< erase-due: only list
  bool over_newer = false;                ///< restore: although the database there is whole and holds more
  std::string month;                      ///< statistics: "2026-11"; empty = the list
};

/// Serves until SIGTERM or SIGINT, then stops cleanly. Prints one line when ready. Ends with exit_local_error some time
/// after the log failed (limits.log_unavailable_seconds), with exit_verification_failed when the database does not
/// extend the outside checkpoint, the tiles' or what a witness has cosigned, when a full tile holds other bytes, or
/// when an unknown key was admitted.
[[nodiscard]] int run_broker(const ProgramOptions& options);
/// Data folder, lease file, first leaf and directory version, outside checkpoint. Never twice.
[[nodiscard]] int init_broker(const ProgramOptions& options);
/// Prints what the authority is asked to sign for a database older than what was published. Changes nothing that is
/// recorded. Refused beside a running broker, and where nothing was lost.
[[nodiscard]] int request_rollback(const ProgramOptions& options);
/// Closes the current shard complete and opens the next one: the first of a new year, or the next of this one. Refused
/// beside a running broker.
[[nodiscard]] int open_next_shard(const ProgramOptions& options);
/// Names each broken invariant of the store (docs/storage.md, "Invariants") and ends with exit_verification_failed when
/// there is one. Changes nothing and locks nothing: it may run beside the broker.
[[nodiscard]] int check_broker(const ProgramOptions& options);
/// Copies the database, verifies the copy whole as `check` does, and only then gives it its name. No key is in it. It
/// may run beside the broker.
[[nodiscard]] int back_up(const ProgramOptions& options);
/// Asks the running broker's page (health_listen) and prints it. Ends with exit_local_error when it does not serve, or
/// nobody answers.
[[nodiscard]] int print_health(const ProgramOptions& options);
/// Verifies a backup, erases again in it what was erased since, keeps what stands in its place aside and puts it there.
/// Whether it may be served is then for a start to say (P10). Refused beside a running broker, and, unless told
/// otherwise, over a whole database that holds more.
[[nodiscard]] int restore(const ProgramOptions& options);
/// Erases what is due (docs/storage.md, "Erasure of cases"), as a running broker does by itself; refused beside one.
/// With dry_run lists the cases whose erasure is announced: needs no secret, changes nothing and may run beside the
/// broker.
[[nodiscard]] int erase_due(const ProgramOptions& options);
/// Lists the statistics stated, or shows those of a month. Needs no secret, changes nothing and locks nothing.
[[nodiscard]] int show_statistics(const ProgramOptions& options);

}  // namespace pli::broker
