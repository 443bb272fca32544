// What the verbs of `pli audit` do, apart from their options (verb_audit.cpp). Texts are French: auditors read them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/paris_time.hpp"
#include "client/auditor.hpp"

namespace pli::client::command {

class Sitting;

/// As typed; empty = any.
struct ListOptions {
  std::string act, member, person, organisation, role, queue, kind, motif, outcome, rule, exchange, case_id;
  std::string from, to;
  bool csv = false;
  bool notes = false;
};
[[nodiscard]] int audit_list(Sitting& sitting, const ListOptions& options);

struct ShowOptions {
  std::string place;
  std::string shard;
  std::vector<std::string> fields;  ///< empty = all
  std::filesystem::path out;        ///< empty = none
};
[[nodiscard]] int audit_show(Sitting& sitting, const ShowOptions& options);

struct PeriodOptions {
  std::string from, to;
  std::string shard;  ///< export's: its name or origin; empty = the current one
  std::string hours = "8-19";
  int follow_up_days = 30;
  bool csv = false;
};
[[nodiscard]] int audit_report(Sitting& sitting, const PeriodOptions& options);
[[nodiscard]] int audit_export(Sitting& sitting, const std::filesystem::path& folder, const PeriodOptions& options);
[[nodiscard]] int audit_tiles(Sitting& sitting, const std::filesystem::path& folder);
[[nodiscard]] int audit_statistics(Sitting& sitting, const std::string& month);

// ---- what they share -----------------------------------------------------------------------------------------

/// Days as typed: from the first one's midnight in Paris to the last one's end. Either may be left open.
struct TypedPeriod {
  std::optional<Day> from, to;
};
/// Nothing when one of them is no day, or they are the wrong way round; `wrong` then says which, in French.
[[nodiscard]] std::optional<TypedPeriod> typed_period(const std::string& from, const std::string& to,
                                                      std::string& wrong);
/// report(), in words for an auditor where the catalogue speaks to a member: whoever reads the journal has no inbox.
[[nodiscard]] int report_to_auditor(const Sitting& sitting, const Failure& failure);
/// An act's type for people: "ouverture d'un échange".
[[nodiscard]] const char* french(audit::LeafType type);
/// "2026-1" as its origin; what has a slash is one. Empty = empty.
[[nodiscard]] std::string origin_of(const Session& session, const std::string& typed);
/// "1204", or with its shard's name "2026-1/1204".
[[nodiscard]] std::string place_text(LeafIndex place, const std::string& shard);
/// "<origin> <size>", oldest first.
[[nodiscard]] std::vector<std::string> lines_of_shards(const AuditReport& report);
/// How many records' values were erased at the journal's term; nothing where none were.
[[nodiscard]] std::string erased_words(std::uint64_t erased);
/// Says on standard error what is wrong with the journal, finding by finding; nothing when it is clean.
void warn_of(const AuditReport& report);
[[nodiscard]] std::string french(Problem problem);

}  // namespace pli::client::command
