// pli audit list|show|report|export|statistics|tiles|verify|checkpoint: every access, never any content.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include "client/auditor.hpp"
#include "client/command/audit_verbs.hpp"
#include "client/command/program.hpp"
#include "client/command/screen.hpp"
#include "client/command/sitting.hpp"
#include "protocol/limits.hpp"
#include "protocol/printable.hpp"

namespace pli::client::command {

/// What each problem means to somebody who does not build trees.
std::string french(Problem problem) {
  switch (problem) {
    case Problem::leaf_malformed: return "une feuille du journal est illisible";
    case Problem::disclosure_malformed: return "un champ montré ne correspond pas à son engagement";
    case Problem::record_mismatch: return "l'enregistrement montré n'est pas celui que le journal a scellé";
    case Problem::record_incomplete: return "il manque à l'enregistrement un champ obligatoire";
    case Problem::time_reversed: return "l'heure recule";
    case Problem::time_ahead: return "feuille datée plus tard qu'elle ne peut avoir été écrite";
    case Problem::leaf_missing: return "le serveur n'a pas remis toutes les feuilles";
    case Problem::tree_mismatch: return "les feuilles ne donnent pas l'arbre que le journal a signé";
    case Problem::statement_forged: return "signature absente, ou qui n'est pas celle de la personne nommée";
    case Problem::statement_contradicts: return "la demande signée dit autre chose que l'enregistrement";
    case Problem::signer_unknown: return "cette clé n'est à personne dans l'annuaire";
    case Problem::signer_not_in_force: return "clé remplacée, ou personne révoquée ou hors délai, au moment de l'acte";
    case Problem::queue_broken: return "la chaîne d'une file est rompue";
    case Problem::queue_gap: return "un numéro manque dans une file";
    case Problem::queue_number_twice: return "deux envois portent le même numéro dans une file";
    case Problem::refusal_unfounded:
      return "refusé comme auteur du dossier, que ni cette personne ni son organisation n'a ouvert";
    case Problem::act_twice: return "un même acte est inscrit deux fois";
    case Problem::directory_discontinuous: return "les versions de l'annuaire ne se suivent pas";
    case Problem::record_withheld:
      return "un enregistrement n'est pas remis, et aucun effacement à son terme ne le couvre";
    case Problem::shard_missing: return "une partie du journal n'est pas montrée, ou pas sa fin";
    case Problem::shard_step_broken:
      return "la fin d'une partie du journal, le début de la suivante et l'ordre de l'autorité ne s'accordent pas";
    case Problem::directory_contradicts: return "l'annuaire vérifié n'est pas celui que dit le journal";
  }
  return "anomalie";
}

std::string erased_words(std::uint64_t erased) {
  if (erased == 0) return {};
  return "Valeurs effacées à leur terme : " + std::to_string(erased) +
         (erased == 1 ? " enregistrement, dont la feuille et la place ont été vérifiées."
                      : " enregistrements, dont les feuilles et les places ont été vérifiées.");
}

namespace {

/// What the catalogue would tell a member; nothing where that serves an auditor as well.
std::optional<protocol::Explanation> words_for_auditor(const Failure& failure) {
  const auto* refusal = std::get_if<protocol::Refusal>(&failure.cause);
  if (refusal == nullptr) return std::nullopt;
  if (refusal->code == protocol::Code::not_found)
    return protocol::Explanation{
        "Le journal n'a pas d'acte à cette place, ou pas de partie de ce nom.",
        "« pli audit list » donne les places, « pli audit verify » les parties du journal et leur taille."};
  if (refusal->code == protocol::Code::erased)
    return protocol::Explanation{"Les valeurs de cet acte ont été effacées à leur terme ; sa feuille demeure.",
                                 "« pli audit verify » dit si un effacement inscrit au journal la couvre."};
  if (refusal->code == protocol::Code::forbidden && refusal->subject == "journal.lecture")
    return protocol::Explanation{
        "Le journal ne se lit qu'avec le rôle d'auditeur, que l'annuaire ne vous donne pas. Le refus est inscrit au "
        "journal.",
        "Si une mission d'audit vous est confiée, demandez à l'autorité (préfecture) de vous habiliter auditeur."};
  if (refusal->code != protocol::Code::busy) return std::nullopt;
  const std::uint32_t seconds = std::max<std::uint32_t>(1, (refusal->retry_after_ms + 999) / 1000);
  const std::string wait = std::to_string(seconds) + (seconds == 1 ? " seconde" : " secondes");
  if (refusal->subject == "publication")
    return protocol::Explanation{"Cet acte est inscrit, mais aucun point de contrôle publié ne le couvre encore.",
                                 "Réessayez dans " + wait +
                                     ". S'il reste ainsi, les témoins ne répondent pas : "
                                     "« pli audit checkpoint » dit qui a confirmé le journal, et quand."};
  return protocol::Explanation{
      "Le serveur ne donne pas d'autre lecture pour l'instant : chacune est inscrite au journal, et il en borne le "
      "nombre.",
      "Réessayez dans " + wait + ". Ce qui a été lu n'a rien changé ; une vérification se reprend depuis le début."};
}

}  // namespace

int report_to_auditor(const Sitting& sitting, const Failure& failure) {
  const auto words = words_for_auditor(failure);
  return words ? report_in_words(sitting, failure, *words) : report(sitting, failure);
}

namespace {

/// When a leaf says it was made, and by whose clock it cannot have been.
std::string dated_words(const Finding& finding) {
  return " (datée du " + french_time(finding.ahead->dated) + ", au plus tard le " + french_time(finding.ahead->latest) +
         (finding.subject == "own" ? " d'après l'horloge de ce poste, à vérifier d'abord)" : " d'après les témoins)");
}

}  // namespace

void warn_of(const AuditReport& report) {
  if (report.clean()) return;
  warn("LE JOURNAL N'EST PAS INTÈGRE : " + std::to_string(report.findings.size()) + " constat(s).");
  for (const Finding& finding : report.findings)
    warn("  " + (finding.shard.empty() ? "" : "partie " + protocol::printable(shard_name_of(finding.shard)) + ", ") +
         (finding.leaf ? "place " + std::to_string(finding.leaf->value) + " : " : "") + french(finding.problem) +
         (finding.ahead             ? dated_words(finding)
          : finding.subject.empty() ? ""
                                    : " (" + protocol::printable(finding.subject) + ")") +
         " [" + std::string(text_of(finding.problem)) + "]");
  if (!report.evidence.empty()) warn("  Preuve conservée dans : " + protocol::printable(report.evidence.string()));
}

namespace {

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

void print_tail(const UnprovenTail& tail) {
  for (const AuditedRecord& record : tail.records)
    JsonObject()
        .number("leaf", static_cast<std::int64_t>(record.index.value))
        .text("act", audit::text_of(record.leaf.type))
        .text("time", iso_time(record.leaf.time))
        .boolean("proven", false)
        .print();
}

/// By act, of which there are fourteen: how many, and where.
void say_tail(const UnprovenTail& tail) {
  struct Group {
    std::uint64_t count = 0;
    LeafIndex first{}, last{};
  };
  std::map<audit::LeafType, Group> groups;
  for (const AuditedRecord& record : tail.records) {
    Group& group = groups.try_emplace(record.leaf.type, Group{0, record.index, record.index}).first->second;
    ++group.count;
    group.last = record.index;
  }
  for (const auto& [type, group] : groups) {
    const std::string from = std::to_string(group.first.value);
    say("  " + std::string(audit::text_of(type)) + " : " + std::to_string(group.count) +
        (group.count == 1 ? ", à la place " + from
                          : ", entre les places " + from + " et " + std::to_string(group.last.value)));
  }
  if (tail.count > tail.records.size()) say("  … et " + std::to_string(tail.count - tail.records.size()) + " de plus");
}

/// The origins that end short of what was published.
std::vector<std::string> rolled_back_in(const AuditReport& report) {
  std::vector<std::string> out;
  for (const AuditedShard& shard : report.shards)
    if (shard.rolled_back) out.push_back(shard.origin);
  return out;
}

/// The origins whose last checkpoint the witnesses' quorum has cosigned.
std::vector<std::string> cosigned_in(const AuditReport& report) {
  std::vector<std::string> out;
  for (const AuditedShard& shard : report.shards)
    if (shard.cosigned) out.push_back(shard.origin);
  return out;
}

/// Of a log that has one alone, its size is all there is to say.
void say_shards(const AuditReport& report, bool demanded) {
  if (report.shards.size() < 2) return;
  say("Parties du journal, chacune un arbre, de la première à celle en cours :");
  for (const AuditedShard& shard : report.shards)
    say("  " + protocol::printable(shard_name_of(shard.origin)) + " : taille " + std::to_string(shard.size.value) +
        (shard.rolled_back ? ", restaurée sur ordre de l'autorité : ce qui suivait a été abandonné" : "") +
        (!demanded        ? ""
         : shard.cosigned ? ", confirmée par les témoins"
                          : ", pas confirmée par les témoins : signée par le journal seul"));
}

int verify(Sitting& sitting, const std::string& max_age) {
  auto age_max = age_max_of(sitting, max_age);
  if (!age_max) return static_cast<int>(ExitClass::usage);
  auto session = sitting.session();
  if (!session) return report_to_auditor(sitting, session.error());
  // Before the reading, which may take longer than a checkpoint may be old.
  auto heartbeat = check_heartbeat(sitting, **session, max_age, *age_max);
  if (!heartbeat && is(heartbeat.error(), protocol::LocalCode::usage))
    return usage_error(sitting, "votre invitation n'exige aucun témoin : --max-age est sans objet");
  if (!heartbeat && !is(heartbeat.error(), protocol::LocalCode::log_stale))
    return report_to_auditor(sitting, heartbeat.error());
  ProgressBar bar("Vérification");
  auto result = audit_log(**session, {}, publication_patience, {},
                          [&](std::uint64_t done, std::uint64_t total) { bar.show(done, total); });
  if (!result) return report_to_auditor(sitting, result.error());
  auto tail = read_unproven(**session);
  if (!tail) return report_to_auditor(sitting, tail.error());
  const bool demanded = (*session)->log().witnesses().demanded();
  if (sitting.json()) {
    print_tail(*tail);
    for (const Finding& finding : result->findings) {
      JsonObject out;
      out.text("problem", text_of(finding.problem));
      if (finding.leaf) out.number("leaf", static_cast<std::int64_t>(finding.leaf->value));
      out.text("shard", finding.shard).text("subject", finding.subject);
      if (finding.ahead)
        out.text("dated", iso_time(finding.ahead->dated)).text("latest", iso_time(finding.ahead->latest));
      out.print();
    }
    JsonObject()
        .boolean("verified", result->clean() && heartbeat.has_value())
        .number("size", static_cast<std::int64_t>(result->size.value))
        .text("root", to_hex(result->root))
        .texts("shards", lines_of_shards(*result))
        .texts("rolled_back", rolled_back_in(*result))
        .texts("cosigned", cosigned_in(*result))
        .number("records", static_cast<std::int64_t>(result->records))
        .number("erased", static_cast<std::int64_t>(result->erased))
        .number("signatures", static_cast<std::int64_t>(result->signatures))
        .number("findings", static_cast<std::int64_t>(result->findings.size()))
        .number("unproven", static_cast<std::int64_t>(tail->count))
        .text("evidence", result->evidence.string())
        .print();
  } else if (result->clean()) {
    say("Journal vérifié : " + std::to_string(result->records) + " enregistrements, " +
        std::to_string(result->signatures) + " signatures, files et annuaire continus, arbre de taille " +
        std::to_string(result->size.value) + ".");
    say_shards(*result, demanded);
    say("Rien n'a été modifié, retiré ni inventé jusqu'à cette place. Conservez le point de contrôle : pli audit "
        "checkpoint");
  } else {
    warn_of(*result);
    say_shards(*result, demanded);
  }
  if (const std::string erased = erased_words(result->erased); !sitting.json() && !erased.empty()) say(erased);
  if (!sitting.json() && tail->count != 0) {
    say(std::to_string(tail->count) +
        " enregistrement(s) après ce point de contrôle, dont votre propre lecture, pas encore prouvés :");
    say_tail(*tail);
  }
  if (!heartbeat) return report_to_auditor(sitting, heartbeat.error());
  return result->clean() ? 0 : static_cast<int>(ExitClass::verification_failed);
}

void print_checkpoint(Sitting& sitting, const audit::VerifiedCheckpoint& shown, const Cosignatures& cosignatures) {
  if (sitting.json()) {
    std::vector<std::string> witnesses;
    for (const Cosignatures::By& by : cosignatures.by) witnesses.push_back(by.witness + " " + iso_time(by.at));
    JsonObject out;
    out.text("note", shown.note()).number("size", static_cast<std::int64_t>(shown.size().value));
    out.text("root", to_hex(shown.root())).texts("cosigned", witnesses);
    if (cosignatures.quorum_at) out.text("quorum_at", iso_time(*cosignatures.quorum_at));
    out.print();
  } else {
    std::fwrite(shown.note().data(), 1, shown.note().size(), stdout);
    for (const Cosignatures::By& by : cosignatures.by)
      warn("Confirmé par " + protocol::printable(by.witness) + " le " + paris_minute(by.at));
  }
}

/// The last checkpoint of a shard that ended.
int closing_checkpoint(Sitting& sitting, const std::string& shard) {
  auto session = sitting.session();
  if (!session) return report_to_auditor(sitting, session.error());
  auto chain = find_shards(**session);
  if (!chain) return report_to_auditor(sitting, chain.error());
  const std::string origin = origin_of(**session, shard);
  const auto found = std::find_if(chain->shards.begin(), chain->shards.end(),
                                  [&](const ShardSpan& span) { return span.origin == origin; });
  if (found == chain->shards.end())
    return usage_error(sitting, "--shard : le journal n'a pas de partie " + protocol::printable(shard));
  auto cosignatures = (*session)->log().witnesses().read(found->checkpoint, sitting.clock().now());
  if (!cosignatures) return report_to_auditor(sitting, cosignatures.error());
  print_checkpoint(sitting, found->checkpoint, *cosignatures);
  if (!chain->findings.empty()) {
    AuditReport found_wrong;
    found_wrong.findings = chain->findings;
    warn_of(found_wrong);
    return static_cast<int>(ExitClass::verification_failed);
  }
  if ((*session)->log().witnesses().demanded() && !cosignatures->quorum_at)
    return report_to_auditor(sitting, Failure(protocol::LocalCode::log_stale,
                                              "the witnesses' quorum has not cosigned how this shard ended"));
  return 0;
}

int checkpoint(Sitting& sitting, const std::string& max_age, const std::string& shard) {
  if (!shard.empty() && !max_age.empty())
    return usage_error(sitting, "--max-age est sans objet avec --shard : une partie close n'est plus confirmée");
  if (!shard.empty()) return closing_checkpoint(sitting, shard);
  auto age_max = age_max_of(sitting, max_age);
  if (!age_max) return static_cast<int>(ExitClass::usage);
  auto session = sitting.session();
  if (!session) return report_to_auditor(sitting, session.error());
  auto heartbeat = check_heartbeat(sitting, **session, max_age, *age_max);
  if (!heartbeat && is(heartbeat.error(), protocol::LocalCode::usage))
    return usage_error(sitting, "votre invitation n'exige aucun témoin : --max-age est sans objet");
  if (!heartbeat && !is(heartbeat.error(), protocol::LocalCode::log_stale))
    return report_to_auditor(sitting, heartbeat.error());
  const LogWatch& log = (*session)->log();
  const auto& shown = log.shown();
  if (!shown) return usage_error(sitting, "le journal n'a encore montré aucun point de contrôle");
  auto cosignatures = log.witnesses().read(*shown, sitting.clock().now());
  if (!cosignatures) return report_to_auditor(sitting, cosignatures.error());
  print_checkpoint(sitting, *shown, *cosignatures);
  if (!heartbeat) return report_to_auditor(sitting, heartbeat.error());
  return 0;
}

void add_list(CLI::App& group, Sitting& sitting, Verdict& verdict) {
  auto options = std::make_shared<ListOptions>();
  auto* verb = group.add_subcommand("list", "Lister les actes");
  verb->footer(
      "Exemple : pli audit list --act consultation --person p.leroux --from 2026-11-01 --notes\n"
      "Les jours sont ceux de Paris. Un numéro se donne par son début ; espaces et majuscules n'y comptent pas.\n"
      "--csv suit la RFC 4180 ; une cellule qui commencerait par = + - @ est précédée d'une apostrophe.");
  verb->add_option("--act", options->act, "Acte : consultation, refus, collecte…");
  verb->add_option("--person", options->person, "Personne habilitée");
  verb->add_option("--member", options->member, "Membre : son identifiant dans l'annuaire");
  verb->add_option("--organisation", options->organisation, "Organisation");
  verb->add_option("--role", options->role, "Rôle : membre_ged, referent, auditeur…");
  verb->add_option("--instance,--queue", options->queue, "Instance ou file : ged/89");
  verb->add_option("--case", options->case_id, "Dossier : début de son numéro");
  verb->add_option("--exchange", options->exchange, "Échange : début de son numéro");
  verb->add_option("--nature", options->kind, "Nature de l'échange : signalement_individuel, retour…");
  verb->add_option("--motif", options->motif, "Motif de l'ouverture : evaluation, suivi…");
  verb->add_option("--outcome", options->outcome, "Issue : ok, FORBIDDEN, NOT_FOUND…");
  verb->add_option("--rule", options->rule, "Règle appliquée : ouverture.ged, interdit.auteur…");
  verb->add_option("--from", options->from, "À partir de ce jour, AAAA-MM-JJ");
  verb->add_option("--to", options->to, "Jusqu'à ce jour compris");
  verb->add_flag("--notes", options->notes, "Ouvrir et montrer les notes de motif scellées à votre clé");
  verb->add_flag("--csv", options->csv, "Sortie pour tableur (RFC 4180)");
  verb->callback([&sitting, &verdict, options] { verdict.exit_code = audit_list(sitting, *options); });
}

void add_show(CLI::App& group, Sitting& sitting, Verdict& verdict) {
  auto options = std::make_shared<ShowOptions>();
  auto* verb = group.add_subcommand("show", "Montrer un acte, champ par champ, avec sa preuve");
  verb->footer(
      "Exemple : pli audit show 1204 --out acte-1204.tlog-proof\n"
      "Pour une inspection : pli audit show 1204 --field actor --field motif --out acte-1204.tlog-proof ne divulgue "
      "que\n"
      "ces deux champs ; les autres restent derrière leur engagement, et la preuve vaut toujours.");
  verb->add_option("place", options->place, "Place de l'acte dans le journal : 1204, ou 2026-1/1204")->required();
  verb->add_option("--shard", options->shard, "Partie du journal où il se trouve (défaut : celle en cours)");
  verb->add_option("--field", options->fields, "Ne montrer que ce champ (répétable)")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  verb->add_option("--out", options->out, "Écrire la preuve dans ce fichier, qui ne doit pas exister");
  verb->callback([&sitting, &verdict, options] { verdict.exit_code = audit_show(sitting, *options); });
}

void add_period_verbs(CLI::App& group, Sitting& sitting, Verdict& verdict) {
  auto reported = std::make_shared<PeriodOptions>();
  auto* verb = group.add_subcommand("report", "Rapport d'une période : accès, volumes, horaires, refus, habilitations");
  verb->footer(
      "Exemple : pli audit report --from 2026-11-01 --to 2026-11-30\n"
      "Le journal est lu et vérifié en entier. Les règles de ce qui est signalé figurent dans le rapport.");
  verb->add_option("--from", reported->from, "Premier jour, AAAA-MM-JJ (heure de Paris)")->required();
  verb->add_option("--to", reported->to, "Dernier jour, compris")->required();
  verb->add_option("--hours", reported->hours, "Horaires de travail, du lundi au vendredi (défaut : 8-19)");
  verb->add_option("--follow-up", reported->follow_up_days, "Jours laissés pour donner suite (défaut : 30)");
  verb->add_flag("--csv", reported->csv, "Sortie pour tableur (RFC 4180)");
  verb->callback([&sitting, &verdict, reported] { verdict.exit_code = audit_report(sitting, *reported); });

  auto exported = std::make_shared<PeriodOptions>();
  auto folder = std::make_shared<std::filesystem::path>();
  verb = group.add_subcommand("export", "Emporter une période dans un dossier qui se vérifie sans connexion");
  verb->footer(
      "Exemple : pli audit export export-novembre --from 2026-11-01 --to 2026-11-30\n"
      "Le dossier contient les actes et leurs preuves, jamais le contenu d'un échange.\n"
      "Un dossier tient une partie du journal. Ce que la période a d'actes dans une autre est dit : un dossier par "
      "partie,\n"
      "avec --shard.");
  verb->add_option("dossier", *folder, "Dossier à créer, ou vide")->required();
  verb->add_option("--from", exported->from, "Premier jour, AAAA-MM-JJ (heure de Paris)")->required();
  verb->add_option("--to", exported->to, "Dernier jour, compris")->required();
  verb->add_option("--shard", exported->shard, "Partie du journal à emporter : 2026-1 (défaut : celle en cours)");
  verb->callback(
      [&sitting, &verdict, exported, folder] { verdict.exit_code = audit_export(sitting, *folder, *exported); });

  auto month = std::make_shared<std::string>();
  verb = group.add_subcommand("statistics", "Recompter les statistiques d'un mois et les comparer à celles publiées");
  verb->footer(
      "Exemple : pli audit statistics --month 2026-11\n"
      "Les mois sont ceux du journal (UTC). Chaque partie du journal a les siennes. Code de sortie 4 si les "
      "statistiques "
      "publiées sont autres.");
  verb->add_option("--month", *month, "Mois, AAAA-MM")->required();
  verb->callback([&sitting, &verdict, month] { verdict.exit_code = audit_statistics(sitting, *month); });

  auto tiles = std::make_shared<std::filesystem::path>();
  verb = group.add_subcommand("tiles", "Écrire ou prolonger les tuiles du journal (C2SP tlog-tiles)");
  verb->footer(
      "Exemple : pli audit tiles journal-89\n"
      "D'autres logiciels lisent ce dossier. Relancée, la commande ajoute ce qui manque et ne remplace rien.\n"
      "Les tuiles sont celles de la partie en cours du journal : un dossier par partie, nommé comme elle (2026-1).");
  verb->add_option("dossier", *tiles, "Dossier des tuiles")->required();
  verb->callback([&sitting, &verdict, tiles] { verdict.exit_code = audit_tiles(sitting, *tiles); });
}

}  // namespace

void add_audit(CLI::App& app, Sitting& sitting, Verdict& verdict) {
  auto* group = app.add_subcommand("audit", "Le journal des accès : le lire, le vérifier (auditeurs)");
  group->require_subcommand(1);
  group->footer("Exemple : pli audit verify\nLire le journal est soi-même inscrit au journal.");
  add_list(*group, sitting, verdict);
  add_show(*group, sitting, verdict);
  add_period_verbs(*group, sitting, verdict);
  auto* verb =
      group->add_subcommand("verify", "Vérifier tout le journal : feuilles, arbre, signatures, files, annuaire");
  verb->footer(
      "Exemple : pli audit verify --json\n"
      "Toutes les parties du journal sont lues, de la première à celle en cours, et chaque passage de l'une à "
      "l'autre.");
  auto age = std::make_shared<std::string>();
  verb->add_option("--max-age", *age, "Confirmé par les témoins depuis moins de : 90s, 10m (par défaut), 24h");
  verb->callback([&sitting, &verdict, age] { verdict.exit_code = verify(sitting, *age); });
  verb = group->add_subcommand("checkpoint", "Montrer le dernier point de contrôle signé et vérifié");
  verb->footer("Exemple : pli audit checkpoint > point-de-controle.txt");
  auto shown_age = std::make_shared<std::string>();
  verb->add_option("--max-age", *shown_age, "Confirmé par les témoins depuis moins de : 90s, 10m (par défaut), 24h");
  auto shard = std::make_shared<std::string>();
  verb->add_option("--shard", *shard,
                   "Le dernier d'une partie close du journal : 2026-1 (défaut : celui de la partie en cours)");
  verb->callback(
      [&sitting, &verdict, shown_age, shard] { verdict.exit_code = checkpoint(sitting, *shown_age, *shard); });
}

}  // namespace pli::client::command
