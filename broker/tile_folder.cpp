#include "broker/tile_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/file.hpp"

namespace pli::broker {
namespace {

constexpr std::string_view checkpoint_name = "checkpoint";
constexpr const char* temporary_suffix = ".new";
constexpr std::size_t hash_bytes = 32;

/// Closed when it goes out of scope.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

Error failed(const char* what) { return {Errc::io_error, std::string("tiles folder: ") + what}; }

/// Made for a web server to read. Adds what must be synced for its name to last.
Result<void> make_folder(const std::filesystem::path& folder, std::set<std::filesystem::path>& to_sync) {
  std::error_code problem;
  if (std::filesystem::is_directory(folder, problem)) return {};
  if (folder.has_parent_path())
    if (auto made = make_folder(folder.parent_path(), to_sync); !made) return made;
  if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return failed("cannot make a folder");
  if (::chmod(folder.c_str(), 0755) != 0) return failed("cannot make a folder");
  to_sync.insert(folder.parent_path());
  return {};
}

Result<void> sync_folders(const std::set<std::filesystem::path>& folders) {
  for (const auto& folder : folders) {
    const Descriptor open(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (open.get() < 0 || ::fsync(open.get()) != 0) return failed("cannot flush a folder");
  }
  return {};
}

Result<Descriptor> write_temporary(const std::string& path, ByteView bytes) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (file.get() < 0 || ::fchmod(file.get(), 0644) != 0) return failed("cannot make a file");
  while (!bytes.empty()) {
    const ssize_t put = ::write(file.get(), bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return failed("cannot write a file");
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return file;
}

/// Of a full tile: the hash that stands for it one level up.
Digest root_of(ByteView tile) {
  audit::LeafRange range;
  for (std::size_t at = 0; at < tile.size(); at += hash_bytes)
    range.append(to_array<hash_bytes>(tile.subspan(at, hash_bytes)).value());
  return range.root().value();
}

/// The full tiles that the last leaf of a bundle completes, from level 0 upwards.
std::vector<audit::TileId> tiles_completed_by(std::uint64_t bundle) {
  std::vector<audit::TileId> out;
  for (std::uint8_t level = 0; level < audit::tile_levels_max; ++level, bundle /= audit::tile_width) {
    out.push_back({level, bundle, audit::tile_width});
    if ((bundle + 1) % audit::tile_width != 0) break;
  }
  return out;
}

Result<Bytes> encode_entries(const std::vector<std::string>& entries) {
  std::vector<ByteView> views;
  views.reserve(entries.size());
  for (const std::string& entry : entries) views.push_back(as_bytes(entry));
  return audit::encode_bundle(views);
}

}  // namespace

TileFolder::TileFolder(Settings settings, LogSource source)
    : settings_(std::move(settings)), source_(std::move(source)) {}

Result<TileFolder> TileFolder::open(Settings settings, TreeSize tree, LogSource source) {
  std::set<std::filesystem::path> to_sync;
  if (auto made = make_folder(settings.folder, to_sync); !made) return made.error();
  if (auto synced = sync_folders(to_sync); !synced) return synced.error();
  TileFolder folder(std::move(settings), std::move(source));
  if (auto taken = folder.take_up(tree); !taken) return taken.error();
  return folder;
}

Result<void> TileFolder::take_up(TreeSize tree) {
  published_.reset();
  size_ = {};
  entries_.clear();
  for (Bytes& hashes : hashes_) hashes.clear();
  fresh_ = true;
  unlooked_ = true;
  next_name_ = 0;
  auto note = read_file(settings_.folder / checkpoint_name, audit::note_bytes_max);
  if (!note) {
    if (note.error().code == Errc::not_found) return {};
    return note.error().code == Errc::over_limit ? Error{Errc::corruption, "tiles folder: not a checkpoint"}
                                                 : note.error();
  }
  const auto checkpoint = audit::verify_checkpoint(as_text(*note), settings_.log_key);
  if (!checkpoint) return Error{Errc::corruption, "the tiles folder's checkpoint is not signed by this log and shard"};
  const std::uint64_t size = checkpoint->size().value;
  if (checkpoint->size() > tree)
    return Error{Errc::conflict, "the database holds " + std::to_string(tree.value) + " leaves, the tiles folder " +
                                     std::to_string(size) + ": the database is older than what was published"};
  auto root = audit::root_at(checkpoint->size(), source_.nodes);
  if (!root) return root.error();
  if (*root != checkpoint->root())
    return Error{Errc::conflict, "the database's tree of " + std::to_string(size) +
                                     " leaves is not the one the tiles folder's checkpoint names"};

  const std::uint64_t in_bundle = size % audit::tile_width;
  auto entries = source_.leaves({size - in_bundle}, static_cast<std::size_t>(in_bundle));
  if (!entries) return entries.error();
  entries_ = *std::move(entries);
  for (std::uint8_t level = 0; level < audit::tile_levels_max; ++level) {
    const audit::TileRow row = audit::tile_row(checkpoint->size(), level);
    if (row.partial == 0) continue;
    auto hashes = audit::make_tile({level, row.full, row.partial}, source_.nodes);
    if (!hashes) return hashes.error();
    hashes_[level] = *std::move(hashes);
  }
  size_ = checkpoint->size();
  published_ = std::string(as_text(*note));
  return {};
}

Result<bool> TileFolder::grow(TreeSize size, const HandedLeaves& handed) {
  if (stale_) {
    if (auto taken = take_up(size); !taken) return taken.error();
    stale_ = false;
  }
  PLI_INVARIANT(size >= size_);
  auto done = step(size, handed);
  if (!done) stale_ = true;
  return done;
}

Result<bool> TileFolder::step(TreeSize size, const HandedLeaves& handed) {
  if (unlooked_) {
    const auto found = find_lost();
    if (!found || !*found) return found;
    unlooked_ = false;
  }
  if (size == size_ && !fresh_) return true;
  const std::uint64_t until =
      std::min(size.value, (size_.value / audit::tile_width + step_bundles) * audit::tile_width);
  const auto count = static_cast<std::size_t>(until - size_.value);
  std::vector<std::string> read;
  const std::string* next = nullptr;
  if (handed.first.value <= size_.value && until <= handed.first.value + handed.leaves.size()) {
    next = handed.leaves.data() + (size_.value - handed.first.value);
  } else {
    auto leaves = source_.leaves({size_.value}, count);
    if (!leaves) return leaves.error();
    read = *std::move(leaves);
    next = read.data();
  }

  std::vector<File> bundles;
  std::array<std::vector<File>, audit::tile_levels_max> tiles;
  std::uint64_t leaf = size_.value;
  const auto put_bundle = [&](std::uint64_t index) -> Result<void> {
    auto bytes = encode_entries(entries_);
    if (!bytes) return bytes.error();
    bundles.push_back({audit::to_path(audit::BundleId{index, entries_.size()}), *std::move(bytes),
                       entries_.size() == audit::tile_width});
    return {};
  };
  for (std::size_t i = 0; i < count; ++i, ++leaf) {
    entries_.push_back(next[i]);
    Digest hash = audit::leaf_hash(as_bytes(next[i]));
    for (std::uint8_t level = 0; level < audit::tile_levels_max; ++level) {
      Bytes& hashes = hashes_[level];
      append(hashes, hash);
      if (hashes.size() < audit::tile_bytes_max) break;
      hash = root_of(hashes);
      const std::uint64_t index = leaf >> (audit::tile_height * (level + 1));
      tiles[level].push_back({audit::to_path(audit::TileId{level, index, audit::tile_width}), std::move(hashes), true});
      hashes = {};
    }
    if (entries_.size() < audit::tile_width) continue;
    if (auto put = put_bundle(leaf / audit::tile_width); !put) return put.error();
    entries_.clear();
  }
  const bool whole = until == size.value;
  if (whole) {
    // What the checkpoint of this very size needs besides.
    if (!entries_.empty())
      if (auto put = put_bundle(until / audit::tile_width); !put) return put.error();
    for (std::uint8_t level = 0; level < audit::tile_levels_max; ++level) {
      const audit::TileRow row = audit::tile_row(size, level);
      if (row.partial != 0)
        tiles[level].push_back({audit::to_path(audit::TileId{level, row.full, row.partial}), hashes_[level], false});
    }
  }
  std::vector<File> files = std::move(bundles);
  for (std::vector<File>& level : tiles) std::move(level.begin(), level.end(), std::back_inserter(files));
  if (auto written = write(files); !written) return written.error();
  if (auto dropped = drop_partials(files); !dropped) return dropped.error();
  size_ = {until};
  fresh_ = fresh_ && !whole;
  return whole;
}

/// True once every full tile and bundle was looked for: by name alone, since the whole log's are asked for at once.
/// What is made anew for it is bounded as any step is.
Result<bool> TileFolder::find_lost() {
  const auto is_lost = [&](const std::string& path) { return ::access((settings_.folder / path).c_str(), F_OK) != 0; };
  std::uint64_t made = 0;
  for (; next_name_ < size_.value / audit::tile_width; ++next_name_) {
    bool lost = is_lost(audit::to_path(audit::BundleId{next_name_, audit::tile_width}));
    for (const audit::TileId& tile : tiles_completed_by(next_name_)) lost = lost || is_lost(audit::to_path(tile));
    if (!lost) continue;
    if (made == step_bundles) return false;
    if (auto mended = mend(next_name_); !mended) return mended.error();
    ++made;
  }
  return true;
}

Result<void> TileFolder::look(std::uint64_t bundles) {
  const std::uint64_t all = size_.value / audit::tile_width;
  if (stale_) return {};
  for (std::uint64_t left = std::min(bundles, all); left > 0; --left) {
    if (next_look_ >= all) next_look_ = 0;
    if (auto mended = mend(next_look_); !mended) return mended;
    ++next_look_;
  }
  if (next_look_ >= all) fresh_ = true;  // once round: the edge is written again by the next grow()
  return {};
}

/// The bundle and the tiles it completes: left where they are what they should be, made anew where they are lost.
Result<void> TileFolder::mend(std::uint64_t bundle) {
  auto entries = source_.leaves({bundle * audit::tile_width}, audit::tile_width);
  if (!entries) return entries.error();
  auto bytes = encode_entries(*entries);
  if (!bytes) return bytes.error();
  std::vector<File> files;
  files.push_back({audit::to_path(audit::BundleId{bundle, audit::tile_width}), *std::move(bytes), true});
  for (const audit::TileId& tile : tiles_completed_by(bundle)) {
    auto hashes = audit::make_tile(tile, source_.nodes);
    if (!hashes) return hashes.error();
    files.push_back({audit::to_path(tile), *std::move(hashes), true});
  }
  std::error_code problem;
  const auto lost = std::count_if(files.begin(), files.end(), [&](const File& file) {
    return !std::filesystem::exists(settings_.folder / file.path, problem);
  });
  if (auto written = write(files); !written) return written;
  mended_ += static_cast<std::size_t>(lost);
  return {};
}

Result<void> TileFolder::write(const std::vector<File>& files) {
  struct Written {
    const File* file;
    Descriptor open;
  };
  std::vector<Written> written;
  std::set<std::filesystem::path> to_sync;
  for (const File& file : files) {
    const std::filesystem::path path = settings_.folder / file.path;
    const auto there = read_file(path, file.bytes.size());
    if (there && equal(*there, file.bytes)) continue;
    if (!there && there.error().code == Errc::io_error) return failed("a file cannot be read");
    const bool differs = there.has_value() || there.error().code == Errc::over_limit;
    if (differs && file.full)
      return Error{Errc::conflict, "the tiles folder's " + file.path + " holds other bytes than this log's"};
    if (auto made = make_folder(path.parent_path(), to_sync); !made) return made;
    auto open = write_temporary(path.string() + temporary_suffix, file.bytes);
    if (!open) return open.error();
    written.push_back({&file, *std::move(open)});
  }
  // A name never stands for bytes that a power cut could still take.
  for (const Written& one : written)
    if (::fdatasync(one.open.get()) != 0) return failed("cannot flush a file");
  for (const Written& one : written) {
    if (settings_.before_each_name)
      if (auto go_on = settings_.before_each_name(); !go_on) return go_on;
    const std::filesystem::path path = settings_.folder / one.file->path;
    if (::rename((path.string() + temporary_suffix).c_str(), path.c_str()) != 0) return failed("cannot name a file");
    to_sync.insert(path.parent_path());
  }
  return sync_folders(to_sync);
}

Result<void> TileFolder::drop_partials(const std::vector<File>& files) const {
  for (const File& file : files) {
    if (!file.full) continue;
    std::error_code problem;
    std::filesystem::remove_all(settings_.folder / (file.path + ".p"), problem);
    if (problem) return failed("cannot remove what a full tile has replaced");
  }
  return {};
}

Result<void> TileFolder::publish(const std::string& note) {
  if (settings_.before_each_name)
    if (auto go_on = settings_.before_each_name(); !go_on) return go_on;
  auto written = write_file_durably(settings_.folder / checkpoint_name, as_bytes(note), FileMode::world_readable);
  if (written) published_ = note;
  return written;
}

}  // namespace pli::broker
