#include "broker/broker_programs.hpp"

#include <iostream>
#include <nlohmann/json.hpp>

#include "broker/program_opening.hpp"
#include "crypto/random.hpp"

namespace pli::broker {
namespace {

/// The list of what is broken, by the names of docs/storage.md, "Invariants".
void print_checked(const CheckReport& found, bool more, bool json) {
  const std::string& origin = found.shards.back().row.origin;
  const std::string_view state = found.problems.empty() ? "whole" : "broken";
  if (json) {
    nlohmann::json problems = nlohmann::json::array();
    for (const StoreProblem& problem : found.problems)
      problems.push_back({{"name", problem.name}, {"where", problem.where}});
    nlohmann::json out = {{"state", state},
                          {"origin", origin},
                          {"leaves", found.leaves},
                          {"exchanges", found.exchanges},
                          {"problems", std::move(problems)}};
    if (more) out["more"] = true;
    std::cout << out.dump() << std::endl;
    return;
  }
  for (const StoreProblem& problem : found.problems) std::cout << problem.name << ": " << problem.where << "\n";
  if (more) std::cout << "and more\n";
  std::cout << "pli-broker: " << state << ": " << origin << " leaves " << found.leaves << " exchanges "
            << found.exchanges << " problems " << found.problems.size() << std::endl;
}

}  // namespace

int check_broker(const ProgramOptions& options) {
  crypto::initialise();
  auto config = read_config(options);
  if (!config) return report(config.error(), options.json);
  auto secret = read_secret(*config);
  if (!secret) return report(secret.error(), options.json);
  // Before the database, which only grows: what a broker publishes meanwhile is then no rollback.
  auto outside = OutsideFile::read(config->outside_checkpoint);
  if (!outside) return report(outside_failure(outside.error()), options.json);
  auto checked = check_file(*config, config->database(), *std::move(secret), *outside);
  if (!checked) return report(checked.error(), options.json);
  const CheckReport& found = checked->found;
  // What is broken is named first: a tree that is not whole extends nothing.
  if (found.problems.empty()) {
    if (!checked->compared) return report(unreadable(checked->compared.error()), options.json);
    if (checked->compared->standing != Standing::extends)
      return report(standing_failure(*checked->compared), options.json);
  }
  print_checked(found, found.problems.size() == CheckOptions().problems_max, options.json);
  return found.problems.empty() ? exit_done : exit_verification_failed;
}

}  // namespace pli::broker
