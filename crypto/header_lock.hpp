// Locking the age header under R, so that a member's key alone opens nothing (design §5, P4).
// locked = nonce (24) ‖ XChaCha20-Poly1305(R, nonce, ad = "pli-lock/1" ‖ address digest ‖ payload digest, header).
#pragma once

#include "base/bytes.hpp"
#include "crypto/secret.hpp"

namespace pli::crypto {

/// What the lock is bound to: moved to another address or payload it will not unlock.
struct LockBinding {
  Digest address;  ///< SHA-256 of the address bytes
  Digest payload;  ///< SHA-256 of the payload part
};

[[nodiscard]] Bytes lock_header(ByteView age_header, const ReleaseKey& release_key, const LockBinding& binding);
[[nodiscard]] Bytes lock_associated_data(const LockBinding& binding);
// unlock_header is the member's: crypto/header_unlock.hpp, in pli_crypto_open.

}  // namespace pli::crypto
