#include "audit/export_folder.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "support.hpp"

namespace pli::audit::test {
namespace {

constexpr ExportPeriod period{LeafIndex{300}, TreeSize{303}, UnixMillis{1767225600000}, UnixMillis{1767312000000}};
const std::string period_text = "pli-export/1\nfrom 300\nto 303\nafter 1767225600000\nbefore 1767312000000\n";

Leaf leaf_at(std::int64_t time) {
  return Leaf{LeafType::collecte, UnixMillis{time}, record_digest(some_record()), std::nullopt, std::nullopt};
}

TEST(ExportPeriodText, IsFiveLinesAndReadsBack) {
  EXPECT_EQ(to_text(period), period_text);
  ASSERT_TRUE(parse_export_period(period_text));
  EXPECT_EQ(*parse_export_period(period_text), period);
}

TEST(ExportPeriodText, OfAnEmptyPeriodAndOfTheLargestNumbersReadsBack) {
  constexpr std::int64_t last = std::numeric_limits<std::int64_t>::max();
  for (const ExportPeriod& edge :
       {ExportPeriod{}, ExportPeriod{LeafIndex{7}, TreeSize{7}, UnixMillis{5}, UnixMillis{5}},
        ExportPeriod{LeafIndex{tree_size_limit - 1}, TreeSize{tree_size_limit - 1}, UnixMillis{last},
                     UnixMillis{last}}}) {
    const auto read = parse_export_period(to_text(edge));
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, edge);
  }
}

TEST(ExportPeriodText, IsRefusedInAnyOtherSpelling) {
  const auto with = [](std::string_view old, std::string_view changed) {
    std::string text = period_text;
    return text.replace(text.find(old), old.size(), changed);
  };
  for (const std::string& text :
       {std::string(), with("/1", "/2"), with("from ", "to "), with("300", "0300"), with("300", ""), with("300", "304"),
        with("303", "303 "), with("303", "9223372036854775808"), with("300", "18446744073709551616"),
        with("after 1767225600000", "after -1"), with("after 17", "after 27"),
        with("before 17", "before 92233720368547758"), with("from 300\n", ""), with("after", "After"),
        period_text + "\n", period_text + "note x\n", period_text.substr(0, period_text.size() - 1),
        std::string("\n") + period_text}) {
    const auto read = parse_export_period(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, Errc::invalid_input);
  }
}

TEST(ExportPeriodText, LongerThanItsLimitIsRefusedUnread) {
  EXPECT_LE(to_text({LeafIndex{tree_size_limit - 1}, TreeSize{tree_size_limit - 1},
                     UnixMillis{std::numeric_limits<std::int64_t>::max()},
                     UnixMillis{std::numeric_limits<std::int64_t>::max()}})
                .size(),
            export_period_bytes_max);
  EXPECT_FALSE(parse_export_period(period_text + std::string(export_period_bytes_max, ' ')));
}

TEST(ExportPeriodTimes, PutEachLeafBeforeInOrAfterThePeriod) {
  const std::int64_t after = period.after.value;
  const std::int64_t before = period.before.value;
  struct Case {
    std::uint64_t index;
    std::int64_t time;
    bool right;
  };
  for (const Case& one :
       {Case{299, after - 1, true}, Case{299, after, false}, Case{300, after - 1, false}, Case{300, after, true},
        Case{302, before - 1, true}, Case{302, before, false}, Case{303, before - 1, false}, Case{303, before, true}}) {
    const auto checked = check_leaf_time(period, LeafIndex{one.index}, leaf_at(one.time));
    EXPECT_EQ(checked.has_value(), one.right) << one.index << ' ' << one.time;
    if (!checked) {
      EXPECT_EQ(checked.error().code, Errc::authentication_failed);
    }
  }
}

/// Hands out a file in memory, and says how much was asked for at once at most.
struct Source {
  Bytes bytes;
  std::size_t at = 0;
  std::size_t largest = 0;
  ByteSource function() {
    return [this](std::span<std::uint8_t> out) -> Result<std::size_t> {
      largest = std::max(largest, out.size());
      const std::size_t count = std::min(out.size(), bytes.size() - at);
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), count, out.begin());
      at += count;
      return count;
    };
  }
};

Bytes file_of(const std::vector<ExportRecord>& records) {
  Bytes file = to_bytes(export_records_first_line);
  for (const ExportRecord& record : records) append(file, encode(record));
  return file;
}

std::vector<ExportRecord> three_records() {
  return {{LeafIndex{300}, disclose_all(some_record())},
          {LeafIndex{301}, std::nullopt},
          {LeafIndex{302}, disclose(some_record(), {"act", "queue"})}};
}

Result<std::vector<ExportRecord>> read_all(Bytes bytes) {
  Source source{std::move(bytes)};
  auto records = ExportRecords::open(period, source.function());
  if (!records) return records.error();
  std::vector<ExportRecord> read;
  for (;;) {
    auto next = records->next();
    if (!next) return next.error();
    if (!*next) return read;
    read.push_back(**std::move(next));
  }
}

TEST(ExportRecordsFile, GivesBackWhatWasWrittenInOrder) {
  const auto read = read_all(file_of(three_records()));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, three_records());
}

TEST(ExportRecordsFile, WritesEachRecordAsIndexLengthAndDisclosure) {
  const Bytes disclosure = encode(disclose_all(some_record()));
  const Bytes record = encode(ExportRecord{LeafIndex{0x0102}, disclose_all(some_record())});
  EXPECT_EQ(to_hex(ByteView(record).first(8)), "0000000000000102");
  ByteReader length(ByteView(record).subspan(8));
  EXPECT_TRUE(equal(length.bytes32(), disclosure));
  EXPECT_TRUE(length.at_end());
  EXPECT_EQ(to_hex(encode(ExportRecord{LeafIndex{9}, std::nullopt})), "000000000000000900000000");
}

TEST(ExportRecordsFile, OfAnEmptyPeriodIsItsFirstLine) {
  Source source{to_bytes(export_records_first_line)};
  auto records = ExportRecords::open({LeafIndex{300}, TreeSize{300}, {}, {}}, source.function());
  ASSERT_TRUE(records);
  const auto next = records->next();
  ASSERT_TRUE(next);
  EXPECT_FALSE(*next);
}

TEST(ExportRecordsFile, CutAnywhereIsRefused) {
  const Bytes whole = file_of(three_records());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto read = read_all({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
    ASSERT_FALSE(read) << size;
    EXPECT_EQ(read.error().code, Errc::invalid_input);
  }
}

TEST(ExportRecordsFile, WithARecordMissingRepeatedExchangedOrTooMuchIsRefused) {
  const std::vector<ExportRecord> three = three_records();
  ExportRecord fourth = three[2];
  fourth.index = LeafIndex{303};
  for (const std::vector<ExportRecord>& records : {std::vector<ExportRecord>{three[0], three[1]},
                                                   {three[1], three[2]},
                                                   {three[0], three[2]},
                                                   {three[0], three[0], three[2]},
                                                   {three[1], three[0], three[2]},
                                                   {three[0], three[1], three[2], fourth}}) {
    const auto read = read_all(file_of(records));
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, Errc::invalid_input);
  }
  Bytes longer = file_of(three);
  longer.push_back(0);
  EXPECT_FALSE(read_all(longer));
}

TEST(ExportRecordsFile, WithAnyByteChangedGivesOtherRecordsOrIsRefused) {
  const Bytes whole = file_of(three_records());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    Bytes changed = whole;
    changed[i] ^= 0x04;
    const auto read = read_all(changed);
    // A commitment that nothing opens is only held by the leaf (check_record).
    if (read) {
      EXPECT_NE(*read, three_records()) << i;
    }
  }
}

TEST(ExportRecordsFile, WithAShownFieldThatIsNotTheOneCommittedToIsRefused) {
  std::vector<ExportRecord> records = three_records();
  records[2].disclosure->fields[0].opening->field.value[0] ^= 0x01;
  const auto read = read_all(file_of(records));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Errc::authentication_failed);
}

TEST(ExportRecordsFile, TakesTheLongestDisclosureAndAsksForNothingLonger) {
  Record record = new_record();
  for (std::size_t i = 0; i < record_fields_max; ++i) {
    std::string name(32, 'a');
    name[0] = static_cast<char>('a' + i % 26);
    name[1] = static_cast<char>('a' + i / 26);
    record.add(name, Bytes(record_value_bytes_max, 0x55));
  }
  const ExportRecord longest{LeafIndex{300}, disclose_all(record)};
  ASSERT_EQ(encode(*longest.disclosure).size(), disclosure_bytes_max);
  const auto read = read_all(file_of({longest, {LeafIndex{301}, std::nullopt}, {LeafIndex{302}, std::nullopt}}));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->front(), longest);

  ByteWriter above;
  above.raw(as_bytes(export_records_first_line));
  above.u64(300);
  above.u32(static_cast<std::uint32_t>(disclosure_bytes_max + 1));
  Source source{above.take()};
  source.bytes.resize(source.bytes.size() + disclosure_bytes_max + 1);
  auto records = ExportRecords::open(period, source.function());
  ASSERT_TRUE(records);
  const auto refused = records->next();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid_input);
  EXPECT_LE(source.largest, export_records_first_line.size());
}

TEST(ExportRecordsFile, SaysWhatItsSourceSays) {
  auto records = ExportRecords::open(period, [](std::span<std::uint8_t>) -> Result<std::size_t> {
    return Error{Errc::io_error, "the disk"};
  });
  ASSERT_FALSE(records);
  EXPECT_EQ(records.error().code, Errc::io_error);
}

TEST(ExportRecord, IsTheOneItsLeafCommitsTo) {
  const Leaf leaf = leaf_at(5);
  EXPECT_TRUE(check_record({LeafIndex{1}, disclose(some_record(), {"act"})}, leaf));
  EXPECT_TRUE(check_record({LeafIndex{1}, std::nullopt}, leaf));
  Disclosure other = disclose(some_record(), {"act"});
  other.fields[1].commitment[0] ^= 0x01;
  const auto refused = check_record({LeafIndex{1}, other}, leaf);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::authentication_failed);
}

}  // namespace
}  // namespace pli::audit::test
