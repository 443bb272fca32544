// The directory version in force, as the gate's threads and the ZAP handler see it. The core decides by its own; this
// copy may be a moment older, so nothing rests on it alone.
#pragma once

#include <memory>
#include <mutex>

#include "protocol/directory.hpp"

namespace pli::broker {

class DirectoryInForce {
 public:
  explicit DirectoryInForce(std::shared_ptr<const protocol::Directory> first) : current_(std::move(first)) {}
  /// Any thread.
  [[nodiscard]] std::shared_ptr<const protocol::Directory> get() const {
    std::lock_guard lock(mutex_);
    return current_;
  }
  /// Thread: core.
  void set(std::shared_ptr<const protocol::Directory> next) {
    std::lock_guard lock(mutex_);
    std::swap(current_, next);  // the older version is given up outside the lock, where it may take its time
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const protocol::Directory> current_;
};

}  // namespace pli::broker
