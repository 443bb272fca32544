#include "audit/shard_name.hpp"

#include "audit/text_lines.hpp"

namespace pli::audit {

std::optional<ShardName> parse_shard_name(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto year = parse_decimal(text.substr(0, dash));
  const auto number = parse_decimal(text.substr(dash + 1));
  if (!year || *year < 1000 || *year > 9999 || !number || *number == 0 || *number > shard_number_max)
    return std::nullopt;
  return ShardName{static_cast<std::uint32_t>(*year), static_cast<std::uint32_t>(*number)};
}

std::optional<std::string_view> log_of_shard(std::string_view origin) {
  const std::size_t slash = origin.rfind('/');
  if (slash == std::string_view::npos || slash == 0 || !parse_shard_name(origin.substr(slash + 1))) return std::nullopt;
  return origin.substr(0, slash);
}

std::optional<VerifierKey> log_key_for(const VerifierKey& known, std::string_view origin) {
  if (known.name == origin) return known;
  const auto log = log_of_shard(known.name);
  if (!log || log != log_of_shard(origin)) return std::nullopt;
  return VerifierKey{std::string(origin), known.type, known.key};
}

}  // namespace pli::audit
