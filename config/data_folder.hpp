// Where the files that come with Pli (communes.tsv, the examples) are found.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace pli::config {

/// The first that applies: `chosen` (an option given by the user); the environment's PLI_DATA_DIR; share/pli
/// beside the running program's bin, if the table is there; the source folder this was compiled from.
///
/// The first two are taken as they are, even when nothing is there: a wrong path must show as an error at
/// load, never as another table silently read. Reads the environment; any thread, as long as none writes it.
[[nodiscard]] std::filesystem::path data_folder(const std::optional<std::filesystem::path>& chosen = {});

/// The same choice from given facts; what data_folder() decides with. Touches the disk only to see whether
/// the table stands in share/pli.
struct DataFolderFacts {
  std::optional<std::filesystem::path> chosen;
  std::optional<std::string> environment;  ///< value of PLI_DATA_DIR; empty counts as absent
  std::filesystem::path program;           ///< absolute path of the running program, or empty
  std::filesystem::path source;            ///< where the sources lie
};
[[nodiscard]] std::filesystem::path choose_data_folder(const DataFolderFacts& facts);

}  // namespace pli::config
