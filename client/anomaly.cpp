#include "client/anomaly.hpp"

#include "client/open_exchange.hpp"

namespace pli::client {

Outcome<OutboxItem> report_anomaly(Outbox& outbox, Session& session, const protocol::ExchangeId& exchange,
                                   const Failure& failure) {
  using protocol::LocalCode;
  const std::string code = anomaly_code(failure);
  if (code.empty()) return Failure(LocalCode::usage, "not an anomaly");
  const protocol::Member* self = session.directory().member(session.member_id());
  const auto queues = self == nullptr ? std::vector<const protocol::Queue*>()
                                      : session.directory().queues_of(protocol::QueueKind::audit, self->territory);
  if (queues.empty()) return Failure(LocalCode::directory_unproven, "no auditors' queue in sight");
  Draft draft;
  draft.kind = protocol::Kind::anomalie;
  draft.content = to_bytes(code);
  draft.queue = queues.front()->id;
  draft.in_reply_to = exchange;
  draft.attributes.emplace_back("code", code);
  return outbox.put(draft, session.keys());
}

}  // namespace pli::client
