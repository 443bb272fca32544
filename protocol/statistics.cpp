#include "protocol/statistics.hpp"

#include <algorithm>
#include <chrono>
#include <set>
#include <vector>

#include "audit/text_lines.hpp"
#include "protocol/error_catalogue.hpp"
#include "protocol/vocabulary.hpp"

namespace pli::protocol {
namespace {

using audit::LeafType;

constexpr std::string_view first_line = "pli-statistics/1\n";
constexpr std::string_view statement_prefix = "statistics ";
constexpr std::uint32_t first_year = 1970;
constexpr std::uint32_t last_year = 9999;

/// Acts of the broker and of those who look after it. Their number is never said, so that the exact number of leaves is
/// no total of what is counted.
bool is_counted(LeafType type) {
  return type != LeafType::connexion && type != LeafType::verification && type != LeafType::registre;
}

/// "89" of "pli.example/pli/89/2026-1".
std::string_view departement_of(std::string_view origin) {
  const std::string_view log = origin.substr(0, std::min(origin.rfind('/'), origin.size()));
  const std::size_t slash = log.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : log.substr(slash + 1);
}

/// An instance of the département by its name; all other queues, which may be one commune's or one person's, only by
/// their kind.
std::string instance_of(std::string_view queue, std::string_view departement) {
  const auto kind = queue_kind_of(queue);
  if (!kind) return "-";
  const bool instance = *kind == QueueKind::ged || *kind == QueueKind::clir || *kind == QueueKind::cpraf;
  if (instance && queue_subject(queue) == departement) return std::string(queue);
  return std::string(text_of(*kind)) + "/*";
}

bool is_hidden(std::uint64_t count) { return count > 0 && count < statistics_shown_from; }
std::string shown(std::uint64_t count) { return is_hidden(count) ? "<5" : std::to_string(count); }

/// A sum of counts that stand in the text too.
struct Total {
  std::uint64_t count = 0;
  std::uint64_t parts = 0;
  std::uint64_t hidden_parts = 0;
  void add(std::uint64_t part) {
    count += part;
    ++parts;
    if (is_hidden(part)) ++hidden_parts;
  }
  /// Nothing may be taken away from it to find what is hidden; a sum of one is that one.
  [[nodiscard]] bool is_withheld() const { return parts > 1 && hidden_parts != 0; }
  [[nodiscard]] std::string text() const { return is_withheld() ? "~" : shown(count); }
};

template <class Record>
CountedFields fields_in(const Record& record) {
  const auto text = [&](std::string_view name) {
    const Bytes* value = record.find(name);
    return value == nullptr ? std::string_view() : as_text(*value);
  };
  return {text("act"), text("outcome"), text("queue"), text("kind"), text("motif")};
}

}  // namespace

std::string month_text(std::uint32_t month) {
  const std::string digits = std::to_string(month);
  return digits.substr(0, 4) + '-' + digits.substr(4);
}

std::optional<std::uint32_t> month_of_text(std::string_view text) {
  if (text.size() != 7 || text[4] != '-') return std::nullopt;
  const auto number = audit::parse_decimal(std::string(text.substr(0, 4)).append(text.substr(5)));
  if (!number || *number > UINT32_MAX || !is_month(static_cast<std::uint32_t>(*number))) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

bool is_month(std::uint32_t month) {
  return month / 100 >= first_year && month / 100 <= last_year && month % 100 >= 1 && month % 100 <= 12;
}

UnixMillis month_start(std::uint32_t month) {
  PLI_INVARIANT(is_month(month));
  const std::chrono::sys_days first(std::chrono::year(static_cast<int>(month / 100)) / std::chrono::month(month % 100) /
                                    std::chrono::day(1));
  return {std::chrono::milliseconds(first.time_since_epoch()).count()};
}

std::uint32_t month_before(std::uint32_t month) { return month % 100 == 1 ? month - 89 : month - 1; }
std::uint32_t month_after(std::uint32_t month) { return month % 100 == 12 ? month + 89 : month + 1; }

CountedFields counted_fields(const audit::Record& record) { return fields_in(record); }
CountedFields counted_fields(const audit::Disclosure& record) { return fields_in(record); }

MonthlyStatistics::MonthlyStatistics(std::string origin, std::uint32_t month, LeafIndex from)
    : origin_(std::move(origin)), month_(month), from_(from.value) {}

void MonthlyStatistics::count(std::string section, std::string instance, std::string_view name, LeafType type,
                              bool opens_case, bool returns) {
  Cell& cell = cells_[section + " " + instance + " " + std::string(name)];
  ++cell.count;
  cell.acts |= std::uint64_t{1} << static_cast<unsigned>(type);
  cell.opens_case = opens_case;
  cell.returns = returns;
  cell.instance = std::move(instance);
}

void MonthlyStatistics::add(LeafType type, const CountedFields* fields) {
  ++acts_[type];
  if (fields == nullptr) {
    ++erased_;
    return;
  }
  ++records_;
  if (fields->act == "input") return;
  std::string instance = instance_of(fields->queue, departement_of(origin_));
  if (fields->outcome != "ok") {
    const auto code = code_of(fields->outcome);
    return count("refused", std::move(instance), code ? text_of(*code) : "-", type, false, false);
  }
  if (fields->act == "open") {
    const auto motif = motif_of(fields->motif);
    return count("opened", std::move(instance), motif ? text_of(*motif) : "-", type, false, false);
  }
  if (fields->act != "submit") return;
  const auto kind = kind_of(fields->kind);
  const KindRow* row = kind ? row_of(*kind) : nullptr;
  count("accepted", std::move(instance), row != nullptr ? row->name : "-", type, row != nullptr && row->opens_case,
        kind == Kind::retour);
}

std::string MonthlyStatistics::text() const {
  std::map<LeafType, Total> acts;
  std::map<std::string, Total> totals;  // by their line without the count
  std::uint64_t hidden = 0;
  std::uint64_t said = 0;  // leaves that the printed counts account for, each once
  for (const auto& [line, cell] : cells_) {
    for (auto& [type, count] : acts_)
      if ((cell.acts >> static_cast<unsigned>(type) & 1U) != 0) acts[type].add(cell.count);
    if (cell.opens_case) totals["cases " + cell.instance].add(cell.count);
    if (line == "accepted " + cell.instance + " decision") totals["decisions " + cell.instance].add(cell.count);
    if (cell.returns) totals["returns"].add(cell.count);
    if (is_hidden(cell.count)) ++hidden;
  }
  std::set<std::string> lines;
  std::uint64_t hidden_acts = 0;
  std::set<LeafType> said_whole;
  for (const auto& [type, count] : acts_) {
    if (!is_counted(type)) continue;
    const std::string line = "act " + std::string(audit::text_of(type)) + " ";
    // Beyond its cells it counts what has none: erased records, input from nobody. So a hidden cell always bears on it.
    if (acts[type].hidden_parts != 0) {
      lines.insert(line + "~");
      continue;
    }
    lines.insert(line + shown(count));
    if (is_hidden(count)) {
      if (acts[type].parts == 0) ++hidden_acts;
      continue;
    }
    said += count;
    said_whole.insert(type);
  }
  for (const auto& [line, cell] : cells_) {
    lines.insert(line + " " + shown(cell.count));
    bool within = false;
    for (const LeafType type : said_whole) within = within || (cell.acts >> static_cast<unsigned>(type) & 1U) != 0;
    if (!within && !is_hidden(cell.count)) said += cell.count;
  }
  for (const auto& [line, total] : totals) lines.insert(line + " " + total.text());

  const std::uint64_t leaves = records_ + erased_;
  std::string out(first_line);
  out += "log " + origin_ + "\nmonth " + month_text(month_) + "\nleaves " + std::to_string(from_) + " " +
         std::to_string(from_ + leaves) + "\nrecords " + std::to_string(records_) + " erased " +
         std::to_string(erased_) + "\n";
  // Should so few leaves be left over that what is hidden could not each be anything from 1 to 4, nothing is said.
  hidden += hidden_acts;
  if (hidden != 0 && leaves - std::min(said, leaves) < hidden + statistics_shown_from - 2)
    return out + "counts withheld\n";
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

std::string to_text(const StatisticsStatement& statement) {
  return std::string(statement_prefix) + month_text(statement.month) + " " + std::to_string(statement.from.value) +
         " " + std::to_string(statement.to.value) + " " + to_hex(statement.text) +
         (statement.shard.empty() ? "" : " " + statement.shard);
}

Result<StatisticsStatement> parse_statistics_statement(std::string_view text) {
  const Error invalid{Errc::invalid_input, "statistics"};
  if (!audit::take_prefix(text, statement_prefix)) return invalid;
  std::vector<std::string_view> words;
  for (std::size_t space = text.find(' '); space != std::string_view::npos; space = text.find(' ')) {
    words.push_back(text.substr(0, space));
    text.remove_prefix(space + 1);
  }
  words.push_back(text);
  if (words.size() < 4 || words.size() > 5) return invalid;
  const auto month = month_of_text(words[0]);
  const auto from = audit::parse_decimal(words[1]);
  const auto to = audit::parse_decimal(words[2]);
  const auto hex = from_hex(words[3]);
  const auto digest = hex ? to_array<32>(*hex) : std::nullopt;
  if (!month || !from || !to || *from > *to || !digest) return invalid;
  const std::string_view shard = words.size() == 5 ? words[4] : std::string_view();
  const bool readable = std::all_of(shard.begin(), shard.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (!readable || (words.size() == 5 && shard.empty())) return invalid;
  return StatisticsStatement{*month, {*from}, {*to}, *digest, std::string(shard)};
}

}  // namespace pli::protocol
