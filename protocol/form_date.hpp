// Dates of a form: year * 10000 + month * 100 + day; 0 is *inconnu*. Internal to the forms.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace pli::protocol {

[[nodiscard]] bool is_date(std::uint32_t number);               ///< one that exists, from 1900 to 2199
[[nodiscard]] std::uint32_t parse_date(std::string_view text);  ///< "2026-03-12", or 0
[[nodiscard]] std::string typed_date(std::uint32_t number);     ///< "2026-03-12"
[[nodiscard]] std::string french_date(std::uint32_t number);    ///< "12 mars 2026"
/// The latest date it can be anywhere: no clock is more than 14 hours ahead of UTC, and Pli serves offices overseas.
[[nodiscard]] std::uint32_t latest_date(UnixMillis now);
/// The earliest: no clock is more than 12 hours behind.
[[nodiscard]] std::uint32_t earliest_date(UnixMillis now);

}  // namespace pli::protocol
