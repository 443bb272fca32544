// Parts that arrive as chunks, until the submit that names them is accepted (design §6). Ciphertext, in files without
// a name: a crash leaves nothing behind, and the client sends its chunks again. Accepting a chunk promises nothing.
// Owners are transport keys. Thread-safe; the calls of one owner come one after another (the gate's strands).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "broker/disk_space.hpp"
#include "broker/hand_over.hpp"
#include "crypto/keys.hpp"
#include "protocol/limits.hpp"
#include "protocol/wire.hpp"

namespace pli::broker {

struct SpoolLimits {
  std::uint64_t bytes_max = std::uint64_t{1} << 30;  ///< over all owners
  std::size_t parts_max = 512;                       ///< over all owners: each is an open file
  std::uint64_t owner_bytes_max = protocol::spool_bytes_per_identity_max;
  std::size_t owner_parts_max = protocol::spool_parts_per_identity_max;
  std::uint64_t disk_reserve_bytes = protocol::disk_reserve_bytes;  ///< left free on the folder's disk
  FreeBytes free_bytes{};                                           ///< empty = asks the disk
  std::chrono::milliseconds idle_max = std::chrono::minutes(10);    ///< without a chunk; then it makes room for another
};

class Spool {
 public:
  /// Makes the folder. Errors: io_error.
  [[nodiscard]] static Result<std::unique_ptr<Spool>> open(const std::filesystem::path& folder, SpoolLimits limits);
  ~Spool();

  /// Keeps one chunk of a part of at most `part_bytes_max`. In any order, any number of times. The whole declared size
  /// counts against the quotas from the first chunk on. Refusals: TOO_LARGE, INVALID(chunk), BUSY (a quota,
  /// or the disk does not take it), LOG_UNAVAILABLE (only the reserve is left on the disk; nothing is written).
  [[nodiscard]] std::variant<protocol::ChunkStored, protocol::Refusal> put(const crypto::CurvePublic& owner,
                                                                           const protocol::PutChunk& chunk,
                                                                           std::uint64_t part_bytes_max,
                                                                           SteadyTime now);
  /// The whole part. Errors: not_found (no such part of this size, or chunks are missing), io_error. Its digest is not
  /// checked here.
  [[nodiscard]] Result<Bytes> read(const crypto::CurvePublic& owner, const Digest& part, std::uint64_t size) const;
  /// Whether the owner has any part here. Cheap.
  [[nodiscard]] bool holds_any(const crypto::CurvePublic& owner) const;
  void drop(const crypto::CurvePublic& owner, const Digest& part);
  /// Drops what has been idle too long.
  void expire(SteadyTime now);

  [[nodiscard]] std::uint64_t reserved_bytes() const;

 private:
  struct Part;
  using Parts = std::map<Digest, std::shared_ptr<Part>>;
  Spool(std::filesystem::path folder, SpoolLimits limits) : folder_(std::move(folder)), limits_(std::move(limits)) {}
  [[nodiscard]] std::variant<std::shared_ptr<Part>, protocol::Refusal> find_or_make(const crypto::CurvePublic& owner,
                                                                                    const protocol::PutChunk& chunk,
                                                                                    SteadyTime now);
  [[nodiscard]] Result<std::shared_ptr<Part>> make_part(std::uint64_t size) const;
  void forget(Parts& parts, Parts::iterator part);

  const std::filesystem::path folder_;
  const SpoolLimits limits_;
  mutable std::mutex mutex_;  // guards what follows; files are read and written outside it
  std::map<crypto::CurvePublic, Parts> owners_;
  std::uint64_t reserved_bytes_ = 0;
  std::size_t parts_ = 0;
};

}  // namespace pli::broker
