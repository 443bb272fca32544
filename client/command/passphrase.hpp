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

/// A signal that comes while the terminal is silent takes effect only once its echo is back.
/// Errors: no_terminal, file_missing, passphrase_file_open, usage (an empty one, one too long), local_store
/// (unreadable).
[[nodiscard]] Outcome<crypto::SecretKey> read_passphrase(const std::optional<std::filesystem::path>& file,
                                                         const char* prompt);
/// The same, typed twice when it is typed: for something made new. Errors: as above, passphrases_differ.
[[nodiscard]] Outcome<crypto::SecretKey> read_new_passphrase(const std::optional<std::filesystem::path>& file,
                                                             const char* prompt);

}  // namespace pli::client::command
