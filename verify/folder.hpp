// Files: those named on the command line, and those of a folder laid out as C2SP tlog-tiles.
#pragma once

#include <filesystem>
#include <string>

#include "audit/export_folder.hpp"
#include "audit/tile.hpp"
#include "verify/report.hpp"

namespace pli::verify {

/// A file somebody named: missing, it is the caller's error. Errors: local; failed when it is longer than any.
[[nodiscard]] Outcome<Bytes> read_named(const std::string& path, std::size_t bytes_max);

class Folder {
 public:
  /// Errors: local when it is no folder.
  [[nodiscard]] static Outcome<Folder> open(const std::string& path);
  /// A file the folder must have. Errors: failed, local.
  [[nodiscard]] Outcome<Bytes> read(std::string_view name, std::size_t bytes_max) const;
  /// For audit/tile.hpp; what they read is checked there. A partial tile or bundle that is gone is cut from the full
  /// one that replaced it.
  [[nodiscard]] audit::TileReader tiles() const;
  [[nodiscard]] audit::BundleReader bundles() const;
  [[nodiscard]] bool has(const audit::BundleId& bundle) const;
  [[nodiscard]] bool has(std::string_view name) const;
  /// For audit/export_folder.hpp. Errors: failed, local.
  [[nodiscard]] Outcome<audit::ByteSource> stream(std::string_view name) const;

 private:
  explicit Folder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace pli::verify
