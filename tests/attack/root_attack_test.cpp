// An attacker with root on the broker, all its keys and its database. For each attempt: who notices, when, with what
// evidence; and what the broker itself cannot notice. docs/threat-model.md, "Root on the broker's machine".
#include <gtest/gtest.h>

#include <filesystem>

#include "audit/inclusion.hpp"
#include "audit/witness.hpp"
#include "base/file.hpp"
#include "broker/check_store.hpp"
#include "broker/outside_file.hpp"
#include "broker/record_fields.hpp"
#include "client/auditor.hpp"
#include "client/inbox.hpp"
#include "client/open_exchange.hpp"
#include "client/outbox.hpp"
#include "crypto/secret_box.hpp"
#include "protocol/form.hpp"
#include "tests/support/house_connection.hpp"
#include "tests/support/small_world.hpp"
#include "tests/support/store_surgery.hpp"

namespace pli::testing {
namespace {

using client::Failure;
using client::Outcome;
using client::Problem;
using protocol::LocalCode;

template <class T>
std::string why(const Outcome<T>& outcome) {
  return outcome ? "" : client::code_text(outcome.error()) + ": " + outcome.error().detail;
}
template <class T>
::testing::AssertionResult fails_with(const Outcome<T>& outcome, LocalCode code) {
  if (outcome) return ::testing::AssertionFailure() << "nobody noticed";
  if (client::is(outcome.error(), code)) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << why(outcome);
}

/// A person before a client of their own, who keeps what they were shown.
class Person {
 public:
  Person(std::string member, const Department& department, BrokerHouse& house)
      : member_(std::move(member)),
        department_(department),
        clock_(house.now),
        profile_(enrolled(house)),
        keys_(keys_of(department, member_)) {}
  Outcome<std::unique_ptr<client::Session>> connect(BrokerHouse& house) {
    return client::Session::open(profile_, keys_, clock_,
                                 std::make_unique<HouseConnection>(house, department_, member_));
  }
  /// Sends a report to the GED; its id, receipted.
  protocol::ExchangeId send(BrokerHouse& house) {
    auto session = connect(house);
    EXPECT_TRUE(session) << why(session);
    client::Outbox outbox(profile_, clock_);
    const std::string json =
        R"({"type": "signalement_individuel", "emetteur": {"service": "Police municipale", "origine": "habitant"},)"
        R"( "personnes": [{"categorie": "personne_signalee", "nom": "Corvelle", "commune": "89024"}],)"
        R"( "faits": [{"date": "2025-03-12", "connaissance": "rapporte", "description": "Un fait inventé."}]})";
    auto form = protocol::Form::from_json(json, nullptr, nullptr);
    EXPECT_TRUE(form.has_value());
    auto item = outbox.put(client::draft_of(*form, "ged/89"), keys_);
    EXPECT_TRUE(item) << why(item);
    auto sent = outbox.flush(**session);
    EXPECT_TRUE(sent && !sent->stopped) << why(sent);
    auto found = outbox.find(item->id);
    EXPECT_TRUE(found && *found && (*found)->exchange);
    return (*found)->exchange.value_or(protocol::ExchangeId{});
  }
  Outcome<client::OpenedExchange> open(BrokerHouse& house, const protocol::ExchangeId& id) {
    auto session = connect(house);
    if (!session) return session.error();
    auto looked = client::Inbox(**session).refresh();
    if (!looked) return looked.error();
    return client::open_exchange(**session, id, {});
  }
  /// The problems an audit finds.
  std::set<Problem> audit(BrokerHouse& house) {
    auto session = connect(house);
    EXPECT_TRUE(session) << why(session);
    std::set<Problem> out;
    if (!session) return out;
    auto report = client::audit_log(**session, {}, std::chrono::milliseconds(0));
    EXPECT_TRUE(report) << why(report);
    if (report)
      for (const client::Finding& finding : report->findings) out.insert(finding.problem);
    return out;
  }

 private:
  client::Profile enrolled(BrokerHouse& house) {
    auto profile = enrolled_profile(folder_.path(), house, department_, member_);
    EXPECT_TRUE(profile) << why(profile);
    return std::move(*profile);
  }
  std::string member_;
  const Department& department_;
  ManualClock clock_;
  ScratchFolder folder_;
  client::Profile profile_;
  client::Keys keys_;
};

class RootAttack : public ::testing::Test {
 protected:
  RootAttack() {
    for (int i = 0; i < 3; ++i) reports_.push_back(referent_.send(house_));
    auto opened = member_.open(house_, reports_[0]);
    EXPECT_TRUE(opened) << why(opened);
    outside_ = house_.core().newest_checkpoint();
    EXPECT_TRUE(auditor_.audit(house_).empty()) << "all is well before the attack";
    outside_ = house_.core().newest_checkpoint();
  }

  // ---- what root can do. The broker is closed; its keys lie open.

  [[nodiscard]] audit::Record record_of(const broker::LeafRow& row) {
    auto packed =
        crypto::open_box(row.record, {broker::record_binding(row.place)}, *house_.keys().record_key(row.month));
    EXPECT_TRUE(packed.has_value());
    return *broker::unpack(*packed);
  }
  [[nodiscard]] LeafIndex leaf_of(std::string_view act) {
    for (std::uint64_t i = house_.store().tree_size().value; i-- > 0;) {
      const auto row = house_.store().leaf({i});
      const audit::Record record = record_of(*row);
      const Bytes* found = record.find("act");
      if (found != nullptr && as_text(*found) == act) return {i};
    }
    ADD_FAILURE() << "no such act";
    return {};
  }
  [[nodiscard]] static std::string hex(ByteView bytes) { return "x'" + to_hex(bytes) + "'"; }
  /// Of the first shard, whose leaves are numbered as they stand.
  [[nodiscard]] static std::string key_of(LeafIndex index) { return std::to_string(index.value); }

  struct Edit {
    LeafIndex index;
    Bytes record;   ///< boxed
    Digest digest;  ///< what the leaf would commit to
  };
  /// The record of that leaf, put into somebody else's name.
  [[nodiscard]] Edit in_anothers_name(LeafIndex index) {
    const auto row = house_.store().leaf({index, {}});
    audit::Record record = record_of(*row);
    for (audit::Field& field : record.fields)
      if (field.name == "actor" || field.name == "person") field.value = to_bytes("ged.2");
    const Bytes boxed = crypto::seal_box(broker::pack(record), {broker::record_binding({index, {}})},
                                         *house_.keys().record_key(row->month));
    return {index, boxed, audit::record_digest(record)};
  }
  /// Every node anew from the leaves as they now stand, the checkpoint signed anew; the outside file too.
  void rebuild_tree() {
    std::string sql;
    audit::TreeEdge edge;
    const std::uint64_t size = house_.store().tree_size().value;
    for (std::uint64_t i = 0; i < size; ++i) {
      const auto row = house_.store().leaf({i});
      std::vector<audit::Node> written;
      edge.append(audit::leaf_hash(as_bytes(audit::encode(row->leaf))), written);
      Bytes nodes;
      for (const audit::Node& node : written)
        if (node.id.level > 0) append(nodes, node.hash);
      sql += "UPDATE leaf SET nodes = " + (nodes.empty() ? std::string("NULL") : hex(nodes)) +
             " WHERE key = " + key_of({i}) + ";";
    }
    sign_over(edge.size(), edge.root(), std::move(sql));
  }
  void sign_over(TreeSize size, const Digest& root, std::string sql) {
    outside_ = audit::sign_checkpoint({department_.origin(), size, root}, house_.keys().log_key());
    sql += "UPDATE meta SET checkpoint = '" + outside_ + "';";
    house_.close();
    run_sql(house_.database(), sql);
  }
  void replace_record(const Edit& edit, bool its_leaf_too) {
    std::string sql = "UPDATE leaf SET record = " + hex(edit.record);
    if (its_leaf_too) sql += ", digest = " + hex(edit.digest);
    sql += " WHERE key = " + key_of(edit.index);
    house_.close();
    run_sql(house_.database(), sql);
    ASSERT_TRUE(house_.open().has_value());
  }

  // ---- who looks

  /// The invariants `pli-broker check`, and the sweep of the running broker, find broken.
  std::set<std::string> check() {
    broker::CheckOptions options;
    options.log = department_.log();
    auto report = broker::check_store(house_.database(), house_.keys(), options);
    EXPECT_TRUE(report.has_value());
    std::set<std::string> names;
    if (report)
      for (const broker::StoreProblem& problem : report->problems) names.insert(problem.name);
    return names;
  }
  /// Does a start compare well with this outside checkpoint?
  [[nodiscard]] Result<void> start_with(const std::string& outside) {
    return broker::demand_extension({1, outside}, house_.log_key(), house_.store().tree_size(), [&](TreeSize size) {
      return audit::root_at(size, [&](audit::NodeId id) { return house_.store().node(id); });
    });
  }
  /// A witness that has cosigned `before`: its answer to what the broker would now ask.
  [[nodiscard]] int witness_that_saw(const std::string& before) {
    const auto last = audit::verify_checkpoint(before, house_.log_key());
    EXPECT_TRUE(last.has_value());
    const audit::WitnessState state{last->size(), last->root()};
    audit::AddCheckpoint request;
    request.old = last->size();
    request.checkpoint = house_.core().newest_checkpoint();
    auto proof = audit::consistency_proof(last->size(), house_.store().tree_size(),
                                          [&](audit::NodeId id) { return house_.store().node(id); });
    if (proof) request.proof = *std::move(proof);
    const audit::VerifierKey log = house_.log_key();
    const auto asked = audit::verify_add_checkpoint(audit::to_text(request), {&log, 1});
    if (!asked) return asked.error().status;
    const audit::Witness witness{"temoin.exemple/1", crypto::SigningKey::generate()};
    return audit::decide_add_checkpoint(*asked, state, witness, audit::to_seconds(house_.now)).answer.status;
  }
  /// The evidence a failure left: both notes, signed by the log.
  static void expect_evidence(const Failure& failure) {
    auto kept = read_file(failure.evidence, 1 << 20);
    ASSERT_TRUE(kept.has_value()) << "no evidence was kept";
    const std::string text(as_text(*kept));
    std::size_t signatures = 0;
    for (std::size_t at = text.find("\xe2\x80\x94 "); at != std::string::npos; at = text.find("\xe2\x80\x94 ", at + 1))
      ++signatures;
    EXPECT_EQ(signatures, 2U) << text;
  }

  Department department_;
  BrokerHouse house_{department_};
  Person referent_{"referent.auxerre", department_, house_};
  Person member_{"ged.1", department_, house_};
  Person auditor_{"auditeur", department_, house_};
  std::vector<protocol::ExchangeId> reports_;
  std::string outside_;  ///< the checkpoint outside the database: root writes that too, when it helps him
};

TEST_F(RootAttack, ARecordEditedInPlaceIsFoundByTheSweepAndByTheAuditor) {
  const std::string before = outside_;
  replace_record(in_anothers_name(leaf_of("open")), false);
  EXPECT_TRUE(start_with(before)) << "the tree is the same, so a start notices nothing";
  EXPECT_EQ(check().count("record.digest"), 1U);
  EXPECT_EQ(auditor_.audit(house_).count(Problem::record_mismatch), 1U);
}

TEST_F(RootAttack, ARecordEditedWithItsLeafIsFoundByTheSweepAndByTheAuditor) {
  replace_record(in_anothers_name(leaf_of("open")), true);
  EXPECT_FALSE(check().empty());
  const auto found = auditor_.audit(house_);
  EXPECT_EQ(found.count(Problem::tree_mismatch), 1U);
  EXPECT_EQ(found.count(Problem::statement_contradicts), 1U) << "and the opening's signature is another person's";
}

TEST_F(RootAttack, AWholeTreeRebuiltUnderNewSignaturesIsFoundByWhoeverSawTheOldOne) {
  const std::string before = outside_;
  ASSERT_TRUE(referent_.connect(house_));
  const Edit edit = in_anothers_name(leaf_of("open"));
  replace_record(edit, true);
  rebuild_tree();
  // What the store keeps beside the leaf is made to agree with it, or `check` would tell.
  run_sql(house_.database(), "UPDATE opening SET opener = 'ged.2' WHERE leaf = " + key_of(edit.index));
  ASSERT_TRUE(house_.open().has_value());
  EXPECT_TRUE(check().empty()) << "the store is whole: its own programs cannot notice";
  EXPECT_TRUE(start_with(outside_)) << "nor a start, when the outside checkpoint was written over as well";
  EXPECT_FALSE(start_with(before)) << "an outside checkpoint out of his reach stops it";
  EXPECT_EQ(witness_that_saw(before), 422);
  auto refused = member_.connect(house_);
  EXPECT_TRUE(fails_with(refused, LocalCode::log_forked)) << why(refused);
  if (!refused) expect_evidence(refused.error());
  EXPECT_TRUE(fails_with(referent_.connect(house_), LocalCode::log_forked)) << "whoever was shown the leaf";
  Person newcomer("ged.3", department_, house_);
  EXPECT_TRUE(newcomer.connect(house_)) << "a client without a past has nothing to compare with";
  Person second_auditor("auditeur", department_, house_);
  EXPECT_EQ(second_auditor.audit(house_).count(Problem::statement_contradicts), 1U)
      << "but an auditor without one sees that nobody signed this";
}

TEST_F(RootAttack, RecordsErasedByAClockSetAheadAreFoundByTheAuditorsOwn) {
  // Their term comes as early as root likes, and the log says that it has come.
  house_.now = house_.now + std::chrono::hours(24 * 31 * 38);
  for (int i = 0; i < 3; ++i) house_.tick();
  house_.core().published(house_.core().newest_checkpoint());
  ASSERT_FALSE(house_.keys().record_key(202601));
  EXPECT_TRUE(check().empty()) << "the store is whole";
  const auto found = auditor_.audit(house_);
  EXPECT_EQ(found.count(Problem::time_ahead), 1U);
  EXPECT_EQ(found.count(Problem::record_withheld), 1U) << "they were not due";
}

TEST_F(RootAttack, TheLastHundredLeavesDeletedAreMissedByTheStartTheWitnessAndEveryClient) {
  Person other("auditeur", department_, house_);
  // A hundred acts that nothing else in the database refers to: refusals.
  for (int i = 0; i < 100; ++i) {
    house_.now = house_.now + std::chrono::seconds(61);
    static_cast<void>(house_.ask("ged.2", protocol::GetHealth{}));
  }
  house_.core().published(house_.core().newest_checkpoint());
  ASSERT_TRUE(member_.connect(house_));
  const std::string before = house_.core().newest_checkpoint();
  const std::uint64_t size = house_.store().tree_size().value - 100;
  const Digest root = *audit::root_at({size}, [&](audit::NodeId id) { return house_.store().node(id); });
  sign_over({size}, root, "DELETE FROM leaf WHERE key >= " + key_of({size}) + ";");
  ASSERT_TRUE(house_.open().has_value());
  EXPECT_TRUE(check().empty());
  const auto refused_start = start_with(before);
  ASSERT_FALSE(refused_start);
  EXPECT_EQ(refused_start.error().code, Errc::conflict);
  EXPECT_EQ(witness_that_saw(before), 400) << "a smaller tree than it has cosigned";
  auto refused = member_.connect(house_);
  EXPECT_TRUE(fails_with(refused, LocalCode::log_shrunk)) << why(refused);
  if (!refused) expect_evidence(refused.error());
}

TEST_F(RootAttack, YesterdaysBackupIsMissedByTheStartTheWitnessAndEveryClient) {
  const std::filesystem::path backup = house_.folder() / "backup" / "pli.db";
  house_.close();
  copy_database(house_.database(), backup);
  ASSERT_TRUE(house_.open().has_value());
  const protocol::ExchangeId lost = referent_.send(house_);
  const std::string before = house_.core().newest_checkpoint();
  house_.close();
  copy_database(backup, house_.database());
  ASSERT_TRUE(house_.open().has_value());
  EXPECT_FALSE(house_.store().find_exchange(lost).has_value());
  EXPECT_TRUE(check().empty());
  EXPECT_FALSE(start_with(before));
  EXPECT_EQ(witness_that_saw(before), 400);
  house_.core().published(house_.core().newest_checkpoint());
  auto refused = referent_.connect(house_);
  EXPECT_TRUE(fails_with(refused, LocalCode::log_shrunk)) << why(refused);
  if (!refused) expect_evidence(refused.error());
}

TEST_F(RootAttack, AMemberInsertedSilentlyIsRefusedByEveryClientAndNeverSealedTo) {
  // A version with one reader more, to which root is his own authority.
  const broker::VerifiedPublish wanted =
      department_.enrol("intrus", "219900001", {protocol::Role::membre_ged}, {"ged/89"});
  auto head = protocol::parse_directory_head(audit::parse_note(wanted.note)->text);
  ASSERT_TRUE(head.has_value());
  std::vector<crypto::SigningKey> roots;
  for (audit::VerifierKey& authority : head->authorities) {
    roots.push_back(crypto::SigningKey::generate());
    authority.key = roots.back().public_key();
  }
  audit::Note forged{protocol::to_text(*head), {}};
  for (std::size_t i = 0; i < roots.size(); ++i) audit::sign_note(forged, head->authorities[i].name, roots[i]);
  const auto reply = house_.ask("operateur", broker::VerifiedPublish{audit::to_text(forged), wanted.changed});
  EXPECT_NE(refusal_in(reply), "") << "the honest program takes no such version";
  // So he writes it into the database himself.
  std::string sql = "INSERT INTO directory_version (number, note, leaf) SELECT " + std::to_string(head->number.value) +
                    ", '" + audit::to_text(forged) + "', leaf FROM directory_version ORDER BY number DESC LIMIT 1;";
  for (const Bytes& bytes : wanted.changed) {
    const auto entry = protocol::decode_entry(bytes);
    ASSERT_TRUE(entry.has_value());
    sql += "INSERT INTO directory_entry (type, id, changed, bytes) VALUES (" +
           std::to_string(static_cast<unsigned>(entry->type)) + ", '" + entry->id + "', " +
           std::to_string(head->number.value) + ", " + hex(bytes) + ");";
  }
  house_.close();
  run_sql(house_.database(), sql);
  ASSERT_TRUE(house_.open().has_value()) << "his own broker believes it";
  EXPECT_NE(house_.core().directory()->member("intrus"), nullptr);
  EXPECT_EQ(check().count("directory.leaf"), 1U) << "no leaf names this version";
  EXPECT_TRUE(fails_with(referent_.connect(house_), LocalCode::directory_unproven)) << "so nothing is sealed to it";
  EXPECT_TRUE(fails_with(member_.connect(house_), LocalCode::directory_unproven));
  Person newcomer("ged.3", department_, house_);
  EXPECT_TRUE(fails_with(newcomer.connect(house_), LocalCode::directory_unproven)) << "even without a past";
}

TEST_F(RootAttack, TwoMembersShownDifferentLogsAreToldByTheFirstLetterBetweenThem) {
  // One past, two futures: the second broker is a copy that goes its own way.
  Department& department = department_;
  BrokerHouse aside(department);
  house_.close();
  aside.close();
  copy_database(house_.database(), aside.database());
  for (const auto& [from, to] : {std::pair{house_.key_paths().folder, aside.key_paths().folder}})
    std::filesystem::copy(from, to,
                          std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing);
  std::filesystem::copy_file(house_.key_paths().leases_copy, aside.key_paths().leases_copy,
                             std::filesystem::copy_options::overwrite_existing);
  ASSERT_TRUE(house_.open().has_value());
  ASSERT_TRUE(aside.open().has_value());
  static_cast<void>(house_.ask("ged.2", protocol::GetHealth{}));
  aside.now = aside.now + std::chrono::seconds(1);
  static_cast<void>(aside.ask("ged.2", protocol::GetHealth{}));
  house_.core().published(house_.core().newest_checkpoint());
  aside.core().published(aside.core().newest_checkpoint());
  ASSERT_TRUE(referent_.connect(house_)) << "the référent is shown one log";
  ASSERT_TRUE(member_.connect(aside)) << "the member the other, and neither can tell";
  // A witness that both ask cosigns one of them only.
  EXPECT_EQ(witness_that_saw(aside.core().newest_checkpoint()), 422);
  // The référent's next letter is handed on to the other broker, or the member would miss it.
  const protocol::ExchangeId letter = referent_.send(house_);
  const auto row = house_.store().find_exchange(letter);
  ASSERT_TRUE(row.has_value());
  const Bytes body = house_.store().body(row->number, 0, row->body_bytes);
  const auto access = house_.store().access(row->number);
  ASSERT_FALSE(access.empty());
  auto release_key = crypto::unlease_release_key(access[0].leased, letter, *house_.keys().lease(access[0].lease));
  ASSERT_TRUE(release_key.has_value());
  broker::VerifiedSubmit relayed;
  relayed.envelope.address = row->address;
  relayed.envelope.seal = row->seal;
  relayed.envelope.signature = row->signature;
  relayed.address = *protocol::decode_address(row->address);
  relayed.seal = *protocol::decode_seal(row->seal);
  relayed.id = letter;
  const std::size_t locked = static_cast<std::size_t>(relayed.seal.locked_size);
  relayed.envelope.locked = Bytes(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(locked));
  relayed.envelope.payload = Bytes(body.begin() + static_cast<std::ptrdiff_t>(locked), body.end());
  relayed.release_key = *std::move(release_key);
  const auto accepted = aside.ask("referent.auxerre", std::move(relayed));
  ASSERT_EQ(refusal_in(accepted), "");
  aside.core().published(aside.core().newest_checkpoint());
  auto read = member_.open(aside, letter);
  ASSERT_TRUE(read) << why(read);
  ASSERT_TRUE(read->gossip_alarm.has_value()) << "the letter carries its sender's checkpoint";
  EXPECT_TRUE(client::is(*read->gossip_alarm, LocalCode::log_forked));
  expect_evidence(*read->gossip_alarm);
}

}  // namespace
}  // namespace pli::testing
