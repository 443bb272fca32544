// RFC 4648 base64, canonical only: no white space, no spare bits, padding exactly as the format demands.
// For public values: its time depends on them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace pli::crypto {

[[nodiscard]] std::string to_base64(ByteView bytes);  ///< with `=` (notes, armor)
[[nodiscard]] std::optional<Bytes> from_base64(std::string_view text);
[[nodiscard]] std::string to_base64_unpadded(ByteView bytes);  ///< without (age headers)
void append_base64(std::string& out, ByteView bytes);          ///< `to_base64`, at the end of `out`
/// `from_base64` into `out`: how much of it is filled, or nothing when the text is not canonical or does not fit.
[[nodiscard]] std::optional<std::size_t> from_base64_into(std::string_view text, std::span<std::uint8_t> out);
[[nodiscard]] std::optional<Bytes> from_base64_unpadded(std::string_view text);

}  // namespace pli::crypto
