#include "crypto/hash.hpp"

#include <sodium.h>

#include <new>

#include "base/result.hpp"

namespace pli::crypto {

Digest sha256(ByteView bytes) {
  Digest out;
  crypto_hash_sha256(out.data(), bytes.data(), bytes.size());
  return out;
}

Digest sha256(std::initializer_list<ByteView> parts) {
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  for (ByteView part : parts) crypto_hash_sha256_update(&state, part.data(), part.size());
  Digest out;
  crypto_hash_sha256_final(&state, out.data());
  return out;
}

namespace {

crypto_hash_sha256_state* state_in(ByteArray<128>& place) {
  return std::launder(reinterpret_cast<crypto_hash_sha256_state*>(place.data()));
}

}  // namespace

Sha256::Sha256() {
  static_assert(sizeof(crypto_hash_sha256_state) <= sizeof(state_));
  static_assert(alignof(crypto_hash_sha256_state) <= 8);
  crypto_hash_sha256_init(new (state_.data()) crypto_hash_sha256_state);
}

void Sha256::update(ByteView bytes) { crypto_hash_sha256_update(state_in(state_), bytes.data(), bytes.size()); }

Digest Sha256::finish() {
  Digest out;
  crypto_hash_sha256_final(state_in(state_), out.data());
  return out;
}

Digest hmac_sha256(ByteView key, std::initializer_list<ByteView> parts) {
  // An empty key is as good as 32 zero bytes (RFC 2104 pads with zeros), and libsodium 1.0.18 takes no null
  // one.
  static constexpr ByteArray<32> zeros{};
  if (key.empty()) key = zeros;
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, key.data(), key.size());
  for (ByteView part : parts) crypto_auth_hmacsha256_update(&state, part.data(), part.size());
  Digest out;
  crypto_auth_hmacsha256_final(&state, out.data());
  sodium_memzero(&state, sizeof state);
  return out;
}

Transient<32> hkdf_sha256(ByteView input_key, ByteView salt, std::string_view info) {
  static constexpr ByteArray<1> first_block{1};
  const Transient<32> extracted(hmac_sha256(salt, {input_key}));
  return Transient<32>(hmac_sha256(extracted.expose(), {as_bytes(info), first_block}));
}

Bytes expand_seed(const ByteArray<32>& seed, std::size_t size) {
  static constexpr ByteArray<crypto_stream_chacha20_ietf_NONCEBYTES> zero_nonce{};
  Bytes out(size);
  if (out.empty()) return out;
  PLI_INVARIANT(crypto_stream_chacha20_ietf(out.data(), out.size(), zero_nonce.data(), seed.data()) == 0);
  return out;
}

}  // namespace pli::crypto
