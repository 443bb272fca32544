#include "crypto/random.hpp"

#include <sodium.h>

#include "base/result.hpp"

namespace pli::crypto {

void initialise() { PLI_INVARIANT(sodium_init() >= 0); }

void random_bytes(std::span<std::uint8_t> out) {
  if (!out.empty()) randombytes_buf(out.data(), out.size());  // an empty span may be null, which it does not take
}

}  // namespace pli::crypto
