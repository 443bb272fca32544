// Text somebody else wrote, made safe to show. Whoever prints peer-supplied text passes it through here.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace pli::protocol {

/// Takes the first character off `text`. Nothing when what stands there is not UTF-8 (overlong forms, surrogates and
/// numbers past U+10FFFF included) or `text` is empty; `text` then stays as it was.
[[nodiscard]] std::optional<char32_t> take_character(std::string_view& text);

/// Number of characters, or nothing when `text` is not UTF-8.
[[nodiscard]] std::optional<std::size_t> count_characters(std::string_view text);

/// Characters that can steer a terminal or turn the reading order: C0 and C1 controls, DEL, bidirectional marks and
/// overrides, line and paragraph separators, byte order marks, annotation and tag characters.
[[nodiscard]] bool steers_display(char32_t character);

enum class Newlines { keep, replace };
/// The same text with each such character, and each byte that is not UTF-8, replaced by U+FFFD, so that the place
/// shows. Tabs become spaces. No terminal escape sequence comes through.
[[nodiscard]] std::string printable(std::string_view text, Newlines newlines = Newlines::replace);

}  // namespace pli::protocol
