// The folder an auditor took away (docs/protocol.md, "Export folder"), against a checkpoint that is already believed.
#pragma once

#include "verify/trust.hpp"
#include "verify/whole_log.hpp"

namespace pli::verify {

[[nodiscard]] Outcome<void> verify_export(const Folder& folder, const audit::VerifiedCheckpoint& checkpoint,
                                          const Trust& trust, Report& report);

}  // namespace pli::verify
