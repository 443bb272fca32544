// Writes the WAL back into the database file (SQLite calls it a WAL checkpoint) beside the store, so that commits do
// not wait for it. A connection and a thread of its own; the store finishes the last few pages itself, between two
// commits, after which the WAL begins again at its start: its size is bounded, and appends overwrite blocks the disk
// has already.
#pragma once

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>

namespace pli::broker {

class Writeback {
 public:
  Writeback(std::filesystem::path file, std::string vfs);
  ~Writeback();  ///< Waits for a run under way.
  Writeback(const Writeback&) = delete;
  Writeback& operator=(const Writeback&) = delete;

  void start();  ///< One run. Only when not busy().
  [[nodiscard]] bool busy() const { return busy_; }
  void wait();                                                    ///< until not busy()
  [[nodiscard]] int frames_done() const { return frames_done_; }  ///< of the WAL as the last run found it
  [[nodiscard]] bool failed() const { return failed_; }
  void reset_frames() { frames_done_ = 0; }  ///< the WAL began anew
  void stop();                               ///< No run begins after this returns.

 private:
  void run();
  std::filesystem::path file_;
  std::string vfs_;
  std::atomic<bool> busy_ = false;
  std::atomic<bool> failed_ = false;
  std::atomic<int> frames_done_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  bool wanted_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace pli::broker
