#include "witness/witness_server.hpp"

#include <arpa/inet.h>
#include <httplib.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <thread>
#include <vector>

#include "audit/text_lines.hpp"

namespace pli::witness {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr std::string_view add_checkpoint_path = "/add-checkpoint";
constexpr std::string_view checkpoint_suffix = "/checkpoint";
constexpr std::string_view text_type = audit::note_lines_content_type;
constexpr int backlog = 128;
/// How long what an unread request still sends is thrown away, so that its peer can read why.
constexpr std::chrono::milliseconds linger_time{1000};

int milliseconds_until(SteadyTime deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
}

enum class Woken { ready, stopping, late };

/// Waits for `events` on `fd`, for the stop, or for `deadline`.
Woken wait_for(int fd, short events, int stop, SteadyTime deadline) {
  for (;;) {
    std::array<pollfd, 2> fds = {{{fd, events, 0}, {stop, POLLIN, 0}}};
    const int count = ::poll(fds.data(), fds.size(), milliseconds_until(deadline));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return Woken::late;
    return fds[1].revents != 0 ? Woken::stopping : Woken::ready;
  }
}

/// One accepted connection as cpp-httplib reads and writes it: each request has a deadline and a size.
class Connection final : public httplib::Stream {
 public:
  Connection(int fd, int stop, std::chrono::milliseconds time) : fd_(fd), stop_(stop), time_(time) {}
  ~Connection() override { ::close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void begin_request() {
    deadline_ = std::chrono::steady_clock::now() + time_;
    writing_ = false;
    head_bytes_ = 0;
    body_bytes_ = 0;
    line_ends_ = 0;
  }
  [[nodiscard]] bool has_more() const { return next_ < filled_; }
  [[nodiscard]] std::size_t body_bytes() const { return body_bytes_; }

  bool is_readable() const override {
    return has_more() || wait_for(fd_, POLLIN, stop_, std::chrono::steady_clock::now()) == Woken::ready;
  }
  bool is_writable() const override {
    return wait_for(fd_, POLLOUT, stop_, std::chrono::steady_clock::now()) == Woken::ready;
  }

  ssize_t read(char* out, std::size_t size) override {
    const bool in_head = line_ends_ < 2;
    if (in_head ? head_bytes_ == http_head_bytes_max : head_bytes_ + body_bytes_ >= http_request_bytes_max) return -1;
    if (!has_more() && !fill()) return -1;
    // In the head one by one, to see where it ends.
    const std::size_t count = in_head ? 1 : std::min(size, filled_ - next_);
    std::copy_n(buffer_.data() + next_, count, out);
    next_ += count;
    if (!in_head) {
      body_bytes_ += count;
    } else {
      ++head_bytes_;
      if (*out == '\n') ++line_ends_;
      if (*out != '\n' && *out != '\r') line_ends_ = 0;
    }
    return static_cast<ssize_t>(count);
  }

  ssize_t write(const char* data, std::size_t size) override {
    if (!std::exchange(writing_, true)) deadline_ = std::chrono::steady_clock::now() + time_;
    std::size_t sent = 0;
    while (sent < size) {
      const ssize_t put = ::send(fd_, data + sent, size - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (put >= 0) {
        sent += static_cast<std::size_t>(put);
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        if (wait_for(fd_, POLLOUT, stop_, deadline_) != Woken::ready) return -1;
      } else if (errno != EINTR) {
        return -1;
      }
    }
    return static_cast<ssize_t>(size);
  }

  /// A close with bytes unread resets the connection, and the peer may lose the answer to what it still sends.
  void linger() {
    ::shutdown(fd_, SHUT_WR);
    deadline_ = std::chrono::steady_clock::now() + std::min(linger_time, time_);
    for (std::size_t dropped = 0; dropped < http_request_bytes_max && fill(); dropped += filled_) {
    }
  }

  void get_remote_ip_and_port(std::string& ip, int& port) const override { forget(ip, port); }
  void get_local_ip_and_port(std::string& ip, int& port) const override { forget(ip, port); }
  socket_t socket() const override { return fd_; }

 private:
  /// Nothing here depends on who asks.
  static void forget(std::string& ip, int& port) {
    ip.clear();
    port = 0;
  }

  /// False at the peer's end, at the deadline and at the stop.
  bool fill() {
    for (;;) {
      if (wait_for(fd_, POLLIN, stop_, deadline_) != Woken::ready) return false;
      const ssize_t got = ::recv(fd_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
      if (got < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) continue;
      next_ = 0;
      filled_ = got > 0 ? static_cast<std::size_t>(got) : 0;
      return got > 0;
    }
  }

  const int fd_;
  const int stop_;
  const std::chrono::milliseconds time_;
  SteadyTime deadline_{};
  bool writing_ = false;
  std::size_t head_bytes_ = 0;
  std::size_t body_bytes_ = 0;
  int line_ends_ = 0;  ///< at the end of what was read; two end the head
  std::array<char, 4096> buffer_{};
  std::size_t next_ = 0;
  std::size_t filled_ = 0;
};

/// How many bytes of body the head announces; nothing when it cannot be told, and no other request may follow.
std::optional<std::uint64_t> announced_body(const httplib::Request& request) {
  if (request.has_header("Transfer-Encoding") || request.get_header_value_count("Content-Length") > 1)
    return std::nullopt;
  if (!request.has_header("Content-Length")) return 0;
  return audit::parse_decimal(request.get_header_value("Content-Length"));
}

void answer(httplib::Response& response, int status, const std::string& body, std::string_view type = text_type) {
  response.status = status;
  response.set_content(body, std::string(type));
}

bool is_prefix(std::string_view prefix) {
  if (prefix.empty()) return true;
  return prefix.size() <= prefix_bytes_max && prefix.front() == '/' && prefix.back() != '/' &&
         std::all_of(prefix.begin(), prefix.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '/' || c == '-';
         });
}

struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

std::optional<Address> parse_address(const std::string& host, int port) {
  Address out;
  sockaddr_in four{};
  sockaddr_in6 six{};
  const auto port_bits = ::htons(static_cast<std::uint16_t>(port));
  if (::inet_pton(AF_INET, host.c_str(), &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
    four.sin_port = port_bits;
    std::memcpy(&out.bytes, &four, out.size = sizeof four);
    return out;
  }
  if (::inet_pton(AF_INET6, host.c_str(), &six.sin6_addr) == 1) {
    six.sin6_family = AF_INET6;
    six.sin6_port = port_bits;
    std::memcpy(&out.bytes, &six, out.size = sizeof six);
    return out;
  }
  return std::nullopt;
}

/// A listening socket, or -1 and nothing left open.
int listen_at(const Address& address) {
  const int fd = ::socket(address.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address.bytes), address.size) == 0 && ::listen(fd, backlog) == 0)
    return fd;
  ::close(fd);
  return -1;
}

int port_of(int fd) {
  Address at;
  at.size = sizeof at.bytes;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&at.bytes), &at.size) != 0) return 0;
  if (at.bytes.ss_family == AF_INET6) return ::ntohs(reinterpret_cast<const sockaddr_in6*>(&at.bytes)->sin6_port);
  return ::ntohs(reinterpret_cast<const sockaddr_in*>(&at.bytes)->sin_port);
}

}  // namespace

class WitnessServer::Http final : private httplib::Server {
 public:
  Http(ServerSettings settings, WitnessService service, int listener, int stop)
      : settings_(std::move(settings)),
        service_(std::move(service)),
        listener_(listener),
        stop_(stop),
        port_(port_of(listener)) {
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      return route(request, response) ? HandlerResponse::Handled : HandlerResponse::Unhandled;
    });
    // The one request that is routed further, by a pattern that nothing else can reach.
    Post("/.*add-checkpoint", [this](const httplib::Request&, httplib::Response& response,
                                     const httplib::ContentReader& content) { add_checkpoint(response, content); });
    set_exception_handler([](const httplib::Request&, httplib::Response& response, const std::exception_ptr&) {
      answer(response, 500, "something failed here\n");
    });
    set_keep_alive_max_count(requests_of_a_connection_max);
    set_keep_alive_timeout(std::chrono::ceil<std::chrono::seconds>(settings_.idle_time).count());
    for (unsigned i = 0; i < std::max(1U, settings_.threads); ++i)
      threads_.emplace_back([this] { accept_and_serve(); });
  }

  ~Http() override {
    halt();
    ::close(listener_);
    ::close(stop_);
  }

  void halt() {
    const std::uint64_t one = 1;
    while (::write(stop_, &one, sizeof one) < 0 && errno == EINTR) {
    }
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    ::shutdown(listener_, SHUT_RDWR);  // from here on nobody connects
  }

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string url() const {
    const bool six = settings_.host.find(':') != std::string::npos;
    return "http://" + (six ? '[' + settings_.host + ']' : settings_.host) + ':' + std::to_string(port_) +
           settings_.prefix;
  }

 private:
  /// A thread serves one connection at a time.
  void accept_and_serve() {
    for (;;) {
      if (wait_for(listener_, POLLIN, stop_, SteadyTime::max()) == Woken::stopping) return;
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) {
        // Another thread took it, or descriptors or memory are short: then not at once again.
        if (errno != EAGAIN && errno != EWOULDBLOCK) std::this_thread::sleep_for(std::chrono::milliseconds(10));
        continue;
      }
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      ++busy_;
      try {
        Connection connection(fd, stop_, settings_.request_time);
        serve(connection);
      } catch (...) {  // memory, or an expression cpp-httplib cannot match: this connection's end
      }
      --busy_;
    }
  }

  void serve(Connection& connection) {
    for (std::size_t count = 1; next_request_comes(connection); ++count) {
      const bool last = count == requests_of_a_connection_max;
      std::optional<std::uint64_t> announced;
      bool closing = false;
      connection.begin_request();
      const bool answered = process_request(connection, last, closing, [&](httplib::Request& request) {
        announced = announced_body(request);
        const bool is_read = announced && (*announced == 0 || is_post(request));
        if (is_read) return;
        request.headers.erase("Connection");
        request.set_header("Connection", "close");
      });
      // What follows a body that was not read whole is not a request.
      const bool whole = announced && connection.body_bytes() == *announced;
      if (!answered) return;
      if (!whole) connection.linger();
      if (last || closing || !whole) return;
    }
  }

  /// An idle connection gives up its thread when another waits and no thread is free.
  bool next_request_comes(const Connection& connection) const {
    if (connection.has_more()) return true;
    const SteadyTime deadline = std::chrono::steady_clock::now() + settings_.idle_time;
    constexpr std::chrono::milliseconds look_around{50};
    for (;;) {
      const SteadyTime now = std::chrono::steady_clock::now();
      const Woken woken = wait_for(connection.socket(), POLLIN, stop_, std::min(deadline, now + look_around));
      if (woken != Woken::late) return woken == Woken::ready;
      if (std::chrono::steady_clock::now() >= deadline) return false;
      if (busy_ >= threads_max() && wait_for(listener_, POLLIN, stop_, now) == Woken::ready) return false;
    }
  }

  [[nodiscard]] unsigned threads_max() const { return std::max(1U, settings_.threads); }

  [[nodiscard]] bool is_post(const httplib::Request& request) const {
    return request.method == "POST" && request.path == settings_.prefix + std::string(add_checkpoint_path);
  }

  /// The monitoring path a request path stands for, if it has that shape.
  [[nodiscard]] std::optional<std::string> monitoring_path(std::string_view path) const {
    if (!audit::take_prefix(path, settings_.prefix) || !audit::take_prefix(path, "/")) return std::nullopt;
    if (path.size() != 64 + checkpoint_suffix.size() || path.substr(64) != checkpoint_suffix) return std::nullopt;
    return from_hex(path.substr(0, 64)) ? std::optional(std::string(path)) : std::nullopt;
  }

  /// True when it was answered here: all but the one request whose body is to be read.
  bool route(const httplib::Request& request, httplib::Response& response) const {
    const auto monitored = monitoring_path(request.path);
    if (monitored) {
      if (request.method != "GET" && request.method != "HEAD") {
        response.set_header("Allow", "GET, HEAD");
        answer(response, 405, "only to be read\n");
      } else if (const auto checkpoint = service_.checkpoint(*monitored)) {
        answer(response, 200, *checkpoint);
      } else {
        answer(response, 404, "nothing cosigned for such an origin\n");
      }
      return true;
    }
    if (request.path != settings_.prefix + std::string(add_checkpoint_path)) {
      answer(response, 404, "nothing here\n");
      return true;
    }
    if (request.method != "POST") {
      response.set_header("Allow", "POST");
      answer(response, 405, "only to be posted to\n");
      return true;
    }
    if (request.is_multipart_form_data()) {
      answer(response, 400, "malformed request\n");
      return true;
    }
    return false;
  }

  void add_checkpoint(httplib::Response& response, const httplib::ContentReader& content) const {
    std::string body;
    bool too_long = false;
    const bool whole = content([&](const char* data, std::size_t size) {
      too_long = size > audit::add_checkpoint_bytes_max - body.size();
      if (!too_long) body.append(data, size);
      return !too_long;
    });
    if (!whole) {
      response.set_header("Connection", "close");
      return too_long ? answer(response, 413, "request too long\n") : answer(response, 400, "request cut short\n");
    }
    const audit::WitnessAnswer decided = service_.add_checkpoint(body);
    answer(response, decided.status, decided.body, decided.content_type);
  }

  const ServerSettings settings_;
  const WitnessService service_;
  const int listener_;
  const int stop_;  ///< readable once we stop
  const int port_;
  std::atomic<unsigned> busy_{0};
  std::vector<std::thread> threads_;  ///< last: they use all of the above
};

Result<std::unique_ptr<WitnessServer>> WitnessServer::start(const ServerSettings& settings, WitnessService service) {
  if (!is_prefix(settings.prefix))
    return Error{Errc::invalid_input, "a prefix is / and a-z 0-9 . _ / - and does not end in /"};
  const auto address = parse_address(settings.host, settings.port);
  if (!address || settings.port < 0 || settings.port > 65535)
    return Error{Errc::invalid_input, "not a numeric address and a port"};
  const int listener = listen_at(*address);
  if (listener < 0) return Error{Errc::unavailable, "the address is taken, or not this machine's"};
  const int stop = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (stop < 0) {
    ::close(listener);
    return Error{Errc::unavailable, "no descriptor left"};
  }
  return std::unique_ptr<WitnessServer>(
      new WitnessServer(std::make_unique<Http>(settings, std::move(service), listener, stop)));
}

WitnessServer::WitnessServer(std::unique_ptr<Http> http) : http_(std::move(http)) {}
WitnessServer::~WitnessServer() = default;
int WitnessServer::port() const { return http_->port(); }
std::string WitnessServer::url() const { return http_->url(); }
void WitnessServer::stop() { http_->halt(); }

}  // namespace pli::witness
