// pli send, pli outbox list|flush|retry|discard, pli receipt show|verify|upgrade
#include <unistd.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "audit/witness_policy.hpp"
#include "base/file.hpp"
#include "client/command/known_cases.hpp"
#include "client/command/outbox_screen.hpp"
#include "client/command/program.hpp"
#include "client/command/screen.hpp"
#include "client/command/sitting.hpp"
#include "client/inbox.hpp"
#include "client/receipts.hpp"
#include "config/commune_table.hpp"
#include "config/data_folder.hpp"
#include "protocol/contract.hpp"
#include "protocol/form.hpp"
#include "protocol/limits.hpp"
#include "protocol/policy.hpp"
#include "protocol/printable.hpp"

namespace pli::client::command {
namespace {

namespace fs = std::filesystem;
using protocol::LocalCode;

void print_item(const Sitting& sitting, const Flushed& flushed) {
  const OutboxItem& item = flushed.item;
  if (sitting.json()) {
    JsonObject out;
    out.number("outbox", item.id).text("state", text_of(item.state)).text("queue", item.queue);
    out.text("kind", protocol::row_of(item.kind)->name);
    if (item.exchange) out.text("exchange", to_hex(*item.exchange));
    if (item.case_id != Digest{}) out.text("case", to_hex(item.case_id));
    if (!item.receipt.empty()) out.text("receipt", item.receipt.string());
    out.boolean("resealed", flushed.resealed).boolean("duplicate", flushed.duplicate);
    if (flushed.failure)
      out.text("error", code_text(*flushed.failure));
    else if (item.last_refusal && !is_receipted(item.state))
      out.text("error", to_text(*item.last_refusal));
    out.print();
    return;
  }
  std::string what = std::string(protocol::row_of(item.kind)->french) + " → " + item.queue;
  switch (item.state) {
    case OutboxState::receipted:
      say("Reçu par le serveur : " + what + ", n° " + short_id(*item.exchange) +
          (flushed.resealed ? " (scellé à nouveau : les destinataires avaient changé)" : ""));
      say("  Reçu vérifié, à conserver : " + item.receipt.string());
      break;
    case OutboxState::cosigned:
      say("Reçu confirmé par les témoins : " + what + ", n° " + short_id(*item.exchange));
      say("  Reçu vérifié, à conserver : " + item.receipt.string());
      break;
    case OutboxState::refused: warn("Refusé par le serveur : " + what); break;
    case OutboxState::queued:
      say("En attente, gardé sous votre seule clé et pas encore scellé pour ses destinataires : " + what +
          " (pli outbox flush)");
      break;
    default: say("En attente d'envoi, scellé et gardé sur cette machine : " + what + " (pli outbox flush)");
  }
}

int exit_of(const Flushed& flushed) {
  if (is_receipted(flushed.item.state)) return 0;
  if (flushed.item.state == OutboxState::refused) return static_cast<int>(ExitClass::refused);
  return static_cast<int>(ExitClass::unreachable_or_queued);
}

bool known_commune(void* context, std::string_view code) {
  return static_cast<const config::CommuneTable*>(context)->find_by_code(code) != nullptr;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

/// What the form says as people type it: a field at its top.
nlohmann::json fields_of(const protocol::Form& form) { return nlohmann::json::parse(form.to_json(), nullptr, false); }

/// Whether an information of another volet is about a structure and nobody in it.
bool concerns_structure_alone(const protocol::Form& form) {
  const auto json = fields_of(form);
  return json.is_object() && json.contains("structure") && json.value("personnes", nlohmann::json::array()).empty();
}

/// The instance a form goes to by itself: GED for persons, CLIR for structures, CPRAF for an accompaniment. Empty: only
/// its sender knows which.
std::string queue_kind_for(const protocol::Form& form) {
  switch (form.kind()) {
    case protocol::Kind::signalement_de_structure: return "clir/";
    case protocol::Kind::information_de_volet: return concerns_structure_alone(form) ? "clir/" : "ged/";
    case protocol::Kind::proposition_accompagnement:
    case protocol::Kind::orientation_cpraf: return "cpraf/";
    case protocol::Kind::transmission: {
      const std::string to = fields_of(form).value("vers", "");
      return to == "ged" || to == "clir" ? to + "/" : "";
    }
    case protocol::Kind::point_de_situation: return "";
    default: return "ged/";
  }
}

/// To a collectivité: its sender alone says to which.
bool goes_to_a_party(protocol::Kind kind) {
  return kind == protocol::Kind::demande_de_complement || kind == protocol::Kind::retour ||
         kind == protocol::Kind::point_de_situation;
}

/// About a case, and yet not to the instance that holds it.
bool leaves_the_instance(protocol::Kind kind) {
  return kind == protocol::Kind::transmission || kind == protocol::Kind::orientation_cpraf;
}

struct SendOptions {
  std::string form;
  std::vector<fs::path> attachments;
  std::optional<std::string> queue;
  std::optional<std::string> case_id;
  std::vector<std::string> handling;
  std::optional<protocol::Kind> only{};  ///< the form is to be of this kind
  std::optional<protocol::ExchangeId> in_reply_to{};
};

Result<Bytes> read_form(const std::string& name) {
  if (name != "-") return read_file(name, protocol::form_bytes_max);
  Bytes out;
  ByteArray<4096> block{};
  for (;;) {
    ssize_t got = ::read(STDIN_FILENO, block.data(), block.size());
    if (got < 0) return Error{Errc::io_error, "standard input"};
    if (got == 0) return out;
    append(out, ByteView(block).first(static_cast<std::size_t>(got)));
    if (out.size() > protocol::form_bytes_max) return Error{Errc::over_limit, "form too large"};
  }
}

int report_problems(const Sitting& sitting, const std::vector<protocol::FormProblem>& problems) {
  if (!sitting.json()) warn("Le formulaire n'est pas complet ; rien n'a été envoyé. À corriger :");
  for (const auto& problem : problems) {
    if (sitting.json())
      JsonObject()
          .text("error", protocol::text_of(problem.code))
          .text("field", problem.field)
          .text("cause", problem.french)
          .print();
    else
      warn("  - " + (problem.field.empty() ? "" : problem.field + " : ") + problem.french);
  }
  return static_cast<int>(ExitClass::usage);
}

const char* media_type_of(const fs::path& path) {
  std::string ending = lower(path.extension().string());
  if (ending == ".pdf") return "application/pdf";
  if (ending == ".jpg" || ending == ".jpeg") return "image/jpeg";
  if (ending == ".png") return "image/png";
  if (ending == ".txt") return "text/plain";
  return "application/octet-stream";
}

/// Where a form without an explicit queue goes. Empty with a reason said.
std::optional<std::string> route(Sitting& sitting, const protocol::Form& form, int& exit_code) {
  auto profile = sitting.profile();
  if (!profile) {
    exit_code = report(sitting, profile.error());
    return std::nullopt;
  }
  auto invitation = (*profile)->invitation();
  if (!invitation) {
    exit_code = report(sitting, invitation.error());
    return std::nullopt;
  }
  const std::string instance = queue_kind_for(form);
  if (instance.empty() || goes_to_a_party(form.kind())) {
    exit_code = usage_error(sitting, goes_to_a_party(form.kind())
                                         ? "cet envoi s'adresse à une collectivité ou à un maire : dites lequel par "
                                           "--queue, par exemple --queue org/210890240 ; rien n'a été envoyé"
                                         : "dites à quelle instance par --queue, par exemple --queue ged/21 ; rien n'a "
                                           "été envoyé");
    return std::nullopt;
  }
  std::string own(invitation->log.substr(invitation->log.rfind('/') + 1));
  std::string commune = form.commune();
  std::string departement = commune.empty() ? own : lower(config::departement_of(commune).value_or(own));
  if (departement != own) {
    exit_code =
        usage_error(sitting, "la commune de ce formulaire relève du département " + departement + " et non du " + own +
                                 " : adressez-vous à votre interlocuteur à la préfecture ; rien n'a été envoyé");
    return std::nullopt;
  }
  if (auto directory = last_directory(**profile); directory && directory->contract() != nullptr && !commune.empty())
    if (!protocol::is_within(*directory->contract(), lower(commune))) {
      exit_code = usage_error(sitting, "la commune " + commune +
                                           " n'est pas de celles que le contrat couvre (pli contract show) : "
                                           "adressez-vous à votre interlocuteur à la préfecture ; rien n'a été envoyé");
      return std::nullopt;
    }
  return instance + departement;
}

/// Where a form about a case goes: to the instance that holds it. Empty with a reason said.
std::optional<std::string> route_to_case(Sitting& sitting, const Digest& case_id, int& exit_code) {
  auto queue = queue_of_case(sitting, case_id);
  if (queue) return *queue;
  const bool unknown =
      is(queue.error(), protocol::Code::not_found) || exit_class(queue.error()) == ExitClass::unreachable_or_queued;
  exit_code = unknown ? usage_error(sitting,
                                    "rien ici ne dit quelle instance tient ce dossier : ajoutez --queue, par exemple "
                                    "--queue clir/89 ; rien n'a été envoyé")
                      : report(sitting, queue.error());
  return std::nullopt;
}

/// A queue that no directory shows us would keep its form waiting for ever. Nothing where it is shown, or none is known
/// yet.
std::optional<int> refuse_unknown_queue(Sitting& sitting, const Profile& profile, const std::string& queue) {
  auto directory = last_directory(profile);
  if (!directory || directory->queue(queue) != nullptr) return std::nullopt;
  std::string known;
  for (const protocol::Queue* each : directory->queues()) known += (known.empty() ? "" : ", ") + each->id;
  return usage_error(sitting, "la file « " + protocol::printable(queue) +
                                  " » n'est pas de celles que l'annuaire vous montre (" + known +
                                  ") ; rien n'a été envoyé");
}

int send(Sitting& sitting, const SendOptions& options) {
  auto profile = sitting.profile();
  if (!profile) return report(sitting, profile.error());
  if (!(*profile)->has_identity()) return report(sitting, Failure(LocalCode::no_identity, ""));
  auto bytes = read_form(options.form);
  if (!bytes) return report_file(sitting, options.form, bytes.error(), LocalCode::bad_form);
  for (const std::string& condition : options.handling)
    if (!protocol::is_handling(condition))
      return usage_error(sitting,
                         "condition inconnue ; l'une de : ged-only, ask-before-transfer, eyes-only, no-copy-to:ORG");
  auto table = config::CommuneTable::load(config::data_folder() / config::commune_table_file);
  if (!table) return report(sitting, local(LocalCode::local_store, table.error()));
  auto form = protocol::Form::from_json(as_text(*bytes), known_commune, &*table, sitting.clock().now());
  if (!form) return report_problems(sitting, form.error());
  for (const fs::path& path : options.attachments) {
    auto content = read_file(path, protocol::exchange_bytes_max);
    if (!content && content.error().code == Errc::over_limit)
      return usage_error(sitting, "une pièce jointe dépasse 8 Mio");
    if (!content) return report_file(sitting, path, content.error(), LocalCode::file_missing);
    if (auto done = form->attach({path.filename().string(), media_type_of(path), std::move(*content)}); !done)
      return usage_error(sitting, done.error().code == Errc::over_limit
                                      ? "pièces jointes : 5 au plus, 8 Mio en tout"
                                      : "le nom d'une pièce jointe n'est pas accepté : renommez le fichier");
  }
  if (options.only && form->kind() != *options.only)
    return usage_error(sitting, "ce formulaire n'est pas du type « " +
                                    std::string(protocol::row_of(*options.only)->name) + " » ; rien n'a été envoyé");
  int exit_code = 0;
  std::optional<Digest> case_id;
  if (options.case_id) {
    auto id = resolve_known(sitting, *options.case_id);
    if (!id) return report(sitting, id.error());
    case_id = *id;
  } else if (protocol::row_of(form->kind())->names_case) {
    return usage_error(sitting, "ce type d'envoi porte sur un dossier : ajoutez --case NUMERO");
  }
  std::optional<std::string> queue = options.queue;
  if (!queue) {
    const bool to_its_instance = case_id && !goes_to_a_party(form->kind()) && !leaves_the_instance(form->kind());
    queue = to_its_instance ? route_to_case(sitting, *case_id, exit_code) : route(sitting, *form, exit_code);
  }
  if (!queue) return exit_code;
  if (options.queue)
    if (auto refused = refuse_unknown_queue(sitting, **profile, *queue)) return *refused;
  Draft draft = draft_of(*form, *queue);
  draft.handling = options.handling;
  if (case_id) draft.case_id = *case_id;
  if (options.in_reply_to) draft.in_reply_to = *options.in_reply_to;
  return post(sitting, draft);
}

/// A complement, in reply to the newest demand for one that this profile has received of the case.
int answer(Sitting& sitting, SendOptions options) {
  auto profile = sitting.profile();
  if (!profile) return report(sitting, profile.error());
  auto id = resolve_known(sitting, *options.case_id);
  if (!id) return report(sitting, id.error());
  auto items = received(**profile);
  if (!items) return report(sitting, items.error());
  for (const InboxItem& item : *items)
    if (item.visible && item.address.case_id == *id &&
        item.address.kind == static_cast<std::uint16_t>(protocol::Kind::demande_de_complement))
      options.in_reply_to = item.exchange;
  if (!options.in_reply_to)
    return usage_error(sitting,
                       "aucune demande de complément reçue pour ce dossier : « pli inbox » relève ce qui est arrivé ; "
                       "pour un complément de vous-même, « pli send --case » ; rien n'a été envoyé");
  options.case_id = to_hex(*id);
  options.only = protocol::Kind::complement;
  return send(sitting, options);
}

std::string french_state(const OutboxItem& item) {
  switch (item.state) {
    case OutboxState::cosigned: return "reçu, confirmé";
    case OutboxState::receipted: return "reçu";
    case OutboxState::refused: return "refusé";
    default: return awaits_case(item) ? "attend un autre envoi" : "en attente";
  }
}

int list_outbox(Sitting& sitting) {
  auto profile = sitting.profile();
  if (!profile) return report(sitting, profile.error());
  auto items = Outbox(**profile, sitting.clock()).list();
  if (!items) return report(sitting, items.error());
  std::vector<std::vector<std::string>> rows;
  for (const OutboxItem& item : *items) {
    if (sitting.json()) {
      print_item(sitting, {item, !item.replaced.empty(), false, std::nullopt});
      continue;
    }
    rows.push_back({std::to_string(item.id), french_state(item), item.exchange ? short_id(*item.exchange) : "-",
                    std::string(protocol::row_of(item.kind)->french), item.queue, paris_minute(item.created_at),
                    item.last_refusal ? to_text(*item.last_refusal) : ""});
  }
  if (rows.empty() && !sitting.json()) say("Aucun envoi.");
  print_table({{"Rang"}, {"État"}, {"Numéro"}, {"Nature"}, {"Vers"}, {"Préparé le"}, {""}}, rows);
  const bool refused = std::any_of(items->begin(), items->end(),
                                   [](const OutboxItem& item) { return item.state == OutboxState::refused; });
  if (refused && !sitting.json())
    say("Un envoi refusé se présente de nouveau ou s'oublie, par son rang ou son numéro : pli outbox retry, pli outbox "
        "discard.");
  return 0;
}

/// No session: what was to leave is kept, and that is said last.
int say_kept(Sitting& sitting, const Profile& profile, std::int64_t id, const Failure& failure) {
  auto item = Outbox(profile, sitting.clock()).find(id);
  if (!item) return report(sitting, item.error());
  const bool waits = exit_class(failure) == ExitClass::unreachable_or_queued;
  int code = static_cast<int>(exit_class(failure));
  if (!sitting.json() || !waits) code = report(sitting, failure);
  if (*item) print_item(sitting, {**item, false, false, failure});
  return code;
}

/// The row meant by its rank, or by its exchange's number as lists show it. Errors: as resolve_id(), local_store.
Outcome<std::int64_t> find_row(const Outbox& outbox, const std::string& typed) {
  auto items = outbox.list();
  if (!items) return items.error();
  for (const OutboxItem& item : *items)
    if (std::to_string(item.id) == typed) return item.id;
  std::vector<Digest> ids;
  for (const OutboxItem& item : *items) {
    if (item.exchange) ids.push_back(*item.exchange);
    ids.insert(ids.end(), item.replaced.begin(), item.replaced.end());
  }
  auto id = resolve_id(typed, ids);
  if (!id) return id.error();
  for (const OutboxItem& item : *items)
    if (item.exchange == *id || std::find(item.replaced.begin(), item.replaced.end(), *id) != item.replaced.end())
      return item.id;
  return Failure(protocol::Refusal{protocol::Code::not_found, "", 0});
}

constexpr const char* no_such_row = "il n'y a pas d'envoi à ce rang ni sous ce numéro : pli outbox list";

/// Why an item cannot be treated as asked: its state does not allow it.
int wrong_rank(Sitting& sitting, const Failure& failure, const char* french) {
  return is(failure, LocalCode::usage) ? usage_error(sitting, french) : report(sitting, failure);
}

int wrong_row(Sitting& sitting, const Failure& failure) {
  const bool named_nothing = is(failure, LocalCode::id_malformed) || is(failure, protocol::Code::not_found);
  return named_nothing ? usage_error(sitting, no_such_row) : report(sitting, failure);
}

int retry_item(Sitting& sitting, const std::string& typed) {
  auto profile = sitting.profile();
  if (!profile) return report(sitting, profile.error());
  Outbox outbox(**profile, sitting.clock());
  auto id = find_row(outbox, typed);
  if (!id) return wrong_row(sitting, id.error());
  if (auto put_back = outbox.retry(*id); !put_back)
    return wrong_rank(sitting, put_back.error(),
                      "cet envoi n'est pas refusé, ou son formulaire n'est plus gardé : pli outbox list");
  return flush_outbox(sitting, *id);
}

int discard_item(Sitting& sitting, const std::string& typed) {
  auto profile = sitting.profile();
  if (!profile) return report(sitting, profile.error());
  Outbox outbox(**profile, sitting.clock());
  auto id = find_row(outbox, typed);
  if (!id) return wrong_row(sitting, id.error());
  if (auto done = outbox.discard(*id); !done)
    return wrong_rank(sitting, done.error(),
                      "cet envoi ne s'oublie pas : scellé ou parti, il peut avoir été reçu, et il est gardé");
  if (sitting.json())
    JsonObject().number("outbox", *id).text("state", "discarded").print();
  else
    say("Oublié.");
  return 0;
}

/// Whose log a receipt is of: a file's, or the profile's. Nothing with a reason said.
std::optional<protocol::Invitation> invitation_of(Sitting& sitting, const std::optional<fs::path>& file,
                                                  int& exit_code) {
  if (file) {
    auto bytes = read_file(*file, protocol::invitation_bytes_max);
    if (!bytes) {
      exit_code = report_file(sitting, *file, bytes.error(), LocalCode::no_invitation);
      return std::nullopt;
    }
    auto invitation = protocol::parse_invitation(as_text(*bytes));
    if (!invitation) {
      exit_code = report(sitting, local(LocalCode::no_invitation, invitation.error()));
      return std::nullopt;
    }
    return std::move(*invitation);
  }
  auto profile = sitting.profile();
  if (!profile) {
    exit_code = report(sitting, profile.error());
    return std::nullopt;
  }
  auto invitation = (*profile)->invitation();
  if (!invitation) {
    exit_code = report(sitting, invitation.error());
    return std::nullopt;
  }
  return std::move(*invitation);
}

struct VerifyOptions {
  fs::path file;
  std::optional<fs::path> invitation;
  std::optional<fs::path> policy;
  bool cosigned = false;  ///< the invitation's witnesses are demanded
  std::string max_age;
  bool fields = false;
};

/// The policy a receipt is held to: a file's, else the invitation's; nothing where neither names a witness, or with an
/// exit code where it cannot be read.
std::optional<audit::WitnessPolicy> policy_of(Sitting& sitting, const VerifyOptions& options,
                                              const protocol::Invitation& invitation, int& exit_code) {
  std::string text = invitation.witnesses;
  if (options.policy) {
    auto bytes = read_file(*options.policy, audit::policy_bytes_max);
    if (!bytes) {
      exit_code = report_file(sitting, *options.policy, bytes.error(), LocalCode::file_missing);
      return std::nullopt;
    }
    text = as_text(*bytes);
  }
  if (text.empty()) return std::nullopt;
  auto policy = audit::WitnessPolicy::parse(text);
  if (!policy) {
    exit_code = usage_error(sitting, "la liste de témoins ne se lit pas : " + policy.error().detail);
    return std::nullopt;
  }
  return std::move(*policy);
}

/// Whether the witnesses' word under a receipt is what was asked for; else why not.
std::optional<std::string> lacking(const Cosignatures& cosignatures, const audit::WitnessPolicy& policy,
                                   std::optional<std::chrono::milliseconds> age_max, UnixMillis now) {
  if (policy.demands_witnesses() && !cosignatures.quorum_at)
    return "Ce reçu n'est pas confirmé par les témoins demandés : pli receipt upgrade";
  if (age_max && (!cosignatures.quorum_at || now - *cosignatures.quorum_at > *age_max))
    return "Ce reçu a été confirmé par les témoins il y a plus longtemps que demandé";
  return std::nullopt;
}

std::string shown(ByteView value) {
  std::string text(as_text(value));
  bool plain = std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
  return plain ? text : to_hex(value);
}

int verify_receipt(Sitting& sitting, const VerifyOptions& options) {
  int exit_code = 0;
  std::optional<std::chrono::milliseconds> age_max;
  if (!options.max_age.empty() && !(age_max = duration_of(options.max_age)))
    return usage_error(sitting, "--max-age attend une durée : 90s, 10m, 24h, 5d");
  auto invitation = invitation_of(sitting, options.invitation, exit_code);
  if (!invitation) return exit_code;
  auto policy = policy_of(sitting, options, *invitation, exit_code);
  if (exit_code != 0) return exit_code;
  const bool demanded = options.policy || options.cosigned || age_max;
  if (demanded && !policy)
    return usage_error(sitting, "l'invitation ne nomme aucun témoin : donnez une liste avec --policy FICHIER");
  auto verified = verify_receipt_file(options.file, invitation->log, invitation->log_key);
  if (!verified && is(verified.error(), LocalCode::local_store))
    return report_file(sitting, options.file, Error{Errc::not_found, verified.error().detail}, LocalCode::file_missing);
  if (!verified) return report(sitting, verified.error());
  const audit::Receipt& receipt = verified->receipt;
  const audit::VerifierKey log = log_verifier(verified->origin, invitation->log_key);
  Cosignatures cosignatures;
  std::optional<std::string> lack;
  if (policy) {
    const auto logs = policy->log_keys();
    if (!logs.empty() && std::find(logs.begin(), logs.end(), log) == logs.end())
      return usage_error(sitting, "cette liste de témoins est celle d'un autre journal");
    auto read = read_cosignatures(receipt.checkpoint, log, *policy, sitting.clock().now());
    if (!read) return report(sitting, read.error());
    cosignatures = std::move(*read);
    if (demanded) lack = lacking(cosignatures, *policy, age_max, sitting.clock().now());
  }
  exit_code = lack ? static_cast<int>(exit_class(Failure(LocalCode::log_stale, ""))) : 0;
  if (sitting.json()) {
    JsonObject out;
    std::vector<std::string> witnesses;
    for (const Cosignatures::By& by : cosignatures.by) witnesses.push_back(by.witness + " " + iso_time(by.at));
    out.boolean("verified", !lack).text("origin", verified->origin).text("type", audit::text_of(receipt.leaf.type));
    out.text("time", iso_time(receipt.leaf.time)).number("leaf", static_cast<std::int64_t>(receipt.index.value));
    out.number("tree_size", static_cast<std::int64_t>(verified->size.value));
    out.boolean("submission", verified->exchange.has_value());
    if (verified->exchange) out.text("exchange", to_hex(*verified->exchange));
    if (verified->erased) {
      out.text("erased", to_hex(verified->erased->exchange)).text("erased_at", iso_time(verified->erased->at));
      out.text("backups_at", iso_time(verified->erased->backups_at));
    }
    out.texts("cosigned", witnesses);
    if (cosignatures.quorum_at) out.text("quorum_at", iso_time(*cosignatures.quorum_at));
    if (lack) out.text("error", protocol::text_of(LocalCode::log_stale)).text("cause", *lack);
    if (options.fields)
      for (const auto& field : receipt.record.fields)
        if (field.opening) out.text("field_" + field.opening->field.name, shown(field.opening->field.value));
    out.print();
    return exit_code;
  }
  if (verified->erased)
    say("Certificat d'effacement authentique : cet échange n'est plus, et aucune clé ne l'ouvre plus.");
  else
    say(verified->exchange
            ? "Reçu authentique : cet envoi a été accepté et inscrit."
            : "Preuve authentique, mais ce n'est pas le reçu d'un envoi accepté : elle prouve un autre acte.");
  say("  Journal    " + verified->origin);
  say("  Inscrit    le " + paris_minute(receipt.leaf.time) + ", à la place " + std::to_string(receipt.index.value) +
      " sur " + std::to_string(verified->size.value));
  say("  Acte       " + std::string(audit::text_of(receipt.leaf.type)));
  if (verified->exchange) say("  Échange    " + to_hex(*verified->exchange));
  if (verified->erased) {
    say("  Échange    " + to_hex(verified->erased->exchange));
    say("  Effacé     le " + paris_minute(verified->erased->at) + " du serveur");
    say("             le " + paris_minute(verified->erased->backups_at) + " au plus tard de toute sauvegarde");
  }
  for (const Cosignatures::By& by : cosignatures.by)
    say("  Témoin     " + protocol::printable(by.witness) + ", le " + paris_minute(by.at));
  if (policy && policy->demands_witnesses())
    say(cosignatures.quorum_at ? "  Quorum     réuni le " + paris_minute(*cosignatures.quorum_at)
                               : "  Quorum     pas réuni : ce reçu n'est signé que par le journal");
  if (options.fields)
    for (const auto& field : receipt.record.fields)
      if (field.opening) say("    " + field.opening->field.name + " = " + shown(field.opening->field.value));
  say("Il prouve que le serveur a enregistré cet acte à cette place de son journal, et l'a signé.");
  say("Il ne prouve pas que quelqu'un l'a lu.");
  if (lack) warn("Erreur : " + *lack + ". [" + std::string(protocol::text_of(LocalCode::log_stale)) + "]");
  return exit_code;
}

int show_certificate(Sitting& sitting, const std::string& text) {
  auto exchange = resolve_known(sitting, text);
  if (!exchange) return report(sitting, exchange.error());
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  if (auto certificate = fetch_certificate(**session, *exchange); !certificate)
    return report(sitting, certificate.error());
  VerifyOptions options;
  options.file = certificate_path((*session)->profile(), *exchange);
  if (!sitting.json()) say("Certificat à conserver : " + options.file.string());
  return verify_receipt(sitting, options);
}

int upgrade_receipts(Sitting& sitting) {
  auto profile = sitting.profile();
  if (!profile) return report(sitting, profile.error());
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  if (!(*session)->log().witnesses().demanded())
    return usage_error(sitting, "votre invitation n'exige aucun témoin : un reçu n'a rien à attendre de plus");
  Outbox outbox(**profile, sitting.clock());
  auto upgraded = outbox.upgrade(**session);
  if (!upgraded) return report(sitting, upgraded.error());
  for (const OutboxItem& item : *upgraded) print_item(sitting, {item, false, false, std::nullopt});
  auto items = outbox.list();
  if (!items) return report(sitting, items.error());
  const auto waiting = std::count_if(items->begin(), items->end(),
                                     [](const OutboxItem& item) { return item.state == OutboxState::receipted; });
  auto rolled_back = outbox.kept_from_a_rollback();
  if (!rolled_back) return report(sitting, rolled_back.error());
  if (sitting.json())
    JsonObject()
        .number("cosigned", static_cast<std::int64_t>(upgraded->size()))
        .number("waiting", waiting)
        .number("rolled_back", static_cast<std::int64_t>(*rolled_back))
        .print();
  else if (waiting != 0)
    say(std::to_string(waiting) + " reçu(s) attendent encore que les témoins confirment le journal.");
  else if (upgraded->empty())
    say("Aucun reçu n'attend les témoins.");
  if (!sitting.json() && *rolled_back != 0)
    say("Dont " + std::to_string(*rolled_back) +
        " d'une partie du journal restaurée sur ordre de l'autorité : un témoin qui en a vu la suite ne la confirme "
        "plus.\nCes reçus restent valables, signés par le journal ; gardez-les.");
  return 0;
}

}  // namespace

int flush_outbox(Sitting& sitting, std::optional<std::int64_t> only) {
  auto profile = sitting.profile();
  if (!profile) return report(sitting, profile.error());
  auto session = sitting.session();
  if (!session) return only ? say_kept(sitting, **profile, *only, session.error()) : report(sitting, session.error());
  Outbox outbox(**profile, sitting.clock());
  auto flushed = [&] {
    ProgressBar bar("Envoi");
    return outbox.flush(**session, [&](std::uint64_t sent, std::uint64_t total) { bar.show(sent, total); });
  }();
  int exit_code = 0;
  std::optional<Flushed> own;
  if (flushed) {
    for (const Flushed& one : flushed->done) {
      if (only && one.item.id == *only) {
        own = one;
        continue;
      }
      print_item(sitting, one);
      if (one.failure && !sitting.json()) (void)report(sitting, *one.failure);
      if (!only) exit_code = std::max(exit_code, exit_of(one));
    }
    if (!only)
      for (const OutboxItem& item : flushed->cosigned) print_item(sitting, {item, false, false, std::nullopt});
    if (flushed->stopped) {
      sitting.drop_session();
      exit_code = std::max(exit_code, report(sitting, *flushed->stopped));
    }
    if (!only && flushed->done.empty() && flushed->cosigned.empty() && !flushed->stopped && !sitting.json())
      say("Rien n'attend d'être envoyé.");
  } else if (!only || !is(flushed.error(), LocalCode::queued)) {
    return report(sitting, flushed.error());
  }
  if (!only) return exit_code;
  if (!own) {  // another program of this profile sends it, or has sent it: its row says how far it is
    auto row = outbox.find(*only);
    if (!row) return report(sitting, row.error());
    if (!*row) return exit_code;
    own = Flushed{**row, !(*row)->replaced.empty(), false, std::nullopt};
  }
  if (own->failure && !sitting.json()) (void)report(sitting, *own->failure);
  print_item(sitting, *own);
  return std::max(exit_code, exit_of(*own));
}

void present_again(Sitting& sitting) {
  auto session = sitting.session();
  if (!session) return;
  auto sent = Outbox((*session)->profile(), sitting.clock()).present_again(**session);
  if (!sent) return;
  for (const Flushed& one : sent->done) print_item(sitting, one);
}

int post(Sitting& sitting, const Draft& draft) {
  auto profile = sitting.profile();
  if (!profile) return report(sitting, profile.error());
  auto keys = sitting.keys();
  if (!keys) return report(sitting, keys.error());
  Outbox outbox(**profile, sitting.clock());
  auto put = outbox.put(draft, **keys);
  if (!put) return report(sitting, put.error());
  // From here the draft survives anything; what follows may fail and be tried again.
  return flush_outbox(sitting, put->id);
}

void add_send(CLI::App& app, Sitting& sitting, Verdict& verdict) {
  auto options = std::make_shared<SendOptions>();
  auto* verb = app.add_subcommand("send", "Envoyer un formulaire : signalement, complément, demande, décision…");
  verb->footer(
      "DANGER IMMÉDIAT : appelez le 17 ou le 112. N'écrivez ici ni document classifié ni « Diffusion restreinte », ni\n"
      "religion, origine, santé ou antécédents judiciaires. Des faits datés d'abord, les appréciations à part.\n"
      "Exemple : pli send signalement.json --attach photo.jpg\n"
      "Un formulaire à remplir : pli form list, pli form show TYPE. Serveur injoignable : l'envoi est gardé, scellé\n"
      "(code de sortie 3).");
  verb->add_option("form", options->form, "Formulaire JSON, ou - pour l'entrée standard")->required();
  verb->add_option("--attach", options->attachments, "Pièce jointe (répétable) ; 5 au plus")->allow_extra_args(false);
  verb->add_option("--queue", options->queue,
                   "File de destination (par défaut : selon la commune du formulaire, ou celle du dossier)");
  verb->add_option("--case", options->case_id, "Dossier concerné : son numéro, 8 caractères au moins");
  verb->add_option("--handling", options->handling,
                   "Condition (répétable) : ged-only, ask-before-transfer, eyes-only, no-copy-to:ORG")
      ->allow_extra_args(false);
  verb->callback([&sitting, &verdict, options] { verdict.exit_code = send(sitting, *options); });
}

void add_case_answer(CLI::App& group, Sitting& sitting, Verdict& verdict) {
  auto options = std::make_shared<SendOptions>();
  auto* verb = group.add_subcommand("answer", "Répondre à une demande de complément (la collectivité)");
  verb->footer(
      "Exemple : pli case answer 3f9a2c71 complement.json --attach plan.pdf\n"
      "Un formulaire à remplir : pli form show complement. Ce qui est demandé : pli inbox, puis pli open.");
  verb->add_option("id", options->case_id, "Numéro du dossier")->required();
  verb->add_option("form", options->form, "Complément en JSON, ou - pour l'entrée standard")->required();
  verb->add_option("--attach", options->attachments, "Pièce jointe (répétable) ; 5 au plus")->allow_extra_args(false);
  verb->callback([&sitting, &verdict, options] { verdict.exit_code = answer(sitting, *options); });

  auto inform = std::make_shared<SendOptions>();
  inform->only = protocol::Kind::information_nominative;
  verb = group.add_subcommand("inform",
                              "Préparer une information nominative, à remettre au maire une fois agréée "
                              "(secrétariat)");
  verb->footer(
      "Exemple : pli case inform 3f9a2c71 information.json\n"
      "Elle reste dans l'instance, où un service et le parquet donnent leur accord : pli case agree. Puis : pli case "
      "release.\n"
      "Un formulaire à remplir : pli form show information_nominative.");
  verb->add_option("id", inform->case_id, "Numéro du dossier")->required();
  verb->add_option("form", inform->form, "Information nominative en JSON, ou - pour l'entrée standard")->required();
  verb->callback([&sitting, &verdict, inform] { verdict.exit_code = send(sitting, *inform); });
}

void add_outbox(CLI::App& app, Sitting& sitting, Verdict& verdict) {
  auto* group = app.add_subcommand("outbox", "Ce que vous avez envoyé, et ce qui attend");
  group->require_subcommand(1);
  group->footer("Exemple : pli outbox flush");
  auto* list = group->add_subcommand("list", "Lister les envois et leur état");
  list->footer("Exemple : pli outbox list --json");
  list->callback([&sitting, &verdict] { verdict.exit_code = list_outbox(sitting); });
  auto* flush = group->add_subcommand("flush", "Envoyer ce qui attend");
  flush->footer("Exemple : pli outbox flush");
  flush->callback([&sitting, &verdict] { verdict.exit_code = flush_outbox(sitting, std::nullopt); });
  auto retried = std::make_shared<std::string>();
  auto* retry = group->add_subcommand("retry", "Présenter de nouveau un envoi refusé : il est scellé de nouveau");
  retry->footer("Exemple : pli outbox retry 3f9a2c71");
  retry->add_option("envoi", *retried, "Rang ou numéro dans pli outbox list")->required();
  retry->callback([&sitting, &verdict, retried] { verdict.exit_code = retry_item(sitting, *retried); });
  auto discarded = std::make_shared<std::string>();
  auto* discard = group->add_subcommand("discard", "Oublier un envoi refusé, jamais scellé, ou qui en attend un autre");
  discard->footer("Exemple : pli outbox discard 3f9a2c71");
  discard->add_option("envoi", *discarded, "Rang ou numéro dans pli outbox list")->required();
  discard->callback([&sitting, &verdict, discarded] { verdict.exit_code = discard_item(sitting, *discarded); });
}

void add_receipt(CLI::App& app, Sitting& sitting, Verdict& verdict) {
  auto* group = app.add_subcommand("receipt", "Reçus : la preuve de ce que le serveur a enregistré, sans connexion");
  group->require_subcommand(1);
  group->footer("Exemple : pli receipt verify 3f9a….tlog-proof");
  for (const char* name : {"verify", "show"}) {
    auto options = std::make_shared<VerifyOptions>();
    options->fields = std::string_view(name) == "show";
    auto* verb =
        group->add_subcommand(name, options->fields ? "Vérifier et montrer ce que le reçu révèle" : "Vérifier un reçu");
    verb->footer(std::string("Exemple : pli receipt ") + name + " ~/.pli/receipts/3f9a….tlog-proof");
    verb->add_option("file", options->file, "Fichier .tlog-proof")->required();
    verb->add_option("--invitation", options->invitation, "Clé du journal d'après cette invitation, sans profil");
    verb->add_option("--policy", options->policy, "Exiger les témoins de cette liste (fichier C2SP tlog-policy)");
    verb->add_flag("--cosigned", options->cosigned, "Exiger les témoins de l'invitation");
    verb->add_option("--max-age", options->max_age, "Confirmé par eux depuis moins de : 90s, 10m, 24h, 5d");
    verb->callback([&sitting, &verdict, options] { verdict.exit_code = verify_receipt(sitting, *options); });
  }
  auto certified = std::make_shared<std::string>();
  auto* certificate =
      group->add_subcommand("erasure", "Demander le certificat d'effacement d'un échange, le vérifier et le garder");
  certificate->footer("Exemple : pli receipt erasure 3f9a2c71");
  certificate->add_option("id", *certified, "Numéro de l'échange")->required();
  certificate->callback([&sitting, &verdict, certified] { verdict.exit_code = show_certificate(sitting, *certified); });
  auto* upgrade = group->add_subcommand("upgrade", "Échanger les reçus contre ceux que les témoins ont confirmés");
  upgrade->footer("Exemple : pli receipt upgrade\npli outbox flush le fait aussi.");
  upgrade->callback([&sitting, &verdict] { verdict.exit_code = upgrade_receipts(sitting); });
}

}  // namespace pli::client::command
