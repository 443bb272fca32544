// Each lie a broker could tell is refused with its own code (tests/support/lies.hpp), by this client as by any other.
#include <gtest/gtest.h>

#include <set>

#include "client/auditor.hpp"
#include "client/inbox.hpp"
#include "client/open_exchange.hpp"
#include "client/outbox.hpp"
#include "tests/client/sitting.hpp"
#include "tests/support/lies.hpp"

namespace pli::testing {
namespace {

/// One member's client before a lying broker.
class Victim {
 public:
  Victim(const Lie& lie, LyingBroker& liar, const Clock& clock)
      : lie_(lie),
        clock_(clock),
        profile_(liar.world().profile(folder_, std::string(lie.member))),
        keys_(liar.world().keys(std::string(lie.member))),
        broker_(&liar.broker()) {}

  /// What the gesture comes to: the code of the failure or of the first finding; empty when all is well.
  std::set<std::string> act() {
    auto session = client::Session::open(
        profile_, keys_, clock_, std::make_unique<MemoryConnection>(broker_, keys_.current.public_identity().curve));
    if (!session) return {client::code_text(session.error())};
    switch (lie_.gesture) {
      case Gesture::connect: return {};
      case Gesture::inbox: return code_of(client::Inbox(**session).refresh());
      case Gesture::open: return open(**session);
      case Gesture::send: return send(**session);
      case Gesture::audit: return audit(**session);
    }
    return {};
  }

 private:
  template <class T>
  static std::set<std::string> code_of(const Outcome<T>& outcome) {
    if (outcome) return {};
    return {client::code_text(outcome.error())};
  }
  std::set<std::string> open(client::Session& session) {
    auto items = client::Inbox(session).refresh();
    if (!items) return code_of(items);
    auto known = client::received(profile_);
    if (!known || known->empty()) return {"nothing to open"};
    return code_of(client::open_exchange(session, known->front().exchange, {}));
  }
  std::set<std::string> send(client::Session& session) {
    client::Outbox outbox(profile_, clock_);
    auto item = outbox.put(client::draft_of(report(), "ged/89"), keys_);
    if (!item) return code_of(item);
    auto sent = outbox.flush(session);
    if (!sent) return code_of(sent);
    if (sent->stopped) return {client::code_text(*sent->stopped)};
    return {};
  }
  std::set<std::string> audit(client::Session& session) {
    auto read = client::audit_log(session, {}, std::chrono::milliseconds(0));
    if (!read) return code_of(read);
    std::set<std::string> found;
    for (const client::Finding& finding : read->findings) found.emplace(client::text_of(finding.problem));
    return found;
  }

  const Lie& lie_;
  const Clock& clock_;
  ScratchFolder folder_;
  client::Profile profile_;
  client::Keys keys_;
  MemoryBroker* broker_;
};

TEST(Conformance, EachLieIsRefusedWithItsOwnCode) {
  for (const Lie& lie : lies()) {
    SCOPED_TRACE(std::string(lie.name) + ": the broker " + std::string(lie.what));
    ManualClock clock(spring);
    LyingBroker liar(lie, clock, spring);
    Victim victim(lie, liar, clock);
    EXPECT_EQ(victim.act(), std::set<std::string>()) << "honest as yet";
    liar.start_lying();
    const std::set<std::string> answer = victim.act();
    EXPECT_EQ(answer.count(std::string(lie.code)), 1U)
        << "answered " << (answer.empty() ? "nothing" : answer.begin()->c_str());
  }
}

TEST(Conformance, ALieHasOneNameAndEachPromiseThatABrokerCanBreakAloneHasOne) {
  std::set<std::string_view> names;
  std::set<std::string_view> promises;
  for (const Lie& lie : lies()) {
    EXPECT_TRUE(names.insert(lie.name).second) << lie.name;
    EXPECT_EQ(find_lie(lie.name), &lie);
    promises.insert(lie.promise);
  }
  EXPECT_EQ(find_lie("none"), nullptr);
  for (const char* promise : {"P2", "P3", "P4", "P5", "P7", "P8", "P10"})
    EXPECT_EQ(promises.count(promise), 1U) << promise;
}

}  // namespace
}  // namespace pli::testing
