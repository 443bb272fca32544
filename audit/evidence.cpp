#include "audit/evidence.hpp"

#include "audit/text_lines.hpp"

namespace pli::audit {
namespace {

constexpr std::string_view first_line = "pli-evidence/1\n";
constexpr std::string_view head =
    "pli-evidence/1\nTwo notes signed by one log that cannot both be true.\n\n---- first\n";
constexpr std::string_view separator = "\n---- second\n";

Result<void> check_note(std::string_view text) {
  const Result<Note> note = parse_note(text);
  if (!note) return note.error();
  const Result<TreeHead> tree = parse_tree_head(note->text);
  if (!tree) return tree.error();
  return {};
}

}  // namespace

std::string to_text(const Evidence& evidence) {
  PLI_INVARIANT(evidence.first.find(separator) == std::string::npos);
  std::string text(head);
  text += evidence.first;
  text += separator;
  text += evidence.second;
  return text;
}

Result<Evidence> parse_evidence(std::string_view text) {
  if (text.size() > evidence_bytes_max) return Error{Errc::over_limit, "evidence too long"};
  if (!take_prefix(text, head)) {
    const bool other = text.substr(0, first_line.size()) == first_line;
    return Error{Errc::invalid_input, other ? "evidence, but not two notes of a log" : "not evidence of version 1"};
  }
  const std::size_t end = text.find(separator);
  if (end == std::string_view::npos) return Error{Errc::invalid_input, "evidence without a second note"};
  const std::string_view first = text.substr(0, end);
  const std::string_view second = text.substr(end + separator.size());
  for (const std::string_view note : {first, second})
    if (auto shape = check_note(note); !shape) return shape.error();
  return Evidence{std::string(first), std::string(second)};
}

Finding compare(const TreeHead& first, const TreeHead& second) {
  if (first.origin != second.origin) return Finding::two_shards;
  if (second.size < first.size) return Finding::shrunk;
  if (second.size > first.size) return Finding::grown;
  return first.root == second.root ? Finding::same_tree : Finding::two_trees;
}

}  // namespace pli::audit
