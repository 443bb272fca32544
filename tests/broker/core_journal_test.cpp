// What the broker does with the journal when its time comes: statistics of a month, erasure at the term.
#include <algorithm>

#include "base/file.hpp"
#include "broker/record_fields.hpp"
#include "crypto/hash.hpp"
#include "protocol/statistics.hpp"
#include "tests/broker/core_fixture.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;
using broker::Unattributed;
using protocol::month_start;

class Journal : public ::testing::Test {
 protected:
  Journal()
      : department(options()),
        house(department, {}, [](broker::CoreSettings& out) { out.journal_months = broker::journal_months_min; }) {}
  static DepartmentOptions options() {
    DepartmentOptions out;
    out.ged_members = 3;
    out.clir_members = 2;
    return out;
  }
  Sealed accept(const Draft& draft = {}) {
    Sealed sealed = department.seal(draft);
    EXPECT_EQ(refusal_in(house.ask(sealed.address.sender, sealed.verified())), "");
    return sealed;
  }
  /// A leaf each, of input from nobody.
  void fill(std::size_t leaves) {
    for (std::size_t i = 0; i < leaves; ++i) {
      house.now = house.now + 1min;
      std::vector<broker::VerifiedRequest> batch;
      batch.push_back(house.request("ged.1", Unattributed{Unattributed::Reason::undecodable}));
      ASSERT_TRUE(house.apply(std::move(batch)).has_value());
    }
  }
  std::vector<broker::LeafRow> leaves(audit::LeafType type) {
    std::vector<broker::LeafRow> out;
    for (std::uint64_t i = 0; i < house.store().tree_size().value; ++i)
      if (auto row = house.store().leaf({{i}, {}}); row && row->leaf.type == type) out.push_back(*std::move(row));
    return out;
  }
  std::vector<broker::LeafRow> statements() {
    auto out = leaves(audit::LeafType::registre);
    std::erase_if(out, [](const broker::LeafRow& row) {
      return !row.leaf.statement || !protocol::parse_statistics_statement(*row.leaf.statement);
    });
    return out;
  }
  std::size_t records_left() {
    const auto places = house.store().records_from({}, 100'000);
    return static_cast<std::size_t>(
        std::count_if(places.begin(), places.end(), [](const auto& place) { return place.there; }));
  }
  static std::string text(const broker::LeafRow& row, const char* field) {
    const auto record = broker::unpack(row.record);
    const Bytes* value = record ? record->find(field) : nullptr;
    return value == nullptr ? std::string() : std::string(as_text(*value));
  }
  protocol::Records records(LeafIndex from) {
    auto reply = house.ask("auditeur", protocol::GetRecords{from, 64});
    EXPECT_EQ(refusal_in(reply), "");
    return std::get<protocol::Records>(std::move(reply));
  }
  void expect_whole() {
    broker::CheckOptions wanted;
    wanted.log = department.log();
    const auto report = broker::check_store(house.database(), house.keys(), wanted);
    ASSERT_TRUE(report.has_value()) << report.error().detail;
    for (const broker::StoreProblem& problem : report->problems) ADD_FAILURE() << problem.name << " " << problem.where;
  }

  Department department;
  BrokerHouse house;
};

// ---- statistics ----------------------------------------------------------------------------------------------------

TEST_F(Journal, TheFirstTickAfterAMonthsEndStatesItOnce) {
  for (int i = 0; i < 6; ++i) accept();
  for (const char* member : {"ged.1", "ged.2", "ged.3", "clir.1"})
    EXPECT_EQ(refusal_in(house.ask(member, protocol::Hello{})), "");
  house.now = month_start(202602) - 1ms;
  house.tick();
  EXPECT_TRUE(statements().empty());
  house.now = month_start(202602);
  house.tick();
  ASSERT_EQ(statements().size(), 1U);
  const broker::LeafRow row = statements().front();
  const auto statement = protocol::parse_statistics_statement(*row.leaf.statement).value();
  EXPECT_EQ(statement.month, 202601U);
  EXPECT_EQ(statement.from, LeafIndex{0});
  EXPECT_EQ(statement.to, row.place.index);
  EXPECT_EQ(statement.text, crypto::sha256(as_bytes(text(row, "statistics"))));
  EXPECT_NE(text(row, "statistics").find("accepted ged/89 signalement_individuel 6\n"), std::string::npos)
      << text(row, "statistics");

  // An auditor makes the same text from what he is given.
  const protocol::Records shown = records({0});
  protocol::MonthlyStatistics again(department.origin(), 202601, statement.from);
  for (std::uint64_t i = statement.from.value; i < statement.to.value; ++i) {
    const auto disclosure = audit::decode_disclosure(shown.items[i].disclosure).value();
    const auto fields = protocol::counted_fields(disclosure);
    again.add(audit::decode_leaf(shown.items[i].leaf)->type, &fields);
  }
  EXPECT_EQ(again.text(), text(row, "statistics"));
  const auto own = audit::decode_disclosure(shown.items[row.place.index.value].disclosure).value();
  EXPECT_EQ(as_text(*own.find("statistics")), again.text());

  for (int i = 0; i < 3; ++i) {
    house.now = house.now + 1min;
    house.tick();
    house.restart();
    house.tick();
  }
  EXPECT_EQ(statements().size(), 1U);
  expect_whole();
}

TEST_F(Journal, EachMonthWithALeafIsStatedInItsOrderAndAnEmptyOneIsNot) {
  accept();
  house.close();
  house.now = month_start(202604) + 1h;  // nothing ran in February and March
  ASSERT_TRUE(house.open().has_value());
  house.tick();
  ASSERT_EQ(statements().size(), 1U);
  house.now = month_start(202606) + 1h;  // April had that leaf, May none
  house.restart();
  house.tick();
  house.tick();
  const auto rows = statements();
  ASSERT_EQ(rows.size(), 2U);
  const auto january = protocol::parse_statistics_statement(*rows[0].leaf.statement).value();
  const auto april = protocol::parse_statistics_statement(*rows[1].leaf.statement).value();
  EXPECT_EQ(january.month, 202601U);
  EXPECT_EQ(april.month, 202604U);
  EXPECT_EQ(april.from, january.to);
  EXPECT_EQ(april.to, rows[1].place.index);
}

TEST_F(Journal, ALongMonthIsCountedOverSeveralTicksAndARestartBeginsItAnew) {
  fill(2100);
  house.now = month_start(202602);
  house.tick();
  EXPECT_TRUE(statements().empty());
  house.restart();
  house.tick();
  EXPECT_TRUE(statements().empty());
  house.tick();
  ASSERT_EQ(statements().size(), 1U);
  EXPECT_NE(text(statements().front(), "statistics").find("records 2102 erased 0\n"), std::string::npos)
      << text(statements().front(), "statistics");
}

TEST_F(Journal, AMonthWithADamagedRecordIsNotStatedUntilItIsMended) {
  accept();
  house.close();
  run_sql(house.database(), "CREATE TABLE kept AS SELECT record FROM leaf WHERE key = 2");
  run_sql(house.database(), "UPDATE leaf SET record = zeroblob(300) WHERE key = 2");
  house.now = month_start(202602);
  ASSERT_TRUE(house.open().has_value());
  house.tick();
  house.tick();
  EXPECT_TRUE(statements().empty());
  house.close();
  run_sql(house.database(), "UPDATE leaf SET record = (SELECT record FROM kept) WHERE key = 2; DROP TABLE kept");
  ASSERT_TRUE(house.open().has_value());
  house.tick();
  EXPECT_EQ(statements().size(), 1U);
}

TEST_F(Journal, TheMonthAShardWasClosedInIsStatedInTheNextOne) {
  for (int i = 0; i < 6; ++i) accept();
  house.now = month_start(202602) + 1h;
  house.tick();
  for (int i = 0; i < 5; ++i) accept();
  const std::string closed(house.store().origin());
  const TreeSize size = house.store().tree_size();
  const LeafIndex stated_there = statements().front().place.index;
  house.close_core();
  ASSERT_TRUE(
      broker::open_next_shard(house.store(), house.keys(), house.settings(), house.store().checkpoint(), house.now)
          .has_value());
  house.restart();
  const auto in_next = [&] {
    std::vector<protocol::StatisticsStatement> out;
    for (std::uint64_t i = 0; i < house.store().tree_size().value; ++i)
      if (const auto row = house.store().leaf({{i}, {1}}); row && row->leaf.statement)
        if (auto statement = protocol::parse_statistics_statement(*row->leaf.statement)) out.push_back(*statement);
    return out;
  };
  house.tick();
  ASSERT_EQ(in_next().size(), 1U) << "at once: nothing is added to a closed shard";
  const protocol::StatisticsStatement part = in_next().front();
  EXPECT_EQ(part.shard, closed);
  EXPECT_EQ(part.month, 202602U);
  EXPECT_EQ(part.to.value, size.value);
  EXPECT_EQ(part.from, stated_there) << "January was stated there";

  // An auditor makes the same text from what he is given of the closed shard.
  auto reply = house.ask("auditeur", protocol::GetRecords{part.from, 64, closed});
  ASSERT_EQ(refusal_in(reply), "");
  protocol::MonthlyStatistics again(closed, 202602, part.from);
  for (const protocol::RecordItem& item : std::get<protocol::Records>(reply).items) {
    const auto disclosure = audit::decode_disclosure(item.disclosure).value();
    const auto fields = protocol::counted_fields(disclosure);
    again.add(audit::decode_leaf(item.leaf)->type, &fields);
  }
  EXPECT_EQ(crypto::sha256(as_bytes(again.text())), part.text) << again.text();
  EXPECT_NE(again.text().find("accepted ged/89 signalement_individuel 5\n"), std::string::npos) << again.text();

  for (int i = 0; i < 2; ++i) {
    house.now = house.now + 1min;
    house.restart();
    house.tick();
  }
  EXPECT_EQ(in_next().size(), 1U) << "once";
  // And the month goes on in this shard, which states its own part.
  house.now = month_start(202603) + 1h;
  house.tick();
  ASSERT_EQ(in_next().size(), 2U);
  EXPECT_EQ(in_next()[1].shard, "");
  EXPECT_EQ(in_next()[1].month, 202602U);
  expect_whole();
}

TEST_F(Journal, AMonthThatWasOverUnstatedWhenItsShardWasClosedIsStatedToo) {
  accept();
  house.now = month_start(202602) + 1h;  // and no tick came
  accept();
  house.close_core();
  ASSERT_TRUE(
      broker::open_next_shard(house.store(), house.keys(), house.settings(), house.store().checkpoint(), house.now)
          .has_value());
  house.restart();
  house.tick();
  house.tick();
  house.tick();
  std::vector<std::uint32_t> months;
  for (std::uint64_t i = 0; i < house.store().tree_size().value; ++i)
    if (const auto row = house.store().leaf({{i}, {1}}); row && row->leaf.statement)
      if (auto statement = protocol::parse_statistics_statement(*row->leaf.statement))
        months.push_back(statement->month);
  EXPECT_EQ(months, (std::vector<std::uint32_t>{202601, 202602}));
}

// ---- erasure -------------------------------------------------------------------------------------------------------

TEST_F(Journal, P9RecordsGoAtTheirTermAndTheTreeStays) {
  const Sealed sealed = accept();
  const auto proven = house.ask("referent.auxerre", protocol::Prove{sealed.id});
  ASSERT_EQ(refusal_in(proven), "");
  const protocol::LeafProof receipt = std::get<protocol::Proven>(proven).proof;
  const std::uint64_t january = house.store().tree_size().value;
  house.now = month_start(202602);
  house.tick();
  const std::string checkpoint = house.core().newest_checkpoint();

  house.now = month_start(202608) - 1ms;
  house.restart();
  house.tick();
  EXPECT_TRUE(leaves(audit::LeafType::effacement).empty());
  ASSERT_TRUE(house.keys().record_key(202601).has_value());
  house.now = month_start(202608);
  house.tick();

  // The key is in neither copy of the lease file; the values are NULL and not in the WAL.
  EXPECT_FALSE(house.keys().record_key(202601));
  for (const auto& copy : {house.key_paths().leases, house.key_paths().leases_copy}) {
    broker::KeyPaths one = house.key_paths();
    one.leases = one.leases_copy = copy;
    EXPECT_FALSE((*broker::KeyRing::read(one, test_startup_secret()))->record_key(202601));
  }
  EXPECT_EQ(query_number(house.database(),
                         "SELECT count(*) FROM leaf WHERE record IS NOT NULL AND key < " + std::to_string(january)),
            2)
      << "how the log begins is nobody's act, its first version too, and stays";
  EXPECT_EQ(std::filesystem::file_size(house.database().string() + "-wal"), 0U);

  const auto erasures = leaves(audit::LeafType::effacement);
  ASSERT_EQ(erasures.size(), 1U);
  EXPECT_EQ(text(erasures[0], "act"), "erase");
  EXPECT_EQ(text(erasures[0], "range"), "0," + std::to_string(january));
  expect_whole();

  // Nobody's proof breaks: the leaf is there, and its receipt holds under today's tree.
  EXPECT_EQ(refusal_in(house.ask("referent.auxerre", protocol::Prove{sealed.id})), "ERASED(journal)");
  audit::Receipt kept;
  kept.leaf = audit::decode_leaf(receipt.leaf).value();
  kept.record = audit::decode_disclosure(receipt.disclosure).value();
  kept.index = receipt.index;
  kept.proof = receipt.proof;
  kept.checkpoint = receipt.checkpoint;
  EXPECT_TRUE(audit::verify_receipt(kept, house.log_key()).has_value());
  EXPECT_NE(house.core().newest_checkpoint(), checkpoint);

  const protocol::Records shown = records({0});
  for (const protocol::RecordItem& item : shown.items)
    EXPECT_EQ(item.disclosure.empty(), item.index.value > 1 && item.index.value < january) << item.index.value;
  EXPECT_EQ(shown.items[receipt.index.value].leaf, receipt.leaf);
  // January's statistics outlive its records.
  EXPECT_NE(text(statements().front(), "statistics").find("month 2026-01\n"), std::string::npos);
}

TEST_F(Journal, HowAShardEndedIsShownWhenTheRecordsOfThatTimeAreGone) {
  const std::string closed(house.store().origin());
  static_cast<void>(accept());
  house.close_core();
  ASSERT_TRUE(
      broker::open_next_shard(house.store(), house.keys(), house.settings(), house.store().checkpoint(), house.now)
          .has_value());
  house.restart();
  house.now = month_start(202608);
  house.restart();
  house.tick();
  ASSERT_FALSE(house.keys().record_key(202601)) << "its records are gone";
  const auto reply = house.ask("ged.1", protocol::GetShard{closed, {}});
  ASSERT_EQ(refusal_in(reply), "");
  const auto& first = std::get<protocol::ShardReply>(reply).first;
  audit::Receipt receipt;
  receipt.leaf = audit::decode_leaf(first.leaf).value();
  receipt.record = audit::decode_disclosure(first.disclosure).value();
  receipt.index = first.index;
  receipt.proof = first.proof;
  receipt.checkpoint = first.checkpoint;
  EXPECT_TRUE(audit::verify_receipt(receipt, house.log_key()).has_value());
  expect_whole();
}

TEST_F(Journal, ErasureGoesOnAfterARestartAndIsRecordedOnce) {
  fill(2100);
  house.now = month_start(202608);
  house.tick();
  EXPECT_EQ(leaves(audit::LeafType::effacement).size(), 1U);
  EXPECT_GE(records_left(), 100U);
  expect_whole();  // some without a key
  house.restart();
  for (int i = 0; i < 2; ++i) house.tick();  // past what is gone, then on
  EXPECT_LT(records_left(), 10U);
  house.restart();
  house.tick();
  EXPECT_EQ(leaves(audit::LeafType::effacement).size(), 1U);
  expect_whole();
}

TEST_F(Journal, TheVersionInForceStaysProvableWhenItsRecordIsErasedAndSaysNobodysName) {
  accept();
  EXPECT_EQ(refusal_in(house.ask("operateur", department.renew_term(house.now + protocol::directory_validity_max))),
            "");
  const auto before = house.ask("ged.1", protocol::GetDirectory{});
  ASSERT_EQ(refusal_in(before), "");
  house.now = month_start(202608);
  house.tick();
  EXPECT_FALSE(house.keys().record_key(202601));
  for (int start = 0; start < 2; ++start) {
    const auto after = house.ask("ged.1", protocol::GetDirectory{});
    ASSERT_EQ(refusal_in(after), "");
    const auto& proof = std::get<protocol::DirectoryPage>(after).leaf;
    EXPECT_EQ(proof.leaf, std::get<protocol::DirectoryPage>(before).leaf.leaf);
    EXPECT_EQ(proof.disclosure, std::get<protocol::DirectoryPage>(before).leaf.disclosure);
    const auto disclosure = audit::decode_disclosure(proof.disclosure);
    ASSERT_TRUE(disclosure.has_value());
    EXPECT_EQ(disclosure->find("actor"), nullptr);
    EXPECT_EQ(as_text(*disclosure->find("act")), "publish_directory");
    house.restart();
  }
  // Of the record itself nothing is left: the auditor reads it as erased, with all of its month.
  const auto leaf = leaves(audit::LeafType::habilitation).back();
  EXPECT_EQ(records(leaf.place.index).items.front().disclosure.size(), 0U);
  expect_whole();
  // Another record in its place would be named.
  house.close();
  run_sql(house.database(),
          "UPDATE leaf SET record = cast(x'02' || substr(record, 2, 3) || zeroblob(32) || "
          "substr(record, 37) AS BLOB) WHERE key = " +
              std::to_string(leaf.place.index.value));
  ASSERT_TRUE(house.open().has_value());
  broker::CheckOptions wanted;
  wanted.log = department.log();
  const auto broken = broker::check_store(house.database(), house.keys(), wanted);
  ASSERT_TRUE(broken.has_value());
  ASSERT_FALSE(broken->problems.empty());
  EXPECT_EQ(broken->problems.front().where, "leaf " + std::to_string(leaf.place.index.value));
}

TEST_F(Journal, AStopBetweenTheKeysEndAndItsLeafIsMadeUpFor) {
  accept();
  house.now = month_start(202608);
  ASSERT_TRUE(house.keys().drop_record_keys_before(202602).has_value());
  house.restart();
  EXPECT_TRUE(leaves(audit::LeafType::effacement).empty());
  house.tick();
  EXPECT_EQ(leaves(audit::LeafType::effacement).size(), 1U);
  house.restart();
  house.tick();
  EXPECT_EQ(leaves(audit::LeafType::effacement).size(), 1U);
  expect_whole();
}

TEST_F(Journal, MonthsGoOneAfterTheOtherEachWithItsLeaf) {
  accept();
  house.now = month_start(202602) + 1h;
  accept();
  house.now = month_start(202701);
  house.restart();
  house.tick();
  const auto erasures = leaves(audit::LeafType::effacement);
  ASSERT_EQ(erasures.size(), 2U);
  const auto first = text(erasures[0], "range");
  const auto second = text(erasures[1], "range");
  EXPECT_EQ(first.substr(0, 2), "0,");
  EXPECT_LE(first.substr(2), second.substr(0, second.find(',')));
  EXPECT_EQ(house.keys().oldest_record_month(), 202701U);
  expect_whole();
}

}  // namespace
}  // namespace pli::testing
