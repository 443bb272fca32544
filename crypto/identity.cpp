#include "crypto/identity.hpp"

#include <sodium.h>

#include "crypto/hash.hpp"

namespace pli::crypto {
namespace {

Transient<32> derive(const SecretKey& seed, std::string_view use) {
  return hkdf_sha256(seed.expose(), as_bytes("pli-identity/1"), use);
}

}  // namespace

Identity::Identity(SecretKey seed, SecretKey curve, SigningKey sign, SecretKey age, PublicIdentity keys)
    : seed_(std::move(seed)), curve_(std::move(curve)), sign_(std::move(sign)), age_(std::move(age)), public_(keys) {}

Identity Identity::generate() { return from_seed(SecretKey::random(32)); }

Identity Identity::from_seed(SecretKey seed32) {
  PLI_INVARIANT(seed32.size() == 32);
  SecretKey curve = SecretKey::copy_of(derive(seed32, "curve").expose());
  SigningKey sign = SigningKey::from_seed(derive(seed32, "sign").expose());
  SecretKey age = SecretKey::copy_of(derive(seed32, "age").expose());
  const PublicIdentity keys{{x25519_public(curve)}, sign.public_key(), {x25519_public(age)}};
  return Identity(std::move(seed32), std::move(curve), std::move(sign), std::move(age), keys);
}

SigningKey Identity::witness_key() const { return SigningKey::from_seed(derive(seed_, "witness").expose()); }

ByteArray<32> x25519_public(const SecretKey& secret) {
  PLI_INVARIANT(secret.size() == crypto_scalarmult_SCALARBYTES);
  ByteArray<32> out;
  // Cannot be all zero: the base point has prime order and the scalar is clamped.
  PLI_INVARIANT(crypto_scalarmult_base(out.data(), secret.expose().data()) == 0);
  return out;
}

}  // namespace pli::crypto
