#include "audit/export_folder.hpp"

#include "audit/text_lines.hpp"
#include "audit/tree.hpp"

namespace pli::audit {
namespace {

constexpr std::string_view period_first_line = "pli-export/1";
constexpr std::string_view from_prefix = "from ";
constexpr std::string_view to_prefix = "to ";
constexpr std::string_view after_prefix = "after ";
constexpr std::string_view before_prefix = "before ";

/// A line of a number below 2^63.
std::optional<std::uint64_t> take_number(std::string_view& text, std::string_view prefix) {
  auto line = take_line(text);
  if (!line || !take_prefix(*line, prefix)) return std::nullopt;
  const auto value = parse_decimal(*line);
  return value && *value < tree_size_limit ? value : std::nullopt;
}

}  // namespace

bool is_encodable(const ExportPeriod& period) {
  return period.from.value <= period.to.value && period.to.value < tree_size_limit && period.after.value >= 0 &&
         period.after <= period.before;
}

std::string to_text(const ExportPeriod& period) {
  PLI_INVARIANT(is_encodable(period));
  std::string out(period_first_line);
  const auto line = [&out](std::string_view prefix, const std::string& number) {
    out += '\n';
    out += prefix;
    out += number;
  };
  line(from_prefix, std::to_string(period.from.value));
  line(to_prefix, std::to_string(period.to.value));
  line(after_prefix, std::to_string(period.after.value));
  line(before_prefix, std::to_string(period.before.value));
  out += '\n';
  return out;
}

Result<ExportPeriod> parse_export_period(std::string_view text) {
  const Error malformed{Errc::invalid_input, "malformed period"};
  if (text.size() > export_period_bytes_max) return malformed;
  const auto first = take_line(text);
  if (!first || *first != period_first_line)
    return Error{Errc::invalid_input, "not the period of an export, version 1"};
  const auto from = take_number(text, from_prefix);
  const auto to = take_number(text, to_prefix);
  const auto after = take_number(text, after_prefix);
  const auto before = take_number(text, before_prefix);
  if (!from || !to || !after || !before || !text.empty()) return malformed;
  const ExportPeriod period{LeafIndex{*from}, TreeSize{*to}, UnixMillis{static_cast<std::int64_t>(*after)},
                            UnixMillis{static_cast<std::int64_t>(*before)}};
  if (!is_encodable(period)) return malformed;
  return period;
}

Result<void> check_leaf_time(const ExportPeriod& period, LeafIndex index, const Leaf& leaf) {
  if (index < period.from) {
    if (leaf.time < period.after) return {};
    return Error{Errc::authentication_failed, "a leaf of the period's time before its first leaf"};
  }
  if (index.value >= period.to.value) {
    if (leaf.time >= period.before) return {};
    return Error{Errc::authentication_failed, "a leaf of the period's time after its last leaf"};
  }
  if (leaf.time >= period.after && leaf.time < period.before) return {};
  return Error{Errc::authentication_failed, "a leaf of the period with a time out of it"};
}

Bytes encode(const ExportRecord& record) {
  ByteWriter writer;
  writer.u64(record.index.value);
  writer.bytes32(record.disclosure ? encode(*record.disclosure) : Bytes{});
  return writer.take();
}

Result<void> check_record(const ExportRecord& record, const Leaf& leaf) {
  if (!record.disclosure || record_digest(*record.disclosure) == leaf.record) return {};
  return Error{Errc::authentication_failed, "the record is not the one of the leaf"};
}

Result<ExportRecords> ExportRecords::open(const ExportPeriod& period, ByteSource source) {
  ExportRecords records(period, std::move(source));
  const Result<Bytes> first = records.take(export_records_first_line.size());
  if (!first) return first.error();
  if (as_text(*first) != export_records_first_line)
    return Error{Errc::invalid_input, "not the records of an export, version 1"};
  return records;
}

Result<std::optional<ExportRecord>> ExportRecords::next() {
  if (next_.value >= end_.value) {
    ByteArray<1> beyond{};
    const Result<std::size_t> got = source_(beyond);
    if (!got) return got.error();
    if (*got != 0) return Error{Errc::invalid_input, "records after the last one of the period"};
    return std::optional<ExportRecord>();
  }
  const Result<Bytes> head = take(8 + 4);
  if (!head) return head.error();
  ByteReader reader(*head);
  ExportRecord record;
  record.index = LeafIndex{reader.u64()};
  const std::size_t length = reader.u32();
  if (record.index != next_) return Error{Errc::invalid_input, "a record of another leaf than the next"};
  if (length > disclosure_bytes_max) return Error{Errc::invalid_input, "a record longer than any"};
  if (length != 0) {
    const Result<Bytes> bytes = take(length);
    if (!bytes) return bytes.error();
    Result<Disclosure> disclosure = decode_disclosure(*bytes);
    if (!disclosure) return disclosure.error();
    record.disclosure = *std::move(disclosure);
  }
  ++next_.value;
  return std::optional<ExportRecord>(std::move(record));
}

Result<Bytes> ExportRecords::take(std::size_t size) {
  Bytes bytes(size);
  const Result<std::size_t> got = source_(bytes);
  if (!got) return got.error();
  if (*got != size) return Error{Errc::invalid_input, "records cut short"};
  return bytes;
}

}  // namespace pli::audit
