// Any bytes as names: folding is stable and bounded, likeness symmetric, and a name is the same as itself.
#include "client/name_likeness.hpp"

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "client/link_rules.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::client;
  const std::string_view text = as_text({data, size});
  const std::string folded = fold_name(text);
  PLI_INVARIANT(fold_name(folded) == folded);
  for (const std::string& part : name_parts(folded)) {
    PLI_INVARIANT(!part.empty() && part.size() <= name_part_bytes_max);
    PLI_INVARIANT(!phonetic_key(part).empty() && !consonants_of(phonetic_key(part)).empty());
  }
  static_cast<void>(fold_structure_name(text));
  static_cast<void>(fold_address(text));
  // Four fields, apart at line feeds.
  std::string_view rest = text;
  std::string_view fields[4];
  for (std::string_view& field : fields) {
    field = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), field.size() + 1));
  }
  const LinkPerson a = link_person(fields[0], fields[1], 20080214, "89024");
  const LinkPerson b = link_person(fields[2], fields[3], 20080214, "89024");
  PLI_INVARIANT(likeness(a.name, b.name) == likeness(b.name, a.name));
  PLI_INVARIANT(reason_to_link(a, b) == reason_to_link(b, a));
  PLI_INVARIANT(a.name.family.empty() || reason_to_link(a, a).has_value());
  return 0;
}
