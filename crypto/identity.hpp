// A person's or tool's identity: one 32-byte seed, one key for each use (design §4).
// key_i = HKDF-SHA-256(salt "pli-identity/1", ikm seed, info "curve" | "sign" | "age" | "witness" | "links").
#pragma once

#include "crypto/keys.hpp"
#include "crypto/sign.hpp"

namespace pli::crypto {

/// The public half: what a card shows and the directory holds.
struct PublicIdentity {
  CurvePublic curve;
  SignPublic sign;
  AgePublic age;
  auto operator<=>(const PublicIdentity&) const = default;
};

class Identity {
 public:
  [[nodiscard]] static Identity generate();
  [[nodiscard]] static Identity from_seed(SecretKey seed32);

  [[nodiscard]] const PublicIdentity& public_identity() const { return public_; }
  [[nodiscard]] const SecretKey& seed() const { return seed_; }
  [[nodiscard]] const SecretKey& curve_secret() const { return curve_; }
  [[nodiscard]] const SigningKey& signing_key() const { return sign_; }
  [[nodiscard]] const SecretKey& age_secret() const { return age_; }
  [[nodiscard]] SigningKey witness_key() const;
  /// Seals what the member's own disk keeps for link hints; never leaves the machine.
  [[nodiscard]] SecretKey links_key() const;

 private:
  Identity(SecretKey seed, SecretKey curve, SigningKey sign, SecretKey age, PublicIdentity keys);
  SecretKey seed_;
  SecretKey curve_;
  SigningKey sign_;
  SecretKey age_;
  PublicIdentity public_;
};

/// Base point multiplication, for X25519 secrets of any use.
[[nodiscard]] ByteArray<32> x25519_public(const SecretKey& secret);

/// Whether an X25519 public key can be sealed to: not the few points of small order, whose shared secret is zero
/// whoever computes it, so that libsodium refuses, and with it every sealing to a roster that holds one.
[[nodiscard]] bool is_usable_x25519(const ByteArray<32>& key);

}  // namespace pli::crypto
