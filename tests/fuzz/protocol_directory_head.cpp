// Any text as a directory version's note text; then signed by the fuzzer's authority, so that it gets past the key.
#include "protocol/directory.hpp"
#include "tests/fuzz/protocol_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::protocol;
  static const auto key = crypto::SigningKey::from_seed(Bytes(32, 0xA1));
  static const AuthoritySet trusted{1, {{"authority.example/1", audit::KeyType::ed25519, key.public_key()}}};
  expect_one_spelling(
      {data, size}, [](ByteView bytes) { return parse_directory_head(as_text(bytes)); },
      [](const DirectoryHead& head) { return to_bytes(to_text(head)); });

  const std::string_view text = as_text({data, size});
  const bool parses = parse_directory_head(text).has_value();
  if (!parses) {
    PLI_INVARIANT(!verify_directory_note(text, trusted, nullptr));
    return 0;
  }
  audit::Note note{std::string(text), {}};
  audit::sign_note(note, trusted.keys[0].name, key);
  const auto verified = verify_directory_note(audit::to_text(note), trusted, nullptr);
  // One signature is enough exactly when the version leaves the authorities as they are or keeps them within reach.
  if (verified) {
    PLI_INVARIANT(verified->digest() == directory_digest(text));
    PLI_INVARIANT(verified->head().threshold == 1);
    PLI_INVARIANT(!verify_directory_note(audit::to_text(note), trusted, &*verified));
  }
  return 0;
}
