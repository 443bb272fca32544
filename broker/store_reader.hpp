// Leaves and tree nodes as they are committed, read beside the store by a connection of its own: for the publisher,
// which must not ask the core. Both are written once and never change, so nothing is held between two calls. Any
// thread; calls wait for one another.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "audit/tree.hpp"
#include "base/id.hpp"
#include "base/result.hpp"

namespace pli::broker {

class StoreReader {
 public:
  /// `file` is open in a Store already. Errors: not_found (no such file, or no shard of this origin in it), io_error.
  [[nodiscard]] static Result<std::unique_ptr<StoreReader>> open(const std::filesystem::path& file,
                                                                 std::string_view origin);
  ~StoreReader();
  StoreReader(const StoreReader&) = delete;
  StoreReader& operator=(const StoreReader&) = delete;

  /// Encoded leaves [first, first + count). Errors: io_error, corruption (one of them is missing or unreadable).
  [[nodiscard]] Result<std::vector<std::string>> leaves(LeafIndex first, std::size_t count) const;
  /// As Store::node.
  [[nodiscard]] Result<Digest> node(audit::NodeId id) const;

 private:
  struct State;
  explicit StoreReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace pli::broker
