// The lies a broker could tell, one by one, each with what a client must answer: for our own tests, and for whoever
// writes another client (pli-lying-broker). Everything lied about is real: real signatures of a real invented contract.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/memory_broker.hpp"
#include "tests/support/small_world.hpp"

namespace pli::testing {

/// What a client does when it meets the lie.
enum class Gesture { connect, inbox, open, send, audit };
[[nodiscard]] std::string_view text_of(Gesture gesture);

struct Lie {
  std::string_view name;
  std::string_view what;     ///< in a sentence
  std::string_view promise;  ///< of the design, which it would break
  std::string_view member;   ///< whose client meets it
  Gesture gesture = Gesture::connect;
  std::string_view code;  ///< the client's answer: a LocalCode, or for `audit` a Problem
};
[[nodiscard]] std::span<const Lie> lies();
[[nodiscard]] const Lie* find_lie(std::string_view name);

/// A contract with a short past (two reports and one of a neighbour, a second version of the directory), honest until
/// told to lie. One lie each. Not thread-safe.
class LyingBroker {
 public:
  /// `clock` must outlive it; `since` is the contract's time, before the clock's.
  LyingBroker(const Lie& lie, const Clock& clock, UnixMillis since);

  [[nodiscard]] SmallWorld& world() { return world_; }
  [[nodiscard]] MemoryBroker& broker() { return *broker_; }
  /// From now on.
  void start_lying();

 private:
  friend struct Liar;
  void send_report(const std::string& member);
  const Lie& lie_;
  const Clock& clock_;
  UnixMillis since_;
  SmallWorld world_;
  std::unique_ptr<MemoryBroker> broker_;
  std::unique_ptr<MemoryBroker> past_;  ///< before the last leaves
};

}  // namespace pli::testing
