// The middle of several rounds: what a figure is when a machine is shared.
#pragma once

#include <algorithm>
#include <vector>

namespace pli::bench {

/// 0 of none.
[[nodiscard]] inline double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace pli::bench
