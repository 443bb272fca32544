#include "client/command/passphrase.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string_view>

namespace pli::client::command {
namespace {

using protocol::LocalCode;

/// Everything up to the first newline, in guarded memory; the buffer it passed through is wiped.
Outcome<crypto::SecretKey> read_line(int fd) {
  std::array<std::uint8_t, passphrase_bytes_max + 2> buffer{};  // the longest and its \r, or one byte too many
  std::size_t size = 0;
  bool failed = false;
  while (size < buffer.size()) {
    ssize_t got = ::read(fd, buffer.data() + size, 1);
    if (got < 0 && errno == EINTR) continue;
    failed = got < 0;
    if (got <= 0 || buffer[size] == '\n') break;
    ++size;
  }
  if (size > 0 && buffer[size - 1] == '\r') --size;
  auto secret = crypto::SecretKey::copy_of(ByteView(buffer).first(std::min(size, passphrase_bytes_max)));
  crypto::wipe(buffer);
  if (failed) return Failure(LocalCode::local_store, "reading the passphrase");
  if (size > passphrase_bytes_max) return Failure(LocalCode::usage, "passphrase too long");
  if (secret.empty()) return Failure(LocalCode::usage, "empty passphrase");
  return secret;
}

Outcome<crypto::SecretKey> read_from_file(const std::filesystem::path& path, bool must_be_private) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Failure(LocalCode::local_store, "passphrase file cannot be opened");
  struct stat info {};
  if (::fstat(fd, &info) != 0 || (must_be_private && ((info.st_mode & 0077) != 0 || info.st_uid != ::geteuid()))) {
    ::close(fd);
    return Failure(LocalCode::usage, "passphrase file must be yours and closed to others: chmod 600");
  }
  auto secret = read_line(fd);
  ::close(fd);
  return secret;
}

Outcome<crypto::SecretKey> ask(const char* prompt) {
  int terminal = ::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (terminal < 0) return Failure(LocalCode::usage, "no terminal to ask the passphrase on: use --passphrase-file");
  termios before{};
  if (::tcgetattr(terminal, &before) != 0) {
    ::close(terminal);
    return Failure(LocalCode::usage, "no terminal to ask the passphrase on: use --passphrase-file");
  }
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  silent.c_lflag |= ECHONL;
  std::string_view words = prompt;
  (void)!::write(terminal, words.data(), words.size());
  (void)::tcsetattr(terminal, TCSAFLUSH, &silent);
  auto secret = read_line(terminal);
  (void)::tcsetattr(terminal, TCSAFLUSH, &before);
  ::close(terminal);
  return secret;
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
  if (file) return read_from_file(*file, true);
  if (auto path = credential()) return read_from_file(*path, false);
  return ask(prompt);
}

Outcome<crypto::SecretKey> read_new_passphrase(const std::optional<std::filesystem::path>& file, const char* prompt) {
  if (file || credential()) return read_passphrase(file, prompt);
  auto first = ask(prompt);
  if (!first) return first;
  auto second = ask("Encore une fois : ");
  if (!second) return second;
  if (!crypto::same_secret(first->expose(), second->expose()))
    return Failure(LocalCode::usage, "the two passphrases differ");
  return first;
}

}  // namespace pli::client::command
