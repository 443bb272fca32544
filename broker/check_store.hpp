// fsck: every invariant of the store, one by one. Reads a snapshot; changes nothing; takes no writer epoch, so it may
// run beside a broker, whose WAL grows meanwhile. Used by `pli-broker check` and by every crash test.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/id.hpp"
#include "base/result.hpp"
#include "broker/key_ring.hpp"
#include "broker/store.hpp"

namespace pli::broker {

/// One broken invariant. `name` is fixed ("queue.chain"); docs/storage.md, "Invariants", lists them. `where` is our own
/// numbering: "exchange 12", "leaf 40".
struct StoreProblem {
  std::string name;
  std::string where;
  bool operator==(const StoreProblem&) const = default;
};

struct CheckOptions {
  std::string vfs;
  std::string log;         ///< origin without the shard
  bool signatures = true;  ///< verify each exchange's Ed25519 signature: most of the time it takes
  std::size_t problems_max = 1000;
  bool leases_may_be_gone = false;  ///< an old copy's: such R are counted, and no problem
  std::string origin_wanted;        ///< the report says the root of this shard's first…
  TreeSize root_wanted{};           ///< …so many leaves
};

struct CheckReport {
  std::uint64_t exchanges = 0;
  std::uint64_t leaves = 0;  ///< of all shards
  struct Shard {
    ShardRow row;  ///< of the current one, `closed` is the newest checkpoint
    TreeSize size{};
  };
  std::vector<Shard> shards;           ///< oldest first; at least one
  std::optional<Digest> root;          ///< of `root_wanted` leaves; nothing when there are fewer
  std::uint64_t leases_gone = 0;       ///< R under leases that are not there, where they may be gone
  std::vector<StoreProblem> problems;  ///< empty = the store is whole
};

/// Needs the key ring: records, R and the checkpoint are checked under its keys. Memory grows with the number of queues
/// and cases, not of exchanges.
/// Errors: not_found, io_error, conflict (of another schema), corruption (so damaged that it cannot be read through).
[[nodiscard]] Result<CheckReport> check_store(const std::filesystem::path& file, const KeyRing& keys,
                                              const CheckOptions& options);
/// The same beside a broker, which makes keys while it runs: `read_keys` is called once, when the snapshot stands, so
/// that no row of it is under a key made since. Errors: those of `read_keys` besides.
using KeySource = std::function<Result<std::shared_ptr<const KeyRing>>()>;
[[nodiscard]] Result<CheckReport> check_store(const std::filesystem::path& file, const KeySource& read_keys,
                                              const CheckOptions& options);

/// The same checks of leaves, tree, records and stored exchanges, some rows at a time, for a broker that looks itself
/// over while it runs. Each step reads one short snapshot, so that the WAL may begin anew between two. Memory grows
/// with the number of queues and rosters. Thread: its owner's.
class StoreSweep {
 public:
  using Keys = std::function<CheckKeys()>;  ///< asked in each step, when its snapshot stands
  /// Errors: io_error, corruption.
  [[nodiscard]] static Result<std::unique_ptr<StoreSweep>> open(const std::filesystem::path& file, Keys keys,
                                                                std::string log, const std::string& vfs = {});
  ~StoreSweep();
  StoreSweep(const StoreSweep&) = delete;
  StoreSweep& operator=(const StoreSweep&) = delete;

  [[nodiscard]] Result<std::uint64_t> rows();     ///< leaves and exchanges there are, about
  [[nodiscard]] std::uint64_t looked_at() const;  ///< of them, so far

  struct Step {
    bool done = false;                    ///< these were the last
    std::optional<StoreProblem> problem;  ///< the first breach; the sweep stays before it
  };
  /// At most so many leaves or exchanges; of exchanges no more once their bodies come to `bytes_max`.
  /// Errors: io_error, corruption (so damaged that it cannot be read).
  [[nodiscard]] Result<Step> step(std::size_t rows_max, std::uint64_t bytes_max);

 private:
  struct State;
  explicit StoreSweep(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace pli::broker
