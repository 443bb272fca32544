// What the header's grammar takes and refuses, and with which class of failure.
#include "tests/crypto/age_support.hpp"

namespace pli::crypto {
namespace {

using opening::AgeFailure;

class AgeHeader : public ::testing::Test {
 protected:
  /// `header` with a right payload, opened by every road, which must agree.
  std::string outcome(const Bytes& header) const {
    const Bytes file = with_payload(header);
    const auto opened = opening::open_bytes(file, keys());
    const Streamed streamed = stream_open(file, keys());
    EXPECT_EQ(outcome_of(opened), streamed.outcome);
    const auto file_key = opening::unwrap_file_key(header, keys());
    EXPECT_EQ(file_key ? "success" : opening::name_of(file_key.error()), streamed.outcome);
    if (opened) {
      EXPECT_EQ(as_text(*opened), "age");
    }
    return streamed.outcome;
  }
  static Bytes with_payload(Bytes header) {
    append(header, seal_payload(test_file_key(), as_bytes("age")));
    return header;
  }
  /// Stanza lines between a right version line and a right MAC.
  std::string stanzas(std::string_view lines) const {
    return outcome(finished_header(std::string(version_line) + std::string(lines)));
  }
  [[nodiscard]] opening::AgeKeys keys() const { return {std::span(&pair_.secret, 1), &passphrase_}; }

  AgePair pair_;
  SecretKey passphrase_ = SecretKey::copy_of(as_bytes("password"));
  std::string good_ = stanza_for(pair_.recipient);
  std::string share_ = good_.substr(0, good_.find('\n'));  // "-> X25519 share"
  std::string body_ = good_.substr(share_.size() + 1, 43);
};

const std::string grease = "-> grease and arguments !~\nAAAA\n";
const std::string line64(64, 'A');

TEST_F(AgeHeader, IsTakenWhenNothingIsWrong) {
  EXPECT_EQ(stanzas(good_), "success");
  EXPECT_EQ(stanzas(grease + good_), "success");
  EXPECT_EQ(stanzas(good_ + grease), "success");
  EXPECT_EQ(stanzas("-> grease\n\n" + good_), "success") << "an empty body";
  EXPECT_EQ(stanzas("-> grease\n" + line64 + "\n\n" + good_), "success") << "a body of exactly one full line";
}

TEST_F(AgeHeader, HasTheSizeTheFormatSays) {
  const std::vector<AgePublic> recipients(32, pair_.recipient);
  for (const std::size_t count : {1U, 2U, 32U}) {
    const auto header = make_age_header(test_file_key(), std::span(recipients).first(count));
    EXPECT_EQ(header->size(), 22 + 98 * count + 48);
  }
}

TEST_F(AgeHeader, SkipsTypesItDoesNotKnow) {
  EXPECT_EQ(stanzas("-> x25519" + good_.substr(9)), "no match");
  EXPECT_EQ(stanzas("-> SCRYPT rF0/NwblUHHTpgQgRpe5CQ 10\ngUjEymFKMVXQEKdMMHL24oYexjE3TIC0O0zGSqJ2aUY\n"), "no match");
  EXPECT_EQ(stanzas(grease), "no match");
}

TEST_F(AgeHeader, RefusesMalformedArguments) {
  EXPECT_EQ(stanzas(share_ + " extra\n" + body_ + "\n"), "header failure");
  EXPECT_EQ(stanzas("-> X25519\n" + body_ + "\n"), "header failure");
  EXPECT_EQ(stanzas("->\n" + body_ + "\n"), "header failure");
  EXPECT_EQ(stanzas("-> \n" + body_ + "\n"), "header failure");
  EXPECT_EQ(stanzas("->X25519 " + share_.substr(10) + "\n" + body_ + "\n"), "header failure");
  EXPECT_EQ(stanzas("->  X25519 " + share_.substr(10) + "\n" + body_ + "\n"), "header failure");
  EXPECT_EQ(stanzas(share_ + " \n" + body_ + "\n"), "header failure");
  EXPECT_EQ(stanzas(share_ + "\r\n" + body_ + "\n"), "header failure");
  for (const char* bad : {"a  b", "a\tb", "a\x7f", "a\x1f", "\xc3\xa9", "a\rb"}) {
    EXPECT_EQ(stanzas(std::string("-> ") + bad + "\n\n" + good_), "header failure") << bad;
  }
  EXPECT_EQ(stanzas(std::string("-> a\0b\n\n", 8) + good_), "header failure");
}

TEST_F(AgeHeader, RefusesMalformedShares) {
  const std::string share = share_.substr(10);
  EXPECT_EQ(stanzas("-> X25519 " + share + "A\n" + body_ + "\n"), "header failure");
  EXPECT_EQ(stanzas("-> X25519 " + share.substr(1) + "\n" + body_ + "\n"), "header failure");
  EXPECT_EQ(stanzas("-> X25519 " + share + "=\n" + body_ + "\n"), "header failure");
  EXPECT_EQ(stanzas("-> X25519 " + to_base64_unpadded(Bytes(31)) + "\n" + body_ + "\n"), "header failure");
  EXPECT_EQ(stanzas("-> X25519 " + to_base64_unpadded(Bytes(33)) + "\n" + body_ + "\n"), "header failure");
  EXPECT_EQ(stanzas("-> X25519 " + to_base64_unpadded(Bytes(32)) + "\n" + body_ + "\n"), "header failure")
      << "low order";
}

TEST_F(AgeHeader, RefusesMalformedBodies) {
  for (const std::string& body :
       {std::string(), std::string("AAAA"), body_.substr(1), body_ + "A", body_ + "=", body_.substr(0, 42) + "B",
        " " + body_, body_ + " ", body_ + "\r", line64, line64 + "A", line64 + line64}) {
    EXPECT_EQ(stanzas(share_ + "\n" + body + "\n"), "header failure") << body;
  }
  EXPECT_EQ(stanzas(share_ + "\n" + body_ + "\n" + body_ + "\n"), "header failure");
  EXPECT_EQ(stanzas(share_ + "\n" + good_), "header failure") << "no body at all";
  EXPECT_EQ(stanzas("-> grease\n" + line64 + "\n" + good_), "header failure") << "no short line ends the body";
  EXPECT_EQ(stanzas("-> grease\n\n\n" + good_), "header failure");
  EXPECT_EQ(stanzas("-> grease\n" + line64 + "A\n\n" + good_), "header failure") << "65 columns";
}

TEST_F(AgeHeader, ChecksEveryStanzaItKnowsBeforeItOpensOne) {
  EXPECT_EQ(stanzas(good_ + "-> X25519 AAAA\n" + body_ + "\n"), "header failure");
}

TEST_F(AgeHeader, RefusesOtherVersionLines) {
  for (const char* line : {"age-encryption.org/v2\n", "age-encryption.org/v1 \n", "age-encryption.org/v1\r\n",
                           "age-encryption.org/V1\n", "\nage-encryption.org/v1\n", " age-encryption.org/v1\n",
                           "age-encryption.org/v11\n", "age-encryption.org/v\n", "age-encryption.org/v1", "\n", ""}) {
    EXPECT_EQ(outcome(finished_header(line + good_)), "header failure") << line;
  }
  EXPECT_EQ(outcome({}), "header failure");
  EXPECT_EQ(outcome_of(opening::open_bytes({}, keys())), "header failure");
}

TEST_F(AgeHeader, RefusesAHeaderWithoutStanzas) { EXPECT_EQ(stanzas(""), "header failure"); }

TEST_F(AgeHeader, RefusesMalformedMacLines) {
  const std::string header(as_text(finished_header(std::string(version_line) + good_)));
  const std::string upto = header.substr(0, header.size() - 45);  // through "---"
  const std::string mac = header.substr(header.size() - 44, 43);
  ASSERT_TRUE(upto.ends_with("---"));
  EXPECT_EQ(outcome(to_bytes(upto + " " + mac + "\n")), "success");
  std::string spare = mac;
  spare.back() = spare.back() == 'B' ? 'F' : 'B';
  for (const std::string& end : {std::string("\n"), std::string(" \n"), mac + "\n", "  " + mac + "\n",
                                 " " + mac + " \n", " " + mac + "=\n", " " + mac + "\r\n", " " + mac.substr(1) + "\n",
                                 " " + mac + "A\n", " " + spare + "\n", " " + mac + " x\n", "- " + mac + "\n"}) {
    EXPECT_EQ(outcome(to_bytes(upto + end)), "header failure") << end;
  }
  EXPECT_EQ(outcome(to_bytes(upto.substr(0, upto.size() - 1) + " " + mac + "\n")), "header failure") << "two dashes";
}

TEST_F(AgeHeader, RefusesAMacOfOtherBytes) {
  const Bytes right = finished_header(std::string(version_line) + good_);
  std::string text(as_text(right));
  const std::size_t first_of_mac = text.size() - 44;
  text[first_of_mac] = text[first_of_mac] == 'A' ? 'B' : 'A';
  EXPECT_EQ(outcome(to_bytes(text)), "HMAC failure");
  // A stanza slipped in after the MAC was made: every stanza is under it, also those of others.
  const std::string end(as_text(right).substr(right.size() - 48));
  EXPECT_EQ(outcome(to_bytes(std::string(version_line) + good_ + grease + end)), "HMAC failure");
}

TEST_F(AgeHeader, RefusesAFileKeyTheHeaderWasNotMadeWith) {
  const std::string other = stanza_for(pair_.recipient, FileKey::random());
  EXPECT_EQ(stanzas(other), "HMAC failure");
}

TEST_F(AgeHeader, IsLimitedInStanzasLinesAndBytes) {
  std::string many;
  for (std::size_t i = 0; i + 1 < opening::age_stanzas_max; ++i) many += "-> grease\n\n";
  EXPECT_EQ(stanzas(many + good_), "success");
  EXPECT_EQ(stanzas(many + grease + good_), "header failure");

  const std::string longest = "-> " + std::string(opening::age_argument_line_bytes_max - 3, 'x');
  EXPECT_EQ(stanzas(longest + "\n\n" + good_), "success");
  EXPECT_EQ(stanzas(longest + "x\n\n" + good_), "header failure");

  const std::size_t others = version_line.size() + good_.size() + 48 + std::string("-> g\n\n").size();
  std::string body;
  while (others + body.size() + 65 + 64 <= opening::age_header_bytes_max) body += line64 + "\n";
  const std::size_t left = opening::age_header_bytes_max - others - body.size();
  // Whatever is left is filled by the argument line, character by character.
  const std::string filled = "-> g" + std::string(left, 'x') + "\n" + body + "\n";
  const Bytes largest = finished_header(std::string(version_line) + filled + good_);
  ASSERT_EQ(largest.size(), opening::age_header_bytes_max);
  EXPECT_EQ(outcome(largest), "success");
  EXPECT_EQ(stanzas("-> gx" + filled.substr(4) + good_), "header failure");
}

TEST_F(AgeHeader, OpensForEachRecipientAndNobodyElse) {
  std::vector<AgePair> pairs(5);
  std::vector<AgePublic> recipients;
  for (const AgePair& pair : pairs) recipients.push_back(pair.recipient);
  const Bytes file = *seal_bytes(as_bytes("for five"), recipients);
  for (const AgePair& pair : pairs) EXPECT_EQ(as_text(*opening::open_bytes(file, pair.keys())), "for five");
  EXPECT_EQ(opening::open_bytes(file, AgePair().keys()).error(), AgeFailure::no_match);
  EXPECT_EQ(opening::open_bytes(file, {}).error(), AgeFailure::no_match);
  std::vector<SecretKey> two;
  two.push_back(SecretKey::random(32));
  two.push_back(pairs[3].secret.clone());
  EXPECT_TRUE(opening::open_bytes(file, {two, nullptr})) << "any of several identities will do";
}

TEST_F(AgeHeader, NeverSealsTheSameWayTwice) {
  const auto first = make_age_header(test_file_key(), pair_.recipients());
  const auto second = make_age_header(test_file_key(), pair_.recipients());
  EXPECT_NE(*first, *second);
  const std::vector<AgePublic> twice(2, pair_.recipient);
  const std::string both(as_text(*make_age_header(test_file_key(), twice)));
  EXPECT_NE(both.substr(22, 98), both.substr(22 + 98, 98)) << "one ephemeral key for each stanza";
}

TEST_F(AgeHeader, IsNotMadeForNobodyTooManyOrALowOrderKey) {
  EXPECT_EQ(make_age_header(test_file_key(), {}).error().code, Errc::invalid_input);
  std::vector<AgePublic> recipients(512, pair_.recipient);
  const auto largest = make_age_header(test_file_key(), recipients);
  ASSERT_TRUE(largest);
  EXPECT_TRUE(opening::unwrap_file_key(*largest, keys()));
  recipients.push_back(pair_.recipient);
  EXPECT_EQ(make_age_header(test_file_key(), recipients).error().code, Errc::invalid_input);
  recipients.assign({pair_.recipient, AgePublic{}});
  EXPECT_EQ(make_age_header(test_file_key(), recipients).error().code, Errc::invalid_input);
  EXPECT_FALSE(seal_bytes(as_bytes("x"), recipients));
}

TEST_F(AgeHeader, EndsWhereItsMacLineEnds) {
  Bytes header = finished_header(std::string(version_line) + good_);
  EXPECT_TRUE(opening::unwrap_file_key(header, keys()));
  EXPECT_TRUE(opening::header_shape(header));
  for (std::size_t size = 0; size < header.size(); ++size) {
    EXPECT_EQ(opening::unwrap_file_key(ByteView(header).first(size), keys()).error(), AgeFailure::header) << size;
  }
  header.push_back('x');
  EXPECT_EQ(opening::unwrap_file_key(header, keys()).error(), AgeFailure::header);
  EXPECT_EQ(opening::header_shape(header).error(), AgeFailure::header);
}

TEST_F(AgeHeader, TellsItsShape) {
  const auto shape = [](const std::string& lines) {
    return opening::header_shape(finished_header(std::string(version_line) + lines));
  };
  EXPECT_EQ(shape(good_)->x25519_stanzas, 1U);
  EXPECT_TRUE(shape(good_)->only_x25519);
  EXPECT_EQ(shape(good_ + good_)->x25519_stanzas, 2U);
  EXPECT_EQ(shape(good_ + grease)->x25519_stanzas, 1U);
  EXPECT_FALSE(shape(good_ + grease)->only_x25519);
  EXPECT_FALSE(
      shape("-> scrypt rF0/NwblUHHTpgQgRpe5CQ 10\ngUjEymFKMVXQEKdMMHL24oYexjE3TIC0O0zGSqJ2aUY\n")->only_x25519);
  EXPECT_EQ(shape("-> X25519 AAAA\nAAAA\n").error(), AgeFailure::header);
}

TEST_F(AgeHeader, WithAPassphraseHasOneStanzaAndAPlainWorkFactor) {
  const std::string salt = "rF0/NwblUHHTpgQgRpe5CQ";
  const std::string body = "gUjEymFKMVXQEKdMMHL24oYexjE3TIC0O0zGSqJ2aUY\n";
  const std::string scrypt = "-> scrypt " + salt + " 10\n" + body;
  EXPECT_EQ(stanzas(scrypt), "success");
  EXPECT_EQ(stanzas(scrypt + good_), "header failure");
  EXPECT_EQ(stanzas(good_ + scrypt), "header failure");
  EXPECT_EQ(stanzas(scrypt + grease), "header failure");
  EXPECT_EQ(stanzas(scrypt + scrypt), "header failure");
  EXPECT_EQ(stanzas("-> scrypt " + salt + " 9\n" + body), "no match");
  for (const char* factor : {"0", "00", "01", "010", "+10", "-1", "0x0a", "1e1", "a", "10a", "a10", "10.0", "21", "23",
                             "64", "100", "18446744073709551626", "4294967306"}) {
    EXPECT_EQ(stanzas("-> scrypt " + salt + " " + factor + "\n" + body), "header failure") << factor;
  }
  EXPECT_EQ(stanzas("-> scrypt " + salt + "\n" + body), "header failure");
  EXPECT_EQ(stanzas("-> scrypt " + salt + " 10 10\n" + body), "header failure");
  EXPECT_EQ(stanzas("-> scrypt 10\n" + body), "header failure");
  EXPECT_EQ(stanzas("-> scrypt " + salt + "AA 10\n" + body), "header failure");
  EXPECT_EQ(stanzas("-> scrypt " + salt.substr(2) + " 10\n" + body), "header failure");
  EXPECT_EQ(stanzas("-> scrypt " + salt.substr(0, 21) + "B 10\n" + body), "header failure");
  EXPECT_EQ(stanzas("-> scrypt " + salt + " 10\nAAAA\n"), "header failure");
  EXPECT_EQ(stanzas("-> scrypt " + salt + " 10\n" + line64 + "\n\n"), "header failure");
}

TEST_F(AgeHeader, IsNotOpenedByAPassphraseThatWasNotGiven) {
  const Bytes header = finished_header(std::string(version_line) + "-> scrypt rF0/NwblUHHTpgQgRpe5CQ 10\n" +
                                       "gUjEymFKMVXQEKdMMHL24oYexjE3TIC0O0zGSqJ2aUY\n");
  EXPECT_EQ(opening::unwrap_file_key(header, pair_.keys()).error(), AgeFailure::no_match);
  const SecretKey nothing;
  EXPECT_EQ(opening::unwrap_file_key(header, {{}, &nothing}).error(), AgeFailure::no_match);
}

TEST_F(AgeHeader, GivesNothingOfAFileWithAnyBitFlipped) {
  const Bytes file = *seal_bytes(as_bytes("age"), pair_.recipients());
  ASSERT_TRUE(opening::open_bytes(file, pair_.keys()));
  for (std::size_t bit = 0; bit < file.size() * 8; ++bit) {
    Bytes changed = file;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ 1U << bit % 8);
    EXPECT_FALSE(opening::open_bytes(changed, pair_.keys())) << bit;
    const Streamed streamed = stream_open(changed, pair_.keys());
    EXPECT_NE(streamed.outcome, "success") << bit;
    EXPECT_TRUE(streamed.released.empty()) << bit;
  }
}

TEST_F(AgeHeader, GivesNothingOfAFileCutAnywhere) {
  const Bytes file = *seal_bytes(as_bytes("age"), pair_.recipients());
  const std::size_t header_bytes = file.size() - 16 - 19;
  for (std::size_t size = 0; size < file.size(); ++size) {
    const std::string expected = size < header_bytes + 16 ? "header failure" : "payload failure";
    EXPECT_EQ(outcome_of(opening::open_bytes(ByteView(file).first(size), pair_.keys())), expected) << size;
    EXPECT_EQ(stream_open(ByteView(file).first(size), pair_.keys()).outcome, expected) << size;
  }
}

}  // namespace
}  // namespace pli::crypto
