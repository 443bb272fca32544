// Any bytes as an opening request.
#include "protocol/opening_request.hpp"

#include "tests/fuzz/protocol_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli::protocol;
  expect_one_spelling({data, size}, decode_opening_request, [](const auto& decoded) { return encode(decoded); });
  return 0;
}
