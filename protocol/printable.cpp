#include "protocol/printable.hpp"

namespace pli::protocol {

std::optional<char32_t> take_character(std::string_view& text) {
  if (text.empty()) return std::nullopt;
  auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  std::size_t size = 1;
  char32_t value = lead;
  char32_t smallest = 0;
  if (lead >= 0x80) {
    if (lead < 0xc0) return std::nullopt;
    if (lead < 0xe0) {
      size = 2;
      value = lead & 0x1fU;
      smallest = 0x80;
    } else if (lead < 0xf0) {
      size = 3;
      value = lead & 0x0fU;
      smallest = 0x800;
    } else if (lead < 0xf8) {
      size = 4;
      value = lead & 0x07U;
      smallest = 0x10000;
    } else {
      return std::nullopt;
    }
  }
  if (text.size() < size) return std::nullopt;
  for (std::size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xc0U) != 0x80) return std::nullopt;
    value = value << 6 | (at(i) & 0x3fU);
  }
  if (value < smallest || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return std::nullopt;
  text.remove_prefix(size);
  return value;
}

std::optional<std::size_t> count_characters(std::string_view text) {
  std::size_t count = 0;
  for (; !text.empty(); ++count)
    if (!take_character(text)) return std::nullopt;
  return count;
}

bool steers_display(char32_t character) {
  auto within = [&](char32_t first, char32_t last) { return character >= first && character <= last; };
  return character < 0x20 || within(0x7f, 0x9f) || character == 0x61c || character == 0x200e || character == 0x200f ||
         within(0x2028, 0x202e) || within(0x2066, 0x206f) || character == 0xfeff || within(0xfff9, 0xfffb) ||
         within(0xe0000, 0xe007f);
}

std::string printable(std::string_view text, Newlines newlines) {
  static constexpr std::string_view replacement = "\xef\xbf\xbd";
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::string_view before = text;
    const auto character = take_character(text);
    if (!character) {
      out += replacement;
      text.remove_prefix(1);
    } else if (*character == U'\n' && newlines == Newlines::keep) {
      out += '\n';
    } else if (*character == U'\t') {
      out += ' ';
    } else if (steers_display(*character)) {
      out += replacement;
    } else {
      out += before.substr(0, before.size() - text.size());
    }
  }
  return out;
}

}  // namespace pli::protocol
