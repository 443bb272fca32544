// A log as pli-verify meets one: signed, cosigned by two witnesses, with a record behind every leaf; and what is handed
// out of it, as files in memory, so that damage is cheap. Everything follows from the size and the changes asked for.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "audit/export_folder.hpp"
#include "audit/proof_file.hpp"
#include "audit/tile.hpp"
#include "audit/witness_policy.hpp"

namespace pli::verify::test {

/// Path in the folder → bytes.
using Files = std::map<std::string, std::string>;
void write_files(const std::filesystem::path& folder, const Files& files);

inline constexpr std::string_view made_origin = "broker.example/pli/89/2026-1";
inline constexpr UnixMillis first_leaf_time{1767225600000};
inline constexpr std::int64_t leaf_interval_ms = 1000;
inline constexpr audit::UnixSeconds cosigned_at{1767230000};

[[nodiscard]] crypto::SigningKey made_key(std::uint8_t seed_byte);
[[nodiscard]] UnixMillis leaf_time(std::uint64_t index);

class MadeLog {
 public:
  /// Leaves to put in the place of those the log would have, malformed ones too.
  using Changes = std::map<std::uint64_t, std::string>;
  explicit MadeLog(std::uint64_t size, const Changes& changes = {}, std::string_view origin = made_origin);

  [[nodiscard]] std::uint64_t size() const { return tree_.size().value; }
  [[nodiscard]] audit::VerifierKey log_key() const;
  [[nodiscard]] std::string policy() const;  ///< the log, and both of two witnesses
  [[nodiscard]] audit::Record record(std::uint64_t index) const;
  [[nodiscard]] audit::Leaf leaf(std::uint64_t index) const;
  [[nodiscard]] std::string checkpoint(std::uint64_t size) const;  ///< cosigned
  [[nodiscard]] audit::Receipt receipt(std::uint64_t index) const;
  /// checkpoint, tile/..., tile/entries/...
  [[nodiscard]] Files log() const;
  /// The folder of an auditor for the leaves [from, to), every fifth record erased; bundles beyond the period on
  /// request.
  [[nodiscard]] Files exported(std::uint64_t from, std::uint64_t to, bool with_neighbours) const;

 private:
  [[nodiscard]] std::string bundle(std::uint64_t index) const;
  std::string origin_;
  std::vector<std::string> leaves_;
  audit::MemoryTree tree_;
};

}  // namespace pli::verify::test
