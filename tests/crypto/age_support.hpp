// Age files made by hand, so that one thing at a time can be wrong while MAC and payload stay right.
#pragma once

#include <string>
#include <vector>

#include "crypto/age_open.hpp"
#include "crypto/base64.hpp"
#include "crypto/bech32.hpp"
#include "crypto/hash.hpp"
#include "crypto/identity.hpp"
#include "crypto/random.hpp"
#include "tests/crypto/support.hpp"

namespace pli::crypto {

inline FileKey test_file_key() { return FileKey(hex_array<16>("59454c4c4f57205355424d4152494e45")); }

/// An age key pair; `keys()` opens with it.
struct AgePair {
  AgePair() : secret(SecretKey::random(32)), recipient{x25519_public(secret)} {}
  [[nodiscard]] opening::AgeKeys keys() const { return {std::span(&secret, 1), nullptr}; }
  [[nodiscard]] std::span<const AgePublic> recipients() const { return {&recipient, 1}; }
  SecretKey secret;
  AgePublic recipient;
};

inline constexpr std::string_view version_line = "age-encryption.org/v1\n";

/// The stanza lines `make_age_header` writes for one recipient.
inline std::string stanza_for(const AgePublic& recipient, const FileKey& file_key = test_file_key()) {
  const Bytes header = *make_age_header(file_key, std::span(&recipient, 1));
  const std::string text(as_text(header));
  return text.substr(version_line.size(), text.rfind("---") - version_line.size());
}

/// `lines`, then the right MAC over them.
inline Bytes finished_header(std::string_view lines, const FileKey& file_key = test_file_key()) {
  Bytes out = to_bytes(lines);
  append(out, "---");
  const auto mac_key = hkdf_sha256(file_key.expose(), {}, "header");
  const Digest mac = hmac_sha256(mac_key.expose(), {out});
  append(out, " " + to_base64_unpadded(mac) + "\n");
  return out;
}

/// What opening came to, as the test kit words it.
inline std::string outcome_of(const opening::AgeResult<Bytes>& opened) {
  return opened ? "success" : opening::name_of(opened.error());
}

/// `open_file` in steps of `step`, with what it released.
struct Streamed {
  std::string outcome;
  Bytes released;
};
inline Streamed stream_open(ByteView file, const opening::AgeKeys& keys, std::size_t step = SIZE_MAX) {
  Streamed out;
  const auto opened = opening::open_file(memory_source(file, step), memory_sink(out.released), keys);
  out.outcome = opened ? "success" : opening::name_of(opened.error());
  return out;
}

inline Bytes sealed_file(ByteView plaintext, std::span<const AgePublic> recipients, bool armor = false) {
  Bytes out;
  EXPECT_TRUE(seal_file(memory_source(plaintext), memory_sink(out), recipients, armor));
  return out;
}

}  // namespace pli::crypto
