// The cases the broker shows us: ours as a party, and those of the instances we sit in that were sealed to us.
#pragma once

#include <vector>

#include "client/session.hpp"
#include "protocol/wire.hpp"

namespace pli::client {

/// Every one, page by page. Errors: refusals, unreachable (also where the pages never end).
[[nodiscard]] Outcome<std::vector<protocol::CaseItem>> list_cases(Session& session);

}  // namespace pli::client
