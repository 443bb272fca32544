// The real clients at the end of a simulation: an auditor who reads the whole journal and a member who refreshes his
// inbox, each with a profile of his own and no reason to accuse anybody.
#pragma once

#include <optional>
#include <string>

#include "tests/support/broker_house.hpp"

namespace pli::testing {

/// What the auditor found wrong; nothing where all is well.
[[nodiscard]] std::optional<std::string> accused_by_auditor(BrokerHouse& house, const Department& department);
/// What this member's client found wrong in his queues.
[[nodiscard]] std::optional<std::string> accused_by_member(BrokerHouse& house, const Department& department,
                                                           const std::string& member);

}  // namespace pli::testing
