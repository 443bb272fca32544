// Queues between the broker's threads (design §3): a mutex, and a condition variable or an eventfd to wake by.
// No polling: who waits sleeps until there is something, a deadline or the end.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <iterator>
#include <mutex>
#include <optional>
#include <vector>

#include "base/result.hpp"

namespace pli::broker {

using SteadyTime = std::chrono::steady_clock::time_point;

/// A thread's bell, in its poll set. Ringing a bell that rings already costs one system call and nothing else.
class WakeFd {
 public:
  [[nodiscard]] static Result<WakeFd> create();
  WakeFd(WakeFd&& other) noexcept;
  WakeFd& operator=(WakeFd&&) = delete;
  ~WakeFd();
  [[nodiscard]] int fd() const { return fd_; }
  void ring() const;     ///< Any thread.
  void silence() const;  ///< Its own thread, before it looks at what it was woken for.

 private:
  explicit WakeFd(int fd) : fd_(fd) {}
  int fd_ = -1;
};

/// Many givers, any number of takers. Unbounded: the transport bounds what is under way (in_flight, gate_queue_max).
template <class T>
class HandOver {
 public:
  void give(T item) {
    std::unique_lock lock(mutex_);
    items_.push_back(std::move(item));
    lock.unlock();
    more_.notify_one();
  }

  void give_all(std::vector<T> items) {
    if (items.empty()) return;
    std::unique_lock lock(mutex_);
    items_.insert(items_.end(), std::make_move_iterator(items.begin()), std::make_move_iterator(items.end()));
    lock.unlock();
    more_.notify_one();
  }

  /// At most `count` items, oldest first. Waits for the first until `deadline`; then, and once closed and emptied,
  /// there may be none.
  [[nodiscard]] std::vector<T> take(std::size_t count, SteadyTime deadline) {
    std::unique_lock lock(mutex_);
    more_.wait_until(lock, deadline, [this] { return closed_ || !items_.empty(); });
    std::vector<T> out;
    const auto end = items_.begin() + static_cast<std::ptrdiff_t>(std::min(count, items_.size()));
    out.assign(std::make_move_iterator(items_.begin()), std::make_move_iterator(end));
    items_.erase(items_.begin(), end);
    return out;
  }

  /// Takers empty what is left, then find nothing more to wait for.
  void close() {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    more_.notify_all();
  }

  /// Closed, and nothing left.
  [[nodiscard]] bool finished() const {
    std::lock_guard lock(mutex_);
    return closed_ && items_.empty();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable more_;
  std::deque<T> items_;
  bool closed_ = false;
};

/// One taker that polls: `bell` rings when there is something where there was nothing.
template <class T>
class PolledHandOver {
 public:
  explicit PolledHandOver(const WakeFd& bell) : bell_(bell) {}

  void give_all(std::vector<T> items) {
    if (items.empty()) return;
    std::unique_lock lock(mutex_);
    const bool was_empty = items_.empty();
    if (was_empty) {
      items_ = std::move(items);
    } else {
      items_.insert(items_.end(), std::make_move_iterator(items.begin()), std::make_move_iterator(items.end()));
    }
    lock.unlock();
    if (was_empty) bell_.ring();
  }

  [[nodiscard]] std::size_t size() const {
    std::lock_guard lock(mutex_);
    return items_.size();
  }

  /// Everything there is; never waits.
  [[nodiscard]] std::vector<T> take_all() {
    std::lock_guard lock(mutex_);
    return std::exchange(items_, {});
  }

 private:
  const WakeFd& bell_;
  mutable std::mutex mutex_;
  std::vector<T> items_;
};

}  // namespace pli::broker
