// The chunks of one age payload are independent, so the machine's cores share them while the file is read and
// written. Private to crypto/. Owned by one call that streams one file; its helpers live as long as it does.
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
  /// Work on the chunks of one batch. Must outlive the crew or its own `finish`, as must what `work` refers to.
  class Run {
    friend class ChunkCrew;
    std::function<void(std::size_t)> work_;
    std::size_t count_ = 0;
    std::size_t next_ = 0;
    std::size_t finished_ = 0;
  };

  ChunkCrew() = default;
  /// Ends the chunks begun and leaves the others.
  ~ChunkCrew();
  ChunkCrew(const ChunkCrew&) = delete;
  ChunkCrew& operator=(const ChunkCrew&) = delete;

  /// Has `work(i)` called once for each i < count, by the helpers from now on. `work` must not throw.
  /// Thread: the owner's, as for `finish`.
  void start(Run& run, std::size_t count, std::function<void(std::size_t)> work);
  /// Helps until the run is done. Each run started is finished once, in the order of their starts.
  void finish(Run& run);

 private:
  void start_helpers();
  void help();
  bool take_chunk(std::unique_lock<std::mutex>& lock);

  bool helped_ = false;
  std::vector<std::thread> helpers_;
  std::mutex mutex_;  // guards what follows and the counts of the runs
  std::condition_variable more_;
  std::condition_variable done_;
  std::vector<Run*> runs_;  // the oldest first
  bool stop_ = false;
};

}  // namespace pli::crypto
