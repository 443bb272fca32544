// Design §4: one authority takes a member's rights away at once, for seven days at most.
#include "protocol/limits.hpp"
#include "protocol/suspension.hpp"
#include "tests/broker/core_fixture.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;

class Suspensions : public CoreTest {
 protected:
  protocol::Suspension of(const std::string& member) const {
    return {department.directory()->verified()->head().contract, member, department.directory()->number(), house.now};
  }
  protocol::ReplyBody carry(const protocol::Suspension& suspension, std::size_t authority = 0,
                            const std::string& carrier = "operateur") {
    return house.ask(carrier, broker::VerifiedSuspension{department.sign_suspension(suspension, authority)});
  }
  Sealed report = accept({});
};

TEST_F(Suspensions, OneAuthorityIsEnoughAndAnyOne) {
  for (std::size_t authority = 0; authority < 3; ++authority) {
    const std::string member = "ged." + std::to_string(authority + 1);
    ASSERT_EQ(refusal_in(open(member, report.id)), "");
    ASSERT_EQ(refusal_in(carry(of(member), authority)), "");
    EXPECT_EQ(refusal_in(open(member, report.id)), "REVOKED(suspension)");
    EXPECT_EQ(refusal_in(house.ask(member, protocol::Hello{})), "REVOKED(suspension)");
  }
  expect_whole();
}

TEST_F(Suspensions, P3IsALeafThatHoldsTheSignedNoteAndSoIsEachRefusalUnderIt) {
  const auto reply = carry(of("ged.1"));
  const audit::Receipt receipt = verified(std::get<protocol::Published>(reply).proof);
  EXPECT_EQ(receipt.leaf.type, audit::LeafType::habilitation);
  EXPECT_FALSE(receipt.leaf.directory.has_value());  // it is no version
  const Bytes* note = receipt.record.find("statement");
  ASSERT_NE(note, nullptr);
  EXPECT_TRUE(protocol::verify_suspension_note(as_text(*note), department.authorities()).has_value());
  JournalLine line = last_line();
  EXPECT_EQ(line.text("actor"), "operateur");
  EXPECT_EQ(line.text("member"), "ged.1");
  ASSERT_EQ(refusal_in(open("ged.1", report.id)), "REVOKED(suspension)");
  line = last_line();
  EXPECT_EQ(line.leaf.type, audit::LeafType::refus);
  EXPECT_EQ(line.text("outcome"), "REVOKED");
  EXPECT_EQ(line.text("rule"), "suspension");
}

TEST_F(Suspensions, LastAStartAndLapseAfterSevenDays) {
  ASSERT_EQ(refusal_in(carry(of("ged.1"))), "");
  house.restart();
  house.now = house.now + protocol::suspension_life - 1ms;
  EXPECT_EQ(refusal_in(open("ged.1", report.id)), "REVOKED(suspension)");
  house.now = house.now + 1ms;
  EXPECT_EQ(refusal_in(open("ged.1", report.id)), "");
  expect_whole();
}

TEST_F(Suspensions, EndWithAVersionThatWritesTheMembersEntry) {
  ASSERT_EQ(refusal_in(carry(of("ged.1"))), "");
  ASSERT_EQ(refusal_in(carry(of("ged.2"))), "");
  // A version that does not touch them changes nothing.
  ASSERT_EQ(refusal_in(publish(department.renew("ged.3"))), "");
  EXPECT_EQ(refusal_in(open("ged.1", report.id)), "REVOKED(suspension)");
  // k of n give the rights back, or take them for good.
  ASSERT_EQ(refusal_in(publish(department.renew("ged.1"))), "");
  EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::Hello{})), "");
  ASSERT_EQ(refusal_in(publish(department.revoke("ged.2", house.now))), "");
  EXPECT_EQ(refusal_in(open("ged.2", report.id)), "REVOKED");
  house.restart();
  EXPECT_EQ(refusal_in(house.ask("ged.1", protocol::Hello{})), "");
  expect_whole();
}

TEST_F(Suspensions, TheSameOneMakesNoSecondLeafAndAnotherUnderTheVersionNone) {
  const protocol::Suspension suspension = of("ged.1");
  const auto first = carry(suspension);
  const TreeSize size = house.store().tree_size();
  const auto again = carry(suspension);
  EXPECT_EQ(std::get<protocol::Published>(again).proof.index, std::get<protocol::Published>(first).proof.index);
  EXPECT_EQ(house.store().tree_size(), size);
  // One authority alone cannot make it last: nothing longer under the same version, whoever signs.
  protocol::Suspension later = suspension;
  later.from = house.now + 1s;
  EXPECT_EQ(refusal_in(carry(later, 1)), "CONFLICT");
  house.now = house.now + protocol::suspension_life;
  later.from = house.now;
  EXPECT_EQ(refusal_in(carry(later, 1)), "CONFLICT");
}

TEST_F(Suspensions, RefuseWhatDoesNotFit) {
  protocol::Suspension bad = of("ged.1");
  bad.contract = "csi-58-2026";
  EXPECT_EQ(refusal_in(carry(bad)), "INVALID(contract)");
  EXPECT_EQ(refusal_in(carry(of("personne"))), "INVALID(member)");
  bad = of("ged.1");
  bad.directory.value = 2;
  EXPECT_EQ(refusal_in(carry(bad)), "CONFLICT");
  bad = of("ged.1");
  bad.from = house.now + 300'001ms;
  EXPECT_EQ(refusal_in(carry(bad)), "CLOCK_SKEW");
  bad.from = house.now - protocol::suspension_life;
  EXPECT_EQ(refusal_in(carry(bad)), "INVALID(from)");
  EXPECT_EQ(refusal_in(house.ask("operateur", broker::VerifiedSuspension{"pli-suspension/1\n"})), "INVALID(note)");
  std::string forged = department.sign_suspension(of("ged.1"), 0);
  const std::size_t at = forged.find("member ged.1");
  forged.replace(at, 12, "member ged.2");
  EXPECT_EQ(refusal_in(house.ask("operateur", broker::VerifiedSuspension{forged})), "BAD_SIGNATURE");
  EXPECT_EQ(refusal_in(carry(of("ged.1"), 0, "auditeur")).substr(0, 9), "FORBIDDEN");
  EXPECT_EQ(refusal_in(open("ged.1", report.id)), "");
  EXPECT_EQ(refusal_in(open("ged.2", report.id)), "");
  expect_whole();
}

TEST_F(Suspensions, EndASubscription) {
  ASSERT_EQ(refusal_in(house.ask("ged.1", protocol::Follow{{{"ged/89", {1}}}, 10})), "");
  ASSERT_EQ(refusal_in(carry(of("ged.1"))), "");
  std::vector<broker::VerifiedRequest> batch;
  batch.push_back(house.request("referent.sens", [&] {
    Draft draft;
    draft.sender = "referent.sens";
    return department.seal(draft).verified();
  }()));
  const auto outcome = house.apply(std::move(batch));
  ASSERT_TRUE(outcome.has_value());
  for (const broker::Outgoing& out : outcome->outgoing) EXPECT_TRUE(out.answers);  // nothing was pushed
}

}  // namespace
}  // namespace pli::testing
