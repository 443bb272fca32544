// libsodium's random source, driven by a seed: what a simulation draws it draws again (crypto/random.hpp). Every key,
// nonce and salt of the process is then known to whoever knows the seed: for tests alone.
#pragma once

#include <cstdint>

namespace pli::testing {

/// From here on, for the whole process. Before it, or between two simulations, never beside another thread.
void use_seeded_random();
/// Begins the stream anew. Two streams of one seed have nothing in common.
void seed_random(std::uint64_t seed, std::uint64_t stream);

}  // namespace pli::testing
