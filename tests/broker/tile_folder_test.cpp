#include "broker/tile_folder.hpp"

#include <gtest/gtest.h>

#include <map>

#include "base/file.hpp"
#include "tests/support/temporary_folder.hpp"

namespace pli::broker {
namespace {

constexpr const char* origin = "pli.essai.example/pli/89/2026-1";

std::string leaf_of(std::uint64_t index, char history = 'a') {
  return "leaf " + std::to_string(index) + std::string(1, history);
}

class Tiles : public ::testing::Test {
 protected:
  void log_of(std::uint64_t size) {
    for (std::uint64_t i = tree_.size().value; i < size; ++i) tree_.append(as_bytes(leaf_of(i)));
  }
  [[nodiscard]] LogSource source() {
    return {[this](LeafIndex first, std::size_t count) -> Result<std::vector<std::string>> {
              ++reads_;
              most_read_ = std::max(most_read_, count);
              std::vector<std::string> out;
              for (std::uint64_t i = 0; i < count; ++i) out.push_back(leaf_of(first.value + i));
              return out;
            },
            tree_.source()};
  }
  [[nodiscard]] Result<TileFolder> open(std::function<Result<void>()> before_each_name = {}) {
    return TileFolder::open({path_, {origin, audit::KeyType::ed25519, key_.public_key()}, std::move(before_each_name)},
                            tree_.size(), source());
  }
  [[nodiscard]] Digest root(std::uint64_t size) const { return audit::root_at({size}, tree_.source()).value(); }
  [[nodiscard]] std::string note(std::uint64_t size) const {
    return audit::sign_checkpoint({origin, {size}, root(size)}, key_);
  }
  [[nodiscard]] Result<void> publish(TileFolder& folder, std::uint64_t size) {
    for (;;) {
      auto grown = folder.grow({size}, {});
      if (!grown) return grown.error();
      if (*grown) return folder.publish(note(size));
    }
  }
  [[nodiscard]] Result<void> publish(Result<TileFolder> folder, std::uint64_t size) {
    if (!folder) return folder.error();
    return publish(*folder, size);
  }
  [[nodiscard]] Result<Bytes> read(const std::string& name) const {
    return read_file(path_ / name, audit::bundle_bytes_max);
  }
  [[nodiscard]] std::map<std::string, Bytes> files() const {
    std::map<std::string, Bytes> out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path_))
      if (entry.is_regular_file()) {
        const std::string name = entry.path().lexically_relative(path_).string();
        out.emplace(name, read(name).value());
      }
    return out;
  }
  /// Somebody who has only the files finds the whole tree of the checkpoint that is served.
  void expect_served(std::uint64_t size) const {
    const auto served = read("checkpoint");
    ASSERT_TRUE(served);
    const auto checkpoint =
        audit::verify_checkpoint(as_text(*served), {origin, audit::KeyType::ed25519, key_.public_key()});
    ASSERT_TRUE(checkpoint);
    ASSERT_EQ(checkpoint->size().value, size);
    auto tiles = audit::CheckedTiles::open(checkpoint->size(), checkpoint->root(),
                                           [&](const audit::TileId& id) { return read(audit::to_path(id)); });
    ASSERT_TRUE(tiles) << size << ": " << tiles.error().detail;
    const std::vector<audit::TileId> ids = audit::tiles_between({0}, {size}).value();
    for (const audit::TileId& id : ids) EXPECT_TRUE(tiles->read(id)) << audit::to_path(id);
    const audit::BundleReader bundles = [&](const audit::BundleId& id) {
      auto bytes = read(audit::to_path(id));
      if (bytes || id.width == audit::tile_width) return bytes;
      // As for tiles, the full one may have replaced it.
      auto full = read(audit::to_path(audit::BundleId{id.index, audit::tile_width}));
      if (!full) return full;
      auto entries = audit::decode_bundle(*full, audit::tile_width).value();
      entries.resize(id.width);
      return audit::encode_bundle(entries);
    };
    const auto range = audit::hash_bundles({size}, {0, audit::bundle_count({size})}, bundles, {});
    ASSERT_TRUE(range) << size << ": " << range.error().detail;
    EXPECT_TRUE(audit::verify_log({{*range}}, {size}, checkpoint->root()));
  }

  testing::TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path() / "tiles" / "2026-1";
  crypto::SigningKey key_ = crypto::SigningKey::generate();
  audit::MemoryTree tree_;
  std::size_t reads_ = 0;
  std::size_t most_read_ = 0;
};

TEST_F(Tiles, P7AFullTileOrBundleThatWasLostIsMadeAnewAtTheNextStart) {
  log_of(66'000);
  ASSERT_TRUE(publish(open(), 66'000));
  const auto whole = files();
  for (const char* lost : {"tile/0/000", "tile/0/255", "tile/1/000", "tile/entries/017", "tile/entries/256"}) {
    ASSERT_TRUE(whole.contains(lost)) << lost;
    std::filesystem::remove(path_ / lost);
    TileFolder folder = open().value();
    ASSERT_TRUE(publish(folder, 66'000)) << lost;
    EXPECT_EQ(folder.take_mended(), 1U) << lost;
    EXPECT_EQ(folder.take_mended(), 0U);
    expect_served(66'000);
  }
  EXPECT_EQ(files().size(), whole.size());
  TileFolder untouched = open().value();
  reads_ = 0;
  ASSERT_TRUE(publish(untouched, 66'000));
  EXPECT_EQ(untouched.take_mended(), 0U);
  EXPECT_LE(reads_, 1U) << "looked for by name alone";
}

TEST_F(Tiles, P7ARoundOfLooksFindsWhatWasLostAndWhatWasAltered) {
  log_of(2'000);
  TileFolder folder = open().value();
  ASSERT_TRUE(publish(folder, 2'000));
  ASSERT_TRUE(folder.look(100));
  EXPECT_EQ(folder.take_mended(), 0U);
  for (const char* lost : {"tile/0/003", "tile/entries/005"}) {
    std::filesystem::remove(path_ / lost);
    std::size_t looks = 0;
    while (!read(lost)) {
      ASSERT_LT(looks++, 7U) << lost;
      ASSERT_TRUE(folder.look(1));
    }
    EXPECT_EQ(folder.take_mended(), 1U);
  }
  std::filesystem::remove(path_ / audit::to_path(audit::TileId{0, 7, 208}));
  for (int i = 0; i < 7; ++i) ASSERT_TRUE(folder.look(1));
  ASSERT_TRUE(folder.grow({2'000}, {}));
  expect_served(2'000);
  for (const char* altered : {"tile/0/006", "tile/entries/002"}) {
    const Bytes before = read(altered).value();
    Bytes other = before;
    other.back() ^= 1;
    ASSERT_TRUE(write_file_durably(path_ / altered, other, FileMode::world_readable));
    EXPECT_EQ(folder.look(7).error().code, Errc::conflict) << altered;
    EXPECT_EQ(read(altered).value(), other) << "left for whoever investigates";
    ASSERT_TRUE(write_file_durably(path_ / altered, before, FileMode::world_readable));
  }
  EXPECT_TRUE(folder.look(7));
}

TEST_F(Tiles, P7EveryPublishedTreeIsReadBackFromItsFilesAlone) {
  log_of(70'000);
  TileFolder folder = open().value();
  for (const std::uint64_t size : {1U, 2U, 255U, 256U, 257U, 600U, 65'535U, 65'536U, 65'537U, 70'000U}) {
    ASSERT_TRUE(publish(folder, size)) << size;
    expect_served(size);
  }
  EXPECT_TRUE(read("tile/2/000.p/1"));
  EXPECT_TRUE(read("tile/entries/273.p/112"));
}

TEST_F(Tiles, APartialTileGoesOnceTheFullOneIsThereAndNotBefore) {
  log_of(600);
  TileFolder folder = open().value();
  ASSERT_TRUE(publish(folder, 100));
  ASSERT_TRUE(publish(folder, 200));
  EXPECT_TRUE(read("tile/0/000.p/100")) << "whoever holds the older checkpoint may still ask for it";
  EXPECT_TRUE(read("tile/0/000.p/200"));
  ASSERT_TRUE(publish(folder, 300));
  EXPECT_FALSE(std::filesystem::exists(path_ / "tile/0/000.p"));
  EXPECT_FALSE(std::filesystem::exists(path_ / "tile/entries/000.p"));
  EXPECT_TRUE(read("tile/0/000"));
  EXPECT_TRUE(read("tile/0/001.p/44"));
}

TEST_F(Tiles, ACutBeforeEachNameLosesNothingAndLeavesNothingElse) {
  log_of(1000);
  const auto expected = [&] {
    TileFolder folder = open().value();
    for (const std::uint64_t size : {250U, 600U, 1000U}) EXPECT_TRUE(publish(folder, size));
    auto out = files();
    std::filesystem::remove_all(path_);
    return out;
  }();
  std::size_t cuts = 0;
  for (bool whole = false; !whole; ++cuts) {
    std::filesystem::remove_all(path_);
    ASSERT_TRUE(publish(open(), 250));
    std::size_t names = 0;
    auto cutting = open([&]() -> Result<void> {
      if (names++ == cuts) return Error{Errc::io_error, "cut"};
      return {};
    });
    ASSERT_TRUE(cutting);
    whole = publish(*cutting, 600).has_value();
    expect_served(whole ? 600 : 250);
    // The next start, with a log that has grown.
    auto next = open();
    ASSERT_TRUE(next);
    ASSERT_TRUE(publish(*next, 600));
    ASSERT_TRUE(publish(*next, 1000));
    expect_served(1000);
    EXPECT_EQ(files(), expected) << "after cut " << cuts;
  }
  EXPECT_GT(cuts, 6U) << "bundles, tiles of two levels and the checkpoint";
}

TEST_F(Tiles, AFailedStepIsTakenUpAgainByTheSameFolder) {
  log_of(1000);
  bool failing = false;
  auto folder = open([&]() -> Result<void> {
    if (failing) return Error{Errc::io_error, "full"};
    return {};
  });
  ASSERT_TRUE(publish(*folder, 250));
  failing = true;
  EXPECT_EQ(publish(*folder, 600).error().code, Errc::io_error);
  EXPECT_EQ(publish(*folder, 700).error().code, Errc::io_error);
  failing = false;
  ASSERT_TRUE(publish(*folder, 1000));
  expect_served(1000);
}

TEST_F(Tiles, AFullTileOrBundleIsNeverOverwrittenWithOtherBytes) {
  log_of(600);
  for (const char* name : {"tile/0/000", "tile/entries/000"}) {
    std::filesystem::remove_all(path_);
    ASSERT_TRUE(publish(open(), 10));
    ASSERT_TRUE(write_file_durably(path_ / name, Bytes(8192, 7), FileMode::world_readable));
    auto folder = open();
    const auto grown = publish(*folder, 600);
    ASSERT_FALSE(grown) << name;
    EXPECT_EQ(grown.error().code, Errc::conflict);
    EXPECT_EQ(read(name).value(), Bytes(8192, 7));
    expect_served(10);
  }
}

TEST_F(Tiles, AnEdgeThatWasRemovedIsWrittenAgain) {
  log_of(600);
  ASSERT_TRUE(publish(open(), 600));
  std::filesystem::remove(path_ / "tile/0/002.p/88");
  std::filesystem::remove(path_ / "tile/entries/002.p/88");
  ASSERT_TRUE(publish(open(), 600));
  expect_served(600);
}

TEST_F(Tiles, AFolderThatWasLostIsMadeAnew) {
  log_of(9000);
  ASSERT_TRUE(publish(open(), 600));
  std::filesystem::remove_all(path_);
  ASSERT_TRUE(publish(open(), 9000));
  expect_served(9000);
}

TEST_F(Tiles, MuchIsCaughtUpInStepsOfBoundedSize) {
  constexpr std::uint64_t step = TileFolder::step_bundles * audit::tile_width;
  log_of(3 * step + 10);
  TileFolder folder = open().value();
  std::size_t steps = 1;
  while (!folder.grow(tree_.size(), {}).value()) ++steps;
  EXPECT_EQ(steps, 4U);
  EXPECT_EQ(most_read_, step);
}

TEST_F(Tiles, P7AFolderThatLostAllButItsCheckpointIsMadeAnewInStepsOfBoundedSize) {
  constexpr std::uint64_t size = 3 * TileFolder::step_bundles * audit::tile_width + 10;
  log_of(size);
  ASSERT_TRUE(publish(open(), size));
  const auto whole = files();
  std::filesystem::remove_all(path_ / "tile");
  TileFolder folder = open().value();
  std::size_t steps = 1;
  for (; !folder.grow({size}, {}).value(); ++steps)
    EXPECT_LE(folder.take_mended(), 2 * TileFolder::step_bundles) << "bundles, and what each completes";
  EXPECT_EQ(steps, 3U);
  EXPECT_EQ(files(), whole);
  expect_served(size);
}

TEST_F(Tiles, LeavesHandedOverAreNotReadFromTheStore) {
  log_of(600);
  TileFolder folder = open().value();
  HandedLeaves handed;
  for (std::uint64_t i = 0; i < 300; ++i) handed.leaves.push_back(leaf_of(i));
  ASSERT_TRUE(folder.grow({300}, handed).value());
  ASSERT_TRUE(folder.publish(note(300)));
  EXPECT_EQ(reads_, 0U);
  expect_served(300);
  // Some that are there already, and a gap: what is missing comes from the store.
  handed.first = {290};
  handed.leaves.clear();
  for (std::uint64_t i = 290; i < 400; ++i) handed.leaves.push_back(leaf_of(i));
  ASSERT_TRUE(folder.grow({400}, handed).value());
  EXPECT_EQ(reads_, 0U);
  handed.first = {500};
  ASSERT_TRUE(folder.grow({600}, handed).value());
  EXPECT_EQ(reads_, 1U);
  ASSERT_TRUE(folder.publish(note(600)));
  expect_served(600);
}

TEST_F(Tiles, P10AFolderOfALargerOrOfAnotherTreeIsRefused) {
  log_of(300);
  ASSERT_TRUE(publish(open(), 300));
  const audit::MemoryTree whole = tree_;
  tree_ = {};
  log_of(299);
  EXPECT_EQ(open().error().code, Errc::conflict) << "it has published more than this database holds";
  tree_ = {};
  for (std::uint64_t i = 0; i < 400; ++i) tree_.append(as_bytes(leaf_of(i, i == 299 ? 'b' : 'a')));
  EXPECT_EQ(open().error().code, Errc::conflict);
  tree_ = whole;
  EXPECT_TRUE(open());
  key_ = crypto::SigningKey::generate();
  EXPECT_EQ(open().error().code, Errc::corruption) << "signed by another log";
}

}  // namespace
}  // namespace pli::broker
