// Disclosures: what is read writes back the same. No fuzzer guesses a commitment, so each input is also tried with
// its commitments put right.
#include <algorithm>

#include "audit/record.hpp"

namespace pli::audit {
namespace {

bool reads_and_writes_back(ByteView bytes) {
  const auto disclosure = decode_disclosure(bytes);
  if (!disclosure) return false;
  PLI_INVARIANT(equal(encode(*disclosure), bytes) && verify_openings(*disclosure).has_value());
  return true;
}

/// The input with the commitment before each shown field recomputed.
Bytes with_commitments(ByteView bytes) {
  Bytes out = to_bytes(bytes);
  ByteReader reader(bytes);
  (void)reader.u8();
  const std::size_t count = reader.u16();
  for (std::size_t i = 0; i < count && reader.ok(); ++i) {
    const std::size_t at = bytes.size() - reader.rest().size();
    (void)reader.raw(32);
    if (reader.u8() != 1) continue;
    const auto salt = reader.array<16>();
    Field field;
    field.name = reader.string8();
    field.value = to_bytes(reader.bytes32());
    if (!reader.ok()) break;
    const Digest commitment = field_commitment(salt, field);
    std::copy(commitment.begin(), commitment.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
  }
  return out;
}

}  // namespace
}  // namespace pli::audit

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::audit;
  const ByteView bytes(data, size);
  const Bytes repaired = with_commitments(bytes);
  const bool read = reads_and_writes_back(bytes);
  const bool read_repaired = reads_and_writes_back(repaired);
  // Only right commitments are read, so putting them right changes nothing of what was read.
  if (read) PLI_INVARIANT(read_repaired && equal(repaired, bytes));
  return 0;
}
