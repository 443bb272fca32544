#include "crypto/release_share.hpp"

#include <sodium.h>

#include <algorithm>

#include "crypto/boxed_release.hpp"
#include "crypto/hash.hpp"
#include "crypto/identity.hpp"
#include "crypto/random.hpp"

namespace pli::crypto {
namespace {

constexpr std::size_t nonce_bytes = crypto_box_NONCEBYTES;
constexpr std::size_t content_bytes = 1 + 32;  // purpose ‖ R
static_assert(nonce_bytes + content_bytes + crypto_box_MACBYTES == std::tuple_size_v<BoxedRelease>);

}  // namespace

BoxPair BoxPair::generate() { return from_secret(SecretKey::random(crypto_box_SECRETKEYBYTES)); }

BoxPair BoxPair::from_secret(SecretKey secret32) {
  const BoxPublic key{x25519_public(secret32)};
  return BoxPair(std::move(secret32), key);
}

Result<BoxKey> BoxPair::shared_with(const BoxPublic& other) const {
  PLI_INVARIANT(secret_.size() == crypto_box_SECRETKEYBYTES);  // not moved from
  BoxKey out;
  if (crypto_box_beforenm(out.expose_for_writing().data(), other.bytes.data(), secret_.expose().data()) != 0) {
    return Error{Errc::invalid_input, "low-order box key"};
  }
  return out;
}

BoxedRelease box_release(ReleasePurpose purpose, const ReleaseKey& release_key, const BoxKey& session) {
  Transient<content_bytes> content;
  content.expose_for_writing()[0] = static_cast<std::uint8_t>(purpose);
  std::copy(release_key.expose().begin(), release_key.expose().end(), content.expose_for_writing().begin() + 1);
  BoxedRelease out;
  random_bytes(std::span(out).first(nonce_bytes));
  crypto_box_easy_afternm(out.data() + nonce_bytes, content.expose().data(), content_bytes, out.data(),
                          session.expose().data());
  return out;
}

Result<ReleaseKey> unbox_release(ReleasePurpose purpose, const BoxedRelease& boxed, const BoxKey& session) {
  Transient<content_bytes> content;
  const bool authentic =
      crypto_box_open_easy_afternm(content.expose_for_writing().data(), boxed.data() + nonce_bytes,
                                   boxed.size() - nonce_bytes, boxed.data(), session.expose().data()) == 0;
  if (!authentic || content.expose()[0] != static_cast<std::uint8_t>(purpose)) {
    return Error{Errc::authentication_failed, "release box does not open"};
  }
  ReleaseKey out;
  std::copy(content.expose().begin() + 1, content.expose().end(), out.expose_for_writing().begin());
  return out;
}

BoxedRelease box_share(const ReleaseKey& release_key, const BoxKey& session) {
  return box_release(ReleasePurpose::share, release_key, session);
}
Result<ReleaseKey> open_share(const BoxedRelease& share, const BoxKey& session) {
  return unbox_release(ReleasePurpose::share, share, session);
}
BoxedRelease box_grant(const ReleaseKey& release_key, const BoxKey& session) {
  return box_release(ReleasePurpose::grant, release_key, session);
}

Digest release_commitment(const Digest& address_digest, const ReleaseKey& release_key) {
  return sha256({as_bytes("pli-release/1"), address_digest, release_key.expose()});
}

Digest file_key_commitment(const FileKey& file_key) { return sha256({as_bytes("pli-filekey/1"), file_key.expose()}); }

}  // namespace pli::crypto
