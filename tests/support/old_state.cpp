#include "tests/support/old_state.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include "tests/support/store_surgery.hpp"

namespace pli::testing {
namespace {

std::vector<std::string> tables_of(SQLite::Database& db) {
  SQLite::Statement read(db,
                         "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
                         "ORDER BY name");
  std::vector<std::string> out;
  while (read.executeStep()) out.push_back(read.getColumn(0).getString());
  return out;
}

}  // namespace

void put_back_to_format(const std::filesystem::path& file, int format) {
  put_back_to_schema(file, "client-" + std::to_string(format) + ".sql", format, {{"sender_proven", "sender_status"}});
  if (format < 3) run_sql(file, "DELETE FROM fact WHERE name IN ('directory_place', 'cosigned_checkpoint')");
}

std::vector<std::string> columns_of(const std::filesystem::path& file) {
  SQLite::Database db(file.string(), SQLite::OPEN_READONLY);
  std::vector<std::string> out;
  for (const std::string& table : tables_of(db)) {
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
