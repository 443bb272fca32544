// The statistics a log has stated, as its operator reads them: beside a running broker, by a connection of their own,
// and without a key, since these records are kept in clear (docs/storage.md).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "protocol/statistics.hpp"

namespace pli::broker {

struct StatedMonth {
  protocol::StatisticsStatement statement;
  std::string origin;     ///< of the shard whose part of the month it is
  std::string stated_in;  ///< origin of the tree the leaf stands in
  LeafIndex leaf{};
  UnixMillis at{};
  std::string text;  ///< what the statement names the digest of
};
struct StatedMonths {
  std::string origin;               ///< of the current shard
  UnixMillis first{};               ///< of its first leaf
  std::vector<StatedMonth> months;  ///< in the order they were stated
};
/// Reads every leaf's type: some seconds for millions. Errors: not_found (no such file), io_error, corruption (a
/// statement without the text it names).
[[nodiscard]] Result<StatedMonths> read_stated_months(const std::filesystem::path& file);

}  // namespace pli::broker
