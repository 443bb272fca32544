// The thread that publishes the log (P7, P10; design §8): the newest committed checkpoint goes to the outside file, its
// tiles to their folder, its text to the witnesses; once the policy's quorum has cosigned it, it is served beside the
// tiles and told to the core. Nothing here keeps a receipt waiting.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "broker/ended_shards.hpp"
#include "broker/outside_file.hpp"
#include "broker/tile_folder.hpp"
#include "broker/witnesses.hpp"

namespace pli::broker {

/// The tiles of a shard that has ended, which a broker that was killed may have left unfinished.
struct ClosedTiles {
  TileFolder tiles;
  TreeSize size{};
  std::string closed;  ///< its closing checkpoint
};

/// What a checkpoint passes through before it is published.
struct Publication {
  OutsideFile outside;
  std::optional<TileFolder> tiles{};
  std::unique_ptr<Witnesses> witnesses{};  ///< null: nobody is asked
  std::filesystem::path note_file{};       ///< where the newest published note is kept when no tiles folder keeps it
  std::optional<std::string> last_published{};  ///< of an earlier process, of a tree that ours extends
  std::vector<ClosedTiles> closed_tiles{};      ///< completed beside what is published
  std::optional<EndedShardsSettings> ended{};   ///< the broker's, beside the publisher; null: nobody is asked

  /// What is durable outside is published: nobody else has to be waited for.
  [[nodiscard]] bool is_immediate() const { return !tiles && !witnesses; }
};

struct PublisherTimes {
  std::chrono::milliseconds between = std::chrono::seconds(1);    ///< two publications, and two tries, at least
  std::chrono::milliseconds heartbeat = std::chrono::minutes(1);  ///< then what is published already is published again
  std::chrono::milliseconds tiles_round = std::chrono::hours(24);   ///< in which each full tile is looked at once
  std::chrono::milliseconds late = std::chrono::milliseconds(250);  ///< for the others once the quorum has cosigned
  std::chrono::milliseconds end = std::chrono::seconds(1);          ///< for the witnesses when the broker stops
};

/// Leaves waiting for their tiles; when there are more they are read from the store later.
inline constexpr std::size_t waiting_leaves_max = 64 * 1024;

enum class Publishing { going_on, not_written, witnesses_missing };

/// Why it cannot go on: somebody has to look.
enum class PublisherStop { rolled_back, tiles_differ };

struct PublisherSinks {
  std::function<void(std::string note)> published;                     ///< durable, and cosigned as the policy demands
  std::function<void(PublisherStop why, std::string detail)> stopped;  ///< once; `detail` is the operator's to read
};

class Publisher {
 public:
  /// `newest` stands in the outside file already; it is published at once unless that alone was its publication.
  /// The sinks are called from the publisher's thread.
  Publisher(Publication publication, std::string newest, PublisherTimes times, PublisherSinks sinks);
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  void offer(std::string checkpoint, HandedLeaves leaves);  ///< Newer than any before, with what it added. Any thread.
  void finish();  ///< Writes what was offered last outside and to the tiles, waits a moment for witnesses, ends.
  [[nodiscard]] Publishing state() const { return state_; }

 private:
  void run();
  [[nodiscard]] SteadyTime next_due() const;
  void take_offered(SteadyTime now);
  void work(SteadyTime now);
  void write_outside(SteadyTime now);
  void begin_publication(SteadyTime now, bool anew);
  void look_at_round(SteadyTime now);
  void look_at_tiles(SteadyTime now);
  void complete_closed_tiles(SteadyTime now);
  void publish(const std::string& note, SteadyTime now);
  void failed(std::string_view what, const Error& error, SteadyTime now);
  void stop(PublisherStop why, std::string detail);

  Publication publication_;
  const PublisherTimes times_;
  const PublisherSinks sinks_;
  std::atomic<Publishing> state_ = Publishing::going_on;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::optional<std::string> offered_;
  HandedLeaves offered_leaves_;
  bool progressed_ = false;
  bool finishing_ = false;

  // The thread's own.
  std::string newest_;     ///< offered last
  std::string written_;    ///< stands outside; empty when its last write failed
  std::string asked_;      ///< what the open round is about
  std::string published_;  ///< the text, without cosignatures
  HandedLeaves waiting_;   ///< leaves without their tiles
  SteadyTime next_write_{};
  SteadyTime next_try_{};
  SteadyTime next_completion_{};
  SteadyTime last_write_{};
  SteadyTime last_published_{};
  SteadyTime next_look_{};
  std::optional<SteadyTime> late_until_;
  bool round_open_ = false;
  bool catching_up_ = false;
  bool unwritten_ = false;
  bool uncompleted_ = false;
  bool missing_ = false;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace pli::broker
