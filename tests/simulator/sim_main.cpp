// pli-sim: simulations by the thousand, one again, or the smallest that still fails.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <optional>

#include "tests/simulator/simulation.hpp"

namespace {

using namespace pli::testing;

/// What ctest's own arguments say must not stand in the way of who asks for more.
std::optional<std::uint64_t> from_environment(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  const std::uint64_t number = std::strtoull(text, nullptr, 10);
  if (number == 0) return std::nullopt;
  return number;
}

void print(const Tally& tally) {
  std::cout << tally.steps << " steps, " << tally.messages << " messages in " << tally.batches << " batches, "
            << tally.crashes << " crashes (" << tally.cut_in_commit << " in a batch, " << tally.unsure
            << " of unknown outcome and done), " << tally.accepted << " accepted, " << tally.receipted << " receipted, "
            << tally.openings << " openings (" << tally.read << " read), " << tally.refusals << " refusals, "
            << tally.versions << " directory versions, " << tally.shards << " shards\n";
}

/// Prints what broke, and the smallest plan that breaks it still.
void explain(std::uint64_t seed, const Outcome& outcome, std::size_t runs_max) {
  std::cout << "seed " << seed << " breaks " << outcome.breach->promise << ": " << outcome.breach->what << '\n';
  const Plan least = shrink(seed, make_plan(seed), runs_max);
  const Outcome again = simulate(seed, least);
  std::cout << "  " << least.size() << " steps are enough";
  if (again.breach) std::cout << " (" << again.breach->promise << ": " << again.breach->what << ")";
  std::cout << ":\n";
  for (const Step& step : least) std::cout << "    " << to_text(step) << '\n';
  std::cout << "  again: pli-sim --seed " << seed << " --trace\n";
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Simulates a broker, its members and an adversary, from a seed."};
  std::uint64_t first = 1;
  std::uint64_t count = 100;
  std::uint64_t seed = 0;
  bool trace = false;
  std::size_t runs_max = 400;
  app.add_option("--first", first, "first seed");
  app.add_option("--seeds", count, "how many from there on; PLI_SIM_SEEDS in the environment outdoes it");
  app.add_option("--seed", seed, "this one alone; PLI_SIM_SEED in the environment outdoes it");
  app.add_flag("--trace", trace, "tell each event");
  app.add_option("--shrink-runs", runs_max, "simulations spent on finding the smallest plan that fails");
  CLI11_PARSE(app, argc, argv);
  count = from_environment("PLI_SIM_SEEDS").value_or(count);
  seed = from_environment("PLI_SIM_SEED").value_or(seed);

  if (seed != 0) {
    first = seed;
    count = 1;
  }
  Tally sum;
  std::uint64_t failed = 0;
  const auto began = std::chrono::steady_clock::now();
  for (std::uint64_t each = first; each < first + count; ++each) {
    const Plan plan = make_plan(each);
    if (trace)
      for (const Step& step : plan) std::cout << "  " << to_text(step) << '\n';
    const Outcome outcome = simulate(each, plan, trace ? &std::cout : nullptr);
    sum.add(outcome.tally);
    if (!outcome.breach) continue;
    ++failed;
    explain(each, outcome, runs_max);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  print(sum);
  std::cout << count << " seeds from " << first << " in " << took.count() << " s ("
            << static_cast<double>(count) / took.count() << "/s), " << failed << " failed\n";
  return failed == 0 ? 0 : 1;
}
