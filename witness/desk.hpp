// Where a witness decides: one request at a time, durable before it is answered. Any thread may come; see
// add_checkpoint.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "witness/watched_logs.hpp"
#include "witness/witness_store.hpp"

namespace pli::witness {

/// What the desk has to say besides its answers. Called under its mutex: quick, and not back into the desk.
enum class DeskEvent {
  evidence_kept,  ///< a log signed two trees, and the proof was written
  evidence_lost,  ///< the same, but it could not be written
  store_failed,   ///< nothing is cosigned any more: end, and recover through a new start
};

class Desk {
 public:
  /// `clock` outlives it, and is asked by any thread.
  Desk(WitnessStore store, WatchedLogs logs, audit::Witness witness, const Clock& clock,
       std::function<void(DeskEvent)> tell);

  /// The answer to an add-checkpoint (docs/protocol.md, "Asking a witness"). A 200 is durable. 500 when it cannot be
  /// kept, 503 when there is no room for another origin. Any thread: signatures are verified side by side, then reading
  /// the state, deciding and writing it happen under one mutex, so that no request undoes another.
  [[nodiscard]] audit::WitnessAnswer add_checkpoint(std::string_view body);
  /// Other logs are watched from the next request on; what was cosigned of those before stands. Any thread.
  void watch(WatchedLogs logs);
  /// The checkpoint cosigned last, by its monitoring path. Any thread.
  [[nodiscard]] std::optional<std::string> checkpoint(std::string_view monitoring_path) const;

 private:
  [[nodiscard]] std::shared_ptr<const WatchedLogs> watched() const;
  const audit::Witness witness_;
  const Clock& clock_;
  const std::function<void(DeskEvent)> tell_;
  mutable std::mutex mutex_;
  std::shared_ptr<const WatchedLogs> logs_;  ///< which one, under the mutex
  WitnessStore store_;                       ///< under the mutex
};

}  // namespace pli::witness
