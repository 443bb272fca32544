// What the log's fuzzers share: the key that signed the corpus, and the corpus itself.
#pragma once

#include <fstream>
#include <sstream>
#include <string>

#include "audit/note.hpp"
#include "crypto/random.hpp"

namespace pli::audit {

/// Seed: 32 bytes 0x01, as in tests/audit/vectors.
inline VerifierKey fuzz_key(std::string name) {
  return {std::move(name), KeyType::ed25519, crypto::SigningKey::from_seed(Bytes(32, 1)).public_key()};
}

inline std::string corpus_file(const std::string& name) {
  std::ifstream in(std::string(PLI_SOURCE_DIR) + "/tests/fuzz/corpus/" + name, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  PLI_INVARIANT(!out.str().empty());
  return out.str();
}

}  // namespace pli::audit

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  pli::crypto::initialise();
  return 0;
}
