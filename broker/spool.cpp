#include "broker/spool.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/file.hpp"

namespace pli::broker {
namespace {

constexpr std::uint64_t chunk_bytes = protocol::chunk_bytes_max;
constexpr std::uint32_t quota_retry_ms = 5'000;
constexpr std::uint32_t disk_retry_ms = 30'000;

protocol::Refusal busy(std::uint32_t retry_after_ms) { return {protocol::Code::busy, "", retry_after_ms}; }
protocol::Refusal invalid(const char* field) { return {protocol::Code::invalid, field, 0}; }

bool write_at(int fd, ByteView bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
  return true;
}

}  // namespace

struct Spool::Part {
  Part(int descriptor, std::uint64_t part_size)
      : fd(descriptor), size(part_size), have((part_size + chunk_bytes - 1) / chunk_bytes) {}
  ~Part() { ::close(fd); }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  const int fd;
  const std::uint64_t size;
  std::vector<bool> have;  // under the spool's mutex, like the rest
  std::size_t missing = have.size();
  std::uint64_t received = 0;
  SteadyTime touched{};
};

Spool::~Spool() = default;

Result<std::unique_ptr<Spool>> Spool::open(const std::filesystem::path& folder, SpoolLimits limits) {
  if (auto made = create_private_folder(folder); !made) return made.error();
  if (!limits.free_bytes) limits.free_bytes = free_bytes_beside(folder);
  return std::unique_ptr<Spool>(new Spool(folder, std::move(limits)));
}

Result<std::shared_ptr<Spool::Part>> Spool::make_part(std::uint64_t size) const {
  // A file that never has a name where the file system can, and loses it at once where it cannot.
  int fd = ::open(folder_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
    std::string name = (folder_ / "part.XXXXXX").string();
    fd = ::mkostemp(name.data(), O_CLOEXEC);
    if (fd >= 0) ::unlink(name.c_str());
  }
  if (fd < 0) return Error{Errc::io_error, "no spool file to be had"};
  return std::make_shared<Part>(fd, size);
}

void Spool::forget(Parts& parts, Parts::iterator part) {
  reserved_bytes_ -= part->second->size;
  --parts_;
  parts.erase(part);
}

std::variant<std::shared_ptr<Spool::Part>, protocol::Refusal> Spool::find_or_make(const crypto::CurvePublic& owner,
                                                                                  const protocol::PutChunk& chunk,
                                                                                  SteadyTime now) {
  Parts& parts = owners_[owner];
  if (auto found = parts.find(chunk.part); found != parts.end()) {
    if (found->second->size != chunk.part_size) return invalid("chunk");
    found->second->touched = now;
    return found->second;
  }
  std::uint64_t owned = 0;
  for (const auto& entry : parts) owned += entry.second->size;
  auto is_over = [&] {
    return parts.size() + 1 > limits_.owner_parts_max || owned + chunk.part_size > limits_.owner_bytes_max;
  };
  // What its owner left lying makes room first.
  while (is_over() && !parts.empty()) {
    auto oldest = std::min_element(parts.begin(), parts.end(),
                                   [](const auto& a, const auto& b) { return a.second->touched < b.second->touched; });
    if (now - oldest->second->touched < limits_.idle_max) break;
    owned -= oldest->second->size;
    forget(parts, oldest);
  }
  if (is_over() || parts_ + 1 > limits_.parts_max || reserved_bytes_ + chunk.part_size > limits_.bytes_max) {
    if (parts.empty()) owners_.erase(owner);
    return busy(quota_retry_ms);
  }
  auto made = make_part(chunk.part_size);
  if (!made) {
    if (parts.empty()) owners_.erase(owner);
    return busy(disk_retry_ms);
  }
  (*made)->touched = now;
  reserved_bytes_ += chunk.part_size;
  ++parts_;
  return parts.emplace(chunk.part, *std::move(made)).first->second;
}

std::variant<protocol::ChunkStored, protocol::Refusal> Spool::put(const crypto::CurvePublic& owner,
                                                                  const protocol::PutChunk& chunk,
                                                                  std::uint64_t part_bytes_max, SteadyTime now) {
  if (chunk.part_size == 0) return invalid("chunk");
  if (chunk.part_size > part_bytes_max) return protocol::Refusal{protocol::Code::too_large, "part_size", 0};
  const std::uint64_t chunks = (chunk.part_size + chunk_bytes - 1) / chunk_bytes;
  if (chunk.index >= chunks) return invalid("chunk");
  const std::uint64_t offset = chunk.index * chunk_bytes;
  if (chunk.bytes.size() != std::min(chunk_bytes, chunk.part_size - offset)) return invalid("chunk");

  // What is left belongs to the log: a part is asked for again once there is room.
  if (limits_.free_bytes() < limits_.disk_reserve_bytes + chunk.bytes.size())
    return protocol::Refusal{protocol::Code::log_unavailable, "", 0};

  std::shared_ptr<Part> part;
  {
    std::lock_guard lock(mutex_);
    auto found = find_or_make(owner, chunk, now);
    if (auto* refusal = std::get_if<protocol::Refusal>(&found)) return *refusal;
    part = std::get<std::shared_ptr<Part>>(std::move(found));
  }
  if (!write_at(part->fd, chunk.bytes, offset)) return busy(disk_retry_ms);
  std::lock_guard lock(mutex_);
  if (!part->have[chunk.index]) {
    part->have[chunk.index] = true;
    part->received += chunk.bytes.size();
    --part->missing;
  }
  protocol::ChunkStored stored;
  stored.received_bytes = part->received;
  stored.credit = static_cast<std::uint32_t>(std::min(protocol::chunk_credit, part->missing));
  stored.complete = part->missing == 0;
  return stored;
}

Result<Bytes> Spool::read(const crypto::CurvePublic& owner, const Digest& part, std::uint64_t size) const {
  std::shared_ptr<Part> held;
  {
    std::lock_guard lock(mutex_);
    auto parts = owners_.find(owner);
    if (parts == owners_.end()) return Error{Errc::not_found, "no such part"};
    auto found = parts->second.find(part);
    if (found == parts->second.end() || found->second->size != size || found->second->missing != 0)
      return Error{Errc::not_found, "no such part, or not all of it"};
    held = found->second;
  }
  Bytes out(size);
  for (std::uint64_t done = 0; done < size;) {
    const ssize_t got = ::pread(held->fd, out.data() + done, size - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Error{Errc::io_error, "a spooled part cannot be read back"};
    done += static_cast<std::uint64_t>(got);
  }
  return out;
}

bool Spool::holds_any(const crypto::CurvePublic& owner) const {
  std::lock_guard lock(mutex_);
  return owners_.count(owner) != 0;
}

void Spool::drop(const crypto::CurvePublic& owner, const Digest& part) {
  std::shared_ptr<Part> last;  // its file is closed, and so removed, outside the lock
  std::lock_guard lock(mutex_);
  auto parts = owners_.find(owner);
  if (parts == owners_.end()) return;
  if (auto found = parts->second.find(part); found != parts->second.end()) {
    last = found->second;
    forget(parts->second, found);
  }
  if (parts->second.empty()) owners_.erase(parts);
}

void Spool::expire(SteadyTime now) {
  std::lock_guard lock(mutex_);
  for (auto owner = owners_.begin(); owner != owners_.end();) {
    Parts& parts = owner->second;
    for (auto part = parts.begin(); part != parts.end();) {
      auto next = std::next(part);
      if (now - part->second->touched >= limits_.idle_max) forget(parts, part);
      part = next;
    }
    owner = parts.empty() ? owners_.erase(owner) : std::next(owner);
  }
}

std::uint64_t Spool::reserved_bytes() const {
  std::lock_guard lock(mutex_);
  return reserved_bytes_;
}

}  // namespace pli::broker
