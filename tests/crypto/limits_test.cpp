// The costliest passphrase file there may be: it takes 1 GiB and some seconds, so there is one test of it.
#include <gtest/gtest.h>

#include "crypto/age_open.hpp"
#include "tests/crypto/age_support.hpp"

namespace pli::crypto::test {
namespace {

TEST(AgeLimits, TheLargestWorkFactorSealsAndOpensAndALargerOneDoesNeither) {
  const SecretKey passphrase = SecretKey::copy_of(as_bytes("une phrase"));
  const Bytes plaintext = to_bytes("lu");
  Bytes file;
  ASSERT_TRUE(opening::seal_file_with_passphrase(memory_source(plaintext), memory_sink(file), passphrase,
                                                 opening::scrypt_work_factor_max, false));
  const auto opened = opening::open_bytes(file, {{}, &passphrase});
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(*opened, plaintext);

  const std::string_view text = as_text(file);
  const std::size_t at = text.find(" 20\n");
  ASSERT_NE(at, std::string_view::npos);
  file[at + 2] = '1';
  EXPECT_FALSE(opening::open_bytes(file, {{}, &passphrase}).has_value());
  Bytes none;
  EXPECT_FALSE(opening::seal_file_with_passphrase(memory_source(plaintext), memory_sink(none), passphrase,
                                                  opening::scrypt_work_factor_max + 1, false));
  EXPECT_TRUE(none.empty());
}

}  // namespace
}  // namespace pli::crypto::test
