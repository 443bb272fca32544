// Any bytes as a reply; what decodes is within the limits, encodes, and reads back the same.
#include "protocol/limits.hpp"
#include "protocol/wire.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::protocol;
  const auto reply = decode_reply({data, size});
  if (!reply) return 0;
  PLI_INVARIANT(size <= message_bytes_max);
  const Bytes bytes = encode(*reply);
  const auto again = decode_reply(bytes);
  PLI_INVARIANT(again ? *again == *reply : bytes.size() > message_bytes_max);
  return 0;
}
