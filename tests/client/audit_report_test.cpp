#include "client/audit_report.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace pli::testing {
namespace {

using namespace std::chrono_literals;
using client::AuditReporter;
using client::AuditSummary;
using client::ReportOptions;

Day day(const char* text) { return parse_day(text).value(); }
UnixMillis at(const char* date, std::chrono::milliseconds into_it) { return paris_midnight(day(date)) + into_it; }

/// A journal written by hand: invented people, each act at its hour in Paris.
class Journal {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;
  LeafIndex add(UnixMillis time, audit::LeafType type, const Fields& fields) {
    audit::Record record = audit::new_record();
    for (const auto& [name, value] : fields) record.add(name, value);
    audit::Leaf leaf;
    leaf.type = type;
    leaf.time = time;
    if (type == audit::LeafType::habilitation && record.find("member") == nullptr)
      leaf.directory = audit::DirectoryReference{DirectoryNumber{++version_}, Digest{}};
    records_.push_back({LeafIndex{records_.size()}, leaf, audit::disclose_all(record)});
    return records_.back().index;
  }
  LeafIndex opening(UnixMillis time, const std::string& person, std::uint8_t case_number,
                    const std::string& queue = "ged/89", const std::string& motif = "suivi") {
    return add(time, audit::LeafType::consultation,
               {{"actor", person},
                {"person", person},
                {"act", "open"},
                {"exchange", id(case_number)},
                {"case", id(case_number)},
                {"queue", queue},
                {"motif", motif},
                {"outcome", "ok"}});
  }
  LeafIndex submission(UnixMillis time, const std::string& person, std::uint8_t case_number,
                       const std::string& outcome = "ok") {
    return add(time, outcome == "ok" ? audit::LeafType::modification : audit::LeafType::refus,
               {{"actor", person},
                {"person", person},
                {"act", "submit"},
                {"case", id(case_number)},
                {"kind", "decision"},
                {"outcome", outcome},
                {"rule", "depot.decision"}});
  }
  AuditSummary report(const ReportOptions& options) const {
    AuditReporter reporter(options);
    for (const client::AuditedRecord& record : records_) reporter.add(record);
    return reporter.finish();
  }
  static std::string id(std::uint8_t number) { return static_cast<char>(number) + std::string(31, '\0'); }

 private:
  std::vector<client::AuditedRecord> records_;
  std::uint64_t version_ = 0;
};

ReportOptions november() { return {day("2026-11-01"), day("2026-11-30"), {}, std::chrono::days(30)}; }

TEST(AuditReport, CountsWhatWasErasedAtItsTermByItsLeafAlone) {
  AuditReporter reporter(november());
  client::AuditedRecord opening{LeafIndex{4}, {}, {}, "2026-1"};
  opening.leaf.type = audit::LeafType::consultation;
  opening.leaf.time = at("2026-11-03", 9h);
  reporter.add(opening);
  client::AuditedRecord version = opening;
  version.index = LeafIndex{5};
  version.leaf.type = audit::LeafType::habilitation;
  version.leaf.directory = audit::DirectoryReference{DirectoryNumber{7}, Digest{}};
  reporter.add(version);
  const AuditSummary summary = reporter.finish();
  EXPECT_EQ(summary.records, 2U);
  EXPECT_EQ(summary.erased, 2U);
  EXPECT_EQ(summary.acts.at("consultation"), 1U);
  EXPECT_TRUE(summary.persons.empty()) << "who it was is gone";
  ASSERT_EQ(summary.directory.count, 1U) << "in clear in the leaf";
  EXPECT_EQ(summary.directory.listed[0].subject, "7");
  EXPECT_EQ(summary.directory.listed[0].shard, "2026-1");
  const auto lines = client::lines_of(summary);
  EXPECT_TRUE(std::any_of(lines.begin(), lines.end(), [](const client::ReportLine& line) {
    return line.section == "erased_at_term" && line.count == 2;
  }));
  EXPECT_TRUE(std::any_of(lines.begin(), lines.end(), [](const client::ReportLine& line) {
    return line.section == "directory" && line.shard == "2026-1" && line.leaf == LeafIndex{5};
  }));
}

TEST(AuditReport, CountsWhoOpenedWhatAndWhy) {
  Journal journal;
  journal.opening(at("2026-11-03", 9h), "leroux", 1);
  journal.opening(at("2026-11-03", 10h), "leroux", 1, "ged/89", "evaluation");
  journal.opening(at("2026-11-04", 9h), "leroux", 2);
  journal.opening(at("2026-11-04", 9h), "aubry", 2);
  journal.opening(at("2026-10-31", 23h), "aubry", 3);  // the day before
  journal.opening(at("2026-12-01", 0h), "aubry", 3);   // the day after
  const AuditSummary summary = journal.report(november());
  ASSERT_EQ(summary.persons.size(), 2U);
  const client::PersonSummary& leroux = summary.persons.at("leroux");
  EXPECT_EQ(leroux.openings, 3U);
  EXPECT_EQ(leroux.cases, 2U);
  EXPECT_EQ(leroux.exchanges, 2U);
  EXPECT_EQ(leroux.motifs, (std::map<std::string, std::uint64_t>{{"evaluation", 1}, {"suivi", 2}}));
  EXPECT_EQ(summary.persons.at("aubry").openings, 1U);
  EXPECT_EQ(summary.records, 4U);
  EXPECT_EQ(summary.acts.at("consultation"), 4U);
}

TEST(AuditReport, APeriodBeginsAndEndsAtMidnightInParisWhenClocksChange) {
  const ReportOptions options{day("2026-03-29"), day("2026-10-25"), {}, std::chrono::days(30)};
  Journal journal;
  journal.opening({paris_midnight(day("2026-03-29")).value - 1}, "leroux", 1);
  journal.opening(paris_midnight(day("2026-03-29")), "leroux", 2);
  journal.opening({paris_midnight(day("2026-10-26")).value - 1}, "leroux", 3);
  journal.opening(paris_midnight(day("2026-10-26")), "leroux", 4);
  const AuditSummary summary = journal.report(options);
  EXPECT_EQ(summary.persons.at("leroux").openings, 2U);
  // 02:30 comes twice on that October morning, and both are of the same day.
  Journal twice;
  for (int i = 0; i < 6; ++i) twice.opening({at("2026-10-25", 2h + 30min).value}, "leroux", 1);
  for (int i = 0; i < 6; ++i) twice.opening({at("2026-10-25", 3h + 30min).value}, "leroux", 1);
  ASSERT_EQ(twice.report(options).unusual.size(), 1U);
  EXPECT_EQ(twice.report(options).unusual[0].openings, 12U);
}

TEST(AuditReport, ADayIsUnusualAboveTenAndThreeTimesTheMedianOfTheOtherDays) {
  const auto flagged = [](const std::vector<int>& earlier, int today) {
    Journal journal;
    Day it = day("2026-11-02");
    for (int count : earlier) {
      for (int i = 0; i < count; ++i) journal.opening(paris_midnight(it) + 9h, "leroux", 1);
      it += std::chrono::days(1);
    }
    for (int i = 0; i < today; ++i) journal.opening(at("2026-11-27", 9h), "leroux", 1);
    const auto unusual = journal.report(november()).unusual;
    return std::count_if(unusual.begin(), unusual.end(), [](const auto& d) { return d.day == day("2026-11-27"); });
  };
  EXPECT_EQ(flagged({}, 10), 0);
  EXPECT_EQ(flagged({}, 11), 1);
  EXPECT_EQ(flagged({4, 4, 4}, 12), 0);
  EXPECT_EQ(flagged({4, 4, 4}, 13), 1);
  EXPECT_EQ(flagged({4, 5}, 13), 0);  // median 4,5: above 13,5
  EXPECT_EQ(flagged({4, 5}, 14), 1);
  EXPECT_EQ(flagged({1, 1, 100}, 11), 1);
}

TEST(AuditReport, WhatIsUsualComesFromBeforeThePeriodToo) {
  Journal journal;
  for (int i = 0; i < 20; ++i) journal.opening(at("2026-10-01", 9h), "leroux", 1);
  for (int i = 0; i < 20; ++i) journal.opening(at("2026-10-02", 9h), "leroux", 1);
  for (int i = 0; i < 30; ++i) journal.opening(at("2026-11-02", 9h), "leroux", 1);
  EXPECT_TRUE(journal.report(november()).unusual.empty());
  ReportOptions october = november();
  october.from = day("2026-10-01");
  october.to = day("2026-10-31");
  EXPECT_TRUE(journal.report(october).unusual.empty());
}

TEST(AuditReport, ListsOpeningsOutsideWorkingHours) {
  Journal journal;
  journal.opening(at("2026-11-02", 8h - 1ms), "leroux", 1);
  journal.opening(at("2026-11-02", 8h), "leroux", 1);
  journal.opening(at("2026-11-02", 19h), "leroux", 1);
  journal.opening(at("2026-11-07", 12h), "aubry", 1);  // a Saturday
  journal.opening(at("2026-11-11", 12h), "aubry", 1);  // a holiday
  const auto listed = journal.report(november()).out_of_hours;
  ASSERT_EQ(listed.count, 4U);
  EXPECT_EQ(listed.listed[0].leaf, LeafIndex{0});
  EXPECT_EQ(listed.listed[1].leaf, LeafIndex{2});
  EXPECT_EQ(listed.listed[3].person, "aubry");
  EXPECT_EQ(listed.listed[3].subject, "suivi");
  ReportOptions nights = november();
  nights.hours = WorkingHours{0, 24};
  EXPECT_EQ(journal.report(nights).out_of_hours.count, 2U);
}

TEST(AuditReport, ListsOpeningsNoActOfTheCaseFollowed) {
  Journal journal;
  journal.opening(at("2026-11-02", 9h), "leroux", 1);  // followed on the last day
  journal.opening(at("2026-11-02", 9h), "leroux", 2);  // followed a moment too late
  journal.opening(at("2026-11-02", 9h), "leroux", 3);  // followed by a refusal alone
  journal.opening(at("2026-11-02", 9h), "maire", 4, "org/210890240", "lecture_du_retour");  // no instance
  const LeafIndex late = journal.opening(at("2026-11-30", 9h), "leroux", 5);                // its time has not passed
  journal.submission(at("2026-12-01", 9h), "secretariat", 3, "FORBIDDEN");
  journal.submission(at("2026-12-02", 9h), "secretariat", 1);
  journal.submission(at("2026-12-02", 9h) + 1ms, "secretariat", 2);
  const AuditSummary summary = journal.report(november());
  ASSERT_EQ(summary.unfollowed.count, 2U);
  EXPECT_EQ(summary.unfollowed.listed[0].leaf, LeafIndex{1});
  EXPECT_EQ(summary.unfollowed.listed[1].leaf, LeafIndex{2});
  EXPECT_EQ(summary.unfollowed.listed[0].subject, to_hex(as_bytes(Journal::id(2))));
  EXPECT_EQ(summary.undecided, 1U);
  ReportOptions hasty = november();
  hasty.follow_up = std::chrono::days(1);
  const AuditSummary sooner = journal.report(hasty);
  EXPECT_EQ(sooner.unfollowed.count, 4U);
  EXPECT_EQ(sooner.unfollowed.listed.back().leaf, late);
  EXPECT_EQ(sooner.undecided, 0U);
}

TEST(AuditReport, ListsRefusalsVersionsSuspensionsAnomaliesAndReadings) {
  Journal journal;
  journal.add(at("2026-11-02", 9h), audit::LeafType::habilitation,
              {{"actor", "operateur"}, {"person", "dubois"}, {"act", "publish_directory"}, {"outcome", "ok"}});
  journal.add(at("2026-11-02", 10h), audit::LeafType::habilitation,
              {{"actor", "operateur"},
               {"person", "dubois"},
               {"act", "publish_directory"},
               {"outcome", "ok"},
               {"member", "p.leroux"}});
  for (int i = 0; i < 2; ++i)
    journal.add(
        at("2026-11-03", 9h), audit::LeafType::refus,
        {{"actor", "m"}, {"person", "leroux"}, {"act", "open"}, {"outcome", "FORBIDDEN"}, {"rule", "interdit.auteur"}});
  journal.add(at("2026-11-03", 9h), audit::LeafType::refus,
              {{"act", "input"}, {"outcome", "INVALID"}, {"rule", "undecodable"}, {"count", "7"}});
  journal.add(at("2026-11-04", 9h), audit::LeafType::verification,
              {{"actor", "a"}, {"person", "auditrice"}, {"act", "records"}, {"outcome", "ok"}, {"range", "0,64"}});
  journal.add(at("2026-11-04", 9h), audit::LeafType::verification,
              {{"actor", "a"}, {"person", "auditrice"}, {"act", "prove"}, {"outcome", "ok"}, {"range", "9,10"}});
  journal.add(at("2026-11-05", 9h), audit::LeafType::verification,
              {{"actor", "m"},
               {"person", "leroux"},
               {"act", "submit"},
               {"kind", "anomalie"},
               {"code", "log_forked"},
               {"outcome", "ok"}});
  const AuditSummary summary = journal.report(november());
  EXPECT_EQ(summary.persons.at("leroux").refusals,
            (std::map<std::string, std::uint64_t>{{"FORBIDDEN interdit.auteur", 2}}));
  EXPECT_EQ(summary.strays, (std::map<std::string, std::uint64_t>{{"undecodable", 7}}));
  ASSERT_EQ(summary.directory.listed.size(), 1U);
  EXPECT_EQ(summary.directory.listed[0].subject, "1");
  EXPECT_EQ(summary.directory.listed[0].person, "dubois");
  ASSERT_EQ(summary.suspensions.listed.size(), 1U);
  EXPECT_EQ(summary.suspensions.listed[0].subject, "p.leroux");
  ASSERT_EQ(summary.anomalies.listed.size(), 1U);
  EXPECT_EQ(summary.anomalies.listed[0].subject, "log_forked");
  ASSERT_EQ(summary.readings.size(), 1U);
  EXPECT_EQ(summary.readings.at("auditrice").readings, 2U);
  EXPECT_EQ(summary.readings.at("auditrice").records, 65U);
}

TEST(AuditReport, ListsSoManyEventsAndCountsTheRest) {
  Journal journal;
  for (std::size_t i = 0; i <= client::report_events_max; ++i) journal.opening(at("2026-11-02", 7h), "leroux", 1);
  const AuditSummary summary = journal.report(november());
  EXPECT_EQ(summary.out_of_hours.listed.size(), client::report_events_max);
  EXPECT_EQ(summary.out_of_hours.count, client::report_events_max + 1);
  const auto lines = client::lines_of(summary);
  const bool told = std::any_of(lines.begin(), lines.end(), [](const client::ReportLine& line) {
    return line.section == "out_of_hours" && line.subject == "beyond" && line.count == 1;
  });
  EXPECT_TRUE(told);
}

TEST(AuditReport, TheFlatListHoldsEveryFactInOneOrder) {
  Journal journal;
  journal.opening(at("2026-11-03", 22h), "leroux", 1);
  journal.opening(at("2026-11-03", 9h), "aubry", 1);
  const auto lines = client::lines_of(journal.report(november()));
  EXPECT_EQ(lines, client::lines_of(journal.report(november())));
  std::vector<std::string> told;
  for (const client::ReportLine& line : lines)
    told.push_back(line.section + "/" + line.person + "/" + line.subject + "/" + std::to_string(line.count));
  EXPECT_EQ(told, (std::vector<std::string>{"act//consultation/2", "openings/aubry//1", "exchanges_opened/aubry//1",
                                            "cases_opened/aubry//1", "openings_by_motif/aubry/suivi/1",
                                            "openings/leroux//1", "exchanges_opened/leroux//1",
                                            "cases_opened/leroux//1", "openings_by_motif/leroux/suivi/1",
                                            "out_of_hours/leroux/suivi/1", "follow_up_not_due///2"}));
}

}  // namespace
}  // namespace pli::testing
