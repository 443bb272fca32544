// The core's state and the steps its verbs share. Private to broker/core*.cpp and broker/handle_*.cpp.
#pragma once

#include <array>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "audit/checkpoint.hpp"
#include "broker/core.hpp"
#include "broker/core_tree.hpp"
#include "broker/record_fields.hpp"
#include "protocol/case_life.hpp"
#include "protocol/policy.hpp"
#include "protocol/statistics.hpp"

namespace pli::broker {

/// Who asks, after the transport's key has been looked up.
struct Caller {
  const protocol::Member& member;
  const Peer& peer;
  std::uint64_t request_id = 0;
};

/// A refusal, and the rule that refused where the caller is told less.
struct Denial {
  protocol::Refusal refusal;
  std::string_view rule;  ///< a literal of the policy; empty = the refusal's subject
};
[[nodiscard]] Denial deny(protocol::Code code, std::string_view subject = {});
/// Nothing there, or nothing you may see: the record alone says which.
[[nodiscard]] Denial not_found(std::string_view rule = {});
[[nodiscard]] bool sits_in(const protocol::Member& member, std::string_view queue);

/// What an opening gives once its record is durable (P3, P4).
struct ReleaseOrder {
  ExchangeNumber exchange;
  std::vector<AccessRow> parts;  ///< those in the queue it is opened in whose roster holds a key of the opener
  std::uint32_t epoch = 0;
  crypto::BoxPublic release_key;
  crypto::BoxKey session;
};

/// What a verb decided. The body is completed after the commit: proofs against the batch's checkpoint, R, backlog.
struct Answer {
  protocol::ReplyBody body;
  std::optional<LeafPlace>
      proof_of;  ///< the body has a LeafProof whose leaf and disclosure stand; path and checkpoint follow
  std::optional<TreeSize> extends;  ///< hello, checkpoint: prove consistency from here to what is published
  std::optional<ReleaseOrder> release;
  std::optional<protocol::Follow> follow;
  bool published = false;  ///< the proof is to stand under the published checkpoint
};
using Outcome = Result<Answer, Denial>;

struct Pending {
  Peer peer;
  std::uint64_t request_id = 0;
  Answer answer;
};

/// What the case table asks of a case, at a time.
[[nodiscard]] protocol::CaseFacts case_facts(const CaseRow& row, UnixMillis now);
/// Whether its collectivité is shown the retour.
[[nodiscard]] bool is_told(const CaseRow& row, UnixMillis now);
[[nodiscard]] protocol::CommuneView view_of(const CaseRow& row, UnixMillis now);

/// When an information nominative is good no more, by its address.
[[nodiscard]] UnixMillis nominative_ends(const ExchangeRow& information);
/// In what capacity a member's agreement counts: bits of Capacity.
[[nodiscard]] std::uint8_t capacities_of(const protocol::Member& member, protocol::CaseSide side);

/// A leaf just appended, with what its disclosures need.
struct Logged {
  LeafPlace place;
  std::string leaf;
  std::vector<Digest> commitments;
};

/// What rights over one exchange depend on, besides the member.
struct ExchangeFacts {
  const protocol::Queue* queue = nullptr;  ///< as the directory has it now; null when it has none
  QueueKey opens_in;                       ///< the same queue's row: whose parts, in that case, `rosters` are of
  std::optional<protocol::Kind> kind;
  std::optional<CaseRow> case_row;
  std::string_view case_queue;                            ///< the instance's name
  std::vector<std::shared_ptr<const RosterRow>> rosters;  ///< of its parts in that queue and case: its own, those added
  std::vector<std::string> handling;                      ///< its sender's conditions; an access part inherits them
  protocol::Conditions contract{};                        ///< of a submission: how it stands to the contract
  protocol::Conditions passing{};                         ///< and to whoever sent what it passes on
  bool withheld = false;                                  ///< from whom it was sent to: its hour has not come
};

/// One header that a batch added, for those who follow its queue.
struct NewItem {
  protocol::QueueItem item;
  ExchangeFacts facts;
};

/// One transaction's worth of work.
struct Batch {
  Batch(Transaction transaction, UnixMillis time) : tx(std::move(transaction)), now(time) {}
  Transaction tx;
  UnixMillis now;
  KeyRing::LeaseRef lease;
  KeyRing::RecordKeyRef record_key;
  TreeSize tree_before{};
  std::vector<std::string> leaves;  ///< appended since, encoded
  std::uint64_t free_bytes = 0;     ///< on the disk when it began, less what it was given to write since
  std::vector<Pending> pending;
  std::map<std::string, std::vector<NewItem>, std::less<>> arrived;  ///< by queue, of queues that are followed
  std::map<std::pair<std::string, QueueKey>, QueueNumber> cursors;
  std::shared_ptr<const protocol::Directory> new_directory;
  std::vector<std::shared_ptr<const protocol::Directory>>
      ruled;  ///< versions replaced while it lasted: `arrived` points there
};

/// What a header takes of a message, about.
[[nodiscard]] std::size_t header_bytes(const protocol::QueueItem& item);

class CoreState final : public Core {
 public:
  CoreState(Store& store, KeyRing& keys, CoreSettings settings);
  [[nodiscard]] Result<void> load();
  /// Closes the current shard as it stands and opens the one after it: its first leaf, in one transaction. `lost` is
  /// what was lost beyond it and the order that gives it up; nothing when nothing was.
  struct Lost {
    Rollback rollback;
    protocol::ShardOpening::Lost named;  ///< by the first leaf
  };
  [[nodiscard]] Result<void> open_next_shard(std::string_view opens, const std::string& closing,
                                             const std::optional<Lost>& lost, UnixMillis now);
  [[nodiscard]] Result<void> open_next_shard(const std::string& closing, UnixMillis now);
  [[nodiscard]] Result<protocol::RollbackRequest> rollback_request(std::string_view last_known, UnixMillis now) const;
  [[nodiscard]] Result<void> accept_rollback(const Rollback& rollback, UnixMillis now);
  /// A fresh store's first leaves.
  [[nodiscard]] Result<void> initialise(const VerifiedPublish& directory, const protocol::AuthoritySet& trusted,
                                        UnixMillis now);

  [[nodiscard]] Result<BatchOutcome> apply(std::vector<VerifiedRequest> requests, UnixMillis now) override;
  [[nodiscard]] Result<BatchOutcome> tick(UnixMillis now) override;
  void forget(const Peer& peer, std::optional<std::uint64_t> follow) override;
  [[nodiscard]] bool behind() const override { return !behind_.empty(); }
  [[nodiscard]] Result<std::vector<Outgoing>> catch_up(UnixMillis now) override;
  void published(const std::string& checkpoint) override;
  [[nodiscard]] Result<void> confirm_ended(const std::string& closed) override;
  [[nodiscard]] std::shared_ptr<const protocol::Directory> directory() const override { return directory_; }
  [[nodiscard]] std::string newest_checkpoint() const override { return checkpoint_; }
  [[nodiscard]] protocol::Health health(UnixMillis now) const override;

 private:
  // ---- the verbs, one file each --------------------------------------------------------------------------------
  Outcome submit(Batch& batch, const Caller& caller, VerifiedSubmit& request, Asked& asked);
  Outcome open(Batch& batch, const Caller& caller, VerifiedOpen& request, Asked& asked);
  /// The case has been read by somebody of its instance.
  static void mark_opened(Batch& batch, const protocol::Relations& standing, const ExchangeFacts& facts);
  Outcome get_chunk(Batch& batch, const Caller& caller, const protocol::GetChunk& request, Asked& asked);
  Outcome list(Batch& batch, const Caller& caller, const protocol::List& request, Asked& asked);
  Outcome list_cases(Batch& batch, const Caller& caller, const protocol::ListCases& request, Asked& asked);
  Outcome acknowledge(Batch& batch, const Caller& caller, const protocol::Acknowledge& request, Asked& asked);
  Outcome follow(Batch& batch, const Caller& caller, protocol::Follow& request, Asked& asked);
  Outcome hello(Batch& batch, const Caller& caller, const protocol::Hello& request, Asked& asked);
  Outcome get_directory(Batch& batch, const Caller& caller, const protocol::GetDirectory& request, Asked& asked);
  Outcome publish(Batch& batch, const Caller& caller, VerifiedPublish& request, Asked& asked);
  Outcome suspend(Batch& batch, const Caller& caller, VerifiedSuspension& request, Asked& asked);
  Outcome get_checkpoint(Batch& batch, const Caller& caller, const protocol::GetCheckpoint& request, Asked& asked);
  Outcome prove(Batch& batch, const Caller& caller, const protocol::Prove& request, Asked& asked);
  [[nodiscard]] bool is_unpublished(const LeafPlace& place) const;
  Outcome prove_leaf(Batch& batch, const Caller& caller, const protocol::Prove& request, Asked& asked);
  Outcome get_records(Batch& batch, const Caller& caller, const protocol::GetRecords& request, Asked& asked);
  Outcome get_shard(Batch& batch, const Caller& caller, const protocol::GetShard& request, Asked& asked);
  Outcome get_health(Batch& batch, const Caller& caller, Asked& asked);
  Outcome refused_by_gate(Batch& batch, const Caller& caller, GateRefusal& request, Asked& asked);

  // ---- the batch (core.cpp) ------------------------------------------------------------------------------------
  [[nodiscard]] Result<BatchOutcome> apply_batch(std::vector<VerifiedRequest>& requests, UnixMillis now);
  [[nodiscard]] Result<BatchOutcome> tick_batch(UnixMillis now);
  [[nodiscard]] Result<std::unique_ptr<Batch>> begin(UnixMillis now);
  /// Errors: corruption when the lease file is not the one the newest exchanges were accepted under.
  [[nodiscard]] Result<void> demand_leases() const;
  /// Refuses what would leave less than the reserve on the disk, and what is beyond an identity's day.
  [[nodiscard]] std::optional<Denial> refuse_for_room(Batch& batch, std::uint64_t body_bytes);
  [[nodiscard]] std::optional<Denial> refuse_for_quota(const Batch& batch, const protocol::Member& member,
                                                       std::uint64_t body_bytes);
  void decide_one(Batch& batch, VerifiedRequest& request);
  void refuse(Batch& batch, const Caller& caller, const Asked& asked, const Denial& denial);
  void count_stray(Batch& batch, Unattributed::Reason reason);
  [[nodiscard]] std::string state_text() const;  ///< for health: docs/protocol.md, "Wire"
  void log_strays(Batch& batch, Unattributed::Reason reason, std::uint64_t count);
  [[nodiscard]] Result<BatchOutcome> commit(Batch& batch);
  [[nodiscard]] std::optional<Error> complete(Batch& batch, Pending& pending, std::size_t& headers_left,
                                              std::vector<Outgoing>& out);
  [[nodiscard]] std::optional<Error> release(const ReleaseOrder& order, protocol::Opened& opened);
  /// Takes what it reads from `headers_left`.
  void start_following(const Pending& pending, const protocol::Follow& request, UnixMillis now,
                       std::size_t& headers_left, std::vector<Outgoing>& out);
  void push_arrived(Batch& batch, std::vector<Outgoing>& out);

  // ---- the journal's own work, some at each tick (core_journal.cpp) ----------------------------------------------
  /// The shard's size when all its leaves are earlier.
  [[nodiscard]] LeafIndex first_leaf_at(UnixMillis time, ShardNumber shard) const;
  [[nodiscard]] LeafIndex end_of_month(std::uint32_t month) const;  ///< in the current shard
  void find_stated(std::uint32_t over);
  void state_month(Batch& batch);
  /// What the shard before this one had not stated when it was closed: its last month, and any before it no tick came
  /// to.
  void state_closed(Batch& batch);
  void find_closed_stated();
  /// Counts on; true when the statement was made.
  bool count_month(Batch& batch, ShardNumber shard, std::optional<protocol::MonthlyStatistics>& counting,
                   bool& cannot_count);
  [[nodiscard]] LeafPlace first_left() const;  ///< no record before it that is due and still there
  void log_erasure(Batch& batch, std::uint32_t month, ShardNumber from);
  /// Errors: io_error (the lease file).
  [[nodiscard]] Result<void> erase_journal(Batch& batch);
  /// Before the month of the version in force goes: what proves it is kept, in a transaction of its own, for the key is
  /// destroyed in the middle of the next. Errors: the store's.
  [[nodiscard]] Result<void> keep_directory_proof(UnixMillis now);
  void forget_erased();  ///< after the commit

  // ---- the terms of cases, some at each tick (core_terms.cpp) -----------------------------------------------------
  struct Due {
    ExchangeRow row;
    std::string_view rule;  ///< "terme", "plafond", "demande"; "reprise" of what was begun before
    UnixMillis at{};        ///< as the lease file has it
  };
  enum class Side : std::uint8_t { instance, party };
  /// What an accepted exchange of a case changes of its terms.
  void count_terms(Batch& batch, CaseRow& row, protocol::CaseState before, const protocol::Address& address,
                   const protocol::Member& sender) const;
  void show_links(const CaseRow& row, protocol::CaseItem& item) const;
  void show_terms(const CaseRow& row, UnixMillis now, protocol::CaseItem& item) const;
  /// When what its instance holds goes, as things stand: it waits for all that was passed on of it, but not past its
  /// ceiling.
  [[nodiscard]] UnixMillis stands_until(const CaseRow& row) const;
  [[nodiscard]] Outcome prove_erasure(const ExchangeRow& row, bool published) const;
  void record_terms(Batch& batch);
  /// Errors: io_error (the lease file).
  [[nodiscard]] Result<void> expire(Batch& batch);
  void take_unfinished(std::vector<Due>& due);
  /// False when there is no room for all that is due of it.
  [[nodiscard]] bool take_case(Batch& batch, const CaseRow& row, std::vector<Due>& due);
  /// What its instance holds, after that of the cases linked to it. False when there is no room for all of it.
  [[nodiscard]] bool take_instance(Batch& batch, const CaseRow& row, const Due& as, std::vector<Due>& due) const;
  /// Whether two persons hold it, or a case that came of it.
  [[nodiscard]] bool is_held(const CaseRow& row, UnixMillis now) const;
  /// Of a linked case without what it sent to the instance that passed it on: that goes with the case it came from.
  [[nodiscard]] bool take_side(const CaseRow& row, Side side, const Due& as, std::vector<Due>& due) const;
  /// What cases linked to it, erased or not, sent to its instance.
  [[nodiscard]] bool take_answers(const CaseRow& row, const Due& as, std::vector<Due>& due) const;
  [[nodiscard]] bool take_exchanges(const CaseRow& row, const Due& as, std::vector<Due>& due,
                                    const std::function<bool(const ExchangeRow&)>& goes) const;
  /// What maires were given whose day is over.
  void take_nominative(UnixMillis now, std::vector<Due>& due) const;
  void take_loose(UnixMillis now, std::vector<Due>& due);
  void erase_exchange(Batch& batch, const Due& due);

  // ---- steps shared by verbs (core_steps.cpp) ------------------------------------------------------------------
  /// Appends record and leaf to the log. Cannot fail before the commit.
  Logged log(Batch& batch, audit::LeafType type, const audit::Record& record,
             std::optional<audit::DirectoryReference> reference = std::nullopt,
             std::optional<std::string> statement = std::nullopt);
  /// The proof of a leaf: leaf and disclosure now, path and checkpoint after the commit.
  static protocol::LeafProof proof_of(const Logged& logged, const audit::Record& record, Shown party);
  /// The same for a leaf that stands in the store. Nothing when its record was dropped at the log's term.
  [[nodiscard]] std::optional<protocol::LeafProof> stored_proof(const LeafPlace& place,
                                                                std::optional<Shown> party) const;
  [[nodiscard]] std::optional<audit::Record> stored_record(const LeafRow& row) const;
  /// Of an exchange's acceptance: what an erased one is still known by, until the journal's term.
  [[nodiscard]] std::optional<audit::Record> accepted_record(const ExchangeRow& row) const;
  /// Path and checkpoint: the newest, the newest published, or the closing one of the leaf's shard.
  [[nodiscard]] Result<void> finish_proof(const LeafPlace& place, bool published, protocol::LeafProof& proof) const;
  [[nodiscard]] Result<std::vector<Digest>> consistency(TreeSize known, TreeSize size) const;

  [[nodiscard]] ExchangeFacts facts_of(const ExchangeRow& row) const;
  /// As it is read in one queue, as part of a case: where it was sent, or where an access part of it was.
  [[nodiscard]] ExchangeFacts facts_in(const ExchangeRow& row, QueueKey queue, ExchangeNumber of_case) const;
  /// As the member stands to it: where it was sent, or in another queue of his where a part of it lets him in. Where
  /// none does, as he knows of it.
  [[nodiscard]] ExchangeFacts facts_for(const protocol::Member& member, const ExchangeRow& row,
                                        protocol::Act act) const;
  /// One way into an exchange, and the exchange that made it: itself, or an `acces`.
  struct Part {
    AccessRow access;
    ExchangeRow exchange;
  };
  [[nodiscard]] std::vector<Part> parts_of(const ExchangeRow& row) const;
  /// Whether a part opens it for the member where he stands to it as `facts` say.
  [[nodiscard]] bool lets_in(const protocol::Member& member, const Part& part, const ExchangeFacts& facts) const;
  /// The case it came from, the one that came from, and so on.
  [[nodiscard]] std::vector<CaseRow> origins_of(const CaseRow& row) const;
  /// Cases that transmissions of this one opened and that stand.
  [[nodiscard]] std::vector<CaseRow> linked_to(const CaseRow& row) const;
  [[nodiscard]] std::optional<CaseRow> linked_in(const CaseRow& row, std::string_view queue) const;
  /// Whether it, or a case that stands below it, is of that instance. No deeper than `transfers_chain_max`.
  [[nodiscard]] bool stands_in(const CaseRow& row, std::string_view queue) const;
  /// What stands against passing the case on to this queue, but for who asks.
  [[nodiscard]] std::optional<Denial> refuse_transmission(const CaseRow& row, protocol::Kind kind,
                                                          const protocol::Queue& to) const;
  /// Whether the case's instance reads it there as part of that case: it was sent there in it, or passed on to it.
  [[nodiscard]] bool is_read_in(const ExchangeRow& row, const CaseRow& of_case) const;
  /// What the senders of a case's first exchange, and of those up its origins, asked of whoever passes it on.
  struct Asks {
    std::vector<std::string> handling;
    protocol::Conditions conditions;
  };
  void add_asks(const ExchangeRow& row, UnixMillis now, Asks& asks) const;
  [[nodiscard]] Asks asks_of(const CaseRow& row, UnixMillis now) const;
  // ---- nominative information and agreements (core_nominative.cpp) -------------------------------------------------
  /// What stands against an agreement, but for who asks. `side`: whose it is.
  [[nodiscard]] std::optional<Denial> refuse_agreement(const protocol::Member& member,
                                                       const std::optional<ExchangeRow>& about,
                                                       protocol::CaseSide side) const;
  /// What stands against giving an information nominative to the maire whose own queue this is.
  [[nodiscard]] std::optional<Denial> refuse_nominative(const ExchangeRow& about, const CaseRow& of_case,
                                                        const protocol::Queue& to, UnixMillis now) const;
  /// The same of its maire who opens it: again, each time.
  [[nodiscard]] std::optional<Denial> refuse_nominative_opening(const protocol::Member& member, const ExchangeRow& row,
                                                                const ExchangeFacts& facts, UnixMillis now) const;
  [[nodiscard]] bool has_charter(std::string_view commune, UnixMillis now) const;
  /// Of each person of the instance who takes part, his last on it.
  using LastWords = std::map<std::string, AgreementRow>;
  [[nodiscard]] LastWords last_words(const ExchangeRow& about) const;
  /// Whatever became of who refused.
  [[nodiscard]] static bool is_refused(const LastWords& last);
  /// Whether it agrees in that capacity, its term has not come, and its person, who gave it, could give it still.
  /// `instance`: where he sits, but for a sender.
  [[nodiscard]] bool is_accord(const AgreementRow& row, Capacity capacity, std::string_view instance,
                               UnixMillis now) const;
  /// One of a service and one of the parquet, of two persons and two organisations, neither of them its author's.
  [[nodiscard]] bool has_both_agreements(const ExchangeRow& about, std::string_view instance, UnixMillis now) const;
  /// Whether the organisation that sent it has agreed to its being passed on.
  [[nodiscard]] bool has_party_agreement(const ExchangeRow& about, UnixMillis now) const;
  [[nodiscard]] std::vector<std::string> handling_of(const ExchangeRow& row) const;
  [[nodiscard]] protocol::Relations relations(const protocol::Member& member, const ExchangeFacts& facts) const;
  [[nodiscard]] protocol::Decision decide(protocol::Act act, const protocol::Member& member, const ExchangeFacts& facts,
                                          const protocol::Relations& relations) const;
  /// From it, or from a case up its origins.
  [[nodiscard]] bool is_recused(const protocol::Member& member, const CaseRow& row) const;
  [[nodiscard]] bool on_roster(const protocol::Member& member, const RosterRow& roster) const;
  /// Whether the member may know that it exists: sits in its queue, or its organisation sent it or opened its case.
  [[nodiscard]] bool may_know(const protocol::Member& member, const ExchangeRow& row, const ExchangeFacts& facts) const;
  /// Of an erased one by its record: nobody once that is gone.
  [[nodiscard]] const protocol::Member* sender_of(const ExchangeRow& row) const;
  [[nodiscard]] bool sent_by_organisation_of(const protocol::Member& member, const ExchangeRow& row) const;
  /// Or by the same person under another entry.
  [[nodiscard]] bool sent_by_party_of(const protocol::Member& member, const ExchangeRow& row) const;
  [[nodiscard]] std::optional<Digest> case_id_of(const ExchangeRow& row) const;
  /// Refuses a queue in which the member holds no seat, and every queue under a directory past its term.
  [[nodiscard]] std::optional<Denial> refuse_queue(const protocol::Member& member, std::string_view queue,
                                                   UnixMillis now) const;
  /// Whether the registry of tools lets it read the queue; true of who is no tool.
  [[nodiscard]] bool may_read(const protocol::Member& member, std::string_view queue) const;
  /// Whether the directory shows the member this entry.
  [[nodiscard]] bool sees_entry(const protocol::Member& member, protocol::EntryType type, std::string_view id) const;
  [[nodiscard]] protocol::QueueItem item_of(const ExchangeRow& row, std::string_view queue, bool visible) const;
  [[nodiscard]] std::shared_ptr<const RosterRow> roster(RosterKey key) const;
  [[nodiscard]] bool directory_expired(UnixMillis now) const;
  [[nodiscard]] bool is_suspended(const protocol::Member& member, UnixMillis now) const;
  /// R of one way in; nothing when its lease is gone or its bytes are damaged.
  [[nodiscard]] std::optional<crypto::ReleaseKey> release_key_of(const AccessRow& row) const;

  struct Withheld {
    ExchangeNumber number;
    audit::QueueHead before;  ///< where the queue ends for whoever sits in it
    UnixMillis until{};
  };
  struct QueueState {
    QueueKey key;
    audit::QueueHead head;
    std::deque<Withheld> withheld{};  ///< in its order: past the first nothing is shown
    [[nodiscard]] const audit::QueueHead& shown_head() const {
      return withheld.empty() ? head : withheld.front().before;
    }
  };
  /// When its collectivité is shown a retour that is accepted now.
  [[nodiscard]] UnixMillis shown_at(UnixMillis now) const;
  void load_withheld();
  /// What is withheld until now or earlier takes its place among what is shown.
  void release_withheld(Batch& batch);
  QueueState& queue_state(Batch& batch, const std::string& name);  ///< made on its first exchange
  [[nodiscard]] const QueueState* find_queue(std::string_view name) const;
  [[nodiscard]] std::string_view queue_name(QueueKey key) const;
  RosterKey current_roster(Batch& batch, const protocol::Queue& queue, const Digest& digest);
  void take_directory(std::shared_ptr<const protocol::Directory> directory, const LeafPlace& leaf,
                      const std::vector<DirectoryEntryRow>& changed);
  [[nodiscard]] Digest current_roster_digest(const protocol::Queue& queue) const;

  Store& store_;
  KeyRing& keys_;
  const CoreSettings settings_;

  /// Set by the first batch that failed: what is in memory may be ahead of the store, so nothing more is done on it.
  std::optional<Error> dead_;

  // The log: the current shard, and those before it as they were closed, oldest first.
  struct Closed {
    ShardRow row;
    audit::TreeHead head;
  };
  [[nodiscard]] Result<void> load_shards();
  /// The current one for an empty origin. Nothing for an origin that is not of this log.
  [[nodiscard]] std::optional<ShardNumber> shard_named(std::string_view origin) const;
  [[nodiscard]] TreeSize size_of(ShardNumber shard) const;
  [[nodiscard]] std::string_view name_of_closed(ShardNumber shard) const;  ///< its origin; empty for the current one
  [[nodiscard]] LeafPlace here(std::uint64_t index) const { return {{index}, shard_}; }
  std::string origin_;
  ShardNumber shard_;
  std::vector<Closed> closed_;
  CoreTree tree_;
  UnixMillis last_leaf_time_{};
  std::string checkpoint_;
  std::string published_;
  TreeSize published_size_{};

  // The directory in force.
  std::shared_ptr<const protocol::Directory> directory_;
  LeafPlace directory_leaf_;  ///< in the current shard: its own, or the first leaf
  std::map<std::pair<std::uint8_t, std::string>, DirectoryNumber>
      entry_versions_;                                             ///< by type and id: when it last changed
  std::vector<DirectoryNumber> entry_changed_;                     ///< the same by position
  std::map<std::string, Digest, std::less<>> roster_digests_;      ///< by queue
  std::map<std::string, RosterKey, std::less<>> current_rosters_;  ///< by queue, once used

  // Who is suspended, by member: the newest suspension and the version it was written under. A later version that
  // writes the member's entry undoes it.
  struct Suspended {
    DirectoryNumber directory{};
    UnixMillis lapses_at{};
  };
  std::map<std::string, Suspended, std::less<>> suspended_;

  // Queues, by name and by row.
  std::map<std::string, QueueState, std::less<>> queues_;
  std::map<QueueKey, std::string> queue_names_;
  std::set<std::string, std::less<>> withholding_;  ///< queues with something withheld
  mutable std::map<RosterKey, std::shared_ptr<const RosterRow>> rosters_;

  // Openings that may still be repeated.
  struct DigestHash {
    std::size_t operator()(const Digest& digest) const {
      std::size_t out = 0;
      for (std::size_t i = 0; i < sizeof out; ++i) out = out << 8U | digest[i];
      return out;
    }
  };
  std::unordered_map<Digest, LeafPlace, DigestHash> openings_;
  std::deque<std::pair<UnixMillis, Digest>> opening_times_;

  // What each identity has been refused in its running minute, and when its last connection was recorded.
  struct Conduct {
    UnixMillis minute_start{};
    std::size_t refusals = 0;
    std::optional<UnixMillis> connection_recorded;
  };
  // By transport key: who holds a member's former key counts against that key alone.
  std::map<crypto::CurvePublic, Conduct> conduct_;

  // What each identity had accepted and logged in its running day. Of this process: a start begins the day anew.
  struct Usage {
    UnixMillis day_start{};
    std::uint64_t bytes = 0;
    std::uint64_t acts = 0;
  };
  Usage& usage_of(const Batch& batch, const protocol::Member& member);
  std::map<std::string, Usage, std::less<>> usage_;

  // Input from nobody (P3).
  StrayCounts strays_;
  std::array<UnixMillis, 2> stray_minute_{};  ///< when the running minute of each reason began
  std::optional<UnixMillis> strays_saved_;

  struct Follower {
    std::uint64_t request_id = 0;
    std::uint32_t credit = 0;
    std::map<std::string, QueueNumber, std::less<>> after;
  };
  class PushWriter;
  /// The member, when this follower may still read the queue.
  [[nodiscard]] const protocol::Member* seated(const Peer& peer, const std::string& queue, UnixMillis now) const;
  /// The same for all its queues. Nothing where there are none.
  [[nodiscard]] const protocol::Member* reader(const Peer& peer, const Follower& follower, UnixMillis now) const;
  /// At most `headers` more of each queue's backlog, as far as the credit goes. Returns how many.
  std::size_t read_on(const protocol::Member& member, Follower& follower, std::size_t headers, PushWriter& writer);
  [[nodiscard]] bool has_backlog(const Follower& follower) const;
  std::map<Peer, Follower> followers_;
  std::set<Peer> behind_;                                        ///< have credit and a backlog
  std::optional<Peer> last_caught_up_;                           ///< the turn is the next one's
  std::map<std::string, std::set<Peer>, std::less<>> followed_;  ///< by queue

  // Statistics of the months that are over.
  std::optional<std::uint32_t> stated_through_;  ///< the newest month that has them, or needs none; looked for at first
  struct StatedSearch {
    std::uint32_t month = 0;  ///< what is looked through now came after its end
    LeafIndex next{};
    std::uint64_t end = 0;
    std::uint32_t found = 0;
  };
  std::optional<StatedSearch> stated_search_;
  std::optional<protocol::MonthlyStatistics> counting_;
  bool cannot_count_ = false;  ///< a record of the month does not open; until the next start
  /// The shard before this one.
  struct ClosedMonths {
    std::uint32_t last = 0;                ///< month of its last leaf; 0 = not looked at yet
    std::uint32_t earlier = 0;             ///< of the last leaf before that month; 0 = there is none
    std::optional<std::uint32_t> through;  ///< stated, there or here; looked for at first
    std::uint32_t found = 0;
    LeafIndex there{}, here{};  ///< next to be looked at, in it and in this one
    std::optional<protocol::MonthlyStatistics> counting;
    bool cannot_count = false;
  };
  ClosedMonths closed_months_;

  // Erasure at the journal's term.
  std::optional<LeafPlace> erased_through_;  ///< nothing before it is due; looked for at first
  std::uint32_t erasing_ = 0;                ///< the month whose records go, or went last: its leaf is there
  bool wal_owed_ = false;                    ///< what was erased may stand in the WAL still

  // The terms of cases.
  bool terms_recorded_ = false;
  /// What the lease file named at the start, and was not compared with the store yet.
  std::optional<std::vector<LeaseFile::Erased>> unfinished_;
  ExchangeNumber terms_through_{};     ///< cases of the pass under way
  std::uint64_t noticed_counted_ = 0;  ///< of the pass under way
  std::uint64_t noticed_ = 0;          ///< of the last whole one: cases whose erasure is announced
  bool loose_left_ = false;            ///< of those in no case
  std::size_t due_max_ = 0;            ///< of what the tick under way erases
  std::uint64_t erased_now_ = 0;       ///< by it
  bool content_in_wal_ = false;        ///< of what was erased; a start that finds erasures does not know

  bool no_release_key_ = false;  ///< the month's could not be written at the last tick

  // The weekly re-encryption of R.
  std::uint32_t rotating_to_ = 0;  ///< lease of the pass under way or done
  ExchangeNumber rotated_through_{};
  bool all_rotated_ = false;
  /// Whose R opens under no lease, and the lease it claims: skipped and shown, until the operator mends or erases them.
  std::map<ExchangeNumber, std::uint32_t> damaged_;
};

}  // namespace pli::broker
