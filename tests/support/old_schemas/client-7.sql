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

CREATE TABLE IF NOT EXISTS directory_version (  -- every one this profile verified
  number      INTEGER PRIMARY KEY,
  note        TEXT NOT NULL,
  proof       TEXT NOT NULL,    -- of its leaf, as a receipt
  verified_at INTEGER NOT NULL
) STRICT;
