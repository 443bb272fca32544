// A member's folder on disk: identity, invitation, state, receipts, evidence. One owner, mode 0700.
//   identity.age          the identity under its passphrase          former/*.age   those it replaced
//   invitation.txt        what is trusted on first contact
//   state.db              client_store.hpp
//   receipts/<id>.tlog-proof      evidence/<when>-<what>.txt         lock
// Several programs may work in one profile: state.db orders their writes; what must happen once (sending, replacing the
// identity) takes the advisory lock. Not thread-safe.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "client/failure.hpp"
#include "crypto/identity.hpp"
#include "protocol/card.hpp"

namespace pli::client {

class ClientStore;

/// An unlocked identity, with those it replaced: they no longer speak, but still read.
struct Keys {
  crypto::Identity current;
  std::vector<crypto::Identity> former;
};

/// Held while it lives.
class ProfileLock {
 public:
  explicit ProfileLock(int descriptor) : descriptor_(descriptor) {}
  ProfileLock(ProfileLock&& other) noexcept : descriptor_(other.descriptor_) { other.descriptor_ = -1; }
  ProfileLock& operator=(ProfileLock&&) = delete;
  ProfileLock(const ProfileLock&) = delete;
  ~ProfileLock();

 private:
  int descriptor_;
};

class Profile {
 public:
  /// $PLI_HOME, else ~/.pli.
  [[nodiscard]] static std::filesystem::path default_folder();
  /// Makes the folder where there is none; takes it from everybody but its owner. Errors: profile_later (a later
  /// program wrote it; it is left as it is), local_store (also a folder of somebody else's that others can read).
  [[nodiscard]] static Outcome<Profile> open(const std::filesystem::path& folder);
  Profile(Profile&&) noexcept;
  ~Profile();

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  [[nodiscard]] std::filesystem::path receipts_folder() const { return folder_ / "receipts"; }
  [[nodiscard]] ClientStore& store() const { return *store_; }

  [[nodiscard]] bool has_identity() const;
  /// Never replaces one: errors usage when there is one, local_store.
  [[nodiscard]] Outcome<void> write_identity(const crypto::Identity& identity, const crypto::SecretKey& passphrase,
                                             int work_factor);
  /// The new one takes the place of the present one, which moves to former/. Errors: local_store.
  [[nodiscard]] Outcome<void> replace_identity(const crypto::Identity& identity, const crypto::SecretKey& passphrase,
                                               int work_factor);
  /// Errors: usage (no identity), wrong_passphrase, local_store. Former identities under another passphrase are left
  /// out.
  [[nodiscard]] Outcome<Keys> unlock(const crypto::SecretKey& passphrase) const;

  /// Errors: no_invitation (none yet, or not one).
  [[nodiscard]] Outcome<protocol::Invitation> invitation() const;
  /// Checks and keeps it. A second one must name the same contract, log and log key. Errors: no_invitation,
  /// local_store.
  [[nodiscard]] Outcome<void> accept_invitation(std::string_view text);

  /// Nothing when another program holds it. Errors: local_store.
  [[nodiscard]] Outcome<std::optional<ProfileLock>> try_lock() const;
  /// Errors: local_store, also when another program holds it.
  [[nodiscard]] Outcome<ProfileLock> lock() const;

  /// Writes a file under evidence/ and returns its path; an empty path when even that failed (the finding matters
  /// more).
  std::filesystem::path keep_evidence(std::string_view what, std::string_view text) const;

 private:
  Profile(std::filesystem::path folder, std::unique_ptr<ClientStore> store);
  std::filesystem::path folder_;
  std::unique_ptr<ClientStore> store_;
};

}  // namespace pli::client
