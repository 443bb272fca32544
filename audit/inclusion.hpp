// Is this leaf in that log? Two independent verifiers: the walk of RFC 9162 §2.1.3.2 (the product's) and the
// closed form (in `second`, for the differential tests and for whoever wants both). Pure; safe on hostile input.
#pragma once

#include <span>

#include "audit/checkpoint.hpp"

namespace pli::audit {

/// Shows presence only. That history was not rewritten needs verify_consistency; that others see this same log
/// needs a witness. Errors: invalid_input (index or proof length), authentication_failed (root differs).
[[nodiscard]] Result<void> verify_inclusion(const VerifiedCheckpoint& checkpoint, LeafIndex index,
                                            const Digest& leaf_hash, std::span<const Digest> proof);
/// The same against a bare root (directory entries under a signed note).
[[nodiscard]] Result<void> verify_inclusion(const Digest& root, TreeSize size, LeafIndex index, const Digest& leaf_hash,
                                            std::span<const Digest> proof);

/// Does the tree (newer) extend the tree (older)? Both roots are compared. Errors as above.
[[nodiscard]] Result<void> verify_consistency(TreeSize older, const Digest& older_root, TreeSize newer,
                                              const Digest& newer_root, std::span<const Digest> proof);

namespace second {
[[nodiscard]] Result<void> verify_inclusion(const Digest& root, TreeSize size, LeafIndex index, const Digest& leaf_hash,
                                            std::span<const Digest> proof);
[[nodiscard]] Result<void> verify_consistency(TreeSize older, const Digest& older_root, TreeSize newer,
                                              const Digest& newer_root, std::span<const Digest> proof);
}  // namespace second

}  // namespace pli::audit
