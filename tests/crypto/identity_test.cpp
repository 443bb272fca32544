#include "crypto/identity.hpp"

#include <set>
#include <vector>

#include "crypto/release_share.hpp"
#include "tests/crypto/support.hpp"

namespace pli::crypto {
namespace {

Identity vector_identity() { return Identity::from_seed(SecretKey::copy_of(hex(seam_vector("identity_seed")))); }

TEST(Identity, DerivesEachKeyAsTheVectorsSay) {
  const Identity identity = vector_identity();
  EXPECT_EQ(to_hex(identity.seed().expose()), seam_vector("identity_seed"));
  EXPECT_EQ(to_hex(identity.curve_secret().expose()), seam_vector("identity_curve_secret"));
  EXPECT_EQ(to_hex(identity.public_identity().curve.bytes), seam_vector("identity_curve_public"));
  EXPECT_EQ(to_hex(identity.signing_key().secret().expose()),
            seam_vector("identity_sign_secret") + seam_vector("identity_sign_public"));
  EXPECT_EQ(to_hex(identity.public_identity().sign.bytes), seam_vector("identity_sign_public"));
  EXPECT_EQ(to_hex(identity.age_secret().expose()), seam_vector("identity_age_secret"));
  EXPECT_EQ(to_hex(identity.public_identity().age.bytes), seam_vector("identity_age_public"));
  EXPECT_EQ(to_hex(identity.witness_key().public_key().bytes), seam_vector("identity_witness_public"));
  EXPECT_EQ(to_hex(identity.links_key().expose()), seam_vector("identity_links_secret"));
}

TEST(Identity, GivesNoKeyTwoUses) {
  const Identity identity = vector_identity();
  const std::set<std::string> secrets = {to_hex(identity.seed().expose()),
                                         to_hex(identity.curve_secret().expose()),
                                         to_hex(identity.signing_key().secret().expose().first(32)),
                                         to_hex(identity.age_secret().expose()),
                                         to_hex(identity.witness_key().secret().expose().first(32)),
                                         to_hex(identity.links_key().expose())};
  EXPECT_EQ(secrets.size(), 6U);
}

TEST(Identity, IsAnotherEachTimeItIsGenerated) {
  const Identity first = Identity::generate();
  const Identity second = Identity::generate();
  EXPECT_NE(first.public_identity().curve, second.public_identity().curve);
  EXPECT_NE(first.public_identity().sign, second.public_identity().sign);
  EXPECT_NE(first.public_identity().age, second.public_identity().age);
}

TEST(Identity, MovesWhole) {
  Identity first = vector_identity();
  const Identity second = std::move(first);
  EXPECT_EQ(to_hex(second.age_secret().expose()), seam_vector("identity_age_secret"));
  EXPECT_EQ(second.signing_key().public_key(), second.public_identity().sign);
}

TEST(X25519Public, MatchesRfc7748) {
  const auto bob = SecretKey::copy_of(hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
  EXPECT_EQ(to_hex(x25519_public(bob)), "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
}

TEST(UsableX25519, IsEveryKeyButThoseLibsodiumCannotAgreeOn) {
  const BoxPair pair = BoxPair::generate();
  const auto agrees = [&](const ByteArray<32>& key) { return pair.shared_with(BoxPublic{key}).has_value(); };
  std::size_t refused = 0;
  // All small numbers from 0, all just around p = 2^255 - 19, and the two of order eight; with and without bit 255.
  std::vector<ByteArray<32>> keys = {
      *to_array<32>(hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")),
      *to_array<32>(hex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"))};
  for (unsigned low = 0; low < 256; ++low) {
    ByteArray<32> small{};
    small[0] = static_cast<std::uint8_t>(low);
    ByteArray<32> around_p;
    around_p.fill(0xff);
    around_p[0] = static_cast<std::uint8_t>(low);
    around_p[31] = 0x7f;
    keys.push_back(small);
    keys.push_back(around_p);
  }
  for (ByteArray<32> key : keys)
    for (const std::uint8_t top : std::array<std::uint8_t, 2>{0x00, 0x80}) {
      key[31] = static_cast<std::uint8_t>(key[31] ^ top);
      EXPECT_EQ(is_usable_x25519(key), agrees(key)) << to_hex(key);
      refused += is_usable_x25519(key) ? 0 : 1;
    }
  EXPECT_EQ(refused, 14U);
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(is_usable_x25519(Identity::generate().public_identity().age.bytes));
}

}  // namespace
}  // namespace pli::crypto
