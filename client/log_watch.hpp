// The client's watch over the broker's log (P7, P10): every checkpoint it is shown is signed by the log's key and
// extends the last one verified. A broken promise is refused, both signed notes are kept as evidence, and the alarm is
// kept until acknowledged (alarm.hpp).
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "audit/checkpoint.hpp"
#include "client/failure.hpp"
#include "client/profile.hpp"
#include "client/shard_watch.hpp"
#include "client/witness_watch.hpp"
#include "protocol/wire.hpp"

namespace pli::client {

/// Whether `origin` is a shard of `log`: log "/" year "-" n.
[[nodiscard]] bool is_shard_of(std::string_view origin, std::string_view log);
/// Checks a note by the invitation's log key; the key's name is the origin the note itself claims, which must be a
/// shard of `log`. Errors: receipt_invalid.
[[nodiscard]] Outcome<audit::VerifiedCheckpoint> verify_log_note(std::string_view note, std::string_view log,
                                                                 const crypto::SignPublic& log_key);
/// The verifier key for that origin.
[[nodiscard]] audit::VerifierKey log_verifier(std::string_view origin, const crypto::SignPublic& log_key);

/// A receipt may leave before its checkpoint is published; longer than this the log may not stay smaller than a
/// checkpoint it signed, nor show less to one question than to another (design §8: published at least each minute).
inline constexpr std::chrono::minutes foreign_grace{3};

/// Shards passed at one time: more than a contract has years and bad days. The next connection goes on from there.
inline constexpr std::size_t shards_passed_max = 64;

/// The log went on in another shard, as it should.
struct ShardPassed {
  std::string closed;  ///< origin
  std::string opened;
  bool rolled_back = false;  ///< on the authority's order: also an alarm, log_rolled_back
};

class LogWatch {
 public:
  LogWatch(const Profile& profile, const protocol::Invitation& invitation);

  /// Reads the last verified checkpoint, and the last cosigned one, from the profile. Errors: local_store,
  /// no_invitation.
  [[nodiscard]] Outcome<void> load(UnixMillis now);

  /// The last checkpoint verified and found consistent with all before it.
  [[nodiscard]] const std::optional<audit::VerifiedCheckpoint>& last() const { return last_; }
  /// The one the log showed last in this session: of last()'s tree or a part of it, with the newest cosignatures.
  [[nodiscard]] const std::optional<audit::VerifiedCheckpoint>& shown() const { return shown_; }
  [[nodiscard]] const WitnessWatch& witnesses() const { return witnesses_; }
  [[nodiscard]] TreeSize known_size() const { return last_ ? last_->size() : TreeSize{}; }

  /// Takes a checkpoint with the proof from the size asked from (known_size() then) to it, and remembers it.
  ///
  /// Errors: log_forked (another root, a proof that does not verify, another shard), log_shrunk (smaller than what was
  /// verified before), receipt_invalid (not signed by the log, or a witness's line that does not verify). Evidence:
  /// both notes. Too few witnesses are no error here (witness_watch.hpp).
  [[nodiscard]] Outcome<void> advance(std::string_view note, TreeSize from, std::span<const Digest> consistency,
                                      UnixMillis now);

  /// Goes from the shard of last() to that of `shown`, one after the other, each end checked (shard_watch.hpp) and kept
  /// before the next. After a rollback what was receipted beyond what stands waits to be sent again, queues are walked
  /// anew from what must stand, and the alarm log_rolled_back holds our checkpoint, both of the order and the order.
  ///
  /// `ask(origin, size)` is how that shard ended. Errors: log_forked (an end that does not hold, or that contradicts
  /// last(); evidence: all that was shown); what asking fails with.
  using AskShard = std::function<Outcome<protocol::ShardReply>(const std::string& origin, TreeSize known)>;
  [[nodiscard]] Outcome<std::vector<ShardPassed>> pass_shards(std::string_view shown, const AskShard& ask,
                                                              const protocol::AuthoritySet& authorities,
                                                              UnixMillis now);
  /// Whether a note is of the shard of last(), or there is none yet. False also for what is no note of the log:
  /// advance() says why.
  [[nodiscard]] bool is_of_this_shard(std::string_view note) const;

  /// A checkpoint met elsewhere (in a receipt, in a member's sealed exchange): signed by the log, not yet compared.
  /// Kept until the log has been asked how it relates to ours. Errors: receipt_invalid.
  [[nodiscard]] Outcome<void> note_foreign(std::string_view note, UnixMillis now);

  /// Asks the log about every foreign checkpoint not compared yet.
  ///
  /// `ask(size)` returns a checkpoint and the proof from `size` to it. A foreign checkpoint larger than anything the
  /// log shows after foreign_grace, cosigned after that where witnesses are demanded, is log_shrunk; one that is no
  /// prefix of it, log_forked. Evidence: both notes. Either is an alarm (alarm.hpp) and forgotten as a checkpoint; what
  /// was receipted under it waits to be sent again.
  /// What is shown to who asks from a published size is what is published, perhaps less than last(): the foreign
  /// checkpoint then waits; after foreign_grace it is log_shrunk, with last() for evidence, and is compared again.
  /// One of a shard before ours is compared with how that one ended.
  using Ask = std::function<Outcome<protocol::CheckpointReply>(TreeSize known)>;
  [[nodiscard]] Outcome<void> compare_foreign(const Ask& ask, const AskShard& ask_shard,
                                              const protocol::AuthoritySet& authorities, UnixMillis now);

 private:
  /// Whether it is known now to extend all before it; else it is kept among the foreign ones.
  [[nodiscard]] Outcome<bool> extend(const audit::VerifiedCheckpoint& verified, TreeSize from,
                                     std::span<const Digest> consistency, UnixMillis now);
  [[nodiscard]] Outcome<void> note_foreign(const audit::VerifiedCheckpoint& verified, UnixMillis now);
  /// Of another shard than ours. Nothing while it has to wait.
  enum class Past { waits, agrees, given_up };
  [[nodiscard]] Outcome<Past> compare_past(const audit::VerifiedCheckpoint& theirs, UnixMillis seen_at,
                                           const AskShard& ask_shard, const protocol::AuthoritySet& authorities,
                                           UnixMillis now);
  [[nodiscard]] Outcome<void> extend_to(const audit::VerifiedCheckpoint& shown, const Ask& ask, UnixMillis now);
  [[nodiscard]] Failure forked(std::string_view first, std::string_view second, const char* words) const;
  [[nodiscard]] Failure shrunk(std::string_view first, std::string_view second) const;
  const Profile& profile_;
  protocol::Invitation invitation_;
  std::string log_;
  crypto::SignPublic log_key_;
  std::optional<audit::VerifiedCheckpoint> last_;
  std::optional<audit::VerifiedCheckpoint> shown_;
  WitnessWatch witnesses_;
};

}  // namespace pli::client
