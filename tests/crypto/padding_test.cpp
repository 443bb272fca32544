#include "tests/crypto/support.hpp"

namespace pli::crypto {
namespace {

TEST(Padding, IsALengthTheDataAndZeros) {
  EXPECT_EQ(to_hex(*pad_to(as_bytes("abc"), 10)), "00000003616263000000");
  EXPECT_EQ(to_hex(*pad_to({}, 4)), "00000000");
}

TEST(Padding, RoundTripsAtEverySizeThatFits) {
  Seeded random;
  for (std::size_t size = 0; size <= 600; ++size) {
    const Bytes data = random.bytes(size);
    const std::size_t bucket = size + 4 + random.below(50);
    const auto padded = pad_to(data, bucket);
    ASSERT_TRUE(padded);
    EXPECT_EQ(padded->size(), bucket);
    const auto back = unpad(*padded);
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, data);
  }
}

TEST(Padding, RefusesWhatDoesNotFit) {
  EXPECT_EQ(pad_to(Bytes(7), 10).error().code, Errc::over_limit);
  EXPECT_EQ(pad_to({}, 3).error().code, Errc::over_limit);
  EXPECT_TRUE(pad_to(Bytes(6), 10));
}

TEST(Padding, RefusesEveryNonZeroFiller) {
  const Bytes padded = *pad_to(as_bytes("abc"), 64);
  for (std::size_t i = 7; i < padded.size(); ++i) {
    Bytes changed = padded;
    changed[i] = 1;
    const auto back = unpad(changed);
    ASSERT_FALSE(back) << i;
    EXPECT_EQ(back.error().code, Errc::invalid_input);
  }
}

TEST(Padding, RefusesALengthBeyondTheBucketAndTooFewBytes) {
  for (std::size_t size = 0; size < 4; ++size) EXPECT_EQ(unpad(Bytes(size)).error().code, Errc::invalid_input);
  EXPECT_FALSE(unpad(hex("00000001")));
  EXPECT_FALSE(unpad(hex("ffffffff00000000")));
  EXPECT_FALSE(unpad(hex("0000000500000000")));
  EXPECT_TRUE(unpad(hex("0000000400000000")));
}

TEST(PaddingBucket, HoldsTheDataAndWastesAtMostAnEighth) {
  Seeded random;
  for (int round = 0; round < 20000; ++round) {
    const std::size_t size = random.below(std::size_t{1} << (1 + random.below(34)));
    const std::size_t bucket = padding_bucket(size);
    ASSERT_GE(bucket, size + 4) << size;
    ASSERT_GE(bucket, 1024U) << size;
    if (bucket > 1024) {
      ASSERT_LE(static_cast<double>(bucket - size - 4), 0.12 * static_cast<double>(size + 4)) << size;
    }
    ASSERT_EQ(padding_bucket(bucket - 4), bucket) << "a full bucket is its own";
    ASSERT_LE(padding_bucket(size), padding_bucket(size + 1)) << size;
  }
}

TEST(PaddingBucket, MatchesPadmesTable) {
  EXPECT_EQ(padding_bucket(0), 1024U);
  EXPECT_EQ(padding_bucket(1020), 1024U);
  // 1,025 needs 11 bits, of which the last 10 - 4 = 6 must be zero.
  EXPECT_EQ(padding_bucket(1021), 1088U);
  EXPECT_EQ(padding_bucket(1084), 1088U);
  EXPECT_EQ(padding_bucket(1085), 1152U);
  // 2^20 + 1: 21 bits, the last 20 - 5 = 15 zero.
  EXPECT_EQ(padding_bucket((1U << 20) - 3), (1U << 20) + (1U << 15));
}

TEST(PaddingBucket, LeavesFewLengthsToTellApart) {
  std::size_t buckets = 0;
  for (std::size_t size = 0, bucket = 0; size <= 8U << 20; size = bucket - 3) {
    bucket = padding_bucket(size);
    ++buckets;
  }
  EXPECT_LT(buckets, 400U) << "between 0 and 8 MiB";
}

}  // namespace
}  // namespace pli::crypto
