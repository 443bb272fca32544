#include "base/bytes.hpp"

#include <algorithm>
#include <limits>

#include "base/result.hpp"

namespace pli {
namespace {

/// Of each byte, its value as a lower-case hexadecimal digit; above 15 when it is none. The digits of a hash are
/// random: branches on them cost more than all the rest of reading a leaf.
constexpr std::array<std::uint8_t, 256> digit_values = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(0xFF);
  for (std::uint8_t i = 0; i < 10; ++i) values[static_cast<std::size_t>('0' + i)] = i;
  for (std::uint8_t i = 10; i < 16; ++i) values[static_cast<std::size_t>('a' + i - 10)] = i;
  return values;
}();

}  // namespace

bool equal(ByteView a, ByteView b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

void append(Bytes& out, ByteView more) { out.insert(out.end(), more.begin(), more.end()); }

void ByteWriter::u8(std::uint8_t value) { out_.push_back(value); }
void ByteWriter::u16(std::uint16_t value) {
  for (int shift = 8; shift >= 0; shift -= 8) out_.push_back(static_cast<std::uint8_t>(value >> shift));
}
void ByteWriter::u32(std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out_.push_back(static_cast<std::uint8_t>(value >> shift));
}
void ByteWriter::u64(std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out_.push_back(static_cast<std::uint8_t>(value >> shift));
}
void ByteWriter::raw(ByteView bytes) { append(out_, bytes); }
void ByteWriter::string8(std::string_view text) {
  PLI_INVARIANT(text.size() <= std::numeric_limits<std::uint8_t>::max());
  u8(static_cast<std::uint8_t>(text.size()));
  raw(as_bytes(text));
}
void ByteWriter::bytes16(ByteView bytes) {
  PLI_INVARIANT(bytes.size() <= std::numeric_limits<std::uint16_t>::max());
  u16(static_cast<std::uint16_t>(bytes.size()));
  raw(bytes);
}
void ByteWriter::bytes32(ByteView bytes) {
  PLI_INVARIANT(bytes.size() <= std::numeric_limits<std::uint32_t>::max());
  u32(static_cast<std::uint32_t>(bytes.size()));
  raw(bytes);
}

ByteView ByteReader::raw(std::size_t size) {
  if (!ok_ || size > rest_.size()) {
    fail();
    return {};
  }
  ByteView out = rest_.first(size);
  rest_ = rest_.subspan(size);
  return out;
}
std::uint8_t ByteReader::u8() {
  ByteView got = raw(1);
  return got.empty() ? std::uint8_t{0} : got[0];
}
std::uint16_t ByteReader::u16() {
  std::uint16_t value = 0;
  for (std::uint8_t byte : raw(2)) value = static_cast<std::uint16_t>(value << 8 | byte);
  return value;
}
std::uint32_t ByteReader::u32() {
  std::uint32_t value = 0;
  for (std::uint8_t byte : raw(4)) value = value << 8 | byte;
  return value;
}
std::uint64_t ByteReader::u64() {
  std::uint64_t value = 0;
  for (std::uint8_t byte : raw(8)) value = value << 8 | byte;
  return value;
}
std::string ByteReader::string8() { return std::string(as_text(raw(u8()))); }
ByteView ByteReader::bytes16() { return raw(u16()); }
ByteView ByteReader::bytes32() { return raw(u32()); }

std::string to_hex(ByteView bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (std::uint8_t byte : bytes) {
    out.push_back(digits[byte >> 4]);
    out.push_back(digits[byte & 15]);
  }
  return out;
}

std::optional<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  Bytes out(text.size() / 2);
  std::uint8_t wrong = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::uint8_t high = digit_values[static_cast<std::uint8_t>(text[2 * i])];
    const std::uint8_t low = digit_values[static_cast<std::uint8_t>(text[2 * i + 1])];
    wrong = static_cast<std::uint8_t>(wrong | high | low);
    out[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  if (wrong > 15) return std::nullopt;
  return out;
}

}  // namespace pli
