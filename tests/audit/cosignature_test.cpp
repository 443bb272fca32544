#include "audit/cosignature.hpp"

#include <gtest/gtest.h>

#include "crypto/base64.hpp"
#include "support.hpp"

namespace pli::audit::test {
namespace {

constexpr UnixSeconds seen{1700000000};

std::string first_line(std::string text) {
  text.resize(text.find('\n'));
  return text;
}

VerifierKey key_in(std::string_view file) { return parse_verifier_key(first_line(vector_file(file))).value(); }

VerifierKey witness_of(std::string_view name, const crypto::SigningKey& key) {
  return {std::string(name), KeyType::cosignature, key.public_key()};
}

/// A checkpoint of key_of(1) that witnesses w3, w4, w5 (keys of 3, 4, 5) cosigned, a minute apart.
Note cosigned_note() {
  MemoryTree tree;
  tree.append(as_bytes("a leaf"));
  Note note = parse_note(sign_checkpoint({std::string(log_origin), tree.size(), tree.root()}, key_of(1))).value();
  for (std::uint8_t i = 3; i <= 5; ++i)
    note.signatures.push_back(
        cosign(note.text, "w" + std::to_string(i), key_of(i), UnixSeconds{seen.value + 60U * (i - 3U)}));
  return note;
}

std::vector<VerifierKey> three_witnesses() {
  return {witness_of("w3", key_of(3)), witness_of("w4", key_of(4)), witness_of("w5", key_of(5))};
}

Result<CosignedCheckpoint> verify(const Note& note, const std::vector<VerifierKey>& witnesses,
                                  UnixSeconds now = {seen.value + 120}) {
  return verify_cosigned_checkpoint(to_text(note), verifier_of(log_origin, key_of(1)), witnesses, now);
}

TEST(Cosignature, OfTheVectorIsVerifiedAndMadeAgainByteForByte) {
  const std::string text = vector_file("checkpoint.note");
  const std::vector<VerifierKey> witnesses = {key_in("witness.vkey")};
  const auto cosigned = verify_cosigned_checkpoint(text, key_in("log.vkey"), witnesses, seen);
  ASSERT_TRUE(cosigned);
  EXPECT_EQ(cosigned->checkpoint().size().value, 8U);
  EXPECT_EQ(cosigned->checkpoint().note(), text);
  EXPECT_EQ(cosigned->cosigners(), (std::vector<Cosigner>{{0, seen}}));

  Note ours = parse_note(text).value();
  ours.signatures.pop_back();
  ours.signatures.push_back(cosign(ours.text, "witness.example/w1", key_of(2), seen));
  EXPECT_EQ(to_text(ours), text);
}

TEST(Cosignature, OfTheVectorHasItsSeventySixBytesTakenApart) {
  const NoteSignature line = parse_note(vector_file("checkpoint.note")).value().signatures.at(1);
  Bytes payload = to_bytes(line.id);
  append(payload, line.signature);
  ASSERT_EQ(payload.size(), cosignature_bytes);
  const auto cosignature = decode_cosignature(payload);
  ASSERT_TRUE(cosignature);
  EXPECT_EQ(cosignature->key_id, key_id(key_in("witness.vkey")));
  EXPECT_EQ(to_hex(cosignature->key_id), "df1c0a35");
  EXPECT_EQ(cosignature->time, seen);
  EXPECT_EQ(encode(*cosignature), payload);
  for (std::size_t size = 0; size < payload.size(); ++size)
    EXPECT_EQ(decode_cosignature(ByteView(payload).first(size)).error().code, Errc::invalid_input) << size;
  payload.push_back(0);
  EXPECT_EQ(decode_cosignature(payload).error().code, Errc::invalid_input);
}

TEST(Cosignature, SignsTheTimeAndTheWholeText) {
  EXPECT_EQ(cosigned_message("log\n8\nroot\nextension\n", seen),
            "cosignature/v1\ntime 1700000000\nlog\n8\nroot\nextension\n");
  EXPECT_EQ(cosigned_message("t\n", UnixSeconds{1}), "cosignature/v1\ntime 1\nt\n");
}

TEST(Cosignature, HasATimeAboveZeroAndBelowTwoToThe63) {
  const auto payload_at = [](std::uint64_t time) {
    ByteWriter writer;
    writer.raw(ByteArray<4>{1, 2, 3, 4});
    writer.u64(time);
    writer.raw(Bytes(64, 7));
    return writer.take();
  };
  for (const std::uint64_t fine : {std::uint64_t{1}, seen.value, cosignature_time_limit - 1})
    EXPECT_EQ(decode_cosignature(payload_at(fine)).value().time.value, fine);
  for (const std::uint64_t wrong : {std::uint64_t{0}, cosignature_time_limit, ~std::uint64_t{0}})
    EXPECT_EQ(decode_cosignature(payload_at(wrong)).error().code, Errc::invalid_input) << wrong;
}

TEST(Cosignature, WithAnyByteChangedIsRefused) {
  const Note note = cosigned_note();
  const VerifierKey witness = witness_of("w3", key_of(3));
  const NoteSignature& line = note.signatures.at(1);
  ASSERT_EQ(verify_cosignature(note.text, line, witness, seen).value(), seen);
  for (std::size_t i = 0; i < line.signature.size(); ++i) {
    NoteSignature damaged = line;
    damaged.signature[i] ^= 0x01;
    EXPECT_FALSE(verify_cosignature(note.text, damaged, witness, UnixSeconds{cosignature_time_limit})) << i;
  }
  for (std::size_t i = 0; i < 4; ++i) {
    NoteSignature damaged = line;
    damaged.id[i] ^= 0x01;
    EXPECT_EQ(verify_cosignature(note.text, damaged, witness, seen).error().code, Errc::authentication_failed);
  }
}

TEST(Cosignature, OfAnotherTextNameKeyOrTypeIsRefused) {
  const Note note = cosigned_note();
  const NoteSignature& line = note.signatures.at(1);
  const auto refused = [&](std::string_view text, const NoteSignature& by, const VerifierKey& witness) {
    const auto time = verify_cosignature(text, by, witness, seen);
    return !time && time.error().code == Errc::authentication_failed;
  };
  EXPECT_TRUE(refused("another\n", line, witness_of("w3", key_of(3))));
  EXPECT_TRUE(refused(note.text + "extension\n", line, witness_of("w3", key_of(3))));
  EXPECT_TRUE(refused(note.text, line, witness_of("w4", key_of(3))));
  EXPECT_TRUE(refused(note.text, line, witness_of("w3", key_of(4))));
  EXPECT_TRUE(refused(note.text, line, verifier_of("w3", key_of(3))));
  // A good cosignature under the id its key would have as a log's.
  NoteSignature as_log = line;
  as_log.id = key_id(verifier_of("w3", key_of(3)));
  EXPECT_TRUE(refused(note.text, as_log, verifier_of("w3", key_of(3))));
  // The log's own signature of the same text, put under a witness's id.
  NoteSignature plain = line;
  plain.signature = to_bytes(crypto::sign_raw(key_of(3), as_bytes(note.text)));
  plain.signature.insert(plain.signature.begin(), line.signature.begin(), line.signature.begin() + 8);
  EXPECT_TRUE(refused(note.text, plain, witness_of("w3", key_of(3))));
}

TEST(Cosignature, AheadOfOurClockIsGoodUpToFiveMinutes) {
  const Note note = cosigned_note();
  const VerifierKey witness = witness_of("w3", key_of(3));
  const NoteSignature& line = note.signatures.at(1);
  const auto at = [&](std::uint64_t now) { return verify_cosignature(note.text, line, witness, UnixSeconds{now}); };
  EXPECT_TRUE(at(seen.value - cosignature_ahead_seconds_max));
  EXPECT_EQ(at(seen.value - cosignature_ahead_seconds_max - 1).error().code, Errc::unavailable);
  EXPECT_EQ(at(0).error().code, Errc::unavailable);
  EXPECT_TRUE(at(seen.value + 1000000000));  // how old is too old is for whoever asks
  const NoteSignature last = cosign(note.text, "w3", key_of(3), UnixSeconds{cosignature_time_limit - 1});
  EXPECT_EQ(verify_cosignature(note.text, last, witness, seen).error().code, Errc::unavailable);
}

TEST(CosignedCheckpoint, NamesItsWitnessesAndTheirTimesInTheOrderAsked) {
  auto witnesses = three_witnesses();
  std::swap(witnesses[0], witnesses[2]);
  witnesses.insert(witnesses.begin() + 1, witness_of("stranger", key_of(9)));
  const auto cosigned = verify(cosigned_note(), witnesses);
  ASSERT_TRUE(cosigned);
  EXPECT_EQ(cosigned->cosigners(), (std::vector<Cosigner>{{0, {seen.value + 120}}, {2, {seen.value + 60}}, {3, seen}}));
}

TEST(CosignedCheckpoint, OfUnknownWitnessesHasNone) {
  const auto cosigned = verify(cosigned_note(), {witness_of("w3", key_of(9)), witness_of("x3", key_of(3))});
  ASSERT_TRUE(cosigned);
  EXPECT_TRUE(cosigned->cosigners().empty());
  EXPECT_TRUE(verify(cosigned_note(), {})->cosigners().empty());
}

TEST(CosignedCheckpoint, WithOneKnownWitnessDamagedIsRefusedWhole) {
  for (std::size_t line = 1; line <= 3; ++line) {
    Note note = cosigned_note();
    note.signatures[line].signature[20] ^= 0x10;
    EXPECT_EQ(verify(note, three_witnesses()).error().code, Errc::authentication_failed);
    note = cosigned_note();
    note.signatures[line].signature.pop_back();
    EXPECT_EQ(verify(note, three_witnesses()).error().code, Errc::authentication_failed);
  }
  // To whoever does not know that witness, its line says nothing.
  Note note = cosigned_note();
  note.signatures[1].signature[20] ^= 0x10;
  EXPECT_EQ(verify(note, {witness_of("w4", key_of(4))})->cosigners().size(), 1U);
}

TEST(CosignedCheckpoint, TakesNoKeyOfALogForAWitness) {
  const auto cosigned = verify(cosigned_note(), {verifier_of(log_origin, key_of(1)), witness_of("w3", key_of(3))});
  ASSERT_TRUE(cosigned);
  EXPECT_EQ(cosigned->cosigners(), (std::vector<Cosigner>{{1, seen}}));
}

TEST(CosignedCheckpoint, WithoutTheLogsSignatureIsRefusedHoweverManyCosigned) {
  Note note = cosigned_note();
  note.signatures.erase(note.signatures.begin());
  EXPECT_EQ(verify(note, three_witnesses()).error().code, Errc::authentication_failed);
}

TEST(CosignedCheckpoint, LeavesOutAWitnessAheadOfOurClockAndKeepsTheOthers) {
  const UnixSeconds now{seen.value + 120 - cosignature_ahead_seconds_max - 1};
  const auto cosigned = verify(cosigned_note(), three_witnesses(), now);
  ASSERT_TRUE(cosigned);
  EXPECT_EQ(cosigned->cosigners().size(), 2U);
  EXPECT_EQ(cosigned->cosigners().back().witness, 1U);
}

TEST(CosignedCheckpoint, CountsOneKeyUnderTwoNamesOnce) {
  Note note = cosigned_note();
  note.signatures.push_back(cosign(note.text, "other", key_of(3), seen));
  const auto cosigned = verify(note, {witness_of("w3", key_of(3)), witness_of("other", key_of(3))});
  ASSERT_TRUE(cosigned);
  EXPECT_EQ(cosigned->cosigners(), (std::vector<Cosigner>{{0, seen}}));
}

TEST(CosignedCheckpoint, TakesTheFirstLineOfAWitness) {
  Note note = cosigned_note();
  note.signatures.push_back(cosign(note.text, "w3", key_of(3), UnixSeconds{seen.value + 7}));
  EXPECT_EQ(verify(note, {witness_of("w3", key_of(3))})->cosigners(), (std::vector<Cosigner>{{0, seen}}));
  note.signatures.back().signature[9] ^= 1;
  EXPECT_TRUE(verify(note, {witness_of("w3", key_of(3))}));
}

TEST(UnixSecondsOfMillis, RoundDownAndStopAtZero) {
  EXPECT_EQ(to_seconds(UnixMillis{1700000000999}), seen);
  EXPECT_EQ(to_seconds(UnixMillis{999}), UnixSeconds{0});
  EXPECT_EQ(to_seconds(UnixMillis{-1}), UnixSeconds{0});
}

TEST(CosignatureDeathTest, CosigningWhatWouldNotBeReadTerminates) {
  EXPECT_DEATH((void)cosign("no line feed", "w", key_of(3), seen), "broken invariant");
  EXPECT_DEATH((void)cosign("t\n", "A name", key_of(3), seen), "broken invariant");
  EXPECT_DEATH((void)cosign("t\n", "w", key_of(3), UnixSeconds{0}), "broken invariant");
  EXPECT_DEATH((void)cosign("t\n", "w", key_of(3), UnixSeconds{cosignature_time_limit}), "broken invariant");
}

}  // namespace
}  // namespace pli::audit::test
