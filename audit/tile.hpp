// The tree and its leaves as files anyone can fetch (C2SP tlog-tiles.md v0.1.0; formats §6): tiles of 256 hashes,
// bundles of 256 entries. Pure: reading a tile or a bundle is a function passed in. Safe on hostile input.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "audit/tree.hpp"

namespace pli::audit {

inline constexpr std::size_t tile_width = 256;  ///< hashes of a full tile, entries of a full bundle
inline constexpr std::uint8_t tile_height = 8;  ///< levels of the tree in one level of tiles
/// Tile levels of the largest tree, whose leaves are fewer than 2^63.
inline constexpr std::uint8_t tile_levels_max = 8;
inline constexpr std::size_t tile_bytes_max = tile_width * 32;
inline constexpr std::size_t entry_bytes_max = 65535;
inline constexpr std::size_t bundle_bytes_max = tile_width * (2 + entry_bytes_max);

/// Hash i of tile (level, index) is the root of the leaves [(index·256+i)·256^level, (index·256+i+1)·256^level).
struct TileId {
  std::uint8_t level = 0;
  std::uint64_t index = 0;
  std::size_t width = tile_width;  ///< 1 to 255: a partial tile
  auto operator<=>(const TileId&) const = default;
};
/// Entry i of bundle `index` is leaf index·256+i.
struct BundleId {
  std::uint64_t index = 0;
  std::size_t width = tile_width;
  auto operator<=>(const BundleId&) const = default;
};

/// "tile/<level>/<index>[.p/<width>]" (tlog-tiles, "Merkle Tree"). An id no tree has is our mistake and terminates.
[[nodiscard]] std::string to_path(const TileId& tile);
/// "tile/entries/<index>[.p/<width>]" (tlog-tiles, "Log Entries").
[[nodiscard]] std::string to_path(const BundleId& bundle);
/// Whatever is read writes back the same, and some tree below 2^63 leaves has it. Errors: invalid_input.
[[nodiscard]] Result<TileId> parse_tile_path(std::string_view path);
[[nodiscard]] Result<BundleId> parse_bundle_path(std::string_view path);

/// What one level of a tree of a given size holds: full tiles 0…full-1, then one of width `partial` unless that is 0.
struct TileRow {
  std::uint64_t full = 0;
  std::size_t partial = 0;
  bool operator==(const TileRow&) const = default;
};
/// Sizes from 2^63, and levels beyond any tree, have no tile. Cannot fail.
[[nodiscard]] TileRow tile_row(TreeSize size, std::uint8_t level);
/// Does the tree of `size` leaves have this very tile? Nobody may be asked for another (tlog-tiles, "Partial Tiles").
[[nodiscard]] bool has_tile(TreeSize size, const TileId& tile);
[[nodiscard]] bool has_bundle(TreeSize size, const BundleId& bundle);
/// Full and partial bundles of that tree: ceil(size / 256).
[[nodiscard]] std::uint64_t bundle_count(TreeSize size);
/// Bundle `index` as that tree has it; `index` < bundle_count(size), else it terminates.
[[nodiscard]] BundleId bundle_of(TreeSize size, std::uint64_t index);

/// The tiles of the tree (newer) that the tree (older) does not have, from level 0 upwards, each level from the left:
/// the order in which they must become durable, before the checkpoint. With `older` 0: all of them.
/// One id per 256 leaves of growth: for large growth, go in steps. Errors: invalid_input (older > newer, or 2^63).
[[nodiscard]] Result<std::vector<TileId>> tiles_between(TreeSize older, TreeSize newer);

/// Reads the hashes of a tile from the tree's nodes, concatenated as they are served.
/// Errors: the source's (a node the tree does not have), invalid_input for an id no tree has.
[[nodiscard]] Result<Bytes> make_tile(const TileId& tile, const NodeSource& nodes);

/// A tile's bytes. Errors: the storage's; not_found when it is not there.
using TileReader = std::function<Result<Bytes>(const TileId&)>;
using BundleReader = std::function<Result<Bytes>(const BundleId&)>;

/// The tiles of one checkpoint, each checked against its root before anything is read from it: the right edge when
/// opened, every other tile against its hash in the tile above (tlog-tiles, "Merkle Tree"). So what it answers is
/// proven, however hostile the reader. Keeps a dozen tiles; not thread-safe, give each thread its own.
class CheckedTiles {
 public:
  /// Reads the partial tile of each level and folds them into `root`. A partial tile the reader no longer has is cut
  /// from the full one that replaced it.
  /// Errors: invalid_input (size), the reader's, authentication_failed (a tile of a wrong length, or another root).
  [[nodiscard]] static Result<CheckedTiles> open(TreeSize size, const Digest& root, TileReader reader);

  [[nodiscard]] TreeSize size() const { return size_; }
  /// The hashes of a tile that the tree has. Errors: invalid_input (not its tile), the reader's,
  /// authentication_failed (not the tile its parent names).
  [[nodiscard]] Result<Bytes> read(const TileId& tile);
  /// Any complete subtree: proofs can be made from tiles. Errors: corruption (not in this tree), those of read().
  [[nodiscard]] Result<Digest> node(NodeId id);
  /// node() as a function. Valid while this object lives and is not moved.
  [[nodiscard]] NodeSource source();

 private:
  CheckedTiles(TreeSize size, TileReader reader) : size_(size), reader_(std::move(reader)) {}
  [[nodiscard]] Result<Bytes> fetch(const TileId& tile) const;
  [[nodiscard]] Result<const Bytes*> load(const TileId& tile);

  struct Kept {
    TileId id;
    Bytes hashes;
  };
  TreeSize size_;
  TileReader reader_;
  std::map<std::uint8_t, Kept> edge_;    ///< the partial tile of each level
  std::map<std::uint8_t, Kept> latest_;  ///< of each level, the last full tile asked for
};

/// u16 length ‖ entry, for each (tlog-tiles, "Log Entries"). Errors: over_limit for an entry above 65,535 bytes or more
/// than 256 of them, invalid_input for none.
[[nodiscard]] Result<Bytes> encode_bundle(std::span<const ByteView> entries);
/// Exactly `width` entries, as views into `bytes`. Errors: invalid_input (another count, or something left over).
[[nodiscard]] Result<std::vector<ByteView>> decode_bundle(ByteView bytes, std::size_t width);

/// Are these the leaves of that level-0 tile, in its order? Errors: authentication_failed.
[[nodiscard]] Result<void> check_leaves(std::span<const Digest> leaf_hashes, ByteView tile);

/// The leaves [begin, end) of a tree as its complete subtrees, O(log n) of them: what is left of a part of the log once
/// it was hashed. Parts hashed apart, each by its own thread, join in order.
class LeafRange {
 public:
  LeafRange() = default;  ///< Begins at leaf 0, empty.
  explicit LeafRange(LeafIndex begin) : begin_(begin.value), end_(begin.value) {}
  [[nodiscard]] LeafIndex begin() const { return {begin_}; }
  [[nodiscard]] TreeSize end() const { return {end_}; }
  [[nodiscard]] const std::vector<Node>& subtrees() const { return subtrees_; }
  void append(const Digest& leaf_hash);
  /// Errors: invalid_input when `next` does not begin where this ends.
  [[nodiscard]] Result<void> join(const LeafRange& next);
  /// Root of the tree of end() leaves. Errors: invalid_input when this does not begin at leaf 0.
  [[nodiscard]] Result<Digest> root() const;

 private:
  void push(Node node);
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
  std::vector<Node> subtrees_;  ///< from left to right; no two of them are siblings
};

/// Some consecutive bundles [first, end): a unit of work that shares nothing with another.
struct BundleSpan {
  std::uint64_t first = 0;
  std::uint64_t end = 0;
};
/// Sees each bundle once it is taken apart, before its range is known to be the log's: entries and their leaf hashes.
using BundleVisitor = std::function<Result<void>(const BundleId&, std::span<const ByteView> entries,
                                                 std::span<const Digest> leaf_hashes)>;

/// Hashes the bundles of `span` of the tree of `size` leaves, one in memory at a time. Nothing is verified until the
/// joined ranges give the checkpoint's root; verify_log says how. `visit` may be empty.
/// Errors: invalid_input (a span the tree does not have, a malformed bundle), the reader's, the visitor's.
[[nodiscard]] Result<LeafRange> hash_bundles(TreeSize size, BundleSpan span, const BundleReader& read,
                                             const BundleVisitor& visit);

/// The joined units [0, size) against a checkpoint. Errors: invalid_input (a gap, an overlap, another size),
/// authentication_failed (another root).
[[nodiscard]] Result<void> verify_log(std::span<const LeafRange> units, TreeSize size, const Digest& root);

}  // namespace pli::audit
