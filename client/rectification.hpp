// What a rectification changes, shown to whoever may open both contents (docs/decisions/0016).
#pragma once

#include <vector>

#include "client/open_exchange.hpp"
#include "protocol/form.hpp"

namespace pli::client {

struct Corrected {
  OpenedExchange before;                      ///< what the rectification names: its warnings and alarms are its own
  std::vector<protocol::FormChange> changes;  ///< field by field; empty when nothing differs
};

/// Opens the exchange that an opened rectification corrects: a reading more, recorded like any other. The rectification
/// holds the whole corrected content, so a failure here takes nothing from it.
/// Errors: as open_exchange(); bad_form: no rectification, or of a form of another type or another case than it names.
[[nodiscard]] Outcome<Corrected> open_corrected(Session& session, const OpenedExchange& rectification,
                                                const OpenOptions& options);

}  // namespace pli::client
