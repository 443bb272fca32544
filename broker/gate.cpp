#include "broker/gate.hpp"

#include <algorithm>
#include <iterator>

namespace pli::broker {

Gate::Gate(Verifier& verifier, GateSinks sinks, std::size_t threads) : verifier_(verifier), sinks_(std::move(sinks)) {
  PLI_INVARIANT(threads > 0);
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
}

Gate::~Gate() { finish(); }

void Gate::push(std::vector<Incoming> messages) {
  std::size_t woken = 0;
  {
    std::lock_guard lock(mutex_);
    for (Incoming& message : messages) {
      const auto strand = strands_.try_emplace(message.peer.key).first;
      strand->second.waiting.push_back(std::move(message));
      if (strand->second.running) continue;
      strand->second.running = true;
      ready_.push_back(strand);
      ++woken;
    }
  }
  for (std::size_t i = 0; i < std::min(woken, threads_.size()); ++i) more_.notify_one();
}

void Gate::finish() {
  {
    std::lock_guard lock(mutex_);
    finishing_ = true;
  }
  more_.notify_all();
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.join();
}

void Gate::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    more_.wait(lock, [this] { return finishing_ || !ready_.empty(); });
    // A strand in another thread's hands is that thread's to finish.
    if (ready_.empty()) return;
    const auto strand = ready_.front();
    ready_.pop_front();
    std::deque<Incoming>& waiting = strand->second.waiting;
    const auto end = waiting.begin() + static_cast<std::ptrdiff_t>(std::min(waiting.size(), gate_turn_messages_max));
    std::vector<Incoming> turn(std::make_move_iterator(waiting.begin()), std::make_move_iterator(end));
    waiting.erase(waiting.begin(), end);

    lock.unlock();
    verify_turn(std::move(turn));
    lock.lock();

    if (waiting.empty()) {
      strands_.erase(strand);
    } else {
      ready_.push_back(strand);
      if (ready_.size() > 1) more_.notify_one();
    }
  }
}

void Gate::verify_turn(std::vector<Incoming> turn) {
  std::vector<VerifiedRequest> to_core;
  std::vector<Outgoing> answers;
  for (Incoming& message : turn) {
    Verdict verdict = verifier_.verify(std::move(message));
    if (verdict.to_core) to_core.push_back(*std::move(verdict.to_core));
    if (verdict.answer) answers.push_back(*std::move(verdict.answer));
  }
  if (!to_core.empty()) sinks_.to_core(std::move(to_core));
  if (!answers.empty()) sinks_.answer(std::move(answers));
}

}  // namespace pli::broker
