#include "protocol/seances.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace pli::protocol {
namespace {

using std::chrono::days;

Day day(const char* text) { return parse_day(text).value(); }
SeanceCalendar fortnight(const char* first = "2026-12-03") { return {day(first), 15}; }

/// Any sound calendar, with exceptions in its first years.
SeanceCalendar some_calendar(std::mt19937& random) {
  const auto draw = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  SeanceCalendar out{day("1970-01-01") + days(draw(0, 70'000)), static_cast<std::uint32_t>(draw(1, 366))};
  for (int i = draw(0, 64); i > 0; --i) {
    const Day at = out.first + days(draw(-400, 1200));
    if (at < day("1970-01-01")) continue;
    (i % 2 == 0 ? add_seance : strike_seance)(out, at);
  }
  return out;
}

TEST(Seances, FollowTheCadenceFromTheFirstDayOn) {
  const SeanceCalendar calendar = fortnight();
  EXPECT_FALSE(is_seance(calendar, day("2026-11-18"))) << "there is no cadence before its first day";
  EXPECT_EQ(next_seance(calendar, day("2020-01-01")), day("2026-12-03"));
  EXPECT_EQ(next_seance(calendar, day("2026-12-02")), day("2026-12-03"));
  EXPECT_EQ(next_seance(calendar, day("2026-12-03")), day("2026-12-18")) << "after a day, not on it";
  EXPECT_EQ(next_seance(calendar, day("2026-12-17")), day("2026-12-18"));
  EXPECT_EQ(seances_between(calendar, day("2026-12-03"), day("2027-01-02")),
            (std::vector<Day>{day("2026-12-03"), day("2026-12-18"), day("2027-01-02")}));
  EXPECT_TRUE(seances_between(calendar, day("2026-12-04"), day("2026-12-17")).empty());
  EXPECT_TRUE(seances_between(calendar, day("2026-12-18"), day("2026-12-03")).empty()) << "reversed: none";
}

TEST(Seances, ADayStruckOutIsPassedOverAndOneAddedIsTaken) {
  SeanceCalendar calendar = fortnight();
  strike_seance(calendar, day("2026-12-18"));
  strike_seance(calendar, day("2027-01-02"));
  add_seance(calendar, day("2026-12-22"));
  EXPECT_EQ(flaw_of(calendar), "");
  EXPECT_FALSE(is_seance(calendar, day("2026-12-18")));
  EXPECT_EQ(next_seance(calendar, day("2026-12-03")), day("2026-12-22"));
  EXPECT_EQ(next_seance(calendar, day("2026-12-22")), day("2027-01-17")) << "two struck out in a row";
  add_seance(calendar, day("2026-11-27"));
  EXPECT_EQ(next_seance(calendar, day("2026-11-01")), day("2026-11-27")) << "one may be added before the first day";
}

TEST(Seances, AnExceptionIsTakenBackByItsContraryAndLeavesNothing) {
  const SeanceCalendar plain = fortnight();
  SeanceCalendar calendar = plain;
  for (const char* on : {"2026-12-18", "2026-12-19"}) {
    const bool usual = is_seance(plain, day(on));
    usual ? strike_seance(calendar, day(on)) : add_seance(calendar, day(on));
    EXPECT_NE(calendar, plain);
    usual ? add_seance(calendar, day(on)) : strike_seance(calendar, day(on));
    EXPECT_EQ(calendar, plain) << on;
  }
  add_seance(calendar, day("2026-12-18"));
  strike_seance(calendar, day("2026-12-19"));
  EXPECT_EQ(calendar, plain) << "what is so already is no exception";
}

TEST(Seances, CountCalendarDaysAcrossLeapYearsAndChangesOfClock) {
  const SeanceCalendar weekly{day("2028-02-22"), 7};
  EXPECT_EQ(next_seance(weekly, day("2028-02-22")), day("2028-02-29"));
  EXPECT_EQ(next_seance(weekly, day("2028-02-29")), day("2028-03-07"));
  // Clocks go forward on 28 March 2027, back on 31 October: what is fifteen days on paper stays so, and each day begins
  // with its own midnight in Paris.
  using namespace std::chrono_literals;
  for (const auto& [from, to, hours] :
       {std::tuple{"2027-03-20", "2027-04-04", 15 * 24h - 1h}, std::tuple{"2027-10-20", "2027-11-04", 15 * 24h + 1h},
        std::tuple{"2027-05-01", "2027-05-16", 15 * 24h + 0h}}) {
    const auto next = next_seance(fortnight(from), day(from));
    EXPECT_EQ(next, day(to));
    EXPECT_EQ(paris_midnight(*next) - paris_midnight(day(from)), hours) << from;
    EXPECT_EQ(paris_time(paris_midnight(*next)).day, *next);
  }
}

TEST(Seances, TheNextOneIsTheFirstDayThatIsOneWhateverTheCalendar) {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    std::mt19937 random(seed);
    const SeanceCalendar calendar = some_calendar(random);
    ASSERT_EQ(flaw_of(calendar), "") << "seed " << seed;
    const Day from = calendar.first - days(500);
    std::vector<Day> counted;
    for (Day at = from; at <= calendar.first + days(1500) && at <= day("2199-12-31"); at += days(1))
      if (is_seance(calendar, at)) counted.push_back(at);
    EXPECT_EQ(seances_between(calendar, from, calendar.first + days(1500)), counted) << "seed " << seed;
    for (Day at = from; at < calendar.first + days(1000); at += days(13)) {
      const auto after = std::upper_bound(counted.begin(), counted.end(), at);
      const auto next = next_seance(calendar, at);
      if (after == counted.end()) continue;
      EXPECT_EQ(next, *after) << "seed " << seed << ", " << iso_day(at);
    }
  }
}

TEST(Seances, EndWithTheLastDayThatADateInClearCanName) {
  const SeanceCalendar daily{day("2199-12-30"), 1};
  EXPECT_EQ(next_seance(daily, day("2199-12-30")), day("2199-12-31"));
  EXPECT_EQ(next_seance(daily, day("2199-12-31")), std::nullopt);
  EXPECT_EQ(next_seance(SeanceCalendar{day("2199-12-30"), 15}, day("2199-12-30")), std::nullopt);
}

TEST(Seances, HaveACadenceOfOneTo366DaysAndSoManyExceptions) {
  EXPECT_EQ(flaw_of({day("2026-12-03"), seance_cadence_days_max}), "");
  EXPECT_NE(flaw_of({day("2026-12-03"), seance_cadence_days_max + 1}), "");
  EXPECT_NE(flaw_of({day("2026-12-03"), 0}), "");
  SeanceCalendar calendar{day("2026-12-03"), 2};
  for (std::size_t i = 0; i < seances_added_max; ++i)
    add_seance(calendar, calendar.first + days(2 * static_cast<int>(i) + 1));
  for (std::size_t i = 0; i < seances_struck_max; ++i)
    strike_seance(calendar, calendar.first + days(2 * static_cast<int>(i)));
  EXPECT_EQ(flaw_of(calendar), "");
  SeanceCalendar above = calendar;
  add_seance(above, calendar.first + days(999));
  EXPECT_NE(flaw_of(above), "");
  above = calendar;
  strike_seance(above, calendar.first + days(998));
  EXPECT_NE(flaw_of(above), "");
}

TEST(Seances, HaveOneSpellingAndNoExceptionThatIsNone) {
  const SeanceCalendar sound = fortnight();
  const auto with = [&](std::vector<Day> added, std::vector<Day> struck) {
    SeanceCalendar out = sound;
    out.added = std::move(added);
    out.struck = std::move(struck);
    return flaw_of(out);
  };
  EXPECT_EQ(with({day("2026-12-04"), day("2026-12-05")}, {day("2026-12-03"), day("2026-12-18")}), "");
  EXPECT_NE(with({day("2026-12-05"), day("2026-12-04")}, {}), "") << "not ascending";
  EXPECT_NE(with({day("2026-12-04"), day("2026-12-04")}, {}), "") << "twice";
  EXPECT_NE(with({}, {day("2026-12-18"), day("2026-12-03")}), "");
  EXPECT_NE(with({day("2026-12-18")}, {}), "") << "added, and of the cadence already";
  EXPECT_NE(with({}, {day("2026-12-19")}), "") << "struck out, and none of it";
  EXPECT_NE(with({day("1969-12-31")}, {}), "");
  EXPECT_NE(flaw_of({day("2200-01-01"), 15}), "");
}

TEST(Seances, AreOfInstancesAlone) {
  for (const QueueKind kind : {QueueKind::ged, QueueKind::clir, QueueKind::cpraf}) EXPECT_TRUE(has_seances(kind));
  for (const QueueKind kind : {QueueKind::org, QueueKind::person, QueueKind::audit}) EXPECT_FALSE(has_seances(kind));
  EXPECT_EQ(usual_cadence(QueueKind::ged), 15U);
  EXPECT_EQ(usual_cadence(QueueKind::clir), 30U);
  EXPECT_EQ(usual_cadence(QueueKind::cpraf), std::nullopt);
}

}  // namespace
}  // namespace pli::protocol
