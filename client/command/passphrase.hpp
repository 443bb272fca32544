// Where a passphrase comes from: a file of ours that nobody else may read, a systemd credential, or the terminal
// without echo. Never an argument, never the environment.
#pragma once

#include <filesystem>
#include <optional>

#include "client/passphrase_file.hpp"

namespace pli::client::command {

/// A new passphrase has as many characters, or as many words. Length alone is asked for, as NIST SP 800-63B has it; 12
/// is the least ANSSI's "Recommandations relatives à l'authentification multifacteur et aux mots de passe" (2.0, 2021)
/// and CNIL's délibération 2022-100 take for a secret that stands alone. Five words drawn from a list of 7776 are 64
/// bits, each guess under scrypt.
inline constexpr std::size_t passphrase_characters_min = 12;
inline constexpr std::size_t passphrase_words_min = 5;
inline constexpr const char* passphrase_credential = "pli-passphrase";  ///< in $CREDENTIALS_DIRECTORY

/// A signal that comes while the terminal is silent takes effect only once its echo is back.
/// Errors: no_terminal, file_missing, passphrase_file_open, usage (an empty one, one too long), local_store
/// (unreadable).
[[nodiscard]] Outcome<crypto::SecretKey> read_passphrase(const std::optional<std::filesystem::path>& file,
                                                         const char* prompt);
/// Whether the terminal will be asked.
[[nodiscard]] bool passphrase_is_typed(const std::optional<std::filesystem::path>& file);
/// The same, typed twice when it is typed: for something made new. Errors: as above, passphrases_differ,
/// passphrase_short.
[[nodiscard]] Outcome<crypto::SecretKey> read_new_passphrase(const std::optional<std::filesystem::path>& file,
                                                             const char* prompt);

}  // namespace pli::client::command
