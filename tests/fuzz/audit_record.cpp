// Records: what is read writes back the same, and whatever is shown of it commits to the same leaf.
#include "audit/record.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::audit;
  const ByteView bytes(data, size);
  const auto record = decode_record(bytes);
  if (!record) return 0;
  PLI_INVARIANT(equal(encode(*record), bytes));
  std::vector<std::string_view> shown;
  for (std::size_t i = 0; i < record->fields.size(); ++i)
    if (((record->seed[0] >> (i % 8)) & 1) != 0) shown.push_back(record->fields[i].name);
  const Disclosure disclosure = disclose(*record, shown);
  const auto read = decode_disclosure(encode(disclosure));
  PLI_INVARIANT(read && *read == disclosure && record_digest(*read) == record_digest(*record));
  return 0;
}
