#include "audit/tile.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "audit/inclusion.hpp"
#include "support.hpp"

namespace pli::audit::test {
namespace {

/// A log as a folder of tiles and bundles, by path, of every size it ever had.
class TiledLog {
 public:
  void grow(std::uint64_t size) {
    const TreeSize before = tree_.size();
    while (tree_.size().value < size) {
      entries_.push_back(to_bytes("entry " + std::to_string(tree_.size().value)));
      tree_.append(entries_.back());
    }
    const std::vector<TileId> tiles = tiles_between(before, tree_.size()).value();
    for (const TileId& tile : tiles) {
      files_[to_path(tile)] = make_tile(tile, tree_.source()).value();
      if (tile.level != 0) continue;
      const BundleId bundle{tile.index, tile.width};
      std::vector<ByteView> views;
      for (std::size_t i = 0; i < tile.width; ++i) views.emplace_back(entries_[tile.index * tile_width + i]);
      files_[to_path(bundle)] = encode_bundle(views).value();
    }
  }
  const MemoryTree& tree() const { return tree_; }
  TreeSize size() const { return tree_.size(); }
  std::map<std::string, Bytes>& files() { return files_; }
  const std::vector<std::string>& asked() const { return asked_; }

  TileReader tiles() {
    return [this](const TileId& tile) { return read(to_path(tile)); };
  }
  BundleReader bundles() {
    return [this](const BundleId& bundle) { return read(to_path(bundle)); };
  }

 private:
  Result<Bytes> read(const std::string& path) {
    asked_.push_back(path);
    const auto file = files_.find(path);
    if (file == files_.end()) return Error{Errc::not_found, "no such file"};
    return file->second;
  }
  MemoryTree tree_;
  std::vector<Bytes> entries_;
  std::map<std::string, Bytes> files_;
  std::vector<std::string> asked_;
};

TEST(TilePath, OfTheSpecificationIsWrittenAndRead) {
  const std::vector<std::pair<TileId, std::string>> known = {
      {{0, 0, 256}, "tile/0/000"},
      {{0, 999, 256}, "tile/0/999"},
      {{0, 1000, 256}, "tile/0/x001/000"},
      {{3, 1234067, 256}, "tile/3/x001/x234/067"},
      {{3, 1234067, 112}, "tile/3/x001/x234/067.p/112"},
      {{1, 1, 1}, "tile/1/001.p/1"},
      {{7, 0, 127}, "tile/7/000.p/127"},
      {{0, 1000000, 255}, "tile/0/x001/x000/000.p/255"},
      {{0, 36028797018963966, 256}, "tile/0/x036/x028/x797/x018/x963/966"},
  };
  for (const auto& [tile, path] : known) {
    EXPECT_EQ(to_path(tile), path);
    const auto read = parse_tile_path(path);
    ASSERT_TRUE(read) << path;
    EXPECT_EQ(*read, tile);
  }
  EXPECT_EQ(to_path(BundleId{1234067, 112}), "tile/entries/x001/x234/067.p/112");
  EXPECT_EQ(parse_bundle_path("tile/entries/x001/x234/067.p/112").value(), (BundleId{1234067, 112}));
  EXPECT_EQ(to_path(BundleId{0, 256}), "tile/entries/000");
}

TEST(TilePath, SpeltOtherwiseIsRefused) {
  for (const char* path : {"",
                           "tile",
                           "tile/",
                           "tile/0",
                           "tile/0/",
                           "/tile/0/000",
                           "tile/0/000/",
                           "tile/00/000",
                           "tile/-1/000",
                           "tile/+0/000",
                           "tile/x/000",
                           "tile/8/000",
                           "tile/64/000",
                           "tile/256/000",
                           "tile/0/0",
                           "tile/0/00",
                           "tile/0/0000",
                           "tile/0/x000/000",
                           "tile/0/x000/001",
                           "tile/0/001/000",
                           "tile/0/x001",
                           "tile/0/x001/",
                           "tile/0/X001/000",
                           "tile/0/x01/000",
                           "tile/0/x0001/000",
                           "tile/0/000.p",
                           "tile/0/000.p/",
                           "tile/0/000.p/0",
                           "tile/0/000.p/256",
                           "tile/0/000.p/01",
                           "tile/0/000.p/-1",
                           "tile/0/000.p/1/",
                           "tile/0/000.P/1",
                           "tile/0/000p/1",
                           "tile/0/.p/1",
                           "tile/0/x001.p/1",
                           "tile/0/x001.p/000",
                           "tile/0/000.p/1.p/1",
                           "tile/0/000 ",
                           "tile/0/ 00",
                           "tile/entries/000",
                           "tile/7/000",
                           "tile/7/000.p/128",
                           "tile/7/001.p/1",
                           "tile/0/x036/x028/x797/x018/x963/968",
                           "tile/0/x072/x057/x594/x037/x927/936" /* times 256: 2^64 */,
                           "tile/0/x001/x000/x000/x000/x000/x000/000",
                           "tile/0/x999/x999/x999/x999/x999/x999/999"}) {
    const auto tile = parse_tile_path(path);
    ASSERT_FALSE(tile) << path;
    EXPECT_EQ(tile.error().code, Errc::invalid_input);
  }
  for (const char* path : {"", "tile/000", "tile/0/000", "tile/entries", "tile/entries/", "tile/entries/0/000",
                           "tile/entries/x000/000", "tile/entries/000.p/256", "tile/data/000"})
    EXPECT_EQ(parse_bundle_path(path).error().code, Errc::invalid_input) << path;
}

TEST(TilePath, OfRandomTilesComesBack) {
  std::mt19937_64 random(20261127);
  for (int i = 0; i < 5000; ++i) {
    const auto level = static_cast<std::uint8_t>(random() % 8);
    const std::uint64_t hashes = (tree_size_limit - 1) >> (8 * level) >> (random() % 60);
    if (hashes < 256) continue;
    const TileId tile{level, random() % (hashes / 256), i % 2 == 0 ? tile_width : 1 + random() % 255};
    EXPECT_EQ(parse_tile_path(to_path(tile)).value(), tile);
  }
}

TEST(TileRow, OfTheSizesOfTheSpecification) {
  EXPECT_EQ(tile_row(TreeSize{70000}, 0), (TileRow{273, 112}));
  EXPECT_EQ(tile_row(TreeSize{70000}, 1), (TileRow{1, 17}));
  EXPECT_EQ(tile_row(TreeSize{70000}, 2), (TileRow{0, 1}));
  EXPECT_EQ(tile_row(TreeSize{70000}, 3), TileRow{});
  EXPECT_EQ(tile_row(TreeSize{256}, 0), (TileRow{1, 0}));
  EXPECT_EQ(tile_row(TreeSize{256}, 1), (TileRow{0, 1}));
  EXPECT_EQ(tile_row(TreeSize{257}, 0), (TileRow{1, 1}));
  EXPECT_EQ(tile_row(TreeSize{257}, 1), (TileRow{0, 1}));
  EXPECT_EQ(tile_row(TreeSize{0}, 0), TileRow{});
  EXPECT_EQ(tile_row(TreeSize{tree_size_limit - 1}, 7), (TileRow{0, 127}));
  EXPECT_EQ(tile_row(TreeSize{tree_size_limit}, 0), TileRow{});
  EXPECT_EQ(tile_row(TreeSize{tree_size_limit - 1}, 8), TileRow{});
}

TEST(TileRow, TellsWhichTilesATreeHas) {
  const TreeSize size{70000};
  EXPECT_TRUE(has_tile(size, {0, 272, 256}));
  EXPECT_TRUE(has_tile(size, {0, 273, 112}));
  EXPECT_TRUE(has_tile(size, {2, 0, 1}));
  for (const TileId& tile : {TileId{0, 273, 256}, TileId{0, 273, 111}, TileId{0, 273, 113}, TileId{0, 272, 112},
                             TileId{0, 274, 1}, TileId{3, 0, 1}, TileId{1, 1, 0}, TileId{8, 0, 1}, TileId{0, 273, 0}})
    EXPECT_FALSE(has_tile(size, tile)) << int{tile.level} << ' ' << tile.index << ' ' << tile.width;
  EXPECT_EQ(bundle_count(size), 274U);
  EXPECT_EQ(bundle_of(size, 272), (BundleId{272, 256}));
  EXPECT_EQ(bundle_of(size, 273), (BundleId{273, 112}));
  EXPECT_TRUE(has_bundle(size, {273, 112}));
  EXPECT_FALSE(has_bundle(size, {273, 256}));
  EXPECT_EQ(bundle_count(TreeSize{0}), 0U);
  EXPECT_EQ(bundle_count(TreeSize{512}), 2U);
  EXPECT_FALSE(has_tile(TreeSize{512}, {0, 2, 0}));
}

TEST(TilesBetween, AreThoseOfTheNewerThatTheOlderLacks) {
  std::mt19937 random(7);
  const auto all = [](std::uint64_t size) {
    const auto tiles = tiles_between(TreeSize{0}, TreeSize{size}).value();
    return std::set<TileId>(tiles.begin(), tiles.end());
  };
  for (int i = 0; i < 300; ++i) {
    std::uint64_t older = random() % 140000;
    std::uint64_t newer = random() % 140000;
    if (i % 3 == 0) newer = older + random() % 600;
    if (older > newer) std::swap(older, newer);
    std::set<TileId> wanted;
    for (const TileId& tile : all(newer))
      if (!has_tile(TreeSize{older}, tile)) wanted.insert(tile);
    const auto tiles = tiles_between(TreeSize{older}, TreeSize{newer}).value();
    EXPECT_EQ(std::set<TileId>(tiles.begin(), tiles.end()), wanted) << older << " to " << newer;
    EXPECT_EQ(tiles.size(), wanted.size());
    EXPECT_TRUE(std::is_sorted(tiles.begin(), tiles.end())) << "not from level 0 upwards";
    for (const TileId& tile : tiles) EXPECT_TRUE(has_tile(TreeSize{newer}, tile));
  }
  EXPECT_EQ(tiles_between(TreeSize{2}, TreeSize{1}).error().code, Errc::invalid_input);
  EXPECT_EQ(tiles_between(TreeSize{tree_size_limit}, TreeSize{tree_size_limit}).error().code, Errc::invalid_input);
  EXPECT_TRUE(tiles_between(TreeSize{5}, TreeSize{5}).value().empty());
}

TEST(MakeTile, IsTheTreesHashesInOrder) {
  TiledLog log;
  log.grow(600);
  const Bytes tile = make_tile({0, 1, 256}, log.tree().source()).value();
  ASSERT_EQ(tile.size(), tile_bytes_max);
  for (std::size_t i = 0; i < 256; ++i)
    EXPECT_TRUE(equal(ByteView(tile).subspan(32 * i, 32), log.tree().source()({0, 256 + i}).value()));
  const Bytes above = make_tile({1, 0, 2}, log.tree().source()).value();
  EXPECT_EQ(above.size(), 64U);
  EXPECT_TRUE(equal(ByteView(above).first(32), log.tree().source()({8, 0}).value()));
  EXPECT_EQ(make_tile({1, 0, 3}, log.tree().source()).error().code, Errc::corruption);
  EXPECT_EQ(make_tile({7, 1, 1}, log.tree().source()).error().code, Errc::invalid_input);
  EXPECT_EQ(make_tile({0, 0, 257}, log.tree().source()).error().code, Errc::invalid_input);
  EXPECT_EQ(make_tile({0, 0, 0}, log.tree().source()).error().code, Errc::invalid_input);
}

TEST(CheckedTiles, OfEverySizeRebuildTheRootTheTreeHas) {
  TiledLog log;
  for (std::uint64_t size = 0; size <= 600; ++size) {
    log.grow(size);
    auto tiles = CheckedTiles::open(log.size(), log.tree().root(), log.tiles());
    ASSERT_TRUE(tiles) << size << ' ' << tiles.error().detail;
    Digest other = log.tree().root();
    other[size % 32] ^= 1;
    EXPECT_EQ(CheckedTiles::open(log.size(), other, log.tiles()).error().code, Errc::authentication_failed);
    for (std::uint8_t level = 0; level < 63 && (size >> level) != 0; ++level)
      for (std::uint64_t index = 0; index < (size >> level); index += 1 + index / 3)
        EXPECT_EQ(tiles->node({level, index}).value(), log.tree().source()({level, index}).value());
    EXPECT_EQ(tiles->node({0, size}).error().code, Errc::corruption);
    EXPECT_EQ(tiles->node({63, 0}).error().code, Errc::corruption);
  }
}

TEST(CheckedTiles, OfLargeSizesRebuildTheRootAndProveAnyLeaf) {
  TiledLog log;
  std::mt19937_64 random(65536);
  std::uint64_t older = 0;
  for (const std::uint64_t size : {65535U, 65536U, 65537U, 70000U}) {
    log.grow(size);
    auto tiles = CheckedTiles::open(log.size(), log.tree().root(), log.tiles());
    ASSERT_TRUE(tiles) << size;
    for (int i = 0; i < 200; ++i) {
      const LeafIndex index{i == 0 ? size - 1 : random() % size};
      const auto proof = inclusion_proof(index, log.size(), tiles->source());
      ASSERT_TRUE(proof);
      EXPECT_EQ(*proof, inclusion_proof(index, log.size(), log.tree().source()).value());
      EXPECT_TRUE(
          verify_inclusion(log.tree().root(), log.size(), index, tiles->node({0, index.value}).value(), *proof));
    }
    EXPECT_EQ(consistency_proof(TreeSize{older}, log.size(), tiles->source()).value(),
              consistency_proof(TreeSize{older}, log.size(), log.tree().source()).value());
    older = size;
  }
}

TEST(CheckedTiles, AskForNoTileTheTreeDoesNotHave) {
  TiledLog log;
  log.grow(70000);
  auto tiles = CheckedTiles::open(log.size(), log.tree().root(), log.tiles()).value();
  for (std::uint64_t index = 0; index < 70000; index += 777)
    ASSERT_TRUE(inclusion_proof(LeafIndex{index}, log.size(), tiles.source()));
  for (const std::string& path : log.asked()) EXPECT_TRUE(has_tile(log.size(), parse_tile_path(path).value())) << path;
}

TEST(CheckedTiles, TakeTheFullTileWhenThePartialIsGone) {
  TiledLog log;
  log.grow(700);
  const Digest root = log.tree().root();
  log.grow(70000);
  ASSERT_EQ(log.files().erase("tile/0/002.p/188"), 1U);
  ASSERT_EQ(log.files().erase("tile/1/000.p/2"), 1U);
  auto tiles = CheckedTiles::open(TreeSize{700}, root, log.tiles());
  ASSERT_TRUE(tiles) << tiles.error().detail;
  EXPECT_EQ(tiles->read({0, 2, 188}).value().size(), 188U * 32);
  log.files().erase("tile/0/002");
  EXPECT_EQ(CheckedTiles::open(TreeSize{700}, root, log.tiles()).error().code, Errc::not_found);
}

/// Damage to one file, and what then refuses.
struct Damage {
  std::string name;
  std::string path;
  std::function<void(Bytes&)> apply;
  bool at_opening;  ///< else when the tile is read
};

TEST(CheckedTiles, DamagedAreRefusedByWhateverReadsThem) {
  const auto flip = [](std::size_t at) { return [at](Bytes& bytes) { bytes.at(at) ^= 0x40; }; };
  const auto cut = [](Bytes& bytes) { bytes.pop_back(); };
  const auto shorten = [](Bytes& bytes) { bytes.erase(bytes.end() - 32, bytes.end()); };
  const auto extend = [](Bytes& bytes) { bytes.insert(bytes.end(), 32, 0); };
  const auto clear = [](Bytes& bytes) { bytes.clear(); };
  const auto swap = [](Bytes& bytes) { std::swap_ranges(bytes.begin(), bytes.begin() + 32, bytes.begin() + 32); };
  const std::vector<Damage> damages = {
      {"first hash of the edge", "tile/0/273.p/112", flip(0), true},
      {"last hash of the edge", "tile/0/273.p/112", flip(111 * 32 + 31), true},
      {"first hash of the edge, one level up", "tile/1/001.p/17", flip(3), true},
      {"last hash of the edge, one level up", "tile/1/001.p/17", flip(16 * 32), true},
      {"the topmost hash", "tile/2/000.p/1", flip(9), true},
      {"edge cut by a byte", "tile/0/273.p/112", cut, true},
      {"edge short of a hash", "tile/0/273.p/112", shorten, true},
      {"edge with a hash more", "tile/0/273.p/112", extend, true},
      {"edge empty", "tile/1/001.p/17", clear, true},
      {"two hashes of the edge exchanged", "tile/0/273.p/112", swap, true},
      {"a hash inside", "tile/0/005", flip(77), false},
      {"a hash inside, one level up", "tile/1/000", flip(8191), false},
      {"two hashes inside exchanged", "tile/0/005", swap, false},
      {"inside cut by a byte", "tile/0/005", cut, false},
      {"inside short of a hash", "tile/0/005", shorten, false},
      {"inside with a hash more", "tile/0/005", extend, false},
      {"inside empty", "tile/0/005", clear, false},
  };
  TiledLog log;
  log.grow(70000);
  const Digest root = log.tree().root();
  for (const Damage& damage : damages) {
    SCOPED_TRACE(damage.name);
    const Bytes whole = log.files().at(damage.path);
    damage.apply(log.files().at(damage.path));
    auto tiles = CheckedTiles::open(log.size(), root, log.tiles());
    ASSERT_EQ(tiles.has_value(), !damage.at_opening);
    if (!damage.at_opening) {
      EXPECT_EQ(tiles->read({0, 5, 256}).error().code, Errc::authentication_failed);
      EXPECT_EQ(tiles->node({0, 5 * 256 + 3}).error().code, Errc::authentication_failed);
      EXPECT_EQ(inclusion_proof(LeafIndex{5 * 256 + 3}, log.size(), tiles->source()).error().code,
                Errc::authentication_failed);
    } else {
      EXPECT_EQ(tiles.error().code, Errc::authentication_failed);
    }
    log.files().at(damage.path) = whole;
  }
  // Tiles in each other's place.
  std::swap(log.files().at("tile/0/005"), log.files().at("tile/0/006"));
  auto tiles = CheckedTiles::open(log.size(), root, log.tiles()).value();
  EXPECT_EQ(tiles.read({0, 5, 256}).error().code, Errc::authentication_failed);
  EXPECT_TRUE(tiles.read({0, 7, 256}));
}

TEST(CheckedTiles, OfAnotherSizeAreRefused) {
  TiledLog log;
  log.grow(70000);
  const Digest root = log.tree().root();
  log.grow(70001);
  EXPECT_EQ(CheckedTiles::open(log.size(), root, log.tiles()).error().code, Errc::authentication_failed);
  EXPECT_EQ(CheckedTiles::open(TreeSize{tree_size_limit}, root, log.tiles()).error().code, Errc::invalid_input);
  auto tiles = CheckedTiles::open(log.size(), log.tree().root(), log.tiles()).value();
  EXPECT_EQ(tiles.read({0, 273, 112}).error().code, Errc::invalid_input);
  EXPECT_EQ(tiles.read({0, 273, 256}).error().code, Errc::invalid_input);
}

TEST(CheckedTiles, PassOnWhatTheStorageSays) {
  const auto broken = [](const TileId&) -> Result<Bytes> { return Error{Errc::io_error, "disk"}; };
  EXPECT_EQ(CheckedTiles::open(TreeSize{5}, Digest{}, broken).error().code, Errc::io_error);
}

TEST(Bundle, ComesBackAsItsEntries) {
  const Bytes longest(entry_bytes_max, 7);
  const Bytes some = {1, 2, 3};
  const std::vector<ByteView> entries = {ByteView(some), ByteView(), ByteView(longest), ByteView(some)};
  const Bytes bytes = encode_bundle(entries).value();
  EXPECT_EQ(to_hex(ByteView(bytes).first(9)),
            "000301020300"
            "00ffff");
  const auto read = decode_bundle(bytes, 4).value();
  ASSERT_EQ(read.size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_TRUE(equal(read[i], entries[i])) << i;
}

TEST(Bundle, AtItsLimitsIsMadeAndOneAboveRefused) {
  const Bytes longest(entry_bytes_max, 7);
  const std::vector<ByteView> full(tile_width, ByteView(longest));
  const auto bytes = encode_bundle(full);
  ASSERT_TRUE(bytes);
  EXPECT_EQ(bytes->size(), bundle_bytes_max);
  EXPECT_TRUE(decode_bundle(*bytes, tile_width));
  const Bytes too_long(entry_bytes_max + 1, 7);
  EXPECT_EQ(encode_bundle(std::vector<ByteView>{ByteView(too_long)}).error().code, Errc::over_limit);
  EXPECT_EQ(encode_bundle(std::vector<ByteView>(tile_width + 1)).error().code, Errc::over_limit);
  EXPECT_EQ(encode_bundle({}).error().code, Errc::invalid_input);
}

TEST(Bundle, OfAnotherWidthCutOrExtendedIsRefused) {
  const Bytes some = {1, 2, 3};
  const Bytes bytes = encode_bundle(std::vector<ByteView>(5, ByteView(some))).value();
  for (const std::size_t width : {0U, 1U, 4U, 6U, 256U, 100000U})
    EXPECT_EQ(decode_bundle(bytes, width).error().code, Errc::invalid_input) << width;
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(decode_bundle(ByteView(bytes).first(size), 5).error().code, Errc::invalid_input) << size;
  Bytes more = bytes;
  more.push_back(0);
  EXPECT_EQ(decode_bundle(more, 5).error().code, Errc::invalid_input);
}

TEST(LeafRanges, CutAnywhereJoinToTheSameRoot) {
  const std::vector<Digest> leaves = some_leaves(300);
  std::mt19937 random(300);
  MemoryTree tree;
  for (std::size_t size = 0; size <= leaves.size(); ++size) {
    if (size > 0) tree.append_hash(leaves[size - 1]);
    std::vector<LeafRange> units;
    for (std::size_t begin = 0; begin < size;) {
      const std::size_t end = std::min<std::size_t>(size, begin + 1 + random() % 40);
      LeafRange unit{LeafIndex{begin}};
      for (; begin < end; ++begin) unit.append(leaves[begin]);
      EXPECT_LE(unit.subtrees().size(), 12U);
      units.push_back(std::move(unit));
    }
    EXPECT_TRUE(verify_log(units, tree.size(), tree.root())) << size;
    EXPECT_EQ(verify_log(units, tree.size(), Digest{}).error().code, Errc::authentication_failed);
    EXPECT_EQ(verify_log(units, TreeSize{size + 1}, tree.root()).error().code, Errc::invalid_input);
    if (units.size() < 3) continue;
    std::vector<LeafRange> damaged = units;
    std::swap(damaged[1], damaged[2]);
    EXPECT_EQ(verify_log(damaged, tree.size(), tree.root()).error().code, Errc::invalid_input) << "exchanged";
    damaged = units;
    damaged.erase(damaged.begin() + 1);
    EXPECT_EQ(verify_log(damaged, tree.size(), tree.root()).error().code, Errc::invalid_input) << "one missing";
    damaged = units;
    damaged.push_back(units.back());
    EXPECT_EQ(verify_log(damaged, tree.size(), tree.root()).error().code, Errc::invalid_input) << "one twice";
  }
}

TEST(LeafRanges, JoinAlikeInAnyGrouping) {
  const std::vector<Digest> leaves = some_leaves(64);
  const auto range = [&](std::size_t begin, std::size_t end) {
    LeafRange made{LeafIndex{begin}};
    for (std::size_t i = begin; i < end; ++i) made.append(leaves[i]);
    return made;
  };
  for (std::size_t a = 0; a <= 20; ++a)
    for (std::size_t b = a; b <= 40; b += 3)
      for (std::size_t c = b; c <= 64; c += 5) {
        LeafRange joined = range(a, b);
        ASSERT_TRUE(joined.join(range(b, c)));
        const LeafRange whole = range(a, c);
        EXPECT_EQ(joined.end(), whole.end());
        ASSERT_EQ(joined.subtrees().size(), whole.subtrees().size());
        for (std::size_t i = 0; i < whole.subtrees().size(); ++i) {
          EXPECT_EQ(joined.subtrees()[i].id, whole.subtrees()[i].id);
          EXPECT_EQ(joined.subtrees()[i].hash, whole.subtrees()[i].hash);
        }
      }
  EXPECT_EQ(range(3, 9).root().error().code, Errc::invalid_input);
}

Result<std::vector<LeafRange>> hash_all(TiledLog& log, std::uint64_t bundles_per_unit,
                                        const BundleVisitor& visit = {}) {
  std::vector<LeafRange> units;
  for (std::uint64_t first = 0; first < bundle_count(log.size()); first += bundles_per_unit) {
    const BundleSpan span{first, std::min(first + bundles_per_unit, bundle_count(log.size()))};
    Result<LeafRange> unit = hash_bundles(log.size(), span, log.bundles(), visit);
    if (!unit) return unit.error();
    units.push_back(*std::move(unit));
  }
  return units;
}

TEST(HashBundles, InUnitsOfAnySizeGivesTheLogsRoot) {
  TiledLog log;
  for (const std::uint64_t size : {0U, 1U, 255U, 256U, 257U, 1000U, 4096U, 10001U}) {
    log.grow(size);
    for (const std::uint64_t unit : {1U, 2U, 3U, 16U, 1000U})
      EXPECT_TRUE(verify_log(hash_all(log, unit).value(), log.size(), log.tree().root())) << size << ' ' << unit;
  }
}

TEST(HashBundles, ShowsEveryEntryOnceWithItsLeafHash) {
  TiledLog log;
  log.grow(1000);
  std::uint64_t next = 0;
  const BundleVisitor visit = [&](const BundleId& bundle, std::span<const ByteView> entries,
                                  std::span<const Digest> hashes) -> Result<void> {
    EXPECT_EQ(bundle.index * tile_width, next);
    EXPECT_EQ(entries.size(), hashes.size());
    for (std::size_t i = 0; i < entries.size(); ++i, ++next) {
      EXPECT_EQ(as_text(entries[i]), "entry " + std::to_string(next));
      EXPECT_EQ(hashes[i], leaf_hash(entries[i]));
    }
    return {};
  };
  ASSERT_TRUE(hash_all(log, 2, visit));
  EXPECT_EQ(next, 1000U);
}

TEST(HashBundles, AgainstCheckedTilesNamesTheDamagedBundle) {
  TiledLog log;
  log.grow(1000);
  auto tiles = CheckedTiles::open(log.size(), log.tree().root(), log.tiles()).value();
  std::uint64_t at = 0;
  const BundleVisitor against_tiles = [&](const BundleId& bundle, std::span<const ByteView>,
                                          std::span<const Digest> hashes) -> Result<void> {
    at = bundle.index;
    const Result<Bytes> tile = tiles.read({0, bundle.index, bundle.width});
    if (!tile) return tile.error();
    return check_leaves(hashes, *tile);
  };
  ASSERT_TRUE(hash_all(log, 4, against_tiles));
  for (const char* path : {"tile/entries/001", "tile/entries/003.p/232"}) {
    const Bytes whole = log.files().at(path);
    log.files().at(path)[4] ^= 0x01;  // inside the first entry
    const auto units = hash_all(log, 4);
    ASSERT_TRUE(units) << "the shape is whole";
    EXPECT_EQ(verify_log(*units, log.size(), log.tree().root()).error().code, Errc::authentication_failed);
    EXPECT_EQ(hash_all(log, 4, against_tiles).error().code, Errc::authentication_failed);
    EXPECT_EQ(at, path[15] == '1' ? 1U : 3U);
    log.files().at(path) = whole;
  }
}

TEST(HashBundles, MissingMalformedOrBeyondTheTreeIsRefused) {
  TiledLog log;
  log.grow(1000);
  log.files().at("tile/entries/002").pop_back();
  EXPECT_EQ(hash_all(log, 4).error().code, Errc::invalid_input);
  log.files().erase("tile/entries/002");
  EXPECT_EQ(hash_all(log, 4).error().code, Errc::not_found);
  EXPECT_EQ(hash_bundles(log.size(), {0, 5}, log.bundles(), {}).error().code, Errc::invalid_input);
  EXPECT_EQ(hash_bundles(log.size(), {3, 2}, log.bundles(), {}).error().code, Errc::invalid_input);
  EXPECT_EQ(hash_bundles(log.size(), {4, 4}, log.bundles(), {}).value().begin().value, 1000U);
}

TEST(CheckLeaves, OfAnotherCountOrOrderAreRefused) {
  std::vector<Digest> leaves = some_leaves(3);
  Bytes tile;
  for (const Digest& leaf : leaves) append(tile, leaf);
  EXPECT_TRUE(check_leaves(leaves, tile));
  EXPECT_EQ(check_leaves(std::span(leaves).first(2), tile).error().code, Errc::authentication_failed);
  EXPECT_EQ(check_leaves(leaves, ByteView(tile).first(95)).error().code, Errc::authentication_failed);
  std::swap(leaves[0], leaves[1]);
  EXPECT_EQ(check_leaves(leaves, tile).error().code, Errc::authentication_failed);
}

TEST(TileDeathTest, NamingATileNoTreeHasTerminates) {
  EXPECT_DEATH((void)to_path(TileId{8, 0, 1}), "broken invariant");
  EXPECT_DEATH((void)to_path(TileId{0, 0, 0}), "broken invariant");
  EXPECT_DEATH((void)to_path(BundleId{0, 257}), "broken invariant");
  EXPECT_DEATH((void)bundle_of(TreeSize{256}, 1), "broken invariant");
}

}  // namespace
}  // namespace pli::audit::test
