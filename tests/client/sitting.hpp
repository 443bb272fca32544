// What the client's tests share: the small world, a broker in memory, and people who sit down at it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "client/alarm.hpp"
#include "client/client_store.hpp"
#include "client/inbox.hpp"
#include "client/open_exchange.hpp"
#include "client/outbox.hpp"
#include "client/session.hpp"
#include "crypto/random.hpp"
#include "protocol/form.hpp"
#include "tests/support/memory_broker.hpp"
#include "tests/support/small_world.hpp"

namespace pli::testing {

using client::Failure;
using client::Outcome;
using protocol::Code;
using protocol::LocalCode;

/// A report about an invented person, with an attachment of so many bytes if any.
[[nodiscard]] inline protocol::Form report(const std::string& name = "Corvelle", std::size_t attachment_bytes = 0) {
  const std::string json =
      R"({"type": "signalement_individuel", "emetteur": {"service": "Police municipale", "origine": "habitant"},)"
      R"( "personnes": [{"categorie": "personne_signalee", "nom": ")" +
      name +
      R"(", "commune": "89024"}],)"
      R"( "faits": [{"date": "2025-03-12", "connaissance": "rapporte", "description": "Un fait inventé."}]})";
  auto form = protocol::Form::from_json(json, nullptr, nullptr);
  EXPECT_TRUE(form.has_value());
  if (attachment_bytes != 0) {
    Bytes noise(attachment_bytes);
    crypto::random_bytes(noise);
    EXPECT_TRUE(form->attach({"piece.pdf", "application/pdf", std::move(noise)}).has_value());
  }
  return std::move(*form);
}

/// Somebody at a desk: a profile, unlocked keys, and a session once connected.
struct Desk {
  Desk(const SmallWorld& world, const std::string& who)
      : member(who), profile(world.profile(folder, who)), keys(world.keys(who)) {}
  std::string member;
  ScratchFolder folder;
  client::Profile profile;
  client::Keys keys;
  MemoryConnection* connection = nullptr;  ///< of the session
  int dials_to_fail = 0;                   ///< nobody answers the next so many
  std::unique_ptr<client::Session> session;
};

class Sitting : public ::testing::Test {
 protected:
  Sitting() : broker_(world_, clock_, first_version(world_)), shown_(&broker_) {}

  [[nodiscard]] std::unique_ptr<Desk> desk(const std::string& who) const { return std::make_unique<Desk>(world_, who); }

  /// Opens a session with whatever broker is shown.
  Outcome<void> connect(Desk& desk) {
    desk.session.reset();
    auto session = client::Session::open(
        desk.profile, desk.keys, clock_, [this, &desk]() -> Outcome<std::unique_ptr<client::Connection>> {
          if (desk.dials_to_fail > 0 && desk.dials_to_fail-- > 0)
            return Failure(LocalCode::unreachable, "the test answers no dial");
          auto connection = std::make_unique<MemoryConnection>(shown_, desk.keys.current.public_identity().curve);
          desk.connection = connection.get();
          return std::unique_ptr<client::Connection>(std::move(connection));
        });
    if (!session) return session.error();
    desk.session = std::move(*session);
    return {};
  }
  std::unique_ptr<Desk> connected(const std::string& who) {
    auto out = desk(who);
    auto done = connect(*out);
    EXPECT_TRUE(done.has_value()) << why(done);
    return out;
  }
  /// Puts a report for the GED into the outbox and sends it; its exchange id.
  protocol::ExchangeId send_report(Desk& desk, const protocol::Form& form) {
    client::Outbox outbox(desk.profile, clock_);
    auto item = outbox.put(client::draft_of(form, "ged/89"), desk.keys);
    EXPECT_TRUE(item.has_value()) << why(item);
    auto flushed = outbox.flush(*desk.session);
    EXPECT_TRUE(flushed.has_value()) << why(flushed);
    EXPECT_FALSE(flushed->stopped) << (flushed->stopped ? why(*flushed->stopped) : "");
    auto found = outbox.find(item->id);
    EXPECT_TRUE(found.has_value() && *found);
    EXPECT_EQ((*found)->state, client::OutboxState::receipted);
    return (*found)->exchange.value_or(protocol::ExchangeId{});
  }
  /// Somebody in a new profile sends one report.
  protocol::ExchangeId somebody_sends(const std::string& who, const protocol::Form& form) {
    auto sender = connected(who);
    return send_report(*sender, form);
  }

  /// The reports of an anomaly the broker has accepted, by their codes.
  std::vector<std::string> anomalies() {
    std::vector<std::string> codes;
    for (std::size_t i = 0; i < broker_.size().value; ++i)
      if (const Bytes* code = broker_.record(i).find("code")) codes.emplace_back(as_text(*code));
    return codes;
  }

  static SignedVersion first_version(SmallWorld& world) {
    people_it(world);
    return world.sign_version(spring);
  }
  static std::string why(const Failure& failure) { return client::code_text(failure) + ": " + failure.detail; }
  template <class T>
  static std::string why(const Outcome<T>& outcome) {
    return outcome.has_value() ? "" : why(outcome.error());
  }

  SmallWorld world_;
  ManualClock clock_{spring};
  MemoryBroker broker_;
  MemoryBroker* shown_;  ///< the broker connections end in
};

template <class T, class CodeType>
::testing::AssertionResult fails_with(const Outcome<T>& outcome, CodeType code) {
  if (outcome.has_value()) return ::testing::AssertionFailure() << "no failure at all";
  if (client::is(outcome.error(), code)) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << client::code_text(outcome.error()) << ": " << outcome.error().detail;
}

}  // namespace pli::testing

/// The outcome is this failure.
#define EXPECT_FAILS_WITH(outcome, code) EXPECT_TRUE(::pli::testing::fails_with((outcome), (code)))
