// Where a passphrase comes from: a file of ours that nobody else may read, a systemd credential, or the terminal
// without echo. Never an argument, never the environment.
#pragma once

#include <filesystem>
#include <optional>

#include "client/failure.hpp"
#include "crypto/secret.hpp"

namespace pli::client::command {

inline constexpr std::size_t passphrase_bytes_max = 1024;
inline constexpr const char* passphrase_credential = "pli-passphrase";  ///< in $CREDENTIALS_DIRECTORY

/// Errors: usage (no terminal to ask on, an empty one, a file others may read), local_store (unreadable).
[[nodiscard]] Outcome<crypto::SecretKey> read_passphrase(const std::optional<std::filesystem::path>& file,
                                                         const char* prompt);
/// The same, typed twice when it is typed: for something made new.
[[nodiscard]] Outcome<crypto::SecretKey> read_new_passphrase(const std::optional<std::filesystem::path>& file,
                                                             const char* prompt);

}  // namespace pli::client::command
