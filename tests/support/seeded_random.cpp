#include "tests/support/seeded_random.hpp"

#include <sodium.h>

#include <cstring>

#include "crypto/random.hpp"

namespace pli::testing {
namespace {

/// SplitMix64: good enough to tell keys apart, and three operations for each eight bytes.
std::uint64_t state = 0;

std::uint64_t next() {
  state += 0x9E3779B97F4A7C15U;
  std::uint64_t z = state;
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31U);
}

const char* name() { return "seeded"; }
std::uint32_t draw() { return static_cast<std::uint32_t>(next()); }
void fill(void* out, std::size_t size) {
  auto* at = static_cast<unsigned char*>(out);
  while (size > 0) {
    const std::uint64_t word = next();
    const std::size_t some = size < sizeof word ? size : sizeof word;
    std::memcpy(at, &word, some);
    at += some;
    size -= some;
  }
}

randombytes_implementation seeded{name, draw, nullptr, nullptr, fill, nullptr};

}  // namespace

void use_seeded_random() {
  randombytes_set_implementation(&seeded);
  crypto::initialise();
}

void seed_random(std::uint64_t seed, std::uint64_t stream) {
  state = seed;
  const std::uint64_t mixed = next();
  state = mixed ^ (stream * 0xD1B54A32D192ED03U);
}

}  // namespace pli::testing
