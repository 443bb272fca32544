#include "config/data_folder.hpp"

#include <cstdlib>
#include <system_error>

#include "config/commune_table.hpp"

namespace pli::config {

std::filesystem::path choose_data_folder(const DataFolderFacts& facts) {
  if (facts.chosen) return *facts.chosen;
  if (facts.environment && !facts.environment->empty()) return *facts.environment;
  if (!facts.program.empty()) {
    const std::filesystem::path shared = facts.program.parent_path().parent_path() / "share" / "pli";
    std::error_code ignored;
    if (std::filesystem::is_regular_file(shared / commune_table_file, ignored)) return shared;
  }
  return facts.source;
}

std::filesystem::path data_folder(const std::optional<std::filesystem::path>& chosen) {
  DataFolderFacts facts;
  facts.chosen = chosen;
  if (const char* value = std::getenv("PLI_DATA_DIR")) facts.environment = value;
  std::error_code ignored;  // no /proc: an empty path, and the next rule applies
  facts.program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  facts.source = PLI_SOURCE_DATA_DIR;
  return choose_data_folder(facts);
}

}  // namespace pli::config
