#include "broker/log.hpp"

#include <spdlog/async.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <array>

#include "base/file.hpp"

namespace pli::broker {
namespace {

constexpr std::size_t lines_waiting_max = 1024;
constexpr std::size_t file_bytes_max = 16 * 1024 * 1024;
constexpr std::size_t files_max = 7;  // beside the one being written

struct Open {
  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::async_logger> logger;
};

// The one global of the broker: a log line may come from any depth, and carrying the seam there would be worse.
std::mutex guard;
Open open;

std::shared_ptr<spdlog::async_logger> logger() {
  std::lock_guard lock(guard);
  return open.logger;
}

void append_quoted(std::string& out, std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  out += '"';
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      out += "\\u00";
      out += hex[byte >> 4U];
      out += hex[byte & 15U];
    } else {
      out += c;
    }
  }
  out += '"';
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warning: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
  }
  return spdlog::level::err;
}

}  // namespace

Result<void> open_log(const LogSettings& settings) {
  try {
    spdlog::sink_ptr sink;
    if (settings.folder.empty()) {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
      if (auto made = create_private_folder(settings.folder); !made) return made.error();
      sink = std::make_shared<spdlog::sinks::rotating_file_sink_mt>((settings.folder / "pli-broker.log").string(),
                                                                    file_bytes_max, files_max);
    }
    sink->set_formatter(std::make_unique<spdlog::pattern_formatter>(
        R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})", spdlog::pattern_time_type::utc));
    auto pool = std::make_shared<spdlog::details::thread_pool>(lines_waiting_max, 1);
    auto made = std::make_shared<spdlog::async_logger>("pli", std::move(sink), pool,
                                                       spdlog::async_overflow_policy::overrun_oldest);
    made->set_level(settings.quiet ? spdlog::level::warn : spdlog::level::info);
    made->flush_on(spdlog::level::info);
    made->set_error_handler([](const std::string&) {});  // a full disk must not fill standard error too
    std::lock_guard lock(guard);
    open = {std::move(pool), std::move(made)};
    return {};
  } catch (const spdlog::spdlog_ex&) {
    return Error{Errc::io_error, "the log file cannot be written"};
  }
}

void close_log() {
  Open closing;
  {
    std::lock_guard lock(guard);
    std::swap(closing, open);
  }
  closing.logger.reset();
  closing.pool.reset();  // joins after the last line
}

void log(LogLevel level, Word event, std::initializer_list<LogField> fields) {
  auto sink = logger();
  if (!sink) return;
  std::string line = "\"event\":";
  append_quoted(line, event.view());
  for (const LogField& field : fields) {
    line += ',';
    append_quoted(line, field.name.view());
    line += ':';
    if (field.is_number)
      line += std::to_string(field.number);
    else
      append_quoted(line, field.text);
  }
  sink->log(spdlog_level(level), spdlog::string_view_t(line));
}

}  // namespace pli::broker
