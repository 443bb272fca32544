#include "crypto/header_lock.hpp"

#include "crypto/secret_box.hpp"

namespace pli::crypto {

Bytes lock_associated_data(const LockBinding& binding) {
  Bytes out = to_bytes("pli-lock/1");
  append(out, binding.address);
  append(out, binding.payload);
  return out;
}

Bytes lock_header(ByteView age_header, const ReleaseKey& release_key, const LockBinding& binding) {
  return seal_box(age_header, AssociatedData{lock_associated_data(binding)}, release_key.expose());
}

}  // namespace pli::crypto
