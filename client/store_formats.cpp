#include "client/store_formats.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

namespace pli::client {
namespace {

constexpr int busy_wait_ms = 10'000;
constexpr int format = 8;
constexpr int application_id = 0x506c6931;  // "Pli1"

const char* const schema = R"sql(
CREATE TABLE fact (             -- checkpoint, cosigned_checkpoint, directory_note, directory_place, release_epoch…
  name  TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE foreign_checkpoint (
  size    INTEGER NOT NULL,
  root    BLOB NOT NULL,
  note    TEXT NOT NULL,
  seen_at INTEGER NOT NULL,
  PRIMARY KEY (size, root)
) STRICT, WITHOUT ROWID;
CREATE TABLE entry (            -- of the directory version in directory_note
  position INTEGER PRIMARY KEY,
  entry    BLOB NOT NULL,
  proof    BLOB NOT NULL        -- 32 bytes for each hash
) STRICT;
CREATE TABLE directory_change (
  id      INTEGER PRIMARY KEY,
  number  INTEGER NOT NULL,
  what    INTEGER NOT NULL,
  type    INTEGER NOT NULL,
  subject TEXT NOT NULL
) STRICT;
CREATE TABLE queue (
  name         TEXT PRIMARY KEY,
  number       INTEGER NOT NULL,
  head         BLOB NOT NULL,
  acknowledged INTEGER NOT NULL DEFAULT 0,
  proven       INTEGER NOT NULL DEFAULT 0,
  handed_over  INTEGER NOT NULL DEFAULT 0,
  walk_from    INTEGER                        -- after a rollback, until it has been walked anew
) STRICT, WITHOUT ROWID;
CREATE TABLE received (
  queue         TEXT NOT NULL,
  number        INTEGER NOT NULL,
  head          BLOB NOT NULL,
  exchange      BLOB NOT NULL,
  address       BLOB NOT NULL,
  seal          BLOB NOT NULL,
  signature     BLOB NOT NULL,
  accepted_at   INTEGER NOT NULL,
  leaf          INTEGER NOT NULL,
  visible       INTEGER NOT NULL,
  sender_status INTEGER NOT NULL,
  opened        INTEGER NOT NULL DEFAULT 0,
  hidden        INTEGER NOT NULL DEFAULT 0,   -- HiddenProof, of a place that is not visible
  PRIMARY KEY (queue, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX received_exchange ON received (exchange);
CREATE TABLE outbox (
  id                INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice: people write it down
  state             INTEGER NOT NULL,
  kind              INTEGER NOT NULL,
  queue             TEXT NOT NULL,
  case_id           BLOB NOT NULL,
  created_at        INTEGER NOT NULL,
  exchange          BLOB,
  refusal_code      INTEGER,
  refusal_subject   TEXT,
  refusal_retry     INTEGER,
  receipted_at      INTEGER NOT NULL DEFAULT 0,
  receipt_size      INTEGER,                            -- the receipt's checkpoint, until compared with the log
  receipt_root      BLOB,
  form              BLOB,                               -- age file to the sender's own key, until then
  address           BLOB,
  seal              BLOB,
  signature         BLOB,
  locked            BLOB,
  payload           BLOB,
  release           BLOB,
  leaf              INTEGER,                            -- where the receipt says it stands
  cosigned_at       INTEGER NOT NULL DEFAULT 0,
  receipt_shard     TEXT                                -- the origin of that leaf's shard
) STRICT;
CREATE TABLE replaced (         -- sealings refused as stale, by which a later one can be traced back
  outbox   INTEGER NOT NULL REFERENCES outbox (id) ON DELETE CASCADE,
  ordinal  INTEGER NOT NULL,
  exchange BLOB NOT NULL,
  PRIMARY KEY (outbox, ordinal)
) STRICT, WITHOUT ROWID;
)sql";

/// Also the step from format 1.
const char* const alarm_tables = R"sql(
CREATE TABLE alarm (
  code         TEXT NOT NULL,
  subject      TEXT NOT NULL,
  claimed      INTEGER NOT NULL,
  words        TEXT NOT NULL,
  evidence     TEXT NOT NULL,
  exchange     BLOB NOT NULL,
  seen_at      INTEGER NOT NULL,
  acknowledged INTEGER NOT NULL DEFAULT 0,
  reported     INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (code, subject, claimed)
) STRICT, WITHOUT ROWID;
CREATE TABLE claimed_head (     -- what senders say of queues, until it has been compared
  queue    TEXT NOT NULL,
  number   INTEGER NOT NULL,
  head     BLOB NOT NULL,
  exchange BLOB NOT NULL,
  sender   TEXT NOT NULL,
  PRIMARY KEY (queue, number, head, exchange)
) STRICT, WITHOUT ROWID;
)sql";

/// Also the step from format 4.
const char* const shard_tables = R"sql(
CREATE TABLE shard (            -- those whose end was seen
  origin           TEXT PRIMARY KEY,
  closed_size      INTEGER NOT NULL,
  closed_root      BLOB NOT NULL,
  last_size        INTEGER,     -- of one rolled back
  last_root        BLOB,
  order_note       TEXT NOT NULL,
  opened           TEXT NOT NULL,
  directory        INTEGER NOT NULL,
  directory_digest BLOB NOT NULL,
  passed_at        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE superseded (       -- rows of `received` lost in a rollback of that shard
  shard         TEXT NOT NULL,
  queue         TEXT NOT NULL,
  number        INTEGER NOT NULL,
  head          BLOB NOT NULL,
  exchange      BLOB NOT NULL,
  address       BLOB NOT NULL,
  seal          BLOB NOT NULL,
  signature     BLOB NOT NULL,
  accepted_at   INTEGER NOT NULL,
  leaf          INTEGER NOT NULL,
  visible       INTEGER NOT NULL,
  sender_status INTEGER NOT NULL,
  opened        INTEGER NOT NULL,
  hidden        INTEGER NOT NULL,
  handed_over   INTEGER NOT NULL,
  PRIMARY KEY (shard, queue, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX superseded_exchange ON superseded (exchange);
)sql";

/// Also the step from format 5, which had two forms.
const char* const version_table = R"sql(
CREATE TABLE IF NOT EXISTS directory_version (  -- every one this profile verified
  number      INTEGER PRIMARY KEY,
  note        TEXT NOT NULL,
  proof       TEXT NOT NULL,    -- of its leaf, as a receipt
  verified_at INTEGER NOT NULL
) STRICT;
)sql";

/// Also the step from format 7.
const char* const link_tables = R"sql(
CREATE TABLE link_entry (       -- sealed under the member's own key: client/link_record.hpp
  exchange BLOB PRIMARY KEY,
  case_id  BLOB NOT NULL,
  sealed   BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX link_entry_case ON link_entry (case_id);
CREATE TABLE link_decision (    -- likewise; which cases it is of stands inside
  id     INTEGER PRIMARY KEY,
  sealed BLOB NOT NULL
) STRICT;
)sql";

/// Step n makes format n + 2 of format n + 1. What was there stays as it is.
void from_format_1(SQLite::Database& db) {
  db.exec(alarm_tables);
  db.exec("ALTER TABLE queue ADD COLUMN proven INTEGER NOT NULL DEFAULT 0");
  // Shown is what was acknowledged; the rest comes once more.
  db.exec("ALTER TABLE queue ADD COLUMN handed_over INTEGER NOT NULL DEFAULT 0");
  db.exec("UPDATE queue SET handed_over = acknowledged");
  // Whose sender was proven was held to the key in force.
  db.exec("ALTER TABLE received RENAME COLUMN sender_proven TO sender_status");
  db.exec("ALTER TABLE outbox ADD COLUMN receipt_size INTEGER");
  db.exec("ALTER TABLE outbox ADD COLUMN receipt_root BLOB");
}
void from_format_2(SQLite::Database& db) {
  // A receipt of then has no leaf, and the directory no place: both are asked for again.
  db.exec("ALTER TABLE outbox ADD COLUMN leaf INTEGER");
  db.exec("ALTER TABLE outbox ADD COLUMN cosigned_at INTEGER NOT NULL DEFAULT 0");
}
void from_format_3(SQLite::Database& db) {
  db.exec("ALTER TABLE received ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0");
}
void from_format_4(SQLite::Database& db) {
  db.exec(shard_tables);
  db.exec("ALTER TABLE queue ADD COLUMN walk_from INTEGER");
  db.exec("ALTER TABLE outbox ADD COLUMN receipt_shard TEXT");
  // The version held is proven once more, and so kept with its proof.
  db.exec("DELETE FROM fact WHERE name = 'directory_place'");
}
void from_format_5(SQLite::Database& db) { db.exec(version_table); }
void from_format_6(SQLite::Database& db) {
  // What a signature shows of a hidden place was not kept then: each is asked about once more, some at a time.
  db.exec("UPDATE received SET hidden = 0");
}
void from_format_7(SQLite::Database& db) { db.exec(link_tables); }

using Step = void (*)(SQLite::Database&);
constexpr Step steps[] = {from_format_1, from_format_2, from_format_3, from_format_4,
                          from_format_5, from_format_6, from_format_7};
static_assert(std::size(steps) + 1 == format, "a step for each format there was");

int format_in(SQLite::Database& db) { return db.execAndGet("PRAGMA user_version").getInt(); }

Error io(const char* words) { return {Errc::io_error, words}; }

/// Before SQLite, which would ask the umask; -wal and -shm take the mode of the file.
Result<void> make_private(const std::filesystem::path& file) {
  const int made = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (made < 0) return io("state.db cannot be made");
  const bool is_private = ::fchmod(made, 0600) == 0;
  ::close(made);
  if (!is_private) return io("state.db cannot be made its owner's alone");
  return {};
}

bool sync(const std::filesystem::path& path, int flags) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool synced = ::fsync(descriptor) == 0;
  return ::close(descriptor) == 0 && synced;
}

Result<void> keep_copy(SQLite::Database& db, const std::filesystem::path& kept) {
  const std::filesystem::path unfinished = kept.string() + ".unfinished";
  ::unlink(unfinished.c_str());
  if (auto made = make_private(unfinished); !made) return made;
  SQLite::Statement copy(db, "VACUUM INTO ?");
  copy.bind(1, unfinished.string());
  copy.exec();
  if (!sync(unfinished, O_RDONLY) || std::rename(unfinished.c_str(), kept.c_str()) != 0 ||
      !sync(kept.parent_path(), O_RDONLY | O_DIRECTORY))
    return io("the copy of the older state.db");
  return {};
}

/// A copy holds forms to the sender's own key, which go once they are receipted; so it goes too.
void drop_old_copies(const std::filesystem::path& file) {
  const auto oldest = std::filesystem::file_time_type::clock::now() - kept_copy_time;
  for (int of = 1; of < format; ++of) {
    std::error_code problem;
    const std::filesystem::path kept = kept_copy(file, of);
    const auto made_at = std::filesystem::last_write_time(kept, problem);
    if (!problem && made_at < oldest) std::filesystem::remove(kept, problem);
  }
}

Result<void> migrate(SQLite::Database& db, const std::filesystem::path& file) {
  const int before = format_in(db);
  if (before == format) return {};
  if (before != 0) {
    if (db.execAndGet("PRAGMA application_id").getInt() != application_id)
      return Error{Errc::corruption, "state.db is not of this format"};
    if (before > format) return Error{Errc::conflict, "state.db was written by a later pli: install that one here"};
    if (before < 0) return Error{Errc::corruption, "state.db is of no format there was"};
    if (auto kept = keep_copy(db, kept_copy(file, before)); !kept) return kept;
  }
  SQLite::Transaction transaction(db, SQLite::TransactionBehavior::IMMEDIATE);
  const int now = format_in(db);
  if (now == format) return {};  // another program was faster
  if (now != before) return Error{Errc::unavailable, "another program is migrating state.db"};
  if (before == 0) {
    db.exec(schema);
    db.exec(alarm_tables);
    db.exec(shard_tables);
    db.exec(version_table);
    db.exec(link_tables);
    db.exec("PRAGMA application_id = " + std::to_string(application_id));
  } else {
    for (int from = before; from < format; ++from) steps[from - 1](db);
  }
  db.exec("PRAGMA user_version = " + std::to_string(format));
  transaction.commit();
  return {};
}

}  // namespace

std::filesystem::path kept_copy(const std::filesystem::path& file, int of_format) {
  return file.string() + ".format-" + std::to_string(of_format);
}

Result<void> bring_up_to_date(const std::filesystem::path& file) {
  if (auto made = make_private(file); !made) return made;
  try {
    SQLite::Database db(file.string(), SQLite::OPEN_READWRITE, busy_wait_ms);
    db.exec("PRAGMA journal_mode = WAL");
    db.exec("PRAGMA synchronous = FULL");
    db.exec("PRAGMA trusted_schema = OFF");
    if (auto migrated = migrate(db, file); !migrated) return migrated;
  } catch (const SQLite::Exception&) {
    return io("state.db cannot be opened");
  }
  drop_old_copies(file);
  return {};
}

}  // namespace pli::client
