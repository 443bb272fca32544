// The period of an export folder: what is read writes back the same.
#include "audit/export_folder.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  const std::string_view text = as_text({data, size});
  if (const auto period = audit::parse_export_period(text)) PLI_INVARIANT(audit::to_text(*period) == text);
  return 0;
}
