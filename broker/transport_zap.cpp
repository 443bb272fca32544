#include "broker/transport_zap.hpp"

#include <array>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "base/bytes.hpp"
#include "crypto/random.hpp"

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

constexpr std::uint8_t given_id_mark = 1;  // libzmq's own begin with 0
constexpr std::size_t given_id_bytes = 1 + sizeof(std::uint64_t);
constexpr auto first_pass_within = std::chrono::seconds(5);
constexpr auto handshake_window = std::chrono::minutes(1);

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

/// One property, as ZMTP writes metadata.
std::string metadata(std::string_view name, ByteView value) {
  ByteWriter out;
  out.string8(name);
  out.bytes32(value);
  return std::string(as_text(out.bytes()));
}

}  // namespace

Bytes GivenId::of(std::uint64_t number) {
  ByteWriter out;
  out.u8(given_id_mark);
  out.u64(number);
  return out.take();
}

std::optional<std::uint64_t> GivenId::number(ByteView id) {
  if (id.size() != given_id_bytes || id[0] != given_id_mark) return std::nullopt;
  return ByteReader(id.subspan(1)).u64();
}

IoThreadBarrier::IoThreadBarrier(zmq::context_t& context)
    : there_(std::make_unique<zmq::socket_t>(context, zmq::socket_type::pair)),
      back_(std::make_unique<zmq::socket_t>(context, zmq::socket_type::pair)) {
  for (zmq::socket_t* socket : {there_.get(), back_.get()}) socket->set(zmq::sockopt::linger, 0);
  // No file of its own to leave behind; nobody else can connect before us by a name drawn now, nor after us to a pair.
  const std::string name = "ipc://@pli-" + to_hex(crypto::random_array<16>());
  there_->bind(name);
  back_->connect(name);
  back_->set(zmq::sockopt::rcvtimeo, static_cast<int>(std::chrono::milliseconds(first_pass_within).count()));
  pass();
  back_->set(zmq::sockopt::rcvtimeo, -1);
}

IoThreadBarrier::~IoThreadBarrier() = default;

void IoThreadBarrier::pass() {
  there_->send(zmq::message_t(), zmq::send_flags::none);
  zmq::message_t through;
  while (zmq_msg_recv(through.handle(), back_->handle(), 0) < 0)
    if (zmq_errno() != EINTR) throw zmq::error_t();
}

ZapHandler::ZapHandler(zmq::context_t& context, const DirectoryInForce& directory,
                       std::size_t handshakes_per_minute_max, std::function<void()> unknown_key)
    : directory_(directory),
      handshakes_per_minute_max_(handshakes_per_minute_max),
      unknown_key_(std::move(unknown_key)),
      socket_(std::make_unique<zmq::socket_t>(context, zmq::socket_type::rep)) {
  socket_->set(zmq::sockopt::linger, 0);
  socket_->bind(zap_endpoint);
  barrier_ = std::make_unique<IoThreadBarrier>(context);
  thread_ = std::thread([this] { run(); });
}

ZapHandler::~ZapHandler() { thread_.join(); }

void ZapHandler::expect(const crypto::CurvePublic& key) {
  std::lock_guard lock(mutex_);
  expected_ = key;
}

ZapHandler::Entry ZapHandler::judge(const crypto::CurvePublic& key) {
  // Former and revoked keys come in, to be told REVOKED at each message instead of meeting a dead network.
  if (directory_.get()->member_by_curve(key) != nullptr) {
    Handshakes& made = handshakes_[key];
    const auto now = std::chrono::steady_clock::now();
    if (now - made.minute_start >= handshake_window) made = {now, 0};
    if (made.count >= handshakes_per_minute_max_) return Entry::too_often;
    ++made.count;
    return Entry::admitted;
  }
  {
    std::lock_guard lock(mutex_);
    if (expected_ == key) return Entry::unknown;
  }
  unknown_key_();
  return Entry::unknown;
}

void ZapHandler::run() {
  try {
    for (;;) {
      const std::vector<std::string> question = receive(*socket_);
      const bool is_whole = question.size() == question_frames && question[domain_frame] == zap_domain &&
                            question[mechanism_frame] == "CURVE";
      std::optional<ByteArray<32>> key;
      if (is_whole) key = to_array<32>(as_bytes(question[key_frame]));
      const Entry entry = key ? judge({*key}) : Entry::unknown;
      std::array<std::string, 6> answer = {"1.0", question.size() > request_id_frame ? question[request_id_frame] : "",
                                           "400", "UNKNOWN_KEY"};
      if (entry == Entry::too_often) {
        answer[2] = "500";  // after a 300 libzmq keeps the connection until its handshake timer ends
        answer[3] = "BUSY";
      } else if (entry == Entry::admitted) {
        answer[2] = "200";
        answer[3] = "OK";
        answer[4] = to_hex(*key);
        answer[5] = metadata("Identity", GivenId::of(++last_number_));
        // Of two identities the one read last stands, and libzmq reads the client's right after it has asked us.
        barrier_->pass();
      }
      for (std::size_t i = 0; i < answer.size(); ++i)
        socket_->send(zmq::buffer(answer[i]), i + 1 < answer.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
    }
  } catch (const zmq::error_t&) {
    // The context was shut down; nothing else stops a socket nobody else touches.
  }
  barrier_.reset();
  socket_->close();
}

}  // namespace pli::broker
