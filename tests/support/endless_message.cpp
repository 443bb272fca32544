#include "tests/support/endless_message.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sodium.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <string_view>

#include "base/bytes.hpp"
#include "crypto/identity.hpp"

namespace pli::testing {
namespace {

using std::chrono::steady_clock;

constexpr std::uint8_t flag_more = 1;
constexpr std::uint8_t flag_long = 2;
constexpr std::uint8_t flag_command = 4;
constexpr std::size_t frame_bytes = 64 * 1024;
constexpr auto handshake_time = std::chrono::seconds(20);

using Key = ByteArray<32>;
using Nonce = ByteArray<24>;

[[noreturn]] void fail(const char* what) { throw std::runtime_error(std::string("endless message: ") + what); }

/// `prefix` and eight bytes of a number.
Nonce nonce_of(std::string_view prefix, std::uint64_t number) {
  Nonce out{};
  std::copy(prefix.begin(), prefix.end(), out.begin());
  for (std::size_t i = 0; i < 8; ++i) out[23 - i] = static_cast<std::uint8_t>(number >> (8 * i));
  return out;
}

/// `prefix` and sixteen bytes of chance.
Nonce nonce_of(std::string_view prefix, ByteView drawn) {
  Nonce out{};
  std::copy(prefix.begin(), prefix.end(), out.begin());
  std::copy(drawn.begin(), drawn.end(), out.begin() + 8);
  return out;
}

Bytes box(ByteView plain, const Nonce& nonce, const Key& to, const Key& from) {
  Bytes out(plain.size() + crypto_box_MACBYTES);
  if (crypto_box_easy(out.data(), plain.data(), plain.size(), nonce.data(), to.data(), from.data()) != 0) fail("box");
  return out;
}

Bytes number_bytes(std::uint64_t number) {
  ByteWriter out;
  out.u64(number);
  return out.take();
}

Bytes frame(std::uint8_t flags, ByteView body) {
  ByteWriter out;
  const bool is_long = body.size() > 255;
  out.u8(static_cast<std::uint8_t>(flags | (is_long ? flag_long : 0)));
  if (is_long)
    out.u64(body.size());
  else
    out.u8(static_cast<std::uint8_t>(body.size()));
  Bytes all = out.take();
  append(all, body);
  return all;
}

/// Of ZMTP's metadata.
void add_property(Bytes& out, std::string_view name, std::string_view value) {
  out.push_back(static_cast<std::uint8_t>(name.size()));
  append(out, as_bytes(name));
  ByteWriter size;
  size.u32(static_cast<std::uint32_t>(value.size()));
  append(out, size.take());
  append(out, as_bytes(value));
}

Bytes greeting() {
  Bytes out = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0};
  append(out, as_bytes(std::string_view("CURVE")));
  out.resize(64);
  return out;
}

}  // namespace

struct EndlessMessage::State {
  ~State() {
    if (fd >= 0) ::close(fd);
  }

  [[nodiscard]] bool wait_for(short events, steady_clock::time_point deadline) const {
    const auto rest = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
    pollfd own{fd, events, 0};
    return rest.count() > 0 && ::poll(&own, 1, static_cast<int>(rest.count())) == 1;
  }

  /// False when the connection has ended; nothing of what was left unsent at the deadline is sent again.
  [[nodiscard]] bool write(ByteView bytes, steady_clock::time_point deadline) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent > 0)
        bytes = bytes.subspan(static_cast<std::size_t>(sent));
      else if (errno != EAGAIN && errno != EINTR)
        return false;
      else if (!wait_for(POLLOUT, deadline))
        return true;
    }
    return true;
  }

  [[nodiscard]] Bytes read(std::size_t size, steady_clock::time_point deadline) const {
    Bytes out;
    while (out.size() < size) {
      std::array<std::uint8_t, 512> block{};
      if (!wait_for(POLLIN, deadline)) fail("no answer");
      const ssize_t got = ::recv(fd, block.data(), std::min(block.size(), size - out.size()), 0);
      if (got <= 0) fail("the connection ended");
      out.insert(out.end(), block.begin(), block.begin() + got);
    }
    return out;
  }

  /// A command frame's body, which must begin with this name.
  [[nodiscard]] Bytes read_command(std::string_view name, steady_clock::time_point deadline) const {
    const std::uint8_t flags = read(1, deadline)[0];
    std::uint64_t size = 0;
    for (const std::uint8_t byte : read((flags & flag_long) != 0 ? 8 : 1, deadline)) size = size << 8 | byte;
    Bytes body = read(static_cast<std::size_t>(size), deadline);
    if (body.size() <= name.size() || as_text(body).substr(1, name.size()) != name) fail("another command");
    body.erase(body.begin(), body.begin() + 1 + static_cast<std::ptrdiff_t>(name.size()));
    return body;
  }

  void shake_hands(const Key& server, const Key& own_public, const Key& own_secret);

  int fd = -1;
  std::uint64_t next_nonce = 1;
  Key shared{};  ///< of the two short-term keys
};

void EndlessMessage::State::shake_hands(const Key& server, const Key& own_public, const Key& own_secret) {
  const auto deadline = steady_clock::now() + handshake_time;
  Key short_public{};
  Key short_secret{};
  crypto_box_keypair(short_public.data(), short_secret.data());
  if (!write(greeting(), deadline)) fail("the connection ended");
  (void)read(64, deadline);

  Bytes hello = to_bytes("\x05HELLO");
  append(hello, Bytes{1, 0});
  hello.resize(hello.size() + 72);
  append(hello, short_public);
  append(hello, number_bytes(next_nonce));
  append(hello, box(Bytes(64), nonce_of("CurveZMQHELLO---", next_nonce++), server, short_secret));
  if (!write(frame(flag_command, hello), deadline)) fail("the connection ended");

  const Bytes welcome = read_command("WELCOME", deadline);
  if (welcome.size() != 16 + 144) fail("a WELCOME of another size");
  ByteArray<128> opened{};
  if (crypto_box_open_easy(opened.data(), welcome.data() + 16, 144,
                           nonce_of("WELCOME-", ByteView(welcome).first(16)).data(), server.data(),
                           short_secret.data()) != 0)
    fail("a WELCOME of somebody else's");
  Key server_short{};
  std::copy_n(opened.begin(), server_short.size(), server_short.begin());

  Bytes vouched(short_public.begin(), short_public.end());
  append(vouched, server);
  ByteArray<16> drawn{};
  randombytes_buf(drawn.data(), drawn.size());
  Bytes plain(own_public.begin(), own_public.end());
  append(plain, drawn);
  append(plain, box(vouched, nonce_of("VOUCH---", drawn), server_short, own_secret));
  add_property(plain, "Socket-Type", "DEALER");
  add_property(plain, "Identity", "");
  Bytes initiate = to_bytes("\x08INITIATE");
  append(initiate, ByteView(opened).subspan(server_short.size()));
  append(initiate, number_bytes(next_nonce));
  append(initiate, box(plain, nonce_of("CurveZMQINITIATE", next_nonce++), server_short, short_secret));
  if (!write(frame(flag_command, initiate), deadline)) fail("the connection ended");
  (void)read_command("READY", deadline);
  if (crypto_box_beforenm(shared.data(), server_short.data(), short_secret.data()) != 0) fail("the short-term keys");
}

EndlessMessage::EndlessMessage(const std::string& endpoint, const crypto::CurvePublic& broker,
                               const crypto::SecretKey& secret)
    : state_(std::make_unique<State>()) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  at.sin_port = ::htons(static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1))));
  state_->fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (state_->fd < 0 || ::connect(state_->fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0)
    fail("nobody there");
  state_->shake_hands(broker.bytes, crypto::x25519_public(secret), to_array<32>(secret.expose()).value());
}

EndlessMessage::~EndlessMessage() = default;

EndlessMessage::Sent EndlessMessage::send(std::uint64_t bytes, std::chrono::milliseconds time) {
  const auto deadline = steady_clock::now() + time;
  Sent out;
  Bytes plain(1 + frame_bytes);
  plain[0] = flag_more;
  while (out.bytes < bytes && steady_clock::now() < deadline) {
    Bytes message = to_bytes("\x07MESSAGE");
    append(message, number_bytes(state_->next_nonce));
    const std::size_t head = message.size();
    message.resize(head + crypto_box_MACBYTES + plain.size());
    crypto_box_easy_afternm(message.data() + head, plain.data(), plain.size(),
                            nonce_of("CurveZMQMESSAGEC", state_->next_nonce++).data(), state_->shared.data());
    if (!state_->write(frame(0, message), deadline)) {
      out.cut = true;
      return out;
    }
    out.bytes += frame_bytes;
  }
  return out;
}

}  // namespace pli::testing
