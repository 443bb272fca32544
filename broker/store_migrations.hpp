// From an older schema to today's, one step after the other (docs/storage.md, "Schemas").
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.hpp"

namespace pli::broker {

/// Where the copy of a database of that schema is kept, made before its first step: "pli.db.schema-1".
[[nodiscard]] std::filesystem::path kept_copy(const std::filesystem::path& file, std::int64_t schema);

/// Brings the store in `file` to today's schema, all steps in one transaction; nothing is done to one that has it.
/// Nobody else may write to it meanwhile. Errors: conflict (of a later schema: a newer program wrote it), corruption
/// (not ours, or of no schema there ever was), io_error; the file is then as it was, its copy may be there.
[[nodiscard]] Result<void> migrate_store(const std::filesystem::path& file, const std::string& vfs = {});

}  // namespace pli::broker
