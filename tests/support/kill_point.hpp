// The platform's disk under a process that kills itself in the middle of it: an SQLite VFS, by name. For a forked
// child; one at a time in a process.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pli::testing {

class KillPoint {
 public:
  KillPoint();
  ~KillPoint();
  KillPoint(const KillPoint&) = delete;
  KillPoint& operator=(const KillPoint&) = delete;

  [[nodiscard]] static std::string name() { return "pli-kill-point"; }
  /// SIGKILL once the call of this number is done, the next one being 0; of a write, only its first `bytes`.
  /// Counted are write, truncate, sync and delete.
  void kill_at(std::uint64_t call, std::size_t bytes);
  /// Bytes of each call made since kill_at() or the beginning: of a write what it wrote, else 0.
  [[nodiscard]] const std::vector<std::size_t>& calls() const;
};

}  // namespace pli::testing
