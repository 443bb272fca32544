// pli audit list|verify|checkpoint: every access, never any content.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>

#include "client/auditor.hpp"
#include "client/command/program.hpp"
#include "client/command/screen.hpp"
#include "client/command/sitting.hpp"
#include "protocol/limits.hpp"
#include "protocol/printable.hpp"

namespace pli::client::command {
namespace {

struct Filter {
  std::string act, member, exchange, outcome;
  std::string from, to;  ///< days
};

std::optional<UnixMillis> day_of(const std::string& text) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  char rest = 0;
  if (std::sscanf(text.c_str(), "%4d-%2u-%2u%c", &year, &month, &day, &rest) != 3) return std::nullopt;
  std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month), std::chrono::day(day)};
  if (!date.ok()) return std::nullopt;
  return UnixMillis{
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::sys_days(date).time_since_epoch()).count()};
}

std::string text_field(const AuditedRecord& record, std::string_view name) {
  const Bytes* value = record.record.find(name);
  if (value == nullptr) return "";
  std::string text(as_text(*value));
  bool plain = std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
  return plain ? text : to_hex(*value);
}

bool matches(const AuditedRecord& record, const Filter& filter, std::optional<UnixMillis> from,
             std::optional<UnixMillis> to) {
  auto differs = [](const std::string& wanted, const std::string& found) { return !wanted.empty() && wanted != found; };
  if (differs(filter.act, std::string(audit::text_of(record.leaf.type)))) return false;
  if (differs(filter.member, text_field(record, "actor"))) return false;
  if (differs(filter.outcome, text_field(record, "outcome"))) return false;
  if (!filter.exchange.empty() && text_field(record, "exchange").rfind(filter.exchange, 0) != 0) return false;
  if (from && record.leaf.time < *from) return false;
  return !to || record.leaf.time < *to + std::chrono::hours(24);
}

int list(Sitting& sitting, const Filter& filter) {
  std::optional<UnixMillis> from;
  std::optional<UnixMillis> to;
  if (!filter.from.empty() && !(from = day_of(filter.from)))
    return usage_error(sitting, "--from attend une date : 2026-11-23");
  if (!filter.to.empty() && !(to = day_of(filter.to))) return usage_error(sitting, "--to attend une date : 2026-11-23");
  if (!filter.act.empty() && !audit::leaf_type_of(filter.act))
    return usage_error(sitting,
                       "acte inconnu ; l'un de : collecte, modification, consultation, communication, transfert, "
                       "interconnexion, effacement, refus, connexion, habilitation, export, agrement, verification");
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  std::uint64_t size = (*session)->log().known_size().value;
  std::vector<std::vector<std::string>> rows;
  constexpr std::uint64_t page = 512;
  std::uint64_t next = 0;
  while (next < size) {
    auto records = read_records(**session, LeafIndex{next}, std::min(page, size - next));
    if (!records) return report(sitting, records.error());
    if (records->empty()) break;
    for (const AuditedRecord& record : *records) {
      if (!matches(record, filter, from, to)) continue;
      if (sitting.json()) {
        JsonObject out;
        out.number("leaf", static_cast<std::int64_t>(record.index.value)).text("act", audit::text_of(record.leaf.type));
        out.text("time", iso_time(record.leaf.time)).boolean("proven", false);
        for (const auto& field : record.record.fields)
          if (field.opening)
            out.text("field_" + field.opening->field.name, text_field(record, field.opening->field.name));
        out.print();
        continue;
      }
      std::string exchange = text_field(record, "exchange");
      rows.push_back({std::to_string(record.index.value), local_time(record.leaf.time),
                      std::string(audit::text_of(record.leaf.type)), text_field(record, "actor"),
                      text_field(record, "role"), exchange.substr(0, 8), text_field(record, "queue"),
                      text_field(record, "motif"), text_field(record, "outcome"), text_field(record, "rule")});
    }
    next = records->back().index.value + 1;
  }
  print_table(
      {{"Place"}, {"Date"}, {"Acte"}, {"Qui"}, {"Rôle"}, {"Échange"}, {"File"}, {"Motif"}, {"Issue"}, {"Règle"}}, rows);
  if (rows.empty() && !sitting.json()) say("Aucun acte ne correspond.");
  if (next < size)
    return report(sitting,
                  Failure(protocol::LocalCode::log_shrunk, "the records end before the size of the signed checkpoint"));
  if (!sitting.json())
    warn("Cette liste est ce que le serveur en dit : seul « pli audit verify » prouve qu'elle est entière.");
  return 0;
}

/// What each problem means to somebody who does not build trees.
std::string french(Problem problem) {
  switch (problem) {
    case Problem::leaf_malformed: return "une feuille du journal est illisible";
    case Problem::disclosure_malformed: return "un champ montré ne correspond pas à son engagement";
    case Problem::record_mismatch: return "l'enregistrement montré n'est pas celui que le journal a scellé";
    case Problem::record_incomplete: return "il manque à l'enregistrement un champ obligatoire";
    case Problem::time_reversed: return "l'heure recule";
    case Problem::leaf_missing: return "le serveur n'a pas remis toutes les feuilles";
    case Problem::tree_mismatch: return "les feuilles ne donnent pas l'arbre que le journal a signé";
    case Problem::statement_forged: return "signature absente, ou qui n'est pas celle de la personne nommée";
    case Problem::statement_contradicts: return "la demande signée dit autre chose que l'enregistrement";
    case Problem::signer_unknown: return "cette clé n'est à personne dans l'annuaire";
    case Problem::signer_not_in_force: return "clé remplacée, ou personne révoquée ou hors délai, au moment de l'acte";
    case Problem::queue_broken: return "la chaîne d'une file est rompue";
    case Problem::queue_gap: return "un numéro manque dans une file";
    case Problem::queue_number_twice: return "deux envois portent le même numéro dans une file";
    case Problem::act_twice: return "un même acte est inscrit deux fois";
    case Problem::directory_discontinuous: return "les versions de l'annuaire ne se suivent pas";
    case Problem::directory_contradicts: return "l'annuaire vérifié n'est pas celui que dit le journal";
  }
  return "anomalie";
}

/// How old the newest published checkpoint may be. Nothing where the option is not a duration, and that is said.
std::optional<std::chrono::milliseconds> age_max_of(const Sitting& sitting, const std::string& text) {
  if (text.empty()) return protocol::cosigned_age_warned;
  auto given = duration_of(text);
  if (!given) (void)usage_error(sitting, "--max-age attend une durée : 90s, 10m, 24h, 5d");
  return given;
}

/// Who cosigned the newest published checkpoint when, against `age_max`. Errors: log_stale, and usage where an age is
/// asked for of witnesses nobody named.
Outcome<void> check_heartbeat(Sitting& sitting, Session& session, const std::string& asked,
                              std::chrono::milliseconds age_max) {
  if (auto checked = session.check_log(); !checked) return checked;
  const WitnessWatch& witnesses = session.log().witnesses();
  if (!asked.empty() && !witnesses.demanded())
    return Failure(protocol::LocalCode::usage, "the invitation demands no witness");
  return witnesses.check_shown(age_max, sitting.clock().now());
}

void show_tail(const Sitting& sitting, const UnprovenTail& tail) {
  for (const AuditedRecord& record : tail.records) {
    if (sitting.json())
      JsonObject()
          .number("leaf", static_cast<std::int64_t>(record.index.value))
          .text("act", audit::text_of(record.leaf.type))
          .text("time", iso_time(record.leaf.time))
          .boolean("proven", false)
          .print();
    else
      say("  place " + std::to_string(record.index.value) + ", le " + local_time(record.leaf.time) + " : " +
          std::string(audit::text_of(record.leaf.type)) + ", pas encore prouvé");
  }
}

int verify(Sitting& sitting, const std::string& max_age) {
  auto age_max = age_max_of(sitting, max_age);
  if (!age_max) return static_cast<int>(ExitClass::usage);
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  // Before the reading, which may take longer than a checkpoint may be old.
  auto heartbeat = check_heartbeat(sitting, **session, max_age, *age_max);
  if (!heartbeat && is(heartbeat.error(), protocol::LocalCode::usage))
    return usage_error(sitting, "votre invitation n'exige aucun témoin : --max-age est sans objet");
  if (!heartbeat && !is(heartbeat.error(), protocol::LocalCode::log_stale)) return report(sitting, heartbeat.error());
  ProgressBar bar("Vérification");
  std::uint64_t size = (*session)->log().known_size().value;
  auto result = audit_log(**session, [&](const AuditedRecord& record) { bar.show(record.index.value + 1, size); });
  if (!result) return report(sitting, result.error());
  bar.show(size, size);
  auto tail = read_unproven(**session);
  if (!tail) return report(sitting, tail.error());
  if (sitting.json()) {
    show_tail(sitting, *tail);
    for (const Finding& finding : result->findings) {
      JsonObject out;
      out.text("problem", text_of(finding.problem));
      if (finding.leaf) out.number("leaf", static_cast<std::int64_t>(finding.leaf->value));
      out.text("subject", finding.subject).print();
    }
    JsonObject()
        .boolean("verified", result->clean() && heartbeat.has_value())
        .number("size", static_cast<std::int64_t>(result->size.value))
        .text("root", to_hex(result->root))
        .number("records", static_cast<std::int64_t>(result->records))
        .number("signatures", static_cast<std::int64_t>(result->signatures))
        .number("findings", static_cast<std::int64_t>(result->findings.size()))
        .number("unproven", static_cast<std::int64_t>(tail->count))
        .print();
  } else if (result->clean()) {
    say("Journal vérifié : " + std::to_string(result->records) + " enregistrements, " +
        std::to_string(result->signatures) + " signatures, files et annuaire continus, arbre de taille " +
        std::to_string(result->size.value) + ".");
    say("Rien n'a été modifié, retiré ni inventé jusqu'à cette place. Conservez le point de contrôle : pli audit "
        "checkpoint");
  } else {
    warn("LE JOURNAL N'EST PAS INTÈGRE : " + std::to_string(result->findings.size()) + " constat(s).");
    for (const Finding& finding : result->findings)
      warn("  " + (finding.leaf ? "place " + std::to_string(finding.leaf->value) + " : " : "") +
           french(finding.problem) +
           (finding.subject.empty() ? "" : " (" + protocol::printable(finding.subject) + ")") + " [" +
           std::string(text_of(finding.problem)) + "]");
  }
  if (!sitting.json() && tail->count != 0) {
    say(std::to_string(tail->count) + " enregistrement(s) après ce point de contrôle, dont votre propre lecture :");
    show_tail(sitting, *tail);
    if (tail->count > tail->records.size())
      say("  … et " + std::to_string(tail->count - tail->records.size()) + " de plus, pas encore prouvés");
  }
  if (!heartbeat) return report(sitting, heartbeat.error());
  return result->clean() ? 0 : static_cast<int>(ExitClass::verification_failed);
}

int checkpoint(Sitting& sitting, const std::string& max_age) {
  auto age_max = age_max_of(sitting, max_age);
  if (!age_max) return static_cast<int>(ExitClass::usage);
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  auto heartbeat = check_heartbeat(sitting, **session, max_age, *age_max);
  if (!heartbeat && is(heartbeat.error(), protocol::LocalCode::usage))
    return usage_error(sitting, "votre invitation n'exige aucun témoin : --max-age est sans objet");
  if (!heartbeat && !is(heartbeat.error(), protocol::LocalCode::log_stale)) return report(sitting, heartbeat.error());
  const LogWatch& log = (*session)->log();
  const auto& shown = log.shown();
  if (!shown) return usage_error(sitting, "le journal n'a encore montré aucun point de contrôle");
  auto cosignatures = log.witnesses().read(*shown, sitting.clock().now());
  if (!cosignatures) return report(sitting, cosignatures.error());
  if (sitting.json()) {
    std::vector<std::string> witnesses;
    for (const Cosignatures::By& by : cosignatures->by) witnesses.push_back(by.witness + " " + iso_time(by.at));
    JsonObject out;
    out.text("note", shown->note()).number("size", static_cast<std::int64_t>(shown->size().value));
    out.text("root", to_hex(shown->root())).texts("cosigned", witnesses);
    if (cosignatures->quorum_at) out.text("quorum_at", iso_time(*cosignatures->quorum_at));
    out.print();
  } else {
    std::fwrite(shown->note().data(), 1, shown->note().size(), stdout);
    for (const Cosignatures::By& by : cosignatures->by)
      warn("Confirmé par " + protocol::printable(by.witness) + " le " + local_time(by.at));
  }
  if (!heartbeat) return report(sitting, heartbeat.error());
  return 0;
}

}  // namespace

void add_audit(CLI::App& app, Sitting& sitting, Verdict& verdict) {
  auto* group = app.add_subcommand("audit", "Le journal des accès : le lire, le vérifier (auditeurs)");
  group->require_subcommand(1);
  group->footer("Exemple : pli audit verify\nLire le journal est soi-même inscrit au journal.");
  auto filter = std::make_shared<Filter>();
  auto* verb = group->add_subcommand("list", "Lister les actes");
  verb->footer("Exemple : pli audit list --act consultation --member p.leroux --from 2026-11-01");
  verb->add_option("--act", filter->act, "Acte : consultation, refus, collecte…");
  verb->add_option("--member", filter->member, "Membre");
  verb->add_option("--exchange", filter->exchange, "Échange : début de son numéro");
  verb->add_option("--outcome", filter->outcome, "Issue");
  verb->add_option("--from", filter->from, "À partir de ce jour, AAAA-MM-JJ (UTC)");
  verb->add_option("--to", filter->to, "Jusqu'à ce jour compris");
  verb->callback([&sitting, &verdict, filter] { verdict.exit_code = list(sitting, *filter); });
  verb = group->add_subcommand("verify", "Vérifier tout le journal : feuilles, arbre, signatures, files, annuaire");
  verb->footer("Exemple : pli audit verify --json");
  auto age = std::make_shared<std::string>();
  verb->add_option("--max-age", *age, "Confirmé par les témoins depuis moins de : 90s, 10m (par défaut), 24h");
  verb->callback([&sitting, &verdict, age] { verdict.exit_code = verify(sitting, *age); });
  verb = group->add_subcommand("checkpoint", "Montrer le dernier point de contrôle signé et vérifié");
  verb->footer("Exemple : pli audit checkpoint > point-de-controle.txt");
  auto shown_age = std::make_shared<std::string>();
  verb->add_option("--max-age", *shown_age, "Confirmé par les témoins depuis moins de : 90s, 10m (par défaut), 24h");
  verb->callback([&sitting, &verdict, shown_age] { verdict.exit_code = checkpoint(sitting, *shown_age); });
}

}  // namespace pli::client::command
