// contrat.toml: what a contract says, as `pli init` reads it. config/examples/contrat.example.toml is its manual.
// Unknown keys are refused.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "protocol/directory.hpp"

namespace pli::client::command {

struct ContractFile {
  protocol::Contract contract;
  std::string log;  ///< "<domaine>/pli/<département>"
  std::string endpoint;
  std::vector<std::string> queues;  ///< "ged/89", "clir/89", "cpraf/89", "audit/89"
  bool operator==(const ContractFile&) const = default;
};

/// Errors: not_found, io_error, over_limit; invalid_input, whose detail names the key or the line, in French, or
/// says what protocol::flaw_of() does.
[[nodiscard]] Result<ContractFile> load_contract_file(const std::filesystem::path& path);
/// The same file, written: what `pli init` leaves beside the keys.
[[nodiscard]] std::string to_toml(const ContractFile& file);

}  // namespace pli::client::command
