// A client that promises nothing: a DEALER over CURVE that sends whatever a test wants to send, well-formed or not.
// One thread at a time.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crypto/keys.hpp"
#include "crypto/secret.hpp"
#include "protocol/wire.hpp"

namespace pli::testing {

class RawClient {
 public:
  struct Options {
    std::string routing_id;             ///< chosen by the client; empty: the broker gives one
    int receive_queue = 1000;           ///< messages libzmq keeps for us; small makes a slow reader
    int receive_buffer = 0;             ///< the kernel's, in bytes; 0: its default
    const RawClient* beside = nullptr;  ///< shares that client's I/O thread: many clients in one process
  };
  enum class Handshake { succeeded, refused, nothing };

  RawClient(const std::string& endpoint, const crypto::CurvePublic& broker, const crypto::SecretKey& secret,
            Options options);
  RawClient(const std::string& endpoint, const crypto::CurvePublic& broker, const crypto::SecretKey& secret);
  ~RawClient();
  RawClient(RawClient&&) noexcept;

  /// Waits for the first handshake's end: REFUSED means the event HANDSHAKE_FAILED_AUTH.
  [[nodiscard]] Handshake handshake(std::chrono::milliseconds timeout);

  /// Whether the broker ends the connection within that time; another is made by itself then.
  [[nodiscard]] bool is_cut(std::chrono::milliseconds timeout);

  void send(const protocol::Request& request);
  void send_frames(const std::vector<Bytes>& frames);
  /// The next reply or push; nothing when the time is up. A reply that does not decode throws.
  [[nodiscard]] std::optional<protocol::Reply> receive(std::chrono::microseconds timeout);
  /// Sends under the next id and waits for the answer to it; anything else that comes is dropped.
  [[nodiscard]] std::optional<protocol::ReplyBody> ask(protocol::RequestBody body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pli::testing
