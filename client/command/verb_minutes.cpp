// pli case minutes: the relevé de décisions of a séance, sealed to the instance's secrétariat. No clear copy is made.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "base/file.hpp"
#include "client/command/agenda_screen.hpp"
#include "client/command/duties_screen.hpp"
#include "client/command/opening_screen.hpp"
#include "client/command/outbox_screen.hpp"
#include "client/command/program.hpp"
#include "client/command/screen.hpp"
#include "client/minutes.hpp"
#include "client/open_exchange.hpp"

namespace pli::client::command {
namespace {

namespace fs = std::filesystem;

struct MinutesOptions {
  std::string date, instance;
  fs::path out;
};

/// A case of the séance, and what its headers say.
struct OnSeance {
  const protocol::CaseItem* item = nullptr;
  const CaseCourse* course = nullptr;
};
std::vector<OnSeance> cases_on(const std::vector<CaseDuties>& cases, const std::map<Digest, CaseCourse>& courses,
                               std::string_view instance, Day seance) {
  std::vector<OnSeance> out;
  for (const CaseDuties& each : cases) {
    const auto course = courses.find(each.item.case_id);
    if (each.item.commune || each.item.queue != instance || course == courses.end()) continue;
    if (stood_on(course->second, seance)) out.push_back({&each.item, &course->second});
  }
  std::sort(out.begin(), out.end(), [](const OnSeance& a, const OnSeance& b) {
    return std::tie(a.item->opened_at, a.item->case_id) < std::tie(b.item->opened_at, b.item->case_id);
  });
  return out;
}

/// For the auditors alone, where there is one to seal it to.
std::string note_for(const KnownDirectory& directory, const std::string& territory, Day seance) {
  const auto audits = directory.queues_of(protocol::QueueKind::audit, territory);
  const bool read = std::any_of(audits.begin(), audits.end(), [](const auto* queue) { return !queue->keys.empty(); });
  return read ? "Relevé de la séance du " + french_day(seance) : std::string();
}

/// Opened for the séance, and recorded; what was wrong around it is told and reported.
Outcome<OpenedExchange> open_for_minutes(Sitting& sitting, const protocol::ExchangeId& id, const std::string& note,
                                         int& code) {
  // Asked for anew each time: reporting an anomaly may have ended the one before.
  auto session = sitting.session();
  if (!session) return session.error();
  auto opened = open_exchange(**session, id, {protocol::Motif::preparation_de_seance, note});
  if (!opened) {
    report_if_anomaly(sitting, id, opened.error());
    return opened.error();
  }
  code = std::max(code, tell_around(sitting, *opened));
  if (!opened->form) return Failure(protocol::LocalCode::bad_form, "an act of the instance without a form");
  return opened;
}

/// Errors: those of the first opening that fails, after which no relevé is made.
Outcome<void> add_what_is_sealed(Sitting& sitting, const CaseCourse& course, const std::string& note, Day seance,
                                 MinutesCase& each, int& code) {
  if (!course.evaluations.empty()) {
    auto opened = open_for_minutes(sitting, course.evaluations.back(), note, code);
    if (!opened) return opened.error();
    set_taken_up(each, read_evaluation(*opened->form), seance);
  }
  if (course.decisions.empty() || each.moved_to) return {};
  auto opened = open_for_minutes(sitting, course.decisions.back().first, note, code);
  if (!opened) return opened.error();
  each.decided = read_decision(*opened->form, course.decisions.back().second);
  return {};
}

/// The one instance that is meant: as typed, or the only one with cases on that day.
std::optional<std::string> instance_meant(const std::vector<std::string>& instances, const SeenDuties& seen,
                                          const std::vector<InboxItem>& headers, Day seance) {
  if (instances.size() == 1) return instances.front();
  std::optional<std::string> out;
  for (const std::string& instance : instances) {
    if (cases_on(seen.cases, courses_of(headers, instance), instance, seance).empty()) continue;
    if (out) return std::nullopt;
    out = instance;
  }
  return out ? out : instances.front();
}

int minutes(Sitting& sitting, const MinutesOptions& options) {
  const auto seance = parse_day(options.date);
  if (!seance) return usage_error(sitting, "un jour s'écrit AAAA-MM-JJ");
  std::error_code none;
  if (fs::exists(fs::symlink_status(options.out, none)))
    return usage_error(sitting, "ce fichier existe déjà : donnez un autre nom, rien n'est remplacé");
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  const std::vector<std::string> instances = instances_of(sitting, **session, options.instance);
  if (instances.empty()) return static_cast<int>(ExitClass::usage);
  const protocol::Member* self = (*session)->directory().member((*session)->member_id());
  if (self == nullptr || !self->roles.has(protocol::Role::secretariat))
    return usage_error(sitting, "le relevé est établi par le secrétariat de l'instance");
  auto seen = look_at_duties(sitting, **session, Proofs::none);
  if (!seen) return report(sitting, seen.error());
  auto headers = received((*session)->profile());
  if (!headers) return report(sitting, headers.error());
  const auto instance = instance_meant(instances, *seen, *headers, *seance);
  if (!instance) return usage_error(sitting, "plusieurs instances ont une séance ce jour-là : précisez --instance");
  const auto courses = courses_of(*headers, *instance);
  const std::vector<OnSeance> cases = cases_on(seen->cases, courses, *instance, *seance);
  if (cases.empty())
    return usage_error(sitting, "aucun dossier à la séance du " + french_day(*seance) + " (" + *instance +
                                    ") : il n'y a rien à relever. Voir : pli case agenda");
  // Before anything is opened: a reading that serves nothing is not made.
  const UnixMillis now = sitting.clock().now();
  const KnownDirectory& directory = (*session)->directory();
  std::vector<std::string> withdrew, authors;
  for (const OnSeance& each : cases) {
    withdrew.insert(withdrew.end(), each.course->recused.begin(), each.course->recused.end());
    for (const InboxItem& header : *headers)
      if (header.exchange == each.item->case_id && header.visible)
        if (const protocol::Member* sender = directory.member(header.address.sender))
          if (each.item->origin == Digest{}) authors.push_back(sender->organisation);
  }
  const std::vector<crypto::AgePublic> recipients = secretariat_keys(directory, *instance, now, withdrew, authors);
  const std::size_t kept_out = secretariat_keys(directory, *instance, now).size() - recipients.size();
  const protocol::Contract* contract = directory.contract();

  Minutes out;
  out.contract = contract == nullptr ? std::string() : contract->title;
  out.instance = *instance;
  out.seance = *seance;
  out.directory = directory.number();
  out.drawn_at = now;
  out.drawn_by = self->label.empty() ? self->id : self->label;
  out.recused_himself = std::any_of(courses.begin(), courses.end(), [&](const auto& each) {
    const auto& recused = each.second.recused;
    return std::find(recused.begin(), recused.end(), self->id) != recused.end();
  });
  for (const OnSeance& each : cases) out.cases.push_back(minutes_of(*each.item, *each.course, *seance, directory));
  const std::string note = note_for(directory, self->territory, *seance);
  int code = seen->code;
  ProgressBar bar("Ouverture");
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (auto added = add_what_is_sealed(sitting, *cases[i].course, note, *seance, out.cases[i], code); !added)
      return report(sitting, added.error());
    bar.show(i + 1, cases.size());
  }
  auto sealed = seal_minutes(out, recipients);
  if (!sealed) return report(sitting, sealed.error());
  if (auto written = write_file_durably(options.out, *sealed, FileMode::owner_only); !written)
    return report(sitting, local(protocol::LocalCode::local_store, written.error()));
  if (sitting.json()) {
    JsonObject()
        .text("minutes", options.out.string())
        .text("instance", *instance)
        .text("seance", iso_day(*seance))
        .number("cases", static_cast<std::int64_t>(cases.size()))
        .number("recipients", static_cast<std::int64_t>(recipients.size()))
        .number("kept_out", static_cast<std::int64_t>(kept_out))
        .print();
    return code;
  }
  say("Relevé de la séance du " + french_day(*seance) + " (" + *instance + ") : " + std::to_string(cases.size()) +
      (cases.size() == 1 ? " dossier" : " dossiers") + ", scellé pour " + std::to_string(recipients.size()) +
      (recipients.size() == 1 ? " membre" : " membres") + " du secrétariat : " + options.out.string());
  if (kept_out != 0)
    say("  Non scellé pour " + std::to_string(kept_out) +
        (kept_out == 1 ? " secrétaire qui s'est récusé" : " secrétaires qui se sont récusés") +
        " d'un de ces dossiers, ou qui en est l'auteur.");
  say("  Pour le lire : pli unseal -i " + ((*session)->profile().folder() / "identity.age").string() + " " +
      options.out.string());
  say("  (la dernière ligne est pour les logiciels)");
  return code;
}

}  // namespace

void add_case_minutes(CLI::App& group, Sitting& sitting, Verdict& verdict) {
  auto options = std::make_shared<MinutesOptions>();
  auto* verb = group.add_subcommand(
      "minutes", "Établir le relevé de décisions d'une séance, scellé au secrétariat de l'instance (secrétariat)");
  verb->footer(
      "Exemple : pli case minutes --date 2026-12-03 --instance ged/89 --out releve-2026-12-03.age\n"
      "Puis : pli unseal -i ~/.pli/identity.age releve-2026-12-03.age\n"
      "Chaque décision et chaque mise en évaluation de la séance est ouverte, ce que le journal garde.\n"
      "Qui s'est récusé d'un des dossiers de la séance ne peut pas le lire.");
  verb->add_option("--date", options->date, "Jour de la séance (AAAA-MM-JJ)")->required();
  verb->add_option("--instance", options->instance, "L'instance, si vous siégez dans plusieurs");
  verb->add_option("--out", options->out, "Fichier age à écrire ; il ne doit pas exister")->required();
  verb->callback([&sitting, &verdict, options] { verdict.exit_code = minutes(sitting, *options); });
}

}  // namespace pli::client::command
