// The profile's state.db (SQLite, WAL, synchronous=FULL): what was last verified of the log and the directory, queue
// heads and headers, alarms not yet acknowledged, the outbox. Several programs may hold it open; every write is one
// transaction, and what must not go back is guarded inside it. Tables: client_store.cpp. Not thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "audit/queue_chain.hpp"
#include "base/clock.hpp"
#include "client/inbox.hpp"
#include "client/known_directory.hpp"
#include "client/outbox.hpp"
#include "protocol/shard_order.hpp"
#include "protocol/wire.hpp"

namespace pli::client {

/// A checkpoint somebody else showed us, not yet compared with ours.
struct ForeignCheckpoint {
  TreeSize size{};
  Digest root{};
  std::string note;
  UnixMillis seen_at{};
};

/// The broker's release key of a month, as last told.
struct ReleaseEpoch {
  std::uint32_t epoch = 0;
  crypto::BoxPublic key;
};

/// A promise the broker broke, kept until somebody has acknowledged it and the auditors have it (alarm.hpp).
struct Alarm {
  protocol::LocalCode code = protocol::LocalCode::queue_withheld;
  std::string subject;              ///< the queue; empty: the log
  bool claimed = false;             ///< rests on a member's word alone
  std::string words;                ///< Failure::detail
  std::string evidence;             ///< path; empty = none
  protocol::ExchangeId exchange{};  ///< what it was met at; zeros: nothing in particular
  UnixMillis seen_at{};
};

/// What a sender said of a queue it sits in, not yet compared with what we are shown.
struct ClaimedHead {
  protocol::GossipHead gossip;
  protocol::ExchangeId exchange{};  ///< where it was said
  std::string sender;
};

/// A directory version this profile verified, with what proves it.
struct KnownVersion {
  DirectoryNumber number{};
  std::string note;
  std::string proof;  ///< of its leaf, as a receipt (audit/proof_file.hpp)
  UnixMillis verified_at{};
};

/// A shard of the log this profile has seen the end of.
struct ClosedShard {
  std::string origin;
  protocol::TreeMark closed;               ///< all that stands of it
  std::optional<protocol::TreeMark> last;  ///< of one rolled back: what was lost ends here
  std::string order;                       ///< the authority's, likewise; a note
  std::string opened;                      ///< origin of the next
  audit::DirectoryReference directory;     ///< in force when that was opened
  UnixMillis passed_at{};
};

struct QueueState {
  audit::QueueHead head;  ///< of the last header verified
  QueueNumber acknowledged{};
  QueueNumber proven{};       ///< up to here the log commits to the chain
  QueueNumber handed_over{};  ///< up to here the caller has said that it has them
  /// After a rollback: up to here the queue must stand; what follows is to be walked anew.
  std::optional<QueueNumber> walk_from;
};

/// Where a receipt says that an exchange stands.
struct ReceiptPlace {
  std::string shard;  ///< origin
  LeafIndex leaf{};
};

/// A receipt under a checkpoint nobody but the log signed.
struct UncosignedReceipt {
  std::int64_t outbox = 0;
  protocol::ExchangeId exchange{};
  std::optional<LeafIndex> leaf;  ///< nothing where the receipt was written by an older program
  std::string shard;              ///< the origin of that leaf's; empty likewise
};

/// Of link hints (link_record.hpp), as stored: the ids alone are in clear.
struct SealedLinkEntry {
  protocol::ExchangeId exchange{};
  Digest case_id{};
  Bytes sealed;
};
struct SealedLinkDecision {
  std::int64_t id = 0;
  Bytes sealed;
};

/// An outbox row as stored.
struct OutboxRow {
  OutboxItem item;
  Bytes form;  ///< age file to the sender's own key; empty once the receipt is part of the log everybody sees
  std::optional<protocol::Envelope> envelope;
};

class ClientStore {
 public:
  /// Brings an older format up to date. Errors: those of bring_up_to_date().
  [[nodiscard]] static Result<std::unique_ptr<ClientStore>> open(const std::filesystem::path& file);
  ~ClientStore();
  ClientStore(const ClientStore&) = delete;
  ClientStore& operator=(const ClientStore&) = delete;

  // Log.
  [[nodiscard]] Result<std::optional<std::string>> checkpoint() const;
  /// Replaces it only where it still is `previous`. Errors: conflict (another program was faster), io_error.
  [[nodiscard]] Result<void> set_checkpoint(const std::optional<std::string>& previous, const std::string& note);
  /// The log went on in another shard: `opened` takes the place of `previous`, and after a rollback, in the same step,
  /// what was receipted beyond what stands waits to be sent again, every queue is to be walked anew from the last place
  /// that must stand, and what senders said of places is dropped. Errors: conflict (another program was faster),
  /// io_error.
  [[nodiscard]] Result<void> pass_shard(const std::string& previous, const ClosedShard& shard,
                                        const std::string& opened);
  [[nodiscard]] Result<std::optional<ClosedShard>> closed_shard(const std::string& origin) const;
  [[nodiscard]] Result<std::optional<ClosedShard>> shard_before(const std::string& opened) const;
  /// The checkpoint the witnesses' quorum cosigned last, by its time.
  [[nodiscard]] Result<std::optional<std::string>> cosigned_checkpoint() const;
  /// Never goes back to an earlier time; then nothing is written.
  [[nodiscard]] Result<void> set_cosigned_checkpoint(UnixMillis at, const std::string& note);
  [[nodiscard]] Result<std::vector<ForeignCheckpoint>> foreign_checkpoints() const;  ///< smallest first
  [[nodiscard]] Result<void> add_foreign(const ForeignCheckpoint& checkpoint);
  [[nodiscard]] Result<void> forget_foreign(const ForeignCheckpoint& checkpoint);
  /// It is no part of the log we are shown: forgotten, and what was receipted under it waits to be sent again. A
  /// directory version it proved has no place any more.
  [[nodiscard]] Result<void> condemn_foreign(const ForeignCheckpoint& checkpoint);
  [[nodiscard]] Result<std::optional<ReleaseEpoch>> release_epoch() const;
  [[nodiscard]] Result<void> set_release_epoch(const ReleaseEpoch& epoch);

  // Alarms.
  /// Kept once for each code and subject; one acknowledged before and raised again is to be acknowledged again.
  [[nodiscard]] Result<void> add_alarm(const Alarm& alarm);
  [[nodiscard]] Result<std::vector<Alarm>> alarms() const;             ///< not acknowledged, oldest first
  [[nodiscard]] Result<std::vector<Alarm>> unreported_alarms() const;  ///< acknowledged or not
  [[nodiscard]] Result<void> acknowledge_alarms();
  [[nodiscard]] Result<void> set_reported(const Alarm& alarm);
  /// An exchange an alarm's report can name: the newest readable one of `queue`, else of any queue, else one of ours.
  [[nodiscard]] Result<std::optional<protocol::ExchangeId>> nameable_exchange(const std::string& queue) const;

  // Directory.
  struct StoredDirectory {
    std::string note;
    std::vector<ProvenEntry> entries;
    std::optional<DirectoryPlace> place;
  };
  [[nodiscard]] Result<std::optional<StoredDirectory>> directory() const;
  /// Never goes back to a smaller number. Errors: conflict, io_error.
  [[nodiscard]] Result<void> set_directory(const KnownDirectory& directory, const std::vector<DirectoryChange>& changes,
                                           const DirectoryPlace& place, const KnownVersion& version);
  /// Of the version that is kept, where it still is `number`.
  [[nodiscard]] Result<void> set_directory_place(DirectoryNumber number, const DirectoryPlace& place,
                                                 const KnownVersion& version);
  /// A member's entry as this profile last proved it, kept by set_directory() where a secretariat is shown no more.
  [[nodiscard]] Result<std::optional<protocol::Member>> former_secretariat(const std::string& id) const;
  [[nodiscard]] Result<std::vector<KnownVersion>> directory_versions() const;    ///< oldest first
  [[nodiscard]] Result<std::vector<DirectoryChange>> directory_changes() const;  ///< not acknowledged yet
  [[nodiscard]] Result<void> acknowledge_directory_changes(DirectoryNumber up_to);

  // Queues.
  [[nodiscard]] Result<std::optional<QueueState>> queue(const std::string& queue) const;
  [[nodiscard]] Result<std::vector<protocol::GossipHead>> queue_heads() const;
  /// Headers that follow `from`, and the new head, together. Errors: conflict (the head is not `from` any more),
  /// io_error.
  [[nodiscard]] Result<void> add_received(const std::string& queue, const audit::QueueHead& from,
                                          const std::vector<protocol::QueueItem>& items,
                                          const std::vector<SenderStatus>& statuses);
  /// What follows `at` was lost with the shard before: superseded, kept apart. The queue ends there. Errors: conflict
  /// (the head is not `from` any more), io_error.
  [[nodiscard]] Result<void> cut_queue(const std::string& queue, const audit::QueueHead& from,
                                       const audit::QueueHead& at);
  /// Never back, and never beyond the last header verified, whatever the broker says.
  [[nodiscard]] Result<void> set_acknowledged(const std::string& queue, QueueNumber number);
  [[nodiscard]] Result<void> set_proven(const std::string& queue, QueueNumber number);
  [[nodiscard]] Result<void> set_handed_over(const std::string& queue, QueueNumber number);
  /// The header of a place so far shown without one.
  [[nodiscard]] Result<void> set_visible(const std::string& queue, const protocol::QueueItem& item,
                                         SenderStatus status);
  [[nodiscard]] Result<void> mark_opened(const protocol::ExchangeId& exchange);
  struct Received {
    protocol::QueueItem item;
    SenderStatus sender = SenderStatus::unproven;
    bool acknowledged = false;
    bool opened = false;
    HiddenProof hidden = HiddenProof::none;
  };
  [[nodiscard]] Result<std::vector<Received>> received(const std::string& queue) const;  ///< empty = every queue
  /// Places lost in rollbacks whose exchanges have not come again, oldest first.
  [[nodiscard]] Result<std::vector<Received>> superseded(const std::string& queue) const;
  /// What has come since the last hand-over. An exchange handed over before a rollback does not come twice.
  [[nodiscard]] Result<std::vector<Received>> not_handed_over(const std::string& queue) const;
  /// The newest readable header above what is proven. Nothing when the log has committed to all there is to prove.
  [[nodiscard]] Result<std::optional<Received>> newest_unproven(const std::string& queue) const;
  /// Places shown without a header and not proven to be hidden rightly, lowest first.
  [[nodiscard]] Result<std::vector<Received>> unproven_hidden(const std::string& queue, std::size_t most) const;
  [[nodiscard]] Result<void> set_hidden(const std::string& queue, QueueNumber number, HiddenProof proof);
  /// Whether a place below `number` is hidden as HiddenProof::own.
  [[nodiscard]] Result<bool> has_hidden_own_before(const std::string& queue, QueueNumber number) const;
  [[nodiscard]] Result<std::optional<Received>> find_received(const protocol::ExchangeId& exchange) const;
  /// The chain value this profile verified at that place, for gossip. Nothing when it has not come so far.
  [[nodiscard]] Result<std::optional<Digest>> head_at(const std::string& queue, QueueNumber number) const;
  [[nodiscard]] Result<void> add_claim(const ClaimedHead& claim);
  [[nodiscard]] Result<std::vector<ClaimedHead>> claims(const std::string& queue) const;  ///< lowest number first
  [[nodiscard]] Result<void> forget_claim(const ClaimedHead& claim);

  // Outbox.
  [[nodiscard]] Result<std::int64_t> add_outbox(const OutboxRow& row);
  [[nodiscard]] Result<void> update_outbox(const OutboxRow& row);  ///< all of it
  [[nodiscard]] Result<void> set_outbox_state(std::int64_t id, OutboxState state,
                                              const std::optional<protocol::Refusal>& refusal);
  /// Form and envelope stay: the receipt's checkpoint has yet to be compared with the log everybody sees, and waits
  /// among the foreign ones.
  [[nodiscard]] Result<void> set_receipted(std::int64_t id, UnixMillis at, const ReceiptPlace& place,
                                           const ForeignCheckpoint& checkpoint);
  /// Drops the forms of what was receipted under checkpoints since found consistent; the sealed envelope stays (a later
  /// shard may lack it).
  [[nodiscard]] Result<void> settle_receipts();
  /// Receipts whose checkpoints were found consistent, and that are to be had under one the quorum cosigned. The newest
  /// first: what a log has lost for good holds nothing up.
  [[nodiscard]] Result<std::vector<UncosignedReceipt>> uncosigned_receipts() const;
  /// False where it is not receipted any more: somebody found meanwhile that the log forked.
  [[nodiscard]] Result<bool> set_cosigned(std::int64_t id, UnixMillis at);
  /// Drops the envelopes of what was cosigned before `time`.
  [[nodiscard]] Result<void> drop_envelopes_cosigned_before(UnixMillis time);
  [[nodiscard]] Result<std::vector<OutboxItem>> outbox() const;  ///< without forms and envelopes
  [[nodiscard]] Result<std::optional<OutboxRow>> outbox_row(std::int64_t id) const;
  [[nodiscard]] Result<void> remove_outbox(std::int64_t id);

  // Link hints.
  [[nodiscard]] Result<std::vector<SealedLinkEntry>> link_entries() const;
  /// Takes the place of what the same exchange said before.
  [[nodiscard]] Result<void> put_link_entry(const SealedLinkEntry& entry);
  /// The case under which an exchange is indexed, or the case itself where that is what `id` names.
  [[nodiscard]] Result<std::optional<Digest>> indexed_case(const Digest& id) const;
  [[nodiscard]] Result<std::vector<Digest>> indexed_cases() const;
  [[nodiscard]] Result<std::vector<SealedLinkDecision>> link_decisions() const;  ///< oldest first
  [[nodiscard]] Result<void> add_link_decision(const Bytes& sealed);
  [[nodiscard]] Result<void> reseal_link_decision(std::int64_t id, const Bytes& sealed);
  /// The entries of these cases and these decisions, together; then shred().
  [[nodiscard]] Result<void> drop_links(const std::vector<Digest>& cases, const std::vector<std::int64_t>& decisions);
  [[nodiscard]] Result<void> drop_all_links();  ///< then shred(), where there was anything

  /// What was dropped or replaced leaves the disk (WAL included). Errors: io_error.
  [[nodiscard]] Result<void> shred();

 private:
  struct Database;
  [[nodiscard]] Result<std::vector<Alarm>> read_alarms(const char* which) const;
  [[nodiscard]] Result<void> move_cursor(const char* column, const std::string& queue, QueueNumber up_to);
  explicit ClientStore(std::unique_ptr<Database> database);
  std::unique_ptr<Database> db_;
};

}  // namespace pli::client
