#include "broker/self_audit.hpp"

#include <algorithm>

namespace pli::broker {

std::chrono::milliseconds self_audit_pause(std::chrono::milliseconds period, std::uint64_t rows) {
  const std::uint64_t steps = rows / self_audit_rows + 1;
  return std::min(self_audit_pause_max, period * 9 / 10 / static_cast<std::int64_t>(steps));
}

SelfAudit::SelfAudit(SelfAuditSettings settings, StoreSweep::Keys keys, const Clock& clock, SelfAuditSinks sinks)
    : settings_(std::move(settings)), keys_(std::move(keys)), clock_(clock), sinks_(std::move(sinks)) {
  thread_ = std::thread([this] { run(); });
}

SelfAudit::~SelfAudit() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

bool SelfAudit::wait(std::chrono::milliseconds how_long) {
  std::unique_lock lock(mutex_);
  return !wake_.wait_for(lock, how_long, [this] { return stopping_; });
}

SelfAudit::Pass SelfAudit::failed(const Error& error) {
  // What cannot be read as a database at all is a breach like another; a disk that is busy or fails is not.
  if (error.code != Errc::corruption) {
    sinks_.unreadable(error);
    return Pass::unreadable;
  }
  sinks_.damaged({"pages", "database file"});
  return Pass::damaged;
}

SelfAudit::Pass SelfAudit::sweep_once() {
  auto sweep = StoreSweep::open(settings_.database, keys_, settings_.log, settings_.vfs);
  if (!sweep) return failed(sweep.error());
  const auto rows = (*sweep)->rows();
  if (!rows) return failed(rows.error());
  looked_at_ = 0;
  rows_ = *rows;
  const auto pause = self_audit_pause(settings_.period, *rows);
  for (;;) {
    if (!wait(pause)) return Pass::stopped;
    const auto step = (*sweep)->step(self_audit_rows, self_audit_bytes);
    if (!step) return failed(step.error());
    if (step->problem) {
      sinks_.damaged(*step->problem);
      return Pass::damaged;
    }
    looked_at_ = (*sweep)->looked_at();
    if (step->done) return Pass::swept;
  }
}

void SelfAudit::run() {
  for (;;) {
    const auto began = std::chrono::steady_clock::now();
    const Pass pass = sweep_once();
    if (pass == Pass::stopped || pass == Pass::damaged) return;
    auto rest = std::min(settings_.period, std::chrono::milliseconds(std::chrono::minutes(1)));
    if (pass == Pass::swept) {
      sinks_.swept(clock_.now());
      const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began);
      rest = settings_.period - took;
    }
    if (!wait(rest)) return;
  }
}

}  // namespace pli::broker
