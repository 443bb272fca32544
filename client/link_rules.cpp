#include "client/link_rules.hpp"

#include <algorithm>
#include <array>
#include <iterator>

namespace pli::client {
namespace {

struct Word {
  std::string_view from, to;
};

/// As addresses abbreviate; an empty `to` leaves the word out.
constexpr Word address_words[] = {
    {"av", "avenue"},
    {"ave", "avenue"},
    {"bd", "boulevard"},
    {"bld", "boulevard"},
    {"bvd", "boulevard"},
    {"boul", "boulevard"},
    {"r", "rue"},
    {"pl", "place"},
    {"che", "chemin"},
    {"chem", "chemin"},
    {"imp", "impasse"},
    {"all", "allee"},
    {"rte", "route"},
    {"sq", "square"},
    {"fg", "faubourg"},
    {"fbg", "faubourg"},
    {"res", "residence"},
    {"bat", "batiment"},
    {"st", "saint"},
    {"ste", "sainte"},
    {"zi", "zone"},
    {"za", "zone"},
    {"dr", "docteur"},
    {"gal", "general"},
    {"mal", "marechal"},
    {"de", ""},
    {"du", ""},
    {"des", ""},
    {"d", ""},
    {"la", ""},
    {"le", ""},
    {"les", ""},
    {"l", ""},
    {"a", ""},
    {"no", ""},
    {"n", ""},
    {"numero", ""},
    {"cedex", ""},
    {"france", ""},
    {"b", "bis"},
};
constexpr std::array<std::string_view, 16> legal_forms = {"sarl", "sas", "sasu",    "sa",          "eurl",  "ei",
                                                          "snc",  "sci", "scop",    "association", "assoc", "asso",
                                                          "ass",  "ste", "societe", "ets"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool all_digits(std::string_view text) { return std::all_of(text.begin(), text.end(), is_digit); }

constexpr std::size_t postcode_digits = 5;
constexpr std::size_t siren_digits = 9;
constexpr std::size_t siret_digits = 14;

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

/// words_of(), however many there are.
std::vector<std::string> all_words_of(std::string_view folded) {
  std::vector<std::string> out;
  while (!folded.empty()) {
    const std::size_t space = std::min(folded.find(' '), folded.size());
    if (space > 0) out.emplace_back(folded.substr(0, space));
    folded.remove_prefix(std::min(space + 1, folded.size()));
  }
  return out;
}

std::string digits_of(std::string_view text) {
  std::string out;
  std::copy_if(text.begin(), text.end(), std::back_inserter(out), is_digit);
  return out;
}

std::uint32_t year_of(std::uint32_t date) { return date / 10000; }
std::uint32_t month_of(std::uint32_t date) { return date / 100 % 100; }
std::uint32_t day_of(std::uint32_t date) { return date % 100; }

constexpr std::size_t date_digits = 8;
std::array<std::uint32_t, date_digits> digits_of(std::uint32_t date) {
  std::array<std::uint32_t, date_digits> out{};
  for (std::size_t i = date_digits; i-- > 0; date /= 10) out[i] = date % 10;
  return out;
}

bool known_and_same(const std::string& a, const std::string& b) { return !a.empty() && a == b; }

bool has_number(std::string_view address) { return std::any_of(address.begin(), address.end(), is_digit); }

struct ReasonRow {
  LinkReason reason;
  std::string_view text, french;
};
constexpr ReasonRow reason_rows[] = {
    {LinkReason::same_birth_same_name, "same_birth_same_name", "même date de naissance et même nom"},
    {LinkReason::same_birth_near_name, "same_birth_near_name", "même date de naissance et nom proche"},
    {LinkReason::same_birth_family_name, "same_birth_family_name",
     "même date de naissance et même nom de famille, prénom inconnu de l'un des deux"},
    {LinkReason::exchanged_birth_same_name, "exchanged_birth_same_name",
     "même nom, jour et mois de naissance intervertis"},
    {LinkReason::exchanged_birth_near_name, "exchanged_birth_near_name",
     "nom proche, jour et mois de naissance intervertis"},
    {LinkReason::slip_in_birth_same_name, "slip_in_birth_same_name",
     "même nom, dates de naissance à une faute de frappe ou un an près"},
    {LinkReason::slip_in_birth_near_name, "slip_in_birth_near_name",
     "nom proche, dates de naissance à une faute de frappe ou un an près"},
    {LinkReason::unknown_birth_same_name_same_commune, "unknown_birth_same_name_same_commune",
     "même nom et même commune, date de naissance inconnue de l'un des deux"},
    {LinkReason::unknown_birth_near_name_same_commune, "unknown_birth_near_name_same_commune",
     "nom proche et même commune, date de naissance inconnue de l'un des deux"},
    {LinkReason::same_siren, "same_siren", "même numéro SIREN"},
    {LinkReason::same_rna, "same_rna", "même numéro RNA"},
    {LinkReason::same_address, "same_address", "même adresse"},
    {LinkReason::near_structure_name_same_commune, "near_structure_name_same_commune",
     "nom de structure proche et même commune"},
};

const ReasonRow& row_of(LinkReason reason) {
  return *std::find_if(std::begin(reason_rows), std::end(reason_rows),
                       [&](const ReasonRow& row) { return row.reason == reason; });
}

}  // namespace

LinkPerson link_person(std::string_view family, std::string_view given, std::uint32_t birth, std::string_view commune) {
  LinkPerson out{fold_name(family), fold_name(given), birth, std::string(commune), {}};
  out.name = person_name(out.family, out.given);
  return out;
}

LinkStructure link_structure(std::string_view name, std::string_view address, std::string_view commune,
                             std::string_view siren, std::string_view rna) {
  LinkStructure out;
  out.name = fold_structure_name(name);
  out.address = fold_address(address);
  out.commune = commune;
  out.siren = digits_of(siren);
  if (out.siren.size() == siret_digits) out.siren.resize(siren_digits);
  if (out.siren.size() != siren_digits) out.siren.clear();
  for (const std::string& word : all_words_of(fold_name(rna))) out.rna += word;
  out.name_parts = name_field(out.name);
  return out;
}

std::string fold_structure_name(std::string_view name) {
  const std::vector<std::string> words = all_words_of(fold_name(name));
  std::vector<std::string> out;
  std::copy_if(words.begin(), words.end(), std::back_inserter(out), [](const std::string& word) {
    return std::find(legal_forms.begin(), legal_forms.end(), word) == legal_forms.end();
  });
  return joined(out.empty() ? words : out);
}

std::string fold_address(std::string_view address) {
  std::vector<std::string> out;
  for (std::string& word : all_words_of(fold_name(address))) {
    if (word.size() == postcode_digits && all_digits(word)) continue;
    const auto* known = std::find_if(std::begin(address_words), std::end(address_words),
                                     [&](const Word& each) { return each.from == word; });
    if (known != std::end(address_words)) word = known->to;
    if (!word.empty()) out.push_back(std::move(word));
  }
  return joined(out);
}

BirthLikeness birth_likeness(std::uint32_t a, std::uint32_t b) {
  if (a == 0 || b == 0) return BirthLikeness::unknown;
  if (a == b) return BirthLikeness::same;
  if (year_of(a) == year_of(b) && month_of(a) == day_of(b) && day_of(a) == month_of(b)) return BirthLikeness::exchanged;
  const bool same_day = a % 10000 == b % 10000;
  if (same_day && (year_of(a) + 1 == year_of(b) || year_of(b) + 1 == year_of(a))) return BirthLikeness::slip;
  const auto left = digits_of(a);
  const auto right = digits_of(b);
  std::size_t first = date_digits;
  std::size_t differing = 0;
  for (std::size_t i = 0; i < date_digits; ++i) {
    if (left[i] == right[i]) continue;
    if (differing++ == 0) first = i;
  }
  if (differing == 1) return BirthLikeness::slip;
  const bool neighbours = differing == 2 && left[first] == right[first + 1] && left[first + 1] == right[first];
  return neighbours ? BirthLikeness::slip : BirthLikeness::different;
}

std::string_view text_of(LinkReason reason) { return row_of(reason).text; }
std::string_view french(LinkReason reason) { return row_of(reason).french; }

std::optional<LinkReason> link_reason_of(std::uint8_t number) {
  for (const ReasonRow& row : reason_rows)
    if (static_cast<std::uint8_t>(row.reason) == number) return row.reason;
  return std::nullopt;
}

std::optional<LinkReason> reason_to_link(const LinkPerson& a, const LinkPerson& b) {
  // Cheapest first: among ten thousand, most differ here.
  const BirthLikeness birth = birth_likeness(a.birth, b.birth);
  const bool same_commune = known_and_same(a.commune, b.commune);
  if (birth == BirthLikeness::different || (birth == BirthLikeness::unknown && !same_commune)) return std::nullopt;
  const Likeness name = likeness(a.name, b.name);
  const bool same_name = name == Likeness::same;
  if (name == Likeness::different) return std::nullopt;
  if (name == Likeness::family_alone)
    return birth == BirthLikeness::same ? std::optional(LinkReason::same_birth_family_name) : std::nullopt;
  if (name == Likeness::given_near)
    return birth == BirthLikeness::same ? std::optional(LinkReason::same_birth_near_name) : std::nullopt;
  switch (birth) {
    case BirthLikeness::same: return same_name ? LinkReason::same_birth_same_name : LinkReason::same_birth_near_name;
    case BirthLikeness::exchanged:
      return same_name ? LinkReason::exchanged_birth_same_name : LinkReason::exchanged_birth_near_name;
    case BirthLikeness::slip:
      if (name == Likeness::near_in_part && !same_commune) return std::nullopt;
      return same_name ? LinkReason::slip_in_birth_same_name : LinkReason::slip_in_birth_near_name;
    case BirthLikeness::unknown:
      // With no date to hold it, a word left over may well be another person's.
      if (name == Likeness::near_in_part) return std::nullopt;
      return same_name ? LinkReason::unknown_birth_same_name_same_commune
                       : LinkReason::unknown_birth_near_name_same_commune;
    case BirthLikeness::different: break;
  }
  return std::nullopt;
}

std::optional<LinkReason> reason_to_link(const LinkStructure& a, const LinkStructure& b) {
  if (known_and_same(a.siren, b.siren)) return LinkReason::same_siren;
  if (known_and_same(a.rna, b.rna)) return LinkReason::same_rna;
  if (!known_and_same(a.commune, b.commune)) return std::nullopt;
  // A street alone is no address.
  if (has_number(a.address) && a.address == b.address) return LinkReason::same_address;
  const bool another = (!a.siren.empty() && !b.siren.empty()) || (!a.rna.empty() && !b.rna.empty());
  if (!another && likeness(a.name_parts, b.name_parts) != Likeness::different)
    return LinkReason::near_structure_name_same_commune;
  return std::nullopt;
}

}  // namespace pli::client
