#include "client/agenda.hpp"

#include <algorithm>

#include "protocol/case_life.hpp"
#include "tests/client/sitting.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;
using client::Agenda;
using client::AgendaCase;
using client::AgendaStanding;
using client::CaseDuties;
using client::InboxItem;
using protocol::CaseState;
using protocol::Kind;

Day on(const char* text) { return parse_day(text).value(); }
UnixMillis at(const char* text, std::chrono::milliseconds into_it = 10h) { return paris_midnight(on(text)) + into_it; }
Digest number(std::uint8_t value) {
  Digest out{};
  out[0] = value;
  return out;
}

/// The headers of a GED's queue, written by hand in their order.
class AgendaTest : public ::testing::Test {
 protected:
  InboxItem& header(std::uint8_t case_number, Kind kind, UnixMillis accepted_at, const std::string& date = {}) {
    InboxItem item;
    item.queue = "ged/89";
    item.head.number = QueueNumber{headers_.size() + 1};
    item.exchange = number(static_cast<std::uint8_t>(100 + headers_.size()));
    item.address.kind = static_cast<std::uint16_t>(kind);
    item.address.sender = "secretariat";
    item.address.queue = item.queue;
    item.address.case_id = number(case_number);
    if (!date.empty()) item.address.attributes.emplace_back("date", date);
    item.accepted_at = accepted_at;
    headers_.push_back(std::move(item));
    return headers_.back();
  }
  /// A case as the broker lists it, whose decision is owed until the end of that day.
  CaseDuties listed(std::uint8_t case_number, CaseState state, const char* last_day = "2027-03-31") {
    CaseDuties out;
    out.item.case_id = number(case_number);
    out.item.kind = static_cast<std::uint16_t>(Kind::signalement_individuel);
    out.item.queue = "ged/89";
    out.item.state = protocol::text_of(state);
    out.item.opened_at = at("2026-11-02") + std::chrono::minutes(case_number);
    protocol::Deadline decision;
    decision.duty = protocol::Duty::decision;
    decision.due = protocol::end_of_day(at(last_day));
    out.deadlines.push_back(decision);
    return out;
  }
  [[nodiscard]] std::map<Digest, client::CaseCourse> courses() const { return client::courses_of(headers_, "ged/89"); }
  [[nodiscard]] Agenda agenda(const std::vector<CaseDuties>& cases, const char* today = "2026-11-28") const {
    return client::agenda_of(cases, courses(), "ged/89", client::next_seances(fortnight_, on(today)));
  }

  std::vector<InboxItem> headers_;
  protocol::SeanceCalendar fortnight_{on("2026-12-03"), 15};  // 3 and 18 December, 2 January
};

TEST_F(AgendaTest, ACaseStandsOnTheDayOfItsNewestInscription) {
  header(1, Kind::inscription, at("2026-11-20"), "2026-12-18");
  header(2, Kind::inscription, at("2026-11-20"), "2026-12-03");
  header(1, Kind::inscription, at("2026-11-21"), "2026-12-03");
  header(1, Kind::inscription, at("2026-11-22"), "2027-01-02");
  const Agenda shown = agenda({listed(1, CaseState::a_l_ordre_du_jour), listed(2, CaseState::a_l_ordre_du_jour)});
  ASSERT_EQ(shown.cases.size(), 2U);
  EXPECT_EQ(shown.cases[0].item.case_id, number(2)) << "in the order of the séances";
  EXPECT_EQ(shown.cases[0].seance, on("2026-12-03"));
  EXPECT_EQ(shown.cases[1].seance, on("2027-01-02"));
  // The queue's order decides, not the order in which a profile lists what it holds.
  std::reverse(headers_.begin(), headers_.end());
  EXPECT_EQ(agenda({listed(1, CaseState::a_l_ordre_du_jour)}).cases[0].seance, on("2027-01-02"));
}

TEST_F(AgendaTest, WhatWasTakenUpOrDecidedIsMarked) {
  for (std::uint8_t each = 1; each <= 4; ++each) header(each, Kind::inscription, at("2026-11-20"), "2026-12-03");
  header(2, Kind::mise_en_evaluation, at("2026-12-03"));
  header(3, Kind::mise_en_evaluation, at("2026-12-03"));
  header(4, Kind::mise_en_evaluation, at("2026-12-03"));
  header(3, Kind::decision, at("2026-12-03"));
  const Agenda shown = agenda({listed(1, CaseState::a_l_ordre_du_jour), listed(2, CaseState::complement_demande),
                               listed(3, CaseState::decide), listed(4, CaseState::en_evaluation)});
  ASSERT_EQ(shown.cases.size(), 4U);
  EXPECT_EQ(shown.cases[0].standing, AgendaStanding::inscribed);
  EXPECT_EQ(shown.cases[1].standing, AgendaStanding::taken_up) << "a complement that is waited for changes nothing";
  EXPECT_EQ(shown.cases[2].standing, AgendaStanding::decided);
  EXPECT_EQ(shown.cases[3].standing, AgendaStanding::taken_up);
}

TEST_F(AgendaTest, IsToBeInscribedWhatCannotWaitForTheSeanceAfterNext) {
  // Today is 28 November: the next séance is on the 3rd, the one after it on the 18th.
  const Agenda shown = agenda({listed(1, CaseState::recevable, "2026-12-17"), listed(2, CaseState::recu, "2026-12-18"),
                               listed(3, CaseState::recu, "2026-11-10")});
  ASSERT_EQ(shown.cases.size(), 2U);
  EXPECT_EQ(shown.cases[0].item.case_id, number(3)) << "the most pressing first, one that is late already too";
  EXPECT_EQ(shown.cases[1].item.case_id, number(1));
  EXPECT_EQ(shown.cases[1].standing, AgendaStanding::to_inscribe);
  EXPECT_EQ(shown.cases[1].seance, std::nullopt);
  EXPECT_EQ(shown.waiting, 1U) << "in time on the 18th itself, the second can wait for it";
  // On the day of a séance it is too late to be put on its agenda: the next one is the 18th.
  EXPECT_EQ(agenda({listed(2, CaseState::recu, "2026-12-18")}, "2026-12-03").cases.size(), 1U);
}

TEST_F(AgendaTest, WithoutACalendarNothingIsToldToBePressing) {
  const client::NextSeances none = client::next_seances(std::nullopt, on("2026-11-28"));
  EXPECT_EQ(none.next, std::nullopt);
  const Agenda shown = client::agenda_of({listed(1, CaseState::recu, "2026-11-10")}, courses(), "ged/89", none);
  EXPECT_TRUE(shown.cases.empty());
  EXPECT_EQ(shown.waiting, 1U);
}

TEST_F(AgendaTest, AnotherInstanceOurOwnReportsAndWhatIsGoneAreLeftOut) {
  header(1, Kind::inscription, at("2026-11-20"), "2026-12-03");
  header(2, Kind::inscription, at("2026-11-20"), "2026-12-03");
  CaseDuties other = listed(1, CaseState::a_l_ordre_du_jour);
  other.item.queue = "clir/89";
  CaseDuties ours = listed(2, CaseState::a_l_ordre_du_jour);
  ours.item.commune = true;
  const Agenda shown = agenda({other, ours, listed(3, CaseState::retire), listed(4, CaseState::efface)});
  EXPECT_TRUE(shown.cases.empty());
  EXPECT_EQ(shown.waiting, 0U);
}

TEST_F(AgendaTest, AHiddenHeaderOrOneLostInARollbackSaysNothing) {
  header(1, Kind::inscription, at("2026-11-20"), "2026-12-03");
  header(1, Kind::inscription, at("2026-11-21"), "2026-12-18").superseded = true;
  header(1, Kind::inscription, at("2026-11-22"), "2027-01-02").visible = false;
  header(1, Kind::inscription, at("2026-11-23"), "2027-01-17").queue = "clir/89";
  EXPECT_EQ(courses()[number(1)].seance(), on("2026-12-03"));
  // Inscribed before we were of the roster: no day to list it under, and not to be inscribed either.
  const Agenda shown = agenda({listed(7, CaseState::a_l_ordre_du_jour, "2026-11-10")});
  EXPECT_TRUE(shown.cases.empty());
  EXPECT_EQ(shown.waiting, 0U);
}

TEST_F(AgendaTest, ACasePutOffAtASeanceStoodOnItAndOneMovedBeforeDidNot) {
  header(1, Kind::inscription, at("2026-11-20"), "2026-12-03");
  header(1, Kind::inscription, at("2026-12-03"), "2026-12-18");  // at the séance itself
  header(2, Kind::inscription, at("2026-11-20"), "2026-12-03");
  header(2, Kind::inscription, at("2026-12-02"), "2026-12-18");
  header(3, Kind::inscription, at("2026-12-04"), "2026-12-03");  // noted the day after
  header(4, Kind::inscription, at("2026-12-03", 9h), "2026-12-03");
  header(4, Kind::inscription, at("2026-12-03", 15h), "2026-12-18");
  const auto all = courses();
  const auto stood = [&](std::uint8_t each, const char* day) {
    return client::stood_on(all.at(number(each)), on(day));
  };
  for (const std::uint8_t each : {std::uint8_t{1}, std::uint8_t{4}}) {
    EXPECT_TRUE(stood(each, "2026-12-03")) << +each;
    EXPECT_TRUE(stood(each, "2026-12-18")) << +each;
  }
  EXPECT_FALSE(stood(2, "2026-12-03"));
  EXPECT_TRUE(stood(2, "2026-12-18"));
  EXPECT_TRUE(stood(3, "2026-12-03"));
  EXPECT_FALSE(stood(3, "2026-12-18"));
}

TEST_F(AgendaTest, TheDayOfASeanceBeginsWithItsMidnightInParis) {
  header(1, Kind::inscription, at("2026-11-20"), "2026-12-03");
  header(1, Kind::inscription, at("2026-12-03", 0ms) - 1ms, "2026-12-18");
  header(2, Kind::inscription, at("2026-11-20"), "2026-12-03");
  header(2, Kind::inscription, at("2026-12-03", 0ms), "2026-12-18");
  const auto all = courses();
  EXPECT_FALSE(client::stood_on(all.at(number(1)), on("2026-12-03")));
  EXPECT_TRUE(client::stood_on(all.at(number(2)), on("2026-12-03")));
}

}  // namespace
}  // namespace pli::testing
