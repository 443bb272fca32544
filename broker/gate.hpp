// The gate: a pool of threads that verify messages before the core sees them. Each identity's messages are verified one
// after another, in their order, by whichever thread is free; identities take turns, so that a busy one delays nobody.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "broker/gate_verify.hpp"

namespace pli::broker {

/// Messages of one identity verified before the next identity has its turn.
inline constexpr std::size_t gate_turn_messages_max = 16;
/// Requests of one identity that the core has not answered yet: its next turn waits for some of them. So a batch holds
/// no more of one identity, and whoever asks now and then waits behind a short batch, however busy another is.
inline constexpr std::size_t gate_unanswered_max = 32;

/// Called from the gate's threads.
struct GateSinks {
  std::function<void(std::vector<VerifiedRequest>)> to_core;
  std::function<void(std::vector<Outgoing>)> answer;
};

class Gate {
 public:
  Gate(Verifier& verifier, GateSinks sinks, std::size_t threads);
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  /// Thread: transport. Bounded by what the transport lets in (gate_queue_max).
  void push(std::vector<Incoming> messages);
  /// The core has done with one request of each of these; named as often as they had requests. Thread: core.
  void answered(const std::vector<crypto::CurvePublic>& askers);
  /// Verifies what is left and ends the threads. Nothing may be pushed any more.
  void finish();

 private:
  struct Strand {
    std::deque<Incoming> waiting;
    std::size_t unanswered = 0;  ///< being verified, or with the core
    bool running = false;        ///< in the run queue or in a thread's hands
  };
  using Strands = std::map<crypto::CurvePublic, Strand>;
  void run();
  [[nodiscard]] bool is_held_back(const Strand& strand) const {
    return strand.unanswered >= gate_unanswered_max && !finishing_;
  }
  void rest(Strands::iterator strand);
  std::size_t verify_turn(std::vector<Incoming> turn);

  Verifier& verifier_;
  const GateSinks sinks_;
  std::mutex mutex_;  // guards what follows, but for threads_
  std::condition_variable more_;
  Strands strands_;
  std::deque<Strands::iterator> ready_;
  bool finishing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace pli::broker
