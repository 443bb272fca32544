// Reading: a signed request with a motif, the proof that it was recorded, and every check of the envelope before a byte
// of content is believed (design §5; P4). R, file key and plaintext are never stored.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client/session.hpp"
#include "crypto/secret.hpp"
#include "protocol/form.hpp"
#include "protocol/opening_request.hpp"

namespace pli::client {

struct OpenOptions {
  protocol::Motif motif = protocol::Motif::evaluation;
  std::string note = {};  ///< at most note_text_bytes_max; sealed to the auditors
  /// Told how many bytes have come, of those that did not ride inside the reply.
  std::function<void(std::uint64_t got, std::uint64_t total)> progress = {};
};

/// An exchange whose every promise was kept. Wipes what it holds in clear; moves, does not copy.
struct VerifiedContent {
  protocol::Address address;
  protocol::Seal seal;
  crypto::Signature signature{};
  std::string sender_label;  ///< how the directory calls who signed; empty where it shows no entry of his
  /// The directory shows nothing of the sender, whose exchange came through the door of another queue: that it is his
  /// rests on the word of the member who passed it on, whose signature names this exchange and with it the sender's
  /// key.
  bool vouched = false;
  /// The access part that led in, made by its `sender`. None: the exchange's own way in.
  std::optional<protocol::Address> way_in;
  crypto::FileKey file_key;  ///< for seal_access()
  protocol::Plaintext plaintext;

  VerifiedContent() = default;
  VerifiedContent(VerifiedContent&&) = default;
  VerifiedContent& operator=(VerifiedContent&&) = default;
  ~VerifiedContent() { crypto::wipe(plaintext.content); }
};

struct OpenedExchange {
  protocol::ExchangeId exchange{};
  Digest case_id{};  ///< as its reader has it: through a door, of the linked case; zeros where that one is not known
  VerifiedContent content;
  /// The content read as a form. None for kinds that carry none, or for one this version cannot read.
  std::optional<protocol::Form> form;
  VerifiedReceipt opening;                              ///< the proof that this reading is in the log
  SenderStatus sender_status = SenderStatus::unproven;  ///< when it was accepted, by the directory we hold now
  /// The log or a queue the sender saw is not the one we are shown (log_forked, log_shrunk, queue_withheld): the
  /// content is genuine. Evidence kept; to be reported.
  std::optional<Failure> gossip_alarm;
  /// The alarm rests on the sender's word: a head is signed by nobody but him. Either the broker or the sender lies.
  bool gossip_claimed = false;
  /// What failed after the reading was recorded and did not concern it: a full disk, a withheld queue. The content is
  /// whole; only its being marked opened, or the comparison of what its sender saw, may be missing.
  std::vector<Failure> warnings;
};

/// Once the reading is recorded, nothing but the exchange itself keeps its content from being shown.
/// Errors: refusals (MOTIF_REQUIRED, FORBIDDEN, NOT_FOUND, ERASED…); receipt_invalid (the reading is not proven
/// recorded: nothing is shown); and, each with an evidence file and to be reported (report_anomaly): address_mismatch,
/// no_stanza_for_me, bad_padding, release_mismatch, file_key_mismatch, payload_mismatch, sender_unproven; usage (note
/// too long), directory_unproven (a note, but no auditor to seal it to).
[[nodiscard]] Outcome<OpenedExchange> open_exchange(Session& session, const protocol::ExchangeId& exchange,
                                                    const OpenOptions& options);

/// What is opened for `id`: of an access part that this profile has received, the exchange it gives access to; else
/// `id`. Errors: local_store.
[[nodiscard]] Outcome<protocol::ExchangeId> opens(const Profile& profile, const protocol::ExchangeId& id);

/// What a profile recorded of an access part when its header came: the id commits to who signed it.
struct Arrival {
  UnixMillis accepted_at{};
  SenderStatus sender_status = SenderStatus::unproven;  ///< by the directory held then
  std::optional<protocol::Member> former_signer;        ///< as last proven, of a secretariat not shown any more
};
using Arrivals = std::map<protocol::ExchangeId, Arrival>;

/// The checks alone, on what an `open` brought, all its parts present. Pure: no disk, no network. Tries the ways in one
/// after another: the exchange's own, then those that `acces` exchanges added; the errors are those of the first,
/// unless it merely has no stanza for us. `header` is the exchange's own where only added ways in came and a queue of
/// ours holds it; else the one that came with the reply is read. Errors: the seven above that concern the exchange.
[[nodiscard]] Outcome<VerifiedContent> verify_opened(const protocol::Opened& opened,
                                                     const protocol::ExchangeId& exchange,
                                                     const std::optional<protocol::QueueItem>& header, const Keys& keys,
                                                     const protocol::Invitation& invitation,
                                                     const KnownDirectory& directory, ReleaseSession& release,
                                                     const Arrivals& arrivals);

/// The code this failure is reported under (protocol::anomaly_codes): it says that an exchange or the broker was wrong,
/// not the network or the disk. Empty: none. A log that shrank is reported as forked: of two notes, both signed, one is
/// not of the log the other is of.
[[nodiscard]] std::string anomaly_code(const Failure& failure);
[[nodiscard]] inline bool is_anomaly(const Failure& failure) { return !anomaly_code(failure).empty(); }

}  // namespace pli::client
