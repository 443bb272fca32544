// A disk that fails when told to: an SQLite VFS over the platform's, by name. One at a time in a process.
#pragma once

#include <cstdint>
#include <string>

namespace pli::testing {

class FaultyDisk {
 public:
  FaultyDisk();
  ~FaultyDisk();
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;

  [[nodiscard]] std::string name() const { return name_; }
  /// Writes and syncs (of database and WAL alike) succeed `count` times more, then fail until heal().
  /// `written_anyway`: the one that fails has done its work all the same.
  void fail_after(std::uint64_t count, bool written_anyway);
  void heal();
  [[nodiscard]] bool failed() const;  ///< since the last fail_after()
  [[nodiscard]] std::uint64_t writes() const;
  [[nodiscard]] std::uint64_t syncs() const;

 private:
  std::string name_;
};

}  // namespace pli::testing
