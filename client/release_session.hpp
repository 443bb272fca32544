// The client's X25519 pair of one session and the broker's release key it talks to: shares go out and grants come back
// under one shared key, computed once (decision 2). Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "crypto/release_share.hpp"
#include "protocol/exchange.hpp"

namespace pli::client {

class ReleaseSession {
 public:
  inline static constexpr std::size_t keys_max = 64;

  ReleaseSession() : pair_(crypto::BoxPair::generate()) {}

  /// The broker's key of the month, from `hello`. Errors: invalid_input for a low-order key.
  [[nodiscard]] Result<void> use(std::uint32_t epoch, const crypto::BoxPublic& broker);
  [[nodiscard]] bool ready() const { return current_.has_value(); }
  [[nodiscard]] std::uint32_t epoch() const { return current_ ? current_->first : 0; }
  [[nodiscard]] const crypto::BoxPublic& public_key() const { return pair_.public_key(); }

  /// 1 of 1, the broker. Needs ready().
  [[nodiscard]] protocol::Release share(const crypto::ReleaseKey& release_key) const;
  /// R from a grant boxed with this release key. Errors: authentication_failed, invalid_input.
  [[nodiscard]] Result<crypto::ReleaseKey> open_grant(const crypto::BoxPublic& broker,
                                                      const crypto::BoxedRelease& grant);

 private:
  [[nodiscard]] Result<const crypto::BoxKey*> shared_with(const crypto::BoxPublic& broker);
  crypto::BoxPair pair_;
  std::map<crypto::BoxPublic, crypto::BoxKey> shared_;
  std::optional<std::pair<std::uint32_t, crypto::BoxPublic>> current_;
};

}  // namespace pli::client
