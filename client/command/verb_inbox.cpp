// pli inbox, pli open, pli ack
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "client/alarm.hpp"
#include "client/anomaly.hpp"
#include "client/client_store.hpp"
#include "client/command/duties_screen.hpp"
#include "client/command/known_cases.hpp"
#include "client/command/links_screen.hpp"
#include "client/command/opening_screen.hpp"
#include "client/command/outbox_screen.hpp"
#include "client/command/program.hpp"
#include "client/command/screen.hpp"
#include "client/command/sitting.hpp"
#include "client/inbox.hpp"
#include "client/open_exchange.hpp"
#include "client/receipts.hpp"
#include "client/rectification.hpp"
#include "protocol/limits.hpp"
#include "protocol/printable.hpp"
#include "protocol/retention.hpp"

namespace pli::client::command {
namespace {

namespace fs = std::filesystem;
using protocol::LocalCode;

/// Why only its place is shown.
std::string hidden_text(const InboxItem& item, const Profile& profile) {
  std::error_code none;
  if (fs::exists(certificate_path(profile, item.exchange), none)) return "(effacé)";
  switch (item.hidden) {
    case HiddenProof::claimed: return "(une règle vous le cache)";
    case HiddenProof::erased: return "(caché, sans preuve : effacé du journal)";
    default: return "(ne vous est pas adressé)";
  }
}

std::vector<std::string> row_for(const InboxItem& item, const Profile& profile) {
  const char* state = item.superseded ? "perdu par le serveur" : item.opened ? "ouvert" : "";
  if (!item.visible)
    return {item.queue,
            std::to_string(item.head.number.value),
            short_id(item.exchange),
            hidden_text(item, profile),
            "",
            "",
            "",
            ""};
  bool urgent = item.address.urgency == static_cast<std::uint8_t>(protocol::Urgency::urgente);
  return {item.queue,
          std::to_string(item.head.number.value),
          short_id(item.exchange),
          nature(item, profile),
          urgent ? "URGENT" : "",
          sender_text(item),
          paris_minute(item.accepted_at),
          state};
}

const std::vector<Column> inbox_columns = {{"File"},    {"N°"}, {"Numéro"},  {"Nature"},
                                           {"Urgence"}, {"De"}, {"Reçu le"}, {""}};

constexpr const char* shown_file = "directory.shown";
constexpr std::size_t shown_file_bytes_max = 32;

/// The last version whose changes were put before somebody's eyes: `ack --directory` goes no further.
DirectoryNumber shown_up_to(const Profile& profile) {
  auto bytes = read_file(profile.folder() / shown_file, shown_file_bytes_max);
  if (!bytes) return {};
  std::uint64_t number = 0;
  std::string_view text = as_text(*bytes);
  auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  return problem == std::errc() && end == text.data() + text.size() ? DirectoryNumber{number} : DirectoryNumber{};
}

const char* change_text(DirectoryChange::What what) {
  switch (what) {
    case DirectoryChange::What::appeared: return "ajouté";
    case DirectoryChange::What::revoked: return "révoqué";
    case DirectoryChange::What::gone: return "retiré de votre vue";
    case DirectoryChange::What::changed: return "modifié";
  }
  return "modifié";
}

std::string_view name_of(DirectoryChange::What what) {
  switch (what) {
    case DirectoryChange::What::appeared: return "added";
    case DirectoryChange::What::revoked: return "revoked";
    case DirectoryChange::What::gone: return "gone";
    case DirectoryChange::What::changed: return "changed";
  }
  return "changed";
}

const char* noun_of(protocol::EntryType type) {
  if (type == protocol::EntryType::member) return "membre ";
  return type == protocol::EntryType::contrat ? "contrat " : "file ";
}

/// Members see changes of their instances until they acknowledge them (design §4).
void show_directory_changes(Sitting& sitting, const Profile& profile, const KnownDirectory& directory) {
  auto changes = profile.store().directory_changes();
  if (!changes || changes->empty()) return;
  if (!sitting.json())
    warn("L'annuaire a changé depuis votre dernier accord (pli ack --directory pour ne plus l'afficher) :");
  DirectoryNumber last{};
  for (const DirectoryChange& change : *changes) {
    last = std::max(last, change.number);
    const protocol::Member* member = change.type == protocol::EntryType::member ? directory.member(change.id) : nullptr;
    const std::string label = member == nullptr ? "" : member->label;
    if (sitting.json()) {
      JsonObject()
          .text("directory_change", name_of(change.what))
          .text("type", text_of(change.type))
          .text("id", change.id)
          .text("label", label)
          .number("version", static_cast<std::int64_t>(change.number.value))
          .print();
      continue;
    }
    warn("  annuaire n° " + std::to_string(change.number.value) + " : " + noun_of(change.type) +
         protocol::printable(change.id) + (label.empty() ? "" : " (" + protocol::printable(label) + ")") + ", " +
         change_text(change.what));
  }
  const std::string number = std::to_string(last.value);
  if (auto kept = write_file_durably(profile.folder() / shown_file, as_bytes(number), FileMode::owner_only); !kept)
    warn("Ces changements seront montrés de nouveau : le dossier du profil n'a pas pu être écrit.");
}

/// What could not be proven is named, and keeps nothing else from being shown; the worst exit code.
int report_unproven(const Sitting& sitting, const std::vector<UnprovenPlace>& places) {
  int code = 0;
  for (const UnprovenPlace& place : places) {
    if (!sitting.json())
      warn("File " + place.queue + ", n° " + std::to_string(place.number.value) + " (" + short_id(place.exchange) +
           ") : sa place n'a pas pu être prouvée. Le reste est affiché.");
    code = std::max(code, report(sitting, place.failure));
  }
  return code;
}

int inbox(Sitting& sitting, bool follow, bool fresh_only, std::int64_t idle_seconds) {
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  Inbox box(**session);
  auto fresh = box.look();
  if (!fresh) return report(sitting, fresh.error());
  const Profile& profile = (*session)->profile();
  std::vector<InboxItem> items = fresh->items;
  if (!fresh_only) {
    auto all = received(profile);
    if (!all) return report(sitting, all.error());
    items = std::move(*all);
  }
  const int called = show_escalated(sitting, **session);
  std::vector<std::vector<std::string>> rows;
  for (const InboxItem& item : items) {
    if (sitting.json())
      to_json(item).print();
    else
      rows.push_back(row_for(item, profile));
  }
  print_table(inbox_columns, rows);
  // What could not be written was shown to nobody and stays new; the program's end says so.
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) return 0;
  if (auto kept = box.handed_over(items); !kept) return report(sitting, kept.error());
  const int code = report_alarms_seen(sitting, fresh->alarms);
  const int partial = std::max(called, report_unproven(sitting, fresh->unproven));
  if (rows.empty() && !sitting.json()) say("Rien de nouveau.");
  show_directory_changes(sitting, profile, (*session)->directory());
  if ((*session)->directory().expires_soon_at(sitting.clock().now()) && !sitting.json())
    warn("L'annuaire expire le " + paris_minute((*session)->directory().not_after()) +
         " : la préfecture doit en publier une nouvelle version.");
  if (!follow || code != 0) return std::max(code, partial);
  if (!sitting.json()) say("En attente de nouveaux envois (Ctrl-C pour arrêter)…");
  auto ended = box.follow(
      [&](const InboxItem& item) {
        if (sitting.json()) {
          to_json(item).print();
        } else {
          auto row = row_for(item, profile);
          std::string line;
          for (const std::string& cell : row)
            if (!cell.empty()) line += (line.empty() ? "" : "  ") + cell;
          say(line);
        }
        return std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
      },
      idle_seconds > 0 ? std::chrono::milliseconds(std::chrono::seconds(idle_seconds))
                       : std::chrono::milliseconds(std::chrono::hours(24 * 365)));
  return ended ? 0 : report(sitting, ended.error());
}

struct OpenVerbOptions {
  std::vector<std::string> ids;
  std::string motif;
  std::string note;
  std::optional<fs::path> out;
};

std::vector<protocol::Attachment> attachments_of(const OpenedExchange& opened) {
  return opened.form ? opened.form->attachments() : std::vector<protocol::Attachment>{};
}

/// The files written, by path. Errors: local_store.
Outcome<std::vector<std::string>> write_out(const OpenedExchange& opened, const fs::path& folder) {
  if (auto made = create_private_folder(folder); !made) return local(LocalCode::local_store, made.error());
  std::string stem = short_id(opened.exchange);
  std::vector<std::pair<std::string, ByteView>> files;
  std::string json = opened.form ? opened.form->to_json() : "{}";
  files.emplace_back(stem + ".json", as_bytes(json));
  const std::vector<protocol::Attachment> attachments = attachments_of(opened);
  for (const auto& attachment : attachments) files.emplace_back(stem + "-" + attachment.name, attachment.bytes);
  std::vector<std::string> written;
  for (const auto& [name, bytes] : files) {
    if (auto done = write_file_durably(folder / name, bytes, FileMode::owner_only); !done)
      return local(LocalCode::local_store, done.error());
    written.push_back((folder / name).string());
  }
  return written;
}

}  // namespace

int tell_around(Sitting& sitting, const OpenedExchange& opened) {
  int code = 0;
  if (opened.gossip_alarm) {
    if (!sitting.json())
      warn(opened.gossip_claimed
               ? "ALERTE : l'auteur affirme que le serveur lui a montré une autre file qu'à vous. Lui seul le dit."
               : "ALERTE : le contenu est authentique, mais le serveur a montré à son auteur un autre journal qu'à "
                 "vous.");
    code = report(sitting, *opened.gossip_alarm);
    report_if_anomaly(sitting, opened.exchange, *opened.gossip_alarm);
  }
  for (const Failure& warning : opened.warnings) code = std::max(code, report(sitting, warning));
  return code;
}

namespace {

/// What a rectification changes, by opening what it corrects as well, for the same motif. Nothing for what corrects
/// nothing. Errors: of that opening, which keep nothing else from being shown.
Outcome<std::optional<std::vector<protocol::FormChange>>> changes_in(Sitting& sitting, const OpenedExchange& opened,
                                                                     const OpenOptions& options, int& code) {
  using Changes = std::optional<std::vector<protocol::FormChange>>;
  if (!opened.form || opened.form->kind() != protocol::Kind::rectification) return Changes();
  auto session = sitting.session();
  if (!session) return session.error();
  auto corrected = open_corrected(**session, opened, options);
  if (!corrected) {
    report_if_anomaly(sitting, *opened.form->named_exchange(), corrected.error());
    return corrected.error();
  }
  code = std::max(code, tell_around(sitting, corrected->before));
  return Changes(std::move(corrected->changes));
}

std::string to_json(const std::vector<protocol::FormChange>& changes) {
  auto out = nlohmann::ordered_json::array();
  for (const protocol::FormChange& change : changes) {
    nlohmann::ordered_json one = {{"field", change.field}, {"before", nullptr}, {"after", nullptr}};
    if (change.before) one["before"] = protocol::printable(*change.before, protocol::Newlines::keep);
    if (change.after) one["after"] = protocol::printable(*change.after, protocol::Newlines::keep);
    out.push_back(std::move(one));
  }
  return out.dump();
}

int open_one(Sitting& sitting, const protocol::ExchangeId& named, const OpenOptions& options,
             const std::optional<fs::path>& out, VerbLinks& links) {
  // Asked for anew each time: reporting an anomaly may have ended the one before.
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  auto leads_to = opens((*session)->profile(), named);
  if (!leads_to) return report(sitting, leads_to.error());
  const protocol::ExchangeId id = *leads_to;
  auto opened = open_exchange(**session, id, options);
  if (!opened) {
    report_if_anomaly(sitting, id, opened.error());
    return report(sitting, opened.error());
  }
  // Before what may end the session.
  const bool is_secretariat = sees_link_hints(**session);
  auto hints = links.note(**session, *opened);
  int code = tell_around(sitting, *opened);
  if (!hints) code = std::max(code, report(sitting, hints.error()));
  auto changes = changes_in(sitting, *opened, options, code);
  // To the maire in person: what is given him is read, and not kept.
  const bool in_person = opened->content.way_in && protocol::is_party_queue(opened->content.way_in->queue);
  std::vector<std::string> written;
  if (out && in_person) {
    code = std::max(
        code, usage_error(sitting, "une information remise en personne ne s'enregistre pas ; rien n'a été écrit"));
  } else if (out) {
    auto files = write_out(*opened, *out);
    if (!files)
      code = std::max(code, report(sitting, files.error()));
    else
      written = std::move(*files);
  }
  const protocol::Address& address = opened->content.address;
  const Digest case_id = opened->case_id;
  const std::optional<protocol::Address>& way_in = opened->content.way_in;
  const bool passed_on = way_in && way_in->queue != address.queue;
  const std::string& label = opened->content.sender_label;
  std::vector<protocol::Attachment> attachments = attachments_of(*opened);
  if (sitting.json()) {
    JsonObject line;
    line.text("exchange", to_hex(id)).text("case", to_hex(case_id));
    line.text("sender", address.sender).text("sender_label", label);
    line.text("sender_status", text_of(opened->sender_status));
    for (const auto& [name, value] : opened->content.address.attributes)
      if (in_person && name == "date") line.text("valid_until", value);
    if (passed_on) line.text("passed_on_by", way_in->sender).text("passed_on_to", way_in->queue);
    line.number("leaf", static_cast<std::int64_t>(opened->opening.receipt.index.value));
    if (opened->form)
      line.raw("form", opened->form->to_json());
    else
      line.null("form");
    if (!changes)
      line.null("changes").text("changes_error", code_text(changes.error()));
    else if (*changes)
      line.raw("changes", to_json(**changes));
    std::vector<std::string> names;
    for (const auto& attachment : attachments) names.push_back(attachment.name);
    line.texts("attachments", names);
    if (out) line.texts("files", written);
    if (hints && is_secretariat) line.raw("links", links_json(*hints, case_id));
    line.print();
    return code;
  }
  say("──── " + short_id(id) + " — de " + address.sender + french(opened->sender_status) +
      (label.empty() ? "" : ", " + protocol::printable(label)) + ", " + paris_minute(address.created_at) + " ────");
  if (case_id != Digest{} && case_id != id) say("Dossier " + short_id(case_id));
  if (in_person) {
    say("Remise en personne par " + way_in->sender + ", sous la charte de confidentialité. Elle ne se transmet à");
    say("personne, pas même à vos collaborateurs, et ne se copie pas.");
    for (const auto& [name, value] : address.attributes)
      if (name == "date") say("Valable jusqu'au " + value + " : ensuite elle ne s'ouvre plus et s'efface.");
  } else if (passed_on)
    say("Transmis à " + way_in->queue + " par " + way_in->sender + ".");
  say(opened->form ? opened->form->to_french_text()
                   : "(cet envoi ne porte pas de formulaire lisible par cette version)");
  if (opened->form && opened->form->kind() == protocol::Kind::demande_de_complement) {
    const bool consent = opened->form->to_json().find("accord_de_transmission") != std::string::npos;
    say("Pour répondre : pli case " +
        (consent ? "agree " + short_id(case_id) + " --opinion accord (ou refus)"
                 : "answer " + short_id(case_id) + " complement.json (à remplir : pli form show complement)"));
  }
  if (!changes) {
    warn("Ce qui change n'est pas montré : l'envoi corrigé n'a pas pu être ouvert.");
    (void)report(sitting, changes.error());
  } else if (*changes) {
    say(protocol::to_french_text(**changes));
    say("L'envoi corrigé a été ouvert aussi, pour le même motif ; cette ouverture est inscrite au journal.");
  }
  for (const auto& attachment : attachments)
    say("Pièce jointe : " + protocol::printable(attachment.name) + " (" + std::to_string(attachment.bytes.size()) +
        (out ? " octets)" : " octets ; --out DOSSIER --motif extraction pour l'enregistrer)"));
  for (const std::string& file : written) say("  écrit : " + protocol::printable(file));
  if (hints) say_links(*hints, case_id);
  say("Cette ouverture est inscrite au journal, à la place " + std::to_string(opened->opening.receipt.index.value) +
      ".");
  return code;
}

int open(Sitting& sitting, const OpenVerbOptions& options) {
  std::string list;
  for (protocol::Motif motif : protocol::all_motifs())
    list += "\n    " + std::string(protocol::text_of(motif)) + " — " + std::string(protocol::french(motif));
  auto motif = protocol::motif_of(options.motif);
  if (!motif) return usage_error(sitting, "il faut dire pourquoi vous ouvrez : --motif, l'un de" + list);
  if (options.out && *motif != protocol::Motif::extraction)
    return usage_error(sitting,
                       "enregistrer sur le disque demande le motif d'extraction : --motif extraction --out DOSSIER");
  auto note = text_or_input(options.note, protocol::note_text_bytes_max);
  if (!note || note->size() > protocol::note_text_bytes_max)
    return usage_error(sitting, "la note dépasse 508 octets, ou ne peut pas être lue");
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  Inbox box(**session);
  auto fresh = box.look();
  if (!fresh) return report(sitting, fresh.error());
  int code = report_alarms_seen(sitting, fresh->alarms);  // one queue withheld does not keep the others shut
  VerbLinks links;
  for (const std::string& text : options.ids) {
    auto id = resolve_known(sitting, text);
    code =
        std::max(code, id ? open_one(sitting, *id, {*motif, *note}, options.out, links) : report(sitting, id.error()));
  }
  present_again(sitting);  // a decision that was lost may have waited for this reading
  return code;
}

/// Only what was displayed: a version that came in meanwhile is shown by the next `pli inbox`.
int acknowledge_directory(Sitting& sitting) {
  auto profile = sitting.profile();
  if (!profile) return report(sitting, profile.error());
  const DirectoryNumber number = shown_up_to(**profile);
  if (number.value != 0)
    if (auto done = (*profile)->store().acknowledge_directory_changes(number); !done)
      return report(sitting, local(LocalCode::local_store, done.error()));
  auto rest = (*profile)->store().directory_changes();
  if (!rest) return report(sitting, local(LocalCode::local_store, rest.error()));
  if (sitting.json()) {
    JsonObject()
        .number("directory_acknowledged", static_cast<std::int64_t>(number.value))
        .number("changes_not_shown", static_cast<std::int64_t>(rest->size()))
        .print();
    return 0;
  }
  if (number.value != 0) say("Changements de l'annuaire vus jusqu'au n° " + std::to_string(number.value) + ".");
  if (!rest->empty())
    say(std::to_string(rest->size()) + " changement(s) n'ont pas encore été affichés : pli inbox.");
  else if (number.value == 0)
    say("Aucun changement de l'annuaire n'attend.");
  return 0;
}

int acknowledge_alarms_seen(Sitting& sitting) {
  auto profile = sitting.profile();
  if (!profile) return report(sitting, profile.error());
  if (auto done = acknowledge_alarms(**profile); !done) return report(sitting, done.error());
  if (!sitting.json()) say("Les alertes sont lues ; leurs preuves restent dans le dossier evidence.");
  return 0;
}

int acknowledge(Sitting& sitting, const std::vector<std::string>& texts, bool directory, bool alarms) {
  if (texts.empty() && !directory && !alarms)
    return usage_error(sitting, "indiquez un numéro, --directory ou --alarms");
  int code = directory ? acknowledge_directory(sitting) : 0;
  if (alarms) code = std::max(code, acknowledge_alarms_seen(sitting));
  if (texts.empty()) return code;
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  auto ids = known_ids((*session)->profile());
  if (!ids) return report(sitting, ids.error());
  Inbox box(**session);
  for (const std::string& text : texts) {
    auto id = resolve_id(text, *ids);
    if (!id) {
      code = std::max(code, report(sitting, id.error()));
      continue;
    }
    auto done = box.acknowledge(*id);
    if (!done && is(done.error(), LocalCode::usage))
      code = std::max(code, usage_error(sitting, "ce numéro n'est dans aucune de vos files : pli inbox"));
    else if (!done)
      code = std::max(code, report(sitting, done.error()));
    else if (sitting.json())
      JsonObject().text("exchange", to_hex(*id)).boolean("acknowledged", true).print();
    else
      say("Tout est traité jusqu'à " + short_id(*id) + ".");
  }
  return code;
}

}  // namespace

void report_if_anomaly(Sitting& sitting, const protocol::ExchangeId& id, const Failure& failure) {
  if (!is_anomaly(failure)) return;
  auto session = sitting.session();
  if (!session) {
    (void)report(sitting, session.error());
    return;
  }
  Outbox outbox((*session)->profile(), sitting.clock());
  auto put = report_anomaly(outbox, **session, id, failure);
  if (!put) {
    (void)report(sitting, put.error());
    return;
  }
  if (!sitting.json()) warn("Un rapport d'anomalie est adressé aux auditeurs.");
  (void)flush_outbox(sitting, put->id);
}

void add_inbox(CLI::App& app, Sitting& sitting, Verdict& verdict) {
  struct Options {
    bool follow = false;
    bool fresh = false;
    std::int64_t idle = 0;
  };
  auto options = std::make_shared<Options>();
  auto* verb = app.add_subcommand("inbox", "Ce qui est arrivé dans vos files : des en-têtes, rien n'est encore lu");
  verb->footer("Exemple : pli inbox --follow");
  verb->add_flag("--follow", options->follow, "Rester et afficher les arrivées");
  verb->add_flag("--new", options->fresh, "Seulement ce qui est arrivé depuis la dernière fois");
  verb->add_option("--idle", options->idle, "Avec --follow : s'arrêter après tant de secondes sans arrivée");
  verb->callback([&sitting, &verdict, options] {
    verdict.exit_code = inbox(sitting, options->follow, options->fresh, options->idle);
  });
}

void add_open(CLI::App& app, Sitting& sitting, Verdict& verdict) {
  auto options = std::make_shared<OpenVerbOptions>();
  auto* verb =
      app.add_subcommand("open", "Ouvrir pour un motif ; l'ouverture est inscrite au journal avant toute lecture");
  verb->footer(
      "Exemple : pli open 3f9a2c71 --motif evaluation --note \"séance du 3 décembre\"\n"
      "La note, 508 octets au plus, n'est lisible que des auditeurs. N'y nommez personne. Avec --note - elle est lue "
      "sur\n"
      "l'entrée standard, hors de vue des autres utilisateurs de la machine.");
  verb->add_option("id", options->ids, "Numéros (8 caractères au moins)")->required();
  verb->add_option("--motif", options->motif, "Motif, dans la liste fermée");
  verb->add_option("--note", options->note, "Précision pour les auditeurs, ou - pour l'entrée standard");
  verb->add_option("--out", options->out, "Enregistrer le formulaire et ses pièces dans ce dossier (motif extraction)");
  verb->callback([&sitting, &verdict, options] { verdict.exit_code = open(sitting, *options); });
}

void add_ack(CLI::App& app, Sitting& sitting, Verdict& verdict) {
  auto ids = std::make_shared<std::vector<std::string>>();
  auto directory = std::make_shared<bool>(false);
  auto alarms = std::make_shared<bool>(false);
  auto* verb = app.add_subcommand("ack", "Dire que tout est traité jusqu'à ce numéro");
  verb->footer("Exemple : pli ack 3f9a2c71");
  verb->add_option("id", *ids, "Numéros (8 caractères au moins)");
  verb->add_flag("--directory", *directory, "Ne plus afficher les changements de l'annuaire déjà vus");
  verb->add_flag("--alarms", *alarms, "Ne plus répéter les alertes déjà lues");
  verb->callback([&sitting, &verdict, ids, directory, alarms] {
    verdict.exit_code = acknowledge(sitting, *ids, *directory, *alarms);
  });
}

}  // namespace pli::client::command
