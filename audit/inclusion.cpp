// Algorithm A, the walk of RFC 9162 §2.1.3.2 and §2.1.4.2: what the product runs.
// inclusion_second.cpp holds algorithm B. The two share node_hash and nothing else, on purpose.
#include "audit/inclusion.hpp"

#include <bit>

#include "audit/tree.hpp"

namespace pli::audit {
namespace {

/// The ways of two leaves towards the root, one level at a time: `first` is proven, `last` is the tree's last
/// leaf.
struct Walk {
  std::uint64_t first;
  std::uint64_t last;

  [[nodiscard]] bool at_root() const { return last == 0; }
  /// Is the next proof element a left sibling?
  [[nodiscard]] bool from_left() const { return (first & 1) == 1 || first == last; }
  void up() {
    first >>= 1;
    last >>= 1;
  }
  /// On the right edge a node without a right sibling stands for itself some levels up.
  void skip_lone_levels() {
    while ((first & 1) == 0 && first != 0) up();
  }
};

Result<void> check_limits(std::uint64_t size, std::span<const Digest> proof) {
  if (size >= tree_size_limit) return Error{Errc::invalid_input, "tree size out of range"};
  if (proof.size() > proof_hashes_max) return Error{Errc::invalid_input, "proof too long for any tree"};
  return {};
}

}  // namespace

Result<void> verify_inclusion(const Digest& root, TreeSize size, LeafIndex index, const Digest& leaf_hash,
                              std::span<const Digest> proof) {
  if (auto limits = check_limits(size.value, proof); !limits) return limits;
  if (index.value >= size.value) return Error{Errc::invalid_input, "leaf index not in the tree"};

  Walk walk{index.value, size.value - 1};
  Digest hash = leaf_hash;
  for (const Digest& sibling : proof) {
    if (walk.at_root()) return Error{Errc::invalid_input, "inclusion proof too long"};
    if (walk.from_left()) {
      hash = node_hash(sibling, hash);
      walk.skip_lone_levels();
    } else {
      hash = node_hash(hash, sibling);
    }
    walk.up();
  }
  if (!walk.at_root()) return Error{Errc::invalid_input, "inclusion proof too short"};
  if (hash != root) return Error{Errc::authentication_failed, "inclusion proof leads to another root"};
  return {};
}

Result<void> verify_inclusion(const VerifiedCheckpoint& checkpoint, LeafIndex index, const Digest& leaf_hash,
                              std::span<const Digest> proof) {
  return verify_inclusion(checkpoint.root(), checkpoint.size(), index, leaf_hash, proof);
}

Result<void> verify_consistency(TreeSize older, const Digest& older_root, TreeSize newer, const Digest& newer_root,
                                std::span<const Digest> proof) {
  if (auto limits = check_limits(newer.value, proof); !limits) return limits;
  if (older.value > newer.value) return Error{Errc::invalid_input, "older tree larger than the newer"};
  if (older.value == newer.value || older.value == 0) {
    if (!proof.empty()) return Error{Errc::invalid_input, "consistency proof where none is needed"};
    if (older.value == newer.value && older_root != newer_root)
      return Error{Errc::authentication_failed, "two roots for one tree size"};
    return {};
  }
  if (proof.empty()) return Error{Errc::invalid_input, "consistency proof missing"};

  // A complete older tree is itself the first subtree, and left out of the proof.
  const bool older_is_complete = std::has_single_bit(older.value);
  const Digest start = older_is_complete ? older_root : proof.front();
  if (!older_is_complete) proof = proof.subspan(1);

  Walk walk{older.value - 1, newer.value - 1};
  while ((walk.first & 1) == 1) walk.up();
  Digest older_hash = start;
  Digest newer_hash = start;
  for (const Digest& sibling : proof) {
    if (walk.at_root()) return Error{Errc::invalid_input, "consistency proof too long"};
    if (walk.from_left()) {
      older_hash = node_hash(sibling, older_hash);
      newer_hash = node_hash(sibling, newer_hash);
      walk.skip_lone_levels();
    } else {
      newer_hash = node_hash(newer_hash, sibling);
    }
    walk.up();
  }
  if (!walk.at_root()) return Error{Errc::invalid_input, "consistency proof too short"};
  // Both: a proof that only leads to the newer root says nothing about the older tree.
  if (older_hash != older_root) return Error{Errc::authentication_failed, "proof leads to another older root"};
  if (newer_hash != newer_root) return Error{Errc::authentication_failed, "proof leads to another newer root"};
  return {};
}

}  // namespace pli::audit
