// A contract as tests need it: an invented département with its authority, its log, its people. Deterministic but for
// keys.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "client/directory_draft.hpp"
#include "client/profile.hpp"
#include "crypto/identity.hpp"
#include "crypto/release_share.hpp"
#include "protocol/card.hpp"
#include "protocol/directory.hpp"
#include "protocol/shard_order.hpp"

namespace pli::testing {

inline constexpr UnixMillis spring{1'774'000'000'000};  // 20 March 2026

/// A folder that goes away with the test.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

[[nodiscard]] crypto::SecretKey passphrase();

/// One signed version as it travels to the broker.
struct SignedVersion {
  std::string note;
  std::vector<Bytes> changed;
};

class SmallWorld {
 public:
  /// `since`: the contract's time, which certificates and validities are counted from.
  explicit SmallWorld(UnixMillis since = spring);

  std::string contract = "csi-89";
  std::string log = "pli.exemple.fr/pli/89";
  crypto::SigningKey log_key = crypto::SigningKey::generate();
  crypto::SecretKey broker_curve = crypto::SecretKey::random(32);
  crypto::CurvePublic broker_public;
  std::vector<crypto::SigningKey> authorities;  ///< three, two needed
  std::string endpoint = "tcp://127.0.0.1:9";
  struct Witness {
    std::string name;
    crypto::SigningKey key;
  };
  std::vector<Witness> witnesses;  ///< whom invitations name; at first nobody
  std::size_t quorum = 0;          ///< how many of them are needed

  /// "w1", "w2"…: invitations written from now on name them.
  void add_witnesses(std::size_t count, std::size_t needed);
  [[nodiscard]] std::string witness_lines() const;

  /// Enrols somebody in the working copy and remembers the identity.
  const crypto::Identity& enrol(const std::string& id, std::initializer_list<protocol::Role> roles,
                                const std::string& organisation, const std::string& territory,
                                const std::vector<std::string>& seats);
  [[nodiscard]] const crypto::Identity& identity(const std::string& id) const { return people_.at(id); }
  [[nodiscard]] client::Keys keys(const std::string& id) const;
  client::DirectoryDraft& draft() { return *draft_; }

  /// Signs the working copy as the next version. `signers` of the authorities sign.
  SignedVersion sign_version(UnixMillis now, std::size_t signers = 2);
  [[nodiscard]] std::string sign_order(const protocol::RollbackOrder& order, std::size_t signers = 2) const;
  [[nodiscard]] protocol::AuthoritySet authority_set() const;
  [[nodiscard]] protocol::Invitation invitation(const std::string& member) const;
  /// A profile with identity and invitation, as after enrolment.
  [[nodiscard]] client::Profile profile(const ScratchFolder& folder, const std::string& member) const;
  client::Profile write_profile(const std::filesystem::path& folder, const std::string& member) const;

 private:
  UnixMillis since_;
  std::map<std::string, crypto::Identity> people_;
  std::unique_ptr<client::DirectoryDraft> draft_;
  std::vector<protocol::Entry> published_;
  std::uint64_t number_ = 0;
  Digest previous_{};
};

/// A whole small département: référent and maire of Bellerive, référente of Clairval, secretariat, two members of the
/// GED, one of the CLIR, an auditor, an operator; queues ged, clir, audit and the two communes'.
void people_it(SmallWorld& world);

}  // namespace pli::testing
