#include "broker/transport.hpp"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <future>
#include <map>
#include <optional>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <zmq.hpp>

#include "broker/hand_over.hpp"
#include "broker/log.hpp"
#include "broker/transport_self_test.hpp"
#include "broker/transport_zap.hpp"
#include "protocol/wire.hpp"

namespace pli::broker {
namespace {

using std::chrono::steady_clock;

// ZMQ_ZAP_ENFORCE_DOMAIN stands in the draft part of zmq.h; Debian's libzmq obeys the number.
constexpr int zap_enforce_domain_option = 93;
constexpr auto handshake_ivl = std::chrono::seconds(3);  // what a stranger who says nothing holds a descriptor for
constexpr int connections_waiting_max = 1024;
constexpr int keepalive_idle_s = 60;
constexpr int keepalive_interval_s = 15;
constexpr int keepalive_count = 4;
constexpr const char* monitor_endpoint = "inproc://transport-monitor";

constexpr std::size_t receive_batch_max = 256;    // then what waits to be sent has its turn
constexpr std::size_t request_id_bytes_max = 11;  // of a frame that is too large, what is kept
constexpr auto refusal_window = std::chrono::minutes(1);
constexpr std::uint32_t own_busy_retry_ms = 20;
constexpr std::uint32_t busy_retry_ms = 100;
constexpr std::uint32_t no_seat_retry_ms = 1000;
constexpr auto look_every = std::chrono::seconds(1);
// Descriptors that no connection gets: the spool's parts, the health page, the files of a moment. libzmq, when it finds
// none for a connection that waits, asks again and again without a pause.
constexpr rlim_t descriptors_spare_max = 640;
constexpr rlim_t descriptors_spare_share = 8;  // of all there are, where there are few
constexpr auto shortage_told_every = std::chrono::minutes(1);
// ROUTER does not say when a full connection has room again, so while one is full it is tried now and then.
constexpr auto retry_first = std::chrono::milliseconds(1);
constexpr auto retry_last = std::chrono::milliseconds(100);

/// The CURVE key of the connection a message came by, as the ZAP handler named it.
std::optional<crypto::CurvePublic> key_of(zmq::message_t& message) {
  const char* hex = zmq_msg_gets(message.handle(), "User-Id");
  if (hex == nullptr) return std::nullopt;
  auto bytes = from_hex(hex);
  if (!bytes) return std::nullopt;
  auto key = to_array<32>(*bytes);
  if (!key) return std::nullopt;
  return crypto::CurvePublic{*key};
}

ByteView view(const zmq::message_t& message) { return {message.data<std::uint8_t>(), message.size()}; }

/// Each connection is a descriptor; what the system lets us have at most is what we ask for.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

/// The system gives out the lowest that is free, so a new one tells how many are taken.
bool is_spare(int fd) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  const rlim_t spare = std::min(descriptors_spare_max, limit.rlim_cur / descriptors_spare_share);
  return static_cast<rlim_t>(fd) >= limit.rlim_cur - spare;
}

/// What came on a connection since it was made; nothing where it is none of TCP's.
std::optional<std::uint64_t> bytes_received(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  constexpr std::size_t needed = offsetof(tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received;
  return size < needed ? std::nullopt : std::optional<std::uint64_t>(info.tcpi_bytes_received);
}

protocol::Refusal busy(std::uint32_t retry_after_ms) { return {protocol::Code::busy, "", retry_after_ms}; }

struct Connection {
  Peer peer;
  int fd = -1;
  std::deque<Bytes> backlog;
  std::size_t backlog_bytes = 0;
  std::optional<std::uint64_t> cut_follow;  ///< ended for slowness: what is still pushed for it is too late
  bool notice_due = false;                  ///< and its follower does not know
};

/// Of one descriptor, from its acceptance on.
struct Intake {
  std::uint64_t bytes = 0;  ///< that had come when it was last seen to have sent a whole message
  bool spoke = false;       ///< since
};

struct Identity {
  std::size_t connections = 0;
  std::size_t in_flight = 0;
  std::size_t backlog_bytes = 0;  ///< of all its connections
  std::size_t refusals = 0;
  SteadyTime window_start{};
};

/// The same bytes as an array: routing ids are keys of maps.
std::string name_of_id(ByteView id) { return std::string(as_text(id)); }

}  // namespace

struct Transport::State {
  State(TransportSettings wanted, TransportSinks to, WakeFd wake)
      : settings(std::move(wanted)), sinks(std::move(to)), bell(std::move(wake)), outgoing(bell) {}

  void open(const crypto::SecretKey& curve_secret, const DirectoryInForce& directory);
  void run();
  void serve();

  // Everything below is the transport thread's.
  void receive_some();
  [[nodiscard]] bool receive_one(std::vector<Incoming>& batch);
  void take_in(ByteView id, int fd, const std::optional<crypto::CurvePublic>& key, Incoming message,
               std::vector<Incoming>& batch);
  [[nodiscard]] std::optional<protocol::Refusal> refuse_entry(Identity& identity) const;
  /// Null when its identity holds as many as it may.
  Connection* connection_of(ByteView id, int fd, const crypto::CurvePublic& key);
  void read_monitor();
  void drop_connection(const std::string& id);
  void look_at_connections();
  void cut_unseated(SteadyTime now);
  void cut_endless();
  void turn_away();
  void answer_now(Connection& connection, std::uint64_t request, protocol::Refusal refusal);
  void send_out(Outgoing message);
  enum class Sent { done, full, gone };
  [[nodiscard]] Sent try_send(ByteView id, ByteView bytes);
  void deliver(Connection& connection, Bytes bytes, bool answers, std::uint64_t request);
  void keep(Connection& connection, Bytes bytes);
  void tell_of_cut(Connection& connection);
  void drop_first(Connection& connection);
  void retry_backlogs();
  void count_refusal(Identity& identity, const protocol::ReplyBody& body) const;
  void show_counts();

  const TransportSettings settings;
  const TransportSinks sinks;
  const WakeFd bell;
  PolledHandOver<Outgoing> outgoing;
  std::string bound;
  crypto::CurvePublic public_key;

  zmq::context_t context{1};  // one I/O thread: IoThreadBarrier
  std::unique_ptr<ZapHandler> zap;
  zmq::socket_t socket;
  zmq::socket_t monitor;
  std::thread thread;

  std::unordered_map<std::string, Connection> connections;
  std::unordered_map<int, std::string> by_fd;
  std::unordered_map<int, SteadyTime> unseated;  ///< when it was accepted; has not spoken, or found no place
  std::unordered_map<int, Intake> intakes;
  SteadyTime next_look{};
  std::unordered_set<int> unwanted;  ///< accepted with a descriptor that is to be spared
  SteadyTime next_shortage_told{};
  std::map<crypto::CurvePublic, Identity> identities;
  std::size_t under_way = 0;
  std::size_t backlogged = 0;
  std::uint64_t kept_bytes = 0;
  steady_clock::duration retry_after = retry_first;
  bool receiving = true;
  std::uint64_t handshakes_refused = 0;
  std::atomic<std::uint64_t> refusals_of_ours{0};  ///< of the self-test's stranger, not seen yet: nobody's attempt
  std::uint64_t turned_away = 0;
  std::uint64_t endless = 0;
  std::uint64_t answers_dropped = 0;

  std::atomic<bool> stop_asked{false};
  bool told_stopped = false;
  std::promise<void> stopped;
  std::atomic<bool> finish_asked{false};
  std::mutex counts_mutex;
  TransportCounts shown;
};

// ---- start and end -----------------------------------------------------------------------------------------------

void Transport::State::open(const crypto::SecretKey& curve_secret, const DirectoryInForce& directory) {
  context.set(zmq::ctxopt::blocky, false);  // what lingers is set where it should
  if (settings.enforcement == Enforcement::on) {
    zap = std::make_unique<ZapHandler>(context, directory, settings.handshakes_per_minute_max,
                                       [this] { sinks.stray(Unattributed::Reason::unknown_key); });
  }
  socket = zmq::socket_t(context, zmq::socket_type::router);
  socket.set(zmq::sockopt::curve_server, true);
  const ByteView secret = curve_secret.expose();
  if (zmq_setsockopt(socket.handle(), ZMQ_CURVE_SECRETKEY, secret.data(), secret.size()) != 0) throw zmq::error_t();
  if (settings.enforcement == Enforcement::on) {
    socket.set(zmq::sockopt::zap_domain, zap_domain);
    const int on = 1;
    if (zmq_setsockopt(socket.handle(), zap_enforce_domain_option, &on, sizeof on) != 0) throw zmq::error_t();
  }
  socket.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(protocol::transport_bytes_max));
  socket.set(zmq::sockopt::handshake_ivl,
             static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(handshake_ivl).count()));
  socket.set(zmq::sockopt::router_mandatory, true);
  socket.set(zmq::sockopt::sndhwm, static_cast<int>(settings.peer_messages_max));
  socket.set(zmq::sockopt::rcvhwm, static_cast<int>(settings.peer_messages_max));
  socket.set(zmq::sockopt::backlog, connections_waiting_max);
  socket.set(zmq::sockopt::tcp_keepalive, 1);
  socket.set(zmq::sockopt::tcp_keepalive_idle, keepalive_idle_s);
  socket.set(zmq::sockopt::tcp_keepalive_intvl, keepalive_interval_s);
  socket.set(zmq::sockopt::tcp_keepalive_cnt, keepalive_count);
  socket.set(zmq::sockopt::linger, static_cast<int>(settings.linger.count()));
  socket.set(zmq::sockopt::ipv6, settings.endpoint.find('[') != std::string::npos);

  if (zmq_socket_monitor(socket.handle(), monitor_endpoint,
                         ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                             ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) != 0)
    throw zmq::error_t();
  monitor = zmq::socket_t(context, zmq::socket_type::pair);
  monitor.set(zmq::sockopt::linger, 0);
  monitor.set(zmq::sockopt::rcvhwm, 0);  // full, it would block libzmq's own thread
  monitor.connect(monitor_endpoint);

  socket.bind(settings.endpoint);
  bound = socket.get(zmq::sockopt::last_endpoint);
}

Result<std::unique_ptr<Transport>> Transport::open(TransportSettings settings, const crypto::SecretKey& curve_secret,
                                                   const DirectoryInForce& directory, TransportSinks sinks) {
  raise_descriptor_limit();
  auto bell = WakeFd::create();
  if (!bell) return bell.error();
  auto state = std::make_unique<State>(std::move(settings), std::move(sinks), *std::move(bell));
  state->public_key.bytes = crypto::x25519_public(curve_secret);
  std::unique_ptr<Transport> transport(new Transport(std::move(state)));
  State& opened = *transport->state_;
  try {
    opened.open(curve_secret, directory);
  } catch (const zmq::error_t& error) {
    if (error.num() == EADDRINUSE || error.num() == EADDRNOTAVAIL || error.num() == EACCES)
      return Error{Errc::unavailable, "the endpoint cannot be bound"};
    if (error.num() == EINVAL || error.num() == EPROTONOSUPPORT || error.num() == ENODEV)
      return Error{Errc::invalid_input, "the endpoint is none"};
    return Error{Errc::io_error, "the transport cannot be set up"};
  }
  return transport;
}

void Transport::serve() {
  // The socket is the thread's from here on.
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

Transport::Transport(std::unique_ptr<State> state) : state_(std::move(state)) {}

Transport::~Transport() { finish(); }

void Transport::finish() {
  if (state_->thread.joinable()) {
    state_->finish_asked = true;
    state_->bell.ring();
    state_->thread.join();
  } else if (state_->socket) {  // never started
    state_->monitor.close();
    state_->socket.close();
  }
  state_->context.shutdown();  // ends the ZAP handler
  state_->zap.reset();
  state_->context.close();  // waits for the lingering replies
}

void Transport::stop_receiving() {
  if (!state_->thread.joinable() || state_->stop_asked.exchange(true)) return;
  auto stopped = state_->stopped.get_future();
  state_->bell.ring();
  stopped.wait();
}

const std::string& Transport::endpoint() const { return state_->bound; }

TransportCounts Transport::counts() const {
  std::lock_guard lock(state_->counts_mutex);
  return state_->shown;
}

void Transport::send(std::vector<Outgoing> messages) { state_->outgoing.give_all(std::move(messages)); }

std::size_t Transport::waiting() const { return state_->outgoing.size(); }

Result<void> Transport::self_test(std::chrono::milliseconds timeout) {
  const crypto::SecretKey stranger = crypto::SecretKey::random(32);
  const crypto::CurvePublic key{crypto::x25519_public(stranger)};
  if (state_->zap) state_->zap->expect(key);
  ++state_->refusals_of_ours;
  auto refused = demand_refusal(state_->bound, state_->public_key, stranger, key, timeout);
  if (!refused) state_->refusals_of_ours = 0;
  return refused;
}

// ---- the thread --------------------------------------------------------------------------------------------------

void Transport::State::run() {
  try {
    serve();
  } catch (const zmq::error_t& error) {
    log(LogLevel::error, "transport failed", {{"errno", static_cast<std::uint64_t>(error.num())}});
    sinks.failed();
  }
  stop_asked = true;
  if (!told_stopped) stopped.set_value();
  monitor.close();
  socket.close();
}

void Transport::State::serve() {
  std::optional<SteadyTime> end;
  for (;;) {
    auto wait = std::chrono::milliseconds(-1);
    if (!intakes.empty()) wait = look_every;
    if (backlogged > 0) wait = std::chrono::ceil<std::chrono::milliseconds>(retry_after);
    std::array<zmq::pollitem_t, 3> items = {{{socket.handle(), 0, ZMQ_POLLIN, 0},
                                             {monitor.handle(), 0, ZMQ_POLLIN, 0},
                                             {nullptr, bell.fd(), ZMQ_POLLIN, 0}}};
    if (zmq_poll(items.data(), static_cast<int>(items.size()), static_cast<long>(wait.count())) < 0) {
      if (zmq_errno() == EINTR) continue;
      throw zmq::error_t();
    }
    if (items[2].revents != 0) bell.silence();
    if (stop_asked && !told_stopped) {
      receiving = false;
      told_stopped = true;
      stopped.set_value();
    }
    const bool finishing = finish_asked;
    for (Outgoing& message : outgoing.take_all()) send_out(std::move(message));
    if (items[1].revents != 0) read_monitor();
    if (items[0].revents != 0) receive_some();
    if (backlogged > 0) retry_backlogs();
    look_at_connections();
    if (!unwanted.empty()) turn_away();
    show_counts();
    if (finishing) {
      if (!end) end = steady_clock::now() + settings.linger;
      if (backlogged == 0 || steady_clock::now() >= *end) return;
    }
  }
}

void Transport::State::show_counts() {
  std::lock_guard lock(counts_mutex);
  shown = {connections.size(), under_way, handshakes_refused, turned_away, endless, answers_dropped, kept_bytes};
}

// ---- in ----------------------------------------------------------------------------------------------------------

void Transport::State::receive_some() {
  std::vector<Incoming> batch;
  for (std::size_t i = 0; i < receive_batch_max && receive_one(batch); ++i) {
  }
  if (!batch.empty()) sinks.received(std::move(batch));
}

bool Transport::State::receive_one(std::vector<Incoming>& batch) {
  zmq::message_t frame;
  if (!socket.recv(frame, zmq::recv_flags::dontwait)) return false;
  const Bytes id = to_bytes(view(frame));
  Incoming message;
  std::optional<crypto::CurvePublic> key;
  int fd = -1;
  std::size_t bytes = 0;
  bool is_first = true;
  while (frame.more()) {
    (void)socket.recv(frame);  // the frames of one message arrive together
    if (is_first) {
      key = key_of(frame);
      fd = zmq_msg_get(frame.handle(), ZMQ_SRCFD);
      is_first = false;
    }
    bytes += frame.size();
    if (message.frames.size() == protocol::message_frames_max || bytes > protocol::message_bytes_max) {
      message.over_limit = true;
      // The first frame's first bytes tell whom to answer.
      if (message.frames.empty()) message.frames.push_back(to_bytes(view(frame).first(request_id_bytes_max)));
      message.frames.resize(1);
      message.frames.front().resize(std::min(message.frames.front().size(), request_id_bytes_max));
      continue;
    }
    if (!message.over_limit) message.frames.push_back(to_bytes(view(frame)));
  }
  take_in(id, fd, key, std::move(message), batch);
  return true;
}

void Transport::State::take_in(ByteView id, int fd, const std::optional<crypto::CurvePublic>& key, Incoming message,
                               std::vector<Incoming>& batch) {
  if (auto intake = intakes.find(fd); intake != intakes.end()) intake->second.spoke = true;
  if (!key || !GivenId::number(id) || message.frames.empty()) return sinks.stray(Unattributed::Reason::undecodable);
  const std::uint64_t request = protocol::request_id_of(message.frames.front());
  Connection* found = connection_of(id, fd, *key);
  if (found == nullptr) {
    (void)try_send(id, protocol::encode(protocol::Reply{request, busy(no_seat_retry_ms)}));
    return;
  }
  Connection& connection = *found;
  Identity& identity = identities[*key];
  if (auto refusal = refuse_entry(identity)) return answer_now(connection, request, *std::move(refusal));
  ++identity.in_flight;
  ++under_way;
  message.peer = connection.peer;
  batch.push_back(std::move(message));
}

std::optional<protocol::Refusal> Transport::State::refuse_entry(Identity& identity) const {
  if (!receiving) return protocol::Refusal{protocol::Code::stopped, "", 0};
  const auto elapsed = steady_clock::now() - identity.window_start;
  if (identity.refusals >= settings.refusals_per_minute_max && elapsed < refusal_window) {
    const auto rest = std::chrono::ceil<std::chrono::milliseconds>(refusal_window - elapsed);
    return busy(static_cast<std::uint32_t>(rest.count()));
  }
  if (identity.in_flight >= settings.in_flight_max) return busy(own_busy_retry_ms);
  if (under_way >= settings.under_way_max) return busy(busy_retry_ms);
  return std::nullopt;
}

Connection* Transport::State::connection_of(ByteView id, int fd, const crypto::CurvePublic& key) {
  const std::string name = name_of_id(id);
  if (auto known = connections.find(name); known != connections.end()) return &known->second;
  // A descriptor is used again only after its disconnection was told, so read what was told before tying it to this
  // one.
  read_monitor();
  if (identities[key].connections >= settings.connections_max) return nullptr;
  ++identities[key].connections;
  Connection& connection = connections[name];
  connection.peer = {to_bytes(id), key};
  if (fd < 0) return &connection;
  if (auto other = by_fd.find(fd); other != by_fd.end()) {
    // A last message of a connection that is gone already can come late; it must not unseat its successor.
    if (GivenId::number(id) < GivenId::number(as_bytes(other->second))) return &connection;
    drop_connection(std::string(other->second));
  }
  connection.fd = fd;
  by_fd[fd] = name;
  unseated.erase(fd);
  return &connection;
}

void Transport::State::read_monitor() {
  for (;;) {
    zmq::message_t event;
    if (!monitor.recv(event, zmq::recv_flags::dontwait)) return;
    zmq::message_t address;
    (void)monitor.recv(address);
    if (event.size() < sizeof(std::uint16_t) + sizeof(std::uint32_t)) continue;
    std::uint16_t number = 0;
    std::uint32_t value = 0;
    std::memcpy(&number, event.data(), sizeof number);
    std::memcpy(&value, event.data<std::uint8_t>() + sizeof number, sizeof value);
    const int fd = static_cast<int>(value);
    if (number == ZMQ_EVENT_ACCEPTED) {
      unseated[fd] = steady_clock::now();
      intakes[fd] = {};
      if (is_spare(fd)) unwanted.insert(fd);
    } else if (number == ZMQ_EVENT_DISCONNECTED) {
      unseated.erase(fd);
      unwanted.erase(fd);
      intakes.erase(fd);
      if (auto known = by_fd.find(fd); known != by_fd.end()) drop_connection(std::string(known->second));
    } else if (refusals_of_ours > 0) {
      --refusals_of_ours;
    } else {
      ++handshakes_refused;
    }
  }
}

void Transport::State::drop_connection(const std::string& id) {
  auto known = connections.find(id);
  if (known == connections.end()) return;
  Connection gone = std::move(known->second);
  connections.erase(known);
  if (auto tied = by_fd.find(gone.fd); tied != by_fd.end() && tied->second == id) by_fd.erase(tied);
  Identity& identity = identities[gone.peer.key];
  --identity.connections;
  identity.backlog_bytes -= gone.backlog_bytes;
  kept_bytes -= gone.backlog_bytes;
  if (!gone.backlog.empty()) --backlogged;
  answers_dropped += gone.backlog.size();
  sinks.gone(gone.peer, std::nullopt);
}

void Transport::State::look_at_connections() {
  const SteadyTime now = steady_clock::now();
  if (intakes.empty() || now < next_look) return;
  next_look = now + look_every;
  read_monitor();  // whose disconnection was told is not ours to touch any more
  cut_unseated(now);
  cut_endless();
}

void Transport::State::cut_unseated(SteadyTime now) {
  for (auto it = unseated.begin(); it != unseated.end();) {
    if (now - it->second < settings.seat_within) {
      ++it;
      continue;
    }
    // ROUTER cannot turn out a peer. To libzmq this looks as if the peer had hung up.
    (void)::shutdown(it->first, SHUT_RDWR);
    it = unseated.erase(it);
  }
}

void Transport::State::cut_endless() {
  // libzmq hands out a message when its last frame is there, and keeps the others until then: only TCP's own count
  // tells how many.
  for (auto& [fd, intake] : intakes) {
    const auto bytes = bytes_received(fd);
    if (!bytes) continue;
    if (std::exchange(intake.spoke, false) || *bytes < intake.bytes) {
      intake.bytes = *bytes;
    } else if (*bytes - intake.bytes > settings.unfinished_bytes_max) {
      // A peer that has filled our window is not told that there is room again, and would wait a minute to learn that
      // nobody reads: ended by a reset it knows at once.
      const linger none{1, 0};
      (void)::setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
      (void)::shutdown(fd, SHUT_RDWR);  // as above
      intake.bytes = *bytes;
      ++endless;
      log(LogLevel::warning, "a message without end: its connection was ended");
      sinks.stray(Unattributed::Reason::undecodable);
    }
  }
}

void Transport::State::turn_away() {
  for (const int fd : unwanted) {
    (void)::shutdown(fd, SHUT_RDWR);  // as above
    unseated.erase(fd);
    ++turned_away;
  }
  unwanted.clear();
  const SteadyTime now = steady_clock::now();
  if (now < next_shortage_told) return;
  next_shortage_told = now + shortage_told_every;
  log(LogLevel::warning, "short of descriptors: new connections are turned away");
}

// ---- out ---------------------------------------------------------------------------------------------------------

void Transport::State::answer_now(Connection& connection, std::uint64_t request, protocol::Refusal refusal) {
  deliver(connection, protocol::encode(protocol::Reply{request, std::move(refusal)}), true, request);
}

void Transport::State::count_refusal(Identity& identity, const protocol::ReplyBody& body) const {
  const auto* refusal = std::get_if<protocol::Refusal>(&body);
  if (refusal == nullptr) return;
  using protocol::Code;
  if (refusal->code == Code::busy || refusal->code == Code::stopped || refusal->code == Code::log_unavailable) return;
  const auto now = steady_clock::now();
  if (now - identity.window_start >= refusal_window) {
    identity.window_start = now;
    identity.refusals = 0;
  }
  ++identity.refusals;
}

void Transport::State::send_out(Outgoing message) {
  if (message.answers) {
    Identity& identity = identities[message.peer.key];
    if (identity.in_flight > 0) --identity.in_flight;
    if (under_way > 0) --under_way;
    count_refusal(identity, message.reply.body);
  }
  auto connection = connections.find(name_of_id(message.peer.routing_id));
  if (connection == connections.end() || connection->second.peer.key != message.peer.key) {
    if (message.answers)
      ++answers_dropped;
    else
      sinks.gone(message.peer, std::nullopt);  // a subscription that outlived its connection
    return;
  }
  // A new follow stands: what became of the one before no longer matters.
  if (message.answers && std::holds_alternative<protocol::Pushed>(message.reply.body)) {
    connection->second.cut_follow.reset();
    connection->second.notice_due = false;
  }
  deliver(connection->second, protocol::encode(message.reply), message.answers, message.reply.id);
}

Transport::State::Sent Transport::State::try_send(ByteView id, ByteView bytes) {
  if (zmq_send(socket.handle(), id.data(), id.size(), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
    if (zmq_errno() == EAGAIN) return Sent::full;
    if (zmq_errno() == EHOSTUNREACH) return Sent::gone;
    throw zmq::error_t();
  }
  // Room was found for the id, so there is room for the rest: ROUTER decides once for a message.
  if (zmq_send(socket.handle(), bytes.data(), bytes.size(), ZMQ_DONTWAIT) < 0) throw zmq::error_t();
  return Sent::done;
}

void Transport::State::deliver(Connection& connection, Bytes bytes, bool answers, std::uint64_t request) {
  if (!answers && connection.cut_follow == request) return;
  if (connection.backlog.empty()) {
    switch (try_send(connection.peer.routing_id, bytes)) {
      case Sent::done: return;
      case Sent::gone: return drop_connection(name_of_id(connection.peer.routing_id));
      case Sent::full: retry_after = retry_first;
    }
  }
  if (connection.backlog.size() < settings.backlog_messages_max &&
      identities[connection.peer.key].backlog_bytes + bytes.size() <= settings.backlog_bytes_max)
    return keep(connection, std::move(bytes));
  if (answers) {
    ++answers_dropped;  // it asked without reading; when it asks again it gets the same answer
    return;
  }
  // Its follow is answered once more when it reads again: BUSY, so that it follows anew from where it is.
  connection.cut_follow = request;
  connection.notice_due = true;
  tell_of_cut(connection);
  sinks.gone(connection.peer, request);
}

void Transport::State::tell_of_cut(Connection& connection) {
  if (!connection.notice_due || !connection.backlog.empty()) return;
  connection.notice_due = false;
  keep(connection, protocol::encode(protocol::Reply{*connection.cut_follow, busy(busy_retry_ms)}));
}

void Transport::State::keep(Connection& connection, Bytes bytes) {
  if (connection.backlog.empty()) ++backlogged;
  connection.backlog_bytes += bytes.size();
  kept_bytes += bytes.size();
  identities[connection.peer.key].backlog_bytes += bytes.size();
  connection.backlog.push_back(std::move(bytes));
}

void Transport::State::drop_first(Connection& connection) {
  const std::size_t bytes = connection.backlog.front().size();
  connection.backlog_bytes -= bytes;
  kept_bytes -= bytes;
  identities[connection.peer.key].backlog_bytes -= bytes;
  connection.backlog.pop_front();
  if (connection.backlog.empty()) --backlogged;
}

void Transport::State::retry_backlogs() {
  bool moved = false;
  std::vector<std::string> gone;
  for (auto& [id, connection] : connections) {
    if (connection.backlog.empty()) continue;
    Sent sent = Sent::done;
    while (!connection.backlog.empty() &&
           (sent = try_send(connection.peer.routing_id, connection.backlog.front())) == Sent::done) {
      moved = true;
      drop_first(connection);
      tell_of_cut(connection);
    }
    if (sent == Sent::gone) gone.push_back(id);
  }
  for (const std::string& id : gone) drop_connection(id);
  retry_after = moved ? retry_first : std::min<steady_clock::duration>(retry_after * 2, retry_last);
}

}  // namespace pli::broker
