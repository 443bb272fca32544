// From one shard of the log to the next (design §8 "Shards", P10). Nothing is believed of a shard's end but what three
// things say alike: its last checkpoint, signed by the log; the first leaf of the next shard, proven under a checkpoint
// of that one; and, where a tail was lost, the order signed by the authorities. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "audit/checkpoint.hpp"
#include "client/failure.hpp"
#include "protocol/card.hpp"
#include "protocol/shard_order.hpp"
#include "protocol/wire.hpp"

namespace pli::client {

/// How one shard ended and the next began, checked.
struct ShardStep {
  audit::VerifiedCheckpoint closed;                     ///< all that stands of it
  std::optional<audit::VerifiedCheckpoint> last_known;  ///< of one rolled back: what was lost ends here
  std::string order;                                    ///< note; empty when nothing was lost
  audit::VerifiedCheckpoint opened;                     ///< of the next shard
  audit::DirectoryReference directory;                  ///< in force when it was opened
  [[nodiscard]] bool rolled_back() const { return last_known.has_value(); }
};
/// Checks what `shard` answered for `origin`. Errors: log_forked (anything that does not hold; nothing is kept).
[[nodiscard]] Outcome<ShardStep> verify_shard_step(const protocol::ShardReply& reply, std::string_view origin,
                                                   const protocol::Invitation& invitation,
                                                   const protocol::AuthoritySet& authorities);

/// What a checkpoint of a closed shard is to its end.
enum class AtItsEnd {
  stands,       ///< a prefix of what is closed
  given_up,     ///< beyond it, and no further than the order gives up
  contradicts,  ///< another tree, or beyond what anybody ordered given up
};
/// `consistency` leads from `size` to step.closed. Of a checkpoint between the two trees an order names nobody can
/// prove more than its size: the leaves are lost.
[[nodiscard]] AtItsEnd compare_with_end(const ShardStep& step, TreeSize size, const Digest& root,
                                        std::span<const Digest> consistency);

}  // namespace pli::client
