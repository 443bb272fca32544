#include "client/contract_report.hpp"

#include <algorithm>

#include "audit/text_lines.hpp"
#include "client/case_duties.hpp"
#include "client/record_filter.hpp"
#include "protocol/case_life.hpp"
#include "protocol/retention.hpp"

namespace pli::client {
namespace {

using protocol::Kind;
using protocol::Moment;

std::optional<Digest> digest_in(const audit::Disclosure& record, std::string_view field) {
  const Bytes* value = record.find(field);
  return value == nullptr ? std::nullopt : to_array<32>(*value);
}

UnixMillis time_in(const audit::Disclosure& record, std::string_view field) {
  const Bytes* value = record.find(field);
  const auto time = value == nullptr ? std::nullopt : audit::parse_decimal(as_text(*value));
  return time && *time >> 63 == 0 ? UnixMillis{static_cast<std::int64_t>(*time)} : UnixMillis{};
}

ByteArray<16> short_id(const Digest& id) {
  ByteArray<16> out{};
  std::copy_n(id.begin(), out.size(), out.begin());
  return out;
}

bool is_instance(std::string_view queue) {
  const auto kind = protocol::queue_kind_of(queue);
  return kind == protocol::QueueKind::ged || kind == protocol::QueueKind::clir || kind == protocol::QueueKind::cpraf;
}

}  // namespace

std::uint64_t& DutyCount::of(protocol::DutyState state) {
  switch (state) {
    case protocol::DutyState::running: return running;
    case protocol::DutyState::late: return late;
    case protocol::DutyState::kept: return kept;
    case protocol::DutyState::missed: return missed;
    case protocol::DutyState::done: return done;
    case protocol::DutyState::lapsed: return lapsed;
  }
  return running;
}

std::map<protocol::Duty, DutyCount> count_duties(const std::vector<ReportedDuty>& duties) {
  std::map<protocol::Duty, DutyCount> out;
  for (const ReportedDuty& each : duties) ++out[each.deadline.duty].of(each.deadline.state);
  return out;
}

std::vector<ReportedDuty> charter_duties(const KnownDirectory& directory, UnixMillis now) {
  std::vector<protocol::CharterTerm> terms;
  for (const protocol::Charter& charter : directory.charters())
    terms.push_back({charter.territory, charter.not_before, charter.not_after});
  std::vector<ReportedDuty> out;
  for (protocol::CharterDeadline& each : protocol::charter_deadlines(std::move(terms), now))
    out.push_back({std::move(each.deadline), each.territory, {}, false});
  return out;
}

bool counts_in(const protocol::Deadline& deadline, const ReportPeriod& period) {
  using protocol::DutyState;
  const auto lies_in = [&](Day day) {
    return (!period.from || day >= *period.from) && (!period.to || day <= *period.to);
  };
  if (deadline.duty == protocol::Duty::charte) return !period.to || paris_time(deadline.started.at).day <= *period.to;
  const bool by_its_end = deadline.state == DutyState::kept || deadline.state == DutyState::lapsed;
  if (by_its_end && deadline.ended && deadline.ended->at.value != 0) return lies_in(paris_time(deadline.ended->at).day);
  // The last moment in which it is kept.
  if (deadline.due.value != 0) return lies_in(paris_time(deadline.due - std::chrono::milliseconds(1)).day);
  return !period.from && !period.to;
}

std::vector<ReportedDuty> duties_within(std::vector<ReportedDuty> duties, const ReportPeriod& period) {
  duties.erase(std::remove_if(duties.begin(), duties.end(),
                              [&](const ReportedDuty& each) { return !counts_in(each.deadline, period); }),
               duties.end());
  return duties;
}

void ContractReporter::add(const AuditedRecord& record) {
  const audit::Disclosure& fields = record.record;
  if (shown_value(fields, "outcome") != "ok") return;
  const Moment moment{record.leaf.time, protocol::LogPlace{record.shard, record.index}};
  const std::string act = shown_value(fields, "act");
  if (act == "submit") add_submission(record, moment);
  if (act == "open") add_opening(record, moment);
  if (act != "erase_exchange") return;
  const auto exchange = digest_in(fields, "exchange");
  const auto found = exchange ? known_.find(short_id(*exchange)) : known_.end();
  if (found != known_.end() && !cases_[found->second].erased) cases_[found->second].erased = moment;
}

void ContractReporter::add_submission(const AuditedRecord& record, const Moment& moment) {
  const audit::Disclosure& fields = record.record;
  const auto kind = protocol::kind_of(shown_value(fields, "kind"));
  const auto exchange = digest_in(fields, "exchange");
  if (!kind || !exchange) return;
  const std::string queue = shown_value(fields, "queue");
  if (*kind == Kind::point_de_situation) {
    if (protocol::is_party_queue(queue)) points_[queue].push_back(moment);
    return;
  }
  std::size_t at = cases_.size();
  // What passes a case on opens one of its own in the other instance, which owes what any instance owes.
  const bool passes_on = protocol::is_transmission(*kind);
  if (protocol::row_of(*kind)->opens_case || passes_on) {
    // Accepted again in a shard after a rollback, it is the same case.
    const auto [found, fresh] = known_.try_emplace(short_id(*exchange), at);
    at = found->second;
    if (fresh) {
      Case opened;
      opened.id = *exchange;
      opened.queue = queue;
      opened.urgent = shown_value(fields, "urgency") == protocol::text_of(protocol::Urgency::urgente);
      if (!passes_on) opened.sent_at = time_in(fields, "created");  // no collectivité waits for its receipt
      cases_.push_back(std::move(opened));
    }
  } else {
    const auto case_id = digest_in(fields, "case");
    const auto found = case_id ? known_.find(short_id(*case_id)) : known_.end();
    if (found == known_.end()) return;
    at = found->second;
  }
  cases_[at].acts.push_back({*kind, false, moment, shown_value(fields, "date")});
}

void ContractReporter::add_opening(const AuditedRecord& record, const Moment& moment) {
  const audit::Disclosure& fields = record.record;
  const auto kind = protocol::kind_of(shown_value(fields, "kind"));
  if (!kind || !protocol::says_what_is_reported(*kind)) return;
  const auto case_id = digest_in(fields, "case");
  const auto found =
      case_id && is_instance(shown_value(fields, "queue")) ? known_.find(short_id(*case_id)) : known_.end();
  if (found == known_.end()) return;
  // The first one is all that is owed.
  auto& acts = cases_[found->second].acts;
  if (std::any_of(acts.begin(), acts.end(), [](const protocol::CaseAct& each) { return each.opening; })) return;
  acts.push_back({Kind::signalement_individuel, true, moment, {}});
}

std::vector<ReportedDuty> ContractReporter::finish(const KnownDirectory& directory, UnixMillis now) const {
  const protocol::Contract* contract = directory.contract();
  if (contract == nullptr) return {};
  const protocol::Delays delays = protocol::delays_of(contract->engagements);
  std::vector<ReportedDuty> out;
  for (const Case& each : cases_) {
    protocol::CaseRoad road = protocol::road_of(each.acts);
    road.urgency = each.urgent ? protocol::Urgency::urgente : protocol::Urgency::normale;
    road.sent_at = each.sent_at;
    if (!road.withdrawn) road.withdrawn = each.erased;
    for (protocol::Deadline& deadline : protocol::case_deadlines(road, delays, now))
      out.push_back({std::move(deadline), to_hex(each.id), each.queue, each.urgent});
  }
  const std::vector<const protocol::Member*> members = directory.members();
  for (const protocol::Queue* queue : directory.queues()) {
    if (queue->kind != protocol::QueueKind::org) continue;
    const auto points = points_.find(queue->id);
    const UnixMillis from = owed_from(*contract, members, queue->organisation);
    for (protocol::Deadline& deadline : protocol::situation_deadlines(
             from, contract->ends, points == points_.end() ? std::vector<Moment>() : points->second, delays, now))
      out.push_back({std::move(deadline), queue->id, {}, false});
  }
  for (ReportedDuty& each : charter_duties(directory, now)) out.push_back(std::move(each));
  return out;
}

}  // namespace pli::client
