#include "audit/proof_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  const std::string_view text = as_text({data, size});
  const auto file = audit::parse_proof_file(text);
  if (file) PLI_INVARIANT(audit::to_text(*file) == text);
  return 0;
}
