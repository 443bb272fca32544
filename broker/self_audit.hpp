// The broker looks its own store over while it serves: every leaf, record and stored exchange once in a period, by the
// checks of `pli-broker check` (check_store.hpp), on a thread and a connection of its own. It writes nothing.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.hpp"
#include "broker/check_store.hpp"

namespace pli::broker {

/// A step is 64 rows or, of bodies, a mebibyte and what the last one has over it; one a second at most while that is
/// enough to be done in nine tenths of the period, and as many as it takes where it is not.
inline constexpr std::size_t self_audit_rows = 64;
inline constexpr std::uint64_t self_audit_bytes = 1024 * 1024;
inline constexpr std::chrono::milliseconds self_audit_pause_max{1000};

/// Between two steps of a sweep over so many rows.
[[nodiscard]] std::chrono::milliseconds self_audit_pause(std::chrono::milliseconds period, std::uint64_t rows);

struct SelfAuditSettings {
  std::filesystem::path database;
  std::string log;  ///< origin without the shard
  std::chrono::milliseconds period = std::chrono::hours(24);
  std::string vfs;
};

/// Called on the audit's thread.
struct SelfAuditSinks {
  std::function<void(UnixMillis)> swept;             ///< everything was looked at, and nothing found
  std::function<void(const StoreProblem&)> damaged;  ///< the first breach; nothing more is looked at
  std::function<void(const Error&)> unreadable;      ///< could not be read just now; tried again
};

struct SweepProgress {
  std::uint64_t looked_at = 0;
  std::uint64_t rows = 0;
};

class SelfAudit {
 public:
  /// `clock` outlives it.
  SelfAudit(SelfAuditSettings settings, StoreSweep::Keys keys, const Clock& clock, SelfAuditSinks sinks);
  ~SelfAudit();  ///< Ends within a step.
  /// Of the sweep under way, or of the last one: rows looked at, of about so many. Any thread.
  [[nodiscard]] SweepProgress progress() const { return {looked_at_, rows_}; }
  SelfAudit(const SelfAudit&) = delete;
  SelfAudit& operator=(const SelfAudit&) = delete;

 private:
  enum class Pass { swept, stopped, damaged, unreadable };
  void run();
  [[nodiscard]] Pass sweep_once();
  [[nodiscard]] Pass failed(const Error& error);
  /// False when it is to stop.
  [[nodiscard]] bool wait(std::chrono::milliseconds how_long);

  const SelfAuditSettings settings_;
  const StoreSweep::Keys keys_;
  const Clock& clock_;
  const SelfAuditSinks sinks_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::atomic<std::uint64_t> looked_at_{0};
  std::atomic<std::uint64_t> rows_{0};
  std::thread thread_;
};

}  // namespace pli::broker
