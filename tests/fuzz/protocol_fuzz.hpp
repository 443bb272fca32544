// What the fuzzers of the layouts share: whatever decodes encodes to the same bytes, and fails with our own words only.
#pragma once

#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/random.hpp"

namespace pli::protocol {

/// `detail` becomes INVALID(field): a short word of ours.
inline void expect_own_words(const Error& error) { PLI_INVARIANT(!error.detail.empty() && error.detail.size() < 100); }

/// `decode` takes bytes and `encode` what it made of them.
template <class Decode, class Encode>
void expect_one_spelling(ByteView bytes, Decode decode, Encode encode_again) {
  const auto decoded = decode(bytes);
  if (!decoded) {
    expect_own_words(decoded.error());
    return;
  }
  PLI_INVARIANT(equal(encode_again(*decoded), bytes));
}

}  // namespace pli::protocol

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  pli::crypto::initialise();
  return 0;
}
