#include "crypto/identity_file.hpp"

#include "tests/crypto/age_support.hpp"

namespace pli::crypto {
namespace {

const SecretKey& passphrase() {
  static const SecretKey text = SecretKey::copy_of(as_bytes("quatre mots pris au hasard"));
  return text;
}

Identity vector_identity() { return Identity::from_seed(SecretKey::copy_of(hex(seam_vector("identity_seed")))); }

Bytes under_passphrase(std::string_view plaintext) {
  Bytes out;
  EXPECT_TRUE(
      opening::seal_file_with_passphrase(memory_source(as_bytes(plaintext)), memory_sink(out), passphrase(), 1, false));
  return out;
}

TEST(IdentityFile, GivesBackTheSameIdentity) {
  const Bytes file = *opening::write_identity_file(vector_identity(), passphrase(), 2);
  const auto identity = opening::read_identity_file(file, passphrase());
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->public_identity(), vector_identity().public_identity());
  EXPECT_EQ(to_hex(identity->seed().expose()), seam_vector("identity_seed"));
}

TEST(IdentityFile, IsAnAgeFileHoldingAnAgeIdentityFile) {
  const Bytes file = *opening::write_identity_file(vector_identity(), passphrase(), 2);
  const auto plaintext = opening::open_bytes(file, {{}, &passphrase()});
  ASSERT_TRUE(plaintext);
  EXPECT_EQ(as_text(*plaintext), "# pli identity, format 1\n# seed " + seam_vector("identity_seed") + "\n" +
                                     seam_vector("age_identity_text") + "\n");
  const auto identities = opening::parse_age_identity_file(as_text(*plaintext));
  ASSERT_TRUE(identities);
  ASSERT_EQ(identities->size(), 1U);
  EXPECT_TRUE(same_secret(identities->front().expose(), vector_identity().age_secret().expose()));
}

TEST(IdentityFile, SaysTheSameForAWrongPassphraseAndADamagedFile) {
  const Bytes file = *opening::write_identity_file(vector_identity(), passphrase(), 1);
  const SecretKey wrong = SecretKey::copy_of(as_bytes("quatre mots pris au hazard"));
  const auto other = opening::read_identity_file(file, wrong);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Errc::authentication_failed);
  for (std::size_t bit = 0; bit < file.size() * 8; bit += 5) {
    Bytes changed = file;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ 1U << bit % 8);
    // A flip in the work factor could cost seconds and proves nothing: the header's tests hold it.
    if (as_text(file).find(" 1\n") == bit / 8 - 1) continue;
    const auto damaged = opening::read_identity_file(changed, passphrase());
    ASSERT_FALSE(damaged) << bit;
    EXPECT_EQ(damaged.error().code, Errc::authentication_failed);
    EXPECT_EQ(damaged.error().detail, other.error().detail);
  }
  EXPECT_EQ(opening::read_identity_file({}, passphrase()).error().code, Errc::authentication_failed);
}

TEST(IdentityFile, RefusesWhatHoldsNoIdentity) {
  const std::string seed = seam_vector("identity_seed");
  const std::string age = seam_vector("age_identity_text");
  const std::string head = "# pli identity, format 1\n";
  ASSERT_TRUE(opening::read_identity_file(under_passphrase(head + "# seed " + seed + "\n" + age + "\n"), passphrase()));
  for (const std::string& text :
       {std::string(), age + "\n", head, head + age + "\n", head + "# seed " + seed + "\n",
        head + "# seed " + seed + "\n" + age, head + "# seed " + seed.substr(2) + "\n" + age + "\n",
        head + "# seed " + seed + "00\n" + age + "\n", head + "# seed " + seed + "\n" + age + "\nmore\n",
        "# pli identity, format 2\n# seed " + seed + "\n" + age + "\n",
        head + "# seed ff" + seed.substr(2) + "\n" + age + "\n", head + "# seed " + age + "\n" + age + "\n",
        head + "# seed zz" + seed.substr(2) + "\n" + age + "\n"}) {
    const auto identity = opening::read_identity_file(under_passphrase(text), passphrase());
    ASSERT_FALSE(identity) << text;
    EXPECT_EQ(identity.error().code, Errc::invalid_input);
  }
}

TEST(IdentityFile, IsNotWrittenUnderNothing) {
  EXPECT_EQ(opening::write_identity_file(vector_identity(), SecretKey(), 2).error().code, Errc::invalid_input);
  EXPECT_EQ(opening::write_identity_file(vector_identity(), passphrase(), 0).error().code, Errc::invalid_input);
  EXPECT_EQ(opening::write_identity_file(vector_identity(), passphrase(), 21).error().code, Errc::invalid_input);
}

TEST(AgeIdentityFile, HoldsOneIdentityALine) {
  const std::string first = to_identity_text(SecretKey::copy_of(Bytes(32, 1)));
  const std::string second = to_identity_text(SecretKey::copy_of(Bytes(32, 2)));
  for (const std::string& text : {"# created: 2027-03-01\n\n" + first + "\n#\n" + second + "\n",
                                  first + "\r\n" + second, first + "\n\n\n" + second + "\n"}) {
    const auto identities = opening::parse_age_identity_file(text);
    ASSERT_TRUE(identities) << text;
    ASSERT_EQ(identities->size(), 2U);
    EXPECT_EQ((*identities)[0].expose()[0], 1);
    EXPECT_EQ((*identities)[1].expose()[0], 2);
  }
}

TEST(AgeIdentityFile, RefusesAnyOtherLineAndNoneAtAll) {
  const std::string identity = to_identity_text(SecretKey::copy_of(Bytes(32, 1)));
  for (const std::string& text : {std::string(), std::string("# only a comment\n"), " " + identity, identity + " ",
                                  identity + "\nssh-ed25519 AAAA\n", identity + identity, std::string("\n\n"),
                                  std::string("AGE-PLUGIN-YUBIKEY-1QQQQ\n")}) {
    const auto identities = opening::parse_age_identity_file(text);
    ASSERT_FALSE(identities) << text;
    EXPECT_EQ(identities.error().code, Errc::invalid_input);
  }
}

}  // namespace
}  // namespace pli::crypto
