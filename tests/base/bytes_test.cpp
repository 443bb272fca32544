#include "base/bytes.hpp"

#include <gtest/gtest.h>

namespace pli {
namespace {

TEST(ByteReader, ReadsBackWhatTheWriterWrote) {
  ByteWriter out;
  out.u8(7);
  out.u16(0x0102);
  out.u32(0x03040506);
  out.u64(0x0708090a0b0c0d0eULL);
  out.string8("ged/89");
  out.bytes16(as_bytes("seal"));
  out.bytes32(as_bytes("payload"));
  ByteReader in(out.bytes());
  EXPECT_EQ(in.u8(), 7);
  EXPECT_EQ(in.u16(), 0x0102);
  EXPECT_EQ(in.u32(), 0x03040506U);
  EXPECT_EQ(in.u64(), 0x0708090a0b0c0d0eULL);
  EXPECT_EQ(in.string8(), "ged/89");
  EXPECT_EQ(as_text(in.bytes16()), "seal");
  EXPECT_EQ(as_text(in.bytes32()), "payload");
  EXPECT_TRUE(in.at_end());
}

TEST(ByteReader, FailsForGoodAtEveryTruncation) {
  ByteWriter out;
  out.u32(1);
  out.string8("abc");
  out.bytes16(as_bytes("defgh"));
  for (std::size_t size = 0; size < out.bytes().size(); ++size) {
    ByteReader in(ByteView(out.bytes()).first(size));
    (void)in.u32();
    (void)in.string8();
    (void)in.bytes16();
    EXPECT_FALSE(in.ok()) << size;
    EXPECT_EQ(in.u64(), 0U);
    EXPECT_FALSE(in.at_end());
  }
}

TEST(ByteReader, IsNotAtEndWhileBytesAreLeft) {
  Bytes bytes = {1, 2};
  ByteReader in(bytes);
  (void)in.u8();
  EXPECT_TRUE(in.ok());
  EXPECT_FALSE(in.at_end());
}

TEST(Hex, RoundTripsAndRefusesAnythingElse) {
  Bytes bytes = {0x00, 0x9f, 0xff};
  EXPECT_EQ(to_hex(bytes), "009fff");
  EXPECT_EQ(from_hex("009fff"), bytes);
  EXPECT_FALSE(from_hex("009FFF"));
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("0g"));
}

TEST(Hex, TakesTheSixteenDigitsAndNoOtherByteAtEitherPlace) {
  const std::string digits = "0123456789abcdef";
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const std::size_t value = digits.find(c);
    const auto high = from_hex(std::string{c, '3'});
    const auto low = from_hex(std::string{'3', c});
    ASSERT_EQ(high.has_value(), value != std::string::npos) << byte;
    ASSERT_EQ(low.has_value(), value != std::string::npos) << byte;
    if (!high || !low) continue;
    EXPECT_EQ(*high, Bytes{static_cast<std::uint8_t>(value * 16 + 3)});
    EXPECT_EQ(*low, Bytes{static_cast<std::uint8_t>(0x30 + value)});
  }
  EXPECT_EQ(from_hex(""), Bytes{});
}

}  // namespace
}  // namespace pli
