// What a witness answers to add-checkpoint, and what a log makes of the answer (C2SP tlog-witness.md v1.0.0; formats
// §8). The decisions only: who carries the bytes, and who keeps the state, is elsewhere. Pure; safe on hostile input.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "audit/cosignature.hpp"

namespace pli::audit {

/// Old size, 63 hashes and a note.
inline constexpr std::size_t add_checkpoint_bytes_max = note_bytes_max + 4096;
inline constexpr std::string_view tlog_size_content_type = "text/x.tlog.size";
inline constexpr std::string_view note_lines_content_type = "text/plain; charset=utf-8";

/// "old <size>" LF, a proof line for each hash, LF, the checkpoint (tlog-witness, "add-checkpoint").
struct AddCheckpoint {
  TreeSize old{};
  std::vector<Digest> proof;  ///< old → the checkpoint's size
  std::string checkpoint;     ///< signed note, verbatim
  bool operator==(const AddCheckpoint&) const = default;
};
[[nodiscard]] std::string to_text(const AddCheckpoint& request);
/// Shape only; the checkpoint is a note, not yet a tree head. Whatever parses writes back the same.
/// Errors: invalid_input, over_limit.
[[nodiscard]] Result<AddCheckpoint> parse_add_checkpoint(std::string_view body);

struct WitnessAnswer {
  int status = 0;
  std::string content_type;
  std::string body;
  bool operator==(const WitnessAnswer&) const = default;
};

/// The largest tree of one origin that this witness has cosigned; the empty one at first. Nothing else need be kept.
struct WitnessState {
  TreeSize size{};
  Digest root{};
  bool operator==(const WitnessState&) const = default;
};
[[nodiscard]] WitnessState first_witness_state();

/// A request whose origin and signature were checked. Only verify_add_checkpoint makes one.
class SignedRequest {
 public:
  [[nodiscard]] const std::string& origin() const { return head_.origin; }

 private:
  SignedRequest(TreeSize old, std::vector<Digest> proof, TreeHead head, Note note)
      : old_(old), proof_(std::move(proof)), head_(std::move(head)), note_(std::move(note)) {}
  friend Result<SignedRequest, WitnessAnswer> verify_add_checkpoint(std::string_view, std::span<const VerifierKey>);
  friend struct WitnessDecision decide_add_checkpoint(const SignedRequest&, const WitnessState&, const struct Witness&,
                                                      UnixSeconds);
  TreeSize old_;
  std::vector<Digest> proof_;
  TreeHead head_;
  Note note_;  ///< with the log's signatures only
};

/// First half: what needs no state. `logs` are the keys (type 0x01) of the logs we witness, named after their origins;
/// a log may have several. In this order, so that nothing is told to an unsigned request: shape (400), origin (404),
/// signature (403), old size above the checkpoint's (400).
/// The error is the answer to give.
[[nodiscard]] Result<SignedRequest, WitnessAnswer> verify_add_checkpoint(std::string_view body,
                                                                         std::span<const VerifierKey> logs);

struct Witness {
  std::string name;
  crypto::SigningKey key;
};

struct WitnessDecision {
  WitnessAnswer answer;
  /// On 200 only. To be durable before the answer leaves, in one transaction with the reading of the state this was
  /// decided on: else a slower request takes the witness back.
  struct Update {
    WitnessState state;
    std::string checkpoint;  ///< with the log's signatures and ours: what the monitoring prefix serves
  };
  std::optional<Update> update;
  /// The log has signed what cannot stand beside a tree we cosigned: keep the request, it proves it.
  bool is_evidence = false;
};

/// Second half: the log's request against the state of its origin. In this order: another old size than ours (409, with
/// ours), an empty tree with another root, a proof that does not lead from our root to the checkpoint's (422). Then
/// 200, with one cosignature. The same tree again is cosigned again. The root of an equal size is compared with ours:
/// 422 as in today's text, where v1.0.0 says 409. `now` 0 or from 2^63 terminates. Cannot fail otherwise.
[[nodiscard]] WitnessDecision decide_add_checkpoint(const SignedRequest& request, const WitnessState& last,
                                                    const Witness& witness, UnixSeconds now);

/// Where a witness serves its latest checkpoint of `origin`, under its monitoring prefix:
/// "<lower-case hex of SHA-256(origin)>/checkpoint".
[[nodiscard]] std::string monitoring_path(std::string_view origin);

/// The witness has seen it: append the line to the checkpoint.
struct Cosigned {
  NoteSignature line;
  UnixSeconds time{};
};
/// The witness stands elsewhere: ask again with a proof from there, and a checkpoint that is no smaller.
struct StandsAt {
  TreeSize size{};
};
/// Stop and ask people; never retried by itself. An answer without a cosignature is not signed: whoever sits between
/// can raise a false alarm, and cannot silence a true one for ever without being missed.
enum class WitnessAlarm : std::uint8_t {
  rolled_back,  ///< the witness has cosigned a larger tree than ours: somebody put us back
  two_trees,    ///< what the witness cosigned is not the start of this tree: one log has signed two
};
using WitnessReply = std::variant<Cosigned, StandsAt, WitnessAlarm>;

/// What the log learns from a witness's answer to `request`, whose proof it had made from its own tree of `own` leaves.
/// Lines of other keys are ignored; a line of `witness` must verify over the checkpoint.
/// Errors: not_found (404), authentication_failed (403, or a cosignature that does not verify), invalid_input (400, or
/// an answer that is none), unavailable (any other status, or a cosignature ahead of our clock).
[[nodiscard]] Result<WitnessReply> read_witness_answer(const AddCheckpoint& request, TreeSize own,
                                                       const WitnessAnswer& answer, const VerifierKey& witness,
                                                       UnixSeconds now);

}  // namespace pli::audit
