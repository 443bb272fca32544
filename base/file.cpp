#include "base/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace pli {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  /// Some file systems report a lost write only here.
  [[nodiscard]] bool close() { return ::close(std::exchange(fd_, -1)) == 0; }

 private:
  int fd_;
};

Error io_failure(const char* what) { return {Errc::io_error, std::string(what) + ": " + std::strerror(errno)}; }

Result<void> sync_folder(const std::filesystem::path& path) {
  Descriptor folder(::open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) return io_failure("open folder");
  if (::fsync(folder.get()) != 0) return io_failure("fsync folder");
  return {};
}

}  // namespace

Result<Bytes> read_file(const std::filesystem::path& path, std::size_t bytes_max) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return Error{Errc::not_found, "no such file"};
    return io_failure("open");
  }
  Bytes out;
  ByteArray<65536> block{};
  for (;;) {
    ssize_t got = ::read(file.get(), block.data(), block.size());
    if (got < 0) {
      if (errno == EINTR) continue;
      return io_failure("read");
    }
    if (got == 0) return out;
    if (out.size() + static_cast<std::size_t>(got) > bytes_max) return Error{Errc::over_limit, "file too large"};
    append(out, ByteView(block).first(static_cast<std::size_t>(got)));
  }
}

Result<void> write_file_durably(const std::filesystem::path& path, ByteView bytes, FileMode mode) {
  std::string temporary = path.string() + ".new." + std::to_string(::getpid());
  mode_t bits = mode == FileMode::owner_only ? 0600 : 0644;
  ::unlink(temporary.c_str());
  Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, bits));
  if (file.get() < 0) return io_failure("create");
  auto give_up = [&](const char* what) {
    Error error = io_failure(what);
    ::unlink(temporary.c_str());
    return error;
  };
  for (ByteView rest = bytes; !rest.empty();) {
    ssize_t put = ::write(file.get(), rest.data(), rest.size());
    if (put < 0) {
      if (errno == EINTR) continue;
      return give_up("write");
    }
    rest = rest.subspan(static_cast<std::size_t>(put));
  }
  if (::fchmod(file.get(), bits) != 0) return give_up("chmod");
  if (::fsync(file.get()) != 0) return give_up("fsync");
  if (!file.close()) return give_up("close");
  if (::rename(temporary.c_str(), path.c_str()) != 0) return give_up("rename");
  return sync_folder(path.parent_path());
}

Result<void> create_private_folder(const std::filesystem::path& path) {
  std::error_code problem;
  if (std::filesystem::is_directory(path, problem)) return {};
  if (path.has_parent_path() && !std::filesystem::exists(path.parent_path(), problem)) {
    if (auto made = create_private_folder(path.parent_path()); !made) return made.error();
  }
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return io_failure("mkdir");
  return sync_folder(path.parent_path());
}

}  // namespace pli
