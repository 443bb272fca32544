#include "client/statistics_check.hpp"

#include "audit/record.hpp"
#include "crypto/hash.hpp"

namespace pli::client {

const char* text_of(StatisticsVerdict verdict) {
  switch (verdict) {
    case StatisticsVerdict::equal: return "equal";
    case StatisticsVerdict::different: return "different";
    case StatisticsVerdict::stated_twice: return "stated_twice";
    case StatisticsVerdict::not_stated: return "not_stated";
    case StatisticsVerdict::empty: return "empty";
  }
  return "different";
}

StatisticsChecker::StatisticsChecker(std::string origin, std::uint32_t month)
    : origin_(std::move(origin)),
      month_(month),
      begin_(protocol::month_start(month)),
      end_(protocol::month_start(protocol::month_after(month))) {}

void StatisticsChecker::add(const protocol::RecordItem& item) {
  const auto leaf = audit::decode_leaf(item.leaf);
  if (!leaf) return;  // a finding of the audit's
  take(*leaf, item.index, origin_);
  if (leaf->time < begin_ || leaf->time >= end_) return;
  if (!counted_) {
    counted_.emplace(origin_, month_, item.index);
    first_ = item.index;
  }
  const auto record = audit::decode_disclosure(item.disclosure);
  const auto fields = record ? protocol::counted_fields(*record) : protocol::CountedFields{};
  counted_->add(leaf->type, record ? &fields : nullptr);
}

void StatisticsChecker::add_later(const std::string& origin, const protocol::RecordItem& item) {
  if (const auto leaf = audit::decode_leaf(item.leaf)) take(*leaf, item.index, origin);
}

void StatisticsChecker::take(const audit::Leaf& leaf, LeafIndex index, const std::string& in) {
  if (!leaf.statement || leaf.type != audit::LeafType::registre) return;
  const auto statement = protocol::parse_statistics_statement(*leaf.statement);
  if (!statement || statement->month != month_ || (statement->shard.empty() ? in : statement->shard) != origin_) return;
  twice_ = twice_ || stated_.has_value();
  stated_ = *statement;
  leaf_ = index;
  leaf_shard_ = in;
}

StatisticsCheck StatisticsChecker::finish() const {
  StatisticsCheck check;
  check.stated = stated_;
  check.leaf = leaf_;
  check.shard = leaf_shard_;
  if (counted_) check.text = counted_->text();
  if (twice_) {
    check.verdict = StatisticsVerdict::stated_twice;
  } else if (stated_) {
    const bool equal = counted_ && stated_->from == *first_ && stated_->to == counted_->next() &&
                       stated_->text == crypto::sha256(as_bytes(check.text));
    check.verdict = equal ? StatisticsVerdict::equal : StatisticsVerdict::different;
  } else {
    check.verdict = counted_ ? StatisticsVerdict::not_stated : StatisticsVerdict::empty;
  }
  return check;
}

}  // namespace pli::client
