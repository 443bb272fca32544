// Any bytes as a request; what decodes is within the limits, encodes, and reads back the same.
#include "protocol/limits.hpp"
#include "protocol/wire.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::protocol;
  static_cast<void>(request_id_of({data, size}));
  const auto request = decode_request({data, size});
  if (!request) return 0;
  PLI_INVARIANT(size <= message_bytes_max);
  const Bytes bytes = encode(*request);
  PLI_INVARIANT(request_id_of(bytes) == request->id);
  // Ours may be the longer spelling: a zero that a peer left out is written. At the limit's edge it then passes it.
  const auto again = decode_request(bytes);
  PLI_INVARIANT(again ? *again == *request : bytes.size() > message_bytes_max);
  return 0;
}
