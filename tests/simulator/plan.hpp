// What happens in one simulation, in order: made from a seed, cut down when a failure is shrunk.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pli::testing {

enum class Act : std::uint8_t {
  // Members at their work.
  report,
  supplement,
  decide,
  give_answer,
  share,
  read,
  open_once_more,
  look_around,  ///< one of the verbs that read and change nothing
  follow,
  acknowledge,
  audit,
  // The authority.
  enrol,
  revoke,
  reseat,
  renew_keys,
  renew_term,
  suspend,
  // Somebody enrolled who takes what is not his, and somebody who is not enrolled at all.
  replay,
  garble,
  impersonate,
  take,
  equivocate,
  pry,
  forge_directory,
  // The world.
  power_cut,
  cut_in_commit,
  cut_before_reply,
  stop_and_start,
  slow_disk,
  full_disk,
  clock_step,
  clock_leap,
  part_network,
  join_network,
  publish_checkpoint,
  close_shard,
};
inline constexpr std::size_t act_kinds = static_cast<std::size_t>(Act::close_shard) + 1;
[[nodiscard]] std::string_view text_of(Act act);

struct Step {
  std::uint32_t index = 0;  ///< in the plan as it was made: all that chance decides in this step depends on it
  Act act = Act::report;
  std::chrono::milliseconds after{};  ///< the step before
};
using Plan = std::vector<Step>;

[[nodiscard]] Plan make_plan(std::uint64_t seed);
[[nodiscard]] std::string to_text(const Step& step);  ///< "17 +350ms power_cut"

}  // namespace pli::testing
