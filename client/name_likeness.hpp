// Whether two ways of writing a name may mean one person: accents, order, particles, hyphens, spelling by ear.
// Pure; safe on any bytes. What it answers serves link hints alone (link_rules.hpp): a likeness is of two spellings,
// never of a person, and leaves this room as a reason in words.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pli::client {

/// Of one name: longer ones are cut there. A form holds no longer ones; what is compared stays cheap.
inline constexpr std::size_t name_parts_max = 8;
inline constexpr std::size_t name_part_bytes_max = 48;

/// Lower case, Latin letters without their marks ("ø" is "o", "œ" is "oe"), each run of anything but letters and digits
/// one space. An apostrophe stands for nothing but after a lone "d" or "l" ("N'Diaye" is "ndiaye", "d'Almeida" is
/// "d almeida"). Letters of other scripts stay as they are; bytes that are not UTF-8 separate.
[[nodiscard]] std::string fold_name(std::string_view name);

/// The words of a folded text, at most name_parts_max, each cut at name_part_bytes_max.
[[nodiscard]] std::vector<std::string> words_of(std::string_view folded);

/// The words that tell people apart: without particles ("de", "le", "el", "ben", "dos"…), civilities and words such as
/// "née" or "dit". Where nothing else is left they stay: "Lê" is a family name.
[[nodiscard]] std::vector<std::string> name_parts(std::string_view folded);

/// How a French reader says it, written with a few letters: docs/storage.md, "Link hints", has the rules. Of anything
/// but the letters a to z, the part itself.
///
/// After Phonex (F. Brouard, 1999), which keeps vowels and the sound of groups of letters, in turn after Soundex2 for
/// French and FONEM (Bouchard, Brard, Lavoie, "FONEM : un code de transcription phonétique pour la reconstitution
/// automatique des familles saguenayennes", Population 36, 1981). Coarser than these where transcriptions from Arabic,
/// Turkish or Breton vary: o, u, ou and w are one sound, a nasal is its vowel and n.
[[nodiscard]] std::string phonetic_key(std::string_view part);

/// The consonants of a phonetic key: what is looked up by. The key itself where it has none.
[[nodiscard]] std::string consonants_of(std::string_view phonetic_key);

/// Letters left out, put in, changed or exchanged with a neighbour (optimal string alignment), counted up to
/// `most` + 1.
[[nodiscard]] std::size_t slips_between(std::string_view a, std::string_view b, std::size_t most);

/// One word of a name, with what is computed of it once.
struct NamePart {
  std::string text;
  std::string key;  ///< phonetic_key(text)
};

/// One field of a name: family name or given names.
struct NameField {
  std::vector<NamePart> parts;
  NamePart whole;  ///< every word, particles too, written as one

  [[nodiscard]] bool empty() const { return parts.empty(); }
};
[[nodiscard]] NameField name_field(std::string_view folded);

struct PersonName {
  NameField family;
  NameField given;
};
/// Of folded texts.
[[nodiscard]] PersonName person_name(std::string_view family, std::string_view given);

enum class Likeness {
  different,
  family_alone,  ///< the family name is near; of one the given name is not known, or only its initial
  given_near,    ///< the given names are near, the family names of the same sound or half the same letters
  near_in_part,  ///< each word of the shorter has its own counterpart in the other, by ear or but for a slip
  near,          ///< the same, and no word is left over
  same,          ///< the same words but for accents, order, particles and hyphens
};
/// Symmetric. Family and given name may stand in each other's place, or both in one field.
[[nodiscard]] Likeness likeness(const PersonName& a, const PersonName& b);
/// The same of one field alone, or of the name of a structure; never family_alone. Two empty ones differ.
[[nodiscard]] Likeness likeness(const NameField& a, const NameField& b);

}  // namespace pli::client
