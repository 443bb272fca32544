#include "crypto/grant.hpp"

#include "crypto/boxed_release.hpp"

namespace pli::crypto::opening {

Result<ReleaseKey> open_grant(const BoxedRelease& grant, const BoxKey& session) {
  return unbox_release(ReleasePurpose::grant, grant, session);
}

}  // namespace pli::crypto::opening
