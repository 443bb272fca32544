#include "broker/store.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "broker/disk_space.hpp"
#include "broker/store_files.hpp"
#include "broker/store_migrations.hpp"
#include "broker/store_schema.hpp"
#include "broker/store_tail.hpp"
#include "broker/store_writeback.hpp"

namespace pli::broker {
namespace {

/// Pieces of a body: small enough that a page is filled well, unless there are too many of them.
constexpr std::uint64_t piece_bytes_small = 1350;
constexpr std::uint64_t piece_bytes_large = 48 * 1024;
constexpr std::uint64_t body_bytes_small_max = 32 * 1024;

/// Entries that gather in the tail before they are written: three for each exchange, five for one that opens a case.
constexpr std::size_t tail_entries = 3 * 8192;
/// Entries written at once, so that neighbours share pages.
constexpr std::size_t tail_slice = 192;

/// Pages in the WAL: when the write-back starts, and when few enough are left to finish between two commits.
constexpr int wal_start_frames = 1024;
constexpr int wal_finish_frames = 256;

constexpr int busy_timeout_ms = 5000;
/// Where the payload's digest stands in a seal (protocol/exchange.hpp).
constexpr std::size_t seal_payload_digest_at = 1 + 8 + 32 + 8;

std::uint64_t piece_size(std::uint64_t body_bytes) {
  return body_bytes <= body_bytes_small_max ? piece_bytes_small : piece_bytes_large;
}

std::int64_t as_column(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::uint64_t from_column(std::int64_t value) { return static_cast<std::uint64_t>(value); }

/// One execution of a kept statement: parameters in order, then rows. Reset when it goes out of scope. What is bound
/// must outlive it.
class Query {
 public:
  explicit Query(SQLite::Statement& statement) : statement_(statement) {}
  ~Query() { statement_.tryReset(); }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  Query& operator<<(std::int64_t value) {
    statement_.bind(++position_, value);
    return *this;
  }
  Query& operator<<(std::uint64_t value) { return *this << as_column(value); }
  Query& operator<<(std::uint32_t value) { return *this << std::int64_t{value}; }
  Query& operator<<(ByteView bytes) {
    // A null pointer would bind NULL.
    statement_.bindNoCopy(++position_, bytes.empty() ? static_cast<const void*>("") : bytes.data(),
                          static_cast<int>(bytes.size()));
    return *this;
  }
  Query& operator<<(const Digest& digest) { return *this << ByteView(digest); }
  Query& operator<<(const std::string& text) {
    statement_.bindNoCopy(++position_, text);
    return *this;
  }
  Query& operator<<(std::string&& text) = delete;
  Query& operator<<(std::nullptr_t) {
    statement_.bind(++position_);
    return *this;
  }

  bool step() { return statement_.executeStep(); }
  void run() {
    while (step()) {
    }
  }
  [[nodiscard]] std::int64_t integer(int column) const { return statement_.getColumn(column).getInt64(); }
  [[nodiscard]] std::uint64_t number(int column) const { return from_column(integer(column)); }
  [[nodiscard]] std::uint32_t small(int column) const { return static_cast<std::uint32_t>(integer(column)); }
  [[nodiscard]] bool is_null(int column) const { return statement_.getColumn(column).isNull(); }
  /// Valid until the next step.
  [[nodiscard]] ByteView blob(int column) const {
    const SQLite::Column value = statement_.getColumn(column);
    return {static_cast<const std::uint8_t*>(value.getBlob()), static_cast<std::size_t>(value.getBytes())};
  }
  [[nodiscard]] std::string text(int column) const { return statement_.getColumn(column).getString(); }
  [[nodiscard]] Digest digest(int column) const;

 private:
  SQLite::Statement& statement_;
  int position_ = 0;
};

/// What stands in the file is not what was written there.
struct Damaged {
  const char* what;
};

template <std::size_t N>
ByteArray<N> array_of(ByteView bytes, const char* what) {
  const auto array = to_array<N>(bytes);
  if (!array) throw Damaged{what};
  return *array;
}

Digest Query::digest(int column) const { return array_of<32>(blob(column), "digest of another length"); }

constexpr const char* exchange_columns =
    "SELECT number, id, nonce, leaf, accepted_at, queue, queue_number, head, kind, case_number, roster, body, "
    "signature, "
    "seal, address, shard FROM exchange ";

ExchangeRow exchange_of(const Query& query) {
  ExchangeRow row;
  row.number.value = query.number(0);
  row.id = query.digest(1);
  row.nonce = query.digest(2);
  row.leaf = {{query.number(3)}, {query.number(15)}};
  row.accepted_at.value = query.integer(4);
  row.queue.value = query.number(5);
  row.head.number.value = query.number(6);
  row.head.head = query.digest(7);
  row.kind = static_cast<std::uint16_t>(query.integer(8));
  row.case_number.value = query.number(9);
  row.roster.value = query.number(10);
  row.body_bytes = query.number(11);
  row.erased = query.is_null(14);
  if (!row.erased) {
    row.signature = array_of<64>(query.blob(12), "signature of another length");
    row.seal = to_bytes(query.blob(13));
    row.address = to_bytes(query.blob(14));
  }
  return row;
}

constexpr const char* case_columns =
    "SELECT number, queue, kind, state, opened, person, organisation, opened_at, updated_at, exchanges, "
    "party_updated_at, party_exchanges, resumes, out_of_scope, session_at, decided_at, review_at, told_at, closed_at, "
    "recused, noticed_at, term_at, held_until, (SELECT o.origin FROM case_origin AS o WHERE o.number = "
    "case_file.number) FROM case_file ";

CaseRow case_of(const Query& query) {
  CaseRow row;
  row.number.value = query.number(0);
  row.queue.value = query.number(1);
  row.kind = static_cast<std::uint16_t>(query.integer(2));
  row.state = static_cast<std::uint8_t>(query.integer(3));
  row.opened = query.integer(4) != 0;
  row.person = query.text(5);
  row.organisation = query.text(6);
  row.opened_at.value = query.integer(7);
  row.updated_at.value = query.integer(8);
  row.exchanges = query.small(9);
  row.party_updated_at.value = query.integer(10);
  row.party_exchanges = query.small(11);
  row.resumes = static_cast<std::uint8_t>(query.integer(12));
  row.out_of_scope = query.integer(13) != 0;
  row.session_at.value = query.integer(14);
  row.decided_at.value = query.integer(15);
  row.review_at.value = query.integer(16);
  row.told_at.value = query.integer(17);
  row.closed_at.value = query.integer(18);
  row.recused = query.small(19);
  row.noticed_at.value = query.integer(20);
  row.term_at.value = query.integer(21);
  row.held_until.value = query.integer(22);
  row.origin.value = query.number(23);
  return row;
}

/// The columns that a case's road and its end fill.
void bind_road(Query& query, const CaseRow& row) {
  query << std::int64_t{row.resumes} << std::int64_t{row.out_of_scope} << row.session_at.value << row.decided_at.value
        << row.review_at.value << row.told_at.value << row.closed_at.value << row.recused << row.noticed_at.value
        << row.term_at.value << row.held_until.value;
}

RosterRow roster_of(const Query& query) {
  RosterRow row;
  row.key.value = query.number(0);
  row.digest = query.digest(1);
  const ByteView keys = query.blob(2);
  if (keys.size() % 32 != 0) throw Damaged{"roster of another length"};
  for (std::size_t at = 0; at < keys.size(); at += 32)
    row.keys.push_back({array_of<32>(keys.subspan(at, 32), "roster")});
  return row;
}

AccessRow access_of(const Query& query) {
  return {{query.number(0)}, {query.number(1)}, query.small(2), to_bytes(query.blob(3))};
}

OpeningRow opening_of(const Query& query) {
  return {leaf_place(query.number(0)), query.digest(1), {query.number(2)}, query.text(3), {query.integer(4)}};
}

/// What a leaf says beyond its type, time and record: the lines that follow, as they are encoded.
std::string extra_lines(const audit::Leaf& leaf) {
  if (!leaf.directory && !leaf.statement) return {};
  audit::Leaf plain = leaf;
  plain.directory.reset();
  plain.statement.reset();
  return audit::encode(leaf).substr(audit::encode(plain).size());
}

audit::Leaf leaf_of(audit::LeafType type, UnixMillis time, const Digest& record, std::string_view extra) {
  audit::Leaf leaf;
  leaf.type = type;
  leaf.time = time;
  leaf.record = record;
  if (!audit::is_encodable(leaf)) throw Damaged{"leaf of no known type or time"};
  if (extra.empty()) return leaf;
  Result<audit::Leaf> whole = audit::decode_leaf(audit::encode(leaf) + std::string(extra));
  if (!whole) throw Damaged{"leaf with unreadable lines"};
  return *whole;
}

}  // namespace

struct Store::State {
  State(const std::filesystem::path& path, const StoreOptions& options)
      : file(path),
        free_bytes(options.free_bytes ? options.free_bytes : free_bytes_beside(path)),
        wal_pages_max(options.wal_pages_max),
        database(path.string(), SQLite::OPEN_READWRITE, busy_timeout_ms, options.vfs),
        tail(tail_entries) {}

  std::filesystem::path file;
  const FreeBytes free_bytes;
  const int wal_pages_max;
  SQLite::Database database;
  std::unique_ptr<Writeback> writeback;
  std::optional<StoreFiles> files;  ///< none under a VFS of a test's, which may keep them elsewhere
  FingerTail tail;
  bool in_transaction = false;
  bool dirty = false;

  // What meta holds, and what one transaction would make of it.
  struct Meta {
    std::uint64_t epoch = 0;
    std::uint64_t shard = 0;
    std::string origin;
    std::string checkpoint;
    std::uint64_t indexed_through = 0;
    StrayCounts strays;
    std::uint64_t exchanges = 0;
    std::uint64_t leaves = 0;
  };
  Meta meta;
  Meta committed;
  std::size_t tail_owed = 0;
  int wal_frames = 0;
  int wal_frames_before = 0;

  mutable std::mutex fault_mutex;
  std::optional<Error> fault;

  // Kept statements, in the order of their tables.
  struct Statements {
    explicit Statements(SQLite::Database& db);
    SQLite::Statement begin, commit, rollback, epoch, set_meta;
    SQLite::Statement exchange, exchange_id, exchange_nonce, exchange_seal, links, add_exchange, add_piece, piece;
    SQLite::Statement add_access, release_under, access_own, access_added, access_after;
    SQLite::Statement add_case, update_case;
    SQLite::Statement add_origin, linked_cases;
    SQLite::Statement add_recusal, recused, withhold, release_withheld, withheld;
    SQLite::Statement case_file, cases_after;
    SQLite::Statement case_term, set_case_term, case_voices, set_case_voice;
    SQLite::Statement agreements, add_agreement, nominative_release, nominative_due, add_nominative_release;
    SQLite::Statement erase_agreement, erase_release;
    SQLite::Statement erase_pieces, erase_access, erase_exchange, add_erasure, erasure;
    SQLite::Statement finger, add_finger, add_queue, add_roster, roster, find_roster, cursor, set_cursor;
    SQLite::Statement add_leaf, leaf, records_from, drop_record, add_opening, opening, openings, drop_openings;
    SQLite::Statement newest_directory, add_directory, add_entry, entries, add_suspension, suspensions;
  };
  std::optional<Statements> statements;

  void close(Errc code, std::string detail) {
    {
      const std::lock_guard lock(fault_mutex);
      if (!fault) fault = Error{code, std::move(detail)};
    }
    // What a failed sync left in the WAL is for the next open() to judge, not to be spread into the database now.
    if (writeback) writeback->stop();
    sqlite3_db_config(database.getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  }
  bool closed() const {
    const std::lock_guard lock(fault_mutex);
    return fault.has_value();
  }

  /// Runs `body` unless the store is closed; a failure closes it and yields nothing.
  template <class Body>
  auto guarded(Body body) -> decltype(body(*statements)) {
    using Value = decltype(body(*statements));
    if (closed()) return Value();
    try {
      return body(*statements);
    } catch (const SQLite::Exception& e) {
      const bool damaged = e.getErrorCode() == SQLITE_CORRUPT || e.getErrorCode() == SQLITE_NOTADB;
      close(damaged ? Errc::corruption : Errc::io_error, std::string("store: ") + e.getErrorStr());
    } catch (const Damaged& e) {
      close(Errc::corruption, std::string("store: ") + e.what);
    }
    return Value();
  }
  template <class Body>
  void write(Body body) {
    PLI_INVARIANT(in_transaction);
    dirty = true;
    guarded([&](Statements& s) {
      body(s);
      return true;
    });
  }

  std::vector<std::uint64_t> find(Statements& s, Finger what, std::int64_t key, std::uint64_t after,
                                  std::size_t items_max) {
    std::vector<std::uint64_t> numbers = tail.find(what, key);
    numbers.erase(numbers.begin(), std::upper_bound(numbers.begin(), numbers.end(), after));
    Query query(s.finger);
    query << std::int64_t{static_cast<std::uint8_t>(what)} << key << after << std::uint64_t{items_max};
    const std::size_t in_memory = numbers.size();
    while (query.step()) numbers.push_back(query.number(0));
    if (in_memory != 0 && numbers.size() > in_memory) {
      // The tail may hold what was written already.
      std::sort(numbers.begin(), numbers.end());
      numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    }
    if (numbers.size() > items_max) numbers.resize(items_max);
    return numbers;
  }

  std::optional<ExchangeRow> exchange(Statements& s, std::uint64_t number) {
    Query query(s.exchange);
    query << number;
    if (!query.step()) return std::nullopt;
    return exchange_of(query);
  }

  /// What was taken away under the open database closes the store, as a failed write does.
  void demand_whole_files() {
    if (files && !closed()) close_unless(files->demand_whole(wal_frames));
  }
  void demand_whole_wal() {
    if (files && !closed()) close_unless(files->demand_wal(wal_frames));
  }
  void close_unless(const Result<void>& whole) {
    if (!whole) close(whole.error().code, whole.error().detail);
  }
  void load_tail();
  void write_meta(Statements& s);
  void write_tail_slice(Statements& s);
  void keep_wal_short();
  void end_transaction() {
    in_transaction = false;
    dirty = false;
  }
};

Store::State::Statements::Statements(SQLite::Database& db)
    : begin(db, "BEGIN IMMEDIATE"),
      commit(db, "COMMIT"),
      rollback(db, "ROLLBACK"),
      epoch(db, "SELECT writer_epoch FROM meta"),
      set_meta(db,
               "UPDATE meta SET shard = ?, checkpoint = ?, indexed_through = ?, undecodable = ?, unknown_key = ? WHERE "
               "one = 1"),
      exchange(db, std::string(exchange_columns) + "WHERE number = ?"),
      exchange_id(db, "SELECT id FROM exchange WHERE number = ?"),
      exchange_nonce(db, "SELECT nonce, id FROM exchange WHERE number = ?"),
      exchange_seal(db, "SELECT seal, id FROM exchange WHERE number = ?"),
      links(db, std::string(exchange_columns) + "WHERE queue = ? AND queue_number > ? ORDER BY queue_number LIMIT ?"),
      add_exchange(
          db,
          "INSERT INTO exchange (number, id, nonce, shard, leaf, accepted_at, queue, queue_number, head, kind, "
          "case_number, roster, body, signature, seal, address) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
          "?, ?)"),
      add_piece(db, "INSERT INTO piece (key, bytes) VALUES (?, ?)"),
      piece(db, "SELECT bytes FROM piece WHERE key = ?"),
      add_access(db, "INSERT INTO access_part (number, of, lease, leased) VALUES (?, ?, ?, ?)"),
      release_under(db, "UPDATE access_part SET lease = ?, leased = ? WHERE number = ?"),
      access_own(db, "SELECT number, of, lease, leased FROM access_part WHERE number = ? AND of = number"),
      access_added(db,
                   "SELECT number, of, lease, leased FROM access_part WHERE of = ? AND of <> number ORDER BY number"),
      access_after(db, "SELECT number, of, lease, leased FROM access_part WHERE number > ? ORDER BY number LIMIT ?"),
      add_case(
          db,
          "INSERT INTO case_file (number, queue, kind, state, opened, person, organisation, opened_at, updated_at, "
          "exchanges, party_updated_at, party_exchanges, resumes, out_of_scope, session_at, decided_at, review_at, "
          "told_at, closed_at, recused, noticed_at, term_at, held_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
          "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
      update_case(
          db,
          "UPDATE case_file SET state = ?, opened = ?, updated_at = ?, exchanges = ?, party_updated_at = ?, "
          "party_exchanges = ?, resumes = ?, out_of_scope = ?, session_at = ?, decided_at = ?, review_at = ?, "
          "told_at = ?, closed_at = ?, recused = ?, noticed_at = ?, term_at = ?, held_until = ? WHERE number = ?"),
      add_origin(db, "INSERT INTO case_origin (number, origin) VALUES (?, ?)"),
      linked_cases(db, "SELECT number FROM case_origin WHERE origin = ? ORDER BY number"),
      add_recusal(db, "INSERT INTO recusal (case_number, person) VALUES (?, ?)"),
      recused(db, "SELECT person FROM recusal WHERE case_number = ?"),
      withhold(db, "INSERT INTO withheld (number, until) VALUES (?, ?)"),
      release_withheld(db, "DELETE FROM withheld WHERE number = ?"),
      withheld(db, "SELECT number, until FROM withheld ORDER BY number"),
      case_file(db, std::string(case_columns) + "WHERE number = ?"),
      cases_after(db, std::string(case_columns) + "WHERE number > ? ORDER BY number LIMIT ?"),
      case_term(db, "SELECT closed_at, term, noticed_at, held_until, gone FROM case_term WHERE number = ?"),
      set_case_term(
          db,
          "INSERT INTO case_term (number, closed_at, term, noticed_at, held_until, gone) VALUES (?, ?, ?, ?, ?, ?) ON "
          "CONFLICT (number) DO UPDATE SET closed_at = excluded.closed_at, term = excluded.term, noticed_at = "
          "excluded.noticed_at, held_until = excluded.held_until, gone = excluded.gone"),
      case_voices(db, "SELECT what, person, at FROM case_voice WHERE case_number = ? ORDER BY what, person"),
      set_case_voice(
          db,
          "INSERT INTO case_voice (case_number, what, person, at) VALUES (?, ?, ?, ?) ON CONFLICT (case_number, what, "
          "person) DO UPDATE SET at = excluded.at"),
      agreements(
          db,
          "SELECT exchange, about, person, organisation, quality, accord, until FROM agreement WHERE about = ? ORDER "
          "BY exchange"),
      add_agreement(db,
                    "INSERT INTO agreement (exchange, about, person, organisation, quality, accord, until) VALUES "
                    "(?, ?, ?, ?, ?, ?, ?)"),
      nominative_release(db, "SELECT part, about, until FROM nominative_release WHERE about = ?"),
      nominative_due(db, "SELECT part, about, until FROM nominative_release WHERE until <= ? ORDER BY part LIMIT ?"),
      add_nominative_release(db, "INSERT INTO nominative_release (part, about, until) VALUES (?, ?, ?)"),
      erase_agreement(db, "DELETE FROM agreement WHERE exchange = ?"),
      erase_release(db, "DELETE FROM nominative_release WHERE part = ?"),
      erase_pieces(db, "DELETE FROM piece WHERE key >= ? AND key < ?"),
      erase_access(db, "DELETE FROM access_part WHERE number = ?"),
      erase_exchange(db, "UPDATE exchange SET address = NULL, seal = NULL, signature = NULL WHERE number = ?"),
      add_erasure(db, "INSERT INTO erasure (number, leaf) VALUES (?, ?)"),
      erasure(db, "SELECT leaf FROM erasure WHERE number = ?"),
      finger(db, "SELECT number FROM finger WHERE what = ? AND key = ? AND number > ? ORDER BY number LIMIT ?"),
      add_finger(db, "INSERT OR IGNORE INTO finger (what, key, number) VALUES (?, ?, ?)"),
      add_queue(db, "INSERT INTO queue (name) VALUES (?) RETURNING id"),
      add_roster(db, "INSERT INTO roster (digest, keys) VALUES (?, ?) RETURNING id"),
      roster(db, "SELECT id, digest, keys FROM roster WHERE id = ?"),
      find_roster(db, "SELECT id, digest, keys FROM roster WHERE digest = ?"),
      cursor(db, "SELECT number FROM cursor WHERE member = ? AND queue = ?"),
      set_cursor(
          db,
          "INSERT INTO cursor (member, queue, number) VALUES (?, ?, ?) ON CONFLICT (member, queue) DO UPDATE SET "
          "number = excluded.number"),
      add_leaf(
          db,
          "INSERT INTO leaf (key, type, time, digest, nodes, extra, month, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
      leaf(db, "SELECT type, time, digest, nodes, extra, month, record FROM leaf WHERE key = ?"),
      records_from(db, "SELECT key, month, record IS NOT NULL FROM leaf WHERE key >= ? ORDER BY key LIMIT ?"),
      drop_record(db, "UPDATE leaf SET record = NULL WHERE key = ?"),
      add_opening(db, "INSERT INTO opening (leaf, id, exchange, opener, at) VALUES (?, ?, ?, ?, ?)"),
      opening(db, "SELECT leaf, id, exchange, opener, at FROM opening WHERE leaf = ?"),
      openings(db, "SELECT leaf, id, exchange, opener, at FROM opening ORDER BY leaf"),
      drop_openings(
          db,
          "DELETE FROM opening WHERE leaf < coalesce((SELECT leaf FROM opening WHERE at >= ? ORDER BY leaf LIMIT "
          "1), 9223372036854775807)"),
      newest_directory(db, "SELECT number, note, leaf FROM directory_version ORDER BY number DESC LIMIT 1"),
      add_directory(db, "INSERT INTO directory_version (number, note, leaf) VALUES (?, ?, ?)"),
      add_entry(db, "INSERT INTO directory_entry (type, id, changed, bytes) VALUES (?, ?, ?, ?)"),
      entries(db, "SELECT max(changed), bytes FROM directory_entry GROUP BY type, id ORDER BY type, id"),
      add_suspension(db, "INSERT INTO suspension (member, directory, note, leaf) VALUES (?, ?, ?, ?)"),
      suspensions(db, "SELECT member, directory, note, leaf FROM suspension ORDER BY member, directory") {}

void Store::State::load_tail() {
  SQLite::Statement exchanges(
      database,
      "SELECT number, id, nonce, seal, body, case_number FROM exchange WHERE number > ? ORDER BY "
      "number");
  Query query(exchanges);
  query << meta.indexed_through;
  while (query.step()) {
    const std::uint64_t number = query.number(0);
    tail.add({Finger::id, finger_key(query.digest(1)), number});
    tail.add({Finger::nonce, finger_key(query.digest(2)), number});
    if (query.number(5) != number) tail.add({Finger::of_case, query.integer(5), number});
    if (query.is_null(3)) continue;
    const ByteView seal = query.blob(3);
    ByteReader reader(seal);
    reader.u8();
    const std::uint64_t locked = reader.u64();
    if (seal.size() < seal_payload_digest_at + 32) throw Damaged{"seal of another length"};
    if (query.number(4) > locked)
      tail.add({Finger::payload, finger_key(array_of<32>(seal.subspan(seal_payload_digest_at, 32), "seal")), number});
  }
  SQLite::Statement cases(database,
                          "SELECT number, organisation, queue, number IN (SELECT number FROM case_origin) FROM "
                          "case_file WHERE number > ? ORDER BY number");
  Query rows(cases);
  rows << meta.indexed_through;
  while (rows.step()) {
    if (rows.integer(3) == 0) tail.add({Finger::party, finger_key(rows.text(1)), rows.number(0)});
    tail.add({Finger::instance, rows.integer(2), rows.number(0)});
  }
  tail.mark();
  tail.freeze_when_full(meta.exchanges);
}

void Store::State::write_meta(Statements& s) {
  Query query(s.set_meta);
  query << meta.shard << meta.checkpoint << meta.indexed_through << meta.strays.undecodable << meta.strays.unknown_key;
  query.run();
}

void Store::State::write_tail_slice(Statements& s) {
  // As fast as new ones come, and a little faster, so that the tail never fills up behind them.
  tail_owed += 6 * static_cast<std::size_t>(meta.exchanges - committed.exchanges);
  const std::span<const FingerEntry> slice = tail.next(tail_owed >= tail_slice ? tail_owed : 0);
  for (const FingerEntry& entry : slice) {
    Query query(s.add_finger);
    query << std::int64_t{static_cast<std::uint8_t>(entry.what)} << entry.key << entry.number;
    query.run();
  }
  if (!slice.empty() || tail_owed >= tail_slice) tail_owed = 0;
  tail.written(slice.size(), meta.indexed_through);
}

/// Between two commits. Writing the WAL back costs a sync of the database and one write for each page it holds.
void Store::State::keep_wal_short() {
  if (wal_frames < wal_frames_before && writeback) writeback->reset_frames();
  wal_frames_before = wal_frames;
  if (wal_frames < wal_start_frames) return;
  if (writeback) {
    if (writeback->failed()) return close(Errc::io_error, "store: the WAL cannot be written back");
    if (wal_frames >= wal_pages_max) {
      writeback->wait();
    } else {
      if (writeback->busy()) return;
      if (wal_frames - writeback->frames_done() > wal_finish_frames) {
        writeback->start();
        return;
      }
    }
  }
  int in_log = 0;
  int done = 0;
  const int code = sqlite3_wal_checkpoint_v2(database.getHandle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &in_log, &done);
  if (code != SQLITE_OK && code != SQLITE_BUSY) throw SQLite::Exception(database.getHandle(), code);
}

Store::Store(std::unique_ptr<State> state) : state_(std::move(state)) {}

Store::~Store() {
  // The write-back's connection goes first, so that the last one to close is the one that may empty the WAL.
  state_->writeback.reset();
}

Result<std::unique_ptr<Store>> Store::open(const std::filesystem::path& file, const StoreOptions& options) {
  // Made here, not by SQLite, so that nobody else may read it (the WAL takes the file's mode).
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CLOEXEC | (options.create ? O_CREAT : 0), 0600);
  if (descriptor < 0) {
    const bool missing = errno == ENOENT && !options.create;
    return Error{missing ? Errc::not_found : Errc::io_error,
                 std::string("store: cannot open the database file: ") + std::strerror(errno)};
  }
  ::close(descriptor);
  try {
    auto state = std::make_unique<State>(file, options);
    SQLite::Database& db = state->database;
    sqlite3_db_config(db.getHandle(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    const std::int64_t application = db.execAndGet("PRAGMA application_id").getInt64();
    const bool fresh = application == 0 && db.execAndGet("SELECT count(*) FROM sqlite_schema").getInt64() == 0;
    if (application == store_application_id)
      if (auto migrated = migrate_store(file, options.vfs); !migrated) return migrated.error();
    if (fresh) {
      if (!options.create) return Error{Errc::corruption, "store: an empty file where a database should be"};
      db.exec(store_layout_pragmas);
    }
    db.exec("PRAGMA journal_mode = WAL");  // a copy that was put back has none
    db.exec(store_connection_pragmas);
    db.exec("BEGIN IMMEDIATE");
    if (fresh) {
      db.exec(store_schema_sql);
      db.exec("INSERT INTO meta VALUES (1, 0, 0, '', 0, 0, 0)");
      db.exec("PRAGMA application_id = " + std::to_string(store_application_id));
      db.exec("PRAGMA user_version = " + std::to_string(store_schema_version));
    } else if (application != store_application_id) {
      return Error{Errc::corruption, "store: not a database of ours"};
    } else if (db.execAndGet("PRAGMA user_version").getInt64() != store_schema_version) {
      return Error{Errc::conflict, "store: another program has changed its schema"};
    }
    db.exec("UPDATE meta SET writer_epoch = writer_epoch + 1");
    State::Meta& meta = state->meta;
    {
      SQLite::Statement read(db,
                             "SELECT writer_epoch, shard, checkpoint, indexed_through, undecodable, unknown_key, "
                             "(SELECT origin FROM shard WHERE id = meta.shard), (SELECT coalesce(max(number), 0) FROM "
                             "exchange), (SELECT coalesce(max(key) + 1, 0) FROM leaf) FROM meta");
      Query query(read);
      if (!query.step()) return Error{Errc::corruption, "store: no meta row"};
      meta.epoch = query.number(0);
      meta.shard = query.number(1);
      meta.checkpoint = query.text(2);
      meta.indexed_through = query.number(3);
      meta.strays = {query.number(4), query.number(5)};
      meta.origin = query.is_null(6) ? std::string() : query.text(6);
      meta.exchanges = query.number(7);
      const std::uint64_t first_key = meta.shard << leaf_key_shard_shift;
      meta.leaves = query.number(8) > first_key ? query.number(8) - first_key : 0;
    }
    db.exec("COMMIT");
    state->committed = meta;
    state->load_tail();
    state->statements.emplace(db);
    if (options.vfs.empty()) {
      auto files = StoreFiles::look_at(file);
      if (!files) return files.error();
      state->files = *std::move(files);
    }
    if (options.background_writeback) state->writeback = std::make_unique<Writeback>(file, options.vfs);
    sqlite3_wal_hook(
        db.getHandle(),
        [](void* context, sqlite3*, const char*, int frames) {
          static_cast<State*>(context)->wal_frames = frames;
          return SQLITE_OK;
        },
        state.get());
    return std::unique_ptr<Store>(new Store(std::move(state)));
  } catch (const SQLite::Exception& e) {
    const bool damaged = e.getErrorCode() == SQLITE_CORRUPT || e.getErrorCode() == SQLITE_NOTADB;
    return Error{damaged ? Errc::corruption : Errc::io_error, std::string("store: ") + e.getErrorStr()};
  } catch (const Damaged& e) {
    return Error{Errc::corruption, std::string("store: ") + e.what};
  }
}

Result<Transaction> Store::begin() {
  PLI_INVARIANT(!state_->in_transaction);
  state_->demand_whole_files();
  const std::uint64_t epoch = state_->guarded([](State::Statements& s) {
    Query(s.begin).run();
    Query query(s.epoch);
    return query.step() ? query.number(0) : 0;
  });
  if (!state_->closed() && epoch != state_->meta.epoch) {
    state_->guarded([](State::Statements& s) {
      Query(s.rollback).run();
      return true;
    });
    state_->close(Errc::conflict, "store: a newer writer has taken over");
  }
  if (auto failed = fault()) return *failed;
  state_->in_transaction = true;
  return Transaction(*state_);
}

std::optional<Error> Store::fault() const {
  const std::lock_guard lock(state_->fault_mutex);
  return state_->fault;
}

std::uint64_t Store::free_bytes() const { return state_->free_bytes(); }

const std::filesystem::path& Store::file() const { return state_->file; }
std::string Store::origin() const { return state_->meta.origin; }
ShardNumber Store::shard() const { return {state_->meta.shard}; }
std::string Store::checkpoint() const { return state_->meta.checkpoint; }
TreeSize Store::tree_size() const { return {state_->meta.leaves}; }
std::uint64_t Store::exchange_count() const { return state_->meta.exchanges; }
StrayCounts Store::stray_counts() const { return state_->meta.strays; }

std::optional<ExchangeRow> Store::exchange(ExchangeNumber number) const {
  return state_->guarded([&](State::Statements& s) { return state_->exchange(s, number.value); });
}

std::optional<ExchangeRow> Store::find_exchange(const Digest& id) const {
  return state_->guarded([&](State::Statements& s) -> std::optional<ExchangeRow> {
    for (std::uint64_t number : state_->find(s, Finger::id, finger_key(id), 0, SIZE_MAX >> 1U)) {
      Query query(s.exchange_id);
      query << number;
      if (query.step() && query.digest(0) == id) return state_->exchange(s, number);
    }
    return std::nullopt;
  });
}

std::optional<Digest> Store::find_nonce(const Digest& nonce) const {
  return state_->guarded([&](State::Statements& s) -> std::optional<Digest> {
    for (std::uint64_t number : state_->find(s, Finger::nonce, finger_key(nonce), 0, SIZE_MAX >> 1U)) {
      Query query(s.exchange_nonce);
      query << number;
      if (query.step() && query.digest(0) == nonce) return query.digest(1);
    }
    return std::nullopt;
  });
}

std::optional<Digest> Store::find_payload(const Digest& payload) const {
  return state_->guarded([&](State::Statements& s) -> std::optional<Digest> {
    for (std::uint64_t number : state_->find(s, Finger::payload, finger_key(payload), 0, SIZE_MAX >> 1U)) {
      Query query(s.exchange_seal);
      query << number;
      if (!query.step() || query.is_null(0)) continue;
      const ByteView seal = query.blob(0);
      if (seal.size() < seal_payload_digest_at + 32) throw Damaged{"seal of another length"};
      if (equal(seal.subspan(seal_payload_digest_at, 32), payload)) return query.digest(1);
    }
    return std::nullopt;
  });
}

std::vector<ExchangeRow> Store::links(QueueKey queue, QueueNumber after, std::size_t items_max) const {
  return state_->guarded([&](State::Statements& s) {
    std::vector<ExchangeRow> rows;
    Query query(s.links);
    query << queue.value << after.value << std::uint64_t{items_max};
    while (query.step()) rows.push_back(exchange_of(query));
    return rows;
  });
}

Bytes Store::body(ExchangeNumber number, std::uint64_t offset, std::uint64_t size) const {
  return state_->guarded([&](State::Statements& s) {
    Bytes out;
    out.reserve(size);
    const std::uint64_t first = number.value << piece_key_shift;
    std::uint64_t piece_bytes = 0;
    std::uint64_t position = 0;
    while (out.size() < size) {
      Query query(s.piece);
      query << (first | position);
      if (!query.step()) throw Damaged{"a body is shorter than its seal says"};
      ByteView bytes = query.blob(0);
      if (piece_bytes == 0) {
        // All pieces but the last are as long as the first: what lies before `offset` need not be read.
        piece_bytes = std::max<std::uint64_t>(bytes.size(), 1);
        if (offset >= piece_bytes) {
          position = offset / piece_bytes;
          offset %= piece_bytes;
          if (position >> piece_key_shift != 0) throw Damaged{"a body is shorter than its seal says"};
          continue;
        }
      }
      if (offset > bytes.size()) throw Damaged{"a body is shorter than its seal says"};
      bytes = bytes.subspan(offset);
      offset = 0;
      append(out, bytes.first(std::min<std::uint64_t>(bytes.size(), size - out.size())));
      ++position;
    }
    return out;
  });
}

std::vector<AccessRow> Store::access(ExchangeNumber of) const {
  return state_->guarded([&](State::Statements& s) {
    std::vector<AccessRow> rows;
    for (SQLite::Statement* statement : {&s.access_own, &s.access_added}) {
      Query query(*statement);
      query << of.value;
      while (query.step()) rows.push_back(access_of(query));
    }
    return rows;
  });
}

std::vector<AccessRow> Store::access_after(ExchangeNumber after, std::size_t items_max) const {
  return state_->guarded([&](State::Statements& s) {
    std::vector<AccessRow> rows;
    Query query(s.access_after);
    query << after.value << std::uint64_t{items_max};
    while (query.step()) rows.push_back(access_of(query));
    return rows;
  });
}

std::optional<CaseRow> Store::case_file(ExchangeNumber first) const {
  return state_->guarded([&](State::Statements& s) -> std::optional<CaseRow> {
    Query query(s.case_file);
    query << first.value;
    if (!query.step()) return std::nullopt;
    return case_of(query);
  });
}

std::vector<ExchangeNumber> Store::linked_cases(ExchangeNumber origin) const {
  return state_->guarded([&](State::Statements& s) {
    std::vector<ExchangeNumber> numbers;
    Query query(s.linked_cases);
    query << origin.value;
    while (query.step()) numbers.push_back({query.number(0)});
    return numbers;
  });
}

std::vector<CaseRow> Store::cases_of_party(std::string_view organisation, ExchangeNumber after,
                                           std::size_t items_max) const {
  return state_->guarded([&](State::Statements& s) {
    std::vector<CaseRow> rows;
    for (std::uint64_t number : state_->find(s, Finger::party, finger_key(organisation), after.value, items_max)) {
      Query query(s.case_file);
      query << number;
      if (!query.step()) throw Damaged{"a case is indexed and missing"};
      CaseRow row = case_of(query);
      if (row.organisation == organisation) rows.push_back(std::move(row));
    }
    return rows;
  });
}

std::vector<CaseRow> Store::cases_of_instance(QueueKey queue, ExchangeNumber after, std::size_t items_max) const {
  return state_->guarded([&](State::Statements& s) {
    std::vector<CaseRow> rows;
    for (std::uint64_t number : state_->find(s, Finger::instance, as_column(queue.value), after.value, items_max)) {
      Query query(s.case_file);
      query << number;
      if (!query.step()) throw Damaged{"a case is indexed and missing"};
      rows.push_back(case_of(query));
    }
    return rows;
  });
}

std::vector<std::string> Store::recused(ExchangeNumber first) const {
  return state_->guarded([&](State::Statements& s) {
    std::vector<std::string> persons;
    Query query(s.recused);
    query << first.value;
    while (query.step()) persons.push_back(query.text(0));
    return persons;
  });
}

std::vector<WithheldRow> Store::withheld() const {
  return state_->guarded([&](State::Statements& s) {
    std::vector<WithheldRow> rows;
    Query query(s.withheld);
    while (query.step()) rows.push_back({{query.number(0)}, {query.integer(1)}});
    return rows;
  });
}

std::vector<CaseRow> Store::cases_after(ExchangeNumber after, std::size_t items_max) const {
  return state_->guarded([&](State::Statements& s) {
    std::vector<CaseRow> rows;
    Query query(s.cases_after);
    query << after.value << std::uint64_t{items_max};
    while (query.step()) rows.push_back(case_of(query));
    return rows;
  });
}

CaseTermRow Store::case_term(ExchangeNumber first) const {
  CaseTermRow row = state_->guarded([&](State::Statements& s) {
    CaseTermRow found;
    Query query(s.case_term);
    query << first.value;
    if (!query.step()) return found;
    found.closed_at.value = query.integer(0);
    found.term = static_cast<std::uint8_t>(query.integer(1));
    found.noticed_at.value = query.integer(2);
    found.held_until.value = query.integer(3);
    found.gone = query.integer(4) != 0;
    return found;
  });
  row.number = first;
  return row;
}

std::vector<CaseVoiceRow> Store::case_voices(ExchangeNumber first) const {
  return state_->guarded([&](State::Statements& s) {
    std::vector<CaseVoiceRow> rows;
    Query query(s.case_voices);
    query << first.value;
    while (query.step())
      rows.push_back({first, static_cast<VoiceOn>(query.integer(0)), query.text(1), {query.integer(2)}});
    return rows;
  });
}

std::vector<AgreementRow> Store::agreements(ExchangeNumber about) const {
  return state_->guarded([&](State::Statements& s) {
    std::vector<AgreementRow> rows;
    Query query(s.agreements);
    query << about.value;
    while (query.step())
      rows.push_back({{query.number(0)},
                      {query.number(1)},
                      query.text(2),
                      query.text(3),
                      static_cast<std::uint8_t>(query.integer(4)),
                      query.integer(5) != 0,
                      {query.integer(6)}});
    return rows;
  });
}

std::optional<NominativeRow> Store::nominative_release(ExchangeNumber about) const {
  return state_->guarded([&](State::Statements& s) -> std::optional<NominativeRow> {
    Query query(s.nominative_release);
    query << about.value;
    if (!query.step()) return std::nullopt;
    return NominativeRow{{query.number(0)}, {query.number(1)}, {query.integer(2)}};
  });
}

std::vector<NominativeRow> Store::nominative_due(UnixMillis now, std::size_t items_max) const {
  return state_->guarded([&](State::Statements& s) {
    std::vector<NominativeRow> rows;
    Query query(s.nominative_due);
    query << now.value << std::uint64_t{items_max};
    while (query.step()) rows.push_back({{query.number(0)}, {query.number(1)}, {query.integer(2)}});
    return rows;
  });
}

std::vector<ExchangeNumber> Store::exchanges_of_case(ExchangeNumber first, ExchangeNumber after,
                                                     std::size_t items_max) const {
  return state_->guarded([&](State::Statements& s) {
    std::vector<ExchangeNumber> out;
    for (const std::uint64_t number : state_->find(s, Finger::of_case, as_column(first.value), after.value, items_max))
      out.push_back({number});
    return out;
  });
}

std::optional<LeafPlace> Store::erasure(ExchangeNumber number) const {
  return state_->guarded([&](State::Statements& s) -> std::optional<LeafPlace> {
    Query query(s.erasure);
    query << number.value;
    if (!query.step()) return std::nullopt;
    return leaf_place(query.number(0));
  });
}

std::string Store::term_rule() const {
  return state_->guarded([&](State::Statements&) {
    SQLite::Statement select(state_->database, "SELECT rule FROM term_rule ORDER BY leaf DESC LIMIT 1");
    Query query(select);
    return query.step() ? query.text(0) : std::string();
  });
}

std::vector<Store::QueueRow> Store::queues() const {
  return state_->guarded([&](State::Statements&) {
    std::vector<QueueRow> rows;
    SQLite::Statement names(state_->database, "SELECT id, name FROM queue ORDER BY id");
    SQLite::Statement heads(
        state_->database, "SELECT queue_number, head FROM exchange WHERE queue = ? ORDER BY queue_number DESC LIMIT 1");
    Query query(names);
    while (query.step()) {
      QueueRow row{{query.number(0)}, query.text(1), {}};
      Query head(heads);
      head << row.key.value;
      if (head.step()) row.head = {{head.number(0)}, head.digest(1)};
      rows.push_back(std::move(row));
    }
    return rows;
  });
}

std::optional<RosterRow> Store::roster(RosterKey key) const {
  return state_->guarded([&](State::Statements& s) -> std::optional<RosterRow> {
    Query query(s.roster);
    query << key.value;
    if (!query.step()) return std::nullopt;
    return roster_of(query);
  });
}

std::optional<RosterRow> Store::find_roster(const Digest& digest) const {
  return state_->guarded([&](State::Statements& s) -> std::optional<RosterRow> {
    Query query(s.find_roster);
    query << digest;
    if (!query.step()) return std::nullopt;
    return roster_of(query);
  });
}

QueueNumber Store::cursor(std::string_view member, QueueKey queue) const {
  return state_->guarded([&](State::Statements& s) {
    const std::string name(member);
    Query query(s.cursor);
    query << name << queue.value;
    return QueueNumber{query.step() ? query.number(0) : 0};
  });
}

std::optional<LeafRow> Store::leaf(const LeafPlace& place) const {
  // Its key would be another shard's.
  if (place.index.value >> leaf_key_shard_shift != 0) return std::nullopt;
  return state_->guarded([&](State::Statements& s) -> std::optional<LeafRow> {
    Query query(s.leaf);
    query << leaf_key(place);
    if (!query.step()) return std::nullopt;
    LeafRow row;
    row.place = place;
    row.leaf = leaf_of(static_cast<audit::LeafType>(query.integer(0)), {query.integer(1)}, query.digest(2),
                       query.is_null(4) ? std::string() : query.text(4));
    const ByteView nodes = query.is_null(3) ? ByteView() : query.blob(3);
    if (nodes.size() % 32 != 0) throw Damaged{"tree nodes of another length"};
    for (std::size_t at = 0; at < nodes.size(); at += 32)
      row.nodes.push_back(array_of<32>(nodes.subspan(at, 32), "tree node"));
    row.month = query.small(5);
    if (!query.is_null(6)) row.record = to_bytes(query.blob(6));
    return row;
  });
}

std::vector<RecordPlace> Store::records_from(const LeafPlace& from, std::size_t items_max) const {
  return state_->guarded([&](State::Statements& s) {
    std::vector<RecordPlace> places;
    Query query(s.records_from);
    query << leaf_key(from) << std::uint64_t{items_max};
    while (query.step()) places.push_back({leaf_place(query.number(0)), query.small(1), query.integer(2) != 0});
    return places;
  });
}

Result<Digest> Store::node(ShardNumber shard, audit::NodeId id) const {
  const Error missing{Errc::corruption, "store: a tree node is missing"};
  // A subtree's hash stands with the leaf that closed it.
  if (id.level >= 63 || id.index >= audit::tree_size_limit >> id.level) return missing;
  const LeafIndex closing{((id.index + 1) << id.level) - 1};
  const std::optional<LeafRow> row = leaf({closing, shard});
  if (!row) return missing;
  if (id.level == 0) return audit::leaf_hash(as_bytes(audit::encode(row->leaf)));
  if (row->nodes.size() < id.level) return missing;
  return row->nodes[id.level - 1U];
}

audit::NodeSource Store::nodes(ShardNumber shard) const {
  return [this, shard](audit::NodeId id) { return node(shard, id); };
}

std::vector<ShardRow> Store::shards() const {
  return state_->guarded([&](State::Statements&) {
    std::vector<ShardRow> rows;
    SQLite::Statement select(state_->database,
                             "SELECT id, origin, closed, last_known, order_note FROM shard ORDER BY id");
    Query query(select);
    while (query.step())
      rows.push_back({{query.number(0)}, query.text(1), {query.text(2), query.text(3), query.text(4)}});
    return rows;
  });
}

std::vector<OpeningRow> Store::openings() const {
  return state_->guarded([&](State::Statements& s) {
    std::vector<OpeningRow> rows;
    Query query(s.openings);
    while (query.step()) rows.push_back(opening_of(query));
    return rows;
  });
}

std::optional<OpeningRow> Store::opening(const LeafPlace& leaf) const {
  return state_->guarded([&](State::Statements& s) -> std::optional<OpeningRow> {
    Query query(s.opening);
    query << leaf_key(leaf);
    if (!query.step()) return std::nullopt;
    return opening_of(query);
  });
}

std::optional<DirectoryRow> Store::newest_directory() const {
  return state_->guarded([&](State::Statements& s) -> std::optional<DirectoryRow> {
    Query query(s.newest_directory);
    if (!query.step()) return std::nullopt;
    return DirectoryRow{{query.number(0)}, query.text(1), leaf_place(query.number(2))};
  });
}

std::vector<SuspensionRow> Store::suspensions() const {
  return state_->guarded([&](State::Statements& s) {
    std::vector<SuspensionRow> rows;
    Query query(s.suspensions);
    while (query.step()) rows.push_back({query.text(0), {query.number(1)}, query.text(2), leaf_place(query.number(3))});
    return rows;
  });
}

std::vector<EntryRow> Store::entries() const {
  return state_->guarded([&](State::Statements& s) {
    std::vector<EntryRow> rows;
    Query query(s.entries);
    while (query.step()) rows.push_back({{query.number(0)}, to_bytes(query.blob(1))});
    return rows;
  });
}

bool Store::truncate_wal() {
  PLI_INVARIANT(!state_->in_transaction);
  return state_->guarded([&](State::Statements&) {
    if (state_->writeback) state_->writeback->wait();
    sqlite3* const db = state_->database.getHandle();
    // Who reads an older state may do so for minutes; nobody waits for him here.
    sqlite3_busy_timeout(db, 0);
    const int code = sqlite3_wal_checkpoint_v2(db, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
    sqlite3_busy_timeout(db, busy_timeout_ms);
    if (code != SQLITE_OK && code != SQLITE_BUSY) throw SQLite::Exception(db, code);
    if (code != SQLITE_OK) return false;
    state_->wal_frames = 0;
    state_->wal_frames_before = 0;
    if (state_->writeback) state_->writeback->reset_frames();
    return true;
  });
}

Result<void> Store::write_back_all() {
  PLI_INVARIANT(!state_->in_transaction);
  if (state_->writeback) state_->writeback.reset();
  state_->guarded([&](State::Statements&) {
    const int code =
        sqlite3_wal_checkpoint_v2(state_->database.getHandle(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
    if (code != SQLITE_OK) throw SQLite::Exception(state_->database.getHandle(), code);
    return true;
  });
  if (auto failed = fault()) return *failed;
  return {};
}

Transaction::Transaction(Transaction&& other) noexcept : state_(other.state_) { other.state_ = nullptr; }

Transaction::~Transaction() {
  if (state_ == nullptr) return;
  state_->guarded([](Store::State::Statements& s) {
    Query(s.rollback).run();
    return true;
  });
  state_->tail.forget_since_mark();
  state_->meta = state_->committed;
  state_->end_transaction();
}

void Transaction::add_exchange(const ExchangeRow& row, const std::optional<Digest>& payload) {
  PLI_INVARIANT(row.number.value == state_->meta.exchanges + 1);
  state_->write([&](Store::State::Statements& s) {
    Query query(s.add_exchange);
    query << row.number.value << row.id << row.nonce << row.leaf.shard.value << row.leaf.index.value
          << row.accepted_at.value << row.queue.value << row.head.number.value << row.head.head
          << std::int64_t{row.kind} << row.case_number.value << row.roster.value << row.body_bytes
          << ByteView(row.signature) << ByteView(row.seal) << ByteView(row.address);
    query.run();
  });
  state_->tail.add({Finger::id, finger_key(row.id), row.number.value});
  state_->tail.add({Finger::nonce, finger_key(row.nonce), row.number.value});
  if (payload) state_->tail.add({Finger::payload, finger_key(*payload), row.number.value});
  if (row.case_number != row.number)
    state_->tail.add({Finger::of_case, as_column(row.case_number.value), row.number.value});
  state_->meta.exchanges = row.number.value;
}

void Transaction::add_body(ExchangeNumber number, ByteView locked, ByteView payload) {
  state_->write([&](Store::State::Statements& s) {
    const std::uint64_t size = piece_size(locked.size() + payload.size());
    std::uint64_t key = number.value << piece_key_shift;
    PLI_INVARIANT((locked.size() + payload.size()) / size < std::uint64_t{1} << piece_key_shift);
    Bytes seam;
    while (!locked.empty() || !payload.empty()) {
      ByteView piece;
      if (locked.size() >= size || payload.empty()) {
        piece = locked.first(std::min<std::uint64_t>(size, locked.size()));
        locked = locked.subspan(piece.size());
      } else if (locked.empty()) {
        piece = payload.first(std::min<std::uint64_t>(size, payload.size()));
        payload = payload.subspan(piece.size());
      } else {
        const std::uint64_t rest = std::min<std::uint64_t>(size - locked.size(), payload.size());
        append(seam, locked);
        append(seam, payload.first(rest));
        payload = payload.subspan(rest);
        locked = {};
        piece = seam;
      }
      Query query(s.add_piece);
      query << key++ << piece;
      query.run();
    }
  });
}

void Transaction::add_access(const AccessRow& row) {
  state_->write([&](Store::State::Statements& s) {
    Query query(s.add_access);
    query << row.number.value << row.of.value << row.lease << ByteView(row.leased);
    query.run();
  });
}

void Transaction::release_under(ExchangeNumber number, std::uint32_t lease, ByteView leased) {
  state_->write([&](Store::State::Statements& s) {
    Query query(s.release_under);
    query << lease << leased << number.value;
    query.run();
  });
}

void Transaction::add_case(const CaseRow& row) {
  state_->write([&](Store::State::Statements& s) {
    Query query(s.add_case);
    query << row.number.value << row.queue.value << std::int64_t{row.kind} << std::int64_t{row.state}
          << std::int64_t{row.opened} << row.person << row.organisation << row.opened_at.value << row.updated_at.value
          << row.exchanges << row.party_updated_at.value << row.party_exchanges;
    bind_road(query, row);
    query.run();
    if (row.origin.value == 0) return;
    Query origin(s.add_origin);
    origin << row.number.value << row.origin.value;
    origin.run();
  });
  if (row.origin.value == 0) state_->tail.add({Finger::party, finger_key(row.organisation), row.number.value});
  state_->tail.add({Finger::instance, as_column(row.queue.value), row.number.value});
}

void Transaction::update_case(const CaseRow& row) {
  state_->write([&](Store::State::Statements& s) {
    Query query(s.update_case);
    query << std::int64_t{row.state} << std::int64_t{row.opened} << row.updated_at.value << row.exchanges
          << row.party_updated_at.value << row.party_exchanges;
    bind_road(query, row);
    query << row.number.value;
    query.run();
  });
}

void Transaction::add_recusal(ExchangeNumber first, std::string_view person) {
  state_->write([&](Store::State::Statements& s) {
    const std::string name(person);
    Query query(s.add_recusal);
    query << first.value << name;
    query.run();
  });
}

void Transaction::withhold(const WithheldRow& row) {
  state_->write([&](Store::State::Statements& s) {
    Query query(s.withhold);
    query << row.number.value << row.until.value;
    query.run();
  });
}

void Transaction::release_withheld(ExchangeNumber number) {
  state_->write([&](Store::State::Statements& s) {
    Query query(s.release_withheld);
    query << number.value;
    query.run();
  });
}

void Transaction::set_case_term(const CaseTermRow& row) {
  state_->write([&](Store::State::Statements& s) {
    Query query(s.set_case_term);
    query << row.number.value << row.closed_at.value << std::int64_t{row.term} << row.noticed_at.value
          << row.held_until.value << std::int64_t{row.gone};
    query.run();
  });
}

void Transaction::set_case_voice(const CaseVoiceRow& row) {
  state_->write([&](Store::State::Statements& s) {
    Query query(s.set_case_voice);
    query << row.case_number.value << std::int64_t{static_cast<std::uint8_t>(row.what)} << row.person << row.at.value;
    query.run();
  });
}

void Transaction::add_agreement(const AgreementRow& row) {
  state_->write([&](Store::State::Statements& s) {
    Query query(s.add_agreement);
    query << row.exchange.value << row.about.value << row.person << row.organisation << std::int64_t{row.quality}
          << std::int64_t{row.accord} << row.until.value;
    query.run();
  });
}

void Transaction::add_nominative_release(const NominativeRow& row) {
  state_->write([&](Store::State::Statements& s) {
    Query query(s.add_nominative_release);
    query << row.part.value << row.about.value << row.until.value;
    query.run();
  });
}

void Transaction::erase_exchange(ExchangeNumber number, const LeafPlace& leaf) {
  state_->write([&](Store::State::Statements& s) {
    for (SQLite::Statement* statement : {&s.erase_agreement, &s.erase_release}) {
      Query query(*statement);
      query << number.value;
      query.run();
    }
    Query pieces(s.erase_pieces);
    pieces << (number.value << piece_key_shift) << ((number.value + 1) << piece_key_shift);
    pieces.run();
    Query access(s.erase_access);
    access << number.value;
    access.run();
    Query row(s.erase_exchange);
    row << number.value;
    row.run();
    Query said(s.add_erasure);
    said << number.value << leaf_key(leaf);
    said.run();
  });
}

void Transaction::set_term_rule(const LeafPlace& leaf, std::string_view rule) {
  state_->write([&](Store::State::Statements&) {
    const std::string text(rule);
    SQLite::Statement insert(state_->database, "INSERT INTO term_rule (leaf, rule) VALUES (?, ?)");
    Query query(insert);
    query << leaf_key(leaf) << text;
    query.run();
  });
}

QueueKey Transaction::add_queue(std::string_view name) {
  QueueKey key;
  state_->write([&](Store::State::Statements& s) {
    const std::string text(name);
    Query query(s.add_queue);
    query << text;
    if (query.step()) key.value = query.number(0);
  });
  return key;
}

RosterKey Transaction::add_roster(const Digest& digest, const std::vector<crypto::AgePublic>& keys) {
  RosterKey key;
  state_->write([&](Store::State::Statements& s) {
    Bytes joined;
    for (const crypto::AgePublic& each : keys) append(joined, each.bytes);
    Query query(s.add_roster);
    query << digest << ByteView(joined);
    if (query.step()) key.value = query.number(0);
  });
  return key;
}

void Transaction::set_cursor(std::string_view member, QueueKey queue, QueueNumber number) {
  state_->write([&](Store::State::Statements& s) {
    const std::string name(member);
    Query query(s.set_cursor);
    query << name << queue.value << number.value;
    query.run();
  });
}

void Transaction::add_leaf(const LeafRow& row) {
  PLI_INVARIANT(row.place == (LeafPlace{{state_->meta.leaves}, {state_->meta.shard}}));
  state_->write([&](Store::State::Statements& s) {
    Bytes nodes;
    for (const Digest& node : row.nodes) append(nodes, node);
    const std::string extra = extra_lines(row.leaf);
    Query query(s.add_leaf);
    query << leaf_key(row.place) << std::int64_t{static_cast<std::uint8_t>(row.leaf.type)} << row.leaf.time.value
          << row.leaf.record;
    if (nodes.empty())
      query << nullptr;
    else
      query << ByteView(nodes);
    if (extra.empty())
      query << nullptr;
    else
      query << extra;
    query << row.month << ByteView(row.record);
    query.run();
  });
  ++state_->meta.leaves;
}

void Transaction::drop_record(const LeafPlace& place) {
  state_->write([&](Store::State::Statements& s) {
    Query query(s.drop_record);
    query << leaf_key(place);
    query.run();
  });
}

void Transaction::keep_disclosed(const LeafPlace& place, ByteView packed) {
  state_->write([&](Store::State::Statements&) {
    SQLite::Statement update(state_->database, "UPDATE leaf SET month = 0, record = ? WHERE key = ?");
    Query query(update);
    query << packed << leaf_key(place);
    query.run();
  });
}

void Transaction::add_opening(const OpeningRow& row) {
  state_->write([&](Store::State::Statements& s) {
    Query query(s.add_opening);
    query << leaf_key(row.leaf) << row.id << row.exchange.value << row.opener << row.at.value;
    query.run();
  });
}

void Transaction::drop_openings(UnixMillis before) {
  state_->write([&](Store::State::Statements& s) {
    Query query(s.drop_openings);
    query << before.value;
    query.run();
  });
}

void Transaction::add_directory(const DirectoryRow& row, const std::vector<DirectoryEntryRow>& changed) {
  state_->write([&](Store::State::Statements& s) {
    Query version(s.add_directory);
    version << row.number.value << row.note << leaf_key(row.leaf);
    version.run();
    for (const DirectoryEntryRow& entry : changed) {
      Query query(s.add_entry);
      query << std::int64_t{entry.type} << entry.id << row.number.value << ByteView(entry.bytes);
      query.run();
    }
  });
}

void Transaction::add_suspension(const SuspensionRow& row) {
  state_->write([&](Store::State::Statements& s) {
    Query query(s.add_suspension);
    query << row.member << row.directory.value << row.note << leaf_key(row.leaf);
    query.run();
  });
}

void Transaction::set_origin(std::string_view origin) {
  PLI_INVARIANT(state_->meta.origin.empty());
  state_->write([&](Store::State::Statements&) {
    const std::string text(origin);
    SQLite::Statement insert(state_->database, "INSERT INTO shard VALUES (0, ?, '', '', '')");
    Query query(insert);
    query << text;
    query.run();
  });
  state_->meta.origin = origin;
}

void Transaction::open_shard(std::string_view origin, const ShardEnd& before) {
  PLI_INVARIANT(!state_->meta.origin.empty());
  const std::uint64_t closes = state_->meta.shard;
  state_->write([&](Store::State::Statements&) {
    SQLite::Statement close(state_->database,
                            "UPDATE shard SET closed = ?, last_known = ?, order_note = ? WHERE id = ?");
    Query closing(close);
    closing << before.closed << before.last_known << before.order << closes;
    closing.run();
    const std::string text(origin);
    SQLite::Statement insert(state_->database, "INSERT INTO shard VALUES (?, ?, '', '', '')");
    Query opening(insert);
    opening << closes + 1 << text;
    opening.run();
  });
  state_->meta.shard = closes + 1;
  state_->meta.origin = origin;
  state_->meta.leaves = 0;
}

void Transaction::set_closed(ShardNumber shard, std::string_view note) {
  PLI_INVARIANT(shard.value < state_->meta.shard);
  state_->write([&](Store::State::Statements&) {
    SQLite::Statement update(state_->database, "UPDATE shard SET closed = ? WHERE id = ?");
    Query writing(update);
    const std::string text(note);
    writing << text << shard.value;
    writing.run();
  });
}

void Transaction::set_checkpoint(std::string_view note) {
  state_->dirty = true;
  state_->meta.checkpoint = note;
}

void Transaction::set_stray_counts(const StrayCounts& counts) {
  state_->dirty = true;
  state_->meta.strays = counts;
}

bool Transaction::dirty() const { return state_->dirty; }

Result<void> Transaction::commit() {
  Store::State& state = *state_;
  if (!state.dirty) {
    state.guarded([](Store::State::Statements& s) {
      Query(s.rollback).run();
      return true;
    });
  } else {
    state.guarded([&](Store::State::Statements& s) {
      state.write_tail_slice(s);
      state.write_meta(s);
      state.demand_whole_wal();
      if (state.closed()) return false;
      Query(s.commit).run();
      state.demand_whole_files();
      // Durable from here: a crash now is recovered by open().
      state.committed = state.meta;
      state.tail.mark();
      state.tail.freeze_when_full(state.meta.exchanges);
      return true;
    });
  }
  state.end_transaction();
  state_ = nullptr;
  {
    const std::lock_guard lock(state.fault_mutex);
    if (state.fault) return *state.fault;
  }
  state.guarded([&](Store::State::Statements&) {
    state.keep_wal_short();
    return true;
  });
  return {};
}

}  // namespace pli::broker
