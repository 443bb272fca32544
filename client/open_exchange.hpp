// Reading: a signed request with a motif, the proof that it was recorded, and every check of the envelope before a byte of
// content is believed (design §5; P4). R, file key and plaintext are never stored.
#pragma once

#include <optional>
#include <string>

#include "client/session.hpp"
#include "protocol/form.hpp"
#include "protocol/opening_request.hpp"

namespace pli::client {

struct OpenOptions {
  protocol::Motif motif = protocol::Motif::evaluation;
  std::string note;                       ///< at most note_text_bytes_max; sealed to the auditors
};

struct OpenedExchange {
  protocol::ExchangeId exchange{};
  protocol::Address address;
  protocol::Seal seal;
  crypto::Signature signature{};
  bool sender_proven = false;
  const protocol::Member* sender = nullptr;   ///< of the session's directory, when visible
  protocol::Form form;
  crypto::FileKey file_key;                   ///< for seal_access(); wiped with this value
  audit::Receipt opening;                     ///< the proof that this reading is in the log
  /// The sender's log and queue heads agree with ours, or why not (log_forked, log_shrunk, queue_withheld): the content
  /// is genuine, the broker is not.
  std::optional<Failure> gossip_alarm;
};

/// Errors: refusals (MOTIF_REQUIRED, FORBIDDEN, NOT_FOUND, ERASED…); receipt_invalid (the reading is not proven recorded:
/// nothing is shown); and, each with an evidence file and to be reported (report_anomaly): address_mismatch,
/// no_stanza_for_me, bad_padding, release_mismatch, file_key_mismatch, payload_mismatch, sender_unproven; usage (note too
/// long), directory_unproven (a note, but no auditor to seal it to).
[[nodiscard]] Outcome<OpenedExchange> open_exchange(Session& session, const protocol::ExchangeId& exchange,
                                                    const OpenOptions& options);

/// The checks alone, on what an `open` brought; `reply` has all its parts. Pure: no disk, no network.
[[nodiscard]] Outcome<OpenedExchange> verify_opened(const protocol::Opened& reply, const protocol::ExchangeId& exchange,
                                                    const Keys& keys, const KnownDirectory& directory,
                                                    ReleaseSession& release, const audit::Receipt& opening,
                                                    protocol::Plaintext& plaintext);

/// Whether this failure says that an exchange, not the network, was wrong, and so is reported to the auditors.
[[nodiscard]] bool is_anomaly(const Failure& failure);

}  // namespace pli::client
