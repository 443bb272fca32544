#include "broker/store_writeback.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <optional>

#include "broker/store_schema.hpp"

namespace pli::broker {

Writeback::Writeback(std::filesystem::path file, std::string vfs) : file_(std::move(file)), vfs_(std::move(vfs)) {
  thread_ = std::thread([this] { run(); });
}

Writeback::~Writeback() {
  stop();
  thread_.join();
}

void Writeback::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  wake_.notify_one();
}

void Writeback::start() {
  const std::lock_guard lock(mutex_);
  busy_ = true;
  wanted_ = true;
  wake_.notify_one();
}

void Writeback::wait() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return !busy_; });
}

void Writeback::run() {
  std::optional<SQLite::Database> database;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return wanted_ || stopping_; });
      if (stopping_) {
        busy_ = false;
        idle_.notify_all();
        break;
      }
      wanted_ = false;
    }
    try {
      if (!database) {
        database.emplace(file_.string(), SQLite::OPEN_READWRITE, 0, vfs_);
        database->exec(store_connection_pragmas);
        // The store decides when the last pages go; a connection that closes must not.
        sqlite3_db_config(database->getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
      }
      int in_log = 0;
      int done = 0;
      const int code =
          sqlite3_wal_checkpoint_v2(database->getHandle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &in_log, &done);
      if (code == SQLITE_OK && done >= 0) frames_done_ = done;
      if (code != SQLITE_OK && code != SQLITE_BUSY) failed_ = true;
    } catch (const SQLite::Exception&) {
      failed_ = true;
    }
    const std::lock_guard lock(mutex_);
    busy_ = false;
    idle_.notify_all();
  }
}

}  // namespace pli::broker
