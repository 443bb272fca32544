#include "bench/raw_cipher.hpp"

#include <sodium.h>

#include <chrono>
#include <vector>

#include "crypto/age_seal.hpp"

namespace pli::bench {

double seal_by_cipher_alone(std::size_t mib) {
  std::vector<unsigned char> plain(crypto::age_chunk_bytes, 7);
  std::vector<unsigned char> sealed(plain.size() + crypto_aead_chacha20poly1305_ietf_ABYTES);
  unsigned char key[crypto_aead_chacha20poly1305_ietf_KEYBYTES] = {1};
  unsigned char nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES] = {};
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t chunk = 0; chunk < mib * 1024 * 1024 / plain.size(); ++chunk) {
    sodium_increment(nonce, sizeof nonce);
    crypto_aead_chacha20poly1305_ietf_encrypt(sealed.data(), nullptr, plain.data(), plain.size(), nullptr, 0, nullptr,
                                              nonce, key);
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace pli::bench
