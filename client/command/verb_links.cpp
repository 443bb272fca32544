// pli case links|link
#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "client/case_list.hpp"
#include "client/command/links_screen.hpp"
#include "client/command/program.hpp"
#include "client/command/screen.hpp"
#include "client/command/sitting.hpp"
#include "protocol/printable.hpp"

namespace pli::client::command {
namespace {

std::string french_verdict(const JudgedHint& hint) {
  if (!hint.decision) return "à examiner";
  const bool accepted = hint.decision->verdict == LinkVerdict::accepted;
  return (accepted ? "retenu le " : "écarté le ") + paris_minute(hint.decision->decided_at);
}

std::vector<std::string> codes_of(const std::vector<LinkReason>& reasons) {
  std::vector<std::string> out;
  for (LinkReason reason : reasons) out.emplace_back(text_of(reason));
  return out;
}

/// The index of whoever may see it, without what the broker has erased. Errors: usage (somebody else), local_store,
/// those of list_cases().
Outcome<LinkHints> settled_hints(Session& session) {
  if (!sees_link_hints(session)) return Failure(protocol::LocalCode::usage, "not a secretariat");
  auto cases = list_cases(session);
  if (!cases) return cases.error();
  if (auto settled = forget_unlisted(session.profile(), session.keys(), *cases); !settled) return settled.error();
  return LinkHints::load(session.profile(), session.keys());
}

/// A case of the index, by its id or by an exchange of it. Errors: as resolve_id().
Outcome<Digest> indexed_case(const LinkHints& hints, const std::string& text) {
  std::vector<Digest> ids = hints.index().cases();
  for (const LinkEntry& entry : hints.index().entries()) ids.push_back(entry.exchange);
  auto id = resolve_id(text, ids);
  if (!id) return id.error();
  for (const LinkEntry& entry : hints.index().entries())
    if (entry.exchange == *id) return entry.case_id;
  return id;
}

int refuse(Sitting& sitting, const Failure& failure) {
  if (is(failure, protocol::LocalCode::usage))
    return usage_error(sitting, "les rapprochements ne sont montrés qu'au secrétariat de l'instance");
  return report(sitting, failure);
}

void print_json(const JudgedHint& hint) {
  JsonObject line;
  line.text("case", to_hex(hint.pair.first)).text("other", to_hex(hint.pair.second));
  line.texts("reasons", codes_of(hint.reasons)).text("reason", french(hint.reasons));
  if (!hint.decision) {
    line.null("verdict").null("decided_at").null("decided_by").print();
    return;
  }
  line.text("verdict", verdict_text(hint)).text("decided_at", iso_time(hint.decision->decided_at));
  line.text("decided_by", hint.decision->decided_by).print();
}

int links(Sitting& sitting, const std::string& text, bool everything) {
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  auto hints = settled_hints(**session);
  if (!hints) return refuse(sitting, hints.error());
  std::vector<JudgedHint> found;
  if (text.empty()) {
    found = hints->all();
  } else {
    auto id = indexed_case(*hints, text);
    if (!id) return report(sitting, id.error());
    found = hints->hints_of(*id);
  }
  if (!everything)
    found.erase(std::remove_if(found.begin(), found.end(),
                               [](const JudgedHint& hint) { return verdict_text(hint) == "rejected"; }),
                found.end());
  if (hints->unreadable() != 0 && !sitting.json())
    warn(std::to_string(hints->unreadable()) +
         " fiche(s) de l'index ne se lisent pas avec vos clés : rouvrez les dossiers concernés pour les y remettre.");
  std::vector<std::vector<std::string>> rows;
  for (const JudgedHint& hint : found) {
    if (sitting.json())
      print_json(hint);
    else
      rows.push_back({short_id(hint.pair.first), short_id(hint.pair.second),
                      hint.reasons.empty() ? "rapproché par une personne" : french(hint.reasons),
                      french_verdict(hint)});
  }
  if (sitting.json()) return 0;
  if (rows.empty()) say("Aucun rapprochement parmi les dossiers que vous avez ouverts.");
  print_table({{"Dossier"}, {"Dossier"}, {"Pourquoi"}, {"Décision"}}, rows);
  return 0;
}

int link(Sitting& sitting, const std::string& one, const std::string& other, LinkVerdict verdict) {
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  auto hints = settled_hints(**session);
  if (!hints) return refuse(sitting, hints.error());
  auto first = indexed_case(*hints, one);
  if (!first) return report(sitting, first.error());
  auto second = indexed_case(*hints, other);
  if (!second) return report(sitting, second.error());
  const CasePair pair = pair_of(*first, *second);
  if (auto done = hints->decide(pair, verdict, (*session)->member_id(), sitting.clock().now()); !done) {
    if (is(done.error(), protocol::LocalCode::usage))
      return usage_error(sitting, "un dossier ne se rapproche pas de lui-même");
    return report(sitting, done.error());
  }
  const bool accepted = verdict == LinkVerdict::accepted;
  if (sitting.json())
    JsonObject()
        .text("case", to_hex(pair.first))
        .text("other", to_hex(pair.second))
        .text("verdict", accepted ? "accepted" : "rejected")
        .print();
  else
    say("Rapprochement de " + short_id(pair.first) + " et " + short_id(pair.second) +
        (accepted ? " retenu" : " écarté") + " ; rien n'est fusionné. Vous pouvez y revenir par la même commande.");
  return 0;
}

}  // namespace

Outcome<std::vector<JudgedHint>> VerbLinks::note(const Session& session, const OpenedExchange& opened) {
  if (!sees_link_hints(session)) {
    if (auto gone = forget_link_hints(session.profile()); !gone) return gone.error();
    return std::vector<JudgedHint>();
  }
  const auto entry = link_entry_of(opened);
  if (!entry) return std::vector<JudgedHint>();
  if (!hints_) {
    auto loaded = LinkHints::load(session.profile(), session.keys());
    if (!loaded) return loaded.error();
    hints_.emplace(std::move(*loaded));
  }
  if (auto added = hints_->add(*entry); !added) return added.error();
  std::vector<JudgedHint> out = hints_->hints_of(entry->case_id);
  out.erase(
      std::remove_if(out.begin(), out.end(), [](const JudgedHint& hint) { return verdict_text(hint) == "rejected"; }),
      out.end());
  return out;
}

const Digest& other_than(const JudgedHint& hint, const Digest& case_id) {
  return hint.pair.first == case_id ? hint.pair.second : hint.pair.first;
}

std::string french(const std::vector<LinkReason>& reasons) {
  std::string out;
  for (LinkReason reason : reasons) out += (out.empty() ? "" : " ; ") + std::string(french(reason));
  return out;
}

std::string verdict_text(const JudgedHint& hint) {
  if (!hint.decision) return {};
  return hint.decision->verdict == LinkVerdict::accepted ? "accepted" : "rejected";
}

void say_links(const std::vector<JudgedHint>& hints, const Digest& case_id) {
  if (hints.empty()) return;
  say("Rapprochements possibles, à vérifier par vous ; rien n'est fusionné :");
  for (const JudgedHint& hint : hints)
    say("  dossier " + short_id(other_than(hint, case_id)) + " : " +
        (hint.reasons.empty() ? "rapproché par une personne" : french(hint.reasons)) +
        (hint.decision ? " (" + french_verdict(hint) + ")" : ""));
  say("Pour en décider : pli case link " + short_id(case_id) + " " + short_id(other_than(hints.front(), case_id)) +
      " --accept, ou --reject.");
}

std::string links_json(const std::vector<JudgedHint>& hints, const Digest& case_id) {
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (const JudgedHint& hint : hints) {
    nlohmann::ordered_json one;
    one["case"] = to_hex(other_than(hint, case_id));
    one["reasons"] = codes_of(hint.reasons);
    one["verdict"] = hint.decision ? nlohmann::ordered_json(verdict_text(hint)) : nlohmann::ordered_json();
    out.push_back(std::move(one));
  }
  return out.dump();
}

void add_case_links(CLI::App& group, Sitting& sitting, Verdict& verdict) {
  struct Options {
    std::string id, other;
    bool all = false, accept = false, reject = false;
  };
  auto listed = std::make_shared<Options>();
  auto* verb = group.add_subcommand("links", "Dossiers qui concernent peut-être la même personne (secrétariat)");
  verb->footer(
      "Exemple : pli case links 3f9a2c71\n"
      "Seuls les dossiers ouverts sur ce poste sont comparés. Rien n'en est dit au serveur ni aux communes.");
  verb->add_option("id", listed->id, "Numéro du dossier ; sans lui, tous");
  verb->add_flag("--all", listed->all, "Montrer aussi les rapprochements écartés");
  verb->callback([&sitting, &verdict, listed] { verdict.exit_code = links(sitting, listed->id, listed->all); });

  auto decided = std::make_shared<Options>();
  verb = group.add_subcommand("link", "Retenir ou écarter un rapprochement (secrétariat)");
  verb->footer(
      "Exemple : pli case link 3f9a2c71 81d0be44 --accept\n"
      "La décision reste sur ce poste, scellée ; elle ne fusionne rien et peut être reprise.");
  verb->add_option("id", decided->id, "Numéro d'un dossier")->required();
  verb->add_option("other", decided->other, "Numéro de l'autre")->required();
  auto* accept = verb->add_flag("--accept", decided->accept, "C'est la même personne ou la même structure");
  verb->add_flag("--reject", decided->reject, "Ce ne l'est pas")->excludes(accept);
  verb->callback([&sitting, &verdict, decided] {
    if (decided->accept == decided->reject) {
      verdict.exit_code = usage_error(sitting, "il faut dire --accept ou --reject");
      return;
    }
    verdict.exit_code =
        link(sitting, decided->id, decided->other, decided->accept ? LinkVerdict::accepted : LinkVerdict::rejected);
  });
}

}  // namespace pli::client::command
