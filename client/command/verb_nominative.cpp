// pli case agree, pli case release
#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "client/command/known_cases.hpp"
#include "client/command/outbox_screen.hpp"
#include "client/command/program.hpp"
#include "client/command/screen.hpp"
#include "client/command/sitting.hpp"
#include "client/transfer.hpp"
#include "protocol/form.hpp"

namespace pli::client::command {
namespace {

using protocol::Role;

struct AgreeOptions {
  std::string exchange, opinion, until;
};
struct ReleaseOptions {
  std::string exchange, to;
};

/// In whose name the member speaks of this case; empty where he has no say in it.
std::string_view capacity_of(const protocol::Member* self, const protocol::CaseItem& item) {
  if (item.commune) return "emetteur";
  if (self == nullptr) return "";
  if (self->roles.has(Role::parquet)) return "parquet";
  return self->roles.has(Role::service) ? "service" : "";
}

int agree(Sitting& sitting, const AgreeOptions& options) {
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  // What it is about may have come since this desk last looked.
  auto fresh = Inbox(**session).look();
  if (!fresh) return report(sitting, fresh.error());
  if (const int code = report_alarms_seen(sitting, fresh->alarms); code != 0) return code;
  auto found = find_case(**session, options.exchange);
  if (!found) return report(sitting, found.error());
  auto exchange = resolve_known(sitting, options.exchange);
  if (!exchange) return report(sitting, exchange.error());
  const auto capacity = capacity_of((*session)->directory().member((*session)->member_id()), *found);
  if (capacity.empty())
    return usage_error(sitting,
                       "seuls un service et le parquet donnent leur accord à une information nominative, et "
                       "l'expéditeur à la transmission de son envoi");
  nlohmann::ordered_json form = {
      {"type", "agrement"}, {"echange", to_hex(*exchange)}, {"qualite", capacity}, {"avis", options.opinion}};
  if (!options.until.empty()) form["jusqu_au"] = options.until;
  const std::string json = form.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  auto read = protocol::Form::from_json(json, nullptr, nullptr, sitting.clock().now());
  if (!read) return usage_error(sitting, read.error().front().french);
  Draft draft = draft_of(*read, found->queue);
  draft.case_id = found->case_id;
  return post(sitting, draft);
}

int release(Sitting& sitting, const ReleaseOptions& options) {
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  auto found = find_case(**session, options.exchange);
  if (!found) return report(sitting, found.error());
  auto exchange = resolve_known(sitting, options.exchange);
  if (!exchange) return report(sitting, exchange.error());
  const protocol::Member* maire = (*session)->directory().member(options.to);
  if (maire == nullptr || !maire->roles.has(Role::maire))
    return usage_error(sitting,
                       "l'annuaire ne montre aucun maire de ce nom : une information nominative est remise au "
                       "maire, en personne");
  const std::string queue = "person/" + maire->person;
  auto fresh = Inbox(**session).look();
  if (!fresh) return report(sitting, fresh.error());
  if (const int code = report_alarms_seen(sitting, fresh->alarms); code != 0) {
    if (!sitting.json()) warn("Rien n'a été remis : recommencez ensuite.");
    return code;
  }
  auto given = given_to((*session)->profile(), queue);
  if (!given) return report(sitting, given.error());
  if (given->count(*exchange) != 0) {  // once; it may wait still
    if (!sitting.json()) say("Déjà remise à " + maire->id + " : une information n'est remise qu'une fois.");
    return flush_outbox(sitting, std::nullopt);
  }
  Outbox outbox((*session)->profile(), sitting.clock());
  auto put = give_access(**session, outbox, *exchange, found->case_id, queue,
                         {protocol::Motif::reponse_a_la_collectivite, {}, {}});
  if (!put) {
    report_if_anomaly(sitting, *exchange, put.error());
    return report(sitting, put.error());
  }
  const int code = flush_outbox(sitting, put->id);
  if (code == 0 && !sitting.json())
    say("Remise à " + maire->id +
        ", en personne. Elle ne s'ouvre que sous une charte en vigueur, et s'efface après son "
        "dernier jour.");
  return code;
}

}  // namespace

void add_case_nominative(CLI::App& group, Sitting& sitting, Verdict& verdict) {
  auto opinion = std::make_shared<AgreeOptions>();
  auto* verb = group.add_subcommand("agree",
                                    "Donner ou refuser son accord : à une information nominative (service, parquet), à "
                                    "la transmission de son envoi (la collectivité)");
  verb->footer(
      "Exemple : pli case agree 3f9a2c71 --opinion accord\n"
      "Le dernier avis de chacun compte. Un refus tient l'information fermée tant qu'il n'est pas repris.");
  verb->add_option("id", opinion->exchange, "Numéro de l'envoi dont il s'agit")->required();
  verb->add_option("--opinion", opinion->opinion, "accord ou refus")->required();
  verb->add_option("--until", opinion->until, "Accord valable jusqu'au (AAAA-MM-JJ)");
  verb->callback([&sitting, &verdict, opinion] { verdict.exit_code = agree(sitting, *opinion); });

  auto given = std::make_shared<ReleaseOptions>();
  verb = group.add_subcommand("release",
                              "Remettre une information nominative au maire, en personne, les deux accords donnés "
                              "(secrétariat)");
  verb->footer(
      "Exemple : pli case release 3f9a2c71 --to maire.sens\n"
      "Il faut l'accord d'un service et celui du parquet, et une charte en vigueur pour sa commune. Elle est ouverte "
      "pour\n"
      "être remise, ce qui est inscrit au journal. Elle n'est remise qu'une fois.");
  verb->add_option("id", given->exchange, "Numéro de l'information nominative")->required();
  verb->add_option("--to", given->to, "Le maire, par son nom dans l'annuaire")->required();
  verb->callback([&sitting, &verdict, given] { verdict.exit_code = release(sitting, *given); });
}

}  // namespace pli::client::command
