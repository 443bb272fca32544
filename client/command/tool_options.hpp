// What `pli directory enrol` and `pli directory tool` take alike of a tool of another volet.
#pragma once

#include <string>
#include <vector>

#include "protocol/directory.hpp"

namespace CLI {
class App;
}

namespace pli::client::command {

struct ToolOptions {
  std::string volet;
  std::vector<std::string> kinds;  ///< empty: an information, and what its sender may add to it or take back
  std::vector<std::string> posts;  ///< empty: GED and CLIR of the contract
  std::vector<std::string> reads;  ///< empty: where it sits

  [[nodiscard]] bool given() const { return !volet.empty() || !kinds.empty() || !posts.empty() || !reads.empty(); }
};
void add_tool_options(CLI::App& verb, ToolOptions& options);
/// Errors: invalid_input, whose detail says what is wrong, in English.
[[nodiscard]] Result<protocol::Tool> tool_of(const ToolOptions& options, const protocol::Member& member,
                                             const protocol::Contract& contract);

}  // namespace pli::client::command
