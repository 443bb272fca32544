// Where the start-up secret is read from: a descriptor handed over, a systemd credential or a file. It is never in the
// configuration, the environment or an argument.
#pragma once

#include "base/result.hpp"
#include "broker/config.hpp"
#include "crypto/secret.hpp"

namespace pli::broker {

/// Exactly 32 bytes. Errors: not_found (no such file or credential), invalid_input (another length, or a file that
/// others than its owner may read), io_error.
[[nodiscard]] Result<crypto::SecretKey> load_startup_secret(const SecretSource& source);

}  // namespace pli::broker
