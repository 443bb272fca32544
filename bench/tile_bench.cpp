// bench-tiles: how fast a whole log is verified from its entry bundles (audit/tile.hpp), by one thread and by two, and
// what its tiles cost to make. In memory: the disk is another's figure.
#include <benchmark/benchmark.h>

#include <array>
#include <thread>

#include "audit/leaf.hpp"
#include "audit/tile.hpp"
#include "crypto/random.hpp"

namespace pli::audit {
namespace {

constexpr std::uint64_t log_leaves = 1 << 20;
constexpr std::uint64_t unit_bundles = 64;

/// A million leaves as the broker writes them, in bundles, with the root over them.
struct Log {
  MemoryTree tree;
  std::vector<Bytes> bundles;
  std::size_t bytes = 0;

  Log() {
    for (std::uint64_t index = 0; index < log_leaves; index += tile_width) {
      std::array<std::string, tile_width> leaves;
      std::array<ByteView, tile_width> entries;
      for (std::size_t i = 0; i < tile_width; ++i) {
        Leaf leaf{LeafType::consultation, UnixMillis{1767225600500 + static_cast<std::int64_t>(index + i)}, {}, {}, {}};
        leaf.record = leaf_hash(as_bytes(std::to_string(index + i)));
        leaves[i] = encode(leaf);
        entries[i] = as_bytes(leaves[i]);
        tree.append(entries[i]);
      }
      bundles.push_back(encode_bundle(entries).value());
      bytes += bundles.back().size();
    }
  }
  static const Log& get() {
    static const Log log;
    return log;
  }
};

/// Threads take every n-th unit; the units join in order.
void verify_whole_log(benchmark::State& state) {
  const Log& log = Log::get();
  const auto threads = static_cast<std::uint64_t>(state.range(0));
  const BundleReader read = [&log](const BundleId& bundle) -> Result<Bytes> {
    return log.bundles[static_cast<std::size_t>(bundle.index)];
  };
  const std::uint64_t bundles = bundle_count(log.tree.size());
  for (auto _ : state) {
    std::vector<LeafRange> units(static_cast<std::size_t>((bundles + unit_bundles - 1) / unit_bundles));
    std::vector<std::thread> workers;
    for (std::uint64_t worker = 0; worker < threads; ++worker)
      workers.emplace_back([&, worker] {
        for (std::uint64_t unit = worker; unit < units.size(); unit += threads) {
          const BundleSpan span{unit * unit_bundles, std::min((unit + 1) * unit_bundles, bundles)};
          units[static_cast<std::size_t>(unit)] = hash_bundles(log.tree.size(), span, read, {}).value();
        }
      });
    for (std::thread& worker : workers) worker.join();
    if (!verify_log(units, log.tree.size(), log.tree.root())) state.SkipWithError("another root");
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(log_leaves));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(log.bytes));
}
BENCHMARK(verify_whole_log)
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(2)
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

void make_all_tiles(benchmark::State& state) {
  const Log& log = Log::get();
  const std::vector<TileId> tiles = tiles_between(TreeSize{0}, log.tree.size()).value();
  for (auto _ : state)
    for (const TileId& tile : tiles) benchmark::DoNotOptimize(make_tile(tile, log.tree.source()).value());
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(log_leaves));
}
BENCHMARK(make_all_tiles)->Unit(benchmark::kMillisecond);

/// Opens the tiles of a checkpoint and proves one leaf from them.
void prove_from_tiles(benchmark::State& state) {
  const Log& log = Log::get();
  const TileReader read = [&log](const TileId& tile) { return make_tile(tile, log.tree.source()); };
  std::uint64_t index = 0;
  for (auto _ : state) {
    auto tiles = CheckedTiles::open(log.tree.size(), log.tree.root(), read).value();
    index = (index + 999983) % log_leaves;
    benchmark::DoNotOptimize(inclusion_proof(LeafIndex{index}, log.tree.size(), tiles.source()).value());
  }
}
BENCHMARK(prove_from_tiles)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace pli::audit

int main(int count, char** arguments) {
  pli::crypto::initialise();
  benchmark::Initialize(&count, arguments);
  if (benchmark::ReportUnrecognizedArguments(count, arguments)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
