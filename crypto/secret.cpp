#include "crypto/secret.hpp"

#include <sodium.h>

#include <algorithm>
#include <new>
#include <utility>

#include "crypto/random.hpp"

namespace pli::crypto {

void wipe(std::span<std::uint8_t> bytes) { sodium_memzero(bytes.data(), bytes.size()); }

bool same_secret(ByteView a, ByteView b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

SecretKey::SecretKey(std::size_t size) {
  if (size == 0) return;
  // Before sodium_init the guard pages' canary is not drawn yet. Idempotent, and nothing beside the mmap
  // below.
  initialise();
  data_ = static_cast<std::uint8_t*>(sodium_malloc(size));
  if (data_ == nullptr) throw std::bad_alloc();
  size_ = size;
  std::fill_n(data_, size_, std::uint8_t{0});
}

SecretKey SecretKey::copy_of(ByteView bytes) {
  SecretKey out(bytes.size());
  std::copy(bytes.begin(), bytes.end(), out.data_);
  return out;
}

SecretKey SecretKey::random(std::size_t size) {
  SecretKey out(size);
  random_bytes(out.expose_for_writing());
  return out;
}

SecretKey::SecretKey(SecretKey&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

SecretKey& SecretKey::operator=(SecretKey&& other) noexcept {
  if (this != &other) {
    sodium_free(data_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

SecretKey::~SecretKey() { sodium_free(data_); }  // which wipes first, and checks the canary

}  // namespace pli::crypto
