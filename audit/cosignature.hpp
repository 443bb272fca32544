// Cosignatures: a witness says when it saw this tree head (C2SP tlog-cosignature.md v1.0.1, the Ed25519 form, type
// 0x04; formats §4.2). Pure: the time is passed in. Safe on hostile input.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "audit/checkpoint.hpp"
#include "base/clock.hpp"

namespace pli::audit {

/// A signature line's payload: key id (4) ‖ u64 time ‖ Ed25519 signature (64).
inline constexpr std::size_t cosignature_bytes = 76;
/// How far a witness's clock may be ahead of ours.
inline constexpr std::uint64_t cosignature_ahead_seconds_max = 300;
/// Times are below 2^63.
inline constexpr std::uint64_t cosignature_time_limit = std::uint64_t{1} << 63;

/// Seconds since the Unix epoch, UTC: what witnesses sign. Zero is no time: other forms write it for "no claim".
struct UnixSeconds {
  std::uint64_t value = 0;
  auto operator<=>(const UnixSeconds&) const = default;
};
/// Rounded down; before the epoch: zero.
[[nodiscard]] UnixSeconds to_seconds(UnixMillis time);

struct Cosignature {
  ByteArray<4> key_id{};
  UnixSeconds time{};
  crypto::Signature signature{};
  bool operator==(const Cosignature&) const = default;
};
[[nodiscard]] Bytes encode(const Cosignature& cosignature);
/// Shape only: 76 bytes, a time above 0 and below 2^63 (tlog-cosignature, "Format"; zero refused by us).
/// Errors: invalid_input.
[[nodiscard]] Result<Cosignature> decode_cosignature(ByteView payload);

/// "cosignature/v1" LF "time " seconds LF, then the note's text: what a witness signs (tlog-cosignature, "Format").
[[nodiscard]] std::string cosigned_message(std::string_view note_text, UnixSeconds time);

/// Signs the text of a checkpoint's note as the witness `name`. The message does not hold the name: one key must never
/// serve two witnesses. A name, text or time that would not be read back is our mistake and terminates.
[[nodiscard]] NoteSignature cosign(std::string_view note_text, std::string_view name, const crypto::SigningKey& key,
                                   UnixSeconds time);

/// Is `line` the cosignature of `witness` (a key of type 0x04) under this note's text? Gives its time. That the tree
/// extends what the witness saw before is the witness's word (audit/witness.hpp).
/// Errors: invalid_input (shape), authentication_failed (another name, key or text), unavailable (more than 300 s ahead
/// of `now`: it may be good later, or one of the two clocks is wrong).
[[nodiscard]] Result<UnixSeconds> verify_cosignature(std::string_view note_text, const NoteSignature& line,
                                                     const VerifierKey& witness, UnixSeconds now);

struct Cosigner {
  std::size_t witness = 0;  ///< its place in the list of known witnesses
  UnixSeconds time{};
  bool operator==(const Cosigner&) const = default;
};

/// A checkpoint of the log, and who among the known witnesses has seen it when. Only verify_cosigned_checkpoint makes
/// one. Whether these are enough is for a policy (audit/witness_policy.hpp).
class CosignedCheckpoint {
 public:
  [[nodiscard]] const VerifiedCheckpoint& checkpoint() const { return checkpoint_; }
  /// In the order of the known witnesses; each key once.
  [[nodiscard]] const std::vector<Cosigner>& cosigners() const { return cosigners_; }

 private:
  CosignedCheckpoint(VerifiedCheckpoint checkpoint, std::vector<Cosigner> cosigners)
      : checkpoint_(std::move(checkpoint)), cosigners_(std::move(cosigners)) {}
  friend Result<CosignedCheckpoint> verify_cosigned_checkpoint(std::string_view, const VerifierKey&,
                                                               std::span<const VerifierKey>, UnixSeconds);
  VerifiedCheckpoint checkpoint_;
  std::vector<Cosigner> cosigners_;
};

/// verify_checkpoint, then the first line of each known witness (signed-note.md, "Verification": a known name and id
/// that does not verify rejects the whole note). A line ahead of our clock does not count, and rejects nothing: one
/// witness with a wrong clock must not outvote the others.
/// Errors: invalid_input (shape), authentication_failed (the log's signature, or a known witness's).
[[nodiscard]] Result<CosignedCheckpoint> verify_cosigned_checkpoint(std::string_view note, const VerifierKey& log_key,
                                                                    std::span<const VerifierKey> witnesses,
                                                                    UnixSeconds now);

}  // namespace pli::audit
