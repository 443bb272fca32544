// What an auditor takes away: a period of the journal in a folder that proves itself (docs/protocol.md, "Export
// folder"; audit/export_folder.hpp), and the log's tiles for whoever wants to verify or serve them. Both read records
// only, never content.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "audit/export_folder.hpp"
#include "base/paris_time.hpp"
#include "client/auditor.hpp"

namespace pli::client {

struct ExportOptions {
  std::filesystem::path folder;  ///< not there yet, or empty
  Day from{};
  Day to{};  ///< included
  std::string
      shard{};  ///< origin; empty = the current one. A folder proves itself under one tree, so it holds one shard
};
struct ExportOutcome {
  AuditReport report;  ///< of the whole journal, which was read and checked on the way
  audit::ExportPeriod period;
  AuditedShard shard;                                            ///< of the folder
  std::vector<std::pair<std::string, std::uint64_t>> elsewhere;  ///< acts of the period in other shards, by origin
  bool confirmed = true;    ///< by the quorum of the witnesses its policy names, where it names any
  bool period_over = true;  ///< false: the period goes on, and the folder ends with the tree it was made under
};
/// Reads the whole journal, checks it as audit_log does, and leaves the folder complete and durable, its checkpoint
/// last; on failure, as it was found. What is wrong with the log and can be exported all the same (a forged signature)
/// is in the report. Memory: that of audit_log, and one bundle. Errors: usage (a folder with something in it, a
/// shard that is none),
/// local_store, receipt_invalid (records that are not the log's: there is nothing to take away), those of audit_log.
[[nodiscard]] Outcome<ExportOutcome> export_journal(Session& session, const ExportOptions& options,
                                                    const OnProgress& progress,
                                                    std::chrono::milliseconds patience = publication_patience);

/// Whether something stands there that is not a folder of tiles, finished or not: write_tiles() refuses it.
[[nodiscard]] bool is_foreign_to_tiles(const std::filesystem::path& folder);
struct TilesOutcome {
  TreeSize before{};           ///< what the folder held
  TreeSize size{};             ///< and holds now
  std::string differing_file;  ///< with other bytes than the log's: nothing was changed
};
/// Writes the log's tiles, bundles and last its checkpoint; goes on from those of an earlier checkpoint in the folder.
/// On failure the folder is as it was found. Errors: usage (the folder is another log's or shard's, or no folder of
/// tiles), local_store, receipt_invalid (the folder, or what was read, is not the log signed), log_forked, log_shrunk,
/// refusals.
[[nodiscard]] Outcome<TilesOutcome> write_tiles(Session& session, const std::filesystem::path& folder,
                                                const OnProgress& progress);

}  // namespace pli::client
