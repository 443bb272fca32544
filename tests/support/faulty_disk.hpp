// A disk in memory that fails, lies, fills up and loses what was not synced: an SQLite VFS, by name, for
// StoreOptions.vfs and CheckOptions.vfs. Everything it does follows from its seed and from the calls made on it.
//
// Each file is what a process reads now, what is durable, and the journal of changes between the two. Locks and the
// WAL's shared memory work for as many connections and threads of this process as there are. Not here, because SQLite
// never asks: links, folders, modes. Store::open() makes an empty file of the same name on the true disk besides.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/bytes.hpp"

namespace pli::testing {

/// Sectors are written whole or not at all, and a write leaves what stands beside it in its sector.
inline constexpr std::size_t sector_bytes = 512;

struct DiskFault {
  enum class Kind : std::uint8_t {
    io_error,    ///< EIO
    full,        ///< ENOSPC
    torn,        ///< a write of which only some sectors are done; of other calls as io_error
    lies,        ///< says it is done; a sync is not, a write will never be durable
    short_read,  ///< as if the file ended there: the rest is zeros. Of other calls as io_error
    power_cut,   ///< nothing is done any more, this call (whole, or some sectors of it) may be the last
  };
  enum class Calls : std::uint8_t {
    changes,  ///< write, truncate, sync, delete
    syncs,
    reads,
  };
  std::uint64_t at = 0;  ///< shows at the call of this number, the next one being 0
  Kind kind = Kind::io_error;
  bool done_anyway = false;  ///< the call reports the fault and has done its work all the same
  bool lasting = false;      ///< so do all calls after it, until heal(); else this one alone
  Calls calls = Calls::changes;
};

/// What a power cut leaves of what was not synced.
enum class Unsynced : std::uint8_t {
  lost,
  kept,
  some,  ///< any part of it: changes dropped, torn at sectors, the later one done before the earlier
};

/// Files by name, as a process would read them.
using DiskImage = std::map<std::string, Bytes>;

class FaultyDisk {
 public:
  explicit FaultyDisk(std::uint64_t seed = 1);
  ~FaultyDisk();  ///< after the last connection
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;

  [[nodiscard]] const std::string& name() const;

  /// One fault at a time: replaces the one before.
  void fail(const DiskFault& fault);
  void heal();                        ///< no fault any more; what a power cut stopped stays stopped until power_cut()
  [[nodiscard]] bool failed() const;  ///< whether the fault showed since the last fail()
  /// Writes that make the files larger than so much together fail as `full`. Unlimited at first.
  void hold_at_most(std::uint64_t bytes);
  [[nodiscard]] std::uint64_t bytes_left() const;  ///< for StoreOptions.free_bytes

  /// The power goes: files become what is durable and what `left` says of the rest, which then is durable too.
  /// Connections from before fail in all they do; they may be closed before or after.
  void power_cut(Unsynced left);
  /// The process dies and the machine stays up: files are as they were written, and no more durable than before.
  void kill_process();

  // Counted since the disk was made, temporary files left out.
  [[nodiscard]] std::uint64_t changes() const;  ///< writes, truncates, syncs, deletes: what DiskFault.at counts
  [[nodiscard]] std::uint64_t syncs() const;
  [[nodiscard]] std::uint64_t reads() const;
  [[nodiscard]] std::uint64_t power_cuts() const;

  [[nodiscard]] DiskImage image() const;
  /// Puts these files in the place of all there are, durable. Connections from before fail in all they do.
  void put(const DiskImage& image);

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace pli::testing
