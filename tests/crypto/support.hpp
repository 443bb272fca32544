// What the tests of this room share: fixed vectors, seeded random numbers, sources and sinks in memory.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <string>

#include "base/bytes.hpp"
#include "crypto/age_seal.hpp"

namespace pli::crypto {

inline Bytes hex(std::string_view text) {
  auto bytes = from_hex(text);
  if (!bytes) ADD_FAILURE() << "bad hexadecimal in a test: " << text;
  return bytes ? *bytes : Bytes{};
}

template <std::size_t N>
ByteArray<N> hex_array(std::string_view text) {
  auto bytes = to_array<N>(hex(text));
  if (!bytes) ADD_FAILURE() << "not " << N << " bytes: " << text;
  return bytes ? *bytes : ByteArray<N>{};
}

inline Bytes read_whole_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// tests/crypto/vectors/seam.txt.
inline std::string seam_vector(const std::string& name) {
  static const std::map<std::string, std::string> all = [] {
    std::map<std::string, std::string> out;
    std::ifstream file(PLI_SOURCE_DIR "/tests/crypto/vectors/seam.txt");
    std::string key;
    std::string value;
    while (file >> key >> value) out[key] = value;
    return out;
  }();
  const auto found = all.find(name);
  if (found == all.end()) ADD_FAILURE() << "no vector " << name;
  return found == all.end() ? std::string() : found->second;
}

/// Random choices of a test. PLI_SEED repeats a run.
class Seeded {
 public:
  Seeded() {
    const char* given = std::getenv("PLI_SEED");
    seed_ = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    engine_.seed(seed_);
    std::printf("seed: PLI_SEED=%llu\n", static_cast<unsigned long long>(seed_));
  }
  std::size_t below(std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(engine_); }
  Bytes bytes(std::size_t size) {
    Bytes out(size);
    for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(engine_());
    return out;
  }

 private:
  std::uint64_t seed_;
  std::mt19937_64 engine_;
};

/// Bytes that can be told apart by their position.
inline Bytes counted_bytes(std::size_t size) {
  Bytes out(size);
  std::uint32_t state = 1;
  for (std::uint8_t& byte : out) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<std::uint8_t>(state >> 24);
  }
  return out;
}

/// Hands out at most `step` bytes a call, as a pipe does.
inline Source memory_source(ByteView bytes, std::size_t step = SIZE_MAX) {
  return [bytes, step](std::span<std::uint8_t> out) mutable -> Result<std::size_t> {
    const std::size_t size = std::min({out.size(), bytes.size(), step});
    std::copy_n(bytes.begin(), size, out.begin());
    bytes = bytes.subspan(size);
    return size;
  };
}

inline Sink memory_sink(Bytes& out) {
  return [&out](ByteView bytes) -> Result<void> {
    append(out, bytes);
    return {};
  };
}

}  // namespace pli::crypto
