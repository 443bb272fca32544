// Reading the journal as an auditor, all shards of the log from the first: every record against its leaf, every leaf
// against the tree the log signed, every shard's end against what the next one begins with, every act against the
// signature of who did it, every queue against its chain. Finds what a dishonest broker wrote (P5, P7, P8, P10).
#pragma once

#include <chrono>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "audit/leaf.hpp"
#include "audit/queue_chain.hpp"
#include "audit/record.hpp"
#include "audit/tree.hpp"
#include "client/session.hpp"

namespace pli::client {

enum class Problem : std::uint8_t {
  leaf_malformed,           ///< not a leaf of ours
  disclosure_malformed,     ///< a field that does not match its commitment
  record_mismatch,          ///< the record is not the one the leaf commits to
  record_incomplete,        ///< a field an act of this type must have is missing
  time_reversed,            ///< earlier than the leaf before
  time_ahead,               ///< later than clocks that are not the broker's allow
  leaf_missing,             ///< the broker did not hand over every leaf
  tree_mismatch,            ///< the leaves do not make the signed root
  statement_forged,         ///< signature missing, not the named person's, or over something else
  statement_contradicts,    ///< a signed request says something else than the record
  signer_unknown,           ///< no such key in the directory
  signer_not_in_force,      ///< a key replaced, or a member revoked or expired, under the version it was recorded with
  queue_broken,             ///< a head that does not follow from the one before
  queue_gap,                ///< a number is missing
  queue_number_twice,       ///< two records with one number
  refusal_unfounded,        ///< refused as the author of a case that neither he nor his organisation opened
  act_twice,                ///< one exchange accepted, or one request granted, in two records
  directory_discontinuous,  ///< a version number repeated, skipped or going back
  directory_contradicts,    ///< the version we verified is not the one in the log
  record_withheld,          ///< its record is not handed over, and no erasure at the journal's term covers it
  shard_missing,            ///< a shard of the log is not shown, or how it ended
  shard_step_broken,        ///< a shard's end, the next one's first leaf and the authority's order do not fit together
};
[[nodiscard]] std::string_view text_of(Problem problem);

/// When a leaf says it was made, and the latest moment at which it can have been.
struct DatedAhead {
  UnixMillis dated{};
  UnixMillis latest{};
  std::string leaf;        ///< verbatim
  std::string checkpoint;  ///< what the witnesses cosigned, verbatim; empty of one's own clock
  bool operator==(const DatedAhead&) const = default;
};
/// A checkpoint the witnesses' quorum cosigned, verbatim.
struct CosignedNote {
  CosignedHead head;
  std::string note;
};

struct Finding {
  Problem problem;
  std::optional<LeafIndex> leaf;
  std::string subject;  ///< field, queue or act: our own tokens; of time_ahead, whose clock: "witnesses" or "own"
  std::string shard{};  ///< origin of the tree `leaf` is in
  std::optional<DatedAhead> ahead{};  ///< of time_ahead
  bool operator==(const Finding&) const = default;
};

/// One record as the auditor reads it.
struct AuditedRecord {
  LeafIndex index{};
  audit::Leaf leaf;
  audit::Disclosure record;  ///< without a field when its values were erased at the journal's term
  std::string shard{};       ///< name within the log: "2026-1"
};

/// One tree of the log, compared with a checkpoint of it.
struct AuditedShard {
  std::string origin;
  TreeSize size{};
  Digest root{};
  std::string checkpoint;    ///< its note, verbatim: the closing one, of the current shard the newest
  bool rolled_back = false;  ///< it ends short of what was published, by the authority's order
  bool cosigned = false;     ///< by the quorum of the invitation's witnesses
};

struct AuditReport {
  TreeSize size{};  ///< of the current shard's checkpoint
  Digest root{};
  std::string checkpoint;            ///< its note, verbatim
  std::vector<AuditedShard> shards;  ///< oldest first; the last one is the current
  std::uint64_t records = 0;         ///< of all shards
  std::uint64_t erased = 0;       ///< of them: at the journal's term; the leaf and its place are checked all the same
  std::uint64_t signatures = 0;   ///< checked and good
  std::vector<Finding> findings;  ///< empty = nothing altered, nothing invented, nothing missing
  /// Of the first leaf dated ahead of the witnesses: the leaf and what they cosigned, kept in the profile. Empty =
  /// none.
  std::filesystem::path evidence;
  [[nodiscard]] bool clean() const { return findings.empty(); }
};

/// The checks, one record after another. Memory: 32 bytes and a map's node for each accepted exchange, the author of
/// each case, one head for each queue, a time for each version, a number for each member, a checkpoint for each shard,
/// a line for each finding (at most findings_max are kept). Pure: no network, no disk.
///
/// A leaf's time is the broker's word. It is held against the clocks of others: what the witnesses' quorum cosigned at
/// some time holds no leaf of a later one, nor does what is read now hold one of tomorrow. Nothing is due by a time
/// beyond these, whatever a leaf says.
///
/// What is about the log goes on from one shard to the next: queues, what was accepted, versions, times. Of a shard
/// rolled back that is what stands of it, so an exchange accepted again in the next one is no act_twice.
class LogAuditor {
 public:
  inline static constexpr std::size_t findings_max = 1000;
  /// No journal is kept for less: six months after the month is over.
  inline static constexpr std::chrono::milliseconds record_kept_min = std::chrono::hours(24 * 181);

  /// `directory` gives the keys of who acted; it must outlive this and not be older than the checkpoint of finish().
  LogAuditor(std::string log, const KnownDirectory& directory);
  enum class Begins {
    the_log,   ///< nothing was before it
    as_shown,  ///< with this leaf, which fits how the shard before ended
    unknown,   ///< that is a finding already
  };
  /// What follows is added to the tree of `origin`. `first` is its leaf 0 where that is known.
  void begin_shard(std::string_view origin, Begins begins, const std::string& first = {});
  /// Checkpoints the witnesses' quorum cosigned, of any shard: of each leaf they hold, the earliest bounds the time.
  void witnessed_by(std::vector<CosignedNote> cosigned) { cosigned_ = std::move(cosigned); }
  /// What the reader's own clock says; until it is called, that clock bounds nothing.
  void read_at(UnixMillis now) { now_ = now; }
  /// In order of index, from 0.
  void add(const protocol::RecordItem& item);
  /// The shard is read: it ends, or is read up to here. `rolled_back`: an order gave up what was beyond.
  void end_shard(const audit::VerifiedCheckpoint& checkpoint, bool rolled_back);
  /// By an ordered rollback the broker is under an older version than ours, which was published in what was given up.
  void excuse_older_directory() { older_directory_ = true; }
  /// Who were authorities under versions before ours: what one of them signed then stays signed. Without it only those
  /// of `directory`.
  void trust_authorities(std::vector<protocol::AuthoritySet> sets) { authorities_ = std::move(sets); }
  /// What was seen elsewhere than in a leaf.
  void take(Finding finding);
  /// With the checkpoint of the shard that was begun last.
  [[nodiscard]] AuditReport finish(const audit::VerifiedCheckpoint& checkpoint);
  /// How many leaves of the shard were added.
  [[nodiscard]] LeafIndex next() const { return {edge_.size().value}; }
  /// Whether the journal read so far knows the directory's version.
  [[nodiscard]] bool knows_directory() const;
  /// The last record added, when it could be read.
  [[nodiscard]] const std::optional<AuditedRecord>& last() const { return last_; }

 private:
  using ShortId = ByteArray<16>;
  void find(Problem problem, std::optional<LeafIndex> leaf, std::string_view subject);
  [[nodiscard]] const Bytes* required(const AuditedRecord& record, std::string_view field);
  [[nodiscard]] std::optional<crypto::SignPublic> signer_of(const AuditedRecord& record);
  void check_in_force(const AuditedRecord& record, const crypto::SignPublic& signer);
  void check_act(const AuditedRecord& record);
  void check_submission(const AuditedRecord& record, bool accepted);
  void check_suspension(const AuditedRecord& record);
  void check_opening(const AuditedRecord& record, bool granted);
  void check_queue(const AuditedRecord& record, const Digest& exchange);
  void note_case(const AuditedRecord& record, const ShortId& exchange);
  /// The case and those it was passed on from, as far as there may be.
  [[nodiscard]] std::vector<ShortId> chain_of(const ShortId& case_id) const;
  void check_author(const AuditedRecord& record);
  void check_first(const protocol::RecordItem& item);
  void check_directory(const AuditedRecord& record);
  struct Latest {
    UnixMillis time{INT64_MAX};
    std::string_view clock;
    const CosignedNote* cosigned = nullptr;
  };
  [[nodiscard]] Latest latest_time_of(LeafIndex index) const;
  void check_time(const AuditedRecord& record);
  void add_erased(const AuditedRecord& record);
  void check_erasure(const AuditedRecord& record);

  std::string log_;
  const KnownDirectory& directory_;
  std::vector<protocol::AuthoritySet> authorities_;
  std::string origin_;
  Begins begins_ = Begins::unknown;
  std::string first_;
  bool from_the_middle_ = false;  ///< what was before the first shard read is not known
  bool older_directory_ = false;
  std::vector<AuditedShard> shards_;
  audit::TreeEdge edge_;
  std::vector<audit::Node> scratch_;
  struct QueueAt {
    audit::QueueHead head;
    std::uint64_t erased = 0;  ///< records erased before it: some of the queue's may be among them
  };
  std::map<std::string, QueueAt> queues_;
  /// Leaves of one month in a row whose records were not handed over, and no erasure seen of them yet.
  struct Erased {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    UnixMillis month_end{};
    std::string shard;  ///< origin
  };
  std::vector<Erased> unexplained_;
  std::uint64_t erased_ = 0;
  struct Author {
    std::string person, organisation;
  };
  std::map<ShortId, ShortId> accepted_;                ///< exchange → case; itself where it is of none, or opens one
  std::map<ShortId, Author> authors_;                  ///< by case
  std::map<ShortId, ShortId> origins_;                 ///< of a linked case, the one it was passed on from
  std::set<std::pair<ShortId, std::string>> recused_;  ///< case and person
  std::set<Digest> granted_;                           ///< opening requests young enough to be granted again
  std::deque<std::pair<UnixMillis, Digest>> granted_order_;
  std::optional<audit::DirectoryReference> version_;
  std::map<std::uint64_t, UnixMillis> published_;  ///< when each version entered the log
  std::map<std::string, std::size_t> keys_used_;   ///< by member: how many keys before the newest seen
  std::optional<UnixMillis> time_;
  std::optional<UnixMillis> now_;
  std::vector<CosignedNote> cosigned_;
  bool ahead_in_shard_ = false;
  std::optional<AuditedRecord> last_;
  std::uint64_t records_ = 0;
  std::uint64_t signatures_ = 0;
  std::vector<Finding> findings_;
};

using OnRecord = std::function<void(const AuditedRecord&)>;
/// Sees each leaf's bytes as they came, readable or not, before its record. A failure ends the reading.
using OnItem = std::function<Outcome<void>(const protocol::RecordItem&)>;
/// The same with the origin of the tree the leaf is in.
using OnLeaf = std::function<Outcome<void>(const std::string& origin, const protocol::RecordItem&)>;
/// Leaves read, of how many.
using OnProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

/// Shards one log is read over: more than a contract has years and bad days.
inline constexpr std::size_t shards_audited_max = 256;

/// A shard, and how it is known to begin.
struct ShardSpan {
  std::string origin;
  audit::VerifiedCheckpoint checkpoint;  ///< the closing one; of the current shard the newest
  LogAuditor::Begins begins = LogAuditor::Begins::unknown;
  std::string first;         ///< its leaf 0, where it begins as_shown
  bool rolled_back = false;  ///< it ends short of what was published, by order
};
struct ShardChain {
  std::vector<ShardSpan> shards;  ///< oldest first, never empty; the last one is the current
  std::vector<Finding> findings;  ///< shard_missing, shard_step_broken
};
/// All shards of the log: from the current one back to the first, by what leaf 0 of each says of the one before, or
/// what this profile remembers of it. Each end is checked as when it is passed (shard_watch.hpp), under the authorities
/// of any version this profile verified, and against what the profile saw of it then.
/// Errors: refusals (only an auditor may), unreachable, local_store, receipt_invalid (no checkpoint yet, or more shards
/// than shards_audited_max).
[[nodiscard]] Outcome<ShardChain> find_shards(Session& session);

/// A version is shown before a checkpoint that holds its leaf is published, at most a second later: that long, and then
/// some, `patience` waits for one, since a directory the log does not know is a finding.
inline constexpr std::chrono::milliseconds publication_patience{10'000};
/// Reads the whole journal, all shards, up to the session's last verified checkpoint and checks it. The callbacks may
/// be empty. Errors: those of find_shards(), log_forked, those of `on_leaf`. What is wrong with the log is in the
/// report, not an error.
[[nodiscard]] Outcome<AuditReport> audit_log(Session& session, const OnRecord& on_record,
                                             std::chrono::milliseconds patience = publication_patience,
                                             const OnLeaf& on_leaf = {}, const OnProgress& progress = {});
/// The leaves [from, end) of a shard as they came, not checked. Ends early where the broker has no more. Errors:
/// refusals, unreachable, those of `on_item`.
[[nodiscard]] Outcome<void> read_items(Session& session, const std::string& origin, LeafIndex from, TreeSize end,
                                       const OnItem& on_item);
/// What the broker says was recorded after the session's last checkpoint: no tree commits to it yet.
struct UnprovenTail {
  std::uint64_t count = 0;
  std::vector<AuditedRecord> records;  ///< the first records_items_max of them
};
/// Never empty: reading the journal is recorded too. Errors: refusals, unreachable; receipt_invalid (a record that is
/// not what its leaf says).
[[nodiscard]] Outcome<UnprovenTail> read_unproven(Session& session);
/// Some records, checked one by one against their leaves but not against the tree: for listing. `origin` empty = of the
/// current shard. One erased at the journal's term has no field.
[[nodiscard]] Outcome<std::vector<AuditedRecord>> read_records(Session& session, LeafIndex from, std::uint64_t count,
                                                               const std::string& origin = {});
/// "2026-1" of "pli.example/pli/89/2026-1".
[[nodiscard]] std::string shard_name_of(std::string_view origin);
/// One record with its proof, under the newest published checkpoint that holds it, which is compared with all this
/// profile has seen. `shard` empty = the current one. Errors: refusals, receipt_invalid (also the proof of another
/// leaf), log_forked, log_shrunk.
[[nodiscard]] Outcome<VerifiedReceipt> prove_record(Session& session, LeafIndex place, const std::string& shard);
/// Hides all fields but the named ones behind their commitments: the record's digest, and its proof, stay good. What is
/// hidden cannot be computed from what is left.
void show_only(audit::Disclosure& record, const std::vector<std::string>& shown);

}  // namespace pli::client
