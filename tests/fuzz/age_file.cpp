// Any bytes as an age file, armored or not: reading it in memory and as a stream comes to the same, never crashes,
// and whatever opens was sealed by somebody who knew the corpus's recipient.
#include "tests/fuzz/age_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const pli::ByteView input(data, size);
  const std::size_t step = size % 3 == 0 ? 1 : size % 3 == 1 ? 67 : SIZE_MAX;
  (void)pli::crypto::open_both_ways(input, step);
  return 0;
}
