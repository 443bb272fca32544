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
      if (strand->second.running || is_held_back(strand->second)) continue;
      strand->second.running = true;
      ready_.push_back(strand);
      ++woken;
    }
  }
  for (std::size_t i = 0; i < std::min(woken, threads_.size()); ++i) more_.notify_one();
}

void Gate::answered(const std::vector<crypto::CurvePublic>& askers) {
  std::size_t woken = 0;
  {
    std::lock_guard lock(mutex_);
    for (const crypto::CurvePublic& asker : askers) {
      const auto strand = strands_.find(asker);
      if (strand == strands_.end() || strand->second.unanswered == 0) continue;
      --strand->second.unanswered;
      if (strand->second.running) continue;
      const bool waits = !strand->second.waiting.empty();  // the strand may be gone after this
      rest(strand);
      woken += waits ? 1 : 0;
    }
  }
  for (std::size_t i = 0; i < std::min(woken, threads_.size()); ++i) more_.notify_one();
}

/// What becomes of a strand in nobody's hands.
void Gate::rest(Strands::iterator strand) {
  Strand& its = strand->second;
  its.running = !its.waiting.empty() && !is_held_back(its);
  if (its.running)
    ready_.push_back(strand);
  else if (its.waiting.empty() && its.unanswered == 0)
    strands_.erase(strand);
}

void Gate::finish() {
  {
    std::lock_guard lock(mutex_);
    finishing_ = true;
    for (auto strand = strands_.begin(); strand != strands_.end();) {
      const auto next = std::next(strand);
      if (!strand->second.running) rest(strand);
      strand = next;
    }
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
    std::size_t turn_max = gate_turn_messages_max;
    if (!finishing_) turn_max = std::min(turn_max, gate_unanswered_max - strand->second.unanswered);
    const auto end = waiting.begin() + static_cast<std::ptrdiff_t>(std::min(waiting.size(), turn_max));
    std::vector<Incoming> turn(std::make_move_iterator(waiting.begin()), std::make_move_iterator(end));
    waiting.erase(waiting.begin(), end);

    // Counted before the core can have them, so that it never answers what was not counted.
    const std::size_t taken = turn.size();
    strand->second.unanswered += taken;

    lock.unlock();
    const std::size_t given = verify_turn(std::move(turn));
    lock.lock();

    strand->second.unanswered -= taken - given;
    rest(strand);
    if (ready_.size() > 1) more_.notify_one();
  }
}

/// How many went on to the core.
std::size_t Gate::verify_turn(std::vector<Incoming> turn) {
  std::vector<VerifiedRequest> to_core;
  std::vector<Outgoing> answers;
  for (Incoming& message : turn) {
    Verdict verdict = verifier_.verify(std::move(message));
    if (verdict.to_core) to_core.push_back(*std::move(verdict.to_core));
    if (verdict.answer) answers.push_back(*std::move(verdict.answer));
  }
  const std::size_t given = to_core.size();
  if (!to_core.empty()) sinks_.to_core(std::move(to_core));
  if (!answers.empty()) sinks_.answer(std::move(answers));
  return given;
}

}  // namespace pli::broker
