// A profile's state.db as an older program left it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace pli::testing {

/// Puts the file back to a format: the tables of then, with what of today's they hold. Nobody may have it open.
void put_back_to_format(const std::filesystem::path& file, int format);
/// "outbox.leaf INTEGER" for each column of each table, in order.
[[nodiscard]] std::vector<std::string> columns_of(const std::filesystem::path& file);
void set_format(const std::filesystem::path& file, int format);
[[nodiscard]] int format_of(const std::filesystem::path& file);

}  // namespace pli::testing
