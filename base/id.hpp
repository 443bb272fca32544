// Integers that cannot be mixed up.
#pragma once

#include <compare>
#include <cstdint>

namespace pli {

template <class Tag>
struct Id {
  std::uint64_t value = 0;
  auto operator<=>(const Id&) const = default;
};

using LeafIndex = Id<struct LeafIndexTag>;              ///< 0-based position in the log.
using TreeSize = Id<struct TreeSizeTag>;                ///< Count; always > any index in it.
using DirectoryNumber = Id<struct DirectoryNumberTag>;  ///< 1-based version of the directory; 0 = none yet.
using QueueNumber = Id<struct QueueNumberTag>;          ///< 1-based position in one queue; 0 = before the first.

}  // namespace pli
