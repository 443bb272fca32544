#include "broker/store_files.hpp"

#include <sys/stat.h>

#include "broker/store_schema.hpp"

namespace pli::broker {
namespace {

/// SQLite's file format, section 4: a header, then frames of a header and a page each.
constexpr std::int64_t wal_header_bytes = 32;
constexpr std::int64_t wal_frame_bytes = 24 + store_page_bytes;

}  // namespace

Result<StoreFiles> StoreFiles::look_at(const std::filesystem::path& database) {
  StoreFiles out;
  out.files_[0].path = database;
  out.files_[1].path = database.string() + "-wal";
  out.files_[2].path = database.string() + "-shm";
  for (File& file : out.files_) {
    struct stat there {};
    if (::stat(file.path.c_str(), &there) != 0)
      return Error{Errc::io_error, "store: a file of the database is not there"};
    file.device = there.st_dev;
    file.inode = there.st_ino;
  }
  return out;
}

Result<void> StoreFiles::demand_whole(int wal_frames) {
  // The database only grows (auto_vacuum is off); the others begin anew.
  const auto database = demand_file(files_[0], database_bytes_);
  if (!database) return database.error();
  database_bytes_ = *database;
  if (auto wal = demand_wal(wal_frames); !wal) return wal;
  if (auto memory = demand_file(files_[2], 0); !memory) return memory.error();
  return {};
}

Result<void> StoreFiles::demand_wal(int wal_frames) const {
  const std::int64_t least = wal_frames == 0 ? 0 : wal_header_bytes + wal_frames * wal_frame_bytes;
  if (auto wal = demand_file(files_[1], least); !wal) return wal.error();
  return {};
}

Result<std::int64_t> StoreFiles::demand_file(const File& file, std::int64_t least) {
  struct stat there {};
  if (::stat(file.path.c_str(), &there) != 0 || there.st_dev != file.device || there.st_ino != file.inode)
    return Error{Errc::corruption, "store: a file of the database was removed or replaced while it was open"};
  if (there.st_size < least) return Error{Errc::corruption, "store: a file of the database was cut while it was open"};
  return there.st_size;
}

}  // namespace pli::broker
