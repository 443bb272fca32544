// What only the database knows of how the broker does, read beside the store by a connection of its own, so that it can
// be told when the core is silent. Thread: its owner's.
#pragma once

#include <filesystem>
#include <memory>

#include "broker/vitals.hpp"

namespace pli::broker {

class StoreVitals {
 public:
  explicit StoreVitals(std::filesystem::path file);
  ~StoreVitals();
  StoreVitals(const StoreVitals&) = delete;
  StoreVitals& operator=(const StoreVitals&) = delete;

  /// One pass over the cases. Nothing when the database cannot be read just now.
  [[nodiscard]] std::optional<std::array<Unread, instance_kinds.size()>> unread();

 private:
  struct State;
  std::filesystem::path file_;
  std::unique_ptr<State> state_;
};

}  // namespace pli::broker
