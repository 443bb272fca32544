// Any bytes as what is sealed of link hints: whatever decodes encodes to the same bytes.
#include "client/link_record.hpp"
#include "tests/fuzz/protocol_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::client;
  protocol::expect_one_spelling({data, size}, decode_link_entry, encode_link_entry);
  protocol::expect_one_spelling({data, size}, decode_link_decision, encode_link_decision);
  // Most inputs have not the size of a bucket.
  Bytes whole(data, data + size);
  whole.resize((size / link_record_bucket_bytes + 1) * link_record_bucket_bytes);
  protocol::expect_one_spelling(whole, decode_link_entry, encode_link_entry);
  protocol::expect_one_spelling(whole, decode_link_decision, encode_link_decision);
  return 0;
}
