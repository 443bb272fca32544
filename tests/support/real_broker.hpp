// The real pli-broker of a Department, in a folder of its own, on loopback: for crash tests and benches.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "tests/support/department.hpp"
#include "tests/support/temporary_folder.hpp"

namespace pli::testing {

/// What a test of limits asks for besides.
struct RealBrokerExtras {
  std::string limits;        ///< lines of the configuration's [limits]
  bool health_page = false;  ///< on a port of its own
};

class RealBroker {
 public:
  /// Writes keys, configuration and the first version, and runs `pli-broker init`. `program` is its path.
  RealBroker(const Department& department, std::string program, bool with_tiles = true, RealBrokerExtras extras = {});
  ~RealBroker();
  RealBroker(const RealBroker&) = delete;
  RealBroker& operator=(const RealBroker&) = delete;

  void start();  ///< returns when it has printed its ready line
  /// The first line of its output; `before` is what a shell does before it becomes the broker.
  [[nodiscard]] std::string try_start(const std::string& before);
  /// The next line of its output, JSON; "" when there is none within a minute.
  [[nodiscard]] std::string line() const;
  void kill_nine();  ///< SIGKILL, and waits for its end
  /// How it ended by itself: its exit code, or a signal's number less than nothing; nothing when it still runs then.
  [[nodiscard]] std::optional<int> wait_for_end(std::chrono::milliseconds time);
  void stop();  ///< SIGTERM; aborts the test on an exit code other than 0
  /// Exit code of `pli-broker check` on the stopped broker.
  [[nodiscard]] int check() const;

  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  [[nodiscard]] const crypto::CurvePublic& curve() const { return curve_; }
  [[nodiscard]] const crypto::SignPublic& log_key() const { return log_key_; }
  [[nodiscard]] int pid() const { return pid_; }
  [[nodiscard]] std::uint16_t health_port() const { return health_port_; }
  [[nodiscard]] std::size_t descriptors() const;  ///< open now
  [[nodiscard]] std::filesystem::path data() const { return folder_.path() / "data"; }
  [[nodiscard]] std::filesystem::path tiles() const { return folder_.path() / "tiles"; }
  [[nodiscard]] double cpu_seconds() const;  ///< user and system, of the running broker
  [[nodiscard]] std::uint64_t resident_bytes() const;
  [[nodiscard]] std::uint64_t disk_bytes() const;  ///< files of the data folder and of the tiles folder

 private:
  [[nodiscard]] int run(const std::vector<std::string>& words) const;
  TemporaryFolder folder_;
  std::string program_;
  std::string endpoint_;
  crypto::CurvePublic curve_;
  crypto::SignPublic log_key_;
  std::uint16_t health_port_ = 0;
  int pid_ = -1;
  int out_ = -1;
};

}  // namespace pli::testing
