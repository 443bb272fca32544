#include "tests/support/raw_client.hpp"

#include <poll.h>

#include <atomic>
#include <cstring>
#include <stdexcept>
#include <zmq.hpp>

#include "crypto/identity.hpp"

namespace pli::testing {

using std::chrono::steady_clock;

struct RawClient::State {
  explicit State(std::shared_ptr<zmq::context_t> shared) : context(std::move(shared)) {}
  std::shared_ptr<zmq::context_t> context;
  zmq::socket_t socket{*context, zmq::socket_type::dealer};
  zmq::socket_t monitor{*context, zmq::socket_type::pair};
  std::uint64_t last_id = 0;
};

namespace {

std::shared_ptr<zmq::context_t> new_context() {
  auto out = std::make_shared<zmq::context_t>(1);
  out->set(zmq::ctxopt::max_sockets, 16384);
  return out;
}

void set_key(zmq::socket_t& socket, int option, ByteView key) {
  if (zmq_setsockopt(socket.handle(), option, key.data(), key.size()) != 0) throw zmq::error_t();
}

/// To the microsecond, which zmq_poll does not: load at a rate must neither be late nor burn the CPU it measures.
bool wait_for(zmq::socket_t& socket, steady_clock::time_point deadline) {
  for (;;) {
    if ((socket.get(zmq::sockopt::events) & ZMQ_POLLIN) != 0) return true;
    const auto rest = deadline - steady_clock::now();
    if (rest.count() <= 0) return false;
    const auto nanos = std::chrono::duration_cast<std::chrono::nanoseconds>(rest).count();
    const timespec timeout{nanos / 1'000'000'000, nanos % 1'000'000'000};
    pollfd item{socket.get(zmq::sockopt::fd), POLLIN, 0};
    (void)::ppoll(&item, 1, &timeout, nullptr);
  }
}

std::optional<std::uint16_t> next_event(zmq::socket_t& monitor, steady_clock::time_point deadline) {
  if (!wait_for(monitor, deadline)) return std::nullopt;
  zmq::message_t event;
  zmq::message_t address;
  (void)monitor.recv(event);
  (void)monitor.recv(address);
  std::uint16_t number = 0;
  std::memcpy(&number, event.data(), sizeof number);
  return number;
}

}  // namespace

RawClient::RawClient(const std::string& endpoint, const crypto::CurvePublic& broker, const crypto::SecretKey& secret,
                     Options options)
    : state_(std::make_unique<State>(options.beside != nullptr ? options.beside->state_->context : new_context())) {
  static std::atomic<unsigned> number{0};
  const std::string events = "inproc://raw-client-" + std::to_string(++number);
  zmq::socket_t& socket = state_->socket;
  socket.set(zmq::sockopt::linger, 0);
  socket.set(zmq::sockopt::sndhwm, 0);
  socket.set(zmq::sockopt::rcvhwm, options.receive_queue);
  if (options.receive_buffer > 0) socket.set(zmq::sockopt::rcvbuf, options.receive_buffer);
  if (!options.routing_id.empty()) socket.set(zmq::sockopt::routing_id, options.routing_id);
  set_key(socket, ZMQ_CURVE_SERVERKEY, broker.bytes);
  set_key(socket, ZMQ_CURVE_PUBLICKEY, crypto::x25519_public(secret));
  set_key(socket, ZMQ_CURVE_SECRETKEY, secret.expose());
  if (zmq_socket_monitor(socket.handle(), events.c_str(), ZMQ_EVENT_ALL) != 0) throw zmq::error_t();
  state_->monitor.set(zmq::sockopt::linger, 0);
  state_->monitor.connect(events);
  socket.connect(endpoint);
}

RawClient::RawClient(const std::string& endpoint, const crypto::CurvePublic& broker, const crypto::SecretKey& secret)
    : RawClient(endpoint, broker, secret, Options()) {}

RawClient::~RawClient() = default;
RawClient::RawClient(RawClient&&) noexcept = default;

RawClient::Handshake RawClient::handshake(std::chrono::milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  while (const auto event = next_event(state_->monitor, deadline)) {
    if (*event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) return Handshake::succeeded;
    if (*event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) return Handshake::refused;
  }
  return Handshake::nothing;
}

bool RawClient::is_cut(std::chrono::milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  while (const auto event = next_event(state_->monitor, deadline))
    if (*event == ZMQ_EVENT_DISCONNECTED) return true;
  return false;
}

void RawClient::send(const protocol::Request& request) { send_frames({protocol::encode(request)}); }

void RawClient::send_frames(const std::vector<Bytes>& frames) {
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const auto more = i + 1 < frames.size() ? zmq::send_flags::sndmore : zmq::send_flags::none;
    state_->socket.send(zmq::buffer(frames[i]), more);
  }
}

std::optional<protocol::Reply> RawClient::receive(std::chrono::microseconds timeout) {
  if (!wait_for(state_->socket, steady_clock::now() + timeout)) return std::nullopt;
  zmq::message_t frame;
  (void)state_->socket.recv(frame);
  auto reply = protocol::decode_reply({frame.data<std::uint8_t>(), frame.size()});
  if (!reply) throw std::runtime_error("a reply that does not decode: " + reply.error().detail);
  return *std::move(reply);
}

std::optional<protocol::ReplyBody> RawClient::ask(protocol::RequestBody body) {
  const std::uint64_t id = ++state_->last_id;
  send(protocol::Request{id, std::move(body)});
  const auto deadline = steady_clock::now() + std::chrono::seconds(20);
  while (steady_clock::now() < deadline) {
    auto reply = receive(std::chrono::ceil<std::chrono::microseconds>(deadline - steady_clock::now()));
    if (reply && reply->id == id) return std::move(reply->body);
  }
  return std::nullopt;
}

}  // namespace pli::testing
