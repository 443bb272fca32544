// The store's file from outside: what a test may look at or damage behind the broker's back.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/bytes.hpp"

namespace pli::testing {

/// SHA-256 over every row of each table, by table name. Reads a snapshot; a broker may have the file open.
[[nodiscard]] std::map<std::string, Digest> table_digests(const std::filesystem::path& database);

/// Runs SQL. Aborts the test when it fails.
void run_sql(const std::filesystem::path& database, const std::string& sql);
[[nodiscard]] std::int64_t query_number(const std::filesystem::path& database, const std::string& sql);

/// Copies database, WAL and shared memory as they lie on disk: what a crash at this moment would leave.
void copy_database(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace pli::testing
