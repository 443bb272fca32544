// pli-verify: what Pli's log gave out, verified offline by somebody who trusts nothing but a key.
#pragma once

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "verify/whole_log.hpp"

namespace pli::verify {

/// What goes where, and the program's exit code.
struct Ended {
  Exit exit = Exit::verified;
  std::string out;
  std::string err;
};
/// `progress` may be empty.
[[nodiscard]] Ended run(const std::vector<std::string>& arguments, const Clock& clock, const Progress& progress);

}  // namespace pli::verify
