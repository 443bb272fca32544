#include "witness/witness_key.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/file.hpp"
#include "tests/support/temporary_folder.hpp"

namespace pli::witness {
namespace {

class WitnessKeyTest : public ::testing::Test {
 protected:
  void write(const char* name, ByteView bytes, FileMode mode = FileMode::owner_only) {
    ASSERT_TRUE(write_file_durably(folder_.path() / name, bytes, mode));
  }
  pli::testing::TemporaryFolder folder_;
};

TEST_F(WitnessKeyTest, IsMadeOnceAndReadBackAndItsSeedIsItsOwnersAlone) {
  const auto made = create_witness_key(folder_.path(), "witness.example/w1");
  ASSERT_TRUE(made);
  EXPECT_EQ(made->type, audit::KeyType::cosignature);
  const auto witness = load_witness(folder_.path());
  ASSERT_TRUE(witness) << witness.error().detail;
  EXPECT_EQ(verifier_of(*witness), *made);
  EXPECT_EQ(load_verifier_key(folder_.path()).value(), *made);
  struct stat status {};
  ASSERT_EQ(::stat((folder_.path() / "seed").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  EXPECT_EQ(status.st_size, 32);

  EXPECT_EQ(create_witness_key(folder_.path(), "witness.example/w2").error().code, Errc::conflict);
  EXPECT_EQ(load_verifier_key(folder_.path()).value(), *made);
}

TEST_F(WitnessKeyTest, AnotherNameThanAKeyNameIsRefused) {
  for (const char* name : {"", "W", "a b", "a+b"})
    EXPECT_EQ(create_witness_key(folder_.path(), name).error().code, Errc::invalid_input) << name;
}

TEST_F(WitnessKeyTest, ASeedOthersMayUseIsRefused) {
  ASSERT_TRUE(create_witness_key(folder_.path(), "witness.example/w1"));
  for (const mode_t mode : {0640U, 0604U, 0620U, 0601U}) {
    ASSERT_EQ(::chmod((folder_.path() / "seed").c_str(), mode), 0);
    EXPECT_EQ(load_witness(folder_.path()).error().code, Errc::authentication_failed) << mode;
  }
}

TEST_F(WitnessKeyTest, WhatIsMissingOrDoesNotFitIsRefused) {
  EXPECT_EQ(load_witness(folder_.path()).error().code, Errc::not_found);
  ASSERT_TRUE(create_witness_key(folder_.path(), "witness.example/w1"));
  for (const std::size_t size : {0U, 31U, 33U}) {
    write("seed", Bytes(size, 7));
    EXPECT_EQ(load_witness(folder_.path()).error().code, Errc::corruption) << size;
  }
  write("seed", Bytes(32, 7));
  EXPECT_EQ(load_witness(folder_.path()).error().code, Errc::corruption) << "another key's";
  const std::string log = "log.example/one+00000000+AQ==\n";
  for (const std::string& vkey : {std::string(), std::string("\n"), log}) {
    write("vkey", as_bytes(vkey));
    EXPECT_EQ(load_witness(folder_.path()).error().code, Errc::corruption) << vkey;
  }
  std::filesystem::remove(folder_.path() / "seed");
  EXPECT_FALSE(load_witness(folder_.path()));
}

}  // namespace
}  // namespace pli::witness
