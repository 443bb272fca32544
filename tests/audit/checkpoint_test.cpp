#include "audit/checkpoint.hpp"

#include <gtest/gtest.h>

#include "crypto/base64.hpp"
#include "support.hpp"

namespace pli::audit::test {
namespace {

constexpr std::string_view vector_origin = "broker.example/audit";
constexpr std::string_view root_line = "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=";

TreeHead vector_head() {
  return {std::string(vector_origin), TreeSize{8},
          digest_of("5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328")};
}

/// A note over any text at all, signed as the log would.
std::string signed_text(const std::string& text, std::string_view name = vector_origin) {
  Note note{text, {}};
  sign_note(note, name, key_of(1));
  return to_text(note);
}

TEST(Checkpoint, OfTheVectorIsVerifiedWithItsWitnessLineLeftAside) {
  const std::string note = vector_file("checkpoint.note");
  const auto checkpoint = verify_checkpoint(note, verifier_of(vector_origin, key_of(1)));
  ASSERT_TRUE(checkpoint);
  EXPECT_EQ(checkpoint->head(), vector_head());
  EXPECT_EQ(checkpoint->note(), note);
}

TEST(Checkpoint, SignedByUsIsTheVectorToTheByte) {
  const std::string note = vector_file("checkpoint.note");
  const std::string without_witness = note.substr(0, note.find("\xE2\x80\x94 witness"));
  EXPECT_EQ(sign_checkpoint(vector_head(), key_of(1)), without_witness);
}

TEST(Checkpoint, OfAnEmptyTreeIsSignedAndVerified) {
  const TreeHead head{std::string(vector_origin), TreeSize{0}, empty_root()};
  const auto checkpoint = verify_checkpoint(sign_checkpoint(head, key_of(1)), verifier_of(vector_origin, key_of(1)));
  ASSERT_TRUE(checkpoint);
  EXPECT_EQ(checkpoint->head(), head);
}

TEST(Checkpoint, WithAnyBitOfTheSignedPartFlippedIsRefused) {
  const VerifierKey key = verifier_of(vector_origin, key_of(1));
  const std::string note = sign_checkpoint(vector_head(), key_of(1));
  for (std::size_t i = 0; i < note.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = note;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      EXPECT_FALSE(verify_checkpoint(flipped, key)) << i << '.' << bit;
    }
  }
}

TEST(Checkpoint, TruncatedAnywhereIsRefused) {
  const VerifierKey key = verifier_of(vector_origin, key_of(1));
  const std::string note = sign_checkpoint(vector_head(), key_of(1));
  for (std::size_t size = 0; size < note.size(); ++size)
    EXPECT_FALSE(verify_checkpoint(std::string_view(note).substr(0, size), key)) << size;
}

TEST(Checkpoint, OfAnotherKeyNameOrTypeIsRefused) {
  const std::string note = sign_checkpoint(vector_head(), key_of(1));
  EXPECT_EQ(verify_checkpoint(note, verifier_of(vector_origin, key_of(2))).error().code, Errc::authentication_failed);
  EXPECT_EQ(verify_checkpoint(note, verifier_of("other.example", key_of(1))).error().code, Errc::authentication_failed);
  VerifierKey cosigner = verifier_of(vector_origin, key_of(1));
  cosigner.type = KeyType::cosignature;
  EXPECT_EQ(verify_checkpoint(note, cosigner).error().code, Errc::authentication_failed);
}

TEST(Checkpoint, OfAnotherOriginThanItsSignersIsRefused) {
  // Properly signed by the log's key under its name, over the head of another log.
  const std::string note = signed_text("other.example/log\n8\n" + std::string(root_line) + "\n");
  EXPECT_EQ(verify_checkpoint(note, verifier_of(vector_origin, key_of(1))).error().code, Errc::authentication_failed);
}

TEST(Checkpoint, OfAnyOtherShapeIsRefusedThoughProperlySigned) {
  const VerifierKey key = verifier_of(vector_origin, key_of(1));
  const std::string origin = std::string(vector_origin) + "\n";
  const std::string root = std::string(root_line) + "\n";
  ASSERT_TRUE(verify_checkpoint(signed_text(origin + "8\n" + root), key));
  for (const std::string& text : {
           std::string("\n"),
           origin,
           origin + "8\n",
           origin + root,
           origin + "8\n\n" + root,
           origin + "8\n" + root + "an extension\n",                        // our profile has none
           origin + "8\n" + root + "\n",                                    //
           "\n" + origin + "8\n" + root,                                    //
           "\n8\n" + root,                                                  // no origin
           "Broker.example/audit\n8\n" + root,                              // not a name of ours
           "broker example\n8\n" + root,                                    //
           origin + "08\n" + root,                                          // leading zero
           origin + "00\n" + root,                                          //
           origin + "+8\n" + root,                                          //
           origin + "-8\n" + root,                                          //
           origin + " 8\n" + root,                                          //
           origin + "8 \n" + root,                                          //
           origin + "0x8\n" + root,                                         //
           origin + "8.0\n" + root,                                         //
           origin + "\n" + root,                                            //
           origin + "9223372036854775808\n" + root,                         // 2^63
           origin + "18446744073709551616\n" + root,                        // 2^64
           origin + "18446744073709551624\n" + root,                        // 2^64 + 8
           origin + "0\n" + root,                                           // an empty tree has one root only
           origin + "8\n" + std::string(root_line.substr(0, 43)) + "\n",    // padding missing
           origin + "8\n" + std::string(root_line.substr(0, 42)) + "h=\n",  // spare bits
           origin + "8\n" + crypto::to_base64(Bytes(31, 1)) + "\n",
           origin + "8\n" + crypto::to_base64(Bytes(33, 1)) + "\n",
           origin + "8\n " + root,
           origin + "8\n\n",
       }) {
    const auto checkpoint = verify_checkpoint(signed_text(text), key);
    EXPECT_FALSE(checkpoint) << text;
  }
  EXPECT_TRUE(verify_checkpoint(signed_text(origin + "9223372036854775807\n" + root), key));
}

TEST(TreeHead, TextIsReadBack) {
  EXPECT_EQ(to_text(vector_head()), "broker.example/audit\n8\n" + std::string(root_line) + "\n");
  EXPECT_EQ(*parse_tree_head(to_text(vector_head())), vector_head());
  EXPECT_EQ(parse_tree_head("broker.example/audit\n8\n" + std::string(root_line)).error().code, Errc::invalid_input);
}

TEST(CheckpointDeathTest, SigningWhatWouldNotBeReadTerminates) {
  EXPECT_DEATH((void)sign_checkpoint({"an origin", TreeSize{1}, Digest{}}, key_of(1)), "broken invariant");
  EXPECT_DEATH((void)sign_checkpoint({"a", TreeSize{std::uint64_t{1} << 63}, Digest{}}, key_of(1)), "broken invariant");
  EXPECT_DEATH((void)sign_checkpoint({"a", TreeSize{0}, Digest{}}, key_of(1)), "broken invariant");
}

}  // namespace
}  // namespace pli::audit::test
