#include "tests/support/store_surgery.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <vector>

#include "crypto/hash.hpp"

namespace pli::testing {
namespace {

[[noreturn]] void give_up(const std::exception& e) {
  std::fprintf(stderr, "store surgery: %s\n", e.what());
  std::abort();
}

}  // namespace

std::map<std::string, Digest> table_digests(const std::filesystem::path& database, const std::string& vfs) {
  try {
    SQLite::Database db(database.string(), SQLite::OPEN_READWRITE, 5000, vfs);
    db.exec("PRAGMA wal_autocheckpoint = 0");
    db.exec("BEGIN");
    std::map<std::string, Digest> out;
    SQLite::Statement tables(db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
    while (tables.executeStep()) {
      const std::string name = tables.getColumn(0).getString();
      SQLite::Statement rows(db, "SELECT * FROM \"" + name + "\" ORDER BY 1, 2");
      crypto::Sha256 hash;
      while (rows.executeStep()) {
        for (int i = 0; i < rows.getColumnCount(); ++i) {
          const SQLite::Column value = rows.getColumn(i);
          ByteWriter head;
          head.u8(static_cast<std::uint8_t>(value.getType()));
          head.u32(static_cast<std::uint32_t>(value.getBytes()));
          hash.update(head.bytes());
          const std::string text = value.getString();
          hash.update(as_bytes(text));
        }
      }
      out.emplace(name, hash.finish());
    }
    db.exec("COMMIT");
    return out;
  } catch (const SQLite::Exception& e) {
    give_up(e);
  }
}

void run_sql(const std::filesystem::path& database, const std::string& sql, const std::string& vfs) {
  try {
    SQLite::Database db(database.string(), SQLite::OPEN_READWRITE, 5000, vfs);
    db.exec("PRAGMA wal_autocheckpoint = 0");
    db.exec(sql);
  } catch (const SQLite::Exception& e) {
    give_up(e);
  }
}

std::int64_t query_number(const std::filesystem::path& database, const std::string& sql, const std::string& vfs) {
  try {
    SQLite::Database db(database.string(), SQLite::OPEN_READWRITE, 5000, vfs);
    db.exec("PRAGMA wal_autocheckpoint = 0");
    return db.execAndGet(sql).getInt64();
  } catch (const SQLite::Exception& e) {
    give_up(e);
  }
}

void put_back_to_schema(const std::filesystem::path& database, const std::string& schema, int version,
                        const std::map<std::string, std::string>& renamed) {
  std::ifstream file(std::string(PLI_SOURCE_DIR) + "/tests/support/old_schemas/" + schema);
  const std::string tables_of_then((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (tables_of_then.empty()) give_up(std::runtime_error("no such schema: " + schema));
  try {
    const std::filesystem::path today = database.string() + ".today";
    std::string as_today;
    {
      SQLite::Database db(database.string(), SQLite::OPEN_READWRITE);
      for (const std::string pragma : {"page_size", "journal_mode", "application_id"})
        as_today += "PRAGMA " + pragma + " = " + db.execAndGet("PRAGMA " + pragma).getString() + ";";
      db.exec("PRAGMA journal_mode = DELETE");  // one file, nothing left in a WAL
    }
    std::filesystem::rename(database, today);
    SQLite::Database db(database.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    db.exec(as_today);
    db.exec(tables_of_then);
    db.exec("PRAGMA user_version = " + std::to_string(version));
    db.exec("ATTACH '" + today.string() + "' AS today");
    std::vector<std::string> copies;
    {
      SQLite::Statement tables(db,
                               "SELECT t.name, group_concat('\"' || c.name || '\"') FROM main.sqlite_schema AS t, "
                               "pragma_table_info(t.name, 'main') AS c WHERE t.type = 'table' AND t.name NOT LIKE "
                               "'sqlite_%' GROUP BY t.name");
      while (tables.executeStep()) {
        const std::string name = tables.getColumn(0).getString();
        const std::string columns = tables.getColumn(1).getString();
        std::string of_today = columns;
        for (const auto& [then, now] : renamed)
          if (const auto at = of_today.find('"' + then + '"'); at != std::string::npos)
            of_today.replace(at + 1, then.size(), now);
        copies.push_back("INSERT INTO main." + name + " (" + columns + ") SELECT " + of_today + " FROM today." + name);
      }
    }
    for (const std::string& copy : copies) db.exec(copy);
    db.exec("DETACH today");
    std::filesystem::remove(today);
  } catch (const SQLite::Exception& e) {
    give_up(e);
  }
}

std::string schema_text(const std::filesystem::path& database) {
  try {
    SQLite::Database db(database.string(), SQLite::OPEN_READWRITE, 5000);
    SQLite::Statement rows(db, "SELECT name, sql FROM sqlite_schema ORDER BY name");
    std::string out;
    while (rows.executeStep()) out += rows.getColumn(0).getString() + ": " + rows.getColumn(1).getString() + "\n";
    return out;
  } catch (const SQLite::Exception& e) {
    give_up(e);
  }
}

void flip_bit(const std::filesystem::path& database, const std::string& sql) {
  std::string value;
  try {
    SQLite::Database db(database.string(), SQLite::OPEN_READONLY, 5000);
    value = db.execAndGet(sql).getString();
  } catch (const SQLite::Exception& e) {
    give_up(e);
  }
  std::fstream file(database, std::ios::in | std::ios::out | std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::size_t at = bytes.find(value);
  if (value.empty() || at == std::string::npos || bytes.find(value, at + 1) != std::string::npos)
    give_up(std::runtime_error("no such value, or not once"));
  const std::size_t middle = at + value.size() / 2;
  file.clear();
  file.seekp(static_cast<std::streamoff>(middle));
  file.put(static_cast<char>(bytes[middle] ^ 1));
}

void copy_database(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::filesystem::create_directories(to.parent_path());
  for (const char* suffix : {"", "-wal", "-shm"}) {
    const std::filesystem::path source = from.string() + suffix;
    const std::filesystem::path target = to.string() + suffix;
    std::filesystem::remove(target);
    if (std::filesystem::exists(source)) std::filesystem::copy_file(source, target);
  }
}

}  // namespace pli::testing
