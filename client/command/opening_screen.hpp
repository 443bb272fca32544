// Around a reading that succeeded; of one that failed, report_if_anomaly() (outbox_screen.hpp).
#pragma once

#include "client/command/sitting.hpp"
#include "client/open_exchange.hpp"

namespace pli::client::command {

/// What was wrong around a reading that succeeded, told and reported; the worst exit code.
[[nodiscard]] int tell_around(Sitting& sitting, const OpenedExchange& opened);

}  // namespace pli::client::command
