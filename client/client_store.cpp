#include "client/client_store.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include <algorithm>
#include <iterator>
#include <limits>

#include "client/store_formats.hpp"

namespace pli::client {
namespace {

constexpr int busy_wait_ms = 10'000;
constexpr std::uint8_t proof_hashes_stored_max = 63;

Error io(const char* words) { return {Errc::io_error, words}; }
Error damaged(const char* words) { return {Errc::corruption, words}; }

/// Every call of SQLiteCpp goes through here; what it throws becomes one error.
template <class Work>
auto guarded(const char* words, Work work) -> decltype(work()) {
  try {
    return work();
  } catch (const SQLite::Exception&) {
    return io(words);
  }
}

void bind_blob(SQLite::Statement& statement, int index, ByteView bytes) {
  PLI_INVARIANT(bytes.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()));
  static const std::uint8_t nothing = 0;  // a null pointer would bind NULL
  statement.bind(index, bytes.empty() ? &nothing : bytes.data(), static_cast<int>(bytes.size()));
}
void bind_number(SQLite::Statement& statement, int index, std::uint64_t value) {
  PLI_INVARIANT(value >> 63 == 0);
  statement.bind(index, static_cast<std::int64_t>(value));
}

Bytes blob(const SQLite::Column& column) {
  const auto* data = static_cast<const std::uint8_t*>(column.getBlob());
  return data == nullptr ? Bytes() : Bytes(data, data + column.getBytes());
}
std::uint64_t number(const SQLite::Column& column) { return static_cast<std::uint64_t>(column.getInt64()); }

template <std::size_t N>
bool read_array(const SQLite::Column& column, ByteArray<N>& out) {
  const auto got = to_array<N>(blob(column));
  if (got) out = *got;
  return got.has_value();
}

Bytes join(const std::vector<Digest>& hashes) {
  Bytes out;
  for (const Digest& hash : hashes) append(out, hash);
  return out;
}
std::optional<std::vector<Digest>> split(ByteView bytes) {
  if (bytes.size() % std::tuple_size_v<Digest> != 0) return std::nullopt;
  ByteReader in(bytes);
  std::vector<Digest> out(bytes.size() / std::tuple_size_v<Digest>);
  for (Digest& hash : out) hash = in.array<32>();
  return out;
}

}  // namespace

struct ClientStore::Database {
  explicit Database(const std::filesystem::path& file) : sql(file.string(), SQLite::OPEN_READWRITE, busy_wait_ms) {}

  std::optional<Bytes> fact(const char* name) {
    SQLite::Statement read(sql, "SELECT value FROM fact WHERE name = ?");
    read.bind(1, name);
    if (!read.executeStep()) return std::nullopt;
    return blob(read.getColumn(0));
  }
  void set_fact(const char* name, ByteView value) {
    SQLite::Statement write(sql,
                            "INSERT INTO fact (name, value) VALUES (?, ?) "
                            "ON CONFLICT (name) DO UPDATE SET value = excluded.value");
    write.bind(1, name);
    bind_blob(write, 2, value);
    write.exec();
  }
  std::optional<DirectoryPlace> directory_place() {
    const auto value = fact("directory_place");
    if (!value) return std::nullopt;
    ByteReader in(*value);
    DirectoryPlace place;
    place.leaf = LeafIndex{in.u64()};
    place.size = TreeSize{in.u64()};
    place.root = in.array<32>();
    place.origin = as_text(in.rest());
    return in.ok() ? std::optional(place) : std::nullopt;  // one that cannot be read is asked for again
  }
  void set_directory_place(const DirectoryPlace& place) {
    ByteWriter out;
    out.u64(place.leaf.value);
    out.u64(place.size.value);
    out.raw(place.root);
    out.raw(as_bytes(place.origin));
    set_fact("directory_place", out.bytes());
  }
  /// Proven anew in a later shard, it keeps the time it was first verified.
  void add_version(const KnownVersion& version) {
    SQLite::Statement write(sql,
                            "INSERT INTO directory_version (number, note, proof, verified_at) VALUES (?, ?, ?, ?) "
                            "ON CONFLICT (number) DO UPDATE SET proof = excluded.proof WHERE note = excluded.note");
    bind_number(write, 1, version.number.value);
    write.bind(2, version.note);
    write.bind(3, version.proof);
    write.bind(4, version.verified_at.value);
    write.exec();
  }
  static std::string former_secretariat(const std::string& id) { return "former_secretariat/" + id; }
  /// Of the version held, before `next` takes its place.
  void keep_former_secretariats(const KnownDirectory& next) {
    SQLite::Statement read(sql, "SELECT entry FROM entry");
    while (read.executeStep()) {
      const Bytes bytes = blob(read.getColumn(0));
      const auto entry = protocol::decode_entry(bytes);
      if (!entry || entry->type != protocol::EntryType::member || next.member(entry->id) != nullptr) continue;
      const auto member = protocol::read_member(*entry);
      if (member && member->roles.has(protocol::Role::secretariat))
        set_fact(former_secretariat(member->id).c_str(), bytes);
    }
  }
  std::optional<QueueState> queue(const std::string& name, bool& readable) {
    SQLite::Statement read(
        sql, "SELECT number, head, acknowledged, proven, handed_over, walk_from FROM queue WHERE name = ?");
    read.bind(1, name);
    if (!read.executeStep()) return std::nullopt;
    QueueState state;
    state.head.number = QueueNumber{number(read.getColumn(0))};
    readable = read_array(read.getColumn(1), state.head.head);
    state.acknowledged = QueueNumber{number(read.getColumn(2))};
    state.proven = QueueNumber{number(read.getColumn(3))};
    state.handed_over = QueueNumber{number(read.getColumn(4))};
    if (!read.getColumn(5).isNull()) state.walk_from = QueueNumber{number(read.getColumn(5))};
    return state;
  }

  SQLite::Database sql;
};

ClientStore::ClientStore(std::unique_ptr<Database> database) : db_(std::move(database)) {}
ClientStore::~ClientStore() = default;

Result<std::unique_ptr<ClientStore>> ClientStore::open(const std::filesystem::path& file) {
  if (auto ready = bring_up_to_date(file); !ready) return ready.error();
  return guarded("state.db cannot be opened", [&]() -> Result<std::unique_ptr<ClientStore>> {
    auto database = std::make_unique<Database>(file);
    SQLite::Database& sql = database->sql;
    sql.exec("PRAGMA synchronous = FULL");  // `send` says OK only after the disk has it
    sql.exec("PRAGMA foreign_keys = ON");
    sql.exec("PRAGMA trusted_schema = OFF");
    sql.exec("PRAGMA secure_delete = ON");  // a form copy that is dropped is overwritten
    return std::unique_ptr<ClientStore>(new ClientStore(std::move(database)));
  });
}

// ---- log -------------------------------------------------------------------------------------------------------

Result<std::optional<std::string>> ClientStore::checkpoint() const {
  return guarded("reading the checkpoint", [&]() -> Result<std::optional<std::string>> {
    const auto note = db_->fact("checkpoint");
    if (!note) return std::optional<std::string>();
    return std::optional<std::string>(std::string(as_text(*note)));
  });
}

Result<void> ClientStore::set_checkpoint(const std::optional<std::string>& previous, const std::string& note) {
  return guarded("writing the checkpoint", [&]() -> Result<void> {
    SQLite::Transaction transaction(db_->sql, SQLite::TransactionBehavior::IMMEDIATE);
    const auto stored = db_->fact("checkpoint");
    const bool same = stored ? previous && as_text(*stored) == *previous : !previous;
    if (!same) return Error{Errc::conflict, "another program moved the checkpoint"};
    db_->set_fact("checkpoint", as_bytes(note));
    transaction.commit();
    return {};
  });
}

Result<std::optional<std::string>> ClientStore::cosigned_checkpoint() const {
  return guarded("reading the cosigned checkpoint", [&]() -> Result<std::optional<std::string>> {
    const auto fact = db_->fact("cosigned_checkpoint");
    if (!fact) return std::optional<std::string>();
    ByteReader in(*fact);
    (void)in.u64();
    if (!in.ok()) return damaged("the cosigned checkpoint");
    return std::optional<std::string>(std::string(as_text(in.rest())));
  });
}

Result<void> ClientStore::set_cosigned_checkpoint(UnixMillis at, const std::string& note) {
  PLI_INVARIANT(at.value >= 0);
  return guarded("writing the cosigned checkpoint", [&]() -> Result<void> {
    SQLite::Transaction transaction(db_->sql, SQLite::TransactionBehavior::IMMEDIATE);
    const auto time = static_cast<std::uint64_t>(at.value);
    if (const auto stored = db_->fact("cosigned_checkpoint"); stored && ByteReader(*stored).u64() > time) return {};
    ByteWriter out;
    out.u64(time);
    out.raw(as_bytes(note));
    db_->set_fact("cosigned_checkpoint", out.bytes());
    transaction.commit();
    return {};
  });
}

Result<void> ClientStore::pass_shard(const std::string& previous, const ClosedShard& shard, const std::string& opened) {
  return guarded("passing to another shard", [&]() -> Result<void> {
    SQLite::Transaction transaction(db_->sql, SQLite::TransactionBehavior::IMMEDIATE);
    const auto stored = db_->fact("checkpoint");
    if (!stored || as_text(*stored) != previous) return Error{Errc::conflict, "another program moved the checkpoint"};
    db_->set_fact("checkpoint", as_bytes(opened));
    db_->sql.exec("DELETE FROM fact WHERE name = 'directory_place'");  // of the tree before
    SQLite::Statement write(db_->sql,
                            "INSERT INTO shard (origin, closed_size, closed_root, last_size, last_root, order_note, "
                            "opened, directory, directory_digest, passed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                            "ON CONFLICT (origin) DO NOTHING");
    write.bind(1, shard.origin);
    bind_number(write, 2, shard.closed.size.value);
    bind_blob(write, 3, shard.closed.root);
    if (shard.last) {
      bind_number(write, 4, shard.last->size.value);
      bind_blob(write, 5, shard.last->root);
    }
    write.bind(6, shard.order);
    write.bind(7, shard.opened);
    bind_number(write, 8, shard.directory.number.value);
    bind_blob(write, 9, shard.directory.digest);
    write.bind(10, shard.passed_at.value);
    write.exec();
    if (shard.last) {
      // A receipt of an older program does not say where it stands: sending again what stands there makes no second
      // leaf. One that stands in an earlier shard was not lost with this one.
      SQLite::Statement back(db_->sql,
                             "UPDATE outbox SET state = ?, receipted_at = 0, receipt_size = NULL, receipt_root = NULL "
                             "WHERE state IN (?, ?) AND address IS NOT NULL AND (receipt_shard IS NULL OR "
                             "(receipt_shard = ? AND leaf >= ?))");
      back.bind(1, static_cast<int>(OutboxState::sealed));
      back.bind(2, static_cast<int>(OutboxState::receipted));
      back.bind(3, static_cast<int>(OutboxState::cosigned));
      back.bind(4, shard.origin);
      bind_number(back, 5, shard.closed.size.value);
      back.exec();
      // A header whose leaf is in what stands has kept its place, and with it all places before.
      SQLite::Statement walk(db_->sql,
                             "UPDATE queue SET walk_from = coalesce((SELECT max(r.number) FROM received r WHERE "
                             "r.queue = queue.name AND r.visible = 1 AND r.leaf < ?), 0) WHERE walk_from IS NULL");
      bind_number(walk, 1, shard.closed.size.value);
      walk.exec();
      db_->sql.exec("DELETE FROM claimed_head");
    }
    transaction.commit();
    return {};
  });
}

namespace {

const std::string shard_columns =
    "SELECT origin, closed_size, closed_root, last_size, last_root, order_note, opened, directory, directory_digest, "
    "passed_at FROM shard ";

Result<std::optional<ClosedShard>> read_shard(SQLite::Statement& read) {
  if (!read.executeStep()) return std::optional<ClosedShard>();
  ClosedShard out;
  out.origin = read.getColumn(0).getString();
  out.closed.size = TreeSize{number(read.getColumn(1))};
  bool whole = read_array(read.getColumn(2), out.closed.root);
  if (!read.getColumn(3).isNull()) {
    out.last.emplace();
    out.last->size = TreeSize{number(read.getColumn(3))};
    whole = whole && read_array(read.getColumn(4), out.last->root);
  }
  out.order = read.getColumn(5).getString();
  out.opened = read.getColumn(6).getString();
  out.directory.number = DirectoryNumber{number(read.getColumn(7))};
  whole = whole && read_array(read.getColumn(8), out.directory.digest);
  out.passed_at = UnixMillis{read.getColumn(9).getInt64()};
  if (!whole) return damaged("a shard");
  return std::optional<ClosedShard>(std::move(out));
}

}  // namespace

Result<std::optional<ClosedShard>> ClientStore::closed_shard(const std::string& origin) const {
  return guarded("reading a shard", [&]() -> Result<std::optional<ClosedShard>> {
    SQLite::Statement read(db_->sql, shard_columns + "WHERE origin = ?");
    read.bind(1, origin);
    return read_shard(read);
  });
}

Result<std::optional<ClosedShard>> ClientStore::shard_before(const std::string& opened) const {
  return guarded("reading a shard", [&]() -> Result<std::optional<ClosedShard>> {
    SQLite::Statement read(db_->sql, shard_columns + "WHERE opened = ?");
    read.bind(1, opened);
    return read_shard(read);
  });
}

Result<std::vector<ForeignCheckpoint>> ClientStore::foreign_checkpoints() const {
  return guarded("reading foreign checkpoints", [&]() -> Result<std::vector<ForeignCheckpoint>> {
    SQLite::Statement read(db_->sql, "SELECT size, root, note, seen_at FROM foreign_checkpoint ORDER BY size, root");
    std::vector<ForeignCheckpoint> out;
    while (read.executeStep()) {
      ForeignCheckpoint checkpoint;
      checkpoint.size = TreeSize{number(read.getColumn(0))};
      if (!read_array(read.getColumn(1), checkpoint.root)) return damaged("foreign checkpoint");
      checkpoint.note = read.getColumn(2).getString();
      checkpoint.seen_at = UnixMillis{read.getColumn(3).getInt64()};
      out.push_back(std::move(checkpoint));
    }
    return out;
  });
}

Result<void> ClientStore::add_foreign(const ForeignCheckpoint& checkpoint) {
  return guarded("writing a foreign checkpoint", [&]() -> Result<void> {
    SQLite::Statement write(db_->sql,
                            "INSERT INTO foreign_checkpoint (size, root, note, seen_at) VALUES (?, ?, ?, ?) "
                            "ON CONFLICT (size, root) DO NOTHING");
    bind_number(write, 1, checkpoint.size.value);
    bind_blob(write, 2, checkpoint.root);
    write.bind(3, checkpoint.note);
    write.bind(4, checkpoint.seen_at.value);
    write.exec();
    return {};
  });
}

Result<void> ClientStore::forget_foreign(const ForeignCheckpoint& checkpoint) {
  return guarded("dropping a foreign checkpoint", [&]() -> Result<void> {
    SQLite::Statement write(db_->sql, "DELETE FROM foreign_checkpoint WHERE size = ? AND root = ?");
    bind_number(write, 1, checkpoint.size.value);
    bind_blob(write, 2, checkpoint.root);
    write.exec();
    return {};
  });
}

Result<void> ClientStore::condemn_foreign(const ForeignCheckpoint& checkpoint) {
  return guarded("dropping a foreign checkpoint", [&]() -> Result<void> {
    SQLite::Transaction transaction(db_->sql, SQLite::TransactionBehavior::IMMEDIATE);
    SQLite::Statement back(db_->sql,
                           "UPDATE outbox SET state = ?, receipted_at = 0, receipt_size = NULL, receipt_root = NULL "
                           "WHERE receipt_size = ? AND receipt_root = ?");
    back.bind(1, static_cast<int>(OutboxState::sealed));
    bind_number(back, 2, checkpoint.size.value);
    bind_blob(back, 3, checkpoint.root);
    back.exec();
    if (const auto place = db_->directory_place();
        place && place->size == checkpoint.size && place->root == checkpoint.root)
      db_->sql.exec("DELETE FROM fact WHERE name = 'directory_place'");
    SQLite::Statement write(db_->sql, "DELETE FROM foreign_checkpoint WHERE size = ? AND root = ?");
    bind_number(write, 1, checkpoint.size.value);
    bind_blob(write, 2, checkpoint.root);
    write.exec();
    transaction.commit();
    return {};
  });
}

Result<std::optional<ReleaseEpoch>> ClientStore::release_epoch() const {
  return guarded("reading the release epoch", [&]() -> Result<std::optional<ReleaseEpoch>> {
    const auto value = db_->fact("release_epoch");
    if (!value) return std::optional<ReleaseEpoch>();
    ByteReader in(*value);
    ReleaseEpoch epoch;
    epoch.epoch = in.u32();
    epoch.key.bytes = in.array<32>();
    if (!in.at_end()) return damaged("release epoch");
    return std::optional<ReleaseEpoch>(epoch);
  });
}

Result<void> ClientStore::set_release_epoch(const ReleaseEpoch& epoch) {
  return guarded("writing the release epoch", [&]() -> Result<void> {
    ByteWriter out;
    out.u32(epoch.epoch);
    out.raw(epoch.key.bytes);
    db_->set_fact("release_epoch", out.bytes());
    return {};
  });
}

// ---- alarms ----------------------------------------------------------------------------------------------------

namespace {

constexpr protocol::LocalCode alarm_codes[] = {
    protocol::LocalCode::log_forked,      protocol::LocalCode::log_shrunk,   protocol::LocalCode::queue_withheld,
    protocol::LocalCode::queue_reordered, protocol::LocalCode::queue_hidden, protocol::LocalCode::directory_stale,
    protocol::LocalCode::log_rolled_back};

}  // namespace

Result<void> ClientStore::add_alarm(const Alarm& alarm) {
  return guarded("writing an alarm", [&]() -> Result<void> {
    SQLite::Statement write(db_->sql,
                            "INSERT INTO alarm (code, subject, claimed, words, evidence, exchange, seen_at) "
                            "VALUES (?, ?, ?, ?, ?, ?, ?) "
                            "ON CONFLICT (code, subject, claimed) DO UPDATE SET acknowledged = 0, "
                            "reported = reported AND NOT acknowledged");
    write.bind(1, std::string(protocol::text_of(alarm.code)));
    write.bind(2, alarm.subject);
    write.bind(3, alarm.claimed ? 1 : 0);
    write.bind(4, alarm.words);
    write.bind(5, alarm.evidence);
    bind_blob(write, 6, alarm.exchange);
    write.bind(7, alarm.seen_at.value);
    write.exec();
    return {};
  });
}

Result<std::vector<Alarm>> ClientStore::read_alarms(const char* which) const {
  return guarded("reading alarms", [&]() -> Result<std::vector<Alarm>> {
    SQLite::Statement read(db_->sql, std::string("SELECT code, subject, claimed, words, evidence, exchange, seen_at "
                                                 "FROM alarm WHERE ") +
                                         which + " ORDER BY seen_at, code, subject");
    std::vector<Alarm> out;
    while (read.executeStep()) {
      Alarm alarm;
      const std::string code = read.getColumn(0).getString();
      const auto known = std::find_if(std::begin(alarm_codes), std::end(alarm_codes),
                                      [&](protocol::LocalCode each) { return protocol::text_of(each) == code; });
      if (known == std::end(alarm_codes) || !read_array(read.getColumn(5), alarm.exchange)) return damaged("an alarm");
      alarm.code = *known;
      alarm.subject = read.getColumn(1).getString();
      alarm.claimed = read.getColumn(2).getInt() != 0;
      alarm.words = read.getColumn(3).getString();
      alarm.evidence = read.getColumn(4).getString();
      alarm.seen_at = UnixMillis{read.getColumn(6).getInt64()};
      out.push_back(std::move(alarm));
    }
    return out;
  });
}

Result<std::vector<Alarm>> ClientStore::alarms() const { return read_alarms("acknowledged = 0"); }
Result<std::vector<Alarm>> ClientStore::unreported_alarms() const { return read_alarms("reported = 0"); }

Result<void> ClientStore::acknowledge_alarms() {
  return guarded("acknowledging alarms", [&]() -> Result<void> {
    db_->sql.exec("UPDATE alarm SET acknowledged = 1");
    return {};
  });
}

Result<void> ClientStore::set_reported(const Alarm& alarm) {
  return guarded("writing an alarm", [&]() -> Result<void> {
    SQLite::Statement write(db_->sql, "UPDATE alarm SET reported = 1 WHERE code = ? AND subject = ? AND claimed = ?");
    write.bind(1, std::string(protocol::text_of(alarm.code)));
    write.bind(2, alarm.subject);
    write.bind(3, alarm.claimed ? 1 : 0);
    write.exec();
    return {};
  });
}

Result<std::optional<protocol::ExchangeId>> ClientStore::nameable_exchange(const std::string& queue) const {
  return guarded("reading an exchange id", [&]() -> Result<std::optional<protocol::ExchangeId>> {
    SQLite::Statement read(db_->sql,
                           "SELECT exchange FROM (SELECT exchange, (queue = ?) AS rank, number AS age FROM received "
                           "WHERE visible = 1 UNION ALL SELECT exchange, -1, id FROM outbox WHERE state IN (?, ?) "
                           "AND exchange IS NOT NULL) ORDER BY rank DESC, age DESC LIMIT 1");
    read.bind(1, queue);
    read.bind(2, static_cast<int>(OutboxState::receipted));
    read.bind(3, static_cast<int>(OutboxState::cosigned));
    if (!read.executeStep()) return std::optional<protocol::ExchangeId>();
    protocol::ExchangeId id{};
    if (!read_array(read.getColumn(0), id)) return damaged("an exchange id");
    return std::optional<protocol::ExchangeId>(id);
  });
}

// ---- directory -------------------------------------------------------------------------------------------------

Result<std::optional<ClientStore::StoredDirectory>> ClientStore::directory() const {
  return guarded("reading the directory", [&]() -> Result<std::optional<StoredDirectory>> {
    SQLite::Transaction transaction(db_->sql);  // note and entries of one version
    const auto note = db_->fact("directory_note");
    if (!note) return std::optional<StoredDirectory>();
    StoredDirectory out;
    out.note = std::string(as_text(*note));
    SQLite::Statement read(db_->sql, "SELECT position, entry, proof FROM entry ORDER BY position");
    while (read.executeStep()) {
      auto proof = split(blob(read.getColumn(2)));
      if (!proof || proof->size() > proof_hashes_stored_max) return damaged("proof of a directory entry");
      out.entries.push_back({number(read.getColumn(0)), blob(read.getColumn(1)), std::move(*proof)});
    }
    out.place = db_->directory_place();
    return std::optional<StoredDirectory>(std::move(out));
  });
}

Result<void> ClientStore::set_directory(const KnownDirectory& directory, const std::vector<DirectoryChange>& changes,
                                        const DirectoryPlace& place, const KnownVersion& proven) {
  return guarded("writing the directory", [&]() -> Result<void> {
    SQLite::Transaction transaction(db_->sql, SQLite::TransactionBehavior::IMMEDIATE);
    if (const auto stored = db_->fact("directory_number")) {
      if (ByteReader(*stored).u64() > directory.number().value)
        return Error{Errc::conflict, "a later version is there already"};
    }
    ByteWriter version;
    version.u64(directory.number().value);
    db_->set_fact("directory_number", version.bytes());
    db_->set_fact("directory_note", as_bytes(directory.verified().note()));
    db_->set_directory_place(place);
    db_->add_version(proven);
    db_->keep_former_secretariats(directory);
    db_->sql.exec("DELETE FROM entry");
    SQLite::Statement write(db_->sql, "INSERT INTO entry (position, entry, proof) VALUES (?, ?, ?)");
    for (const ProvenEntry& entry : directory.entries()) {
      bind_number(write, 1, entry.position);
      bind_blob(write, 2, entry.entry);
      bind_blob(write, 3, join(entry.proof));
      write.exec();
      write.reset();
    }
    SQLite::Statement note(db_->sql, "INSERT INTO directory_change (number, what, type, subject) VALUES (?, ?, ?, ?)");
    for (const DirectoryChange& change : changes) {
      bind_number(note, 1, change.number.value);
      note.bind(2, static_cast<int>(change.what));
      note.bind(3, static_cast<int>(change.type));
      note.bind(4, change.id);
      note.exec();
      note.reset();
    }
    transaction.commit();
    return {};
  });
}

Result<std::optional<protocol::Member>> ClientStore::former_secretariat(const std::string& id) const {
  return guarded("reading a former secretariat", [&]() -> Result<std::optional<protocol::Member>> {
    const auto kept = db_->fact(Database::former_secretariat(id).c_str());
    if (!kept) return std::optional<protocol::Member>();
    const auto entry = protocol::decode_entry(*kept);
    if (!entry) return damaged("a former secretariat");
    auto member = protocol::read_member(*entry);
    if (!member) return damaged("a former secretariat");
    return std::optional<protocol::Member>(std::move(*member));
  });
}

Result<void> ClientStore::set_directory_place(DirectoryNumber number, const DirectoryPlace& place,
                                              const KnownVersion& version) {
  return guarded("writing the directory's place", [&]() -> Result<void> {
    SQLite::Transaction transaction(db_->sql, SQLite::TransactionBehavior::IMMEDIATE);
    const auto stored = db_->fact("directory_number");
    if (!stored || ByteReader(*stored).u64() != number.value) return {};
    db_->set_directory_place(place);
    db_->add_version(version);
    transaction.commit();
    return {};
  });
}

Result<std::vector<KnownVersion>> ClientStore::directory_versions() const {
  return guarded("reading directory versions", [&]() -> Result<std::vector<KnownVersion>> {
    SQLite::Statement read(db_->sql, "SELECT number, note, proof, verified_at FROM directory_version ORDER BY number");
    std::vector<KnownVersion> out;
    while (read.executeStep())
      out.push_back({DirectoryNumber{number(read.getColumn(0))}, read.getColumn(1).getString(),
                     read.getColumn(2).getString(), UnixMillis{read.getColumn(3).getInt64()}});
    return out;
  });
}

Result<std::vector<DirectoryChange>> ClientStore::directory_changes() const {
  return guarded("reading directory changes", [&]() -> Result<std::vector<DirectoryChange>> {
    SQLite::Statement read(db_->sql, "SELECT number, what, type, subject FROM directory_change ORDER BY id");
    std::vector<DirectoryChange> out;
    while (read.executeStep())
      out.push_back({static_cast<DirectoryChange::What>(read.getColumn(1).getInt()),
                     static_cast<protocol::EntryType>(read.getColumn(2).getInt()), read.getColumn(3).getString(),
                     DirectoryNumber{number(read.getColumn(0))}});
    return out;
  });
}

Result<void> ClientStore::acknowledge_directory_changes(DirectoryNumber up_to) {
  return guarded("dropping directory changes", [&]() -> Result<void> {
    SQLite::Statement write(db_->sql, "DELETE FROM directory_change WHERE number <= ?");
    bind_number(write, 1, up_to.value);
    write.exec();
    return {};
  });
}

// ---- queues ----------------------------------------------------------------------------------------------------

Result<std::optional<QueueState>> ClientStore::queue(const std::string& queue) const {
  return guarded("reading a queue", [&]() -> Result<std::optional<QueueState>> {
    bool readable = true;
    auto state = db_->queue(queue, readable);
    if (!readable) return damaged("head of a queue");
    return state;
  });
}

Result<std::vector<protocol::GossipHead>> ClientStore::queue_heads() const {
  return guarded("reading queue heads", [&]() -> Result<std::vector<protocol::GossipHead>> {
    SQLite::Statement read(db_->sql, "SELECT name, number, head FROM queue WHERE number > 0 ORDER BY name");
    std::vector<protocol::GossipHead> out;
    while (read.executeStep()) {
      protocol::GossipHead head{read.getColumn(0).getString(), {QueueNumber{number(read.getColumn(1))}, {}}};
      if (!read_array(read.getColumn(2), head.head.head)) return damaged("head of a queue");
      out.push_back(std::move(head));
    }
    return out;
  });
}

Result<void> ClientStore::add_received(const std::string& queue, const audit::QueueHead& from,
                                       const std::vector<protocol::QueueItem>& items,
                                       const std::vector<SenderStatus>& statuses) {
  PLI_INVARIANT(items.size() == statuses.size());
  if (items.empty()) return {};
  return guarded("writing received headers", [&]() -> Result<void> {
    SQLite::Transaction transaction(db_->sql, SQLite::TransactionBehavior::IMMEDIATE);
    bool readable = true;
    const auto state = db_->queue(queue, readable);
    if (!readable) return damaged("head of a queue");
    if (state ? !(state->head == from) : from.number.value != 0)
      return Error{Errc::conflict, "another program moved this queue"};
    SQLite::Statement write(
        db_->sql,
        "INSERT INTO received (queue, number, head, exchange, address, seal, signature, accepted_at, leaf, "
        "visible, sender_status, opened) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, EXISTS (SELECT 1 FROM superseded s "
        "WHERE s.exchange = ?4 AND s.opened = 1))");
    for (std::size_t i = 0; i < items.size(); ++i) {
      const protocol::QueueItem& item = items[i];
      write.bind(1, queue);
      bind_number(write, 2, item.head.number.value);
      bind_blob(write, 3, item.head.head);
      bind_blob(write, 4, item.exchange);
      bind_blob(write, 5, item.address);
      bind_blob(write, 6, item.seal);
      bind_blob(write, 7, item.signature);
      write.bind(8, item.accepted_at.value);
      bind_number(write, 9, item.leaf.value);
      write.bind(10, item.visible ? 1 : 0);
      write.bind(11, static_cast<int>(statuses[i]));
      write.exec();
      write.reset();
    }
    SQLite::Statement head(db_->sql,
                           "INSERT INTO queue (name, number, head) VALUES (?, ?, ?) "
                           "ON CONFLICT (name) DO UPDATE SET number = excluded.number, head = excluded.head");
    head.bind(1, queue);
    bind_number(head, 2, items.back().head.number.value);
    bind_blob(head, 3, items.back().head.head);
    head.exec();
    transaction.commit();
    return {};
  });
}

Result<void> ClientStore::cut_queue(const std::string& queue, const audit::QueueHead& from,
                                    const audit::QueueHead& at) {
  return guarded("cutting a queue", [&]() -> Result<void> {
    SQLite::Transaction transaction(db_->sql, SQLite::TransactionBehavior::IMMEDIATE);
    bool readable = true;
    const auto state = db_->queue(queue, readable);
    if (!readable) return damaged("head of a queue");
    if (!state || !(state->head == from)) return Error{Errc::conflict, "another program moved this queue"};
    // The newest shard rolled back: one pass cuts for all of them.
    SQLite::Statement keep(
        db_->sql,
        "INSERT INTO superseded SELECT (SELECT origin FROM shard WHERE last_size IS NOT NULL ORDER BY passed_at DESC, "
        "opened DESC LIMIT 1), queue, number, head, exchange, address, seal, signature, accepted_at, leaf, visible, "
        "sender_status, opened, hidden, number <= ? FROM received WHERE queue = ? AND number > ?");
    bind_number(keep, 1, state->handed_over.value);
    keep.bind(2, queue);
    bind_number(keep, 3, at.number.value);
    keep.exec();
    SQLite::Statement drop(db_->sql, "DELETE FROM received WHERE queue = ? AND number > ?");
    drop.bind(1, queue);
    bind_number(drop, 2, at.number.value);
    drop.exec();
    SQLite::Statement back(db_->sql,
                           "UPDATE queue SET number = ?1, head = ?2, acknowledged = min(acknowledged, ?1), "
                           "proven = min(proven, ?1), handed_over = min(handed_over, ?1), walk_from = NULL "
                           "WHERE name = ?3");
    bind_number(back, 1, at.number.value);
    bind_blob(back, 2, at.head);
    back.bind(3, queue);
    back.exec();
    transaction.commit();
    return {};
  });
}

Result<void> ClientStore::move_cursor(const char* column, const std::string& queue, QueueNumber up_to) {
  return guarded("writing a cursor", [&]() -> Result<void> {
    const std::string name(column);
    SQLite::Statement write(db_->sql,
                            "UPDATE queue SET " + name + " = max(" + name + ", min(?, number)) WHERE name = ?");
    bind_number(write, 1, up_to.value);
    write.bind(2, queue);
    write.exec();
    return {};
  });
}

Result<void> ClientStore::set_acknowledged(const std::string& queue, QueueNumber up_to) {
  return move_cursor("acknowledged", queue, up_to);
}
Result<void> ClientStore::set_proven(const std::string& queue, QueueNumber up_to) {
  return move_cursor("proven", queue, up_to);
}
Result<void> ClientStore::set_handed_over(const std::string& queue, QueueNumber up_to) {
  return move_cursor("handed_over", queue, up_to);
}

Result<void> ClientStore::set_visible(const std::string& queue, const protocol::QueueItem& item, SenderStatus status) {
  return guarded("writing a received header", [&]() -> Result<void> {
    SQLite::Statement write(
        db_->sql,
        "UPDATE received SET address = ?, seal = ?, signature = ?, accepted_at = ?, leaf = ?, visible = 1, "
        "sender_status = ? WHERE queue = ? AND number = ? AND exchange = ? AND visible = 0");
    bind_blob(write, 1, item.address);
    bind_blob(write, 2, item.seal);
    bind_blob(write, 3, item.signature);
    write.bind(4, item.accepted_at.value);
    bind_number(write, 5, item.leaf.value);
    write.bind(6, static_cast<int>(status));
    write.bind(7, queue);
    bind_number(write, 8, item.head.number.value);
    bind_blob(write, 9, item.exchange);
    write.exec();
    return {};
  });
}

Result<void> ClientStore::mark_opened(const protocol::ExchangeId& exchange) {
  return guarded("marking an exchange opened", [&]() -> Result<void> {
    SQLite::Statement write(db_->sql, "UPDATE received SET opened = 1 WHERE exchange = ?");
    bind_blob(write, 1, exchange);
    write.exec();
    return {};
  });
}

namespace {

const std::string received_columns =
    "SELECT r.queue, r.number, r.head, r.exchange, r.address, r.seal, r.signature, r.accepted_at, r.leaf, r.visible, "
    "r.sender_status, r.opened, q.acknowledged, r.hidden FROM received r JOIN queue q ON q.name = r.queue ";

std::optional<ClientStore::Received> read_received(SQLite::Statement& row) {
  ClientStore::Received out;
  protocol::QueueItem& item = out.item;
  item.queue = row.getColumn(0).getString();
  item.head.number = QueueNumber{number(row.getColumn(1))};
  const bool whole = read_array(row.getColumn(2), item.head.head) && read_array(row.getColumn(3), item.exchange) &&
                     read_array(row.getColumn(6), item.signature);
  if (!whole) return std::nullopt;
  item.address = blob(row.getColumn(4));
  item.seal = blob(row.getColumn(5));
  item.accepted_at = UnixMillis{row.getColumn(7).getInt64()};
  item.leaf = LeafIndex{number(row.getColumn(8))};
  item.visible = row.getColumn(9).getInt() != 0;
  const int status = row.getColumn(10).getInt();
  if (status < 0 || status > static_cast<int>(SenderStatus::revoked)) return std::nullopt;
  out.sender = static_cast<SenderStatus>(status);
  out.opened = row.getColumn(11).getInt() != 0;
  out.acknowledged = item.head.number.value <= number(row.getColumn(12));
  const int hidden = row.getColumn(13).getInt();
  if (hidden < 0 || hidden > static_cast<int>(HiddenProof::erased)) return std::nullopt;
  out.hidden = static_cast<HiddenProof>(hidden);
  return out;
}

Result<std::vector<ClientStore::Received>> read_all_received(SQLite::Statement& rows) {
  std::vector<ClientStore::Received> out;
  while (rows.executeStep()) {
    auto row = read_received(rows);
    if (!row) return damaged("a received header");
    out.push_back(std::move(*row));
  }
  return out;
}

}  // namespace

Result<std::vector<ClientStore::Received>> ClientStore::received(const std::string& queue) const {
  return guarded("reading received headers", [&]() -> Result<std::vector<Received>> {
    SQLite::Statement read(db_->sql,
                           received_columns + "WHERE ? IN ('', r.queue) ORDER BY r.accepted_at, r.queue, r.number");
    read.bind(1, queue);
    return read_all_received(read);
  });
}

Result<std::vector<ClientStore::Received>> ClientStore::superseded(const std::string& queue) const {
  return guarded("reading superseded headers", [&]() -> Result<std::vector<Received>> {
    SQLite::Statement read(
        db_->sql,
        "SELECT s.queue, s.number, s.head, s.exchange, s.address, s.seal, s.signature, s.accepted_at, s.leaf, "
        "s.visible, s.sender_status, s.opened, 0, s.hidden FROM superseded s WHERE ? IN ('', s.queue) AND NOT EXISTS "
        "(SELECT 1 FROM received r WHERE r.exchange = s.exchange) ORDER BY s.accepted_at, s.queue, s.number");
    read.bind(1, queue);
    return read_all_received(read);
  });
}

Result<std::vector<ClientStore::Received>> ClientStore::not_handed_over(const std::string& queue) const {
  return guarded("reading received headers", [&]() -> Result<std::vector<Received>> {
    SQLite::Statement read(db_->sql,
                           received_columns +
                               "WHERE r.queue = ? AND r.number > q.handed_over AND NOT EXISTS (SELECT 1 FROM "
                               "superseded s WHERE s.exchange = r.exchange AND s.handed_over = 1) ORDER BY r.number");
    read.bind(1, queue);
    return read_all_received(read);
  });
}

Result<std::optional<ClientStore::Received>> ClientStore::newest_unproven(const std::string& queue) const {
  return guarded("reading a received header", [&]() -> Result<std::optional<Received>> {
    SQLite::Statement read(db_->sql, received_columns +
                                         "WHERE r.queue = ? AND r.number > q.proven AND r.visible = 1 "
                                         "ORDER BY r.number DESC LIMIT 1");
    read.bind(1, queue);
    if (!read.executeStep()) return std::optional<Received>();
    auto row = read_received(read);
    if (!row) return damaged("a received header");
    return row;
  });
}

Result<std::vector<ClientStore::Received>> ClientStore::unproven_hidden(const std::string& queue,
                                                                        std::size_t most) const {
  return guarded("reading received headers", [&]() -> Result<std::vector<Received>> {
    SQLite::Statement read(
        db_->sql, received_columns + "WHERE r.queue = ? AND r.visible = 0 AND r.hidden = 0 ORDER BY r.number LIMIT ?");
    read.bind(1, queue);
    bind_number(read, 2, most);
    return read_all_received(read);
  });
}

Result<void> ClientStore::set_hidden(const std::string& queue, QueueNumber place, HiddenProof proof) {
  return guarded("writing a received header", [&]() -> Result<void> {
    SQLite::Statement write(db_->sql, "UPDATE received SET hidden = ? WHERE queue = ? AND number = ? AND visible = 0");
    write.bind(1, static_cast<int>(proof));
    write.bind(2, queue);
    bind_number(write, 3, place.value);
    write.exec();
    return {};
  });
}

Result<bool> ClientStore::has_hidden_own_before(const std::string& queue, QueueNumber number) const {
  return guarded("reading received headers", [&]() -> Result<bool> {
    SQLite::Statement read(
        db_->sql, "SELECT 1 FROM received WHERE queue = ? AND number < ? AND visible = 0 AND hidden = ? LIMIT 1");
    read.bind(1, queue);
    bind_number(read, 2, number.value);
    read.bind(3, static_cast<int>(HiddenProof::own));
    return read.executeStep();
  });
}

Result<std::optional<ClientStore::Received>> ClientStore::find_received(const protocol::ExchangeId& exchange) const {
  return guarded("reading a received header", [&]() -> Result<std::optional<Received>> {
    SQLite::Statement read(db_->sql, received_columns + "WHERE r.exchange = ? ORDER BY r.visible DESC LIMIT 1");
    bind_blob(read, 1, exchange);
    if (!read.executeStep()) return std::optional<Received>();
    auto row = read_received(read);
    if (!row) return damaged("a received header");
    return row;
  });
}

Result<std::optional<Digest>> ClientStore::head_at(const std::string& queue, QueueNumber place) const {
  return guarded("reading a queue head", [&]() -> Result<std::optional<Digest>> {
    SQLite::Statement read(db_->sql, "SELECT head FROM received WHERE queue = ? AND number = ?");
    read.bind(1, queue);
    bind_number(read, 2, place.value);
    if (!read.executeStep()) return std::optional<Digest>();
    Digest head{};
    if (!read_array(read.getColumn(0), head)) return damaged("a received header");
    return std::optional<Digest>(head);
  });
}

Result<void> ClientStore::add_claim(const ClaimedHead& claim) {
  return guarded("writing a claimed head", [&]() -> Result<void> {
    SQLite::Statement write(db_->sql,
                            "INSERT INTO claimed_head (queue, number, head, exchange, sender) VALUES (?, ?, ?, ?, ?) "
                            "ON CONFLICT (queue, number, head, exchange) DO NOTHING");
    write.bind(1, claim.gossip.queue);
    bind_number(write, 2, claim.gossip.head.number.value);
    bind_blob(write, 3, claim.gossip.head.head);
    bind_blob(write, 4, claim.exchange);
    write.bind(5, claim.sender);
    write.exec();
    return {};
  });
}

Result<std::vector<ClaimedHead>> ClientStore::claims(const std::string& queue) const {
  return guarded("reading claimed heads", [&]() -> Result<std::vector<ClaimedHead>> {
    SQLite::Statement read(db_->sql,
                           "SELECT number, head, exchange, sender FROM claimed_head WHERE queue = ? "
                           "ORDER BY number, exchange");
    read.bind(1, queue);
    std::vector<ClaimedHead> out;
    while (read.executeStep()) {
      ClaimedHead claim;
      claim.gossip.queue = queue;
      claim.gossip.head.number = QueueNumber{number(read.getColumn(0))};
      if (!read_array(read.getColumn(1), claim.gossip.head.head) || !read_array(read.getColumn(2), claim.exchange))
        return damaged("a claimed head");
      claim.sender = read.getColumn(3).getString();
      out.push_back(std::move(claim));
    }
    return out;
  });
}

Result<void> ClientStore::forget_claim(const ClaimedHead& claim) {
  return guarded("dropping a claimed head", [&]() -> Result<void> {
    SQLite::Statement write(db_->sql,
                            "DELETE FROM claimed_head WHERE queue = ? AND number = ? AND head = ? AND exchange = ?");
    write.bind(1, claim.gossip.queue);
    bind_number(write, 2, claim.gossip.head.number.value);
    bind_blob(write, 3, claim.gossip.head.head);
    bind_blob(write, 4, claim.exchange);
    write.exec();
    return {};
  });
}

// ---- outbox ----------------------------------------------------------------------------------------------------

namespace {

void bind_item(SQLite::Statement& write, const OutboxRow& row) {
  const OutboxItem& item = row.item;
  write.bind(1, static_cast<int>(item.state));
  write.bind(2, static_cast<int>(item.kind));
  write.bind(3, item.queue);
  bind_blob(write, 4, item.case_id);
  write.bind(5, item.created_at.value);
  if (item.exchange) bind_blob(write, 6, *item.exchange);
  if (item.last_refusal) {
    write.bind(7, static_cast<int>(item.last_refusal->code));
    write.bind(8, item.last_refusal->subject);
    write.bind(9, item.last_refusal->retry_after_ms);
  }
  write.bind(10, item.receipted_at.value);
  if (!row.form.empty()) bind_blob(write, 11, row.form);
  if (row.envelope) {
    bind_blob(write, 12, row.envelope->address);
    bind_blob(write, 13, row.envelope->seal);
    bind_blob(write, 14, row.envelope->signature);
    bind_blob(write, 15, row.envelope->locked);
    bind_blob(write, 16, row.envelope->payload);
    bind_blob(write, 17, row.envelope->release);
  }
}

void write_replaced(SQLite::Database& sql, std::int64_t id, const std::vector<protocol::ExchangeId>& replaced) {
  SQLite::Statement drop(sql, "DELETE FROM replaced WHERE outbox = ?");
  drop.bind(1, id);
  drop.exec();
  SQLite::Statement write(sql, "INSERT INTO replaced (outbox, ordinal, exchange) VALUES (?, ?, ?)");
  for (std::size_t i = 0; i < replaced.size(); ++i) {
    write.bind(1, id);
    bind_number(write, 2, i);
    bind_blob(write, 3, replaced[i]);
    write.exec();
    write.reset();
  }
}

const std::string outbox_columns =
    "SELECT id, state, kind, queue, case_id, created_at, exchange, refusal_code, refusal_subject, refusal_retry, "
    "receipted_at, coalesce(length(locked), 0) + coalesce(length(payload), 0), cosigned_at ";

std::optional<OutboxItem> read_item(SQLite::Database& sql, SQLite::Statement& row) {
  OutboxItem item;
  item.id = row.getColumn(0).getInt64();
  const int state = row.getColumn(1).getInt();
  if (state < static_cast<int>(OutboxState::queued) || state > static_cast<int>(OutboxState::cosigned))
    return std::nullopt;
  item.state = static_cast<OutboxState>(state);
  const protocol::KindRow* kind = protocol::row_of_number(static_cast<std::uint16_t>(row.getColumn(2).getInt()));
  if (kind == nullptr || !read_array(row.getColumn(4), item.case_id)) return std::nullopt;
  item.kind = kind->kind;
  item.queue = row.getColumn(3).getString();
  item.created_at = UnixMillis{row.getColumn(5).getInt64()};
  if (!row.getColumn(6).isNull()) {
    protocol::ExchangeId id{};
    if (!read_array(row.getColumn(6), id)) return std::nullopt;
    item.exchange = id;
  }
  if (!row.getColumn(7).isNull()) {
    const auto code = protocol::code_of_number(static_cast<std::uint8_t>(row.getColumn(7).getInt()));
    if (!code) return std::nullopt;
    item.last_refusal =
        protocol::Refusal{*code, row.getColumn(8).getString(), static_cast<std::uint32_t>(row.getColumn(9).getInt64())};
  }
  item.receipted_at = UnixMillis{row.getColumn(10).getInt64()};
  item.bytes = number(row.getColumn(11));
  item.cosigned_at = UnixMillis{row.getColumn(12).getInt64()};
  SQLite::Statement replaced(sql, "SELECT exchange FROM replaced WHERE outbox = ? ORDER BY ordinal");
  replaced.bind(1, item.id);
  while (replaced.executeStep()) {
    protocol::ExchangeId id{};
    if (!read_array(replaced.getColumn(0), id)) return std::nullopt;
    item.replaced.push_back(id);
  }
  return item;
}

}  // namespace

Result<std::int64_t> ClientStore::add_outbox(const OutboxRow& row) {
  return guarded("writing the outbox", [&]() -> Result<std::int64_t> {
    SQLite::Transaction transaction(db_->sql, SQLite::TransactionBehavior::IMMEDIATE);
    SQLite::Statement write(
        db_->sql,
        "INSERT INTO outbox (state, kind, queue, case_id, created_at, exchange, refusal_code, "
        "refusal_subject, refusal_retry, receipted_at, form, address, seal, signature, locked, payload, "
        "release) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    bind_item(write, row);
    write.exec();
    const std::int64_t id = db_->sql.getLastInsertRowid();
    write_replaced(db_->sql, id, row.item.replaced);
    transaction.commit();  // Durable from here.
    return id;
  });
}

Result<void> ClientStore::update_outbox(const OutboxRow& row) {
  return guarded("writing the outbox", [&]() -> Result<void> {
    SQLite::Transaction transaction(db_->sql, SQLite::TransactionBehavior::IMMEDIATE);
    SQLite::Statement write(
        db_->sql,
        "UPDATE outbox SET state = ?, kind = ?, queue = ?, case_id = ?, created_at = ?, exchange = ?, "
        "refusal_code = ?, refusal_subject = ?, refusal_retry = ?, receipted_at = ?, form = ?, address = ?, "
        "seal = ?, signature = ?, locked = ?, payload = ?, release = ? WHERE id = ?");
    bind_item(write, row);
    write.bind(18, row.item.id);
    if (write.exec() != 1) return Error{Errc::not_found, "no such outbox item"};
    write_replaced(db_->sql, row.item.id, row.item.replaced);
    transaction.commit();
    return {};
  });
}

Result<void> ClientStore::set_outbox_state(std::int64_t id, OutboxState state,
                                           const std::optional<protocol::Refusal>& refusal) {
  return guarded("writing the outbox", [&]() -> Result<void> {
    SQLite::Statement write(
        db_->sql, "UPDATE outbox SET state = ?, refusal_code = ?, refusal_subject = ?, refusal_retry = ? WHERE id = ?");
    write.bind(1, static_cast<int>(state));
    if (refusal) {
      write.bind(2, static_cast<int>(refusal->code));
      write.bind(3, refusal->subject);
      write.bind(4, refusal->retry_after_ms);
    }
    write.bind(5, id);
    if (write.exec() != 1) return Error{Errc::not_found, "no such outbox item"};
    return {};
  });
}

Result<void> ClientStore::set_receipted(std::int64_t id, UnixMillis at, const ReceiptPlace& place,
                                        const ForeignCheckpoint& checkpoint) {
  return guarded("writing the outbox", [&]() -> Result<void> {
    SQLite::Transaction transaction(db_->sql, SQLite::TransactionBehavior::IMMEDIATE);
    SQLite::Statement write(db_->sql,
                            "UPDATE outbox SET state = ?, receipted_at = ?, receipt_size = ?, receipt_root = ?, "
                            "leaf = ?, receipt_shard = ?, refusal_code = NULL, refusal_subject = NULL, "
                            "refusal_retry = NULL WHERE id = ?");
    write.bind(1, static_cast<int>(OutboxState::receipted));
    write.bind(2, at.value);
    bind_number(write, 3, checkpoint.size.value);
    bind_blob(write, 4, checkpoint.root);
    bind_number(write, 5, place.leaf.value);
    write.bind(6, place.shard);
    write.bind(7, id);
    if (write.exec() != 1) return Error{Errc::not_found, "no such outbox item"};
    // In the same step: another program may have compared this checkpoint already, and found it wanting.
    if (auto waits = add_foreign(checkpoint); !waits) return waits.error();
    transaction.commit();
    return {};
  });
}

Result<void> ClientStore::settle_receipts() {
  const auto settled = guarded("dropping forms", [&]() -> Result<int> {
    SQLite::Statement write(db_->sql,
                            "UPDATE outbox SET form = NULL, receipt_size = NULL, receipt_root = NULL "
                            "WHERE receipt_size IS NOT NULL AND NOT EXISTS (SELECT 1 FROM foreign_checkpoint AS f "
                            "WHERE f.size = receipt_size AND f.root = receipt_root)");
    return write.exec();
  });
  if (!settled) return settled.error();
  return *settled == 0 ? Result<void>() : shred();
}

Result<std::vector<UncosignedReceipt>> ClientStore::uncosigned_receipts() const {
  return guarded("reading the outbox", [&]() -> Result<std::vector<UncosignedReceipt>> {
    SQLite::Statement read(
        db_->sql,
        "SELECT id, exchange, leaf, receipt_shard FROM outbox WHERE state = ? AND receipt_size IS NULL AND "
        "exchange IS NOT NULL ORDER BY id DESC");
    read.bind(1, static_cast<int>(OutboxState::receipted));
    std::vector<UncosignedReceipt> out;
    while (read.executeStep()) {
      UncosignedReceipt receipt;
      receipt.outbox = read.getColumn(0).getInt64();
      if (!read_array(read.getColumn(1), receipt.exchange)) return damaged("an outbox item");
      if (!read.getColumn(2).isNull()) receipt.leaf = LeafIndex{number(read.getColumn(2))};
      if (!read.getColumn(3).isNull()) receipt.shard = read.getColumn(3).getString();
      out.push_back(std::move(receipt));
    }
    return out;
  });
}

Result<bool> ClientStore::set_cosigned(std::int64_t id, UnixMillis at) {
  return guarded("writing the outbox", [&]() -> Result<bool> {
    SQLite::Statement write(db_->sql, "UPDATE outbox SET state = ?, cosigned_at = ? WHERE id = ? AND state = ?");
    write.bind(1, static_cast<int>(OutboxState::cosigned));
    write.bind(2, at.value);
    write.bind(3, id);
    write.bind(4, static_cast<int>(OutboxState::receipted));
    return write.exec() == 1;
  });
}

Result<void> ClientStore::drop_envelopes_cosigned_before(UnixMillis time) {
  return guarded("dropping envelopes", [&]() -> Result<void> {
    SQLite::Statement write(
        db_->sql,
        "UPDATE outbox SET address = NULL, seal = NULL, signature = NULL, locked = NULL, "
        "payload = NULL, release = NULL WHERE state = ? AND cosigned_at < ? AND address IS NOT NULL");
    write.bind(1, static_cast<int>(OutboxState::cosigned));
    write.bind(2, time.value);
    write.exec();
    return {};
  });
}

Result<std::vector<OutboxItem>> ClientStore::outbox() const {
  return guarded("reading the outbox", [&]() -> Result<std::vector<OutboxItem>> {
    SQLite::Statement read(db_->sql, outbox_columns + "FROM outbox ORDER BY id");
    std::vector<OutboxItem> out;
    while (read.executeStep()) {
      auto item = read_item(db_->sql, read);
      if (!item) return damaged("an outbox item");
      out.push_back(std::move(*item));
    }
    return out;
  });
}

Result<std::optional<OutboxRow>> ClientStore::outbox_row(std::int64_t id) const {
  return guarded("reading the outbox", [&]() -> Result<std::optional<OutboxRow>> {
    SQLite::Statement read(
        db_->sql,
        outbox_columns + ", form, address, seal, signature, locked, payload, release FROM outbox WHERE id = ?");
    read.bind(1, id);
    if (!read.executeStep()) return std::optional<OutboxRow>();
    auto item = read_item(db_->sql, read);
    if (!item) return damaged("an outbox item");
    OutboxRow row;
    row.item = std::move(*item);
    row.form = blob(read.getColumn(13));
    if (!read.getColumn(14).isNull()) {
      protocol::Envelope envelope;
      envelope.address = blob(read.getColumn(14));
      envelope.seal = blob(read.getColumn(15));
      if (!read_array(read.getColumn(16), envelope.signature)) return damaged("an outbox item");
      envelope.locked = blob(read.getColumn(17));
      envelope.payload = blob(read.getColumn(18));
      envelope.release = blob(read.getColumn(19));
      row.envelope = std::move(envelope);
    }
    return std::optional<OutboxRow>(std::move(row));
  });
}

Result<void> ClientStore::remove_outbox(std::int64_t id) {
  return guarded("dropping an outbox item", [&]() -> Result<void> {
    SQLite::Statement write(db_->sql, "DELETE FROM outbox WHERE id = ?");
    write.bind(1, id);
    write.exec();
    return {};
  });
}

// ---- link hints ------------------------------------------------------------------------------------------------

Result<std::vector<SealedLinkEntry>> ClientStore::link_entries() const {
  return guarded("reading link hints", [&]() -> Result<std::vector<SealedLinkEntry>> {
    SQLite::Statement read(db_->sql, "SELECT exchange, case_id, sealed FROM link_entry ORDER BY exchange");
    std::vector<SealedLinkEntry> out;
    while (read.executeStep()) {
      SealedLinkEntry entry;
      if (!read_array(read.getColumn(0), entry.exchange) || !read_array(read.getColumn(1), entry.case_id))
        return damaged("an entry of link hints");
      entry.sealed = blob(read.getColumn(2));
      out.push_back(std::move(entry));
    }
    return out;
  });
}

Result<void> ClientStore::put_link_entry(const SealedLinkEntry& entry) {
  return guarded("writing link hints", [&]() -> Result<void> {
    SQLite::Statement write(
        db_->sql,
        "INSERT INTO link_entry (exchange, case_id, sealed) VALUES (?, ?, ?) ON CONFLICT (exchange) "
        "DO UPDATE SET case_id = excluded.case_id, sealed = excluded.sealed");
    bind_blob(write, 1, entry.exchange);
    bind_blob(write, 2, entry.case_id);
    bind_blob(write, 3, entry.sealed);
    write.exec();
    return {};
  });
}

Result<std::optional<Digest>> ClientStore::indexed_case(const Digest& id) const {
  return guarded("reading link hints", [&]() -> Result<std::optional<Digest>> {
    SQLite::Statement read(db_->sql, "SELECT case_id FROM link_entry WHERE exchange = ?1 OR case_id = ?1 LIMIT 1");
    bind_blob(read, 1, id);
    if (!read.executeStep()) return std::optional<Digest>();
    Digest case_id{};
    if (!read_array(read.getColumn(0), case_id)) return damaged("an entry of link hints");
    return std::optional(case_id);
  });
}

Result<std::vector<Digest>> ClientStore::indexed_cases() const {
  return guarded("reading link hints", [&]() -> Result<std::vector<Digest>> {
    SQLite::Statement read(db_->sql, "SELECT DISTINCT case_id FROM link_entry ORDER BY case_id");
    std::vector<Digest> out;
    while (read.executeStep())
      if (!read_array(read.getColumn(0), out.emplace_back())) return damaged("an entry of link hints");
    return out;
  });
}

Result<std::vector<SealedLinkDecision>> ClientStore::link_decisions() const {
  return guarded("reading link hints", [&]() -> Result<std::vector<SealedLinkDecision>> {
    SQLite::Statement read(db_->sql, "SELECT id, sealed FROM link_decision ORDER BY id");
    std::vector<SealedLinkDecision> out;
    while (read.executeStep()) out.push_back({read.getColumn(0).getInt64(), blob(read.getColumn(1))});
    return out;
  });
}

Result<void> ClientStore::add_link_decision(const Bytes& sealed) {
  return guarded("writing link hints", [&]() -> Result<void> {
    SQLite::Statement write(db_->sql, "INSERT INTO link_decision (sealed) VALUES (?)");
    bind_blob(write, 1, sealed);
    write.exec();
    return {};
  });
}

Result<void> ClientStore::reseal_link_decision(std::int64_t id, const Bytes& sealed) {
  return guarded("writing link hints", [&]() -> Result<void> {
    SQLite::Statement write(db_->sql, "UPDATE link_decision SET sealed = ? WHERE id = ?");
    bind_blob(write, 1, sealed);
    write.bind(2, id);
    write.exec();
    return {};
  });
}

Result<void> ClientStore::drop_links(const std::vector<Digest>& cases, const std::vector<std::int64_t>& decisions) {
  auto dropped = guarded("dropping link hints", [&]() -> Result<void> {
    SQLite::Transaction transaction(db_->sql, SQLite::TransactionBehavior::IMMEDIATE);
    SQLite::Statement entries(db_->sql, "DELETE FROM link_entry WHERE case_id = ?");
    for (const Digest& case_id : cases) {
      bind_blob(entries, 1, case_id);
      entries.exec();
      entries.reset();
    }
    SQLite::Statement decision(db_->sql, "DELETE FROM link_decision WHERE id = ?");
    for (std::int64_t id : decisions) {
      decision.bind(1, id);
      decision.exec();
      decision.reset();
    }
    transaction.commit();
    return {};
  });
  return dropped ? shred() : dropped;
}

Result<void> ClientStore::drop_all_links() {
  auto dropped = guarded("dropping link hints", [&]() -> Result<bool> {
    SQLite::Transaction transaction(db_->sql, SQLite::TransactionBehavior::IMMEDIATE);
    const int gone = db_->sql.exec("DELETE FROM link_entry") + db_->sql.exec("DELETE FROM link_decision");
    transaction.commit();
    return gone != 0;
  });
  if (!dropped) return dropped.error();
  return *dropped ? shred() : Result<void>();
}

Result<void> ClientStore::shred() {
  return guarded("truncating the WAL", [&]() -> Result<void> {
    // Another program may be reading: then what was dropped leaves the WAL a little later.
    SQLite::Statement checkpoint(db_->sql, "PRAGMA wal_checkpoint(TRUNCATE)");
    while (checkpoint.executeStep()) {
    }
    return {};
  });
}

}  // namespace pli::client
