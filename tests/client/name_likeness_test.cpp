#include "client/name_likeness.hpp"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/invented_persons.hpp"

namespace pli::client {
namespace {

using Words = std::vector<std::string>;

Likeness between(const char* family, const char* given, const char* other_family, const char* other_given) {
  const PersonName a = person_name(fold_name(family), fold_name(given));
  const PersonName b = person_name(fold_name(other_family), fold_name(other_given));
  EXPECT_EQ(likeness(a, b), likeness(b, a));
  return likeness(a, b);
}

TEST(FoldName, TakesOffAccentsAndCase) {
  EXPECT_EQ(fold_name("ÉLÉONORE"), "eleonore");
  EXPECT_EQ(fold_name("Gonçalves Conceição"), "goncalves conceicao");
  EXPECT_EQ(fold_name("Çelik Yıldız Doğan İbrahim Şahin"), "celik yildiz dogan ibrahim sahin");
  EXPECT_EQ(fold_name("Nguyễn Đặng Huỳnh Ước"), "nguyen dang huynh uoc");
  EXPECT_EQ(fold_name("Ñuñez Łukasz Ørsted"), "nunez lukasz orsted");
  EXPECT_EQ(fold_name("Ḥasan Ṭāriq"), "hasan tariq");
}

TEST(FoldName, WritesLigaturesOut) { EXPECT_EQ(fold_name("Lætitia Cœur Weiß"), "laetitia coeur weiss"); }

TEST(FoldName, ReadsComposedAndCombinedAccentsAlike) { EXPECT_EQ(fold_name("Re\u0301mi"), fold_name("Rémi")); }

TEST(FoldName, MakesHyphensAndPunctuationOneSpace) {
  EXPECT_EQ(fold_name("  Jean - Pierre,\tJr. "), "jean pierre jr");
  EXPECT_EQ(fold_name("Jean\u2011Pierre"), "jean pierre");
  EXPECT_EQ(fold_name("Jean\u00A0Pierre"), "jean pierre");
}

TEST(FoldName, JoinsAtAnApostropheButForElidedParticles) {
  EXPECT_EQ(fold_name("N'Diaye"), "ndiaye");
  EXPECT_EQ(fold_name("Guivarc\u2019h"), "guivarch");
  EXPECT_EQ(fold_name("d'Aubigny"), "d aubigny");
  EXPECT_EQ(fold_name("L\u2019Hostis"), "l hostis");
  EXPECT_EQ(fold_name("David'"), "david") << "a d that ends a word elides nothing";
}

TEST(FoldName, KeepsOtherScripts) {
  EXPECT_EQ(fold_name("محمد"), "محمد");
  EXPECT_EQ(fold_name("Иванов-Петров"), "Иванов Петров");
}

TEST(FoldName, TakesBytesThatAreNotTextForSpaces) {
  EXPECT_EQ(fold_name("Mar\xFFtin"), "mar tin");
  EXPECT_EQ(fold_name(std::string_view("Mar\0tin", 7)), "mar tin");
  EXPECT_EQ(fold_name("\xC3"), "");
}

TEST(NameParts, LeaveParticlesOut) {
  EXPECT_EQ(name_parts("de la fontaine"), Words({"fontaine"}));
  EXPECT_EQ(name_parts("el amrani"), Words({"amrani"}));
  EXPECT_EQ(name_parts("dos santos"), Words({"santos"}));
  EXPECT_EQ(name_parts("le goff"), Words({"goff"}));
}

TEST(NameParts, LeaveCivilitiesAndWordsBesideANameOut) {
  EXPECT_EQ(name_parts("mme durand nee petit"), Words({"durand", "petit"}));
  EXPECT_EQ(name_parts("martin dit le grand"), Words({"martin", "grand"}));
}

TEST(NameParts, KeepAParticleThatIsTheWholeName) { EXPECT_EQ(name_parts("le"), Words({"le"})); }

TEST(NameParts, AreBoundedInNumberAndLength) {
  std::string many, at;
  for (std::size_t i = 0; i < name_parts_max + 1; ++i) many += "nom" + std::to_string(i) + " ";
  EXPECT_EQ(name_parts(many).size(), name_parts_max);
  EXPECT_EQ(name_parts(std::string(name_part_bytes_max, 'a')).front().size(), name_part_bytes_max);
  EXPECT_EQ(name_parts(std::string(name_part_bytes_max + 1, 'a')).front().size(), name_part_bytes_max);
}

TEST(PhoneticKey, HearsGroupsOfLettersAsAFrenchReaderDoes) {
  for (const auto& [one, other] : std::initializer_list<std::pair<const char*, const char*>>{
           {"philippe", "filipe"},   {"moreau", "moro"},     {"renaud", "reno"},      {"thomas", "toma"},
           {"quentin", "kantin"},    {"cherif", "sherif"},   {"schmitt", "chmit"},    {"khelifi", "kelifi"},
           {"ghezali", "guezali"},   {"djamel", "jamel"},    {"gerard", "jerar"},     {"georges", "jorge"},
           {"yassine", "yacine"},    {"ousmane", "usman"},   {"walid", "oualid"},     {"mouhamed", "muhammed"},
           {"benoit", "benoy"},      {"faure", "phaure"},    {"leclercq", "leclerc"}, {"dupont", "dupond"},
           {"roux", "rous"},         {"zidane", "sidane"},   {"marie", "mari"},       {"guillaume", "guilome"},
           {"rousselle", "roussel"}, {"hussein", "oussein"}, {"lambert", "lembert"},  {"martin", "martain"},
           {"xavier", "ksavier"},    {"mickael", "mikael"},  {"cyril", "siril"},      {"agnes", "anes"},
           {"helene", "elene"}}) {
    EXPECT_EQ(phonetic_key(one), phonetic_key(other)) << one << " " << other;
  }
}

TEST(PhoneticKey, KeepsNamesApartThatSoundApart) {
  for (const auto& [one, other] : std::initializer_list<std::pair<const char*, const char*>>{{"martin", "marten"},
                                                                                             {"durand", "durel"},
                                                                                             {"karim", "karima"},
                                                                                             {"petit", "petra"},
                                                                                             {"louis", "lucas"},
                                                                                             {"anna", "emma"},
                                                                                             {"bernard", "renard"},
                                                                                             {"paul", "jules"},
                                                                                             {"helene", "elan"}})
    EXPECT_NE(phonetic_key(one), phonetic_key(other)) << one << " " << other;
}

TEST(PhoneticKey, OfAnotherScriptIsTheWordItself) { EXPECT_EQ(phonetic_key("محمد"), "محمد"); }

TEST(PhoneticKey, IsNeverEmptyForAWord) {
  for (const char* word : {"h", "hh", "e", "es", "x", "zz", "th", "ts"})
    EXPECT_FALSE(phonetic_key(word).empty()) << word;
}

TEST(ConsonantsOf, ForgetsVowels) {
  EXPECT_EQ(consonants_of(phonetic_key("mohamed")), consonants_of(phonetic_key("muhammad")));
  EXPECT_EQ(consonants_of(phonetic_key("walid")), consonants_of(phonetic_key("oualid")));
  EXPECT_EQ(consonants_of("aoa"), "aoa");
}

TEST(SlipsBetween, CountsLettersLostAddedChangedAndExchanged) {
  EXPECT_EQ(slips_between("martin", "martin", 3), 0U);
  EXPECT_EQ(slips_between("martin", "matin", 3), 1U);
  EXPECT_EQ(slips_between("martin", "marttin", 3), 1U);
  EXPECT_EQ(slips_between("martin", "mardin", 3), 1U);
  EXPECT_EQ(slips_between("martin", "matrin", 3), 1U);
  EXPECT_EQ(slips_between("", "abc", 3), 3U);
  EXPECT_EQ(slips_between("kervella", "kervalle", 3), 2U);
}

TEST(SlipsBetween, StopsOneAboveWhatIsAskedFor) {
  EXPECT_EQ(slips_between("martin", "oliveira", 2), 3U);
  EXPECT_EQ(slips_between("a", "abcdef", 2), 3U);
}

TEST(NameLikeness, IsTheSameButForAccentsOrderParticlesAndHyphens) {
  EXPECT_EQ(between("LEFEVRE", "Lea", "Lefèvre", "Léa"), Likeness::same);
  EXPECT_EQ(between("Martin", "Jean-Pierre", "Martin", "Jean Pierre"), Likeness::same);
  EXPECT_EQ(between("Martin", "Jeanpierre", "Martin", "Jean-Pierre"), Likeness::same);
  EXPECT_EQ(between("Martin", "Pierre Jean", "Martin", "Jean Pierre"), Likeness::same);
  EXPECT_EQ(between("de Sousa", "Rui", "Sousa", "Rui"), Likeness::same);
  EXPECT_EQ(between("Le Bihan", "Yann", "Lebihan", "Yann"), Likeness::same);
  EXPECT_EQ(between("Benali", "Karim", "Karim", "Benali"), Likeness::same);
  EXPECT_EQ(between("Karim BENALI", "", "Benali", "Karim"), Likeness::same);
}

TEST(NameLikeness, IsNearByEarOrButForASlip) {
  EXPECT_EQ(between("Moreau", "Philippe", "Moro", "Filipe"), Likeness::near);
  EXPECT_EQ(between("Kervella", "Nolwenn", "Kervela", "Nolwen"), Likeness::near);
  EXPECT_EQ(between("Durand", "Mohammed", "Durand", "Mohamed"), Likeness::near);
  EXPECT_EQ(between("Ben Ali", "Sami", "Benaly", "Sami"), Likeness::near);
}

TEST(NameLikeness, IsNearInPartWhereAWordIsLeftOver) {
  EXPECT_EQ(between("Martin", "Paul", "Martin-Dupuis", "Paul"), Likeness::near_in_part);
  EXPECT_EQ(between("Ziani", "Mohamed", "Ziani", "Mohamed Amine"), Likeness::near_in_part);
}

TEST(NameLikeness, TellsBrothersSistersAndTwinsApart) {
  EXPECT_EQ(between("Haddad", "Karim", "Haddad", "Samir"), Likeness::different);
  EXPECT_EQ(between("Petit", "Jean-Paul", "Petit", "Jean-Marc"), Likeness::different);
  EXPECT_EQ(between("Trần", "Thị Hoa", "Trần", "Thị Lan"), Likeness::different);
  EXPECT_EQ(between("Hachemi", "Amine", "Hachemi", "Yasmine"), Likeness::different);
}

TEST(NameLikeness, SaysWhenOnlyTheFamilyNameIsKnownOfOne) {
  EXPECT_EQ(between("Guérin", "", "Guerin", "Paul"), Likeness::family_alone);
  EXPECT_EQ(between("Guérin", "P.", "Guerin", "Paul"), Likeness::family_alone);
  EXPECT_EQ(between("Guérin", "M.", "Guerin", "Paul"), Likeness::different);
}

TEST(NameLikeness, OfNoNameIsDifferent) {
  EXPECT_EQ(between("", "", "", ""), Likeness::different);
  EXPECT_EQ(between("", "", "Martin", "Paul"), Likeness::different);
  EXPECT_EQ(between("...", "--", "...", "--"), Likeness::different);
}

/// Bytes as nobody types them: text, halves of text and noise.
std::string anything(std::mt19937_64& random) {
  static const Words pieces = {"Le ",  "d'", "é", "\xC3", "\xFF\xFE", "N'", "-",      "mohamed",    "ا",
                               "\xE2", "  ", "h", "ph",   "oiseau",   "ß",  "\u0301", "\U0001F600", "Z"};
  std::string out;
  for (std::uint64_t i = random() % 12; i > 0; --i)
    out += random() % 4 == 0 ? std::string(1, static_cast<char>(random() % 256)) : pieces[random() % pieces.size()];
  return out;
}

TEST(NameLikeness, IsSymmetricAndHoldsOnAnyBytes) {
  constexpr std::uint64_t seed = 24;
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 5000; ++i) {
    const PersonName a = person_name(fold_name(anything(random)), fold_name(anything(random)));
    const PersonName b = person_name(fold_name(anything(random)), fold_name(anything(random)));
    ASSERT_EQ(likeness(a, b), likeness(b, a)) << i;
    const bool named = !a.family.empty() && !a.given.empty();
    if (named) {
      ASSERT_EQ(likeness(a, a), Likeness::same) << i;
    }
  }
}

TEST(NameLikeness, IsSymmetricAmongInventedPersons) {
  constexpr std::uint64_t seed = 7;
  SCOPED_TRACE(seed);
  const auto persons = testing::invent_persons(seed, 150, 40);
  std::vector<PersonName> names;
  for (const auto& person : persons) names.push_back(person_name(fold_name(person.family), fold_name(person.given)));
  for (const PersonName& a : names) {
    EXPECT_EQ(likeness(a, a), Likeness::same);
    for (const PersonName& b : names)
      ASSERT_EQ(likeness(a, b), likeness(b, a)) << a.family.whole.text << b.family.whole.text;
  }
}

TEST(FoldName, OfWhatIsFoldedIsItself) {
  constexpr std::uint64_t seed = 11;
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 5000; ++i) {
    const std::string folded = fold_name(anything(random));
    ASSERT_EQ(fold_name(folded), folded);
  }
}

}  // namespace
}  // namespace pli::client
