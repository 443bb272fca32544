// fsck: every invariant of the store, one by one. Reads a snapshot; changes nothing; takes no writer epoch, so it may
// run beside a broker. Used by `pli-broker check` and by every crash test.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "broker/key_ring.hpp"

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
};

struct CheckReport {
  std::uint64_t exchanges = 0;
  std::uint64_t leaves = 0;
  std::vector<StoreProblem> problems;  ///< empty = the store is whole
};

/// Needs the key ring: records, R and the checkpoint are checked under its keys. Memory grows with the number of queues
/// and cases, not of exchanges.
/// Errors: not_found, io_error, corruption (so damaged that it cannot be read through).
[[nodiscard]] Result<CheckReport> check_store(const std::filesystem::path& file, const KeyRing& keys,
                                              const CheckOptions& options);

}  // namespace pli::broker
