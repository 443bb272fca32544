#include "audit/outside_checkpoint.hpp"

#include <algorithm>

#include "crypto/hash.hpp"

namespace pli::audit {
namespace {

constexpr std::string_view magic = "pli-out1";
constexpr std::size_t digest_offset = 480;

}  // namespace

Result<ByteArray<outside_slot_bytes>> encode_slot(const OutsideSlot& slot) {
  if (slot.note.size() > outside_note_bytes_max) return Error{Errc::over_limit, "checkpoint too long for its slot"};
  ByteWriter writer;
  writer.raw(as_bytes(magic));
  writer.u64(slot.sequence);
  writer.bytes16(as_bytes(slot.note));
  ByteArray<outside_slot_bytes> out{};
  std::copy(writer.bytes().begin(), writer.bytes().end(), out.begin());
  const Digest digest = crypto::sha256(ByteView(out).first(digest_offset));
  std::copy(digest.begin(), digest.end(), out.begin() + digest_offset);
  return out;
}

std::optional<OutsideSlot> decode_slot(ByteView slot) {
  if (slot.size() != outside_slot_bytes) return std::nullopt;
  const Digest digest = crypto::sha256(slot.first(digest_offset));
  if (!equal(digest, slot.subspan(digest_offset))) return std::nullopt;
  ByteReader reader(slot.first(digest_offset));
  if (as_text(reader.raw(magic.size())) != magic) return std::nullopt;
  OutsideSlot out;
  out.sequence = reader.u64();
  out.note = as_text(reader.bytes16());
  const ByteView padding = reader.rest();
  if (!reader.ok() || std::any_of(padding.begin(), padding.end(), [](std::uint8_t byte) { return byte != 0; }))
    return std::nullopt;
  return out;
}

Result<OutsideSlot> newest_slot(ByteView file) {
  if (file.size() != 2 * outside_slot_bytes) return Error{Errc::corruption, "outside checkpoint of a wrong size"};
  std::optional<OutsideSlot> first = decode_slot(file.first(outside_slot_bytes));
  std::optional<OutsideSlot> second = decode_slot(file.subspan(outside_slot_bytes));
  if (!first && !second) return Error{Errc::corruption, "no valid outside checkpoint"};
  if (!first) return *std::move(second);
  if (!second) return *std::move(first);
  // Slots are written in turn: two that claim the same turn cannot both be ours.
  if (first->sequence == second->sequence && first->note != second->note)
    return Error{Errc::corruption, "two outside checkpoints of one turn"};
  return first->sequence > second->sequence ? *std::move(first) : *std::move(second);
}

}  // namespace pli::audit
