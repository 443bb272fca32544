// Design §8, "Shards" (P8, P10): a rollback is accepted by the authority's order alone, a year is closed without one;
// what stands stays provable, and what was lost is taken again.
#include "audit/cosignature.hpp"
#include "protocol/limits.hpp"
#include "protocol/shard_order.hpp"
#include "tests/broker/core_fixture.hpp"
#include "tests/support/faulty_disk.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;

constexpr UnixMillis new_year{1'798'761'600'000};  // 1 January 2027

/// A house that can be put back to an earlier copy of its database.
class Shards : public CoreTest {
 protected:
  std::filesystem::path copy() const { return house.folder() / "copy" / "pli.db"; }
  void back_up() {
    house.close();
    copy_database(house.database(), copy());
    house.restart();
  }
  /// The newest checkpoint is what the outside file holds; then the copy is put back.
  void put_back() {
    last_known = house.core().newest_checkpoint();
    house.close();
    copy_database(copy(), house.database());
    house.restart();
    house.close_core();
  }
  Result<protocol::RollbackRequest> request() {
    return broker::rollback_request(house.store(), house.keys(), house.settings(), last_known, house.now);
  }
  Result<void> accept_order(const std::string& order) {
    return broker::accept_rollback(house.store(), house.keys(), house.settings(), {last_known, order}, house.now);
  }
  Errc refused(const std::string& order) {
    const std::string before = house.store().checkpoint();
    const auto accepted = accept_order(order);
    EXPECT_FALSE(accepted.has_value());
    EXPECT_EQ(house.store().checkpoint(), before);
    EXPECT_EQ(house.store().shards().size(), 1U);
    return accepted ? Errc{} : accepted.error().code;
  }
  void roll_back() {
    put_back();
    const auto asked = request();
    ASSERT_TRUE(asked.has_value()) << asked.error().detail;
    order_note = department.sign_order(asked->order);
    const auto accepted = accept_order(order_note);
    ASSERT_TRUE(accepted.has_value()) << accepted.error().detail;
    house.restart();
  }
  void next_shard() {
    house.close_core();
    const auto opened =
        broker::open_next_shard(house.store(), house.keys(), house.settings(), house.store().checkpoint(), house.now);
    ASSERT_TRUE(opened.has_value()) << opened.error().detail;
    house.restart();
  }
  std::string origin(const char* shard) const { return department.log() + "/" + shard; }
  audit::VerifierKey key_of(const std::string& of) const { return {of, audit::KeyType::ed25519, house.log_key().key}; }
  /// The proof verified under another shard than the current one; its checkpoint.
  audit::TreeHead verified_in(const std::string& of, const protocol::LeafProof& proof) {
    audit::Receipt receipt;
    receipt.leaf = audit::decode_leaf(proof.leaf).value();
    receipt.record = audit::decode_disclosure(proof.disclosure).value();
    receipt.index = proof.index;
    receipt.proof = proof.proof;
    receipt.checkpoint = proof.checkpoint;
    const auto checkpoint = audit::verify_receipt(receipt, key_of(of));
    EXPECT_TRUE(checkpoint.has_value()) << (checkpoint ? "" : checkpoint.error().detail);
    return checkpoint ? checkpoint->head() : audit::TreeHead{};
  }
  /// As a client meets the end of `closed`: everything of the reply is checked. The origin it leads to.
  std::string meet(const std::string& closed, const audit::TreeHead& known, const std::string& opened) {
    const auto body = house.ask("ged.1", protocol::GetShard{closed, known.size});
    EXPECT_EQ(refusal_in(body), "");
    const auto* reply = std::get_if<protocol::ShardReply>(&body);
    if (reply == nullptr) return {};
    EXPECT_LE(protocol::encode(protocol::Reply{1, body}).size(), protocol::message_bytes_max);
    protocol::ShardChange change;
    const auto end = audit::verify_checkpoint(reply->closed, key_of(closed));
    EXPECT_TRUE(end.has_value());
    change.closed = end->head();
    if (!reply->last_known.empty()) {
      const auto last = audit::verify_checkpoint(reply->last_known, key_of(closed));
      EXPECT_TRUE(last.has_value());
      change.last_known = last->head();
    }
    change.order = reply->order;
    change.first = audit::decode_leaf(reply->first.leaf).value();
    change.opened = opened;
    EXPECT_EQ(reply->first.index.value, 0U);
    verified_in(opened, reply->first);
    const auto opening =
        protocol::verify_shard_change(change, "csi-89-2026", department.log(), department.authorities());
    EXPECT_TRUE(opening.has_value()) << (opening ? "" : opening.error().detail);
    if (known.size <= change.closed.size)
      EXPECT_TRUE(audit::verify_consistency(known.size, known.root, change.closed.size, change.closed.root,
                                            reply->consistency));
    else
      EXPECT_TRUE(change.last_known.has_value() && reply->consistency.empty());
    return opened;
  }
  audit::TreeHead head_of(const std::string& note) const {
    return audit::parse_tree_head(audit::parse_note(note)->text).value();
  }

  std::string last_known;
  std::string order_note;
};

TEST_F(Shards, P10AnOrderOpensAShardAndWhatStandsStaysProvable) {
  const Sealed standing = accept({});
  const auto before = house.ask(standing.address.sender, protocol::Prove{standing.id});
  const protocol::LeafProof receipt = std::get<protocol::Proven>(before).proof;
  back_up();
  const TreeSize restored = house.store().tree_size();
  const Sealed lost = accept({});
  roll_back();

  EXPECT_EQ(house.store().origin(), origin("2026-2"));
  EXPECT_EQ(house.store().tree_size().value, 1U);
  // The old receipt verifies as it did, and the leaf is proven anew against what stands of its shard.
  verified_in(origin("2026-1"), receipt);
  for (const char* who : {"referent.auxerre", "ged.1", "auditeur"}) {
    for (const bool published : {false, true}) {  // the end of a shard needs no publication
      protocol::Prove ask;
      ask.exchange = standing.id;
      ask.published = published;
      const auto proven = house.ask(who, ask);
      ASSERT_EQ(refusal_in(proven), "") << who;
      EXPECT_EQ(verified_in(origin("2026-1"), std::get<protocol::Proven>(proven).proof).size, restored);
    }
  }
  const auto again = submit(standing);
  EXPECT_TRUE(std::get<protocol::Accepted>(again).duplicate);
  EXPECT_EQ(std::get<protocol::Accepted>(again).proof.index, receipt.index);
  verified_in(origin("2026-1"), std::get<protocol::Accepted>(again).proof);

  // What was lost is not known, and is taken as it is: the same id, a leaf in the new shard.
  EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::Prove{lost.id})), "NOT_FOUND");
  const auto taken = submit(lost);
  ASSERT_EQ(refusal_in(taken), "");
  EXPECT_FALSE(std::get<protocol::Accepted>(taken).duplicate);
  EXPECT_EQ(std::get<protocol::Accepted>(taken).exchange, lost.id);
  EXPECT_EQ(verified_in(origin("2026-2"), std::get<protocol::Accepted>(taken).proof).origin, origin("2026-2"));
  EXPECT_EQ(refusal_in(open("ged.1", lost.id)), "");
  EXPECT_EQ(refusal_in(open("ged.1", standing.id)), "");
  expect_whole();
}

TEST_F(Shards, P8QueueChainsAndNoncesGoOnOverTheShards) {
  const Sealed first = accept({});
  back_up();
  const Sealed lost = accept({});
  roll_back();
  ASSERT_EQ(refusal_in(submit(lost)), "");
  next_shard();
  const Sealed third = accept({});
  const auto body = house.ask("ged.1", protocol::List{"ged/89", {0}, 10});
  const auto& items = std::get<protocol::Items>(body).items;
  ASSERT_EQ(items.size(), 3U);
  audit::QueueHead head = audit::queue_start(department.log(), "ged/89");
  for (const auto& [item, sealed] :
       {std::pair(items[0], &first), std::pair(items[1], &lost), std::pair(items[2], &third)}) {
    EXPECT_EQ(item.exchange, sealed->id);
    EXPECT_TRUE(audit::verify_link(head, item.exchange, item.head));
    head = item.head;
  }
  // A nonce serves once, whichever shard it served in.
  for (const Sealed* used : {&first, &lost}) {
    Sealed other = department.seal({});
    other.address.nonce = used->address.nonce;
    department.commit_and_sign(other);
    EXPECT_EQ(refusal_in(submit(other)), "CONFLICT");
  }
  expect_whole();
}

TEST_F(Shards, P10RefusesEveryOrderButTheOneForThisVeryRollback) {
  accept({});
  back_up();
  accept({});
  put_back();
  const protocol::RollbackOrder wanted = request()->order;
  const auto with = [&](auto change) {
    protocol::RollbackOrder order = wanted;
    change(order);
    return department.sign_order(order);
  };
  EXPECT_EQ(refused(department.sign_order(wanted, 1)), Errc::authentication_failed);
  EXPECT_EQ(refused(Department().sign_order(wanted)), Errc::authentication_failed);
  EXPECT_EQ(refused("pli-order/1\n"), Errc::invalid_input);
  EXPECT_EQ(refused(protocol::to_text(wanted)), Errc::invalid_input);
  EXPECT_EQ(refused(department.sign_order(wanted) + std::string(protocol::order_bytes_max, 'x')), Errc::over_limit);
  EXPECT_EQ(refused(with([](auto& order) { ++order.last.size.value; })), Errc::conflict);
  EXPECT_EQ(refused(with([](auto& order) { order.last.root[0] ^= 1; })), Errc::conflict);
  EXPECT_EQ(refused(with([](auto& order) { --order.restored.size.value; })), Errc::conflict);
  EXPECT_EQ(refused(with([](auto& order) { order.restored.root[0] ^= 1; })), Errc::conflict);
  EXPECT_EQ(refused(with([](auto& order) { order.contract = "csi-58-2026"; })), Errc::conflict);
  EXPECT_EQ(refused(with([](auto& order) {
              order.log = "pli.ailleurs.exemple/pli/58";
              order.closes = order.log + "/2026-1";
              order.opens = order.log + "/2026-2";
            })),
            Errc::conflict);
  EXPECT_EQ(refused(with([&](auto& order) {
              order.closes = origin("2026-2");
              order.opens = origin("2026-3");
            })),
            Errc::conflict);
  // When it was signed is nobody's business but the reader's.
  const auto accepted = accept_order(with([](auto& order) { order.created = order.created + 24h; }));
  ASSERT_TRUE(accepted.has_value()) << accepted.error().detail;
}

TEST_F(Shards, P10AnOrderIsAcceptedOnce) {
  accept({});
  back_up();
  accept({});
  roll_back();
  house.close_core();
  EXPECT_EQ(accept_order(order_note).error().code, Errc::conflict);
  EXPECT_EQ(house.store().shards().size(), 2U);
  // The old copy put back again, once the new shard was published: its checkpoint is of no shard the copy has.
  const std::string published = house.store().checkpoint();
  house.restart();
  put_back();
  last_known = published;
  EXPECT_EQ(refused(order_note), Errc::conflict);
  EXPECT_EQ(request().error().code, Errc::conflict);
}

TEST_F(Shards, P10NothingIsGivenUpWhereNothingIsMissing) {
  accept({});
  last_known = house.core().newest_checkpoint();
  accept({});
  house.close_core();
  EXPECT_EQ(request().error().code, Errc::conflict);
  last_known = house.store().checkpoint();
  EXPECT_EQ(request().error().code, Errc::conflict);
  // Nor on the word of a checkpoint that the log's key did not sign.
  const audit::TreeHead longer{house.store().origin(), {1000}, Digest{1}};
  last_known = audit::sign_checkpoint(longer, crypto::SigningKey::generate());
  EXPECT_EQ(request().error().code, Errc::conflict);
}

TEST_F(Shards, TheFirstLeafNamesTheEndTheOrderAndTheDirectoryInForce) {
  accept({});
  ASSERT_EQ(refusal_in(publish(department.renew("ged.3"))), "");
  back_up();
  const audit::TreeHead restored = head_of(house.core().newest_checkpoint());
  accept({});
  roll_back();
  const JournalLine line = journal().front();
  EXPECT_EQ(line.leaf.type, audit::LeafType::registre);
  EXPECT_EQ(line.text("act"), "init");
  EXPECT_EQ(line.text("directory"), "2");
  const auto opening = protocol::parse_shard_opening(line.leaf.statement.value());
  ASSERT_TRUE(opening.has_value());
  EXPECT_EQ(opening->previous, origin("2026-1"));
  EXPECT_EQ(opening->closed, (protocol::TreeMark{restored.size, restored.root}));
  const audit::TreeHead last = head_of(last_known);
  EXPECT_EQ(opening->lost->last, (protocol::TreeMark{last.size, last.root}));
  EXPECT_EQ(opening->lost->order, protocol::order_digest(audit::parse_note(order_note)->text));
  const audit::DirectoryReference reference{{2}, department.directory()->verified()->digest()};
  EXPECT_EQ(line.leaf.directory, reference);

  // Whoever asks for the directory, or carries the version in force again, is proven it by that leaf.
  const auto page = house.ask("ged.1", protocol::GetDirectory{});
  const audit::Receipt leaf = verified(std::get<protocol::DirectoryPage>(page).leaf);
  EXPECT_EQ(leaf.index.value, 0U);
  EXPECT_EQ(leaf.leaf.directory, reference);
  // A version accepted later has a leaf of its own.
  ASSERT_EQ(refusal_in(publish(department.renew("ged.2"))), "");
  const auto next = house.ask("ged.1", protocol::GetDirectory{});
  EXPECT_GT(std::get<protocol::DirectoryPage>(next).leaf.index.value, 0U);
  house.restart();
  const auto after = house.ask("ged.1", protocol::GetDirectory{});
  EXPECT_EQ(std::get<protocol::DirectoryPage>(after).leaf.index, std::get<protocol::DirectoryPage>(next).leaf.index);
  expect_whole();
}

TEST_F(Shards, AYearIsClosedCompleteWithoutAnOrder) {
  const Sealed old = accept({});
  house.now = new_year;
  house.tick();
  const audit::TreeHead complete = head_of(house.core().newest_checkpoint());
  next_shard();
  EXPECT_EQ(house.store().origin(), origin("2027-1"));
  const auto opening = protocol::parse_shard_opening(journal().front().leaf.statement.value());
  EXPECT_EQ(opening->closed, (protocol::TreeMark{complete.size, complete.root}));
  EXPECT_FALSE(opening->lost.has_value());
  meet(origin("2026-1"), {origin("2026-1"), {}, audit::empty_root()}, origin("2027-1"));
  const auto proven = house.ask("referent.auxerre", protocol::Prove{old.id});
  EXPECT_EQ(verified_in(origin("2026-1"), std::get<protocol::Proven>(proven).proof).size, complete.size);
  // Another in the same year is the next number; a clock behind the year changes nothing about that.
  next_shard();
  EXPECT_EQ(house.store().origin(), origin("2027-2"));
  expect_whole();
}

TEST_F(Shards, P7WhatStandsInAnEndedShardIsProvenUnderItsCosignedEndOnceThereIsOne) {
  const Sealed old = accept({});
  const std::string newest = house.core().newest_checkpoint();
  accept({});
  // Another checkpoint than the newest closes nothing.
  house.close_core();
  const auto short_of_it = broker::open_next_shard(house.store(), house.keys(), house.settings(), newest, house.now);
  ASSERT_FALSE(short_of_it.has_value());
  EXPECT_EQ(short_of_it.error().code, Errc::conflict);
  next_shard();
  accept({});
  const std::string closed = house.store().shards().front().end.closed;
  const auto cosigned = [](const std::string& checkpoint) {
    auto note = audit::parse_note(checkpoint).value();
    note.signatures.push_back(
        audit::cosign(note.text, "witness.example/w1", crypto::SigningKey::from_seed(Bytes(32, 7)), {1700000000}));
    return audit::to_text(note);
  };
  EXPECT_EQ(house.core().confirm_ended(cosigned(newest)).error().code, Errc::conflict) << "not how it ended";
  EXPECT_EQ(house.core().confirm_ended(cosigned(house.core().newest_checkpoint())).error().code, Errc::conflict)
      << "not ended";
  std::string forged = cosigned(closed);
  forged[forged.find(" ", forged.find("\n\n") + 8) + 10] ^= 1;
  EXPECT_EQ(house.core().confirm_ended(forged).error().code, Errc::conflict) << "not the log's";
  EXPECT_EQ(house.store().shards().front().end.closed, closed);
  ASSERT_TRUE(house.core().confirm_ended(cosigned(closed)).has_value());
  for (const bool restarted : {false, true}) {
    if (restarted) house.restart();
    const auto proven = house.ask(old.address.sender, protocol::Prove{old.id, std::nullopt, {}, true});
    EXPECT_EQ(std::get<protocol::Proven>(proven).proof.checkpoint, cosigned(closed));
    verified_in(origin("2026-1"), std::get<protocol::Proven>(proven).proof);
    const auto shown = house.ask("ged.1", protocol::GetShard{origin("2026-1"), {}});
    EXPECT_EQ(std::get<protocol::ShardReply>(shown).closed, cosigned(closed));
  }
  accept({});
  expect_whole();
}

TEST_F(Shards, TwoInARowLeadFromTheOldestToTheCurrentOne) {
  accept({});
  const audit::TreeHead known = head_of(house.core().newest_checkpoint());
  back_up();
  accept({});
  accept({});
  roll_back();
  accept({});
  back_up();
  const audit::TreeHead second = head_of(house.core().newest_checkpoint());
  accept({});
  roll_back();
  next_shard();
  EXPECT_EQ(house.store().origin(), origin("2026-4"));
  meet(origin("2026-1"), known, origin("2026-2"));
  meet(origin("2026-2"), second, origin("2026-3"));
  meet(origin("2026-3"), {origin("2026-3"), {}, audit::empty_root()}, origin("2026-4"));
  expect_whole();
}

TEST_F(Shards, AShardIsToldToEverybodyEnrolledOnceItIsClosed) {
  accept({});
  back_up();
  const audit::TreeHead restored = head_of(house.core().newest_checkpoint());
  accept({});
  const audit::TreeHead beyond = head_of(house.core().newest_checkpoint());
  for (const char* nothing : {"2026-1", "2026-2"})
    EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::GetShard{origin(nothing), {}})), "NOT_FOUND");
  roll_back();
  meet(origin("2026-1"), {origin("2026-1"), {}, audit::empty_root()}, origin("2026-2"));
  meet(origin("2026-1"), restored, origin("2026-2"));
  meet(origin("2026-1"), beyond, origin("2026-2"));
  EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::GetShard{origin("2026-2"), {}})), "NOT_FOUND");
  EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::GetShard{"pli.ailleurs.exemple/pli/58/2026-1", {}})), "NOT_FOUND");
  for (const char* who : {"auditeur", "operateur", "maire.sens"})
    EXPECT_EQ(refusal_in(house.ask(who, protocol::GetShard{origin("2026-1"), {}})), "") << who;
  // Proven under what is published of the new shard, once anything is.
  const std::string published = house.core().newest_checkpoint();
  house.core().published(published);
  accept({});
  const auto reply = house.ask("ged.1", protocol::GetShard{origin("2026-1"), {}});
  EXPECT_EQ(std::get<protocol::ShardReply>(reply).first.checkpoint, published);
  verified_in(origin("2026-2"), std::get<protocol::ShardReply>(reply).first);
}

TEST_F(Shards, HelloProvesNothingFromAnotherShardsSize) {
  for (int i = 0; i < 5; ++i) accept({});
  const audit::TreeHead known = head_of(house.core().newest_checkpoint());
  const auto hello = [&](const std::string& of, TreeSize size) {
    protocol::Hello ask;
    ask.known_size = size;
    ask.known_origin = of;
    return std::get<protocol::HelloReply>(house.ask("ged.1", ask));
  };
  accept({});
  for (const std::string& same : {std::string(), origin("2026-1")}) {
    const auto reply = hello(same, known.size);
    const audit::TreeHead now = head_of(reply.checkpoint);
    EXPECT_TRUE(audit::verify_consistency(known.size, known.root, now.size, now.root, reply.consistency));
  }
  next_shard();
  for (int i = 0; i < 12; ++i) accept({});
  const auto reply = hello(origin("2026-1"), known.size);
  EXPECT_EQ(head_of(reply.checkpoint).origin, origin("2026-2"));
  EXPECT_TRUE(reply.consistency.empty());
}

TEST_F(Shards, AnAuditorReadsAndProvesTheLeavesOfEveryShardAndNoneBeyond) {
  accept({});
  back_up();
  const TreeSize restored = house.store().tree_size();
  accept({});
  roll_back();
  const auto records = [&](const std::string& shard, std::uint64_t from) {
    return house.ask("auditeur", protocol::GetRecords{{from}, 64, shard});
  };
  const auto old = records(origin("2026-1"), 0);
  ASSERT_EQ(refusal_in(old), "");
  EXPECT_EQ(std::get<protocol::Records>(old).size, restored);
  EXPECT_EQ(std::get<protocol::Records>(old).items.size(), restored.value);
  JournalLine line = last_line();
  EXPECT_EQ(line.text("shard"), origin("2026-1"));
  EXPECT_EQ(line.text("range"), "0," + std::to_string(restored.value));
  EXPECT_TRUE(std::get<protocol::Records>(records(origin("2026-1"), restored.value)).items.empty());
  EXPECT_EQ(refusal_in(records(origin("2026-9"), 0)), "NOT_FOUND");
  const auto now = records({}, 0);
  EXPECT_EQ(audit::decode_leaf(std::get<protocol::Records>(now).items.front().leaf)->type, audit::LeafType::registre);
  line = last_line();
  EXPECT_EQ(line.text("shard"), "");

  const auto prove = [&](const char* who, std::uint64_t leaf, const std::string& shard) {
    protocol::Prove ask;
    ask.leaf = LeafIndex{leaf};
    ask.shard = shard;
    return house.ask(who, ask);
  };
  for (std::uint64_t leaf = 0; leaf < restored.value; ++leaf) {
    const auto proven = prove("auditeur", leaf, origin("2026-1"));
    ASSERT_EQ(refusal_in(proven), "");
    EXPECT_EQ(std::get<protocol::Proven>(proven).proof.index.value, leaf);
    EXPECT_EQ(verified_in(origin("2026-1"), std::get<protocol::Proven>(proven).proof).size, restored);
  }
  EXPECT_EQ(last_line().text("shard"), origin("2026-1"));
  verified_in(origin("2026-2"), std::get<protocol::Proven>(prove("auditeur", 0, {})).proof);
  // Beyond what stands there is nothing, nor does an index reach into the next shard.
  EXPECT_EQ(refusal_in(prove("auditeur", restored.value, origin("2026-1"))), "NOT_FOUND");
  EXPECT_EQ(refusal_in(prove("auditeur", std::uint64_t{1} << 44U, origin("2026-1"))), "NOT_FOUND");
  EXPECT_EQ(refusal_in(prove("auditeur", 0, origin("2026-9"))), "NOT_FOUND");
  EXPECT_EQ(refusal_in(prove("ged.1", 0, {})), "FORBIDDEN(defaut)");
  expect_whole();
}

TEST_F(Shards, WhatWasGrantedOrSuspendedBeforeStandsAfter) {
  const Sealed report = accept({});
  const broker::VerifiedOpen asked = department.open("ged.1", report.id, house.now);
  const auto granted = house.ask("ged.1", department.open_again(asked));
  ASSERT_EQ(refusal_in(granted), "");
  const protocol::Suspension suspension{department.directory()->verified()->head().contract, "ged.3", {1}, house.now};
  const broker::VerifiedSuspension note{department.sign_suspension(suspension, 0)};
  const auto carried = house.ask("operateur", note);
  ASSERT_EQ(refusal_in(carried), "");
  next_shard();
  const auto again = house.ask("ged.1", department.open_again(asked));
  ASSERT_EQ(refusal_in(again), "");
  EXPECT_EQ(std::get<protocol::Opened>(again).proof.index, std::get<protocol::Opened>(granted).proof.index);
  verified_in(origin("2026-1"), std::get<protocol::Opened>(again).proof);
  EXPECT_EQ(refusal_in(open("ged.3", report.id)), "REVOKED(suspension)");
  const auto recarried = house.ask("operateur", note);
  EXPECT_EQ(std::get<protocol::Published>(recarried).proof.index, std::get<protocol::Published>(carried).proof.index);
  verified_in(origin("2026-1"), std::get<protocol::Published>(recarried).proof);
  // The spent openings of both shards go.
  EXPECT_EQ(refusal_in(open("ged.2", report.id)), "");
  house.now = house.now + protocol::opening_replay_window + 1ms;
  house.tick();
  EXPECT_EQ(query_number(house.database(), "SELECT count(*) FROM opening"), 0);
  expect_whole();
}

TEST_F(Shards, ALeaseFileNewerThanTheCopyThatWasPutBackOpensIt) {
  const Sealed report = accept({});
  accept({});
  back_up();
  accept({});
  // Four weekly leases later every R of the newest database stands under the newest one; the copy's lease is still
  // there.
  for (int week = 0; week < 4; ++week) {
    house.now = house.now + protocol::lease_period;
    house.tick();
  }
  roll_back();
  EXPECT_EQ(refusal_in(open("ged.1", report.id)), "");
  house.tick();
  expect_whole();
}

TEST_F(Shards, ACopyOlderThanEveryLeaseStartsAndOpensNothing) {
  const Sealed report = accept({});
  accept({});
  back_up();
  accept({});
  for (int week = 0; week < 7; ++week) {
    house.now = house.now + protocol::lease_period;
    house.tick();
  }
  roll_back();
  EXPECT_EQ(house.store().origin(), origin("2026-2"));
  ASSERT_EQ(refusal_in(publish(department.renew_term(house.now + 24h * 20))), "");
  EXPECT_EQ(refusal_in(open("ged.1", report.id)), "ERASED(cle)");
}

/// Each write and each sync of the acceptance fails in turn, leaving what was written before or not: after a start it
/// is the old shard, refused as before, or the new one, whole.
TEST(ShardCrash, P10LeavesTheOldShardOrTheNewOneWhole) {
  std::size_t old_ones = 0;
  std::size_t new_ones = 0;
  for (const bool written_anyway : {false, true}) {
    for (std::uint64_t at = 0;; ++at) {
      SCOPED_TRACE("write " + std::to_string(at) + (written_anyway ? ", done all the same" : ""));
      FaultyDisk disk;
      broker::StoreOptions options;
      options.vfs = disk.name();
      options.background_writeback = false;
      const Department department;
      BrokerHouse house(department, options);
      Draft draft;
      draft.openable = false;
      ASSERT_EQ(refusal_in(house.ask(draft.sender, department.seal(draft).verified())), "");
      house.close();
      const DiskImage copy = disk.image();
      house.restart();
      ASSERT_EQ(refusal_in(house.ask(draft.sender, department.seal(draft).verified())), "");
      const std::string last_known = house.core().newest_checkpoint();
      house.close();
      disk.put(copy);
      house.restart();
      house.close_core();
      const auto request =
          broker::rollback_request(house.store(), house.keys(), house.settings(), last_known, house.now);
      ASSERT_TRUE(request.has_value());
      const broker::Rollback rollback{last_known, department.sign_order(request->order)};
      const TreeSize restored = house.store().tree_size();

      disk.fail({.at = at, .done_anyway = written_anyway, .lasting = true});
      const auto accepted = broker::accept_rollback(house.store(), house.keys(), house.settings(), rollback, house.now);
      const bool reached = disk.failed();
      disk.heal();
      EXPECT_EQ(accepted.has_value(), !reached);
      house.restart();
      const bool opened = house.store().shards().size() == 2;
      if (opened) {
        ++new_ones;
        EXPECT_EQ(house.store().origin(), department.log() + "/2026-2");
        EXPECT_EQ(house.store().tree_size().value, 1U);
        EXPECT_EQ(house.store().shards().front().end.order, rollback.order);
      } else {
        ++old_ones;
        EXPECT_EQ(house.store().origin(), department.origin());
        EXPECT_EQ(house.store().tree_size(), restored);
        house.close_core();
        const auto again = broker::accept_rollback(house.store(), house.keys(), house.settings(), rollback, house.now);
        EXPECT_TRUE(again.has_value()) << "the order is still good";
        house.restart();
      }
      broker::CheckOptions check;
      check.log = department.log();
      check.vfs = disk.name();
      const auto report = broker::check_store(house.database(), house.keys(), check);
      ASSERT_TRUE(report.has_value());
      for (const broker::StoreProblem& problem : report->problems)
        ADD_FAILURE() << problem.name << " " << problem.where;
      if (!reached) break;
    }
  }
  EXPECT_GT(old_ones, 3U);
  EXPECT_GT(new_ones, 1U);
}

}  // namespace
}  // namespace pli::testing
