// Posting from a verb: into the durable outbox first, then to the broker if it answers, then said in so many words.
#pragma once

#include "client/command/sitting.hpp"
#include "client/outbox.hpp"

namespace pli::client::command {

/// Puts a draft into the outbox, tries to send it and says what became of it. Exit code: 0 receipted, 3 queued, 1
/// refused.
[[nodiscard]] int post(Sitting& sitting, const Draft& draft);
/// Sends what waits and says what became of each.
[[nodiscard]] int flush_outbox(Sitting& sitting, std::optional<std::int64_t> only);

/// Presents again what waits for a case, where something does, and says what became of it.
void present_again(Sitting& sitting);

}  // namespace pli::client::command
