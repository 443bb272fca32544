#include "protocol/suspension.hpp"

#include "audit/text_lines.hpp"
#include "protocol/limits.hpp"

namespace pli::protocol {
namespace {

constexpr std::string_view first_line = "pli-suspension/1";

Error invalid(const char* what) { return {Errc::invalid_input, what}; }

/// The value of the next line, which must bear `name`.
std::optional<std::string_view> take_value(std::string_view& rest, std::string_view name) {
  auto line = audit::take_line(rest);
  if (!line || !audit::take_prefix(*line, name) || !audit::take_prefix(*line, " ")) return std::nullopt;
  return line;
}

/// Positive, and small enough to be signed.
std::optional<std::uint64_t> take_number(std::string_view& rest, std::string_view name) {
  const auto text = take_value(rest, name);
  if (!text) return std::nullopt;
  const auto number = audit::parse_decimal(*text);
  if (!number || *number == 0 || *number >> 63 != 0) return std::nullopt;
  return number;
}

}  // namespace

UnixMillis Suspension::lapses_at() const { return from + suspension_life; }

std::string to_text(const Suspension& suspension) {
  return std::string(first_line) + "\ncontract " + suspension.contract + "\nmember " + suspension.member +
         "\ndirectory " + std::to_string(suspension.directory.value) + "\nfrom " +
         std::to_string(suspension.from.value) + "\n";
}

bool is_suspension(std::string_view note) { return audit::take_line(note) == first_line; }

Result<Suspension> parse_suspension(std::string_view note_text) {
  std::string_view rest = note_text;
  if (audit::take_line(rest) != first_line) return invalid("suspension");
  const auto contract = take_value(rest, "contract");
  const auto member = take_value(rest, "member");
  const auto directory = take_number(rest, "directory");
  const auto from = take_number(rest, "from");
  if (!contract || !is_token(*contract)) return invalid("contract");
  if (!member || !is_token(*member)) return invalid("member");
  if (!directory) return invalid("directory");
  if (!from || *from > static_cast<std::uint64_t>(INT64_MAX - suspension_life.count())) return invalid("from");
  if (!rest.empty()) return invalid("suspension");
  Suspension out;
  out.contract = *contract;
  out.member = *member;
  out.directory.value = *directory;
  out.from.value = static_cast<std::int64_t>(*from);
  return out;
}

Result<Suspension> verify_suspension_note(std::string_view note, const AuthoritySet& authorities) {
  if (!is_usable(authorities)) return invalid("trusted authorities");
  if (note.size() > suspension_bytes_max) return Error{Errc::over_limit, "suspension"};
  const auto parsed = audit::parse_note(note);
  if (!parsed) return parsed.error();
  auto suspension = parse_suspension(parsed->text);
  if (!suspension) return suspension.error();
  // At least one of them, and none of them wrongly.
  if (const auto signers = audit::verify_note(*parsed, authorities.keys); !signers) return signers.error();
  return suspension;
}

}  // namespace pli::protocol
