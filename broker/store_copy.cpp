#include "broker/store_copy.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "broker/store_schema.hpp"

namespace pli::broker {
namespace {

constexpr int busy_wait_ms = 5000;

Error io_failure(const char* what) {
  return {Errc::io_error, std::string("copy: ") + what + ": " + std::strerror(errno)};
}

Error sql_failure(const SQLite::Exception& e) {
  const bool damaged = e.getErrorCode() == SQLITE_CORRUPT || e.getErrorCode() == SQLITE_NOTADB;
  return {damaged ? Errc::corruption : Errc::io_error, std::string("copy: ") + e.getErrorStr()};
}

Result<void> sync(const std::filesystem::path& path, int flags) {
  const int descriptor = ::open(path.empty() ? "." : path.c_str(), flags | O_CLOEXEC);
  if (descriptor < 0) return io_failure("open");
  const bool synced = ::fsync(descriptor) == 0;
  const bool closed = ::close(descriptor) == 0;
  if (!synced || !closed) return io_failure("fsync");
  return {};
}

bool is_there(const std::filesystem::path& file) {
  std::error_code problem;
  return std::filesystem::exists(file, problem);
}

/// So that nobody else may read it, whatever the umask: SQLite fills an empty file that is there.
Result<void> create_empty(const std::filesystem::path& path) {
  ::unlink(path.c_str());
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) return io_failure("create");
  ::close(descriptor);
  return {};
}

}  // namespace

Result<std::uint64_t> store_bytes(const std::filesystem::path& file, const std::string& vfs) {
  if (!is_there(file)) return Error{Errc::not_found, "copy: no database file"};
  try {
    SQLite::Database database(file.string(), SQLite::OPEN_READONLY, busy_wait_ms, vfs);
    sqlite3_db_config(database.getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    const std::int64_t pages = database.execAndGet("PRAGMA page_count").getInt64();
    return static_cast<std::uint64_t>(pages * database.execAndGet("PRAGMA page_size").getInt64());
  } catch (const SQLite::Exception& e) {
    return sql_failure(e);
  }
}

Result<void> copy_store(const std::filesystem::path& file, const std::filesystem::path& target,
                        const std::string& vfs) {
  if (!is_there(file)) return Error{Errc::not_found, "copy: no database file"};
  const std::filesystem::path unfinished = target.string() + ".unfinished";
  if (auto made = create_empty(unfinished); !made) return made;
  const auto give_up = [&](Error error) {
    ::unlink(unfinished.c_str());
    return error;
  };
  try {
    SQLite::Database database(file.string(), SQLite::OPEN_READONLY, busy_wait_ms, vfs);
    database.exec(store_connection_pragmas);
    sqlite3_db_config(database.getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    SQLite::Statement copy(database, "VACUUM INTO ?");
    copy.bind(1, unfinished.string());
    copy.exec();
  } catch (const SQLite::Exception& e) {
    return give_up(sql_failure(e));
  }
  if (auto renamed = rename_durably(unfinished, target); !renamed) return give_up(renamed.error());
  return {};
}

Result<std::uint64_t> erase_again(const std::filesystem::path& copy, const std::vector<Digest>& exchanges) {
  if (exchanges.empty()) return std::uint64_t{0};
  try {
    SQLite::Database database(copy.string(), SQLite::OPEN_READWRITE, busy_wait_ms);
    database.exec(store_connection_pragmas);
    database.exec("PRAGMA journal_mode = MEMORY");  // a journal on the disk would hold what is taken away
    database.exec("PRAGMA temp_store = MEMORY");
    database.exec("CREATE TEMP TABLE gone (id BLOB PRIMARY KEY) WITHOUT ROWID");
    SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
    {
      SQLite::Statement add(database, "INSERT OR IGNORE INTO gone VALUES (?)");
      for (const Digest& id : exchanges) {
        add.bind(1, id.data(), static_cast<int>(id.size()));
        add.exec();
        add.reset();
      }
    }
    // One pass: ids have no index of their own.
    database.exec(
        "CREATE TEMP TABLE erased AS SELECT number FROM exchange WHERE address IS NOT NULL AND id IN (SELECT id FROM "
        "gone)");
    database.exec("DELETE FROM piece WHERE key >> 12 IN (SELECT number FROM erased)");
    database.exec("DELETE FROM access_part WHERE number IN (SELECT number FROM erased)");
    database.exec("DELETE FROM agreement WHERE exchange IN (SELECT number FROM erased)");
    database.exec("DELETE FROM nominative_release WHERE part IN (SELECT number FROM erased)");
    database.exec(
        "UPDATE exchange SET address = NULL, seal = NULL, signature = NULL WHERE number IN (SELECT number FROM "
        "erased)");
    const std::int64_t count = database.execAndGet("SELECT count(*) FROM erased").getInt64();
    transaction.commit();
    return static_cast<std::uint64_t>(count);
  } catch (const SQLite::Exception& e) {
    return sql_failure(e);
  }
}

Result<void> rename_durably(const std::filesystem::path& finished, const std::filesystem::path& target) {
  // SQLite leaves the syncing of a vacuumed file to whoever wants it durable.
  if (auto synced = sync(finished, O_RDONLY); !synced) return synced;
  if (std::rename(finished.c_str(), target.c_str()) != 0) return io_failure("rename");
  return sync(target.parent_path(), O_RDONLY | O_DIRECTORY);
}

}  // namespace pli::broker
