// Memory for secrets. Grep `expose` and every use has been audited.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.hpp"

namespace pli::crypto {

void wipe(std::span<std::uint8_t> bytes);                ///< sodium_memzero: not optimised away.
[[nodiscard]] bool same_secret(ByteView a, ByteView b);  ///< Constant time for equal lengths.

/// A long-lived secret in guarded, locked, non-dumped pages (sodium_malloc). Moves, wipes itself; no copy.
/// Costs several pages and system calls: one for an identity or an epoch, not one for each exchange.
class SecretKey {
 public:
  SecretKey() = default;                                   ///< Empty.
  explicit SecretKey(std::size_t size);                    ///< Zeros.
  [[nodiscard]] static SecretKey copy_of(ByteView bytes);  ///< The caller wipes its own copy.
  [[nodiscard]] static SecretKey random(std::size_t size);
  SecretKey(SecretKey&& other) noexcept;
  SecretKey& operator=(SecretKey&& other) noexcept;
  SecretKey(const SecretKey&) = delete;
  SecretKey& operator=(const SecretKey&) = delete;
  ~SecretKey();

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] ByteView expose() const { return {data_, size_}; }
  [[nodiscard]] std::span<std::uint8_t> expose_for_writing() { return {data_, size_}; }
  [[nodiscard]] SecretKey clone() const { return copy_of(expose()); }

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

/// A short-lived secret in place (a file key, R on its way through the broker). Moves and wipes; no copy.
template <std::size_t N>
class Transient {
 public:
  Transient() = default;
  explicit Transient(const ByteArray<N>& bytes) : bytes_(bytes) {}
  Transient(Transient&& other) noexcept : bytes_(other.bytes_) { wipe(other.bytes_); }
  Transient& operator=(Transient&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      wipe(other.bytes_);
    }
    return *this;
  }
  Transient(const Transient&) = delete;
  Transient& operator=(const Transient&) = delete;
  ~Transient() { wipe(bytes_); }

  [[nodiscard]] static Transient random();
  [[nodiscard]] Transient clone() const { return Transient(bytes_); }
  [[nodiscard]] ByteView expose() const { return bytes_; }
  [[nodiscard]] std::span<std::uint8_t> expose_for_writing() { return bytes_; }

 private:
  ByteArray<N> bytes_{};
};

using FileKey = Transient<16>;     ///< age v1 file key
using ReleaseKey = Transient<32>;  ///< R: unlocks the header of one exchange (design §5)
using BoxKey = Transient<32>;      ///< crypto_box shared key, precomputed once for a session

}  // namespace pli::crypto

#include "crypto/random.hpp"

namespace pli::crypto {
template <std::size_t N>
Transient<N> Transient<N>::random() {
  Transient out;
  random_bytes(out.expose_for_writing());
  return out;
}
}  // namespace pli::crypto
