#include "witness/witness_programs.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "audit/shard_name.hpp"
#include "audit/text_lines.hpp"
#include "base/file.hpp"
#include "crypto/random.hpp"
#include "witness/desk.hpp"
#include "witness/witness_key.hpp"
#include "witness/witness_server.hpp"

namespace pli::witness {
namespace {

using nlohmann::json;

/// What went wrong in a program's words: a state to search for, a cause, and what to do.
struct Failure {
  int code = exit_local_error;
  std::string_view state;
  std::string cause;
  std::string next;
};

template <class T>
using Outcome = Result<T, Failure>;

Failure failure(int code, std::string_view state, const Error& error, std::string_view next) {
  return {code, state, error.detail, std::string(next)};
}

int report(const Failure& failure, bool as_json) {
  if (as_json) {
    const json object{
        {"state", failure.state}, {"code", failure.code}, {"cause", failure.cause}, {"next", failure.next}};
    std::cout << object.dump() << std::endl;
  } else {
    std::cerr << "pli-witness: " << failure.state << ": " << failure.cause << "\n  next: " << failure.next << std::endl;
  }
  return failure.code;
}

constexpr std::string_view check_folder = "Check `--folder`; a new witness is made with `pli-witness init`.";

Failure key_failure(const Error& error) {
  switch (error.code) {
    case Errc::authentication_failed:
      return failure(exit_local_error, "SEED_EXPOSED", error,
                     "If somebody may have read it, make a new witness; else `chmod 600` it.");
    case Errc::corruption:
      return failure(exit_verification_failed, "KEY_DAMAGED", error, "Bring `seed` and `vkey` back together.");
    default: return failure(exit_local_error, "NO_WITNESS", error, check_folder);
  }
}

Failure state_failure(const Error& error) {
  constexpr std::string_view never_older =
      "Bring back the very newest `state`. An older one, or an empty one, would sign what contradicts the newest: "
      "where it is lost, make a new witness, with a new key.";
  switch (error.code) {
    case Errc::unavailable: return failure(exit_local_error, "ALREADY_RUNNING", error, "Stop the other process first.");
    case Errc::not_found: return failure(exit_verification_failed, "STATE_MISSING", error, never_older);
    case Errc::corruption: return failure(exit_verification_failed, "STATE_DAMAGED", error, never_older);
    default: return failure(exit_local_error, "STATE_UNREADABLE", error, "Check the disk and the folder's owner.");
  }
}

std::filesystem::path logs_path(const ProgramOptions& options) { return options.folder / "logs"; }

Failure logs_failure(const Error& error) {
  return failure(exit_local_error, "LOGS", error, "Mend `logs`: one `log` or `log-key` line for each log watched.");
}

Outcome<std::string> read_logs(const ProgramOptions& options) {
  auto bytes = read_file(logs_path(options), logs_bytes_max);
  if (!bytes) return logs_failure(bytes.error());
  return std::string(as_text(*bytes));
}

std::string utc(audit::UnixSeconds time) {
  const auto seconds = static_cast<std::time_t>(time.value);
  std::tm parts{};
  std::array<char, 64> text{};
  if (::gmtime_r(&seconds, &parts) == nullptr) return std::to_string(time.value);
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

}  // namespace

int init_witness(const ProgramOptions& options) {
  crypto::initialise();
  if (!audit::is_key_name(options.name))
    return report({exit_usage, "NAME", "a name is 1 to 100 of a-z 0-9 . _ / -", "Give another `--name`."},
                  options.json);
  const auto refused = [&](const Error& error) {
    const bool twice = error.code == Errc::conflict;
    return report(
        failure(exit_local_error, twice ? "ALREADY_INITIALISED" : "DISK", error,
                twice ? "A witness is made once. If an earlier init was cut short, remove what it left and try again."
                      : "Check the disk and the folder's owner."),
        options.json);
  };
  if (auto made = create_private_folder(options.folder); !made) return refused(made.error());
  if (auto made = WitnessStore::create(options.folder); !made) return refused(made.error());
  if (auto put = write_file_durably(logs_path(options), as_bytes("# log <vkey>\n# log-key <log name> <hex key>\n"),
                                    FileMode::world_readable);
      !put)
    return refused(put.error());
  // Last: what has no vkey is no witness.
  const auto key = create_witness_key(options.folder, options.name);
  if (!key) return refused(key.error());
  if (options.json)
    std::cout << json{{"state", "initialised"}, {"vkey", audit::to_text(*key)}}.dump() << std::endl;
  else
    std::cout << audit::to_text(*key) << std::endl;
  return exit_done;
}

// ---- add-log -----------------------------------------------------------------------------------------------------

namespace {

/// Whoever adds a line has read those before it: one after the other, each waiting for the one before.
class ListLock {
 public:
  explicit ListLock(const ProgramOptions& options)
      : fd_(::open((options.folder / "logs.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    while (fd_ >= 0 && ::flock(fd_, LOCK_EX) != 0)
      if (errno != EINTR) {
        ::close(fd_);
        fd_ = -1;
      }
  }
  ~ListLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  ListLock(const ListLock&) = delete;
  ListLock& operator=(const ListLock&) = delete;
  [[nodiscard]] bool held() const { return fd_ >= 0; }

 private:
  int fd_;
};

/// In hexadecimal, as the list has it: as it was given, or out of a vkey named like the log or a shard of it.
Result<std::string> log_key_of(const ProgramOptions& options) {
  if (options.log_key.find('+') == std::string::npos) return options.log_key;
  const auto key = audit::parse_verifier_key(options.log_key);
  if (!key) return key.error();
  const bool ours = key->name == options.log_name || audit::log_of_shard(key->name) == options.log_name;
  if (!ours || key->type != audit::KeyType::ed25519) return Error{Errc::invalid_input, "the vkey of something else"};
  return to_hex(key->key.bytes);
}

/// What whoever adds a log by the vkey of one shard is told.
std::string one_shard_warning(std::string_view vkey) {
  const auto key = audit::parse_verifier_key(vkey);
  const auto log = key ? audit::log_of_shard(key->name) : std::nullopt;
  if (!log) return {};
  return "watches this shard only, not the next one; for every shard of the log: --log-name " + std::string(*log) +
         " --log-key " + to_hex(key->key.bytes);
}

}  // namespace

int add_log(const ProgramOptions& options) {
  crypto::initialise();
  // Taken for a log's name it would watch no shard that can be.
  if (const auto log = audit::log_of_shard(options.log_name))
    return report({exit_usage, "LOG", "the name of one shard, not of a log",
                   "Give `--log-name " + std::string(*log) + "`: every shard of it is watched."},
                  options.json);
  const ListLock lock(options);
  if (!lock.held())
    return report({exit_local_error, "NO_WITNESS", "the list of logs cannot be locked", std::string(check_folder)},
                  options.json);
  auto before = read_logs(options);
  if (!before) return report(before.error(), options.json);
  if (auto read = WatchedLogs::parse(*before); !read) return report(logs_failure(read.error()), options.json);
  const auto log_key = log_key_of(options);
  if (!log_key)
    return report({exit_usage, "LOG", log_key.error().detail,
                   "Give the log's key as 64 hex digits, or the vkey of the log or of one of its shards."},
                  options.json);
  const std::string line =
      options.vkey.empty() ? "log-key " + options.log_name + ' ' + *log_key + '\n' : "log " + options.vkey + '\n';
  const std::string after = *before + line;
  const auto logs = WatchedLogs::parse(after);
  if (!logs || line.find('\n') != line.size() - 1)
    return report({exit_usage, "LOG", logs ? "a line end in it" : logs.error().detail,
                   "Give the log's `--vkey`, or `--log-name` and `--log-key` (64 hex digits), once."},
                  options.json);
  if (auto put = write_file_durably(logs_path(options), as_bytes(after), FileMode::world_readable); !put)
    return report(failure(exit_local_error, "DISK", put.error(), "Check the disk and the folder's owner."),
                  options.json);
  const std::string warning = one_shard_warning(options.vkey);
  if (options.json) {
    json said = {{"state", "added"}, {"logs", logs->size()}};
    if (!warning.empty()) said["warning"] = warning;
    std::cout << said.dump() << std::endl;
  } else {
    std::cout << "added; " << logs->size()
              << " in all. A running witness reads the list when it starts and on SIGHUP: kill -HUP <pid>" << std::endl;
    if (!warning.empty()) std::cerr << "pli-witness: " << warning << std::endl;
  }
  return exit_done;
}

// ---- run ---------------------------------------------------------------------------------------------------------

namespace {

/// "127.0.0.1:8089", "[::1]:8089".
std::optional<ServerSettings> parse_listen(const ProgramOptions& options) {
  const std::size_t colon = options.listen.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  const auto port = audit::parse_decimal(std::string_view(options.listen).substr(colon + 1));
  if (!port || *port > 65535) return std::nullopt;
  ServerSettings settings;
  settings.host = options.listen.substr(0, colon);
  if (settings.host.size() > 2 && settings.host.front() == '[' && settings.host.back() == ']')
    settings.host = settings.host.substr(1, settings.host.size() - 2);
  settings.port = static_cast<int>(*port);
  settings.prefix = options.prefix;
  return settings;
}

Failure listen_failure(const Error& error) {
  if (error.code == Errc::invalid_input)
    return failure(exit_usage, "LISTEN", error, "Give `--listen 127.0.0.1:8089` and `--prefix /witness`.");
  return failure(exit_local_error, "ADDRESS", error, "Check `--listen` and what else listens there.");
}

/// SIGTERM, SIGINT and SIGHUP as a descriptor. Before the first thread, so that none takes them.
int block_signals() {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGHUP);
  ::sigprocmask(SIG_BLOCK, &ends, nullptr);
  return ::signalfd(-1, &ends, SFD_CLOEXEC);
}

enum class Woken { to_end, to_read_the_logs, by_a_failure };
Woken wait_for_signal(int signals, int failed) {
  std::array<pollfd, 2> fds = {{{signals, POLLIN, 0}, {failed, POLLIN, 0}}};
  while (::poll(fds.data(), fds.size(), -1) < 0 && errno == EINTR) {
  }
  if (fds[1].revents != 0) return Woken::by_a_failure;
  signalfd_siginfo what{};
  const bool read = ::read(signals, &what, sizeof what) == static_cast<ssize_t>(sizeof what);
  return read && what.ssi_signo == SIGHUP ? Woken::to_read_the_logs : Woken::to_end;
}

void say(DeskEvent event, bool as_json) {
  const bool kept = event == DeskEvent::evidence_kept;
  const std::string_view state = kept ? "EVIDENCE_KEPT" : "EVIDENCE_LOST";
  const std::string_view cause = kept ? "a log has signed two trees; `pli-witness show` names the proof"
                                      : "a log has signed two trees, and the proof could not be written";
  if (as_json)
    std::cout << json{{"state", state}, {"cause", cause}}.dump() + '\n' << std::flush;
  else
    std::cerr << "pli-witness: " + std::string(state) + ": " + std::string(cause) + '\n' << std::flush;
}

void print_ready(const WitnessServer& server, std::size_t logs, std::size_t origins, bool as_json) {
  if (as_json)
    std::cout << json{{"state", "ready"}, {"url", server.url()}, {"logs", logs}, {"origins", origins}}.dump();
  else
    std::cout << "pli-witness ready: " << server.url() << " logs " << logs << " origins " << origins;
  std::cout << std::endl;
}

}  // namespace

namespace {

/// A list that cannot be read changes nothing: the witness goes on with the one it has.
void read_logs_again(const ProgramOptions& options, Desk& desk) {
  const auto lines = read_logs(options);
  auto logs = lines ? WatchedLogs::parse(*lines) : Result<WatchedLogs>(Error{Errc::io_error, lines.error().cause});
  if (!logs) {
    (void)report(logs_failure(logs.error()), options.json);
    return;
  }
  const std::size_t count = logs->size();
  desk.watch(*std::move(logs));
  if (options.json)
    std::cout << json{{"state", "logs_read"}, {"logs", count}}.dump() << std::endl;
  else
    std::cout << "pli-witness: logs read again: " << count << std::endl;
}

}  // namespace

int run_witness(const ProgramOptions& options) {
  const int signals = block_signals();
  crypto::initialise();
  const int failed = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  const auto settings = parse_listen(options);
  if (!settings) return report(listen_failure({Errc::invalid_input, "not an address and a port"}), options.json);
  auto witness = load_witness(options.folder);
  if (!witness) return report(key_failure(witness.error()), options.json);
  const auto lines = read_logs(options);
  if (!lines) return report(lines.error(), options.json);
  auto logs = WatchedLogs::parse(*lines);
  if (!logs) return report(logs_failure(logs.error()), options.json);
  auto store = WitnessStore::open(options.folder, verifier_of(*witness));
  if (!store) return report(state_failure(store.error()), options.json);

  const std::size_t log_count = logs->size();
  const std::size_t origin_count = store->trees().size();
  const SystemClock clock;
  Desk desk(*std::move(store), *std::move(logs), *std::move(witness), clock, [&](DeskEvent event) {
    if (event != DeskEvent::store_failed) return say(event, options.json);
    (void)::eventfd_write(failed, 1);
  });
  auto server = WitnessServer::start(*settings, {[&](std::string_view body) { return desk.add_checkpoint(body); },
                                                 [&](std::string_view path) { return desk.checkpoint(path); }});
  if (!server) return report(listen_failure(server.error()), options.json);
  print_ready(**server, log_count, origin_count, options.json);
  Woken why = wait_for_signal(signals, failed);
  for (; why == Woken::to_read_the_logs; why = wait_for_signal(signals, failed)) read_logs_again(options, desk);
  (*server)->stop();
  if (why == Woken::to_end) return exit_done;
  return report(
      {exit_local_error, "STATE_UNWRITABLE", "what was to be signed could not be kept; nothing was signed since",
       "Free or mend the disk, then start again: a start reads what was kept."},
      options.json);
}

// ---- show --------------------------------------------------------------------------------------------------------

int show_witness(const ProgramOptions& options) {
  crypto::initialise();
  const auto key = load_verifier_key(options.folder);
  if (!key) return report(key_failure(key.error()), options.json);
  const auto lines = read_logs(options);
  if (!lines) return report(lines.error(), options.json);
  const auto logs = WatchedLogs::parse(*lines);
  if (!logs) return report(logs_failure(logs.error()), options.json);
  const auto trees = WitnessStore::read(options.folder, *key);
  if (!trees) return report(state_failure(trees.error()), options.json);
  const auto evidence = WitnessStore::list_evidence(options.folder);

  if (options.json) {
    json origins = json::array();
    for (const auto& [path, tree] : *trees)
      origins.push_back({{"origin", tree.origin},
                         {"size", tree.state.size.value},
                         {"root", to_hex(tree.state.root)},
                         {"time", tree.time.value},
                         {"path", path}});
    json files = json::array();
    for (const auto& file : evidence) files.push_back(file.string());
    const json object{
        {"vkey", audit::to_text(*key)}, {"logs", logs->size()}, {"origins", origins}, {"evidence", files}};
    std::cout << object.dump() << std::endl;
    return exit_done;
  }
  std::cout << "vkey      " << audit::to_text(*key) << "\nlogs      " << logs->size() << '\n';
  for (const auto& [path, tree] : *trees)
    std::cout << "origin    " << tree.origin << "\n  size    " << tree.state.size.value << "\n  root    "
              << to_hex(tree.state.root) << "\n  signed  " << utc(tree.time) << "\n  at      " << path << '\n';
  for (const auto& file : evidence) std::cout << "evidence  " << file.string() << '\n';
  std::cout << std::flush;
  return exit_done;
}

}  // namespace pli::witness
