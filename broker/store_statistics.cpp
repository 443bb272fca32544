#include "broker/store_statistics.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include "audit/leaf.hpp"
#include "audit/text_lines.hpp"
#include "broker/leaf_place.hpp"
#include "broker/record_fields.hpp"
#include "crypto/hash.hpp"

namespace pli::broker {
namespace {

constexpr int busy_timeout_ms = 5000;
constexpr std::string_view statement_prefix = "statement ";

std::string text_of_record(SQLite::Statement& row, int column) {
  const SQLite::Column value = row.getColumn(column);
  const auto record =
      unpack({static_cast<const std::uint8_t*>(value.getBlob()), static_cast<std::size_t>(value.getBytes())});
  const Bytes* text = record ? record->find("statistics") : nullptr;
  return text == nullptr ? std::string() : std::string(as_text(*text));
}

}  // namespace

Result<StatedMonths> read_stated_months(const std::filesystem::path& file) {
  try {
    SQLite::Database database(file.string(), SQLite::OPEN_READONLY, busy_timeout_ms);
    SQLite::Transaction snapshot(database);
    StatedMonths out;
    std::vector<std::string> origins;
    SQLite::Statement shards(database, "SELECT origin FROM shard ORDER BY id");
    while (shards.executeStep()) origins.push_back(shards.getColumn(0).getString());
    const Error damaged{Errc::corruption, "store: a statement of statistics without the text it names"};
    if (origins.empty()) return damaged;
    out.origin = origins.back();
    SQLite::Statement first(database, "SELECT time FROM leaf WHERE key = ?");
    first.bind(1, static_cast<std::int64_t>(leaf_key({{0}, {origins.size() - 1}})));
    if (first.executeStep()) out.first.value = first.getColumn(0).getInt64();
    SQLite::Statement rows(database, "SELECT key, time, extra, record FROM leaf WHERE type = ? ORDER BY key");
    rows.bind(1, static_cast<int>(audit::LeafType::registre));
    while (rows.executeStep()) {
      const std::string extra = rows.isColumnNull(2) ? std::string() : rows.getColumn(2).getString();
      std::string_view lines = extra;
      if (!audit::take_prefix(lines, statement_prefix)) continue;
      auto statement = protocol::parse_statistics_statement(lines.substr(0, lines.find('\n')));
      if (!statement) continue;
      const LeafPlace place = leaf_place(static_cast<std::uint64_t>(rows.getColumn(0).getInt64()));
      if (place.shard.value >= origins.size()) return damaged;
      const std::string& in = origins[place.shard.value];
      StatedMonth month{*statement,  statement->shard.empty() ? in : statement->shard, in,
                        place.index, UnixMillis{rows.getColumn(1).getInt64()},         text_of_record(rows, 3)};
      if (crypto::sha256(as_bytes(month.text)) != statement->text) return damaged;
      out.months.push_back(std::move(month));
    }
    return out;
  } catch (const SQLite::Exception& e) {
    const bool missing = e.getErrorCode() == SQLITE_CANTOPEN;
    return Error{missing ? Errc::not_found : Errc::io_error, std::string("store: ") + e.getErrorStr()};
  }
}

}  // namespace pli::broker
