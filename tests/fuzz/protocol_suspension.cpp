// Any text as a suspension; then signed by the fuzzer's authority, so that it gets past the key.
#include "protocol/suspension.hpp"
#include "tests/fuzz/protocol_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::protocol;
  static const auto key = crypto::SigningKey::from_seed(Bytes(32, 0xA1));
  static const AuthoritySet trusted{1, {{"authority.example/1", audit::KeyType::ed25519, key.public_key()}}};
  expect_one_spelling(
      {data, size}, [](ByteView bytes) { return parse_suspension(as_text(bytes)); },
      [](const Suspension& suspension) { return to_bytes(to_text(suspension)); });

  const std::string_view text = as_text({data, size});
  if (!parse_suspension(text)) {
    PLI_INVARIANT(!verify_suspension_note(text, trusted));
    return 0;
  }
  audit::Note note{std::string(text), {}};
  audit::sign_note(note, trusted.keys[0].name, key);
  PLI_INVARIANT(verify_suspension_note(audit::to_text(note), trusted).has_value());
  return 0;
}
