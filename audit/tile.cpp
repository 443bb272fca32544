#include "audit/tile.hpp"

#include <algorithm>

#include "audit/text_lines.hpp"

namespace pli::audit {
namespace {

constexpr std::size_t hash_bytes = 32;
constexpr std::string_view tile_prefix = "tile/";
constexpr std::string_view entries_prefix = "entries/";

/// Does a tree below 2^63 leaves have it?
bool is_possible(std::uint8_t level, std::uint64_t index, std::size_t width) {
  if (level >= tile_levels_max || width == 0 || width > tile_width) return false;
  const std::uint64_t hashes_max = (tree_size_limit - 1) >> (tile_height * level);
  if (index > hashes_max / tile_width) return false;
  return index * tile_width + width <= hashes_max;
}

std::string three_digits(std::uint64_t value) {
  std::string text = std::to_string(value);
  return std::string(3 - text.size(), '0') + text;
}

/// 1234067 → "x001/x234/067", and the width of a partial one.
std::string path_end(std::uint64_t index, std::size_t width) {
  std::string path = three_digits(index % 1000);
  for (index /= 1000; index != 0; index /= 1000) path = 'x' + three_digits(index % 1000) + '/' + path;
  if (width != tile_width) path += ".p/" + std::to_string(width);
  return path;
}

struct PathEnd {
  std::uint64_t index = 0;
  std::size_t width = tile_width;
};

std::optional<PathEnd> parse_path_end(std::string_view text) {
  PathEnd end;
  if (const std::size_t partial = text.find(".p/"); partial != std::string_view::npos) {
    const auto width = parse_decimal(text.substr(partial + 3));
    if (!width || *width == 0 || *width >= tile_width) return std::nullopt;
    end.width = static_cast<std::size_t>(*width);
    text = text.substr(0, partial);
  }
  const auto group = [&](std::string_view digits) {
    if (digits.size() != 3) return false;
    for (const char c : digits) {
      if (c < '0' || c > '9') return false;
      end.index = end.index * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return true;
  };
  bool leading = true;
  while (take_prefix(text, "x")) {
    // Seven groups are past any tree, and three digits more would not fit 64 bits.
    if (end.index >= tree_size_limit / 1000) return std::nullopt;
    if (text.size() < 4 || text[3] != '/' || !group(text.substr(0, 3))) return std::nullopt;
    if (leading && end.index == 0) return std::nullopt;
    leading = false;
    text.remove_prefix(4);
  }
  if (end.index >= tree_size_limit / 1000 || !group(text)) return std::nullopt;
  return end;
}

Digest hash_at(ByteView tile, std::size_t i) {
  return to_array<hash_bytes>(tile.subspan(i * hash_bytes, hash_bytes)).value();
}

/// Root of the 2^height hashes from `first` on.
Digest subtree_of(ByteView tile, std::size_t first, int height) {
  if (height == 0) return hash_at(tile, first);
  std::array<Digest, tile_width / 2> row;
  std::size_t count = std::size_t{1} << (height - 1);
  for (std::size_t i = 0; i < count; ++i)
    row[i] = node_hash(hash_at(tile, first + 2 * i), hash_at(tile, first + 2 * i + 1));
  for (; count > 1; count /= 2)
    for (std::size_t i = 0; i < count / 2; ++i) row[i] = node_hash(row[2 * i], row[2 * i + 1]);
  return row[0];
}

}  // namespace

std::string to_path(const TileId& tile) {
  PLI_INVARIANT(is_possible(tile.level, tile.index, tile.width));
  return std::string(tile_prefix) + std::to_string(tile.level) + '/' + path_end(tile.index, tile.width);
}

std::string to_path(const BundleId& bundle) {
  PLI_INVARIANT(is_possible(0, bundle.index, bundle.width));
  return std::string(tile_prefix) + std::string(entries_prefix) + path_end(bundle.index, bundle.width);
}

Result<TileId> parse_tile_path(std::string_view path) {
  const Error refused{Errc::invalid_input, "not the path of a tile"};
  if (!take_prefix(path, tile_prefix)) return refused;
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return refused;
  const auto level = parse_decimal(path.substr(0, slash));
  const auto end = parse_path_end(path.substr(slash + 1));
  if (!level || *level >= tile_levels_max || !end) return refused;
  const TileId tile{static_cast<std::uint8_t>(*level), end->index, end->width};
  if (!is_possible(tile.level, tile.index, tile.width)) return refused;
  return tile;
}

Result<BundleId> parse_bundle_path(std::string_view path) {
  const Error refused{Errc::invalid_input, "not the path of an entry bundle"};
  if (!take_prefix(path, tile_prefix) || !take_prefix(path, entries_prefix)) return refused;
  const auto end = parse_path_end(path);
  if (!end || !is_possible(0, end->index, end->width)) return refused;
  return BundleId{end->index, end->width};
}

TileRow tile_row(TreeSize size, std::uint8_t level) {
  if (size.value >= tree_size_limit || level >= tile_levels_max) return {};
  const std::uint64_t hashes = size.value >> (tile_height * level);
  return {hashes / tile_width, static_cast<std::size_t>(hashes % tile_width)};
}

bool has_tile(TreeSize size, const TileId& tile) {
  const TileRow row = tile_row(size, tile.level);
  if (tile.width == tile_width) return tile.index < row.full;
  return tile.width != 0 && tile.index == row.full && tile.width == row.partial;
}

bool has_bundle(TreeSize size, const BundleId& bundle) { return has_tile(size, {0, bundle.index, bundle.width}); }

std::uint64_t bundle_count(TreeSize size) {
  const TileRow row = tile_row(size, 0);
  return row.full + (row.partial != 0 ? 1 : 0);
}

BundleId bundle_of(TreeSize size, std::uint64_t index) {
  PLI_INVARIANT(index < bundle_count(size));
  const TileRow row = tile_row(size, 0);
  return {index, index < row.full ? tile_width : row.partial};
}

Result<std::vector<TileId>> tiles_between(TreeSize older, TreeSize newer) {
  if (newer.value >= tree_size_limit) return Error{Errc::invalid_input, "tree size out of range"};
  if (older.value > newer.value) return Error{Errc::invalid_input, "older tree larger than the newer"};
  std::vector<TileId> tiles;
  for (std::uint8_t level = 0; level < tile_levels_max; ++level) {
    const TileRow before = tile_row(older, level);
    const TileRow after = tile_row(newer, level);
    for (std::uint64_t index = before.full; index < after.full; ++index) tiles.push_back({level, index, tile_width});
    if (after.partial != 0 && after != before) tiles.push_back({level, after.full, after.partial});
  }
  return tiles;
}

Result<Bytes> make_tile(const TileId& tile, const NodeSource& nodes) {
  if (!is_possible(tile.level, tile.index, tile.width)) return Error{Errc::invalid_input, "a tile no tree has"};
  Bytes bytes;
  bytes.reserve(tile.width * hash_bytes);
  for (std::size_t i = 0; i < tile.width; ++i) {
    const Result<Digest> hash =
        nodes({static_cast<std::uint8_t>(tile_height * tile.level), tile.index * tile_width + i});
    if (!hash) return hash.error();
    append(bytes, *hash);
  }
  return bytes;
}

Result<CheckedTiles> CheckedTiles::open(TreeSize size, const Digest& root, TileReader reader) {
  if (size.value >= tree_size_limit) return Error{Errc::invalid_input, "tree size out of range"};
  CheckedTiles tiles(size, std::move(reader));
  for (std::uint8_t level = 0; level < tile_levels_max; ++level) {
    const TileRow row = tile_row(size, level);
    if (row.partial == 0) continue;
    const TileId id{level, row.full, row.partial};
    Result<Bytes> hashes = tiles.fetch(id);
    if (!hashes) return hashes.error();
    tiles.edge_[level] = Kept{id, *std::move(hashes)};
  }
  // The subtrees the root is folded from are those of the size's set bits, and cover each partial tile to its last
  // hash: with the root, all of them are proven.
  const Result<Digest> rebuilt = root_at(size, tiles.source());
  if (!rebuilt) return rebuilt.error();
  if (*rebuilt != root) return Error{Errc::authentication_failed, "tiles of another tree than the checkpoint's"};
  return tiles;
}

Result<Bytes> CheckedTiles::fetch(const TileId& tile) const {
  Result<Bytes> hashes = reader_(tile);
  std::size_t width = tile.width;
  if (!hashes && hashes.error().code == Errc::not_found && width != tile_width) {
    width = tile_width;
    hashes = reader_({tile.level, tile.index, tile_width});
  }
  if (!hashes) return hashes;
  if (hashes->size() != width * hash_bytes) return Error{Errc::authentication_failed, "tile of a wrong length"};
  hashes->resize(tile.width * hash_bytes);
  return hashes;
}

/// Valid until the next call.
Result<const Bytes*> CheckedTiles::load(const TileId& tile) {
  if (const auto edge = edge_.find(tile.level); edge != edge_.end() && edge->second.id == tile)
    return &edge->second.hashes;
  if (const auto kept = latest_.find(tile.level); kept != latest_.end() && kept->second.id == tile)
    return &kept->second.hashes;
  // A full tile: its root is a hash of the level above, which has it because it is full.
  const TileRow above = tile_row(size_, static_cast<std::uint8_t>(tile.level + 1));
  const std::uint64_t parent = tile.index / tile_width;
  const std::size_t parent_width = parent < above.full ? tile_width : above.partial;
  const Result<const Bytes*> named = load({static_cast<std::uint8_t>(tile.level + 1), parent, parent_width});
  if (!named) return named;
  const Digest expected = hash_at(**named, static_cast<std::size_t>(tile.index % tile_width));
  Result<Bytes> hashes = fetch(tile);
  if (!hashes) return hashes.error();
  if (subtree_of(*hashes, 0, tile_height) != expected)
    return Error{Errc::authentication_failed, "not the tile that the one above names"};
  Kept& kept = latest_[tile.level];
  kept = Kept{tile, *std::move(hashes)};
  return &kept.hashes;
}

Result<Bytes> CheckedTiles::read(const TileId& tile) {
  if (!has_tile(size_, tile)) return Error{Errc::invalid_input, "no such tile in this tree"};
  const Result<const Bytes*> hashes = load(tile);
  if (!hashes) return hashes.error();
  return **hashes;
}

Result<Digest> CheckedTiles::node(NodeId id) {
  const Error missing{Errc::corruption, "no such node in this tree"};
  if (id.level >= 63 || id.index >= size_.value >> id.level) return missing;
  const auto level = static_cast<std::uint8_t>(id.level / tile_height);
  const int height = id.level % tile_height;
  const std::uint64_t first = id.index << height;
  const std::uint64_t index = first / tile_width;
  const TileRow row = tile_row(size_, level);
  const Result<const Bytes*> hashes = load({level, index, index < row.full ? tile_width : row.partial});
  if (!hashes) return hashes.error();
  return subtree_of(**hashes, static_cast<std::size_t>(first % tile_width), height);
}

NodeSource CheckedTiles::source() {
  return [this](NodeId id) { return node(id); };
}

Result<Bytes> encode_bundle(std::span<const ByteView> entries) {
  if (entries.empty()) return Error{Errc::invalid_input, "a bundle of no entry"};
  if (entries.size() > tile_width) return Error{Errc::over_limit, "too many entries for a bundle"};
  ByteWriter writer;
  for (const ByteView entry : entries) {
    if (entry.size() > entry_bytes_max) return Error{Errc::over_limit, "entry too long for a bundle"};
    writer.bytes16(entry);
  }
  return writer.take();
}

Result<std::vector<ByteView>> decode_bundle(ByteView bytes, std::size_t width) {
  std::vector<ByteView> entries;
  entries.reserve(std::min(width, tile_width));
  ByteReader reader(bytes);
  for (std::size_t i = 0; i < width && reader.ok(); ++i) entries.push_back(reader.bytes16());
  if (!reader.at_end()) return Error{Errc::invalid_input, "malformed entry bundle"};
  return entries;
}

Result<void> check_leaves(std::span<const Digest> leaf_hashes, ByteView tile) {
  const Error refused{Errc::authentication_failed, "entries that are not the tile's"};
  if (tile.size() != leaf_hashes.size() * hash_bytes) return refused;
  for (std::size_t i = 0; i < leaf_hashes.size(); ++i)
    if (hash_at(tile, i) != leaf_hashes[i]) return refused;
  return {};
}

void LeafRange::push(Node node) {
  // A right child closes its parent, if its left sibling is in this range.
  while (!subtrees_.empty() && (node.id.index & 1) == 1 && subtrees_.back().id.level == node.id.level) {
    node = {{static_cast<std::uint8_t>(node.id.level + 1), node.id.index >> 1},
            node_hash(subtrees_.back().hash, node.hash)};
    subtrees_.pop_back();
  }
  subtrees_.push_back(node);
}

void LeafRange::append(const Digest& leaf_hash) {
  PLI_INVARIANT(end_ + 1 < tree_size_limit);
  push({{0, end_}, leaf_hash});
  ++end_;
}

Result<void> LeafRange::join(const LeafRange& next) {
  if (next.begin_ != end_) return Error{Errc::invalid_input, "ranges of leaves that do not meet"};
  for (const Node& node : next.subtrees_) push(node);
  end_ = next.end_;
  return {};
}

Result<Digest> LeafRange::root() const {
  if (begin_ != 0) return Error{Errc::invalid_input, "a range that does not begin at the first leaf"};
  if (subtrees_.empty()) return empty_root();
  Digest root = subtrees_.back().hash;
  for (std::size_t i = subtrees_.size() - 1; i > 0; --i) root = node_hash(subtrees_[i - 1].hash, root);
  return root;
}

Result<LeafRange> hash_bundles(TreeSize size, BundleSpan span, const BundleReader& read, const BundleVisitor& visit) {
  if (span.first > span.end || span.end > bundle_count(size))
    return Error{Errc::invalid_input, "no such bundles in this tree"};
  // An empty span past a partial bundle begins where the tree ends.
  LeafRange range(LeafIndex{std::min(span.first * tile_width, size.value)});
  std::vector<Digest> leaf_hashes;
  for (std::uint64_t index = span.first; index < span.end; ++index) {
    const BundleId bundle = bundle_of(size, index);
    const Result<Bytes> bytes = read(bundle);
    if (!bytes) return bytes.error();
    const auto entries = decode_bundle(*bytes, bundle.width);
    if (!entries) return entries.error();
    leaf_hashes.clear();
    for (const ByteView entry : *entries) {
      leaf_hashes.push_back(leaf_hash(entry));
      range.append(leaf_hashes.back());
    }
    if (!visit) continue;
    if (auto seen = visit(bundle, *entries, leaf_hashes); !seen) return seen.error();
  }
  return range;
}

Result<void> verify_log(std::span<const LeafRange> units, TreeSize size, const Digest& root) {
  LeafRange log;
  for (const LeafRange& unit : units)
    if (auto joined = log.join(unit); !joined) return joined;
  if (log.end() != size) return Error{Errc::invalid_input, "not all the leaves of the checkpoint"};
  const Result<Digest> rebuilt = log.root();
  if (!rebuilt) return rebuilt.error();
  if (*rebuilt != root) return Error{Errc::authentication_failed, "leaves of another tree than the checkpoint's"};
  return {};
}

}  // namespace pli::audit
