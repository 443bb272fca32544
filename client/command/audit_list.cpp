#include <algorithm>

#include "client/command/audit_verbs.hpp"
#include "client/command/screen.hpp"
#include "client/command/sitting.hpp"
#include "client/motif_note.hpp"
#include "client/record_filter.hpp"
#include "protocol/printable.hpp"
#include "protocol/vocabulary.hpp"

namespace pli::client::command {
namespace {

/// Columns of a spreadsheet: every field that is text or an id, under its name in the journal.
constexpr std::string_view csv_fields[] = {
    "actor", "person", "role",    "organisation", "act",       "exchange", "case",  "reply_to", "queue",  "kind",
    "motif", "code",   "outcome", "rule",         "directory", "number",   "range", "count",    "member", "recipients"};

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

/// What was typed, as a filter; or what is wrong with it.
class FilterReader {
 public:
  [[nodiscard]] const std::string& wrong() const { return wrong_; }

  RecordFilter read(const ListOptions& typed) {
    RecordFilter filter;
    std::string act;
    closed("--act", typed.act, act_names(), act);
    if (!act.empty()) filter.type = audit::leaf_type_of(act);
    closed("--role", typed.role, role_names(), filter.role);
    closed("--nature", typed.kind, kind_names(), filter.kind);
    closed("--motif", typed.motif, motif_names(), filter.motif);
    closed("--outcome", typed.outcome, outcome_names(), filter.outcome);
    id("--exchange", typed.exchange, filter.exchange);
    id("--case", typed.case_id, filter.case_id);
    token("--member", typed.member, filter.member);
    token("--person", typed.person, filter.person);
    token("--organisation", typed.organisation, filter.organisation);
    token("--rule", typed.rule, filter.rule);
    filter.queue = trimmed(typed.queue);
    if (!filter.queue.empty() && !protocol::queue_kind_of(filter.queue))
      say_wrong("--instance attend une file : ged/89, clir/89, cpraf/89, org/…, person/…, audit/89");
    std::string period_wrong;
    const auto period = typed_period(typed.from, typed.to, period_wrong);
    if (!period) {
      say_wrong(period_wrong);
    } else {
      if (period->from) filter.not_before = paris_midnight(*period->from);
      if (period->to) filter.before = paris_midnight(*period->to + std::chrono::days(1));
    }
    return filter;
  }

 private:
  static std::string trimmed(const std::string& typed) {
    std::string out;
    for (char c : typed)
      if (c != ' ' && c != '\t') out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return out;
  }
  void say_wrong(std::string words) {
    if (wrong_.empty()) wrong_ = std::move(words);
  }
  void closed(const char* option, const std::string& typed, const std::vector<std::string>& list, std::string& out) {
    if (typed.empty()) return;
    if (const auto name = name_in(list, typed))
      out = *name;
    else
      say_wrong(std::string(option) + " attend l'un de : " + joined(list));
  }
  void id(const char* option, const std::string& typed, std::string& out) {
    if (typed.empty()) return;
    if (const auto digits = typed_id(typed))
      out = *digits;
    else
      say_wrong(std::string(option) + " attend un numéro ou son début : des chiffres et des lettres de a à f");
  }
  void token(const char* option, const std::string& typed, std::string& out) {
    out = trimmed(typed);
    if (!out.empty() && !protocol::is_token(out))
      say_wrong(std::string(option) + " attend un identifiant, tel que l'annuaire l'écrit");
  }
  std::string wrong_;
};

std::string note_cell(const AuditedRecord& record, const Keys& keys) {
  const Bytes* sealed = record.record.find("note");
  if (sealed == nullptr) return "";
  const MotifNote note = open_motif_note(*sealed, keys);
  return note.state == NoteState::opened ? protocol::printable(note.text) : "(" + std::string(french(note.state)) + ")";
}

void print_json(const AuditedRecord& record, const Keys* keys) {
  JsonObject out;
  out.number("leaf", static_cast<std::int64_t>(record.index.value))
      .text("shard", record.shard)
      .text("act", audit::text_of(record.leaf.type));
  out.text("time", iso_time(record.leaf.time)).boolean("proven", false);
  out.boolean("erased", record.record.fields.empty());
  for (const auto& field : record.record.fields)
    if (field.opening)
      out.text("field_" + field.opening->field.name, shown_value(record.record, field.opening->field.name));
  if (const Bytes* sealed = record.record.find("note"); sealed != nullptr && keys != nullptr) {
    const MotifNote note = open_motif_note(*sealed, *keys);
    out.text("note_state", text_of(note.state));
    if (note.state == NoteState::opened) out.text("note", note.text);
  }
  out.print();
}

void print_csv_title(bool notes) {
  std::vector<std::string> cells{"shard", "leaf", "time", "type"};
  for (std::string_view field : csv_fields) cells.emplace_back(field);
  if (notes) cells.emplace_back("note");
  const std::string line = csv_line(cells);
  std::fwrite(line.data(), 1, line.size(), stdout);
}

void print_csv(const AuditedRecord& record, const Keys* keys) {
  std::vector<std::string> cells{record.shard, std::to_string(record.index.value), iso_time(record.leaf.time),
                                 std::string(audit::text_of(record.leaf.type))};
  for (std::string_view field : csv_fields) cells.push_back(protocol::printable(shown_value(record.record, field)));
  if (keys != nullptr) cells.push_back(note_cell(record, *keys));
  const std::string line = csv_line(cells);
  std::fwrite(line.data(), 1, line.size(), stdout);
}

std::vector<std::string> table_row(const AuditedRecord& record, bool many_shards, const Keys* keys) {
  const auto value = [&](std::string_view field) { return shown_value(record.record, field); };
  std::vector<std::string> row{place_text(record.index, many_shards ? record.shard : ""),
                               french_time(record.leaf.time),
                               std::string(audit::text_of(record.leaf.type)),
                               value("actor"),
                               value("role"),
                               value("exchange").substr(0, 8),
                               value("case").substr(0, 8),
                               value("queue"),
                               value("motif"),
                               record.record.fields.empty() ? "(effacé)" : value("outcome"),
                               value("rule")};
  if (keys != nullptr) row.push_back(note_cell(record, *keys));
  return row;
}

/// The name typed stands in no entry: most often it is mistyped.
std::string stranger_in(const RecordFilter& filter, const KnownDirectory& directory) {
  const auto members = directory.members();
  const auto any = [&](const auto& is_it) { return std::any_of(members.begin(), members.end(), is_it); };
  if (!filter.member.empty() && directory.member(filter.member) == nullptr) return filter.member;
  if (!filter.person.empty() && !any([&](const protocol::Member* m) { return m->person == filter.person; }))
    return filter.person;
  if (!filter.organisation.empty() &&
      !any([&](const protocol::Member* m) { return m->organisation == filter.organisation; }))
    return filter.organisation;
  if (!filter.queue.empty() && directory.queue(filter.queue) == nullptr) return filter.queue;
  return {};
}

}  // namespace

int audit_list(Sitting& sitting, const ListOptions& options) {
  if (options.csv && sitting.json()) return usage_error(sitting, "--csv et --json s'excluent");
  FilterReader reader;
  const RecordFilter filter = reader.read(options);
  if (!reader.wrong().empty()) return usage_error(sitting, reader.wrong());
  auto session = sitting.session();
  if (!session) return report_to_auditor(sitting, session.error());
  const Keys* keys = options.notes ? &(*session)->keys() : nullptr;
  auto chain = find_shards(**session);
  if (!chain) return report_to_auditor(sitting, chain.error());
  std::uint64_t size = 0;
  for (const ShardSpan& shard : chain->shards) size += shard.checkpoint.size().value;
  std::vector<std::vector<std::string>> rows;
  constexpr std::uint64_t page = 512;
  const bool many = chain->shards.size() > 1;
  std::uint64_t done = 0;
  std::uint64_t found = 0;
  if (options.csv) print_csv_title(options.notes);
  {
    ProgressBar bar("Lecture");
    for (const ShardSpan& shard : chain->shards) {
      const std::uint64_t end = shard.checkpoint.size().value;
      for (std::uint64_t next = 0; next < end;) {
        auto records = read_records(**session, LeafIndex{next}, std::min(page, end - next), shard.origin);
        if (!records) return report_to_auditor(sitting, records.error());
        if (records->empty()) break;
        for (const AuditedRecord& record : *records) {
          if (!filter.matches(record)) continue;
          ++found;
          if (sitting.json())
            print_json(record, keys);
          else if (options.csv)
            print_csv(record, keys);
          else
            rows.push_back(table_row(record, many, keys));
        }
        next += records->size();
        done += records->size();
        bar.show(done, size);
      }
    }
  }
  std::vector<Column> columns{{"Place"},   {"Date (Paris)"}, {"Acte"},  {"Qui"},   {"Rôle"}, {"Échange"},
                              {"Dossier"}, {"File"},         {"Motif"}, {"Issue"}, {"Règle"}};
  if (options.notes) columns.push_back({"Note du motif"});
  print_table(columns, rows);
  const bool people = !sitting.json() && !options.csv;
  if (people && found == 0) {
    const std::string stranger = stranger_in(filter, (*session)->directory());
    say("Aucun acte ne correspond, sur " + std::to_string(done) + " lus." +
        (stranger.empty() ? "" : " « " + protocol::printable(stranger) + " » ne figure pas dans l'annuaire."));
  } else if (people) {
    say(std::to_string(found) + (found == 1 ? " acte" : " actes") + " sur " + std::to_string(done) + " lus.");
  }
  if (!chain->findings.empty())
    warn("Cette liste n'a pas toutes les parties du journal, ou ce qui les relie ne tient pas : pli audit verify");
  if (done < size)
    return report_to_auditor(
        sitting, Failure(protocol::LocalCode::log_shrunk, "the records end before the size of the signed checkpoint"));
  if (people)
    warn(
        "Cette liste est ce que le serveur en dit : seul « pli audit verify » prouve qu'elle est entière, et « pli "
        "audit "
        "show » un acte.");
  return 0;
}

}  // namespace pli::client::command
