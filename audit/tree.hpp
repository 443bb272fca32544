// The RFC 6962 tree: hashes, appending, and the proofs a log hands out. Pure; storage is a function passed in.
#pragma once

#include <functional>
#include <vector>

#include "base/bytes.hpp"
#include "base/id.hpp"
#include "base/result.hpp"

namespace pli::audit {

[[nodiscard]] Digest leaf_hash(ByteView leaf);                            ///< SHA-256(0x00 ‖ leaf)
[[nodiscard]] Digest node_hash(const Digest& left, const Digest& right);  ///< SHA-256(0x01 ‖ left ‖ right)
[[nodiscard]] Digest empty_root();                                        ///< SHA-256("")

/// A complete subtree: leaf i is (0, i); (level, index) covers leaves [index·2^level, (index+1)·2^level).
struct NodeId {
  std::uint8_t level = 0;
  std::uint64_t index = 0;
  auto operator<=>(const NodeId&) const = default;
};
struct Node {
  NodeId id;
  Digest hash{};
};

/// Looks one complete subtree up. Errors: whatever the storage says; corruption when a node is missing.
using NodeSource = std::function<Result<Digest>(NodeId)>;

/// Sizes stay below this.
inline constexpr std::uint64_t tree_size_limit = std::uint64_t{1} << 63;
/// Longer proofs are refused. An inclusion proof never is longer; a consistency proof could be by one, and only for a
/// tree of more than 2^62 leaves.
inline constexpr std::size_t proof_hashes_max = 63;

/// The right edge of a growing tree: enough to append and to know the root, O(log n) memory.
/// Not thread-safe; owned by whoever appends.
class TreeEdge {
 public:
  TreeEdge() = default;
  /// Reads the right edge of a tree of `size` leaves: one node for each set bit.
  [[nodiscard]] static Result<TreeEdge> load(TreeSize size, const NodeSource& nodes);
  [[nodiscard]] TreeSize size() const { return size_; }
  [[nodiscard]] Digest root() const;
  /// Appends one leaf hash and every complete subtree it closes to `written` (amortised two nodes).
  LeafIndex append(const Digest& leaf, std::vector<Node>& written);
  /// The node if it is part of the edge.
  [[nodiscard]] const Digest* find(NodeId id) const;

 private:
  TreeSize size_{};
  std::vector<Node> edge_;  ///< complete subtrees from the largest (left) to the smallest (right)
};

/// Root of the tree of `size` leaves, from stored nodes.
[[nodiscard]] Result<Digest> root_at(TreeSize size, const NodeSource& nodes);
/// PATH(index, size), leaf's sibling first. Errors: invalid_input for index >= size.
[[nodiscard]] Result<std::vector<Digest>> inclusion_proof(LeafIndex index, TreeSize size, const NodeSource& nodes);
/// PROOF(older, newer); empty when older is 0 or equal to newer. Errors: invalid_input for older > newer.
[[nodiscard]] Result<std::vector<Digest>> consistency_proof(TreeSize older, TreeSize newer, const NodeSource& nodes);

/// A whole small tree in memory (directory entries, tests). Answers as a NodeSource.
class MemoryTree {
 public:
  LeafIndex append(ByteView leaf);
  LeafIndex append_hash(const Digest& leaf_hash);
  [[nodiscard]] TreeSize size() const { return edge_.size(); }
  [[nodiscard]] Digest root() const { return edge_.root(); }
  [[nodiscard]] NodeSource source() const;  ///< Valid while this tree lives and is not moved.

 private:
  TreeEdge edge_;
  std::vector<std::vector<Digest>> levels_;
};

}  // namespace pli::audit
