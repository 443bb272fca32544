#include "verify/report.hpp"

#include <ctime>

namespace pli::verify {
namespace {

constexpr std::size_t shown_bytes_max = 200;  ///< for people; JSON has all of it
constexpr std::size_t name_column = 22;

/// Takes one UTF-8 character off `text`; nothing when there is none.
std::optional<char32_t> take_character(std::string_view& text) {
  const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = at(0);
  const std::size_t size = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (size == 0 || text.size() < size) return std::nullopt;
  char32_t value = size == 1 ? lead : static_cast<char32_t>(lead & (0x7F >> size));
  for (std::size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xC0) != 0x80) return std::nullopt;
    value = value << 6 | (at(i) & 0x3F);
  }
  const bool overlong = (size == 3 && value < 0x800) || (size == 4 && value < 0x10000);
  if (overlong || (value >= 0xD800 && value <= 0xDFFF) || value > 0x10FFFF) return std::nullopt;
  text.remove_prefix(size);
  return value;
}

/// Controls, marks that turn the reading order, separators of lines, invisible tags.
bool steers_display(char32_t c) {
  const auto within = [c](char32_t first, char32_t last) { return c >= first && c <= last; };
  return c < 0x20 || within(0x7F, 0x9F) || c == 0x61C || c == 0x200E || c == 0x200F || within(0x2028, 0x202E) ||
         within(0x2066, 0x206F) || c == 0xFEFF || within(0xFFF9, 0xFFFB) || within(0xE0000, 0xE007F);
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string verdict_of(Exit exit) {
  switch (exit) {
    case Exit::verified: return "verified";
    case Exit::not_proven: return "not proven";
    case Exit::usage: return "usage";
    case Exit::failed: return "failed";
    case Exit::local: return "local error";
  }
  return "failed";
}

}  // namespace

Refusal refuse(std::string check, const Error& error) {
  return {error.code == Errc::io_error ? Exit::local : Exit::failed, std::move(check), error.detail};
}

std::optional<std::string> quoted(std::string_view text) {
  for (std::string_view rest = text; !rest.empty();) {
    const auto character = take_character(rest);
    if (!character || steers_display(*character)) return std::nullopt;
  }
  return in_quotes(text);
}

std::string quoted_name(std::string_view text) {
  std::string name(text);
  for (char& c : name)
    if (c < 0x20 || c > 0x7E) c = '?';
  return in_quotes(name);
}

std::string utc_of_seconds(std::uint64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  std::array<char, 40> text{};
  if (::gmtime_r(&time, &parts) == nullptr) return "out of range";
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text.data(), size};
}

std::string utc(UnixMillis time) { return utc_of_seconds(static_cast<std::uint64_t>(time.value) / 1000); }

void Report::say(std::string name, std::string_view ascii) {
  facts_.push_back({std::move(name), std::string(ascii), in_quotes(ascii)});
}

void Report::count(std::string name, std::uint64_t number) {
  const std::string text = std::to_string(number);
  facts_.push_back({std::move(name), text, text});
}

void Report::bytes(std::string name, ByteView value) {
  auto text = quoted(as_text(value));
  if (!text) name += ".hex";
  const std::string json = text ? *text : in_quotes(to_hex(value));
  std::string shown = text ? *text : to_hex(value);
  if (value.size() > shown_bytes_max)
    shown =
        to_hex(value.first(shown_bytes_max / 2)) + "... in hexadecimal, of " + std::to_string(value.size()) + " bytes";
  facts_.push_back({std::move(name), std::move(shown), json});
}

std::string Report::for_people(std::string_view verdict) const {
  std::string out(verdict);
  out += '\n';
  for (const Fact& fact : facts_) {
    out += "  " + fact.name;
    out.append(fact.name.size() < name_column ? name_column - fact.name.size() : 1, ' ');
    out += fact.shown + '\n';
  }
  return out;
}

std::string Report::as_json(std::string_view command, Exit exit, const Refusal* refusal) const {
  std::string out = R"({"command":)" + quoted_name(command) + R"(,"verdict":)" + in_quotes(verdict_of(exit));
  if (refusal != nullptr)
    out += R"(,"check":)" + quoted_name(refusal->check) + R"(,"why":)" + quoted_name(refusal->why);
  for (const Fact& fact : facts_) out += ',' + in_quotes(fact.name) + ':' + fact.json;
  return out + "}\n";
}

}  // namespace pli::verify
