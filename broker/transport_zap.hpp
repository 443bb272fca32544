// Answers libzmq's question "may this CURVE key in?" (RFC 27). Private to the transport.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "broker/gate_directory.hpp"
#include "crypto/keys.hpp"

namespace zmq {
class context_t;
class socket_t;
}  // namespace zmq

namespace pli::broker {

inline constexpr const char* zap_domain = "pli";

/// A message's `User-Id` is the key in lower-case hex.
class ZapHandler {
 public:
  /// Bound when this returns, which must be before any other socket of the context exists. Throws zmq::error_t.
  ZapHandler(zmq::context_t& context, const DirectoryInForce& directory, std::function<void()> unknown_key);
  /// The context must have been shut down: that ends the thread.
  ~ZapHandler();
  ZapHandler(const ZapHandler&) = delete;
  ZapHandler& operator=(const ZapHandler&) = delete;

  /// The self-test's key: refused like any unknown key, but not counted as a stranger's.
  void expect(const crypto::CurvePublic& key);

 private:
  void run();
  [[nodiscard]] bool admits(const crypto::CurvePublic& key);

  const DirectoryInForce& directory_;
  const std::function<void()> unknown_key_;
  std::mutex mutex_;
  std::optional<crypto::CurvePublic> expected_;
  std::unique_ptr<zmq::socket_t> socket_;
  std::thread thread_;
};

}  // namespace pli::broker
