// The authority's folder: keys, working copy of the directory, versions being signed, history (design §4). Offline: no
// network here. Never under the broker's folder. Not thread-safe.
//   contract.txt          what every invitation says        work.entries        the directory being edited
//   witnesses.policy      who has to cosign the log: a tlog-policy file, if any; what it says goes into invitations
//   keys/<name>.age       one authority key, under its own passphrase (they may be carried to other machines)
//   authorities.next      who signs from the next version on, while they change; as contract.txt
//   pending.note, .bundle the version being signed          history/<n>.note, .bundle   versions published
//   suspensions/<n>-<member>.note                           what one key signed in haste
//   orders/<shard>.note                                     an order to open that shard after a rollback
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/directory_draft.hpp"
#include "client/failure.hpp"
#include "crypto/secret.hpp"
#include "protocol/card.hpp"
#include "protocol/shard_order.hpp"
#include "protocol/suspension.hpp"

namespace pli::client {

/// One authority key to be made.
struct AuthorityKeyRequest {
  std::string name;  ///< key name: "prefecture-89.exemple/1"
  crypto::SecretKey passphrase;
};

struct InitRequest {
  protocol::Contract contract;
  std::string log;       ///< "<dns>/pli/89"
  std::string endpoint;  ///< where members reach the broker
  std::string listen;    ///< where the broker listens; empty = the same
  std::size_t threshold = 2;
  std::vector<AuthorityKeyRequest> authorities;
  int work_factor = 18;
  std::vector<std::string> queues;  ///< to start with: "ged/89", "clir/89", "cpraf/89", "audit/89"
  std::string witness_policy;       ///< text of a tlog-policy file; its log lines are left out. Empty: no witness
  UnixMillis now{};
};

/// What `pli init` makes: DIR/authority and DIR/broker, side by side.
struct InitResult {
  std::filesystem::path authority;
  std::filesystem::path broker;  ///< broker.toml, keys/curve.key, keys/log.key
  /// 32 bytes that unlock everything in broker/: to be moved off that disk before real use (threat model).
  std::filesystem::path startup_secret;
  crypto::CurvePublic broker_curve;
  crypto::SignPublic log_key;
};
/// Errors: usage (a bad name, k of n that cannot be, a folder that is not empty, no witness policy or one too long for
/// an invitation), local_store.
[[nodiscard]] Outcome<InitResult> init_contract(const std::filesystem::path& folder, InitRequest request);

/// Facts every invitation carries.
struct ContractFacts {
  std::string contract;
  std::string log;
  crypto::SignPublic log_key;
  std::string endpoint;
  crypto::CurvePublic broker;
  protocol::AuthoritySet authorities;
  std::string witnesses;  ///< from witnesses.policy, as an invitation spells them
  bool operator==(const ContractFacts&) const = default;
};
/// Without the witnesses, which have a file of their own.
[[nodiscard]] std::string to_text(const ContractFacts& facts);
[[nodiscard]] Result<ContractFacts> parse_contract_facts(std::string_view text);

/// A version waiting for signatures.
struct PendingVersion {
  protocol::DirectoryHead head;
  std::string note;  ///< with the signatures so far; the text alone before the first
  Bytes bundle;
  std::vector<std::string> signed_by;   ///< key names
  protocol::AuthoritySet before;        ///< of the version before, else of the contract
  [[nodiscard]] bool complete() const;  ///< k of n, and where they change k of those before as well
};

/// What a pending version would put in force, rebuilt from the history and its bundle: what a signer must have read.
struct VersionReview {
  protocol::DirectoryHead head;
  std::optional<protocol::DirectoryHead> previous;  ///< none before the first version
  std::vector<EntryDifference> differences;
  protocol::AuthoritySet authorities_before;  ///< of the version before, else of the contract
};

struct PublishedVersion {
  DirectoryNumber number{};
  Digest digest{};
  UnixMillis not_after{};
  std::uint64_t entries = 0;
  std::filesystem::path note;
  std::filesystem::path bundle;
};

struct SignedSuspension {
  protocol::Suspension suspension;
  std::string note;
  std::filesystem::path file;
};

/// An order to give up the lost end of a shard, with the signatures so far.
struct SignedOrder {
  protocol::RollbackOrder order;
  std::string note;
  std::vector<std::string> signed_by;  ///< key names
  std::size_t threshold = 1;
  std::filesystem::path file;
  [[nodiscard]] bool complete() const { return signed_by.size() >= threshold; }
};

/// Failure::detail of usage where a key file is not one of those asked for.
inline constexpr std::string_view not_an_authority = "not one of the contract's authority keys";

class Authority {
 public:
  /// Errors: file_missing (no such folder, or it is none of ours: the file that says so is named), usage (its
  /// contract.txt is something else), local_store (damaged).
  [[nodiscard]] static Outcome<Authority> open(const std::filesystem::path& folder);

  [[nodiscard]] const ContractFacts& facts() const { return facts_; }
  [[nodiscard]] const protocol::Directory& directory() const { return draft_.directory(); }  ///< as edited
  /// Edit, then save(). An edit throws away a pending version: it would sign something else.
  [[nodiscard]] DirectoryDraft& draft() { return draft_; }
  [[nodiscard]] Outcome<void> save();

  /// Who signs: of the last published version, else of the contract.
  [[nodiscard]] Outcome<protocol::AuthoritySet> authorities_in_force() const;
  /// Who is to sign from the next version on: what was last asked for, else those in force.
  [[nodiscard]] Outcome<protocol::AuthoritySet> authorities_next() const;
  /// Makes an authority key of that name in keys/, under its own passphrase; it signs nothing before a version names
  /// it. Errors: usage (no key name, one there already), local_store.
  [[nodiscard]] Outcome<audit::VerifierKey> make_key(const AuthorityKeyRequest& wanted, int work_factor);
  /// Asks that the next version name these. It takes k of those in force and k of these to sign it (design §4), and
  /// throws away a pending version, which names others. Errors: usage (k of n that cannot be, a name or a key twice,
  /// too long for an invitation), local_store.
  [[nodiscard]] Outcome<void> change_authorities(const protocol::AuthoritySet& wanted);

  /// For a member of the working copy. The number is that of the next version, or of the pending one.
  [[nodiscard]] Outcome<protocol::Invitation> invitation(std::string_view member) const;

  /// Writes the next version's note, unsigned; a version without changes renews the term. Errors: usage (a term of more
  /// than directory_validity_max, or none), local_store.
  [[nodiscard]] Outcome<PendingVersion> prepare(UnixMillis now, UnixMillis not_after);
  [[nodiscard]] Outcome<std::optional<PendingVersion>> pending() const;
  /// The pending version, told by its entries alone. Errors: usage (nothing pending), directory_unproven (the note does
  /// not continue the history, or signs other entries than the bundle makes), local_store.
  [[nodiscard]] Outcome<VersionReview> review() const;
  /// Adds one signature to the pending version. `key_file` is one of keys/ or a copy carried here.
  /// Errors: as review(); usage (not one of the authorities, signed already), wrong_passphrase, local_store.
  [[nodiscard]] Outcome<PendingVersion> sign(const std::filesystem::path& key_file,
                                             const crypto::SecretKey& passphrase);
  /// Moves a complete version to history/ and returns what is to be carried to the broker.
  /// Errors: usage (not k signatures yet), local_store.
  [[nodiscard]] Outcome<PublishedVersion> publish();

  /// Signs a suspension of a member of the last published version with one key, and keeps it in suspensions/. It takes
  /// effect when it is carried to the broker; the working copy and a pending version stay as they are.
  /// Errors: usage (nothing published, no such member, revoked already, not one of the authorities), wrong_passphrase,
  /// local_store.
  [[nodiscard]] Outcome<SignedSuspension> suspend(std::string_view member, const std::filesystem::path& key_file,
                                                  const crypto::SecretKey& passphrase, UnixMillis now);

  /// What `file` asks to sign: a broker's request, or an order that others have signed.
  /// Errors: usage (neither; of another contract or log), file_missing.
  [[nodiscard]] Outcome<protocol::RollbackRequest> rollback_request(const std::filesystem::path& file) const;
  /// Adds one signature and keeps the note in orders/. `file`: a request, whose order may be signed in part there
  /// already, or the note that others have signed. Errors: as rollback_request(); usage (not one of the authorities,
  /// signed already, another order stands there for that shard), wrong_passphrase, local_store.
  [[nodiscard]] Outcome<SignedOrder> order_rollback(const std::filesystem::path& file,
                                                    const std::filesystem::path& key_file,
                                                    const crypto::SecretKey& passphrase, UnixMillis now);

  [[nodiscard]] Outcome<std::vector<PublishedVersion>> history() const;  ///< oldest first
  [[nodiscard]] std::vector<std::filesystem::path> key_files() const;

 private:
  Authority(std::filesystem::path folder, ContractFacts facts, DirectoryDraft draft)
      : folder_(std::move(folder)), facts_(std::move(facts)), draft_(std::move(draft)) {}
  struct Last {
    std::optional<protocol::VerifiedDirectory> version;
    std::vector<protocol::Entry> entries;
  };
  [[nodiscard]] Outcome<Last> last() const;
  struct Signer;
  /// One of these keys, from its file. Errors: usage, wrong_passphrase, local_store.
  [[nodiscard]] static Outcome<Signer> signer(const std::filesystem::path& key_file,
                                              const crypto::SecretKey& passphrase,
                                              const std::vector<audit::VerifierKey>& authorities);
  std::filesystem::path folder_;
  ContractFacts facts_;
  DirectoryDraft draft_;
};

}  // namespace pli::client
