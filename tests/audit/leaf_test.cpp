#include "audit/leaf.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "audit/tree.hpp"
#include "crypto/hash.hpp"
#include "support.hpp"

namespace pli::audit::test {
namespace {

std::vector<Leaf> leaves_of_every_shape() {
  Leaf plain{LeafType::collecte, UnixMillis{0}, digest_of(std::string(64, 'a')), std::nullopt, std::nullopt};
  Leaf directory = plain;
  directory.directory = DirectoryReference{DirectoryNumber{1}, digest_of(std::string(64, '1'))};
  Leaf statement = plain;
  statement.statement = "month 2026-03 received 41";
  Leaf both = directory;
  both.statement = " ~";
  return {plain, directory, statement, both};
}

TEST(Leaf, IsEncodedAsTheVector) {
  const Bytes expected = own_format("leaf");
  const auto leaf = decode_leaf(as_text(expected));
  ASSERT_TRUE(leaf);
  EXPECT_EQ(leaf->type, LeafType::habilitation);
  EXPECT_EQ(leaf->time, UnixMillis{1700000000123});
  EXPECT_EQ(to_bytes(leaf->record), own_format("record_digest"));
  ASSERT_TRUE(leaf->directory);
  EXPECT_EQ(leaf->directory->number, DirectoryNumber{7});
  EXPECT_EQ(leaf->directory->digest, crypto::sha256(as_bytes("directory")));
  EXPECT_EQ(leaf->statement, "rollback accepted");
  EXPECT_EQ(to_bytes(encode(*leaf)), expected);
  EXPECT_EQ(to_bytes(leaf_hash(expected)), own_format("leaf_hash"));
}

TEST(Leaf, OfEveryShapeIsReadBack) {
  for (const Leaf& leaf : leaves_of_every_shape()) {
    const auto decoded = decode_leaf(encode(leaf));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, leaf);
  }
}

TEST(Leaf, TypesAreTheActsOfTheJournal) {
  const std::vector<std::string_view> acts = {
      "collecte", "modification", "consultation", "communication", "transfert", "interconnexion", "effacement",
      "refus",    "connexion",    "habilitation", "export",        "agrement",  "verification",   "registre"};
  for (const std::string_view act : acts) {
    const auto type = leaf_type_of(act);
    ASSERT_TRUE(type) << act;
    EXPECT_EQ(text_of(*type), act);
  }
  EXPECT_FALSE(leaf_type_of("exportation"));
  EXPECT_FALSE(leaf_type_of(""));
  EXPECT_FALSE(leaf_type_of("Collecte"));
}

TEST(Leaf, TruncatedAnywhereIsRefused) {
  for (const Leaf& leaf : leaves_of_every_shape()) {
    const std::string bytes = encode(leaf);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const auto decoded = decode_leaf(std::string_view(bytes).substr(0, size));
      // The optional lines end a leaf: cut off whole, they leave another leaf, and another hash.
      if (decoded) {
        EXPECT_EQ(encode(*decoded), bytes.substr(0, size));
      } else {
        EXPECT_EQ(decoded.error().code, Errc::invalid_input);
      }
    }
  }
  const std::string plain = encode(leaves_of_every_shape()[0]);
  for (std::size_t size = 0; size < plain.size(); ++size)
    EXPECT_FALSE(decode_leaf(std::string_view(plain).substr(0, size))) << size;
}

TEST(Leaf, WithAnyBitFlippedIsRefusedOrEncodesToTheFlippedBytes) {
  for (const Leaf& leaf : leaves_of_every_shape()) {
    const std::string bytes = encode(leaf);
    for (std::size_t i = 0; i < bytes.size() * 8; ++i) {
      std::string flipped = bytes;
      flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << (i % 8)));
      const auto decoded = decode_leaf(flipped);
      if (decoded) {
        EXPECT_EQ(encode(*decoded), flipped) << i;
      }
    }
  }
}

TEST(Leaf, InAnyOtherSpellingIsRefused) {
  const std::string record = "record " + std::string(64, 'a') + "\n";
  const std::string head = "pli-leaf/1 collecte\ntime 5\n" + record;
  const std::string directory = "directory 3 " + std::string(64, 'b') + "\n";
  const std::string statement = "statement words\n";
  ASSERT_TRUE(decode_leaf(head + directory + statement));
  for (const std::string& bytes : {
           std::string(),
           std::string("\n"),
           head + "\n",
           "\n" + head,
           head + " ",
           head + "more\n",
           "pli-leaf/2 collecte\ntime 5\n" + record,
           "pli-leaf/1  collecte\ntime 5\n" + record,
           "pli-leaf/1 collecte \ntime 5\n" + record,
           "pli-leaf/1 collecte\r\ntime 5\r\n" + record,
           "pli-leaf/1 inconnu\ntime 5\n" + record,
           "pli-leaf/1 collecte\ntime 05\n" + record,
           "pli-leaf/1 collecte\ntime -5\n" + record,
           "pli-leaf/1 collecte\ntime +5\n" + record,
           "pli-leaf/1 collecte\ntime \n" + record,
           "pli-leaf/1 collecte\ntime 9223372036854775808\n" + record,
           "pli-leaf/1 collecte\n" + record + "time 5\n",
           "pli-leaf/1 collecte\ntime 5\nrecord " + std::string(64, 'A') + "\n",
           "pli-leaf/1 collecte\ntime 5\nrecord " + std::string(62, 'a') + "\n",
           "pli-leaf/1 collecte\ntime 5\nrecord " + std::string(66, 'a') + "\n",
           head + "directory 0 " + std::string(64, 'b') + "\n",
           head + "directory 03 " + std::string(64, 'b') + "\n",
           head + "directory 3 " + std::string(64, 'B') + "\n",
           head + "directory 3  " + std::string(64, 'b') + "\n",
           head + "directory 3\n",
           head + "directory 3 " + std::string(63, 'b') + "\n",
           head + directory + directory,
           head + statement + directory,
           head + statement + statement,
           head + "statement \n",
           head + "statement\n",
           head + "statement caf\xC3\xA9\n",
           head + "statement a\tb\n",
           head + "statement \x7F\n",
           head + "statement " + std::string(701, 'x') + "\n",
       }) {
    const auto decoded = decode_leaf(bytes);
    ASSERT_FALSE(decoded) << bytes;
    EXPECT_EQ(decoded.error().code, Errc::invalid_input);
  }
}

TEST(Leaf, AtItsLongestStaysUnderOneKibibyte) {
  const Leaf longest{LeafType::interconnexion, UnixMillis{std::numeric_limits<std::int64_t>::max()}, Digest{},
                     DirectoryReference{DirectoryNumber{~std::uint64_t{0}}, Digest{}},
                     std::string(leaf_statement_bytes_max, 'x')};
  const std::string bytes = encode(longest);
  EXPECT_LT(bytes.size(), 1024U);
  EXPECT_EQ(*decode_leaf(bytes), longest);
}

TEST(LeafDeathTest, EncodingWhatWouldNotBeReadTerminates) {
  Leaf leaf = leaves_of_every_shape()[0];
  leaf.time = UnixMillis{-1};
  EXPECT_DEATH((void)encode(leaf), "broken invariant");
  leaf = leaves_of_every_shape()[0];
  leaf.statement = "two\nlines";
  EXPECT_DEATH((void)encode(leaf), "broken invariant");
  leaf.statement = std::string(701, 'x');
  EXPECT_DEATH((void)encode(leaf), "broken invariant");
  leaf.statement = "";
  EXPECT_DEATH((void)encode(leaf), "broken invariant");
}

}  // namespace
}  // namespace pli::audit::test
