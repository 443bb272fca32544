#include "client/command/tool_options.hpp"

#include <CLI/CLI.hpp>

#include "protocol/contract.hpp"

namespace pli::client::command {

void add_tool_options(CLI::App& verb, ToolOptions& options) {
  verb.add_option("--volet", options.volet,
                  "Of a tool: securite_interieure, justice, prevention_delinquance or transport");
  verb.add_option("--kind", options.kinds,
                  "Of a tool: kind it may post (default: information_de_volet, complement, rectification, retrait)")
      ->allow_extra_args(false);
  verb.add_option("--post", options.posts, "Of a tool: queue it may post to (default: GED and CLIR of the contract)")
      ->allow_extra_args(false);
}

Result<protocol::Tool> tool_of(const ToolOptions& options, const protocol::Member& member,
                               const protocol::Contract& contract) {
  using protocol::Kind;
  const auto refuse = [](const std::string& words) { return Error{Errc::invalid_input, words}; };
  protocol::Tool tool;
  tool.id = member.id;
  const auto volet = protocol::volet_of(options.volet);
  if (!volet || *volet == protocol::Volet::radicalisation_separatisme)
    return refuse("a tool needs --volet securite_interieure, justice, prevention_delinquance or transport");
  if (!protocol::has_volet(contract, *volet))
    return refuse("the contract has not this volet: pli directory contract --volet");
  tool.volet = *volet;
  for (const std::string& name : options.kinds) {
    const auto kind = protocol::kind_of(name);
    if (!kind) return refuse("no such kind: " + name);
    tool.kinds.push_back(*kind);
  }
  if (options.kinds.empty())
    tool.kinds = {Kind::information_de_volet, Kind::complement, Kind::rectification, Kind::retrait};
  tool.posts = options.posts;
  if (options.posts.empty()) tool.posts = {"ged/" + contract.territory, "clir/" + contract.territory};
  tool.reads = options.reads.empty() ? member.seats : options.reads;
  return tool;
}

}  // namespace pli::client::command
