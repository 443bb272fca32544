// Signed notes (C2SP signed-note.md v1.0.0; formats §3): text, an empty line, signature lines.
// Used for checkpoints and directory versions. Pure; safe on hostile input.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/sign.hpp"

namespace pli::audit {

inline constexpr std::size_t note_bytes_max = 512 * 1024;
inline constexpr std::size_t note_signatures_max = 64;
inline constexpr std::size_t key_name_bytes_max = 100;

/// Signature types we know; others are parsed and ignored.
enum class KeyType : std::uint8_t { ed25519 = 0x01, cosignature = 0x04 };

/// Key names here are [a-z0-9./_-]{1,100}.
[[nodiscard]] bool is_key_name(std::string_view name);

/// "name+hash+base64(type ‖ key)".
struct VerifierKey {
  std::string name;
  KeyType type = KeyType::ed25519;
  crypto::SignPublic key;
  auto operator<=>(const VerifierKey&) const = default;
};
[[nodiscard]] ByteArray<4> key_id(const VerifierKey& key);
[[nodiscard]] std::string to_text(const VerifierKey& key);
/// Errors: invalid_input (shape, name, base64, unknown type, or a hash that is not the key's).
[[nodiscard]] Result<VerifierKey> parse_verifier_key(std::string_view text);

struct NoteSignature {
  std::string name;
  ByteArray<4> id{};
  Bytes signature;  ///< what follows the key id
};
struct Note {
  std::string text;  ///< ends in LF
  std::vector<NoteSignature> signatures;
};

/// Shape only: nothing is verified. Errors: invalid_input, over_limit.
[[nodiscard]] Result<Note> parse_note(std::string_view bytes);
[[nodiscard]] std::string to_text(const Note& note);

/// Adds an Ed25519 (type 0x01) signature over the note's text.
void sign_note(Note& note, std::string_view name, const crypto::SigningKey& key);

/// Which of `known` keys (type 0x01) signed, each once, in the order of `known`. A known (name, id) whose signature
/// does not verify rejects the whole note. Errors: authentication_failed when one is bad or none is known.
[[nodiscard]] Result<std::vector<std::size_t>> verify_note(const Note& note, std::span<const VerifierKey> known);

}  // namespace pli::audit
