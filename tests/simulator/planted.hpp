// Bugs planted in copies of the broker's sources (plant.py), asleep until one is woken: what proves that the simulator
// finds them. The product has no such seam: these copies are linked into tests alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pli::testing {

/// Whether this bug is awake. Called from the planted sources.
[[nodiscard]] bool planted(std::string_view bug);
/// Wakes one, and puts all others to sleep; an empty name wakes none.
void wake(std::string bug);
/// As plant.py names them.
[[nodiscard]] const std::vector<std::string>& planted_bugs();

}  // namespace pli::testing
