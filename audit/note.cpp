#include "audit/note.hpp"

#include <algorithm>

#include "audit/text_lines.hpp"
#include "crypto/base64.hpp"
#include "crypto/hash.hpp"

namespace pli::audit {
namespace {

constexpr std::string_view signature_prefix = "\xE2\x80\x94 ";  // U+2014, one space

/// Well-formed UTF-8 (no overlong form, no surrogate, nothing above U+10FFFF) without control bytes but LF.
bool is_note_text(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(text[at]); };
  for (std::size_t i = 0; i < text.size();) {
    const std::uint8_t lead = byte(i);
    if (lead < 0x80) {
      if (lead < 0x20 && lead != '\n') return false;
      ++i;
      continue;
    }
    // RFC 3629, section 4: the second byte's range depends on the first, the others are 80-BF.
    std::size_t length = 0;
    std::uint8_t low = 0x80;
    std::uint8_t high = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) {
      length = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
      length = 3;
      if (lead == 0xE0) low = 0xA0;
      if (lead == 0xED) high = 0x9F;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
      length = 4;
      if (lead == 0xF0) low = 0x90;
      if (lead == 0xF4) high = 0x8F;
    } else {
      return false;
    }
    if (text.size() - i < length) return false;
    if (byte(i + 1) < low || byte(i + 1) > high) return false;
    for (std::size_t k = 2; k < length; ++k)
      if (byte(i + k) < 0x80 || byte(i + k) > 0xBF) return false;
    i += length;
  }
  return true;
}

/// "— name base64" without its LF.
Result<NoteSignature> parse_signature_line(std::string_view line) {
  const Error malformed{Errc::invalid_input, "malformed signature line"};
  if (!take_prefix(line, signature_prefix)) return malformed;
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return malformed;
  const std::string_view name = line.substr(0, space);
  if (!is_key_name(name)) return malformed;
  const auto payload = crypto::from_base64(line.substr(space + 1));
  if (!payload || payload->size() < 5) return malformed;
  NoteSignature signature;
  signature.name = name;
  std::copy_n(payload->begin(), 4, signature.id.begin());
  signature.signature.assign(payload->begin() + 4, payload->end());
  return signature;
}

}  // namespace

bool is_key_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '/' || c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= key_name_bytes_max && std::all_of(name.begin(), name.end(), allowed);
}

ByteArray<4> key_id(const VerifierKey& key) {
  const ByteArray<2> separator_and_type = {'\n', static_cast<std::uint8_t>(key.type)};
  const Digest digest = crypto::sha256({as_bytes(key.name), ByteView(separator_and_type), ByteView(key.key.bytes)});
  return {digest[0], digest[1], digest[2], digest[3]};
}

std::string to_text(const VerifierKey& key) {
  PLI_INVARIANT(is_key_name(key.name));
  Bytes typed = {static_cast<std::uint8_t>(key.type)};
  append(typed, key.key.bytes);
  return key.name + '+' + to_hex(key_id(key)) + '+' + crypto::to_base64(typed);
}

Result<VerifierKey> parse_verifier_key(std::string_view text) {
  // Base64 may hold a '+' too: only the first two separate.
  const std::size_t first = text.find('+');
  const std::size_t second = first == std::string_view::npos ? first : text.find('+', first + 1);
  if (second == std::string_view::npos) return Error{Errc::invalid_input, "verifier key without its three parts"};
  const std::string_view name = text.substr(0, first);
  if (!is_key_name(name)) return Error{Errc::invalid_input, "verifier key with an unusable name"};
  const auto id = from_hex(text.substr(first + 1, second - first - 1));
  const auto typed = crypto::from_base64(text.substr(second + 1));
  if (!id || id->size() != 4 || !typed || typed->empty()) return Error{Errc::invalid_input, "malformed verifier key"};

  VerifierKey key;
  key.name = name;
  key.type = static_cast<KeyType>(typed->front());
  if (key.type != KeyType::ed25519 && key.type != KeyType::cosignature)
    return Error{Errc::invalid_input, "verifier key of an unknown type"};
  const auto bytes = to_array<32>(ByteView(*typed).subspan(1));
  if (!bytes) return Error{Errc::invalid_input, "verifier key of a wrong length"};
  key.key.bytes = *bytes;
  if (!equal(*id, key_id(key))) return Error{Errc::invalid_input, "verifier key whose hash is not its own"};
  return key;
}

Result<Note> parse_note(std::string_view bytes) {
  if (bytes.size() > note_bytes_max) return Error{Errc::over_limit, "note too long"};
  if (!is_note_text(bytes)) return Error{Errc::invalid_input, "note is not plain UTF-8 text"};
  const std::size_t separator = bytes.rfind("\n\n");
  if (separator == std::string_view::npos) return Error{Errc::invalid_input, "note without an empty line"};
  Note note;
  note.text = bytes.substr(0, separator + 1);
  std::string_view rest = bytes.substr(separator + 2);
  if (rest.empty()) return Error{Errc::invalid_input, "note without a signature"};
  while (!rest.empty()) {
    const auto line = take_line(rest);
    if (!line) return Error{Errc::invalid_input, "note does not end in a line feed"};
    if (note.signatures.size() == note_signatures_max) return Error{Errc::over_limit, "note with too many signatures"};
    Result<NoteSignature> signature = parse_signature_line(*line);
    if (!signature) return signature.error();
    note.signatures.push_back(*std::move(signature));
  }
  return note;
}

std::string to_text(const Note& note) {
  std::string out = note.text;
  out += '\n';
  for (const NoteSignature& signature : note.signatures) {
    Bytes payload = to_bytes(signature.id);
    append(payload, signature.signature);
    out += signature_prefix;
    out += signature.name;
    out += ' ';
    out += crypto::to_base64(payload);
    out += '\n';
  }
  return out;
}

void sign_note(Note& note, std::string_view name, const crypto::SigningKey& key) {
  PLI_INVARIANT(is_key_name(name));
  PLI_INVARIANT(!note.text.empty() && note.text.back() == '\n' && is_note_text(note.text));
  PLI_INVARIANT(note.signatures.size() < note_signatures_max);
  const crypto::Signature signature = crypto::sign_raw(key, as_bytes(note.text));
  const VerifierKey verifier{std::string(name), KeyType::ed25519, key.public_key()};
  note.signatures.push_back({verifier.name, key_id(verifier), to_bytes(signature)});
}

Result<std::vector<std::size_t>> verify_note(const Note& note, std::span<const VerifierKey> known) {
  const Error refused{Errc::authentication_failed, "note not signed as it must be"};
  std::vector<std::size_t> signers;
  for (std::size_t i = 0; i < known.size(); ++i) {
    const VerifierKey& key = known[i];
    if (key.type != KeyType::ed25519) continue;
    const ByteArray<4> id = key_id(key);
    const auto line = std::find_if(note.signatures.begin(), note.signatures.end(),
                                   [&](const NoteSignature& s) { return s.id == id && s.name == key.name; });
    if (line == note.signatures.end()) continue;
    const auto signature = to_array<64>(line->signature);
    if (!signature || !crypto::verify_raw(key.key, as_bytes(note.text), *signature)) return refused;
    // Who holds one key counts once towards a threshold, however often and under whatever names it is listed.
    const auto same_key = [&](std::size_t signer) { return known[signer].key == key.key; };
    if (std::none_of(signers.begin(), signers.end(), same_key)) signers.push_back(i);
  }
  if (signers.empty()) return refused;
  return signers;
}

}  // namespace pli::audit
