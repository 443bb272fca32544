#include "audit/witness.hpp"

#include <algorithm>

#include "audit/inclusion.hpp"
#include "audit/text_lines.hpp"
#include "audit/tree.hpp"
#include "crypto/base64.hpp"
#include "crypto/hash.hpp"

namespace pli::audit {
namespace {

constexpr std::string_view old_prefix = "old ";

WitnessAnswer refusal(int status, std::string_view why) {
  return {status, std::string(note_lines_content_type), std::string(why) + '\n'};
}

/// The tree head, or the one of an empty tree whose root is another's: told apart because the answer to that is 422,
/// and comes only after the signature.
Result<TreeHead> parse_claimed_head(std::string_view text) {
  Result<TreeHead> head = parse_tree_head(text);
  if (head) return head;
  const Error malformed = head.error();
  const auto origin = take_line(text);
  const auto size = take_line(text);
  const auto root_line = take_line(text);
  if (!origin || !size || !root_line || !text.empty() || !is_key_name(*origin) || *size != "0") return malformed;
  const auto bytes = crypto::from_base64(*root_line);
  const auto root = bytes ? to_array<32>(*bytes) : std::nullopt;
  if (!root) return malformed;
  return TreeHead{std::string(*origin), TreeSize{}, *root};
}

std::string line_text(const NoteSignature& line) {
  const std::string text = to_text(Note{{}, {line}});
  return text.substr(1);  // without the empty line between the text, here none, and the signatures
}

/// "<size>" LF.
std::optional<std::uint64_t> parse_size_body(std::string_view body) {
  const auto line = take_line(body);
  if (!line || !body.empty()) return std::nullopt;
  const auto size = parse_decimal(*line);
  return size && *size < tree_size_limit ? size : std::nullopt;
}

Result<WitnessReply> read_cosignatures(const AddCheckpoint& request, std::string_view body, const VerifierKey& witness,
                                       UnixSeconds now) {
  const Error malformed{Errc::invalid_input, "malformed answer of a witness"};
  const Result<Note> asked = parse_note(request.checkpoint);
  if (!asked) return asked.error();
  // As lines under the very text we sent: an empty line in the body would have made another text.
  const Result<Note> answered = parse_note(asked->text + '\n' + std::string(body));
  if (!answered || answered->text != asked->text) return malformed;
  const ByteArray<4> id = key_id(witness);
  const auto line = std::find_if(answered->signatures.begin(), answered->signatures.end(),
                                 [&](const NoteSignature& s) { return s.id == id && s.name == witness.name; });
  if (line == answered->signatures.end())
    return Error{Errc::authentication_failed, "not a cosignature of this witness"};
  const Result<UnixSeconds> time = verify_cosignature(asked->text, *line, witness, now);
  if (!time) return time.error();
  return WitnessReply(Cosigned{*line, *time});
}

Result<WitnessReply> read_conflict(const AddCheckpoint& request, TreeSize own, std::string_view body) {
  const Error malformed{Errc::invalid_input, "malformed answer of a witness"};
  const Result<Note> asked = parse_note(request.checkpoint);
  if (!asked) return asked.error();
  const Result<TreeHead> head = parse_tree_head(asked->text);
  if (!head) return head.error();
  // v1.0.0 answers so, and promises no size, when we named its size and another root.
  const bool same_size = request.old == head->size;
  const auto size = parse_size_body(body);
  if (size && *size > own.value) return WitnessReply(WitnessAlarm::rolled_back);
  if (same_size && (!size || *size == request.old.value)) return WitnessReply(WitnessAlarm::two_trees);
  if (!size || *size == request.old.value) return malformed;
  return WitnessReply(StandsAt{TreeSize{*size}});
}

}  // namespace

std::string to_text(const AddCheckpoint& request) {
  std::string out(old_prefix);
  out += std::to_string(request.old.value);
  out += '\n';
  for (const Digest& hash : request.proof) {
    out += crypto::to_base64(hash);
    out += '\n';
  }
  out += '\n';
  out += request.checkpoint;
  return out;
}

Result<AddCheckpoint> parse_add_checkpoint(std::string_view body) {
  const Error malformed{Errc::invalid_input, "malformed request"};
  if (body.size() > add_checkpoint_bytes_max) return Error{Errc::over_limit, "request too long"};
  AddCheckpoint request;
  auto line = take_line(body);
  if (!line || !take_prefix(*line, old_prefix)) return malformed;
  const auto old = parse_decimal(*line);
  if (!old || *old >= tree_size_limit) return malformed;
  request.old = TreeSize{*old};
  for (line = take_line(body); line && !line->empty(); line = take_line(body)) {
    if (request.proof.size() == proof_hashes_max) return Error{Errc::over_limit, "proof too long for any tree"};
    const auto bytes = crypto::from_base64(*line);
    const auto hash = bytes ? to_array<32>(*bytes) : std::nullopt;
    if (!hash) return malformed;
    request.proof.push_back(*hash);
  }
  if (!line) return malformed;
  if (auto note = parse_note(body); !note) return note.error();
  request.checkpoint = body;
  return request;
}

WitnessState first_witness_state() { return {TreeSize{}, empty_root()}; }

Result<SignedRequest, WitnessAnswer> verify_add_checkpoint(std::string_view body, std::span<const VerifierKey> logs) {
  Result<AddCheckpoint> request = parse_add_checkpoint(body);
  if (!request) return refusal(400, "malformed request");
  Result<Note> note = parse_note(request->checkpoint);
  if (!note) return refusal(400, "malformed request");
  Result<TreeHead> head = parse_claimed_head(note->text);
  if (!head) return refusal(400, "malformed checkpoint");

  std::vector<VerifierKey> keys;
  for (const VerifierKey& log : logs)
    if (log.type == KeyType::ed25519 && log.name == head->origin) keys.push_back(log);
  if (keys.empty()) return refusal(404, "unknown origin");
  const auto signers = verify_note(*note, keys);
  if (!signers) return refusal(403, "no signature of this log");
  if (request->old > head->size) return refusal(400, "old size above the checkpoint's");

  Note signed_note{note->text, {}};
  for (const std::size_t signer : *signers) {
    const ByteArray<4> id = key_id(keys[signer]);
    signed_note.signatures.push_back(
        *std::find_if(note->signatures.begin(), note->signatures.end(),
                      [&](const NoteSignature& s) { return s.id == id && s.name == keys[signer].name; }));
  }
  // Ours is added: a log with that many keys is not one we can serve.
  if (signed_note.signatures.size() == note_signatures_max) return refusal(400, "too many signatures");
  return SignedRequest(request->old, std::move(request->proof), *std::move(head), std::move(signed_note));
}

WitnessDecision decide_add_checkpoint(const SignedRequest& request, const WitnessState& last, const Witness& witness,
                                      UnixSeconds now) {
  const TreeHead& head = request.head_;
  if (request.old_ != last.size)
    return {{409, std::string(tlog_size_content_type), std::to_string(last.size.value) + '\n'}, std::nullopt, false};
  if (head.size.value == 0 && head.root != empty_root())
    return {refusal(422, "empty tree with another root"), std::nullopt, true};
  // Anyone can send a signed checkpoint on with a proof of his own making; a second root he cannot make.
  const bool second_root = head.size == last.size && head.root != last.root;
  if (auto extends = verify_consistency(last.size, last.root, head.size, head.root, request.proof_); !extends)
    return {refusal(422, "no proof that this tree extends the one cosigned last"), std::nullopt, second_root};

  const NoteSignature line = cosign(request.note_.text, witness.name, witness.key, now);
  Note cosigned = request.note_;
  cosigned.signatures.push_back(line);
  return {{200, std::string(note_lines_content_type), line_text(line)},
          WitnessDecision::Update{{head.size, head.root}, to_text(cosigned)},
          false};
}

std::string monitoring_path(std::string_view origin) {
  return to_hex(crypto::sha256(as_bytes(origin))) + "/checkpoint";
}

Result<WitnessReply> read_witness_answer(const AddCheckpoint& request, TreeSize own, const WitnessAnswer& answer,
                                         const VerifierKey& witness, UnixSeconds now) {
  switch (answer.status) {
    case 200: return read_cosignatures(request, answer.body, witness, now);
    case 400: return Error{Errc::invalid_input, "the witness cannot read our request"};
    case 403: return Error{Errc::authentication_failed, "the witness knows another key of this log"};
    case 404: return Error{Errc::not_found, "the witness does not know this log"};
    case 409: return read_conflict(request, own, answer.body);
    // We proved from our own tree: if it does not lead there from the witness's root, that root was another's.
    case 422: return WitnessReply(WitnessAlarm::two_trees);
    default: return Error{Errc::unavailable, "the witness gave no answer"};
  }
}

}  // namespace pli::audit
