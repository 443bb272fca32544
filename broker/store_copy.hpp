// A whole copy of a store's file: a kept one before a migration, a backup. Made from one snapshot, durable under its
// name or not there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace pli::broker {

/// Bytes the store's pages come to, and a copy at most. Errors: those of copy_store.
[[nodiscard]] Result<std::uint64_t> store_bytes(const std::filesystem::path& file, const std::string& vfs = {});

/// Copies what is committed to `target`, over what stands there; 0600. A broker may have `file` open: its WAL cannot
/// begin anew until the copy is made. Nothing is left at `target`, nor what stood there touched, when it fails.
/// Errors: not_found, io_error (a full disk too), corruption (`file` is no database).
[[nodiscard]] Result<void> copy_store(const std::filesystem::path& file, const std::filesystem::path& target,
                                      const std::string& vfs = {});

/// In a copy that nobody serves: takes content, seal, address and R of these exchanges away, as their erasure did, and
/// leaves what stays for ever. Says of how many they were there. Errors: io_error, corruption.
[[nodiscard]] Result<std::uint64_t> erase_again(const std::filesystem::path& copy,
                                                const std::vector<Digest>& exchanges);

/// Makes a finished file durable under its final name. Errors: io_error.
[[nodiscard]] Result<void> rename_durably(const std::filesystem::path& finished, const std::filesystem::path& target);

}  // namespace pli::broker
