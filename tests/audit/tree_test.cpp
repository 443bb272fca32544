#include "audit/tree.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <random>

#include "support.hpp"

namespace pli::audit::test {
namespace {

MemoryTree tree_of(Leaves leaves) {
  MemoryTree tree;
  for (const Digest& leaf : leaves) tree.append_hash(leaf);
  return tree;
}

TEST(Tree, HasTheRootsOfTheClassicVectors) {
  const auto expected = vector_lines("eight-leaves.txt");
  MemoryTree tree;
  EXPECT_EQ(to_hex(tree.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  for (const Bytes& leaf : eight_leaves()) {
    tree.append(leaf);
    const auto root = expected.find("root_" + std::to_string(tree.size().value));
    ASSERT_NE(root, expected.end());
    EXPECT_EQ(to_bytes(tree.root()), root->second) << tree.size().value;
  }
  EXPECT_EQ(to_bytes(leaf_hash(eight_leaves()[5])), expected.find("leaf_5")->second);
}

TEST(Tree, ServesTheProofsOfTheClassicVectors) {
  const auto expected = vector_lines("eight-leaves.txt");
  const auto hashes = [&](const std::string& name) {
    std::vector<Digest> out;
    const auto [begin, end] = expected.equal_range(name);
    for (auto line = begin; line != end; ++line) out.push_back(to_array<32>(line->second).value());
    EXPECT_FALSE(out.empty()) << name;
    return out;
  };
  MemoryTree tree;
  for (const Bytes& leaf : eight_leaves()) tree.append(leaf);
  const NodeSource nodes = tree.source();
  EXPECT_EQ(*inclusion_proof(LeafIndex{0}, TreeSize{8}, nodes), hashes("path_0_8"));
  EXPECT_EQ(*inclusion_proof(LeafIndex{5}, TreeSize{8}, nodes), hashes("path_5_8"));
  EXPECT_EQ(*consistency_proof(TreeSize{6}, TreeSize{8}, nodes), hashes("proof_6_8"));
  EXPECT_EQ(*consistency_proof(TreeSize{2}, TreeSize{5}, nodes), hashes("proof_2_5"));
  EXPECT_EQ(*consistency_proof(TreeSize{4}, TreeSize{8}, nodes), hashes("proof_4_8"));
}

TEST(TreeEdge, HasTheRootOfTheDefinitionAtEverySize) {
  const std::vector<Digest> leaves = some_leaves(300);
  TreeEdge edge;
  std::vector<Node> written;
  for (std::size_t size = 0; size <= leaves.size(); ++size) {
    ASSERT_EQ(edge.size(), TreeSize{size});
    ASSERT_EQ(edge.root(), naive_root(Leaves(leaves).first(size))) << size;
    if (size < leaves.size()) {
      EXPECT_EQ(edge.append(leaves[size], written), LeafIndex{size});
    }
  }
}

TEST(TreeEdge, HasTheRootOfTheDefinitionForRandomSizes) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const std::vector<Digest> leaves = some_leaves(9000);
  for (int round = 0; round < 20; ++round) {
    const auto size = static_cast<std::size_t>(random() % leaves.size());
    EXPECT_EQ(tree_of(Leaves(leaves).first(size)).root(), naive_root(Leaves(leaves).first(size))) << size;
  }
}

TEST(TreeEdge, WritesEveryCompleteSubtreeOnceAndAboutTwoForEachLeaf) {
  const std::vector<Digest> leaves = some_leaves(1000);
  TreeEdge edge;
  std::vector<Node> written;
  for (const Digest& leaf : leaves) edge.append(leaf, written);
  // A tree of n leaves has 2n - popcount(n) complete subtrees.
  EXPECT_EQ(written.size(), 2000U - 6U);
  std::map<NodeId, Digest> by_id;
  for (const Node& node : written) {
    ASSERT_TRUE(by_id.emplace(node.id, node.hash).second) << "written twice";
    const auto begin = static_cast<std::size_t>(node.id.index << node.id.level);
    ASSERT_EQ(node.hash, naive_root(Leaves(leaves).subspan(begin, std::size_t{1} << node.id.level)));
  }
}

TEST(TreeEdge, LoadedFromStoredNodesGoesOnAsIfItHadNeverStopped) {
  const std::vector<Digest> leaves = some_leaves(200);
  for (std::size_t size = 0; size < 130; ++size) {
    const MemoryTree stored = tree_of(Leaves(leaves).first(size));
    Result<TreeEdge> loaded = TreeEdge::load(TreeSize{size}, stored.source());
    ASSERT_TRUE(loaded);
    TreeEdge appended;
    std::vector<Node> ignored;
    for (std::size_t i = 0; i < size; ++i) appended.append(leaves[i], ignored);
    EXPECT_EQ(loaded->root(), appended.root());
    EXPECT_EQ(loaded->size(), appended.size());
    std::vector<Node> from_loaded;
    std::vector<Node> from_appended;
    for (std::size_t i = size; i < leaves.size(); ++i) {
      loaded->append(leaves[i], from_loaded);
      appended.append(leaves[i], from_appended);
    }
    ASSERT_EQ(from_loaded.size(), from_appended.size());
    for (std::size_t i = 0; i < from_loaded.size(); ++i) {
      ASSERT_EQ(from_loaded[i].id, from_appended[i].id);
      ASSERT_EQ(from_loaded[i].hash, from_appended[i].hash);
    }
    EXPECT_EQ(loaded->root(), naive_root(leaves));
  }
}

TEST(TreeEdge, FindsTheNodesOfTheEdgeAndNoOther) {
  const std::vector<Digest> leaves = some_leaves(6);
  TreeEdge edge;
  std::vector<Node> written;
  for (const Digest& leaf : leaves) edge.append(leaf, written);
  ASSERT_NE(edge.find({2, 0}), nullptr);
  EXPECT_EQ(*edge.find({2, 0}), naive_root(Leaves(leaves).first(4)));
  ASSERT_NE(edge.find({1, 2}), nullptr);
  EXPECT_EQ(*edge.find({1, 2}), naive_root(Leaves(leaves).subspan(4, 2)));
  EXPECT_EQ(edge.find({0, 5}), nullptr);
  EXPECT_EQ(edge.find({1, 0}), nullptr);
  EXPECT_EQ(edge.find({3, 0}), nullptr);
}

TEST(Tree, ProofsServedFromStoredNodesAreThoseOfTheDefinition) {
  const std::vector<Digest> leaves = some_leaves(70);
  const MemoryTree tree = tree_of(leaves);
  const NodeSource nodes = tree.source();
  for (std::size_t size = 0; size <= leaves.size(); ++size) {
    const Leaves first = Leaves(leaves).first(size);
    ASSERT_EQ(*root_at(TreeSize{size}, nodes), naive_root(first)) << size;
    for (std::size_t index = 0; index < size; ++index)
      ASSERT_EQ(*inclusion_proof(LeafIndex{index}, TreeSize{size}, nodes), naive_path(index, first))
          << index << " in " << size;
    for (std::size_t older = 1; older < size; ++older)
      ASSERT_EQ(*consistency_proof(TreeSize{older}, TreeSize{size}, nodes), naive_proof(older, first))
          << older << " to " << size;
    EXPECT_TRUE(consistency_proof(TreeSize{0}, TreeSize{size}, nodes)->empty());
    EXPECT_TRUE(consistency_proof(TreeSize{size}, TreeSize{size}, nodes)->empty());
  }
}

TEST(Tree, RefusesProofsOfWhatIsNotInTheTree) {
  const MemoryTree tree = tree_of(some_leaves(5));
  const NodeSource nodes = tree.source();
  EXPECT_EQ(inclusion_proof(LeafIndex{5}, TreeSize{5}, nodes).error().code, Errc::invalid_input);
  EXPECT_EQ(inclusion_proof(LeafIndex{0}, TreeSize{0}, nodes).error().code, Errc::invalid_input);
  EXPECT_EQ(consistency_proof(TreeSize{5}, TreeSize{4}, nodes).error().code, Errc::invalid_input);
  // A size the storage has not reached.
  EXPECT_EQ(inclusion_proof(LeafIndex{0}, TreeSize{9}, nodes).error().code, Errc::corruption);
}

TEST(Tree, RefusesSizesFromTwoToTheSixtyThird) {
  const MemoryTree tree = tree_of(some_leaves(1));
  const NodeSource nodes = tree.source();
  for (const std::uint64_t size : {std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    EXPECT_EQ(TreeEdge::load(TreeSize{size}, nodes).error().code, Errc::invalid_input);
    EXPECT_EQ(root_at(TreeSize{size}, nodes).error().code, Errc::invalid_input);
    EXPECT_EQ(inclusion_proof(LeafIndex{0}, TreeSize{size}, nodes).error().code, Errc::invalid_input);
    EXPECT_EQ(consistency_proof(TreeSize{1}, TreeSize{size}, nodes).error().code, Errc::invalid_input);
  }
}

TEST(Tree, PassesTheStoragesErrorUpWhicheverNodeIsMissing) {
  const std::vector<Digest> leaves = some_leaves(45);
  const MemoryTree tree = tree_of(leaves);
  const NodeSource whole = tree.source();
  const auto missing_at_each_look_up = [&](const auto& operation) {
    int look_ups = 0;
    const NodeSource counting = [&](NodeId id) {
      ++look_ups;
      return whole(id);
    };
    EXPECT_TRUE(operation(counting).has_value());
    EXPECT_LE(look_ups, 12) << "more than about two for each level";
    for (int missing = 0; missing < look_ups; ++missing) {
      int left = missing;
      const NodeSource failing = [&](NodeId id) -> Result<Digest> {
        if (left-- == 0) return Error{Errc::io_error, "a disk that fails once"};
        return whole(id);
      };
      const auto result = operation(failing);
      ASSERT_FALSE(result.has_value());
      EXPECT_EQ(result.error().code, Errc::io_error);
    }
  };
  missing_at_each_look_up([](const NodeSource& nodes) { return TreeEdge::load(TreeSize{45}, nodes); });
  missing_at_each_look_up([](const NodeSource& nodes) { return root_at(TreeSize{43}, nodes); });
  missing_at_each_look_up([](const NodeSource& nodes) { return inclusion_proof(LeafIndex{3}, TreeSize{43}, nodes); });
  missing_at_each_look_up([](const NodeSource& nodes) { return consistency_proof(TreeSize{7}, TreeSize{43}, nodes); });
}

TEST(Tree, ProvesLeavesOfAVeryLargeTree) {
  // All leaves are the same, so a node depends on its level alone and 2^63 - 1 leaves fit in 63 hashes.
  std::vector<Digest> levels = {some_leaves(1).front()};
  while (levels.size() < 63) levels.push_back(node_hash(levels.back(), levels.back()));
  const NodeSource nodes = [&](NodeId id) -> Result<Digest> { return levels.at(id.level); };
  const TreeSize size{(std::uint64_t{1} << 63) - 1};
  const Digest root = root_at(size, nodes).value();
  EXPECT_EQ(TreeEdge::load(size, nodes)->root(), root);
  for (const std::uint64_t index : {std::uint64_t{0}, std::uint64_t{1} << 40, size.value - 1}) {
    const auto proof = inclusion_proof(LeafIndex{index}, size, nodes);
    ASSERT_TRUE(proof);
    EXPECT_EQ(proof->size(), path_shape(index, size.value).size());
    EXPECT_TRUE(verify_inclusion(root, size, LeafIndex{index}, levels[0], *proof));
    EXPECT_TRUE(second::verify_inclusion(root, size, LeafIndex{index}, levels[0], *proof));
  }
}

}  // namespace
}  // namespace pli::audit::test
