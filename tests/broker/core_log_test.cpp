#include <algorithm>

#include "audit/cosignature.hpp"
#include "crypto/random.hpp"
#include "protocol/limits.hpp"
#include "tests/broker/core_fixture.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;
using broker::Unattributed;

class Log : public CoreTest {
 protected:
  Result<broker::BatchOutcome> apply_one(const std::string& member, broker::VerifiedBody body) {
    std::vector<broker::VerifiedRequest> batch;
    batch.push_back(house.request(member, std::move(body)));
    return house.apply(std::move(batch));
  }
  void stray(Unattributed::Reason reason, int times) {
    for (int i = 0; i < times; ++i) ASSERT_TRUE(apply_one("ged.1", Unattributed{reason}).has_value());
  }
};

TEST_F(Log, BeginsWithItsShardAndItsDirectory) {
  const std::vector<JournalLine> lines = journal();
  ASSERT_GE(lines.size(), 2U);
  EXPECT_EQ(lines[0].leaf.type, audit::LeafType::registre);
  ASSERT_TRUE(lines[0].leaf.statement.has_value());
  EXPECT_NE(lines[0].leaf.statement->find(department.origin()), std::string::npos);
  EXPECT_EQ(lines[1].leaf.type, audit::LeafType::habilitation);
  ASSERT_TRUE(lines[1].leaf.directory.has_value());
  EXPECT_EQ(lines[1].leaf.directory->number.value, 1U);
  EXPECT_EQ(lines[1].leaf.directory->digest, department.directory()->verified()->digest());
}

TEST_F(Log, P7EveryBatchCheckpointExtendsTheOneBefore) {
  std::string before = house.core().newest_checkpoint();
  for (int i = 0; i < 12; ++i) {
    std::vector<broker::VerifiedRequest> batch;
    for (int k = 0; k <= i; ++k) batch.push_back(house.request("ged.1", department.open("ged.1", Digest{}, house.now)));
    house.now = house.now + 61s;
    const auto outcome = house.apply(std::move(batch));
    ASSERT_TRUE(outcome.has_value() && outcome->checkpoint.has_value());
    const auto older = audit::verify_checkpoint(before, house.log_key());
    const auto newer = audit::verify_checkpoint(*outcome->checkpoint, house.log_key());
    ASSERT_TRUE(older.has_value() && newer.has_value());
    const auto reply = house.ask("ged.1", protocol::GetCheckpoint{older->size()});
    const auto& answer = std::get<protocol::CheckpointReply>(reply);
    EXPECT_EQ(answer.checkpoint, *outcome->checkpoint);
    EXPECT_TRUE(
        audit::verify_consistency(older->size(), older->root(), newer->size(), newer->root(), answer.consistency));
    before = *outcome->checkpoint;
  }
}

TEST_F(Log, ServesThePublishedCheckpointAndTheNewestToWhoKnowsMore) {
  accept({});
  const std::string first = house.core().newest_checkpoint();
  house.core().published(first);
  accept({});
  const auto size_of = [&](const std::string& note) { return audit::verify_checkpoint(note, house.log_key())->size(); };
  const auto ask = [&](TreeSize known) {
    return std::get<protocol::CheckpointReply>(house.ask("ged.1", protocol::GetCheckpoint{known}));
  };
  EXPECT_EQ(ask({}).checkpoint, first);
  EXPECT_EQ(ask(size_of(first)).checkpoint, first);
  EXPECT_EQ(ask({size_of(first).value + 1}).checkpoint, house.core().newest_checkpoint());
  // Whoever knows a longer log than ours is shown ours, which proves the rollback.
  EXPECT_EQ(ask({1'000'000}).checkpoint, house.core().newest_checkpoint());
  EXPECT_TRUE(ask({1'000'000}).consistency.empty());
}

TEST_F(Log, P7ProvesUnderThePublishedCheckpointOnceTheLeafIsInIt) {
  const Sealed sealed = accept({});
  const auto prove = [&] {
    return house.ask(sealed.address.sender, protocol::Prove{sealed.id, std::nullopt, {}, true});
  };
  const auto expect_not_yet = [&] {
    const TreeSize before = house.store().tree_size();
    const auto reply = prove();
    ASSERT_NE(std::get_if<protocol::Refusal>(&reply), nullptr);
    EXPECT_EQ(std::get<protocol::Refusal>(reply), (protocol::Refusal{protocol::Code::busy, "publication", 1000}));
    EXPECT_EQ(house.store().tree_size(), before) << "nothing was refused, nothing is recorded";
  };
  expect_not_yet();
  const auto other = house.ask("ged.1", protocol::Prove{Digest{1}, std::nullopt, {}, true});
  EXPECT_EQ(refusal_in(other), "NOT_FOUND") << "before it is told what is published";
  const auto witness = crypto::SigningKey::generate();
  auto note = audit::parse_note(house.core().newest_checkpoint()).value();
  note.signatures.push_back(audit::cosign(note.text, "witness.example/w", witness, {1'795'000'000}));
  const std::string cosigned = audit::to_text(note);
  house.core().published(cosigned);
  for (int i = 0; i < 3; ++i) accept({});
  const auto reply = prove();
  ASSERT_NE(std::get_if<protocol::Proven>(&reply), nullptr) << refusal_in(reply);
  EXPECT_EQ(std::get<protocol::Proven>(reply).proof.checkpoint, cosigned);
  (void)verified(std::get<protocol::Proven>(reply).proof);
  // Without the wish it stands under the newest of all.
  const auto newest = house.ask(sealed.address.sender, protocol::Prove{sealed.id});
  EXPECT_EQ(std::get<protocol::Proven>(newest).proof.checkpoint, house.core().newest_checkpoint());
}

TEST_F(Log, EachBatchHandsOverTheLeavesItsCheckpointAdds) {
  audit::MemoryTree tree;
  for (std::uint64_t i = 0; i < house.store().tree_size().value; ++i)
    tree.append(as_bytes(audit::encode(house.store().leaf({i})->leaf)));
  for (int i = 0; i < 5; ++i) {
    std::vector<broker::VerifiedRequest> batch;
    for (int k = 0; k <= i; ++k) batch.push_back(house.request("ged.1", department.open("ged.1", Digest{}, house.now)));
    const auto outcome = house.apply(std::move(batch));
    ASSERT_TRUE(outcome && outcome->checkpoint);
    EXPECT_EQ(outcome->first_leaf.value, tree.size().value);
    for (const std::string& leaf : outcome->leaves) tree.append(as_bytes(leaf));
    EXPECT_EQ(audit::verify_checkpoint(*outcome->checkpoint, house.log_key())->root(), tree.root());
  }
  EXPECT_TRUE(house.apply({})->leaves.empty());
}

TEST_F(Log, P3EveryRefusalToAnEnrolledIdentityIsALeafWithItsRule) {
  EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::GetRecords{})), "FORBIDDEN(defaut)");
  JournalLine line = last_line();
  EXPECT_EQ(line.leaf.type, audit::LeafType::refus);
  EXPECT_EQ(line.text("actor"), "ged.1");
  EXPECT_EQ(line.text("role"), "membre_ged");
  EXPECT_EQ(line.text("organisation"), "service-1");
  EXPECT_EQ(line.text("act"), "records");
  EXPECT_EQ(line.text("outcome"), "FORBIDDEN");
  EXPECT_EQ(line.text("rule"), "defaut");
  EXPECT_EQ(line.text("directory"), "1");
  // What the gate refused is recorded like what the core refused.
  EXPECT_EQ(
      refusal_in(house.ask("ged.2", broker::GateRefusal{{protocol::Code::bad_signature, {}, 0}, "open", Digest{1}})),
      "BAD_SIGNATURE");
  line = last_line();
  EXPECT_EQ(line.text("outcome"), "BAD_SIGNATURE");
  EXPECT_EQ(line.text("act"), "open");
  EXPECT_EQ(*line.record.find("exchange"), to_bytes(ByteView(Digest{1})));
}

TEST_F(Log, PastThirtyRefusalsAMinuteAnIdentityIsBusyUnevaluated) {
  const std::uint64_t before = house.store().tree_size().value;
  for (std::size_t i = 0; i < protocol::refusals_per_minute_max; ++i)
    EXPECT_EQ(refusal_in(open("ged.1", Digest{})), "NOT_FOUND");
  EXPECT_EQ(house.store().tree_size().value, before + protocol::refusals_per_minute_max);
  house.now = house.now + 20s;
  const auto busy = house.ask("ged.1", protocol::GetCheckpoint{});
  ASSERT_NE(std::get_if<protocol::Refusal>(&busy), nullptr);
  EXPECT_EQ(std::get<protocol::Refusal>(busy).code, protocol::Code::busy);
  EXPECT_EQ(std::get<protocol::Refusal>(busy).retry_after_ms, 40'000U);
  EXPECT_EQ(house.store().tree_size().value, before + protocol::refusals_per_minute_max);
  // Its neighbours are served, and so is it when the minute is over.
  EXPECT_EQ(refusal_in(house.ask("ged.2", protocol::GetCheckpoint{})), "");
  house.now = house.now + 40s;
  EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::GetCheckpoint{})), "");
}

TEST_F(Log, BeingTooBusyIsNotARefusalToRecord) {
  const TreeSize before = house.store().tree_size();
  EXPECT_EQ(refusal_in(house.ask("ged.1", broker::GateRefusal{{protocol::Code::busy, {}, 200}, "submit", {}})),
            "BUSY(200)");
  EXPECT_EQ(house.store().tree_size(), before);
}

TEST_F(Log, P3InputFromNobodyIsALeafOnceAndThenACount) {
  const std::uint64_t before = house.store().tree_size().value;
  stray(Unattributed::Reason::undecodable, 5);
  EXPECT_EQ(house.store().tree_size().value, before + 1);
  EXPECT_EQ(last_line().text("count"), "1");
  stray(Unattributed::Reason::unknown_key, 3);
  house.tick();
  const std::vector<JournalLine> lines = journal({before});
  std::vector<std::pair<std::string, std::string>> counts;
  for (const JournalLine& line : lines)
    if (line.text("act") == "input") counts.emplace_back(line.text("rule"), line.text("count"));
  EXPECT_EQ(counts, (std::vector<std::pair<std::string, std::string>>{
                        {"undecodable", "1"}, {"unknown_key", "1"}, {"undecodable", "4"}, {"unknown_key", "2"}}));
  const TreeSize settled = house.store().tree_size();
  house.tick();
  EXPECT_EQ(house.store().tree_size(), settled);
}

TEST_F(Log, P3ACountLeftByAStoppedBrokerBecomesALeafAtTheNextStart) {
  stray(Unattributed::Reason::undecodable, 1);
  house.now = house.now + 1s;
  stray(Unattributed::Reason::undecodable, 1);
  house.restart();
  house.tick();
  const JournalLine line = last_line();
  EXPECT_EQ(line.text("act"), "input");
  EXPECT_EQ(line.text("outcome"), "INVALID");
  EXPECT_EQ(line.text("count"), "1");
}

TEST_F(Log, AnUnknownKeyIsToldSoAndCounted) {
  const std::uint64_t before = house.store().tree_size().value;
  std::vector<broker::VerifiedRequest> batch;
  batch.push_back(house.request("ged.1", protocol::GetCheckpoint{}));
  batch[0].peer.key.bytes = crypto::random_array<32>();
  const auto outcome = house.apply(std::move(batch));
  ASSERT_EQ(outcome->outgoing.size(), 1U);
  EXPECT_EQ(refusal_in(outcome->outgoing[0].reply.body), "UNKNOWN_KEY");
  EXPECT_EQ(house.store().tree_size().value, before + 1);
  EXPECT_EQ(last_line().text("actor"), "");
}

TEST_F(Log, ReadingItIsRecordedAndReadingToTheEndEnds) {
  accept({});
  const auto first = house.ask("auditeur", protocol::GetRecords{{}, 64});
  const auto& records = std::get<protocol::Records>(first);
  LeafIndex next{records.items.back().index.value + 1};
  int rounds = 0;
  while (true) {
    const auto more = house.ask("auditeur", protocol::GetRecords{next, 64});
    const auto& page = std::get<protocol::Records>(more);
    if (page.items.empty()) break;
    next = {page.items.back().index.value + 1};
    ASSERT_LT(++rounds, 5);
  }
  const JournalLine line = journal({records.size.value}).front();
  EXPECT_EQ(line.leaf.type, audit::LeafType::verification);
  EXPECT_EQ(line.text("actor"), "auditeur");
  EXPECT_EQ(line.text("range"), "0," + std::to_string(records.items.size()));
}

TEST_F(Log, AnAuditorHasAnyLeafProvenAndThatIsRecorded) {
  accept({});
  const std::uint64_t size = house.store().tree_size().value;
  for (std::uint64_t i = 0; i < size; ++i) {
    protocol::Prove prove;
    prove.leaf = LeafIndex{i};
    const auto reply = house.ask("auditeur", prove);
    ASSERT_EQ(refusal_in(reply), "");
    const audit::Receipt receipt = verified(std::get<protocol::Proven>(reply).proof);
    EXPECT_EQ(receipt.index.value, i);
    for (const audit::DisclosedField& field : receipt.record.fields) EXPECT_TRUE(field.opening.has_value());
    const JournalLine line = last_line();
    EXPECT_EQ(line.leaf.type, audit::LeafType::verification);
    EXPECT_EQ(line.text("actor"), "auditeur");
    EXPECT_EQ(line.text("act"), "prove");
    EXPECT_EQ(line.text("range"), std::to_string(i) + "," + std::to_string(i + 1));
    EXPECT_EQ(line.record.find("exchange"), nullptr);
  }
  expect_whole();
}

TEST_F(Log, OnlyAnAuditorNamesALeafAndOnlyOneThatStands) {
  protocol::Prove prove;
  prove.leaf = LeafIndex{0};
  for (const char* member : {"ged.1", "maire.auxerre", "operateur"})
    EXPECT_EQ(refusal_in(house.ask(member, prove)), "FORBIDDEN(defaut)") << member;
  const JournalLine line = last_line();
  EXPECT_EQ(line.text("act"), "prove");
  EXPECT_EQ(line.text("outcome"), "FORBIDDEN");
  prove.shard = department.origin();
  EXPECT_EQ(refusal_in(house.ask("auditeur", prove)), "");
  prove.shard = department.log() + "/2025-1";
  EXPECT_EQ(refusal_in(house.ask("auditeur", prove)), "NOT_FOUND");
  prove.shard.clear();
  prove.leaf = LeafIndex{house.store().tree_size().value};
  EXPECT_EQ(refusal_in(house.ask("auditeur", prove)), "NOT_FOUND");
}

TEST_F(Log, ALeafIsProvenUnderThePublishedCheckpointOnceThatHoldsIt) {
  accept({});
  const std::string published = house.core().newest_checkpoint();
  const TreeSize size = house.store().tree_size();
  house.core().published(published);
  accept({});
  protocol::Prove prove;
  prove.leaf = LeafIndex{size.value - 1};
  const auto checkpoint = [&] {
    const auto reply = house.ask("auditeur", prove);
    EXPECT_EQ(refusal_in(reply), "");
    return verified(std::get<protocol::Proven>(reply).proof).checkpoint;
  };
  EXPECT_NE(checkpoint(), published);
  prove.published = true;
  EXPECT_EQ(checkpoint(), published);
  const TreeSize before = house.store().tree_size();
  prove.leaf = LeafIndex{size.value};  // committed, and not published yet
  const auto busy = house.ask("auditeur", prove);
  ASSERT_NE(std::get_if<protocol::Refusal>(&busy), nullptr);
  EXPECT_EQ(std::get<protocol::Refusal>(busy).code, protocol::Code::busy);
  EXPECT_EQ(house.store().tree_size(), before) << "nothing was judged, and nothing is recorded";
}

/// Does any run of so many bytes of `secret` stand in `bytes`?
bool shares_bytes(ByteView bytes, ByteView secret) {
  constexpr std::size_t window = 16;
  const std::string_view haystack = as_text(bytes);
  for (std::size_t at = 0; at + window <= secret.size(); at += window)
    if (haystack.find(as_text(secret.subspan(at, window))) != std::string_view::npos) return true;
  return false;
}

TEST_F(Log, P1NothingAnAuditorIsGivenHoldsAByteOfContent) {
  Draft draft;
  draft.content = to_bytes("a fact invented for whoever would look for it in a journal");
  const Sealed sent = accept(draft);
  const protocol::Envelope& envelope = sent.envelope;
  ASSERT_EQ(refusal_in(open("ged.1", sent.id)), "");
  std::vector<broker::VerifiedBody> questions;
  for (std::uint64_t i = 0; i < house.store().tree_size().value; ++i) {
    protocol::Prove prove;
    prove.leaf = LeafIndex{i};
    questions.emplace_back(prove);
  }
  questions.emplace_back(protocol::Prove{sent.id});
  questions.emplace_back(protocol::GetRecords{{}, protocol::records_items_max, {}});
  for (const char* queue : {"ged/89", "audit/89"}) questions.emplace_back(protocol::List{queue, {}, 64});
  questions.emplace_back(protocol::ListCases{});
  questions.emplace_back(department.open("auditeur", sent.id, house.now));
  questions.emplace_back(protocol::GetDirectory{});
  questions.emplace_back(protocol::Follow{{{"ged/89", {}}}, 64});
  std::size_t answered = 0;
  for (broker::VerifiedBody& question : questions) {
    const auto reply = house.ask("auditeur", std::move(question));
    answered += refusal_in(reply).empty() ? 1U : 0U;
    const Bytes given = protocol::encode(protocol::Reply{1, reply});
    EXPECT_FALSE(shares_bytes(given, draft.content));
    EXPECT_FALSE(shares_bytes(given, envelope.payload));
    EXPECT_FALSE(shares_bytes(given, envelope.locked));
  }
  EXPECT_GT(answered, 5U);
  // Who may open it is given them: the search finds what is there.
  EXPECT_TRUE(shares_bytes(protocol::encode(protocol::Reply{1, open("ged.2", sent.id)}), envelope.payload));
}

TEST(Proofs, ARecordTooLongForOneIsShownWithoutItsNote) {
  for (const std::size_t auditors : {430U, 445U}) {
    DepartmentOptions options;
    options.ged_members = 1;
    options.clir_members = 1;
    options.auditors = auditors - 1;
    const Department crowded(options);
    BrokerHouse house(crowded);
    const Sealed sent = crowded.seal(Draft{});
    ASSERT_EQ(refusal_in(house.ask(sent.address.sender, sent.verified())), "");
    broker::VerifiedOpen open = crowded.open("ged.1", sent.id, house.now);
    open.note = Bytes(protocol::sealed_note_bytes(auditors), 7);
    ASSERT_EQ(refusal_in(house.ask("ged.1", std::move(open))), "");
    protocol::Prove prove;
    prove.leaf = LeafIndex{house.store().tree_size().value - 1};
    const auto reply = house.ask("auditeur", prove);
    ASSERT_EQ(refusal_in(reply), "");
    const auto record = audit::decode_disclosure(std::get<protocol::Proven>(reply).proof.disclosure);
    ASSERT_TRUE(record.has_value());
    const bool without = auditors == 445;
    EXPECT_EQ(record->find("note") == nullptr, without) << auditors;
    std::size_t hidden = 0;
    for (const audit::DisclosedField& field : record->fields) hidden += field.opening ? 0U : 1U;
    EXPECT_EQ(hidden, without ? 1U : 0U);
  }
}

TEST_F(Log, ItsTimeNeverGoesBack) {
  accept({});
  const UnixMillis later = house.now;
  house.now = house.now - std::chrono::hours(5);
  Draft draft;
  draft.created_at = house.now;
  accept(draft);
  house.restart();
  draft.created_at = house.now;
  accept(draft);
  UnixMillis last{};
  for (const JournalLine& line : journal()) {
    EXPECT_GE(line.leaf.time, last);
    last = line.leaf.time;
  }
  EXPECT_EQ(last, later);
}

TEST_F(Log, AConnectionIsOneLineAnHour) {
  const std::uint64_t before = house.store().tree_size().value;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::Hello{})), "");
  EXPECT_EQ(house.store().tree_size().value, before + 1);
  EXPECT_EQ(last_line().leaf.type, audit::LeafType::connexion);
  house.now = house.now + 1h;
  EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::Hello{})), "");
  EXPECT_EQ(last_line().leaf.type, audit::LeafType::connexion);
}

TEST_F(Log, HelloSaysWhoTheCallerIsAndWhatToSealTo) {
  const auto reply = house.ask("ged.1", protocol::Hello{});
  const auto& hello = std::get<protocol::HelloReply>(reply);
  EXPECT_EQ(hello.member, "ged.1");
  EXPECT_EQ(hello.time, house.now);
  EXPECT_EQ(hello.directory.value, 1U);
  EXPECT_EQ(hello.directory_digest, department.directory()->verified()->digest());
  EXPECT_EQ(hello.release_epoch, 202601U);
  EXPECT_EQ(hello.release_key, *house.keys().release_public(202601));
  EXPECT_TRUE(audit::verify_checkpoint(hello.checkpoint, house.log_key()).has_value());
  EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::Hello{2, 3, {}})), "INVALID(version)");
}

TEST_F(Log, HealthIsForThoseWhoRunOrCheckIt) {
  const auto reply = house.ask("operateur", protocol::GetHealth{});
  const auto& health = std::get<protocol::Health>(reply);
  EXPECT_EQ(health.state, "ok");
  EXPECT_EQ(health.tree_size, house.store().tree_size().value);
  EXPECT_GT(health.free_disk_bytes, 0U);
  EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::GetHealth{})), "FORBIDDEN(defaut)");
}

TEST_F(Log, P3WhenItCannotBeWrittenTheActDoesNotHappenAndNothingLeaves) {
  const Sealed report = accept({});
  const auto before = table_digests(house.database());
  // Somebody else has taken the store over.
  run_sql(house.database(), "UPDATE meta SET writer_epoch = writer_epoch + 1");
  const auto outcome = apply_one("ged.1", department.open("ged.1", report.id, house.now));
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, Errc::conflict);
  // For good: not even a reading is answered, and health says why.
  EXPECT_FALSE(apply_one("ged.1", protocol::GetCheckpoint{}).has_value());
  EXPECT_FALSE(house.core().tick(house.now).has_value());
  EXPECT_EQ(house.core().health(house.now).state, "LOG_UNAVAILABLE");
  auto after = table_digests(house.database());
  after["meta"] = before.at("meta");
  EXPECT_EQ(after, before);
  house.restart();
  EXPECT_EQ(refusal_in(open("ged.1", report.id)), "");
  expect_whole();
}

TEST_F(Log, P2WhatWasReceiptedIsThereAfterACrashAtAnyMoment) {
  std::vector<Sealed> receipted;
  for (int i = 0; i < 10; ++i) {
    receipted.push_back(accept({}));
    const std::filesystem::path copy = house.folder() / "crash" / std::to_string(i) / "pli.db";
    copy_database(house.database(), copy);
    auto keys = broker::KeyRing::open(house.key_paths(), test_startup_secret(), house.now);
    ASSERT_TRUE(keys.has_value());
    auto store = broker::Store::open(copy, {});
    ASSERT_TRUE(store.has_value());
    auto core = broker::Core::open(**store, **keys, house.settings());
    ASSERT_TRUE(core.has_value());
    EXPECT_EQ((*core)->newest_checkpoint(), house.core().newest_checkpoint());
    for (const Sealed& each : receipted) EXPECT_TRUE((*store)->find_exchange(each.id).has_value());
  }
}

TEST_F(Log, AStoreThatIsNotTheOneSignedDoesNotStart) {
  for (const char* damage : {"UPDATE leaf SET nodes = zeroblob(length(nodes)) WHERE length(nodes) > 0",
                             "DELETE FROM leaf WHERE key = (SELECT max(key) FROM leaf)",
                             "UPDATE leaf SET time = time + 1 WHERE key = (SELECT max(key) FROM leaf)"}) {
    SCOPED_TRACE(damage);
    BrokerHouse damaged(department);
    while (damaged.store().tree_size().value % 2 == 0)
      ASSERT_EQ(refusal_in(damaged.ask("ged.1", protocol::GetRecords{})), "FORBIDDEN(defaut)");
    damaged.close();
    run_sql(damaged.database(), damage);
    const auto opened = damaged.open();
    ASSERT_FALSE(opened.has_value());
    EXPECT_EQ(opened.error().code, Errc::corruption);
  }
}

TEST_F(Log, AStoreOfAnotherShardDoesNotStart) {
  broker::CoreSettings other = house.settings();
  other.shard = "2026-2";
  EXPECT_EQ(broker::Core::open(house.store(), house.keys(), other).error().code, Errc::corruption);
}

TEST_F(Log, IsInitialisedOnce) {
  EXPECT_EQ(broker::initialise_store(house.store(), house.keys(), house.settings(), department.first_version(),
                                     department.authorities(), house.now)
                .error()
                .code,
            Errc::conflict);
}

}  // namespace
}  // namespace pli::testing
