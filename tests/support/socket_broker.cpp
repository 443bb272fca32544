#include "tests/support/socket_broker.hpp"

#include <atomic>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>
#include <zmq.hpp>

#include "protocol/limits.hpp"

namespace pli::testing {
namespace {

constexpr int enforce_domain_option =
    93;  // ZMQ_ZAP_ENFORCE_DOMAIN: in the draft part of zmq.h, obeyed by Debian's build
constexpr std::chrono::milliseconds tick{5};
constexpr std::size_t zap_frames = 7;

std::vector<zmq::message_t> receive_all(zmq::socket_t& socket) {
  std::vector<zmq::message_t> frames;
  zmq::message_t frame;
  if (!socket.recv(frame, zmq::recv_flags::dontwait)) return frames;
  bool more = frame.more();
  frames.push_back(std::move(frame));
  while (more) {
    zmq::message_t next;
    if (!socket.recv(next, zmq::recv_flags::none)) break;
    more = next.more();
    frames.push_back(std::move(next));
  }
  return frames;
}

}  // namespace

struct SocketBroker::State {
  State(MemoryBroker& memory, std::set<crypto::CurvePublic> keys)
      : broker(memory),
        admitted(std::move(keys)),
        context(1),
        zap(context, zmq::socket_type::rep),
        router(context, zmq::socket_type::router) {}

  void answer_zap() {
    auto frames = receive_all(zap);
    if (frames.size() != zap_frames) return;
    const auto key = to_array<32>({frames[6].data<std::uint8_t>(), frames[6].size()});
    const bool known = key && admitted.count({*key}) != 0;
    const std::string user = key ? to_hex(*key) : std::string();
    zap.send(zmq::buffer("1.0", 3), zmq::send_flags::sndmore);
    zap.send(frames[1], zmq::send_flags::sndmore);
    zap.send(zmq::buffer(known ? "200" : "400", 3), zmq::send_flags::sndmore);
    zap.send(zmq::buffer("", 0), zmq::send_flags::sndmore);
    zap.send(zmq::buffer(user), zmq::send_flags::sndmore);
    zap.send(zmq::buffer("", 0), zmq::send_flags::none);
  }
  void answer_request() {
    auto frames = receive_all(router);
    if (frames.size() != 2) return;
    const char* const user = frames[1].gets("User-Id");
    const auto bytes = from_hex(user);
    const crypto::CurvePublic peer{*to_array<32>(*bytes)};
    routes[peer] = Bytes(frames[0].data<std::uint8_t>(), frames[0].data<std::uint8_t>() + frames[0].size());
    auto request = protocol::decode_request({frames[1].data<std::uint8_t>(), frames[1].size()});
    if (!request || silent) return;
    std::lock_guard<std::mutex> held(mutex);
    send(peer, {request->id, broker.handle(peer, *request)});
  }
  void push() {
    std::lock_guard<std::mutex> held(mutex);
    for (const auto& [peer, route] : routes)
      for (protocol::Reply& reply : broker.take_pushes(peer)) {
        if (broker.bend) broker.bend({reply.id, protocol::Follow{}}, reply.body);
        send(peer, reply);
      }
  }
  void send(const crypto::CurvePublic& peer, const protocol::Reply& reply) {
    const Bytes bytes = protocol::encode(reply);
    router.send(zmq::buffer(routes.at(peer)), zmq::send_flags::sndmore);
    router.send(zmq::buffer(bytes), zmq::send_flags::none);
  }
  void run() {
    while (!stop) {
      zmq::pollitem_t items[] = {{zap.handle(), 0, ZMQ_POLLIN, 0}, {router.handle(), 0, ZMQ_POLLIN, 0}};
      zmq::poll(items, 2, tick);
      if ((items[0].revents & ZMQ_POLLIN) != 0) answer_zap();
      if ((items[1].revents & ZMQ_POLLIN) != 0) answer_request();
      push();
    }
  }

  MemoryBroker& broker;
  std::set<crypto::CurvePublic> admitted;
  std::mutex mutex;  // guards broker
  zmq::context_t context;
  zmq::socket_t zap;
  zmq::socket_t router;
  std::map<crypto::CurvePublic, Bytes> routes;
  std::string endpoint;
  std::atomic<bool> silent{false};
  std::atomic<bool> stop{false};
  std::thread thread;
};

SocketBroker::SocketBroker(MemoryBroker& broker, const crypto::SecretKey& curve_secret,
                           std::set<crypto::CurvePublic> admitted)
    : state_(std::make_unique<State>(broker, std::move(admitted))) {
  State& s = *state_;
  s.zap.bind("inproc://zeromq.zap.01");
  s.router.set(zmq::sockopt::curve_server, true);
  const ByteView secret = curve_secret.expose();
  s.router.set(zmq::sockopt::curve_secretkey, zmq::const_buffer(secret.data(), secret.size()));
  s.router.set(zmq::sockopt::zap_domain, "pli");
  const int on = 1;
  if (zmq_setsockopt(s.router.handle(), enforce_domain_option, &on, sizeof on) != 0) throw zmq::error_t();
  s.router.set(zmq::sockopt::linger, 0);
  s.router.bind("tcp://127.0.0.1:*");
  s.endpoint = s.router.get(zmq::sockopt::last_endpoint);
  s.thread = std::thread([&s] { s.run(); });
}

SocketBroker::~SocketBroker() {
  state_->stop = true;
  state_->thread.join();
}

const std::string& SocketBroker::endpoint() const { return state_->endpoint; }

void SocketBroker::with_broker(const std::function<void(MemoryBroker&)>& work) {
  std::lock_guard<std::mutex> held(state_->mutex);
  work(state_->broker);
}

void SocketBroker::answer_nothing(bool silent) { state_->silent = silent; }

}  // namespace pli::testing
