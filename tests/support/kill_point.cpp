#include "tests/support/kill_point.hpp"

#include <signal.h>
#include <sqlite3.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <new>

namespace pli::testing {
namespace {

struct Point {
  std::uint64_t call = std::numeric_limits<std::uint64_t>::max();
  std::size_t bytes = 0;
  std::vector<std::size_t> calls;

  /// Whether this call is the last.
  bool reached(std::size_t size) {
    calls.push_back(size);
    return calls.size() - 1 == call;
  }
};
Point& point() {
  static Point one;
  return one;
}

[[noreturn]] void die() {
  ::raise(SIGKILL);
  std::abort();
}

sqlite3_vfs* platform() {
  static sqlite3_vfs* const found = sqlite3_vfs_find("unix");
  return found;
}

/// SQLite sees this; the platform's file stands right behind it.
struct File : sqlite3_file {
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
sqlite3_file* real(sqlite3_file* file) { return static_cast<File*>(file)->real(); }

int x_close(sqlite3_file* f) { return real(f)->pMethods->xClose(real(f)); }
int x_read(sqlite3_file* f, void* to, int n, sqlite3_int64 at) { return real(f)->pMethods->xRead(real(f), to, n, at); }
int x_write(sqlite3_file* f, const void* from, int n, sqlite3_int64 at) {
  const bool last = point().reached(static_cast<std::size_t>(n));
  const int size = last ? static_cast<int>(std::min(point().bytes, static_cast<std::size_t>(n))) : n;
  const int code = size == 0 ? SQLITE_OK : real(f)->pMethods->xWrite(real(f), from, size, at);
  if (last) die();
  return code;
}
int x_truncate(sqlite3_file* f, sqlite3_int64 size) {
  const bool last = point().reached(0);
  const int code = real(f)->pMethods->xTruncate(real(f), size);
  if (last) die();
  return code;
}
/// Counted and not done: the kernel keeps what a killed process wrote, synced or not, and a thousand points take a
/// minute less.
int x_sync(sqlite3_file*, int) {
  if (point().reached(0)) die();
  return SQLITE_OK;
}
int x_size(sqlite3_file* f, sqlite3_int64* size) { return real(f)->pMethods->xFileSize(real(f), size); }
int x_lock(sqlite3_file* f, int level) { return real(f)->pMethods->xLock(real(f), level); }
int x_unlock(sqlite3_file* f, int level) { return real(f)->pMethods->xUnlock(real(f), level); }
int x_reserved(sqlite3_file* f, int* out) { return real(f)->pMethods->xCheckReservedLock(real(f), out); }
int x_control(sqlite3_file* f, int what, void* argument) {
  return real(f)->pMethods->xFileControl(real(f), what, argument);
}
int x_sector(sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); }
int x_traits(sqlite3_file* f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); }
int x_map(sqlite3_file* f, int region, int size, int extend, void volatile** out) {
  return real(f)->pMethods->xShmMap(real(f), region, size, extend, out);
}
int x_shm_lock(sqlite3_file* f, int offset, int n, int flags) {
  return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
}
void x_barrier(sqlite3_file* f) { real(f)->pMethods->xShmBarrier(real(f)); }
int x_unmap(sqlite3_file* f, int remove) { return real(f)->pMethods->xShmUnmap(real(f), remove); }

const sqlite3_io_methods methods = {2,          x_close,   x_read,     x_write,   x_truncate, x_sync,   x_size,
                                    x_lock,     x_unlock,  x_reserved, x_control, x_sector,   x_traits, x_map,
                                    x_shm_lock, x_barrier, x_unmap,    nullptr,   nullptr};

int x_open(sqlite3_vfs*, const char* name, sqlite3_file* f, int flags, int* out_flags) {
  File* file = new (f) File{};
  const int code = platform()->xOpen(platform(), name, file->real(), flags, out_flags);
  if (file->real()->pMethods != nullptr) file->pMethods = &methods;
  return code;
}

int x_delete(sqlite3_vfs*, const char* name, int sync_folder) {
  const bool last = point().reached(0);
  const int code = platform()->xDelete(platform(), name, sync_folder);
  if (last) die();
  return code;
}

sqlite3_vfs& killing() {
  static const std::string name = KillPoint::name();
  static sqlite3_vfs vfs = [] {
    sqlite3_vfs made = *platform();
    made.zName = name.c_str();
    made.szOsFile = static_cast<int>(sizeof(File)) + platform()->szOsFile;
    made.xOpen = x_open;
    made.xDelete = x_delete;
    made.pNext = nullptr;
    return made;
  }();
  return vfs;
}

}  // namespace

KillPoint::KillPoint() {
  if (sqlite3_vfs_register(&killing(), 0) != SQLITE_OK) std::abort();
}

KillPoint::~KillPoint() {
  point() = {};
  sqlite3_vfs_unregister(&killing());
}

void KillPoint::kill_at(std::uint64_t call, std::size_t bytes) { point() = {call, bytes, {}}; }

const std::vector<std::size_t>& KillPoint::calls() const { return point().calls; }

}  // namespace pli::testing
