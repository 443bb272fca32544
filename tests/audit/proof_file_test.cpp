#include "audit/proof_file.hpp"

#include <gtest/gtest.h>

#include "audit/tree.hpp"
#include "crypto/base64.hpp"
#include "support.hpp"

namespace pli::audit::test {
namespace {

const std::vector<std::string_view> sender_fields = {"act", "person", "object", "statement"};

bool same(const Receipt& a, const Receipt& b) {
  return a.leaf == b.leaf && a.record == b.record && a.index == b.index && a.proof == b.proof &&
         a.checkpoint == b.checkpoint;
}

/// What a receipt says, without the signature lines nobody was asked about.
bool same_meaning(const Receipt& a, const Receipt& b) {
  return a.leaf == b.leaf && a.record == b.record && a.index == b.index && a.proof == b.proof;
}

TEST(ProofFile, OfTheVectorIsReadWrittenBackAndVerified) {
  const std::string text = vector_file("leaf-5.tlog-proof");
  const auto file = parse_proof_file(text);
  ASSERT_TRUE(file);
  EXPECT_FALSE(file->extra);
  EXPECT_EQ(file->index, LeafIndex{5});
  EXPECT_EQ(file->proof.size(), 3U);
  EXPECT_EQ(file->checkpoint, vector_file("checkpoint.note"));
  EXPECT_EQ(to_text(*file), text);
  const auto checkpoint = verify_checkpoint(file->checkpoint, verifier_of("broker.example/audit", key_of(1)));
  ASSERT_TRUE(checkpoint);
  EXPECT_TRUE(verify_inclusion(*checkpoint, file->index, leaf_hash(eight_leaves()[5]), file->proof));
  EXPECT_FALSE(verify_inclusion(*checkpoint, file->index, leaf_hash(eight_leaves()[4]), file->proof));
}

TEST(ProofFile, WithExtraBytesAndWithoutHashesIsReadBack) {
  const std::string checkpoint = vector_file("checkpoint.note");
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{1000}}) {
    const ProofFile file{Bytes(size, 0xFB), LeafIndex{0}, {}, checkpoint};
    const auto read = parse_proof_file(to_text(file));
    ASSERT_TRUE(read) << size;
    EXPECT_EQ(*read, file);
  }
}

TEST(ProofFile, InAnyOtherSpellingIsRefused) {
  const std::string checkpoint = vector_file("checkpoint.note");
  const std::string first = "c2sp.org/tlog-proof@v1\n";
  const std::string hash = crypto::to_base64(Digest{}) + "\n";
  ASSERT_TRUE(parse_proof_file(first + "extra AAAA\nindex 5\n" + hash + "\n" + checkpoint));
  for (const std::string& text : {
           std::string(),
           first,
           checkpoint,
           first + checkpoint,
           "c2sp.org/tlog-proof@v2\nindex 5\n\n" + checkpoint,
           "\n" + first + "index 5\n\n" + checkpoint,
           first + "index 5\n" + checkpoint,                      // no empty line
           first + "index 5\n\n",                                 // no checkpoint
           first + "index 5\n\nnot a note\n",                     //
           first + "index 05\n\n" + checkpoint,                   // leading zero
           first + "index -5\n\n" + checkpoint,                   //
           first + "index  5\n\n" + checkpoint,                   //
           first + "index 5 \n\n" + checkpoint,                   //
           first + "index\n\n" + checkpoint,                      //
           first + "Index 5\n\n" + checkpoint,                    //
           first + "index 9223372036854775808\n\n" + checkpoint,  // 2^63
           first + "index 5\nextra AAAA\n\n" + checkpoint,        // extra after index
           first + "extra AAAA\nextra AAAA\nindex 5\n\n" + checkpoint,
           first + "extra AAA\nindex 5\n\n" + checkpoint,    // padding missing
           first + "extra AAB=\nindex 5\n\n" + checkpoint,   // spare bits
           first + "extra  AAAA\nindex 5\n\n" + checkpoint,  //
           first + "index 5\n" + hash.substr(1) + "\n" + checkpoint,
           first + "index 5\n " + hash + "\n" + checkpoint,
           first + "index 5\n" + crypto::to_base64(Bytes(31, 0)) + "\n\n" + checkpoint,
           first + "index 5\n" + crypto::to_base64(Bytes(33, 0)) + "\n\n" + checkpoint,
           "c2sp.org/tlog-proof@v1\r\nindex 5\r\n\r\n" + checkpoint,
       }) {
    const auto file = parse_proof_file(text);
    ASSERT_FALSE(file) << text;
    EXPECT_EQ(file.error().code, Errc::invalid_input) << text;
  }
}

TEST(ProofFile, TakesSixtyThreeHashesAndNoMore) {
  ProofFile file{std::nullopt, LeafIndex{0}, std::vector<Digest>(63), vector_file("checkpoint.note")};
  EXPECT_TRUE(parse_proof_file(to_text(file)));
  file.proof.emplace_back();
  EXPECT_EQ(parse_proof_file(to_text(file)).error().code, Errc::over_limit);
}

TEST(ProofFile, OverItsLimitIsRefusedBeforeItIsRead) {
  EXPECT_EQ(parse_proof_file(std::string(proof_file_bytes_max + 1, 'x')).error().code, Errc::over_limit);
}

TEST(Receipt, IsReadBackAndVerified) {
  const Receipt receipt = some_receipt(sender_fields);
  const auto read = parse_receipt(to_text(receipt));
  ASSERT_TRUE(read);
  EXPECT_TRUE(same(*read, receipt));
  const auto checkpoint = verify_receipt(*read, verifier_of(log_origin, key_of(1)));
  ASSERT_TRUE(checkpoint);
  EXPECT_EQ(checkpoint->size(), TreeSize{21});
  EXPECT_EQ(as_text(*read->record.find("act")), "collecte");
}

TEST(Receipt, IsTheVectorToTheByte) {
  const std::string text = vector_file("receipt.tlog-proof");
  EXPECT_EQ(to_text(some_receipt(sender_fields)), text);
  const std::string key_line = vector_file("receipt.vkey");
  const auto key = parse_verifier_key(std::string_view(key_line).substr(0, key_line.find('\n')));
  ASSERT_TRUE(key);
  EXPECT_TRUE(verify_receipt(*parse_receipt(text), *key));
}

TEST(Receipt, OpensNeitherQueueNumberNorRecipientsUnlessTold) {
  const auto read = parse_receipt(to_text(some_receipt(sender_fields)));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->record.find("queue_number"), nullptr);
  EXPECT_EQ(read->record.find("recipients"), nullptr);
}

TEST(Receipt, OfTheLargestRecordWhollyShownFits) {
  Record record = new_record();
  for (std::size_t i = 0; i < record_fields_max; ++i)
    record.add(std::string(i / 2 + 1, i % 2 == 0 ? 'a' : 'b'), Bytes(record_value_bytes_max, 1));
  Receipt receipt = some_receipt({});
  receipt.record = disclose_all(record);
  EXPECT_TRUE(parse_receipt(to_text(receipt)));
}

TEST(Receipt, TruncatedAnywhereIsRefused) {
  const std::string text = to_text(some_receipt(sender_fields));
  const VerifierKey key = verifier_of(log_origin, key_of(1));
  for (std::size_t size = 0; size < text.size(); ++size) {
    const auto read = parse_receipt(std::string_view(text).substr(0, size));
    EXPECT_FALSE(read && verify_receipt(*read, key)) << size;
  }
}

TEST(Receipt, WithAnyBitFlippedIsRefused) {
  const std::string text = to_text(some_receipt(sender_fields));
  const VerifierKey key = verifier_of(log_origin, key_of(1));
  for (std::size_t i = 0; i < text.size() * 8; ++i) {
    std::string flipped = text;
    flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << (i % 8)));
    const auto read = parse_receipt(flipped);
    if (read) {
      EXPECT_EQ(to_text(*read), flipped) << i;
    }
    EXPECT_FALSE(read && verify_receipt(*read, key)) << i;
  }
}

TEST(Receipt, WithABitFlippedInAnUnknownSignatureLineSaysTheSame) {
  Receipt cosigned = some_receipt(sender_fields);
  const std::size_t before = to_text(cosigned).size();
  cosigned.checkpoint += "\xE2\x80\x94 witness.example/w1 " + crypto::to_base64(Bytes(76, 0x33)) + "\n";
  const std::string text = to_text(cosigned);
  const VerifierKey key = verifier_of(log_origin, key_of(1));
  ASSERT_TRUE(verify_receipt(*parse_receipt(text), key));
  int accepted = 0;
  for (std::size_t i = 0; i < text.size() * 8; ++i) {
    std::string flipped = text;
    flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << (i % 8)));
    const auto read = parse_receipt(flipped);
    if (!read || !verify_receipt(*read, key)) continue;
    EXPECT_GE(i / 8, before) << "a bit of what was signed";
    EXPECT_TRUE(same_meaning(*read, cosigned)) << i;
    ++accepted;
  }
  EXPECT_GT(accepted, 0);
}

TEST(Receipt, OfAnotherLogOrKeyIsRefused) {
  const Receipt receipt = some_receipt(sender_fields);
  EXPECT_EQ(verify_receipt(receipt, verifier_of(log_origin, key_of(2))).error().code, Errc::authentication_failed);
  EXPECT_EQ(verify_receipt(receipt, verifier_of("broker.example/pli/21/2026-1", key_of(1))).error().code,
            Errc::authentication_failed);
}

TEST(Receipt, WhosePartsDoNotBelongTogetherIsRefused) {
  const VerifierKey key = verifier_of(log_origin, key_of(1));
  const Receipt genuine = some_receipt(sender_fields);
  ASSERT_TRUE(verify_receipt(genuine, key));
  const auto code_after = [&](const auto& change) {
    Receipt changed = genuine;
    change(changed);
    const auto verified = verify_receipt(changed, key);
    EXPECT_FALSE(verified);
    return verified ? Errc{} : verified.error().code;
  };
  EXPECT_EQ(code_after([](Receipt& r) { r.leaf.time.value += 1; }), Errc::authentication_failed);
  EXPECT_EQ(code_after([](Receipt& r) { r.leaf.type = LeafType::refus; }), Errc::authentication_failed);
  EXPECT_EQ(code_after([](Receipt& r) { r.leaf.statement = "more"; }), Errc::authentication_failed);
  EXPECT_EQ(code_after([](Receipt& r) { r.leaf.time.value = -1; }), Errc::invalid_input);
  EXPECT_EQ(code_after([](Receipt& r) { r.index = LeafIndex{10}; }), Errc::authentication_failed);
  EXPECT_EQ(code_after([](Receipt& r) { r.index = LeafIndex{21}; }), Errc::invalid_input);
  EXPECT_EQ(code_after([](Receipt& r) { r.proof.pop_back(); }), Errc::invalid_input);
  EXPECT_EQ(code_after([](Receipt& r) { r.proof[0][0] ^= 1; }), Errc::authentication_failed);
  EXPECT_EQ(code_after([](Receipt& r) { r.record.fields.pop_back(); }), Errc::authentication_failed);
  EXPECT_EQ(code_after([](Receipt& r) { r.record.fields[7].commitment[0] ^= 1; }), Errc::authentication_failed);
  // A shown field changed with nothing else: the commitment it stands beside is still the leaf's.
  EXPECT_EQ(code_after([](Receipt& r) { r.record.fields[0].opening->field.value = to_bytes("refus"); }),
            Errc::authentication_failed);
  // A record of one's own with a leaf to match is not in the log.
  EXPECT_EQ(code_after([](Receipt& r) {
              Record record = some_record();
              record.fields[0].value = to_bytes("refus");
              r.record = disclose_all(record);
              r.leaf.record = record_digest(record);
            }),
            Errc::authentication_failed);
}

TEST(Receipt, IsNotAnyProofFile) {
  const std::string checkpoint = vector_file("checkpoint.note");
  EXPECT_EQ(parse_receipt(vector_file("leaf-5.tlog-proof")).error().code, Errc::invalid_input);
  for (const Bytes& extra : {Bytes{}, Bytes{0}, Bytes{0, 0}, Bytes{0, 5, 'a'}, Bytes{0xFF, 0xFF}})
    EXPECT_EQ(parse_receipt(to_text(ProofFile{extra, LeafIndex{0}, {}, checkpoint})).error().code, Errc::invalid_input);
}

}  // namespace
}  // namespace pli::audit::test
