#include "client/transfer.hpp"

#include <algorithm>

#include "tests/client/sitting.hpp"

namespace pli::testing {
namespace {

using client::InboxItem;
using client::KeptBack;
using protocol::Kind;

Digest id_of(std::uint8_t number) {
  Digest out{};
  out[0] = number;
  return out;
}

InboxItem header(std::uint8_t exchange, Kind kind, const std::string& queue, std::uint8_t case_number,
                 std::uint8_t reply_to = 0) {
  InboxItem out;
  out.exchange = id_of(exchange);
  out.queue = queue;
  out.address.queue = queue;
  out.address.kind = static_cast<std::uint16_t>(kind);
  out.address.case_id = case_number == 0 ? Digest{} : id_of(case_number);
  out.address.in_reply_to = reply_to == 0 ? Digest{} : id_of(reply_to);
  return out;
}

/// Case 1 of the GED, passed on to the CLIR as case 2.
protocol::CaseItem first_case() {
  protocol::CaseItem out;
  out.case_id = id_of(1);
  out.kind = static_cast<std::uint16_t>(Kind::signalement_individuel);
  out.queue = "ged/89";
  out.transmitted = {{"clir/89", id_of(2), spring}};
  return out;
}
protocol::CaseItem linked_case() {
  protocol::CaseItem out;
  out.case_id = id_of(2);
  out.kind = static_cast<std::uint16_t>(Kind::transmission);
  out.queue = "clir/89";
  out.origin = id_of(1);
  out.origin_queue = "ged/89";
  return out;
}
std::vector<InboxItem> seen_by_both() {
  return {header(1, Kind::signalement_individuel, "ged/89", 0),
          header(3, Kind::complement, "ged/89", 1),
          header(4, Kind::acces, "ged/89", 1, 1),  // for a newcomer of the GED
          header(5, Kind::decision, "ged/89", 1),
          header(2, Kind::transmission, "clir/89", 1),
          header(6, Kind::acces, "clir/89", 1, 1),
          header(7, Kind::acces, "clir/89", 1, 3),
          header(8, Kind::acces, "clir/89", 2, 2),  // for a newcomer of the CLIR: what passed it on
          header(9, Kind::acces, "clir/89", 2, 1),  // and the report
          header(10, Kind::retour, "ged/89", 2),
          header(11, Kind::signalement_individuel, "ged/89", 0)};
}

std::vector<std::uint8_t> numbers(const std::vector<client::Reported>& list) {
  std::vector<std::uint8_t> out;
  for (const client::Reported& each : list) out.push_back(each.exchange[0]);
  return out;
}

TEST(Transfer, EachHeaderIsOfOneOfTheTwoCasesAndTheAnswerOfWhoGaveIt) {
  const std::set<std::uint8_t> first{1, 3, 4, 5, 10};
  const std::set<std::uint8_t> linked{2, 6, 7, 8, 9, 10};
  for (const InboxItem& each : seen_by_both()) {
    const std::uint8_t number = each.exchange[0];
    EXPECT_EQ(client::belongs_to(first_case(), each), first.count(number) != 0) << +number;
    EXPECT_EQ(client::belongs_to(linked_case(), each), linked.count(number) != 0) << +number;
  }
  InboxItem hidden = header(3, Kind::complement, "ged/89", 1);
  hidden.visible = false;
  EXPECT_FALSE(client::belongs_to(first_case(), hidden));
}

TEST(Transfer, WhatIsReportedInALinkedCaseIsWhatWasPassedOnWithIt) {
  EXPECT_EQ(numbers(client::reported_in(first_case(), seen_by_both())), (std::vector<std::uint8_t>{1, 3}));
  EXPECT_EQ(numbers(client::reported_in(linked_case(), seen_by_both())), (std::vector<std::uint8_t>{1, 3}));
  std::vector<InboxItem> lost = seen_by_both();
  lost[1].superseded = true;  // its place was lost in a rollback
  EXPECT_EQ(numbers(client::reported_in(first_case(), lost)), (std::vector<std::uint8_t>{1}));
}

TEST(Transfer, ASendersConditionKeepsAnExchangeHere) {
  using Conditions = std::vector<std::string>;
  const auto kept = [](const Conditions& handling, bool agreed = false) {
    return client::kept_back(handling, "prefecture-89", agreed);
  };
  EXPECT_EQ(kept({}), KeptBack::no);
  EXPECT_EQ(kept({"ged-only"}, true), KeptBack::stays_in_ged);
  EXPECT_EQ(kept({"eyes-only"}, true), KeptBack::first_readers);
  EXPECT_EQ(kept({"no-copy-to:prefecture-89"}, true), KeptBack::not_for_us);
  EXPECT_EQ(kept({"no-copy-to:police-89"}), KeptBack::no) << "whose members open it there no more than here";
  EXPECT_EQ(kept({"ask-before-transfer"}), KeptBack::to_be_agreed);
  EXPECT_EQ(kept({"ask-before-transfer"}, true), KeptBack::no);
  EXPECT_EQ(kept({"ask-before-transfer", "ged-only"}, true), KeptBack::stays_in_ged);
}

TEST(Transfer, TheLastWordOnAnExchangeCounts) {
  const auto word = [](std::uint8_t about, const char* opinion) {
    InboxItem out = header(20, Kind::agrement, "ged/89", 1, about);
    out.address.attributes = {{"avis", opinion}};
    return out;
  };
  using Headers = std::vector<InboxItem>;
  EXPECT_FALSE(client::is_agreed(id_of(1), Headers{}));
  EXPECT_TRUE(client::is_agreed(id_of(1), Headers{word(1, "refus"), word(1, "accord")}));
  EXPECT_FALSE(client::is_agreed(id_of(1), Headers{word(1, "accord"), word(1, "refus")}));
  EXPECT_FALSE(client::is_agreed(id_of(1), Headers{word(3, "accord")})) << "of another exchange";
}

class TransferTest : public Sitting {
 protected:
  /// What the commune adds to its case.
  protocol::ExchangeId adds(Desk& sender, const protocol::ExchangeId& case_id) {
    auto form = protocol::Form::from_json(
        R"({"type": "complement", "faits": [{"date": "2025-03-14", "connaissance": "rapporte",)"
        R"( "description": "Un autre fait inventé."}]})",
        nullptr, nullptr);
    EXPECT_TRUE(form.has_value());
    client::Draft draft = client::draft_of(*form, "ged/89");
    draft.case_id = case_id;
    return sent(sender, draft);
  }
  protocol::ExchangeId sent(Desk& desk, const client::Draft& draft) {
    client::Outbox outbox(desk.profile, clock_);
    auto item = outbox.put(draft, desk.keys);
    EXPECT_TRUE(item.has_value()) << why(item);
    return flushed(desk, item->id);
  }
  protocol::ExchangeId flushed(Desk& desk, std::int64_t id) {
    client::Outbox outbox(desk.profile, clock_);
    auto done = outbox.flush(*desk.session);
    EXPECT_TRUE(done.has_value() && !done->stopped) << why(done);
    auto row = outbox.find(id);
    EXPECT_TRUE(row.has_value() && *row && (*row)->state == client::OutboxState::receipted);
    return (*row)->exchange.value_or(protocol::ExchangeId{});
  }
  /// What opens a case of its own in `queue`.
  protocol::ExchangeId transmits(Desk& desk, const protocol::ExchangeId& case_id, const std::string& queue) {
    auto form = protocol::Form::from_json(
        R"({"type": "transmission", "vers": "clir", "motif": "personne_et_structure"})", nullptr, nullptr);
    EXPECT_TRUE(form.has_value());
    client::Draft draft = client::draft_of(*form, queue);
    draft.case_id = case_id;
    return sent(desk, draft);
  }
  Outcome<client::OutboxItem> gives(Desk& desk, const protocol::ExchangeId& exchange, const Digest& case_id,
                                    const std::string& queue) {
    client::Outbox outbox(desk.profile, clock_);
    return client::give_access(*desk.session, outbox, exchange, case_id, queue,
                               {protocol::Motif::transmission, {}, {}});
  }
  client::TransferPlan plan(Desk& desk, const protocol::CaseItem& item, const std::string& queue) {
    EXPECT_TRUE(client::Inbox(*desk.session).look().has_value());
    auto out = client::plan_transfer(desk.profile, item, queue, "prefecture-89");
    EXPECT_TRUE(out.has_value()) << why(out);
    return out.has_value() ? std::move(*out) : client::TransferPlan{};
  }
  static protocol::CaseItem item_of(const protocol::ExchangeId& case_id) {
    protocol::CaseItem out = first_case();
    out.case_id = case_id;
    out.transmitted.clear();
    return out;
  }
  /// Another département's GED on this broker, whose member is shown nothing of the communes of this one.
  void add_neighbour() {
    ASSERT_TRUE(world_.draft().add_queue("ged/21", "21", "").has_value());
    ASSERT_TRUE(world_.draft().add_queue("audit/21", "21", "").has_value());
    world_.enrol("ged.21", {protocol::Role::membre_ged}, "police-21", "21", {"ged/21"});
    ASSERT_TRUE(world_.draft().change_seats("secretariat", {"ged/89", "clir/89", "ged/21"}).has_value());
    broker_.publish(world_.sign_version(spring));
  }
  void bend_opened(std::function<void(protocol::Opened&)> lie) {
    broker_.bend = [lie = std::move(lie)](const protocol::Request&, protocol::ReplyBody& reply) {
      if (auto* opened = std::get_if<protocol::Opened>(&reply)) lie(*opened);
    };
  }
  Outcome<client::OpenedExchange> opened(Desk& desk, const protocol::ExchangeId& id) {
    return client::open_exchange(*desk.session, id, {protocol::Motif::evaluation, {}, {}});
  }
};

TEST_F(TransferTest, WhatIsLackingIsPassedOnAndTheNextTimeOnlyWhatHasComeSince) {
  auto sender = connected("r.bellerive");
  const auto report_id = send_report(*sender, report());
  auto desk = connected("secretariat");
  protocol::CaseItem item = item_of(report_id);
  client::TransferPlan before = plan(*desk, item, "clir/89");
  EXPECT_FALSE(before.linked);
  EXPECT_FALSE(before.under_way);
  ASSERT_EQ(before.lacking.size(), 1U);
  EXPECT_EQ(before.lacking[0].exchange, report_id);

  // Not sent yet, it is not made twice.
  auto form = protocol::Form::from_json(R"({"type": "transmission", "vers": "clir", "motif": "personne_et_structure"})",
                                        nullptr, nullptr);
  client::Draft draft = client::draft_of(*form, "clir/89");
  draft.case_id = report_id;
  auto waiting = client::Outbox(desk->profile, clock_).put(draft, desk->keys);
  ASSERT_TRUE(waiting.has_value()) << why(waiting);
  EXPECT_EQ(plan(*desk, item, "clir/89").under_way, waiting->id);
  EXPECT_FALSE(plan(*desk, item, "ged/21").under_way);
  const auto linked = flushed(*desk, waiting->id);
  item.transmitted = {{"clir/89", linked, spring}};

  auto given = gives(*desk, report_id, report_id, "clir/89");
  ASSERT_TRUE(given.has_value()) << why(given);
  EXPECT_TRUE(plan(*desk, item, "clir/89").lacking.empty()) << "what waits in the outbox counts";
  flushed(*desk, given->id);
  const client::TransferPlan after = plan(*desk, item, "clir/89");
  EXPECT_EQ(after.linked, linked);
  EXPECT_TRUE(after.lacking.empty()) << "by its receipt";

  const auto more = adds(*sender, report_id);
  const client::TransferPlan again = plan(*desk, item, "clir/89");
  ASSERT_EQ(again.lacking.size(), 1U);
  EXPECT_EQ(again.lacking[0].exchange, more);
}

TEST_F(TransferTest, AColleaguesAccessPartCountsWhereItIsShown) {
  auto sender = connected("r.bellerive");
  const auto report_id = send_report(*sender, report());
  auto desk = connected("secretariat");
  const auto linked = transmits(*desk, report_id, "clir/89");
  auto given = gives(*desk, report_id, report_id, "clir/89");
  ASSERT_TRUE(given.has_value()) << why(given);
  flushed(*desk, given->id);
  // The same member at another desk, who sits in the CLIR too.
  auto elsewhere = connected("secretariat");
  protocol::CaseItem item = item_of(report_id);
  item.transmitted = {{"clir/89", linked, spring}};
  EXPECT_TRUE(plan(*elsewhere, item, "clir/89").lacking.empty());
}

TEST_F(TransferTest, TheOtherInstanceReadsWhatStandsInNoQueueOfItsOwn) {
  const protocol::Form form = report();
  const auto report_id = somebody_sends("r.bellerive", form);
  auto desk = connected("secretariat");
  const auto linked = transmits(*desk, report_id, "clir/89");
  auto reader = connected("clir.un");
  EXPECT_FAILS_WITH(opened(*reader, report_id), Code::forbidden);
  auto given = gives(*desk, report_id, report_id, "clir/89");
  ASSERT_TRUE(given.has_value()) << why(given);
  const auto access = flushed(*desk, given->id);

  ASSERT_TRUE(client::Inbox(*reader->session).look().has_value());
  auto leads_to = client::opens(reader->profile, access);
  ASSERT_TRUE(leads_to.has_value());
  EXPECT_EQ(*leads_to, report_id);
  EXPECT_EQ(*client::opens(reader->profile, linked), linked);
  auto read = opened(*reader, *leads_to);
  ASSERT_TRUE(read.has_value()) << why(read);
  EXPECT_EQ(read->form, form);
  EXPECT_EQ(read->content.address.sender, "r.bellerive");
  EXPECT_EQ(read->sender_status, client::SenderStatus::current);
  EXPECT_FALSE(read->content.vouched);
  ASSERT_TRUE(read->content.way_in);
  EXPECT_EQ(read->content.way_in->sender, "secretariat");
  EXPECT_EQ(read->content.way_in->queue, "clir/89");
  EXPECT_EQ(read->case_id, linked) << "under the number the case has there";
}

TEST_F(TransferTest, ASenderTheDirectoryDoesNotShowIsVouchedForByWhoPassedItOn) {
  add_neighbour();
  const auto report_id = somebody_sends("r.bellerive", report());
  auto desk = connected("secretariat");
  transmits(*desk, report_id, "ged/21");
  auto given = gives(*desk, report_id, report_id, "ged/21");
  ASSERT_TRUE(given.has_value()) << why(given);
  flushed(*desk, given->id);
  auto reader = connected("ged.21");
  ASSERT_EQ(reader->session->directory().member("r.bellerive"), nullptr);
  auto read = opened(*reader, report_id);
  ASSERT_TRUE(read.has_value()) << why(read);
  EXPECT_TRUE(read->content.vouched);
  EXPECT_EQ(read->sender_status, client::SenderStatus::vouched);
  EXPECT_EQ(read->content.sender_label, "");
  EXPECT_EQ(read->content.way_in->sender, "secretariat");
  EXPECT_TRUE(read->warnings.empty());
}

TEST_F(TransferTest, P5NobodyVouchesForAHeaderThatIsNotTheOneNamedOrNotSigned) {
  add_neighbour();
  const auto report_id = somebody_sends("r.bellerive", report());
  const auto other_id = somebody_sends("r.clairval", report("Sombreval"));
  auto desk = connected("secretariat");
  transmits(*desk, report_id, "ged/21");
  transmits(*desk, other_id, "ged/21");
  for (const auto& id : {report_id, other_id}) {
    auto given = gives(*desk, id, id, "ged/21");
    ASSERT_TRUE(given.has_value()) << why(given);
    flushed(*desk, given->id);
  }
  auto reader = connected("ged.21");
  std::optional<protocol::Opened> other;
  bend_opened([&](protocol::Opened& reply) { other = reply; });
  ASSERT_TRUE(opened(*reader, other_id).has_value());
  ASSERT_TRUE(other->header);

  bend_opened([](protocol::Opened& reply) { reply.header.reset(); });
  EXPECT_FAILS_WITH(opened(*reader, report_id), LocalCode::address_mismatch);
  bend_opened([&](protocol::Opened& reply) { reply.header = other->header; });
  EXPECT_FAILS_WITH(opened(*reader, report_id), LocalCode::address_mismatch);
  bend_opened([](protocol::Opened& reply) { reply.header->signature[5] ^= 1; });
  EXPECT_FAILS_WITH(opened(*reader, report_id), LocalCode::sender_unproven);
  bend_opened([&](protocol::Opened& reply) { reply.access = other->access; });
  EXPECT_FAILS_WITH(opened(*reader, report_id), LocalCode::sender_unproven) << "who is vouched for is another";
  bend_opened([](protocol::Opened& reply) { reply.access[0].signature[5] ^= 1; });
  EXPECT_FAILS_WITH(opened(*reader, report_id), LocalCode::sender_unproven) << "and nobody unproven vouches";
}

TEST_F(TransferTest, P5InItsOwnQueueASenderIsShownOrUnproven) {
  // A newcomer is let in by a colleague; the broker leaves the sender's entry out, so that the colleague's word would
  // stand for it.
  const auto report_id = somebody_sends("r.bellerive", report());
  world_.enrol("ged.trois", {protocol::Role::membre_ged}, "douanes-89", "89", {"ged/89"});
  broker_.publish(world_.sign_version(spring));
  auto giver = connected("ged.un");
  auto given = gives(*giver, report_id, report_id, "ged/89");
  ASSERT_TRUE(given.has_value()) << why(given);
  flushed(*giver, given->id);
  auto newcomer = connected("ged.trois");
  auto read = opened(*newcomer, report_id);
  ASSERT_TRUE(read.has_value()) << why(read);
  EXPECT_FALSE(read->content.vouched);

  const client::KnownDirectory& whole = newcomer->session->directory();
  std::vector<client::ProvenEntry> entries;
  for (const client::ProvenEntry& each : whole.entries())
    if (protocol::decode_entry(each.entry)->id != "r.bellerive") entries.push_back(each);
  ASSERT_LT(entries.size(), whole.entries().size());
  auto bare = client::KnownDirectory::build(whole.verified(), entries);
  ASSERT_TRUE(bare.has_value()) << why(bare);
  std::optional<protocol::Opened> reply;
  bend_opened([&](protocol::Opened& seen) { reply = seen; });
  ASSERT_TRUE(opened(*newcomer, report_id).has_value());
  EXPECT_FAILS_WITH(client::verify_opened(*reply, report_id, std::nullopt, newcomer->keys,
                                          newcomer->session->invitation(), *bare, newcomer->session->release(), {}),
                    LocalCode::sender_unproven);
}

TEST_F(TransferTest, P8WhatPassesACaseOnIsReceiptedUnderTheConditionsOfTheCaseAndNoOthers) {
  for (const auto& [recorded, believed] : std::vector<std::pair<std::string, bool>>{
           {"-", true}, {"no-copy-to:douanes-89", true}, {"no-copy-to:police-89", false}, {"ged-only", false}}) {
    auto sender = connected("r.bellerive");
    client::Draft draft = client::draft_of(report(), "ged/89");
    draft.handling = {"no-copy-to:douanes-89"};
    const auto report_id = sent(*sender, draft);
    auto desk = connected("secretariat");
    ASSERT_TRUE(client::Inbox(*desk->session).look().has_value());
    broker_.bend = [&, other = recorded](const protocol::Request&, protocol::ReplyBody& reply) {
      auto* accepted = std::get_if<protocol::Accepted>(&reply);
      if (accepted == nullptr) return;
      audit::Record record = broker_.record(accepted->proof.index.value);
      std::vector<std::string_view> shown;
      for (audit::Field& each : record.fields) {
        if (each.name == "handling") each.value = to_bytes(other);
        if (each.name != "number" && each.name != "head" && each.name != "recipients") shown.push_back(each.name);
      }
      accepted->proof = broker_.prove(broker_.add_record(audit::LeafType::transfert, record), shown);
    };
    auto form = protocol::Form::from_json(
        R"({"type": "transmission", "vers": "clir", "motif": "personne_et_structure"})", nullptr, nullptr);
    client::Draft passing = client::draft_of(*form, "clir/89");
    passing.case_id = report_id;
    client::Outbox outbox(desk->profile, clock_);
    ASSERT_TRUE(outbox.put(passing, desk->keys).has_value());
    auto flushed = outbox.flush(*desk->session);
    broker_.bend = {};
    ASSERT_TRUE(flushed.has_value()) << why(flushed);
    EXPECT_EQ(!flushed->stopped.has_value(), believed) << recorded;
  }
}

TEST_F(TransferTest, NothingIsReadForAQueueThatNobodyCouldReadItIn) {
  const auto report_id = somebody_sends("r.bellerive", report());
  auto desk = connected("secretariat");
  const TreeSize before = broker_.size();
  EXPECT_FAILS_WITH(gives(*desk, report_id, report_id, "ged/21"), LocalCode::queue_unknown);
  EXPECT_EQ(broker_.size(), before);
}

TEST_F(TransferTest, WhatWasGivenUnderALinkedCaseThatEndedIsGivenAnewUnderTheNextOne) {
  auto sender = connected("r.bellerive");
  const auto report_id = send_report(*sender, report());
  auto desk = connected("secretariat");
  protocol::CaseItem item = item_of(report_id);
  item.transmitted = {{"clir/89", transmits(*desk, report_id, "clir/89"), clock_.now()}};
  auto given = gives(*desk, report_id, report_id, "clir/89");
  ASSERT_TRUE(given.has_value()) << why(given);
  flushed(*desk, given->id);
  EXPECT_TRUE(plan(*desk, item, "clir/89").lacking.empty());
  item.transmitted.clear();  // erased there: the broker names it no more
  EXPECT_EQ(plan(*desk, item, "clir/89").lacking.size(), 1U);

  clock_.advance(std::chrono::milliseconds(1));
  item.transmitted = {{"clir/89", transmits(*desk, report_id, "clir/89"), clock_.now()}};
  EXPECT_EQ(plan(*desk, item, "clir/89").lacking.size(), 1U) << "neither by its receipt nor by its header";
  auto again = gives(*desk, report_id, report_id, "clir/89");
  ASSERT_TRUE(again.has_value()) << why(again);
  const client::TransferPlan between = plan(*desk, item, "clir/89");
  EXPECT_TRUE(between.lacking.empty());
  EXPECT_EQ(between.waiting, (std::vector<std::int64_t>{again->id}));
  flushed(*desk, again->id);
  const client::TransferPlan after = plan(*desk, item, "clir/89");
  EXPECT_TRUE(after.lacking.empty());
  EXPECT_TRUE(after.waiting.empty());
}

TEST_F(TransferTest, WhatWasGivenUnderAnotherCaseThatWasPassedOnToTheSameQueueDoesNotCount) {
  auto sender = connected("r.bellerive");
  const auto report_id = send_report(*sender, report());
  const auto other_id = send_report(*sender, report("Sombreval"));
  auto desk = connected("secretariat");
  protocol::CaseItem item = item_of(report_id);
  item.transmitted = {{"clir/89", transmits(*desk, report_id, "clir/89"), clock_.now()}};
  auto given = gives(*desk, report_id, other_id, "clir/89");
  ASSERT_TRUE(given.has_value()) << why(given);
  EXPECT_EQ(plan(*desk, item, "clir/89").lacking.size(), 1U) << "while it waits";
  flushed(*desk, given->id);
  EXPECT_EQ(plan(*desk, item, "clir/89").lacking.size(), 1U) << "nor once it is receipted";
}

TEST_F(TransferTest, WhatWaitsOrWasRefusedIsNotSaidToBePassedOn) {
  auto sender = connected("r.bellerive");
  const auto report_id = send_report(*sender, report());
  auto desk = connected("secretariat");
  transmits(*desk, report_id, "clir/89");
  client::Outbox outbox(desk->profile, clock_);
  auto first = gives(*desk, report_id, report_id, "clir/89");
  ASSERT_TRUE(first.has_value()) << why(first);
  flushed(*desk, first->id);
  auto second = gives(*desk, report_id, report_id, "clir/89");
  ASSERT_TRUE(second.has_value()) << why(second);
  const std::vector<std::int64_t> both{first->id, second->id};
  auto now = client::passed_on(outbox, both);
  ASSERT_TRUE(now.has_value());
  EXPECT_EQ(std::tie(now->receipted, now->waiting, now->refused), std::make_tuple(1U, 1U, 0U));
  broker_.refuse_submit = [](const protocol::Address&) -> std::optional<protocol::Refusal> {
    return protocol::Refusal{Code::forbidden, "interdit.copie", 0};
  };
  ASSERT_TRUE(outbox.flush(*desk->session).has_value());
  now = client::passed_on(outbox, both);
  ASSERT_TRUE(now.has_value());
  EXPECT_EQ(std::tie(now->receipted, now->waiting, now->refused), std::make_tuple(1U, 0U, 1U));
}

TEST_F(TransferTest, WhoSitsThereOfTheSendersOwnOfficeIsNamedToTheSecretariat) {
  const auto there = [&](const char* organisation, const char* queue, UnixMillis at = spring) {
    auto desk = connected("secretariat");
    return client::seated_there(desk->session->directory(), organisation, queue, at);
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(there("bellerive", "clir/89"), Names());
  EXPECT_EQ(there("", "clir/89"), Names());
  world_.enrol("m.double", {protocol::Role::maire, protocol::Role::membre_clir}, "bellerive", "89024", {"clir/89"});
  broker_.publish(world_.sign_version(spring));
  EXPECT_EQ(there("bellerive", "clir/89"), Names{"m.double"});
  EXPECT_EQ(there("bellerive", "ged/89"), Names());
  EXPECT_EQ(there("clairval", "clir/89"), Names());
}

TEST_F(TransferTest, P5OfAnotherDepartementsReportNobodyButASecretariatVouches) {
  add_neighbour();
  world_.enrol("ged.21.deux", {protocol::Role::membre_ged}, "gendarmerie-21", "21", {"ged/21"});
  broker_.publish(world_.sign_version(spring));
  const auto report_id = somebody_sends("r.bellerive", report());
  auto desk = connected("secretariat");
  transmits(*desk, report_id, "ged/21");
  auto given = gives(*desk, report_id, report_id, "ged/21");
  ASSERT_TRUE(given.has_value()) << why(given);
  flushed(*desk, given->id);
  // A colleague of the reader's, whom the directory does show.
  auto colleague = connected("ged.21.deux");
  auto his = gives(*colleague, report_id, report_id, "ged/21");
  ASSERT_TRUE(his.has_value()) << why(his);
  const auto part = flushed(*colleague, his->id);
  auto reader = connected("ged.21");
  EXPECT_TRUE(opened(*reader, report_id).has_value()) << "the secretariat vouches beside him";
  bend_opened([&](protocol::Opened& reply) {
    const auto others = std::remove_if(reply.access.begin(), reply.access.end(),
                                       [&](const protocol::AccessPart& each) { return each.exchange != part; });
    reply.access.erase(others, reply.access.end());
  });
  EXPECT_FAILS_WITH(opened(*reader, report_id), LocalCode::sender_unproven);
}

TEST_F(TransferTest, P5WhoWasRevokedOrOutOfHisTermWhenThePartWasAcceptedDoesNotVouch) {
  add_neighbour();
  const auto report_id = somebody_sends("r.bellerive", report());
  auto desk = connected("secretariat");
  transmits(*desk, report_id, "ged/21");
  auto given = gives(*desk, report_id, report_id, "ged/21");
  ASSERT_TRUE(given.has_value()) << why(given);
  const auto part = flushed(*desk, given->id);
  auto reader = connected("ged.21");
  std::optional<protocol::Opened> reply;
  bend_opened([&](protocol::Opened& seen) { reply = seen; });
  auto read = opened(*reader, report_id);
  ASSERT_TRUE(read.has_value()) << why(read);
  EXPECT_TRUE(read->warnings.empty());

  ASSERT_TRUE(world_.draft().revoke("secretariat", spring + std::chrono::hours(1)).has_value());
  broker_.publish(world_.sign_version(spring));
  ASSERT_TRUE(reader->session->refresh().has_value());
  const client::KnownDirectory& directory = reader->session->directory();
  const protocol::Member* signer = directory.member("secretariat");
  ASSERT_NE(signer, nullptr);
  const auto verified = [&](const client::Arrivals& arrivals) {
    return client::verify_opened(*reply, report_id, std::nullopt, reader->keys, reader->session->invitation(),
                                 directory, reader->session->release(), arrivals);
  };
  const auto accepted = [&](UnixMillis at) {
    return client::Arrivals{{part, {at, client::SenderStatus::current, std::nullopt}}};
  };
  EXPECT_TRUE(verified(accepted(*signer->revoked_at - std::chrono::milliseconds(1))).has_value());
  EXPECT_FAILS_WITH(verified(accepted(*signer->revoked_at)), LocalCode::sender_unproven);
  EXPECT_FAILS_WITH(verified(accepted(signer->not_before - std::chrono::milliseconds(1))), LocalCode::sender_unproven);
  EXPECT_FAILS_WITH(verified({}), LocalCode::sender_unproven) << "a part that stands in no queue of the reader's";
}

TEST_F(TransferTest, P5NobodyVouchesInAQueueTheReaderDoesNotSitIn) {
  add_neighbour();
  const auto report_id = somebody_sends("r.bellerive", report());
  auto desk = connected("secretariat");
  transmits(*desk, report_id, "ged/21");
  auto given = gives(*desk, report_id, report_id, "ged/21");
  ASSERT_TRUE(given.has_value()) << why(given);
  const auto part = flushed(*desk, given->id);
  auto reader = connected("ged.21");
  std::optional<protocol::Opened> reply;
  bend_opened([&](protocol::Opened& seen) { reply = seen; });
  ASSERT_TRUE(opened(*reader, report_id).has_value());
  ASSERT_TRUE(world_.draft().add_queue("clir/21", "21", "").has_value());
  ASSERT_TRUE(world_.draft().change_seats("ged.21", {"clir/21"}).has_value());
  broker_.publish(world_.sign_version(spring));
  ASSERT_TRUE(reader->session->refresh().has_value());
  const client::Arrivals arrivals{{part, {spring, client::SenderStatus::current, std::nullopt}}};
  EXPECT_FAILS_WITH(client::verify_opened(*reply, report_id, std::nullopt, reader->keys, reader->session->invitation(),
                                          reader->session->directory(), reader->session->release(), arrivals),
                    LocalCode::sender_unproven);
}

TEST_F(TransferTest, P5WhatWasProvenWhenItCameStaysReadableOnceWhoPassedItOnIsShownNoMore) {
  add_neighbour();
  ASSERT_TRUE(world_.draft().change_seats("secretariat", {"ged/89", "clir/89"}).has_value());
  broker_.publish(world_.sign_version(spring));
  const auto report_id = somebody_sends("r.bellerive", report());
  auto desk = connected("secretariat");
  transmits(*desk, report_id, "ged/21");
  auto given = gives(*desk, report_id, report_id, "ged/21");
  ASSERT_TRUE(given.has_value()) << why(given);
  flushed(*desk, given->id);
  auto reader = connected("ged.21");
  ASSERT_TRUE(client::Inbox(*reader->session).look().has_value());
  ASSERT_TRUE(world_.draft().change_seats("secretariat", {}).has_value());
  broker_.publish(world_.sign_version(spring));
  ASSERT_TRUE(reader->session->refresh().has_value());
  ASSERT_EQ(reader->session->directory().member("secretariat"), nullptr);
  auto read = opened(*reader, report_id);
  ASSERT_TRUE(read.has_value()) << why(read);
  EXPECT_TRUE(read->content.vouched);
  EXPECT_EQ(read->content.way_in->sender, "secretariat");

  // An unknown key gains nothing by it: what this profile did not prove when it came is not proven now.
  auto late = connected("ged.21");
  EXPECT_FAILS_WITH(opened(*late, report_id), LocalCode::sender_unproven);
}

}  // namespace
}  // namespace pli::testing
