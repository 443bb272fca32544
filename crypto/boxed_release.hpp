// The one layout under shares and grants: nonce (24) ‖ crypto_box(purpose byte ‖ R). Private to crypto/.
// The purpose byte is all that tells the two directions apart, since a session's shared key is the same both
// ways.
#pragma once

#include "crypto/release_share.hpp"

namespace pli::crypto {

enum class ReleasePurpose : std::uint8_t { share = 1, grant = 2 };

[[nodiscard]] BoxedRelease box_release(ReleasePurpose purpose, const ReleaseKey& release_key, const BoxKey& session);
/// Errors: authentication_failed, alike for another session, another purpose, an altered byte.
[[nodiscard]] Result<ReleaseKey> unbox_release(ReleasePurpose purpose, const BoxedRelease& boxed,
                                               const BoxKey& session);

}  // namespace pli::crypto
