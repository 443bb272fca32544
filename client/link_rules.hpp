// Which two cases may concern one person or one structure, and why, in words for the secretariat (domain.md, 24). A
// rule either gives its reason or says nothing: there is no score, and nothing is merged. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/name_likeness.hpp"

namespace pli::client {

/// A person reported, as compared. Folded, so that how it was typed is not kept.
struct LinkPerson {
  std::string family;
  std::string given;
  std::uint32_t birth = 0;  ///< year * 10000 + month * 100 + day; 0: unknown
  std::string commune;      ///< of residence, INSEE code; empty: unknown
  PersonName name;          ///< of `family` and `given`
};
/// Of what was typed.
[[nodiscard]] LinkPerson link_person(std::string_view family, std::string_view given, std::uint32_t birth,
                                     std::string_view commune);

struct LinkStructure {
  std::string name;     ///< folded, without legal forms ("SARL", "association")
  std::string address;  ///< folded, abbreviations written out, without postcode
  std::string commune;
  std::string siren;  ///< nine digits, of a SIRET the first nine; empty: unknown
  std::string rna;    ///< "w" and nine digits
  NameField name_parts;
};
[[nodiscard]] LinkStructure link_structure(std::string_view name, std::string_view address, std::string_view commune,
                                           std::string_view siren, std::string_view rna);

[[nodiscard]] std::string fold_structure_name(std::string_view name);
[[nodiscard]] std::string fold_address(std::string_view address);

enum class BirthLikeness { unknown, different, slip, exchanged, same };
/// exchanged: day and month in each other's place. slip: one digit typed wrong, two neighbours exchanged, or the year
/// before or after. Symmetric.
[[nodiscard]] BirthLikeness birth_likeness(std::uint32_t a, std::uint32_t b);

/// Why two cases are put side by side; closed. What is kept and shown with a decision.
enum class LinkReason : std::uint8_t {
  same_birth_same_name = 1,
  same_birth_near_name = 2,
  same_birth_family_name = 3,
  exchanged_birth_same_name = 4,
  exchanged_birth_near_name = 5,
  slip_in_birth_same_name = 6,
  slip_in_birth_near_name = 7,
  unknown_birth_same_name_same_commune = 8,
  unknown_birth_near_name_same_commune = 9,
  same_siren = 10,
  same_rna = 11,
  same_address = 12,
  near_structure_name_same_commune = 13,
};
[[nodiscard]] std::string_view text_of(LinkReason reason);  ///< "same_birth_same_name": for scripts
[[nodiscard]] std::string_view french(LinkReason reason);   ///< « même date de naissance et même nom »
[[nodiscard]] std::optional<LinkReason> link_reason_of(std::uint8_t number);

/// Symmetric. Nothing: no rule speaks.
[[nodiscard]] std::optional<LinkReason> reason_to_link(const LinkPerson& a, const LinkPerson& b);
[[nodiscard]] std::optional<LinkReason> reason_to_link(const LinkStructure& a, const LinkStructure& b);

}  // namespace pli::client
