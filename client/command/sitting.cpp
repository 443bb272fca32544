#include "client/command/sitting.hpp"

#include "client/command/passphrase.hpp"

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
  }
  return session_.get();
}

void Sitting::lock() {
  session_.reset();
  keys_.reset();
}

void Sitting::close_profile() {
  lock();
  profile_.reset();
}

}  // namespace pli::client::command
