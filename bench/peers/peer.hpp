// What the load generator knows of a peer broker: one connection that either sends or receives, in that peer's own
// protocol. One class for each protocol; each says there what stands for a queue, an acknowledgement and an audit row.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "bench/peers/line.hpp"

namespace pli::bench {

/// What the protocol tells whoever drives the connection.
class Told {
 public:
  virtual ~Told() = default;
  /// The peer has taken over the message published as `sequence`, or will not.
  virtual void confirmed(std::uint64_t sequence) = 0;
  virtual void refused(std::uint64_t sequence, std::string_view why) = 0;
  virtual void delivered(std::string_view body) = 0;
  /// The acknowledgement of so many deliveries has left, or has been answered where the protocol answers.
  virtual void acknowledged(std::uint64_t count) = 0;
};

struct PeerSetup {
  int port = 0;
  int fan_out = 1;           ///< queues, groups or subscriptions that each get every message
  bool is_consumed = false;  ///< somebody receives while it is sent: NATS then drops what all have acknowledged
};

class Peer {
 public:
  explicit Peer(const PeerSetup& setup) : setup_(setup), line_(setup.port) {}
  virtual ~Peer() = default;
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // Blocking, in this order; they throw.
  virtual void introduce(const std::string& name) = 0;  ///< TLS and sign-in
  virtual void clear() = 0;                             ///< queues as new, of the setup's fan-out
  virtual void become_sender() = 0;
  virtual void become_receiver(int number) = 0;  ///< of that queue; 0 is the first

  /// Leaves it in line().out. Sequences rise by one from 1.
  virtual void publish(std::uint64_t sequence, std::string_view body) = 0;
  /// Reads what has come in as far as it is whole; answers stand in line().out.
  virtual void understand(Told& told) = 0;
  /// Called each few milliseconds, for a peer that must be asked whether there is something.
  virtual void ask_again() {}

  [[nodiscard]] Line& line() { return line_; }

 protected:
  [[nodiscard]] const PeerSetup& setup() const { return setup_; }

 private:
  PeerSetup setup_;
  Line line_;
};

/// `name` is rabbitmq, redis, postgresql, nats or mosquitto; nothing for another.
[[nodiscard]] std::unique_ptr<Peer> connect_peer(std::string_view name, const PeerSetup& setup);

std::unique_ptr<Peer> connect_rabbitmq(const PeerSetup& setup);
std::unique_ptr<Peer> connect_redis(const PeerSetup& setup);
std::unique_ptr<Peer> connect_postgresql(const PeerSetup& setup);
std::unique_ptr<Peer> connect_nats(const PeerSetup& setup);
std::unique_ptr<Peer> connect_mosquitto(const PeerSetup& setup);

}  // namespace pli::bench
