// Any bytes as a bundle of changed entries, applied to a small directory.
#include "protocol/directory.hpp"
#include "tests/fuzz/protocol_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::protocol;
  expect_one_spelling({data, size}, decode_bundle,
                      [](const std::vector<Bytes>& entries) { return encode_bundle(entries); });
  const auto changed = decode_bundle({data, size});
  if (!changed) return 0;
  Contract contract;
  contract.id = "csi-yonne";
  contract.title = "Exemple";
  contract.territory = "89";
  contract.ends = {1};
  const std::vector<Entry> current = {write_contract(contract, {})};
  const auto next = apply_bundle(current, *changed);
  if (!next) {
    expect_own_words(next.error());
    return 0;
  }
  // Nothing leaves a directory, and nothing comes in but what was sent.
  PLI_INVARIANT(next->size() >= current.size() && next->size() <= current.size() + changed->size());
  if (const auto built = Directory::build(*next)) PLI_INVARIANT((*built)->entries().size() == next->size());
  return 0;
}
