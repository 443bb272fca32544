// A suspension (design §4): any one authority takes a member's rights away at once, without waiting for k of n. It can
// only remove, lapses after suspension_life unless a version of the directory revokes the member by then, and is undone
// by any version that writes the member's entry anew. docs/protocol.md, "Suspension".
#pragma once

#include <string>
#include <string_view>

#include "audit/note.hpp"
#include "base/clock.hpp"
#include "base/id.hpp"
#include "base/result.hpp"
#include "protocol/directory.hpp"

namespace pli::protocol {

/// The text of its note:
///   pli-suspension/1
///   contract <id>
///   member <id>
///   directory <n>     the version in force when it was written; one suspension for each version and member
///   from <ms>
struct Suspension {
  std::string contract;
  std::string member;
  DirectoryNumber directory{};
  UnixMillis from{};
  bool operator==(const Suspension&) const = default;
  [[nodiscard]] UnixMillis lapses_at() const;
};
[[nodiscard]] std::string to_text(const Suspension& suspension);
/// Whether a note begins as one: what tells it from a version of the directory.
[[nodiscard]] bool is_suspension(std::string_view note);
/// What parses prints to the same text. Errors: invalid_input.
[[nodiscard]] Result<Suspension> parse_suspension(std::string_view note_text);

/// Checks that one of `authorities` signed; several may have. Nothing is said about time or about the member.
/// Errors: invalid_input, over_limit, authentication_failed.
[[nodiscard]] Result<Suspension> verify_suspension_note(std::string_view note, const AuthoritySet& authorities);

}  // namespace pli::protocol
