// pli case transfer, pli case refer
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "client/command/known_cases.hpp"
#include "client/command/outbox_screen.hpp"
#include "client/command/program.hpp"
#include "client/command/screen.hpp"
#include "client/command/sitting.hpp"
#include "client/command/transfer_screen.hpp"
#include "client/transfer.hpp"
#include "protocol/form.hpp"
#include "protocol/printable.hpp"
#include "protocol/seances.hpp"

namespace pli::client::command {
namespace {

using protocol::Kind;
using protocol::LocalCode;

struct TransferOptions {
  std::string id;
  std::string queue;  ///< empty: the CPRAF of the département
  std::string reason;
  std::string detail;
  std::vector<std::string> needs;
};

std::string_view territory_of(std::string_view queue) { return queue.substr(queue.find('/') + 1); }

std::string_view kind_name(std::string_view queue) { return queue.substr(0, queue.find('/')); }

std::string_view name_of(KeptBack why) {
  switch (why) {
    case KeptBack::no: return "";
    case KeptBack::stays_in_ged: return "ged-only";
    case KeptBack::first_readers: return "eyes-only";
    case KeptBack::not_for_us: return "no-copy-to";
    case KeptBack::to_be_agreed: return "ask-before-transfer";
  }
  return "";
}

/// Why it stays, and what can be done.
std::string french(KeptBack why, const std::string& case_id) {
  switch (why) {
    case KeptBack::no: return "";
    case KeptBack::stays_in_ged:
      return "son expéditeur l'a réservé à ce GED. Demandez-lui, s'il le faut, un nouvel envoi sans cette condition : "
             "pli case ask " +
             case_id + " --what faits_nouveaux";
    case KeptBack::first_readers:
      return "son expéditeur l'a réservé à ses premiers destinataires. Demandez-lui un nouvel envoi s'il faut que "
             "d'autres le lisent : pli case ask " +
             case_id + " --what faits_nouveaux";
    case KeptBack::not_for_us:
      return "son expéditeur ne veut pas que votre organisation l'ait. Un membre d'une autre organisation peut le "
             "transmettre";
    case KeptBack::to_be_agreed:
      return "son expéditeur veut être consulté avant. Demandez-lui son accord : pli case ask " + case_id +
             " --what accord_de_transmission";
  }
  return "";
}

/// What a refusal of the transmission itself calls for.
KeptBack reason_of(const protocol::Refusal& refusal) {
  if (refusal.code == protocol::Code::agreement_missing) return KeptBack::to_be_agreed;
  if (refusal.code != protocol::Code::forbidden) return KeptBack::no;
  if (refusal.subject == "interdit.hors.ged") return KeptBack::stays_in_ged;
  if (refusal.subject == "interdit.lecteurs") return KeptBack::first_readers;
  if (refusal.subject == "interdit.copie") return KeptBack::not_for_us;
  return KeptBack::no;
}

/// The form that opens the case there, as somebody could have typed it; `held_by`: the queue of the case.
std::string form_json(const TransferOptions& options, const std::string& held_by) {
  nlohmann::ordered_json form;
  if (options.queue.empty()) {
    form = {{"type", "orientation_cpraf"}, {"motif", options.reason}};
    if (!options.needs.empty()) form["besoins"] = options.needs;
  } else {
    const bool elsewhere = territory_of(options.queue) != territory_of(held_by);
    form = {{"type", "transmission"},
            {"vers", elsewhere ? std::string_view("autre_departement") : kind_name(options.queue)}};
    if (elsewhere) form["departement"] = territory_of(options.queue);
    form["motif"] = options.reason;
  }
  if (!options.detail.empty()) form["precision"] = options.detail;
  return form.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string destination(const TransferOptions& options, const std::string& held_by) {
  return options.queue.empty() ? "cpraf/" + std::string(territory_of(held_by)) : options.queue;
}

/// Puts what opens the case there into the outbox. Nothing with a reason said.
std::optional<std::int64_t> put_transmission(Sitting& sitting, const TransferOptions& options, const Digest& case_id,
                                             const std::string& held_by, int& exit_code) {
  auto form = protocol::Form::from_json(form_json(options, held_by), nullptr, nullptr, sitting.clock().now());
  if (!form) {
    exit_code = usage_error(sitting, form.error().front().french);
    return std::nullopt;
  }
  auto profile = sitting.profile();
  auto keys = profile ? sitting.keys() : Outcome<const Keys*>(profile.error());
  if (!keys) {
    exit_code = report(sitting, keys.error());
    return std::nullopt;
  }
  Draft draft = draft_of(*form, destination(options, held_by));
  draft.case_id = case_id;
  auto put = Outbox(**profile, sitting.clock()).put(draft, **keys);
  if (!put) {
    exit_code = report(sitting, put.error());
    return std::nullopt;
  }
  return put->id;
}

/// Without the broker: what opens the case there waits in the outbox, and the exchanges for another call.
int put_offline(Sitting& sitting, const TransferOptions& options, const Failure& why) {
  auto profile = sitting.profile();
  if (!profile) return report(sitting, profile.error());
  auto ids = known_ids(**profile);
  if (!ids) return report(sitting, ids.error());
  auto id = resolve_id(options.id, *ids);
  auto first = id ? find_received(**profile, *id) : Outcome<std::optional<InboxItem>>(id.error());
  if (!first || !*first || !(*first)->visible) return report(sitting, why);
  const Digest case_id =
      (*first)->address.case_id == Digest{} || is_transfer(**first) ? *id : (*first)->address.case_id;
  protocol::CaseItem item;
  item.case_id = case_id;
  item.queue = (*first)->queue;
  auto plan = plan_transfer(**profile, item, destination(options, item.queue), {});
  if (!plan) return report(sitting, plan.error());
  int code = 0;
  const auto waiting =
      plan->under_way ? plan->under_way : put_transmission(sitting, options, case_id, item.queue, code);
  if (!waiting) return code;
  code = flush_outbox(sitting, *waiting);
  if (!sitting.json())
    warn(
        "Les envois du dossier ne peuvent être transmis qu'avec le serveur : refaites cette commande ensuite, elle ne "
        "transmet rien deux fois.");
  return code;
}

void say_withheld(const Sitting& sitting, const TransferPlan::Withheld& each, const Digest& case_id) {
  if (sitting.json())
    JsonObject()
        .text("exchange", to_hex(each.exchange))
        .boolean("passed_on", false)
        .text("handling", name_of(each.why))
        .print();
  else
    warn("L'envoi " + short_id(each.exchange) + " reste ici : " + french(each.why, short_id(case_id)) + ".");
}

std::string counted(std::size_t count, std::string_view one, std::string_view several) {
  return std::to_string(count) + " " + std::string(count == 1 ? one : several);
}

/// How far it has come, by the receipts: what is not there is not said to be.
/// `unread`: could not even be opened, and why was said.
void say_passed_on(const Sitting& sitting, const PassedOn& passed, std::size_t unread, const std::string& queue) {
  const bool whole = passed.waiting == 0 && passed.refused == 0 && unread == 0;
  if (sitting.json()) {
    if (!whole)
      JsonObject()
          .text("queue", queue)
          .boolean("pending", true)
          .number("passed_on", static_cast<std::int64_t>(passed.receipted))
          .number("waiting", static_cast<std::int64_t>(passed.waiting))
          .number("refused", static_cast<std::int64_t>(passed.refused))
          .number("unread", static_cast<std::int64_t>(unread))
          .print();
    return;
  }
  if (passed.receipted != 0)
    say(counted(passed.receipted, "envoi ouvert et transmis à ", "envois ouverts et transmis à ") + queue + "." +
        (whole ? " Refaites cette commande quand le dossier aura reçu autre chose : elle ne transmet que ce qui manque."
               : ""));
  if (passed.waiting != 0)
    warn(counted(passed.waiting, "envoi attend d'être transmis à ", "envois attendent d'être transmis à ") + queue +
         " et n'y est pas encore lu.");
  if (passed.refused != 0)
    warn(counted(passed.refused, "envoi n'a pas été accepté pour ", "envois n'ont pas été acceptés pour ") + queue +
         ".");
  if (!whole)
    warn("Le dossier n'est pas transmis en entier : refaites cette commande, elle ne transmet rien deux fois.");
}

/// Passes on what is lacking there; what cannot be is said, and keeps nothing else back.
int pass_on(Sitting& sitting, const TransferPlan& plan, const Digest& case_id, const std::string& queue) {
  int code = 0;
  std::size_t unread = plan.lacking.size();
  bool cut = false;
  std::vector<std::int64_t> put = plan.waiting;
  for (const Reported& each : plan.lacking) {
    auto session = sitting.session();
    if (!session) {
      code = std::max(code, report(sitting, session.error()));
      cut = true;
      break;
    }
    Outbox outbox((*session)->profile(), sitting.clock());
    auto given = give_access(**session, outbox, each.exchange, case_id, queue, {protocol::Motif::transmission});
    if (given) {
      put.push_back(given->id);
      --unread;
      continue;
    }
    report_if_anomaly(sitting, each.exchange, given.error());
    if (!sitting.json()) warn("L'envoi " + short_id(each.exchange) + " n'est pas transmis :");
    code = std::max(code, report(sitting, given.error()));
  }
  if (!put.empty() && !cut) code = std::max(code, flush_outbox(sitting, std::nullopt));
  for (const TransferPlan::Withheld& each : plan.withheld) say_withheld(sitting, each, case_id);
  if (put.empty() && unread == 0) {
    if (!sitting.json()) say("Rien de plus à transmettre à " + queue + ".");
    return code;
  }
  auto profile = sitting.profile();
  if (!profile) return report(sitting, profile.error());
  auto passed = passed_on(Outbox(**profile, sitting.clock()), put);
  if (!passed) return report(sitting, passed.error());
  say_passed_on(sitting, *passed, unread, queue);
  return code;
}

/// Somebody of the sender's office who sits there finds that something of it was passed on: the secretariat should know
/// before.
void warn_of_its_own(Session& session, const protocol::CaseItem& item, const std::string& queue, UnixMillis now) {
  auto first = find_received(session.profile(), item.case_id);
  if (!first || !*first || !(*first)->visible) return;
  const protocol::Member* sender = session.directory().member((*first)->address.sender);
  if (sender == nullptr) return;
  for (const std::string& each : seated_there(session.directory(), sender->organisation, queue, now))
    warn("Attention : " + each + " siège dans " + queue +
         " et est de l'organisation qui a envoyé ce dossier. Rien ne lui en est montré, mais il peut y voir qu'un pli "
         "lui est caché.");
}

std::string unknown_instance(const Session& session, const std::string& queue) {
  std::string known;
  for (const protocol::Queue* each : session.directory().queues())
    if (protocol::has_seances(each->kind)) known += (known.empty() ? "" : ", ") + each->id;
  return "l'annuaire ne montre pas d'instance « " + protocol::printable(queue) + " » (" + known +
         ") ; rien n'a été transmis";
}

int transfer(Sitting& sitting, const TransferOptions& options) {
  if (!options.queue.empty()) {
    const auto kind = protocol::queue_kind_of(options.queue);
    if (kind == protocol::QueueKind::cpraf)
      return usage_error(sitting, "vers la CPRAF, un dossier s'oriente : pli case refer " + options.id);
    if (kind != protocol::QueueKind::ged && kind != protocol::QueueKind::clir)
      return usage_error(sitting, "--to nomme un GED ou une CLIR : ged/89, clir/21…");
  }
  auto session = sitting.session();
  if (!session && is(session.error(), LocalCode::unreachable)) return put_offline(sitting, options, session.error());
  if (!session) return report(sitting, session.error());
  auto found = find_case(**session, options.id);
  if (!found) return report(sitting, found.error());
  // Of an instance's members the others are shown its secretariats alone: another's access part would be unproven.
  const protocol::Member* self = (*session)->directory().member((*session)->member_id());
  if (found->commune || self == nullptr || !self->roles.has(protocol::Role::secretariat))
    return usage_error(sitting, "seul le secrétariat de l'instance transmet un dossier");
  const std::string queue = destination(options, found->queue);
  if (queue == found->queue) return usage_error(sitting, "ce dossier est déjà dans " + queue);
  // Else what opens the case there would wait in the outbox for a queue that never comes.
  if ((*session)->directory().queue(queue) == nullptr) return usage_error(sitting, unknown_instance(**session, queue));
  auto fresh = Inbox(**session).look();
  if (!fresh) return report(sitting, fresh.error());
  if (const int code = report_alarms_seen(sitting, fresh->alarms); code != 0) {
    if (!sitting.json()) warn("Rien n'a été transmis : recommencez ensuite.");
    return code;
  }
  auto plan = plan_transfer((*session)->profile(), *found, queue, self->organisation);
  if (!plan) return report(sitting, plan.error());
  if (!sitting.json()) warn_of_its_own(**session, *found, queue, sitting.clock().now());
  if (plan->linked) return pass_on(sitting, *plan, found->case_id, queue);

  int code = 0;
  const auto opening =
      plan->under_way ? plan->under_way : put_transmission(sitting, options, found->case_id, found->queue, code);
  if (!opening) return code;
  code = flush_outbox(sitting, *opening);
  auto profile = sitting.profile();
  if (!profile) return report(sitting, profile.error());
  auto row = Outbox(**profile, sitting.clock()).find(*opening);
  if (!row) return report(sitting, row.error());
  if (!*row || !is_receipted((*row)->state)) {
    const KeptBack why = *row && (*row)->last_refusal ? reason_of(*(*row)->last_refusal) : KeptBack::no;
    if (why != KeptBack::no) say_withheld(sitting, {found->case_id, why}, found->case_id);
    return code;
  }
  return std::max(code, pass_on(sitting, *plan, found->case_id, queue));
}

std::string joined(const std::vector<std::string_view>& list) {
  std::string out;
  for (std::string_view one : list) out += (out.empty() ? "" : ", ") + std::string(one);
  return out;
}

/// How much of the case the other instance has not been given, as far as this profile knows.
std::size_t lacking_at(Session& session, const protocol::CaseItem& item, const std::string& queue) {
  const protocol::Member* self = session.directory().member(session.member_id());
  auto plan = plan_transfer(session.profile(), item, queue, self == nullptr ? "" : self->organisation);
  return plan ? plan->lacking.size() + plan->withheld.size() : 0;
}

}  // namespace

void say_transfers(const Sitting& sitting, Session& session, const protocol::CaseItem& item) {
  if (sitting.json()) return;
  if (item.origin != Digest{})
    say("Vient de   " + item.origin_queue + ", dossier " + short_id(item.origin) +
        " ; ce que vous répondez lui est adressé");
  for (const protocol::Transmitted& passed : item.transmitted) {
    const std::size_t lacking = lacking_at(session, item, passed.queue);
    say("Transmis à " + passed.queue + " le " + paris_minute(passed.at) + ", dossier " + short_id(passed.case_id) +
        (lacking == 0 ? "" : " ; " + std::to_string(lacking) + " envoi(s) n'y sont pas"));
  }
}

void add_transfers(JsonObject& line, Session& session, const protocol::CaseItem& item) {
  if (item.origin != Digest{}) line.text("origin", to_hex(item.origin)).text("origin_queue", item.origin_queue);
  auto list = nlohmann::ordered_json::array();
  for (const protocol::Transmitted& passed : item.transmitted)
    list.push_back({{"queue", passed.queue},
                    {"case", to_hex(passed.case_id)},
                    {"at", iso_time(passed.at)},
                    {"lacking", lacking_at(session, item, passed.queue)}});
  if (!list.empty()) line.raw("transmitted", list.dump());
}

void add_case_transfer(CLI::App& group, Sitting& sitting, Verdict& verdict) {
  auto options = std::make_shared<TransferOptions>();
  auto* verb =
      group.add_subcommand("transfer",
                           "Transmettre un dossier à une autre instance, avec ses envois ; puis ce qui est venu depuis "
                           "(secrétariat)");
  verb->footer(
      "Exemple : pli case transfer 3f9a2c71 --to clir/89 --reason personne_et_structure\n"
      "Un dossier lié s'ouvre dans l'autre instance. Chaque envoi est ouvert au motif de la transmission, ce qui est\n"
      "inscrit au journal, puis donné à lire à ses membres. La collectivité n'en est pas informée. Refaite, la "
      "commande\n"
      "ne transmet que ce qui manque.\n"
      "--reason : " +
      joined(protocol::choices_of(Kind::transmission, "motif")));
  verb->add_option("id", options->id, "Numéro du dossier")->required();
  verb->add_option("--to", options->queue, "Instance : clir/89, ged/21…")->required();
  verb->add_option("--reason", options->reason, "Motif, dans la liste fermée")->required();
  verb->add_option("--detail", options->detail, "Précision, lue des seuls membres de l'autre instance");
  verb->callback([&sitting, &verdict, options] { verdict.exit_code = transfer(sitting, *options); });

  auto referral = std::make_shared<TransferOptions>();
  verb =
      group.add_subcommand("refer", "Orienter un dossier vers la CPRAF du département, avec ses envois (secrétariat)");
  verb->footer(
      "Exemple : pli case refer 3f9a2c71 --reason demande_de_la_famille --need mediation_familiale\n"
      "--reason : " +
      joined(protocol::choices_of(Kind::orientation_cpraf, "motif")) +
      "\n--need : " + joined(protocol::choices_of(Kind::orientation_cpraf, "besoins")));
  verb->add_option("id", referral->id, "Numéro du dossier")->required();
  verb->add_option("--reason", referral->reason, "Motif, dans la liste fermée")->required();
  verb->add_option("--need", referral->needs, "Besoin (répétable)")->allow_extra_args(false);
  verb->add_option("--detail", referral->detail, "Précision, lue des seuls membres de la CPRAF");
  verb->callback([&sitting, &verdict, referral] { verdict.exit_code = transfer(sitting, *referral); });
}

}  // namespace pli::client::command
