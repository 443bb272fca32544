// How long ago the witnesses an invitation names last confirmed the log (design §8; docs/protocol.md, "Witness
// policy"). Whoever shows us a log of its own needs their signatures too; whoever cuts us off from the log runs out of
// time.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/witness_policy.hpp"
#include "client/failure.hpp"
#include "client/known_directory.hpp"
#include "client/profile.hpp"
#include "protocol/card.hpp"

namespace pli::client {

/// Who cosigned a checkpoint, among the witnesses of a policy.
struct Cosignatures {
  struct By {
    std::string witness;  ///< its name in the policy
    UnixMillis at{};
  };
  std::vector<By> by;
  std::optional<UnixMillis> quorum_at;  ///< audit::quorum_time; nothing where the quorum has not signed
};
/// Checks the lines of the policy's witnesses under a checkpoint of `log`. Errors: receipt_invalid (not signed by the
/// log, or a line of a known witness that does not verify).
[[nodiscard]] Outcome<Cosignatures> read_cosignatures(std::string_view note, const audit::VerifierKey& log,
                                                      const audit::WitnessPolicy& policy, UnixMillis now);

/// What the age of a cosigned checkpoint allows (limits.hpp: cosigned_age_warned, cosigned_age_max).
enum class Standing {
  unwitnessed,  ///< no witness is demanded
  fresh,
  ageing,  ///< sealing goes on, with a warning
  stale,   ///< nothing is sealed
};
/// A time ahead of ours counts as now: how far ahead it may be was checked with the signature.
[[nodiscard]] Standing standing_at(std::optional<UnixMillis> quorum_at, UnixMillis now);

/// A checkpoint the quorum cosigned.
struct CosignedHead {
  std::string origin;
  TreeSize size{};
  UnixMillis at{};  ///< the quorum's time
};

class WitnessWatch {
 public:
  WitnessWatch(const Profile& profile, const protocol::Invitation& invitation);

  /// Reads the newest cosigned checkpoint kept; one that the present policy's quorum did not cosign is none.
  /// Errors: no_invitation (witnesses that are no policy), local_store.
  [[nodiscard]] Outcome<void> load(UnixMillis now);

  /// Nothing when the invitation names no witness, or before load().
  [[nodiscard]] const std::optional<audit::WitnessPolicy>& policy() const { return policy_; }
  [[nodiscard]] bool demanded() const { return policy_ && policy_->demands_witnesses(); }
  /// The one with the latest quorum time that this profile was ever shown.
  [[nodiscard]] const std::optional<CosignedHead>& kept() const { return kept_; }
  /// The checkpoint the log showed last in this session, where the quorum cosigned it.
  [[nodiscard]] const std::optional<CosignedHead>& shown() const { return shown_; }
  [[nodiscard]] Standing standing(UnixMillis now) const;  ///< by kept()

  /// The lines of our witnesses under a checkpoint the log signed. Errors: receipt_invalid; evidence: the note.
  [[nodiscard]] Outcome<Cosignatures> read(const audit::VerifiedCheckpoint& checkpoint, UnixMillis now) const;
  /// A checkpoint the log has just shown, found to extend all before it. Errors: local_store.
  [[nodiscard]] Outcome<void> take(const audit::VerifiedCheckpoint& checkpoint, const Cosignatures& cosignatures);

  /// Whether the quorum cosigned the checkpoint shown last, at most `age_max` ago: what an auditor asks. Errors:
  /// log_stale.
  [[nodiscard]] Outcome<void> check_shown(std::chrono::milliseconds age_max, UnixMillis now) const;

  /// Whether the log can be held to what it signed by `time`. One whose witnesses are away shows what it last
  /// published, however much it has grown: until the quorum has signed anew it is late, not rolled back. Always, where
  /// none is demanded.
  [[nodiscard]] bool published_after(UnixMillis time) const;

  /// Whether anything may be sealed to the rosters of the directory version that stands at `place`: the quorum cosigned
  /// a checkpoint within cosigned_age_max, and its tree holds that leaf. Errors: log_stale, local_store.
  [[nodiscard]] Outcome<void> check_sealing(const std::optional<DirectoryPlace>& place, UnixMillis now) const;

 private:
  const Profile& profile_;
  std::string log_;
  crypto::SignPublic log_key_;
  std::string lines_;
  std::optional<audit::WitnessPolicy> policy_;
  std::optional<CosignedHead> kept_;
  std::optional<CosignedHead> shown_;
};

}  // namespace pli::client
