// Root may do by hand what the service's user does: what it writes into that user's folder becomes that user's, or the
// service could not open it.
#pragma once

#include <filesystem>

#include "base/result.hpp"

namespace pli::broker {

/// Gives `file`, or a folder, to the owner of `folder`, if this is root; else there is nothing to do. Never through a
/// link, nor a file that has a second name: whoever owns the folder decides what stands in it. What is not there is
/// nobody's. Errors: io_error.
[[nodiscard]] Result<void> give_to_owner_of(const std::filesystem::path& folder, const std::filesystem::path& file);

}  // namespace pli::broker
