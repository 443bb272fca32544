// The logs a witness watches: the file `logs` in its folder (docs/storage.md, "A witness's folder").
//   log <vkey>                     one origin; several lines for an origin with several keys
//   log-key <log name> <hex key>   every shard "<log name>/<year>-<n>" of one of Pli's logs, signed by this key
// Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "audit/note.hpp"

namespace pli::witness {

inline constexpr std::size_t logs_bytes_max = 64 * 1024;
inline constexpr std::size_t watched_logs_max = 64;

class WatchedLogs {
 public:
  /// Blank lines and lines that begin with # count for nothing. The last line ends in LF like the others; no line
  /// twice. Errors: invalid_input, naming the line; over_limit.
  [[nodiscard]] static Result<WatchedLogs> parse(std::string_view text);

  /// The keys (type 0x01) of this origin, named after it; none when it is not watched.
  [[nodiscard]] std::vector<audit::VerifierKey> keys_of(std::string_view origin) const;
  [[nodiscard]] std::size_t size() const { return lines_.size(); }

 private:
  struct Line {
    bool every_shard = false;
    audit::VerifierKey key;  ///< its name is the origin, or the log's name
    bool operator==(const Line&) const = default;
  };
  static Result<Line> parse_line(std::string_view line);
  std::vector<Line> lines_;
};

/// One line of the file, LF included.
[[nodiscard]] std::string log_line(const audit::VerifierKey& log);
[[nodiscard]] std::string log_key_line(std::string_view log_name, const crypto::SignPublic& key);

}  // namespace pli::witness
