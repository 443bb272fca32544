#include "base/paris_time.hpp"

#include <gtest/gtest.h>

namespace pli::testing {
namespace {

using namespace std::chrono_literals;

UnixMillis at(Day day, std::chrono::milliseconds into_it) {
  return {std::chrono::milliseconds((day + into_it).time_since_epoch()).count()};
}
Day day(const char* text) { return parse_day(text).value(); }

TEST(ParisTime, IsOneHourAheadInWinterAndTwoInSummer) {
  EXPECT_EQ(paris_time(at(day("2026-01-15"), 12h)), (ParisTime{day("2026-01-15"), 13, 0, 0}));
  EXPECT_EQ(paris_time(at(day("2026-07-15"), 12h + 30min + 5s)), (ParisTime{day("2026-07-15"), 14, 30, 5}));
  EXPECT_EQ(paris_time(at(day("2026-12-31"), 23h)), (ParisTime{day("2027-01-01"), 0, 0, 0}));
}

TEST(ParisTime, ChangesAtOneUtcOnTheLastSundaysOfMarchAndOctober) {
  struct Row {
    const char* day;
    int before, after;  // hours shown one millisecond before 01:00 UTC, and at it
  };
  for (const Row& row : {Row{"2026-03-29", 1, 3}, Row{"2026-10-25", 2, 2}, Row{"2027-03-28", 1, 3},
                         Row{"2027-10-31", 2, 2}, Row{"2024-03-31", 1, 3}, Row{"2024-10-27", 2, 2}}) {
    EXPECT_EQ(paris_time(at(day(row.day), 1h - 1ms)).hour, row.before) << row.day;
    EXPECT_EQ(paris_time(at(day(row.day), 1h)).hour, row.after) << row.day;
  }
}

TEST(ParisTime, ADayBeginsAtItsMidnightOnChangingDaysToo) {
  EXPECT_EQ(paris_midnight(day("2026-03-29")), at(day("2026-03-28"), 23h));
  EXPECT_EQ(paris_midnight(day("2026-03-30")), at(day("2026-03-29"), 22h));  // a day of 23 hours
  EXPECT_EQ(paris_midnight(day("2026-10-25")), at(day("2026-10-24"), 22h));
  EXPECT_EQ(paris_midnight(day("2026-10-26")), at(day("2026-10-25"), 23h));  // a day of 25 hours
  for (Day it = day("2026-01-01"); it < day("2028-01-01"); it += std::chrono::days(1)) {
    EXPECT_EQ(paris_time(paris_midnight(it)), (ParisTime{it, 0, 0, 0})) << iso_day(it);
    EXPECT_EQ(paris_time(paris_midnight(it) - 1ms).day, it - std::chrono::days(1)) << iso_day(it);
  }
}

TEST(ParisTime, FindsTheNextFullHourOnChangingDaysToo) {
  const UnixMillis five = at(day("2026-01-12"), 16h);  // 17:00 in Paris
  EXPECT_EQ(next_paris_hour(five - 1ms, 17), five);
  EXPECT_EQ(next_paris_hour(five, 17), at(day("2026-01-13"), 16h)) << "after, not at";
  EXPECT_EQ(next_paris_hour(at(day("2026-03-28"), 16h), 17), at(day("2026-03-29"), 15h)) << "a day of 23 hours";
  EXPECT_EQ(next_paris_hour(at(day("2026-10-24"), 15h), 17), at(day("2026-10-25"), 16h)) << "a day of 25 hours";
  EXPECT_EQ(next_paris_hour(at(day("2026-03-29"), 0h), 2), at(day("2026-03-29"), 1h)) << "skipped: the one after";
  EXPECT_EQ(next_paris_hour(at(day("2026-10-24"), 23h), 2), at(day("2026-10-25"), 0h)) << "shown twice: the first";
  for (int hour = 0; hour < 24; ++hour)
    for (UnixMillis time = at(day("2026-01-01"), 0h); time < at(day("2027-01-01"), 0h); time = time + 31h) {
      const UnixMillis next = next_paris_hour(time, hour);
      EXPECT_GT(next, time);
      EXPECT_LE(next, time + 26h);
      const ParisTime shown = paris_time(next);
      EXPECT_TRUE(shown.hour == hour || (hour == 2 && shown.hour == 3)) << hour;
      EXPECT_EQ(shown.minute, 0);
    }
}

TEST(ParisTime, WritesAndReadsDays) {
  EXPECT_EQ(iso_day(day("2028-02-29")), "2028-02-29");
  EXPECT_EQ(french_day(day("2026-11-03")), "03/11/2026");
  EXPECT_EQ(french_time(at(day("2026-11-03"), 20h + 17min + 3s)), "03/11/2026 21:17:03");
  for (const char* text : {"2026-02-29", "2026-13-01", "2026-1-1", "26-11-03", "2026-11-03 ", "2026-11-3", "", "hier",
                           "2026/11/03", "-026-11-03", "20261-11-03"})
    EXPECT_FALSE(parse_day(text).has_value()) << text;
}

TEST(ParisTime, KnowsTheHolidays) {
  EXPECT_EQ(easter_sunday(std::chrono::year(2024)), day("2024-03-31"));
  EXPECT_EQ(easter_sunday(std::chrono::year(2026)), day("2026-04-05"));
  EXPECT_EQ(easter_sunday(std::chrono::year(2038)), day("2038-04-25"));  // as late as Easter comes
  EXPECT_EQ(easter_sunday(std::chrono::year(2285)), day("2285-03-22"));  // and as early
  const std::vector<std::string> expected = {"2026-01-01", "2026-04-06", "2026-05-01", "2026-05-08",
                                             "2026-05-14", "2026-05-25", "2026-07-14", "2026-08-15",
                                             "2026-11-01", "2026-11-11", "2026-12-25"};
  std::vector<std::string> found;
  for (Day it = day("2026-01-01"); it < day("2027-01-01"); it += std::chrono::days(1))
    if (is_public_holiday(it)) found.push_back(iso_day(it));
  EXPECT_EQ(found, expected);
}

TEST(ParisTime, WorkingHoursEndWhereTheySay) {
  const WorkingHours hours = parse_working_hours("8-19").value();
  const Day friday = day("2026-11-20");
  const auto working = [&](Day it, std::chrono::milliseconds paris_winter) {
    return is_working_time(at(it, paris_winter - 1h), hours);
  };
  EXPECT_FALSE(working(friday, 8h - 1ms));
  EXPECT_TRUE(working(friday, 8h));
  EXPECT_TRUE(working(friday, 19h - 1ms));
  EXPECT_FALSE(working(friday, 19h));
  EXPECT_FALSE(working(friday + std::chrono::days(1), 12h));
  EXPECT_FALSE(working(friday + std::chrono::days(2), 12h));
  EXPECT_TRUE(working(friday + std::chrono::days(3), 12h));
  EXPECT_FALSE(working(day("2026-11-11"), 12h)) << "a holiday";
  // In summer, 06:00 UTC is 8 o'clock.
  EXPECT_FALSE(is_working_time(at(day("2026-07-15"), 6h - 1ms), hours));
  EXPECT_TRUE(is_working_time(at(day("2026-07-15"), 6h), hours));
}

TEST(ParisTime, ReadsWorkingHours) {
  EXPECT_EQ(parse_working_hours("0-24"), (WorkingHours{0, 24}));
  EXPECT_EQ(parse_working_hours("07-9"), (WorkingHours{7, 9}));
  for (const char* text : {"", "8", "8-", "-19", "19-8", "8-8", "8-25", "8:30-19", "8-19 ", "008-19"})
    EXPECT_FALSE(parse_working_hours(text).has_value()) << text;
}

}  // namespace
}  // namespace pli::testing
