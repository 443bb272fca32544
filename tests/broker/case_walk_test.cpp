// A walk of 100,000 steps through the life of cases, on the real core and store, beside a model written by hand and
// not from the table: what the model refuses is refused, what it takes is taken, and the log says afterwards that no
// decision was made unread and nothing closed without a retour or a dated deferral.
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <set>

#include "crypto/random.hpp"
#include "protocol/case_life.hpp"
#include "protocol/limits.hpp"
#include "tests/broker/core_fixture.hpp"

namespace pli::testing {
namespace {

using protocol::Kind;

constexpr std::size_t steps_wanted = 100'000;
constexpr std::size_t batch_steps = 50;
constexpr std::size_t recent_cases = 20;
constexpr auto pause_between_batches = std::chrono::minutes(30);

struct Walked {
  Digest id{};
  std::string party;  ///< whose member opened it: "referent.auxerre"
  std::string instance;
  std::string state = "recu";
  std::string resumes;
  bool opened = false;
  std::optional<UnixMillis> answered;
  UnixMillis review{};
  std::set<std::string> recused;
  std::shared_ptr<const Sealed> report;        ///< of one that nobody passed on yet, or on
  std::optional<std::size_t> origin;           ///< the case it was passed on from
  std::optional<std::size_t> linked;           ///< and on to
  std::map<std::string, std::size_t> given{};  ///< of a linked one: access parts to its report, by who made them
};

class CaseWalk : public CoreTest {
 protected:
  CaseWalk() : seed_(drawn_seed()), state_(seed_ | 1) { std::cout << "seed: PLI_SEED=" << seed_ << "\n"; }

  std::uint64_t below(std::uint64_t bound) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ % bound;
  }
  bool one_in(std::uint64_t bound) { return below(bound) == 0; }
  template <class T>
  const T& pick(const std::vector<T>& list) {
    return list[below(list.size())];
  }

  static std::string organisation_of(const std::string& member) {
    if (member == "referent.auxerre" || member == "maire.auxerre") return "auxerre";
    return member == "referent.sens" ? "sens" : member;
  }
  static bool sits(const std::string& member, const std::string& instance) {
    return member == "secretariat" || member.substr(0, 3) == instance.substr(0, 3);
  }
  /// Whether this step is taken; and takes it.
  bool takes(const std::string& sender, Kind kind, const std::string& said, const std::string& queue, Walked& at);
  bool opens(const std::string& member, const Walked& at) {
    return sits(member, at.instance) && !recused(member, at) && at.state != "retire" &&
           (!at.origin || !at.given.empty());
  }
  /// From it, or from the case it was passed on from.
  bool recused(const std::string& member, const Walked& at) {
    return at.recused.contains(member) || (at.origin && cases_[*at.origin].recused.contains(member));
  }
  static std::string other_instance(const Walked& at) { return at.instance == "ged/89" ? "clir/89" : "ged/89"; }
  broker::VerifiedRequest pass_on(std::size_t from);

  std::string answered_to(const Walked& at) {
    return at.origin ? cases_[*at.origin].instance : department.organisation_queue(at.party);
  }
  broker::VerifiedRequest next_request();
  void renew() {
    EXPECT_EQ(refusal_in(publish(department.renew_term(house.now + std::chrono::hours(24 * 29)))), "");
    renewed_ = house.now;
  }
  void check_log();

  struct Expected {
    bool taken = false;
    bool commune = false;
    std::string what;
  };
  std::vector<Walked> cases_;
  std::vector<Expected> expected_;
  std::size_t taken_ = 0;
  std::size_t transmissions_ = 0;
  UnixMillis renewed_ = house.now;

 private:
  static std::uint64_t drawn_seed() {
    if (const char* given = std::getenv("PLI_SEED")) return std::strtoull(given, nullptr, 10);
    std::uint64_t value = 0;
    for (const std::uint8_t byte : crypto::random_array<8>()) value = value << 8U | byte;
    return value;
  }
  std::uint64_t seed_;
  std::uint64_t state_;
};

bool CaseWalk::takes(const std::string& sender, Kind kind, const std::string& said, const std::string& queue,
                     Walked& at) {
  const bool party = organisation_of(sender) == organisation_of(at.party);
  const std::string before = at.state == "complement_demande" ? at.resumes : at.state;
  if (at.state == "retire") return false;
  if (kind == Kind::complement || kind == Kind::rectification || kind == Kind::retrait) {
    if (!party || queue != at.instance || at.origin) return false;
    if (kind == Kind::retrait) {
      if (at.state != "recu" || at.opened) return false;
      at.state = "retire";
      return true;
    }
    if (at.state != "complement_demande") return !at.answered || house.now < *at.answered + std::chrono::hours(24 * 30);
    if (kind == Kind::complement) at.state = before;
    return true;
  }
  if (!sits(sender, at.instance) || recused(sender, at)) return false;
  const bool outward = kind == Kind::retour || kind == Kind::demande_de_complement;
  if (queue != (outward ? answered_to(at) : at.instance)) return false;
  if (kind == Kind::recusation) return at.recused.insert(sender).second;
  if (sender != "secretariat" || !at.opened) return false;
  const auto move = [&](const std::set<std::string>& from, const std::string& to) {
    if (!from.contains(before)) return false;
    at.state = to;
    return true;
  };
  switch (kind) {
    case Kind::demande_de_complement:
      if (at.state == "complement_demande" || at.state == "decide" || at.state == "retour_effectue" ||
          at.state == "clos")
        return false;
      at.resumes = at.state;
      at.state = "complement_demande";
      return true;
    case Kind::recevabilite: return said != before && move({"recu", "recevable", "hors_perimetre"}, said);
    case Kind::inscription:
      if (before == "en_evaluation") return move({before}, before);
      return move({"recevable", "hors_perimetre", "a_l_ordre_du_jour"}, "a_l_ordre_du_jour");
    case Kind::mise_en_evaluation: return move({"a_l_ordre_du_jour"}, "en_evaluation");
    case Kind::decision: return move({"en_evaluation"}, "decide");
    case Kind::retour:
      if (at.answered || (at.state != "decide" && at.state != "clos")) return false;
      if (at.state == "decide") at.state = "retour_effectue";
      at.answered = house.now;
      return true;
    case Kind::report_du_retour: {
      const UnixMillis day = protocol::day_of(said).value_or(UnixMillis{});
      if (at.answered || (at.state != "decide" && at.state != "clos") || day <= house.now) return false;
      at.review = day;
      return true;
    }
    case Kind::cloture:
      if (at.state == "decide" && at.review <= house.now) return false;
      return move({"retour_effectue", "decide"}, "clos");
    default: return false;
  }
}

/// To the other instance: the case, or its report once the case is there.
broker::VerifiedRequest CaseWalk::pass_on(std::size_t from) {
  static const std::vector<std::string> members = {"secretariat", "secretariat", "ged.1", "clir.1"};
  Walked& at = cases_[from];
  const std::string sender = pick(members);
  const std::string to = other_instance(at);
  const bool may = sits(sender, at.instance) && !recused(sender, at) && at.state != "retire";
  if (at.linked && !one_in(4)) {
    Walked& there = cases_[*at.linked];
    const bool taken = may && sender == "secretariat" && there.given[sender] < protocol::access_parts_per_sender_max;
    if (taken) ++there.given[sender];
    if (there.given[sender] == 0) there.given.erase(sender);
    expected_.push_back({taken, false, "the report passed on by " + sender + " in " + at.state});
    return house.request(sender, department.seal_access_to(to, at.id, sender, *at.report, house.now).verified());
  }
  const bool taken = may && sender == "secretariat" && at.opened && !at.linked;
  expected_.push_back({taken, false, "a transmission by " + sender + " in " + at.state});
  Draft draft = step(Kind::transmission, sender, to, at.id);
  draft.openable = false;
  const Sealed sealed = department.seal(draft);
  if (taken) {
    Walked linked;
    linked.id = sealed.id;
    linked.party = at.party;
    linked.instance = to;
    linked.report = at.report;
    linked.origin = from;
    at.linked = cases_.size();
    cases_.push_back(std::move(linked));
    ++transmissions_;
  }
  return house.request(sender, sealed.verified());
}

broker::VerifiedRequest CaseWalk::next_request() {
  static const std::vector<std::string> communes = {"referent.auxerre", "maire.auxerre", "referent.sens"};
  static const std::vector<std::string> members = {"secretariat", "secretariat", "secretariat",
                                                   "ged.1",       "ged.2",       "clir.1"};
  Draft draft;
  draft.openable = false;
  if (cases_.size() < recent_cases || one_in(40)) {
    const bool structure = one_in(3);
    const bool tool = one_in(6);
    draft = step(tool        ? Kind::information_de_volet
                 : structure ? Kind::signalement_de_structure
                             : Kind::signalement_individuel,
                 tool ? "outil.transport" : pick(communes), structure ? "clir/89" : "ged/89", {});
    draft.openable = false;
    const Sealed sealed = department.seal(draft);
    Walked opened;
    opened.id = sealed.id;
    opened.party = draft.sender;
    opened.instance = draft.queue;
    opened.report = std::make_shared<const Sealed>(sealed.clone());
    cases_.push_back(std::move(opened));
    expected_.push_back({true, false, "a first exchange"});
    return house.request(draft.sender, sealed.verified());
  }
  const std::size_t picked = cases_.size() - 1 - below(recent_cases);
  Walked& at = cases_[picked];
  if (!at.origin && one_in(8)) return pass_on(picked);
  if (one_in(6)) {
    // Its report, by somebody of its instance: the others do not know that it is there. The secretariat sits in both,
    // and opens what was passed on where it was sent.
    const bool both = !at.origin && one_in(2);
    const std::string member = both ? "secretariat" : at.instance.substr(0, at.instance.find('/')) + ".1";
    const bool taken = opens(member, at);
    if (taken) at.opened = true;
    // Who sits in both has read it in both.
    if (taken && both && at.linked && !cases_[*at.linked].given.empty()) cases_[*at.linked].opened = true;
    expected_.push_back({taken, false, "an opening by " + member + " of a case in " + at.state});
    return house.request(member, department.open(member, at.report->id, house.now));
  }
  static const std::vector<Kind> kinds = {Kind::complement,
                                          Kind::rectification,
                                          Kind::retrait,
                                          Kind::recevabilite,
                                          Kind::recevabilite,
                                          Kind::inscription,
                                          Kind::mise_en_evaluation,
                                          Kind::decision,
                                          Kind::retour,
                                          Kind::demande_de_complement,
                                          Kind::inscription,
                                          Kind::mise_en_evaluation,
                                          Kind::report_du_retour,
                                          Kind::cloture,
                                          Kind::recusation};
  static const std::map<std::string, Kind> onwards = {
      {"recu", Kind::recevabilite},          {"recevable", Kind::inscription},
      {"hors_perimetre", Kind::inscription}, {"a_l_ordre_du_jour", Kind::mise_en_evaluation},
      {"en_evaluation", Kind::decision},     {"decide", Kind::retour},
      {"retour_effectue", Kind::cloture}};
  const auto onward = onwards.find(at.state);
  const Kind kind = onward != onwards.end() && one_in(3) ? onward->second : pick(kinds);
  const bool theirs = kind == Kind::complement || kind == Kind::rectification || kind == Kind::retrait;
  std::string sender = theirs ? at.party : pick(members);
  if (one_in(10)) sender = one_in(2) ? pick(communes) : pick(members);
  if (kind == Kind::recusation && (sender == "secretariat" || !one_in(3))) sender = "ged.2";  // somebody has to go on
  const bool outward = kind == Kind::retour || kind == Kind::demande_de_complement;
  draft = step(kind, sender, outward ? answered_to(at) : at.instance, at.id);
  draft.openable = false;
  if (kind == Kind::recevabilite && one_in(3)) draft.attributes = {{"avis", "hors_perimetre"}};
  if (kind == Kind::report_du_retour) draft.attributes = {{"date", one_in(3) ? "2026-01-20" : "2026-12-31"}};
  const std::string said = draft.attributes.empty() ? "" : draft.attributes.front().second;
  const std::string from = at.state;
  const bool commune = !sits(sender, "ged/89") && !sits(sender, "clir/89");
  expected_.push_back({takes(sender, kind, said, draft.queue, at), commune,
                       std::string(protocol::row_of(kind)->name) + " by " + sender + " in " + from});
  return house.request(sender, department.seal(draft).verified());
}

/// By the log alone: what was read before it was decided, and what was answered or deferred before it was closed.
void CaseWalk::check_log() {
  std::set<std::string> read;                    // exchanges
  std::map<std::string, std::string> report_of;  // of a linked case, by its id; any other's is its id
  std::set<std::string> decided;
  std::set<std::string> answered_or_deferred;
  std::size_t decisions = 0;
  std::size_t closings = 0;
  for (const JournalLine& line : journal()) {
    if (line.text("outcome") != "ok") continue;
    const std::string of_case = line.text("case");
    const std::string kind = line.text("kind");
    if (line.text("act") == "open") read.insert(line.text("exchange"));
    if (line.text("act") != "submit") continue;
    if (kind == "transmission") report_of[line.text("exchange")] = of_case;
    if (kind == "decision") {
      ++decisions;
      const auto linked = report_of.find(of_case);
      EXPECT_TRUE(read.contains(linked == report_of.end() ? of_case : linked->second)) << "decided unread";
      EXPECT_TRUE(decided.insert(of_case).second) << "decided twice";
    }
    if (kind == "retour" || kind == "report_du_retour") answered_or_deferred.insert(of_case);
    if (kind == "cloture") {
      ++closings;
      EXPECT_TRUE(decided.contains(of_case)) << "closed undecided";
      EXPECT_TRUE(answered_or_deferred.contains(of_case)) << "closed without a word";
    }
  }
  EXPECT_GT(decisions, 100U);
  EXPECT_GT(closings, 100U);
}

TEST_F(CaseWalk, FindsNoStateOutsideTheTableNoDecisionUnreadAndNoClosingWithoutARetour) {
  std::size_t steps = 0;
  std::map<std::string, std::size_t> reached;
  while (steps < steps_wanted && !HasFailure()) {
    std::vector<broker::VerifiedRequest> batch;
    expected_.clear();
    for (std::size_t i = 0; i < batch_steps; ++i) batch.push_back(next_request());
    const auto outcome = house.apply(std::move(batch));
    ASSERT_TRUE(outcome.has_value());
    ASSERT_EQ(outcome->outgoing.size(), expected_.size());
    for (std::size_t i = 0; i < expected_.size(); ++i) {
      const std::string refused = refusal_in(outcome->outgoing[i].reply.body);
      ASSERT_EQ(refused.empty(), expected_[i].taken)
          << expected_[i].what << ": " << refused << " at step " << steps + i;
      ASSERT_NE(refused.substr(0, 4), "BUSY") << "nothing was evaluated";
      taken_ += refused.empty() ? 1 : 0;
      if (!expected_[i].commune || refused.empty()) continue;
      for (const char* word : {"perimetre", "recevable", "ordre", "evaluation", "decide", "clos", "retour_effectue"})
        ASSERT_EQ(refused.find(word), std::string::npos) << expected_[i].what << ": " << refused;
    }
    steps += expected_.size();
    house.now = house.now + pause_between_batches;
    if (house.now - renewed_ > std::chrono::hours(24 * 7)) {
      renew();
      house.tick();
    }
  }
  const auto known = [&](const broker::CaseRow& row) {
    const auto state = protocol::case_state_of_number(row.state);
    return state ? std::string(protocol::text_of(*state)) : std::string("none there is");
  };
  std::size_t compared = 0;
  for (const Walked& at : cases_) {
    const auto first = house.store().find_exchange(at.id);
    ASSERT_TRUE(first.has_value());
    const auto row = house.store().case_file(first->number);
    ASSERT_TRUE(row.has_value());
    ASSERT_EQ(row->origin.value,
              at.origin ? house.store().find_exchange(cases_[*at.origin].id)->number.value : std::uint64_t{0});
    // What was taken back is erased at the next tick.
    const bool gone = at.state == "retire" && known(*row) == "efface";
    ASSERT_TRUE(gone || known(*row) == at.state) << known(*row) << " and not " << at.state;
    ASSERT_EQ(row->opened, at.opened);
    ASSERT_EQ(row->recused, at.recused.size());
    ++reached[at.state];
    ++compared;
  }
  for (const char* state : {"complement_demande", "a_l_ordre_du_jour", "decide", "retour_effectue", "clos", "retire"})
    EXPECT_GT(reached[state], 0U) << state;
  EXPECT_GT(taken_, steps / 10);
  EXPECT_GT(transmissions_, 100U);
  std::cout << steps << " steps, " << taken_ << " taken, " << compared << " cases\n";
  check_log();
  expect_whole();
}

}  // namespace
}  // namespace pli::testing
