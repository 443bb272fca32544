// How R travels: from the sender to the broker as a share, from the broker to an opener as a grant.
// Both are crypto_box (X25519-XSalsa20-Poly1305) over one purpose byte ‖ R, between a per-session key of the
// client and the broker's release key of the month; the X25519 is done once for a session. docs/protocol.md.
#pragma once

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/keys.hpp"
#include "crypto/secret.hpp"

namespace pli::crypto {

/// nonce (24) ‖ box (33 + 16).
using BoxedRelease = ByteArray<73>;

/// An X25519 pair for crypto_box: the broker's release key of one month, or a client's session key.
class BoxPair {
 public:
  [[nodiscard]] static BoxPair generate();
  [[nodiscard]] static BoxPair from_secret(SecretKey secret32);
  [[nodiscard]] const BoxPublic& public_key() const { return public_; }
  [[nodiscard]] const SecretKey& secret() const { return secret_; }
  /// The one X25519 of a session. Errors: invalid_input for a low-order key.
  [[nodiscard]] Result<BoxKey> shared_with(const BoxPublic& other) const;

 private:
  BoxPair(SecretKey secret, BoxPublic key) : secret_(std::move(secret)), public_(key) {}
  SecretKey secret_;
  BoxPublic public_;
};

[[nodiscard]] BoxedRelease box_share(const ReleaseKey& release_key, const BoxKey& session);
/// Errors: authentication_failed, alike for a wrong session, a grant in place of a share, an altered byte.
[[nodiscard]] Result<ReleaseKey> open_share(const BoxedRelease& share, const BoxKey& session);
[[nodiscard]] BoxedRelease box_grant(const ReleaseKey& release_key, const BoxKey& session);
// open_grant is the member's: crypto/grant.hpp, in pli_crypto_open.

/// SHA-256("pli-release/1" ‖ address digest ‖ R): the seal's promise about R.
[[nodiscard]] Digest release_commitment(const Digest& address_digest, const ReleaseKey& release_key);
/// SHA-256("pli-filekey/1" ‖ file key): the seal's promise about the file key.
[[nodiscard]] Digest file_key_commitment(const FileKey& file_key);

}  // namespace pli::crypto
