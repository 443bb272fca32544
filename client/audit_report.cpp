#include "client/audit_report.hpp"

#include <algorithm>
#include <tuple>

#include "audit/text_lines.hpp"
#include "client/record_filter.hpp"
#include "protocol/vocabulary.hpp"

namespace pli::client {
namespace {

std::optional<Digest> digest_in(const audit::Disclosure& record, std::string_view field) {
  const Bytes* value = record.find(field);
  return value == nullptr ? std::nullopt : to_array<32>(*value);
}

void note(ReportEvents& events, ReportEvent event) {
  ++events.count;
  if (events.listed.size() < report_events_max) events.listed.push_back(std::move(event));
}

bool is_instance(std::string_view queue) {
  const auto kind = protocol::queue_kind_of(queue);
  return kind == protocol::QueueKind::ged || kind == protocol::QueueKind::clir || kind == protocol::QueueKind::cpraf;
}

/// How many records a reading was of: its field `range`, "from,to".
std::uint64_t range_size(std::string_view range) {
  const std::size_t comma = range.find(',');
  if (comma == std::string_view::npos) return 0;
  const auto from = audit::parse_decimal(range.substr(0, comma));
  const auto to = audit::parse_decimal(range.substr(comma + 1));
  return from && to && *from <= *to ? *to - *from : 0;
}

/// Twice the median, so that it is a whole number. Of no value: 0.
std::uint64_t twice_median(std::vector<std::uint64_t> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? 2 * values[middle] : values[middle - 1] + values[middle];
}

}  // namespace

AuditReporter::AuditReporter(const ReportOptions& options)
    : options_(options),
      begin_(paris_midnight(options.from)),
      end_(paris_midnight(options.to + std::chrono::days(1))) {}

AuditReporter::ShortId AuditReporter::short_id(const Digest& id) {
  ShortId out{};
  std::copy_n(id.begin(), out.size(), out.begin());
  return out;
}

void AuditReporter::add(const AuditedRecord& record) {
  const audit::Disclosure& fields = record.record;
  const UnixMillis time = record.leaf.time;
  last_time_ = time;
  const std::string act = shown_value(fields, "act");
  const std::string outcome = shown_value(fields, "outcome");
  const bool ok = outcome == "ok";
  if (act == "submit" && ok)
    if (const auto case_id = digest_in(fields, "case")) settle(*case_id, time);
  if (time >= end_) return;

  std::string person = shown_value(fields, "person");
  if (person.empty()) person = shown_value(fields, "actor");
  const bool in_period = time >= begin_;
  if (act == "open" && ok) add_opening(record, person, in_period);
  if (!in_period) return;

  ++summary_.records;
  ++summary_.acts[std::string(audit::text_of(record.leaf.type))];
  const auto event = [&](std::string subject) {
    return ReportEvent{record.index, time, person, std::move(subject), record.shard};
  };
  const bool erased = fields.fields.empty();
  if (erased) ++summary_.erased;
  // In clear in the leaf, which is not erased.
  if (record.leaf.directory && (ok || erased))
    note(summary_.directory, event(std::to_string(record.leaf.directory->number.value)));
  if (act == "input") {
    summary_.strays[shown_value(fields, "rule")] += audit::parse_decimal(shown_value(fields, "count")).value_or(0);
  } else if (!ok && !person.empty()) {
    const std::string rule = shown_value(fields, "rule");
    ++summary_.persons[person].refusals[rule.empty() ? outcome : outcome + " " + rule];
  }
  if (!ok) return;
  if (fields.find("member") != nullptr) note(summary_.suspensions, event(shown_value(fields, "member")));
  if (fields.find("code") != nullptr) note(summary_.anomalies, event(shown_value(fields, "code")));
  // An anomaly's report is of this type too, and reads nothing.
  if (record.leaf.type == audit::LeafType::verification && act != "submit") {
    JournalReadings& readings = summary_.readings[person];
    ++readings.readings;
    readings.records += range_size(shown_value(fields, "range"));
  }
}

void AuditReporter::add_opening(const AuditedRecord& record, const std::string& person, bool in_period) {
  const audit::Disclosure& fields = record.record;
  const UnixMillis time = record.leaf.time;
  ++days_[person][paris_time(time).day];
  if (!in_period) return;
  PersonSummary& summary = summary_.persons[person];
  const std::string motif = shown_value(fields, "motif");
  ++summary.openings;
  ++summary.motifs[motif];
  Opened& opened = opened_[person];
  if (const auto exchange = digest_in(fields, "exchange")) opened.exchanges.insert(short_id(*exchange));
  const auto case_id = digest_in(fields, "case");
  if (case_id) opened.cases.insert(short_id(*case_id));
  if (!is_working_time(time, options_.hours))
    note(summary_.out_of_hours, {record.index, time, person, motif, record.shard});
  if (case_id && is_instance(shown_value(fields, "queue")))
    waiting_[*case_id].push_back({record.index, time, person, to_hex(*case_id), record.shard});
}

void AuditReporter::settle(const Digest& case_id, UnixMillis time) {
  const auto found = waiting_.find(case_id);
  if (found == waiting_.end()) return;
  for (ReportEvent& opening : found->second)
    if (time - opening.time > options_.follow_up) note(summary_.unfollowed, std::move(opening));
  waiting_.erase(found);
}

void AuditReporter::find_unusual() {
  for (const auto& [person, days] : days_) {
    for (const auto& [day, openings] : days) {
      if (day < options_.from || openings <= unusual_openings_min) continue;
      std::vector<std::uint64_t> others;
      for (const auto& [other, count] : days)
        if (other != day) others.push_back(count);
      const std::uint64_t usual = twice_median(std::move(others));
      if (2 * openings > unusual_median_factor * usual) summary_.unusual.push_back({person, day, openings, usual});
    }
  }
}

AuditSummary AuditReporter::finish() {
  for (auto& [case_id, openings] : waiting_) {
    for (ReportEvent& opening : openings) {
      if (last_time_ - opening.time > options_.follow_up)
        note(summary_.unfollowed, std::move(opening));
      else
        ++summary_.undecided;
    }
  }
  waiting_.clear();
  std::sort(
      summary_.unfollowed.listed.begin(), summary_.unfollowed.listed.end(),
      [](const ReportEvent& a, const ReportEvent& b) { return std::tie(a.time, a.leaf) < std::tie(b.time, b.leaf); });
  find_unusual();
  for (auto& [person, opened] : opened_) {
    summary_.persons[person].exchanges = opened.exchanges.size();
    summary_.persons[person].cases = opened.cases.size();
  }
  return std::move(summary_);
}

std::vector<ReportLine> lines_of(const AuditSummary& summary) {
  std::vector<ReportLine> out;
  const auto add = [&](ReportLine line) { out.push_back(std::move(line)); };
  const auto counted = [&](const char* section, std::string person, std::string subject, std::uint64_t count) {
    add({section, std::move(person), std::move(subject), "", std::nullopt, std::nullopt, count});
  };
  const auto events = [&](const char* section, const ReportEvents& list) {
    for (const ReportEvent& event : list.listed)
      add({section, event.person, event.subject, "", event.leaf, event.time, 1, event.shard});
    if (list.count > list.listed.size()) counted(section, "", "beyond", list.count - list.listed.size());
  };
  for (const auto& [act, count] : summary.acts) counted("act", "", act, count);
  if (summary.erased != 0) counted("erased_at_term", "", "", summary.erased);
  for (const auto& [person, facts] : summary.persons) {
    if (facts.openings != 0) {
      counted("openings", person, "", facts.openings);
      counted("exchanges_opened", person, "", facts.exchanges);
      counted("cases_opened", person, "", facts.cases);
    }
    for (const auto& [motif, count] : facts.motifs) counted("openings_by_motif", person, motif, count);
    for (const auto& [rule, count] : facts.refusals) counted("refusals", person, rule, count);
  }
  for (const UnusualDay& day : summary.unusual)
    add({"unusual_day", day.person, iso_day(day.day), "median " + halves_text(day.twice_median), std::nullopt,
         paris_midnight(day.day), day.openings});
  events("out_of_hours", summary.out_of_hours);
  events("not_followed", summary.unfollowed);
  counted("follow_up_not_due", "", "", summary.undecided);
  for (const auto& [what, count] : summary.strays) counted("input_from_nobody", "", what, count);
  events("directory", summary.directory);
  events("suspension", summary.suspensions);
  events("anomaly", summary.anomalies);
  for (const auto& [person, readings] : summary.readings) {
    counted("journal_readings", person, "", readings.readings);
    counted("journal_records_read", person, "", readings.records);
  }
  return out;
}

std::string halves_text(std::uint64_t twice) { return std::to_string(twice / 2) + (twice % 2 == 0 ? "" : ",5"); }

}  // namespace pli::client
