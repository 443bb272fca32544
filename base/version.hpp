// Which version a program is of: that of the CMake project.
#pragma once

#include <string>
#include <string_view>

namespace pli {

/// What `--version` prints: the program's name and its version.
[[nodiscard]] std::string version_line(std::string_view program);

}  // namespace pli
