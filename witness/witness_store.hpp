// What a witness must not forget: for each origin the checkpoint it cosigned last, and what proves that a log signed
// two trees (docs/storage.md, "A witness's folder"). One file, replaced whole; one process, by a lock. Owned by the
// desk; not thread-safe.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "audit/witness.hpp"

namespace pli::witness {

inline constexpr std::size_t origins_max = 512;
inline constexpr std::size_t state_bytes_max = std::size_t{16} * 1024 * 1024;
inline constexpr std::size_t evidence_max = 64;
inline constexpr std::size_t evidence_of_an_origin_max = 4;

struct CosignedTree {
  std::string origin;
  audit::WitnessState state;
  audit::UnixSeconds time{};  ///< of our cosignature
  std::string checkpoint;     ///< with the log's lines and ours
};
/// By monitoring path (audit::monitoring_path).
using CosignedTrees = std::map<std::string, CosignedTree, std::less<>>;

/// "pli-witness-state/1" LF, for each origin "checkpoint <bytes>" LF and the note, "sha256 <hex of all before>" LF.
[[nodiscard]] std::string to_text(const CosignedTrees& trees);
/// Each note must bear a cosignature of `witness`. Whatever parses writes back the same. Errors: corruption.
[[nodiscard]] Result<CosignedTrees> parse_cosigned_trees(std::string_view text, const audit::VerifierKey& witness);

class WitnessStore {
 public:
  /// Once, with no origin. Errors: conflict (a store is there), io_error.
  [[nodiscard]] static Result<void> create(const std::filesystem::path& folder);
  /// Errors: not_found (no state: it is never taken for an empty one), unavailable (another process holds it),
  /// corruption (torn, altered, or another witness's), io_error.
  [[nodiscard]] static Result<WitnessStore> open(const std::filesystem::path& folder,
                                                 const audit::VerifierKey& witness);
  /// What the file says now, without the lock: beside a running witness. Errors: as open, without unavailable.
  [[nodiscard]] static Result<CosignedTrees> read(const std::filesystem::path& folder,
                                                  const audit::VerifierKey& witness);
  /// The files of evidence, without the lock.
  [[nodiscard]] static std::vector<std::filesystem::path> list_evidence(const std::filesystem::path& folder);

  WitnessStore(WitnessStore&& other) noexcept;
  WitnessStore& operator=(WitnessStore&&) = delete;
  ~WitnessStore();

  [[nodiscard]] const CosignedTrees& trees() const { return trees_; }
  [[nodiscard]] audit::WitnessState last(std::string_view origin) const;

  /// Makes it durable that `origin` stands at `update`, having stood at `from`. Durable on success, and only then seen.
  /// Errors: conflict (it stands elsewhere, or would go back: nothing written), over_limit (an origin too many: nothing
  /// written), io_error (the disk's state is unknown: refuses all further work; recover through open()).
  [[nodiscard]] Result<void> advance(std::string_view origin, const audit::WitnessState& from,
                                     const audit::WitnessDecision::Update& update);
  /// Keeps the checkpoint of such a request, beside the cosigned one it contradicts (docs/protocol.md, "Evidence").
  /// A second tree is kept once; from the limits on, none more.
  /// True when it was written. Errors: io_error; the store itself goes on.
  [[nodiscard]] Result<bool> keep_evidence(std::string_view origin, std::string_view request);

 private:
  WitnessStore(std::filesystem::path folder, int lock, audit::VerifierKey witness, CosignedTrees trees);
  std::filesystem::path folder_;
  int lock_ = -1;
  audit::VerifierKey witness_;
  CosignedTrees trees_;
  bool failed_ = false;
};

}  // namespace pli::witness
