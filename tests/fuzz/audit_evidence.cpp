// Evidence of a fork: what is read writes back the same, and both its notes are notes of tree heads.
#include "audit/evidence.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::audit;
  const std::string_view text = as_text({data, size});
  const auto evidence = parse_evidence(text);
  if (!evidence) return 0;
  PLI_INVARIANT(to_text(*evidence) == text);
  const auto head_of = [](const std::string& note) { return parse_tree_head(parse_note(note).value().text).value(); };
  const TreeHead first = head_of(evidence->first);
  PLI_INVARIANT(compare(first, first) == Finding::same_tree);
  PLI_INVARIANT((compare(first, head_of(evidence->second)) == Finding::same_tree) ==
                (first == head_of(evidence->second)));
  return 0;
}
