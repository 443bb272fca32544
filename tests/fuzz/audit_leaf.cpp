#include "audit/leaf.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  const std::string_view bytes = as_text({data, size});
  const auto leaf = audit::decode_leaf(bytes);
  if (leaf) PLI_INVARIANT(audit::is_encodable(*leaf) && audit::encode(*leaf) == bytes);
  return 0;
}
