// Any text as an order, a request, a first leaf's statement and a shard's name; an order then signed by the fuzzer's
// authority, so that it gets past the key.
#include "protocol/shard_order.hpp"
#include "tests/fuzz/protocol_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  using namespace pli::protocol;
  static const auto key = crypto::SigningKey::from_seed(Bytes(32, 0xA1));
  static const AuthoritySet trusted{1, {{"authority.example/1", audit::KeyType::ed25519, key.public_key()}}};
  const auto printed = [](const auto& value) { return to_bytes(to_text(value)); };
  expect_one_spelling(
      {data, size}, [](ByteView bytes) { return parse_rollback_order(as_text(bytes)); }, printed);
  expect_one_spelling(
      {data, size}, [](ByteView bytes) { return parse_rollback_request(as_text(bytes)); }, printed);
  expect_one_spelling(
      {data, size}, [](ByteView bytes) { return parse_shard_opening(as_text(bytes)); }, printed);

  const std::string_view text = as_text({data, size});
  if (const auto name = parse_shard_name(text)) PLI_INVARIANT(to_text(*name) == text);
  const auto signed_already = verify_order_note(text, trusted);
  if (!parse_rollback_order(text)) {
    if (signed_already) PLI_INVARIANT(text.substr(0, text.find("\n\n") + 1) == to_text(signed_already->order()));
    return 0;
  }
  PLI_INVARIANT(!signed_already);
  audit::Note note{std::string(text), {}};
  audit::sign_note(note, trusted.keys[0].name, key);
  PLI_INVARIANT(verify_order_note(audit::to_text(note), trusted).has_value());
  return 0;
}
