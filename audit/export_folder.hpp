// What an auditor takes away: a part of the log as a folder that is verified with the log's key alone
// (docs/protocol.md, "Export folder"). Checkpoint, policy and tiles are C2SP's; here are the period and the records.
// Pure: reading is a function passed in. Safe on hostile input.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "audit/leaf.hpp"
#include "audit/record.hpp"

namespace pli::audit {

/// Files of the folder; beside them stand the tiles and bundles, under the paths of audit/tile.hpp.
inline constexpr std::string_view export_checkpoint_file = "checkpoint";
inline constexpr std::string_view export_policy_file = "policy";
inline constexpr std::string_view export_period_file = "period";
inline constexpr std::string_view export_records_file = "records";

inline constexpr std::size_t export_period_bytes_max = 256;
/// The longest disclosure there is: every field, all shown, with the longest names and values.
inline constexpr std::size_t disclosure_bytes_max =
    3 + record_fields_max * (32 + 1 + 16 + 1 + 32 + 4 + record_value_bytes_max);

/// The leaves [from, to), whose times are in [after, before).
struct ExportPeriod {
  LeafIndex from{};
  TreeSize to{};
  UnixMillis after{};
  UnixMillis before{};
  bool operator==(const ExportPeriod&) const = default;
};
/// from <= to < 2^63, 0 <= after <= before: what to_text demands.
[[nodiscard]] bool is_encodable(const ExportPeriod& period);
/// A period that is not encodable is our mistake and terminates.
[[nodiscard]] std::string to_text(const ExportPeriod& period);
/// Whatever parses writes back the same. Errors: invalid_input.
[[nodiscard]] Result<ExportPeriod> parse_export_period(std::string_view text);
/// Is leaf `index` where its time puts it: before the period, in it, or after it? For the leaves next to the period
/// too, so that none of it was left out. Errors: authentication_failed.
[[nodiscard]] Result<void> check_leaf_time(const ExportPeriod& period, LeafIndex index, const Leaf& leaf);

/// The file of records begins with it.
inline constexpr std::string_view export_records_first_line = "pli-records/1\n";

struct ExportRecord {
  LeafIndex index{};
  std::optional<Disclosure> disclosure;  ///< nothing when the values were erased at term
  bool operator==(const ExportRecord&) const = default;
};
/// u64 index ‖ u32 length ‖ disclosure.
[[nodiscard]] Bytes encode(const ExportRecord& record);
/// Is it the record its leaf commits to? One whose values were erased shows nothing that could be compared.
/// Errors: authentication_failed.
[[nodiscard]] Result<void> check_record(const ExportRecord& record, const Leaf& leaf);

/// Fills `out` with what comes next and says how much; less than asked only at the end. Errors: the storage's.
using ByteSource = std::function<Result<std::size_t>(std::span<std::uint8_t> out)>;

/// Reads a file of records one at a time, in memory at most the longest disclosure.
class ExportRecords {
 public:
  /// Reads the first line. Errors: invalid_input, the source's.
  [[nodiscard]] static Result<ExportRecords> open(const ExportPeriod& period, ByteSource source);
  /// The next record, whose index is that of the next leaf and whose shown fields are those committed to. Nothing once
  /// the period's last was read and the file ends there.
  /// Errors: invalid_input (another index, malformed, cut, bytes left over), authentication_failed (a shown field),
  /// the source's.
  [[nodiscard]] Result<std::optional<ExportRecord>> next();

 private:
  ExportRecords(const ExportPeriod& period, ByteSource source)
      : next_(period.from), end_(period.to), source_(std::move(source)) {}
  [[nodiscard]] Result<Bytes> take(std::size_t size);
  LeafIndex next_;
  TreeSize end_;
  ByteSource source_;
};

}  // namespace pli::audit
