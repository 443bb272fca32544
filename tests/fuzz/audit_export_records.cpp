// The records of an export folder, of the three leaves 300 to 302: a file that is read to its end writes back the same,
// and none is read that stops short of it.
#include <algorithm>

#include "audit/export_folder.hpp"
#include "tests/fuzz/audit_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::audit;
  const ExportPeriod period{LeafIndex{300}, TreeSize{303}, UnixMillis{0}, UnixMillis{1}};
  const ByteView file{data, size};
  ByteView rest = file;
  auto records = ExportRecords::open(period, [&rest](std::span<std::uint8_t> out) -> Result<std::size_t> {
    const std::size_t count = std::min(out.size(), rest.size());
    std::copy_n(rest.begin(), count, out.begin());
    rest = rest.subspan(count);
    return count;
  });
  if (!records) return 0;
  Bytes written = to_bytes(export_records_first_line);
  std::uint64_t count = 0;
  for (;;) {
    const auto record = records->next();
    if (!record) return 0;
    if (!*record) break;
    PLI_INVARIANT((*record)->index.value == period.from.value + count++);
    append(written, encode(**record));
  }
  PLI_INVARIANT(count == 3 && rest.empty() && equal(written, file));
  return 0;
}
