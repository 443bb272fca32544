#include "audit/checkpoint.hpp"

#include "audit/text_lines.hpp"
#include "audit/tree.hpp"
#include "crypto/base64.hpp"

namespace pli::audit {

std::string to_text(const TreeHead& head) {
  return head.origin + '\n' + std::to_string(head.size.value) + '\n' + crypto::to_base64(head.root) + '\n';
}

std::string sign_checkpoint(const TreeHead& head, const crypto::SigningKey& log_key) {
  // What we would refuse to read must never be signed.
  PLI_INVARIANT(is_key_name(head.origin));
  PLI_INVARIANT(head.size.value < tree_size_limit);
  PLI_INVARIANT(head.size.value != 0 || head.root == empty_root());
  Note note{to_text(head), {}};
  sign_note(note, head.origin, log_key);
  return to_text(note);
}

Result<TreeHead> parse_tree_head(std::string_view note_text) {
  const auto origin = take_line(note_text);
  const auto size_line = take_line(note_text);
  const auto root_line = take_line(note_text);
  if (!origin || !size_line || !root_line) return Error{Errc::invalid_input, "checkpoint without its three lines"};
  if (!note_text.empty()) return Error{Errc::invalid_input, "checkpoint with extension lines"};
  if (!is_key_name(*origin)) return Error{Errc::invalid_input, "checkpoint with an unusable origin"};
  const auto size = parse_decimal(*size_line);
  if (!size || *size >= tree_size_limit) return Error{Errc::invalid_input, "checkpoint with an unusable size"};
  const auto root_bytes = crypto::from_base64(*root_line);
  const auto root = root_bytes ? to_array<32>(*root_bytes) : std::nullopt;
  if (!root) return Error{Errc::invalid_input, "checkpoint with an unusable root"};
  if (*size == 0 && *root != empty_root()) return Error{Errc::invalid_input, "empty tree with another root"};
  return TreeHead{std::string(*origin), TreeSize{*size}, *root};
}

Result<VerifiedCheckpoint> verify_checkpoint(std::string_view note, const VerifierKey& log_key) {
  const Result<Note> parsed = parse_note(note);
  if (!parsed) return parsed.error();
  // Signature before contents: an unsigned note learns nothing from the error.
  if (auto signers = verify_note(*parsed, {&log_key, 1}); !signers) return signers.error();
  Result<TreeHead> head = parse_tree_head(parsed->text);
  if (!head) return head.error();
  if (head->origin != log_key.name)
    return Error{Errc::authentication_failed, "checkpoint of another log than its signer's"};
  return VerifiedCheckpoint(*std::move(head), std::string(note));
}

}  // namespace pli::audit
