// The member's side of the header lock. In pli_crypto_open.
#pragma once

#include "base/result.hpp"
#include "crypto/header_lock.hpp"

namespace pli::crypto::opening {

/// Errors: authentication_failed, alike for another R, address, payload or an altered byte.
[[nodiscard]] Result<Bytes> unlock_header(ByteView locked, const ReleaseKey& release_key, const LockBinding& binding);

}  // namespace pli::crypto::opening
