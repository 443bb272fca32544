// Where backups go and what is remembered of the last one. The copying is in store_copy.hpp, the verbs in
// program_backup.cpp.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "broker/config.hpp"

namespace pli::broker {

/// The file a backup is written to: `wanted` itself, or a file of that folder named for the time,
/// "pli-20260301T120000Z.db". Errors: conflict (something stands there), invalid_input (in a folder that a backup must
/// not share: the data's own, the keys', either lease file's, the outside checkpoint's, the tiles'), not_found (no such
/// folder).
[[nodiscard]] Result<std::filesystem::path> backup_file(const std::filesystem::path& wanted, const Config& config,
                                                        UnixMillis now);

/// "20260301T120000Z", UTC.
[[nodiscard]] std::string time_stamp(UnixMillis time);

/// A database is these files, in the order in which they go: itself last, so that no other's WAL ever lies beside it.
inline constexpr std::array<const char*, 3> database_suffixes = {"-shm", "-wal", ""};
/// What a restore has put away stands beside the database: this, a time stamp, and a count where that is taken.
[[nodiscard]] std::string aside_prefix(const std::filesystem::path& database);
/// The databases kept aside, oldest first, each without its -wal and -shm.
[[nodiscard]] std::vector<std::filesystem::path> asides_of(const std::filesystem::path& database);

/// What `health` tells of the last verified backup. A file of its own in the data folder, "backup.last": "pli-backup/1"
/// LF "time <ms>" LF "leaves <n>" LF.
struct LastBackup {
  UnixMillis at{};
  std::uint64_t leaves = 0;
  bool operator==(const LastBackup&) const = default;
};
[[nodiscard]] std::string to_text(const LastBackup& backup);
[[nodiscard]] std::optional<LastBackup> parse_last_backup(std::string_view text);
[[nodiscard]] Result<void> remember_backup(const Config& config, const LastBackup& backup);
/// Nothing when there was none, or when it cannot be read.
[[nodiscard]] std::optional<LastBackup> last_backup(const Config& config);

}  // namespace pli::broker
