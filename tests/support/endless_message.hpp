// An enrolled client below libzmq: CURVE over a plain socket (ZMTP 3.0, RFC 23 and 26), and one message that never
// ends. libzmq itself cannot send it: it keeps what it sends until the last frame is there.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "crypto/keys.hpp"
#include "crypto/secret.hpp"

namespace pli::testing {

class EndlessMessage {
 public:
  /// Connects to "tcp://127.0.0.1:<port>" and shakes hands. Throws std::runtime_error where that cannot be done.
  EndlessMessage(const std::string& endpoint, const crypto::CurvePublic& broker, const crypto::SecretKey& secret);
  ~EndlessMessage();
  EndlessMessage(const EndlessMessage&) = delete;
  EndlessMessage& operator=(const EndlessMessage&) = delete;

  struct Sent {
    std::uint64_t bytes = 0;
    bool cut = false;  ///< the broker, or the system in its place, ended the connection
  };
  /// Frame after frame, each announcing another, until so many bytes are sent, the connection ends or the time is up.
  [[nodiscard]] Sent send(std::uint64_t bytes, std::chrono::milliseconds time);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pli::testing
