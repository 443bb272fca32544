// What a broker publishes to, made ready by the programs that start or end a shard: the tiles folder and the witnesses,
// compared with the store before anything new is said of the log (P10).
#pragma once

#include <string>

#include "base/clock.hpp"
#include "broker/config.hpp"
#include "broker/failure.hpp"
#include "broker/key_ring.hpp"
#include "broker/publisher.hpp"
#include "broker/store.hpp"

namespace pli::broker {

/// P10: what the tiles folder and the witnesses know must be the start of this tree; then what an earlier process has
/// published is where publication resumes.
[[nodiscard]] Outcome<Publication> prepare_publication(const Config& config, const KeyRing& keys, const Store& store,
                                                       OutsideFile outside, const Clock& clock);

/// P10, before a store is given a next shard: had one been opened after it already, there would be two.
[[nodiscard]] Outcome<void> demand_no_later_shard(const Config& config, const KeyRing& keys, const Store& store,
                                                  const Clock& clock);

/// P10: the last that is known of a shard of which the store lacks the end: the largest of its checkpoints in the
/// outside file and where they are published, so that a machine put back whole is seen too.
/// NO_ROLLBACK where nothing is missing; ROLLED_BACK where no order helps: a later shard, another tree, or a witness
/// that has seen more than any checkpoint here says.
[[nodiscard]] Outcome<std::string> last_known(const Config& config, const KeyRing& keys, const Store& store,
                                              const OutsideFile& outside, const Clock& clock);

/// The newest checkpoint, with the cosignatures of whoever answers in time; or those it was published with.
struct Closing {
  std::string note;
  bool demanded = false;
  bool cosigned = false;
};
[[nodiscard]] Outcome<Closing> gather_closing(const Config& config, const KeyRing& keys, const Store& store);

}  // namespace pli::broker
