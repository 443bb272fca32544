#include "tests/support/old_state.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace pli::testing {
namespace {

/// tests/support/old_schemas/README.md
std::string tables_of_format(int format) {
  std::ifstream file(std::string(PLI_SOURCE_DIR) + "/tests/support/old_schemas/client-" + std::to_string(format) +
                     ".sql");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

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

void put_back_to_format(const std::filesystem::path& file, int format) {
  const std::filesystem::path today = file.string() + ".today";
  {
    SQLite::Database db(file.string(), SQLite::OPEN_READWRITE);
    db.exec("PRAGMA journal_mode = DELETE");  // one file, nothing left in a WAL
  }
  std::filesystem::rename(file, today);
  SQLite::Database db(file.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  db.exec(tables_of_format(format));
  db.exec("PRAGMA application_id = 1349282097");  // "Pli1"
  db.exec("PRAGMA user_version = " + std::to_string(format));
  db.exec("ATTACH '" + today.string() + "' AS today");
  for (const std::string& table : tables_of(db, "main")) {
    std::string columns;
    for (const std::string& column : columns_in(db, "main", table)) columns += (columns.empty() ? "" : ", ") + column;
    std::string of_today = columns;  // one column was renamed since
    if (const auto at = of_today.find("sender_proven"); at != std::string::npos)
      of_today.replace(at, std::string("sender_proven").size(), "sender_status");
    db.exec("INSERT INTO main." + table + " (" + columns + ") SELECT " + of_today + " FROM today." + table);
  }
  if (format < 3) db.exec("DELETE FROM main.fact WHERE name IN ('directory_place', 'cosigned_checkpoint')");
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
