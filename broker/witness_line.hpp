// One witness over HTTP (C2SP tlog-witness; docs/protocol.md, "Asking a witness"): carries requests, decides nothing.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "audit/witness.hpp"
#include "base/result.hpp"

namespace pli::broker {

/// Head and body of an answer.
inline constexpr std::size_t witness_answer_bytes_max = 16 * 1024;

struct WitnessLineTimes {
  std::chrono::milliseconds connect = std::chrono::seconds(2);
  std::chrono::milliseconds answer = std::chrono::seconds(5);  ///< from the connection to the answer's last byte
};

/// A witness's submission prefix.
struct WitnessUrl {
  std::string host;
  int port = 80;
  std::string prefix;  ///< without its last slash
  bool operator==(const WitnessUrl&) const = default;
};
/// "http://host[:port][/prefix]". No https: what matters is signed both ways; who wants the line hidden tunnels it.
/// Errors: invalid_input.
[[nodiscard]] Result<WitnessUrl> parse_witness_url(std::string_view text);

/// Thread: one asks; any may hang up.
class WitnessLine {
 public:
  explicit WitnessLine(const WitnessUrl& url, WitnessLineTimes times = {});
  ~WitnessLine();
  WitnessLine(const WitnessLine&) = delete;
  WitnessLine& operator=(const WitnessLine&) = delete;

  /// Whatever the witness says, within its time and size. Errors: unavailable (nobody there, cut off, too slow),
  /// over_limit (a longer answer).
  [[nodiscard]] Result<audit::WitnessAnswer> add_checkpoint(const std::string& body);
  /// What is under way fails soon, and so does everything after.
  void hang_up();

 private:
  class Http;
  const std::string path_;
  std::unique_ptr<Http> http_;
};

}  // namespace pli::broker
