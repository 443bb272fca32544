// A receipt that verifies says what the corpus's fullest receipt says, or less of it: fields may be hidden, nothing
// changed.
#include "audit/proof_file.hpp"
#include "tests/fuzz/audit_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::audit;
  static const VerifierKey log_key = fuzz_key("broker.example/pli/89/2026-1");
  static const Receipt genuine = [] {
    const auto receipt = parse_receipt(corpus_file("audit_receipt/all_shown_cosigned")).value();
    PLI_INVARIANT(verify_receipt(receipt, log_key).has_value());
    return receipt;
  }();
  const std::string_view text = as_text({data, size});
  const auto receipt = parse_receipt(text);
  if (!receipt) return 0;
  PLI_INVARIANT(to_text(*receipt) == text);
  if (!verify_receipt(*receipt, log_key)) return 0;
  PLI_INVARIANT(receipt->leaf == genuine.leaf && receipt->index == genuine.index);
  for (const DisclosedField& field : receipt->record.fields) {
    if (!field.opening) continue;
    const Bytes* const value = genuine.record.find(field.opening->field.name);
    PLI_INVARIANT(value != nullptr && *value == field.opening->field.value);
  }
  return 0;
}
