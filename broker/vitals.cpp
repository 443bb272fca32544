#include "broker/vitals.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace pli::broker {
namespace {

/// States in which exchanges and openings are still taken.
constexpr std::array<std::string_view, 7> serving_states = {"ok",
                                                            "RELEASE_DAMAGED",
                                                            "RELEASE_KEY_UNWRITTEN",
                                                            "CHECKPOINT_NOT_PUBLISHED",
                                                            "WITNESSES_MISSING",
                                                            "DIRECTORY_ENDS",
                                                            "BACKUP_LATE"};

bool serves(std::string_view state) {
  const std::string_view name = state.substr(0, state.find(' '));  // a number may follow it
  return std::find(serving_states.begin(), serving_states.end(), name) != serving_states.end();
}

std::int64_t seconds(std::chrono::milliseconds time) { return time.count() / 1000; }
/// Until `then`, less than nothing when it has passed; -1 when it is unknown.
std::int64_t left(UnixMillis then, UnixMillis now) { return then.value == 0 ? -1 : seconds(then - now); }
/// Since `then`; -1 when it never was.
std::int64_t age(UnixMillis then, UnixMillis now) { return then.value == 0 ? -1 : seconds(now - then); }

class Metrics {
 public:
  void gauge(std::string_view name, std::string_view help, std::int64_t value) {
    head(name, help, "gauge");
    line(name, "", std::to_string(value));
  }
  void counter(std::string_view name, std::string_view help, std::uint64_t value) {
    head(name, help, "counter");
    line(name, "", std::to_string(value));
  }
  void head(std::string_view name, std::string_view help, std::string_view type) {
    out_.append("# HELP ").append(name).append(" ").append(help).append("\n");
    out_.append("# TYPE ").append(name).append(" ").append(type).append("\n");
  }
  void line(std::string_view name, std::string_view labels, const std::string& value) {
    out_.append(name).append(labels).append(" ").append(value).append("\n");
  }
  template <std::size_t N>
  void histogram(const std::string& name, std::string_view help, const Histogram<N>& seen,
                 const std::array<std::uint64_t, N>& bounds) {
    head(name, help, "histogram");
    for (std::size_t i = 0; i < N; ++i)
      line(name + "_bucket", "{le=\"" + std::to_string(bounds[i]) + "\"}", std::to_string(seen.counts[i]));
    line(name + "_bucket", "{le=\"+Inf\"}", std::to_string(seen.count));
    line(name + "_sum", "", std::to_string(seen.sum));
    line(name + "_count", "", std::to_string(seen.count));
  }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

std::string kind_label(protocol::QueueKind kind) {
  return "{instance_kind=\"" + std::string(protocol::text_of(kind)) + "\"}";
}

}  // namespace

std::string state_of(const Vitals& vitals, UnixMillis now) {
  if (!serves(vitals.state)) return vitals.state;
  // Whatever else it told: nothing is taken now.
  if (now - vitals.told_at > core_quiet_max) return "CORE_STALLED";
  if (now >= vitals.directory_not_after) return "DIRECTORY_ENDED";
  if (vitals.state != "ok") return vitals.state;
  if (vitals.directory_not_after - now < directory_left_min) return "DIRECTORY_ENDS";
  // A broker of yesterday owes none yet.
  const UnixMillis since = vitals.backup_at.value != 0 ? vitals.backup_at : vitals.started_at;
  if (now - since > backup_age_max) return "BACKUP_LATE";
  return "ok";
}

bool is_serving(const Vitals& vitals, UnixMillis now) { return serves(state_of(vitals, now)); }

std::string to_json(const Vitals& vitals, UnixMillis now) {
  nlohmann::ordered_json out = {{"state", state_of(vitals, now)}, {"serving", is_serving(vitals, now)}};
  if (!vitals.damage.empty()) out["damage"] = vitals.damage;
  out["up_seconds"] = age(vitals.started_at, now);
  out["core_quiet_seconds"] = age(vitals.told_at, now);
  out["leaves"] = vitals.leaves;
  out["exchanges"] = vitals.exchanges;
  out["terms_noticed"] = vitals.terms_noticed;
  out["directory"] = vitals.directory;
  out["directory_left_seconds"] = seconds(vitals.directory_not_after - now);
  out["published_age_seconds"] = age(vitals.published_at, now);
  out["self_audit_age_seconds"] = age(vitals.swept_at, now);
  out["self_audit_rows"] = vitals.audit_rows;
  out["self_audit_rows_looked_at"] = vitals.audit_rows_looked_at;
  out["backup_age_seconds"] = age(vitals.backup_at, now);
  out["lease_age_seconds"] = age(vitals.lease_made_at, now);
  out["release_key_left_seconds"] = left(vitals.release_ends_at, now);
  out["disk_free_bytes"] = vitals.disk_free_bytes;
  out["wal_bytes"] = vitals.wal_bytes;
  out["connections"] = vitals.connections;
  out["turned_away"] = vitals.turned_away;
  out["endless"] = vitals.endless;
  out["under_way"] = vitals.under_way;
  out["accepted"] = vitals.accepted;
  out["opened"] = vitals.opened;
  out["refused"] = vitals.refused;
  if (vitals.unread) {
    nlohmann::ordered_json unread;
    for (std::size_t i = 0; i < instance_kinds.size(); ++i)
      unread[std::string(protocol::text_of(instance_kinds[i]))] = {
          {"cases", (*vitals.unread)[i].cases}, {"oldest_seconds", age((*vitals.unread)[i].oldest, now)}};
    out["unread"] = std::move(unread);
  }
  if (vitals.life) {
    nlohmann::ordered_json late;
    for (std::size_t i = 0; i < instance_kinds.size(); ++i)
      late[std::string(protocol::text_of(instance_kinds[i]))] = {{"cases", vitals.life->owed[i].late},
                                                                 {"escalated", vitals.life->owed[i].escalated}};
    out["late"] = std::move(late);
    out["erasures_due"] = vitals.life->erasures_due;
  }
  return out.dump() + "\n";
}

std::string to_metrics(const Vitals& vitals, UnixMillis now) {
  Metrics out;
  out.gauge("pli_serving", "1 while exchanges and openings are taken", is_serving(vitals, now) ? 1 : 0);
  out.gauge("pli_up_seconds", "Since the start", age(vitals.started_at, now));
  out.gauge("pli_core_quiet_seconds", "Since the core's thread last spoke", age(vitals.told_at, now));
  out.gauge("pli_leaves", "Leaves of the current shard", static_cast<std::int64_t>(vitals.leaves));
  out.gauge("pli_exchanges", "Exchanges accepted, ever", static_cast<std::int64_t>(vitals.exchanges));
  out.gauge("pli_terms_noticed", "Cases whose erasure is announced", static_cast<std::int64_t>(vitals.terms_noticed));
  out.gauge("pli_directory_left_seconds", "Until the directory's not-after", seconds(vitals.directory_not_after - now));
  out.gauge("pli_published_age_seconds", "Since a checkpoint was published, cosigned as the policy demands; -1 never",
            age(vitals.published_at, now));
  out.gauge("pli_self_audit_age_seconds", "Since the store was last read over whole; -1 not since the start",
            age(vitals.swept_at, now));
  out.gauge("pli_self_audit_rows", "Rows of the sweep under way, or of the last one",
            static_cast<std::int64_t>(vitals.audit_rows));
  out.gauge("pli_self_audit_rows_looked_at", "Of these, looked at",
            static_cast<std::int64_t>(vitals.audit_rows_looked_at));
  out.gauge("pli_backup_age_seconds", "Since the last verified backup; -1 none is remembered",
            age(vitals.backup_at, now));
  out.gauge("pli_lease_age_seconds", "Since the newest lease key was made; -1 unknown", age(vitals.lease_made_at, now));
  out.gauge("pli_release_key_left_seconds", "Until the newest release key is destroyed; -1 there is none",
            left(vitals.release_ends_at, now));
  out.gauge("pli_disk_free_bytes", "On the database's disk", static_cast<std::int64_t>(vitals.disk_free_bytes));
  out.gauge("pli_wal_bytes", "The write-ahead log's file", static_cast<std::int64_t>(vitals.wal_bytes));
  out.gauge("pli_connections", "Connections that have spoken", static_cast<std::int64_t>(vitals.connections));
  out.gauge("pli_requests_under_way", "Requests under way", static_cast<std::int64_t>(vitals.under_way));
  out.counter("pli_accepted_total", "Submissions answered with a receipt", vitals.accepted);
  out.counter("pli_opened_total", "Openings granted", vitals.opened);
  out.counter("pli_refused_total", "Requests refused by the core", vitals.refused);
  out.counter("pli_handshakes_refused_total", "Connections of unknown keys", vitals.handshakes_refused);
  out.counter("pli_connections_turned_away_total", "Connections ended for want of descriptors", vitals.turned_away);
  out.counter("pli_messages_without_end_total", "Connections ended in a message without end", vitals.endless);
  if (vitals.unread) {
    out.head("pli_unread_cases", "Cases nobody of the instance has opened", "gauge");
    for (std::size_t i = 0; i < instance_kinds.size(); ++i)
      out.line("pli_unread_cases", kind_label(instance_kinds[i]), std::to_string((*vitals.unread)[i].cases));
    out.head("pli_oldest_unread_seconds", "Since the oldest of them was accepted; -1 there is none", "gauge");
    for (std::size_t i = 0; i < instance_kinds.size(); ++i)
      out.line("pli_oldest_unread_seconds", kind_label(instance_kinds[i]),
               std::to_string(age((*vitals.unread)[i].oldest, now)));
  }
  if (vitals.life) {
    const auto& owed = vitals.life->owed;
    out.head("pli_late_cases", "Cases with a first opening, a decision or a retour later than promised", "gauge");
    for (std::size_t i = 0; i < instance_kinds.size(); ++i)
      out.line("pli_late_cases", kind_label(instance_kinds[i]), std::to_string(owed[i].late));
    out.head("pli_escalated_cases", "Urgent cases nobody has opened, half their time over", "gauge");
    for (std::size_t i = 0; i < instance_kinds.size(); ++i)
      out.line("pli_escalated_cases", kind_label(instance_kinds[i]), std::to_string(owed[i].escalated));
    out.gauge("pli_erasures_due", "Cases whose term has come and which stand still",
              static_cast<std::int64_t>(vitals.life->erasures_due));
  }
  out.histogram("pli_batch_requests", "Requests in a batch", vitals.batch_requests, batch_request_bounds);
  out.histogram("pli_batch_microseconds", "From a batch's begin to its answers", vitals.batch_micros,
                batch_micros_bounds);
  return out.take();
}

}  // namespace pli::broker
