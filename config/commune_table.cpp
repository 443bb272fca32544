#include "config/commune_table.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/file.hpp"

namespace pli::config {
namespace {

constexpr std::string_view table_format = "pli-communes/1";
constexpr std::size_t row_bytes_min = 13;  // "01001\tY\t01\t0\n": bounds what a damaged count can make us reserve

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The next code point of `text`, taken off its front, or nothing when it is not UTF-8 (overlong, surrogate,
/// cut).
std::optional<char32_t> take_code_point(std::string_view& text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  std::size_t size = 1;
  char32_t value = first;
  char32_t least = 0;
  if (first >= 0x80) {
    if ((first & 0xE0) == 0xC0) {
      size = 2, value = first & 0x1F, least = 0x80;
    } else if ((first & 0xF0) == 0xE0) {
      size = 3, value = first & 0x0F, least = 0x800;
    } else if ((first & 0xF8) == 0xF0) {
      size = 4, value = first & 0x07, least = 0x10000;
    } else {
      return std::nullopt;
    }
    if (text.size() < size) return std::nullopt;
    for (std::size_t i = 1; i < size; ++i) {
      if ((byte(i) & 0xC0) != 0x80) return std::nullopt;
      value = value << 6 | (byte(i) & 0x3F);
    }
  }
  if (value < least || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return std::nullopt;
  text.remove_prefix(size);
  return value;
}

/// How a code point is compared: letters to append, "" for a combining accent, " " between words, or nothing
/// for whatever no name of a commune holds.
std::optional<std::string_view> fold_code_point(char32_t c) {
  static constexpr std::string_view lower = "abcdefghijklmnopqrstuvwxyz0123456789";
  if (c >= U'A' && c <= U'Z') return lower.substr(c - U'A', 1);
  if (c >= U'a' && c <= U'z') return lower.substr(c - U'a', 1);
  if (c >= U'0' && c <= U'9') return lower.substr(26 + (c - U'0'), 1);
  if (c >= 0x300 && c <= 0x36F) return "";
  if (c >= 0xC0 && c <= 0xFF) {  // Latin-1: capital and small letter differ by 0x20
    static constexpr std::string_view base[] = {"a", "a", "a", "a", "a", "a", "ae", "c", "e", "e", "e",
                                                "e", "i", "i", "i", "i", "d", "n",  "o", "o", "o", "o",
                                                "o", "",  "o", "u", "u", "u", "u",  "y", "",  ""};
    if (c == 0xFF) return "y";
    const std::string_view folded = base[(c - 0xC0) & 0x1F];
    if (!folded.empty()) return folded;
    return std::nullopt;  // × ÷ Þ þ ß
  }
  if (c == 0x152 || c == 0x153) return "oe";
  if (c == 0x178) return "y";
  const bool between_words = c == ' ' || c == '\t' || c == '-' || c == '\'' || c == '(' || c == ')' || c == '.' ||
                             c == ',' || c == '/' || c == '_' || c == 0xA0 || c == 0xB4 || c == '`' || c == 0x2BC ||
                             (c >= 0x2000 && c <= 0x200A) || (c >= 0x2010 && c <= 0x2015) || c == 0x2018 ||
                             c == 0x2019 || c == 0x202F || c == 0x2212;
  if (between_words) return " ";
  return std::nullopt;
}

void spell_out_last_word(std::string& folded, std::size_t word_at) {
  const std::string_view word = std::string_view(folded).substr(word_at);
  const char* full = word == "st"     ? "saint"
                     : word == "ste"  ? "sainte"
                     : word == "sts"  ? "saints"
                     : word == "stes" ? "saintes"
                                      : nullptr;
  if (full) folded.replace(word_at, std::string::npos, full);
}

/// UTF-8 without control characters: what an official name is made of.
bool is_clean_name(std::string_view name) {
  if (name.empty() || name.size() > commune_name_bytes_max) return false;
  while (!name.empty()) {
    const auto c = take_code_point(name);
    if (!c || *c < 0x20 || (*c >= 0x7F && *c < 0xA0)) return false;
  }
  return true;
}

/// The text up to `end`, taken off the front of `rest` together with `end`; everything when there is no
/// `end`.
std::string_view take_until(std::string_view& rest, char end) {
  const std::size_t at = rest.find(end);
  const std::string_view taken = rest.substr(0, at);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
  return taken;
}

std::optional<std::uint32_t> parse_number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (text.size() > 1 && text[0] == '0') return std::nullopt;
  return value;
}

Error damaged(std::size_t line, const char* what) {
  return {Errc::corruption, "table of communes, line " + std::to_string(line) + ": " + what};
}

Result<Commune> parse_row(std::string_view row, std::size_t line) {
  const auto tabs = std::count(row.begin(), row.end(), '\t');
  if (tabs != 3 && tabs != 4) return damaged(line, "not four or five fields");
  Commune commune{};
  commune.code = take_until(row, '\t');
  commune.name = take_until(row, '\t');
  commune.departement = take_until(row, '\t');
  const auto population = parse_number(take_until(row, '\t'));
  commune.part_of = row;
  const auto departement = departement_of(commune.code);
  if (!departement) return damaged(line, "malformed code");
  if (*departement != commune.departement) return damaged(line, "the département is not the code's");
  if (!is_clean_name(commune.name)) return damaged(line, "malformed name");
  if (!population) return damaged(line, "malformed population");
  commune.population = *population;
  if (tabs == 4 && departement_of(commune.part_of) != departement) return damaged(line, "malformed commune");
  return commune;
}

}  // namespace

std::optional<std::string> departement_of(std::string_view code) {
  if (code.size() != 5 || !is_digit(code[0]) || !is_digit(code[2]) || !is_digit(code[3]) || !is_digit(code[4]))
    return std::nullopt;
  if (code[0] == '2' && (code[1] == 'A' || code[1] == 'B')) return std::string(code.substr(0, 2));
  if (!is_digit(code[1])) return std::nullopt;
  const int two = (code[0] - '0') * 10 + (code[1] - '0');
  if (two >= 1 && two <= 95 && two != 20) return std::string(code.substr(0, 2));  // 20 was Corsica until 1976
  const char third = code[2];
  const bool overseas =
      (two == 97 && third >= '1' && third <= '8') || (two == 98 && (third == '4' || (third >= '6' && third <= '9')));
  if (overseas) return std::string(code.substr(0, 3));
  return std::nullopt;
}

std::optional<std::string> fold_name(std::string_view text) {
  std::string folded;
  std::size_t word_at = 0;
  while (!text.empty()) {
    const char* const at = text.data();
    const auto c = take_code_point(text);
    if (!c) return std::nullopt;
    const auto letters = fold_code_point(*c);
    if (!letters) {
      folded.append(at, text.data());  // kept as it is, so that it equals nothing but itself
    } else if (*letters != " ") {
      folded.append(*letters);
    } else if (folded.size() > word_at) {
      spell_out_last_word(folded, word_at);
      folded.push_back(' ');
      word_at = folded.size();
    }
  }
  spell_out_last_word(folded, word_at);
  if (!folded.empty() && folded.back() == ' ') folded.pop_back();
  return folded;
}

Result<CommuneTable> CommuneTable::load(const std::filesystem::path& path) {
  auto text = read_file(path, commune_table_bytes_max);
  if (!text) return text.error();
  return parse(std::move(*text));
}

Result<CommuneTable> CommuneTable::parse(Bytes text) {
  std::string_view rest = as_text(text);
  if (rest.empty() || rest.back() != '\n') return damaged(1, "the file is empty or cut short");
  std::string_view head = take_until(rest, '\n');
  if (take_until(head, '\t') != table_format) return damaged(1, "not a table of communes, or of another version");
  const auto count = parse_number(head);
  if (!count || *count == 0 || *count > text.size() / row_bytes_min) return damaged(1, "malformed number of rows");

  std::vector<Commune> communes;
  communes.reserve(*count);
  for (std::size_t line = 2; !rest.empty(); ++line) {
    auto commune = parse_row(take_until(rest, '\n'), line);
    if (!commune) return commune.error();
    if (!communes.empty() && !(communes.back().code < commune->code))
      return damaged(line, "a code twice or out of order");
    communes.push_back(*commune);
  }
  if (communes.size() != *count) return damaged(1, "another number of rows than announced");

  CommuneTable table(std::move(text), std::move(communes));
  for (std::size_t i = 0; i < table.communes_.size(); ++i) {
    const Commune& commune = table.communes_[i];
    if (commune.part_of.empty()) continue;
    const Commune* whole = table.find_by_code(commune.part_of);
    if (!whole || !whole->part_of.empty()) return damaged(i + 2, "an arrondissement of no commune");
  }
  return table;
}

const Commune* CommuneTable::find_by_code(std::string_view code) const {
  const auto found = std::lower_bound(communes_.begin(), communes_.end(), code,
                                      [](const Commune& commune, std::string_view c) { return commune.code < c; });
  return found != communes_.end() && found->code == code ? &*found : nullptr;
}

std::vector<const Commune*> CommuneTable::find_by_name(std::string_view text,
                                                       std::optional<std::string_view> departement) const {
  std::vector<const Commune*> found;
  const auto wanted = fold_name(text);
  if (!wanted || wanted->empty()) return found;
  for (const Commune& commune : communes_) {
    if (departement && commune.departement != *departement) continue;
    if (fold_name(commune.name) == wanted) found.push_back(&commune);
  }
  return found;
}

}  // namespace pli::config
