// Small files read and written whole. A write is durable when it returns: temporary file, fsync, rename, fsync of
// the folder. Large or streamed files are their owner's business.
#pragma once

#include <filesystem>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace pli {

/// Errors: not_found, over_limit (more than `bytes_max`), io_error.
[[nodiscard]] Result<Bytes> read_file(const std::filesystem::path& path, std::size_t bytes_max);

enum class FileMode { owner_only, world_readable };  ///< 0600, 0644

/// Replaces the file or creates it. Errors: io_error; what stood there before then still stands.
[[nodiscard]] Result<void> write_file_durably(const std::filesystem::path& path, ByteView bytes, FileMode mode);

/// Creates a folder (0700) and makes its entry durable; an existing folder is fine. Errors: io_error.
[[nodiscard]] Result<void> create_private_folder(const std::filesystem::path& path);

}  // namespace pli
