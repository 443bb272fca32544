// The witness's HTTP side (C2SP tlog-witness.md v1.0.0): two paths, everything else 404 or 405. cpp-httplib parses; the
// sockets, their threads and what a slow or endless peer may cost are ours.
//   POST <prefix>/add-checkpoint         GET <prefix>/<hex>/checkpoint
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "audit/witness.hpp"

namespace pli::witness {

/// Request line and header lines together.
inline constexpr std::size_t http_head_bytes_max = 4096;
/// Everything of one request, chunk framing included. A body above add_checkpoint_bytes_max is 413 before that.
inline constexpr std::size_t http_request_bytes_max = http_head_bytes_max + 2 * audit::add_checkpoint_bytes_max;
inline constexpr std::size_t requests_of_a_connection_max = 1000;
inline constexpr std::size_t prefix_bytes_max = 100;

struct ServerSettings {
  std::string host = "127.0.0.1";  ///< a numeric address
  int port = 0;                    ///< 0: a free one
  std::string prefix;              ///< "" or "/" and [a-z0-9._/-], not ending in "/"
  unsigned threads = 16;           ///< as many connections at once; others wait to be accepted
  std::chrono::milliseconds request_time{
      10'000};                                  ///< from a request's first byte to its last, and again for its answer
  std::chrono::milliseconds idle_time{60'000};  ///< between two requests, when no other connection waits
};

/// What is served. Called by several threads at once.
struct WitnessService {
  std::function<audit::WitnessAnswer(std::string_view body)> add_checkpoint;
  std::function<std::optional<std::string>(std::string_view monitoring_path)> checkpoint;
};

class WitnessServer {
 public:
  /// Listens when it returns. Errors: invalid_input (prefix, host), unavailable (the address is taken or is not ours).
  [[nodiscard]] static Result<std::unique_ptr<WitnessServer>> start(const ServerSettings& settings,
                                                                    WitnessService service);
  WitnessServer(const WitnessServer&) = delete;
  WitnessServer& operator=(const WitnessServer&) = delete;
  ~WitnessServer();  ///< stop()

  [[nodiscard]] int port() const;
  [[nodiscard]] std::string url() const;  ///< with the prefix: both the submission and the monitoring prefix
  /// Requests being read are dropped; one being decided is decided, and answered if its peer reads.
  void stop();

 private:
  class Http;
  explicit WitnessServer(std::unique_ptr<Http> http);
  std::unique_ptr<Http> http_;
};

}  // namespace pli::witness
