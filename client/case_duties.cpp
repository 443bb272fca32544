#include "client/case_duties.hpp"

#include <algorithm>
#include <map>

#include "client/auditor.hpp"
#include "client/client_store.hpp"
#include "client/inbox.hpp"
#include "protocol/case_life.hpp"
#include "protocol/retention.hpp"

namespace pli::client {
namespace {

using protocol::CaseAct;
using protocol::Kind;
using protocol::LocalCode;
using protocol::Moment;

std::string date_of(const protocol::Address& address) {
  for (const auto& [name, value] : address.attributes)
    if (name == "date") return value;
  return {};
}

KnownAct act_of(const protocol::ExchangeId& exchange, const protocol::Address& address) {
  KnownAct act;
  act.exchange = exchange;
  act.case_id = address.case_id == Digest{} ? exchange : address.case_id;
  act.kind = address.kind;
  act.sender = address.sender;
  act.queue = address.queue;
  act.date = date_of(address);
  act.created_at = address.created_at;
  return act;
}

Moment moment_of(const VerifiedReceipt& receipt) {
  return {receipt.receipt.leaf.time, protocol::LogPlace{shard_name_of(receipt.origin), receipt.receipt.index}};
}

bool is_unprovable(const Failure& failure) {
  return is(failure, protocol::Code::erased) || is(failure, protocol::Code::not_found);
}

std::optional<Kind> kind_of(std::uint16_t number) {
  const protocol::KindRow* row = protocol::row_of_number(number);
  return row == nullptr ? std::nullopt : std::optional<Kind>(row->kind);
}

/// Whether an act is of this case where its members have it: of a linked case also what passed it on, under the number
/// of the case it came from; not what passed this one on, which stands in the other instance.
bool is_of(const protocol::CaseItem& item, const KnownAct& act) {
  if (act.case_id == item.origin) return act.queue == item.queue;
  return std::none_of(item.transmitted.begin(), item.transmitted.end(),
                      [&](const protocol::Transmitted& passed) { return passed.queue == act.queue; });
}

/// Done by somebody, and nobody told when.
constexpr Moment untold{};

std::vector<protocol::Deadline> instance_duties(const protocol::CaseItem& item,
                                                const std::vector<const KnownAct*>& acts,
                                                const protocol::Delays& delays, UnixMillis now) {
  std::vector<CaseAct> steps;
  UnixMillis sent_at{};
  for (const KnownAct* act : acts) {
    if (act->exchange == item.case_id && item.origin == Digest{}) sent_at = act->created_at;
    if (const auto kind = kind_of(act->kind)) steps.push_back({*kind, false, act->accepted, act->date});
  }
  protocol::CaseRoad road = protocol::road_of(steps);
  road.urgency = static_cast<protocol::Urgency>(item.urgency);
  road.sent_at = sent_at;
  if (road.received.at.value == 0) road.received = {item.opened_at, {}};
  if (item.read) road.opened = untold;
  const auto state = protocol::case_state_of(item.state).value_or(protocol::CaseState::none);
  const bool decided = state == protocol::CaseState::decide || state == protocol::CaseState::retour_effectue ||
                       state == protocol::CaseState::clos;
  if (decided && !road.decided) road.decided = untold;
  if (state == protocol::CaseState::retire && !road.withdrawn) road.withdrawn = untold;
  if (!road.answered && item.answered_at.value != 0) road.answered = Moment{item.answered_at, {}};
  auto out = protocol::case_deadlines(road, delays, now);
  // The list says when the collectivité is shown it, which is after it was given: in time is certain by it, late is
  // not.
  for (protocol::Deadline& each : out) {
    if (each.duty != protocol::Duty::retour || each.state != protocol::DutyState::missed || each.ended->leaf) continue;
    each.ended = untold;
    each.state = protocol::DutyState::done;
  }
  return out;
}

std::vector<protocol::Deadline> party_duties(const protocol::CaseItem& item, const std::vector<const KnownAct*>& acts,
                                             const protocol::Delays& delays, UnixMillis now) {
  protocol::PartyRoad road;
  road.received = {item.opened_at, {}};
  for (const KnownAct* act : acts) {
    if (act->exchange == item.case_id) {
      road.sent_at = act->created_at;
      road.received = act->accepted;
    }
    if (kind_of(act->kind) == Kind::retrait) road.withdrawn = act->accepted;
  }
  // Told by the list, and dated by what was sent to us: a retour is no sooner there than the list says so.
  if (item.state == protocol::text_of(protocol::CommuneView::examen_termine) && !road.withdrawn) {
    road.told = untold;
    for (const KnownAct* act : acts)
      if (kind_of(act->kind) == Kind::retour && (road.told->at.value == 0 || act->accepted.at < road.told->at))
        road.told = act->accepted;
  }
  return protocol::party_deadlines(road, delays, now);
}

/// Who may be called: docs/protocol.md, "Deadlines".
std::string called_for(const protocol::CaseItem& item, const std::vector<const KnownAct*>& acts,
                       const KnownDirectory& directory, UnixMillis now) {
  std::vector<std::string> recused;
  std::string author;
  for (const KnownAct* act : acts) {
    const protocol::Member* sender = directory.member(act->sender);
    const bool reports = act->exchange == item.case_id && item.origin == Digest{};
    if (reports && sender != nullptr) author = sender->organisation;
    if (kind_of(act->kind) == Kind::recusation) recused.push_back(act->sender);
  }
  std::vector<std::string> others;
  std::vector<std::string> secretariat;
  for (const protocol::Member* member : directory.members()) {
    const auto& seats = member->seats;
    if (!member->valid_at(now) || std::find(seats.begin(), seats.end(), item.queue) == seats.end()) continue;
    if (member->organisation == author || member->roles.has(protocol::Role::outil)) continue;
    if (std::find(recused.begin(), recused.end(), member->id) != recused.end()) continue;
    (member->roles.has(protocol::Role::secretariat) ? secretariat : others).push_back(member->id);
  }
  return protocol::second_person(others.empty() ? secretariat : others, item.case_id);
}

/// What is due soonest of what is still owed; of a case that owes nothing, never.
UnixMillis soonest(const CaseDuties& duties) {
  UnixMillis out{INT64_MAX};
  for (const protocol::Deadline& deadline : duties.deadlines)
    if (!deadline.ended && deadline.due.value != 0) out = std::min(out, deadline.due);
  return out;
}

}  // namespace

Outcome<std::vector<KnownAct>> known_acts(const Profile& profile) {
  auto invitation = profile.invitation();
  if (!invitation) return invitation.error();
  auto items = received(profile);
  if (!items) return items.error();
  std::map<protocol::ExchangeId, KnownAct> acts;
  for (const InboxItem& item : *items) {
    if (!item.visible || item.superseded) continue;
    KnownAct act = act_of(item.exchange, item.address);
    act.accepted.at = item.accepted_at;
    acts.emplace(item.exchange, std::move(act));
  }
  auto sent = profile.store().outbox();
  if (!sent) return local(LocalCode::local_store, sent.error());
  for (const OutboxItem& row : *sent) {
    if (!row.exchange || row.receipted_at.value == 0) continue;
    auto receipt = verify_receipt_file(receipt_path(profile, *row.exchange), invitation->log, invitation->log_key);
    if (!receipt || receipt->exchange != row.exchange) continue;  // `pli receipt verify` says what is wrong with it
    KnownAct act;
    act.exchange = *row.exchange;
    act.case_id = row.case_id == Digest{} ? *row.exchange : row.case_id;
    act.kind = static_cast<std::uint16_t>(row.kind);
    act.queue = row.queue;
    act.created_at = row.created_at;
    if (const auto found = acts.find(act.exchange); found != acts.end()) act = found->second;
    act.accepted = moment_of(*receipt);
    acts.insert_or_assign(act.exchange, std::move(act));
  }
  std::vector<KnownAct> out;
  out.reserve(acts.size());
  for (auto& [exchange, act] : acts) out.push_back(std::move(act));
  return out;
}

Outcome<void> prove_acts(Session& session, std::span<KnownAct> acts) {
  for (KnownAct& act : acts) {
    if (act.accepted.leaf) continue;
    auto proven = session.ask<protocol::Proven>(protocol::Prove{act.exchange});
    if (!proven && is_unprovable(proven.error())) continue;
    if (!proven) return proven.error();
    auto receipt = session.verify_proof(proven->proof);
    if (!receipt) return receipt.error();
    if (receipt->exchange != act.exchange)
      return Failure(LocalCode::receipt_invalid, "the proof is not of this exchange's acceptance");
    act.accepted = moment_of(*receipt);
  }
  return {};
}

bool CaseDuties::escalated(UnixMillis now) const {
  return std::any_of(deadlines.begin(), deadlines.end(),
                     [&](const protocol::Deadline& each) { return protocol::is_escalated(each, now); });
}

std::vector<CaseDuties> duties_of(const std::vector<protocol::CaseItem>& cases, std::span<const KnownAct> acts,
                                  const KnownDirectory& directory, UnixMillis now) {
  std::map<Digest, std::vector<const KnownAct*>> by_case;
  for (const KnownAct& act : acts) by_case[act.case_id].push_back(&act);
  const protocol::Contract* contract = directory.contract();
  const protocol::Delays delays =
      protocol::delays_of(contract == nullptr ? std::vector<std::string>() : contract->engagements);
  std::vector<CaseDuties> out;
  for (const protocol::CaseItem& item : cases) {
    if (item.state == protocol::text_of(protocol::CaseState::efface)) continue;
    std::vector<const KnownAct*> own = by_case[item.case_id];
    if (item.origin != Digest{}) own.insert(own.end(), by_case[item.origin].begin(), by_case[item.origin].end());
    own.erase(std::remove_if(own.begin(), own.end(), [&](const KnownAct* act) { return !is_of(item, *act); }),
              own.end());
    CaseDuties duties;
    duties.item = item;
    duties.deadlines = item.commune ? party_duties(item, own, delays, now) : instance_duties(item, own, delays, now);
    if (duties.escalated(now)) duties.called = called_for(item, own, directory, now);
    out.push_back(std::move(duties));
  }
  std::stable_sort(out.begin(), out.end(), [&](const CaseDuties& a, const CaseDuties& b) {
    if (a.escalated(now) != b.escalated(now)) return a.escalated(now);
    return soonest(a) < soonest(b);
  });
  return out;
}

UnixMillis owed_from(const protocol::Contract& contract, const std::vector<const protocol::Member*>& members,
                     std::string_view organisation) {
  UnixMillis first{INT64_MAX};
  for (const protocol::Member* member : members)
    if (member->organisation == organisation) first = std::min(first, member->not_before);
  return std::max(contract.starts, first);
}

std::vector<protocol::Deadline> own_situation(std::span<const KnownAct> acts, const KnownDirectory& directory,
                                              std::string_view member, UnixMillis now) {
  const protocol::Contract* contract = directory.contract();
  const protocol::Member* self = directory.member(member);
  if (contract == nullptr || self == nullptr) return {};
  if (!self->roles.has(protocol::Role::referent) && !self->roles.has(protocol::Role::maire)) return {};
  std::vector<Moment> points;
  for (const KnownAct& act : acts)
    if (kind_of(act.kind) == Kind::point_de_situation && protocol::is_party_queue(act.queue))
      points.push_back(act.accepted);
  return protocol::situation_deadlines(owed_from(*contract, directory.members(), self->organisation), contract->ends,
                                       std::move(points), protocol::delays_of(contract->engagements), now);
}

bool needs_somebody(const protocol::Deadline& deadline, UnixMillis now) {
  return deadline.state == protocol::DutyState::late || protocol::is_escalated(deadline, now);
}

}  // namespace pli::client
