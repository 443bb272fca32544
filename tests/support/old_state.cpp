#include "tests/support/old_state.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include <algorithm>

namespace pli::testing {
namespace {

/// As client_store.cpp had it.
const char* const schema_2 = R"sql(
CREATE TABLE fact (             -- checkpoint, directory_note, release_epoch
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
  handed_over  INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE claimed_head (     -- what senders say of queues, until it has been compared
  queue    TEXT NOT NULL,
  number   INTEGER NOT NULL,
  head     BLOB NOT NULL,
  exchange BLOB NOT NULL,
  sender   TEXT NOT NULL,
  PRIMARY KEY (queue, number, head, exchange)
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
  release           BLOB
) STRICT;
CREATE TABLE replaced (         -- sealings refused as stale, by which a later one can be traced back
  outbox   INTEGER NOT NULL REFERENCES outbox (id) ON DELETE CASCADE,
  ordinal  INTEGER NOT NULL,
  exchange BLOB NOT NULL,
  PRIMARY KEY (outbox, ordinal)
) STRICT, WITHOUT ROWID;
)sql";

std::vector<std::string> tables_of(SQLite::Database& db, const std::string& schema) {
  SQLite::Statement read(db, "SELECT name FROM " + schema +
                                 ".sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
                                 "ORDER BY name");
  std::vector<std::string> out;
  while (read.executeStep()) out.push_back(read.getColumn(0).getString());
  return out;
}

std::vector<std::string> columns_in(SQLite::Database& db, const std::string& schema, const std::string& table) {
  SQLite::Statement read(db, "SELECT name FROM pragma_table_info(?, ?) ORDER BY cid");
  read.bind(1, table);
  read.bind(2, schema);
  std::vector<std::string> out;
  while (read.executeStep()) out.push_back(read.getColumn(0).getString());
  return out;
}

}  // namespace

void put_back_to_format_2(const std::filesystem::path& file) {
  const std::filesystem::path today = file.string() + ".today";
  {
    SQLite::Database db(file.string(), SQLite::OPEN_READWRITE);
    db.exec("PRAGMA journal_mode = DELETE");  // one file, nothing left in a WAL
  }
  std::filesystem::rename(file, today);
  SQLite::Database db(file.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  db.exec(schema_2);
  db.exec("PRAGMA application_id = 1349282097");  // "Pli1"
  db.exec("PRAGMA user_version = 2");
  db.exec("ATTACH '" + today.string() + "' AS today");
  for (const std::string& table : tables_of(db, "main")) {
    std::string columns;
    for (const std::string& column : columns_in(db, "main", table)) columns += (columns.empty() ? "" : ", ") + column;
    db.exec("INSERT INTO main." + table + " (" + columns + ") SELECT " + columns + " FROM today." + table);
  }
  db.exec("DELETE FROM main.fact WHERE name IN ('directory_place', 'cosigned_checkpoint')");
  db.exec("DETACH today");
  std::filesystem::remove(today);
}

std::vector<std::string> columns_of(const std::filesystem::path& file) {
  SQLite::Database db(file.string(), SQLite::OPEN_READONLY);
  std::vector<std::string> out;
  for (const std::string& table : tables_of(db, "main")) {
    SQLite::Statement read(db, "SELECT name, type FROM pragma_table_info(?) ORDER BY cid");
    read.bind(1, table);
    while (read.executeStep())
      out.push_back(table + "." + read.getColumn(0).getString() + " " + read.getColumn(1).getString());
  }
  return out;
}

void set_format(const std::filesystem::path& file, int format) {
  SQLite::Database(file.string(), SQLite::OPEN_READWRITE).exec("PRAGMA user_version = " + std::to_string(format));
}

int format_of(const std::filesystem::path& file) {
  SQLite::Database db(file.string(), SQLite::OPEN_READONLY);
  return db.execAndGet("PRAGMA user_version").getInt();
}

}  // namespace pli::testing
