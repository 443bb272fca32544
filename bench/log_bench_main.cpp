// bench-log: what a long log costs: opening it, appending to it, proving from it, writing its tiles anew. A store of
// its own in the temporary folder, filled with leaves and records of the usual size; no network.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

#include "audit/inclusion.hpp"
#include "bench/page_cache.hpp"
#include "broker/core_tree.hpp"
#include "broker/store_reader.hpp"
#include "broker/tile_folder.hpp"
#include "crypto/random.hpp"
#include "tests/support/broker_house.hpp"

namespace {

using namespace pli;
using namespace pli::testing;
using clock = std::chrono::steady_clock;

constexpr std::size_t record_bytes = 420;  ///< an opening's, boxed
constexpr std::uint64_t fill_step = 16384;
constexpr std::size_t batch_requests = 64;

template <class T>
T must(Result<T> result, const char* what) {
  if (!result) throw std::runtime_error(std::string(what) + ": " + result.error().detail);
  return *std::move(result);
}

double milliseconds_of(const std::function<void()>& work) {
  const auto start = clock::now();
  work();
  return std::chrono::duration<double, std::milli>(clock::now() - start).count();
}

struct Spread {
  double p50 = 0;
  double p99 = 0;
  double max = 0;
};
Spread spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values[values.size() * 99 / 100], values.back()};
}
nlohmann::json to_json(const Spread& s) { return {{"p50_ms", s.p50}, {"p99_ms", s.p99}, {"max_ms", s.max}}; }

class LogBench {
 public:
  LogBench()
      : house_(department_, {}, [](broker::CoreSettings& settings) { settings.acts_per_day_max = 1'000'000'000; }) {}

  [[nodiscard]] std::uint64_t size() { return house_.store().tree_size().value; }

  /// Leaves and nodes as the core writes them, without the acts they would stand for.
  void fill(std::uint64_t size) {
    broker::Store& store = house_.store();
    auto tree = must(broker::CoreTree::load(store), "tree");
    const Bytes record(record_bytes, 1);
    while (tree.size().value < size) {
      auto tx = must(store.begin(), "begin");
      tree.begin_batch();
      for (std::uint64_t i = 0; i < fill_step && tree.size().value < size; ++i) {
        broker::LeafRow row;
        row.place = {{tree.size().value}, {}};
        row.leaf.type = audit::LeafType::consultation;
        row.leaf.time = house_.now;
        crypto::random_bytes(row.leaf.record);
        row.nodes = tree.append(audit::leaf_hash(as_bytes(audit::encode(row.leaf))));
        row.month = 202611;
        row.record = record;
        tx.add_leaf(row);
      }
      tx.set_checkpoint(
          audit::sign_checkpoint({department_.origin(), tree.size(), tree.root()}, house_.keys().log_key()));
      if (auto committed = tx.commit(); !committed) throw std::runtime_error(committed.error().detail);
    }
    house_.restart();
  }

  /// Batches of refused openings, each a leaf, through the core and its commit; per leaf.
  Spread append(std::size_t batches) {
    std::vector<double> times;
    for (std::size_t b = 0; b < batches; ++b) {
      house_.now = house_.now + std::chrono::minutes(2);  // or the refusals of a minute would run out
      std::vector<broker::VerifiedRequest> batch;
      for (std::size_t i = 0; i < batch_requests; ++i) {
        const std::string who = "ged." + std::to_string(i % 9 + 1);
        batch.push_back(house_.request(who, department_.open(who, Digest{}, house_.now)));
      }
      const std::uint64_t before = size();
      const double took = milliseconds_of([&] { (void)must(house_.apply(std::move(batch)), "apply"); });
      times.push_back(took / static_cast<double>(size() - before));
    }
    return spread(std::move(times));
  }

  /// Store and core, as a start opens them. Cold: after the file was dropped from the page cache.
  Spread open(std::size_t times, bool cold) {
    std::vector<double> out;
    for (std::size_t i = 0; i < times; ++i) {
      house_.close();
      if (cold)
        for (const char* suffix : {"", "-wal"}) bench::drop_from_page_cache(house_.database().string() + suffix);
      out.push_back(milliseconds_of([&] {
        if (auto opened = house_.open(); !opened) throw std::runtime_error(opened.error().detail);
      }));
    }
    return spread(std::move(out));
  }

  Spread prove(std::size_t times) {
    const TreeSize size = house_.store().tree_size();
    const Digest root = audit::verify_checkpoint(house_.core().newest_checkpoint(), house_.log_key()).value().root();
    const audit::NodeSource nodes = [&](audit::NodeId id) { return house_.store().node(id); };
    std::vector<double> out;
    std::uint64_t at = 0;
    for (std::size_t i = 0; i < times; ++i) {
      at = (at + 7'918'865'377) % size.value;
      std::vector<Digest> proof;
      out.push_back(
          milliseconds_of([&] { proof = must(audit::inclusion_proof(LeafIndex{at}, size, nodes), "proof"); }));
      const Digest leaf = must(house_.store().node({0, at}), "leaf");
      if (!audit::verify_inclusion(root, size, {at}, leaf, proof))
        throw std::runtime_error("a proof that proves nothing");
    }
    return spread(std::move(out));
  }

  /// All tiles from nothing, as after the folder was lost; leaves a second.
  double write_tiles() {
    const auto reader = must(broker::StoreReader::open(house_.database(), department_.origin()), "reader");
    const TreeSize size = house_.store().tree_size();
    const double took = milliseconds_of([&] {
      auto folder = must(
          broker::TileFolder::open({house_.folder() / "tiles", house_.log_key(), {}}, size,
                                   {[&](LeafIndex first, std::size_t count) { return reader->leaves(first, count); },
                                    [&](audit::NodeId id) { return reader->node(id); }}),
          "tiles folder");
      while (!must(folder.grow(size, {}), "tiles")) {
      }
      if (auto published = folder.publish(house_.core().newest_checkpoint()); !published)
        throw std::runtime_error(published.error().detail);
    });
    return static_cast<double>(size.value) / took * 1000;
  }

 private:
  Department department_;
  BrokerHouse house_;
};

double resident_mib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

void print(const char* what, const Spread& s, const char* per) {
  std::printf("%-40s p50 %8.4f ms   p99 %8.4f ms   max %8.4f ms   %s\n", what, s.p50, s.p99, s.max, per);
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t leaves = 10'000'000;
  bool json = false;
  CLI::App app{"Measures what a long log costs, with a store of its own in the temporary folder"};
  app.footer("Example: bench-log --leaves 10000000 --json");
  app.add_option("--leaves", leaves, "Leaves of the long log")->check(CLI::Range(20'000, 100'000'000));
  app.add_flag("--json", json, "One JSON object");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& asked) {
    return app.exit(asked) == 0 ? 0 : 2;
  }
  pli::crypto::initialise();
  try {
    LogBench bench;
    bench.fill(10'000);
    const Spread short_append = bench.append(200);
    const double filled = milliseconds_of([&] { bench.fill(leaves); });
    const Spread open_cold = bench.open(5, true);
    const Spread open_warm = bench.open(20, false);
    const Spread proof = bench.prove(2000);
    const Spread long_append = bench.append(200);
    const double before_tiles = resident_mib();
    const double tiles = bench.write_tiles();
    if (json) {
      const nlohmann::json out = {{"leaves", leaves},
                                  {"fill_per_second", static_cast<double>(leaves) / filled * 1000},
                                  {"open_cold", to_json(open_cold)},
                                  {"open_warm", to_json(open_warm)},
                                  {"inclusion_proof", to_json(proof)},
                                  {"append_per_leaf_at_10000", to_json(short_append)},
                                  {"append_per_leaf", to_json(long_append)},
                                  {"tiles_leaves_per_second", tiles},
                                  {"resident_peak_before_tiles_mib", before_tiles},
                                  {"resident_peak_mib", resident_mib()}};
      std::printf("%s\n", out.dump().c_str());
      return 0;
    }
    std::printf("%llu leaves, filled at %.0f a second\n", static_cast<unsigned long long>(leaves),
                static_cast<double>(leaves) / filled * 1000);
    print("open, file not in the page cache", open_cold, "store and core");
    print("open, file in the page cache", open_warm, "store and core");
    print("inclusion proof", proof, "from the store, leaves all over");
    print("append, at 10,000 leaves", short_append, "a leaf, in batches of 64, committed");
    print("append, at the end", long_append, "a leaf, in batches of 64, committed");
    std::printf("tiles made anew: %.0f leaves a second; resident at most %.0f MiB before, %.0f MiB after\n", tiles,
                before_tiles, resident_mib());
    return 0;
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "bench-log: %s\n", problem.what());
    return 1;
  }
}
