// The witnesses' word under how each ended shard ended (design §8; docs/protocol.md, "Shards"). A shard is closed in
// one step, whoever answers; until the policy's quorum has cosigned the closing checkpoint, the running broker goes on
// asking. What they gave is told to the core, which keeps it where the closing checkpoint stands, and put beside that
// shard's tiles. A thread of its own: nothing else waits for it, and it ends when nothing is left to ask.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "broker/tile_folder.hpp"
#include "broker/witnesses.hpp"

namespace pli::broker {

struct EndedShard {
  std::string origin;
  std::string closed;  ///< its closing checkpoint, with the cosignatures there are
  TreeSize size{};
  /// Of the largest checkpoint of it that was ever known: more than `size` where an order gave up its end. Who
  /// cosigned no more than that has not seen us put back.
  TreeSize known{};
};

struct EndedShardsSettings {
  std::vector<EndedShard> shards;  ///< oldest first
  audit::WitnessPolicy policy;
  crypto::SignPublic log_key;
  /// What stands of that shard.
  std::function<Result<LogSource>(const std::string& origin)> source;
  std::filesystem::path tiles;  ///< the folder of every shard's; empty where nobody keeps them
  WitnessTimes witnesses{};
  std::chrono::milliseconds pause = std::chrono::seconds(1);  ///< after a round without the quorum; then twice as long
  std::chrono::milliseconds pause_max = std::chrono::minutes(1);
};

struct EndedShardsSinks {
  std::function<void(std::string note)> confirmed;  ///< a closing checkpoint, cosigned as the policy demands
  std::function<void(std::string detail)> stopped;  ///< a witness holds what cannot stand beside our tree; once
};

/// How long one round waits for all witnesses together, whoever asks it: each is asked at most twice
/// (WitnessLineTimes).
inline constexpr std::chrono::milliseconds ended_round_max = std::chrono::seconds(14);

class EndedShards {
 public:
  /// The sinks are called from its thread. `clock` outlives it.
  EndedShards(EndedShardsSettings settings, const Clock& clock, EndedShardsSinks sinks);
  ~EndedShards();
  EndedShards(const EndedShards&) = delete;
  EndedShards& operator=(const EndedShards&) = delete;

  void finish();  ///< What is under way is given up. Any thread.

 private:
  enum class Asked { confirmed, not_yet, stopped };
  void run();
  [[nodiscard]] bool wait_for(std::chrono::milliseconds pause);
  [[nodiscard]] bool ending() const;
  [[nodiscard]] bool is_confirmed(const EndedShard& shard) const;
  [[nodiscard]] audit::VerifierKey key_of(const EndedShard& shard) const;
  [[nodiscard]] std::filesystem::path folder_of(const EndedShard& shard) const;
  [[nodiscard]] Asked ask(EndedShard& shard);
  [[nodiscard]] bool place(const EndedShard& shard);

  EndedShardsSettings settings_;
  const Clock& clock_;
  const EndedShardsSinks sinks_;
  bool missing_ = false;  ///< its thread's, and so is what follows
  bool unwritten_ = false;
  bool given_up_ = false;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool ending_ = false;         ///< under it
  Witnesses* asked_ = nullptr;  ///< under it: whom a round waits for
  std::thread thread_;
};

/// `base` with the cosignatures of `more` under the same text: of each witness the newer line. What is no note adds
/// nothing.
[[nodiscard]] std::string with_cosignatures(const std::string& base, const std::string& more);

}  // namespace pli::broker
