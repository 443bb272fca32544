// Monthly statistics of a log: counts of acts, of nobody in particular, that anybody holding the records recomputes to
// the same bytes. Layout and what is withheld: docs/protocol.md, "Statistics". Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "audit/leaf.hpp"
#include "audit/record.hpp"
#include "base/clock.hpp"
#include "base/id.hpp"
#include "base/result.hpp"

namespace pli::protocol {

/// Counts from 1 to one below this are not printed.
inline constexpr std::uint64_t statistics_shown_from = 5;

/// A calendar month, UTC: year·100 + month. From 1970 to 9999.
[[nodiscard]] bool is_month(std::uint32_t month);
[[nodiscard]] UnixMillis month_start(std::uint32_t month);
[[nodiscard]] std::string month_text(std::uint32_t month);  ///< "2026-11"
/// Nothing for what is no month written so.
[[nodiscard]] std::optional<std::uint32_t> month_of_text(std::string_view text);
[[nodiscard]] std::uint32_t month_before(std::uint32_t month);
[[nodiscard]] std::uint32_t month_after(std::uint32_t month);

/// The fields of a record that count, as text; empty where it has none. Views into the record.
struct CountedFields {
  std::string_view act;
  std::string_view outcome;
  std::string_view queue;
  std::string_view kind;
  std::string_view motif;
};
[[nodiscard]] CountedFields counted_fields(const audit::Record& record);
[[nodiscard]] CountedFields counted_fields(const audit::Disclosure& record);

/// Takes the leaves of one month one by one, and says what they come to. Memory: a number for each line of the text,
/// of which the vocabularies allow some hundreds, whatever the records hold.
class MonthlyStatistics {
 public:
  /// `origin` is the shard's; the month's leaves begin at `from`.
  MonthlyStatistics(std::string origin, std::uint32_t month, LeafIndex from);
  /// The next leaf. `fields` is null for a record that was erased.
  void add(audit::LeafType type, const CountedFields* fields);
  [[nodiscard]] LeafIndex next() const { return {from_ + records_ + erased_}; }
  [[nodiscard]] LeafIndex from() const { return {from_}; }
  [[nodiscard]] std::uint32_t month() const { return month_; }
  [[nodiscard]] std::string text() const;

 private:
  struct Cell {
    std::uint64_t count = 0;
    std::uint64_t acts = 0;  ///< types of the leaves counted here, as bits
    bool opens_case = false;
    bool returns = false;
    std::string instance;
  };
  void count(std::string section, std::string instance, std::string_view name, audit::LeafType type, bool opens_case,
             bool returns);

  std::string origin_;
  std::uint32_t month_;
  std::uint64_t from_;
  std::uint64_t records_ = 0;
  std::uint64_t erased_ = 0;
  std::map<audit::LeafType, std::uint64_t> acts_;
  std::map<std::string, Cell> cells_;  ///< by the line without its count
};

/// What the leaf says in clear: "statistics <YYYY-MM> <from> <to> <SHA-256 of the text> [<origin>]".
struct StatisticsStatement {
  std::uint32_t month = 0;
  LeafIndex from{};
  LeafIndex to{};  ///< excluded
  Digest text{};
  std::string shard{};  ///< origin, of a shard that was closed before its month was over; empty = the leaf's own
  bool operator==(const StatisticsStatement&) const = default;
};
[[nodiscard]] std::string to_text(const StatisticsStatement& statement);
/// Errors: invalid_input. Whatever parses prints to the same text.
[[nodiscard]] Result<StatisticsStatement> parse_statistics_statement(std::string_view text);

}  // namespace pli::protocol
