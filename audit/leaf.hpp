// What the tree commits to: a few ASCII lines, under 1 KiB, without personal data (design §8).
//   pli-leaf/1 <type>
//   time <ms>
//   record <hex>
//   [directory <n> <hex>]
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/id.hpp"
#include "base/result.hpp"

namespace pli::audit {

inline constexpr std::size_t leaf_bytes_max = 1023;
inline constexpr std::size_t leaf_statement_bytes_max = 700;

/// The acts of the journal (design §8), and `registre`, the first leaf of a shard.
enum class LeafType : std::uint8_t {
  collecte,
  modification,
  consultation,
  communication,
  transfert,
  interconnexion,
  effacement,
  refus,
  connexion,
  habilitation,
  exportation,
  agrement,
  verification,
  registre,
};
[[nodiscard]] std::string_view text_of(LeafType type);  ///< `exportation` is written "export".
[[nodiscard]] std::optional<LeafType> leaf_type_of(std::string_view text);

struct DirectoryReference {
  DirectoryNumber number{};
  Digest digest{};
  bool operator==(const DirectoryReference&) const = default;
};

struct Leaf {
  LeafType type = LeafType::registre;
  UnixMillis time{};
  Digest record{};
  std::optional<DirectoryReference> directory;
  std::optional<std::string> statement;  ///< one line in clear for first leaves of a shard and monthly statements:
                                         ///< "statement <printable ASCII, at most 700 bytes>"
  bool operator==(const Leaf&) const = default;
};

/// A known type, a time that is not negative, a directory number that is not 0, a statement of 1 to 700 printable
/// ASCII bytes: what encode() demands. For a leaf made of somebody else's values.
[[nodiscard]] bool is_encodable(const Leaf& leaf);
/// Every line ends in LF. A leaf that is not encodable is our mistake and terminates.
[[nodiscard]] std::string encode(const Leaf& leaf);
/// Errors: invalid_input. Whatever decodes encodes to the same bytes.
[[nodiscard]] Result<Leaf> decode_leaf(std::string_view bytes);

}  // namespace pli::audit
