// Holds the two proof verifiers against each other: on honest proofs of trees of every size, and on what is left of
// them after damage. They must give the same verdict for the same reason, and accept what was not damaged.
#include <algorithm>

#include "audit/inclusion.hpp"
#include "audit/tree.hpp"

namespace pli::audit {
namespace {

constexpr std::size_t small_tree_leaves = 200;

/// A tree whose leaves all differ, for the sizes people get wrong.
const MemoryTree& small_tree() {
  static const MemoryTree tree = [] {
    MemoryTree grown;
    for (std::size_t i = 0; i < small_tree_leaves; ++i) grown.append(as_bytes(std::to_string(i)));
    return grown;
  }();
  return tree;
}

/// A tree whose leaves are all the same: a node depends on its level alone, so its size may be anything.
Result<Digest> uniform_node(NodeId id) {
  static const std::vector<Digest> levels = [] {
    std::vector<Digest> hashes = {leaf_hash({})};
    while (hashes.size() < 64) hashes.push_back(node_hash(hashes.back(), hashes.back()));
    return hashes;
  }();
  return levels.at(id.level);
}

struct Claim {
  bool consistency = false;
  std::uint64_t position = 0;  // the leaf's index, or the older size
  std::uint64_t size = 0;
  Digest first{};  // the leaf, or the older root
  Digest root{};
  std::vector<Digest> proof;
};

void damage(Claim& claim, ByteReader& script) {
  const std::uint8_t what = script.u8();
  const std::uint8_t where = script.u8();
  const std::uint64_t value = script.u64();
  switch (what % 12) {
    case 0: claim.position = value; return;
    case 1: claim.size = value; return;
    case 2: claim.position += value % 5 - 2; return;
    case 3: claim.size += value % 5 - 2; return;
    case 4: claim.position ^= std::uint64_t{1} << (value % 64); return;
    case 5: claim.size ^= std::uint64_t{1} << (value % 64); return;
    case 6: std::swap(claim.first, claim.root); return;
    case 7: claim.root[where % 32] ^= static_cast<std::uint8_t>(value); return;
    case 8: claim.first[where % 32] ^= static_cast<std::uint8_t>(value); return;
    case 9: claim.proof.resize(value % 70, value % 2 == 0 ? claim.root : claim.first); return;
    case 10:
      if (!claim.proof.empty()) claim.proof[where % claim.proof.size()][value % 32] ^= 0x01;
      return;
    case 11:
      if (!claim.proof.empty()) std::swap(claim.proof[where % claim.proof.size()], claim.proof.front());
      return;
  }
}

/// The common verdict.
Result<void> judge(const Claim& claim) {
  const auto both = [](Result<void> walk, Result<void> closed_form) {
    PLI_INVARIANT(walk.has_value() == closed_form.has_value());
    PLI_INVARIANT(walk.has_value() || walk.error().code == closed_form.error().code);
    return walk;
  };
  const TreeSize size{claim.size};
  if (claim.consistency) {
    const TreeSize older{claim.position};
    return both(verify_consistency(older, claim.first, size, claim.root, claim.proof),
                second::verify_consistency(older, claim.first, size, claim.root, claim.proof));
  }
  const LeafIndex index{claim.position};
  return both(verify_inclusion(claim.root, size, index, claim.first, claim.proof),
              second::verify_inclusion(claim.root, size, index, claim.first, claim.proof));
}

/// An honest claim about a tree the storage has. Nothing for sizes no log serves a proof of.
std::optional<Claim> honest(bool consistency, std::uint64_t position, std::uint64_t size, const NodeSource& nodes) {
  Claim claim{consistency, position, size, {}, {}, {}};
  const auto root = root_at(TreeSize{size}, nodes);
  const auto proof = consistency ? consistency_proof(TreeSize{position}, TreeSize{size}, nodes)
                                 : inclusion_proof(LeafIndex{position}, TreeSize{size}, nodes);
  if (!root || !proof) return std::nullopt;
  claim.root = *root;
  claim.first = consistency ? *root_at(TreeSize{position}, nodes) : *nodes({0, position});
  claim.proof = *proof;
  return claim;
}

}  // namespace
}  // namespace pli::audit

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::audit;
  ByteReader script({data, size});
  const std::uint8_t mode = script.u8();
  const bool small = (mode & 2) != 0;
  std::uint64_t tree_size = script.u64();
  std::uint64_t position = script.u64();
  if (small) tree_size %= small_tree_leaves + 1;
  if ((mode & 4) != 0 && tree_size != 0) position %= tree_size;
  if (!script.ok()) return 0;

  auto claim = honest((mode & 1) != 0, position, tree_size, small ? small_tree().source() : uniform_node);
  if (!claim) return 0;
  PLI_INVARIANT(judge(*claim).has_value() == (claim->proof.size() <= proof_hashes_max));
  for (int damages = 0; damages < 16 && !script.rest().empty(); ++damages) {
    damage(*claim, script);
    (void)judge(*claim);
  }
  return 0;
}
