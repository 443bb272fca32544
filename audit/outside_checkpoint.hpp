// The last published checkpoint, kept outside the database and its backups (P10): two 512-byte slots, written in
// turn, so that a torn write costs one of them at most. Layout only; the broker does the I/O. docs/protocol.md.
//   slot = "pli-out1" ‖ u64 sequence ‖ u16 length ‖ signed note ‖ zeros to 480 ‖ SHA-256 of the first 480 bytes
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace pli::audit {

inline constexpr std::size_t outside_slot_bytes = 512;
inline constexpr std::size_t outside_note_bytes_max = 480 - 8 - 8 - 2;

struct OutsideSlot {
  std::uint64_t sequence = 0;
  std::string note;
  bool operator==(const OutsideSlot&) const = default;
};

/// Errors: over_limit for a note that does not fit.
[[nodiscard]] Result<ByteArray<outside_slot_bytes>> encode_slot(const OutsideSlot& slot);
/// Nothing for a slot never written or torn.
[[nodiscard]] std::optional<OutsideSlot> decode_slot(ByteView slot);
/// Of the file's two slots, the valid one with the higher sequence. Errors: corruption when neither is valid.
[[nodiscard]] Result<OutsideSlot> newest_slot(ByteView file);

}  // namespace pli::audit
