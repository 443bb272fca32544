// The log as files anyone can fetch and verify without us (C2SP tlog-tiles; docs/protocol.md, "Tiles"): one folder for
// each shard, named after it, so that a static web server's prefix is the log's origin. Everything in it is public and
// can be made anew from the store. Owned by the publisher's thread; not thread-safe.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "audit/checkpoint.hpp"
#include "audit/tile.hpp"
#include "base/result.hpp"

namespace pli::broker {

/// Where leaves come from that were not handed over: the store, as committed.
struct LogSource {
  std::function<Result<std::vector<std::string>>(LeafIndex first, std::size_t count)> leaves;
  audit::NodeSource nodes;
};

/// Encoded leaves, in order, as a batch left them.
struct HandedLeaves {
  LeafIndex first{};
  std::vector<std::string> leaves;
};

class TileFolder {
 public:
  /// Bundles written by one grow(), and so the memory and the descriptors it takes.
  static constexpr std::uint64_t step_bundles = 32;

  struct Settings {
    std::filesystem::path folder;  ///< of this shard
    audit::VerifierKey log_key;    ///< named after its origin
    /// Asked before each file and each folder gets its name; an error stops there, as a crash would (tests).
    std::function<Result<void>()> before_each_name;
  };

  /// Takes up where the folder's checkpoint stands; makes the folder when it is not there. `tree`: the store's size.
  /// Errors: corruption (its checkpoint is not of this log's key), conflict (it is not of a tree that ours extends),
  /// io_error, those of `source`.
  [[nodiscard]] static Result<TileFolder> open(Settings settings, TreeSize tree, LogSource source);

  /// Makes the bundles and tiles up to `size` durable, bundles first, then level 0 upwards; at most step_bundles of
  /// them in one call, so that whoever has much to catch up on does other things between. True once all of `size` is
  /// there. A partial tile goes when the full one is durable; a full one is never overwritten: the same bytes are left
  /// as they stand. Leaves come from `handed` where it has them, else from the source. Errors: conflict (a full tile or
  /// bundle holds other bytes), io_error and those of the source; the next call takes up again where the folder's
  /// checkpoint stands.
  [[nodiscard]] Result<bool> grow(TreeSize size, const HandedLeaves& handed);

  /// Compares the next so many full bundles, and the full tiles each of them completes, with the log; goes round for
  /// ever. What was lost is made anew. Errors: those of grow().
  [[nodiscard]] Result<void> look(std::uint64_t bundles);
  /// Full bundles and tiles that were lost and made anew, since last asked: what was taken up is looked for by name in
  /// the first steps after.
  [[nodiscard]] std::size_t take_mended() { return std::exchange(mended_, 0); }

  /// The checkpoint that is served, whose tree grow() has made durable. Durable when it returns. Errors: io_error.
  [[nodiscard]] Result<void> publish(const std::string& note);

  [[nodiscard]] TreeSize size() const { return size_; }  ///< through which bundles and tiles are durable
  [[nodiscard]] const std::optional<std::string>& published() const { return published_; }

 private:
  struct File {
    std::string path;  ///< within the folder
    Bytes bytes;
    bool full = false;
  };

  TileFolder(Settings settings, LogSource source);
  [[nodiscard]] Result<void> take_up(TreeSize tree);
  [[nodiscard]] Result<bool> step(TreeSize size, const HandedLeaves& handed);
  [[nodiscard]] Result<bool> find_lost();
  [[nodiscard]] Result<void> mend(std::uint64_t bundle);
  [[nodiscard]] Result<void> write(const std::vector<File>& files);
  [[nodiscard]] Result<void> drop_partials(const std::vector<File>& files) const;

  Settings settings_;
  LogSource source_;
  std::optional<std::string> published_;
  TreeSize size_{};
  bool fresh_ = true;            ///< taken up, and the edge of the published tree not yet looked at
  bool unlooked_ = true;         ///< taken up, and its full tiles not yet looked for
  std::uint64_t next_name_ = 0;  ///< bundle
  std::uint64_t next_look_ = 0;  ///< bundle
  std::size_t mended_ = 0;
  bool stale_ = false;                                ///< a step failed: what is in memory may not be what stands there
  std::vector<std::string> entries_;                  ///< of the bundle not yet full
  std::array<Bytes, audit::tile_levels_max> hashes_;  ///< of each level's tile not yet full
};

}  // namespace pli::broker
