#include "crypto/boxed_key.hpp"

#include "tests/crypto/support.hpp"

namespace pli::crypto {
namespace {

TEST(BoxedKey, GivesTheSecretBackUnderItsNameAndStartUpSecret) {
  const auto startup = SecretKey::random(startup_secret_bytes);
  const auto secret = SecretKey::random(32);
  const std::string file = box_key("log", secret, startup);
  EXPECT_TRUE(file.starts_with("pli-key/1 log\n") && file.ends_with('\n'));
  const auto back = unbox_key("log", file, startup);
  ASSERT_TRUE(back);
  EXPECT_TRUE(same_secret(back->expose(), secret.expose()));
}

TEST(BoxedKey, RefusesAnotherNameAndAnotherStartUpSecret) {
  const auto startup = SecretKey::random(startup_secret_bytes);
  std::string file = box_key("release-202703", SecretKey::random(32), startup);
  EXPECT_EQ(unbox_key("release-202704", file, startup).error().code, Errc::invalid_input);
  EXPECT_EQ(unbox_key("release-202703", file, SecretKey::random(startup_secret_bytes)).error().code,
            Errc::authentication_failed);
  // Renamed inside too: the name is bound, not only written.
  file.replace(file.find("202703"), 6, "202704");
  EXPECT_EQ(unbox_key("release-202704", file, startup).error().code, Errc::authentication_failed);
}

TEST(BoxedKey, RefusesEveryFlippedBitAndEveryTruncation) {
  const auto startup = SecretKey::random(startup_secret_bytes);
  const std::string file = box_key("log", SecretKey::random(32), startup);
  for (std::size_t bit = 0; bit < file.size() * 8; ++bit) {
    std::string changed = file;
    changed[bit / 8] = static_cast<char>(static_cast<unsigned char>(changed[bit / 8]) ^ 1U << bit % 8);
    EXPECT_FALSE(unbox_key("log", changed, startup)) << bit;
  }
  for (std::size_t size = 0; size < file.size(); ++size) EXPECT_FALSE(unbox_key("log", file.substr(0, size), startup));
}

}  // namespace
}  // namespace pli::crypto
