// One connection to a peer broker on loopback, TLS 1.3, with what has come in and what is to go out. Blocking while a
// protocol introduces itself, then not. The peer's certificate is one this run made, so it is not checked.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace pli::bench {

/// Big-endian integers, as all these protocols want them.
void put8(std::string& out, std::uint64_t value);
void put16(std::string& out, std::uint64_t value);
void put32(std::string& out, std::uint64_t value);
void put64(std::string& out, std::uint64_t value);
[[nodiscard]] std::uint16_t get16(std::string_view bytes, std::size_t at);
[[nodiscard]] std::uint32_t get32(std::string_view bytes, std::size_t at);
[[nodiscard]] std::uint64_t get64(std::string_view bytes, std::size_t at);

class Line {
 public:
  /// Connects in plain text; NATS and PostgreSQL exchange a word before they encrypt. Throws when nobody listens.
  explicit Line(int port);
  ~Line();
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  void start_tls();

  // Blocking; each throws when the peer has closed or been silent for 30 s.
  void send_all();                                         ///< everything in `out`
  [[nodiscard]] std::string_view wait(std::size_t bytes);  ///< at least that much of `received()`
  [[nodiscard]] std::string wait_line();                   ///< without its end, consumed
  void stop_blocking();

  // Not blocking; false once the peer has closed.
  [[nodiscard]] bool read_some();
  [[nodiscard]] bool send_some();

  [[nodiscard]] std::string_view received() const { return std::string_view(in_).substr(taken_); }
  void take(std::size_t bytes);
  [[nodiscard]] int descriptor() const { return descriptor_; }

  std::string out;

 private:
  struct Tls;
  [[nodiscard]] long transfer_in(char* into, std::size_t room);
  [[nodiscard]] long transfer_out(const char* from, std::size_t bytes);
  int descriptor_ = -1;
  std::unique_ptr<Tls> tls_;
  std::string in_;
  std::size_t taken_ = 0;
};

}  // namespace pli::bench
