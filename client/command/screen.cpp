#include "client/command/screen.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/paris_time.hpp"
#include "client/client_store.hpp"
#include "client/outbox.hpp"
#include "protocol/printable.hpp"
#include "protocol/retention.hpp"

namespace pli::client::command {
namespace {

std::string utc_second(UnixMillis time) {
  const auto seconds = static_cast<std::time_t>(time.value / 1000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 64> buffer{};
  return {buffer.data(), std::strftime(buffer.data(), buffer.size(), "%Y-%m-%dT%H:%M:%S", &parts)};
}

/// Columns a terminal gives a text: characters, not bytes.
std::size_t width_of(std::string_view text) { return protocol::count_characters(text).value_or(text.size()); }

}  // namespace

struct JsonObject::Value {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
};
JsonObject::JsonObject() : value_(std::make_unique<Value>()) {}
JsonObject::~JsonObject() = default;
JsonObject::JsonObject(JsonObject&&) noexcept = default;
JsonObject& JsonObject::operator=(JsonObject&&) noexcept = default;
JsonObject& JsonObject::text(std::string_view name, std::string_view value) {
  value_->json[std::string(name)] = protocol::printable(value, protocol::Newlines::keep);
  return *this;
}
JsonObject& JsonObject::number(std::string_view name, std::int64_t value) {
  value_->json[std::string(name)] = value;
  return *this;
}
JsonObject& JsonObject::boolean(std::string_view name, bool value) {
  value_->json[std::string(name)] = value;
  return *this;
}
JsonObject& JsonObject::texts(std::string_view name, const std::vector<std::string>& values) {
  auto list = nlohmann::ordered_json::array();
  for (const std::string& value : values) list.push_back(protocol::printable(value));
  value_->json[std::string(name)] = std::move(list);
  return *this;
}
JsonObject& JsonObject::raw(std::string_view name, std::string_view json) {
  auto parsed = nlohmann::ordered_json::parse(json, nullptr, false);
  value_->json[std::string(name)] = parsed.is_discarded() ? nlohmann::ordered_json() : std::move(parsed);
  return *this;
}
JsonObject& JsonObject::null(std::string_view name) {
  value_->json[std::string(name)] = nullptr;
  return *this;
}
void JsonObject::print() const {
  say(value_->json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

void say(std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

void warn(std::string_view line) {
  std::fflush(stdout);
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fputc('\n', stderr);
}

namespace {

constexpr std::string_view acknowledge_step = "Une fois l'alerte lue : pli ack --alarms";

/// How evidence of two notes is verified by somebody else, and what it can show.
void say_how_to_verify(const Sitting& sitting, const Failure& failure, bool french) {
  const auto key = sitting.log_key();
  const std::string command = "pli-verify evidence " + failure.evidence.string() + " --log-key " +
                              (key      ? to_hex(key->bytes)
                               : french ? "CLÉ"
                                        : "KEY");
  warn((french ? "  Les deux notes se vérifient sans ce poste ni le serveur : "
               : "  Both notes verify without this machine or the broker: ") +
       command);
  warn(french
           ? "  Elles prouvent seules une fourche si leurs arbres sont de même taille (code de sortie 0) ; sinon (1), "
             "elles prouvent ce que le journal a signé, et ce poste est témoin de l'ordre."
           : "  They prove a fork by themselves if their trees are of one size (exit code 0); else (1) they prove what "
             "the log signed, and this machine is the witness of the order.");
}

int print_failure(const Sitting& sitting, const Failure& failure, protocol::Language language, const std::string& file,
                  const protocol::Explanation& words) {
  bool french = language == protocol::Language::french;
  if (sitting.json()) {
    JsonObject out;
    out.text("error", code_text(failure)).text("cause", words.cause).text("next_step", words.next_step);
    if (!file.empty()) out.text("file", file);
    if (!failure.detail.empty()) out.text("detail", failure.detail);
    if (!failure.evidence.empty()) out.text("evidence", failure.evidence.string());
    out.print();
  } else {
    warn((french ? "Erreur : " : "Error: ") + words.cause + " [" + code_text(failure) + "]");
    if (!file.empty()) warn((french ? "  Fichier : " : "  File: ") + protocol::printable(file));
    if (!words.next_step.empty()) warn("  → " + words.next_step);
    if (sitting.debug() && !failure.detail.empty())
      warn((french ? "  Précision technique : " : "  Detail: ") + failure.detail);
    if (!failure.evidence.empty()) {
      warn((french ? "  Preuve conservée dans : " : "  Evidence kept in: ") + failure.evidence.string());
      if (is(failure, protocol::LocalCode::log_forked) || is(failure, protocol::LocalCode::log_shrunk))
        say_how_to_verify(sitting, failure, french);
    }
  }
  return static_cast<int>(exit_class(failure));
}

int print_failure(const Sitting& sitting, const Failure& failure, protocol::Language language,
                  const std::string& file) {
  protocol::Explanation words = explain(failure, language);
  // Authorities and operators are told in our own English words what the catalogue can only name.
  if (language == protocol::Language::english && is(failure, protocol::LocalCode::usage) && !failure.detail.empty())
    words = {failure.detail, ""};
  return print_failure(sitting, failure, language, file, words);
}

}  // namespace

int report_in_words(const Sitting& sitting, const Failure& failure, const protocol::Explanation& words) {
  return print_failure(sitting, failure, protocol::Language::french, {}, words);
}

int report(const Sitting& sitting, const Failure& failure, protocol::Language language) {
  // Of these two the detail is the file's name, which everybody is to see.
  bool names_file =
      is(failure, protocol::LocalCode::file_missing) || is(failure, protocol::LocalCode::passphrase_file_open);
  return print_failure(sitting, failure, language, names_file ? failure.detail : std::string());
}

int report_file(const Sitting& sitting, const std::filesystem::path& file, const Error& error,
                protocol::LocalCode otherwise, protocol::Language language) {
  bool missing = error.code == Errc::not_found || error.code == Errc::io_error;
  return print_failure(sitting, local(missing ? protocol::LocalCode::file_missing : otherwise, error), language,
                       file.string());
}

int report_alarms_seen(const Sitting& sitting, const std::vector<Failure>& alarms) {
  int code = 0;
  const auto each = [&](const Failure& alarm) {
    protocol::Explanation words = explain(alarm, protocol::Language::french);
    if (sitting.json()) words.next_step += (words.next_step.empty() ? "" : " ") + std::string(acknowledge_step);
    return report_in_words(sitting, alarm, words);
  };
  for (const Failure& alarm : alarms) code = std::max(code, each(alarm));
  if (code != 0 && !sitting.json()) warn("Les auditeurs en sont informés. " + std::string(acknowledge_step));
  return code;
}

int usage_error(const Sitting& sitting, std::string_view words, protocol::Language language) {
  if (sitting.json())
    JsonObject().text("error", "usage").text("cause", words).print();
  else
    warn((language == protocol::Language::french ? "Erreur : " : "Error: ") + std::string(words));
  return static_cast<int>(ExitClass::usage);
}

Answer confirm(std::string_view question) {
  if (::isatty(STDIN_FILENO) != 1) return Answer::nobody;
  std::fflush(stdout);
  std::fwrite(question.data(), 1, question.size(), stderr);
  std::array<char, 16> line{};
  if (std::fgets(line.data(), line.size(), stdin) == nullptr) return Answer::no;
  std::string answer(line.data());
  while (!answer.empty() && (answer.back() == '\n' || answer.back() == '\r' || answer.back() == ' ')) answer.pop_back();
  std::transform(answer.begin(), answer.end(), answer.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return answer == "o" || answer == "oui" || answer == "y" || answer == "yes" ? Answer::yes : Answer::no;
}

Result<std::string> text_or_input(const std::string& word, std::size_t bytes_max) {
  if (word != "-") return word;
  std::string out;
  std::array<char, 512> block{};
  for (;;) {
    ssize_t got = ::read(STDIN_FILENO, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error{Errc::io_error, "standard input"};
    if (got == 0) break;
    out.append(block.data(), static_cast<std::size_t>(got));
    if (out.size() > bytes_max + 2) return Error{Errc::over_limit, "standard input is too long"};
  }
  while (!out.empty() && (out.back() == '\n' || out.back() == '\r')) out.pop_back();
  return out;
}

void print_table(const std::vector<Column>& columns, const std::vector<std::vector<std::string>>& rows) {
  if (rows.empty()) return;
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    std::size_t width = std::max(columns[c].width_min, width_of(columns[c].title));
    for (const auto& row : rows) width = std::max(width, width_of(row[c]));
    widths.push_back(width);
  }
  auto print = [&](const auto& cell_of) {
    std::string line;
    for (std::size_t c = 0; c < columns.size(); ++c) {
      std::string cell = cell_of(c);
      line += cell;
      if (c + 1 < columns.size()) line.append(widths[c] - std::min(widths[c], width_of(cell)) + 2, ' ');
    }
    say(line);
  };
  print([&](std::size_t c) { return columns[c].title; });
  for (const auto& row : rows) print([&](std::size_t c) { return row[c]; });
}

std::optional<std::chrono::milliseconds> duration_of(std::string_view text) {
  constexpr std::int64_t seconds_max = 10LL * 366 * 24 * 3600;
  std::int64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || value < 0 || value > seconds_max) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  std::int64_t factor = 0;
  if (unit.empty() || unit == "s") factor = 1;
  if (unit == "m") factor = 60;
  if (unit == "h") factor = 3600;
  if (unit == "d") factor = 24 * 3600;
  if (factor == 0 || value * factor > seconds_max) return std::nullopt;
  return std::chrono::seconds(value * factor);
}

std::string french_duration(std::chrono::milliseconds duration) {
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(duration).count();
  if (minutes < 120) return std::to_string(minutes) + " min";
  if (minutes < 48 * 60) return std::to_string(minutes / 60) + " h";
  return std::to_string(minutes / (24 * 60)) + " j";
}

std::string short_id(const Digest& id) { return to_hex(ByteView(id).first(4)); }
std::string paris_minute(UnixMillis time) {
  const std::string whole = french_time(time);
  return whole.substr(0, whole.rfind(':'));
}
std::string iso_time(UnixMillis time) {
  std::array<char, 8> millis{};
  std::snprintf(millis.data(), millis.size(), ".%03dZ", static_cast<int>(time.value % 1000));
  return utc_second(time) + millis.data();
}

Outcome<Digest> resolve_id(std::string_view prefix, const std::vector<Digest>& candidates) {
  constexpr std::size_t prefix_digits_min = 8;
  bool hex = std::all_of(prefix.begin(), prefix.end(),
                         [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (!hex || prefix.size() < prefix_digits_min || prefix.size() > 64)
    return Failure(protocol::LocalCode::id_malformed, "");
  if (prefix.size() == 64) return *to_array<32>(*from_hex(prefix));
  std::optional<Digest> found;
  for (const Digest& candidate : candidates) {
    if (to_hex(candidate).compare(0, prefix.size(), prefix) != 0 || found == candidate) continue;
    if (found) return Failure(protocol::LocalCode::id_ambiguous, "");
    found = candidate;
  }
  if (!found) return Failure(protocol::Refusal{protocol::Code::not_found, "", 0});
  return *found;
}

Outcome<std::vector<Digest>> known_ids(const Profile& profile) {
  std::vector<Digest> out;
  auto items = received(profile);
  if (!items) return items.error();
  for (const InboxItem& item : *items) {
    out.push_back(item.exchange);
    if (item.visible && item.address.case_id != Digest{}) out.push_back(item.address.case_id);
    // What came through an access part stands in no queue of ours, and is opened by its own number as well.
    if (item.visible && item.address.kind == static_cast<std::uint16_t>(protocol::Kind::acces))
      out.push_back(item.address.in_reply_to);
  }
  auto sent = profile.store().outbox();
  if (!sent) return local(protocol::LocalCode::local_store, sent.error());
  for (const OutboxItem& item : *sent)
    if (item.exchange) out.push_back(*item.exchange);
  return out;
}

const char* french(SenderStatus status) {
  switch (status) {
    case SenderStatus::unproven: return " (non prouvé)";
    case SenderStatus::current: return "";
    case SenderStatus::former_key: return " (clé remplacée depuis)";
    case SenderStatus::expired: return " (hors de sa période de validité)";
    case SenderStatus::revoked: return " (révoqué à cette date)";
    case SenderStatus::vouched: return " (attesté par qui l'a transmis)";
  }
  return " (non prouvé)";
}

std::string nature(const InboxItem& item, const Profile& profile) {
  const auto* row = protocol::row_of_number(item.address.kind);
  if (row == nullptr) return "?";
  if (row->kind != protocol::Kind::acces) return std::string(row->french);
  if (protocol::is_party_queue(item.queue)) return "Information nominative, remise en personne";
  const auto original = find_received(profile, item.address.in_reply_to);
  const bool here = original && *original && (*original)->queue == item.queue;
  return here ? std::string(row->french) : "Envoi transmis avec le dossier";
}

std::string sender_text(const InboxItem& item) { return item.address.sender + french(item.sender_status); }

ProgressBar::ProgressBar(std::string label) : label_(std::move(label)), visible_(::isatty(STDERR_FILENO) == 1) {}
ProgressBar::~ProgressBar() {
  if (visible_ && last_percent_ >= 0) std::fputs("\r\033[K", stderr);
}
void ProgressBar::show(std::uint64_t done, std::uint64_t total) {
  if (!visible_ || total == 0) return;
  int percent = static_cast<int>(std::min(done, total) * 100 / total);
  if (percent == last_percent_) return;
  last_percent_ = percent;
  std::string bar(static_cast<std::size_t>(percent) / 4, '#');
  bar.resize(25, '.');
  std::fprintf(stderr, "\r%s [%s] %3d %%", label_.c_str(), bar.c_str(), percent);
  std::fflush(stderr);
}

JsonObject to_json(const InboxItem& item) {
  JsonObject out;
  out.text("queue", item.queue).number("number", static_cast<std::int64_t>(item.head.number.value));
  out.text("exchange", to_hex(item.exchange)).boolean("visible", item.visible);
  if (item.visible) {
    const auto* row = protocol::row_of_number(item.address.kind);
    out.text("kind", row != nullptr ? row->name : "?").text("sender", item.address.sender);
    out.boolean("sender_proven", item.sender_proven).text("sender_status", text_of(item.sender_status));
    bool opens = item.address.case_id == Digest{};
    out.text("case", to_hex(opens ? item.exchange : item.address.case_id));
    if (item.address.in_reply_to != Digest{}) out.text("reply_to", to_hex(item.address.in_reply_to));
    out.text("urgency", protocol::text_of(static_cast<protocol::Urgency>(item.address.urgency)));
    out.text("created_at", iso_time(item.address.created_at)).text("accepted_at", iso_time(item.accepted_at));
  }
  if (!item.visible) out.text("hidden", text_of(item.hidden));
  if (item.superseded) out.boolean("superseded", true);
  out.boolean("opened", item.opened).boolean("acknowledged", item.acknowledged);
  return out;
}

}  // namespace pli::client::command
