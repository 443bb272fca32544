// The files a running store stands on, as the folder shows them: what was removed, replaced or cut under an open
// database is written to by SQLite without complaint, and is there at no start. Owned by the store; its thread's.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <filesystem>

#include "base/result.hpp"

namespace pli::broker {

class StoreFiles {
 public:
  /// Of an open database in WAL mode: all three files are there. Errors: io_error.
  [[nodiscard]] static Result<StoreFiles> look_at(const std::filesystem::path& database);

  /// The same three files stand there under their names, the database no shorter than ever seen, the WAL no shorter
  /// than so many frames. Three calls of stat. Errors: corruption.
  [[nodiscard]] Result<void> demand_whole(int wal_frames);
  /// The WAL alone, before it is appended to: what is appended would make up the length of what was cut. One call.
  [[nodiscard]] Result<void> demand_wal(int wal_frames) const;

 private:
  struct File {
    std::filesystem::path path;
    dev_t device = 0;
    ino_t inode = 0;
  };
  /// Its length.
  [[nodiscard]] static Result<std::int64_t> demand_file(const File& file, std::int64_t least);
  std::array<File, 3> files_;  ///< database, WAL, shared memory
  std::int64_t database_bytes_ = 0;
};

}  // namespace pli::broker
