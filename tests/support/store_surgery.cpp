#include "tests/support/store_surgery.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdio>
#include <cstdlib>

#include "crypto/hash.hpp"

namespace pli::testing {
namespace {

[[noreturn]] void give_up(const std::exception& e) {
  std::fprintf(stderr, "store surgery: %s\n", e.what());
  std::abort();
}

}  // namespace

std::map<std::string, Digest> table_digests(const std::filesystem::path& database) {
  try {
    SQLite::Database db(database.string(), SQLite::OPEN_READWRITE, 5000);
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

void run_sql(const std::filesystem::path& database, const std::string& sql) {
  try {
    SQLite::Database db(database.string(), SQLite::OPEN_READWRITE, 5000);
    db.exec("PRAGMA wal_autocheckpoint = 0");
    db.exec(sql);
  } catch (const SQLite::Exception& e) {
    give_up(e);
  }
}

std::int64_t query_number(const std::filesystem::path& database, const std::string& sql) {
  try {
    SQLite::Database db(database.string(), SQLite::OPEN_READWRITE, 5000);
    db.exec("PRAGMA wal_autocheckpoint = 0");
    return db.execAndGet(sql).getInt64();
  } catch (const SQLite::Exception& e) {
    give_up(e);
  }
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
