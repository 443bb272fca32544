#include "broker/transport_self_test.hpp"

#include <cstdint>
#include <cstring>
#include <zmq.hpp>

namespace pli::broker {
namespace {

using std::chrono::steady_clock;
constexpr const char* monitor_endpoint = "inproc://self-test-monitor";

/// What listens on every address is reached on this machine's own.
std::string reachable(std::string endpoint) {
  const auto replace = [&](const std::string& any, const std::string& local) {
    if (auto at = endpoint.find(any); at != std::string::npos) endpoint.replace(at, any.size(), local);
  };
  replace("//0.0.0.0:", "//127.0.0.1:");
  replace("//[::]:", "//[::1]:");
  return endpoint;
}

void set_key(zmq::socket_t& socket, int option, ByteView key) {
  if (zmq_setsockopt(socket.handle(), option, key.data(), key.size()) != 0) throw zmq::error_t();
}

/// The next event of the handshake, or nothing when the time is up.
std::optional<std::uint16_t> next_event(zmq::socket_t& monitor, steady_clock::time_point deadline) {
  const auto rest = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
  if (rest.count() <= 0) return std::nullopt;
  zmq::pollitem_t item{monitor.handle(), 0, ZMQ_POLLIN, 0};
  if (zmq::poll(&item, 1, rest) == 0) return std::nullopt;
  zmq::message_t event;
  zmq::message_t address;
  (void)monitor.recv(event);
  (void)monitor.recv(address);
  std::uint16_t number = 0;
  if (event.size() >= sizeof number) std::memcpy(&number, event.data(), sizeof number);
  return number;
}

Result<void> watch(zmq::socket_t& monitor, steady_clock::time_point deadline) {
  for (;;) {
    const auto event = next_event(monitor, deadline);
    if (!event) return Error{Errc::unavailable, "self-test: no answer to an unknown key in time"};
    switch (*event) {
      case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: return {};
      case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        return Error{Errc::authentication_failed, "self-test: an unknown key was admitted"};
      case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
      case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        return Error{Errc::unavailable, "self-test: the handshake failed before any key was looked at"};
      default: break;
    }
  }
}

}  // namespace

Result<void> demand_refusal(const std::string& endpoint, const crypto::CurvePublic& broker,
                            const crypto::SecretKey& stranger, const crypto::CurvePublic& stranger_key,
                            std::chrono::milliseconds timeout) {
  try {
    const auto deadline = steady_clock::now() + timeout;
    zmq::context_t context{1};
    zmq::socket_t socket(context, zmq::socket_type::dealer);
    socket.set(zmq::sockopt::linger, 0);
    socket.set(zmq::sockopt::ipv6, endpoint.find('[') != std::string::npos);
    set_key(socket, ZMQ_CURVE_SERVERKEY, broker.bytes);
    set_key(socket, ZMQ_CURVE_PUBLICKEY, stranger_key.bytes);
    set_key(socket, ZMQ_CURVE_SECRETKEY, stranger.expose());
    if (zmq_socket_monitor(socket.handle(), monitor_endpoint,
                           ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                               ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL) != 0)
      throw zmq::error_t();
    zmq::socket_t monitor(context, zmq::socket_type::pair);
    monitor.set(zmq::sockopt::linger, 0);
    monitor.connect(monitor_endpoint);
    socket.connect(reachable(endpoint));
    return watch(monitor, deadline);
  } catch (const zmq::error_t&) {
    return Error{Errc::io_error, "self-test: no client could be made"};
  }
}

}  // namespace pli::broker
