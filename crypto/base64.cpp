#include "crypto/base64.hpp"

#include <array>

namespace pli::crypto {
namespace {

// By tables and not by libsodium: what is written in base64 is public (headers, ciphertext, proofs), so its
// constant-time codec would only cost (a tenth of this speed); and 1.0.18 takes bytes from 0x80 on for `+` or `/`,
// which gives one value several spellings.

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t foreign = 0xff;

constexpr std::array<std::uint8_t, 256> values_of_characters() {
  std::array<std::uint8_t, 256> out{};
  for (std::uint8_t& value : out) value = foreign;
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    out[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return out;
}
constexpr std::array<std::uint8_t, 256> character_values = values_of_characters();

char character_of(std::uint32_t bits) { return alphabet[bits & 63]; }
std::uint32_t value_of(char c) { return character_values[static_cast<unsigned char>(c)]; }

/// Without padding; returns the end of what was written.
char* encode(ByteView bytes, char* out) {
  const std::uint8_t* in = bytes.data();
  for (std::size_t left = bytes.size(); left >= 3; left -= 3, in += 3) {
    const std::uint32_t bits = std::uint32_t{in[0]} << 16 | std::uint32_t{in[1]} << 8 | in[2];
    *out++ = character_of(bits >> 18);
    *out++ = character_of(bits >> 12);
    *out++ = character_of(bits >> 6);
    *out++ = character_of(bits);
  }
  if (bytes.size() % 3 == 1) {
    *out++ = character_of(std::uint32_t{in[0]} >> 2);
    *out++ = character_of(std::uint32_t{in[0]} << 4);
  } else if (bytes.size() % 3 == 2) {
    *out++ = character_of(std::uint32_t{in[0]} >> 2);
    *out++ = character_of(std::uint32_t{in[0]} << 4 | std::uint32_t{in[1]} >> 4);
    *out++ = character_of(std::uint32_t{in[1]} << 2);
  }
  return out;
}

std::size_t encoded_size(std::size_t bytes) { return bytes / 3 * 4 + (bytes % 3 == 0 ? 0 : bytes % 3 + 1); }
std::size_t decoded_size(std::size_t characters) { return characters / 4 * 3 + characters % 4 * 3 / 4; }

/// Text without padding into exactly `decoded_size` bytes. False for a foreign character, spare bits, a lone character.
bool decode(std::string_view text, std::uint8_t* out) {
  if (text.size() % 4 == 1) return false;
  const char* in = text.data();
  std::uint32_t seen = 0;  // every value taken, joined: a foreign one shows in the bits above the sixth
  for (std::size_t left = text.size(); left >= 4; left -= 4, in += 4) {
    const std::uint32_t a = value_of(in[0]), b = value_of(in[1]), c = value_of(in[2]), d = value_of(in[3]);
    seen |= a | b | c | d;
    const std::uint32_t bits = a << 18 | b << 12 | c << 6 | d;
    *out++ = static_cast<std::uint8_t>(bits >> 16);
    *out++ = static_cast<std::uint8_t>(bits >> 8);
    *out++ = static_cast<std::uint8_t>(bits);
  }
  std::uint32_t spare = 0;
  if (text.size() % 4 >= 2) {
    const std::uint32_t a = value_of(in[0]), b = value_of(in[1]);
    const std::uint32_t c = text.size() % 4 == 3 ? value_of(in[2]) : 0;
    seen |= a | b | c;
    *out++ = static_cast<std::uint8_t>(a << 2 | b >> 4);
    if (text.size() % 4 == 3) *out++ = static_cast<std::uint8_t>(b << 4 | c >> 2);
    spare = text.size() % 4 == 3 ? c & 3 : b & 15;
  }
  return seen < alphabet.size() && spare == 0;
}

/// What is left of padded text once its padding is off; nothing when that is not what its length demands.
std::optional<std::string_view> without_padding(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  // At most two: a third `=` stays and is a foreign character.
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  return text;
}

}  // namespace

void append_base64(std::string& out, ByteView bytes) {
  const std::size_t before = out.size();
  out.resize(before + (bytes.size() + 2) / 3 * 4, '=');
  encode(bytes, out.data() + before);
}

std::string to_base64(ByteView bytes) {
  std::string out;
  append_base64(out, bytes);
  return out;
}

std::string to_base64_unpadded(ByteView bytes) {
  std::string out(encoded_size(bytes.size()), '\0');
  encode(bytes, out.data());
  return out;
}

std::optional<Bytes> from_base64(std::string_view text) {
  const auto bare = without_padding(text);
  return bare ? from_base64_unpadded(*bare) : std::nullopt;
}

std::optional<std::size_t> from_base64_into(std::string_view text, std::span<std::uint8_t> out) {
  const auto bare = without_padding(text);
  if (!bare || decoded_size(bare->size()) > out.size() || !decode(*bare, out.data())) return std::nullopt;
  return decoded_size(bare->size());
}

std::optional<Bytes> from_base64_unpadded(std::string_view text) {
  Bytes out(decoded_size(text.size()));
  if (!decode(text, out.data())) return std::nullopt;
  return out;
}

}  // namespace pli::crypto
