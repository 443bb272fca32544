#include "audit/outside_checkpoint.hpp"

#include <gtest/gtest.h>

#include "crypto/hash.hpp"
#include "support.hpp"

namespace pli::audit::test {
namespace {

Bytes file_of(ByteView first, ByteView second) {
  Bytes file = to_bytes(first);
  append(file, second);
  return file;
}

/// The slot as it would be with other bytes in front of its digest.
Bytes with_digest(Bytes slot) {
  const Digest digest = crypto::sha256(ByteView(slot).first(480));
  std::copy(digest.begin(), digest.end(), slot.begin() + 480);
  return slot;
}

TEST(OutsideSlot, IsEncodedAsTheVector) {
  const auto slot = encode_slot({258, "note"});
  ASSERT_TRUE(slot);
  EXPECT_EQ(to_bytes(*slot), own_format("slot"));
  EXPECT_EQ(decode_slot(*slot), (OutsideSlot{258, "note"}));
}

TEST(OutsideSlot, HoldsACheckpointAndNoLongerNoteThanFits) {
  const std::string checkpoint =
      sign_checkpoint({std::string(log_origin), TreeSize{(std::uint64_t{1} << 63) - 1}, Digest{}}, key_of(1));
  const OutsideSlot slot{7, checkpoint};
  ASSERT_TRUE(encode_slot(slot));
  EXPECT_EQ(decode_slot(*encode_slot(slot)), slot);
  const OutsideSlot longest{~std::uint64_t{0}, std::string(outside_note_bytes_max, 'x')};
  EXPECT_EQ(decode_slot(*encode_slot(longest)), longest);
  EXPECT_EQ(encode_slot({1, std::string(outside_note_bytes_max + 1, 'x')}).error().code, Errc::over_limit);
}

TEST(OutsideSlot, OfTheLongestOriginFits) {
  const std::string origin(key_name_bytes_max, 'o');
  const std::string checkpoint = sign_checkpoint({origin, TreeSize{(std::uint64_t{1} << 63) - 1}, Digest{}}, key_of(1));
  EXPECT_TRUE(encode_slot({1, checkpoint}));
}

TEST(OutsideSlot, WithAnyBitFlippedIsNothing) {
  const auto slot = encode_slot({258, "note"}).value();
  for (std::size_t i = 0; i < slot.size() * 8; ++i) {
    auto flipped = slot;
    flipped[i / 8] = static_cast<std::uint8_t>(flipped[i / 8] ^ (1 << (i % 8)));
    EXPECT_FALSE(decode_slot(flipped)) << i;
  }
}

TEST(OutsideSlot, TornAtAnySizeIsNothing) {
  const auto older = encode_slot({256, "an older note"}).value();
  const auto newer = encode_slot({258, "a newer note, longer"}).value();
  for (std::size_t torn = 0; torn <= newer.size(); ++torn) {
    EXPECT_EQ(decode_slot(ByteView(newer).first(torn)).has_value(), torn == newer.size());
    // The first bytes are new, the rest is what stood there.
    auto mixed = older;
    std::copy_n(newer.begin(), torn, mixed.begin());
    const auto read = decode_slot(mixed);
    if (read) {
      EXPECT_TRUE(mixed == older || mixed == newer) << torn;
    }
  }
  EXPECT_FALSE(decode_slot(Bytes(512, 0)));
  EXPECT_FALSE(decode_slot(Bytes(513, 0)));
}

TEST(OutsideSlot, OfAnyOtherShapeIsNothingThoughItsDigestIsRight) {
  const Bytes good = to_bytes(encode_slot({258, "note"}).value());
  ASSERT_TRUE(decode_slot(with_digest(good)));
  Bytes other_magic = good;
  other_magic[7] = '2';
  EXPECT_FALSE(decode_slot(with_digest(other_magic)));
  Bytes too_long = good;
  too_long[16] = 0x01;
  too_long[17] = 0xCF;  // 463 bytes, one more than fit
  EXPECT_FALSE(decode_slot(with_digest(too_long)));
  Bytes not_padded = good;
  not_padded[479] = 1;
  EXPECT_FALSE(decode_slot(with_digest(not_padded)));
}

TEST(OutsideFile, P10GivesTheNewerOfItsSlots) {
  const auto older = encode_slot({8, "older"}).value();
  const auto newer = encode_slot({9, "newer"}).value();
  EXPECT_EQ(newest_slot(file_of(older, newer))->note, "newer");
  EXPECT_EQ(newest_slot(file_of(newer, older))->note, "newer");
  EXPECT_EQ(newest_slot(file_of(newer, newer))->note, "newer");
}

TEST(OutsideFile, P10LosesOneSlotAtMostToATornWrite) {
  const auto standing = encode_slot({8, "standing"}).value();
  const auto written = encode_slot({9, "being written"}).value();
  for (std::size_t torn = 0; torn < written.size(); ++torn) {
    Bytes slot(512, 0);
    std::copy_n(written.begin(), torn, slot.begin());
    EXPECT_EQ(newest_slot(file_of(standing, slot))->note, "standing") << torn;
    EXPECT_EQ(newest_slot(file_of(slot, standing))->note, "standing") << torn;
  }
}

TEST(OutsideFile, WithoutAValidSlotIsCorrupt) {
  const Bytes zeros(512, 0);
  EXPECT_EQ(newest_slot(file_of(zeros, zeros)).error().code, Errc::corruption);
  EXPECT_EQ(newest_slot({}).error().code, Errc::corruption);
  const auto slot = encode_slot({8, "note"}).value();
  EXPECT_EQ(newest_slot(slot).error().code, Errc::corruption);
  Bytes three = file_of(slot, slot);
  append(three, slot);
  EXPECT_EQ(newest_slot(three).error().code, Errc::corruption);
}

TEST(OutsideFile, WithTwoNotesOfOneTurnIsCorrupt) {
  const auto first = encode_slot({8, "one"}).value();
  const auto second = encode_slot({8, "two"}).value();
  EXPECT_EQ(newest_slot(file_of(first, second)).error().code, Errc::corruption);
}

}  // namespace
}  // namespace pli::audit::test
