// RFC 4648 base64, canonical only: no white space, no spare bits, padding exactly as the format demands.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace pli::crypto {

[[nodiscard]] std::string to_base64(ByteView bytes);                           ///< with `=` (notes, armor)
[[nodiscard]] std::optional<Bytes> from_base64(std::string_view text);
/// `from_base64` into `out`: how much of it is filled, or nothing when the text is not canonical or does not fit.
[[nodiscard]] std::optional<std::size_t> from_base64_into(std::string_view text, std::span<std::uint8_t> out);
[[nodiscard]] std::string to_base64_unpadded(ByteView bytes);                  ///< without (age headers)
[[nodiscard]] std::optional<Bytes> from_base64_unpadded(std::string_view text);

}  // namespace pli::crypto
