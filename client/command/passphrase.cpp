#include "client/command/passphrase.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string_view>

#include "protocol/printable.hpp"

namespace pli::client::command {
namespace {

using protocol::LocalCode;

// ---- the terminal ----------------------------------------------------------------------------------------------

volatile std::sig_atomic_t caught = 0;
void remember(int signal) { caught = signal; }

/// Signals that would leave the terminal silent: held back, but for the moments we wait in, where they are only noted.
class SignalsHeld {
 public:
  SignalsHeld() {
    caught = 0;
    sigset_t held;
    ::sigemptyset(&held);
    for (int signal : signals_) ::sigaddset(&held, signal);
    ::pthread_sigmask(SIG_BLOCK, &held, &before_);
    struct sigaction noting {};
    noting.sa_handler = remember;
    for (std::size_t i = 0; i < signals_.size(); ++i) {
      ::sigaction(signals_[i], nullptr, &actions_[i]);
      if (actions_[i].sa_handler != SIG_IGN) ::sigaction(signals_[i], &noting, nullptr);
    }
  }
  ~SignalsHeld() {
    for (std::size_t i = 0; i < signals_.size(); ++i) ::sigaction(signals_[i], &actions_[i], nullptr);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;

  /// False once a signal came.
  [[nodiscard]] bool wait_for_input(int fd) const {
    pollfd wait{fd, POLLIN, 0};
    while (caught == 0)
      if (::ppoll(&wait, 1, nullptr, &before_) >= 0 || errno != EINTR) return caught == 0;
    return false;
  }

 private:
  static constexpr std::array<int, 5> signals_ = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP};
  std::array<struct sigaction, signals_.size()> actions_{};
  sigset_t before_{};
};

/// One question with the echo off; `signal` is what interrupted it, 0 for nothing.
Outcome<crypto::SecretKey> ask_once(int terminal, const termios& before, const char* prompt, int& signal) {
  SignalsHeld held;
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  silent.c_lflag |= ECHONL;
  // Silent before it asks, and what was typed before, to whatever stood there, is no part of the answer.
  (void)::tcsetattr(terminal, TCSAFLUSH, &silent);
  std::string_view words = prompt;
  (void)!::write(terminal, words.data(), words.size());
  auto secret = read_passphrase_line(terminal, [&] { return held.wait_for_input(terminal); });
  (void)::tcsetattr(terminal, TCSAFLUSH, &before);  // nor is what was typed too much a command
  signal = caught;
  return secret;
}

Outcome<crypto::SecretKey> ask(const char* prompt) {
  int terminal = ::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  termios before{};
  if (terminal < 0 || ::tcgetattr(terminal, &before) != 0) {
    if (terminal >= 0) ::close(terminal);
    return Failure(LocalCode::no_terminal, "no terminal to ask the passphrase on: use --passphrase-file");
  }
  for (;;) {
    int signal = 0;
    auto secret = ask_once(terminal, before, prompt, signal);
    if (signal != 0) {
      (void)!::write(terminal, "\n", 1);
      (void)::raise(signal);
      if (signal == SIGTSTP) continue;  // back from a pause: the question again
    }
    ::close(terminal);
    return secret;
  }
}

Outcome<crypto::SecretKey> long_enough(Outcome<crypto::SecretKey> secret) {
  if (!secret) return secret;
  const std::string_view text = as_text(secret->expose());
  const std::size_t characters = protocol::count_characters(text).value_or(text.size());
  std::size_t words = 0;
  bool in_word = false;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\t';
    if (!blank && !in_word) ++words;
    in_word = !blank;
  }
  if (characters >= passphrase_characters_min || words >= passphrase_words_min) return secret;
  return Failure(LocalCode::passphrase_short, "");
}

std::optional<std::filesystem::path> credential() {
  const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
  if (folder == nullptr || *folder == '\0') return std::nullopt;
  auto path = std::filesystem::path(folder) / passphrase_credential;
  std::error_code problem;
  if (!std::filesystem::exists(path, problem)) return std::nullopt;
  return path;
}

}  // namespace

Outcome<crypto::SecretKey> read_passphrase(const std::optional<std::filesystem::path>& file, const char* prompt) {
  if (file) return read_passphrase_file(*file, true);
  if (auto path = credential()) return read_passphrase_file(*path, false);
  return ask(prompt);
}

bool passphrase_is_typed(const std::optional<std::filesystem::path>& file) { return !file && !credential(); }

Outcome<crypto::SecretKey> read_new_passphrase(const std::optional<std::filesystem::path>& file, const char* prompt) {
  if (!passphrase_is_typed(file)) return long_enough(read_passphrase(file, prompt));
  auto first = long_enough(ask(prompt));
  if (!first) return first;
  auto second = ask("Encore une fois : ");
  if (!second) return second;
  if (!crypto::same_secret(first->expose(), second->expose())) return Failure(LocalCode::passphrases_differ, "");
  return first;
}

}  // namespace pli::client::command
