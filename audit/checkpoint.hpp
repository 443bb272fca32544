// Checkpoints: signed tree heads (C2SP tlog-checkpoint.md v1.0.0; formats §4).
#pragma once

#include <string>
#include <string_view>

#include "audit/note.hpp"
#include "base/id.hpp"

namespace pli::audit {

struct TreeHead {
  std::string origin;
  TreeSize size{};
  Digest root{};
  bool operator==(const TreeHead&) const = default;
};

[[nodiscard]] std::string to_text(const TreeHead& head);  ///< The three lines that are signed.

/// A tree head whose signature by the log's key was checked. Only verify_checkpoint makes one.
class VerifiedCheckpoint {
 public:
  [[nodiscard]] const TreeHead& head() const { return head_; }
  [[nodiscard]] TreeSize size() const { return head_.size; }
  [[nodiscard]] const Digest& root() const { return head_.root; }
  [[nodiscard]] const std::string& note() const { return note_; }  ///< The signed bytes, verbatim.

 private:
  VerifiedCheckpoint(TreeHead head, std::string note) : head_(std::move(head)), note_(std::move(note)) {}
  friend Result<VerifiedCheckpoint> verify_checkpoint(std::string_view note, const VerifierKey& log_key);
  TreeHead head_;
  std::string note_;
};

/// Signs as the log: key name = origin.
[[nodiscard]] std::string sign_checkpoint(const TreeHead& head, const crypto::SigningKey& log_key);
/// Shape only. Errors: invalid_input. Extension lines are refused (our profile).
[[nodiscard]] Result<TreeHead> parse_tree_head(std::string_view note_text);
/// Errors: invalid_input (shape), authentication_failed (key, origin other than the key's name).
[[nodiscard]] Result<VerifiedCheckpoint> verify_checkpoint(std::string_view note, const VerifierKey& log_key);

}  // namespace pli::audit
