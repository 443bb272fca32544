// What the store's index of fingerprints will hold but does not yet.
//
// Ids, nonces and payload digests are random: written into a B-tree as they come, each would dirty a page of its own,
// and most of what a commit writes would be index. So new fingerprints wait here, in memory, findable at once; when
// there are enough they are sorted and written some at a time, neighbours together, while the next ones gather. Nothing
// is lost in a crash: they are read again from the rows they come from, which is all of what `meta.indexed_through`
// does not cover. Not thread-safe; the store's.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.hpp"

namespace pli::broker {

/// What a fingerprint finds. Stored numbers: never change them.
enum class Finger : std::uint8_t {
  id = 0,        ///< exchange by id
  nonce = 1,     ///< exchange by sender and nonce
  payload = 2,   ///< exchange by the payload it owns
  party = 3,     ///< cases by the first sender's organisation
  instance = 4,  ///< cases by queue
  of_case = 5,   ///< exchanges by their case, but for its first; under 0 those of none
};

struct FingerEntry {
  Finger what = Finger::id;
  std::int64_t key = 0;
  std::uint64_t number = 0;  ///< ExchangeNumber
  auto operator<=>(const FingerEntry&) const = default;
};

/// The first eight bytes. Short on purpose: whoever finds by it compares the whole.
[[nodiscard]] std::int64_t finger_key(const Digest& digest);
[[nodiscard]] std::int64_t finger_key(std::string_view text);  ///< of its SHA-256

class FingerTail {
 public:
  /// `frozen_at`: how many entries gather before they are sorted and written.
  explicit FingerTail(std::size_t frozen_at) : frozen_at_(frozen_at) {}

  void add(const FingerEntry& entry);
  void mark() { marked_ = gathering_.size(); }  ///< what was added until here stays
  void forget_since_mark();

  /// Numbers under one key, ascending; those in the B-tree already may be among them.
  [[nodiscard]] std::vector<std::uint64_t> find(Finger what, std::int64_t key) const;

  /// Call between transactions, after mark(). `last` is the newest exchange whose entries are here.
  void freeze_when_full(std::uint64_t last);
  /// The next frozen entries to write, in index order; at most `count`, and all of them when the tail is full again.
  [[nodiscard]] std::span<const FingerEntry> next(std::size_t count) const;
  /// They are durable. When they were the last, `through` becomes the newest exchange the B-tree covers.
  void written(std::size_t count, std::uint64_t& through);
  [[nodiscard]] std::size_t waiting() const { return gathering_.size() + frozen_.size() - written_; }

 private:
  struct Key {
    Finger what;
    std::int64_t key;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const {
      // The keys are digests; the label only has to keep the kinds apart.
      return static_cast<std::size_t>(key.key) ^ (static_cast<std::size_t>(key.what) << 61U);
    }
  };
  using Lookup = std::unordered_multimap<Key, std::uint64_t, Hash>;
  std::size_t frozen_at_;
  std::size_t marked_ = 0;
  std::vector<FingerEntry> gathering_;
  Lookup gathering_by_key_;
  std::vector<FingerEntry> frozen_;  ///< sorted
  Lookup frozen_by_key_;
  std::size_t written_ = 0;  ///< of frozen_
  std::uint64_t frozen_through_ = 0;
};

}  // namespace pli::broker
