// What goes wrong in pli-broker's programs, as its operator is told: a state to search for, a cause, and what to do.
// The failures that more than one of them can meet; each names its own beside what it does.
#pragma once

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
  std::string_view next;
};

template <class T>
using Outcome = Result<T, Failure>;

[[nodiscard]] Failure failure(int code, std::string_view state, const Error& error, std::string_view next);
/// Prints it, logs it, and returns its exit code.
[[nodiscard]] int report(const Failure& failure, bool json);

[[nodiscard]] Failure outside_failure(const Error& error);
[[nodiscard]] Failure keys_failure(const Error& error);
[[nodiscard]] Failure schema_failure(const Error& error);
[[nodiscard]] Failure order_failure(const Error& error);
[[nodiscard]] Failure unreadable(const Error& error);  ///< the database
[[nodiscard]] Failure standing_failure(const Compared& compared);
[[nodiscard]] Failure rolled_back(std::string cause);
[[nodiscard]] Failure tiles_differ(std::string cause);

}  // namespace pli::broker
