#include "crypto/chunk_crew.hpp"

#include <algorithm>
#include <system_error>

namespace pli::crypto {
namespace {

constexpr std::size_t count_worth_sharing = 4;  // a chunk takes about 80 µs, waking a helper about 50
constexpr unsigned threads_max = 4;             // beyond, reading and writing the file is the limit

}  // namespace

ChunkCrew::~ChunkCrew() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  more_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void ChunkCrew::run(std::size_t count, const std::function<void(std::size_t)>& work) {
  if (count < count_worth_sharing) {
    for (std::size_t i = 0; i < count; ++i) work(i);
    return;
  }
  if (!started_) start_helpers();
  std::unique_lock lock(mutex_);
  work_ = &work;
  count_ = count;
  next_ = 0;
  finished_ = 0;
  more_.notify_all();
  take_chunks(lock);
  // A helper that slept through the run is not waited for: it will find nothing left to take.
  done_.wait(lock, [&] { return finished_ == count_; });
}

void ChunkCrew::start_helpers() {
  started_ = true;
  const unsigned threads = std::min(threads_max, std::max(1U, std::thread::hardware_concurrency()));
  try {
    for (unsigned i = 1; i < threads; ++i) helpers_.emplace_back([this] { help(); });
  } catch (const std::system_error&) {
    // No more threads to be had: the ones there are, at least the owner's, do the work.
  }
}

void ChunkCrew::help() {
  std::unique_lock lock(mutex_);
  for (;;) {
    more_.wait(lock, [&] { return stop_ || next_ < count_; });
    if (stop_) return;
    take_chunks(lock);
  }
}

void ChunkCrew::take_chunks(std::unique_lock<std::mutex>& held) {
  while (next_ < count_) {
    const std::size_t mine = next_++;
    held.unlock();
    (*work_)(mine);  // written under the mutex before next_ was, and unchanged until all are finished
    held.lock();
    if (++finished_ == count_) done_.notify_one();
  }
}

}  // namespace pli::crypto
