// pli identity new|card|show|accept
#include <CLI/CLI.hpp>

#include "base/file.hpp"
#include "client/command/passphrase.hpp"
#include "client/command/program.hpp"
#include "client/command/screen.hpp"
#include "client/command/sitting.hpp"
#include "crypto/age_open.hpp"
#include "crypto/bech32.hpp"
#include "protocol/card.hpp"
#include "protocol/limits.hpp"

namespace pli::client::command {
namespace {

using protocol::LocalCode;

int make_identity(Sitting& sitting, int work_factor) {
  auto profile = sitting.profile();
  if (!profile) return report(sitting, profile.error());
  if ((*profile)->has_identity())
    return usage_error(sitting, "ce profil a déjà une identité ; choisissez un autre dossier avec --home");
  auto passphrase = read_new_passphrase(sitting.options().passphrase_file, "Choisissez une phrase de passe : ");
  if (!passphrase) return report(sitting, passphrase.error());
  auto identity = crypto::Identity::generate();
  if (auto kept = (*profile)->write_identity(identity, *passphrase, work_factor); !kept)
    return report(sitting, kept.error());
  if (sitting.json()) {
    JsonObject()
        .text("home", (*profile)->folder().string())
        .text("recipient", crypto::to_recipient_text(identity.public_identity().age))
        .print();
    return 0;
  }
  say("Identité créée dans " + (*profile)->folder().string() + ".");
  say("Sans sa phrase de passe, personne ne peut la rouvrir, pas même la préfecture : gardez-la en lieu sûr.");
  say("Ensuite : pli identity card > ma-carte.txt, remettez ce fichier à la préfecture et lisez-lui l'empreinte.");
  return 0;
}

int show_card(Sitting& sitting) {
  auto keys = sitting.keys();
  if (!keys) return report(sitting, keys.error());
  const crypto::Identity* renews = (*keys)->former.empty() ? nullptr : &(*keys)->former.back();
  std::string text = to_text(protocol::make_card((*keys)->current, sitting.clock().now(), renews));
  std::string print = protocol::fingerprint(text);
  if (sitting.json()) {
    JsonObject().text("card", text).text("fingerprint", print).print();
    return 0;
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
  warn("Empreinte à lire à voix haute : " + print);
  return 0;
}

int show_identity(Sitting& sitting) {
  auto profile = sitting.profile();
  if (!profile) return report(sitting, profile.error());
  auto invitation = (*profile)->invitation();
  bool known = static_cast<bool>(invitation);
  if (sitting.json()) {
    JsonObject out;
    out.text("home", (*profile)->folder().string()).boolean("identity", (*profile)->has_identity());
    if (known)
      out.text("member", invitation->member)
          .text("contract", invitation->contract)
          .text("endpoint", invitation->endpoint)
          .text("log", invitation->log);
    out.print();
    return 0;
  }
  say("Profil      " + (*profile)->folder().string());
  say((*profile)->has_identity() ? "Identité    présente" : "Identité    aucune : pli identity new");
  if (!known) {
    say("Invitation  aucune : pli identity accept FICHIER");
    return 0;
  }
  say("Membre      " + invitation->member);
  say("Contrat     " + invitation->contract);
  say("Serveur     " + invitation->endpoint);
  say("Journal     " + invitation->log);
  return 0;
}

int accept(Sitting& sitting, const std::filesystem::path& file) {
  auto profile = sitting.profile();
  if (!profile) return report(sitting, profile.error());
  auto bytes = read_file(file, protocol::invitation_bytes_max);
  if (!bytes) return report(sitting, local(LocalCode::no_invitation, bytes.error()));
  std::string text(as_text(*bytes));
  if (auto kept = (*profile)->accept_invitation(text); !kept) return report(sitting, kept.error());
  std::string print = protocol::fingerprint(text);
  if (sitting.json()) {
    JsonObject().text("fingerprint", print).print();
    return 0;
  }
  say("Invitation acceptée.");
  say("Comparez cette empreinte, à voix haute, avec celle de la préfecture : " + print);
  say("Si elle diffère, n'envoyez rien et prévenez votre interlocuteur à la préfecture.");
  return 0;
}

}  // namespace

void add_identity(CLI::App& app, Sitting& sitting, Verdict& verdict) {
  auto* group = app.add_subcommand("identity", "Votre identité : la créer, remettre sa carte, accepter une invitation");
  group->require_subcommand(1);
  group->footer("Exemple : pli identity new, puis pli identity card > ma-carte.txt");

  auto work_factor = std::make_shared<int>(crypto::opening::scrypt_work_factor_default);
  auto* fresh = group->add_subcommand("new", "Créer une identité sous une phrase de passe");
  fresh->footer("Exemple : pli identity new");
  fresh->add_option("--work-factor", *work_factor, "Coût de la phrase de passe (18 ; moins seulement pour des essais)")
      ->check(CLI::Range(1, 20));
  fresh->callback([&sitting, &verdict, work_factor] { verdict.exit_code = make_identity(sitting, *work_factor); });

  auto* card = group->add_subcommand("card", "Écrire sa carte d'enrôlement (aucun secret)");
  card->footer("Exemple : pli identity card > ma-carte.txt");
  card->callback([&sitting, &verdict] { verdict.exit_code = show_card(sitting); });

  auto* show = group->add_subcommand("show", "Montrer le profil : membre, contrat, serveur");
  show->footer("Exemple : pli identity show --json");
  show->callback([&sitting, &verdict] { verdict.exit_code = show_identity(sitting); });

  auto file = std::make_shared<std::filesystem::path>();
  auto* take = group->add_subcommand("accept", "Accepter l'invitation reçue de la préfecture");
  take->footer("Exemple : pli identity accept invitation.txt");
  take->add_option("file", *file, "Fichier d'invitation")->required();
  take->callback([&sitting, &verdict, file] { verdict.exit_code = accept(sitting, *file); });
}

}  // namespace pli::client::command
