// Entry bundles: a first byte of width less one, then the bundle. What decodes encodes to the same bytes, and the
// tree over it is the one its range gives.
#include "audit/tile.hpp"
#include "tests/fuzz/audit_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::audit;
  if (size == 0) return 0;
  const std::size_t width = data[0] + std::size_t{1};
  const ByteView bytes{data + 1, size - 1};
  const auto entries = decode_bundle(bytes, width);
  const auto range =
      hash_bundles(TreeSize{width}, {0, 1}, [&](const BundleId&) -> Result<Bytes> { return to_bytes(bytes); }, {});
  PLI_INVARIANT(entries.has_value() == range.has_value());
  if (!entries) return 0;
  PLI_INVARIANT(entries->size() == width);
  PLI_INVARIANT(equal(encode_bundle(*entries).value(), bytes));
  MemoryTree tree;
  for (const ByteView entry : *entries) tree.append(entry);
  PLI_INVARIANT(range->root().value() == tree.root());
  return 0;
}
