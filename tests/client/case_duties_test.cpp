#include "client/case_duties.hpp"

#include <algorithm>

#include "base/paris_time.hpp"
#include "client/case_list.hpp"
#include "tests/client/sitting.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;
using client::CaseDuties;
using client::KnownAct;
using protocol::Deadline;
using protocol::Duty;
using protocol::DutyState;

constexpr std::chrono::milliseconds day = 24h;

const Deadline& find(const CaseDuties& duties, Duty duty) {
  const auto found = std::find_if(duties.deadlines.begin(), duties.deadlines.end(),
                                  [&](const Deadline& each) { return each.duty == duty; });
  EXPECT_NE(found, duties.deadlines.end()) << protocol::text_of(duty);
  return *found;
}

class CaseDutiesTest : public Sitting {
 protected:
  /// What a member sees of the cases there are.
  struct Seen {
    std::vector<protocol::CaseItem> cases;
    std::vector<KnownAct> acts;
  };
  Seen look(Desk& desk) {
    Seen seen;
    auto cases = client::list_cases(*desk.session);
    EXPECT_TRUE(cases.has_value()) << why(cases);
    auto looked = client::Inbox(*desk.session).look();
    EXPECT_TRUE(looked.has_value()) << why(looked);
    auto acts = client::known_acts(desk.profile);
    EXPECT_TRUE(acts.has_value()) << why(acts);
    if (cases && acts) seen = {*std::move(cases), *std::move(acts)};
    return seen;
  }
  std::vector<CaseDuties> duties(const Desk& desk, const Seen& seen, UnixMillis now) {
    return client::duties_of(seen.cases, seen.acts, desk.session->directory(), now);
  }
};

TEST_F(CaseDutiesTest, AMembersDutiesBeginAtTheLeafThatTheLogProves) {
  const auto id = somebody_sends("r.bellerive", report());
  auto desk = connected("ged.un");
  Seen seen = look(*desk);
  ASSERT_EQ(seen.cases.size(), 1U);
  EXPECT_FALSE(find(duties(*desk, seen, spring)[0], Duty::premiere_lecture).started.leaf) << "the broker's word";
  auto proven = client::prove_acts(*desk->session, seen.acts);
  ASSERT_TRUE(proven.has_value()) << why(proven);
  const CaseDuties own = duties(*desk, seen, spring)[0];
  EXPECT_EQ(own.item.case_id, id);
  const Deadline& reading = find(own, Duty::premiere_lecture);
  ASSERT_TRUE(reading.started.leaf);
  EXPECT_EQ(reading.started.at, spring);
  EXPECT_EQ(reading.state, DutyState::running);
  EXPECT_EQ(find(duties(*desk, seen, reading.due)[0], Duty::premiere_lecture).state, DutyState::late);
  EXPECT_TRUE(client::needs_somebody(find(duties(*desk, seen, reading.due)[0], Duty::premiere_lecture), reading.due));
}

TEST_F(CaseDutiesTest, ALinkedCaseIsOwedFromWhatPassedItOnAndNothingOfItCountsForTheFirst) {
  protocol::Contract contract = *world_.draft().directory().contract();
  contract.engagements = {"accuse_de_reception 1"};
  ASSERT_TRUE(world_.draft().change_contract(contract).has_value());
  broker_.publish(world_.sign_version(spring));
  auto desk = connected("secretariat");
  const auto act = [](std::uint8_t exchange, std::uint8_t case_number, protocol::Kind kind, const char* queue,
                      UnixMillis at) {
    KnownAct out;
    out.exchange[0] = exchange;
    out.case_id[0] = case_number;
    out.kind = static_cast<std::uint16_t>(kind);
    out.sender = "secretariat";
    out.queue = queue;
    out.created_at = at;
    out.accepted.at = at;
    return out;
  };
  Seen seen;
  seen.acts = {act(1, 1, protocol::Kind::signalement_individuel, "ged/89", spring),
               act(2, 1, protocol::Kind::transmission, "clir/89", spring + day),
               act(3, 1, protocol::Kind::acces, "clir/89", spring + day),
               act(4, 2, protocol::Kind::decision, "clir/89", spring + 3 * day),
               act(5, 2, protocol::Kind::retour, "ged/89", spring + 4 * day)};
  protocol::CaseItem first;
  first.case_id[0] = 1;
  first.kind = static_cast<std::uint16_t>(protocol::Kind::signalement_individuel);
  first.queue = "ged/89";
  first.state = "recu";
  first.opened_at = spring;
  first.transmitted = {{"clir/89", {}, spring + day}};
  first.transmitted[0].case_id[0] = 2;
  protocol::CaseItem linked;
  linked.case_id[0] = 2;
  linked.kind = static_cast<std::uint16_t>(protocol::Kind::transmission);
  linked.queue = "clir/89";
  linked.state = "retour_effectue";
  linked.opened_at = spring + 2 * day;  // less than the header says
  linked.origin = first.case_id;
  linked.origin_queue = "ged/89";
  linked.read = true;
  seen.cases = {first, linked};
  for (const CaseDuties& each : duties(*desk, seen, spring + 5 * day)) {
    const bool is_linked = each.item.case_id == linked.case_id;
    const Deadline& reading = find(each, Duty::premiere_lecture);
    EXPECT_EQ(reading.started.at, is_linked ? spring + day : spring);
    // Its decision shows that it was read; what passed the first one on is no reading of the second.
    EXPECT_EQ(reading.state, is_linked ? DutyState::kept : DutyState::running);
    EXPECT_EQ(find(each, Duty::decision).state, is_linked ? DutyState::kept : DutyState::running);
    if (is_linked) {
      EXPECT_EQ(find(each, Duty::retour).state, DutyState::kept);
    }
    const auto receipts = std::count_if(each.deadlines.begin(), each.deadlines.end(),
                                        [](const Deadline& one) { return one.duty == Duty::accuse_de_reception; });
    EXPECT_EQ(receipts, is_linked ? 0 : 1);
  }
}

TEST_F(CaseDutiesTest, AProofOfSomethingElseProvesNothing) {
  const auto first = somebody_sends("r.bellerive", report());
  somebody_sends("r.clairval", report());
  auto desk = connected("ged.un");
  Seen seen = look(*desk);
  broker_.instead = [&](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    const auto* prove = std::get_if<protocol::Prove>(&request.body);
    if (prove == nullptr || prove->exchange == first) return std::nullopt;
    return broker_.handle(desk->keys.current.public_identity().curve, {1, protocol::Prove{first}});
  };
  EXPECT_FAILS_WITH(client::prove_acts(*desk->session, seen.acts), LocalCode::receipt_invalid);
}

TEST_F(CaseDutiesTest, WhatIsErasedFromTheJournalStaysTheBrokersWord) {
  somebody_sends("r.bellerive", report());
  auto desk = connected("ged.un");
  Seen seen = look(*desk);
  broker_.instead = [](const protocol::Request& request) -> std::optional<protocol::ReplyBody> {
    if (!std::holds_alternative<protocol::Prove>(request.body)) return std::nullopt;
    return protocol::Refusal{Code::erased, "journal", 0};
  };
  ASSERT_TRUE(client::prove_acts(*desk->session, seen.acts).has_value());
  EXPECT_FALSE(find(duties(*desk, seen, spring)[0], Duty::premiere_lecture).started.leaf);
}

TEST_F(CaseDutiesTest, ItsSenderProvesItByItsReceiptWithoutAConnection) {
  auto sender = connected("r.bellerive");
  const auto id = send_report(*sender, report());
  auto acts = client::known_acts(sender->profile);
  ASSERT_TRUE(acts.has_value()) << why(acts);
  ASSERT_EQ(acts->size(), 1U);
  EXPECT_EQ((*acts)[0].exchange, id);
  EXPECT_TRUE((*acts)[0].accepted.leaf);
  EXPECT_EQ((*acts)[0].accepted.at, spring);
}

TEST_F(CaseDutiesTest, AnUrgentCaseNobodyOpenedComesFirstWithOneNameOnEveryScreen) {
  somebody_sends("r.bellerive", report());
  clock_.advance(1h);
  const auto urgent = somebody_sends("r.clairval", report());
  auto one = connected("ged.un");
  auto two = connected("secretariat");
  const auto seen_by = [&](Desk& desk) {
    Seen seen = look(desk);
    for (protocol::CaseItem& item : seen.cases)
      if (item.case_id == urgent) item.urgency = static_cast<std::uint8_t>(protocol::Urgency::urgente);
    return seen;
  };
  Seen seen = seen_by(*one);
  const Seen other = seen_by(*two);
  const auto escalates = [&] {
    for (const CaseDuties& each : duties(*one, seen, spring))
      if (each.item.case_id == urgent) return find(each, Duty::premiere_lecture).escalates;
    return UnixMillis{};
  }();
  ASSERT_NE(escalates, UnixMillis{});
  EXPECT_FALSE(duties(*one, seen, escalates - 1ms)[0].escalated(escalates - 1ms));
  const CaseDuties first = duties(*one, seen, escalates)[0];
  EXPECT_EQ(first.item.case_id, urgent);
  EXPECT_TRUE(first.escalated(escalates));
  EXPECT_TRUE(first.called == "ged.un" || first.called == "ged.deux") << "not the secretariat: " << first.called;
  EXPECT_EQ(duties(*two, other, escalates)[0].called, first.called);
  EXPECT_EQ(duties(*one, seen, escalates)[1].called, "");

  KnownAct recusal;
  recusal.exchange[0] = 1;
  recusal.case_id = urgent;
  recusal.kind = static_cast<std::uint16_t>(protocol::Kind::recusation);
  recusal.sender = first.called;
  seen.acts.push_back(recusal);
  EXPECT_EQ(duties(*one, seen, escalates)[0].called, first.called == "ged.un" ? "ged.deux" : "ged.un");

  for (protocol::CaseItem& item : seen.cases) item.read = true;
  EXPECT_FALSE(duties(*one, seen, escalates)[0].escalated(escalates));
  for (const CaseDuties& each : duties(*one, seen, escalates))
    EXPECT_EQ(find(each, Duty::premiere_lecture).state, DutyState::done) << "and nobody told when";
}

TEST_F(CaseDutiesTest, AStepOfTheInstanceAloneIsSaidToHaveBeenTakenWithoutADate) {
  somebody_sends("r.bellerive", report());
  auto desk = connected("ged.un");
  Seen seen = look(*desk);
  seen.cases[0].state = "decide";
  seen.cases[0].read = true;
  EXPECT_EQ(find(duties(*desk, seen, spring)[0], Duty::decision).state, DutyState::done);
  KnownAct decision;
  decision.exchange[0] = 1;
  decision.case_id = seen.cases[0].case_id;
  decision.kind = static_cast<std::uint16_t>(protocol::Kind::decision);
  decision.accepted = {spring + 3 * day, protocol::LogPlace{"2026-1", {40}}};
  seen.acts.push_back(decision);
  CaseDuties own = duties(*desk, seen, spring + 4 * day)[0];
  EXPECT_EQ(find(own, Duty::decision).state, DutyState::kept);
  EXPECT_EQ(find(own, Duty::premiere_lecture).state, DutyState::kept) << "no decision without an opening";
  EXPECT_EQ(find(own, Duty::premiere_lecture).ended->leaf->leaf.value, 40U);
  EXPECT_EQ(find(own, Duty::retour).state, DutyState::running);
  seen.cases[0].answered_at = find(own, Duty::retour).due;
  EXPECT_EQ(find(duties(*desk, seen, spring + 90 * day)[0], Duty::retour).state, DutyState::done)
      << "shown too late, and given nobody knows when";
  seen.cases[0].answered_at = find(own, Duty::retour).due - 1ms;
  EXPECT_EQ(find(duties(*desk, seen, spring + 90 * day)[0], Duty::retour).state, DutyState::kept);
  seen.cases[0].state = "efface";
  EXPECT_TRUE(duties(*desk, seen, spring).empty());
}

TEST_F(CaseDutiesTest, ACollectiviteIsToldOneDutyWhateverTheInstanceDid) {
  auto sender = connected("r.bellerive");
  send_report(*sender, report());
  Seen seen = look(*sender);
  ASSERT_EQ(seen.cases.size(), 1U);
  seen.cases[0].commune = true;
  const UnixMillis now = spring + 100 * day;
  const std::vector<Deadline> before = duties(*sender, seen, now)[0].deadlines;
  ASSERT_EQ(before.size(), 1U);
  EXPECT_EQ(before[0].duty, Duty::examen);
  EXPECT_TRUE(before[0].started.leaf);
  for (const char* state : {"en_cours_d_examen", "complement_demande"}) {
    seen.cases[0].state = state;
    seen.cases[0].updated_at = now;
    EXPECT_EQ(duties(*sender, seen, now)[0].deadlines, before) << state;
  }
  EXPECT_EQ(duties(*sender, seen, before[0].due)[0].deadlines[0].state, DutyState::late);
  seen.cases[0].state = "examen_termine";
  EXPECT_EQ(duties(*sender, seen, now)[0].deadlines[0].state, DutyState::done);
  KnownAct answer;
  answer.exchange[0] = 1;
  answer.case_id = seen.cases[0].case_id;
  answer.kind = static_cast<std::uint16_t>(protocol::Kind::retour);
  answer.accepted = {now, protocol::LogPlace{"2026-1", {50}}};
  seen.acts.push_back(answer);
  EXPECT_EQ(duties(*sender, seen, now)[0].deadlines[0].state, DutyState::kept);
}

}  // namespace
}  // namespace pli::testing
