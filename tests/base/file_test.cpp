#include "base/file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

namespace pli {
namespace {

class File : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "pli-file-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
};

TEST_F(File, WritesReplacesAndReadsBack) {
  auto path = folder_ / "a";
  ASSERT_TRUE(write_file_durably(path, as_bytes("one"), FileMode::owner_only));
  ASSERT_TRUE(write_file_durably(path, as_bytes("two"), FileMode::owner_only));
  auto got = read_file(path, 3);
  ASSERT_TRUE(got);
  EXPECT_EQ(as_text(*got), "two");
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1) << "no temporary file stays";
}

TEST_F(File, RefusesOneByteMoreThanTheLimit) {
  auto path = folder_ / "a";
  ASSERT_TRUE(write_file_durably(path, as_bytes("four"), FileMode::world_readable));
  EXPECT_TRUE(read_file(path, 4));
  EXPECT_EQ(read_file(path, 3).error().code, Errc::over_limit);
}

TEST_F(File, TellsAMissingFileFromABrokenDisk) {
  EXPECT_EQ(read_file(folder_ / "none", 10).error().code, Errc::not_found);
  EXPECT_EQ(read_file(folder_, 10).error().code, Errc::io_error);
  EXPECT_EQ(write_file_durably(folder_ / "no" / "a", as_bytes("x"), FileMode::owner_only).error().code, Errc::io_error);
}

TEST_F(File, CreatesPrivateFoldersWithTheirParents) {
  ASSERT_TRUE(create_private_folder(folder_ / "x" / "y"));
  ASSERT_TRUE(create_private_folder(folder_ / "x" / "y"));
  struct stat info {};
  ASSERT_EQ(::stat((folder_ / "x" / "y").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700U);
}

}  // namespace
}  // namespace pli
