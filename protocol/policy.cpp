#include "protocol/policy.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <utility>

#include "base/result.hpp"
#include "protocol/contract.hpp"

namespace pli::protocol {
namespace {

Roles roles_of(std::initializer_list<Role> list) {
  Roles out;
  for (Role role : list) out.add(role);
  return out;
}

Relations relations_of(std::initializer_list<Relation> list) {
  Relations out;
  for (Relation relation : list) out.add(relation);
  return out;
}

Roles every_role() { return {static_cast<std::uint16_t>((1U << role_count) - 1U)}; }

/// Those who send signalements or post through a tool, and are answered on their organisation's queue.
Roles senders() { return roles_of({Role::referent, Role::maire, Role::outil}); }

/// Those who may hold a seat in an instance.
Roles instance_roles() {
  return roles_of(
      {Role::secretariat, Role::membre_ged, Role::membre_clir, Role::membre_cpraf, Role::parquet, Role::service});
}

std::vector<Kind> with(std::vector<Kind> kinds, std::initializer_list<Kind> more) {
  kinds.insert(kinds.end(), more);
  return kinds;
}

// Kinds are named one by one: a new kind is shown to nobody until a rule names it.
/// What an instance writes about a case in its own queue: shown there, and forbidden to the case's author.
std::vector<Kind> instance_acts() {
  return {Kind::recevabilite,     Kind::inscription,       Kind::mise_en_evaluation, Kind::decision,
          Kind::report_du_retour, Kind::cloture,           Kind::recusation,         Kind::acces,
          Kind::maintien,         Kind::demande_effacement};
}
/// What adds to a case or moves it, as the instance that holds it is shown it.
std::vector<Kind> case_kinds() {
  return with(instance_acts(), {Kind::complement, Kind::retrait, Kind::rectification, Kind::agrement});
}
std::vector<Kind> ged_kinds() {
  return with(case_kinds(), {Kind::signalement_individuel, Kind::information_de_volet, Kind::information_nominative});
}
std::vector<Kind> clir_kinds() {
  return with(case_kinds(), {Kind::signalement_de_structure, Kind::information_de_volet, Kind::information_nominative});
}
std::vector<Kind> cpraf_kinds() { return with(case_kinds(), {Kind::proposition_accompagnement}); }

/// What an instance does with a case; all the rest is the sender's, or either's (`agrement`), or nobody's.
std::vector<Kind> evaluation_kinds() {
  return with(instance_acts(), {Kind::demande_de_complement, Kind::retour, Kind::information_nominative,
                                Kind::transmission, Kind::orientation_cpraf});
}

/// What adds readers to what was sent, here or in another instance.
std::vector<Kind> passing_kinds() { return {Kind::acces, Kind::transmission, Kind::orientation_cpraf}; }

/// What an instance is shown, and opens, of a case that another one passed on to it; and what is answered it.
std::vector<Kind> passed_on_kinds() {
  return {Kind::signalement_individuel,
          Kind::signalement_de_structure,
          Kind::information_de_volet,
          Kind::proposition_accompagnement,
          Kind::complement,
          Kind::rectification,
          Kind::transmission,
          Kind::orientation_cpraf,
          Kind::retour,
          Kind::demande_de_complement};
}

std::vector<Kind> every_kind_but(Kind left_out) {
  std::vector<Kind> out;
  for (const KindRow& row : kind_table())
    if (row.kind != left_out) out.push_back(row.kind);
  return out;
}

/// What begins something: after the contract's last day, and beyond its territory, what was begun still ends.
std::vector<Kind> beginning_kinds() {
  std::vector<Kind> out{Kind::point_de_situation};
  for (const KindRow& row : kind_table())
    if (row.opens_case) out.push_back(row.kind);
  return out;
}

Conditions conditions_of(std::initializer_list<Condition> list) {
  Conditions out;
  for (Condition condition : list) out.add(condition);
  return out;
}

void add_forbids(std::vector<Rule>& out) {
  const std::vector<QueueKind> instances{QueueKind::ged, QueueKind::clir, QueueKind::cpraf};
  const std::vector<QueueKind> elsewhere{QueueKind::clir, QueueKind::cpraf, QueueKind::org, QueueKind::person,
                                         QueueKind::audit};
  // Before any other: nobody it is for is told that it is there.
  for (Act act : {Act::deliver, Act::open})
    out.push_back({"interdit.heure",
                   true,
                   act,
                   every_role(),
                   {},
                   {},
                   {QueueKind::org, QueueKind::person},
                   conditions_of({Condition::withheld})});
  // An auditor or an operator is nothing else: the role spoils whatever stands beside it in the same entry.
  for (Act act : {Act::submit, Act::deliver, Act::open}) {
    out.push_back({"interdit.auditeur", true, act, roles_of({Role::auditeur}), {}, {}, {}});
    out.push_back({"interdit.operateur", true, act, roles_of({Role::operateur}), {}, {}, {}});
  }
  out.push_back({"interdit.auditeur", true, Act::publish_directory, roles_of({Role::auditeur}), {}, {}, {}, {}});
  // Nobody evaluates what they, or their organisation, reported; nobody goes on after withdrawing (design §4).
  for (Act act : {Act::deliver, Act::open}) {
    out.push_back({"interdit.auteur", true, act, every_role(), relations_of({Relation::author}), {}, instances});
    // His own recusal stays in sight of whoever recused: it shows his client that the rest is hidden rightly.
    out.push_back({"interdit.recuse", true, act, every_role(), relations_of({Relation::recused}),
                   every_kind_but(Kind::recusation), instances});
  }
  out.push_back({"interdit.auteur",
                 true,
                 Act::submit,
                 every_role(),
                 relations_of({Relation::author}),
                 evaluation_kinds(),
                 {},
                 {}});
  // Of the author the instance takes no agreement; his collectivité's own word is given by whoever does not sit there.
  out.push_back({"interdit.auteur",
                 true,
                 Act::submit,
                 every_role(),
                 relations_of({Relation::author, Relation::case_instance}),
                 {Kind::agrement},
                 {},
                 {}});
  out.push_back({"interdit.recuse",
                 true,
                 Act::submit,
                 every_role(),
                 relations_of({Relation::recused}),
                 with(evaluation_kinds(), {Kind::agrement}),
                 {},
                 {}});
  // What the sender asked for binds whoever reads and whoever passes on (design §5).
  for (Act act : {Act::deliver, Act::open}) {
    out.push_back({"interdit.copie", true, act, every_role(), {}, {}, {}, conditions_of({Condition::no_copy})});
    out.push_back(
        {"interdit.hors.ged", true, act, every_role(), {}, {}, elsewhere, conditions_of({Condition::ged_only})});
  }
  for (const auto& [id, condition] :
       {std::pair{"interdit.copie", Condition::no_copy}, std::pair{"interdit.lecteurs", Condition::eyes_only},
        std::pair{"interdit.hors.ged", Condition::stays}, std::pair{"interdit.sans.accord", Condition::unagreed}})
    out.push_back({id, true, Act::submit, every_role(), {}, passing_kinds(), {}, conditions_of({condition})});
  out.push_back(
      {"interdit.hors.ged", true, Act::submit, every_role(), {}, {}, elsewhere, conditions_of({Condition::ged_only})});
}

/// The contract and the registry of tools: what they do not cover, no other rule permits.
void add_contract(std::vector<Rule>& out) {
  for (const auto& [id, condition] : {std::pair{"interdit.avant.contrat", Condition::contract_to_come},
                                      std::pair{"interdit.apres.contrat", Condition::contract_over},
                                      std::pair{"interdit.hors.territoire", Condition::outside_territory}})
    out.push_back({id, true, Act::submit, every_role(), {}, beginning_kinds(), {}, conditions_of({condition})});
  const Roles tools = roles_of({Role::outil});
  for (const auto& [id, condition] : {std::pair{"interdit.hors.volet", Condition::outside_volets},
                                      std::pair{"interdit.hors.registre", Condition::outside_registry}}) {
    // Whatever a tool may, it reports what it had to refuse.
    out.push_back({id, true, Act::submit, tools, {}, every_kind_but(Kind::anomalie), {}, conditions_of({condition})});
    for (Act act : {Act::deliver, Act::open, Act::follow_case})
      out.push_back({id, true, act, tools, {}, {}, {}, conditions_of({condition})});
  }
}

void add_submissions(std::vector<Rule>& out) {
  const std::vector<QueueKind> instances{QueueKind::ged, QueueKind::clir, QueueKind::cpraf};
  const Roles collectivite = roles_of({Role::referent, Role::maire});
  const Relations here = relations_of({Relation::same_territory});
  const Relations seated = relations_of({Relation::seated});
  out.push_back(
      {"depot.signalement", false, Act::submit, collectivite, here, {Kind::signalement_individuel}, {QueueKind::ged}});
  out.push_back({"depot.signalement",
                 false,
                 Act::submit,
                 collectivite,
                 here,
                 {Kind::signalement_de_structure},
                 {QueueKind::clir}});
  out.push_back({"depot.signalement",
                 false,
                 Act::submit,
                 collectivite,
                 here,
                 {Kind::proposition_accompagnement},
                 {QueueKind::cpraf}});
  out.push_back({"depot.information",
                 false,
                 Act::submit,
                 roles_of({Role::outil}),
                 here,
                 {Kind::information_de_volet},
                 {QueueKind::ged, QueueKind::clir}});
  for (const auto& [id, kind] :
       {std::pair{"depot.complement", Kind::complement}, std::pair{"depot.rectification", Kind::rectification},
        std::pair{"depot.retrait", Kind::retrait}})
    out.push_back({id, false, Act::submit, senders(), relations_of({Relation::case_party}), {kind}, instances});
  out.push_back(
      {"depot.instruction",
       false,
       Act::submit,
       roles_of({Role::secretariat}),
       relations_of({Relation::case_instance}),
       {Kind::recevabilite, Kind::inscription, Kind::mise_en_evaluation, Kind::report_du_retour, Kind::cloture},
       instances});
  out.push_back({"depot.decision",
                 false,
                 Act::submit,
                 roles_of({Role::secretariat}),
                 relations_of({Relation::case_instance}),
                 {Kind::decision},
                 instances});
  out.push_back({"depot.retour",
                 false,
                 Act::submit,
                 roles_of({Role::secretariat}),
                 relations_of({Relation::case_instance}),
                 {Kind::retour},
                 {QueueKind::org}});
  out.push_back({"depot.demande",
                 false,
                 Act::submit,
                 roles_of({Role::secretariat}),
                 relations_of({Relation::case_instance}),
                 {Kind::demande_de_complement},
                 {QueueKind::org}});
  out.push_back({"depot.point",
                 false,
                 Act::submit,
                 roles_of({Role::secretariat}),
                 here,
                 {Kind::point_de_situation},
                 {QueueKind::org}});
  // Written in the instance, agreed to by two of it, given to the maire in person (docs/decisions/0019).
  out.push_back({"depot.nominative",
                 false,
                 Act::submit,
                 roles_of({Role::secretariat}),
                 relations_of({Relation::case_instance}),
                 {Kind::information_nominative},
                 {QueueKind::ged, QueueKind::clir}});
  out.push_back({"depot.agrement",
                 false,
                 Act::submit,
                 roles_of({Role::service, Role::parquet}),
                 relations_of({Relation::case_instance}),
                 {Kind::agrement},
                 {QueueKind::ged, QueueKind::clir}});
  out.push_back({"depot.remise",
                 false,
                 Act::submit,
                 roles_of({Role::secretariat}),
                 relations_of({Relation::case_instance}),
                 {Kind::acces},
                 {QueueKind::person}});
  // Whoever asked to be asked before his report is passed on; a tool consents to nothing.
  out.push_back({"depot.accord",
                 false,
                 Act::submit,
                 roles_of({Role::referent, Role::maire}),
                 relations_of({Relation::case_party}),
                 {Kind::agrement},
                 instances});
  // Another instance is given a case of its own; what it answers, or asks, goes to the one that gave it.
  out.push_back({"depot.transmission",
                 false,
                 Act::submit,
                 roles_of({Role::secretariat}),
                 relations_of({Relation::case_instance}),
                 {Kind::transmission},
                 {QueueKind::ged, QueueKind::clir}});
  out.push_back({"depot.orientation",
                 false,
                 Act::submit,
                 roles_of({Role::secretariat}),
                 relations_of({Relation::case_instance}),
                 {Kind::orientation_cpraf},
                 {QueueKind::cpraf}});
  for (const auto& [id, kind] :
       {std::pair{"depot.retour", Kind::retour}, std::pair{"depot.demande", Kind::demande_de_complement}})
    out.push_back({id,
                   false,
                   Act::submit,
                   roles_of({Role::secretariat}),
                   relations_of({Relation::case_instance, Relation::linked}),
                   {kind},
                   {QueueKind::ged, QueueKind::clir, QueueKind::cpraf}});
  out.push_back({"depot.recusation",
                 false,
                 Act::submit,
                 instance_roles(),
                 relations_of({Relation::case_instance}),
                 {Kind::recusation},
                 instances});
  out.push_back({"depot.acces",
                 false,
                 Act::submit,
                 roles_of({Role::membre_ged, Role::secretariat}),
                 seated,
                 {Kind::acces},
                 {QueueKind::ged}});
  out.push_back({"depot.acces",
                 false,
                 Act::submit,
                 roles_of({Role::membre_clir, Role::secretariat}),
                 seated,
                 {Kind::acces},
                 {QueueKind::clir}});
  out.push_back({"depot.acces",
                 false,
                 Act::submit,
                 roles_of({Role::membre_cpraf, Role::secretariat}),
                 seated,
                 {Kind::acces},
                 {QueueKind::cpraf}});
  // Two persons each, who may both be of the instance alone: protocol/retention.hpp counts them.
  out.push_back({"depot.terme",
                 false,
                 Act::submit,
                 roles_of({Role::secretariat, Role::parquet}),
                 relations_of({Relation::case_instance}),
                 {Kind::maintien, Kind::demande_effacement},
                 instances});
  Roles readers = instance_roles();
  readers.bits = static_cast<std::uint16_t>(readers.bits | senders().bits);
  out.push_back({"depot.anomalie", false, Act::submit, readers, {}, {Kind::anomalie}, {QueueKind::audit}});
}

/// Being shown a header and opening what it heads are one question with two names, so that they cannot drift apart.
void add_reading(std::vector<Rule>& out) {
  struct Ids {
    Act act;
    std::string_view linked, ged, clir, cpraf, own, nominative;
  };
  const Relations seated = relations_of({Relation::seated});
  const Relations own = relations_of({Relation::seated, Relation::addressee_org});
  for (const Ids& ids : {Ids{Act::deliver, "remise.transmis", "remise.ged", "remise.clir", "remise.cpraf",
                             "remise.destinataire", "remise.nominative"},
                         Ids{Act::open, "ouverture.transmis", "ouverture.ged", "ouverture.clir", "ouverture.cpraf",
                             "ouverture.destinataire", "ouverture.nominative"}}) {
    for (const auto& [member, queue] :
         {std::pair{Role::membre_ged, QueueKind::ged}, std::pair{Role::membre_clir, QueueKind::clir},
          std::pair{Role::membre_cpraf, QueueKind::cpraf}})
      out.push_back({ids.linked,
                     false,
                     ids.act,
                     roles_of({member, Role::secretariat, Role::parquet, Role::service}),
                     relations_of({Relation::seated, Relation::linked}),
                     passed_on_kinds(),
                     {queue}});
    out.push_back({ids.ged,
                   false,
                   ids.act,
                   roles_of({Role::membre_ged, Role::secretariat, Role::parquet, Role::service}),
                   seated,
                   ged_kinds(),
                   {QueueKind::ged}});
    out.push_back({ids.clir,
                   false,
                   ids.act,
                   roles_of({Role::membre_clir, Role::secretariat, Role::parquet, Role::service}),
                   seated,
                   clir_kinds(),
                   {QueueKind::clir}});
    out.push_back({ids.cpraf,
                   false,
                   ids.act,
                   roles_of({Role::membre_cpraf, Role::secretariat, Role::parquet, Role::service}),
                   seated,
                   cpraf_kinds(),
                   {QueueKind::cpraf}});
    out.push_back({ids.own,
                   false,
                   ids.act,
                   senders(),
                   own,
                   {Kind::retour, Kind::demande_de_complement, Kind::point_de_situation},
                   {QueueKind::org, QueueKind::person}});
    out.push_back({ids.nominative,
                   false,
                   ids.act,
                   roles_of({Role::maire}),
                   own,
                   {Kind::information_nominative, Kind::acces},
                   {QueueKind::person}});
  }
}

std::vector<Rule> make_rules() {
  std::vector<Rule> out;
  add_forbids(out);
  add_contract(out);
  add_submissions(out);
  add_reading(out);

  // The party's rule stands first: an elected member of an instance who follows a case of their own commune is
  // answered under "suivi.partie", and so told only commune_view.
  out.push_back({"suivi.partie", false, Act::follow_case, senders(), relations_of({Relation::case_party}), {}, {}});
  out.push_back(
      {"suivi.instance", false, Act::follow_case, instance_roles(), relations_of({Relation::case_instance}), {}, {}});

  out.push_back({"annuaire.soi", false, Act::see_entry, every_role(), relations_of({Relation::self}), {}, {}});
  out.push_back(
      {"annuaire.collegue", false, Act::see_entry, every_role(), relations_of({Relation::colleague}), {}, {}});
  out.push_back(
      {"annuaire.correspondant", false, Act::see_entry, every_role(), relations_of({Relation::correspondent}), {}, {}});
  out.push_back({"annuaire.auditeur", false, Act::see_entry, roles_of({Role::auditeur}), {}, {}, {}});

  // Whoever carries it: k signatures make a version, and the last operator's entry may be what has to be mended.
  out.push_back({"annuaire.publication", false, Act::publish_directory, every_role(), {}, {}, {}, {}});
  out.push_back({"journal.lecture", false, Act::read_records, roles_of({Role::auditeur}), {}, {}, {}});
  out.push_back({"connexion", false, Act::connect, every_role(), {}, {}, {}});
  out.push_back({"etat.lecture",
                 false,
                 Act::read_health,
                 roles_of({Role::operateur, Role::auditeur, Role::secretariat}),
                 {},
                 {},
                 {}});
  return out;
}

/// A rule as masks. `decide` runs for each header and member of a queue, so a rule must cost a few instructions.
struct CompiledRule {
  std::string_view id;
  std::uint16_t roles;
  std::uint16_t needs;
  std::uint8_t queues;  ///< bit of each queue kind; unused when any_queue
  std::uint16_t conditions;
  bool any_kind;
  bool any_queue;
  std::uint64_t kinds;  ///< bit of each kind's number, all of which are below 64
};
struct CompiledAct {
  std::vector<CompiledRule> forbids;
  std::vector<CompiledRule> permits;
};

constexpr std::uint64_t bit_of(Kind kind) {
  auto number = static_cast<unsigned>(kind);
  return number < 64 ? std::uint64_t{1} << number : 0;
}
constexpr std::uint8_t bit_of(QueueKind kind) { return static_cast<std::uint8_t>(1U << static_cast<unsigned>(kind)); }

std::array<CompiledAct, act_count> compile(const std::vector<Rule>& rules) {
  std::array<CompiledAct, act_count> out;
  for (const Rule& rule : rules) {
    CompiledRule compiled{
        rule.id, rule.roles.bits, rule.needs.bits, 0, rule.conditions.bits, rule.kinds.empty(), rule.queues.empty(), 0};
    for (Kind kind : rule.kinds) {
      PLI_INVARIANT(bit_of(kind) != 0);
      compiled.kinds |= bit_of(kind);
    }
    for (QueueKind queue : rule.queues) compiled.queues = static_cast<std::uint8_t>(compiled.queues | bit_of(queue));
    CompiledAct& act = out[static_cast<std::size_t>(rule.act)];
    (rule.forbid ? act.forbids : act.permits).push_back(compiled);
  }
  return out;
}

bool applies(const CompiledRule& rule, const Question& question) {
  if ((rule.roles & question.roles.bits) == 0) return false;
  if ((rule.needs & question.relations.bits) != rule.needs) return false;
  if ((rule.conditions & question.conditions.bits) != rule.conditions) return false;
  if (!rule.any_kind && (!question.kind || (rule.kinds & bit_of(*question.kind)) == 0)) return false;
  if (!rule.any_queue && (!question.queue || (rule.queues & bit_of(*question.queue)) == 0)) return false;
  return true;
}

bool is_departement(std::string_view code) {
  auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (code.size() == 2) {
    if (code == "97" || code == "98") return false;  // overseas départements have three figures
    return digit(code[0]) && (digit(code[1]) || (code[0] == '2' && (code[1] == 'a' || code[1] == 'b')));
  }
  return code.size() == 3 && code[0] == '9' && (code[1] == '7' || code[1] == '8') && digit(code[2]);
}

bool is_commune(std::string_view code) {
  if (code.size() != 5) return false;
  if (!is_departement(code.substr(0, 2)) && !is_departement(code.substr(0, 3))) return false;
  return std::all_of(code.begin() + 2, code.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool related(std::string_view a, std::string_view b) { return covers(a, b) || covers(b, a); }

bool has_any(const Roles& roles, const Roles& wanted) { return (roles.bits & wanted.bits) != 0; }

bool sits_in(const Member& member, std::string_view queue) {
  return std::find(member.seats.begin(), member.seats.end(), queue) != member.seats.end();
}

bool share_a_seat(const Member& a, const Member& b) {
  return std::any_of(a.seats.begin(), a.seats.end(), [&](const std::string& seat) { return sits_in(b, seat); });
}

bool is_instance(QueueKind kind) {
  return kind == QueueKind::ged || kind == QueueKind::clir || kind == QueueKind::cpraf;
}

/// Whether one of the viewer's seats is in an instance whose territory covers `inner`.
bool instance_covers(const Directory& directory, const Member& viewer, std::string_view inner) {
  return std::any_of(viewer.seats.begin(), viewer.seats.end(), [&](const std::string& seat) {
    const Queue* queue = directory.queue(seat);
    return queue != nullptr && is_instance(queue->kind) && covers(queue->territory, inner);
  });
}

bool sits_in_an_instance(const Member& member) {
  return std::any_of(member.seats.begin(), member.seats.end(), [](const std::string& seat) {
    const auto kind = queue_kind_of(seat);
    return kind && is_instance(*kind);
  });
}

Relations relations_to_member(const Directory& directory, const Member& viewer, const Member& other) {
  Relations out;
  if (has_any(viewer.roles, senders())) {
    if (!viewer.organisation.empty() && viewer.organisation == other.organisation) out.add(Relation::colleague);
    if (other.roles.has(Role::secretariat) && related(viewer.territory, other.territory))
      out.add(Relation::correspondent);
  }
  if (has_any(viewer.roles, instance_roles())) {
    if (share_a_seat(viewer, other)) out.add(Relation::colleague);
    if (has_any(other.roles, senders()) && instance_covers(directory, viewer, other.territory))
      out.add(Relation::correspondent);
    // Who passes a case on to another instance, or answers what was passed on, signs for it there.
    if (other.roles.has(Role::secretariat) && sits_in_an_instance(other)) out.add(Relation::correspondent);
  }
  return out;
}

Relations relations_to_queue(const Directory& directory, const Member& viewer, const Queue& queue) {
  Relations out;
  if (queue.kind == QueueKind::audit) out.add(Relation::correspondent);  // everybody seals the note of an opening
  bool sender = has_any(viewer.roles, senders());
  bool member = has_any(viewer.roles, instance_roles());
  if ((sender || member) && sits_in(viewer, queue.id)) out.add(Relation::colleague);
  if (sender) {
    if (is_instance(queue.kind) && related(viewer.territory, queue.territory)) out.add(Relation::correspondent);
    if (queue.kind == QueueKind::org && !queue.organisation.empty() && queue.organisation == viewer.organisation)
      out.add(Relation::colleague);
    if (queue.kind == QueueKind::person && queue_subject(queue.id) == viewer.person) out.add(Relation::colleague);
  }
  if (member && is_instance(queue.kind)) out.add(Relation::correspondent);  // to seal to it what is passed on
  if (member && queue.kind == QueueKind::org && instance_covers(directory, viewer, queue.territory))
    out.add(Relation::correspondent);
  // A maire's own: of a nominative information, which the secretariat alone gives.
  if (viewer.roles.has(Role::secretariat) && queue.kind == QueueKind::person &&
      instance_covers(directory, viewer, queue.territory))
    out.add(Relation::correspondent);
  return out;
}

}  // namespace

const std::vector<Rule>& rules() {
  static const std::vector<Rule> all = make_rules();
  return all;
}

Conditions conditions_of(std::span<const std::string> handling, std::string_view organisation) {
  Conditions out;
  for (const std::string_view condition : handling) {
    if (condition == "eyes-only") out.add(Condition::eyes_only);
    if (condition == "ged-only") out.add(Condition::ged_only);
    if (condition.starts_with("no-copy-to:") && condition.substr(condition.find(':') + 1) == organisation)
      out.add(Condition::no_copy);
  }
  return out;
}

Conditions passing_conditions(std::span<const std::string> handling, bool agreed) {
  Conditions out;
  for (const std::string_view condition : handling) {
    if (condition == "ged-only") out.add(Condition::stays);
    if (condition == "ask-before-transfer" && !agreed) out.add(Condition::unagreed);
  }
  return out;
}

Conditions contract_conditions(const Contract& contract, const Member& sender, const Queue& queue, UnixMillis now) {
  Conditions out;
  switch (state_at(contract, now)) {
    case ContractState::to_come: out.add(Condition::contract_to_come); break;
    case ContractState::over: out.add(Condition::contract_over); break;
    case ContractState::in_force: break;
  }
  if (!is_within(contract, sender.territory, queue.territory)) out.add(Condition::outside_territory);
  return out;
}

Conditions tool_conditions(const Directory& directory, const Member& member, Act act, std::optional<Kind> kind,
                           std::string_view queue) {
  Conditions out;
  if (!member.roles.has(Role::outil)) return out;
  const Tool* tool = directory.tool(member.id);
  if (tool == nullptr) {
    out.add(Condition::outside_registry);
    return out;
  }
  const auto listed = [](const auto& list, const auto& value) {
    return std::find(list.begin(), list.end(), value) != list.end();
  };
  const bool reads = act == Act::deliver || act == Act::open;
  const bool posts = !kind || act != Act::submit || listed(tool->kinds, *kind);
  if (!posts || !listed(reads ? tool->reads : tool->posts, queue)) out.add(Condition::outside_registry);
  if (directory.contract() != nullptr && !has_volet(*directory.contract(), tool->volet))
    out.add(Condition::outside_volets);
  return out;
}

std::string handling_text(std::span<const std::string> handling) {
  std::string out;
  for (const std::string& condition : handling) out += (out.empty() ? "" : ",") + condition;
  return out.empty() ? "-" : out;
}

std::vector<std::string> handling_of_text(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty() && text != "-") {
    const std::size_t comma = std::min(text.find(','), text.size());
    out.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return out;
}

Decision decide(const Question& question) {
  static const std::array<CompiledAct, act_count> compiled = compile(rules());
  auto position = static_cast<std::size_t>(question.act);
  if (position >= compiled.size()) return {false, "defaut"};
  const CompiledAct& act = compiled[position];
  for (const CompiledRule& rule : act.forbids)
    if (applies(rule, question)) return {false, rule.id};
  for (const CompiledRule& rule : act.permits)
    if (applies(rule, question)) return {true, rule.id};
  return {false, "defaut"};
}

bool covers(std::string_view departement_or_commune, std::string_view inner) {
  if (is_commune(departement_or_commune)) return departement_or_commune == inner;
  if (!is_departement(departement_or_commune)) return false;
  if (departement_or_commune == inner) return true;
  return is_commune(inner) && inner.substr(0, departement_or_commune.size()) == departement_or_commune;
}

Relations relations_to_entry(const Directory& directory, const Member& viewer, const Entry& entry) {
  Relations out;
  switch (entry.type) {
    case EntryType::contrat: out.add(Relation::correspondent); break;
    case EntryType::member:
      if (entry.id == viewer.id) out.add(Relation::self);
      if (const Member* other = directory.member(entry.id))
        out.bits = static_cast<std::uint16_t>(out.bits | relations_to_member(directory, viewer, *other).bits);
      break;
    case EntryType::queue:
      if (const Queue* queue = directory.queue(entry.id)) out = relations_to_queue(directory, viewer, *queue);
      break;
    case EntryType::outil:
      // Beside the member it is of: who may know the one may know what the other lets it do.
      if (entry.id == viewer.id) out.add(Relation::self);
      if (const Member* tool = directory.member(entry.id))
        out.bits = static_cast<std::uint16_t>(out.bits | relations_to_member(directory, viewer, *tool).bits);
      break;
    case EntryType::charte:
      // Who gives under it, and whose commune it is of.
      if (const Charter* charter = directory.charter(entry.id)) {
        const bool given =
            has_any(viewer.roles, instance_roles()) && instance_covers(directory, viewer, charter->territory);
        const bool received = has_any(viewer.roles, senders()) && related(viewer.territory, charter->territory);
        if (given || received) out.add(Relation::correspondent);
      }
      break;
    case EntryType::policy: break;  // no rule yet, so shown to auditors alone
  }
  return out;
}

bool may_see_entry(const Directory& directory, const Member& viewer, const Entry& entry) {
  return decide({Act::see_entry,
                 viewer.roles,
                 relations_to_entry(directory, viewer, entry),
                 std::nullopt,
                 std::nullopt,
                 {}})
      .allowed;
}

}  // namespace pli::protocol
