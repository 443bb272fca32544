// Which records an auditor wants to see: what he typed, checked against the closed lists, and compared field by field.
// Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "client/auditor.hpp"

namespace pli::client {

/// A record's text field; empty where it has none. Values are tokens of ours; anything else is shown as hexadecimal.
[[nodiscard]] std::string shown_value(const audit::Disclosure& record, std::string_view field);

/// Every condition that is not empty has to hold.
struct RecordFilter {
  std::optional<audit::LeafType> type;
  std::string member, person, organisation, role, queue, kind, motif, outcome, rule;
  std::string exchange, case_id;  ///< the first hexadecimal digits
  std::optional<UnixMillis> not_before, before;
  [[nodiscard]] bool matches(const AuditedRecord& record) const;
};

/// An id or the beginning of one as people paste it: spaces and capitals are not part of it. Nothing for what is no
/// hexadecimal of 1 to 64 digits.
[[nodiscard]] std::optional<std::string> typed_id(std::string_view typed);
/// A place in the journal as people paste it.
[[nodiscard]] std::optional<LeafIndex> typed_place(std::string_view typed);
/// The same behind the shard it is in: "2026-1/1204", or the shard's whole origin. Without one it is empty.
struct TypedPlace {
  std::string shard;
  LeafIndex index{};
};
[[nodiscard]] std::optional<TypedPlace> typed_shard_place(std::string_view typed);

/// The closed lists, as they are typed.
[[nodiscard]] std::vector<std::string> act_names();
[[nodiscard]] std::vector<std::string> motif_names();
[[nodiscard]] std::vector<std::string> role_names();
[[nodiscard]] std::vector<std::string> kind_names();
[[nodiscard]] std::vector<std::string> outcome_names();  ///< "ok", then the codes of refusals
/// The name meant, whatever its capitals; nothing when the list has none.
[[nodiscard]] std::optional<std::string> name_in(const std::vector<std::string>& list, std::string_view typed);

/// One line of RFC 4180, CRLF included. A cell a spreadsheet would take for a formula (it begins with = + - @, a tab or
/// a carriage return) is shown as text: an apostrophe comes before it.
[[nodiscard]] std::string csv_line(const std::vector<std::string>& cells);

}  // namespace pli::client
