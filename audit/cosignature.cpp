#include "audit/cosignature.hpp"

#include <algorithm>

namespace pli::audit {
namespace {

bool is_time(UnixSeconds time) { return time.value != 0 && time.value < cosignature_time_limit; }

}  // namespace

UnixSeconds to_seconds(UnixMillis time) {
  return {time.value <= 0 ? 0 : static_cast<std::uint64_t>(time.value) / 1000};
}

Bytes encode(const Cosignature& cosignature) {
  PLI_INVARIANT(is_time(cosignature.time));
  ByteWriter writer;
  writer.raw(cosignature.key_id);
  writer.u64(cosignature.time.value);
  writer.raw(cosignature.signature);
  return writer.take();
}

Result<Cosignature> decode_cosignature(ByteView payload) {
  ByteReader reader(payload);
  Cosignature cosignature;
  cosignature.key_id = reader.array<4>();
  cosignature.time = UnixSeconds{reader.u64()};
  cosignature.signature = reader.array<64>();
  if (!reader.at_end()) return Error{Errc::invalid_input, "cosignature of a wrong length"};
  if (!is_time(cosignature.time)) return Error{Errc::invalid_input, "cosignature with an unusable time"};
  return cosignature;
}

std::string cosigned_message(std::string_view note_text, UnixSeconds time) {
  std::string message = "cosignature/v1\ntime " + std::to_string(time.value) + '\n';
  message += note_text;
  return message;
}

NoteSignature cosign(std::string_view note_text, std::string_view name, const crypto::SigningKey& key,
                     UnixSeconds time) {
  PLI_INVARIANT(is_key_name(name));
  PLI_INVARIANT(!note_text.empty() && note_text.back() == '\n');
  PLI_INVARIANT(is_time(time));
  const VerifierKey witness{std::string(name), KeyType::cosignature, key.public_key()};
  const crypto::Signature signature = crypto::sign_raw(key, as_bytes(cosigned_message(note_text, time)));
  const Bytes payload = encode(Cosignature{key_id(witness), time, signature});
  return {witness.name, key_id(witness), to_bytes(ByteView(payload).subspan(4))};
}

Result<UnixSeconds> verify_cosignature(std::string_view note_text, const NoteSignature& line,
                                       const VerifierKey& witness, UnixSeconds now) {
  const Error refused{Errc::authentication_failed, "not a cosignature of this witness"};
  if (witness.type != KeyType::cosignature || line.name != witness.name || line.id != key_id(witness)) return refused;
  Bytes payload = to_bytes(line.id);
  append(payload, line.signature);
  const Result<Cosignature> cosignature = decode_cosignature(payload);
  if (!cosignature) return cosignature.error();
  const UnixSeconds time = cosignature->time;
  if (!crypto::verify_raw(witness.key, as_bytes(cosigned_message(note_text, time)), cosignature->signature))
    return refused;
  // Both are below 2^63 or `now` is absurd: a difference cannot wrap, a sum could.
  if (time > now && time.value - now.value > cosignature_ahead_seconds_max)
    return Error{Errc::unavailable, "cosignature ahead of our clock"};
  return time;
}

Result<CosignedCheckpoint> verify_cosigned_checkpoint(std::string_view note, const VerifierKey& log_key,
                                                      std::span<const VerifierKey> witnesses, UnixSeconds now) {
  Result<VerifiedCheckpoint> checkpoint = verify_checkpoint(note, log_key);
  if (!checkpoint) return checkpoint.error();
  const Result<Note> parsed = parse_note(note);
  if (!parsed) return parsed.error();
  std::vector<Cosigner> cosigners;
  for (std::size_t i = 0; i < witnesses.size(); ++i) {
    const VerifierKey& witness = witnesses[i];
    if (witness.type != KeyType::cosignature) continue;
    const ByteArray<4> id = key_id(witness);
    const auto line = std::find_if(parsed->signatures.begin(), parsed->signatures.end(),
                                   [&](const NoteSignature& s) { return s.id == id && s.name == witness.name; });
    if (line == parsed->signatures.end()) continue;
    const Result<UnixSeconds> time = verify_cosignature(parsed->text, *line, witness, now);
    if (!time && time.error().code == Errc::unavailable) continue;
    if (!time) return Error{Errc::authentication_failed, "note not cosigned as it must be"};
    const auto same_key = [&](const Cosigner& other) { return witnesses[other.witness].key == witness.key; };
    if (std::none_of(cosigners.begin(), cosigners.end(), same_key)) cosigners.push_back({i, *time});
  }
  return CosignedCheckpoint(*std::move(checkpoint), std::move(cosigners));
}

}  // namespace pli::audit
