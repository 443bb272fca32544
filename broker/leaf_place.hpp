// Where a leaf stands: in which of the log's shards, and where in it.
#pragma once

#include "base/id.hpp"

namespace pli::broker {

using ShardNumber = Id<struct ShardNumberTag>;  ///< 0-based, in the order they were opened; never leaves the broker

struct LeafPlace {
  LeafIndex index{};
  ShardNumber shard{};
  bool operator==(const LeafPlace&) const = default;
};

/// A leaf's key is shard · 2^44 + index, so that the leaves of a closed shard stay before those of its successor.
inline constexpr unsigned leaf_key_shard_shift = 44;
[[nodiscard]] constexpr std::uint64_t leaf_key(const LeafPlace& place) {
  return place.shard.value << leaf_key_shard_shift | place.index.value;
}
[[nodiscard]] constexpr LeafPlace leaf_place(std::uint64_t key) {
  return {{key & ((std::uint64_t{1} << leaf_key_shard_shift) - 1)}, {key >> leaf_key_shard_shift}};
}

}  // namespace pli::broker
