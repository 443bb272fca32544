#include "protocol/policy.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace pli::protocol {
namespace {

// What the design permits, written by hand and not from the rules: act, role, kinds, queues, relations that must all
// hold. Everything that is not here must be denied.
struct Permitted {
  Act act;
  std::vector<Role> roles;
  std::vector<Kind> kinds;        ///< empty: whatever the kind, or none
  std::vector<QueueKind> queues;  ///< empty: whatever the queue, or none
  std::vector<Relation> relations;
  std::string rule;
};

using K = Kind;
using Q = QueueKind;
using R = Role;
using Rel = Relation;

const std::vector<R> all_roles = {R::referent,    R::maire,        R::secretariat, R::membre_ged,
                                  R::membre_clir, R::membre_cpraf, R::parquet,     R::service,
                                  R::auditeur,    R::operateur,    R::outil};
const std::vector<Q> all_queues = {Q::ged, Q::clir, Q::cpraf, Q::org, Q::person, Q::audit};
const std::vector<Act> all_acts = {Act::submit,       Act::deliver,   Act::open,
                                   Act::follow_case,  Act::see_entry, Act::publish_directory,
                                   Act::read_records, Act::connect,   Act::read_health};
const std::vector<Rel> all_relations = {Rel::seated,    Rel::addressee_org, Rel::case_party,     Rel::case_instance,
                                        Rel::author,    Rel::recused,       Rel::same_territory, Rel::self,
                                        Rel::colleague, Rel::correspondent, Rel::linked};

std::vector<Permitted> permitted() {
  std::vector<Permitted> out = {
      // A commune reports a person to the GED, a structure to the CLIR, of its own département.
      {Act::submit,
       {R::referent, R::maire},
       {K::signalement_individuel},
       {Q::ged},
       {Rel::same_territory},
       "depot.signalement"},
      {Act::submit,
       {R::referent, R::maire},
       {K::signalement_de_structure},
       {Q::clir},
       {Rel::same_territory},
       "depot.signalement"},
      // And proposes to the CPRAF that somebody be accompanied.
      {Act::submit,
       {R::referent, R::maire},
       {K::proposition_accompagnement},
       {Q::cpraf},
       {Rel::same_territory},
       "depot.signalement"},
      // A tool of another volet informs either.
      {Act::submit,
       {R::outil},
       {K::information_de_volet},
       {Q::ged, Q::clir},
       {Rel::same_territory},
       "depot.information"},
      // Whoever opened a case adds to it, puts it right, takes it back.
      {Act::submit,
       {R::referent, R::maire, R::outil},
       {K::complement},
       {Q::ged, Q::clir, Q::cpraf},
       {Rel::case_party},
       "depot.complement"},
      {Act::submit,
       {R::referent, R::maire, R::outil},
       {K::rectification},
       {Q::ged, Q::clir, Q::cpraf},
       {Rel::case_party},
       "depot.rectification"},
      {Act::submit,
       {R::referent, R::maire, R::outil},
       {K::retrait},
       {Q::ged, Q::clir, Q::cpraf},
       {Rel::case_party},
       "depot.retrait"},
      // The secretariat of the instance that holds the case leads it there, decides, and answers.
      {Act::submit,
       {R::secretariat},
       {K::recevabilite, K::inscription, K::mise_en_evaluation, K::report_du_retour, K::cloture},
       {Q::ged, Q::clir, Q::cpraf},
       {Rel::case_instance},
       "depot.instruction"},
      {Act::submit,
       {R::secretariat},
       {K::decision},
       {Q::ged, Q::clir, Q::cpraf},
       {Rel::case_instance},
       "depot.decision"},
      {Act::submit, {R::secretariat}, {K::retour}, {Q::org}, {Rel::case_instance}, "depot.retour"},
      {Act::submit, {R::secretariat}, {K::demande_de_complement}, {Q::org}, {Rel::case_instance}, "depot.demande"},
      // An information nominative is written in the instance, agreed to there, and given to the maire in person.
      {Act::submit,
       {R::secretariat},
       {K::information_nominative},
       {Q::ged, Q::clir},
       {Rel::case_instance},
       "depot.nominative"},
      {Act::submit, {R::service, R::parquet}, {K::agrement}, {Q::ged, Q::clir}, {Rel::case_instance}, "depot.agrement"},
      {Act::submit, {R::secretariat}, {K::acces}, {Q::person}, {Rel::case_instance}, "depot.remise"},
      // Whoever asked to be asked agrees, or not, to its report's being passed on.
      {Act::submit,
       {R::referent, R::maire},
       {K::agrement},
       {Q::ged, Q::clir, Q::cpraf},
       {Rel::case_party},
       "depot.accord"},
      // Of no case: how things stand, to a collectivité of the territory.
      {Act::submit, {R::secretariat}, {K::point_de_situation}, {Q::org}, {Rel::same_territory}, "depot.point"},
      // The same gives another instance a case of its own; that one answers, and asks, the instance that gave it.
      {Act::submit, {R::secretariat}, {K::transmission}, {Q::ged, Q::clir}, {Rel::case_instance}, "depot.transmission"},
      {Act::submit, {R::secretariat}, {K::orientation_cpraf}, {Q::cpraf}, {Rel::case_instance}, "depot.orientation"},
      {Act::submit,
       {R::secretariat},
       {K::retour},
       {Q::ged, Q::clir, Q::cpraf},
       {Rel::case_instance, Rel::linked},
       "depot.retour"},
      {Act::submit,
       {R::secretariat},
       {K::demande_de_complement},
       {Q::ged, Q::clir, Q::cpraf},
       {Rel::case_instance, Rel::linked},
       "depot.demande"},
      // Whoever sits in it may take no further part.
      {Act::submit,
       {R::secretariat, R::membre_ged, R::membre_clir, R::membre_cpraf, R::parquet, R::service},
       {K::recusation},
       {Q::ged, Q::clir, Q::cpraf},
       {Rel::case_instance},
       "depot.recusation"},
      // Members present give access to members who came later.
      {Act::submit, {R::membre_ged, R::secretariat}, {K::acces}, {Q::ged}, {Rel::seated}, "depot.acces"},
      {Act::submit, {R::membre_clir, R::secretariat}, {K::acces}, {Q::clir}, {Rel::seated}, "depot.acces"},
      {Act::submit, {R::membre_cpraf, R::secretariat}, {K::acces}, {Q::cpraf}, {Rel::seated}, "depot.acces"},
      // How long a case is kept, by two persons of those who answer for it.
      {Act::submit,
       {R::secretariat, R::parquet},
       {K::maintien, K::demande_effacement},
       {Q::ged, Q::clir, Q::cpraf},
       {Rel::case_instance},
       "depot.terme"},
      // Whoever reads may report to the auditors what he had to refuse; nobody reads it but in the journal.
      {Act::submit,
       {R::referent, R::maire, R::outil, R::secretariat, R::membre_ged, R::membre_clir, R::membre_cpraf, R::parquet,
        R::service},
       {K::anomalie},
       {Q::audit},
       {},
       "depot.anomalie"},
      // Following, the directory, the rest.
      {Act::follow_case, {R::referent, R::maire, R::outil}, {}, {}, {Rel::case_party}, "suivi.partie"},
      {Act::follow_case,
       {R::secretariat, R::membre_ged, R::membre_clir, R::membre_cpraf, R::parquet, R::service},
       {},
       {},
       {Rel::case_instance},
       "suivi.instance"},
      {Act::see_entry, all_roles, {}, {}, {Rel::self}, "annuaire.soi"},
      {Act::see_entry, all_roles, {}, {}, {Rel::colleague}, "annuaire.collegue"},
      {Act::see_entry, all_roles, {}, {}, {Rel::correspondent}, "annuaire.correspondant"},
      {Act::see_entry, {R::auditeur}, {}, {}, {}, "annuaire.auditeur"},
      {Act::publish_directory,
       {R::referent, R::maire, R::secretariat, R::membre_ged, R::membre_clir, R::membre_cpraf, R::parquet, R::service,
        R::operateur, R::outil},
       {},
       {},
       {},
       "annuaire.publication"},
      {Act::read_records, {R::auditeur}, {}, {}, {}, "journal.lecture"},
      {Act::connect, all_roles, {}, {}, {}, "connexion"},
      {Act::read_health, {R::operateur, R::auditeur, R::secretariat}, {}, {}, {}, "etat.lecture"},
  };
  const std::vector<K> life = {K::complement,
                               K::retrait,
                               K::rectification,
                               K::recevabilite,
                               K::inscription,
                               K::mise_en_evaluation,
                               K::decision,
                               K::report_du_retour,
                               K::cloture,
                               K::recusation,
                               K::acces,
                               K::maintien,
                               K::demande_effacement,
                               K::agrement};
  const auto with = [](std::vector<K> kinds, std::vector<K> more) {
    kinds.insert(kinds.end(), more.begin(), more.end());
    return kinds;
  };
  struct Reading {
    Act act;
    std::string name;
  };
  for (const Reading& reading : {Reading{Act::deliver, "remise"}, Reading{Act::open, "ouverture"}}) {
    // Of a case that was passed on to it, an instance reads what was reported, whatever the kind, and is answered.
    for (const auto& [member, queue] :
         {std::pair{R::membre_ged, Q::ged}, {R::membre_clir, Q::clir}, {R::membre_cpraf, Q::cpraf}})
      out.push_back({reading.act,
                     {member, R::secretariat, R::parquet, R::service},
                     {K::signalement_individuel, K::signalement_de_structure, K::information_de_volet,
                      K::proposition_accompagnement, K::complement, K::rectification, K::transmission,
                      K::orientation_cpraf, K::retour, K::demande_de_complement},
                     {queue},
                     {Rel::seated, Rel::linked},
                     reading.name + ".transmis"});
    out.push_back({reading.act,
                   {R::membre_ged, R::secretariat, R::parquet, R::service},
                   with(life, {K::signalement_individuel, K::information_de_volet, K::information_nominative}),
                   {Q::ged},
                   {Rel::seated},
                   reading.name + ".ged"});
    out.push_back({reading.act,
                   {R::membre_clir, R::secretariat, R::parquet, R::service},
                   with(life, {K::signalement_de_structure, K::information_de_volet, K::information_nominative}),
                   {Q::clir},
                   {Rel::seated},
                   reading.name + ".clir"});
    out.push_back({reading.act,
                   {R::membre_cpraf, R::secretariat, R::parquet, R::service},
                   with(life, {K::proposition_accompagnement}),
                   {Q::cpraf},
                   {Rel::seated},
                   reading.name + ".cpraf"});
    out.push_back({reading.act,
                   {R::referent, R::maire, R::outil},
                   {K::retour, K::demande_de_complement, K::point_de_situation},
                   {Q::org, Q::person},
                   {Rel::seated, Rel::addressee_org},
                   reading.name + ".destinataire"});
    out.push_back({reading.act,
                   {R::maire},
                   {K::information_nominative, K::acces},
                   {Q::person},
                   {Rel::seated, Rel::addressee_org},
                   reading.name + ".nominative"});
  }
  return out;
}

bool is_instance(std::optional<Q> queue) { return queue == Q::ged || queue == Q::clir || queue == Q::cpraf; }

/// Nobody agrees who recused himself, nor an author where he sits.
bool may_not_agree(Relations standing) {
  return standing.has(Rel::recused) || (standing.has(Rel::author) && standing.has(Rel::case_instance));
}

/// What the author and whoever recused may not do, whatever else holds.
bool kept_out(Act act, std::optional<K> kind, std::optional<Q> queue) {
  if (act == Act::deliver || act == Act::open) return is_instance(queue);
  const std::set<K> evaluation = {K::demande_de_complement,
                                  K::retour,
                                  K::information_nominative,
                                  K::transmission,
                                  K::orientation_cpraf,
                                  K::recevabilite,
                                  K::inscription,
                                  K::mise_en_evaluation,
                                  K::decision,
                                  K::report_du_retour,
                                  K::cloture,
                                  K::recusation,
                                  K::acces,
                                  K::maintien,
                                  K::demande_effacement};
  return act == Act::submit && kind && evaluation.contains(*kind);
}

/// What begins something.
const std::set<K> beginning = {K::signalement_individuel, K::signalement_de_structure, K::proposition_accompagnement,
                               K::point_de_situation, K::information_de_volet};

/// What a condition forbids of a role, whatever else holds.
bool held_back(Condition condition, Act act, R role, std::optional<K> kind, std::optional<Q> queue) {
  const bool reads = act == Act::deliver || act == Act::open;
  const bool passes_on =
      act == Act::submit && (kind == K::acces || kind == K::transmission || kind == K::orientation_cpraf);
  switch (condition) {
    case Condition::no_copy: return reads || passes_on;
    case Condition::withheld: return reads && (queue == Q::org || queue == Q::person);
    case Condition::ged_only: return (reads || act == Act::submit) && queue && queue != Q::ged;
    case Condition::stays:
    case Condition::unagreed:
    case Condition::eyes_only: return passes_on;
    case Condition::contract_to_come:
    case Condition::contract_over:
    case Condition::outside_territory: return act == Act::submit && kind && beginning.count(*kind) == 1;
    case Condition::outside_volets:
    case Condition::outside_registry:
      if (role != R::outil) return false;
      return reads || act == Act::follow_case || (act == Act::submit && kind && kind != K::anomalie);
  }
  return false;
}

Relations set_of(const std::vector<Rel>& list) {
  Relations out;
  for (Rel relation : list) out.add(relation);
  return out;
}

Roles set_of(const std::vector<R>& list) {
  Roles out;
  for (R role : list) out.add(role);
  return out;
}

template <class T>
bool listed(const std::vector<T>& list, std::optional<T> value) {
  return list.empty() || (value && std::find(list.begin(), list.end(), *value) != list.end());
}

std::vector<std::optional<K>> kinds_and_none() {
  std::vector<std::optional<K>> out{std::nullopt};
  for (const KindRow& row : kind_table()) out.emplace_back(row.kind);
  return out;
}

std::vector<std::optional<Q>> queues_and_none() {
  std::vector<std::optional<Q>> out{std::nullopt};
  for (Q queue : all_queues) out.emplace_back(queue);
  return out;
}

/// Relations that permit, for one role, act, kind and queue.
std::vector<Relations> permitting(const std::vector<Permitted>& table, Act act, R role, std::optional<K> kind,
                                  std::optional<Q> queue) {
  std::vector<Relations> out;
  for (const Permitted& row : table)
    if (row.act == act && std::find(row.roles.begin(), row.roles.end(), role) != row.roles.end() &&
        listed(row.kinds, kind) && listed(row.queues, queue))
      out.push_back(set_of(row.relations));
  return out;
}

bool includes(Relations set, Relations part) { return (set.bits & part.bits) == part.bits; }

constexpr std::uint16_t relation_sets = 1U << relation_count;

std::string describe(const Question& question) {
  std::string out = "act " + std::to_string(static_cast<int>(question.act)) + " roles";
  for (R role : all_roles)
    if (question.roles.has(role)) out += " " + std::string(text_of(role));
  out += question.kind ? " kind " + std::string(row_of(*question.kind)->name) : " no kind";
  out += question.queue ? " queue " + std::string(text_of(*question.queue)) : " no queue";
  return out + " relations " + std::to_string(question.relations.bits);
}

TEST(Policy, P6PermitsExactlyWhatIsListedForEveryRoleActKindQueueAndSetOfRelations) {
  const auto table = permitted();
  std::size_t asked = 0;
  std::size_t allowed = 0;
  for (Act act : all_acts)
    for (R role : all_roles)
      for (auto kind : kinds_and_none())
        for (auto queue : queues_and_none()) {
          const auto permits = permitting(table, act, role, kind, queue);
          const bool keeps_out = kept_out(act, kind, queue);
          for (std::uint16_t bits = 0; bits < relation_sets; ++bits) {
            const Question question{act, set_of(std::vector<R>{role}), {bits}, kind, queue};
            bool expected = std::any_of(permits.begin(), permits.end(),
                                        [&](Relations needs) { return includes(question.relations, needs); });
            // What somebody recused himself by, he goes on seeing.
            const bool shown_still = act != Act::submit && (!kind || kind == K::recusation);
            if (keeps_out &&
                (question.relations.has(Rel::author) || (question.relations.has(Rel::recused) && !shown_still)))
              expected = false;
            if (act == Act::submit && kind == K::agrement && may_not_agree(question.relations)) expected = false;
            ++asked;
            if (decide(question).allowed != expected) {
              FAIL() << describe(question) << ": expected " << (expected ? "allowed" : "denied") << ", rule "
                     << decide(question).rule;
            }
            allowed += expected ? 1 : 0;
          }
        }
  EXPECT_EQ(asked,
            all_acts.size() * all_roles.size() * (kind_table().size() + 1) * (all_queues.size() + 1) * relation_sets);
  EXPECT_GT(allowed, 0U);
}

TEST(Policy, NamesTheListedRuleForEachPermittedTuple) {
  for (const Permitted& row : permitted())
    for (R role : row.roles) {
      const auto kinds = row.kinds.empty() ? std::vector<std::optional<K>>{std::nullopt}
                                           : std::vector<std::optional<K>>(row.kinds.begin(), row.kinds.end());
      const auto queues = row.queues.empty() ? std::vector<std::optional<Q>>{std::nullopt}
                                             : std::vector<std::optional<Q>>(row.queues.begin(), row.queues.end());
      for (auto kind : kinds)
        for (auto queue : queues) {
          const Decision decision = decide({row.act, set_of(std::vector<R>{role}), set_of(row.relations), kind, queue});
          EXPECT_TRUE(decision.allowed) << row.rule;
          // An auditor sees every entry already as such.
          if (row.act != Act::see_entry || role != R::auditeur) {
            EXPECT_EQ(decision.rule, row.rule);
          }
        }
    }
}

const std::vector<Condition> all_conditions = {Condition::no_copy,        Condition::eyes_only,
                                               Condition::ged_only,       Condition::contract_to_come,
                                               Condition::contract_over,  Condition::outside_territory,
                                               Condition::outside_volets, Condition::outside_registry,
                                               Condition::withheld,       Condition::stays,
                                               Condition::unagreed};

TEST(Policy, P6EachConditionForbidsWhatIsListedAndNothingElse) {
  ASSERT_EQ(all_conditions.size(), condition_count);
  constexpr unsigned sets = 1U << condition_count;
  std::size_t forbidden = 0;
  for (const Relations relations :
       {set_of(all_relations), set_of(std::vector<Rel>{Rel::seated, Rel::case_instance, Rel::case_party,
                                                       Rel::addressee_org, Rel::same_territory})})
    for (Act act : all_acts)
      for (R role : all_roles)
        for (auto kind : kinds_and_none())
          for (auto queue : queues_and_none()) {
            const Roles roles = set_of(std::vector<R>{role});
            const bool without = decide({act, roles, relations, kind, queue}).allowed;
            if (!without) continue;
            unsigned holding = 0;
            for (Condition condition : all_conditions)
              if (held_back(condition, act, role, kind, queue)) holding |= 1U << static_cast<unsigned>(condition);
            for (unsigned set = 0; set < sets; ++set) {
              const auto bits = static_cast<std::uint16_t>(set);
              const bool held = (set & holding) != 0;
              const Question question{act, roles, relations, kind, queue, {bits}};
              if (decide(question).allowed == held) FAIL() << describe(question) << " conditions " << +bits;
              forbidden += without && held ? 1 : 0;
            }
          }
  EXPECT_GT(forbidden, 0U);
}

TEST(Policy, ReadsTheSendersConditionsAsFarAsTheyBearOnTheSubject) {
  const std::vector<std::string> handling = {"ask-before-transfer", "no-copy-to:mairie", "eyes-only"};
  Conditions expected;
  expected.add(Condition::eyes_only);
  EXPECT_EQ(conditions_of(handling, "mairi"), expected);
  EXPECT_EQ(conditions_of(handling, ""), expected);
  expected.add(Condition::no_copy);
  EXPECT_EQ(conditions_of(handling, "mairie"), expected);
  Conditions ged;
  ged.add(Condition::ged_only);
  EXPECT_EQ(conditions_of(std::vector<std::string>{"ged-only"}, "mairie"), ged);
  EXPECT_EQ(conditions_of({}, "mairie"), Conditions{});
}

TEST(Policy, ReadsWhatTheSenderAsksOfWhoeverPassesItOn) {
  const std::vector<std::string> handling = {"ask-before-transfer", "no-copy-to:mairie", "eyes-only", "ged-only"};
  Conditions expected;
  expected.add(Condition::stays);
  EXPECT_EQ(passing_conditions(handling, true), expected);
  expected.add(Condition::unagreed);
  EXPECT_EQ(passing_conditions(handling, false), expected);
  EXPECT_EQ(passing_conditions({}, false), Conditions{});
}

// ---- the contract and the registry -------------------------------------------------------------------------------

Contract some_contract() {
  return {"csi-89", "Contrat de l'Yonne", {"Préfecture de l'Yonne", "Ville d'Auxerre"}, "89", {1000}, {2000}, {}};
}

TEST(ContractConditions, TheFirstAndTheLastMomentAreOfTheContractThoseBesideAreNot) {
  Member sender;
  sender.territory = "89024";
  const Queue ged{"ged/89", Q::ged, "89", "", {}};
  const auto at = [&](std::int64_t now) { return contract_conditions(some_contract(), sender, ged, {now}); };
  EXPECT_TRUE(at(999).has(Condition::contract_to_come));
  EXPECT_EQ(at(1000), Conditions{});
  EXPECT_EQ(at(1999), Conditions{});
  EXPECT_TRUE(at(2000).has(Condition::contract_over));
}

TEST(ContractConditions, ACommuneOfTheContractIsInsideTheNextOneIsNotAndItsDepartementIs) {
  const auto from = [](const char* territory, const char* queue, std::vector<std::string> communes) {
    Member sender;
    sender.territory = territory;
    Contract contract = some_contract();
    contract.communes = std::move(communes);
    return contract_conditions(contract, sender, {"ged/89", Q::ged, queue, "", {}}, {1500}) == Conditions{};
  };
  EXPECT_TRUE(from("89024", "89", {}));
  EXPECT_TRUE(from("89387", "89", {}));
  EXPECT_TRUE(from("89024", "89", {"89024", "89025"}));
  EXPECT_FALSE(from("89387", "89", {"89024", "89025"}));
  EXPECT_TRUE(from("89", "89", {"89024"})) << "who answers for all of it answers for this commune too";
  EXPECT_FALSE(from("89024", "21", {}));
  EXPECT_FALSE(from("21231", "21", {"89024"}));
}

TEST(Policy, NamesTheContractAsTheReasonAndLetsAnOpenCaseGoOn) {
  const auto asked = [](Condition condition, R role, K kind, Q queue) {
    Conditions conditions;
    conditions.add(condition);
    return decide({Act::submit, set_of(std::vector<R>{role}),
                   set_of(std::vector<Rel>{Rel::same_territory, Rel::seated,
                                           role == R::secretariat ? Rel::case_instance : Rel::case_party}),
                   kind, queue, conditions});
  };
  const auto over = Condition::contract_over;
  EXPECT_EQ(asked(over, R::referent, K::signalement_individuel, Q::ged).rule, "interdit.apres.contrat");
  EXPECT_EQ(asked(over, R::outil, K::information_de_volet, Q::clir).rule, "interdit.apres.contrat");
  EXPECT_EQ(asked(Condition::contract_to_come, R::maire, K::signalement_de_structure, Q::clir).rule,
            "interdit.avant.contrat");
  EXPECT_EQ(asked(Condition::outside_territory, R::maire, K::signalement_individuel, Q::ged).rule,
            "interdit.hors.territoire");
  EXPECT_TRUE(asked(over, R::referent, K::complement, Q::ged));
  EXPECT_TRUE(asked(over, R::secretariat, K::decision, Q::ged));
  EXPECT_EQ(asked(over, R::referent, K::proposition_accompagnement, Q::cpraf).rule, "interdit.apres.contrat");
  EXPECT_EQ(asked(over, R::secretariat, K::point_de_situation, Q::org).rule, "interdit.apres.contrat");
  EXPECT_TRUE(asked(over, R::secretariat, K::retour, Q::org));
  EXPECT_TRUE(asked(over, R::secretariat, K::cloture, Q::ged));
  EXPECT_TRUE(asked(over, R::referent, K::anomalie, Q::audit));
}

TEST(Policy, OnlyAForbidAsksForACondition) {
  for (const Rule& rule : rules()) EXPECT_TRUE(rule.forbid || rule.conditions == Conditions{}) << rule.id;
}

/// Nothing, each relation, and each pair: no rule needs more than two.
std::vector<Relations> small_sets() {
  std::vector<Relations> out{Relations{}};
  for (std::size_t i = 0; i < all_relations.size(); ++i)
    for (std::size_t j = i; j < all_relations.size(); ++j)
      out.push_back(set_of(std::vector<Rel>{all_relations[i], all_relations[j]}));
  return out;
}

TEST(Policy, NoRuleNeedsMoreThanTwoRelations) {
  for (const Rule& rule : rules()) {
    int needed = 0;
    for (Rel relation : all_relations) needed += rule.needs.has(relation) ? 1 : 0;
    EXPECT_LE(needed, 2) << rule.id;
  }
}

TEST(Policy, SeveralRolesAddUpExceptWhereOneForbids) {
  const auto sets = small_sets();
  auto spoils = [](R role) { return role == R::auditeur || role == R::operateur; };
  for (Act act : all_acts) {
    const bool reads_or_posts = act == Act::submit || act == Act::deliver || act == Act::open;
    const bool carries = act == Act::publish_directory;
    for (auto kind : kinds_and_none())
      for (auto queue : queues_and_none())
        for (Relations relations : sets) {
          std::vector<bool> alone;
          for (R role : all_roles)
            alone.push_back(decide({act, set_of(std::vector<R>{role}), relations, kind, queue}).allowed);
          for (std::size_t i = 0; i < all_roles.size(); ++i)
            for (std::size_t j = i + 1; j < all_roles.size(); ++j) {
              const Question both{act, set_of(std::vector<R>{all_roles[i], all_roles[j]}), relations, kind, queue};
              const bool audits = all_roles[i] == R::auditeur || all_roles[j] == R::auditeur;
              const bool spoilt =
                  (reads_or_posts && (spoils(all_roles[i]) || spoils(all_roles[j]))) || (carries && audits);
              if (decide(both).allowed != (!spoilt && (alone[i] || alone[j]))) FAIL() << describe(both);
            }
        }
  }
}

TEST(Policy, ARelationThatForbidsNeverPermits) {
  const auto sets = small_sets();
  for (Act act : all_acts)
    for (R role : all_roles)
      for (auto kind : kinds_and_none())
        for (auto queue : queues_and_none())
          for (Relations relations : sets) {
            Question question{act, set_of(std::vector<R>{role}), relations, kind, queue};
            if (question.relations.has(Rel::author) || question.relations.has(Rel::recused)) continue;
            if (decide(question).allowed) continue;
            for (Rel forbidding : {Rel::author, Rel::recused}) {
              Question more = question;
              more.relations.add(forbidding);
              if (decide(more).allowed) FAIL() << describe(more);
            }
          }
}

TEST(Policy, ForbidsNameThemselvesEvenWhereNothingWouldPermit) {
  EXPECT_EQ(decide({Act::open, set_of(std::vector<R>{R::membre_ged}),
                    set_of(std::vector<Rel>{Rel::seated, Rel::author}), K::signalement_individuel, Q::ged})
                .rule,
            "interdit.auteur");
  EXPECT_EQ(decide({Act::open, set_of(std::vector<R>{R::membre_ged}),
                    set_of(std::vector<Rel>{Rel::seated, Rel::recused}), K::signalement_individuel, Q::ged})
                .rule,
            "interdit.recuse");
  EXPECT_EQ(decide({Act::submit, set_of(std::vector<R>{R::secretariat}),
                    set_of(std::vector<Rel>{Rel::case_instance, Rel::author}), K::decision, Q::ged})
                .rule,
            "interdit.auteur");
  EXPECT_EQ(decide({Act::open, set_of(std::vector<R>{R::auditeur}), {}, K::signalement_individuel, Q::ged}).rule,
            "interdit.auditeur");
  EXPECT_EQ(decide({Act::submit, set_of(std::vector<R>{R::operateur}), {}, K::decision, Q::ged}).rule,
            "interdit.operateur");
  EXPECT_EQ(decide({Act::open, set_of(std::vector<R>{R::membre_clir}), set_of(std::vector<Rel>{Rel::seated}),
                    K::signalement_individuel, Q::ged})
                .rule,
            "defaut");
}

TEST(Policy, NobodyWithoutARoleMayDoAnything) {
  for (Act act : all_acts)
    for (auto kind : kinds_and_none())
      for (auto queue : queues_and_none())
        for (std::uint16_t bits = 0; bits < relation_sets; ++bits)
          if (decide({act, {}, {bits}, kind, queue}).allowed) FAIL() << "act " << static_cast<int>(act);
}

TEST(Policy, WithoutAnyRelationOnlyOfficesOfTheHouseCarryingAVersionAndReportsOfAnomaliesAreOpen) {
  const std::set<std::pair<Act, R>> offices = {{Act::read_records, R::auditeur},
                                               {Act::read_health, R::operateur},
                                               {Act::read_health, R::auditeur},
                                               {Act::read_health, R::secretariat},
                                               {Act::see_entry, R::auditeur}};
  for (Act act : all_acts)
    for (R role : all_roles)
      for (auto kind : kinds_and_none())
        for (auto queue : queues_and_none()) {
          const bool reports = act == Act::submit && kind == K::anomalie && queue == Q::audit && role != R::auditeur &&
                               role != R::operateur;
          const bool carries = act == Act::publish_directory && role != R::auditeur;
          const bool expected = act == Act::connect || carries || offices.count({act, role}) == 1 || reports;
          EXPECT_EQ(decide({act, set_of(std::vector<R>{role}), {}, kind, queue}).allowed, expected)
              << static_cast<int>(act) << " " << text_of(role);
        }
}

TEST(Policy, AuditorsAndOperatorsNeverSubmitReceiveOrOpenWhateverElseTheyAre) {
  const auto sets = small_sets();
  for (R spoiler : {R::auditeur, R::operateur})
    for (R other : all_roles)
      for (Act act : {Act::submit, Act::deliver, Act::open})
        for (auto kind : kinds_and_none())
          for (auto queue : queues_and_none())
            for (Relations relations : sets)
              if (decide({act, set_of(std::vector<R>{spoiler, other}), relations, kind, queue}).allowed)
                FAIL() << text_of(spoiler) << " and " << text_of(other);
}

TEST(Policy, AnElectedMemberWhoFollowsACaseOfTheirOwnCommuneIsAPartyFirst) {
  const Decision decision =
      decide({Act::follow_case, set_of(std::vector<R>{R::maire, R::membre_clir}),
              set_of(std::vector<Rel>{Rel::case_party, Rel::case_instance, Rel::author}), std::nullopt, std::nullopt});
  EXPECT_TRUE(decision.allowed);
  EXPECT_EQ(decision.rule, "suivi.partie");
}

TEST(Policy, P6AKindThatNoRuleNamesIsDenied) {
  const auto unheard_of = static_cast<K>(41);
  for (Act act : {Act::submit, Act::deliver, Act::open})
    for (R role : all_roles)
      for (Q queue : all_queues)
        for (std::uint16_t bits = 0; bits < relation_sets; ++bits)
          if (decide({act, set_of(std::vector<R>{role}), {bits}, unheard_of, queue}).allowed)
            FAIL() << text_of(role) << " to " << text_of(queue) << " relations " << bits;
}

TEST(Policy, EveryRuleIsAFrenchTokenForbidsSayInterdit) {
  ASSERT_FALSE(rules().empty());
  for (const Rule& rule : rules()) {
    EXPECT_FALSE(rule.id.empty());
    EXPECT_TRUE(std::all_of(rule.id.begin(), rule.id.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '.'; }))
        << rule.id;
    EXPECT_EQ(rule.forbid, rule.id.substr(0, 9) == "interdit.") << rule.id;
    EXPECT_FALSE(rule.roles.empty()) << rule.id;
  }
}

TEST(Policy, AnActThatDoesNotExistIsDenied) {
  const Decision decision = decide({static_cast<Act>(200), set_of(all_roles), {}, std::nullopt, std::nullopt});
  EXPECT_FALSE(decision.allowed);
  EXPECT_EQ(decision.rule, "defaut");
}

// ---- territories -------------------------------------------------------------------------------------------------

TEST(Covers, ADepartementCoversItselfAndItsCommunes) {
  EXPECT_TRUE(covers("89", "89"));
  EXPECT_TRUE(covers("89", "89024"));
  EXPECT_TRUE(covers("2a", "2a004"));
  EXPECT_TRUE(covers("01", "01001"));
  EXPECT_TRUE(covers("971", "97105"));
  EXPECT_TRUE(covers("89024", "89024"));
}

TEST(Covers, NothingElse) {
  EXPECT_FALSE(covers("89", "21054"));
  EXPECT_FALSE(covers("89024", "89"));
  EXPECT_FALSE(covers("89024", "89387"));
  EXPECT_FALSE(covers("97", "97105")) << "97 is no département";
  EXPECT_FALSE(covers("971", "97209"));
  EXPECT_FALSE(covers("2a", "2b033"));
  EXPECT_FALSE(covers("2A", "2A004")) << "territories are lower case";
  EXPECT_FALSE(covers("8", "89024"));
  EXPECT_FALSE(covers("89", "890"));
  EXPECT_FALSE(covers("89", "890240"));
  EXPECT_FALSE(covers("89", "89o24"));
  EXPECT_FALSE(covers("", ""));
  EXPECT_FALSE(covers("", "89"));
  EXPECT_FALSE(covers("89", ""));
  EXPECT_FALSE(covers("france", "france"));
}

// ---- who sees which entry ----------------------------------------------------------------------------------------

class Visibility : public ::testing::Test {
 protected:
  void SetUp() override {
    add("auditrice", {R::auditeur}, "cnil", "89", {"audit/89"});
    add("operateur", {R::operateur}, "prefecture-89", "89", {});
    add("secretaire", {R::secretariat}, "prefecture-89", "89", {"ged/89", "clir/89"});
    add("ged-1", {R::membre_ged}, "dgsi", "89", {"ged/89"});
    add("ged-2", {R::parquet}, "parquet-auxerre", "89", {"ged/89"});
    add("clir-1", {R::membre_clir}, "ddets-89", "89", {"clir/89"});
    add("cpraf-1", {R::membre_cpraf}, "ccas-89", "89", {"cpraf/89"});
    add("referent-auxerre", {R::referent}, "auxerre", "89024", {"org/auxerre"});
    add("maire-auxerre", {R::maire}, "auxerre", "89024", {"org/auxerre"});
    add("referent-sens", {R::referent}, "sens", "89387", {"org/sens"});
    add("outil-transport", {R::outil}, "transports-89", "89", {"org/transports-89"});
    add("secretaire-21", {R::secretariat}, "prefecture-21", "21", {"ged/21"});
    add("referent-dijon", {R::referent}, "dijon", "21231", {"org/dijon"});
    for (const char* queue : {"ged/89", "clir/89", "cpraf/89", "ged/21"})
      add_queue(queue, std::string(queue).substr(std::string(queue).size() - 2), "");
    add_queue("audit/89", "89", "");
    add_queue("org/auxerre", "89024", "auxerre");
    add_queue("org/sens", "89387", "sens");
    add_queue("org/transports-89", "89", "transports-89");
    add_queue("org/dijon", "21231", "dijon");

    Contract contract{"csi-89", "Contrat de l'Yonne", {"Préfecture de l'Yonne"}, "89", {1000}, {2000}, {}};
    std::vector<Entry> entries{write_contract(contract, salt())};
    for (const auto& [id, queue] : queues_) entries.push_back(write_queue(queue, salt()));
    for (const auto& [id, member] : members_) entries.push_back(write_member(member, salt()));
    auto built = Directory::build(std::move(entries));
    ASSERT_TRUE(built) << built.error().detail;
    directory_ = *built;
  }

  std::set<std::string> seen_by(const std::string& viewer) {
    const Member* member = directory_->member(viewer);
    EXPECT_NE(member, nullptr);
    std::set<std::string> out;
    for (const Entry& entry : directory_->entries())
      if (may_see_entry(*directory_, *member, entry)) out.insert(entry.id);
    return out;
  }

  std::shared_ptr<const Directory> directory_;

 private:
  ByteArray<16> salt() {
    ByteArray<16> out{};
    out[0] = next_++;
    return out;
  }
  void add(const std::string& id, const std::vector<R>& roles, const std::string& organisation,
           const std::string& territory, const std::vector<std::string>& seats) {
    Member member;
    member.id = id;
    member.person = "p." + id;
    member.organisation = organisation;
    member.roles = set_of(roles);
    member.territory = territory;
    member.seats = seats;
    member.label = "Titulaire " + id;
    member.not_before = {1000};
    member.not_after = {2000};
    member.keys.curve.bytes[0] = next_++;
    member.keys.sign.bytes[0] = next_++;
    member.keys.age.bytes[0] = next_++;
    members_.emplace(id, member);
  }
  void add_queue(const std::string& id, const std::string& territory, const std::string& organisation) {
    Queue queue{id, *queue_kind_of(id), territory, organisation, {}};
    for (const auto& [name, member] : members_)
      if (std::find(member.seats.begin(), member.seats.end(), id) != member.seats.end())
        queue.keys.push_back(member.keys.age);
    std::sort(queue.keys.begin(), queue.keys.end());
    queues_.emplace(id, queue);
  }

  std::map<std::string, Member> members_;
  std::map<std::string, Queue> queues_;
  std::uint8_t next_ = 2;  // 0 and 1 are no keys (crypto/identity.hpp)
};

using Ids = std::set<std::string>;

TEST_F(Visibility, AReferentSeesThoseHeWritesToAndHearsFromAndHisOwnHouse) {
  EXPECT_EQ(seen_by("referent-auxerre"), (Ids{"csi-89", "audit/89", "ged/89", "clir/89", "cpraf/89", "org/auxerre",
                                              "referent-auxerre", "maire-auxerre", "secretaire"}));
  EXPECT_EQ(seen_by("referent-dijon"),
            (Ids{"csi-89", "audit/89", "ged/21", "org/dijon", "referent-dijon", "secretaire-21"}));
}

TEST_F(Visibility, AToolsRegistrationIsSeenWithItsMember) {
  Entry registration = write_tool({"outil-transport", Volet::transport, {}, {}, {"org/transports-89"}}, {});
  std::vector<Entry> entries = directory_->entries();
  entries.push_back(registration);
  const auto built = Directory::build(entries);
  ASSERT_TRUE(built) << built.error().detail;
  for (const Member* viewer : (*built)->members()) {
    const auto member = (*built)->entries()[*(*built)->position_of(EntryType::member, "outil-transport")];
    EXPECT_EQ(may_see_entry(**built, *viewer, registration), may_see_entry(**built, *viewer, member)) << viewer->id;
  }
}

TEST_F(Visibility, ARegistrationNamesWhatAToolPostsWhereAndWhatItReads) {
  std::vector<Entry> entries = directory_->entries();
  entries.push_back(write_tool(
      {"outil-transport", Volet::transport, {K::information_de_volet}, {"ged/89"}, {"org/transports-89"}}, {}));
  const auto built = Directory::build(entries);
  ASSERT_TRUE(built) << built.error().detail;
  const auto beyond = [&](const Directory& directory, Act act, std::optional<K> kind, const char* queue) {
    return tool_conditions(directory, *directory.member("outil-transport"), act, kind, queue)
        .has(Condition::outside_registry);
  };
  EXPECT_FALSE(beyond(**built, Act::submit, K::information_de_volet, "ged/89"));
  EXPECT_TRUE(beyond(**built, Act::submit, K::information_de_volet, "clir/89"));
  EXPECT_TRUE(beyond(**built, Act::submit, K::complement, "ged/89"));
  for (Act act : {Act::deliver, Act::open}) {
    EXPECT_FALSE(beyond(**built, act, K::retour, "org/transports-89"));
    EXPECT_TRUE(beyond(**built, act, K::retour, "org/auxerre"));
  }
  EXPECT_FALSE(beyond(**built, Act::follow_case, std::nullopt, "ged/89"));
  EXPECT_TRUE(beyond(**built, Act::follow_case, std::nullopt, "clir/89"));
  EXPECT_TRUE(beyond(*directory_, Act::submit, K::information_de_volet, "ged/89")) << "no registration, no right";
  EXPECT_EQ(tool_conditions(**built, *(*built)->member("maire-auxerre"), Act::submit, K::decision, "ged/21"),
            Conditions{})
      << "of no tool it says nothing";
}

TEST_F(Visibility, AToolWhoseVoletTheContractLeavesOutIsOutsideIt) {
  for (const bool named : {true, false}) {
    std::vector<Entry> entries = directory_->entries();
    Contract contract = *directory_->contract();
    contract.volets = {Volet::radicalisation_separatisme, named ? Volet::transport : Volet::justice};
    entries[0] = write_contract(contract, {});
    entries.push_back(write_tool(
        {"outil-transport", Volet::transport, {K::information_de_volet}, {"ged/89"}, {"org/transports-89"}}, {}));
    const auto built = Directory::build(entries);
    ASSERT_TRUE(built) << built.error().detail;
    EXPECT_EQ(
        tool_conditions(**built, *(*built)->member("outil-transport"), Act::submit, K::information_de_volet, "ged/89")
            .has(Condition::outside_volets),
        !named);
  }
}

TEST_F(Visibility, ACharterIsSeenByTheSendersOfItsTerritoryAndTheInstancesThatCoverIt) {
  std::vector<Entry> entries = directory_->entries();
  const Entry charter =
      write_charter({"charte-auxerre", "89024", {"Préfet", "Maire", "Procureur"}, {1000}, {2000}}, {});
  entries.push_back(charter);
  const auto built = Directory::build(entries);
  ASSERT_TRUE(built) << built.error().detail;
  std::set<std::string> viewers;
  for (const Member* viewer : (*built)->members())
    if (may_see_entry(**built, *viewer, charter)) viewers.insert(viewer->id);
  EXPECT_EQ(viewers, (std::set<std::string>{"auditrice", "secretaire", "ged-1", "ged-2", "clir-1", "cpraf-1",
                                            "referent-auxerre", "maire-auxerre", "outil-transport"}));
}

TEST_F(Visibility, AMairesOwnQueueIsSeenByHimAndTheSecretariatsThatCoverHim) {
  std::vector<Entry> entries = directory_->entries();
  const Entry own = write_queue({"person/p.maire-auxerre", Q::person, "89024", {}, {}}, {});
  entries.push_back(own);
  const auto built = Directory::build(entries);
  ASSERT_TRUE(built) << built.error().detail;
  std::set<std::string> viewers;
  for (const Member* viewer : (*built)->members())
    if (may_see_entry(**built, *viewer, own)) viewers.insert(viewer->id);
  EXPECT_EQ(viewers, (std::set<std::string>{"auditrice", "secretaire", "maire-auxerre"}));
}

TEST_F(Visibility, AToolSeesAsMuchAsAReferent) {
  EXPECT_EQ(seen_by("outil-transport"), (Ids{"csi-89", "audit/89", "ged/89", "clir/89", "cpraf/89", "org/transports-89",
                                             "outil-transport", "secretaire"}));
}

TEST_F(Visibility, AMemberOfAnInstanceSeesItsSeatsTheCommunesItServesAndOfOtherInstancesTheKeysAndTheSecretariats) {
  EXPECT_EQ(seen_by("ged-1"), (Ids{"csi-89", "audit/89", "ged/89", "clir/89", "cpraf/89", "ged/21", "org/auxerre",
                                   "org/sens", "org/transports-89", "ged-1", "ged-2", "secretaire", "secretaire-21",
                                   "referent-auxerre", "maire-auxerre", "referent-sens", "outil-transport"}));
  EXPECT_EQ(seen_by("cpraf-1"), (Ids{"csi-89", "audit/89", "cpraf/89", "ged/89", "clir/89", "ged/21", "org/auxerre",
                                     "org/sens", "org/transports-89", "cpraf-1", "secretaire", "secretaire-21",
                                     "referent-auxerre", "maire-auxerre", "referent-sens", "outil-transport"}));
  EXPECT_EQ(seen_by("clir-1"), (Ids{"csi-89", "audit/89", "ged/89", "clir/89", "cpraf/89", "ged/21", "org/auxerre",
                                    "org/sens", "org/transports-89", "clir-1", "secretaire", "secretaire-21",
                                    "referent-auxerre", "maire-auxerre", "referent-sens", "outil-transport"}));
  EXPECT_EQ(seen_by("secretaire-21"), (Ids{"csi-89", "audit/89", "ged/89", "clir/89", "cpraf/89", "ged/21", "org/dijon",
                                           "secretaire-21", "secretaire", "referent-dijon"}));
}

TEST_F(Visibility, AnOperatorSeesHimselfTheContractAndTheAuditQueueNotHisOfficesMembers) {
  EXPECT_EQ(seen_by("operateur"), (Ids{"csi-89", "audit/89", "operateur"}));
}

TEST_F(Visibility, AnAuditorSeesEverything) { EXPECT_EQ(seen_by("auditrice").size(), directory_->entries().size()); }

TEST_F(Visibility, NobodyOfACollectiviteSeesWhoSitsInTheGed) {
  for (const char* viewer :
       {"referent-auxerre", "maire-auxerre", "referent-sens", "outil-transport", "referent-dijon"}) {
    const Ids seen = seen_by(viewer);
    for (const char* hidden : {"ged-1", "ged-2", "clir-1", "cpraf-1"})
      EXPECT_EQ(seen.count(hidden), 0U) << viewer << " sees " << hidden;
  }
}

TEST_F(Visibility, AnEntryOfAnotherDirectoryIsShownToNobodyButAuditors) {
  Entry foreign;
  foreign.type = EntryType::queue;
  foreign.id = "ged/58";
  EXPECT_FALSE(may_see_entry(*directory_, *directory_->member("secretaire"), foreign));
  EXPECT_FALSE(may_see_entry(*directory_, *directory_->member("referent-auxerre"), foreign));
  EXPECT_TRUE(may_see_entry(*directory_, *directory_->member("auditrice"), foreign));
}

}  // namespace
}  // namespace pli::protocol
