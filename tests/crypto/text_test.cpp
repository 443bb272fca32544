// Base64 and Bech32: one spelling for each value, and nothing else taken.
#include "crypto/base64.hpp"
#include "crypto/bech32.hpp"
#include "crypto/random.hpp"
#include "tests/crypto/support.hpp"

namespace pli::crypto {
namespace {

TEST(Base64, MatchesRfc4648) {
  const std::pair<const char*, const char*> cases[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, padded] : cases) {
    EXPECT_EQ(to_base64(as_bytes(plain)), padded);
    EXPECT_EQ(from_base64(padded), to_bytes(plain));
    std::string unpadded = padded;
    while (unpadded.ends_with('=')) unpadded.pop_back();
    EXPECT_EQ(to_base64_unpadded(as_bytes(plain)), unpadded);
    EXPECT_EQ(from_base64_unpadded(unpadded), to_bytes(plain));
  }
}

TEST(Base64, RefusesPaddingThatIsNotWhatTheFormatDemands) {
  for (const char* text : {"Zg", "Zg=", "Zg===", "Zm8", "Zm8==", "Zm9v=", "====", "=", "Z===", "Zg==Zg=="}) {
    EXPECT_FALSE(from_base64(text)) << text;
  }
  for (const char* text : {"Zg==", "Zg=", "Zm8=", "=", "Z"}) EXPECT_FALSE(from_base64_unpadded(text)) << text;
}

TEST(Base64, RefusesWhiteSpaceAndForeignCharacters) {
  for (const char* text : {"Zm9v\n", "\nZm9v", "Zm 9v", "Zm9v ", "Zm9v\r", "Zm9\xc3\xa9", "Zm-v", "Zm_v", "Zm.v"}) {
    EXPECT_FALSE(from_base64(text)) << text;
    EXPECT_FALSE(from_base64_unpadded(text)) << text;
  }
  EXPECT_FALSE(from_base64(std::string_view("Zm9\0", 4)));
}

TEST(Base64, RefusesEveryByteOutsideItsAlphabet) {
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (int c = 0; c < 256; ++c) {
    const char byte = static_cast<char>(c);
    const bool letter = alphabet.find(byte) != std::string::npos;
    for (std::size_t i = 0; i < 4; ++i) {
      std::string text = "AAAA";
      text[i] = byte;
      EXPECT_EQ(from_base64_unpadded(text).has_value(), letter) << c;
      EXPECT_EQ(from_base64(text).has_value(), letter || (i == 3 && byte == '=')) << c;
    }
  }
}

TEST(Base64, FillsNoMoreThanItIsGiven) {
  ByteArray<3> three{};
  EXPECT_EQ(from_base64_into("Zm9v", three), 3U);
  EXPECT_EQ(as_text(three), "foo");
  EXPECT_EQ(from_base64_into("Zg==", three), 1U);
  EXPECT_FALSE(from_base64_into("Zm9vYg==", three));
}

TEST(Base64, RefusesSpareBits) {
  // Of the sixteen or four last characters that decode to the same bytes, one is canonical.
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  int taken = 0;
  for (const char last : alphabet) {
    if (from_base64_unpadded(std::string("Z") + last)) ++taken;
  }
  EXPECT_EQ(taken, 4);
  taken = 0;
  for (const char last : alphabet) {
    if (from_base64(std::string("Zm") + last + "=")) ++taken;
  }
  EXPECT_EQ(taken, 16);
}

TEST(Base64, WhateverDecodesEncodesToTheSameText) {
  Seeded random;
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/==\n ";
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (std::size_t i = random.below(9); i > 0; --i) text += alphabet[random.below(alphabet.size())];
    if (const auto bytes = from_base64(text)) {
      EXPECT_EQ(to_base64(*bytes), text);
    }
    if (const auto bytes = from_base64_unpadded(text)) {
      EXPECT_EQ(to_base64_unpadded(*bytes), text);
    }
    const Bytes bytes = random.bytes(random.below(200));
    EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
    EXPECT_EQ(from_base64_unpadded(to_base64_unpadded(bytes)), bytes);
  }
}

TEST(KeyText, MatchesAge) {
  const auto age_secret = SecretKey::copy_of(hex(seam_vector("identity_age_secret")));
  const AgePublic age_public{hex_array<32>(seam_vector("identity_age_public"))};
  EXPECT_EQ(to_identity_text(age_secret), seam_vector("age_identity_text"));
  EXPECT_EQ(to_recipient_text(age_public), seam_vector("age_recipient_text"));
  EXPECT_EQ(
      to_hex(parse_identity("AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0")->expose()),
      "ca1626252c53cf1a4dc46695e7fcc46594cb4ccadedb6712dfda0753f3ae355e");
}

TEST(KeyText, RoundTrips) {
  for (int round = 0; round < 200; ++round) {
    const AgePublic key{random_array<32>()};
    const std::string text = to_recipient_text(key);
    EXPECT_EQ(text.size(), 62U);
    const auto parsed = parse_recipient(text);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(*parsed, key);
    const auto secret = SecretKey::copy_of(key.bytes);
    const std::string identity = to_identity_text(secret);
    EXPECT_EQ(identity.size(), 74U);
    const auto parsed_identity = parse_identity(identity);
    ASSERT_TRUE(parsed_identity);
    EXPECT_TRUE(same_secret(parsed_identity->expose(), secret.expose()));
  }
}

TEST(KeyText, RefusesEveryChangedCharacter) {
  const std::string recipient = seam_vector("age_recipient_text");
  const std::string identity = seam_vector("age_identity_text");
  for (int c = 0; c < 256; ++c) {
    for (std::size_t i = 0; i < recipient.size(); ++i) {
      std::string changed = recipient;
      changed[i] = static_cast<char>(c);
      if (changed != recipient) {
        EXPECT_FALSE(parse_recipient(changed)) << i;
      }
    }
    for (std::size_t i = 0; i < identity.size(); ++i) {
      std::string changed = identity;
      changed[i] = static_cast<char>(c);
      if (changed != identity) {
        EXPECT_FALSE(parse_identity(changed)) << i;
      }
    }
  }
}

TEST(KeyText, RefusesTheOtherCaseOtherLengthsAndOtherPrefixes) {
  std::string recipient = seam_vector("age_recipient_text");
  const std::string identity = seam_vector("age_identity_text");
  EXPECT_FALSE(parse_recipient(identity));
  EXPECT_FALSE(parse_identity(recipient));
  EXPECT_FALSE(parse_recipient(""));
  EXPECT_FALSE(parse_recipient(recipient + "q"));
  EXPECT_FALSE(parse_recipient(recipient + "\n"));
  EXPECT_FALSE(parse_recipient(recipient.substr(0, 61)));
  for (char& c : recipient) c = static_cast<char>(std::toupper(c));
  EXPECT_FALSE(parse_recipient(recipient));
  std::string lower = identity;
  for (char& c : lower) c = static_cast<char>(std::tolower(c));
  EXPECT_FALSE(parse_identity(lower));
  EXPECT_EQ(parse_recipient("").error().code, Errc::invalid_input);
  EXPECT_EQ(parse_identity("").error().code, Errc::invalid_input);
}

TEST(KeyText, RefusesWhatOnlyItsChecksumWouldLetPass) {
  EXPECT_FALSE(parse_recipient(seam_vector("recipient_with_spare_bit")));
  EXPECT_FALSE(parse_recipient(seam_vector("recipient_in_bech32m")));
  EXPECT_FALSE(parse_recipient(seam_vector("recipient_of_another_prefix")));
}

}  // namespace
}  // namespace pli::crypto
