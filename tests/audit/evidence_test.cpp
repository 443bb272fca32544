#include "audit/evidence.hpp"

#include <gtest/gtest.h>

#include "support.hpp"

namespace pli::audit::test {
namespace {

TreeHead head_of(std::uint64_t size, std::uint8_t root, std::string_view origin = log_origin) {
  TreeHead head{std::string(origin), TreeSize{size}, {}};
  head.root.fill(root);
  return head;
}

Evidence some_evidence() {
  return {sign_checkpoint(head_of(21, 1), key_of(1)), sign_checkpoint(head_of(21, 2), key_of(1))};
}

TEST(EvidenceText, HoldsBothNotesVerbatimAndReadsBack) {
  const Evidence evidence = some_evidence();
  const std::string text = to_text(evidence);
  EXPECT_EQ(text, "pli-evidence/1\nTwo notes signed by one log that cannot both be true.\n\n---- first\n" +
                      evidence.first + "\n---- second\n" + evidence.second);
  const auto read = parse_evidence(text);
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, evidence);
}

TEST(EvidenceText, CutAnywhereIsRefused) {
  const std::string text = to_text(some_evidence());
  for (std::size_t size = 0; size < text.size(); ++size) {
    const auto read = parse_evidence(text.substr(0, size));
    ASSERT_FALSE(read) << size;
    EXPECT_EQ(read.error().code, Errc::invalid_input);
  }
}

TEST(EvidenceText, WithoutTwoNotesOfTreeHeadsIsRefused) {
  const Evidence good = some_evidence();
  Note other{"a note of something else\n", {}};
  sign_note(other, log_origin, key_of(1));
  for (const std::string& text :
       {to_text({good.first, ""}), to_text({"", good.second}), to_text({to_text(other), good.second}),
        to_text({good.first, to_text(other)}), to_text(good) + "\n", "x" + to_text(good),
        to_text({good.first, "---- second\n" + good.second}),
        std::string("pli-evidence/1\nA member says that it was shown another place in a queue than we are. ")}) {
    const auto read = parse_evidence(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, Errc::invalid_input);
  }
}

TEST(EvidenceText, OfTheLimitIsReadAndALongerOneIsNot) {
  EXPECT_EQ(parse_evidence(std::string(evidence_bytes_max, 'x')).error().code, Errc::invalid_input);
  EXPECT_EQ(parse_evidence(std::string(evidence_bytes_max + 1, 'x')).error().code, Errc::over_limit);
}

TEST(EvidenceFinding, IsAForkOnlyForTwoRootsOfOneSizeAndOrigin) {
  EXPECT_EQ(compare(head_of(21, 1), head_of(21, 2)), Finding::two_trees);
  EXPECT_EQ(compare(head_of(21, 1), head_of(21, 1)), Finding::same_tree);
  EXPECT_EQ(compare(head_of(21, 1), head_of(20, 1)), Finding::shrunk);
  EXPECT_EQ(compare(head_of(20, 1), head_of(21, 2)), Finding::grown);
  EXPECT_EQ(compare(head_of(21, 1), head_of(21, 2, "broker.example/pli/89/2026-2")), Finding::two_shards);
}

}  // namespace
}  // namespace pli::audit::test
