#include "base/result.hpp"

#include <cstdio>

namespace pli {

const char* name_of(Errc code) {
  switch (code) {
    case Errc::invalid_input: return "invalid_input";
    case Errc::over_limit: return "over_limit";
    case Errc::authentication_failed: return "authentication_failed";
    case Errc::unavailable: return "unavailable";
    case Errc::not_found: return "not_found";
    case Errc::conflict: return "conflict";
    case Errc::io_error: return "io_error";
    case Errc::corruption: return "corruption";
  }
  return "unknown";
}

void invariant_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "pli: broken invariant: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace pli
