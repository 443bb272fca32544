#include "broker/store_migrations.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include "broker/store_copy.hpp"
#include "broker/store_schema.hpp"

namespace pli::broker {
namespace {

constexpr int busy_wait_ms = 5000;

/// Shards get an end. The first schema had two forms: suspensions came without counting up.
void from_schema_1(SQLite::Database& db) {
  db.exec(R"sql(
CREATE TABLE IF NOT EXISTS suspension (
  member TEXT NOT NULL,
  directory INTEGER NOT NULL REFERENCES directory_version (number),
  note TEXT NOT NULL,
  leaf INTEGER NOT NULL,
  PRIMARY KEY (member, directory)
) STRICT, WITHOUT ROWID;
ALTER TABLE shard RENAME TO shard_before;
CREATE TABLE shard (
  id INTEGER PRIMARY KEY,
  origin TEXT NOT NULL UNIQUE,
  closed TEXT NOT NULL,
  last_known TEXT NOT NULL,
  order_note TEXT NOT NULL
) STRICT;
INSERT INTO shard SELECT id, origin, '', '', '' FROM shard_before;
DROP TABLE shard_before;
)sql");
}

/// A case gets what its road needs. One that was answered has been told at once; when it was decided is known no more.
void from_schema_2(SQLite::Database& db) {
  db.exec(R"sql(
ALTER TABLE case_file RENAME TO case_file_before;
CREATE TABLE case_file (
  number INTEGER PRIMARY KEY REFERENCES exchange (number),
  queue INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  state INTEGER NOT NULL,
  opened INTEGER NOT NULL,
  person TEXT NOT NULL,
  organisation TEXT NOT NULL,
  opened_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  exchanges INTEGER NOT NULL,
  party_updated_at INTEGER NOT NULL,
  party_exchanges INTEGER NOT NULL,
  resumes INTEGER NOT NULL,
  out_of_scope INTEGER NOT NULL,
  session_at INTEGER NOT NULL,
  decided_at INTEGER NOT NULL,
  review_at INTEGER NOT NULL,
  told_at INTEGER NOT NULL,
  closed_at INTEGER NOT NULL,
  recused INTEGER NOT NULL,
  noticed_at INTEGER NOT NULL,
  term_at INTEGER NOT NULL,
  held_until INTEGER NOT NULL
) STRICT;
CREATE TABLE recusal (
  case_number INTEGER NOT NULL REFERENCES case_file (number),
  person TEXT NOT NULL,
  PRIMARY KEY (case_number, person)
) STRICT, WITHOUT ROWID;
CREATE TABLE withheld (
  number INTEGER PRIMARY KEY REFERENCES exchange (number),
  until INTEGER NOT NULL
) STRICT;
INSERT INTO case_file
  SELECT *, 0, 0, 0, 0, 0, CASE WHEN state >= 9 THEN party_updated_at ELSE 0 END, 0, 0, 0, 0, 0 FROM case_file_before;
DROP TABLE case_file_before;
)sql");
}

/// Cases get terms, and exchanges an erasure. Those of one case are found together, which none was before.
void from_schema_3(SQLite::Database& db) {
  db.exec(R"sql(
CREATE TABLE case_term (
  number INTEGER PRIMARY KEY REFERENCES case_file (number),
  closed_at INTEGER NOT NULL,
  term INTEGER NOT NULL,
  noticed_at INTEGER NOT NULL,
  held_until INTEGER NOT NULL,
  gone INTEGER NOT NULL
) STRICT;
CREATE TABLE case_voice (
  case_number INTEGER NOT NULL REFERENCES case_file (number),
  what INTEGER NOT NULL,
  person TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (case_number, what, person)
) STRICT, WITHOUT ROWID;
CREATE TABLE erasure (
  number INTEGER PRIMARY KEY REFERENCES exchange (number),
  leaf INTEGER NOT NULL
) STRICT;
CREATE TABLE term_rule (
  leaf INTEGER PRIMARY KEY,
  rule TEXT NOT NULL
) STRICT;
INSERT OR IGNORE INTO finger SELECT 5, case_number, number FROM exchange
  WHERE case_number <> number AND number <= (SELECT indexed_through FROM meta);
)sql");
}

/// A case can come of another's transmission; an information nominative is agreed to, and given.
void from_schema_4(SQLite::Database& db) {
  db.exec(R"sql(
CREATE TABLE case_origin (
  number INTEGER PRIMARY KEY REFERENCES case_file (number),
  origin INTEGER NOT NULL REFERENCES case_file (number)
) STRICT;
CREATE INDEX case_linked ON case_origin (origin);
CREATE TABLE agreement (
  exchange INTEGER PRIMARY KEY REFERENCES exchange (number),
  about INTEGER NOT NULL REFERENCES exchange (number),
  person TEXT NOT NULL,
  organisation TEXT NOT NULL,
  quality INTEGER NOT NULL,
  accord INTEGER NOT NULL,
  until INTEGER NOT NULL
) STRICT;
CREATE INDEX agreement_about ON agreement (about);
CREATE TABLE nominative_release (
  part INTEGER PRIMARY KEY REFERENCES exchange (number),
  about INTEGER NOT NULL UNIQUE REFERENCES exchange (number),
  until INTEGER NOT NULL
) STRICT;
)sql");
}

/// Step n makes schema n + 2 of schema n + 1.
using Step = void (*)(SQLite::Database&);
constexpr Step steps[] = {from_schema_1, from_schema_2, from_schema_3, from_schema_4};
static_assert(std::size(steps) + 1 == store_schema_version, "a step for each schema there was");

std::int64_t schema_of(SQLite::Database& db) { return db.execAndGet("PRAGMA user_version").getInt64(); }

}  // namespace

std::filesystem::path kept_copy(const std::filesystem::path& file, std::int64_t schema) {
  return file.string() + ".schema-" + std::to_string(schema);
}

Result<void> migrate_store(const std::filesystem::path& file, const std::string& vfs) {
  try {
    SQLite::Database db(file.string(), SQLite::OPEN_READWRITE, busy_wait_ms, vfs);
    sqlite3_db_config(db.getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    db.exec(store_connection_pragmas);
    const std::int64_t schema = schema_of(db);
    if (schema == store_schema_version) return {};
    if (db.execAndGet("PRAGMA application_id").getInt64() != store_application_id)
      return Error{Errc::corruption, "store: not a database of ours"};
    if (schema > store_schema_version) return Error{Errc::conflict, "store: of a later schema than this program's"};
    if (schema < 1) return Error{Errc::corruption, "store: of no schema there was"};
    if (auto kept = copy_store(file, kept_copy(file, schema), vfs); !kept) return kept;
    SQLite::Transaction transaction(db, SQLite::TransactionBehavior::IMMEDIATE);
    if (schema_of(db) != schema) return Error{Errc::conflict, "store: another program is migrating it"};
    for (std::int64_t from = schema; from < store_schema_version; ++from) steps[from - 1](db);
    db.exec("PRAGMA user_version = " + std::to_string(store_schema_version));
    transaction.commit();  // Durable from here.
    return {};
  } catch (const SQLite::Exception& e) {
    const bool damaged = e.getErrorCode() == SQLITE_CORRUPT || e.getErrorCode() == SQLITE_NOTADB;
    return Error{damaged ? Errc::corruption : Errc::io_error, std::string("store: ") + e.getErrorStr()};
  }
}

}  // namespace pli::broker
