// Any text as an identity file, an identity, a recipient: whatever is taken is written back as the same text.
#include <string>

#include "crypto/bech32.hpp"
#include "crypto/identity_file.hpp"
#include "tests/fuzz/age_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::crypto;
  const std::string_view text = as_text({data, size});
  if (const auto recipient = parse_recipient(text)) PLI_INVARIANT(to_recipient_text(*recipient) == text);
  if (const auto identity = parse_identity(text)) PLI_INVARIANT(to_identity_text(*identity) == text);
  if (const auto identities = opening::parse_age_identity_file(text)) {
    PLI_INVARIANT(!identities->empty());
    for (const SecretKey& identity : *identities) {
      PLI_INVARIANT(text.find(to_identity_text(identity)) != std::string_view::npos);
    }
  }
  return 0;
}
