// Any bytes as what a recipient finds inside, padding taken off.
#include "protocol/exchange.hpp"

#include "tests/fuzz/protocol_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli::protocol;
  expect_one_spelling({data, size}, decode_plaintext, [](const auto& decoded) { return encode(decoded); });
  return 0;
}
