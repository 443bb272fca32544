// RFC 4648 base64, canonical only: no white space, no spare bits, padding exactly as the format demands.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace pli::crypto {

[[nodiscard]] std::string to_base64(ByteView bytes);                           ///< with `=` (notes, armor)
[[nodiscard]] std::optional<Bytes> from_base64(std::string_view text);
[[nodiscard]] std::string to_base64_unpadded(ByteView bytes);                  ///< without (age headers)
[[nodiscard]] std::optional<Bytes> from_base64_unpadded(std::string_view text);

}  // namespace pli::crypto
