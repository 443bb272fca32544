// Invented people as reports name them, the same from the same seed: among them brothers and sisters, twins and
// namesakes, and persons reported a second time by somebody who wrote the name by ear. Names are put together from
// lists of common ones (French, Maghrebi, Breton, Portuguese, Turkish, Vietnamese, West African); nobody is meant.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace pli::testing {

struct InventedPerson {
  std::string family;
  std::string given;
  std::uint32_t birth = 0;  ///< year * 10000 + month * 100 + day; 0: unknown
  std::string commune;      ///< may be empty
  std::size_t who = 0;      ///< two with the same number are one person
};

/// `count` reports, `duplicates` of them of a person that another report of the set names. In no particular order.
/// Persons of different seeds are different persons: `who` begins at `first`.
[[nodiscard]] std::vector<InventedPerson> invent_persons(std::uint64_t seed, std::size_t count, std::size_t duplicates,
                                                         std::size_t first = 0);

}  // namespace pli::testing
