#include "crypto/hash.hpp"

#include "tests/crypto/support.hpp"

namespace pli::crypto {
namespace {

Bytes repeated(std::uint8_t byte, std::size_t count) { return Bytes(count, byte); }

Bytes rising(std::uint8_t first, std::size_t count) {
  Bytes out(count);
  for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<std::uint8_t>(first + i);
  return out;
}

TEST(Sha256, MatchesFips180) {
  EXPECT_EQ(to_hex(sha256(ByteView{})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256(as_bytes("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(to_hex(sha256(repeated('a', 1000000))), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, IsTheSameInPartsAndInPieces) {
  Seeded random;
  for (int round = 0; round < 200; ++round) {
    const Bytes bytes = random.bytes(random.below(400));
    const std::size_t cut = random.below(bytes.size() + 1);
    const ByteView first = ByteView(bytes).first(cut);
    const ByteView second = ByteView(bytes).subspan(cut);
    EXPECT_EQ(sha256({first, second}), sha256(bytes));
    Sha256 pieces;
    pieces.update(first);
    pieces.update(second);
    EXPECT_EQ(pieces.finish(), sha256(bytes));
  }
}

TEST(HmacSha256, MatchesRfc4231) {
  EXPECT_EQ(to_hex(hmac_sha256(repeated(0x0b, 20), {as_bytes("Hi There")})),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(to_hex(hmac_sha256(as_bytes("Jefe"), {as_bytes("what do ya "), as_bytes("want for nothing?")})),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(to_hex(hmac_sha256(repeated(0xaa, 20), {repeated(0xdd, 50)})),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  EXPECT_EQ(
      to_hex(hmac_sha256(repeated(0xaa, 131), {as_bytes("Test Using Larger Than Block-Size Key - Hash Key First")})),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(HmacSha256, TakesAnEmptyKeyForZeros) {
  EXPECT_EQ(hmac_sha256({}, {as_bytes("data")}), hmac_sha256(repeated(0, 32), {as_bytes("data")}));
  EXPECT_EQ(to_hex(hmac_sha256({}, {})), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(HkdfSha256, MatchesTheFirstBlockOfRfc5869) {
  EXPECT_EQ(to_hex(hkdf_sha256(repeated(0x0b, 22), rising(0, 13), as_text(rising(0xf0, 10))).expose()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
  EXPECT_EQ(to_hex(hkdf_sha256(rising(0, 80), rising(0x60, 80), as_text(rising(0xb0, 80))).expose()),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c");
  EXPECT_EQ(to_hex(hkdf_sha256(repeated(0x0b, 22), {}, "").expose()),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
}

TEST(ExpandSeed, IsTheChaCha20Keystream) {
  // RFC 8439, appendix A.1, vectors 1 and 2: blocks 0 and 1 of the zero key.
  EXPECT_EQ(to_hex(expand_seed({}, 128)),
            "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
            "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
            "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
            "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f");
}

TEST(ExpandSeed, GivesMoreOfTheSameWhenAskedForMore) {
  const ByteArray<32> seed{1, 2, 3};
  const Bytes most = expand_seed(seed, 1000);
  for (const std::size_t size : {0U, 1U, 16U, 63U, 64U, 65U, 999U}) {
    EXPECT_TRUE(equal(expand_seed(seed, size), ByteView(most).first(size))) << size;
  }
}

}  // namespace
}  // namespace pli::crypto
