// What only the database knows of how the broker does, read beside the store by a connection of its own, so that it can
// be told when the core is silent. Thread: its owner's.
#pragma once

#include <filesystem>
#include <memory>

#include "broker/vitals.hpp"
#include "protocol/retention.hpp"

namespace pli::broker {

inline constexpr std::chrono::milliseconds case_life_every = std::chrono::minutes(1);

class StoreVitals {
 public:
  explicit StoreVitals(std::filesystem::path file);
  ~StoreVitals();
  StoreVitals(const StoreVitals&) = delete;
  StoreVitals& operator=(const StoreVitals&) = delete;

  /// One pass over the cases. Nothing when the database cannot be read just now.
  [[nodiscard]] std::optional<std::array<Unread, instance_kinds.size()>> unread();
  /// Two more passes, at most each case_life_every: whoever asks in between is told the same. A deferral counts as made
  /// in time, which the rows do not tell; all else as members count.
  [[nodiscard]] std::optional<CaseLife> life(const protocol::Delays& delays, const protocol::Terms& terms,
                                             UnixMillis now);

 private:
  struct State;
  std::filesystem::path file_;
  std::unique_ptr<State> state_;
  UnixMillis looked_at_{};
  std::optional<CaseLife> life_;
};

}  // namespace pli::broker
