#include "crypto/chunk_crew.hpp"

#include <algorithm>
#include <system_error>

#include "base/result.hpp"

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

void ChunkCrew::start(Run& run, std::size_t count, std::function<void(std::size_t)> work) {
  if (count >= count_worth_sharing && !helped_) start_helpers();
  {
    const std::lock_guard lock(mutex_);
    run.work_ = std::move(work);
    run.count_ = count;
    run.next_ = 0;
    run.finished_ = 0;
    runs_.push_back(&run);
  }
  more_.notify_all();
}

void ChunkCrew::finish(Run& run) {
  std::unique_lock lock(mutex_);
  PLI_INVARIANT(!runs_.empty() && runs_.front() == &run);
  // While a helper is at this run's last chunk, later runs can be worked on.
  while (run.finished_ < run.count_) {
    if (!take_chunk(lock)) done_.wait(lock);
  }
  runs_.erase(runs_.begin());
}

void ChunkCrew::start_helpers() {
  helped_ = true;
  const unsigned threads = std::min(threads_max, std::max(1U, std::thread::hardware_concurrency()));
  try {
    for (unsigned i = 1; i < threads; ++i) helpers_.emplace_back([this] { help(); });
  } catch (const std::system_error&) {
    // No more threads to be had: the ones there are, at least the owner's, do the work.
  }
}

void ChunkCrew::help() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (!take_chunk(lock)) more_.wait(lock);
  }
}

bool ChunkCrew::take_chunk(std::unique_lock<std::mutex>& lock) {
  const auto found = std::find_if(runs_.begin(), runs_.end(), [](const Run* run) { return run->next_ < run->count_; });
  if (found == runs_.end()) return false;
  Run& run = **found;
  const std::size_t mine = run.next_++;
  lock.unlock();
  run.work_(mine);
  lock.lock();
  if (++run.finished_ == run.count_) done_.notify_one();
  return true;
}

}  // namespace pli::crypto
