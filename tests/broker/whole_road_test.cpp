// The gate's Verifier, the core and the store in one: what a submission may not be, and what one costs.
#include <cstdlib>
#include <iostream>

#include "broker/gate_verify.hpp"
#include "crypto/random.hpp"
#include "protocol/limits.hpp"
#include "tests/broker/core_fixture.hpp"
#include "tests/support/faulty_disk.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;
using protocol::Kind;

class WholeRoad : public CoreTest {
 protected:
  static constexpr std::uint32_t epoch = 202601;

  protocol::Submit on_the_wire(const Sealed& sealed) {
    return Department::wire_submit(sealed, epoch, *house.keys().release_public(epoch), session_);
  }
  broker::Verdict verify(const Bytes& frame) {
    clock_.set(house.now);
    broker::Incoming message;
    message.peer = department.peer("referent.auxerre");
    message.frames = {frame};
    return verifier_.verify(std::move(message));
  }
  /// Through the gate and, where it let something on, through the core.
  protocol::ReplyBody ask(const protocol::Submit& submit) {
    broker::Verdict verdict = verify(protocol::encode(protocol::Request{7, submit}));
    if (verdict.answer) return verdict.answer->reply.body;
    std::vector<broker::VerifiedRequest> batch;
    batch.push_back(*std::move(verdict.to_core));
    auto outcome = house.apply(std::move(batch));
    EXPECT_TRUE(outcome.has_value());
    return std::move(outcome->outgoing.at(0).reply.body);
  }
  /// Nothing but the log and its counters is another since `before`.
  void expect_only_the_log_moved(const std::map<std::string, Digest>& before) {
    auto after = table_digests(house.database());
    for (const char* log : {"leaf", "meta"}) after[log] = before.at(log);
    EXPECT_EQ(after, before);
  }
  /// How many messages the journal holds as refused to referent.auxerre, and as input that could not be told.
  std::uint64_t refused_in_journal(LeafIndex from) {
    std::uint64_t count = 0;
    for (const JournalLine& line : journal(from)) {
      if (line.leaf.type != audit::LeafType::refus) continue;
      if (line.text("act") == "input")
        count += std::stoull(line.text("count"));
      else if (line.text("actor") == "referent.auxerre")
        ++count;
    }
    return count;
  }

  crypto::BoxPair session_ = crypto::BoxPair::generate();
  ManualClock clock_{department.now()};
  broker::DirectoryInForce directory_{department.directory()};
  std::unique_ptr<broker::Spool> spool_ = broker::Spool::open(house.folder() / "spool", {}).value();
  broker::Verifier verifier_{
      directory_,
      {[this](std::uint32_t month, const crypto::BoxPublic& key) { return house.keys().release_shared(month, key); },
       [this](std::uint32_t month) { return house.keys().release_public(month); }},
      *spool_,
      clock_,
      protocol::exchange_bytes_max};
};

TEST_F(WholeRoad, NoFlippedBitAndNoCutSubmissionGetsIn) {
  const Sealed sealed = department.seal({});
  const protocol::Request request{7, on_the_wire(sealed)};
  const Bytes good = protocol::encode(request);
  // One bit of each byte; which one moves from run to run.
  const char* given = std::getenv("PLI_SEED");
  const std::size_t shift = given != nullptr ? std::strtoull(given, nullptr, 10) : crypto::random_array<1>()[0];
  std::cout << "seed: PLI_SEED=" << shift << "\n";
  std::vector<Bytes> spoiled;
  for (std::size_t i = 0; i < good.size(); ++i) {
    Bytes flipped = good;
    flipped[i] = static_cast<std::uint8_t>(flipped[i] ^ 1U << (i + shift) % 8);
    // The request's own number is the client's affair: under another one it is the same submission.
    const auto decoded = protocol::decode_request(flipped);
    if (decoded && decoded->body == request.body) continue;
    spoiled.push_back(std::move(flipped));
  }
  EXPECT_GE(spoiled.size(), good.size() - 10);
  for (std::size_t size = 0; size < good.size(); ++size)
    spoiled.emplace_back(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));

  const auto before = table_digests(house.database());
  const LeafIndex from{house.store().tree_size().value};
  for (std::size_t next = 0; next < spoiled.size();) {
    house.now = house.now + 61s;  // past thirty refusals a minute nothing would be judged
    std::vector<broker::VerifiedRequest> batch;
    for (int i = 0; i < 25 && next < spoiled.size(); ++i, ++next) {
      broker::Verdict verdict = verify(spoiled[next]);
      ASSERT_TRUE(verdict.to_core.has_value()) << next << ": neither recorded nor counted";
      EXPECT_FALSE(std::holds_alternative<broker::VerifiedSubmit>(verdict.to_core->body)) << next;
      batch.push_back(*std::move(verdict.to_core));
    }
    const auto outcome = house.apply(std::move(batch));
    ASSERT_TRUE(outcome.has_value());
    for (const broker::Outgoing& out : outcome->outgoing) EXPECT_NE(refusal_in(out.reply.body), "");
  }
  house.tick();  // what was only counted becomes a leaf
  expect_only_the_log_moved(before);
  EXPECT_EQ(refused_in_journal(from), spoiled.size());
  EXPECT_EQ(refusal_in(ask(on_the_wire(sealed))), "");
  expect_whole();
}

TEST_F(WholeRoad, WhatASenderSpoilsItselfIsRefusedByNameAndMovesOnlyTheLog) {
  const Sealed other = accept({});
  const protocol::Submit others_wire = on_the_wire(other);
  struct Case {
    const char* name;
    const char* expected;
    std::function<protocol::Submit(Sealed&)> make;
  };
  const std::vector<Case> cases = {
      {"a wrong signature", "BAD_SIGNATURE",
       [&](Sealed& s) {
         s.envelope.signature[5] ^= 1;
         return on_the_wire(s);
       }},
      {"another's signature", "BAD_SIGNATURE",
       [&](Sealed& s) {
         s.envelope.signature = other.envelope.signature;
         return on_the_wire(s);
       }},
      {"a payload of another digest", "INVALID(payload)",
       [&](Sealed& s) {
         s.envelope.payload[7] ^= 1;
         return on_the_wire(s);
       }},
      {"a locked part of another digest", "INVALID(locked)",
       [&](Sealed& s) {
         s.envelope.locked[7] ^= 1;
         return on_the_wire(s);
       }},
      {"another exchange's share", "INVALID(release)",
       [&](Sealed& s) {
         protocol::Submit out = on_the_wire(s);
         out.envelope.release = others_wire.envelope.release;
         return out;
       }},
      {"the share under the other spelling of its session key", "INVALID(release)",
       [&](Sealed& s) {
         protocol::Submit out = on_the_wire(s);
         protocol::Release release = protocol::decode_release(out.envelope.release).value();
         release.shares.front().session.bytes.back() |= 0x80U;
         out.envelope.release = protocol::encode(release);
         return out;
       }},
      {"another exchange's share and commitment, signed anew", "INVALID(release)",
       [&](Sealed& s) {
         s.seal.release_commitment = other.seal.release_commitment;
         department.sign(s);
         protocol::Submit out = on_the_wire(s);
         out.envelope.release = others_wire.envelope.release;
         return out;
       }},
      {"another exchange's payload, share and commitment, signed anew", "INVALID(release)",
       [&](Sealed& s) {
         s.seal = other.seal;
         s.envelope.locked = other.envelope.locked;
         s.envelope.payload = other.envelope.payload;
         department.sign(s);
         protocol::Submit out = on_the_wire(s);
         out.envelope.release = others_wire.envelope.release;
         return out;
       }},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.name);
    const auto before = table_digests(house.database());
    const std::uint64_t size = house.store().tree_size().value;
    Sealed sealed = department.seal({});
    EXPECT_EQ(refusal_in(ask(each.make(sealed))), each.expected);
    EXPECT_EQ(house.store().tree_size().value, size + 1);
    expect_only_the_log_moved(before);
    EXPECT_EQ(*last_line().record.find("exchange"), to_bytes(ByteView(sealed.id)));
  }
}

TEST_F(WholeRoad, P6AnEmptyRosterIsRefusedAndMovesOnlyTheLog) {
  for (const char* member : {"clir.1", "clir.2", "secretariat"})
    ASSERT_EQ(refusal_in(publish(department.revoke(member, house.now))), "");
  directory_.set(department.directory());
  Draft draft;
  draft.kind = Kind::signalement_de_structure;
  draft.queue = "clir/89";
  draft.openable = false;
  const auto before = table_digests(house.database());
  EXPECT_EQ(refusal_in(ask(on_the_wire(department.seal(draft)))), "INVALID(roster)");
  expect_only_the_log_moved(before);
  EXPECT_EQ(last_line().text("rule"), "roster");
}

// ---- what one costs ------------------------------------------------------------------------------------------------

TEST(Cost, ABatchIsOneCommitAndOneSyncHoweverManyItHolds) {
  FaultyDisk disk;
  broker::StoreOptions options;
  options.vfs = disk.name();
  options.background_writeback = false;
  const Department department;
  BrokerHouse house(department, options);
  Draft draft;
  draft.openable = false;
  ASSERT_EQ(refusal_in(house.ask(draft.sender, department.seal(draft).verified())), "");
  for (const std::size_t count : {1UL, 16UL, 200UL}) {
    std::vector<broker::VerifiedRequest> batch;
    for (std::size_t i = 0; i < count; ++i)
      batch.push_back(house.request(draft.sender, department.seal(draft).verified()));
    const std::uint64_t syncs = disk.syncs();
    const auto outcome = house.apply(std::move(batch));
    ASSERT_TRUE(outcome.has_value());
    EXPECT_EQ(disk.syncs() - syncs, 1U) << count;
    for (const broker::Outgoing& out : outcome->outgoing) EXPECT_EQ(refusal_in(out.reply.body), "");
  }
}

/// Rows that five exchanges add to each table, with everybody of the GED following; and bytes of bodies.
std::map<std::string, std::int64_t> rows_of_five_exchanges(std::size_t ged_members) {
  DepartmentOptions options;
  options.ged_members = ged_members;
  options.clir_members = 1;
  const Department department(options);
  BrokerHouse house(department);
  Draft draft;
  draft.openable = false;
  EXPECT_EQ(refusal_in(house.ask(draft.sender, department.seal(draft).verified())), "");
  for (std::size_t i = 1; i <= ged_members; ++i)
    EXPECT_EQ(refusal_in(house.ask("ged." + std::to_string(i), protocol::Follow{{{"ged/89", {1}}}, 100})), "");
  std::map<std::string, std::int64_t> rows;
  const auto count = [&](int sign) {
    for (const auto& [table, digest] : table_digests(house.database()))
      rows[table] += sign * query_number(house.database(), "SELECT count(*) FROM " + table);
  };
  count(-1);
  std::int64_t body_bytes = 0;
  std::vector<broker::VerifiedRequest> batch;
  for (int i = 0; i < 5; ++i) {
    const Sealed sealed = department.seal(draft);
    body_bytes += static_cast<std::int64_t>(sealed.envelope.locked.size() + sealed.envelope.payload.size());
    batch.push_back(house.request(draft.sender, sealed.verified()));
  }
  const auto outcome = house.apply(std::move(batch));
  EXPECT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->outgoing.size(), 5 + ged_members);  // receipts, and one push to each
  count(1);
  // A header has a stanza for each reader: that, once, is all that grows, and it is bytes.
  EXPECT_EQ(query_number(house.database(), "SELECT sum(length(bytes)) FROM piece WHERE key >> 12 > 1"), body_bytes);
  rows.erase("piece");
  return rows;
}

TEST(Cost, FanOutAddsNoRowForARecipient) {
  const auto few = rows_of_five_exchanges(2);
  const auto many = rows_of_five_exchanges(60);
  EXPECT_EQ(few, many);
  EXPECT_EQ(few.at("exchange"), 5);
  EXPECT_EQ(few.at("access_part"), 5);
  EXPECT_EQ(few.at("leaf"), 5);
  EXPECT_EQ(few.at("cursor"), 0);
}

}  // namespace
}  // namespace pli::testing
