// The cases whose erasure is announced or due, as the operator reads them: beside a running broker, by a connection of
// its own, and without a key. Numbers and times; nothing that says who.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "protocol/retention.hpp"

namespace pli::broker {

struct TermLine {
  Digest case_id{};
  std::string queue;      ///< its instance
  UnixMillis erased_at;   ///< what the instance holds, as things stand
  UnixMillis noticed_at;  ///< 0: not announced yet
  UnixMillis held_until;
  bool due = false;  ///< it goes at the next look; past its ceiling, taken back or asked for early, unannounced
  std::uint64_t exchanges = 0;  ///< of it, whoever holds them
};
struct TermList {
  std::uint64_t cases = 0;      ///< of which an instance holds something
  std::vector<TermLine> lines;  ///< announced, to be announced now, taken back or asked for early; the soonest first
};
/// Errors: not_found (no such file), io_error, corruption, conflict (another schema).
[[nodiscard]] Result<TermList> read_terms(const std::filesystem::path& file, const protocol::Terms& terms,
                                          UnixMillis now);

}  // namespace pli::broker
