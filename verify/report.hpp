// What a command found out, for people or as one JSON object, and why it refuses.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

namespace pli::verify {

enum class Exit : int {
  verified = 0,
  not_proven = 1,  ///< evidence whose notes alone prove nothing
  usage = 2,
  failed = 4,  ///< what was verified is not what it says
  local = 5,   ///< a file or disk of ours; nothing was found out
};

/// Which check failed, and why.
struct Refusal {
  Exit exit = Exit::failed;
  std::string check;
  std::string why;
};
template <class T>
using Outcome = Result<T, Refusal>;

/// A disk that fails says nothing of what is verified; anything else does.
[[nodiscard]] Refusal refuse(std::string check, const Error& error);

/// In quotes, and nothing in it that steers a terminal; or nothing when `text` is not such UTF-8.
[[nodiscard]] std::optional<std::string> quoted(std::string_view text);
/// The same with every byte outside printable ASCII shown as '?': for names the caller gave.
[[nodiscard]] std::string quoted_name(std::string_view text);
[[nodiscard]] std::string utc_of_seconds(std::uint64_t seconds);  ///< 2026-01-01T00:00:00Z
[[nodiscard]] std::string utc(UnixMillis time);

/// Facts in the order they were found; each name once.
class Report {
 public:
  void say(std::string name, std::string_view ascii);  ///< words of ours, or text known to be printable ASCII
  void count(std::string name, std::uint64_t number);
  /// Bytes somebody else wrote: as text where that is harmless, else `name`.hex.
  void bytes(std::string name, ByteView value);
  [[nodiscard]] std::string for_people(std::string_view verdict) const;
  [[nodiscard]] std::string as_json(std::string_view command, Exit exit, const Refusal* refusal) const;

 private:
  struct Fact {
    std::string name;
    std::string shown;
    std::string json;
  };
  std::vector<Fact> facts_;
};

}  // namespace pli::verify
