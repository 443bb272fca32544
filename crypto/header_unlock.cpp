#include "crypto/header_unlock.hpp"

#include "crypto/secret_box.hpp"

namespace pli::crypto::opening {

Result<Bytes> unlock_header(ByteView locked, const ReleaseKey& release_key, const LockBinding& binding) {
  return open_box(locked, AssociatedData{lock_associated_data(binding)}, release_key.expose());
}

}  // namespace pli::crypto::opening
