// The communes of France, by which a case finds its département: a person's by commune of residence, a
// structure's by the commune of its address. Immutable once loaded, so any thread may read it. Source,
// licence, format: README.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace pli::config {

inline constexpr const char* commune_table_file = "communes.tsv";  ///< its name in data_folder()
inline constexpr std::size_t commune_table_bytes_max = 8u << 20;
inline constexpr std::size_t commune_name_bytes_max = 100;

/// One commune, or one arrondissement municipal of Paris, Lyon or Marseille. The views live as long as the
/// table.
struct Commune {
  std::string_view code;         ///< INSEE code: five characters, "2A004" in Corsica
  std::string_view name;         ///< official spelling, UTF-8
  std::string_view departement;  ///< "01" to "95", "2A", "2B", "971" to "988"
  std::uint32_t population;      ///< population légale; an arrondissement's is counted in its commune's too
  std::string_view part_of;      ///< code of the commune an arrondissement municipal is part of; empty for a commune
};

/// The département an INSEE commune code lies in, or nothing when the code is not well-formed or names no
/// département there is. Says nothing of whether the commune exists. A postal code is not an INSEE code.
[[nodiscard]] std::optional<std::string> departement_of(std::string_view code);

/// The form in which names are compared: small letters without accents, ligatures spelt out, every run of
/// hyphens, apostrophes, spaces and brackets one space, the words st, ste, sts and stes spelt out. Composed
/// and decomposed accents alike. Nothing when `text` is not UTF-8.
[[nodiscard]] std::optional<std::string> fold_name(std::string_view text);

class CommuneTable {
 public:
  CommuneTable(CommuneTable&&) = default;
  CommuneTable& operator=(CommuneTable&&) = default;
  CommuneTable(const CommuneTable&) = delete;  // the copy's views would point into the original
  CommuneTable& operator=(const CommuneTable&) = delete;
  ~CommuneTable() = default;

  /// Reads and checks the whole table (0.9 MB); all or nothing.
  ///
  /// Errors: not_found, io_error, over_limit (file too large), corruption (cut short, rows out of order or
  /// twice, malformed code, département that is not the code's, bad number, name that is empty, too long or
  /// not UTF-8, arrondissement of no commune). The detail names the line, never its text.
  [[nodiscard]] static Result<CommuneTable> load(const std::filesystem::path& path);

  /// The same from bytes. Errors: corruption.
  [[nodiscard]] static Result<CommuneTable> parse(Bytes text);

  /// In order of code.
  [[nodiscard]] const std::vector<Commune>& all() const { return communes_; }

  /// Null when there is none. The code is taken as it is: no spaces, Corsica's letter in upper case.
  [[nodiscard]] const Commune* find_by_code(std::string_view code) const;

  /// All whose folded name equals that of `text`, in order of code: several communes share a name (twelve
  /// Sainte-Colombe), so a caller that needs one asks again with a département or a code. Never a nearest
  /// match: a wrong commune sends a case to a wrong département. Folds every name it passes: some
  /// milliseconds, meant for a form.
  [[nodiscard]] std::vector<const Commune*> find_by_name(
      std::string_view text, std::optional<std::string_view> departement = std::nullopt) const;

 private:
  CommuneTable(Bytes text, std::vector<Commune> communes) : text_(std::move(text)), communes_(std::move(communes)) {}

  Bytes text_;  // what the views in communes_ point into; a vector keeps its place when moved
  std::vector<Commune> communes_;
};

}  // namespace pli::config
