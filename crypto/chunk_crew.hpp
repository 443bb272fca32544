// The chunks of one age payload are independent, so the machine's cores can share them. Private to crypto/.
// Owned by one call that streams one file; helpers live as long as it does.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace pli::crypto {

class ChunkCrew {
 public:
  ChunkCrew() = default;
  ~ChunkCrew();
  ChunkCrew(const ChunkCrew&) = delete;
  ChunkCrew& operator=(const ChunkCrew&) = delete;

  /// Calls `work(i)` once for each i < count, here and on the helpers, and returns when all are done.
  /// Short runs stay on this thread. `work` must not throw. Thread: the owner's.
  void run(std::size_t count, const std::function<void(std::size_t)>& work);

 private:
  void start_helpers();
  void help();
  void take_chunks(std::unique_lock<std::mutex>& held);

  bool started_ = false;
  std::vector<std::thread> helpers_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable more_;
  std::condition_variable done_;
  const std::function<void(std::size_t)>* work_ = nullptr;
  std::size_t count_ = 0;
  std::size_t next_ = 0;
  std::size_t finished_ = 0;
  bool stop_ = false;
};

}  // namespace pli::crypto
