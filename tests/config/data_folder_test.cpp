#include "config/data_folder.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "config/commune_table.hpp"

namespace pli::config {
namespace {

namespace fs = std::filesystem;

/// An installed tree with bin/ and share/pli/, gone at the end.
class InstalledTree {
 public:
  InstalledTree() {
    std::string pattern = testing::TempDir() + "pli-data-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    fs::create_directories(root_ / "bin");
    fs::create_directories(root_ / "share" / "pli");
  }
  ~InstalledTree() { fs::remove_all(root_); }
  InstalledTree(const InstalledTree&) = delete;
  InstalledTree& operator=(const InstalledTree&) = delete;
  [[nodiscard]] fs::path program() const { return root_ / "bin" / "pli"; }
  [[nodiscard]] fs::path data() const { return root_ / "share" / "pli"; }

 private:
  fs::path root_;
};

TEST(DataFolder, PrefersTheUsersChoiceThenTheEnvironmentThenTheInstallationThenTheSources) {
  const InstalledTree tree;
  std::ofstream(tree.data() / commune_table_file) << "x";
  DataFolderFacts facts{
      .chosen = "/chosen", .environment = "/environment", .program = tree.program(), .source = "/source"};
  EXPECT_EQ(choose_data_folder(facts), "/chosen");
  facts.chosen.reset();
  EXPECT_EQ(choose_data_folder(facts), "/environment");
  facts.environment = "";
  EXPECT_EQ(choose_data_folder(facts), tree.data()) << "an empty variable counts as absent";
  facts.environment.reset();
  EXPECT_EQ(choose_data_folder(facts), tree.data());
  facts.program.clear();
  EXPECT_EQ(choose_data_folder(facts), "/source");
}

TEST(DataFolder, PassesByAnInstallationWithoutTheTable) {
  const InstalledTree tree;
  const DataFolderFacts facts{.chosen = {}, .environment = {}, .program = tree.program(), .source = "/source"};
  EXPECT_EQ(choose_data_folder(facts), "/source");
}

TEST(DataFolder, OfATestProgramIsTheSourceFolderUnlessTheEnvironmentSaysOtherwise) {
  ASSERT_EQ(::unsetenv("PLI_DATA_DIR"), 0);
  EXPECT_EQ(data_folder(), fs::path(PLI_SOURCE_DIR) / "config");
  EXPECT_TRUE(CommuneTable::load(data_folder() / commune_table_file));
  ASSERT_EQ(::setenv("PLI_DATA_DIR", "/elsewhere", 1), 0);
  EXPECT_EQ(data_folder(), "/elsewhere");
  EXPECT_EQ(data_folder("/chosen"), "/chosen");
  ASSERT_EQ(::unsetenv("PLI_DATA_DIR"), 0);
}

}  // namespace
}  // namespace pli::config
