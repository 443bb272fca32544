#include "tests/support/real_broker.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/file.hpp"
#include "crypto/boxed_key.hpp"

extern char** environ;

namespace pli::testing {
namespace {

constexpr auto line_within = std::chrono::minutes(1);

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "real broker: %s\n", what);
  std::abort();
}

/// A port nobody listens on now; the broker binds it a moment later.
std::uint16_t free_port() {
  int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(probe, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(probe, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    give_up("no free port");
  ::close(probe);
  return ntohs(address.sin_port);
}

void write(const std::filesystem::path& path, ByteView bytes) {
  if (!write_file_durably(path, bytes, FileMode::owner_only)) give_up("cannot write its folder");
}

pid_t spawn(const std::string& program, const std::vector<std::string>& words, int out) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (out >= 0)
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  else
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  std::vector<std::string> all = {program};
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> argv;
  for (std::string& word : all) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = -1;
  if (::posix_spawn(&pid, program.c_str(), &actions, nullptr, argv.data(), environ) != 0)
    give_up("cannot start pli-broker");
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

int exit_code_of(pid_t pid) {
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

RealBroker::RealBroker(const Department& department, std::string program, bool with_tiles, RealBrokerExtras extras)
    : program_(std::move(program)) {
  const auto& folder = folder_.path();
  for (const char* name : {"data", "keys", "copy", "log"}) std::filesystem::create_directory(folder / name);
  crypto::SecretKey startup = crypto::SecretKey::random(crypto::startup_secret_bytes);
  crypto::SecretKey curve = crypto::SecretKey::random(32);
  crypto::SecretKey log = crypto::SecretKey::random(32);
  curve_.bytes = crypto::x25519_public(curve);
  log_key_ = crypto::SigningKey::from_seed(log.expose()).public_key();
  write(folder / "startup.secret", startup.expose());
  write(folder / "keys" / "curve.key", as_bytes(crypto::box_key("curve", curve, startup)));
  write(folder / "keys" / "log.key", as_bytes(crypto::box_key("log", log, startup)));
  endpoint_ = "tcp://127.0.0.1:" + std::to_string(free_port());
  if (extras.health_page) health_port_ = free_port();
  std::string config =
      "endpoint = \"" + endpoint_ + "\"\nlog = \"" + department.log() + "\"\nshard = \"" + Department::shard() +
      "\"\ndata_folder = \"data\"\nkey_folder = \"keys\"\nleases = \"keys/leases\"\n"
      "leases_copy = \"copy/leases\"\noutside_checkpoint = \"copy/checkpoint\"\nlog_folder = \"log\"\n"
      "startup_secret = \"startup.secret\"\n" +
      (with_tiles ? "tiles_folder = \"tiles\"\n" : "") +
      (extras.health_page ? "health_listen = \"127.0.0.1:" + std::to_string(health_port_) + "\"\n" : "") +
      // Few senders stand for a whole département here.
      "[limits]\nbytes_per_day_max = 1099511627776\nacts_per_day_max = 1000000000\n" + extras.limits;
  write(folder / "broker.toml", as_bytes(config));
  broker::VerifiedPublish first = department.first_version();
  write(folder / "directory.note", as_bytes(first.note));
  write(folder / "directory.bundle", protocol::encode_bundle(first.changed));
  if (run({"init", "--config", (folder / "broker.toml").string(), "--directory", (folder / "directory.note").string(),
           "--bundle", (folder / "directory.bundle").string()}) != 0)
    give_up("pli-broker init failed");
}

RealBroker::~RealBroker() {
  if (pid_ > 0) kill_nine();
  if (out_ >= 0) ::close(out_);
}

int RealBroker::run(const std::vector<std::string>& words) const { return exit_code_of(spawn(program_, words, -1)); }

void RealBroker::start() {
  if (try_start("").find("\"ready\"") == std::string::npos) give_up("pli-broker did not become ready");
}

std::string RealBroker::try_start(const std::string& before) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) give_up("pipe");
  const std::vector<std::string> run = {"run", "--json", "--config", (folder_.path() / "broker.toml").string()};
  std::vector<std::string> by_shell = {"-c", before + "; exec \"$0\" \"$@\"", program_};
  by_shell.insert(by_shell.end(), run.begin(), run.end());
  pid_ = before.empty() ? spawn(program_, run, ends[1]) : spawn("/bin/sh", by_shell, ends[1]);
  ::close(ends[1]);
  if (out_ >= 0) ::close(out_);
  out_ = ends[0];
  return line();
}

std::string RealBroker::line() const {
  const auto deadline = std::chrono::steady_clock::now() + line_within;
  std::string out;
  for (;;) {
    const auto rest = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd readable{out_, POLLIN, 0};
    char c = 0;
    if (rest.count() <= 0 || ::poll(&readable, 1, static_cast<int>(rest.count())) <= 0 || ::read(out_, &c, 1) != 1 ||
        c == '\n')
      return out;
    out += c;
  }
}

std::optional<int> RealBroker::wait_for_end(std::chrono::milliseconds time) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  int status = 0;
  while (::waitpid(pid_, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() >= deadline) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::size_t RealBroker::descriptors() const {
  std::error_code problem;
  const std::filesystem::directory_iterator open("/proc/" + std::to_string(pid_) + "/fd", problem);
  return static_cast<std::size_t>(std::distance(begin(open), end(open)));
}

void RealBroker::kill_nine() {
  ::kill(pid_, SIGKILL);
  (void)exit_code_of(std::exchange(pid_, -1));
}

void RealBroker::stop() {
  ::kill(pid_, SIGTERM);
  if (exit_code_of(std::exchange(pid_, -1)) != 0) give_up("pli-broker did not stop cleanly");
}

int RealBroker::check() const { return run({"check", "--config", (folder_.path() / "broker.toml").string()}); }

double RealBroker::cpu_seconds() const {
  std::ifstream stat("/proc/" + std::to_string(pid_) + "/stat");
  std::string text((std::istreambuf_iterator<char>(stat)), {});
  std::istringstream rest(text.substr(text.rfind(')') + 2));
  std::string word;
  for (int i = 0; i < 11; ++i) rest >> word;
  double user = 0;
  double system = 0;
  rest >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::uint64_t RealBroker::resident_bytes() const {
  std::ifstream statm("/proc/" + std::to_string(pid_) + "/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  statm >> size >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t RealBroker::disk_bytes() const {
  std::uint64_t total = 0;
  std::error_code problem;
  for (const auto& folder : {data(), tiles()})
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, problem))
      if (entry.is_regular_file(problem)) total += entry.file_size(problem);
  return total;
}

}  // namespace pli::testing
