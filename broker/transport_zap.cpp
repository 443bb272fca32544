#include "broker/transport_zap.hpp"

#include <array>
#include <string>
#include <vector>
#include <zmq.hpp>

namespace pli::broker {
namespace {

constexpr const char* zap_endpoint = "inproc://zeromq.zap.01";
constexpr std::size_t zap_frames_max = 8;

// Frames of a question: version, request id, domain, address, routing id, mechanism, credentials.
constexpr std::size_t request_id_frame = 1;
constexpr std::size_t domain_frame = 2;
constexpr std::size_t mechanism_frame = 5;
constexpr std::size_t key_frame = 6;
constexpr std::size_t question_frames = 7;

std::vector<std::string> receive(zmq::socket_t& socket) {
  std::vector<std::string> frames;
  zmq::message_t frame;
  do {
    while (zmq_msg_recv(frame.handle(), socket.handle(), 0) < 0)
      if (zmq_errno() != EINTR) throw zmq::error_t();
    if (frames.size() < zap_frames_max) frames.push_back(frame.to_string());
  } while (frame.more());
  return frames;
}

}  // namespace

ZapHandler::ZapHandler(zmq::context_t& context, const DirectoryInForce& directory, std::function<void()> unknown_key)
    : directory_(directory),
      unknown_key_(std::move(unknown_key)),
      socket_(std::make_unique<zmq::socket_t>(context, zmq::socket_type::rep)) {
  socket_->set(zmq::sockopt::linger, 0);
  socket_->bind(zap_endpoint);
  thread_ = std::thread([this] { run(); });
}

ZapHandler::~ZapHandler() { thread_.join(); }

void ZapHandler::expect(const crypto::CurvePublic& key) {
  std::lock_guard lock(mutex_);
  expected_ = key;
}

bool ZapHandler::admits(const crypto::CurvePublic& key) {
  // Former and revoked keys come in, to be told REVOKED at each message instead of meeting a dead network.
  if (directory_.get()->member_by_curve(key) != nullptr) return true;
  {
    std::lock_guard lock(mutex_);
    if (expected_ == key) return false;
  }
  unknown_key_();
  return false;
}

void ZapHandler::run() {
  try {
    for (;;) {
      const std::vector<std::string> question = receive(*socket_);
      const bool is_whole = question.size() == question_frames && question[domain_frame] == zap_domain &&
                            question[mechanism_frame] == "CURVE";
      std::optional<ByteArray<32>> key;
      if (is_whole) key = to_array<32>(as_bytes(question[key_frame]));
      const bool admitted = key && admits({*key});
      const std::array<std::string, 6> answer = {"1.0",
                                                 question.size() > request_id_frame ? question[request_id_frame] : "",
                                                 admitted ? "200" : "400",
                                                 admitted ? "OK" : "UNKNOWN_KEY",
                                                 admitted ? to_hex(*key) : "",
                                                 ""};
      for (std::size_t i = 0; i < answer.size(); ++i)
        socket_->send(zmq::buffer(answer[i]), i + 1 < answer.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
    }
  } catch (const zmq::error_t&) {
    // The context was shut down; nothing else stops a socket nobody else touches.
  }
  socket_->close();
}

}  // namespace pli::broker
