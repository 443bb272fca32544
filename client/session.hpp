// One connection, from `hello` to its end: who we are, a log that extends what we knew, a directory proven under it.
// Everything a command does over the network goes through a session. Not thread-safe; belongs to one thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "client/connection.hpp"
#include "client/known_directory.hpp"
#include "client/log_watch.hpp"
#include "client/profile.hpp"
#include "client/receipts.hpp"
#include "client/release_session.hpp"
#include "crypto/release_share.hpp"
#include "protocol/wire.hpp"

namespace pli::client {

class Session {
 public:
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Dials the invitation's endpoint, says hello, checks the log and brings the directory up to date.
  /// `profile`, `keys` and `clock` must outlive the session.
  /// Errors: those of dial(); no_invitation; log_forked, log_shrunk; directory_unproven; local_store; refusals.
  [[nodiscard]] static Outcome<std::unique_ptr<Session>> open(const Profile& profile, const Keys& keys,
                                                              const Clock& clock);
  /// The same over connections made by `dial`: now, and at each reconnect().
  using Dial = std::function<Outcome<std::unique_ptr<Connection>>()>;
  [[nodiscard]] static Outcome<std::unique_ptr<Session>> open(const Profile& profile, const Keys& keys,
                                                              const Clock& clock, Dial dial);
  /// The same over a connection that stands already, and is the only one: reconnect() ends as unreachable.
  [[nodiscard]] static Outcome<std::unique_ptr<Session>> open(const Profile& profile, const Keys& keys,
                                                              const Clock& clock,
                                                              std::unique_ptr<Connection> connection);

  /// Whether a request could not be sent or a reply did not come: nothing but reconnect() helps then.
  [[nodiscard]] bool lost() const;
  /// Dials again; checks log and directory as open() does. What was in flight is forgotten. Errors: as open().
  [[nodiscard]] Outcome<void> reconnect();

  [[nodiscard]] const Profile& profile() const { return profile_; }
  [[nodiscard]] const Keys& keys() const { return keys_; }
  [[nodiscard]] const Clock& clock() const { return clock_; }
  [[nodiscard]] const protocol::Invitation& invitation() const { return invitation_; }
  [[nodiscard]] const std::string& member_id() const { return member_; }  ///< as the broker knows our key
  [[nodiscard]] UnixMillis broker_time() const { return broker_time_; }   ///< at hello
  [[nodiscard]] std::uint64_t exchange_bytes_max() const { return exchange_bytes_max_; }
  [[nodiscard]] const KnownDirectory& directory() const { return *directory_; }
  /// Whether the log was rolled back, by order, to before this version was published: the broker decides by an older
  /// one. Ours stands as signed, so whoever holds the authority's folder can publish it again (`pli directory
  /// publish`); a member's profile has not all entries to do so. Until then nothing is sent.
  [[nodiscard]] bool directory_behind() const { return directory_ && announced_ < directory_->number(); }
  /// The version the broker says is in force.
  [[nodiscard]] audit::DirectoryReference announced_directory() const { return {announced_, announced_digest_}; }
  [[nodiscard]] LogWatch& log() { return log_; }
  /// The ends of shards this session went past, oldest first: what a person is told of.
  [[nodiscard]] const std::vector<ShardPassed>& shards_passed() const { return shards_passed_; }
  [[nodiscard]] ReleaseSession& release() { return release_; }
  [[nodiscard]] Connection& connection();
  /// The queues this member sits in, as the directory says.
  [[nodiscard]] std::vector<std::string> seats() const;

  /// One request, one reply of the type that answers it; a refusal becomes a Failure.
  /// Errors: unreachable; the broker's refusal.
  template <class Answer>
  [[nodiscard]] Outcome<Answer> ask(protocol::RequestBody body) {
    auto reply = exchange(std::move(body));
    if (!reply) return reply.error();
    if (auto* answer = std::get_if<Answer>(&*reply)) return std::move(*answer);
    return wrong_answer(*reply);
  }

  /// Says hello again: today's release key, the log's growth, and the directory if there is a newer one.
  /// Errors: as open().
  [[nodiscard]] Outcome<void> refresh();

  /// Fetches, checks and keeps the newest version. Does nothing when it is the one we hold.
  /// Errors: directory_unproven (a signature, number, digest or proof that does not hold), unreachable, local_store.
  [[nodiscard]] Outcome<void> update_directory();

  /// A new checkpoint with its proof, and the comparison of all foreign ones; forms whose receipts are thereby part of
  /// the log everybody sees are destroyed. Errors: log_forked, log_shrunk, …
  [[nodiscard]] Outcome<void> check_log();

  /// Whether anything may be sealed to the directory's rosters now (witness_watch.hpp). While the witnesses answer,
  /// waits up to `patience` for a checkpoint that holds a version published a moment ago. Errors: log_stale, those of
  /// check_log().
  [[nodiscard]] Outcome<void> check_sealing(std::chrono::milliseconds patience);

  /// The authorities of the version held, of the invitation, and of every version this profile has verified: who may
  /// have signed what is old. Never empty. Errors: local_store.
  [[nodiscard]] Outcome<std::vector<protocol::AuthoritySet>> authorities_known() const;

  /// Verifies a proof the broker sent: disclosure → leaf → tree → signed note, which check_log() then compares.
  /// Errors: receipt_invalid.
  [[nodiscard]] Outcome<VerifiedReceipt> verify_proof(const protocol::LeafProof& proof);

 private:
  class Line;
  Session(const Profile& profile, const Keys& keys, const Clock& clock, protocol::Invitation invitation, Dial dial);
  [[nodiscard]] Outcome<void> check_directory(const KnownDirectory& directory) const;
  [[nodiscard]] Outcome<void> say_hello();
  [[nodiscard]] Outcome<void> compare_foreign();
  [[nodiscard]] Outcome<void> open_directory();
  /// What the broker announces against the version we hold: the same, newer, or older by an ordered rollback.
  [[nodiscard]] Outcome<void> settle_directory();
  /// Takes what the log shows, by way of the shards between where it is of another one than ours.
  [[nodiscard]] Outcome<void> take_checkpoint(std::string_view note, TreeSize from,
                                              std::span<const Digest> consistency);
  /// Who may order a rollback: the authorities of the version last verified, else of the invitation.
  [[nodiscard]] Outcome<protocol::AuthoritySet> authorities() const;
  [[nodiscard]] LogWatch::AskShard shard_asker();
  /// False when it has to be tried again.
  [[nodiscard]] Outcome<bool> fetch_directory(DirectoryNumber known);
  struct ProvenVersion {
    protocol::VerifiedDirectory directory;
    DirectoryPlace place;
    std::string proof;  ///< of its leaf, as a receipt
  };
  struct ProvenPlace {
    DirectoryPlace place;
    std::string proof;
  };
  /// Nothing when it is the version we hold.
  [[nodiscard]] Outcome<std::optional<ProvenVersion>> verify_version(const protocol::DirectoryPage& page);
  [[nodiscard]] Outcome<ProvenPlace> verify_place(const protocol::DirectoryPage& page,
                                                  const protocol::VerifiedDirectory& version);
  [[nodiscard]] Outcome<protocol::ReplyBody> exchange(protocol::RequestBody body);
  [[nodiscard]] static Failure wrong_answer(const protocol::ReplyBody& reply);

  const Profile& profile_;
  const Keys& keys_;
  const Clock& clock_;
  protocol::Invitation invitation_;
  Dial dial_;
  std::unique_ptr<Line> line_;
  LogWatch log_;
  ReleaseSession release_;
  std::string member_;
  UnixMillis broker_time_{};
  std::uint64_t exchange_bytes_max_ = 0;
  DirectoryNumber announced_{};
  Digest announced_digest_{};
  std::vector<ShardPassed> shards_passed_;
  std::unique_ptr<const KnownDirectory> directory_;
  std::optional<DirectoryPlace> place_;  ///< of directory_
};

/// The directory this profile last verified, for work without a connection. Errors: directory_unproven (none yet).
[[nodiscard]] Outcome<KnownDirectory> last_directory(const Profile& profile);

/// One version in the chain this profile verified.
struct HistoricVersion {
  DirectoryNumber number{};
  Digest digest{};
  UnixMillis not_after{};
  UnixMillis verified_at{};
  std::string origin;  ///< of the shard whose leaf names it
  LeafIndex leaf{};
  TreeSize size{};       ///< of the tree it was proven in
  bool proven = false;   ///< its proof holds, by the log's key alone, and names this digest under this number
  bool follows = false;  ///< it names the digest of the version before, which is the one above
};
/// Every version verified since enrolment, oldest first, each checked again from what was kept. Versions that came and
/// went between two connections are missing: a gap shows by its numbers. No connection is used. Errors: no_invitation,
/// local_store.
[[nodiscard]] Outcome<std::vector<HistoricVersion>> directory_history(const Profile& profile);

}  // namespace pli::client
