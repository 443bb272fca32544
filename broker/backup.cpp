#include "broker/backup.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <tuple>

#include "base/file.hpp"
#include "broker/owner.hpp"

namespace pli::broker {
namespace {

constexpr std::size_t last_backup_bytes_max = 256;
constexpr std::string_view first_line = "pli-backup/1\n";

std::filesystem::path last_backup_file(const Config& config) { return config.data_folder / "backup.last"; }

bool is_in(const std::filesystem::path& file, const std::filesystem::path& folder) {
  std::error_code problem;
  const auto inner = std::filesystem::weakly_canonical(file, problem);
  const auto outer = std::filesystem::weakly_canonical(folder, problem);
  return !problem && std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

/// "name <decimal>" LF; takes it off `text`.
template <class Number>
bool take_line(std::string_view& text, std::string_view name, Number& value) {
  if (text.substr(0, name.size()) != name || text.substr(name.size(), 1) != " ") return false;
  const char* from = text.data() + name.size() + 1;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(from, end, value);
  if (read.ec != std::errc() || read.ptr == end || *read.ptr != '\n' || value < 0) return false;
  text.remove_prefix(static_cast<std::size_t>(read.ptr + 1 - text.data()));
  return true;
}

}  // namespace

std::string time_stamp(UnixMillis time) {
  const std::time_t seconds = time.value / 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> out{};
  return {out.data(), std::strftime(out.data(), out.size(), "%Y%m%dT%H%M%SZ", &parts)};
}

std::string aside_prefix(const std::filesystem::path& database) { return database.string() + ".aside-"; }

std::vector<std::filesystem::path> asides_of(const std::filesystem::path& database) {
  std::vector<std::filesystem::path> out;
  const std::string prefix = aside_prefix(database.filename());
  std::error_code problem;
  for (std::filesystem::directory_iterator at(database.parent_path(), problem), end; !problem && at != end;
       at.increment(problem)) {
    const std::string name = at->path().filename().string();
    if (name.starts_with(prefix) && !name.ends_with("-wal") && !name.ends_with("-shm")) out.push_back(at->path());
  }
  // The count has no leading zeros: a longer name of one second is a later one.
  const auto stamp_end = prefix.size() + time_stamp({}).size();
  std::sort(out.begin(), out.end(), [&](const std::filesystem::path& a, const std::filesystem::path& b) {
    const std::string left = a.filename().string();
    const std::string right = b.filename().string();
    return std::tuple(left.substr(0, stamp_end), left.size(), left) <
           std::tuple(right.substr(0, stamp_end), right.size(), right);
  });
  return out;
}

Result<std::filesystem::path> backup_file(const std::filesystem::path& wanted, const Config& config, UnixMillis now) {
  std::error_code problem;
  const bool is_folder = std::filesystem::is_directory(wanted, problem);
  const auto file =
      std::filesystem::absolute(is_folder ? wanted / ("pli-" + time_stamp(now) + ".db") : wanted, problem);
  if (problem || !std::filesystem::is_directory(file.parent_path(), problem))
    return Error{Errc::not_found, file.parent_path().string() + " is no folder"};
  if (std::filesystem::exists(std::filesystem::symlink_status(file, problem)))
    return Error{Errc::conflict, file.string() + " is there already"};
  for (const auto& folder :
       {config.data_folder, config.key_folder, config.leases.parent_path(), config.leases_copy.parent_path(),
        config.outside_checkpoint.parent_path(), config.tiles_folder})
    if (!folder.empty() && is_in(file, folder))
      return Error{Errc::invalid_input, file.string() + " lies in " + folder.string()};
  return file;
}

std::string to_text(const LastBackup& backup) {
  return std::string(first_line) + "time " + std::to_string(backup.at.value) + "\nleaves " +
         std::to_string(backup.leaves) + "\n";
}

std::optional<LastBackup> parse_last_backup(std::string_view text) {
  LastBackup out;
  if (text.substr(0, first_line.size()) != first_line) return std::nullopt;
  text.remove_prefix(first_line.size());
  if (!take_line(text, "time", out.at.value) || !take_line(text, "leaves", out.leaves) || !text.empty())
    return std::nullopt;
  return out;
}

Result<void> remember_backup(const Config& config, const LastBackup& backup) {
  const auto file = last_backup_file(config);
  if (auto written = write_file_durably(file, as_bytes(to_text(backup)), FileMode::owner_only); !written)
    return written;
  return give_to_owner_of(config.data_folder, file);
}

std::optional<LastBackup> last_backup(const Config& config) {
  const auto bytes = read_file(last_backup_file(config), last_backup_bytes_max);
  return bytes ? parse_last_backup(as_text(*bytes)) : std::nullopt;
}

}  // namespace pli::broker
