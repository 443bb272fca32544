// Parts too large to ride inside a request: numbered chunks under the broker's credit, resumable after any break, since
// the broker keeps what it has under the part's digest (decision 5).
#pragma once

#include <functional>

#include "client/session.hpp"

namespace pli::client {

/// Returns when the broker holds the whole part. `progress(sent)` in bytes of this part.
/// Errors: unreachable, refusals (TOO_LARGE, BUSY is waited out as long as it asks, at most busy_waits_max times).
[[nodiscard]] Outcome<void> upload_part(Session& session, ByteView part,
                                        const std::function<void(std::uint64_t sent)>& progress = {});

inline constexpr int busy_waits_max = 20;

/// Carries a signed directory version to the broker. Errors: refusals, unreachable, receipt_invalid.
[[nodiscard]] Outcome<protocol::Published> publish_directory(Session& session, const std::string& note,
                                                             const Bytes& bundle);

/// Carries a suspension that one authority signed. The proof returned holds the very note. Errors: as above.
[[nodiscard]] Outcome<protocol::Published> publish_suspension(Session& session, const std::string& note);

}  // namespace pli::client
