#include "verify/folder.hpp"

#include <cstdio>
#include <memory>

#include "base/file.hpp"

namespace pli::verify {
namespace {

namespace fs = std::filesystem;

/// The first `width` entries of a full bundle.
Result<Bytes> cut_bundle(ByteView full, std::size_t width) {
  ByteReader reader(full);
  for (std::size_t i = 0; i < width; ++i) (void)reader.bytes16();
  if (!reader.ok()) return Error{Errc::invalid_input, "malformed entry bundle"};
  return to_bytes(full.first(full.size() - reader.rest().size()));
}

}  // namespace

Outcome<Bytes> read_named(const std::string& path, std::size_t bytes_max) {
  auto bytes = read_file(path, bytes_max);
  if (bytes) return *std::move(bytes);
  const bool too_long = bytes.error().code == Errc::over_limit;
  return Refusal{too_long ? Exit::failed : Exit::local, "file " + quoted_name(path), bytes.error().detail};
}

Outcome<Folder> Folder::open(const std::string& path) {
  std::error_code problem;
  if (!fs::is_directory(path, problem)) return Refusal{Exit::local, "folder " + quoted_name(path), "not a folder"};
  return Folder(path);
}

Outcome<Bytes> Folder::read(std::string_view name, std::size_t bytes_max) const {
  auto bytes = read_file(path_ / name, bytes_max);
  if (!bytes) return refuse(std::string(name), bytes.error());
  return *std::move(bytes);
}

audit::TileReader Folder::tiles() const {
  return [path = path_](const audit::TileId& tile) -> Result<Bytes> {
    auto bytes = read_file(path / to_path(tile), audit::tile_bytes_max);
    if (bytes || bytes.error().code != Errc::not_found || tile.width == audit::tile_width) return bytes;
    auto full =
        read_file(path / to_path(audit::TileId{tile.level, tile.index, audit::tile_width}), audit::tile_bytes_max);
    if (full && full->size() == audit::tile_bytes_max) full->resize(tile.width * sizeof(Digest));
    return full;
  };
}

audit::BundleReader Folder::bundles() const {
  return [path = path_](const audit::BundleId& bundle) -> Result<Bytes> {
    auto bytes = read_file(path / to_path(bundle), audit::bundle_bytes_max);
    if (bytes || bytes.error().code != Errc::not_found || bundle.width == audit::tile_width) return bytes;
    auto full = read_file(path / to_path(audit::BundleId{bundle.index, audit::tile_width}), audit::bundle_bytes_max);
    if (!full) return full;
    return cut_bundle(*full, bundle.width);
  };
}

bool Folder::has(const audit::BundleId& bundle) const {
  std::error_code problem;
  return fs::exists(path_ / to_path(bundle), problem) ||
         fs::exists(path_ / to_path(audit::BundleId{bundle.index, audit::tile_width}), problem);
}

bool Folder::has(std::string_view name) const {
  std::error_code problem;
  return fs::exists(path_ / name, problem);
}

Outcome<audit::ByteSource> Folder::stream(std::string_view name) const {
  const std::shared_ptr<std::FILE> file(std::fopen((path_ / name).c_str(), "rb"),
                                        [](std::FILE* open) { return open == nullptr ? 0 : std::fclose(open); });
  if (!file) {
    std::error_code problem;
    const bool there = fs::exists(path_ / name, problem);
    return Refusal{there ? Exit::local : Exit::failed, std::string(name), there ? "cannot be opened" : "no such file"};
  }
  return audit::ByteSource([file](std::span<std::uint8_t> out) -> Result<std::size_t> {
    const std::size_t got = std::fread(out.data(), 1, out.size(), file.get());
    if (got < out.size() && std::ferror(file.get()) != 0) return Error{Errc::io_error, "read"};
    return got;
  });
}

}  // namespace pli::verify
