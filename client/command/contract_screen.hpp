// What the contract and the registry of tools say, as people read it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "client/command/sitting.hpp"
#include "protocol/directory.hpp"

namespace pli::client::command {

/// In French, or one JSON object.
void show_contract(const Sitting& sitting, const protocol::Contract& contract, UnixMillis now);
/// A tool's member and its registration, which may be missing.
struct ShownTool {
  const protocol::Member* member = nullptr;
  const protocol::Tool* tool = nullptr;
};
/// In French, a line each; nothing where there is none.
void show_tools(const std::vector<ShownTool>& tools);

/// Whether INSEE's table has this commune or département, written in lower case as the directory has it. Errors:
/// local_store.
[[nodiscard]] Outcome<bool> is_known_territory(std::string_view code);

}  // namespace pli::client::command
