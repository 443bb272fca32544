// The operator's page on loopback: GET /health and GET /metrics over HTTP/1.x, on a thread of its own that asks nobody
// who may hang. One connection at a time, read and answered within one deadline; cpp-httplib's server can bound
// neither, and a page of two paths needs none of the rest.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pli::broker {

inline constexpr std::size_t health_head_bytes_max = 2048;
inline constexpr std::size_t health_page_bytes_max = 64 * 1024;  ///< of an answer with its head, to who fetches it
inline constexpr int health_backlog = 8;  ///< connections that wait; the kernel has those beyond ask again
inline constexpr std::chrono::milliseconds health_request_time{2000};
inline constexpr std::chrono::milliseconds health_accept_pause{100};  ///< while the process has no descriptor left

/// "127.0.0.1:9789", "[::1]:9789": a numeric loopback address and a port; 0 is a free one.
struct LoopbackAddress {
  bool six = false;
  std::uint16_t port = 0;
  bool operator==(const LoopbackAddress&) const = default;
};
[[nodiscard]] std::optional<LoopbackAddress> parse_loopback(std::string_view text);

enum class HealthPath { health, metrics, other, not_get, malformed };
/// Of a request's head, up to its empty line. Safe on hostile input.
[[nodiscard]] HealthPath health_path_of(std::string_view head);

struct HealthAnswer {
  bool serving = false;  ///< else 503
  std::string body;
};
/// Called on the page's thread.
struct HealthSources {
  std::function<HealthAnswer()> health;
  std::function<std::string()> metrics;
};

class HealthPage {
 public:
  /// Listens when it returns. Errors: unavailable (the port is taken), io_error.
  [[nodiscard]] static Result<std::unique_ptr<HealthPage>> start(const LoopbackAddress& address, HealthSources sources,
                                                                 std::chrono::milliseconds time = health_request_time);
  ~HealthPage();
  HealthPage(const HealthPage&) = delete;
  HealthPage& operator=(const HealthPage&) = delete;
  [[nodiscard]] std::uint16_t port() const;

 private:
  struct State;
  explicit HealthPage(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// GET /health of the broker there: the JSON, whatever its status. Errors: unavailable (nobody answers in time),
/// invalid_input (it is no such page, or larger).
[[nodiscard]] Result<std::string> fetch_health(const LoopbackAddress& address,
                                               std::chrono::milliseconds time = health_request_time);

}  // namespace pli::broker
