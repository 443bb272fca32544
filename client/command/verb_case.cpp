// pli case list|show|decide|return
#include <CLI/CLI.hpp>
#include <algorithm>

#include "client/command/outbox_screen.hpp"
#include "client/command/program.hpp"
#include "client/command/screen.hpp"
#include "client/command/sitting.hpp"
#include "client/inbox.hpp"
#include "protocol/case_life.hpp"
#include "protocol/form.hpp"

namespace pli::client::command {
namespace {

using protocol::CaseItem;

Outcome<std::vector<CaseItem>> all_cases(Session& session) {
  std::vector<CaseItem> out;
  protocol::ListCases ask;
  for (;;) {
    auto page = session.ask<protocol::Cases>(ask);
    if (!page) return page.error();
    if (page->items.empty() && page->more) return Failure(protocol::LocalCode::unreachable, "an empty page of cases");
    out.insert(out.end(), page->items.begin(), page->items.end());
    if (!page->more) return out;
    ask.after = out.back().case_id;
  }
}

/// What a collectivité is told in its own words, what an instance is told as it is.
std::string french_state(const CaseItem& item) {
  if (!item.commune) return item.state;
  for (auto view : {protocol::CommuneView::recu, protocol::CommuneView::en_cours_d_examen,
                    protocol::CommuneView::complement_demande, protocol::CommuneView::examen_termine})
    if (item.state == protocol::text_of(view)) return std::string(protocol::french(view));
  return item.state;
}

JsonObject case_json(const CaseItem& item) {
  JsonObject out;
  const auto* row = protocol::row_of_number(item.kind);
  out.text("case", to_hex(item.case_id)).text("kind", row != nullptr ? row->name : "?").text("queue", item.queue);
  out.text("state", item.state).boolean("commune_view", item.commune).text("opened_at", iso_time(item.opened_at));
  out.text("updated_at", iso_time(item.updated_at)).number("exchanges", item.exchanges);
  return out;
}

int list(Sitting& sitting) {
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  auto cases = all_cases(**session);
  if (!cases) return report(sitting, cases.error());
  std::vector<std::vector<std::string>> rows;
  for (const CaseItem& item : *cases) {
    if (sitting.json()) {
      case_json(item).print();
      continue;
    }
    const auto* row = protocol::row_of_number(item.kind);
    rows.push_back({short_id(item.case_id), row != nullptr ? std::string(row->french) : "?", item.queue,
                    french_state(item), local_time(item.opened_at), local_time(item.updated_at),
                    std::to_string(item.exchanges)});
  }
  if (rows.empty() && !sitting.json()) say("Aucun dossier.");
  print_table({{"Dossier"}, {"Nature"}, {"Instance"}, {"État"}, {"Ouvert le"}, {"Dernier acte"}, {"Envois"}}, rows);
  return 0;
}

Outcome<CaseItem> find_case(Session& session, const std::string& text) {
  auto cases = all_cases(session);
  if (!cases) return cases.error();
  std::vector<Digest> ids;
  for (const CaseItem& item : *cases) ids.push_back(item.case_id);
  auto id = resolve_id(text, ids);
  if (!id) return id.error();
  for (const CaseItem& item : *cases)
    if (item.case_id == *id) return item;
  return Failure(protocol::Refusal{protocol::Code::not_found, "", 0});
}

int show(Sitting& sitting, const std::string& text) {
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  auto found = find_case(**session, text);
  if (!found) return report(sitting, found.error());
  if (auto fresh = Inbox(**session).refresh(); !fresh) return report(sitting, fresh.error());
  auto items = received((*session)->profile());
  if (!items) return report(sitting, items.error());
  items->erase(std::remove_if(items->begin(), items->end(),
                              [&](const InboxItem& item) {
                                return !item.visible ||
                                       (item.exchange != found->case_id && item.address.case_id != found->case_id);
                              }),
               items->end());
  if (sitting.json()) {
    case_json(*found).print();
    for (const InboxItem& item : *items) to_json(item).print();
    return 0;
  }
  say("Dossier    " + to_hex(found->case_id));
  say("Instance   " + found->queue);
  say("État       " + french_state(*found));
  say("Ouvert le  " + local_time(found->opened_at) + ", dernier acte le " + local_time(found->updated_at));
  std::vector<std::vector<std::string>> rows;
  for (const InboxItem& item : *items) {
    const auto* row = protocol::row_of_number(item.address.kind);
    rows.push_back({short_id(item.exchange), row != nullptr ? std::string(row->french) : "?", item.address.sender,
                    local_time(item.accepted_at), item.opened ? "ouvert" : ""});
  }
  print_table({{"Numéro"}, {"Nature"}, {"De"}, {"Reçu le"}, {""}}, rows);
  return 0;
}

/// The queue of the organisation whose exchange opened the case, as the secretariat can see it.
Outcome<std::string> answer_queue(Session& session, const Digest& case_id) {
  if (auto fresh = Inbox(session).refresh(); !fresh) return fresh.error();
  auto first = find_received(session.profile(), case_id);
  if (!first) return first.error();
  if (!*first || !(*first)->visible)
    return Failure(protocol::LocalCode::usage, "the first exchange of this case is not in your queues");
  const protocol::Member* sender = session.directory().member((*first)->address.sender);
  if (sender == nullptr)
    return Failure(protocol::LocalCode::directory_unproven, "the directory does not show who sent the first exchange");
  return "org/" + sender->organisation;
}

int act(Sitting& sitting, const std::string& text, const Result<protocol::Form>& form, bool answers_sender) {
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  auto found = find_case(**session, text);
  if (!found) return report(sitting, found.error());
  std::string queue = found->queue;
  if (answers_sender) {
    auto own = answer_queue(**session, found->case_id);
    if (!own) return report(sitting, own.error());
    queue = *own;
  }
  Draft draft = draft_of(*form, queue);
  draft.case_id = found->case_id;
  draft.in_reply_to = found->case_id;
  return post(sitting, draft);
}

std::string joined(const std::vector<std::string_view>& list) {
  std::string out;
  for (std::string_view one : list) out += (out.empty() ? "" : ", ") + std::string(one);
  return out;
}

}  // namespace

void add_case(CLI::App& app, Sitting& sitting, Verdict& verdict) {
  auto* group = app.add_subcommand("case", "Dossiers : où ils en sont, décider, répondre");
  group->require_subcommand(1);
  group->footer("Exemple : pli case list");
  auto* verb = group->add_subcommand("list", "Lister vos dossiers");
  verb->footer("Exemple : pli case list --json");
  verb->callback([&sitting, &verdict] { verdict.exit_code = list(sitting); });

  auto id = std::make_shared<std::string>();
  verb = group->add_subcommand("show", "Montrer un dossier et ses envois");
  verb->footer("Exemple : pli case show 3f9a2c71");
  verb->add_option("id", *id, "Numéro du dossier")->required();
  verb->callback([&sitting, &verdict, id] { verdict.exit_code = show(sitting, *id); });

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
  verb->add_option("--reason", decision->reason, "Motif court ; lisible des seuls membres");
  verb->callback([&sitting, &verdict, decision] {
    auto form = protocol::Form::decision(decision->code, decision->reason);
    verdict.exit_code = form ? act(sitting, decision->id, form, false)
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
    verdict.exit_code = form ? act(sitting, answer->id, form, true)
                             : usage_error(sitting, "code inconnu ; l'un de : " + joined(protocol::retour_codes()));
  });
}

}  // namespace pli::client::command
