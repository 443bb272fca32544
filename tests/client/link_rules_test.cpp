#include "client/link_rules.hpp"

#include <gtest/gtest.h>

#include "client/link_index.hpp"

namespace pli::client {
namespace {

LinkPerson person(const char* family, const char* given, std::uint32_t birth, const char* commune = "89024") {
  return link_person(family, given, birth, commune);
}

std::optional<LinkReason> reason(const LinkPerson& a, const LinkPerson& b) {
  EXPECT_EQ(reason_to_link(a, b), reason_to_link(b, a));
  return reason_to_link(a, b);
}
std::optional<LinkReason> reason(const LinkStructure& a, const LinkStructure& b) {
  EXPECT_EQ(reason_to_link(a, b), reason_to_link(b, a));
  return reason_to_link(a, b);
}

TEST(BirthLikeness, TellsExchangesAndSlipsFromOtherDates) {
  EXPECT_EQ(birth_likeness(20010312, 20010312), BirthLikeness::same);
  EXPECT_EQ(birth_likeness(20010312, 0), BirthLikeness::unknown);
  EXPECT_EQ(birth_likeness(0, 0), BirthLikeness::unknown);
  EXPECT_EQ(birth_likeness(20010312, 20011203), BirthLikeness::exchanged);
  EXPECT_EQ(birth_likeness(20010312, 20020312), BirthLikeness::slip) << "a year after";
  EXPECT_EQ(birth_likeness(19991231, 20001231), BirthLikeness::slip) << "a year after, four digits apart";
  EXPECT_EQ(birth_likeness(20010312, 20010317), BirthLikeness::slip) << "one digit";
  EXPECT_EQ(birth_likeness(19910312, 19190312), BirthLikeness::slip) << "two neighbours exchanged";
  EXPECT_EQ(birth_likeness(20010312, 20010427), BirthLikeness::different);
  EXPECT_EQ(birth_likeness(20010312, 20030412), BirthLikeness::different);
  EXPECT_EQ(birth_likeness(20010312, 20021203), BirthLikeness::different) << "exchanged, of another year";
}

TEST(ReasonToLink, NamesWhatTwoReportsShare) {
  const LinkPerson first = person("Quéméner", "Malo", 20080214);
  EXPECT_EQ(reason(first, person("QUEMENER", "Malo", 20080214, "89001")), LinkReason::same_birth_same_name);
  EXPECT_EQ(reason(first, person("Kemener", "Mallo", 20080214)), LinkReason::same_birth_near_name);
  EXPECT_EQ(reason(first, person("Quéméner", "", 20080214)), LinkReason::same_birth_family_name);
  EXPECT_EQ(reason(person("Riou", "Malo", 20080203), person("Riou", "Malo", 20080302)),
            LinkReason::exchanged_birth_same_name);
  EXPECT_EQ(reason(person("Riou", "Malo", 20080203), person("Rioux", "Mallo", 20080302)),
            LinkReason::exchanged_birth_near_name);
  EXPECT_EQ(reason(first, person("Quéméner", "Malo", 20090214)), LinkReason::slip_in_birth_same_name);
  EXPECT_EQ(reason(first, person("Quemenner", "Malo", 20080215)), LinkReason::slip_in_birth_near_name);
  EXPECT_EQ(reason(first, person("Quéméner", "Malo", 0)), LinkReason::unknown_birth_same_name_same_commune);
  EXPECT_EQ(reason(first, person("Quemenner", "Malo", 0)), LinkReason::unknown_birth_near_name_same_commune);
}

TEST(ReasonToLink, SaysNothingOfBrothersNamesakesAndTwins) {
  const LinkPerson first = person("Diallo", "Moussa", 20080214);
  EXPECT_EQ(reason(first, person("Diallo", "Seydou", 20100603)), std::nullopt) << "a brother";
  EXPECT_EQ(reason(first, person("Diallo", "Aminata", 20080214)), std::nullopt) << "a twin";
  EXPECT_EQ(reason(first, person("Diallo", "Moussa", 19791130)), std::nullopt) << "a namesake";
  EXPECT_EQ(reason(first, person("Diallo", "Seydou", 0)), std::nullopt);
}

TEST(ReasonToLink, AsksMoreWhereLessIsKnown) {
  const LinkPerson first = person("Diallo", "Moussa", 20080214);
  EXPECT_EQ(reason(first, person("Diallo", "Moussa", 0, "89001")), std::nullopt) << "no date, another commune";
  EXPECT_EQ(reason(first, person("Diallo", "Moussa", 0, "")), std::nullopt) << "no date, no commune";
  EXPECT_EQ(reason(first, person("Diallo", "", 0)), std::nullopt) << "no date, no given name";
  EXPECT_EQ(reason(first, person("Diallo", "Moussa Karim", 0)), std::nullopt) << "no date, a name left over";
  EXPECT_EQ(reason(first, person("Diallo", "", 20090214)), std::nullopt) << "another date, no given name";
}

TEST(ReasonToLink, KnowsAStructureByItsNumbers) {
  const LinkStructure cafe = link_structure("Café des Sports", "12 av. de la Gare", "89024", "732 829 320", "");
  EXPECT_EQ(reason(cafe, link_structure("Le Balto", "", "89001", "732829320", "")), LinkReason::same_siren);
  EXPECT_EQ(reason(cafe, link_structure("Le Balto", "", "89001", "73282932000074", "")), LinkReason::same_siren)
      << "a SIRET";
  const LinkStructure club = link_structure("Association Boxe Club", "", "89024", "", "W891000123");
  EXPECT_EQ(reason(club, link_structure("A.B.C.", "", "", "", "w 891000123")), LinkReason::same_rna);
}

TEST(ReasonToLink, KnowsAStructureByItsAddressOrNameInOneCommune) {
  const LinkStructure cafe = link_structure("SARL Café des Sports", "12, av. de la Gare 89000", "89024", "", "");
  EXPECT_EQ(reason(cafe, link_structure("Le Balto", "12 avenue de la gare", "89024", "", "")),
            LinkReason::same_address);
  EXPECT_EQ(reason(cafe, link_structure("Cafe des sport", "", "89024", "", "")),
            LinkReason::near_structure_name_same_commune);
  EXPECT_EQ(reason(cafe, link_structure("Café des Sports", "12 avenue de la Gare", "89001", "", "")), std::nullopt)
      << "another commune";
  EXPECT_EQ(reason(link_structure("Le Balto", "avenue de la Gare", "89024", "", ""),
                   link_structure("Le Zinc", "avenue de la Gare", "89024", "", "")),
            std::nullopt)
      << "a street is no address";
  EXPECT_EQ(reason(link_structure("Café des Sports", "", "89024", "732829320", ""),
                   link_structure("Café des Sports", "", "89024", "404833048", "")),
            std::nullopt)
      << "two numbers, two structures";
}

TEST(FoldAddress, WritesAbbreviationsOutAndLeavesThePostcodeOut) {
  EXPECT_EQ(fold_address("3 bis, bd. de l'Yonne, 89000 AUXERRE CEDEX"), "3 bis boulevard yonne auxerre");
  EXPECT_EQ(fold_address("3B bvd Yonne"), "3b boulevard yonne");
  EXPECT_EQ(fold_address("r. St-Pèlerin"), "rue saint pelerin");
}

TEST(FoldStructureName, LeavesLegalFormsOut) {
  EXPECT_EQ(fold_structure_name("Association Les Amis du Ring"), "les amis du ring");
  EXPECT_EQ(fold_structure_name("S.A.R.L."), "s a r l");
  EXPECT_EQ(fold_structure_name("SARL"), "sarl") << "where nothing else is left";
}

TEST(LinkReasons, EachHasItsCodeAndWordsAndNoNumberMore) {
  std::vector<std::string_view> codes;
  for (std::uint8_t number = 0; number < 255; ++number) {
    const auto one = link_reason_of(number);
    if (!one) continue;
    EXPECT_EQ(static_cast<std::uint8_t>(*one), number);
    EXPECT_FALSE(french(*one).empty());
    EXPECT_EQ(french(*one).find_first_of("0123456789%"), std::string_view::npos) << "a reason is no score";
    codes.push_back(text_of(*one));
  }
  EXPECT_EQ(codes.size(), 13U);
  std::sort(codes.begin(), codes.end());
  EXPECT_EQ(std::unique(codes.begin(), codes.end()), codes.end());
}

// ---- the index
// --------------------------------------------------------------------------------------------------------

LinkEntry entry(std::uint8_t id, std::uint8_t case_id, LinkPerson subject, const char* territory = "89") {
  LinkEntry out;
  out.exchange = Digest{id};
  out.case_id = Digest{case_id};
  out.territory = territory;
  out.subjects.persons.push_back(std::move(subject));
  return out;
}

TEST(LinkIndex, FindsAnotherCaseOfTheSamePerson) {
  LinkIndex index;
  index.add(entry(1, 1, person("Riou", "Malo", 20080214)));
  index.add(entry(2, 2, person("Sow", "Awa", 20080214)));
  const auto hints = index.hints_for(entry(3, 3, person("RIOU", "Mâlo", 20080214)));
  ASSERT_EQ(hints.size(), 1U);
  EXPECT_EQ(hints[0].other, Digest{1});
  EXPECT_EQ(hints[0].reasons, std::vector<LinkReason>{LinkReason::same_birth_same_name});
}

TEST(LinkIndex, HintsNeitherAtItsOwnCaseNorAcrossDepartements) {
  LinkIndex index;
  index.add(entry(1, 1, person("Riou", "Malo", 20080214)));
  EXPECT_TRUE(index.hints_for(entry(2, 1, person("Riou", "Malo", 20080214))).empty());
  EXPECT_TRUE(index.hints_for(entry(3, 3, person("Riou", "Malo", 20080214), "21")).empty());
}

TEST(LinkIndex, KeepsTheLastWordOfAnExchange) {
  LinkIndex index;
  index.add(entry(1, 1, person("Riou", "Malo", 20080214)));
  index.add(entry(1, 1, person("Prigent", "Enora", 20050101)));
  EXPECT_EQ(index.size(), 1U);
  EXPECT_TRUE(index.hints_for(entry(3, 3, person("Riou", "Malo", 20080214))).empty());
  EXPECT_EQ(index.hints_for(entry(3, 3, person("Prigent", "Enora", 20050101))).size(), 1U);
}

TEST(LinkIndex, ForgetsACaseWithAllItsExchanges) {
  LinkIndex index;
  index.add(entry(1, 1, person("Riou", "Malo", 20080214)));
  index.add(entry(2, 1, person("Riou", "Malo", 20080215)));
  index.add(entry(3, 2, person("Sow", "Awa", 20080214)));
  index.drop_cases({Digest{1}});
  EXPECT_EQ(index.size(), 1U);
  EXPECT_FALSE(index.has_case(Digest{1}));
  EXPECT_TRUE(index.hints_for(entry(4, 4, person("Riou", "Malo", 20080214))).empty());
  EXPECT_EQ(index.hints_for(entry(4, 4, person("Sow", "Awa", 20080214))).size(), 1U);
}

TEST(LinkIndex, GathersTheReasonsOfAllExchangesOfACase) {
  LinkIndex index;
  index.add(entry(1, 1, person("Riou", "Malo", 20080214)));
  LinkEntry other = entry(2, 2, person("Riou", "Malo", 20080214));
  other.subjects.structures.push_back(link_structure("Le Ring", "", "89024", "732829320", ""));
  index.add(other);
  LinkEntry more = entry(3, 1, person("Sow", "Awa", 0));
  more.subjects.structures.push_back(link_structure("Club", "", "", "732829320", ""));
  index.add(more);
  const auto hints = index.hints_for_case(Digest{1});
  ASSERT_EQ(hints.size(), 1U);
  EXPECT_EQ(hints[0].reasons, (std::vector<LinkReason>{LinkReason::same_birth_same_name, LinkReason::same_siren}));
}

}  // namespace
}  // namespace pli::client
