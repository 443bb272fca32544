// What the broker tells of itself to its operator: numbers, states of ours, and nothing that says who, which case or
// which commune. Pure; the page that serves it is health_page.hpp, what each state asks for docs/operations.md.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "protocol/deadlines.hpp"
#include "protocol/vocabulary.hpp"

namespace pli::broker {

/// Cumulative counts of what fell at or under each bound, as Prometheus wants them.
template <std::size_t N>
struct Histogram {
  std::array<std::uint64_t, N> counts{};
  std::uint64_t count = 0;
  std::uint64_t sum = 0;
  void add(std::uint64_t value, const std::array<std::uint64_t, N>& bounds) {
    ++count;
    sum += value;
    for (std::size_t i = 0; i < N; ++i)
      if (value <= bounds[i]) ++counts[i];
  }
};
inline constexpr std::array<std::uint64_t, 9> batch_request_bounds = {1, 2, 4, 8, 16, 32, 64, 128, 256};
inline constexpr std::array<std::uint64_t, 10> batch_micros_bounds = {250,    500,    1'000,   2'500,   5'000,
                                                                      10'000, 25'000, 100'000, 500'000, 2'500'000};

/// The cases of one kind of instance that nobody of it has opened.
struct Unread {
  std::uint64_t cases = 0;
  UnixMillis oldest{};  ///< accepted; 0 when there is none
};
inline constexpr std::array<protocol::QueueKind, 3> instance_kinds = {
    protocol::QueueKind::ged, protocol::QueueKind::clir, protocol::QueueKind::cpraf};

/// How the cases do by what the contract promises (protocol/deadlines.hpp), as far as their rows tell.
struct CaseLife {
  struct Owed {
    std::uint64_t late = 0;       ///< cases in which a first opening, a decision or a retour is late
    std::uint64_t escalated = 0;  ///< urgent ones that nobody has opened and a second person is called for
  };
  std::array<Owed, instance_kinds.size()> owed{};
  std::uint64_t erasures_due = 0;  ///< cases whose term has come and which stand still
};

struct Vitals {
  // Of the core, as it last said.
  std::string state = "STARTING";  ///< "ok" or a state of docs/operations.md
  std::string damage;              ///< the broken invariant, of DAMAGED
  UnixMillis told_at{};            ///< when the core's thread last said anything
  UnixMillis started_at{};
  UnixMillis published_at{};               ///< 0: nothing since the start
  UnixMillis swept_at{};                   ///< end of the last whole self-audit; 0: none since the start
  std::uint64_t audit_rows = 0;            ///< of the self-audit under way, or of the last one, about
  std::uint64_t audit_rows_looked_at = 0;  ///< of them, so far
  std::uint64_t leaves = 0;                ///< of the current shard
  std::uint64_t exchanges = 0;
  std::uint64_t terms_noticed = 0;  ///< cases whose erasure is announced
  std::uint64_t directory = 0;
  UnixMillis directory_not_after{};
  protocol::Delays delays{};     ///< of the contract in force
  UnixMillis lease_made_at{};    ///< the newest; 0: unknown
  UnixMillis release_ends_at{};  ///< when the newest release key is destroyed; 0: there is none
  std::uint64_t accepted = 0;    ///< since the start, like what follows
  std::uint64_t opened = 0;
  std::uint64_t refused = 0;
  Histogram<batch_request_bounds.size()> batch_requests;
  Histogram<batch_micros_bounds.size()> batch_micros;
  // Of the transport.
  std::uint64_t connections = 0;
  std::uint64_t under_way = 0;
  std::uint64_t handshakes_refused = 0;
  std::uint64_t turned_away = 0;
  std::uint64_t endless = 0;
  // Of the machine, when the page is asked for.
  std::uint64_t disk_free_bytes = 0;
  std::uint64_t wal_bytes = 0;
  UnixMillis backup_at{};                                           ///< 0: there was none, or it is not remembered
  std::optional<std::array<Unread, instance_kinds.size()>> unread;  ///< nothing: the database cannot be read
  std::optional<CaseLife> life;                                     ///< likewise
};

/// The core's thread speaks at least each minute; quiet for longer, it hangs.
inline constexpr std::chrono::milliseconds core_quiet_max = std::chrono::seconds(150);
/// A state that says less than DAMAGED or LOG_UNAVAILABLE, but that somebody should look at.
inline constexpr std::chrono::milliseconds backup_age_max = std::chrono::hours(48);
inline constexpr std::chrono::milliseconds directory_left_min = std::chrono::hours(24 * 10);

/// The worst that is known: a core's own state that serves nobody, CORE_STALLED, DIRECTORY_ENDED, another of its
/// states, what is late (DIRECTORY_ENDS, BACKUP_LATE), "ok".
[[nodiscard]] std::string state_of(const Vitals& vitals, UnixMillis now);
/// Whether it still does what it is there for: 200 or 503.
[[nodiscard]] bool is_serving(const Vitals& vitals, UnixMillis now);

[[nodiscard]] std::string to_json(const Vitals& vitals, UnixMillis now);
/// Prometheus' text format, version 0.0.4. Labels: `instance_kind` of instance_kinds, `le`; no other.
[[nodiscard]] std::string to_metrics(const Vitals& vitals, UnixMillis now);

}  // namespace pli::broker
