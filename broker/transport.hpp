// The ROUTER socket (design §4, §6): CURVE with a ZAP handler bound before any other socket, one thread that owns the
// socket, receives, counts what is under way and sends. Never blocks on a peer.
// ZeroMQ's types stay in transport*.cpp.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/gate_directory.hpp"
#include "broker/request.hpp"
#include "crypto/secret.hpp"
#include "protocol/limits.hpp"

namespace pli::broker {

/// `off_as_a_test` makes the broker that the self-test must catch: no ZAP handler and no enforced domain, which libzmq
/// takes for "anybody may come in".
enum class Enforcement { on, off_as_a_test };

struct TransportSettings {
  std::string endpoint;
  Enforcement enforcement = Enforcement::on;
  std::size_t in_flight_max = protocol::in_flight_max;   ///< requests of one identity under way
  std::size_t under_way_max = protocol::gate_queue_max;  ///< requests under way in all
  std::size_t refusals_per_minute_max = protocol::refusals_per_minute_max;
  std::size_t connections_max = protocol::connections_per_identity_max;
  std::size_t handshakes_per_minute_max = protocol::handshakes_per_minute_max;
  /// Of a message that has not ended yet, looked at each second. More than may wait, whole, where nobody has read for a
  /// while: the kernel's buffer (6 MiB unless tcp_rmem says otherwise) and peer_messages_max.
  std::uint64_t unfinished_bytes_max = 16ULL * 1024 * 1024;
  std::chrono::milliseconds seat_within{30'000};  ///< a connection that has not spoken by then, or found no place, ends
  // Together they bound what an identity that reads nothing can make us keep: 32 MiB.
  std::size_t peer_messages_max = 32;                          ///< messages waiting for one connection, in libzmq
  std::size_t backlog_messages_max = protocol::in_flight_max;  ///< and behind them, here
  /// Of one identity, here. Who has no more unread than it may have under way loses no answer to it.
  std::size_t backlog_bytes_max = protocol::in_flight_max * protocol::message_bytes_max;
  std::chrono::milliseconds linger{500};  ///< for the last replies, at the end
};

/// `received`, `gone` and `failed` are called from the transport's thread, `stray` from it and the ZAP handler's.
struct TransportSinks {
  std::function<void(std::vector<Incoming>)> received;
  /// Disconnected; or, with a follow's id, so slow that this one must end.
  std::function<void(const Peer&, std::optional<std::uint64_t> follow)> gone;
  std::function<void(Unattributed::Reason)> stray;
  std::function<void()> failed;  ///< it serves nobody any more
};

struct TransportCounts {
  std::uint64_t connections = 0;  ///< that have spoken and are not known to be gone
  std::uint64_t under_way = 0;
  std::uint64_t handshakes_refused = 0;
  std::uint64_t turned_away = 0;      ///< accepted with one of the last descriptors, and ended at once
  std::uint64_t endless = 0;          ///< connections ended in a message without end
  std::uint64_t answers_dropped = 0;  ///< the peer was gone, or read nothing for too long
  std::uint64_t kept_bytes = 0;       ///< in the backlogs of all connections
};

class Transport {
 public:
  /// Binds: clients can connect and the self-test can run, but nothing is read before serve().
  /// Errors: unavailable (the endpoint cannot be bound), invalid_input (it is none), io_error.
  [[nodiscard]] static Result<std::unique_ptr<Transport>> open(TransportSettings settings,
                                                               const crypto::SecretKey& curve_secret,
                                                               const DirectoryInForce& directory, TransportSinks sinks);
  void serve();
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  /// Connects with a key made now and demands to be refused for it: lesson of a libzmq that admits anybody when ZAP is
  /// not enforced. Errors: authentication_failed (it got in), unavailable (no answer in time), io_error.
  [[nodiscard]] Result<void> self_test(std::chrono::milliseconds timeout);

  [[nodiscard]] const std::string& endpoint() const;  ///< as bound, with its port
  [[nodiscard]] TransportCounts counts() const;

  /// Any thread. A reply to a connection that is gone is dropped: its client asks again.
  void send(std::vector<Outgoing> messages);
  [[nodiscard]] std::size_t waiting() const;  ///< messages given to send() that it has not looked at
  /// When it returns, nothing more goes to `received`; what still comes in is answered STOPPED.
  void stop_receiving();
  /// Sends what is left, waits `linger` at most, ends the threads.
  void finish();

 private:
  struct State;
  explicit Transport(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace pli::broker
