// SHA-256, HMAC-SHA-256 and HKDF-SHA-256 (FIPS 180-4, RFC 2104, RFC 5869), on libsodium.
#pragma once

#include <initializer_list>
#include <string_view>

#include "base/bytes.hpp"
#include "crypto/secret.hpp"

namespace pli::crypto {

[[nodiscard]] Digest sha256(ByteView bytes);
/// SHA-256 of the parts one after another, without joining them.
[[nodiscard]] Digest sha256(std::initializer_list<ByteView> parts);

/// SHA-256 in pieces, for what does not fit in memory.
class Sha256 {
 public:
  Sha256();
  void update(ByteView bytes);
  [[nodiscard]] Digest finish();  ///< Once.

 private:
  alignas(8) ByteArray<128> state_;  ///< crypto_hash_sha256_state; its size is asserted in the source
};

[[nodiscard]] Digest hmac_sha256(ByteView key, std::initializer_list<ByteView> parts);

/// HKDF with one block of output. An empty salt means 32 zero bytes.
[[nodiscard]] Transient<32> hkdf_sha256(ByteView input_key, ByteView salt, std::string_view info);

/// `size` bytes of ChaCha20 keystream under a 32-byte seed (nonce 0): many independent salts from one seed,
/// each of which can be shown without telling anything of the others.
[[nodiscard]] Bytes expand_seed(const ByteArray<32>& seed, std::size_t size);

}  // namespace pli::crypto
