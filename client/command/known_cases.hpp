// Ids somebody can name: those of the profile, and those a colleague reads out of the broker's list of cases.
#pragma once

#include <string>
#include <vector>

#include "client/command/sitting.hpp"
#include "protocol/wire.hpp"

namespace pli::client::command {

/// The case named by its id, or by the id of an exchange of it that this profile received or sent.
/// Errors: as resolve_id(), and those of list_cases().
[[nodiscard]] Outcome<protocol::CaseItem> find_case(Session& session, const std::string& text);
/// An exchange or case id: looked for in the profile, then, when it is not there and the broker answers, among its
/// cases. Errors: as resolve_id().
[[nodiscard]] Outcome<Digest> resolve_known(Sitting& sitting, const std::string& text);
/// The instance that holds a case: from the outbox or the queues of this profile, else from the broker's list.
/// Errors: not_found, unreachable, refusals, local_store.
[[nodiscard]] Outcome<std::string> queue_of_case(Sitting& sitting, const Digest& case_id);

}  // namespace pli::client::command
