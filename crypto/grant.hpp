// The member's side of a grant: R as the broker released it to this session. In pli_crypto_open.
#pragma once

#include "crypto/release_share.hpp"

namespace pli::crypto::opening {

/// Errors: authentication_failed.
[[nodiscard]] Result<ReleaseKey> open_grant(const BoxedRelease& grant, const BoxKey& session);

}  // namespace pli::crypto::opening
