// A MemoryBroker behind a real ROUTER with CURVE and ZAP, on a thread of its own: what a client's connection meets.
// Everything but the constructor and destructor may be called from the test's thread.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "crypto/keys.hpp"
#include "tests/support/memory_broker.hpp"

namespace pli::testing {

class SocketBroker {
 public:
  /// Listens on a free port of the loopback with this CURVE secret; admits these keys alone. `broker` is the thread's
  /// until this is gone: look at it through with_broker() only.
  SocketBroker(MemoryBroker& broker, const crypto::SecretKey& curve_secret, std::set<crypto::CurvePublic> admitted);
  ~SocketBroker();
  SocketBroker(const SocketBroker&) = delete;
  SocketBroker& operator=(const SocketBroker&) = delete;

  [[nodiscard]] const std::string& endpoint() const;
  void with_broker(const std::function<void(MemoryBroker&)>& work);
  void answer_nothing(bool silent);  ///< requests are read and dropped

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pli::testing
