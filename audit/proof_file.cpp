#include "audit/proof_file.hpp"

#include "audit/text_lines.hpp"
#include "audit/tree.hpp"
#include "crypto/base64.hpp"

namespace pli::audit {
namespace {

constexpr std::string_view first_line = "c2sp.org/tlog-proof@v1";
constexpr std::string_view extra_prefix = "extra ";
constexpr std::string_view index_prefix = "index ";

}  // namespace

std::string to_text(const ProofFile& file) {
  std::string out(first_line);
  out += '\n';
  if (file.extra) {
    out += extra_prefix;
    out += crypto::to_base64(*file.extra);
    out += '\n';
  }
  out += index_prefix;
  out += std::to_string(file.index.value);
  out += '\n';
  for (const Digest& hash : file.proof) {
    out += crypto::to_base64(hash);
    out += '\n';
  }
  out += '\n';
  out += file.checkpoint;
  return out;
}

Result<ProofFile> parse_proof_file(std::string_view text) {
  const Error malformed{Errc::invalid_input, "malformed proof file"};
  if (text.size() > proof_file_bytes_max) return Error{Errc::over_limit, "proof file too long"};
  auto line = take_line(text);
  if (!line || *line != first_line) return Error{Errc::invalid_input, "not a tlog-proof file of version 1"};
  ProofFile file;
  line = take_line(text);
  if (line && take_prefix(*line, extra_prefix)) {
    file.extra = crypto::from_base64(*line);
    if (!file.extra) return malformed;
    line = take_line(text);
  }
  if (!line || !take_prefix(*line, index_prefix)) return malformed;
  const auto index = parse_decimal(*line);
  if (!index || *index >= tree_size_limit) return malformed;
  file.index = LeafIndex{*index};
  for (line = take_line(text); line && !line->empty(); line = take_line(text)) {
    if (file.proof.size() == proof_hashes_max) return Error{Errc::over_limit, "proof too long for any tree"};
    const auto bytes = crypto::from_base64(*line);
    const auto hash = bytes ? to_array<32>(*bytes) : std::nullopt;
    if (!hash) return malformed;
    file.proof.push_back(*hash);
  }
  if (!line) return malformed;
  if (auto note = parse_note(text); !note) return note.error();
  file.checkpoint = text;
  return file;
}

std::string to_text(const Receipt& receipt) {
  const std::string leaf = encode(receipt.leaf);
  ByteWriter extra;
  extra.bytes16(as_bytes(leaf));
  extra.raw(encode(receipt.record));
  return to_text(ProofFile{extra.take(), receipt.index, receipt.proof, receipt.checkpoint});
}

Result<Receipt> parse_receipt(std::string_view text) {
  Result<ProofFile> file = parse_proof_file(text);
  if (!file) return file.error();
  if (!file->extra) return Error{Errc::invalid_input, "a proof file, but not a receipt"};
  ByteReader extra(*file->extra);
  const ByteView leaf_bytes = extra.bytes16();
  if (!extra.ok()) return Error{Errc::invalid_input, "malformed receipt"};
  Result<Leaf> leaf = decode_leaf(as_text(leaf_bytes));
  if (!leaf) return leaf.error();
  Result<Disclosure> record = decode_disclosure(extra.rest());
  if (!record) return record.error();
  return Receipt{*std::move(leaf), *std::move(record), file->index, std::move(file->proof),
                 std::move(file->checkpoint)};
}

Result<VerifiedCheckpoint> verify_receipt(const Receipt& receipt, const VerifierKey& log_key) {
  // A receipt need not have come through parse_receipt.
  if (!is_encodable(receipt.leaf)) return Error{Errc::invalid_input, "malformed leaf"};
  if (auto opened = verify_openings(receipt.record); !opened) return opened.error();
  if (record_digest(receipt.record) != receipt.leaf.record)
    return Error{Errc::authentication_failed, "the record is not the one of the leaf"};
  Result<VerifiedCheckpoint> checkpoint = verify_checkpoint(receipt.checkpoint, log_key);
  if (!checkpoint) return checkpoint.error();
  const std::string leaf = encode(receipt.leaf);
  if (auto included = verify_inclusion(*checkpoint, receipt.index, leaf_hash(as_bytes(leaf)), receipt.proof); !included)
    return included.error();
  return checkpoint;
}

}  // namespace pli::audit
