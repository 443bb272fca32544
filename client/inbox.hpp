// What came in: headers of the queues this member sits in, each queue a hash chain walked from the last known head, so
// that nothing is withheld, reordered or shown twice (P8).
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "client/session.hpp"
#include "protocol/case_life.hpp"

namespace pli::client {

/// Headers the broker may push before it is asked for more.
inline constexpr std::uint32_t follow_credit = 1024;
/// Hidden places asked about in one look at one queue: fewer than the refusals a minute that make the broker BUSY.
inline constexpr std::size_t hidden_proofs_max = 16;
/// Nobody who follows goes longer without looking at the log and the queues himself.
inline constexpr std::chrono::minutes follow_check_every{10};
/// Pauses before a lost connection is dialled again: doubled each time, up to the second.
inline constexpr std::chrono::milliseconds redial_after_first{1000};
inline constexpr std::chrono::milliseconds redial_after_most{60'000};

/// Why a place of a queue is shown without its header.
enum class HiddenProof : std::uint8_t {
  none,     ///< not asked for yet
  proven,   ///< the log commits to whom it was sealed to, to what a rule goes by, or to its erasure
  claimed,  ///< of a case of ours, by the broker's refusal, and a place before it is `own`: which case is not ours to
            ///< know
  own,      ///< sent by our organisation or person to an instance, by its sender's signature
  erased,   ///< nothing shows it any more: by the broker's word its record was erased at the journal's term
};
[[nodiscard]] std::string_view text_of(HiddenProof proof);

/// One header, checked: digests, chain, signature.
struct InboxItem {
  std::string queue;
  audit::QueueHead head;
  protocol::ExchangeId exchange{};
  bool visible = true;                     ///< false: hidden from us; only its place in the chain is known
  HiddenProof hidden = HiddenProof::none;  ///< of an item that is not visible
  bool sender_proven = false;              ///< the directory shows this signing key as this sender's, now or formerly
  SenderStatus sender_status = SenderStatus::unproven;  ///< when it was accepted, by the directory held on arrival
  protocol::Address address;                            ///< of a visible item
  protocol::Seal seal;
  crypto::Signature signature{};
  UnixMillis accepted_at{};
  bool acknowledged = false;
  bool opened = false;      ///< by this profile
  bool superseded = false;  ///< its place was lost in a rollback, and it has not come again
};

/// Whether it is what passed a case on to this queue: its id is that of the linked case.
[[nodiscard]] inline bool is_transfer(const InboxItem& item) {
  const protocol::KindRow* row = item.visible ? protocol::row_of_number(item.address.kind) : nullptr;
  return row != nullptr && protocol::is_transmission(row->kind);
}

/// A place the broker cannot prove any more, by its own word; what auditors see of the journal shows whether that is
/// so.
struct UnprovenPlace {
  std::string queue;
  QueueNumber number{};
  protocol::ExchangeId exchange{};
  Failure failure;  ///< ERASED
};

/// What a look into every seat brought.
struct InboxView {
  std::vector<InboxItem> items;
  std::vector<Failure> alarms;          ///< queue by queue and of the log, and those not acknowledged yet
  std::vector<UnprovenPlace> unproven;  ///< of those asked about in this look; it hides none of the others
};

/// A sender says it was shown another place in a queue than we are.
struct ClaimedAlarm {
  Failure failure;
  protocol::ExchangeId exchange{};  ///< where it was said
};

struct QueueState;

class Inbox {
 public:
  /// `session` must outlive it.
  explicit Inbox(Session& session) : session_(session) {}

  /// Brings one queue up to date, has the newest readable header's number and head and the reason of each hidden place
  /// proven in the log, compares what senders said of the queue, and returns what has not been handed over
  /// (handed_over()). Headers and heads are kept before it returns; a proof that fails is asked for again each time.
  /// Errors, evidence kept, and each time until acknowledged (alarm.hpp): queue_withheld (chain broken, shorter than
  /// known, proof with another number or head, bad signature or digest of a header), queue_reordered (a place known
  /// holds something else), queue_hidden, directory_stale (a header names a version the broker does not show);
  /// refusals, unreachable, local_store. ERASED is none of them: whose record is erased stays unproven (look()).
  [[nodiscard]] Outcome<std::vector<InboxItem>> refresh(const std::string& queue);
  /// All seats and the log. Errors: the first alarm; else as above.
  [[nodiscard]] Outcome<std::vector<InboxItem>> refresh();
  /// The same for who goes on in spite of an alarm: one withheld queue does not hide the others. Alarms not reported
  /// yet are sent to the auditors, and what waits for a case is presented again (Outbox::present_again()). Errors:
  /// refusals, unreachable, local_store.
  [[nodiscard]] Outcome<InboxView> look();

  /// The caller has dealt with these: they are not new any more. Until then a crash only makes them come again.
  /// Errors: local_store.
  [[nodiscard]] Outcome<void> handed_over(const std::vector<InboxItem>& items);

  /// Waits for headers and hands each new one over, until `on_item` returns false, or `idle` has passed without any.
  ///
  /// At least once: an item counts as handed over when `on_item` has returned true; the one it stopped at stays new. At
  /// each renewal of credit, and every follow_check_every, the log, the directory and every queue are looked at as by
  /// refresh(), so that a broker that merely stops pushing is noticed. A lost connection is dialled again with growing
  /// pauses (`pause`, else sleeping), which count as idle. Errors: as refresh(); unreachable when `idle` ends without a
  /// connection.
  using OnItem = std::function<bool(const InboxItem&)>;
  using Pause = std::function<void(std::chrono::milliseconds)>;
  [[nodiscard]] Outcome<void> follow(const OnItem& on_item, std::chrono::milliseconds idle, const Pause& pause = {});

  /// Everything up to this item has been dealt with. Cumulative. Errors: usage (not in any queue of mine), refusals.
  [[nodiscard]] Outcome<void> acknowledge(const protocol::ExchangeId& exchange);

  /// What senders said of this queue against what we are shown; asks the broker only where we have not come so far. The
  /// first that differs. Errors: as refresh().
  [[nodiscard]] Outcome<std::optional<ClaimedAlarm>> compare_claims(const std::string& queue);

 private:
  struct Waiting;
  [[nodiscard]] Outcome<audit::QueueHead> known_head(const std::string& queue) const;
  /// Checks headers against the chain and keeps those that are new.
  [[nodiscard]] Outcome<void> take_in(const std::string& queue, const std::vector<protocol::QueueItem>& shown);
  /// That the broker shows the directory versions these were sealed under.
  [[nodiscard]] Outcome<void> demand_directory(const std::string& queue, const std::vector<protocol::QueueItem>& items);
  /// After a rollback: how far the queue is what it was. What is gone from there on is kept apart.
  [[nodiscard]] Outcome<void> settle_rollback(const std::string& queue);
  [[nodiscard]] Outcome<void> settle_rollback(const std::string& queue, const QueueState& state);
  /// Every header up to the head shown, then prove(). False where so many are shown that the rest waits for the next
  /// time.
  [[nodiscard]] Outcome<bool> walk(const std::string& queue);
  /// The first half of it: nothing is proven yet.
  [[nodiscard]] Outcome<bool> take_all(const std::string& queue);
  /// The newest readable header above what is proven, its number and head, as the log committed to them.
  [[nodiscard]] Outcome<void> prove(const std::string& queue);
  /// That no place is hidden but by right: each once, some at a time.
  [[nodiscard]] Outcome<void> prove_hidden(const std::string& queue);
  /// Whether a place before this one holds what our organisation or person sent, shown by a signature.
  [[nodiscard]] Outcome<bool> has_own_before(const protocol::QueueItem& item, const protocol::Member& self) const;
  /// Whether the log proves that what stood there was erased; a certificate that does not hold is an alarm.
  [[nodiscard]] Outcome<bool> is_proven_erased(const protocol::QueueItem& item) const;
  /// Whether the member has recused himself from a case of this queue's.
  [[nodiscard]] Outcome<bool> has_recused(const std::string& queue, const protocol::Member& self) const;
  /// Or of one that was passed on here from another instance he sits in.
  [[nodiscard]] Outcome<bool> has_recused_elsewhere(const std::string& queue, const protocol::Member& self);
  [[nodiscard]] Outcome<HiddenProof> ask_why_hidden(const protocol::QueueItem& item, const protocol::Member& self);
  /// `caught_up`: we have all the broker shows, so what lies further is a difference too.
  [[nodiscard]] Outcome<std::optional<ClaimedAlarm>> compare_kept_claims(const std::string& queue, bool caught_up);
  [[nodiscard]] Outcome<std::vector<InboxItem>> not_handed_over(const std::string& queue) const;
  /// False when told to stop.
  [[nodiscard]] Outcome<bool> hand_over(const std::vector<InboxItem>& items, const OnItem& on_item, Waiting& waiting);
  [[nodiscard]] Outcome<void> take_push(const protocol::Pushed& push, std::uint32_t& credit);
  [[nodiscard]] Outcome<std::uint32_t> subscribe();
  /// Follows over one connection. True when told to stop or idle long enough.
  [[nodiscard]] Outcome<bool> sit(const OnItem& on_item, Waiting& waiting);
  Session& session_;
  std::vector<UnprovenPlace> unproven_;  ///< of the look under way
};

/// What the profile has received so far, newest last, without a connection; what was lost in a rollback and has not
/// come again stands there as superseded. An empty queue means every queue.
[[nodiscard]] Outcome<std::vector<InboxItem>> received(const Profile& profile, const std::string& queue = {});
[[nodiscard]] Outcome<std::optional<InboxItem>> find_received(const Profile& profile,
                                                              const protocol::ExchangeId& exchange);

}  // namespace pli::client
