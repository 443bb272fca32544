#include "client/command/sitting.hpp"

#include "client/command/passphrase.hpp"
#include "client/command/screen.hpp"

namespace pli::client::command {

Outcome<Profile*> Sitting::profile() {
  if (!profile_) {
    auto opened = Profile::open(options_.home.empty() ? Profile::default_folder() : options_.home);
    if (!opened) return opened.error();
    profile_ = std::make_unique<Profile>(std::move(*opened));
  }
  return profile_.get();
}

Outcome<const Keys*> Sitting::keys() {
  if (!keys_) {
    auto here = profile();
    if (!here) return here.error();
    if (!(*here)->has_identity()) return Failure(protocol::LocalCode::no_identity, "");
    auto passphrase = read_passphrase(options_.passphrase_file, "Phrase de passe : ");
    if (!passphrase) return passphrase.error();
    auto unlocked = (*here)->unlock(*passphrase);
    if (!unlocked) return unlocked.error();
    keys_ = std::make_unique<Keys>(std::move(*unlocked));
  }
  return static_cast<const Keys*>(keys_.get());
}

Outcome<Session*> Sitting::session() {
  if (session_ && session_->lost()) session_.reset();
  if (!session_) {
    auto here = profile();
    if (!here) return here.error();
    auto unlocked = keys();
    if (!unlocked) return unlocked.error();
    auto opened = Session::open(**here, **unlocked, clock_);
    if (!opened) return opened.error();
    session_ = std::move(*opened);
    warn_of_witnesses();
    for (const ShardPassed& passed : session_->shards_passed())
      if (!passed.rolled_back && !json())
        warn("Information : le journal " + passed.closed + " est clos et continue dans " + passed.opened + ".");
  }
  return session_.get();
}

void Sitting::warn_of_witnesses() const {
  const WitnessWatch& witnesses = session_->log().witnesses();
  const UnixMillis now = clock_.now();
  const auto& kept = witnesses.kept();
  switch (witnesses.standing(now)) {
    case Standing::unwitnessed:
    case Standing::fresh: break;
    case Standing::ageing:
      warn("Attention : les témoins n'ont pas confirmé le journal du serveur depuis " +
           french_duration(now - kept->at) + ". Au-delà de 24 h, plus rien ne sera scellé. [log_stale]");
      break;
    case Standing::stale:
      warn("ATTENTION : les témoins " +
           (kept ? "n'ont pas confirmé le journal du serveur depuis " + french_duration(now - kept->at)
                 : std::string("n'ont jamais confirmé à ce poste le journal du serveur")) +
           ". Plus rien n'est scellé ; ce que vous écrivez est gardé. Vérifiez l'heure de ce poste. [log_stale]");
      break;
  }
}

void Sitting::lock() {
  session_.reset();
  keys_.reset();
}

std::optional<crypto::SignPublic> Sitting::log_key() const {
  if (!profile_) return std::nullopt;
  auto invitation = profile_->invitation();
  return invitation ? std::optional(invitation->log_key) : std::nullopt;
}

void Sitting::close_profile() {
  lock();
  profile_.reset();
}

}  // namespace pli::client::command
