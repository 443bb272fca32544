#include <algorithm>

#include "client/audit_report.hpp"
#include "client/command/audit_verbs.hpp"
#include "client/command/screen.hpp"
#include "client/command/sitting.hpp"
#include "client/export_journal.hpp"
#include "client/record_filter.hpp"
#include "client/statistics_check.hpp"
#include "protocol/printable.hpp"

namespace pli::client::command {
namespace {

namespace fs = std::filesystem;
using protocol::printable;

constexpr int follow_up_days_max = 3650;
/// No journal is older; a year with more than four digits is no date anybody types.
constexpr Day first_day = std::chrono::year(2000) / std::chrono::January / 1;

std::string plural(std::uint64_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count < 2 ? one : many);
}

std::string name_of_person(const std::string& person) { return person.empty() ? "—" : printable(person); }

// ---- the report's page -----------------------------------------------------------------------------------------

void say_events(const ReportEvents& events, std::size_t shards, const char* nothing, const char* what) {
  if (events.count == 0) return say(std::string("   ") + nothing);
  std::vector<std::vector<std::string>> rows;
  for (const ReportEvent& event : events.listed)
    rows.push_back({"   " + place_text(event.leaf, shards > 1 ? event.shard : ""), french_time(event.time),
                    name_of_person(event.person),
                    printable(event.subject.size() == 64 ? event.subject.substr(0, 8) : event.subject)});
  print_table({{"   Place"}, {"Date"}, {"Qui"}, {what}}, rows);
  if (events.count > events.listed.size())
    say("   … et " + std::to_string(events.count - events.listed.size()) + " autres");
}

void say_persons(const AuditSummary& summary) {
  bool any = false;
  for (const auto& [person, facts] : summary.persons) {
    if (facts.openings == 0) continue;
    any = true;
    say("   " + name_of_person(person) + " : " + plural(facts.openings, "ouverture", "ouvertures") + ", " +
        plural(facts.cases, "dossier", "dossiers") + ", " +
        plural(facts.exchanges, "échange différent", "échanges différents"));
    std::string motifs;
    for (const auto& [motif, count] : facts.motifs)
      motifs += (motifs.empty() ? "" : ", ") + printable(motif) + " " + std::to_string(count);
    say("      " + motifs);
  }
  if (!any) say("   Personne.");
}

void say_unusual(const AuditSummary& summary) {
  say("   Règle : un jour d'une personne est signalé quand ses ouvertures dépassent à la fois " +
      std::to_string(unusual_openings_min) + " et " + std::to_string(unusual_median_factor) +
      " fois la médiane de ses autres jours d'activité, depuis le début du journal.");
  if (summary.unusual.empty()) return say("   Aucun.");
  for (const UnusualDay& day : summary.unusual)
    say("   " + name_of_person(day.person) + ", le " + french_day(day.day) + " : " + std::to_string(day.openings) +
        " ouvertures (médiane " + halves_text(day.twice_median) + ")");
}

void say_refusals(const AuditSummary& summary) {
  bool any = false;
  for (const auto& [person, facts] : summary.persons)
    for (const auto& [rule, count] : facts.refusals) {
      any = true;
      say("   " + name_of_person(person) + " : " + printable(rule) + ", " + std::to_string(count) + " fois");
    }
  for (const auto& [what, count] : summary.strays) {
    any = true;
    say("   venu d'inconnus (" + printable(what) + ") : " + std::to_string(count));
  }
  if (!any) say("   Aucune.");
}

void say_page(const AuditSummary& summary, const ReportOptions& options, const AuditReport& report,
              const std::string& origin) {
  const int hours_begin = options.hours.begin;
  const int hours_end = options.hours.end;
  const std::string follow_up = std::to_string(options.follow_up.count());
  say("RAPPORT SUR LE JOURNAL DES ACCÈS");
  say("Journal    " + origin);
  say("Période    du " + french_day(options.from) + " au " + french_day(options.to) + " compris");
  say("Heures     de Paris (heure légale métropolitaine) ; horaires de travail : " + std::to_string(hours_begin) +
      " h à " + std::to_string(hours_end) + " h, du lundi au vendredi, hors jours fériés nationaux");
  say("Vérifié    " + std::to_string(report.records) + " enregistrements, arbre de taille " +
      std::to_string(report.size.value) +
      (report.clean() ? " : rien n'a été modifié, retiré ni inventé"
                      : " : LE JOURNAL N'EST PAS INTÈGRE, " + plural(report.findings.size(), "constat", "constats")));
  std::string acts;
  for (const auto& [act, count] : summary.acts) acts += (acts.empty() ? "" : ", ") + act + " " + std::to_string(count);
  if (report.shards.size() > 1) {
    std::string parts;
    for (const AuditedShard& shard : report.shards)
      parts += (parts.empty() ? "" : ", ") + shard_name_of(shard.origin) + " (" + std::to_string(shard.size.value) +
               (shard.rolled_back ? ", restaurée sur ordre)" : ")");
    say("Parties    " + parts + " : une place s'écrit partie/place");
  }
  if (summary.erased != 0)
    say("Effacés    " + plural(summary.erased, "acte dont les valeurs ont", "actes dont les valeurs ont") +
        " été effacées à leur terme : compté par acte, non par personne");
  say("Actes      " + std::to_string(summary.records) + (acts.empty() ? "" : " : " + acts));
  say("");
  say("1. Qui a ouvert quoi, et pour quel motif");
  say_persons(summary);
  say("");
  say("2. Volumes inhabituels");
  say_unusual(summary);
  say("");
  say("3. Ouvertures hors des horaires de travail");
  say_events(summary.out_of_hours, report.shards.size(), "Aucune.", "Motif");
  say("");
  say("4. Ouvertures sans suite dans les " + follow_up + " jours");
  say("   Règle : ouverture dans une instance (GED, CLIR, CPRAF) qu'aucun envoi accepté dans le même dossier n'a "
      "suivie.");
  say_events(summary.unfollowed, report.shards.size(), "Aucune.", "Dossier");
  if (summary.undecided != 0)
    say("   Délai non échu pour " + plural(summary.undecided, "autre ouverture", "autres ouvertures") + ".");
  say("");
  say("5. Tentatives refusées, par règle");
  say_refusals(summary);
  say("");
  say("6. Versions de l'annuaire");
  say_events(summary.directory, report.shards.size(), "Aucune.", "Version");
  say("");
  say("7. Suspensions");
  say_events(summary.suspensions, report.shards.size(), "Aucune.", "Suspendu");
  say("");
  say("8. Anomalies signalées par les destinataires");
  say_events(summary.anomalies, report.shards.size(), "Aucune.", "Code");
  say("");
  say("9. Lectures du journal");
  if (summary.readings.empty()) say("   Aucune.");
  for (const auto& [person, readings] : summary.readings)
    say("   " + name_of_person(person) + " : " + plural(readings.readings, "lecture", "lectures") + ", " +
        plural(readings.records, "enregistrement remis", "enregistrements remis"));
}

void print_json(const AuditSummary& summary, const ReportOptions& options, const AuditReport& report,
                const std::string& origin) {
  JsonObject()
      .text("section", "report")
      .text("origin", origin)
      .text("from", iso_day(options.from))
      .text("to", iso_day(options.to))
      .text("time_zone", "Europe/Paris")
      .text("hours", std::to_string(options.hours.begin) + "-" + std::to_string(options.hours.end))
      .number("follow_up_days", options.follow_up.count())
      .text("unusual_rule", "openings > max(" + std::to_string(unusual_openings_min) + ", " +
                                std::to_string(unusual_median_factor) + " * median of the other active days)")
      .boolean("verified", report.clean())
      .number("findings", static_cast<std::int64_t>(report.findings.size()))
      .number("size", static_cast<std::int64_t>(report.size.value))
      .text("root", to_hex(report.root))
      .texts("shards", lines_of_shards(report))
      .number("records", static_cast<std::int64_t>(summary.records))
      .number("erased", static_cast<std::int64_t>(summary.erased))
      .print();
  for (const ReportLine& line : lines_of(summary)) {
    JsonObject out;
    out.text("section", line.section).text("person", line.person).text("subject", line.subject);
    if (!line.detail.empty()) out.text("detail", line.detail);
    if (line.leaf) out.number("leaf", static_cast<std::int64_t>(line.leaf->value)).text("shard", line.shard);
    if (line.time) out.text("time", iso_time(*line.time));
    out.number("count", static_cast<std::int64_t>(line.count)).print();
  }
}

void print_csv(const AuditSummary& summary) {
  std::string out = csv_line({"section", "person", "subject", "detail", "shard", "leaf", "time", "count"});
  for (const ReportLine& line : lines_of(summary))
    out += csv_line({line.section, printable(line.person), printable(line.subject), printable(line.detail), line.shard,
                     line.leaf ? std::to_string(line.leaf->value) : "", line.time ? iso_time(*line.time) : "",
                     std::to_string(line.count)});
  std::fwrite(out.data(), 1, out.size(), stdout);
}

/// "2026-11" as year·100 + month.
std::optional<std::uint32_t> typed_month(const std::string& typed) {
  const auto day = parse_day(typed + "-01");
  if (!day || *day < first_day) return std::nullopt;
  const std::chrono::year_month_day date(*day);
  return static_cast<std::uint32_t>(static_cast<int>(date.year()) * 100 +
                                    static_cast<int>(static_cast<unsigned>(date.month())));
}

const char* french(StatisticsVerdict verdict) {
  switch (verdict) {
    case StatisticsVerdict::equal: return "Les statistiques publiées sont celles que donne le journal.";
    case StatisticsVerdict::different: return "LES STATISTIQUES PUBLIÉES NE SONT PAS CELLES QUE DONNE LE JOURNAL.";
    case StatisticsVerdict::stated_twice: return "LE SERVEUR A PUBLIÉ DEUX FOIS LES STATISTIQUES DE CE MOIS.";
    case StatisticsVerdict::not_stated:
      return "Le serveur n'a pas publié de statistiques pour ce mois ; voici ce que donne le journal.";
    case StatisticsVerdict::empty: return "Le journal n'a aucun acte ce mois-là, et rien n'a été publié.";
  }
  return "";
}

}  // namespace

std::string origin_of(const Session& session, const std::string& typed) {
  const std::string& log = session.invitation().log;
  return typed.empty() || typed.find('/') != std::string::npos ? typed : log + "/" + typed;
}

std::string place_text(LeafIndex place, const std::string& shard) {
  return (shard.empty() ? "" : protocol::printable(shard) + "/") + std::to_string(place.value);
}

std::vector<std::string> lines_of_shards(const AuditReport& report) {
  std::vector<std::string> out;
  for (const AuditedShard& shard : report.shards) out.push_back(shard.origin + " " + std::to_string(shard.size.value));
  return out;
}

std::optional<TypedPeriod> typed_period(const std::string& from, const std::string& to, std::string& wrong) {
  TypedPeriod period;
  const auto read = [&](const char* option, const std::string& typed, std::optional<Day>& day) {
    if (typed.empty()) return true;
    day = parse_day(typed);
    if (day && *day >= first_day) return true;
    wrong = std::string(option) + " attend une date : 2026-11-23";
    return false;
  };
  if (!read("--from", from, period.from) || !read("--to", to, period.to)) return std::nullopt;
  if (period.from && period.to && *period.to < *period.from) {
    wrong = "--to est avant --from";
    return std::nullopt;
  }
  return period;
}

const char* french(audit::LeafType type) {
  switch (type) {
    case audit::LeafType::collecte: return "un signalement ou une information est entré";
    case audit::LeafType::modification: return "un dossier a été complété ou a avancé";
    case audit::LeafType::consultation: return "un échange a été ouvert";
    case audit::LeafType::communication: return "une information a été communiquée";
    case audit::LeafType::transfert: return "un dossier a été transmis";
    case audit::LeafType::interconnexion: return "un rapprochement avec un autre traitement";
    case audit::LeafType::effacement: return "un échange a été effacé à son terme";
    case audit::LeafType::refus: return "une demande a été refusée";
    case audit::LeafType::connexion: return "une personne habilitée s'est connectée";
    case audit::LeafType::habilitation: return "les habilitations ont changé";
    case audit::LeafType::exportation: return "un export";
    case audit::LeafType::agrement: return "un accord a été donné";
    case audit::LeafType::verification: return "le journal a été lu, ou une anomalie signalée";
    case audit::LeafType::registre: return "ouverture du journal";
  }
  return "";
}

int audit_report(Sitting& sitting, const PeriodOptions& typed) {
  if (typed.csv && sitting.json()) return usage_error(sitting, "--csv et --json s'excluent");
  std::string wrong;
  const auto period = typed_period(typed.from, typed.to, wrong);
  if (!period) return usage_error(sitting, wrong);
  if (!period->from || !period->to) return usage_error(sitting, "--from et --to sont attendus");
  const auto hours = parse_working_hours(typed.hours);
  if (!hours) return usage_error(sitting, "--hours attend des heures entières : 8-19");
  if (typed.follow_up_days < 1 || typed.follow_up_days > follow_up_days_max)
    return usage_error(sitting, "--follow-up attend un nombre de jours, de 1 à " + std::to_string(follow_up_days_max));
  const ReportOptions options{*period->from, *period->to, *hours, std::chrono::days(typed.follow_up_days)};
  auto session = sitting.session();
  if (!session) return report_to_auditor(sitting, session.error());
  AuditReporter reporter(options);
  Outcome<AuditReport> read = [&] {
    ProgressBar bar("Lecture et vérification");
    return audit_log(
        **session, [&](const AuditedRecord& record) { reporter.add(record); }, publication_patience, {},
        [&](std::uint64_t done, std::uint64_t total) { bar.show(done, total); });
  }();
  if (!read) return report_to_auditor(sitting, read.error());
  const AuditSummary summary = reporter.finish();
  const std::string& origin = read->shards.back().origin;
  if (sitting.json())
    print_json(summary, options, *read, origin);
  else if (typed.csv)
    print_csv(summary);
  else
    say_page(summary, options, *read, origin);
  if (!sitting.json()) warn_of(*read);
  return read->clean() ? 0 : static_cast<int>(ExitClass::verification_failed);
}

int audit_export(Sitting& sitting, const fs::path& folder, const PeriodOptions& typed) {
  std::string wrong;
  const auto period = typed_period(typed.from, typed.to, wrong);
  if (!period) return usage_error(sitting, wrong);
  if (!period->from || !period->to) return usage_error(sitting, "--from et --to sont attendus");
  std::error_code failed;
  if (fs::exists(folder, failed) && !(fs::is_directory(folder, failed) && fs::is_empty(folder, failed)))
    return usage_error(sitting, "ce dossier n'est pas vide : " + printable(folder.string()));
  auto session = sitting.session();
  if (!session) return report_to_auditor(sitting, session.error());
  Outcome<ExportOutcome> done = [&] {
    ProgressBar bar("Lecture, vérification et écriture");
    return export_journal(**session, {folder, *period->from, *period->to, origin_of(**session, typed.shard)},
                          [&](std::uint64_t read, std::uint64_t total) { bar.show(read, total); });
  }();
  if (!done && is(done.error(), protocol::LocalCode::usage) && !typed.shard.empty())
    return usage_error(sitting, "--shard : le journal n'a pas de partie " + printable(typed.shard));
  if (!done) return report_to_auditor(sitting, done.error());
  std::vector<std::string> elsewhere;
  for (const auto& [other, acts] : done->elsewhere) elsewhere.push_back(other + " " + std::to_string(acts));
  const audit::ExportPeriod& exported = done->period;
  const std::uint64_t count = exported.to.value - exported.from.value;
  if (sitting.json()) {
    JsonObject()
        .text("folder", folder.string())
        .text("shard", done->shard.origin)
        .texts("elsewhere", elsewhere)
        .number("from", static_cast<std::int64_t>(exported.from.value))
        .number("to", static_cast<std::int64_t>(exported.to.value))
        .number("records", static_cast<std::int64_t>(count))
        .number("size", static_cast<std::int64_t>(done->shard.size.value))
        .text("root", to_hex(done->shard.root))
        .boolean("verified", done->report.clean())
        .number("findings", static_cast<std::int64_t>(done->report.findings.size()))
        .boolean("confirmed", done->confirmed)
        .boolean("period_over", done->period_over)
        .print();
  } else {
    say(plural(count, "acte exporté", "actes exportés") + " dans " + printable(folder.string()) +
        ", sur un arbre de taille " + std::to_string(done->shard.size.value) + ". La lecture est inscrite au journal.");
    say("Le dossier se vérifie sans connexion : pli-verify export " + printable(folder.string()) +
        " --policy FICHIER (clé et témoins du journal), ou --log-key CLÉ (sans les témoins)");
    say("Il porte les identifiants des personnes habilitées : conservez-le en conséquence.");
    for (const auto& [other, acts] : done->elsewhere)
      warn(plural(acts, "acte de la période est", "actes de la période sont") + " dans une autre partie du journal, " +
           printable(shard_name_of(other)) + " : exportez-la dans un autre dossier, avec --shard " +
           printable(shard_name_of(other)));
    if (!done->period_over)
      warn("La période n'est pas terminée : l'export s'arrête avant la place " + std::to_string(exported.to.value) +
           ". Refaites-le après le " + french_day(*period->to) + ".");
    if (!done->confirmed)
      warn(
          "Le quorum des témoins n'a pas confirmé ce point de contrôle : pli-verify --policy le refusera. Refaites "
          "l'export quand ils répondent (pli audit checkpoint).");
    warn_of(done->report);
  }
  return done->report.clean() ? 0 : static_cast<int>(ExitClass::verification_failed);
}

int audit_tiles(Sitting& sitting, const fs::path& folder) {
  if (is_foreign_to_tiles(folder))
    return usage_error(sitting, "ce dossier tient autre chose que les tuiles d'un journal : " +
                                    printable(folder.string()) + " ; donnez un dossier vide ou à créer");
  auto session = sitting.session();
  if (!session) return report_to_auditor(sitting, session.error());
  Outcome<TilesOutcome> done = [&] {
    ProgressBar bar("Écriture");
    return write_tiles(**session, folder, [&](std::uint64_t read, std::uint64_t total) { bar.show(read, total); });
  }();
  if (!done && is(done.error(), protocol::LocalCode::usage))
    return usage_error(sitting, "ce dossier est celui d'un autre journal, ou d'une partie close de celui-ci");
  if (!done) return report_to_auditor(sitting, done.error());
  if (!done->differing_file.empty()) {
    const std::string file = (folder / done->differing_file).string();
    if (sitting.json())
      JsonObject().text("error", "file_differs").text("file", file).print();
    else
      warn("Erreur : " + printable(file) + " contient autre chose que le journal. Rien n'a été remplacé.");
    return static_cast<int>(ExitClass::verification_failed);
  }
  if (sitting.json())
    JsonObject()
        .text("folder", folder.string())
        .number("before", static_cast<std::int64_t>(done->before.value))
        .number("size", static_cast<std::int64_t>(done->size.value))
        .print();
  else if (done->size == done->before)
    say("Le dossier est à jour : " + std::to_string(done->size.value) + " feuilles.");
  else
    say("Feuilles " + std::to_string(done->before.value) + " à " + std::to_string(done->size.value - 1) +
        " écrites dans " + printable(folder.string()) + " ; l'arbre a la taille " + std::to_string(done->size.value) +
        ".");
  return 0;
}

int audit_statistics(Sitting& sitting, const std::string& typed) {
  const auto month = typed_month(typed);
  if (!month) return usage_error(sitting, "--month attend un mois : 2026-11");
  auto session = sitting.session();
  if (!session) return report_to_auditor(sitting, session.error());
  // Each shard states its own part of a month.
  std::vector<std::pair<std::string, StatisticsChecker>> checkers;
  Outcome<AuditReport> read = [&] {
    ProgressBar bar("Lecture et vérification");
    return audit_log(
        **session, {}, publication_patience,
        [&](const std::string& origin, const protocol::RecordItem& item) -> Outcome<void> {
          if (checkers.empty() || checkers.back().first != origin)
            checkers.emplace_back(origin, StatisticsChecker(origin, *month));
          for (std::size_t i = 0; i + 1 < checkers.size(); ++i) checkers[i].second.add_later(origin, item);
          checkers.back().second.add(item);
          return {};
        },
        [&](std::uint64_t done, std::uint64_t total) { bar.show(done, total); });
  }();
  if (!read) return report_to_auditor(sitting, read.error());
  bool wrong = false;
  bool said_any = false;
  for (std::size_t i = 0; i < checkers.size(); ++i) {
    const StatisticsCheck check = checkers[i].second.finish();
    // Of a month that none has anything of, the current one says so.
    const bool last = i + 1 == checkers.size();
    if (check.verdict == StatisticsVerdict::empty && (!last || said_any)) continue;
    said_any = true;
    wrong = wrong || check.verdict == StatisticsVerdict::different || check.verdict == StatisticsVerdict::stated_twice;
    if (sitting.json()) {
      JsonObject out;
      out.text("month", typed).text("shard", checkers[i].first).text("verdict", text_of(check.verdict));
      out.boolean("verified", read->clean());
      if (check.stated) out.number("leaf", static_cast<std::int64_t>(check.leaf.value)).text("stated_in", check.shard);
      out.text("statistics", check.text).print();
      continue;
    }
    if (checkers.size() > 1) say("Partie " + printable(shard_name_of(checkers[i].first)));
    std::fwrite(check.text.data(), 1, check.text.size(), stdout);
    say(french(check.verdict));
    if (check.stated)
      say("Publiées à la place " +
          place_text(check.leaf, checkers.size() > 1 ? shard_name_of(check.shard) : std::string()) +
          ". Les comptes de 1 à 4 n'y figurent pas.");
  }
  if (!sitting.json()) warn_of(*read);
  return wrong || !read->clean() ? static_cast<int>(ExitClass::verification_failed) : 0;
}

}  // namespace pli::client::command
