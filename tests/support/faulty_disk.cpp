#include "tests/support/faulty_disk.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <mutex>
#include <new>
#include <optional>
#include <random>
#include <utility>
#include <vector>

namespace pli::testing {
namespace {

struct Change {
  enum class What : std::uint8_t { write, truncate, remove };
  What what = What::write;
  std::uint64_t at = 0;  ///< of a write its offset, of a truncate the new size
  Bytes bytes;
  bool lost = false;  ///< a sync failed over it, or it was a lie: no later sync makes it durable
};

/// What a file holds, or that it is not there.
struct Content {
  bool there = false;
  Bytes bytes;

  void apply(const Change& change) {
    switch (change.what) {
      case Change::What::write:
        there = true;
        if (bytes.size() < change.at + change.bytes.size()) bytes.resize(change.at + change.bytes.size());
        std::copy(change.bytes.begin(), change.bytes.end(), bytes.begin() + static_cast<std::ptrdiff_t>(change.at));
        break;
      case Change::What::truncate:
        if (bytes.size() > change.at) bytes.resize(change.at);
        break;
      case Change::What::remove:
        there = false;
        bytes.clear();
        break;
    }
  }
};

/// The WAL's index and its locks; lives as long as a connection that mapped it.
struct Shared {
  std::vector<std::unique_ptr<std::uint8_t[]>> regions;
  struct Lock {
    const void* exclusive = nullptr;
    std::vector<const void*> sharing;
  };
  Lock locks[SQLITE_SHM_NLOCK];
};

struct File {
  Content now;
  Content durable;
  std::vector<Change> unsynced;
  bool fresh = false;  ///< made since it was last synced
  std::map<const void*, int> locks;
  std::shared_ptr<Shared> shared;
};

sqlite3_vfs* platform() {
  static sqlite3_vfs* const found = sqlite3_vfs_find("unix");
  return found;
}

/// The sectors that a write touches, cut apart.
std::vector<Change> sectors_of(const Change& write) {
  std::vector<Change> out;
  for (std::size_t done = 0; done < write.bytes.size();) {
    const std::uint64_t at = write.at + done;
    const std::size_t size =
        std::min<std::size_t>(sector_bytes - static_cast<std::size_t>(at % sector_bytes), write.bytes.size() - done);
    Change sector{Change::What::write, at, {}, write.lost};
    sector.bytes.assign(write.bytes.begin() + static_cast<std::ptrdiff_t>(done),
                        write.bytes.begin() + static_cast<std::ptrdiff_t>(done + size));
    out.push_back(std::move(sector));
    done += size;
  }
  return out;
}

}  // namespace

struct FaultyDisk::State {
  explicit State(std::uint64_t seed);

  mutable std::mutex mutex;
  std::string name;
  sqlite3_vfs vfs{};
  std::mt19937_64 random;
  std::map<std::string, std::shared_ptr<File>> files;
  std::uint64_t generation = 1;  ///< connections of an earlier one are dead
  bool down = false;             ///< the power is gone
  std::optional<DiskFault> fault;
  std::uint64_t fault_calls = 0;
  bool failed = false;
  std::uint64_t bytes_max = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t changes = 0, syncs = 0, reads = 0, power_cuts = 0;

  bool one_in(std::uint64_t count) { return random() % count == 0; }

  /// The fault this call shows, if any.
  std::optional<DiskFault> trips(DiskFault::Calls calls) {
    if (!fault) return std::nullopt;
    const bool counts =
        fault->calls == calls || (fault->calls == DiskFault::Calls::changes && calls == DiskFault::Calls::syncs);
    if (!counts) return std::nullopt;
    const std::uint64_t number = fault_calls++;
    if (number != fault->at && !(fault->lasting && number > fault->at)) return std::nullopt;
    failed = true;
    if (fault->kind == DiskFault::Kind::power_cut) down = true;
    return fault;
  }

  std::uint64_t bytes_held() const {
    std::uint64_t sum = 0;
    for (const auto& [path, file] : files) sum += file->now.bytes.size();
    return sum;
  }

  std::shared_ptr<File> file(const std::string& path) {
    std::shared_ptr<File>& found = files[path];
    if (!found) found = std::make_shared<File>();
    return found;
  }

  static void change(File& file, Change what) {
    file.now.apply(what);
    file.unsynced.push_back(std::move(what));
  }

  /// Some of its sectors, at least one not.
  void tear(File& file, const Change& write) {
    std::vector<Change> sectors = sectors_of(write);
    sectors.erase(sectors.begin() + static_cast<std::ptrdiff_t>(random() % sectors.size()));
    for (Change& sector : sectors)
      if (!one_in(2)) change(file, std::move(sector));
  }

  /// What was removed stays removed. Happens when a file of SQLite's own is synced for the first time, as the
  /// platform's VFS syncs the folder then, and at no other time unless a removal asks for it.
  void sync_folder() {
    for (auto& [path, file] : files) {
      std::vector<Change>& unsynced = file->unsynced;
      const auto last = std::find_if(unsynced.rbegin(), unsynced.rend(), [](const Change& change) {
        return change.what == Change::What::remove && !change.lost;
      });
      if (last == unsynced.rend()) continue;
      file->durable = {};
      unsynced.erase(unsynced.begin(), last.base());
    }
  }
  void lose_unsynced(File& file, Unsynced left);
  void drop_connections() {
    ++generation;
    for (auto& [path, file] : files) {
      file->locks.clear();
      file->shared.reset();
    }
  }
};

void FaultyDisk::State::lose_unsynced(File& file, Unsynced left) {
  std::vector<Change> kept;
  if (left == Unsynced::kept) {
    kept = file.unsynced;
  } else if (left == Unsynced::some) {
    // Few lost, half of them, or nearly all.
    static constexpr std::uint64_t of_eight[] = {1, 4, 7};
    const std::uint64_t lost = of_eight[random() % 3];
    for (const Change& change : file.unsynced) {
      if (change.what == Change::What::write && one_in(4)) {
        for (Change& sector : sectors_of(change))
          if (random() % 8 >= lost) kept.push_back(std::move(sector));
      } else if (random() % 8 >= lost) {
        kept.push_back(change);
      }
    }
    if (one_in(2)) {
      for (std::size_t i = kept.size(); i > 1; --i) std::swap(kept[i - 1], kept[random() % i]);
    }
  }
  for (const Change& change : kept) file.durable.apply(change);
  file.now = file.durable;
  file.unsynced.clear();
}

namespace {

using State = FaultyDisk::State;

/// What SQLite sees as its file.
struct Handle : sqlite3_file {
  Handle(State& disk_, std::shared_ptr<File> file_, bool temporary_)
      : sqlite3_file{}, disk(&disk_), file(std::move(file_)), generation(disk_.generation), temporary(temporary_) {}
  State* disk;
  std::shared_ptr<File> file;
  std::shared_ptr<Shared> shared;
  std::uint64_t generation;
  bool temporary;
  std::string remove_on_close;

  bool dead() const { return disk->down || generation != disk->generation; }
};
Handle& of(sqlite3_file* file) { return *static_cast<Handle*>(file); }

int x_close(sqlite3_file* f) {
  Handle& h = of(f);
  {
    const std::lock_guard lock(h.disk->mutex);
    h.file->locks.erase(&h);
    if (!h.remove_on_close.empty()) h.disk->files.erase(h.remove_on_close);
  }
  h.~Handle();
  return SQLITE_OK;
}

int x_read(sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
  Handle& h = of(f);
  const std::lock_guard lock(h.disk->mutex);
  if (h.dead()) return SQLITE_IOERR_READ;
  const auto wanted = static_cast<std::size_t>(n);
  const Bytes& bytes = h.file->now.bytes;
  std::size_t size =
      static_cast<std::size_t>(at) >= bytes.size() ? 0 : std::min(wanted, bytes.size() - static_cast<std::size_t>(at));
  if (!h.temporary) {
    ++h.disk->reads;
    if (const auto fault = h.disk->trips(DiskFault::Calls::reads)) {
      if (fault->kind != DiskFault::Kind::short_read) return SQLITE_IOERR_READ;
      size = std::min(size, h.disk->random() % wanted);
    }
  }
  if (size != 0) std::memcpy(to, bytes.data() + at, size);
  std::memset(static_cast<std::uint8_t*>(to) + size, 0, wanted - size);
  return size == wanted ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

int x_write(sqlite3_file* f, const void* from, int n, sqlite3_int64 at) {
  Handle& h = of(f);
  State& disk = *h.disk;
  const std::lock_guard lock(disk.mutex);
  if (h.dead()) return SQLITE_IOERR_WRITE;
  const auto* bytes = static_cast<const std::uint8_t*>(from);
  Change write{Change::What::write, static_cast<std::uint64_t>(at), Bytes(bytes, bytes + n), false};
  if (h.temporary) {
    h.file->now.apply(write);
    return SQLITE_OK;
  }
  ++disk.changes;
  const auto fault = disk.trips(DiskFault::Calls::changes);
  if (!fault) {
    const std::uint64_t end = write.at + write.bytes.size();
    const std::uint64_t grows = end > h.file->now.bytes.size() ? end - h.file->now.bytes.size() : 0;
    if (grows != 0 && disk.bytes_held() + grows > disk.bytes_max) return SQLITE_FULL;
    State::change(*h.file, std::move(write));
    return SQLITE_OK;
  }
  if (fault->kind == DiskFault::Kind::lies) {
    write.lost = true;
    State::change(*h.file, std::move(write));
    return SQLITE_OK;
  }
  if (fault->done_anyway)
    State::change(*h.file, std::move(write));
  else if (fault->kind == DiskFault::Kind::torn || fault->kind == DiskFault::Kind::power_cut)
    disk.tear(*h.file, write);
  return fault->kind == DiskFault::Kind::full ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

int x_truncate(sqlite3_file* f, sqlite3_int64 size) {
  Handle& h = of(f);
  const std::lock_guard lock(h.disk->mutex);
  if (h.dead()) return SQLITE_IOERR_TRUNCATE;
  Change change{Change::What::truncate, static_cast<std::uint64_t>(size), {}, false};
  if (h.temporary) {
    h.file->now.apply(change);
    return SQLITE_OK;
  }
  ++h.disk->changes;
  const auto fault = h.disk->trips(DiskFault::Calls::changes);
  const bool lies = fault && fault->kind == DiskFault::Kind::lies;
  change.lost = lies;
  if (!fault || lies || fault->done_anyway) State::change(*h.file, std::move(change));
  return fault && !lies ? SQLITE_IOERR_TRUNCATE : SQLITE_OK;
}

int x_sync(sqlite3_file* f, int) {
  Handle& h = of(f);
  const std::lock_guard lock(h.disk->mutex);
  if (h.dead()) return SQLITE_IOERR_FSYNC;
  if (h.temporary) return SQLITE_OK;
  ++h.disk->changes;
  ++h.disk->syncs;
  File& file = *h.file;
  const auto fault = h.disk->trips(DiskFault::Calls::syncs);
  if (!fault || fault->done_anyway) {
    if (std::exchange(file.fresh, false)) h.disk->sync_folder();
    for (const Change& change : file.unsynced)
      if (!change.lost) file.durable.apply(change);
    file.durable.there = true;
    file.unsynced.clear();
  } else if (fault->kind == DiskFault::Kind::lies) {
    return SQLITE_OK;
  } else if (fault->kind != DiskFault::Kind::power_cut) {
    // As the kernel does: the pages count as clean, and no later sync writes them.
    for (Change& change : file.unsynced) change.lost = true;
  }
  return fault ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

int x_size(sqlite3_file* f, sqlite3_int64* size) {
  Handle& h = of(f);
  const std::lock_guard lock(h.disk->mutex);
  if (h.dead()) return SQLITE_IOERR_FSTAT;
  *size = static_cast<sqlite3_int64>(h.file->now.bytes.size());
  return SQLITE_OK;
}

int x_lock(sqlite3_file* f, int level) {
  Handle& h = of(f);
  const std::lock_guard lock(h.disk->mutex);
  if (h.dead()) return SQLITE_IOERR_LOCK;
  int& mine = h.file->locks[&h];
  if (mine >= level) return SQLITE_OK;
  int others = SQLITE_LOCK_NONE;
  for (const auto& [holder, held] : h.file->locks)
    if (holder != &h) others = std::max(others, held);
  if (level == SQLITE_LOCK_SHARED ? others >= SQLITE_LOCK_PENDING : others >= SQLITE_LOCK_RESERVED) return SQLITE_BUSY;
  if (level == SQLITE_LOCK_EXCLUSIVE && others >= SQLITE_LOCK_SHARED) {
    mine = SQLITE_LOCK_PENDING;
    return SQLITE_BUSY;
  }
  mine = level;
  return SQLITE_OK;
}

int x_unlock(sqlite3_file* f, int level) {
  Handle& h = of(f);
  const std::lock_guard lock(h.disk->mutex);
  if (h.dead()) return SQLITE_OK;
  int& mine = h.file->locks[&h];
  mine = std::min(mine, level);
  return SQLITE_OK;
}

int x_reserved(sqlite3_file* f, int* out) {
  Handle& h = of(f);
  const std::lock_guard lock(h.disk->mutex);
  *out = 0;
  for (const auto& [holder, held] : h.file->locks)
    if (held >= SQLITE_LOCK_RESERVED) *out = 1;
  return SQLITE_OK;
}

int x_control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int x_sector(sqlite3_file*) { return static_cast<int>(sector_bytes); }
int x_traits(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

int x_map(sqlite3_file* f, int region, int size, int extend, void volatile** out) {
  Handle& h = of(f);
  const std::lock_guard lock(h.disk->mutex);
  *out = nullptr;
  if (h.dead()) return SQLITE_IOERR_SHMMAP;
  if (!h.shared) {
    if (!h.file->shared) h.file->shared = std::make_shared<Shared>();
    h.shared = h.file->shared;
  }
  auto& regions = h.shared->regions;
  const auto wanted = static_cast<std::size_t>(region);
  if (regions.size() <= wanted) {
    if (extend == 0) return SQLITE_OK;
    while (regions.size() <= wanted)
      regions.push_back(std::make_unique<std::uint8_t[]>(static_cast<std::size_t>(size)));
  }
  *out = regions[wanted].get();
  return SQLITE_OK;
}

int x_shm_lock(sqlite3_file* f, int offset, int n, int flags) {
  Handle& h = of(f);
  const std::lock_guard lock(h.disk->mutex);
  if (!h.shared) return SQLITE_IOERR_SHMLOCK;
  const bool unlocks = (flags & SQLITE_SHM_UNLOCK) != 0;
  const bool shares = (flags & SQLITE_SHM_SHARED) != 0;
  if (!unlocks && h.dead()) return SQLITE_IOERR_SHMLOCK;
  Shared::Lock* const first = h.shared->locks + offset;
  if (unlocks) {
    for (Shared::Lock* each = first; each != first + n; ++each) {
      if (each->exclusive == &h) each->exclusive = nullptr;
      each->sharing.erase(std::remove(each->sharing.begin(), each->sharing.end(), &h), each->sharing.end());
    }
    return SQLITE_OK;
  }
  for (const Shared::Lock* each = first; each != first + n; ++each) {
    if (each->exclusive != nullptr && each->exclusive != &h) return SQLITE_BUSY;
    if (shares) continue;
    for (const void* holder : each->sharing)
      if (holder != &h) return SQLITE_BUSY;
  }
  for (Shared::Lock* each = first; each != first + n; ++each) {
    if (!shares)
      each->exclusive = &h;
    else if (std::find(each->sharing.begin(), each->sharing.end(), &h) == each->sharing.end())
      each->sharing.push_back(&h);
  }
  return SQLITE_OK;
}

void x_barrier(sqlite3_file* f) { const std::lock_guard lock(of(f).disk->mutex); }

int x_unmap(sqlite3_file* f, int) {
  Handle& h = of(f);
  const std::lock_guard lock(h.disk->mutex);
  h.shared.reset();
  // Whoever maps it next finds it empty, as after a start: the WAL's index is made again from the WAL.
  if (h.file->shared && h.file->shared.use_count() == 1) h.file->shared.reset();
  return SQLITE_OK;
}

const sqlite3_io_methods methods = {2,          x_close,   x_read,     x_write,   x_truncate, x_sync,   x_size,
                                    x_lock,     x_unlock,  x_reserved, x_control, x_sector,   x_traits, x_map,
                                    x_shm_lock, x_barrier, x_unmap,    nullptr,   nullptr};

State& disk_of(sqlite3_vfs* vfs) { return *static_cast<State*>(vfs->pAppData); }

int x_open(sqlite3_vfs* vfs, const char* name, sqlite3_file* f, int flags, int* out_flags) {
  State& disk = disk_of(vfs);
  const std::lock_guard lock(disk.mutex);
  f->pMethods = nullptr;
  if (disk.down) return SQLITE_CANTOPEN;
  constexpr int lasting = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL;
  const bool temporary = name == nullptr || (flags & lasting) == 0;
  std::shared_ptr<File> file = name == nullptr ? std::make_shared<File>() : disk.file(name);
  if (!file->now.there) {
    // Store::open() has made the database on the true disk: here it begins empty.
    const bool made = (flags & SQLITE_OPEN_MAIN_DB) != 0 && (flags & SQLITE_OPEN_READWRITE) != 0;
    if (!made && (flags & SQLITE_OPEN_CREATE) == 0) return SQLITE_CANTOPEN;
    file->now.there = true;
    file->fresh = true;
  }
  Handle* handle = new (f) Handle(disk, std::move(file), temporary);
  if (temporary && name != nullptr) handle->remove_on_close = name;
  handle->pMethods = &methods;
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int x_delete(sqlite3_vfs* vfs, const char* name, int sync_folder) {
  State& disk = disk_of(vfs);
  const std::lock_guard lock(disk.mutex);
  if (disk.down) return SQLITE_IOERR_DELETE;
  File& file = *disk.file(name);
  if (!file.now.there) return SQLITE_IOERR_DELETE_NOENT;
  ++disk.changes;
  const auto fault = disk.trips(DiskFault::Calls::changes);
  const bool lies = fault && fault->kind == DiskFault::Kind::lies;
  if (!fault || lies || fault->done_anyway) {
    State::change(file, {Change::What::remove, 0, {}, lies});
    if (sync_folder != 0 && !lies) disk.sync_folder();
  }
  return fault && !lies ? SQLITE_IOERR_DELETE : SQLITE_OK;
}

int x_access(sqlite3_vfs* vfs, const char* name, int, int* out) {
  State& disk = disk_of(vfs);
  const std::lock_guard lock(disk.mutex);
  if (disk.down) return SQLITE_IOERR_ACCESS;
  const auto found = disk.files.find(name);
  *out = found != disk.files.end() && found->second->now.there ? 1 : 0;
  return SQLITE_OK;
}

int x_full_path(sqlite3_vfs*, const char* name, int size, char* out) {
  return std::snprintf(out, static_cast<std::size_t>(size), "%s", name) < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

int x_randomness(sqlite3_vfs* vfs, int size, char* out) {
  State& disk = disk_of(vfs);
  const std::lock_guard lock(disk.mutex);
  for (int i = 0; i < size; ++i) out[i] = static_cast<char>(disk.random());
  return size;
}

}  // namespace

FaultyDisk::State::State(std::uint64_t seed) : random(seed) {
  static std::atomic<std::uint64_t> made{0};
  name = "pli-faulty-disk-" + std::to_string(++made);
  vfs = *platform();
  vfs.iVersion = 2;
  vfs.szOsFile = static_cast<int>(sizeof(Handle));
  vfs.zName = name.c_str();
  vfs.pNext = nullptr;
  vfs.pAppData = this;
  vfs.xOpen = x_open;
  vfs.xDelete = x_delete;
  vfs.xAccess = x_access;
  vfs.xFullPathname = x_full_path;
  vfs.xRandomness = x_randomness;
}

FaultyDisk::FaultyDisk(std::uint64_t seed) : state_(std::make_unique<State>(seed)) {
  if (sqlite3_vfs_register(&state_->vfs, 0) != SQLITE_OK) std::abort();
  // What SQLite draws for itself, the salts of the WAL above all, follows from the seed too.
  sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, static_cast<int>(seed % 0x7fffffff) + 1, nullptr);
  sqlite3_randomness(0, nullptr);
}

FaultyDisk::~FaultyDisk() { sqlite3_vfs_unregister(&state_->vfs); }

const std::string& FaultyDisk::name() const { return state_->name; }

void FaultyDisk::fail(const DiskFault& fault) {
  const std::lock_guard lock(state_->mutex);
  state_->fault = fault;
  state_->fault_calls = 0;
  state_->failed = false;
}

void FaultyDisk::heal() {
  const std::lock_guard lock(state_->mutex);
  state_->fault.reset();
}

bool FaultyDisk::failed() const {
  const std::lock_guard lock(state_->mutex);
  return state_->failed;
}

void FaultyDisk::hold_at_most(std::uint64_t bytes) {
  const std::lock_guard lock(state_->mutex);
  state_->bytes_max = bytes;
}

std::uint64_t FaultyDisk::bytes_left() const {
  const std::lock_guard lock(state_->mutex);
  const std::uint64_t held = state_->bytes_held();
  return state_->bytes_max > held ? state_->bytes_max - held : 0;
}

void FaultyDisk::power_cut(Unsynced left) {
  const std::lock_guard lock(state_->mutex);
  for (auto& [path, file] : state_->files) state_->lose_unsynced(*file, left);
  state_->drop_connections();
  state_->down = false;
  state_->fault.reset();
  ++state_->power_cuts;
}

void FaultyDisk::kill_process() {
  const std::lock_guard lock(state_->mutex);
  state_->drop_connections();
  state_->down = false;
  state_->fault.reset();
}

std::uint64_t FaultyDisk::changes() const {
  const std::lock_guard lock(state_->mutex);
  return state_->changes;
}
std::uint64_t FaultyDisk::syncs() const {
  const std::lock_guard lock(state_->mutex);
  return state_->syncs;
}
std::uint64_t FaultyDisk::reads() const {
  const std::lock_guard lock(state_->mutex);
  return state_->reads;
}
std::uint64_t FaultyDisk::power_cuts() const {
  const std::lock_guard lock(state_->mutex);
  return state_->power_cuts;
}

DiskImage FaultyDisk::image() const {
  const std::lock_guard lock(state_->mutex);
  DiskImage out;
  for (const auto& [path, file] : state_->files)
    if (file->now.there) out.emplace(path, file->now.bytes);
  return out;
}

void FaultyDisk::put(const DiskImage& image) {
  const std::lock_guard lock(state_->mutex);
  state_->drop_connections();
  state_->down = false;
  // Connections from before keep the files they have open, which are nobody's any more.
  state_->files.clear();
  for (const auto& [path, bytes] : image) {
    auto file = std::make_shared<File>();
    file->now = {true, bytes};
    file->durable = file->now;
    state_->files.emplace(path, std::move(file));
  }
}

}  // namespace pli::testing
