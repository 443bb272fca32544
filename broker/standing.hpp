// How a store stands to the outside checkpoint (P10): whether it holds all that was published, whichever of its shards
// the checkpoint is of. Pure; what start-up and `pli-broker check` decide by.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "audit/outside_checkpoint.hpp"
#include "base/result.hpp"
#include "broker/store.hpp"
#include "crypto/sign.hpp"

namespace pli::broker {

struct StoredShard {
  ShardRow row;
  TreeSize size{};
};

enum class Standing {
  extends,           ///< all that was published is there
  rolled_back,       ///< the current shard is shorter: its end may be given up by an order
  before_its_shard,  ///< the shard that was published is not there at all
  other_history,     ///< long enough, and another tree
  foreign,           ///< the outside checkpoint is not of this log or not by its key
};

struct Compared {
  Standing standing = Standing::extends;
  std::string cause;  ///< for the operator; empty when it extends
};

/// `shards`: oldest first, the last is the current one. `root_at`: of the first so many leaves of one of them.
/// An outside checkpoint of a shard that an order closed extends if it is the very one the order gave up: the broker
/// stopped between the two writes. Errors: those of `root_at`.
[[nodiscard]] Result<Compared> compare_with_outside(
    const audit::OutsideSlot& outside, std::string_view log, const crypto::SignPublic& log_key,
    std::span<const StoredShard> shards, const std::function<Result<Digest>(ShardNumber, TreeSize)>& root_at);
[[nodiscard]] Result<Compared> compare_with_outside(const audit::OutsideSlot& outside, std::string_view log,
                                                    const crypto::SignPublic& log_key, const Store& store);

}  // namespace pli::broker
