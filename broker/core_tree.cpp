#include "broker/core_tree.hpp"

namespace pli::broker {

Result<CoreTree> CoreTree::load(const Store& store) {
  CoreTree tree;
  Result<audit::TreeEdge> edge = audit::TreeEdge::load(store.tree_size(), store.nodes(store.shard()));
  if (!edge) return edge.error();
  tree.edge_ = *edge;
  tree.before_ = *std::move(edge);
  return tree;
}

void CoreTree::begin_batch() {
  before_ = edge_;
  for (std::size_t level = 0; level < added_.size(); ++level) {
    added_[level].first = edge_.size().value >> level;
    added_[level].hashes.clear();
  }
}

std::vector<Digest> CoreTree::append(const Digest& leaf_hash) {
  written_.clear();
  edge_.append(leaf_hash, written_);
  std::vector<Digest> closed;
  for (const audit::Node& node : written_) {
    added_[node.id.level].hashes.push_back(node.hash);
    if (node.id.level > 0) closed.push_back(node.hash);
  }
  return closed;
}

const Digest* CoreTree::find(audit::NodeId id) const {
  const Level& level = added_[id.level];
  if (id.index >= level.first && id.index - level.first < level.hashes.size())
    return &level.hashes[id.index - level.first];
  return before_.find(id);
}

audit::NodeSource CoreTree::nodes(const Store& store) const {
  return [this, &store](audit::NodeId id) -> Result<Digest> {
    if (id.level >= added_.size()) return Error{Errc::corruption, "no such tree level"};
    if (const Digest* hash = find(id)) return *hash;
    return store.node(id);
  };
}

}  // namespace pli::broker
