// HTTP by hand, so that a test can send what no client library would, and stop in the middle.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace pli::testing {

struct HttpAnswer {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;
};

/// One connection to a port of loopback. A test that hangs fails after a minute.
class HttpTalk {
 public:
  explicit HttpTalk(int port);
  ~HttpTalk();
  HttpTalk(const HttpTalk&) = delete;
  HttpTalk& operator=(const HttpTalk&) = delete;

  [[nodiscard]] bool is_connected() const { return fd_ >= 0; }
  /// False when the other side has closed.
  bool send(std::string_view bytes);
  /// The next answer, as long as its Content-Length says; nothing when the connection ends before.
  [[nodiscard]] std::optional<HttpAnswer> answer(bool has_body = true);
  /// True when the other side closes without another byte.
  [[nodiscard]] bool is_closed_by_peer();
  /// Sends this byte again and again, with `pause` between, until the other side has something to say or has closed.
  void drip(char byte, std::chrono::milliseconds pause);

  [[nodiscard]] std::optional<HttpAnswer> get(const std::string& path);
  [[nodiscard]] std::optional<HttpAnswer> post(const std::string& path, const std::string& body);

 private:
  bool more();
  int fd_ = -1;
  std::string read_;
};

[[nodiscard]] std::string post_of(const std::string& path, const std::string& body);

}  // namespace pli::testing
