// Broken promises of the broker's that concern no one exchange: a queue withheld, a log that forked or shrank… Kept in
// state.db with their evidence and repeated until somebody has acknowledged them, however well the broker behaves
// afterwards; told to the auditors over the next session it lets us have, once.
#pragma once

#include <vector>

#include "client/outbox.hpp"

namespace pli::client {

/// Where an alarm comes from, besides the failure itself.
struct AlarmOrigin {
  std::string queue;                ///< empty: the log
  bool claimed = false;             ///< rests on a member's word alone
  protocol::ExchangeId exchange{};  ///< what it was met at; zeros: nothing in particular
};
/// Keeps an alarm (log_forked, log_shrunk, queue_withheld, queue_reordered, queue_hidden, directory_stale,
/// log_rolled_back) and hands
/// the failure back: that is what matters, should even the disk fail.
Failure raise_alarm(const Profile& profile, Failure failure, const AlarmOrigin& origin = {});

/// Those nobody has acknowledged, oldest first; `queue` empty: all. Errors: local_store.
[[nodiscard]] Outcome<std::vector<Failure>> alarms(const Profile& profile, const std::string& queue = {});
/// Seen by a person. They are reported all the same. Errors: local_store.
[[nodiscard]] Outcome<void> acknowledge_alarms(const Profile& profile);

/// Puts a report of each alarm not reported yet into the outbox; the caller flushes. How many.
///
/// A report has to name an exchange the reporter sent or may read (protocol.md, "Address"): the one the alarm was met
/// at, else the newest there is; with none at all it waits for one. An auditor reports to nobody. A crash in between
/// may report twice, never not at all. Errors: directory_unproven, local_store.
[[nodiscard]] Outcome<std::size_t> report_alarms(Outbox& outbox, Session& session);

}  // namespace pli::client
