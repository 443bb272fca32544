// Two notes signed by one log that cannot both be true, kept by the client that met them (docs/protocol.md,
// "Evidence"). Pure; safe on hostile input.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "audit/checkpoint.hpp"

namespace pli::audit {

inline constexpr std::size_t evidence_bytes_max = 2 * note_bytes_max + 1024;

struct Evidence {
  std::string first;  ///< signed notes of tree heads, verbatim; what was seen first stands first
  std::string second;
  bool operator==(const Evidence&) const = default;
};
/// Two texts that hold the line that separates them, as no note of a tree head does, are our mistake and terminate.
[[nodiscard]] std::string to_text(const Evidence& evidence);
/// Shape only: nothing is verified. Whatever parses writes back the same. Errors: invalid_input, over_limit.
[[nodiscard]] Result<Evidence> parse_evidence(std::string_view text);

/// What two tree heads that one key signed say together, without a proof between them.
enum class Finding {
  two_trees,   ///< one origin, one size, two roots: no log that only grows signs both
  same_tree,   ///< one origin, size and root: nothing
  shrunk,      ///< the second is smaller: harmless unless it was shown after the first, which only the client saw
  grown,       ///< the second is larger: only a consistency proof tells whether it extends the first
  two_shards,  ///< two origins: nothing ties their trees
};
[[nodiscard]] Finding compare(const TreeHead& first, const TreeHead& second);

}  // namespace pli::audit
