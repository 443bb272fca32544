#include <algorithm>
#include <limits>

#include "base/file.hpp"
#include "client/receipts.hpp"
#include "tests/client/sitting.hpp"

namespace pli::testing {
namespace {

class InboxTest : public Sitting {
 protected:
  Outcome<std::vector<client::InboxItem>> refresh(Desk& desk, const std::string& queue = "ged/89") {
    return client::Inbox(*desk.session).refresh(queue);
  }
  void send(std::size_t count) {
    auto sender = connected("r.bellerive");
    for (std::size_t i = 0; i < count; ++i) sent_.push_back(send_report(*sender, report()));
  }
  template <class Reply>
  void bend(std::function<void(Reply&)> lie) {
    broker_.bend = [lie = std::move(lie)](const protocol::Request&, protocol::ReplyBody& reply) {
      if (auto* body = std::get_if<Reply>(&reply)) lie(*body);
    };
  }
  std::vector<protocol::ExchangeId> sent_;
};

TEST_F(InboxTest, ShowsEachHeaderOnce) {
  send(3);
  auto desk = connected("ged.un");
  auto first = refresh(*desk);
  ASSERT_TRUE(first.has_value()) << why(first);
  ASSERT_EQ(first->size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ((*first)[i].exchange, sent_[i]);
    EXPECT_EQ((*first)[i].head.number.value, i + 1);
    EXPECT_TRUE((*first)[i].sender_proven);
    EXPECT_EQ((*first)[i].address.sender, "r.bellerive");
  }
  ASSERT_TRUE(client::Inbox(*desk->session).handed_over(*first).has_value());
  EXPECT_TRUE(refresh(*desk)->empty());
  ASSERT_TRUE(connect(*desk).has_value());
  EXPECT_TRUE(refresh(*desk)->empty()) << "a new session does not make old headers new";
  EXPECT_EQ(client::received(desk->profile, "ged/89")->size(), 3U);
}

TEST_F(InboxTest, P8ShowsAgainWhatNobodySaidHeHad) {
  send(2);
  auto desk = connected("ged.un");
  ASSERT_EQ(refresh(*desk)->size(), 2U);  // and the program was killed
  ASSERT_TRUE(connect(*desk).has_value());
  auto again = refresh(*desk);
  ASSERT_TRUE(again.has_value()) << why(again);
  ASSERT_EQ(again->size(), 2U);
  ASSERT_TRUE(client::Inbox(*desk->session).handed_over({again->front()}).has_value());
  again = refresh(*desk);
  ASSERT_EQ(again->size(), 1U);
  EXPECT_EQ((*again)[0].exchange, sent_[1]);
}

TEST_F(InboxTest, ReadsALongQueuePageByPage) {
  send(7);
  broker_.items_a_page = 3;
  auto desk = connected("ged.un");
  auto items = refresh(*desk);
  ASSERT_TRUE(items.has_value()) << why(items);
  EXPECT_EQ(items->size(), 7U);
}

TEST_F(InboxTest, RefreshesEverySeatAndOnlySeats) {
  send(1);
  auto desk = connected("secretariat");
  auto all = client::Inbox(*desk->session).refresh();
  ASSERT_TRUE(all.has_value()) << why(all);
  EXPECT_EQ(all->size(), 1U);
  auto other = connected("clir.un");
  EXPECT_FAILS_WITH(refresh(*other), Code::not_found);
}

TEST_F(InboxTest, WalksPastWhatItMayNotSee) {
  send(1);
  world_.enrol("ged.trois", {protocol::Role::membre_ged}, "douanes-89", "89", {"ged/89"});
  broker_.publish(world_.sign_version(spring));
  send(1);
  auto newcomer = connected("ged.trois");
  auto items = refresh(*newcomer);
  ASSERT_TRUE(items.has_value()) << why(items);
  ASSERT_EQ(items->size(), 2U);
  EXPECT_FALSE((*items)[0].visible);
  EXPECT_TRUE((*items)[1].visible);
}

// P8: nothing withheld, nothing reordered, nothing twice.
TEST_F(InboxTest, P8NoticesAWithheldHeader) {
  send(3);
  for (const std::size_t missing : {0U, 1U, 2U}) {
    auto desk = connected("ged.un");
    bend<protocol::Items>(
        [&](protocol::Items& items) { items.items.erase(items.items.begin() + static_cast<std::ptrdiff_t>(missing)); });
    auto shown = refresh(*desk);
    EXPECT_FAILS_WITH(shown, LocalCode::queue_withheld);
    EXPECT_TRUE(std::filesystem::exists(shown.error().evidence));
    broker_.bend = {};
  }
}

TEST_F(InboxTest, P8NoticesAReorderedQueue) {
  send(2);
  auto desk = connected("ged.un");
  bend<protocol::Items>([](protocol::Items& items) {
    std::swap(items.items[0].exchange, items.items[1].exchange);
    std::swap(items.items[0].address, items.items[1].address);
    std::swap(items.items[0].seal, items.items[1].seal);
    std::swap(items.items[0].signature, items.items[1].signature);
  });
  EXPECT_FAILS_WITH(refresh(*desk), LocalCode::queue_withheld);
}

TEST_F(InboxTest, P8NoticesAQueueThatForgot) {
  send(2);
  auto desk = connected("ged.un");
  ASSERT_TRUE(refresh(*desk).has_value());
  bend<protocol::Items>([](protocol::Items& items) {
    items.items.clear();
    items.head.number = QueueNumber{1};
  });
  EXPECT_FAILS_WITH(refresh(*desk), LocalCode::queue_withheld);
}

TEST_F(InboxTest, P8NoticesAnotherQueueUnderTheSameNumber) {
  send(2);
  auto desk = connected("ged.un");
  ASSERT_TRUE(refresh(*desk).has_value());
  bend<protocol::Items>([](protocol::Items& items) { items.head.head[0] ^= 1; });
  auto shown = refresh(*desk);
  EXPECT_FAILS_WITH(shown, LocalCode::queue_reordered);
  EXPECT_TRUE(std::filesystem::exists(shown.error().evidence));
}

TEST_F(InboxTest, P8NoticesAKnownPlaceThatHoldsSomethingElse) {
  send(2);
  auto desk = connected("ged.un");
  ASSERT_TRUE(refresh(*desk).has_value());
  send(1);
  // Asked for what follows, the broker shows the second place once more, as another one.
  bend<protocol::Items>([&](protocol::Items& items) {
    protocol::QueueItem again = items.items.front();
    again.head.number = QueueNumber{2};
    items.items.insert(items.items.begin(), again);
  });
  EXPECT_FAILS_WITH(refresh(*desk), LocalCode::queue_reordered);
  broker_.bend = {};
  EXPECT_EQ(client::Inbox(*desk->session).look()->alarms.size(), 1U);
  EXPECT_EQ(anomalies(), std::vector<std::string>{"queue_reordered"});
}

TEST_F(InboxTest, P8NoticesAHeadTheLogDoesNotCommitTo) {
  send(2);
  auto desk = connected("ged.un");
  bend<protocol::Proven>([&](protocol::Proven& proven) {
    proven.proof = broker_.prove(LeafIndex{proven.proof.index.value - 1},
                                 {"act", "exchange", "queue", "outcome", "number", "head"});
  });
  EXPECT_FAILS_WITH(refresh(*desk), LocalCode::queue_withheld);
}

TEST_F(InboxTest, P8AsksAgainForAProofThatDidNotCome) {
  send(2);
  auto desk = connected("ged.un");
  desk->connection->lose_after(2);  // the headers come and are kept, the proof does not
  EXPECT_FAILS_WITH(refresh(*desk), LocalCode::unreachable);
  EXPECT_EQ(client::received(desk->profile)->size(), 2U);
  ASSERT_TRUE(connect(*desk).has_value());
  bend<protocol::Proven>([&](protocol::Proven& proven) {
    proven.proof = broker_.prove(LeafIndex{proven.proof.index.value - 1},
                                 {"act", "exchange", "queue", "outcome", "number", "head"});
  });
  EXPECT_FAILS_WITH(refresh(*desk), LocalCode::queue_withheld) << "nothing is new, and nothing is proven";
  broker_.bend = {};
  ASSERT_TRUE(client::acknowledge_alarms(desk->profile).has_value());
  EXPECT_TRUE(refresh(*desk).has_value());
  EXPECT_EQ((*desk->profile.store().queue("ged/89"))->proven, QueueNumber{2});
}

TEST_F(InboxTest, P8TakesALogThatDoesNotKnowAnExchangeForAWithheldQueue) {
  send(1);
  auto desk = connected("ged.un");
  broker_.instead = [](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    if (std::holds_alternative<protocol::Prove>(request.body)) return protocol::Refusal{Code::not_found, {}, 0};
    return std::nullopt;
  };
  EXPECT_FAILS_WITH(refresh(*desk), LocalCode::queue_withheld);
}

TEST_F(InboxTest, P8RepeatsAnAlarmUntilAcknowledgedAndReportsItOnce) {
  send(2);
  auto desk = connected("ged.un");
  ASSERT_TRUE(refresh(*desk).has_value());
  send(1);
  bend<protocol::Items>([](protocol::Items& items) { items.items.clear(); });
  EXPECT_FAILS_WITH(refresh(*desk), LocalCode::queue_withheld);
  broker_.bend = {};
  for (int look = 0; look < 3; ++look) {
    ASSERT_TRUE(connect(*desk).has_value());
    EXPECT_FAILS_WITH(refresh(*desk), LocalCode::queue_withheld) << "the broker behaves again: " << look;
    auto view = client::Inbox(*desk->session).look();
    ASSERT_TRUE(view.has_value()) << why(view);
    ASSERT_EQ(view->alarms.size(), 1U);
    EXPECT_TRUE(std::filesystem::exists(view->alarms[0].evidence));
    EXPECT_EQ(anomalies(), std::vector<std::string>{"queue_withheld"});
  }
  ASSERT_TRUE(client::acknowledge_alarms(desk->profile).has_value());
  auto view = client::Inbox(*desk->session).look();
  ASSERT_TRUE(view.has_value()) << why(view);
  EXPECT_TRUE(view->alarms.empty());
  EXPECT_EQ(view->items.size(), 3U);
  // The same again is another alarm, and another report.
  bend<protocol::Items>([](protocol::Items& items) { items.head.number = QueueNumber{2}; });
  EXPECT_FAILS_WITH(refresh(*desk), LocalCode::queue_withheld);
  broker_.bend = {};
  EXPECT_EQ(client::Inbox(*desk->session).look()->alarms.size(), 1U);
  EXPECT_EQ(anomalies().size(), 2U);
}

TEST_F(InboxTest, OneWithheldQueueDoesNotHideTheOthers) {
  send(1);
  auto sender = connected("r.bellerive");
  client::Outbox outbox(sender->profile, clock_);
  ASSERT_TRUE(outbox.put(client::draft_of(report(), "clir/89"), sender->keys).has_value());
  ASSERT_TRUE(outbox.flush(*sender->session).has_value());
  auto desk = connected("secretariat");
  broker_.bend = [](const protocol::Request& request, protocol::ReplyBody& reply) {
    const auto* list = std::get_if<protocol::List>(&request.body);
    if (list != nullptr && list->queue == "ged/89") std::get<protocol::Items>(reply).items.clear();
  };
  auto view = client::Inbox(*desk->session).look();
  ASSERT_TRUE(view.has_value()) << why(view);
  ASSERT_EQ(view->alarms.size(), 1U);
  EXPECT_TRUE(client::is(view->alarms[0], LocalCode::queue_withheld));
  ASSERT_EQ(view->items.size(), 1U);
  EXPECT_EQ(view->items[0].queue, "clir/89");
}

TEST_F(InboxTest, AcknowledgesNoFurtherThanItHasSeenWhateverTheBrokerSays) {
  send(1);
  auto desk = connected("ged.un");
  bend<protocol::Items>(
      [](protocol::Items& items) { items.acknowledged = QueueNumber{std::numeric_limits<std::int64_t>::max()}; });
  ASSERT_TRUE(refresh(*desk).has_value());
  bend<protocol::Acknowledged>([](protocol::Acknowledged& done) { done.number = QueueNumber{7}; });
  ASSERT_TRUE(client::Inbox(*desk->session).acknowledge(sent_[0]).has_value());
  broker_.bend = {};
  send(1);
  ASSERT_TRUE(refresh(*desk).has_value());
  auto items = client::received(desk->profile, "ged/89");
  ASSERT_EQ(items->size(), 2U);
  EXPECT_TRUE((*items)[0].acknowledged);
  EXPECT_FALSE((*items)[1].acknowledged);
}

TEST_F(InboxTest, SaysHowItStandsWithTheSendersKey) {
  send(1);
  auto first = connected("ged.un");
  EXPECT_EQ(refresh(*first)->at(0).sender_status, client::SenderStatus::current);
  auto sender = this->desk("r.bellerive");
  ASSERT_TRUE(world_.draft()
                  .renew(protocol::make_card(crypto::Identity::generate(), spring, &sender->keys.current))
                  .has_value());
  broker_.publish(world_.sign_version(spring));
  auto second = connected("ged.un");
  EXPECT_EQ(refresh(*second)->at(0).sender_status, client::SenderStatus::former_key);
  EXPECT_TRUE(refresh(*second)->at(0).sender_proven);
  ASSERT_TRUE(world_.draft().revoke("r.bellerive", spring).has_value());
  broker_.publish(world_.sign_version(spring));
  auto third = connected("ged.un");
  EXPECT_EQ(refresh(*third)->at(0).sender_status, client::SenderStatus::revoked);
}

TEST_F(InboxTest, RefusesAHeaderThatContradictsItself) {
  send(1);
  const std::vector<std::function<void(protocol::QueueItem&)>> lies = {
      [](protocol::QueueItem& item) { item.signature[5] ^= 1; },
      [](protocol::QueueItem& item) { item.seal[3] ^= 1; },
      [](protocol::QueueItem& item) { item.address[3] ^= 1; },
      [](protocol::QueueItem& item) { item.queue = "clir/89"; },
      [](protocol::QueueItem& item) { item.head.number.value += 1; },
  };
  for (std::size_t i = 0; i < lies.size(); ++i) {
    auto desk = connected("ged.un");
    bend<protocol::Items>([&](protocol::Items& items) { lies[i](items.items[0]); });
    EXPECT_FAILS_WITH(refresh(*desk), LocalCode::queue_withheld) << i;
    EXPECT_TRUE(client::received(desk->profile)->empty()) << i;
    broker_.bend = {};
  }
}

TEST_F(InboxTest, SaysWhenTheSenderIsNotProven) {
  send(1);
  auto desk = connected("ged.un");
  // The sender's own entry is left out of what this member is shown.
  auto blind = this->desk("ged.deux");
  bend<protocol::DirectoryPage>([](protocol::DirectoryPage& page) {
    page.items.erase(std::remove_if(page.items.begin(), page.items.end(),
                                    [](const protocol::DirectoryItem& item) {
                                      auto entry = protocol::decode_entry(item.entry);
                                      return entry && entry->id == "r.bellerive";
                                    }),
                     page.items.end());
  });
  ASSERT_TRUE(connect(*blind).has_value());
  auto items = refresh(*blind);
  ASSERT_TRUE(items.has_value()) << why(items);
  ASSERT_EQ(items->size(), 1U);
  EXPECT_FALSE((*items)[0].sender_proven);
}

TEST_F(InboxTest, AcknowledgesUpToAnItem) {
  send(3);
  auto desk = connected("ged.un");
  ASSERT_TRUE(refresh(*desk).has_value());
  ASSERT_TRUE(client::Inbox(*desk->session).acknowledge(sent_[1]).has_value());
  auto items = client::received(desk->profile, "ged/89");
  ASSERT_TRUE(items.has_value());
  EXPECT_TRUE((*items)[0].acknowledged);
  EXPECT_TRUE((*items)[1].acknowledged);
  EXPECT_FALSE((*items)[2].acknowledged);
  EXPECT_FAILS_WITH(client::Inbox(*desk->session).acknowledge(Digest{9}), LocalCode::usage);
}

// ---- hidden places ---------------------------------------------------------------------------------------------

class HiddenPlaces : public InboxTest {
 protected:
  /// Sends one report, then seats somebody for whom its place is hidden.
  void seat_newcomer() {
    send(1);
    world_.enrol("ged.trois", {protocol::Role::membre_ged}, "douanes-89", "89", {"ged/89"});
    broker_.publish(world_.sign_version(spring));
  }
  static std::vector<std::string_view> proof_fields() {
    return {"act", "exchange", "queue", "outcome", "number", "head", "recipients"};
  }
  /// Every header is shown as hidden.
  static void hide(protocol::Items& items) {
    for (protocol::QueueItem& item : items.items) {
      item.visible = false;
      item.address.clear();
      item.seal.clear();
      item.signature = {};
    }
  }
  client::HiddenProof proof_of_first(Desk& desk) {
    auto items = client::received(desk.profile, "ged/89");
    return items && !items->empty() ? items->front().hidden : client::HiddenProof::none;
  }
  static audit::Record erasure(const protocol::ExchangeId& exchange, const char* act, const char* outcome) {
    audit::Record record = audit::new_record();
    record.add("act", act);
    record.add("exchange", ByteView(exchange));
    record.add("outcome", outcome);
    record.add("rule", "terme");
    record.add("erased", "1775000000000");
    record.add("backups", "1778024000000");
    return record;
  }
};

TEST_F(HiddenPlaces, P8APlaceIsProvenHiddenOnce) {
  seat_newcomer();
  std::size_t asked = 0;
  broker_.bend = [&](const protocol::Request& request, protocol::ReplyBody&) {
    asked += std::holds_alternative<protocol::Prove>(request.body) ? 1 : 0;
  };
  auto desk = connected("ged.trois");
  for (int look = 0; look < 3; ++look) {
    auto items = refresh(*desk);
    ASSERT_TRUE(items.has_value()) << why(items);
    EXPECT_EQ(proof_of_first(*desk), client::HiddenProof::proven);
  }
  EXPECT_EQ(asked, 1U);
}

TEST_F(HiddenPlaces, P8AMemberOfTheRosterFindsThatAPlaceWasHiddenFromHim) {
  send(1);
  auto desk = connected("ged.un");
  bend<protocol::Items>(hide);
  auto shown = refresh(*desk);
  // The broker has nothing to show for it: its proof is the one of a reader.
  EXPECT_FAILS_WITH(shown, LocalCode::queue_hidden);
  EXPECT_TRUE(std::filesystem::exists(shown.error().evidence));
  broker_.bend = {};
  EXPECT_FAILS_WITH(refresh(*desk), LocalCode::queue_hidden) << "not proven, and so asked again";
  EXPECT_EQ(client::Inbox(*desk->session).look()->alarms.size(), 1U);
}

TEST_F(HiddenPlaces, P9APlaceIsEmptyByRightWhereItsErasureIsProvenAndTheCertificateIsKept) {
  send(1);
  const auto answer_with = [&](LeafIndex leaf) {
    broker_.instead = [this, leaf](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
      const auto* prove = std::get_if<protocol::Prove>(&request.body);
      if (prove == nullptr || !prove->erasure) return std::nullopt;
      return protocol::Proven{broker_.prove(leaf, {"act", "exchange", "outcome", "rule", "erased", "backups"})};
    };
  };
  bend<protocol::Items>(hide);
  // Of something else, of something that was refused, of no erasure: hidden all the same.
  const std::vector<std::pair<audit::LeafType, audit::Record>> lies = {
      {audit::LeafType::effacement, erasure(protocol::ExchangeId{1}, "erase_exchange", "ok")},
      {audit::LeafType::effacement, erasure(sent_[0], "erase_exchange", "NOT_FOUND")},
      {audit::LeafType::effacement, erasure(sent_[0], "erase", "ok")},
      {audit::LeafType::modification, erasure(sent_[0], "erase_exchange", "ok")}};
  for (const auto& [type, record] : lies) {
    answer_with(broker_.add_record(type, record));
    auto desk = connected("ged.un");
    EXPECT_FAILS_WITH(refresh(*desk), LocalCode::queue_hidden);
  }
  answer_with(broker_.add_record(audit::LeafType::effacement, erasure(sent_[0], "erase_exchange", "ok")));
  auto desk = connected("ged.un");
  auto shown = refresh(*desk);
  ASSERT_TRUE(shown.has_value()) << why(shown);
  EXPECT_EQ(proof_of_first(*desk), client::HiddenProof::proven);
  // What it keeps verifies without a broker.
  const auto kept = client::verify_receipt_file(client::certificate_path(desk->profile, sent_[0]), world_.log,
                                                world_.log_key.public_key());
  ASSERT_TRUE(kept.has_value()) << why(kept);
  EXPECT_FALSE(kept->of_submission());
  ASSERT_TRUE(kept->erased.has_value());
  EXPECT_EQ(kept->erased->exchange, sent_[0]);
  EXPECT_EQ(kept->erased->at, UnixMillis{1'775'000'000'000});
  EXPECT_EQ(kept->erased->backups_at, UnixMillis{1'778'024'000'000});
}

TEST_F(HiddenPlaces, P8APlaceHiddenForARecusalThatWentWithItsCaseIsProvenByItsErasureAlone) {
  send(1);
  bend<protocol::Items>(hide);
  std::optional<LeafIndex> certificate;
  broker_.instead = [&](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    const auto* prove = std::get_if<protocol::Prove>(&request.body);
    if (prove == nullptr) return std::nullopt;
    if (!prove->erasure) return protocol::Refusal{Code::forbidden, "interdit.recuse", 0};
    if (!certificate) return protocol::Refusal{Code::invalid, "erasure", 0};
    return protocol::Proven{broker_.prove(*certificate, {"act", "exchange", "outcome", "rule", "erased", "backups"})};
  };
  EXPECT_FAILS_WITH(refresh(*connected("ged.un")), LocalCode::queue_hidden) << "it stands";
  const auto certify = [&](const protocol::ExchangeId& exchange) {
    certificate = broker_.add_record(audit::LeafType::effacement, erasure(exchange, "erase_exchange", "ok"));
  };
  certify(protocol::ExchangeId{1});
  EXPECT_FAILS_WITH(refresh(*connected("ged.un")), LocalCode::queue_hidden) << "of another";
  certify(sent_[0]);
  auto desk = connected("ged.un");
  auto shown = refresh(*desk);
  ASSERT_TRUE(shown.has_value()) << why(shown);
  EXPECT_EQ(proof_of_first(*desk), client::HiddenProof::proven);
}

TEST_F(HiddenPlaces, P8EveryLieAboutWhomAPlaceWasSealedToIsFound) {
  send(1);
  const auto own_key = [&](const protocol::Proven& proven) {
    const auto key = world_.keys("ged.un").current.public_identity().age;
    return std::find(proven.roster.begin(), proven.roster.end(), key) != proven.roster.end();
  };
  protocol::Queue queue;
  queue.id = "ged/89";
  queue.keys = connected("secretariat")->session->directory().queue("ged/89")->keys;
  const LeafIndex leaf{broker_.size().value - 1};
  const auto truth = [&] { return protocol::Proven{broker_.prove(leaf, proof_fields()), queue.keys}; };
  const std::vector<std::pair<const char*, std::function<protocol::ReplyBody()>>> lies = {
      {"his key is among them", [&] { return truth(); }},
      {"his key left out",
       [&] {
         auto lie = truth();
         const auto key = world_.keys("ged.un").current.public_identity().age;
         lie.roster.erase(std::remove(lie.roster.begin(), lie.roster.end(), key), lie.roster.end());
         EXPECT_FALSE(own_key(lie));
         return lie;
       }},
      {"no keys",
       [&] {
         auto lie = truth();
         lie.roster.clear();
         return lie;
       }},
      {"recipients not shown",
       [&] {
         auto lie = truth();
         lie.roster.pop_back();
         lie.proof = broker_.prove(leaf, {"act", "exchange", "queue", "outcome", "number", "head"});
         return lie;
       }},
      {"number not shown",
       [&] {
         auto lie = truth();
         lie.proof = broker_.prove(leaf, {"act", "exchange", "queue", "outcome", "head", "recipients"});
         return lie;
       }},
      {"another leaf",
       [&] {
         auto lie = truth();
         lie.proof = broker_.prove(LeafIndex{0}, proof_fields());
         return lie;
       }},
      {"a proof that does not hold",
       [&] {
         auto lie = truth();
         lie.proof.index = LeafIndex{leaf.value - 1};
         return lie;
       }},
      {"its kind, which its roles are shown",
       [&] {
         auto lie = truth();
         lie.roster.clear();
         lie.proof = broker_.prove(leaf, {"act", "exchange", "queue", "outcome", "number", "head", "kind"});
         return lie;
       }},
      {"conditions that do not name him",
       [&] {
         auto lie = truth();
         lie.roster.clear();
         lie.proof = broker_.prove(leaf, {"act", "exchange", "queue", "outcome", "number", "head", "handling"});
         return lie;
       }},
      {"not found",
       [&]() -> protocol::ReplyBody {
         return protocol::Refusal{Code::not_found, {}, 0};
       }},
      {"a rule that hides nothing",
       [&]() -> protocol::ReplyBody {
         return protocol::Refusal{Code::forbidden, "interdit.copie", 0};
       }},
  };
  for (const auto& [name, lie] : lies) {
    auto desk = connected("ged.un");
    bend<protocol::Items>(hide);
    broker_.instead = [&, lie = lie](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
      if (!std::holds_alternative<protocol::Prove>(request.body)) return std::nullopt;
      return lie();
    };
    EXPECT_FAILS_WITH(refresh(*desk), LocalCode::queue_hidden) << name;
    broker_.bend = {};
    broker_.instead = {};
    EXPECT_EQ(proof_of_first(*desk), client::HiddenProof::none) << name;
  }
}

TEST_F(HiddenPlaces, P8AFormerKeyAmongThoseItWasSealedToIsHisToo) {
  send(1);
  auto desk = this->desk("ged.un");
  const LeafIndex leaf{broker_.size().value - 1};
  ASSERT_TRUE(connect(*desk).has_value());
  const auto sealed_to = desk->session->directory().queue("ged/89")->keys;
  const crypto::Identity renewed = crypto::Identity::generate();
  ASSERT_TRUE(world_.draft().renew(protocol::make_card(renewed, spring, &desk->keys.current)).has_value());
  broker_.publish(world_.sign_version(spring));
  ASSERT_TRUE(connect(*desk).has_value());
  bend<protocol::Items>(hide);
  broker_.instead = [&](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    if (!std::holds_alternative<protocol::Prove>(request.body)) return std::nullopt;
    return protocol::Proven{broker_.prove(leaf, proof_fields()), sealed_to};
  };
  EXPECT_FAILS_WITH(refresh(*desk), LocalCode::queue_hidden);
}

TEST_F(HiddenPlaces, ASendersConditionInTheLogHidesAPlaceByRight) {
  auto sender = connected("r.bellerive");
  auto desk = connected("ged.un");
  client::Outbox outbox(sender->profile, clock_);
  client::Draft draft = client::draft_of(report(), "ged/89");
  draft.handling = {"no-copy-to:" + desk->session->directory().member("ged.un")->organisation};
  ASSERT_TRUE(outbox.put(draft, sender->keys).has_value());
  auto flushed = outbox.flush(*sender->session);
  ASSERT_TRUE(flushed.has_value() && !flushed->stopped);
  const LeafIndex leaf{broker_.size().value - 1};
  bend<protocol::Items>(hide);
  broker_.instead = [&](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    if (!std::holds_alternative<protocol::Prove>(request.body)) return std::nullopt;
    return protocol::Proven{broker_.prove(leaf, {"act", "exchange", "queue", "outcome", "number", "head", "handling"}),
                            {}};
  };
  auto items = refresh(*desk);
  ASSERT_TRUE(items.has_value()) << why(items);
  EXPECT_EQ(proof_of_first(*desk), client::HiddenProof::proven);
}

TEST_F(HiddenPlaces, P8WhatIsHiddenAsOursIsOursByItsSignature) {
  world_.enrol("ged.mairie", {protocol::Role::membre_ged}, "bellerive", "89", {"ged/89"});
  world_.enrol("ged.clairval", {protocol::Role::membre_ged}, "clairval", "89", {"ged/89"});
  broker_.publish(world_.sign_version(spring));
  send(1);
  auto fields = proof_fields();
  for (const char* field : {"actor", "person", "organisation", "kind", "key", "signature"}) fields.emplace_back(field);
  LeafIndex leaf{broker_.size().value - 1};
  bend<protocol::Items>(hide);
  broker_.instead = [&](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    if (!std::holds_alternative<protocol::Prove>(request.body)) return std::nullopt;
    return protocol::Proven{broker_.prove(leaf, fields), {}};
  };
  auto colleague = connected("ged.mairie");
  auto items = refresh(*colleague);
  ASSERT_TRUE(items.has_value()) << why(items);
  EXPECT_EQ(proof_of_first(*colleague), client::HiddenProof::own);
  // The same proof is worth nothing to somebody else's organisation.
  auto other = connected("ged.clairval");
  EXPECT_FAILS_WITH(refresh(*other), LocalCode::queue_hidden);
  // Nor where the log was made to name that one: nobody of it signed.
  audit::Record forged = broker_.record(leaf.value);
  for (audit::Field& field : forged.fields)
    if (field.name == "organisation") field.value = to_bytes("clairval");
  leaf = broker_.add_record(audit::LeafType::collecte, forged);
  ASSERT_TRUE(connect(*other).has_value());
  EXPECT_FAILS_WITH(refresh(*other), LocalCode::queue_hidden);
  // Nor where a colleague's key stands beside a signature that is not his.
  for (audit::Field& field : forged.fields)
    if (field.name == "key") field.value = to_bytes(world_.keys("r.clairval").current.public_identity().sign.bytes);
  leaf = broker_.add_record(audit::LeafType::collecte, forged);
  ASSERT_TRUE(connect(*other).has_value());
  EXPECT_FAILS_WITH(refresh(*other), LocalCode::queue_hidden);
}

TEST_F(HiddenPlaces, P8WhoHasNoCaseIsNotHiddenOneAsItsAuthor) {
  send(1);
  auto desk = connected("ged.un");
  bend<protocol::Items>(hide);
  std::string rule = "interdit.auteur";
  broker_.instead = [&](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    if (!std::holds_alternative<protocol::Prove>(request.body)) return std::nullopt;
    return protocol::Refusal{Code::forbidden, rule, 0};
  };
  EXPECT_FAILS_WITH(refresh(*desk), LocalCode::queue_hidden);
  EXPECT_EQ(proof_of_first(*desk), client::HiddenProof::none);
  // Nobody withdraws from a case without knowing.
  rule = "interdit.recuse";
  auto other = connected("ged.deux");
  EXPECT_FAILS_WITH(refresh(*other), LocalCode::queue_hidden);
}

TEST_F(HiddenPlaces, P8WhoHasRecusedHimselfTakesTheBrokersWordForWhichCaseItWasAndNobodyElseDoes) {
  send(2);
  const auto desk = connected("ged.un");
  client::Draft draft = client::draft_of(report(), "ged/89");
  draft.kind = protocol::Kind::recusation;
  draft.case_id = sent_[0];
  client::Outbox outbox(desk->profile, clock_);
  ASSERT_TRUE(outbox.put(draft, desk->keys).has_value());
  ASSERT_TRUE(outbox.flush(*desk->session).has_value());
  bend<protocol::Items>([&](protocol::Items& items) {
    protocol::Items first;
    if (!items.items.empty() && items.items.front().exchange == sent_[0]) first.items = {items.items.front()};
    hide(first);
    if (!first.items.empty()) items.items.front() = first.items.front();
  });
  broker_.instead = [&](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    const auto* prove = std::get_if<protocol::Prove>(&request.body);
    if (prove == nullptr || prove->exchange != sent_[0]) return std::nullopt;
    return protocol::Refusal{Code::forbidden, "interdit.recuse", 0};
  };
  auto items = refresh(*desk);
  ASSERT_TRUE(items.has_value()) << why(items);
  EXPECT_EQ(proof_of_first(*desk), client::HiddenProof::claimed);
  auto other = connected("ged.deux");
  EXPECT_FAILS_WITH(refresh(*other), LocalCode::queue_hidden);
}

TEST_F(HiddenPlaces, WhichCaseOfHisAnAuthorMayNotKnowIsTheBrokersWordAndSaysSo) {
  world_.enrol("ged.mairie", {protocol::Role::membre_ged}, "bellerive", "89", {"ged/89"});
  broker_.publish(world_.sign_version(spring));
  send(2);
  const auto desk = connected("ged.mairie");
  auto fields = proof_fields();
  for (const char* field : {"organisation", "kind", "key", "signature"}) fields.emplace_back(field);
  bend<protocol::Items>(hide);
  broker_.instead = [&](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    const auto* prove = std::get_if<protocol::Prove>(&request.body);
    if (prove == nullptr) return std::nullopt;
    if (prove->exchange == sent_[0])
      return protocol::Proven{broker_.prove(LeafIndex{broker_.size().value - 2}, fields), {}};
    return protocol::Refusal{Code::forbidden, "interdit.auteur", 0};
  };
  auto items = refresh(*desk);
  ASSERT_TRUE(items.has_value()) << why(items);
  const auto kept = client::received(desk->profile, "ged/89");
  ASSERT_EQ(kept->size(), 2U);
  EXPECT_EQ((*kept)[0].hidden, client::HiddenProof::own);
  EXPECT_EQ((*kept)[1].hidden, client::HiddenProof::claimed);
}

TEST_F(HiddenPlaces, P8WhoSendsReportsMayBeTheAuthorOfACaseThatWasPassedOnHere) {
  world_.enrol("ged.maire", {protocol::Role::maire, protocol::Role::membre_ged}, "bellerive", "89024", {"ged/89"});
  world_.enrol("ged.mairie", {protocol::Role::membre_ged}, "bellerive", "89", {"ged/89"});
  broker_.publish(world_.sign_version(spring));
  send(1);
  bend<protocol::Items>(hide);
  broker_.instead = [&](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    if (!std::holds_alternative<protocol::Prove>(request.body)) return std::nullopt;
    return protocol::Refusal{Code::forbidden, "interdit.auteur", 0};
  };
  // A maire who sits there, and whose référent the directory shows; nothing of theirs stands in the queue.
  for (const char* member : {"ged.maire", "ged.mairie"}) {
    auto desk = connected(member);
    auto items = refresh(*desk);
    ASSERT_TRUE(items.has_value()) << member << " " << why(items);
    EXPECT_EQ(proof_of_first(*desk), client::HiddenProof::claimed) << member;
  }
  auto other = connected("ged.un");
  EXPECT_FAILS_WITH(refresh(*other), LocalCode::queue_hidden);
}

TEST_F(HiddenPlaces, P8WhoHasRecusedHimselfInOneInstanceMayBeKeptFromThatCaseInAnother) {
  send(1);
  const auto desk = connected("secretariat");
  bend<protocol::Items>([&](protocol::Items& items) {
    if (!items.items.empty() && items.items.front().queue == "ged/89") hide(items);
  });
  broker_.instead = [&](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    const auto* prove = std::get_if<protocol::Prove>(&request.body);
    if (prove == nullptr || prove->exchange != sent_[0]) return std::nullopt;
    if (prove->erasure) return protocol::Refusal{Code::invalid, "erasure", 0};
    return protocol::Refusal{Code::forbidden, "interdit.recuse", 0};
  };
  EXPECT_FAILS_WITH(refresh(*desk), LocalCode::queue_hidden) << "he has recused himself from nothing";
  const auto again = connected("secretariat");
  client::Draft draft = client::draft_of(report(), "clir/89");
  draft.kind = protocol::Kind::recusation;
  draft.case_id = sent_[0];
  client::Outbox outbox(again->profile, clock_);
  ASSERT_TRUE(outbox.put(draft, again->keys).has_value());
  ASSERT_TRUE(outbox.flush(*again->session).has_value());
  // What stands in the other queue is looked for, whichever is looked at first.
  auto items = refresh(*again);
  ASSERT_TRUE(items.has_value()) << why(items);
  EXPECT_EQ(proof_of_first(*again), client::HiddenProof::claimed);
}

TEST_F(HiddenPlaces, SoManyAreProvenInOneLookAndTheRestInTheNext) {
  send(client::hidden_proofs_max + 1);
  world_.enrol("ged.trois", {protocol::Role::membre_ged}, "douanes-89", "89", {"ged/89"});
  broker_.publish(world_.sign_version(spring));
  auto desk = connected("ged.trois");
  std::size_t asked = 0;
  broker_.bend = [&](const protocol::Request& request, protocol::ReplyBody&) {
    asked += std::holds_alternative<protocol::Prove>(request.body) ? 1 : 0;
  };
  ASSERT_TRUE(refresh(*desk).has_value());
  EXPECT_EQ(asked, client::hidden_proofs_max);
  ASSERT_TRUE(refresh(*desk).has_value());
  EXPECT_EQ(asked, client::hidden_proofs_max + 1);
  ASSERT_TRUE(refresh(*desk).has_value());
  EXPECT_EQ(asked, client::hidden_proofs_max + 1);
}

TEST_F(HiddenPlaces, ABusyBrokerIsAskedAgainAtTheNextLook) {
  seat_newcomer();
  auto desk = connected("ged.trois");
  broker_.instead = [](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    if (std::holds_alternative<protocol::Prove>(request.body)) return protocol::Refusal{Code::busy, {}, 1000};
    return std::nullopt;
  };
  ASSERT_TRUE(refresh(*desk).has_value());
  EXPECT_EQ(proof_of_first(*desk), client::HiddenProof::none);
  broker_.instead = {};
  ASSERT_TRUE(refresh(*desk).has_value());
  EXPECT_EQ(proof_of_first(*desk), client::HiddenProof::proven);
}

TEST_F(HiddenPlaces, APlaceWhoseRecordIsErasedIsNamedOnceAndHidesNoOther) {
  seat_newcomer();
  send(1);
  auto desk = connected("ged.trois");
  std::size_t asked = 0;
  broker_.instead = [&](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    const auto* prove = std::get_if<protocol::Prove>(&request.body);
    if (prove == nullptr || prove->exchange != sent_.front()) return std::nullopt;
    ++asked;
    return protocol::Refusal{Code::erased, "journal", 0};
  };
  auto view = client::Inbox(*desk->session).look();
  ASSERT_TRUE(view.has_value()) << why(view);
  EXPECT_EQ(view->items.size(), 2U);
  EXPECT_TRUE(view->alarms.empty());
  ASSERT_EQ(view->unproven.size(), 1U);
  EXPECT_EQ(view->unproven.front().exchange, sent_.front());
  EXPECT_EQ(view->unproven.front().queue, "ged/89");
  EXPECT_EQ(view->unproven.front().number.value, 1U);
  EXPECT_EQ(proof_of_first(*desk), client::HiddenProof::erased);
  const std::size_t asked_first = asked;  // for its acceptance, and for a certificate of its erasure
  view = client::Inbox(*desk->session).look();
  ASSERT_TRUE(view.has_value()) << why(view);
  EXPECT_TRUE(view->unproven.empty());
  EXPECT_EQ(asked, asked_first) << "the places after it have their turn";
}

TEST_F(HiddenPlaces, APlaceIsErasedForGoodOnlyOnceTheBrokerHasSaidThereIsNoCertificate) {
  seat_newcomer();
  auto desk = connected("ged.trois");
  protocol::Refusal of_certificate{Code::busy, "file", 0};
  broker_.instead = [&](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    const auto* prove = std::get_if<protocol::Prove>(&request.body);
    if (prove == nullptr) return std::nullopt;
    return prove->erasure ? of_certificate : protocol::Refusal{Code::erased, "journal", 0};
  };
  ASSERT_TRUE(refresh(*desk).has_value());
  EXPECT_EQ(proof_of_first(*desk), client::HiddenProof::none) << "asked again at the next look";
  of_certificate = {Code::not_found, "", 0};
  auto view = client::Inbox(*desk->session).look();
  ASSERT_TRUE(view.has_value()) << why(view);
  EXPECT_EQ(view->unproven.size(), 1U);
  EXPECT_EQ(proof_of_first(*desk), client::HiddenProof::erased);
}

TEST_F(HiddenPlaces, P9AnErasedPlaceWithTheCertificateOfAnotherIsFound) {
  seat_newcomer();
  const LeafIndex leaf =
      broker_.add_record(audit::LeafType::effacement, erasure(protocol::ExchangeId{1}, "erase_exchange", "ok"));
  auto desk = connected("ged.trois");
  broker_.instead = [&](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    const auto* prove = std::get_if<protocol::Prove>(&request.body);
    if (prove == nullptr) return std::nullopt;
    if (!prove->erasure) return protocol::Refusal{Code::erased, "journal", 0};
    return protocol::Proven{broker_.prove(leaf, {"act", "exchange", "outcome", "rule", "erased", "backups"})};
  };
  EXPECT_FAILS_WITH(refresh(*desk), LocalCode::queue_hidden);
}

TEST_F(HiddenPlaces, APlaceWhoseKeyTheBrokerCannotReadIsAskedAboutAgain) {
  seat_newcomer();
  auto desk = connected("ged.trois");
  broker_.instead = [](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    if (std::holds_alternative<protocol::Prove>(request.body)) return protocol::Refusal{Code::erased, "cle", 0};
    return std::nullopt;
  };
  auto view = client::Inbox(*desk->session).look();
  ASSERT_TRUE(view.has_value()) << why(view);
  EXPECT_EQ(view->unproven.size(), 1U);
  EXPECT_EQ(proof_of_first(*desk), client::HiddenProof::none);
  broker_.instead = {};
  ASSERT_TRUE(refresh(*desk).has_value());
  EXPECT_EQ(proof_of_first(*desk), client::HiddenProof::proven);
}

TEST_F(InboxTest, ALetterWhoseRecordIsErasedIsShownAsUnprovenWithTheOthers) {
  send(2);
  auto desk = connected("ged.un");
  broker_.instead = [](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    if (std::holds_alternative<protocol::Prove>(request.body)) return protocol::Refusal{Code::erased, "journal", 0};
    return std::nullopt;
  };
  auto view = client::Inbox(*desk->session).look();
  ASSERT_TRUE(view.has_value()) << why(view);
  EXPECT_EQ(view->items.size(), 2U);
  ASSERT_EQ(view->unproven.size(), 1U);
  EXPECT_EQ(view->unproven.front().exchange, sent_.back());
  EXPECT_TRUE(refresh(*desk).has_value());
  broker_.instead = {};
  view = client::Inbox(*desk->session).look();
  EXPECT_TRUE(view->unproven.empty());
}

TEST_F(InboxTest, P5FindsADirectoryVersionTheBrokerShowsToOthers) {
  auto desk = connected("ged.un");
  world_.enrol("ged.trois", {protocol::Role::membre_ged}, "douanes-89", "89", {"ged/89"});
  const std::string first = desk->session->directory().verified().note();
  broker_.publish(world_.sign_version(spring));
  send(1);
  // To this member the broker goes on showing the first version.
  bend<protocol::HelloReply>([&](protocol::HelloReply& hello) {
    hello.directory = DirectoryNumber{1};
    hello.directory_digest = desk->session->directory().verified().digest();
  });
  auto shown = refresh(*desk);
  EXPECT_FAILS_WITH(shown, LocalCode::directory_stale);
  EXPECT_TRUE(std::filesystem::exists(shown.error().evidence));
  EXPECT_EQ(client::received(desk->profile)->size(), 1U) << "the header itself is good";
  broker_.bend = {};
  EXPECT_FAILS_WITH(refresh(*desk), LocalCode::directory_stale) << "until acknowledged";
  ASSERT_TRUE(client::Inbox(*desk->session).look().has_value());
  EXPECT_EQ(anomalies(), std::vector<std::string>{"directory_stale"});
}

TEST_F(InboxTest, FetchesTheDirectoryAHeaderWasSealedUnder) {
  auto desk = connected("ged.un");
  world_.enrol("ged.trois", {protocol::Role::membre_ged}, "douanes-89", "89", {"ged/89"});
  broker_.publish(world_.sign_version(spring));
  send(1);
  auto items = refresh(*desk);
  ASSERT_TRUE(items.has_value()) << why(items);
  EXPECT_EQ(desk->session->directory().number(), DirectoryNumber{2});
}

// ---- follow ----------------------------------------------------------------------------------------------------

TEST_F(InboxTest, FollowHandsOverWhatIsThereAndWhatComes) {
  send(2);
  auto desk = connected("ged.un");
  auto sender = connected("r.clairval");
  int more = 3;
  desk->connection->while_waiting = [&] {
    if (more-- > 0) sent_.push_back(send_report(*sender, report()));
  };
  std::vector<protocol::ExchangeId> seen;
  auto followed = client::Inbox(*desk->session)
                      .follow(
                          [&](const client::InboxItem& item) {
                            seen.push_back(item.exchange);
                            return true;
                          },
                          std::chrono::milliseconds(1));
  ASSERT_TRUE(followed.has_value()) << why(followed);
  EXPECT_EQ(seen, sent_);
}

TEST_F(InboxTest, P8FollowBeginsWithWhatWasKeptAndNotHandedOver) {
  send(2);
  auto desk = connected("ged.un");
  ASSERT_TRUE(refresh(*desk).has_value());  // kept, and the program was killed
  ASSERT_TRUE(connect(*desk).has_value());
  std::vector<protocol::ExchangeId> seen;
  const auto on_item = [&](const client::InboxItem& item) {
    seen.push_back(item.exchange);
    return true;
  };
  ASSERT_TRUE(client::Inbox(*desk->session).follow(on_item, std::chrono::milliseconds(1)).has_value());
  EXPECT_EQ(seen, sent_);
  ASSERT_TRUE(client::Inbox(*desk->session).follow(on_item, std::chrono::milliseconds(1)).has_value());
  EXPECT_EQ(seen, sent_) << "what was handed over does not come again";
}

TEST_F(InboxTest, P7FollowLooksAtTheLogWhileNothingComes) {
  auto desk = connected("ged.un");
  MemoryBroker forked = broker_;
  broker_.add_noise_leaf();
  forked.add_noise_leaf();
  forked.add_noise_leaf();
  ASSERT_TRUE(connect(*desk).has_value());
  desk->connection->while_waiting = [&] { shown_ = &forked; };
  const auto on_item = [](const client::InboxItem&) { return true; };
  EXPECT_FAILS_WITH(client::Inbox(*desk->session).follow(on_item, 2 * client::follow_check_every),
                    LocalCode::log_forked);
}

TEST_F(InboxTest, P8FollowNoticesABrokerThatStopsPushing) {
  auto desk = connected("ged.un");
  auto sender = connected("r.clairval");
  int waits = 0;
  desk->connection->while_waiting = [&] {
    if (++waits == 1) sent_.push_back(send_report(*sender, report()));
  };
  bend<protocol::Pushed>([](protocol::Pushed& push) { push.items.clear(); });
  std::vector<protocol::ExchangeId> seen;
  const auto on_item = [&](const client::InboxItem& item) {
    seen.push_back(item.exchange);
    return true;
  };
  auto followed = client::Inbox(*desk->session).follow(on_item, 2 * client::follow_check_every);
  ASSERT_TRUE(followed.has_value()) << why(followed);
  EXPECT_EQ(seen, sent_);
}

TEST_F(InboxTest, FollowDialsAgainWithGrowingPauses) {
  auto desk = connected("ged.un");
  auto sender = connected("r.clairval");
  bool once = true;
  desk->connection->while_waiting = [&] {
    if (!once) return;
    once = false;
    desk->connection->lose_after(1);
    desk->dials_to_fail = 2;
    static_cast<void>(desk->session->check_log());
    sent_.push_back(send_report(*sender, report()));  // while nobody listens
  };
  std::vector<std::chrono::milliseconds> pauses;
  std::vector<protocol::ExchangeId> seen;
  auto followed =
      client::Inbox(*desk->session)
          .follow(
              [&](const client::InboxItem& item) {
                seen.push_back(item.exchange);
                return false;
              },
              client::follow_check_every, [&](std::chrono::milliseconds pause) { pauses.push_back(pause); });
  ASSERT_TRUE(followed.has_value()) << why(followed);
  EXPECT_EQ(seen, sent_);
  using std::chrono::milliseconds;
  ASSERT_EQ(pauses.size(), 3U);
  EXPECT_EQ(pauses, (std::vector<milliseconds>{client::redial_after_first, 2 * client::redial_after_first,
                                               4 * client::redial_after_first}));
}

TEST_F(InboxTest, FollowEndsWhenIdleIsOverWithoutAConnection) {
  auto desk = connected("ged.un");
  desk->connection->lose_after(1);
  desk->dials_to_fail = 1000;
  std::chrono::milliseconds away{};
  std::chrono::milliseconds longest{};
  const auto pause = [&](std::chrono::milliseconds each) {
    away += each;
    longest = std::max(longest, each);
  };
  const auto on_item = [](const client::InboxItem&) { return true; };
  EXPECT_FAILS_WITH(client::Inbox(*desk->session).follow(on_item, std::chrono::hours(1), pause),
                    LocalCode::unreachable);
  EXPECT_EQ(away, std::chrono::hours(1));
  EXPECT_EQ(longest, client::redial_after_most);
}

TEST_F(InboxTest, FollowStopsWhenToldTo) {
  send(3);
  auto desk = connected("ged.un");
  int seen = 0;
  ASSERT_TRUE(client::Inbox(*desk->session)
                  .follow([&](const client::InboxItem&) { return ++seen < 2; }, std::chrono::milliseconds(1))
                  .has_value());
  EXPECT_EQ(seen, 2);
}

TEST_F(InboxTest, FollowLeavesNewWhatWasNotTaken) {
  send(3);
  auto desk = connected("ged.un");
  const client::Inbox::OnItem full_disk = [](const client::InboxItem&) { return false; };
  ASSERT_TRUE(client::Inbox(*desk->session).follow(full_disk, std::chrono::milliseconds(1)).has_value());
  std::size_t seen = 0;
  const auto on_item = [&](const client::InboxItem&) { return ++seen != 0; };
  ASSERT_TRUE(client::Inbox(*desk->session).follow(on_item, std::chrono::milliseconds(1)).has_value());
  EXPECT_EQ(seen, 3U);
}

TEST_F(InboxTest, FollowAsksForTheListWhenAPushLeavesPlacesOut) {
  auto desk = connected("ged.un");
  auto sender = connected("r.clairval");
  broker_.pushes_invisible = false;
  int round = 0;
  desk->connection->while_waiting = [&] {
    if (++round > 2) return;
    if (round == 1) {
      // A roster without this member: its exchange has a place in the queue, and is not pushed.
      ASSERT_TRUE(world_.draft().change_seats("ged.un", {}).has_value());
      broker_.publish(world_.sign_version(spring));
      ASSERT_TRUE(connect(*sender).has_value());
      sent_.push_back(send_report(*sender, report()));
      ASSERT_TRUE(world_.draft().change_seats("ged.un", {"ged/89"}).has_value());
      broker_.publish(world_.sign_version(spring));
    }
    ASSERT_TRUE(connect(*sender).has_value());
    sent_.push_back(send_report(*sender, report()));
  };
  std::vector<bool> visible;
  auto followed = client::Inbox(*desk->session)
                      .follow(
                          [&](const client::InboxItem& item) {
                            visible.push_back(item.visible);
                            return true;
                          },
                          std::chrono::milliseconds(1));
  ASSERT_TRUE(followed.has_value()) << why(followed);
  EXPECT_EQ(visible, (std::vector<bool>{false, true, true}));
}

TEST_F(InboxTest, FollowRefusesAPushThatDoesNotFollow) {
  send(1);
  auto desk = connected("ged.un");
  auto sender = connected("r.clairval");
  bool once = true;
  desk->connection->while_waiting = [&] {
    if (!once) return;
    once = false;
    static_cast<void>(send_report(*sender, report()));
    bend<protocol::Pushed>([](protocol::Pushed& push) {
      for (protocol::QueueItem& item : push.items) item.head.head[0] ^= 1;
    });
  };
  EXPECT_FAILS_WITH(
      client::Inbox(*desk->session).follow([](const client::InboxItem&) { return true; }, std::chrono::milliseconds(1)),
      LocalCode::queue_withheld);
}

}  // namespace
}  // namespace pli::testing
