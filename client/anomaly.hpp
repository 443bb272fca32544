// "Refuse, and report as an act" (design §5, decision 4): a signed exchange of kind `anomalie` to the auditors, naming
// the exchange and a closed code, so that the finding itself is in the log.
#pragma once

#include "client/failure.hpp"
#include "client/outbox.hpp"

namespace pli::client {

/// Puts the report into the outbox; the caller flushes. Errors: usage (not an anomaly), directory_unproven (no
/// auditors' queue in sight), local_store.
[[nodiscard]] Outcome<OutboxItem> report_anomaly(Outbox& outbox, Session& session, const protocol::ExchangeId& exchange,
                                                 const Failure& failure);

}  // namespace pli::client
