#include "client/passphrase_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace pli::client {
namespace {

using protocol::LocalCode;

Outcome<crypto::SecretKey> checked(crypto::SecretKey secret, std::size_t size) {
  if (size > passphrase_bytes_max) return Failure(LocalCode::usage, "passphrase too long");
  if (secret.empty()) return Failure(LocalCode::wrong_passphrase, empty_passphrase);
  return secret;
}

}  // namespace

Outcome<crypto::SecretKey> read_passphrase_line(int fd, const std::function<bool()>& ready) {
  std::array<std::uint8_t, passphrase_bytes_max + 2> buffer{};  // the longest and its \r, or one byte too many
  std::size_t size = 0;
  bool failed = false;
  while (size < buffer.size()) {
    failed = !ready();
    if (failed) break;
    ssize_t got = ::read(fd, buffer.data() + size, 1);
    if (got < 0 && errno == EINTR) continue;
    failed = got < 0;
    if (got <= 0 || buffer[size] == '\n') break;
    ++size;
  }
  if (size > 0 && size < buffer.size() && buffer[size - 1] == '\r') --size;
  auto secret = crypto::SecretKey::copy_of(ByteView(buffer).first(std::min(size, passphrase_bytes_max)));
  crypto::wipe(buffer);
  if (failed) return Failure(LocalCode::local_store, "reading the passphrase");
  return checked(std::move(secret), size);
}

Outcome<crypto::SecretKey> read_passphrase_file(const std::filesystem::path& path, bool must_be_private) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Failure(LocalCode::file_missing, path.string());
  struct stat info {};
  if (::fstat(fd, &info) != 0 || (must_be_private && ((info.st_mode & 0077) != 0 || info.st_uid != ::geteuid()))) {
    ::close(fd);
    return Failure(LocalCode::passphrase_file_open, path.string());
  }
  auto secret = read_passphrase_line(fd, [] { return true; });
  ::close(fd);
  return secret;
}

}  // namespace pli::client
