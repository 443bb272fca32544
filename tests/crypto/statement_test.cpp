#include "crypto/statement.hpp"

#include "crypto/hash.hpp"
#include "crypto/identity.hpp"
#include "crypto/random.hpp"
#include "tests/crypto/support.hpp"

namespace pli::crypto {
namespace {

constexpr StatementName all_names[] = {StatementName::exchange, StatementName::open, StatementName::card,
                                       StatementName::renewal};

SigningKey vector_key() { return SigningKey::from_seed(hex(seam_vector("identity_sign_secret"))); }

TEST(SigningKey, MatchesRfc8032) {
  const auto key = SigningKey::from_seed(hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
  EXPECT_EQ(to_hex(key.public_key().bytes), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  EXPECT_EQ(to_hex(sign_raw(key, {})),
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b");
  EXPECT_TRUE(verify_raw(key.public_key(), {}, sign_raw(key, {})));
  EXPECT_TRUE(verify_raw(key.public_key(), {}, sign_raw(key.clone(), {})));
}

TEST(SigningKey, IsAnotherEachTimeItIsGenerated) {
  EXPECT_NE(SigningKey::generate().public_key(), SigningKey::generate().public_key());
}

TEST(Signature, RefusesEveryFlippedBit) {
  const auto key = vector_key();
  const Bytes message = to_bytes("what was said");
  const Signature signature = sign_raw(key, message);
  for (std::size_t bit = 0; bit < signature.size() * 8; ++bit) {
    Signature changed = signature;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ 1U << bit % 8);
    const auto verified = verify_raw(key.public_key(), message, changed);
    ASSERT_FALSE(verified) << bit;
    EXPECT_EQ(verified.error().code, Errc::authentication_failed);
  }
  for (std::size_t bit = 0; bit < message.size() * 8; ++bit) {
    Bytes changed = message;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ 1U << bit % 8);
    EXPECT_FALSE(verify_raw(key.public_key(), changed, signature)) << bit;
  }
  for (std::size_t bit = 0; bit < 256; ++bit) {
    SignPublic changed = key.public_key();
    changed.bytes[bit / 8] = static_cast<std::uint8_t>(changed.bytes[bit / 8] ^ 1U << bit % 8);
    EXPECT_FALSE(verify_raw(changed, message, signature)) << bit;
  }
}

TEST(Signature, RefusesAScalarBeyondTheOrder) {
  // S + L signs the same for a lax verifier: one exchange would have two signatures.
  const auto key = vector_key();
  Signature signature = sign_raw(key, as_bytes("once"));
  const Bytes order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  unsigned carry = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    carry += static_cast<unsigned>(signature[32 + i]) + order[i];
    signature[32 + i] = static_cast<std::uint8_t>(carry);
    carry >>= 8;
  }
  ASSERT_EQ(carry, 0U);
  EXPECT_FALSE(verify_raw(key.public_key(), as_bytes("once"), signature));
}

TEST(Signature, RefusesAKeyOfSmallOrder) {
  // With the neutral point as key, R = neutral point and S = 0 satisfy the equation for every message.
  SignPublic neutral;
  neutral.bytes[0] = 1;
  Signature forged{};
  forged[0] = 1;
  EXPECT_FALSE(verify_raw(neutral, as_bytes("anything"), forged));
}

TEST(Statement, MatchesTheVectors) {
  for (const StatementName name : all_names) {
    const std::string expected = seam_vector(std::string("statement_") + text_of(name));
    EXPECT_EQ(to_hex(sign_statement(vector_key(), name, as_bytes("bytes"))), expected);
    EXPECT_TRUE(verify_statement(vector_key().public_key(), name, as_bytes("bytes"), hex_array<64>(expected)));
  }
}

TEST(Statement, VerifiesUnderItsOwnNameOnly) {
  const auto key = SigningKey::generate();
  const Bytes bytes = to_bytes("address and seal");
  for (const StatementName signed_as : all_names) {
    const Signature signature = sign_statement(key, signed_as, bytes);
    for (const StatementName read_as : all_names) {
      const auto verified = verify_statement(key.public_key(), read_as, bytes, signature);
      EXPECT_EQ(verified.has_value(), signed_as == read_as) << text_of(signed_as) << " as " << text_of(read_as);
      if (!verified) {
        EXPECT_EQ(verified.error().code, Errc::authentication_failed);
      }
    }
  }
}

TEST(Statement, IsNeverARawSignatureAndNeverMadeFromOne) {
  const auto key = SigningKey::generate();
  const Bytes bytes = to_bytes("broker.example/pli/89/2027-1\n8\n");
  const Digest digest = sha256(bytes);
  for (const StatementName name : all_names) {
    const Signature statement = sign_statement(key, name, bytes);
    EXPECT_FALSE(verify_raw(key.public_key(), bytes, statement));
    EXPECT_FALSE(verify_raw(key.public_key(), digest, statement));
    EXPECT_FALSE(verify_statement(key.public_key(), name, bytes, sign_raw(key, bytes)));
    EXPECT_FALSE(verify_statement(key.public_key(), name, bytes, sign_raw(key, digest)));
  }
}

TEST(Statement, CannotPassForASignedNote) {
  // Notes are text without bytes below 0x20 except LF; the NUL in every statement keeps the two apart even if a
  // key were used for both.
  const auto key = SigningKey::generate();
  for (const StatementName name : all_names) {
    Bytes message = to_bytes(std::string("pli/") + text_of(name) + "/1");
    message.push_back(0);
    append(message, sha256(as_bytes("x")));
    EXPECT_TRUE(verify_raw(key.public_key(), message, sign_statement(key, name, as_bytes("x"))));
    EXPECT_NE(std::find(message.begin(), message.end(), 0), message.end());
  }
}

TEST(Statement, RefusesOtherBytesAndOtherKeys) {
  const auto key = SigningKey::generate();
  const Signature signature = sign_statement(key, StatementName::open, as_bytes("opening"));
  EXPECT_FALSE(verify_statement(key.public_key(), StatementName::open, as_bytes("opening "), signature));
  EXPECT_FALSE(verify_statement(key.public_key(), StatementName::open, {}, signature));
  EXPECT_FALSE(
      verify_statement(SigningKey::generate().public_key(), StatementName::open, as_bytes("opening"), signature));
}

}  // namespace
}  // namespace pli::crypto
