// What people and scripts see: tables and sentences, or one JSON object a line. Nothing a peer wrote reaches a terminal
// without passing protocol::printable.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "client/command/sitting.hpp"
#include "client/failure.hpp"
#include "client/inbox.hpp"
#include "protocol/exchange.hpp"

namespace pli::client::command {

/// One flat JSON object, in the order written. Strings must be UTF-8; others are made printable first.
class JsonObject {
 public:
  JsonObject();
  ~JsonObject();
  JsonObject(JsonObject&&) noexcept;
  JsonObject& operator=(JsonObject&&) noexcept;
  JsonObject& text(std::string_view name, std::string_view value);
  JsonObject& number(std::string_view name, std::int64_t value);
  JsonObject& boolean(std::string_view name, bool value);
  JsonObject& texts(std::string_view name, const std::vector<std::string>& values);
  JsonObject& raw(std::string_view name, std::string_view json);  ///< a value that is JSON already
  JsonObject& null(std::string_view name);
  void print() const;  ///< one line on standard output

 private:
  struct Value;
  std::unique_ptr<Value> value_;
};

void say(std::string_view line);   ///< one line on standard output
void warn(std::string_view line);  ///< one line on standard error

/// Cause and next step, in the verb's language, on standard error (or as JSON on standard output); its exit code. What
/// only a developer reads (Failure::detail) is shown with --json and --debug.
[[nodiscard]] int report(const Sitting& sitting, const Failure& failure,
                         protocol::Language language = protocol::Language::french);
/// The same in words of the caller's, where the catalogue speaks to somebody else.
[[nodiscard]] int report_in_words(const Sitting& sitting, const Failure& failure, const protocol::Explanation& words);
/// The same for a named file that did not read as it must: file_missing where it is not there, else `otherwise`.
[[nodiscard]] int report_file(const Sitting& sitting, const std::filesystem::path& file, const Error& error,
                              protocol::LocalCode otherwise, protocol::Language language = protocol::Language::french);
/// A command line that cannot be obeyed, in the words given; exit code 2.
[[nodiscard]] int usage_error(const Sitting& sitting, std::string_view words,
                              protocol::Language language = protocol::Language::french);

/// What the broker did wrong, each time until `pli ack --alarms`, which is named; the worst exit code, 0 without any.
[[nodiscard]] int report_alarms_seen(const Sitting& sitting, const std::vector<Failure>& alarms);

enum class Answer { yes, no, nobody };  ///< nobody: no terminal to ask on
/// Asks on the terminal; only "o", "oui", "y" or "yes" is a yes.
[[nodiscard]] Answer confirm(std::string_view question);
/// A text given as a word, or as "-" to be read from standard input, where other users' `ps` does not see it.
/// Errors: io_error, over_limit.
[[nodiscard]] Result<std::string> text_or_input(const std::string& word, std::size_t bytes_max);

struct Column {
  std::string title;
  std::size_t width_min = 0;
};
/// Columns as wide as they need; nothing when there is no row.
void print_table(const std::vector<Column>& columns, const std::vector<std::vector<std::string>>& rows);

[[nodiscard]] std::string short_id(const Digest& id);     ///< first 8 hex digits
[[nodiscard]] std::string paris_minute(UnixMillis time);  ///< "23/11/2026 21:17", in Paris whatever the machine's zone
[[nodiscard]] std::string iso_time(UnixMillis time);      ///< "2026-11-23T20:17:03.412Z"

/// "90", "90s", "10m", "24h", "5d": how long. Nothing for anything else, or beyond ten years.
[[nodiscard]] std::optional<std::chrono::milliseconds> duration_of(std::string_view text);
/// "3 min", "26 h", "12 j": how long ago, for people.
[[nodiscard]] std::string french_duration(std::chrono::milliseconds duration);

/// The one among `candidates` that begins with `prefix` (8 to 64 hex digits). Errors: not_found as a refusal would say
/// it, id_malformed, id_ambiguous.
[[nodiscard]] Outcome<Digest> resolve_id(std::string_view prefix, const std::vector<Digest>& candidates);
/// Ids this profile knows: received headers, their cases, outbox.
[[nodiscard]] Outcome<std::vector<Digest>> known_ids(const Profile& profile);
/// What has to be said behind a sender's name; nothing when its key was in force.
[[nodiscard]] const char* french(SenderStatus status);
/// What it is, in French. An access part is named by what it leads to: `pli open` takes its number for that.
[[nodiscard]] std::string nature(const InboxItem& item, const Profile& profile);
/// Who signed, as far as the directory proves it.
[[nodiscard]] std::string sender_text(const InboxItem& item);

/// A bar on standard error when a terminal looks on; silent otherwise.
class ProgressBar {
 public:
  explicit ProgressBar(std::string label);
  ~ProgressBar();
  void show(std::uint64_t done, std::uint64_t total);

 private:
  std::string label_;
  bool visible_;
  int last_percent_ = -1;
};

[[nodiscard]] JsonObject to_json(const InboxItem& item);

}  // namespace pli::client::command
