#include "broker/startup_secret.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "broker/key_ring.hpp"

namespace pli::broker {
namespace {

enum class Guard { owner_only, systemd };  // who keeps others from reading it

Result<crypto::SecretKey> read_secret_file(const std::filesystem::path& path, Guard guard) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return Error{Errc::not_found, "no start-up secret there"};
    return Error{Errc::io_error, "the start-up secret cannot be opened"};
  }
  struct stat status {};
  if (guard == Guard::owner_only && (::fstat(fd, &status) != 0 || (status.st_mode & (S_IRWXG | S_IRWXO)) != 0)) {
    ::close(fd);
    return Error{Errc::invalid_input, "the start-up secret may be read by its owner only (chmod 600)"};
  }
  return read_startup_secret(fd);
}

}  // namespace

Result<crypto::SecretKey> load_startup_secret(const SecretSource& source) {
  if (const auto* descriptor = std::get_if<SecretDescriptor>(&source)) return read_startup_secret(descriptor->fd);
  if (const auto* file = std::get_if<SecretFile>(&source)) return read_secret_file(file->path, Guard::owner_only);
  const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
  if (folder == nullptr) return Error{Errc::not_found, "no credentials: systemd sets CREDENTIALS_DIRECTORY"};
  return read_secret_file(std::filesystem::path(folder) / std::get<SecretCredential>(source).name, Guard::systemd);
}

}  // namespace pli::broker
