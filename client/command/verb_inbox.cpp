// pli inbox, pli open, pli ack
#include <CLI/CLI.hpp>

#include "base/file.hpp"
#include "client/anomaly.hpp"
#include "client/client_store.hpp"
#include "client/command/outbox_screen.hpp"
#include "client/command/program.hpp"
#include "client/command/screen.hpp"
#include "client/command/sitting.hpp"
#include "client/inbox.hpp"
#include "client/open_exchange.hpp"
#include "protocol/limits.hpp"
#include "protocol/printable.hpp"

namespace pli::client::command {
namespace {

namespace fs = std::filesystem;
using protocol::LocalCode;

std::vector<std::string> row_for(const InboxItem& item) {
  if (!item.visible)
    return {item.queue,
            std::to_string(item.head.number.value),
            short_id(item.exchange),
            "(ne vous est pas adressé)",
            "",
            "",
            "",
            ""};
  const auto* row = protocol::row_of_number(item.address.kind);
  bool urgent = item.address.urgency == static_cast<std::uint8_t>(protocol::Urgency::urgente);
  return {item.queue,
          std::to_string(item.head.number.value),
          short_id(item.exchange),
          row != nullptr ? std::string(row->french) : "?",
          urgent ? "URGENT" : "",
          item.address.sender + (item.sender_proven ? "" : " (non prouvé)"),
          local_time(item.accepted_at),
          item.opened ? "ouvert" : ""};
}

const std::vector<Column> inbox_columns = {{"File"},    {"N°"}, {"Numéro"},  {"Nature"},
                                           {"Urgence"}, {"De"}, {"Reçu le"}, {""}};

/// Members see changes of their instances until they acknowledge them (design §4).
void show_directory_changes(Sitting& sitting, const Profile& profile) {
  auto changes = profile.store().directory_changes();
  if (!changes || changes->empty() || sitting.json()) return;
  warn("L'annuaire a changé depuis votre dernier accord (pli ack --directory pour ne plus l'afficher) :");
  for (const DirectoryChange& change : *changes) {
    const char* what = change.what == DirectoryChange::What::appeared  ? "ajouté"
                       : change.what == DirectoryChange::What::revoked ? "révoqué"
                       : change.what == DirectoryChange::What::gone    ? "retiré de votre vue"
                                                                       : "modifié";
    warn("  n° " + std::to_string(change.number.value) + " : " + std::string(text_of(change.type)) + " " +
         protocol::printable(change.id) + " " + what);
  }
}

int inbox(Sitting& sitting, bool follow, bool fresh_only, std::int64_t idle_seconds) {
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  Inbox box(**session);
  auto fresh = box.refresh();
  if (!fresh) return report(sitting, fresh.error());
  const Profile& profile = (*session)->profile();
  std::vector<InboxItem> items = *fresh;
  if (!fresh_only) {
    auto all = received(profile);
    if (!all) return report(sitting, all.error());
    items = std::move(*all);
  }
  std::vector<std::vector<std::string>> rows;
  for (const InboxItem& item : items) {
    if (sitting.json())
      to_json(item).print();
    else
      rows.push_back(row_for(item));
  }
  print_table(inbox_columns, rows);
  if (rows.empty() && !sitting.json()) say("Rien de nouveau.");
  show_directory_changes(sitting, profile);
  if ((*session)->directory().expires_soon_at(sitting.clock().now()) && !sitting.json())
    warn("L'annuaire expire le " + local_time((*session)->directory().not_after()) +
         " : la préfecture doit en publier une nouvelle version.");
  if (!follow) return 0;
  if (!sitting.json()) say("En attente de nouveaux envois (Ctrl-C pour arrêter)…");
  auto ended = box.follow(
      [&](const InboxItem& item) {
        if (sitting.json()) {
          to_json(item).print();
        } else {
          auto row = row_for(item);
          std::string line;
          for (const std::string& cell : row) line += (line.empty() ? "" : "  ") + cell;
          say(line);
        }
        return true;
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

int write_out(Sitting& sitting, const OpenedExchange& opened, const fs::path& folder) {
  if (auto made = create_private_folder(folder); !made)
    return report(sitting, local(LocalCode::local_store, made.error()));
  std::string stem = short_id(opened.exchange);
  std::vector<std::pair<std::string, ByteView>> files;
  std::string json = opened.form ? opened.form->to_json() : "{}";
  files.emplace_back(stem + ".json", as_bytes(json));
  const std::vector<protocol::Attachment> attachments = attachments_of(opened);
  for (const auto& attachment : attachments) files.emplace_back(stem + "-" + attachment.name, attachment.bytes);
  for (const auto& [name, bytes] : files) {
    if (auto written = write_file_durably(folder / name, bytes, FileMode::owner_only); !written)
      return report(sitting, local(LocalCode::local_store, written.error()));
    if (!sitting.json()) say("  écrit : " + (folder / name).string());
  }
  return 0;
}

/// What cannot be believed is not only refused: it is reported to the auditors as an act (decision 4).
void report_if_anomaly(Sitting& sitting, Session& session, const protocol::ExchangeId& id, const Failure& failure) {
  if (!is_anomaly(failure)) return;
  Outbox outbox(session.profile(), sitting.clock());
  auto put = report_anomaly(outbox, session, id, failure);
  if (!put) {
    (void)report(sitting, put.error());
    return;
  }
  if (!sitting.json()) warn("Un rapport d'anomalie est adressé aux auditeurs.");
  (void)flush_outbox(sitting, put->id);
}

int open_one(Sitting& sitting, Session& session, const protocol::ExchangeId& id, const OpenOptions& options,
             const std::optional<fs::path>& out) {
  auto opened = open_exchange(session, id, options);
  if (!opened) {
    int code = report(sitting, opened.error());
    report_if_anomaly(sitting, session, id, opened.error());
    return code;
  }
  int code = 0;
  if (opened->gossip_alarm) {
    if (!sitting.json())
      warn("ALERTE : le contenu est authentique, mais le serveur a montré à son auteur un autre journal qu'à vous.");
    code = report(sitting, *opened->gossip_alarm);
    report_if_anomaly(sitting, session, id, *opened->gossip_alarm);
  }
  const protocol::Address& address = opened->content.address;
  const std::string& label = opened->content.sender_label;
  std::vector<protocol::Attachment> attachments = attachments_of(*opened);
  if (sitting.json()) {
    JsonObject line;
    line.text("exchange", to_hex(id)).text("case", to_hex(address.case_id == Digest{} ? id : address.case_id));
    line.text("sender", address.sender).text("sender_label", label);
    line.number("leaf", static_cast<std::int64_t>(opened->opening.receipt.index.value));
    if (opened->form)
      line.raw("form", opened->form->to_json());
    else
      line.null("form");
    std::vector<std::string> names;
    for (const auto& attachment : attachments) names.push_back(attachment.name);
    line.texts("attachments", names).print();
  } else {
    say("──── " + short_id(id) + " — de " + address.sender + (label.empty() ? "" : ", " + protocol::printable(label)) +
        ", " + local_time(address.created_at) + " ────");
    say(opened->form ? opened->form->to_french_text()
                     : "(cet envoi ne porte pas de formulaire lisible par cette version)");
    for (const auto& attachment : attachments)
      say("Pièce jointe : " + protocol::printable(attachment.name) + " (" + std::to_string(attachment.bytes.size()) +
          " octets ; --out DOSSIER --motif extraction pour l'enregistrer)");
    say("Cette ouverture est inscrite au journal, à la place " + std::to_string(opened->opening.receipt.index.value) +
        ".");
  }
  if (out) code = std::max(code, write_out(sitting, *opened, *out));
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
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  Inbox box(**session);
  if (auto fresh = box.refresh(); !fresh) return report(sitting, fresh.error());
  auto ids = known_ids((*session)->profile());
  if (!ids) return report(sitting, ids.error());
  int code = 0;
  for (const std::string& text : options.ids) {
    auto id = resolve_id(text, *ids);
    code = std::max(code, id ? open_one(sitting, **session, *id, {*motif, options.note}, options.out)
                             : report(sitting, id.error()));
  }
  return code;
}

int acknowledge(Sitting& sitting, const std::vector<std::string>& texts, bool directory) {
  if (texts.empty() && !directory) return usage_error(sitting, "indiquez un numéro, ou --directory");
  auto session = sitting.session();
  if (!session) return report(sitting, session.error());
  if (directory) {
    auto number = (*session)->directory().number();
    if (auto done = (*session)->profile().store().acknowledge_directory_changes(number); !done)
      return report(sitting, local(LocalCode::local_store, done.error()));
    if (!sitting.json()) say("Changements de l'annuaire vus jusqu'au n° " + std::to_string(number.value) + ".");
  }
  auto ids = known_ids((*session)->profile());
  if (!ids) return report(sitting, ids.error());
  Inbox box(**session);
  int code = 0;
  for (const std::string& text : texts) {
    auto id = resolve_id(text, *ids);
    if (!id) {
      code = std::max(code, report(sitting, id.error()));
      continue;
    }
    auto done = box.acknowledge(*id);
    if (!done)
      code = std::max(code, report(sitting, done.error()));
    else if (!sitting.json())
      say("Tout est traité jusqu'à " + short_id(*id) + ".");
  }
  return code;
}

}  // namespace

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
      "La note, 508 octets au plus, n'est lisible que des auditeurs. N'y nommez personne.");
  verb->add_option("id", options->ids, "Numéros (8 caractères au moins)")->required();
  verb->add_option("--motif", options->motif, "Motif, dans la liste fermée");
  verb->add_option("--note", options->note, "Précision pour les auditeurs");
  verb->add_option("--out", options->out, "Enregistrer le formulaire et ses pièces dans ce dossier (motif extraction)");
  verb->callback([&sitting, &verdict, options] { verdict.exit_code = open(sitting, *options); });
}

void add_ack(CLI::App& app, Sitting& sitting, Verdict& verdict) {
  auto ids = std::make_shared<std::vector<std::string>>();
  auto directory = std::make_shared<bool>(false);
  auto* verb = app.add_subcommand("ack", "Dire que tout est traité jusqu'à ce numéro");
  verb->footer("Exemple : pli ack 3f9a2c71");
  verb->add_option("id", *ids, "Numéros (8 caractères au moins)");
  verb->add_flag("--directory", *directory, "Ne plus afficher les changements de l'annuaire déjà vus");
  verb->callback([&sitting, &verdict, ids, directory] { verdict.exit_code = acknowledge(sitting, *ids, *directory); });
}

}  // namespace pli::client::command
