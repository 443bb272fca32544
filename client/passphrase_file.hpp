// A passphrase from a file of ours that nobody else may read, or from wherever else a line comes.
#pragma once

#include <filesystem>
#include <functional>

#include "client/failure.hpp"
#include "crypto/secret.hpp"

namespace pli::client {

inline constexpr std::size_t passphrase_bytes_max = 1024;
/// Failure::detail of wrong_passphrase where nothing was typed.
inline constexpr const char* empty_passphrase = "empty passphrase";

/// Everything up to the first newline, in guarded memory; the buffer it passed through is wiped. `ready` waits until
/// there is something to read; false gives up. Errors: usage (too long), wrong_passphrase (empty), local_store
/// (unreadable).
[[nodiscard]] Outcome<crypto::SecretKey> read_passphrase_line(int fd, const std::function<bool()>& ready);
/// The file's first line. `must_be_private`: it is ours, and nobody else may touch it. Errors: also file_missing,
/// passphrase_file_open.
[[nodiscard]] Outcome<crypto::SecretKey> read_passphrase_file(const std::filesystem::path& path,
                                                              bool must_be_private = true);

}  // namespace pli::client
