#include "tests/simulator/plan.hpp"

#include <array>

#include "tests/simulator/dice.hpp"

namespace pli::testing {
namespace {

constexpr std::uint64_t steps_min = 25;
constexpr std::uint64_t steps_max = 60;

struct Weighed {
  std::string_view name;
  std::uint32_t weight;
};
constexpr std::array<Weighed, act_kinds> acts{{
    {"report", 14},
    {"supplement", 5},
    {"decide", 12},
    {"give_answer", 5},
    {"share", 4},
    {"read", 14},
    {"open_once_more", 4},
    {"look_around", 8},
    {"follow", 4},
    {"acknowledge", 4},
    {"audit", 2},
    {"enrol", 2},
    {"revoke", 2},
    {"reseat", 2},
    {"renew_keys", 2},
    {"renew_term", 1},
    {"suspend", 3},
    {"replay", 4},
    {"garble", 3},
    {"impersonate", 3},
    {"take", 5},
    {"equivocate", 3},
    {"pry", 4},
    {"forge_directory", 2},
    {"power_cut", 3},
    {"cut_in_commit", 5},
    {"cut_before_reply", 3},
    {"stop_and_start", 2},
    {"slow_disk", 3},
    {"full_disk", 1},
    {"clock_step", 3},
    {"clock_leap", 1},
    {"part_network", 2},
    {"join_network", 2},
    {"publish_checkpoint", 4},
    {"close_shard", 1},
}};

}  // namespace

std::string_view text_of(Act act) { return acts[static_cast<std::size_t>(act)].name; }

Plan make_plan(std::uint64_t seed) {
  Dice dice(seed, {0});
  // Each seed has likings of its own: what is rare everywhere is frequent somewhere, and some things never happen.
  std::array<std::uint64_t, act_kinds> weights{};
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < act_kinds; ++i) {
    const std::uint64_t liking = dice.below(4);
    weights[i] = acts[i].weight * (liking == 3 ? 4 : liking);
    sum += weights[i];
  }
  // Without a report nothing else has anything to be about.
  weights[0] += acts[0].weight;
  sum += acts[0].weight;
  const std::int64_t pace = dice.one_in(3) ? 200 : dice.one_in(3) ? 60'000 : 5'000;
  Plan plan;
  const std::uint64_t count = steps_min + dice.below(steps_max - steps_min + 1);
  for (std::uint32_t index = 1; index <= count; ++index) {
    std::uint64_t drawn = dice.below(sum);
    std::size_t at = 0;
    while (drawn >= weights[at]) drawn -= weights[at++];
    plan.push_back({index, static_cast<Act>(at), std::chrono::milliseconds(dice.between(0, pace))});
  }
  return plan;
}

std::string to_text(const Step& step) {
  return std::to_string(step.index) + " +" + std::to_string(step.after.count()) + "ms " +
         std::string(text_of(step.act));
}

}  // namespace pli::testing
