// Posting from a verb: into the durable outbox first, then to the broker if it answers, then said in so many words.
#pragma once

#include "client/command/sitting.hpp"
#include "client/outbox.hpp"
#include "protocol/exchange.hpp"

namespace pli::client::command {

/// Puts a draft into the outbox, tries to send it and says what became of it. Exit code: 0 receipted, 3 queued, 1
/// refused.
[[nodiscard]] int post(Sitting& sitting, const Draft& draft);
/// Sends what waits and says what became of each.
[[nodiscard]] int flush_outbox(Sitting& sitting, std::optional<std::int64_t> only);

/// What cannot be believed is not only refused: it is reported to the auditors as an act (decision 4).
void report_if_anomaly(Sitting& sitting, const protocol::ExchangeId& id, const Failure& failure);

/// Presents again what waits for a case, where something does, and says what became of it.
void present_again(Sitting& sitting);

}  // namespace pli::client::command
