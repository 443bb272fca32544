// The newest committed checkpoint on disk, outside the database and its backups (P10, design §8). Layout:
// audit/outside_checkpoint.hpp.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "audit/checkpoint.hpp"
#include "audit/outside_checkpoint.hpp"
#include "base/result.hpp"

namespace pli::broker {

/// The file, open and locked: a second broker on the same one does not start. One owner at a time.
class OutsideFile {
 public:
  /// Both slots preallocated and durable. Errors: conflict (it is there already), over_limit, io_error.
  [[nodiscard]] static Result<OutsideFile> create(const std::filesystem::path& path, const std::string& note);
  /// Errors: not_found, unavailable (another broker holds it), corruption (neither slot is whole), io_error.
  [[nodiscard]] static Result<OutsideFile> open(const std::filesystem::path& path);
  /// The newest slot, for whoever only looks on: takes no lock and writes nothing, so it may run beside a broker.
  /// Errors: not_found, corruption, io_error.
  [[nodiscard]] static Result<audit::OutsideSlot> read(const std::filesystem::path& path);
  OutsideFile(OutsideFile&& other) noexcept;
  OutsideFile& operator=(OutsideFile&&) = delete;
  ~OutsideFile();

  [[nodiscard]] const audit::OutsideSlot& newest() const { return newest_; }
  /// Overwrites the older slot; durable when it returns. A file that was removed is made anew and this is logged: what
  /// was published is known here, and to nobody after a stop. Errors: over_limit, io_error (cut, or another file stands
  /// in its place): the newer slot still stands.
  [[nodiscard]] Result<void> write(const std::string& note);

 private:
  OutsideFile(std::filesystem::path path, int fd, audit::OutsideSlot newest)
      : path_(std::move(path)), fd_(fd), newest_(std::move(newest)) {}
  /// With this slot alone, durable and locked.
  [[nodiscard]] static Result<int> make(const std::filesystem::path& path, const audit::OutsideSlot& only);
  std::filesystem::path path_;
  int fd_ = -1;
  audit::OutsideSlot newest_;
};

/// Start-up's demand (P10): the stored tree has at least the outside checkpoint's size, and its root there.
/// Errors: corruption (the outside checkpoint is not this log's), conflict (rolled back, or another history), and
/// those of `root_at`.
[[nodiscard]] Result<void> demand_extension(const audit::OutsideSlot& outside, const audit::VerifierKey& log_key,
                                            TreeSize stored, const std::function<Result<Digest>(TreeSize)>& root_at);

}  // namespace pli::broker
