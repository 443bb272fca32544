// A retour waits for its hour: until then, whatever its collectivité asks, it is answered as if nothing had been sent.
#include <map>

#include "protocol/retention.hpp"
#include "tests/broker/core_fixture.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;
using protocol::Kind;

/// The department begins on a Monday of January at 9:00, Paris time.
const UnixMillis five_o_clock = monday_morning + 8h;

class Withheld : public CoreTest {
 protected:
  Withheld() : CoreTest(small(), [](broker::CoreSettings& out) { out.retour_hour = 17; }) {}

  std::string home() const { return department.organisation_queue("referent.auxerre"); }
  Digest decided() {
    const Digest report = accept({}).id;
    EXPECT_EQ(refusal_in(open("secretariat", report)), "");
    decide(report);
    return report;
  }
  Sealed retour(const Digest& report) { return accept(step(Kind::retour, "secretariat", home(), report)); }

  /// Everything that it can ask about its cases and its queue, and about that exchange in particular.
  std::vector<std::string> answers(const std::string& member, const Digest& report, const Digest& exchange) {
    std::vector<std::string> out;
    const auto say = [&](const std::string& name, const std::string& text) { out.push_back(name + ": " + text); };
    const auto listed = house.ask(member, protocol::List{home(), {}, 64});
    if (const auto* items = std::get_if<protocol::Items>(&listed)) {
      say("list", std::to_string(items->head.number.value) + " " + to_hex(items->head.head) + " more " +
                      std::to_string(items->more) + " acknowledged " + std::to_string(items->acknowledged.value));
      for (const protocol::QueueItem& item : items->items) say("item", to_hex(item.exchange));
    } else {
      say("list", refusal_in(listed));
    }
    const auto cases = house.ask(member, protocol::ListCases{});
    for (const protocol::CaseItem& item : std::get<protocol::Cases>(cases).items)
      if (item.case_id == report)
        say("case", item.state + " " + std::to_string(item.updated_at.value) + " " + std::to_string(item.exchanges) +
                        " " + std::to_string(item.term.value) + " " + std::to_string(item.noticed));
    say("acknowledge", refusal_in(house.ask(member, protocol::Acknowledge{home(), {1}})));
    say("open", refusal_in(open(member, exchange)));
    say("prove", refusal_in(house.ask(member, protocol::Prove{exchange})));
    say("certificate", refusal_in(house.ask(member, protocol::Prove{exchange, std::nullopt, {}, false, true})));
    Draft answer = step(Kind::complement, member, "ged/89", report);
    answer.in_reply_to = exchange;
    say("reply", refusal_in(submit(department.seal(answer))));
    return out;
  }
  protocol::CaseItem listed_case(const Digest& report) {
    const auto cases = house.ask("referent.auxerre", protocol::ListCases{});
    for (const protocol::CaseItem& item : std::get<protocol::Cases>(cases).items)
      if (item.case_id == report) return item;
    ADD_FAILURE() << "no such case";
    return {};
  }
  std::size_t shown_to(const std::string& member) {
    const auto reply = house.ask(member, protocol::List{home(), {}, 64});
    EXPECT_EQ(refusal_in(reply), "");
    return std::get<protocol::Items>(reply).items.size();
  }
};

TEST_F(Withheld, P6UntilItsHourItsCollectiviteIsAnsweredAsIfNothingHadBeenSent) {
  const Digest report = decided();
  const Sealed other = department.seal(step(Kind::retour, "secretariat", home(), report));
  for (const char* member : {"referent.auxerre", "maire.auxerre"}) {
    const auto before = answers(member, report, other.id);
    EXPECT_EQ(before[1], "case: en_cours_d_examen " + std::to_string(listed_case(report).updated_at.value) + " 1 0 0");
  }
  std::map<std::string, std::vector<std::string>> before;
  for (const char* member : {"referent.auxerre", "maire.auxerre"}) before[member] = answers(member, report, other.id);
  EXPECT_EQ(refusal_in(submit(other)), "");
  for (const UnixMillis now : {house.now, house.now + 3h, five_o_clock - 1ms}) {
    house.now = now;
    for (const auto& [member, told] : before) EXPECT_EQ(answers(member, report, other.id), told) << member;
    house.tick();
    house.restart();
    for (const auto& [member, told] : before) EXPECT_EQ(answers(member, report, other.id), told) << member;
    expect_whole();
  }
  house.now = five_o_clock;
  EXPECT_EQ(shown_to("referent.auxerre"), 1U);
  const protocol::CaseItem told = listed_case(report);
  EXPECT_EQ(told.state, "examen_termine");
  EXPECT_EQ(told.exchanges, 2U);
  EXPECT_EQ(told.updated_at, five_o_clock);
  EXPECT_NE(told.term, UnixMillis{});
  EXPECT_EQ(refusal_in(open("referent.auxerre", other.id)), "");
  EXPECT_EQ(refusal_in(house.ask("maire.auxerre", protocol::Prove{other.id})), "");
  house.restart();
  EXPECT_EQ(shown_to("maire.auxerre"), 1U);
  expect_whole();
}

TEST_F(Withheld, TheRefusalsAreRecordedUnderTheirRule) {
  const Digest report = decided();
  const Sealed back = retour(report);
  EXPECT_EQ(refusal_in(open("referent.auxerre", back.id)), "NOT_FOUND");
  const JournalLine line = last_line();
  EXPECT_EQ(line.leaf.type, audit::LeafType::refus);
  EXPECT_EQ(line.text("rule"), "interdit.heure");
  EXPECT_EQ(line.text("outcome"), "NOT_FOUND");
}

TEST_F(Withheld, ItsSenderIsReceiptedAtOnceAndReadsInTheReceiptWhenItIsShown) {
  const Digest report = decided();
  const Sealed back = department.seal(step(Kind::retour, "secretariat", home(), report));
  const auto reply = submit(back);
  ASSERT_EQ(refusal_in(reply), "");
  const audit::Receipt receipt = verified(std::get<protocol::Accepted>(reply).proof);
  const Bytes* shown = receipt.record.find("shown");
  ASSERT_NE(shown, nullptr);
  EXPECT_EQ(as_text(*shown), std::to_string(five_o_clock.value));
  EXPECT_EQ(refusal_in(house.ask("secretariat", protocol::Prove{back.id})), "");
  // The instance goes on: there was a retour, and the case can be closed.
  accept(step(Kind::cloture, "secretariat", "ged/89", report));
}

TEST_F(Withheld, AcceptedAtTheHourItWaitsForTheNextDays) {
  const Digest report = decided();
  house.now = five_o_clock;
  (void)retour(report);
  EXPECT_EQ(shown_to("referent.auxerre"), 0U);
  house.now = five_o_clock + 24h - 1ms;
  EXPECT_EQ(shown_to("referent.auxerre"), 0U);
  house.now = five_o_clock + 24h;
  EXPECT_EQ(shown_to("referent.auxerre"), 1U);
}

TEST_F(Withheld, WhatIsSentToTheSameQueueAfterItIsShownWithItAndInItsOrder) {
  const Digest report = decided();
  const Digest asked = accept({}).id;
  EXPECT_EQ(refusal_in(open("secretariat", asked)), "");
  const Digest before = accept(step(Kind::demande_de_complement, "secretariat", home(), asked)).id;
  EXPECT_EQ(shown_to("referent.auxerre"), 1U) << "nothing stands before it";
  accept(step(Kind::complement, "referent.auxerre", "ged/89", asked));
  const Digest back = retour(report).id;
  const Digest after = accept(step(Kind::demande_de_complement, "secretariat", home(), asked)).id;
  EXPECT_EQ(shown_to("referent.auxerre"), 1U);
  EXPECT_EQ(refusal_in(open("referent.auxerre", after)), "NOT_FOUND");
  EXPECT_EQ(refusal_in(house.ask("referent.auxerre", protocol::Acknowledge{home(), {2}})), "INVALID(number)");
  house.restart();
  EXPECT_EQ(shown_to("referent.auxerre"), 1U);
  house.now = five_o_clock;
  const auto reply = house.ask("referent.auxerre", protocol::List{home(), {}, 64});
  const auto& items = std::get<protocol::Items>(reply).items;
  ASSERT_EQ(items.size(), 3U);
  EXPECT_EQ(items[0].exchange, before);
  EXPECT_EQ(items[1].exchange, back);
  EXPECT_EQ(items[2].exchange, after);
  EXPECT_EQ(refusal_in(house.ask("referent.auxerre", protocol::Acknowledge{home(), {3}})), "");
}

TEST_F(Withheld, WhoFollowsIsPushedItAtItsHourAndNotBefore) {
  const Digest report = decided();
  const auto pushed = [](const std::vector<broker::Outgoing>& outgoing) {
    std::size_t count = 0;
    for (const broker::Outgoing& each : outgoing)
      if (const auto* push = std::get_if<protocol::Pushed>(&each.reply.body)) count += push->items.size();
    return count;
  };
  std::vector<broker::VerifiedRequest> batch;
  batch.push_back(house.request("referent.auxerre", protocol::Follow{{{home(), {}}}, 10}));
  EXPECT_EQ(pushed(house.apply(std::move(batch))->outgoing), 0U);
  std::vector<broker::VerifiedRequest> answer;
  answer.push_back(
      house.request("secretariat", department.seal(step(Kind::retour, "secretariat", home(), report)).verified()));
  EXPECT_EQ(pushed(house.apply(std::move(answer))->outgoing), 0U);
  EXPECT_FALSE(house.core().behind());
  house.now = five_o_clock;
  EXPECT_EQ(pushed(house.tick().outgoing), 0U);
  EXPECT_TRUE(house.core().behind());
  EXPECT_EQ(pushed(house.core().catch_up(house.now).value()), 1U);
  EXPECT_FALSE(house.core().behind());
}

TEST_F(Withheld, ACheckNamesARowOfAnotherHourAndOneThatIsOfNoRetour) {
  const Digest report = decided();
  (void)retour(report);
  expect_whole();
  broker::CheckOptions options;
  options.log = department.log();
  // The second puts the hour right again.
  for (const char* damage :
       {"UPDATE withheld SET until = until - 1", "UPDATE withheld SET until = until + 1, number = 1"}) {
    SCOPED_TRACE(damage);
    house.close();
    run_sql(house.database(), damage);
    ASSERT_TRUE(house.open().has_value());
    const auto checked = broker::check_store(house.database(), house.keys(), options);
    ASSERT_TRUE(checked.has_value());
    ASSERT_EQ(checked->problems.size(), 1U);
    EXPECT_EQ(checked->problems[0].name, "case.withheld");
  }
}

}  // namespace
}  // namespace pli::testing
