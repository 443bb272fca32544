// Any text as an invitation.
#include "protocol/card.hpp"
#include "tests/fuzz/protocol_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::protocol;
  expect_one_spelling(
      {data, size}, [](ByteView bytes) { return parse_invitation(as_text(bytes)); },
      [](const Invitation& invitation) { return to_bytes(to_text(invitation)); });
  PLI_INVARIANT(fingerprint(as_text({data, size})).size() == 35);
  return 0;
}
