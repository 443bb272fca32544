// The ASCII lines of leaves, checkpoints and proof files: taken one by one, numbers in one spelling only.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace pli::audit {

/// Takes the next line off `rest`, without its LF. Nothing when no LF is left.
[[nodiscard]] inline std::optional<std::string_view> take_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return line;
}

/// Takes `prefix` off the front of `text`; false, and nothing taken, when it does not stand there.
[[nodiscard]] inline bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

/// Digits only, no leading zero ("0" alone for zero), fits 64 bits: what prints to the same text.
[[nodiscard]] inline std::optional<std::uint64_t> parse_decimal(std::string_view text) {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, failure] = std::from_chars(text.data(), end, value);
  if (failure != std::errc{} || stopped != end) return std::nullopt;
  return value;
}

}  // namespace pli::audit
