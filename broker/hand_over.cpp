#include "broker/hand_over.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

namespace pli::broker {

Result<WakeFd> WakeFd::create() {
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return Error{Errc::io_error, "no event descriptor to be had"};
  return WakeFd(fd);
}

WakeFd::WakeFd(WakeFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

WakeFd::~WakeFd() {
  if (fd_ >= 0) ::close(fd_);
}

void WakeFd::ring() const {
  const std::uint64_t one = 1;
  // It fails only when 2^64 - 2 rings are unheard: it rings then.
  [[maybe_unused]] const ssize_t put = ::write(fd_, &one, sizeof one);
}

void WakeFd::silence() const {
  std::uint64_t rings = 0;
  [[maybe_unused]] const ssize_t got = ::read(fd_, &rings, sizeof rings);
}

}  // namespace pli::broker
