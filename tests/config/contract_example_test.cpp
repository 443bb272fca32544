#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "client/command/contract_file.hpp"
#include "config/commune_table.hpp"

namespace pli::client::command {
namespace {

namespace fs = std::filesystem;

const fs::path example_path = fs::path(PLI_SOURCE_DIR) / "config" / "examples" / "contrat.example.toml";

std::string example_text() {
  std::ifstream in(example_path);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Loads the text from a file of its own.
Result<ContractFile> load(const std::string& text) {
  std::string path = testing::TempDir() + "pli-contrat-XXXXXX";
  const int file = ::mkstemp(path.data());
  if (file < 0) return Error{Errc::io_error, "no temporary file"};
  ::close(file);
  std::ofstream(path) << text;
  auto loaded = load_contract_file(path);
  fs::remove(path);
  return loaded;
}

/// The example with the line of one key replaced; empty takes it out.
std::string with_line(const std::string& key, const std::string& line) {
  std::string text = example_text();
  const std::size_t at = text.find("\n" + key + " = ");
  EXPECT_NE(at, std::string::npos) << key;
  if (at == std::string::npos) return text;
  return text.replace(at + 1, text.find('\n', at + 1) - at, line.empty() ? "" : line + "\n");
}

const std::vector<std::string> keys = {"contrat", "titre",       "parties", "departement", "communes", "debut",
                                       "fin",     "engagements", "volets",  "referents",   "domaine",  "adresse"};

TEST(ContractExample, LoadsAndSaysWhatItsCommentsSay) {
  const auto file = load_contract_file(example_path);
  ASSERT_TRUE(file) << file.error().detail;
  EXPECT_EQ(file->contract.id, "csi-yonne-2026");
  EXPECT_EQ(file->contract.territory, "89");
  EXPECT_GE(file->contract.parties.size(), 2u);
  EXPECT_LT(file->contract.starts, file->contract.ends);
  EXPECT_FALSE(file->contract.engagements.empty());
  EXPECT_EQ(file->log, "pli.yonne.example/pli/89");
  const std::vector<std::string> queues = {"ged/89", "clir/89", "cpraf/89", "audit/89"};
  EXPECT_EQ(file->queues, queues);
}

TEST(ContractExample, StandsInADepartementOfTheTable) {
  const auto file = load_contract_file(example_path);
  ASSERT_TRUE(file) << file.error().detail;
  const auto table = config::CommuneTable::load(fs::path(PLI_SOURCE_DIR) / "config" / config::commune_table_file);
  ASSERT_TRUE(table) << table.error().detail;
  EXPECT_EQ(table->find_by_name("Auxerre", file->contract.territory).size(), 1u);
}

TEST(ContractExample, ComesBackFromWhatIsWrittenOfIt) {
  const auto file = load_contract_file(example_path);
  ASSERT_TRUE(file) << file.error().detail;
  const auto again = load(to_toml(*file));
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ(*again, *file);
}

TEST(ContractExample, NamesEveryKeyThereIs) {
  // A key the loader knows and the example does not show would be a secret option; the loader wants all of them.
  for (const std::string& key : keys) {
    const auto without = load(with_line(key, ""));
    ASSERT_FALSE(without) << key;
    EXPECT_EQ(without.error().code, Errc::invalid_input) << key;
    EXPECT_NE(without.error().detail.find(key), std::string::npos) << without.error().detail;
  }
}

TEST(ContractExample, IsRefusedWithAKeyMisspelt) {
  const auto file = load(example_text() + "\nengagement = []\n");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, Errc::invalid_input);
  EXPECT_NE(file.error().detail.find("engagement"), std::string::npos) << file.error().detail;
}

TEST(ContractExample, IsRefusedWithAWrongValue) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"contrat", "contrat = \"CSI Yonne\""},
      {"contrat", "contrat = \"" + std::string(65, 'a') + "\""},
      {"contrat", "contrat = 3"},
      {"titre", "titre = [\"a\", \"b\"]"},
      {"parties", "parties = [\"Préfecture de l'Yonne\"]"},
      {"parties", "parties = \"Préfecture de l'Yonne\""},
      {"departement", "departement = \"8 9\""},
      {"departement", "departement = 89"},
      {"debut", "debut = \"2026-01-01\""},
      {"fin", "fin = 2026-01-01"},
      {"fin", "fin = 2025-12-31"},
      {"engagements", "engagements = \"retour 15\""},
      {"engagements", "engagements = [\"decision 121\"]"},
      {"engagements", "engagements = [\"promesse 3\"]"},
      {"communes", "communes = [\"21231\"]"},
      {"communes", "communes = \"89024\""},
      {"volets", "volets = []"},
      {"volets", "volets = [\"transport\"]"},
      {"volets", "volets = [\"voirie\", \"radicalisation_separatisme\"]"},
      {"referents", "referents = [3]"},
      {"domaine", "domaine = \"pli yonne\""},
      {"domaine", "domaine = \"\""},
      {"adresse", "adresse = \"127.0.0.1:7410\""},
      {"adresse", "adresse = \"http://127.0.0.1\""},
  };
  for (const auto& [key, line] : wrong) {
    const auto file = load(with_line(key, line));
    EXPECT_FALSE(file) << line;
    if (!file) {
      EXPECT_EQ(file.error().code, Errc::invalid_input) << line;
    }
  }
  EXPECT_FALSE(load("contrat = \"csi\"\ncontrat = \"csi\"\n"));
  EXPECT_FALSE(load("ceci n'est pas un contrat"));
  EXPECT_FALSE(load(""));
}

TEST(ContractExample, KeepsCorsicasLetterSmallInTheLogsName) {
  const auto file = load(with_line("departement", "departement = \"2A\""));
  ASSERT_TRUE(file) << file.error().detail;
  EXPECT_EQ(file->log, "pli.yonne.example/pli/2a");
  EXPECT_EQ(file->queues.front(), "ged/2a");
}

TEST(ContractExample, IsLimitedToTheCommunesItNames) {
  const auto file = load(with_line("communes", "communes = [\"89024\", \"89387\"]"));
  ASSERT_TRUE(file) << file.error().detail;
  EXPECT_EQ(file->contract.communes, (std::vector<std::string>{"89024", "89387"}));
  EXPECT_EQ(*load(to_toml(*file)), *file);
}

TEST(ContractExample, ThatIsMissingIsNotFound) {
  EXPECT_EQ(load_contract_file(example_path.parent_path() / "no-such.toml").error().code, Errc::not_found);
}

}  // namespace
}  // namespace pli::client::command
