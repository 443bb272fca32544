#include "client/tile_folder.hpp"

#include "base/file.hpp"

namespace pli::client {

namespace fs = std::filesystem;

Result<void> AppendOnlyFolder::place(const std::string& name, ByteView bytes) {
  const fs::path file = folder_ / name;
  auto there = read_file(file, bytes.size());
  if (there && equal(*there, bytes)) return {};
  if (there || there.error().code == Errc::over_limit) return Error{Errc::conflict, name};
  if (there.error().code != Errc::not_found) return there.error();
  for (std::size_t slash = name.find('/'); slash != std::string::npos; slash = name.find('/', slash + 1)) {
    if (!known_.insert(name.substr(0, slash)).second) continue;
    std::error_code failed;
    if (!fs::exists(folder_ / name.substr(0, slash), failed)) made_.push_back(name.substr(0, slash));
    if (auto made = create_private_folder(folder_ / name.substr(0, slash)); !made) return made.error();
  }
  if (auto written = write_file_durably(file, bytes, FileMode::owner_only); !written) return written.error();
  added_.push_back(name);
  return {};
}

Result<Bytes> AppendOnlyFolder::read(const std::string& name, std::size_t bytes_max) const {
  return read_file(folder_ / name, bytes_max);
}

void AppendOnlyFolder::take_back() {
  std::error_code ignored;
  for (const std::string& name : added_) fs::remove(folder_ / name, ignored);
  added_.clear();
  // Inner ones were made after those they are in; one that holds something else stays.
  for (; !made_.empty(); made_.pop_back()) fs::remove(folder_ / made_.back(), ignored);
  known_.clear();
}

Result<TileWriter> TileWriter::resume(AppendOnlyFolder& folder, TreeSize size, const Digest& root) {
  auto tiles = audit::CheckedTiles::open(size, root, [&folder](const audit::TileId& tile) {
    return folder.read(audit::to_path(tile), audit::tile_bytes_max);
  });
  if (!tiles) return tiles.error();
  TileWriter writer(folder);
  auto edge = audit::TreeEdge::load(size, tiles->source());
  if (!edge) return edge.error();
  writer.edge_ = *std::move(edge);
  for (std::uint8_t level = 0; level < audit::tile_levels_max; ++level) {
    const audit::TileRow row = audit::tile_row(size, level);
    writer.levels_[level].full = row.full;
    if (row.partial == 0) continue;
    auto hashes = tiles->read({level, row.full, row.partial});
    if (!hashes) return hashes.error();
    writer.levels_[level].hashes = *std::move(hashes);
  }
  return writer;
}

Result<void> TileWriter::append(ByteView leaf) {
  scratch_.clear();
  edge_.append(audit::leaf_hash(leaf), scratch_);
  for (const audit::Node& node : scratch_) {
    if (node.id.level % audit::tile_height != 0) continue;
    const auto tile_level = static_cast<std::uint8_t>(node.id.level / audit::tile_height);
    Level& level = levels_[tile_level];
    pli::append(level.hashes, node.hash);
    if (level.hashes.size() < audit::tile_bytes_max) continue;
    const audit::TileId tile{tile_level, level.full, audit::tile_width};
    if (auto placed = folder_->place(audit::to_path(tile), level.hashes); !placed) return placed.error();
    ++level.full;
    level.hashes.clear();
  }
  return {};
}

Result<void> TileWriter::finish() {
  for (std::uint8_t level = 0; level < audit::tile_levels_max; ++level) {
    const Bytes& hashes = levels_[level].hashes;
    if (hashes.empty()) continue;
    const audit::TileId tile{level, levels_[level].full, hashes.size() / sizeof(Digest)};
    if (auto placed = folder_->place(audit::to_path(tile), hashes); !placed) return placed.error();
  }
  return {};
}

Result<BundleMaker> BundleMaker::resume(const AppendOnlyFolder& folder, TreeSize size) {
  BundleMaker maker;
  const audit::TileRow row = audit::tile_row(size, 0);
  maker.full_ = row.full;
  if (row.partial == 0) return maker;
  auto bytes = folder.read(audit::to_path(audit::BundleId{row.full, row.partial}), audit::bundle_bytes_max);
  if (!bytes) return bytes.error();
  auto entries = audit::decode_bundle(*bytes, row.partial);
  if (!entries) return entries.error();
  std::vector<Digest> hashes;
  for (ByteView entry : *entries) {
    maker.entries_.push_back(to_bytes(entry));
    hashes.push_back(audit::leaf_hash(entry));
  }
  auto tile = folder.read(audit::to_path(audit::TileId{0, row.full, row.partial}), audit::tile_bytes_max);
  if (!tile) return tile.error();
  if (auto checked = audit::check_leaves(hashes, *tile); !checked) return checked.error();
  return maker;
}

Result<std::optional<BundleMaker::Bundle>> BundleMaker::append(ByteView leaf) {
  if (leaf.size() > audit::entry_bytes_max) return Error{Errc::over_limit, "a leaf longer than a bundle's entry"};
  entries_.push_back(to_bytes(leaf));
  if (entries_.size() < audit::tile_width) return std::optional<Bundle>();
  auto bundle = make();
  if (!bundle) return bundle.error();
  ++full_;
  entries_.clear();
  return std::optional<Bundle>(*std::move(bundle));
}

Result<std::optional<BundleMaker::Bundle>> BundleMaker::rest() const {
  if (entries_.empty()) return std::optional<Bundle>();
  auto bundle = make();
  if (!bundle) return bundle.error();
  return std::optional<Bundle>(*std::move(bundle));
}

Result<BundleMaker::Bundle> BundleMaker::make() const {
  const std::vector<ByteView> views(entries_.begin(), entries_.end());
  auto bytes = audit::encode_bundle(views);
  if (!bytes) return bytes.error();
  return Bundle{{full_, entries_.size()}, *std::move(bytes)};
}

}  // namespace pli::client
