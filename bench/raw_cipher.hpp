// The cipher alone, for figures to stand beside.
#pragma once

#include <cstddef>

namespace pli::bench {

/// ChaCha20-Poly1305 (RFC 8439) by libsodium over `mib` MiB in chunks of age's size, in memory, one core; seconds.
[[nodiscard]] double seal_by_cipher_alone(std::size_t mib);

}  // namespace pli::bench
