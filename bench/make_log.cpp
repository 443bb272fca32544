// Makes a log as C2SP tlog-tiles of any size on disk, for pli-verify to be measured with: leaves as the broker writes
// them, one a second, signed by the key of seed 32 × 0x01. Prints that key. Keeps one tile of each level in memory.
//   bench-make-log DIR LEAVES
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "audit/checkpoint.hpp"
#include "audit/leaf.hpp"
#include "audit/text_lines.hpp"
#include "audit/tile.hpp"
#include "crypto/random.hpp"

namespace pli::audit {
namespace {

namespace fs = std::filesystem;

class LogFiles {
 public:
  explicit LogFiles(fs::path dir) : dir_(std::move(dir)) {}

  void append(const std::string& leaf) {
    bundle_.bytes16(as_bytes(leaf));
    nodes_.clear();
    edge_.append(leaf_hash(as_bytes(leaf)), nodes_);
    for (const Node& node : nodes_) {
      if (node.id.level % tile_height != 0) continue;
      Bytes& tile = tiles_.at(node.id.level / tile_height);
      pli::append(tile, node.hash);
      if (tile.size() == tile_bytes_max) write_tile(node.id.level / tile_height, node.id.index / tile_width);
    }
  }

  /// The partial tiles, and the checkpoint.
  void finish(const VerifierKey& name, const crypto::SigningKey& key) {
    for (std::uint8_t level = 0; level < tile_levels_max; ++level)
      if (const TileRow row = tile_row(edge_.size(), level); row.partial != 0) write_tile(level, row.full);
    write("checkpoint", sign_checkpoint({name.name, edge_.size(), edge_.root()}, key));
  }

 private:
  void write_tile(std::size_t level, std::uint64_t index) {
    Bytes& hashes = tiles_.at(level);
    const std::size_t width = hashes.size() / sizeof(Digest);
    write(to_path(TileId{static_cast<std::uint8_t>(level), index, width}), as_text(hashes));
    if (level == 0) write(to_path(BundleId{index, width}), as_text(bundle_.take()));
    if (level == 0) bundle_ = ByteWriter();
    hashes.clear();
  }
  void write(const std::string& name, std::string_view bytes) const {
    const fs::path path = dir_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream out(path, std::ios::binary);
    out << bytes;
    out.close();
    if (out) return;
    std::fprintf(stderr, "cannot write %s\n", path.c_str());
    std::exit(1);
  }

  fs::path dir_;
  TreeEdge edge_;
  std::vector<Node> nodes_;
  ByteWriter bundle_;
  std::array<Bytes, tile_levels_max> tiles_;
};

}  // namespace
}  // namespace pli::audit

int main(int count, char** arguments) {
  using namespace pli;
  using namespace pli::audit;
  const auto leaves = count == 3 ? parse_decimal(arguments[2]) : std::nullopt;
  if (!leaves) {
    std::fprintf(stderr, "usage: bench-make-log DIR LEAVES\n");
    return 2;
  }
  crypto::initialise();
  const crypto::SigningKey key = crypto::SigningKey::from_seed(Bytes(32, 1));
  const VerifierKey name{"broker.example/pli/89/2026-1", KeyType::ed25519, key.public_key()};
  LogFiles files(arguments[1]);
  for (std::uint64_t i = 0; i < *leaves; ++i) {
    Leaf leaf{LeafType::consultation, UnixMillis{1767225600500 + 1000 * static_cast<std::int64_t>(i)}, {}, {}, {}};
    leaf.record = leaf_hash(as_bytes(std::to_string(i)));
    files.append(encode(leaf));
  }
  files.finish(name, key);
  std::printf("%s\n", to_text(name).c_str());
  return 0;
}
