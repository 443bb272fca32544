// Every entry, every tile and every leaf of a log against its checkpoint. Two threads, each with one bundle in memory.
#pragma once

#include <array>
#include <functional>

#include "audit/checkpoint.hpp"
#include "audit/leaf.hpp"
#include "verify/folder.hpp"

namespace pli::verify {

/// Leaves by type, and that their time never decreases.
class Tally {
 public:
  /// Errors: invalid_input (no leaf), authentication_failed (a time less than the leaf before's).
  [[nodiscard]] Result<audit::Leaf> take(std::uint64_t index, ByteView entry);
  /// `next` begins where this ends. Errors: as above.
  [[nodiscard]] Result<void> join(std::uint64_t index, const Tally& next);
  void tell(Report& report) const;

 private:
  std::array<std::uint64_t, 1 + static_cast<std::size_t>(audit::LeafType::registre)> counts_{};
  std::optional<UnixMillis> first_;
  UnixMillis last_{};
};

/// An error of one part of the log, which it names.
[[nodiscard]] Error at(const std::string& place, const Error& error);

using Progress = std::function<void(std::uint64_t leaves_done)>;

/// The tiles of every level from `lowest` up, each against the one above, and the right edge against the checkpoint.
[[nodiscard]] Outcome<void> check_tiles(const audit::VerifiedCheckpoint& checkpoint, audit::CheckedTiles& tiles,
                                        std::uint8_t lowest);
/// Opens them: the right edge is the checkpoint's.
[[nodiscard]] Outcome<audit::CheckedTiles> open_tiles(const Folder& folder,
                                                      const audit::VerifiedCheckpoint& checkpoint);
[[nodiscard]] Outcome<void> verify_whole_log(const Folder& folder, const audit::VerifiedCheckpoint& checkpoint,
                                             const Progress& progress, Report& report);

}  // namespace pli::verify
