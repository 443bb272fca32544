// One authenticated connection to the broker: requests and replies by number, many in flight, pushes for `follow`.
// The only place of the client that knows ZeroMQ is connection.cpp. Poll driven: no thread of its own; everything runs
// on the caller's thread, and a connection never crosses threads.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "client/failure.hpp"
#include "crypto/keys.hpp"
#include "crypto/secret.hpp"
#include "protocol/wire.hpp"

namespace pli::client {

inline constexpr std::size_t requests_in_flight_max = 128;  ///< half of what the broker grants an identity
inline constexpr std::chrono::seconds connect_within{5};
inline constexpr std::chrono::seconds reply_within{30};

class Connection {
 public:
  virtual ~Connection() = default;

  /// Sends one request and returns its number. Errors: unreachable (the connection is lost, or
  /// requests_in_flight_max are waiting).
  [[nodiscard]] virtual Outcome<std::uint64_t> post(protocol::RequestBody body) = 0;

  /// Waits for the reply to `request`. A refusal is a reply like another here. Each number is taken once; after a
  /// time-out the number is forgotten and a late reply dropped. Errors: unreachable.
  [[nodiscard]] virtual Outcome<protocol::ReplyBody> take(std::uint64_t request, std::chrono::milliseconds within) = 0;

  /// Waits for the next push of the newest `follow` posted. Nothing when the time is over. A broker that found us too
  /// slow a reader ends the subscription with BUSY: it is followed anew from where the pushes ended, with the credit
  /// that was left. Errors: unreachable, any other refusal by which it ended.
  [[nodiscard]] virtual Outcome<std::optional<protocol::Pushed>> take_push(std::chrono::milliseconds within) = 0;
};

/// Opens a connection and waits for the end of the CURVE handshake. Once lost, a connection stays lost: the session
/// that follows on a new one checks the log's consistency again.
///
/// Errors, each from the socket's own handshake events, so that a wrong key never looks like a dead network:
/// unreachable (nobody answers there), wrong_broker_key (somebody answers without the key of the invitation),
/// Refusal UNKNOWN_KEY (the broker does not know our key).
[[nodiscard]] Outcome<std::unique_ptr<Connection>> dial(const std::string& endpoint, const crypto::CurvePublic& broker,
                                                        const crypto::SecretKey& curve_secret,
                                                        const crypto::CurvePublic& curve_public,
                                                        std::chrono::milliseconds within = connect_within);

}  // namespace pli::client
