#include "tests/simulator/planted.hpp"

#include <utility>

namespace pli::testing {
namespace {

std::string& awake() {
  static std::string name;
  return name;
}

}  // namespace

bool planted(std::string_view bug) { return !awake().empty() && awake() == bug; }
void wake(std::string bug) { awake() = std::move(bug); }

}  // namespace pli::testing
