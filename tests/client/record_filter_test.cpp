#include "client/record_filter.hpp"

#include <gtest/gtest.h>

namespace pli::testing {
namespace {

using client::RecordFilter;

client::AuditedRecord opening() {
  audit::Record record = audit::new_record();
  record.add("actor", "p.leroux");
  record.add("person", "leroux");
  record.add("role", "membre_ged,secretariat");
  record.add("organisation", "service-1");
  record.add("act", "open");
  record.add("exchange", ByteView(Digest{0x3f, 0x9a, 0x01}));
  record.add("case", ByteView(Digest{0x77}));
  record.add("queue", "ged/89");
  record.add("kind", "signalement_individuel");
  record.add("motif", "suivi");
  record.add("outcome", "ok");
  record.add("rule", "ouverture.ged");
  audit::Leaf leaf;
  leaf.type = audit::LeafType::consultation;
  leaf.time = UnixMillis{1000};
  return {LeafIndex{4}, leaf, audit::disclose_all(record)};
}

TEST(RecordFilter, EveryConditionHasToHold) {
  const client::AuditedRecord record = opening();
  EXPECT_TRUE(RecordFilter{}.matches(record));
  struct Row {
    std::string RecordFilter::*field;
    const char* right;
    const char* wrong;
  };
  const Row rows[] = {{&RecordFilter::member, "p.leroux", "p.lerou"},
                      {&RecordFilter::person, "leroux", "p.leroux"},
                      {&RecordFilter::organisation, "service-1", "service-2"},
                      {&RecordFilter::role, "secretariat", "membre"},
                      {&RecordFilter::role, "membre_ged", "membre_ged,secretariat"},
                      {&RecordFilter::queue, "ged/89", "ged/8"},
                      {&RecordFilter::kind, "signalement_individuel", "retour"},
                      {&RecordFilter::motif, "suivi", "evaluation"},
                      {&RecordFilter::outcome, "ok", "FORBIDDEN"},
                      {&RecordFilter::rule, "ouverture.ged", "ouverture.clir"},
                      {&RecordFilter::exchange, "3f9a", "3f9b"},
                      {&RecordFilter::case_id, "77", "78"}};
  for (const Row& row : rows) {
    RecordFilter filter;
    filter.*row.field = row.right;
    EXPECT_TRUE(filter.matches(record)) << row.right;
    filter.*row.field = row.wrong;
    EXPECT_FALSE(filter.matches(record)) << row.wrong;
  }
  RecordFilter type;
  type.type = audit::LeafType::consultation;
  EXPECT_TRUE(type.matches(record));
  type.type = audit::LeafType::refus;
  EXPECT_FALSE(type.matches(record));
}

TEST(RecordFilter, APeriodHoldsItsBeginningAndNotItsEnd) {
  const client::AuditedRecord record = opening();
  RecordFilter filter;
  filter.not_before = UnixMillis{1000};
  EXPECT_TRUE(filter.matches(record));
  filter.not_before = UnixMillis{1001};
  EXPECT_FALSE(filter.matches(record));
  filter.not_before.reset();
  filter.before = UnixMillis{1001};
  EXPECT_TRUE(filter.matches(record));
  filter.before = UnixMillis{1000};
  EXPECT_FALSE(filter.matches(record));
}

TEST(RecordFilter, AFieldARecordLacksMatchesNothingThatWasAsked) {
  client::AuditedRecord record = opening();
  client::show_only(record.record, {"act"});
  RecordFilter filter;
  filter.motif = "suivi";
  EXPECT_FALSE(filter.matches(record));
  filter = {};
  filter.exchange = "3f";
  EXPECT_FALSE(filter.matches(record));
}

TEST(RecordFilter, TakesIdsAndPlacesAsTheyArePasted) {
  EXPECT_EQ(client::typed_id(" 3F9A 01bc\n"), "3f9a01bc");
  EXPECT_EQ(client::typed_id(std::string(64, 'A')), std::string(64, 'a'));
  for (const std::string& text : {std::string(), std::string(" "), std::string("3g"), std::string(65, 'a')})
    EXPECT_FALSE(client::typed_id(text).has_value()) << text;
  EXPECT_EQ(client::typed_place(" 1\xe2\x80\xaf"
                                "204 "),
            LeafIndex{1204});
  EXPECT_EQ(client::typed_place("9223372036854775807"), LeafIndex{9223372036854775807U});
  for (const char* text : {"", "3f", "-1", "9223372036854775808", "1.5"})
    EXPECT_FALSE(client::typed_place(text).has_value()) << text;
}

TEST(RecordFilter, TakesAPlaceBehindItsShard) {
  const auto plain = client::typed_shard_place("1204");
  ASSERT_TRUE(plain.has_value());
  EXPECT_EQ(plain->shard, "");
  EXPECT_EQ(plain->index, LeafIndex{1204});
  const auto named = client::typed_shard_place(" 2026-1/42 ");
  ASSERT_TRUE(named.has_value());
  EXPECT_EQ(named->shard, "2026-1");
  EXPECT_EQ(named->index, LeafIndex{42});
  const auto whole = client::typed_shard_place("pli.example/pli/89/2026-1/42");
  ASSERT_TRUE(whole.has_value());
  EXPECT_EQ(whole->shard, "pli.example/pli/89/2026-1");
  for (const char* text : {"", "/", "/42", "2026-1/", "2026-1/x", "42/2026-1"})
    EXPECT_FALSE(client::typed_shard_place(text).has_value()) << text;
}

TEST(RecordFilter, ListsWhatMayBeTyped) {
  EXPECT_EQ(client::outcome_names().front(), "ok");
  EXPECT_EQ(client::outcome_names().back(), "STOPPED");
  EXPECT_EQ(client::outcome_names().size(), 19U);
  EXPECT_EQ(client::act_names().size(), 14U);
  EXPECT_EQ(client::motif_names().size(), protocol::all_motifs().size());
  EXPECT_EQ(client::role_names().size(), protocol::role_count);
  EXPECT_EQ(client::name_in(client::outcome_names(), "forbidden"), "FORBIDDEN");
  EXPECT_EQ(client::name_in(client::act_names(), " Export "), "export");
  EXPECT_FALSE(client::name_in(client::outcome_names(), "zzz").has_value());
}

TEST(CsvLine, FollowsRfc4180) {
  EXPECT_EQ(client::csv_line({"a", "", "c"}), "a,,c\r\n");
  EXPECT_EQ(client::csv_line({"", "b"}), ",b\r\n");
  EXPECT_EQ(client::csv_line({"a,b", "say \"no\"", "two\nlines"}), "\"a,b\",\"say \"\"no\"\"\",\"two\nlines\"\r\n");
}

TEST(CsvLine, NoCellIsAFormula) {
  for (const char* cell : {"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"})
    EXPECT_EQ(client::csv_line({cell}), "\"'" + std::string(cell) + "\"\r\n");
  EXPECT_EQ(client::csv_line({"=\"a\""}), "\"'=\"\"a\"\"\"\r\n");
  EXPECT_EQ(client::csv_line({"a=1", "1-2"}), "a=1,1-2\r\n");
}

}  // namespace
}  // namespace pli::testing
