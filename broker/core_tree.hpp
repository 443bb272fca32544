// The current shard's tree while one batch grows it: what the batch adds is at hand for its own proofs, without reading
// it back. Owned by the core; not thread-safe.
#pragma once

#include <array>
#include <vector>

#include "audit/tree.hpp"
#include "broker/store.hpp"

namespace pli::broker {

class CoreTree {
 public:
  /// Errors: corruption when a node of the right edge is missing.
  [[nodiscard]] static Result<CoreTree> load(const Store& store);

  [[nodiscard]] TreeSize size() const { return edge_.size(); }
  [[nodiscard]] Digest root() const { return edge_.root(); }

  /// Forgets what earlier batches added beyond the right edge; they are in the store.
  void begin_batch();
  /// Appends one leaf and returns the subtrees it closed, of level 1, 2, …
  std::vector<Digest> append(const Digest& leaf_hash);
  /// From the batch, the edge before it, or the store.
  [[nodiscard]] audit::NodeSource nodes(const Store& store) const;

 private:
  [[nodiscard]] const Digest* find(audit::NodeId id) const;
  struct Level {
    std::uint64_t first = 0;
    std::vector<Digest> hashes;
  };
  audit::TreeEdge edge_;
  audit::TreeEdge before_;       ///< the edge as the batch found it
  std::array<Level, 64> added_;  ///< by the batch
  std::vector<audit::Node> written_;
};

}  // namespace pli::broker
