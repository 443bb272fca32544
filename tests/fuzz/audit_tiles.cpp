// A storage of tiles that lies: a script damages what the tiles of an honest tree say, and whatever CheckedTiles still
// answers is the tree's. Script: u16 size, then for each tile asked for, in turn: u8 what, u16 where, u8 value.
#include <algorithm>

#include "audit/tile.hpp"
#include "tests/fuzz/audit_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::audit;
  static const MemoryTree tree = [] {
    MemoryTree grown;
    for (int i = 0; i < 70000; ++i) grown.append(as_bytes(std::to_string(i)));
    return grown;
  }();
  ByteReader script({data, size});
  const TreeSize leaves{script.u16() + std::uint64_t{4000}};
  const TileReader reader = [&script](const TileId& id) -> Result<Bytes> {
    Result<Bytes> made = make_tile(id, tree.source());
    if (!made) return Error{Errc::not_found, "a full tile that this tree has not reached"};
    Bytes tile = *std::move(made);
    const std::uint8_t what = script.u8();
    const std::size_t where = script.u16() % tile.size();
    const std::uint8_t value = script.u8();
    switch (what % 6) {
      case 1: tile[where] ^= value; break;
      case 2: tile.resize(where); break;
      case 3: tile.insert(tile.end(), value, 0); break;
      case 4: return Error{Errc::not_found, "gone"};
      case 5: std::rotate(tile.begin(), tile.begin() + 32, tile.end()); break;
      default: break;
    }
    return tile;
  };
  const Digest root = root_at(leaves, tree.source()).value();
  auto tiles = CheckedTiles::open(leaves, root, reader);
  while (tiles && !script.rest().empty()) {
    const auto level = static_cast<std::uint8_t>(script.u8() % 18);
    const NodeId id{level, script.u16() % ((leaves.value >> level) + 1)};
    if (const auto hash = tiles->node(id)) PLI_INVARIANT(*hash == tree.source()(id).value());
  }
  return 0;
}
