// Paths of tiles and bundles: one spelling each, and never the same for both.
#include "audit/tile.hpp"
#include "tests/fuzz/audit_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::audit;
  const std::string_view path = as_text({data, size});
  const auto tile = parse_tile_path(path);
  const auto bundle = parse_bundle_path(path);
  PLI_INVARIANT(!tile || !bundle);
  if (tile) PLI_INVARIANT(to_path(*tile) == path);
  if (bundle) PLI_INVARIANT(to_path(*bundle) == path);
  return 0;
}
