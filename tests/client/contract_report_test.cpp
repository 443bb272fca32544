#include "client/contract_report.hpp"

#include <algorithm>

#include "base/paris_time.hpp"
#include "tests/client/sitting.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;
using client::ContractReporter;
using client::ReportedDuty;
using protocol::Duty;
using protocol::DutyState;

constexpr std::chrono::milliseconds day = 24h;

/// A journal written by hand, by the contract and the people of the small world.
class ContractReportTest : public Sitting {
 protected:
  using Fields = std::vector<std::pair<std::string, std::string>>;
  static std::string id(std::uint8_t number) { return static_cast<char>(number) + std::string(31, '\0'); }
  LeafIndex add(UnixMillis time, Fields fields, const std::string& outcome = "ok") {
    audit::Record record = audit::new_record();
    fields.emplace_back("outcome", outcome);
    for (const auto& [name, value] : fields) record.add(name, value);
    audit::Leaf leaf;
    leaf.time = time;
    journal_.push_back({LeafIndex{journal_.size()}, leaf, audit::disclose_all(record), "2026-1"});
    return journal_.back().index;
  }
  LeafIndex submit(UnixMillis time, const char* kind, std::uint8_t exchange, std::uint8_t case_number, Fields more = {},
                   const std::string& outcome = "ok") {
    Fields fields = {{"act", "submit"}, {"exchange", id(exchange)}, {"case", id(case_number)}, {"kind", kind}};
    if (std::none_of(more.begin(), more.end(), [](const auto& field) { return field.first == "queue"; }))
      fields.emplace_back("queue", "ged/89");
    fields.insert(fields.end(), more.begin(), more.end());
    return add(time, fields, outcome);
  }
  LeafIndex open(UnixMillis time, std::uint8_t case_number, const std::string& queue = "ged/89",
                 const std::string& outcome = "ok", const std::string& kind = "signalement_individuel") {
    return add(time, {{"act", "open"}, {"case", id(case_number)}, {"kind", kind}, {"queue", queue}}, outcome);
  }
  void promise(std::vector<std::string> engagements) {
    protocol::Contract contract = *world_.draft().directory().contract();
    contract.engagements = std::move(engagements);
    ASSERT_TRUE(world_.draft().change_contract(contract).has_value());
    broker_.publish(world_.sign_version(spring));
  }
  std::vector<ReportedDuty> report(UnixMillis now) {
    if (!desk_) desk_ = connected("auditeur");
    ContractReporter reporter;
    for (const client::AuditedRecord& record : journal_) reporter.add(record);
    return reporter.finish(desk_->session->directory(), now);
  }
  static const ReportedDuty& find(const std::vector<ReportedDuty>& list, Duty duty) {
    const auto found =
        std::find_if(list.begin(), list.end(), [&](const ReportedDuty& each) { return each.deadline.duty == duty; });
    EXPECT_NE(found, list.end()) << protocol::text_of(duty);
    return *found;
  }

 private:
  std::vector<client::AuditedRecord> journal_;
  std::unique_ptr<Desk> desk_;
};

TEST_F(ContractReportTest, EachDutyOfACaseNamesTheLeavesThatProveItsEnds) {
  const LeafIndex received = submit(spring, "signalement_individuel", 1, 1);
  open(spring + 1h, 1, "ged/89", "FORBIDDEN");
  open(spring + 2h, 1, "org/219900001");
  open(spring + 3h, 1, "ged/89", "ok", "recusation");
  const LeafIndex opened = open(spring + day, 1, "ged/89", "ok", "complement");
  open(spring + 2 * day, 1);
  submit(spring + 2 * day, "decision", 2, 1, {}, "ILLEGAL_TRANSITION");
  const LeafIndex decided = submit(spring + 3 * day, "decision", 2, 1);
  const LeafIndex answered = submit(spring + 40 * day, "retour", 3, 1, {{"queue", "org/219900001"}});
  const auto list = report(spring + 50 * day);
  ASSERT_EQ(list.size(), 3U);
  const ReportedDuty& reading = find(list, Duty::premiere_lecture);
  EXPECT_EQ(reading.deadline.started.leaf, (protocol::LogPlace{"2026-1", received}));
  EXPECT_EQ(reading.deadline.ended->leaf, (protocol::LogPlace{"2026-1", opened}));
  EXPECT_EQ(reading.deadline.state, DutyState::kept);
  EXPECT_EQ(reading.instance, "ged/89");
  EXPECT_EQ(reading.subject.substr(0, 2), "01");
  EXPECT_EQ(find(list, Duty::decision).deadline.ended->leaf->leaf, decided);
  const ReportedDuty& retour = find(list, Duty::retour);
  EXPECT_EQ(retour.deadline.ended->leaf->leaf, answered);
  EXPECT_EQ(retour.deadline.state, DutyState::missed);
  auto counts = client::count_duties(list);
  EXPECT_EQ(counts[Duty::retour].missed, 1U);
  EXPECT_EQ(counts[Duty::retour].judged(), 1U);
  EXPECT_EQ(counts[Duty::decision].kept, 1U);
}

TEST_F(ContractReportTest, WhatPassesACaseOnOpensOneThatTheOtherInstanceOwes) {
  promise({"accuse_de_reception 1"});
  const auto made = [](UnixMillis time) { return std::to_string(time.value); };
  submit(spring, "signalement_individuel", 1, 1, {{"created", made(spring)}});
  open(spring + day, 1);
  const LeafIndex passed =
      submit(spring + 2 * day, "transmission", 2, 1, {{"queue", "clir/89"}, {"created", made(spring + 2 * day)}});
  submit(spring + 2 * day, "acces", 3, 1, {{"queue", "clir/89"}});
  open(spring + 3 * day, 2, "clir/89", "ok", "transmission");
  const auto unread = report(spring + 4 * day);
  const auto of_linked = [](const std::vector<ReportedDuty>& list, Duty duty) {
    const auto found = std::find_if(list.begin(), list.end(), [&](const ReportedDuty& each) {
      return each.instance == "clir/89" && each.deadline.duty == duty;
    });
    EXPECT_NE(found, list.end()) << protocol::text_of(duty);
    return *found;
  };
  EXPECT_EQ(of_linked(unread, Duty::premiere_lecture).deadline.state, DutyState::running)
      << "of the transmission alone";
  const LeafIndex opened = open(spring + 4 * day, 2, "clir/89");
  submit(spring + 5 * day, "decision", 4, 2, {{"queue", "clir/89"}});
  const auto list = report(spring + 6 * day);
  const ReportedDuty reading = of_linked(list, Duty::premiere_lecture);
  EXPECT_EQ(reading.deadline.started.leaf, (protocol::LogPlace{"2026-1", passed}));
  EXPECT_EQ(reading.deadline.ended->leaf, (protocol::LogPlace{"2026-1", opened}));
  EXPECT_EQ(of_linked(list, Duty::decision).deadline.state, DutyState::kept);
  std::vector<std::string> receipted;
  for (const ReportedDuty& each : list)
    if (each.deadline.duty == Duty::accuse_de_reception) receipted.push_back(each.instance);
  EXPECT_EQ(receipted, std::vector<std::string>{"ged/89"}) << "no collectivité waits for the receipt of the other";
}

TEST_F(ContractReportTest, UrgencyAndTheDayARetourIsPutOffToAreReadInTheRecord) {
  submit(spring, "signalement_individuel", 1, 1, {{"urgency", "urgente"}});
  submit(spring + 1h, "decision", 2, 1);
  auto list = report(spring + 3 * day);
  EXPECT_TRUE(find(list, Duty::premiere_lecture).urgent);
  EXPECT_EQ(find(list, Duty::premiere_lecture).deadline.state, DutyState::late);
  EXPECT_TRUE(protocol::is_escalated(find(list, Duty::premiere_lecture).deadline, spring + 3 * day));
  const UnixMillis due = find(list, Duty::retour).deadline.due;
  submit(spring + 2h, "report_du_retour", 3, 1, {{"date", "2026-06-30"}});
  EXPECT_GT(find(report(spring + 3 * day), Duty::retour).deadline.due, due);
  EXPECT_EQ(find(report(spring + 3 * day), Duty::retour).deadline.due, paris_midnight(*parse_day("2026-07-01")));
}

TEST_F(ContractReportTest, WhatIsTakenBackOrErasedIsOwedNoMore) {
  submit(spring, "signalement_individuel", 1, 1);
  submit(spring + 1h, "retrait", 2, 1);
  submit(spring + 2h, "signalement_de_structure", 3, 3, {{"queue", "clir/89"}});
  submit(spring + 3h, "complement", 4, 3, {{"queue", "clir/89"}});
  add(spring + 4h, {{"act", "erase_exchange"}, {"exchange", id(4)}});
  auto list = report(spring + 400 * day);
  ASSERT_EQ(list.size(), 4U);
  EXPECT_EQ(list[0].deadline.state, DutyState::lapsed);
  EXPECT_EQ(list[1].deadline.state, DutyState::lapsed);
  EXPECT_EQ(list[2].deadline.state, DutyState::late) << "not the exchange that opened it";
  add(spring + 5h, {{"act", "erase_exchange"}, {"exchange", id(3)}});
  list = report(spring + 400 * day);
  EXPECT_EQ(list[2].deadline.state, DutyState::lapsed);
}

TEST_F(ContractReportTest, WhatIsAcceptedAgainAfterARollbackIsTheSameCaseAndWhatIsGoneCountsForNothing) {
  submit(spring, "signalement_individuel", 1, 1);
  submit(spring + day, "signalement_individuel", 1, 1);
  submit(spring + day, "decision", 3, 2);  // of a case whose record was erased at its term
  const auto list = report(spring + 2 * day);
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].deadline.started.at, spring);
}

TEST_F(ContractReportTest, APointDeSituationIsKeptWhenOneIsAcceptedInTheCollectivitesQueue) {
  promise({"point_de_situation 182"});
  const auto of_commune = [](const std::vector<ReportedDuty>& list) {
    std::vector<ReportedDuty> out;
    for (const ReportedDuty& each : list)
      if (each.subject == "org/219900001") out.push_back(each);
    return out;
  };
  auto list = of_commune(report(spring + day));
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0].deadline.state, DutyState::running);
  add(spring + 10 * day, {{"act", "submit"}, {"exchange", id(8)}, {"kind", "point_de_situation"}, {"queue", "ged/89"}});
  const LeafIndex leaf =
      add(spring + 20 * day,
          {{"act", "submit"}, {"exchange", id(9)}, {"kind", "point_de_situation"}, {"queue", "org/219900001"}});
  list = of_commune(report(spring + 21 * day));
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].deadline.state, DutyState::kept);
  EXPECT_EQ(list[0].deadline.ended->leaf, (protocol::LogPlace{"2026-1", leaf}));
  EXPECT_EQ(list[1].deadline.started.at, spring + 20 * day);
}

TEST_F(ContractReportTest, ACharterOfTheDirectoryIsInForceOrMissing) {
  ASSERT_TRUE(
      world_.draft()
          .add_charter({"charte-bellerive", "89024", {"Préfet", "Maire", "Procureur"}, spring, spring + 30 * day})
          .has_value());
  broker_.publish(world_.sign_version(spring));
  auto list = report(spring + day);
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0].subject, "89024");
  EXPECT_EQ(list[0].deadline.state, DutyState::running);
  EXPECT_EQ(report(spring + 30 * day)[0].deadline.state, DutyState::late);
}

TEST_F(ContractReportTest, ACharterIsShownToItsCommuneAndToTheInstancesThatCoverIt) {
  ASSERT_TRUE(
      world_.draft()
          .add_charter({"charte-bellerive", "89024", {"Préfet", "Maire", "Procureur"}, spring, spring + 30 * day})
          .has_value());
  broker_.publish(world_.sign_version(spring));
  for (const char* member : {"secretariat", "ged.un", "r.bellerive"}) {
    const auto desk = connected(member);
    const auto list = client::charter_duties(desk->session->directory(), spring + day);
    ASSERT_EQ(list.size(), 1U) << member;
    EXPECT_EQ(list[0].subject, "89024");
    EXPECT_EQ(list[0].deadline.state, DutyState::running);
  }
}

// ---- periods --------------------------------------------------------------------------------------------------------

Day on(const char* text) { return parse_day(text).value(); }
UnixMillis at(const char* text, std::chrono::milliseconds into_it = 10h) { return paris_midnight(on(text)) + into_it; }

protocol::Deadline owed(Duty duty, const char* last_day, DutyState state, std::optional<UnixMillis> ended = {}) {
  protocol::Deadline out;
  out.duty = duty;
  out.started = {at("2026-01-05"), {}};
  out.due = protocol::end_of_day(at(last_day));
  out.state = state;
  if (ended) out.ended = protocol::Moment{*ended, {}};
  return out;
}

TEST(ReportPeriod, ADutyKeptCountsOnTheDayThatEndedItAndAnyOtherOnItsLastDay) {
  const client::ReportPeriod march{on("2026-03-01"), on("2026-03-31")};
  const auto counts = [&](const protocol::Deadline& each) { return client::counts_in(each, march); };
  EXPECT_TRUE(counts(owed(Duty::decision, "2026-05-04", DutyState::kept, at("2026-03-31", 24h - 1ms))));
  EXPECT_FALSE(counts(owed(Duty::decision, "2026-03-20", DutyState::kept, at("2026-02-28"))));
  EXPECT_TRUE(counts(owed(Duty::retour, "2026-03-31", DutyState::missed, at("2026-04-20"))));
  EXPECT_FALSE(counts(owed(Duty::retour, "2026-02-28", DutyState::missed, at("2026-03-02"))));
  EXPECT_TRUE(counts(owed(Duty::retour, "2026-03-01", DutyState::late)));
  EXPECT_FALSE(counts(owed(Duty::retour, "2026-04-01", DutyState::running)));
  EXPECT_TRUE(counts(owed(Duty::premiere_lecture, "2026-03-15", DutyState::done, UnixMillis{})));
  EXPECT_TRUE(counts(owed(Duty::decision, "2026-08-01", DutyState::lapsed, at("2026-03-01", 0ms))));
}

TEST(ReportPeriod, PeriodsSideBySideCountEachDutyOnce) {
  std::vector<ReportedDuty> all;
  for (const DutyState state :
       {DutyState::running, DutyState::late, DutyState::kept, DutyState::missed, DutyState::done, DutyState::lapsed})
    for (const char* due : {"2026-03-28", "2026-03-29", "2026-06-30", "2026-07-01", "2026-10-25"})
      for (const char* ended : {"2026-03-29", "2026-06-30", "2026-07-01"})
        all.push_back(
            {owed(Duty::decision, due, state, state == DutyState::done ? UnixMillis{} : std::optional(at(ended))), "",
             "ged/89", false});
  const auto count = [&](client::ReportPeriod period) { return client::duties_within(all, period).size(); };
  EXPECT_EQ(count({}), all.size());
  EXPECT_EQ(count({std::nullopt, on("2026-06-30")}) + count({on("2026-07-01"), std::nullopt}), all.size());
  std::size_t by_day = 0;
  for (Day one = on("2026-03-01"); one <= on("2026-12-31"); one += std::chrono::days(1)) by_day += count({one, one});
  EXPECT_EQ(by_day, all.size()) << "and so do single days";
}

TEST(ReportPeriod, ACharterCountsFromWhenItBeganAndAMissingOneIsNotHidden) {
  const protocol::Deadline charter = owed(Duty::charte, "2026-02-28", DutyState::late);
  EXPECT_TRUE(client::counts_in(charter, {on("2026-07-01"), on("2026-12-31")})) << "over, and none since";
  EXPECT_TRUE(client::counts_in(charter, {std::nullopt, on("2026-01-05")}));
  EXPECT_FALSE(client::counts_in(charter, {std::nullopt, on("2026-01-04")}));
}

}  // namespace
}  // namespace pli::testing
