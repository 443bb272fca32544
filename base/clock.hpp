// Where time comes from. Injected, so that tests own it; timeouts use a steady clock of their own.
#pragma once

#include <chrono>
#include <cstdint>

namespace pli {

/// Milliseconds since the Unix epoch, UTC: the unit of every time we sign, record or store.
struct UnixMillis {
  std::int64_t value = 0;
  auto operator<=>(const UnixMillis&) const = default;
};

[[nodiscard]] inline UnixMillis operator+(UnixMillis time, std::chrono::milliseconds more) {
  return {time.value + more.count()};
}
[[nodiscard]] inline UnixMillis operator-(UnixMillis time, std::chrono::milliseconds less) {
  return {time.value - less.count()};
}
[[nodiscard]] inline std::chrono::milliseconds operator-(UnixMillis later, UnixMillis earlier) {
  return std::chrono::milliseconds(later.value - earlier.value);
}

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual UnixMillis now() const = 0;
};

/// The machine's clock. It may jump; whoever needs order takes the maximum with what it last wrote.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] UnixMillis now() const override;
};

/// A clock that stands still until told otherwise (tests, simulator).
class ManualClock final : public Clock {
 public:
  explicit ManualClock(UnixMillis start) : now_(start) {}
  [[nodiscard]] UnixMillis now() const override { return now_; }
  void set(UnixMillis now) { now_ = now; }
  void advance(std::chrono::milliseconds by) { now_ = now_ + by; }

 private:
  UnixMillis now_;
};

}  // namespace pli
