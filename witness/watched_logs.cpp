#include "witness/watched_logs.hpp"

#include <algorithm>

#include "audit/shard_name.hpp"
#include "audit/text_lines.hpp"

namespace pli::witness {
namespace {

constexpr std::string_view one_origin = "log ";
constexpr std::string_view every_shard = "log-key ";

}  // namespace

Result<WatchedLogs::Line> WatchedLogs::parse_line(std::string_view line) {
  const Error malformed{Errc::invalid_input, "neither `log <vkey>` nor `log-key <log name> <hex key>`"};
  if (audit::take_prefix(line, one_origin)) {
    auto key = audit::parse_verifier_key(line);
    if (!key) return key.error();
    if (key->type != audit::KeyType::ed25519) return Error{Errc::invalid_input, "a witness's key, not a log's"};
    return Line{false, *std::move(key)};
  }
  if (!audit::take_prefix(line, every_shard)) return malformed;
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return malformed;
  const std::string_view name = line.substr(0, space);
  const auto bytes = from_hex(line.substr(space + 1));
  const auto key = bytes ? to_array<32>(*bytes) : std::nullopt;
  if (!audit::is_key_name(name) || !key) return malformed;
  return Line{true, {std::string(name), audit::KeyType::ed25519, crypto::SignPublic{*key}}};
}

Result<WatchedLogs> WatchedLogs::parse(std::string_view text) {
  if (text.size() > logs_bytes_max) return Error{Errc::over_limit, "the list of logs is too long"};
  WatchedLogs out;
  std::size_t number = 1;
  const auto wrong = [&](Errc code, const std::string& why) {
    return Error{code, "logs, line " + std::to_string(number) + ": " + why};
  };
  for (auto line = audit::take_line(text); line; line = audit::take_line(text), ++number) {
    if (line->empty() || line->front() == '#') continue;
    auto read = parse_line(*line);
    if (!read) return wrong(read.error().code, read.error().detail);
    if (std::find(out.lines_.begin(), out.lines_.end(), *read) != out.lines_.end())
      return wrong(Errc::invalid_input, "a line that stands above already");
    if (out.lines_.size() == watched_logs_max) return wrong(Errc::over_limit, "too many logs");
    out.lines_.push_back(*std::move(read));
  }
  if (!text.empty()) return wrong(Errc::invalid_input, "no line end");
  return out;
}

std::vector<audit::VerifierKey> WatchedLogs::keys_of(std::string_view origin) const {
  std::vector<audit::VerifierKey> keys;
  for (const Line& line : lines_) {
    if (line.every_shard ? audit::log_of_shard(origin) != line.key.name : line.key.name != origin) continue;
    audit::VerifierKey key{std::string(origin), audit::KeyType::ed25519, line.key.key};
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(std::move(key));
  }
  return keys;
}

std::string log_line(const audit::VerifierKey& log) { return std::string(one_origin) + audit::to_text(log) + '\n'; }

std::string log_key_line(std::string_view log_name, const crypto::SignPublic& key) {
  return std::string(every_shard) + std::string(log_name) + ' ' + to_hex(key.bytes) + '\n';
}

}  // namespace pli::witness
