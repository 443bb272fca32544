// Algorithm B, the closed form: the proof's length is known beforehand from the two positions' bits, and each
// bit says on which side a hash stands. Written apart from inclusion.cpp and sharing nothing with it but
// node_hash, so that a mistake in one is not a mistake in the other; tests and a fuzzer hold the two against
// each other.
#include <bit>

#include "audit/inclusion.hpp"
#include "audit/tree.hpp"

namespace pli::audit::second {

Result<void> verify_inclusion(const Digest& root, TreeSize size, LeafIndex index, const Digest& leaf_hash,
                              std::span<const Digest> proof) {
  const std::uint64_t n = size.value;
  const std::uint64_t m = index.value;
  if (n > std::uint64_t{0x7fffffffffffffff}) return Error{Errc::invalid_input, "size"};
  if (m >= n) return Error{Errc::invalid_input, "index"};

  // `inner` levels below the point where the ways of leaf m and leaf n-1 join; above it only left siblings
  // exist, one for each set bit.
  const auto inner = static_cast<std::size_t>(std::bit_width(m ^ (n - 1)));
  const auto border = static_cast<std::size_t>(std::popcount(m >> inner));
  if (proof.size() != inner + border) return Error{Errc::invalid_input, "proof length"};  // 63 at most

  Digest computed = leaf_hash;
  for (std::size_t i = 0; i < proof.size(); ++i) {
    const bool left = i >= inner || ((m >> i) & 1) != 0;
    computed = left ? node_hash(proof[i], computed) : node_hash(computed, proof[i]);
  }
  if (computed == root) return {};
  return Error{Errc::authentication_failed, "root"};
}

Result<void> verify_consistency(TreeSize older, const Digest& older_root, TreeSize newer, const Digest& newer_root,
                                std::span<const Digest> proof) {
  const std::uint64_t m = older.value;
  const std::uint64_t n = newer.value;
  if (n > std::uint64_t{0x7fffffffffffffff} || m > n) return Error{Errc::invalid_input, "sizes"};
  if (m == n) {
    if (!proof.empty()) return Error{Errc::invalid_input, "proof length"};
    if (older_root == newer_root) return {};
    return Error{Errc::authentication_failed, "roots"};
  }
  if (m == 0) {
    if (proof.empty()) return {};
    return Error{Errc::invalid_input, "proof length"};
  }

  // The older tree ends with a complete subtree of 2^shift leaves, from which both ways start.
  const auto shift = static_cast<std::size_t>(std::countr_zero(m));
  const auto parting = static_cast<std::size_t>(std::bit_width((m - 1) ^ (n - 1)));
  const auto border = static_cast<std::size_t>(std::popcount((m - 1) >> parting));
  const std::size_t inner = parting - shift;
  const bool whole = m == std::uint64_t{1} << shift;
  const std::size_t start = whole ? 0 : 1;
  if (proof.size() != start + inner + border || proof.empty() || proof.size() > proof_hashes_max)
    return Error{Errc::invalid_input, "proof length"};

  const std::uint64_t mask = (m - 1) >> shift;
  Digest first = whole ? older_root : proof[0];
  Digest second = first;
  for (std::size_t i = 0; i < inner; ++i) {
    const Digest& element = proof[start + i];
    if (((mask >> i) & 1) != 0) {
      first = node_hash(element, first);
      second = node_hash(element, second);
    } else {
      second = node_hash(second, element);
    }
  }
  for (std::size_t i = start + inner; i < proof.size(); ++i) {
    first = node_hash(proof[i], first);
    second = node_hash(proof[i], second);
  }
  if (first != older_root || second != newer_root) return Error{Errc::authentication_failed, "root"};
  return {};
}

}  // namespace pli::audit::second
