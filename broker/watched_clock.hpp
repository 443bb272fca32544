// The broker's clock: the machine's, as far as it can be believed. A wrong year at start, or a jump while running,
// would make keys of another time, destroy those of this one, and date every later leaf; none of which a correct clock
// mends.
#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace pli::broker {

/// Whether a start may go by `now`. `newest_key` is when the newest lease was made, at most a week before a broker
/// stopped; `newest_leaf` is the log's. Small steps back are what NTP does; a long stop is told from a jump by the
/// operator alone (`--accept-clock`).
/// Errors: over_limit (more than clock_leap_max ahead of both), conflict (more than clock_back_max behind the lease).
[[nodiscard]] Result<void> demand_plausible_clock(UnixMillis now, UnixMillis newest_key, UnixMillis newest_leaf);

/// "2026-11-28", UTC: what an operator who vouches for a clock types.
[[nodiscard]] std::string utc_date(UnixMillis time);

/// Time since some moment, the machine's sleep included; never set by anybody.
[[nodiscard]] std::chrono::milliseconds time_since_boot();

/// Follows the machine's clock while it moves with time; a step of more than clock_jump_max, either way, is not
/// followed but logged, and time goes on from where it was until the clock is right again or the broker is started
/// anew. Thread-safe.
class WatchedClock final : public Clock {
 public:
  using Elapsed = std::function<std::chrono::milliseconds()>;
  explicit WatchedClock(const Clock& machine, Elapsed elapsed = time_since_boot);
  [[nodiscard]] UnixMillis now() const override;

 private:
  const Clock& machine_;
  const Elapsed elapsed_;
  mutable std::mutex mutex_;
  mutable UnixMillis last_;
  mutable std::chrono::milliseconds last_elapsed_;
  mutable bool jumped_ = false;
};

}  // namespace pli::broker
