#include "audit/note.hpp"

#include <gtest/gtest.h>

#include "crypto/base64.hpp"
#include "support.hpp"

namespace pli::audit::test {
namespace {

std::string first_line(std::string text) {
  text.resize(text.find('\n'));
  return text;
}

std::string line(std::string_view name, ByteView payload) {
  return "\xE2\x80\x94 " + std::string(name) + " " + crypto::to_base64(payload) + "\n";
}

Note signed_note(std::string_view name, const crypto::SigningKey& key) {
  Note note{"a text\n", {}};
  sign_note(note, name, key);
  return note;
}

TEST(VerifierKey, OfTheSpecificationIsReadAndWrittenBack) {
  const std::string text = first_line(vector_file("example.vkey"));
  const auto key = parse_verifier_key(text);
  ASSERT_TRUE(key);
  EXPECT_EQ(key->name, "example.com/foo");
  EXPECT_EQ(key->type, KeyType::ed25519);
  EXPECT_EQ(to_hex(key_id(*key)), "530d903a");
  EXPECT_EQ(to_text(*key), text);
}

TEST(VerifierKey, OfAWitnessHasItsOwnTypeAndId) {
  const std::string text = first_line(vector_file("witness.vkey"));
  const auto key = parse_verifier_key(text);
  ASSERT_TRUE(key);
  EXPECT_EQ(key->type, KeyType::cosignature);
  EXPECT_EQ(key->key, key_of(2).public_key());
  EXPECT_EQ(to_text(*key), text);
  VerifierKey as_log = *key;
  as_log.type = KeyType::ed25519;
  EXPECT_NE(key_id(as_log), key_id(*key));
}

TEST(VerifierKey, WithAnyCharacterChangedIsRefused) {
  const std::string text = first_line(vector_file("log.vkey"));
  ASSERT_TRUE(parse_verifier_key(text));
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const char other : {'a', 'A', '0', '+', '/', '=', ' ', '\n', '\0'}) {
      if (text[i] == other) continue;
      std::string changed = text;
      changed[i] = other;
      const auto key = parse_verifier_key(changed);
      ASSERT_FALSE(key) << "position " << i;
      EXPECT_EQ(key.error().code, Errc::invalid_input);
    }
  }
}

TEST(VerifierKey, TruncatedOrExtendedIsRefused) {
  const std::string text = first_line(vector_file("log.vkey"));
  for (std::size_t size = 0; size < text.size(); ++size) EXPECT_FALSE(parse_verifier_key(text.substr(0, size))) << size;
  for (const char* more : {"\n", " ", "=", "A", "AAAA", "+"}) EXPECT_FALSE(parse_verifier_key(text + more));
}

TEST(VerifierKey, OfATypeWeDoNotKnowIsRefused) {
  for (const int type : {0x00, 0x02, 0x03, 0x05, 0x06, 0xFA, 0xFF}) {
    VerifierKey key = verifier_of("log.example", key_of(1));
    key.type = static_cast<KeyType>(type);
    EXPECT_EQ(parse_verifier_key(to_text(key)).error().code, Errc::invalid_input) << type;
  }
}

TEST(KeyName, IsLowerCaseLettersDigitsAndFourSigns) {
  EXPECT_TRUE(is_key_name("broker.example/pli/2a/2026-1_b"));
  EXPECT_TRUE(is_key_name(std::string(100, 'a')));
  EXPECT_FALSE(is_key_name(""));
  EXPECT_FALSE(is_key_name(std::string(101, 'a')));
  for (const char* name : {"A", "a b", "a+b", "a\n", "\xC3\xA9", "a\xC2\xA0", "a:b", "a\t", "a@b"})
    EXPECT_FALSE(is_key_name(name)) << name;
  EXPECT_FALSE(is_key_name(std::string_view("a\0", 2)));
}

TEST(Note, OfTheSpecificationIsReadVerifiedAndWrittenBack) {
  const std::string text = vector_file("example.note");
  const auto note = parse_note(text);
  ASSERT_TRUE(note);
  EXPECT_EQ(note->text, "This is an example message.\n");
  ASSERT_EQ(note->signatures.size(), 1U);
  EXPECT_EQ(note->signatures[0].name, "example.com/foo");
  EXPECT_EQ(note->signatures[0].signature.size(), 64U);
  EXPECT_EQ(to_text(*note), text);
  const std::vector<VerifierKey> known = {*parse_verifier_key(first_line(vector_file("example.vkey")))};
  EXPECT_EQ(*verify_note(*note, known), std::vector<std::size_t>{0});
}

TEST(Note, SignedByUsIsWrittenReadAndVerified) {
  const crypto::SigningKey first = key_of(3);
  const crypto::SigningKey second = key_of(4);
  Note note{"several\n\nlines, des caractères accentués\n", {}};
  sign_note(note, "b.example", second);
  sign_note(note, "a.example", first);
  const auto read = parse_note(to_text(note));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->text, note.text);
  // In the order of the keys asked about, not of the lines.
  const std::vector<VerifierKey> known = {verifier_of("a.example", first), verifier_of("c.example", key_of(5)),
                                          verifier_of("b.example", second)};
  EXPECT_EQ(*verify_note(*read, known), (std::vector<std::size_t>{0, 2}));
}

TEST(Note, EndsItsTextAtTheLastEmptyLine) {
  const std::string signatures = line("a.example", Bytes(68, 1));
  const auto note = parse_note("one\n\ntwo\n\n\n" + signatures);
  ASSERT_TRUE(note);
  EXPECT_EQ(note->text, "one\n\ntwo\n\n");
  EXPECT_EQ(to_text(*note), "one\n\ntwo\n\n\n" + signatures);
  // What looks like a signature above the last empty line is text.
  const auto quoted = parse_note("one\n\n" + signatures + "\n" + signatures);
  ASSERT_TRUE(quoted);
  EXPECT_EQ(quoted->text, "one\n\n" + signatures);
  EXPECT_EQ(quoted->signatures.size(), 1U);
}

TEST(Note, WithoutItsThreePartsIsRefused) {
  const std::string signature = line("a.example", Bytes(68, 1));
  ASSERT_TRUE(parse_note("text\n\n" + signature));
  for (const std::string& malformed :
       {std::string(), std::string("\n"), std::string("text"), std::string("text\n"), std::string("text\n\n"),
        signature, "text\n" + signature, "\n" + signature, "text\n\n" + signature + "\n",
        "text\n\n" + signature + "\n" + "more", "text\n\n" + signature.substr(0, signature.size() - 1),
        std::string("text\n\n\n"), "text\n\n" + signature + "not a signature\n"}) {
    const auto note = parse_note(malformed);
    ASSERT_FALSE(note) << malformed;
    EXPECT_EQ(note.error().code, Errc::invalid_input);
  }
}

TEST(Note, WithAControlByteAnywhereIsRefused) {
  const std::string good = "text\n\n" + line("a.example", Bytes(68, 1));
  for (int control = 0; control < 0x20; ++control) {
    if (control == '\n') continue;
    for (const std::size_t at : {std::size_t{0}, std::size_t{2}, std::size_t{4}, std::size_t{10}, good.size()}) {
      std::string changed = good;
      changed.insert(at, 1, static_cast<char>(control));
      EXPECT_FALSE(parse_note(changed)) << control << " at " << at;
    }
  }
  EXPECT_FALSE(parse_note("text\r\n\r\n" + line("a.example", Bytes(68, 1))));
}

TEST(Note, OutsideUtf8IsRefused) {
  const std::string signatures = line("a.example", Bytes(68, 1));
  for (const char* fine : {"\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80", "\xEF\xBF\xBF",
                           "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "\x7F"})
    EXPECT_TRUE(parse_note(std::string(fine) + "\n\n" + signatures)) << to_hex(as_bytes(fine));
  for (const char* broken : {"\x80",
                             "\xBF",
                             "\xC0\x80",
                             "\xC1\xBF",
                             "\xC2",
                             "\xC2\x41",
                             "\xE0\x80\x80",
                             "\xE0\x9F\xBF",
                             "\xE1\x80",
                             "\xE1\x80\x41",
                             "\xED\xA0\x80",
                             "\xED\xBF\xBF",
                             "\xF0\x80\x80\x80",
                             "\xF0\x8F\xBF\xBF",
                             "\xF1\x80\x80",
                             "\xF1\x80\x80\x41",
                             "\xF4\x90\x80\x80",
                             "\xF5\x80\x80\x80",
                             "\xFE",
                             "\xFF"})
    EXPECT_FALSE(parse_note(std::string(broken) + "\n\n" + signatures)) << to_hex(as_bytes(broken));
  // A sequence cut by the end of the bytes.
  EXPECT_FALSE(parse_note("text\n\n" + signatures + "\xE2\x80"));
}

TEST(Note, SignatureLineThatIsNotExactlyOneIsRefused) {
  const std::string payload = crypto::to_base64(Bytes(68, 1));
  const std::string dash = "\xE2\x80\x94";
  ASSERT_TRUE(parse_note("text\n\n" + dash + " a.example " + payload + "\n"));
  for (const std::string& bad : {
           "- a.example " + payload,                                      // a hyphen
           "\xE2\x80\x93 a.example " + payload,                           // an en dash
           dash + "a.example " + payload,                                 // no space after the dash
           dash + "  a.example " + payload,                               // two of them
           " " + dash + " a.example " + payload,                          // one before
           dash + "\xC2\xA0" + "a.example " + payload,                    // another kind of space
           dash + " a.example  " + payload,                               // two spaces before the signature
           dash + " a.example" + payload,                                 // none
           dash + " a.example",                                           // nothing after the name
           dash + " a.example ",                                          //
           dash + "  " + payload,                                         // no name
           dash + " " + payload,                                          //
           dash + " a+b " + payload,                                      // a plus in the name
           dash + " A.example " + payload,                                // our names are lower case
           dash + " caf\xC3\xA9 " + payload,                              //
           dash + " " + std::string(101, 'a') + " " + payload,            // too long a name
           dash + " a.example " + payload + " ",                          // trailing space
           dash + " a.example " + payload + " more",                      //
           dash + " a.example " + payload.substr(0, payload.size() - 1),  // padding missing
           dash + " a.example " + payload + "=",                          // padding too long
           dash + " a.example AQEBAQF=",                                  // spare bits that are not zero
           dash + " a.example AQEBAQ==",                                  // a key id and no signature
           dash + " a.example AQEB",                                      // less than a key id
           dash + " a.example A_EBAQE=",                                  // another alphabet
       }) {
    const auto note = parse_note("text\n\n" + bad + "\n");
    ASSERT_FALSE(note) << bad;
    EXPECT_EQ(note.error().code, Errc::invalid_input);
  }
  // One byte of signature is a shape, whatever it is worth.
  EXPECT_TRUE(parse_note("text\n\n" + dash + " a.example AQEBAQE=\n"));
}

TEST(Note, TakesSixtyFourSignatureLinesAndNoMore) {
  std::string text = "text\n\n";
  for (int i = 0; i < 64; ++i) text += line("a.example", Bytes(68, static_cast<std::uint8_t>(i)));
  ASSERT_TRUE(parse_note(text));
  EXPECT_EQ(parse_note(text)->signatures.size(), 64U);
  EXPECT_EQ(parse_note(text + line("a.example", Bytes(68, 64))).error().code, Errc::over_limit);
}

TEST(Note, TakesHalfAMebibyteAndNoMore) {
  const std::string end = "\n\n" + line("a.example", Bytes(68, 1));
  const std::string longest = std::string(512 * 1024 - end.size(), 'x') + end;
  ASSERT_EQ(longest.size(), note_bytes_max);
  EXPECT_TRUE(parse_note(longest));
  EXPECT_EQ(parse_note("x" + longest).error().code, Errc::over_limit);
}

TEST(NoteSignatures, OfUnknownKeysAreIgnored) {
  const crypto::SigningKey known_key = key_of(3);
  const crypto::SigningKey unknown_key = key_of(4);
  Note note = signed_note("a.example", known_key);
  sign_note(note, "b.example", unknown_key);
  note.signatures.back().signature[5] ^= 1;                              // nobody can tell
  note.signatures.push_back({"w.example", {1, 2, 3, 4}, Bytes(72, 7)});  // another type
  const std::vector<VerifierKey> known = {verifier_of("a.example", known_key)};
  EXPECT_EQ(*verify_note(note, known), std::vector<std::size_t>{0});
}

TEST(NoteSignatures, AreKnownByNameAndIdTogether) {
  const crypto::SigningKey key = key_of(3);
  const std::vector<VerifierKey> known = {verifier_of("a.example", key)};
  Note renamed = signed_note("a.example", key);
  renamed.signatures[0].name = "b.example";
  EXPECT_EQ(verify_note(renamed, known).error().code, Errc::authentication_failed);
  Note other_id = signed_note("a.example", key);
  other_id.signatures[0].id[3] ^= 1;
  EXPECT_EQ(verify_note(other_id, known).error().code, Errc::authentication_failed);
}

TEST(NoteSignatures, OneBadByAKnownKeyRefusesTheWholeNote) {
  const crypto::SigningKey first = key_of(3);
  const crypto::SigningKey second = key_of(4);
  const std::vector<VerifierKey> known = {verifier_of("a.example", first), verifier_of("b.example", second)};
  Note note = signed_note("a.example", first);
  sign_note(note, "b.example", second);
  ASSERT_EQ(verify_note(note, known)->size(), 2U);
  for (std::size_t i = 0; i < 64; ++i) {
    Note damaged = note;
    damaged.signatures[1].signature[i] ^= 0x04;
    EXPECT_EQ(verify_note(damaged, known).error().code, Errc::authentication_failed) << i;
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{63}, std::size_t{65}, std::size_t{72}}) {
    Note damaged = note;
    damaged.signatures[1].signature.resize(size);
    EXPECT_EQ(verify_note(damaged, known).error().code, Errc::authentication_failed) << size;
  }
}

TEST(NoteSignatures, OverAnotherTextAreRefused) {
  const crypto::SigningKey key = key_of(3);
  const std::vector<VerifierKey> known = {verifier_of("a.example", key)};
  Note note = signed_note("a.example", key);
  note.text = "b text\n";
  EXPECT_EQ(verify_note(note, known).error().code, Errc::authentication_failed);
  note.text = "a text\n\n";
  EXPECT_EQ(verify_note(note, known).error().code, Errc::authentication_failed);
}

TEST(NoteSignatures, NoneByAKnownKeyRefusesTheNote) {
  const Note note = signed_note("a.example", key_of(3));
  EXPECT_EQ(verify_note(note, {}).error().code, Errc::authentication_failed);
  const std::vector<VerifierKey> known = {verifier_of("a.example", key_of(4))};
  EXPECT_EQ(verify_note(note, known).error().code, Errc::authentication_failed);
  EXPECT_EQ(verify_note(Note{"text\n", {}}, known).error().code, Errc::authentication_failed);
}

TEST(NoteSignatures, RepeatedByOneKeyAreOneAndTheFirstCounts) {
  const crypto::SigningKey key = key_of(3);
  const std::vector<VerifierKey> known = {verifier_of("a.example", key)};
  Note note = signed_note("a.example", key);
  note.signatures.push_back(note.signatures[0]);
  note.signatures[1].signature[0] ^= 1;
  EXPECT_EQ(*verify_note(note, known), std::vector<std::size_t>{0});
  std::swap(note.signatures[0], note.signatures[1]);
  EXPECT_EQ(verify_note(note, known).error().code, Errc::authentication_failed);
}

TEST(NoteSignatures, OfOneKeyUnderTwoNamesCountOnceTowardsAThreshold) {
  const crypto::SigningKey key = key_of(3);
  const crypto::SigningKey other = key_of(4);
  Note note = signed_note("a.example", key);
  sign_note(note, "b.example", key);
  sign_note(note, "c.example", other);
  const std::vector<VerifierKey> known = {verifier_of("a.example", key), verifier_of("b.example", key),
                                          verifier_of("c.example", other), verifier_of("c.example", other)};
  EXPECT_EQ(*verify_note(note, known), (std::vector<std::size_t>{0, 2}));
}

TEST(NoteSignatures, ByAWitnessKeyAreNotSignaturesOfTheNote) {
  const crypto::SigningKey key = key_of(3);
  VerifierKey witness = verifier_of("w.example", key);
  witness.type = KeyType::cosignature;
  Note note{"text\n", {}};
  note.signatures.push_back({witness.name, key_id(witness), to_bytes(crypto::sign_raw(key, as_bytes("text\n")))});
  const std::vector<VerifierKey> known = {witness};
  EXPECT_EQ(verify_note(note, known).error().code, Errc::authentication_failed);
}

TEST(NoteDeathTest, SigningWhatWouldNotBeReadTerminates) {
  const crypto::SigningKey key = key_of(3);
  Note unfinished{"no line feed", {}};
  EXPECT_DEATH(sign_note(unfinished, "a.example", key), "broken invariant");
  Note binary{std::string("\x01\n"), {}};
  EXPECT_DEATH(sign_note(binary, "a.example", key), "broken invariant");
  Note fine{"text\n", {}};
  EXPECT_DEATH(sign_note(fine, "A name", key), "broken invariant");
}

}  // namespace
}  // namespace pli::audit::test
