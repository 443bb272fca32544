// What `pli-witness` does, without its command line: init, add-log, run, show. Each prints for an operator, in English,
// or JSON, and returns an exit code by class.
#pragma once

#include <filesystem>
#include <string>

namespace pli::witness {

inline constexpr int exit_done = 0;
inline constexpr int exit_usage = 2;
inline constexpr int exit_verification_failed = 4;  ///< a supervisor must not try again: somebody has to look
inline constexpr int exit_local_error = 5;          ///< the disk failed, a file is missing, the address is taken…

struct ProgramOptions {
  std::filesystem::path folder;
  bool json = false;
  std::string name;      ///< init
  std::string listen;    ///< run: address:port, [address]:port for IPv6
  std::string prefix;    ///< run
  std::string vkey;      ///< add-log: one origin…
  std::string log_name;  ///< …or every shard of a log of Pli's, with its key
  std::string log_key;
};

/// Key, state and an empty list of logs. Never twice. Prints the vkey.
[[nodiscard]] int init_witness(const ProgramOptions& options);
/// Adds a line to the list of logs, which a witness reads when it starts and on SIGHUP. Two at a time take turns.
[[nodiscard]] int add_log(const ProgramOptions& options);
/// Serves until SIGTERM or SIGINT, then stops cleanly; SIGHUP has it read the list of logs again, and one that cannot
/// be read changes nothing and is said on standard error. Prints one line when ready, with its address. Ends with
/// exit_local_error when the state could not be written, with exit_verification_failed when it is missing or damaged.
[[nodiscard]] int run_witness(const ProgramOptions& options);
/// vkey, what was cosigned last of each origin and when, evidence. Changes and locks nothing: it may run beside `run`.
[[nodiscard]] int show_witness(const ProgramOptions& options);

}  // namespace pli::witness
