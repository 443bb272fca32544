// How much may still be written. Asked of the disk each time; tests answer for it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

namespace pli::broker {

/// Bytes free to this process; 0 too when it cannot be told. Thread-safe, cheap.
using FreeBytes = std::function<std::uint64_t()>;
/// Of the disk a file or folder stands on.
[[nodiscard]] FreeBytes free_bytes_beside(std::filesystem::path path);

}  // namespace pli::broker
