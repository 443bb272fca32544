// libsodium's start-up and its random source. A simulator makes it deterministic with
// randombytes_set_implementation; nothing else in Pli draws random numbers.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.hpp"

namespace pli::crypto {

/// Call once at the start of each program, before anything else here. Terminates when libsodium cannot start.
void initialise();

void random_bytes(std::span<std::uint8_t> out);

template <std::size_t N>
[[nodiscard]] ByteArray<N> random_array() {
  ByteArray<N> out{};
  random_bytes(out);
  return out;
}

}  // namespace pli::crypto
