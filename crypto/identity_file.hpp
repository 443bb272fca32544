// An identity on disk: an age file under a passphrase, so that `age -d` reads it in ten years. In pli_crypto_open.
// Plaintext: "# pli identity, format 1" LF "# seed " hex LF "AGE-SECRET-KEY-1…" LF, itself an age identity file.
#pragma once

#include "base/result.hpp"
#include "crypto/age_open.hpp"
#include "crypto/identity.hpp"

namespace pli::crypto::opening {

/// Errors: invalid_input for an empty passphrase or a work factor outside 1..20.
[[nodiscard]] Result<Bytes> write_identity_file(const Identity& identity, const SecretKey& passphrase, int work_factor);
/// Errors: authentication_failed for a wrong passphrase or a damaged file; invalid_input when it holds no identity.
[[nodiscard]] Result<Identity> read_identity_file(ByteView file, const SecretKey& passphrase);

/// Identities of a plain age identity file (`AGE-SECRET-KEY-1…` lines, `#` comments, blank lines).
[[nodiscard]] Result<std::vector<SecretKey>> parse_age_identity_file(std::string_view text);

}  // namespace pli::crypto::opening
