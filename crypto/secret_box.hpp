// XChaCha20-Poly1305 under a key we hold: release keys under a lease key, record values under a month's key,
// the broker's own secrets under the start-up secret. Layout: nonce (24) ‖ ciphertext ‖ tag (16).
#pragma once

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/secret.hpp"

namespace pli::crypto {

/// Bytes authenticated, not hidden.
struct AssociatedData {
  ByteView bytes;
};

inline constexpr std::size_t secret_box_overhead_bytes = 24 + 16;

/// The nonce is drawn here, never passed in. `key` is 32 bytes. Cannot fail.
[[nodiscard]] Bytes seal_box(ByteView plaintext, AssociatedData bound, ByteView key);
/// Errors: authentication_failed, alike for wrong key, wrong `bound`, altered or short bytes.
[[nodiscard]] Result<Bytes> open_box(ByteView sealed, AssociatedData bound, ByteView key);

/// R at rest under a lease key: 72 bytes, ad = exchange id (design §9).
[[nodiscard]] Bytes lease_release_key(const ReleaseKey& release_key, const Digest& exchange_id, ByteView lease_key);
/// Errors: authentication_failed.
[[nodiscard]] Result<ReleaseKey> unlease_release_key(ByteView leased, const Digest& exchange_id, ByteView lease_key);

}  // namespace pli::crypto
