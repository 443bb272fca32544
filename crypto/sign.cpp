#include "crypto/sign.hpp"

#include <sodium.h>

namespace pli::crypto {

SigningKey SigningKey::from_seed(ByteView seed32) {
  PLI_INVARIANT(seed32.size() == crypto_sign_SEEDBYTES);
  SecretKey secret(crypto_sign_SECRETKEYBYTES);
  SignPublic key;
  crypto_sign_seed_keypair(key.bytes.data(), secret.expose_for_writing().data(), seed32.data());
  return SigningKey(std::move(secret), key);
}

SigningKey SigningKey::generate() {
  const auto seed = Transient<32>::random();
  return from_seed(seed.expose());
}

SigningKey SigningKey::clone() const { return SigningKey(secret_.clone(), public_); }

Signature sign_raw(const SigningKey& key, ByteView message) {
  PLI_INVARIANT(key.secret().size() == crypto_sign_SECRETKEYBYTES);  // not moved from
  Signature out;
  crypto_sign_detached(out.data(), nullptr, message.data(), message.size(), key.secret().expose().data());
  return out;
}

Result<void> verify_raw(const SignPublic& key, ByteView message, const Signature& signature) {
  if (crypto_sign_verify_detached(signature.data(), message.data(), message.size(), key.bytes.data()) != 0) {
    return Error{Errc::authentication_failed, "signature does not verify"};
  }
  return {};
}

}  // namespace pli::crypto
