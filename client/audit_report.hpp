// What an auditor has to notice in a period of the journal: who opened what and why, what is unusual, what was refused,
// changed or suspended, and who read the journal itself. Pure: records in, facts out, in an order that depends on the
// journal alone. Days and hours are those of paris_time.hpp.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/paris_time.hpp"
#include "client/auditor.hpp"

namespace pli::client {

/// A person's day is unusual above both.
inline constexpr std::uint64_t unusual_openings_min = 10;
inline constexpr std::uint64_t unusual_median_factor = 3;
/// Events listed one by one, of each sort; beyond, they are counted.
inline constexpr std::size_t report_events_max = 10'000;

struct ReportOptions {
  Day from{};
  Day to{};  ///< included
  WorkingHours hours{};
  std::chrono::days follow_up{30};
};

/// One act worth a line of its own.
struct ReportEvent {
  LeafIndex leaf{};
  UnixMillis time{};
  std::string person;   ///< who did it; empty = nobody enrolled
  std::string subject;  ///< what it is about: a motif, a case, a version, a member, a code
  std::string shard{};  ///< name of the one `leaf` is in
  bool operator==(const ReportEvent&) const = default;
};
struct ReportEvents {
  std::vector<ReportEvent> listed;
  std::uint64_t count = 0;  ///< with those beyond report_events_max
};

struct PersonSummary {
  std::uint64_t openings = 0;
  std::uint64_t exchanges = 0;                    ///< different ones
  std::uint64_t cases = 0;                        ///< different ones
  std::map<std::string, std::uint64_t> motifs;    ///< openings by motif
  std::map<std::string, std::uint64_t> refusals;  ///< by "CODE rule"
};

struct UnusualDay {
  std::string person;
  Day day{};
  std::uint64_t openings = 0;
  std::uint64_t twice_median = 0;  ///< of the person's other active days; 0 where there is none
  bool operator==(const UnusualDay&) const = default;
};

struct JournalReadings {
  std::uint64_t readings = 0;
  std::uint64_t records = 0;  ///< handed over, each as often as it was
};

struct AuditSummary {
  std::uint64_t records = 0;                  ///< of the period
  std::uint64_t erased = 0;                   ///< of them: counted in `acts` alone, their values are gone
  std::map<std::string, std::uint64_t> acts;  ///< by type
  std::map<std::string, PersonSummary> persons;
  std::vector<UnusualDay> unusual;
  ReportEvents out_of_hours;    ///< openings; subject: motif
  ReportEvents unfollowed;      ///< openings of an instance; subject: case
  std::uint64_t undecided = 0;  ///< openings of an instance whose time to be followed has not passed
  ReportEvents directory;       ///< subject: version
  ReportEvents suspensions;     ///< subject: who is suspended
  ReportEvents anomalies;       ///< subject: code
  std::map<std::string, JournalReadings> readings;  ///< by person
  std::map<std::string, std::uint64_t> strays;      ///< input from nobody, by what it was
};

/// Takes every record of the journal in its order, not only those of the period: what is usual comes from before it,
/// what follows an opening from after it. Memory: 16 bytes and a node for each exchange and case a person opened, a
/// number for each person and active day, a line for each listed event and each opening that waits for its following
/// act.
class AuditReporter {
 public:
  explicit AuditReporter(const ReportOptions& options);
  void add(const AuditedRecord& record);
  [[nodiscard]] AuditSummary finish();

 private:
  using ShortId = ByteArray<16>;
  struct Opened {
    std::set<ShortId> exchanges, cases;
  };
  [[nodiscard]] static ShortId short_id(const Digest& id);
  void add_opening(const AuditedRecord& record, const std::string& person, bool in_period);
  void settle(const Digest& case_id, UnixMillis time);
  void find_unusual();

  ReportOptions options_;
  UnixMillis begin_;
  UnixMillis end_;
  UnixMillis last_time_{};
  AuditSummary summary_;
  std::map<std::string, Opened> opened_;
  std::map<std::string, std::map<Day, std::uint64_t>> days_;  ///< openings by person and day, up to the period's end
  std::map<Digest, std::vector<ReportEvent>> waiting_;        ///< by case
};

/// The summary as a flat list, for spreadsheets and scripts: the same facts in the same order.
struct ReportLine {
  std::string section;
  std::string person, subject, detail;
  std::optional<LeafIndex> leaf;
  std::optional<UnixMillis> time;
  std::uint64_t count = 0;
  std::string shard{};  ///< of `leaf`
  bool operator==(const ReportLine&) const = default;
};
[[nodiscard]] std::vector<ReportLine> lines_of(const AuditSummary& summary);

/// "4,5" for nine halves: how a median is written.
[[nodiscard]] std::string halves_text(std::uint64_t twice);

}  // namespace pli::client
