#include "client/name_likeness.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "protocol/printable.hpp"

namespace pli::client {
namespace {

struct Folding {
  char32_t first, last;
  std::string_view letters;
};

/// Latin letters with marks, by ranges in the order of Unicode; what lies between them is no such letter.
constexpr Folding foldings[] = {
    {0x00AA, 0x00AA, "a"},  {0x00BA, 0x00BA, "o"},  {0x00C0, 0x00C5, "a"},  {0x00C6, 0x00C6, "ae"},
    {0x00C7, 0x00C7, "c"},  {0x00C8, 0x00CB, "e"},  {0x00CC, 0x00CF, "i"},  {0x00D0, 0x00D0, "d"},
    {0x00D1, 0x00D1, "n"},  {0x00D2, 0x00D6, "o"},  {0x00D8, 0x00D8, "o"},  {0x00D9, 0x00DC, "u"},
    {0x00DD, 0x00DD, "y"},  {0x00DE, 0x00DE, "th"}, {0x00DF, 0x00DF, "ss"}, {0x00E0, 0x00E5, "a"},
    {0x00E6, 0x00E6, "ae"}, {0x00E7, 0x00E7, "c"},  {0x00E8, 0x00EB, "e"},  {0x00EC, 0x00EF, "i"},
    {0x00F0, 0x00F0, "d"},  {0x00F1, 0x00F1, "n"},  {0x00F2, 0x00F6, "o"},  {0x00F8, 0x00F8, "o"},
    {0x00F9, 0x00FC, "u"},  {0x00FD, 0x00FD, "y"},  {0x00FE, 0x00FE, "th"}, {0x00FF, 0x00FF, "y"},
    {0x0100, 0x0105, "a"},  {0x0106, 0x010D, "c"},  {0x010E, 0x0111, "d"},  {0x0112, 0x011B, "e"},
    {0x011C, 0x0123, "g"},  {0x0124, 0x0127, "h"},  {0x0128, 0x0131, "i"},  {0x0132, 0x0133, "ij"},
    {0x0134, 0x0135, "j"},  {0x0136, 0x0138, "k"},  {0x0139, 0x0142, "l"},  {0x0143, 0x014B, "n"},
    {0x014C, 0x0151, "o"},  {0x0152, 0x0153, "oe"}, {0x0154, 0x0159, "r"},  {0x015A, 0x0161, "s"},
    {0x0162, 0x0167, "t"},  {0x0168, 0x0173, "u"},  {0x0174, 0x0175, "w"},  {0x0176, 0x0178, "y"},
    {0x0179, 0x017E, "z"},  {0x017F, 0x017F, "s"},  {0x0189, 0x018A, "d"},  {0x018F, 0x018F, "e"},
    {0x01A0, 0x01A1, "o"},  {0x01AF, 0x01B0, "u"},  {0x01CD, 0x01CE, "a"},  {0x01CF, 0x01D0, "i"},
    {0x01D1, 0x01D2, "o"},  {0x01D3, 0x01DC, "u"},  {0x01E6, 0x01E7, "g"},  {0x0218, 0x0219, "s"},
    {0x021A, 0x021B, "t"},  {0x0259, 0x0259, "e"},  {0x1E00, 0x1E01, "a"},  {0x1E02, 0x1E07, "b"},
    {0x1E08, 0x1E09, "c"},  {0x1E0A, 0x1E13, "d"},  {0x1E14, 0x1E1D, "e"},  {0x1E1E, 0x1E1F, "f"},
    {0x1E20, 0x1E21, "g"},  {0x1E22, 0x1E2B, "h"},  {0x1E2C, 0x1E2F, "i"},  {0x1E30, 0x1E35, "k"},
    {0x1E36, 0x1E3D, "l"},  {0x1E3E, 0x1E43, "m"},  {0x1E44, 0x1E4B, "n"},  {0x1E4C, 0x1E53, "o"},
    {0x1E54, 0x1E57, "p"},  {0x1E58, 0x1E5F, "r"},  {0x1E60, 0x1E69, "s"},  {0x1E6A, 0x1E71, "t"},
    {0x1E72, 0x1E7B, "u"},  {0x1E7C, 0x1E7F, "v"},  {0x1E80, 0x1E89, "w"},  {0x1E8A, 0x1E8D, "x"},
    {0x1E8E, 0x1E8F, "y"},  {0x1E90, 0x1E95, "z"},  {0x1E96, 0x1E96, "h"},  {0x1E97, 0x1E97, "t"},
    {0x1E98, 0x1E98, "w"},  {0x1E99, 0x1E99, "y"},  {0x1E9A, 0x1E9A, "a"},  {0x1E9E, 0x1E9E, "ss"},
    {0x1EA0, 0x1EB7, "a"},  {0x1EB8, 0x1EC7, "e"},  {0x1EC8, 0x1ECB, "i"},  {0x1ECC, 0x1EE3, "o"},
    {0x1EE4, 0x1EF1, "u"},  {0x1EF2, 0x1EF9, "y"},
};

bool is_apostrophe(char32_t c) {
  constexpr std::u32string_view apostrophes = U"'`\u00B4\u02BB\u02BC\u2018\u2019\u2032";
  return apostrophes.find(c) != apostrophes.npos;
}
bool is_combining(char32_t c) { return c >= 0x0300 && c <= 0x036F; }
bool separates(char32_t c) {
  return c < 0x00C0 || c == 0x00D7 || c == 0x00F7 || (c >= 0x2000 && c <= 0x206F) || c == 0x3000 || c == 0xFEFF;
}

std::string_view folded_latin(char32_t c) {
  const auto* after = std::upper_bound(std::begin(foldings), std::end(foldings), c,
                                       [](char32_t x, const Folding& f) { return x < f.first; });
  if (after == std::begin(foldings) || (after - 1)->last < c) return {};
  return (after - 1)->letters;
}

bool is_lone(const std::string& folded, char letter) {
  return !folded.empty() && folded.back() == letter && (folded.size() == 1 || folded[folded.size() - 2] == ' ');
}

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

constexpr std::array<std::string_view, 30> particles = {
    "de",  "du",  "des", "d",  "la", "le", "les", "l",   "da",  "do",   "dos",  "das",  "e",   "y",   "van",
    "von", "der", "den", "zu", "el", "al", "ben", "ibn", "bin", "bent", "bint", "ould", "ait", "abu", "abou"};
constexpr std::array<std::string_view, 17> words_beside = {
    "m",   "mr", "mme",    "mlle", "monsieur", "madame", "mademoiselle", "dr",  "docteur",
    "nee", "ne", "epouse", "ep",   "veuve",    "vve",    "dit",          "dite"};

// ---- sounds ---------------------------------------------------------------------------------------------------------

enum class Before { anything, the_end, e_i_y, a_o_u, consonant_or_end };

struct Sound {
  std::string_view letters;
  Before before;
  std::string_view sound;
};

/// The first that fits at a place is taken; what none fits stands for itself. docs/storage.md says the same in words.
constexpr Sound sounds[] = {
    {"eaux", Before::the_end, "o"},
    {"eau", Before::anything, "o"},
    {"aux", Before::the_end, "o"},
    {"au", Before::anything, "o"},
    {"oin", Before::consonant_or_end, "oan"},
    {"oi", Before::anything, "oa"},
    {"oy", Before::anything, "oa"},
    {"ou", Before::anything, "o"},
    {"oo", Before::anything, "o"},
    {"ean", Before::consonant_or_end, "an"},
    {"ien", Before::consonant_or_end, "ien"},
    {"ain", Before::consonant_or_end, "in"},
    {"aim", Before::consonant_or_end, "in"},
    {"ein", Before::consonant_or_end, "in"},
    {"eim", Before::consonant_or_end, "in"},
    {"im", Before::consonant_or_end, "in"},
    {"ym", Before::consonant_or_end, "in"},
    {"un", Before::consonant_or_end, "in"},
    {"um", Before::consonant_or_end, "in"},
    {"en", Before::consonant_or_end, "an"},
    {"em", Before::consonant_or_end, "an"},
    {"am", Before::consonant_or_end, "an"},
    {"om", Before::consonant_or_end, "on"},
    {"ai", Before::anything, "e"},
    {"ay", Before::anything, "e"},
    {"ei", Before::anything, "e"},
    {"ey", Before::anything, "e"},
    {"tch", Before::anything, "S"},
    {"sch", Before::anything, "S"},
    {"ch", Before::anything, "S"},
    {"sh", Before::anything, "S"},
    {"ph", Before::anything, "f"},
    {"dj", Before::anything, "j"},
    {"dg", Before::anything, "j"},
    {"gn", Before::anything, "n"},
    {"gu", Before::e_i_y, "g"},
    {"gh", Before::anything, "g"},
    {"ge", Before::a_o_u, "j"},
    {"g", Before::e_i_y, "j"},
    {"ck", Before::anything, "k"},
    {"cq", Before::anything, "k"},
    {"qu", Before::anything, "k"},
    {"q", Before::anything, "k"},
    {"sc", Before::e_i_y, "s"},
    {"c", Before::e_i_y, "s"},
    {"c", Before::anything, "k"},
    {"x", Before::anything, "ks"},
    {"z", Before::anything, "s"},
    {"h", Before::anything, ""},
    {"w", Before::anything, "o"},
    {"u", Before::anything, "o"},
    {"y", Before::anything, "i"},
};

bool is_vowel(char c) { return std::string_view("aeiouy").find(c) != std::string_view::npos; }

/// `mute_e`: after `rest` an e was left out, which keeps the letter before it from being nasal: "Hélène".
bool fits(std::string_view rest, const Sound& sound, bool mute_e) {
  // Most rules are of another letter: ten thousand names are heard at a time.
  if (rest.front() != sound.letters.front() || rest.substr(0, sound.letters.size()) != sound.letters) return false;
  const std::string_view after = rest.substr(sound.letters.size());
  const char next = after.empty() ? '\0' : after.front();
  switch (sound.before) {
    case Before::anything: return true;
    case Before::the_end: return after.empty();
    case Before::e_i_y: return next == 'e' || next == 'i' || next == 'y';
    case Before::a_o_u: return next == 'a' || next == 'o' || next == 'u';
    // Doubled, n and m are heard: "Anne", "Emma".
    case Before::consonant_or_end:
      if (after.empty()) return !mute_e;
      return !is_vowel(next) && next != 'n' && next != 'm' && next != 'h';
  }
  return false;
}

/// What ends a word unheard, or is heard by some only ("Dupont", "Mohamed"): an e, or these; where an e follows one of
/// them it is heard.
constexpr std::string_view silent_at_the_end = "stdxzp";
constexpr std::size_t heard_letters_min = 2;

std::string_view heard_of(std::string_view part) {
  const auto drop_while = [&part](std::string_view letters) {
    const std::size_t before = part.size();
    while (part.size() > heard_letters_min && letters.find(part.back()) != std::string_view::npos)
      part.remove_suffix(1);
    return part.size() != before;
  };
  if (part.size() > heard_letters_min && part.back() == 's' && part[part.size() - 2] == 'e') part.remove_suffix(1);
  if (!drop_while("e")) drop_while(silent_at_the_end);
  return part;
}

/// Pairs words of `few` with words of `many`, one to one (Kuhn's augmenting paths): whether every one of `few` finds
/// one.
class Pairing {
 public:
  template <class Fits>
  static bool covers(std::size_t few, std::size_t many, Fits fits) {
    std::array<std::optional<std::size_t>, 2 * name_parts_max> taken_by{};
    for (std::size_t i = 0; i < few; ++i) {
      std::array<bool, 2 * name_parts_max> tried{};
      if (!place(i, many, fits, taken_by, tried)) return false;
    }
    return true;
  }

 private:
  template <class Fits>
  static bool place(std::size_t i, std::size_t many, const Fits& fits,
                    std::array<std::optional<std::size_t>, 2 * name_parts_max>& taken_by,
                    std::array<bool, 2 * name_parts_max>& tried) {
    for (std::size_t j = 0; j < many; ++j) {
      if (tried[j] || !fits(i, j)) continue;
      tried[j] = true;
      if (taken_by[j] && !place(*taken_by[j], many, fits, taken_by, tried)) continue;
      taken_by[j] = i;
      return true;
    }
    return false;
  }
};

constexpr std::size_t by_ear_letters_min = 3;
/// Of the longer of two words: shorter ones, a letter apart, are other words. Short ones must begin alike, and with two
/// slips long ones too: "Amine" and "Yasmine" are two names.
constexpr std::size_t slip_letters_min = 4;
constexpr std::size_t slip_at_the_start_letters_min = 5;
constexpr std::size_t two_slips_letters_min = 7;

bool is_near(const NamePart& a, const NamePart& b) {
  if (a.text == b.text) return true;
  const std::size_t longer = std::max(a.text.size(), b.text.size());
  const std::size_t shorter = std::min(a.text.size(), b.text.size());
  if (shorter >= by_ear_letters_min && a.key == b.key && slips_between(a.text, b.text, longer / 2) <= longer / 2)
    return true;
  const bool begin_alike = shorter > 0 && (a.text.front() == b.text.front() || a.key.front() == b.key.front());
  if (longer < (begin_alike ? slip_letters_min : slip_at_the_start_letters_min)) return false;
  const std::size_t slips = begin_alike && longer >= two_slips_letters_min ? 2 : 1;
  return slips_between(a.text, b.text, slips) <= slips;
}

using Parts = std::vector<const NamePart*>;

Parts view_of(const NameField& field) {
  Parts out;
  for (const NamePart& part : field.parts) out.push_back(&part);
  return out;
}
Parts all_of(const PersonName& name) {
  Parts out = view_of(name.family);
  for (const NamePart& part : name.given.parts) out.push_back(&part);
  return out;
}

bool covers_near(const Parts& a, const Parts& b) {
  const Parts& few = a.size() <= b.size() ? a : b;
  const Parts& many = a.size() <= b.size() ? b : a;
  return Pairing::covers(few.size(), many.size(),
                         [&](std::size_t i, std::size_t j) { return is_near(*few[i], *many[j]); });
}
bool are_same(const Parts& a, const Parts& b) {
  if (a.size() != b.size()) return false;
  return Pairing::covers(a.size(), b.size(), [&](std::size_t i, std::size_t j) { return a[i]->text == b[j]->text; });
}

bool is_initial_of(const NameField& initial, const NameField& other) {
  return initial.parts.size() == 1 && initial.parts[0].text.size() == 1 && !other.empty() &&
         other.parts[0].text.size() > 1 && other.parts[0].text.front() == initial.parts[0].text.front();
}

/// Far from near: half the letters may differ. Only beside something else that is the same.
bool is_alike(const NamePart& a, const NamePart& b) {
  const std::size_t longer = std::max(a.text.size(), b.text.size());
  return slips_between(a.text, b.text, longer / 2) <= longer / 2;
}

Likeness likeness_as_written(const PersonName& a, const PersonName& b) {
  const Likeness family = likeness(a.family, b.family);
  if (family == Likeness::different) {
    const bool given_near = !a.family.empty() && !b.family.empty() && is_alike(a.family.whole, b.family.whole) &&
                            likeness(a.given, b.given) != Likeness::different;
    return given_near ? Likeness::given_near : Likeness::different;
  }
  if (a.given.empty() || b.given.empty() || is_initial_of(a.given, b.given) || is_initial_of(b.given, a.given))
    return Likeness::family_alone;
  return std::min(family, likeness(a.given, b.given));
}

}  // namespace

std::string fold_name(std::string_view name) {
  std::string out;
  const auto separate = [&out] {
    if (!out.empty() && out.back() != ' ') out += ' ';
  };
  while (!name.empty()) {
    const std::string_view before = name;
    const auto character = protocol::take_character(name);
    if (!character) {
      name.remove_prefix(1);
      separate();
      continue;
    }
    const char32_t c = *character;
    const bool capital = c >= U'A' && c <= U'Z';
    if (capital || (c >= U'a' && c <= U'z') || (c >= U'0' && c <= U'9')) {
      out += static_cast<char>(capital ? c - U'A' + U'a' : c);
    } else if (is_apostrophe(c)) {
      if (is_lone(out, 'd') || is_lone(out, 'l')) separate();
    } else if (is_combining(c)) {
      continue;
    } else if (const std::string_view latin = folded_latin(c); !latin.empty()) {
      out += latin;
    } else if (separates(c)) {
      separate();
    } else {
      out += before.substr(0, before.size() - name.size());
    }
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::vector<std::string> words_of(std::string_view folded) {
  std::vector<std::string> out;
  while (!folded.empty() && out.size() < name_parts_max) {
    const std::size_t space = std::min(folded.find(' '), folded.size());
    if (space > 0) out.emplace_back(folded.substr(0, std::min(space, name_part_bytes_max)));
    folded.remove_prefix(std::min(space + 1, folded.size()));
  }
  return out;
}

std::vector<std::string> name_parts(std::string_view folded) {
  const std::vector<std::string> words = words_of(folded);
  std::vector<std::string> out;
  std::copy_if(words.begin(), words.end(), std::back_inserter(out),
               [](const std::string& word) { return !is_one_of(particles, word) && !is_one_of(words_beside, word); });
  return out.empty() ? words : out;
}

std::string phonetic_key(std::string_view part) {
  const bool plain = std::all_of(part.begin(), part.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  if (!plain) return std::string(part);
  std::string_view heard = heard_of(part);
  const bool mute_e = heard.size() < part.size() && part[heard.size()] == 'e';
  std::string out;
  while (!heard.empty()) {
    const auto* rule = std::find_if(std::begin(sounds), std::end(sounds),
                                    [&](const Sound& sound) { return fits(heard, sound, mute_e); });
    const bool found = rule != std::end(sounds);
    const std::string_view sound = found ? rule->sound : heard.substr(0, 1);
    for (char c : sound)
      if (out.empty() || out.back() != c) out += c;
    heard.remove_prefix(found ? rule->letters.size() : 1);
  }
  return out.empty() ? std::string(part) : out;
}

std::string consonants_of(std::string_view phonetic_key) {
  std::string out;
  for (char c : phonetic_key)
    if (!is_vowel(c) && (out.empty() || out.back() != c)) out += c;
  return out.empty() ? std::string(phonetic_key) : out;
}

std::size_t slips_between(std::string_view a, std::string_view b, std::size_t most) {
  a = a.substr(0, name_part_bytes_max * name_parts_max);
  b = b.substr(0, name_part_bytes_max * name_parts_max);
  if (a.size() > b.size()) std::swap(a, b);
  if (b.size() - a.size() > most) return most + 1;
  // Three rows of the table of distances: two letters exchanged look back two rows.
  std::vector<std::size_t> before_last(a.size() + 1), last(a.size() + 1), row(a.size() + 1);
  for (std::size_t i = 0; i <= a.size(); ++i) last[i] = i;
  for (std::size_t j = 1; j <= b.size(); ++j) {
    row[0] = j;
    std::size_t least = row[0];
    for (std::size_t i = 1; i <= a.size(); ++i) {
      const std::size_t changed = last[i - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[i] = std::min({changed, last[i] + 1, row[i - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[i] = std::min(row[i], before_last[i - 2] + 1);
      least = std::min(least, row[i]);
    }
    // A later row may yet gain by an exchange, which counts from the row before this one.
    if (least > most + 1) return most + 1;
    before_last.swap(last);
    last.swap(row);
  }
  return std::min(last[a.size()], most + 1);
}

NameField name_field(std::string_view folded) {
  NameField out;
  for (std::string& part : name_parts(folded)) {
    std::string key = phonetic_key(part);
    out.parts.push_back({std::move(part), std::move(key)});
  }
  for (const std::string& word : words_of(folded)) out.whole.text += word;
  const bool is_one_word = out.parts.size() == 1 && out.parts[0].text == out.whole.text;
  out.whole.key = is_one_word ? out.parts[0].key : phonetic_key(out.whole.text);
  return out;
}

PersonName person_name(std::string_view family, std::string_view given) {
  return {name_field(family), name_field(given)};
}

Likeness likeness(const NameField& a, const NameField& b) {
  if (a.empty() || b.empty()) return Likeness::different;
  const Parts of_a = view_of(a);
  const Parts of_b = view_of(b);
  if (a.whole.text == b.whole.text || are_same(of_a, of_b)) return Likeness::same;
  // Words written as one, or a particle grown into a name: "Lebihan", "Benali".
  if ((of_a.size() != of_b.size() || of_a.size() == 1) && is_near(a.whole, b.whole)) return Likeness::near;
  if (!covers_near(of_a, of_b)) return Likeness::different;
  return of_a.size() == of_b.size() ? Likeness::near : Likeness::near_in_part;
}

Likeness likeness(const PersonName& a, const PersonName& b) {
  const Likeness direct = likeness_as_written(a, b);
  const Likeness exchanged = std::min(likeness(a.family, b.given), likeness(a.given, b.family));
  const Likeness in_order = std::max(direct, exchanged);
  if (in_order >= Likeness::near_in_part) return in_order;
  // Both names in one field on one side, apart on the other.
  const bool one_field = (a.family.empty() != a.given.empty()) || (b.family.empty() != b.given.empty());
  const Parts of_a = all_of(a);
  const Parts of_b = all_of(b);
  if (!one_field || of_a.size() < 2 || of_b.size() < 2) return in_order;
  if (are_same(of_a, of_b)) return Likeness::same;
  if (!covers_near(of_a, of_b)) return in_order;
  return of_a.size() == of_b.size() ? Likeness::near : Likeness::near_in_part;
}

}  // namespace pli::client
