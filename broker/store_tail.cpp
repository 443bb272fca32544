#include "broker/store_tail.hpp"

#include <algorithm>

#include "base/result.hpp"
#include "crypto/hash.hpp"

namespace pli::broker {

std::int64_t finger_key(const Digest& digest) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value = value << 8 | digest[i];
  return static_cast<std::int64_t>(value);
}

std::int64_t finger_key(std::string_view text) { return finger_key(crypto::sha256(as_bytes(text))); }

void FingerTail::add(const FingerEntry& entry) {
  gathering_.push_back(entry);
  gathering_by_key_.emplace(Key{entry.what, entry.key}, entry.number);
}

void FingerTail::forget_since_mark() {
  while (gathering_.size() > marked_) {
    const FingerEntry& entry = gathering_.back();
    const auto range = gathering_by_key_.equal_range({entry.what, entry.key});
    for (auto at = range.first; at != range.second; ++at) {
      if (at->second != entry.number) continue;
      gathering_by_key_.erase(at);
      break;
    }
    gathering_.pop_back();
  }
}

std::vector<std::uint64_t> FingerTail::find(Finger what, std::int64_t key) const {
  std::vector<std::uint64_t> numbers;
  for (const Lookup* lookup : {&frozen_by_key_, &gathering_by_key_}) {
    const auto range = lookup->equal_range({what, key});
    for (auto at = range.first; at != range.second; ++at) numbers.push_back(at->second);
  }
  if (numbers.size() > 1) std::sort(numbers.begin(), numbers.end());
  return numbers;
}

void FingerTail::freeze_when_full(std::uint64_t last) {
  if (gathering_.size() < frozen_at_ || written_ < frozen_.size()) return;
  PLI_INVARIANT(marked_ == gathering_.size());
  frozen_ = std::move(gathering_);
  frozen_by_key_ = std::move(gathering_by_key_);
  gathering_ = {};
  gathering_by_key_ = {};
  marked_ = 0;
  written_ = 0;
  frozen_through_ = last;
  std::sort(frozen_.begin(), frozen_.end());
}

std::span<const FingerEntry> FingerTail::next(std::size_t count) const {
  // The next ones must not gather for ever behind these.
  if (gathering_.size() >= frozen_at_) count = frozen_.size();
  return std::span(frozen_).subspan(written_, std::min(count, frozen_.size() - written_));
}

void FingerTail::written(std::size_t count, std::uint64_t& through) {
  written_ += count;
  PLI_INVARIANT(written_ <= frozen_.size());
  if (frozen_.empty() || written_ < frozen_.size()) return;
  through = frozen_through_;
  frozen_ = {};
  frozen_by_key_ = {};
  written_ = 0;
}

}  // namespace pli::broker
