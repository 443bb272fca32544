// Waiting for what other threads do.
#pragma once

#include <chrono>
#include <thread>

namespace pli::testing {

/// Polls until `condition` holds; false after twenty seconds.
template <class Condition>
[[nodiscard]] bool eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < deadline) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

}  // namespace pli::testing
