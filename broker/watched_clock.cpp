#include "broker/watched_clock.hpp"

#include <algorithm>
#include <array>
#include <ctime>

#include "broker/log.hpp"
#include "protocol/limits.hpp"

namespace pli::broker {

Result<void> demand_plausible_clock(UnixMillis now, UnixMillis newest_key, UnixMillis newest_leaf) {
  if (newest_key - now > protocol::clock_back_max)
    return Error{Errc::conflict, "the machine's clock stands before the newest lease key was made"};
  // A leaf dated ahead by an earlier jump stays so for ever, and says nothing about today.
  const UnixMillis known = newest_leaf > now ? newest_key : std::max(newest_key, newest_leaf);
  if (now - known > protocol::clock_leap_max)
    return Error{Errc::over_limit, "the machine's clock is far ahead of the newest leaf and the newest lease key"};
  return {};
}

std::string utc_date(UnixMillis time) {
  const std::time_t seconds = time.value / 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  return std::string(text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d", &parts));
}

std::chrono::milliseconds time_since_boot() {
  timespec at{};
  ::clock_gettime(CLOCK_BOOTTIME, &at);
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::seconds(at.tv_sec) +
                                                               std::chrono::nanoseconds(at.tv_nsec));
}

WatchedClock::WatchedClock(const Clock& machine, Elapsed elapsed)
    : machine_(machine), elapsed_(std::move(elapsed)), last_(machine_.now()), last_elapsed_(elapsed_()) {}

UnixMillis WatchedClock::now() const {
  const std::lock_guard lock(mutex_);
  const auto elapsed = elapsed_();
  const UnixMillis expected = last_ + (elapsed - last_elapsed_);
  const UnixMillis told = machine_.now();
  const auto step = told > expected ? told - expected : expected - told;
  const bool jumped = step > protocol::clock_jump_max;
  if (jumped != jumped_) {
    jumped_ = jumped;
    if (jumped)
      log(LogLevel::error, "the machine's clock jumped and is not followed: set it right, or start again",
          {{"way", told > expected ? Word("forward") : Word("back")},
           {"seconds", static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(step).count())}});
    else
      log(LogLevel::info, "the machine's clock is right again");
  }
  last_ = jumped ? expected : told;
  last_elapsed_ = elapsed;
  return last_;
}

}  // namespace pli::broker
