#include "crypto/base64.hpp"

#include <sodium.h>

#include <algorithm>

namespace pli::crypto {
namespace {

std::string encode(ByteView bytes, int variant) {
  std::string out(sodium_base64_encoded_len(bytes.size(), variant), '\0');  // the count includes a final NUL
  sodium_bin2base64(out.data(), out.size(), bytes.data(), bytes.size(), variant);
  out.pop_back();
  return out;
}

/// How much of `out` the text fills.
std::optional<std::size_t> decode_into(std::string_view text, std::span<std::uint8_t> out, int variant) {
  // libsodium 1.0.18 takes bytes from 0x80 on for `+` or `/` (its comparisons are of 8 bits, its characters signed),
  // which would give one value several spellings.
  if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) > 0x7f; })) {
    return std::nullopt;
  }
  std::size_t size = 0;
  // No ignored characters and no end pointer: then it refuses everything else that is not canonical.
  if (sodium_base642bin(out.data(), out.size(), text.data(), text.size(), nullptr, &size, nullptr, variant) != 0) {
    return std::nullopt;
  }
  return size;
}

std::optional<Bytes> decode(std::string_view text, int variant) {
  Bytes out(text.size() / 4 * 3 + 3);
  const auto size = decode_into(text, out, variant);
  if (!size) return std::nullopt;
  out.resize(*size);
  return out;
}

}  // namespace

std::string to_base64(ByteView bytes) { return encode(bytes, sodium_base64_VARIANT_ORIGINAL); }
std::optional<Bytes> from_base64(std::string_view text) { return decode(text, sodium_base64_VARIANT_ORIGINAL); }
std::optional<std::size_t> from_base64_into(std::string_view text, std::span<std::uint8_t> out) {
  return decode_into(text, out, sodium_base64_VARIANT_ORIGINAL);
}
std::string to_base64_unpadded(ByteView bytes) { return encode(bytes, sodium_base64_VARIANT_ORIGINAL_NO_PADDING); }
std::optional<Bytes> from_base64_unpadded(std::string_view text) {
  return decode(text, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
}

}  // namespace pli::crypto
