// Any bytes as a directory entry; what reads as a member, a queue, a tool, a charter or a contract is written and read
// again alike.
#include "protocol/contract.hpp"
#include "tests/fuzz/protocol_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::protocol;
  expect_one_spelling({data, size}, decode_entry, [](const Entry& entry) { return encode(entry); });
  const auto entry = decode_entry({data, size});
  if (!entry) return 0;
  // The writer's order and its attributes only, so the bytes may differ; what is read may not.
  if (const auto member = read_member(*entry)) {
    const auto again = read_member(write_member(*member, entry->salt));
    PLI_INVARIANT(again && *again == *member);
  }
  if (const auto queue = read_queue(*entry)) {
    const auto again = read_queue(write_queue(*queue, entry->salt));
    PLI_INVARIANT(again && *again == *queue);
    PLI_INVARIANT(roster_digest(*queue) == roster_digest(*again));
  }
  if (const auto tool = read_tool(*entry)) {
    const auto again = read_tool(write_tool(*tool, entry->salt));
    PLI_INVARIANT(again && *again == *tool);
  }
  if (const auto charter = read_charter(*entry)) {
    const auto again = read_charter(write_charter(*charter, entry->salt));
    PLI_INVARIANT(again && *again == *charter);
  }
  if (const auto contract = read_contract(*entry)) {
    static_cast<void>(flaw_of(*contract));
    const auto again = read_contract(write_contract(*contract, entry->salt));
    PLI_INVARIANT(again && *again == *contract);
  }
  if (const auto built = Directory::build({*entry}))
    PLI_INVARIANT((*built)->entry_bytes(0) == Bytes(data, data + size));
  return 0;
}
