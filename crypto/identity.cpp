#include "crypto/identity.hpp"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <string_view>

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
SecretKey Identity::links_key() const { return SecretKey::copy_of(derive(seed_, "links").expose()); }

ByteArray<32> x25519_public(const SecretKey& secret) {
  PLI_INVARIANT(secret.size() == crypto_scalarmult_SCALARBYTES);
  ByteArray<32> out;
  // Cannot be all zero: the base point has prime order and the scalar is clamped.
  PLI_INVARIANT(crypto_scalarmult_base(out.data(), secret.expose().data()) == 0);
  return out;
}

bool is_usable_x25519(const ByteArray<32>& key) {
  // The multiplication would tell, but a directory reads a thousand keys at each start. These are all there are
  // (cr.yp.to/ecdh.html, "validate"), bit 255 apart, which X25519 ignores; the test asks libsodium of each.
  static constexpr std::array<std::string_view, 7> small_order = {
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0100000000000000000000000000000000000000000000000000000000000000",
      "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
      "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};
  static const std::array<ByteArray<32>, small_order.size()> points = [] {
    std::array<ByteArray<32>, small_order.size()> out{};
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = *to_array<32>(*from_hex(small_order[i]));
    return out;
  }();
  ByteArray<32> masked = key;
  masked[31] &= 0x7f;
  return std::find(points.begin(), points.end(), masked) == points.end();
}

}  // namespace pli::crypto
