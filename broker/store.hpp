// The broker's one durable store: exchanges, queues, cursors, cases, the log and the directory's versions, in one
// SQLite file (docs/storage.md has the tables). Free of SQLite's types.
//
// Writes happen in a Transaction, of which there is one at a time; reads happen on the store, inside a transaction or
// not. A fault of the disk or of what stands on it closes the store for good: from then on every read finds nothing,
// every write is dropped and every commit fails, so that whatever was decided on such reads never leaves. Recovery is
// open(), the same path as any start.
//
// Nothing here assumes to be the only process: open() takes a writer epoch, and an older writer's begin() fails.
// Thread: one at a time (the core's); `free_bytes` and `fault` are thread-safe.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/leaf.hpp"
#include "audit/queue_chain.hpp"
#include "audit/tree.hpp"
#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/id.hpp"
#include "base/result.hpp"
#include "broker/leaf_place.hpp"
#include "crypto/keys.hpp"

namespace pli::broker {

using ExchangeNumber = Id<struct ExchangeNumberTag>;  ///< 1-based, in order of acceptance; never leaves the broker.
using QueueKey = Id<struct QueueKeyTag>;              ///< 1-based, a queue's row
using RosterKey = Id<struct RosterKeyTag>;            ///< 1-based, a roster's row

struct StoreOptions {
  std::string vfs;                   ///< SQLite VFS by name; empty = the platform's (tests put a faulty disk here)
  bool background_writeback = true;  ///< false: the WAL is written back inside commit() (simulator)
  bool create = false;               ///< make the file when it is not there
  std::function<std::uint64_t()> free_bytes;  ///< empty = asks the disk (tests make one that fills up)
  int wal_pages_max = 16384;                  ///< a commit waits for the write-back once the WAL is this long (128 MiB)
};

/// One accepted exchange. Of an erased one, address, seal and signature are gone; the rest stays for ever.
struct ExchangeRow {
  ExchangeNumber number;
  Digest id{};
  Digest nonce{};  ///< SHA-256("pli-nonce/1" ‖ string8 sender ‖ nonce)
  LeafPlace leaf;
  UnixMillis accepted_at{};
  QueueKey queue;
  audit::QueueHead head;
  std::uint16_t kind = 0;
  ExchangeNumber case_number;  ///< first exchange of its case; 0 = none
  RosterKey roster;
  std::uint64_t body_bytes = 0;  ///< locked ‖ payload; an `acces` has no payload of its own
  bool erased = false;
  crypto::Signature signature{};
  Bytes seal;
  Bytes address;
};

/// A way in: the locked header that stands in the body of `number` opens the payload of `of`, under R.
struct AccessRow {
  ExchangeNumber number;
  ExchangeNumber of;
  std::uint32_t lease = 0;
  Bytes leased;  ///< R under that lease key (crypto/secret_box.hpp)
};

struct CaseRow {
  ExchangeNumber number;   ///< of its first exchange, whose id is the case's
  ExchangeNumber origin;   ///< the case whose transmission opened it; 0 = none
  QueueKey queue;          ///< the instance
  std::uint16_t kind = 0;  ///< of its first exchange
  std::uint8_t state = 0;  ///< protocol::CaseState
  bool opened = false;     ///< by somebody of the instance
  std::string person;      ///< of the first sender; of a linked case, that of the report it came from
  std::string organisation;
  UnixMillis opened_at{};
  UnixMillis updated_at{};
  std::uint32_t exchanges = 0;
  UnixMillis party_updated_at{};  ///< what the first sender's organisation may know of: its own and those sent to it
  std::uint32_t party_exchanges = 0;
  std::uint8_t resumes = 0;   ///< the state a complement leads back to; none unless one was asked for
  bool out_of_scope = false;  ///< as it was last found
  // When, 0 for not yet:
  UnixMillis session_at{};  ///< the day of its séance
  UnixMillis decided_at{};
  UnixMillis review_at{};  ///< the day on which a deferred retour is looked at again
  UnixMillis told_at{};    ///< from then on its collectivité sees the retour
  UnixMillis closed_at{};
  std::uint32_t recused = 0;  ///< how many persons take no further part
  // The erasure's:
  UnixMillis noticed_at{};
  UnixMillis term_at{};
  UnixMillis held_until{};
};

/// An exchange that its queue is not shown yet, and when it is.
struct WithheldRow {
  ExchangeNumber number;
  UnixMillis until{};
};

/// What a case's end is counted from, besides its own row (protocol/retention.hpp). All empty while nothing was
/// written.
struct CaseTermRow {
  ExchangeNumber number;
  UnixMillis closed_at{};
  std::uint8_t term = 0;  ///< protocol::TermClass, as its closing said
  UnixMillis noticed_at{};
  UnixMillis held_until{};  ///< by two persons
  bool gone = false;        ///< nothing is left of it, nor of what was sent to a collectivité
  bool operator==(const CaseTermRow&) const = default;
};
/// Whose word was given on a case. Stored numbers: never change them.
enum class VoiceOn : std::uint8_t { hold = 1, erasure = 2 };
struct CaseVoiceRow {
  ExchangeNumber case_number;
  VoiceOn what = VoiceOn::hold;
  std::string person;
  UnixMillis at{};
};

/// In what capacity somebody agrees, as bits: who holds two roles may do it for either. Stored numbers: never change
/// them.
enum class Capacity : std::uint8_t { none = 0, service = 1, parquet = 2, sender = 4 };
/// One word on an exchange: its person's last counts.
struct AgreementRow {
  ExchangeNumber exchange;  ///< the `agrement`
  ExchangeNumber about;
  std::string person;
  std::string organisation;
  std::uint8_t quality = 0;  ///< bits of Capacity
  bool accord = false;       ///< else refus
  UnixMillis until{};        ///< an accord's; 0 = without a term
};
/// An information nominative that was given to a maire: once, and until a day.
struct NominativeRow {
  ExchangeNumber part;  ///< the `acces` in his queue
  ExchangeNumber about;
  UnixMillis until{};
};

struct RosterRow {
  RosterKey key;
  Digest digest{};
  std::vector<crypto::AgePublic> keys;  ///< sorted
};

struct LeafRow {
  LeafPlace place;
  audit::Leaf leaf;
  std::vector<Digest> nodes;  ///< the complete subtrees this leaf closes, of level 1, 2, …
  std::uint32_t month = 0;    ///< whose key `record` is boxed under; 0: it stands in clear (record_fields.hpp)
  Bytes record;               ///< packed and boxed; empty once dropped at the journal's term
};

/// Where a record stands, without its bytes.
struct RecordPlace {
  LeafPlace place;
  std::uint32_t month = 0;
  bool there = false;
};

struct OpeningRow {
  LeafPlace leaf;
  Digest id{};
  ExchangeNumber exchange;
  std::string opener;
  UnixMillis at{};  ///< when the broker granted it
};

struct DirectoryRow {
  DirectoryNumber number{};
  std::string note;
  LeafPlace leaf;
};
/// What one authority signed against one member under one version.
struct SuspensionRow {
  std::string member;
  DirectoryNumber directory{};
  std::string note;
  LeafPlace leaf;
};
/// The newest bytes of one entry, and the version that brought them.
struct EntryRow {
  DirectoryNumber changed{};
  Bytes bytes;
};
struct DirectoryEntryRow {
  std::uint8_t type = 0;
  std::string id;
  Bytes bytes;
};

/// How a shard ended.
struct ShardEnd {
  std::string closed;      ///< the last checkpoint that stands of it, signed; cosigned once the witnesses have answered
  std::string last_known;  ///< of one rolled back: the checkpoint beyond it that was lost; else empty
  std::string order;       ///< of one rolled back: the authority's order
};
struct ShardRow {
  ShardNumber number;
  std::string origin;  ///< log "/" shard
  ShardEnd end;        ///< all empty while it is open
};

/// Input from nobody, counted since the last count became a leaf (P3).
struct StrayCounts {
  std::uint64_t undecodable = 0;
  std::uint64_t unknown_key = 0;
  bool operator==(const StrayCounts&) const = default;
};

class Transaction;

class Store {
 public:
  /// Takes the next writer epoch: whoever had the store open before can commit nothing any more.
  /// Brings a file of an older schema to today's first (store_migrations.hpp).
  /// Errors: not_found (no file, and not told to create one), io_error, corruption (not ours), conflict (a newer
  /// program's schema).
  [[nodiscard]] static Result<std::unique_ptr<Store>> open(const std::filesystem::path& file,
                                                           const StoreOptions& options);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// Errors: io_error; conflict when a newer writer has taken over. Both close the store. One at a time.
  [[nodiscard]] Result<Transaction> begin();

  [[nodiscard]] std::optional<Error> fault() const;  ///< why the store is closed; thread-safe
  [[nodiscard]] std::uint64_t free_bytes() const;    ///< on the disk the file stands on; 0 too when it cannot tell
  [[nodiscard]] const std::filesystem::path& file() const;

  // Reads. Nothing found and a closed store look alike: check fault(), or commit, before believing either.
  [[nodiscard]] std::string origin() const;            ///< of the current shard, log "/" shard; empty before initialise
  [[nodiscard]] ShardNumber shard() const;             ///< the current one
  [[nodiscard]] std::string checkpoint() const;        ///< newest, signed
  [[nodiscard]] TreeSize tree_size() const;            ///< of the current shard
  [[nodiscard]] std::vector<ShardRow> shards() const;  ///< oldest first; the last is the current one
  [[nodiscard]] std::uint64_t exchange_count() const;
  [[nodiscard]] StrayCounts stray_counts() const;

  [[nodiscard]] std::optional<ExchangeRow> exchange(ExchangeNumber number) const;
  [[nodiscard]] std::optional<ExchangeRow> find_exchange(const Digest& id) const;
  [[nodiscard]] std::optional<Digest> find_nonce(const Digest& nonce) const;  ///< id of the exchange that used it
  [[nodiscard]] std::optional<Digest> find_payload(
      const Digest& payload) const;  ///< id of a live exchange that owns it
  /// The links of one queue after a number, in order.
  [[nodiscard]] std::vector<ExchangeRow> links(QueueKey queue, QueueNumber after, std::size_t items_max) const;
  /// Bytes [offset, offset + size) of locked ‖ payload.
  [[nodiscard]] Bytes body(ExchangeNumber number, std::uint64_t offset, std::uint64_t size) const;
  /// The exchange's own way in first, then those that `acces` exchanges added.
  [[nodiscard]] std::vector<AccessRow> access(ExchangeNumber of) const;
  [[nodiscard]] std::vector<AccessRow> access_after(ExchangeNumber after, std::size_t items_max) const;

  [[nodiscard]] std::optional<CaseRow> case_file(ExchangeNumber first) const;
  /// Cases that transmissions of this one opened, erased or not, ascending.
  [[nodiscard]] std::vector<ExchangeNumber> linked_cases(ExchangeNumber origin) const;
  /// Without the linked ones, in which it has no part.
  [[nodiscard]] std::vector<CaseRow> cases_of_party(std::string_view organisation, ExchangeNumber after,
                                                    std::size_t items_max) const;
  [[nodiscard]] std::vector<CaseRow> cases_of_instance(QueueKey queue, ExchangeNumber after,
                                                       std::size_t items_max) const;

  /// Persons, in no order that matters.
  [[nodiscard]] std::vector<std::string> recused(ExchangeNumber first) const;
  [[nodiscard]] std::vector<WithheldRow> withheld() const;  ///< in order of acceptance
  [[nodiscard]] std::vector<CaseRow> cases_after(ExchangeNumber after, std::size_t items_max) const;
  [[nodiscard]] CaseTermRow case_term(ExchangeNumber first) const;
  [[nodiscard]] std::vector<CaseVoiceRow> case_voices(ExchangeNumber first) const;
  [[nodiscard]] std::vector<AgreementRow> agreements(ExchangeNumber about) const;  ///< in order of acceptance
  [[nodiscard]] std::optional<NominativeRow> nominative_release(ExchangeNumber about) const;
  /// Those whose day is over by then, and which stand still.
  [[nodiscard]] std::vector<NominativeRow> nominative_due(UnixMillis now, std::size_t items_max) const;
  /// The exchanges of a case after its first, or those of no case, ascending.
  [[nodiscard]] std::vector<ExchangeNumber> exchanges_of_case(ExchangeNumber first, ExchangeNumber after,
                                                              std::size_t items_max) const;
  /// The leaf that says so of an erased exchange. Nothing when it was erased in a copy, and not yet said again.
  [[nodiscard]] std::optional<LeafPlace> erasure(ExchangeNumber number) const;
  [[nodiscard]] std::string term_rule() const;  ///< the terms last recorded; empty = the defaults

  struct QueueRow {
    QueueKey key;
    std::string name;
    audit::QueueHead head;  ///< number 0 and no head when nothing was linked yet
  };
  [[nodiscard]] std::vector<QueueRow> queues() const;
  [[nodiscard]] std::optional<RosterRow> roster(RosterKey key) const;
  [[nodiscard]] std::optional<RosterRow> find_roster(const Digest& digest) const;
  [[nodiscard]] QueueNumber cursor(std::string_view member, QueueKey queue) const;

  [[nodiscard]] std::optional<LeafRow> leaf(const LeafPlace& place) const;
  [[nodiscard]] std::vector<RecordPlace> records_from(const LeafPlace& from, std::size_t items_max) const;
  /// Inner nodes from their leaf's row, level 0 from the leaf itself. Errors: corruption when it is not there.
  [[nodiscard]] Result<Digest> node(ShardNumber shard, audit::NodeId id) const;
  [[nodiscard]] Result<Digest> node(audit::NodeId id) const { return node(shard(), id); }  ///< of the current shard
  [[nodiscard]] audit::NodeSource nodes(ShardNumber shard) const;  ///< valid while the store lives
  [[nodiscard]] std::vector<OpeningRow> openings() const;          ///< those not pruned, oldest first
  [[nodiscard]] std::optional<OpeningRow> opening(const LeafPlace& leaf) const;

  [[nodiscard]] std::optional<DirectoryRow> newest_directory() const;
  [[nodiscard]] std::vector<EntryRow> entries() const;           ///< the newest bytes of every entry
  [[nodiscard]] std::vector<SuspensionRow> suspensions() const;  ///< by member and version; few, as each takes a key

  /// Between two transactions: empties the WAL, so that what was erased does not linger there. False while somebody
  /// reads an older state: ask again later. A fault closes the store.
  [[nodiscard]] bool truncate_wal();
  /// Moves what the WAL holds into the database and empties it; for a clean shutdown. Errors: io_error.
  [[nodiscard]] Result<void> write_back_all();

 private:
  friend class Transaction;
  struct State;
  explicit Store(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// All of it becomes durable, or none. Writes are remembered as failed, not reported one by one: commit() says so.
/// Dropped uncommitted, it leaves nothing. Thread: the store's.
class Transaction {
 public:
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  /// Numbers are the caller's to give, in order: the epoch taken at open() holds nobody else wrote since.
  /// `payload`: digest of the payload it owns; none for an `acces`.
  void add_exchange(const ExchangeRow& row, const std::optional<Digest>& payload);
  void add_body(ExchangeNumber number, ByteView locked, ByteView payload);
  void add_access(const AccessRow& row);
  void release_under(ExchangeNumber number, std::uint32_t lease, ByteView leased);  ///< R under a newer lease
  void add_case(const CaseRow& row);
  void update_case(const CaseRow& row);
  void add_recusal(ExchangeNumber first, std::string_view person);
  void withhold(const WithheldRow& row);
  void release_withheld(ExchangeNumber number);
  void set_case_term(const CaseTermRow& row);
  void set_case_voice(const CaseVoiceRow& row);
  void add_agreement(const AgreementRow& row);
  void add_nominative_release(const NominativeRow& row);
  /// Content, address, seal, signature and R go, and what it agreed to or gave; number, id, nonce and place stay.
  void erase_exchange(ExchangeNumber number, const LeafPlace& leaf);
  void set_term_rule(const LeafPlace& leaf, std::string_view rule);
  [[nodiscard]] QueueKey add_queue(std::string_view name);
  [[nodiscard]] RosterKey add_roster(const Digest& digest, const std::vector<crypto::AgePublic>& keys);
  void set_cursor(std::string_view member, QueueKey queue, QueueNumber number);
  void add_leaf(const LeafRow& row);
  void drop_record(const LeafPlace& place);
  void keep_disclosed(const LeafPlace& place, ByteView packed);  ///< in clear, in place of the boxed record
  void add_opening(const OpeningRow& row);
  void drop_openings(UnixMillis before);
  void add_directory(const DirectoryRow& row, const std::vector<DirectoryEntryRow>& changed);
  void add_suspension(const SuspensionRow& row);
  void set_origin(std::string_view origin);  ///< the first shard's; once
  /// Ends the current shard; what is added from here on stands in the next one, its leaves counted from 0.
  void open_shard(std::string_view origin, const ShardEnd& before);
  /// The closing checkpoint of an ended shard, with more cosignatures than before.
  void set_closed(ShardNumber shard, std::string_view note);
  void set_checkpoint(std::string_view note);
  void set_stray_counts(const StrayCounts& counts);

  [[nodiscard]] bool dirty() const;  ///< whether anything was written

  /// Success means it survives power loss (SQLite WAL, synchronous=FULL): receipts only after it. One sync, so commit
  /// batches; nothing is synced when nothing was written. Errors: io_error, conflict; the store is closed then, and
  /// whether the transaction happened is for the next open() to find out: retrying is unsafe.
  [[nodiscard]] Result<void> commit();

 private:
  friend class Store;
  explicit Transaction(Store::State& state) : state_(&state) {}
  Store::State* state_;
};

}  // namespace pli::broker
