// Answers libzmq's question "may this CURVE key in?" (RFC 27), and numbers the connections. Private to the transport.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "base/bytes.hpp"
#include "broker/gate_directory.hpp"
#include "crypto/keys.hpp"

namespace zmq {
class context_t;
class socket_t;
}  // namespace zmq

namespace pli::broker {

inline constexpr const char* zap_domain = "pli";

/// The routing id of a connection: the handler's, whatever the client wished for, and never that of another.
///
/// libzmq 4.3.4 lets a client choose its id, and aborts when it comes to number a connection as another has chosen.
/// Where the ZAP handler's answer names an id, that one stands: nobody's choice and no number of libzmq's is left.
class GivenId {
 public:
  [[nodiscard]] static Bytes of(std::uint64_t number);
  [[nodiscard]] static std::optional<std::uint64_t> number(ByteView id);
};

/// Proof that libzmq's thread has left what it was at: a message goes through that thread and back.
class IoThreadBarrier {
 public:
  /// `context` must have one I/O thread. Throws zmq::error_t.
  explicit IoThreadBarrier(zmq::context_t& context);
  ~IoThreadBarrier();
  IoThreadBarrier(const IoThreadBarrier&) = delete;
  IoThreadBarrier& operator=(const IoThreadBarrier&) = delete;
  void pass();

 private:
  std::unique_ptr<zmq::socket_t> there_;
  std::unique_ptr<zmq::socket_t> back_;
};

/// A message's `User-Id` is the key in lower-case hex.
class ZapHandler {
 public:
  /// Bound when this returns, which must be before any other socket of the context exists. Throws zmq::error_t.
  /// Past `handshakes_per_minute_max` of one key, it is refused with 500 until the minute is over.
  ZapHandler(zmq::context_t& context, const DirectoryInForce& directory, std::size_t handshakes_per_minute_max,
             std::function<void()> unknown_key);
  /// The context must have been shut down: that ends the thread.
  ~ZapHandler();
  ZapHandler(const ZapHandler&) = delete;
  ZapHandler& operator=(const ZapHandler&) = delete;

  /// The self-test's key: refused like any unknown key, but not counted as a stranger's.
  void expect(const crypto::CurvePublic& key);

 private:
  enum class Entry { admitted, unknown, too_often };
  struct Handshakes {
    std::chrono::steady_clock::time_point minute_start{};
    std::size_t count = 0;
  };
  void run();
  [[nodiscard]] Entry judge(const crypto::CurvePublic& key);

  const DirectoryInForce& directory_;
  const std::size_t handshakes_per_minute_max_;
  const std::function<void()> unknown_key_;
  std::mutex mutex_;
  std::optional<crypto::CurvePublic> expected_;
  std::unique_ptr<zmq::socket_t> socket_;
  std::unique_ptr<IoThreadBarrier> barrier_;
  std::map<crypto::CurvePublic, Handshakes> handshakes_;  ///< the thread's: of keys of the directory, so bounded by it
  std::uint64_t last_number_ = 0;                         ///< the thread's
  std::thread thread_;
};

}  // namespace pli::broker
