#include "protocol/retention.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "protocol/case_life.hpp"
#include "protocol/statistics.hpp"

namespace pli::protocol {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds day = 24h;

CaseTimes closed(UnixMillis at, TermClass term) {
  CaseTimes times;
  times.opened_at = at - 30 * day;
  times.examined_at = at - day;
  times.closed_at = at;
  times.term = term;
  times.read = true;
  return times;
}

TEST(Retention, ACollectivitesCopiesAreKeptLongerThanItMayAddToItsCaseWhateverTheDay) {
  bool shorter = false;
  // Every last moment of a day from 2024 to 2424: all lengths of months and years there are.
  for (UnixMillis at{1'704'067'200'000LL + day.count() - 1}; at.value < 14'327'020'800'000LL; at = at + day) {
    EXPECT_GE(months_later(at, party_months_min) - at, party_adds_time) << at.value;
    shorter = shorter || months_later(at, party_months_min - 1) - at < party_adds_time;
  }
  EXPECT_TRUE(shorter) << "one month fewer is not always enough";
}

TEST(Retention, TermsFallOnTheFirstOfAMonthAndNeverAfterTheDayTheyCountTo) {
  const UnixMillis last_moment = month_start(202604) - 1ms;  // 31 March
  EXPECT_EQ(months_later(last_moment, 3), month_start(202606));
  EXPECT_EQ(months_later(month_start(202603), 3), month_start(202606));
  EXPECT_EQ(months_later(month_start(202604), 3), month_start(202607));
  EXPECT_EQ(months_later(month_start(202612), 1), month_start(202701));
  EXPECT_EQ(months_later(month_start(202611), 14), month_start(202801));
  // 31 August and six months is no day of February: the first is one of every month.
  EXPECT_EQ(months_later(month_start(202608) + 30 * day, 6), month_start(202702));
}

TEST(Retention, TheClosingSaysHowLong) {
  const UnixMillis march = month_start(202603) + 11 * day;
  EXPECT_EQ(term_of(closed(march, TermClass::bref), {}), month_start(202606));
  EXPECT_EQ(term_of(closed(march, TermClass::court), {}), month_start(202609));
  EXPECT_EQ(term_of(closed(march, TermClass::ordinaire), {}), month_start(202703));
  EXPECT_EQ(term_of(closed(march, TermClass::ordinaire), {1, 2, 4, 1}), month_start(202607));
}

TEST(Retention, NothingGoesWhileItsCollectiviteMayStillAddToIt) {
  const UnixMillis told = month_start(202604) - day;
  CaseTimes times = closed(told - 60 * day, TermClass::bref);
  times.examined_at = told;
  EXPECT_EQ(term_of(times, {}), month_start(202606)) << "closed before it was told, and counted from then";
  EXPECT_EQ(term_of(times, {1, 6, 12, 6}), told + party_adds_time) << "a month ends the next day";
}

TEST(Retention, AnOpenCaseLastsToTheCeilingAndNothingPassesIt) {
  CaseTimes open;
  open.opened_at = month_start(202601) + 5 * day;
  const UnixMillis ceiling = month_start(203101);
  EXPECT_EQ(ceiling_of(open.opened_at), ceiling);
  EXPECT_EQ(term_of(open, {}), ceiling);
  EXPECT_EQ(party_term_of(open, {}), UnixMillis{}) << "nothing to count from";
  EXPECT_FALSE(is_party_due(open, {}, ceiling - 1ms));
  EXPECT_TRUE(is_party_due(open, {}, ceiling));

  CaseTimes late = open;
  late.closed_at = late.examined_at = ceiling - 60 * day;
  EXPECT_EQ(term_of(late, {}), ceiling);
  EXPECT_EQ(party_term_of(late, {}), ceiling);
  late.noticed_at = ceiling - 14 * day;
  EXPECT_EQ(erased_at(late, {}, {}), ceiling) << "unread";
  EXPECT_EQ(erased_at(late, {}, ceiling + 80 * day), ceiling) << "held";
}

TEST(Retention, ACollectivitesCopiesGoByOneScheduleWhateverTheCaseCameTo) {
  const UnixMillis march = month_start(202603) + 11 * day;
  for (const TermClass term : {TermClass::bref, TermClass::court, TermClass::ordinaire}) {
    CaseTimes times = closed(march, term);
    EXPECT_EQ(party_term_of(times, {}), month_start(202609));
    times.closed_at = {};
    EXPECT_EQ(party_term_of(times, {}), month_start(202609)) << "nor on when it was closed";
    times.noticed_at = march;
    times.read = false;
    EXPECT_EQ(party_term_of(times, {}), month_start(202609));
    EXPECT_FALSE(is_party_due(times, {}, month_start(202609) - 1ms));
    EXPECT_TRUE(is_party_due(times, {}, month_start(202609)));
  }
  CaseTimes untold = closed(march, TermClass::ordinaire);
  untold.examined_at = {};
  EXPECT_EQ(party_term_of(untold, {}), UnixMillis{}) << "a closing it is not told of counts for nothing";
}

TEST(Retention, AnErasureIsAnnouncedFourteenDaysBeforeAndNotSooner) {
  CaseTimes times = closed(month_start(202603) + 11 * day, TermClass::bref);
  const UnixMillis term = month_start(202606);
  EXPECT_FALSE(is_notice_due(times, {}, term - 14 * day - 1ms));
  EXPECT_TRUE(is_notice_due(times, {}, term - 14 * day));
  times.noticed_at = term - 14 * day;
  EXPECT_FALSE(is_notice_due(times, {}, term));
  EXPECT_FALSE(is_notice_void(times, {}, term - 14 * day));
  EXPECT_EQ(erased_at(times, {}, {}), term);
  // The broker was away at that time: whoever it is announced to has fourteen days all the same.
  times.noticed_at = term + 2 * day;
  EXPECT_EQ(erased_at(times, {}, {}), term + 16 * day);
  // The term moved away.
  times.term = TermClass::ordinaire;
  EXPECT_TRUE(is_notice_void(times, {}, term + 2 * day));
}

TEST(Retention, UnreadItWaitsThirtyDaysFromTheNoticeAndNoLonger) {
  CaseTimes times = closed(month_start(202603) + 11 * day, TermClass::bref);
  const UnixMillis term = month_start(202606);
  times.noticed_at = term - 14 * day;
  times.read = false;
  EXPECT_EQ(erased_at(times, {}, {}), term + 16 * day);
  times.read = true;
  EXPECT_EQ(erased_at(times, {}, {}), term);
}

TEST(Retention, TwoPersonsHoldItNinetyDaysEachAndOneAloneDoesNot) {
  const UnixMillis now = month_start(202605);
  EXPECT_EQ(held_until({}), UnixMillis{});
  EXPECT_EQ(held_until(std::vector<Voice>{{"anne", now}}), UnixMillis{});
  EXPECT_EQ(held_until(std::vector<Voice>{{"anne", now}, {"anne", now + day}}), UnixMillis{}) << "one person twice";
  std::vector<Voice> both{{"anne", now}, {"bruno", now + 5 * day}};
  EXPECT_EQ(held_until(both), now + 90 * day);
  both[0].at = now + 80 * day;  // renewed by one alone
  EXPECT_EQ(held_until(both), now + 95 * day);
  both.push_back({"chantal", now + 81 * day});
  EXPECT_EQ(held_until(both), now + 170 * day);

  CaseTimes times = closed(month_start(202603) + 11 * day, TermClass::bref);
  times.noticed_at = month_start(202606) - 14 * day;
  EXPECT_EQ(erased_at(times, {}, now + 90 * day), now + 90 * day);
  EXPECT_EQ(erased_at(times, {}, now), month_start(202606));
}

TEST(Retention, TwoPersonsAgreeOnAnEarlyErasureWithinThirtyDays) {
  const UnixMillis now = month_start(202605);
  EXPECT_FALSE(is_erasure_agreed({}, now));
  EXPECT_FALSE(is_erasure_agreed(std::vector<Voice>{{"anne", now}}, now));
  EXPECT_FALSE(is_erasure_agreed(std::vector<Voice>{{"anne", now}, {"anne", now}}, now));
  const std::vector<Voice> both{{"anne", now}, {"bruno", now + 30 * day}};
  EXPECT_TRUE(is_erasure_agreed(both, now + 30 * day));
  EXPECT_FALSE(is_erasure_agreed(both, now + 30 * day + 1ms));
}

TEST(Retention, WhatIsLongerThanItsDefaultTakesALegalAct) {
  EXPECT_FALSE(is_lengthened({}));
  EXPECT_FALSE(is_lengthened({1, 1, 1, 1}));
  EXPECT_TRUE(is_lengthened({4, 6, 12, 6}));
  EXPECT_TRUE(is_lengthened({3, 7, 12, 6}));
  EXPECT_TRUE(is_lengthened({3, 6, 13, 6}));
  EXPECT_TRUE(is_lengthened({3, 6, 12, 7}));
  EXPECT_EQ(text_of(Terms()), "bref 3 court 6 ordinaire 12 party 6");
}

TEST(Retention, ClassesHaveNamesAndNumbersForEver) {
  for (std::uint8_t number = 0; number < 3; ++number) {
    const auto term = term_class_of_number(number);
    ASSERT_TRUE(term.has_value());
    EXPECT_EQ(term_class_of(text_of(*term)), term);
  }
  EXPECT_EQ(term_class_of("ordinaire"), TermClass::ordinaire);
  EXPECT_EQ(term_class_of("court"), TermClass::court);
  EXPECT_EQ(term_class_of("bref"), TermClass::bref);
  EXPECT_EQ(term_class_of("sans_suite"), std::nullopt) << "how long, not why";
  EXPECT_EQ(term_class_of_number(3), std::nullopt);
}

TEST(Retention, WhatItsAuthorMayStillDoDoesNotTellAClosedCaseFromAnErasedOne) {
  // Nothing is erased before its author is late.
  CaseFacts closed;
  closed.state = CaseState::clos;
  closed.opened = closed.answered = closed.late = true;
  CaseFacts erased = closed;
  erased.state = CaseState::efface;
  for (const Kind kind : {Kind::complement, Kind::retrait, Kind::rectification}) {
    EXPECT_EQ(step_of(closed, kind), nullptr) << row_of(kind)->name;
    EXPECT_EQ(step_of(erased, kind), nullptr) << row_of(kind)->name;
    EXPECT_EQ(illegal_step(closed, kind, {}, CaseSide::partie, true),
              illegal_step(erased, kind, {}, CaseSide::partie, true));
  }
}

TEST(Retention, WhatWasTakenBackUnreadIsDueAtOnceAndUnannouncedButForAHold) {
  CaseTimes times;
  times.opened_at = month_start(202603);
  times.withdrawn_at = month_start(202603) + 11 * day;
  EXPECT_EQ(term_of(times, {}), times.withdrawn_at);
  EXPECT_EQ(erased_at(times, {}, {}), times.withdrawn_at) << "the day it was taken back on, and unread as it is";
  EXPECT_EQ(party_term_of(times, {}), times.withdrawn_at);
  EXPECT_TRUE(is_party_due(times, {}, times.withdrawn_at));
  EXPECT_FALSE(is_party_due(times, {}, times.withdrawn_at - 1ms));
  EXPECT_FALSE(is_notice_due(times, {}, times.withdrawn_at + 30 * day));
  EXPECT_EQ(erased_at(times, {}, times.withdrawn_at + 80 * day), times.withdrawn_at + 80 * day);
  // Announced at its ceiling, and taken back then.
  times.noticed_at = times.withdrawn_at - day;
  EXPECT_TRUE(is_notice_void(times, {}, times.withdrawn_at));
}

TEST(Retention, OnlyWhatWasSentToACollectiviteIsItsCopy) {
  EXPECT_TRUE(is_party_queue("org/210890240"));
  EXPECT_TRUE(is_party_queue("person/m.durand"));
  for (const char* queue : {"ged/89", "clir/89", "cpraf/89", "audit/89", "", "zut"})
    EXPECT_FALSE(is_party_queue(queue)) << queue;
}

}  // namespace
}  // namespace pli::protocol
