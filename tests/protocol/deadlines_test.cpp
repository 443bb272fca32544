#include "protocol/deadlines.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/paris_time.hpp"

namespace pli::protocol {
namespace {

using namespace std::chrono_literals;

UnixMillis at(const char* day, std::chrono::milliseconds into_it = 15h) {
  return paris_midnight(parse_day(day).value()) + into_it;
}
UnixMillis end_of(const char* day) { return paris_midnight(parse_day(day).value() + std::chrono::days(1)); }
Moment leaf_at(const char* day, std::uint64_t leaf) { return {at(day), LogPlace{"2026-1", {leaf}}}; }
UnixMillis days_from(const char* day, std::uint32_t days) { return late_from(at(day), {days}); }
UnixMillis months_from(const char* day, std::uint32_t months) { return late_from(at(day), {0, months}); }

const Deadline* find(const std::vector<Deadline>& list, Duty duty) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const Deadline& each) { return each.duty == duty; });
  return found == list.end() ? nullptr : &*found;
}

CaseRoad received(const char* day, Urgency urgency = Urgency::normale) {
  CaseRoad road;
  road.urgency = urgency;
  road.received = leaf_at(day, 10);
  return road;
}

TEST(Deadlines, ADelayEndsWithItsLastDayInParisAndTheFirstOneDoesNotCount) {
  EXPECT_EQ(days_from("2026-11-28", 2), end_of("2026-11-30"));
  EXPECT_EQ(late_from(at("2026-11-28", 0ms), {2}), end_of("2026-11-30"));
  EXPECT_EQ(late_from(end_of("2026-11-28") - 1ms, {2}), end_of("2026-11-30"));
  EXPECT_EQ(late_from(end_of("2026-11-28"), {2}), end_of("2026-12-01")) << "one after begins on the next day";
  // Saturday, Sunday, a holiday: no text we have read moves an end that falls on one.
  EXPECT_EQ(days_from("2026-12-23", 2), end_of("2026-12-25"));
}

TEST(Deadlines, ADayOfParisIsNotTwentyFourHoursWhenClocksChange) {
  EXPECT_EQ(days_from("2026-03-28", 1) - at("2026-03-28", 0ms), 47h);
  EXPECT_EQ(days_from("2026-10-24", 1) - at("2026-10-24", 0ms), 49h);
  // Half past midnight in Paris is still yesterday in UTC.
  EXPECT_EQ(late_from(at("2026-07-01", 30min), {1}), end_of("2026-07-02"));
}

TEST(Deadlines, AMonthEndsOnTheSameNumberOrOnItsLastDay) {
  EXPECT_EQ(months_from("2026-07-28", 4), end_of("2026-11-28"));
  EXPECT_EQ(months_from("2026-10-31", 4), end_of("2027-02-28"));
  EXPECT_EQ(months_from("2027-10-31", 4), end_of("2028-02-29"));
  EXPECT_EQ(months_from("2027-10-30", 4), end_of("2028-02-29"));
  EXPECT_EQ(months_from("2026-05-31", 4), end_of("2026-09-30"));
  EXPECT_EQ(months_from("2026-12-01", 4), end_of("2027-04-01")) << "over the end of the year, and into summer time";
  EXPECT_EQ(months_from("2028-02-29", 12), end_of("2029-02-28"));
}

TEST(Deadlines, OfDaysAndMonthsTheSoonerEnds) {
  EXPECT_EQ(late_from(at("2026-01-01"), {120, 4}), end_of("2026-05-01")) << "120 days of a year's first months";
  EXPECT_EQ(late_from(at("2026-02-01"), {120, 4}), end_of("2026-06-01"));
  EXPECT_EQ(late_from(at("2026-02-01"), {121, 4}), end_of("2026-06-01")) << "121 days end on the second";
  EXPECT_EQ(late_from(at("2026-02-01"), {119, 4}), end_of("2026-05-31"));
}

TEST(Deadlines, WhatNoCalendarCountsIsLateAtOnceAndOverflowsNothing) {
  EXPECT_EQ(late_from({INT64_MAX}, {3650, 4}), UnixMillis{INT64_MAX});
  EXPECT_EQ(late_from({-1}, {2}), UnixMillis{-1});
  const UnixMillis last{7'258'032'000'000};
  EXPECT_GT(late_from(last, {1}), last);
  EXPECT_EQ(late_from(last + 1ms, {1}), last + 1ms);
  EXPECT_EQ(late_from(at("2026-11-28"), {}), UnixMillis{}) << "no delay is set";
}

TEST(Deadlines, AContractsDaysTakeThePlaceOfOursAndNeverLengthenTheFourMonths) {
  const Delays ours = delays_of({});
  EXPECT_EQ(ours, Delays{});
  EXPECT_EQ(ours.premiere_lecture.days, 15U);
  EXPECT_EQ(ours.decision.months, 4U);
  EXPECT_FALSE(ours.retour.promised);

  const std::vector<std::string> lines = {"premiere_lecture 2", "decision 3650", "retour 30",
                                          "retour 20",          "sourire 3",     "point_de_situation 90"};
  const Delays delays = delays_of(lines);
  EXPECT_EQ(delays.premiere_lecture, (Delay{2, 0, true}));
  EXPECT_EQ(delays.premiere_lecture_urgente, (Delay{1, 0, false}));
  EXPECT_EQ(delays.retour, (Delay{20, 0, true})) << "of two the shorter";
  EXPECT_EQ(delays_of(std::vector<std::string>{"retour 3650"}).retour, (Delay{engagement_days_max, 0, true}));
  EXPECT_EQ(delays_of(std::vector<std::string>{"retour 3651"}), Delays{}) << "no contract writes it";
  EXPECT_EQ(late_from(at("2026-02-01"), delays.decision), end_of("2026-06-01"));
  EXPECT_EQ(late_from(at("2026-02-01"), delays.point_de_situation), end_of("2026-05-02"));
}

TEST(Deadlines, AnUrgentCaseIsNeverOpenedLaterThanAnother) {
  const std::vector<std::string> slow = {"premiere_lecture 2", "premiere_lecture_urgente 5"};
  EXPECT_EQ(delays_of(slow).premiere_lecture_urgente, (Delay{2, 0, true}));
  const std::vector<std::string> fast = {"premiere_lecture_urgente 3"};
  EXPECT_EQ(delays_of(fast).premiere_lecture_urgente, (Delay{3, 0, true}));
}

TEST(Deadlines, TheLastMillisecondKeepsItAndOneAfterMissesIt) {
  CaseRoad road = received("2026-11-02");
  const Delays delays = delays_of(std::vector<std::string>{"premiere_lecture 2"});
  const UnixMillis due = end_of("2026-11-04");
  const auto state = [&](UnixMillis now) {
    return find(case_deadlines(road, delays, now), Duty::premiere_lecture)->state;
  };
  EXPECT_EQ(state(due - 1ms), DutyState::running);
  EXPECT_EQ(state(due), DutyState::late);
  road.opened = Moment{due - 1ms, LogPlace{"2026-1", {11}}};
  EXPECT_EQ(state(due + 1h), DutyState::kept);
  road.opened->at = due;
  EXPECT_EQ(state(due + 1h), DutyState::missed);
  road.opened->at = {};
  EXPECT_EQ(state(due + 1h), DutyState::done) << "by the broker's word, and nobody said when";
  road.opened_by = Moment{due - 1ms, LogPlace{"2026-1", {12}}};
  EXPECT_EQ(state(due + 1h), DutyState::kept) << "what could not be done before it was opened shows when at the latest";
  EXPECT_EQ(find(case_deadlines(road, delays, due), Duty::premiere_lecture)->ended, road.opened_by);
  road.opened_by->at = due;
  EXPECT_EQ(state(due + 1h), DutyState::done);
}

TEST(Deadlines, EachDutyNamesTheLeavesOfItsTwoEnds) {
  const std::vector<CaseAct> acts = {{Kind::retour, false, leaf_at("2026-12-20", 15)},
                                     {Kind::decision, true, leaf_at("2026-11-04", 13)},
                                     {Kind::signalement_individuel, true, leaf_at("2026-11-03", 11)},
                                     {Kind::signalement_individuel, false, leaf_at("2026-11-02", 10)},
                                     {Kind::decision, false, leaf_at("2026-12-03", 14)},
                                     {Kind::retour, false, leaf_at("2026-12-22", 16)}};
  const CaseRoad road = road_of(acts);
  const std::vector<Deadline> list = case_deadlines(road, delays_of({}), at("2027-01-15"));
  ASSERT_EQ(list.size(), 3U) << "a receipt has a delay only where a contract sets one";
  const Deadline* opened = find(list, Duty::premiere_lecture);
  EXPECT_EQ(opened->started.leaf->leaf.value, 10U);
  EXPECT_EQ(opened->ended->leaf->leaf.value, 11U);
  EXPECT_EQ(find(list, Duty::decision)->ended->leaf->leaf.value, 14U);
  const Deadline* answered = find(list, Duty::retour);
  EXPECT_EQ(answered->started.leaf->leaf.value, 14U);
  EXPECT_EQ(answered->ended->leaf->leaf.value, 15U);
  EXPECT_EQ(answered->due, end_of("2026-12-18"));
  EXPECT_EQ(answered->state, DutyState::missed);
}

TEST(Deadlines, AReceiptIsCountedFromItsSendersWordWhereAContractPromisesIt) {
  CaseRoad road = received("2026-11-05");
  road.sent_at = at("2026-11-02");
  const Delays delays = delays_of(std::vector<std::string>{"accuse_de_reception 2"});
  const auto list = case_deadlines(road, delays, at("2026-11-06"));
  const Deadline* receipt = find(list, Duty::accuse_de_reception);
  ASSERT_NE(receipt, nullptr);
  EXPECT_FALSE(receipt->started.leaf.has_value());
  EXPECT_EQ(receipt->state, DutyState::missed);
  road.sent_at = {};
  EXPECT_EQ(find(case_deadlines(road, delays, at("2026-11-06")), Duty::accuse_de_reception), nullptr);
}

TEST(Deadlines, ARetourIsPutOffToTheEndOfItsDayUnlessItWasLateAlready) {
  CaseRoad road = received("2026-11-02");
  road.decided = leaf_at("2026-12-03", 14);
  const UnixMillis due = end_of("2026-12-18");
  const UnixMillis review = end_of("2027-01-15");
  const auto due_with = [&](std::vector<CaseRoad::Deferral> deferrals) {
    road.deferrals = std::move(deferrals);
    return find(case_deadlines(road, delays_of({}), at("2026-12-04")), Duty::retour)->due;
  };
  EXPECT_EQ(due_with({}), due);
  EXPECT_EQ(due_with({{due - 1ms, review}}), review);
  EXPECT_EQ(due_with({{due, review}}), due) << "a promise missed stays missed";
  EXPECT_EQ(due_with({{at("2026-12-05"), end_of("2026-12-10")}}), due) << "no act shortens a contract's delay";
  EXPECT_EQ(due_with({{at("2026-12-05"), review}, {review - 1ms, end_of("2027-03-01")}}), end_of("2027-03-01"));
  EXPECT_EQ(due_with({{at("2026-12-05"), review}, {review, end_of("2027-03-01")}}), review);
  const std::vector<CaseAct> acts = {{Kind::report_du_retour, false, leaf_at("2026-12-05", 15), "2027-01-15"},
                                     {Kind::report_du_retour, false, leaf_at("2026-12-05", 15), "2027-02-30"}};
  EXPECT_EQ(road_of(acts).deferrals.size(), 1U) << "a day that is none";
  EXPECT_EQ(road_of(acts).deferrals.front().until, review);
}

TEST(Deadlines, WhatIsTakenBackIsOwedNoMore) {
  CaseRoad road = received("2026-11-02");
  road.withdrawn = Moment{end_of("2026-11-17") - 1ms, LogPlace{"2026-1", {12}}};
  auto list = case_deadlines(road, delays_of({}), at("2027-06-01"));
  EXPECT_EQ(find(list, Duty::premiere_lecture)->state, DutyState::lapsed);
  EXPECT_EQ(find(list, Duty::decision)->state, DutyState::lapsed);
  road.withdrawn->at = end_of("2026-11-17");
  list = case_deadlines(road, delays_of({}), at("2027-06-01"));
  EXPECT_EQ(find(list, Duty::premiere_lecture)->state, DutyState::missed) << "it was late by then";
  EXPECT_EQ(find(list, Duty::decision)->state, DutyState::lapsed);
}

TEST(Deadlines, AnUrgentCaseIsBroughtBeforeASecondPersonHalfWayUnlessItWasOpened) {
  CaseRoad road = received("2026-11-02", Urgency::urgente);
  road.received.at = at("2026-11-02", 0ms);
  const auto reading = [&](UnixMillis now) {
    return *find(case_deadlines(road, delays_of({}), now), Duty::premiere_lecture);
  };
  const UnixMillis half = at("2026-11-03", 0ms);
  EXPECT_EQ(reading(half).due, end_of("2026-11-03"));
  EXPECT_FALSE(is_escalated(reading(half - 1ms), half - 1ms));
  EXPECT_TRUE(is_escalated(reading(half), half));
  EXPECT_EQ(reading(half).state, DutyState::running) << "before it is late";
  EXPECT_TRUE(is_escalated(reading(half + 96h), half + 96h));
  road.opened = leaf_at("2026-11-03", 11);
  EXPECT_FALSE(is_escalated(reading(half + 96h), half + 96h));
  road.opened.reset();
  road.urgency = Urgency::normale;
  EXPECT_FALSE(is_escalated(reading(half + 9600h), half + 9600h)) << "late, and no more than that";
}

TEST(Deadlines, TheSecondPersonIsTheSameForWhoeverAsksAndNotTheSameForEveryCase) {
  Digest one{};
  Digest two{};
  two[7] = 1;
  EXPECT_EQ(second_person({"b", "a", "c"}, one), "a");
  EXPECT_EQ(second_person({"c", "b", "a", "a"}, one), "a");
  EXPECT_EQ(second_person({"a", "b", "c"}, two), "b");
  EXPECT_EQ(second_person({}, one), "");
}

TEST(Deadlines, ACollectivitesViewIsOneDutyWhateverTheCaseCameTo) {
  PartyRoad road;
  road.sent_at = at("2026-11-01");
  road.received = leaf_at("2026-11-02", 10);
  const Delays delays = delays_of(std::vector<std::string>{"accuse_de_reception 2", "decision 120", "retour 15"});
  auto list = party_deadlines(road, delays, at("2026-12-01"));
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].duty, Duty::accuse_de_reception);
  EXPECT_EQ(list[1].duty, Duty::examen);
  // 120 days from the second of November end with the second of March, which is also four months.
  EXPECT_EQ(list[1].due, end_of("2027-03-17"));
  EXPECT_TRUE(list[1].promised);
  EXPECT_EQ(list[1].state, DutyState::running);
  road.told = leaf_at("2027-03-17", 40);
  EXPECT_EQ(party_deadlines(road, delays, at("2027-04-01"))[1].state, DutyState::kept);
  road.told.reset();
  EXPECT_EQ(party_deadlines(road, delays, end_of("2027-03-17"))[1].state, DutyState::late);
}

TEST(Deadlines, APointDeSituationIsOwedSixMonthsAfterTheLastOneToTheContractsEnd) {
  const UnixMillis from = at("2026-01-01", 0ms);
  const UnixMillis ends = at("2027-06-01", 0ms);
  const Delays delays = delays_of(std::vector<std::string>{"point_de_situation 184"});
  const std::vector<Moment> points = {leaf_at("2027-01-20", 90), leaf_at("2026-06-30", 50), leaf_at("2025-12-31", 1)};
  auto list = situation_deadlines(from, ends, points, delays, at("2027-02-01"));
  ASSERT_EQ(list.size(), 3U);
  EXPECT_EQ(list[0].due, end_of("2026-07-01"));
  EXPECT_EQ(list[0].state, DutyState::kept);
  EXPECT_EQ(list[0].ended->leaf->leaf.value, 50U);
  EXPECT_EQ(list[1].due, end_of("2026-12-30"));
  EXPECT_EQ(list[1].state, DutyState::missed);
  EXPECT_EQ(list[2].state, DutyState::running);
  list = situation_deadlines(from, ends, points, delays, ends);
  EXPECT_EQ(list[2].state, DutyState::lapsed) << "owed in July, and the contract ended before";
  EXPECT_TRUE(situation_deadlines(from, ends, {}, delays, from - 1ms).empty());
  EXPECT_EQ(situation_deadlines(from, ends, {}, delays, ends)[0].state, DutyState::missed);
  EXPECT_TRUE(situation_deadlines(from, ends, points, delays_of({}), ends).empty()) << "promised by no contract";
}

TEST(Deadlines, ACharterIsOwedWithoutAGapWhereverThereWasOne) {
  const UnixMillis a = at("2026-01-01", 0ms);
  const UnixMillis b = at("2027-01-01", 0ms);
  const UnixMillis c = at("2028-01-01", 0ms);
  auto list = charter_deadlines({{"89387", b, c}, {"89024", a, b}, {"89387", a, b}, {"89000", c, c + 1h}}, b - 1ms);
  ASSERT_EQ(list.size(), 2U) << "one that is still to come is owed by nobody";
  EXPECT_EQ(list[0].territory, "89024");
  EXPECT_EQ(list[0].deadline.due, b);
  EXPECT_EQ(list[0].deadline.state, DutyState::running);
  list = charter_deadlines({{"89387", b, c}, {"89024", a, b}, {"89387", a, b}}, b);
  EXPECT_EQ(list[0].deadline.state, DutyState::late);
  EXPECT_EQ(list[1].deadline.due, c);
  EXPECT_EQ(list[1].deadline.started.at, a);
  list = charter_deadlines({{"89024", a, b}, {"89024", b + 1ms, c}}, c - 1ms);
  EXPECT_EQ(list[0].deadline.started.at, b + 1ms) << "after a gap it began anew";
}

TEST(Deadlines, EveryDutyAndStateHasItsWords) {
  for (const Duty duty : {Duty::accuse_de_reception, Duty::premiere_lecture, Duty::decision, Duty::retour, Duty::examen,
                          Duty::point_de_situation, Duty::charte}) {
    EXPECT_FALSE(text_of(duty).empty());
    EXPECT_FALSE(french(duty).empty());
  }
  for (const DutyState state :
       {DutyState::running, DutyState::late, DutyState::kept, DutyState::missed, DutyState::done, DutyState::lapsed}) {
    EXPECT_FALSE(text_of(state).empty());
    EXPECT_FALSE(french(state).empty());
  }
}

}  // namespace
}  // namespace pli::protocol
