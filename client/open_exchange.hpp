// Reading: a signed request with a motif, the proof that it was recorded, and every check of the envelope before a byte
// of content is believed (design §5; P4). R, file key and plaintext are never stored.
#pragma once

#include <optional>
#include <string>

#include "client/session.hpp"
#include "crypto/secret.hpp"
#include "protocol/form.hpp"
#include "protocol/opening_request.hpp"

namespace pli::client {

struct OpenOptions {
  protocol::Motif motif = protocol::Motif::evaluation;
  std::string note;  ///< at most note_text_bytes_max; sealed to the auditors
};

/// An exchange whose every promise was kept. Wipes what it holds in clear; moves, does not copy.
struct VerifiedContent {
  protocol::Address address;
  protocol::Seal seal;
  crypto::Signature signature{};
  std::string sender_label;  ///< how the directory calls who signed
  crypto::FileKey file_key;  ///< for seal_access()
  protocol::Plaintext plaintext;

  VerifiedContent() = default;
  VerifiedContent(VerifiedContent&&) = default;
  VerifiedContent& operator=(VerifiedContent&&) = default;
  ~VerifiedContent() { crypto::wipe(plaintext.content); }
};

struct OpenedExchange {
  protocol::ExchangeId exchange{};
  VerifiedContent content;
  /// The content read as a form. None for kinds that carry none, or for one this version cannot read.
  std::optional<protocol::Form> form;
  VerifiedReceipt opening;  ///< the proof that this reading is in the log
  /// The log or a queue the sender saw is not the one we are shown (log_forked, log_shrunk, queue_withheld): the
  /// content is genuine, the broker is not. Evidence kept; to be reported.
  std::optional<Failure> gossip_alarm;
};

/// Errors: refusals (MOTIF_REQUIRED, FORBIDDEN, NOT_FOUND, ERASED…); receipt_invalid (the reading is not proven
/// recorded: nothing is shown); and, each with an evidence file and to be reported (report_anomaly): address_mismatch,
/// no_stanza_for_me, bad_padding, release_mismatch, file_key_mismatch, payload_mismatch, sender_unproven; usage (note
/// too long), directory_unproven (a note, but no auditor to seal it to).
[[nodiscard]] Outcome<OpenedExchange> open_exchange(Session& session, const protocol::ExchangeId& exchange,
                                                    const OpenOptions& options);

/// The checks alone, on what an `open` brought, all its parts present. Pure: no disk, no network. Tries the ways in one
/// after another: the exchange's own, then those that `acces` exchanges added; the errors are those of the first,
/// unless it merely has no stanza for us. Errors: the seven above that concern the exchange.
[[nodiscard]] Outcome<VerifiedContent> verify_opened(const protocol::Opened& opened,
                                                     const protocol::ExchangeId& exchange, const Keys& keys,
                                                     const KnownDirectory& directory, ReleaseSession& release);

/// Whether this failure says that an exchange or the broker was wrong, not the network or the disk, and has a code to
/// be reported under (protocol::anomaly_codes).
[[nodiscard]] bool is_anomaly(const Failure& failure);

}  // namespace pli::client
