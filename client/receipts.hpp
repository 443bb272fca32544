// Receipts on disk: C2SP `.tlog-proof` files, verifiable offline with the invitation alone.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "audit/proof_file.hpp"
#include "client/profile.hpp"
#include "protocol/exchange.hpp"
#include "protocol/wire.hpp"

namespace pli::client {

class Session;

/// What the leaf of an erasure says, by its record.
struct Erased {
  protocol::ExchangeId exchange{};
  UnixMillis at{};          ///< in the broker's store
  UnixMillis backups_at{};  ///< from then on in every backup
};

/// A receipt whose chain of proof holds: disclosure → record → leaf → tree → the log's signature.
struct VerifiedReceipt {
  audit::Receipt receipt;
  std::string origin;
  TreeSize size{};
  Digest root{};
  std::optional<protocol::ExchangeId> exchange;  ///< what it is a receipt for, where the record shows it
  std::optional<Erased> erased;                  ///< of a certificate of erasure
  /// Whether it proves that an exchange was accepted. The proof of an opening, of a refusal or of any other leaf is
  /// authentic too, and no receipt.
  [[nodiscard]] bool of_submission() const { return exchange.has_value(); }
};

/// From the wire to a verified receipt. Errors: receipt_invalid.
[[nodiscard]] Outcome<VerifiedReceipt> verify_leaf_proof(const protocol::LeafProof& proof, const std::string& log,
                                                         const crypto::SignPublic& log_key);
/// What stands in a receipt file. Errors: receipt_invalid.
[[nodiscard]] Outcome<VerifiedReceipt> verify_receipt_text(std::string_view text, const std::string& log,
                                                           const crypto::SignPublic& log_key);
/// A receipt file, offline. Errors: receipt_invalid, local_store (unreadable).
[[nodiscard]] Outcome<VerifiedReceipt> verify_receipt_file(const std::filesystem::path& file, const std::string& log,
                                                           const crypto::SignPublic& log_key);

/// The certificate that an exchange was erased, asked for, verified and kept at certificate_path(). Errors: refusals
/// (INVALID(erasure): it stands), receipt_invalid, local_store.
[[nodiscard]] Outcome<VerifiedReceipt> fetch_certificate(Session& session, const protocol::ExchangeId& exchange);
/// <exchange>.effacement.tlog-proof
[[nodiscard]] std::filesystem::path certificate_path(const Profile& profile, const protocol::ExchangeId& exchange);

[[nodiscard]] std::filesystem::path receipt_path(const Profile& profile, const protocol::ExchangeId& exchange);
/// Where a receipt of an earlier shard is kept, beside the one that took its place: <exchange>.<shard>.tlog-proof.
[[nodiscard]] std::filesystem::path receipt_path_in(const Profile& profile, const protocol::ExchangeId& exchange,
                                                    std::string_view origin);
/// Durable when it returns. Errors: local_store.
[[nodiscard]] Outcome<std::filesystem::path> write_receipt(const Profile& profile, const protocol::ExchangeId& exchange,
                                                           const audit::Receipt& receipt);

}  // namespace pli::client
