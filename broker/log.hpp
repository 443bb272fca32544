// What the broker tells its operator: one JSON line for each event, written by a thread of its own.
// A line holds words of ours and numbers: the types below take nothing else, so no content, name, key or text a peer
// supplied can reach it by mistake. Nothing promises that a line survives a crash; what must survive is in the journal.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pli::broker {

/// A literal of ours: only something known when we are compiled becomes one.
class Word {
 public:
  template <std::size_t N>
  consteval Word(const char (&literal)[N]) : text_(literal, N - 1) {}  // NOLINT: implicit on purpose
  [[nodiscard]] std::string_view view() const { return text_; }

 private:
  std::string_view text_;
};

/// Text from the operator's own files or from this machine: a path, an endpoint, an Error's detail.
struct LocalText {
  std::string_view text;
};

struct LogField {
  LogField(Word key, Word value) : name(key), text(value.view()) {}
  LogField(Word key, LocalText value) : name(key), text(value.text) {}
  LogField(Word key, Errc value) : name(key), text(name_of(value)) {}
  LogField(Word key, std::uint64_t value) : name(key), number(value), is_number(true) {}
  Word name;
  std::string_view text;
  std::uint64_t number = 0;
  bool is_number = false;
};

enum class LogLevel { info, warning, error };

struct LogSettings {
  std::filesystem::path folder;  ///< "pli-broker.log" in it; empty: standard error
  bool quiet = false;            ///< warnings and errors only (tests)
};

/// Once for each program, before the first line; without it lines go nowhere. Errors: io_error.
[[nodiscard]] Result<void> open_log(const LogSettings& settings);
/// Writes what is waiting and ends the thread. Later lines go nowhere.
void close_log();

/// Never blocks: when a thousand lines wait, the oldest is lost. Any thread.
void log(LogLevel level, Word event, std::initializer_list<LogField> fields = {});

}  // namespace pli::broker
