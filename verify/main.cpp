#include <unistd.h>

#include <cstdio>

#include "crypto/random.hpp"
#include "verify/commands.hpp"

int main(int count, char** words) {
  using namespace pli::verify;
  pli::crypto::initialise();
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  const Progress progress = [](std::uint64_t leaves) {
    std::fprintf(stderr, "\r%llu leaves", static_cast<unsigned long long>(leaves));
  };
  const Ended ended = run({words + 1, words + count}, pli::SystemClock(), terminal ? progress : Progress());
  if (terminal) std::fputs("\r\x1b[K", stderr);
  std::fputs(ended.err.c_str(), stderr);
  // A verdict nobody got is none.
  if (std::fputs(ended.out.c_str(), stdout) < 0 || std::fflush(stdout) != 0) return static_cast<int>(Exit::local);
  return static_cast<int>(ended.exit);
}
