#include "protocol/printable.hpp"

#include <gtest/gtest.h>

#include <string>

namespace pli::protocol {
namespace {

using namespace std::string_literals;

TEST(Printable, LeavesWordsOfAnyLanguageAsTheyAre) {
  for (const char* text : {"", "Auxerre", "Égriselles-le-Bocage", "Saint-Père — l’été", "Łódź, Ελλάδα, 日本, 🚲"})
    EXPECT_EQ(printable(text), text);
}

TEST(Printable, ReplacesEveryControlCharacter) {
  for (char32_t c = 0; c < 0x20; ++c) {
    const std::string text{'a', static_cast<char>(c), 'b'};
    if (c == U'\t') {
      EXPECT_EQ(printable(text), "a b");
    } else {
      EXPECT_EQ(printable(text), "a\xef\xbf\xbd"s + "b") << static_cast<int>(c);
    }
  }
  EXPECT_EQ(printable("a\x7f"), "a\xef\xbf\xbd");
  for (int c = 0x80; c <= 0x9f; ++c)  // C1: U+009B alone begins an escape sequence
    EXPECT_EQ(printable("\xc2"s + static_cast<char>(c)), "\xef\xbf\xbd") << c;
}

TEST(Printable, KeepsLineFeedsOnlyWhereAsked) {
  EXPECT_EQ(printable("a\nb"), "a\xef\xbf\xbd"s + "b");
  EXPECT_EQ(printable("a\nb", Newlines::keep), "a\nb");
  EXPECT_EQ(printable("a\r\nb", Newlines::keep), "a\xef\xbf\xbd\nb");
}

TEST(Printable, ReplacesWhatTurnsTheReadingOrderOrHides) {
  for (const char* hidden : {"\u202e", "\u202a", "\u2066", "\u2069", "\u200e", "\u200f", "\u061c", "\u2028", "\u2029",
                             "\ufeff", "\ufff9", "\U000e0041"})
    EXPECT_EQ(printable(hidden), "\xef\xbf\xbd");
}

TEST(Printable, ReplacesBytesThatAreNotUtf8) {
  // Lone continuation, cut sequence, overlong slash, surrogate, past the last character, 8-bit escape introducer.
  EXPECT_EQ(printable("\x9b"s + "31m"), "\xef\xbf\xbd"s + "31m");
  for (const std::string& bad : {"\x80"s, "\xc3"s, "\xc0\xaf"s, "\xe0\x80\xaf"s, "\xed\xa0\x80"s, "\xf4\x90\x80\x80"s,
                                 "\xff"s, "\xf8\x88\x80\x80\x80"s}) {
    EXPECT_FALSE(count_characters(bad).has_value());
    const std::string shown = printable(bad);
    EXPECT_TRUE(count_characters(shown).has_value());
    EXPECT_EQ(shown.substr(0, 3), "\xef\xbf\xbd");
  }
}

TEST(CountCharacters, CountsCharactersNotBytes) {
  EXPECT_EQ(count_characters(""), 0U);
  EXPECT_EQ(count_characters("été"), 3U);
  EXPECT_EQ(count_characters("日本🚲"), 3U);
}

TEST(TakeCharacter, ReadsEveryCharacterThereIs) {
  auto utf8 = [](char32_t c) {
    std::string out;
    auto put = [&](unsigned value) { out += static_cast<char>(value); };
    if (c < 0x80) {
      put(c);
    } else if (c < 0x800) {
      put(0xc0U | c >> 6);
      put(0x80U | (c & 0x3fU));
    } else if (c < 0x10000) {
      put(0xe0U | c >> 12);
      put(0x80U | (c >> 6 & 0x3fU));
      put(0x80U | (c & 0x3fU));
    } else {
      put(0xf0U | c >> 18);
      put(0x80U | (c >> 12 & 0x3fU));
      put(0x80U | (c >> 6 & 0x3fU));
      put(0x80U | (c & 0x3fU));
    }
    return out;
  };
  for (char32_t c = 0; c <= 0x10ffff; ++c) {
    const std::string text = utf8(c);
    std::string_view rest = text;
    const auto read = take_character(rest);
    if (c >= 0xd800 && c <= 0xdfff) {
      ASSERT_FALSE(read) << "surrogate";
      ASSERT_EQ(rest.size(), text.size());
    } else {
      ASSERT_EQ(read, c);
      ASSERT_TRUE(rest.empty());
    }
  }
}

}  // namespace
}  // namespace pli::protocol
