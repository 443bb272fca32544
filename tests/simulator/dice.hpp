// What chance decides in a simulation. Each question has dice of its own, made of the seed and of what is asked about,
// so that leaving one event out of a plan changes nothing of the others.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace pli::testing {

class Dice {
 public:
  Dice(std::uint64_t seed, std::initializer_list<std::uint64_t> about) : state_(seed) {
    for (const std::uint64_t each : about) state_ = next() ^ (each * 0xD1B54A32D192ED03U);
  }
  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
  }
  /// [0, count)
  std::uint64_t below(std::uint64_t count) { return next() % count; }
  /// [from, to]
  std::int64_t between(std::int64_t from, std::int64_t to) {
    return from + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(to - from + 1)));
  }
  bool one_in(std::uint64_t count) { return below(count) == 0; }
  template <class List>
  const auto& pick(const List& list) {
    return list[static_cast<std::size_t>(below(list.size()))];
  }

 private:
  std::uint64_t state_;
};

}  // namespace pli::testing
