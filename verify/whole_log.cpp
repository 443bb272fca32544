#include "verify/whole_log.hpp"

#include <atomic>
#include <chrono>
#include <future>

namespace pli::verify {
namespace {

constexpr std::chrono::milliseconds progress_interval{200};

struct Half {
  audit::LeafRange range;
  Tally tally;
};

/// What the two halves tell each other and whoever waits for them.
struct Shared {
  std::atomic<std::uint64_t> leaves_done{0};
  std::atomic<bool> one_failed{false};
};

/// Level-0 tiles are compared with the entries' hashes, which the checkpoint's root holds in the end: no second
/// hashing. Only when the two differ is the tile proven, to tell which of them is at fault.
Result<void> compare_with_tile(const Folder& folder, const audit::TreeHead& head, const audit::BundleId& bundle,
                               std::span<const Digest> leaf_hashes) {
  const audit::TileId id{0, bundle.index, bundle.width};
  const auto tile = folder.tiles()(id);
  if (!tile) return at(to_path(id), tile.error());
  const auto same = audit::check_leaves(leaf_hashes, *tile);
  if (same) return {};
  auto tiles = audit::CheckedTiles::open(head.size, head.root, folder.tiles());
  if (!tiles) return tiles.error();
  if (const auto proven = tiles->read(id); !proven) return at(to_path(id), proven.error());
  return at(to_path(bundle), same.error());
}

Result<Half> verify_half(const Folder& folder, const audit::TreeHead& head, audit::BundleSpan span, Shared& shared) {
  Half half;
  const audit::BundleReader read = [&, inner = folder.bundles()](const audit::BundleId& bundle) -> Result<Bytes> {
    if (shared.one_failed) return Error{Errc::unavailable, "the other half of the log failed"};
    auto bytes = inner(bundle);
    if (!bytes) return at(to_path(bundle), bytes.error());
    if (const auto shape = audit::decode_bundle(*bytes, bundle.width); !shape)
      return at(to_path(bundle), shape.error());
    return bytes;
  };
  const audit::BundleVisitor visit = [&](const audit::BundleId& bundle, std::span<const ByteView> entries,
                                         std::span<const Digest> leaf_hashes) -> Result<void> {
    if (auto same = compare_with_tile(folder, head, bundle, leaf_hashes); !same) return same;
    for (std::size_t i = 0; i < entries.size(); ++i)
      if (auto leaf = half.tally.take(bundle.index * audit::tile_width + i, entries[i]); !leaf) return leaf.error();
    shared.leaves_done += entries.size();
    return {};
  };
  auto range = audit::hash_bundles(head.size, span, read, visit);
  if (!range) {
    shared.one_failed = true;
    return range.error();
  }
  half.range = *std::move(range);
  return half;
}

Error backwards(std::uint64_t index) {
  return {Errc::authentication_failed, "leaf " + std::to_string(index) + ": its time is less than the leaf before's"};
}

}  // namespace

Error at(const std::string& place, const Error& error) { return {error.code, place + ": " + error.detail}; }

Result<audit::Leaf> Tally::take(std::uint64_t index, ByteView entry) {
  auto leaf = audit::decode_leaf(as_text(entry));
  if (!leaf) return at("leaf " + std::to_string(index), leaf.error());
  if (!first_)
    first_ = leaf->time;
  else if (leaf->time < last_)
    return backwards(index);
  last_ = leaf->time;
  ++counts_.at(static_cast<std::size_t>(leaf->type));
  return leaf;
}

Result<void> Tally::join(std::uint64_t index, const Tally& next) {
  if (!next.first_) return {};
  if (first_ && *next.first_ < last_) return backwards(index);
  if (!first_) first_ = next.first_;
  last_ = next.last_;
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += next.counts_[i];
  return {};
}

void Tally::tell(Report& report) const {
  if (first_) {
    report.say("time.first", utc(*first_));
    report.say("time.last", utc(last_));
  }
  for (std::size_t i = 0; i < counts_.size(); ++i)
    if (counts_[i] != 0) report.count("leaves." + std::string(text_of(static_cast<audit::LeafType>(i))), counts_[i]);
}

Outcome<audit::CheckedTiles> open_tiles(const Folder& folder, const audit::VerifiedCheckpoint& checkpoint) {
  const auto named = [inner = folder.tiles()](const audit::TileId& tile) -> Result<Bytes> {
    auto bytes = inner(tile);
    if (!bytes && bytes.error().code != Errc::not_found) return at(to_path(tile), bytes.error());
    return bytes;
  };
  auto tiles = audit::CheckedTiles::open(checkpoint.size(), checkpoint.root(), named);
  if (!tiles) return refuse("tiles", tiles.error());
  return *std::move(tiles);
}

Outcome<void> check_tiles(const audit::VerifiedCheckpoint& checkpoint, audit::CheckedTiles& tiles,
                          std::uint8_t lowest) {
  for (std::uint8_t level = lowest; level < audit::tile_levels_max; ++level) {
    const audit::TileRow row = audit::tile_row(checkpoint.size(), level);
    for (std::uint64_t index = 0; index < row.full; ++index) {
      const audit::TileId tile{level, index, audit::tile_width};
      if (const auto hashes = tiles.read(tile); !hashes) return refuse("tiles", at(to_path(tile), hashes.error()));
    }
  }
  return {};
}

Outcome<void> verify_whole_log(const Folder& folder, const audit::VerifiedCheckpoint& checkpoint,
                               const Progress& progress, Report& report) {
  auto tiles = open_tiles(folder, checkpoint);
  if (!tiles) return tiles.error();
  if (auto checked = check_tiles(checkpoint, *tiles, 1); !checked) return checked;

  const audit::TreeHead& head = checkpoint.head();
  const std::uint64_t bundles = audit::bundle_count(head.size);
  const std::uint64_t middle = bundles / 2;
  Shared shared;
  const auto start = [&](audit::BundleSpan span) {
    return std::async(std::launch::async, [&, span] { return verify_half(folder, head, span, shared); });
  };
  std::array<std::future<Result<Half>>, 2> workers = {start({0, middle}), start({middle, bundles})};
  for (auto& worker : workers)
    while (worker.wait_for(progress_interval) != std::future_status::ready)
      if (progress) progress(shared.leaves_done);
  if (progress) progress(shared.leaves_done);
  std::array<Result<Half>, 2> halves = {workers[0].get(), workers[1].get()};
  for (const auto& half : halves)  // not the one that stopped for the other
    if (!half && half.error().code != Errc::unavailable) return refuse("entries", half.error());

  if (auto joined = halves[0]->tally.join(middle * audit::tile_width, halves[1]->tally); !joined)
    return refuse("entries", joined.error());
  const std::array<audit::LeafRange, 2> ranges = {halves[0]->range, halves[1]->range};
  if (auto same = audit::verify_log(ranges, head.size, head.root); !same) return refuse("entries", same.error());
  halves[0]->tally.tell(report);
  return {};
}

}  // namespace pli::verify
