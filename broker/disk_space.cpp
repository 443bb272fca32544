#include "broker/disk_space.hpp"

#include <sys/statvfs.h>

namespace pli::broker {

FreeBytes free_bytes_beside(std::filesystem::path path) {
  return [path = std::move(path)]() -> std::uint64_t {
    struct statvfs disk {};
    if (::statvfs(path.c_str(), &disk) != 0) return 0;
    return static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  };
}

}  // namespace pli::broker
