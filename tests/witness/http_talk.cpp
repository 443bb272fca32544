#include "tests/witness/http_talk.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace pli::testing {

HttpTalk::HttpTalk(int port) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{60, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return;
  ::close(fd_);
  fd_ = -1;
}

HttpTalk::~HttpTalk() {
  if (fd_ >= 0) ::close(fd_);
}

bool HttpTalk::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

bool HttpTalk::more() {
  std::array<char, 65536> block{};
  const ssize_t got = ::recv(fd_, block.data(), block.size(), 0);
  if (got <= 0) return false;
  read_.append(block.data(), static_cast<std::size_t>(got));
  return true;
}

std::optional<HttpAnswer> HttpTalk::answer(bool has_body) {
  std::size_t head_end = std::string::npos;
  while ((head_end = read_.find("\r\n\r\n")) == std::string::npos)
    if (!more()) return std::nullopt;
  HttpAnswer out;
  std::string_view head = std::string_view(read_).substr(0, head_end + 2);
  const auto take_line = [&head] {
    const std::size_t end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 2);
    return line;
  };
  const std::string_view first = take_line();
  if (first.size() < 12 || first.substr(0, 9) != "HTTP/1.1 ") return std::nullopt;
  std::from_chars(first.data() + 9, first.data() + 12, out.status);
  while (!head.empty()) {
    const std::string_view line = take_line();
    const std::size_t colon = line.find(": ");
    if (colon == std::string_view::npos) return std::nullopt;
    std::string name(line.substr(0, colon));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    out.headers.emplace(std::move(name), line.substr(colon + 2));
  }
  read_.erase(0, head_end + 4);
  std::size_t length = 0;
  if (const auto found = out.headers.find("content-length"); has_body && found != out.headers.end())
    std::from_chars(found->second.data(), found->second.data() + found->second.size(), length);
  while (read_.size() < length)
    if (!more()) return std::nullopt;
  out.body = read_.substr(0, length);
  read_.erase(0, length);
  return out;
}

bool HttpTalk::is_closed_by_peer() {
  char c = 0;
  return read_.empty() && ::recv(fd_, &c, 1, 0) == 0;
}

void HttpTalk::drip(char byte, std::chrono::milliseconds pause) {
  pollfd heard{fd_, POLLIN, 0};
  while (::poll(&heard, 1, static_cast<int>(pause.count())) == 0 && send({&byte, 1})) {
  }
}

std::optional<HttpAnswer> HttpTalk::get(const std::string& path) {
  if (!send("GET " + path + " HTTP/1.1\r\nHost: w\r\n\r\n")) return std::nullopt;
  return answer();
}

std::optional<HttpAnswer> HttpTalk::post(const std::string& path, const std::string& body) {
  (void)send(post_of(path, body));  // an early refusal may still be read
  return answer();
}

std::string post_of(const std::string& path, const std::string& body) {
  return "POST " + path + " HTTP/1.1\r\nHost: w\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace pli::testing
