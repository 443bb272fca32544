#include "audit/record.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "support.hpp"

namespace pli::audit::test {
namespace {

bool contains(ByteView haystack, ByteView needle) {
  return std::search(haystack.begin(), haystack.end(), needle.begin(), needle.end()) != haystack.end();
}

Record vector_record() { return decode_record(own_format("record")).value(); }

TEST(Record, IsEncodedAndDigestedAsTheVector) {
  const Record record = vector_record();
  ASSERT_EQ(record.fields.size(), 5U);
  EXPECT_EQ(record.seed[31], 31);
  ASSERT_NE(record.find("act"), nullptr);
  EXPECT_EQ(as_text(*record.find("act")), "collecte");
  ASSERT_NE(record.find("empty"), nullptr);
  EXPECT_TRUE(record.find("empty")->empty());
  EXPECT_EQ(record.find("absent"), nullptr);
  EXPECT_EQ(encode(record), own_format("record"));
  EXPECT_EQ(to_bytes(record_digest(record)), own_format("record_digest"));
}

TEST(Record, IsReadBack) {
  const Record record = some_record();
  EXPECT_EQ(*decode_record(encode(record)), record);
  EXPECT_EQ(*decode_record(encode(Record{})), Record{});
}

TEST(Record, TruncatedOrExtendedIsRefused) {
  const Bytes bytes = encode(some_record());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(decode_record(ByteView(bytes).first(size)).error().code, Errc::invalid_input) << size;
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(decode_record(longer));
}

TEST(Record, WithAnyBitFlippedIsRefusedOrEncodesToTheFlippedBytesWithAnotherDigest) {
  const Bytes bytes = encode(some_record());
  const Digest digest = record_digest(some_record());
  for (std::size_t i = 0; i < bytes.size() * 8; ++i) {
    Bytes flipped = bytes;
    flipped[i / 8] = static_cast<std::uint8_t>(flipped[i / 8] ^ (1 << (i % 8)));
    const auto record = decode_record(flipped);
    if (!record) continue;
    EXPECT_EQ(encode(*record), flipped) << i;
    EXPECT_NE(record_digest(*record), digest) << i;
  }
}

TEST(Record, OfAnyOtherShapeIsRefused) {
  const auto bytes_of = [](std::uint8_t format, const std::vector<std::pair<std::string, Bytes>>& fields) {
    ByteWriter writer;
    writer.u8(format);
    writer.raw(Bytes(32, 9));
    writer.u16(static_cast<std::uint16_t>(fields.size()));
    for (const auto& [name, value] : fields) {
      writer.string8(name);
      writer.bytes32(value);
    }
    return writer.take();
  };
  ASSERT_TRUE(decode_record(bytes_of(1, {{"a", {1}}, {"b", {1}}})));
  EXPECT_FALSE(decode_record(bytes_of(0, {{"a", {1}}})));
  EXPECT_FALSE(decode_record(bytes_of(2, {{"a", {1}}})));
  EXPECT_FALSE(decode_record(bytes_of(1, {{"a", {1}}, {"b", {1}}, {"a", {2}}}))) << "a name twice";
  for (const char* name : {"", "A", "a b", "a1", "a-b", "\xC3\xA9"})
    EXPECT_FALSE(decode_record(bytes_of(1, {{name, {1}}}))) << name;
  EXPECT_TRUE(decode_record(bytes_of(1, {{std::string(32, 'a'), {}}})));
  EXPECT_FALSE(decode_record(bytes_of(1, {{std::string(33, 'a'), {}}})));
  EXPECT_TRUE(decode_record(bytes_of(1, {{"a", Bytes(record_value_bytes_max, 1)}})));
  EXPECT_FALSE(decode_record(bytes_of(1, {{"a", Bytes(record_value_bytes_max + 1, 1)}})));
  std::vector<std::pair<std::string, Bytes>> many;
  while (many.size() < record_fields_max)
    many.emplace_back(std::string(many.size() / 2 + 1, many.size() % 2 ? 'a' : 'b'), Bytes{});
  EXPECT_TRUE(decode_record(bytes_of(1, many)));
  many.emplace_back("one_more", Bytes{});
  EXPECT_FALSE(decode_record(bytes_of(1, many)));
}

TEST(Record, DrawsASeedOfItsOwn) { EXPECT_NE(new_record().seed, new_record().seed); }

TEST(Record, WithTheSameFieldsAndAnotherSeedHasNoCommitmentInCommon) {
  const Record first = some_record();
  Record second = first;
  second.seed[0] ^= 1;
  const std::vector<Digest> a = field_commitments(first);
  const std::vector<Digest> b = field_commitments(second);
  ASSERT_EQ(a.size(), b.size());
  for (const Digest& commitment : a) EXPECT_EQ(std::count(b.begin(), b.end(), commitment), 0);
  EXPECT_NE(record_digest(first), record_digest(second));
}

TEST(Record, OfEqualValuesHasDifferentCommitments) {
  // Else whoever sees commitments could tell which fields hold the same.
  Record record = new_record();
  record.add("a", "same");
  record.add("b", "same");
  const std::vector<Digest> commitments = field_commitments(record);
  EXPECT_NE(commitments[0], commitments[1]);
}

TEST(Record, CommitsToTheOrderAndTheBoundariesOfItsFields) {
  Record record = new_record();
  record.add("a", "one");
  record.add("b", "two");
  Record exchanged = record;
  std::swap(exchanged.fields[0], exchanged.fields[1]);
  EXPECT_NE(record_digest(record), record_digest(exchanged));
  const ByteArray<16> salt{};
  EXPECT_NE(field_commitment(salt, {"ab", to_bytes("c")}), field_commitment(salt, {"a", to_bytes("bc")}));
}

TEST(Record, DigestFromCommitmentsIsTheSame) {
  const Record record = some_record();
  const std::vector<Digest> commitments = field_commitments(record);
  EXPECT_EQ(record_digest(commitments), record_digest(record));
  const std::vector<std::string_view> shown = {"act", "object"};
  EXPECT_EQ(disclose(record, commitments, shown), disclose(record, shown));
  EXPECT_EQ(record_digest(disclose(record, shown)), record_digest(record));
}

TEST(RecordDeathTest, MalformedIsNeverEncodedNorDigested) {
  Record twice = new_record();
  twice.add("a", "1");
  twice.add("a", "2");
  EXPECT_DEATH((void)encode(twice), "broken invariant");
  EXPECT_DEATH((void)record_digest(twice), "broken invariant");
  Record named = new_record();
  named.add("Name", "1");
  EXPECT_DEATH((void)encode(named), "broken invariant");
  Record large = new_record();
  large.add("a", Bytes(record_value_bytes_max + 1, 0));
  EXPECT_DEATH((void)field_commitments(large), "broken invariant");
}

TEST(Disclosure, IsEncodedAsTheVector) {
  const Disclosure disclosure = disclose(vector_record(), {"act", "empty"});
  EXPECT_EQ(encode(disclosure), own_format("disclosure"));
  EXPECT_EQ(*decode_disclosure(own_format("disclosure")), disclosure);
  EXPECT_EQ(to_bytes(record_digest(disclosure)), own_format("record_digest"));
}

TEST(Disclosure, OfOneFieldShowsItAndHidesTheOthers) {
  const Record record = some_record();
  const Bytes every_salt = [&] {
    Bytes salts;
    for (const DisclosedField& field : disclose_all(record).fields) append(salts, field.opening.value().salt);
    return salts;
  }();
  for (std::size_t shown = 0; shown < record.fields.size(); ++shown) {
    const Disclosure disclosure = disclose(record, {record.fields[shown].name});
    const Bytes bytes = encode(disclosure);
    EXPECT_EQ(record_digest(disclosure), record_digest(record));
    EXPECT_FALSE(contains(bytes, ByteView(record.seed).first(16)));
    for (std::size_t i = 0; i < record.fields.size(); ++i) {
      const Field& field = record.fields[i];
      const ByteView salt = ByteView(every_salt).subspan(16 * i, 16);
      EXPECT_EQ(contains(bytes, salt), i == shown) << field.name;
      const Bytes* found = disclosure.find(field.name);
      ASSERT_EQ(found != nullptr, i == shown);
      if (found) {
        EXPECT_EQ(*found, field.value);
      }
      // Too short a value turns up by chance.
      if (i != shown && field.value.size() >= 4) {
        EXPECT_FALSE(contains(bytes, field.value)) << field.name;
      }
      if (i != shown && field.name.size() >= 4 && record.fields[shown].name.find(field.name) == std::string::npos) {
        EXPECT_FALSE(contains(bytes, as_bytes(field.name))) << field.name;
      }
    }
  }
}

TEST(Disclosure, OfNothingAndOfEverythingHaveTheRecordsDigest) {
  const Record record = some_record();
  EXPECT_EQ(record_digest(disclose(record, {})), record_digest(record));
  EXPECT_EQ(record_digest(disclose_all(record)), record_digest(record));
  EXPECT_EQ(encode(disclose(record, {})).size(), 3 + record.fields.size() * 33);
  for (const Field& field : record.fields) EXPECT_EQ(*disclose_all(record).find(field.name), field.value);
}

TEST(Disclosure, OfAFieldTheRecordHasNotShowsNothing) {
  EXPECT_EQ(disclose(some_record(), {"absent"}), disclose(some_record(), {}));
}

TEST(Disclosure, IsReadBack) {
  const Disclosure disclosure = disclose(some_record(), {"act", "note", "statement"});
  EXPECT_EQ(*decode_disclosure(encode(disclosure)), disclosure);
}

TEST(Disclosure, TruncatedOrExtendedIsRefused) {
  const Bytes bytes = encode(disclose(some_record(), {"act", "statement"}));
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(decode_disclosure(ByteView(bytes).first(size)).error().code, Errc::invalid_input) << size;
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(decode_disclosure(longer));
}

TEST(Disclosure, WithAnyBitFlippedIsRefusedOrHasAnotherDigest) {
  const Record record = some_record();
  const Bytes bytes = encode(disclose(record, {"act", "note", "queue_number"}));
  int refused = 0;
  for (std::size_t i = 0; i < bytes.size() * 8; ++i) {
    Bytes flipped = bytes;
    flipped[i / 8] = static_cast<std::uint8_t>(flipped[i / 8] ^ (1 << (i % 8)));
    const auto disclosure = decode_disclosure(flipped);
    if (!disclosure) {
      ++refused;
      continue;
    }
    // Only a hidden field's commitment can change unnoticed, and the leaf notices.
    EXPECT_EQ(encode(*disclosure), flipped) << i;
    EXPECT_NE(record_digest(*disclosure), record_digest(record)) << i;
  }
  EXPECT_GT(refused, 0);
}

TEST(Disclosure, OfAnAlteredFieldFailsToAuthenticate) {
  const Disclosure genuine = disclose(some_record(), {"act", "person"});
  const auto code_after = [&](const auto& change) {
    Disclosure altered = genuine;
    change(altered);
    const auto decoded = decode_disclosure(encode(altered));
    EXPECT_FALSE(decoded);
    EXPECT_FALSE(verify_openings(altered));
    return decoded.error().code;
  };
  EXPECT_EQ(code_after([](Disclosure& d) { d.fields[0].opening->field.value = to_bytes("effacement"); }),
            Errc::authentication_failed);
  EXPECT_EQ(code_after([](Disclosure& d) { d.fields[0].opening->field.name = "actor"; }), Errc::authentication_failed);
  EXPECT_EQ(code_after([](Disclosure& d) { d.fields[0].opening->salt[0] ^= 1; }), Errc::authentication_failed);
  EXPECT_EQ(code_after([](Disclosure& d) { d.fields[0].commitment[0] ^= 1; }), Errc::authentication_failed);
  EXPECT_EQ(code_after([](Disclosure& d) { std::swap(d.fields[0].opening, d.fields[1].opening); }),
            Errc::authentication_failed);
  EXPECT_EQ(code_after([](Disclosure& d) { d.fields[5].opening = d.fields[0].opening; }), Errc::invalid_input);
}

TEST(Disclosure, ShowingOneNameTwiceIsRefused) {
  // A dishonest log can commit to such a record; two readers could then each believe another value.
  Disclosure twice;
  for (const char* value : {"one", "two"}) {
    DisclosedField::Opening opening;
    opening.field = {"act", to_bytes(value)};
    DisclosedField field;
    field.commitment = field_commitment(opening.salt, opening.field);
    field.opening = opening;
    twice.fields.push_back(field);
  }
  EXPECT_EQ(verify_openings(twice).error().code, Errc::invalid_input);
  EXPECT_EQ(decode_disclosure(encode(twice)).error().code, Errc::invalid_input);
}

}  // namespace
}  // namespace pli::audit::test
