#include "client/record_filter.hpp"

#include <algorithm>

#include "audit/text_lines.hpp"
#include "protocol/vocabulary.hpp"

namespace pli::client {
namespace {

constexpr std::size_t id_digits = 64;
constexpr std::uint8_t code_last = static_cast<std::uint8_t>(protocol::Code::stopped);

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string without_blanks(std::string_view typed) {
  std::string out;
  for (std::size_t i = 0; i < typed.size(); ++i) {
    // What thousands are set apart by, and what a word processor pastes: the two no-break spaces.
    if (typed.substr(i, 2) == "\xc2\xa0")
      ++i;
    else if (typed.substr(i, 3) == "\xe2\x80\xaf")
      i += 2;
    else if (!is_blank(typed[i]))
      out += lower(typed[i]);
  }
  return out;
}

bool has_role(std::string_view roles, std::string_view wanted) {
  while (true) {
    const std::size_t comma = roles.find(',');
    if (roles.substr(0, comma) == wanted) return true;
    if (comma == std::string_view::npos) return false;
    roles.remove_prefix(comma + 1);
  }
}

}  // namespace

std::string shown_value(const audit::Disclosure& record, std::string_view field) {
  const Bytes* value = record.find(field);
  if (value == nullptr) return {};
  const std::string_view text = as_text(*value);
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
  // What is 32 or 64 bytes by its nature stays hexadecimal even when every byte happens to be a letter.
  static constexpr std::string_view raw_fields[] = {"exchange", "case", "reply_to",  "recipients", "head",
                                                    "key",      "note", "statement", "signature"};
  const bool raw = std::find(std::begin(raw_fields), std::end(raw_fields), field) != std::end(raw_fields);
  return plain && !raw ? std::string(text) : to_hex(*value);
}

bool RecordFilter::matches(const AuditedRecord& record) const {
  if (type && record.leaf.type != *type) return false;
  if (not_before && record.leaf.time < *not_before) return false;
  if (before && record.leaf.time >= *before) return false;
  const auto is = [&](const std::string& wanted, std::string_view field) {
    if (wanted.empty()) return true;
    const Bytes* value = record.record.find(field);
    return value != nullptr && as_text(*value) == wanted;
  };
  const auto begins = [&](const std::string& wanted, std::string_view field) {
    return wanted.empty() || shown_value(record.record, field).compare(0, wanted.size(), wanted) == 0;
  };
  return is(member, "actor") && is(person, "person") && is(organisation, "organisation") &&
         (role.empty() || has_role(shown_value(record.record, "role"), role)) && is(queue, "queue") &&
         is(kind, "kind") && is(motif, "motif") && is(outcome, "outcome") && is(rule, "rule") &&
         begins(exchange, "exchange") && begins(case_id, "case");
}

std::optional<std::string> typed_id(std::string_view typed) {
  std::string out = without_blanks(typed);
  const bool hex =
      std::all_of(out.begin(), out.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (!hex || out.empty() || out.size() > id_digits) return std::nullopt;
  return out;
}

std::optional<LeafIndex> typed_place(std::string_view typed) {
  const auto number = audit::parse_decimal(without_blanks(typed));
  if (!number || *number >= audit::tree_size_limit) return std::nullopt;
  return LeafIndex{*number};
}

std::optional<TypedPlace> typed_shard_place(std::string_view typed) {
  const std::size_t slash = typed.rfind('/');
  const bool named = slash != std::string_view::npos;
  const auto index = typed_place(named ? typed.substr(slash + 1) : typed);
  std::string shard = named ? without_blanks(typed.substr(0, slash)) : std::string();
  if (!index || (named && shard.empty())) return std::nullopt;
  return TypedPlace{std::move(shard), *index};
}

std::vector<std::string> act_names() {
  std::vector<std::string> out;
  for (auto i = static_cast<unsigned>(audit::LeafType::collecte); i <= static_cast<unsigned>(audit::LeafType::registre);
       ++i)
    out.emplace_back(audit::text_of(static_cast<audit::LeafType>(i)));
  return out;
}

std::vector<std::string> motif_names() {
  std::vector<std::string> out;
  for (protocol::Motif motif : protocol::all_motifs()) out.emplace_back(protocol::text_of(motif));
  return out;
}

std::vector<std::string> role_names() {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < protocol::role_count; ++i)
    out.emplace_back(protocol::text_of(static_cast<protocol::Role>(i)));
  return out;
}

std::vector<std::string> kind_names() {
  std::vector<std::string> out;
  for (const protocol::KindRow& row : protocol::kind_table()) out.emplace_back(row.name);
  return out;
}

std::vector<std::string> outcome_names() {
  std::vector<std::string> out{"ok"};
  for (std::uint8_t number = 1; number <= code_last; ++number)
    if (const auto code = protocol::code_of_number(number)) out.emplace_back(protocol::text_of(*code));
  return out;
}

std::optional<std::string> name_in(const std::vector<std::string>& list, std::string_view typed) {
  const std::string wanted = without_blanks(typed);
  for (const std::string& name : list)
    if (without_blanks(name) == wanted) return name;
  return std::nullopt;
}

std::string csv_line(const std::vector<std::string>& cells) {
  std::string out;
  for (const std::string& cell : cells) {
    if (&cell != &cells.front()) out += ',';
    const bool formula = !cell.empty() && std::string_view("=+-@\t\r").find(cell.front()) != std::string_view::npos;
    const std::string shown = formula ? "'" + cell : cell;
    if (shown.find_first_of(",\"\r\n") == std::string::npos && !formula) {
      out += shown;
      continue;
    }
    out += '"';
    for (char c : shown) {
      if (c == '"') out += '"';
      out += c;
    }
    out += '"';
  }
  return out + "\r\n";
}

}  // namespace pli::client
