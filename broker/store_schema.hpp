// The tables, as SQL. What each is for, and why it is shaped so: docs/storage.md, "Tables".
#pragma once

#include <cstdint>

namespace pli::broker {

inline constexpr std::int64_t store_schema_version = 5;
inline constexpr std::int64_t store_application_id = 0x504c4931;  // "PLI1"

/// A piece's key is exchange · 2^12 + position.
inline constexpr unsigned piece_key_shift = 12;

// Before the first table: these are for ever.
inline constexpr std::int64_t store_page_bytes = 8192;  // as below
inline constexpr const char* store_layout_pragmas = R"sql(
  PRAGMA page_size = 8192;
  PRAGMA auto_vacuum = NONE;
  PRAGMA journal_mode = WAL;
)sql";

// On every connection. The WAL is written back when the store says so, never inside a commit by surprise.
inline constexpr const char* store_connection_pragmas = R"sql(
  PRAGMA synchronous = FULL;
  PRAGMA wal_autocheckpoint = 0;
  PRAGMA foreign_keys = ON;
  PRAGMA trusted_schema = OFF;
  PRAGMA secure_delete = ON;
  PRAGMA cell_size_check = ON;
  PRAGMA cache_size = -8192;
)sql";

inline constexpr const char* store_schema_sql = R"sql(
CREATE TABLE meta (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  writer_epoch INTEGER NOT NULL,
  shard INTEGER NOT NULL,
  checkpoint TEXT NOT NULL,
  indexed_through INTEGER NOT NULL,
  undecodable INTEGER NOT NULL,
  unknown_key INTEGER NOT NULL
) STRICT;
CREATE TABLE shard (
  id INTEGER PRIMARY KEY,
  origin TEXT NOT NULL UNIQUE,
  closed TEXT NOT NULL,
  last_known TEXT NOT NULL,
  order_note TEXT NOT NULL
) STRICT;
CREATE TABLE queue (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE roster (
  id INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  keys BLOB NOT NULL
) STRICT;
CREATE TABLE exchange (
  number INTEGER PRIMARY KEY,
  id BLOB NOT NULL,
  nonce BLOB NOT NULL,
  shard INTEGER NOT NULL,
  leaf INTEGER NOT NULL,
  accepted_at INTEGER NOT NULL,
  queue INTEGER NOT NULL REFERENCES queue (id),
  queue_number INTEGER NOT NULL,
  head BLOB NOT NULL,
  kind INTEGER NOT NULL,
  case_number INTEGER NOT NULL,
  roster INTEGER NOT NULL REFERENCES roster (id),
  body INTEGER NOT NULL,
  signature BLOB,
  seal BLOB,
  address BLOB
) STRICT;
CREATE UNIQUE INDEX exchange_by_queue ON exchange (queue, queue_number);
CREATE TABLE piece (
  key INTEGER PRIMARY KEY,
  bytes BLOB NOT NULL
) STRICT;
CREATE TABLE access_part (
  number INTEGER PRIMARY KEY REFERENCES exchange (number),
  of INTEGER NOT NULL,
  lease INTEGER NOT NULL,
  leased BLOB NOT NULL
) STRICT;
CREATE INDEX access_part_added ON access_part (of) WHERE of <> number;
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
CREATE TABLE recusal (
  case_number INTEGER NOT NULL REFERENCES case_file (number),
  person TEXT NOT NULL,
  PRIMARY KEY (case_number, person)
) STRICT, WITHOUT ROWID;
CREATE TABLE withheld (
  number INTEGER PRIMARY KEY REFERENCES exchange (number),
  until INTEGER NOT NULL
) STRICT;
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
CREATE TABLE finger (
  what INTEGER NOT NULL,
  key INTEGER NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (what, key, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE cursor (
  member TEXT NOT NULL,
  queue INTEGER NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (member, queue)
) STRICT, WITHOUT ROWID;
CREATE TABLE leaf (
  key INTEGER PRIMARY KEY,
  type INTEGER NOT NULL,
  time INTEGER NOT NULL,
  digest BLOB NOT NULL,
  nodes BLOB,
  extra TEXT,
  month INTEGER NOT NULL,
  record BLOB
) STRICT;
CREATE TABLE opening (
  leaf INTEGER PRIMARY KEY,
  id BLOB NOT NULL,
  exchange INTEGER NOT NULL,
  opener TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE TABLE directory_version (
  number INTEGER PRIMARY KEY,
  note TEXT NOT NULL,
  leaf INTEGER NOT NULL
) STRICT;
CREATE TABLE suspension (
  member TEXT NOT NULL,
  directory INTEGER NOT NULL REFERENCES directory_version (number),
  note TEXT NOT NULL,
  leaf INTEGER NOT NULL,
  PRIMARY KEY (member, directory)
) STRICT, WITHOUT ROWID;
CREATE TABLE directory_entry (
  type INTEGER NOT NULL,
  id TEXT NOT NULL,
  changed INTEGER NOT NULL REFERENCES directory_version (number),
  bytes BLOB NOT NULL,
  PRIMARY KEY (type, id, changed)
) STRICT, WITHOUT ROWID;
)sql";

}  // namespace pli::broker
