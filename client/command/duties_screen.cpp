#include "client/command/duties_screen.hpp"

#include <algorithm>
#include <set>

#include "base/paris_time.hpp"
#include "client/case_list.hpp"
#include "client/command/audit_verbs.hpp"
#include "client/inbox.hpp"
#include "protocol/printable.hpp"

namespace pli::client::command {
namespace {

using protocol::Deadline;
using protocol::Duty;

bool is_urgent(const CaseDuties& duties) {
  return duties.item.urgency == static_cast<std::uint8_t>(protocol::Urgency::urgente);
}

bool is_of_interest(const CaseDuties& duties, UnixMillis now) {
  return std::any_of(duties.deadlines.begin(), duties.deadlines.end(),
                     [&](const Deadline& each) { return needs_somebody(each, now); });
}

/// Acts that begin, end or move something that is owed.
bool counts(const KnownAct& act) {
  const protocol::KindRow* row = protocol::row_of_number(act.kind);
  if (row == nullptr) return false;
  switch (row->kind) {
    case protocol::Kind::recevabilite:
    case protocol::Kind::demande_de_complement:
    case protocol::Kind::inscription:
    case protocol::Kind::mise_en_evaluation:
    case protocol::Kind::decision:
    case protocol::Kind::retour:
    case protocol::Kind::report_du_retour:
    case protocol::Kind::point_de_situation:
    case protocol::Kind::retrait: return true;
    default: return row->opens_case;
  }
}

Outcome<void> prove_some(Session& session, std::vector<KnownAct>& acts, const std::set<Digest>& cases) {
  std::vector<KnownAct*> wanted;
  for (KnownAct& act : acts)
    if (counts(act) && !act.accepted.leaf && cases.find(act.case_id) != cases.end()) wanted.push_back(&act);
  ProgressBar bar("Preuves");
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (auto proven = prove_acts(session, std::span(wanted[i], 1)); !proven) return proven;
    bar.show(i + 1, wanted.size());
  }
  return {};
}

std::string name_of(const std::string& member, const KnownDirectory& directory) {
  const protocol::Member* known = directory.member(member);
  return protocol::printable(known == nullptr || known->label.empty() ? member : known->label);
}

/// Who has to see to it.
std::string who(const CaseDuties& duties, const Deadline& deadline, const KnownDirectory& directory, UnixMillis now) {
  if (duties.item.commune) return "l'instance";
  if (!protocol::is_escalated(deadline, now)) return "secrétariat";
  return duties.called.empty() ? "toute l'instance" : name_of(duties.called, directory);
}

std::string lateness(const Deadline& deadline, UnixMillis now) {
  return deadline.state == protocol::DutyState::late ? french_duration(now - deadline.due) : "bientôt";
}

std::string kind_text(const protocol::CaseItem& item) {
  const protocol::KindRow* row = protocol::row_of_number(item.kind);
  return row != nullptr ? std::string(row->french) : "?";
}

}  // namespace

Outcome<SeenDuties> look_at_duties(Sitting& sitting, Session& session, Proofs proofs) {
  SeenDuties out;
  auto cases = list_cases(session);
  if (!cases) return cases.error();
  auto fresh = Inbox(session).look();
  if (!fresh) return fresh.error();
  out.code = report_alarms_seen(sitting, fresh->alarms);  // shown all the same: lateness is not hidden by an alarm
  auto acts = known_acts(session.profile());
  if (!acts) return acts.error();
  out.acts = *std::move(acts);
  const UnixMillis now = sitting.clock().now();
  const auto count = [&] { out.cases = duties_of(*cases, out.acts, session.directory(), now); };
  count();
  if (proofs == Proofs::none) return out;
  std::set<Digest> wanted;
  for (const CaseDuties& each : out.cases)
    if (proofs == Proofs::all || is_of_interest(each, now)) wanted.insert(each.item.case_id);
  // What is in no case that is listed: points de situation.
  if (proofs == Proofs::all)
    for (const KnownAct& act : out.acts)
      if (act.kind == static_cast<std::uint16_t>(protocol::Kind::point_de_situation)) wanted.insert(act.case_id);
  if (auto proven = prove_some(session, out.acts, wanted); !proven) return proven.error();
  count();
  return out;
}

std::string last_day(const Deadline& deadline) {
  if (deadline.due.value == 0) return "";
  return french_day(paris_time(deadline.due - std::chrono::milliseconds(1)).day);
}

std::string moment_text(const protocol::Moment& moment) {
  if (moment.at.value == 0) return "sans date";
  return paris_minute(moment.at) +
         (moment.leaf ? " (" + place_text(moment.leaf->leaf, protocol::printable(moment.leaf->shard)) + ")" : "");
}

void put_duty(JsonObject& out, const Deadline& deadline, UnixMillis now) {
  out.text("duty", protocol::text_of(deadline.duty)).text("standing", protocol::text_of(deadline.state));
  out.boolean("promised", deadline.promised).boolean("escalated", protocol::is_escalated(deadline, now));
  const auto put = [&](const std::string& name, const protocol::Moment& moment) {
    if (moment.at.value != 0) out.text(name + "_at", iso_time(moment.at));
    if (moment.leaf)
      out.text(name + "_shard", moment.leaf->shard)
          .number(name + "_leaf", static_cast<std::int64_t>(moment.leaf->leaf.value));
  };
  put("started", deadline.started);
  if (deadline.due.value != 0) out.text("late_from", iso_time(deadline.due));
  if (deadline.escalates.value != 0) out.text("escalates_at", iso_time(deadline.escalates));
  if (deadline.ended) put("ended", *deadline.ended);
}

void say_duties(const CaseDuties& duties, const KnownDirectory& directory, UnixMillis now) {
  std::vector<std::vector<std::string>> rows;
  for (const Deadline& each : duties.deadlines)
    rows.push_back({std::string(protocol::french(each.duty)), last_day(each), std::string(protocol::french(each.state)),
                    each.ended ? moment_text(*each.ended) : "",
                    needs_somebody(each, now) ? who(duties, each, directory, now) : ""});
  print_table({{"Attendu"}, {"Au plus tard le"}, {"Où en est-on"}, {"Fait le"}, {"À qui d'agir"}}, rows);
}

int list_late(Sitting& sitting) {
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  auto seen = look_at_duties(sitting, **session, Proofs::of_what_is_late);
  if (!seen) return report(sitting, seen.error());
  const KnownDirectory& directory = (*session)->directory();
  const UnixMillis now = sitting.clock().now();
  std::vector<std::vector<std::string>> rows;
  for (const CaseDuties& duties : seen->cases) {
    for (const Deadline& each : duties.deadlines) {
      if (!needs_somebody(each, now)) continue;
      if (sitting.json()) {
        JsonObject out;
        const protocol::KindRow* row = protocol::row_of_number(duties.item.kind);
        out.text("case", to_hex(duties.item.case_id)).text("kind", row != nullptr ? row->name : "?");
        out.text("queue", duties.item.queue).text("state", duties.item.state);
        out.boolean("commune_view", duties.item.commune).boolean("urgent", is_urgent(duties));
        put_duty(out, each, now);
        if (!duties.called.empty()) out.text("called", duties.called);
        out.print();
        continue;
      }
      rows.push_back({protocol::is_escalated(each, now) ? "URGENT" : "", short_id(duties.item.case_id),
                      kind_text(duties.item), duties.item.queue, std::string(protocol::french(each.duty)),
                      moment_text(each.started), last_day(each), lateness(each, now),
                      who(duties, each, directory, now)});
    }
  }
  if (rows.empty() && !sitting.json()) say("Aucun dossier en retard.");
  print_table({{""},
               {"Dossier"},
               {"Nature"},
               {"Instance"},
               {"Attendu"},
               {"Depuis le"},
               {"Au plus tard le"},
               {"Retard"},
               {"À qui d'agir"}},
              rows);
  return seen->code;
}

int show_escalated(Sitting& sitting, Session& session) {
  const std::vector<std::string> seats = session.seats();
  const bool sits = std::any_of(seats.begin(), seats.end(), [](const std::string& seat) {
    const auto kind = protocol::queue_kind_of(seat);
    return kind == protocol::QueueKind::ged || kind == protocol::QueueKind::clir || kind == protocol::QueueKind::cpraf;
  });
  if (!sits) return 0;
  auto cases = list_cases(session);
  if (!cases) return report(sitting, cases.error());
  auto acts = known_acts(session.profile());
  if (!acts) return report(sitting, acts.error());
  const UnixMillis now = sitting.clock().now();
  for (const CaseDuties& duties : duties_of(*cases, *acts, session.directory(), now)) {
    if (!duties.escalated(now)) break;  // they come first
    if (sitting.json()) {
      JsonObject().text("escalated", to_hex(duties.item.case_id)).text("called", duties.called).print();
      continue;
    }
    const bool ours = duties.called == session.member_id();
    say("À OUVRIR D'ABORD : dossier " + short_id(duties.item.case_id) + ", urgent, reçu le " +
        paris_minute(duties.item.opened_at) + " par " + duties.item.queue + ", que personne n'a ouvert. " +
        (ours                    ? "C'est à vous de l'ouvrir."
         : duties.called.empty() ? "À qui peut l'ouvrir."
                                 : "À défaut du secrétariat, à " + name_of(duties.called, session.directory()) + "."));
  }
  return 0;
}

}  // namespace pli::client::command
