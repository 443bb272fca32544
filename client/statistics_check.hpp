// A month's published statistics against the journal: counted again from the records, and compared with what the broker
// has stated in clear (docs/protocol.md, "Statistics"). Pure.
#pragma once

#include <optional>
#include <string>

#include "protocol/statistics.hpp"
#include "protocol/wire.hpp"

namespace pli::client {

enum class StatisticsVerdict {
  equal,
  different,
  stated_twice,
  not_stated,  ///< not published yet, or never
  empty,       ///< no leaf in that month, and nothing stated
};
[[nodiscard]] const char* text_of(StatisticsVerdict verdict);

struct StatisticsCheck {
  StatisticsVerdict verdict = StatisticsVerdict::empty;
  std::string text;  ///< as counted again; empty when the month has no leaf
  std::optional<protocol::StatisticsStatement> stated;
  LeafIndex leaf{};     ///< where it is stated
  std::string shard{};  ///< origin of the tree that leaf is in
};

/// Takes every leaf of the shard, in order.
class StatisticsChecker {
 public:
  /// `month` is one (protocol::is_month).
  StatisticsChecker(std::string origin, std::uint32_t month);
  void add(const protocol::RecordItem& item);
  /// And every leaf of the later ones: what was closed before its month was over is stated there.
  void add_later(const std::string& origin, const protocol::RecordItem& item);
  [[nodiscard]] StatisticsCheck finish() const;

 private:
  /// A statement of this shard's month, in the leaf of a tree.
  void take(const audit::Leaf& leaf, LeafIndex index, const std::string& in);
  std::string origin_;
  std::uint32_t month_;
  UnixMillis begin_;
  UnixMillis end_;
  std::optional<protocol::MonthlyStatistics> counted_;
  std::optional<LeafIndex> first_;
  std::optional<protocol::StatisticsStatement> stated_;
  LeafIndex leaf_{};
  std::string leaf_shard_;
  bool twice_ = false;
};

}  // namespace pli::client
