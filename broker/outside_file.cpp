#include "broker/outside_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/file.hpp"
#include "broker/log.hpp"

namespace pli::broker {
namespace {

constexpr std::size_t file_bytes = 2 * audit::outside_slot_bytes;

/// A slot's place follows from its sequence, so that a write never touches the newest one.
off_t place_of(std::uint64_t sequence) { return static_cast<off_t>(sequence % 2 * audit::outside_slot_bytes); }

/// Open and locked, or -1 and the reason.
Result<int> open_locked(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return Error{Errc::not_found, "no outside checkpoint"};
    return Error{Errc::io_error, "the outside checkpoint cannot be opened"};
  }
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    ::close(fd);
    return Error{Errc::unavailable, "another broker holds the outside checkpoint"};
  }
  return fd;
}

}  // namespace

Result<OutsideFile> OutsideFile::create(const std::filesystem::path& path, const std::string& note) {
  std::error_code problem;
  if (std::filesystem::exists(path, problem) || problem)
    return Error{Errc::conflict, "an outside checkpoint is there already"};
  const audit::OutsideSlot first{1, note};
  auto fd = make(path, first);
  if (!fd) return fd.error();
  return OutsideFile(path, *fd, first);
}

Result<int> OutsideFile::make(const std::filesystem::path& path, const audit::OutsideSlot& only) {
  auto slot = audit::encode_slot(only);
  if (!slot) return slot.error();
  Bytes whole(file_bytes, 0);
  std::copy(slot->begin(), slot->end(), whole.begin() + place_of(only.sequence));
  if (auto written = write_file_durably(path, whole, FileMode::owner_only); !written) return written.error();
  return open_locked(path);
}

Result<OutsideFile> OutsideFile::open(const std::filesystem::path& path) {
  auto fd = open_locked(path);
  if (!fd) return fd.error();
  OutsideFile file(path, *fd, {});
  Bytes whole(file_bytes + 1);
  const ssize_t got = ::pread(file.fd_, whole.data(), whole.size(), 0);
  if (got < 0) return Error{Errc::io_error, "the outside checkpoint cannot be read"};
  whole.resize(static_cast<std::size_t>(got));
  auto newest = audit::newest_slot(whole);
  if (!newest) return newest.error();
  file.newest_ = *std::move(newest);
  return file;
}

Result<audit::OutsideSlot> OutsideFile::read(const std::filesystem::path& path) {
  std::error_code problem;
  const auto status = std::filesystem::status(path, problem);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
    return Error{Errc::corruption, "no file"};
  auto whole = read_file(path, file_bytes);
  if (!whole) return whole.error().code == Errc::over_limit ? Error{Errc::corruption, "not two slots"} : whole.error();
  return audit::newest_slot(*whole);
}

OutsideFile::OutsideFile(OutsideFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), newest_(std::move(other.newest_)) {}

OutsideFile::~OutsideFile() {
  if (fd_ >= 0) ::close(fd_);
}

Result<void> OutsideFile::write(const std::string& note) {
  audit::OutsideSlot next{newest_.sequence + 1, note};
  // Somebody may have removed, moved or cut it: what is written then is there at no start.
  struct stat there {};
  struct stat ours {};
  if (::stat(path_.c_str(), &there) != 0) {
    if (errno != ENOENT) return Error{Errc::io_error, "the outside checkpoint cannot be looked at"};
    auto fd = make(path_, next);
    if (!fd) return fd.error();
    ::close(std::exchange(fd_, *fd));
    newest_ = std::move(next);
    log(LogLevel::error, "outside checkpoint was removed while running, and is made anew",
        {{"path", LocalText{path_.native()}}});
    return {};
  }
  if (::fstat(fd_, &ours) != 0 || there.st_ino != ours.st_ino || there.st_dev != ours.st_dev)
    return Error{Errc::io_error, "another file stands in the outside checkpoint's place"};
  if (ours.st_size != static_cast<off_t>(file_bytes)) return Error{Errc::io_error, "the outside checkpoint was cut"};
  auto slot = audit::encode_slot(next);
  if (!slot) return slot.error();
  ssize_t put = 0;
  do {
    put = ::pwrite(fd_, slot->data(), slot->size(), place_of(next.sequence));
  } while (put < 0 && errno == EINTR);
  if (put != static_cast<ssize_t>(slot->size()))
    return Error{Errc::io_error, "the outside checkpoint cannot be written"};
  if (::fdatasync(fd_) != 0) return Error{Errc::io_error, "the outside checkpoint cannot be flushed"};
  newest_ = std::move(next);
  return {};
}

Result<void> demand_extension(const audit::OutsideSlot& outside, const audit::VerifierKey& log_key, TreeSize stored,
                              const std::function<Result<Digest>(TreeSize)>& root_at) {
  auto checkpoint = audit::verify_checkpoint(outside.note, log_key);
  if (!checkpoint) return Error{Errc::corruption, "the outside checkpoint is not signed by this log and shard"};
  if (stored < checkpoint->size()) {
    return Error{Errc::conflict, "the database holds " + std::to_string(stored.value) +
                                     " leaves, the outside checkpoint " + std::to_string(checkpoint->size().value) +
                                     ": the database is older than what was published"};
  }
  auto root = root_at(checkpoint->size());
  if (!root) return root.error();
  if (!equal(*root, checkpoint->root())) {
    return Error{Errc::conflict, "the database's tree of " + std::to_string(checkpoint->size().value) +
                                     " leaves is not the one the outside checkpoint names"};
  }
  return {};
}

}  // namespace pli::broker
