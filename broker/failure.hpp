// What goes wrong in pli-broker's programs, as its operator is told: a state to search for, a cause, and what to do.
// The failures that more than one of them can meet; each names its own beside what it does.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "broker/broker_programs.hpp"
#include "broker/standing.hpp"

namespace pli::broker {

struct Failure {
  int code = exit_local_error;
  std::string_view state;
  std::string cause;
  std::string next;
};

template <class T>
using Outcome = Result<T, Failure>;

[[nodiscard]] Failure failure(int code, std::string_view state, const Error& error, std::string_view next);
/// Prints it, logs it, and returns its exit code.
[[nodiscard]] int report(const Failure& failure, bool json);

[[nodiscard]] Failure outside_failure(const Error& error);
[[nodiscard]] Failure keys_failure(const Error& error);
[[nodiscard]] Failure schema_failure(const Error& error);
[[nodiscard]] Failure order_failure(const Error& error, const std::filesystem::path& database);
[[nodiscard]] Failure unreadable(const Error& error);  ///< the database, once it is open
/// A database that cannot be opened, read or written: the next step is what its place and its disk show it to be.
[[nodiscard]] Failure database_failure(const Error& error, const std::filesystem::path& database);
[[nodiscard]] Failure standing_failure(const Compared& compared);
[[nodiscard]] Failure rolled_back(std::string cause);
[[nodiscard]] Failure tiles_differ(std::string cause);

}  // namespace pli::broker
