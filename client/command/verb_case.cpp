// pli case list|show|answer|ask|receive|schedule|evaluate|decide|defer|return|close|withdraw|recuse
#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "client/case_list.hpp"
#include "client/command/agenda_screen.hpp"
#include "client/command/duties_screen.hpp"
#include "client/command/known_cases.hpp"
#include "client/command/outbox_screen.hpp"
#include "client/command/program.hpp"
#include "client/command/screen.hpp"
#include "client/command/sitting.hpp"
#include "client/command/transfer_screen.hpp"
#include "client/inbox.hpp"
#include "client/link_hints.hpp"
#include "protocol/case_life.hpp"
#include "protocol/form.hpp"

namespace pli::client::command {
namespace {

using protocol::CaseItem;

/// A collectivité's view and an instance's, each in its words.
std::string french_state(const CaseItem& item) {
  if (!item.commune) {
    const auto state = protocol::case_state_of(item.state);
    return state ? std::string(protocol::french(*state)) : item.state;
  }
  for (auto view : {protocol::CommuneView::recu, protocol::CommuneView::en_cours_d_examen,
                    protocol::CommuneView::complement_demande, protocol::CommuneView::examen_termine})
    if (item.state == protocol::text_of(view)) return std::string(protocol::french(view));
  return item.state;
}

/// When nothing of it is left, as things stand.
std::string french_term(const CaseItem& item) {
  if (item.term.value == 0) return "";
  return paris_minute(item.term) + (item.held ? ", maintenu" : item.noticed ? ", annoncé" : "");
}

JsonObject case_json(const CaseItem& item) {
  JsonObject out;
  const auto* row = protocol::row_of_number(item.kind);
  out.text("case", to_hex(item.case_id)).text("kind", row != nullptr ? row->name : "?").text("queue", item.queue);
  out.text("state", item.state).boolean("commune_view", item.commune).text("opened_at", iso_time(item.opened_at));
  out.text("updated_at", iso_time(item.updated_at)).number("exchanges", item.exchanges);
  if (item.term.value != 0) out.text("erased_at", iso_time(item.term));
  out.boolean("erasure_announced", item.noticed).boolean("held", item.held);
  return out;
}

/// More than any reason may hold; the form itself says what is too long.
constexpr std::size_t reason_bytes_max = 16 * 1024;

int list(Sitting& sitting) {
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  auto cases = list_cases(**session);
  if (!cases) return report(sitting, cases.error());
  int code = 0;
  if (auto settled = forget_unlisted((*session)->profile(), (*session)->keys(), *cases); !settled)
    code = report(sitting, settled.error());  // the list is shown all the same
  std::vector<std::vector<std::string>> rows;
  for (const CaseItem& item : *cases) {
    if (sitting.json()) {
      case_json(item).print();
      continue;
    }
    const auto* row = protocol::row_of_number(item.kind);
    rows.push_back({short_id(item.case_id), row != nullptr ? std::string(row->french) : "?", item.queue,
                    french_state(item), paris_minute(item.opened_at), paris_minute(item.updated_at),
                    std::to_string(item.exchanges), french_term(item)});
  }
  if (rows.empty() && !sitting.json()) say("Aucun dossier.");
  print_table(
      {{"Dossier"}, {"Nature"}, {"Instance"}, {"État"}, {"Ouvert le"}, {"Dernier acte"}, {"Envois"}, {"Effacement"}},
      rows);
  return code;
}

int show(Sitting& sitting, const std::string& text) {
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  auto found = find_case(**session, text);
  if (!found) return report(sitting, found.error());
  auto fresh = Inbox(**session).look();
  if (!fresh) return report(sitting, fresh.error());
  const int code = report_alarms_seen(sitting, fresh->alarms);  // shown all the same: a case is not hidden by an alarm
  auto items = received((*session)->profile());
  if (!items) return report(sitting, items.error());
  items->erase(std::remove_if(items->begin(), items->end(),
                              [&](const InboxItem& item) { return !item.visible || !belongs_to(*found, item); }),
               items->end());
  if (sitting.json()) {
    JsonObject line = case_json(*found);
    add_transfers(line, **session, *found);
    line.print();
    for (const InboxItem& item : *items) to_json(item).print();
    return code;
  }
  say("Dossier    " + to_hex(found->case_id));
  say("Instance   " + found->queue);
  say("État       " + french_state(*found));
  say("Ouvert le  " + paris_minute(found->opened_at) + ", dernier acte le " + paris_minute(found->updated_at));
  if (found->term.value != 0) say("Effacement " + french_term(*found));
  say_transfers(sitting, **session, *found);
  std::vector<std::vector<std::string>> rows;
  for (const InboxItem& item : *items) {
    rows.push_back({short_id(item.exchange), nature(item, (*session)->profile()), sender_text(item),
                    paris_minute(item.accepted_at), item.opened ? "ouvert" : ""});
  }
  print_table({{"Numéro"}, {"Nature"}, {"De"}, {"Reçu le"}, {""}}, rows);
  auto acts = known_acts((*session)->profile());
  if (!acts) return report(sitting, acts.error());
  const UnixMillis now = sitting.clock().now();
  for (const CaseDuties& duties : duties_of({*found}, *acts, (*session)->directory(), now))
    say_duties(duties, (*session)->directory(), now);
  return code;
}

/// The queue of the organisation whose exchange opened the case, as the secretariat can see it. Empty with a reason
/// said: an answer goes to nobody who is not proven.
std::optional<std::string> answer_queue(Sitting& sitting, Session& session, const Digest& case_id, int& exit_code) {
  auto fresh = Inbox(session).look();
  if (!fresh) {
    exit_code = report(sitting, fresh.error());
    return std::nullopt;
  }
  exit_code = report_alarms_seen(sitting, fresh->alarms);
  if (exit_code != 0) {
    if (!sitting.json()) warn("Rien n'a été envoyé : recommencez ensuite.");
    return std::nullopt;
  }
  auto first = find_received(session.profile(), case_id);
  if (!first) {
    exit_code = report(sitting, first.error());
    return std::nullopt;
  }
  if (!*first || !(*first)->visible) {
    exit_code = usage_error(sitting,
                            "le premier envoi de ce dossier n'est dans aucune de vos files ; seul un membre "
                            "de l'instance qui l'a reçu peut y répondre");
    return std::nullopt;
  }
  const protocol::Member* sender = session.directory().member((*first)->address.sender);
  if (!(*first)->sender_proven || sender == nullptr) {
    exit_code = report(sitting, Failure(protocol::LocalCode::sender_unproven,
                                        "the directory does not show who sent the first exchange"));
    return std::nullopt;
  }
  return "org/" + sender->organisation;
}

int act(Sitting& sitting, const std::string& text, const protocol::Form& form, bool answers_sender) {
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  auto found = find_case(**session, text);
  if (!found) return report(sitting, found.error());
  std::string queue = found->queue;
  if (answers_sender && found->origin != Digest{}) {
    queue = found->origin_queue;  // a linked case is answered to the instance that passed it on
  } else if (answers_sender) {
    int exit_code = 0;
    auto own = answer_queue(sitting, **session, found->case_id, exit_code);
    if (!own) return exit_code;
    queue = *own;
  }
  Draft draft = draft_of(form, queue);
  draft.case_id = found->case_id;
  draft.in_reply_to = found->case_id;
  return post(sitting, draft);
}

/// One option of a step: what of its form it fills.
struct StepOption {
  std::string_view option;  ///< "--reason"
  std::string_view field;   ///< of the form; a closed list shows in the help what it takes
  std::string_view french;
  bool required = true;
  bool several = false;
};

/// A step of a case that is one short form, filled by options.
struct StepVerb {
  std::string_view name;
  protocol::Kind kind;
  std::string_view french;
  std::string_view example;  ///< after "pli case "
  std::vector<StepOption> options;
  bool answers_sender = false;
};

/// Of an inscription, where the day of the séance stands among the options.
constexpr std::size_t seance_option = 0;

const std::vector<StepVerb>& step_verbs() {
  using protocol::Kind;
  static const std::vector<StepVerb> all = {
      {"receive",
       Kind::recevabilite,
       "Dire si un signalement entre dans le périmètre de l'instance (secrétariat)",
       "receive 3f9a2c71 --finding recevable",
       {{"--finding", "avis", "Avis"}, {"--reason", "motif", "Motif, hors périmètre", false}}},
      {"ask",
       Kind::demande_de_complement,
       "Demander un complément à la collectivité (secrétariat)",
       "ask 3f9a2c71 --what date_des_faits --what lieu_des_faits",
       {{"--what", "demandes", "Ce qui est demandé, une ou plusieurs fois", true, true},
        {"--detail", "precision", "Précision, lue par la collectivité", false},
        {"--before", "avant_le", "Réponse souhaitée avant le (AAAA-MM-JJ)", false}},
       true},
      {"schedule",
       Kind::inscription,
       "Inscrire des dossiers à l'ordre du jour d'une séance (secrétariat)",
       "schedule 3f9a2c71 51b0aa02",
       {{"--date", "seance", "Jour de la séance (AAAA-MM-JJ ; défaut : la prochaine du calendrier)", false},
        {"--detail", "precision", "Précision", false}}},
      {"evaluate",
       Kind::mise_en_evaluation,
       "Noter que la séance a pris des dossiers en évaluation (secrétariat)",
       "evaluate 3f9a2c71 51b0aa02 --date 2026-12-03",
       {{"--date", "seance", "Jour de la séance (AAAA-MM-JJ)"}, {"--detail", "precision", "Précision", false}}},
      {"defer",
       Kind::report_du_retour,
       "Reporter le retour à la collectivité, avec un motif et une date de réexamen (secrétariat)",
       "defer 3f9a2c71 --reason attente_d_un_accord --date 2027-01-15",
       {{"--reason", "motif", "Motif"}, {"--date", "reexamen_le", "Jour du réexamen (AAAA-MM-JJ), un an au plus"}}},
      {"close",
       Kind::cloture,
       "Clore des dossiers : après le retour, ou avec un retour reporté (secrétariat)",
       "close 3f9a2c71 --reason suivi_termine",
       {{"--reason", "motif", "Motif"},
        {"--date", "reexamen_le", "Jour du réexamen (AAAA-MM-JJ), si le retour est reporté", false}}},
      {"withdraw",
       Kind::retrait,
       "Retirer un signalement que personne n'a encore lu (son auteur)",
       "withdraw 3f9a2c71 --reason envoi_par_erreur",
       {{"--reason", "motif", "Motif"}, {"--detail", "precision", "Précision", false}}},
      {"recuse",
       Kind::recusation,
       "Ne plus prendre part à un dossier : plus rien ne vous en sera montré (membre de l'instance)",
       "recuse 3f9a2c71 --reason lien_personnel",
       {{"--reason", "motif", "Motif"}}},
  };
  return all;
}

/// The form of a step, as somebody could have typed it.
std::string step_json(const StepVerb& verb, const std::vector<std::vector<std::string>>& typed,
                      std::string_view instance) {
  nlohmann::ordered_json form = {{"type", protocol::row_of(verb.kind)->name}};
  if (verb.kind == protocol::Kind::inscription) form["instance"] = instance;
  for (std::size_t i = 0; i < verb.options.size(); ++i) {
    if (typed[i].empty()) continue;
    const std::string field(verb.options[i].field);
    if (verb.options[i].several)
      form[field] = typed[i];
    else
      form[field] = typed[i].front();
  }
  return form.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

/// Takes the step for one case.
int take_step(Sitting& sitting, const StepVerb& verb, const std::string& id,
              std::vector<std::vector<std::string>> typed) {
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  auto found = find_case(**session, id);
  if (!found) return report(sitting, found.error());
  if (verb.kind == protocol::Kind::inscription) {
    std::vector<std::string>& date = typed[seance_option];
    const auto day = seance_for(sitting, (*session)->directory(), *found, date.empty() ? std::string() : date.front());
    if (!day) return usage_error(sitting, no_seance_words);
    date = {*day};
  }
  const std::string_view instance = std::string_view(found->queue).substr(0, found->queue.find('/'));
  auto form = protocol::Form::from_json(step_json(verb, typed, instance), nullptr, nullptr, sitting.clock().now());
  if (!form) return usage_error(sitting, form.error().front().french);
  return act(sitting, id, *form, verb.answers_sender);
}

std::string joined(const std::vector<std::string_view>& list) {
  std::string out;
  for (std::string_view one : list) out += (out.empty() ? "" : ", ") + std::string(one);
  return out;
}

}  // namespace

void add_case(CLI::App& app, Sitting& sitting, Verdict& verdict) {
  auto* group = app.add_subcommand("case", "Dossiers : où ils en sont, les faire avancer, décider, répondre");
  group->require_subcommand(1);
  group->footer("Exemple : pli case list");
  auto* verb = group->add_subcommand("list", "Lister vos dossiers");
  verb->footer("Exemple : pli case list --late");
  auto late = std::make_shared<bool>(false);
  verb->add_flag("--late", *late,
                 "Seulement ce qui est en retard, ou urgent et que personne n'a ouvert : à qui d'agir");
  verb->callback([&sitting, &verdict, late] { verdict.exit_code = *late ? list_late(sitting) : list(sitting); });

  auto id = std::make_shared<std::string>();
  verb = group->add_subcommand("show", "Montrer un dossier et ses envois");
  verb->footer("Exemple : pli case show 3f9a2c71");
  verb->add_option("id", *id, "Numéro du dossier")->required();
  verb->callback([&sitting, &verdict, id] { verdict.exit_code = show(sitting, *id); });

  for (const StepVerb& each : step_verbs()) {
    verb = group->add_subcommand(std::string(each.name), std::string(each.french));
    std::string footer = "Exemple : pli case " + std::string(each.example);
    auto ids = std::make_shared<std::vector<std::string>>();
    auto typed = std::make_shared<std::vector<std::vector<std::string>>>(each.options.size());
    verb->add_option("id", *ids, "Numéro du dossier, ou plusieurs")->required();
    for (std::size_t i = 0; i < each.options.size(); ++i) {
      const StepOption& option = each.options[i];
      auto* added = verb->add_option(std::string(option.option), (*typed)[i], std::string(option.french));
      added->required(option.required);
      if (option.several)
        added->allow_extra_args(false);  // one value each time it is given
      else
        added->expected(1)->take_last();
      const auto choices = protocol::choices_of(each.kind, option.field);
      if (!choices.empty()) footer += "\n" + std::string(option.option) + " : " + joined(choices);
    }
    verb->footer(footer);
    verb->callback([&sitting, &verdict, &each, ids, typed] {
      for (const std::string& one : *ids) {
        if (ids->size() > 1 && !sitting.json()) say("Dossier " + one + " :");
        verdict.exit_code = std::max(verdict.exit_code, take_step(sitting, each, one, *typed));
      }
    });
  }

  struct Act {
    std::string id, code, reason;
  };
  auto decision = std::make_shared<Act>();
  verb = group->add_subcommand("decide", "Enregistrer la décision de l'instance, scellée à ses membres (secrétariat)");
  verb->footer(
      "Exemple : pli case decide 3f9a2c71 --outcome pris_en_compte --reason \"séance du 3 décembre\"\n"
      "Issues : " +
      joined(protocol::decision_outcomes()));
  verb->add_option("id", decision->id, "Numéro du dossier")->required();
  verb->add_option("--outcome", decision->code, "Issue, dans la liste fermée")->required();
  verb->add_option("--reason", decision->reason, "Motif court, lisible des seuls membres ; ou - pour l'entrée standard")
      ->required();
  verb->callback([&sitting, &verdict, decision] {
    auto reason = text_or_input(decision->reason, reason_bytes_max);
    auto form = reason ? protocol::Form::decision(decision->code, *reason) : Result<protocol::Form>(reason.error());
    verdict.exit_code = form ? act(sitting, decision->id, *form, false)
                             : usage_error(sitting, "issue inconnue ou motif trop long ; l'une de : " +
                                                        joined(protocol::decision_outcomes()));
  });

  auto answer = std::make_shared<Act>();
  verb = group->add_subcommand("return", "Répondre à la collectivité par un code, sans texte libre (secrétariat)");
  verb->footer("Exemple : pli case return 3f9a2c71 --code examen_termine\nCodes : " + joined(protocol::retour_codes()));
  verb->add_option("id", answer->id, "Numéro du dossier")->required();
  verb->add_option("--code", answer->code, "Code, dans la liste fermée")->required();
  verb->callback([&sitting, &verdict, answer] {
    auto form = protocol::Form::retour(answer->code);
    verdict.exit_code = form ? act(sitting, answer->id, *form, true)
                             : usage_error(sitting, "code inconnu ; l'un de : " + joined(protocol::retour_codes()));
  });
  add_case_agenda(*group, sitting, verdict);
  add_case_minutes(*group, sitting, verdict);
  add_case_answer(*group, sitting, verdict);
  add_case_transfer(*group, sitting, verdict);
  add_case_nominative(*group, sitting, verdict);
  add_case_links(*group, sitting, verdict);
}

}  // namespace pli::client::command
