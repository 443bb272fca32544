// One X25519 for each session of a client, not one for each exchange (design §5): the shared keys of the sessions heard
// from lately. Thread-safe.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>

#include "base/result.hpp"
#include "crypto/release_share.hpp"

namespace pli::broker {

/// The release keys as the gate needs them: KeyRing's two thread-safe functions.
struct ReleaseKeys {
  std::function<Result<crypto::BoxKey>(std::uint32_t epoch, const crypto::BoxPublic& session)> shared;
  std::function<std::optional<crypto::BoxPublic>(std::uint32_t epoch)> public_key;
};

inline constexpr std::size_t sessions_kept_max = 4096;

class SessionKeys {
 public:
  explicit SessionKeys(ReleaseKeys keys, std::size_t sessions_max = sessions_kept_max)
      : keys_(std::move(keys)), sessions_max_(sessions_max) {}

  /// Errors: not_found when the epoch is gone, and its sessions' keys with it; invalid_input for a low-order key.
  [[nodiscard]] Result<crypto::BoxKey> shared(std::uint32_t epoch, const crypto::BoxPublic& session);
  [[nodiscard]] std::optional<crypto::BoxPublic> public_key(std::uint32_t epoch) const {
    return keys_.public_key(epoch);
  }

 private:
  struct Name {
    std::uint32_t epoch = 0;
    crypto::BoxPublic session;
    auto operator<=>(const Name&) const = default;
  };
  struct Session {
    crypto::BoxKey key;
    std::list<Name>::iterator place;
  };

  const ReleaseKeys keys_;
  const std::size_t sessions_max_;
  std::mutex mutex_;
  std::map<Name, Session> sessions_;
  std::list<Name> by_use_;  ///< the most recently used first
};

}  // namespace pli::broker
