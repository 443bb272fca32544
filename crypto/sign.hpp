// Ed25519 (RFC 8032). Raw signatures are for signed notes only; what people and tools sign are statements.
#pragma once

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/keys.hpp"
#include "crypto/secret.hpp"

namespace pli::crypto {

class SigningKey {
 public:
  /// From a 32-byte seed, which the caller may then drop.
  [[nodiscard]] static SigningKey from_seed(ByteView seed32);
  [[nodiscard]] static SigningKey generate();
  [[nodiscard]] const SignPublic& public_key() const { return public_; }
  [[nodiscard]] const SecretKey& secret() const { return secret_; }  ///< 64 bytes: seed ‖ public
  [[nodiscard]] SigningKey clone() const;

 private:
  SigningKey(SecretKey secret, SignPublic key) : secret_(std::move(secret)), public_(key) {}
  SecretKey secret_;
  SignPublic public_;
};

/// Signs `message` as it is. For signed notes and cosignatures; everything else is a statement.
[[nodiscard]] Signature sign_raw(const SigningKey& key, ByteView message);
/// Errors: authentication_failed.
[[nodiscard]] Result<void> verify_raw(const SignPublic& key, ByteView message, const Signature& signature);

}  // namespace pli::crypto
