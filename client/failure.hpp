// Why the client did not do what was asked: the broker's refusal or our own finding, both from the catalogue
// (protocol/error_catalogue.hpp), so that every failure has a cause and a next step to show.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/result.hpp"
#include "protocol/error_catalogue.hpp"

namespace pli::client {

struct Failure {
  std::variant<protocol::LocalCode, protocol::Refusal> cause;
  std::string detail;              ///< for developers and logs: our own words, never a peer's bytes
  std::filesystem::path evidence;  ///< file kept as proof of a misbehaving broker or sender; empty = none

  Failure(protocol::LocalCode code, std::string words) : cause(code), detail(std::move(words)) {}
  Failure(protocol::LocalCode code, std::string words, std::filesystem::path file)
      : cause(code), detail(std::move(words)), evidence(std::move(file)) {}
  explicit Failure(protocol::Refusal refusal) : cause(std::move(refusal)) {}
};

template <class T>
using Outcome = Result<T, Failure>;

[[nodiscard]] bool is(const Failure& failure, protocol::LocalCode code);
[[nodiscard]] bool is(const Failure& failure, protocol::Code code);
/// "unreachable", "FORBIDDEN(ouverture.ged)": what --json shows.
[[nodiscard]] std::string code_text(const Failure& failure);
[[nodiscard]] protocol::Explanation explain(const Failure& failure, protocol::Language language);

/// The exit codes of design §12, decided in one place.
enum class ExitClass : int {
  done = 0,
  refused = 1,
  usage = 2,
  unreachable_or_queued = 3,
  verification_failed = 4,
  local_error = 5
};
[[nodiscard]] ExitClass exit_class(const Failure& failure);

/// A local failure from an Error of the rooms below.
[[nodiscard]] Failure local(protocol::LocalCode code, const Error& error);

}  // namespace pli::client
