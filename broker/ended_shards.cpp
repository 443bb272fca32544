#include "broker/ended_shards.hpp"

#include <algorithm>

#include "audit/checkpoint.hpp"
#include "audit/inclusion.hpp"
#include "base/file.hpp"
#include "broker/log.hpp"

namespace pli::broker {

using std::chrono::steady_clock;

std::string with_cosignatures(const std::string& base, const std::string& more) {
  auto note = audit::parse_note(base);
  const auto added = audit::parse_note(more);
  if (!note || !added || note->text != added->text) return base;
  for (const audit::NoteSignature& line : added->signatures) {
    const auto same = std::find_if(note->signatures.begin(), note->signatures.end(),
                                   [&](const auto& known) { return known.id == line.id && known.name == line.name; });
    if (same != note->signatures.end())
      *same = line;
    else if (note->signatures.size() < audit::note_signatures_max)
      note->signatures.push_back(line);
  }
  return audit::to_text(*note);
}

EndedShards::EndedShards(EndedShardsSettings settings, const Clock& clock, EndedShardsSinks sinks)
    : settings_(std::move(settings)), clock_(clock), sinks_(std::move(sinks)) {
  thread_ = std::thread([this] { run(); });
}

EndedShards::~EndedShards() { finish(); }

void EndedShards::finish() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    if (asked_ != nullptr) asked_->hang_up();
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool EndedShards::ending() const {
  const std::lock_guard lock(mutex_);
  return ending_;
}

bool EndedShards::wait_for(std::chrono::milliseconds pause) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, pause, [this] { return ending_; });
  return !ending_;
}

bool EndedShards::is_confirmed(const EndedShard& shard) const {
  return audit::verify_checkpoint_by(settings_.policy, shard.closed, audit::to_seconds(clock_.now())).has_value();
}

audit::VerifierKey EndedShards::key_of(const EndedShard& shard) const {
  return {shard.origin, audit::KeyType::ed25519, settings_.log_key};
}

std::filesystem::path EndedShards::folder_of(const EndedShard& shard) const {
  return settings_.tiles / shard.origin.substr(shard.origin.rfind('/') + 1);
}

void EndedShards::run() {
  std::vector<EndedShard*> waiting;
  std::vector<EndedShard*> unplaced;
  for (EndedShard& shard : settings_.shards) {
    // Cosigned before it was known to be the last one, it stands beside the tiles.
    const bool known = is_confirmed(shard);
    if (!known && !settings_.tiles.empty())
      if (const auto kept = read_file(folder_of(shard) / "checkpoint", audit::note_bytes_max);
          kept && audit::verify_checkpoint_by(settings_.policy, as_text(*kept), audit::to_seconds(clock_.now())))
        shard.closed = with_cosignatures(shard.closed, std::string(as_text(*kept)));
    if (!is_confirmed(shard)) {
      waiting.push_back(&shard);
      continue;
    }
    if (!known) sinks_.confirmed(shard.closed);
    unplaced.push_back(&shard);
    if (ending()) return;
  }
  for (auto pause = settings_.pause;; pause = std::min(2 * pause, settings_.pause_max)) {
    // The newest first: its receipts are those that wait.
    for (auto at = waiting.size(); at-- > 0;) {
      const Asked asked = ask(*waiting[at]);
      if (asked == Asked::stopped || ending()) return;
      if (asked != Asked::confirmed) continue;
      unplaced.push_back(waiting[at]);
      waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(at));
    }
    std::erase_if(unplaced, [this](const EndedShard* shard) { return place(*shard); });
    if (waiting.empty() && std::exchange(missing_, false))
      log(LogLevel::info, "witnesses have cosigned how every shard ended");
    if (waiting.empty() && unplaced.empty()) return;
    if (!waiting.empty() && !std::exchange(missing_, true))
      log(LogLevel::warning, "too few witnesses cosign how a shard ended; they are asked again",
          {{"shards", waiting.size()}});
    if (!wait_for(pause)) return;
  }
}

EndedShards::Asked EndedShards::ask(EndedShard& shard) {
  auto source = settings_.source(shard.origin);
  if (!source) {
    log(LogLevel::warning, "an ended shard cannot be read", {{"reason", source.error().code}});
    return Asked::not_yet;
  }
  auto witnesses = Witnesses::create(
      settings_.policy,
      [nodes = source->nodes](TreeSize older, TreeSize newer) { return audit::consistency_proof(older, newer, nodes); },
      clock_, settings_.witnesses);
  if (!witnesses) return Asked::not_yet;  // refused at the start already
  (*witnesses)->keep_quiet();
  (*witnesses)->committed(shard.known);
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return Asked::not_yet;
    asked_ = witnesses->get();
  }
  const Witnesses::Round round = (*witnesses)->gather(shard.closed, shard.size, ended_round_max);
  {
    const std::lock_guard lock(mutex_);
    asked_ = nullptr;
  }
  if (round.alarm) {
    const bool given_up = shard.known > shard.size && round.alarm->what == audit::WitnessAlarm::rolled_back;
    // More was published than the order names. The order stands, and members who saw it have the proof.
    if (given_up && !std::exchange(given_up_, true))
      log(LogLevel::error, "a witness has cosigned more of an ended shard than its order gave up",
          {{"witness", LocalText{round.alarm->name}}});
    if (given_up) return Asked::not_yet;
    sinks_.stopped(to_text(*round.alarm));
    return Asked::stopped;
  }
  shard.closed = with_cosignatures(shard.closed, round.note);
  if (!is_confirmed(shard)) return Asked::not_yet;
  sinks_.confirmed(shard.closed);
  return Asked::confirmed;
}

/// The publisher completes the shard's tiles, and puts the closing checkpoint there as it stood at the start. False
/// while it has not, or where the file cannot be written.
bool EndedShards::place(const EndedShard& shard) {
  if (settings_.tiles.empty()) return true;
  const auto file = folder_of(shard) / "checkpoint";
  const auto there = read_file(file, audit::note_bytes_max);
  const auto served = there ? audit::verify_checkpoint(as_text(*there), key_of(shard)) : Error{Errc::not_found, ""};
  if (!served || served->size() < shard.size) return false;
  // What an order gave up is the last that is known of it.
  if (served->size() > shard.size) return true;
  if (audit::verify_checkpoint_by(settings_.policy, as_text(*there), audit::to_seconds(clock_.now()))) return true;
  const auto written = write_file_durably(file, as_bytes(shard.closed), FileMode::world_readable);
  if (!written && !std::exchange(unwritten_, true))
    log(LogLevel::warning, "the tiles of an ended shard are left without its cosigned checkpoint",
        {{"reason", written.error().code}, {"detail", LocalText{written.error().detail}}});
  return written.has_value();
}

}  // namespace pli::broker
