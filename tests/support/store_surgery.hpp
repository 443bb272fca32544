// The store's file from outside: what a test may look at or damage behind the broker's back.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/bytes.hpp"

namespace pli::testing {

/// SHA-256 over every row of each table, by table name. Reads a snapshot; a broker may have the file open.
[[nodiscard]] std::map<std::string, Digest> table_digests(const std::filesystem::path& database,
                                                          const std::string& vfs = {});

/// Runs SQL. Aborts the test when it fails.
void run_sql(const std::filesystem::path& database, const std::string& sql, const std::string& vfs = {});
[[nodiscard]] std::int64_t query_number(const std::filesystem::path& database, const std::string& sql,
                                        const std::string& vfs = {});

/// Puts the file back to an older schema, one of tests/support/old_schemas by its file's name: the tables of then, with
/// what of today's they hold. `renamed`: columns that have another name since. Nobody may have it open.
void put_back_to_schema(const std::filesystem::path& database, const std::string& schema, int version,
                        const std::map<std::string, std::string>& renamed = {});
/// The SQL of every table and index, in order of their names.
[[nodiscard]] std::string schema_text(const std::filesystem::path& database);

/// Changes one bit in the middle of the value that `sql` finds, in the file itself, as a disk would: SQLite is not
/// told. Nobody may have the database open, and nothing of it may stand in the WAL. Aborts the test when the value does
/// not stand in the file in one piece, once.
void flip_bit(const std::filesystem::path& database, const std::string& sql);

/// Copies database, WAL and shared memory as they lie on disk: what a crash at this moment would leave.
void copy_database(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace pli::testing
