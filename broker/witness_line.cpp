#include "broker/witness_line.hpp"

#include <httplib.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "audit/text_lines.hpp"

namespace pli::broker {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr std::string_view add_checkpoint_path = "/add-checkpoint";
constexpr std::size_t url_bytes_max = 512;

bool wait_for(int fd, short events, SteadyTime deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd one{fd, events, 0};
    const int count = ::poll(&one, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000)));
    if (count < 0 && errno == EINTR) continue;
    return count > 0;
  }
}

/// The connection as cpp-httplib reads and writes it, with one deadline for all of it and a size: its own time-outs
/// begin anew with each byte, and its answers may be as long as the peer likes.
class Bounded final : public httplib::Stream {
 public:
  Bounded(int fd, SteadyTime deadline) : fd_(fd), deadline_(deadline) {}
  [[nodiscard]] bool over_limit() const { return over_limit_; }

  bool is_readable() const override { return wait_for(fd_, POLLIN, std::chrono::steady_clock::now()); }
  bool is_writable() const override { return wait_for(fd_, POLLOUT, std::chrono::steady_clock::now()); }

  ssize_t read(char* out, std::size_t size) override {
    if (next_ == filled_) {
      if (taken_ == witness_answer_bytes_max) {
        over_limit_ = true;
        return -1;
      }
      if (!fill()) return -1;
    }
    const std::size_t count = std::min(size, filled_ - next_);
    std::copy_n(buffer_.data() + next_, count, out);
    next_ += count;
    return static_cast<ssize_t>(count);
  }

  ssize_t write(const char* data, std::size_t size) override {
    std::size_t sent = 0;
    while (sent < size) {
      const ssize_t put = ::send(fd_, data + sent, size - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (put >= 0) {
        sent += static_cast<std::size_t>(put);
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        if (!wait_for(fd_, POLLOUT, deadline_)) return -1;
      } else if (errno != EINTR) {
        return -1;
      }
    }
    return static_cast<ssize_t>(size);
  }

  void get_remote_ip_and_port(std::string& ip, int& port) const override { forget(ip, port); }
  void get_local_ip_and_port(std::string& ip, int& port) const override { forget(ip, port); }
  socket_t socket() const override { return fd_; }

 private:
  static void forget(std::string& ip, int& port) {
    ip.clear();
    port = 0;
  }
  bool fill() {
    for (;;) {
      if (std::chrono::steady_clock::now() >= deadline_ || !wait_for(fd_, POLLIN, deadline_)) return false;
      const std::size_t most = std::min(buffer_.size(), witness_answer_bytes_max - taken_);
      const ssize_t got = ::recv(fd_, buffer_.data(), most, MSG_DONTWAIT);
      if (got < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) continue;
      if (got <= 0) return false;
      next_ = 0;
      filled_ = static_cast<std::size_t>(got);
      taken_ += filled_;
      return true;
    }
  }

  const int fd_;
  const SteadyTime deadline_;
  std::array<char, 2048> buffer_{};
  std::size_t next_ = 0;
  std::size_t filled_ = 0;
  std::size_t taken_ = 0;
  bool over_limit_ = false;
};

bool is_host(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == ':';
  });
}

}  // namespace

Result<WitnessUrl> parse_witness_url(std::string_view text) {
  const Error refused{Errc::invalid_input, "a witness's URL is not http://host[:port][/prefix]"};
  if (text.size() > url_bytes_max || !audit::take_prefix(text, "http://")) return refused;
  WitnessUrl url;
  const std::size_t slash = std::min(text.find('/'), text.size());
  std::string_view place = text.substr(0, slash);
  std::string_view prefix = text.substr(slash);
  while (!prefix.empty() && prefix.back() == '/') prefix.remove_suffix(1);
  for (const char c : prefix)
    if (c <= ' ' || c > '~' || c == '?' || c == '#' || c == '"' || c == '%') return refused;
  url.prefix = prefix;
  if (audit::take_prefix(place, "[")) {  // IPv6
    const std::size_t end = place.find(']');
    if (end == std::string_view::npos) return refused;
    url.host = place.substr(0, end);
    place.remove_prefix(end + 1);
  } else {
    const std::size_t colon = std::min(place.find(':'), place.size());
    url.host = place.substr(0, colon);
    place.remove_prefix(colon);
  }
  if (!is_host(url.host)) return refused;
  if (place.empty()) return url;
  if (!audit::take_prefix(place, ":")) return refused;
  const auto port = audit::parse_decimal(place);
  if (!port || *port == 0 || *port > 65535) return refused;
  url.port = static_cast<int>(*port);
  return url;
}

class WitnessLine::Http final : private httplib::ClientImpl {
 public:
  Http(const WitnessUrl& url, WitnessLineTimes times) : ClientImpl(url.host, url.port), times_(times) {
    set_connection_timeout(times.connect);
    set_keep_alive(true);
    set_tcp_nodelay(true);
    set_decompress(false);
    set_url_encode(false);
  }

  Result<audit::WitnessAnswer> post(const std::string& path, const std::string& body) {
    if (hung_up_) return Error{Errc::unavailable, "hung up"};
    over_limit_ = false;
    httplib::Request request;
    request.method = "POST";
    request.path = path;
    request.body = body;
    request.set_header("Content-Type", std::string(audit::note_lines_content_type));
    const auto answer = send(request);
    if (!answer)
      return over_limit_ ? Error{Errc::over_limit, "the witness's answer is too long"}
                         : Error{Errc::unavailable, "the witness gave no answer"};
    return audit::WitnessAnswer{answer->status, answer->get_header_value("Content-Type"), answer->body};
  }

  void hang_up() {
    hung_up_ = true;
    stop();
  }

 private:
  bool process_socket(const Socket& socket, std::function<bool(httplib::Stream&)> callback) override {
    if (hung_up_) return false;
    Bounded stream(socket.sock, std::chrono::steady_clock::now() + times_.answer);
    const bool good = callback(stream);
    over_limit_ = stream.over_limit();
    return good;
  }

  const WitnessLineTimes times_;
  std::atomic<bool> hung_up_ = false;
  bool over_limit_ = false;
};

WitnessLine::WitnessLine(const WitnessUrl& url, WitnessLineTimes times)
    : path_(url.prefix + std::string(add_checkpoint_path)), http_(std::make_unique<Http>(url, times)) {}

WitnessLine::~WitnessLine() = default;

Result<audit::WitnessAnswer> WitnessLine::add_checkpoint(const std::string& body) { return http_->post(path_, body); }

void WitnessLine::hang_up() { http_->hang_up(); }

}  // namespace pli::broker
