#include <algorithm>

#include "base/file.hpp"
#include "crypto/age_open.hpp"
#include "crypto/age_seal.hpp"
#include "crypto/hash.hpp"
#include "crypto/header_unlock.hpp"
#include "crypto/random.hpp"
#include "crypto/secret_box.hpp"
#include "crypto/statement.hpp"
#include "protocol/limits.hpp"
#include "tests/broker/core_fixture.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;
using protocol::Kind;

class Opening : public CoreTest {
 protected:
  Sealed report = accept({});
};

TEST_F(Opening, GivesAMemberWhatTheSenderSealed) {
  const auto reply = open("ged.1", report.id);
  ASSERT_EQ(refusal_in(reply), "");
  const auto& opened = std::get<protocol::Opened>(reply);
  EXPECT_EQ(opened.exchange, report.id);
  const auto plaintext = department.read("ged.1", opened);
  ASSERT_TRUE(plaintext.has_value());
  EXPECT_EQ(plaintext->address, report.envelope.address);
  EXPECT_EQ(plaintext->content, Draft{}.content);
}

TEST_F(Opening, P3IsALeafWithTheSignedStatementBeforeAnyByteLeaves) {
  const broker::VerifiedOpen request = department.open("ged.1", report.id, house.now);
  const auto reply = house.ask("ged.1", department.open_again(request));
  const audit::Receipt receipt = verified(std::get<protocol::Opened>(reply).proof);
  EXPECT_EQ(receipt.leaf.type, audit::LeafType::consultation);
  EXPECT_EQ(as_text(*receipt.record.find("motif")), "evaluation");
  EXPECT_EQ(*receipt.record.find("statement"), request.bytes);
  const JournalLine line = last_line();
  EXPECT_EQ(line.text("actor"), "ged.1");
  EXPECT_EQ(line.text("act"), "open");
  EXPECT_EQ(line.text("rule"), "ouverture.ged");
  const auto key = to_array<32>(*line.record.find("key"));
  const auto signature = to_array<64>(*line.record.find("signature"));
  EXPECT_TRUE(
      crypto::verify_statement({*key}, crypto::StatementName::open, *line.record.find("statement"), *signature));
}

TEST_F(Opening, TheSealedNoteIsInTheRecordAndOnlyTheAuditorIsShownIt) {
  broker::VerifiedOpen request = department.open("ged.1", report.id, house.now);
  const Bytes padded = crypto::pad_to(as_bytes("réunion du 14"), protocol::note_bucket_bytes).value();
  const Bytes note = crypto::seal_bytes(padded, department.directory()->queue("audit/89")->keys).value();
  request.note = note;
  request.request.note = crypto::sha256(note);
  const auto reply = house.ask("ged.1", std::move(request));
  ASSERT_EQ(refusal_in(reply), "");
  const audit::Receipt receipt = verified(std::get<protocol::Opened>(reply).proof);
  EXPECT_EQ(receipt.record.find("note"), nullptr);
  EXPECT_EQ(*last_line().record.find("note"), note);
}

TEST_F(Opening, ASealedNoteIsOneBucketToTheAuditorsAndNotAByteMore) {
  const auto with_note = [&](std::size_t size, DirectoryNumber directory) {
    broker::VerifiedOpen request = department.open("ged.1", report.id, house.now);
    request.request.directory = directory;
    request.note = Bytes(size, 0x5A);
    return refusal_in(house.ask("ged.1", std::move(request)));
  };
  const std::size_t one = protocol::sealed_note_bytes(1);
  const std::uint64_t before = house.store().tree_size().value;
  EXPECT_EQ(with_note(one - 1, {1}), "INVALID(note)");
  EXPECT_EQ(with_note(one + 1, {1}), "INVALID(note)");
  EXPECT_EQ(with_note(protocol::sealed_note_bytes_max, {1}), "INVALID(note)");
  for (const JournalLine& line : journal({before})) EXPECT_EQ(line.record.find("note"), nullptr);
  EXPECT_EQ(with_note(one, {1}), "");
  // Sealed to the auditors of yesterday: it is the directory that is old.
  ASSERT_EQ(refusal_in(publish(department.enrol("auditrice", "inspection", {protocol::Role::auditeur}, {"audit/89"}))),
            "");
  EXPECT_EQ(with_note(one, {1}), "STALE_DIRECTORY");
  EXPECT_EQ(with_note(protocol::sealed_note_bytes(2), {2}), "");
}

TEST_F(Opening, TheSameRequestGetsTheSameLeafForTenMinutes) {
  const broker::VerifiedOpen request = department.open("ged.1", report.id, house.now);
  const auto first = house.ask("ged.1", department.open_again(request));
  const TreeSize size = house.store().tree_size();
  house.now = house.now + 600s;
  house.restart();
  const auto again = house.ask("ged.1", department.open_again(request));
  ASSERT_EQ(refusal_in(again), "");
  EXPECT_EQ(house.store().tree_size(), size);
  EXPECT_EQ(std::get<protocol::Opened>(again).proof.index, std::get<protocol::Opened>(first).proof.index);
  EXPECT_TRUE(department.read("ged.1", std::get<protocol::Opened>(again)).has_value());
  house.now = house.now + 1ms;
  EXPECT_EQ(refusal_in(house.ask("ged.1", department.open_again(request))), "CLOCK_SKEW");
}

TEST_F(Opening, IsRefusedWhenTooOldOrFromTheFuture) {
  EXPECT_EQ(refusal_in(house.ask("ged.1", department.open("ged.1", report.id, house.now - 300'001ms))), "CLOCK_SKEW");
  EXPECT_EQ(refusal_in(house.ask("ged.1", department.open("ged.1", report.id, house.now + 300'001ms))), "CLOCK_SKEW");
  EXPECT_EQ(refusal_in(house.ask("ged.1", department.open("ged.1", report.id, house.now - 300s))), "");
}

// Found by the simulator: a clock that was ahead, and is set back.
TEST_F(Opening, IsGrantedOnceThoughTheClockGoesBack) {
  const broker::VerifiedOpen request = department.open("ged.1", report.id, house.now);
  ASSERT_EQ(refusal_in(house.ask("ged.1", department.open_again(request))), "");
  house.now = house.now + 50min;
  house.tick();
  ASSERT_EQ(refusal_in(house.ask("secretariat", department.open("secretariat", report.id, house.now))), "");
  house.now = house.now - 50min;
  EXPECT_EQ(refusal_in(house.ask("ged.1", department.open_again(request))), "CLOCK_SKEW");
  // A leaf's time never goes back: a fresh request would stand beside a leaf dated 50 minutes after it.
  EXPECT_EQ(refusal_in(house.ask("ged.1", department.open("ged.1", report.id, house.now))), "CLOCK_SKEW");
  house.now = house.now + 45min;
  EXPECT_EQ(refusal_in(house.ask("ged.1", department.open("ged.1", report.id, house.now))), "");
}

TEST_F(Opening, DemandsAMotif) {
  broker::VerifiedOpen request = department.open("ged.1", report.id, house.now);
  request.request.motif = 0;
  EXPECT_EQ(refusal_in(house.ask("ged.1", std::move(request))), "MOTIF_REQUIRED");
}

TEST_F(Opening, IsForItsOwnSignerAlone) {
  EXPECT_EQ(refusal_in(house.ask("ged.2", department.open("ged.1", report.id, house.now))), "INVALID(opener)");
  broker::VerifiedOpen other_key = department.open("ged.1", report.id, house.now);
  other_key.request.opener_key.bytes = crypto::random_array<32>();
  EXPECT_EQ(refusal_in(house.ask("ged.1", std::move(other_key))), "INVALID(opener_key)");
  broker::VerifiedOpen other_log = department.open("ged.1", report.id, house.now);
  other_log.request.log = "pli.nievre.exemple/pli/58";
  EXPECT_EQ(refusal_in(house.ask("ged.1", std::move(other_log))), "INVALID(log)");
  broker::VerifiedOpen to_come = department.open("ged.1", report.id, house.now);
  to_come.request.directory.value = 2;
  EXPECT_EQ(refusal_in(house.ask("ged.1", std::move(to_come))), "INVALID(directory)");
}

TEST_F(Opening, P6StrangersAreAnsweredAsIfNothingStoodThere) {
  for (const char* stranger : {"clir.1", "referent.sens", "auditeur", "operateur", "outil.transport"}) {
    SCOPED_TRACE(stranger);
    EXPECT_EQ(refusal_in(open(stranger, report.id)), "NOT_FOUND");
    const JournalLine line = last_line();
    EXPECT_EQ(line.leaf.type, audit::LeafType::refus);
    EXPECT_EQ(line.text("actor"), stranger);
    EXPECT_EQ(line.text("outcome"), "NOT_FOUND");
    EXPECT_NE(line.text("rule"), "");
    EXPECT_EQ(refusal_in(open(stranger, crypto::random_array<32>())), "NOT_FOUND");
  }
}

TEST_F(Opening, P6WhoMayKnowOfItIsToldTheRule) {
  // A référent of the commune that reported: author, and so no reader.
  EXPECT_EQ(refusal_in(open("referent.auxerre", report.id)), "FORBIDDEN(interdit.auteur)");
  EXPECT_EQ(refusal_in(open("maire.auxerre", report.id)), "FORBIDDEN(interdit.auteur)");
}

TEST_F(Opening, ARevokedMemberIsGivenNothingNotEvenWhatHeHadOpened) {
  const broker::VerifiedOpen request = department.open("ged.1", report.id, house.now);
  ASSERT_EQ(refusal_in(house.ask("ged.1", department.open_again(request))), "");
  ASSERT_EQ(refusal_in(publish(department.revoke("ged.1", house.now))), "");
  EXPECT_EQ(refusal_in(house.ask("ged.1", department.open_again(request))), "REVOKED");
  EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::GetChunk{request.id, protocol::PartKind::payload, 0, 0})),
            "REVOKED");
  EXPECT_EQ(last_line().text("outcome"), "REVOKED");
}

TEST_F(Opening, AMemberWithNewKeysReadsWhatWasSealedToTheOldOnes) {
  ASSERT_EQ(refusal_in(publish(department.renew("ged.1"))), "");
  const auto reply = open("ged.1", report.id);
  ASSERT_EQ(refusal_in(reply), "");
  EXPECT_TRUE(department.read("ged.1", std::get<protocol::Opened>(reply)).has_value());
}

TEST_F(Opening, LargePartsAreFetchedInChunks) {
  Draft draft;
  draft.content = Bytes(300'000, 0);
  crypto::random_bytes(draft.content);
  const Sealed large = accept(draft);
  const broker::VerifiedOpen request = department.open("ged.1", large.id, house.now);
  const auto reply = house.ask("ged.1", department.open_again(request));
  auto opened = std::get<protocol::Opened>(reply);
  EXPECT_TRUE(opened.payload.empty());
  const TreeSize size = house.store().tree_size();
  while (opened.payload.size() < large.envelope.payload.size()) {
    const auto index = static_cast<std::uint32_t>(opened.payload.size() / protocol::chunk_bytes_max);
    const auto chunk = house.ask("ged.1", protocol::GetChunk{request.id, protocol::PartKind::payload, 0, index});
    ASSERT_EQ(refusal_in(chunk), "");
    EXPECT_EQ(std::get<protocol::Chunk>(chunk).part_size, large.envelope.payload.size());
    append(opened.payload, std::get<protocol::Chunk>(chunk).bytes);
  }
  EXPECT_EQ(house.store().tree_size(), size);  // the release was recorded when it was granted
  const auto plaintext = department.read("ged.1", opened);
  ASSERT_TRUE(plaintext.has_value());
  EXPECT_EQ(plaintext->content, draft.content);
  const auto locked = house.ask("ged.1", protocol::GetChunk{request.id, protocol::PartKind::locked, 0, 0});
  EXPECT_EQ(std::get<protocol::Chunk>(locked).bytes, large.envelope.locked);
  // Past the end, another's opening, an opening that never was, one whose time is over.
  EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::GetChunk{request.id, protocol::PartKind::payload, 0, 99})),
            "INVALID(index)");
  EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::GetChunk{request.id, protocol::PartKind::locked, 7, 0})),
            "INVALID(access)");
  EXPECT_EQ(refusal_in(house.ask("ged.2", protocol::GetChunk{request.id, protocol::PartKind::payload, 0, 0})),
            "NOT_FOUND");
  EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::GetChunk{large.id, protocol::PartKind::payload, 0, 0})),
            "NOT_FOUND");
  house.now = house.now + 600'001ms;
  EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::GetChunk{request.id, protocol::PartKind::payload, 0, 0})),
            "NOT_FOUND");
  expect_whole();
}

/// What a member's client is given, through the codec both ways; parts that came empty are fetched as it fetches them.
class OpeningOnTheWire : public ::testing::Test {
 protected:
  static protocol::Opened open_whole(BrokerHouse& house, const Department& department, const Sealed& sealed) {
    const broker::VerifiedOpen request = department.open("ged.1", sealed.id, house.now);
    const Bytes message = protocol::encode(protocol::Reply{1, house.ask("ged.1", department.open_again(request))});
    EXPECT_LE(message.size(), protocol::message_bytes_max);
    auto decoded = protocol::decode_reply(message);
    EXPECT_TRUE(decoded.has_value()) << (decoded ? "" : decoded.error().detail);
    if (!decoded || refusal_in(decoded->body) != "") return {};
    auto opened = std::get<protocol::Opened>(std::move(decoded->body));
    const auto fetch = [&](protocol::PartKind part, Bytes& into, std::uint64_t size) {
      for (std::uint32_t index = 0; into.size() < size; ++index) {
        const auto reply = house.ask("ged.1", protocol::GetChunk{request.id, part, 0, index});
        const auto chunk = protocol::decode_reply(protocol::encode(protocol::Reply{1, reply}));
        ASSERT_TRUE(chunk.has_value());
        ASSERT_EQ(refusal_in(chunk->body), "");
        append(into, std::get<protocol::Chunk>(chunk->body).bytes);
      }
    };
    if (opened.access.at(0).locked.empty())
      fetch(protocol::PartKind::locked, opened.access[0].locked, sealed.seal.locked_size);
    if (opened.payload.empty()) fetch(protocol::PartKind::payload, opened.payload, sealed.seal.payload_size);
    return opened;
  }
};

TEST_F(OpeningOnTheWire, APayloadOfAnySizeArrivesWholeRidingOrFetched) {
  DepartmentOptions few;
  few.ged_members = 3;
  const Department department(few);
  BrokerHouse house(department);
  std::vector<std::size_t> sizes = {protocol::inline_bytes_max - 1, protocol::inline_bytes_max,
                                    protocol::inline_bytes_max + 1, 55'328};
  for (std::size_t size = 46 * 1024; size <= 58 * 1024; size += 512) sizes.push_back(size);
  for (const std::size_t size : sizes) {
    SCOPED_TRACE(size);
    Draft draft;
    draft.openable = false;
    Sealed sealed = department.seal(draft);
    sealed.envelope.payload.resize(size);
    crypto::random_bytes(sealed.envelope.payload);
    sealed.seal.payload_size = size;
    sealed.seal.payload = crypto::sha256(sealed.envelope.payload);
    department.sign(sealed);
    ASSERT_EQ(refusal_in(house.ask(draft.sender, sealed.verified())), "");
    const protocol::Opened opened = open_whole(house, department, sealed);
    EXPECT_EQ(opened.payload, sealed.envelope.payload);
  }
}

TEST_F(OpeningOnTheWire, ARosterOfAnySizeUpToTheLargestIsReadByItsMembers) {
  for (const std::size_t keys : {500UL, 501UL, protocol::recipients_max}) {
    SCOPED_TRACE(keys);
    DepartmentOptions many;
    many.ged_members = keys - 1;  // and the secretariat
    many.clir_members = 1;
    const Department department(many);
    ASSERT_EQ(department.directory()->queue("ged/89")->keys.size(), keys);
    BrokerHouse house(department);
    const Sealed sealed = department.seal({});
    ASSERT_EQ(refusal_in(house.ask("referent.auxerre", sealed.verified())), "");
    const protocol::Opened opened = open_whole(house, department, sealed);
    const auto plaintext = department.read("ged.1", opened);
    ASSERT_TRUE(plaintext.has_value());
    EXPECT_EQ(plaintext->content, Draft{}.content);
  }
}

TEST_F(Opening, TheWeeklyRotationLeavesEverythingReadableAndOldLeasesGo) {
  const std::uint32_t first_lease = house.store().access(house.store().find_exchange(report.id)->number)[0].lease;
  for (int week = 0; week < 7; ++week) {
    house.now = house.now + std::chrono::hours(24 * 7);
    house.tick();
    if (week < 3) accept(step(Kind::signalement_individuel, "referent.auxerre", "ged/89", {}));
    if (week == 3) {
      ASSERT_EQ(refusal_in(publish(department.renew_term(house.now + std::chrono::hours(24 * 29)))), "");
    }
  }
  const auto access = house.store().access(house.store().find_exchange(report.id)->number);
  EXPECT_GT(access[0].lease, first_lease);
  EXPECT_FALSE(house.keys().lease(first_lease).has_value());
  const auto reply = open("ged.1", report.id);
  ASSERT_EQ(refusal_in(reply), "");
  EXPECT_TRUE(department.read("ged.1", std::get<protocol::Opened>(reply)).has_value());
  house.restart();
  expect_whole();
}

TEST_F(Opening, OneDamagedReleaseKeyIsNamedSkippedAndKeepsNothingElseFromItsWork) {
  const Sealed other = accept({});
  const broker::ExchangeNumber number = house.store().find_exchange(report.id)->number;
  const std::uint32_t lease = house.store().access(number)[0].lease;
  house.close();
  run_sql(house.database(),
          "UPDATE access_part SET leased = zeroblob(72) WHERE number = " + std::to_string(number.value));
  house.now = house.now + std::chrono::hours(24 * 7);
  ASSERT_TRUE(house.open().has_value());
  const broker::BatchOutcome outcome = house.tick();
  EXPECT_EQ(outcome.damaged, std::vector<broker::ExchangeNumber>{number});
  EXPECT_EQ(house.core().health(house.now).state, "RELEASE_DAMAGED 1");
  EXPECT_TRUE(house.tick().damaged.empty());  // named once for each pass
  ASSERT_EQ(refusal_in(publish(department.renew_term(house.now + std::chrono::hours(24 * 29)))), "");

  EXPECT_EQ(refusal_in(open("ged.1", report.id)), "ERASED(cle)");
  EXPECT_EQ(last_line().text("outcome"), "ERASED");
  EXPECT_EQ(refusal_in(open("ged.1", other.id)), "");
  accept({});
  // Mended from a backup it would need its own lease, which stays; no other one does.
  for (int week = 0; week < 6; ++week) {
    house.now = house.now + std::chrono::hours(24 * 7);
    house.tick();
  }
  EXPECT_TRUE(house.keys().lease(lease).has_value());
  EXPECT_FALSE(house.keys().lease(lease + 1).has_value());
}

TEST_F(Opening, AnOlderLeaseFileDoesNotStartAndMakesNoKeyUnderAUsedNumber) {
  const auto paths = house.key_paths();
  const auto keep = [&](const char* from, const char* to) {
    for (const std::filesystem::path& file : {paths.leases, paths.leases_copy})
      std::filesystem::copy_file(file.string() + from, file.string() + to,
                                 std::filesystem::copy_options::overwrite_existing);
  };
  keep("", ".old");
  house.now = house.now + std::chrono::hours(24 * 8);
  house.tick();  // a second lease
  const Sealed later = accept(step(Kind::signalement_individuel, "referent.auxerre", "ged/89", {}));
  keep("", ".new");
  house.close();
  keep(".old", "");
  const auto opened = house.open();
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Errc::corruption);
  house.close();
  keep(".new", "");
  ASSERT_TRUE(house.open().has_value());
  EXPECT_EQ(refusal_in(open("ged.1", later.id)), "");
}

TEST_F(Opening, ALeaseFileOfOtherKeysDoesNotStart) {
  accept(step(Kind::signalement_individuel, "referent.auxerre", "ged/89", {}));
  house.close();
  const auto paths = house.key_paths();
  std::filesystem::remove(paths.leases);
  std::filesystem::remove(paths.leases_copy);
  std::filesystem::remove(paths.folder / "release-202601.key");
  ASSERT_TRUE(broker::KeyRing::create(paths, test_startup_secret(), house.now).has_value());
  const auto opened = house.open();
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Errc::corruption);
}

TEST_F(Opening, TheMonthsReleaseKeyIsThereBeforeAnybodySaysHello) {
  // Two months later, as the gate asks for it when a session has stayed open all the while.
  for (const std::uint32_t month : {202602U, 202603U}) {
    house.now = house.now + std::chrono::hours(24 * 28);
    EXPECT_FALSE(house.keys().release_public(month).has_value());
    house.tick();
    EXPECT_TRUE(house.keys().release_public(month).has_value());
  }
  EXPECT_EQ(house.core().health(house.now).state, "ok");
}

TEST_F(Opening, AMonthsReleaseKeyThatCannotBeWrittenIsSaidAndStopsNothingElse) {
  std::filesystem::create_directories(house.key_paths().folder / "release-202602.key");  // in its way
  house.now = house.now + std::chrono::hours(24 * 28);
  house.tick();
  EXPECT_EQ(house.core().health(house.now).state, "RELEASE_KEY_UNWRITTEN");
  EXPECT_EQ(refusal_in(open("ged.1", report.id)), "");
  EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::Hello{})), "LOG_UNAVAILABLE");
  std::filesystem::remove(house.key_paths().folder / "release-202602.key");
  house.tick();
  EXPECT_EQ(house.core().health(house.now).state, "ok");
}

TEST_F(Opening, ABrokerDownForMonthsEncryptsAnewBeforeItDestroys) {
  house.close();
  house.now = house.now + std::chrono::hours(24 * 120);
  ASSERT_TRUE(house.open().has_value());
  house.tick();
  ASSERT_EQ(refusal_in(publish(department.renew_term(house.now + std::chrono::hours(24 * 29)))), "");
  const auto reply = open("ged.1", report.id);
  ASSERT_EQ(refusal_in(reply), "");
  EXPECT_TRUE(department.read("ged.1", std::get<protocol::Opened>(reply)).has_value());
  expect_whole();
}

}  // namespace
}  // namespace pli::testing
