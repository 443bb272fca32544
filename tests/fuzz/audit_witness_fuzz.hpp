// The witness of the log's fuzzers, besides what audit_fuzz.hpp gives.
#pragma once

#include "tests/fuzz/audit_fuzz.hpp"

namespace pli::audit {

/// Seed: 32 bytes 0x02, as in tests/audit/vectors.
inline crypto::SigningKey fuzz_witness() { return crypto::SigningKey::from_seed(Bytes(32, 2)); }
inline VerifierKey fuzz_witness_key() {
  return {"witness.example/w1", KeyType::cosignature, fuzz_witness().public_key()};
}

}  // namespace pli::audit
