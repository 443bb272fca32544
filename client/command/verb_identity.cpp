// pli identity new|card|show|accept
#include <CLI/CLI.hpp>
#include <system_error>

#include "audit/witness_policy.hpp"
#include "base/file.hpp"
#include "client/client_store.hpp"
#include "client/command/passphrase.hpp"
#include "client/command/program.hpp"
#include "client/command/screen.hpp"
#include "client/command/sitting.hpp"
#include "crypto/age_open.hpp"
#include "crypto/bech32.hpp"
#include "protocol/card.hpp"
#include "protocol/limits.hpp"
#include "protocol/printable.hpp"

namespace pli::client::command {
namespace {

using protocol::LocalCode;

namespace fs = std::filesystem;

fs::path card_path(const Profile& profile) { return profile.folder() / "card.txt"; }

/// The card handed over once and for all: its fingerprint is read aloud, so it must not change from one print to the
/// next. Errors: local_store.
Outcome<std::string> write_card(const Profile& profile, const Keys& keys, UnixMillis now) {
  const crypto::Identity* renews = keys.former.empty() ? nullptr : &keys.former.back();
  std::string text = to_text(protocol::make_card(keys.current, now, renews));
  if (auto kept = write_file_durably(card_path(profile), as_bytes(text), FileMode::owner_only); !kept)
    return local(LocalCode::local_store, kept.error());
  return text;
}

/// Nothing when there is none yet, or it cannot be read.
std::optional<std::string> kept_card(const Profile& profile) {
  auto bytes = read_file(card_path(profile), protocol::card_bytes_max);
  if (!bytes || !protocol::parse_card(as_text(*bytes))) return std::nullopt;
  return std::string(as_text(*bytes));
}

int say_made(const Sitting& sitting, const Profile& profile, const crypto::Identity& identity, bool renewed) {
  if (sitting.json()) {
    JsonObject()
        .text("home", profile.folder().string())
        .text("recipient", crypto::to_recipient_text(identity.public_identity().age))
        .boolean("renewed", renewed)
        .print();
    return 0;
  }
  if (renewed) {
    say("Clés renouvelées, sous la même phrase de passe. Les anciennes restent ici pour relire ce qu'elles ouvraient.");
    say("La nouvelle carte est signée par l'ancienne clé. Tant que la préfecture ne l'a pas inscrite et publiée, le");
    say("serveur ne vous connaît plus.");
  } else {
    say("Identité créée dans " + profile.folder().string() + ".");
    say("Sans sa phrase de passe, personne ne peut la rouvrir, pas même la préfecture : gardez-la en lieu sûr.");
  }
  say("Ensuite : pli identity card > ma-carte.txt, remettez ce fichier à la préfecture et lisez-lui l'empreinte.");
  return 0;
}

int make_identity(Sitting& sitting, int work_factor) {
  auto profile = sitting.profile();
  if (!profile) return report(sitting, profile.error());
  if ((*profile)->has_identity())
    return usage_error(sitting,
                       "ce profil a déjà une identité ; choisissez un autre dossier avec --home, ou renouvelez ses "
                       "clés avec --renew");
  auto passphrase = read_new_passphrase(sitting.options().passphrase_file, "Choisissez une phrase de passe : ");
  if (!passphrase) return report(sitting, passphrase.error());
  const Keys keys{crypto::Identity::generate(), {}};
  if (auto kept = (*profile)->write_identity(keys.current, *passphrase, work_factor); !kept)
    return report(sitting, kept.error());
  // By its keys an invitation is told to be somebody else's, without a passphrase.
  if (auto card = write_card(**profile, keys, sitting.clock().now()); !card) return report(sitting, card.error());
  return say_made(sitting, **profile, keys.current, false);
}

int renew_identity(Sitting& sitting, int work_factor, bool yes) {
  auto profile = sitting.profile();
  if (!profile) return report(sitting, profile.error());
  if (!(*profile)->has_identity()) return report(sitting, Failure(LocalCode::no_identity, ""));
  if (!yes) {
    warn("De nouvelles clés remplaceront les vôtres dès maintenant : le serveur ne vous connaîtra plus tant que la");
    warn("préfecture n'aura pas inscrit et publié la nouvelle carte. Convenez-en avec elle d'abord.");
    switch (confirm("Renouveler les clés maintenant ? [o/N] ")) {
      case Answer::yes: break;
      case Answer::no: return usage_error(sitting, "clés non renouvelées ; rien n'a changé");
      case Answer::nobody: return report(sitting, Failure(LocalCode::no_terminal, "--yes once it was agreed"));
    }
  }
  auto passphrase = read_passphrase(sitting.options().passphrase_file, "Phrase de passe : ");
  if (!passphrase) return report(sitting, passphrase.error());
  auto keys = (*profile)->unlock(*passphrase);
  if (!keys) return report(sitting, keys.error());
  auto identity = crypto::Identity::generate();
  // The old card first: a stop in between leaves none, and `identity card` makes the one that is due.
  std::error_code ignored;
  fs::remove(card_path(**profile), ignored);
  if (auto kept = (*profile)->replace_identity(identity, *passphrase, work_factor); !kept)
    return report(sitting, kept.error());
  keys->former.push_back(std::move(keys->current));
  keys->current = std::move(identity);
  if (auto card = write_card(**profile, *keys, sitting.clock().now()); !card) return report(sitting, card.error());
  sitting.lock();
  return say_made(sitting, **profile, keys->current, true);
}

int show_card(Sitting& sitting) {
  auto profile = sitting.profile();
  if (!profile) return report(sitting, profile.error());
  std::optional<std::string> text = (*profile)->has_identity() ? kept_card(**profile) : std::nullopt;
  if (!text) {
    auto keys = sitting.keys();
    if (!keys) return report(sitting, keys.error());
    auto written = write_card(**profile, **keys, sitting.clock().now());
    if (!written) return report(sitting, written.error());
    text = std::move(*written);
  }
  std::string print = protocol::fingerprint(*text);
  if (sitting.json()) {
    JsonObject().text("card", *text).text("fingerprint", print).print();
    return 0;
  }
  std::fwrite(text->data(), 1, text->size(), stdout);
  warn("Empreinte à lire à voix haute : " + print);
  return 0;
}

/// The text as it was accepted, whose fingerprint was read aloud.
std::optional<std::string> kept_invitation(const Profile& profile) {
  auto bytes = read_file(profile.folder() / "invitation.txt", protocol::invitation_bytes_max);
  if (!bytes) return std::nullopt;
  return std::string(as_text(*bytes));
}

/// Who has to confirm the log, by name.
std::string witnesses_of(const protocol::Invitation& invitation) {
  auto policy = audit::WitnessPolicy::parse(invitation.witnesses);
  if (invitation.witnesses.empty() || !policy) return "aucun : le journal n'est confirmé que par le serveur";
  std::string out;
  for (const auto& witness : policy->witnesses())
    out += (out.empty() ? "" : ", ") + protocol::printable(witness.name) + " (" + witness.key.name + ")";
  return out + (policy->demands_witnesses() ? "" : " ; aucun n'est exigé");
}

int show_identity(Sitting& sitting) {
  auto profile = sitting.profile();
  if (!profile) return report(sitting, profile.error());
  auto invitation = (*profile)->invitation();
  bool known = static_cast<bool>(invitation);
  bool has_identity = (*profile)->has_identity();
  std::optional<std::string> card = has_identity ? kept_card(**profile) : std::nullopt;
  std::optional<std::string> accepted = known ? kept_invitation(**profile) : std::nullopt;
  if (sitting.json()) {
    JsonObject out;
    out.text("home", (*profile)->folder().string()).boolean("identity", has_identity);
    if (card) out.text("card_fingerprint", protocol::fingerprint(*card));
    if (known)
      out.text("member", invitation->member)
          .text("contract", invitation->contract)
          .text("endpoint", invitation->endpoint)
          .text("log", invitation->log);
    if (accepted) out.text("invitation_fingerprint", protocol::fingerprint(*accepted));
    out.print();
    return 0;
  }
  say("Profil      " + (*profile)->folder().string());
  say(has_identity ? "Identité    présente" : "Identité    aucune : pli identity new");
  if (has_identity)
    say("Carte       " +
        (card ? "empreinte " + protocol::fingerprint(*card) : "pas encore écrite : pli identity card"));
  if (!known) {
    say("Invitation  aucune : pli identity accept FICHIER");
    return 0;
  }
  say("Membre      " + invitation->member);
  say("Contrat     " + invitation->contract);
  say("Serveur     " + invitation->endpoint);
  say("Journal     " + invitation->log);
  say("Témoins     " + witnesses_of(*invitation));
  if (accepted) say("Invitation  empreinte " + protocol::fingerprint(*accepted));
  return 0;
}

struct AcceptOptions {
  fs::path file;
  std::string digits;
  bool yes = false;
  bool replace = false;
};

std::string digits_of(std::string_view text) {
  std::string out;
  for (char c : text)
    if (c >= '0' && c <= '9') out += c;
  return out;
}

std::string authorities_of(const protocol::Invitation& invitation) {
  std::string out = std::to_string(invitation.authorities.threshold) + " sur " +
                    std::to_string(invitation.authorities.keys.size()) + " :";
  for (const audit::VerifierKey& key : invitation.authorities.keys) out += " " + key.name;
  return out;
}

/// Whether it answers a card that is not this profile's, nor the one that card renews. Unknown without a card or in an
/// invitation that names none: then the broker tells, at the first connection.
bool is_for_other_keys(const Profile& profile, const protocol::Invitation& invitation) {
  const auto text = profile.has_identity() ? kept_card(profile) : std::nullopt;
  if (!text || !invitation.sign) return false;
  const auto card = protocol::parse_card(*text);
  return card && card->keys.sign != *invitation.sign && card->renews != invitation.sign;
}

/// What an invitation would make this machine trust, and what that changes.
void show_invitation(const protocol::Invitation& invitation, const protocol::Invitation* before) {
  const auto line = [&](const char* title, const std::string& now, const std::string& then, bool differs) {
    warn(std::string("  ") + title + now + (differs ? "   (avant : " + then + ")" : ""));
  };
  const auto text = [&](const char* title, const std::string& now, const std::string* then) {
    line(title, now, then == nullptr ? "" : *then, then != nullptr && *then != now);
  };
  warn(before == nullptr ? "Cette invitation dit :" : "Cette invitation remplacerait la vôtre ; elle dit :");
  text("Contrat    ", invitation.contract, before == nullptr ? nullptr : &before->contract);
  text("Membre     ", invitation.member, before == nullptr ? nullptr : &before->member);
  text("Serveur    ", invitation.endpoint, before == nullptr ? nullptr : &before->endpoint);
  text("Journal    ", invitation.log, before == nullptr ? nullptr : &before->log);
  line("Autorités  ", authorities_of(invitation), before == nullptr ? "" : authorities_of(*before),
       before != nullptr && !(before->authorities == invitation.authorities));
  line("Témoins    ", witnesses_of(invitation), before == nullptr ? "" : witnesses_of(*before),
       before != nullptr && before->witnesses != invitation.witnesses);
  if (before == nullptr && !invitation.sign)
    warn("  Si « " + invitation.member +
         " » n'est pas vous, n'acceptez pas : elle ne dit pas pour quelles clés elle est faite.");
  if (before != nullptr && before->broker != invitation.broker) warn("  La clé du serveur change.");
  if (before != nullptr && before->log_key != invitation.log_key) warn("  La clé du journal change.");
}

/// Nothing once the digits were compared; else what to exit with.
std::optional<int> compare_digits(const Sitting& sitting, const AcceptOptions& options, const std::string& print) {
  if (options.yes) return std::nullopt;
  if (!options.digits.empty()) return std::nullopt;  // compared, or we would not be here
  warn("  Empreinte  " + print);
  switch (confirm("La préfecture vous a-t-elle lu ces chiffres, de vive voix ? [o/N] ")) {
    case Answer::yes: return std::nullopt;
    case Answer::no: return usage_error(sitting, "invitation non confirmée ; rien n'a changé");
    case Answer::nobody: break;
  }
  return report(sitting, Failure(LocalCode::no_terminal, "--empreinte DIGITS, or --yes after comparing them"));
}

/// What was verified under another contract's log would contradict this one's: it is set aside, not mixed.
Outcome<void> set_aside(Sitting& sitting, Profile& profile, const protocol::Invitation& before) {
  auto sent = profile.store().outbox();
  if (!sent) return local(LocalCode::local_store, sent.error());
  for (const OutboxItem& item : *sent)
    if (!is_receipted(item.state) && item.state != OutboxState::refused)
      return Failure(LocalCode::queued, "something still waits in the outbox");
  const fs::path folder = profile.folder();
  const std::string stem = before.contract + "-" + std::to_string(sitting.clock().now().value);
  sitting.close_profile();
  std::error_code failed;
  for (const char* name : {"invitation.txt", "state.db", "state.db-wal", "state.db-shm"}) {
    if (!fs::exists(folder / name, failed)) continue;
    fs::rename(folder / name, folder / "former" / (stem + "-" + name), failed);
    if (failed) return Failure(LocalCode::local_store, "the former contract's files cannot be set aside");
  }
  return {};
}

int accept(Sitting& sitting, const AcceptOptions& options) {
  auto profile = sitting.profile();
  if (!profile) return report(sitting, profile.error());
  auto bytes = read_file(options.file, protocol::invitation_bytes_max);
  if (!bytes) return report_file(sitting, options.file, bytes.error(), LocalCode::no_invitation);
  std::string text(as_text(*bytes));
  auto invitation = protocol::parse_invitation(text);
  if (!invitation) return report(sitting, local(LocalCode::no_invitation, invitation.error()));
  std::string print = protocol::fingerprint(text);

  if (is_for_other_keys(**profile, *invitation))
    return report(sitting, Failure(LocalCode::invitation_other_keys, invitation->member));
  auto before = (*profile)->invitation();
  const bool somebody_else = before && before->member != invitation->member;
  const bool other = before && (somebody_else || before->contract != invitation->contract ||
                                before->log != invitation->log || before->log_key != invitation->log_key);
  if (somebody_else && before->contract == invitation->contract && !options.replace)
    return usage_error(sitting, "cette invitation est celle de « " + invitation->member +
                                    " », et ce profil celui de « " + before->member +
                                    " » : demandez la vôtre, ou prenez un autre dossier avec --home");
  if (other && !options.replace)
    return report(sitting, Failure(LocalCode::invitation_other_contract, before->contract));
  if (!options.digits.empty() && digits_of(options.digits) != digits_of(print))
    return report(sitting, Failure(LocalCode::fingerprint_differs, "the file's own digits are " + print));
  if (!before || *before != *invitation) {
    show_invitation(*invitation, before ? &*before : nullptr);
    if (auto refused = compare_digits(sitting, options, print)) return *refused;
    if (other) {
      if (auto aside = set_aside(sitting, **profile, *before); !aside) return report(sitting, aside.error());
      profile = sitting.profile();
      if (!profile) return report(sitting, profile.error());
    }
    if (auto kept = (*profile)->accept_invitation(text); !kept) return report(sitting, kept.error());
  }
  if (sitting.json()) {
    JsonObject()
        .text("contract", invitation->contract)
        .text("member", invitation->member)
        .text("endpoint", invitation->endpoint)
        .text("fingerprint", print)
        .print();
    return 0;
  }
  say("Invitation acceptée : vous êtes " + invitation->member + " (" + print + ").");
  return 0;
}

}  // namespace

void add_identity(CLI::App& app, Sitting& sitting, Verdict& verdict) {
  auto* group = app.add_subcommand("identity", "Votre identité : la créer, remettre sa carte, accepter une invitation");
  group->require_subcommand(1);
  group->footer("Exemple : pli identity new, puis pli identity card > ma-carte.txt");

  auto work_factor = std::make_shared<int>(crypto::opening::scrypt_work_factor_default);
  auto renew = std::make_shared<bool>(false);
  auto agreed = std::make_shared<bool>(false);
  auto* fresh = group->add_subcommand("new", "Créer une identité sous une phrase de passe, ou en renouveler les clés");
  fresh->footer(
      "Exemple : pli identity new\n"
      "Avec --renew : de nouvelles clés, sous la même phrase de passe, et une carte que l'ancienne clé signe.");
  auto* renewal = fresh->add_flag("--renew", *renew, "Renouveler les clés de l'identité présente");
  fresh->add_flag("--yes", *agreed, "Le renouvellement est convenu avec la préfecture, ne pas demander")
      ->needs(renewal);
  fresh->add_option("--work-factor", *work_factor, "Coût de la phrase de passe (18 ; moins seulement pour des essais)")
      ->check(CLI::Range(1, 20));
  fresh->callback([&sitting, &verdict, work_factor, renew, agreed] {
    verdict.exit_code = *renew ? renew_identity(sitting, *work_factor, *agreed) : make_identity(sitting, *work_factor);
  });

  auto* card = group->add_subcommand("card", "Écrire sa carte d'enrôlement (aucun secret)");
  card->footer("Exemple : pli identity card > ma-carte.txt");
  card->callback([&sitting, &verdict] { verdict.exit_code = show_card(sitting); });

  auto* show = group->add_subcommand("show", "Montrer le profil : membre, contrat, serveur, empreintes");
  show->footer("Exemple : pli identity show --json");
  show->callback([&sitting, &verdict] { verdict.exit_code = show_identity(sitting); });

  auto options = std::make_shared<AcceptOptions>();
  auto* take = group->add_subcommand("accept", "Accepter l'invitation reçue de la préfecture");
  take->footer(
      "Exemple : pli identity accept invitation.txt\n"
      "Tout ce que ce poste croira ensuite en dépend : ses chiffres se comparent de vive voix avant, jamais après.");
  take->add_option("fichier", options->file, "Fichier d'invitation")->required();
  auto* digits = take->add_option("--empreinte", options->digits,
                                  "Les trente chiffres lus par la préfecture, espaces permis, entre guillemets");
  take->add_flag("--yes", options->yes, "Les chiffres ont été comparés, ne pas demander")->excludes(digits);
  take->add_flag("--replace", options->replace, "Changer de contrat ; ce qui est connu de l'ancien est mis de côté");
  take->callback([&sitting, &verdict, options] { verdict.exit_code = accept(sitting, *options); });
}

}  // namespace pli::client::command
