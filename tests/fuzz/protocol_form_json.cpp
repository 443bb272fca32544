// Any text as a typed form; what is accepted is sealed, read back, and written as JSON that says the same.
#include "protocol/form.hpp"
#include "tests/fuzz/protocol_form_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::protocol;
  const std::string_view json = as_text({data, size});
  const auto form = Form::from_json(json, nullptr, nullptr, UnixMillis{1'749'988'800'000});
  if (!form) {
    PLI_INVARIANT(!form.error().empty());
    for (const FormProblem& problem : form.error()) PLI_INVARIANT(!problem.french.empty());
    return 0;
  }
  const auto sealed = Form::decode(form->encode());
  PLI_INVARIANT(sealed && *sealed == *form);
  const auto again = Form::from_json(form->to_json(), nullptr, nullptr);
  PLI_INVARIANT(again && *again == *form);
  expect_showable(*form);
  return 0;
}
