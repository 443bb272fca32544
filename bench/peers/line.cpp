#include "bench/peers/line.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <vector>

namespace pli::bench {
namespace {

constexpr std::size_t read_bytes = 256 * 1024;
constexpr timeval patience{30, 0};
constexpr long nothing_yet = 0;
constexpr long closed = -1;

SSL_CTX* context() {
  static SSL_CTX* const shared = [] {
    SSL_CTX* made = SSL_CTX_new(TLS_client_method());
    if (made == nullptr || SSL_CTX_set_min_proto_version(made, TLS1_3_VERSION) != 1)
      throw std::runtime_error("no TLS 1.3 here");
    SSL_CTX_set_verify(made, SSL_VERIFY_NONE, nullptr);
    SSL_CTX_set_mode(made, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return made;
  }();
  return shared;
}

std::uint64_t get(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

void put(std::string& out, std::uint64_t value, unsigned size) {
  for (unsigned i = size; i-- > 0;) out.push_back(static_cast<char>(value >> (8 * i)));
}

}  // namespace

void put8(std::string& out, std::uint64_t value) { put(out, value, 1); }
void put16(std::string& out, std::uint64_t value) { put(out, value, 2); }
void put32(std::string& out, std::uint64_t value) { put(out, value, 4); }
void put64(std::string& out, std::uint64_t value) { put(out, value, 8); }
std::uint16_t get16(std::string_view bytes, std::size_t at) { return static_cast<std::uint16_t>(get(bytes, at, 2)); }
std::uint32_t get32(std::string_view bytes, std::size_t at) { return static_cast<std::uint32_t>(get(bytes, at, 4)); }
std::uint64_t get64(std::string_view bytes, std::size_t at) { return get(bytes, at, 8); }

struct Line::Tls {
  explicit Tls(int descriptor) : session(SSL_new(context())) {
    if (SSL_set_fd(session, descriptor) != 1 || SSL_connect(session) != 1)
      throw std::runtime_error("TLS 1.3 handshake failed");
  }
  ~Tls() { SSL_free(session); }
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;
  SSL* session;
};

Line::Line(int port) : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ::close(descriptor_);
    throw std::runtime_error("nobody listens on port " + std::to_string(port));
  }
  const int on = 1;
  ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

Line::~Line() {
  tls_.reset();
  ::close(descriptor_);
}

void Line::start_tls() { tls_ = std::make_unique<Tls>(descriptor_); }

long Line::transfer_in(char* into, std::size_t room) {
  if (tls_) {
    const int got = SSL_read(tls_->session, into, static_cast<int>(room));
    if (got > 0) return got;
    const int why = SSL_get_error(tls_->session, got);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? nothing_yet : closed;
  }
  const ssize_t got = ::recv(descriptor_, into, room, 0);
  if (got > 0) return got;
  return got < 0 && (errno == EAGAIN || errno == EINTR) ? nothing_yet : closed;
}

long Line::transfer_out(const char* from, std::size_t bytes) {
  if (tls_) {
    const int gone = SSL_write(tls_->session, from, static_cast<int>(bytes));
    if (gone > 0) return gone;
    const int why = SSL_get_error(tls_->session, gone);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? nothing_yet : closed;
  }
  const ssize_t gone = ::send(descriptor_, from, bytes, MSG_NOSIGNAL);
  if (gone > 0) return gone;
  return gone < 0 && (errno == EAGAIN || errno == EINTR) ? nothing_yet : closed;
}

void Line::take(std::size_t bytes) {
  taken_ += bytes;
  if (taken_ == in_.size()) {
    in_.clear();
    taken_ = 0;
  }
}

bool Line::read_some() {
  if (taken_ > 0) {
    in_.erase(0, taken_);
    taken_ = 0;
  }
  thread_local std::vector<char> room(read_bytes);
  for (;;) {
    const long got = transfer_in(room.data(), room.size());
    if (got == closed) return false;
    in_.append(room.data(), static_cast<std::size_t>(got));
    // What TLS has already decrypted wakes no poll: take it now.
    if (got == nothing_yet || !tls_ || SSL_pending(tls_->session) == 0) return true;
  }
}

bool Line::send_some() {
  std::size_t gone = 0;
  while (gone < out.size()) {
    const long sent = transfer_out(out.data() + gone, out.size() - gone);
    if (sent == closed) return false;
    if (sent == nothing_yet) break;
    gone += static_cast<std::size_t>(sent);
  }
  out.erase(0, gone);
  return true;
}

void Line::send_all() {
  while (!out.empty())
    if (!send_some()) throw std::runtime_error("the peer closed the connection");
}

std::string_view Line::wait(std::size_t bytes) {
  while (received().size() < bytes) {
    const std::size_t before = received().size();
    if (!read_some() || received().size() == before) throw std::runtime_error("the peer did not answer");
  }
  return received();
}

std::string Line::wait_line() {
  for (std::size_t have = 1;; ++have) {
    const std::string_view all = wait(have);
    if (const std::size_t end = all.find('\n'); end != std::string_view::npos) {
      std::string line(all.substr(0, end > 0 && all[end - 1] == '\r' ? end - 1 : end));
      take(end + 1);
      return line;
    }
    have = all.size();
  }
}

void Line::stop_blocking() { ::fcntl(descriptor_, F_SETFL, ::fcntl(descriptor_, F_GETFL) | O_NONBLOCK); }

}  // namespace pli::bench
