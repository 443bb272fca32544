#include "broker/store_reader.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <mutex>

#include "audit/leaf.hpp"
#include "broker/leaf_place.hpp"

namespace pli::broker {
namespace {

constexpr int busy_timeout_ms = 5000;

ByteView blob_at(SQLite::Statement& row, int column) {
  const SQLite::Column value = row.getColumn(column);
  return {static_cast<const std::uint8_t*>(value.getBlob()), static_cast<std::size_t>(value.getBytes())};
}

/// The row's leaf as it is hashed; empty when it is none.
std::string leaf_text(SQLite::Statement& row) {
  audit::Leaf leaf;
  leaf.type = static_cast<audit::LeafType>(row.getColumn(1).getInt());
  leaf.time.value = row.getColumn(2).getInt64();
  const auto record = to_array<32>(blob_at(row, 3));
  if (!record) return {};
  leaf.record = *record;
  if (!audit::is_encodable(leaf)) return {};
  std::string text = audit::encode(leaf);
  if (!row.isColumnNull(4)) text += row.getColumn(4).getString();
  return text;
}

}  // namespace

struct StoreReader::State {
  explicit State(const std::filesystem::path& file)
      : database(file.string(), SQLite::OPEN_READONLY, busy_timeout_ms),
        leaves(database, "SELECT key, type, time, digest, extra FROM leaf WHERE key >= ? AND key < ? ORDER BY key"),
        nodes(database, "SELECT nodes FROM leaf WHERE key = ?") {}

  std::mutex mutex;
  SQLite::Database database;
  SQLite::Statement leaves;
  SQLite::Statement nodes;
  std::uint64_t first_key = 0;
};

StoreReader::StoreReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
StoreReader::~StoreReader() = default;

Result<std::unique_ptr<StoreReader>> StoreReader::open(const std::filesystem::path& file, std::string_view origin) {
  try {
    auto state = std::make_unique<State>(file);
    SQLite::Statement shard(state->database, "SELECT id FROM shard WHERE origin = ?");
    shard.bind(1, std::string(origin));
    if (!shard.executeStep()) return Error{Errc::not_found, "store: no such shard"};
    state->first_key = static_cast<std::uint64_t>(shard.getColumn(0).getInt64()) << leaf_key_shard_shift;
    return std::unique_ptr<StoreReader>(new StoreReader(std::move(state)));
  } catch (const SQLite::Exception& e) {
    const bool missing = e.getErrorCode() == SQLITE_CANTOPEN;
    return Error{missing ? Errc::not_found : Errc::io_error, std::string("store: ") + e.getErrorStr()};
  }
}

Result<std::vector<std::string>> StoreReader::leaves(LeafIndex first, std::size_t count) const {
  const std::lock_guard lock(state_->mutex);
  SQLite::Statement& rows = state_->leaves;
  try {
    std::vector<std::string> out;
    out.reserve(count);
    const std::uint64_t begin = state_->first_key | first.value;
    rows.bind(1, static_cast<std::int64_t>(begin));
    rows.bind(2, static_cast<std::int64_t>(begin + count));
    while (rows.executeStep()) {
      if (static_cast<std::uint64_t>(rows.getColumn(0).getInt64()) != begin + out.size()) break;
      out.push_back(leaf_text(rows));
      if (out.back().empty()) break;
    }
    rows.reset();
    if (out.size() != count || (count != 0 && out.back().empty()))
      return Error{Errc::corruption, "store: a leaf is missing or unreadable"};
    return out;
  } catch (const SQLite::Exception& e) {
    rows.tryReset();
    return Error{Errc::io_error, std::string("store: ") + e.getErrorStr()};
  }
}

Result<Digest> StoreReader::node(audit::NodeId id) const {
  const Error missing{Errc::corruption, "store: a tree node is missing"};
  if (id.level >= 63 || id.index >= audit::tree_size_limit >> id.level) return missing;
  const LeafIndex closing{((id.index + 1) << id.level) - 1};
  if (id.level == 0) {
    auto leaf = leaves(closing, 1);
    if (!leaf) return leaf.error();
    return audit::leaf_hash(as_bytes(leaf->front()));
  }
  const std::lock_guard lock(state_->mutex);
  SQLite::Statement& row = state_->nodes;
  try {
    row.bind(1, static_cast<std::int64_t>(state_->first_key | closing.value));
    std::optional<Digest> hash;
    if (row.executeStep() && !row.isColumnNull(0)) {
      const ByteView hashes = blob_at(row, 0);
      const std::size_t at = (id.level - 1U) * 32U;
      if (hashes.size() >= at + 32) hash = to_array<32>(hashes.subspan(at, 32));
    }
    row.reset();
    if (!hash) return missing;
    return *hash;
  } catch (const SQLite::Exception& e) {
    row.tryReset();
    return Error{Errc::io_error, std::string("store: ") + e.getErrorStr()};
  }
}

}  // namespace pli::broker
