#include "tests/support/faulty_disk.hpp"

#include <sqlite3.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace pli::testing {
namespace {

struct Switch {
  std::atomic<bool> armed{false};
  std::atomic<std::int64_t> left{0};
  std::atomic<bool> written_anyway{false};
  std::atomic<bool> failed{false};
  std::atomic<std::uint64_t> writes{0};
  std::atomic<std::uint64_t> syncs{0};

  /// Whether this operation fails.
  bool trips() {
    if (!armed || left-- > 0) return false;
    failed = true;
    return true;
  }
};
Switch& faults() {
  static Switch one;
  return one;
}

sqlite3_vfs* platform() {
  static sqlite3_vfs* const found = sqlite3_vfs_find(nullptr);
  return found;
}

/// SQLite sees `base`; the platform's file stands right behind it.
struct File {
  sqlite3_file base;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
File* of(sqlite3_file* file) { return reinterpret_cast<File*>(file); }

int x_close(sqlite3_file* f) { return of(f)->real()->pMethods->xClose(of(f)->real()); }
int x_read(sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
  return of(f)->real()->pMethods->xRead(of(f)->real(), to, n, at);
}
int x_write(sqlite3_file* f, const void* from, int n, sqlite3_int64 at) {
  ++faults().writes;
  const bool fails = faults().trips();
  if (fails && !faults().written_anyway) return SQLITE_IOERR_WRITE;
  const int code = of(f)->real()->pMethods->xWrite(of(f)->real(), from, n, at);
  return fails ? SQLITE_IOERR_WRITE : code;
}
int x_truncate(sqlite3_file* f, sqlite3_int64 size) { return of(f)->real()->pMethods->xTruncate(of(f)->real(), size); }
int x_sync(sqlite3_file* f, int flags) {
  ++faults().syncs;
  const bool fails = faults().trips();
  if (fails && !faults().written_anyway) return SQLITE_IOERR_FSYNC;
  const int code = of(f)->real()->pMethods->xSync(of(f)->real(), flags);
  return fails ? SQLITE_IOERR_FSYNC : code;
}
int x_size(sqlite3_file* f, sqlite3_int64* size) { return of(f)->real()->pMethods->xFileSize(of(f)->real(), size); }
int x_lock(sqlite3_file* f, int level) { return of(f)->real()->pMethods->xLock(of(f)->real(), level); }
int x_unlock(sqlite3_file* f, int level) { return of(f)->real()->pMethods->xUnlock(of(f)->real(), level); }
int x_reserved(sqlite3_file* f, int* out) { return of(f)->real()->pMethods->xCheckReservedLock(of(f)->real(), out); }
int x_control(sqlite3_file* f, int what, void* argument) {
  return of(f)->real()->pMethods->xFileControl(of(f)->real(), what, argument);
}
int x_sector(sqlite3_file* f) { return of(f)->real()->pMethods->xSectorSize(of(f)->real()); }
int x_traits(sqlite3_file* f) { return of(f)->real()->pMethods->xDeviceCharacteristics(of(f)->real()); }
int x_map(sqlite3_file* f, int page, int size, int extend, void volatile** out) {
  return of(f)->real()->pMethods->xShmMap(of(f)->real(), page, size, extend, out);
}
int x_shm_lock(sqlite3_file* f, int offset, int n, int flags) {
  return of(f)->real()->pMethods->xShmLock(of(f)->real(), offset, n, flags);
}
void x_barrier(sqlite3_file* f) { of(f)->real()->pMethods->xShmBarrier(of(f)->real()); }
int x_unmap(sqlite3_file* f, int remove) { return of(f)->real()->pMethods->xShmUnmap(of(f)->real(), remove); }

const sqlite3_io_methods methods = {2,          x_close,   x_read,     x_write,   x_truncate, x_sync,   x_size,
                                    x_lock,     x_unlock,  x_reserved, x_control, x_sector,   x_traits, x_map,
                                    x_shm_lock, x_barrier, x_unmap,    nullptr,   nullptr};

int x_open(sqlite3_vfs*, const char* name, sqlite3_file* f, int flags, int* out_flags) {
  File* file = new (f) File{};
  const int code = platform()->xOpen(platform(), name, file->real(), flags, out_flags);
  if (file->real()->pMethods != nullptr) file->base.pMethods = &methods;
  return code;
}

sqlite3_vfs& faulty() {
  static sqlite3_vfs vfs = [] {
    sqlite3_vfs made = *platform();
    made.zName = "pli-faulty-disk";
    made.szOsFile = static_cast<int>(sizeof(File)) + platform()->szOsFile;
    made.xOpen = x_open;
    made.pNext = nullptr;
    return made;
  }();
  return vfs;
}

}  // namespace

FaultyDisk::FaultyDisk() : name_("pli-faulty-disk") {
  heal();
  faults().writes = 0;
  faults().syncs = 0;
  if (sqlite3_vfs_register(&faulty(), 0) != SQLITE_OK) std::abort();
}

FaultyDisk::~FaultyDisk() {
  heal();
  sqlite3_vfs_unregister(&faulty());
}

void FaultyDisk::fail_after(std::uint64_t count, bool written_anyway) {
  faults().failed = false;
  faults().left = static_cast<std::int64_t>(count);
  faults().written_anyway = written_anyway;
  faults().armed = true;
}

void FaultyDisk::heal() { faults().armed = false; }
bool FaultyDisk::failed() const { return faults().failed; }
std::uint64_t FaultyDisk::writes() const { return faults().writes; }
std::uint64_t FaultyDisk::syncs() const { return faults().syncs; }

}  // namespace pli::testing
