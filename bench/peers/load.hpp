// What is sent to a peer and what comes of it: senders on one thread, receivers on another, so that a receiver that
// verifies takes a core of its own where there is one.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "bench/peers/peer.hpp"

namespace pli::bench {

struct LoadOptions {
  std::string peer;
  int port = 0;
  std::size_t bytes = 2048;
  std::size_t senders = 16;
  std::size_t in_flight = 64;  ///< of each sender; not counted when a rate is set
  double rate = 0;          ///< messages a second from one sender, sent when due whatever is still unanswered; 0: none
  std::uint64_t count = 0;  ///< measured from the first to the last of so many; 0: by time
  std::chrono::duration<double> warm_up{0.5};
  std::chrono::duration<double> window{3};
  std::size_t receivers = 0;
  bool verify = false;  ///< the first receiver verifies each message's signature before it acknowledges
};

/// `begins` is called when the measured time starts, `ends` with the figures after it, while all connections still
/// stand: a server's process for a connection keeps its processor time only so long. Throws when the peer does not do
/// what it should.
void run_load(const LoadOptions& options, const std::function<void()>& begins,
              const std::function<void(const nlohmann::json&)>& ends);

/// Sends until every connection is gone (whoever started this kills the peer meanwhile), calls `dead` with how many
/// messages were confirmed, and after it returns, with the peer back, counts which of those it no longer has.
[[nodiscard]] nlohmann::json run_crash_trial(const LoadOptions& options,
                                             const std::function<void(std::uint64_t confirmed)>& dead);

/// Whether the peer signs somebody in within that time.
[[nodiscard]] bool wait_ready(const std::string& peer, int port, std::chrono::duration<double> patience);

}  // namespace pli::bench
