#include "broker/health_page.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <thread>

#include "base/clock.hpp"
#include "broker/hand_over.hpp"

namespace pli::broker {
namespace {

using std::chrono::steady_clock;

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

Address address_of(const LoopbackAddress& loopback) {
  Address out;
  if (loopback.six) {
    auto* six = reinterpret_cast<sockaddr_in6*>(&out.bytes);
    six->sin6_family = AF_INET6;
    six->sin6_addr = in6addr_loopback;
    six->sin6_port = ::htons(loopback.port);
    out.size = sizeof *six;
  } else {
    auto* four = reinterpret_cast<sockaddr_in*>(&out.bytes);
    four->sin_family = AF_INET;
    four->sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    four->sin_port = ::htons(loopback.port);
    out.size = sizeof *four;
  }
  return out;
}

/// Waits for `events` until the deadline; false then, and when `stop` is readable.
bool wait_for(int fd, short events, int stop, SteadyTime deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now()).count();
    if (left <= 0) return false;
    std::array<pollfd, 2> fds = {{{fd, events, 0}, {stop, POLLIN, 0}}};
    const int count = ::poll(fds.data(), stop < 0 ? 1 : 2, static_cast<int>(left));
    if (count < 0 && errno == EINTR) continue;
    return count > 0 && fds[1].revents == 0;
  }
}

/// A queue that is full lets nobody in and refuses nobody: the kernel would ask for minutes.
bool connect_to(int fd, const Address& at, SteadyTime deadline) {
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&at.bytes), at.size) == 0) return true;
  if (errno != EINPROGRESS || !wait_for(fd, POLLOUT, -1, deadline)) return false;
  int problem = 0;
  socklen_t size = sizeof problem;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size) == 0 && problem == 0;
}

bool send_all(int fd, std::string_view bytes, int stop, SteadyTime deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!wait_for(fd, POLLOUT, stop, deadline)) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

/// Reads until `enough` says so, the peer's end, the deadline or `bytes_max`.
std::string receive(int fd, int stop, SteadyTime deadline, std::size_t bytes_max,
                    const std::function<bool(std::string_view)>& enough) {
  std::string out;
  std::array<char, 1024> block{};
  while (out.size() < bytes_max && !enough(out)) {
    if (!wait_for(fd, POLLIN, stop, deadline)) break;
    const ssize_t got = ::recv(fd, block.data(), std::min(block.size(), bytes_max - out.size()), MSG_DONTWAIT);
    if (got > 0) out.append(block.data(), static_cast<std::size_t>(got));
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) break;
  }
  return out;
}

std::string response(std::string_view status, std::string_view type, std::string_view body) {
  std::string out = "HTTP/1.1 ";
  out.append(status).append("\r\nContent-Type: ").append(type).append("\r\nContent-Length: ");
  out.append(std::to_string(body.size()))
      .append("\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n")
      .append(body);
  return out;
}

constexpr std::string_view end_of_head = "\r\n\r\n";

}  // namespace

std::optional<LoopbackAddress> parse_loopback(std::string_view text) {
  LoopbackAddress out;
  for (const std::string_view prefix : {"127.0.0.1:", "[::1]:"}) {
    if (text.substr(0, prefix.size()) != prefix) continue;
    out.six = prefix.front() == '[';
    const std::string_view port = text.substr(prefix.size());
    const auto read = std::from_chars(port.data(), port.data() + port.size(), out.port);
    if (port.empty() || read.ec != std::errc() || read.ptr != port.data() + port.size()) return std::nullopt;
    return out;
  }
  return std::nullopt;
}

HealthPath health_path_of(std::string_view head) {
  const std::string_view line = head.substr(0, head.find("\r\n"));
  const std::size_t method_end = line.find(' ');
  const std::size_t path_end = line.find(' ', method_end + 1);
  if (method_end == std::string_view::npos || path_end == std::string_view::npos) return HealthPath::malformed;
  const std::string_view version = line.substr(path_end + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return HealthPath::malformed;
  if (line.substr(0, method_end) != "GET") return HealthPath::not_get;
  const std::string_view path = line.substr(method_end + 1, path_end - method_end - 1);
  if (path == "/health") return HealthPath::health;
  if (path == "/metrics") return HealthPath::metrics;
  return HealthPath::other;
}

struct HealthPage::State {
  State(Socket socket, HealthSources from, std::chrono::milliseconds request_time, WakeFd end)
      : listener(std::move(socket)), sources(std::move(from)), time(request_time), stop(std::move(end)) {}

  void run() {
    for (;;) {
      std::array<pollfd, 2> fds = {{{listener.fd(), POLLIN, 0}, {stop.fd(), POLLIN, 0}}};
      if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return;
      if (fds[1].revents != 0) return;
      if (fds[0].revents == 0) continue;
      const Socket peer(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (peer.fd() >= 0) {
        serve(peer.fd());
      } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        // Who waits goes on waiting, and the listener is readable all the while.
        pollfd end = {stop.fd(), POLLIN, 0};
        (void)::poll(&end, 1, static_cast<int>(health_accept_pause.count()));
      }
    }
  }

  void serve(int peer) const {
    const SteadyTime deadline = steady_clock::now() + time;
    const std::string head = receive(peer, stop.fd(), deadline, health_head_bytes_max, [](std::string_view read) {
      return read.find(end_of_head) != std::string_view::npos;
    });
    if (head.find(end_of_head) == std::string::npos) {
      // Too long is told; too slow has had its time.
      if (head.size() == health_head_bytes_max)
        (void)send_all(peer, response("431 Request Header Fields Too Large", "text/plain", ""), stop.fd(), deadline);
      return;
    }
    (void)send_all(peer, answer(health_path_of(head)), stop.fd(), deadline);
  }

  [[nodiscard]] std::string answer(HealthPath path) const {
    switch (path) {
      case HealthPath::health: {
        const HealthAnswer health = sources.health();
        return response(health.serving ? "200 OK" : "503 Service Unavailable", "application/json", health.body);
      }
      case HealthPath::metrics: return response("200 OK", "text/plain; version=0.0.4", sources.metrics());
      case HealthPath::other: return response("404 Not Found", "text/plain", "/health or /metrics\n");
      case HealthPath::not_get: return response("405 Method Not Allowed", "text/plain", "");
      case HealthPath::malformed: break;
    }
    return response("400 Bad Request", "text/plain", "");
  }

  const Socket listener;
  const HealthSources sources;
  const std::chrono::milliseconds time;
  const WakeFd stop;
  std::thread thread;
};

HealthPage::HealthPage(std::unique_ptr<State> state) : state_(std::move(state)) {
  state_->thread = std::thread([this] { state_->run(); });
}

HealthPage::~HealthPage() {
  state_->stop.ring();
  state_->thread.join();
}

Result<std::unique_ptr<HealthPage>> HealthPage::start(const LoopbackAddress& address, HealthSources sources,
                                                      std::chrono::milliseconds time) {
  auto stop = WakeFd::create();
  if (!stop) return stop.error();
  Socket listener(::socket(address.six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (listener.fd() < 0) return Error{Errc::io_error, "the health page has no socket"};
  const int on = 1;
  (void)::setsockopt(listener.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const Address at = address_of(address);
  if (::bind(listener.fd(), reinterpret_cast<const sockaddr*>(&at.bytes), at.size) != 0 ||
      ::listen(listener.fd(), health_backlog) != 0)
    return Error{Errc::unavailable, "the health page's port cannot be bound"};
  return std::unique_ptr<HealthPage>(
      new HealthPage(std::make_unique<State>(std::move(listener), std::move(sources), time, *std::move(stop))));
}

std::uint16_t HealthPage::port() const {
  Address at;
  at.size = sizeof at.bytes;
  if (::getsockname(state_->listener.fd(), reinterpret_cast<sockaddr*>(&at.bytes), &at.size) != 0) return 0;
  if (at.bytes.ss_family == AF_INET6) return ::ntohs(reinterpret_cast<const sockaddr_in6*>(&at.bytes)->sin6_port);
  return ::ntohs(reinterpret_cast<const sockaddr_in*>(&at.bytes)->sin_port);
}

Result<std::string> fetch_health(const LoopbackAddress& address, std::chrono::milliseconds time) {
  const Error nobody{Errc::unavailable, "nobody answers there"};
  const SteadyTime deadline = steady_clock::now() + time;
  const Socket socket(::socket(address.six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.fd() < 0 || !connect_to(socket.fd(), address_of(address), deadline)) return nobody;
  if (!send_all(socket.fd(), "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", -1, deadline)) return nobody;
  const std::string all =
      receive(socket.fd(), -1, deadline, health_page_bytes_max + 1, [](std::string_view) { return false; });
  if (all.empty()) return nobody;
  const std::size_t body = all.find(end_of_head);
  if (all.size() > health_page_bytes_max || all.compare(0, 9, "HTTP/1.1 ") != 0 || body == std::string::npos ||
      (all.compare(9, 3, "200") != 0 && all.compare(9, 3, "503") != 0))
    return Error{Errc::invalid_input, "what answers there is no health page"};
  return all.substr(body + end_of_head.size());
}

}  // namespace pli::broker
