#include "crypto/secret_box.hpp"

#include <sodium.h>

#include "crypto/random.hpp"

namespace pli::crypto {
namespace {

constexpr std::size_t nonce_bytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t tag_bytes = crypto_aead_xchacha20poly1305_ietf_ABYTES;
static_assert(nonce_bytes + tag_bytes == secret_box_overhead_bytes);

Error refused() { return {Errc::authentication_failed, "box does not open"}; }

/// Into `out`, which holds exactly what the sealed bytes hold.
bool open_into(std::span<std::uint8_t> out, ByteView sealed, AssociatedData bound, ByteView key) {
  PLI_INVARIANT(key.size() == crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
  PLI_INVARIANT(sealed.size() == out.size() + secret_box_overhead_bytes);
  const ByteView body = sealed.subspan(nonce_bytes);
  return crypto_aead_xchacha20poly1305_ietf_decrypt(out.data(), nullptr, nullptr, body.data(), body.size(),
                                                    bound.bytes.data(), bound.bytes.size(), sealed.data(),
                                                    key.data()) == 0;
}

}  // namespace

Bytes seal_box(ByteView plaintext, AssociatedData bound, ByteView key) {
  PLI_INVARIANT(key.size() == crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
  Bytes out(secret_box_overhead_bytes + plaintext.size());
  random_bytes(std::span(out).first(nonce_bytes));
  crypto_aead_xchacha20poly1305_ietf_encrypt(out.data() + nonce_bytes, nullptr, plaintext.data(), plaintext.size(),
                                             bound.bytes.data(), bound.bytes.size(), nullptr, out.data(), key.data());
  return out;
}

Result<Bytes> open_box(ByteView sealed, AssociatedData bound, ByteView key) {
  if (sealed.size() < secret_box_overhead_bytes) return refused();
  Bytes out(sealed.size() - secret_box_overhead_bytes);
  if (!open_into(out, sealed, bound, key)) return refused();
  return out;
}

Bytes lease_release_key(const ReleaseKey& release_key, const Digest& exchange_id, ByteView lease_key) {
  return seal_box(release_key.expose(), AssociatedData{exchange_id}, lease_key);
}

Result<ReleaseKey> unlease_release_key(ByteView leased, const Digest& exchange_id, ByteView lease_key) {
  ReleaseKey out;
  if (leased.size() != out.expose().size() + secret_box_overhead_bytes) return refused();
  if (!open_into(out.expose_for_writing(), leased, AssociatedData{exchange_id}, lease_key)) return refused();
  return out;
}

}  // namespace pli::crypto
