#include "broker/check_store.hpp"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <set>

#include "crypto/hash.hpp"
#include "crypto/random.hpp"
#include "protocol/limits.hpp"
#include "protocol/statistics.hpp"
#include "tests/broker/core_fixture.hpp"

namespace pli::testing {
namespace {

/// The names of docs/storage.md, "Invariants": what stands in backticks in the first column of its table.
const std::set<std::string>& documented_names() {
  static const std::set<std::string> names = [] {
    std::ifstream file(std::string(PLI_SOURCE_DIR) + "/docs/storage.md");
    std::set<std::string> out;
    bool there = false;
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("## ")) there = line == "## Invariants";
      if (!there || !line.starts_with("| `")) continue;
      const std::string column = line.substr(0, line.find('|', 1));
      for (std::size_t at = column.find('`'); at != std::string::npos; at = column.find('`', at)) {
        const std::size_t end = column.find('`', at + 1);
        out.insert(column.substr(at + 1, end - at - 1));
        at = end + 1;
      }
    }
    return out;
  }();
  return names;
}

class CheckStore : public CoreTest {
 protected:
  /// Two cases with every kind of row, then closed.
  CheckStore() {
    const Sealed first = accept({});
    accept({});
    house.now = protocol::month_start(202602) + std::chrono::minutes(1);
    house.tick();  // the statistics of January
    EXPECT_EQ(refusal_in(open("ged.1", first.id)), "");
    decide(first.id);
    accept(step(protocol::Kind::retour, "secretariat", department.organisation_queue("referent.auxerre"), first.id));
    EXPECT_EQ(refusal_in(publish(department.enrol("ged.neuf", "service-9", {protocol::Role::membre_ged}, {"ged/89"}))),
              "");
    EXPECT_EQ(refusal_in(submit(department.seal_access("ged.1", first))), "");
    accept(step(protocol::Kind::recusation, "ged.2", "ged/89", first.id));
    EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::Acknowledge{"ged/89", {2}})), "");
    const protocol::Suspension suspension{department.directory()->verified()->head().contract, "ged.3", {2}, house.now};
    EXPECT_EQ(refusal_in(house.ask("operateur", broker::VerifiedSuspension{department.sign_suspension(suspension, 0)})),
              "");
    roll_back();
    EXPECT_EQ(refusal_in(open("clir.1", first.id)), "NOT_FOUND");
  }
  /// To a copy that lacks one exchange, by order: two shards from here on.
  void roll_back() {
    const std::filesystem::path copy = house.folder() / "copy" / "pli.db";
    house.close();
    copy_database(house.database(), copy);
    house.restart();
    accept({});
    const std::string last_known = house.core().newest_checkpoint();
    house.close();
    copy_database(copy, house.database());
    house.restart();
    house.close_core();
    const auto asked = broker::rollback_request(house.store(), house.keys(), house.settings(), last_known, house.now);
    ASSERT_TRUE(asked.has_value());
    ASSERT_TRUE(broker::accept_rollback(house.store(), house.keys(), house.settings(),
                                        {last_known, department.sign_order(asked->order)}, house.now)
                    .has_value());
    house.restart();
  }
  std::vector<std::string> problems() {
    broker::CheckOptions options;
    options.log = department.log();
    const auto keys = broker::KeyRing::open(house.key_paths(), test_startup_secret(), house.now);
    const auto report = broker::check_store(house.database(), **keys, options);
    if (!report) return {"error: " + report.error().detail};
    std::vector<std::string> names;
    for (const auto& problem : report->problems) names.push_back(problem.name);
    return names;
  }
  void expect_found(const char* sql, const char* name) {
    SCOPED_TRACE(sql);
    const std::filesystem::path copy = house.folder() / "whole.db";
    copy_database(house.database(), copy);
    run_sql(house.database(), sql);
    const std::vector<std::string> found = problems();
    EXPECT_NE(std::find(found.begin(), found.end(), name), found.end()) << ::testing::PrintToString(found);
    for (const std::string& other : found) EXPECT_TRUE(documented_names().contains(other)) << other;
    copy_database(copy, house.database());
    EXPECT_EQ(problems(), std::vector<std::string>{});
  }
};

TEST_F(CheckStore, FindsNothingInAWholeStore) {
  EXPECT_EQ(problems(), std::vector<std::string>{});
  house.restart();
  EXPECT_EQ(problems(), std::vector<std::string>{});
  broker::CheckOptions options;
  options.log = department.log();
  const auto report = broker::check_store(house.database(), house.keys(), options);
  EXPECT_EQ(report->exchanges, 9U);
  ASSERT_EQ(report->shards.size(), 2U);
  EXPECT_EQ(report->shards.back().size, house.store().tree_size());
  EXPECT_EQ(static_cast<std::int64_t>(report->leaves), query_number(house.database(), "SELECT count(*) FROM leaf"));
}

TEST_F(CheckStore, NamesEachBrokenInvariant) {
  house.close();  // nobody may hold the file open while it is copied about
  struct Damage {
    const char* sql;
    const char* name;
  };
  // Without foreign keys: what SQLite would have refused is what a damaged disk may hold.
  const Damage damages[] = {
      {"PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'access_part_added'", "pages"},
      {"PRAGMA foreign_keys = OFF; UPDATE exchange SET queue = 9 WHERE number = 2", "pages.references"},
      {"DELETE FROM meta", "meta"},
      {"UPDATE shard SET origin = 'pli.ailleurs.example/pli/58/2026-1' WHERE id = 0", "meta.origin"},
      {"UPDATE leaf SET digest = zeroblob(32) WHERE key = 2", "record.digest"},
      {"UPDATE leaf SET type = (SELECT type FROM leaf WHERE key = 2) WHERE key = (SELECT max(key) FROM leaf)",
       "record.type"},
      {"PRAGMA foreign_keys = OFF; DELETE FROM exchange WHERE number = 2", "exchange.order"},
      {"UPDATE exchange SET address = zeroblob(9) WHERE number = 2", "exchange.layout"},
      {"INSERT INTO exchange SELECT 10, id, zeroblob(32), shard, leaf, accepted_at, queue, 10, head, kind, "
       "case_number, "
       "roster, body, signature, seal, address FROM exchange WHERE number = 2",
       "exchange.twice"},
      {"UPDATE exchange SET nonce = (SELECT nonce FROM exchange WHERE number = 1) WHERE number = 2", "exchange.twice"},
      {"PRAGMA foreign_keys = OFF; INSERT INTO access_part VALUES (99, 99, 1, zeroblob(72))", "access.exchange"},
      {"PRAGMA foreign_keys = OFF; UPDATE case_file SET number = 99 WHERE number = 2", "case.exchange"},
      {"UPDATE exchange SET kind = 11 WHERE number = 3", "case.step"},
      {"UPDATE meta SET indexed_through = 2", "index.nonce"},
      {"UPDATE meta SET indexed_through = 2", "index.payload"},
      {"UPDATE meta SET indexed_through = 2", "index.party"},
      {"UPDATE meta SET indexed_through = 2", "index.instance"},
      {"UPDATE meta SET indexed_through = 3", "index.case"},
      {"UPDATE queue SET name = 'nulle part' WHERE id = 1", "queue.name"},
      {"UPDATE roster SET keys = zeroblob(33) WHERE id = 1", "roster.keys"},
      {"UPDATE directory_version SET note = 'n''importe quoi' WHERE number = 1", "directory.note"},
      {"UPDATE directory_version SET note = (SELECT note FROM directory_version WHERE number = 1) WHERE number = 2",
       "directory.chain"},
      {"PRAGMA foreign_keys = OFF; DELETE FROM directory_version WHERE number = 2", "directory.missing"},
      {"UPDATE directory_entry SET bytes = zeroblob(9) WHERE id = 'ged.neuf'", "directory.entry"},
      {"UPDATE suspension SET member = 'ged.2'", "suspension.note"},
      {"UPDATE suspension SET leaf = 2", "suspension.leaf"},
      {"UPDATE leaf SET time = time + 1 WHERE key = 1 << 44", "checkpoint.tree"},
      {"UPDATE leaf SET time = time + 1 WHERE key = 3", "shard.closed"},
      {"DELETE FROM leaf WHERE key = (SELECT max(key) FROM leaf WHERE key < 1 << 44)", "shard.closed"},
      {"UPDATE shard SET closed = (SELECT checkpoint FROM meta) WHERE id = 0", "shard.closed"},
      {"UPDATE shard SET closed = '' WHERE id = 0", "shard.closed"},
      {"UPDATE shard SET closed = (SELECT closed FROM shard WHERE id = 0) WHERE id = 1", "shard.closed"},
      {"DELETE FROM shard WHERE id = 0", "shard.order"},
      {"DELETE FROM shard WHERE id = 1", "shard.order"},
      {"UPDATE shard SET origin = replace(origin, '2026-2', '2026-3') WHERE id = 1", "shard.order"},
      {"UPDATE meta SET shard = 2", "shard.order"},
      {"UPDATE leaf SET extra = NULL WHERE key = 1 << 44", "shard.first"},
      {"UPDATE leaf SET extra = replace(extra, 'directory 2', 'directory 1') WHERE key = 1 << 44", "shard.first"},
      {"UPDATE leaf SET extra = replace(extra, '/2026-1 ', '/2026-9 ') WHERE key = 1 << 44", "shard.first"},
      {"UPDATE leaf SET extra = NULL WHERE key = 0", "shard.first"},
      {"UPDATE shard SET last_known = '' WHERE id = 0", "shard.rollback"},
      {"UPDATE shard SET last_known = closed WHERE id = 0", "shard.rollback"},
      {"UPDATE shard SET order_note = '' WHERE id = 0", "shard.rollback"},
      {"UPDATE shard SET order_note = replace(order_note, 'created 1', 'created 2') WHERE id = 0", "shard.rollback"},
      {"UPDATE leaf SET extra = substr(extra, 1, instr(extra, ' last ') - 1) || char(10) WHERE key = 1 << 44",
       "shard.rollback"},
      {"UPDATE leaf SET time = 1 WHERE key = 3", "leaf.time"},
      {"DELETE FROM leaf WHERE key = (SELECT max(key) FROM leaf)", "checkpoint.tree"},
      {"DELETE FROM leaf WHERE key = 3", "leaf.order"},
      {"UPDATE leaf SET nodes = zeroblob(32) WHERE key = 1", "leaf.nodes"},
      {"UPDATE leaf SET nodes = NULL WHERE key = 3", "leaf.nodes"},
      {"UPDATE leaf SET type = 99 WHERE key = 2", "leaf.layout"},
      {"UPDATE leaf SET record = zeroblob(400) WHERE key = 2", "record.box"},
      {"UPDATE leaf SET record = (SELECT record FROM leaf WHERE key = 3) WHERE key = 2", "record.box"},
      {"UPDATE leaf SET month = 209912 WHERE key = 2", "record.key"},
      {"UPDATE leaf SET record = NULL WHERE key = 2", "record.missing"},
      {"UPDATE leaf SET month = 0 WHERE key = 2", "record.clear"},
      {"UPDATE leaf SET extra = substr(extra, 1, length(extra) - 2) || iif(substr(extra, -2, 1) = '0', '1', '0') || "
       "char(10) WHERE extra LIKE 'statement statistics%'",
       "record.statistics"},
      {"UPDATE meta SET checkpoint = replace(checkpoint, '2026-2', '2026-1')", "checkpoint.signature"},
      {"UPDATE exchange SET id = zeroblob(32) WHERE number = 2", "exchange.id"},
      {"UPDATE exchange SET id = zeroblob(32) WHERE number = 2", "queue.chain"},
      {"UPDATE exchange SET head = zeroblob(32) WHERE number = 2", "queue.chain"},
      {"UPDATE exchange SET queue_number = 9 WHERE number = 2", "queue.chain"},
      {"UPDATE exchange SET nonce = zeroblob(32) WHERE number = 2", "exchange.nonce"},
      {"UPDATE exchange SET leaf = 2 WHERE number = 2", "exchange.leaf"},
      {"UPDATE exchange SET leaf = leaf + 1 WHERE number = 2", "exchange.record"},
      {"UPDATE exchange SET kind = 2 WHERE number = 2", "exchange.columns"},
      {"UPDATE exchange SET signature = zeroblob(64) WHERE number = 2", "exchange.signature"},
      {"UPDATE exchange SET address = NULL WHERE number = 2", "exchange.erased"},
      // Gone, and the log does not say so; said to be gone, and there; said by another's leaf.
      {"UPDATE exchange SET address = NULL, seal = NULL, signature = NULL WHERE number = 2", "exchange.erased"},
      {"INSERT INTO erasure VALUES (2, 1)", "exchange.erased"},
      {"UPDATE exchange SET body = 7 WHERE number = 2", "exchange.size"},
      {"DELETE FROM exchange WHERE number = 8", "leaf.exchange"},
      {"UPDATE roster SET keys = zeroblob(64) WHERE id = 1", "exchange.roster"},
      {"UPDATE piece SET bytes = zeroblob(length(bytes)) WHERE key = 2 << 12", "body.locked"},
      {"UPDATE piece SET bytes = zeroblob(length(bytes)) WHERE key = (2 << 12) + 1", "body.payload"},
      {"DELETE FROM piece WHERE key = 2 << 12", "body.pieces"},
      {"DELETE FROM piece WHERE key = (2 << 12) + 1", "body.size"},
      {"INSERT INTO piece VALUES (77 << 12, zeroblob(10))", "body.orphan"},
      {"DELETE FROM access_part WHERE number = 2", "access.missing"},
      {"UPDATE access_part SET leased = zeroblob(72) WHERE number = 2", "access.release"},
      {"UPDATE access_part SET leased = (SELECT leased FROM access_part WHERE number = 1) WHERE number = 2",
       "access.release"},
      {"UPDATE access_part SET lease = 99 WHERE number = 2", "access.lease"},
      {"UPDATE access_part SET of = 2 WHERE number = 8", "access.of"},
      {"UPDATE case_file SET state = 2 WHERE number = 1", "case.state"},
      {"UPDATE case_file SET exchanges = 9 WHERE number = 1", "case.count"},
      {"INSERT INTO withheld (number, until) VALUES (1, 9)", "case.withheld"},
      {"UPDATE case_file SET queue = 2 WHERE number = 1", "case.queue"},
      // Who reported may be shown what became of it; who has a part in it, or has recused himself, may not decide.
      {"UPDATE case_file SET organisation = '213803877' WHERE number = 2", "case.party"},
      {"UPDATE case_file SET person = 'personne' WHERE number = 2", "case.party"},
      {"DELETE FROM recusal", "case.recused"},
      {"UPDATE case_file SET recused = 0 WHERE number = 1", "case.recused"},
      {"UPDATE recusal SET person = 'personne'", "case.recused"},
      {"INSERT INTO recusal VALUES (2, 'personne')", "case.recused"},
      {"INSERT INTO case_origin VALUES (2, 1)", "case.origin"},
      {"INSERT INTO agreement VALUES (3, 1, 'p.x', 'service', 1, 1, 0)", "agreement.row"},
      {"UPDATE exchange SET kind = 22 WHERE number = 3", "agreement.missing"},
      {"INSERT INTO nominative_release VALUES (3, 1, 0)", "nominative.row"},
      {"UPDATE queue SET name = 'person/p.x' WHERE id = (SELECT queue FROM exchange WHERE number = 3); UPDATE exchange "
       "SET kind = 30 WHERE number = 3",
       "nominative.missing"},
      {"DELETE FROM case_file WHERE number = 2", "case.missing"},
      {"UPDATE meta SET indexed_through = 2", "index.id"},
      {"INSERT INTO finger VALUES (0, 5, 99)", "index.orphan"},
      {"UPDATE cursor SET number = 99", "cursor.range"},
      {"UPDATE cursor SET member = 'personne'", "cursor.member"},
      {"UPDATE opening SET leaf = 9999", "opening.leaf"},
      {"UPDATE opening SET exchange = 9999", "opening.exchange"},
      {"UPDATE opening SET opener = 'ged.2'", "opening.record"},
      {"UPDATE opening SET exchange = 2", "opening.record"},
      {"UPDATE exchange SET case_number = 2 WHERE number = 3", "exchange.case"},
      {"UPDATE exchange SET case_number = 0 WHERE number = 2", "exchange.case"},
      {"UPDATE exchange SET case_number = 1 WHERE number = 2", "exchange.case"},
      {"UPDATE exchange SET accepted_at = accepted_at + 1 WHERE number = 3", "exchange.time"},
      {"UPDATE directory_version SET leaf = 2 WHERE number = 2", "directory.leaf"},
      {"UPDATE directory_version SET note = replace(note, 'csi-89-2026', 'csi-58-2026') WHERE number = 2",
       "directory.leaf"},
      {"PRAGMA foreign_keys = OFF; DELETE FROM directory_version WHERE number = 1", "directory.order"},
      {"DELETE FROM directory_entry WHERE id = 'ged.neuf'", "directory.root"},
      {"PRAGMA foreign_keys = OFF; UPDATE exchange SET queue = 9 WHERE number = 2", "exchange.queue"},
  };
  std::set<std::string> provoked;
  for (const Damage& damage : damages) {
    expect_found(damage.sql, damage.name);
    provoked.insert(damage.name);
  }
  // Each documented name is shown to happen, and nothing happens under a name that is not documented.
  EXPECT_EQ(provoked, documented_names());
}

TEST_F(CheckStore, SaysWhatCannotBeReadAtAll) {
  EXPECT_EQ(broker::check_store(house.folder() / "nothing.db", house.keys(), {}).error().code, Errc::not_found);
  const std::filesystem::path too_long = house.folder() / std::string(300, 'x');
  EXPECT_EQ(broker::check_store(too_long, house.keys(), {}).error().code, Errc::not_found);
  const std::filesystem::path other = house.folder() / "other.db";
  { std::ofstream(other) << "not a database at all, whatever its name may say about it"; }
  EXPECT_EQ(broker::check_store(other, house.keys(), {}).error().code, Errc::corruption);
}

TEST_F(CheckStore, LeasesOfAnOldCopyThatAreGoneAreCountedAndHideNothing) {
  house.close();
  run_sql(house.database(), "UPDATE access_part SET lease = 99");
  broker::CheckOptions options;
  options.log = department.log();
  options.problems_max = 1;
  const auto check = [&] {
    const auto keys = broker::KeyRing::open(house.key_paths(), test_startup_secret(), house.now);
    return broker::check_store(house.database(), **keys, options).value();
  };
  EXPECT_EQ(check().problems.at(0).name, "access.lease");
  options.leases_may_be_gone = true;
  const auto parts = static_cast<std::uint64_t>(query_number(house.database(), "SELECT count(*) FROM access_part"));
  ASSERT_GT(parts, 1U);
  EXPECT_EQ(check().leases_gone, parts);
  EXPECT_TRUE(check().problems.empty());
  // What is looked at after them.
  run_sql(house.database(), "UPDATE cursor SET number = 99");
  EXPECT_EQ(check().problems.at(0).name, "cursor.range");
}

// ---- many requests, good and bad, in random batches ---------------------------------------------------------------

class RandomRequests : public CoreTest {};

TEST_F(RandomRequests, LeaveAWholeStoreWhateverTheyAre) {
  const std::uint64_t seed = [] {
    if (const char* given = std::getenv("PLI_SEED")) return std::strtoull(given, nullptr, 10);
    const auto bytes = crypto::random_array<8>();
    unsigned long long value = 0;
    for (const std::uint8_t byte : bytes) value = value << 8 | byte;
    return value;
  }();
  std::cout << "seed: PLI_SEED=" << seed << "\n";
  std::uint64_t state = seed | 1;
  const auto random = [&state](std::uint64_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
  };
  const std::vector<std::string> everybody = department.member_ids();
  const auto anybody = [&] { return everybody[random(everybody.size())]; };
  std::vector<Sealed> sealed;
  std::vector<Digest> accepted;
  std::size_t replies = 0;
  const auto some_id = [&]() -> Digest {
    return sealed.empty() || random(8) == 0 ? Digest{static_cast<std::uint8_t>(random(256))}
                                            : sealed[random(sealed.size())].id;
  };
  const auto make_request = [&]() -> broker::VerifiedRequest {
    const std::string member = anybody();
    switch (random(14)) {
      case 0:
      case 1:
      case 2: {
        Draft draft;
        const char* senders[] = {"referent.auxerre", "maire.sens",      "referent.avallon",
                                 "secretariat",      "outil.transport", "ged.1"};
        draft.sender = senders[random(6)];
        const protocol::Kind kinds[] = {protocol::Kind::signalement_individuel,
                                        protocol::Kind::signalement_individuel,
                                        protocol::Kind::signalement_de_structure,
                                        protocol::Kind::complement,
                                        protocol::Kind::rectification,
                                        protocol::Kind::retrait,
                                        protocol::Kind::recevabilite,
                                        protocol::Kind::inscription,
                                        protocol::Kind::mise_en_evaluation,
                                        protocol::Kind::demande_de_complement,
                                        protocol::Kind::cloture,
                                        protocol::Kind::recusation,
                                        protocol::Kind::decision,
                                        protocol::Kind::retour,
                                        protocol::Kind::information_de_volet};
        draft.kind = kinds[random(std::size(kinds))];
        draft.attributes = step(draft.kind, "", "", {}).attributes;
        draft.queue = draft.kind == protocol::Kind::signalement_de_structure ? "clir/89" : "ged/89";
        if (draft.kind == protocol::Kind::retour || draft.kind == protocol::Kind::demande_de_complement)
          draft.queue = department.organisation_queue("referent.auxerre");
        const protocol::KindRow* row = protocol::row_of(draft.kind);
        if (row->names_case || random(10) == 0) draft.case_id = some_id();
        if (random(10) == 0) draft.in_reply_to = some_id();
        if (random(15) == 0) draft.created_at = house.now + std::chrono::hours(1);
        draft.openable = false;
        draft.content = Bytes(random(3000));
        sealed.push_back(department.seal(draft));
        Sealed& made = sealed.back();
        if (random(12) == 0) made.address.roster[0] ^= 1;
        if (random(12) == 0 && sealed.size() > 1) made.address.nonce = sealed[random(sealed.size() - 1)].address.nonce;
        department.commit_and_sign(made);  // the gate proves the commitment before the core is asked
        return house.request(random(10) == 0 ? member : draft.sender, made.verified());
      }
      case 3:
        return sealed.empty() ? house.request(member, protocol::GetCheckpoint{}) : [&] {
          const Sealed& again = sealed[random(sealed.size())];
          return house.request(again.address.sender, again.verified());
        }();
      case 4:
      case 5: return house.request(member, department.open(random(10) == 0 ? "ged.1" : member, some_id(), house.now));
      case 6: return house.request(member, protocol::List{random(2) == 0 ? "ged/89" : "clir/89", {random(5)}, 10});
      case 7: return house.request(member, protocol::ListCases{random(3) == 0 ? some_id() : Digest{}, 5});
      case 8: return house.request(member, protocol::Acknowledge{"ged/89", {random(30)}});
      case 9:
        return house.request(member,
                             protocol::Follow{{{"ged/89", {random(5)}}}, static_cast<std::uint32_t>(random(20))});
      case 10: return house.request(member, protocol::Prove{some_id()});
      case 11: return house.request(member, protocol::GetRecords{{random(50)}, 10});
      case 12: return house.request(member, protocol::Hello{1, 1, {random(60)}});
      default:
        if (random(2) == 0) return house.request(member, broker::Unattributed{});
        return house.request(member, broker::GateRefusal{{protocol::Code::bad_signature, {}, 0}, "submit", some_id()});
    }
  };

  for (int round = 0; round < 60; ++round) {
    house.now = house.now + std::chrono::seconds(random(90));
    std::vector<broker::VerifiedRequest> batch;
    std::size_t answered = 0;
    for (std::uint64_t i = random(12); i > 0; --i) {
      batch.push_back(make_request());
      if (!std::holds_alternative<broker::Unattributed>(batch.back().body)) ++answered;
    }
    auto outcome = house.apply(std::move(batch));
    ASSERT_TRUE(outcome.has_value()) << outcome.error().detail;
    std::size_t answers = 0;
    for (const broker::Outgoing& out : outcome->outgoing) {
      EXPECT_LE(protocol::encode(out.reply).size(), protocol::message_bytes_max);
      if (out.answers) ++answers;
      const auto* done = std::get_if<protocol::Accepted>(&out.reply.body);
      if (done == nullptr) continue;
      verified(done->proof);
      if (!done->duplicate) accepted.push_back(done->exchange);
    }
    EXPECT_EQ(answers, answered);  // each exactly once
    replies += answers;
    if (random(6) == 0) house.tick();
    if (random(10) == 0) house.restart();
    if (random(15) == 0) {
      const char* names[] = {"ged.2", "clir.1", "referent.sens"};
      (void)house.ask("operateur", department.renew(names[random(3)]));
    }
  }
  EXPECT_EQ(house.store().exchange_count(), accepted.size());
  for (const Digest& id : accepted) EXPECT_TRUE(house.store().find_exchange(id).has_value());
  EXPECT_GT(replies, 100U);
  expect_whole();
}

}  // namespace
}  // namespace pli::testing
