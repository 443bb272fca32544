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

 private:
  struct File {
    std::filesystem::path path;
    dev_t device = 0;
    ino_t inode = 0;
    std::int64_t bytes_least = 0;
  };
  std::array<File, 3> files_;  ///< database, WAL, shared memory
};

}  // namespace pli::broker
