// `.tlog-proof` files (C2SP tlog-proof.md; formats §7): what a receipt is made of.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/inclusion.hpp"
#include "audit/leaf.hpp"
#include "audit/record.hpp"

namespace pli::audit {

inline constexpr std::size_t proof_file_bytes_max = 8 * 1024 * 1024;  ///< the largest record, all shown, fits

/// The generic file: shape only.
struct ProofFile {
  std::optional<Bytes> extra;
  LeafIndex index{};
  std::vector<Digest> proof;
  std::string checkpoint;  ///< signed note, verbatim
  bool operator==(const ProofFile&) const = default;
};
[[nodiscard]] std::string to_text(const ProofFile& file);
/// Errors: invalid_input, over_limit.
[[nodiscard]] Result<ProofFile> parse_proof_file(std::string_view text);

/// A receipt: a proof file whose extra is u16 length ‖ leaf ‖ disclosure. Verifiable offline with the log's key alone.
struct Receipt {
  Leaf leaf;
  Disclosure record;
  LeafIndex index{};
  std::vector<Digest> proof;
  std::string checkpoint;
};
[[nodiscard]] std::string to_text(const Receipt& receipt);
[[nodiscard]] Result<Receipt> parse_receipt(std::string_view text);

/// Disclosure → record digest → leaf → inclusion → the log's signature. Errors: authentication_failed, invalid_input.
[[nodiscard]] Result<VerifiedCheckpoint> verify_receipt(const Receipt& receipt, const VerifierKey& log_key);

}  // namespace pli::audit
