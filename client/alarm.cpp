#include "client/alarm.hpp"

#include "base/clock.hpp"
#include "client/anomaly.hpp"
#include "client/client_store.hpp"
#include "client/open_exchange.hpp"

namespace pli::client {
namespace {

using protocol::LocalCode;

Failure store_failure(const Error& error) { return local(LocalCode::local_store, error); }

Failure to_failure(const Alarm& alarm) { return {alarm.code, alarm.words, alarm.evidence}; }

}  // namespace

Failure raise_alarm(const Profile& profile, Failure failure, const AlarmOrigin& origin) {
  Alarm alarm;
  alarm.code = std::get<LocalCode>(failure.cause);
  alarm.subject = origin.queue;
  alarm.claimed = origin.claimed;
  alarm.words = failure.detail;
  alarm.evidence = failure.evidence.string();
  alarm.exchange = origin.exchange;
  alarm.seen_at = SystemClock().now();
  if (auto kept = profile.store().add_alarm(alarm); !kept) failure.detail += " (the alarm could not be kept)";
  return failure;
}

Outcome<std::vector<Failure>> alarms(const Profile& profile, const std::string& queue) {
  auto kept = profile.store().alarms();
  if (!kept) return store_failure(kept.error());
  std::vector<Failure> out;
  for (const Alarm& alarm : *kept)
    if (queue.empty() || alarm.subject == queue) out.push_back(to_failure(alarm));
  return out;
}

Outcome<void> acknowledge_alarms(const Profile& profile) {
  if (auto done = profile.store().acknowledge_alarms(); !done) return store_failure(done.error());
  return {};
}

Outcome<std::size_t> report_alarms(Outbox& outbox, Session& session) {
  const protocol::Member* self = session.directory().member(session.member_id());
  if (self == nullptr || self->roles.has(protocol::Role::auditeur)) return std::size_t{0};
  ClientStore& store = session.profile().store();
  auto waiting = store.unreported_alarms();
  if (!waiting) return store_failure(waiting.error());
  std::size_t reported = 0;
  for (const Alarm& alarm : *waiting) {
    if (anomaly_code(to_failure(alarm)).empty()) continue;  // an ordered rollback: the log itself says so
    protocol::ExchangeId named = alarm.exchange;
    if (named == protocol::ExchangeId{}) {
      auto newest = store.nameable_exchange(alarm.subject);
      if (!newest) return store_failure(newest.error());
      if (!*newest) continue;
      named = **newest;
    }
    auto put = report_anomaly(outbox, session, named, to_failure(alarm));
    if (!put) return put.error();
    if (auto kept = store.set_reported(alarm); !kept) return store_failure(kept.error());
    ++reported;
  }
  return reported;
}

}  // namespace pli::client
