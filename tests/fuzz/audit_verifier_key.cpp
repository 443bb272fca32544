#include "audit/note.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  const std::string_view text = as_text({data, size});
  const auto key = audit::parse_verifier_key(text);
  if (key) PLI_INVARIANT(audit::is_key_name(key->name) && audit::to_text(*key) == text);
  return 0;
}
