// Notes and checkpoints: what is read writes back the same, and nobody but the corpus's key has signed.
#include "audit/checkpoint.hpp"
#include "tests/fuzz/audit_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::audit;
  static const VerifierKey log_key = fuzz_key("broker.example/audit");
  const std::string_view text = as_text({data, size});
  const auto note = parse_note(text);
  const auto checkpoint = verify_checkpoint(text, log_key);
  if (!note) {
    PLI_INVARIANT(!checkpoint);
    return 0;
  }
  PLI_INVARIANT(to_text(*note) == text);
  PLI_INVARIANT(!note->text.empty() && note->text.back() == '\n');
  const auto head = parse_tree_head(note->text);
  if (head) PLI_INVARIANT(to_text(*head) == note->text);
  if (!checkpoint) return 0;
  PLI_INVARIANT(head && checkpoint->head() == *head && checkpoint->note() == text);
  static const TreeHead signed_head =
      parse_tree_head(parse_note(corpus_file("audit_note/checkpoint")).value().text).value();
  PLI_INVARIANT(*head == signed_head);
  return 0;
}
