// What was sent and is not yet proven received. Durable before it says so (SQLite, synchronous=FULL), sealed as soon as
// it can be, sent as often as needed, always the same bytes, until the broker's receipt has been verified (P8; design
// §5).
//
//   queued ──seal──▶ sealed ──submit──▶ receipted ──witnesses──▶ cosigned
//     ▲                 │ STALE_DIRECTORY: refused by the broker, so never accepted
//     └──── re-sealed under a new nonce ◀─┘        any other refusal ──▶ refused (kept until discarded)
//
// What depends on something else goes after it: an exchange after the one that opened its case, and those of one case
// in the order they were made. An ordered rollback may have lost what somebody else must send again first: what was
// receipted once and is refused for the lack of it is not refused but waits (awaits_case), and goes when it is there.
//
// The form is kept as an age file to the sender's own key until the receipt is verified and its checkpoint found to be
// part of the log everybody sees, then destroyed. Where that log forked or shrank, the item is sealed again as it was:
// it waits for another receipt, and both notes are kept as evidence. Where the invitation names witnesses, a later
// flush exchanges the receipt for the same proof under a checkpoint their quorum cosigned; the envelope is kept for
// five weeks more (a shard opened after a rollback may lack it). Nothing is sealed while their word is too old
// (witness_watch.hpp).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "client/seal_exchange.hpp"
#include "client/session.hpp"

namespace pli::client {

enum class OutboxState : std::uint8_t { queued = 1, sealed = 2, sent = 3, receipted = 4, refused = 5, cosigned = 6 };
[[nodiscard]] std::string_view text_of(OutboxState state);
/// Whether the broker's receipt is held.
[[nodiscard]] inline bool is_receipted(OutboxState state) {
  return state == OutboxState::receipted || state == OutboxState::cosigned;
}

struct OutboxItem {
  std::int64_t id = 0;  ///< of this profile; stays the same through re-sealing
  OutboxState state = OutboxState::queued;
  protocol::Kind kind = protocol::Kind::signalement_individuel;
  std::string queue;
  Digest case_id{};
  UnixMillis created_at{};
  std::optional<protocol::ExchangeId> exchange;  ///< once sealed
  std::vector<protocol::ExchangeId> replaced;    ///< ids of earlier sealings the broker refused as stale, oldest first
  std::uint64_t bytes = 0;                       ///< locked + payload, once sealed
  std::optional<protocol::Refusal> last_refusal;
  UnixMillis receipted_at{};
  UnixMillis cosigned_at{};       ///< when the receipt was exchanged
  std::filesystem::path receipt;  ///< once receipted
};

/// Refusals of what waits so, in one flush: they are recorded, and counted by the broker (refusals_per_minute_max).
/// What may yet be refused so is in flight no more often than is left of them.
inline constexpr std::size_t awaiting_refused_max = 8;
/// Whether it was receipted once, and waits for something that the broker lost as well.
[[nodiscard]] bool awaits_case(const OutboxItem& item);

/// What became of one item in a flush.
struct Flushed {
  OutboxItem item;
  bool resealed = false;           ///< its roster or release key had changed
  bool duplicate = false;          ///< the broker had it already
  std::optional<Failure> failure;  ///< why it still waits or was refused
};
struct FlushReport {
  std::vector<Flushed> done;
  std::vector<OutboxItem> cosigned;  ///< whose receipts the witnesses have confirmed since
  std::optional<Failure> stopped;    ///< why it ended early; what is not done stays queued
};

class Outbox {
 public:
  /// `profile` and `clock` must outlive it.
  Outbox(const Profile& profile, const Clock& clock) : profile_(profile), clock_(clock) {}

  /// Durable when it returns. Sealed at once when the profile holds a directory in force and this month's release key,
  /// and, where witnesses are named, a checkpoint they cosigned in the last 24 hours; else kept as a form under the
  /// sender's own key and sealed at the next flush. No connection is used. Errors: bad_form, local_store.
  [[nodiscard]] Outcome<OutboxItem> put(const Draft& draft, const Keys& keys);
  /// A sealed exchange made elsewhere (an access part): nothing to re-seal from; a stale one ends as refused.
  [[nodiscard]] Outcome<OutboxItem> put_sealed(const SealedExchange& sealed);

  [[nodiscard]] Outcome<std::vector<OutboxItem>> list() const;
  [[nodiscard]] Outcome<std::optional<OutboxItem>> find(std::int64_t id) const;

  /// Sends everything waiting, several in flight but nothing before what it depends on, large parts in chunks under
  /// credit; seals what was not, re-seals what went stale; verifies each receipt and compares the log before anything
  /// is forgotten; sends alarms to the auditors (alarm.hpp). `progress(sent, total)` in bytes. Only one program at a
  /// time does this in a profile. Errors (nothing was sent): queued (another program is sending), local_store.
  using Progress = std::function<void(std::uint64_t sent, std::uint64_t total)>;
  [[nodiscard]] Outcome<FlushReport> flush(Session& session, const Progress& progress = {});

  /// A flush where something awaits_case(); else nothing at all. After what may have ended its wait: an arrival, an
  /// opening. Errors: as flush().
  [[nodiscard]] Outcome<FlushReport> present_again(Session& session);

  /// Exchanges the receipts that the published, cosigned log has caught up with, as flush() does, and drops envelopes
  /// cosigned long ago. Errors: queued (another program is sending), local_store, unreachable, receipt_invalid (a
  /// receipt for another leaf; evidence: both), log_forked…
  [[nodiscard]] Outcome<std::vector<OutboxItem>> upgrade(Session& session);
  /// How many receipts are of what stands of a shard that was rolled back: a witness that saw the rest of it does not
  /// cosign it any more, so they may wait for ever. The log's own signature under them stands. Errors: local_store.
  [[nodiscard]] Outcome<std::size_t> kept_from_a_rollback() const;

  /// Puts a refused item back: it is sealed anew at the next flush. Errors: usage (not refused, or no form),
  /// local_store.
  [[nodiscard]] Outcome<OutboxItem> retry(std::int64_t id);
  /// Forgets an item, form included. Errors: usage (it may have been accepted: sealed or sent, and not one that
  /// awaits_case()), local_store.
  [[nodiscard]] Outcome<void> discard(std::int64_t id);

 private:
  [[nodiscard]] OutboxItem with_path(OutboxItem item) const;
  const Profile& profile_;
  const Clock& clock_;
};

}  // namespace pli::client
