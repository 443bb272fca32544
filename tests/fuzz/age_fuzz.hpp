// What the age fuzzers share: keys that the corpus was sealed to, and the two ways to open a file, which must agree.
#pragma once

#include <algorithm>

#include "crypto/age_open.hpp"
#include "crypto/random.hpp"

namespace pli::crypto {

/// What the corpus is sealed to: 32 times 0x01.
inline const SecretKey& fuzz_secret() {
  static const SecretKey secret = SecretKey::copy_of(Bytes(32, 1));
  return secret;
}
inline opening::AgeKeys fuzz_keys() { return {std::span(&fuzz_secret(), 1), nullptr}; }
inline FileKey fuzz_file_key() { return FileKey(ByteArray<16>{'Y', 'E', 'L', 'L', 'O', 'W'}); }

/// Opens `file` in memory and as a stream in steps of `step`; both must come to the same. Returns what opened.
inline opening::AgeResult<Bytes> open_both_ways(ByteView file, std::size_t step) {
  ByteView rest = file;
  const Source in = [&](std::span<std::uint8_t> out) -> Result<std::size_t> {
    const std::size_t size = std::min({out.size(), rest.size(), step});
    std::copy_n(rest.begin(), size, out.begin());
    rest = rest.subspan(size);
    return size;
  };
  Bytes released;
  const Sink out = [&](ByteView bytes) -> Result<void> {
    append(released, bytes);
    return {};
  };
  const auto streamed = opening::open_file(in, out, fuzz_keys());
  auto opened = opening::open_bytes(file, fuzz_keys());
  PLI_INVARIANT(streamed.has_value() == opened.has_value());
  if (opened) {
    PLI_INVARIANT(*opened == released);
  } else {
    PLI_INVARIANT(streamed.error() == opened.error());
  }
  return opened;
}

}  // namespace pli::crypto

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  pli::crypto::initialise();
  return 0;
}
