// A log that asks to be witnessed.
#pragma once

#include <string>

#include "audit/tree.hpp"
#include "audit/witness.hpp"

namespace pli::testing {

inline constexpr std::string_view watched_log = "broker.example/pli/89";
inline constexpr std::string_view watched_origin = "broker.example/pli/89/2026-1";

[[nodiscard]] inline crypto::SigningKey key_of(std::uint8_t seed_byte) {
  ByteArray<32> seed{};
  seed.fill(seed_byte);
  return crypto::SigningKey::from_seed(seed);
}

class GrowingLog {
 public:
  /// Another `leaf` word makes another tree.
  explicit GrowingLog(std::string origin = std::string(watched_origin), std::uint8_t seed = 1,
                      std::string leaf = "leaf ")
      : origin_(std::move(origin)), key_(key_of(seed)), leaf_(std::move(leaf)) {}

  void grow(std::uint64_t size) {
    while (tree_.size().value < size) tree_.append(as_bytes(leaf_ + std::to_string(tree_.size().value)));
  }
  [[nodiscard]] TreeSize size() const { return tree_.size(); }
  [[nodiscard]] const std::string& origin() const { return origin_; }
  [[nodiscard]] audit::VerifierKey key() const { return {origin_, audit::KeyType::ed25519, key_.public_key()}; }
  [[nodiscard]] std::string checkpoint(std::uint64_t size) const {
    return audit::sign_checkpoint({origin_, TreeSize{size}, audit::root_at(TreeSize{size}, tree_.source()).value()},
                                  key_);
  }
  /// What an honest log asks, from the witness's size to `size`.
  [[nodiscard]] audit::AddCheckpoint request(std::uint64_t old, std::uint64_t size) const {
    return {TreeSize{old}, audit::consistency_proof(TreeSize{old}, TreeSize{size}, tree_.source()).value(),
            checkpoint(size)};
  }
  [[nodiscard]] std::string body(std::uint64_t old, std::uint64_t size) const {
    return audit::to_text(request(old, size));
  }

 private:
  std::string origin_;
  crypto::SigningKey key_;
  std::string leaf_;
  audit::MemoryTree tree_;
};

}  // namespace pli::testing
