// Any bytes as a sealed form; what decodes is kept byte for byte, and nothing of it steers a terminal.
#include "protocol/form.hpp"
#include "tests/fuzz/protocol_form_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::protocol;
  const auto form = Form::decode({data, size});
  if (!form) return 0;
  PLI_INVARIANT(form->encode() == Bytes(data, data + size));
  expect_showable(*form);
  return 0;
}
