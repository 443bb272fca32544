#include "client/statistics_check.hpp"

#include <gtest/gtest.h>

#include "audit/record.hpp"
#include "crypto/hash.hpp"

namespace pli::testing {
namespace {

using client::StatisticsVerdict;

constexpr const char* origin = "pli.example/pli/89/2026-1";
constexpr std::uint32_t november = 202611;

/// A journal of submissions, and the statement a broker makes of its November.
class StatisticsTest : public ::testing::Test {
 protected:
  void submission(UnixMillis time) {
    audit::Record record = audit::new_record();
    record.add("act", "submit");
    record.add("queue", "ged/89");
    record.add("kind", "signalement_individuel");
    record.add("outcome", "ok");
    add(time, audit::LeafType::collecte, record, std::nullopt);
  }
  void add(UnixMillis time, audit::LeafType type, const audit::Record& record, std::optional<std::string> statement) {
    audit::Leaf leaf;
    leaf.type = type;
    leaf.time = time;
    leaf.record = audit::record_digest(record);
    leaf.statement = std::move(statement);
    items_.push_back({LeafIndex{items_.size()}, audit::encode(leaf), audit::encode(audit::disclose_all(record))});
  }
  void state(const protocol::StatisticsStatement& statement) {
    audit::Record record = audit::new_record();
    record.add("act", "statistics");
    record.add("outcome", "ok");
    add(end_, audit::LeafType::registre, record, protocol::to_text(statement));
  }
  client::StatisticsCheck check(std::uint32_t month = november) {
    client::StatisticsChecker checker(origin, month);
    for (const protocol::RecordItem& item : items_) checker.add(item);
    return checker.finish();
  }
  /// As the broker would state it.
  protocol::StatisticsStatement honest() {
    const std::string text = check().text;
    return {november, LeafIndex{2}, LeafIndex{12}, crypto::sha256(as_bytes(text))};
  }
  void fill() {
    submission({begin_.value - 2});
    submission({begin_.value - 1});
    for (int i = 0; i < 9; ++i) submission({begin_.value + i});
    submission({end_.value - 1});
  }
  UnixMillis begin_ = protocol::month_start(november);
  UnixMillis end_ = protocol::month_start(202612);
  std::vector<protocol::RecordItem> items_;
};

TEST_F(StatisticsTest, OfAMonthAreCountedAgainToTheSameBytes) {
  fill();
  EXPECT_EQ(check().verdict, StatisticsVerdict::not_stated);
  EXPECT_NE(check().text.find("leaves 2 12\n"), std::string::npos) << check().text;
  EXPECT_NE(check().text.find("accepted ged/89 signalement_individuel 10\n"), std::string::npos) << check().text;
  state(honest());
  EXPECT_EQ(check().verdict, StatisticsVerdict::equal);
  EXPECT_EQ(check().leaf, LeafIndex{12});
}

TEST_F(StatisticsTest, AnythingElseStatedIsDifferent) {
  fill();
  const protocol::StatisticsStatement right = honest();
  const auto said = [&](const protocol::StatisticsStatement& statement) {
    const auto before = items_;
    state(statement);
    const auto verdict = check().verdict;
    items_ = before;
    return verdict;
  };
  EXPECT_EQ(said(right), StatisticsVerdict::equal);
  auto wrong = right;
  wrong.text[0] ^= 1;
  EXPECT_EQ(said(wrong), StatisticsVerdict::different);
  wrong = right;
  --wrong.from.value;
  EXPECT_EQ(said(wrong), StatisticsVerdict::different);
  wrong = right;
  --wrong.to.value;
  EXPECT_EQ(said(wrong), StatisticsVerdict::different);
  wrong = right;
  wrong.month = 202610;
  EXPECT_EQ(said(wrong), StatisticsVerdict::not_stated);
  state(right);
  state(right);
  EXPECT_EQ(check().verdict, StatisticsVerdict::stated_twice);
}

TEST_F(StatisticsTest, OfAShardClosedInTheMonthAreStatedInTheNextOne) {
  fill();
  const std::string next = "pli.example/pli/89/2026-2";
  protocol::StatisticsStatement part = honest();
  part.shard = origin;
  const auto checked = [&](const protocol::StatisticsStatement& said, const std::string& in) {
    client::StatisticsChecker checker(origin, november);
    for (const protocol::RecordItem& item : items_) checker.add(item);
    const auto before = items_;
    state(said);
    items_.back().index = LeafIndex{1};
    checker.add_later(in, items_.back());
    items_ = before;
    return checker.finish();
  };
  const auto check = checked(part, next);
  EXPECT_EQ(check.verdict, StatisticsVerdict::equal);
  EXPECT_EQ(check.leaf, LeafIndex{1});
  EXPECT_EQ(check.shard, next);
  ++part.to.value;
  EXPECT_EQ(checked(part, next).verdict, StatisticsVerdict::different);
  --part.to.value;
  part.shard = "pli.example/pli/89/2025-1";
  EXPECT_EQ(checked(part, next).verdict, StatisticsVerdict::not_stated) << "another shard's";
  part.shard.clear();
  EXPECT_EQ(checked(part, next).verdict, StatisticsVerdict::not_stated) << "that shard's own";
}

TEST_F(StatisticsTest, AnErasedRecordCountsAsErased) {
  fill();
  items_[5].disclosure.clear();
  EXPECT_NE(check().text.find("records 9 erased 1\n"), std::string::npos) << check().text;
}

TEST_F(StatisticsTest, AMonthWithoutALeafHasNone) {
  fill();
  EXPECT_EQ(check(202601).verdict, StatisticsVerdict::empty);
  EXPECT_EQ(check(202601).text, "");
}

}  // namespace
}  // namespace pli::testing
