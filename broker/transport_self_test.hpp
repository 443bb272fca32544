// The start-up self-test's client (design §4). Private to the transport.
#pragma once

#include <chrono>
#include <string>

#include "base/result.hpp"
#include "crypto/keys.hpp"
#include "crypto/secret.hpp"

namespace pli::broker {

/// Connects to `endpoint` as a stranger and waits for ZMQ_EVENT_HANDSHAKE_FAILED_AUTH.
/// Errors: authentication_failed (admitted), unavailable (none of both in time, or another failure), io_error.
[[nodiscard]] Result<void> demand_refusal(const std::string& endpoint, const crypto::CurvePublic& broker,
                                          const crypto::SecretKey& stranger, const crypto::CurvePublic& stranger_key,
                                          std::chrono::milliseconds timeout);

}  // namespace pli::broker
