#include "client/connection.hpp"

#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <zmq.hpp>

#include "protocol/limits.hpp"

namespace pli::client {
namespace {

using protocol::LocalCode;
using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// Twice a message of each request in flight: nothing we do comes near it.
constexpr int socket_queue_max = 2 * static_cast<int>(requests_in_flight_max);
/// A broker that has gone without closing is noticed while we only listen.
constexpr int heartbeat_ms = 15'000;
constexpr int heartbeat_timeout_ms = 45'000;
constexpr std::size_t events_drained_max = 64;
constexpr milliseconds follow_pause_min{200};  ///< however soon a broker says to follow again
/// ZAP's answer for a key it does not know (RFC 27); 300 and 500 mean that it could not look.
constexpr std::uint32_t zap_denied = 400;

/// How the handshake ended, from the socket's own events.
enum class Handshake { pending, done, refused, wrong_key, cut_short, nobody };

struct Event {
  std::uint16_t type = 0;
  std::uint32_t value = 0;
};

class ZmqConnection final : public Connection {
 public:
  ZmqConnection()
      : context_(1), socket_(context_, zmq::socket_type::dealer), monitor_(context_, zmq::socket_type::pair) {}
  ~ZmqConnection() override { zmq_socket_monitor(socket_.handle(), nullptr, 0); }

  Handshake connect(const std::string& endpoint, const crypto::CurvePublic& broker,
                    const crypto::SecretKey& curve_secret, const crypto::CurvePublic& curve_public,
                    milliseconds within) {
    socket_.set(zmq::sockopt::curve_serverkey, zmq::buffer(broker.bytes));
    socket_.set(zmq::sockopt::curve_publickey, zmq::buffer(curve_public.bytes));
    const ByteView secret = curve_secret.expose();
    socket_.set(zmq::sockopt::curve_secretkey, zmq::const_buffer(secret.data(), secret.size()));
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::immediate, true);
    socket_.set(zmq::sockopt::reconnect_ivl, -1);  // a lost connection stays lost (connection.hpp)
    socket_.set(zmq::sockopt::handshake_ivl, static_cast<int>(within.count()));
    socket_.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(protocol::transport_bytes_max));
    socket_.set(zmq::sockopt::sndhwm, socket_queue_max);
    socket_.set(zmq::sockopt::rcvhwm, socket_queue_max);
    socket_.set(zmq::sockopt::heartbeat_ivl, heartbeat_ms);
    socket_.set(zmq::sockopt::heartbeat_timeout, heartbeat_timeout_ms);
    const char* const monitor_address = "inproc://monitor";
    if (zmq_socket_monitor(socket_.handle(), monitor_address, ZMQ_EVENT_ALL) != 0) throw zmq::error_t();
    monitor_.connect(monitor_address);
    socket_.connect(endpoint);

    const auto deadline = SteadyClock::now() + within;
    while (handshake_ == Handshake::pending) {
      const auto left = std::chrono::duration_cast<milliseconds>(deadline - SteadyClock::now());
      if (left <= milliseconds::zero()) return Handshake::nobody;
      zmq::pollitem_t item{monitor_.handle(), 0, ZMQ_POLLIN, 0};
      poll(&item, 1, left);
      read_events();
    }
    return handshake_;
  }

  Outcome<std::uint64_t> post(protocol::RequestBody body) override {
    if (waiting_.size() >= requests_in_flight_max) return unreachable("too many requests in flight");
    if (lost_) return unreachable("connection lost");
    auto number = send(body);
    if (!number) return number.error();
    waiting_.emplace(*number, std::nullopt);
    if (auto* follow = std::get_if<protocol::Follow>(&body)) {
      followed_ = Followed{*number, std::move(*follow), {}, {}};
      pushes_.clear();  // it says where we are, so what came for the one before comes again
      pushed_items_ = 0;
    }
    return number;
  }

  Outcome<protocol::ReplyBody> take(std::uint64_t request, milliseconds within) override {
    const auto deadline = SteadyClock::now() + within;
    while (true) {
      const auto found = waiting_.find(request);
      if (found == waiting_.end()) return unreachable("nothing was asked under this number");
      if (found->second) {
        protocol::ReplyBody body = std::move(*found->second);
        waiting_.erase(found);
        return body;
      }
      if (lost_) {
        waiting_.erase(found);
        return unreachable("connection lost before the reply");
      }
      const auto left = std::chrono::duration_cast<milliseconds>(deadline - SteadyClock::now());
      if (left <= milliseconds::zero()) {
        waiting_.erase(found);
        return unreachable("no reply in time");
      }
      pump(left);
    }
  }

  Outcome<std::optional<protocol::Pushed>> take_push(milliseconds within) override {
    const auto deadline = SteadyClock::now() + within;
    while (true) {
      if (!pushes_.empty()) {
        protocol::Pushed push = std::move(pushes_.front());
        pushes_.pop_front();
        pushed_items_ -= push.items.size();
        return std::optional<protocol::Pushed>(std::move(push));
      }
      if (lost_) return unreachable("connection lost while listening");
      if (followed_ && followed_->refused) return Failure(*std::exchange(followed_->refused, std::nullopt));
      if (auto failed = follow_again()) return *failed;
      auto until = deadline;
      if (followed_ && followed_->again_at) until = std::min(until, *followed_->again_at);
      const auto left = std::chrono::ceil<milliseconds>(until - SteadyClock::now());
      if (SteadyClock::now() >= deadline || !pump(left)) return std::optional<protocol::Pushed>();
    }
  }

 private:
  static Failure unreachable(const char* words) { return {LocalCode::unreachable, words}; }

  Outcome<std::uint64_t> send(const protocol::RequestBody& body) {
    const std::uint64_t number = ++last_number_;
    const Bytes message = protocol::encode(protocol::Request{number, body});
    if (message.size() > protocol::message_bytes_max)
      return Failure(LocalCode::usage, "a request larger than one message");
    try {
      if (!socket_.send(zmq::buffer(message), zmq::send_flags::dontwait)) {
        lost_ = true;
        return unreachable("the request could not be sent");
      }
    } catch (const zmq::error_t&) {
      lost_ = true;
      return unreachable("the request could not be sent");
    }
    return number;
  }

  /// When a subscription was ended for slowness and the broker's wait is over.
  std::optional<Failure> follow_again() {
    if (!followed_ || !followed_->again_at || SteadyClock::now() < *followed_->again_at) return std::nullopt;
    followed_->again_at.reset();
    auto number = send(followed_->rest);
    if (!number) return number.error();
    followed_->number = *number;
    return std::nullopt;
  }

  /// False when a signal came in between.
  static bool poll(zmq::pollitem_t* items, std::size_t count, milliseconds within) {
    try {
      zmq::poll(items, count, within);
      return true;
    } catch (const zmq::error_t& failure) {
      if (failure.num() == EINTR) return false;
      throw;
    }
  }

  /// Waits for something to happen and takes in what has. False when a signal came in between.
  bool pump(milliseconds within) {
    try {
      zmq::pollitem_t items[] = {{socket_.handle(), 0, ZMQ_POLLIN, 0}, {monitor_.handle(), 0, ZMQ_POLLIN, 0}};
      if (!poll(items, 2, within)) return false;
      read_replies();
      if ((items[1].revents & ZMQ_POLLIN) != 0) {
        read_events();
        read_replies();  // what arrived before the end
      }
    } catch (const zmq::error_t&) {
      lost_ = true;
    }
    return true;
  }

  void read_replies() {
    zmq::message_t frame;
    while (socket_.recv(frame, zmq::recv_flags::dontwait)) {
      const bool single = !frame.more();
      if (!single)
        while (frame.more() && socket_.recv(frame, zmq::recv_flags::dontwait)) {
        }
      auto reply = single ? protocol::decode_reply({frame.data<std::uint8_t>(), frame.size()})
                          : Result<protocol::Reply>(Error{Errc::invalid_input, "more than one frame"});
      if (!reply) {
        lost_ = true;  // whatever speaks there does not speak our language
        return;
      }
      sort_in(std::move(*reply));
    }
  }

  void sort_in(protocol::Reply reply) {
    const auto found = waiting_.find(reply.id);
    if (found != waiting_.end() && !found->second) {
      const auto* first = std::get_if<protocol::Pushed>(&reply.body);
      if (first != nullptr && followed_ && reply.id == followed_->number) read_on(*first);
      found->second = std::move(reply.body);
      return;
    }
    if (!followed_ || reply.id != followed_->number) return;  // late: nobody waits for it any more
    if (auto* refusal = std::get_if<protocol::Refusal>(&reply.body)) {
      if (refusal->code != protocol::Code::busy) {
        followed_->refused = std::move(*refusal);
      } else if (followed_->rest.credit > 0) {
        followed_->again_at = SteadyClock::now() + std::max(follow_pause_min, milliseconds(refusal->retry_after_ms));
      }
      return;
    }
    auto* push = std::get_if<protocol::Pushed>(&reply.body);
    if (push == nullptr || push->items.empty()) return;
    read_on(*push);
    if (pushed_items_ + push->items.size() > protocol::follow_credit_max) {
      lost_ = true;  // more than the credit we gave
      return;
    }
    pushed_items_ += push->items.size();
    pushes_.push_back(std::move(*push));
  }

  /// Where a new follow would have to begin, and with how much credit.
  void read_on(const protocol::Pushed& push) {
    protocol::Follow& rest = followed_->rest;
    rest.credit -= static_cast<std::uint32_t>(std::min<std::size_t>(rest.credit, push.items.size()));
    for (const protocol::QueueItem& item : push.items)
      for (protocol::FollowFrom& from : rest.queues)
        if (from.queue == item.queue) from.after = item.head.number;
  }

  void read_events() {
    for (std::size_t i = 0; i < events_drained_max; ++i) {
      zmq::message_t first;
      if (!monitor_.recv(first, zmq::recv_flags::dontwait)) return;
      zmq::message_t address;
      if (first.more() && !monitor_.recv(address, zmq::recv_flags::dontwait)) return;
      if (first.size() != sizeof(std::uint16_t) + sizeof(std::uint32_t)) continue;
      Event event;
      std::memcpy(&event.type, first.data(), sizeof event.type);
      std::memcpy(&event.value, first.data<char>() + sizeof event.type, sizeof event.value);
      note(event);
    }
  }

  void note(const Event& event) {
    if (handshake_ == Handshake::done) {
      if (event.type == ZMQ_EVENT_DISCONNECTED || event.type == ZMQ_EVENT_CLOSED) lost_ = true;
      return;
    }
    if (handshake_ != Handshake::pending) return;
    switch (event.type) {
      case ZMQ_EVENT_CONNECTED: connected_ = true; break;
      case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: handshake_ = Handshake::done; break;
      case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        handshake_ = event.value == zap_denied ? Handshake::refused : Handshake::nobody;
        break;
      case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL: handshake_ = Handshake::wrong_key; break;
      case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        // The broker ends a handshake it cannot decrypt without a word; so does one that is just stopping.
        handshake_ = Handshake::cut_short;
        break;
      case ZMQ_EVENT_CLOSED:
      case ZMQ_EVENT_DISCONNECTED: handshake_ = connected_ ? Handshake::cut_short : Handshake::nobody; break;
      default: break;
    }
  }

  zmq::context_t context_;
  zmq::socket_t socket_;
  zmq::socket_t monitor_;
  Handshake handshake_ = Handshake::pending;
  bool connected_ = false;
  bool lost_ = false;
  std::uint64_t last_number_ = 0;
  std::map<std::uint64_t, std::optional<protocol::ReplyBody>> waiting_;
  struct Followed {
    std::uint64_t number = 0;
    protocol::Follow rest;  ///< what a new one would say, as pushes come in
    std::optional<SteadyClock::time_point> again_at;
    std::optional<protocol::Refusal> refused;
  };
  std::optional<Followed> followed_;  ///< the newest
  std::deque<protocol::Pushed> pushes_;
  std::size_t pushed_items_ = 0;
};

}  // namespace

Outcome<std::unique_ptr<Connection>> dial(const std::string& endpoint, const crypto::CurvePublic& broker,
                                          const crypto::SecretKey& curve_secret,
                                          const crypto::CurvePublic& curve_public, milliseconds within) {
  const auto deadline = SteadyClock::now() + within;
  // A handshake cut short once may be a broker stopping; twice in a row, by one that accepts connections, is another
  // key.
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - SteadyClock::now());
    if (left <= milliseconds::zero()) break;
    try {
      auto connection = std::make_unique<ZmqConnection>();
      switch (connection->connect(endpoint, broker, curve_secret, curve_public, left)) {
        case Handshake::done: return std::unique_ptr<Connection>(std::move(connection));
        case Handshake::refused: return Failure(protocol::Refusal{protocol::Code::unknown_key, {}, 0});
        case Handshake::wrong_key:
          return Failure(LocalCode::wrong_broker_key, "the peer does not hold the broker's key");
        case Handshake::cut_short:
          if (attempt == 1) return Failure(LocalCode::wrong_broker_key, "the peer ends the handshake");
          break;
        case Handshake::pending:
        case Handshake::nobody: return Failure(LocalCode::unreachable, "no broker answers");
      }
    } catch (const zmq::error_t&) {
      return Failure(LocalCode::unreachable, "the endpoint cannot be used");
    }
  }
  return Failure(LocalCode::unreachable, "no broker answers");
}

}  // namespace pli::client
