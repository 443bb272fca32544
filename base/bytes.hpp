// Byte strings, and the reader and writer of every fixed binary layout (docs/protocol.md, "Notation").
// Integers are big-endian; a variable string is a u16 or u32 length followed by its bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pli {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
template <std::size_t N>
using ByteArray = std::array<std::uint8_t, N>;

/// 32 bytes of SHA-256.
using Digest = ByteArray<32>;

[[nodiscard]] inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
[[nodiscard]] inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
[[nodiscard]] inline Bytes to_bytes(ByteView view) { return {view.begin(), view.end()}; }
[[nodiscard]] inline Bytes to_bytes(std::string_view text) { return to_bytes(as_bytes(text)); }
void append(Bytes& out, ByteView more);  ///< Out of line: inlined, g++ 12 at -O3 warns of overflows that cannot be.
inline void append(Bytes& out, std::string_view more) { append(out, as_bytes(more)); }
[[nodiscard]] bool equal(ByteView a, ByteView b);  ///< Not constant time: public values only.

/// Exactly N bytes, or nothing.
template <std::size_t N>
[[nodiscard]] std::optional<ByteArray<N>> to_array(ByteView view) {
  if (view.size() != N) return std::nullopt;
  ByteArray<N> out{};
  for (std::size_t i = 0; i < N; ++i) out[i] = view[i];
  return out;
}

/// Appends fields to a byte string. Lengths over the prefix's range are our mistake and terminate.
class ByteWriter {
 public:
  void u8(std::uint8_t value);
  void u16(std::uint16_t value);
  void u32(std::uint32_t value);
  void u64(std::uint64_t value);
  void raw(ByteView bytes);
  void string8(std::string_view text);  ///< u8 length, then the bytes
  void bytes16(ByteView bytes);         ///< u16 length, then the bytes
  void bytes32(ByteView bytes);         ///< u32 length, then the bytes
  [[nodiscard]] const Bytes& bytes() const { return out_; }
  [[nodiscard]] Bytes take() { return std::move(out_); }

 private:
  Bytes out_;
};

/// Reads fields back. After a first failure every read yields zeros and `ok()` stays false,
/// so a decoder reads everything, then checks once. Safe on hostile input.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : rest_(bytes) {}
  std::uint8_t u8();
  std::uint16_t u16();
  std::uint32_t u32();
  std::uint64_t u64();
  ByteView raw(std::size_t size);
  std::string string8();
  ByteView bytes16();
  ByteView bytes32();
  template <std::size_t N>
  ByteArray<N> array() {
    ByteArray<N> out{};
    ByteView got = raw(N);
    if (got.size() == N)
      for (std::size_t i = 0; i < N; ++i) out[i] = got[i];
    return out;
  }
  void fail() {
    ok_ = false;
    rest_ = {};
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return ok_ && rest_.empty(); }  ///< everything read, nothing left over
  [[nodiscard]] ByteView rest() const { return rest_; }

 private:
  ByteView rest_;
  bool ok_ = true;
};

/// Lower-case hexadecimal.
[[nodiscard]] std::string to_hex(ByteView bytes);
/// Lower-case hexadecimal only, even length; nothing otherwise.
[[nodiscard]] std::optional<Bytes> from_hex(std::string_view text);

}  // namespace pli
