// What a tick does for the journal itself, some at a time: the statistics of a month that is over, and the erasure of
// records at the journal's term.
#include <algorithm>

#include "broker/core_state.hpp"
#include "crypto/hash.hpp"

namespace pli::broker {
namespace {

/// Leaves looked at by one tick, for each of the two: 2.8 million in a day.
constexpr std::size_t journal_step = 2000;
/// Places of records in memory at a time.
constexpr std::size_t places_read_first = 4;  // most ticks look at the oldest record, and it is kept
constexpr std::size_t places_read_max = 256;

std::uint32_t months_before(std::uint32_t month, std::uint32_t count) {
  const std::uint32_t months = month / 100 * 12 + month % 100 - 1 - count;
  return months / 12 * 100 + months % 12 + 1;
}

}  // namespace

LeafIndex CoreState::first_leaf_at(UnixMillis time, ShardNumber shard) const {
  std::uint64_t low = 0;
  std::uint64_t high = size_of(shard).value;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    const std::optional<LeafRow> row = store_.leaf({{middle}, shard});
    if (!row) return {high};  // the store is closed, and the commit will say so
    if (row->leaf.time < time)
      low = middle + 1;
    else
      high = middle;
  }
  return {low};
}

LeafIndex CoreState::end_of_month(std::uint32_t month) const {
  return first_leaf_at(protocol::month_start(protocol::month_after(month)), shard_);
}

// ---- statistics ----------------------------------------------------------------------------------------------------

void CoreState::find_stated(std::uint32_t over) {
  const std::optional<LeafRow> first = store_.leaf(here(0));
  if (!first) return;
  const std::uint32_t first_month = month_of(first->leaf.time);
  if (first_month > over) {
    stated_through_ = protocol::month_before(first_month);
    return;
  }
  // They stand in order, each after its month's end: those after the newest month's end are looked at first, then month
  // by month backwards until one is found.
  if (!stated_search_) stated_search_ = StatedSearch{over, end_of_month(over), tree_.size().value, 0};
  StatedSearch& search = *stated_search_;
  const auto nothing_between = [&](std::uint32_t earlier) { return end_of_month(earlier) == end_of_month(over); };
  for (std::size_t left = journal_step; left > 0; --left) {
    if (search.next.value >= search.end) {
      if (search.found != 0 || search.month <= first_month) {
        stated_through_ = search.found != 0 ? search.found : protocol::month_before(first_month);
        stated_search_.reset();
        return;
      }
      search.month = protocol::month_before(search.month);
      search.end = search.next.value;
      const LeafIndex start = end_of_month(search.month);
      search.end = std::min(search.end, end_of_month(protocol::month_after(search.month)).value);
      search.next = start;
      continue;
    }
    const std::optional<LeafRow> row = store_.leaf(here(search.next.value));
    if (!row) return;
    ++search.next.value;
    if (row->leaf.type != audit::LeafType::registre || !row->leaf.statement) continue;
    const auto statement = protocol::parse_statistics_statement(*row->leaf.statement);
    if (!statement || !statement->shard.empty()) continue;
    search.found = std::max(search.found, statement->month);
    if (!nothing_between(search.found)) continue;
    stated_through_ = search.found;
    stated_search_.reset();
    return;
  }
}

void CoreState::state_month(Batch& batch) {
  const std::uint32_t over = protocol::month_before(month_of(batch.now));
  if (!stated_through_) find_stated(over);
  if (!stated_through_ || cannot_count_) return;
  while (!counting_) {
    if (*stated_through_ >= over) return;
    const std::uint32_t month = protocol::month_after(*stated_through_);
    const LeafIndex from = end_of_month(*stated_through_);
    if (from == end_of_month(month))
      stated_through_ = month;  // nothing was logged
    else
      counting_.emplace(origin_, month, from);
    if (store_.fault()) return;
  }
  const std::uint32_t month = counting_->month();
  if (count_month(batch, shard_, counting_, cannot_count_)) stated_through_ = month;
}

bool CoreState::count_month(Batch& batch, ShardNumber shard, std::optional<protocol::MonthlyStatistics>& counting,
                            bool& cannot_count) {
  const std::uint32_t month = counting->month();
  const LeafIndex to = first_leaf_at(protocol::month_start(protocol::month_after(month)), shard);
  const LeafIndex from = counting->from();
  for (std::size_t left = journal_step; left > 0 && counting->next() < to; --left) {
    const std::optional<LeafRow> row = store_.leaf({counting->next(), shard});
    if (!row) return false;
    const std::optional<audit::Record> record = stored_record(*row);
    if (!record && !row->record.empty() && row->month >= keys_.oldest_record_month()) {
      // A damaged record: false statistics would stand for ever, these can be made after it was mended.
      cannot_count = true;
      counting.reset();
      return false;
    }
    const auto fields = record ? protocol::counted_fields(*record) : protocol::CountedFields();
    counting->add(row->leaf.type, record ? &fields : nullptr);
  }
  if (counting->next() < to) return false;
  // What is logged from now on has a later time, this leaf's at least: the month is over in the log too.
  const std::string text = counting->text();
  const protocol::StatisticsStatement statement{month, from, to, crypto::sha256(as_bytes(text)),
                                                std::string(name_of_closed(shard))};
  Asked asked;
  asked.act = act_statistics;
  asked.statistics = text;
  log(batch, audit::LeafType::registre, make_record(nullptr, asked, {}), std::nullopt, protocol::to_text(statement));
  counting.reset();
  return true;
}

void CoreState::find_closed_stated() {
  ClosedMonths& closed = closed_months_;
  const ShardNumber before{shard_.value - 1};
  const std::uint64_t size = size_of(before).value;
  if (closed.last == 0) {
    const auto last = store_.leaf({{size - 1}, before});  // a shard has its first leaf from the start
    if (!last) return;
    const std::uint32_t month = month_of(last->leaf.time);
    closed.there = first_leaf_at(protocol::month_start(month), before);
    if (closed.there.value != 0) {
      const auto earlier = store_.leaf({{closed.there.value - 1}, before});
      if (!earlier) return;
      closed.earlier = month_of(earlier->leaf.time);
    }
    closed.last = month;
  }
  // A statement is a leaf of a later month: of `earlier` it is there, in `last`. They stand in order, so what is before
  // `earlier` was stated, or waits for a damaged record for ever.
  const auto stated = [&](const LeafPlace& place, std::string_view shard) {
    const std::optional<LeafRow> row = store_.leaf(place);
    if (!row || row->leaf.type != audit::LeafType::registre || !row->leaf.statement) return;
    const auto statement = protocol::parse_statistics_statement(*row->leaf.statement);
    if (statement && statement->shard == shard) closed.found = std::max(closed.found, statement->month);
  };
  std::size_t left = journal_step;
  for (; closed.found < closed.earlier && closed.there.value < size; --left, ++closed.there.value) {
    if (left == 0) return;
    stated({closed.there, before}, {});
  }
  closed.found = std::max(closed.found, protocol::month_before(closed.earlier == 0 ? closed.last : closed.earlier));
  // Here, it is among the first leaves, unless none was ever made.
  const TreeSize end = store_.tree_size();
  for (; closed.found < closed.last && closed.here.value < end.value; --left, ++closed.here.value) {
    if (left == 0) return;
    stated(here(closed.here.value), name_of_closed(before));
  }
  closed.through = closed.found;
}

void CoreState::state_closed(Batch& batch) {
  ClosedMonths& closed = closed_months_;
  if (shard_.value == 0 || closed.cannot_count) return;
  if (!closed.through) find_closed_stated();
  if (!closed.through || *closed.through >= closed.last) return;
  const ShardNumber before{shard_.value - 1};
  while (!closed.counting) {
    if (*closed.through >= closed.last) return;
    const std::uint32_t month = protocol::month_after(*closed.through);
    const LeafIndex from = first_leaf_at(protocol::month_start(month), before);
    const bool empty = from == first_leaf_at(protocol::month_start(protocol::month_after(month)), before);
    // Of records that are gone nothing could be counted but their number.
    if (empty || month < keys_.oldest_record_month())
      closed.through = month;
    else
      closed.counting.emplace(std::string(name_of_closed(before)), month, from);
    if (store_.fault()) return;
  }
  const std::uint32_t month = closed.counting->month();
  if (count_month(batch, before, closed.counting, closed.cannot_count)) closed.through = month;
}

// ---- erasure -------------------------------------------------------------------------------------------------------

LeafPlace CoreState::first_left() const {
  // Months went one after the other: the last that went may not be done.
  const UnixMillis kept = protocol::month_start(keys_.oldest_record_month());
  std::optional<std::uint32_t> last_gone;
  for (ShardNumber shard; shard <= shard_; ++shard.value)
    if (const LeafIndex end = first_leaf_at(kept, shard); end.value != 0)
      if (const auto row = store_.leaf({{end.value - 1}, shard})) last_gone = month_of(row->leaf.time);
  if (!last_gone) return {};
  for (ShardNumber shard; shard <= shard_; ++shard.value) {
    const LeafIndex start = first_leaf_at(protocol::month_start(*last_gone), shard);
    if (start.value < size_of(shard).value) return {start, shard};
  }
  return {};
}

void CoreState::log_erasure(Batch& batch, std::uint32_t month, ShardNumber from) {
  for (ShardNumber shard = from; shard <= shard_; ++shard.value) {
    const LeafIndex start = first_leaf_at(protocol::month_start(month), shard);
    const LeafIndex end = first_leaf_at(protocol::month_start(protocol::month_after(month)), shard);
    if (start == end) continue;
    Asked asked;
    asked.act = act_erase;
    asked.shard = name_of_closed(shard);
    Decided decided;
    decided.range = std::to_string(start.value) + "," + std::to_string(end.value);
    log(batch, audit::LeafType::effacement, make_record(nullptr, asked, decided));
  }
}

Result<void> CoreState::erase_journal(Batch& batch) {
  const std::uint32_t first_kept = months_before(month_of(batch.now), settings_.journal_months);
  if (!erased_through_) erased_through_ = first_left();
  std::size_t page = places_read_first;
  for (std::size_t left = journal_step; left > 0; page = places_read_max) {
    const std::vector<RecordPlace> places = store_.records_from(*erased_through_, std::min(left, page));
    if (places.empty()) break;
    for (const RecordPlace& record : places) {
      if (record.month != record_in_clear && record.there) {
        if (record.month >= first_kept) return keys_.drop_record_keys_before(first_kept);
        if (record.month != erasing_) {
          // The key goes first, from both copies: from here the month's records are gone. Should we stop before the
          // leaf is durable, none of its records is found missing, and the leaf is made then.
          if (auto dropped = keys_.drop_record_keys_before(protocol::month_after(record.month)); !dropped)
            return dropped;
          erasing_ = record.month;
          log_erasure(batch, record.month, record.place.shard);
        }
        batch.tx.drop_record(record.place);
        wal_owed_ = true;
      } else if (record.month != record_in_clear) {
        erasing_ = record.month;
      }
      erased_through_ = LeafPlace{{record.place.index.value + 1}, record.place.shard};
      --left;
    }
  }
  return {};
}

Result<void> CoreState::keep_directory_proof(UnixMillis now) {
  const std::uint32_t first_kept = months_before(month_of(now), settings_.journal_months);
  const std::optional<LeafRow> row = store_.leaf(directory_leaf_);
  if (!row || row->month == record_in_clear || row->month >= first_kept) return {};
  const std::optional<audit::Record> record = stored_record(*row);
  if (!record) return {};
  auto tx = store_.begin();
  if (!tx) return tx.error();
  tx->keep_disclosed(directory_leaf_, pack(audit::disclose(*record, shown_to(Shown::directory_holder))));
  return tx->commit();
}

void CoreState::forget_erased() {
  if (content_in_wal_ && store_.truncate_wal()) content_in_wal_ = false;
  // Not in the middle of a month: each time costs a sync of the whole database.
  if (!wal_owed_ || !erased_through_) return;
  const auto places = store_.records_from(*erased_through_, 1);
  if (!places.empty() && places.front().month == erasing_) return;
  if (store_.truncate_wal()) wal_owed_ = false;
}

}  // namespace pli::broker
