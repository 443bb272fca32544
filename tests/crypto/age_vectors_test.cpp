// Age files made by others: the worked example of the format, and the C2SP test kit where it is at hand.
#include <zlib.h>

#include <filesystem>
#include <optional>
#include <sstream>

#include "tests/crypto/age_support.hpp"

namespace pli::crypto {
namespace {

constexpr const char* identity_text = "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0";

// C2SP CCTV `x25519`, CC0: 203 bytes, plaintext "age".
constexpr const char* x25519_file =
    "6167652d656e6372797074696f6e2e6f72672f76310a2d3e20583235353139205445694630797071722b627076637158"
    "4e7943564a704c374f757750645677504c374b51456246444f43630a686a6162475877534c5139633353364c7732692b"
    "5332547532666977514848736c62424e36423431464c450a2d2d2d2057794a7039462f39464f5a6837674a6468657132"
    "57494a637748675963384e495668336464776872634e670aeecf62c7ce91b433274e68d4f2f9134cb74c5bfef7beaa52"
    "c8f0bc0e992c1e8331fb66";

TEST(AgeVector, OpensTheX25519Example) {
  const SecretKey secret = *parse_identity(identity_text);
  EXPECT_EQ(to_hex(x25519_public(secret)), "36dcec3f5f24739a0c8b36cbb4ffa25729a94a51d41fb205a37419fe7f5adb2a");
  const opening::AgeKeys keys{std::span(&secret, 1), nullptr};
  const Bytes file = hex(x25519_file);
  ASSERT_EQ(file.size(), 203U);
  const auto opened = opening::open_bytes(file, keys);
  ASSERT_TRUE(opened) << outcome_of(opened);
  EXPECT_EQ(as_text(*opened), "age");

  const ByteView header = ByteView(file).first(file.size() - 16 - 19);
  const auto file_key = opening::unwrap_file_key(header, keys);
  ASSERT_TRUE(file_key);
  EXPECT_EQ(to_hex(file_key->expose()), "59454c4c4f57205355424d4152494e45");
  EXPECT_EQ(to_hex(hkdf_sha256(file_key->expose(), hex("eecf62c7ce91b433274e68d4f2f9134c"), "payload").expose()),
            "6b6c189a7af0e7b1dba932c87080d8926b2de53fbf9eac516394701223669022");
  EXPECT_EQ(to_hex(hkdf_sha256(file_key->expose(), {}, "header").expose()),
            "a4bf3b9f4e908993e678eb71e558faedac5829d1d632c50225217c066fec77d2");
}

TEST(AgeVector, OpensTheScryptExample) {
  const std::string stanza =
      "-> scrypt " + to_base64_unpadded(hex("ac5d3f3706e55071d3a604204697b909")) + " 10\n" +
      to_base64_unpadded(hex("8148c4ca614a3155d010a74c3072f6e2861ec631374c80b43b4cc64aa2766946")) + "\n";
  const Bytes header = finished_header(std::string(version_line) + stanza);
  const SecretKey passphrase = SecretKey::copy_of(as_bytes("password"));
  const auto file_key = opening::unwrap_file_key(header, {{}, &passphrase});
  ASSERT_TRUE(file_key);
  EXPECT_EQ(to_hex(file_key->expose()), "59454c4c4f57205355424d4152494e45");
  const SecretKey wrong = SecretKey::copy_of(as_bytes("Password"));
  EXPECT_EQ(opening::unwrap_file_key(header, {{}, &wrong}).error(), opening::AgeFailure::no_match);
}

struct KitVector {
  std::string expect;
  std::optional<std::string> payload;
  std::vector<SecretKey> identities;
  std::optional<SecretKey> passphrase;
  Bytes file;
};

Bytes inflated(ByteView compressed) {
  Bytes out;
  z_stream stream{};
  EXPECT_EQ(inflateInit(&stream), Z_OK);
  stream.next_in = const_cast<Bytef*>(compressed.data());
  stream.avail_in = static_cast<uInt>(compressed.size());
  int state = Z_OK;
  Bytes piece(1 << 16);
  while (state == Z_OK) {
    stream.next_out = piece.data();
    stream.avail_out = static_cast<uInt>(piece.size());
    state = inflate(&stream, Z_NO_FLUSH);
    append(out, ByteView(piece).first(piece.size() - stream.avail_out));
  }
  EXPECT_EQ(state, Z_STREAM_END);
  inflateEnd(&stream);
  return out;
}

/// Text header, empty line, file.
KitVector read_kit_vector(const std::filesystem::path& path) {
  KitVector out;
  const Bytes bytes = read_whole_file(path.string());
  const std::string_view text = as_text(bytes);
  const std::size_t split = text.find("\n\n");
  if (split == std::string_view::npos) {
    ADD_FAILURE() << "not a vector of the kit: " << path;
    return out;
  }
  bool compressed = false;
  std::istringstream head{std::string(text.substr(0, split))};
  for (std::string line; std::getline(head, line);) {
    const std::size_t colon = line.find(": ");
    const std::string key = line.substr(0, colon);
    const std::string value = colon == std::string::npos ? "" : line.substr(colon + 2);
    if (key == "expect") out.expect = value;
    if (key == "payload") out.payload = value;
    if (key == "passphrase" && !out.passphrase) out.passphrase = SecretKey::copy_of(as_bytes(value));
    if (key == "compressed") compressed = value == "zlib";
    if (key == "identity") {
      auto identity = parse_identity(value);
      EXPECT_TRUE(identity) << path;
      if (identity) out.identities.push_back(std::move(*identity));
    }
  }
  const ByteView rest = ByteView(bytes).subspan(split + 2);
  out.file = compressed ? inflated(rest) : to_bytes(rest);
  return out;
}

TEST(AgeTestKit, EveryFileComesToTheOutcomeTheKitExpects) {
  const std::filesystem::path folder = std::filesystem::path(PLI_SOURCE_DIR) / ".." / "shared" / "vectors" / "age";
  if (!std::filesystem::is_directory(folder)) {
    std::cout << "NOT RUN: the C2SP age test kit is not at hand; only Pli's own age vectors were\n";
    return;
  }
  std::map<std::string, int> seen;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name == "README.md") continue;
    SCOPED_TRACE(name);
    const KitVector vector = read_kit_vector(entry.path());
    const opening::AgeKeys keys{vector.identities, vector.passphrase ? &*vector.passphrase : nullptr};
    ++seen[vector.expect];
    for (const std::size_t step : {SIZE_MAX, std::size_t{1021}, std::size_t{65552}}) {
      const Streamed streamed = stream_open(vector.file, keys, step);
      EXPECT_EQ(streamed.outcome, vector.expect);
      if (vector.payload) {
        EXPECT_EQ(to_hex(sha256(streamed.released)), *vector.payload);
      }
      // Nothing but a payload that turns out damaged on the way may let anything out before failing.
      if (!vector.payload) {
        EXPECT_TRUE(streamed.released.empty());
      }
    }
    const auto opened = opening::open_bytes(vector.file, keys);
    EXPECT_EQ(outcome_of(opened), vector.expect);
    if (opened) {
      EXPECT_TRUE(vector.payload);
      EXPECT_EQ(to_hex(sha256(*opened)), vector.payload.value_or(""));
    }
  }
  int files = 0;
  for (const auto& [outcome, count] : seen) {
    std::printf("age test kit: %3d %s\n", count, outcome.c_str());
    files += count;
  }
  EXPECT_GE(seen["success"], 1);
  EXPECT_GE(files, 50) << "the kit is not whole";
}

}  // namespace
}  // namespace pli::crypto
