#include "config/commune_table.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <stdexcept>
#include <utility>

namespace pli::config {
namespace {

const std::string table_path = std::string(PLI_SOURCE_DIR) + "/config/" + commune_table_file;

/// Loaded once: every test only reads it.
const CommuneTable& table() {
  static const CommuneTable loaded = [] {
    auto result = CommuneTable::load(table_path);
    if (!result) throw std::runtime_error(result.error().detail);
    return std::move(*result);
  }();
  return loaded;
}

std::vector<std::string> codes(const std::vector<const Commune*>& communes) {
  std::vector<std::string> out;
  for (const Commune* commune : communes) out.emplace_back(commune->code);
  return out;
}

using Codes = std::vector<std::string>;

Errc parse_error(std::string_view text) {
  auto result = CommuneTable::parse(to_bytes(text));
  EXPECT_FALSE(result) << text;
  return result ? Errc::io_error : result.error().code;
}

TEST(CommuneTable, HoldsEveryCommuneThatTheReadmeCounts) {
  std::map<std::string_view, int> by_departement;
  int communes = 0, arrondissements = 0, departements_overseas = 0, collectivites_overseas = 0;
  for (const Commune& commune : table().all()) {
    ++(commune.part_of.empty() ? communes : arrondissements);
    ++by_departement[commune.departement];
    if (commune.departement.size() != 3) continue;
    const bool departement =
        commune.departement >= "971" && commune.departement <= "976" && commune.departement != "975";
    ++(departement ? departements_overseas : collectivites_overseas);
  }
  EXPECT_EQ(communes, 34963);
  EXPECT_EQ(arrondissements, 45);
  EXPECT_EQ(departements_overseas, 129);
  EXPECT_EQ(collectivites_overseas, 88);
  EXPECT_EQ(by_departement.size(), 96u + 5u + 6u);
  EXPECT_EQ(by_departement["62"], 887);
  EXPECT_EQ(by_departement["75"], 1 + 20);
  EXPECT_EQ(by_departement["976"], 17);
}

TEST(CommuneTable, HasUniqueWellFormedCodesInOrder) {
  std::set<std::string_view> seen;
  std::string_view before;
  for (const Commune& commune : table().all()) {
    EXPECT_TRUE(seen.insert(commune.code).second) << commune.code;
    EXPECT_LT(before, commune.code);
    before = commune.code;
    EXPECT_EQ(departement_of(commune.code), std::string(commune.departement)) << commune.code;
    EXPECT_FALSE(commune.name.empty()) << commune.code;
  }
}

TEST(CommuneTable, FindsKnownCommunesByCode) {
  struct Known {
    const char *code, *name, *departement;
    std::uint32_t population;
  };
  const Known known[] = {
      {"01001", "L'Abergement-Clémenciat", "01", 860},
      {"13055", "Marseille", "13", 886040},
      {"2A004", "Ajaccio", "2A", 76320},
      {"59183", "Dunkerque", "59", 86263},
      {"75056", "Paris", "75", 2103778},
      {"97101", "Les Abymes", "971", 51055},
      {"97502", "Saint-Pierre", "975", 5194},
      {"55039", "Beaumont-en-Verdunois", "55", 0},
  };
  for (const Known& k : known) {
    const Commune* commune = table().find_by_code(k.code);
    ASSERT_NE(commune, nullptr) << k.code;
    EXPECT_EQ(commune->name, k.name);
    EXPECT_EQ(commune->departement, k.departement);
    EXPECT_EQ(commune->population, k.population);
    EXPECT_EQ(commune->part_of, "");
  }
}

TEST(CommuneTable, PlacesEachArrondissementMunicipalInItsCommune) {
  std::map<std::string_view, int> parts;
  for (const Commune& commune : table().all())
    if (!commune.part_of.empty()) ++parts[commune.part_of];
  const std::map<std::string_view, int> expected = {{"13055", 16}, {"69123", 9}, {"75056", 20}};
  EXPECT_EQ(parts, expected);
  EXPECT_EQ(table().find_by_code("75111")->part_of, "75056");
  EXPECT_EQ(table().find_by_code("75111")->name, "Paris 11e Arrondissement");
}

TEST(CommuneTable, RefusesCodesItDoesNotHold) {
  for (const char* code :
       {"", "00000", "99999", "75000", "2a004", " 75056", "75056 ", "7505", "750566", "20004", "98411"})
    EXPECT_EQ(table().find_by_code(code), nullptr) << code;
}

TEST(CommuneTable, FindsANameHoweverItIsTyped) {
  const Codes saint_etienne = {"42218"};
  for (const char* typed : {"Saint-Étienne", "saint etienne", "SAINT-ETIENNE", "St Etienne", "St-Étienne",
                            "ST. ETIENNE", "  saint\u00A0étienne ", "Saint‑Étienne", "Saint-E\u0301tienne"})
    EXPECT_EQ(codes(table().find_by_name(typed, "42")), saint_etienne) << typed;
  EXPECT_EQ(codes(table().find_by_name("L’Abergement Clemenciat")), Codes{"01001"});
  EXPECT_EQ(codes(table().find_by_name("oeuilly", "02")), Codes{"02565"});
  EXPECT_EQ(codes(table().find_by_name("ŒUILLY", "02")), Codes{"02565"});
  EXPECT_EQ(codes(table().find_by_name("MOY DE L'AISNE")), Codes{"02532"});
  EXPECT_EQ(codes(table().find_by_name("Bors (Canton de Charente-Sud)")),
            codes(table().find_by_name("bors canton de charente sud")));
  EXPECT_EQ(codes(table().find_by_name("Lyon 3e arrondissement")), Codes{"69383"});
}

TEST(CommuneTable, FindsEveryCommuneByItsOwnName) {
  // Within a département two communes may share a name; each must still be among those found.
  std::map<std::pair<std::string, std::string>, Codes> expected;
  for (const Commune& commune : table().all())
    expected[{std::string(commune.departement), *fold_name(commune.name)}].emplace_back(commune.code);
  int asked = 0;
  for (const auto& [place, wanted] : expected) {
    if (++asked % 97 != 0 && place.first != "2B" && place.first != "974")
      continue;  // a sample: each search reads the table
    EXPECT_EQ(codes(table().find_by_name(place.second, place.first)), wanted) << place.second;
  }
}

TEST(CommuneTable, ReturnsAllCommunesOfAnAmbiguousName) {
  const auto found = table().find_by_name("Ste Colombe");
  EXPECT_EQ(found.size(), 12u);
  std::set<std::string_view> departements;
  for (const Commune* commune : found) {
    EXPECT_EQ(commune->name, "Sainte-Colombe");
    departements.insert(commune->departement);
  }
  EXPECT_EQ(departements.size(), 12u);
  EXPECT_EQ(table().find_by_name("Ste Colombe", *departements.begin()).size(), 1u);
  EXPECT_EQ(table().find_by_name("Saint-Pierre").size(), 9u);
}

TEST(CommuneTable, RefusesNamesItDoesNotHold) {
  for (const char* name :
       {"", " ", "-", "Trifouillis-les-Oies", "Sain-Etienne", "Pari", "Parisx", "Paris\x01", "Par\xFFis", "Paris ß"})
    EXPECT_TRUE(table().find_by_name(name).empty()) << name;
  EXPECT_TRUE(table().find_by_name("Paris", "42").empty());
  EXPECT_TRUE(table().find_by_name("Paris", "").empty());
}

TEST(CommuneTable, KeepsItsViewsWhenMoved) {
  auto first = CommuneTable::parse(to_bytes("pli-communes/1\t1\n01001\tUn\t01\t2\n"));
  ASSERT_TRUE(first);
  CommuneTable second = std::move(*first);
  EXPECT_EQ(second.find_by_code("01001")->name, "Un");
}

TEST(DepartementOf, NamesTheDepartementOfEveryKindOfCode) {
  EXPECT_EQ(departement_of("01001"), "01");
  EXPECT_EQ(departement_of("95018"), "95");
  EXPECT_EQ(departement_of("2A004"), "2A");
  EXPECT_EQ(departement_of("2B033"), "2B");
  EXPECT_EQ(departement_of("97101"), "971");
  EXPECT_EQ(departement_of("97611"), "976");
  EXPECT_EQ(departement_of("98735"), "987");
}

TEST(DepartementOf, RefusesWhatIsNoCode) {
  for (const char* code : {"", "1001", "010010", "00001", "20004", "96001", "99101", "2C001", "2a004", "A1001", "0100A",
                           "97000", "97901", "98001", "98501", "01 01", "-1001"})
    EXPECT_EQ(departement_of(code), std::nullopt) << code;
}

TEST(FoldName, TreatsComposedAndDecomposedAccentsAlike) {
  EXPECT_EQ(fold_name("Évêché-le-Ç"), "eveche le c");
  EXPECT_EQ(fold_name("E\u0301ve\u0302che\u0301 le C\u0327"), "eveche le c");
  EXPECT_EQ(fold_name("Ÿ ÿ Æ œ"), "y y ae oe");
}

TEST(FoldName, SpellsOutSaintOnlyAsAWord) {
  EXPECT_EQ(fold_name("St"), "saint");
  EXPECT_EQ(fold_name("Stes-Maries"), "saintes maries");
  EXPECT_EQ(fold_name("Ste-Marie-sur-St"), "sainte marie sur saint");
  EXPECT_EQ(fold_name("Brest"), "brest");
  EXPECT_EQ(fold_name("Stiring-Wendel"), "stiring wendel");
}

TEST(FoldName, RefusesWhatIsNotUtf8) {
  for (const char* text : {"\x80", "\xC3", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80",
                           "\xF4\x90\x80\x80", "a\xE2\x80"})
    EXPECT_EQ(fold_name(text), std::nullopt);
}

TEST(CommuneTableFile, ThatIsMissingIsNotFound) {
  EXPECT_EQ(CommuneTable::load(std::string(PLI_SOURCE_DIR) + "/config/no-such-file.tsv").error().code, Errc::not_found);
}

TEST(CommuneTableFile, ThatIsTooLargeIsRefused) {
  std::string path = testing::TempDir() + "pli-communes-XXXXXX";
  const int file = ::mkstemp(path.data());
  ASSERT_GE(file, 0);
  ::close(file);
  std::filesystem::resize_file(path, commune_table_bytes_max + 1);
  EXPECT_EQ(CommuneTable::load(path).error().code, Errc::over_limit);
  std::filesystem::remove(path);
}

TEST(CommuneTableFile, ThatIsSmallAndRightIsRead) {
  auto small = CommuneTable::parse(to_bytes("pli-communes/1\t2\n75056\tParis\t75\t12\n75101\tUn\t75\t12\t75056\n"));
  ASSERT_TRUE(small) << small.error().detail;
  EXPECT_EQ(small->all().size(), 2u);
}

TEST(CommuneTableFile, ThatIsDamagedIsRefused) {
  const std::string head = "pli-communes/1\t";
  const std::string row = "01001\tUn\t01\t2\n";
  EXPECT_EQ(parse_error(""), Errc::corruption);
  EXPECT_EQ(parse_error("\n"), Errc::corruption);
  EXPECT_EQ(parse_error("pli-communes/2\t1\n" + row), Errc::corruption) << "another version";
  EXPECT_EQ(parse_error("pli-communes/1\n" + row), Errc::corruption) << "no number of rows";
  EXPECT_EQ(parse_error(head + "0\n"), Errc::corruption) << "no row at all";
  EXPECT_EQ(parse_error(head + "01\n" + row), Errc::corruption) << "number with a leading zero";
  EXPECT_EQ(parse_error(head + "-1\n" + row), Errc::corruption);
  EXPECT_EQ(parse_error(head + "4294967295\n" + row), Errc::corruption) << "more rows than bytes";
  EXPECT_EQ(parse_error(head + "2\n" + row), Errc::corruption) << "cut short at the end of a line";
  EXPECT_EQ(parse_error(head + "1\n" + row + "01002\tDeux\t01\t2\n"), Errc::corruption) << "a row too many";
  EXPECT_EQ(parse_error(head + "1\n01001\tUn\t01\t2"), Errc::corruption) << "cut short within a line";
  EXPECT_EQ(parse_error(head + "2\n" + row + row), Errc::corruption) << "a code twice";
  EXPECT_EQ(parse_error(head + "2\n01002\tDeux\t01\t2\n" + row), Errc::corruption) << "out of order";
  EXPECT_EQ(parse_error(head + "1\n\n"), Errc::corruption) << "an empty row";
  EXPECT_EQ(parse_error(head + "1\n01001\tUn\t01\n"), Errc::corruption) << "a field missing";
  EXPECT_EQ(parse_error(head + "1\n01001\tUn\t01\t2\t\n"), Errc::corruption) << "an empty fifth field";
  EXPECT_EQ(parse_error(head + "1\n01001\tUn\t01\t2\t01001\tx\n"), Errc::corruption) << "a sixth field";
  EXPECT_EQ(parse_error(head + "1\n1001\tUn\t01\t2\n"), Errc::corruption) << "a short code";
  EXPECT_EQ(parse_error(head + "1\n01001\tUn\t02\t2\n"), Errc::corruption) << "another département";
  EXPECT_EQ(parse_error(head + "1\n01001\t\t01\t2\n"), Errc::corruption) << "no name";
  EXPECT_EQ(parse_error(head + "1\n01001\tU\xFFn\t01\t2\n"), Errc::corruption) << "a name that is not UTF-8";
  EXPECT_EQ(parse_error(head + "1\n01001\tUn\r\t01\t2\n"), Errc::corruption) << "a control character";
  EXPECT_EQ(parse_error(head + "1\n01001\t" + std::string(commune_name_bytes_max + 1, 'a') + "\t01\t2\n"),
            Errc::corruption);
  EXPECT_EQ(parse_error(head + "1\n01001\tUn\t01\t\n"), Errc::corruption) << "no population";
  EXPECT_EQ(parse_error(head + "1\n01001\tUn\t01\t2x\n"), Errc::corruption);
  EXPECT_EQ(parse_error(head + "1\n01001\tUn\t01\t-2\n"), Errc::corruption);
  EXPECT_EQ(parse_error(head + "1\n01001\tUn\t01\t4294967296\n"), Errc::corruption);
  EXPECT_EQ(parse_error(head + "1\n75101\tUn\t75\t2\t75056\n"), Errc::corruption) << "arrondissement of no commune";
  EXPECT_EQ(parse_error(head + "1\n75101\tUn\t75\t2\t75101\n"), Errc::corruption) << "arrondissement of itself";
  EXPECT_EQ(parse_error(head + "2\n13055\tM\t13\t2\n75101\tUn\t75\t2\t13055\n"), Errc::corruption)
      << "of another département's";
}

TEST(CommuneTableFile, NamesTheDamagedLineAndNotItsText) {
  auto result = CommuneTable::parse(to_bytes("pli-communes/1\t2\n01001\tUn\t01\t2\n01002\tSecret\t03\t2\n"));
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().detail.find("line 3"), std::string::npos) << result.error().detail;
  EXPECT_EQ(result.error().detail.find("Secret"), std::string::npos);
}

TEST(CommuneTableFile, CutAnywhereIsRefused) {
  const std::string whole = "pli-communes/1\t2\n75056\tParis\t75\t12\n75101\tUn\t75\t12\t75056\n";
  ASSERT_TRUE(CommuneTable::parse(to_bytes(whole)));
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_EQ(parse_error(whole.substr(0, size)), Errc::corruption);
}

}  // namespace
}  // namespace pli::config
