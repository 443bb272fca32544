// Any text as a card; then with a right proof after it, so that the fuzzer gets past the signature.
#include "protocol/card.hpp"

#include "crypto/base64.hpp"
#include "crypto/statement.hpp"
#include "tests/fuzz/protocol_fuzz.hpp"

namespace {

void expect_canonical(std::string_view text) {
  using namespace pli;
  using namespace pli::protocol;
  expect_one_spelling(
      as_bytes(text), [](ByteView bytes) { return parse_card(as_text(bytes)); },
      [](const Card& card) { return to_bytes(to_text(card)); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pli;
  static const auto key = crypto::Identity::from_seed(crypto::SecretKey::copy_of(Bytes(32, 1)));
  std::string text(as_text({data, size}));
  expect_canonical(text);
  const auto signed_as = [&](crypto::StatementName name) {
    return crypto::to_base64(crypto::sign_statement(key.signing_key(), name, {data, size}));
  };
  text += "proof " + signed_as(crypto::StatementName::card) + "\n";
  expect_canonical(text);
  text += "renewal " + signed_as(crypto::StatementName::renewal) + "\n";
  expect_canonical(text);
  return 0;
}
