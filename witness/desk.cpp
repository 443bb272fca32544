#include "witness/desk.hpp"

#include "audit/text_lines.hpp"

namespace pli::witness {
namespace {

audit::WitnessAnswer refusal(int status, std::string_view why) {
  return {status, std::string(audit::note_lines_content_type), std::string(why) + '\n'};
}

/// The first line of its checkpoint; empty when it has none.
std::string claimed_origin(std::string_view body) {
  const auto request = audit::parse_add_checkpoint(body);
  if (!request) return {};
  std::string_view checkpoint = request->checkpoint;
  return std::string(audit::take_line(checkpoint).value_or(std::string_view()));
}

}  // namespace

Desk::Desk(WitnessStore store, WatchedLogs logs, audit::Witness witness, const Clock& clock,
           std::function<void(DeskEvent)> tell)
    : witness_(std::move(witness)),
      clock_(clock),
      tell_(std::move(tell)),
      logs_(std::make_shared<const WatchedLogs>(std::move(logs))),
      store_(std::move(store)) {}

std::shared_ptr<const WatchedLogs> Desk::watched() const {
  const std::lock_guard lock(mutex_);
  return logs_;
}

void Desk::watch(WatchedLogs logs) {
  auto fresh = std::make_shared<const WatchedLogs>(std::move(logs));
  const std::lock_guard lock(mutex_);
  logs_ = std::move(fresh);
}

audit::WitnessAnswer Desk::add_checkpoint(std::string_view body) {
  const auto request = audit::verify_add_checkpoint(body, watched()->keys_of(claimed_origin(body)));
  if (!request) return request.error();
  const audit::UnixSeconds now = audit::to_seconds(clock_.now());
  if (now.value == 0) return refusal(500, "the witness's clock is wrong");

  const std::lock_guard lock(mutex_);
  const audit::WitnessState last = store_.last(request->origin());
  audit::WitnessDecision decision = audit::decide_add_checkpoint(*request, last, witness_, now);
  if (decision.is_evidence) {
    const auto kept = store_.keep_evidence(request->origin(), body);
    if (!kept || *kept) tell_(kept ? DeskEvent::evidence_kept : DeskEvent::evidence_lost);
  }
  if (!decision.update) return std::move(decision.answer);
  // Where every origin begins: nothing to keep, and no place to take for a shard that may never be opened.
  if (decision.update->state == audit::first_witness_state()) return std::move(decision.answer);
  const auto written = store_.advance(request->origin(), last, *decision.update);
  if (written) return std::move(decision.answer);
  if (written.error().code == Errc::over_limit) return refusal(503, "no room for another origin");
  tell_(DeskEvent::store_failed);
  return refusal(500, "the witness cannot keep what it would sign");
}

std::optional<std::string> Desk::checkpoint(std::string_view monitoring_path) const {
  const std::lock_guard lock(mutex_);
  const auto found = store_.trees().find(monitoring_path);
  if (found == store_.trees().end()) return std::nullopt;
  return found->second.checkpoint;
}

}  // namespace pli::witness
