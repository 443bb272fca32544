// What one unlocking serves: a profile, its keys, one session with the broker, for as many acts as follow.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "client/profile.hpp"
#include "client/session.hpp"
#include "crypto/secret.hpp"

namespace pli::client::command {

/// Options every verb understands.
struct GlobalOptions {
  std::filesystem::path home;                            ///< empty: $PLI_HOME, else ~/.pli
  std::optional<std::filesystem::path> passphrase_file;  ///< 0600 and ours
  bool json = false;
  bool debug = false;  ///< technical detail beside each error
};

class Sitting {
 public:
  [[nodiscard]] GlobalOptions& options() { return options_; }
  [[nodiscard]] bool json() const { return options_.json; }
  [[nodiscard]] bool debug() const { return options_.debug; }
  [[nodiscard]] const Clock& clock() const { return clock_; }

  /// Opens the profile's folder, once.
  [[nodiscard]] Outcome<Profile*> profile();
  /// Asks for the passphrase, once (passphrase.hpp says where from). Errors: no_identity, wrong_passphrase…
  [[nodiscard]] Outcome<const Keys*> keys();
  /// Connects, once; a lost connection is dialled again at the next call.
  [[nodiscard]] Outcome<Session*> session();
  void drop_session() { session_.reset(); }
  /// Closes everything of the profile; the next call opens it anew.
  void close_profile();
  /// Forgets keys and session: a shell left alone.
  void lock();
  /// The log's, by the invitation accepted; nothing before. Never asks for anything.
  [[nodiscard]] std::optional<crypto::SignPublic> log_key() const;
  [[nodiscard]] bool unlocked() const { return keys_ != nullptr; }

 private:
  void warn_of_witnesses() const;  ///< of a log their quorum has not confirmed for long
  GlobalOptions options_;
  SystemClock clock_;
  std::unique_ptr<Profile> profile_;
  std::unique_ptr<Keys> keys_;
  std::unique_ptr<Session> session_;
};

}  // namespace pli::client::command
