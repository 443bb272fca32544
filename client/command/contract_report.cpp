// pli contract report: each engagement of the contract, kept or missed, and what shows it.
#include "client/contract_report.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "client/command/audit_verbs.hpp"
#include "client/command/duties_screen.hpp"
#include "client/command/program.hpp"
#include "protocol/printable.hpp"

namespace pli::client::command {
namespace {

using protocol::Delay;
using protocol::Duty;
using protocol::DutyState;

/// What is counted, and on what.
struct Counted {
  std::vector<ReportedDuty> duties;
  std::string source;    ///< in French
  bool verified = true;  ///< of an auditor: the whole journal
  std::uint64_t records = 0;
  int code = 0;
};

std::vector<std::pair<Duty, Delay>> delays_shown(const protocol::Delays& delays) {
  return {{Duty::accuse_de_reception, delays.accuse_de_reception},
          {Duty::premiere_lecture, delays.premiere_lecture},
          {Duty::decision, delays.decision},
          {Duty::retour, delays.retour},
          {Duty::examen, {}},
          {Duty::point_de_situation, delays.point_de_situation},
          {Duty::charte, {}}};
}

std::string delay_text(Duty duty, const protocol::Delays& delays, const Delay& delay) {
  const auto words = [](const Delay& each) {
    std::string out;
    if (each.days != 0) out = std::to_string(each.days) + (each.days == 1 ? " jour" : " jours");
    if (each.months != 0) out += (out.empty() ? "" : ", ") + std::to_string(each.months) + " mois au plus";
    return out;
  };
  if (duty == Duty::examen) return "décision, puis retour";
  if (duty == Duty::premiere_lecture)
    return words(delay) + " (urgent : " + words(delays.premiere_lecture_urgente) + ")";
  return words(delay);
}

std::string source_text(Duty duty, const Delay& delay) {
  if (duty == Duty::charte) return "annuaire";
  if (duty == Duty::examen) return "";
  return delay.promised ? "contrat" : "par défaut";
}

bool is_auditor(const Session& session) {
  const protocol::Member* self = session.directory().member(session.member_id());
  return self != nullptr && self->roles.has(protocol::Role::auditeur);
}

Outcome<Counted> count_journal(Sitting& sitting, Session& session) {
  ContractReporter reporter;
  Outcome<AuditReport> read = [&] {
    ProgressBar bar("Lecture et vérification");
    return audit_log(
        session, [&](const AuditedRecord& record) { reporter.add(record); }, publication_patience, {},
        [&](std::uint64_t done, std::uint64_t total) { bar.show(done, total); });
  }();
  if (!read) return read.error();
  Counted out;
  out.duties = reporter.finish(session.directory(), sitting.clock().now());
  out.verified = read->clean();
  out.records = read->records;
  out.source = "le journal entier, " + std::to_string(read->records) + " enregistrements" +
               (out.verified ? ", vérifié" : " : LE JOURNAL N'EST PAS INTÈGRE");
  if (!sitting.json()) warn_of(*read);
  if (!out.verified) out.code = static_cast<int>(ExitClass::verification_failed);
  return out;
}

Outcome<Counted> count_own(Sitting& sitting, Session& session) {
  auto seen = look_at_duties(sitting, session, Proofs::all);
  if (!seen) return seen.error();
  Counted out;
  out.code = seen->code;
  out.source = "vos dossiers, " + std::to_string(seen->cases.size()) + " ; une place du journal prouve chaque date";
  for (const CaseDuties& each : seen->cases)
    for (const protocol::Deadline& deadline : each.deadlines)
      out.duties.push_back({deadline, to_hex(each.item.case_id), each.item.queue,
                            each.item.urgency == static_cast<std::uint8_t>(protocol::Urgency::urgente)});
  std::string own;
  for (const std::string& seat : session.seats())
    if (protocol::queue_kind_of(seat) == protocol::QueueKind::org) own = seat;
  for (protocol::Deadline& deadline :
       own_situation(seen->acts, session.directory(), session.member_id(), sitting.clock().now()))
    out.duties.push_back({std::move(deadline), own, {}, false});
  for (ReportedDuty& each : charter_duties(session.directory(), sitting.clock().now()))
    out.duties.push_back(std::move(each));
  return out;
}

bool is_listed(const ReportedDuty& duty, bool all) {
  return all || duty.deadline.state == DutyState::missed || duty.deadline.state == DutyState::late;
}

std::string subject_text(const ReportedDuty& duty) {
  return protocol::printable(duty.instance.empty() ? duty.subject : duty.subject.substr(0, 8));
}

std::string period_text(const ReportPeriod& period) {
  std::string out;
  if (period.from) out += "du " + french_day(*period.from);
  if (period.to) out += (out.empty() ? "jusqu'au " : " au ") + french_day(*period.to);
  return out + " inclus";
}

void say_report(const protocol::Contract& contract, DirectoryNumber number, const Counted& counted,
                const ReportPeriod& period, bool all) {
  const protocol::Delays delays = protocol::delays_of(contract.engagements);
  say("RAPPORT SUR LES ENGAGEMENTS DU CONTRAT");
  say("Contrat    " + protocol::printable(contract.title) + " (" + contract.id + "), annuaire n° " +
      std::to_string(number.value));
  say("Établi sur " + counted.source);
  if (period != ReportPeriod()) {
    say("Période    " + period_text(period) + (period.from ? "" : ", depuis le début"));
    say("           un engagement tenu compte le jour où il l'est, tout autre le dernier jour de son délai");
  }
  say("Délais     en jours entiers de Paris : le premier jour ne compte pas, le dernier compte jusqu'à minuit");
  say("");
  auto counts = count_duties(counted.duties);
  std::vector<std::vector<std::string>> rows;
  for (const auto& [duty, delay] : delays_shown(delays)) {
    const auto found = counts.find(duty);
    if (found == counts.end()) continue;
    DutyCount& count = found->second;
    const auto text = [&](DutyState state) { return std::to_string(count.of(state)); };
    rows.push_back({std::string(protocol::french(duty)), delay_text(duty, delays, delay), source_text(duty, delay),
                    text(DutyState::kept), text(DutyState::missed), text(DutyState::late), text(DutyState::running),
                    text(DutyState::done), text(DutyState::lapsed)});
  }
  print_table({{"Engagement"},
               {"Délai"},
               {"Fixé par"},
               {"Tenus"},
               {"Manqués"},
               {"En retard"},
               {"En cours"},
               {"Faits, sans date"},
               {"Sans objet"}},
              rows);
  if (rows.empty())
    say(period == ReportPeriod() ? "Rien n'est attendu : aucun dossier." : "Rien n'était attendu dans cette période.");
  rows.clear();
  for (const ReportedDuty& each : counted.duties)
    if (is_listed(each, all))
      rows.push_back({std::string(protocol::french(each.deadline.duty)), subject_text(each), each.instance,
                      each.urgent ? "urgent" : "", moment_text(each.deadline.started), last_day(each.deadline),
                      each.deadline.ended ? moment_text(*each.deadline.ended) : "",
                      std::string(protocol::french(each.deadline.state))});
  say("");
  say(all ? "Chacun, avec la place du journal qui prouve son début et sa fin :"
          : "Manqués et en retard, avec la place du journal qui prouve le début et la fin (--all pour tous) :");
  if (rows.empty()) say("Aucun.");
  print_table({{"Engagement"}, {"Pour"}, {"Instance"}, {""}, {"Depuis le"}, {"Au plus tard le"}, {"Fait le"}, {"État"}},
              rows);
}

void print_json(const protocol::Contract& contract, DirectoryNumber number, const Counted& counted,
                const ReportPeriod& period, UnixMillis now) {
  JsonObject head;
  head.text("section", "contract")
      .text("contract", contract.id)
      .number("directory", static_cast<std::int64_t>(number.value))
      .texts("engagements", contract.engagements)
      .boolean("verified", counted.verified)
      .number("records", static_cast<std::int64_t>(counted.records));
  if (period.from) head.text("from", iso_day(*period.from));
  if (period.to) head.text("to", iso_day(*period.to));
  head.print();
  auto counts = count_duties(counted.duties);
  for (const auto& [duty, delay] : delays_shown(protocol::delays_of(contract.engagements))) {
    const auto found = counts.find(duty);
    if (found == counts.end()) continue;
    JsonObject out;
    out.text("section", "engagement").text("duty", protocol::text_of(duty)).boolean("promised", delay.promised);
    out.number("days", delay.days).number("months", delay.months);
    for (const DutyState state :
         {DutyState::kept, DutyState::missed, DutyState::late, DutyState::running, DutyState::done, DutyState::lapsed})
      out.number(protocol::text_of(state), static_cast<std::int64_t>(found->second.of(state)));
    out.print();
  }
  for (const ReportedDuty& each : counted.duties) {
    JsonObject out;
    out.text("section", "duty").text("subject", each.subject).text("instance", each.instance);
    out.boolean("urgent", each.urgent);
    put_duty(out, each.deadline, now);
    out.print();
  }
}

}  // namespace

int contract_report(Sitting& sitting, const std::string& from, const std::string& to, bool all) {
  std::string wrong;
  const auto typed = typed_period(from, to, wrong);
  if (!typed) return usage_error(sitting, wrong);
  const ReportPeriod period{typed->from, typed->to};
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  const protocol::Contract* contract = (*session)->directory().contract();
  if (contract == nullptr)
    return report(sitting, Failure(protocol::LocalCode::directory_unproven, "the directory shows no contract"));
  const bool auditor = is_auditor(**session);
  auto counted = auditor ? count_journal(sitting, **session) : count_own(sitting, **session);
  if (!counted) return auditor ? report_to_auditor(sitting, counted.error()) : report(sitting, counted.error());
  counted->duties = duties_within(std::move(counted->duties), period);
  const DirectoryNumber number = (*session)->directory().number();
  if (sitting.json())
    print_json(*contract, number, *counted, period, sitting.clock().now());
  else
    say_report(*contract, number, *counted, period, all);
  return counted->code;
}

void add_contract_report(CLI::App& group, Sitting& sitting, Verdict& verdict) {
  auto all = std::make_shared<bool>(false);
  auto days = std::make_shared<std::pair<std::string, std::string>>();
  auto* verb = group.add_subcommand("report", "Chaque engagement du contrat : tenu ou manqué, et la preuve");
  verb->footer("Exemple : pli contract report --from 2026-07-01 --to 2026-12-31");
  verb->add_option("--from", days->first, "Premier jour, à Paris (AAAA-MM-JJ)");
  verb->add_option("--to", days->second, "Dernier jour, inclus");
  verb->add_flag("--all", *all, "Montrer aussi ce qui est tenu ou en cours");
  verb->callback([&sitting, &verdict, all, days] {
    verdict.exit_code = contract_report(sitting, days->first, days->second, *all);
  });
}

}  // namespace pli::client::command
