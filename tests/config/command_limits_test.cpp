// What the program reads from files beside its profile: up to a limit, and not a byte more.
#include <gtest/gtest.h>

#include <string>

#include "base/file.hpp"
#include "client/command/contract_file.hpp"
#include "client/command/passphrase.hpp"
#include "client/command/screen.hpp"
#include "tests/support/temporary_folder.hpp"

namespace pli::client::command {
namespace {

using protocol::LocalCode;

class FileLimits : public ::testing::Test {
 protected:
  FileLimits() { crypto::initialise(); }
  std::filesystem::path file_of(const std::string& text) {
    auto path = folder_.path() / "file";
    EXPECT_TRUE(write_file_durably(path, as_bytes(text), FileMode::owner_only));
    return path;
  }
  testing::TemporaryFolder folder_;
};

TEST_F(FileLimits, APassphraseHasAThousandAndTwentyFourBytesAndALongerOneIsNotCutShort) {
  for (const char* end : {"", "\n", "\r\n", "\nmore"}) {
    const auto read = [&](std::size_t bytes) { return read_passphrase(file_of(std::string(bytes, 'x') + end), ""); };
    const auto longest = read(passphrase_bytes_max);
    ASSERT_TRUE(longest.has_value()) << end;
    EXPECT_EQ(longest->size(), passphrase_bytes_max);
    const auto above = read(passphrase_bytes_max + 1);
    ASSERT_FALSE(above.has_value()) << end;
    EXPECT_TRUE(is(above.error(), LocalCode::usage));
  }
}

TEST_F(FileLimits, AContractOfSixtyFourKibibytesIsReadAndALargerOneIsNot) {
  const auto loaded_with = [&](std::size_t bytes) {
    return load_contract_file(file_of(std::string(bytes, '\n'))).error().code;
  };
  EXPECT_EQ(loaded_with(64 * 1024), Errc::invalid_input) << "read, and found to name nothing";
  EXPECT_EQ(loaded_with(64 * 1024 + 1), Errc::over_limit);
}

TEST(Duration, IsSecondsMinutesHoursOrDaysUpToTenYears) {
  using std::chrono::seconds;
  EXPECT_EQ(duration_of("90"), seconds(90));
  EXPECT_EQ(duration_of("90s"), seconds(90));
  EXPECT_EQ(duration_of("10m"), seconds(600));
  EXPECT_EQ(duration_of("24h"), seconds(86400));
  EXPECT_EQ(duration_of("35d"), seconds(35 * 86400));
  EXPECT_EQ(duration_of("0"), seconds(0));
  EXPECT_EQ(duration_of("3660d"), seconds(3660LL * 86400));
  EXPECT_EQ(duration_of("3661d"), std::nullopt);
  EXPECT_EQ(duration_of("316224001"), std::nullopt);
  for (const char* bad : {"", "m", "-1", "+1", " 1", "1 m", "1w", "1.5h", "10mm", "99999999999999999999"})
    EXPECT_EQ(duration_of(bad), std::nullopt) << bad;
}

}  // namespace
}  // namespace pli::client::command
