#include "broker/store_vitals.hpp"

#include "tests/broker/core_fixture.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;
using protocol::Kind;

/// What the operator is told of the cases, beside the store.
class StoreVitalsTest : public CoreTest {
 protected:
  broker::CaseLife life(UnixMillis now) {
    broker::StoreVitals vitals(house.database());
    const auto seen = vitals.life(protocol::Delays{}, protocol::Terms{}, now);
    EXPECT_TRUE(seen.has_value());
    return seen.value_or(broker::CaseLife{});
  }
  UnixMillis late_from(UnixMillis start, const protocol::Delay& delay) { return protocol::late_from(start, delay); }
};

TEST_F(StoreVitalsTest, CountsTheLateCasesOfEachKindOfInstance) {
  const Sealed report = accept({});
  const UnixMillis received = house.now;
  const UnixMillis read_by = late_from(received, protocol::Delays{}.premiere_lecture);
  const UnixMillis decided_by = late_from(received, protocol::Delays{}.decision);
  EXPECT_EQ(life(read_by - 1ms).owed[0].late, 0U);
  EXPECT_EQ(life(read_by).owed[0].late, 1U);
  EXPECT_EQ(life(read_by).owed[0].escalated, 0U) << "not urgent";
  EXPECT_EQ(life(decided_by).owed[0].late, 1U) << "one case, whatever is late in it";
  EXPECT_EQ(life(read_by).owed[1].late, 0U);
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "");
  EXPECT_EQ(life(read_by).owed[0].late, 0U);
  EXPECT_EQ(life(decided_by).owed[0].late, 1U);
  decide(report.id);
  const UnixMillis answered_by = late_from(house.now, protocol::Delays{}.retour);
  EXPECT_EQ(life(answered_by - 1ms).owed[0].late, 0U);
  EXPECT_EQ(life(answered_by).owed[0].late, 1U);
  accept(step(Kind::report_du_retour, "secretariat", "ged/89", report.id));
  EXPECT_EQ(life(answered_by).owed[0].late, 0U) << "put off to a day";
  const UnixMillis review = protocol::end_of_day(*protocol::day_of("2026-12-31"));
  EXPECT_EQ(life(review - 1ms).owed[0].late, 0U);
  EXPECT_EQ(life(review).owed[0].late, 1U);
  accept(step(Kind::retour, "secretariat", department.organisation_queue("referent.auxerre"), report.id));
  EXPECT_EQ(life(review).owed[0].late, 0U);
}

TEST_F(StoreVitalsTest, CountsTheUrgentCasesASecondPersonIsCalledFor) {
  Draft urgent;
  urgent.urgency = static_cast<std::uint8_t>(protocol::Urgency::urgente);
  const Sealed report = accept(urgent);
  const UnixMillis due = late_from(house.now, protocol::Delays{}.premiere_lecture_urgente);
  const UnixMillis half = house.now + (due - house.now) / 2;
  EXPECT_EQ(life(half - 1ms).owed[0].escalated, 0U);
  EXPECT_EQ(life(half).owed[0].escalated, 1U);
  EXPECT_EQ(life(half).owed[0].late, 0U);
  EXPECT_EQ(life(due).owed[0].late, 1U);
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "");
  EXPECT_EQ(life(due).owed[0].escalated, 0U);
}

TEST_F(StoreVitalsTest, OweNothingToWhatWasTakenBack) {
  const Sealed report = accept({});
  accept(step(Kind::retrait, "referent.auxerre", "ged/89", report.id));
  EXPECT_EQ(life(house.now + 200 * 24h).owed[0].late, 0U);
}

TEST_F(StoreVitalsTest, CountsWhatIsDueToBeErasedUntilItIs) {
  const Sealed report = accept({});
  ASSERT_EQ(refusal_in(publish(department.enrol("procureur", "tj.auxerre", {protocol::Role::parquet}, {"ged/89"}))),
            "");
  for (const char* member : {"secretariat", "procureur"}) {
    Draft draft = step(Kind::demande_effacement, member, "ged/89", report.id);
    draft.attributes = {{"code", "erreur"}};
    EXPECT_EQ(life(house.now).erasures_due, 0U);
    accept(draft);
  }
  EXPECT_EQ(life(house.now).erasures_due, 1U);
  house.tick();
  EXPECT_EQ(life(house.now).erasures_due, 0U);
}

TEST_F(StoreVitalsTest, LooksOnceAMinuteAndNotBack) {
  broker::StoreVitals vitals(house.database());
  const auto owed = [&](UnixMillis now) { return vitals.life({}, {}, now)->owed[0].late; };
  const UnixMillis now = house.now + 20 * 24h;
  EXPECT_EQ(owed(now), 0U);
  accept({});
  EXPECT_EQ(owed(now + broker::case_life_every - 1ms), 0U);
  EXPECT_EQ(owed(now + broker::case_life_every), 1U);
  EXPECT_EQ(owed(house.now), 0U) << "the clock was put right";
}

TEST_F(StoreVitalsTest, SaysNothingOfADatabaseItCannotRead) {
  broker::StoreVitals vitals(house.database().string() + "-elsewhere");
  EXPECT_FALSE(vitals.life({}, {}, house.now).has_value());
}

}  // namespace
}  // namespace pli::testing
