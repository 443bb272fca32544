#include "broker/publisher.hpp"

#include <algorithm>
#include <utility>

#include "audit/checkpoint.hpp"
#include "audit/note.hpp"
#include "base/file.hpp"
#include "broker/log.hpp"

namespace pli::broker {
namespace {

using std::chrono::steady_clock;

Result<TreeSize> size_of(const std::string& checkpoint) {
  const auto note = audit::parse_note(checkpoint);
  if (!note) return note.error();
  const auto head = audit::parse_tree_head(note->text);
  if (!head) return head.error();
  return head->size;
}

void tell_of_mended(TileFolder& tiles) {
  if (const std::size_t count = tiles.take_mended(); count != 0)
    log(LogLevel::warning, "lost tiles made anew", {{"count", std::uint64_t{count}}});
}

/// What comes after `waiting`, or instead of it where there is a gap or too much.
void add(HandedLeaves& waiting, HandedLeaves more) {
  if (more.leaves.empty()) return;
  const bool follows = waiting.first.value + waiting.leaves.size() == more.first.value;
  if (!follows || waiting.leaves.empty() || waiting.leaves.size() + more.leaves.size() > waiting_leaves_max) {
    waiting = std::move(more);
    return;
  }
  std::move(more.leaves.begin(), more.leaves.end(), std::back_inserter(waiting.leaves));
}

}  // namespace

Publisher::Publisher(Publication publication, std::string newest, PublisherTimes times, PublisherSinks sinks)
    : publication_(std::move(publication)),
      times_(times),
      sinks_(std::move(sinks)),
      newest_(std::move(newest)),
      written_(newest_),
      last_write_(steady_clock::now()),
      last_published_(last_write_),
      next_look_(last_write_ + times.heartbeat) {
  if (publication_.is_immediate()) published_ = newest_;
  if (publication_.witnesses)
    publication_.witnesses->set_progress([this] {
      {
        const std::lock_guard lock(mutex_);
        progressed_ = true;
      }
      wake_.notify_one();
    });
  thread_ = std::thread([this] { run(); });
}

Publisher::~Publisher() {
  finish();
  publication_.witnesses.reset();  // before what its threads tell of progress
}

void Publisher::offer(std::string checkpoint, HandedLeaves leaves) {
  if (publication_.witnesses) {
    const auto note = audit::parse_note(checkpoint);
    const auto head = note ? audit::parse_tree_head(note->text) : Result<audit::TreeHead>(note.error());
    if (head) publication_.witnesses->committed(head->size);
  }
  std::unique_lock lock(mutex_);
  const bool waits_already = offered_.has_value();
  offered_ = std::move(checkpoint);
  if (publication_.tiles) add(offered_leaves_, std::move(leaves));
  lock.unlock();
  if (!waits_already) wake_.notify_one();
}

void Publisher::finish() {
  {
    const std::lock_guard lock(mutex_);
    finishing_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Publisher::run() {
  std::unique_lock lock(mutex_);
  std::optional<SteadyTime> end_at;
  for (;;) {
    const SteadyTime now = steady_clock::now();
    if (stopped_) {
      wake_.wait(lock, [this] { return finishing_; });
      return;
    }
    if (!finishing_ && !progressed_ && now < next_due()) {
      wake_.wait_until(lock, next_due());
      continue;
    }
    if (end_at) {
      if (!round_open_ && !catching_up_) return;
      if (!catching_up_) wake_.wait_until(lock, *end_at, [this] { return progressed_; });
      if (now >= *end_at || !(progressed_ || catching_up_)) return;
    }
    const bool last = finishing_ && !end_at;
    if (last) {
      end_at = now + times_.end;
      next_write_ = {};
      next_try_ = {};
    }
    progressed_ = false;
    take_offered(now);
    lock.unlock();
    work(now);
    lock.lock();
  }
}

SteadyTime Publisher::next_due() const {
  if (catching_up_) return {};
  SteadyTime due = last_write_ + times_.heartbeat;
  if (!publication_.closed_tiles.empty()) due = std::min(due, next_completion_);
  if (offered_ || newest_ != written_) due = std::min(due, next_write_);
  if (late_until_) due = std::min(due, *late_until_);
  if (!round_open_ && newest_ == written_)
    due = std::min(due, newest_ != published_ ? next_try_ : std::max(next_try_, last_published_ + times_.heartbeat));
  return due;
}

void Publisher::take_offered(SteadyTime now) {
  if (!offered_ || now < next_write_) return;
  newest_ = *std::exchange(offered_, std::nullopt);
  add(waiting_, std::exchange(offered_leaves_, {}));
}

void Publisher::work(SteadyTime now) {
  if (newest_ != written_ ? now >= next_write_ : now >= last_write_ + times_.heartbeat) write_outside(now);
  if (round_open_) look_at_round(now);
  const bool beat = newest_ == published_ && now >= last_published_ + times_.heartbeat;
  if (!stopped_ && !round_open_ && newest_ == written_ && (newest_ != published_ || beat) && now >= next_try_)
    begin_publication(now, beat);
  if (!stopped_ && now >= next_look_) look_at_tiles(now);
  if (!stopped_ && !publication_.closed_tiles.empty() && now >= next_completion_) complete_closed_tiles(now);
  if (!unwritten_ && !missing_)
    state_ = Publishing::going_on;
  else
    state_ = unwritten_ ? Publishing::not_written : Publishing::witnesses_missing;
}

void Publisher::write_outside(SteadyTime now) {
  next_write_ = now + times_.between;
  last_write_ = now;
  if (auto written = publication_.outside.write(newest_); !written) {
    written_.clear();
    catching_up_ = false;
    return failed("outside checkpoint", written.error(), now);
  }
  written_ = newest_;
}

void Publisher::begin_publication(SteadyTime now, bool anew) {
  catching_up_ = false;
  if (publication_.tiles || publication_.witnesses) {
    const auto size = size_of(newest_);
    PLI_INVARIANT(size.has_value());  // our own core signed it
    if (publication_.tiles) {
      const auto grown = publication_.tiles->grow(*size, waiting_);
      if (!grown && grown.error().code == Errc::conflict)
        return stop(PublisherStop::tiles_differ, grown.error().detail);
      if (!grown) return failed("tiles", grown.error(), now);
      tell_of_mended(*publication_.tiles);
      catching_up_ = !*grown;
      if (catching_up_) return;  // between two steps the outside file has its turn
      waiting_ = {};
    }
    if (publication_.witnesses) {
      publication_.witnesses->ask(newest_, *size, anew);
      asked_ = newest_;
      round_open_ = true;
      return look_at_round(now);
    }
  }
  asked_ = newest_;
  publish(newest_, now);
}

void Publisher::look_at_round(SteadyTime now) {
  const Witnesses::Round round = publication_.witnesses->round();
  if (round.alarm) return stop(PublisherStop::rolled_back, to_text(*round.alarm));
  if (round.quorum && !late_until_) late_until_ = now + times_.late;
  if (round.quorum && (round.settled || now >= *late_until_)) {
    if (std::exchange(missing_, false)) log(LogLevel::info, "witnesses have cosigned again");
    return publish(round.note, now);
  }
  if (!round.settled) return;
  round_open_ = false;
  late_until_.reset();
  next_try_ = now + times_.between;
  if (!std::exchange(missing_, true)) log(LogLevel::warning, "too few witnesses cosign, nothing newer is published");
}

void Publisher::look_at_tiles(SteadyTime now) {
  next_look_ = now + times_.heartbeat;
  if (!publication_.tiles || catching_up_) return;
  const std::uint64_t bundles = publication_.tiles->size().value / audit::tile_width;
  const auto beats = std::max<std::int64_t>(1, times_.tiles_round / times_.heartbeat);
  const auto looked = publication_.tiles->look(bundles / static_cast<std::uint64_t>(beats) + 1);
  if (!looked && looked.error().code == Errc::conflict) return stop(PublisherStop::tiles_differ, looked.error().detail);
  if (!looked) return failed("tiles", looked.error(), now);
  tell_of_mended(*publication_.tiles);
}

/// One step of one of them, so that what is published has its turn.
void Publisher::complete_closed_tiles(SteadyTime now) {
  ClosedTiles& shard = publication_.closed_tiles.back();
  const auto grown = shard.tiles.grow(shard.size, {});
  if (!grown && grown.error().code == Errc::conflict) return stop(PublisherStop::tiles_differ, grown.error().detail);
  tell_of_mended(shard.tiles);
  Result<void> kept;
  if (grown && *grown) {
    const auto served = shard.tiles.published() ? size_of(*shard.tiles.published()) : Result<TreeSize>(TreeSize{});
    // One of that very tree may bear cosignatures.
    if (!served || *served < shard.size) kept = shard.tiles.publish(shard.closed);
    if (kept) {
      if (std::exchange(uncompleted_, false)) log(LogLevel::info, "tiles of a closed shard are completed after all");
      return publication_.closed_tiles.pop_back();
    }
  }
  if (grown && kept) return;
  // Of what is published now it says nothing, and keeps none of it waiting.
  next_completion_ = now + times_.between;
  if (std::exchange(uncompleted_, true)) return;
  const Error& error = grown ? kept.error() : grown.error();
  log(LogLevel::error, "tiles of a closed shard not completed",
      {{"reason", error.code}, {"detail", LocalText{error.detail}}});
}

void Publisher::publish(const std::string& note, SteadyTime now) {
  round_open_ = false;
  late_until_.reset();
  Result<void> kept;
  if (publication_.tiles)
    kept = publication_.tiles->publish(note);
  else if (!publication_.note_file.empty())
    kept = write_file_durably(publication_.note_file, as_bytes(note), FileMode::owner_only);
  if (!kept) return failed("published checkpoint", kept.error(), now);
  if (std::exchange(unwritten_, false)) log(LogLevel::info, "checkpoints are published again");
  published_ = asked_;
  last_published_ = now;
  next_try_ = now + times_.between;
  sinks_.published(note);
}

void Publisher::failed(std::string_view what, const Error& error, SteadyTime now) {
  next_try_ = now + times_.between;
  if (std::exchange(unwritten_, true)) return;
  log(LogLevel::error, "checkpoint not published",
      {{"what", LocalText{what}}, {"reason", error.code}, {"detail", LocalText{error.detail}}});
}

void Publisher::stop(PublisherStop why, std::string detail) {
  stopped_ = true;
  round_open_ = false;
  late_until_.reset();
  catching_up_ = false;
  sinks_.stopped(why, std::move(detail));
}

}  // namespace pli::broker
