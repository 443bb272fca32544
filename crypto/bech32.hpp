// Age's key text: Bech32 (BIP 173, checksum constant 1, no length limit). formats §2.8.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "crypto/keys.hpp"
#include "crypto/secret.hpp"

namespace pli::crypto {

/// "age1…", 62 characters.
[[nodiscard]] std::string to_recipient_text(const AgePublic& key);
/// Errors: invalid_input for anything but one well-formed X25519 recipient.
[[nodiscard]] Result<AgePublic> parse_recipient(std::string_view text);
/// "AGE-SECRET-KEY-1…", 74 characters: a secret, the caller wipes it.
[[nodiscard]] std::string to_identity_text(const SecretKey& age_secret);
/// Errors: invalid_input.
[[nodiscard]] Result<SecretKey> parse_identity(std::string_view text);

}  // namespace pli::crypto
