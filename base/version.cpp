#include "base/version.hpp"

namespace pli {

std::string version_line(std::string_view program) { return std::string(program) + " " PLI_VERSION; }

}  // namespace pli
