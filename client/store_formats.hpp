// The tables of state.db, and from an older format to today's, one step after the other.
#pragma once

#include <chrono>
#include <filesystem>

#include "base/result.hpp"

namespace pli::client {

/// How long the copy of an older format is kept, by the file's own time.
inline constexpr std::chrono::hours kept_copy_time{24 * 35};

/// Where it is: "state.db.format-4".
[[nodiscard]] std::filesystem::path kept_copy(const std::filesystem::path& file, int of_format);

/// Makes the file, or brings it to today's format in one transaction, after keeping a copy. Another program may have it
/// open, of today's format. Errors: conflict (a later program wrote it), corruption (not ours), unavailable (another
/// program is at it), io_error; the file is then as it was.
[[nodiscard]] Result<void> bring_up_to_date(const std::filesystem::path& file);

}  // namespace pli::client
