// Slots of the outside checkpoint: what is read writes back the same. Each input is also tried under a right digest.
#include <algorithm>

#include "audit/outside_checkpoint.hpp"
#include "crypto/hash.hpp"

namespace pli::audit {
namespace {

void read_and_write_back(ByteView bytes) {
  const auto slot = decode_slot(bytes);
  if (slot) PLI_INVARIANT(equal(encode_slot(*slot).value(), bytes));
}

}  // namespace
}  // namespace pli::audit

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::audit;
  const ByteView bytes(data, size);
  read_and_write_back(bytes);
  Bytes repaired(outside_slot_bytes, 0);
  std::copy_n(bytes.begin(), std::min(size, std::size_t{480}), repaired.begin());
  const Digest digest = crypto::sha256(ByteView(repaired).first(480));
  std::copy(digest.begin(), digest.end(), repaired.begin() + 480);
  read_and_write_back(repaired);

  Bytes file = repaired;
  append(file, bytes);
  file.resize(2 * outside_slot_bytes);
  const auto newest = newest_slot(file);
  const auto first = decode_slot(repaired);
  if (newest && first) PLI_INVARIANT(newest->sequence >= first->sequence);
  return 0;
}
