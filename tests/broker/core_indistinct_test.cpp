// `sans suite` and `pris en compte` look alike to a collectivité (design §10): over 200 cases of each, led in step,
// everything that its members are given has the same kinds, sizes, steps and times. Some of them are passed on to
// another instance, which examines and answers them. What differs is what an instance does differently: its finding,
// the length of what it writes, its closing, and so the day on which its own copies go.
#include <map>
#include <optional>

#include "protocol/retention.hpp"
#include "protocol/statistics.hpp"
#include "tests/broker/core_fixture.hpp"

namespace pli::testing {
namespace {

using namespace std::chrono_literals;
using protocol::Kind;
using protocol::month_start;

constexpr std::size_t pairs_wanted = 200;
/// Of those pris en compte, one in so many is passed on to the CLIR.
constexpr std::size_t passed_on_each = 10;
/// Of these each verb is tried as well: what is refused counts, and is answered BUSY past 30 a minute.
constexpr std::size_t pairs_probed = 3;

class Indistinct : public CoreTest {
 protected:
  Indistinct() : CoreTest(small(), [](broker::CoreSettings& out) { out.retour_hour = 17; }) {}
  static DepartmentOptions small() {
    DepartmentOptions options;
    options.ged_members = 1;
    options.clir_members = 1;
    return options;
  }

  struct Led {
    Digest id{};
    bool followed_up = false;      ///< pris en compte; else sans suite
    std::optional<Digest> linked;  ///< of one that was passed on
    Sealed report{};
    std::vector<std::string> told;  ///< in answers to what its members did themselves
  };
  std::string home() const { return department.organisation_queue("referent.auxerre"); }

  /// Names of what is disclosed, and how long each value is; a place in a queue is written in as many digits as it has.
  static std::string shape_of(const protocol::LeafProof& proof) {
    std::string out;
    const auto leaf = audit::decode_leaf(proof.leaf);
    const auto record = audit::decode_disclosure(proof.disclosure);
    EXPECT_TRUE(leaf.has_value() && record.has_value());
    if (!leaf || !record) return out;
    out += "type " + std::to_string(static_cast<unsigned>(leaf->type)) + " at " + std::to_string(leaf->time.value);
    out += " fields " + std::to_string(record->fields.size());
    for (const audit::DisclosedField& field : record->fields)
      if (field.opening) {
        const auto& [name, value] = field.opening->field;
        out += " " + name + (name == "number" ? "" : " " + std::to_string(value.size()));
      }
    return out;
  }
  Sealed step_of(Led& of_case, Kind kind, std::size_t content, const std::string& sender = "secretariat") {
    const bool outward = kind == Kind::retour || kind == Kind::demande_de_complement;
    Draft draft = step(kind, sender, outward ? home() : "ged/89", of_case.id);
    draft.content = Bytes(content);
    draft.openable = false;
    if (kind == Kind::recevabilite) draft.attributes = {{"avis", of_case.followed_up ? "recevable" : "hors_perimetre"}};
    if (kind == Kind::cloture) draft.attributes = {{"terme", of_case.followed_up ? "ordinaire" : "court"}};
    Sealed sealed = department.seal(draft);
    const auto reply = submit(sealed);
    EXPECT_EQ(refusal_in(reply), "") << protocol::row_of(kind)->name;
    const auto* accepted = std::get_if<protocol::Accepted>(&reply);
    if (accepted != nullptr && sender != "secretariat") of_case.told.push_back(shape_of(accepted->proof));
    return sealed;
  }
  void all_take(Kind kind, std::size_t with, std::size_t without, const std::string& sender = "secretariat") {
    for (Led& each : cases_) (void)step_of(each, kind, each.followed_up ? with : without, sender);
    expect_alike(protocol::row_of(kind)->name);
  }

  void pass_some_on() {
    for (std::size_t i = 0; i < cases_.size(); i += passed_on_each) {
      Led& each = cases_[i];
      Draft draft = step(Kind::transmission, "secretariat", "clir/89", each.id);
      draft.openable = false;
      each.linked = accept(draft).id;
      const Sealed part = department.seal_access_to("clir/89", each.id, "secretariat", each.report, house.now);
      EXPECT_EQ(refusal_in(submit(part)), "");
      EXPECT_EQ(refusal_in(open("clir.1", each.id)), "");
    }
    expect_alike("the transmission");
  }
  void answer_what_was_passed_on() {
    for (const Led& each : cases_) {
      if (!each.linked) continue;
      for (const Kind kind : {Kind::demande_de_complement, Kind::recevabilite, Kind::inscription,
                              Kind::mise_en_evaluation, Kind::decision, Kind::retour, Kind::cloture}) {
        const bool back = kind == Kind::retour || kind == Kind::demande_de_complement;
        Draft draft = step(kind, "secretariat", back ? "ged/89" : "clir/89", *each.linked);
        draft.openable = false;
        accept(draft);
      }
    }
    expect_alike("the answer of whom it was passed on to");
  }

  /// Of each case, what this member is shown without asking about anything in particular.
  std::map<Digest, std::string> shown_to(const std::string& member) {
    std::map<Digest, std::string> out;
    for (protocol::ListCases page;;) {
      const auto reply = house.ask(member, page);
      EXPECT_EQ(refusal_in(reply), "");
      const auto& cases = std::get<protocol::Cases>(reply);
      for (const protocol::CaseItem& item : cases.items)
        out[item.case_id] += "case " + std::to_string(item.kind) + " " + item.queue + " " + item.state + " commune " +
                             std::to_string(item.commune) + " opened " + std::to_string(item.opened_at.value) +
                             " last " + std::to_string(item.updated_at.value) + " of " +
                             std::to_string(item.exchanges) + " term " + std::to_string(item.term.value) + " " +
                             std::to_string(item.noticed) + std::to_string(item.held) + "; ";
      if (!cases.more) break;
      page.after = cases.next;
    }
    for (QueueNumber after;;) {
      const auto reply = house.ask(member, protocol::List{home(), after, protocol::list_items_max});
      EXPECT_EQ(refusal_in(reply), "");
      const auto& items = std::get<protocol::Items>(reply);
      for (const protocol::QueueItem& item : items.items) {
        after = item.head.number;
        if (!item.visible) {
          ++hidden_;
          continue;
        }
        const auto address = protocol::decode_address(item.address);
        EXPECT_TRUE(address.has_value());
        if (!address) continue;
        const auto seal = protocol::decode_seal(item.seal);
        out[address->case_id] +=
            "header " + std::to_string(address->kind) + " of " + std::to_string(item.address.size()) + " " +
            std::to_string(item.seal.size()) + " " + std::to_string(seal ? seal->locked_size : 0) + " " +
            std::to_string(address->kind == static_cast<std::uint16_t>(Kind::retour) && seal ? seal->payload_size : 0) +
            " at " + std::to_string(item.accepted_at.value) + "; ";
      }
      if (!items.more) break;
    }
    return out;
  }
  /// Each verb on one case, and what it is refused with.
  std::string probed(const std::string& member, const Digest& id) {
    std::string out;
    for (const protocol::KindRow& kind : protocol::kind_table()) {
      // What is taken is taken of all of them, in its turn.
      if (!kind.names_case || kind.kind == Kind::complement || kind.kind == Kind::rectification) continue;
      const bool outward = kind.kind == Kind::retour || kind.kind == Kind::demande_de_complement;
      Draft draft = step(kind.kind, member, outward ? home() : "ged/89", id);
      draft.openable = false;
      if (const std::string name(protocol::attribute_name(kind.kind)); name == "code")
        draft.attributes = {{name, std::string(kind.kind == Kind::maintien ? protocol::hold_codes().front()
                                                                           : protocol::erasure_codes().front())}};
      out += std::string(kind.name) + " " + refusal_in(house.ask(member, department.seal(draft).verified())) + "; ";
    }
    out += "open " + refusal_in(open(member, id)) + "; ";
    const auto proof = house.ask(member, protocol::Prove{id});
    out += "prove " + refusal_in(proof);
    if (const auto* proven = std::get_if<protocol::Proven>(&proof)) out += shape_of(proven->proof);
    out += "; certificate " + refusal_in(house.ask(member, protocol::Prove{id, std::nullopt, {}, false, true}));
    return out;
  }
  void expect_alike(std::string_view after) {
    SCOPED_TRACE(after);
    for (const char* member : {"referent.auxerre", "maire.auxerre"}) {
      const auto shown = shown_to(member);
      const auto of = [&](const Digest& id) { return shown.count(id) == 0 ? std::string() : shown.at(id); };
      ASSERT_NE(of(cases_.front().id), "");
      for (const Led& each : cases_) ASSERT_EQ(of(each.id), of(cases_.front().id)) << each.followed_up;
    }
    for (const Led& each : cases_) ASSERT_EQ(each.told, cases_.front().told) << each.followed_up;
    const std::string first = probed("referent.auxerre", cases_.front().id);
    EXPECT_EQ(first.find("BUSY"), std::string::npos);
    for (std::size_t i = 1; i < 2 * pairs_probed; ++i) {
      house.now = house.now + 61s;
      ASSERT_EQ(probed("referent.auxerre", cases_[i].id), first) << cases_[i].followed_up;
    }
    house.now = house.now + 61s;
  }
  void at(UnixMillis time) {
    while (house.now < time) {
      house.now = std::min(time, house.now + 24h * 7);
      for (int i = 0; i < 16; ++i) house.tick();
      EXPECT_EQ(refusal_in(publish(department.renew_term(house.now + 24h * 29))), "");
    }
  }

  std::vector<Led> cases_;
  std::size_t hidden_ = 0;
};

TEST_F(Indistinct, P6ToACollectiviteTheTwoOutcomesAreOneThingFromTheReportToTheErasure) {
  Draft report;
  report.openable = false;
  for (std::size_t i = 0; i < 2 * pairs_wanted; ++i) {
    Led led;
    led.followed_up = i % 2 == 0;
    led.report = accept(report);
    led.id = led.report.id;
    cases_.push_back(std::move(led));
  }
  for (const Led& each : cases_) ASSERT_EQ(refusal_in(open("secretariat", each.id)), "");
  expect_alike("reading");
  all_take(Kind::recevabilite, 10, 400);
  pass_some_on();
  all_take(Kind::demande_de_complement, 50, 50);
  all_take(Kind::complement, 300, 300, "referent.auxerre");
  all_take(Kind::inscription, 10, 500);
  all_take(Kind::mise_en_evaluation, 10, 500);
  all_take(Kind::decision, 2000, 20);
  answer_what_was_passed_on();
  all_take(Kind::complement, 300, 300, "maire.auxerre");
  all_take(Kind::retour, 20, 1500);
  at(monday_morning + 8h);
  expect_alike("the hour of the retours");
  all_take(Kind::rectification, 200, 200, "referent.auxerre");
  all_take(Kind::cloture, 10, 500);
  // Through the day on which the ones go, found out of scope, and that on which the others do, to the commune's own.
  for (const std::uint32_t month : {202602U, 202603U, 202604U, 202605U, 202607U, 202608U, 202701U, 202702U}) {
    at(month_start(month));
    expect_alike(std::to_string(month));
  }
  EXPECT_EQ(query_number(house.database(), "SELECT count(*) FROM exchange WHERE address IS NOT NULL"), 0)
      << "and all of it is gone";
  EXPECT_GT(hidden_, 0U);
}

}  // namespace
}  // namespace pli::testing
