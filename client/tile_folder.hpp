// The log's tree as files anyone can serve or read (C2SP tlog-tiles; audit/tile.hpp), written leaf by leaf by who reads
// the journal. What is written is durable, lower levels before those above; the checkpoint is its owner's to write,
// last. Memory: one tile of each level and one bundle. Not thread-safe.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "audit/checkpoint.hpp"
#include "audit/tile.hpp"
#include "base/result.hpp"

namespace pli::client {

/// Files that never change once written: one that stands there already has to hold the same bytes. Remembers what it
/// added, to take it back.
class AppendOnlyFolder {
 public:
  explicit AppendOnlyFolder(std::filesystem::path folder) : folder_(std::move(folder)) {}
  [[nodiscard]] const std::filesystem::path& path() const { return folder_; }
  /// `name` is relative; its folders are made. Errors: conflict (other bytes stand there; `detail` is the name),
  /// io_error.
  [[nodiscard]] Result<void> place(const std::string& name, ByteView bytes);
  /// Errors: those of read_file().
  [[nodiscard]] Result<Bytes> read(const std::string& name, std::size_t bytes_max) const;
  /// Removes what place() added, files and folders, as far as it can: what was read did not turn out to be the log.
  void take_back();

 private:
  std::filesystem::path folder_;
  std::set<std::string> known_;    ///< folders that stand
  std::vector<std::string> made_;  ///< of them, by place(), outer ones first
  std::vector<std::string> added_;
};

/// The hashes.
class TileWriter {
 public:
  /// A tree without a leaf. `folder` must outlive it.
  explicit TileWriter(AppendOnlyFolder& folder) : folder_(&folder) {}
  /// Goes on from the tree of `size` leaves in the folder, whose right edge is read and checked against `root`.
  /// Errors: those of audit::CheckedTiles.
  [[nodiscard]] static Result<TileWriter> resume(AppendOnlyFolder& folder, TreeSize size, const Digest& root);
  [[nodiscard]] TreeSize size() const { return edge_.size(); }
  [[nodiscard]] Digest root() const { return edge_.root(); }
  /// Writes each tile it fills. Errors: those of AppendOnlyFolder::place().
  [[nodiscard]] Result<void> append(ByteView leaf);
  /// Writes the partial tiles of the tree as it is.
  [[nodiscard]] Result<void> finish();

 private:
  struct Level {
    std::uint64_t full = 0;
    Bytes hashes;  ///< of the tile being filled
  };
  AppendOnlyFolder* folder_;
  audit::TreeEdge edge_;
  std::array<Level, audit::tile_levels_max> levels_;
  std::vector<audit::Node> scratch_;
};

/// The leaves, 256 to a bundle.
class BundleMaker {
 public:
  using Bundle = std::pair<audit::BundleId, Bytes>;
  BundleMaker() = default;
  /// Goes on from the tree of `size` leaves in the folder, whose last bundle is checked against its tile.
  /// Errors: the folder's, invalid_input, authentication_failed.
  [[nodiscard]] static Result<BundleMaker> resume(const AppendOnlyFolder& folder, TreeSize size);
  /// The bundle this leaf fills, if it fills one. Errors: over_limit (no leaf is so long).
  [[nodiscard]] Result<std::optional<Bundle>> append(ByteView leaf);
  /// The partial one.
  [[nodiscard]] Result<std::optional<Bundle>> rest() const;

 private:
  [[nodiscard]] Result<Bundle> make() const;
  std::uint64_t full_ = 0;
  std::vector<Bytes> entries_;
};

}  // namespace pli::client
