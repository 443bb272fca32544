// The signed statement `pli-open/1` without which nobody reads anything (design §5, "Opening"; P4, P5).
// u8 1 ‖ string8 log ‖ exchange (32) ‖ string8 opener ‖ opener key (32) ‖ u64 directory ‖ u8 motif ‖
// SHA-256 of the sealed note, or zeros (32) ‖ session key (32) ‖ u64 created-at ms ‖ nonce (16).
#pragma once

#include <string>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/id.hpp"
#include "base/result.hpp"
#include "crypto/keys.hpp"
#include "protocol/exchange.hpp"

namespace pli::protocol {

using OpeningId = Digest;  ///< SHA-256 of the request's bytes

struct OpeningRequest {
  std::string log;
  ExchangeId exchange{};
  std::string opener;
  crypto::SignPublic opener_key;
  DirectoryNumber directory{};
  std::uint8_t motif = 0;  ///< 0 = none: MOTIF_REQUIRED
  Digest note{};
  crypto::BoxPublic session;
  UnixMillis created_at{};
  ByteArray<16> nonce{};
  bool operator==(const OpeningRequest&) const = default;
};
[[nodiscard]] Bytes encode(const OpeningRequest& request);
/// Errors: invalid_input; `detail` names the field.
[[nodiscard]] Result<OpeningRequest> decode_opening_request(ByteView bytes);
[[nodiscard]] OpeningId opening_id(ByteView request);

}  // namespace pli::protocol
