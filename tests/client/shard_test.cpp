// The client across shards (design §8 "Shards", P8, P10): a year's end, a rollback by order, and everything that is
// neither.
#include <algorithm>
#include <map>

#include "audit/cosignature.hpp"
#include "base/file.hpp"
#include "tests/client/sitting.hpp"

namespace pli::testing {
namespace {

class ShardTest : public Sitting {
 protected:
  Outcome<std::vector<client::InboxItem>> refresh(Desk& desk) { return client::Inbox(*desk.session).refresh("ged/89"); }
  protocol::ExchangeId send(Desk& desk) { return send_report(desk, report()); }
  /// `backup` is brought back in place of broker_, by order of so many authorities.
  void restore(MemoryBroker& backup, std::size_t signers = 2, const std::string& next = "2026-2") {
    const std::string lost = broker_.checkpoint();
    const std::string order = world_.sign_order(backup.order_over(lost, next), signers);
    backup.roll_back(lost, order, next);
    shown_ = &backup;
  }
  static std::string evidence_text(const Failure& failure) {
    auto bytes = read_file(failure.evidence, 1 << 20);
    return bytes ? std::string(as_text(*bytes)) : std::string();
  }
  static std::vector<std::string> alarm_codes(const Desk& desk) {
    std::vector<std::string> codes;
    const auto standing = client::alarms(desk.profile);
    for (const Failure& alarm : standing.value()) codes.push_back(client::code_text(alarm));
    return codes;
  }
  std::vector<client::OutboxItem> outbox(const Desk& desk) const {
    auto items = client::Outbox(desk.profile, clock_).list();
    return items ? std::move(*items) : std::vector<client::OutboxItem>();
  }
  static std::vector<client::InboxItem> received(const Desk& desk) {
    auto items = client::received(desk.profile, "ged/89");
    return items ? std::move(*items) : std::vector<client::InboxItem>();
  }
};

// ---- a year's end ------------------------------------------------------------------------------------------------

TEST_F(ShardTest, AYearsEndIsPassedWithoutAnAlarm) {
  auto desk = connected("ged.un");
  auto sender = connected("r.bellerive");
  const auto before = send(*sender);
  broker_.add_noise_leaf();  // not seen before the end
  broker_.end_shard("2027-1");
  broker_.add_noise_leaf();
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_EQ(desk->session->log().last()->note(), broker_.checkpoint());
  ASSERT_EQ(desk->session->shards_passed().size(), 1U);
  EXPECT_EQ(desk->session->shards_passed()[0].opened, world_.log + "/2027-1");
  EXPECT_FALSE(desk->session->shards_passed()[0].rolled_back);
  EXPECT_TRUE(alarm_codes(*desk).empty());
  auto items = refresh(*desk);
  ASSERT_TRUE(items.has_value()) << why(items);
  EXPECT_EQ(items->at(0).exchange, before);
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_TRUE(desk->session->shards_passed().empty()) << "told once";
  ASSERT_TRUE(connect(*sender).has_value());
  EXPECT_EQ(outbox(*sender).at(0).state, client::OutboxState::receipted);
  static_cast<void>(send(*sender));
  EXPECT_EQ(refresh(*desk)->size(), 2U) << "the chain of the queue goes on";
}

TEST_F(ShardTest, WhoWasAwayForYearsPassesEveryShard) {
  auto desk = connected("ged.un");
  for (const char* next : {"2027-1", "2028-1", "2029-1"}) {
    broker_.add_noise_leaf();
    broker_.end_shard(next);
  }
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_EQ(desk->session->shards_passed().size(), 3U);
  EXPECT_EQ(desk->session->log().last()->head().origin, world_.log + "/2029-1");
}

TEST_F(ShardTest, SoManyShardsArePassedAtOneTimeAndTheRestAtTheNext) {
  auto at = connected("ged.un");
  auto above = connected("ged.deux");
  const auto end = [&](std::size_t year) { broker_.end_shard(std::to_string(2027 + year) + "-1"); };
  for (std::size_t year = 0; year < client::shards_passed_max; ++year) end(year);
  ASSERT_TRUE(connect(*at).has_value());
  EXPECT_EQ(at->session->shards_passed().size(), client::shards_passed_max);
  end(client::shards_passed_max);
  EXPECT_FAILS_WITH(connect(*above), LocalCode::unreachable);
  ASSERT_TRUE(connect(*above).has_value());
  EXPECT_EQ(above->session->log().last()->note(), broker_.checkpoint());
  EXPECT_TRUE(alarm_codes(*above).empty());
}

TEST_F(ShardTest, AShardThatEndsWhileSomebodySitsIsPassedAtTheNextLook) {
  auto desk = connected("ged.un");
  broker_.end_shard("2027-1");
  auto view = client::Inbox(*desk->session).look();
  ASSERT_TRUE(view.has_value()) << why(view);
  EXPECT_TRUE(view->alarms.empty());
  EXPECT_EQ(desk->session->log().last()->head().origin, world_.log + "/2027-1");
}

TEST_F(ShardTest, WhatASenderSawOfAShardSinceEndedIsComparedWithItsEnd) {
  auto sender = connected("r.bellerive");
  const auto id = send(*sender);  // seals the sender's checkpoint of the shard inside
  broker_.end_shard("2027-1");
  auto reader = connected("ged.un");
  ASSERT_TRUE(refresh(*reader).has_value());
  auto opened = client::open_exchange(*reader->session, id, {});
  ASSERT_TRUE(opened.has_value()) << why(opened);
  EXPECT_FALSE(opened->gossip_alarm.has_value());
  ASSERT_TRUE(reader->session->check_log().has_value());
  EXPECT_TRUE(reader->profile.store().foreign_checkpoints()->empty());
}

TEST_F(ShardTest, P7FindsAForkInAShardSinceEnded) {
  auto desk = connected("ged.un");
  MemoryBroker forked = broker_;
  forked.add_noise_leaf();
  forked.add_noise_leaf();
  broker_.add_noise_leaf();
  broker_.add_noise_leaf();
  broker_.add_noise_leaf();
  broker_.end_shard("2027-1");
  ASSERT_TRUE(connect(*desk).has_value());
  ASSERT_TRUE(desk->session->log().note_foreign(forked.checkpoint(), clock_.now()).has_value());
  EXPECT_FAILS_WITH(desk->session->check_log(), LocalCode::log_forked);
  EXPECT_TRUE(desk->profile.store().foreign_checkpoints()->empty()) << "it is evidence now";
}

TEST_F(ShardTest, ALaterShardThatTheLogNeverShowsIsAFork) {
  auto desk = connected("ged.un");
  MemoryBroker ahead = broker_;
  ahead.end_shard("2027-1");
  ASSERT_TRUE(desk->session->log().note_foreign(ahead.checkpoint(), clock_.now()).has_value());
  EXPECT_TRUE(desk->session->check_log().has_value()) << "who showed it may only have been first";
  clock_.advance(client::foreign_grace + std::chrono::seconds(1));
  EXPECT_FAILS_WITH(desk->session->check_log(), LocalCode::log_forked);
}

// ---- a rollback by order -----------------------------------------------------------------------------------------

TEST_F(ShardTest, P10AnOrderedRollbackIsAnAlarmWithItsProofsAndNoMore) {
  auto desk = connected("ged.un");
  MemoryBroker backup = broker_;
  broker_.add_noise_leaf();
  ASSERT_TRUE(connect(*desk).has_value());
  const std::string known = desk->session->log().last()->note();
  broker_.add_noise_leaf();
  restore(backup);
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_EQ(desk->session->log().last()->note(), backup.checkpoint());
  EXPECT_EQ(alarm_codes(*desk), std::vector<std::string>{"log_rolled_back"});
  const std::string text = evidence_text(client::alarms(desk->profile)->front());
  for (const std::string& part : {known, broker_.checkpoint(), std::string("pli-order/1"), world_.log + "/2026-2"})
    EXPECT_NE(text.find(part), std::string::npos) << part;
  ASSERT_TRUE(connect(*desk).has_value()) << "passed once";
  auto view = client::Inbox(*desk->session).look();
  ASSERT_TRUE(view.has_value()) << why(view);
  EXPECT_EQ(view->alarms.size(), 1U) << "until acknowledged";
  ASSERT_TRUE(client::acknowledge_alarms(desk->profile).has_value());
  EXPECT_TRUE(client::Inbox(*desk->session).look()->alarms.empty());
}

TEST_F(ShardTest, P10WhoeverSawNothingOfWhatWasLostPassesAllTheSame) {
  auto desk = connected("ged.un");
  broker_.add_noise_leaf();
  MemoryBroker backup = broker_;
  broker_.add_noise_leaf();
  restore(backup);
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_EQ(alarm_codes(*desk), std::vector<std::string>{"log_rolled_back"});
}

TEST_F(ShardTest, P10EveryRollbackThatIsNotOrderedAsItHappenedIsAFork) {
  using Lie = std::function<void(MemoryBroker & backup, protocol::ShardReply & reply)>;
  const std::vector<std::pair<const char*, Lie>> lies = {
      {"no order", [](MemoryBroker&, protocol::ShardReply& reply) { reply.order.clear(); }},
      {"nothing lost",
       [](MemoryBroker&, protocol::ShardReply& reply) {
         reply.order.clear();
         reply.last_known.clear();
       }},
      {"too few signatures",
       [&](MemoryBroker&, protocol::ShardReply& reply) {
         const auto order = protocol::parse_rollback_order(audit::parse_note(reply.order)->text);
         reply.order = world_.sign_order(*order, 1);
       }},
      {"an order of another rollback",
       [&](MemoryBroker&, protocol::ShardReply& reply) {
         auto order = protocol::parse_rollback_order(audit::parse_note(reply.order)->text);
         order->last.size.value += 1;
         reply.order = world_.sign_order(*order);
       }},
      {"a last checkpoint nobody signed",
       [](MemoryBroker&, protocol::ShardReply& reply) { reply.last_known[reply.last_known.size() - 9] ^= 1; }},
      {"a closing checkpoint of another tree",
       [&](MemoryBroker&, protocol::ShardReply& reply) {
         const TreeSize size = audit::parse_tree_head(audit::parse_note(reply.closed)->text)->size;
         reply.closed = audit::sign_checkpoint({world_.log + "/2026-1", size, Digest{7}}, world_.log_key);
       }},
      {"a closing checkpoint of another shard",
       [&](MemoryBroker&, protocol::ShardReply& reply) { reply.closed = shown_->checkpoint(); }},
      {"another leaf than the first",
       [](MemoryBroker& backup, protocol::ShardReply& reply) {
         backup.add_noise_leaf();
         reply.first = backup.prove(LeafIndex{1}, {"act"});
       }},
      {"a first leaf that is not proven",
       [](MemoryBroker&, protocol::ShardReply& reply) { reply.first.checkpoint[3] ^= 1; }},
      {"no consistency", [](MemoryBroker&, protocol::ShardReply& reply) { reply.consistency.clear(); }},
  };
  for (const auto& [name, lie] : lies) {
    MemoryBroker whole = broker_;
    auto desk = connected("ged.un");
    whole.add_noise_leaf();
    whole.add_noise_leaf();
    MemoryBroker backup = whole;
    whole.add_noise_leaf();
    const std::string lost = whole.checkpoint();
    backup.roll_back(lost, world_.sign_order(backup.order_over(lost, "2026-2")), "2026-2");
    shown_ = &backup;
    backup.bend = [&, lie = lie](const protocol::Request&, protocol::ReplyBody& reply) {
      if (auto* shard = std::get_if<protocol::ShardReply>(&reply)) lie(backup, *shard);
    };
    auto refused = connect(*desk);
    EXPECT_FAILS_WITH(refused, LocalCode::log_forked) << name;
    EXPECT_TRUE(std::filesystem::exists(refused.error().evidence)) << name;
    backup.bend = {};
    EXPECT_TRUE(connect(*desk).has_value()) << name << ": nothing of the lie was kept";
    shown_ = &broker_;
  }
}

TEST_F(ShardTest, P10ACheckpointBeyondWhatTheOrderGivesUpIsAFork) {
  auto desk = connected("ged.un");
  MemoryBroker backup = broker_;
  broker_.add_noise_leaf();
  const std::string named = broker_.checkpoint();  // what the broker claims was its last
  broker_.add_noise_leaf();
  ASSERT_TRUE(connect(*desk).has_value());
  backup.roll_back(named, world_.sign_order(backup.order_over(named, "2026-2")), "2026-2");
  shown_ = &backup;
  EXPECT_FAILS_WITH(connect(*desk), LocalCode::log_forked);
}

TEST_F(ShardTest, P10AnotherTreeOfTheLastSizeIsAFork) {
  auto desk = connected("ged.un");
  MemoryBroker backup = broker_;
  MemoryBroker other = broker_;
  broker_.add_noise_leaf();
  other.add_noise_leaf();
  ASSERT_TRUE(connect(*desk).has_value());
  const std::string named = other.checkpoint();
  backup.roll_back(named, world_.sign_order(backup.order_over(named, "2026-2")), "2026-2");
  shown_ = &backup;
  EXPECT_FAILS_WITH(connect(*desk), LocalCode::log_forked);
}

TEST_F(ShardTest, P10AnotherShardOfWhichNoEndIsShownIsAFork) {
  auto desk = connected("ged.un");
  broker_.end_shard("2027-1");
  broker_.instead = [](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    if (std::holds_alternative<protocol::GetShard>(request.body)) return protocol::Refusal{Code::not_found, {}, 0};
    return std::nullopt;
  };
  EXPECT_FAILS_WITH(connect(*desk), LocalCode::log_forked);
  broker_.instead = [](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    if (std::holds_alternative<protocol::GetShard>(request.body)) return protocol::Refusal{Code::busy, {}, 1};
    return std::nullopt;
  };
  EXPECT_FAILS_WITH(connect(*desk), Code::busy);
}

TEST_F(ShardTest, P10AShardBeforeOursIsAFork) {
  auto desk = connected("ged.un");
  MemoryBroker yesterday = broker_;
  broker_.end_shard("2027-1");
  ASSERT_TRUE(connect(*desk).has_value());
  shown_ = &yesterday;
  EXPECT_FAILS_WITH(connect(*desk), LocalCode::log_forked);
}

// ---- what is sent again ------------------------------------------------------------------------------------------

TEST_F(ShardTest, P8NothingReceiptedIsLostForGood) {
  const std::vector<std::string> senders = {"r.bellerive", "m.bellerive", "r.clairval"};
  std::map<std::string, std::unique_ptr<Desk>> desks;
  std::vector<protocol::ExchangeId> sent;
  for (const std::string& who : senders) desks[who] = connected(who);
  auto reader = connected("ged.un");
  auto late = connected("ged.deux");
  for (int round = 0; round < 2; ++round)
    for (const std::string& who : senders) sent.push_back(send(*desks[who]));
  auto seen = refresh(*reader);
  ASSERT_TRUE(seen.has_value() && client::Inbox(*reader->session).handed_over(*seen).has_value());

  MemoryBroker backup = broker_;
  for (int round = 0; round < 3; ++round)
    for (const std::string& who : senders) sent.push_back(send(*desks[who]));
  // Some of what will be lost has been read and dealt with.
  seen = refresh(*reader);
  ASSERT_TRUE(seen.has_value()) << why(seen);
  ASSERT_EQ(seen->size(), 9U);
  seen->resize(5);
  ASSERT_TRUE(client::Inbox(*reader->session).handed_over(*seen).has_value());
  std::map<protocol::ExchangeId, std::string> receipts;
  for (const std::string& who : senders)
    for (const client::OutboxItem& item : outbox(*desks[who]))
      receipts[*item.exchange] = std::string(as_text(*read_file(item.receipt, 1 << 20)));
  restore(backup);

  // Everybody comes back, in another order than before.
  for (auto who = senders.rbegin(); who != senders.rend(); ++who) {
    Desk& desk = *desks[*who];
    ASSERT_TRUE(connect(desk).has_value());
    auto flushed = client::Outbox(desk.profile, clock_).flush(*desk.session);
    ASSERT_TRUE(flushed.has_value()) << why(flushed);
    EXPECT_FALSE(flushed->stopped) << why(*flushed->stopped);
    EXPECT_EQ(flushed->done.size(), 3U) << "what stands is not sent again";
    for (const client::OutboxItem& item : outbox(desk)) {
      EXPECT_EQ(item.state, client::OutboxState::receipted);
      auto receipt = client::verify_receipt_file(item.receipt, world_.log, world_.log_key.public_key());
      ASSERT_TRUE(receipt.has_value()) << why(receipt);
      EXPECT_EQ(receipt->exchange, item.exchange) << "the same bytes, the same id";
      const auto old = client::receipt_path_in(desk.profile, *item.exchange, world_.log + "/2026-1");
      const bool again = receipt->origin == world_.log + "/2026-2";
      EXPECT_EQ(std::filesystem::exists(old), again);
      if (!again) continue;
      EXPECT_EQ(as_text(*read_file(old, 1 << 20)), receipts[*item.exchange]);
      EXPECT_TRUE(client::verify_receipt_file(old, world_.log, world_.log_key.public_key()).has_value());
    }
  }
  ASSERT_EQ(sent.size(), 15U);
  EXPECT_EQ(backup.exchange_count(), sent.size());
  for (const protocol::ExchangeId& id : sent) EXPECT_EQ(backup.accepted(id), 1U) << to_hex(id);

  // Who read some of it before is handed each of the others once, and none of those again.
  ASSERT_TRUE(connect(*reader).has_value());
  auto view = client::Inbox(*reader->session).look();
  ASSERT_TRUE(view.has_value()) << why(view);
  EXPECT_EQ(alarm_codes(*reader), std::vector<std::string>{"log_rolled_back"}) << "and none of the queue";
  ASSERT_TRUE(client::acknowledge_alarms(reader->profile).has_value());
  auto items = refresh(*reader);
  ASSERT_TRUE(items.has_value()) << why(items);
  EXPECT_EQ(items->size(), 4U);
  for (const client::InboxItem& item : *items)
    for (const client::InboxItem& had : *seen) EXPECT_NE(item.exchange, had.exchange);
  for (Desk* desk : {reader.get(), late.get()}) {
    ASSERT_TRUE(connect(*desk).has_value());
    ASSERT_TRUE(client::Inbox(*desk->session).look().has_value());
    std::vector<protocol::ExchangeId> all;
    for (const client::InboxItem& item : received(*desk)) {
      EXPECT_FALSE(item.superseded) << "it has come again";
      all.push_back(item.exchange);
    }
    std::sort(all.begin(), all.end());
    std::vector<protocol::ExchangeId> expected = sent;
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(all, expected) << desk->member;
  }
}

TEST_F(ShardTest, P8AReceiptOfTheLostTailThatWasNeverComparedIsSentAgain) {
  auto desk = connected("r.bellerive");
  MemoryBroker backup = broker_;
  desk->connection->lose_after(2);  // the receipt comes, the comparison does not
  client::Outbox outbox(desk->profile, clock_);
  auto item = outbox.put(client::draft_of(report(), "ged/89"), desk->keys);
  ASSERT_TRUE(item.has_value());
  ASSERT_TRUE(outbox.flush(*desk->session).has_value());
  ASSERT_EQ((*outbox.find(item->id))->state, client::OutboxState::receipted);
  restore(backup);
  ASSERT_TRUE(connect(*desk).has_value());
  auto flushed = outbox.flush(*desk->session);
  ASSERT_TRUE(flushed.has_value() && !flushed->stopped);
  EXPECT_EQ((*outbox.find(item->id))->state, client::OutboxState::receipted);
  EXPECT_EQ(backup.accepted(*(*outbox.find(item->id))->exchange), 1U);
  EXPECT_EQ(alarm_codes(*desk), std::vector<std::string>{"log_rolled_back"});
}

TEST_F(ShardTest, P10AReceiptOfTheLastSecondBeforeTheLossAccusesNobody) {
  auto desk = connected("r.bellerive");
  MemoryBroker backup = broker_;
  broker_.add_noise_leaf();
  const std::string outside = broker_.checkpoint();  // the last the broker wrote down
  desk->connection->lose_after(2);
  client::Outbox outbox(desk->profile, clock_);
  auto item = outbox.put(client::draft_of(report(), "ged/89"), desk->keys);
  ASSERT_TRUE(item.has_value());
  ASSERT_TRUE(outbox.flush(*desk->session).has_value());
  ASSERT_EQ((*outbox.find(item->id))->state, client::OutboxState::receipted);
  backup.roll_back(outside, world_.sign_order(backup.order_over(outside, "2026-2")), "2026-2");
  shown_ = &backup;
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_EQ(alarm_codes(*desk), std::vector<std::string>{"log_rolled_back"});
  auto flushed = outbox.flush(*desk->session);
  ASSERT_TRUE(flushed.has_value() && !flushed->stopped);
  EXPECT_EQ((*outbox.find(item->id))->state, client::OutboxState::receipted);
  EXPECT_EQ(backup.accepted(*(*outbox.find(item->id))->exchange), 1U);
}

TEST_F(ShardTest, P10APublishedCheckpointBeyondWhatTheOrderNamesIsAFork) {
  auto desk = connected("ged.un");
  MemoryBroker backup = broker_;
  broker_.add_noise_leaf();
  const std::string named = broker_.checkpoint();
  broker_.add_noise_leaf();
  audit::Note beyond = *audit::parse_note(broker_.checkpoint());
  beyond.signatures.push_back(
      audit::cosign(beyond.text, "temoin.exemple/1", crypto::SigningKey::generate(), audit::to_seconds(clock_.now())));
  backup.roll_back(named, world_.sign_order(backup.order_over(named, "2026-2")), "2026-2");
  shown_ = &backup;
  ASSERT_TRUE(connect(*desk).has_value());
  ASSERT_TRUE(desk->session->log().note_foreign(audit::to_text(beyond), clock_.now()).has_value());
  EXPECT_FAILS_WITH(desk->session->check_log(), LocalCode::log_forked);
}

// ---- what depends on what was lost --------------------------------------------------------------------------------

class DependenceTest : public ShardTest {
 protected:
  client::Draft decision(const protocol::ExchangeId& case_id) const {
    client::Draft draft =
        client::draft_of(*protocol::Form::decision(protocol::decision_outcomes().front(), "Vu en séance."), "ged/89");
    draft.case_id = case_id;
    draft.in_reply_to = case_id;
    return draft;
  }
  client::OutboxItem send(Desk& desk, const client::Draft& draft) {
    client::Outbox outbox(desk.profile, clock_);
    auto item = outbox.put(draft, desk.keys);
    EXPECT_TRUE(item.has_value()) << why(item);
    EXPECT_FALSE(flush(desk).stopped);
    return find(desk, item->id);
  }
  client::FlushReport flush(Desk& desk) {
    auto report = client::Outbox(desk.profile, clock_).flush(*desk.session);
    EXPECT_TRUE(report.has_value()) << why(report);
    return report ? std::move(*report) : client::FlushReport{};
  }
  client::OutboxItem find(Desk& desk, std::int64_t id) const {
    auto found = client::Outbox(desk.profile, clock_).find(id);
    EXPECT_TRUE(found.has_value() && *found);
    return **found;
  }
};

TEST_F(DependenceTest, P8WhatNamesACaseThatIsStillLostWaitsForItAndGoesByItself) {
  auto author = connected("r.bellerive");
  auto member = connected("ged.un");
  MemoryBroker backup = broker_;
  const auto report = ShardTest::send(*author);
  ASSERT_TRUE(refresh(*member).has_value());
  const auto decided = send(*member, decision(report));
  ASSERT_EQ(decided.state, client::OutboxState::receipted);
  restore(backup);

  ASSERT_TRUE(connect(*member).has_value());
  for (int round = 0; round < 2; ++round) {
    const auto flushed = flush(*member);
    ASSERT_FALSE(flushed.stopped);
    ASSERT_EQ(flushed.done.size(), 1U);
    EXPECT_TRUE(client::is(*flushed.done[0].failure, LocalCode::awaits_case)) << why(*flushed.done[0].failure);
    EXPECT_EQ(find(*member, decided.id).state, client::OutboxState::sealed);
    EXPECT_TRUE(client::awaits_case(find(*member, decided.id)));
  }
  EXPECT_EQ(backup.submits, 0U) << "the list of cases tells it without a refusal, which would be recorded";

  ASSERT_TRUE(connect(*author).has_value());
  ASSERT_FALSE(flush(*author).stopped);
  ASSERT_TRUE(client::Inbox(*member->session).look().has_value());
  EXPECT_EQ(find(*member, decided.id).state, client::OutboxState::receipted) << "nobody had to ask for it";
  EXPECT_EQ(backup.accepted(*decided.exchange), 1U);
}

TEST_F(DependenceTest, P8AStepThatIsNotPossibleYetWaitsAndOneThatNeverWillBeIsRefused) {
  auto author = connected("r.bellerive");
  auto member = connected("ged.un");
  const auto report = ShardTest::send(*author);
  MemoryBroker backup = broker_;
  ASSERT_TRUE(refresh(*member).has_value());
  const auto decided = send(*member, decision(report));
  restore(backup);
  ASSERT_TRUE(connect(*member).has_value());
  std::string step = "recu,decide";  // whoever had opened it has to open it again
  backup.refuse_submit = [&](const protocol::Address&) { return protocol::Refusal{Code::illegal_transition, step, 0}; };
  ASSERT_FALSE(flush(*member).stopped);
  EXPECT_TRUE(client::awaits_case(find(*member, decided.id)));
  step = "decide,decide";  // somebody else has decided meanwhile
  ASSERT_FALSE(flush(*member).stopped);
  EXPECT_EQ(find(*member, decided.id).state, client::OutboxState::refused);
}

TEST_F(DependenceTest, WhatWasNeverReceiptedIsRefusedAtOnce) {
  auto author = connected("r.bellerive");
  auto member = connected("ged.un");
  const auto report = ShardTest::send(*author);
  broker_.refuse_submit = [](const protocol::Address&) {
    return protocol::Refusal{Code::illegal_transition, "recu,decide", 0};
  };
  EXPECT_EQ(send(*member, decision(report)).state, client::OutboxState::refused);
  auto other = connected("ged.deux");
  EXPECT_EQ(send(*other, decision(Digest{7})).last_refusal->code, Code::not_found);
  EXPECT_EQ(broker_.case_lists, 0U);
}

TEST_F(DependenceTest, AsksSoOftenInOneFlushAndForTheRestAtTheNext) {
  auto author = connected("r.bellerive");
  auto member = connected("ged.un");
  std::vector<protocol::ExchangeId> reports;
  for (std::size_t i = 0; i <= client::awaiting_refused_max; ++i) reports.push_back(ShardTest::send(*author));
  MemoryBroker backup = broker_;
  std::vector<client::OutboxItem> decided;
  for (const auto& report : reports) decided.push_back(send(*member, decision(report)));
  restore(backup);
  ASSERT_TRUE(connect(*member).has_value());
  const std::size_t before = backup.submits;
  backup.refuse_submit = [](const protocol::Address&) {
    return protocol::Refusal{Code::illegal_transition, "recu,decide", 0};
  };
  EXPECT_EQ(flush(*member).done.size(), reports.size());
  EXPECT_EQ(backup.submits - before, client::awaiting_refused_max) << "one more was not asked for";
  for (const auto& item : decided) EXPECT_NE(find(*member, item.id).state, client::OutboxState::refused);
  EXPECT_FALSE(client::awaits_case(find(*member, decided.back().id)));
  // As many as may be are all asked for.
  ASSERT_TRUE(client::Outbox(member->profile, clock_).discard(decided.front().id).has_value());
  EXPECT_EQ(flush(*member).done.size(), client::awaiting_refused_max);
  EXPECT_EQ(backup.submits - before, 2 * client::awaiting_refused_max);
  EXPECT_TRUE(client::awaits_case(find(*member, decided.back().id)));
  decided.erase(decided.begin());
  backup.refuse_submit = {};
  ASSERT_FALSE(flush(*member).stopped);
  for (const auto& item : decided) EXPECT_EQ(find(*member, item.id).state, client::OutboxState::receipted);
}

TEST_F(DependenceTest, WhatWaitsForACaseCanBeDiscarded) {
  auto author = connected("r.bellerive");
  auto member = connected("ged.un");
  MemoryBroker backup = broker_;
  const auto report = ShardTest::send(*author);
  const auto decided = send(*member, decision(report));
  client::Outbox outbox(member->profile, clock_);
  EXPECT_FAILS_WITH(outbox.discard(decided.id), LocalCode::usage);
  restore(backup);
  ASSERT_TRUE(connect(*member).has_value());
  ASSERT_FALSE(flush(*member).stopped);
  EXPECT_TRUE(outbox.discard(decided.id).has_value());
  EXPECT_TRUE(outbox.list()->empty());
}

// ---- queues ------------------------------------------------------------------------------------------------------

TEST_F(ShardTest, P8LostPlacesAreKeptApartUntilTheirExchangesComeAgain) {
  auto desk = connected("ged.un");
  auto sender = connected("r.bellerive");
  const auto stands = send(*sender);
  MemoryBroker backup = broker_;
  const auto lost = send(*sender);
  ASSERT_TRUE(refresh(*desk).has_value());
  restore(backup);
  ASSERT_TRUE(connect(*desk).has_value());
  auto other = connected("r.clairval");  // takes the number the lost one had
  const auto newcomer = send(*other);
  ASSERT_TRUE(client::Inbox(*desk->session).look().has_value());
  std::map<protocol::ExchangeId, bool> superseded;
  for (const client::InboxItem& item : received(*desk)) superseded[item.exchange] = item.superseded;
  EXPECT_EQ(superseded, (std::map<protocol::ExchangeId, bool>{{stands, false}, {lost, true}, {newcomer, false}}));
  EXPECT_EQ(alarm_codes(*desk), std::vector<std::string>{"log_rolled_back"});
  ASSERT_TRUE(connect(*sender).has_value());
  ASSERT_TRUE(client::Outbox(sender->profile, clock_).flush(*sender->session).has_value());
  ASSERT_TRUE(client::Inbox(*desk->session).look().has_value());
  const auto items = received(*desk);
  ASSERT_EQ(items.size(), 3U);
  EXPECT_TRUE(std::none_of(items.begin(), items.end(), [](const auto& item) { return item.superseded; }));
}

TEST_F(ShardTest, P8AnOrderDoesNotExcuseAPlaceThatStands) {
  auto desk = connected("ged.un");
  auto sender = connected("r.bellerive");
  static_cast<void>(send(*sender));
  static_cast<void>(send(*sender));
  ASSERT_TRUE(refresh(*desk).has_value());
  MemoryBroker backup = broker_;
  broker_.add_noise_leaf();
  restore(backup);
  ASSERT_TRUE(connect(*desk).has_value());
  backup.bend = [](const protocol::Request& request, protocol::ReplyBody& reply) {
    auto* items = std::get_if<protocol::Items>(&reply);
    if (items == nullptr || std::get<protocol::List>(request.body).queue != "ged/89") return;
    items->items.clear();
    items->head.number = QueueNumber{1};
  };
  EXPECT_FAILS_WITH(refresh(*desk), LocalCode::queue_withheld);
}

TEST_F(ShardTest, P8AShorterQueueWithoutAnOrderIsWithheld) {
  auto desk = connected("ged.un");
  auto sender = connected("r.bellerive");
  static_cast<void>(send(*sender));
  MemoryBroker backup = broker_;
  static_cast<void>(send(*sender));
  ASSERT_TRUE(refresh(*desk).has_value());
  broker_.end_shard("2027-1");  // a year's end loses nothing
  ASSERT_TRUE(connect(*desk).has_value());
  broker_.bend = [](const protocol::Request&, protocol::ReplyBody& reply) {
    if (auto* items = std::get_if<protocol::Items>(&reply)) {
      items->items.clear();
      items->head.number = QueueNumber{1};
    }
  };
  EXPECT_FAILS_WITH(refresh(*desk), LocalCode::queue_withheld);
}

TEST_F(ShardTest, P8HeadsSeenOfALostTailAccuseNobody) {
  auto desk = connected("ged.un");
  auto colleague = connected("ged.deux");
  auto sender = connected("r.bellerive");
  static_cast<void>(send(*sender));
  MemoryBroker backup = broker_;
  static_cast<void>(send(*sender));
  static_cast<void>(send(*sender));
  // A colleague has seen the queue further than we have, in what will be lost, and says so in what he seals.
  ASSERT_TRUE(refresh(*colleague).has_value());
  ASSERT_TRUE(connect(*colleague).has_value());
  const auto head = (*colleague->profile.store().queue("ged/89"))->head;
  ASSERT_EQ(head.number, QueueNumber{3});
  ASSERT_TRUE(desk->profile.store().add_claim({{"ged/89", head}, Digest{1}, "ged.deux"}).has_value());
  restore(backup);
  ASSERT_TRUE(connect(*desk).has_value());
  static_cast<void>(client::Inbox(*desk->session).look());
  EXPECT_EQ(alarm_codes(*desk), std::vector<std::string>{"log_rolled_back"});
  // What he would seal now names no head of that tail.
  ASSERT_TRUE(connect(*colleague).has_value());
  EXPECT_TRUE((*colleague->profile.store().queue("ged/89"))->walk_from.has_value());
}

// ---- the directory -----------------------------------------------------------------------------------------------

TEST_F(ShardTest, ALostDirectoryVersionIsWaitedForAndNothingSentMeanwhile) {
  auto desk = connected("r.bellerive");
  MemoryBroker backup = broker_;
  world_.enrol("ged.trois", {protocol::Role::membre_ged}, "douanes-89", "89", {"ged/89"});
  const SignedVersion second = world_.sign_version(spring);
  broker_.publish(second);
  ASSERT_TRUE(connect(*desk).has_value());
  const auto id = send(*desk);
  restore(backup);
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_TRUE(desk->session->directory_behind());
  EXPECT_EQ(desk->session->directory().number(), DirectoryNumber{2}) << "as signed";
  EXPECT_EQ(desk->session->announced_directory().number, DirectoryNumber{1});
  client::Outbox outbox(desk->profile, clock_);
  auto flushed = outbox.flush(*desk->session);
  ASSERT_TRUE(flushed.has_value() && flushed->stopped);
  EXPECT_TRUE(client::is(*flushed->stopped, LocalCode::directory_unproven));
  EXPECT_EQ(outbox.list()->at(0).state, client::OutboxState::sealed);
  backup.publish(second);
  ASSERT_TRUE(desk->session->refresh().has_value());
  EXPECT_FALSE(desk->session->directory_behind());
  flushed = outbox.flush(*desk->session);
  ASSERT_TRUE(flushed.has_value() && !flushed->stopped);
  EXPECT_EQ(backup.accepted(id), 1U);
}

TEST_F(ShardTest, AYearsEndDoesNotExcuseAnOlderDirectory) {
  MemoryBroker before = broker_;
  world_.enrol("ged.trois", {protocol::Role::membre_ged}, "douanes-89", "89", {"ged/89"});
  const SignedVersion second = world_.sign_version(spring);
  broker_.publish(second);
  auto desk = connected("ged.un");
  broker_.end_shard("2027-1");
  broker_.bend = [](const protocol::Request&, protocol::ReplyBody& reply) {
    if (auto* hello = std::get_if<protocol::HelloReply>(&reply)) hello->directory = DirectoryNumber{1};
  };
  EXPECT_FAILS_WITH(connect(*desk), LocalCode::directory_unproven);
}

}  // namespace
}  // namespace pli::testing
