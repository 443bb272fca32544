// How a log of ours names its trees: origin "<log>/<year>-<n>", one after the other, signed by one key (design §8;
// docs/protocol.md, "Shards"). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "audit/note.hpp"

namespace pli::audit {

/// "2026-1": the year it was opened in, and its number in that year.
struct ShardName {
  std::uint32_t year = 0;    ///< 1000 to 9999
  std::uint32_t number = 0;  ///< 1 to 9999
  auto operator<=>(const ShardName&) const = default;
};
inline constexpr std::uint32_t shard_number_max = 9999;
[[nodiscard]] std::optional<ShardName> parse_shard_name(std::string_view text);

/// "<log>" of "<log>/<year>-<n>"; nothing for an origin that ends otherwise.
[[nodiscard]] std::optional<std::string_view> log_of_shard(std::string_view origin);

/// `known` as the signer of checkpoints of `origin`: itself, or the same key under the name of another shard of the log
/// whose shard `known` is named after. Nothing for any other origin: a key is trusted for one log.
[[nodiscard]] std::optional<VerifierKey> log_key_for(const VerifierKey& known, std::string_view origin);

}  // namespace pli::audit
