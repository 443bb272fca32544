// What a contract promises, kept or missed, as the journal proves it: for auditors, who see the leaf of every act.
// Pure: records in, duties out (protocol/deadlines.hpp), in an order that depends on the journal alone.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/paris_time.hpp"
#include "client/auditor.hpp"
#include "client/known_directory.hpp"
#include "protocol/deadlines.hpp"

namespace pli::client {

/// One duty, and towards whom or in what: a case with its instance, a collectivité's queue, or a territory.
struct ReportedDuty {
  protocol::Deadline deadline;
  std::string subject;   ///< the case's id in hexadecimal; else the queue or the territory
  std::string instance;  ///< of a case
  bool urgent = false;
  bool operator==(const ReportedDuty&) const = default;
};

struct DutyCount {
  std::uint64_t running = 0, late = 0, kept = 0, missed = 0, done = 0, lapsed = 0;
  [[nodiscard]] std::uint64_t& of(protocol::DutyState state);
  /// Of those whose time is over: kept, and the others.
  [[nodiscard]] std::uint64_t judged() const { return kept + missed + late; }
};
[[nodiscard]] std::map<protocol::Duty, DutyCount> count_duties(const std::vector<ReportedDuty>& duties);

/// Of the charters that the directory shows: one for each territory that ever had one.
[[nodiscard]] std::vector<ReportedDuty> charter_duties(const KnownDirectory& directory, UnixMillis now);

/// Days of Paris, both included; either may be left open.
struct ReportPeriod {
  std::optional<Day> from, to;
  bool operator==(const ReportPeriod&) const = default;
};
/// Whether a duty counts in a period. Each belongs to one day, so that two periods side by side count it once: one kept
/// or lapsed to the day that ended it, any other (late, missed, running, done nobody says when) to the last day on
/// which it can or could be kept. A charter is no act but a state: it counts in whatever period it had begun by the end
/// of.
[[nodiscard]] bool counts_in(const protocol::Deadline& deadline, const ReportPeriod& period);
[[nodiscard]] std::vector<ReportedDuty> duties_within(std::vector<ReportedDuty> duties, const ReportPeriod& period);

/// Takes every record in the journal's order. Memory: a few moments for each case. A record that was erased at its
/// term, and so a case that began before, counts for nothing.
class ContractReporter {
 public:
  void add(const AuditedRecord& record);
  /// By the contract and the members of `directory`, at `now`: cases in the order they were received, then what is owed
  /// to each collectivité and in each territory. Empty where the directory has no contract.
  [[nodiscard]] std::vector<ReportedDuty> finish(const KnownDirectory& directory, UnixMillis now) const;

 private:
  using ShortId = ByteArray<16>;
  struct Case {
    Digest id{};
    std::string queue;
    bool urgent = false;
    UnixMillis sent_at{};
    std::vector<protocol::CaseAct> acts;
    std::optional<protocol::Moment> erased;
  };
  void add_submission(const AuditedRecord& record, const protocol::Moment& moment);
  void add_opening(const AuditedRecord& record, const protocol::Moment& moment);
  std::vector<Case> cases_;
  std::map<ShortId, std::size_t> known_;                         ///< into cases_
  std::map<std::string, std::vector<protocol::Moment>> points_;  ///< by the queue they were sent to
};

}  // namespace pli::client
