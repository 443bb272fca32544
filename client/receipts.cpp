#include "client/receipts.hpp"

#include "audit/text_lines.hpp"
#include "base/file.hpp"
#include "client/log_watch.hpp"
#include "client/session.hpp"
#include "protocol/limits.hpp"

namespace pli::client {
namespace {

using protocol::LocalCode;

Failure invalid(const Error& error) { return local(LocalCode::receipt_invalid, error); }

std::optional<Erased> erased_by(const audit::Receipt& receipt) {
  const auto text = [&](std::string_view field) {
    const Bytes* shown = receipt.record.find(field);
    return shown == nullptr ? std::string_view() : as_text(*shown);
  };
  const Bytes* exchange = receipt.record.find("exchange");
  const auto id = exchange == nullptr ? std::nullopt : to_array<32>(*exchange);
  const auto at = audit::parse_decimal(text("erased"));
  const auto backups = audit::parse_decimal(text("backups"));
  constexpr std::uint64_t time_max = INT64_MAX;
  if (receipt.leaf.type != audit::LeafType::effacement || text("act") != "erase_exchange" || text("outcome") != "ok" ||
      !id || !at || !backups || *at > time_max || *backups > time_max)
    return std::nullopt;
  return Erased{*id, {static_cast<std::int64_t>(*at)}, {static_cast<std::int64_t>(*backups)}};
}

Outcome<VerifiedReceipt> verify(audit::Receipt receipt, const std::string& log, const crypto::SignPublic& log_key) {
  auto note = verify_log_note(receipt.checkpoint, log, log_key);
  if (!note) return note.error();
  VerifiedReceipt out;
  out.origin = note->head().origin;
  auto verified = audit::verify_receipt(receipt, log_verifier(out.origin, log_key));
  if (!verified) return invalid(verified.error());
  out.size = verified->size();
  out.root = verified->root();
  const auto shows = [&](std::string_view field, std::string_view value) {
    const Bytes* shown = receipt.record.find(field);
    return shown != nullptr && as_text(*shown) == value;
  };
  // The proof of a refusal is a proof too, and no receipt.
  if (shows("act", "submit") && shows("outcome", "ok"))
    if (const Bytes* exchange = receipt.record.find("exchange")) out.exchange = to_array<32>(*exchange);
  out.erased = erased_by(receipt);
  out.receipt = std::move(receipt);
  return out;
}

}  // namespace

Outcome<VerifiedReceipt> verify_leaf_proof(const protocol::LeafProof& proof, const std::string& log,
                                           const crypto::SignPublic& log_key) {
  auto leaf = audit::decode_leaf(proof.leaf);
  if (!leaf) return invalid(leaf.error());
  auto record = audit::decode_disclosure(proof.disclosure);
  if (!record) return invalid(record.error());
  return verify({std::move(*leaf), std::move(*record), proof.index, proof.proof, proof.checkpoint}, log, log_key);
}

Outcome<VerifiedReceipt> verify_receipt_file(const std::filesystem::path& file, const std::string& log,
                                             const crypto::SignPublic& log_key) {
  auto bytes = read_file(file, protocol::receipt_bytes_max);
  if (!bytes) return local(LocalCode::local_store, bytes.error());
  return verify_receipt_text(as_text(*bytes), log, log_key);
}

Outcome<VerifiedReceipt> verify_receipt_text(std::string_view text, const std::string& log,
                                             const crypto::SignPublic& log_key) {
  auto receipt = audit::parse_receipt(text);
  if (!receipt) return invalid(receipt.error());
  return verify(std::move(*receipt), log, log_key);
}

Outcome<VerifiedReceipt> fetch_certificate(Session& session, const protocol::ExchangeId& exchange) {
  protocol::Prove ask;
  ask.exchange = exchange;
  ask.erasure = true;
  auto proven = session.ask<protocol::Proven>(ask);
  if (!proven) return proven.error();
  auto receipt = session.verify_proof(proven->proof);
  if (!receipt) return receipt.error();
  if (!receipt->erased || receipt->erased->exchange != exchange)
    return Failure(LocalCode::receipt_invalid, "the proof of something else than this erasure");
  const std::string text = audit::to_text(receipt->receipt);
  if (auto written =
          write_file_durably(certificate_path(session.profile(), exchange), as_bytes(text), FileMode::owner_only);
      !written)
    return local(LocalCode::local_store, written.error());
  return receipt;
}

std::filesystem::path certificate_path(const Profile& profile, const protocol::ExchangeId& exchange) {
  return profile.receipts_folder() / (to_hex(exchange) + ".effacement.tlog-proof");
}

std::filesystem::path receipt_path(const Profile& profile, const protocol::ExchangeId& exchange) {
  return profile.receipts_folder() / (to_hex(exchange) + ".tlog-proof");
}

std::filesystem::path receipt_path_in(const Profile& profile, const protocol::ExchangeId& exchange,
                                      std::string_view origin) {
  const std::string shard(origin.substr(origin.rfind('/') + 1));
  return profile.receipts_folder() / (to_hex(exchange) + "." + shard + ".tlog-proof");
}

Outcome<std::filesystem::path> write_receipt(const Profile& profile, const protocol::ExchangeId& exchange,
                                             const audit::Receipt& receipt) {
  const auto path = receipt_path(profile, exchange);
  const std::string text = audit::to_text(receipt);
  if (auto written = write_file_durably(path, as_bytes(text), FileMode::owner_only); !written)
    return local(LocalCode::local_store, written.error());
  return path;
}

}  // namespace pli::client
