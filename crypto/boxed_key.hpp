// A secret of the broker on disk, boxed under the start-up secret (design §4): no passphrase, no scrypt.
//   "pli-key/1 " name LF base64(nonce ‖ XChaCha20-Poly1305(start-up secret, ad = "pli-key/1 " name, secret)) LF
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "crypto/secret.hpp"

namespace pli::crypto {

inline constexpr std::size_t startup_secret_bytes = 32;

/// `name` is ours ("curve", "log", "release-202611"): a file moved under another name will not open.
[[nodiscard]] std::string box_key(std::string_view name, const SecretKey& secret, const SecretKey& startup_secret);
/// Errors: invalid_input (shape or another name), authentication_failed (another start-up secret, altered bytes).
[[nodiscard]] Result<SecretKey> unbox_key(std::string_view name, std::string_view file,
                                          const SecretKey& startup_secret);

}  // namespace pli::crypto
