// The command line, and whom it says to trust.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "verify/report.hpp"

namespace pli::verify {

struct Options {
  std::string command;
  std::vector<std::string> operands;
  std::string log_key;
  std::string policy;
  std::string tiles;
  std::optional<std::uint64_t> max_age;  ///< seconds
  std::optional<std::uint64_t> now;      ///< milliseconds
  bool json = false;
  bool help = false;
  bool version = false;
};

/// Errors: usage.
[[nodiscard]] Outcome<Options> read_options(const std::vector<std::string>& arguments);
/// Of one command, or of the program for any other word.
[[nodiscard]] std::string help_of(std::string_view command);

}  // namespace pli::verify
