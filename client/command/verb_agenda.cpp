// pli case agenda: what stands on which séance, and what has to be put on the next one.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "client/agenda.hpp"
#include "client/command/agenda_screen.hpp"
#include "client/command/duties_screen.hpp"
#include "client/command/program.hpp"
#include "client/command/screen.hpp"

namespace pli::client::command {
namespace {

using protocol::SeanceCalendar;

struct AgendaOptions {
  std::string instance, date;
};

const std::optional<SeanceCalendar>& calendar_of(const KnownDirectory& directory, std::string_view instance) {
  static const std::optional<SeanceCalendar> none;
  const protocol::Queue* queue = directory.queue(instance);
  return queue == nullptr ? none : queue->seances;
}

std::string day_words(const NextSeances& next) {
  if (!next.next) return "aucune";
  return french_day(*next.next) + (next.second ? ", puis " + french_day(*next.second) : std::string());
}

void say_calendar(const Sitting& sitting, const std::string& instance, const std::optional<SeanceCalendar>& calendar,
                  const NextSeances& next) {
  if (sitting.json()) {
    JsonObject out;
    out.text("section", "calendar").text("instance", instance);
    if (calendar) out.text("from", iso_day(calendar->first)).number("every_days", calendar->every_days);
    std::vector<std::string> days;
    for (const auto& day : {next.next, next.second})
      if (day) days.push_back(iso_day(*day));
    out.texts("next", days).print();
    return;
  }
  say("ORDRE DU JOUR — " + instance);
  say(calendar ? "Séances    tous les " + std::to_string(calendar->every_days) + " jours ; à venir : " + day_words(next)
               : "Séances    aucun calendrier n'est fixé (préfecture : pli directory seances)");
}

std::string kind_text(const protocol::CaseItem& item) {
  const protocol::KindRow* row = protocol::row_of_number(item.kind);
  return row == nullptr ? "?" : std::string(row->french);
}

bool is_urgent(const protocol::CaseItem& item) {
  return item.urgency == static_cast<std::uint8_t>(protocol::Urgency::urgente);
}

std::string decided_by(const AgendaCase& each) {
  if (each.decision_due.value == 0) return "";
  return french_day(paris_time(each.decision_due - std::chrono::milliseconds(1)).day);
}

void print_json(const AgendaCase& each) {
  JsonObject out;
  const protocol::KindRow* row = protocol::row_of_number(each.item.kind);
  out.text("section", "case").text("instance", each.item.queue).text("case", to_hex(each.item.case_id));
  out.text("kind", row == nullptr ? "?" : row->name).text("state", each.item.state);
  out.text("standing", text_of(each.standing)).boolean("urgent", is_urgent(each.item));
  if (each.seance)
    out.text("seance", iso_day(*each.seance));
  else
    out.null("seance");
  if (each.decision_due.value != 0) out.text("decision_late_from", iso_time(each.decision_due));
  out.print();
}

/// Without a day: séances to come, and what still waits for its decision on an earlier one.
bool is_shown(const AgendaCase& each, const std::optional<Day>& wanted, Day today) {
  if (wanted) return each.seance == wanted;
  return !each.seance || *each.seance >= today || each.standing != AgendaStanding::decided;
}

void show_instance(const Sitting& sitting, const Session& session, const SeenDuties& seen,
                   const std::vector<InboxItem>& headers, const std::string& instance, const std::optional<Day>& wanted,
                   Day today) {
  const auto& calendar = calendar_of(session.directory(), instance);
  const NextSeances next = next_seances(calendar, today);
  const Agenda agenda = agenda_of(seen.cases, courses_of(headers, instance), instance, next);
  say_calendar(sitting, instance, calendar, next);
  std::vector<std::vector<std::string>> rows;
  for (const AgendaCase& each : agenda.cases) {
    if (!is_shown(each, wanted, today)) continue;
    if (sitting.json()) {
      print_json(each);
      continue;
    }
    rows.push_back({each.seance ? french_day(*each.seance) : "À INSCRIRE", short_id(each.item.case_id),
                    kind_text(each.item), is_urgent(each.item) ? "URGENT" : "", std::string(french(each.standing)),
                    decided_by(each)});
  }
  if (sitting.json()) return;
  if (rows.empty())
    say(wanted ? "Aucun dossier inscrit à la séance du " + french_day(*wanted) + "." : "Aucun dossier inscrit.");
  print_table({{"Séance"}, {"Dossier"}, {"Nature"}, {""}, {"État"}, {"Décision au plus tard le"}}, rows);
  if (!wanted && agenda.waiting != 0)
    say("Ni inscrits ni pressés : " + std::to_string(agenda.waiting) +
        (agenda.waiting == 1 ? " dossier (pli case list)." : " dossiers (pli case list)."));
}

int agenda(Sitting& sitting, const AgendaOptions& options) {
  const auto wanted = options.date.empty() ? std::nullopt : parse_day(options.date);
  if (!options.date.empty() && !wanted) return usage_error(sitting, "un jour s'écrit AAAA-MM-JJ");
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  const std::vector<std::string> instances = instances_of(sitting, **session, options.instance);
  if (instances.empty()) return static_cast<int>(ExitClass::usage);
  auto seen = look_at_duties(sitting, **session, Proofs::none);
  if (!seen) return report(sitting, seen.error());
  auto headers = received((*session)->profile());
  if (!headers) return report(sitting, headers.error());
  const Day today = paris_time(sitting.clock().now()).day;
  for (const std::string& instance : instances) {
    if (!sitting.json() && &instance != &instances.front()) say("");
    show_instance(sitting, **session, *seen, *headers, instance, wanted, today);
  }
  return seen->code;
}

}  // namespace

std::optional<std::string> seance_for(const Sitting& sitting, const KnownDirectory& directory,
                                      const protocol::CaseItem& item, const std::string& typed) {
  const auto& calendar = calendar_of(directory, item.queue);
  const auto day =
      typed.empty() ? next_seances(calendar, paris_time(sitting.clock().now()).day).next : parse_day(typed);
  if (!typed.empty() && (!day || !calendar)) return typed;  // the form says what is wrong with a day
  if (!day) return std::nullopt;
  const bool usual = protocol::is_seance(*calendar, *day);
  if (sitting.json())
    JsonObject()
        .text("case", to_hex(item.case_id))
        .text("seance", iso_day(*day))
        .boolean("of_the_calendar", usual)
        .print();
  else if (typed.empty())
    say("Séance du " + french_day(*day) + " (" + item.queue + "), la prochaine du calendrier.");
  else if (!usual)
    warn("Attention : le " + french_day(*day) + " n'est pas un jour de séance de " + item.queue +
         " ; ce serait une séance extraordinaire.");
  return iso_day(*day);
}

std::vector<std::string> instances_of(const Sitting& sitting, const Session& session, const std::string& typed) {
  std::vector<std::string> out;
  for (const std::string& seat : session.seats()) {
    const auto kind = protocol::queue_kind_of(seat);
    if (kind && protocol::has_seances(*kind) && (typed.empty() || typed == seat)) out.push_back(seat);
  }
  if (out.empty())
    static_cast<void>(usage_error(
        sitting, typed.empty() ? "vous ne siégez dans aucune instance" : "vous ne siégez pas dans cette instance"));
  return out;
}

void add_case_agenda(CLI::App& group, Sitting& sitting, Verdict& verdict) {
  auto options = std::make_shared<AgendaOptions>();
  auto* verb = group.add_subcommand("agenda", "Montrer l'ordre du jour des séances et ce qu'il faut y inscrire");
  verb->footer("Exemple : pli case agenda --instance ged/89 --date 2026-12-03");
  verb->add_option("--instance", options->instance, "Une seule instance (défaut : celles où vous siégez)");
  verb->add_option("--date", options->date, "Une seule séance (AAAA-MM-JJ), passée ou à venir");
  verb->callback([&sitting, &verdict, options] { verdict.exit_code = agenda(sitting, *options); });
}

}  // namespace pli::client::command
