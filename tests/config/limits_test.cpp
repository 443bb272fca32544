// The table of communes holds names and bytes up to its limits; one above, it is refused.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "config/commune_table.hpp"

namespace pli::config {
namespace {

TEST(CommuneTableLimits, ANameOfAHundredBytesIsRead) {
  const auto with_name = [](std::size_t bytes) {
    const std::string text = "pli-communes/1\t1\n01001\t" + std::string(bytes, 'a') + "\t01\t2\n";
    const auto table = CommuneTable::parse(to_bytes(text));
    return table ? "" : name_of(table.error().code);
  };
  EXPECT_STREQ(with_name(commune_name_bytes_max), "");
  EXPECT_STREQ(with_name(commune_name_bytes_max + 1), "corruption");
}

TEST(CommuneTableLimits, AFileOfItsLimitIsReadAndALargerOneIsNot) {
  std::string path = testing::TempDir() + "pli-communes-XXXXXX";
  const int file = ::mkstemp(path.data());
  ASSERT_GE(file, 0);
  ::close(file);
  const auto loaded_with = [&](std::size_t bytes) {
    std::filesystem::resize_file(path, bytes);
    return CommuneTable::load(path).error().code;
  };
  EXPECT_EQ(loaded_with(commune_table_bytes_max), Errc::corruption) << "read, and found to be no table";
  EXPECT_EQ(loaded_with(commune_table_bytes_max + 1), Errc::over_limit);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace pli::config
