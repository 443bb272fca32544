// What a cold start begins with.
#pragma once

#include <filesystem>

namespace pli::bench {

/// Synced, then out of the page cache: the next read goes to the disk. A file that cannot be opened is left alone.
void drop_from_page_cache(const std::filesystem::path& file);

}  // namespace pli::bench
