#include "audit/tree.hpp"

#include <algorithm>
#include <bit>

#include "crypto/hash.hpp"

namespace pli::audit {
namespace {

constexpr std::uint64_t one = 1;

/// Root of the leaves [begin, end), cut into complete subtrees from the left and folded from the right. `begin` <
/// `end`, and is a multiple of the largest power of two that fits between them.
Result<Digest> range_root(std::uint64_t begin, std::uint64_t end, const NodeSource& nodes) {
  std::array<Digest, 64> subtrees{};
  std::size_t count = 0;
  while (begin < end) {
    const int level = static_cast<int>(std::bit_width(end - begin)) - 1;
    Result<Digest> subtree = nodes({static_cast<std::uint8_t>(level), begin >> level});
    if (!subtree) return subtree.error();
    PLI_INVARIANT(count < subtrees.size());
    subtrees[count++] = *subtree;
    begin += one << level;
  }
  Digest root = subtrees[--count];
  while (count > 0) root = node_hash(subtrees[--count], root);
  return root;
}

/// The hashes beside the way from the subtree of `level` that holds `index` up to the root, lowest first.
/// `index` < `size` < 2^63, and that subtree is complete and not the whole tree.
Result<void> append_path(std::uint64_t index, std::uint64_t size, int level, const NodeSource& nodes,
                         std::vector<Digest>& path) {
  // Below the point where the ways of `index` and of the last leaf part, siblings lie left and right; above
  // it, the siblings are the complete subtrees left of both.
  const int inner = static_cast<int>(std::bit_width(index ^ (size - 1)));
  for (int i = level; i < inner; ++i) {
    const std::uint64_t sibling = (index >> i) ^ 1;
    const std::uint64_t end = (sibling + 1) << i;
    Result<Digest> hash =
        end <= size ? nodes({static_cast<std::uint8_t>(i), sibling}) : range_root(sibling << i, size, nodes);
    if (!hash) return hash.error();
    path.push_back(*hash);
  }
  for (int i = inner; (index >> i) != 0; ++i) {
    if (((index >> i) & 1) == 0) continue;
    Result<Digest> hash = nodes({static_cast<std::uint8_t>(i), (index >> i) - 1});
    if (!hash) return hash.error();
    path.push_back(*hash);
  }
  return {};
}

}  // namespace

Digest leaf_hash(ByteView leaf) {
  static constexpr ByteArray<1> prefix = {0x00};
  return crypto::sha256({ByteView(prefix), leaf});
}

Digest node_hash(const Digest& left, const Digest& right) {
  ByteArray<65> bytes;
  bytes[0] = 0x01;
  std::copy(left.begin(), left.end(), bytes.begin() + 1);
  std::copy(right.begin(), right.end(), bytes.begin() + 33);
  return crypto::sha256(ByteView(bytes));
}

Digest empty_root() { return crypto::sha256(ByteView()); }

Result<TreeEdge> TreeEdge::load(TreeSize size, const NodeSource& nodes) {
  if (size.value >= tree_size_limit) return Error{Errc::invalid_input, "tree size out of range"};
  TreeEdge edge;
  edge.size_ = size;
  for (int level = 62; level >= 0; --level) {
    if (((size.value >> level) & 1) == 0) continue;
    const NodeId id{static_cast<std::uint8_t>(level), (size.value >> level) - 1};
    Result<Digest> hash = nodes(id);
    if (!hash) return hash.error();
    edge.edge_.push_back({id, *hash});
  }
  return edge;
}

Digest TreeEdge::root() const {
  if (edge_.empty()) return empty_root();
  Digest root = edge_.back().hash;
  for (std::size_t i = edge_.size() - 1; i > 0; --i) root = node_hash(edge_[i - 1].hash, root);
  return root;
}

LeafIndex TreeEdge::append(const Digest& leaf, std::vector<Node>& written) {
  PLI_INVARIANT(size_.value + 1 < tree_size_limit);
  const LeafIndex index{size_.value};
  Node node{{0, index.value}, leaf};
  written.push_back(node);
  // A right child closes its parent; the left child is the edge's last.
  while ((node.id.index & 1) == 1) {
    PLI_INVARIANT(!edge_.empty());
    node = {{static_cast<std::uint8_t>(node.id.level + 1), node.id.index >> 1},
            node_hash(edge_.back().hash, node.hash)};
    edge_.pop_back();
    written.push_back(node);
  }
  edge_.push_back(node);
  ++size_.value;
  return index;
}

const Digest* TreeEdge::find(NodeId id) const {
  for (const Node& node : edge_)
    if (node.id == id) return &node.hash;
  return nullptr;
}

Result<Digest> root_at(TreeSize size, const NodeSource& nodes) {
  if (size.value >= tree_size_limit) return Error{Errc::invalid_input, "tree size out of range"};
  if (size.value == 0) return empty_root();
  return range_root(0, size.value, nodes);
}

Result<std::vector<Digest>> inclusion_proof(LeafIndex index, TreeSize size, const NodeSource& nodes) {
  if (size.value >= tree_size_limit) return Error{Errc::invalid_input, "tree size out of range"};
  if (index.value >= size.value) return Error{Errc::invalid_input, "leaf index not in the tree"};
  std::vector<Digest> path;
  if (auto done = append_path(index.value, size.value, 0, nodes, path); !done) return done.error();
  return path;
}

Result<std::vector<Digest>> consistency_proof(TreeSize older, TreeSize newer, const NodeSource& nodes) {
  if (newer.value >= tree_size_limit) return Error{Errc::invalid_input, "tree size out of range"};
  if (older.value > newer.value) return Error{Errc::invalid_input, "older tree larger than the newer"};
  std::vector<Digest> proof;
  if (older.value == 0 || older.value == newer.value) return proof;
  // The largest complete subtree that ends where the older tree ends; the older root itself when it is the
  // whole.
  const int level = std::countr_zero(older.value);
  if (older.value != one << level) {
    Result<Digest> last = nodes({static_cast<std::uint8_t>(level), (older.value >> level) - 1});
    if (!last) return last.error();
    proof.push_back(*last);
  }
  if (auto done = append_path(older.value - 1, newer.value, level, nodes, proof); !done) return done.error();
  return proof;
}

LeafIndex MemoryTree::append(ByteView leaf) { return append_hash(leaf_hash(leaf)); }

LeafIndex MemoryTree::append_hash(const Digest& leaf_hash) {
  std::vector<Node> written;
  const LeafIndex index = edge_.append(leaf_hash, written);
  for (const Node& node : written) {
    if (levels_.size() <= node.id.level) levels_.resize(node.id.level + std::size_t{1});
    levels_[node.id.level].push_back(node.hash);
  }
  return index;
}

NodeSource MemoryTree::source() const {
  return [this](NodeId id) -> Result<Digest> {
    if (id.level >= levels_.size() || id.index >= levels_[id.level].size())
      return Error{Errc::corruption, "no such node in this tree"};
    return levels_[id.level][static_cast<std::size_t>(id.index)];
  };
}

}  // namespace pli::audit
