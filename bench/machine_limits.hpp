// What this machine can do at best, measured in the same run: every figure of pli-bench is read beside these.
#pragma once

#include <filesystem>

namespace pli::bench {

struct MachineLimits {
  double fdatasync_us = 0;         ///< p50 of append 4,096 bytes + fdatasync
  double ed25519_verify_us = 0;    ///< mean of one statement verification, one core
  double curve_round_trip_us = 0;  ///< p50 of a 2 KiB request and a short reply over ZeroMQ CURVE on loopback
};

/// Takes about three seconds. `folder` is on the disk that matters.
[[nodiscard]] MachineLimits measure_machine(const std::filesystem::path& folder);

}  // namespace pli::bench
